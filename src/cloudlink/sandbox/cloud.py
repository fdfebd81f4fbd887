"""What the parts of a sandbox share: one clock, one book of faults, one journal, and each other's facts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cloudlink.sandbox.clock import SandboxClock
from cloudlink.sandbox.durations import Durations
from cloudlink.sandbox.facts import AwsFacts, AzureFacts
from cloudlink.sandbox.faults import FaultBook
from cloudlink.sandbox.journal import Journal
from cloudlink.sandbox.world import World


def _unset() -> None:
    raise RuntimeError("the sandbox is not wired yet")


@dataclass
class Sky:
    """Handed to every part. lock: one re-entrant lock around every change and every read of the stores.

    ``world()`` is computed from both sides' facts at this moment (cached until a store changes or time passes).
    touch() must be called by a part after it changed its store.
    """

    clock: SandboxClock
    faults: FaultBook
    journal: Journal
    durations: Durations
    home: Path  # 0700 folder of this sandbox: certificates, logs, saved world
    lock: threading.RLock = field(default_factory=threading.RLock)
    aws_facts: Callable[[], AwsFacts] = _unset  # type: ignore[assignment]
    azure_facts: Callable[[], AzureFacts] = _unset  # type: ignore[assignment]
    version: int = 0

    def touch(self) -> None:
        self.version += 1

    def world(self) -> World:
        with self.lock:
            return World(self.aws_facts(), self.azure_facts(), self.clock.now(), self.faults, self.durations)
