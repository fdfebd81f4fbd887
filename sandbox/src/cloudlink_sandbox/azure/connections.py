"""IPsec connections: a VPN gateway joined with a local network gateway.

Lists leave out ``connectionStatus`` and ``sharedKey``; a single GET has both, the key in clear.
"""

from __future__ import annotations

import secrets
import string
from ipaddress import IPv4Network

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.express_route import is_express_route
from cloudlink_sandbox.azure.fields import array, choice, flag, inner, number, objects
from cloudlink_sandbox.azure.ids import ResourceId, parse, reference
from cloudlink_sandbox.azure.ipsec_policies import accept_policy
from cloudlink_sandbox.azure.local_gateways import CONNECTION, LOCAL_GATEWAY
from cloudlink_sandbox.azure.operations import refuse_if_locked
from cloudlink_sandbox.azure.resource_provider import ResourceProvider
from cloudlink_sandbox.azure.store import Operation, Record, new_etag
from cloudlink_sandbox.azure.vnets import GATEWAY
from cloudlink_sandbox.azure.vpn_gateways import connections_lock

MODES = ("Default", "InitiatorOnly", "ResponderOnly")


class Connections(ResourceProvider):
    kinds = ("connections",)
    word = "VirtualNetworkGatewayConnection"
    since = {  # noqa: RUF012 - never changed
        "expressRouteGatewayBypass": "2018-07-01",
        "connectionProtocol": "2018-08-01",
        "trafficSelectorPolicies": "2019-07-01",
        "packetCaptureDiagnosticState": "2019-07-01",
        "useLocalAzureIpAddress": "2019-12-01",
        "dpdTimeoutSeconds": "2020-01-01",
        "connectionMode": "2020-01-01",
        "gatewayCustomBgpIpAddresses": "2020-01-01",
        "authenticationType": "2020-01-01",
    }
    lasts = ("azure.connection.create", "azure.connection.update", "azure.connection.delete")
    etag_header = False

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        given = inner(body, "properties", path="")
        kind = choice(given, "connectionType", ("IPsec", "Vnet2Vnet", "ExpressRoute", "VPNClient"))
        if kind != "IPsec":
            raise errors.not_modelled(f"connections of type {kind}", str(id_))
        gateway, local = self._ends(id_, given)
        protocol = choice(given, "connectionProtocol", ("IKEv2", "IKEv1"), "IKEv2")
        if old is not None and old.properties["connectionProtocol"] != protocol:
            # Assumption: the code; that the protocol cannot be changed is documented.
            raise ApiError(
                400, "ConnectionProtocolCannotBeModified", f"The connection protocol of {id_} cannot be changed."
            )
        bgp = flag(given, "enableBgp", False)
        if bgp:
            self._check_bgp(id_, gateway, local)
        dpd = number(given, "dpdTimeoutSeconds", 0, 0, 3600)
        if 0 < dpd < 9:
            raise errors.invalid_value("properties.dpdTimeoutSeconds", dpd, "0 or 9 to 3600")
        return {
            "packetCaptureDiagnosticState": "None",
            "virtualNetworkGateway1": {"id": str(gateway.id)},
            "localNetworkGateway2": {"id": str(local.id)},
            "connectionType": kind,
            "connectionProtocol": protocol,
            "routingWeight": number(given, "routingWeight", 0, 0, 32000),
            "sharedKey": self._key(given, old),
            "authenticationType": choice(given, "authenticationType", ("PSK",), "PSK"),
            "enableBgp": bgp,
            "useLocalAzureIpAddress": flag(given, "useLocalAzureIpAddress", False),
            "usePolicyBasedTrafficSelectors": flag(given, "usePolicyBasedTrafficSelectors", False),
            "ipsecPolicies": self._policies(given),
            "trafficSelectorPolicies": [_selector(s) for s in objects(given, "trafficSelectorPolicies")],
            "expressRouteGatewayBypass": flag(given, "expressRouteGatewayBypass", False),
            "dpdTimeoutSeconds": dpd,
            "connectionMode": choice(given, "connectionMode", MODES, "Default"),
            "gatewayCustomBgpIpAddresses": self._custom(id_, given, gateway),
        }

    def _ends(self, id_: ResourceId, given: Json) -> tuple[Record, Record]:
        if not given.get("virtualNetworkGateway1") or not given.get("localNetworkGateway2"):
            raise ApiError(
                400,
                "GatewayConnectionMustHaveExactlyTwoEndpoints",
                f"Virtual Network Gateway connection {id_} must have exactly two endpoints. The first endpoint must be "
                "a VirtualNetworkGateway, the second endpoint can be a VirtualNetworkGateway or a LocalNetworkGateway "
                "or a ExpressRouteCircuit.",
            )
        found = []
        for name, wanted in (("virtualNetworkGateway1", GATEWAY), ("localNetworkGateway2", LOCAL_GATEWAY)):
            id_of_end = reference(given[name], f"properties.{name}.id")
            end = self.store.find(id_of_end)
            if end is None or not end.is_type(wanted):
                raise errors.reference_not_found(str(id_of_end), str(id_))
            found.append(end)
        for other in self.store.of_type(CONNECTION):
            if is_express_route(other.properties):
                continue
            ends = (other.properties["virtualNetworkGateway1"]["id"], other.properties["localNetworkGateway2"]["id"])
            if other.id.key != id_.key and [e.lower() for e in ends] == [f.id.key for f in found]:
                # Assumption: the code; that one pair can be connected once is documented.
                raise ApiError(
                    400,
                    "ConnectionBetweenSameEndpointsExists",
                    f"Connection {other.id} already connects the endpoints of {id_}.",
                )
        return found[0], found[1]

    def _check_bgp(self, id_: ResourceId, gateway: Record, local: Record) -> None:
        """Assumption: both codes; that BGP needs both ends' settings and different ASNs is documented."""
        theirs = local.properties.get("bgpSettings")
        if theirs is None or not gateway.properties["enableBgp"]:
            raise ApiError(
                400,
                "BgpNotEnabledOnGateways",
                f"Connection {id_} has BGP enabled, but one of its gateways has no BGP settings.",
            )
        if theirs["asn"] == (gateway.properties["bgpSettings"]["asn"] or 65515):
            raise ApiError(
                400,
                "LocalNetworkGatewayAsnSameAsGatewayAsn",
                f"Local network gateway {local.id} has the same ASN as virtual network gateway {gateway.id}.",
            )

    def _key(self, given: Json, old: Record | None) -> str:
        key = given.get("sharedKey")
        if key is None:
            # Assumption: without a key Azure makes one of 128 characters, as a reset does.
            return str(old.properties["sharedKey"]) if old else random_key(128)
        check_key(key)
        return str(key)

    def _policies(self, given: Json) -> list[Json]:
        policies = objects(given, "ipsecPolicies")
        if len(policies) > 1:
            raise ApiError(400, "OnlyOneIpsecPolicyAllowed", "A connection can have one IPsec policy.")
        return [accept_policy(p) for p in policies]

    def _custom(self, id_: ResourceId, given: Json, gateway: Record) -> list[Json]:
        """Each address must be one of the custom addresses of the ipConfiguration that it names."""
        entries = objects(given, "gatewayCustomBgpIpAddresses")
        known = {e["ipconfigurationId"].lower(): e for e in gateway.properties["bgpSettings"]["bgpPeeringAddresses"]}
        kept: list[Json] = []
        for entry in entries:
            config, value = str(entry.get("ipConfigurationId") or ""), str(entry.get("customBgpIpAddress") or "")
            place = known.get(config.lower())
            # Assumption: the codes; that these entries are validated is documented, the wording is not.
            if place is None:
                raise ApiError(
                    400,
                    "GatewayCustomBgpIpConfigurationNotFound",
                    f"IpConfiguration '{config}' in connection {id_} is not one of gateway {gateway.id}.",
                )
            if value not in place["customBgpIpAddresses"]:
                raise ApiError(
                    400,
                    "GatewayCustomBgpIpAddressNotFound",
                    f"Custom BGP IP address '{value}' in connection {id_} is not one of ipConfiguration {config}.",
                )
            kept.append({"ipConfigurationId": place["ipconfigurationId"], "customBgpIpAddress": value})
        if len({k["ipConfigurationId"].lower() for k in kept}) != len(kept):
            raise ApiError(
                400,
                "GatewayCustomBgpIpConfigurationRepeated",
                f"Connection {id_} names an ipConfiguration twice.",
            )
        return kept

    def check_references(self, id_: ResourceId, properties: Json) -> None:
        for name, word in (
            ("virtualNetworkGateway1", "VirtualNetworkGateway"),
            ("localNetworkGateway2", "LocalNetworkGateway"),
        ):
            used = self.store.find(parse(properties[name]["id"])) if name in properties else None
            if used is not None and (state := self.store.state_of(used)) != "Succeeded":
                raise errors.not_provisioned(str(used.id), str(id_), state, f"Put{word}Operation")

    # How it is answered

    def shape(self, record: Record, state: str, *, listed: bool) -> Json:
        kept = super().shape(record, state, listed=listed)
        if listed:
            kept.pop("sharedKey", None)
        shown: Json = {}
        for name, value in kept.items():
            if name == "expressRouteGatewayBypass":
                shown.update(self._status(record, listed=listed))
            shown[name] = value
        return shown

    def _status(self, record: Record, *, listed: bool) -> Json:
        """Assumption: lists carry byte counts of zero; recorded lists show zeros, none was of a busy tunnel."""
        nothing: Json = {"ingressBytesTransferred": 0, "egressBytesTransferred": 0}
        if listed or record.effective is None:
            return nothing
        if is_express_route(record.properties):
            up = any(e.id == str(record.id) and e.working for e in self.store.context.world().azure.express_routes)
            return {"connectionStatus": "Connected" if up else "NotConnected", **nothing}
        view = self.store.context.world().azure_connection(str(record.id))
        return {
            "connectionStatus": view.status,
            "ingressBytesTransferred": view.ingress,
            "egressBytesTransferred": view.egress,
        }

    def list_of_gateway(self, request: Request) -> Answer:
        where = request.where
        group = self.store.group(where["subscription"], where["group"])
        id_ = ResourceId(
            group.subscription, group.name, "Microsoft.Network", ("virtualNetworkGateways",), (where["name"],)
        )
        if self.store.find(id_) is None:
            raise errors.resource_not_found(GATEWAY, where["name"], where["group"])
        mine = [
            c for c in self.store.of_type(CONNECTION) if c.properties["virtualNetworkGateway1"]["id"].lower() == id_.key
        ]
        version = request.api_version
        return Answer(200, {"value": [self.for_version(self.show(c, listed=True), version) for c in mine]})

    # Locks: connections of one gateway are written one after another

    def locks(self, id_: ResourceId, properties: Json) -> tuple[str, ...]:
        gateway = str((properties.get("virtualNetworkGateway1") or {}).get("id", "")).lower()
        return (id_.key, connections_lock(gateway))

    def waits_for(self, id_: ResourceId, properties: Json, *, deleting: bool) -> tuple[str, ...]:
        """A PUT is told in other words that its gateway is busy: see check_references."""
        gateway = str((properties.get("virtualNetworkGateway1") or {}).get("id", "")).lower()
        return (*self.locks(id_, properties), gateway) if deleting else self.locks(id_, properties)

    # Shared key and reset

    def get_key(self, request: Request) -> Answer:
        return Answer(200, {"value": self.record(request).properties["sharedKey"]})

    def put_key(self, request: Request) -> Answer:
        key = request.json().get("value")
        check_key(key)
        record = self._writable(request)
        record.properties["sharedKey"] = str(key)
        return self.operations.accepted(request, self._key_operation(request, record, post=False), 200)

    def reset_key(self, request: Request) -> Answer:
        length = number(request.json(), "keyLength", None, 1, 128, path="")
        record = self._writable(request)
        record.properties["sharedKey"] = random_key(length)
        return self.operations.accepted(request, self._key_operation(request, record, post=True), 202)

    def reset(self, request: Request) -> Answer:
        record = self._writable(request)
        operation = self.operations.start(
            request,
            record,
            name="ResetVirtualNetworkGatewayConnectionOperation",
            lasts="azure.action",
            flips=(record.id.key,),
            locks=self.locks(record.id, record.properties),
            post=True,
            restarts=True,
        )
        return self.operations.accepted(request, operation, 202)

    def _writable(self, request: Request) -> Record:
        record = self.record(request)
        awaited = self.waits_for(record.id, record.properties, deleting=True)
        refuse_if_locked(self.store, self.operations, request, record.id, awaited, retryable=True)
        record.etag = new_etag()
        return record

    def _key_operation(self, request: Request, record: Record, *, post: bool) -> Operation:
        return self.operations.start(
            request,
            record,
            name="SetVirtualNetworkGatewayConnectionSharedKeyOperation",
            lasts="azure.sharedkey",
            flips=(record.id.key,),
            applies=(record.id.key,),
            locks=self.locks(record.id, record.properties),
            post=post,
        )


def _selector(given: Json) -> Json:
    """A pair of ranges. They have an effect only where policy-based traffic selectors are on.

    https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-about-vpn-gateway-settings
    """
    kept = {}
    for side in ("local", "remote"):
        name = f"{side}AddressRanges"
        ranges = array(given, name)
        path = f"properties.trafficSelectorPolicies.{name}"
        if not ranges:
            raise errors.invalid_value(path, ranges, "at least one range")
        for range_ in ranges:
            try:
                IPv4Network(str(range_))
            except ValueError:
                raise errors.invalid_value(path, range_, "a range such as 10.1.0.0/16") from None
        kept[name] = list(ranges)
    return kept


def check_key(key: object) -> None:
    """1 to 128 printable ASCII characters without space, hyphen and tilde.

    https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-vpn-faq
    """
    fine = isinstance(key, str) and 1 <= len(key) <= 128 and all("!" <= c < "~" and c != "-" for c in key)
    if not fine:
        # Assumption: the code; the rule is documented.
        raise ApiError(
            400, "InvalidSharedKey", "The shared key contains characters that are not allowed, or is too long."
        )


def random_key(length: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))
