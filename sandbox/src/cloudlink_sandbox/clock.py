"""The one clock of a sandbox: it can run fast, stand still and be moved forward, never back."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


def busy() -> float:
    """How many processes there are for each processor of this machine, at least 1: so many times what a program does takes
    longer than on an idle one."""
    try:
        return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    except (OSError, AttributeError):  # a system that does not tell
        return 1.0


class SandboxClock:
    """now() in sandbox seconds since the epoch. speed: sandbox seconds per second of wall time; 0: the clock does not move.

    ``frozen()`` holds it still for the calling thread alone: what is answered in one call is of one moment.
    """

    def __init__(self, speed: float = 60.0, start: float | None = None) -> None:
        self._lock = threading.Lock()
        self._speed = speed
        self._base = time.time() if start is None else start
        self._wall = time.monotonic()
        self._held = threading.local()
        self._moved = 0.0  # by hand

    @property
    def speed(self) -> float:
        return self._speed

    def now(self) -> float:
        held: float | None = getattr(self._held, "at", None)
        if held is not None:
            return held
        with self._lock:
            return self._now()

    def real(self) -> float:
        """Seconds since the epoch as the wall counts them, and what was moved forward by hand: the time of leases and
        locks, whose holders count in it whatever the clouds' speed is."""
        with self._lock:
            return time.time() + self._moved

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Re-entrant: time goes on for this thread when the outermost one ends."""
        if getattr(self._held, "at", None) is not None:
            yield
            return
        held = self._held
        held.at = self.now()
        try:
            yield
        finally:
            held.at = None

    def _now(self) -> float:
        return self._base + (time.monotonic() - self._wall) * self._speed

    def set_speed(self, speed: float) -> None:
        if speed < 0:
            raise ValueError("a clock does not run backwards")
        with self._lock:
            self._base, self._wall = self._now(), time.monotonic()
            self._speed = speed

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("a clock does not run backwards")
        with self._lock:
            self._base += seconds
            self._moved += seconds
        if getattr(self._held, "at", None) is not None:
            self._held.at += seconds

    def __getstate__(self) -> dict[str, float]:
        return {"now": self.now(), "speed": self._speed}

    def __setstate__(self, state: dict[str, float]) -> None:
        self.__init__(state["speed"], state["now"])  # type: ignore[misc]
