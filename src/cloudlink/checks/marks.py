"""What a command of the second day leaves on AWS's VPN connections, so that any other run can go on with it: tags, and never
a key.

A rotation leaves a tag for each tunnel on its connection: ``changing`` and a moment before AWS is asked for a new key,
``changed`` and a moment when both clouds have it. A connection says from its creation on when that was. CloudTrail, which knows too, forgets after 90 days. Logs and failover tests
have such tags too. What takes several tunnels has a tag of its own on the first connection: when it began, what it is to do, and
whether it ended.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cloudlink.clouds.aws.tags import KEYS_TAG
from cloudlink.link import Tunnel

RUN_TAG = "cloudlink-key-rotation"
LOGS_RUN_TAG = "cloudlink-logs-change"
GOES_ON_WITHIN = 86_400.0
"""Seconds. Assumption: somebody who runs a command a day after it was interrupted wants it from the start."""
COMES_UP_WITHIN = 3600.0  # seconds in which a tunnel that was changed may still be on its way up
WATCHED_FOR = 3600.0  # seconds: a disturbance older than this has ended, whatever its tag says
_TUNNEL_TAG = "cloudlink-key-{}"


class Stage(enum.StrEnum):
    """The words of the tags."""

    CHANGING = "changing"  # AWS may have a key that Azure does not have
    CHANGED = "changed"  # both have it
    BEGAN = "began"  # of a rotation, a change of logs, or a failover test
    ENDED = "ended"


@dataclass(frozen=True)
class Mark:
    stage: Stage
    at: float  # seconds since the epoch
    words: str = ""  # what it is to do: numbers of tunnels, and of logs ``on 30d`` or ``off``

    def __str__(self) -> str:
        """As a tag's value, in characters that AWS takes."""
        return (
            f"{self.stage} {datetime.fromtimestamp(self.at, UTC).isoformat(timespec='seconds')} {self.words}".rstrip()
        )

    @property
    def tunnels(self) -> tuple[int, ...]:
        """Numbers, from 1; none: all, or it does not say."""
        return tuple(sorted({int(word) for word in self.words.split() if word in ("1", "2", "3", "4")}))

    @property
    def days(self) -> int | None:
        """How long the entries of logs are kept; None: it does not say."""
        found = [word[:-1] for word in self.words.split() if word.endswith("d")]
        return int(found[0]) if found and found[0].isdecimal() else None


def numbers(tunnels: Collection[int]) -> str:
    """Of tunnels, from 1, as a mark's words."""
    return " ".join(map(str, sorted(tunnels)))


def tag_of(tunnel: Tunnel) -> str:
    """The key of a tunnel's tag."""
    return _TUNNEL_TAG.format(tunnel.index + 1)


def failover_tag_of(tunnel: Tunnel) -> str:
    """The key of the tag that says that a failover test has disturbed a tunnel."""
    return f"cloudlink-failover-{tunnel.index + 1}"


def logs_tag_of(tunnel: Tunnel) -> str:
    """The key of the tag that says that the logs of a tunnel are being switched."""
    return f"cloudlink-logs-{tunnel.index + 1}"


def mark_in(tags: Mapping[str, str], key: str) -> Mark | None:
    """None: there is none, or somebody has made something else of it."""
    stage, _, rest = tags.get(key, "").partition(" ")
    moment, _, words = rest.partition(" ")
    try:
        return Mark(Stage(stage), datetime.fromisoformat(moment).timestamp(), words)
    except ValueError:
        return None


def key_changed(tags: Mapping[str, str], tunnel: Tunnel) -> float | None:
    """When a tunnel got its key, seconds since the epoch: from a rotation, else with its connection. None: not known, as of a
    rotation that was interrupted. tags: of AWS's connection. A key that somebody changed by hand is taken for the one before."""
    mark = mark_in(tags, tag_of(tunnel))
    if mark is not None:
        return mark.at if mark.stage is Stage.CHANGED else None
    try:
        return datetime.fromisoformat(tags.get(KEYS_TAG, "")).timestamp()
    except ValueError:
        return None


def rotation_in(tags: Mapping[str, str], each: Mapping[int, Mark | None], now: float) -> Mark | None:
    """A rotation of several tunnels that has not ended; None: there is none, or all its keys are changed.

    tags: of the first connection. each: number of a tunnel -> its own mark.
    """
    run = mark_in(tags, RUN_TAG)
    if run is None or run.stage is not Stage.BEGAN or now - run.at >= GOES_ON_WITHIN:
        return None
    chosen = run.tunnels or tuple(each)
    done = [n for n in chosen if (m := each.get(n)) and m.stage is Stage.CHANGED and m.at >= run.at]
    return run if len(done) < len(chosen) else None
