"""A network that is lost while the clouds are only read is told soon; a slow cloud is waited for, and so is all in a write."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest
import urllib3
from azure.core.credentials import AccessToken

from cloudlink.clouds import answers
from cloudlink.clouds.azure.credential import CachedCredential
from cloudlink.clouds.azure.session import AzureSession
from cloudlink.clouds.contact import CONTACT, Contact, Limits, Place, place_of_url
from cloudlink.clouds.errors import unknown_outcome
from cloudlink.errors import CloudlinkError, LostContactError
from tests.support.aws_sandbox import aws_link

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SOON = Limits(quiet=0.2, again=0.2, look=0.2, greeting=0.4, failing=0.3)


class Server:
    """Answers the first request of each connection at once, and what follows after ``slow`` seconds; lost: no more."""

    def __init__(self, slow: float = 0.0) -> None:
        self.slow, self.lost = slow, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self.held.append(self.listener.accept()[0])
                threading.Thread(target=self._serve, args=(self.held[-1],), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        first = True
        with suppress(OSError):
            while peer.recv(65536):
                self.lost.wait(0 if first else self.slow)
                if not self.lost.is_set():
                    peer.sendall(OK)
                first = False

    def lose(self) -> None:
        """As a network does that goes away: what is connected stays so in silence, and nothing new is taken."""
        self.lost.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def close(self) -> None:
        self.lose()
        for peer in self.held:
            peer.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def asker(server: Server, *, always_there: bool = True, seconds: float = 60.0) -> Callable[[], int]:
    pools = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30), retries=False)
    answers.bound_heads(pools, seconds, always_there=always_there)
    return lambda: pools.request("GET", f"http://127.0.0.1:{server.port}/").status


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def test_a_host_that_falls_silent_is_told_by_its_name_and_all_that_follows_ends_at_once(server: Server) -> None:
    ask = asker(server)
    with CONTACT.reading(SOON):
        assert ask() == 200
        server.lose()
        with within(5), pytest.raises(LostContactError) as caught:
            ask()
        assert "127.0.0.1 does not answer any more" in caught.value.detail
        assert caught.value.exit_code == 5 and "run the same command again" in caught.value.hint
        assert not unknown_outcome(caught.value), "another read would wait as long"
        with within(0.2), pytest.raises(LostContactError):
            asker(server)()


def test_a_connection_that_does_not_come_about_any_more_ends_the_tries(server: Server) -> None:
    with CONTACT.reading(SOON):
        assert asker(server)() == 200
        server.lose()
        tries = 0
        with within(5), pytest.raises(LostContactError):
            while True:
                tries += 1
                try:
                    asker(server)()
                except urllib3.exceptions.HTTPError:
                    time.sleep(0.05)
        assert tries > 1, "once may be a loss of packets"


def test_a_slow_cloud_is_waited_for() -> None:
    slow = Server(slow=1.5)
    try:
        ask = asker(slow)
        with CONTACT.reading(SOON):
            assert [ask(), ask()] == [200, 200]
    finally:
        slow.close()


def test_what_writes_is_left_to_those_who_try_again(server: Server) -> None:
    """An ``up`` outlives a loss of minutes: its calls end by their own time-outs, as what may pass."""
    ask = asker(server, seconds=1.5)
    assert ask() == 200
    server.lose()
    began = time.monotonic()
    with pytest.raises(Exception) as caught:
        ask()
    assert not isinstance(caught.value, CloudlinkError) and time.monotonic() - began > 1


def test_a_cluster_that_was_never_reached_is_not_the_network(server: Server) -> None:
    """A private API: it is told in its own words, and the rest is read."""
    with CONTACT.reading(SOON):
        assert asker(server)() == 200
        away = Server()
        away.lose()
        time.sleep(0.4)
        began = time.monotonic()
        while time.monotonic() - began < 0.8:
            with pytest.raises(urllib3.exceptions.HTTPError):
                asker(away, always_there=False)()
        assert asker(server)() == 200


def test_while_others_answer_a_host_out_of_reach_is_not_the_network(server: Server) -> None:
    with CONTACT.reading(SOON):
        away = Server()
        away.lose()
        for _ in range(8):
            assert asker(server)() == 200
            with pytest.raises(urllib3.exceptions.HTTPError):
                asker(away)()
            time.sleep(0.06)


def test_behind_a_proxy_the_second_connection_goes_through_it() -> None:
    """A proxy that takes connections, and gets none to the host: lost. The host is named, and the proxy."""
    said: list[bytes] = []
    proxy = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                peer = proxy.accept()[0]
                said.append(peer.recv(65536))
                peer.sendall(b"HTTP/1.1 504 Gateway Timeout\r\n\r\n")
                peer.close()

    threading.Thread(target=serve, daemon=True).start()
    place = Place("127.0.0.1", int(proxy.getsockname()[1]), "ec2.eu-central-1.amazonaws.com", 443, (("X-A", "b"),))
    ended = threading.Event()
    with CONTACT.reading(SOON):
        CONTACT._watch(place, threading.Event(), ended.set, True)
        assert ended.is_set() and CONTACT.lost is not None
        assert "ec2.eu-central-1.amazonaws.com does not answer" in CONTACT.lost.detail
        assert f"through the proxy 127.0.0.1:{place.port}" in CONTACT.lost.detail
    assert said[0].startswith(b"CONNECT ec2.eu-central-1.amazonaws.com:443 HTTP/1.1\r\n") and b"X-A: b" in said[0]
    proxy.close()


class Silent:
    """Takes connections, as the kernel does for a process that is stopped, and says its first word after ``first`` seconds."""

    def __init__(self, first: float | None) -> None:
        self.listener, self.held = socket.create_server(("127.0.0.1", 0)), list[socket.socket]()
        self.place = Place("127.0.0.1", int(self.listener.getsockname()[1]), tls=False)
        self.ended = threading.Event()
        threading.Thread(target=self._accept, args=(first,), daemon=True).start()

    def _accept(self, first: float | None) -> None:
        with suppress(OSError):
            while True:
                self.held.append(self.listener.accept()[0])
                if first is not None:
                    threading.Timer(first, self._speak, (self.held[-1],)).start()

    def _speak(self, peer: socket.socket) -> None:
        with suppress(OSError):
            peer.sendall(OK)

    def close(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        for one in (self.listener, *self.held):
            one.close()


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize(("first", "there"), [(0.6, True), (None, False)])
def test_a_busy_host_is_given_longer_for_its_first_word_and_a_stopped_one_is_lost(
    first: float | None, tls: bool, there: bool
) -> None:
    host = Silent(first)
    limits = Limits(quiet=0.1, again=30, look=0.2, greeting=2.0 if there else 0.5)
    place = Place(
        "127.0.0.1", host.place.port, tls=tls
    )  # over TLS these words are an error, which is an answer as well
    ended, shut = threading.Event(), threading.Event()
    with CONTACT.reading(limits):
        watch = threading.Thread(target=CONTACT._watch, args=(place, ended, shut.set, True))
        watch.start()
        assert shut.wait(1.6) is not there
        assert (CONTACT.lost is None) is there
        ended.set()
        watch.join(5)
    host.close()


def test_over_plain_http_a_word_of_http_is_what_counts() -> None:
    """A server may close a connection that greets it in TLS without a word."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        taken, _ = listener.accept()
        with taken:
            if taken.recv(64).startswith(b"OPTIONS * HTTP/1.1"):
                taken.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    place = Place("127.0.0.1", int(listener.getsockname()[1]), tls=False)
    assert Contact()._is_there(place, 5)
    listener.close()


def test_the_limits_end_a_run_within_half_a_minute() -> None:
    limits = Limits()
    assert limits.again + limits.look + limits.greeting <= 30, "seconds after the last look at a host that was there"
    assert limits.greeting >= 2 * limits.look


def test_what_waits_for_another_host_ends_with_the_one_that_is_lost(server: Server) -> None:
    """It would have looked at its own host much later."""
    away = Silent(None)
    with CONTACT.reading(Limits(quiet=60)), within(5), pytest.raises(LostContactError):
        threading.Timer(0.3, CONTACT.lose, (away.place, 16)).start()
        pools = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30), retries=False)
        answers.bound_heads(pools)
        pools.request("GET", f"http://127.0.0.1:{away.place.port}/")
    away.close()


def test_a_sign_in_through_another_program_is_not_waited_for_once_the_network_is_lost() -> None:
    """``az`` and MSAL try for minutes, and no connection of theirs is ours to shut."""
    lost, never = Silent(None), threading.Event()
    with CONTACT.reading(Limits(quiet=0.1, look=0.2, greeting=0.2)):
        credential = CachedCredential(Asked(never.wait), waited=partial(CONTACT.sign_in, lost.place))
        with within(5), pytest.raises(LostContactError) as caught:
            credential.get_token("a/.default")
        assert caught.value.exit_code == 5
    never.set()
    lost.close()


def test_a_loss_is_not_told_as_a_sign_in_that_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """MSAL makes an error of authentication of whatever its transport raises."""

    def refuse() -> None:
        try:
            raise CONTACT.lose(place, 16)
        except LostContactError as error:
            raise OSError(f"Authentication failed: {error}") from error

    place = Place("127.0.0.1", 9)
    with CONTACT.reading(SOON):
        monkeypatch.setattr(AzureSession, "_make_credential", lambda _: Asked(refuse))
        session = AzureSession(aws_link().azure, None)
        for _ in range(2):
            with pytest.raises(LostContactError):
                session.sign_in()


def test_a_sign_in_that_is_slow_or_refused_keeps_its_own_answer(server: Server) -> None:
    place = Place("127.0.0.1", server.port, tls=False)

    def refuse() -> None:
        raise OSError("AADSTS700024")

    with CONTACT.reading(SOON):
        slow = CachedCredential(Asked(lambda: threading.Event().wait(1.2)), waited=partial(CONTACT.sign_in, place))
        assert slow.get_token("a/.default").token == "t"
        with pytest.raises(OSError, match="AADSTS700024"):
            CachedCredential(Asked(refuse), waited=partial(CONTACT.sign_in, place)).get_token("a/.default")


class Asked:
    """A credential. does: before it gives its token."""

    def __init__(self, does: Callable[[], object]) -> None:
        self._does = does

    def get_token(self, *_: str, **_options: object) -> AccessToken:
        self._does()
        return AccessToken("t", int(time.time()) + 3600)


@pytest.mark.parametrize(
    ("url", "proxy", "no_proxy", "expected"),
    [
        ("https://management.azure.com", "", "", Place("management.azure.com", 443)),
        ("http://127.0.0.1:80", "http://p:3128", "", Place("127.0.0.1", 80, tls=False)),
        ("https://management.azure.com", "http://p:3128", "management.azure.com", Place("management.azure.com", 443)),
        ("https://management.azure.com", "p:3128", "", Place("p", 3128, "management.azure.com", 443)),
        (
            "https://management.azure.com",
            "http://u:w%40@p:3128",
            "",
            Place("p", 3128, "management.azure.com", 443, (("proxy-authorization", "Basic dTp3QA=="),)),
        ),
    ],
)
def test_a_sign_in_is_watched_through_the_proxy_of_the_environment(
    url: str, proxy: str, no_proxy: str, expected: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert place_of_url(url, proxies=True) == expected
    assert place_of_url(url, proxies=False).tunnel == ""
