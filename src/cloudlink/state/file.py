"""The state file: mode 0600 in a 0700 folder, written as temporary file + fsync + rename; the previous serial is kept
beside it, and a lock that the kernel holds."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import json
import os
import shlex
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TextIO

from cloudlink.core.object_store import Held, Holder
from cloudlink.errors import StateError
from cloudlink.own_files import open_own, own_folder
from cloudlink.state import holders
from cloudlink.state.document import Document

_ALIVE = "alive"  # in place of a store's token: the process that holds it runs


def state_path(folder: Path, link: str) -> Path:
    return folder / f"{link}.state.json"


class Disk:
    """The port through which the state file is written: what may fail, and where a process may die."""

    def create(self, path: Path) -> TextIO:
        """A new file that only its owner may read, in the place of one that was left."""
        path.unlink(missing_ok=True)  # whatever was left there, a link among others, is not written through
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        return os.fdopen(descriptor, "w", encoding="utf-8")

    def write(self, out: TextIO, text: str) -> None:
        out.write(text)
        out.flush()

    def sync(self, out: TextIO) -> None:
        """Its content survives a power cut from now on."""
        os.fsync(out.fileno())

    def link(self, path: Path, other: Path) -> None:
        """The same file under another name as well."""
        os.link(path, other)

    def rename(self, path: Path, target: Path) -> None:
        path.replace(target)

    def sync_folder(self, folder: Path) -> None:
        """Its names survive a power cut from now on."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class StateFile(Document):
    """Receipts of one link, on disk after every change. Use as a context manager: it holds the lock.

    Raises StateError when the file cannot be read, belongs to another link or to the same one in another place, is of a
    newer format, can be written by others, or when another run holds the lock (the message names the holder).
    """

    def __init__(
        self,
        path: Path,
        link: str,
        *,
        place: Mapping[str, str] | None = None,
        command: str = "",
        readonly: bool = False,
        disk: Disk | None = None,
    ) -> None:
        super().__init__(link, place=place, command=command, readonly=readonly)
        self.path = path
        self._disk = disk or Disk()
        self._lock: int | None = None
        self._loaded_text: str | None = None

    # --- life ---------------------------------------------------------------------------------------------

    def __enter__(self) -> StateFile:
        there = own_folder(self.path.parent, make=not self._readonly)
        if not self._readonly:
            self._take_lock()
            self._sweep()
        try:
            if there:
                self._load()
            else:
                self.lost = True
        except BaseException:
            self._release_lock()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._release_lock()

    def remove_if_empty(self) -> None:
        """After a complete teardown nothing is left to record."""
        if not self._receipts:
            for path in (self.path, self._previous):
                path.unlink(missing_ok=True)

    # --- disk ---------------------------------------------------------------------------------------------

    @property
    def where(self) -> str:
        return str(self.path)

    @property
    def _previous(self) -> Path:
        return self.path.with_name(self.path.name + ".previous")

    @property
    def _lock_path(self) -> Path:
        return self.path.with_name(self.path.name + ".lock")

    def _load(self) -> None:
        try:
            with os.fdopen(open_own(self.path, os.O_RDONLY), encoding="utf-8") as file:
                found = os.fstat(file.fileno())
                mode = stat.S_IMODE(found.st_mode)
                # one with another name as well may be another file of the user's
                if mode & 0o077 and not mode & 0o022 and found.st_nlink == 1:
                    with contextlib.suppress(OSError):
                        os.fchmod(file.fileno(), 0o600)
                text = file.read()
        except FileNotFoundError:
            self.lost = True
            return
        except (OSError, UnicodeDecodeError) as error:
            raise StateError("The state file cannot be read", f"{self.path}: {error}.", self._way_back()) from error
        if mode & 0o022:
            raise StateError(
                "The state file can be written by others",
                f"{self.path} has mode {mode:04o}. Anyone who can write it could make cloudlink delete the wrong objects.",
                f"Check that nobody changed it, then: chmod 600 {shlex.quote(str(self.path))}",
            )
        self._parse(text)
        self._loaded_text = text

    def _sweep(self) -> None:
        """Temporary files of runs that were killed while they saved. Called with the lock held: nobody writes one."""
        with contextlib.suppress(OSError):
            for left in self.path.parent.glob(f".{glob.escape(self.path.name)}.*"):
                left.unlink(missing_ok=True)

    def _way_back(self) -> str:
        return (
            f"Put back {self._previous.name} if it is good, or move the state file away: cloudlink finds its objects "
            "again by their tags."
        )

    def _write(self, text: str) -> None:
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            with self._disk.create(temporary) as out:
                self._disk.write(out, text)
                self._disk.sync(out)
            if self._loaded_text is not None:
                self._keep_previous()
            self._disk.rename(temporary, self.path)
            self._disk.sync_folder(self.path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise StateError(
                "The state file cannot be written",
                f"{self.path}: {error.strerror}. Nothing further is created, so that nothing is made without a receipt.",
                "Make room or mend the permissions, then run the same command again: it finds what it made.",
            ) from error
        self._loaded_text = text

    def _keep_previous(self) -> None:
        """A hard link: the previous serial costs one directory entry, and it exists at all times."""
        self._previous.unlink(missing_ok=True)
        try:
            self._disk.link(self.path, self._previous)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return
            with contextlib.suppress(OSError):  # a file system without links: the previous serial is a courtesy
                descriptor = os.open(self._previous, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                    out.write(self._loaded_text or "")

    # --- lock ---------------------------------------------------------------------------------------------

    def _take_lock(self) -> None:
        """flock: the kernel gives it back when its holder dies, however it dies. The content names the holder."""
        try:
            descriptor = open_own(self._lock_path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise self._no_lock(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = self._holder(descriptor)
            os.close(descriptor)
            raise StateError(
                "Another run holds this link",
                f"{holders.said(holder)} Two runs at once could make things twice.",
                "Wait for it to end, or stop it, then run the command again.",
            ) from None
        holder = self._holder(descriptor)
        if holder is not None and holder.host != holders.host():
            os.close(descriptor)
            raise StateError(
                "Another host holds this link",
                f"{holders.said(holder)} From here it cannot be told whether that run still lives.",
                "If it does not: cloudlink unlock",
            )
        me = Holder("", holders.user(), holders.host(), holders.pid(), self._command, time.time(), holders.machine())
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, me.json().encode(), 0)
        except OSError as error:
            os.close(descriptor)
            raise self._no_lock(error) from error
        self._lock = descriptor

    def held(self) -> Held | None:
        """Who holds the lock; None: nobody, or a run of this host that is dead. The kernel has taken it back then."""
        try:
            descriptor = open_own(self._lock_path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._no_lock(error) from error
        try:
            holder = self._holder(descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return Held(holder, 0.0, _ALIVE)
            return None if holder is None or holder.host == holders.host() else Held(holder, None, "")
        finally:
            os.close(descriptor)

    def break_lock(self, held: Held) -> None:
        """Raises StateError for a run that lives: the kernel does not take a lock from it."""
        if held.token == _ALIVE:
            pid = held.holder.pid if held.holder is not None else "PID"
            raise StateError(
                "The run that holds this link is alive",
                f"{holders.said(held.holder)} A lock file is given back when its process ends.",
                f"Wait for it, or end it: kill {pid}",
            )
        try:
            descriptor = open_own(self._lock_path, os.O_RDWR)
            os.ftruncate(descriptor, 0)
            os.close(descriptor)
        except OSError as error:
            raise self._no_lock(error) from error

    def _no_lock(self, error: OSError) -> StateError:
        return StateError(
            "The lock file cannot be written",
            f"{self._lock_path}: {error.strerror}. Without it two runs could make things twice. Nothing was changed.",
            "Make room or mend the permissions, then run the same command again.",
        )

    @staticmethod
    def _holder(descriptor: int) -> Holder | None:
        """None: nobody has written there, or not in this form."""
        try:
            text = os.pread(descriptor, 4096, 0).decode()
            content = json.loads(text)
        except ValueError:
            return None
        return Holder.parse(json.dumps({"id": "", "machine": "", **content})) if isinstance(content, dict) else None

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None
