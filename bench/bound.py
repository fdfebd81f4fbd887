"""How long a first ``up`` has to take: the longest chain through the graph, of the durations that the clouds drew.

The graph is the one that ``up --json`` reports (what each resource needs); the durations are the sandbox's. No order of
work, and no faster client, can beat it: API calls, polling and starting up count as nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# What takes the clouds time when it is created: address without its index -> the sandbox's kind of duration.
KINDS = {
    "aws_vpn.attachment": "aws.vgw.attach",
    "aws_vpn.customer_gateway": "aws.cgw",
    "aws_vpn.connection": "aws.vpn.create",
    "azure_vpn.gateway_subnet": "azure.subnet",
    "azure_vpn.public_ip": "azure.publicip",
    "azure_vpn.gateway": "azure.vng.create",
    "azure_vpn.local_gateway": "azure.lng",
    "azure_vpn.connection": "azure.connection.create",
    "resolver.endpoint": "aws.resolver.create",
    "resolver.zone": "aws.route53.change",
    "resolver.records": "aws.route53.change",
}
CONNECTION = "azure_vpn.connection"  # Azure makes one connection of a gateway after another
FORWARD = "dns_forward.forward"  # ends when CoreDNS's new pods have started


@dataclass(frozen=True)
class Bound:
    """seconds: the clouds' time. chain: (address, seconds) from the first to the last."""

    seconds: float
    chain: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        return " -> ".join(f"{address} {seconds:.0f}" for address, seconds in self.chain)


def bound(events: str, samples: Iterable[Mapping[str, Any]]) -> Bound:
    """events: what ``up --json`` printed. samples: the sandbox's answer to ``GET /durations``."""
    lines = [json.loads(line) for line in events.splitlines() if line.startswith("{")]
    needs = {e["address"]: tuple(e["needs"]) for e in lines if e["type"] == "queued"}
    ids = {e["address"]: str(e["id"]) for e in lines if e["type"] == "done"}
    seconds = {(str(d["kind"]), str(d["key"])): float(d["seconds"]) for d in samples}
    takes = {address: _takes(address, ids.get(address, ""), seconds) for address in needs}

    best: dict[str, tuple[float, tuple[str, ...]]] = {}

    def ends(address: str) -> tuple[float, tuple[str, ...]]:
        if address not in best:
            before = max((ends(n) for n in needs.get(address, ()) if n in needs), default=(0.0, ()))
            best[address] = before[0] + takes[address], (*before[1], address)
        return best[address]

    connections = sorted(a for a in needs if a.partition("[")[0] == CONNECTION)
    if connections:
        # they share what they wait for in the end, the gateway; the first may begin when the earliest can
        first = min(connections, key=lambda a: ends(a)[0] - takes[a])
        begin, chain = ends(first)[0] - takes[first], ends(first)[1][:-1]
        together = begin + sum(takes[a] for a in connections)
        for a in connections:  # whoever needs all of them waits for the last
            best[a] = together, (*chain, *connections)
        for address in [a for a in best if a not in connections]:
            if connections[0] in best[address][1]:
                del best[address]
    longest, chain = max(ends(a) for a in needs)
    return Bound(longest, tuple((a, takes[a]) for a in chain))


def _takes(address: str, id_: str, seconds: Mapping[tuple[str, str], float]) -> float:
    if address == FORWARD:
        pods = [(pod.rpartition("-")[0], s) for (kind, pod), s in seconds.items() if kind == "kube.pod.start"]
        return max((s for replica_set, s in pods if replica_set == pods[-1][0]), default=0.0)
    kind = KINDS.get(address.partition("[")[0])
    if kind is None:
        return 0.0
    if (kind, id_.lower()) in seconds:
        return seconds[kind, id_.lower()]
    # AWS draws by what it was asked for, not by the id it gave; the shortest of a kind keeps this a lower bound
    return min((s for (k, _), s in seconds.items() if k == kind), default=0.0)
