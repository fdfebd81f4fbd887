"""Names of Azure's private zones, asked from a pod on EKS: what to ask, and what the answers mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from cloudlink.checks.back import ZoneSeen, mending, unanswered
from cloudlink.checks.names.advice import one_thing
from cloudlink.checks.names.answers import NameFacts, ProbeFacts, Question
from cloudlink.checks.names.hops import query_hop
from cloudlink.checks.names.wanted import Wanted
from cloudlink.checks.report import DnsReport, Drift, Health, Hop, NameReport
from cloudlink.link import Link

CLUSTER = "eks-dns"  # the hop of what EKS's own DNS answers
MOST_ASKED = 5  # of a zone
_STATUS = "cloudlink status"

Known = Mapping[str, Mapping[str, tuple[IPv4Address, ...]]]
"""Zone -> full name -> the addresses of its A record; a zone that could not be read, or has none, has no names."""


def wanted(link: Link, known: Known, asked: Sequence[str] = ()) -> list[Wanted]:
    """asked: names from the command line; none: some of each zone's records, or the zone itself where it has none."""
    if asked:
        pairs = [(n, z) for n in dict.fromkeys(asked) if (z := link.dns.back_zone_of(n)) is not None]
        return [_wanted(name, zone.name, known) for name, zone in pairs]
    found = []
    for zone in link.dns.back:
        names = [n for n in sorted(known.get(zone.name, {})) if link.dns.back_zone_of(n) == zone][:MOST_ASKED]
        found += [_wanted(name, zone.name, known) for name in names or [zone.name]]
    return found


def _wanted(name: str, zone: str, known: Known) -> Wanted:
    return Wanted(name, name, zone, frozenset(known.get(zone, {}).get(name, ())), fixed=True)


def questions(names: Iterable[Wanted]) -> list[Question]:
    return [Question(w.name) for w in names]


def reports(facts: ProbeFacts, names: Sequence[Wanted]) -> tuple[NameReport, ...]:
    """Pure."""
    seen = {f.name: f for f in facts.names}
    return tuple(_report(w, seen[w.name]) for w in names)


def _report(name: Wanted, facts: NameFacts) -> NameReport:
    asked = [(q.via == "cluster", _hop(name, query_hop(q, name))) for q in facts.queries]
    hops = tuple(replace(hop, hop=CLUSTER) if own else hop for own, hop in asked)
    if not any(own for own, _ in asked):
        hops = (Hop(CLUSTER, "error", "the pod has no name server"), *hops)
    own = next(h for h in hops if h.hop == CLUSTER)
    beyond = [h for h in hops if h.hop != CLUSTER]
    wrong = next((h for h in hops if h.result not in ("ok", "skipped")), None)
    answers = next((q.addresses for q in facts.queries if q.via == "cluster"), ())
    cause, fix = _cause(name, own, beyond) if wrong else ("", "")
    return NameReport(name.name, answers, wrong.result if wrong else "ok", hops, cause, fix)


def _hop(name: Wanted, hop: Hop) -> Hop:
    """The zone itself has no address as a rule: that it is known to exist is what was asked."""
    if name.name == name.zone and not name.addresses and hop.result == "nodata":
        return replace(hop, result="ok", detail=f"{hop.detail}; the zone answers".lstrip("; "))
    return hop


def _cause(name: Wanted, own: Hop, beyond: Sequence[Hop]) -> tuple[str, str]:
    """The likeliest cause, and what to do."""
    direct = next((h for h in beyond if h.result not in ("ok", "skipped")), None)
    if direct is None:
        said = (
            f"Azure answers, but EKS's own DNS says {own.result}: the Resolver rule for {name.zone} is not in effect, something "
            "narrower takes the name, or CoreDNS on EKS keeps an older answer for up to half a minute."
        )
    elif direct.result in ("timeout", "refused", "reset", "error"):
        said = (
            f"Azure's inbound endpoint does not answer a pod on EKS ({direct.hop}: {direct.result}): the way to its subnet, a "
            "network security group on it, or a network ACL or route table of the VPC keeps the question away."
        )
    elif direct.result == "nxdomain":
        said = (
            f"Azure answers that {name.name} does not exist: the private zone {name.zone} is not linked to the VNet, or has no "
            "such record."
        )
    else:
        said = f"Azure's inbound endpoint answers wrongly ({f'{direct.hop}: {direct.result} {direct.detail}'.strip()})."
    return said, _STATUS


def added(report: DnsReport, link: Link, names: Sequence[Wanted], facts: ProbeFacts) -> DnsReport:
    """Pure: the report with what the probe saw."""
    found = reports(facts, names)
    note = f"{', '.join(w.name for w in names)}: asked from a pod on the EKS cluster {link.aws.eks_cluster}."
    health = together(report.health, found) if report.names else _alone(found)
    bare = tuple(
        f"{n.name} has no address: its zone answers, and that a name in it reaches pods on EKS is not proved. A public zone may "
        "answer in the same way. Name a record of it: cloudlink verify-dns NAME"
        for n in found
        if n.verdict == "ok" and not n.answers
    )
    return replace(
        report,
        health=health,
        names=(*report.names, *found),
        notes=(*report.notes, note),
        unproved=(*report.unproved, *bare),
    )


def without_endpoint(report: DnsReport, link: Link, names: Sequence[Wanted]) -> DnsReport:
    """Where nothing in Azure can answer."""
    why = f"there is no inbound endpoint in {link.azure.vnet} that could answer EKS"
    hop = Hop(CLUSTER, "error", why)
    found = tuple(NameReport(w.name, (), "error", (hop,), f"{why[0].upper()}{why[1:]}.", "cloudlink up") for w in names)
    health = together(report.health, found) if report.names else _alone(found)
    return replace(report, health=health, names=(*report.names, *found))


def unproved(report: DnsReport, why: str) -> DnsReport:
    """Where they could not be asked."""
    health = Health.UNKNOWN if report.health is Health.HEALTHY else report.health
    said = f"The names of Azure's zones are not proved: {why}"
    return replace(report, health=health, unproved=(*report.unproved, said))


def _alone(names: Sequence[NameReport]) -> Health:
    wrong = sum(n.verdict != "ok" for n in names)
    return Health.HEALTHY if not wrong else Health.DOWN if wrong == len(names) else Health.DEGRADED


def explained(report: DnsReport, link: Link, zones: Sequence[ZoneSeen], drift: Sequence[Drift]) -> DnsReport:
    """Pure: the report with what is surely wrong with the zones of Azure's whose names failed, and with one thing to do where the
    other names give none. drift: what an ``up`` would write."""
    known = {z.name: (why, mending(link, z)) for z in zones if (why := unanswered(link, z))}
    back_to = {n.name: held.name for n in report.names if (held := link.dns.back_zone_of(n.name)) is not None}

    def said(name: NameReport) -> NameReport:
        why = known.get(back_to.get(name.name, ""))
        return replace(name, cause=f"{why[0]}.", fix=why[1]) if why and name.verdict != "ok" else name

    names = tuple(map(said, report.names))
    wrong = [n for n in names if n.verdict != "ok" and n.name in back_to]
    report = replace(report, names=names)
    if not wrong:
        return report
    told = one_thing(wrong, len(names), drift)
    if told.command == _STATUS:
        told = replace(told, effect="says what of the way to Azure can be seen, and what to do")
    if not report.advice.cause:
        return replace(report, advice=told)
    return replace(report, advice=replace(report.advice, others=(*report.advice.others, told.cause, *told.others)))


def together(link: Health, names: Iterable[NameReport]) -> Health:
    """The verdict on both directions. link: on the names that Azure asks of AWS."""
    names = tuple(names)
    if all(n.verdict == "ok" for n in names):
        return link
    every_wrong = all(n.verdict != "ok" for n in names)
    return Health.DOWN if link is Health.DOWN and every_wrong else Health.DEGRADED
