"""What is looked at on each of several AKS clusters, and on all of them together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from cloudlink.checks.preflight import aks, coredns, mesh, network_policies
from cloudlink.checks.preflight.clusters import find_shared, shared_subnets
from cloudlink.checks.preflight.context import Context, OnCluster, Topic
from cloudlink.checks.preflight.run import topics_of
from cloudlink.checks.preflight.transit import nodes_of
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_aks import AgentPool, AksCluster
from cloudlink.config import parse
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.errors import CloudError, Finding, Mistake, Severity
from cloudlink.steps.dns_forward.step import FORWARD, address_on
from cloudlink.steps.outputs import Targets
from tests.support.config_texts import SMALLEST
from tests.support.pinned import pin, pinned

NODES = "/subscriptions/s/resourceGroups/test/providers/Microsoft.Network/virtualNetworks/test-vnet/subnets/aks"
OTHERS = NODES.replace("subnets/aks", "subnets/green")


def cluster(name: str, *subnets: str, plugin: str = "kubenet") -> AksCluster:
    id_ = f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{name}"
    return AksCluster(id_, name, plugin=plugin, pools=tuple(AgentPool("p", subnet_id=s) for s in subnets))


def test_two_of_kubenet_in_one_subnet_are_named() -> None:
    both = {"blue": cluster("blue", NODES), "apps/green": cluster("green", OTHERS, NODES.upper(), NODES.upper())}
    (found,) = pinned(shared_subnets(both))
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


SEVERAL = parse(f'{SMALLEST}[[azure.clusters]]\nname = "green"\nresource_group = "apps"\n', "c.toml")
BLUE, GREEN = (SEVERAL.azure.label_of(c) for c in SEVERAL.azure.clusters)


def on(label: str, found: Finding) -> Finding:
    return pin(OnCluster(aks.find, label, first=label == BLUE).said(found, "test-admin"))


def test_a_finding_says_on_which_cluster_it_is() -> None:
    mistake = Mistake("azure.aks", "stopped", "one that runs")
    seen = Finding(
        "aks",
        Severity.OBSTACLE,
        "It is stopped",
        "No node runs.",
        key="azure.aks.name",
        resource=FORWARD,
        mistake=mistake,
    )
    first = on(BLUE, seen)
    assert first == replace(seen, detail=f"On {BLUE}: No node runs."), "its keys are the link's own"
    other = on(GREEN, replace(seen, explains="azure_vpn.cluster"))
    assert (other.detail, other.key) == (f"On {GREEN}: No node runs.", "azure.clusters")
    assert (other.resource, other.explains) == (address_on(GREEN), f"azure_vpn.cluster[{GREEN}]")
    assert other.mistake == replace(mistake, path="azure.clusters")


def test_what_names_the_cluster_or_another_key_stays() -> None:
    seen = Finding(
        "aks", Severity.WARNING, "a", f"{GREEN.rpartition('/')[2]} is old.", key="dns.zone", resource="resolver.zone"
    )
    assert on(GREEN, seen) == seen
    elsewhere = replace(seen, mistake=Mistake("dns.zone", "a", "b"))
    assert on(GREEN, elsewhere) == elsewhere


def called(topic: Any) -> str:
    return f"{topic.__module__.rpartition('.')[2]}.{topic.__name__}"


def test_which_topics_are_of_which_cluster() -> None:
    told = [
        f"{'writes' if writes else 'nothing is written'}, {name}: {called(t.topic)} on {t.label}{', alike' * t.alike}"
        for writes in (True, False)
        for name, t in topics_of(SEVERAL, writes=writes)
        if isinstance(t, OnCluster)
    ]
    assert all(t.first is (t.label == BLUE) for _, t in topics_of(SEVERAL, writes=True) if isinstance(t, OnCluster))
    pinned(told)
    alone = parse(SMALLEST, "c.toml")
    assert not any(isinstance(t, OnCluster) for _, t in topics_of(alone, writes=True))


def test_the_context_of_one_cluster_has_its_own_changes_alone() -> None:
    """And those that are of no cluster with the first."""
    addresses = (FORWARD, address_on(GREEN), "resolver.zone", f"{FORWARD}[third]")
    plan = Plan(tuple(Change(a, a, Action.CREATE) for a in addresses))
    error = CloudError("a", "b")
    nodes: Any = {a: f"node of {a}" for a in addresses}
    clouds: Any = {"aws": "aws", "azure": "azure", "aks": "aks", "eks": "eks"}
    whole = Context(
        SEVERAL, plan, **clouds, nodes=nodes, failed=dict.fromkeys(addresses, error), targets=Targets({}, {})
    )
    other: Any = ("its azure", "its aks")
    first = whole.of_cluster(FORWARD, SEVERAL, *other)
    assert [c.address for c in first.plan.changes] == [FORWARD, "resolver.zone"]
    second = whole.of_cluster(address_on(GREEN), SEVERAL, *other)
    assert [(c.address, c.title) for c in second.plan.changes] == [(FORWARD, address_on(GREEN))]
    assert (second.nodes, second.failed) == ({FORWARD: f"node of {address_on(GREEN)}"}, {FORWARD: error})
    assert set(first.nodes) == set(first.failed) == {FORWARD, "resolver.zone"}
    for each in (first, second):
        assert (each.link, each.aws, each.azure, each.aks, each.eks) == (SEVERAL, "aws", "its azure", "its aks", "eks")
        assert each.targets is whole.targets and not each.clusters
