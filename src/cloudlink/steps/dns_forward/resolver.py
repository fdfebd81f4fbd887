"""What carries the zones' names out of the VNet: Azure DNS Private Resolver with its outbound endpoint, and a ruleset that is
linked to the VNet. A VNet has one resolver and is linked to one ruleset: those of somebody else are used as they are.

https://learn.microsoft.com/azure/dns/private-resolver-endpoints-rulesets
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Any, ClassVar

from cloudlink.clouds.azure import body_dns, parse_dns, parse_network
from cloudlink.clouds.azure.client import Azure, Json
from cloudlink.clouds.azure.parse_dns import OutboundEndpoint, VnetDns
from cloudlink.clouds.azure.parse_object import azure_object
from cloudlink.clouds.ownership import LINK_TAG, RESOURCE_TAG, owner_of
from cloudlink.core.permissions import Permission, Permissions
from cloudlink.core.plan import Action
from cloudlink.core.resource import (
    Node,
    Observed,
    Outputs,
    Ownership,
    Phase,
    Receipts,
    Resource,
    SpecT,
    Started,
    Timing,
    built_on,
)
from cloudlink.errors import ConflictError, MissingError
from cloudlink.link import Link
from cloudlink.steps.azure_resource import AzureResource, phase
from cloudlink.steps.outputs import DnsPart, Nothing, VirtualNetwork
from cloudlink.steps.permissions import GROUP, JOIN_SUBNET, NETWORK, VNET, Joins, rbac

SUBNET_BITS = 28
# Assumption: no longer refused for the subnets of a resolver; the documentation once named it, so it is not chosen.
UNLUCKY = tuple(IPv4Network(f"10.0.{i}.0/24") for i in range(1, 17))

_LISTS = (
    Permission(f"{NETWORK}/virtualNetworks/listDnsResolvers/action", VNET),
    Permission(f"{NETWORK}/virtualNetworks/listDnsForwardingRulesets/action", VNET),
)
_JOIN_VNET = Permission(f"{NETWORK}/virtualNetworks/join/action", VNET)
_READS = tuple(
    Permission(f"{NETWORK}/{kind}/read", GROUP)
    for kind in (
        "dnsResolvers",
        "dnsResolvers/outboundEndpoints",
        "dnsForwardingRulesets",
        "dnsForwardingRulesets/virtualNetworkLinks",
        "dnsForwardingRulesets/forwardingRules",
    )
)


def permissions_of(kind: str, *linked: Permission) -> Permissions:
    return replace(rbac(f"{NETWORK}/{kind}", GROUP, *linked), read=(*_LISTS, *_READS))


@dataclass(frozen=True)
class Used:
    """What of the VNet's is used, by id; empty: it is to be made. others: whether that is somebody else's."""

    resolver: str = ""
    endpoint: str = ""
    ruleset: str = ""
    link: str = ""
    others: frozenset[str] = frozenset()  # of ``resolver``, ``endpoint``, ``ruleset``, ``link``


def used(found: VnetDns, ours: Mapping[str, str]) -> Used:
    """ours: the ids that our own parts have, by the same names."""
    ruleset = found.ruleset.object.id if found.ruleset else ""
    resolver = found.resolver.id if found.resolver else ""
    link = found.link.id if found.link else ""
    if found.ruleset and not _same(ruleset, ours["ruleset"]):
        endpoint = found.ruleset.endpoints[0] if found.ruleset.endpoints else ""
        own = next((e for e in found.endpoints if _same(e.object.id, ours["endpoint"])), None)
        others = {"ruleset", "link", *(() if own else ("endpoint",))}
        if not _same(resolver, ours["resolver"]):
            others.add("resolver")  # or nobody's: it is not needed
        return Used(resolver or ruleset, own.object.id if own else endpoint, ruleset, link, frozenset(others))
    if resolver and not _same(resolver, ours["resolver"]):
        own_id = f"{resolver}/outboundEndpoints/{ours['endpoint'].rpartition('/')[2]}"
        there = [e for e in found.endpoints if _same(e.object.id, own_id)] or sorted(
            found.endpoints, key=lambda e: e.object.id
        )
        first = next(iter(there), None)
        theirs = first is not None and not _same(first.object.id, own_id)
        others = {"resolver", *(("endpoint",) if theirs else ())}
        return Used(resolver, first.object.id if first else "", ruleset, link, frozenset(others))
    own = next((e for e in found.endpoints if _same(e.object.id, ours["endpoint"])), None)
    return Used(resolver, own.object.id if own else "", ruleset, link)


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def names(azure: Azure) -> dict[str, str]:
    """The ids that our own parts have."""
    name = azure.name("dns")
    resolver, ruleset = azure.id("dnsResolvers", name), azure.id("dnsForwardingRulesets", name)
    return {
        "resolver": resolver,
        "endpoint": f"{resolver}/outboundEndpoints/{name}",
        "ruleset": ruleset,
        "link": f"{ruleset}/virtualNetworkLinks/{name}",
    }


def read(azure: Azure, *, fresh: bool = False, part: str = "") -> VnetDns:
    """part: the one that is to be written or waited for, see ``Azure.vnet_dns``."""
    return parse_dns.vnet_dns(azure.vnet_dns(fresh=fresh, part=part))


# --- the subnet -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DnsSubnetSpec:
    prefix: IPv4Network


def free_prefix(link: Link, prefixes: Iterable[IPv4Network], taken: Iterable[IPv4Network]) -> IPv4Network | None:
    """The last free /28 of a VNet: what others add comes from the front. None: there is none."""
    side = link.azure
    own = [side.gateway_subnet] if side.gateway_subnet else []
    own += [side.new_network.cluster_subnet.prefix] if side.new_network else []
    busy = [*taken, *own]
    for avoided in ((*busy, *UNLUCKY), busy):
        for prefix in sorted(prefixes, reverse=True):
            if prefix.prefixlen > SUBNET_BITS:
                continue
            step = 2 ** (32 - SUBNET_BITS)
            at = int(prefix.broadcast_address) - step + 1
            while at >= int(prefix.network_address):
                candidate = IPv4Network((at, SUBNET_BITS))
                hit = next((a for a in avoided if a.overlaps(candidate)), None)
                if hit is None:
                    return candidate
                at = min(at, int(hit.network_address)) - step if hit.prefixlen <= SUBNET_BITS else at - step
    return None


@dataclass(frozen=True, kw_only=True, eq=False)
class DnsSubnet(Resource[DnsSubnetSpec, DnsPart], Joins):
    """The outbound endpoint's subnet, which holds nothing else. Subnets have no tags: this one is ours by its receipt, or
    because our endpoint is in it."""

    link: Link
    azure: Azure
    network: Node[VirtualNetwork] = built_on()

    timing: ClassVar[Timing] = Timing(create=4, update=4, delete=10, deadline=900)
    permissions: ClassVar[Permissions] = replace(
        rbac(f"{NETWORK}/virtualNetworks/subnets", VNET),
        read=(Permission(f"{NETWORK}/virtualNetworks/read", VNET), *_LISTS, *_READS),
    )
    immutable: ClassVar[frozenset[str]] = frozenset({"prefix"})
    serial: ClassVar[str] = "azure-vnet"

    endpoint: ClassVar[str] = "outbound endpoint"
    key: ClassVar[str] = "dns.outbound_subnet_prefix"

    @property
    def subnet_id(self) -> str:
        return self.azure.dns_subnet_id

    @property
    def configured(self) -> IPv4Network | None:
        return self.link.dns.outbound_subnet

    def spec(self, outputs: Outputs) -> DnsSubnetSpec:
        network = outputs[self.network]
        return DnsSubnetSpec(self.wanted(network.prefixes, network.subnets))

    def wanted(self, prefixes: Iterable[IPv4Network], subnets: Mapping[str, tuple[IPv4Network, ...]]) -> IPv4Network:
        """Its range. prefixes, subnets: of the VNet. Raises MissingError where there is no room."""
        if self.configured is not None:
            return self.configured
        if there := subnets.get(self.subnet_id.rpartition("/")[2]):
            return there[0]
        prefixes = tuple(prefixes)
        taken = [*(p for ranges in subnets.values() for p in ranges), *self.beside(prefixes, subnets)]
        found = free_prefix(self.link, prefixes, taken)
        if found is None:
            raise MissingError(
                "The VNet has no room for a DNS resolver's subnet",
                f"{self.link.azure.vnet} has no free /28, which the {self.endpoint} needs for itself.",
                f"Add a range to the VNet, or free one, and name it: {self.key}",
                resource=self.address,
            )
        return found

    def beside(
        self, prefixes: Iterable[IPv4Network], subnets: Mapping[str, tuple[IPv4Network, ...]]
    ) -> Iterable[IPv4Network]:
        """What the same plan takes of the VNet besides."""
        del prefixes, subnets
        return (self.link.dns.inbound_subnet,) if self.link.dns.inbound_subnet is not None else ()

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[DnsSubnetSpec, DnsPart] | None:
        raw = self.azure.vnet(fresh=fresh)
        if raw is None:
            return None
        vnet = parse_network.vnet(raw)
        found = vnet.subnet(self.subnet_id)
        if found is None:
            in_use = self.others_endpoint()
            if not in_use:
                return None
            wanted = self.wanted(vnet.prefixes, {s.name: s.prefixes for s in vnet.subnets})
            detail = "not needed: somebody else's endpoint is used"
            return Observed(in_use, Phase.READY, DnsSubnetSpec(wanted), DnsPart(""), Ownership.ADOPTED, detail)
        ours = receipts.of(self) is not None or self.holds_ours(fresh=fresh)
        owned = Ownership.OWNED if ours else Ownership.ADOPTED
        prefix = found.prefixes[0] if ours or self.configured is None else self.configured
        return Observed(found.id, phase(found.state), DnsSubnetSpec(prefix), DnsPart(found.id), owned, found.state)

    def others_endpoint(self) -> str:
        """The id of somebody else's endpoint that is used, so that no subnet is needed; empty: there is none."""
        uses = used(read(self.azure), names(self.azure))
        return uses.endpoint if "endpoint" in uses.others else ""

    def holds_ours(self, *, fresh: bool) -> bool:
        """Whether our endpoint is in it."""
        owner, here = owner_of(self.link), self.subnet_id
        dns = read(self.azure, fresh=fresh, part="endpoint")
        return any(_same(e.subnet_id, here) and owner.holds(e.object.tags) for e in dns.endpoints)

    def create(self, spec: DnsSubnetSpec) -> Started:
        return self.azure.put_dns(self.subnet_id, body_dns.delegated_subnet(spec.prefix))

    def update(self, found: Observed[DnsSubnetSpec, DnsPart], spec: DnsSubnetSpec) -> Started:
        """Only a failed one is written again, with the security group or route table that others have put on it: its range is
        immutable."""
        del spec
        return self.azure.put_dns(found.id, body_dns.same_delegated_subnet(self.azure.whole_dns(found.id)))

    def joined(self) -> tuple[tuple[str, str], ...]:
        return parse_network.joined(self.azure.vnet(), self.subnet_id.rpartition("/")[2])

    def delete(self, found: Observed[DnsSubnetSpec, DnsPart], prior_state: Any) -> Started | None:
        del prior_state
        return self.azure.delete_dns(found.id)


# --- resolver, endpoint, ruleset --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part(AzureResource[SpecT, DnsPart]):
    """One of the parts that the VNet may have from somebody else. part: as in ``Used``."""

    part: ClassVar[str]
    on_failure: ClassVar[Action] = Action.REPLACE

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[SpecT, DnsPart] | None:
        del receipts
        uses = used(read(self.azure, fresh=fresh, part=self.part), names(self.azure))
        if self.part in uses.others:
            id_ = str(getattr(uses, self.part))
            return Observed(
                id_, Phase.READY, self.theirs(uses), DnsPart(id_), Ownership.ADOPTED, "somebody else's, used as it is"
            )
        return self._observed(fresh=False)  # what was read above

    def theirs(self, uses: Used) -> SpecT:
        """The spec of what somebody else has made: as it is wanted."""
        raise NotImplementedError

    def raw(self, *, fresh: bool) -> Json | None:
        raws = self.azure.vnet_dns(fresh=fresh)
        item: Json | None = raws.get(self.part)
        return item

    def parse_outputs(self, raw: Json) -> DnsPart | None:
        return DnsPart(azure_object(raw).id)

    def whole(self, id_: str) -> Json:
        return self.azure.whole_dns(id_)

    @property
    def id(self) -> str:
        return names(self.azure)[self.part]

    @property
    def location(self) -> str:
        """The VNet's: all parts are in one region."""
        raw = self.azure.vnet()
        return parse_network.vnet(raw).location if raw else self.link.azure.location

    def remove(self) -> Started | None:
        return self.azure.delete_dns(self.id)


@dataclass(frozen=True)
class DnsResolverSpec:
    vnet: str


@dataclass(frozen=True, kw_only=True, eq=False)
class DnsResolver(_Part[DnsResolverSpec]):
    network: Node[VirtualNetwork] = built_on()
    group: tuple[Node[Any], ...] = ()

    part: ClassVar[str] = "resolver"
    timing: ClassVar[Timing] = Timing(create=20, update=20, delete=10, deadline=900)
    permissions: ClassVar[Permissions] = permissions_of("dnsResolvers", _JOIN_VNET)

    def spec(self, outputs: Outputs) -> DnsResolverSpec:
        return DnsResolverSpec(outputs[self.network].id.lower())

    def theirs(self, uses: Used) -> DnsResolverSpec:
        return DnsResolverSpec(self.azure.vnet_id.lower())

    def parse_spec(self, raw: Json) -> DnsResolverSpec:
        return DnsResolverSpec(self.azure.vnet_id.lower())  # it was found by the VNet, which cannot be changed

    def put(self, spec: DnsResolverSpec, tags: dict[str, str], there: Json | None) -> Started:
        body = body_dns.resolver(there, location=self.location, tags=tags, vnet_id=self.azure.vnet_id)
        return self.azure.put_dns(self.id, body)


@dataclass(frozen=True)
class OutboundEndpointSpec:
    subnet: str


@dataclass(frozen=True, kw_only=True, eq=False)
class OutboundEndpointResource(_Part[OutboundEndpointSpec]):
    """In the VNet's resolver, ours or somebody else's."""

    resolver: Node[DnsPart] = built_on()
    subnet: Node[DnsPart] = built_on()

    part: ClassVar[str] = "endpoint"
    timing: ClassVar[Timing] = Timing(create=109, update=60, delete=10, deadline=1800)
    permissions: ClassVar[Permissions] = permissions_of("dnsResolvers/outboundEndpoints", JOIN_SUBNET)
    immutable: ClassVar[frozenset[str]] = frozenset({"subnet"})

    def spec(self, outputs: Outputs) -> OutboundEndpointSpec:
        _ = outputs[self.resolver], outputs[self.subnet]
        return OutboundEndpointSpec(self.azure.dns_subnet_id.lower())

    def theirs(self, uses: Used) -> OutboundEndpointSpec:
        return OutboundEndpointSpec(self.azure.dns_subnet_id.lower())

    def raw(self, *, fresh: bool) -> Json | None:
        raws = self.azure.vnet_dns(fresh=fresh)
        own = self.azure.name("dns").lower()
        return next((e for e in raws.get("endpoints", ()) if azure_object(e).name.lower() == own), None)

    def parse_spec(self, raw: Json) -> OutboundEndpointSpec:
        found: OutboundEndpoint = parse_dns.vnet_dns({"endpoints": [raw]}).endpoints[0]
        return OutboundEndpointSpec(found.subnet_id.lower())

    @property
    def id(self) -> str:
        resolver = read(self.azure).resolver
        above = resolver.id if resolver else names(self.azure)["resolver"]
        return f"{above}/outboundEndpoints/{self.azure.name('dns')}"

    def put(self, spec: OutboundEndpointSpec, tags: dict[str, str], there: Json | None) -> Started:
        body = body_dns.outbound_endpoint(there, location=self.location, tags=tags, subnet_id=self.azure.dns_subnet_id)
        return self.azure.put_dns(self.id, body)


@dataclass(frozen=True)
class RulesetSpec:
    endpoint: str


@dataclass(frozen=True, kw_only=True, eq=False)
class RulesetResource(_Part[RulesetSpec]):
    endpoint: Node[DnsPart] = built_on()

    part: ClassVar[str] = "ruleset"
    timing: ClassVar[Timing] = Timing(create=6, update=6, delete=10, deadline=600)
    permissions: ClassVar[Permissions] = permissions_of(
        "dnsForwardingRulesets", Permission(f"{NETWORK}/dnsResolvers/outboundEndpoints/join/action", GROUP)
    )

    def spec(self, outputs: Outputs) -> RulesetSpec:
        return RulesetSpec(outputs[self.endpoint].id.lower())

    def theirs(self, uses: Used) -> RulesetSpec:
        return RulesetSpec(uses.endpoint.lower())

    def parse_spec(self, raw: Json) -> RulesetSpec:
        found = parse_dns.vnet_dns({"ruleset": raw}).ruleset
        return RulesetSpec(found.endpoints[0] if found and found.endpoints else "")

    def put(self, spec: RulesetSpec, tags: dict[str, str], there: Json | None) -> Started:
        body = body_dns.ruleset(there, location=self.location, tags=tags, endpoint_id=spec.endpoint)
        return self.azure.put_dns(self.id, body)

    def delete(self, found: Observed[RulesetSpec, DnsPart], prior_state: Any) -> Started | None:
        """Raises ConflictError where others have put rules into it, which Azure deletes with it, or have linked their VNets to it,
        which Azure refuses."""
        held = read(self.azure, fresh=True, part="rules").ruleset
        owner = owner_of(self.link)
        others = [r.id for r in held.rules if not owner.holds(dict(r.marks))] if held else []
        links = map(azure_object, self.azure.vnet_links(found.id))
        others += [one.id for one in links if not _same(one.id, names(self.azure)["link"])]
        if others:
            raise ConflictError(
                "The forwarding ruleset is used by others",
                f"cloudlink made it, and {', '.join(others)} is now in it, too. It is kept.",
                "Move these rules and links to another ruleset, or delete them, and run cloudlink teardown again.",
                resource=self.address,
            )
        return self.remove()


# --- the link to the VNet ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RulesetLinkSpec:
    vnet: str


@dataclass(frozen=True, kw_only=True, eq=False)
class RulesetLinkResource(Resource[RulesetLinkSpec, Nothing]):
    """By which the VNet asks the ruleset. It has no tags: its metadata says that it is ours."""

    link: Link
    azure: Azure
    ruleset: Node[DnsPart] = built_on()

    timing: ClassVar[Timing] = Timing(create=7, update=7, delete=7, deadline=600)
    permissions: ClassVar[Permissions] = permissions_of("dnsForwardingRulesets/virtualNetworkLinks", _JOIN_VNET)
    immutable: ClassVar[frozenset[str]] = frozenset({"vnet"})

    def spec(self, outputs: Outputs) -> RulesetLinkSpec:
        _ = outputs[self.ruleset]
        return RulesetLinkSpec(self.azure.vnet_id.lower())

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[RulesetLinkSpec, Nothing] | None:
        found = read(self.azure, fresh=fresh, part="link")
        if found.link is None:
            return None
        owned = Ownership.OWNED if owner_of(self.link).holds(dict(found.link.marks)) else Ownership.ADOPTED
        spec = RulesetLinkSpec(found.link.vnet_id.lower())
        return Observed(found.link.id, phase(found.link.state), spec, Nothing(), owned, found.link.state)

    def create(self, spec: RulesetLinkSpec) -> Started:
        body = body_dns.ruleset_link(self.azure.vnet_id, marks(self.link, self.address))
        return self.azure.put_dns(names(self.azure)["link"], body)

    def update(self, found: Observed[RulesetLinkSpec, Nothing], spec: RulesetLinkSpec) -> Started:
        return self.create(spec)

    def delete(self, found: Observed[RulesetLinkSpec, Nothing], prior_state: Any) -> Started | None:
        return self.azure.delete_dns(found.id)


def marks(link: Link, address: str) -> dict[str, str]:
    """What the metadata of a rule or a link says, in place of tags."""
    return {LINK_TAG: link.name, RESOURCE_TAG: address, **owner_of(link).place_tags()}
