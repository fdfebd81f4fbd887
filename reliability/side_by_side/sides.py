"""What each of the three says of a link: which tunnels are down and in which layer, which will be lost when their keys are
renewed, and whether packets and names arrive beyond the tunnels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, Literal

from cloudlink.link import Link
from cloudlink_sandbox.facts import AksCluster
from cloudlink_sandbox.negotiation import renews
from cloudlink_sandbox.process import Sandbox
from cloudlink_sandbox.world import Tunnel, World

Layer = Literal["IKE", "ESP", "BGP", "routes"]
Beyond = Literal["", "packets", "names"]
PORT = 53


@dataclass(frozen=True)
class Side:
    """Tunnels by their number from one. down: those that carry nothing, with the layer at fault (routes: BGP is up, and one
    of the clouds takes no prefix from the other). lost: those that are up and will
    be lost when their keys are renewed. beyond: the first thing at fault behind the tunnels, where any is up."""

    down: Mapping[int, Layer] = field(default_factory=dict)
    lost: frozenset[int] = frozenset()
    beyond: Beyond = ""
    said: str = ""  # in its own words

    @property
    def judged(self) -> tuple[tuple[tuple[int, Layer], ...], frozenset[int], Beyond]:
        return tuple(sorted(self.down.items())), self.lost, self.beyond

    def __str__(self) -> str:
        layers: dict[Layer, list[int]] = {}
        for number, layer in sorted(self.down.items()):
            layers.setdefault(layer, []).append(number)
        words = [f"{_numbers(numbers)} down: {layer}" for layer, numbers in layers.items()]
        words += [f"{_numbers(self.lost)} up, not renewed"] if self.lost else []
        words += [f"no {self.beyond}"] if self.beyond else []
        return "; ".join(words) or "up"


def _numbers(numbers: Iterable[int]) -> str:
    found = sorted(numbers)
    return "all" if len(found) == 4 else ", ".join(map(str, found))


def layer_of(words: str) -> Layer:
    """Of the reason why a tunnel is down. Raises KeyError for a reason that has no place here yet."""
    for layer, phrases in _PHRASES.items():
        if any(phrase in words for phrase in phrases):
            return layer
    raise KeyError(f"to which layer does this belong: {words}")


# Phrases of the world, of status and of the rehearsal. Those of a higher layer come first: "Azure expects the BGP peer".
_PHRASES: dict[Layer, tuple[str, ...]] = {
    "routes": ("BGP is up, but", "is not attached"),
    "BGP": ("inside range", "BGP", "ASN", "peer AS", "session", "only one side speaks", "advertises no", "nothing in common to say",
            "custom address"),
    "ESP": ("ESP", "selector", "range", "narrowed", "agrees to", "PFS"),
    "IKE": ("IKE", "key", "Diffie-Hellman", "proposal", "opens", "address", "leads to", "no answer", "connection", "asks",
            "strongSwan knows no", "IPsec is not established", "not ready", "speaks"),
}  # fmt: skip


# --- the world --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Before:
    """Of the link before any change. numbers: of each tunnel, by AWS's outside address. names: where each leads."""

    numbers: Mapping[str, int]
    names: Mapping[str, frozenset[str]]


def names_of(link: Link, world: World) -> dict[str, frozenset[str]]:
    """Of the link's zone."""
    records = [r for z in world.aws.zones if z.name == link.dns.zone for r in z.records if r.type == "A"]
    return {r.name: frozenset(r.values) for r in records}


def of_world(link: Link, sandbox: Sandbox, before: Before) -> Side:
    context = sandbox.context
    with context.lock:
        world = context.world()
    tunnels = {before.numbers[str(t.aws.outside_ip)]: t for t in world.tunnels}
    down: dict[int, Layer] = {n: _layer(t) for n, t in tunnels.items() if not t.bgp}
    down |= {n: "routes" for n, t in tunnels.items() if t.bgp and not all(world.exchanged(t))}
    lost = frozenset(
        n for n, t in tunnels.items() if n not in down and t.connection and not renews(t.aws, t.connection)
    )
    whys = {t.why for t in world.tunnels if t.why}
    beyond: Beyond = ""
    if len(down) < len(tunnels):
        blocked = [*_unlearned(world), *_unreachable(link, world)]
        unnamed = _unnamed(link, sandbox, before)
        beyond = "packets" if blocked else "names" if unnamed else ""
        whys |= {*blocked[:1], *([unnamed] if unnamed else [])}
    return Side(down, lost, beyond, "; ".join(sorted(whys)))


def _layer(tunnel: Tunnel) -> Layer:
    return "BGP" if tunnel.ipsec else layer_of(tunnel.why)


def _cluster(link: Link, world: World) -> AksCluster:
    return next(c for c in world.azure.clusters if c.name == link.azure.aks_cluster)


def _targets(world: World) -> list[tuple[IPv4Address, Literal["tcp", "udp"], int]]:
    """Every address that answers something, and where it does."""
    found: list[tuple[IPv4Address, Literal["tcp", "udp"], int]] = []
    named = {v for z in world.aws.zones for r in z.records if r.type == "A" for v in r.values}
    for interface in world.aws.interfaces:
        if interface.kind == "resolver":
            found += [(interface.address, "udp", PORT), (interface.address, "tcp", PORT)]
        elif str(interface.address) in named:
            found += [(interface.address, "tcp", port) for port in sorted(interface.ports)]
    return found


def _unreachable(link: Link, world: World) -> list[str]:
    cluster = _cluster(link, world)
    source = world.source_of(cluster, cluster.node_addresses[0])
    reached = [world.reach(cluster, source, *target) for target in _targets(world)]
    return sorted({r.why for r in reached if r.outcome == "dropped"})


def _unlearned(world: World) -> list[str]:
    """Ranges of the VPC that Azure does not take."""
    learned = {n for t in world.tunnels if t.bgp for n in world.exchanged(t)[1]}
    ranges = {n for t in world.tunnels for v in t.aws.vpc_ids for n in world.aws.vpcs.get(v, ())}
    return [f"Azure does not take {n}" for n in sorted(ranges - learned)] if learned else []


def _unnamed(link: Link, sandbox: Sandbox, before: Before) -> str:
    """Why a name of the link does not lead where it led before, asked of CoreDNS as a pod does; empty: each does."""
    import dns.message
    import dns.rcode

    from cloudlink_sandbox.wire.routes import Route, Sender, ask

    cluster = sandbox.aks.by_name(link.azure.aks_cluster)
    with sandbox.context.lock:
        for host in link.dns.hosts:
            name = host.fqdn(link.dns.zone)
            question = dns.message.make_query(name.replace("*", "rehearsal"), "A")
            answered = ask(Sender(cluster), Route("delivered", to="cluster-dns"), question, "udp")
            found = {r.address for rrset in answered[0].answer for r in rrset if r.rdtype == 1} if answered else set()
            if not found:
                return f"{name}: {dns.rcode.to_text(answered[0].rcode()) if answered else 'no answer'}"
            if found != before.names[name]:
                return f"{name} leads to {', '.join(sorted(found))}"
    return ""


# --- status and verify-dns --------------------------------------------------------------------------------

PACKETS = ("routes-azure", "routes-aks", "routes-aws")
NAMES = ("endpoint", "zone", "records", "targets", "rules", "forward")


def of_status(status: str, names: str) -> Side:
    """What both commands print with ``--json``. names: empty, where no tunnel is up."""
    said = json.loads(status)
    tunnels = {int(t["address"].removeprefix("tunnel[").rstrip("]")) + 1: t for t in said["tunnels"]}
    down = {n: layer_of(t["why"]) for n, t in tunnels.items() if not t["up"]}
    lost = frozenset(n for n, t in tunnels.items() if t["up"] and "renewed" in t["concern"])
    whys = {t["why"] or t["concern"] for t in said["tunnels"]} - {""}
    beyond: Beyond = ""
    if len(down) < len(tunnels):
        failed = [c for c in said["checks"] if c["outcome"] == "failed"]
        asked = json.loads(names)["names"] if names else []
        verdicts = {n["verdict"] for n in asked} - {"ok"}
        # of CoreDNS's own silence it is not known whose it is
        silent = {
            h["result"]
            for n in asked
            for h in n["hops"]
            if n["verdict"] == "timeout" and not h["hop"].startswith("cluster-dns")
        }
        if "timeout" in silent or any(c["name"] in PACKETS for c in failed):
            beyond = "packets"
        elif any(c["name"] in NAMES for c in failed) or verdicts:
            beyond = "names"
        whys |= {c["detail"] for c in failed if c["name"] in (*PACKETS, *NAMES)}
        whys |= {n["cause"] for n in asked if n["verdict"] != "ok"}
    return Side(down, lost, beyond, "; ".join(sorted(whys)))


# --- the daemons ------------------------------------------------------------------------------------------


def of_daemons(report: Mapping[str, Any], before: Before) -> Side:
    numbers = before.numbers
    tunnels = {numbers[t["outside"]]: t for t in report["tunnels"]}
    of_name = {t["name"]: numbers[t["outside"]] for t in report["tunnels"]}
    down: dict[int, Layer] = {}
    whys = set()
    for number, tunnel in tunnels.items():
        if not tunnel["up"]:
            down[number] = layer_of(tunnel["why"])
            whys.add(tunnel["why"])
        elif not tunnel["bgp"]["up"]:
            down[number] = "BGP"
            whys.add(tunnel["bgp"]["why"])
        elif not tunnel["bgp"]["routes"] or not tunnel["bgp"]["learned"]:
            down[number] = "routes"
            whys.add(f"AWS took {tunnel['bgp']['routes']} prefixes, Azure {tunnel['bgp']['learned']}")
    bad = [r for r in report["renewals"] if not r["good"]]
    lost = frozenset(of_name[r["tunnel"]] for r in bad) - set(down)
    whys |= {f"asked by {r['side']} for {r['what']}: {r['why']}" for r in bad}
    beyond: Beyond = ""
    if len(down) < len(tunnels):
        lost_requests = [r for r in report["requests"] if not r["good"]]
        mute = [
            e for e in report["endpoints"] if not all(word.isupper() for word in e["by"].values())
        ]  # no code of DNS
        told = [t["bgp"] for t in report["tunnels"] if t["bgp"]["up"]]
        unlearned = any(0 < b["learned"] < b["announced"] for b in told)
        led = {n["name"]: frozenset(n["addresses"]) for n in report["names"]}
        unnamed = [n for n in before.names if led.get(n) != before.names[n]]
        beyond = "packets" if lost_requests or mute or unlearned else "names" if unnamed else ""
        whys |= {f"{r['target']}: {r['why']}" for r in lost_requests[:1]} | {n["why"] for n in mute[:1]}
        whys |= {f"{n} leads to {', '.join(led.get(n, ())) or 'nothing'}" for n in unnamed[:1]}
        whys |= {"Azure does not take all ranges"} if unlearned else set()
    return Side(down, lost, beyond, "; ".join(sorted(whys)))
