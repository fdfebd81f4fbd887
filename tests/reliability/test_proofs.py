"""A seeded part of each proof of docs/reliability.md; the whole is ``just prove``."""

from __future__ import annotations

import pytest
from prove import faults, hostile, kill, lives, ours, outages, secrets, state, two
from prove.figures import Figures

pytestmark = pytest.mark.slow


def told(figures: Figures) -> str:
    return "\n\n".join(f"{p.what}, {p.where}:\n{p.wrong}" for p in figures.failed)


@pytest.mark.parametrize("scene", ["fresh", "teardown", "verify-dns"])
def test_killed_for_real_and_run_again(scene: str) -> None:
    """Each kill must leave just what stood before it: the recorded proof rests on that."""
    figures = Figures()
    kill.prove(figures, seed=11, kills=3, scenes=(scene,), recorded=False)
    assert not figures.failed, told(figures)
    assert len(figures.points) >= 2


def test_killed_anywhere_and_run_again() -> None:
    figures = Figures()
    there_are = kill.prove(figures, seed=11, most=8, kills=1, scenes=("drifted",))
    assert not figures.failed, told(figures)
    trials = {p.same for p in figures.points if p.same}
    assert len(trials) >= 6
    assert len(figures.points) > len(trials), "points that leave the same remains are one trial"
    assert there_are > 500


@pytest.mark.parametrize("scene", ["fresh", "teardown"])
def test_a_fault_at_any_call(scene: str) -> None:
    figures = Figures()
    faults.prove(figures, seed=13, most=4, scenes=(scene,))
    assert not figures.failed, told(figures)
    assert len(figures.points) >= 2


def test_no_key_leaves() -> None:
    figures = Figures()
    secrets.prove(figures, seed=1, most=1)
    assert not figures.failed, told(figures)


def test_only_ours() -> None:
    figures = Figures()
    ours.prove(figures, seed=5, most=2)
    assert not figures.failed, told(figures)
    assert len(figures.points) >= 3


def test_random_lives() -> None:
    figures = Figures()
    lives.prove(figures, seed=7, most=2, edits=("as the example", "other records"))
    assert not figures.failed, told(figures)
    assert len([p for p in figures.points if p.what == "whole lives"]) == 2


def test_long_outages() -> None:
    """In the long wait of an ``up``: what is under way is taken up, and nothing is begun twice."""
    figures = Figures()
    some = ("network gone for minutes", "terminal closed", "Ctrl-C twice")
    outages.prove(figures, seed=23, most=3, only=some, scenes=("fresh",))
    assert not figures.failed, told(figures)
    assert len(figures.points) == 9


def test_a_disk_that_refuses() -> None:
    figures = Figures()
    state.prove(figures, seed=29, most=3, scenes=("fresh",))
    assert not figures.failed, told(figures)
    assert len(figures.points) == 7


def test_two_at_once() -> None:
    figures = Figures()
    two.prove(figures, seed=3, most=1)
    assert not figures.failed, told(figures)


def test_fuzzed_configurations() -> None:
    figures = Figures()
    hostile.configs(figures, seed=17, count=400)
    assert not figures.failed, told(figures)
    assert len(figures.points) == 400


def test_clouds_that_answer_nonsense() -> None:
    figures = Figures()
    hostile.answers(figures, seed=19, part=0, of=1, most=4)
    assert not figures.failed, told(figures)
