"""What the probe's script answers in the log of its pod, in frozen facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloudlink.clouds.malformed import parsing


@dataclass(frozen=True)
class Query:
    """One DNS question as it went."""

    via: str  # cluster or endpoint
    server: str
    protocol: str
    outcome: str  # answer, timeout, refused, reset or error (no answer then)
    rcode: int | None
    addresses: tuple[str, ...]
    aliases: tuple[str, ...]
    truncated: bool
    error: str
    ms: float | None


@dataclass(frozen=True)
class Handshake:
    outcome: str
    certificate: str  # base64 DER of the server's, not verified
    error: str
    ms: float | None


@dataclass(frozen=True)
class Connect:
    address: str
    port: int
    outcome: str
    error: str
    ms: float | None
    tls: Handshake | None


@dataclass(frozen=True)
class NameFacts:
    name: str
    queries: tuple[Query, ...]
    connects: tuple[Connect, ...]


@dataclass(frozen=True)
class WayFacts:
    """The way from the pod to one address of the endpoint."""

    server: str
    ms: tuple[float, ...]  # round trips of small packets that were answered
    packet: int | None  # octets of the largest that passes whole, up to 1500; None: none was answered
    told: int | None  # what the way says of itself (path MTU discovery)
    segment: int | None  # octets that TCP sends at once; None: no connection
    error: str


@dataclass(frozen=True)
class ProbeFacts:
    # servers and search: of the pod's resolver
    servers: tuple[str, ...]
    search: tuple[str, ...]
    names: tuple[NameFacts, ...]
    # the cluster's own name, which needs no link: it tells a pod that is shut off from a link that is down
    control: Query | None = None
    ways: tuple[WayFacts, ...] = ()  # where they were to be measured


@parsing("the probe's answers")
def probe_facts(log: str, mark: str) -> ProbeFacts | None:
    """The script's answer from a pod's log, in the line that begins with the mark; None when there is none."""
    for line in log.splitlines():
        if line.startswith(mark):
            return _facts(json.loads(line[len(mark) :]))
    return None


def _facts(raw: Mapping[str, Any]) -> ProbeFacts:
    return ProbeFacts(
        tuple(raw["servers"]),
        tuple(raw["search"]),
        tuple(
            NameFacts(n["name"], tuple(_query(q) for q in n["queries"]), tuple(_connect(c) for c in n["connects"]))
            for n in raw["names"]
        ),
        _query(raw["control"]) if raw.get("control") else None,
        tuple(_way(w) for w in raw.get("ways", ())),
    )


def _way(w: Mapping[str, Any]) -> WayFacts:
    return WayFacts(
        str(w["server"]), tuple(map(float, w["ms"])), w.get("packet"), w.get("told"), w.get("segment"), str(w["error"])
    )


def _query(q: Mapping[str, Any]) -> Query:
    return Query(
        via=q["via"],
        server=q["server"],
        protocol=q["protocol"],
        outcome=q["outcome"],
        rcode=q.get("rcode"),
        addresses=tuple(q.get("addresses", ())),
        aliases=tuple(q.get("aliases", ())),
        truncated=bool(q.get("truncated")),
        error=q["error"],
        ms=q.get("ms"),
    )


def _connect(c: Mapping[str, Any]) -> Connect:
    tls = c.get("tls")
    shake = Handshake(tls["outcome"], tls["certificate"], tls["error"], tls.get("ms")) if tls else None
    return Connect(c["address"], int(c["port"]), c["outcome"], c["error"], c.get("ms"), shake)


@dataclass(frozen=True)
class GapFacts:
    """What a pod that asked all the while has seen so far."""

    longest: float  # seconds in which one flow got no answer
    felt: int  # flows that lost a question
    flows: int
    seconds: float  # for which it has asked

    def times(self, speed: float) -> GapFacts:
        """In the time of a clock that runs faster than the pod's."""
        return replace(self, longest=self.longest * speed, seconds=self.seconds * speed)


@parsing("the probe's answers")
def gap_facts(log: str, mark: str) -> tuple[GapFacts, ...]:
    """Each line that begins with the mark and was written whole, oldest first."""
    lines = [
        line[len(mark) :] for line in log.splitlines(keepends=True) if line.startswith(mark) and line.endswith("\n")
    ]
    return tuple(
        GapFacts(float(f["longest"]), int(f["felt"]), int(f["flows"]), float(f["seconds"]))
        for f in map(json.loads, lines)
    )
