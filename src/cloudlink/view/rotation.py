"""A rotation of keys as a screen: the plan before it, the result after it."""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink.day_two.reports import RotationReport, TunnelKey
from cloudlink.link import all_of, others_carry
from cloudlink.view import words
from cloudlink.view.text import EMPTY, Cell, Line, Look, Span, advice, line, paragraph, table

_MINUTES_FOR_ONE = 5


def rotation_lines(report: RotationReport, look: Look, now: float) -> Iterator[Line]:
    rows: list[list[Cell]] = [[t.name, _age(t, now), *_what(t, look)] for t in report.tunnels]
    yield line(Span(f"Keys of {report.link}", "strong"))
    yield from table(rows, look, indent=2)
    yield EMPTY
    due = report.due
    if not due:
        yield from paragraph("No key is due; nothing was changed.", look)
        return
    if report.ended:
        yield from paragraph(
            f"{words.count(len(due), 'key')} changed; {all_of(len(report.tunnels))} tunnels are up and carry routes.",
            look,
        )
        yield from advice("cloudlink status", look, 0, "Next:")
        return
    if report.resumed:
        yield from paragraph("A rotation was interrupted; this goes on with it.", look)
    yield from paragraph(
        "One tunnel at a time: AWS replaces its endpoint, which is down for some minutes, and "
        f"{others_carry(len(report.tunnels))}. AWS announces each replacement by a mail and a Health event, {words.count(len(due), 'of them', 'of them')}. "
        f"Takes about {_MINUTES_FOR_ONE * len(due)} minutes.",
        look,
    )


def _age(tunnel: TunnelKey, now: float) -> str:
    if tunnel.key_changed is None and tunnel.unchanged_since is not None:
        return f"at least {words.duration(now - tunnel.unchanged_since)} old"
    if tunnel.key_changed is None:
        return "age unknown"
    return f"changed {words.duration(now - tunnel.key_changed)} ago"


def _what(tunnel: TunnelKey, look: Look) -> list[Cell]:
    if tunnel.rotated:
        took = f" in {words.duration(tunnel.seconds)}" if tunnel.seconds is not None else ""
        return [Span(f"{look.glyph('good')} new key{took}", "good")]
    if tunnel.action == "keep":
        return [Span(f"stays ({tunnel.why})", "dim")]
    word = "is finished" if tunnel.action == "finish" else "gets a new key"
    return [Span(word + (f" ({tunnel.why})" if tunnel.action == "finish" else ""), "strong")]
