"""A paused link: what a pause takes away, what that saves, and what status says of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloudlink.checks.preflight import cost
from cloudlink.checks.report import Advice, Check, Health, Outcome, StatusReport
from cloudlink.core.plan import Action, Plan
from cloudlink.core.resource import Node, Observed, Ownership
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from cloudlink.steps.aws_vpn.routes import StaticRoutes
from cloudlink.steps.aws_vpn.transit import ATTACHMENT
from cloudlink.steps.dns_forward.pauses import Pause
from cloudlink.steps.paused import arising, taken

FORWARD = "dns_forward.forward"
RESUME, PAUSE = "cloudlink resume", "cloudlink pause"
HOURS_OF_WEEK = 168

_NOT_ASKED = (
    "tunnels",
    "bgp",
    "lasting",
    "transit",
    "routes-azure",
    "routes-aks",
    "routes-aws",
    "filters",
    "endpoint",
    "forward",
    "names-back",
)
"""Checks of what is not there while a link is paused."""

Found = Mapping[str, Observed[Any, Any] | None]


def others_routes(nodes: Iterable[Node[Any]]) -> tuple[str, ...]:
    """Routes of others that lead through the VPC's attachment to a transit gateway, which therefore stays."""
    return next((n.others() for n in nodes if isinstance(n, StaticRoutes)), ())


def attachment_goes(found: Found, others: Collection[str]) -> bool:
    """Whether a pause takes the VPC's attachment to a transit gateway away: cloudlink made it, and nothing of others' needs it."""
    attached = found.get(ATTACHMENT)
    return not others and (attached is None or attached.owned is Ownership.OWNED)


def obstacle(plan: Plan, link: Link, pause: Pause) -> Finding:
    """Why ``up`` does not go on. It counts what status and resume count: objects that are gone."""
    gone = sum(c.action is Action.CREATE for c in plan.changes)
    return Finding(
        "names",
        Severity.OBSTACLE,
        "The link is paused",
        f"The link {link.name} is paused. {RESUME} {_to_come(gone)}; up leaves that to it, so that nothing that "
        f"runs by itself ends a pause. Meanwhile {pause.said}.",
        RESUME,
        resource=FORWARD,
        instead=True,
    )


# --- what it saves ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Saving:
    """USD a month; None: no price is known for one of the clouds."""

    whole: float | None  # of the link that is never paused
    paused: float | None  # of one that is always paused
    hours: float  # of a day on which it is used
    days: int  # of a week on which it is used

    @property
    def saved(self) -> float | None:
        if self.whole is None or self.paused is None:
            return None
        return (self.whole - self.paused) * (1 - self.hours * self.days / HOURS_OF_WEEK)

    @property
    def sentence(self) -> str:
        if self.whole is None or self.paused is None or self.saved is None:
            return "The link costs less while it is paused; how much is not known, because there is no price for this cloud."
        return (
            f"The link costs about {usd(self.whole)} USD a month, and about {usd(self.paused)} while it is paused. Used "
            f"{self.hours:g} hours a day on {self.days} day{'s' * (self.days != 1)} a week and paused at all other times, "
            f"it saves about {usd(self.saved)} USD a month."
        )


def usd(price: float) -> str:
    """Small amounts with cents: a hosted zone that is left is not nothing."""
    return f"{price:,.0f}" if price >= 10 else f"{price:.2f}"


def saving(
    link: Link,
    addresses: Collection[str],
    found: Found,
    pause: Pause,
    *,
    deep: bool,
    attachment: bool = False,
    hours: float,
    days: int,
) -> Saving:
    """Of what cloudlink made, at list prices; what is adopted costs its owner, with the link or without it. addresses: of
    all resources of the link. attachment: as in ``taken``."""
    going = frozenset(taken(addresses, deep=deep, attachment=attachment))
    own = [a for a, seen in found.items() if a in going or (seen is not None and seen.owned is Ownership.OWNED)]
    whole = cost.of_existing(own, link, len(pause.addresses))
    return Saving(whole, cost.of_existing([a for a in own if a not in going], link), hours, days)


def finding(made: Saving) -> Finding:
    return Finding("cost", Severity.WARNING, "What the pause saves", made.sentence)


# --- status -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LastRun:
    """What the state knows of who was at work last."""

    command: str = ""  # empty: not known
    deep: bool = False  # the pause was to take Azure's gateway as well


def status(
    made: StatusReport,
    pause: Pause,
    addresses: Collection[str],
    found: Found,
    link: Link,
    last: LastRun,
    *,
    attachment: bool = False,
) -> tuple[StatusReport, bool]:
    """Of a paused link, and whether its pause or its resumption has not ended. addresses: of all its resources. attachment: as in
    ``taken``."""
    going = taken(addresses, deep=last.deep, attachment=attachment)
    there = [a for a in going if found.get(a) is not None]
    gone = [a for a in addresses if found.get(a) is None]
    now_a_month = cost.of_existing([a for a in addresses if (f := found.get(a)) and f.owned is Ownership.OWNED], link)
    if there:
        said = "The link is paused, but a pause or a resume has not ended."
        which = last.command if last.command in (PAUSE, RESUME) else "It"
        cause = f"{which} was interrupted: {len(there)} of the {len(going)} objects that a pause removes are there."
    else:
        said = "The link is paused."
        cause = f"It was paused on purpose: {pause.said}" + (", and no tunnel is there." if link.makes_vpn else ".")
    effect = _to_come(len(gone))
    costs = "Safe to wait, but what is kept costs money; no price is known for this cloud."
    if now_a_month is not None:
        costs = f"Safe to wait: what is kept costs about {usd(now_a_month)} USD a month."
    told = Advice(cause, command=RESUME, effect=effect, waiting=costs)
    if there and last.command == PAUSE:
        on = f"{PAUSE} --deep" if last.deep else PAUSE
        told = replace(
            told, command=on, effect=f"removes {_objects(len(there))}; {RESUME} brings the link back instead"
        )
    elif there:
        told = replace(told, effect=f"makes {_objects(len(gone))} again; {PAUSE} removes what is there instead")
    absent = {*taken(addresses, deep=True, attachment=attachment), *arising(addresses), FORWARD}
    report = replace(
        made,
        health=Health.PAUSED,
        verdict=said,
        headline=said,
        since=pause.since or None,
        path=(),
        checks=tuple(_check(c) for c in made.checks),
        tunnels=tuple(replace(t, fix="") for t in made.tunnels) if there else (),
        route_tables=made.route_tables if there else (),
        drift=tuple(d for d in made.drift if d.address not in absent),
        advice=told,
        next=(told.command,),
    )
    return report, bool(there)


def _to_come(gone: int) -> str:
    return f"makes {_objects(gone)} again" if gone else "lets CoreDNS forward the zone again"


def _objects(count: int) -> str:
    return f"{count} object{'s' * (count != 1)}"


def _check(check: Check) -> Check:
    if check.name in _NOT_ASKED:
        return replace(check, outcome=Outcome.SKIPPED, detail="the link is paused", fix="")
    return check
