"""The table, in Markdown, and its place in the page."""

from __future__ import annotations

import re
from collections.abc import Iterable

from reliability.side_by_side.trial import Row

BEGIN, END = "<!-- side by side: from here -->", "<!-- side by side: to here -->"


def markdown(rows: Iterable[Row]) -> str:
    rows = list(rows)
    agree = sum(row.agree and not row.refused for row in rows)
    refused = sum(bool(row.refused) for row in rows)
    apart = [row for row in rows if not row.agree]
    lines = [
        f"{len(rows)} changes: in {agree} all three agree, {refused} a cloud's API refuses, {len(apart)} differ.",
        "",
        "| | Changed | The sandbox's world | `status`, `verify-dns` | The daemons | |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row.refused:
            lines.append(f"| {row.change.area} | {row.change.name} | refused by the API | | | |")
            continue
        verdict = "agree" if row.agree else f"**differ**: {row.change.reason}" if row.change.reason else "**differ**"
        sides = " | ".join(map(str, (row.world, row.status, row.daemons)))
        lines.append(f"| {row.change.area} | {row.change.name} | {sides} | {verdict} |")
    return "\n".join(lines) + "\n"


def put_into(page: str, table: str) -> str:
    between = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}", re.DOTALL)
    assert between.search(page), "the page has no place for the table"
    return between.sub(lambda _: f"{BEGIN}\n\n{table}\n{END}", page)


def named(page: str) -> list[str]:
    """The changes that the page's table has, as ``area: name``."""
    body = page.partition(BEGIN)[2].partition(END)[0]
    cells = [[c.strip() for c in line.split("|")] for line in body.splitlines() if line.startswith("| ")]
    return [f"{c[1]}: {c[2]}" for c in cells if c[1]]
