"""What a proof changes in the process under test: where it dies by itself, how often it looks, what it logs, what its
disk refuses.

The product's code is not touched: the places it calls are. A save of the state file can end at these moments, or fail
in these ways, it and all that follow.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import itertools
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

MOMENTS = (
    "before the temporary file",
    "half of the temporary file written",
    "temporary file written",
    "previous one unlinked",
    "before the rename",
    "after the rename",
)
FAILURES = {
    "no room for the temporary file": errno.ENOSPC,
    "no room for its content": errno.ENOSPC,
    "no room when it is brought to the disk": errno.ENOSPC,
    "the folder is read-only": errno.EROFS,
    "no rename": errno.EIO,
}


def prepare(order: dict[str, Any]) -> None:
    """Called in the child, before the command."""
    _look_often(order["looks_every"])
    if order["saves_to"] or order["save"]:
        _saves(order["save"], order["saves_to"])
    if order["debug"]:
        _debug(order["debug"])
    if order["cloudlink_fails"]:
        _fail(order["cloudlink_fails"])


def _look_often(seconds: float) -> None:
    """Waits that would be as long as a gateway's half hour: the sandbox is told to be done in seconds."""
    from cloudlink.core import wait

    def intervals(usual: float, elapsed: float, slack: float = 0.0) -> float:
        return min(seconds, max(usual, 1.0))

    wait.intervals = intervals


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _saves(save: tuple[int, str] | None, count_in: str) -> None:
    from cloudlink import state

    real_save, real_link = state.StateFile._save, os.link
    number = 0
    now = ""  # the moment to die at, or the way to fail, in the save that goes on

    def counted(self: Any) -> None:
        nonlocal number, now
        number += 1
        now = save[1] if save and (number == save[0] or (number > save[0] and save[1] in FAILURES)) else ""
        if count_in:
            Path(count_in).write_text(str(number))
        if now == "before the temporary file":
            _die()
        real_save(self)
        if now == "after the rename":
            _die()

    def fail(*ways: str) -> None:
        if now in ways:
            raise OSError(FAILURES[now], os.strerror(FAILURES[now]))

    class DyingPath(type(Path())):  # type: ignore[misc]
        def replace(self, target: Any) -> Any:
            if now == "before the rename":
                _die()
            fail("no rename")
            return super().replace(target)

        def with_name(self, name: str) -> Any:
            return DyingPath(super().with_name(name))

    class Out:
        """The temporary file: dies in the middle of it, or with all of it written."""

        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __enter__(self) -> Out:
            return self

        def __exit__(self, *_: Any) -> None:
            self._inner.close()

        def write(self, text: str) -> None:
            if now == "half of the temporary file written":
                self._inner.write(text[: len(text) // 2])
                self._inner.flush()
                _die()
            fail("no room for its content")
            self._inner.write(text)

        def flush(self) -> None:
            self._inner.flush()
            if now == "temporary file written":
                _die()

        def fileno(self) -> int:
            return int(self._inner.fileno())

    class DyingOs:
        """``os`` as the state file sees it."""

        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        @staticmethod
        def open(path: Any, flags: int, *more: Any) -> int:
            if flags & os.O_CREAT and ".lock" not in str(path):
                fail("no room for the temporary file", "the folder is read-only")
            return os.open(path, flags, *more)

        @staticmethod
        def fsync(descriptor: int) -> None:
            fail("no room when it is brought to the disk")
            os.fsync(descriptor)

        @staticmethod
        def fdopen(*arguments: Any, **named: Any) -> Any:
            return Out(os.fdopen(*arguments, **named))

        @staticmethod
        def link(*arguments: Any) -> None:
            if now == "previous one unlinked":
                _die()
            real_link(*arguments)

    state.os = DyingOs()
    real_init = state.StateFile.__init__

    def init(self: Any, path: Path, *arguments: Any, **named: Any) -> None:
        real_init(self, DyingPath(path), *arguments, **named)

    state.StateFile.__init__ = init
    state.StateFile._save = counted


def _debug(folder: str) -> None:
    """Everything that a user's own configuration of logging could ask for; a copy of every file that is removed or
    renamed; and where the order says so, an exception in the middle with everything still in memory."""
    logging.basicConfig(filename=f"{folder}/all.log", level=logging.DEBUG, force=True)
    for name in ("boto3", "botocore", "urllib3", "azure", "msal", "kubernetes"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    number = itertools.count()

    def keep(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("os.remove", "os.rename"):
            with contextlib.suppress(OSError, TypeError, ValueError):
                os.link(os.fspath(arguments[0]), f"{folder}/kept-{os.getpid()}-{next(number)}")

    sys.addaudithook(keep)


def _fail(place: str) -> None:
    """``module:Class.method`` raises with its arguments in the message, as careless code would. With ``#word`` behind
    it only calls whose arguments have that word."""
    place, _, word = place.partition("#")
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)

    real = getattr(owner, name)

    def broken(*arguments: Any, **named: Any) -> Any:
        if word not in repr(arguments) + repr(named):
            return real(*arguments, **named)
        raise RuntimeError(f"the proof breaks {path}{arguments!r} {named!r}")

    setattr(owner, name, broken)
