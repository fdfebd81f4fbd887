"""What the commands of the second day found and did, as plain data: screens and JSON are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cloudlink.checks.report import Outcome

KeyAction = Literal["rotate", "finish", "keep"]


@dataclass(frozen=True)
class TunnelKey:
    """The key of one tunnel."""

    address: str  # ``tunnel[0]`` to ``tunnel[3]``
    connection: str  # AWS's
    outside_ip: str
    key_changed: (
        float | None
    )  # seconds since the epoch; None: not known, as of a connection that an older cloudlink made
    action: KeyAction  # finish: a rotation that was interrupted had begun with it
    why: str
    rotated: bool = False
    seconds: float | None = None  # from the first write until all tunnels were up again
    # where key_changed is not known: since when the tunnel is up, which a new key would have ended; seconds since the epoch
    unchanged_since: float | None = None

    @property
    def name(self) -> str:
        return f"tunnel {int(self.address[7:-1]) + 1}"


@dataclass(frozen=True)
class RotationReport:
    """Before a rotation: what it is to do; after it: what it did."""

    link: str
    tunnels: tuple[TunnelKey, ...]
    resumed: bool = False  # goes on with a rotation that was interrupted
    ended: bool = False

    @property
    def due(self) -> tuple[TunnelKey, ...]:
        """In the order in which they are worked on: what was begun comes first, then the oldest."""
        chosen = [t for t in self.tunnels if t.action != "keep"]
        return tuple(sorted(chosen, key=lambda t: (t.action != "finish", t.key_changed or 0.0)))


LogAction = Literal["on", "off", "finish", "keep"]


@dataclass(frozen=True)
class LogLine:
    """What one end wrote, in its own words."""

    since: float  # seconds since the epoch
    kind: Literal["ike", "bgp", "tunnel"]
    good: bool | None
    text: str
    end: Literal["aws", "azure"] = "aws"


@dataclass(frozen=True)
class TunnelLogs:
    """The logs of one tunnel at AWS's end."""

    address: str  # ``tunnel[0]`` to ``tunnel[3]``
    connection: str  # AWS's
    outside_ip: str
    group: str  # name of the log group that they go to; empty: they are off
    action: LogAction = "keep"  # finish: an earlier run was interrupted with it
    why: str = ""
    changed: bool = False
    seconds: float | None = None  # from the write until all tunnels were up again
    lines: tuple[LogLine, ...] = ()  # the last that both ends wrote, newest first

    @property
    def name(self) -> str:
        return f"tunnel {int(self.address[7:-1]) + 1}"


@dataclass(frozen=True)
class LogsReport:
    """Before a change: what is to be done; after it: what was. Without one: what is on, and what was written last."""

    link: str
    group: str  # the log group of this link, whether it is there or not
    exists: bool
    retention: int | None  # days; None: for ever, or there is no group
    workspace: str  # the Log Analytics workspace that Azure's logs go to; empty: none
    tunnels: tuple[TunnelLogs, ...]
    change: Literal["on", "off", ""] = ""
    azure_change: bool = False  # whether the diagnostic setting is written or removed
    ended: bool = False
    notes: tuple[str, ...] = ()  # what could not be read

    @property
    def due(self) -> tuple[TunnelLogs, ...]:
        """In the order in which they are worked on: what was begun comes first."""
        return tuple(sorted((t for t in self.tunnels if t.action != "keep"), key=lambda t: t.action != "finish"))


TrialGroup = Literal["names", "path", "failover"]


@dataclass(frozen=True)
class Trial:
    """One thing that ``cloudlink test`` tried."""

    group: TrialGroup
    name: str
    outcome: Outcome
    detail: str = ""
    fix: str = ""
    seconds: float | None = None  # what was measured: a round trip, the time until all tunnels were up


@dataclass(frozen=True)
class TrialReport:
    link: str
    trials: tuple[Trial, ...]

    def count(self, *outcomes: Outcome) -> int:
        return sum(t.outcome in outcomes for t in self.trials)

    @property
    def passed(self) -> bool:
        return not self.count(Outcome.FAILED)
