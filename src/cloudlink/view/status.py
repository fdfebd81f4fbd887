"""The status of a link as a screen: the verdict first, then the four tunnels, then everything else."""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink.checks.report import Health, Outcome, StatusReport, TunnelStatus
from cloudlink.view import words
from cloudlink.view.text import EMPTY, Cell, Line, Look, Span, Tone, advice, heading, labelled, line, paragraph, table

HEALTH_TONES: dict[Health, Tone] = {
    Health.HEALTHY: "good",
    Health.DEGRADED: "warn",
    Health.NO_REDUNDANCY: "warn",
    Health.DOWN: "bad",
    Health.ABSENT: "dim",
    Health.UNKNOWN: "warn",
}
_HEALTH_GLYPHS: dict[Health, words.Glyph] = {
    Health.HEALTHY: "good",
    Health.DEGRADED: "warn",
    Health.NO_REDUNDANCY: "warn",
    Health.DOWN: "bad",
    Health.ABSENT: "skipped",
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


def status_lines(report: StatusReport, look: Look, now: float) -> Iterator[Line]:
    """now: seconds since the epoch in the clouds' time, for ``since``."""
    yield from table([[health_mark(report.health, look), health_word(report.health), report.verdict]], look)
    yield line(Span(f"   link {report.link}", "dim"))
    if report.health is Health.ABSENT:  # what does not exist has no parts worth listing
        yield from _next(report, look)
        return
    if report.tunnels:
        yield EMPTY
        yield heading("Tunnels")
        yield from (_tunnels_stacked if look.narrow else _tunnels_wide)(report.tunnels, look, now)
        yield from _traffic(report.tunnels, look)
    yield from _troubled(report.tunnels, look)
    yield from _routes(report, look)
    yield from _names(report, look)
    if report.checks:
        yield EMPTY
        yield heading("Checks")
        yield from _checks(report, look, frozenset(Outcome))
    for title, by_hand in (("Drift", True), ("Not as configured", False)):
        rows: list[list[Cell]] = [
            [Span("~", "warn"), d.address, d.title, Span(d.what, "dim")] for d in report.drift if d.by_hand is by_hand
        ]
        if rows:
            yield EMPTY
            yield heading(title)
            yield from table(rows, look, indent=2)
    yield from _next(report, look)


def up_lines(report: StatusReport, look: Look) -> Iterator[Line]:
    """The end of ``up``: the verdict, and only what is not as it should be."""
    up = sum(1 for t in report.tunnels if t.up)
    sentence = f"The link {report.link} {words.HEALTH_SENTENCES[report.health]}"
    sentence += f": {up} of {words.count(len(report.tunnels), 'tunnel')} up." if report.tunnels else "."
    yield from table([[health_mark(report.health, look), Span(sentence, "strong")]], look)
    if report.health is not Health.HEALTHY:
        yield from paragraph(report.verdict, look, 3)
    yield from _troubled(report.tunnels, look)
    wrong = frozenset({Outcome.FAILED, Outcome.WARNING, Outcome.UNSEEN})
    if any(check.outcome in wrong for check in report.checks):
        yield EMPTY
        yield from _checks(report, look, wrong)
    yield from _next(report, look)


def watch_lines(report: StatusReport, look: Look, now: float) -> Iterator[Line]:
    """What fits a small terminal: the verdict, the tunnels, and what is not as it should be."""
    yield from table([[health_mark(report.health, look), health_word(report.health), report.verdict]], look)
    yield line(Span(f"   link {report.link}, as of {words.time_of_day(now)}; Ctrl-C ends", "dim"))
    if report.health is Health.ABSENT:
        return
    yield EMPTY
    yield from (_tunnels_stacked if look.narrow else _tunnels_wide)(report.tunnels, look, now)
    wrong = frozenset({Outcome.FAILED, Outcome.WARNING, Outcome.UNSEEN})
    if any(check.outcome in wrong for check in report.checks):
        yield EMPTY
        yield from _checks(report, look, wrong)
    yield from _troubled(report.tunnels, look)


def _tunnel_cells(tunnel: TunnelStatus, look: Look, now: float) -> dict[str, Cell]:
    aws, azure, bgp = tunnel.aws, tunnel.azure, tunnel.bgp
    good, bad = ("good", "good"), ("bad", "bad")
    name, tone = good if tunnel.up else bad
    routes = [f"AWS {aws.routes}"] if aws else []
    routes += [f"Azure {bgp.routes}"] if bgp else []
    since = f"{words.duration(now - aws.since)} ago" if aws and aws.since is not None else "unknown"
    return {
        "mark": Span(look.glyph("warn"), "warn")
        if tunnel.concern
        else Span(look.glyph("good" if name == "good" else "bad"), "good" if tone == "good" else "bad"),
        "name": tunnel.name,
        "inside": tunnel.inside,
        "aws": _state(aws.state if aws else "absent", "UP"),
        "azure": _state(azure.status if azure else "absent", "Connected"),
        "bgp": _state(bgp.state if bgp else "absent", "Connected"),
        "routes": ", ".join(routes) or "none",
        "since": since,
    }


def _state(word: str, good: str) -> Span:
    return Span(word, "" if word == good else "bad")


def _tunnels_wide(tunnels: tuple[TunnelStatus, ...], look: Look, now: float) -> Iterator[Line]:
    head = {"mark": "", "name": "tunnel", "inside": "inside", "aws": "AWS", "azure": "Azure", "bgp": "BGP"}
    head |= {"routes": "routes", "since": "since"}
    if look.width < _ROOM_FOR_INSIDE:
        del head["inside"]
    rows: list[list[Cell]] = [[Span(word, "dim") for word in head.values()]]
    for tunnel in tunnels:
        cell = _tunnel_cells(tunnel, look, now)
        rows.append([cell[column] for column in head])
    yield from table(rows, look, indent=2)


def _tunnels_stacked(tunnels: tuple[TunnelStatus, ...], look: Look, now: float) -> Iterator[Line]:
    for tunnel in tunnels:
        cell = _tunnel_cells(tunnel, look, now)
        word = Span("up", "good") if tunnel.up else Span("not up", "bad")
        yield line("  ", cell["mark"], " ", cell["name"], "  ", cell["inside"], "  ", word)
        yield line("    AWS ", cell["aws"], ", Azure ", cell["azure"], ", BGP ", cell["bgp"])
        yield line(Span("    routes ", "dim"), cell["routes"], Span("; since ", "dim"), cell["since"])


def _traffic(tunnels: tuple[TunnelStatus, ...], look: Look) -> Iterator[Line]:
    """What Azure has counted on each connection since it was made."""
    counted = [(t.name, t.azure) for t in tunnels if t.azure]
    if counted:
        yield EMPTY
        told = (f"{name} {words.size(a.ingress)} in, {words.size(a.egress)} out" for name, a in counted)
        yield from labelled("Traffic", "; ".join(told), look, 2)


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
        where = [f"Azure instance {tunnel.instance}"]
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
        if not route_table.propagating:
            said.append("does not take routes from the gateway")
        if route_table.missing:
            said.append(f"missing: {', '.join(route_table.missing)}")
        good = route_table.propagating and not route_table.missing
        mark = Span(look.glyph("good"), "good") if good else Span(look.glyph("bad"), "bad")
        rows.append([mark, f"AWS {route_table.id}", "; ".join(said) or "no routes"])
    if report.learned:
        rows.append([Span(look.glyph("good"), "good"), "Azure gateway", f"to AWS: {', '.join(report.learned)}"])
    elif report.tunnels:
        rows.append([Span(look.glyph("bad"), "bad"), "Azure gateway", "has learned no route to AWS"])
    yield from table(rows, look, indent=2)


def _names(report: StatusReport, look: Look) -> Iterator[Line]:
    if not (report.endpoint or report.zone or report.records or report.forward):
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


def _next(report: StatusReport, look: Look) -> Iterator[Line]:
    if report.next:
        yield EMPTY
        yield heading("Next")
        for command in report.next:
            yield from advice(command, look, 2)
