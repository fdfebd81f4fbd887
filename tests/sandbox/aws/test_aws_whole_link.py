"""Everything that one link makes on AWS: created, seen, and taken away again."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest
from aws_account import VPC, Account

TAGS = [{"Key": "cloudlink", "Value": "staging"}]


def spec(kind: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": TAGS}]


def options(first: str, second: str) -> dict[str, Any]:
    return {
        "TunnelOptions": [
            {
                "TunnelInsideCidr": inside,
                "PreSharedKey": f"key.of.{number}.abcdef",
                "Phase1EncryptionAlgorithms": [{"Value": "AES256"}],
                "Phase1DHGroupNumbers": [{"Value": 20}],
                "IKEVersions": [{"Value": "ikev2"}],
                "DPDTimeoutSeconds": 45,
                "DPDTimeoutAction": "restart",
                "StartupAction": "start",
            }
            for number, inside in enumerate((first, second))
        ]
    }


@pytest.mark.own("All that a link has on AWS can be made, seen and taken away by boto3")
@pytest.mark.documentation("Deleted gateways and connections are listed as deleted for a while")
def test_made_seen_and_taken_away(seeded: Account) -> None:
    a = seeded
    ec2, resolver, dns = a.client("ec2"), a.client("route53resolver"), a.client("route53")
    vgw = ec2.create_vpn_gateway(Type="ipsec.1", AmazonSideAsn=64_512, TagSpecifications=spec("vpn-gateway"))
    vgw_id = vgw["VpnGateway"]["VpnGatewayId"]
    assert ec2.attach_vpn_gateway(VpnGatewayId=vgw_id, VpcId=VPC)["VpcAttachment"]["State"] == "attaching"
    cgws = [
        ec2.create_customer_gateway(
            Type="ipsec.1", IpAddress=ip, BgpAsn=65_515, TagSpecifications=spec("customer-gateway")
        )["CustomerGateway"]
        for ip in ("20.0.0.1", "20.0.0.2")
    ]
    assert {c["State"] for c in cgws} == {"pending"}
    a.later(30)
    cluster = a.client("eks").describe_cluster(name="prod")["cluster"]
    assert cluster["resourcesVpcConfig"]["vpcId"] == VPC
    subnets = cluster["resourcesVpcConfig"]["subnetIds"]
    tables = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": subnets}])["RouteTables"]
    assert len(tables) == 2
    for table in tables:
        ec2.enable_vgw_route_propagation(GatewayId=vgw_id, RouteTableId=table["RouteTableId"])
    vpns = [
        ec2.create_vpn_connection(
            Type="ipsec.1",
            CustomerGatewayId=cgw["CustomerGatewayId"],
            VpnGatewayId=vgw_id,
            Options=options(*insides),
            TagSpecifications=spec("vpn-connection"),
        )["VpnConnection"]
        for cgw, insides in zip(
            cgws, (("169.254.21.0/30", "169.254.22.0/30"), ("169.254.21.4/30", "169.254.22.4/30")), strict=True
        )
    ]
    assert {v["State"] for v in vpns} == {"pending"}
    group = ec2.create_security_group(
        GroupName="cl", Description="resolver", VpcId=VPC, TagSpecifications=spec("security-group")
    )["GroupId"]
    rules = ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": p, "FromPort": 53, "ToPort": 53, "IpRanges": [{"CidrIp": "10.1.0.0/16"}]}
            for p in ("tcp", "udp")
        ],
    )["SecurityGroupRules"]
    assert {r["IpProtocol"] for r in rules} == {"tcp", "udp"}
    endpoint = resolver.create_resolver_endpoint(
        CreatorRequestId="staging-1",
        Name="cl",
        Direction="INBOUND",
        SecurityGroupIds=[group],
        IpAddresses=[{"SubnetId": s} for s in subnets],
        Protocols=["Do53"],
        Tags=TAGS,
    )["ResolverEndpoint"]
    assert endpoint["Status"] == "CREATING"
    zone = dns.create_hosted_zone(
        Name="corp.example", CallerReference="staging-1", VPC={"VPCId": VPC, "VPCRegion": "eu-central-1"}
    )
    assert zone["ChangeInfo"]["Status"] == "PENDING"
    zone_id = zone["HostedZone"]["Id"]
    dns.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone_id.split("/")[-1], AddTags=TAGS)
    nlb = a.client("elbv2").describe_load_balancers(Names=["internal-nlb"])["LoadBalancers"][0]
    alias = {
        "Name": "app.corp.example",
        "Type": "A",
        "AliasTarget": {
            "HostedZoneId": nlb["CanonicalHostedZoneId"],
            "DNSName": nlb["DNSName"],
            "EvaluateTargetHealth": False,
        },
    }
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": alias}]}
    dns.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)
    a.later(300)

    seen = ec2.describe_vpn_connections(VpnConnectionIds=[v["VpnConnectionId"] for v in vpns])["VpnConnections"]
    assert {v["State"] for v in seen} == {"available"}
    outside = [o["OutsideIpAddress"] for v in seen for o in v["Options"]["TunnelOptions"]]
    assert len(set(outside)) == 4
    a.context.stand_in.routes = dict.fromkeys(outside, 2)
    a.context.stand_in.learned = ((IPv4Network("10.1.0.0/16"), vgw_id),)
    seen = ec2.describe_vpn_connections(VpnConnectionIds=[vpns[0]["VpnConnectionId"]])["VpnConnections"]
    assert [(t["Status"], t["AcceptedRouteCount"]) for t in seen[0]["VgwTelemetry"]] == [("UP", 2)] * 2
    table = ec2.describe_route_tables(RouteTableIds=[tables[0]["RouteTableId"]])["RouteTables"][0]
    assert table["PropagatingVgws"] == [{"GatewayId": vgw_id}]
    learned = [r for r in table["Routes"] if r["Origin"] == "EnableVgwRoutePropagation"]
    assert [(r["DestinationCidrBlock"], r["GatewayId"], r["State"]) for r in learned] == [
        ("10.1.0.0/16", vgw_id, "active")
    ]
    endpoint = resolver.get_resolver_endpoint(ResolverEndpointId=endpoint["Id"])["ResolverEndpoint"]
    assert (endpoint["Status"], endpoint["Protocols"], endpoint["IpAddressCount"]) == ("OPERATIONAL", ["Do53"], 3)
    ips = resolver.list_resolver_endpoint_ip_addresses(ResolverEndpointId=endpoint["Id"])["IpAddresses"]
    assert {i["Status"] for i in ips} == {"ATTACHED"}
    assert dns.get_change(Id=zone["ChangeInfo"]["Id"])["ChangeInfo"]["Status"] == "INSYNC"

    facts = a.cloud.facts()
    assert len(facts.tunnels) == 4
    assert all(t.ready and t.vpc_ids == (VPC,) and t.initiates for t in facts.tunnels)
    assert {r.protocol for i in facts.interfaces if i.kind == "resolver" for r in i.rules or ()} == {"tcp", "udp"}
    (ours,) = (z for z in facts.zones if z.name == "corp.example")
    (app,) = (r for r in ours.records if r.name == "app.corp.example")
    balancer = {str(i.address) for i in facts.interfaces if i.owner == nlb["LoadBalancerArn"]}
    assert set(app.values) == balancer
    assert len(balancer) == 2

    # and down again
    batch["Changes"][0]["Action"] = "DELETE"
    dns.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)
    dns.delete_hosted_zone(Id=zone_id)
    resolver.delete_resolver_endpoint(ResolverEndpointId=endpoint["Id"])
    a.later(100)
    ec2.delete_security_group(GroupId=group)
    for v in vpns:
        ec2.delete_vpn_connection(VpnConnectionId=v["VpnConnectionId"])
    a.later(100)
    for t in tables:
        ec2.disable_vgw_route_propagation(GatewayId=vgw_id, RouteTableId=t["RouteTableId"])
    ec2.detach_vpn_gateway(VpnGatewayId=vgw_id, VpcId=VPC)
    a.later(60)
    ec2.delete_vpn_gateway(VpnGatewayId=vgw_id)
    for c in cgws:
        ec2.delete_customer_gateway(CustomerGatewayId=c["CustomerGatewayId"])
    a.later(10)
    ours_left = [{"Name": "tag:cloudlink", "Values": ["staging"]}]
    for list_ in (
        ec2.describe_vpn_connections(Filters=ours_left)["VpnConnections"],
        ec2.describe_vpn_gateways(Filters=ours_left)["VpnGateways"],
        ec2.describe_customer_gateways(Filters=ours_left)["CustomerGateways"],
    ):
        assert {o["State"] for o in list_} == {"deleted"}  # listed for an hour
    a.later(3700)
    assert ec2.describe_vpn_connections()["VpnConnections"] == []
    left = ec2.describe_vpn_gateways()["VpnGateways"]
    assert [g["Tags"] for g in left] == [[{"Key": "Name", "Value": "billing-datacenter"}]]
    assert a.cloud.facts().tunnels == ()
