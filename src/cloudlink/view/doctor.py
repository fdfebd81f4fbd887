"""The checks of ``doctor`` as a screen: what fails first, with its fix, then the rest, one line each."""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink.checks.advice import UP
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
    checks = sorted(report.checks, key=lambda c: order.index(c.outcome))
    to_do = list(dict.fromkeys(c.fix for c in checks if c.outcome is Outcome.FAILED and c.fix))
    # an up is refused, or not enough, until the others are done
    first, last = [fix for fix in to_do if fix != UP], [UP] if UP in to_do else []
    for check in checks:
        yield from _check(check, look, "then" if first and check.fix == UP else "fix")
    yield EMPTY
    failed, warned = report.count(Outcome.FAILED), report.count(Outcome.WARNING, Outcome.UNSEEN)
    state = " The link does not exist yet." if report.exists is False else ""
    said = f"{failed} to fix, {words.count(warned, 'warning')}.{state} Nothing was changed."
    yield from paragraph(said, look)
    if not failed and report.exists is False:
        yield from advice(UP, look, 0, "Next:")
    if len(checks) > 1:  # the first of what is to fix has scrolled away by now
        for label, fix in zip(("First:" if len(to_do) > 1 else "Next:", "Then:"), (*first[:1], *last), strict=False):
            yield from advice(fix, look, 0, label)


def _check(check: Check, look: Look, label: str) -> Iterator[Line]:
    """label: of what is to be done about it."""
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
        yield from advice(check.fix, look, indent, label)


__all__ = ["doctor_lines"]
