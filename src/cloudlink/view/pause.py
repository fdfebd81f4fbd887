"""What a pause did, as a screen."""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink.checks.report import PauseReport
from cloudlink.view import words
from cloudlink.view.text import EMPTY, Line, Look, Span, labelled, paragraph, table
from cloudlink.view.text import advice as to_type

_LABEL = 9


_NEW_ADDRESSES = "AWS gives the tunnels new outside addresses on resume; Azure's side follows."


def pause_lines(report: PauseReport, look: Look) -> Iterator[Line]:
    removed = (
        f"{words.count(len(report.deleted), 'object')} removed" if report.deleted else "nothing was left to remove"
    )
    mark = Span(look.glyph("good"), "good")
    yield from table([[mark, Span(f"The link {report.link} is paused: {removed}.", "strong")]], look)
    yield EMPTY
    yield from labelled("names", f"Meanwhile {report.names}.", look, 3, _LABEL)
    kept = "Zone and records are kept."
    if any(address.startswith("aws_vpn.") for address, _, _ in (*report.deleted, *report.kept)):
        kept = "Public addresses, zone, records and inside ranges are kept."
    if report.endpoint:
        kept += f" The endpoint gets its addresses back: {', '.join(a for _, a in report.endpoint)}."
    yield from labelled("kept", kept, look, 3, _LABEL)
    for address, title, id_ in report.kept:
        yield from labelled("", f"{title} ({words.object_name(id_)}, {address}) is not cloudlink's.", look, 3, _LABEL)
    price = "less than before; how much is not known, because there is no price for this cloud"
    if report.monthly is not None and report.monthly_paused is not None:
        paused, always = words.monthly(report.monthly_paused), words.monthly(report.monthly)
        price = f"{paused} while it is paused, instead of {always}"
    yield from labelled("price", price, look, 3, _LABEL)
    if any(address.startswith("aws_vpn.") for address, _, _ in (*report.deleted, *report.kept)):
        yield from paragraph(_NEW_ADDRESSES, look, 3, "dim")
    yield from to_type("cloudlink resume", look, 3, "next", _LABEL)
