"""``cloudlink test`` as a screen, as JUnit's XML and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from cloudlink.checks.report import Outcome
from cloudlink.day_two.reports import Trial, TrialReport
from cloudlink.view import words
from cloudlink.view.markdown import code, text
from cloudlink.view.text import EMPTY, Line, Look, Span, Tone, advice, fold, line, paragraph

_SHOWN: dict[Outcome, tuple[words.Glyph, Tone, str]] = {
    Outcome.PASSED: ("good", "good", "pass"),
    Outcome.FAILED: ("bad", "bad", "fail"),
    Outcome.WARNING: ("warn", "warn", "warn"),
    Outcome.UNSEEN: ("waiting", "dim", "skip"),
    Outcome.SKIPPED: ("skipped", "dim", "skip"),
}
_GROUPS = {"names": "Names", "path": "Path", "failover": "Failover"}


def trial_lines(report: TrialReport, look: Look) -> Iterator[Line]:
    for group, title in _GROUPS.items():
        rows = [t for t in report.trials if t.group == group]
        if rows:
            yield line(Span(title, "strong"))
            for each in rows:
                yield from _trial(each, look)
            yield EMPTY
    yield from paragraph(verdict(report), look)


def verdict(report: TrialReport) -> str:
    failed, passed = report.count(Outcome.FAILED), report.count(Outcome.PASSED)
    return f"{words.count(passed, 'test')} passed, {failed} failed."


def _trial(each: Trial, look: Look) -> Iterator[Line]:
    glyph, tone, word = _SHOWN[each.outcome]
    mark = f"  {look.glyph(glyph)} {word}  "
    yield from fold(line(Span(mark, tone), each.name, Span(f"  {each.detail}", "dim")), look.width, len(mark))
    if each.fix:
        yield from advice(each.fix, look, len(mark), "fix")


def junit(report: TrialReport) -> str:
    """As Jenkins, GitLab and GitHub's actions read it: a suite for each group."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites name={_quoted('cloudlink ' + report.link)}>"]
    for group in _GROUPS:
        rows = [t for t in report.trials if t.group == group]
        if not rows:
            continue
        failed = sum(t.outcome is Outcome.FAILED for t in rows)
        skipped = sum(t.outcome in (Outcome.SKIPPED, Outcome.UNSEEN) for t in rows)
        took = sum(t.seconds or 0.0 for t in rows)
        lines.append(
            f'  <testsuite name={_quoted(group)} tests="{len(rows)}" failures="{failed}" errors="0" skipped="{skipped}" time="{took:.3f}">'
        )
        lines += [f"    {_case(t)}" for t in rows]
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>"]) + "\n"


def _case(each: Trial) -> str:
    head = f'<testcase classname={_quoted("cloudlink." + each.group)} name={_quoted(each.name)} time="{each.seconds or 0:.3f}"'
    if each.outcome is Outcome.FAILED:
        return f'{head}><failure message={_quoted(each.detail)} type="failed"/></testcase>'
    if each.outcome in (Outcome.SKIPPED, Outcome.UNSEEN):
        return f"{head}><skipped message={_quoted(each.detail)}/></testcase>"
    return f"{head}/>"


def _quoted(text: str) -> str:
    """An attribute, of characters that XML knows."""
    return quoteattr(words.visible(text))


def trial_markdown(report: TrialReport) -> str:
    rows = [f"| {_SHOWN[t.outcome][2]} | {t.group} | {code(t.name)} | {text(t.detail)} |" for t in report.trials]
    head = [
        f"### cloudlink test: {code(report.link)}",
        "",
        f"**{verdict(report)}**",
        "",
        "| | | | |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"
