"""What ``cloudlink status`` says, from what the clouds say. Pure but for ``quick``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from cloudlink.checks import advice, also_learned, records, routes, tunnels
from cloudlink.checks.preflight.paths import keeps_away
from cloudlink.checks.report import (
    Advice,
    Check,
    Drift,
    EndpointStatus,
    Health,
    Outcome,
    StatusReport,
    TunnelStatus,
    titled,
)
from cloudlink.checks.report import check as make_check
from cloudlink.checks.status_reads import ALSO, Facts, tunnel_facts
from cloudlink.checks.tunnel_ends import AwsFacts, AzureFacts, ends_of
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.core.also_learned import AlsoLearned
from cloudlink.errors import Finding
from cloudlink.link import Link

# What need not be seen for a link to be called healthy: AWS calls a tunnel up only while its BGP session is.
_TOLD_ELSEWHERE = frozenset({"bgp"})


def quick(
    link: Link,
    aws: Aws,
    azure: Azure,
    *,
    now: float | None = None,
    fresh: bool = False,
    way: Sequence[Finding] = (),
) -> StatusReport:
    """The verdict on the tunnels alone, without asking for BGP: AWS says UP only when BGP is established. Of an ``up``
    that found nothing to do, so that nothing is advised that another one would have to do.

    Makes no call when ``up`` has just read these objects (fresh False): customer gateways and connections included.
    now: in the clouds' time. way: what is known to be between the cluster and the gateway.
    """
    facts = tunnel_facts(link, aws, azure, fresh=fresh)
    statuses = tunnels.statuses(link, *facts)
    health = tunnels.health(statuses)
    verdict = tunnels.verdict(statuses)
    checks = (tunnels.tunnel_check(statuses), *((routes.way_check(way),) if any(map(keeps_away, way)) else ()))
    health, verdict = _whole(health, verdict, checks)
    seen = advice.Seen(link, health, statuses, checks, (), now, {}, _public_addresses(link, *facts))
    return _advised(StatusReport(link.name, health, verdict, statuses, checks=checks), seen)


def report(
    link: Link, facts: Facts, drift: tuple[Drift, ...] | None = None, *, now: float | None = None
) -> StatusReport:
    """Everything that is shown. drift: what the engine found to differ from the configuration; None: it was not asked.
    now: in the clouds' time."""
    statuses = tunnels.statuses(link, facts.aws, facts.azure)
    learned = routes.learned_networks(link, facts.learned)
    gateways = _own_gateways(facts, statuses)
    tables = tuple(routes.table_status(t, gateways, facts.advertised) for t in facts.tables)
    endpoint = records.endpoint_status(facts.endpoint, facts.endpoint_addresses)
    ours, others = records.shown_records(facts.records, facts.ours)
    verdict = tunnels.verdict(statuses)
    health = tunnels.health(statuses)
    checks: tuple[Check, ...] = ()
    headline = verdict
    blind = [cloud for cloud, why in (("AWS", facts.aws.unseen), ("Azure", facts.azure.unseen)) if why]
    if blind:
        health = Health.UNKNOWN
        headline = verdict = f"Whether the tunnels are up cannot be told: {' and '.join(blind)} could not be read."
    if health is not Health.ABSENT:
        found = (
            tunnels.tunnel_check(statuses),
            tunnels.bgp_check(statuses),
            tunnels.lasting_check(statuses),
            *through_transit(link, facts, statuses),
            routes.learned_check(
                facts.learned is not None,
                learned,
                link.aws.reachable(facts.vpc),
                facts.advertised,
                facts.azure.connections.values(),
            ),
            routes.way_check(facts.way),
            routes.table_check(tables, facts.tables, gateways, facts.advertised, statuses),
            routes.filter_check(facts.filters),
            *name_checks(link, facts, endpoint),
        )
        # whose gateway a route leads to is known by the connections
        at_aws = {"routes-aws": facts.aws.unseen} if facts.aws.unseen else {}
        reasons = {**facts.unseen, **at_aws, **({"tunnels": facts.aws.unseen or facts.azure.unseen} if blind else {})}
        checks = tuple(_as_seen(check, reasons.get(check.name, ""), gateways) for check in found)
        checks = titled(checks, by_vnet=link.dns.forward == "vnet")
        headline = _headline(headline, health, checks)
        health, verdict = _whole(health, verdict, checks)
    made = StatusReport(
        link=link.name,
        health=health,
        verdict=verdict,
        tunnels=statuses,
        route_tables=tables,
        learned=learned,
        endpoint=endpoint,
        zone=records.zone_line(facts.zones(link.dns.zone).values()),
        records=ours,
        other_records=others,
        forward=facts.forward.line if facts.forward else "",
        clusters=records.on_clusters(facts.forward),
        checks=checks,
        drift=drift or (),
        headline=headline,
        since=advice.since(health, statuses),
        path=advice.path(statuses, checks, len(link.dns.all_hosts)) if checks else (),
        also_learned=_also_learned(link, facts, gateways, learned),
        also_unseen=facts.unseen.get(ALSO, ""),
    )
    hints = {**facts.hints, **({"tunnels": facts.hints.get("aws") or facts.hints.get("azure", "")} if blind else {})}
    public = _public_addresses(link, facts.aws, facts.azure)
    return _advised(made, advice.Seen(link, health, statuses, checks, drift, now, hints, public))


def _also_learned(
    link: Link, facts: Facts, gateways: Collection[str], learned: Sequence[str]
) -> tuple[AlsoLearned, ...]:
    """Of a link with tunnels, from what its sides have. gateways: AWS's, that the tunnels end on. learned: what Azure has learned
    over them."""
    at_aws = sorted(gateways)
    azures = [o.range for o in facts.azure_owns]
    others = [c for c in facts.aws.connections if c.gateway in at_aws and c.link != link.name]
    unknown = (
        also_learned.behind_vgw(at_aws[0], others, link) if others and not link.aws.transit else also_learned.UNKNOWN
    )
    in_aws = [
        *facts.aws_owns,
        *also_learned.of_transit(facts.transit, link),
        *also_learned.of_other_connections(at_aws, facts.tables, others, link, azures),
    ]
    if facts.transit is not None and facts.transit.tables is not None:
        table = facts.transit.routes.get(facts.transit.tables.vpc)
        has = also_learned.in_transit_table(table, facts.transit.attachments, facts.transit.own)
    else:
        has = also_learned.in_tables(facts.tables, at_aws)
    # where it is not known what the link is for, nothing is called more than that
    return (
        *(also_learned.observed("aws", has, facts.azure_owns, unknown) if facts.azure_owns else ()),
        *(
            also_learned.observed("azure", also_learned.by_gateway(learned, "Azure's gateway"), in_aws)
            if facts.aws_owns
            else ()
        ),
    )


def through_transit(link: Link, facts: Facts, statuses: Sequence[TunnelStatus]) -> tuple[Check, ...]:
    """None, where the tunnels end on a virtual private gateway."""
    up = any(s.aws and s.aws.state == "UP" for s in statuses)
    return (routes.transit_check(facts.transit, link, up),) if link.aws.transit else ()


def _advised(made: StatusReport, seen: advice.Seen) -> StatusReport:
    """With one cause and one thing to do. A fix that would find nothing to do is not shown either."""
    told = advice.advise(seen)
    if seen.drift is not None:
        useless = not advice.repairable("tunnels", seen.drift)
        statuses = tuple(replace(t, fix="") if useless and t.fix == advice.UP else t for t in made.tunnels)
        checks = tuple(
            replace(c, fix="") if c.fix == advice.UP and not advice.repairable(c.name, seen.drift) else c
            for c in made.checks
        )
        made = replace(made, tunnels=statuses, checks=checks)
    commands = [told.command] if told.command else []
    if made.health is Health.HEALTHY and told.command == advice.UP:
        commands.append("cloudlink verify-dns")
    return replace(made, advice=told, next=tuple(commands))


def name_checks(link: Link, facts: Facts, endpoint: EndpointStatus | None) -> tuple[Check, ...]:
    """What names need, whatever carries the packets."""
    found = (
        records.endpoint_check(endpoint),
        records.zone_check(link, facts.zones(link.dns.zone)),
        records.record_check(link, facts.zones(link.dns.zone), facts.records),
        records.target_check(facts.target, facts.behind),
        records.rule_check(link, facts.rules, facts.elsewhere),
        records.forward_check(facts.forward),
        *((facts.back,) if facts.back is not None else ()),
    )
    return tuple(facts.led.get(c.name, c) if c.outcome is Outcome.PASSED else c for c in found)


def _public_addresses(link: Link, aws: AwsFacts, azure: AzureFacts) -> dict[int, str]:
    """Of the instances of Azure's gateway: which to restart is said by it."""
    found = {t.vpn: ends_of(link, t, aws, azure).instance for t in link.tunnels}
    return {number: str(i.public[0]) for number, i in found.items() if i is not None and i.public}


def never_complete(made: StatusReport) -> bool:
    """Whether no tunnel is up because an ``up`` has not come so far: connections were never made, and nobody has removed
    anything."""
    never_made = any(
        d.what == NEVER_MADE and d.address.partition("[")[0] in ("aws_vpn.connection", "azure_vpn.connection")
        for d in made.drift
    )
    return made.health is Health.DOWN and never_made and not any(d.by_hand for d in made.drift)


def incomplete(made: StatusReport, there: int, whole: int, written_by: str = "") -> StatusReport:
    """Of a link without tunnels some of whose objects exist. there, whole: how many exist, and how many it has when it is
    complete. written_by: the last command that changed something; empty: not known."""
    who = "an up" if written_by == advice.UP else "an up or a teardown"
    said = f"The link is not complete: {who} has not ended."
    told = Advice(
        f"{who.capitalize()} was interrupted: {there} of {whole} objects are there.",
        command=advice.UP,
        effect=f"builds the rest{f', {advice.time_of(made.drift)}' if made.drift else ''}; {TEARDOWN} removes what is there",
        waiting=_COSTS,
    )
    return _unfinished(made, said, told, (advice.UP, TEARDOWN))


def half_removed(made: StatusReport, there: int, whole: int) -> StatusReport:
    """Of a link that a teardown was removing when it was stopped. there, whole: as in ``incomplete``."""
    said = "The link is being removed: a teardown has not ended."
    told = Advice(
        f"A teardown was interrupted: {whole - there} of {whole} objects are gone.",
        command=TEARDOWN,
        effect=f"removes the rest; {advice.UP} builds the link again",
        waiting=_COSTS,
    )
    return _unfinished(made, said, told, (TEARDOWN, advice.UP))


NEVER_MADE = "not there"  # of an object that no run has made yet
TEARDOWN = "cloudlink teardown"
_COSTS = "Safe to wait, but what is there costs money."


def _unfinished(made: StatusReport, said: str, told: Advice, ways_on: tuple[str, ...]) -> StatusReport:
    return replace(made, health=Health.DOWN, verdict=said, headline=said, since=None, advice=told, next=ways_on)


def _own_gateways(facts: Facts, statuses: Sequence[TunnelStatus]) -> frozenset[str]:
    """Of the link's own tunnels."""
    ours = {s.aws.connection for s in statuses if s.aws}
    return frozenset(v.gateway for v in facts.aws.connections if v.id in ours)


def _as_seen(check: Check, why: str, gateways: Collection[str]) -> Check:
    """The check, or why it could not be made. What was seen to be wrong is said all the same, where there is something to
    look at: of what was not read nothing can be said to be missing."""
    if not why:
        return check
    partly = check.name == "routes-aws" and check.outcome is Outcome.FAILED and gateways
    return check if partly else make_check(check.name, Outcome.UNSEEN, why)


def _beside(checks: Sequence[Check]) -> list[Check]:
    """What fails beside the tunnels."""
    return [c for c in checks if c.outcome is Outcome.FAILED and c.name not in ("tunnels", "bgp", "lasting")]


_ON_THE_WAY = ("transit", "routes-azure", "routes-aks", "routes-aws", "filters")


def _headline(verdict: str, health: Health, checks: Sequence[Check]) -> str:
    """The verdict on the tunnels, which alone would say that all is well while names fail."""
    beside = _beside(checks)
    if not beside or health in (Health.DOWN, Health.UNKNOWN):
        return verdict
    what = "names may not work"
    if beside[0].name in ("records", "targets"):
        what = "not all names work"
    elif beside[0].name in _ON_THE_WAY:
        what = "packets do not find their way"
    return f"{verdict.rstrip('.')}, but {what}."


def _whole(health: Health, verdict: str, checks: Sequence[Check]) -> tuple[Health, str]:
    """The verdict on the tunnels, with what was found beside them."""
    beside = _beside(checks)
    unseen = [c for c in checks if c.outcome is Outcome.UNSEEN]
    if beside and health is not Health.DOWN:
        verdict += f" But: {beside[0].detail.rstrip('.')}."
    if beside and health is Health.HEALTHY:
        health = Health.DEGRADED
    if unseen:
        verdict += f" Not everything could be read ({', '.join(c.title for c in unseen)}: see below)."
    if health is Health.HEALTHY and any(c.name not in _TOLD_ELSEWHERE for c in unseen):
        health = Health.UNKNOWN
    return health, verdict
