"""Network security groups, as Azure describes them, in frozen facts.

https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

from cloudlink.clouds.azure.parse_pieces import Json, as_list, last, properties, ranges, texts
from cloudlink.clouds.malformed import parsing

# ``VirtualNetwork`` holds the VNet, its peers, and whatever the gateway has learned: so AWS's ranges, too.
WIDE = frozenset({"*", "any", "virtualnetwork", "0.0.0.0/0"})


@dataclass(frozen=True)
class FilterRule:
    """Of what leaves, or of what comes."""

    name: str
    priority: int
    allows: bool
    protocol: str  # *, tcp, udp, ... in lower case
    ports: tuple[tuple[int, int], ...]  # of the destination
    sources: tuple[str, ...]  # prefixes and names of services, in lower case
    destinations: tuple[str, ...]

    def matches(self, protocol: str, port: int, source: IPv4Network, destination: IPv4Network) -> bool:
        """Whether all such packets are meant."""
        return (
            self.protocol in ("*", protocol)
            and any(first <= port <= end for first, end in self.ports)
            and _holds(self.sources, source)
            and _holds(self.destinations, destination)
        )


@dataclass(frozen=True)
class SecurityGroup:
    id: str
    name: str
    outbound: tuple[FilterRule, ...] = ()  # in the order in which they are tried
    inbound: tuple[FilterRule, ...] = ()

    def deciding(self, protocol: str, port: int, source: IPv4Network, destination: IPv4Network) -> FilterRule | None:
        """The rule that lets such packets out or drops them; None: none that is known."""
        return next((r for r in self.outbound if r.matches(protocol, port, source, destination)), None)

    def admitting(self, protocol: str, port: int, source: IPv4Network, destination: IPv4Network) -> FilterRule | None:
        """The rule that lets such packets in or drops them; None: none that is known."""
        return next((r for r in self.inbound if r.matches(protocol, port, source, destination)), None)

    def free_before(self, rule: FilterRule) -> int | None:
        """A priority that is tried before this rule and that no rule of its direction has; None: there is none, from 100 on."""
        taken = {r.priority for r in (self.inbound if rule in self.inbound else self.outbound)}
        return next((p for p in range(min(rule.priority, 4097) - 1, 99, -1) if p not in taken), None)


@parsing("Azure's network security groups")
def security_group(raw: Json) -> SecurityGroup:
    held, id_ = properties(raw), str(raw.get("id") or "")
    rules = [*as_list(held.get("securityRules")), *as_list(held.get("defaultSecurityRules"))]

    def of(direction: str) -> tuple[FilterRule, ...]:
        found = (r for r in rules if str(properties(r).get("direction") or "").lower() == direction)
        return tuple(sorted(map(_rule, found), key=lambda r: r.priority))

    return SecurityGroup(id_, str(raw.get("name") or last(id_)), of("outbound"), of("inbound"))


def _rule(raw: Json) -> FilterRule:
    held = properties(raw)

    def both(one: str, several: str) -> tuple[str, ...]:
        return tuple(t.lower() for t in (*texts(held.get(several)), str(held.get(one) or "")) if t)

    return FilterRule(
        name=str(raw.get("name") or ""),
        priority=int(held.get("priority") or 0),
        allows=str(held.get("access") or "").lower() == "allow",
        protocol=str(held.get("protocol") or "*").lower(),
        ports=tuple(map(_ports, both("destinationPortRange", "destinationPortRanges"))),
        sources=both("sourceAddressPrefix", "sourceAddressPrefixes"),
        destinations=both("destinationAddressPrefix", "destinationAddressPrefixes"),
    )


@parsing("Azure's security admin rules")
def admin_rules(found: Iterable[Json]) -> SecurityGroup:
    """Those that network managers have put on a VNet, as if they were one group. One that allows leaves it to security groups, or
    to nobody; one that denies is the end in any case.

    https://learn.microsoft.com/azure/virtual-network-manager/concept-security-admins
    """

    def rule(raw: Json) -> FilterRule:
        held, id_ = properties(raw), str(raw.get("id") or "")
        return FilterRule(
            name=id_,
            priority=int(held.get("priority") or 0),
            allows=str(held.get("access") or "").lower() != "deny",
            protocol={"any": "*"}.get(word := str(held.get("protocol") or "Any").lower(), word),
            ports=tuple(map(_ports, texts(held.get("destinationPortRanges")) or ("*",))),
            sources=_prefixes(held.get("sources")),
            destinations=_prefixes(held.get("destinations")),
        )

    rules = tuple(found)

    def of(direction: str) -> tuple[FilterRule, ...]:
        chosen = (r for r in rules if str(properties(r).get("direction") or "").lower() == direction)
        return tuple(sorted(map(rule, chosen), key=lambda r: r.priority))

    return SecurityGroup("", "", of("outbound"), of("inbound"))


def _prefixes(items: object) -> tuple[str, ...]:
    """A network group's members are not known here: it has no range. None given: everything."""
    return tuple(str(i.get("addressPrefix") or "").lower() for i in as_list(items)) or ("*",)


def _ports(text: str) -> tuple[int, int]:
    if text == "*":
        return 0, 65_535
    first, _, end = text.partition("-")
    return int(first), int(end or first)


def _holds(prefixes: tuple[str, ...], wanted: IPv4Network) -> bool:
    if any(p in WIDE for p in prefixes):
        return True
    named = [p for p in prefixes if p[:1].isdigit()]
    return any(wanted.subnet_of(p) for p in ranges(named))
