"""Diagnosis of one name from what the probe saw: the first hop that fails, the likely cause, and what to do.

Pure. The hops in order: the pod's own resolver, each endpoint address directly over UDP and over TCP, then connections
to the addresses. Asking the endpoints directly is what tells a fault of CoreDNS from one of the link or of the zone.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import NamedTuple

from cloudlink.addressing import is_private
from cloudlink.checks.names.probe import Connect, Handshake, NameFacts, Query
from cloudlink.checks.report import Health, Hop, HopResult, NameReport

_RCODES: dict[int, HopResult] = {2: "servfail", 3: "nxdomain", 5: "refused"}
_STATUS = "cloudlink status"
_UP = "cloudlink up"
# A certificate for another name is no fault of the link, but the user should know.
REFUSED_BY_CLIENTS = "clients that verify will refuse it"


@dataclass(frozen=True)
class Wanted:
    """One name to diagnose."""

    name: str
    configured: str  # the name as the configuration has it, ``*.corp.example`` for a wildcard
    zone: str
    addresses: frozenset[IPv4Address]  # where it should lead; empty when that is not known
    # the configuration gives them as addresses, so that no load balancer is behind them as far as we know
    fixed: bool = False


@dataclass(frozen=True)
class DnsContext:
    """What else is known of the DNS path."""

    key_problem: str = ""  # one line on the CoreDNS key when it is wrong
    shadowed: tuple[str, ...] = ()  # more specific zones elsewhere


def diagnose(wanted: Wanted, facts: NameFacts, context: DnsContext = DnsContext()) -> NameReport:
    """Every hop, and the verdict: ``ok`` or the class of the first hop that is wrong."""
    asked = [(q, _query_hop(q, wanted)) for q in facts.queries]
    hops = [hop for _, hop in asked]
    for connect in facts.connects:
        hops.extend(_connect_hops(connect, wanted))
    cluster = next((q for q, _ in asked if q.via == "cluster"), None)
    if cluster is None:
        hops.insert(0, Hop("cluster-dns", "error", "the pod has no name server"))
    if not facts.connects:
        hops.append(Hop("connect", "skipped", "no private address is known to connect to"))
    wrong = next((h for h in hops if h.result not in ("ok", "skipped")), None)
    cause, fix = _cause(wanted, asked, facts.connects, context) if wrong else ("", "")
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


def health(reports: Iterable[NameReport]) -> Health:
    """Healthy: no hop is wrong. Degraded: some are, but a name works. Down: no name works."""
    reports = tuple(reports)
    if all(r.verdict == "ok" for r in reports):
        return Health.HEALTHY
    return Health.DEGRADED if any(works(r) for r in reports) else Health.DOWN


# --- hops -------------------------------------------------------------------------------------------------


def _query_hop(query: Query, wanted: Wanted) -> Hop:
    name = "cluster-dns" if query.via == "cluster" else f"endpoint {query.server} {query.protocol}"
    result, detail = _answer(query, wanted)
    notes = [detail]
    if query.via == "cluster":
        notes.append(f"asked {query.server}")
    if query.aliases:
        notes.append(f"by way of {', '.join(query.aliases)}")
    if query.truncated:
        notes.append("the answer is too long for UDP and was cut")
    return Hop(name, result, "; ".join(n for n in notes if n), query.ms)


def _answer(query: Query, wanted: Wanted) -> tuple[HopResult, str]:
    match query.outcome:
        case "timeout":
            return "timeout", ""
        case "refused":
            return "refused", "nothing listens there"
        case "reset":
            return "reset", query.error
        case "error":
            return "error", query.error
    if query.rcode:
        return _RCODES.get(query.rcode, "error"), "" if query.rcode in _RCODES else f"DNS response code {query.rcode}"
    addresses = [IPv4Address(a) for a in query.addresses]
    shown = ", ".join(query.addresses)
    if not addresses:
        return "nodata", ""
    expected = wanted.addresses
    if any(not (a.is_private or is_private(a)) and a not in expected for a in addresses):
        return "public-address", shown
    if expected and not set(addresses) <= expected:
        return "stale-address", f"{shown} instead of {', '.join(str(a) for a in sorted(expected))}"
    return "ok", shown


def _connect_hops(connect: Connect, wanted: Wanted) -> list[Hop]:
    place = f"{connect.address}:{connect.port}"
    hops = [Hop(f"connect {place}", _outcome(connect.outcome), _detail(connect), connect.ms)]
    if connect.tls is not None:
        shake = connect.tls
        detail = certificate_note(shake.certificate, wanted.name) if shake.outcome == "ok" else shake.error
        hops.append(Hop(f"tls {place}", _outcome(shake.outcome), detail, shake.ms))
    return hops


def _outcome(word: str) -> HopResult:
    match word:
        case "ok" | "timeout" | "refused" | "reset":
            return word
        case _:
            return "error"


def _detail(part: Connect | Handshake) -> str:
    return part.error if _outcome(part.outcome) == "error" else ""


def certificate_note(certificate: str, name: str) -> str:
    """Whom a certificate (base64 DER) is for, and whether that covers the name. It is not verified otherwise."""
    names = certificate_names(certificate)
    if not names:
        return "the certificate names no host"
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    if any(covers(n, name) for n in names):
        return f"certificate for {shown}"
    return f"the certificate is for {shown}, not for {name}: {REFUSED_BY_CLIENTS}"


def certificate_names(certificate: str) -> tuple[str, ...]:
    """DNS names of a certificate; its common name when it has none. Empty when it cannot be read."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        parsed = x509.load_der_x509_certificate(base64.b64decode(certificate, validate=True))
    except (ValueError, binascii.Error):
        return ()
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = tuple(names.get_values_for_type(x509.DNSName))
    except (x509.ExtensionNotFound, ValueError):
        found = ()
    if found:
        return found
    return tuple(str(a.value) for a in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME))


def covers(pattern: str, name: str) -> bool:
    """Whether a certificate's name covers a host: ``*`` stands for exactly one label, the first."""
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return pattern == name


# --- causes -----------------------------------------------------------------------------------------------

_Asked = list[tuple[Query, Hop]]


class Cause(NamedTuple):
    why: str
    fix: str


def _cause(wanted: Wanted, asked: _Asked, connects: tuple[Connect, ...], context: DnsContext) -> Cause:
    """The likeliest cause of the first thing that is wrong on the way, seen from the far end: link, zone, CoreDNS."""
    direct = [(q, h) for q, h in asked if q.via == "endpoint"]
    cluster = next((h for q, h in asked if q.via == "cluster"), Hop("cluster-dns", "error"))
    for found in (
        _endpoint_cause(direct, cluster),
        _zone_cause(wanted, direct),
        _cluster_cause(wanted, cluster, context),
        _connect_cause(wanted, connects),
    ):
        if found:
            return found
    return Cause("Something on the way does not answer as it should", _STATUS)


def _silent(hop: Hop) -> bool:
    return hop.result in ("timeout", "reset", "error")


def _endpoint_cause(direct: _Asked, cluster: Hop) -> Cause | None:
    silent = [(q.server, q.protocol) for q, h in direct if _silent(h)]
    if not direct or not silent:
        return None
    servers = list(dict.fromkeys(q.server for q, _ in direct))
    if len(silent) == len(direct):
        if cluster.result == "ok":
            return Cause(
                "The cluster's DNS answers, but the pod itself reaches no endpoint address: a network policy or an NSG "
                "lets only CoreDNS out",
                "Nothing need be done for names; for connections allow the VPC's ranges in the network policies",
            )
        return Cause(
            "No endpoint address answers: packets do not get to the VPC, do not get back, or the endpoint's security group "
            "does not let port 53 in from the address that AWS sees (the node's with CNI overlay, else the pod's)",
            f"{_STATUS} shows tunnels and route tables; {_UP} puts security group rules and routes right",
        )
    for protocol, other in (("udp", "TCP"), ("tcp", "UDP")):
        if set(silent) == {(s, protocol) for s in servers}:
            return Cause(
                f"The endpoint answers over {other} only: a security group, network ACL or NSG does not let "
                f"{protocol.upper()} port 53 through",
                f"{_UP} repairs the endpoint's security group; check network ACLs and NSGs as well",
            )
    broken = [s for s in servers if {(s, "udp"), (s, "tcp")} <= set(silent)]
    if broken and {s for s, _ in silent} == set(broken):
        share = f"about {len(broken)} of {len(servers)} questions" if len(servers) > 1 else "every question"
        return Cause(
            f"{' and '.join(broken)} {'does' if len(broken) == 1 else 'do'} not answer, the other endpoint addresses do: the "
            "subnet's route table has no route back, a network ACL is in the way, or its network interface is gone. "
            f"CoreDNS waits 2 seconds in {share} until it notices",
            f"{_STATUS} shows the route tables and the state of each endpoint address; {_UP} puts them right",
        )
    some = ", ".join(f"{s} over {p.upper()}" for s, p in silent)
    return Cause(f"Not every way to the endpoint works: no answer from {some}", f"{_STATUS}, then {_UP}")


def _zone_cause(wanted: Wanted, direct: _Asked) -> Cause | None:
    results = {h.result for _, h in direct if not _silent(h)}
    wrong = results - {"ok"}
    if not wrong:
        return None
    if "ok" in results:
        return Cause(
            "The endpoint's addresses answer differently: a change is still spreading", "Wait a minute and ask again"
        )
    match next(h.result for _, h in direct if h.result in wrong):
        case "nxdomain":
            return Cause(
                f"AWS itself does not know the name: the record for {wanted.configured} is missing, the zone {wanted.zone} "
                "is not associated with the endpoint's VPC, a more specific zone there hides it, or a Resolver rule sends "
                "the question elsewhere",
                _UP,
            )
        case "nodata":
            return Cause(
                f"AWS knows the name, but has no address for it: {wanted.configured} has records of other types", _UP
            )
        case "servfail":
            return Cause(
                "The Resolver endpoint cannot answer (SERVFAIL): a Resolver rule of the VPC forwards the zone to servers that "
                "do not answer or back to the endpoint, or the endpoint is overloaded (1,500 questions a second for each address)",
                "aws route53resolver list-resolver-rules",
            )
        case "refused":
            return Cause("The Resolver endpoint refuses to answer", "Check the VPC's DNS Firewall rules")
        case "public-address":
            return Cause(
                f"AWS answers with a public address: the zone {wanted.zone} is not associated with the endpoint's VPC, or the "
                "record leads to an internet-facing load balancer",
                _UP,
            )
        case _:
            return Cause("The record leads to addresses that are not the target's any more", _UP)


def _cluster_cause(wanted: Wanted, cluster: Hop, context: DnsContext) -> Cause | None:
    if cluster.result == "ok":
        return None
    restart = f"{_UP} writes the key again and restarts CoreDNS"
    what = "The endpoint answers right, but the cluster's DNS does not ask it"
    hiding = [z for z in context.shadowed if wanted.name == z or wanted.name.endswith(f".{z}")]
    if hiding:  # whatever that key's own servers answer, or do not
        return Cause(
            f"{what}: another CoreDNS key serves {hiding[0]}, which is more specific",
            "kubectl get configmap coredns-custom --namespace kube-system --output yaml",
        )
    match cluster.result:
        case "nxdomain" | "public-address" | "nodata":
            if context.key_problem:
                return Cause(f"{what}: {context.key_problem}", restart)
            return Cause(
                f"{what}: CoreDNS has not loaded its key, a more specific zone hides it, the pods' DNS goes elsewhere "
                "(LocalDNS, dnsPolicy), or an old answer is still cached (30 seconds)",
                f"Ask again in a minute; then {restart}",
            )
        case "timeout" | "reset":
            return Cause(
                "The endpoint answers the pod, but the cluster's DNS does not: CoreDNS's pods run on nodes whose address AWS "
                "does not let in, or are not running",
                "kubectl get pods --namespace kube-system --selector k8s-app=kube-dns --output wide",
            )
        case "servfail" | "refused":
            return Cause(
                "The endpoint answers the pod, but CoreDNS gets no answer from it: CoreDNS forwards to other addresses than the "
                f"endpoint has now, or its nodes' address is not let in{f' ({context.key_problem})' if context.key_problem else ''}",
                f"kubectl logs --namespace kube-system --selector k8s-app=kube-dns; {restart}",
            )
        case "stale-address":
            return Cause(
                "The endpoint answers right, the cluster's DNS still has an old address: a cache (CoreDNS 30 seconds, LocalDNS "
                "up to an hour while it serves stale answers)",
                "Ask again in a minute",
            )
        case _:
            return Cause(f"The cluster's DNS does not answer as it should: {cluster.detail}", restart)


def _connect_cause(wanted: Wanted, connects: tuple[Connect, ...]) -> Cause | None:
    places = ", ".join(f"{c.address}:{c.port}" for c in connects if c.outcome != "ok")
    worst = next((c.outcome for c in connects if c.outcome != "ok"), "")
    match worst:
        case "timeout" if wanted.fixed:
            return Cause(
                f"The name resolves, but there is no answer from {places}: nothing in the VPC has the address, its security "
                "group does not let the Azure ranges in, or its subnet's route table has no route back",
                f"Compare the addresses of {wanted.configured} in the configuration; allow the VNet's ranges in the security group",
            )
        case "timeout":
            return Cause(
                f"The name resolves, but there is no answer from {places}: the load balancer's security group, or with preserved "
                "client addresses the nodes', does not let the Azure ranges in; or the load balancer's subnets have no route back",
                f"{_STATUS} shows the route tables; allow the VNet's ranges in those security groups",
            )
        case "refused":
            return Cause(
                f"The name resolves, but nothing listens at {places}",
                f"Compare the ports of {wanted.configured} in the configuration with the load balancer's listeners",
            )
        case "reset":
            return Cause(
                f"{places} takes the connection and drops it: no healthy target", "Look at the target group's health"
            )
        case "":
            pass
        case _:
            return Cause(f"{places} cannot be reached from the pod", _STATUS)
    for c in connects:
        if c.tls is not None and c.tls.outcome != "ok":
            return Cause(
                f"{c.address}:{c.port} takes connections but does not speak TLS, or stalls in the middle of it (large packets "
                f"lost: the MSS should be 1350): {c.tls.error or c.tls.outcome}",
                f"Take the port out of tls_ports of {wanted.configured} if it is not meant to speak TLS",
            )
    return None
