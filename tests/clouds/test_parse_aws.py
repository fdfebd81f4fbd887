"""AWS's answers are read in one way by all, and refused where they have not the documented form."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from cloudlink.clouds.aws import (
    parse_balancers,
    parse_cluster,
    parse_connections,
    parse_ec2,
    parse_gateways,
    parse_groups,
    parse_resolver,
    parse_vpc,
    parse_zones,
    requests,
)
from cloudlink.clouds.aws.tags import Mark
from cloudlink.clouds.ownership import Owner
from cloudlink.errors import MalformedError
from cloudlink.ipsec import IpsecPolicy
from cloudlink.secret import Secret

GATEWAY = {
    "VpnGatewayId": "vgw-1",
    "State": "available",
    "AmazonSideAsn": 65_000,
    "VpcAttachments": [{"VpcId": "vpc-old", "State": "detached"}, {"VpcId": "vpc-1", "State": "attaching"}],
}
CUSTOMER = {"CustomerGatewayId": "cgw-1", "State": "available", "IpAddress": "192.0.2.1", "BgpAsn": "65515"}
CONNECTION = {
    "VpnConnectionId": "vpn-1",
    "State": "available",
    "VpnGatewayId": "vgw-1",
    "CustomerGatewayId": "cgw-1",
    "Options": {
        "TunnelOptions": [
            {"TunnelInsideCidr": "169.254.22.0/30", "OutsideIpAddress": "192.0.2.8", "PreSharedKey": Secret("k" * 8)},
            {"TunnelInsideCidr": "169.254.21.0/30"},
        ]
    },
}
ENDPOINT = {"Id": "rslvr-in-1", "Arn": "arn:1", "HostVPCId": "vpc-1", "Status": "OPERATIONAL"}
ADDRESS = {"IpId": "rni-1", "SubnetId": "subnet-1", "Status": "ATTACHED", "Ip": "10.0.0.4"}
ZONE = {
    "HostedZone": {
        "Id": "/hostedzone/Z1",
        "Name": "Corp.Example.",
        "CallerReference": "cloudlink/demo/",
        "Config": {"PrivateZone": True},
    },
    "VPCs": [{"VPCId": "vpc-1"}],
}
BALANCER = {
    "LoadBalancerName": "web",
    "LoadBalancerArn": "arn:web",
    "Scheme": "internal",
    "DNSName": "web.elb.amazonaws.com",
    "CanonicalHostedZoneId": "Z2",
}
CLUSTER = {
    "status": "ACTIVE",
    "endpoint": "https://eks",
    "version": "1.33",
    "certificateAuthority": {"data": "UEVN"},
    "resourcesVpcConfig": {"vpcId": "vpc-1", "subnetIds": ["subnet-1"]},
}
TABLE = {"RouteTableId": "rtb-1", "PropagatingVgws": [{"GatewayId": "vgw-1"}]}
RECORD = {"Name": "a.corp.example.", "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "10.0.0.1"}]}


def without(answer: dict[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in answer.items() if k != key}


@pytest.mark.parametrize(
    "read",
    [
        lambda: parse_gateways.vpn_gateway(without(GATEWAY, "AmazonSideAsn")),
        lambda: parse_gateways.vpn_gateway({**GATEWAY, "AmazonSideAsn": "many"}),
        lambda: parse_gateways.vpn_gateway({**GATEWAY, "VpcAttachments": ["vpc-1"]}),
        lambda: parse_gateways.gateways([without(GATEWAY, "VpnGatewayId")]),
        lambda: parse_gateways.customer_gateway(without(CUSTOMER, "IpAddress")),
        lambda: parse_connections.connections([{**CONNECTION, "VpnConnectionId": 7}]),
        lambda: parse_connections.connection({**CONNECTION, "Options": "none"}),
        lambda: parse_connections.connection(without(CONNECTION, "State")),
        lambda: parse_vpc.route_tables([{**TABLE, "PropagatingVgws": [{}]}]),
        lambda: parse_vpc.vpc({"CidrBlock": "10.0.0.0/99"}),
        lambda: parse_vpc.subnets([{"SubnetId": None}]),
        lambda: parse_groups.rules({"IpPermissions": [{"IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]}),
        lambda: parse_groups.vpc_of({}),
        lambda: parse_resolver.endpoints([without(ENDPOINT, "HostVPCId")]),
        lambda: parse_resolver.endpoints([{**ENDPOINT, "Status": "ACTION_NEEDED", "ModificationTime": "soon"}]),
        lambda: parse_resolver.addresses([without(ADDRESS, "Ip")]),
        lambda: parse_zones.zone({**ZONE, "HostedZone": {**ZONE["HostedZone"], "Config": {}}}),  # type: ignore[dict-item]
        lambda: parse_zones.zone({**ZONE, "VPCs": 3}),
        lambda: parse_zones.records([without(RECORD, "Type")]),
        lambda: parse_zones.record_of(*parse_zones.records([{**RECORD, "ResourceRecords": [{"Value": None}]}])),
        lambda: parse_balancers.load_balancers([without(BALANCER, "DNSName")]),
        lambda: parse_cluster.cluster(without(CLUSTER, "endpoint")),
        lambda: parse_cluster.cluster({**CLUSTER, "resourcesVpcConfig": []}),
    ],
)
def test_a_malformed_answer_is_refused(read: Callable[[], object]) -> None:
    with pytest.raises(MalformedError) as raised:
        read()
    assert raised.value.exit_code == 5


def test_what_is_whole_is_read() -> None:
    gateway = parse_gateways.vpn_gateway(GATEWAY)
    assert (gateway.vpc, gateway.serves("vpc-1"), gateway.serves("vpc-old"), gateway.exists) == (
        "vpc-1",
        True,
        False,
        True,
    )
    assert parse_gateways.customer_gateway(CUSTOMER).address == IPv4Address("192.0.2.1")
    connection = parse_connections.connection(CONNECTION)
    assert [(str(t.inside), t.outside is None, t.key is None) for t in connection.tunnels] == [
        ("169.254.21.0/30", True, True),
        ("169.254.22.0/30", False, False),
    ], "by inside range, whatever AWS's order"
    zone = parse_zones.zone(ZONE)
    assert zone is not None
    assert (zone.id, zone.name, zone.vpcs) == ("Z1", "corp.example", ("vpc-1",))
    cluster = parse_cluster.cluster(CLUSTER)
    assert cluster is not None
    assert cluster.running
    assert parse_vpc.route_tables([TABLE])[0].gateways == ("vgw-1",)


@pytest.mark.parametrize(("state", "counts"), [("associated", True), ("associating", True), ("disassociated", False)])
def test_a_range_of_the_vpc_that_is_associating_counts(state: str, counts: bool) -> None:
    vpc = parse_vpc.vpc(
        {
            "VpcId": "vpc-1",
            "CidrBlockAssociationSet": [
                {"CidrBlock": "10.0.0.0/16", "CidrBlockState": {"State": "associated"}},
                {"CidrBlock": "198.51.100.0/24", "CidrBlockState": {"State": state}},
            ],
        }
    )
    assert vpc is not None
    assert (IPv4Network("198.51.100.0/24") in vpc.ranges) is counts


def test_what_aws_may_leave_out_is_no_malformed_answer() -> None:
    """Of others: a customer gateway without an address, a gateway load balancer, a cluster that is being made."""
    assert parse_gateways.customer_gateways([without(CUSTOMER, "IpAddress")])[0].exists
    (gateway,) = parse_balancers.load_balancers([{"LoadBalancerName": "gwlb", "LoadBalancerArn": "arn:gwlb"}])
    assert not gateway.internal
    for mode, only in (("CONFIG_MAP", True), ("API_AND_CONFIG_MAP", False), ("API", False)):
        told = parse_cluster.cluster({**CLUSTER, "accessConfig": {"authenticationMode": mode}})
        assert told is not None and told.by_config_map is only
    making = parse_cluster.cluster({"status": "CREATING", "resourcesVpcConfig": CLUSTER["resourcesVpcConfig"]})
    assert making is not None
    assert not making.running
    assert parse_resolver.addresses([{**without(ADDRESS, "Ip"), "Status": "CREATING"}])[0].address is None


def test_a_deleted_object_is_listed_and_does_not_exist() -> None:
    listed = parse_ec2.objects([{**GATEWAY, "State": "deleted"}, GATEWAY], "VpnGatewayId")
    assert [o.exists for o in listed] == [False, True]
    assert parse_ec2.count_existing([{**GATEWAY, "State": "deleting"}, GATEWAY]) == 1


def test_a_request_shows_no_key() -> None:
    mark = Mark(Owner("demo", "vpc-1", "vnet-1"), "aws_vpn.connection[0]", "cloudlink-demo-vpn-1")
    tunnel = requests.NewTunnel(IPv4Network("169.254.21.0/30"), Secret("very-secret"), IpsecPolicy())
    request = requests.create_connection("vgw-1", "cgw-1", mark, **requests.connection_options([tunnel]))
    assert request.method == "create_vpn_connection"
    assert request.parameters["Options"]["TunnelOptions"][0]["PreSharedKey"] == "very-secret"
    assert "very-secret" not in repr((request, tunnel))


def test_tunnels_of_others_over_ipv6_hide_nothing() -> None:
    """A connection of somebody else's has IPv6 addresses outside (since 2025), or inside alone."""
    option = {"OutsideIpAddress": "2600:1f14::1", "TunnelInsideCidr": "169.254.30.0/30"}
    inside = {"OutsideIpAddress": "3.3.3.3", "TunnelInsideIpv6Cidr": "fd00::/126"}
    others = [
        {"VpnConnectionId": f"vpn-{n}", "State": "available", "Options": {"TunnelOptions": [o]}}
        for n, o in enumerate((option, inside), 8)
    ]
    found = parse_connections.existing_connections([CONNECTION, *others])
    assert [[t.outside for t in c.tunnels] for c in found[1:]] == [[None], []]
    assert found[0] == parse_connections.connection(CONNECTION)


def test_an_endpoint_that_was_changed_to_ipv6_is_no_malformed_answer() -> None:
    endpoint = {"Id": "rslvr-in-1", "Arn": "arn", "HostVPCId": "vpc-1", "Status": "OPERATIONAL"}
    kinds = ("IPV4", "IPV6", "DUALSTACK")
    found = parse_resolver.endpoints([{**endpoint, "ResolverEndpointType": kind} for kind in kinds])
    assert [e.by_ipv6 for e in found] == [False, True, False]
    six = {"IpId": "rni-1", "SubnetId": "subnet-1", "Status": "ATTACHED", "Ipv6": "fd00::a"}
    only, both = parse_resolver.addresses([six, {**six, "Ip": "10.0.0.9"}])
    assert (only.address, only.good) == (None, False)
    assert (both.address, both.good) == (IPv4Address("10.0.0.9"), True)
    with pytest.raises(MalformedError):
        parse_resolver.addresses([{k: v for k, v in six.items() if k != "Ipv6"}])


def test_clusters_that_eks_does_not_run_or_not_all_of() -> None:
    registered = parse_cluster.cluster({"status": "ACTIVE", "connectorConfig": {"provider": "EKS_ANYWHERE"}})
    assert registered is not None and (registered.elsewhere, registered.vpc) == ("EKS_ANYWHERE", "")
    remote = {"remoteNodeNetworks": [{"cidrs": ["10.80.0.0/16"]}], "remotePodNetworks": [{"cidrs": ["10.85.0.0/16"]}]}
    hybrid = parse_cluster.cluster({**CLUSTER, "remoteNetworkConfig": remote})
    assert hybrid is not None and hybrid.remote == (IPv4Network("10.80.0.0/16"), IPv4Network("10.85.0.0/16"))
