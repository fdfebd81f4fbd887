"""The report: one HTML page that needs no network and no script, made from what ``--json`` prints.

Its content policy allows the one style sheet that is in it and nothing else. Fonts are those of the reader's machine. Every
word from a cloud or a configuration is escaped. https://www.w3.org/TR/CSP3
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape
from typing import Any

from cloudlink.link import Link
from cloudlink.view.also_learned import SIDES, TITLE
from cloudlink.view.report_map import maps
from cloudlink.view.words import size, visible

Json = dict[str, Any]

SHOWN_LOOKS = 40
_TONES = {"passed": "good", "failed": "bad", "warning": "warn", "not seen": "warn", "skipped": "dim"}
_HEALTH = {"healthy": "good", "degraded": "warn", "no redundancy": "warn", "down": "bad", "unknown": "warn"}
_PROGRAMS = ("cloudlink ", "aws ", "az ", "kubectl ")
_MARKS = {"good": "✓", "bad": "✗", "warn": "!", "dim": "–"}

STYLE = """
:root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--dim:#57606a;--panel:#f3f5f7;--line:#c5ccd3;--good:#116329;
--bad:#a40e26;--warn:#7a4a00;--link:#0550ae}
@media(prefers-color-scheme:dark){:root{--back:#0d1117;--text:#e6edf3;--dim:#9da5ae;--panel:#161b22;--line:#3d444d;
--good:#56d364;--bad:#ff8f87;--warn:#e3b341;--link:#79b8ff}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:70rem;padding:1rem;background:var(--back);color:var(--text);
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:.2rem 0}
h2{font-size:1.15rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line);padding-bottom:.2rem}
p{margin:.4rem 0}
code,.mono{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:.9em}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}.dim{color:var(--dim)}
.verdict{background:var(--panel);border-left:.4rem solid var(--line);padding:.8rem 1rem;margin:1rem 0}
.verdict.is-good{border-color:var(--good)}.verdict.is-bad{border-color:var(--bad)}.verdict.is-warn{border-color:var(--warn)}
.health{font-weight:700;font-size:1.2rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:.5rem 0}
dt{color:var(--dim)}dd{margin:0}
ol.path{display:flex;flex-wrap:wrap;gap:.4rem;list-style:none;margin:.5rem 0;padding:0}
ol.path li{border:1px solid var(--line);border-radius:1rem;padding:.1rem .8rem;background:var(--panel)}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
caption{text-align:left;color:var(--dim);padding:.2rem 0}
th,td{overflow-wrap:break-word;text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line)}
td:last-child{overflow-wrap:anywhere}
td .mono,th .mono{overflow-wrap:anywhere}.keep{white-space:nowrap}
thead th{color:var(--dim);font-weight:600}
.number{text-align:right}
svg{display:block;width:100%;height:auto;margin:.5rem 0}
svg.tall{display:none}
svg text{fill:var(--text);font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
svg text.small{font-size:11px;fill:var(--dim)}
svg rect{fill:var(--panel);stroke:var(--line)}
svg line{stroke-width:3;stroke:var(--line)}
svg line.good,svg rect.good{stroke:var(--good)}svg line.bad,svg rect.bad{stroke:var(--bad)}
svg line.warn,svg rect.warn{stroke:var(--warn)}svg line.bad{stroke-dasharray:6 5}
svg text.good{fill:var(--good)}svg text.bad{fill:var(--bad)}svg text.warn{fill:var(--warn)}
svg rect.look{stroke:none}
svg rect.look.good{fill:var(--good)}svg rect.look.bad{fill:var(--bad)}svg rect.look.warn{fill:var(--warn)}
svg rect.look.dim{fill:var(--dim)}
footer{margin-top:2rem;color:var(--dim);font-size:.9rem}
@media(max-width:40rem){svg.wide{display:none}svg.tall{display:block}}
@media(max-width:54rem){td,tbody th{overflow-wrap:anywhere}
dl{grid-template-columns:1fr}dt{margin-top:.4rem}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table,tbody,tr,td,tbody th,caption{display:block;width:100%}
tbody tr{border-bottom:1px solid var(--line);padding:.4rem 0}
td,tbody th{border:0;padding:.1rem 0}
.number{text-align:left}
td[data-label]::before{content:attr(data-label) ": ";color:var(--dim)}}
@media print{:root{--back:#fff;--text:#000;--dim:#444;--panel:#fff;--line:#999;--good:#116329;--bad:#a40e26;--warn:#7a4a00}
body{max-width:none;padding:0;font-size:10pt}h2{break-after:avoid}tr,svg,.verdict{break-inside:avoid}}
"""


def policy() -> str:
    """The content policy of the page."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def page(link: Link, kept: Json, *, version: str) -> str:
    """kept: as ``state.history`` keeps it, with a status. version: cloudlink's."""
    status, at = kept["status"]["report"], kept["status"]["at"]
    parts = [
        *_head(link, status, at),
        *_path(link, status),
        *_tunnels(status["tunnels"]),
        *_names(status, kept["dns"]),
        *_routes(status),
        *_security(link, status),
        *_price(status, kept["status"].get("price") or []),
        *_drift(status),
        *_checks(status["checks"]),
        *_history(kept["history"]),
        "</main>",
        (
            f"<footer><p>Made by cloudlink {_t(version)} from what was seen at {_moment(at)}. "
            "The page loads nothing and runs nothing.</p></footer>"
        ),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _t(value: object) -> str:
    """Text, safe in HTML and harmless to the eye."""
    return escape(visible(str(value)))


def _moment(text: str) -> str:
    """RFC 3339 for people."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _t(text)
    return f'<time datetime="{_t(text)}">{found:%d %b %Y %H:%M} UTC</time>'


def _word(tone: str, text: object) -> str:
    return f'<span class="{tone}">{_MARKS[tone]} {_t(text)}</span>'


def _head(link: Link, status: Json, at: str) -> Iterator[str]:
    tone = _HEALTH.get(status["health"], "dim")
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>Link {_t(link.name)}: {_t(status['health'])}</title><style>{STYLE}</style></head><body>"
    yield f'<header><h1>Link {_t(link.name)}</h1><p class="dim">As of {_moment(at)}</p></header><main>'
    yield f'<section class="verdict is-{tone}" aria-label="Verdict">'
    yield f'<p class="health">{_word(tone, status["health"].upper())}</p><p>{_t(status["verdict"])}</p>'
    advice = status["advice"]
    rows = [("Since", _moment(status["since"]))] if status["since"] else []
    if advice["cause"]:
        rows.append(("Cause", _t(advice["cause"])))
    if advice["command"]:
        effect = f" {_t(advice['effect'])}" if advice["effect"] else ""
        rows.append(("Next", f"<code>{_t(advice['command'])}</code>{effect}"))
    if advice["task"]:
        rows.append(("Then" if advice["command"] else "To do", _t(advice["task"])))
    if advice["waiting"]:
        rows.append(("Waiting", _t(advice["waiting"])))
    yield _list(rows)
    yield "</section>"


def _list(rows: Iterable[tuple[str, str]]) -> str:
    """rows: (name, HTML)."""
    items = "".join(f"<dt>{_t(name)}</dt><dd>{html}</dd>" for name, html in rows)
    return f"<dl>{items}</dl>" if items else ""


def _path(link: Link, status: Json) -> Iterator[str]:
    yield "<section><h2>Path</h2>"
    if status["path"]:
        stages = "".join(f"<li>{_word(_TONES[s['outcome']], s['name'])}</li>" for s in status["path"])
        yield f'<ol class="path" aria-label="What passes, from AKS to the names"><li>AKS</li>{stages}</ol>'
    yield from maps(link, status)
    aws, azure = link.aws, link.azure
    yield _list(
        (
            ("AWS", f"VPC {_t(aws.vpc_id)} in {_t(aws.region)}, EKS cluster {_t(aws.eks_cluster)}, AS {aws.asn}"),
            (
                "Azure",
                (
                    f"VNet {_t(azure.vnet)} in {_t(azure.location)}, {_aks(link)}, gateway "
                    f"{_t(azure.sku)}, AS {azure.asn}"
                ),
            ),
        )
    )
    yield "</section>"


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[str] = ()) -> str:
    """rows: HTML, the first cell being the row's name. Empty where there is none."""

    def tag(name: str) -> str:
        return ' class="number"' if name in numbers else ""

    lines = []
    for first, *others in rows:
        cells = "".join(
            f'<td{tag(name)} data-label="{_t(name)}">{cell}</td>' for name, cell in zip(head[1:], others, strict=True)
        )
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    if not lines:
        return ""
    heads = "".join(f'<th scope="col"{tag(name)}>{_t(name)}</th>' for name in head)
    return (
        f"<table><caption>{_t(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def _tunnels(tunnels: list[Json]) -> Iterator[str]:
    if not tunnels:
        return
    yield "<section><h2>Tunnels</h2>"
    rows = []
    for number, t in enumerate(tunnels, 1):
        aws, azure, bgp = t["aws"] or {}, t["azure"] or {}, t["bgp"] or {}
        tone = ("warn" if t["concern"] else "good") if t["up"] else "bad"
        carried = f"{size(azure['ingress'])} in, {size(azure['egress'])} out" if azure else "–"
        routes = f"AWS {aws.get('routes', '–')}, Azure {bgp.get('routes', '–')}"
        said = t["why"] or t["concern"] or ""
        rows.append(
            (
                f'<span class="keep">tunnel {number}</span>',
                _word(tone, "up" if t["up"] else "not up") + (f"<br>{_t(said)}" if said else ""),
                f'<span class="mono keep">{_t(t["inside"])}</span>',
                f'{_t(aws.get("state", "absent"))} <span class="mono keep">{_t(aws.get("outside_ip", ""))}</span>',
                f"{_t(azure.get('status', 'absent'))}, instance {t['instance'] + 1}",
                f"{_t(bgp.get('state', 'absent'))}",
                routes,
                carried,
            )
        )
    head = ("Tunnel", "State", "Inside", "AWS", "Azure", "BGP", "Routes", "Carried")
    yield _table("Each tunnel, as both clouds see it", head, rows)
    yield "</section>"


def _names(status: Json, kept: Json | None) -> Iterator[str]:
    yield "<section><h2>Names</h2>"
    rows = [("Zone", _t(status["zone"]))] if status["zone"] else []
    if endpoint := status["endpoint"]:
        held = ", ".join(f"{a['address']} ({a['subnet']}, {a['state']})" for a in endpoint["addresses"])
        rows.append(("Endpoint", f"{_t(endpoint['id'])} {_t(endpoint['state'])}: {_t(held)}"))
    rows += [("CoreDNS", _t(status["forward"]))] if status["forward"] else []
    yield _list(rows)
    records = [
        (f'<span class="mono">{_t(r["name"])}</span>', _t(r["kind"]), _t(r["target"])) for r in status["records"]
    ]
    yield _table("Records of the zone that cloudlink made", ("Name", "Kind", "Target"), records)
    if kept is None:
        yield "<p>No pod has asked the names yet: <code>cloudlink verify-dns</code> does, and "
        yield "<code>cloudlink report --names</code>.</p></section>"
        return
    asked = []
    for name in kept["report"]["names"]:
        good = name["verdict"] == "ok"
        timed = _timings(name["hops"])
        said = "answers" if good else f"{name['verdict']}: {name['cause']}".removesuffix(": ")
        asked.append(
            (
                f'<span class="mono">{_t(name["name"])}</span>'
                + (f" on {_t(name['cluster'])}" if name.get("cluster") else ""),
                _word("good" if good else "bad", said),
                _t(", ".join(name["answers"]) or "–"),
                "<br>".join(map(_t, timed)) or "–",
            )
        )
    yield f"<p>Asked from a pod on AKS at {_moment(kept['at'])}:</p>"
    yield _table("Each name, and how long each hop took", ("Name", "Result", "Answers", "Timings"), asked)
    yield "</section>"


def _timings(hops: list[Json]) -> list[str]:
    """One line for each kind of hop: how long it took, from the fastest to the slowest."""
    kinds: dict[str, list[float]] = {}
    for hop in hops:
        if hop["ms"] is not None:
            kinds.setdefault(hop["hop"].partition(" ")[0], []).append(hop["ms"])
    lines = []
    for kind, took in kinds.items():
        least, most = f"{min(took):.0f}", f"{max(took):.0f}"
        lines.append(f"{kind} {least} ms" if least == most else f"{kind} {least} to {most} ms")
    return lines


def _routes(status: Json) -> Iterator[str]:
    if not status["route_tables"] and not status["learned"]:
        return
    yield "<section><h2>Routes</h2>"
    rows = []
    for table in status["route_tables"]:
        static = table.get("static") or []  # not in what an older cloudlink kept
        off = table["propagating"] is False and (table["missing"] or table["routes"] or not static)
        good = not off and not table["missing"]
        said = f"missing: {', '.join(table['missing'])}" if table["missing"] else "complete"
        if off:
            said = f"takes no routes from the gateway; {said}"
        elif static:
            said += ", by static routes"
        rows.append(
            (
                f'<span class="mono">{_t(table["id"])}</span>',
                _word("good" if good else "bad", said),
                _t(", ".join((*table["routes"], *static)) or "–"),
            )
        )
    yield _table("Route tables of the VPC, and what leads to Azure", ("Table", "State", "Ranges"), rows)
    yield f"<p>Azure's gateway has learned: {_t(', '.join(status['learned']) or 'no range of the VPC')}.</p>"
    if also := status.get("also_learned") or []:  # not in what an older cloudlink kept
        found = [
            (f'<span class="mono">{_t(a["range"])}</span>', _t(SIDES[a["side"]]), _t(a["owner"]), _t(a["limit"]))
            for a in also
        ]
        yield _table(TITLE, ("Range", "Learned by", "Whose it is", "What keeps it back"), found)
    yield "</section>"


def _security(link: Link, status: Json) -> Iterator[str]:
    p = link.policy
    esp = p.esp_encryption if p.gcm else f"{p.esp_encryption} with {p.esp_integrity}"
    yield "<section><h2>Ciphers and exposure</h2>"
    yield _list(
        (
            ("IKEv2", f"{_t(p.ike_encryption)} with {_t(p.ike_integrity)}, group {p.ike_group}, {p.ike_lifetime} s"),
            ("ESP", f"{_t(esp)}, PFS group {p.pfs_group}, {p.sa_lifetime} s"),
            ("Keys", f"made for each tunnel, kept in the clouds ({_t(link.aws.psk_storage)} storage), none here"),
        )
    )
    outside = [t["aws"]["outside_ip"] for t in status["tunnels"] if t["aws"]]
    ranges = sorted({r for t in status["route_tables"] for r in (*t["routes"], *(t.get("static") or ()))})
    addresses = [a["address"] for a in status["endpoint"]["addresses"]] if status["endpoint"] else []
    rows = [
        (
            "On the internet",
            (
                f"IKE and ESP on AWS's {_t(', '.join(outside) or 'outside addresses')}, and on the two public addresses of "
                "Azure's gateway; nothing else of the link"
            ),
        ),
        (
            "From Azure",
            (
                f"{_t(', '.join(ranges) or 'no range')} may send to {_t(', '.join(status['learned']) or 'no range')}; what "
                "answers there is up to security groups that are not cloudlink's"
            ),
        ),
        ("DNS", f"port 53 of {_t(', '.join(addresses) or 'no endpoint')}, for the VNet's ranges alone"),
        ("Names", _private(link)),
    ]
    yield _list(rows)
    yield "</section>"


def _aks(link: Link) -> str:
    return f"AKS cluster{'s' * bool(link.azure.more_clusters)} {_t(link.azure.clusters_said)}"


def _private(link: Link) -> str:
    names = _t(", ".join(link.dns.zone_names))
    where = "the AKS clusters" if link.azure.more_clusters else "the AKS cluster"
    if link.dns.more_zones:
        return f"{names} are private: they are answered in the VPC and in {where}"
    return f"{names} is private: it is answered in the VPC and in {where}"


def _price(status: Json, rows: list[Json]) -> Iterator[str]:
    yield "<section><h2>Price</h2>"
    cells = [(_t(r["what"]), str(r["count"]), _price_of(r["monthly"])) for r in rows]
    yield _table("What is there, in USD a month", ("What", "Count", "USD"), cells, numbers=("Count", "USD"))
    whole = sum(r["monthly"] or 0.0 for r in rows)
    unknown = any(r["monthly"] is None for r in rows)
    said = f"<strong>{whole:,.0f} USD a month</strong> at list prices, and traffic"
    rest = ", and what no price is known for" if unknown else ""
    paused = " The link is paused." if status["health"] == "paused" else ""
    yield f"<p>About {said}{rest}.{paused}</p></section>"


def _price_of(monthly: float | None) -> str:
    return "not known" if monthly is None else f"{monthly:,.2f}"


def _drift(status: Json) -> Iterator[str]:
    yield "<section><h2>Drift</h2>"
    rows = [
        (
            _t(d["title"]),
            _t(d["what"]),
            "by hand" if d["by_hand"] else "not done yet",
            f"<code>{_t(d['address'])}</code>",
        )
        for d in status["drift"]
    ]
    yield _table("What is not as configured", ("What", "How", "By", "Address"), rows)
    if not rows:
        yield "<p>Nothing differs from the configuration.</p>"
    yield "</section>"


def _checks(checks: list[Json]) -> Iterator[str]:
    if not checks:
        return
    yield "<section><h2>Checks</h2>"
    rows = [
        (
            _t(c["title"]),
            f'<span class="keep">{_word(_TONES[c["outcome"]], c["outcome"])}</span>',
            _t(c["detail"]) + _fix(c["fix"]),
        )
        for c in checks
    ]
    yield _table("Everything that status checks", ("Check", "Outcome", "Detail"), rows)
    yield "</section>"


def _fix(text: str) -> str:
    if not text:
        return ""
    return f"<br><code>{_t(text)}</code>" if text.startswith(_PROGRAMS) else f"<br>{_t(text)}"


def _history(looks: list[Json]) -> Iterator[str]:
    yield "<section><h2>History of checks</h2>"
    shown = looks[-SHOWN_LOOKS:]
    bars = "".join(
        f'<rect class="look {_HEALTH.get(look["health"], "dim")}" x="{i * 12}" y="0" width="9" height="24"/>'
        for i, look in enumerate(shown)
    )
    healthy = sum(look["health"] == "healthy" for look in shown)
    if shown:
        yield (
            f'<svg viewBox="0 0 {SHOWN_LOOKS * 12} 24" role="img"><title>{healthy} of the last {len(shown)} looks found '
            f"the link healthy</title>{bars}</svg>"
        )
    rows = [
        (
            _moment(look["at"]),
            _word(_HEALTH.get(look["health"], "dim"), look["health"]),
            f"{look['up']} of {look['of']}" if look["of"] else "–",
            _t("; ".join(look["failed"]) or "–"),
        )
        for look in reversed(shown)
    ]
    yield _table("The last looks from this machine, newest first", ("When", "Health", "Tunnels", "Failed"), rows)
    yield "</section>"
