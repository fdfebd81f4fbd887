"""How the time of a proof is shared out among the kinds of link: none is left without a trial because another came first."""

from __future__ import annotations

import time

import pytest
from reliability.link_kinds import EXAMPLE_KIND, KINDS
from reliability.random_sequences import lives
from reliability.results import Point, Results


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    at = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: at[0])
    return at


def test_each_of_those_that_are_left_has_the_same(now: list[float]) -> None:
    results = Results(until=160.0)
    with results.share(3):
        assert results.until == 120.0
        now[0] = 150.0  # the first took longer than its share
    assert results.until == 160.0
    with results.share(2):
        assert results.until == 155.0
    now[0] = 200.0
    with results.share(1):
        assert results.time_is_up


def test_without_a_limit_there_are_no_shares(now: list[float]) -> None:
    results = Results()
    with results.share(4):
        now[0] = 1e9
        assert not results.time_is_up


def test_some_are_tried_whatever_the_time_is(now: list[float]) -> None:
    results = Results(until=now[0] - 1)
    assert list(results.in_time("abc")) == []
    assert list(results.in_time("abc", least=2)) == ["a", "b"]
    results.until = now[0] + 1
    assert list(results.in_time("abc", most=1, least=2)) == ["a"]


def test_every_life_is_led_once() -> None:
    names = (EXAMPLE_KIND, *KINDS)
    for workers in (1, 2, 3):
        mine = [lives(names, 5, 2, part, workers) for part in range(workers)]
        assert {there_are for there_are, _ in mine} == {5 + 2 * len(KINDS)}
        led = [(kind, number) for _, some in mine for kind, numbers in some for number in numbers]
        assert sorted(led) == sorted(
            [(EXAMPLE_KIND, n) for n in range(5)] + [(kind, n) for kind in KINDS for n in range(2)]
        )
    assert lives(("hub",), 5, 2, 0, 1) == (2, [("hub", [0, 1])])


def test_the_table_has_each_proof_and_each_of_its_rows() -> None:
    results = Results()
    for number, wrong in enumerate(("", "", "it wrote")):
        results.add(
            Point("kill", f"row {number % 2}", f"place {number}", wrong, same="one" if number % 2 == 0 else ""),
            say=False,
        )
    results.add(Point("files", "row", "place"))
    table = results.markdown()
    assert "| `kill` | 2 of 3 | 2 |" in table
    assert "| `files` | 1 of 1 | 1 |" in table
    assert "| kill | row 0 | 1 of 2 | 1 |" in table
