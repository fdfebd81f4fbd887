"""Networks, clusters and filters that have IPv6 beside IPv4: cloudlink links IPv4, and what there is of IPv6 is in nobody's way."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from cloudlink.checks import also_learned
from cloudlink.clouds.aws import parse_acls, parse_groups, parse_routes, parse_vpc
from cloudlink.clouds.azure import parse_aks, parse_filters, parse_gateway, parse_network
from tests.checks.preflight.context import link

VNET = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v"
FOUR = IPv4Network("10.0.0.0/16")


@pytest.mark.parametrize("first", ["IPv4", "IPv6"])
def test_an_aks_cluster_of_either_order(first: str) -> None:
    """https://learn.microsoft.com/azure/aks/configure-dual-stack"""
    pods, services = ["10.244.0.0/16", "fd12::/64"], ["10.0.0.0/16", "fd13::/108"]
    if first == "IPv6":
        pods.reverse()
        services.reverse()
    network = {"podCidr": pods[0], "podCidrs": pods, "serviceCidr": services[0], "serviceCidrs": services}
    found = parse_aks.aks_cluster({"id": "c", "name": "c", "properties": {"networkProfile": network}})
    assert found.pod_ranges == (IPv4Network("10.244.0.0/16"),)
    assert found.service_ranges == (FOUR,)


def test_a_vnet_and_its_subnets() -> None:
    subnet = {
        "id": f"{VNET}/subnets/a",
        "name": "a",
        "properties": {"addressPrefixes": ["fd00:0:0:1::/64", "10.0.1.0/24"]},
    }
    space = {"addressSpace": {"addressPrefixes": ["fd00::/48", "10.0.0.0/16"]}, "subnets": [subnet]}
    found = parse_network.vnet({"id": VNET, "name": "v", "location": "x", "properties": space})
    assert found.prefixes == (FOUR,)
    assert found.subnets[0].prefixes == (IPv4Network("10.0.1.0/24"),)


def test_a_vpc_a_subnet_without_ipv4_and_routes() -> None:
    """https://docs.aws.amazon.com/vpc/latest/userguide/configure-subnets.html"""
    six = [{"Ipv6CidrBlock": "2600:1f::/56", "Ipv6CidrBlockState": {"State": "associated"}}]
    block = {"CidrBlock": "10.0.0.0/16", "CidrBlockState": {"State": "associated"}}
    vpc = parse_vpc.vpc(
        {"VpcId": "vpc-1", "OwnerId": "1", "CidrBlockAssociationSet": [block], "Ipv6CidrBlockAssociationSet": six}
    )
    assert vpc is not None
    assert vpc.ranges == (FOUR,)
    native = {"SubnetId": "subnet-1", "AvailabilityZone": "a", "AvailableIpAddressCount": 0, "Ipv6Native": True}
    (subnet,) = parse_vpc.subnets([native])
    assert subnet.without_ipv4
    routes = [
        {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"},
        {"DestinationIpv6CidrBlock": "2600:1f::/56", "GatewayId": "local", "State": "active"},
        {"DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1", "State": "active"},
    ]
    (table,) = parse_routes.tables([{"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [], "Routes": routes}])
    assert [r.destination for r in table.routes] == [FOUR]


def test_filters_of_aws() -> None:
    four = {"CidrBlock": "0.0.0.0/0", "Egress": False, "Protocol": "-1", "RuleAction": "allow", "RuleNumber": 100}
    six = {"Ipv6CidrBlock": "::/0", "Egress": False, "Protocol": "-1", "RuleAction": "deny", "RuleNumber": 1}
    (acl,) = parse_acls.acls([{"NetworkAclId": "acl-1", "Associations": [], "Entries": [six, four]}])
    assert parse_acls.passes(acl.inbound, "tcp", 53, FOUR)

    def group(**ranges: Any) -> dict[str, Any]:
        return {"GroupId": "sg-1", "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 53, "ToPort": 53, **ranges}]}

    only_six = parse_groups.rules_by_group([group(Ipv6Ranges=[{"CidrIpv6": "::/0"}])])["sg-1"]
    assert not parse_groups.lets_in(only_six, "tcp", 53, FOUR)
    both = group(IpRanges=[{"CidrIp": "10.0.0.0/8"}], Ipv6Ranges=[{"CidrIpv6": "::/0"}])
    assert parse_groups.lets_in(parse_groups.rules_by_group([both])["sg-1"], "tcp", 53, FOUR)


@pytest.mark.parametrize(("destination", "denied"), [("::/0", False), ("2600::/12", False), ("0.0.0.0/0", True)])
def test_filters_of_azure(destination: str, denied: bool) -> None:
    said = {"priority": 100, "direction": "Outbound", "access": "Deny", "protocol": "*", "sourceAddressPrefix": "*"}
    rule = {"name": "r", "properties": {**said, "destinationAddressPrefix": destination, "destinationPortRange": "*"}}
    group = parse_filters.security_group({"id": "/n", "name": "n", "properties": {"securityRules": [rule]}})
    deciding = group.deciding("tcp", 53, IPv4Network("10.9.0.0/24"), FOUR)
    assert (deciding is not None and not deciding.allows) is denied


def test_a_route_table_of_azure() -> None:
    next_hop = {"nextHopType": "VirtualAppliance", "nextHopIpAddress": "fd00::4"}
    raw = {
        "id": "/r",
        "name": "r",
        "properties": {"routes": [{"name": "x", "properties": {"addressPrefix": "::/0", **next_hop}}]},
    }
    (route,) = parse_network.route_table(raw).routes
    assert route.range is None


def test_routes_that_azures_gateway_has_learned_from_others() -> None:
    """It ended a plan over such a gateway with a mistake in cloudlink itself."""
    rows = [
        {"network": network, "origin": "EBgp", "sourcePeer": "10.99.0.1", "nextHop": "10.99.0.1"}
        for network in ("fd00:99::/48", "10.99.0.0/16")
    ]
    learned = parse_gateway.learned_routes(rows)
    assert [r.network for r in learned] == ["10.99.0.0/16"]
    assert [o.range for o in also_learned.of_other_peers(link(), learned, "gw", {})] == [IPv4Network("10.99.0.0/16")]
