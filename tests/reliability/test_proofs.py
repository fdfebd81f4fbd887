"""A seeded part of each proof of docs/reliability.md; the whole is ``just reliability``."""

from __future__ import annotations

import pytest
from reliability.results import Results

from reliability import concurrency, faults, fuzz, kill, outages, ownership, random_sequences, secrets, state

pytestmark = pytest.mark.slow


def told(results: Results) -> str:
    return "\n\n".join(f"{p.what}, {p.where}:\n{p.wrong}" for p in results.failed)


@pytest.mark.parametrize("scenario", ["fresh", "teardown", "verify-dns"])
def test_killed_for_real_and_run_again(scenario: str) -> None:
    """Each kill must leave just what stood before it: the recorded proof rests on that."""
    results = Results()
    kill.run(results, seed=11, kills=3, scenarios=(scenario,), recorded=False)
    assert not results.failed, told(results)
    assert len(results.points) >= 2


def test_killed_anywhere_and_run_again() -> None:
    results = Results()
    there_are = kill.run(results, seed=11, most=8, kills=1, scenarios=("drifted",))
    assert not results.failed, told(results)
    trials = {p.same for p in results.points if p.same}
    assert len(trials) >= 6
    assert len(results.points) > len(trials), "points that leave the same crash state are one trial"
    assert there_are > 500


@pytest.mark.parametrize("scenario", ["fresh", "teardown"])
def test_a_fault_at_any_call(scenario: str) -> None:
    results = Results()
    faults.run(results, seed=13, most=4, scenarios=(scenario,))
    assert not results.failed, told(results)
    assert len(results.points) >= 2


def test_no_key_leaves() -> None:
    results = Results()
    secrets.run(results, seed=1, most=1)
    assert not results.failed, told(results)


def test_only_ours() -> None:
    results = Results()
    ownership.run(results, seed=5, most=2)
    assert not results.failed, told(results)
    assert len(results.points) >= 3


def test_random_lives() -> None:
    results = Results()
    random_sequences.run(results, seed=7, most=2, edits=("as the example", "other records"))
    assert not results.failed, told(results)
    assert len([p for p in results.points if p.what == "whole sequences"]) == 2


def test_long_outages() -> None:
    """In the long wait of an ``up``: what is under way is taken up, and nothing is begun twice."""
    results = Results()
    some = ("network gone for minutes", "terminal closed", "Ctrl-C twice")
    outages.run(results, seed=23, most=3, only=some, scenarios=("fresh",))
    assert not results.failed, told(results)
    assert len(results.points) == 9


def test_a_disk_that_refuses() -> None:
    results = Results()
    state.run(results, seed=29, most=3, scenarios=("fresh",))
    assert not results.failed, told(results)
    assert len(results.points) == 7


def test_two_at_once() -> None:
    results = Results()
    concurrency.run(results, seed=3, most=1)
    assert not results.failed, told(results)


def test_fuzzed_configurations() -> None:
    results = Results()
    fuzz.configs(results, seed=17, count=400)
    assert not results.failed, told(results)
    assert len(results.points) == 400


def test_clouds_that_answer_nonsense() -> None:
    results = Results()
    fuzz.answers(results, seed=19, part=0, of=1, most=4)
    assert not results.failed, told(results)
