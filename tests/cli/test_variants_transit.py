"""A link through somebody's transit gateway, as a user has it: each command either works over it or says that it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.cli import Cli, Result, make_cli

GATEWAY = "tgw-0aaaabbbbccccdddd"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with make_cli(tmp_path_factory.mktemp("transit"), speed=200) as made:
        made.replace('# gateway = "create"', f'gateway = "{GATEWAY}"')
        yield made


@pytest.fixture(scope="module")
def built(place: Cli) -> Result:
    return place.cloudlink("up")


def test_up_builds_and_asks_the_names(place: Cli, built: Result) -> None:
    assert built.code == 0, built.out + built.err
    connections = place.clouds().aws.ec2.describe_vpn_connections()["VpnConnections"]
    assert {c["TransitGatewayId"] for c in connections if c["State"] == "available"} == {GATEWAY}
    assert place.cloudlink("verify-dns").code == 0


def test_what_others_have_in_its_table_is_told_beforehand_and_afterwards(place: Cli, built: Result) -> None:
    """Another VPC is attached: Azure learns its range too, which is no fault of the link."""
    assert built.code == 0
    place.control("POST", "clock", {"advance": 600})
    ec2 = place.clouds().aws.ec2
    (other,) = (
        a
        for a in ec2.describe_transit_gateway_vpc_attachments()["TransitGatewayVpcAttachments"]
        if a["VpcId"] != place.link.aws.vpc_id
    )
    (range_,) = (v["CidrBlock"] for v in ec2.describe_vpcs(VpcIds=[other["VpcId"]])["Vpcs"])
    owner = f"VPC {other['VpcId']} ({other['TransitGatewayAttachmentId']})"
    for command in ("plan", "status"):
        done = place.cloudlink(command, "--json")
        assert done.code == 0, done.out
        told = {(a["side"], a["range"]): a["owner"] for a in done.json["also_learned"]}
        assert told == {("azure", range_): owner}
    assert "Nothing that others have in the route tables" in " ".join(place.cloudlink("plan").out.split())


def test_status_says_through_what(place: Cli, built: Result) -> None:
    assert built.code == 0
    place.control("POST", "clock", {"advance": 600})
    said = place.cloudlink("status")
    assert said.code == 0, said.out
    assert "transit gateway" in said.out
    told = {c["name"]: c for c in place.cloudlink("status", "--json").json["checks"]}
    assert told["transit"]["outcome"] == "passed" and GATEWAY in told["transit"]["detail"]


def test_a_name_does_not_answer_without_the_way_back(place: Cli, built: Result) -> None:
    """The VPC's ranges are taken out of the transit gateway's table: Azure is told nothing, and the sandbox drops the packets."""
    assert built.code == 0
    ec2 = place.clouds().aws.ec2
    (attachment,) = (
        a["TransitGatewayAttachmentId"]
        for a in ec2.describe_transit_gateway_vpc_attachments()["TransitGatewayVpcAttachments"]
        if a["VpcId"] == place.link.aws.vpc_id
    )
    (table,) = ec2.get_transit_gateway_attachment_propagations(TransitGatewayAttachmentId=attachment)[
        "TransitGatewayAttachmentPropagations"
    ]
    ec2.disable_transit_gateway_route_table_propagation(
        TransitGatewayAttachmentId=attachment, TransitGatewayRouteTableId=table["TransitGatewayRouteTableId"]
    )
    place.control("POST", "clock", {"advance": 600})
    asked = place.cloudlink("verify-dns", "--json")
    assert asked.code != 0
    assert place.cloudlink("status").code != 0
    repaired = place.cloudlink("up", "--json")
    assert repaired.code == 0, repaired.out
    done = {line["address"] for line in repaired.lines if line["type"] == "done" and line.get("changed")}
    assert done == {"aws_vpn.propagation[0]"}
    place.control("POST", "clock", {"advance": 600})


def test_a_second_up_writes_nothing(place: Cli, built: Result) -> None:
    assert built.code == 0
    before = place.writes()
    assert place.cloudlink("up").code == 0
    assert place.writes() == before


def test_day_two(place: Cli, built: Result) -> None:
    assert built.code == 0
    rotated = place.cloudlink("rotate-keys")
    assert rotated.code == 0, rotated.out + rotated.err
    place.control("POST", "clock", {"advance": 600})
    on = place.cloudlink("logs", "--on", "--tunnel", "2", "--json")
    assert on.code == 0, on.out + on.err
    place.control("POST", "clock", {"advance": 600})
    tested = place.cloudlink("test")
    assert tested.code == 0, tested.out + tested.err
    allowed = json.dumps(place.cloudlink("permissions", "--json").json)
    for action in ("CreateTransitGatewayVpcAttachment", "EnableTransitGatewayRouteTablePropagation", "CreateRoute"):
        assert f"ec2:{action}" in allowed


def test_teardown_leaves_what_is_others(place: Cli, built: Result) -> None:
    """Last in this module."""
    assert built.code == 0
    down = place.cloudlink("teardown", "--json")
    assert down.code == 0, down.out + down.err
    report = down.lines[-1]["teardown"]
    assert not report["leftovers"]
    assert {k["address"]: k["detail"] for k in report["kept"]}["aws_vpn.gateway"] == GATEWAY
    ec2 = place.clouds().aws.ec2
    (gateway,) = ec2.describe_transit_gateways()["TransitGateways"]
    assert (gateway["TransitGatewayId"], gateway["State"]) == (GATEWAY, "available")
    live = [
        a for a in ec2.describe_transit_gateway_attachments()["TransitGatewayAttachments"] if a["State"] != "deleted"
    ]
    assert [a["ResourceType"] for a in live] == ["vpc"] and live[0]["ResourceId"] != place.link.aws.vpc_id
    tables = ec2.describe_route_tables()["RouteTables"]
    assert not any(r.get("TransitGatewayId") for t in tables for r in t["Routes"])
