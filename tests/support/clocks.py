"""Two clocks that never wait: one of its own, and one over a sandbox's."""

from __future__ import annotations

import time

from cloudlink_sandbox.clock import SandboxClock


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


class SandboxTime:
    """A client's clock whose waiting moves the sandbox's."""

    def __init__(self, clock: SandboxClock, *, pause: float = 0.0) -> None:
        """pause: real seconds of each wait, for programs that run in the sandbox's pods."""
        self._clock = clock
        self._pause = pause
        self.stopped = False

    def now(self) -> float:
        return self._clock.now()

    def wait(self, seconds: float) -> bool:
        self._clock.advance(max(seconds, 0.01))
        if self._pause:
            time.sleep(self._pause)
        return self.stopped

    def stop(self) -> None:
        self.stopped = True
