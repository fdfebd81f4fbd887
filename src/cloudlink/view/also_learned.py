"""The ranges that each side learns beyond what the link is for, as lines of a plan and of a status."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cloudlink.core.also_learned import AlsoLearned
from cloudlink.view.text import EMPTY, Cell, Line, Look, Span, heading, paragraph, table

SIDES = {"aws": "AWS", "azure": "Azure"}
TITLE = "Learned as well, beyond what the link is for"


def also_learned_lines(
    rows: Sequence[AlsoLearned], look: Look, *, planned: bool, unread: str = "", note: str = ""
) -> Iterator[Line]:
    """Nothing where there is nothing to tell. planned: it will be so. unread: why not all is known. note: said below the rows."""
    if not rows and not unread:
        return
    yield EMPTY
    yield heading(TITLE)
    verb = "will learn" if planned else "has learned"
    shown: list[list[Cell]] = [
        [f"{SIDES[row.side]} {verb}", row.range, row.owner, Span(row.where, "dim")] for row in rows
    ]
    if look.narrow:
        for row in rows:
            yield from paragraph(f"{SIDES[row.side]} {verb} {row.range}", look, 2)
            yield from paragraph(f"{row.owner} ({row.where})", look, 4, "dim")
    else:
        yield from table(shown, look, indent=2)
    for limit in dict.fromkeys(row.limit for row in rows if row.limit):
        yield from paragraph(limit, look, 2, "dim")
    if rows and note:
        yield from paragraph(note, look, 2, "dim")
    if unread:
        yield from paragraph(f"Not all of it could be read: {unread}", look, 2, "warn")
