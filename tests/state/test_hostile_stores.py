"""An object store that does not behave: no answer of it is longer, deeper or slower than its bound, and each ends a run with
one message."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudlink.clouds import answers
from cloudlink.clouds.answers import UnboundedAnswer
from cloudlink.clouds.azure.session import AzureSession
from cloudlink.clouds.azure.state_store import BlobStore
from cloudlink.core.object_store import Holder, ObjectStore
from cloudlink.errors import CloudError, CloudlinkError, StateError
from cloudlink.state import RemoteState
from tests.clouds.hostile_peer import Peer, bomb, deep, drip, dripping_head, endless, peer, plain, redirect
from tests.clouds.test_hostile_peer import FixedToken, endpoints
from tests.state.object_stores import ACCOUNT, CONTAINER, KEY, SIDE, nobody_is_dead, s3

Answer = Callable[[socket.socket, bytes], "bytes | None"]
ME = Holder("1", "me", "here", 1, "cloudlink up", 1.0, "")


def _waited(_seconds: float) -> None:
    pass


def _blob(at: Peer) -> ObjectStore:
    session = AzureSession(SIDE, endpoints(at))
    session._made["credential"] = FixedToken()
    return BlobStore(session, SIDE, ACCOUNT, CONTAINER, KEY, base_url=at.url, sleep=_waited)


STORES: dict[str, Callable[[Peer], ObjectStore]] = {"s3": lambda at: s3(endpoints(at)), "azblob": _blob}
CALLS: dict[str, Callable[[ObjectStore], object]] = {
    "lock": lambda store: store.lock(ME, is_dead=nobody_is_dead),
    "read": lambda store: store.read(),
    "held": lambda store: store.held(),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(answers, "MOST_SECONDS", 0.6)
    yield


# To HEAD, with which a blob's lock begins, there is no body.
_HEADLESS = {("azblob", "lock"), ("azblob", "held")}


@pytest.mark.parametrize(
    ("kind", "call", "answer"),
    [
        (kind, call, answer)
        for kind in STORES
        for call in CALLS
        for answer in (endless, drip, dripping_head)
        if answer is dripping_head or (kind, call) not in _HEADLESS
    ],
)
def test_answers_of_a_store_are_bounded(kind: str, call: str, answer: Answer, tmp_path: Path) -> None:
    with peer(tmp_path / "peer", answer) as at:
        store = STORES[kind](at)
        with pytest.raises(CloudError) as raised:
            CALLS[call](store)
        assert raised.value.exit_code == 5 and raised.value.summary
        assert at.connections <= 5, "an answer without end is not asked for again and again"


def _object(answer: bytes) -> Answer:
    """As an object of a store: with the headers that both clouds give one."""
    head, _, body = answer.partition(b"\r\n\r\n")
    date = b"Fri, 27 Nov 2026 12:00:00 GMT"
    return lambda _sock, _request: (
        head + b'\r\nETag: "1"\r\nDate: ' + date + b"\r\nLast-Modified: " + date + b"\r\n\r\n" + body
    )


@pytest.mark.parametrize(
    "answer", [bomb(None, b""), deep(None, b""), plain(200, b"\xff\xfe")], ids=["bomb", "deep", "bytes"]
)
@pytest.mark.parametrize("kind", STORES)
def test_what_is_no_text_or_of_many_nested_lists_is_damaged(kind: str, answer: bytes, tmp_path: Path) -> None:
    """S3 is not asked to compress, so that nothing is decompressed; a blob's text is, up to its bound."""
    with (
        peer(tmp_path / "peer", _object(answer)) as at,
        pytest.raises((StateError, UnboundedAnswer)) as raised,
        RemoteState(STORES[kind](at), "demo", readonly=True),
    ):
        pass
    assert raised.value.exit_code in (5, 7)
    assert "damaged" in raised.value.summary or isinstance(raised.value, UnboundedAnswer)


@pytest.mark.parametrize("answer", [endless, drip, dripping_head])
@pytest.mark.parametrize("kind", STORES)
def test_a_run_ends_with_one_message(kind: str, answer: Answer, tmp_path: Path) -> None:
    with peer(tmp_path / "peer", answer) as at, pytest.raises(CloudlinkError) as raised:
        RemoteState(STORES[kind](at), "demo", command="cloudlink up").__enter__()
    assert raised.value.exit_code in (5, 7)
    assert raised.value.detail


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", STORES)
def test_a_store_sends_nothing_to_another_host(kind: str, call: str, tmp_path: Path) -> None:
    with peer(tmp_path / "thief", deep) as thief, peer(tmp_path / "peer", redirect(thief.url)) as at:
        with pytest.raises(CloudlinkError):
            CALLS[call](STORES[kind](at))
        assert (thief.connections, thief.arrived) == (0, [])
        assert at.arrived
