"""The state file: a receipt of what cloudlink made, altered and adopted. Never a secret, never the truth.

One JSON object: ``{format, link, place, serial, resources: {address: {id, phase, spec_hash, owned, since, intent, before}}}``,
mode 0600 in a 0700 folder, written as temporary file + fsync + rename; the previous serial is kept beside it.
Newer formats are refused, older ones are migrated by the named functions in MIGRATIONS.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import getpass
import glob
import json
import os
import shlex
import socket
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from cloudlink.core.resource import Ownership, Receipt, Receipts
from cloudlink.errors import StateError
from cloudlink.own_files import open_own, own_folder

FORMAT = 1
_ON_DISK = {"prior_state": "before"}  # fields of a receipt that format 1 has under another name
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Format n -> a pure function that makes format n + 1 of it."""


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


class StateFile:
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
        """place: configuration key -> value, of what says where the link is (``aws.vpc``, ``azure.vnet.name`` ...)."""
        self.path = path
        self.link = link
        self._place = dict(place or {})
        self.lost = False  # whether there was no file to begin with
        self._command = command
        self._readonly = readonly
        self._disk = disk or Disk()
        self._serial = 0
        self._receipts: dict[str, Receipt] = {}
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

    # --- the engine's side --------------------------------------------------------------------------------

    def receipts(self) -> Receipts:
        return Receipts(self._receipts)

    def put(self, receipt: Receipt) -> None:
        self._receipts = {**self._receipts, receipt.address: receipt}
        self._save()

    def remove(self, address: str) -> None:
        if address in self._receipts:
            self._receipts = {a: r for a, r in self._receipts.items() if a != address}
            self._save()

    def remove_if_empty(self) -> None:
        """After a complete teardown nothing is left to record."""
        if not self._receipts:
            for path in (self.path, self._previous):
                path.unlink(missing_ok=True)

    # --- disk ---------------------------------------------------------------------------------------------

    @property
    def _previous(self) -> Path:
        return self.path.with_name(self.path.name + ".previous")

    @property
    def _lock_path(self) -> Path:
        return self.path.with_name(self.path.name + ".lock")

    def _load(self) -> None:
        try:
            with os.fdopen(open_own(self.path, os.O_RDONLY), encoding="utf-8") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                if mode & 0o077 and not mode & 0o022:
                    with contextlib.suppress(OSError):
                        os.fchmod(file.fileno(), 0o600)
                text = file.read()
        except FileNotFoundError:
            self.lost = True
            return
        except (OSError, UnicodeDecodeError) as error:
            raise StateError("The state file cannot be read", f"{self.path}: {error}.", self._without_hint()) from error
        if mode & 0o022:
            raise StateError(
                "The state file can be written by others",
                f"{self.path} has mode {mode:04o}. Anyone who can write it could make cloudlink delete the wrong objects.",
                f"Check that nobody changed it, then: chmod 600 {shlex.quote(str(self.path))}",
            )
        self._parse(text)

    def _sweep(self) -> None:
        """Temporary files of runs that were killed while they saved. Called with the lock held: nobody writes one."""
        with contextlib.suppress(OSError):
            for left in self.path.parent.glob(f".{glob.escape(self.path.name)}.*"):
                left.unlink(missing_ok=True)

    def _without_hint(self) -> str:
        return (
            f"Put back {self._previous.name} if it is good, or move the state file away: cloudlink finds its objects "
            "again by their tags."
        )

    def _parse(self, text: str) -> None:
        try:
            content = json.loads(text)
            if not isinstance(content, dict):
                raise TypeError("it is not a JSON object")
            number = int(content["format"])
            if number > FORMAT:
                raise StateError(
                    "The state file is of a newer version",
                    f"{self.path} has format {number}; this cloudlink knows formats up to {FORMAT}.",
                    "Use the cloudlink that wrote it, or a newer one.",
                )
            while number < FORMAT:
                content = MIGRATIONS[number](content)
                number = int(content["format"])
            if content["link"] != self.link:
                raise StateError(
                    "The state file belongs to another link",
                    f"{self.path} is of the link {content['link']!r}, the configuration of {self.link!r}.",
                    "Use the configuration that goes with it, or another folder.",
                )
            self._check_place(content.get("place") or {}, any(content["resources"]))
            self._serial = int(content["serial"])
            self._receipts = {
                str(address): Receipt(
                    address=str(address),
                    id=str(item["id"]),
                    phase=str(item["phase"]),
                    spec_hash=str(item["spec_hash"]),
                    owned=Ownership(item["owned"]),
                    since=float(item["since"]),
                    intent=str(item.get("intent", "")),
                    prior_state=item.get(_ON_DISK["prior_state"]),
                )
                for address, item in content["resources"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StateError(
                "The state file is damaged",
                f"{self.path} is not a state file of cloudlink: {type(error).__name__}. Nothing was changed.",
                self._without_hint(),
            ) from error
        self._loaded_text = text

    def _check_place(self, there: Mapping[str, str], has_receipts: bool) -> None:
        """A key that was changed in the configuration since: its objects are elsewhere, and those here are others'."""
        changed = {k: v for k, v in there.items() if k in self._place and v.lower() != self._place[k].lower()}
        if not changed or not has_receipts:
            return
        said = ", ".join(f"{key} was {value} and is {self._place[key]}" for key, value in sorted(changed.items()))
        raise StateError(
            "The link was built in another place",
            f"According to {self.path}, {said}. What was built there is not touched from here.",
            "Put the old values back into the configuration. To move the link: run cloudlink teardown with the old ones "
            "first. For a second link, use another name.",
        )

    def _save(self) -> None:
        if self._readonly:
            raise AssertionError("a read-only state was written to")
        self._serial += 1
        content = {
            "format": FORMAT,
            "link": self.link,
            "place": self._place,
            "serial": self._serial,
            "resources": {
                a: {_ON_DISK.get(k, k): v for k, v in asdict(r).items() if k != "address"}
                for a, r in sorted(self._receipts.items())
            },
        }
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
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
        """A hard link: the previous serial costs one directory entry, and there is no moment without it."""
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
                f"{self._said(holder)} Two runs at once could make things twice.",
                "Wait for it to end, or stop it, then run the command again.",
            ) from None
        holder = self._holder(descriptor)
        if holder.get("host") not in (None, socket.gethostname()):
            os.close(descriptor)
            raise StateError(
                "Another host holds this link",
                f"{self._said(holder)} From here it cannot be told whether that run still lives.",
                f"If it does not: rm {shlex.quote(str(self._lock_path))}",
            )
        me = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "user": _user(),
            "since": time.time(),
            "command": self._command,
        }
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(me).encode(), 0)
        except OSError as error:
            os.close(descriptor)
            raise self._no_lock(error) from error
        self._lock = descriptor

    def _no_lock(self, error: OSError) -> StateError:
        return StateError(
            "The lock file cannot be written",
            f"{self._lock_path}: {error.strerror}. Without it two runs could make things twice. Nothing was changed.",
            "Make room or mend the permissions, then run the same command again.",
        )

    @staticmethod
    def _holder(descriptor: int) -> dict[str, Any]:
        try:
            content = json.loads(os.pread(descriptor, 4096, 0) or b"{}")
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    @staticmethod
    def _said(holder: dict[str, Any]) -> str:
        try:
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(holder["since"])))
            return (
                f"`{holder['command']}` of {holder['user']} on {holder['host']} (process {holder['pid']}) "
                f"has held it since {since}."
            )
        except (KeyError, TypeError, ValueError, OverflowError, OSError):
            return "It does not say who it is."

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
