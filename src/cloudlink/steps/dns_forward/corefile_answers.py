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
# plugins whose arguments are zones
_FROM_ZONES = ("file", "auto", "secondary", "etcd", "route53", "azure", "clouddns", "kubernetes", "k8s_external")
_ANSWER = (*_FROM_ZONES, "hosts", "template", "rewrite", "forward", "grpc", "erratic")
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
    asked = list(_asked(block.directives))
    for key in dict.fromkeys(d.key for d in asked if d.key and d.key != ours):
        names = _names([d for d in asked if d.key == key], zone)
        if names:
            yield (f"The key {key} answers names below {zone} today, which go to AWS from now on: {_listed(names)}.")


def _asked(directives: Sequence[Directive]) -> Iterator[Directive]:
    """Without forwards behind one of everything, as AKS has it above its import: the first that takes a name keeps it.
    https://coredns.io/plugins/forward"""
    everything = False
    for directive in directives:
        if directive.name != "forward":
            yield directive
        elif not everything:
            everything = directive.arguments[:1] == (".",)
            yield directive


_AZURES_DNS = ("/etc/resolv.conf", "168.63.129.16")


def rewritten_into(block: Server, ours: str, zone: str) -> Iterator[str]:
    """Sentences for rules that make a name of ours of another one: CoreDNS goes on with it in the same block, which asks Azure's
    DNS for it and not AWS. https://coredns.io/plugins/rewrite"""
    if block.key == ours:
        return
    forwards = [d for d in block.directives if d.name == "forward" and d.arguments]
    for directive in (d for d in block.directives if d.name == "rewrite" and d.key):
        for words in (directive.arguments, *directive.options):
            old, new = _renamed(words)
            if not new or not is_below(new, zone):
                continue
            ways = [d for d in forwards if d.arguments[0] == "." or is_below(new, _plain(d.arguments[0]))]
            if all(t.removeprefix("dns://") in _AZURES_DNS for d in ways for t in d.arguments[1:]):
                yield (
                    f"The key {directive.key} makes {new} of {old}, and asks for it in the same server block: there Azure's DNS "
                    f"answers, and not AWS. Pods that ask for {old} do not get there; a record of that name, or a server block of its "
                    "own that forwards to the cluster's DNS, would."
                )


def _renamed(words: Sequence[str]) -> tuple[str, str]:
    """The old and the new name of a rule for names; empty: it is none."""
    rest = [w for w in words if w]
    if rest and rest[0] in ("continue", "stop"):
        rest.pop(0)
    if len(rest) < 3 or rest.pop(0) != "name":
        return "", ""
    if rest[0] in _REWRITES:
        rest.pop(0)
    return (_plain(rest[0]), _plain(rest[1])) if len(rest) > 1 else ("", "")


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
            file, *zones = arguments or ("",)
            if file not in ("", "/etc/hosts") and (not zones or any(_meets(z, zone) for z in map(_plain, zones))):
                yield f"those that {file} holds (hosts)"
        case "template":
            yield from (f"{z} (template)" for z in map(_plain, arguments[2:]) if is_below(z, zone))
            matches = [o[1] for o in directive.options if o[0] == "match" and len(o) > 1]
            yield from (f"{m} (template)" for m in matches if _bare(zone) in _bare(m))
        case "rewrite":
            for words in (arguments, *directive.options):
                yield from (f"{n} (rewrite)" for n in _rewritten(words, zone))
        case "forward" | "grpc":
            yield from (f"{z} ({directive.name})" for z in map(_plain, arguments[:1]) if _meets(z, zone))
        case name if name in _FROM_ZONES:
            yield from (f"{z} ({name})" for z in map(_plain, arguments) if _meets(z, zone))


def _hosts(directive: Directive) -> Iterator[str]:
    for first, *names in directive.options:
        if _is_address(first):
            yield from map(_plain, names)


def _rewritten(words: Sequence[str], zone: str) -> Iterator[str]:
    """The FROM of ``rewrite [continue|stop] name [exact|suffix|...] FROM TO``, where names below the zone are among those
    that it takes."""
    rest = list(words)
    if rest and rest[0] in ("continue", "stop"):
        rest.pop(0)
    if len(rest) < 3 or rest.pop(0) != "name":
        return
    how = rest.pop(0) if rest[0] in _REWRITES else "exact"
    # of a regular expression, what is behind its first part: (.*)\.corp\.example
    name = re.sub(r"^[^a-z0-9_]+", "", _plain(rest[0].replace("\\", "").rstrip("$)")))
    if is_below(name, zone):
        yield name
    elif (
        (how == "suffix" and is_below(zone, name))
        or (how == "substring" and _plain(rest[0]) in zone)
        or (how == "regex" and _takes(rest[0], zone))
    ):
        yield rest[0]


# What may take for ever to look for, such as (a+)+
_NESTED = re.compile(r"[+*}]\)[+*{]")


def _takes(pattern: str, zone: str) -> bool:
    """Whether a name below the zone matches; one that cannot be read as Python reads it does not."""
    if _NESTED.search(pattern):
        return False
    try:
        return re.search(pattern, f"name.{zone}.") is not None or re.search(pattern, f"name.{zone}") is not None
    except re.error:
        return False


def _bare(text: str) -> str:
    """Letters and digits alone: a pattern may write the dots of a name as ``.``, ``\\.`` or ``[.]``."""
    return re.sub(r"[\W_]", "", text.lower())


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def _meets(one: str, zone: str) -> bool:
    """Whether names below the zone are below the other one, too. The root, where AKS forwards everything else, is none."""
    return is_below(one, zone) or (one != "" and is_below(zone, one))


def is_below(name: str, zone: str) -> bool:
    """The zone itself, and all below it."""
    return name == zone or name.endswith(f".{zone}")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
