"""CloudWatch Logs, as far as the logs of VPN tunnels need it.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from moto.core.responses import EmptyResult

from cloudlink_sandbox.aws.backend import networks_of
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.log_store import LogGroup
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.tunnel_logs import written

_NAME = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_PAGE = 50


class LogsHandlers(Handlers):
    def __init__(self) -> None:
        super().__init__(service_name="logs")
        self.automated_parameter_parsing = True

    def _group(self) -> LogGroup:
        return self.cloud.logs.find(self.region, self.given("logGroupName"))

    def create_log_group(self) -> EmptyResult:
        name = self.given("logGroupName")
        if not _NAME.fullmatch(name):
            raise ApiError("InvalidParameterException", f"'{name}' is not a valid name of a log group.")
        self.cloud.logs.create(self.region, name, self.given("tags", {}), self.now)
        return EmptyResult()

    def delete_log_group(self) -> EmptyResult:
        group = self._group()
        del self.cloud.logs.groups[self.region, group.name]
        return EmptyResult()

    def put_retention_policy(self) -> EmptyResult:
        days = int(self.given("retentionInDays"))
        if days not in _DAYS:
            said = (
                f"Value '{days}' at 'retentionInDays' failed to satisfy constraint: one of {', '.join(map(str, _DAYS))}"
            )
            raise ApiError("InvalidParameterException", said)
        self._group().retention = days
        return EmptyResult()

    def describe_log_groups(self) -> Plain:
        prefix = self.given("logGroupNamePrefix", "")
        limit = int(self.given("limit", _PAGE))
        found = sorted(
            (
                g
                for (region, name), g in self.cloud.logs.groups.items()
                if region == self.region and name.startswith(prefix)
            ),
            key=lambda g: g.name,
        )
        after = self.given("nextToken", "")
        found = [g for g in found if g.name > after]
        answer: dict[str, Any] = {"logGroups": [self._json(g) for g in found[:limit]]}
        if len(found) > limit:
            answer["nextToken"] = found[limit - 1].name
        return Plain(answer)

    def _json(self, group: LogGroup) -> dict[str, Any]:
        told: dict[str, Any] = {
            "logGroupName": group.name,
            "creationTime": int(group.made * 1000),
            "metricFilterCount": 0,
            "arn": f"{group.arn}:*",
            "logGroupArn": group.arn,
            "storedBytes": sum(len(e.message) + 26 for e in group.entries),
        }
        return told if group.retention is None else {**told, "retentionInDays": group.retention}

    def list_tags_for_resource(self) -> Plain:
        group = self.cloud.logs.by_arn(self.given("resourceArn"))
        if group is None:
            raise ApiError("ResourceNotFoundException", "The specified resource does not exist.")
        return Plain({"tags": dict(group.tags)})

    def filter_log_events(self) -> Plain:
        group = self._group()
        connections = [
            c
            for store in networks_of(self.cloud.account)
            if store.region_name == self.region
            for c in store.vpn_connections.values()
        ]
        group.write(written(self.world, connections, group.arn))
        begin, end = int(self.given("startTime", 0)), int(self.given("endTime", self.now * 1000 + 1))
        found = [e for e in group.entries if begin <= e.at < end]
        at, limit = int(self.given("nextToken", "0")), int(self.given("limit", 10_000))
        answer: dict[str, Any] = {
            "events": [
                {
                    "logStreamName": e.stream,
                    "timestamp": e.at,
                    "message": e.message,
                    "ingestionTime": e.at,
                    "eventId": hashlib.sha256(f"{e.stream}{e.at}{e.message}".encode()).hexdigest()[:56],
                }
                for e in found[at : at + limit]
            ],
            "searchedLogStreams": [],
        }
        if len(found) > at + limit:
            answer["nextToken"] = str(at + limit)
        return Plain(answer)
