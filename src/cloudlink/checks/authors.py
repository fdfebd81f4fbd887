"""Who changed what is not as cloudlink left it, where the clouds tell: AWS's CloudTrail, Azure's Activity Log.

Both may be read with a permission of its own that nothing else needs. Without it that is said, and it is no error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cloudlink.clouds.aws import trail
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_monitor import ActivityEvent, activity
from cloudlink.errors import CloudlinkError

MOST = 5  # objects that are asked for: CloudTrail takes two calls a second
LOOKED_BACK = 89 * 86_400.0  # seconds; both forget after 90 days
# Assumption: a write of the identity that we are signed in with, so soon after an object was made, is cloudlink's.
OWN_WRITES = 3600.0
_AWS_ID = re.compile(r"\b(?:(?:vpn|vgw|cgw|sg|rtb|rslvr-in)-[0-9a-f]{8,}|Z[0-9A-Z]{9,31})\b")

Translate = Callable[[Exception], CloudlinkError | None]
_Said = tuple[float, str]  # when, and who did what


@dataclass(frozen=True)
class Changed:
    """Something that is not as it was left. ids: those of the clouds that it may have been done to. made: when cloudlink
    made it, seconds since the epoch; 0: not known."""

    address: str
    ids: tuple[str, ...]
    made: float = 0.0


@dataclass
class Authors:
    aws: Aws
    azure: Azure
    now: float  # seconds since the epoch, in the clouds' time
    translate: Translate
    _groups: dict[tuple[str, str], tuple[ActivityEvent, ...]] = field(default_factory=dict, init=False)
    _unread: dict[str, str] = field(default_factory=dict, init=False)  # where -> why; each is tried once and said once

    def of(self, changed: Iterable[Changed]) -> dict[str, str]:
        """Address -> a phrase that names who wrote to it last, with what, and when. What the clouds do not know is left
        out."""
        found: dict[str, str] = {}
        for each in list(changed)[:MOST]:
            said = [s for id_ in each.ids if (s := self._last(id_, each.made)) is not None]
            if said:
                found[each.address] = max(said)[1]
        return found

    def _last(self, id_: str, made: float) -> _Said | None:
        in_azure = id_.startswith("/subscriptions/")
        match = None if in_azure else _AWS_ID.search(id_)
        where = "the Activity Log" if in_azure else "CloudTrail"
        if where in self._unread or (match is None and not in_azure):
            return None
        try:
            return self._in_azure(id_, made) if in_azure else self._in_aws(match[0] if match else "")
        except Exception as error:
            known = error if isinstance(error, CloudlinkError) else self.translate(error)
            if known is None:
                raise
            self._unread[where] = f"not known, {where} could not be read: {known}"
            return 0.0, self._unread[where]

    def _in_aws(self, id_: str) -> _Said | None:
        """cloudlink's own writes are passed over: what they left is what was changed."""
        event = next((e for e in trail.writes_to(self.aws, id_) if not e.by_cloudlink), None)
        if event is None:
            return None
        agent = event.agent.partition(" ")[0]
        who = f"{event.who}{f' with {agent}' if agent else ''}"
        return event.at, f"{who}: {event.name}, {_moment(event.at)} (CloudTrail)"

    def _in_azure(self, id_: str, made: float) -> _Said | None:
        """The Activity Log does not tell with what program something was written. A delete is not cloudlink's, which would
        not miss the object then."""
        parts = id_.split("/")
        if len(parts) < 5 or parts[3].lower() != "resourcegroups":
            return None
        place = (parts[2], parts[4])
        if place not in self._groups:
            self._groups[place] = activity(self.azure.activity_log(*place, self.now - LOOKED_BACK, self.now))
        wanted, we = id_.lower(), self.azure.identity()
        for event in self._groups[place]:
            if event.failed or not event.caller or not f"{event.resource}/".startswith(f"{wanted}/"):
                continue
            ours = event.caller in (we.application, we.user) and not event.operation.endswith("/delete")
            if ours and event.at - made < OWN_WRITES:
                return None
            return event.at, f"{event.caller}: {event.operation}, {_moment(event.at)} (Activity Log)"
        return None


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
