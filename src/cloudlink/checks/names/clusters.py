"""Names that were asked from several AKS clusters, in one report. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from cloudlink.checks.report import Advice, DnsReport, Health
from cloudlink.clouds.kube.contexts import in_context
from cloudlink.errors import CloudlinkError
from cloudlink.steps.dns_forward.clusters import alike, listed


def of(label: str, report: DnsReport, kubectl: str = "") -> DnsReport:
    """The report of one of several clusters. kubectl: its context, for the commands in it; empty: they have theirs."""
    advice = report.advice
    return replace(
        report,
        names=tuple(replace(name, cluster=label, fix=in_context(name.fix, kubectl)) for name in report.names),
        ways=tuple(replace(way, cluster=label) for way in report.ways),
        advice=replace(advice, command=in_context(advice.command, kubectl), task=in_context(advice.task, kubectl)),
    )


def together(link: str, found: Mapping[str, DnsReport | CloudlinkError]) -> DnsReport:
    """found: by the cluster's label, what its pod saw, or why it could not be asked."""
    reports = {label: of(label, one) for label, one in found.items() if isinstance(one, DnsReport)}
    errors = {label: one for label, one in found.items() if isinstance(one, CloudlinkError)}
    return DnsReport(
        link,
        _health([report.health for report in reports.values()], asked_all=not errors),
        tuple(name for report in reports.values() for name in report.names),
        _alike((label, report.notes) for label, report in reports.items()),
        _advice(reports, errors),
        tuple(way for report in reports.values() for way in report.ways),
        (
            *(f"The names are not proved from {label}: {error}" for label, error in errors.items()),
            *_alike((label, report.unproved) for label, report in reports.items()),
        ),
    )


def _health(each: list[Health], *, asked_all: bool) -> Health:
    if not each:
        return Health.UNKNOWN
    if all(health is Health.HEALTHY for health in each):
        return Health.HEALTHY if asked_all else Health.UNKNOWN
    return Health.DOWN if asked_all and all(health is Health.DOWN for health in each) else Health.DEGRADED


def _advice(reports: Mapping[str, DnsReport], errors: Mapping[str, CloudlinkError]) -> Advice:
    """That of the first cluster on which a name is wrong; what is wrong on others with it."""
    wrong = {label: report.advice for label, report in reports.items() if report.advice != Advice("")}
    if not wrong:
        first = next(iter(errors.items()), None)
        if first is None:
            return Advice("")
        label, error = first
        return Advice(f"{label} cannot be asked: {error}", task=error.hint)
    (label, advice), *rest = wrong.items()
    same = [label, *(other for other, one in rest if one.cause == advice.cause)]
    others = tuple(f"on {other}: {one.cause}" for other, one in rest if one.cause != advice.cause)
    return replace(advice, cause=f"On {listed(same)}: {advice.cause}", others=(*advice.others, *others))


def _alike(said: Iterable[tuple[str, Iterable[str]]]) -> tuple[str, ...]:
    """Each sentence once, with the clusters that it is of."""
    return tuple(f"On {listed(on)}: {sentence}" for sentence, on in alike(said).items())
