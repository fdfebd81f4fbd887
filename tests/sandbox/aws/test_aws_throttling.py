"""Calls that come too often, too early, or at once; and a region whose API is away."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from aws_account import REGION, VPC, Account, Gateways, refused
from botocore.exceptions import ClientError, ConnectionClosedError

from cloudlink_sandbox.faults import Fault


def until_refused(call: Any, most: int) -> tuple[int, str]:
    """How many calls pass, and the code of the first that does not."""
    for passed in range(most):
        try:
            call()
        except ClientError as error:
            return passed, str(error.response["Error"]["Code"])
    return most, ""


@pytest.mark.documentation(
    "The Resolver takes five calls a second, Route 53 ten after a burst of fifty; EC2 counts by operation"
)
@pytest.mark.parametrize(
    ("service", "operation", "burst", "code", "rate"),
    [
        ("route53resolver", "list_resolver_endpoints", 5, "ThrottlingException", 5),
        ("route53", "get_hosted_zone_count", 50, "Throttling", 10),
        ("ec2", "describe_vpn_gateways", 100, "RequestLimitExceeded", 20),
    ],
)
def test_buckets(account: Account, service: str, operation: str, burst: int, code: str, rate: int) -> None:
    client = account.client(service)
    call = getattr(client, operation)
    assert until_refused(call, 7)[0] == 7  # a clock that stands still refuses nobody
    account.context.clock.set_speed(1e-6)
    assert until_refused(call, burst + 1) == (burst, code)
    account.later(1)
    assert until_refused(call, rate + 1) == (rate, code)
    account.later(60)
    assert until_refused(call, burst + 1) == (burst, code)


@pytest.mark.documentation("Hosted zones are created two a second after a burst of forty")
def test_a_bucket_of_one_operation(seeded: Account) -> None:
    dns, number = seeded.client("route53"), iter(range(100))
    seeded.context.clock.set_speed(1e-6)

    def create() -> None:
        dns.create_hosted_zone(Name=f"z{(n := next(number))}.example", CallerReference=str(n))

    assert until_refused(create, 41) == (40, "Throttling")
    dns.get_hosted_zone_count()


@pytest.mark.documentation("A hosted zone takes one change at a time: PriorRequestNotComplete, 400")
def test_two_changes_at_once(seeded: Account) -> None:
    dns = seeded.client("route53")
    vpc = {"VPCRegion": REGION, "VPCId": VPC}
    zone = dns.create_hosted_zone(Name="corp.example", CallerReference="one", VPC=vpc)["HostedZone"]["Id"]
    record = {"Name": "a.corp.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.0.0.1"}]}
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    slow = seeded.context.faults.add(Fault("slow", "aws.ChangeResourceRecordSets", times=1, seconds=0.4))
    first = threading.Thread(
        target=dns.change_resource_record_sets, kwargs={"HostedZoneId": zone, "ChangeBatch": batch}
    )
    first.start()
    while not slow.hits:
        threading.Event().wait(0.005)
    refused("PriorRequestNotComplete", 400, dns.change_resource_record_sets, HostedZoneId=zone, ChangeBatch=batch)
    first.join()
    dns.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)


@pytest.mark.documentation("What was made a moment ago may not be found yet, by its id as little as in lists")
@pytest.mark.own("A fault asks for that")
def test_what_is_not_found_yet(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    before = len(ec2.describe_vpn_gateways()["VpnGateways"])
    seeded.context.faults.add(Fault("unseen", "aws.CreateVpnGateway", seconds=20))
    made = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    assert len(ec2.describe_vpn_gateways()["VpnGateways"]) == before
    refused("InvalidVpnGatewayID.NotFound", 400, ec2.describe_vpn_gateways, VpnGatewayIds=[made])
    refused("InvalidVpnGatewayID.NotFound", 400, ec2.attach_vpn_gateway, VpnGatewayId=made, VpcId=VPC)
    seeded.later(20)
    ec2.attach_vpn_gateway(VpnGatewayId=made, VpcId=VPC)
    assert len(ec2.describe_vpn_gateways()["VpnGateways"]) == before + 1


@pytest.mark.own("A region's API can be away for minutes, while another region answers")
def test_a_region_that_is_away(account: Account) -> None:
    here, there = account.client("ec2"), account.client("ec2", region="us-east-1")
    account.context.faults.add(Fault("cut-before", f"aws.{REGION}.*", times=None, duration=300))
    for _ in range(2):
        with pytest.raises(ConnectionClosedError):
            here.describe_vpn_gateways()
    there.describe_vpn_gateways()
    account.later(299)
    with pytest.raises(ConnectionClosedError):
        here.describe_vpn_gateways()
    account.later(1)
    here.describe_vpn_gateways()


@pytest.mark.documentation("A virtual private gateway has ten VPN connections at the most")
def test_connections_of_one_gateway(seeded: Account) -> None:
    gateways = Gateways.of(seeded)
    ec2 = seeded.client("ec2")

    def create(number: int) -> None:
        cgw = ec2.create_customer_gateway(Type="ipsec.1", IpAddress=f"20.0.1.{number}", BgpAsn=65_515)
        number_id = cgw["CustomerGateway"]["CustomerGatewayId"]
        ec2.create_vpn_connection(**gateways.request() | {"CustomerGatewayId": number_id})

    for number in range(10):
        create(number)
    refused("VpnConnectionLimitExceeded", 400, create, number=11)
