"""What a rehearsal reads of a link through a transit gateway: what it tells Azure, and whether its tables lead to the tunnels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

import pytest

from cloudlink.rehearse import stage
from cloudlink.rehearse.answers import Answers, read
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.process import Sandbox
from tests.steps.test_transit_gateway import GATEWAY, allowed, asked, config
from tests.support.life import Life

VPC = IPv4Network("10.10.0.0/16")


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    sandbox = Sandbox(tmp_path_factory.mktemp("transit"), speed=0, durations=Durations(exact=True))
    sandbox.start()
    made = Life(sandbox, config())
    made.up()
    made.clock.wait(600)
    yield made
    sandbox.stop()


def answers(life: Life) -> Answers:
    clouds = life.clouds()
    return read(clouds.link, clouds.aws, clouds.azure, clouds.aks)


def attachment(life: Life) -> str:
    ec2 = life.clouds().aws.ec2
    (own,) = (
        str(a["TransitGatewayAttachmentId"])
        for a in ec2.describe_transit_gateway_vpc_attachments()["TransitGatewayVpcAttachments"]
        if a["VpcId"] == life.link.aws.vpc_id
    )
    return own


def table(life: Life) -> str:
    (found,) = life.clouds().aws.ec2.describe_transit_gateway_route_tables()["TransitGatewayRouteTables"]
    return str(found["TransitGatewayRouteTableId"])


def told(made: stage.Stage) -> str:
    """BIRD's line of the ranges that AWS announces."""
    return next(line for line in made.birds["vgw"].splitlines() if line.startswith("protocol static own"))


def test_four_tunnels_of_the_transit_gateway_and_what_is_in_their_table(life: Life) -> None:
    said = answers(life)
    assert asked(life.calls()) <= allowed(life, "rehearse")
    assert {o.gateway for o in said.offers} == {GATEWAY} and len(said.offers) == 4
    assert {o.asn for o in said.offers} == {64_512} and all(o.key for o in said.offers)
    assert said.announced is not None and VPC in said.announced
    assert len(said.announced) > 1, "another VPC is attached as well, and Azure learns it"
    assert not any(n.subnet_of(IPv4Network("10.20.0.0/16")) for n in said.announced), (
        "nothing goes back where it came from"
    )
    assert all(h.way_back for h in (*said.endpoints, *said.targets))
    made = stage.of(said)
    assert not made.notes and all(str(n) in told(made) for n in said.announced)
    assert "import limit 1000" in made.birds["vgw"]


def test_a_range_that_does_not_propagate_is_not_announced(life: Life) -> None:
    ec2 = life.clouds().aws.ec2
    of: dict[str, Any] = {"TransitGatewayAttachmentId": attachment(life), "TransitGatewayRouteTableId": table(life)}
    ec2.disable_transit_gateway_route_table_propagation(**of)
    life.clock.wait(600)
    try:
        said = answers(life)
        assert VPC not in (said.announced or ())
        assert str(VPC) not in told(stage.of(said))
    finally:
        ec2.enable_transit_gateway_route_table_propagation(**of)
        life.clock.wait(600)


def test_a_route_that_somebody_wrote_leads_elsewhere_than_to_the_tunnels(life: Life) -> None:
    ec2 = life.clouds().aws.ec2
    at = table(life)
    ec2.create_transit_gateway_route(DestinationCidrBlock="10.20.0.0/16", TransitGatewayRouteTableId=at, Blackhole=True)
    try:
        said = answers(life)
        assert not any(h.way_back for h in said.endpoints)
    finally:
        ec2.delete_transit_gateway_route(DestinationCidrBlock="10.20.0.0/16", TransitGatewayRouteTableId=at)
    assert all(h.way_back for h in answers(life).endpoints)


def test_a_host_in_a_zone_without_a_subnet_of_the_attachment_has_no_way_back(life: Life) -> None:
    ec2 = life.clouds().aws.ec2
    (own,) = (
        a
        for a in ec2.describe_transit_gateway_vpc_attachments()["TransitGatewayVpcAttachments"]
        if a["VpcId"] == life.link.aws.vpc_id
    )
    gone = sorted(own["SubnetIds"])[0]
    ec2.modify_transit_gateway_vpc_attachment(
        TransitGatewayAttachmentId=own["TransitGatewayAttachmentId"], RemoveSubnetIds=[gone]
    )
    life.clock.wait(600)
    ways = [h.way_back for h in answers(life).endpoints]
    assert not all(ways) and any(ways), json.dumps(ways)
    life.up()
    life.clock.wait(600)
    assert all(h.way_back for h in answers(life).endpoints)
