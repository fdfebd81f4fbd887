"""The clock, how long things take, and faults that come and go: the same again for the same seed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from cloudlink_sandbox.clock import SandboxClock
from cloudlink_sandbox.durations import MEDIANS, Durations
from cloudlink_sandbox.faults import Fault, FaultKind, FaultRegistry
from cloudlink_sandbox.saved_world import decode, encode

KEYS = [f"thing {i}" for i in range(200)]


@pytest.mark.own(
    "Durations are drawn between recorded bounds around their median, the same for the same seed and thing"
)
def test_durations_are_repeatable() -> None:
    one, again, other = Durations(seed=7), Durations(seed=7), Durations(seed=8)
    for kind, (median, low, high) in MEDIANS.items():
        drawn = [one.sample(kind, k) for k in KEYS]
        assert [again.sample(kind, k) for k in reversed(KEYS)] == drawn[::-1]  # whatever the order of calls
        assert all(low <= seconds <= high for seconds in drawn)
        below = sum(seconds < median for seconds in drawn)
        if low < high:
            assert [other.sample(kind, k) for k in KEYS] != drawn
            assert low == median or 60 < below < 140
    assert Durations(exact=True).sample("aws.vpn.create", "x") == 180
    assert Durations(overrides={"aws.vpn.create": 3}).sample("aws.vpn.create", "x") == 3


@pytest.mark.own(
    "The clock runs fast or stands still, can be moved forward and never back, and goes on after it was saved"
)
def test_the_clock() -> None:
    clock = SandboxClock(0, 1_000.0)
    clock.advance(10)
    assert clock.now() == 1_010
    for wrong in (lambda: clock.advance(-1), lambda: clock.set_speed(-1)):
        with pytest.raises(ValueError, match="backwards"):
            wrong()
    loaded = SandboxClock()
    loaded.__setstate__(decode(encode(clock.__getstate__())))
    assert (loaded.now(), loaded.speed) == (1_010, 0)
    began = time.monotonic()
    clock.set_speed(1_000)
    first, second = clock.now(), clock.now()
    assert 1_010 <= first <= second <= 1_010 + (time.monotonic() - began) * 1_000
    assert second > 1_010


@pytest.mark.own(
    "A fault lets calls through first, hits so many of them, ends by itself or is removed, and is saved with the rest"
)
def test_faults_come_and_go() -> None:
    now = 100.0
    registry = FaultRegistry(clock=lambda: now)

    def hits(place: str, count: int = 5, **more: Any) -> int:
        return sum(registry.match(place, "error", **more) is not None for _ in range(count))

    registry.add(Fault("error", "aws.Create*", times=2, skip=1))
    assert (hits("aws.DeleteX"), hits("aws.CreateX"), hits("AWS.createx")) == (0, 2, 0)
    registry.add(Fault("error", "aws.eu-central-1.*", times=None, duration=60))
    assert hits("aws.DescribeX", also="aws.eu-central-1.DescribeX") == 5
    assert hits("aws.DescribeX", also="aws.us-east-1.DescribeX") == 0
    now = 160.0
    assert hits("aws.DescribeX", also="aws.eu-central-1.DescribeX") == 0

    down = registry.add(Fault("tunnel-down", "198.51.100.*", times=None, duration=30))
    assert registry.active("tunnel-down", "198.51.100.11") is down
    now = 500.0
    assert registry.active("tunnel-down", "198.51.100.11") is None
    assert registry.ended("tunnel-down", "198.51.100.11") == 190
    saved = FaultRegistry()
    saved.__setstate__(decode(encode(registry.__getstate__())))
    assert saved.ended("tunnel-down", "198.51.100.11") == 190
    with pytest.raises(ValueError, match="there is no fault"):
        registry.add(Fault("gremlins", "*"))
    with pytest.raises(ValueError, match="duration"):
        registry.add(Fault("error", "*", duration=0))


@pytest.mark.own("Every kind of fault is put to use by some test of the sandbox")
def test_every_kind_of_fault_is_tested() -> None:
    tests = "\n".join(p.read_text() for p in Path(__file__).parents[1].rglob("*.py"))
    assert {kind for kind in FaultKind if f'"{kind}"' not in tests} == set()
