"""Clocks that do not wait in real time: one of its own, and two over a sandbox's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cloudlink_sandbox.clock import SandboxClock

_A_LOOK = 0.01  # real seconds between two looks at programs in pods


class FakeClock:
    """Moves only when somebody waits."""

    def __init__(self, start: float = 0.0, *, jump: float = 0.0) -> None:
        """jump: seconds that pass in addition at each wait (a laptop asleep)."""
        self.time = start
        self.jump = jump
        self.waits: list[float] = []
        self.stopped = False

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.time += seconds + self.jump
        return self.stopped

    def stop(self) -> None:
        self.stopped = True


class SharedTime:
    """A client's clock for several threads: their waits go on side by side. When all that are known to wait have done so
    undisturbed for a moment, the sandbox's clock jumps to the first that is due. quiet: seconds of real time."""

    def __init__(self, clock: SandboxClock, *, busy: Callable[[], float], quiet: float = 0.06) -> None:
        """busy: when the sandbox answered last, on the process's monotonic clock."""
        self._clock, self._busy, self._quiet = clock, busy, quiet
        self._due: list[float] = []
        self._changed = threading.Condition()
        self._touched = time.monotonic()
        self.stopped = False

    def now(self) -> float:
        return self._clock.now()

    def wait(self, seconds: float) -> bool:
        due = self.now() + max(seconds, 0.01)
        with self._changed:
            self._due.append(due)
            self._touched = time.monotonic()
            while self.now() < due and not self.stopped:
                self._changed.wait(self._quiet / 3)
                still = time.monotonic() - max(self._touched, self._busy()) >= self._quiet
                if still and self.now() < min(self._due):
                    self._clock.advance(min(self._due) - self.now())
                    self._changed.notify_all()
            self._due.remove(due)
            self._touched = time.monotonic()
        return self.stopped

    def stop(self) -> None:
        self.stopped = True


class SandboxTime:
    """A client's clock whose waiting moves the sandbox's."""

    def __init__(
        self, clock: SandboxClock, *, pause: float = 0.0, computing: Callable[[], bool] = lambda: True
    ) -> None:
        """pause: real seconds of each wait, for programs that run in the sandbox's pods. computing: whether one does;
        where none does, no wait takes any."""
        self._clock = clock
        self._pause = pause
        self._computing = computing
        self.stopped = False

    def now(self) -> float:
        return self._clock.now()

    def wait(self, seconds: float) -> bool:
        self._clock.advance(max(seconds, 0.01))
        until = time.monotonic() + self._pause
        while time.monotonic() < until and self._computing():
            time.sleep(min(self._pause, _A_LOOK))
        return self.stopped

    def stop(self) -> None:
        self.stopped = True
