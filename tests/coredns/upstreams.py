"""DNS servers on loopback, in the place of Resolver's endpoint addresses and of Azure's resolver."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable
from typing import Literal

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Transport = Literal["udp", "tcp"]
Rule = Callable[[dns.message.Message, Transport], dns.message.Message | None]


class Upstream:
    """One address. rule: what it answers, None for silence. asked: (transport, name, type) of every question."""

    def __init__(self, address: str, port: int, rule: Rule) -> None:
        self.address, self.port, self.rule = address, port, rule
        self.asked: list[tuple[Transport, str, str]] = []
        upstream = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, sock = self.request
                if (answer := upstream._answer(data, "udp")) is not None:
                    sock.sendto(answer, self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while len(head := self.rfile.read(2)) == 2:
                    data = self.rfile.read(int.from_bytes(head, "big"))
                    if (answer := upstream._answer(data, "tcp")) is not None:
                        self.wfile.write(len(answer).to_bytes(2, "big") + answer)

        self._servers: list[socketserver.BaseServer] = []
        self._running = False
        try:
            for kind, work in ((_Udp, Datagram), (_Tcp, Stream)):
                self._servers.append(kind((address, port), work))
        except OSError:
            self.stop()
            raise
        self._running = True
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def _answer(self, data: bytes, transport: Transport) -> bytes | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        self.asked.append((transport, question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)))
        answer = self.rule(query, transport)
        return answer.to_wire(max_size=65535) if answer is not None else None

    def names(self) -> list[str]:
        return [name for _, name, _ in self.asked]

    def stop(self) -> None:
        for server in self._servers:
            if self._running:
                server.shutdown()
            server.server_close()


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def addressed(address: str, ttl: int = 60) -> Rule:
    """Answers every A question with this address."""

    def rule(query: dns.message.Message, transport: Transport) -> dns.message.Message:
        response = dns.message.make_response(query, recursion_available=True)
        if query.question[0].rdtype == dns.rdatatype.A:
            response.answer.append(dns.rrset.from_text(query.question[0].name, ttl, "IN", "A", address))
        return response

    return rule


def nothing_there(query: dns.message.Message, transport: Transport) -> dns.message.Message:
    """NXDOMAIN, with the SOA that makes it one to be cached."""
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(dns.rcode.NXDOMAIN)
    response.authority.append(dns.rrset.from_text(".", 900, "IN", "SOA", "ns. admin. 1 7200 900 1209600 86400"))
    return response


def silent(query: dns.message.Message, transport: Transport) -> None:
    """As behind a security group that does not let us in."""


def free_port(*addresses: str) -> int:
    """A port that is free for UDP and TCP at all of these addresses."""
    for _ in range(50):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        held: list[socket.socket] = []
        try:
            for address in addresses or ("",):
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    held.append(socket.socket(socket.AF_INET, kind))
                    held[-1].bind((address, port))
        except OSError:
            continue
        else:
            return port
        finally:
            for one in held:
                one.close()
    raise AssertionError("no port is free")
