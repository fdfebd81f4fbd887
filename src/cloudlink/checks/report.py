"""What status and verify-dns found, as plain data: the screen, the JSON and the exit code are made from it."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from cloudlink.checks.health import Health as Health  # noqa: PLC0414 - the verdict of its reports
from cloudlink.core.also_learned import AlsoLearned


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
    """One of the expected tunnels, matched by inside address and outside IP."""

    address: str  # ``tunnel[0]`` to ``tunnel[3]``
    inside: str
    instance: int
    aws: AwsTunnelView | None
    azure: AzureTunnelView | None
    bgp: BgpView | None
    up: bool
    why: str = ""  # the likely cause when it is not up
    fix: str = ""  # what to do
    # What sort of cause: ``repair`` (the configurations differ), ``changing`` (a cloud is at it), ``silent`` (alike, but no
    # IPsec), ``session`` (IPsec, but no BGP), ``hidden`` (not all could be compared), ``person``; empty: it is up.
    kind: str = ""
    concern: str = ""  # what will take it down, although it is up
    evidence: str = ""  # what AWS's end wrote last of why it is not up, where its log is on and may be read
    evidence_at: float | None = None  # seconds since the epoch
    # the same of Azure's gateway, where its logs go to a workspace
    azure_evidence: str = ""
    azure_evidence_at: float | None = None
    key_changed: float | None = None  # when its key was made, seconds since the epoch; None: not known

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


# Stable name of each check (for programs), and its title (for people), in the order in which they are shown.
CHECKS = {
    "tunnels": "Four tunnels are up",
    "bgp": "Four BGP sessions carry routes",
    "lasting": "The tunnels will stay up",
    "transit": "The transit gateway leads both ways",
    "routes-azure": "Azure has learned the VPC's ranges",
    "routes-aks": "The cluster's packets find the gateway",
    "routes-aws": "AWS's route tables lead to the VNet",
    "filters": "No packet filter drops what the link carries",
    "endpoint": "The inbound endpoint works",
    "zone": "The zone belongs to the VPC",
    "records": "Every configured name has a record",
    "targets": "What the names point at exists",
    "rules": "No Resolver rule takes the zone away",
    "forward": "CoreDNS forwards the zone",
    "names-back": "The VPC asks Azure for its zones",
}


_FORWARD_BY_VNET = "The VNet forwards the zone"


def titled(checks: Iterable[Check], *, by_vnet: bool) -> tuple[Check, ...]:
    """by_vnet: the VNet's own resolver forwards the zones, and not CoreDNS."""
    return tuple(replace(c, title=_FORWARD_BY_VNET) if by_vnet and c.name == "forward" else c for c in checks)


def check(name: str, outcome: Outcome, detail: str, fix: str = "") -> Check:
    return Check(name, CHECKS[name], outcome, detail, fix)


@dataclass(frozen=True)
class RouteTableStatus:
    """One AWS route table."""

    id: str
    propagating: bool | None  # None: a transit gateway propagates nothing into it, and static routes lead there
    routes: tuple[str, ...]  # prefixes of the VNet that are in it by propagation, or by these static routes
    missing: tuple[str, ...]  # those that are not
    static: tuple[
        str, ...
    ] = ()  # prefixes of the VNet that somebody's own routes to a virtual private gateway lead to it

    @property
    def well(self) -> bool:
        """Whether all is in it. Static routes alone do as well: then nothing was learned, and nothing is missing."""
        return not self.missing and (self.propagating is not False or not self.routes)


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
    who: str = ""  # who that was, where a cloud tells
    seconds: float = 0.0  # that an ``up`` usually takes for it


@dataclass(frozen=True)
class Stage:
    """A piece of the path from AKS to the names, and whether it lets pass."""

    name: str
    outcome: Outcome  # skipped: what lies before it lets nothing pass


@dataclass(frozen=True)
class Advice:
    """What to make of it all: one cause and one thing to do."""

    cause: str  # one or two sentences; empty: nothing is wrong
    tunnels: tuple[str, ...] = ()  # those that are down because of it
    consequences: tuple[str, ...] = ()  # titles of checks that fail because of it
    others: tuple[str, ...] = ()  # what else is wrong
    command: str = ""  # to type next; empty: there is none
    effect: str = ""  # of the command
    task: str = ""  # what a person has to do, where no command is enough
    waiting: str = ""  # whether waiting is safe


@dataclass(frozen=True)
class ClusterForward:
    """CoreDNS of one of several AKS clusters."""

    name: str
    forward: str  # one line on its key
    problem: str  # what is wrong with it, or empty
    unread: str  # why it is not known; empty: it is


@dataclass(frozen=True)
class NamesAsked:
    """How all names did when they were last asked from a pod, by ``verify-dns``, ``up`` or ``test``."""

    asked_at: float  # seconds since the epoch, in the clouds' time
    good: int  # resolved and reached
    asked: int
    wrong: tuple[str, ...] = ()  # the others


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
    records: tuple[tuple[str, str, str], ...] = ()  # ours: (name, kind, target)
    other_records: int = 0  # others' in the zone
    forward: str = ""  # one line on the CoreDNS key
    checks: tuple[Check, ...] = ()
    drift: tuple[Drift, ...] = ()
    next: tuple[str, ...] = ()  # commands to type
    headline: str = ""  # the verdict on the tunnels alone
    since: float | None = None  # seconds since the epoch: when the tunnels became so; None: not known
    path: tuple[Stage, ...] = ()
    advice: Advice = Advice("")
    also_learned: tuple[AlsoLearned, ...] = ()  # what each side has learned beyond what the link is for: no error
    also_unseen: str = ""  # why not all of it, or whose it is, could be read
    transport: str = "vpn"  # existing: somebody else has joined the networks, and there are no tunnels of ours
    clusters: tuple[ClusterForward, ...] = ()  # of several AKS clusters each
    names_asked: NamesAsked | None = None  # None: never, as far as is kept here

    @property
    def well(self) -> bool:
        """Whether nothing is wrong that could be put right: healthy, or without redundancy because Azure's gateway, which
        cloudlink does not switch, has one instance."""
        if self.health is not Health.NO_REDUNDANCY:
            return self.health is Health.HEALTHY
        return self._one_instance and not any(
            c.outcome in (Outcome.FAILED, Outcome.UNSEEN) and c.name != "bgp" for c in self.checks
        )

    @property
    def well_as_seen(self) -> bool:
        """Whether nothing is wrong with what could be read: what could not may be."""
        if self.health is Health.NO_REDUNDANCY:
            return self._one_instance and not any(c.outcome is Outcome.FAILED and c.name != "bgp" for c in self.checks)
        return self.health in (Health.HEALTHY, Health.UNKNOWN)

    @property
    def _one_instance(self) -> bool:
        """Whether the gateway has one instance, whose tunnels are all up without a concern."""
        return len({t.instance for t in self.tunnels}) == 1 and all(t.up and not t.concern for t in self.tunnels)


HopResult = Literal[
    "ok",
    "timeout",
    "refused",
    "nxdomain",
    "nodata",
    "servfail",
    "public-address",
    "link-local-address",
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
    cluster: str = ""  # on whose pod it was asked, where there are several AKS clusters


@dataclass(frozen=True)
class WayStatus:
    """The way from a pod to one address of the endpoint, as it was measured there."""

    address: str
    ms: float | None  # the quickest round trip; None: nothing was answered
    packet: int | None  # octets of the largest packet that passes whole, up to 1500
    told: int | None  # what the way says of itself (path MTU discovery)
    segment: int | None  # octets that TCP sends at once
    error: str = ""
    cluster: str = ""  # on whose pod it was measured, where there are several AKS clusters


@dataclass(frozen=True)
class DnsReport:
    link: str
    health: Health
    names: tuple[NameReport, ...]
    notes: tuple[str, ...] = ()
    advice: Advice = Advice("")
    ways: tuple[WayStatus, ...] = ()  # measured by ``cloudlink test``
    unproved: tuple[str, ...] = ()  # what names that are ``ok`` leave open; sentences for people


@dataclass(frozen=True)
class PauseReport:
    """What a pause did. Prices are in USD a month."""

    link: str
    since: float  # seconds since the epoch
    answer: str  # what names get meanwhile: servfail, nxdomain, public or an address
    names: str  # the same for people
    deleted: tuple[tuple[str, str, str], ...]
    kept: tuple[tuple[str, str, str], ...]  # what it did not make, and so leaves
    endpoint: tuple[tuple[str, str], ...]  # (subnet, address), of the endpoint before, and again after
    monthly: float | None  # of the link that is never paused; None: no price is known for one of the clouds
    monthly_paused: float | None
    # hours of a day and days of a week on which the link is used, and what is saved then
    hours: float
    days: int
    saved: float | None


@dataclass(frozen=True)
class Left:
    """Something that a teardown leaves although it may be cloudlink's."""

    address: str
    id: str
    why: str
    hint: str  # commands to type
    asked: bool = False  # it is to stay: the user said so, or its tags say that it is somebody else's


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
