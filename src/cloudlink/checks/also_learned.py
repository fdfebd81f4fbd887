"""Which ranges each side learns over the link beyond those that it is for, and whose they are. Pure.

A link is for the ranges in which something of it lies: the cluster, the inbound endpoint and what names point at in the
VPC, the cluster's nodes and pods in the VNets. The gateways announce more, and not all of it can be held back: a virtual
private gateway and Azure's gateway have no filter for what they announce.
https://learn.microsoft.com/azure/virtual-network/advertised-gateway-prefixes-overview
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from cloudlink.checks.path_reads import PathFacts
from cloudlink.checks.preflight.transit import TransitFacts
from cloudlink.clouds.aws.parse_connections import Connection
from cloudlink.clouds.aws.parse_routes import Table
from cloudlink.clouds.aws.parse_transit import Attachment, TransitTable
from cloudlink.clouds.azure.parse_aks import AksCluster
from cloudlink.clouds.azure.parse_gateway import LearnedRoute
from cloudlink.clouds.azure.parse_network import Vnet
from cloudlink.clouds.azure.parse_pieces import last
from cloudlink.core.also_learned import AlsoLearned, Side
from cloudlink.link import Link

Ranges = Sequence[IPv4Network]
UNKNOWN = "not known: neither cloud says whose it is"


# Whether anything keeps a range back.
_WHOLE_VPC = "AWS announces every range of a VPC; nothing limits that."
_BLACKHOLE = (
    "A VPC propagates every range into a transit gateway; aws.blackholes, with aws.limit_routes, keeps it back."
)
_NO_FILTER = "Azure has no filter for what its gateway announces."
_PEERING = "It is kept back where its peering does not use the gateway (useRemoteGateways)."
_OTHERS_TABLE = (
    "It is in a route table of the transit gateway that is its owner's: cloudlink changes nothing of others in it. "
    "aws.limit_routes gives the VPN connections a table of their own."
)
_OWN_TABLE = "It is in the link's own route table of the transit gateway, where somebody has put it: take the propagation or route away."
_HUB = "A virtual private gateway tells each connection what it learns of the others; nothing limits that."
_NOT_OURS = "What joins the networks is not cloudlink's: its owner can limit it."
_ALLOWED = "Its owner can narrow it: aws directconnect update-direct-connect-gateway-association."
_ALL_PEERS = "Azure's gateway tells each peer what it has of the others; nothing limits that."


@dataclass(frozen=True)
class Owned:
    """A range that a side announces. used: the link is for it."""

    range: IPv4Network
    owner: str
    limit: str = ""  # whether anything keeps it back
    used: bool = False


# --- what each side has to announce ------------------------------------------------------------------------


def of_vpc(link: Link, ranges: Iterable[IPv4Network], needed: Ranges) -> Iterator[Owned]:
    """needed: where something of the link is; empty: it is not known, and then no range is called superfluous."""
    limit = _BLACKHOLE if link.aws.transit and link.makes_vpn else _WHOLE_VPC
    for range_ in link.aws.reachable(ranges):
        used = not needed or any(n.overlaps(range_) for n in needed)
        yield Owned(range_, f"VPC {link.aws.vpc_id}; nothing of the link lies in it", limit, used)


def of_vnets(vnet: Vnet | None, cluster: AksCluster | None, spokes: Iterable[Vnet]) -> Iterator[Owned]:
    """What Azure's gateway announces of its own VNet and of those that are peered with it and use it."""
    if vnet is None:
        return
    subnets = {s.id.lower(): s.prefixes for v in (vnet, *spokes) for s in v.subnets}
    wanted = [i.lower() for i in cluster.subnets] if cluster is not None else []
    needed = [p for i in wanted for p in subnets.get(i, ())]
    # of subnets that were not read the whole VNet counts
    homes = {v.lower() for v in (cluster.vnets if cluster is not None else ())}
    unread = {i.partition("/subnets/")[0] for i in wanted if i not in subnets}

    def is_used(vnet_id: str, range_: IPv4Network) -> bool:
        if not homes:
            return vnet_id.lower() == vnet.id.lower()
        return vnet_id.lower() in homes and (vnet_id.lower() in unread or any(n.overlaps(range_) for n in needed))

    for range_ in vnet.prefixes:
        owner = f"VNet {vnet.name}; the cluster has no subnet in it"
        yield Owned(range_, owner, _NO_FILTER, is_used(vnet.id, range_))
    for peering in vnet.peerings:
        if not peering.lends_gateway:
            continue
        for range_ in peering.remote_ranges:
            owner = f"VNet {last(peering.remote_id)}, which is peered with {vnet.name} and uses its gateway"
            yield Owned(range_, owner, _PEERING, is_used(peering.remote_id, range_))


def of_transit(facts: TransitFacts | None, link: Link) -> Iterator[Owned]:
    """What is in the tables that a transit gateway announces to Azure, but for what is the link's own."""
    if facts is None or facts.tables is None:
        return
    known = {a.id: a for a in facts.attachments}
    limit = _OWN_TABLE if link.aws.limit_routes else _OTHERS_TABLE
    for table in dict.fromkeys(facts.tables.vpn):
        for route in found.routes if (found := facts.routes.get(table)) is not None else ():
            others = [known.get(a) for a in route.attachments]
            if route.active and not any(a is not None and a.resource in facts.own for a in others):
                yield Owned(route.destination, _attached(others, route.attachments), limit)


def of_other_connections(
    gateways: Iterable[str], tables: Iterable[Table], connections: Sequence[Connection], link: Link, azure: Ranges
) -> Iterator[Owned]:
    """What virtual private gateways have learned from others: they tell it to all that they are connected with. Seen in the tables
    that they propagate into. azure: what Azure announces."""
    wanted = set(gateways)
    seen = {r.destination: r.target for t in tables for r in t.routes if r.propagated and r.target in wanted}
    for range_, gateway in seen.items():
        if any(range_.overlaps(a) for a in azure):
            continue
        yield Owned(range_, behind_vgw(gateway, connections, link), _HUB)


def of_other_peers(
    link: Link, rows: Iterable[LearnedRoute] | None, gateway: str, named: Mapping[str, str]
) -> Iterator[Owned]:
    """What Azure's gateway has learned from others, which it tells to all its peers. named: address of a peer -> its local
    network gateway."""
    ours = {str(t.aws_inside) for t in link.tunnels}
    for row in rows or ():
        if row.origin.lower() == "ebgp" and row.network and not {row.source, row.next_hop} & ours:
            peer = f"{named[row.source]} ({row.source})" if row.source in named else row.source
            yield Owned(IPv4Network(row.network), f"the network behind {peer}, a BGP peer of {gateway}", _ALL_PEERS)


def of_static_connections(gateway: str, prefixes: Mapping[str, Ranges]) -> Iterator[Owned]:
    """prefixes: by local network gateway, of the connections of Azure's gateway that have no BGP."""
    for name, ranges in prefixes.items():
        for range_ in ranges:
            yield Owned(
                range_, f"the network behind {name}, to which {gateway} has a connection without BGP", _ALL_PEERS
            )


def _attached(found: Sequence[Attachment | None], ids: Iterable[str]) -> str:
    shown = [f"{_KINDS.get(a.kind, a.kind + ' {}').format(a.resource)} ({a.id})" for a in found if a is not None]
    return ", ".join(shown or ids) or UNKNOWN


_KINDS = {
    "vpc": "VPC {}",
    "vpn": "VPN connection {}",
    "direct-connect-gateway": "Direct Connect gateway {}",
    "peering": "transit gateway {}",
    "connect": "Connect attachment {}",
}


def behind_vgw(gateway: str, connections: Iterable[Connection], link: Link) -> str:
    others = [c.id for c in connections if c.gateway == gateway and c.link != link.name]
    by = (
        f"VPN connection {', '.join(others)} or Direct Connect"
        if others
        else "Direct Connect or another VPN connection"
    )
    return f"a network behind {by}, which {gateway} is joined with"


# --- what each side will have, and has ----------------------------------------------------------------------


def expected(side: Side, where: str, owned: Iterable[Owned]) -> tuple[AlsoLearned, ...]:
    """Of a plan: all that will be announced and that the link is not for."""
    every = list(owned)
    used = [o.range for o in every if o.used]
    return _rows(side, ((o, where) for o in every if not any(o.range.subnet_of(u) for u in used)))


def observed(
    side: Side, has: Mapping[IPv4Network, str], owned: Iterable[Owned], unknown: str = UNKNOWN
) -> tuple[AlsoLearned, ...]:
    """Of a link that exists. has: range -> what holds it. unknown: what is said of a range that is nobody's of ``owned``."""
    every = list(owned)
    used = [o.range for o in every if o.used]
    return _rows(
        side,
        (
            (_owner(r, every) or Owned(r, unknown), where)
            for r, where in has.items()
            if not any(r.subnet_of(u) for u in used)
        ),
    )


def _owner(range_: IPv4Network, owned: Iterable[Owned]) -> Owned | None:
    """The narrowest that encloses it."""
    fitting = [o for o in owned if range_.subnet_of(o.range) and not o.used]
    found = max(fitting, key=lambda o: o.range.prefixlen, default=None)
    return replace(found, range=range_) if found is not None else None


def _rows(side: Side, found: Iterable[tuple[Owned, str]]) -> tuple[AlsoLearned, ...]:
    """Each range once, with the first that it was said to be of."""
    once = dict[IPv4Network, AlsoLearned]()
    for o, where in found:
        once.setdefault(o.range, AlsoLearned(side, str(o.range), o.owner, where, o.limit))
    return tuple(once[r] for r in sorted(once))


def in_tables(tables: Iterable[Table], gateways: Iterable[str]) -> dict[IPv4Network, str]:
    """What the VPC's tables have learned by propagation from these gateways, and in which."""
    wanted, found = set(gateways), dict[IPv4Network, list[str]]()
    for table in tables:
        for route in table.routes:
            if route.active and route.propagated and route.target in wanted:
                found.setdefault(route.destination, []).append(table.id)
    return {range_: ", ".join(ids) for range_, ids in found.items()}


def in_transit_table(
    table: TransitTable | None, attachments: Iterable[Attachment], through: Iterable[str]
) -> dict[IPv4Network, str]:
    """What a transit gateway's table has learned. through: resources, such as VPN connections, that it came by."""
    wanted = set(through)
    ids = {a.id for a in attachments if a.resource in wanted and a.kind == "vpn"}
    routes = table.routes if table is not None else ()
    return {
        r.destination: table.id for r in routes if table is not None and r.active and ids.intersection(r.attachments)
    }


def by_gateway(networks: Iterable[str], gateway: str) -> dict[IPv4Network, str]:
    """What Azure's gateway has learned."""
    return {IPv4Network(n): gateway for n in networks}


# --- over what somebody else has joined ---------------------------------------------------------------------


def over_existing(facts: PathFacts, link: Link) -> tuple[AlsoLearned, ...]:
    """Everything that both sides have over what joins them already."""
    return (*_existing_in_aws(facts, link), *_existing_in_azure(facts, link))


_INSIDE = IPv4Network("169.254.0.0/16")


def _inside_addresses() -> Owned:
    """Of the tunnels of somebody else's VPN, which its BGP peers tell each other."""
    return Owned(_INSIDE, "inside address of a tunnel of the VPN that joins the networks", _NOT_OURS)


def _existing_in_azure(facts: PathFacts, link: Link) -> tuple[AlsoLearned, ...]:
    has = {r: g.name for g in facts.azure_gateways for r in g.routes}
    # a range of the VPC that holds what is wanted is needed; so is what encloses that
    needed = [r for r in facts.vpc if any(w.overlaps(r) for w in facts.wanted)]
    has = {r: where for r, where in has.items() if not any(r.overlaps(n) for n in (needed or facts.wanted))}
    owned = [*of_vpc(link, facts.vpc, facts.wanted), *_behind_transit(facts, link), _inside_addresses()]
    wider = ((o, where) for o, where in _allowed_besides(facts) if o.range not in has)
    return (*observed("azure", has, owned), *_rows("azure", wider))


def _allowed_besides(facts: PathFacts) -> Iterator[tuple[Owned, str]]:
    """Allowed prefixes of a Direct Connect gateway that are wider than the VPC. Towards a transit gateway they are announced as
    they stand there; towards a virtual private gateway they only let its VPC's ranges through.

    https://docs.aws.amazon.com/directconnect/latest/UserGuide/allowed-to-prefixes.html
    """
    for found in facts.direct:
        if not found.works or not found.gateway.startswith("tgw-"):
            continue
        name = found.direct_connect_gateway
        for range_ in found.allowed:
            if not any(range_.subnet_of(r) for r in facts.vpc):
                owner = f"an allowed prefix of the Direct Connect gateway {name}, wider than the VPC"
                yield Owned(range_, owner, _ALLOWED), name


def _behind_transit(facts: PathFacts, link: Link) -> Iterator[Owned]:
    """Other VPCs of the transit gateways that the link goes through."""
    for through in facts.transits:
        for table in through.tables:
            for route in table.routes:
                others = [through.attachment(a) for a in route.attachments]
                if any(a is not None and a.kind == "vpc" and a.resource != link.aws.vpc_id for a in others):
                    yield Owned(route.destination, _attached(others, route.attachments), _NOT_OURS)


def _existing_in_aws(facts: PathFacts, link: Link) -> tuple[AlsoLearned, ...]:
    has = in_tables(facts.tables, facts.gateways)
    owned = [*of_vnets(facts.azure.vnet, facts.azure.cluster, facts.azure.spokes), _inside_addresses()]
    for through in facts.transits:
        own = through.of_vpc(link.aws.vpc_id)
        table = through.table(own.table) if own is not None else None
        for route in table.routes if table is not None else ():
            others = [through.attachment(a) for a in route.attachments]
            if table is not None and route.active and not any(a is not None and a.kind == "vpc" for a in others):
                has.setdefault(route.destination, table.id)
                owned.append(
                    Owned(route.destination, f"a network behind {_attached(others, route.attachments)}", _NOT_OURS)
                )
    has = {r: where for r, where in has.items() if not any(r.overlaps(s) for s in facts.sources)}
    unknown = ""
    if behind := sorted({g for t in facts.tables for r in t.routes if (g := r.target) in facts.gateways}):
        unknown = behind_vgw(behind[0], facts.connections, link)
    return observed("aws", has, owned, unknown or UNKNOWN)
