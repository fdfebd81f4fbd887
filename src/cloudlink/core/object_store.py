"""The port through which a state is kept in an object store: one object, and a lock that says who writes it.

Each store has its own means of excluding another writer (S3: conditional writes; blobs: a lease). What they have in
common is here: a lock has a holder, it ends by itself when its holder gives no sign of life, and once another has taken
it the old holder's next write is refused by the store itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Protocol

LOCK_SECONDS = 60.0  # how long a lock outlives its holder's last sign of life; the longest lease of a blob that ends
RENEW_EVERY = 15.0  # seconds between two signs of life: three may be lost


@dataclass(frozen=True)
class Holder:
    """Who holds a lock. Nothing in it is a secret."""

    id: str  # a GUID, other for every run
    user: str
    host: str
    pid: int
    command: str
    since: float  # Unix time
    machine: str = ""  # of this start of this machine (or container): where its process ids mean something

    def json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def parse(cls, text: str) -> Holder | None:
        """None: cloudlink did not write it, or it is damaged."""
        try:
            content = json.loads(text)
            known = {f.name: content[f.name] for f in fields(cls)}
            return cls(**{**known, "pid": int(known["pid"]), "since": float(known["since"])})
        except (ValueError, TypeError, KeyError, RecursionError):
            return None


@dataclass(frozen=True)
class Held:
    """A lock as it was found. token: the store's own mark of exactly this state of it."""

    holder: Holder | None  # None: it does not say
    quiet: float | None  # seconds since the holder's last sign of life; None: not known
    token: str


class LockHeld(Exception):
    """Another one holds the lock, and it has not ended."""

    def __init__(self, held: Held) -> None:
        super().__init__("the lock is held")
        self.held = held


class LockLost(Exception):
    """The lock is not ours any more: it ended, was broken, or another one took it. Nothing was written."""


class ObjectStore(Protocol):
    """Raises CloudlinkError with what to type for what the store refuses. Thread-safe: renewals come from a thread."""

    @property
    def where(self) -> str:
        """The address, as the configuration has it."""

    @property
    def keeps_versions(self) -> bool | None:
        """Whether the store keeps what is written over. None: it has not said so yet."""

    @property
    def versions_hint(self) -> str:
        """The command that makes it keep them."""

    def lock(self, holder: Holder, *, is_dead: Callable[[Holder], bool]) -> None:
        """Take the lock; over one that has ended, or whose holder is known to be dead. Raises LockHeld."""

    def renew(self) -> None:
        """A sign of life. Raises LockLost."""

    def unlock(self) -> None:
        """Give the lock back, as far as it is still ours."""

    def read(self) -> str | None:
        """The stored text; None: there is none. Needs no lock."""

    def write(self, text: str) -> None:
        """Store the text. Raises LockLost when the lock is another's, or another one has written meanwhile."""

    def delete(self) -> None:
        """Delete what is stored. Raises LockLost."""

    def held(self) -> Held | None:
        """The holder of the lock; None: it is free."""

    def break_lock(self, held: Held) -> None:
        """Take the lock from its holder, whose next write is refused. Raises LockHeld when another run has it by now."""


def same_lock(held: Held, now: Held | None) -> Held | None:
    """The lock that was seen as ``held``, as it is now: a run that lives renews it meanwhile. None: it is free.

    Raises LockHeld when another run has taken it.
    """
    if now is None:
        return None
    before, after = held.holder, now.holder
    if (before.id if before is not None else "") != (after.id if after is not None else ""):
        raise LockHeld(now)
    return now
