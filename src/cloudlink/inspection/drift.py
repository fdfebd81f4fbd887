"""What differs from the configuration, in words, and how long an ``up`` takes for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cloudlink.checks import (
    status,
)
from cloudlink.core.plan import Action, Change, FieldChange
from cloudlink.core.resource import Observed, Phase, Timing
from cloudlink.link import Link


def still_made(found: Mapping[str, Observed[Any, Any] | None], usual: Mapping[str, Timing]) -> float:
    """Seconds that an ``up`` usually waits for what a cloud is making already, before it makes the rest."""
    at_work = (a for a, seen in found.items() if seen is not None and seen.phase is Phase.CREATING)
    return max((usual[a].create for a in at_work if a in usual), default=0.0)


def seconds(action: Action, usual: Timing | None) -> float:
    if usual is None:
        return 0.0
    took = {Action.CREATE: usual.create, Action.UPDATE: usual.update, Action.DELETE: usual.delete}
    return took.get(action, usual.delete + usual.create)


def numbered(link: Link, address: str, what: str) -> str:
    """A VPN connection counts its own two tunnels, by their inside ranges; people count those of the link."""
    found = re.fullmatch(r"aws_vpn\.connection\[(\d+)\]", address)
    if found is None:
        return what
    own = sorted((t for t in link.tunnels if t.vpn == int(found[1])), key=lambda t: t.inside)
    numbers = {str(n): str(t.index + 1) for n, t in enumerate(own, 1)}
    return re.sub(r"\btunnel (\d)(?=:)", lambda m: f"tunnel {numbers.get(m[1], m[1])}", what)


def what_differs(change: Change) -> str:
    if change.action is Action.CREATE and not change.drift:
        return status.NEVER_MADE
    return "; ".join(_difference(f) for f in change.fields) or change.why.removeprefix("drift: ")


def _difference(change: FieldChange) -> str:
    """One line for people; of secrets only that they differ."""
    name = change.field.replace("_", " ")
    said = f"{name} differs" if change.old == change.new else f"{name}: {change.old}, wanted {change.new}"
    return f"{said} ({change.reason})" if change.reason else said
