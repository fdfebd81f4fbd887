"""A small part of each proof of docs/reliability.md, drawn by a seed; the whole is ``just reliability``."""

from __future__ import annotations

import os
import random

import pytest
from reliability.link_kinds import EXAMPLE_KIND, KINDS
from reliability.results import Results

from reliability import (
    concurrency,
    denials,
    faults,
    fuzz,
    kill,
    kinds_killed,
    least_permissions,
    outages,
    ownership,
    random_sequences,
    secrets,
    state,
)

pytestmark = [pytest.mark.slow, pytest.mark.long]
SEED = int(os.environ.get("CLOUDLINK_PROOF_SEED", "11"))
DENIED = ("an AWS policy", "an Azure role", "an Azure policy", "a cluster's role", "a lock")


def drawn(*some: str, for_: str = "") -> list[str]:
    """Which one of these is tried this time. for_: of two tests that draw from the same, what this one is."""
    return [random.Random(f"{SEED}/{some}{for_}").choice(some)]


def told(results: Results) -> str:
    return "\n\n".join(f"{p.what}, {p.where}:\n{p.wrong}" for p in results.failed)


@pytest.mark.parametrize("scenario", drawn("fresh", "teardown", "verify-dns"))
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


@pytest.mark.parametrize("scenario", drawn("fresh", "teardown"))
def test_a_fault_at_any_call(scenario: str) -> None:
    results = Results()
    faults.run(results, seed=13, most=3, scenarios=(scenario,))
    assert not results.failed, told(results)
    assert len(results.points) >= 2


def test_no_key_leaves() -> None:
    results = Results()
    secrets.run(results, seed=1, most=1)
    assert not results.failed, told(results)


def test_only_ours() -> None:
    results = Results()
    ownership.run(results, seed=5, most=2, kinds=(EXAMPLE_KIND,))
    assert not results.failed, told(results)
    assert len(results.points) >= 3


@pytest.mark.parametrize("kind", drawn(*KINDS, for_="kills"))
def test_each_kind_of_link_is_killed_and_run_again(kind: str) -> None:
    """A few of the places of one kind; all places of each are in ``just reliability kinds_killed``."""
    results = Results()
    there_are = kinds_killed.run(results, seed=SEED, most=3, kinds=(kind,), scenarios=drawn("fresh", "teardown"))
    assert not results.failed, told(results)
    assert there_are > 50
    assert len({p.same for p in results.points}) >= 2


@pytest.mark.parametrize("kind", drawn(*KINDS, for_="others"))
def test_only_ours_on_each_kind_of_link(kind: str) -> None:
    results = Results()
    ownership.run(results, seed=SEED, most=1, kinds=(kind,))
    assert not results.failed, told(results)
    assert results.points


@pytest.mark.parametrize("kind", drawn(*KINDS))
def test_random_lives(kind: str) -> None:
    results = Results()
    random_sequences.run(results, seed=SEED, most=1, kinds=(kind,), configurations=2, longest=4)
    assert not results.failed, told(results)
    assert len([p for p in results.points if p.what.startswith("whole sequences")]) == 1


@pytest.mark.parametrize("kind", drawn("network gone for minutes", "terminal closed", "Ctrl-C twice"))
def test_long_outages(kind: str) -> None:
    """In the long wait of an ``up``: what is under way is taken up, and nothing is begun twice."""
    results = Results()
    outages.run(results, seed=23, most=1, only=(kind,), scenarios=("fresh",))
    assert not results.failed, told(results)
    assert results.points


def test_a_disk_that_refuses() -> None:
    results = Results()
    state.run(results, seed=29, most=3, scenarios=("fresh",))
    assert not results.failed, told(results)
    assert len(results.points) == 7


def test_two_at_once() -> None:
    results = Results()
    concurrency.run(results, seed=SEED, sample=1)
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


@pytest.mark.parametrize("kind", drawn(*least_permissions.TRIED))
def test_the_least_permissions(kind: str) -> None:
    """A seeded few of: exactly these, and each of them taken away."""
    results = Results()
    there_are = least_permissions.run(results, seed=31, most=4, kinds=(kind,))
    assert not results.failed, told(results)
    assert len(results.points) == 4
    assert there_are > (100 if kind == EXAMPLE_KIND else 20)


@pytest.mark.parametrize("kind", drawn(*DENIED))
def test_one_denial_at_a_time(kind: str) -> None:
    """Told before the first write or met in the middle; granted then, the same command goes on."""
    results = Results()
    there_are = denials.run(results, seed=37, most=2, only=(kind,))
    assert not results.failed, told(results)
    assert len(results.points) == 2
    assert there_are > 200
