"""Whoever holds the sandbox's lock sees one moment: nothing ends in the middle of an answer."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cloudlink_sandbox.clock import SandboxClock
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.faults import FaultRegistry
from cloudlink_sandbox.journal import Journal

FAST = 1e9  # sandbox seconds in a second: two readings of a running clock are never equal


@pytest.mark.own("Whatever one call answers is of one moment, however fast the clock runs")
def test_time_stands_still_for_the_holder_alone(tmp_path: Path) -> None:
    context = SandboxContext(SandboxClock(FAST), FaultRegistry(), Journal(), Durations(), tmp_path)
    read: list[float] = []
    with context.lock:
        now = context.clock.now()
        with context.lock:
            assert context.clock.now() == now
        assert context.clock.now() == now
        other = threading.Thread(target=lambda: read.append(context.clock.now()))
        other.start()
        other.join()
        context.clock.advance(5)
        assert context.clock.now() == now + 5
    assert read[0] > now
    first, second = context.clock.now(), context.clock.now()
    assert now < first < second
