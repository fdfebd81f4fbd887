"""Each question and each connection of the probe as a hop: what came back, in one word and some detail."""

from __future__ import annotations

from ipaddress import IPv4Address

from cloudlink.addressing import LINK_LOCAL, is_private
from cloudlink.checks.names.answers import Connect, Handshake, Query
from cloudlink.checks.names.certificates import certificate_note
from cloudlink.checks.names.wanted import Wanted
from cloudlink.checks.report import Hop, HopResult

_RCODES: dict[int, HopResult] = {2: "servfail", 3: "nxdomain", 5: "refused"}


def query_hop(query: Query, wanted: Wanted) -> Hop:
    name = "cluster-dns" if query.via == "cluster" else f"endpoint {query.server} {query.protocol}"
    result, detail = _answer(query, wanted)
    notes = [detail]
    if query.via == "cluster":
        notes.append(f"asked {query.server}")
    if query.aliases:
        notes.append(f"by way of {', '.join(query.aliases)}")
    if query.truncated:
        notes.append("the answer is too long for UDP and was cut")
    return Hop(name, result, "; ".join(n for n in notes if n), query.ms)


def _answer(query: Query, wanted: Wanted) -> tuple[HopResult, str]:
    match query.outcome:
        case "timeout":
            return "timeout", ""
        case "refused":
            return "refused", "nothing listens there"
        case "reset":
            return "reset", query.error
        case "error":
            return "error", query.error
    if query.rcode:
        return _RCODES.get(query.rcode, "error"), "" if query.rcode in _RCODES else f"DNS response code {query.rcode}"
    addresses = [IPv4Address(a) for a in query.addresses]
    shown = ", ".join(query.addresses)
    if not addresses:
        return "nodata", ""
    expected = wanted.addresses
    if any(a in LINK_LOCAL for a in addresses):
        return "link-local-address", shown
    if any(not (a.is_private or is_private(a)) and a not in expected for a in addresses):
        return "public-address", shown
    if expected and not set(addresses) <= expected:
        return "stale-address", f"{shown} instead of {', '.join(str(a) for a in sorted(expected))}"
    return "ok", shown


def connect_hops(connect: Connect, wanted: Wanted) -> list[Hop]:
    place = f"{connect.address}:{connect.port}"
    hops = [Hop(f"connect {place}", _outcome(connect.outcome), _detail(connect), connect.ms)]
    if connect.tls is not None:
        shake = connect.tls
        detail = certificate_note(shake.certificate, wanted.name) if shake.outcome == "ok" else shake.error
        hops.append(Hop(f"tls {place}", _outcome(shake.outcome), detail, shake.ms))
    return hops


def _outcome(word: str) -> HopResult:
    match word:
        case "ok" | "timeout" | "refused" | "reset":
            return word
        case _:
            return "error"


def _detail(part: Connect | Handshake) -> str:
    return part.error if _outcome(part.outcome) == "error" else ""
