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
    unknown: what was seen is well, but not all that matters could be read.
    """

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    NO_REDUNDANCY = "no redundancy"
    DOWN = "down"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Outcome(enum.StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    WARNING = "warning"
    SKIPPED = "skipped"
    UNSEEN = "not seen"  # what it looks at could not be read


@dataclass(frozen=True)
class AwsTunnelView:
    connection: str
    outside_ip: str
    state: str  # UP or DOWN
    message: str
    routes: int  # accepted from Azure
    since: float | None  # seconds since the epoch


@dataclass(frozen=True)
class AzureTunnelView:
    connection: str
    status: str  # Azure's word: Connected, NotConnected, ...
    ingress: int  # bytes since the connection was created
    egress: int


@dataclass(frozen=True)
class BgpView:
    """The session between the expected pair of inside addresses."""

    local: str
    neighbor: str
    state: str  # Azure's word, or ``absent``
    routes: int
    seconds: float | None


@dataclass(frozen=True)
class TunnelStatus:
    """One of the four expected tunnels, matched by inside address and outside IP."""

    address: str  # ``tunnel[0]`` to ``tunnel[3]``
    inside: str
    instance: int
    aws: AwsTunnelView | None
    azure: AzureTunnelView | None
    bgp: BgpView | None
    up: bool
    why: str = ""  # the likely cause when it is not up
    fix: str = ""  # what to do
    concern: str = ""  # what will take it down, although it is up

    @property
    def name(self) -> str:
        """``tunnel[0]`` is ``tunnel 1`` to people."""
        match = re.fullmatch(r"tunnel\[(\d+)\]", self.address)
        return f"tunnel {int(match[1]) + 1}" if match else self.address


@dataclass(frozen=True)
class Check:
    """One check of status."""

    name: str  # stable, for programs
    title: str  # for people
    outcome: Outcome
    detail: str = ""
    fix: str = ""


@dataclass(frozen=True)
class RouteTableStatus:
    """One AWS route table."""

    id: str
    propagating: bool
    routes: tuple[str, ...]  # prefixes of the VNet that are in it by propagation
    missing: tuple[str, ...]  # those that are not


@dataclass(frozen=True)
class EndpointStatus:
    id: str
    state: str
    addresses: tuple[tuple[str, str, str], ...]  # (address, subnet, state)


@dataclass(frozen=True)
class Drift:
    """What is not as configured."""

    address: str
    title: str
    what: str
    by_hand: bool = True  # somebody changed it; else an up or a teardown has not done it yet


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
    """One thing asked from the pod."""

    hop: str  # ``cluster-dns``, ``endpoint 10.10.1.4 udp``, ``connect 10.10.2.9:443``
    result: HopResult
    detail: str = ""
    ms: float | None = None


@dataclass(frozen=True)
class NameReport:
    name: str
    answers: tuple[str, ...]
    verdict: str  # ``ok``, or the class of the first hop that is wrong
    hops: tuple[Hop, ...]
    # cause and fix: for people
    cause: str = ""
    fix: str = ""


@dataclass(frozen=True)
class DnsReport:
    link: str
    health: Health
    names: tuple[NameReport, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Left:
    """Something that a teardown leaves although it may be cloudlink's."""

    address: str
    id: str
    why: str
    hint: str  # commands to type
    asked: bool = False  # the user said that it may stay


@dataclass(frozen=True)
class TeardownReport:
    """Each (address, title, detail)."""

    link: str
    deleted: tuple[tuple[str, str, str], ...] = ()
    restored: tuple[tuple[str, str, str], ...] = ()
    kept: tuple[tuple[str, str, str], ...] = ()
    leftovers: tuple[tuple[str, str, str], ...] = field(default=())
    left: tuple[Left, ...] = ()  # among the kept: what the user may have to see to

    @property
    def complete(self) -> bool:
        """Whether all that cloudlink made is gone, but for what was to stay."""
        return not self.leftovers and all(item.asked for item in self.left)
