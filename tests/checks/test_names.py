"""Which names are asked for, and what each pattern of answers is taken for. The probe's facts are given by hand."""

from __future__ import annotations

import base64
import dataclasses
import datetime
from ipaddress import IPv4Address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cloudlink.checks.names import verify
from cloudlink.checks.names.answers import Connect, Handshake, NameFacts, ProbeFacts, Query
from cloudlink.checks.names.certificates import certificate_names, certificate_note, covers
from cloudlink.checks.names.diagnose import diagnose, health, works
from cloudlink.checks.names.wanted import DnsContext, Wanted
from cloudlink.checks.report import Health, NameReport
from cloudlink.errors import UsageError
from cloudlink.link import AddressTarget, Host
from cloudlink.steps.dns_forward.corefile import ForwardStatus
from cloudlink.steps.outputs import LoadBalancer, Targets
from tests.support.kube_sandbox import kube_link
from tests.support.pinned import pin

GOOD = "10.1.1.50"
WANTED = Wanted("app.corp.example", "app.corp.example", "corp.example", frozenset({IPv4Address(GOOD)}))
SERVERS = ("10.1.1.10", "10.1.2.10", "10.1.3.10")


def query(via: str, server: str, protocol: str, what: str) -> Query:
    """what: an address, a response code's name, or how it went without an answer."""
    codes = {"nodata": 0, "servfail": 2, "nxdomain": 3, "REFUSED": 5, "notimp": 4}
    if what in codes:
        return Query(via, server, protocol, "answer", codes[what], (), (), False, "", 5.0)
    if what[0].isdigit():
        return Query(via, server, protocol, "answer", 0, tuple(what.split()), (), False, "", 5.0)
    return Query(via, server, protocol, what, None, (), (), False, f"{what} it was", 4000.0)


def facts(
    cluster: str, direct: dict[tuple[str, str], str] | str = GOOD, connects: tuple[Connect, ...] | None = None
) -> NameFacts:
    """direct: one word for all ways to the endpoint, or by (server, protocol), GOOD where not named."""
    queries = [query("cluster", "10.0.0.10", "udp", cluster)]
    for server in SERVERS:
        for protocol in ("udp", "tcp"):
            what = direct if isinstance(direct, str) else direct.get((server, protocol), GOOD)
            queries.append(query("endpoint", server, protocol, what))
    if connects is None:
        connects = (Connect(GOOD, 443, "ok", "", 9.0, Handshake("ok", "", "", 20.0)),)
    return NameFacts("app.corp.example", tuple(queries), connects)


ONE_UDP = {(s, "udp"): "timeout" for s in SERVERS}
ONE_TCP = {(s, "tcp"): "timeout" for s in SERVERS}
ONE_SERVER = {(SERVERS[1], "udp"): "timeout", (SERVERS[1], "tcp"): "timeout"}
CASES = [
    # cluster, direct, verdict, cause
    ("timeout", "timeout", "timeout", "only port 53 at 3 addresses is silent"),
    ("servfail", "timeout", "servfail", "only port 53 at 3 addresses is silent"),
    (GOOD, "timeout", "timeout", "network policy"),
    (GOOD, ONE_UDP, "timeout", "answers over TCP only"),
    (GOOD, ONE_TCP, "timeout", "answers over UDP only"),
    (GOOD, ONE_SERVER, "timeout", "10.1.2.10 does not answer, the other endpoint addresses do"),
    (GOOD, {(SERVERS[0], "udp"): "timeout"}, "timeout", "no answer from 10.1.1.10 over UDP"),
    ("nxdomain", "nxdomain", "nxdomain", "AWS itself does not know the name"),
    ("nodata", "nodata", "nodata", "records of other types"),
    ("servfail", "servfail", "servfail", "Resolver rule"),
    ("REFUSED", "REFUSED", "refused", "refuses to answer"),
    ("93.184.216.34", "93.184.216.34", "public-address", "AWS answers with a public address"),
    ("169.254.171.33", "169.254.171.33", "link-local-address", "as services of VPC Lattice have"),
    ("169.254.171.33", GOOD, "link-local-address", "the cluster's DNS does not ask it"),
    ("10.1.1.51", "10.1.1.51", "stale-address", "not the target's any more"),
    ("100.64.0.9", "100.64.0.9", "stale-address", "not the target's any more"),  # private, as clouds use it inside
    (GOOD, {(SERVERS[0], "udp"): "nxdomain"}, "nxdomain", "answer differently"),
    ("nxdomain", GOOD, "nxdomain", "the cluster's DNS does not ask it"),
    ("93.184.216.34", GOOD, "public-address", "the cluster's DNS does not ask it"),
    ("nodata", GOOD, "nodata", "the cluster's DNS does not ask it"),
    ("timeout", GOOD, "timeout", "CoreDNS's pods run on nodes"),
    ("servfail", GOOD, "servfail", "CoreDNS gets no answer from it"),
    ("REFUSED", GOOD, "refused", "CoreDNS gets no answer from it"),
    ("10.1.1.51", GOOD, "stale-address", "still has an old address"),
    ("notimp", GOOD, "error", "DNS response code 4"),
]


@pytest.mark.parametrize(("cluster", "direct", "verdict", "cause"), CASES)
def test_the_first_wrong_hop_and_its_cause(
    cluster: str, direct: dict[tuple[str, str], str] | str, verdict: str, cause: str
) -> None:
    report = diagnosed(WANTED, facts(cluster, direct))
    assert report.verdict == verdict
    assert cause in report.cause
    assert report.fix


def test_nothing_wrong() -> None:
    report = pin(diagnose(WANTED, facts(GOOD)))
    assert (report.verdict, report.cause, report.fix) == ("ok", "", "")
    assert report.answers == (GOOD,)


@pytest.mark.parametrize(
    ("context", "cause"),
    [
        (DnsContext("the key has another zone"), "the key has another zone"),
        (DnsContext("", "", ("app.corp.example",)), "serves app.corp.example, which is more specific"),
        (DnsContext("", "", ("eu.corp.example",)), "has not loaded its key"),
    ],
)
def test_what_is_known_of_coredns_tells_causes_apart(context: DnsContext, cause: str) -> None:
    assert cause in diagnosed(WANTED, facts("nxdomain"), context).cause


@pytest.mark.parametrize(
    ("outcome", "verdict", "cause"),
    [
        ("timeout", "timeout", "load balancer's security group"),
        ("refused", "refused", "nothing listens at 10.1.1.50:443"),
        ("reset", "reset", "no healthy target"),
        ("error", "error", "cannot be reached"),
    ],
)
def test_connections(outcome: str, verdict: str, cause: str) -> None:
    report = diagnosed(WANTED, facts(GOOD, connects=(Connect(GOOD, 443, outcome, "x", 1.0, None),)))
    assert report.verdict == verdict
    assert cause in report.cause


@pytest.mark.parametrize("outcome", ["timeout", "reset", "error"])
def test_tls_that_fails(outcome: str) -> None:
    report = diagnose(
        WANTED, facts(GOOD, connects=(Connect(GOOD, 443, "ok", "", 1.0, Handshake(outcome, "", "x", 1.0)),))
    )
    assert report.verdict == outcome
    assert "does not speak TLS" in report.cause
    assert [h.hop for h in report.hops[-2:]] == ["connect 10.1.1.50:443", "tls 10.1.1.50:443"]


def test_public_addresses_are_right_where_they_are_expected() -> None:
    wanted = dataclasses.replace(WANTED, addresses=frozenset({IPv4Address("93.184.216.34")}))
    assert diagnose(wanted, facts("93.184.216.34", "93.184.216.34")).verdict == "ok"


def test_without_expectation_any_private_address_will_do() -> None:
    wanted = dataclasses.replace(WANTED, addresses=frozenset())
    assert diagnose(wanted, facts("10.9.9.9", "10.9.9.9")).verdict == "ok"


def test_a_pod_without_name_server() -> None:
    seen = facts(GOOD)
    report = diagnosed(WANTED, dataclasses.replace(seen, queries=seen.queries[1:]))
    assert report.verdict == "error"
    assert report.hops[0].hop == "cluster-dns"


def test_health() -> None:
    good = diagnosed(WANTED, facts(GOOD))
    limping = diagnosed(WANTED, facts(GOOD, ONE_SERVER))
    down = diagnosed(WANTED, facts("timeout", "timeout", ()))
    assert health([good, good]) is Health.HEALTHY
    assert health([good, limping]) is Health.DEGRADED
    assert health([good, down]) is Health.DEGRADED
    assert health([limping]) is Health.DEGRADED
    assert health([down]) is Health.DOWN


# --- certificates -----------------------------------------------------------------------------------------


def certificate(common: str, *hosts: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])
    now = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    if hosts:
        built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(h) for h in hosts]), critical=False)
    made = built.sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


def test_certificate_names() -> None:
    assert certificate_names(certificate("x", "a.b", "*.c.d")) == ("a.b", "*.c.d")
    assert certificate_names(certificate("only.common")) == ("only.common",)
    assert certificate_names("no certificate") == ()
    assert "not for app.corp.example" in certificate_note(certificate("x", "a.b"), "app.corp.example")
    assert certificate_note(certificate("x", "*.corp.example"), "app.corp.example") == "certificate for *.corp.example"


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("a.b", "A.b.", True),
        ("*.b", "a.b", True),
        ("*.b", "b", False),
        ("*.b", "x.a.b", False),
        ("a.b", "xa.b", False),
    ],
)
def test_what_a_certificate_covers(pattern: str, name: str, covered: bool) -> None:
    assert covers(pattern, name) is covered


# --- what is asked for ------------------------------------------------------------------------------------

ANY = AddressTarget((IPv4Address(GOOD),))
LINK = kube_link(
    Host("@", ANY, (80,), ()),
    Host("*", ANY, (443,), (443,)),
    Host("*.dev", ANY, (8443,), ()),
    Host("db", ANY, (5432,), ()),
)
ADDRESSES = {name: (IPv4Address(f"10.1.1.{i}"),) for i, name in enumerate(LINK.dns.named_hosts)}


def test_every_host_is_asked_for_below_wildcards_a_label() -> None:
    pairs = verify.questions(LINK, ADDRESSES)
    assert [q.name for q, _ in pairs] == [
        "corp.example",
        "cloudlink-check.corp.example",
        "cloudlink-check.dev.corp.example",
        "db.corp.example",
    ]
    assert [w.configured for _, w in pairs] == [
        "corp.example",
        "*.corp.example",
        "*.dev.corp.example",
        "db.corp.example",
    ]
    assert [q.ports for q, _ in pairs] == [(80,), (443,), (8443,), (5432,)]
    assert [str(*w.addresses) for _, w in pairs] == ["10.1.1.0", "10.1.1.1", "10.1.1.2", "10.1.1.3"]


@pytest.mark.parametrize(
    ("asked", "ports"),
    [
        ("corp.example", (80,)),
        ("anything.corp.example", (443,)),
        ("deep.below.corp.example", (443,)),
        ("x.dev.corp.example", (8443,)),
        ("DB.corp.example.", (5432,)),
        ("x.db.corp.example", ()),  # db exists, so that the wildcard above it does not match
    ],
)
def test_a_name_belongs_to_the_host_that_answers_for_it(asked: str, ports: tuple[int, ...]) -> None:
    ((question, _),) = verify.questions(LINK, ADDRESSES, [asked])
    assert question.ports == ports
    assert question.name == asked.rstrip(".").lower()


@pytest.mark.parametrize(
    "asked", ["other.example", "corp.example.org", "notcorp.example", "", "a b.corp.example", "a..corp.example"]
)
def test_names_that_are_not_asked_for(asked: str) -> None:
    with pytest.raises(UsageError):
        verify.questions(LINK, ADDRESSES, [asked])


def test_a_name_is_asked_for_once() -> None:
    assert len(verify.questions(LINK, ADDRESSES, ["db.corp.example", "DB.corp.example"])) == 1


def test_expected_addresses_come_from_the_targets() -> None:
    balancer = LoadBalancer("lb", "arn:lb", "lb.elb.amazonaws.com", "Z")
    targets = Targets({"app": balancer}, {"db": (IPv4Address("10.1.1.60"),)})
    assert verify.expected(targets, {"arn:lb": ("10.1.1.50",)}) == {
        "app": (IPv4Address("10.1.1.50"),),
        "db": (IPv4Address("10.1.1.60"),),
    }


def test_a_fixed_address_is_not_taken_for_a_load_balancer() -> None:
    seen = facts(GOOD, connects=(Connect(GOOD, 5432, "timeout", "", 1.0, None),))
    assert "load balancer" not in diagnose(dataclasses.replace(WANTED, fixed=True), seen).cause
    ((_, wanted),) = verify.questions(kube_link(Host("app", ANY)), {})
    assert wanted.fixed


def test_a_certificate_for_another_name_is_noted_and_no_fault() -> None:
    shake = Handshake("ok", certificate("x", "other.example"), "", 1.0)
    seen = facts(GOOD, connects=(Connect(GOOD, 443, "ok", "", 1.0, shake),))
    report = verify.build_report(kube_link(), ProbeFacts(("10.0.0.10",), (), (seen,)), [WANTED])
    assert report.health is Health.HEALTHY
    assert "10.1.1.50:443: the certificate is for other.example" in " ".join(report.notes)


def test_notes() -> None:
    seen = ProbeFacts(("169.254.10.10",), (), (facts(GOOD),))
    report = verify.build_report(
        kube_link(), seen, [WANTED], ForwardStatus("", "", ("The key x serves eu.corp.example.",), ())
    )
    assert report.health is Health.HEALTHY
    text = " ".join(report.notes)
    assert "LocalDNS is on" in text and "The key x serves" in text and "hostNetwork" in text
    assert "LocalDNS" not in " ".join(
        verify.build_report(kube_link(), ProbeFacts(("10.0.0.10",), (), (facts(GOOD),)), [WANTED]).notes
    )


def all_silent(connect: str = "timeout") -> NameFacts:
    queries = [query("cluster", "10.0.0.10", "udp", "timeout")]
    queries += [query("endpoint", e, p, "timeout") for e in ("10.1.1.10", "10.1.2.10") for p in ("udp", "tcp")]
    return NameFacts("app.corp.example", tuple(queries), (Connect("10.1.1.50", 443, connect, "", 1.0, None),))


WANTED_APP = Wanted("app.corp.example", "app.corp.example", "corp.example", frozenset({IPv4Address("10.1.1.50")}))


@pytest.mark.parametrize(
    ("control", "connect", "cause", "fix"),
    [
        ("timeout", "timeout", "the pod itself is shut off", "networkpolicies --namespace checks"),
        ("answer", "timeout", "No endpoint address answers: packets do not get to the VPC", "cloudlink status"),
        ("", "timeout", "the pod itself is shut off (a network policy), or the link is down", "networkpolicies"),
        ("answer", "ok", "The VPC is reachable (10.1.1.50:443 answers); only port 53 at", "security group"),
    ],
)
def test_a_pod_that_is_shut_off_is_told_from_a_link_that_is_down(
    control: str, connect: str, cause: str, fix: str
) -> None:
    report = diagnosed(WANTED_APP, all_silent(connect), DnsContext(control=control, namespace="checks"))
    assert cause in report.cause and fix in report.fix


def test_nodelocal_dnscache_that_forwards_elsewhere() -> None:
    queries = [query("cluster", "169.254.20.10", "udp", "nxdomain")]
    queries += [query("endpoint", "10.1.1.10", p, "10.1.1.50") for p in ("udp", "tcp")]
    report = diagnosed(WANTED_APP, NameFacts("app.corp.example", tuple(queries), ()))
    assert "NodeLocal DNSCache" in report.cause and "node-local-dns" in report.fix


# --- one good sign among bad ones ----------------------------------------------------------------------------


OTHER = "10.1.2.50"
TLS = Handshake("ok", "", "", 20.0)


def tried(address: str, port: int, outcome: str) -> Connect:
    return Connect(address, port, outcome, "", 9.0, TLS if outcome == "ok" else None)


def diagnosed(*asked: Any) -> NameReport:
    return pin(diagnose(*asked), beside=diagnose(WANTED, facts(GOOD)))


def verdict_of(*connects: Connect) -> tuple[bool, Health]:
    report = diagnosed(WANTED, facts(GOOD, connects=connects))
    return works(report), health([report])


def test_one_open_port_is_not_all_of_them() -> None:
    assert verdict_of(tried(GOOD, 443, "ok"), tried(GOOD, 8443, "refused")) == (False, Health.DOWN)
    assert verdict_of(tried(GOOD, 8443, "refused"), tried(GOOD, 443, "ok")) == (False, Health.DOWN)
    assert verdict_of(tried(GOOD, 443, "ok"), tried(GOOD, 8443, "ok")) == (True, Health.HEALTHY)


def test_one_address_that_takes_a_port_is_enough_for_that_port() -> None:
    assert verdict_of(tried(GOOD, 443, "timeout"), tried(OTHER, 443, "ok")) == (True, Health.DEGRADED)
    assert verdict_of(tried(GOOD, 443, "ok"), tried(OTHER, 443, "timeout")) == (True, Health.DEGRADED)


def test_a_name_that_nobody_configured_is_said_to_be_none() -> None:
    """Such as one below a wildcard of a zone around this one: the longest zone alone is asked."""
    typed = dataclasses.replace(WANTED, addresses=frozenset(), known=False)
    told = diagnose(typed, facts("nxdomain", "nxdomain", ()))
    assert told.cause.startswith("app.corp.example is not in the configuration, and the zone corp.example, which alone")
    assert told.fix.startswith("Add it to the names of corp.example in the configuration")
