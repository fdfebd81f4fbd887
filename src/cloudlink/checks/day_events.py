"""What was written to a link's objects in the last day, and by whom: for somebody who looks for what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cloudlink.clouds.aws import trail
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_monitor import activity
from cloudlink.errors import CloudlinkError

DAY = 86_400.0
Translate = Callable[[Exception], CloudlinkError | None]


def day_events(ids: frozenset[str], aws: Aws, azure: Azure, now: float, translate: Translate) -> dict[str, Any]:
    """Newest first, as plain data. ids: AWS's ids of the link's objects; what is about others is left out. What may not be
    read is its error. now: seconds since the epoch, in the clouds' time."""

    def tried(read: Callable[[], list[dict[str, Any]]]) -> Any:
        try:
            return read()
        except Exception as error:
            known = error if isinstance(error, CloudlinkError) else translate(error)
            if known is None:
                raise
            return f"could not be read: {known}"

    def of_aws() -> list[dict[str, Any]]:
        found = trail.writes_since(aws, now - DAY)
        return [
            {
                "at": _moment(e.at),
                "who": e.who,
                "with": e.agent,
                "what": e.name,
                "on": [r for r in e.resources if r in ids],
                "failed": e.failed,
            }
            for e in found
            if ids & set(e.resources)
        ]

    def of_azure() -> list[dict[str, Any]]:
        found = activity(azure.activity_log(azure.side.subscription, azure.side.resource_group, now - DAY, now))
        return [
            {"at": _moment(e.at), "who": e.caller, "what": e.operation, "on": [e.resource], "failed": e.failed}
            for e in found
        ]

    return {"aws": tried(of_aws), "azure": tried(of_azure)}


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
