"""Time, and the one loop that waits for something to become true."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """Where all waiting goes through, so that tests and the sandbox can run it at their own speed."""

    def now(self) -> float:
        """Seconds since the epoch, in the clouds' time (the sandbox's clock runs fast)."""
        ...

    def wait(self, seconds: float) -> bool:
        """Sleep that long in the clouds' time. True if we were asked to stop meanwhile."""
        ...

    @property
    def stopped(self) -> bool: ...

    def stop(self) -> None:
        """Wake every sleeper; from now on every wait returns True at once."""
        ...


class WallClock:
    """Real time, or real time run faster by ``speed``: one second of wall time is ``speed`` seconds here."""

    def __init__(self, speed: float = 1.0, epoch: float | None = None) -> None:
        self.speed = speed
        self._wall = time.monotonic()
        self._epoch = time.time() if epoch is None else epoch
        self._stop = threading.Event()

    def now(self) -> float:
        return self._epoch + (time.monotonic() - self._wall) * self.speed

    def wait(self, seconds: float) -> bool:
        return self._stop.wait(max(0.0, seconds) / self.speed)

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        self._stop.set()


class Stopped(Exception):
    """Raised inside a wait when the user asked to stop. Not an error of its own."""


def intervals(typical_seconds: float, elapsed: float, slack: float = 0.0) -> float:
    """How long to wait before the next read of something that typically takes ``typical_seconds``.

    Long where the end is far, short where it is near: a first read at 85 % of the typical time, then every
    ninetieth of it, or every seventieth of ``slack``, the seconds by which it may end late and delay nothing; never
    oftener than every 2 s and never rarer than every 30 s. A read costs a call; a late read costs the user time where
    others wait for it, and only there. For a gateway of 23 minutes this is a dozen calls, and 16 s late at worst.
    """
    if elapsed < typical_seconds * 0.85:
        return max(typical_seconds * 0.85 - elapsed, 1.0)
    return min(max(typical_seconds / 90, slack / 70, 2.0), 30.0)


# Time alone does not end a wait: a laptop that slept through the deadline reads a few times more before it gives up.
MIN_READS = 5


def poll(
    read: Callable[[], T],
    done: Callable[[T], bool],
    *,
    clock: Clock,
    typical_seconds: float,
    deadline: float,
    on_read: Callable[[T], None] = lambda _: None,
    passing: Callable[[Exception], bool] = lambda _: False,
    read_first: bool = True,
    slack: float = 0.0,
) -> T:
    """Read until ``done``; raise :class:`TimedOut` with the last value at the deadline (seconds from now).

    ``passing(error)`` says whether a failed read is worth another try: a laptop that loses its network
    for minutes must not end a forty-minute wait. read_first: false when something has just been begun, so that
    an immediate read would be wasted. slack: see :func:`intervals`. Raises :class:`Stopped` when the clock is stopped.
    """
    start = clock.now()
    last: T | None = None
    attempts = 0
    if not read_first and clock.wait(min(intervals(typical_seconds, 0.0), deadline)):
        raise Stopped
    while True:
        elapsed = clock.now() - start
        try:
            last = read()
        except Exception as error:
            if not passing(error) or (elapsed >= deadline and attempts >= MIN_READS):
                raise
        else:
            on_read(last)
            if done(last):
                return last
        attempts += 1
        if elapsed >= deadline and attempts >= MIN_READS:
            raise TimedOut(last, elapsed)
        if clock.wait(min(intervals(typical_seconds, elapsed, slack), max(deadline - elapsed, 0.1))):
            raise Stopped


class TimedOut(Exception):
    def __init__(self, last: object, waited: float) -> None:
        super().__init__(f"gave up after {waited:.0f} s")
        self.last = last
        self.waited = waited
