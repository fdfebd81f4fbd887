"""Files that are not the user's own, in each place where cloudlink reads or writes one, met by each command: nothing of
somebody else's is followed, emptied, appended to or believed, no cloud is written to, and the message names the file."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from reliability.harness import Harness
from reliability.kill import TrialRunner
from reliability.results import Point, Results

COMMANDS = (("plan",), ("status",), ("up", "--no-verify"), ("teardown",))
WRITING = ("up", "teardown")
KEEP = "keep\n"


def _to_a_file(at: Path, victim: Path) -> None:
    at.symlink_to(victim)


def _to_nothing(at: Path, victim: Path) -> None:
    at.symlink_to(victim.with_name("new"))


def _hard_link(at: Path, victim: Path) -> None:
    at.hardlink_to(victim)


def _pipe(at: Path, victim: Path) -> None:
    del victim
    os.mkfifo(at)


def _folder(at: Path, victim: Path) -> None:
    del victim
    at.mkdir()


INSTEAD: dict[str, Callable[[Path, Path], None]] = {
    "a symbolic link": _to_a_file,
    "a symbolic link to nothing": _to_nothing,
    "a hard link": _hard_link,
    "a pipe": _pipe,
    "a folder": _folder,
}
# Of the state file, what a hostile checkout could put into it.
CONTENTS: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "zeros": bytes(100_000),
    "lists in each other": b"[" * 100_000,
    "a number of a million digits": b'{"format": ' + b"9" * 1_000_000 + b"}",
    "resources that are a list": b'{"format": 1, "link": "demo", "serial": 1, "place": {}, "resources": ["x"]}',
    "receipts that are words": b'{"format": 1, "link": "demo", "serial": 1, "place": {}, "resources": {"aws_vpn.gateway": "x"}}',
    "an owner that is none": (
        b'{"format": 1, "link": "demo", "serial": 1, "place": {}, "resources": {"aws_vpn.gateway": {"id": "vgw-1", '
        b'"phase": "ready", "spec_hash": "", "owned": "everything", "since": 1, "intent": "", "before": null}}}'
    ),
    "text in no code": b"\xff\xfe\x00{",
}
PLACES = STATE, LOCK, _ = (".state.json", ".state.json.lock", ".log")


class Files:
    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        TrialRunner(harness)  # makes the worlds

    def instead(self, place: str, what: str, command: tuple[str, ...]) -> str:
        """Something else stands where cloudlink's file belongs."""
        harness = self.harness
        at = self._begin(place)
        victim = harness.folder / "victim"
        victim.write_text(KEEP)
        victim.chmod(0o644)
        if at.is_dir() and not at.is_symlink():
            shutil.rmtree(at)
        at.unlink(missing_ok=True)
        INSTEAD[what](at, victim)
        writes = harness.writes()
        ended = harness.run(*command)
        # Commands that look take no lock and write no log; a hard link is only refused where it would be written to.
        uses_it = command[0] in WRITING or place == STATE
        allowed = (7,) if uses_it and not (what == "a hard link" and place == STATE) else (0, 7, 8)
        wrong = ""
        if ended.code not in allowed or "Traceback" in ended.err + ended.out:
            wrong = f"{ended}"
        elif victim.read_text() != KEEP or victim.stat().st_mode & 0o777 != 0o644:
            wrong = f"somebody else's file was changed: {victim.read_text()[:200]!r} {ended}"
        elif victim.with_name("new").exists():
            wrong = f"a file was made behind a link: {ended}"
        elif harness.writes() != writes and ended.code == 7:
            wrong = f"a cloud was written to: {ended}"
        elif ended.code == 7 and at.name not in "".join((ended.err + ended.out).split()):
            wrong = f"the file is not named: {ended}"
        if at.is_dir() and not at.is_symlink():
            at.rmdir()
        else:
            at.unlink(missing_ok=True)
        victim.unlink(missing_ok=True)
        return wrong

    def content(self, what: str, command: tuple[str, ...]) -> str:
        """Nonsense in the state file: refused before a cloud is written to, and left as it is."""
        harness = self.harness
        at = self._begin(STATE)
        at.write_bytes(CONTENTS[what])
        at.chmod(0o600)
        writes = harness.writes()
        ended = harness.run(*command)
        if ended.code != 7 or "Traceback" in ended.err + ended.out:
            return f"{ended}"
        if harness.writes() != writes or at.read_bytes() != CONTENTS[what]:
            return f"it was written all the same: {ended}"
        return ""

    def others_may_write(self, command: tuple[str, ...]) -> str:
        harness = self.harness
        at = self._begin(STATE)
        at.chmod(0o666)
        writes = harness.writes()
        ended = harness.run(*command)
        return "" if ended.code == 7 and harness.writes() == writes else f"{ended}"

    def _begin(self, place: str) -> Path:
        self.harness.back_to("built")
        name = self.harness.link.name
        at = self.harness.home / f"{name}{place}"
        lock = self.harness.home / f"{name}{LOCK}"
        lock.unlink(missing_ok=True)
        return at


def run(results: Results, *, seed: int, part: int = 0, of: int = 1, most: int = 0) -> int:
    """Returns the number of points that there are."""
    with Harness() as harness:
        files = Files(harness)
        every: list[tuple[str, str, Callable[[], str]]] = []
        for command in COMMANDS:
            said = " ".join(command)
            for place in PLACES:
                for what in INSTEAD:
                    where = f"{said}: {what} for NAME{place}"
                    every.append(
                        (
                            "another thing in a file's place",
                            where,
                            lambda p=place, w=what, c=command: files.instead(p, w, c),
                        )  # type: ignore[misc]
                    )
            for what in CONTENTS:
                every.append(
                    ("nonsense in the state file", f"{said}: {what}", lambda w=what, c=command: files.content(w, c))  # type: ignore[misc]
                )
            every.append(
                ("a state file that others may write", said, lambda c=command: files.others_may_write(c))  # type: ignore[misc]
            )
        mine = random.Random(seed).sample(every, len(every))[part::of]
        for what, where, act in results.in_time(mine, most):
            if where not in results.done:
                results.add(Point("files", what, where, act()))
    return len(every)
