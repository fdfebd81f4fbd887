"""Tags of everything that can carry them; ranges of VPCs and entries of network ACLs, looked at before they are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aws_account import VPC, Account, Gateways, refused

NOWHERE = "0fffffffffffffff0"


def everything(account: Account) -> dict[str, str]:
    """One of each kind of resource: its kind and its id."""
    gateways, ec2 = Gateways.of(account), account.client("ec2")
    transit = ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    account.later(60)
    subnet = ec2.describe_subnets()["Subnets"][0]
    attached = ec2.create_transit_gateway_vpc_attachment(
        TransitGatewayId=transit, VpcId=subnet["VpcId"], SubnetIds=[subnet["SubnetId"]]
    )["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
    return {
        "vpc": VPC,
        "subnet": subnet["SubnetId"],
        "route-table": ec2.describe_route_tables()["RouteTables"][0]["RouteTableId"],
        "security-group": ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"],
        "network-acl": ec2.describe_network_acls()["NetworkAcls"][0]["NetworkAclId"],
        "network-interface": ec2.describe_network_interfaces()["NetworkInterfaces"][0]["NetworkInterfaceId"],
        "internet-gateway": ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"],
        "vpn-gateway": gateways.vgw,
        "customer-gateway": gateways.cgw,
        "vpn-connection": gateways.connection()["VpnConnectionId"],
        "transit-gateway": transit,
        "transit-gateway-attachment": attached,
        "transit-gateway-route-table": ec2.describe_transit_gateway_route_tables()["TransitGatewayRouteTables"][0][
            "TransitGatewayRouteTableId"
        ],
    }


@pytest.mark.model(
    "Every kind of resource can be tagged, is found by its tag, kind, id and value, and loses its tags again"
)
def test_everything_carries_tags(seeded: Account) -> None:
    ec2, there = seeded.client("ec2"), everything(seeded)

    def tagged(**filters: str) -> dict[str, str]:
        wanted = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
        return {t["ResourceType"]: t["ResourceId"] for t in ec2.describe_tags(Filters=wanted)["Tags"]}

    ec2.create_tags(
        Resources=list(there.values()), Tags=[{"Key": "mine", "Value": "yes"}, {"Key": "other", "Value": ""}]
    )
    assert tagged(key="mine") == tagged(tag_key="mine", value="y*") == there
    assert tagged(resource_type="vpn-gateway", key="mine") == {"vpn-gateway": there["vpn-gateway"]}
    assert tagged(resource_id=there["vpc"], key="other") == {"vpc": VPC}
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "tag:mine", "Values": ["yes"]}])["Vpcs"]
    assert [v["VpcId"] for v in vpcs] == [VPC]
    gone = list(there.values())
    ec2.delete_tags(Resources=gone, Tags=[{"Key": "mine", "Value": "no"}])
    assert tagged(key="mine") == there
    ec2.delete_tags(Resources=gone, Tags=[{"Key": "mine", "Value": "yes"}])
    assert tagged(key="mine") == {}
    ec2.delete_tags(Resources=gone)
    assert tagged(key="other") == {}


@pytest.mark.documentation(
    "Tags beginning with aws: and more than fifty are refused, and so are resources that do not exist"
)
@pytest.mark.own("Filters that are not modelled are refused, never ignored")
def test_tags_that_are_refused(seeded: Account) -> None:
    ec2, there = seeded.client("ec2"), everything(seeded)
    one = [{"Key": "a", "Value": "b"}]
    for known in there.values():
        unknown = f"{known.rpartition('-')[0]}-{NOWHERE}"
        message = refused_code(ec2.create_tags, Resources=[VPC, unknown], Tags=one)
        assert message.endswith(".NotFound"), unknown
    assert [t for t in ec2.describe_tags()["Tags"] if t["Key"] == "a"] == []
    refused("InvalidID", 400, ec2.create_tags, Resources=["x"], Tags=one)
    refused("InvalidParameterValue", 400, ec2.create_tags, Resources=[VPC], Tags=[{"Key": "aws:x", "Value": "b"}])
    many = [{"Key": str(i), "Value": ""} for i in range(50)]
    ec2.delete_tags(Resources=[VPC])
    ec2.create_tags(Resources=[VPC], Tags=many)
    refused("TagLimitExceeded", 400, ec2.create_tags, Resources=[VPC], Tags=one)
    refused("InvalidParameterValue", 400, ec2.describe_tags, Filters=[{"Name": "colour", "Values": ["x"]}])
    assert len(ec2.describe_tags(MaxResults=5)["Tags"]) == 5


def refused_code(call: Callable[..., Any], **arguments: Any) -> str:
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


@pytest.mark.documentation(
    "A further range of a VPC is between /16 and /28, overlaps none of its own, and is one of five at the most"
)
@pytest.mark.parametrize(
    ("cidr", "code"),
    [
        ("10.9.0.0/15", "InvalidParameterValue"),
        ("10.8.0.0/15", "InvalidVpc.Range"),
        ("10.9.0.0/29", "InvalidVpc.Range"),
        ("10.20.128.0/20", "CidrConflict"),
        ("x", "InvalidParameterValue"),
    ],
)
def test_ranges_of_a_vpc(seeded: Account, cidr: str, code: str) -> None:
    ec2 = seeded.client("ec2")
    refused(code, 400, ec2.associate_vpc_cidr_block, VpcId=VPC, CidrBlock=cidr)
    for number in range(3):  # it has two
        ec2.associate_vpc_cidr_block(VpcId=VPC, CidrBlock=f"10.{30 + number}.0.0/16")
    refused("CidrLimitExceeded", 400, ec2.associate_vpc_cidr_block, VpcId=VPC, CidrBlock="10.40.0.0/16")


@pytest.mark.documentation("A range that was taken from a VPC is announced no more, and can be given again")
def test_a_range_that_is_taken_away(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    before = seeded.cloud.facts().vpcs[VPC]
    for _ in range(2):
        made = ec2.associate_vpc_cidr_block(VpcId=VPC, CidrBlock="10.30.0.0/16")["CidrBlockAssociation"]
        assert [str(r) for r in seeded.cloud.facts().vpcs[VPC][len(before) :]] == ["10.30.0.0/16"]
        ec2.disassociate_vpc_cidr_block(AssociationId=made["AssociationId"])
        assert seeded.cloud.facts().vpcs[VPC] == before


@pytest.mark.model("Entries and associations of network ACLs that do not exist are not found")
def test_network_acls(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    acl = ec2.create_network_acl(VpcId=VPC)["NetworkAcl"]["NetworkAclId"]
    refused(
        "InvalidNetworkAclEntry.NotFound", 400, ec2.delete_network_acl_entry,
        NetworkAclId=acl, RuleNumber=7, Egress=False,
    )  # fmt: skip
    refused(
        "InvalidAssociationID.NotFound", 400, ec2.replace_network_acl_association,
        AssociationId=f"aclassoc-{NOWHERE}", NetworkAclId=acl,
    )  # fmt: skip
    entry = {"NetworkAclId": acl, "RuleNumber": 7, "Egress": False}
    ec2.create_network_acl_entry(**entry, Protocol="-1", RuleAction="deny", CidrBlock="10.1.0.0/16")
    ec2.replace_network_acl_entry(**entry, Protocol="-1", RuleAction="allow", CidrBlock="10.1.0.0/16")
    (shown,) = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]["Entries"]
    assert (shown["RuleNumber"], shown["RuleAction"]) == (7, "allow")
    ec2.delete_network_acl_entry(**entry)
    assert ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]["Entries"] == []


@pytest.mark.model("Other security groups of a load balancer are those of its interfaces, too")
def test_security_groups_of_a_load_balancer(seeded: Account) -> None:
    ec2, balancers = seeded.client("ec2"), seeded.client("elbv2")
    shop = next(b for b in balancers.describe_load_balancers()["LoadBalancers"] if b["LoadBalancerName"] == "shop")
    group = ec2.create_security_group(GroupName="other", Description="d", VpcId=VPC)["GroupId"]
    balancers.set_security_groups(LoadBalancerArn=shop["LoadBalancerArn"], SecurityGroups=[group])
    of_group = [{"Name": "group-id", "Values": [group]}]
    found = ec2.describe_network_interfaces(Filters=of_group)["NetworkInterfaces"]
    assert len(found) == len(shop["AvailabilityZones"])
    refused("DependencyViolation", 400, ec2.delete_security_group, GroupId=group)
