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

# what is typed, after how many seconds it is killed the first time (None: it is not), and the exit code of the second run
LIFE: list[tuple[str, float | None, int]] = [
    ("init --sandbox", 1.0, 0),
    ("doctor --sandbox", 1.5, 0),
    ("up --sandbox --yes", 8.0, 0),
    ("status --sandbox", 1.5, 0),
    ("test --sandbox --yes", 3.0, 0),
    ("rotate-keys --sandbox --yes --tunnel 2", 3.0, 0),
    ("pause --sandbox --yes", 3.0, 0),
    ("resume --sandbox --yes", 3.0, 0),
    ("report --sandbox --out report.html", 1.5, 0),
    ("gather --sandbox", 1.5, 0),
    ("teardown --sandbox --yes", 5.0, 0),
]


class Shell:
    """A folder, and a terminal of this size in which one command after the other runs."""

    def __init__(self, folder: Path, columns: int, rows: int) -> None:
        self.folder, self.columns, self.rows = folder, columns, rows

    def run(self, line: str, *, kill_after: float | None = None) -> tuple[int, str]:
        """Its exit code, negative where it was killed, and what it wrote."""
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
            ready, _, _ = select.select([ours], [], [], 0.2)
            if ready:
                try:
                    part = os.read(ours, 65_536)
                except OSError:  # the other end is closed
                    break
                said += part
                if b"?" in part and (b"[1" in part or b"[y/N]" in part):
                    os.write(ours, b"\n")  # whoever only presses Enter
            passed = time.monotonic() - began
            if kill_after is not None and passed > kill_after:
                process.send_signal(signal.SIGKILL)
                kill_after = None
            if passed > _LONGEST:
                process.kill()
                break
        code = process.wait()
        os.close(ours)
        return code, said.decode("utf-8", "replace")


@pytest.mark.long
@pytest.mark.parametrize(("columns", "rows"), [(80, 24)])
def test_each_command_is_killed_once_and_run_again(tmp_path: Path, columns: int, rows: int) -> None:
    shell = Shell(tmp_path, columns, rows)
    try:
        for line, kill_after, wanted in LIFE:
            if kill_after is not None:
                shell.run(line, kill_after=kill_after)
            code, said = shell.run(line)
            if line.startswith("init") and code == 2 and "already" in said:  # the killed one had written it
                code = 0
            plain = _ESCAPES.sub("", said)
            assert code == wanted, f"{line}: {code}\n{plain}"
            assert "Traceback" not in plain, plain
            wide = [
                row
                for row in re.split(r"[\r\n]+", plain)
                if len(row) > columns and not re.search(r"\S{60}|cloudlink ", row)
            ]
            assert not wide, (line, wide)
            if line.startswith("status"):
                assert plain.count("\n") <= rows - 2, "the verdict scrolls away"
                assert "HEALTHY" in plain
        last = shell.run("status --sandbox")[1]
        assert "ABSENT" in last
    finally:
        for home in tmp_path.glob(".cloudlink/sandbox/*"):
            sandbox_program.stop(home)
