"""A rehearsal for people: what came up, what was carried, and what was lost over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloudlink.view import words

_BARS = " ▁▂▃▄▅▆▇█"


def text(report: Mapping[str, Any]) -> str:
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    yield "Tunnels"
    for tunnel in report["tunnels"]:
        bgp = tunnel["bgp"]
        session = f"BGP down: {bgp['why']}"
        if bgp["up"]:
            session = f"BGP up, AWS took {words.count(bgp['routes'], 'prefix', 'prefixes')}, Azure {bgp['learned']} of {bgp['announced']}"
        whole = bgp["routes"] and bgp["learned"] == bgp["announced"]
        if tunnel["up"]:
            yield f"  {_mark(whole)} {tunnel['name']}  {tunnel['outside']:<15}  {session}"
            yield f"         IKE {tunnel['ike']}"
            yield f"         ESP {tunnel['esp']}"
            yield f"         largest packet {tunnel['largest_packet']}, MSS {tunnel['mss']} (computed, without NAT)"
        else:
            yield f"  {_mark(False)} {tunnel['name']}  {tunnel['outside']:<15}  down: {tunnel['why']}"
    yield from _renewals(report["renewals"])
    yield from _rows(
        "The endpoint's addresses, from CoreDNS's place",
        [(e["good"], f"{e['address']}  {_by(e)}") for e in report["endpoints"]],
    )
    yield from _rows("Names, from a pod", [(n["good"], f"{n['name']}  {_by(n)}") for n in report["names"]])
    yield from _rows(
        "Requests, from a pod",
        [
            (r["good"], f"{r['scheme']}://{r['target']}:{r['port']}  {r['why'] or 'answered'}")
            for r in report["requests"]
        ],
    )
    if (capture := report["capture"]) is not None:
        said = (
            f"{capture['packets']} packets between the clouds, {capture['esp']} of them ESP; the marker is in "
            f"{capture['marker']} of them, and in {capture['control']} at the pod"
        )
        yield from _rows("Capture", [(capture["good"], said)])
    for loss in report["losses"]:
        yield ""
        yield f"Loss: {loss['what']}"
        yield f"  {_mark(loss['good'])} {loss['lost']} of {loss['sent']} packets, in {loss['seconds']} s; 100 ms each:"
        yield f"       {bars(loss['marks'])}"
    yield from _rows("Not rehearsed", [(None, f"{s['what']}: {s['why']}") for s in report["skipped"]])
    yield from _rows("Notes", [(None, note) for note in report["notes"]])
    yield ""
    yield f"{report['health'].capitalize()}, in {report['seconds']:.1f} s. Nothing in the clouds was changed."


def bars(marks: list[float]) -> str:
    """One character for each step, the higher the more was lost."""
    return "".join(_BARS[min(8, round(8 * mark)) if mark == 0 else max(1, round(8 * mark))] for mark in marks)


def svg(losses: list[Mapping[str, Any]]) -> str:
    """The losses as a picture: time to the right, one bar for each 100 ms."""
    row, left, width = 90, 10, 6
    longest = max((len(loss["marks"]) for loss in losses), default=1)
    size = f'width="{left * 2 + longest * width}" height="{row * len(losses) + 10}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">']
    for number, loss in enumerate(losses):
        base = row * number + 75
        parts.append(f'<text x="{left}" y="{base - 58}">{loss["what"]}: {loss["lost"]} of {loss["sent"]} lost</text>')
        for step, mark in enumerate(loss["marks"]):
            height = max(1, round(50 * mark))
            colour = "#c0392b" if mark else "#27ae60"
            x = left + step * width
            parts.append(f'<rect x="{x}" y="{base - height}" width="{width - 1}" height="{height}" fill="{colour}"/>')
        for at, word in ((loss["died"], "dies"), (loss["back"], "back")):
            parts.append(f'<text x="{left + at * width}" y="{base + 12}" font-size="9">{word}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _renewals(renewals: list[Mapping[str, Any]]) -> Iterator[str]:
    bad = [r for r in renewals if not r["good"]]
    rows = [
        (False, f"{r['tunnel']}  {'ESP' if r['what'] == 'child' else 'IKE'} keys, asked by {_side(r)}: {r['why']}")
        for r in bad
    ]
    if renewals and not bad:
        rows = [(True, f"{len(renewals)} of {len(renewals)}: ESP and IKE keys of each tunnel, asked by each end")]
    yield from _rows("Renewal of keys", rows)


def _side(renewal: Mapping[str, Any]) -> str:
    return "AWS" if renewal["side"] == "aws" else "Azure"


def _by(name: Mapping[str, Any]) -> str:
    return ", ".join(f"{transport} {word}" for transport, word in name["by"].items()) or name["why"]


def _rows(title: str, rows: Sequence[tuple[bool | None, str]]) -> Iterator[str]:
    if rows:
        yield ""
        yield title
    for good, said in rows:
        yield f"  {said}" if good is None else f"  {_mark(good)} {said}"


def _mark(good: Any) -> str:
    return "good" if good else "BAD "
