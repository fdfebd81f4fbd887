"""Route tables and network security groups, with their routes and rules, and what these mean to a packet."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Literal

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.fields import address, array, choice, flag, inner, number, objects, prefix
from cloudlink_sandbox.azure.ids import ResourceId, reference
from cloudlink_sandbox.azure.nothing_dropped import dropped
from cloudlink_sandbox.azure.operations import SHORT, refuse_if_locked
from cloudlink_sandbox.azure.resource_provider import ResourceProvider
from cloudlink_sandbox.azure.store import Operation, Record, new_etag
from cloudlink_sandbox.azure.vnets import SUBNET, parent_missing
from cloudlink_sandbox.facts import PacketRule

# https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview#default-security-rules
_DEFAULT_RULES = (
    ("AllowVnetInBound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowAzureLoadBalancerInBound", 65001, "Allow", "AzureLoadBalancer", "*"),
    ("DenyAllInBound", 65500, "Deny", "*", "*"),
    ("AllowVnetOutBound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowInternetOutBound", 65001, "Allow", "*", "Internet"),
    ("DenyAllOutBound", 65500, "Deny", "*", "*"),
)
_DESCRIPTIONS = {
    "AllowVnetInBound": "Allow inbound traffic from all VMs in VNET",
    "AllowAzureLoadBalancerInBound": "Allow inbound traffic from azure load balancer",
    "DenyAllInBound": "Deny all inbound traffic",
    "AllowVnetOutBound": "Allow outbound traffic from all VMs to all VMs in VNET",
    "AllowInternetOutBound": "Allow outbound traffic from all VMs to Internet",
    "DenyAllOutBound": "Deny all outbound traffic",
}
_SINGLE = (
    "description",
    "sourcePortRange",
    "destinationPortRange",
    "sourceAddressPrefix",
    "destinationAddressPrefix",
)
_SEVERAL = ("sourcePortRanges", "destinationPortRanges", "sourceAddressPrefixes", "destinationAddressPrefixes")
NEXT_HOPS = ("VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "None")


class _OnSubnets(ResourceProvider):
    """Something that subnets refer to, with entries that can be written one by one at addresses of their own.

    entries: the list that holds them. entry_word: the word for one in Azure's names of operations.
    """

    field: str
    in_use_code: str
    title: str
    entries: str
    entry_word: str

    def entry(self, id_: ResourceId, given: Json) -> Json:
        """One of the list, as it is kept. Raises ApiError for what Azure would not take."""
        raise NotImplementedError

    def named(self, id_: ResourceId, given: Json) -> ResourceId:
        if not given.get("name"):
            raise errors.missing_property(f"properties.{self.entries}.name")
        return id_.child(self.entries, str(given["name"]))

    def check_entries(self, entries: list[Json]) -> None:
        """Raises ApiError when they do not go together."""

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
        shown[self.entries] = [
            {**e, "etag": record.etag, "properties": {**e["properties"], "provisioningState": state}}
            for e in shown[self.entries]
        ]
        if users := self.users(record):
            shown["subnets"] = users
        return shown

    def accept_entries(self, id_: ResourceId, given: Json) -> list[Json]:
        found = [self.entry(id_, e) for e in objects(given, self.entries)]
        names = [e["name"].lower() for e in found]
        if twice := next((e for e in found if names.count(e["name"].lower()) > 1), None):
            raise ApiError(
                400,
                "DuplicateResourceName",
                f"Resource {id_}/{self.entries}/ has two child resources with the same name ({twice['name']}).",
            )
        self.check_entries(found)
        return found

    # One entry at a time

    def list_entries(self, request: Request) -> Answer:
        return Answer(200, {"value": self._shown(self.record(request))})

    def get_entry(self, request: Request) -> Answer:
        record = self.record(request)
        return Answer(200, self._shown_entry(record, request.where["entry"]), {"ETag": record.etag})

    def put_entry(self, request: Request) -> Answer:
        record = self._parent(request)
        name = request.where["entry"]
        made = self.entry(record.id, {**request.json(), "name": name})
        if lost := list(dropped(request.json(), made)):
            raise errors.not_modelled(f"{', '.join(lost)} of {record.id.type}/{self.entries}", str(record.id))
        others = [e for e in record.properties[self.entries] if e["name"].lower() != name.lower()]
        new = len(others) == len(record.properties[self.entries])
        self.check_entries([*others, made])
        operation = self._write(request, record, [*others, made], "Put", self.lasts[1])
        return self.operations.accepted(request, operation, 201 if new else 200, self._shown_entry(record, name))

    def delete_entry(self, request: Request) -> Answer:
        record = self._parent(request)
        name = request.where["entry"].lower()
        left = [e for e in record.properties[self.entries] if e["name"].lower() != name]
        if len(left) == len(record.properties[self.entries]):
            return Answer(204)
        return self.operations.accepted(request, self._write(request, record, left, "Delete", self.lasts[2]), 202)

    def _parent(self, request: Request) -> Record:
        """Raises ApiError when it is missing or being written."""
        id_ = self.id_of(request)
        record = self.store.find(id_)
        if record is None:
            raise parent_missing(id_.child(self.entries, request.where["entry"]))
        awaited = self.waits_for(record.id, record.properties, deleting=False)
        refuse_if_locked(self.store, self.operations, request, record.id, awaited, retryable=self.retryable)
        return record

    def _write(self, request: Request, record: Record, entries: list[Json], verb: str, lasts: str) -> Operation:
        """The parent with these entries instead of its own, in force when the operation ends."""
        record.properties = {**record.properties, self.entries: entries}
        record.etag = new_etag()
        return self.operations.start(
            request,
            record,
            name=f"{verb}{self.entry_word}Operation",
            lasts=lasts,
            shows="Updating",
            flips=(record.id.key,),
            applies=(record.id.key,),
            locks=self.locks(record.id, record.properties),
            steps=self.steps,
            empties=verb == "Delete",
        )

    def _shown(self, record: Record) -> list[Json]:
        entries: list[Json] = self.show(record)["properties"][self.entries]
        return [{**entry, "etag": record.etag} for entry in entries]

    def _shown_entry(self, record: Record, name: str) -> Json:
        for entry in self._shown(record):
            if entry["name"].lower() == name.lower():
                return entry
        raise errors.child_not_found(str(record.id.child(self.entries, name)))


class RouteTables(_OnSubnets):
    kinds = ("routeTables",)
    word = "RouteTable"
    lasts = ("azure.vnet", "azure.vnet", "azure.delete")
    steps = SHORT
    field = "routeTable"
    in_use_code = "InUseRouteTableCannotBeDeleted"
    title = "Route table"
    entries = "routes"
    entry_word = "Route"

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        del old
        given = inner(body, "properties", path="")
        return {
            "disableBgpRoutePropagation": flag(given, "disableBgpRoutePropagation", False),
            "routes": self.accept_entries(id_, given),
        }

    def entry(self, id_: ResourceId, given: Json) -> Json:
        child = self.named(id_, given)
        given = inner(given, "properties", path="")
        target = str(given.get("addressPrefix", ""))
        properties: Json = {
            "addressPrefix": prefix(target, child) if target[:1].isdigit() else target,  # or a service tag
            "nextHopType": choice(given, "nextHopType", NEXT_HOPS),
            "hasBgpOverride": flag(given, "hasBgpOverride", False),
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
    as_given = ("flushConnection",)
    entries = "securityRules"
    entry_word = "SecurityRule"

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        del old
        given = inner(body, "properties", path="")
        return {"securityRules": self.accept_entries(id_, given)}

    def entry(self, id_: ResourceId, given: Json) -> Json:
        child = self.named(id_, given)
        given = inner(given, "properties", path="")
        kept: Json = {k: given[k] for k in _SINGLE if k in given}
        for name in _SEVERAL:
            kept[name] = array(given, name)
        for name in ("sourceApplicationSecurityGroups", "destinationApplicationSecurityGroups"):
            if groups := objects(given, name):
                kept[name] = [{"id": str(reference(g, f"properties.{name}.id"))} for g in groups]
        properties: Json = {
            **kept,
            "protocol": choice(given, "protocol", ("Tcp", "Udp", "Icmp", "Esp", "Ah", "*")),
            "access": choice(given, "access", ("Allow", "Deny")),
            "priority": number(given, "priority", None, 100, 4096),
            "direction": choice(given, "direction", ("Inbound", "Outbound")),
        }
        return {"name": child.name, "id": str(child), "properties": properties, "type": child.type}

    def shape(self, record: Record, state: str, *, listed: bool) -> Json:
        shown = super().shape(record, state, listed=listed)
        shown["defaultSecurityRules"] = [self._default(record, state, *rule) for rule in _DEFAULT_RULES]
        return shown

    def list_defaults(self, request: Request) -> Answer:
        return Answer(200, {"value": self.show(self.record(request))["properties"]["defaultSecurityRules"]})

    def _default(
        self, record: Record, state: str, name: str, priority: int, access: str, source: str, target: str
    ) -> Json:
        child = record.id.child("defaultSecurityRules", name)
        properties: Json = {
            "provisioningState": state,
            "description": _DESCRIPTIONS[name],
            "protocol": "*",
            "sourcePortRange": "*",
            "destinationPortRange": "*",
            "sourceAddressPrefix": source,
            "destinationAddressPrefix": target,
            **{n: [] for n in _SEVERAL},
            "access": access,
            "priority": priority,
            "direction": "Inbound" if name.endswith("InBound") else "Outbound",
        }
        return {"name": name, "id": str(child), "etag": record.etag, "properties": properties, "type": child.type}

    def check_entries(self, entries: list[Json]) -> None:
        seen: dict[tuple[str, int], str] = {}
        for entry in entries:
            kept = entry["properties"]
            first = seen.setdefault((kept["direction"], kept["priority"]), entry["name"])
            if first != entry["name"]:
                raise ApiError(
                    400,
                    "SecurityRuleConflict",
                    f"Security rule {entry['name']} conflicts with rule {first}. Rules cannot have the same Priority "
                    "and Direction.",
                )


_EVERYWHERE = IPv4Network("0.0.0.0/0")


def user_routes(table: Record) -> tuple[tuple[IPv4Network, str], ...]:
    """Prefix and next hop type; routes to service tags are left out: none of them holds a private address."""
    return tuple((IPv4Network(r["addressPrefix"]), r["nextHopType"]) for r in _private_routes(table))


def overriding(table: Record) -> frozenset[IPv4Network]:
    """The prefixes of those that win against overlapping routes of BGP, whatever their length."""
    return frozenset(IPv4Network(r["addressPrefix"]) for r in _private_routes(table) if r["hasBgpOverride"])


def _private_routes(table: Record) -> list[Json]:
    return [r["properties"] for r in table.properties["routes"] if r["properties"]["addressPrefix"][:1].isdigit()]


def rules_of(group: Record, direction: Literal["Inbound", "Outbound"]) -> tuple[PacketRule, ...]:
    """The user's rules of one direction in the order of their priority, one line for each combination of ranges and ports.

    The tag VirtualNetwork holds whatever a gateway of the VNet leads to, so here it matches every address; Internet and
    every other tag hold nothing that lies behind the link.
    https://learn.microsoft.com/azure/virtual-network/service-tags-overview
    """
    found = []
    for rule in sorted(group.properties["securityRules"], key=lambda r: int(r["properties"]["priority"])):
        kept = rule["properties"]
        protocol = {"*": "-1", "tcp": "tcp", "udp": "udp"}.get(kept["protocol"].lower())
        if kept["direction"] != direction or protocol is None:
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
