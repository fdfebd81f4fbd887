"""What must not arrive over a transit gateway: a table of the link's own and blackhole routes, on a gateway that it makes itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from cloudlink.checks.report import Health
from cloudlink.core.plan import Action
from cloudlink.errors import ConflictError, Interrupted, Severity
from cloudlink.link import Link
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.process import Sandbox
from tests.steps.test_transit_gateway import GATEWAY, allowed, asked, config, drifted, ec2_of, learned_by_azure
from tests.support.built_link import Killed
from tests.support.life import Life, Memory

UNUSED, OTHER_VNET = IPv4Network("100.64.0.0/16"), IPv4Network("10.30.0.0/16")
BLACKHOLES = "aws_vpn.blackholes"


def kept_out(link: Link, *ranges: IPv4Network) -> Link:
    return replace(link, aws=replace(link.aws, limit_routes=True, blackholes=tuple(sorted(ranges))))


@pytest.fixture
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """The VPC has a second range, in which nothing of the link lies. Over a gateway that is made, or the parameter's."""
    sandbox = Sandbox(tmp_path_factory.mktemp("blackholes"), speed=0, durations=Durations(exact=True))
    sandbox.start()
    made = Life(sandbox, config(getattr(request, "param", "create-transit")))
    ec2_of(made).associate_vpc_cidr_block(VpcId=made.link.aws.vpc_id, CidrBlock=str(UNUSED))
    made.clock.wait(60)
    yield made
    sandbox.stop()


def tables(life: Life) -> dict[bool, str]:
    """Whether it is the gateway's default table -> its id."""
    found = ec2_of(life).describe_transit_gateway_route_tables()["TransitGatewayRouteTables"]
    there = [t for t in found if t["State"] != "deleted"]
    return {bool(t["DefaultAssociationRouteTable"]): str(t["TransitGatewayRouteTableId"]) for t in there}


def blackholes(life: Life, *, default: bool) -> set[str]:
    answer = ec2_of(life).search_transit_gateway_routes(
        TransitGatewayRouteTableId=tables(life)[default], Filters=[{"Name": "type", "Values": ["static"]}]
    )
    return {str(r["DestinationCidrBlock"]) for r in answer["Routes"] if r["State"] == "blackhole"}


def obstacles(life: Life) -> set[str]:
    life.plan()
    return {f.summary for f in life.found if f.severity is Severity.OBSTACLE}


def test_a_life_of_blackholes_on_a_gateway_of_its_own(life: Life) -> None:
    life.link = replace(life.link, aws=replace(life.link.aws, limit_routes=True))
    life.up()
    life.clock.wait(600)
    assert learned_by_azure(life) == {str(UNUSED)}, "a table of its own keeps other VPCs out, not the VPC's own ranges"
    assert life.up().writes == ()

    life.link = kept_out(life.link, UNUSED, OTHER_VNET)
    plan = life.up()
    assert {c.address: c.action for c in plan.writes} == {BLACKHOLES: Action.CREATE}
    calls = asked(life.calls())
    assert calls <= allowed(life, "up") and "ec2:CreateTransitGatewayRoute" in calls
    life.clock.wait(600)
    both = {str(UNUSED), str(OTHER_VNET)}
    assert blackholes(life, default=False) == both == blackholes(life, default=True)
    assert learned_by_azure(life) == set(), "what is a blackhole is not announced"
    status = life.status()
    assert status.health is Health.HEALTHY, status
    assert life.up().writes == ()
    assert obstacles(life) == set(), "its own blackholes are in nobody's way"

    life.store = Memory()  # the state file is lost
    assert {c.action for c in life.up().changes} == {Action.NO_OP}

    # somebody takes one away
    own = tables(life)[False]
    ec2_of(life).delete_transit_gateway_route(TransitGatewayRouteTableId=own, DestinationCidrBlock=str(UNUSED))
    life.clock.wait(60)
    assert drifted(life) == {BLACKHOLES}
    assert {c.address for c in life.up().writes} == {BLACKHOLES}
    assert blackholes(life, default=False) == both

    # one is configured no more, then none
    life.link = kept_out(life.link, UNUSED)
    assert {c.address: c.action for c in life.up().writes} == {BLACKHOLES: Action.UPDATE}
    assert blackholes(life, default=False) == {str(UNUSED)} == blackholes(life, default=True)
    life.link = kept_out(life.link)
    assert {c.address: c.action for c in life.up().writes} == {BLACKHOLES: Action.DELETE}
    assert blackholes(life, default=False) == set() == blackholes(life, default=True)

    life.link = kept_out(life.link, UNUSED)
    life.up()
    life.store = Memory()
    life.teardown()
    assert asked(life.calls()) <= allowed(life, "teardown")
    life.clock.wait(7200)
    assert ec2_of(life).describe_transit_gateways()["TransitGateways"] == []


@pytest.mark.parametrize("life", [GATEWAY], indirect=True)
def test_on_a_gateway_of_somebody_elses_only_the_links_own_table_gets_them(life: Life) -> None:
    life.link = kept_out(life.link, UNUSED, OTHER_VNET)
    life.up()
    life.clock.wait(600)
    assert blackholes(life, default=False) == {str(UNUSED), str(OTHER_VNET)}
    assert blackholes(life, default=True) == set()
    assert life.status().health is Health.HEALTHY
    life.teardown()
    life.clock.wait(7200)
    assert set(tables(life)) == {True}


@pytest.mark.parametrize("dies_at", ["add_blackhole", "take_blackhole"])
def test_killed_between_two_of_them_and_run_again(life: Life, dies_at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from cloudlink.clouds.aws import gateways

    life.link = kept_out(life.link, UNUSED, OTHER_VNET)
    if dies_at == "take_blackhole":
        life.up()
    calls: list[Any] = []
    really = getattr(gateways, dies_at)

    def dying(*arguments: Any) -> None:
        calls.append(arguments)
        really(*arguments)
        if len(calls) == 2:
            raise Killed

    monkeypatch.setattr(gateways, dies_at, dying)
    with pytest.raises((Killed, Interrupted)):
        life.up() if dies_at == "add_blackhole" else life.teardown()
    monkeypatch.undo()
    assert len(calls) == 2
    life.clock = life.new_clock()  # the run's own was stopped
    life.clock.wait(900)
    if dies_at == "add_blackhole":
        life.up()
        life.clock.wait(600)
        assert blackholes(life, default=False) == {str(UNUSED), str(OTHER_VNET)} == blackholes(life, default=True)
        assert life.up().writes == ()
    life.teardown()
    life.clock.wait(7200)
    assert ec2_of(life).describe_transit_gateways()["TransitGateways"] == []


def test_a_route_of_somebody_elses_for_the_range_stays_and_is_named(life: Life) -> None:
    life.link = replace(life.link, aws=replace(life.link.aws, limit_routes=True))
    life.up()
    life.clock.wait(600)
    ec2, at = ec2_of(life), tables(life)[False]
    (mine,) = (
        a["TransitGatewayAttachmentId"]
        for a in ec2.describe_transit_gateway_vpc_attachments()["TransitGatewayVpcAttachments"]
        if a["VpcId"] == life.link.aws.vpc_id
    )
    route = {"TransitGatewayRouteTableId": at, "DestinationCidrBlock": str(OTHER_VNET)}
    ec2.create_transit_gateway_route(**route, TransitGatewayAttachmentId=mine)
    life.link = kept_out(life.link, OTHER_VNET)
    with pytest.raises(ConflictError, match=str(OTHER_VNET)):
        life.up()
    answer = ec2.search_transit_gateway_routes(
        TransitGatewayRouteTableId=at, Filters=[{"Name": "type", "Values": ["static"]}]
    )
    assert [r["State"] for r in answer["Routes"]] == ["active"]


def test_what_the_link_is_for_is_not_cut_off(life: Life) -> None:
    for range_ in ("10.10.0.0/16", "10.20.0.0/16", "10.20.0.0/20"):
        life.link = kept_out(life.link, IPv4Network(range_))
        assert obstacles(life) == {"A blackhole route would cut off a part of the link"}, range_
    # a wider one is passed over by what is propagated, and one in which nothing lies cuts nothing
    for range_ in ("10.0.0.0/8", str(UNUSED), str(OTHER_VNET)):
        life.link = kept_out(life.link, IPv4Network(range_))
        assert obstacles(life) == set(), range_
