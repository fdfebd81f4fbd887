"""What is asked from a pod on AKS, and the report on all of it. What one name's answers mean is in ``diagnose``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network

from cloudlink.checks.names.diagnose import REFUSED_BY_CLIENTS, DnsContext, Wanted, diagnose, health
from cloudlink.checks.names.probe import Probe, ProbeFacts, Question
from cloudlink.checks.report import DnsReport, NameReport
from cloudlink.errors import CloudError, UsageError
from cloudlink.link import AddressTarget, Host, Link
from cloudlink.steps.dns_forward.corefile import ForwardStatus
from cloudlink.steps.outputs import Targets

# The label that is asked for below a wildcard.
CHECK_LABEL = "cloudlink-check"

_LOCAL_DNS = IPv4Network("169.254.10.0/24")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")

Expected = Mapping[str, Sequence[IPv4Address]]


def expected(targets: Targets, private: Mapping[str, Sequence[str]]) -> dict[str, tuple[IPv4Address, ...]]:
    """Label of each configured host -> the private addresses that it should lead to.

    private: those of load balancers, by ARN. Raises CloudError for an address that is none.
    """
    try:
        balancers = {
            label: tuple(IPv4Address(a) for a in private.get(balancer.arn, ()))
            for label, balancer in targets.load_balancers.items()
        }
    except ValueError as error:
        raise CloudError(
            "AWS returned an invalid address", f"{error}.", "aws ec2 describe-network-interfaces"
        ) from error
    return {**balancers, **targets.addresses}


def questions(link: Link, addresses: Expected, asked: Sequence[str] = ()) -> list[tuple[Question, Wanted]]:
    """What to ask: every configured host, or the names given on the command line.

    Below a wildcard a concrete label is asked for. Raises UsageError for names outside the zone.
    """
    zone = link.dns.zone
    if asked:
        pairs = [(n, _host_of(link, n)) for n in dict.fromkeys(_name(zone, a) for a in asked)]
    else:
        pairs = [(_concrete(h, zone), h) for h in link.dns.hosts]
    found = []
    for name, host in pairs:
        leads_to = tuple(addresses.get(host.label, ())) if host else ()
        question = Question(name, leads_to, host.ports if host else (), host.tls_ports if host else ())
        fixed = host is not None and isinstance(host.target, AddressTarget)
        configured = host.fqdn(zone) if host else name
        found.append((question, Wanted(name, configured, zone, frozenset(leads_to), fixed)))
    return found


def dns(
    link: Link,
    probe: Probe,
    *,
    endpoint: Sequence[IPv4Address],
    addresses: Expected,
    asked: Sequence[str] = (),
    forward: ForwardStatus | None = None,
) -> DnsReport:
    """Ask from a pod and diagnose. Takes 10 to 30 seconds.

    endpoint: the inbound endpoint's addresses. addresses: see ``expected``. asked: names from the command line.
    forward: the state of CoreDNS, to tell causes apart. Raises what ``Probe.run`` raises, and UsageError.
    """
    pairs = questions(link, addresses, asked)
    facts = probe.run([question for question, _ in pairs], sorted(endpoint))
    return build_report(link, facts, [wanted for _, wanted in pairs], forward)


def build_report(
    link: Link, facts: ProbeFacts, wanted: Sequence[Wanted], forward: ForwardStatus | None = None
) -> DnsReport:
    """Pure: the report from what the probe saw."""
    context = DnsContext(
        forward.problem if forward else "",
        forward.shadowed if forward else (),
        facts.control.outcome if facts.control else "",
        link.probe.namespace,
    )
    seen = {f.name: f for f in facts.names}
    reports = tuple(diagnose(w, seen[w.name], context) for w in wanted)
    return DnsReport(link.name, health(reports), reports, _notes(facts, reports, forward))


def _notes(facts: ProbeFacts, reports: Sequence[NameReport], forward: ForwardStatus | None) -> tuple[str, ...]:
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


def _name(zone: str, asked: str) -> str:
    name = asked.strip().rstrip(".").lower()
    if not all(_LABEL.fullmatch(label) for label in name.split(".")) or len(name) > 253:
        raise UsageError(
            "This is not a host name",
            f"{asked!r} cannot be asked for: labels have 1 to 63 letters, digits and hyphens.",
            f"cloudlink verify-dns app.{zone}",
        )
    if "." not in name:
        name = f"{name}.{zone}"  # a bare label, as in the configuration
    if name != zone and not name.endswith(f".{zone}"):
        raise UsageError(
            "The name is outside the zone",
            f"{name} does not lie in {zone}, the zone that the link forwards to AWS.",
            f"cloudlink verify-dns app.{zone}",
        )
    return name


def _host_of(link: Link, name: str) -> Host | None:
    """The configured host that answers for a name: the host itself, else the closest wildcard above it."""
    by_name = {h.fqdn(link.dns.zone): h for h in link.dns.hosts}
    if name in by_name:
        return by_name[name]
    parent = name
    while parent != link.dns.zone and "." in parent:
        parent = parent.partition(".")[2]
        if f"*.{parent}" in by_name:
            return by_name[f"*.{parent}"]
        if parent in by_name:
            return None  # an existing name above the asked one keeps wildcards further up from matching
    return None
