"""Who wrote what in an account, as CloudTrail keeps it for 90 days: identities and ids, and no value of a request.

Assumption: an event can be looked up at once. AWS promises about five minutes on average.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/view-cloudtrail-events.html
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

KEPT_SECONDS = 90 * 86_400.0
MOST_KEPT = 2_000
_IDS = re.compile(r"\b(?:vgw|cgw|vpn|sg|sgr|rtb|vpc|subnet|rslvr-in|eni)-[0-9a-f]{8,}\b|\bZ[0-9A-Z]{9,31}\b")
_TYPES = {
    "vgw": "AWS::EC2::VPNGateway",
    "cgw": "AWS::EC2::CustomerGateway",
    "vpn": "AWS::EC2::VPNConnection",
    "sg": "AWS::EC2::SecurityGroup",
    "rtb": "AWS::EC2::RouteTable",
    "vpc": "AWS::EC2::VPC",
    "subnet": "AWS::EC2::Subnet",
    "rslvr": "AWS::Route53Resolver::ResolverEndpoint",
}
_GLOBAL = {"route53", "iam"}  # their events lie here, wherever they were sent from
_GLOBAL_REGION = "us-east-1"


@dataclass(frozen=True)
class TrailEvent:
    id: str
    at: float
    region: str
    source: str  # ``ec2.amazonaws.com``
    name: str
    arn: str  # who
    access_key: str
    agent: str
    resources: tuple[str, ...]
    error: str = ""

    @property
    def user(self) -> str:
        return self.arn.rpartition("/")[2]

    def json(self) -> dict[str, Any]:
        moment = datetime.fromtimestamp(int(self.at), UTC)
        whole: dict[str, Any] = {
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "IAMUser",
                "arn": self.arn,
                "accountId": self.arn.split(":")[4],
                "accessKeyId": self.access_key,
                "userName": self.user,
            },
            "eventTime": moment.isoformat().replace("+00:00", "Z"),
            "eventSource": self.source,
            "eventName": self.name,
            "awsRegion": self.region,
            "userAgent": self.agent,
            "eventID": self.id,
            "readOnly": False,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "eventCategory": "Management",
        }
        if self.error:
            whole["errorCode"] = self.error
        return {
            "EventId": self.id,
            "EventName": self.name,
            "ReadOnly": "false",
            "AccessKeyId": self.access_key,
            "EventTime": moment,
            "EventSource": self.source,
            "Username": self.user,
            "Resources": [
                {"ResourceType": _TYPES.get(r.partition("-")[0], "AWS::Route53::HostedZone"), "ResourceName": r}
                for r in self.resources
            ],
            "CloudTrailEvent": json.dumps(whole),
        }


class Trail:
    """All writes of the account, oldest first."""

    def __init__(self) -> None:
        self.events: list[TrailEvent] = []

    def note(
        self, *, at: float, region: str, service: str, name: str, arn: str, key: str, agent: str, said: str, error: str
    ) -> None:
        """said: the request and its answer, of which only ids are kept."""
        place = _GLOBAL_REGION if service in _GLOBAL else region
        found = tuple(dict.fromkeys(_IDS.findall(said)))
        source = f"{service}.amazonaws.com"
        self.events.append(TrailEvent(str(uuid.uuid4()), at, place, source, name, arn, key, agent, found, error))
        del self.events[:-MOST_KEPT]

    def seen(self, region: str, since: float, until: float, now: float) -> Iterator[TrailEvent]:
        """Newest first."""
        oldest = max(since, now - KEPT_SECONDS)
        return (e for e in reversed(self.events) if e.region == region and oldest <= e.at <= until)
