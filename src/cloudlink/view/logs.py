"""The logs of the tunnels as a screen: what is on, what is to be changed, and what was written last."""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink.day_two.reports import LogLine, LogsReport, TunnelLogs
from cloudlink.link import all_of, others_carry
from cloudlink.view import words
from cloudlink.view.text import EMPTY, Cell, Line, Look, Span, advice, line, paragraph, table

_MINUTES_FOR_ONE = 5
_WHOSE = {"aws": "AWS ", "azure": "Azure "}
_KINDS = {"ike": "IKE", "bgp": "BGP", "tunnel": "tunnel"}


def logs_lines(report: LogsReport, look: Look, now: float) -> Iterator[Line]:
    yield line(Span(f"Logs of {report.link}", "strong"))
    rows: list[list[Cell]] = [[t.name, *_what(t, look)] for t in report.tunnels]
    yield from table(rows, look, indent=2)
    yield from _where(report, look)
    if not report.change:
        yield from _written(report, look, now)
    elif report.ended:
        yield from _done(report, look)
    elif report.due:
        yield from _warning(report, look)
    for note in report.notes:
        yield from paragraph(note, look, tone="warn")


def _what(tunnel: TunnelLogs, look: Look) -> list[Cell]:
    if tunnel.changed:
        took = f" in {words.duration(tunnel.seconds)}" if tunnel.seconds is not None else ""
        return [Span(f"{look.glyph('good')} {'on' if tunnel.group else 'off'}{took}", "good")]
    if tunnel.action == "keep":
        state = "on" if tunnel.group else "off"
        return [Span(state + (f" (stays: {tunnel.why})" if tunnel.why else ""), "" if tunnel.group else "dim")]
    word = {"on": "will be switched on", "off": "will be switched off", "finish": "will be finished"}[tunnel.action]
    return [Span(word + (f" ({tunnel.why})" if tunnel.why else ""), "strong")]


def _where(report: LogsReport, look: Look) -> Iterator[Line]:
    yield EMPTY
    kept = f"kept for {report.retention} days" if report.retention else "kept for ever"
    if report.exists:
        yield from paragraph(f"AWS's end writes to CloudWatch: {report.group}, {kept}.", look)
    if report.workspace:
        come = any(said.end == "azure" for tunnel in report.tunnels for said in tunnel.lines)
        late = "" if come else "; its first lines may take hours"
        yield from paragraph(f"Azure's gateway writes to {report.workspace}{late}.", look)


def _written(report: LogsReport, look: Look, now: float) -> Iterator[Line]:
    """What each tunnel said last, newest first."""
    if not any(t.group for t in report.tunnels) and not report.workspace:
        yield from paragraph("No tunnel writes a log, and Azure's gateway sends none to a workspace.", look)
        yield from advice("cloudlink logs --on", look, 0, "Next:")
        return
    for tunnel in report.tunnels:
        yield EMPTY
        yield line(Span(f"{tunnel.name}  {tunnel.outside_ip}", "strong"))
        if not tunnel.lines:
            asked = tunnel.group or report.workspace
            yield from paragraph("nothing was written in the last hour" if asked else "its log is off", look, 2, "dim")
        yield from table([_line(each, now) for each in tunnel.lines], look, indent=2)
    if not report.workspace:
        yield EMPTY
        yield from paragraph(
            "Of Azure's end nothing is known: its gateway sends no log of tunnels to a workspace. To switch that on, which "
            "touches no tunnel whose log is on:",
            look,
        )
        yield from advice("cloudlink logs --on --workspace ID", look, 0, "Next:")


def _line(said: LogLine, now: float) -> list[Cell]:
    tone = "" if said.good is None else "good" if said.good else "bad"
    return [words.moment(said.since, now), _WHOSE[said.end] + _KINDS[said.kind], Span(said.text, tone)]  # type: ignore[arg-type]


def _warning(report: LogsReport, look: Look) -> Iterator[Line]:
    count = len(report.due)
    yield EMPTY
    yield from paragraph(
        "One tunnel at a time: AWS replaces its endpoint, which is down for some minutes, and "
        f"{others_carry(len(report.tunnels))}. AWS announces each replacement by a mail and a Health event, {words.count(count, 'of them', 'of them')}. "
        f"Takes about {_MINUTES_FOR_ONE * count} minutes.",
        look,
    )
    if report.change == "on":
        yield from paragraph("CloudWatch takes about 0.50 USD for each GB that is written.", look)


def _done(report: LogsReport, look: Look) -> Iterator[Line]:
    yield EMPTY
    if not report.due and not report.azure_change:
        yield from paragraph("Nothing was to be changed.", look)
        return
    if report.due:
        yield from paragraph(
            f"{words.count(len(report.due), 'tunnel')} switched {report.change}; {all_of(len(report.tunnels))} are up and "
            "carry routes.",
            look,
        )
    if report.change == "off" and report.exists:
        yield from paragraph(f"What was written stays in {report.group} until it expires; teardown removes it.", look)
    yield from advice("cloudlink logs" if report.change == "on" else "cloudlink status", look, 0, "Next:")
