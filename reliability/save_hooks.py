"""What a proof changes in the process under test: what it reports, how often it looks, what it logs, what its disk
refuses.

The product's code is not touched: the places it calls are. A save of the state file has these moments, and can fail in
these ways, it and all that follow.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import itertools
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any

SAVE_MOMENTS = (
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
    if order["reports_to"] or order["fails"]:
        _saves(order["reports_to"], order["fails"])
    if order["unread"]:
        _unread(order["unread"])
    if order["debug"]:
        _debug(order["debug"])
    if order["cloudlink_fails"]:
        _fail(order["cloudlink_fails"])


def _look_often(seconds: float) -> None:
    """Waits that would be as long as a gateway's half hour: the sandbox is told to be done in seconds."""
    from cloudlink.core import polling

    def intervals(typical_seconds: float, *_: object, **__: object) -> float:
        return min(seconds, max(typical_seconds, 1.0))

    polling.intervals = intervals


def _saves(reports_to: str, fails: tuple[int, str] | None) -> None:
    """Reports every moment of every save, and goes on when it is told to: the listener may kill the process there.
    fails: the first save that fails, and how."""
    from cloudlink.state import file as state

    listener = socket.socket(socket.AF_UNIX) if reports_to else None
    if listener is not None:
        listener.connect(reports_to)
    number = 0

    def at(moment: str) -> None:
        if listener is not None:
            listener.sendall(f"{number} {moment}\n".encode())
            listener.recv(1)

    def fail(*ways: str) -> None:
        if fails is not None and number >= fails[0] and fails[1] in ways:
            raise OSError(FAILURES[fails[1]], os.strerror(FAILURES[fails[1]]))

    class SlowDisk(state.Disk):
        """The temporary file is written in two halves."""

        def create(self, path: Path) -> Any:
            nonlocal number
            number += 1
            at("before the temporary file")
            fail("no room for the temporary file", "the folder is read-only")
            return super().create(path)

        def write(self, out: Any, text: str) -> None:
            fail("no room for its content")
            super().write(out, text[: len(text) // 2])
            at("half of the temporary file written")
            super().write(out, text[len(text) // 2 :])
            at("temporary file written")

        def sync(self, out: Any) -> None:
            fail("no room when it is brought to the disk")
            super().sync(out)

        def link(self, path: Path, other: Path) -> None:
            at("previous one unlinked")
            super().link(path, other)

        def rename(self, path: Path, target: Path) -> None:
            at("before the rename")
            fail("no rename")
            super().rename(path, target)

        def sync_folder(self, folder: Path) -> None:
            fail("no room when it is brought to the disk")
            super().sync_folder(folder)
            at("after the rename")

    state.Disk = SlowDisk  # type: ignore[misc]


def _unread(told: str) -> None:
    """Notes every file beside the state file that is opened for reading: none may be but the lock."""

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], (str, os.PathLike)):
            return
        name = Path(arguments[0]).name
        beside = ".state.json" in name and (name.startswith(".") or not name.endswith((".state.json", ".lock")))
        if beside and not arguments[2] & os.O_WRONLY:
            with Path(told).open("a") as out:
                out.write(name + "\n")

    sys.addaudithook(look)


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
