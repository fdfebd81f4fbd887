"""What ``cloudlink status`` says of a link over what somebody else has joined: the path that can be measured, and the names.
Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cloudlink.checks import advice, records, routes
from cloudlink.checks.path import PathReport
from cloudlink.checks.preflight.paths import keeps_away
from cloudlink.checks.report import Advice, Check, Drift, Health, Outcome, Stage, StatusReport, check, titled
from cloudlink.checks.status import name_checks
from cloudlink.checks.status_reads import Facts
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link

NOT_OURS = "Link: not made by cloudlink"
_PATH = ("routes-azure", "routes-aks", "routes-aws")
_NAMES_STAGES = (
    ("DNS", ("filters", "endpoint", "zone", "rules", "forward")),
    ("names", ("records", "targets", "names-back")),
)


def quick(link: Link, path_report: PathReport) -> StatusReport:
    """The verdict on the path alone."""
    checks = _path_checks(path_report)
    health = _health(checks)
    made = StatusReport(link.name, health, _verdict(path_report, checks), (), checks=checks, transport=link.transport)
    return _advised(made, link, None, None, {})


def report(
    link: Link,
    facts: Facts,
    path_report: PathReport,
    drift: tuple[Drift, ...] | None = None,
    *,
    now: float | None = None,
) -> StatusReport:
    """Everything that is shown. drift, now: as in ``status.report``."""
    ours, others = records.shown_records(facts.records, facts.ours)
    endpoint = records.endpoint_status(facts.endpoint, facts.endpoint_addresses)
    found = (
        *_path_checks(path_report),
        routes.filter_check(facts.filters),
        *name_checks(link, facts, endpoint),
    )
    checks = tuple(check(c.name, Outcome.UNSEEN, facts.unseen[c.name]) if c.name in facts.unseen else c for c in found)
    checks = titled(checks, by_vnet=link.dns.forward == "vnet")
    made = StatusReport(
        link=link.name,
        health=_health(checks),
        verdict=_whole(_verdict(path_report, checks), checks),
        tunnels=(),
        endpoint=endpoint,
        zone=records.zone_line(facts.zones(link.dns.zone).values()),
        records=ours,
        other_records=others,
        forward=facts.forward.line if facts.forward else "",
        clusters=records.on_clusters(facts.forward),
        checks=checks,
        drift=drift or (),
        headline=_verdict(path_report, checks),
        path=_stages(checks, len(link.dns.all_hosts)),
        also_learned=path_report.also_learned,
        transport=link.transport,
    )
    return _advised(made, link, drift, now, facts.hints)


def absent(made: StatusReport, link: Link) -> StatusReport:
    """Of a link of which nothing exists; the path is there all the same, and not cloudlink's."""
    said = "There is no link: neither cloud has any part of it."
    told = advice.advise(advice.Seen(link, Health.ABSENT, (), ()))
    return StatusReport(
        link.name, Health.ABSENT, said, (), headline=said, advice=told, next=(advice.UP,), transport=made.transport
    )


@dataclass(frozen=True)
class _Side:
    name: str
    passed: str
    findings: tuple[Finding, ...]


def _path_checks(path_report: PathReport) -> tuple[Check, ...]:
    cluster = tuple(f for f in path_report.there if f.topic != "path")
    routes = tuple(f for f in path_report.there if f.topic == "path")
    sides = (
        _Side("routes-azure", _by(path_report.there_by), routes),
        _Side("routes-aks", "no route table and no peering is in the way", cluster),
        _Side("routes-aws", _by(path_report.back_by), path_report.back),
    )
    unread = {"routes-azure": path_report.unread, "routes-aws": path_report.unread_in_aws}
    return tuple(_check(side, unread.get(side.name, ())) for side in sides)


def _by(names: Sequence[str]) -> str:
    return f"by {', '.join(names)}" if names else "there is a way"


def _check(side: _Side, unread: Sequence[Finding]) -> Check:
    bad = [f for f in side.findings if f.severity is Severity.OBSTACLE or (f.topic != "path" and keeps_away(f))]
    if bad:
        return check(side.name, Outcome.FAILED, " ".join(f.detail for f in bad), bad[0].hint)
    if unread:
        return check(side.name, Outcome.UNSEEN, " ".join(f.text for f in unread))
    if side.findings:
        first = side.findings[0]
        return check(side.name, Outcome.WARNING, " ".join(f.detail for f in side.findings), first.hint)
    return check(side.name, Outcome.PASSED, side.passed)


def _health(checks: Iterable[Check]) -> Health:
    checks = tuple(checks)
    failed = [c.name for c in checks if c.outcome is Outcome.FAILED]
    if any(name in _PATH for name in failed):
        return Health.DOWN
    if failed:
        return Health.DEGRADED
    return Health.UNKNOWN if any(c.outcome is Outcome.UNSEEN for c in checks) else Health.HEALTHY


def _verdict(path_report: PathReport, checks: Sequence[Check]) -> str:
    by = (*path_report.there_by, *path_report.back_by)
    through = f" ({'; '.join(by)})" if by else ""
    path = [c for c in checks if c.name in _PATH]
    if any(c.outcome is Outcome.FAILED for c in path):
        said = "The path that can be measured does not let packets pass."
    elif any(c.outcome is Outcome.UNSEEN for c in path):
        said = "Not all of the path could be read."
    else:
        said = "Both clouds have a way there and back."
    return f"{NOT_OURS}{through}. {said}"


def _whole(verdict: str, checks: Sequence[Check]) -> str:
    beside = [c for c in checks if c.outcome is Outcome.FAILED and c.name not in _PATH]
    unseen = [c for c in checks if c.outcome is Outcome.UNSEEN]
    if beside:
        verdict += f" But: {beside[0].detail.rstrip('.')}."
    if unseen:
        verdict += f" Not everything could be read ({', '.join(c.title for c in unseen)}: see below)."
    return verdict


def _stages(checks: Sequence[Check], names: int) -> tuple[Stage, ...]:
    outcomes = {c.name: c.outcome for c in checks}

    def worst(members: Iterable[str]) -> Outcome:
        found = [outcomes[m] for m in members if m in outcomes]
        return next((o for o in (Outcome.FAILED, Outcome.UNSEEN, Outcome.WARNING) if o in found), Outcome.PASSED)

    stages = [Stage("existing link", worst(_PATH))]
    for name, members in _NAMES_STAGES:
        outcome = worst(members)
        if stages[0].outcome is Outcome.FAILED and outcome is Outcome.PASSED:
            outcome = Outcome.SKIPPED
        shown = name if name == "DNS" else f"{names} {'record' if names == 1 else 'records'}"
        stages.append(Stage(shown, outcome))
    return tuple(stages)


def _advised(
    made: StatusReport,
    link: Link,
    drift: tuple[Drift, ...] | None,
    now: float | None,
    hints: Mapping[str, str],
) -> StatusReport:
    seen = advice.Seen(link, made.health, (), made.checks, drift, now, hints)
    told = advice.advise(seen)
    if told.waiting:
        told = replace(told, waiting=_waiting(made.health))
    if told.effect.startswith("touches no tunnel; "):
        told = replace(told, effect=told.effect.removeprefix("touches no tunnel; "))
    if any(c.outcome is Outcome.FAILED and c.name in _PATH for c in made.checks) and not told.command:
        told = replace(told, task=told.task or "It is for the owner of the link between the networks to mend.")
    return replace(made, advice=told, next=_next(made, told))


def _waiting(health: Health) -> str:
    if health is Health.DOWN:
        return "Waiting does not help: nothing passes until this is repaired."
    return "Safe to wait." if health is Health.HEALTHY else "Waiting does not help, but the path is not concerned."


def _next(made: StatusReport, told: Advice) -> tuple[str, ...]:
    commands = (told.command,) if told.command else ()
    return (
        (*commands, "cloudlink verify-dns") if told.command == advice.UP and made.health is Health.HEALTHY else commands
    )
