"""A transit gateway in the place of a virtual private one: the whole life of a link through it, over both clouds in this process,
and what is found in its way before the first write.

What others have made (the gateway, other VPCs on it, their attachments, routes and choices) is there before and afterwards.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from cloudlink.checks.report import Health, Outcome
from cloudlink.config import parse
from cloudlink.core.plan import Action
from cloudlink.errors import ConflictError, Severity
from cloudlink.link import Link
from cloudlink.sandbox_world import description
from cloudlink.steps.least_permissions import least
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.process import Sandbox
from tests.support.config_texts import config_text
from tests.support.life import Life, Memory

GATEWAY = "tgw-0aaaabbbbccccdddd"
CONFIG = config_text(
    "through",
    aws='gateway = "{gateway}"\nasn = {asn}',
    resource_group="test",
    zone="aws.corp.example",
    host='load_balancer = "app-alb"',
)
MOST_CALLS = 170  # of the first up
VNET, VPC_RANGE = "10.20.0.0/16", "10.10.0.0/16"


def config(gateway: str = GATEWAY, asn: int = 64_512) -> Link:
    return parse(CONFIG.format(gateway=gateway, asn=asn), "config.toml", sandbox=True)


Begin = Callable[..., Life]


@pytest.fixture(scope="module")
def begin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begin]:
    running: list[Sandbox] = []

    def made(link: Link | None = None, **gateway: Any) -> Life:
        """gateway: of the transit gateway in the world file."""
        while running:
            running.pop().stop()
        sandbox = Sandbox(tmp_path_factory.mktemp("transit"), speed=0, durations=Durations(exact=True))
        sandbox.start()
        running.append(sandbox)
        life = Life.__new__(Life)
        chosen = link or config()
        world = description(chosen)
        if gateway:
            world["aws"]["transit_gateway"] |= gateway
        from cloudlink_sandbox.world_file import parse as world_of

        sandbox.seed(world_of(world))
        life.__init__(sandbox, chosen)  # type: ignore[misc]
        return life

    yield made
    while running:
        running.pop().stop()


def ec2_of(life: Life) -> Any:
    return life.clouds().aws.ec2


def theirs(life: Life) -> str:
    """Everything of AWS's network that does not carry our tags."""
    ec2 = ec2_of(life)

    def foreign(items: list[Any]) -> list[Any]:
        kept = [i for i in items if i.get("State") != "deleted"]
        return [i for i in kept if not any(t["Key"].startswith("cloudlink-") for t in i.get("Tags") or ())]

    attachments = [
        a
        for a in foreign(ec2.describe_transit_gateway_attachments()["TransitGatewayAttachments"])
        if a["ResourceType"] == "vpc"
    ]
    seen: list[Any] = [
        foreign(ec2.describe_vpn_gateways()["VpnGateways"]),
        ec2.describe_route_tables()["RouteTables"],
        foreign(ec2.describe_transit_gateways()["TransitGateways"]),
        attachments,
        [
            ec2.get_transit_gateway_attachment_propagations(TransitGatewayAttachmentId=a["TransitGatewayAttachmentId"])[
                "TransitGatewayAttachmentPropagations"
            ]
            for a in attachments
        ],
        ec2.describe_transit_gateway_route_tables()["TransitGatewayRouteTables"],
    ]
    return json.dumps(seen, default=str, sort_keys=True)


def routes_to(life: Life, gateway: str = GATEWAY) -> set[tuple[str, str]]:
    tables = ec2_of(life).describe_route_tables()["RouteTables"]
    return {
        (t["RouteTableId"], r["DestinationCidrBlock"])
        for t in tables
        for r in t["Routes"]
        if r.get("TransitGatewayId") == gateway
    }


def table_of(life: Life) -> str:
    (table,) = ec2_of(life).describe_transit_gateway_route_tables()["TransitGatewayRouteTables"]
    return str(table["TransitGatewayRouteTableId"])


def attachments(life: Life, kind: str) -> list[Any]:
    """Live ones of the link: of its VPC, or of VPN connections."""
    found = ec2_of(life).describe_transit_gateway_attachments()["TransitGatewayAttachments"]
    vpc = life.link.aws.vpc_id
    return [
        a
        for a in found
        if a["State"] != "deleted" and a["ResourceType"] == kind and (kind == "vpn" or a["ResourceId"] == vpc)
    ]


def asked(calls: Counter[str]) -> set[str]:
    """What EC2 was asked for, of transit gateways and routes."""
    return {
        f"ec2:{what.split()[1]}" for what in calls if what.startswith("aws ") and ("Transit" in what or "Route" in what)
    } - {f"ec2:{what.split()[1]}" for what in calls if "Resolver" in what or "HostedZone" in what}


def allowed(life: Life, command: str) -> set[str]:
    """What the least permissions of a command allow."""
    return {a.action for a in least(life.link, life.clouds().topology.nodes(), (command,), checks=True)}


def obstacles(life: Life) -> dict[str, str]:
    life.plan()
    return {f.summary: f"{f.detail} {f.hint}" for f in life.found if f.severity is Severity.OBSTACLE}


def drifted(life: Life) -> set[str]:
    return {d.address for d in life.status().drift}


def test_a_life_through_an_adopted_gateway(begin: Begin) -> None:
    life = begin()
    before = theirs(life)
    plan = life.up()
    calls = life.calls()
    assert {f.summary for f in life.found} <= {"What the link costs"}
    assert calls.total() <= MOST_CALLS, calls.most_common()
    assert asked(calls) <= allowed(life, "up")
    assert [a.id for a in plan.adopted if a.address == "aws_vpn.gateway"] == [GATEWAY]
    life.clock.wait(600)

    status = life.status()
    assert asked(life.calls()) <= allowed(life, "status")
    assert status.health is Health.HEALTHY, status
    through = next(c for c in status.checks if c.name == "transit")
    assert (through.outcome, through.detail) == (
        Outcome.PASSED,
        f"{GATEWAY}: to {VNET} over 2 VPN connections, and back to {VPC_RANGE}",
    )
    assert [s.name for s in status.path][:3] == ["tunnels 4/4", "transit gateway", "routes"]
    assert all(t.routes == (VNET,) for t in status.route_tables) and len(status.route_tables) == 2
    (ours,) = attachments(life, "vpc")
    assert {t["Key"] for t in ours["Tags"]} >= {"cloudlink-link", "cloudlink-resource", "Name"}
    assert life.up().writes == ()

    life.store = Memory()  # the state file is lost
    assert {c.action for c in life.up().changes} == {Action.NO_OP}

    _drift(life)

    # a teardown that has no state file either; somebody has come to use the attachment meanwhile
    life.store = Memory()
    (table, range_) = sorted(routes_to(life))[0]
    ec2_of(life).create_route(RouteTableId=table, DestinationCidrBlock="172.28.0.0/16", TransitGatewayId=GATEWAY)
    with pytest.raises(ConflictError, match=r"172\.28\.0\.0"):
        life.teardown()
    assert routes_to(life) == {(table, "172.28.0.0/16")} and range_ == VNET
    assert len(attachments(life, "vpc")) == 1 and attachments(life, "vpn") == []
    ec2_of(life).delete_route(RouteTableId=table, DestinationCidrBlock="172.28.0.0/16")
    life.teardown()
    assert asked(life.calls()) <= allowed(life, "teardown")
    assert theirs(life) == before


def _drift(life: Life) -> None:
    """What somebody changes by hand is shown, and put right by the next up, which changes nothing else."""
    ec2, table = ec2_of(life), table_of(life)
    (vpc,) = attachments(life, "vpc")
    first = attachments(life, "vpn")[0]
    id_, vpn = vpc["TransitGatewayAttachmentId"], first["TransitGatewayAttachmentId"]

    def pair(attachment: str) -> dict[str, str]:
        return {"TransitGatewayRouteTableId": table, "TransitGatewayAttachmentId": attachment}

    gone = sorted(routes_to(life))[0]
    ec2.delete_route(RouteTableId=gone[0], DestinationCidrBlock=gone[1])
    ec2.disable_transit_gateway_route_table_propagation(**pair(id_))
    ec2.disassociate_transit_gateway_route_table(**pair(vpn))
    subnets = ec2.describe_transit_gateway_vpc_attachments()["TransitGatewayVpcAttachments"]
    one = next(a for a in subnets if a["TransitGatewayAttachmentId"] == id_)["SubnetIds"][0]
    ec2.modify_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=id_, RemoveSubnetIds=[one])
    life.clock.wait(600)
    wanted = {"aws_vpn.static_routes", "aws_vpn.propagation[0]", "aws_vpn.attachment"}
    number = next(i for i in (0, 1) if life.store.held[f"aws_vpn.connection[{i}]"].id == first["ResourceId"])
    status = life.status()
    assert {d.address for d in status.drift} == wanted | {f"aws_vpn.association[{number + 1}]"}
    assert status.health is not Health.HEALTHY
    assert next(c for c in status.checks if c.name == "transit").outcome is Outcome.FAILED
    assert status.advice is not None and status.advice.command == "cloudlink up"
    repaired = life.up()
    assert {c.address for c in repaired.writes} == {d.address for d in status.drift}
    life.clock.wait(600)
    assert life.status().health is Health.HEALTHY
    assert drifted(life) == set()


def test_a_teardown_takes_its_own_routes_only(begin: Begin) -> None:
    """Others have a wider route through the same gateway, and one to Azure's range in a table that the link does not use."""
    life = begin()
    ec2 = ec2_of(life)
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [life.link.aws.vpc_id]}])["Subnets"]
    theirs_ = ec2.create_transit_gateway_vpc_attachment(
        TransitGatewayId=GATEWAY, VpcId=life.link.aws.vpc_id, SubnetIds=[subnets[0]["SubnetId"]]
    )["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
    life.clock.wait(600)
    main = next(
        t["RouteTableId"]
        for t in ec2.describe_route_tables()["RouteTables"]
        if t["VpcId"] == life.link.aws.vpc_id and any(a.get("Main") for a in t["Associations"])
    )
    for range_ in ("172.28.0.0/16", VNET):
        ec2.create_route(RouteTableId=main, DestinationCidrBlock=range_, TransitGatewayId=GATEWAY)
    before = theirs(life)
    plan = life.up()
    adopted = {a.address: a.id for a in plan.adopted}
    assert adopted["aws_vpn.attachment"] == theirs_
    assert "leaves out an availability zone" in " ".join(f.summary for f in life.found)
    assert len(routes_to(life)) == 4
    life.clock.wait(600)
    assert life.status().health is Health.HEALTHY
    assert life.up().writes == ()
    life.teardown()
    assert theirs(life) == before


def test_a_gateway_that_puts_nothing_into_a_table(begin: Begin) -> None:
    """Its only table is the right one; associations and propagations on somebody else's attachment are taken away again."""
    life = begin(default_route_table=False, equal_paths=False)
    ec2 = ec2_of(life)
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [life.link.aws.vpc_id]}])["Subnets"]
    zones = {s["AvailabilityZone"]: s["SubnetId"] for s in subnets}
    ec2.create_transit_gateway_vpc_attachment(
        TransitGatewayId=GATEWAY, VpcId=life.link.aws.vpc_id, SubnetIds=list(zones.values())
    )
    life.clock.wait(600)
    before = theirs(life)
    life.up()
    assert "The transit gateway uses one tunnel at a time" in {f.summary for f in life.found}
    life.clock.wait(600)
    status = life.status()
    assert status.health is Health.HEALTHY
    through = next(c for c in status.checks if c.name == "transit")
    assert through.outcome is Outcome.WARNING and "VpnEcmpSupport" in through.detail
    assert {
        a["Association"]["TransitGatewayRouteTableId"] for kind in ("vpc", "vpn") for a in attachments(life, kind)
    } == {table_of(life)}
    assert life.up().writes == ()
    life.teardown()
    life.clock.wait(600)
    assert theirs(life) == before


def test_a_gateway_of_its_own(begin: Begin) -> None:
    life = begin(config("create-transit"))
    before = theirs(life)
    life.up()
    assert life.calls().total() <= MOST_CALLS
    assert {f.summary for f in life.found} <= {"What the link costs"}
    life.clock.wait(600)
    assert life.status().health is Health.HEALTHY
    assert life.up().writes == ()
    (gateway,) = ec2_of(life).describe_transit_gateways()["TransitGateways"]
    ec2_of(life).modify_transit_gateway(
        TransitGatewayId=gateway["TransitGatewayId"], Options={"VpnEcmpSupport": "disable"}
    )
    life.clock.wait(600)
    assert drifted(life) == {"aws_vpn.gateway"}
    assert {c.address for c in life.up().writes} == {"aws_vpn.gateway"}
    assert {f.summary for f in life.found} == set(), "its own routes are in nobody's way"
    life.store = Memory()  # the state file is lost
    life.teardown()
    life.clock.wait(7200)
    assert theirs(life) == before
    assert ec2_of(life).describe_transit_gateways()["TransitGateways"] == []


# --- a table of its own for the VPN connections -----------------------------------------------------------------


def limited(link: Link, on: bool = True) -> Link:
    return replace(link, aws=replace(link.aws, limit_routes=on))


def neighbour(life: Life) -> str:
    """Another VPC on the transit gateway, in its default table. The id of its attachment."""
    ec2 = ec2_of(life)
    other = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=other, CidrBlock="10.77.1.0/24")["Subnet"]["SubnetId"]
    made = ec2.create_transit_gateway_vpc_attachment(TransitGatewayId=GATEWAY, VpcId=other, SubnetIds=[subnet])
    life.clock.wait(600)
    return str(made["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"])


def tables_of_vpn(life: Life) -> set[str]:
    return {a["Association"]["TransitGatewayRouteTableId"] for a in attachments(life, "vpn")}


def own_tables(life: Life) -> set[str]:
    found = ec2_of(life).describe_transit_gateway_route_tables()["TransitGatewayRouteTables"]
    mine = [t for t in found if t["State"] != "deleted" and not t["DefaultAssociationRouteTable"]]
    return {t["TransitGatewayRouteTableId"] for t in mine}


def learned_by_azure(life: Life) -> set[str]:
    """Besides what the link is for."""
    return {row.range for row in life.status().also_learned if row.side == "azure"}


def test_azure_learns_the_vpc_alone_where_the_connections_have_a_table_of_their_own(begin: Begin) -> None:
    life = begin()
    life.link = limited(life.link)
    other = neighbour(life)
    before = theirs(life)
    plan = life.up()
    assert not [row for row in plan.also_learned if row.side == "azure"]
    calls = life.calls()
    assert calls.total() <= MOST_CALLS, calls.most_common()
    assert asked(calls) <= allowed(life, "up")
    life.clock.wait(600)
    (own,) = own_tables(life)
    assert tables_of_vpn(life) == {own}
    status = life.status()
    assert asked(life.calls()) <= allowed(life, "status")
    assert status.health is Health.HEALTHY, status
    assert not [row for row in status.also_learned if row.side == "azure"]
    assert life.up().writes == ()

    life.store = Memory()  # the state file is lost
    assert {c.action for c in life.up().changes} == {Action.NO_OP}

    # somebody takes one connection out of the table, and puts another VPC into it
    ec2 = ec2_of(life)
    vpn = attachments(life, "vpn")[0]["TransitGatewayAttachmentId"]
    ec2.disassociate_transit_gateway_route_table(TransitGatewayRouteTableId=own, TransitGatewayAttachmentId=vpn)
    ec2.enable_transit_gateway_route_table_propagation(TransitGatewayRouteTableId=own, TransitGatewayAttachmentId=other)
    life.clock.wait(600)
    (drift,) = drifted(life)
    assert drift.startswith("aws_vpn.association[")
    assert {c.address for c in life.up().writes} == {drift}
    life.clock.wait(600)
    (row,) = [row for row in life.status().also_learned if row.side == "azure"]
    assert row.range == "10.77.0.0/16" and "link's own route table" in row.limit
    ec2.disable_transit_gateway_route_table_propagation(
        TransitGatewayRouteTableId=own, TransitGatewayAttachmentId=other
    )

    life.store = Memory()
    life.teardown()
    assert asked(life.calls()) <= allowed(life, "teardown")
    life.clock.wait(7200)
    assert own_tables(life) == set()
    assert theirs(life) == before


def test_a_link_that_exists_moves_where_that_is_asked_for_and_back(begin: Begin) -> None:
    life = begin()
    neighbour(life)
    life.up()
    life.clock.wait(600)
    shared = tables_of_vpn(life)
    assert learned_by_azure(life) >= {"10.77.0.0/16"}

    life.link = limited(life.link)
    plan = life.up()
    assert "The VPN connections move to another route table" in {f.summary for f in life.found}
    moved = {"aws_vpn.vpn_table", "aws_vpn.association[1]", "aws_vpn.association[2]", "aws_vpn.propagation[0]"}
    assert {c.address for c in plan.writes} >= moved
    life.clock.wait(600)
    assert tables_of_vpn(life) == own_tables(life) != shared
    assert learned_by_azure(life) == set()
    assert life.status().health is Health.HEALTHY
    assert life.up().writes == ()

    life.link = limited(life.link, on=False)
    plan = life.up()
    assert {c.address: c.action for c in plan.writes}["aws_vpn.vpn_table"] is Action.DELETE
    assert "The VPN connections move to another route table" in {f.summary for f in life.found}
    life.clock.wait(600)
    assert tables_of_vpn(life) == shared and own_tables(life) == set()
    assert life.status().health is Health.HEALTHY
    assert life.up().writes == ()


# --- found before the first write ----------------------------------------------------------------------------


def test_everything_in_the_way_is_said_at_once(begin: Begin) -> None:
    life = begin(config(asn=64_600))
    ec2 = ec2_of(life)
    ec2.modify_transit_gateway(TransitGatewayId=GATEWAY, Options={"AmazonSideAsn": 64_700})
    life.clock.wait(600)
    # another VPC with our range, and a static route to Azure's range
    other = ec2.create_vpc(CidrBlock="10.10.128.0/17")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=other, CidrBlock="10.10.200.0/24")["Subnet"]["SubnetId"]
    ec2.create_transit_gateway_vpc_attachment(TransitGatewayId=GATEWAY, VpcId=other, SubnetIds=[subnet])
    ec2.create_transit_gateway_route(
        TransitGatewayRouteTableId=table_of(life), DestinationCidrBlock=VNET, Blackhole=True
    )
    # a route of somebody else's over Azure's range in a table of the cluster
    table = next(
        t["RouteTableId"]
        for t in ec2.describe_route_tables()["RouteTables"]
        if t["VpcId"] == life.link.aws.vpc_id and any(a.get("SubnetId") for a in t["Associations"])
    )
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=life.link.aws.vpc_id)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock=VNET, GatewayId=gateway)
    life.clock.wait(600)
    found = obstacles(life)
    assert set(found) == {
        "The transit gateway has another AS number",
        "Another network behind the transit gateway has the same addresses",
        "A static route takes the way back to Azure",
    }
    assert "Set aws.asn = 64700" in found["The transit gateway has another AS number"]
    overlaps = [f.detail for f in life.found if f.summary.startswith("Another network")]
    assert len(overlaps) == 2
    assert any("10.10.128.0/17" in o and "not propagated" in o for o in overlaps)
    assert any("blackhole" in o for o in overlaps)


def test_a_gateway_of_another_account(begin: Begin) -> None:
    life = begin(owner="210987654321")
    found = obstacles(life)
    assert set(found) == {"The transit gateway belongs to another AWS account"}
    (said,) = found.values()
    assert "210987654321" in said and 'link.transport = "existing"' in said


def test_a_gateway_that_is_not_there(begin: Begin) -> None:
    life = begin()
    life.link = config("tgw-0123456789abcdef0")
    assert set(obstacles(life)) == {"The transit gateway does not exist"}


def test_a_right_table_that_cannot_be_told(begin: Begin) -> None:
    life = begin(default_route_table=False)
    ec2_of(life).create_transit_gateway_route_table(TransitGatewayId=GATEWAY)
    life.clock.wait(600)
    assert set(obstacles(life)) == {"The transit gateway has no route table for the link"}


def test_an_attachment_that_waits_to_be_accepted(begin: Begin) -> None:
    life = begin()
    ec2 = ec2_of(life)
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [life.link.aws.vpc_id]}])["Subnets"]
    made = ec2.create_transit_gateway_vpc_attachment(
        TransitGatewayId=GATEWAY, VpcId=life.link.aws.vpc_id, SubnetIds=[subnets[0]["SubnetId"]]
    )["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
    from cloudlink_sandbox.aws.backend import network_of
    from cloudlink_sandbox.aws.timeline import Timeline

    aws = life.sandbox.aws
    with life.sandbox.context.lock:
        store = network_of(aws.account, "eu-central-1")
        store.transit_gateway_attachments[made].life = Timeline.of("pendingAcceptance", aws.now)
    found = obstacles(life)
    assert set(found) == {"The attachment of the VPC waits to be accepted"}
    assert f"accept-transit-gateway-vpc-attachment --region eu-central-1 --transit-gateway-attachment-id {made}" in str(
        found
    )
