"""What Terraform's provider and the aws command say in their calls is taken: a parameter that a handler reads is never refused."""

from __future__ import annotations

from typing import Any

import pytest
from aws_account import REGION, VPC, Account, Gateways, tag_spec

PROPOSALS = {
    "Phase1EncryptionAlgorithms": [{"Value": "AES256"}],
    "Phase2EncryptionAlgorithms": [{"Value": "AES256-GCM-16"}],
    "Phase1IntegrityAlgorithms": [{"Value": "SHA2-256"}],
    "Phase2IntegrityAlgorithms": [{"Value": "SHA2-256"}],
    "Phase1DHGroupNumbers": [{"Value": 14}],
    "Phase2DHGroupNumbers": [{"Value": 14}],
    "IKEVersions": [{"Value": "ikev2"}],
}
TUNNEL = {
    **PROPOSALS,
    "PreSharedKey": "abcdefgh1",
    "Phase1LifetimeSeconds": 28_800,
    "Phase2LifetimeSeconds": 3_600,
    "RekeyMarginTimeSeconds": 540,
    "RekeyFuzzPercentage": 100,
    "ReplayWindowSize": 1_024,
    "DPDTimeoutSeconds": 30,
    "DPDTimeoutAction": "clear",
    "StartupAction": "start",
    "LogOptions": {"CloudWatchLogOptions": {"LogEnabled": False}},
}


def tags(kind: str) -> dict[str, Any]:
    return {"TagSpecifications": tag_spec(kind, Name="mine")}


@pytest.mark.program("A network as Terraform's provider makes it: each call with all that the provider says in it")
def test_a_network(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    vpc = ec2.create_vpc(
        CidrBlock="10.9.0.0/16", InstanceTenancy="default", AmazonProvidedIpv6CidrBlock=False, **tags("vpc")
    )["Vpc"]
    assert {"Key": "Name", "Value": "mine"} in vpc["Tags"]
    here = {"VpcId": vpc["VpcId"]}
    for name in ("EnableDnsHostnames", "EnableDnsSupport", "EnableNetworkAddressUsageMetrics"):
        ec2.modify_vpc_attribute(**here, **{name: {"Value": True}})
    subnet = ec2.create_subnet(**here, CidrBlock="10.9.1.0/24", AvailabilityZone=f"{REGION}a", **tags("subnet"))
    inside = {"SubnetId": subnet["Subnet"]["SubnetId"]}
    ec2.modify_subnet_attribute(**inside, MapPublicIpOnLaunch={"Value": True})
    gateway = ec2.create_internet_gateway(**tags("internet-gateway"))["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(**here, InternetGatewayId=gateway)
    table = ec2.create_route_table(**here, **tags("route-table"))["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.associate_route_table(RouteTableId=table, **inside)
    acl = ec2.create_network_acl(**here, **tags("network-acl"))["NetworkAcl"]["NetworkAclId"]
    entry = {"NetworkAclId": acl, "RuleNumber": 100, "Protocol": "6", "Egress": False, "CidrBlock": "0.0.0.0/0"}
    ports = {"PortRange": {"From": 80, "To": 90}}
    ec2.create_network_acl_entry(**entry, **ports, RuleAction="allow")
    ec2.replace_network_acl_entry(**entry, **ports, RuleAction="deny")
    group = ec2.create_security_group(**here, GroupName="g", Description="d", **tags("security-group"))["GroupId"]
    everywhere = {"IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "x"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
    pair = {"UserIdGroupPairs": [{"GroupId": group, "Description": "y"}]}
    rule = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2}
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[{**rule, **everywhere}])
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[{**rule, **pair}], **tags("security-group-rule"))
    ec2.create_network_interface(
        **inside, Description="d", Groups=[group], PrivateIpAddress="10.9.1.7", **tags("network-interface")
    )
    named = [{"Name": "tag:Name", "Values": ["mine"]}]
    for call in (ec2.describe_vpcs, ec2.describe_subnets, ec2.describe_route_tables, ec2.describe_security_groups):
        assert call(Filters=named)
    ec2.describe_availability_zones(AllAvailabilityZones=False, Filters=[{"Name": "state", "Values": ["available"]}])
    (platforms,) = ec2.describe_account_attributes(AttributeNames=["supported-platforms"])["AccountAttributes"]
    assert platforms["AttributeName"] == "supported-platforms"


@pytest.mark.program("A VPN with each option that there is")
def test_a_vpn(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    asked = {"Type": "ipsec.1", "BgpAsn": 65_000, "IpAddress": "203.0.113.9", "DeviceName": "device"}
    ec2.create_customer_gateway(**asked, **tags("customer-gateway"))
    ec2.create_vpn_gateway(Type="ipsec.1", AmazonSideAsn=64_600, AvailabilityZone=f"{REGION}a", **tags("vpn-gateway"))
    gateways = Gateways.of(seeded)
    options = {
        "StaticRoutesOnly": False,
        "EnableAcceleration": False,
        "TunnelInsideIpVersion": "ipv4",
        "LocalIpv4NetworkCidr": "0.0.0.0/0",
        "RemoteIpv4NetworkCidr": "0.0.0.0/0",
        "OutsideIpAddressType": "PublicIpv4",
        "TunnelOptions": [
            {**TUNNEL, "TunnelInsideCidr": f"169.254.10{i}.0/30", "EnableTunnelLifecycleControl": True} for i in (0, 1)
        ],
    }
    made = ec2.create_vpn_connection(**gateways.request(Options=options), **tags("vpn-connection"))["VpnConnection"]
    seeded.later(400)
    ids = {"VpnConnectionId": made["VpnConnectionId"]}
    (shown,) = ec2.describe_vpn_connections(VpnConnectionIds=[made["VpnConnectionId"]])["VpnConnections"]
    outside = shown["Options"]["TunnelOptions"][0]["OutsideIpAddress"]
    ec2.modify_vpn_tunnel_options(
        **ids, VpnTunnelOutsideIpAddress=outside, TunnelOptions=TUNNEL, SkipTunnelReplacement=False
    )
    seeded.later(400)
    ec2.modify_vpn_connection_options(**ids, LocalIpv4NetworkCidr="10.0.0.0/8", RemoteIpv4NetworkCidr="10.0.0.0/8")


@pytest.mark.program("A transit gateway with its attachment, its tables and each kind of route")
def test_a_transit_gateway(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    switches = ("DefaultRouteTableAssociation", "DefaultRouteTablePropagation", "VpnEcmpSupport", "DnsSupport")
    options = {"AmazonSideAsn": 64_512, "AutoAcceptSharedAttachments": "disable", **dict.fromkeys(switches, "enable")}
    made = ec2.create_transit_gateway(Description="d", Options=options, **tags("transit-gateway"))["TransitGateway"]
    seeded.later(400)
    inside = [{"Name": "vpc-id", "Values": [VPC]}]
    subnet = ec2.describe_subnets(Filters=inside)["Subnets"][0]["SubnetId"]
    off = {"Ipv6Support": "disable", "ApplianceModeSupport": "disable", "DnsSupport": "enable"}
    attachment = ec2.create_transit_gateway_vpc_attachment(
        TransitGatewayId=made["TransitGatewayId"], VpcId=VPC, SubnetIds=[subnet], Options=off,
        **tags("transit-gateway-attachment"),
    )["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]  # fmt: skip
    seeded.later(400)
    table = ec2.create_transit_gateway_route_table(
        TransitGatewayId=made["TransitGatewayId"], **tags("transit-gateway-route-table")
    )["TransitGatewayRouteTable"]["TransitGatewayRouteTableId"]
    seeded.later(400)
    here = {"TransitGatewayRouteTableId": table}
    ec2.create_transit_gateway_route(**here, DestinationCidrBlock="10.50.0.0/16", Blackhole=True)
    ec2.create_transit_gateway_route(**here, DestinationCidrBlock="10.51.0.0/16", TransitGatewayAttachmentId=attachment)
    ec2.replace_transit_gateway_route(**here, DestinationCidrBlock="10.51.0.0/16", Blackhole=True)
    holes = [{"Name": "state", "Values": ["blackhole"]}]
    assert len(ec2.search_transit_gateway_routes(**here, Filters=holes, MaxResults=100)["Routes"]) == 2


@pytest.mark.program("Load balancers, target groups and listeners with each kind of action")
def test_load_balancers(seeded: Account) -> None:
    ec2, elb = seeded.client("ec2"), seeded.client("elbv2")
    inside = [{"Name": "vpc-id", "Values": [VPC]}]
    subnets = [s["SubnetId"] for s in ec2.describe_subnets(Filters=inside)["Subnets"]][:2]
    group = ec2.describe_security_groups(Filters=inside)["SecurityGroups"][0]["GroupId"]
    named = {"Tags": [{"Key": "a", "Value": "b"}]}
    elb.create_load_balancer(
        Name="nlb", SubnetMappings=[{"SubnetId": s} for s in subnets], Scheme="internal", Type="network", **named
    )
    (made,) = elb.create_load_balancer(
        Name="alb", Subnets=subnets, Scheme="internal", Type="application", IpAddressType="ipv4",
        SecurityGroups=[group], **named,
    )["LoadBalancers"]  # fmt: skip
    checks = {
        "HealthCheckEnabled": True,
        "HealthCheckIntervalSeconds": 30,
        "HealthCheckPath": "/",
        "HealthCheckPort": "traffic-port",
        "HealthCheckProtocol": "HTTP",
        "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 3,
        "UnhealthyThresholdCount": 3,
    }
    (targets,) = elb.create_target_group(
        Name="tg", Protocol="HTTP", ProtocolVersion="HTTP1", Port=80, VpcId=VPC, TargetType="ip", IpAddressType="ipv4",
        Matcher={"HttpCode": "200"}, **checks, **named,
    )["TargetGroups"]  # fmt: skip
    arn = targets["TargetGroupArn"]
    elb.modify_target_group(TargetGroupArn=arn, HealthCheckPath="/x", Matcher={"HttpCode": "200-299"})
    delay = [{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}]
    elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=delay)
    one = [{"Id": "10.20.0.9", "Port": 80}]
    elb.register_targets(TargetGroupArn=arn, Targets=[{**one[0], "AvailabilityZone": "all"}])
    elb.describe_target_health(TargetGroupArn=arn, Targets=one)
    elb.deregister_targets(TargetGroupArn=arn, Targets=one)
    to = {"Protocol": "HTTPS", "Port": "443", "Host": "#{host}", "Path": "/#{path}", "Query": "#{query}"}
    actions = [
        {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": arn, "Weight": 1}]}},
        {"Type": "redirect", "RedirectConfig": {**to, "StatusCode": "HTTP_301"}},
        {"Type": "fixed-response", "FixedResponseConfig": {"ContentType": "text/plain", "StatusCode": "404"}},
    ]
    here = {"LoadBalancerArn": made["LoadBalancerArn"]}
    for port, action in enumerate(actions, 80):
        (listener,) = elb.create_listener(
            **here, Protocol="HTTP", Port=port, DefaultActions=[{**action, "Order": 1}], **named
        )["Listeners"]
        assert listener["DefaultActions"][0]["Type"] == action["Type"]
    shown = elb.describe_tags(ResourceArns=[listener["ListenerArn"], arn, made["LoadBalancerArn"]])["TagDescriptions"]
    assert [t["Tags"] for t in shown] == [named["Tags"]] * 3


@pytest.mark.documentation("A new VPC is pending in its answer; its default group lets in what comes from itself")
def test_a_new_vpc(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    made = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]
    assert made["State"] == "pending"
    assert ec2.describe_vpcs(VpcIds=[made["VpcId"]])["Vpcs"][0]["State"] == "available"
    (group,) = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [made["VpcId"]]}])["SecurityGroups"]
    (rule,) = group["IpPermissions"]
    assert (rule["IpProtocol"], rule["UserIdGroupPairs"][0]["GroupId"]) == ("-1", group["GroupId"])
    assert [r["IpProtocol"] for r in group["IpPermissionsEgress"]] == ["-1"]
    ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
    (group,) = ec2.describe_security_groups(GroupIds=[group["GroupId"]])["SecurityGroups"]
    assert group["IpPermissions"] == []
    ec2.delete_vpc(VpcId=made["VpcId"])
