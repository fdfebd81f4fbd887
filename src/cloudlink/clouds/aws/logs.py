"""CloudWatch Logs: the log group of the tunnels, and what is in it. Raises the SDK's errors.

https://docs.aws.amazon.com/vpn/latest/s2svpn/monitoring-logs.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudlink.clouds.aws import parse_logs
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_logs import LogGroup, TunnelLogEntry

# AWS adds such groups to its resource policy by itself where the policy is nearly full.
PREFIX = "/aws/vendedlogs/cloudlink/"
MOST_PAGES = 10  # of events: 10,000 each, or a megabyte


def find_group(aws: Aws, name: str) -> LogGroup | None:
    pages = _client(aws).get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    found = (g for page in pages for g in parse_logs.log_groups(page.get("logGroups") or ()))
    return next((g for g in found if g.name == name), None)


def tags_of_group(aws: Aws, group: LogGroup) -> dict[str, str]:
    found = _client(aws).list_tags_for_resource(resourceArn=group.arn).get("tags") or {}
    return {str(key): str(value) for key, value in found.items()}


def create_group(aws: Aws, name: str, tags: Mapping[str, str]) -> None:
    aws.client("logs", once=True).create_log_group(logGroupName=name, tags=dict(tags))


def keep_for(aws: Aws, name: str, days: int) -> None:
    """How long entries are kept. Repeating it is harmless."""
    _client(aws).put_retention_policy(logGroupName=name, retentionInDays=days)


def delete_group(aws: Aws, name: str) -> None:
    """With all that is in it. One that is gone is no error."""
    try:
        _client(aws).delete_log_group(logGroupName=name)
    except Exception as error:
        if not aws.missing(error):
            raise


def entries(aws: Aws, name: str, since: float) -> tuple[TunnelLogEntry, ...]:
    """What the tunnels have written since then (seconds since the epoch), oldest first; empty where there is no group."""
    found: list[Any] = []
    try:
        pages = _client(aws).get_paginator("filter_log_events").paginate(logGroupName=name, startTime=int(since * 1000))
        for number, page in enumerate(pages):
            found += page.get("events") or ()
            if number + 1 == MOST_PAGES:
                break
    except Exception as error:
        if not aws.missing(error):
            raise
    return parse_logs.tunnel_entries(found)


def _client(aws: Aws) -> Any:
    return aws.client("logs")
