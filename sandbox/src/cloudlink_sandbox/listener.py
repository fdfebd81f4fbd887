"""Serves one WSGI application on a free loopback port, over HTTP/1.1 with keep-alive, with or without TLS.

werkzeug's own server closes the connection after each answer; with TLS that would triple the time of a call.
"""

from __future__ import annotations

import contextlib
import io
import socket
import socketserver
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from cloudlink_sandbox import transcript

WsgiApp = Callable[..., Iterable[bytes]]


class _RequestHandler(BaseHTTPRequestHandler):
    """One connection: as many requests as the client sends on it."""

    protocol_version = "HTTP/1.1"
    server_version = "cloudlink-sandbox"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024  # head and body leave in one packet; flushed after each answer and each streamed chunk
    timeout = 300
    server: Listener

    def setup(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            self.request.settimeout(20)
            self.request.do_handshake()
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the overridden method
        """The journal keeps what was called; a log of the server's own is not wanted."""

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        if parsed:
            # every method is the application's business
            setattr(self, f"do_{self.command}", self._serve)
        return parsed

    def handle_expect_100(self) -> bool:
        """A client that waits for this before it sends its body must not wait for the buffer to fill."""
        told = super().handle_expect_100()
        self.wfile.flush()
        return told

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            parts = []
            while size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass  # trailers
            return b"".join(parts)
        length = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(length) if length else b""

    def _environ(self, body: bytes) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        environ: dict[str, Any] = {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https" if self.server.tls else "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "werkzeug.socket": self.connection,  # the name under which werkzeug and moto expect it
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "REQUEST_URI": self.path,
            "RAW_URI": self.path,
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_PORT": self.client_address[1],
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.server.server_port),
            "SERVER_PROTOCOL": self.request_version,
            "CONTENT_LENGTH": str(len(body)),
        }
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            if key in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
                continue
            key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ

    def _serve(self) -> None:
        body = self._body()
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Callable[[bytes], None]:
            started[:] = [(status, headers)]
            return lambda _: None

        answer = self.server.app(self._environ(body), start_response)
        try:
            chunks = iter(answer)
            first = next(chunks, b"")  # an application may start its response only now
            if not started:  # a fault has cut the connection
                self.close_connection = True
                return
            status, headers = started[0]
            number = int(status.split(" ", 1)[0])
            self.send_response_only(number, status.partition(" ")[2])
            names = {n.lower() for n, _ in headers}
            for name, value in headers:
                self.send_header(name, value)
            if "date" not in names:
                self.send_header("Date", self.date_time_string())
            if number == 101:
                self.close_connection = True
                return
            bodiless = self.command == "HEAD" or number in (204, 304)
            if bodiless:
                self.end_headers()
            elif "content-length" in names:
                first = b"".join((first, *chunks))
                self.end_headers()
                self.wfile.write(first)
            else:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.flush()  # a watch waits for these before it reads what comes
                self._chunk(first)
                for chunk in chunks:
                    self._chunk(chunk)
                self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
            if self.server.transcript is not None and (bodiless or "content-length" in names):
                self.server.transcript.add(
                    method=self.command,
                    uri=self.path,
                    asked=self.headers.items(),
                    body=body,
                    status=number,
                    answered=headers,
                    answer=b"" if bodiless else first,
                )
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()

    def _chunk(self, data: bytes) -> None:
        if data:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()


class Listener(ThreadingHTTPServer):
    """One server thread, and one for each connection. The TLS handshake is done in the connection's own thread, so
    that a client which never completes it holds up nobody else."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, app: WsgiApp, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.app = app
        self.tls = tls
        self.transcript = transcript.wanted()
        super().__init__(("127.0.0.1", port), _RequestHandler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True)

    def server_bind(self) -> None:
        # the inherited one looks up the host's name, which may ask a name server
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = self.socket.accept()
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection cut on purpose (a fault) or by the client is nothing to tell; anything else is a bug."""
        error = sys.exc_info()[1]
        if not isinstance(error, (OSError, ssl.SSLError)):
            import traceback

            traceback.print_exc()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server_port}"

    @property
    def serving(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self.serving:
            end_loops([self])
        self.server_close()


def end_loops(servers: Sequence[socketserver.TCPServer]) -> None:
    """End their ``serve_forever``, all at once and without waiting for the next of the polls: each is woken by a
    connection or a packet of ours, which nobody answers any more."""
    ending = [threading.Thread(target=server.shutdown, daemon=True) for server in servers]
    for thread in ending:
        thread.start()
    for server, thread in zip(servers, ending, strict=True):
        while thread.is_alive():
            with contextlib.suppress(OSError), socket.socket(socket.AF_INET, server.socket_type) as waker:
                waker.settimeout(0.2)
                waker.connect(server.server_address)
                waker.send(b"")
            thread.join(0.02)


def listener_at(port: int, app: WsgiApp, tls: ssl.SSLContext | None = None) -> Listener:
    """On this port if it is free, else on another. port 0: on any."""
    try:
        return Listener(app, tls, port)
    except OSError:
        if not port:
            raise
        return Listener(app, tls)
