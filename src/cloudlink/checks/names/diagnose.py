"""Diagnosis of one name from what the probe saw: every hop, the first that fails, its likely cause, and what to do.

Pure. The hops in order: the pod's own resolver, each endpoint address directly over UDP and over TCP, then connections
to the addresses.
"""

from __future__ import annotations

from collections.abc import Iterable

from cloudlink.checks.names.answers import NameFacts
from cloudlink.checks.names.causes import likeliest_cause
from cloudlink.checks.names.hops import connect_hops, query_hop
from cloudlink.checks.names.wanted import NOTHING_ELSE, DnsContext, Wanted
from cloudlink.checks.report import Health, Hop, NameReport


def diagnose(wanted: Wanted, facts: NameFacts, context: DnsContext = NOTHING_ELSE) -> NameReport:
    """Every hop, and the verdict: ``ok`` or the class of the first hop that is wrong."""
    asked = [(q, query_hop(q, wanted)) for q in facts.queries]
    hops = [hop for _, hop in asked]
    for connect in facts.connects:
        hops.extend(connect_hops(connect, wanted))
    cluster = next((q for q, _ in asked if q.via == "cluster"), None)
    if cluster is None:
        hops.insert(0, Hop("cluster-dns", "error", "the pod has no name server"))
    if not facts.connects:
        hops.append(Hop("connect", "skipped", "no private address is known to connect to"))
    wrong = next((h for h in hops if h.result not in ("ok", "skipped")), None)
    cause, fix = likeliest_cause(wanted, asked, facts.connects, context) if wrong else ("", "")
    return NameReport(
        name=facts.name,
        answers=cluster.addresses if cluster else (),
        verdict=wrong.result if wrong else "ok",
        hops=tuple(hops),
        cause=cause,
        fix=fix,
    )


def works(report: NameReport) -> bool:
    """Whether pods can use the name although some hop may be wrong: it resolves right, and each port is reached."""
    cluster = next((h for h in report.hops if h.hop == "cluster-dns"), None)
    reached: dict[str, bool] = {}
    for hop in report.hops:
        if hop.hop.startswith("connect "):
            port = hop.hop.rpartition(":")[2]
            reached[port] = reached.get(port, False) or hop.result == "ok"
    return cluster is not None and cluster.result == "ok" and all(reached.values())


def silent(report: NameReport) -> bool:
    """Whether packets to AWS get no answer. CoreDNS may say SERVFAIL then, or nothing in time either: both tell the same."""
    if report.verdict not in ("timeout", "servfail"):
        return False
    beyond = next((h for h in report.hops if h.hop != "cluster-dns" and h.result not in ("ok", "skipped")), None)
    return beyond is not None and beyond.result == "timeout"


def kept_from_dns(report: NameReport) -> bool:
    """Whether the endpoint answers the pod, and CoreDNS gets no answer from it."""
    cluster = next((h for h in report.hops if h.hop == "cluster-dns"), None)
    direct = [h for h in report.hops if h.hop.startswith("endpoint ")]
    unanswered = cluster is not None and cluster.result in ("servfail", "timeout", "refused")
    return unanswered and bool(direct) and all(h.result == "ok" for h in direct)


def unconnected(report: NameReport) -> bool:
    """Whether the name resolves as it should, and no connection comes about."""
    cluster = next((h for h in report.hops if h.hop == "cluster-dns"), None)
    wrong = next((h for h in report.hops if h.result not in ("ok", "skipped")), None)
    return cluster is not None and cluster.result == "ok" and wrong is not None and wrong.hop.startswith("connect ")


def answered_wrong(report: NameReport) -> bool:
    """Whether AWS itself answers, and not as it should."""
    direct = [h for h in report.hops if h.hop.startswith("endpoint ")]
    return any(h.result not in ("ok", "timeout", "reset", "skipped", "error") for h in direct)


def health(reports: Iterable[NameReport]) -> Health:
    """Healthy: no hop is wrong. Degraded: some are, but a name works. Down: no name works."""
    reports = tuple(reports)
    if all(r.verdict == "ok" for r in reports):
        return Health.HEALTHY
    return Health.DEGRADED if any(works(r) for r in reports) else Health.DOWN
