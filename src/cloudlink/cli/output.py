"""Standard output where it is closed, full or gone: one message and an exit code, and no file in its place."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import Any

from cloudlink.errors import OutputError, OutputGone

_GONE = (errno.EPIPE, errno.EIO)  # the reader, or the terminal


class _Guarded:
    """A stream whose failures are ours."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return int(self._stream.write(text))
        except OSError as error:
            raise _failed(error) from error

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise _failed(error) from error


def _failed(error: OSError) -> OSError | OutputError:
    if error.errno in _GONE:
        return OutputGone(error.errno, error.strerror)
    return OutputError(
        "The output cannot be written",
        f"Writing to standard output failed: {error.strerror}. What was begun in the clouds is in the state file.",
        "Make room, or send the output elsewhere, then run the same command again.",
    )


def guard() -> bool:
    """Before anything else is opened: a file would be given the number of a closed stream, and what is said there would
    be written into it. Whether there is a standard output."""
    closed = [number for number in (0, 1, 2) if not _is_open(number)]
    for number in closed:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
        name = ("stdin", "stdout", "stderr")[number]
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    if 1 in closed:
        say(
            OutputError(
                "The output cannot be written",
                "The standard output is closed. Nothing was begun.",
                "To do without it, send it to /dev/null.",
            )
        )
        return False
    sys.stdout = _Guarded(sys.stdout)
    return True


def say(error: OutputError) -> None:
    """On standard error, in plain words: no view can be sure of its output any more."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"Error: {error.summary}\n  {error.detail}\n  {error.hint}\n")


def let_go(code: int) -> int:
    """The exit code, once everything that can be said is said. What is left unsaid goes nowhere: else Python would try
    once more while it ends, and put a code of its own (120) instead of cloudlink's."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except (OSError, OutputError) as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            if isinstance(error, OutputError):
                if code != OutputError.exit_code:
                    say(error)
                code = OutputError.exit_code
    return code


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
