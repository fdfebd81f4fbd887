"""The table, in Markdown, so that it can stand in a document as it is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Row:
    what: str
    median: str
    goal: str
    detail: str


def print_table(rows: Sequence[Row]) -> None:
    lines = [("", "median", "goal", ""), *(astuple(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    for number, line in enumerate(lines):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
