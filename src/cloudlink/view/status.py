"""The status of a link as a screen: the verdict, one cause and one thing to do; everything else on demand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from cloudlink.checks.report import Advice, Health, Outcome, Stage, StatusReport, TunnelStatus
from cloudlink.view import words
from cloudlink.view.also_learned import also_learned_lines
from cloudlink.view.text import (
    EMPTY,
    Cell,
    Line,
    Look,
    Span,
    Tone,
    advice,
    fold,
    heading,
    labelled,
    line,
    paragraph,
    table,
    to_paste,
)

HEALTH_TONES: dict[Health, Tone] = {
    Health.HEALTHY: "good",
    Health.DEGRADED: "warn",
    Health.NO_REDUNDANCY: "warn",
    Health.DOWN: "bad",
    Health.ABSENT: "dim",
    Health.PAUSED: "warn",
    Health.UNKNOWN: "warn",
}
_HEALTH_GLYPHS: dict[Health, words.Glyph] = {
    Health.HEALTHY: "good",
    Health.DEGRADED: "warn",
    Health.NO_REDUNDANCY: "warn",
    Health.DOWN: "bad",
    Health.ABSENT: "skipped",
    Health.PAUSED: "skipped",
    Health.UNKNOWN: "warn",
}
_OUTCOMES: dict[Outcome, tuple[words.Glyph, Tone]] = {
    Outcome.PASSED: ("good", "good"),
    Outcome.FAILED: ("bad", "bad"),
    Outcome.WARNING: ("warn", "warn"),
    Outcome.SKIPPED: ("skipped", "dim"),
    Outcome.UNSEEN: ("warn", "warn"),
}
_ROOM_FOR_INSIDE = 96  # columns; in fewer, the tunnels' lines would break


def health_mark(health: Health, look: Look) -> Span:
    return Span(look.glyph(_HEALTH_GLYPHS[health]), HEALTH_TONES[health])


def health_word(health: Health) -> Span:
    return Span(health.value.upper(), HEALTH_TONES[health])


def status_lines(report: StatusReport, look: Look, now: float, *, everything: bool = False) -> Iterator[Line]:
    """The verdict first, then one cause and one thing to do. everything: each tunnel, route, name and check after it.

    now: seconds since the epoch in the clouds' time, for ``since``.
    """
    yield from _verdict(report, look, now)
    yield line(Span(f"   link {report.link}", "dim"))
    if report.path:
        yield _path(report.path, look)
    yield from _names_asked(report, look, now)
    yield from _advice(report, look)
    yield from _evidence(report.tunnels, look, now)
    if report.health is Health.ABSENT:  # what does not exist has no parts worth listing
        return
    if not everything:
        yield from advice("All details: cloudlink status --all", look, 3)
        return
    yield from _details(report, look, now)


def _details(report: StatusReport, look: Look, now: float) -> Iterator[Line]:
    if report.tunnels:
        yield EMPTY
        yield heading("Tunnels")
        yield from (_tunnels_stacked if look.narrow else _tunnels_wide)(report.tunnels, look, now)
        if outside := [f"{t.name} {t.aws.outside_ip}" for t in report.tunnels if t.aws]:
            yield from labelled("outside", ", ".join(outside), look, 2, 8)
        if ages := [f"{t.name} {words.duration(now - t.key_changed)}" for t in report.tunnels if t.key_changed]:
            yield from labelled("key age", ", ".join(ages), look, 2, 8)
    yield from _troubled(report.tunnels, look)
    yield from _routes(report, look)
    yield from also_learned_lines(report.also_learned, look, planned=False, unread=report.also_unseen)
    yield from _names(report, look)
    if report.checks:
        yield EMPTY
        yield heading("Checks")
        yield from _checks(report, look, frozenset(Outcome))
    for title, by_hand in (("Drift", True), ("Not as configured", False)):
        rows: list[list[Cell]] = [
            [Span("~", "warn"), d.title, Span(d.what + (f" ({d.who})" if d.who else "")), Span(d.address, "dim")]
            for d in report.drift
            if d.by_hand is by_hand
        ]
        if rows:
            yield EMPTY
            yield heading(title)
            yield from table(rows, look, indent=2)


def up_lines(report: StatusReport, look: Look) -> Iterator[Line]:
    """The end of ``up``: the verdict, and only what is not as it should be."""
    up = sum(1 for t in report.tunnels if t.up)
    sentence = f"The link {report.link} {words.HEALTH_SENTENCES[report.health]}"
    sentence += f": {up} of {words.count(len(report.tunnels), 'tunnel')} up." if report.tunnels else "."
    yield from table([[health_mark(report.health, look), Span(sentence, "strong")]], look)
    told = report.advice.cause or report.advice.command not in ("", "cloudlink verify-dns")
    if report.health is not Health.HEALTHY or told:
        yield from _advice(report, look)
        yield from advice("All details: cloudlink status --all", look, 3)
        return
    if report.next:
        yield EMPTY
        for command in report.next:
            yield from labelled_advice("next", command, look)


def watch_lines(report: StatusReport, look: Look, now: float) -> Iterator[Line]:
    """What fits a small terminal: the verdict, its cause, and the tunnels."""
    yield from _verdict(report, look, now)
    yield line(Span(f"   link {report.link}, as of {words.time_of_day(now)}; Ctrl-C ends", "dim"))
    if report.path:
        yield _path(report.path, look)
    if report.health is not Health.HEALTHY:
        yield from _advice(report, look)
    if report.health is Health.ABSENT:
        return
    yield EMPTY
    yield from (_tunnels_stacked if look.narrow else _tunnels_wide)(report.tunnels, look, now)


# --- the summary --------------------------------------------------------------------------------------------

_LABEL = 8  # columns
_MOST_SHOWN = 3  # of what differs


def _verdict(report: StatusReport, look: Look, now: float) -> Iterator[Line]:
    word = health_word(report.health)
    if report.since is not None:
        ago = words.duration(now - report.since)
        said = f" for {ago}" if report.health is Health.HEALTHY else f" since {words.moment(report.since, now)} ({ago})"
        word = Span(word.text + said, word.tone)
    said = report.headline or report.verdict
    yield from fold(line(health_mark(report.health, look), "  ", word, "  ", said), look.width, 3)


def _path(stages: tuple[Stage, ...], look: Look) -> Line:
    parts: list[Cell] = [Span("   AKS")]
    for stage in stages:
        name, tone = _OUTCOMES[stage.outcome]
        parts += [Span(" " + 2 * look.glyph("bar_left"), "dim"), Span(f"{look.glyph(name)} {stage.name}", tone)]
    return line(*parts)


def _names_asked(report: StatusReport, look: Look, now: float) -> Iterator[Line]:
    """Whether names work is nothing that a cloud tells: what the last pod that asked them found."""
    if report.health in (Health.ABSENT, Health.PAUSED) or not report.path:
        return
    if (last := report.names_asked) is None:
        if report.health is Health.DOWN:  # and it is no question yet
            return
        yield from paragraph("Whether names work is not known here: no pod has been asked yet.", look, 3, "dim")
        return
    said = f"{last.good} of {words.count(last.asked, 'name')} resolved and reached from a pod "
    said += f"{words.duration(max(0.0, now - last.asked_at))} ago"
    if last.wrong:
        said += f", not {', '.join(_few(last.wrong))}"
    yield from paragraph(f"{said}.", look, 3, "warn" if last.wrong else "dim")


def _advice(report: StatusReport, look: Look) -> Iterator[Line]:
    changed = [f"{d.title} ({_short(d.what)})" if len(report.drift) == 1 else d.title for d in report.drift]
    by_hand = all(d.by_hand for d in report.drift)
    by = _grouped(d.who for d in report.drift if d.who)
    yield from advice_lines(report.advice, look, ("by hand" if by_hand else "differs", changed), by)


_MOST_OF_A_DIFFERENCE = 160  # characters
_WHEN = re.compile(r"(?P<what>.*), (?P<at>\d{4}-\d\d-\d\d \d\d:\d\d UTC) (?P<where>\([\w ]+\))")


def _short(what: str) -> str:
    if len(what) <= _MOST_OF_A_DIFFERENCE:
        return what
    return f"{what[:_MOST_OF_A_DIFFERENCE].rpartition(' ')[0].rstrip(',;:')} ..."


def _grouped(who: Iterable[str]) -> tuple[str, ...]:
    """Who changed it, with what, and when: the same by the same person as one, with the last time."""
    times: dict[tuple[str, str], list[str]] = {}
    others: dict[str, None] = {}
    for phrase in who:
        if (found := _WHEN.fullmatch(phrase)) is not None:
            times.setdefault((found["what"], found["where"]), []).append(found["at"])
        else:
            others[phrase] = None
    told = [
        f"{what}, {max(at)} {where}" if len(set(at)) == 1 else f"{what}, {len(at)} times, last {max(at)} {where}"
        for (what, where), at in times.items()
    ]
    return (*told, *others)


def _evidence(tunnels: Sequence[TunnelStatus], look: Look, now: float) -> Iterator[Line]:
    """What each end's own logs say of the tunnels, tunnels that say the same as one."""
    yield from _said("AWS log", ((t, t.evidence, t.evidence_at) for t in tunnels), look, now)
    yield from _said("Azure log", ((t, t.azure_evidence, t.azure_evidence_at) for t in tunnels), look, now)


def _said(
    label: str, found: Iterable[tuple[TunnelStatus, str, float | None]], look: Look, now: float
) -> Iterator[Line]:
    named: dict[str, list[tuple[TunnelStatus, float | None]]] = {}
    for tunnel, text, at in found:
        if text:
            named.setdefault(text, []).append((tunnel, at))
    for text, alike in list(named.items())[:_MOST_SHOWN]:
        times = [at for _, at in alike if at is not None]
        when = f", {words.moment(max(times), now)}" if times else ""
        numbers = ", ".join(t.name.removeprefix("tunnel ") for t, _ in alike)
        what = "tunnel" if len(alike) == 1 else "tunnels"
        yield from labelled(label, f"{what} {numbers}{when}: {text}", look, 3, _LABEL)


def advice_lines(
    told: Advice, look: Look, differs: tuple[str, Sequence[str]] = ("", ()), who: Sequence[str] = ()
) -> Iterator[Line]:
    """differs: what is not as configured, with its label. who: changed it."""
    label, changed = differs
    yield EMPTY
    if told.cause:
        yield from labelled("cause", to_paste(told.cause, look.given, look.context), look, 3, _LABEL)
    if told.consequences:
        yield from labelled("so also", "; ".join(told.consequences), look, 3, _LABEL, text_tone="dim")
    if told.others:
        yield from labelled("besides", "; ".join(_few(told.others)), look, 3, _LABEL)
    if changed:
        yield from labelled(label, "; ".join(_few(changed)), look, 3, _LABEL)
    if who:
        yield from labelled("who", "; ".join(_few(who)), look, 3, _LABEL)
    if told.command:
        yield from labelled_advice("next", told.command, look)
        if told.effect:
            yield from paragraph(to_paste(told.effect, look.given, look.context), look, 3 + _LABEL + 2, "dim")
    if told.task:
        yield from labelled_advice("then" if told.command else "to do", told.task, look)
    if told.waiting:
        yield from paragraph(told.waiting, look, 3)


def labelled_advice(label: str, text: str, look: Look) -> Iterator[Line]:
    yield from advice(text, look, 3, label, _LABEL)


def _few(items: Sequence[str]) -> list[str]:
    more = len(items) - _MOST_SHOWN
    return [*items[:_MOST_SHOWN], f"{more} more"] if more > 0 else list(items)


# --- the details --------------------------------------------------------------------------------------------


def _tunnel_cells(tunnel: TunnelStatus, look: Look, now: float) -> dict[str, Cell]:
    aws, azure, bgp = tunnel.aws, tunnel.azure, tunnel.bgp
    mark: Literal["good", "warn", "bad"] = "warn" if tunnel.concern else "good" if tunnel.up else "bad"
    routes = [f"AWS {aws.routes}"] if aws else []
    routes += [f"Azure {bgp.routes}"] if bgp else []
    since = words.duration(now - aws.since) if aws and aws.since is not None else "unknown"
    return {
        "mark": Span(look.glyph(mark), mark),
        "name": tunnel.name,
        "inside": tunnel.inside,
        "aws": _state(aws.state if aws else "absent", "UP"),
        "azure": _state(azure.status if azure else "absent", "Connected"),
        # without a connection there is no session; with one, Azure was not asked or refused
        "bgp": _state(bgp.state if bgp else Outcome.UNSEEN.value if azure else "absent", "Connected"),
        "routes": ", ".join(routes) or "none",
        "short routes": f"{aws.routes if aws else '-'}/{bgp.routes if bgp else '-'}",
        "since": since,
        "traffic": f"{words.size(azure.ingress)}, {words.size(azure.egress)}" if azure else "",
    }


def _state(word: str, good: str) -> Span:
    if word == Outcome.UNSEEN.value:
        return Span(word, "warn")
    return Span(word, "" if word == good else "bad")


def _tunnels_wide(tunnels: tuple[TunnelStatus, ...], look: Look, now: float) -> Iterator[Line]:
    head = {"mark": "", "name": "tunnel", "inside": "inside", "aws": "AWS", "azure": "Azure", "bgp": "BGP"}
    head |= {"routes": "routes", "since": "for", "traffic": "in, out"}
    if look.width < _ROOM_FOR_INSIDE:
        del head["inside"]
    rows: list[list[Cell]] = [[Span(word, "dim") for word in head.values()]]
    for tunnel in tunnels:
        cell = _tunnel_cells(tunnel, look, now)
        rows.append([cell["short routes" if column == "routes" else column] for column in head])
    yield from table(rows, look, indent=2)


def _tunnels_stacked(tunnels: tuple[TunnelStatus, ...], look: Look, now: float) -> Iterator[Line]:
    for tunnel in tunnels:
        cell = _tunnel_cells(tunnel, look, now)
        word = Span("up", "good") if tunnel.up else Span("not up", "bad")
        yield line("  ", cell["mark"], " ", cell["name"], "  ", cell["inside"], "  ", word)
        yield line("    AWS ", cell["aws"], ", Azure ", cell["azure"], ", BGP ", cell["bgp"])
        yield line(Span("    routes ", "dim"), cell["routes"], Span("; for ", "dim"), cell["since"])
        if cell["traffic"]:
            yield line(Span("    in, out ", "dim"), cell["traffic"])


def _troubled(tunnels: tuple[TunnelStatus, ...], look: Look) -> Iterator[Line]:
    for tunnel in tunnels:
        if tunnel.up:
            continue
        yield EMPTY
        seen = tunnel.aws and tunnel.azure
        yield line(
            "  ",
            Span(f"{tunnel.name} is not up" if seen or tunnel.fix else f"{tunnel.name} was not fully seen", "strong"),
        )
        where = [f"Azure instance {tunnel.instance + 1}"]
        if tunnel.aws:
            where.insert(0, f"{tunnel.aws.connection} at {tunnel.aws.outside_ip}")
        if tunnel.azure:
            where.append(tunnel.azure.connection)
        yield from labelled("where", ", ".join(where), look, 4, 8)
        yield from labelled("why", tunnel.why or "The cause could not be found from what the clouds say.", look, 4, 8)
        if tunnel.aws and tunnel.aws.message:
            yield from labelled("AWS says", tunnel.aws.message, look, 4, 8)
        if tunnel.fix:
            yield from advice(tunnel.fix, look, 4, "fix", 8)


def _routes(report: StatusReport, look: Look) -> Iterator[Line]:
    if not report.route_tables and not report.learned:
        return
    yield EMPTY
    yield heading("Routes")
    rows: list[list[Cell]] = []
    for route_table in report.route_tables:
        said = [f"to Azure: {', '.join(route_table.routes)}"] if route_table.routes else []
        if route_table.static:
            said.append(f"to Azure by static routes: {', '.join(route_table.static)}")
        if not route_table.well and route_table.propagating is False:
            said.append("does not take routes from the gateway")
        if route_table.missing:
            said.append(f"missing: {', '.join(route_table.missing)}")
        mark = Span(look.glyph("good"), "good") if route_table.well else Span(look.glyph("bad"), "bad")
        rows.append([mark, f"AWS {route_table.id}", "; ".join(said) or "no routes"])
    if report.learned:
        rows.append([Span(look.glyph("good"), "good"), "Azure gateway", f"to AWS: {', '.join(report.learned)}"])
    elif any(check.name == "routes-azure" and check.outcome is Outcome.UNSEEN for check in report.checks):
        rows.append([Span(look.glyph("warn"), "warn"), "Azure gateway", "what it has learned could not be read"])
    elif report.tunnels:
        rows.append([Span(look.glyph("bad"), "bad"), "Azure gateway", "has learned no route to AWS"])
    yield from table(rows, look, indent=2)


def _names(report: StatusReport, look: Look) -> Iterator[Line]:
    if not (report.endpoint or report.zone or report.records or report.other_records or report.forward):
        return
    yield EMPTY
    yield heading("Names")
    if report.endpoint:
        yield from labelled("endpoint", f"{report.endpoint.id}  {report.endpoint.state}", look, 2, 8)
        yield from table(report.endpoint.addresses, look, indent=12)
    if report.zone:
        yield from labelled("zone", report.zone, look, 2, 8)
    if report.records:
        first, *others = table(report.records, Look(look.width - 12, look.unicode))
        yield line(Span("  records   ", "dim"), *first)
        yield from (line(" " * 12, *other) for other in others)
    if report.other_records:
        label, plus = (" " * 12, "plus ") if report.records else ("  records   ", "")
        count = f"{report.other_records} record{'s' * (report.other_records != 1)} of others"
        yield line(Span(label, "dim"), Span(plus + count, "dim"))
    if report.forward:
        yield from labelled("CoreDNS", report.forward, look, 2, 8)


def _checks(report: StatusReport, look: Look, wanted: frozenset[Outcome]) -> Iterator[Line]:
    shown = [check for check in report.checks if check.outcome in wanted]
    pad = max((len(check.outcome.value) for check in shown), default=0)
    for check in shown:
        name, tone = _OUTCOMES[check.outcome]
        mark = Span(f"{look.glyph(name)} {check.outcome.value:<{pad}}", tone)
        yield from table([[mark, check.title]], look, indent=2)
        indent = 2 + len(mark.text) + 2
        # what a passed check saw is in the sections above
        if check.detail and check.outcome is not Outcome.PASSED:
            yield from paragraph(check.detail, look, indent, "dim")
        if check.fix:
            yield from advice(check.fix, look, indent, "fix")
