"""The live view in a terminal whose window is made smaller: nothing of an older picture stays on the screen."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from on_a_terminal import DRAWN
from tests.support.terminal import Terminal

HERE = Path(__file__).parent
WIDE, NARROW = (200, 50), (80, 24)
TOO_LONG = 30.0


class Window:
    """A terminal, and the program in it."""

    def __init__(self, size: tuple[int, int], *, reflows: bool) -> None:
        self.terminal = Terminal(*size, reflows=reflows)
        self._mine, theirs = pty.openpty()
        attributes = termios.tcgetattr(theirs)
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, attributes)
        self._tell(size)
        path = os.pathsep.join([str(HERE.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
        more = {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}
        more |= {} if reflows else {"XTERM_VERSION": "XTerm(390)"}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "on_a_terminal.py")],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={k: v for k, v in os.environ.items() if k not in ("TMUX", "STY", "XTERM_VERSION")} | more,
        )
        os.close(theirs)
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._read_on()

    def _tell(self, size: tuple[int, int]) -> None:
        columns, rows = size
        fcntl.ioctl(self._mine, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, size: tuple[int, int]) -> None:
        self.terminal.resize(*size)
        self._tell(size)

    def ask(self, word: str) -> list[str]:
        """What is on the screen when the program has drawn."""
        os.write(self._mine, f"{word}\n".encode())
        self._read_on()
        return self.terminal.screen

    def _read_on(self) -> None:
        """Until it has drawn, or has ended."""
        until, seen = time.monotonic() + TOO_LONG, ""
        while DRAWN not in seen and time.monotonic() < until:
            if not select.select([self._mine], [], [], 0.5)[0]:
                continue
            try:
                written = self._decode(os.read(self._mine, 65536))
            except OSError:  # Linux: the other end is closed
                return
            seen += written
            self.terminal.write(written)
        assert DRAWN in seen, seen

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._mine)


@contextmanager
def window(size: tuple[int, int], *, reflows: bool) -> Iterator[Window]:
    made = Window(size, reflows=reflows)
    try:
        yield made
    finally:
        made.close()


def counted(screen: list[str], what: str) -> int:
    return sum(what in row for row in screen)


@pytest.mark.parametrize("reflows", [True, False])
@pytest.mark.parametrize("size", [NARROW, (80, 50), (200, 24), (60, 50)])
def test_one_picture_is_on_the_screen_after_it_shrinks(size: tuple[int, int], reflows: bool) -> None:
    with window(WIDE, reflows=reflows) as place:
        assert counted(place.ask("on"), "up prod-test") == 1
        place.resize(size)
        screen = place.ask("on")
        assert counted(screen, "up prod-test") == counted(screen, "look 2,") == 1, "\n".join(screen)
        assert counted(screen, "look ") == counted(screen, "AWS VPN") == 1, "\n".join(screen)
        assert max(map(len, screen)) <= size[0]
        if size[1] == WIDE[1]:
            assert screen[0] == "what was there before", "nothing above it is lost"


def test_a_note_after_it_shrinks_stands_above_one_picture() -> None:
    with window(WIDE, reflows=True) as place:
        place.ask("on")
        place.resize((80, 50))
        screen = place.ask("note")
        assert screen[0] == "what was there before" and "slow down" in screen[1], "\n".join(screen)
        assert counted(screen, "look ") == counted(screen, "up prod-test") == 1


def test_the_end_after_it_shrinks_leaves_the_summary_alone() -> None:
    with window(WIDE, reflows=True) as place:
        place.ask("on")
        place.resize((80, 50))
        screen = place.ask("end")
        assert counted(screen, "look ") == counted(screen, "which takes long") == 0, "\n".join(screen)
        assert screen[0] == "what was there before"


def test_there_and_back() -> None:
    with window(WIDE, reflows=True) as place:
        for size in ((80, 50), WIDE, (60, 50), (120, 50)):
            place.resize(size)
            screen = place.ask("on")
            assert counted(screen, "up prod-test") == 1, "\n".join(screen)
