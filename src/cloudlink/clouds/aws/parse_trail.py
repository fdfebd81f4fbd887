"""What CloudTrail says of one call, as frozen facts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from cloudlink.clouds.aws.fields import AwsObject, part, parts, text, text_or
from cloudlink.clouds.malformed import parsing


@dataclass(frozen=True)
class TrailEvent:
    at: float  # seconds since the epoch
    name: str  # ``DeleteVpnConnection``
    who: str  # ``user/anna``, ``assumed-role/Admin/anna``, or a service
    agent: str  # with what: ``aws-cli/2.15.0``, ``console.amazonaws.com``; empty: it does not say
    reads: bool
    failed: bool
    resources: tuple[str, ...] = ()  # names or ids of what it was about

    @property
    def by_cloudlink(self) -> bool:
        return "cloudlink/" in self.agent


@parsing("CloudTrail's events")
def trail_events(found: Iterable[AwsObject]) -> tuple[TrailEvent, ...]:
    """Newest first."""
    return tuple(sorted(map(_event, found), key=lambda e: e.at, reverse=True))


def _event(item: AwsObject) -> TrailEvent:
    whole = json.loads(text_or(item, "CloudTrailEvent", "{}"))
    identity = part(whole, "userIdentity")
    arn = text_or(identity, "arn").rpartition(":")[2]
    return TrailEvent(
        at=item["EventTime"].timestamp(),
        name=text(item, "EventName"),
        who=arn or text_or(identity, "invokedBy") or text_or(item, "Username", "somebody"),
        agent=text_or(whole, "userAgent"),
        reads=text_or(item, "ReadOnly", "false") == "true",
        failed=bool(whole.get("errorCode")),
        resources=tuple(text_or(r, "ResourceName") for r in parts(item, "Resources")),
    )
