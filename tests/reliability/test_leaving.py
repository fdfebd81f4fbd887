"""How a command leaves when nobody can be told any more, or when it is told twice: with its own exit code, and never
without a word where a word can be said."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
COMMAND = [sys.executable, "-c", "from cloudlink.cli import main; main()"]

# The end is being told when the second Ctrl-C comes.
TOLD_TWICE = """
import os, signal, sys
from cloudlink.session import opening as module
from cloudlink.errors import Interrupted
real = module.open_view
def open_view(*arguments, **named):
    view = real(*arguments, **named)
    def error(_):
        os.kill(os.getpid(), signal.SIGINT)
        sys.exit("the second Ctrl-C had no effect")
    view.error = error
    return view
module.open_view = open_view
with module.open_session("up", config=None, sandbox=False, json=False, color=False, writes=True) as session:
    os.kill(os.getpid(), signal.SIGINT)
    raise Interrupted("Interrupted")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(EXAMPLE, tmp_path / "config.toml")
    return tmp_path


def test_a_second_ctrl_c_while_the_end_is_told_says_so_and_ends(folder: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", TOLD_TWICE], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 130, ended.stderr
    assert "Stopped at once; what the clouds had begun goes on." in ended.stderr
    assert "Traceback" not in ended.stderr


EARLY = """
import os, signal, sys
import cloudlink.session
from cloudlink.cli import commands
cloudlink.session.open_session = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(commands.run(["status"]))
"""


def test_ctrl_c_before_a_command_watches_for_it_is_told(folder: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", EARLY], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stderr.strip()) == (130, "Interrupted; nothing further was begun.")


def gone_terminal() -> int:
    """Our end of a terminal that somebody has closed."""
    ours, theirs = pty.openpty()
    os.close(ours)
    return theirs


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--config", "nothing.toml"], ["nonsense"]])
def test_where_the_terminal_has_gone_there_is_no_mistake_of_pythons(folder: Path, arguments: list[str]) -> None:
    """Neither 120, with which Python ends when it cannot write, nor 1, which means a mistake in cloudlink."""
    terminal = gone_terminal()
    try:
        ended = subprocess.run(
            [*COMMAND, *arguments], cwd=folder, stdout=terminal, stderr=terminal, check=False, timeout=60
        )
    finally:
        os.close(terminal)
    assert ended.returncode == 141


def test_where_the_reader_has_gone_the_same(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [*COMMAND, "--help"], cwd=folder, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60
        )
    finally:
        os.close(writing)
    assert ended.returncode == 141
    assert ended.stderr == b""
