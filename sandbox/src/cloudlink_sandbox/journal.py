"""Every API call that the sandbox's clouds answered: what was called, the status, how long. No bodies."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """at: sandbox seconds. operation: ``CreateVpnConnection``, ``PUT connections``, ``PATCH configmaps``.
    writes: whether it changes something (POST reads such as getBgpPeerStatus do not). ms: wall milliseconds."""

    at: float
    cloud: str  # aws, azure, entra, aks, eks
    operation: str
    target: str
    status: int
    writes: bool
    ms: float


class Journal:
    """The last calls, and counts of all."""

    def __init__(self, keep: int = 20_000) -> None:
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque(maxlen=keep)
        self._counts: Counter[str] = Counter()
        self._writes = 0
        self._last_wall = 0.0

    def add(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)
            self._counts[call.cloud] += 1
            self._writes += call.writes
            self._last_wall = time.monotonic()

    def last_wall(self) -> float:
        """When the last call came, on the process's monotonic clock; 0 if none did."""
        return self._last_wall

    def calls(self) -> list[Call]:
        with self._lock:
            return list(self._calls)

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()
            self._counts.clear()
            self._writes = 0

    def json(self) -> dict[str, Any]:
        with self._lock:
            return {
                "total": sum(self._counts.values()),
                "writes": self._writes,
                "by_cloud": dict(self._counts),
                "calls": [asdict(c) for c in self._calls],
            }
