"""Route tables and network security groups, with their routes and rules, and what these mean to a packet."""

from __future__ import annotations

from ipaddress import IPv4Network

from cloudlink.sandbox.azure import errors
from cloudlink.sandbox.azure.exchange import Json
from cloudlink.sandbox.azure.fields import address, choice, flag, inner, number, objects, prefix
from cloudlink.sandbox.azure.ids import ResourceId
from cloudlink.sandbox.azure.kind import Kind
from cloudlink.sandbox.azure.operations import SHORT
from cloudlink.sandbox.azure.store import Record
from cloudlink.sandbox.azure.vnets import SUBNET
from cloudlink.sandbox.facts import PacketRule

NEXT_HOPS = ("VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "None")


class _OnSubnets(Kind):
    """Something that subnets refer to."""

    field: str
    in_use_code: str
    title: str

    def users(self, record: Record) -> list[Json]:
        return [
            {"id": str(s.id)}
            for s in self.store.of_type(SUBNET)
            if str(s.properties.get(self.field, {}).get("id", "")).lower() == record.id.key
        ]

    def refuse_delete(self, record: Record) -> None:
        if users := self.users(record):
            raise errors.in_use(self.in_use_code, self.title, str(record.id), ", ".join(u["id"] for u in users))

    def shape(self, record: Record, state: str, *, listed: bool) -> Json:
        shown = super().shape(record, state, listed=listed)
        if users := self.users(record):
            shown["subnets"] = users
        return shown


class RouteTables(_OnSubnets):
    kinds = ("routeTables",)
    word = "RouteTable"
    lasts = ("azure.vnet", "azure.vnet", "azure.delete")
    steps = SHORT
    field = "routeTable"
    in_use_code = "InUseRouteTableCannotBeDeleted"
    title = "Route table"

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        del old
        given = inner(body, "properties", path="")
        return {
            "disableBgpRoutePropagation": flag(given, "disableBgpRoutePropagation", False),
            "routes": [self._route(id_, r) for r in objects(given, "routes")],
        }

    def _route(self, id_: ResourceId, route: Json) -> Json:
        if not route.get("name"):
            raise errors.missing_property("properties.routes.name")
        child = id_.child("routes", str(route["name"]))
        given = inner(route, "properties")
        target = str(given.get("addressPrefix", ""))
        properties: Json = {
            "provisioningState": "Succeeded",
            "addressPrefix": prefix(target, child) if target[:1].isdigit() else target,  # or a service tag
            "nextHopType": choice(given, "nextHopType", NEXT_HOPS),
            "hasBgpOverride": False,
        }
        if properties["nextHopType"] == "VirtualAppliance":
            if address(given.get("nextHopIpAddress")) is None:
                raise errors.invalid_value("properties.nextHopIpAddress", given.get("nextHopIpAddress"))
            properties["nextHopIpAddress"] = given["nextHopIpAddress"]
        return {"name": child.name, "id": str(child), "properties": properties, "type": child.type}


class SecurityGroups(_OnSubnets):
    kinds = ("networkSecurityGroups",)
    word = "NetworkSecurityGroup"
    lasts = ("azure.vnet", "azure.vnet", "azure.delete")
    field = "networkSecurityGroup"
    in_use_code = "InUseNetworkSecurityGroupCannotBeDeleted"
    title = "Network security group"

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        del old
        given = inner(body, "properties", path="")
        return {"securityRules": [self._rule(id_, r) for r in objects(given, "securityRules")]}

    def _rule(self, id_: ResourceId, rule: Json) -> Json:
        if not rule.get("name"):
            raise errors.missing_property("properties.securityRules.name")
        child = id_.child("securityRules", str(rule["name"]))
        given = inner(rule, "properties")
        kept: Json = {
            k: given[k]
            for k in (
                "description",
                "sourcePortRange",
                "destinationPortRange",
                "sourceAddressPrefix",
                "destinationAddressPrefix",
                "sourceAddressPrefixes",
                "destinationAddressPrefixes",
                "sourcePortRanges",
                "destinationPortRanges",
            )
            if k in given
        }
        properties: Json = {
            "provisioningState": "Succeeded",
            **kept,
            "protocol": choice(given, "protocol", ("Tcp", "Udp", "Icmp", "Esp", "Ah", "*")),
            "access": choice(given, "access", ("Allow", "Deny")),
            "priority": number(given, "priority", None, 100, 4096),
            "direction": choice(given, "direction", ("Inbound", "Outbound")),
        }
        return {"name": child.name, "id": str(child), "properties": properties, "type": child.type}


_EVERYWHERE = IPv4Network("0.0.0.0/0")


def user_routes(table: Record) -> tuple[tuple[IPv4Network, str], ...]:
    """Prefix and next hop type; routes to service tags are left out: none of them holds a private address."""
    return tuple(
        (IPv4Network(r["properties"]["addressPrefix"]), r["properties"]["nextHopType"])
        for r in table.properties["routes"]
        if r["properties"]["addressPrefix"][:1].isdigit()
    )


def outbound_rules(group: Record) -> tuple[PacketRule, ...]:
    """The user's rules in the order of their priority, one line for each combination of ranges and ports.

    The tag VirtualNetwork holds whatever a gateway of the VNet leads to, so here it stands for everywhere; Internet and
    every other tag hold nothing that lies behind the link.
    https://learn.microsoft.com/azure/virtual-network/service-tags-overview
    """
    found = []
    for rule in sorted(group.properties["securityRules"], key=lambda r: int(r["properties"]["priority"])):
        kept = rule["properties"]
        protocol = {"*": "-1", "tcp": "tcp", "udp": "udp"}.get(kept["protocol"].lower())
        if kept["direction"] != "Outbound" or protocol is None:
            continue
        found += [
            PacketRule(kept["access"] == "Allow", protocol, *ports, source, target)
            for source in _ranges(kept, "sourceAddressPrefix")
            for target in _ranges(kept, "destinationAddressPrefix")
            for ports in _ports(kept)
        ]
    return tuple(found)


def _several(kept: Json, name: str, plural: str) -> list[str]:
    single = kept.get(name)
    return [str(v) for v in (*(kept.get(plural) or ()), *((single,) if single else ()))]


def _ranges(kept: Json, name: str) -> list[IPv4Network]:
    values = _several(kept, name, f"{name}es")
    return [
        _EVERYWHERE if v.lower() in ("*", "any", "virtualnetwork") else IPv4Network(v, strict=False)
        for v in values
        if v[:1].isdigit() or v.lower() in ("*", "any", "virtualnetwork")
    ]


def _ports(kept: Json) -> list[tuple[int, int]]:
    found = []
    for text in _several(kept, "destinationPortRange", "destinationPortRanges"):
        first, _, last = text.partition("-")
        found.append((0, 65_535) if text == "*" else (int(first), int(last or first)))
    return found
