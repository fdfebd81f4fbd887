"""Azure's DNS resolvers, forwarding rulesets and private zones, in frozen facts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from cloudlink.clouds.azure.parse_object import AzureObject, azure_object
from cloudlink.clouds.azure.parse_pieces import Json, as_list, as_map, id_of, last, properties
from cloudlink.clouds.malformed import parsing


@dataclass(frozen=True, order=True)
class Server:
    address: IPv4Address
    port: int = 53

    def __str__(self) -> str:
        return str(self.address) if self.port == 53 else f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Rule:
    id: str
    domain: str  # lower case, no trailing dot; empty: every name
    servers: tuple[Server, ...]  # sorted
    enabled: bool
    marks: tuple[tuple[str, str], ...] = ()  # its metadata
    state: str = ""


@dataclass(frozen=True)
class OutboundEndpoint:
    object: AzureObject
    subnet_id: str


@dataclass(frozen=True)
class InboundEndpoint:
    object: AzureObject
    subnet_id: str
    address: IPv4Address | None  # None: it has none yet
    fixed: bool  # the address was asked for, and stays


@dataclass(frozen=True)
class Ruleset:
    object: AzureObject
    endpoints: tuple[str, ...]  # ids, in lower case and sorted
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class RulesetLink:
    id: str
    vnet_id: str
    marks: tuple[tuple[str, str], ...] = ()
    state: str = ""


@dataclass(frozen=True)
class VnetDns:
    """What decides on the names of a VNet. resolver: ours, or the one that the VNet has. ruleset: the one that the VNet is linked
    to, else ours."""

    resolver: AzureObject | None = None
    endpoints: tuple[OutboundEndpoint, ...] = ()
    ruleset: Ruleset | None = None
    link: RulesetLink | None = None


@dataclass(frozen=True)
class PrivateZone:
    id: str
    name: str  # lower case


@parsing("Azure's DNS resolvers")
def vnet_dns(raw: Json) -> VnetDns:
    """Of ``Azure.vnet_dns``."""
    resolver, held, link = raw.get("resolver"), raw.get("ruleset"), raw.get("link")
    return VnetDns(
        azure_object(resolver) if resolver else None,
        tuple(
            OutboundEndpoint(azure_object(e), id_of(properties(e).get("subnet"))) for e in as_list(raw.get("endpoints"))
        ),
        _ruleset(held, as_list(raw.get("rules"))) if held else None,
        _link(link) if link else None,
    )


def _ruleset(raw: Json, rules: Iterable[Json]) -> Ruleset:
    endpoints = (id_of(e).lower() for e in as_list(properties(raw).get("dnsResolverOutboundEndpoints")))
    return Ruleset(azure_object(raw), tuple(sorted(endpoints)), tuple(map(_rule, rules)))


def _rule(raw: Json) -> Rule:
    held = properties(raw)
    servers = (
        Server(IPv4Address(s["ipAddress"]), int(s.get("port") or 53)) for s in as_list(held.get("targetDnsServers"))
    )
    return Rule(
        id=str(raw["id"]),
        domain=str(held["domainName"]).lower().rstrip("."),
        servers=tuple(sorted(servers)),
        enabled=str(held.get("forwardingRuleState") or "Enabled").lower() == "enabled",
        marks=_marks(held),
        state=str(held.get("provisioningState") or ""),
    )


def _link(raw: Json) -> RulesetLink:
    held = properties(raw)
    vnet_id, state = id_of(held.get("virtualNetwork")), str(held.get("provisioningState") or "")
    return RulesetLink(str(raw["id"]), vnet_id, _marks(held), state)


def _marks(held: Json) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(k), str(v)) for k, v in as_map(held.get("metadata")).items()))


@parsing("Azure's DNS resolvers")
def id_of_resolver(raw: Json) -> str:
    return str(raw["id"])


@parsing("Azure's DNS resolvers")
def inbound_endpoints(found: Iterable[Json]) -> tuple[InboundEndpoint, ...]:
    return tuple(_inbound(one) for one in found)


def _inbound(raw: Json) -> InboundEndpoint:
    (config, *_) = as_list(properties(raw).get("ipConfigurations")) or [{}]
    said = config.get("privateIpAddress")
    fixed = str(config.get("privateIpAllocationMethod") or "").lower() == "static"
    return InboundEndpoint(azure_object(raw), id_of(config.get("subnet")), IPv4Address(said) if said else None, fixed)


@parsing("Azure's DNS resolvers")
def first_id(listed: Iterable[Json]) -> str:
    """Of what a VNet lists; empty: nothing."""
    return next((str(item["id"]) for item in listed), "")


@parsing("Azure's DNS resolvers")
def first_link(listed: Iterable[Json]) -> str:
    """The id of the link by which a VNet has its ruleset; empty: it is linked to none."""
    links = (id_of(properties(item).get("virtualNetworkLink")) for item in listed)
    return next(filter(None, links), "")


@parsing("Azure's private zones")
def private_zones(raw: Iterable[Json]) -> tuple[PrivateZone, ...]:
    return tuple(PrivateZone(str(z["id"]), str(z.get("name") or last(str(z["id"]))).lower()) for z in raw)


@parsing("Azure's private zones")
def addresses(raw: Iterable[Json]) -> dict[str, tuple[IPv4Address, ...]]:
    """raw: A records of a private zone. Full name, in lower case, -> addresses."""
    return {
        str(properties(r)["fqdn"]).lower().rstrip("."): tuple(
            IPv4Address(a["ipv4Address"]) for a in as_list(properties(r).get("aRecords"))
        )
        for r in raw
    }


@parsing("Azure's private zones")
def linked_to(raw: Iterable[Json], vnet_id: str) -> bool:
    """raw: the links of a private zone."""
    return any(id_of(properties(link).get("virtualNetwork")).lower() == vnet_id.lower() for link in raw)


def ruleset_of(link_id: str) -> str:
    """The id of the ruleset whose link to a VNet that is."""
    return link_id.rpartition("/virtualNetworkLinks/")[0]
