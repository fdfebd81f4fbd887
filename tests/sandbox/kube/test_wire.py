"""Packets of pods and of name-server clients, decided by the world at the moment they are sent."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from cloudlink_sandbox.faults import Fault
from tests.sandbox.kube.conftest import Aks
from tests.sandbox.kube.small_world import BALANCER, RESOLVERS
from tests.sandbox.kube.test_corefile import GOOD
from tests.sandbox.kube.test_pods import ended, log, run
from tests.sandbox.kube.test_rollout import put

# As a prober would do it, with the standard library alone; prints one JSON object.
PROBE = r"""
import json, os, socket, ssl, struct, time
from concurrent.futures import ThreadPoolExecutor
T = 3.0
def question(name):
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.rstrip(".").split("."))
    return struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)
def read(answer):
    if answer[3] & 15: return "rcode %d" % (answer[3] & 15)
    return socket.inet_ntoa(answer[-4:]) if answer[7] else "empty"
def udp(server, name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(T)
        s.sendto(question(name), (server, 53))
        answer, sender = s.recvfrom(4096)
        assert sender == (server, 53), sender
        return read(answer)
def tcp(server, name):
    with socket.create_connection((server, 53), timeout=T) as s:
        assert s.getpeername() == (server, 53)
        q = question(name)
        s.sendall(struct.pack("!H", len(q)) + q)
        size = struct.unpack("!H", s.recv(2))[0]
        data = b""
        while len(data) < size: data += s.recv(size - len(data))
        return read(data)
def connect(to, port):
    socket.create_connection((to, port), timeout=T).close()
    return "open"
def tls(to, port, name):
    c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
    with socket.create_connection((to, port), timeout=T) as s, c.wrap_socket(s, server_hostname=name) as t:
        return t.version() + (" certified" if name.encode() in t.getpeercert(True) else "")
def lookup(name):
    return sorted({a[4][0] for a in socket.getaddrinfo(name, 443)})
def whole(to, size):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.IPPROTO_IP, 10, 2)
        s.settimeout(T)
        s.connect((to, 53))
        q = question("app.corp.example."); pad = size - 28 - len(q) - 15
        q = q[:10] + struct.pack("!H", 1) + q[12:] + struct.pack("!BHHIHHH", 0, 41, 1232, 0, pad + 4, 12, pad) + bytes(pad)
        s.send(q)
        return len(s.recv(4096)) > 12 and s.getsockopt(socket.IPPROTO_IP, 14)
def segment(to):
    with socket.create_connection((to, 53), timeout=T) as s: return s.getsockopt(socket.IPPROTO_TCP, 2)
def attempt(step):
    try: return globals()[step[0]](*step[1:])
    except OSError as e: return type(e).__name__
steps = json.loads(os.environ["CLOUDLINK_PROBE"])
with ThreadPoolExecutor(8) as pool: print(json.dumps(list(pool.map(attempt, steps))))
"""
DNS = "10.0.0.10"
NAME = "app.corp.example."
A, B = (str(r) for r in RESOLVERS)
LB = str(BALANCER)


def probe(aks: Aks, *steps: tuple[Any, ...]) -> list[Any]:
    run(
        aks,
        ["python3", "-c", PROBE],
        f"probe-{len(aks.world.context.journal.calls())}",
        env=[{"name": "CLOUDLINK_PROBE", "value": json.dumps(steps)}],
    )
    name = next(p.metadata.name for p in aks.core.list_namespaced_pod("default").items if p.status.phase == "Pending")
    ended(aks, name)
    return list(json.loads(log(aks, name)))


@pytest.fixture
def linked(aks: Aks) -> Aks:
    aks.core.list_namespace()
    put(aks, GOOD)
    aks.advance(100)
    return aks


@pytest.mark.own("With four tunnels up, pods resolve names over UDP and TCP and reach services over TCP and TLS")
def test_all_is_well(linked: Aks) -> None:
    found = probe(
        linked,
        ("udp", A, NAME),
        ("tcp", B, NAME),
        ("udp", DNS, NAME),
        ("tcp", DNS, NAME),
        ("connect", LB, 80),
        ("tls", LB, 443, "app.corp.example"),
        ("lookup", "app.corp.example"),
        ("lookup", "kube-dns.kube-system"),
    )
    assert found == [LB, LB, LB, LB, "open", "TLSv1.3 certified", [LB], ["10.0.0.10"]]


@pytest.mark.documentation(
    "A name that nobody has is NXDOMAIN, a closed port is refused, an address without a route times out"
)
def test_what_there_is_not(linked: Aks) -> None:
    found = probe(
        linked,
        ("udp", A, "nothing.corp.example."),
        ("udp", DNS, "www.example.org."),
        ("lookup", "www.example.org"),
        ("connect", LB, 8080),
        ("connect", "10.1.1.99", 80),
        ("connect", "93.184.216.34", 80),
        ("connect", "127.0.0.1", 22),
        ("udp", "10.20.1.77", NAME),
    )
    assert found == [
        "rcode 3",
        "rcode 3",
        "gaierror",
        "ConnectionRefusedError",
        "TimeoutError",
        "TimeoutError",
        "ConnectionRefusedError",
        "TimeoutError",
    ]


@pytest.mark.documentation(
    "Through the tunnels 1400 octets pass whole and the MSS is 1350; larger packets are lost in silence"
)
def test_what_passes_whole(linked: Aks) -> None:
    found = probe(
        linked, ("whole", A, 1400), ("whole", A, 1401), ("segment", A), ("whole", DNS, 1500), ("whole", DNS, 1501)
    )
    assert found == [1500, "TimeoutError", 1338, 1500, "OSError"]


@pytest.mark.documentation("Without a tunnel nothing is refused: everything times out")
def test_without_a_tunnel_nothing_passes_and_time_outs_are_short(linked: Aks) -> None:
    linked.world.aws = replace(linked.world.aws, tunnels=())
    began = time.monotonic()
    found = probe(
        linked, ("udp", A, NAME), ("tcp", A, NAME), ("connect", LB, 443), ("udp", DNS, NAME), ("tcp", DNS, NAME)
    )
    assert time.monotonic() - began < 12, "the client of each waits less than a second"
    assert found[:3] == ["TimeoutError"] * 3
    # CoreDNS itself answers SERVFAIL, but usually later than this client waits
    assert set(found[3:]) <= {"TimeoutError", "rcode 2"}


@pytest.mark.own("A tunnel that goes down drops the next packet, and needs some seconds when it is to come back")
def test_a_tunnel_that_goes_down_drops_the_next_packet_and_is_not_back_at_once(linked: Aks) -> None:
    host, port = linked.wire.dns_address_of(A)
    query = dns.message.make_query(NAME, "A")
    assert dns.query.udp(query, host, port=port, timeout=10).answer
    linked.world.context.faults.add(Fault("tunnel-down", "52.0.0.1", times=None))
    with pytest.raises(dns.exception.Timeout):
        dns.query.udp(query, host, port=port, timeout=0.1)
    linked.world.context.faults.clear()
    with pytest.raises(dns.exception.Timeout):
        dns.query.udp(query, host, port=port, timeout=0.1)
    linked.world.context.clock.advance(60)
    assert dns.query.tcp(query, host, port=port, timeout=10).answer


@pytest.mark.documentation("A security group lets in the protocols of its rules alone")
def test_security_groups_are_per_protocol(linked: Aks) -> None:
    world = linked.world
    world.with_interfaces(
        *(
            replace(i, rules=tuple(r for r in i.rules or () if r.protocol == "udp")) if i.kind == "resolver" else i
            for i in world.aws.interfaces
        )
    )
    assert probe(linked, ("udp", A, NAME), ("tcp", A, NAME)) == [LB, "TimeoutError"]


@pytest.mark.own("A dead endpoint address is seen by asking it")
def test_one_dead_endpoint_address_shows_by_itself_alone(linked: Aks) -> None:
    linked.world.context.faults.add(Fault("endpoint-ip-down", B, times=None))
    assert probe(linked, ("udp", A, NAME), ("udp", B, NAME)) == [LB, "TimeoutError"]


@pytest.mark.specification("Answers too large for UDP are cut, and whole over TCP")
def test_large_answers_are_cut_for_udp_and_whole_over_tcp(linked: Aks) -> None:
    host, port = linked.wire.dns_address_of(DNS)
    query = dns.message.make_query("big.corp.example.", "TXT")
    cut = dns.query.udp(query, host, port=port, timeout=10)
    assert cut.flags & dns.flags.TC and not cut.answer
    assert len(dns.query.tcp(query, host, port=port, timeout=10).answer[0]) == 5


@pytest.mark.documentation("A private zone answers aliases, wildcards, empty types and missing names")
@pytest.mark.documentation(
    "A Resolver endpoint answers a public name as the VPC's own resolver does: here nobody has one"
)
def test_names_in_the_zone(linked: Aks) -> None:
    host, port = linked.wire.dns_address_of(A)

    def ask(name: str, kind: str = "A") -> tuple[str, list[str]]:
        response = dns.query.udp(dns.message.make_query(name, kind), host, port=port, timeout=10)
        return dns.rcode.to_text(response.rcode()), [str(r) for rrset in response.answer for r in rrset]

    assert ask("alias.corp.example.") == ("NOERROR", ["app.corp.example.", LB])
    assert ask("x.wild.corp.example.") == ("NOERROR", [LB])
    assert ask("app.corp.example.", "AAAA") == ("NOERROR", [])
    assert ask("none.corp.example.") == ("NXDOMAIN", [])
    assert ask("example.org.") == ("NXDOMAIN", [])


@pytest.mark.own("A forward to the cluster itself ends with SERVFAIL")
def test_a_forward_to_the_cluster_itself_ends(linked: Aks) -> None:
    put(linked, GOOD.replace("10.1.1.10 10.1.2.10", DNS))
    linked.advance(100)
    host, port = linked.wire.dns_address_of(DNS)
    response = dns.query.udp(dns.message.make_query("other.corp.example.", "A"), host, port=port, timeout=3)
    assert response.rcode() == dns.rcode.SERVFAIL


@pytest.mark.documentation("Without a ready pod the DNS service drops UDP and refuses TCP")
def test_no_ready_coredns_refuses(linked: Aks) -> None:
    linked.apps.patch_namespaced_deployment("coredns", "kube-system", {"spec": {"replicas": 0}})
    linked.advance(30)
    assert probe(linked, ("udp", DNS, NAME), ("tcp", DNS, NAME)) == ["TimeoutError", "ConnectionRefusedError"]


@pytest.mark.own("A shell's programs are on the same wire")
def test_sh_has_python_on_the_wire_too(linked: Aks) -> None:
    run(
        linked,
        ["sh", "-c", "python3 -c \"import socket; print(socket.gethostbyname('app.corp.example'))\"; cat /etc/passwd"],
    )
    ended(linked)
    assert log(linked).splitlines()[0] == LB
    assert "root:" not in log(linked)
