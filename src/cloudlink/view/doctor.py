"""The checks of ``doctor`` as a screen: what fails first, with its fix, then the rest, one line each."""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink.checks.doctor import DoctorReport
from cloudlink.checks.report import Check, Outcome
from cloudlink.view import words
from cloudlink.view.text import EMPTY, Line, Look, Span, Tone, advice, fold, line, paragraph

_SHOWN: dict[Outcome, tuple[words.Glyph, Tone, str]] = {
    Outcome.FAILED: ("bad", "bad", "fail"),
    Outcome.WARNING: ("warn", "warn", "warning"),
    Outcome.UNSEEN: ("waiting", "dim", "not proved"),
    Outcome.PASSED: ("good", "good", "pass"),
    Outcome.SKIPPED: ("skipped", "dim", "skipped"),
}
_WIDTH = max(len(word) for _, _, word in _SHOWN.values())


def doctor_lines(report: DoctorReport, look: Look) -> Iterator[Line]:
    order = list(_SHOWN)
    for check in sorted(report.checks, key=lambda c: order.index(c.outcome)):
        yield from _check(check, look)
    yield EMPTY
    failed, warned = report.count(Outcome.FAILED), report.count(Outcome.WARNING, Outcome.UNSEEN)
    state = " The link does not exist yet." if report.exists is False else ""
    said = f"{failed} to fix, {words.count(warned, 'warning')}.{state} Nothing was changed."
    yield from paragraph(said, look)
    if not failed and report.exists is False:
        yield from advice("cloudlink up", look, 0, "Next:")


def _check(check: Check, look: Look) -> Iterator[Line]:
    glyph, tone, word = _SHOWN[check.outcome]
    mark = f"{look.glyph(glyph)} {word:<{_WIDTH}}  "
    indent = len(mark)
    if check.outcome is Outcome.PASSED:
        detail = f"  {check.detail}" if check.detail else ""
        yield from fold(line(Span(mark, tone), check.title, Span(detail, "dim")), look.width, indent)
        return
    yield from fold(line(Span(mark, tone), check.title), look.width, indent)
    yield from paragraph(check.detail, look, indent, "dim")
    if check.fix:
        yield from advice(check.fix, look, indent, "fix")


__all__ = ["doctor_lines"]
