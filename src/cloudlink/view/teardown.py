"""What a teardown did, as a screen."""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink.checks.report import TeardownReport
from cloudlink.view import words
from cloudlink.view.text import EMPTY, Line, Look, Span, Tone, advice, heading, line, paragraph, table

_Rows = tuple[tuple[str, str, str], ...]


def teardown_lines(report: TeardownReport, look: Look) -> Iterator[Line]:
    mark = Span(look.glyph("good"), "good") if report.complete else Span(look.glyph("bad"), "bad")
    yield from table([[mark, Span(_sentence(report), "strong")]], look)
    explained = {item.address for item in report.left}  # each with its own reason, below
    sections: tuple[tuple[str, str, Tone, _Rows], ...] = (
        ("Deleted", "-", "", report.deleted),
        ("Put back as it was", "~", "", report.restored),
        ("Kept: cloudlink did not make it", "=", "", tuple(r for r in report.kept if r[0] not in explained)),
        ("Kept", "=", "", tuple(r for r in report.kept if r[0] in explained)),
        (
            "Left over (run cloudlink teardown again)",
            look.glyph("bad"),
            "bad",
            report.leftovers,
        ),
    )
    for title, glyph, tone, rows in sections:
        if rows:
            yield EMPTY
            yield heading(title)
            yield from table(
                [
                    [Span(glyph, tone), address, what, Span(words.object_name(detail), "dim")]
                    for address, what, detail in rows
                ],
                look,
                indent=2,
            )
        if title == "Kept":
            yield from _left(report, look)


def _left(report: TeardownReport, look: Look) -> Iterator[Line]:
    """What was kept although it may be cloudlink's, and what to do about it."""
    for item in report.left:
        yield EMPTY
        yield line(
            "  ", Span(look.glyph("warn"), "warn"), f" {item.address}  ", Span(words.object_name(item.id), "dim")
        )
        yield from paragraph(item.why, look, 4)
        for command in item.hint.splitlines():
            yield from advice(command, look, 6)


def _sentence(report: TeardownReport) -> str:
    if report.complete and not (report.deleted or report.restored):
        return f"There was nothing to take down for the link {report.link}."
    counts = [f"{len(report.deleted)} deleted", f"{len(report.restored)} restored", f"{len(report.kept)} kept"]
    if report.leftovers:
        left = words.count(len(report.leftovers), "object is", "objects are")
        return f"The link {report.link} is not fully taken down: {left} left over; {', '.join(counts)}."
    if not report.complete:
        open_ = words.count(sum(not item.asked for item in report.left), "object")
        return f"The link {report.link} may not be fully taken down: see below for {open_}; {', '.join(counts)}."
    return f"The link {report.link} is taken down: {', '.join(counts)}."
