"""How strongSwan's daemon is spoken to: its socket takes what is never to be in a file, such as a key.

https://github.com/strongswan/strongswan/blob/master/src/libcharon/plugins/vici/README.md
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

_REQUEST, _RESPONSE, _UNKNOWN, _REGISTER, _UNREGISTER, _CONFIRM, _NO_EVENT, _EVENT = range(8)
_SECTION, _SECTION_END, _PAIR, _LIST, _ITEM, _LIST_END = range(1, 7)


class ViciError(Exception):
    """The daemon refused, or is gone."""


class Vici:
    """One conversation. Not for several threads."""

    def __init__(self, path: str, timeout: float = 10.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(path)

    def close(self) -> None:
        self._socket.close()

    def ask(self, command: str, message: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Raises ViciError for a refusal, with the daemon's own words."""
        self._send(_REQUEST, command, message)
        kind, answer = self._receive()
        if kind != _RESPONSE:
            raise ViciError(f"no answer to {command}")
        found = decoded(answer)
        if found.get("success") == "no":
            raise ViciError(str(found.get("errmsg") or f"{command} failed"))
        return found

    def stream(self, command: str, event: str, message: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """What the command tells in events until its answer."""
        self._send(_REGISTER, event, None)
        if self._receive()[0] != _CONFIRM:
            raise ViciError(f"no event {event}")
        self._send(_REQUEST, command, message)
        found = []
        while True:
            kind, answer = self._receive()
            if kind == _RESPONSE:
                break
            if kind == _EVENT:
                found.append(decoded(answer[1 + answer[0] :]))
        self._send(_UNREGISTER, event, None)
        self._receive()
        return found

    def _send(self, kind: int, name: str, message: Mapping[str, Any] | None) -> None:
        body = bytes([kind, len(name)]) + name.encode() + (encoded(message) if message else b"")
        self._wrapped(lambda: self._socket.sendall(struct.pack(">I", len(body)) + body))

    def _receive(self) -> tuple[int, bytes]:
        size = struct.unpack(">I", self._read(4))[0]
        body = self._read(size)
        return body[0], body[1:]

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            left = size - len(found)
            piece = self._wrapped(partial(self._socket.recv, left))
            if not piece:
                raise ViciError("the daemon is gone")
            found += piece
        return found

    def _wrapped(self, call: Any) -> Any:
        try:
            return call()
        except OSError as error:
            raise ViciError(f"the daemon does not answer ({error})") from error


@contextlib.contextmanager
def opened(path: str, timeout: float = 10.0) -> Iterator[Vici]:
    try:
        made = Vici(path, timeout)
    except OSError as error:
        raise ViciError(f"the daemon is not there ({error.strerror})") from error
    try:
        yield made
    finally:
        made.close()


def encoded(message: Mapping[str, Any]) -> bytes:
    """A dictionary of texts, lists of texts, and such dictionaries."""
    found = b""
    for key, value in message.items():
        name = bytes([len(key)]) + key.encode()
        if isinstance(value, Mapping):
            found += bytes([_SECTION]) + name + encoded(value) + bytes([_SECTION_END])
        elif isinstance(value, list | tuple):
            items = b"".join(bytes([_ITEM]) + _text(str(item)) for item in value)
            found += bytes([_LIST]) + name + items + bytes([_LIST_END])
        else:
            found += bytes([_PAIR]) + name + _text(str(value))
    return found


def decoded(data: bytes) -> dict[str, Any]:
    found, _ = _section(data, 0)
    return found


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack(">H", len(raw)) + raw


def _section(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while at < len(data):
        kind = data[at]
        at += 1
        if kind == _SECTION_END:
            break
        name = data[at + 1 : at + 1 + data[at]].decode()
        at += 1 + data[at]
        if kind == _SECTION:
            found[name], at = _section(data, at)
        elif kind == _PAIR:
            found[name], at = _value(data, at)
        else:
            items = []
            while data[at] == _ITEM:
                item, at = _value(data, at + 1)
                items.append(item)
            found[name], at = items, at + 1
    return found, at


def _value(data: bytes, at: int) -> tuple[str, int]:
    size = struct.unpack(">H", data[at : at + 2])[0]
    return data[at + 2 : at + 2 + size].decode(errors="replace"), at + 2 + size
