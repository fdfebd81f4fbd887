"""What names answer from a pod, as a screen: a line a name, one cause, and on demand the whole way of each."""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink.checks.names.back import CLUSTER as EKS_DNS
from cloudlink.checks.report import Advice, DnsReport, Hop, NameReport
from cloudlink.view import words
from cloudlink.view.status import advice_lines, health_mark, health_word
from cloudlink.view.text import EMPTY, Cell, Line, Look, Span, advice, fold, labelled, line, paragraph, table


def dns_lines(report: DnsReport, look: Look, *, everything: bool = False) -> Iterator[Line]:
    """A line a name, one cause and one thing to do. everything: the whole way of each name after it."""
    good = sum(1 for name in report.names if name.verdict == "ok")
    sentence = f"{good} of {words.count(len(report.names), 'name')} {_seen_from(report)}."
    if len(by_cluster := _by_cluster(report)) > 1:
        sentence = f"{sentence[:-1]}: {', '.join(f'{g} of {n} on {c}' for c, (g, n) in by_cluster.items())}."
    if not report.names:
        sentence = "No name was asked for."
    yield from fold(
        line(health_mark(report.health, look), "  ", health_word(report.health), "  ", sentence), look.width, 3
    )
    yield line(Span(f"   link {report.link}", "dim"))
    if report.names:
        yield EMPTY
        yield from table([_short(name, look) for name in report.names], look, indent=2)
    for sentence in report.unproved:
        yield EMPTY
        yield from paragraph(sentence, look, tone="warn")
    if report.advice != Advice(""):
        yield from advice_lines(report.advice, look)
    if not everything:
        if any(name.verdict != "ok" for name in report.names):
            # one alone may be what was asked for, and need not be configured
            asked = f" {report.names[0].name}" if len(report.names) == 1 else ""
            yield from advice(f"Every hop: cloudlink verify-dns{asked} --all", look, 3)
        return
    told: dict[tuple[str, str], str] = {}  # cause and fix -> the first name that has them
    for name in report.names:
        yield EMPTY
        yield from _name(name, look, same_as=told.get((name.cause, name.fix), ""))
        told.setdefault((name.cause, name.fix), _called(name))
    if report.notes:
        yield EMPTY
    for note in report.notes:
        yield from paragraph(note, look, tone="dim")


def _by_cluster(report: DnsReport) -> dict[str, tuple[int, int]]:
    """Of several AKS clusters: how many names are right of how many that were asked there."""
    found: dict[str, tuple[int, int]] = {}
    for name in report.names:
        if name.cluster:
            good, asked = found.get(name.cluster, (0, 0))
            found[name.cluster] = (good + (name.verdict == "ok"), asked + 1)
    return found


def _seen_from(report: DnsReport) -> str:
    """Names of Azure's are asked from EKS, and only asked."""
    at_eks = [any(hop.hop == EKS_DNS for hop in name.hops) for name in report.names]
    if at_eks and all(at_eks):
        return "can be resolved from a pod on EKS"
    on = "AKS, or resolved from one on EKS" if any(at_eks) else "AKS"
    return f"can be resolved and reached from a pod on {on}"


def _short(name: NameReport, look: Look) -> list[Cell]:
    """The answers, or the first hop that is wrong."""
    if name.verdict == "ok":
        return [Span(look.glyph("good"), "good"), _called(name), Span(", ".join(name.answers), "dim")]
    wrong = next((hop for hop in name.hops if hop.result not in ("ok", "skipped")), None)
    where = f"{wrong.hop}: {wrong.result}" if wrong else name.verdict
    return [Span(look.glyph("bad"), "bad"), _called(name), Span(where, "bad")]


def _called(name: NameReport) -> str:
    """The name, and from which of several clusters it was asked."""
    return f"{name.name} on {name.cluster}" if name.cluster else name.name


def _name(name: NameReport, look: Look, *, same_as: str) -> Iterator[Line]:
    """same_as: a name above it with the same cause and fix; empty: there is none."""
    good = name.verdict == "ok"
    mark = Span(look.glyph("good"), "good") if good else Span(look.glyph("bad"), "bad")
    yield line(mark, " ", Span(_called(name), "strong"), "  ", Span(name.verdict, "" if good else "bad"))
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
