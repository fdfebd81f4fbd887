"""CloudTrail's event history: who wrote to an object last. Raises the SDK's errors.

Two calls a second are allowed, and the history ends after 90 days.
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_trail import TrailEvent, trail_events

# Events of services that are in no region lie in the partition's first one.
_GLOBAL_IDS = "Z"  # hosted zones


def writes_to(aws: Aws, id_: str) -> tuple[TrailEvent, ...]:
    """The last fifty events at most, newest first, without reads and without what was refused."""
    client = aws.client_in("cloudtrail", aws.home_region) if id_.startswith(_GLOBAL_IDS) else aws.client("cloudtrail")
    attribute = {"AttributeKey": "ResourceName", "AttributeValue": id_}
    found = client.lookup_events(LookupAttributes=[attribute], MaxResults=50)
    return tuple(e for e in trail_events(found.get("Events") or ()) if not e.reads and not e.failed)


def writes_since(aws: Aws, since: float) -> tuple[TrailEvent, ...]:
    """Of the whole region, newest first, what was refused included; 250 at most. since: seconds since the epoch."""
    attribute = {"AttributeKey": "ReadOnly", "AttributeValue": "false"}
    found: list[Any] = []
    pages = (
        aws.client("cloudtrail")
        .get_paginator("lookup_events")
        .paginate(
            LookupAttributes=[attribute],
            StartTime=datetime.fromtimestamp(since, UTC),
            PaginationConfig={"MaxItems": 250},
        )
    )
    for page in pages:
        found += page.get("Events") or ()
    return trail_events(found)
