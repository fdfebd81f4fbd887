"""The one loop that waits: when it looks, when it gives up, and what wakes it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudlink.core.polling import DELETION, MIN_READS, Stopped, TimedOut, WallClock, intervals, poll
from tests.support.clocks import FakeClock


def test_looks_until_done() -> None:
    clock, seen = FakeClock(), []
    answer = poll(
        lambda: clock.time, lambda t: t >= 100, clock=clock, typical_seconds=100, deadline=1000, on_read=seen.append
    )
    assert answer >= 100
    assert seen[0] == 0.0, "the first look is at once"
    assert seen[1] == 85.0, "the next one near the usual time"


def test_something_just_begun_is_not_looked_at_at_once() -> None:
    clock = FakeClock()
    assert (
        poll(lambda: clock.time, lambda _: True, clock=clock, typical_seconds=100, deadline=1000, read_first=False)
        == 85.0
    )


def test_what_nobody_waits_for_is_looked_at_rarely() -> None:
    def reads(slack: float) -> int:
        clock, seen = FakeClock(), []
        poll(
            lambda: clock.time,
            lambda t: t >= 150,
            clock=clock,
            typical_seconds=100,
            deadline=999,
            on_read=seen.append,
            slack=slack,
        )
        return len(seen)

    assert reads(slack=0) == 7
    assert reads(slack=400) == 3
    assert reads(slack=1e9) == 2, "but it is read"


def times_of_reads(typical_seconds: float, until: float, **how: Any) -> list[float]:
    clock, at = FakeClock(), []
    poll(
        lambda: at.append(clock.time),
        lambda _: clock.time >= until,
        clock=clock,
        typical_seconds=typical_seconds,
        deadline=99_999,
        read_first=False,
        **how,
    )
    return at


def test_the_gaps_grow_with_the_time_that_has_passed() -> None:
    at = times_of_reads(60, 200, pace=DELETION)
    assert at[0] == 21
    gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert gaps == pytest.approx([min(max(2.0, earlier / 8), 30.0) for earlier in at[:-1]])
    assert gaps[0] < 3 < gaps[5] < gaps[10]


def test_a_long_wait_costs_few_reads_and_is_not_ended_late() -> None:
    deletion = times_of_reads(420, 623, pace=DELETION)
    assert deletion[0] == 147 and len(deletion) <= 19 and deletion[-1] - 623 < 30
    creation = times_of_reads(1400, 1558)
    assert creation[0] == 1190 and len(creation) <= 14 and creation[-1] - 1558 < 30


def test_something_with_slack_is_first_read_later_but_not_by_all_of_it() -> None:
    """Three in a row share it."""
    assert times_of_reads(180, 0, slack=800)[0] == 180 * 0.85 + 100
    assert times_of_reads(10, 0, slack=800)[0] == 10 + 10, "twice the usual time at most"


def test_a_timeout_names_the_last_observation() -> None:
    clock = FakeClock()
    with pytest.raises(TimedOut) as raised:
        poll(lambda: "pending", lambda _: False, clock=clock, typical_seconds=10, deadline=60)
    assert raised.value.last == "pending"
    assert raised.value.waited >= 60


def test_sleeping_through_the_deadline_is_no_reason_to_give_up() -> None:
    clock, reads = FakeClock(jump=10_000), []

    def read() -> int:
        reads.append(1)
        return len(reads)

    assert poll(read, lambda n: n == MIN_READS, clock=clock, typical_seconds=10, deadline=60) == MIN_READS
    with pytest.raises(TimedOut):
        poll(read, lambda _: False, clock=clock, typical_seconds=10, deadline=60)


def test_a_read_may_fail_in_passing_and_only_in_passing() -> None:
    clock, errors = FakeClock(), [OSError("gone"), OSError("gone")]

    def read() -> str:
        if errors:
            raise errors.pop()
        return "ready"

    passing = lambda e: isinstance(e, OSError)  # noqa: E731 - a predicate
    assert poll(read, lambda s: s == "ready", clock=clock, typical_seconds=5, deadline=600, passing=passing) == "ready"
    with pytest.raises(ZeroDivisionError):
        poll(lambda: 1 / 0, lambda _: True, clock=clock, typical_seconds=5, deadline=600, passing=passing)


def test_stop_wakes_the_sleeper() -> None:
    clock = FakeClock()
    clock.stop()
    with pytest.raises(Stopped):
        poll(lambda: 1, lambda _: False, clock=clock, typical_seconds=5, deadline=600)


@given(typical_seconds=st.floats(0.5, 10_000), elapsed=st.floats(0, 20_000), slack=st.floats(0, 10_000))
def test_intervals_are_bounded(typical_seconds: float, elapsed: float, slack: float) -> None:
    pause = intervals(typical_seconds, elapsed, slack)
    assert pause >= 1.0
    assert elapsed + pause <= max(typical_seconds * 1.85 + 1.0, elapsed + 60.0) + 1e-6


def test_a_fast_clock() -> None:
    clock = WallClock(speed=1000, epoch=5.0)
    assert clock.now() >= 5.0
    assert not clock.wait(1)
    assert clock.now() >= 6.0
    clock.stop()
    assert clock.wait(10_000)


def test_what_takes_seconds_is_not_looked_at_before_it_has_usually_ended() -> None:
    assert times_of_reads(12, 0)[0] == 12
    assert times_of_reads(31, 0)[0] == pytest.approx(31 * 0.85)
