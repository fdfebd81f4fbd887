"""Servers on loopback that do not behave, and count what arrives at them."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cloudlink_sandbox.tls import Authority


class Peer:
    """Speaks TLS on 127.0.0.1. ``answer``: what is sent back for a request, as bytes or by writing to the socket."""

    def __init__(self, folder: Path, answer: Callable[[socket.socket, bytes], bytes | None]) -> None:
        self.arrived: list[bytes] = []
        self.connections = 0
        self._answer = answer
        authority = Authority(folder)
        self.ca_file, self.ca_pem = authority.ca_file, authority.ca_pem
        self._context = authority.server_context("127.0.0.1")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open = True
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        self._open = False
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while self._open:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError, ssl.SSLError), self._context.wrap_socket(plain, server_side=True) as sock:
            while True:
                request = read_request(sock)
                if not request:
                    return
                self.arrived.append(request)
                answer = self._answer(sock, request)
                if answer is None:
                    return
                sock.sendall(answer)


def read_request(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65_536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    size = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < size:
        body += sock.recv(65_536)
    return head + b"\r\n\r\n" + body


def plain(status: int, body: bytes, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def redirect(to: str) -> Callable[[socket.socket, bytes], bytes]:
    return lambda _sock, _request: plain(307, b"", f"Location: {to}/taken")


_BOMB = plain(200, gzip.compress(b'{"a":"' + b" " * 60_000_000 + b'"}', 1), "Content-Encoding: gzip")


def bomb(_sock: socket.socket | None, _request: bytes) -> bytes:
    return _BOMB


def endless(sock: socket.socket, _request: bytes) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    for _ in range(4000):
        sock.sendall(piece)


def drip(sock: socket.socket, _request: bytes) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(2000):
        sock.sendall(b" ")
        time.sleep(0.05)  # the peer's own pace, which is what is tried


def dripping_head(sock: socket.socket, _request: bytes) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(2000):
        sock.sendall(b"a")
        time.sleep(0.05)


def deep(_sock: socket.socket | None, _request: bytes) -> bytes:
    return plain(200, b"[" * 100_000 + b"]" * 100_000)


@contextlib.contextmanager
def peer(folder: Path, answer: Callable[[socket.socket, bytes], bytes | None]) -> Iterator[Peer]:
    folder.mkdir(exist_ok=True)
    made = Peer(folder, answer)
    try:
        yield made
    finally:
        made.stop()
