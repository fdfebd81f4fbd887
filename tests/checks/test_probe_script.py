"""The probe's script run for real, as a process, against name servers and a TLS server on loopback."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from cloudlink.checks.names.answers import NameFacts, ProbeFacts, Question, parse, request
from cloudlink.checks.names.certificates import certificate_names
from cloudlink.checks.names.script import SCRIPT
from cloudlink_sandbox.tls import Authority


@dataclass
class NameServer:
    """Answers on 127.0.0.1, over UDP and TCP on the same port. Odd names make it behave oddly."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    answers: bool = True

    def start(self) -> None:
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        threading.Thread(target=self._udp, daemon=True).start()
        threading.Thread(target=self._tcp, daemon=True).start()

    def stop(self) -> None:
        self.udp.close()
        self.tcp.close()

    def _udp(self) -> None:
        with suppress(OSError):
            while True:
                data, sender = self.udp.recvfrom(4096)
                query = dns.message.from_wire(data)
                name = query.question[0].name.to_text()
                self.asked.append(f"udp {name}")
                if name.startswith("silent.") or not self.answers:
                    continue
                answer = self._answer(query)
                if name.startswith("big."):
                    answer.answer = []
                    answer.flags |= dns.flags.TC
                if name.startswith("liar."):
                    self.udp.sendto(b"\0\0" + answer.to_wire()[2:], sender)  # somebody else's answer first
                self.udp.sendto(answer.to_wire(), sender)

    def _tcp(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.tcp.accept()
                with connection, suppress(OSError, dns.exception.DNSException):
                    size = int.from_bytes(connection.recv(2), "big")
                    query = dns.message.from_wire(connection.recv(size))
                    name = query.question[0].name.to_text()
                    self.asked.append(f"tcp {name}")
                    if not self.answers:
                        threading.Event().wait(2)
                        continue
                    if name.startswith("cut."):
                        continue
                    wire = self._answer(query).to_wire()
                    connection.sendall(len(wire).to_bytes(2, "big") + wire[:5])
                    connection.sendall(wire[5:])

    @staticmethod
    def _answer(query: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(query)
        name = query.question[0].name
        match name.to_text().partition(".")[0]:
            case "absent":
                answer.set_rcode(dns.rcode.NXDOMAIN)
            case "never":
                answer.set_rcode(dns.rcode.REFUSED)
            case "empty":
                pass
            case "alias":
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", "lb.corp.example."))
                answer.answer.append(dns.rrset.from_text("lb.corp.example.", 60, "IN", "A", "127.0.0.1"))
            case "big":
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", *(f"127.1.0.{i}" for i in range(200))))
            case "public":
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "93.184.216.34"))
            case _:
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "127.0.0.1"))
        return answer


@pytest.fixture(scope="module")
def server() -> Iterator[NameServer]:
    made = NameServer()
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def tls_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    home = tmp_path_factory.mktemp("tls")
    authority = Authority(home)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server_certificate(("app.corp.example",)))
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(1)

    threading.Thread(target=serve, daemon=True).start()
    yield listening.getsockname()[1]
    listening.close()


def run(
    server: NameServer,
    home: Path,
    *questions: Question,
    endpoints: tuple[str, ...] = ("127.0.0.1",),
    deadline: float = 90,
    measure: bool = False,
) -> ProbeFacts:
    resolv = home / "resolv.conf"
    resolv.write_text("search default.svc.cluster.local\nnameserver 127.0.0.1\noptions ndots:5\n")
    asked: dict[str, Any] = request(questions, [IPv4Address(e) for e in endpoints], measure=measure)
    asked |= {"port": server.port, "resolv": str(resolv), "timeout": 0.3, "deadline": deadline}
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT],
        env={"PATH": os.environ["PATH"], "CLOUDLINK_PROBE": json.dumps(asked)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    facts = parse("a line that the image prints\n" + done.stdout)
    assert facts is not None
    return facts


def only(facts: ProbeFacts) -> NameFacts:
    (name,) = facts.names
    return name


def test_asks_cluster_and_endpoint_over_both_transports(server: NameServer, tmp_path: Path) -> None:
    facts = run(server, tmp_path, Question("plain.corp.example"))
    assert facts.servers == ("127.0.0.1",)
    assert facts.search == ("default.svc.cluster.local",)
    asked = [(q.via, q.protocol, q.outcome, q.addresses) for q in only(facts).queries]
    assert asked == [
        ("cluster", "udp", "answer", ("127.0.0.1",)),
        ("endpoint", "udp", "answer", ("127.0.0.1",)),
        ("endpoint", "tcp", "answer", ("127.0.0.1",)),
    ]
    # the search list is not tried: the name is asked for as it is
    assert {a.split()[1] for a in server.asked if "plain" in a} == {"plain.corp.example."}


@pytest.mark.parametrize(("name", "rcode"), [("absent", 3), ("never", 5), ("empty", 0)])
def test_response_codes(server: NameServer, tmp_path: Path, name: str, rcode: int) -> None:
    queries = only(run(server, tmp_path, Question(f"{name}.corp.example"))).queries
    assert {q.rcode for q in queries} == {rcode}
    assert {q.addresses for q in queries} == {()}


def test_aliases_are_followed_in_the_answer(server: NameServer, tmp_path: Path) -> None:
    query = only(run(server, tmp_path, Question("alias.corp.example"))).queries[0]
    assert query.aliases == ("lb.corp.example",)
    assert query.addresses == ("127.0.0.1",)


def test_a_cut_answer_is_asked_for_again_over_tcp(server: NameServer, tmp_path: Path) -> None:
    cluster, udp, tcp = only(run(server, tmp_path, Question("big.corp.example"))).queries
    assert cluster.truncated and len(cluster.addresses) == 200
    assert udp.truncated and udp.addresses == ()
    assert not tcp.truncated and len(tcp.addresses) == 200


def test_no_answer_is_tried_twice(server: NameServer, tmp_path: Path) -> None:
    server.asked.clear()
    queries = only(run(server, tmp_path, Question("silent.corp.example"))).queries
    assert [q.outcome for q in queries] == ["timeout", "timeout", "answer"]
    assert server.asked.count("udp silent.corp.example.") == 4


def test_an_answer_to_another_question_is_no_answer(server: NameServer, tmp_path: Path) -> None:
    assert {q.outcome for q in only(run(server, tmp_path, Question("liar.corp.example"))).queries} == {"answer"}


def test_a_connection_closed_without_answer_is_a_reset(server: NameServer, tmp_path: Path) -> None:
    queries = only(run(server, tmp_path, Question("cut.corp.example"))).queries
    assert queries[-1].outcome == "reset"


def test_an_address_where_nobody_is(server: NameServer, tmp_path: Path) -> None:
    queries = only(run(server, tmp_path, Question("plain.corp.example"), endpoints=("127.0.0.3",))).queries
    assert [q.outcome for q in queries if q.via == "endpoint"] == ["timeout", "refused"]


def test_connects_and_reads_the_certificate(server: NameServer, tmp_path: Path, tls_port: int) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()[1]
        question = Question("app.corp.example", (), (tls_port, nobody), (tls_port,))
        connects = {c.port: c for c in only(run(server, tmp_path, question)).connects}
    assert connects[nobody].outcome == "refused"
    shake = connects[tls_port].tls
    assert connects[tls_port].outcome == "ok" and shake is not None and shake.outcome == "ok"
    assert "app.corp.example" in certificate_names(shake.certificate)


def test_a_port_that_does_not_speak_tls(server: NameServer, tmp_path: Path) -> None:
    # the name server's own TCP port closes such a conversation
    question = Question("app.corp.example", (), (), (server.port,))
    (connect,) = only(run(server, tmp_path, question)).connects
    assert connect.outcome == "ok"
    assert connect.tls is not None and connect.tls.outcome != "ok"


def test_nothing_is_sent_to_public_addresses(server: NameServer, tmp_path: Path) -> None:
    name = only(run(server, tmp_path, Question("public.corp.example", (), (443,))))
    assert name.queries[0].addresses == ("93.184.216.34",)
    assert name.connects == ()


def test_the_script_is_old_python() -> None:
    import ast

    ast.parse(SCRIPT, feature_version=(3, 8))
    assert "'''" not in SCRIPT


def test_the_clusters_own_name_is_asked_as_a_control(server: NameServer, tmp_path: Path) -> None:
    facts = run(server, tmp_path, Question("plain.corp.example"))
    assert facts.control is not None and facts.control.outcome == "answer"
    assert "udp kubernetes.default.svc.cluster.local." in server.asked


def test_a_silent_endpoint_is_asked_for_the_first_names_only(tmp_path: Path) -> None:
    silent = NameServer(answers=False)
    silent.start()
    questions = [Question(f"n{i}.corp.example", (IPv4Address("127.0.0.1"),), (1,)) for i in range(500)]
    begun = time.monotonic()
    try:
        facts = run(silent, tmp_path, *questions)
    finally:
        silent.stop()
    assert time.monotonic() - begun < 20, "one after the other they would take five minutes"
    assert len(facts.names) == 500
    assert {q.outcome for n in facts.names for q in n.queries} == {"timeout"}
    assert {q.via for n in facts.names for q in n.queries} == {"cluster", "endpoint"}
    names_asked = {line.split()[1] for line in silent.asked if "corp.example" in line}
    assert names_asked == {f"n{i}.corp.example." for i in range(3)}


def test_a_name_without_answer_does_not_make_its_server_silent(server: NameServer, tmp_path: Path) -> None:
    facts = run(server, tmp_path, Question("silent.corp.example"), Question("plain.corp.example"))
    assert [q.outcome for q in facts.names[1].queries] == ["answer"] * 3


def test_there_is_a_result_when_the_time_is_up(server: NameServer, tmp_path: Path) -> None:
    facts = run(server, tmp_path, Question("plain.corp.example", (IPv4Address("127.0.0.1"),), (1,)), deadline=-1)
    (name,) = facts.names
    assert {q.outcome for q in name.queries} == {c.outcome for c in name.connects} == {"error"}
    assert "not asked" in name.queries[0].error


def test_the_way_is_measured_where_that_is_asked_for(server: NameServer, tmp_path: Path) -> None:
    facts = run(server, tmp_path, Question("plain.corp.example"), measure=True)
    (way,) = facts.ways
    assert way.server == "127.0.0.1" and way.packet == 1500 and len(way.ms) == 5, "loopback carries more than that"
    assert way.told and way.told > 1500 and way.segment and way.segment > 1448
    assert run(server, tmp_path, Question("plain.corp.example")).ways == ()
