"""An error as a screen: what is wrong, why it matters, what to do, and the ids that support asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cloudlink.errors import CloudlinkError, ConfigError, Finding, Interrupted, Mistake
from cloudlink.view.text import EMPTY, Line, Look, Span, advice, labelled, line, paragraph, table


def error_lines(error: CloudlinkError, look: Look, *, also: Sequence[str] = ()) -> Iterator[Line]:
    """also: addresses of other resources that failed in the same words."""
    asked = isinstance(error, Interrupted)  # which is no failure
    mark = Span(f"{look.glyph('warn')} Stopped:", "warn") if asked else Span(f"{look.glyph('bad')} Error:", "bad")
    yield from table([[mark, Span(error.summary, "strong")]], look, gap=1)
    yield from paragraph(error.detail, look, 2)
    if isinstance(error, ConfigError):
        for mistake in error.mistakes:
            yield EMPTY
            yield from _mistake(mistake, look)
    for finding in error.findings:
        yield EMPTY
        yield from _finding(finding, look)
    facts = [
        ("resource", ", ".join(r for r in (error.resource, *also) if r)),
        ("code", error.code),
        ("request id", error.request_id),
    ]
    present = [(label, fact) for label, fact in facts if fact]
    if present:
        yield EMPTY
    for label, fact in present:
        yield from labelled(label, fact, look, 2, 10)
    if error.hint:
        yield EMPTY
        yield line("  What to do:")
        yield from advice(error.hint, look, 4)


def _finding(finding: Finding, look: Look) -> Iterator[Line]:
    if finding.mistake is not None:
        yield from _mistake(finding.mistake, look)
        return
    yield from paragraph(finding.summary, look, 2, "strong")
    yield from paragraph(finding.detail, look, 4)
    facts = [("resource", finding.resource), ("key", finding.key)]
    pad = max((len(label) for label, fact in facts if fact), default=0)
    for label, fact in facts:
        if fact:
            yield from labelled(label, fact, look, 4, pad)
    if finding.hint:
        yield line("    What to do:")
        yield from advice(finding.hint, look, 6)


def _mistake(mistake: Mistake, look: Look) -> Iterator[Line]:
    yield line("  ", Span(mistake.path, "strong"), f" in line {mistake.line}" if mistake.line else "")
    for row in mistake.excerpt.splitlines():
        yield line(f"    {row}"[: look.width])
    for label, text in (("found", mistake.found), ("allowed", mistake.allowed), ("meant?", mistake.near_miss)):
        if text:
            yield from labelled(label, text, look, 4, 7)
