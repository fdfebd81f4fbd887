"""Folders and files that are the user's alone: where a sandbox lives, its log, its keys.

A sandbox's folder may have come with a checkout, or somebody else may have made it first. So no symbolic link is followed
in it, and nothing is written to that has another owner or another name: it could be a file that is not the sandbox's.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
from pathlib import Path

from cloudlink_sandbox.errors import SandboxError

_ACCESS_OF_OTHERS = 0o077


class ForeignFile(SandboxError):
    """Something in the sandbox's folder is not the sandbox's own."""

    exit_code = 7

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            "A file or folder of the sandbox's is not its own",
            f"{path} {what}. Somebody else may have put it there, and what the sandbox writes would land where they want it. "
            "Nothing was changed.",
            f"Look at it, and remove it if nobody needs it: ls -ld {shlex.quote(str(path))}",
        )


def own_folder(folder: Path) -> None:
    """Make it, where it is missing; it is closed to others whatever it was before. Raises ForeignFile, and OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise ForeignFile(folder, "is a symbolic link or no folder") from error
        raise
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid():
            raise ForeignFile(folder, "belongs to somebody else")
        if stat.S_IMODE(found.st_mode) & _ACCESS_OF_OTHERS:
            os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def open_own(path: Path, flags: int) -> int:
    """A descriptor of a regular file of the user's that only the user may open. Raises ForeignFile, and OSError."""
    emptied = flags & os.O_TRUNC  # not before it is known whose it is
    try:
        # not waiting: a pipe of that name would hold the sandbox until somebody reads from it
        descriptor = os.open(path, (flags & ~os.O_TRUNC) | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ForeignFile(path, "is a symbolic link") from error
        if error.errno in (errno.ENXIO, errno.EISDIR):
            raise ForeignFile(path, "is no regular file") from error
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ForeignFile(path, "is no regular file")
        if found.st_uid != os.geteuid():
            raise ForeignFile(path, "belongs to somebody else")
        if flags & (os.O_WRONLY | os.O_RDWR):
            if found.st_nlink != 1:
                raise ForeignFile(path, "has another name as well (a hard link)")
            if stat.S_IMODE(found.st_mode) & _ACCESS_OF_OTHERS:
                os.fchmod(descriptor, 0o600)
        if emptied:
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_own(path: Path) -> bytes:
    """Raises ForeignFile, and OSError."""
    with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
        return file.read()


def write_own(path: Path, data: bytes) -> None:
    """Whole or not at all, readable by its owner alone from the first moment; what stood there is replaced, and not what it
    led to. Raises OSError."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
        fresh.replace(path)
    except OSError:  # a full disk: half a file would keep it full
        fresh.unlink(missing_ok=True)
        raise
