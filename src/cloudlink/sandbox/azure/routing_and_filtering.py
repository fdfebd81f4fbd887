"""Route tables and network security groups: kept and answered; of their content the world reads only
``disableBgpRoutePropagation``."""

from __future__ import annotations

from cloudlink.sandbox.azure import errors
from cloudlink.sandbox.azure.exchange import Json
from cloudlink.sandbox.azure.fields import address, choice, flag, inner, number, objects, prefix
from cloudlink.sandbox.azure.ids import ResourceId
from cloudlink.sandbox.azure.kind import Kind
from cloudlink.sandbox.azure.operations import SHORT
from cloudlink.sandbox.azure.store import Record
from cloudlink.sandbox.azure.vnets import SUBNET

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
