"""A state in an object store: two runs exclude each other, and one whose lock is lost writes nothing more."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudlink.core.object_store import Holder, LockHeld
from cloudlink.core.resource import Ownership, Receipt
from cloudlink.errors import CredentialsError, StateError
from cloudlink.state import RemoteState, StateFile, holders, state_path
from cloudlink_sandbox.process import Sandbox
from tests.state.object_stores import Beats, Place, blob, endpoints, s3, sandbox_with_stores

RECEIPT = Receipt("aws_vpn.gateway", "vgw-1", "ready", "abc", Ownership.OWNED, 1.0)
OTHER = Receipt("resolver.zone", "Z1", "ready", "def", Ownership.OWNED, 2.0)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandbox_with_stores(tmp_path_factory.mktemp("stores")) as running:
        yield running


@pytest.fixture(params=["s3", "azblob"])
def place(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Place]:
    key = f"{uuid.uuid4()}/demo.json"
    make = s3 if request.param == "s3" else blob
    yield Place(request.param, lambda: make(endpoints(sandbox), key=key), sandbox)
    sandbox.context.faults.clear()


def test_receipts_are_there_for_the_next_run_and_nothing_is_left_after_the_last(place: Place) -> None:
    beats = Beats()
    with beats.state(place.again()) as state:
        assert state.lost
        state.put(RECEIPT)
        state.put(OTHER)
        state.remove(OTHER.address)
    with beats.state(place.again(), readonly=True, command="cloudlink status") as state:
        assert state.receipts()[RECEIPT.address] == RECEIPT
    with beats.state(place.again()) as state:
        assert set(state.receipts()) == {RECEIPT.address}
        state.remove(RECEIPT.address)
        state.remove_if_empty()
    assert place.again().read() is None
    assert place.again().held() is None


def test_a_run_that_makes_nothing_leaves_nothing(place: Place) -> None:
    with Beats().state(place.again()):
        pass
    assert place.again().read() is None and place.again().held() is None


def test_two_runs_exclude_each_other_and_the_second_says_who_and_what_to_type(place: Place) -> None:
    beats = Beats()
    with beats.state(place.again()) as first:
        first.put(RECEIPT)
        with pytest.raises(StateError, match="Another run holds") as raised, beats.state(place.again()):
            pass
        for word in ("cloudlink up", holders.user(), holders.host(), "since", first.where):
            assert word in raised.value.detail
        assert "cloudlink unlock" in raised.value.hint
        with beats.state(place.again(), readonly=True) as reader:
            assert RECEIPT.address in reader.receipts()
    with beats.state(place.again()) as second:
        second.put(OTHER)


def test_of_many_runs_at_once_one_wins(place: Place) -> None:
    won: list[RemoteState] = []
    refused: list[str] = []
    start = threading.Barrier(6)

    def run() -> None:
        state = Beats().state(place.again())
        start.wait()
        try:
            state.__enter__()
            won.append(state)
        except StateError as error:
            refused.append(error.summary)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and refused == ["Another run holds this link"] * 5
    won[0].__exit__(None, None, None)


def test_a_lock_that_ended_is_taken_over_and_ends_the_older_run_before_its_next_write(place: Place) -> None:
    beats = Beats()
    with beats.state(place.again()) as older:
        older.put(RECEIPT)
        beats.time += 30
        place.wait(61)  # of the store's time: no sign of life has arrived
        with Beats().state(place.again()) as newer:
            assert RECEIPT.address in newer.receipts()
            with pytest.raises(StateError, match="lock of this link is lost") as raised:
                older.put(OTHER)
            assert "changes nothing more" in raised.value.detail
            assert RECEIPT.address in newer.receipts()
            newer.put(Receipt("azure_vpn.gateway", "gw", "ready", "x", Ownership.OWNED, 3.0))
            with pytest.raises(StateError, match="lost"):
                older.put(OTHER)
    content = json.loads(place.again().read() or "")
    assert set(content["resources"]) == {RECEIPT.address, "azure_vpn.gateway"}


def test_a_lock_that_ended_but_was_taken_by_nobody_is_renewed_before_the_write(place: Place) -> None:
    beats = Beats()
    with beats.state(place.again()) as state:
        beats.time += 100
        place.wait(100)
        state.put(RECEIPT)
    assert RECEIPT.address in (place.again().read() or "")


def test_signs_of_life_keep_the_lock(place: Place) -> None:
    beats = Beats()
    with beats.state(place.again()) as state:
        for _ in range(8):
            beats.time += 15
            place.wait(15)
            state.renew()
        with pytest.raises(StateError, match="Another run holds"), Beats().state(place.again()):
            pass
        state.put(RECEIPT)


def test_renewals_come_by_themselves(place: Place) -> None:
    asked: list[float] = []
    twice = threading.Event()

    def wait(stop: threading.Event, seconds: float) -> bool:
        asked.append(seconds)
        if len(asked) > 2:
            twice.set()
            return stop.wait(60)
        return stop.is_set()

    with RemoteState(place.again(), "demo", command="x", wait=wait) as state:
        assert twice.wait(20)
        state.put(RECEIPT)
    assert asked[0] == 15.0


def test_unlock_takes_the_lock_and_ends_the_run_before_its_next_write(place: Place) -> None:
    beats = Beats()
    with beats.state(place.again()) as state:
        state.put(RECEIPT)
        other = Beats().state(place.again())
        held = other.held()
        assert held is not None and held.holder is not None and held.holder.command == "cloudlink up"
        other.break_lock(held)
        assert other.held() is None
        with pytest.raises(StateError, match="lost"):
            state.put(OTHER)
    with Beats().state(place.again()) as state:
        assert set(state.receipts()) == {RECEIPT.address}


def test_unlock_leaves_another_lock_than_the_one_that_was_shown(place: Place) -> None:
    with Beats().state(place.again()):
        held = place.again().held()
    assert held is not None
    with Beats().state(place.again()) as newer:
        newer.put(RECEIPT)
        with pytest.raises(LockHeld):
            place.again().break_lock(held)
        with pytest.raises(StateError, match="Another run holds"):
            Beats().state(place.again()).break_lock(held)
        newer.put(OTHER)


def test_unlock_takes_the_lock_from_a_run_that_renews_it_and_writes_meanwhile(place: Place) -> None:
    """Between the question and its answer the run goes on."""
    beats = Beats()
    with beats.state(place.again()) as state:
        held = place.again().held()
        assert held is not None
        state.renew()
        state.put(RECEIPT)
        Beats().state(place.again()).break_lock(held)
        assert place.again().held() is None
        with pytest.raises(StateError, match="lost"):
            state.put(OTHER)


def test_unlock_of_a_lock_that_was_given_back_meanwhile(place: Place) -> None:
    with Beats().state(place.again()) as state:
        held = place.again().held()
        state.put(RECEIPT)
    assert held is not None
    place.again().break_lock(held)
    assert place.again().held() is None


def test_a_run_of_this_machine_that_is_dead_holds_nothing(place: Place) -> None:
    """Killed: it gave nothing back. Its process is known to be gone, and the next run need not wait for a minute."""
    store = place.again()
    gone = Holder(str(uuid.uuid4()), "me", holders.host(), 2**22 + 1, "cloudlink up", 1.0, holders.machine())
    store.lock(gone, is_dead=lambda _: False)
    elsewhere = Holder(str(uuid.uuid4()), "me", holders.host(), 2**22 + 1, "cloudlink up", 1.0, "another machine")
    assert not holders.is_dead(elsewhere)
    with Beats().state(place.again()) as state:
        state.put(RECEIPT)


def test_an_answer_that_is_lost_is_no_lost_lock(place: Place) -> None:
    with Beats().state(place.again()) as state:
        place.fault("cut-after", "aws.PutObject", "blob.PUT:blob")
        state.put(RECEIPT)
        place.fault("cut-after", "aws.PutObject", "blob.PUT:lease")
        state.renew()
        place.fault("cut-before", "aws.PutObject", "blob.PUT:blob")
        state.put(OTHER)
    assert OTHER.address in (place.again().read() or "")


def test_a_store_that_does_not_answer_ends_the_run_without_a_write(place: Place) -> None:
    with Beats().state(place.again()) as state:
        place.fault("error", "aws.PutObject", "blob.PUT:blob", times=50)
        with pytest.raises(StateError, match="state cannot be written") as raised:
            state.put(RECEIPT)
        assert raised.value.exit_code == 7 and "without a receipt" in raised.value.detail
        assert place.sandbox is not None
        place.sandbox.context.faults.clear()


def test_a_missing_permission_names_it(place: Place) -> None:
    place.fault("denied", "aws.GetObject", "blob.HEAD:blob", times=5)
    with pytest.raises(CredentialsError) as raised, Beats().state(place.again()):
        pass
    assert raised.value.exit_code == 4
    assert ("s3:PutObject" if place.kind == "s3" else "Storage Blob Data Contributor") in raised.value.hint


def test_a_link_is_its_name_and_its_place(place: Place) -> None:
    with Beats().state(place.again(), place={"aws.vpc": "vpc-1"}) as state:
        state.put(RECEIPT)
    with (
        pytest.raises(StateError, match="another place"),
        Beats().state(place.again(), place={"aws.vpc": "vpc-2"}),
    ):
        pass
    with pytest.raises(StateError, match="another link"), RemoteState(place.again(), "other", command="x"):
        pass
    assert place.again().held() is None, "who is refused holds nothing"


def test_nothing_secret_is_kept(place: Place) -> None:
    with Beats().state(place.again()) as state:
        state.put(RECEIPT)
        assert place.sandbox is not None
        secrets = [v for k, v in place.sandbox.address().items() if "secret" in k or "token" in k]
        held = place.again().held()
        assert held is not None and held.holder is not None
        shown = (place.again().read() or "") + held.holder.json()
    assert secrets and not any(s in shown for s in secrets)


# --- from a file ---------------------------------------------------------------------------------------------


def write(path: Path, *receipts: Receipt) -> None:
    with StateFile(path, "demo") as state:
        for receipt in receipts:
            state.put(receipt)


def test_a_file_of_before_is_taken_over_and_that_is_said(place: Place, tmp_path: Path) -> None:
    path = state_path(tmp_path / ".cloudlink", "demo")
    write(path, RECEIPT)
    said: list[str] = []
    with Beats().state(place.again(), local=path, readonly=True) as state:
        assert RECEIPT.address in state.receipts(), "a command that only reads sees it already"
    with Beats().state(place.again(), local=path, tell=said.append) as state:
        assert state.receipts()[RECEIPT.address] == RECEIPT
        assert not path.exists()
    (moved,) = (text for text in said if ".moved" in text)
    assert state.where in moved
    assert RECEIPT.address in (place.again().read() or "")
    with Beats().state(place.again(), local=path, tell=said.append):
        pass
    assert sum(".moved" in text for text in said) == 1


def test_a_take_over_that_was_killed_in_the_middle_goes_on(place: Place, tmp_path: Path) -> None:
    path = state_path(tmp_path / ".cloudlink", "demo")
    write(path, RECEIPT)
    with Beats().state(place.again()) as state:
        state.put(RECEIPT)  # written there, and the file not yet put aside
    with Beats().state(place.again(), local=path):
        pass
    assert not path.exists()


def test_two_states_that_differ_are_refused(place: Place, tmp_path: Path) -> None:
    path = state_path(tmp_path / ".cloudlink", "demo")
    write(path, RECEIPT)
    with Beats().state(place.again()) as state:
        state.put(OTHER)
    with pytest.raises(StateError, match="two states") as raised, Beats().state(place.again(), local=path):
        pass
    assert str(path) in raised.value.detail and state.where in raised.value.detail
    assert path.exists() and OTHER.address in (place.again().read() or "")
    assert place.again().held() is None


# --- each store's own ----------------------------------------------------------------------------------------


def test_what_is_not_there_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(StateError, match="bucket of the state does not exist") as raised:
        s3(endpoints(sandbox), bucket="no-such-bucket").read()
    assert "aws s3 mb s3://no-such-bucket" in raised.value.hint
    with pytest.raises(StateError, match="container of the state does not exist") as raised:
        blob(endpoints(sandbox), container="nothing").read()
    assert "az storage container create" in raised.value.hint


def test_a_bucket_in_another_region_is_named_and_not_followed(sandbox: Sandbox) -> None:
    before = len(sandbox.context.journal.calls())
    with pytest.raises(StateError, match="another region") as raised:
        s3(endpoints(sandbox), bucket="far-away").read()
    assert 'state.region = "us-west-2"' in raised.value.hint
    assert len(sandbox.context.journal.calls()) == before + 1
    assert s3(endpoints(sandbox), bucket="far-away", region="us-west-2").read() is None


def test_a_store_without_versions_is_a_warning(sandbox: Sandbox) -> None:
    said: list[str] = []
    sandbox.aws.buckets.by_name["team-state"].versioning = "Suspended"
    sandbox.blobs.accounts["teamstate"].versioned = False
    try:
        for make in (s3, blob):
            with Beats().state(make(endpoints(sandbox), key="unversioned.json"), tell=said.append):
                pass
    finally:
        sandbox.aws.buckets.by_name["team-state"].versioning = "Enabled"
        sandbox.blobs.accounts["teamstate"].versioned = True
    assert len(said) == 2
    assert "put-bucket-versioning" in said[0] and "--enable-versioning" in said[1]
    for make in (s3, blob):
        with Beats().state(make(endpoints(sandbox), key="versioned.json"), tell=said.append):
            pass
    assert len(said) == 2


def test_a_write_that_meets_another_one_is_repeated(sandbox: Sandbox) -> None:
    store = s3(endpoints(sandbox), key="conflict.json")
    place = Place("s3", lambda: store, sandbox)
    with Beats().state(store) as state:
        place.fault("conflict", "aws.PutObject", "")
        state.put(RECEIPT)
    assert RECEIPT.address in (store.read() or "")
