"""Commands that were interrupted: how far each got, and the way on. Pure.

``rotate-keys``, ``logs`` and ``test --failover`` leave marks on AWS's VPN connections, ``pause`` and ``resume`` leave them in
CoreDNS's key and in the state. A way on is told only where the command would go on: what it would refuse, such as another tunnel
that is down, comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cloudlink.checks.marks import (
    COMES_UP_WITHIN,
    GOES_ON_WITHIN,
    LOGS_RUN_TAG,
    WATCHED_FOR,
    Mark,
    Stage,
    failover_tag_of,
    logs_tag_of,
    mark_in,
    rotation_in,
    tag_of,
)
from cloudlink.checks.report import Advice, Drift, Health, StatusReport, TunnelStatus
from cloudlink.checks.tunnel_ends import AwsFacts, AzureFacts, ends_of
from cloudlink.link import Link, Tunnel, all_of

ROTATE, LOGS, TEST, PAUSE = "cloudlink rotate-keys", "cloudlink logs", "cloudlink test --failover", "cloudlink pause"
_WAIT, _WAIT_LONG = "cloudlink status --wait 10m", "cloudlink status --wait 30m"
_NO_EFFECT = "changes nothing; ends as soon as the link is healthy"
_MINUTES_FOR_ONE = 5
_COMES_BACK = 1200.0  # seconds after which a tunnel that was disturbed is down for another reason
_AWS_READY, _AZURE_READY = "available", "Succeeded"


@dataclass(frozen=True)
class Left:
    """What an interrupted command left."""

    said: str  # how far it got
    command: str  # the way on
    effect: str
    tunnels: tuple[int, ...] = ()  # that may be down because of it
    hurry: bool = False  # a tunnel is up with keys that differ


@dataclass(frozen=True)
class _Now:
    """One tunnel."""

    tunnel: Tunnel
    status: TunnelStatus
    tags: dict[str, str]
    up: bool
    busy: bool  # AWS is at work on its connection
    keys_differ: bool
    since: float | None
    logs: tuple[str, str]  # ARNs of the groups of both logs

    @property
    def number(self) -> int:
        return self.tunnel.index + 1

    @property
    def settled(self) -> bool:
        return self.up and not self.busy

    def mark(self, key: Callable[[Tunnel], str]) -> Mark | None:
        return mark_in(self.tags, key(self.tunnel))


def of_tunnels(
    link: Link, statuses: Sequence[TunnelStatus], aws: AwsFacts, azure: AzureFacts, now: float
) -> Left | None:
    """What was left of a command that works on tunnels; None: nothing. now: in the clouds' time."""
    if aws.unseen or azure.unseen or not statuses:
        return None
    found = []
    for tunnel, status in zip(link.tunnels, statuses, strict=True):
        ends = ends_of(link, tunnel, aws, azure)
        if ends.vpn is None or ends.option is None or ends.connection is None or ends.vpn.link != link.name:
            return None  # a link that is not complete has other troubles
        keys = ends.option.key, ends.connection.key
        found.append(
            _Now(
                tunnel,
                status,
                dict(ends.vpn.tags),
                status.up and ends.connection.state == _AZURE_READY,
                ends.vpn.state != _AWS_READY,
                None not in keys and keys[0] != keys[1],
                ends.option.since,
                (ends.option.ike_log, ends.option.bgp_log),
            )
        )
    return _rotation(found, now) or _logs(found, now) or _failover(found, now)


# --- keys -------------------------------------------------------------------------------------------------


def _rotation(found: Sequence[_Now], now: float) -> Left | None:
    marks = {n.number: n.mark(tag_of) for n in found}
    run = rotation_in(found[0].tags, marks, now)
    half = [n for n in found if _changing(n, marks[n.number], now)]
    coming = [n for n in found if _coming(n, marks[n.number], now)]
    if run is None:
        if half:
            command = ROTATE + "".join(f" --tunnel {n.number}" for n in half)
            said = f"{ROTATE} was interrupted: {_half(half[0])}"
            return Left(said, command, _finishes(half, (), ()), _which(half), any(n.keys_differ and n.up for n in half))
        if coming:
            said = f"{ROTATE} was interrupted: both clouds have the new key of {_tunnels(_which(coming))}, which comes up by itself."
            return Left(said, _WAIT, _NO_EFFECT, _which(coming))
        return None
    chosen = run.tunnels or tuple(marks)
    done = [
        n for n in chosen if (m := marks[n]) and m.stage is Stage.CHANGED and m.at >= run.at and n not in _which(coming)
    ]
    rest = tuple(n for n in chosen if n not in done and n not in _which([*half, *coming]))
    said = f"{ROTATE} was interrupted: {len(done)} of {len(chosen)} keys are changed"
    said += f", and {_half(half[0])}" if half else "."
    if coming and not half:
        said = said.rstrip(".") + f", and {_tunnels(_which(coming))} is still coming up with a new key."
    down = [*half, *coming]
    return Left(said, ROTATE, _finishes(half, coming, rest), _which(down), any(n.keys_differ and n.up for n in half))


def _changing(now: _Now, mark: Mark | None, at: float) -> bool:
    if mark is None or mark.stage is not Stage.CHANGING:
        return False
    return at - mark.at < GOES_ON_WITHIN or now.keys_differ


def _coming(now: _Now, mark: Mark | None, at: float) -> bool:
    """Unless another command has taken the tunnel down since."""
    if mark is None or mark.stage is not Stage.CHANGED or at - mark.at >= COMES_UP_WITHIN or now.up:
        return False
    later = (now.mark(logs_tag_of), now.mark(failover_tag_of))
    return not any(m is not None and m.at > mark.at for m in later)


def _half(now: _Now) -> str:
    if now.keys_differ:
        return f"AWS has the new key of tunnel {now.number}, and Azure has not."
    if now.busy:
        return f"AWS is at work on tunnel {now.number}; Azure may not have its new key yet."
    return f"whether tunnel {now.number} got its new key is not known; both clouds have the same one."


def _finishes(half: Sequence[_Now], coming: Sequence[_Now], rest: Sequence[int]) -> str:
    begun = [n for n in half if n.keys_differ or n.busy]
    parts = [f"finishes {_tunnels(_which(begun))}"] if begun else []
    parts += [f"waits for {_tunnels(_which(coming))}"] if coming else []
    again = sorted({*rest, *_which([n for n in half if n not in begun])})
    if again:
        parts.append(f"{'then ' if parts else ''}changes the key{'s' * (len(again) > 1)} of {_tunnels(again)}")
    return f"{', '.join(parts)}; {_one_by_one(len(half) + len(coming) + len(rest))}"


def _which(found: Sequence[_Now]) -> tuple[int, ...]:
    return tuple(n.number for n in found)


def _tunnels(numbers: Sequence[int]) -> str:
    said = [str(n) for n in numbers]
    return f"tunnel {said[0]}" if len(said) == 1 else f"tunnels {', '.join(said[:-1])} and {said[-1]}"


def _one_by_one(count: int) -> str:
    if count == 1:
        return f"the others stay up; about {_MINUTES_FOR_ONE} min"
    return f"one is down at a time, and the others stay up; about {_MINUTES_FOR_ONE * count} min"


# --- logs, and failover -----------------------------------------------------------------------------------


def _logs(found: Sequence[_Now], now: float) -> Left | None:
    run = mark_in(found[0].tags, LOGS_RUN_TAG)
    if run is None or run.stage is not Stage.BEGAN or now - run.at >= GOES_ON_WITHIN:
        return None
    on = run.words.startswith("on")
    chosen = [n for n in found if not run.tunnels or n.number in run.tunnels]
    rest = [n for n in chosen if all(n.logs) is not on or (not on and any(n.logs))]
    marked = [(n, m) for n in chosen if (m := n.mark(logs_tag_of)) is not None and not n.settled]
    down = [n for n, m in marked if m.stage is Stage.CHANGING and now - m.at < COMES_UP_WITHIN]
    said = f"{LOGS} was interrupted: those of {len(chosen) - len(rest)} of {len(chosen)} tunnels are {'on' if on else 'off'}"
    said += f", and {_tunnels(_which(down))} is coming up again." if down else "."
    if not rest:
        return Left(said, _WAIT, _NO_EFFECT, _which(down)) if down else None
    command = f"{LOGS} --{'on' if on else 'off'}"
    if on and run.days is not None:
        command += f" --days {run.days}"
    command += "".join(f" --tunnel {n.number}" for n in chosen) if len(chosen) < len(found) else ""
    count = len({*_which(down), *_which(rest)})
    effect = f"switches {'on' if on else 'off'} those of {_tunnels(_which(rest))}; {_one_by_one(count)}"
    return Left(said, command, effect, _which(down))


def _failover(found: Sequence[_Now], now: float) -> Left | None:
    for each in found:
        mark = each.mark(failover_tag_of)
        if mark is None or mark.stage is not Stage.BEGAN or now - mark.at >= WATCHED_FOR:
            continue
        said = f"{TEST} was interrupted after it had taken tunnel {each.number} down on purpose"
        if each.settled:
            if each.since is not None and each.since >= mark.at:
                said += ", which is up again."
                return Left(said, TEST, "says how long that took; disturbs no tunnel again", ())
        elif now - mark.at < _COMES_BACK:
            return Left(f"{said}; it comes up by itself.", _WAIT, _NO_EFFECT, (each.number,))
    return None


# --- the report -------------------------------------------------------------------------------------------


def told(made: StatusReport, left: Left) -> StatusReport:
    """The report with what was left: as its cause, or beside a trouble that keeps the command from going on."""
    own = {f"azure_vpn.connection[{n - 1}]" for n in left.tunnels}
    drift = tuple(_unfinished(d) if d.address in own else d for d in made.drift)
    others = [d for d in drift if d.address not in own and d.address.startswith(("aws_vpn.", "azure_vpn."))]
    down = {i + 1 for i, t in enumerate(made.tunnels) if not t.up}
    if made.health is Health.UNKNOWN or others or down - set(left.tunnels):
        advice = replace(made.advice, others=(*made.advice.others, f"{left.said} After this: {left.command}"))
        return replace(made, drift=drift, advice=advice)
    if down:
        waiting = f"Safe to wait: traffic passes through the other tunnel{'s' * (len(made.tunnels) > 2)}."
    elif left.hurry:
        waiting = "Not for long: a tunnel whose keys differ is lost when it is next opened."
    else:
        waiting = f"Safe to wait: {all_of(len(made.tunnels))} tunnels are up."
    advice = replace(made.advice, cause=left.said, command=left.command, effect=left.effect, task="", waiting=waiting)
    tunnels = tuple(replace(t, fix="") if i + 1 in left.tunnels else t for i, t in enumerate(made.tunnels))
    checks = tuple(replace(c, fix="") if c.name in ("tunnels", "bgp", "lasting") else c for c in made.checks)
    return replace(made, drift=drift, advice=advice, tunnels=tunnels, checks=checks, next=(left.command,))


def _unfinished(drift: Drift) -> Drift:
    """It was not somebody's hand."""
    return replace(drift, by_hand=False, who="")


def running(made: StatusReport, command: str, holder: str) -> StatusReport:
    """Of a link on which a command is at work now: nothing was interrupted. holder: a sentence."""
    ends_healthy = not command.startswith((PAUSE, "cloudlink teardown"))
    waits = _WAIT_LONG if ends_healthy and not made.well else ""
    advice = Advice(
        f"A command is at work on the link. {holder}",
        command=waits,
        effect=_NO_EFFECT if waits else "",
        task="" if waits else "Wait until it has ended, then look again.",
        waiting="Safe to wait: what is down is so on purpose.",
    )
    return replace(made, advice=advice, next=(waits,) if waits else ())


def pause_before_anything(made: StatusReport) -> StatusReport:
    """Of a link whose pause was interrupted before CoreDNS let go of it: everything is there."""
    left = Left(
        f"{PAUSE} was interrupted before it removed anything; the link works as before.",
        PAUSE,
        "removes what costs by the hour; cloudlink resume forgets the pause instead",
    )
    return told(made, left)
