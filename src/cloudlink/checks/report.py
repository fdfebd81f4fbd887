"""What status and verify-dns found, as plain data: the screen, the JSON and the exit code are made from it."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import Literal


class Health(enum.StrEnum):
    """One verdict on the whole link.

    degraded: each Azure instance has a tunnel up, but fewer than four are, or something beside the tunnels is wrong.
    no redundancy: tunnels are up on one Azure instance only. absent: cloudlink made nothing, or took it down.
    """

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    NO_REDUNDANCY = "no redundancy"
    DOWN = "down"
    ABSENT = "absent"


class Outcome(enum.StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    WARNING = "warning"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class AwsTunnelView:
    """state: UP or DOWN. since: seconds since the epoch. routes: accepted from Azure."""

    connection: str
    outside_ip: str
    state: str
    message: str
    routes: int
    since: float | None


@dataclass(frozen=True)
class AzureTunnelView:
    """status: Azure's word (Connected, NotConnected, ...). Octets since the connection was made."""

    connection: str
    status: str
    ingress: int
    egress: int


@dataclass(frozen=True)
class BgpView:
    """The session between the expected pair of inside addresses. state: Azure's word, or ``absent``."""

    local: str
    neighbor: str
    state: str
    routes: int
    seconds: float | None


@dataclass(frozen=True)
class TunnelStatus:
    """One of the four expected tunnels, matched by inside address and outside IP.

    address: ``tunnel[0]`` to ``tunnel[3]``. why: the likely cause when it is not up; fix: what to do.
    """

    address: str
    inside: str
    instance: int
    aws: AwsTunnelView | None
    azure: AzureTunnelView | None
    bgp: BgpView | None
    up: bool
    why: str = ""
    fix: str = ""

    @property
    def name(self) -> str:
        """``tunnel[0]`` is ``tunnel 1`` to people."""
        match = re.fullmatch(r"tunnel\[(\d+)\]", self.address)
        return f"tunnel {int(match[1]) + 1}" if match else self.address


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. name: stable, for programs; title: for people."""

    name: str
    title: str
    outcome: Outcome
    detail: str = ""
    fix: str = ""


@dataclass(frozen=True)
class RouteTableStatus:
    """One AWS route table. routes: prefixes of the VNet that are in it by propagation; missing: those that are not."""

    id: str
    propagating: bool
    routes: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class EndpointStatus:
    id: str
    state: str
    addresses: tuple[tuple[str, str, str], ...]  # (address, subnet, state)


@dataclass(frozen=True)
class Drift:
    """What is not as configured. by_hand: somebody changed it; else an up or a teardown has not done it yet."""

    address: str
    title: str
    what: str
    by_hand: bool = True


@dataclass(frozen=True)
class StatusReport:
    """Everything that ``cloudlink status`` shows."""

    link: str
    health: Health
    verdict: str  # one sentence
    tunnels: tuple[TunnelStatus, ...]
    route_tables: tuple[RouteTableStatus, ...] = ()
    learned: tuple[str, ...] = ()  # VPC prefixes that Azure has learned
    endpoint: EndpointStatus | None = None
    zone: str = ""
    records: tuple[tuple[str, str, str], ...] = ()  # (name, kind, target)
    forward: str = ""  # one line on the CoreDNS key
    checks: tuple[Check, ...] = ()
    drift: tuple[Drift, ...] = ()
    next: tuple[str, ...] = ()  # commands to type


HopResult = Literal[
    "ok",
    "timeout",
    "refused",
    "nxdomain",
    "nodata",
    "servfail",
    "public-address",
    "stale-address",
    "reset",
    "error",
    "skipped",
]


@dataclass(frozen=True)
class Hop:
    """One thing asked from the pod. hop: ``cluster-dns``, ``endpoint 10.10.1.4 udp``, ``connect 10.10.2.9:443`` ..."""

    hop: str
    result: HopResult
    detail: str = ""
    ms: float | None = None


@dataclass(frozen=True)
class NameReport:
    """verdict: ``ok``, or the class of the first hop that is wrong. cause and fix: for people."""

    name: str
    answers: tuple[str, ...]
    verdict: str
    hops: tuple[Hop, ...]
    cause: str = ""
    fix: str = ""


@dataclass(frozen=True)
class DnsReport:
    link: str
    health: Health
    names: tuple[NameReport, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TeardownReport:
    """Each (address, title, detail)."""

    link: str
    deleted: tuple[tuple[str, str, str], ...] = ()
    restored: tuple[tuple[str, str, str], ...] = ()
    kept: tuple[tuple[str, str, str], ...] = ()
    leftovers: tuple[tuple[str, str, str], ...] = field(default=())
