"""What the probe's script is asked, and what it answers: its own JSON, from the log of a pod."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from cloudlink.checks.names.script import MARK
from cloudlink.clouds.kube.parse_probe import Connect, Handshake, NameFacts, ProbeFacts, Query, WayFacts, probe_facts

__all__ = ["Connect", "Handshake", "NameFacts", "ProbeFacts", "Query", "Question", "WayFacts", "parse", "request"]

ASKING_SECONDS = 90  # of the script: what is not asked by then is said to be not asked


@dataclass(frozen=True)
class Question:
    """One name to ask for."""

    name: str  # no trailing dot
    connect: tuple[IPv4Address, ...] = ()  # addresses to connect to in addition to those in the answers
    ports: tuple[int, ...] = ()
    tls_ports: tuple[int, ...] = ()


def request(
    questions: Iterable[Question], endpoints: Iterable[IPv4Address], *, measure: bool = False
) -> dict[str, Any]:
    """What the script is asked, as JSON-able data."""
    return {
        "names": [
            {
                "name": q.name,
                "connect": [str(a) for a in q.connect],
                "ports": sorted({*q.ports, *q.tls_ports}),
                "tls": list(q.tls_ports),
            }
            for q in questions
        ],
        "endpoints": [str(e) for e in endpoints],
        "timeout": 2,
        "tries": 2,
        "deadline": ASKING_SECONDS,
        "measure": measure,
    }


def parse(log: str) -> ProbeFacts | None:
    """The script's answer from a pod's log; None when there is none."""
    return probe_facts(log, MARK)
