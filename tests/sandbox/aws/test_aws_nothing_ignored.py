"""What a call of AWS says is acted on, or refused: no parameter is dropped in silence, no odd id looked for."""

from __future__ import annotations

import pytest
from aws_account import REGION, VPC, Account, Gateways, refused
from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError
from test_aws_every_operation import NOT_MODELLED, made_up

PAGES = ("NextToken", "Marker", "MaxItems", "MaxResults", "PageSize")  # read, and no token of ours is made up here
NOT_AN_ID = {
    "describe_vpcs": ("VpcIds", "InvalidVpcID.Malformed"),
    "describe_subnets": ("SubnetIds", "InvalidSubnetID.Malformed"),
    "describe_security_groups": ("GroupIds", "InvalidGroupId.Malformed"),
    "describe_route_tables": ("RouteTableIds", "InvalidRouteTableID.Malformed"),
}


@pytest.mark.recorded("What cannot be an id of its kind is malformed, not unknown")
@pytest.mark.parametrize("operation", NOT_AN_ID)
def test_ids_that_are_none(seeded: Account, operation: str) -> None:
    name, code = NOT_AN_ID[operation]
    call = getattr(seeded.client("ec2"), operation)
    assert "set" not in refused(code, 400, call, **{name: ["foo"]})


@pytest.mark.own("Each member of each modelled operation, sent alone, is known to its handler, or the call is refused")
@pytest.mark.parametrize("service", ["ec2", "elbv2", "eks", "sts", "iam", "route53", "route53resolver"])
def test_members_that_nobody_reads(seeded: Account, service: str) -> None:
    client = seeded.client(service)
    model = client.meta.service_model
    refusals, sent = 0, 0
    for operation in model.operation_names:
        shape = model.operation_model(operation).input_shape
        if shape is None or operation.startswith(("Delete", "Disassociate", "Detach")):
            continue  # what is gone answers nothing afterwards
        needed = made_up(shape)
        try:
            getattr(client, xform_name(operation))(**needed)
        except ClientError as error:
            if error.response["Error"]["Code"] in NOT_MODELLED:
                continue
        for name, member in shape.members.items():
            if name in PAGES:
                continue
            sent += 1
            try:
                getattr(client, xform_name(operation))(**{**needed, name: made_up(member, name)})
            except ClientError as error:
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 500, (operation, name, error)
                refusals += "does not model" in error.response["Error"]["Message"]
            except ParamValidationError:
                continue
    assert sent > (20 if service not in ("sts", "iam", "eks") else 3)
    assert refusals > 0 or service not in ("ec2", "elbv2"), (sent, refusals)


@pytest.mark.own("A parameter that no handler reads is refused and named, before anything is made")
def test_a_parameter_that_nobody_reads(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    before = len(ec2.describe_vpcs()["Vpcs"])
    said = refused("InvalidParameterValue", 400, ec2.create_vpc, CidrBlock="10.9.0.0/16", Ipv6Pool="mine")
    assert "Ipv6Pool of CreateVpc" in said
    assert len(ec2.describe_vpcs()["Vpcs"]) == before


@pytest.mark.recorded("A VPC that a zone has already is ConflictingDomainExists when it is associated again")
def test_a_vpc_is_associated_once(seeded: Account) -> None:
    dns = seeded.client("route53")
    here = {"VPCRegion": REGION, "VPCId": VPC}
    zone = dns.create_hosted_zone(Name="once.example", CallerReference="once", VPC=here)["HostedZone"]["Id"]
    refused("ConflictingDomainExists", 400, dns.associate_vpc_with_hosted_zone, HostedZoneId=zone, VPC=here)


@pytest.mark.documentation("Options of logs that say off are those that a tunnel has without them")
@pytest.mark.own("Logs that are switched on are not modelled, and refused")
def test_logs(seeded: Account) -> None:
    gateways = Gateways.of(seeded)
    off = {"LogOptions": {"CloudWatchLogOptions": {"LogEnabled": False}}}
    assert gateways.connection(off, off)["State"] == "pending"
    on = {"LogOptions": {"CloudWatchLogOptions": {"LogEnabled": True}}}
    request = gateways.request(on, on)
    refused("InvalidParameterValue", 400, gateways.account.client("ec2").create_vpn_connection, **request)


@pytest.mark.own("A rule's description is kept: rules are looked at whole, so none of their members is unknown")
def test_a_description_of_a_rule(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    group = ec2.create_security_group(GroupName="described", Description="d", VpcId=VPC)["GroupId"]
    rule = {
        "IpProtocol": "udp",
        "FromPort": 53,
        "ToPort": 53,
        "IpRanges": [{"CidrIp": "10.20.0.0/16", "Description": "from AKS"}],
    }
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    (kept,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert kept["IpRanges"] == [{"CidrIp": "10.20.0.0/16", "Description": "from AKS"}]


@pytest.mark.documentation("A region that is not enabled is named only where AllRegions asks for it")
def test_regions_that_are_not_enabled(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    enabled = {r["RegionName"] for r in ec2.describe_regions()["Regions"]}
    every = {r["RegionName"]: r["OptInStatus"] for r in ec2.describe_regions(AllRegions=True)["Regions"]}
    assert REGION in enabled and set(every) > enabled
    assert {every[name] for name in set(every) - enabled} == {"not-opted-in"}
