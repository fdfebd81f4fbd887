"""The judgement on what was read: each obstacle gives one mistake at its path, and nothing else does."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.preflight import aks, azure
from cloudlink.checks.preflight.aks import AksFacts
from cloudlink.checks.preflight.aws import check_aws
from cloudlink.checks.preflight.azure_facts import AzureFacts
from cloudlink.checks.preflight.facts import PreflightFacts
from cloudlink.checks.preflight.ranges import check_ranges
from cloudlink.clouds.azure import parse
from cloudlink.config import load
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.errors import CloudError, Mistake, Severity
from cloudlink.link import Link

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
VPC = "vpc-0a1b2c3d4e5f60718"
OTHER_GATEWAY = (
    "/subscriptions/0/resourceGroups/x/providers/Microsoft.Network/virtualNetworkGateways/corp/ipConfigurations/a"
)
Said = dict[str, Any]


def said() -> Said:
    """As the clouds spell it, where nothing is in the way."""
    return {
        "vpc": {"VpcId": VPC, "CidrBlock": "10.10.0.0/16", "CidrBlockAssociationSet": [{"CidrBlock": "10.10.0.0/16"}]},
        "eks": {
            "resourcesVpcConfig": {"vpcId": VPC, "subnetIds": ["subnet-1", "subnet-2"]},
            "kubernetesNetworkConfig": {"serviceIpv4Cidr": "172.20.0.0/16"},
        },
        "subnets": [{"SubnetId": f"subnet-{i}", "AvailableIpAddressCount": 100} for i in range(1, 10)],
        "vpn_gateways": [],
        "vpn_connections": [],
        "zones": [],
        "vnet": {
            "name": "test-vnet",
            "properties": {
                "addressSpace": {"addressPrefixes": ["10.20.0.0/16"]},
                "subnets": [],
                "virtualNetworkPeerings": [],
            },
        },
        "aks": {
            "properties": {
                "nodeResourceGroup": "MC_test_test_westeurope",
                "networkProfile": {"podCidr": "10.244.0.0/16", "serviceCidr": "10.0.0.0/16"},
                "agentPoolProfiles": [{"name": "nodes", "vnetSubnetID": "/x/virtualNetworks/test-vnet/subnets/aks"}],
            }
        },
    }


def link(**aws: Any) -> Link:
    found = load(EXAMPLE, sandbox=True)
    return replace(found, aws=replace(found.aws, **aws))


def judged(spoil: Callable[[Said], object], of: Link | None = None) -> tuple[list[tuple[str, str]], list[str]]:
    facts = copy.deepcopy(said())
    spoil(facts)
    seen: Any = PreflightFacts(**{k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()})  # type: ignore[arg-type]
    plan = Plan((Change("resolver.endpoint", "endpoint", Action.CREATE),))
    asked = of or link()
    known = AzureFacts(
        vnet=parse.vnet(seen.vnet) if seen.vnet else None,
        cluster=parse.aks_cluster(seen.aks) if seen.aks else None,
        other_gateways=seen.azure_gateways,
    )
    found = [*azure.check(known, asked, plan), *aks.check(AksFacts(known.cluster, True), asked, plan)]
    of_azure = [
        f.mistake or Mistake(f.key or f.topic, f"{f.summary}: {f.detail}", f.hint)
        for f in found
        if f.severity is Severity.OBSTACLE
    ]
    warnings = [f"{f.summary}. {f.detail} {f.hint}" for f in found if f.severity is not Severity.OBSTACLE]
    mistakes = [*check_ranges(asked, seen), *check_aws(asked, seen, plan), *of_azure]
    assert all(m.allowed for m in mistakes)
    return [(m.path, m.found) for m in mistakes], warnings


def gateway_subnet(**properties: Any) -> dict[str, Any]:
    return {"name": "GatewaySubnet", "properties": {"addressPrefix": "10.20.255.0/27", **properties}}


def test_where_nothing_is_in_the_way_nothing_is_said() -> None:
    assert judged(lambda f: None) == ([], [])


CASES: dict[str, tuple[Callable[[Said], object], str, str]] = {
    "EKS in another VPC": (lambda f: f["eks"]["resourcesVpcConfig"].update(vpcId="vpc-2"), "aws.vpc", VPC),
    "dedicated tenancy": (lambda f: f["vpc"].update(InstanceTenancy="dedicated"), "aws.vpc", "dedicated"),
    "second range of the VPC": (
        lambda f: f["vpc"]["CidrBlockAssociationSet"].append({"CidrBlock": "10.20.4.0/22"}),
        "azure.vnet",
        "10.20.4.0/22",
    ),
    "EKS services": (
        lambda f: f["eks"]["kubernetesNetworkConfig"].update(serviceIpv4Cidr="10.244.0.0/20"),
        "azure.aks",
        "EKS service CIDR",
    ),
    "peered VNet": (
        lambda f: f["vnet"]["properties"]["virtualNetworkPeerings"].append(
            {"name": "hub", "properties": {"remoteVirtualNetworkAddressSpace": {"addressPrefixes": ["10.10.5.0/24"]}}}
        ),
        "azure.vnet",
        "peered VNet (hub) 10.10.5.0/24",
    ),
    "pods": (
        lambda f: f["aks"]["properties"]["networkProfile"].update(podCidr="10.10.0.0/18"),
        "azure.aks",
        "AKS pod CIDR",
    ),
    "services": (
        lambda f: f["aks"]["properties"]["networkProfile"].update(serviceCidr="10.10.0.0/20"),
        "azure.aks",
        "AKS service CIDR",
    ),
    "gateway subnet too small": (
        lambda f: f["vnet"]["properties"]["subnets"].append(gateway_subnet(addressPrefix="10.20.255.0/29")),
        "azure.vpn_gateway.subnet_prefix",
        "GatewaySubnet 10.20.255.0/29",
    ),
    "gateway subnet with NSG": (
        lambda f: f["vnet"]["properties"]["subnets"].append(gateway_subnet(networkSecurityGroup={"id": "/a/fence"})),
        "azure.vnet",
        "fence",
    ),
    "range outside the VNet": (
        lambda f: f["vnet"]["properties"]["addressSpace"].update(addressPrefixes=["10.21.0.0/16"]),
        "azure.vpn_gateway.subnet_prefix",
        "10.20.255.0/27",
    ),
    "range taken": (
        lambda f: f["vnet"]["properties"]["subnets"].append(
            {"name": "a", "properties": {"addressPrefix": "10.20.255.0/24"}}
        ),
        "azure.vpn_gateway.subnet_prefix",
        "10.20.255.0/27",
    ),
    "VNet has a VPN gateway": (
        lambda f: f.update(azure_gateways=[OTHER_GATEWAY.partition("/ipConfigurations")[0]]),
        "azure.vnet.name",
        "the VPN gateway corp",
    ),
    "VNet of AKS's own": (
        lambda f: f["aks"]["properties"].update(nodeResourceGroup="TEST"),
        "azure.vnet.resource_group",
        "test",
    ),
    "pool in a VNet that is not peered": (
        lambda f: f["aks"]["properties"]["agentPoolProfiles"][0].update(vnetSubnetID="/x/virtualNetworks/b/subnets/c"),
        "azure.vnet.name",
        "not peered",
    ),
    "cluster without a subnet of the user's": (
        lambda f: f["aks"]["properties"]["agentPoolProfiles"][0].pop("vnetSubnetID"),
        "azure.aks.name",
        "nodes",
    ),
    "too many prefixes": (
        lambda f: f["vnet"]["properties"]["virtualNetworkPeerings"].append(
            {
                "name": "hub",
                "properties": {
                    "remoteVirtualNetworkAddressSpace": {"addressPrefixes": [f"10.30.{i}.0/24" for i in range(100)]}
                },
            }
        ),
        "azure.vnet",
        "101 prefixes",
    ),
    "subnet without room": (
        lambda f: f["subnets"][1].update(AvailableIpAddressCount=0),
        "dns.endpoint_subnets",
        "subnet-2",
    ),
    "gateway on the VPC": (
        lambda f: f["vpn_gateways"].append(
            {"VpnGatewayId": "vgw-1", "State": "available", "VpcAttachments": [{"VpcId": VPC, "State": "attached"}]}
        ),
        "aws.gateway",
        "vgw-1",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_obstacle_gives_one_mistake(case: str) -> None:
    spoil, path, found = CASES[case]
    mistakes, _ = judged(spoil)
    assert [p for p, _ in mistakes] == [path], mistakes
    assert found in mistakes[0][1]


def test_a_gateway_of_another_kind_may_share_the_subnet() -> None:
    """ExpressRoute's: which kind it is, is read from the gateway itself, see ``Azure.other_vpn_gateways``."""
    shared = gateway_subnet(ipConfigurations=[{"id": OTHER_GATEWAY}])
    assert judged(lambda f: f["vnet"]["properties"]["subnets"].append(shared)) == ([], [])


def adopted(asn: int, **more: Any) -> Callable[[Said], object]:
    return lambda f: f.update(
        vpn_gateways=[{"VpnGatewayId": "vgw-1", "State": "available", "AmazonSideAsn": asn, **more}]
    )


@pytest.mark.parametrize(
    ("asn", "path"),
    [(64_900, None), (65_515, "aws.gateway"), (8_075, "aws.gateway"), (65_000, "azure.vpn_gateway.asn")],
)
def test_the_number_of_an_adopted_gateway(asn: int, path: str | None) -> None:
    mistakes, _ = judged(adopted(asn), link(adopt_gateway="vgw-1"))
    assert [p for p, _ in mistakes] == ([path] if path else [])


def test_inside_ranges_of_others_on_an_adopted_gateway() -> None:
    def spoil(f: Said) -> None:
        adopted(64_900)(f)
        options = {"TunnelOptions": [{"TunnelInsideCidr": "169.254.22.0/30"}]}
        vpn = {"VpnGatewayId": "vgw-1", "State": "available", "Options": options, "Tags": []}
        ours = {**vpn, "Tags": [{"Key": "cloudlink-link", "Value": "demo"}]}
        f.update(
            vpn_connections=[vpn, {**ours, "Options": {"TunnelOptions": [{"TunnelInsideCidr": "169.254.21.0/30"}]}}]
        )

    assert judged(spoil, link(adopt_gateway="vgw-1"))[0] == [("vpn.inside_pool", "169.254.22.0/30")]


def test_listed_endpoint_subnets_must_be_the_vpcs() -> None:
    found = link()
    found = replace(found, dns=replace(found.dns, endpoint_subnets=("subnet-1", "subnet-77")))
    assert judged(lambda f: None, found)[0] == [("dns.endpoint_subnets", "subnet-77")]


WARNINGS: dict[str, tuple[Callable[[Said], object], str]] = {
    "own DNS servers": (
        lambda f: f["vnet"]["properties"].update(dhcpOptions={"dnsServers": ["10.20.0.4"]}),
        "10.20.0.4",
    ),
    "LocalDNS": (
        lambda f: f["aks"]["properties"]["agentPoolProfiles"][0].update(localDNSProfile={"state": "Enabled"}),
        "LocalDNS",
    ),
    "own routes": (
        lambda f: f["aks"]["properties"]["networkProfile"].update(outboundType="userDefinedRouting"),
        "userDefinedRouting",
    ),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_what_only_may_become_a_problem_is_a_warning(case: str) -> None:
    spoil, words = WARNINGS[case]
    mistakes, warnings = judged(spoil)
    assert not mistakes
    assert [words in w for w in warnings] == [True]


def test_a_range_that_is_none_is_refused() -> None:
    with pytest.raises(CloudError, match="invalid address range"):
        judged(lambda f: f["vnet"]["properties"]["addressSpace"].update(addressPrefixes=["10.20.0.0/99"]))


@pytest.mark.parametrize("prefixes", [[], ["fd00::/48"], None])
def test_a_vnet_without_a_range_is_an_answer_without_sense(prefixes: list[str] | None) -> None:
    """Said of the cloud: no configuration would suit it."""
    with pytest.raises(CloudError, match="test-vnet without an IPv4 range"):
        judged(lambda f: f["vnet"]["properties"]["addressSpace"].update(addressPrefixes=prefixes))
