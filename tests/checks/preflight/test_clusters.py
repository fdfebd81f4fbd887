"""What is looked at on each of several AKS clusters, and on all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from cloudlink.checks.preflight import aks, coredns, mesh, network_policies
from cloudlink.checks.preflight.clusters import find_shared, shared_subnets
from cloudlink.checks.preflight.context import OnCluster, Topic
from cloudlink.checks.preflight.run import topics_of
from cloudlink.checks.preflight.transit import nodes_of
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_aks import AgentPool, AksCluster
from cloudlink.config import parse
from cloudlink.errors import Severity
from tests.support.config_texts import SMALLEST

NODES = "/subscriptions/s/resourceGroups/test/providers/Microsoft.Network/virtualNetworks/test-vnet/subnets/aks"
OTHERS = NODES.replace("subnets/aks", "subnets/green")


def cluster(name: str, *subnets: str, plugin: str = "kubenet") -> AksCluster:
    id_ = f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{name}"
    return AksCluster(id_, name, plugin=plugin, pools=tuple(AgentPool("p", subnet_id=s) for s in subnets))


def test_two_of_kubenet_in_one_subnet_are_named() -> None:
    both = {"blue": cluster("blue", NODES), "apps/green": cluster("green", OTHERS, NODES.upper(), NODES.upper())}
    (found,) = shared_subnets(both)
    assert found.severity is Severity.WARNING
    assert "blue and apps/green are in" in found.detail
    assert "one route table" in found.detail
    assert "az aks update --name green --resource-group rg --subscription s " in found.hint
    assert found.resource == "azure_vpn.cluster[apps/green]"


@pytest.mark.parametrize(
    "green",
    [
        cluster("green", OTHERS),
        cluster("green", NODES, plugin="azure"),
        cluster("green", ""),
    ],
)
def test_other_plugins_and_other_subnets_are_well(green: AksCluster) -> None:
    assert list(shared_subnets({"blue": cluster("blue", NODES, ""), "green": green})) == []


def test_it_is_asked_of_several_clusters_alone() -> None:
    several = parse(f'{SMALLEST}[[azure.clusters]]\nname = "green"\n', "c.toml")
    assert ("aks", find_shared) in topics_of(several, writes=True)
    assert ("aks", find_shared) not in topics_of(parse(SMALLEST, "c.toml"), writes=True)


@pytest.mark.parametrize("topic", [aks.find, coredns.find, network_policies.find, mesh.find])
def test_what_a_cluster_has_is_looked_at_on_each(topic: Topic) -> None:
    several = parse(f'{SMALLEST}[[azure.clusters]]\nname = "green"\n', "c.toml")
    found = [t for _, t in topics_of(several, writes=True) if isinstance(t, OnCluster) and t.topic is topic]
    assert [t.label for t in found] == ["test", "green"]


@dataclass(frozen=True)
class Read:
    """What Azure says of one cluster and of the link's VNet."""

    subnet: str

    def aks_cluster(self) -> dict[str, Any]:
        return {
            "id": "/x",
            "name": "c",
            "properties": {"agentPoolProfiles": [{"name": "p", "vnetSubnetID": self.subnet}]},
        }

    def vnet(self) -> dict[str, Any]:
        subnets = [
            {"id": i, "name": i.rpartition("/")[2], "properties": {"addressPrefix": r}}
            for i, r in ((NODES, "10.20.0.0/22"), (OTHERS, "10.20.8.0/22"), (f"{NODES}-of-nobody", "10.20.16.0/22"))
        ]
        return {"id": NODES.partition("/subnets")[0], "name": "test-vnet", "properties": {"subnets": subnets}}


def test_blackhole_routes_are_held_against_the_nodes_of_each() -> None:
    both = cast("list[Azure]", [Read(NODES.upper()), Read(OTHERS)])
    assert [str(n) for n in nodes_of(both)] == ["10.20.0.0/22", "10.20.8.0/22"]
    assert [str(n) for n in nodes_of(both[1:])] == ["10.20.8.0/22"]
