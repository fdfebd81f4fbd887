"""Whether packets find their way: what Azure has learned, what is between cluster and gateway, what AWS's tables say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Network

from cloudlink.checks.preflight.paths import keeps_away
from cloudlink.checks.preflight.transit import TransitFacts, one_path, overlaps
from cloudlink.checks.report import Check, Outcome, RouteTableStatus, TunnelStatus, check
from cloudlink.clouds.aws.parse_routes import Table
from cloudlink.clouds.aws.parse_transit import TransitRoute, TransitTable
from cloudlink.clouds.azure.parse_connection import Connection
from cloudlink.clouds.azure.parse_gateway import LearnedRoute
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from cloudlink.steps.aws_vpn.transit import no_table

Ranges = Sequence[IPv4Network]
_APART = "The ranges of VPC and VNets must not overlap"


def tables_of(
    tables: Sequence[Table],
    subnets: Iterable[str],
    configured: tuple[str, ...] | None,
    needed: Collection[str] = (),
) -> tuple[Table, ...]:
    """The configured route tables, else those in force for these subnets (the explicit one, or the VPC's main), and ``needed``."""
    if configured is not None:
        return tuple(t for t in tables if t.id in configured)
    explicit = {subnet: t.id for t in tables for subnet in t.subnets}
    main = next((t.id for t in tables if t.main), "")
    wanted = {*(explicit.get(s, main) for s in subnets), *needed}
    return tuple(t for t in tables if t.id in wanted)


# --- Azure --------------------------------------------------------------------------------------------------


def learned_networks(link: Link, routes: Iterable[LearnedRoute] | None) -> tuple[str, ...]:
    """Networks that Azure learned from AWS. By the next hop's owner, since each instance also has them from the other."""
    ours = {str(t.aws_inside) for t in link.tunnels}
    found = {r.network for r in routes or () if r.origin.lower() == "ebgp" and {r.source, r.next_hop} & ours}
    return tuple(sorted(found))


def learned_check(
    asked: bool, learned: Sequence[str], vpc: Ranges, advertised: Ranges, connections: Iterable[Connection] = ()
) -> Check:
    """asked: whether Azure was. vpc, advertised: the ranges of both sides. connections: Azure's."""
    if not asked:
        return check("routes-azure", Outcome.SKIPPED, "Azure has no gateway to ask")
    found, translated = _learned(learned, vpc, advertised), [c for c in connections if c.nat_rules]
    return _translated(found, translated) if translated else found


def _learned(learned: Sequence[str], vpc: Ranges, advertised: Ranges) -> Check:
    missing = [c for c in vpc if str(c) not in learned]
    # https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-vpn-faq#bgp: equal or more specific is dropped
    dropped = [str(m) for m in missing if any(m.subnet_of(p) for p in advertised)]
    if dropped:
        why = f"{', '.join(dropped)} is a range of the VNet or lies in one, so Azure drops it"
        return check("routes-azure", Outcome.FAILED, why, _APART)
    hidden = [str(p) for p in advertised if any(p.subnet_of(c) for c in vpc)]
    if not missing and hidden:
        why = f"{', '.join(hidden)} of the VPC is a range of the VNet too, so packets to it stay in Azure"
        return check("routes-azure", Outcome.FAILED, why, _APART)
    if not missing:
        return check("routes-azure", Outcome.PASSED, ", ".join(map(str, vpc)))
    return check(
        "routes-azure", Outcome.FAILED, f"Azure has no route to {', '.join(map(str, missing))}", "cloudlink up"
    )


def _translated(found: Check, connections: Sequence[Connection]) -> Check:
    """With what NAT rules of the gateway's do to the link. https://learn.microsoft.com/azure/vpn-gateway/nat-overview"""
    rules = ", ".join(dict.fromkeys(rule for c in connections for rule in c.nat_rules))
    words = (
        f"NAT rules ({rules}) change addresses on {', '.join(c.name for c in connections)}: names lead to the VPC's own addresses, "
        "and security groups let in the VNet's"
    )
    off = "; ".join(
        f"az network vpn-connection update --ids {c.id} --set ingressNatRules=[] egressNatRules=[]" for c in connections
    )
    bad = found.outcome is Outcome.FAILED
    said = f"{found.detail}; {words}" if bad else words
    return check("routes-azure", Outcome.FAILED if bad else Outcome.WARNING, said, f"Take them off: {off}")


def way_check(found: Sequence[Finding] | None) -> Check:
    """The checks of preflight, made on the link that exists."""
    if found is None:
        return check("routes-aks", Outcome.SKIPPED, "Azure has no gateway to lead to")
    bad = [f for f in found if keeps_away(f)]
    if bad:
        return check("routes-aks", Outcome.FAILED, " ".join(f.detail for f in bad), bad[0].hint)
    if found:
        return check("routes-aks", Outcome.WARNING, " ".join(f.detail for f in found), found[0].hint)
    return check("routes-aks", Outcome.PASSED, "no route table and no peering is in the way")


def filter_check(found: Sequence[Finding] | None) -> Check:
    """The checks of preflight, made on the link that exists."""
    if found is None:
        return check("filters", Outcome.SKIPPED, "there is no endpoint and no target to get to")
    bad = [f for f in found if f.severity is Severity.OBSTACLE]
    if bad:
        return check("filters", Outcome.FAILED, " ".join(f.detail for f in bad), bad[0].hint)
    if found:
        return check("filters", Outcome.WARNING, " ".join(f.detail for f in found), found[0].hint)
    return check(
        "filters", Outcome.PASSED, "network ACLs and security groups let it pass, and no prefix list leads away"
    )


# --- AWS ----------------------------------------------------------------------------------------------------


def transit_check(facts: TransitFacts | None, link: Link, learned: bool) -> Check:
    """What the tables of the transit gateway hold that are looked up for the VPC and for the VPN connections. learned: whether
    a tunnel is up, so that something can be learned."""
    if facts is None:
        return check("transit", Outcome.SKIPPED, "it was not asked")
    if facts.gateway is None:
        return check(
            "transit", Outcome.FAILED, f"{link.aws.adopt_gateway or 'it'} does not exist any more", "cloudlink up"
        )
    id_ = facts.gateway.id
    if facts.tables is None:
        _, detail, hint = no_table(link, id_)
        return check("transit", Outcome.FAILED, detail, hint)
    if facts.unread:
        return check("transit", Outcome.UNSEEN, facts.unread)
    if taken := [f for f in overlaps(facts, link) if f.severity is Severity.OBSTACLE]:
        return check("transit", Outcome.FAILED, " ".join(f.detail for f in taken), taken[0].hint)
    kinds = {a.id: a for a in facts.attachments if a.resource in facts.own}
    missing = [
        f"{table} has no route to {range_}"
        for table, ranges, kind in _ways(facts, learned)
        for range_ in ranges
        if not _leads(facts.routes.get(table), range_, {a for a, seen in kinds.items() if seen.kind == kind})
    ]
    if missing:
        return check("transit", Outcome.FAILED, f"{id_}: {'; '.join(missing)}", "cloudlink up")
    if not facts.gateway.ecmp:
        _, detail, hint = one_path(facts.gateway, link)
        return check("transit", Outcome.WARNING, detail, hint)
    ways = len({a for r in _to(facts.routes.get(facts.tables.vpc), facts.azure) for a in r.attachments} & kinds.keys())
    over = f"{ways} VPN connection{'s' * (ways != 1)}"
    there = f"to {', '.join(map(str, facts.azure))} over {over}" if learned else "nothing learned yet"
    return check("transit", Outcome.PASSED, f"{id_}: {there}, and back to {', '.join(map(str, facts.vpc))}")


def _ways(facts: TransitFacts, learned: bool) -> Iterator[tuple[str, Ranges, str]]:
    """Table, what has to be in it, and the kind of attachment that it has to lead to."""
    assert facts.tables is not None
    for table in sorted(set(facts.tables.vpn)):
        yield table, facts.vpc, "vpc"
    if learned:
        yield facts.tables.vpc, facts.azure, "vpn"


def _to(table: TransitTable | None, ranges: Ranges) -> list[TransitRoute]:
    return [r for r in table.routes if r.active and r.destination in ranges] if table is not None else []


def _leads(table: TransitTable | None, range_: IPv4Network, to: set[str]) -> bool:
    return any(to.intersection(r.attachments) for r in _to(table, (range_,)))


def table_status(table: Table, gateways: frozenset[str], advertised: Ranges) -> RouteTableStatus:
    """gateways: those of the link's own tunnels; only what leads there counts."""
    present = {r.destination: r.propagated for r in table.routes if r.active and r.target in gateways}
    static = _transit(gateways)
    return RouteTableStatus(
        id=table.id,
        propagating=None if static else any(g in gateways for g in table.propagates),
        routes=tuple(str(p) for p in advertised if present.get(p) or (static and p in present)),
        missing=tuple(str(p) for p in advertised if p not in present),
        static=() if static else tuple(str(p) for p in advertised if present.get(p) is False),
    )


def table_check(
    shown: Sequence[RouteTableStatus],
    tables: Sequence[Table],
    gateways: frozenset[str],
    advertised: Ranges,
    statuses: Sequence[TunnelStatus],
) -> Check:
    """shown: of these tables."""
    if not shown:
        return check("routes-aws", Outcome.SKIPPED, "no route table is known")
    if not advertised:
        return check("routes-aws", Outcome.SKIPPED, "the VNet's ranges are not known")
    off = [t.id for t in shown if t.propagating is False and not t.well]
    if off:
        return check("routes-aws", Outcome.FAILED, f"route propagation is off on {', '.join(off)}", "cloudlink up")
    if diverted := _diverted(tables, gateways, advertised):
        words = f"{'; '.join(diverted)}: answers to Azure do not come back that way"
        return check("routes-aws", Outcome.FAILED, words, "Take these routes out of the table, or narrow them.")
    bad = [t for t in shown if t.missing]
    if not bad:
        return check("routes-aws", Outcome.PASSED, ", ".join(t.id for t in shown))
    words = "; ".join(f"{t.id} lacks {', '.join(t.missing)}" for t in bad)
    if _transit(gateways):
        return check(
            "routes-aws", Outcome.FAILED, f"{words} (a transit gateway propagates no routes there)", "cloudlink up"
        )
    if not any(s.aws and s.aws.state == "UP" for s in statuses):
        return check("routes-aws", Outcome.FAILED, "no tunnel is up, so that no route is propagated")
    return check("routes-aws", Outcome.FAILED, words, "Routes follow a tunnel within a minute; then: cloudlink up")


def _transit(gateways: Iterable[str]) -> bool:
    return any(g.startswith("tgw-") for g in gateways)


def _diverted(tables: Iterable[Table], gateways: frozenset[str], advertised: Ranges) -> list[str]:
    """Routes that send answers to a part of Azure's ranges elsewhere: the more specific one wins, also one that leads
    nowhere; of two that are alike the static one."""
    return [
        f"{table.id} sends {route.destination} to {route.target or 'nowhere'}"
        for table in tables
        for route in table.routes
        if route.target != "local"
        and route.target not in gateways
        and any(route.destination.subnet_of(p) and (route.destination != p or not route.propagated) for p in advertised)
    ]
