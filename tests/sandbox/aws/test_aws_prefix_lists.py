"""Managed prefix lists: their versions, and what refers to them."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from aws_account import VPC, Account, refused, tag_spec


def made(ec2: Any, *ranges: str, most: int = 5, **more: Any) -> dict[str, Any]:
    entries = [{"Cidr": r, "Description": "x"} for r in ranges]
    asked = {"PrefixListName": "azure", "MaxEntries": most, "AddressFamily": "IPv4", "Entries": entries, **more}
    return dict(ec2.create_managed_prefix_list(**asked)["PrefixList"])


def entries(ec2: Any, list_id: str, **more: Any) -> list[str]:
    return [e["Cidr"] for e in ec2.get_managed_prefix_list_entries(PrefixListId=list_id, **more)["Entries"]]


@pytest.mark.documentation("A managed prefix list has versions: a change names the one that it changes")
def test_life_of_a_prefix_list(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    first = made(ec2, "10.8.0.0/16", TagSpecifications=tag_spec("prefix-list", team="net"))
    id_ = first["PrefixListId"]
    assert (first["State"], first["Version"], first["MaxEntries"]) == ("create-in-progress", 1, 5)
    (shown,) = ec2.describe_managed_prefix_lists(PrefixListIds=[id_])["PrefixLists"]
    assert (shown["State"], shown["Tags"]) == ("create-complete", [{"Key": "team", "Value": "net"}])
    changed = ec2.modify_managed_prefix_list(
        PrefixListId=id_,
        CurrentVersion=1,
        AddEntries=[{"Cidr": "10.9.0.0/16"}],
        RemoveEntries=[{"Cidr": "10.8.0.0/16"}],
    )["PrefixList"]
    assert (changed["State"], changed["Version"]) == ("modify-in-progress", 2)
    assert (entries(ec2, id_), entries(ec2, id_, TargetVersion=1)) == (["10.9.0.0/16"], ["10.8.0.0/16"])
    names = {"Name": "prefix-list-name", "Values": ["azure"]}
    assert [p["PrefixListId"] for p in ec2.describe_managed_prefix_lists(Filters=[names])["PrefixLists"]] == [id_]
    ec2.delete_managed_prefix_list(PrefixListId=id_)
    refused("InvalidPrefixListID.NotFound", 400, ec2.get_managed_prefix_list_entries, PrefixListId=id_)


@pytest.mark.belief("The codes of prefix lists that are refused")
def test_prefix_lists_refuse(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    for code, ranges, most in (
        ("PrefixListMaxEntriesExceeded", ["10.8.0.0/16", "10.9.0.0/16"], 1),
        ("InvalidParameterValue", ["10.8.0.0/16", "10.8.0.0/16"], 5),
        ("InvalidParameterValue", ["10.8.0.1/16"], 5),
        ("InvalidParameterValue", ["2001:db8::/32"], 5),
        ("InvalidParameterValue", [], 1001),
    ):
        refused(code, 400, partial(made, ec2, *ranges, most=most))
    refused("InvalidParameterValue", 400, partial(made, ec2, PrefixListName="com.amazonaws.mine"))
    id_ = made(ec2, "10.8.0.0/16")["PrefixListId"]
    add = {"PrefixListId": id_, "AddEntries": [{"Cidr": "10.9.0.0/16"}]}
    refused("MissingParameter", 400, ec2.modify_managed_prefix_list, **add)
    refused("PrefixListVersionMismatch", 400, ec2.modify_managed_prefix_list, **add, CurrentVersion=7)
    refused("InvalidParameterCombination", 400, ec2.modify_managed_prefix_list, **add, CurrentVersion=1, MaxEntries=9)
    own = next(p for p in ec2.describe_managed_prefix_lists()["PrefixLists"] if p["OwnerId"] == "AWS")
    refused("UnauthorizedOperation", 403, ec2.delete_managed_prefix_list, PrefixListId=own["PrefixListId"])
    refused("InvalidPrefixListID.Malformed", 400, ec2.delete_managed_prefix_list, PrefixListId="sg-1")


@pytest.mark.documentation("Routes and rules name a prefix list, which stays for as long as they do")
def test_what_names_a_prefix_list(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    id_ = made(ec2, "10.8.0.0/16", "10.9.0.0/16")["PrefixListId"]
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=VPC)["GroupId"]
    permission = {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "PrefixListIds": [{"PrefixListId": id_}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [VPC]}])["RouteTables"][0]["RouteTableId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=VPC)
    ec2.create_route(RouteTableId=table, DestinationPrefixListId=id_, GatewayId=gateway)
    routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert id_ in [r.get("DestinationPrefixListId") for r in routes]
    refused("DependencyViolation", 400, ec2.delete_managed_prefix_list, PrefixListId=id_)
    ec2.delete_route(RouteTableId=table, DestinationPrefixListId=id_)
    refused("DependencyViolation", 400, ec2.delete_managed_prefix_list, PrefixListId=id_)
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[permission])
    ec2.delete_managed_prefix_list(PrefixListId=id_)
    refused(
        "InvalidPrefixListID.NotFound", 400, ec2.create_route,
        RouteTableId=table, DestinationPrefixListId=id_, GatewayId=gateway,
    )  # fmt: skip
    refused(
        "InvalidPrefixListID.NotFound", 400, ec2.authorize_security_group_ingress,
        GroupId=group, IpPermissions=[permission],
    )  # fmt: skip


@pytest.mark.own("A rule that names a list lets in what is in it now")
def test_packets_go_by_what_is_in_the_list(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    id_ = made(ec2, "10.8.0.0/16")["PrefixListId"]
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=VPC)["GroupId"]
    permission = {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "PrefixListIds": [{"PrefixListId": id_}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    subnets = seeded.client("eks").describe_cluster(name="prod")["cluster"]["resourcesVpcConfig"]["subnetIds"][:2]
    seeded.client("route53resolver").create_resolver_endpoint(
        CreatorRequestId="one", Direction="INBOUND", SecurityGroupIds=[group], IpAddresses=[{"SubnetId": s} for s in subnets]
    )  # fmt: skip
    seeded.later(90)
    assert {str(s) for s in sources(seeded)} == {"10.8.0.0/16"}
    ec2.modify_managed_prefix_list(PrefixListId=id_, CurrentVersion=1, AddEntries=[{"Cidr": "10.9.0.0/16"}])
    assert {str(s) for s in sources(seeded)} == {"10.8.0.0/16", "10.9.0.0/16"}


def sources(account: Account) -> set[Any]:
    """Of the rules of the endpoint's interfaces, as the world sees them."""
    return {
        rule.source
        for interface in account.cloud.facts().interfaces
        if interface.rules is not None
        for rule in interface.rules
        if (rule.from_port, rule.to_port) == (53, 53)
    }
