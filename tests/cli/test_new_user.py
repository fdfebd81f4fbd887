"""The life of a link as a new user lives it, in an empty folder on a real terminal: each command that
changes something is killed in the middle and run again. None leaves a line that the terminal would break, a traceback, or a
next step that does not work."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from cloudlink_sandbox import client as sandbox_program

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LONGEST = 240.0  # seconds of one command

# What is typed, after how much of it it is ended the first time, and what its first screen after that says. How much: of the
# sandbox's answers ("calls") or of its writes, so that a slow machine is in the middle of it as well.
LIFE: list[tuple[str, str, int, str]] = [
    ("init --sandbox", "calls", 3, "ABSENT"),
    ("doctor --sandbox", "calls", 12, "ABSENT"),
    ("up --sandbox --yes", "writes", 12, "An up was interrupted"),
    ("status --sandbox", "calls", 12, "HEALTHY"),
    ("test --sandbox --yes", "writes", 1, "HEALTHY"),
    ("rotate-keys --sandbox --yes --tunnel 2", "writes", 2, "cloudlink rotate-keys"),
    ("pause --sandbox --yes", "writes", 4, "cloudlink pause was interrupted"),
    ("resume --sandbox --yes", "writes", 4, "cloudlink resume was interrupted"),
    ("report --sandbox --out report.html", "calls", 12, "HEALTHY"),
    ("gather --sandbox", "calls", 12, "HEALTHY"),
    ("teardown --sandbox --yes", "writes", 6, "A teardown was interrupted"),
]


class Shell:
    """A folder, and a terminal of this size in which one command after the other runs."""

    def __init__(self, folder: Path, columns: int, rows: int) -> None:
        self.folder, self.columns, self.rows = folder, columns, rows

    def done(self, what: str) -> int:
        """How much the sandbox has answered, or written, so far."""
        for home in self.folder.glob(".cloudlink/sandbox/*"):
            running = sandbox_program.find(home)
            if running is not None:
                journal = running.call("GET", "journal")
                return int(journal["writes"]) if what == "writes" else len(journal["calls"])
        return 0

    def run(
        self, line: str, *, end_at: tuple[str, int] | None = None, by: signal.Signals = signal.SIGKILL
    ) -> tuple[int, str]:
        """Its exit code, negative where it was killed, and what it wrote. end_at: when it is ended, see LIFE."""
        before = self.done(end_at[0]) if end_at else 0
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))
        surroundings = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "CI", "NO_COLOR")}
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("cloudlink")), *line.split()],
            cwd=self.folder,
            env={**surroundings, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        said, began = b"", time.monotonic()
        while True:
            ready, _, _ = select.select([ours], [], [], 0.05)
            if ready:
                try:
                    part = os.read(ours, 65_536)
                except OSError:  # the other end is closed
                    break
                said += part
                if b"?" in part and (b"[1" in part or b"[y/N]" in part):
                    os.write(ours, b"\n")  # whoever only presses Enter
            passed = time.monotonic() - began
            if end_at is not None and self.done(end_at[0]) - before >= end_at[1]:
                process.send_signal(by)
                end_at = None
            if passed > _LONGEST:
                process.kill()
                break
        code = process.wait()
        os.close(ours)
        return code, said.decode("utf-8", "replace")


@pytest.mark.long
@pytest.mark.parametrize(("columns", "rows", "by"), [(80, 24, signal.SIGKILL), (200, 50, signal.SIGINT)])
def test_each_command_is_ended_once_and_run_again(tmp_path: Path, columns: int, rows: int, by: signal.Signals) -> None:
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)  # else a child of a background job ignores it
    shell = Shell(tmp_path, columns, rows)
    try:
        for line, what, much, screen in LIFE:
            ended, told = shell.run(line, end_at=(what, much), by=by)
            told = _ESCAPES.sub("", told)
            assert ended == (-by if by is signal.SIGKILL else 130), f"{line}: {ended}\n{told}"
            assert "Traceback" not in told, told
            if by is signal.SIGINT:
                assert "Interrupted" in told and "✗" not in told.rpartition("Interrupted")[2], told
            check(shell, line, told)
            state = _ESCAPES.sub("", shell.run("status --sandbox")[1])
            assert screen in " ".join(state.split()).replace(" --sandbox", ""), f"after {line}:\n{state}"
            assert state.count("\n") <= 24, "the verdict scrolls away"
            code, said = shell.run(line)
            plain = _ESCAPES.sub("", said)
            if line.startswith("init") and code == 2 and "already" in said:  # the one that was ended had written it
                code = 0
            assert code == 0, f"{line}: {code}\n{plain}"
            check(shell, line, plain)
            if line.startswith("status"):
                assert plain.count("\n") <= rows - 2, "the verdict scrolls away"
                assert "HEALTHY" in plain
        last = shell.run("status --sandbox")[1]
        assert "ABSENT" in last
    finally:
        signal.signal(signal.SIGINT, earlier)
        for home in tmp_path.glob(".cloudlink/sandbox/*"):
            sandbox_program.stop(home)


def check(shell: Shell, line: str, plain: str) -> None:
    """That no line is wider than the terminal, but for what is to be pasted."""
    assert "Traceback" not in plain, plain
    rows = re.split(r"[\r\n]+", plain)
    wide = [row for row in rows if len(row) > shell.columns and not re.search(r"\S{60}|cloudlink ", row)]
    assert not wide, (line, wide)
