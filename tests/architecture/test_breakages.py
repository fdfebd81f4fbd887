"""The list of deliberate breakages follows the code: each can still be made, and each of its tests is there."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from breakages import Breakage, breakages  # noqa: E402

ALL = breakages()


def test_there_are_at_least_those_that_once_survived() -> None:
    assert len(ALL) >= 40
    assert len({b.name for b in ALL}) == len(ALL)


@pytest.mark.parametrize("breakage", ALL, ids=lambda b: b.name)
def test_it_can_be_made_and_has_its_tests(breakage: Breakage) -> None:
    assert breakage.problem(ROOT / "src") == ""
    assert breakage.old != breakage.new and (breakage.tests or breakage.proofs)
    for test in (*breakage.tests, *breakage.proofs):
        file, _, name = test.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name.partition("[")[0] in {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}, test


def test_what_cannot_be_made_is_said() -> None:
    gone = Breakage("n", "core/apply.py", "no such text", "", ())
    assert gone.problem(ROOT / "src") == "its text stands 0 times in core/apply.py: no such text"
    assert Breakage("n", "core/nothing.py", "x", "", ()).problem(ROOT / "src") == "there is no file core/nothing.py"
