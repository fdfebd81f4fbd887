"""The path of a link as a drawing, once for a wide page and once for a narrow one."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from cloudlink.link import Link
from cloudlink.view.words import count, visible

Json = dict[str, Any]

_LETTER = 7  # units that a letter takes at most
_TONE_OF_OUTCOME = {"passed": "good", "failed": "bad", "warning": "warn", "not seen": "warn"}


def maps(link: Link, status: Json) -> Iterator[str]:
    """Both drawings; the style sheet shows the one that fits. What they say in words is in the tables."""
    yield _drawing(link, status, wide=True)
    yield _drawing(link, status, wide=False)


def _fit(text: str, room: float) -> str:
    most = max(int(room / _LETTER), 4)
    text = visible(text)
    return escape(text if len(text) <= most else f"{text[: most - 1]}…")


def _box(x: float, y: float, width: float, height: float, tone: str, *lines: str) -> str:
    """The first line is the name, the others are small."""
    parts = [f'<rect class="{tone}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>']
    for number, text in enumerate(lines):
        small = ' class="small"' if number else ""
        parts.append(f'<text{small} x="{x + 8}" y="{y + 20 + 16 * number}">{_fit(text, width - 12)}</text>')
    return "".join(parts)


def _line(x1: float, y1: float, x2: float, y2: float, tone: str) -> str:
    return f'<line class="{tone}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _outcome(status: Json, *checks: str) -> str:
    """The worst tone of these checks; empty: none was made."""
    tones = {_TONE_OF_OUTCOME.get(c["outcome"], "") for c in status["checks"] if c["name"] in checks}
    return next((tone for tone in ("bad", "warn", "good") if tone in tones), "")


def _drawing(link: Link, status: Json, *, wide: bool) -> str:
    tunnels = status["tunnels"] or [
        {"up": None, "inside": str(t.inside), "instance": t.vpn, "aws": None} for t in link.tunnels
    ]
    tones = [("" if t["up"] is None else "good" if t["up"] else "bad") for t in tunnels]
    words = [{"": "not there", "good": "up", "bad": "not up"}[tone] for tone in tones]
    forward, endpoint = _outcome(status, "forward"), _outcome(status, "endpoint")
    names = _outcome(status, "zone", "records", "targets")
    up = sum(tone == "good" for tone in tones)
    title = f"From AKS over {up} of {len(tunnels)} tunnels to the names in AWS"
    addresses = [a["address"] for a in status["endpoint"]["addresses"]] if status["endpoint"] else []
    aks = ("AKS", link.azure.clusters_said, "CoreDNS" if link.dns.forward == "coredns" else "the VNet's DNS")
    gateway = ("Azure gateway", link.azure.vnet, link.azure.location)
    vpc = ("AWS gateway", link.aws.vpc_id, link.aws.region)
    answers = ("Resolver endpoint", *addresses[:3])
    hosts = (count(len(link.dns.all_hosts), "name"), *link.dns.zone_names[:2])
    through = "good" if up == len(tunnels) else "warn" if up else tones[0]
    drawn = [f"<title>{escape(title)}</title>"]
    if wide:
        drawn += [_box(4, 80, 130, 64, forward, *aks), _line(134, 112, 164, 112, forward)]
        drawn += [_box(164, 20, 140, 184, through, *gateway)]
        for i, (tunnel, tone, word) in enumerate(zip(tunnels, tones, words, strict=True)):
            y = 40 + 48 * i
            drawn.append(_line(304, y, 486, y, tone))
            drawn.append(f'<text class="{tone}" x="312" y="{y - 7}">{i + 1} {word}</text>')
            drawn.append(f'<text class="small" x="312" y="{y + 16}">{_fit(tunnel["inside"], 170)}</text>')
        drawn += [_box(486, 20, 140, 184, through, *vpc), _line(626, 62, 656, 62, endpoint)]
        drawn += [_box(656, 20, 160, 84, endpoint, *answers), _line(736, 104, 736, 130, names)]
        drawn += [_box(656, 130, 160, 54, names, *hosts)]
        return f'<svg class="wide" viewBox="0 0 820 224" role="img">{"".join(drawn)}</svg>'
    drawn += [_box(4, 4, 312, 64, forward, *aks), _line(160, 68, 160, 88, forward)]
    drawn += [_box(4, 88, 312, 64, through, *gateway)]
    for i, (tone, word) in enumerate(zip(tones, words, strict=True)):
        x = 40 + 80 * i
        drawn.append(_line(x, 152, x, 232, tone))
        drawn.append(f'<text class="{tone}" x="{x + 5}" y="196">{i + 1} {word}</text>')
    drawn += [_box(4, 232, 312, 64, through, *vpc), _line(160, 296, 160, 316, endpoint)]
    drawn += [_box(4, 316, 312, 84, endpoint, *answers), _line(160, 400, 160, 420, names)]
    drawn += [_box(4, 420, 312, 54, names, *hosts)]
    return f'<svg class="tall" viewBox="0 0 320 478" role="img">{"".join(drawn)}</svg>'
