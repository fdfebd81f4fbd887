"""Folders and files that are the user's alone: the state, its lock and the log lie in them.

A folder may have come with a checkout, or somebody else may have made it first. So no symbolic link is followed there,
and nothing is opened for writing that has another owner or another name: it could be a file that is not cloudlink's.
"""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import stat
from pathlib import Path

from cloudlink.errors import StateError

_ACCESS_OF_OTHERS = 0o077
_WRITING_BY_OTHERS = 0o022


def own_folder(folder: Path, *, top: Path | None = None, make: bool) -> bool:
    """Make sure that a folder, and each above it up to ``top``, is the user's alone: it is closed to others whatever it
    was before. Whether it is there; make: it is made where it is not.

    Raises StateError for a symbolic link, another owner, or a folder that cannot be made or closed.
    """
    first = top or folder
    for step in reversed([folder, *folder.parents]):
        if step != first and first not in step.parents:
            continue
        if make:
            _make(step)
        if not _check_folder(step):
            return False
    return True


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        return
    except OSError as error:
        raise _unwritable(folder, error) from error


def _check_folder(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
            raise _foreign(folder, "is a symbolic link or no folder") from error
        raise _unwritable(folder, error) from error
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid():
            raise _foreign(folder, _belongs(found.st_uid))
        _close_to_others(descriptor, folder, found)
    finally:
        os.close(descriptor)
    return True


def open_own(path: Path, flags: int) -> int:
    """A descriptor of a regular file of the user's that has no other name and that only the user may open.

    Raises StateError where it is something else, and OSError where it cannot be opened.
    """
    try:
        # not waiting: a pipe of that name would hold the run until somebody reads from it
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise _foreign(path, "is a symbolic link") from error
        if error.errno in (errno.ENXIO, errno.EISDIR):
            raise _foreign(path, "is no regular file") from error
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _foreign(path, "is no regular file")
        if found.st_uid != os.geteuid():
            raise _foreign(path, _belongs(found.st_uid))
        if flags & (os.O_WRONLY | os.O_RDWR):
            if found.st_nlink != 1:
                raise _foreign(path, "has another name as well (a hard link)")
            _close_to_others(descriptor, path, found)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _close_to_others(descriptor: int, path: Path, found: os.stat_result) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if not mode & _ACCESS_OF_OTHERS:
        return
    try:
        os.fchmod(descriptor, mode & ~_ACCESS_OF_OTHERS)
    except OSError as error:
        if mode & _WRITING_BY_OTHERS:  # what others may only read is a smaller matter than a command that does not run
            raise _unwritable(path, error) from error


def _belongs(user: int) -> str:
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = f"user {user}"
    return f"belongs to {name}, not to you"


def _foreign(path: Path, what: str) -> StateError:
    return StateError(
        "A file or folder of cloudlink's is not its own",
        f"{path} {what}. Somebody else may have put it there, and what cloudlink writes would land where they want it. "
        "Nothing was changed.",
        f"Look at it, and remove it if nobody needs it: ls -ld {shlex.quote(str(path))}",
    )


def _unwritable(folder: Path, error: OSError) -> StateError:
    return StateError(
        "The state folder cannot be written",
        f"{folder}: {error.strerror}. Without it an interrupted run could not be picked up.",
        "Run cloudlink from a folder that you may write to.",
    )
