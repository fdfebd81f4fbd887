"""What names answer from a pod, as a screen: per name a verdict, the way there, and where it first goes wrong."""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink.checks.report import DnsReport, Hop, NameReport
from cloudlink.view import words
from cloudlink.view.status import health_mark, health_word
from cloudlink.view.text import EMPTY, Cell, Line, Look, Span, advice, labelled, line, paragraph, table


def dns_lines(report: DnsReport, look: Look, *, brief: bool = False) -> Iterator[Line]:
    """brief: a name that is as it should be takes one line; where it goes wrong the whole way is shown."""
    good = sum(1 for name in report.names if name.verdict == "ok")
    sentence = f"{good} of {words.count(len(report.names), 'name')} can be resolved and reached from a pod on AKS."
    if not report.names:
        sentence = "No name was asked for."
    yield from table([[health_mark(report.health, look), health_word(report.health), sentence]], look)
    yield line(Span(f"   link {report.link}", "dim"))
    fine = [name for name in report.names if brief and name.verdict == "ok"]
    if fine:
        yield EMPTY
        yield from table(
            [[Span(look.glyph("good"), "good"), n.name, Span(", ".join(n.answers), "dim")] for n in fine],
            look,
            indent=2,
        )
    told: dict[tuple[str, str], str] = {}  # cause and fix -> the first name that has them
    for name in report.names:
        if name not in fine:
            yield EMPTY
            yield from _name(name, look, same_as=told.get((name.cause, name.fix), ""))
            told.setdefault((name.cause, name.fix), name.name)
    if report.notes:
        yield EMPTY
    for note in report.notes:
        yield from paragraph(note, look, tone="dim")


def _name(name: NameReport, look: Look, *, same_as: str) -> Iterator[Line]:
    """same_as: a name above it with the same cause and fix; empty: there is none."""
    good = name.verdict == "ok"
    mark = Span(look.glyph("good"), "good") if good else Span(look.glyph("bad"), "bad")
    yield line(mark, " ", Span(name.name, "strong"), "  ", Span(name.verdict, "" if good else "bad"))
    if name.answers:
        yield from labelled("answers", ", ".join(name.answers), look, 4)
    wrong = next((i for i, hop in enumerate(name.hops) if hop.result not in ("ok", "skipped")), -1)
    rows = [_hop(hop, look, first_wrong=i == wrong) for i, hop in enumerate(name.hops)]
    yield from table(rows, look, indent=4)
    if name.cause and same_as:
        yield from labelled("cause", f"the same as of {same_as}", look, 4, 5)
        return
    if name.cause:
        yield from labelled("cause", name.cause, look, 4, 5)
    if name.fix:
        yield from advice(name.fix, look, 4, "fix", 5)


def _hop(hop: Hop, look: Look, *, first_wrong: bool) -> list[Cell]:
    if hop.result == "ok":
        mark = Span(look.glyph("good"), "good")
    elif hop.result == "skipped":
        mark = Span(look.glyph("skipped"), "dim")
    else:
        mark = Span(look.glyph("bad"), "bad")
    said = [hop.detail] if hop.detail else []
    if hop.ms is not None:
        said.append(words.duration(hop.ms / 1000))
    if first_wrong:
        said.insert(0, "failed at:" if hop.detail else "failed here")
    text = " ".join(said[:2]) + (f", {said[2]}" if len(said) > 2 else "") if first_wrong else ", ".join(said)
    return [
        mark,
        hop.hop,
        Span(hop.result, mark.tone if hop.result != "ok" else ""),
        Span(text, "bad" if first_wrong else "dim"),
    ]
