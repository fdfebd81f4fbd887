"""How CoreDNS answers: zones, cluster names, forwarding with failing upstreams, cache."""

from __future__ import annotations

from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from cloudlink_sandbox.kube.coredns import CoreDns, Exchange, Reply, Transport
from cloudlink_sandbox.kube.plugins import Upstream
from tests.sandbox.kube.test_corefile import GOOD, custom


@dataclass
class Upstreams:
    """Upstreams by address: an address to answer with, or what becomes of packets to them."""

    answers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, Transport, str]] = field(default_factory=list)
    ttl: int = 60

    def ask(self, upstream: Upstream, query: dns.message.Message, transport: Transport) -> Exchange:
        name = query.question[0].name.to_text()
        self.asked.append((upstream.address, transport, name))
        how = self.answers.get(upstream.address, "dropped")
        if how in ("dropped", "refused"):
            return Exchange(how)  # type: ignore[arg-type]
        response = dns.message.make_response(query)
        if how == "NXDOMAIN":
            response.set_rcode(dns.rcode.NXDOMAIN)
            response.authority.append(
                dns.rrset.from_text("corp.example.", 900, "IN", "SOA", "a. b. 1 7200 900 1209600 86400")
            )
        else:
            response.answer.append(dns.rrset.from_text(name, self.ttl, "IN", "A", how))
        return Exchange("answered", response)

    def services(self) -> dict[tuple[str, str], str]:
        return {("kube-system", "kube-dns"): "10.0.0.10", ("default", "headless"): "None"}

    def namespaces(self) -> set[str]:
        return {"default", "kube-system"}

    def questions(self) -> list[str]:
        """Addresses asked, without health checks."""
        return [a for a, _, n in self.asked if n != "."]


def server(network: Upstreams, text: str = GOOD, log: list[str] | None = None) -> CoreDns:
    lines = [] if log is None else log
    return CoreDns(custom(link__server=text), network, lines.append, seed=3)


def ask(dns_server: CoreDns, name: str, kind: str = "A", transport: Transport = "udp", now: float = 0.0) -> Reply:
    return dns_server.answer(dns.message.make_query(name, kind), transport, now)


def addresses(reply: Reply) -> list[str]:
    return [str(r) for rrset in reply.response.answer for r in rrset]


def rcode(reply: Reply) -> str:
    return dns.rcode.to_text(reply.response.rcode())


BOTH = {"10.1.1.10": "10.1.1.50", "10.1.2.10": "10.1.1.50", "168.63.129.16": "NXDOMAIN"}


@pytest.mark.documentation("The longest zone answers")
def test_the_longest_zone_answers() -> None:
    network = Upstreams(dict(BOTH))
    d = server(
        network, GOOD + GOOD.replace("corp.example", "deep.corp.example").replace("10.1.1.10 10.1.2.10", "10.9.9.9")
    )
    assert addresses(ask(d, "app.corp.example.")) == ["10.1.1.50"]
    ask(d, "x.deep.corp.example.")
    assert network.questions()[-1] == "10.9.9.9"
    assert rcode(ask(d, "www.example.org.")) == "NXDOMAIN"
    ask(d, "notcorp.example.")
    assert network.questions()[-1] == "168.63.129.16"


@pytest.mark.documentation(
    "Services, missing names, other types and reverse names of the cluster are answered by the kubernetes plugin"
)
def test_cluster_names() -> None:
    d = server(Upstreams(dict(BOTH)))
    assert addresses(ask(d, "kube-dns.kube-system.svc.cluster.local.")) == ["10.0.0.10"]
    assert rcode(ask(d, "nothing.default.svc.cluster.local.")) == "NXDOMAIN"
    nodata = ask(d, "kube-dns.kube-system.svc.cluster.local.", "TXT")
    assert (rcode(nodata), addresses(nodata)) == ("NOERROR", [])
    assert addresses(ask(d, "10.0.0.10.in-addr.arpa.", "PTR")) == ["kube-dns.kube-system.svc.cluster.local."]


@pytest.mark.program("A forward in an override is never reached: AKS's own stands before it")
def test_a_forward_in_an_override_is_never_reached() -> None:
    network = Upstreams({"168.63.129.16": "NXDOMAIN", "10.1.1.10": "10.1.1.50"})
    d = CoreDns(custom(a__override="forward corp.example 10.1.1.10"), network, lambda _: None)
    assert rcode(ask(d, "app.corp.example.")) == "NXDOMAIN"
    assert network.questions() == ["168.63.129.16"]


@pytest.mark.documentation(
    "A dead upstream costs two seconds until its checks have failed often enough; one good check brings it back"
)
@pytest.mark.belief("Each failed check takes its interval and a second")
def test_one_dead_upstream_costs_two_seconds_until_it_is_known() -> None:
    network = Upstreams({"10.1.1.10": "10.1.1.50"})
    d = server(
        network,
        GOOD.replace("    cache 30\n", "")
        .replace("policy random", "policy sequential")
        .replace("10.1.1.10 10.1.2.10", "10.1.2.10 10.1.1.10"),
    )
    first = ask(d, "app.corp.example.", now=0.0)
    assert addresses(first) == ["10.1.1.50"]
    assert first.seconds == 2.0
    assert ask(d, "app.corp.example.", now=60.0).seconds == 0.0  # health checks have failed often enough
    network.answers["10.1.2.10"] = "10.1.1.50"
    network.asked.clear()
    assert addresses(ask(d, "app.corp.example.", now=120.0)) == ["10.1.1.50"]
    assert network.questions() == ["10.1.2.10"]  # one good check brings it back


@pytest.mark.documentation("With all upstreams dead the answer is SERVFAIL, with a line in the log")
def test_all_dead_is_servfail_with_a_line_in_the_log() -> None:
    log: list[str] = []
    reply = ask(server(Upstreams(), log=log), "app.corp.example.")
    assert rcode(reply) == "SERVFAIL"
    assert reply.seconds >= 4.0
    assert "app.corp.example. A" in log[0] and "i/o timeout" in log[0]


@pytest.mark.documentation("With all upstreams refusing the answer is SERVFAIL")
def test_refusing_upstreams_end_too() -> None:
    reply = ask(server(Upstreams({"10.1.1.10": "refused", "10.1.2.10": "refused"})), "app.corp.example.")
    assert rcode(reply) == "SERVFAIL"


@pytest.mark.documentation(
    "The transport to the upstream follows the client's unless prefer_udp or force_tcp says otherwise"
)
def test_the_upstream_transport_follows_the_client_unless_told() -> None:
    network = Upstreams(dict(BOTH))
    ask(server(network, GOOD.replace("prefer_udp", "")), "app.corp.example.", transport="tcp")
    ask(server(network), "app.corp.example.", transport="tcp")
    ask(server(network, GOOD.replace("prefer_udp", "force_tcp")), "app.corp.example.", transport="udp")
    assert [t for _, t, _ in network.asked] == ["tcp", "udp", "tcp"]


@pytest.mark.documentation("The cache's cap bounds an answer's age, which counts down")
def test_cache_counts_down_and_ends() -> None:
    network = Upstreams(dict(BOTH))
    d = server(network)
    assert ask(d, "app.corp.example.", now=0.0).response.answer[0].ttl == 30
    assert ask(d, "app.corp.example.", now=10.0).response.answer[0].ttl == 20
    assert len(network.questions()) == 1
    ask(d, "app.corp.example.", now=31.0)
    assert len(network.questions()) == 2


@pytest.mark.documentation("Denials are cached no longer than the cap")
def test_denials_are_cached_no_longer_than_the_cap() -> None:
    network = Upstreams({"10.1.1.10": "NXDOMAIN", "10.1.2.10": "NXDOMAIN"})
    d = server(network)
    assert rcode(ask(d, "new.corp.example.", now=0.0)) == "NXDOMAIN"
    network.answers.update(BOTH)
    assert rcode(ask(d, "new.corp.example.", now=29.0)) == "NXDOMAIN"
    assert addresses(ask(d, "new.corp.example.", now=31.0)) == ["10.1.1.50"]


@pytest.mark.own("A plugin that is not modelled answers SERVFAIL and says so in the log")
def test_what_is_not_modelled_is_said() -> None:
    log: list[str] = []
    d = server(Upstreams(dict(BOTH)), GOOD.replace("    cache 30", "    rewrite class IN CH"), log)
    assert rcode(ask(d, "app.corp.example.")) == "SERVFAIL"
    assert "rewrite class IN CH" in log[0]


@pytest.mark.documentation(
    "A name that a rewrite replaces is answered as the other one, under the name that was asked for"
)
def test_a_name_is_rewritten_and_its_answer_turned_back() -> None:
    rule = "rewrite name orders.example kube-dns.kube-system.svc.cluster.local\n"
    d = CoreDns(custom(a__override=rule), Upstreams(dict(BOTH)), lambda _: None)
    reply = ask(d, "orders.example.")
    assert addresses(reply) == ["10.0.0.10"]
    assert [rrset.name.to_text() for rrset in reply.response.answer] == ["orders.example."]
    assert [q.name.to_text() for q in reply.response.question] == ["orders.example."]
    assert addresses(ask(d, "kube-dns.kube-system.svc.cluster.local.")) == ["10.0.0.10"]


@pytest.mark.documentation("hosts and template answer, and fall through where told")
def test_hosts_and_templates() -> None:
    text = "corp.example {\n hosts {\n 10.1.1.77 app.corp.example\n fallthrough\n }\n forward . 10.1.1.10\n}\n"
    d = server(Upstreams(dict(BOTH)), text)
    assert addresses(ask(d, "app.corp.example.")) == ["10.1.1.77"]
    assert addresses(ask(d, "other.corp.example.")) == ["10.1.1.50"]
    assert rcode(ask(d, "x.reddog.microsoft.com.")) == "NXDOMAIN"
