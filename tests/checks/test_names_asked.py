"""Small pure parts of what is asked of names: which of the causes, whose node, and whether the endpoint was reached at all."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from cloudlink.checks.names import reach, verify
from cloudlink.checks.names.answers import NameFacts, ProbeFacts, Query
from cloudlink.checks.names.diagnose import answered_wrong, diagnose, kept_from_dns, silent, unconnected
from cloudlink.checks.names.wanted import DnsContext, Wanted
from cloudlink.checks.report import DnsReport, Health, Hop, NameReport
from cloudlink.clouds.aws.parse_balancers import LoadBalancer
from cloudlink.errors import CloudError, UnhealthyError, UsageError
from cloudlink.link import AddressTarget, Host, PrivateZone
from cloudlink.steps.outputs import Targets
from tests.checks import test_names
from tests.checks.test_tunnels import LINK
from tests.support.pinned import pin

ZONE = LINK.dns.zone
NAME = f"app.{ZONE}"
GOOD = "10.10.2.9"
WANTED = Wanted(NAME, NAME, ZONE, frozenset({IPv4Address(GOOD)}))


def report(*hops: tuple[str, str], verdict: str = "ok", name: str = NAME) -> NameReport:
    return NameReport(name, (GOOD,), verdict, tuple(Hop(*hop) for hop in hops))


CLUSTER, ENDPOINT, CONNECT = "cluster-dns", "endpoint 10.10.1.4 udp", "connect 10.10.2.9:443"


@pytest.mark.parametrize(
    ("hops", "told"),
    [
        ([(CLUSTER, "ok"), (ENDPOINT, "ok"), (CONNECT, "timeout")], True),
        ([(CLUSTER, "ok"), (ENDPOINT, "skipped"), (CONNECT, "refused")], True),
        ([(CLUSTER, "ok"), (ENDPOINT, "timeout"), (CONNECT, "timeout")], False),
        ([(CLUSTER, "ok"), (ENDPOINT, "ok"), (CONNECT, "ok")], False),
        ([(CLUSTER, "servfail"), (CONNECT, "timeout")], False),
        ([(CONNECT, "timeout")], False),
        ([(CLUSTER, "ok"), ("tls 10.10.2.9:443", "timeout")], False),
    ],
)
def test_a_name_that_resolves_and_does_not_connect(hops: list[tuple[str, str]], told: bool) -> None:
    assert unconnected(report(*hops)) is told


@pytest.mark.parametrize(
    ("result", "told"),
    [("nxdomain", True), ("stale-address", True), ("servfail", True), ("refused", True)]
    + [(r, False) for r in ("ok", "timeout", "reset", "skipped", "error")],
)
def test_what_aws_itself_answers_wrong(result: str, told: bool) -> None:
    assert answered_wrong(report((CLUSTER, "nxdomain"), (ENDPOINT, result))) is told
    assert not answered_wrong(report((CLUSTER, result), (CONNECT, result)))


@pytest.mark.parametrize(
    ("verdict", "hops", "told"),
    [
        ("timeout", [(CLUSTER, "timeout"), (ENDPOINT, "timeout")], True),
        ("servfail", [(CLUSTER, "servfail"), (ENDPOINT, "timeout")], True),
        ("servfail", [(CLUSTER, "servfail"), (ENDPOINT, "ok"), (CONNECT, "timeout")], True),
        ("servfail", [(CLUSTER, "servfail"), (ENDPOINT, "servfail")], False),
        ("servfail", [(CLUSTER, "servfail"), (ENDPOINT, "ok")], False),
        ("nxdomain", [(CLUSTER, "nxdomain"), (ENDPOINT, "timeout")], False),
    ],
)
def test_packets_that_get_no_answer(verdict: str, hops: list[tuple[str, str]], told: bool) -> None:
    assert silent(report(*hops, verdict=verdict)) is told


@pytest.mark.parametrize(
    ("cluster", "endpoints", "told"),
    [
        ("servfail", ["ok", "ok"], True),
        ("timeout", ["ok"], True),
        ("refused", ["ok"], True),
        ("nxdomain", ["ok"], False),
        ("ok", ["ok"], False),
        ("servfail", ["ok", "timeout"], False),
        ("servfail", [], False),
    ],
)
def test_an_endpoint_that_answers_pods_and_not_coredns(cluster: str, endpoints: list[str], told: bool) -> None:
    hops = [(f"endpoint {n} udp", result) for n, result in enumerate(endpoints)]
    assert kept_from_dns(report((CLUSTER, cluster), *hops)) is told
    assert not kept_from_dns(report(*hops)), "CoreDNS was not asked"


# --- the resolver of the nodes --------------------------------------------------------------------------------


def query(
    via: str, outcome: str = "answer", *addresses: str, rcode: int | None = 0, server: str = "168.63.129.16"
) -> Query:
    return Query(via, server, "udp", outcome, rcode if outcome == "answer" else None, addresses, (), False, "", 2.0)


def by_nodes(*queries: Query, verdict: str = "ok", servers: tuple[str, ...] = ()) -> DnsReport:
    seen = DnsReport("demo", Health.HEALTHY, (report((CLUSTER, "ok"), verdict=verdict),), notes=("a note",))
    return pin(verify.by_nodes(seen, ProbeFacts(servers, (), (NameFacts(NAME, queries, ()),)), [WANTED]))


def test_a_name_that_pods_and_nodes_get() -> None:
    found = by_nodes(query("cluster", "answer", GOOD), servers=("168.63.129.16", "10.0.0.4"))
    assert (found.health, found.names[0].verdict, found.names[0].hops[-1].result) == (Health.HEALTHY, "ok", "ok")
    assert found.notes == ("a note", "The node's name server is 168.63.129.16, 10.0.0.4.")


def test_a_name_that_pods_get_and_nodes_do_not() -> None:
    found = by_nodes(query("cluster", rcode=3))
    (name,) = found.names
    assert (name.verdict, name.fix, found.health) == ("nxdomain", "cloudlink status", Health.DEGRADED)
    assert name.cause.startswith("Pods get the name, and the resolver of the nodes does not: ")
    assert [h.hop for h in name.hops] == [CLUSTER, "node-dns"]
    assert found.notes == ("a note",)


def test_what_pods_do_not_get_has_its_own_cause() -> None:
    (name,) = by_nodes(query("cluster", rcode=3), verdict="timeout").names
    assert (name.verdict, name.cause, name.hops[-1].result) == ("timeout", "", "nxdomain")


def test_a_node_without_name_server() -> None:
    (name,) = by_nodes(query("endpoint", "answer", GOOD)).names
    assert (name.verdict, name.hops[-1].detail) == ("error", "the node has no name server")


# --- which name is meant --------------------------------------------------------------------------------------

TARGET = AddressTarget((IPv4Address(GOOD),))
MORE = PrivateZone("data.example", (Host("db", TARGET), Host("app", TARGET)))
ONE = replace(LINK.dns, hosts=(Host("app", TARGET), Host("*.wild", TARGET)))
TWO = replace(ONE, more_zones=(MORE,))


def test_a_bare_label_is_a_name_of_the_only_zone_or_of_the_one_that_has_it() -> None:
    assert verify.checked_name(ONE, " Anything. ") == f"anything.{ZONE}"
    assert verify.checked_name(TWO, "db") == "db.data.example"


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("app", f"app is a name of several zones: app.{ZONE}, app.data.example."),
        ("none", f"none is configured in none of the zones: none.{ZONE}, none.data.example."),
    ],
)
def test_a_bare_label_that_does_not_say_its_zone(label: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        verify.checked_name(TWO, label)
    assert caught.value.detail == words
    assert caught.value.hint == f"cloudlink verify-dns {label}.{ZONE}"
    pin(caught.value)


def test_of_many_zones_five_are_named() -> None:
    many = replace(ONE, more_zones=tuple(PrivateZone(f"z{n}.example", (Host("db", TARGET),)) for n in range(5)))
    with pytest.raises(UsageError) as caught:
        verify.checked_name(many, "none")
    assert caught.value.detail.endswith("none.z3.example ....")
    exactly = replace(many, more_zones=many.more_zones[:4])
    with pytest.raises(UsageError) as caught:
        verify.checked_name(exactly, "none")
    assert caught.value.detail.endswith("none.z3.example.")


@pytest.mark.parametrize("name", ["a b", "", "long-label" * 7, f"{'a.' * 130}{ZONE}", "app.other.example"])
def test_what_is_no_name_of_the_link_is_refused(name: str) -> None:
    for side in (ONE, TWO):
        with pytest.raises(UsageError) as caught:
            verify.checked_name(side, name)
        pin(caught.value)


def test_the_host_that_answers_for_a_name() -> None:
    assert verify.configured_name(TWO, f"app.{ZONE}") == f"app.{ZONE}"
    assert verify.configured_name(TWO, f"a.wild.{ZONE}") == f"*.wild.{ZONE}"
    assert verify.configured_name(TWO, "db.data.example") == "db.data.example"
    assert verify.configured_name(TWO, f"none.{ZONE}") == verify.configured_name(TWO, "app.elsewhere.example") == ""


# --- the VNet's resolver --------------------------------------------------------------------------------------


def test_where_the_vnets_resolver_asks_the_cause_is_looked_for_there() -> None:
    def told(context: DnsContext) -> NameReport:
        return pin(diagnose(test_names.WANTED, test_names.facts("nxdomain"), context))

    plain = told(DnsContext(by_vnet=True))
    assert plain.cause.startswith("The endpoint answers right, but the VNet's resolver does not ask it, or does not")
    known = told(DnsContext("the rule is off", "Switch it on.", by_vnet=True))
    assert (known.cause.rpartition(": ")[2], known.fix) == ("the rule is off", "Switch it on.")
    assert told(DnsContext("the rule is off", by_vnet=True)).fix == "cloudlink up"


# --- before names are switched --------------------------------------------------------------------------------

ADDRESSES = (IPv4Address("10.10.2.4"), IPv4Address("10.10.1.4"))


def asked(*outcomes: tuple[str, str]) -> ProbeFacts:
    queries = tuple(query("endpoint", outcome, server=server) for server, outcome in outcomes)
    return ProbeFacts((), (), (NameFacts("n", (query("cluster", "timeout"), *queries), ()),))


def test_any_answer_of_the_endpoint_will_do() -> None:
    reach.refuse_silent(LINK, asked(("10.10.1.4", "answer"), ("10.10.2.4", "answer")), ADDRESSES)


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        (
            [("10.10.1.4", "timeout"), ("10.10.2.4", "reset")],
            "none of the questions to port 53 of 10.10.1.4, 10.10.2.4 was",
        ),
        (
            [("10.10.1.4", "timeout"), ("10.10.2.4", "answer")],
            "1 of 2 questions to port 53 of 10.10.1.4, 10.10.2.4 were not",
        ),
        ([], "(nothing was asked)"),
    ],
)
def test_a_silent_endpoint_is_refused(outcomes: list[tuple[str, str]], words: str) -> None:
    with pytest.raises(UnhealthyError) as caught:
        reach.refuse_silent(LINK, asked(*outcomes), ADDRESSES, "dns_forward.forward[blue]")
    assert words in caught.value.detail
    pin(caught.value)


# --- notes, and addresses that are none -----------------------------------------------------------------------


def test_what_is_noted_beside_the_names() -> None:
    cut = replace(query("cluster", "answer", GOOD), truncated=True)
    facts = ProbeFacts(("169.254.10.11", "fd00::1"), (), (NameFacts(NAME, (cut,), ()),))
    told = pin(verify.build_report(LINK, facts, [WANTED]))
    assert len(told.notes) == 4 and "LocalDNS is on" in told.notes[1]
    plain = ProbeFacts(("10.0.0.10",), (), (NameFacts(NAME, (query("cluster", "answer", GOOD),), ()),))
    assert [n.split()[0] for n in pin(verify.build_report(LINK, plain, [WANTED])).notes] == ["The", "Pods"]


def test_an_address_of_a_load_balancer_that_is_none() -> None:
    balancer = LoadBalancer("lb", "arn:lb", "vpc-1", ("subnet-1",))
    targets = Targets({NAME: balancer}, {f"db.{ZONE}": (IPv4Address(GOOD),)})
    assert verify.expected(targets, {"arn:lb": ["10.10.2.7"]}) == {
        NAME: (IPv4Address("10.10.2.7"),),
        f"db.{ZONE}": (IPv4Address(GOOD),),
    }
    assert verify.expected(targets, {})[NAME] == ()
    with pytest.raises(CloudError) as caught:
        verify.expected(targets, {"arn:lb": ["ten"]})
    pin(caught.value)
