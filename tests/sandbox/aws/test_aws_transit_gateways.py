"""Transit gateways: their life, their attachments, their route tables, and which VPCs a VPN connection reaches through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import pytest
from aws_account import REGION, VPC, Account, refused, tag_spec

from cloudlink_sandbox.aws.backend import network_of

ATTACHMENT = "TransitGatewayAttachmentId"
TABLE = "TransitGatewayRouteTableId"


@dataclass
class Transit:
    """A transit gateway with the VPC attached to it, both available."""

    account: Account
    ec2: Any
    id: str
    subnets: list[str]
    vpc: str = ""
    table: str = ""

    def attach(self, **more: Any) -> dict[str, Any]:
        asked = {"TransitGatewayId": self.id, "VpcId": VPC, "SubnetIds": self.subnets, **more}
        return dict(self.ec2.create_transit_gateway_vpc_attachment(**asked)["TransitGatewayVpcAttachment"])

    def attachments(self, **filters: str) -> list[dict[str, Any]]:
        wanted = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
        return list(self.ec2.describe_transit_gateway_attachments(Filters=wanted)["TransitGatewayAttachments"])

    def state(self) -> str:
        return str(self.ec2.describe_transit_gateways(TransitGatewayIds=[self.id])["TransitGateways"][0]["State"])

    def connection(self) -> str:
        asked = {"Type": "ipsec.1", "IpAddress": "20.0.0.1", "BgpAsn": 65_515}
        cgw = self.ec2.create_customer_gateway(**asked)["CustomerGateway"]["CustomerGatewayId"]
        made = self.ec2.create_vpn_connection(Type="ipsec.1", CustomerGatewayId=cgw, TransitGatewayId=self.id)
        return str(made["VpnConnection"]["VpnConnectionId"])

    def routes(self, table: str = "", **more: Any) -> dict[str, tuple[str, str]]:
        """Destination -> (type, state)."""
        filters = [{"Name": "state", "Values": ["active", "blackhole"]}]
        found = self.ec2.search_transit_gateway_routes(
            TransitGatewayRouteTableId=table or self.table, Filters=more.get("filters", filters)
        )["Routes"]
        return {r["DestinationCidrBlock"]: (r["Type"], r["State"]) for r in found}


@pytest.fixture
def bare(seeded: Account) -> Transit:
    ec2 = seeded.client("ec2")
    made = ec2.create_transit_gateway(
        Options={"AmazonSideAsn": 64_600}, TagSpecifications=tag_spec("transit-gateway", mine="yes")
    )["TransitGateway"]
    subnets = seeded.client("eks").describe_cluster(name="prod")["cluster"]["resourcesVpcConfig"]["subnetIds"]
    assert made["State"] == "pending"
    return Transit(seeded, ec2, made["TransitGatewayId"], subnets)


@pytest.fixture
def transit(bare: Transit) -> Transit:
    bare.account.later(60)
    bare.vpc = bare.attach(TagSpecifications=tag_spec("transit-gateway-attachment", mine="yes"))[ATTACHMENT]
    bare.account.later(70)
    bare.table = bare.ec2.describe_transit_gateway_route_tables()["TransitGatewayRouteTables"][0][TABLE]
    return bare


REFUSALS: list[tuple[str, Callable[[Any, Transit], Any], str]] = [
    ("unknown gateway", lambda e, _: e.describe_transit_gateways(TransitGatewayIds=["tgw-0fffffffffffffff0"]),
        "InvalidTransitGatewayID.NotFound"),
    ("malformed gateway", lambda e, _: e.delete_transit_gateway(TransitGatewayId="tgw-x"),
        "InvalidTransitGatewayID.Malformed"),
    ("delete an unknown gateway", lambda e, _: e.delete_transit_gateway(TransitGatewayId="tgw-0fffffffffffffff0"),
        "InvalidTransitGatewayID.NotFound"),
    ("delete a used gateway", lambda e, t: e.delete_transit_gateway(TransitGatewayId=t.id), "IncorrectState"),
    ("attach the VPC twice", lambda _, t: t.attach(), "DuplicateTransitGatewayAttachment"),
    ("attach an unknown VPC", lambda _, t: t.attach(VpcId="vpc-0fffffffffffffff0"), "InvalidVpcID.NotFound"),
    ("delete an unknown attachment", lambda e, _: e.delete_transit_gateway_vpc_attachment(
        TransitGatewayAttachmentId="tgw-attach-0fffffffffffffff0"), "InvalidTransitGatewayAttachmentID.NotFound"),
    ("an unknown filter", lambda e, _: e.describe_transit_gateway_attachments(
        Filters=[{"Name": "colour", "Values": ["x"]}]), "InvalidParameterValue"),
    ("associate twice", lambda e, t: e.associate_transit_gateway_route_table(
        TransitGatewayAttachmentId=t.vpc, TransitGatewayRouteTableId=t.table), "Resource.AlreadyAssociated"),
    ("propagate twice", lambda e, t: e.enable_transit_gateway_route_table_propagation(
        TransitGatewayAttachmentId=t.vpc, TransitGatewayRouteTableId=t.table),
        "TransitGatewayRouteTablePropagation.Duplicate"),
    ("delete the default table", lambda e, t: e.delete_transit_gateway_route_table(TransitGatewayRouteTableId=t.table),
        "IncorrectState"),
    ("an unknown table", lambda e, _: e.delete_transit_gateway_route_table(
        TransitGatewayRouteTableId="tgw-rtb-0fffffffffffffff0"), "InvalidRouteTableID.NotFound"),
    ("an ASN out of range", lambda e, _: e.create_transit_gateway(Options={"AmazonSideAsn": 65_535}),
        "InvalidParameterValue"),
    ("multicast", lambda e, _: e.create_transit_gateway(Options={"MulticastSupport": "enable"}),
        "InvalidParameterValue"),
    ("a dry run", lambda e, _: e.create_transit_gateway(DryRun=True), "DryRunOperation"),
    ("a route to a gateway that the VPC is not attached to", lambda e, _: e.create_route(
        RouteTableId=e.describe_route_tables()["RouteTables"][0]["RouteTableId"],
        DestinationCidrBlock="10.1.0.0/16", TransitGatewayId="tgw-0fffffffffffffff0"),
        "InvalidTransitGatewayID.NotFound"),
    ("a peering", lambda e, t: e.create_transit_gateway_peering_attachment(
        TransitGatewayId=t.id, PeerTransitGatewayId=t.id, PeerAccountId="1", PeerRegion="eu-west-1"), "InvalidAction"),
]  # fmt: skip


@pytest.mark.documentation(
    "Unknown, malformed, used and doubly attached transit gateways are refused, with the codes of the API's documentation"
)
@pytest.mark.own("Peerings and multicast of transit gateways are not modelled, and are refused")
@pytest.mark.parametrize(("call", "code"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_transit_gateways_refuse(transit: Transit, call: Callable[[Any, Transit], Any], code: str) -> None:
    refused(code, None, lambda: call(transit.ec2, transit))


@pytest.mark.model(
    "A transit gateway is pending, available, modifying, deleting, deleted, and listed for an hour after that"
)
@pytest.mark.documentation("What is made for a gateway that is not available is refused with IncorrectState")
@pytest.mark.documentation("Five transit gateways of a region are the most")
def test_life_of_a_gateway(bare: Transit) -> None:
    ec2, later = bare.ec2, bare.account.later
    refused("IncorrectState", 400, bare.attach)
    refused("IncorrectState", 400, bare.connection)
    later(60)
    assert bare.state() == "available"
    changed = ec2.modify_transit_gateway(TransitGatewayId=bare.id, Options={"AmazonSideAsn": 64_601})["TransitGateway"]
    assert (changed["State"], changed["Options"]["AmazonSideAsn"]) == ("modifying", 64_601)
    later(60)
    for _ in range(4):
        ec2.create_transit_gateway()
    refused("TransitGatewayLimitExceeded", 400, ec2.create_transit_gateway)
    ec2.delete_transit_gateway(TransitGatewayId=bare.id)
    assert bare.state() == "deleting"
    later(60)
    assert bare.state() == "deleted"
    refused("InvalidTransitGatewayID.NotFound", 400, ec2.delete_transit_gateway, TransitGatewayId=bare.id)
    ec2.create_transit_gateway()
    later(3600)
    refused("InvalidTransitGatewayID.NotFound", 400, bare.state)


@pytest.mark.documentation("A new attachment is associated with the default route table and propagates to it")
@pytest.mark.model(
    "An attachment is pending, available, modifying, deleting, deleted; it carries the tags of its creation"
)
def test_life_of_an_attachment(bare: Transit) -> None:
    ec2, later = bare.ec2, bare.account.later
    later(60)
    made = bare.attach(TagSpecifications=tag_spec("transit-gateway-attachment", mine="yes"))
    assert (made["State"], made["VpcId"], made["Options"]["DnsSupport"]) == ("pending", VPC, "enable")
    assert [a for a in bare.attachments() if "Association" in a] == []
    later(60)
    (seen,) = bare.attachments(resource_type="vpc", state="available", transit_gateway_id=bare.id)
    assert seen["Association"]["State"] == "associating"
    later(10)
    (seen,) = bare.attachments(resource_id=VPC)
    table = seen["Association"][TABLE]
    assert seen["Association"]["State"] == "associated"
    (there,) = ec2.get_transit_gateway_route_table_propagations(TransitGatewayRouteTableId=table)[
        "TransitGatewayRouteTablePropagations"
    ]
    assert (there["ResourceId"], there["State"]) == (VPC, "enabled")
    mine = [{"Name": "tag:mine", "Values": ["yes"]}]
    assert len(ec2.describe_transit_gateway_vpc_attachments(Filters=mine)["TransitGatewayVpcAttachments"]) == 1
    mine[0]["Values"] = ["no"]
    assert ec2.describe_transit_gateway_vpc_attachments(Filters=mine)["TransitGatewayVpcAttachments"] == []

    by_id = {ATTACHMENT: made[ATTACHMENT]}
    changed = ec2.modify_transit_gateway_vpc_attachment(**by_id, RemoveSubnetIds=bare.subnets[:1])
    assert changed["TransitGatewayVpcAttachment"]["State"] == "modifying"
    refused("IncorrectState", 400, ec2.delete_transit_gateway_vpc_attachment, **by_id)
    later(60)
    ec2.delete_transit_gateway_vpc_attachment(**by_id)
    assert [a["State"] for a in bare.attachments()] == ["deleting"]
    refused("IncorrectState", 400, ec2.delete_transit_gateway, TransitGatewayId=bare.id)
    later(60)
    assert [a["State"] for a in bare.attachments()] == ["deleted"]
    again = bare.attach()
    assert {a["State"] for a in bare.attachments(resource_id=VPC)} == {"deleted", "pending"}
    later(3600)
    assert [a[ATTACHMENT] for a in bare.attachments()] == [again[ATTACHMENT]]


@pytest.mark.documentation(
    "A VPN connection attaches itself to its transit gateway, and its attachment lingers after it"
)
def test_a_connection_attaches_itself(transit: Transit) -> None:
    vpn = transit.connection()
    assert [a["State"] for a in transit.attachments(resource_id=vpn)] == ["pending"]
    transit.account.later(200)
    (attachment,) = transit.attachments(resource_id=vpn)
    assert (attachment["ResourceType"], attachment["Association"][TABLE]) == ("vpn", transit.table)
    tunnels = transit.account.cloud.facts().tunnels
    assert {(t.vpc_ids, t.amazon_asn, t.gateway_id, t.most_prefixes) for t in tunnels} == {
        ((VPC,), 64_600, transit.id, 1_000)
    }
    refused("IncorrectState", 400, transit.ec2.delete_transit_gateway, TransitGatewayId=transit.id)
    transit.ec2.delete_vpn_connection(VpnConnectionId=vpn)
    assert [a["State"] for a in transit.attachments(resource_id=vpn)] == ["deleting"]
    transit.account.later(60)
    assert [a["State"] for a in transit.attachments(resource_id=vpn)] == ["deleted"]


@pytest.mark.documentation("What a table has routes to is what AWS announces; answers need a table with a route back")
@pytest.mark.documentation(
    "Propagated routes of a transit gateway's table come from VPCs' ranges and from BGP; static ones win"
)
def test_routes_through_a_gateway(transit: Transit) -> None:
    ec2, later = transit.ec2, transit.account.later
    vpn = transit.connection()
    later(300)
    (attachment,) = transit.attachments(resource_id=vpn)
    transit.account.context.stand_in.learned = ((IPv4Network("10.1.0.0/16"), transit.id),)
    assert transit.routes() == {
        "10.1.0.0/16": ("propagated", "active"),
        "10.20.0.0/16": ("propagated", "active"),
        "100.64.0.0/16": ("propagated", "active"),
    }
    longest = [{"Name": "route-search.longest-prefix-match", "Values": ["10.20.3.4"]}]
    assert set(transit.routes(filters=longest)) == {"10.20.0.0/16"}
    of_vpn = [{"Name": "attachment.resource-type", "Values": ["vpn"]}]
    assert set(transit.routes(filters=of_vpn)) == {"10.1.0.0/16"}

    def back() -> bool:
        return any(table.static for table in transit.account.cloud.facts().route_tables.values())

    def reached() -> set[tuple[str, ...]]:
        return {t.vpc_ids for t in transit.account.cloud.facts().tunnels}

    table = ec2.create_route_table(VpcId=VPC)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.1.0.0/16", TransitGatewayId=transit.id)
    assert (reached(), back()) == ({(VPC,)}, True)
    ec2.disable_transit_gateway_route_table_propagation(**{TABLE: transit.table, ATTACHMENT: attachment[ATTACHMENT]})
    assert (reached(), back()) == ({(VPC,)}, False)
    ec2.create_transit_gateway_route(
        **{TABLE: transit.table, ATTACHMENT: attachment[ATTACHMENT]}, DestinationCidrBlock="10.1.0.0/16"
    )
    assert back()
    ec2.disable_transit_gateway_route_table_propagation(**{TABLE: transit.table, ATTACHMENT: transit.vpc})
    later(10)
    assert reached() == {()}
    assert transit.routes() == {"10.1.0.0/16": ("static", "active")}

    other = ec2.create_transit_gateway_route_table(TransitGatewayId=transit.id)["TransitGatewayRouteTable"]
    assert other["State"] == "pending"
    later(60)
    ec2.enable_transit_gateway_route_table_propagation(**{TABLE: other[TABLE], ATTACHMENT: transit.vpc})
    ec2.disassociate_transit_gateway_route_table(**{TABLE: transit.table, ATTACHMENT: attachment[ATTACHMENT]})
    later(20)
    refused(
        "InvalidAssociation.NotFound", 400, ec2.disassociate_transit_gateway_route_table,
        **{TABLE: transit.table, ATTACHMENT: attachment[ATTACHMENT]},
    )  # fmt: skip
    ec2.associate_transit_gateway_route_table(**{TABLE: other[TABLE], ATTACHMENT: attachment[ATTACHMENT]})
    later(10)
    assert reached() == {(VPC,)}
    refused("IncorrectState", 400, ec2.delete_transit_gateway_route_table, TransitGatewayRouteTableId=other[TABLE])


@pytest.mark.model(
    "Static routes of a transit gateway's table are made, replaced and deleted; a blackhole is one to nowhere"
)
def test_static_routes(transit: Transit) -> None:
    ec2 = transit.ec2
    prefix = {TABLE: transit.table, "DestinationCidrBlock": "10.9.0.0/16"}
    refused("InvalidRoute.NotFound", 400, ec2.delete_transit_gateway_route, **prefix)
    refused("InvalidRoute.NotFound", 400, ec2.replace_transit_gateway_route, **prefix, Blackhole=True)
    refused("InvalidParameterCombination", 400, ec2.create_transit_gateway_route, **prefix)
    ec2.create_transit_gateway_route(**prefix, Blackhole=True)
    assert transit.routes()["10.9.0.0/16"] == ("static", "blackhole")
    refused("RouteAlreadyExists", 400, ec2.create_transit_gateway_route, **prefix, Blackhole=True)
    ec2.replace_transit_gateway_route(**prefix, TransitGatewayAttachmentId=transit.vpc)
    assert transit.routes()["10.9.0.0/16"] == ("static", "active")
    assert ec2.delete_transit_gateway_route(**prefix)["Route"]["State"] == "deleted"
    assert "10.9.0.0/16" not in transit.routes()


@pytest.mark.model("An attachment tells the tables to which it propagates, without those where that was taken back")
def test_where_an_attachment_propagates(transit: Transit) -> None:
    ec2, account = transit.ec2, transit.account

    def tables(**filters: str) -> list[str]:
        wanted = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
        found = ec2.get_transit_gateway_attachment_propagations(**{ATTACHMENT: transit.vpc}, Filters=wanted)
        return [p[TABLE] for p in found["TransitGatewayAttachmentPropagations"]]

    other = ec2.create_transit_gateway_route_table(TransitGatewayId=transit.id)["TransitGatewayRouteTable"][TABLE]
    account.later(100)
    ec2.enable_transit_gateway_route_table_propagation(**{TABLE: other, ATTACHMENT: transit.vpc})
    assert sorted(tables()) == sorted([transit.table, other])
    assert tables(transit_gateway_route_table_id=other) == [other]
    account.later(100)
    ec2.disable_transit_gateway_route_table_propagation(**{TABLE: other, ATTACHMENT: transit.vpc})
    account.later(100)
    assert tables() == [transit.table]
    unknown = {"Filters": [{"Name": "colour", "Values": ["x"]}], ATTACHMENT: transit.vpc}
    refused("InvalidParameterValue", 400, ec2.get_transit_gateway_attachment_propagations, **unknown)


@pytest.mark.documentation(
    "A range that several VPN connections bring is one route to all of them, with VpnEcmpSupport"
)
def test_equal_paths(transit: Transit) -> None:
    ec2, first = transit.ec2, transit.connection()
    asked = {"Type": "ipsec.1", "IpAddress": "20.0.0.2", "BgpAsn": 65_515}
    cgw = ec2.create_customer_gateway(**asked)["CustomerGateway"]["CustomerGatewayId"]
    made = ec2.create_vpn_connection(Type="ipsec.1", CustomerGatewayId=cgw, TransitGatewayId=transit.id)
    second = made["VpnConnection"]["VpnConnectionId"]
    transit.account.later(300)
    transit.account.context.stand_in.learned = ((IPv4Network("10.1.0.0/16"), transit.id),)

    def over() -> set[str]:
        exact = [{"Name": "route-search.exact-match", "Values": ["10.1.0.0/16"]}]
        (route,) = ec2.search_transit_gateway_routes(TransitGatewayRouteTableId=transit.table, Filters=exact)["Routes"]
        return {a["ResourceId"] for a in route["TransitGatewayAttachments"]}

    assert over() == {first, second}
    ec2.modify_transit_gateway(TransitGatewayId=transit.id, Options={"VpnEcmpSupport": "disable"})
    assert len(over()) == 1


@pytest.mark.documentation(
    "A range of a VPC that overlaps that of one attached before is not propagated, without an error"
)
def test_an_overlapping_range_is_not_propagated(transit: Transit) -> None:
    ec2 = transit.ec2
    other = ec2.create_vpc(CidrBlock="10.20.128.0/17")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=other, CidrBlock="10.20.200.0/24")["Subnet"]["SubnetId"]
    asked = {"TransitGatewayId": transit.id, "VpcId": other, "SubnetIds": [subnet]}
    ec2.create_transit_gateway_vpc_attachment(**asked)
    transit.account.later(300)
    assert set(transit.routes()) == {"10.20.0.0/16", "100.64.0.0/16"}


@pytest.mark.documentation(
    "A gateway that another account shares: attachments wait for its owner, all else is not there"
)
def test_a_gateway_of_another_account(bare: Transit) -> None:
    bare.account.later(100)
    store = network_of(bare.account.cloud.account, REGION)
    store.transit_gateways[bare.id].owner = "210987654321"
    (shown,) = bare.ec2.describe_transit_gateways(TransitGatewayIds=[bare.id])["TransitGateways"]
    assert shown["OwnerId"] == "210987654321" and ":210987654321:" in shown["TransitGatewayArn"]
    assert bare.attach()["State"] == "pendingAcceptance"
    asked = {"Type": "ipsec.1", "IpAddress": "20.0.0.1", "BgpAsn": 65_515}
    cgw = bare.ec2.create_customer_gateway(**asked)["CustomerGateway"]["CustomerGatewayId"]
    refused(
        "InvalidTransitGatewayID.NotFound", 400, bare.ec2.create_vpn_connection,
        Type="ipsec.1", CustomerGatewayId=cgw, TransitGatewayId=bare.id,
    )  # fmt: skip
    filters = [{"Name": "state", "Values": ["active"]}]
    refused(
        "InvalidRouteTableID.NotFound", 400, bare.ec2.search_transit_gateway_routes,
        TransitGatewayRouteTableId=shown["Options"]["AssociationDefaultRouteTableId"], Filters=filters,
    )  # fmt: skip
