"""The state file where the disk, the clock and older cloudlinks are not as one would wish."""

from __future__ import annotations

import errno
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import pytest

from cloudlink import state as module
from cloudlink.core.resource import Ownership, Receipt
from cloudlink.errors import StateError
from cloudlink.state import FORMAT, Disk, StateFile, document, state_path

FORMATS = Path(__file__).parent / "state_formats"
RECEIPT = Receipt("aws_vpn.gateway", "vgw-1", "ready", "abc", Ownership.OWNED, 12.5, "", {"was": True})
OTHER = replace(RECEIPT, address="resolver.zone", id="Z1", prior_state=None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return state_path(tmp_path / ".cloudlink", "demo")


# --- disk ---------------------------------------------------------------------------------------------------


class BadDisk(Disk):
    """refuses: what fails, with which error; told: what was done, in order."""

    def __init__(self) -> None:
        self.refuses: dict[str, int] = {}
        self.told: list[str] = []

    def _may(self, what: str) -> None:
        self.told.append(what)
        if what in self.refuses:
            raise OSError(self.refuses[what], os.strerror(self.refuses[what]))

    def create(self, path: Path) -> TextIO:
        if "new content" in self.refuses:
            return Path("/dev/full").open("w")  # a disk on which nothing more has room, without any pretence
        self._may("new file")
        return super().create(path)

    def sync(self, out: TextIO) -> None:
        self._may(f"file of {os.fstat(out.fileno()).st_size} bytes to disk")
        super().sync(out)

    def link(self, path: Path, other: Path) -> None:
        self._may("keep the previous")
        super().link(path, other)

    def rename(self, path: Path, target: Path) -> None:
        self._may("rename")
        super().rename(path, target)

    def sync_folder(self, folder: Path) -> None:
        self._may("folder to disk")
        super().sync_folder(folder)


@pytest.fixture
def disk() -> BadDisk:
    return BadDisk()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("what", ["new file", "rename", "folder to disk", "new content"])
def test_whatever_the_disk_refuses_nothing_is_lost(path: Path, disk: BadDisk, what: str, error: int) -> None:
    with StateFile(path, "demo", disk=disk) as state:
        state.put(RECEIPT)
        disk.refuses = {what: error}
        with pytest.raises(StateError, match="cannot be written") as raised:
            state.put(OTHER)
        assert raised.value.exit_code == 7
        assert str(path) in raised.value.detail
        assert os.strerror(errno.ENOSPC if what == "new content" else error) in raised.value.detail
        assert "same command again" in raised.value.hint
        assert not list(path.parent.glob(".*.json.*")), "no half of a file is left"
        disk.refuses = {}
        kept = set(json.loads(path.read_text())["resources"])
        assert kept >= {RECEIPT.address}
        state.put(OTHER)  # there is room again
    with StateFile(path, "demo", readonly=True) as state:
        assert dict(state.receipts()) == {r.address: r for r in (RECEIPT, OTHER)}


def test_a_file_system_without_links_keeps_the_previous_all_the_same(path: Path, disk: BadDisk) -> None:
    disk.refuses = {"keep the previous": errno.EPERM}
    with StateFile(path, "demo", disk=disk) as state:
        state.put(RECEIPT)
        state.put(OTHER)
    previous = path.with_name(path.name + ".previous")
    assert list(json.loads(previous.read_text())["resources"]) == [RECEIPT.address]
    assert previous.stat().st_mode & 0o777 == 0o600


def test_a_power_cut_finds_the_old_file_or_the_new_one(path: Path, disk: BadDisk) -> None:
    """All of the content is on the disk before the name points at it, and the name before the cloud is called."""
    with StateFile(path, "demo", disk=disk) as state:
        state.put(RECEIPT)
        disk.told.clear()
        state.put(OTHER)
    size = path.stat().st_size
    assert disk.told == [
        "new file",
        f"file of {size} bytes to disk",
        "keep the previous",
        "rename",
        "folder to disk",
    ]


def test_what_a_power_cut_left_between_write_and_rename_is_swept(path: Path) -> None:
    with StateFile(path, "demo") as state:
        state.put(RECEIPT)
    half = path.with_name(f".{path.name}.4711")
    half.write_text(path.read_text()[:40])
    with StateFile(path, "demo") as state:
        assert state.receipts()[RECEIPT.address] == RECEIPT
    assert not half.exists()


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_done() -> None:
    """/proc takes no folders, not even root's."""
    with (
        pytest.raises(StateError, match="folder cannot be written") as raised,
        StateFile(Path("/proc/cloudlink/demo.state.json"), "demo"),
    ):
        pass
    assert raised.value.exit_code == 7
    assert "picked up" in raised.value.detail


def test_whoever_only_looks_needs_no_folder_to_write_to(tmp_path: Path) -> None:
    with StateFile(tmp_path / "nothing" / "demo.state.json", "demo", readonly=True) as state:
        assert state.lost
    assert list(tmp_path.iterdir()) == []


# --- formats ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(1, FORMAT + 1))
def test_every_format_that_ever_was_is_read(path: Path, number: int) -> None:
    """Whoever raises FORMAT writes a migration, and leaves the fixture of the format before as it is."""
    path.parent.mkdir(mode=0o700)
    path.write_bytes((FORMATS / f"format-{number}.json").read_bytes())
    path.chmod(0o600)
    with StateFile(path, "demo") as state:
        receipts = dict(state.receipts())
        assert receipts["azure_vpn.gateway"] == Receipt(
            "azure_vpn.gateway",
            "/subscriptions/s/gw",
            "creating",
            "5f1d",
            Ownership.OWNED,
            1795415272.5,
            "create",
            None,
        )
        assert receipts["aws_vpn.route_propagation"].owned is Ownership.SHARED
        assert receipts["aws_vpn.route_propagation"].prior_state == ["rtb-2"]
        state.put(RECEIPT)
    assert json.loads(path.read_text())["format"] == FORMAT
    with StateFile(path, "demo", readonly=True) as state:
        assert dict(state.receipts()) == {**receipts, RECEIPT.address: RECEIPT}


def test_there_is_a_fixture_for_each_format() -> None:
    assert {p.name for p in FORMATS.iterdir()} == {f"format-{n}.json" for n in range(1, FORMAT + 1)}
    assert set(module.MIGRATIONS) == set(range(1, FORMAT))


def test_an_older_file_is_taken_through_every_migration_between(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it will be when there are three formats: the second calls ``id`` otherwise, the third has no ``intent``."""
    old = json.loads((FORMATS / "format-1.json").read_text())
    monkeypatch.setattr(document, "FORMAT", 3)
    monkeypatch.setattr(
        document, "MIGRATIONS", {1: lambda c: {**c, "format": 2}, 2: lambda c: {**c, "format": 3, "new": 1}}
    )
    path.parent.mkdir(mode=0o700)
    path.write_text(json.dumps(old))
    path.chmod(0o600)
    with StateFile(path, "demo") as state:
        assert set(state.receipts()) == set(old["resources"])
        assert json.loads(path.read_text()) == old, "reading alone changes nothing on the disk"
        state.put(RECEIPT)
    assert json.loads(path.read_text())["format"] == 3
    assert json.loads(path.with_name(path.name + ".previous").read_text()) == old, "the older one is kept beside it"


# --- clock --------------------------------------------------------------------------------------------------


def test_a_clock_that_was_set_back_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = time.time() + 400 * 86_400
    with StateFile(path, "demo") as state:
        state.put(replace(RECEIPT, since=later))
        serial = json.loads(path.read_text())["serial"]
    os.utime(path, (later, later))
    with StateFile(path, "demo") as state:
        assert state.receipts()[RECEIPT.address].since == later
        state.put(OTHER)
    assert json.loads(path.read_text())["serial"] == serial + 1


def test_a_lock_of_the_future_is_a_lock(path: Path) -> None:
    with StateFile(path, "demo", command="cloudlink up"):
        lock = path.with_name(path.name + ".lock")
        holder = {**json.loads(lock.read_text()), "since": time.time() + 400 * 86_400}
        lock.write_text(json.dumps(holder))
        with pytest.raises(StateError, match="Another run holds") as raised, StateFile(path, "demo"):
            pass
    assert "has held it since 20" in raised.value.detail
