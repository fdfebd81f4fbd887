"""Names over what somebody else has joined: each kind of wire through plan, up, status, drift, a lost state and teardown.

Both clouds in this process; pods are real programs, so waits take some real time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.report import Health, Outcome
from cloudlink.config import parse
from cloudlink.core.events import Failed
from cloudlink.core.plan import Action
from cloudlink.errors import Severity, UnhealthyError
from cloudlink.link import Link
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.process import Sandbox
from tests.support.config_texts import config_text
from tests.support.life import Life, Memory

CONFIG = config_text(
    "joined",
    link='transport = "existing"',
    resource_group="test",
    gateway="",
    zone="aws.corp.example",
    host='load_balancer = "app-alb"',
    sandbox='wire = "{wire}"',
)
MOST_CALLS = 61  # of the first up, without the polls of its pod
MOST_SECONDS = 240.0
CARRIERS = {
    "vpn": ("VPN gateway wan-gateway", "2 VPN connections"),
    "transit-gateway": ("VPN gateway wan-gateway", "transit gateway tgw-"),
    "expressroute": ("ExpressRoute gateway wan-gateway", "Direct Connect"),
}


ASKED = {  # what is not behind a route of the VPC's tables is nothing to ask about
    "vpn": {"aws DescribeVpnGateways", "aws DescribeVpnConnections"},
    "transit-gateway": {"aws DescribeVpnConnections"},
    "expressroute": {"aws DescribeVpnGateways", "aws DescribeVpnConnections"},
}


def config(wire: str) -> Link:
    return parse(CONFIG.format(wire=wire), "config.toml", sandbox=True)


def started(folder: Path, wire: str) -> tuple[Sandbox, Life]:
    sandbox = Sandbox(folder, speed=0, durations=Durations(exact=True))
    sandbox.start()
    return sandbox, Life(sandbox, config(wire), pause=0.15)


@pytest.fixture(scope="module", params=list(CARRIERS))
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    sandbox, made = started(tmp_path_factory.mktemp("wire"), request.param)
    yield made
    sandbox.stop()


@pytest.fixture(scope="module")
def transit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    sandbox, made = started(tmp_path_factory.mktemp("transit"), "transit-gateway")
    yield made
    sandbox.stop()


def obstacles(life: Life) -> dict[str, str]:
    life.plan()
    return {f.summary: f"{f.detail} {f.hint}" for f in life.found if f.severity is Severity.OBSTACLE}


def theirs(life: Life) -> str:
    """Everything of somebody else's that carries the packets."""
    clouds = life.clouds()
    ec2 = clouds.aws.ec2
    seen: list[Any] = [
        ec2.describe_vpn_gateways()["VpnGateways"],
        [c["VpnConnectionId"] for c in ec2.describe_vpn_connections()["VpnConnections"]],
        ec2.describe_customer_gateways()["CustomerGateways"],
        ec2.describe_route_tables()["RouteTables"],
        ec2.describe_transit_gateways()["TransitGateways"],
        sorted(str(r.id) for r in clouds.azure.resources.resources.list()),
    ]
    return json.dumps(seen, default=str, sort_keys=True)


def test_a_life_over_each_kind_of_wire(life: Life) -> None:
    wire = life.link.sandbox.wire if life.link.sandbox else None
    assert wire is not None
    before = theirs(life)
    begun = life.clock.now()
    plan = life.up()
    calls, took = life.calls(), life.clock.now() - begun
    assert {f.summary for f in life.found} <= {"What the link costs"}
    assert {c.address for c in plan.changes if c.action is Action.CREATE} == {
        "resolver.security_group",
        "resolver.ingress",
        "resolver.endpoint",
        "resolver.zone",
        "resolver.records",
        "dns_forward.forward",
    }
    assert not any(c.step in ("aws_vpn", "azure_vpn") for c in plan.changes)
    assert took < MOST_SECONDS
    status = life.status()
    assert status.health is Health.HEALTHY, status
    assert status.verdict.startswith("Link: not made by cloudlink")
    assert all(word in status.verdict for word in CARRIERS[wire])
    assert status.tunnels == ()
    assert "aws.corp.example to" in status.forward
    polls = calls["aks GET pods"]  # as many as the machine is busy
    assert calls.total() - polls <= MOST_CALLS, calls.most_common()
    asked = {what for what in ("aws DescribeVpnGateways", "aws DescribeVpnConnections") if calls[what]}
    assert asked == ASKED[wire]

    life.store = Memory()  # the state file is lost
    assert {c.action for c in life.up().changes} == {Action.NO_OP}

    # somebody takes a record away
    zone = next(o.id for a, o in life.store.held.items() if a == "resolver.zone")
    route53 = life.clouds().aws.route53
    record = next(
        r
        for r in route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        if r["Name"].startswith("app.")
    )
    changes = [{"Action": "DELETE", "ResourceRecordSet": record}]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    drifted = life.status()
    assert drifted.health is Health.DEGRADED
    assert [d.address for d in drifted.drift] == ["resolver.records"]
    life.up()

    # somebody takes the whole of an object away: that is no run that was interrupted
    ec2, group = life.clouds().aws.ec2, life.store.held["resolver.security_group"].id
    rules = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rules)
    drifted = life.status()
    assert [(d.address, d.by_hand) for d in drifted.drift] == [("resolver.ingress", True)]
    assert "interrupted" not in drifted.advice.cause
    life.up()
    assert life.status().health is Health.HEALTHY

    life.teardown()
    assert life.status().health is Health.ABSENT
    assert theirs(life) == before


def test_without_a_wire_neither_way_is_there(tmp_path: Path) -> None:
    sandbox, life = started(tmp_path / "none", "none")
    try:
        found = obstacles(life)
    finally:
        sandbox.stop()
    assert "Nothing joins test-vnet" in found["Azure has no way to the VPC"]
    assert "has no route to" in found["AWS has no way back to Azure"]
    assert "aws ec2 describe-transit-gateway-attachments" in found["AWS has no way back to Azure"]


def test_a_way_back_that_is_missing_in_the_transit_gateways_table_is_named(transit: Life) -> None:
    ec2 = transit.clouds().aws.ec2
    (table,) = ec2.describe_transit_gateway_route_tables()["TransitGatewayRouteTables"]
    vpns = [
        a["TransitGatewayAttachmentId"]
        for a in ec2.describe_transit_gateway_attachments()["TransitGatewayAttachments"]
        if a["ResourceType"] == "vpn"
    ]
    for attachment in vpns:
        ec2.disable_transit_gateway_route_table_propagation(
            TransitGatewayRouteTableId=table["TransitGatewayRouteTableId"], TransitGatewayAttachmentId=attachment
        )
    transit.clock.wait(300)
    found = obstacles(transit)
    assert list(found) == ["AWS has no way back to Azure"]
    assert table["TransitGatewayRouteTableId"] in found["AWS has no way back to Azure"]
    assert "enable-transit-gateway-route-table-propagation" in found["AWS has no way back to Azure"]
    for attachment in vpns:
        ec2.enable_transit_gateway_route_table_propagation(
            TransitGatewayRouteTableId=table["TransitGatewayRouteTableId"], TransitGatewayAttachmentId=attachment
        )
    transit.clock.wait(300)
    assert obstacles(transit) == {}


def test_a_route_of_the_cluster_that_leads_away_is_an_obstacle(transit: Life) -> None:
    ec2 = transit.clouds().aws.ec2
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [transit.link.aws.vpc_id]}])["RouteTables"]
    one = next(t for t in tables if any(a.get("SubnetId") for a in t["Associations"]))
    route = next(r for r in one["Routes"] if r.get("TransitGatewayId"))
    cidr = route["DestinationCidrBlock"]
    ec2.delete_route(RouteTableId=one["RouteTableId"], DestinationCidrBlock=cidr)
    found = obstacles(transit)
    assert one["RouteTableId"] in found["AWS has no way back to Azure"]
    assert "aws ec2 create-route" in found["AWS has no way back to Azure"]
    ec2.create_route(
        RouteTableId=one["RouteTableId"], DestinationCidrBlock=cidr, TransitGatewayId=route["TransitGatewayId"]
    )
    assert obstacles(transit) == {}


def test_coredns_gets_no_zone_while_a_pod_does_not_reach_the_endpoint(transit: Life) -> None:
    """What neither cloud's routes show: a packet is dropped on the way. The next run goes on where this one stopped."""
    plan, engine = transit.plan()
    ec2 = transit.clouds().aws.ec2
    acls = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [transit.link.aws.vpc_id]}])["NetworkAcls"]
    entry = {"RuleNumber": 10, "Egress": False, "NetworkAclId": acls[0]["NetworkAclId"]}
    ec2.create_network_acl_entry(
        **entry, Protocol="17", RuleAction="deny", CidrBlock="0.0.0.0/0", PortRange={"From": 53, "To": 53}
    )
    failed: list[Failed] = []
    with pytest.raises(UnhealthyError):
        for event in engine.apply(plan):
            failed += [event] if isinstance(event, Failed) else []
    (said,) = failed
    assert said.address == "dns_forward.forward"
    assert "udp: timeout" in said.error.detail
    assert "CoreDNS was not told" in said.error.detail
    keys = transit.clouds().aks.config_map("kube-system", "coredns-custom").get("data") or {}
    assert not any("joined" in key for key in keys)

    ec2.delete_network_acl_entry(**entry)
    left = transit.up()
    assert [c.address for c in left.changes if c.action is Action.CREATE] == ["dns_forward.forward"]
    assert transit.status().health is Health.HEALTHY
    transit.teardown()


def test_status_of_a_wire_that_is_cut_says_down_and_where(tmp_path: Path) -> None:
    sandbox, life = started(tmp_path / "cut", "transit-gateway")
    try:
        life.up()
        ec2 = life.clouds().aws.ec2
        for one in ec2.describe_transit_gateway_attachments()["TransitGatewayAttachments"]:
            if one["ResourceType"] == "vpn":
                ec2.delete_vpn_connection(VpnConnectionId=one["ResourceId"])
        life.clock.wait(3_600)
        status = life.status()
        assert status.health is Health.DOWN
        assert "does not let packets pass" in status.verdict
        failed = {c.name for c in status.checks if c.outcome is Outcome.FAILED}
        assert {"routes-azure", "routes-aws"} <= failed
        assert status.path[0].outcome is Outcome.FAILED
        # names are let go first, whatever the path is like
        life.teardown()
        assert life.status().health is Health.ABSENT
    finally:
        sandbox.stop()
