"""What other keys answer below a zone today: a server block of its own takes these names away from them.

CoreDNS picks the block with the longest zone and asks no other, so that what a line in ``.override`` or a parent zone
answers ends when the zone gets a block of its own. https://coredns.io/manual/configuration
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from cloudlink.steps.dns_forward.corefile_grammar import Directive, Server

_SHOWN = 12
_FROM_ZONES = ("file", "auto", "secondary", "etcd", "route53", "azure", "clouddns")  # plugins whose arguments are zones
_ANSWER = (*_FROM_ZONES, "hosts", "template", "rewrite", "forward", "grpc", "kubernetes", "k8s_external", "erratic")
_REWRITES = ("exact", "prefix", "suffix", "substring", "regex")


def answers_below(block: Server, zones: Sequence[str], ours: str, zone: str) -> Iterator[str]:
    """Sentences, one for each key. zones: of the block, as they are served."""
    parents = [z for z in zones if z == "." or zone.endswith(f".{z}")]
    if not parents or block.key == ours or not any(d.name in _ANSWER for d in block.directives):
        return
    if "." not in parents and block.key:
        names = _names(block.directives, zone)
        which = f": {_listed(names)}" if names else " (which they are cannot be read from the key)"
        yield (
            f"The key {block.key} serves {', '.join(parents)} and so answers the names below {zone} today; they go to AWS "
            f"from now on{which}."
        )
        return
    for key in dict.fromkeys(d.key for d in block.directives if d.key and d.key != ours):
        names = _names([d for d in block.directives if d.key == key], zone)
        if names:
            yield (f"The key {key} answers names below {zone} today, which go to AWS from now on: {_listed(names)}.")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _names(directives: Sequence[Directive], zone: str) -> list[str]:
    return list(dict.fromkeys(name for d in directives for name in _of_directive(d, zone)))


def _of_directive(directive: Directive, zone: str) -> Iterator[str]:
    arguments = directive.arguments
    match directive.name:
        case "hosts":
            yield from (n for n in _hosts(directive) if is_below(n, zone))
        case "template":
            yield from (f"{z} (template)" for z in map(_plain, arguments[2:]) if is_below(z, zone))
            matches = [o[1] for o in directive.options if o[0] == "match" and len(o) > 1]
            bare = zone.replace(".", "")
            yield from (f"{m} (template)" for m in matches if bare in m.replace("\\", "").replace(".", "").lower())
        case "rewrite":
            yield from (f"{n} (rewrite)" for n in _rewritten(arguments) if is_below(n, zone))
            for option in directive.options:
                yield from (f"{n} (rewrite)" for n in _rewritten(option) if is_below(n, zone))
        case "forward" | "grpc":
            yield from (f"{z} ({directive.name})" for z in map(_plain, arguments[:1]) if is_below(z, zone))
        case name if name in _FROM_ZONES:
            yield from (f"{z} ({name})" for z in map(_plain, arguments) if is_below(z, zone))


def _hosts(directive: Directive) -> Iterator[str]:
    for first, *names in directive.options:
        if _is_address(first):
            yield from map(_plain, names)


def _rewritten(words: Sequence[str]) -> Iterator[str]:
    """The name of ``rewrite [continue|stop] name [exact|suffix|...] FROM TO``."""
    rest = list(words)
    if rest and rest[0] in ("continue", "stop"):
        rest.pop(0)
    if len(rest) < 3 or rest.pop(0) != "name":
        return
    if rest[0] in _REWRITES:
        rest.pop(0)
    # of a regular expression, what is behind its first part: (.*)\.corp\.example
    yield re.sub(r"^[^a-z0-9_]+", "", _plain(rest[0].replace("\\", "").rstrip("$)")))


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def is_below(name: str, zone: str) -> bool:
    """The zone itself, and all below it."""
    return name == zone or name.endswith(f".{zone}")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
