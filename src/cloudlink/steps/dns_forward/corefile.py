"""The content of AKS's ``coredns-custom``: writing our server block, and reading what the other keys serve.

AKS imports every key that ends in ``.server`` as server blocks of its own; other suffixes do not make server blocks.
https://learn.microsoft.com/azure/aks/coredns-custom
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from cloudlink.clouds.ownership import Owner
from cloudlink.steps.dns_forward.corefile_answers import answers_below, rewritten_into
from cloudlink.steps.dns_forward.corefile_grammar import Server, Unreadable, servers
from cloudlink.steps.dns_forward.corefile_rules import NEWEST, Version, has_plugin, problems
from cloudlink.steps.dns_forward.pauses import Pause, lines_of, mark

# Only options that CoreDNS 1.9.4 (AKS 1.31 and older) understands: an unknown one is a parse error, which a running
# CoreDNS ignores and the next pod to start dies of. ``prefer_udp``: else the upstream's transport follows the client's.
_PLUGINS = ("errors", "cache 30")
_FORWARD_OPTIONS = ("policy random", "max_fails 3", "health_check 5s", "expire 10s", "prefer_udp")
_MARK = "# Managed by cloudlink, link "
_PLACE = "# Its place: "


def key_of(link: str) -> str:
    """The one key that cloudlink owns for this link."""
    return f"cloudlink-{link}.server"


@dataclass(frozen=True)
class Block:
    """Our server block."""

    zone: str  # several with a blank between
    upstreams: tuple[IPv4Address, ...]
    options: tuple[str, ...]  # its lines other than zone and upstreams, as written, without comments


def block(zones: tuple[str, ...], upstreams: tuple[IPv4Address, ...]) -> Block:
    """The wanted block of this link: one for all of its zones, so that each endpoint address is checked once, and what is
    taken out is one word."""
    return Block(joined(zones), tuple(sorted(upstreams)), (*_PLUGINS, *_FORWARD_OPTIONS))


def joined(zones: tuple[str, ...]) -> str:
    """As ``Block`` has them, in an order that does not depend on the configuration's."""
    return " ".join(sorted(zones))


def _heads_of(zone: str) -> str:
    """How the block begins. CoreDNS splits its addresses at blanks. https://coredns.io/manual/configuration"""
    return " ".join(f"{z}:53" for z in zone.split())


def written(owner: Owner, wanted: Block) -> str:
    """The key's text. ``block`` options are split where ``forward`` begins: plugins before it, its options inside."""
    plugins, options = wanted.options[: len(_PLUGINS)], wanted.options[len(_PLUGINS) :]
    return "\n".join(
        (
            f"{_MARK}{owner.link}. Changes made here are undone by the next `cloudlink up`.",
            f"{_PLACE}VPC {owner.vpc}, VNet {owner.vnet}",
            f"{_heads_of(wanted.zone)} {{",
            *(f"    {p}" for p in plugins),
            f"    forward . {' '.join(str(u) for u in wanted.upstreams)} {{",
            *(f"        {o}" for o in options),
            "    }",
            "}",
            "",
        )
    )


def paused(owner: Owner, zones: tuple[str, ...], pause: Pause) -> str:
    """The key's text while the link is paused."""
    return "\n".join(
        (
            f"{_MARK}{owner.link}. The link is paused; `cloudlink resume` goes on with it.",
            f"{_PLACE}VPC {owner.vpc}, VNet {owner.vnet}",
            mark(pause),
            f"{_heads_of(joined(zones))} {{",
            *(f"    {line}" for line in lines_of(pause.answer)),
            "}",
            "",
        )
    )


def is_marked(text: str, link: str) -> bool:
    """Whether our header line for this link is in the text."""
    return any(line.startswith(f"{_MARK}{link}.") for line in text.splitlines())


def place_of(text: str) -> str:
    """Where the text says that its link is; empty: it does not say (cloudlink 0.1)."""
    said = [line.removeprefix(_PLACE) for line in text.splitlines() if line.startswith(_PLACE)]
    return said[0] if said else ""


def is_of_place(text: str, owner: Owner) -> bool:
    """Whether the text names no other place than the link's. Case does not count."""
    return place_of(text).lower() in ("", f"VPC {owner.vpc}, VNet {owner.vnet}".lower())


def read(text: str) -> Block:
    """Our block as it is. Drift shows as a difference; nothing is refused."""
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


@dataclass(frozen=True)
class Head:
    """One address of a server block."""

    zone: str  # without its trailing dot, ``.`` for everything
    transport: str
    port: int

    @property
    def is_plain_dns(self) -> bool:
        return self.transport == "dns" and self.port == 53


def heads(text: str) -> tuple[Head, ...]:
    """The addresses of all server blocks in a text. Imports are not followed. Raises Unreadable."""
    return tuple(_head(a, s.key) for s in servers([("", text)]) for a in s.addresses)


_PORTS = {"dns": 53, "tls": 853, "quic": 853, "grpc": 443, "https": 443, "https3": 443}


def _head(address: str, key: str) -> Head:
    scheme, mark, rest = address.partition("://")
    known = bool(mark) and scheme.lower() in _PORTS
    transport, rest = (scheme.lower(), rest) if known else ("dns", address)
    zone, colon, port = rest.rpartition(":")
    if colon and not port:
        raise Unreadable(f"{address} names no port", key)
    if not colon or not port.isdigit():
        zone, port = rest, str(_PORTS[transport])
    if int(port) > 65_535:
        raise Unreadable(f"{address} has a port that there is not", key)
    zone = zone.rstrip(".")
    if zone and not all(0 < len(label) < 64 for label in zone.split(".")):
        raise Unreadable(f"{address} is not a zone", key)
    return Head(zone or ".", transport, int(port))


@dataclass(frozen=True)
class Examination:
    conflicts: tuple[str, ...]  # CoreDNS would not start, or would not serve us: nothing may be written
    warnings: tuple[str, ...]  # for the user
    shadowed: tuple[str, ...] = ()  # zones below ours that another key serves
    taken: tuple[str, ...] = ()  # what other keys answer below our zone until ours is there


@dataclass(frozen=True)
class OnCluster:
    """CoreDNS of one of several clusters, in a line; problem, unread: as of the whole."""

    name: str
    line: str
    problem: str = ""
    unread: str = ""


@dataclass(frozen=True)
class ForwardStatus:
    """CoreDNS as status and verify-dns show it."""

    line: str  # its state in one line
    problem: str = ""  # what is wrong with it, or empty
    warnings: tuple[str, ...] = ()
    shadowed: tuple[str, ...] = ()
    pause: Pause | None = None
    task: str = ""  # what a person has to do, where another ``up`` would not put the problem right
    unread: str = ""  # why the state of one of several clusters is not known
    on: tuple[OnCluster, ...] = ()  # of several clusters, each


# AKS's own block, whose plugins lines in .override are added to: where the cluster's own Corefile could not be read.
USUAL_COREFILE = """.:53 {
    errors
    ready
    health
    kubernetes cluster.local
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
    import custom/*.override
}
import custom/*.server
"""


def examine(
    data: Mapping[str, str],
    key: str,
    zones: tuple[str, ...],
    version: Version = NEWEST,
    *,
    base: str = USUAL_COREFILE,
    not_text: Collection[str] = (),
) -> Examination:
    """Look at all keys but ours for what would keep our zones from working, or CoreDNS from starting again.

    A running CoreDNS keeps its old configuration when the new one is wrong, so that a mistake in any key goes unseen
    until the next restart, and that is what we are about to do. version: of the cluster's CoreDNS. base: the cluster's
    own Corefile. not_text: keys whose content is not UTF-8. zones: none where our key is about to go.
    """
    others = {k: v for k, v in sorted(data.items()) if k != key}
    binary = tuple(
        f"The key {k} is not text in UTF-8: CoreDNS would not start again with it."
        for k in sorted(not_text)
        if k.endswith((".server", ".override"))
    )
    warnings = [
        f"The key {other} ends neither in .server nor in .override: AKS ignores it."
        for other in others
        if not other.endswith((".server", ".override"))
    ]
    everything = others | ({key: f"{_heads_of(joined(zones))} {{\n}}\n"} if zones else {})
    try:
        base = _sound(base, version)
        blocks = _blocks(everything, version, base)
        heads_by_block = [[_head(a, block.key) for a in block.addresses] for block in blocks]
    except Unreadable as error:
        return Examination((*binary, *_unreadable(others, error, version, base)), tuple(warnings))
    conflicts: list[str] = list(binary)
    taken: list[str] = []
    shadowed: list[str] = []
    served: dict[Head, str] = {}
    # Ours first: that another key serves a zone of ours too is the other's conflict, in whatever order.
    for block, found in sorted(zip(blocks, heads_by_block, strict=True), key=lambda pair: pair[0].key not in ("", key)):
        for head in found:
            if head in served:
                conflicts.append(_twice(head, served[head], block.key, key))
            elif head.is_plain_dns and block.key != key and any(head.zone.endswith(f".{z}") for z in zones):
                warnings.append(f"The key {block.key} serves {head.zone}: names below it never reach AWS.")
                shadowed.append(head.zone)
            served.setdefault(head, block.key)
        # the cluster's own lines serve it now, whatever we make of them
        conflicts += [f"CoreDNS would not start with the key {k}: {why}." for k, why in problems(block, version) if k]
        for zone in zones:
            warnings += rewritten_into(block, key, zone)
            taken += answers_below(block, [h.zone for h in found if h.is_plain_dns], key, zone)
    return Examination(tuple(conflicts), tuple(warnings), tuple(shadowed), tuple(dict.fromkeys(taken)))


def _sound(base: str, version: Version) -> str:
    """The Corefile as given, if it can be read without the keys."""
    try:
        return base if _blocks({}, version, base) else USUAL_COREFILE
    except Unreadable:
        return USUAL_COREFILE


def _blocks(keys: Mapping[str, str], version: Version, base: str) -> tuple[Server, ...]:
    """All of the Corefile that CoreDNS would read, in its order."""
    return servers([("", base)], imports=keys, is_directive=lambda name: has_plugin(name, version))


_SOUND = "a.invalid"  # the zone of the sound block


def _unreadable(others: Mapping[str, str], error: Unreadable, version: Version, base: str) -> Iterator[str]:
    """The keys that cannot be read by themselves; where it stumbled if each can.

    Each is read with a sound block behind it: the lack of a brace shows only there.
    """
    found: dict[str, str] = {}
    for other, text in others.items():
        try:
            for block in _blocks({other: text, "~.server": f"{_SOUND} {{\n}}\n"}, version, base):
                [_head(a, block.key) for a in block.addresses]
        except Unreadable as own:
            found[other] = "a block or a quote is not closed" if _SOUND in str(own) else str(own)
    for other, why in (found or {error.key: str(error)}).items():
        if not other:
            yield f"The Corefile cannot be read ({why}) with the keys of coredns-custom: CoreDNS would not start again."
            continue
        yield f"The key {other} cannot be read ({why}): CoreDNS would not start again with it."


def _twice(head: Head, first: str, second: str, ours: str) -> str:
    if not second:
        first, second = second, first
    if not first:
        zone = "the root zone" if head.zone == "." else head.zone
        if second == ours:
            return f"The cluster's own Corefile already serves {zone}: CoreDNS refuses a zone that is defined twice."
        return f"The key {second} serves {zone}, which AKS's own block does too."
    if first == ours:
        return f"The key {second} already serves {head.zone}: CoreDNS refuses a zone that is defined twice."
    if first == second:
        return f"The key {first} serves {head.zone} twice."
    return f"The keys {first} and {second} both serve {head.zone}."
