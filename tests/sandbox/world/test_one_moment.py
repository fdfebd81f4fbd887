"""Whoever holds the sandbox's lock sees one moment: nothing ends in the middle of an answer."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cloudlink_sandbox.clock import SandboxClock
from cloudlink_sandbox.cloud import Sky
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.faults import FaultBook
from cloudlink_sandbox.journal import Journal

FAST = 1e9  # sandbox seconds in a second: two readings of a running clock are never equal


@pytest.mark.own("Whatever one call answers is of one moment, however fast the clock runs")
def test_time_stands_still_for_the_holder_alone(tmp_path: Path) -> None:
    sky = Sky(SandboxClock(FAST), FaultBook(), Journal(), Durations(), tmp_path)
    read: list[float] = []
    with sky.lock:
        now = sky.clock.now()
        with sky.lock:
            assert sky.clock.now() == now
        assert sky.clock.now() == now
        other = threading.Thread(target=lambda: read.append(sky.clock.now()))
        other.start()
        other.join()
        sky.clock.advance(5)
        assert sky.clock.now() == now + 5
    assert read[0] > now
    first, second = sky.clock.now(), sky.clock.now()
    assert now < first < second
