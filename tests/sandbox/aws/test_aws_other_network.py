"""Paging, rules of security groups, routes."""

from __future__ import annotations

from typing import Any

import pytest
from aws_account import VPC, Account, Gateways, refused, tag_spec
from botocore.exceptions import ClientError


@pytest.mark.model("Subnets, route tables, security groups and interfaces come in pages of MaxResults with a token")
@pytest.mark.belief("MaxResults is 5 to 1000 for all of them, and a wrong token InvalidNextToken")
@pytest.mark.parametrize(
    ("operation", "key", "name"),
    [
        ("describe_subnets", "Subnets", "SubnetId"),
        ("describe_route_tables", "RouteTables", "RouteTableId"),
        ("describe_security_groups", "SecurityGroups", "GroupId"),
        ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    ],
)
def test_pages(seeded: Account, operation: str, key: str, name: str) -> None:
    ec2 = seeded.client("ec2")
    ec2.create_route_table(VpcId=VPC)
    whole = [o[name] for o in getattr(ec2, operation)()[key]]
    assert len(whole) > 5
    pages = list(ec2.get_paginator(operation).paginate(PaginationConfig={"PageSize": 5}))
    assert len(pages) > 1
    assert [o[name] for page in pages for o in page[key]] == whole
    refused("InvalidNextToken", 400, getattr(ec2, operation), MaxResults=5, NextToken="what")


@pytest.mark.documentation(
    "A rule that exists is InvalidPermission.Duplicate, one that does not InvalidPermission.NotFound"
)
@pytest.mark.belief("One bad rule spoils the whole call")
@pytest.mark.recorded("A group is found by its tags some seconds after it was made")
def test_rules_of_a_call_stand_or_fall_together(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    group = ec2.create_security_group(
        GroupName="cl", Description="d", VpcId=VPC, TagSpecifications=tag_spec("security-group", a="b")
    )["GroupId"]

    def rule(protocol: str) -> dict[str, Any]:
        return {"IpProtocol": protocol, "FromPort": 53, "ToPort": 53, "IpRanges": [{"CidrIp": "10.1.0.0/16"}]}

    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule("tcp")])
    refused(
        "InvalidPermission.Duplicate", 400, ec2.authorize_security_group_ingress,
        GroupId=group, IpPermissions=[rule("udp"), rule("tcp")],
    )  # fmt: skip
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    assert [(r["IpProtocol"], r["FromPort"]) for r in rules if not r["IsEgress"]] == [("tcp", 53)]
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule("tcp")])
    refused(
        "InvalidPermission.NotFound", 400, ec2.revoke_security_group_ingress, GroupId=group, IpPermissions=[rule("tcp")]
    )
    by_tag = [{"Name": "tag:a", "Values": ["b"]}]
    assert ec2.describe_security_groups(Filters=by_tag)["SecurityGroups"] == []  # lags
    seeded.later(5)
    assert len(ec2.describe_security_groups(Filters=by_tag)["SecurityGroups"]) == 1


@pytest.mark.model("A static route to a gateway is shown with origin CreateRoute")
def test_a_static_route_to_the_gateway(seeded: Account) -> None:
    gateways, ec2 = Gateways.of(seeded), seeded.client("ec2")
    table = ec2.create_route_table(VpcId=VPC)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.1.0.0/16", GatewayId=gateways.vgw)
    shown = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert {
        "DestinationCidrBlock": "10.1.0.0/16",
        "GatewayId": gateways.vgw,
        "Origin": "CreateRoute",
        "State": "active",
    } in shown
    ((prefix, target),) = seeded.cloud.facts().route_tables[table].static
    assert (str(prefix), target) == ("10.1.0.0/16", gateways.vgw)


@pytest.mark.model("DescribeTags finds gateways by a tag's key")
@pytest.mark.documentation("An object that does not exist cannot be tagged")
def test_tags_find_everything(seeded: Account) -> None:
    gateways, ec2 = Gateways.of(seeded), seeded.client("ec2")
    ec2.create_tags(Resources=[gateways.vgw, gateways.cgw], Tags=[{"Key": "mine", "Value": "x"}])
    found = ec2.describe_tags(Filters=[{"Name": "key", "Values": ["mine"]}])["Tags"]
    assert {(t["ResourceId"], t["ResourceType"]) for t in found} == {
        (gateways.vgw, "vpn-gateway"),
        (gateways.cgw, "customer-gateway"),
    }
    with pytest.raises(ClientError, match="NotFound"):
        ec2.create_tags(Resources=["vpn-0fffffffffffffff0"], Tags=[{"Key": "mine", "Value": "x"}])
