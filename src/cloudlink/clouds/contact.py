"""Whether the other side is still there, for commands that only read.

An SDK cannot tell a slow cloud from a network that is gone: it waits out its time-outs and tries again, several times.
Here each answer that is long in coming is accompanied by a second connection to the same host, through the same proxy: where
that comes about, the cloud is slow and is waited for; where it does not, twice, the run is told at once, and so is all else
that is under way or would begin. What writes is left to the SDKs and the engine: a short loss must not end an ``up``.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cloudlink.clouds.proxies import unreadable_proxy, url_of_proxy, variable_of
from cloudlink.errors import LostContactError

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """Seconds on the wall."""

    quiet: float = 6.0  # without the head of an answer, before it is looked whether the host is there
    again: float = 10.0  # until the next look, at one that is
    look: float = 5.0  # for a second connection, and again for the host's first words through it
    greeting: float = 12.0  # for these at the second look: a busy host takes connections long before it speaks
    failing: float = 9.0  # for which no connection came about, after which a host is lost


@dataclass(frozen=True)
class Place:
    """Where a connection goes to, as urllib3 has it."""

    host: str
    port: int
    tunnel: str = ""  # the host behind a proxy, which is then ``host``
    tunnel_port: int = 443
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # for the proxy, which may want a sign-in
    tls: bool = True

    @property
    def asked(self) -> str:
        return self.tunnel or self.host


@dataclass
class Contact:
    """What is known of the hosts that a run asks. Thread-safe."""

    limits: Limits = Limits()
    now: Callable[[], float] = time.monotonic
    watches: bool = field(default=False, init=False)
    lost: LostContactError | None = field(default=None, init=False)
    _answered: float | None = field(default=None, init=False)  # when any host answered last
    _failing: dict[str, float] = field(default_factory=dict, init=False)  # host -> since when
    _waits: dict[int, Callable[[], None]] = field(
        default_factory=dict, init=False
    )  # what ends each wait that is under way
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)

    @contextlib.contextmanager
    def reading(self, limits: Limits | None = None) -> Iterator[None]:
        """A command that writes nothing: it is told soon."""
        before = self.limits
        self.limits = limits or before
        self.lost, self._answered, self.watches = None, None, True
        self._failing.clear()
        try:
            yield
        finally:
            self.limits, self.watches = before, False

    def require(self) -> None:
        """Raises LostContactError where it is known already."""
        if self.watches and self.lost is not None:
            raise self.lost

    def answered(self, place: Place) -> None:
        with self._guard:
            self._answered = self.now()
            self._failing.pop(place.asked, None)

    def no_connection(self, place: Place, began: float, error: Exception, *, always_there: bool = True) -> None:
        """Raises LostContactError where none has come about for long, and no other host has answered meanwhile.

        always_there: the host can be reached from everywhere; a cluster's may be private, which is another thing to say.
        """
        if not self.watches:
            return
        self.require()
        with self._guard:
            since = self._failing.setdefault(place.asked, began)
            if self._answered is None:  # a proxy that refuses, or a name that is not known, has words of its own
                alone = type(error).__name__ in ("ConnectTimeoutError", "TimeoutError")
            else:
                alone = self._answered < since
        if alone and always_there and self.now() - since >= self.limits.failing:
            raise self.lose(place, self.now() - since) from error

    def lose(self, place: Place, seconds: float) -> LostContactError:
        with self._guard:
            if self.lost is None:
                through = f", through the proxy {place.host}:{place.port}" if place.tunnel else ""
                self.lost = LostContactError(
                    "The network was lost while the clouds were being read"
                    if self._answered is not None
                    else "No connection in time",
                    f"{place.asked} does not answer any more, and for {seconds:.0f} s no connection to it came about"
                    f"{through}. What was read before is not the whole, so it is not shown; nothing was changed.",
                    "Check the network, the VPN and any proxy (HTTPS_PROXY), then run the same command again.",
                )
            lost, waits = self.lost, list(self._waits.values())
            self._waits.clear()
        for shut in waits:
            shut()
        return lost

    def sign_in(self, place: Place, call: Callable[[], T]) -> T:
        """What the call answers, which is waited for no longer once the network is lost. place: what it wants to sign in to.

        A sign-in may go to any host and through any program (``az``), so it is no connection of ours that is watched or shut,
        and its SDK makes an error of its own of ours.
        Raises LostContactError.
        """
        if not self.watches:
            return call()
        self.require()
        answer: Future[T] = Future()
        ended = threading.Event()

        def run() -> None:
            try:
                answer.set_result(call())
            except Exception as error:  # noqa: BLE001 - raised again by who waits for it
                answer.set_exception(error)
            finally:
                ended.set()

        threading.Thread(target=run, daemon=True, name="sign-in").start()
        with self._watched(place, ended.set, always_there=True):
            ended.wait()
            return answer.result(0)  # TimeoutError: the network is lost

    @contextlib.contextmanager
    def listening(self, place: Place, shut: Callable[[], None], *, always_there: bool = True) -> Iterator[None]:
        """Around the wait for the head of an answer. shut: ends that wait. always_there: see ``no_connection``. Raises
        LostContactError."""
        if not self.watches:
            yield
            return
        self.require()
        with self._watched(place, shut, always_there=always_there):
            yield
        self.answered(place)

    @contextlib.contextmanager
    def _watched(self, place: Place, shut: Callable[[], None], *, always_there: bool) -> Iterator[None]:
        ended = threading.Event()
        with self._guard:
            if self.lost is not None:
                raise self.lost
            self._waits[id(ended)] = shut
        watch = threading.Thread(
            target=self._watch, args=(place, ended, shut, always_there), daemon=True, name="contact"
        )
        watch.start()
        try:
            yield
        except Exception as error:
            if self.lost is not None:
                raise self.lost from error
            raise
        finally:
            ended.set()
            with self._guard:
                self._waits.pop(id(ended), None)

    def _watch(self, place: Place, ended: threading.Event, shut: Callable[[], None], always_there: bool) -> None:
        began, wait = self.now(), self.limits.quiet
        while not ended.wait(wait):
            if self.lost is None and (
                not always_there
                or self._is_there(place, self.limits.look)
                or self._is_there(place, self.limits.greeting)
            ):
                wait = self.limits.again if always_there else 1.0
                continue
            if not ended.is_set():
                self.lose(place, self.now() - began)
                shut()
            return

    def _is_there(self, place: Place, greeting: float) -> bool:
        """Whether the host says a word through a second connection: a kernel takes connections for a process that is stopped.
        greeting: seconds for that word."""
        try:
            with socket.create_connection((place.host, place.port), self.limits.look) as plain:
                if place.tunnel and not _tunnelled(plain, place):
                    return False
                plain.settimeout(greeting)
                if not place.tls:
                    plain.sendall(f"OPTIONS * HTTP/1.1\r\nHost: {place.asked}\r\nConnection: close\r\n\r\n".encode())
                    return bool(plain.recv(1))
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent through it
                context.wrap_socket(plain, server_hostname=place.asked).close()
        except (TimeoutError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return False
        except ssl.SSLError:
            return True  # it has answered
        except (OSError, ValueError):
            return False
        return True


def _tunnelled(plain: socket.socket, place: Place) -> bool:
    lines = [f"CONNECT {place.tunnel}:{place.tunnel_port} HTTP/1.1", f"Host: {place.tunnel}:{place.tunnel_port}"]
    lines += [f"{name}: {value}" for name, value in place.headers]
    plain.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    head = b""
    while b"\r\n\r\n" not in head and len(head) < 8192:
        piece = plain.recv(1)  # not a byte of what follows, which is TLS
        if not piece:
            return False
        head += piece
    return b" 200" in head.partition(b"\r\n")[0]


CONTACT = Contact()
"""Of this process, whose clients of three SDKs have no other place in common."""


def place_of(connection: Any) -> Place:
    """Of urllib3's connection."""
    tunnel = str(getattr(connection, "_tunnel_host", None) or "")
    return Place(
        str(connection.host).strip("[]"),
        int(connection.port or 443),
        tunnel,
        int(getattr(connection, "_tunnel_port", None) or 443),
        tuple((str(n), str(v)) for n, v in (getattr(connection, "_tunnel_headers", None) or {}).items())
        if tunnel
        else (),
        str(getattr(connection, "default_port", 443)) == "443",
    )


def place_of_url(url: str, *, proxies: bool) -> Place:
    """Of a host that ``requests`` would ask. proxies: through the one that the environment names for it."""
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if tls else 80)
    proxy = _proxy_of(url) if proxies and tls else ""
    if not proxy:
        return Place(host, port, tls=tls)
    from requests.utils import get_auth_from_url
    from urllib3 import make_headers

    through = urlsplit(proxy)
    user, password = get_auth_from_url(proxy)
    signed = make_headers(proxy_basic_auth=f"{user}:{password}") if user else {}
    return Place(through.hostname or "", through.port or 80, host, port, tuple(signed.items()))


def _proxy_of(url: str) -> str:
    from requests.utils import get_environ_proxies, select_proxy

    found = str(select_proxy(url, get_environ_proxies(url)) or "")
    if found and not url_of_proxy(found):
        raise unreadable_proxy(variable_of(found))
    return url_of_proxy(found) if found else ""
