"""docs/field-cases.md: every row names a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
    for line in (ROOT / "docs" / "field-cases.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| Situation")
]


def test_each_situation_has_a_test_that_exists() -> None:
    for _, _, _, held_by, _ in ROWS:
        for one in re.split(r"[;,] ?", held_by.strip("`")):
            file, _, name = one.strip().partition("::")
            text = (ROOT / file).read_text(encoding="utf-8")
            assert not name or f"def {name.partition('[')[0]}" in text, one


def test_there_are_a_hundred_and_few_that_do_not_hold() -> None:
    assert len(ROWS) >= 100
    assert sum(row[4] != "yes" for row in ROWS) <= 5
