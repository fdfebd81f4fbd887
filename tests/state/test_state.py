"""The state file: what is kept, who may hold it, and what happens to one that is damaged, foreign or newer."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudlink.core.resource import Ownership, Receipt
from cloudlink.errors import StateError
from cloudlink.state import FORMAT, StateFile, state_path

RECEIPT = Receipt("aws_vpn.gateway", "vgw-1", "ready", "abc", Ownership.OWNED, 12.5, "", {"was": True})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return state_path(tmp_path / ".cloudlink", "demo")


def write(path: Path, *receipts: Receipt) -> None:
    with StateFile(path, "demo") as state:
        for receipt in receipts:
            state.put(receipt)


def test_what_is_put_is_there_again(path: Path) -> None:
    write(path, RECEIPT)
    with StateFile(path, "demo") as state:
        assert state.receipts()["aws_vpn.gateway"] == RECEIPT
        assert not state.lost
        state.remove("aws_vpn.gateway")
    with StateFile(path, "demo") as state:
        assert not state.receipts()
        state.remove_if_empty()
    assert not path.exists()


def test_file_and_folder_are_private(path: Path) -> None:
    write(path, RECEIPT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_previous_serial_is_kept(path: Path) -> None:
    write(path, RECEIPT)
    with StateFile(path, "demo") as state:
        state.remove(RECEIPT.address)
    previous = json.loads(path.with_name(path.name + ".previous").read_text())
    now = json.loads(path.read_text())
    assert previous["serial"] == now["serial"] - 1
    assert list(previous["resources"]) == [RECEIPT.address]


def test_the_command_that_wrote_last_is_known(path: Path) -> None:
    with StateFile(path, "demo", command="cloudlink up") as state:
        state.put(RECEIPT)
    with StateFile(path, "demo", command="cloudlink teardown") as state:
        assert state.written_by == "cloudlink up"
        state.put(RECEIPT)
    with StateFile(path, "demo", command="status", readonly=True) as state:
        assert state.written_by == "cloudlink teardown"
    content = json.loads(path.read_text())
    del content["command"]  # as versions before 0.2 wrote it
    path.write_text(json.dumps(content))
    with StateFile(path, "demo", readonly=True) as state:
        assert state.written_by == "" and RECEIPT.address in state.receipts()


def with_note(note: object) -> bytes:
    """A file whose note of what was there before is this."""
    receipt = {"id": "x", "phase": "ready", "spec_hash": "", "owned": "shared", "since": 1.0, "before": note}
    content = {"format": FORMAT, "link": "demo", "serial": 1, "resources": {"resolver.vpc_dns": receipt}}
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    "note", [None, [], ["rtb-1"], {"support": True, "hostnames": False}, {"ours": ["169.254.21.2"]}]
)
def test_a_note_is_read_as_it_was_written(path: Path, note: object) -> None:
    path.parent.mkdir()
    path.write_bytes(with_note(note))
    path.chmod(0o600)
    with StateFile(path, "demo") as state:
        assert state.receipts()["resolver.vpc_dns"].prior_state == note


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "damaged"),
        (b"{", "damaged"),
        (b"[]", "damaged"),
        (b"\xff\xfe", "cannot be read"),
        (b'{"format": "x"}', "damaged"),
        (json.dumps({"format": FORMAT + 1}).encode(), "newer version"),
        (json.dumps({"format": FORMAT, "link": "other", "serial": 1, "resources": {}}).encode(), "another link"),
        (json.dumps({"format": FORMAT, "link": "demo", "serial": 1, "resources": {"a": 1}}).encode(), "damaged"),
        *((with_note(note), "damaged") for note in (5, "rtb-1", [1], [["rtb-1"]], {"support": 1}, {"there": [1]})),
    ],
)
def test_a_file_that_is_not_ours_is_refused_and_left(path: Path, content: bytes, says: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StateError) as raised, StateFile(path, "demo"):
        pass
    assert says in raised.value.summary
    assert raised.value.hint
    assert path.read_bytes() == content


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 400))
def test_a_file_cut_anywhere_is_refused(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = state_path(tmp_path_factory.mktemp("s") / ".cloudlink", "demo")
    write(path, RECEIPT)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    if cut >= len(whole) - 1:
        return
    with pytest.raises(StateError), StateFile(path, "demo"):
        pass


def test_one_that_others_can_write_is_refused(path: Path) -> None:
    write(path, RECEIPT)
    path.chmod(0o662)
    with pytest.raises(StateError, match="written by others"), StateFile(path, "demo"):
        pass


def test_a_second_run_is_told_who_holds_it(path: Path) -> None:
    with StateFile(path, "demo", command="cloudlink up"):
        with pytest.raises(StateError, match="Another run holds") as raised, StateFile(path, "demo"):
            pass
        assert "cloudlink up" in raised.value.detail
        assert str(os.getpid()) in raised.value.detail
        with StateFile(path, "demo", readonly=True):
            pass


def test_the_lock_of_a_killed_process_is_taken_over(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    program = (
        "import sys, time; from pathlib import Path; from cloudlink.state import StateFile\n"
        f"with StateFile(Path({str(path)!r}), 'demo', command='x'): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(StateError), StateFile(path, "demo"):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with StateFile(path, "demo") as state:
        state.put(RECEIPT)


def test_the_lock_of_another_host_is_respected(path: Path) -> None:
    write(path)
    lock = path.with_name(path.name + ".lock")
    lock.write_text(json.dumps({"pid": 1, "host": "elsewhere", "user": "eve", "since": time.time(), "command": "up"}))
    with pytest.raises(StateError, match="Another host") as raised, StateFile(path, "demo"):
        pass
    assert "elsewhere" in raised.value.detail


def test_a_full_disk_stops_the_run_and_keeps_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, RECEIPT)
    whole = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with StateFile(path, "demo") as state:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StateError, match="cannot be written"):
            state.remove(RECEIPT.address)
    assert path.read_bytes() == whole
    assert not list(path.parent.glob(".*.json.*"))


def test_a_reader_cannot_write(path: Path) -> None:
    write(path, RECEIPT)
    with StateFile(path, "demo", readonly=True) as state, pytest.raises(AssertionError):
        state.put(RECEIPT)
