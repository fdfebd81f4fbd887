"""The server's side of one WebSocket, as RFC 6455 has it, on a connection that its HTTP server has handed over."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import struct

_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_LARGEST = 16 << 20


class Ended(Exception):
    """The client has closed, or it broke the rules."""


def accept_line(key: str) -> str:
    """What ``Sec-WebSocket-Accept`` must be for a ``Sec-WebSocket-Key``."""
    return base64.b64encode(hashlib.sha1((key + _MAGIC).encode(), usedforsecurity=False).digest()).decode()


class WebSocket:
    """Used by one thread: a TLS connection must not be read and written at the same time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._rest = b""
        self._parts: list[bytes] = []

    def fileno(self) -> int:
        return self._connection.fileno()

    def waiting(self) -> bool:
        """Whether there is something to read that ``select`` does not see."""
        return bool(self._rest) or (isinstance(self._connection, ssl.SSLSocket) and self._connection.pending() > 0)

    def open(self, key: str, protocol: str) -> None:
        """Answer the client's handshake."""
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Accept: {accept_line(key)}", f"Sec-WebSocket-Protocol: {protocol}", "", ""]
        self._connection.sendall("\r\n".join(lines).encode())

    def send(self, data: bytes) -> None:
        self._frame(_BINARY, data)

    def close(self) -> None:
        """Says that all is well (1000) and leaves the connection to its owner."""
        self._frame(_CLOSE, struct.pack("!H", 1000))

    def receive(self) -> bytes | None:
        """A whole message; None when what came was none (a ping, or a part). Raises Ended, OSError."""
        first, second = self._exactly(2)
        size = second & 127
        if size == 126:
            (size,) = struct.unpack("!H", self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._exactly(8))
        if not second & 128 or size > _LARGEST:
            raise Ended
        mask = self._exactly(4)
        # a mask of four bytes over everything: as one large number, for a byte at a time would be slow
        whole = mask * (size // 4) + mask[: size % 4]
        data = (int.from_bytes(self._exactly(size), "big") ^ int.from_bytes(whole, "big")).to_bytes(size, "big")
        match first & 15:
            case 8:
                raise Ended
            case 9:
                self._frame(_PONG, data)
                return None
            case 0 | 1 | 2:
                self._parts.append(data)
                if not first & 128:
                    return None
                message, self._parts = b"".join(self._parts), []
                return message
        return None

    def _frame(self, kind: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            head = struct.pack("!BB", 128 | kind, size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 128 | kind, 126, size)
        else:
            head = struct.pack("!BBQ", 128 | kind, 127, size)
        self._connection.sendall(head + data)

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            got = self._connection.recv(65536)
            if not got:
                raise Ended
            self._rest += got
        found, self._rest = self._rest[:size], self._rest[size:]
        return found
