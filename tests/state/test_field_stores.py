"""What people report of states in S3 and in Azure's blobs, each with the store's own words (docs/field-cases.md)."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cloudlink.clouds.aws.parse_objects import StoredObject
from cloudlink.clouds.aws.state_store import S3Store
from cloudlink.clouds.azure.state_store import BlobStore
from cloudlink.core.object_store import Holder, LockHeld, LockLost
from cloudlink.errors import CloudlinkError, CredentialsError, StateError
from cloudlink_sandbox.process import Sandbox
from tests.clouds.hostile_peer import Peer, peer, plain
from tests.state.object_stores import Beats, Place, blob, endpoints, nobody_is_dead, s3, sandbox_with_stores
from tests.state.test_hostile_stores import STORES
from tests.state.test_remote_state import RECEIPT

ME = Holder("1", "me", "here", 1, "cloudlink up", 1.0, "")
KMS = (
    "User: arn:aws:iam::111122223333:user/me is not authorized to perform: kms:GenerateDataKey on resource: "
    "arn:aws:kms:eu-central-1:111122223333:key/1 because no identity-based policy allows the kms:GenerateDataKey action"
)
POLICY = (
    "User: arn:aws:iam::111122223333:user/me is not authorized to perform: s3:PutObject on resource: "
    '"arn:aws:s3:::team-state/demo/state.json.lock" with an explicit deny in a resource-based policy'
)


def s3_error(status: int, code: str, message: str = "no") -> bytes:
    return plain(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode())


def blob_error(status: int, code: str) -> bytes:
    return plain(status, b"", f"x-ms-error-code: {code}", "x-ms-request-id: 1")


ABSENT = s3_error(404, "NoSuchKey")


def by_method(answers: dict[str, bytes]) -> Callable[[socket.socket, bytes], bytes]:
    return lambda _sock, request: answers[request.split(b" ", 1)[0].decode()]


def refused(at: Peer, kind: str) -> CloudlinkError:
    with pytest.raises(CloudlinkError) as raised:
        STORES[kind](at).lock(ME, is_dead=nobody_is_dead)
    return raised.value


@pytest.mark.parametrize(
    ("message", "hint"),
    [(KMS, "kms:GenerateDataKey and kms:Decrypt"), (POLICY, "policy of the bucket"), ("Access Denied", "s3:PutObject")],
)
def test_a_denied_write_says_which_permission_or_policy(message: str, hint: str, tmp_path: Path) -> None:
    with peer(tmp_path / "p", by_method({"GET": ABSENT, "PUT": s3_error(403, "AccessDenied", message)})) as at:
        error = refused(at, "s3")
    assert isinstance(error, CredentialsError) and error.exit_code == 4
    assert hint in error.hint


def test_a_missing_object_is_denied_without_the_permission_to_list(tmp_path: Path) -> None:
    with peer(tmp_path / "p", by_method({"GET": s3_error(403, "AccessDenied", "Access Denied")})) as at:
        error = refused(at, "s3")
    assert error.exit_code == 4 and "s3:ListBucket on the bucket" in error.hint


def test_each_write_has_a_checksum_for_buckets_with_object_lock(tmp_path: Path) -> None:
    done = plain(200, b"", 'ETag: "1"')
    with peer(tmp_path / "p", by_method({"GET": ABSENT, "PUT": done})) as at:
        store = STORES["s3"](at)
        store.lock(ME, is_dead=nobody_is_dead)
        store.write("{}")
        writes = [r for r in at.arrived if r.startswith(b"PUT")]
    assert len(writes) == 2
    for request in writes:
        head, _, body = request.partition(b"\r\n\r\n")
        (found,) = re.findall(rb"(?i)content-md5: (\S+)", head)
        assert base64.b64decode(found) == hashlib.md5(body, usedforsecurity=False).digest()


def test_a_store_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    left = [s3_error(503, "SlowDown"), s3_error(500, "InternalError")]
    with peer(tmp_path / "p", lambda _sock, _request: left.pop() if left else ABSENT) as at:
        assert STORES["s3"](at).read() is None
    left = [blob_error(503, "ServerBusy"), blob_error(500, "InternalError")]
    with peer(tmp_path / "q", lambda _sock, _request: left.pop() if left else blob_error(404, "BlobNotFound")) as at:
        assert STORES["azblob"](at).read() is None


def test_a_wrong_clock_is_named(tmp_path: Path) -> None:
    with peer(tmp_path / "p", by_method({"GET": s3_error(403, "RequestTimeTooSkewed")})) as at:
        error = refused(at, "s3")
    assert (error.summary, error.exit_code) == ("This machine's clock is wrong", 4)


def test_a_lock_that_can_neither_be_made_nor_read_is_held_by_somebody_unknown(tmp_path: Path) -> None:
    answers = {"GET": ABSENT, "PUT": s3_error(412, "PreconditionFailed")}
    with (
        peer(tmp_path / "p", by_method(answers)) as at,
        pytest.raises(StateError, match="Another run holds") as raised,
    ):
        Beats().state(STORES["s3"](at)).__enter__()
    assert raised.value.exit_code == 7


@pytest.mark.parametrize(
    ("status", "code", "detail", "hint"),
    [
        (403, "AuthorizationFailure", "firewall", "Storage Blob Data Contributor"),
        (403, "AuthorizationPermissionMismatch", "AuthorizationPermissionMismatch", "Storage Blob Data Contributor"),
        (403, "PublicAccessNotPermitted", "PublicAccessNotPermitted", "Storage Blob Data Contributor"),
    ],
)
def test_what_keeps_a_run_from_a_blob_is_named(status: int, code: str, detail: str, hint: str, tmp_path: Path) -> None:
    with peer(tmp_path / "p", by_method({"HEAD": blob_error(status, code)})) as at:
        error = refused(at, "azblob")
    assert error.exit_code == 4
    assert detail in error.detail and hint in error.hint


def test_an_account_without_shared_keys_is_asked_with_a_token(tmp_path: Path) -> None:
    with peer(tmp_path / "p", by_method({"GET": blob_error(404, "BlobNotFound")})) as at:
        assert STORES["azblob"](at).read() is None
        (request,) = at.arrived
    assert b"Authorization: Bearer a-token" in request


def test_an_immutable_container_is_named(tmp_path: Path) -> None:
    answers = {"HEAD": blob_error(404, "BlobNotFound"), "PUT": blob_error(409, "BlobImmutableDueToPolicy")}
    with peer(tmp_path / "p", by_method(answers)) as at:
        error = refused(at, "azblob")
    assert error.exit_code == 7 and "immutab" in error.hint


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandbox_with_stores(tmp_path_factory.mktemp("field")) as running:
        yield running


def test_a_lease_of_somebody_elses_has_no_holder_and_can_be_broken(sandbox: Sandbox) -> None:
    """Such as one that a person took in the portal: without the metadata of a run, and without an end."""
    key = f"{uuid.uuid4()}.json"
    store = blob(endpoints(sandbox), key=key)
    store._make()
    taken = store._lease_call("acquire", {"x-ms-lease-duration": "-1", "x-ms-proposed-lease-id": str(uuid.uuid4())})
    assert taken.status_code == 201
    with pytest.raises(LockHeld) as raised:
        store.lock(ME, is_dead=nobody_is_dead)
    assert raised.value.held.holder is None
    held = store.held()
    assert held is not None
    store.break_lock(held)
    store.lock(ME, is_dead=nobody_is_dead)
    store.unlock()


def test_a_lock_that_may_not_be_deleted_is_told_and_ends_by_itself(sandbox: Sandbox) -> None:
    key = f"{uuid.uuid4()}.json"
    place = Place("s3", lambda: s3(endpoints(sandbox), key=key), sandbox)
    said: list[str] = []
    place.fault("denied", "aws.DeleteObject", "", times=9)
    with Beats().state(place.again(), tell=said.append) as state:
        state.put(RECEIPT)
    sandbox.context.faults.clear()
    assert any("could not be given back. It ends by itself" in text for text in said)
    place.wait(61)
    with Beats().state(place.again()) as state:
        assert set(state.receipts()) == {RECEIPT.address}


class _ReadsLate(S3Store):
    """Another run's write arrives between its read of the state and its own write, as often as it is told."""

    def __init__(self, store: S3Store, meanwhile: list[Callable[[], None]]) -> None:
        super().__init__(store._aws, store._bucket, store._key, sleep=store._sleep)
        self._meanwhile = meanwhile

    def _get(self, key: str) -> StoredObject | None:
        found = super()._get(key)
        if not key.endswith(".lock") and self._meanwhile:
            self._meanwhile.pop()()
        return found


def test_a_write_of_the_old_holder_between_two_calls_of_unlock(sandbox: Sandbox) -> None:
    store = s3(endpoints(sandbox), key=f"{uuid.uuid4()}.json")
    store.lock(ME, is_dead=nobody_is_dead)
    store.write("1")
    held = store.held()
    assert held is not None
    writes = iter("23456789")
    taker = _ReadsLate(store, [lambda: store.write(next(writes))] * 2)
    taker.break_lock(held)
    assert store.held() is None
    with pytest.raises(LockLost):
        store.write("last")
    assert taker.read() == "3\n"


def test_unlock_gives_up_where_the_old_holder_writes_all_the_time(sandbox: Sandbox) -> None:
    store = s3(endpoints(sandbox), key=f"{uuid.uuid4()}.json")
    store.lock(ME, is_dead=nobody_is_dead)
    store.write("1")
    held = store.held()
    assert held is not None
    writes = map(str, itertools.count(2))
    with pytest.raises(LockHeld):
        _ReadsLate(store, [lambda: store.write(next(writes))] * 20).break_lock(held)


class _BreaksLate(BlobStore):
    """A receipt of the holder arrives between the read of the blob and the call that breaks its lease."""

    meanwhile: list[Callable[[], None]]

    def _lease_call(self, action: str, headers: Mapping[str, str]) -> Any:
        if action == "break" and self.meanwhile:
            self.meanwhile.pop()()
        return super()._lease_call(action, headers)


@pytest.mark.parametrize(("receipts", "is_taken"), [(8, True), (40, False)])
def test_unlock_of_a_blob_whose_holder_writes_meanwhile(sandbox: Sandbox, receipts: int, is_taken: bool) -> None:
    key = f"{uuid.uuid4()}.json"
    store = blob(endpoints(sandbox), key=key)
    store.lock(ME, is_dead=nobody_is_dead)
    held = store.held()
    assert held is not None
    taker = blob(endpoints(sandbox), key=key)
    taker.__class__ = _BreaksLate
    assert isinstance(taker, _BreaksLate)
    taker.meanwhile = [partial(store.write, str(n)) for n in range(receipts)]
    if not is_taken:
        with pytest.raises(LockHeld):
            taker.break_lock(held)
        return
    taker.break_lock(held)
    assert store.held() is None
    with pytest.raises(LockLost):
        store.write("last")
