"""What is asked from a pod on AKS, and the report on all of it. What one name's answers mean is in ``diagnose``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from cloudlink.checks.names.answers import NameFacts, ProbeFacts, Question
from cloudlink.checks.names.certificates import REFUSED_BY_CLIENTS
from cloudlink.checks.names.diagnose import diagnose, health
from cloudlink.checks.names.hops import query_hop
from cloudlink.checks.names.probe import Probe
from cloudlink.checks.names.wanted import DnsContext, Wanted
from cloudlink.checks.report import DnsReport, Hop, NameReport, WayStatus
from cloudlink.errors import CloudError, UsageError
from cloudlink.link import AddressTarget, AzureSide, DnsSide, Host, Link, PrivateZone
from cloudlink.steps.dns_forward.corefile import ForwardStatus
from cloudlink.steps.outputs import Targets

# The label that is asked for below a wildcard.
CHECK_LABEL = "cloudlink-check"
NODE_DNS = "node-dns"  # the hop of what a node's resolver answers

_LOCAL_DNS = IPv4Network("169.254.10.0/24")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")

Expected = Mapping[str, Sequence[IPv4Address]]


def expected(targets: Targets, private: Mapping[str, Sequence[str]]) -> dict[str, tuple[IPv4Address, ...]]:
    """Full name of each configured host -> the private addresses that it should lead to.

    private: those of load balancers, by ARN. Raises CloudError for an address that is none.
    """
    try:
        balancers = {
            name: tuple(IPv4Address(a) for a in private.get(balancer.arn, ()))
            for name, balancer in targets.load_balancers.items()
        }
    except ValueError as error:
        raise CloudError(
            "AWS returned an invalid address", f"{error}.", "aws ec2 describe-network-interfaces"
        ) from error
    return {**balancers, **targets.addresses}


def questions(link: Link, addresses: Expected, asked: Sequence[str] = ()) -> list[tuple[Question, Wanted]]:
    """What to ask: every configured host, or the names given on the command line.

    Below a wildcard a concrete label is asked for. Raises UsageError for names outside the zones.
    """
    if asked:
        wanted = dict.fromkeys(checked_name(link.dns, a) for a in asked)
        inside = [(n, z) for n in wanted if (z := link.dns.zone_of(n)) is not None]
        triples = [(n, z.name, host_of(z, n)) for n, z in inside]
    else:
        triples = [(_concrete(h, z.name), z.name, h) for z, h in link.dns.all_hosts]
    found = []
    for name, zone, host in triples:
        leads_to = tuple(addresses.get(host.fqdn(zone), ())) if host else ()
        question = Question(name, leads_to, host.ports if host else (), host.tls_ports if host else ())
        fixed = host is not None and isinstance(host.target, AddressTarget)
        configured = host.fqdn(zone) if host else name
        found.append((question, Wanted(name, configured, zone, frozenset(leads_to), fixed, host is not None)))
    return found


def dns(
    link: Link,
    probe: Probe,
    *,
    endpoint: Sequence[IPv4Address],
    addresses: Expected,
    asked: Sequence[str] = (),
    forward: ForwardStatus | None = None,
    measure: bool = False,
) -> DnsReport:
    """Ask from a pod and diagnose. Takes 8 to 90 seconds, most of it for the pod to be there. measure: the way to the endpoint
    as well.

    endpoint: the inbound endpoint's addresses. addresses: see ``expected``. asked: names from the command line.
    forward: the state of CoreDNS, to tell causes apart. Raises what ``Probe.run`` raises, and UsageError.
    """
    pairs = questions(link, addresses, asked)
    facts = probe.run([question for question, _ in pairs], sorted(endpoint), measure=measure)
    report = build_report(link, facts, [wanted for _, wanted in pairs], forward)
    if link.dns.forward == "coredns":
        return report
    asked_there = [Question(question.name) for question, _ in pairs]
    return by_nodes(report, replace(probe, on_node=True).run(asked_there, ()), [wanted for _, wanted in pairs])


def by_nodes(report: DnsReport, facts: ProbeFacts, wanted: Sequence[Wanted]) -> DnsReport:
    """Pure: the report with what the resolver of a node answers, which machines in the VNet ask as well."""
    seen = {f.name: f for f in facts.names}
    names = tuple(_by_node(r, seen[w.name], w) for r, w in zip(report.names, wanted, strict=True))
    notes = report.notes
    if facts.servers:
        notes = (*notes, f"The node's name server is {', '.join(facts.servers)}.")
    return replace(report, health=health(names), names=names, notes=notes)


def _by_node(report: NameReport, facts: NameFacts, wanted: Wanted) -> NameReport:
    query = next((q for q in facts.queries if q.via == "cluster"), None)
    hop = query_hop(query, wanted) if query else Hop(NODE_DNS, "error", "the node has no name server")
    hop = replace(hop, hop=NODE_DNS)
    report = replace(report, hops=(*report.hops, hop))
    if report.verdict != "ok" or hop.result in ("ok", "skipped"):
        return report
    cause = f"Pods get the name, and the resolver of the nodes does not: {hop.detail or hop.result}"
    return replace(report, verdict=hop.result, cause=cause, fix="cloudlink status")


def build_report(
    link: Link, facts: ProbeFacts, wanted: Sequence[Wanted], forward: ForwardStatus | None = None
) -> DnsReport:
    """Pure: the report from what the probe saw."""
    context = DnsContext(
        forward.problem if forward else "",
        forward.task if forward else "",
        forward.shadowed if forward else (),
        facts.control.outcome if facts.control else "",
        namespace=link.probe.namespace,
        by_vnet=link.dns.forward == "vnet",
    )
    seen = {f.name: f for f in facts.names}
    reports = tuple(diagnose(w, seen[w.name], context) for w in wanted)
    ways = tuple(WayStatus(w.server, min(w.ms, default=None), w.packet, w.told, w.segment, w.error) for w in facts.ways)
    return DnsReport(
        link.name,
        health(reports),
        reports,
        _notes(facts, reports, forward, by_coredns=link.dns.forward == "coredns"),
        ways=ways,
    )


def _notes(
    facts: ProbeFacts, reports: Sequence[NameReport], forward: ForwardStatus | None, *, by_coredns: bool
) -> tuple[str, ...]:
    notes = [
        f"{hop.hop.removeprefix('tls ')}: {hop.detail}."
        for report in reports
        for hop in report.hops
        if hop.hop.startswith("tls ") and hop.result == "ok" and REFUSED_BY_CLIENTS in hop.detail
    ]
    if facts.servers:
        notes.append(f"The pod's name server is {', '.join(facts.servers)}.")
    if any(IPv4Address(s) in _LOCAL_DNS for s in facts.servers if _is_ipv4(s)):
        notes.append(
            "LocalDNS is on: after a change it may give old answers for up to an hour while it cannot reach CoreDNS."
        )
    if any(q.truncated for n in facts.names for q in n.queries):
        notes.append("Some answers do not fit into UDP: TCP port 53 must stay open as well.")
    if by_coredns:
        notes.append("Pods with hostNetwork or dnsPolicy Default do not use CoreDNS and do not see the zone.")
    return (*notes, *(forward.warnings if forward else ()))


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _concrete(host: Host, zone: str) -> str:
    name = host.fqdn(zone)
    return f"{CHECK_LABEL}{name[1:]}" if name.startswith("*.") else name


def checked_name(dns: DnsSide, asked: str) -> str:
    """In full, in lower case. A bare label is taken for a name of the zone that has it, where it is one alone.

    Raises UsageError for what is no host name, lies outside the zones, or may be meant of several.
    """
    example = f"cloudlink verify-dns app.{dns.zone}"
    name = asked.strip().rstrip(".").lower()
    if not all(_LABEL.fullmatch(label) for label in name.split(".")) or len(name) > 253:
        raise UsageError(
            "This is not a host name",
            f"{asked!r} cannot be asked for: labels have 1 to 63 letters, digits and hyphens.",
            example,
        )
    if "." not in name:
        name = _in_its_zone(dns, name)
    if dns.back_zone_of(name) is not None:
        return name  # of Azure's: asked from EKS
    if dns.zone_of(name) is None:
        several = bool(dns.more_zones)
        raise UsageError(
            f"The name is outside the zone{'s' * several}",
            f"{name} does not lie in {dns.zones_said}, the zone{'s' * several} that the link forwards to AWS.",
            example,
        )
    return name


def checked_cluster(side: AzureSide, asked: str, command: str = "verify-dns") -> str:
    """The label of the AKS cluster that is meant, empty where there is one alone. Raises UsageError for one that is not of the link,
    or a name that several have."""
    labels = [side.label_of(cluster) for cluster in side.clusters]
    named = [la for la in labels if asked.lower() in (la.lower(), la.rpartition("/")[2].lower())]
    exact = [la for la in labels if la.lower() == asked.lower()]
    found = exact or named
    if len(found) == 1:
        return found[0] if len(labels) > 1 else ""
    what = "Several AKS clusters have that name" if found else "The AKS cluster is not of this link"
    raise UsageError(
        what,
        f"--cluster is {asked!r}; the link's are {', '.join(labels)}.",
        f"cloudlink {command} --cluster {labels[0]}",
    )


def _in_its_zone(dns: DnsSide, label: str) -> str:
    """A bare label, as in the configuration, in full."""
    having = [zone.name for zone, host in dns.all_hosts if host.label == label] if dns.more_zones else [dns.zone]
    if len(having) == 1:
        return f"{label}.{having[0]}"
    names = [f"{label}.{zone}" for zone in having or dns.zone_names]
    what = "is a name of several zones" if having else "is configured in none of the zones"
    shown = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
    raise UsageError("The name does not say its zone", f"{label} {what}: {shown}.", f"cloudlink verify-dns {names[0]}")


def configured_name(dns: DnsSide, name: str) -> str:
    """Of the host that answers for a name, in full, ``*.`` of a wildcard before it; empty: none does."""
    zone = dns.zone_of(name)
    host = host_of(zone, name) if zone is not None else None
    return host.fqdn(zone.name) if zone is not None and host is not None else ""


def host_of(zone: PrivateZone, name: str) -> Host | None:
    """The configured host that answers for a name: the host itself, else the closest wildcard above it."""
    by_name = {h.fqdn(zone.name): h for h in zone.hosts}
    if name in by_name:
        return by_name[name]
    parent = name
    while parent != zone.name and "." in parent:
        parent = parent.partition(".")[2]
        if f"*.{parent}" in by_name:
            return by_name[f"*.{parent}"]
        if parent in by_name:
            return None  # an existing name above the asked one keeps wildcards further up from matching
    return None
