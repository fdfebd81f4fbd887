"""Commands in this process that do not sit out the clouds' time.

The sandbox runs two hundred times faster than the clouds, and a link still takes a quarter of a minute, in which nobody
does anything. So while a plan is carried out, and every worker that is at work waits, the sandbox's clock is moved to
where the first of them looks again. Short waits are sat out, and so are those of commands that only look: there
programs in pods compute, at the machine's own speed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Condition
from typing import Any

import pytest

from cloudlink import sandbox_client
from cloudlink.core.apply import Worker
from cloudlink.core.polling import WallClock
from cloudlink.link import Link
from cloudlink.session import opening
from cloudlink_sandbox.errors import SandboxError

MOMENT = 0.03  # real seconds in which nothing happens before the clock is moved


class SwiftClock(WallClock):
    def __init__(self, speed: float, epoch: float, running: sandbox_client.Running) -> None:
        super().__init__(speed, epoch)
        self._running = running
        self._changed = Condition()
        self._at_work = 0
        self._due: list[float] = []
        self._touched = 0.0
        self._reachable = True

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Around all that one worker does."""
        with self._changed:
            self._at_work += 1
            self._touched = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                self._at_work -= 1
                self._touched = time.monotonic()

    def wait(self, seconds: float) -> bool:
        if seconds <= MOMENT * self.speed:
            return super().wait(seconds)
        due = self.now() + seconds
        with self._changed:
            self._due.append(due)
            self._touched = time.monotonic()
            while not self.stopped and (left := due - self.now()) > 0:
                self._changed.wait(min(left / self.speed, MOMENT))
                self._jump()
            self._due.remove(due)
            self._touched = time.monotonic()
        return self.stopped

    def _jump(self) -> None:
        quiet = time.monotonic() - self._touched >= MOMENT and 0 < self._at_work <= len(self._due)
        ahead = min(self._due) - self.now()
        if not quiet or not self._reachable or self.stopped or ahead <= 0:
            return
        try:
            self._running.call("POST", "clock", {"advance": ahead})
        except SandboxError:  # it was stopped under the command: that is for the command to find out
            self._reachable = False
        else:
            self._epoch += ahead
            self._changed.notify_all()


@contextlib.contextmanager
def swift_commands() -> Iterator[None]:
    """What is carried out within, on a sandbox whose clock runs."""
    found: list[Any] = []
    start, work = sandbox_client.start, Worker.work

    def started(home: Path, link: Link, **named: Any) -> Any:
        running = start(home, link, **named)
        # The lease of a state in an object store lasts in real time, to which a moved clock adds.
        found[:] = [running] if link.state is None else []
        return running

    def clock(speed: float = 1.0, epoch: float | None = None) -> WallClock:
        if speed == 1.0 or epoch is None or not found:  # a real cloud's, or one that a test moves by hand
            return WallClock(speed, epoch)
        return SwiftClock(speed, epoch, found[0])

    def worked(self: Worker, *arguments: Any) -> Any:
        if not isinstance(self._clock, SwiftClock):
            return work(self, *arguments)
        with self._clock.working():
            return work(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox_client, "start", started)
        patch.setattr(opening, "WallClock", clock)
        patch.setattr(Worker, "work", worked)
        yield
