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
from cloudlink.checks.preflight.azure_facts import AzureFacts
from cloudlink.clouds.azure import parse_aks, parse_network
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


def preflight_of(spoil: Callable[[Said], object], of: Link | None = None) -> tuple[list[tuple[str, str]], list[str]]:
    facts = copy.deepcopy(said())
    spoil(facts)
    plan = Plan((Change("resolver.endpoint", "endpoint", Action.CREATE),))
    asked = of or link()
    known = AzureFacts(
        vnet=parse_network.vnet(facts["vnet"]),
        cluster=parse_aks.aks_cluster(facts["aks"]),
        other_gateways=tuple(facts.get("azure_gateways") or ()),
    )
    found = [*azure.check(known, asked, plan), *aks.check(AksFacts(known.cluster, True), asked, plan)]
    of_azure = [
        f.mistake or Mistake(f.key or f.topic, f"{f.summary}: {f.detail}", f.hint)
        for f in found
        if f.severity is Severity.OBSTACLE
    ]
    warnings = [f"{f.summary}. {f.detail} {f.hint}" for f in found if f.severity is not Severity.OBSTACLE]
    mistakes = of_azure
    assert all(m.allowed for m in mistakes)
    return [(m.path, m.found) for m in mistakes], warnings


def gateway_subnet(**properties: Any) -> dict[str, Any]:
    return {"name": "GatewaySubnet", "properties": {"addressPrefix": "10.20.255.0/27", **properties}}


def test_where_nothing_is_in_the_way_nothing_is_said() -> None:
    assert preflight_of(lambda f: None) == ([], [])


CASES: dict[str, tuple[Callable[[Said], object], str, str]] = {
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
                    "allowGatewayTransit": True,
                    "remoteVirtualNetworkAddressSpace": {"addressPrefixes": [f"10.30.{i}.0/24" for i in range(100)]},
                },
            }
        ),
        "azure.vnet",
        "101 prefixes",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_obstacle_gives_one_mistake(case: str) -> None:
    spoil, path, found = CASES[case]
    mistakes, _ = preflight_of(spoil)
    assert [p for p, _ in mistakes] == [path], mistakes
    assert found in mistakes[0][1]


def test_a_gateway_of_another_kind_may_share_the_subnet() -> None:
    """ExpressRoute's: which kind it is, is read from the gateway itself, see ``Azure.other_vpn_gateways``."""
    shared = gateway_subnet(ipConfigurations=[{"id": OTHER_GATEWAY}])
    assert preflight_of(lambda f: f["vnet"]["properties"]["subnets"].append(shared)) == ([], [])


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
    mistakes, warnings = preflight_of(spoil)
    assert not mistakes
    assert [words in w for w in warnings] == [True]


def test_a_range_that_is_none_is_refused() -> None:
    with pytest.raises(CloudError, match="invalid address range"):
        preflight_of(lambda f: f["vnet"]["properties"]["addressSpace"].update(addressPrefixes=["10.20.0.0/99"]))


@pytest.mark.parametrize("prefixes", [[], ["fd00::/48"], None])
def test_a_vnet_without_a_range_is_an_answer_without_sense(prefixes: list[str] | None) -> None:
    """Said of the cloud: no configuration would suit it."""
    with pytest.raises(CloudError, match="test-vnet without an IPv4 range"):
        preflight_of(lambda f: f["vnet"]["properties"]["addressSpace"].update(addressPrefixes=prefixes))
