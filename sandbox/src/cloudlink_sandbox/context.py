"""What the parts of a sandbox share: one clock, the faults in force, one journal, and each other's facts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from cloudlink_sandbox.clock import SandboxClock
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.facts import AwsFacts, AzureFacts
from cloudlink_sandbox.faults import FaultRegistry
from cloudlink_sandbox.grants import Grants
from cloudlink_sandbox.journal import Journal
from cloudlink_sandbox.world import World


def _unset() -> None:
    raise RuntimeError("the sandbox is not wired yet")


class FrozenClock:
    """One re-entrant lock; the clock is frozen for the thread that holds it.

    Without that, something could end between two lines of one answer: an endpoint that was listed as being deleted
    would have no state at all a millisecond later.
    """

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._standing: list[AbstractContextManager[None]] = []

    def __enter__(self) -> None:
        self._lock.acquire()
        standing = self._clock.frozen()
        standing.__enter__()
        self._standing.append(standing)

    def __exit__(self, *_: object) -> None:
        self._standing.pop().__exit__(None, None, None)
        self._lock.release()


@dataclass
class SandboxContext:
    """Handed to every part. lock: around every change and every read of the stores.

    ``world()`` is computed from both sides' facts at this moment (cached until a store changes or time passes).
    touch() must be called by a part after it changed its store.
    """

    clock: SandboxClock
    faults: FaultRegistry
    journal: Journal
    durations: Durations
    home: Path  # 0700 folder of this sandbox: certificates, logs, saved world
    lock: FrozenClock = field(init=False)
    aws_facts: Callable[[], AwsFacts] = _unset  # type: ignore[assignment]
    azure_facts: Callable[[], AzureFacts] = _unset  # type: ignore[assignment]
    version: int = 0
    grants: Grants = field(default_factory=Grants)

    def __post_init__(self) -> None:
        self.lock = FrozenClock(self.clock)
        self.faults.clock = self.clock.now

    def touch(self) -> None:
        self.version += 1

    def world(self) -> World:
        with self.lock:
            return World(self.aws_facts(), self.azure_facts(), self.clock.now(), self.faults, self.durations)
