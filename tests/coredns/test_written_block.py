"""The very text that cloudlink writes, in AKS's Corefile, run by the real CoreDNS."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from cloudlink.clouds.ownership import Owner
from cloudlink.steps.dns_forward import corefile
from cloudlink.steps.dns_forward.pauses import Pause
from tests.coredns.conftest import FROM_AZURE, Starter
from tests.coredns.process import Running
from tests.coredns.upstreams import Rule, Transport, Upstream, addressed, free_port, nothing_there, silent

ZONE = "corp.example"
ENDPOINT = ("127.0.0.11", "127.0.0.12", "127.0.0.13")
OWNER = Owner("demo", "vpc-1", "sub/rg/vnet")
KEY = corefile.key_of("demo")

Serve = Callable[[str, int, Rule], Upstream]


def our_key(port: int, *addresses: str) -> dict[str, str]:
    """As cloudlink writes it, but that it writes no port behind the upstreams' addresses."""
    wanted = corefile.block((ZONE,), tuple(IPv4Address(a) for a in addresses))
    text = corefile.written(OWNER, wanted)
    changed, count = re.subn(r"(?<= )127\.0\.0\.\d+", lambda m: f"{m[0]}:{port}", text)
    assert count == len(addresses)
    return {KEY: changed}


def started(begun: object) -> Running:
    assert isinstance(begun, Running), begun
    return begun


@pytest.fixture
def port(resolver: Upstream) -> int:
    return free_port(*ENDPOINT)


@pytest.mark.program("The written zone goes to the endpoint, and nothing else does")
def test_the_zone_goes_to_the_endpoint_and_nothing_else_does(
    begin: Starter, serve: Serve, port: int, resolver: Upstream
) -> None:
    upstreams = [serve(address, port, addressed("10.1.1.50")) for address in ENDPOINT]
    running = started(begin(our_key(port, *ENDPOINT)))
    resolver.asked.clear()
    for tcp in (False, True):
        for name in ("app", "a.b", "*.wild"):
            assert running.addresses(f"{name}-{tcp}.{ZONE}", tcp=tcp) == ["10.1.1.50"]
        assert running.addresses(ZONE, tcp=tcp) == ["10.1.1.50"]
        for name in ("example", f"x{ZONE}", f"{ZONE}.net", "www.example.org"):
            assert running.addresses(f"{name}.", tcp=tcp) == [FROM_AZURE]
    asked = {name for upstream in upstreams for name in upstream.names()}
    assert asked and all(name.endswith(f"{ZONE}.") and not name.startswith("x") for name in asked)
    assert not any(name.endswith(f".{ZONE}.") or name == f"{ZONE}." for name in resolver.names())


@pytest.mark.program("CoreDNS's kubernetes plugin lists and watches the sandbox's API")
def test_the_clusters_own_names_go_on_working(begin: Starter, port: int, resolver: Upstream) -> None:
    """Its kubernetes plugin watches the sandbox's API, which is thereby checked too."""
    running = started(begin(our_key(port, *ENDPOINT)))
    assert running.addresses("kubernetes.default.svc.cluster.local.") == ["10.0.0.1"]
    assert running.addresses("kube-dns.kube-system.svc.cluster.local.") == ["10.0.0.10"]
    assert running.ask("nothing.default.svc.cluster.local.").rcode() == dns.rcode.NXDOMAIN
    assert running.ask("a.b.c.d.internal.cloudapp.net.").rcode() == dns.rcode.NXDOMAIN
    assert running.ask("x.reddog.microsoft.com.").rcode() == dns.rcode.NXDOMAIN


@pytest.mark.program("All upstreams are used")
def test_all_upstreams_are_used(begin: Starter, serve: Serve, port: int) -> None:
    upstreams = [serve(address, port, addressed("10.1.1.50")) for address in ENDPOINT]
    running = started(begin(our_key(port, *ENDPOINT)))
    for i in range(40):
        running.addresses(f"n{i}.{ZONE}")
    assert all(upstream.asked for upstream in upstreams)


@pytest.mark.program("Answers are kept for thirty seconds at most")
def test_answers_are_kept_for_thirty_seconds_at_most(begin: Starter, serve: Serve, port: int) -> None:
    upstream = serve(ENDPOINT[0], port, addressed("10.1.1.50", ttl=3600))
    running = started(begin(our_key(port, ENDPOINT[0])))
    ttls = [running.ask(f"app.{ZONE}").answer[0].ttl for _ in range(3)]
    assert upstream.names() == [f"app.{ZONE}."]
    assert all(25 <= ttl <= 30 for ttl in ttls), ttls


@pytest.mark.program("NXDOMAIN is passed on and kept")
def test_nxdomain_is_passed_on_and_kept(begin: Starter, serve: Serve, port: int, resolver: Upstream) -> None:
    upstream = serve(ENDPOINT[0], port, nothing_there)
    running = started(begin(our_key(port, ENDPOINT[0])))
    resolver.asked.clear()
    for _ in range(3):
        assert running.ask(f"none.{ZONE}").rcode() == dns.rcode.NXDOMAIN
    assert upstream.names() == [f"none.{ZONE}."]
    assert not any(ZONE in name for name in resolver.names())


@pytest.mark.program("NXDOMAIN of one upstream is final")
def test_nxdomain_of_one_upstream_is_final(begin: Starter, serve: Serve, port: int) -> None:
    """Upstreams that differ in content give now this, now that: they are spares for each other, no search list."""
    serve(ENDPOINT[0], port, addressed("10.1.1.50"))
    serve(ENDPOINT[1], port, nothing_there)
    running = started(begin(our_key(port, *ENDPOINT[:2])))
    seen = Counter(running.ask(f"n{i}.{ZONE}").rcode() for i in range(40))
    assert set(seen) == {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}


@pytest.mark.program("A dead upstream is survived")
@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_a_dead_upstream_is_survived(begin: Starter, serve: Serve, port: int, tcp: bool) -> None:
    """Nobody listens at its address. Every question is answered, from the first one on."""
    for address in ENDPOINT[1:]:
        serve(address, port, addressed("10.1.1.50"))
    running = started(begin(our_key(port, *ENDPOINT)))
    for i in range(30):
        assert running.addresses(f"n{i}.{ZONE}", tcp=tcp) == ["10.1.1.50"]


@pytest.mark.program("A silent upstream costs two seconds")
def test_a_silent_upstream_costs_two_seconds_and_no_answer(begin: Starter, serve: Serve, port: int) -> None:
    dead = serve(ENDPOINT[0], port, silent)
    for address in ENDPOINT[1:]:
        serve(address, port, addressed("10.1.1.50"))
    running = started(begin(our_key(port, *ENDPOINT)))
    for i in range(60):
        begun = time.monotonic()
        assert running.addresses(f"n{i}.{ZONE}") == ["10.1.1.50"]
        if any(name.startswith("n") for name in dead.names()):
            assert 1.5 < time.monotonic() - begun < 5.5
            return
    raise AssertionError("the silent one was never asked")


@pytest.mark.program("Health checks ask for the root and take any answer")
def test_health_checks_ask_for_the_root_and_take_any_answer(begin: Starter, serve: Serve, port: int) -> None:
    """The first failure starts them, at their interval; after three failures the dead one is asked no more."""
    serve(ENDPOINT[1], port, addressed("10.1.1.50"))
    running = started(begin(our_key(port, *ENDPOINT[:2])))
    for i in range(12):  # some of them go to the dead one and start its checks
        running.addresses(f"n{i}.{ZONE}")
    back = serve(ENDPOINT[0], port, nothing_there)
    until = time.monotonic() + 9
    while ("udp", ".", "NS") not in back.asked and time.monotonic() < until:
        time.sleep(0.1)
    assert ("udp", ".", "NS") in back.asked


@pytest.mark.program("With prefer_udp clients over TCP are served over UDP")
def test_clients_over_tcp_are_served_over_udp(begin: Starter, serve: Serve, port: int) -> None:
    upstreams = [serve(address, port, addressed("10.1.1.50")) for address in ENDPOINT]
    running = started(begin(our_key(port, *ENDPOINT)))
    for i in range(12):
        assert running.addresses(f"n{i}.{ZONE}", tcp=True) == ["10.1.1.50"]
    assert {how for upstream in upstreams for how, _, _ in upstream.asked} == {"udp"}


@pytest.mark.program("A truncated answer is asked for again over TCP")
def test_a_truncated_answer_is_asked_for_again_over_tcp(begin: Starter, serve: Serve, port: int) -> None:
    def large(query: dns.message.Message, transport: Transport) -> dns.message.Message:
        response = dns.message.make_response(query, recursion_available=True)
        if transport == "udp":
            response.flags |= dns.flags.TC
        else:
            texts = [f'"{i:03}{"x" * 200}"' for i in range(20)]
            response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "TXT", *texts))
        return response

    upstream = serve(ENDPOINT[0], port, large)
    running = started(begin(our_key(port, ENDPOINT[0])))
    answer = running.ask(f"large.{ZONE}", "TXT", tcp=True)
    assert len(answer.answer[0]) == 20
    assert [how for how, _, _ in upstream.asked] == ["udp", "tcp"]


@pytest.mark.program("A zone below ours in another key takes its names")
def test_a_zone_below_ours_in_another_key_takes_its_names(
    begin: Starter, serve: Serve, port: int, version: str
) -> None:
    upstream = serve(ENDPOINT[0], port, addressed("10.1.1.50"))
    keys = our_key(port, ENDPOINT[0]) | {
        "x.server": f"eu.{ZONE}:53 {{\n    hosts {{\n        192.0.2.9 app.eu.{ZONE}\n    }}\n}}\n"
    }
    running = started(begin(keys))
    assert corefile.examine(keys, KEY, (ZONE,)).shadowed == (f"eu.{ZONE}",)
    assert running.addresses(f"app.eu.{ZONE}") == ["192.0.2.9"]
    assert running.addresses(f"app.{ZONE}") == ["10.1.1.50"]
    assert upstream.names() == [f"app.{ZONE}."]


@pytest.mark.program("Our zone in capitals in another key takes nothing")
def test_our_zone_in_capitals_in_another_key_takes_nothing(begin: Starter, serve: Serve, port: int) -> None:
    serve(ENDPOINT[0], port, addressed("10.1.1.50"))
    running = started(begin(our_key(port, ENDPOINT[0]) | {"x.server": f"{ZONE.upper()}:53 {{\n    whoami\n}}\n"}))
    assert running.addresses(f"app.{ZONE}") == ["10.1.1.50"]
    assert running.addresses(f"APP2.{ZONE.upper()}") == ["10.1.1.50"]


@pytest.mark.program("A forward in an override is never reached")
def test_the_forward_in_an_override_is_never_reached(begin: Starter, serve: Serve, port: int) -> None:
    """AKS's own ``forward .`` stands before it and takes every name."""
    upstream = serve(ENDPOINT[0], port, addressed("10.1.1.50"))
    running = started(begin({"x.override": f"forward {ZONE} {ENDPOINT[0]}:{port}\n"}))
    assert running.addresses(f"app.{ZONE}") == [FROM_AZURE]
    assert upstream.asked == []


@pytest.mark.program("A key with another suffix is ignored")
@pytest.mark.parametrize("key", ["cloudlink-demo", "cloudlink-demo.conf", "cloudlink-demo.server.yaml"])
def test_a_key_with_another_suffix_is_ignored(begin: Starter, serve: Serve, port: int, key: str) -> None:
    upstream = serve(ENDPOINT[0], port, addressed("10.1.1.50"))
    running = started(begin({key: our_key(port, ENDPOINT[0])[KEY]}))
    assert running.addresses(f"app.{ZONE}") == [FROM_AZURE]
    assert upstream.asked == []


@pytest.mark.program("A paused link's names fail at once, do not exist, or have the answer that was asked for")
def test_a_paused_links_key_answers_as_it_says(begin: Starter) -> None:
    for answer, rcode in (("servfail", dns.rcode.SERVFAIL), ("nxdomain", dns.rcode.NXDOMAIN)):
        pause = Pause(0.0, answer, {"subnet-a": IPv4Address("10.1.1.10")})
        running = started(begin({KEY: corefile.paused(OWNER, (ZONE,), pause)}))
        for tcp in (False, True):
            for kind in ("A", "AAAA", "TXT"):
                assert running.ask(f"app.{ZONE}", kind, tcp=tcp).rcode() == rcode
        assert running.addresses("www.example.org.") == [FROM_AZURE]
        running.stop()
    running = started(begin({KEY: corefile.paused(OWNER, (ZONE,), Pause(0.0, "10.9.8.7"))}))
    assert running.addresses(f"a.b.{ZONE}") == ["10.9.8.7"]
    nothing = running.ask(f"app.{ZONE}", "AAAA")
    assert nothing.rcode() == dns.rcode.NOERROR and not nothing.answer
