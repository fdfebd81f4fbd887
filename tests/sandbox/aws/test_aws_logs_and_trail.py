"""CloudWatch Logs and CloudTrail, as far as a link needs them."""

from __future__ import annotations

import json

import pytest
from aws_account import Account, Gateways, refused

NAME = "/aws/vendedlogs/cloudlink/demo"


@pytest.mark.model(
    "A log group: made once, with tags and a retention out of a list, found by its prefix, deleted with what is in it"
)
def test_a_log_group(seeded: Account) -> None:
    logs = seeded.client("logs")
    logs.create_log_group(logGroupName=NAME, tags={"a": "b"})
    refused("ResourceAlreadyExistsException", 400, logs.create_log_group, logGroupName=NAME)
    refused("InvalidParameterException", 400, logs.put_retention_policy, logGroupName=NAME, retentionInDays=2)
    logs.put_retention_policy(logGroupName=NAME, retentionInDays=14)
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/aws/")["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == (NAME, 14)
    assert group["arn"] == group["logGroupArn"] + ":*"
    assert logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {"a": "b"}
    logs.delete_log_group(logGroupName=NAME)
    refused("ResourceNotFoundException", 400, logs.filter_log_events, logGroupName=NAME)


@pytest.mark.own("A filter pattern of CloudWatch Logs is refused, never ignored")
def test_a_filter_pattern_is_refused(seeded: Account) -> None:
    logs = seeded.client("logs")
    logs.create_log_group(logGroupName=NAME)
    assert "filterPattern" in refused(
        "InvalidParameterException", 400, logs.filter_log_events, logGroupName=NAME, filterPattern="ERROR"
    )


@pytest.mark.documentation(
    "A tunnel's logs need a log group, are told back, and are switched on by a call that replaces the endpoint"
)
def test_logs_of_a_tunnel(seeded: Account) -> None:
    connection, ec2, logs = Gateways.of(seeded).connection(), seeded.client("ec2"), seeded.client("logs")
    outside = connection["Options"]["TunnelOptions"][0]["OutsideIpAddress"]
    where = {"VpnConnectionId": connection["VpnConnectionId"], "VpnTunnelOutsideIpAddress": outside}
    arn = f"arn:aws:logs:eu-central-1:123456789012:log-group:{NAME}"
    on = {"LogOptions": {"CloudWatchLogOptions": {"LogEnabled": True, "LogGroupArn": arn}}}
    refused("InvalidParameterValue", 400, ec2.modify_vpn_tunnel_options, **where, TunnelOptions=on)
    nowhere = {"LogOptions": {"CloudWatchLogOptions": {"BgpLogEnabled": True}}}
    refused("InvalidParameterValue", 400, ec2.modify_vpn_tunnel_options, **where, TunnelOptions=nowhere)
    logs.create_log_group(logGroupName=NAME)
    changed = ec2.modify_vpn_tunnel_options(**where, TunnelOptions=on)["VpnConnection"]
    assert changed["State"] == "modifying"
    seeded.later(600)
    first, second = ec2.describe_vpn_connections()["VpnConnections"][0]["Options"]["TunnelOptions"]
    told = first["LogOptions"]["CloudWatchLogOptions"]
    assert (told["LogEnabled"], told["LogGroupArn"], told["LogOutputFormat"]) == (True, arn, "json")
    assert "LogOptions" not in second
    off = {"LogOptions": {"CloudWatchLogOptions": {"LogEnabled": False}}}
    ec2.modify_vpn_tunnel_options(**where, TunnelOptions=off)
    seeded.later(600)
    options = ec2.describe_vpn_connections()["VpnConnections"][0]["Options"]["TunnelOptions"][0]["LogOptions"]
    assert options == {"CloudWatchLogOptions": {"LogEnabled": False}}


@pytest.mark.model("Event history: writes only, newest first, one attribute, fifty at most")
def test_who_wrote_what(seeded: Account) -> None:
    gateways, trail = Gateways.of(seeded), seeded.client("cloudtrail")
    seeded.client("ec2").delete_customer_gateway(CustomerGatewayId=gateways.cgw)
    asked = [{"AttributeKey": "ResourceName", "AttributeValue": gateways.cgw}]
    events = trail.lookup_events(LookupAttributes=asked)["Events"]
    assert [e["EventName"] for e in events] == ["DeleteCustomerGateway", "CreateCustomerGateway"]
    whole = json.loads(events[0]["CloudTrailEvent"])
    assert whole["userIdentity"]["arn"] == seeded.cloud.principal
    assert whole["eventSource"] == events[0]["EventSource"] == "ec2.amazonaws.com"
    assert "Boto3" in whole["userAgent"]
    assert trail.lookup_events(MaxResults=1)["NextToken"]
    refused("InvalidLookupAttributesException", 400, trail.lookup_events, LookupAttributes=asked * 2)
    refused("InvalidMaxResultsException", 400, trail.lookup_events, MaxResults=51)


@pytest.mark.documentation("Route 53's events lie in us-east-1, and no value of a request is in an event")
def test_where_global_events_lie_and_what_is_not_in_them(seeded: Account) -> None:
    seeded.client("route53").create_hosted_zone(Name="who.example", CallerReference="one")
    here = {e["EventSource"] for e in seeded.client("cloudtrail").lookup_events()["Events"]}
    there = seeded.client("cloudtrail", region="us-east-1").lookup_events()["Events"]
    assert "route53.amazonaws.com" not in here
    assert [e["EventName"] for e in there] == ["CreateHostedZone"]
    connection = Gateways.of(seeded).connection({"PreSharedKey": "secretSecretSecret1"})
    assert connection
    assert "secretSecret" not in str(seeded.cloud.trail.events)
