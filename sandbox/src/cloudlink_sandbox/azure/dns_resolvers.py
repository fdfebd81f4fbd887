"""Azure DNS Private Resolver: resolvers, their endpoints, and rulesets with rules and links to VNets.

https://learn.microsoft.com/azure/dns/private-resolver-endpoints-rulesets
https://learn.microsoft.com/azure/dns/dns-private-resolver-overview (restrictions)
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.fields import address, choice, inner, number, objects
from cloudlink_sandbox.azure.ids import ResourceId, parse, reference
from cloudlink_sandbox.azure.locations import location_of
from cloudlink_sandbox.azure.operations import timestamp
from cloudlink_sandbox.azure.resource_provider import MadeAtOnce, ResourceProvider
from cloudlink_sandbox.azure.store import Operation, Record, Store
from cloudlink_sandbox.azure.vnets import (
    DNS_RESOLVERS,
    OUTBOUND,
    SUBNET,
    VNET,
    delegate,
    delegated_to,
    endpoints_in,
    parent_missing,
    prefixes_of,
    users_of_subnet,
)
from cloudlink_sandbox.facts import VnetInbound, VnetRule

RESOLVER = DNS_RESOLVERS
INBOUND = f"{RESOLVER}/inboundEndpoints"
RULESET = "Microsoft.Network/dnsForwardingRulesets"
LINK = f"{RULESET}/virtualNetworkLinks"
# The versions in which these types are known; all else of Microsoft.Network has others.
VERSIONS = ("2020-04-01-preview", "2022-07-01", "2023-07-01-preview", "2025-05-01", "2025-10-01-preview")

# https://github.com/MicrosoftDocs/azure-docs/blob/main/includes/dns-limits-private-resolver.md
MOST_RULES = 1000
MOST_LINKS = 500
MOST_TARGETS = 6
MOST_ENDPOINTS = 5  # of each direction in a resolver
MOST_ENDPOINTS_OF_RULESET = 2
MOST_RULESETS_OF_ENDPOINT = 2
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)


def _refused(message: str, code: str = "BadRequest") -> ApiError:
    """Assumption: the wording; the resolver's own refusals are recorded as BadRequest."""
    return ApiError(400, code, message)


class _DnsPart(ResourceProvider):
    """A PUT is answered with 202 and an empty object, a DELETE with 202 and nothing; the object is read afterwards, as recorded
    in the tests of az's extension."""

    steps = (5.0,)
    retryable = False
    etag_header = False

    def __init__(self, store: Store, operations: Any) -> None:
        super().__init__(store, operations)
        operations.results[f"Put{self.word}Operation"] = self._made

    def _made(self, operation: Operation) -> Json:
        record = self.store.find(operation.target)
        return self.show(record) if record is not None else {}

    def show(self, record: Record, *, listed: bool = False) -> Json:
        """With a strong ETag and who made it, which Azure's other networks do not have."""
        shown = super().show(record, listed=listed)
        by = {"createdByType": "Application", "lastModifiedByType": "Application"}
        at = {
            "createdAt": timestamp(record.created_at),
            "lastModifiedAt": timestamp(record.asked_at or record.created_at),
        }
        return {**shown, "etag": record.etag.removeprefix("W/"), "systemData": {**at, **by}}

    def put(self, request: Request) -> Answer:
        answer = super().put(request)
        if (record := self.store.find(self.id_of(request))) is not None:
            record.asked_at = self.store.now()
        return Answer(202, {}, self._polled_at(request, "Upsert"), retry_after=answer.retry_after)

    def delete(self, request: Request) -> Answer:
        answer = super().delete(request)
        if answer.status == 202:
            answer.headers = self._polled_at(request, "Delete")
        return answer

    def _polled_at(self, request: Request, verb: str) -> dict[str, str]:
        """Where the operation that has just begun is asked for: below the resource group, by a name that says what it is."""
        operation = self.store.operation_on(self.id_of(request).key)
        if operation is None:
            return {}
        said = json.dumps({"OperationType": f"{verb}{self.word}", "OperationId": operation.guid}, separators=(",", ":"))
        name = base64.b64encode(said.encode()).decode()
        group = f"/subscriptions/{operation.subscription}/resourceGroups/{request.where['group']}"
        under = f"{request.base_url}{group}/providers/Microsoft.Network/locations/{operation.location}"
        query = self.operations.status_url(request, operation).partition("?")[2]
        return {
            "Azure-AsyncOperation": f"{under}/dnsResolverOperationStatuses/{name}?{query}",
            "Location": f"{under}/dnsResolverOperationResults/{name}?{query}",
        }

    def operation_status(self, request: Request) -> Answer:
        answer = self.operations.status(_by_guid(request))
        operation = self.store.operations[_by_guid(request).where["guid"]]
        beside = {
            "id": request.path,
            "name": request.where["token"],
            "startTime": timestamp(operation.started_at),
            **({"endTime": timestamp(operation.ends_at)} if operation.done(self.store.now()) else {}),
        }
        return Answer(200, {**beside, **answer.body}, {}, retry_after=answer.retry_after)

    def operation_result(self, request: Request) -> Answer:
        answer = self.operations.result(_by_guid(request))
        return Answer(answer.status, answer.body, {}, retry_after=answer.retry_after)

    def write_state(self, record: Record, *, created: bool) -> str:
        del record
        return "Creating" if created else "Updating"

    def _location(self, id_: ResourceId, body: Json, old: Record | None) -> str:
        location = super()._location(id_, body, old)
        for beside, name in self.in_region_of(id_, inner(body, "properties", path="")):
            if location_of(beside.location, beside.id.type) != location:
                raise _refused(f"{name} {beside.id} is in {beside.location}, and {id_} would be in {location}.")
        return location

    def in_region_of(self, id_: ResourceId, given: Json) -> Iterator[tuple[Record, str]]:
        """What has to be in the same region, with its name."""
        del id_, given
        return iter(())

    def _vnet(self, id_: ResourceId, given: Json) -> Record:
        wanted = reference(given.get("virtualNetwork"), "properties.virtualNetwork.id")
        found = self.store.find(wanted)
        if found is None or not found.is_type(VNET):
            raise errors.reference_not_found(str(wanted), str(id_))
        return found


def _by_guid(request: Request) -> Request:
    """The request as other operations are asked for. Raises ApiError for a name that is none."""
    name = request.where["token"]
    try:
        guid = str(json.loads(base64.b64decode(name, validate=True))["OperationId"])
    except (ValueError, KeyError, TypeError):
        raise ApiError(404, None, f"Operation {name} not found.") from None
    return replace(request, where={**request.where, "guid": guid})


class Resolvers(_DnsPart):
    kinds = ("dnsResolvers",)
    word = "DnsResolver"
    lasts = ("azure.dnsresolver", "azure.dnsresolver", "azure.delete")

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        vnet = self._vnet(id_, inner(body, "properties", path=""))
        if old is not None and old.properties["virtualNetwork"]["id"].lower() != vnet.id.key:
            raise _refused(f"The virtual network of {id_} cannot be changed.")
        taken = [r for r in resolvers_of(self.store, vnet.id.key) if r.id.key != id_.key]
        if taken:
            # Assumption: the wording; that a VNet has one resolver at most is documented.
            raise _refused(f"The virtual network {vnet.id} is already in use by the DNS resolver {taken[0].id}.")
        return {"virtualNetwork": {"id": str(vnet.id)}}

    def in_region_of(self, id_: ResourceId, given: Json) -> Iterator[tuple[Record, str]]:
        yield self._vnet(id_, given), "The virtual network"

    def shape(self, record: Record, state: str, *, listed: bool) -> Json:
        del listed
        shown = {"dnsResolverState": "Connected", "provisioningState": state, "resourceGuid": record.guid}
        return {**record.properties, **shown}

    def refuse_delete(self, record: Record) -> None:
        inside = [e for kind in ("inboundEndpoints", "outboundEndpoints") for e in self.store.children(record.id, kind)]
        if inside:
            raise errors.gateway(
                409,
                "CannotDeleteResource",
                "Cannot delete resource while nested resources exist. Some existing nested resource IDs include: "
                f"'{', '.join(str(e.id) for e in inside)}'. Please delete all nested resources before deleting this resource.",
            )

    def list_of_vnet(self, request: Request) -> Answer:
        """POST virtualNetworks/{name}/listDnsResolvers."""
        vnet = asked_vnet(self.store, request)
        return Answer(200, {"value": [{"id": str(r.id)} for r in resolvers_of(self.store, vnet.id.key)]})


class _Endpoints(_DnsPart):
    def check_subnet(self, id_: ResourceId, wanted: ResourceId) -> Record:
        """Raises ApiError for one in another VNet, delegated to another service, too small, or with something in it.

        The documentation demands the delegation and a /24 at most. Recorded are endpoints in subnets without it, also in a
        /21: the service delegates the subnet to itself (without it a later write of the subnet is refused).
        """
        resolver = self.store.find(id_.parent())
        if resolver is None:
            raise parent_missing(id_)
        subnet = self.store.find(wanted)
        if subnet is None or not subnet.is_type(SUBNET):
            raise errors.reference_not_found(str(wanted), str(id_))
        if subnet.id.parent().key != resolver.properties["virtualNetwork"]["id"].lower():
            raise _refused(f"Subnet {subnet.id} is not in the virtual network of {resolver.id}.")
        sizes = [IPv4Network(p).prefixlen for p in prefixes_of(subnet.properties)]
        if any(size > 28 for size in sizes):
            raise _refused(f"Subnet {subnet.id} must be a /28 or larger.")
        services = delegated_to(subnet.properties)
        if services and DNS_RESOLVERS.lower() not in services:
            # Assumption: the code.
            raise _refused(
                f"Subnet {subnet.id} is not delegated to {DNS_RESOLVERS}.", "SubnetMissingRequiredDelegation"
            )
        inside = [e for e in endpoints_in(self.store.of_type, subnet) if e.id.key != id_.key]
        others = [str(e.id) for e in inside] or users_of_subnet(self.store.of_type, subnet)
        if others and others != [str(id_)]:
            raise _refused(f"Subnet {subnet.id} is already in use by {others[0]}.", "SubnetIsFull")
        return subnet

    def written(self, record: Record, body: Json) -> tuple[str, ...]:
        subnet = self.store.find(self.subnet_of(record.properties))
        if subnet is not None and not delegated_to(subnet.properties):
            delegate(subnet, DNS_RESOLVERS)
        return super().written(record, body)

    def _refuse_too_many(self, id_: ResourceId, old: Record | None) -> None:
        if old is None and len(self.store.children(id_.parent(), id_.kinds[-1])) >= MOST_ENDPOINTS:
            raise _refused(f"The DNS resolver {id_.parent()} has {MOST_ENDPOINTS} {id_.kinds[-1]} already.")

    def in_region_of(self, id_: ResourceId, given: Json) -> Iterator[tuple[Record, str]]:
        del given
        if (resolver := self.store.find(id_.parent())) is not None:
            yield resolver, "The DNS resolver"

    def missing(self, id_: ResourceId) -> ApiError:
        return errors.resource_not_found(id_.type, "/".join(id_.names), id_.group)

    @staticmethod
    def subnet_of(properties: Json) -> str:
        return str((properties.get("ipConfigurations") or [properties])[0]["subnet"]["id"])


class InboundEndpoints(_Endpoints):
    kinds = ("dnsResolvers", "inboundEndpoints")
    word = "InboundEndpoint"
    lasts = ("azure.dnsresolver.inbound", "azure.dnsresolver.inbound", "azure.delete")

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        configs = objects(inner(body, "properties", path=""), "ipConfigurations")
        if len(configs) != 1:
            raise _refused(f"The inbound endpoint {id_} needs exactly one IP configuration.")
        self._refuse_too_many(id_, old)
        given = configs[0]
        subnet = self.check_subnet(id_, reference(given.get("subnet"), "properties.ipConfigurations[0].subnet.id"))
        network = IPv4Network(prefixes_of(subnet.properties)[0])
        way = choice(given, "privateIpAllocationMethod", ("Dynamic", "Static"), "Dynamic")
        value = address(given.get("privateIpAddress")) if way == "Static" else network.network_address + 4
        usable = range(int(network.network_address) + 4, int(network.broadcast_address))
        if value is None or int(value) not in usable:
            raise _refused(f"{given.get('privateIpAddress')} is no address of subnet {subnet.id} that is free.")
        kept = {"subnet": {"id": str(subnet.id)}, "privateIpAddress": str(value), "privateIpAllocationMethod": way}
        return {"ipConfigurations": [kept]}


class OutboundEndpoints(_Endpoints):
    kinds = ("dnsResolvers", "outboundEndpoints")
    word = "OutboundEndpoint"
    lasts = ("azure.dnsresolver.outbound", "azure.dnsresolver.outbound", "azure.delete")

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        self._refuse_too_many(id_, old)
        given = inner(body, "properties", path="")
        subnet = self.check_subnet(id_, reference(given.get("subnet"), "properties.subnet.id"))
        if old is not None and old.properties["subnet"]["id"].lower() != subnet.id.key:
            raise _refused(f"The subnet of {id_} cannot be changed.")
        return {"subnet": {"id": str(subnet.id)}}

    def refuse_delete(self, record: Record) -> None:
        if users := rulesets_of(self.store, record.id.key):
            # Assumption: the code and the wording; that it is refused is documented.
            raise _refused(f"The outbound endpoint {record.id} is in use by the DNS forwarding ruleset {users[0].id}.")


class Rulesets(_DnsPart):
    kinds = ("dnsForwardingRulesets",)
    word = "DnsForwardingRuleset"
    lasts = ("azure.dnsruleset", "azure.dnsruleset", "azure.delete")

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        del old
        found = list(self._endpoints(id_, inner(body, "properties", path="")))
        if not 1 <= len(found) <= MOST_ENDPOINTS_OF_RULESET:
            raise _refused(f"The DNS forwarding ruleset {id_} needs one or two outbound endpoints.")
        for endpoint in found:
            others = [r for r in rulesets_of(self.store, endpoint.id.key) if r.id.key != id_.key]
            if len(others) >= MOST_RULESETS_OF_ENDPOINT:
                raise _refused(
                    f"The outbound endpoint {endpoint.id} has {len(others)} DNS forwarding rulesets already."
                )
            if (state := self.store.state_of(endpoint)) != "Succeeded":
                raise errors.not_provisioned(str(endpoint.id), str(id_), state, "UpsertOutboundEndpoint")
        return {"dnsResolverOutboundEndpoints": [{"id": str(e.id)} for e in found]}

    def in_region_of(self, id_: ResourceId, given: Json) -> Iterator[tuple[Record, str]]:
        return ((e, "The outbound endpoint") for e in self._endpoints(id_, given))

    def _endpoints(self, id_: ResourceId, given: Json) -> Iterator[Record]:
        for i, named in enumerate(objects(given, "dnsResolverOutboundEndpoints")):
            wanted = reference(named, f"properties.dnsResolverOutboundEndpoints[{i}].id")
            found = self.store.find(wanted)
            if found is None or not found.is_type(OUTBOUND):
                raise errors.reference_not_found(str(wanted), str(id_))
            yield found

    def refuse_delete(self, record: Record) -> None:
        """Its rules go with it."""
        if links := self.store.children(record.id, "virtualNetworkLinks"):
            # Assumption: the code and the wording; that links go first is documented.
            raise _refused(f"The DNS forwarding ruleset {record.id} is linked by {links[0].id} and cannot be deleted.")

    def list_of_vnet(self, request: Request) -> Answer:
        """POST virtualNetworks/{name}/listDnsForwardingRulesets."""
        vnet = asked_vnet(self.store, request)
        shown = [
            {"id": str(k.id.parent()), "properties": {"virtualNetworkLink": {"id": str(k.id)}}}
            for k in links_of(self.store, vnet.id.key)
        ]
        return Answer(200, {"value": shown})


class RulesetLinks(_DnsPart):
    kinds = ("dnsForwardingRulesets", "virtualNetworkLinks")
    word = "DnsForwardingRulesetVirtualNetworkLink"
    lasts = ("azure.dnsruleset.link", "azure.dnsruleset.link", "azure.dnsruleset.link")
    tracked = False

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        ruleset = self.store.find(id_.parent())
        if ruleset is None:
            raise parent_missing(id_)
        given = inner(body, "properties", path="")
        vnet = self._vnet(id_, given)
        if location_of(vnet.location, VNET) != ruleset.location:
            raise _refused(f"The virtual network {vnet.id} is not in {ruleset.location}, where {ruleset.id} is.")
        if old is not None and old.properties["virtualNetwork"]["id"].lower() != vnet.id.key:
            raise _refused(f"The virtual network of {id_} cannot be changed.")
        others = [k for k in links_of(self.store, vnet.id.key) if k.id.key != id_.key]
        if others:
            # Assumption: the code and the wording; that a VNet is linked to one ruleset only is documented.
            raise _refused(
                f"The virtual network {vnet.id} is already linked to a DNS forwarding ruleset: {others[0].id}."
            )
        if old is None and len(self.store.children(id_.parent(), "virtualNetworkLinks")) >= MOST_LINKS:
            raise _refused(f"The DNS forwarding ruleset {id_.parent()} has {MOST_LINKS} links already.")
        return {"virtualNetwork": {"id": str(vnet.id)}, **_metadata(given)}

    def shape(self, record: Record, state: str, *, listed: bool) -> Json:
        del listed
        return {**record.properties, "provisioningState": state}


class ForwardingRules(MadeAtOnce, _DnsPart):
    kinds = ("dnsForwardingRulesets", "forwardingRules")
    word = "ForwardingRule"
    lasts = ("azure.dnsruleset", "azure.dnsruleset", "azure.delete")

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        if self.store.find(id_.parent()) is None:
            raise parent_missing(id_)
        given = inner(body, "properties", path="")
        domain = _domain(given)
        others = [r for r in self.store.children(id_.parent(), "forwardingRules") if r.id.key != id_.key]
        if twice := next((r for r in others if r.properties["domainName"] == domain), None):
            # Assumption: that two rules for one domain are refused, and the code.
            raise _refused(f"The domain name {domain} is already in use by the forwarding rule {twice.id}.")
        if old is None and len(others) >= MOST_RULES:
            raise _refused(f"The DNS forwarding ruleset {id_.parent()} has {MOST_RULES} rules already.")
        targets = objects(given, "targetDnsServers")
        if not 1 <= len(targets) <= MOST_TARGETS:
            raise _refused(f"The forwarding rule {id_} needs one to {MOST_TARGETS} target DNS servers.")
        return {
            "domainName": domain,
            "targetDnsServers": [_target(i, t) for i, t in enumerate(targets)],
            "forwardingRuleState": choice(given, "forwardingRuleState", ("Enabled", "Disabled"), "Enabled"),
            **_metadata(given),
        }

    def shape(self, record: Record, state: str, *, listed: bool) -> Json:
        del listed
        return {**record.properties, "provisioningState": state}


def _domain(given: Json) -> str:
    """With its final dot; the root, or 2 to 34 labels."""
    domain = str(given.get("domainName") or "").lower()
    labels = domain.removesuffix(".").split(".")
    if domain == ".":
        return domain
    if not domain.endswith(".") or not 2 <= len(labels) <= 34 or not all(LABEL.fullmatch(label) for label in labels):
        raise _refused(
            f"The domain name '{given.get('domainName')}' is invalid: it must end with a dot and have 2 to 34 labels, or be '.'."
        )
    return domain


def _target(index: int, given: Json) -> Json:
    path = f"properties.targetDnsServers[{index}]"
    if address(given.get("ipAddress")) is None:
        raise errors.invalid_value(f"{path}.ipAddress", given.get("ipAddress"))
    return {"ipAddress": str(given["ipAddress"]), "port": number(given, "port", 53, 1, 65535, path=path)}


def _metadata(given: Json) -> Json:
    found = inner(given, "metadata")
    if not all(isinstance(v, str) for v in found.values()):
        raise errors.invalid_value("properties.metadata", found)
    return {"metadata": dict(found)} if found else {}


def asked_vnet(store: Store, request: Request) -> Record:
    group = store.group(request.where["subscription"], request.where["group"])
    kind, name = ("virtualNetworks",), request.where["name"]
    id_ = ResourceId(group.subscription, group.name, "Microsoft.Network", kind, (name,))
    found = store.find(id_)
    if found is None:
        raise errors.resource_not_found(VNET, name, group.name)
    return found


def resolvers_of(store: Store, vnet: str) -> list[Record]:
    """vnet: key of a VNet."""
    return [r for r in store.of_type(RESOLVER) if r.properties["virtualNetwork"]["id"].lower() == vnet]


def links_of(store: Store, vnet: str) -> list[Record]:
    return [k for k in store.of_type(LINK) if k.properties["virtualNetwork"]["id"].lower() == vnet]


def rulesets_of(store: Store, endpoint: str) -> list[Record]:
    """endpoint: key of an outbound endpoint."""
    return [
        r
        for r in store.of_type(RULESET)
        if any(e["id"].lower() == endpoint for e in r.properties["dnsResolverOutboundEndpoints"])
    ]


def inbound_endpoints(store: Store) -> tuple[VnetInbound, ...]:
    """Those that answer."""
    found = []
    for record in store.of_type(INBOUND):
        if record.effective is None or store.state_of(record) == "Deleting":
            continue
        config = record.effective["ipConfigurations"][0]
        subnet = store.find(parse(config["subnet"]["id"]))
        vnet = store.find(subnet.id.parent()) if subnet is not None else None
        address_ = str(config["privateIpAddress"])
        if subnet is None or vnet is None or store.context.faults.active("endpoint-ip-down", address_):
            continue
        found.append(VnetInbound(str(record.id), IPv4Address(address_), str(vnet.id), str(subnet.id)))
    return tuple(found)


def vnet_rules(store: Store) -> tuple[VnetRule, ...]:
    """What is in force: the enabled rules of rulesets that are linked, for each VNet that they are linked to."""
    return tuple(rule for link in store.of_type(LINK) for rule in _rules_of(store, link))


def _rules_of(store: Store, link: Record) -> Iterator[VnetRule]:
    ruleset = store.find(link.id.parent())
    if ruleset is None or ruleset.effective is None or link.effective is None:
        return
    named = [store.find(parse(e["id"])) for e in ruleset.properties["dnsResolverOutboundEndpoints"]]
    endpoint = next((e for e in named if e is not None and e.effective is not None), None)
    subnet = store.find(parse(endpoint.properties["subnet"]["id"])) if endpoint else None
    if subnet is None:
        return
    source = IPv4Network(prefixes_of(subnet.properties)[0]).network_address + 4
    vnet = store.find(parse(link.properties["virtualNetwork"]["id"]))
    if vnet is None:
        return
    for rule in store.children(ruleset.id, "forwardingRules"):
        kept = rule.properties
        if kept["forwardingRuleState"] == "Enabled":
            targets = tuple((IPv4Address(t["ipAddress"]), int(t["port"])) for t in kept["targetDnsServers"])
            domain = str(kept["domainName"]).rstrip(".")
            yield VnetRule(str(vnet.id), domain, targets, str(subnet.id.parent()), str(subnet.id), source)
