"""In which line of the file something stands: tomllib keeps no places, so the text is walked through once more.

Only texts that tomllib has read get here whole; of one that it refuses, the lines above the refusal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_DOTTED = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_DOTTED})[ \t]*\]\]?")
_KEY = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
_PIECE = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}]')


@dataclass(frozen=True, slots=True)
class Place:
    """A header or a key as it stands in the file."""

    path: str  # ``dns.hosts[1].name``
    line: int  # from 1
    header: str  # ``[`` or ``[[``; empty: a key


def places(text: str) -> Iterator[Place]:
    """Every header and every key that begins a line, in the file's order."""
    table, counts = "", dict[str, int]()
    quote, depth = "", 0  # of a value that goes on over several lines
    for number, line in enumerate(text.split("\n"), 1):
        begins = not quote and not depth
        if begins and (match := _HEADER.match(line)):
            table = _within(_plain(match[2]), counts)
            if match[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = f"{table}[{counts[table]}]"
            yield Place(table, number, match[1])
            continue
        if begins and (match := _KEY.match(line)):
            own = _plain(match[1])
            yield Place(f"{table}.{own}" if table else own, number, "")
            line = line[match.end() :]
        quote, depth = _after(line, quote, depth)


def line_of(path: str, found: Mapping[str, int]) -> int:
    """Of the path itself, or of the nearest that is around it; 0: of none. found: path -> line."""
    while path:
        if path in found:
            return found[path]
        path = path.rpartition("[")[0] if path.endswith("]") else path.rpartition(".")[0]
    return 0


def lines(text: str) -> dict[str, int]:
    """Path -> line, of the first that is there."""
    found: dict[str, int] = {}
    for place in places(text):
        found.setdefault(place.path, place.line)
        if place.header == "[[":
            found.setdefault(place.path.rpartition("[")[0], place.line)
    return found


def _plain(dotted: str) -> str:
    """A dotted key without blanks, and without quotes that TOML does not need."""
    parts = re.findall(_PART, dotted)
    return ".".join(p[1:-1] if re.fullmatch(r"[\"'][A-Za-z0-9_-]+[\"']", p) else p for p in parts)


def _within(path: str, counts: Mapping[str, int]) -> str:
    """``dns.zones.hosts`` in the second [[dns.zones]]: ``dns.zones[1].hosts``."""
    made = ""
    parts = re.findall(_PART, path)
    for index, part in enumerate(parts):
        made = f"{made}.{part}" if made else part
        if index < len(parts) - 1 and made in counts:
            made = f"{made}[{counts[made]}]"
    return made


def _after(line: str, quote: str, depth: int) -> tuple[str, int]:
    """What is open at the end of a line: the quote of a text over several lines, and brackets."""
    at = 0
    while at < len(line):
        if quote:
            end = line.find(quote, at)
            if end < 0:
                return quote, depth
            at, quote = end + 3, ""
            continue
        match = _PIECE.search(line, at)
        if match is None:
            break
        piece, at = match[0], match.end()
        if piece in ('"""', "'''"):
            quote = piece
        elif piece in ("[", "{"):
            depth += 1
        elif piece in ("]", "}"):
            depth = max(depth - 1, 0)
    return quote, depth
