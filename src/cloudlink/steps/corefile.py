"""What stands in AKS's ``coredns-custom``: writing our server block, and reading what the other keys serve.

AKS imports every key that ends in ``.server`` as server blocks of its own; other suffixes do not make server blocks.
https://learn.microsoft.com/azure/aks/coredns-custom
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

# Only options that CoreDNS 1.9.4 (AKS 1.31 and older) understands: an unknown one is a parse error, which a running
# CoreDNS ignores and the next pod to start dies of. ``prefer_udp``: else the upstream's transport follows the client's.
_PLUGINS = ("errors", "cache 30")
_FORWARD_OPTIONS = ("policy random", "max_fails 3", "health_check 5s", "expire 10s", "prefer_udp")
_MARK = "# Managed by cloudlink, link "


def key_of(link: str) -> str:
    """The one key that cloudlink owns for this link."""
    return f"cloudlink-{link}.server"


@dataclass(frozen=True)
class Block:
    """Our server block. options: its lines beside zone and upstreams, as they stand, without comments."""

    zone: str
    upstreams: tuple[IPv4Address, ...]
    options: tuple[str, ...]


def block(zone: str, upstreams: tuple[IPv4Address, ...]) -> Block:
    """As we want it."""
    return Block(zone, tuple(sorted(upstreams)), (*_PLUGINS, *_FORWARD_OPTIONS))


def written(link: str, wanted: Block) -> str:
    """The key's text. ``block`` options are split where ``forward`` begins: plugins before it, its options inside."""
    plugins, options = wanted.options[: len(_PLUGINS)], wanted.options[len(_PLUGINS) :]
    return "\n".join(
        (
            f"{_MARK}{link}. Changes made here are undone by the next `cloudlink up`.",
            f"{wanted.zone}:53 {{",
            *(f"    {p}" for p in plugins),
            f"    forward . {' '.join(str(u) for u in wanted.upstreams)} {{",
            *(f"        {o}" for o in options),
            "    }",
            "}",
            "",
        )
    )


def is_marked(text: str, link: str) -> bool:
    """Whether our header line for this link stands in the text."""
    return any(line.startswith(f"{_MARK}{link}.") for line in text.splitlines())


def read(text: str) -> Block:
    """Our block as it stands. What somebody changed by hand shows as a difference; nothing is refused."""
    lines = [" ".join(line.split()) for line in (raw.partition("#")[0] for raw in text.splitlines())]
    lines = [line for line in lines if line and line not in ("{", "}")]
    zone = ""
    upstreams: tuple[IPv4Address, ...] = ()
    options: list[str] = []
    for line in lines:
        words = line.removesuffix("{").split()
        if not zone and line.endswith("{"):
            zone = " ".join(w.removesuffix(":53") for w in words)
        elif words[:2] == ["forward", "."] and not upstreams:
            try:
                upstreams = tuple(sorted(IPv4Address(w) for w in words[2:]))
            except AddressValueError:
                options.append(line)
        else:
            options.append(line)
    return Block(zone, upstreams, tuple(options))


# --- other keys -------------------------------------------------------------------------------------------


class Unreadable(Exception):
    """The text cannot be a Corefile; CoreDNS would not start with it."""


@dataclass(frozen=True)
class Head:
    """One address of a server block. zone: lower case, no trailing dot, ``.`` for everything."""

    zone: str
    transport: str
    port: int

    @property
    def is_plain_dns(self) -> bool:
        return self.transport == "dns" and self.port == 53


def heads(text: str) -> tuple[Head, ...]:
    """The addresses of all server blocks in a text.

    Follows CoreDNS's parser: words before the opening brace are addresses, a trailing comma lets the list go on in
    the next line, ``(name)`` is a snippet and ``import`` is none of ours to follow. Raises Unreadable.
    https://coredns.io/manual/configuration
    """
    found: list[Head] = []
    tokens = list(_tokens(text))
    i = 0
    while i < len(tokens):
        line, more = tokens[i][1], False
        names: list[str] = []
        while i < len(tokens) and tokens[i][0] != "{" and (more or tokens[i][1] == line):
            word = tokens[i][0]
            more = word.endswith(",")
            names.append(word.rstrip(","))
            line = tokens[i][1]
            i += 1
        if names and names[0] == "import":
            continue
        if i >= len(tokens) or tokens[i][0] != "{":
            # Allowed for a lone block in a file, but these texts become parts of one file: it would swallow the next.
            raise Unreadable("a block has no braces")
        i = _after_block(tokens, i)
        if any(n.startswith("}") for n in names):
            raise Unreadable("a closing brace stands where a zone should")
        if not names:
            raise Unreadable("a block has no zone")
        if not names[0].startswith("("):
            found.extend(_head(n) for n in names if n)
    return tuple(found)


def _after_block(tokens: list[tuple[str, int]], opening: int) -> int:
    depth = 0
    for i in range(opening, len(tokens)):
        depth += {"{": 1, "}": -1}.get(tokens[i][0], 0)
        if depth == 0:
            return i + 1
    raise Unreadable("a block is not closed")


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Words with their line. Quotes group, a ``#`` at the start of a word begins a comment."""
    word, quoted, comment, started, line = "", False, False, 1, 1
    previous = ""
    for char in text + "\n":
        if comment:
            comment = char != "\n"
        elif quoted:
            if char == '"' and previous != "\\":
                quoted = False
                yield word, started
                word = ""
            else:
                word += char
        elif char.isspace():
            if word:
                yield word, started
                word = ""
        elif not word and char == "#":
            comment = True
        elif not word and char == '"':
            quoted, started = True, line
        else:
            if not word:
                started = line
            word += char
        if char == "\n":
            line += 1
        previous = char
    if quoted:
        raise Unreadable("a quotation mark is not closed")


_PORTS = {"dns": 53, "tls": 853, "quic": 853, "grpc": 443, "https": 443, "https3": 443}


def _head(address: str) -> Head:
    scheme, mark, rest = address.partition("://")
    transport, rest = (scheme.lower(), rest) if mark else ("dns", address)
    zone, colon, port = rest.rpartition(":")
    if not colon or not port.isdigit():
        zone, port = rest, str(_PORTS.get(transport, 53))
    zone = zone.lower()
    return Head(zone.rstrip(".") or ".", transport, int(port))


@dataclass(frozen=True)
class Examination:
    """conflicts: CoreDNS would not start, or would not serve us: nothing may be written. warnings: for the user.

    shadowed: zones below ours that another key serves.
    """

    conflicts: tuple[str, ...]
    warnings: tuple[str, ...]
    shadowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """CoreDNS as status and verify-dns show it. line: how it stands. problem: what is wrong with it, or empty."""

    line: str
    problem: str = ""
    warnings: tuple[str, ...] = ()
    shadowed: tuple[str, ...] = ()


def examine(data: Mapping[str, str], key: str, zone: str) -> Examination:
    """Look at all keys but ours for what would keep our zone from working, or CoreDNS from starting again.

    A running CoreDNS keeps its old configuration when the new one is wrong, so that a mistake in any key goes unseen
    until the next restart, and that is what we are about to do.
    """
    conflicts: list[str] = []
    warnings: list[str] = []
    shadowed: list[str] = []
    served: dict[str, str] = {}
    for other, text in sorted(data.items()):
        if other == key:
            continue
        if not other.endswith((".server", ".override")):
            warnings.append(f"The key {other} ends neither in .server nor in .override: AKS ignores it.")
            continue
        if not other.endswith(".server"):
            continue
        try:
            zones = [h.zone for h in heads(text) if h.is_plain_dns]
        except Unreadable as error:
            conflicts.append(f"The key {other} cannot be read ({error}): CoreDNS would not start again with it.")
            continue
        for theirs in zones:
            if theirs == zone:
                conflicts.append(
                    f"The key {other} already serves {zone}: CoreDNS refuses a zone that is defined twice."
                )
            elif theirs == ".":
                conflicts.append(f"The key {other} serves the root zone, which AKS's own block does too.")
            elif theirs in served:
                conflicts.append(f"The keys {served[theirs]} and {other} both serve {theirs}.")
            elif theirs.endswith(f".{zone}"):
                warnings.append(f"The key {other} serves {theirs}: names below it never reach AWS.")
                shadowed.append(theirs)
            served[theirs] = other
    return Examination(tuple(conflicts), tuple(warnings), tuple(shadowed))
