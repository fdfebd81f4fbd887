"""What AWS's tunnels write to CloudWatch Logs, as frozen facts.

https://docs.aws.amazon.com/vpn/latest/s2svpn/log-contents.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cloudlink.clouds.aws.fields import AwsObject, number, part, text, text_or
from cloudlink.clouds.malformed import parsing

_STREAM = re.compile(r"(vpn-[0-9a-f]+)\D+?(\d{1,3}(?:\.\d{1,3}){3})")


@dataclass(frozen=True)
class LogGroup:
    name: str
    arn: str  # without the ``:*`` that stands for its streams
    retention: int | None  # days; None: for ever


@dataclass(frozen=True)
class TunnelLogEntry:
    connection: str
    outside: str
    kind: Literal["ike", "bgp"]
    at: float  # seconds since the epoch
    good: bool | None  # whether the tunnel (ike) or the session (bgp) is up by it; None: it does not say
    text: str  # AWS's own words


@parsing("CloudWatch's log groups")
def log_groups(found: Iterable[AwsObject]) -> tuple[LogGroup, ...]:
    return tuple(
        LogGroup(
            text(g, "logGroupName"),
            (text_or(g, "logGroupArn") or text(g, "arn")).removesuffix(":*"),
            number(g, "retentionInDays") if g.get("retentionInDays") is not None else None,
        )
        for g in found
    )


@parsing("CloudWatch's log events")
def tunnel_entries(found: Iterable[AwsObject]) -> tuple[TunnelLogEntry, ...]:
    """Those of tunnels, oldest first; what is in another form is left out, for anybody may write to a log group."""
    entries = [entry for event in found if (entry := _entry(event)) is not None]
    return tuple(sorted(entries, key=lambda e: e.at))


def _entry(event: AwsObject) -> TunnelLogEntry | None:
    stream = _STREAM.search(text(event, "logStreamName"))
    said = _object(text(event, "message"))
    if stream is None or said is None:
        return None
    where, at = (stream[1], stream[2]), number(event, "timestamp") / 1000
    if said.get("type") == "BGPStatus":
        told = said.get("message")
        details = text_or(told, "details") if isinstance(told, dict) else str(told or "")
        return TunnelLogEntry(*where, "bgp", at, said.get("status") == "UP", details)
    details = text_or(said, "details") or text_or(said, "VpnLogDetail")
    if not details:
        return None
    phases = [said.get("ike_phase1_state"), said.get("ike_phase2_state")]
    known = {str(p).lower() for p in phases if p}
    return TunnelLogEntry(*where, "ike", at, known <= {"established", "rekeying"} if known else None, details)


def _object(message: str) -> AwsObject | None:
    try:
        said = json.loads(message)
    except ValueError:
        return None
    return part({"said": said}, "said") if isinstance(said, dict) else None
