"""Who wrote to an object last, and what was written in the last day: from what CloudTrail and the Activity Log answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from cloudlink.checks.authors import LOOKED_BACK, MOST, OWN_WRITES, Authors, Changed
from cloudlink.checks.day_events import DAY, day_events
from cloudlink.clouds.azure.credential import Identity
from cloudlink.errors import CloudError, CloudlinkError

NOW = 1_800_000_000.0
VPN, ZONE, GROUP = "vpn-0123456789abcdef0", "Z0123456789ABC", "/subscriptions/s/resourceGroups/link-rg"
GATEWAY = f"{GROUP}/providers/Microsoft.Network/virtualNetworkGateways/gw"
DENIED = CloudError("AWS refused permission", "cloudtrail:LookupEvents is not allowed.")


def event(name: str, ago: float, *on: str, agent: str = "aws-cli/2.15.0 md/x", **more: Any) -> dict[str, Any]:
    arn = {"arn": "arn:aws:iam::111122223333:user/anna"}
    whole = {"userIdentity": arn, "userAgent": agent, **more}
    return {
        "EventTime": datetime.fromtimestamp(NOW - ago, UTC),
        "EventName": name,
        "ReadOnly": "false",
        "Resources": [{"ResourceName": r} for r in on],
        "CloudTrailEvent": json.dumps(whole),
    }


def activity(operation: str, ago: float, resource: str = GATEWAY, caller: str = "anna@example.com", **more: Any) -> Any:
    at = datetime.fromtimestamp(NOW - ago, UTC).strftime("%Y-%m-%dT%H:%M:%S.1234567Z")
    said = {"eventTimestamp": at, "operationName": {"value": operation}, "resourceId": resource, "caller": caller}
    return {**said, "status": {"value": "Succeeded"}, **more}


class Trail:
    """CloudTrail, and AWS's client for it."""

    home_region = "us-east-1"

    def __init__(self, *events: dict[str, Any], error: Exception | None = None) -> None:
        self.events, self.error = list(events), error
        self.asked: list[Any] = []

    def client(self, service: str) -> Trail:
        assert service == "cloudtrail"
        return self

    def client_in(self, service: str, region: str) -> Trail:
        self.asked.append(region)
        return self.client(service)

    def lookup_events(self, **parameters: Any) -> dict[str, Any]:
        self.asked.append(parameters)
        if self.error is not None:
            raise self.error
        return {"Events": self.events}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "lookup_events"
        return SimpleNamespace(paginate=lambda **words: iter([self.lookup_events(**words), {}]))


class Log:
    """The Activity Log, and Azure's client for it."""

    side = SimpleNamespace(subscription="s", resource_group="link-rg")

    def __init__(self, *events: Any, error: Exception | None = None, we: Identity | None = None) -> None:
        self.events, self.error = events, error
        self.we = we or Identity("me@example.com", "t", "application-id")
        self.asked: list[Any] = []

    def identity(self) -> Identity:
        return self.we

    def activity_log(self, *asked: Any) -> Any:
        self.asked.append(asked)
        if self.error is not None:
            raise self.error
        return self.events


def known(error: Exception) -> CloudlinkError | None:
    return error if isinstance(error, CloudlinkError) else None


def authors(trail: Trail | None = None, log: Log | None = None) -> Authors:
    clouds: Any = (trail or Trail(), log or Log())
    return Authors(*clouds, NOW, known)


def changed(id_: str, made: float = 0.0, address: str = "a") -> Changed:
    return Changed(address, (id_,), made)


# --- AWS ------------------------------------------------------------------------------------------------------


def test_the_last_write_that_was_not_ours_is_named() -> None:
    trail = Trail(
        event("DeleteVpnConnection", 7200),
        event("ModifyVpnTunnelOptions", 3600),
        event("CreateTags", 60, agent="cloudlink/0.2.0"),
        event("DescribeVpnConnections", 30) | {"ReadOnly": "true"},
        event("DeleteVpnConnection", 10, errorCode="Client.UnauthorizedOperation"),
    )
    assert authors(trail).of([changed(f"{VPN}/0")]) == {
        "a": "user/anna with aws-cli/2.15.0: ModifyVpnTunnelOptions, 2027-01-15 07:00 UTC (CloudTrail)"
    }
    attribute = {"AttributeKey": "ResourceName", "AttributeValue": VPN}
    assert trail.asked == [{"LookupAttributes": [attribute], "MaxResults": 50}]


def test_a_hosted_zone_is_asked_for_where_global_services_are_logged() -> None:
    trail = Trail(event("ChangeResourceRecordSets", 60, agent=""))
    assert authors(trail).of([changed(ZONE)]) == {
        "a": "user/anna: ChangeResourceRecordSets, 2027-01-15 07:59 UTC (CloudTrail)"
    }
    assert trail.asked[0] == "us-east-1"


@pytest.mark.parametrize("id_", ["", "postgres", "vpn-012", "kube-system/coredns-custom", "xvpn-0123456789abcdef0"])
def test_what_cloudtrail_knows_nothing_of_is_not_asked_for(id_: str) -> None:
    trail = Trail(event("DeleteVpnConnection", 60))
    assert authors(trail).of([changed(id_)]) == {}
    assert trail.asked == []


def test_where_cloudlink_alone_wrote_nobody_is_named() -> None:
    assert authors(Trail(event("CreateTags", 60, agent="cloudlink/0.2.0"))).of([changed(VPN)]) == {}
    assert authors(Trail()).of([changed(VPN)]) == {}


def test_what_may_not_be_read_is_said_once_and_the_other_cloud_is_asked() -> None:
    trail = Trail(error=DENIED)
    log = Log(activity("Microsoft.Network/virtualNetworkGateways/write", 60))
    found = authors(trail, log).of([changed(VPN), changed(VPN, address="b"), changed(GATEWAY, address="c")])
    assert found == {
        "a": f"not known, CloudTrail could not be read: {DENIED}",
        "c": "anna@example.com: Microsoft.Network/virtualNetworkGateways/write, 2027-01-15 07:59 UTC (Activity Log)",
    }
    assert len(trail.asked) == 1
    with pytest.raises(ZeroDivisionError):  # a mistake of ours is no answer
        authors(Trail(error=ZeroDivisionError())).of([changed(VPN)])


def test_of_many_objects_the_first_are_asked_for() -> None:
    trail = Trail(event("DeleteVpnConnection", 60))
    found = authors(trail).of([changed(VPN, address=str(n)) for n in range(MOST + 2)])
    assert list(found) == ["0", "1", "2", "3", "4"] == [str(n) for n in range(MOST)]
    assert len(trail.asked) == MOST


def test_of_several_ids_the_latest_write_counts() -> None:
    trail = Trail(event("ModifyVpnTunnelOptions", 60))
    log = Log(activity("Microsoft.Network/virtualNetworkGateways/write", 3600))
    for ids in ((VPN, GATEWAY), (GATEWAY, VPN)):
        (said,) = authors(trail, log).of([Changed("a", ids)]).values()
        assert "CloudTrail" in said


# --- Azure ----------------------------------------------------------------------------------------------------


def test_the_activity_log_of_the_group_is_read_once_as_far_back_as_azure_knows() -> None:
    log = Log(activity("Microsoft.Network/virtualNetworkGateways/write", 60))
    other = GATEWAY.replace("/gw", "/other")
    found = authors(log=log).of([changed(GATEWAY), changed(other, address="b"), changed(GATEWAY.upper(), address="c")])
    assert set(found) == {"a"}, "an id in capitals names no path that begins with /subscriptions/"
    assert log.asked == [("s", "link-rg", NOW - LOOKED_BACK, NOW)]
    assert LOOKED_BACK == 89 * 86_400 < 90 * 86_400


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({}, True),
        ({"status": {"value": "Failed"}}, False),
        ({"caller": ""}, False),
        ({"resource": f"{GATEWAY}/ipConfigurations/one"}, True),
        ({"resource": f"{GATEWAY}-2"}, False),
        ({"resource": GROUP}, False),
    ],
)
def test_which_events_are_about_the_object(more: dict[str, Any], named: bool) -> None:
    log = Log(activity("Microsoft.Network/virtualNetworkGateways/write", 60, **more))
    assert bool(authors(log=log).of([changed(GATEWAY)])) is named


@pytest.mark.parametrize(
    ("caller", "operation", "after_made", "named"),
    [
        ("me@example.com", "write", OWN_WRITES - 1, False),
        ("me@example.com", "write", OWN_WRITES, True),
        ("application-id", "write", 5.0, False),
        ("anna@example.com", "write", 5.0, True),
        ("me@example.com", "delete", 5.0, True),
    ],
)
def test_what_we_wrote_soon_after_an_object_was_made_is_cloudlinks(
    caller: str, operation: str, after_made: float, named: bool
) -> None:
    """A delete is not: cloudlink would not miss the object then."""
    earlier = activity("Microsoft.Network/virtualNetworkGateways/join/action", 90_000, caller="bert@example.com")
    log = Log(earlier, activity(f"Microsoft.Network/virtualNetworkGateways/{operation}", 60, caller=caller))
    written = NOW - 60 + 0.123456
    assert bool(authors(log=log).of([changed(GATEWAY, written - after_made)])) is named


def test_ids_of_no_group_are_not_asked_for() -> None:
    log = Log(activity("Microsoft.Network/virtualNetworkGateways/write", 60))
    for id_ in ("/subscriptions/s", "/subscriptions/s/providers/x/y", "/subscriptions/s/resourceGroups"):
        assert authors(log=log).of([changed(id_)]) == {}
    assert log.asked == []


# --- the last day ---------------------------------------------------------------------------------------------


def test_the_last_day_of_a_links_objects_newest_first() -> None:
    trail = Trail(
        event("DeleteVpnConnection", 7200, VPN, "vpn-other"),
        event("CreateTags", 60, ZONE, errorCode="AccessDenied", agent="Terraform/1.9"),
        event("RunInstances", 30, "i-1"),
    )
    log = Log(activity("Microsoft.Network/connections/delete", 3600, status={"value": "Failed"}))
    clouds: Any = (trail, log)
    assert day_events(frozenset((VPN, ZONE)), *clouds, NOW, known) == {
        "aws": [
            {
                "at": "2027-01-15T07:59:00Z",
                "who": "user/anna",
                "with": "Terraform/1.9",
                "what": "CreateTags",
                "on": [ZONE],
                "failed": True,
            },
            {
                "at": "2027-01-15T06:00:00Z",
                "who": "user/anna",
                "with": "aws-cli/2.15.0 md/x",
                "what": "DeleteVpnConnection",
                "on": [VPN],
                "failed": False,
            },
        ],
        "azure": [
            {
                "at": "2027-01-15T07:00:00Z",
                "who": "anna@example.com",
                "what": "Microsoft.Network/connections/delete",
                "on": [GATEWAY.lower()],
                "failed": True,
            }
        ],
    }
    (asked,) = trail.asked
    assert asked["StartTime"] == datetime.fromtimestamp(NOW - DAY, UTC)
    assert asked["LookupAttributes"] == [{"AttributeKey": "ReadOnly", "AttributeValue": "false"}]
    assert log.asked == [("s", "link-rg", NOW - 86_400, NOW)]


def test_a_cloud_that_may_not_be_read_is_its_error() -> None:
    clouds: Any = (Trail(error=DENIED), Log())
    assert day_events(frozenset(), *clouds, NOW, known) == {"aws": f"could not be read: {DENIED}", "azure": []}
    broken: Any = (Trail(), Log(error=ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        day_events(frozenset(), *broken, NOW, known)
    told: Any = (Trail(), Log(error=OSError("away")))
    assert day_events(frozenset(), *told, NOW, lambda _: DENIED)["azure"] == f"could not be read: {DENIED}"
