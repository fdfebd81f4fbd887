"""CloudTrail's event history: who wrote what. https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.trail_store import TrailEvent

_PAGE = 50
_ATTRIBUTES: dict[str, Callable[[TrailEvent], tuple[str, ...]]] = {
    "EventId": lambda e: (e.id,),
    "EventName": lambda e: (e.name,),
    "ReadOnly": lambda _: ("false",),
    "Username": lambda e: (e.user,),
    "ResourceName": lambda e: e.resources,
    "EventSource": lambda e: (e.source,),
    "AccessKeyId": lambda e: (e.access_key,),
}


class CloudTrailHandlers(Handlers):
    def __init__(self) -> None:
        super().__init__(service_name="cloudtrail")
        self.automated_parameter_parsing = True

    def lookup_events(self) -> Plain:
        asked = self.given("LookupAttributes", [])
        if len(asked) > 1:
            raise ApiError("InvalidLookupAttributesException", "Only one lookup attribute can be specified.")
        for attribute in asked:
            if attribute["AttributeKey"] not in _ATTRIBUTES:
                said = f"{attribute['AttributeKey']} is not modelled by the sandbox as a lookup attribute."
                raise ApiError("InvalidLookupAttributesException", said)
        size = int(self.given("MaxResults", _PAGE))
        if not 1 <= size <= _PAGE:
            raise ApiError("InvalidMaxResultsException", f"A value between 1 and {_PAGE} must be specified.")
        since, until = _seconds(self.given("StartTime"), 0.0), _seconds(self.given("EndTime"), self.now)
        if since > until:
            raise ApiError("InvalidTimeRangeException", "The start time is later than the end time.")
        found = [
            e
            for e in self.cloud.trail.seen(self.region, since, until, self.now)
            if all(a["AttributeValue"] in _ATTRIBUTES[a["AttributeKey"]](e) for a in asked)
        ]
        begin = int(self.given("NextToken", "0"))
        answer: dict[str, Any] = {"Events": [e.json() for e in found[begin : begin + size]]}
        if len(found) > begin + size:
            answer["NextToken"] = str(begin + size)
        return Plain(answer)


def _seconds(given: Any, otherwise: float) -> float:
    if given is None:
        return otherwise
    return float(given.timestamp()) if hasattr(given, "timestamp") else float(given)
