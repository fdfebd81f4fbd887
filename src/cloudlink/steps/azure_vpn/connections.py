"""The four tunnels as Azure sees them: a local network gateway for each AWS tunnel end, and a connection to each.

Four of each and not two, because every AWS tunnel has a public address and an inside range of its own.
https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-howto-aws-bgp
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import ClassVar

from cloudlink.clouds.azure.client import Json
from cloudlink.core.polling import STEADY_DELETION
from cloudlink.core.resource import Node, Observed, Outputs, Phase, Started, Timing, built_on
from cloudlink.errors import MissingError
from cloudlink.ipsec import IpsecPolicy, azure_ipsec_policy, for_azure, from_azure
from cloudlink.link import Tunnel
from cloudlink.secret import Secret, UnseenSecret
from cloudlink.steps.azure_vpn.resource import (
    AzureResource,
    body_of,
    location,
    named,
    networks,
    properties,
    reference,
    rest_of,
)
from cloudlink.steps.outputs import (
    AwsTunnelEnd,
    AzureConnection,
    AzureGateway,
    LocalGateway,
    ResourceGroup,
    VpnConnection,
    VpnGateway,
)

# Everything that is written to the gateway or to a connection on it: Azure does one thing at a time there and answers
# 409 or 429 to a second one.
GATEWAY_SERIAL = "azure-gateway"


def _address(text: object) -> IPv4Address | None:
    """None for what is not an IPv4 address: a gateway found by name, a peer that is not set."""
    try:
        return IPv4Address(str(text))
    except ValueError:
        return None


def _end(outputs: Outputs, vpn: Node[VpnConnection], tunnel: Tunnel, address: str) -> AwsTunnelEnd:
    try:
        return outputs[vpn].tunnel(tunnel.inside)
    except KeyError:
        raise MissingError(
            "AWS has no tunnel with this inside range",
            f"The VPN connection {outputs[vpn].id} has no tunnel with the inside range {tunnel.inside}, so that Azure's end "
            f"of {tunnel.name} has no counterpart.",
            f"aws ec2 describe-vpn-connections --vpn-connection-ids {outputs[vpn].id}",
            resource=address,
        ) from None


# --- local network gateways -------------------------------------------------------------------------------


@dataclass(frozen=True)
class LocalGatewaySpec:
    location: str
    address: IPv4Address | None  # AWS's public one
    asn: int
    bgp_peer: IPv4Address | None
    # empty, because routes come over BGP; Azure adds the route to the peer itself and would make a static route of
    # anything in it
    prefixes: frozenset[IPv4Network] = frozenset()


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalGatewayResource(AzureResource[LocalGatewaySpec, LocalGateway]):
    """What Azure knows of one AWS tunnel end."""

    tunnel: Tunnel
    group: Node[ResourceGroup]
    vpn: Node[VpnConnection]
    aws_gateway: Node[VpnGateway]

    timing = Timing(create=11, update=30, delete=10, deadline=1800)
    immutable = frozenset({"location"})
    why_it_matters: ClassVar[Mapping[str, str]] = {
        "address": "Azure's tunnel leads to another address than AWS's end",
        "asn": "the BGP session needs AWS's number",
        "bgp_peer": "the BGP session needs AWS's inside address",
        "prefixes": "Azure makes static routes of them, which stay when the tunnel is down",
    }

    @property
    def name(self) -> str:
        return self.azure.name(f"local-gateway-{self.tunnel.index + 1}")

    def spec(self, outputs: Outputs) -> LocalGatewaySpec:
        return LocalGatewaySpec(
            location=location(self.link.azure.location),
            address=_end(outputs, self.vpn, self.tunnel, self.address).outside_ip,
            asn=outputs[self.aws_gateway].asn,
            bgp_peer=self.tunnel.aws_inside,
        )

    def raw(self, *, fresh: bool) -> Json | None:
        return named(self.azure.local_gateways(fresh=fresh), self.name)

    def parse_spec(self, raw: Json) -> LocalGatewaySpec:
        held = properties(raw)
        bgp = held.get("bgpSettings") or {}
        return LocalGatewaySpec(
            location=location(raw.get("location")),
            address=_address(held.get("gatewayIpAddress")),
            asn=int(bgp.get("asn") or 0),
            bgp_peer=_address(bgp.get("bgpPeeringAddress")),
            prefixes=frozenset(networks((held.get("localNetworkAddressSpace") or {}).get("addressPrefixes"))),
        )

    def parse_outputs(self, raw: Json) -> LocalGateway:
        return LocalGateway(str(raw["id"]))

    def put(self, spec: LocalGatewaySpec, tags: dict[str, str], there: Json | None) -> Started:
        """A name in place of the address (fqdn) is not written back: it takes one or the other."""
        bgp = rest_of(properties(there).get("bgpSettings") or {})
        changed = {
            "gatewayIpAddress": str(spec.address),
            "bgpSettings": {**bgp, "asn": spec.asn, "bgpPeeringAddress": str(spec.bgp_peer)},
            "localNetworkAddressSpace": {"addressPrefixes": [str(p) for p in sorted(spec.prefixes)]},
        }
        body = body_of(there, changed, "fqdn", location=spec.location, tags=tags)
        return self.azure.put_local_gateway(self.name, body)

    def remove(self) -> Started | None:
        return self.azure.delete_local_gateway(self.name)


# --- connections ------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class CustomAddress:
    """The inside address that one instance of the gateway uses on this connection."""

    instance: str  # its ipConfiguration
    address: IPv4Address | None


@dataclass(frozen=True)
class ConnectionSpec:
    location: str
    type: str
    # gateway and local_gateway: ids in lower case
    gateway: str
    local_gateway: str
    protocol: str
    key: Secret  # AWS's; differing is drift and shows no value. One that may not be read differs from none
    policy: IpsecPolicy
    bgp: bool
    bgp_addresses: tuple[CustomAddress, ...]  # one for each instance
    mode: str = "Default"
    policy_selectors: bool = False  # off, because AWS's tunnels are route-based
    selectors: frozenset[str] = frozenset()  # none, for the same reason


# What Azure tells of a connection at work.
_MEASURED = (
    "connectionStatus",
    "tunnelConnectionStatus",
    "ingressBytesTransferred",
    "egressBytesTransferred",
    "packetCaptureDiagnosticState",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ConnectionResource(AzureResource[ConnectionSpec, AzureConnection]):
    """Azure's end of one tunnel.

    A connection names an inside address for each of the two instances, although only one of them meets AWS: the
    customer gateway behind the AWS connection has that instance's public address alone. The other instance is given
    its own first address. Left out altogether, every connection would use the first address, and the second
    tunnel of each instance would carry no routes.
    """

    tunnel: Tunnel
    gateway: Node[AzureGateway] = built_on()
    local_gateway: Node[LocalGateway] = built_on()
    vpn: Node[VpnConnection]

    # Assumption: an hour is enough. A connection begun while its gateway is updating was seen to take 35 minutes.
    timing = Timing(create=12, update=40, delete=60, deadline=3600, delete_pace=STEADY_DELETION)
    immutable = frozenset({"location", "type", "gateway", "local_gateway", "protocol"})
    why_it_matters: ClassVar[Mapping[str, str]] = {
        "mode": "Azure only opens the tunnel, or only waits for AWS to open it",
        "policy_selectors": "AWS's tunnels are route-based, so that the two sides do not agree on what passes",
        "selectors": "AWS's tunnels are route-based, so that the two sides do not agree on what passes",
        "bgp_addresses": "Azure speaks BGP from another address than the one that AWS expects",
        "bgp": "without BGP no routes are learned",
        "key": "the two ends have different keys",
    }
    serial = GATEWAY_SERIAL

    @property
    def name(self) -> str:
        return self.azure.name(f"connection-{self.tunnel.index + 1}")

    def spec(self, outputs: Outputs) -> ConnectionSpec:
        gateway = outputs[self.gateway]
        addresses = [
            CustomAddress(_config_name(instance.config_id), self._inside_address(i))
            for i, instance in enumerate(gateway.instances)
        ]
        return ConnectionSpec(
            location=location(self.link.azure.location),
            type="IPsec",
            gateway=gateway.id.lower(),
            local_gateway=outputs[self.local_gateway].id.lower(),
            protocol="IKEv2",
            key=_end(outputs, self.vpn, self.tunnel, self.address).psk,
            policy=for_azure(self.link.policy),
            bgp=True,
            bgp_addresses=tuple(sorted(addresses)),
        )

    def _inside_address(self, instance: int) -> IPv4Address:
        ends_here = instance == self.tunnel.vpn
        return (self.tunnel if ends_here else self.link.tunnels_of(instance)[0]).azure_inside

    def raw(self, *, fresh: bool) -> Json | None:
        return self.azure.connection(self.name, fresh=fresh)

    def parse_spec(self, raw: Json) -> ConnectionSpec:
        held = properties(raw)
        policies = held.get("ipsecPolicies") or []
        addresses = [
            # Connections write ipConfigurationId, gateways ipconfigurationId.
            CustomAddress(_config_name(str(a.get("ipConfigurationId") or "")), _address(a.get("customBgpIpAddress")))
            for a in held.get("gatewayCustomBgpIpAddresses") or []
        ]
        return ConnectionSpec(
            location=location(raw.get("location")),
            type=str(held.get("connectionType") or ""),
            gateway=reference(held.get("virtualNetworkGateway1")),
            local_gateway=reference(held.get("localNetworkGateway2")),
            protocol=str(held.get("connectionProtocol") or ""),
            key=held.get("sharedKey") or UnseenSecret(),
            policy=from_azure(policies[0] if policies else None, dpd_timeout=held.get("dpdTimeoutSeconds")),
            bgp=bool(held.get("enableBgp")),
            bgp_addresses=tuple(sorted(addresses, key=lambda a: a.instance)),
            mode=str(held.get("connectionMode") or "Default"),
            policy_selectors=bool(held.get("usePolicyBasedTrafficSelectors")),
            selectors=frozenset(_selector(s) for s in held.get("trafficSelectorPolicies") or ()),
        )

    def parse_outputs(self, raw: Json) -> AzureConnection:
        return AzureConnection(str(raw["id"]))

    def update(self, found: Observed[ConnectionSpec, AzureConnection], spec: ConnectionSpec) -> Started:
        """Where only the key differs, only the key is written.

        Both writes take about as long (some 40 s) and both make the tunnel agree on new keys. But the narrow one leaves
        the policy and the inside addresses untouched, so that BGP's side of a tunnel that works is not configured again.
        """
        before = found.spec
        key_alone = before is not None and before != spec and dataclasses.replace(before, key=spec.key) == spec
        if key_alone and found.phase is Phase.READY:  # a failed one is written whole
            return self.azure.put_shared_key(self.name, {"value": spec.key.reveal()})
        return super().update(found, spec)

    def put(self, spec: ConnectionSpec, tags: dict[str, str], there: Json | None) -> Started:
        gateway = self.azure.id("virtualNetworkGateways", self.azure.name("gateway"))
        local = self.azure.id("localNetworkGateways", self.azure.name(f"local-gateway-{self.tunnel.index + 1}"))
        held = {
            "connectionType": spec.type,
            "connectionProtocol": spec.protocol,
            "virtualNetworkGateway1": {"id": gateway, "properties": {}},
            "localNetworkGateway2": {"id": local, "properties": {}},
            "enableBgp": spec.bgp,
            "sharedKey": spec.key.reveal(),
            "connectionMode": spec.mode,
            "dpdTimeoutSeconds": spec.policy.dpd_timeout,
            "usePolicyBasedTrafficSelectors": spec.policy_selectors,
            "trafficSelectorPolicies": [],
            "ipsecPolicies": [azure_ipsec_policy(spec.policy)],
            "gatewayCustomBgpIpAddresses": [
                {"ipConfigurationId": f"{gateway}/ipConfigurations/{a.instance}", "customBgpIpAddress": str(a.address)}
                for a in spec.bgp_addresses
            ],
        }
        if there is None:
            held["routingWeight"] = 0
        return self.azure.put_connection(self.name, body_of(there, held, *_MEASURED, location=spec.location, tags=tags))

    def remove(self) -> Started | None:
        return self.azure.delete_connection(self.name)


def _selector(policy: Json) -> str:
    local, remote = (", ".join(policy.get(f"{side}AddressRanges") or ()) for side in ("local", "remote"))
    return f"{local} to {remote}"


def _config_name(id_: str) -> str:
    """The last part of an ipConfiguration's id: the gateway before it is another field of the spec."""
    return id_.rpartition("/")[2].lower()
