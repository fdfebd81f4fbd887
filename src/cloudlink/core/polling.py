"""The clock, the retry loop, and polling, which is built on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """The clock of every wait, so that tests and the sandbox can run at their own speed."""

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


class TimedOut(Exception):
    def __init__(self, last: object, waited: float) -> None:
        super().__init__(f"gave up after {waited:.0f} s")
        self.last = last
        self.waited = waited


def retry(call: Callable[[], T], pause: Callable[[Exception, float], float | None], clock: Clock) -> T:
    """Call until it returns. ``pause(error, elapsed)`` says how many seconds after that error the same call makes sense
    again; None: it does not, and the error is raised. Raises :class:`Stopped` when the clock is stopped meanwhile.
    """
    start = clock.now()
    while True:
        try:
            return call()
        except Exception as error:
            seconds = pause(error, clock.now() - start)
            if seconds is None:
                raise
        if clock.wait(seconds):
            raise Stopped


@dataclass(frozen=True)
class Pace:
    """How often something that was just begun is read."""

    first_read: float  # the share of its usual time after which it is read first
    longest_gap: float = 30.0  # seconds between two reads, where others wait for it


# Creations vary little and end rarely before; deletions from a third of their usual time to twice as long.
CREATION = Pace(0.85)
AT_USUAL_TIME = Pace(1.0)  # of what seldom ends much sooner: two reads less, for a few seconds
DELETION = Pace(0.35)
STEADY_DELETION = Pace(0.85)  # of what is never gone much sooner than usual
LONGEST_GAP_WITH_SLACK = 60.0
SHORT = 30.0  # seconds: an early look at what takes so little saves a second or two, and costs a call


def intervals(typical_seconds: float, elapsed: float, slack: float = 0.0, *, pace: Pace = CREATION) -> float:
    """How long to wait before the next read of something that typically takes ``typical_seconds``.

    A read costs a call; a late read costs the user time, but only where others wait for it. So the gaps grow with the
    time that has passed, an eighth of it. Where something may end ``slack`` seconds late and delay nothing, it is read
    later still: by an eighth of the slack, for several that follow each other share it.
    """
    share = 1.0 if typical_seconds <= SHORT and pace is not DELETION else pace.first_read
    begin = typical_seconds * share + min(slack / 8, typical_seconds)
    if elapsed < begin:
        return max(begin - elapsed, 1.0)
    return min(max(elapsed / 8, 2.0), max(pace.longest_gap, min(slack / 8, LONGEST_GAP_WITH_SLACK)))


def lateness(typical_seconds: float, slack: float) -> float:
    """How much later something with slack is seen to have ended, at most."""
    return min(slack / 8, typical_seconds) + min(slack / 8, LONGEST_GAP_WITH_SLACK)


# Time alone does not end a wait: a laptop that slept through the deadline reads a few times more before it gives up.
MIN_READS = 5


class _NotYet(Exception):
    """What was read is not yet what is waited for."""


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
    pace: Pace = CREATION,
) -> T:
    """Read until ``done``; raise :class:`TimedOut` with the last value at the deadline (seconds from now).

    ``passing(error)`` says whether a failed read is worth another try: a laptop that loses its network
    for minutes must not end a forty-minute wait. read_first: false when something has just been begun, so that
    an immediate read would be wasted. slack, pace: see :func:`intervals`. Raises :class:`Stopped` when the clock
    is stopped.
    """
    start = clock.now()
    last: T | None = None
    attempts = 0

    def once() -> T:
        nonlocal last
        last = read()
        on_read(last)
        if done(last):
            return last
        raise _NotYet

    def pause(error: Exception, elapsed: float) -> float | None:
        nonlocal attempts
        attempts += 1
        over = elapsed >= deadline and attempts >= MIN_READS
        if isinstance(error, _NotYet):
            if over:
                raise TimedOut(last, elapsed) from None
        elif over or not passing(error):
            return None
        return min(intervals(typical_seconds, elapsed, slack, pace=pace), max(deadline - elapsed, 0.1))

    before = 0.0 if read_first else min(intervals(typical_seconds, 0.0, slack, pace=pace), deadline)
    if before and clock.wait(before):
        raise Stopped
    # `retry` counts from its own beginning, the gaps from that of the wait
    return retry(once, lambda error, _: pause(error, clock.now() - start), clock)
