"""Answers of a cloud, bounded and from where they were asked for.

Whatever answers may be a proxy, a mistake or an attacker. So an answer has a bound in size (after decompression), in
depth and in time, no redirect is followed, and an address that an answer names is only asked where the client asks
anyway. https://docs.python.org/3/library/http.client.html
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from cloudlink.clouds.contact import CONTACT, place_of
from cloudlink.errors import CloudError, UnreachableError

MOST_BYTES = 16 * 1024 * 1024
MOST_SECONDS = 60.0  # for the head of an answer, and again for its body
MOST_DEPTH = 100  # of objects and lists in each other
_PIECE = 65_536
_LONGEST_WAIT = 86_400.0  # seconds; what asks for more is no number of seconds
_PORTS = {"https": 443, "http": 80}
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class UnboundedAnswer(UnreachableError):
    """An answer that does not end, or is too large to be one. What the call did is not known."""


class ForeignAddress(CloudError):
    """An answer sends us somewhere else. Nothing was sent there."""


def seconds_to_wait(retry_after: str | None, date: str | None = None) -> float | None:
    """What ``Retry-After`` asks for: a number of seconds, or a date, which counts from the answer's own ``Date`` (this
    machine's clock may be wrong). None: there is nothing to wait for. https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
    """
    from email.utils import parsedate_to_datetime

    asked = (retry_after or "").strip()
    try:
        seconds = float(asked)
    except ValueError:
        try:
            until = parsedate_to_datetime(asked).timestamp()
            seconds = until - (parsedate_to_datetime(date).timestamp() if date else time.time())
        except (ValueError, TypeError):
            return None
    return seconds if 0 < seconds < _LONGEST_WAIT else None


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what two addresses of one server have in common."""
    try:
        parts = urlsplit(url)
        return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme.lower(), 0)
    except ValueError:  # a port that is none, a bracket that is not closed
        return "", "", 0


def is_loopback(url: str) -> bool:
    return origin(url)[1] in LOOPBACK


def require_same_origin(url: str, base: str) -> None:
    """Raises ForeignAddress unless ``url`` is on the server of ``base``: before a token or a key is sent."""
    if origin(url) != origin(base) or not origin(url)[1]:
        raise ForeignAddress(
            "An answer names an address on another host",
            f"An answer of {_shown(base)} sends us to {_shown(url)}. Nothing was sent there: a token or a key could go "
            "to somebody else.",
            "Run the command again. If it stays, something between here and the cloud answers in its place: ask who "
            "runs this network.",
        )


def refuse_redirect(status: int, headers: Mapping[str, str], base: str) -> None:
    """Raises ForeignAddress for a redirect: none of the calls that we make is answered by one."""
    location = next((str(value) for name, value in headers.items() if str(name).lower() == "location"), "")
    if status in (301, 302, 303, 307, 308) and location:
        raise ForeignAddress(
            "A cloud's answer is a redirect",
            f"{_shown(base)} answered {status} and sends us to {_shown(location)}. It was not followed: with it a token or "
            "a key would go there.",
            "Look for a proxy or a sign-in page of this network that answers in the cloud's place, then run the command "
            "again.",
        )


def require_host(url: str, allowed: tuple[str, ...], what: str, hint: str) -> None:
    """Raises ForeignAddress unless ``url`` is https on a host below one of these names. what: whose address it is."""
    scheme, host, _ = origin(url)
    if scheme == "https" and any(host.endswith(f".{name}") for name in allowed):
        return
    wrong = "is not https" if scheme != "https" else "is not a host of that cloud"
    raise ForeignAddress(
        "An endpoint is not the cloud's",
        f"{what} is said to be at {_shown(url)}, which {wrong} ({', '.join(f'*.{name}' for name in allowed)}). Nothing was "
        "sent there.",
        hint,
    )


def read_whole(
    raw: Any,
    *,
    decode: bool,
    now: Callable[[], float] = time.monotonic,
    most_bytes: int | None = None,
    most_seconds: float | None = None,
) -> bytes:
    """The body of urllib3's response, read piece by piece. decode: undo its compression.

    read1 gives what is there; read would wait until a whole block has come, byte by byte.
    """
    most_bytes = MOST_BYTES if most_bytes is None else most_bytes
    most_seconds = MOST_SECONDS if most_seconds is None else most_seconds
    began, size = now(), 0
    pieces: list[bytes] = []
    read = getattr(raw, "read1", raw.read)
    while True:
        piece = read(_PIECE, decode_content=decode)
        if not piece:
            break
        size += len(piece)
        pieces.append(piece)
        if size > most_bytes:
            _drop(raw)
            raise UnboundedAnswer(
                "A cloud's answer is too large",
                f"It is larger than {most_bytes // (1024 * 1024)} MB, which no answer to our calls is; the rest was not read.",
                "Run the command again. If it stays, something between here and the cloud answers in its place.",
            )
        if now() - began > most_seconds:
            _drop(raw)
            raise UnboundedAnswer(
                "A cloud's answer does not end",
                f"Its body was still coming after {most_seconds:.0f} s; the rest was not waited for.",
                "Check the network and any proxy, then run the command again.",
            )
    with suppress(Exception):
        raw.release_conn()
    body = b"".join(pieces)
    require_depth(body)
    return body


def require_depth(body: bytes, most: int = MOST_DEPTH) -> None:
    """Raises UnboundedAnswer for JSON that is nested so deep that reading it would exhaust the stack."""
    if body.lstrip()[:1] not in (b"{", b"["):
        return
    if body.count(b"{") + body.count(b"[") <= most:
        return
    depth = 0
    for found in _BRACKETS.finditer(_STRINGS.sub(b"", body)):
        depth += 1 if found.group() in b"{[" else -1
        if depth > most:
            raise UnboundedAnswer(
                "A cloud's answer is nested too deep",
                f"Objects and lists lie more than {most} deep in each other; it was not read.",
                "Run the command again. If it stays, something between here and the cloud answers in its place.",
            )


def bound_heads(manager: Any, seconds: float | None = None, *, always_there: bool = True) -> None:
    """Make urllib3's pool manager give up on an answer whose head comes byte by byte, and where only is read on a host that is
    there no more (see ``contact``).

    A read's time-out starts again with every byte, so that it alone bounds nothing. always_there: its hosts can be reached from
    everywhere, as those of the clouds; a cluster's may be private.
    """
    manager.pool_classes_by_scheme = {
        scheme: _bounded_pool(pool, MOST_SECONDS if seconds is None else seconds, always_there)
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _bounded_pool(pool: Any, seconds: float, always_there: bool) -> Any:
    if getattr(pool.ConnectionCls, "is_bounded", False):
        return pool

    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        is_bounded = True

        def connect(self) -> None:
            CONTACT.require()
            began = CONTACT.now()
            try:
                super().connect()
            except Exception as error:
                CONTACT.no_connection(place_of(self), began, error, always_there=always_there)
                raise

        def getresponse(self, *arguments: Any, **options: Any) -> Any:
            too_late = threading.Event()
            watch = threading.Timer(seconds, _shut, (getattr(self, "sock", None), too_late))
            watch.daemon = True
            watch.start()
            gone = threading.Event()
            try:
                shut = partial(_shut, getattr(self, "sock", None), gone)
                with CONTACT.listening(place_of(self), shut, always_there=always_there):
                    answer = super().getresponse(*arguments, **options)
                    if gone.is_set():
                        raise TimeoutError("the host is there no more")
            finally:
                watch.cancel()
            if too_late.is_set():  # Python takes a head that was cut off for a whole one
                raise TimeoutError("the head of the answer did not end")
            return answer

    return type(f"Bounded{pool.__name__}", (pool,), {"ConnectionCls": Connection})


def _shut(sock: Any, too_late: threading.Event) -> None:
    import socket

    too_late.set()
    with suppress(OSError, AttributeError, ValueError):
        sock.shutdown(socket.SHUT_RDWR)


def _drop(raw: Any) -> None:
    """The connection is not used again: the rest of the answer is still in it."""
    with suppress(Exception):
        raw.close()


def _shown(url: str) -> str:
    """Without path, query, user and password, which may hold a signature or a secret."""
    scheme, host, port = origin(url)
    if not host:
        return "an address that cannot be read"
    return f"{scheme}://{host}" + (f":{port}" if port and port != _PORTS.get(scheme) else "")
