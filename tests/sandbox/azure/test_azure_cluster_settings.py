"""What accounts' AKS clusters have set: power, private or guarded API servers, taints, and fields of newer versions."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from azure_sandbox import Azure
from azure_sandbox import code as status_and_code

NEW = "2026-08-01"


def cluster(azure: Azure) -> str:
    groups = azure.call("GET", f"{azure.path('x').partition('/resourceGroups')[0]}/resourceGroups").json()["value"]
    (group,) = [g["name"] for g in groups if g["name"].startswith("aks")]
    where = (
        azure.path("x", group=group).partition("/providers")[0]
        + "/providers/Microsoft.ContainerService/managedClusters"
    )
    (found,) = azure.call("GET", where).json()["value"]
    return f"{where}/{found['name']}"


def change(azure: Azure, api: str = "2024-02-01", **properties: Any) -> requests.Response:
    """PUT of what was read, with these properties changed, and time for it to end."""
    path = cluster(azure)
    read = azure.call("GET", path, api=NEW).json()
    body = {**read, "properties": {**read["properties"], **properties}}
    answer = azure.call("PUT", path, body, api=api)
    azure.advance(3000)
    return answer


def read(azure: Azure, api: str = NEW) -> dict[str, Any]:
    found: dict[str, Any] = azure.call("GET", cluster(azure), api=api).json()["properties"]
    return found


def unreachable(azure: Azure) -> str:
    (facts,) = azure.cloud.facts().clusters
    return facts.unreachable


@pytest.mark.documentation("What a client read it can write back unchanged")
def test_a_cluster_is_written_as_it_was_read(seeded: Azure) -> None:
    assert change(seeded).status_code == 200


@pytest.mark.documentation(
    "A stopped cluster stays Succeeded (MicrosoftDocs/azure-docs#83563), and its API does not answer"
)
def test_stop_and_start(seeded: Azure) -> None:
    path = cluster(seeded)
    stopped = seeded.call("POST", f"{path}/stop")
    assert stopped.status_code == 202
    assert read(seeded)["provisioningState"] == "Stopping"
    assert status_and_code(seeded.call("POST", f"{path}/start"))[0] == 409
    seeded.advance(3000)
    assert (read(seeded)["provisioningState"], read(seeded)["powerState"]) == ("Succeeded", {"code": "Stopped"})
    assert read(seeded)["agentPoolProfiles"][0]["powerState"] == {"code": "Stopped"}
    assert unreachable(seeded) == "the cluster is stopped"
    assert change(seeded).status_code == 200
    assert read(seeded)["powerState"] == {"code": "Stopped"}  # a write does not start it
    assert seeded.call("POST", f"{path}/start").status_code == 202
    seeded.advance(3000)
    assert (read(seeded)["powerState"], unreachable(seeded)) == ({"code": "Running"}, "")


@pytest.mark.documentation("Authorised ranges let in those who are in them")
def test_authorised_ranges(seeded: Azure) -> None:
    assert change(seeded, apiServerAccessProfile={"authorizedIPRanges": ["203.0.113.0/24"]}).status_code == 200
    assert read(seeded)["apiServerAccessProfile"] == {"authorizedIPRanges": ["203.0.113.0/24"]}
    assert unreachable(seeded) == "198.51.100.10 is in none of the authorised ranges"
    change(seeded, apiServerAccessProfile={"authorizedIPRanges": ["203.0.113.0/24", "198.51.100.10/32"]})
    assert unreachable(seeded) == ""
    assert change(seeded, apiServerAccessProfile={"authorizedIPRanges": ["here"]}).status_code == 400


@pytest.mark.documentation("A cluster is private from the start: it has a private name, and nobody outside reaches it")
def test_private_clusters(seeded: Azure) -> None:
    refused = change(seeded, apiServerAccessProfile={"enablePrivateCluster": True})
    assert status_and_code(refused) == (400, "PropertyChangeNotAllowed")
    old = cluster(seeded)
    body = {
        "location": "westeurope",
        "properties": {
            "agentPoolProfiles": [{"name": "sys", "mode": "System", "count": 1}],
            "apiServerAccessProfile": {"enablePrivateCluster": True},
            "networkProfile": {"networkPlugin": "azure", "networkPluginMode": "overlay"},
        },
    }
    path = f"{old}-private"
    seeded.settle(seeded.call("PUT", path, body))
    shown = seeded.call("GET", path).json()["properties"]
    assert shown["privateFQDN"].endswith(".privatelink.westeurope.azmk8s.io")
    assert shown["apiServerAccessProfile"]["privateDNSZone"] == "system"
    reached = {c.name: c.unreachable for c in seeded.cloud.facts().clusters}
    assert reached[path.rpartition("/")[2]] == "the cluster is private"


@pytest.mark.documentation("Taints and labels of a pool are kept, and are on its nodes")
@pytest.mark.documentation("A p among the letters of a VM's size is Arm")
def test_pools_keep_what_they_are_given(seeded: Azure) -> None:
    pool = {
        **read(seeded)["agentPoolProfiles"][0],
        "nodeTaints": ["CriticalAddonsOnly=true:NoSchedule"],
        "nodeLabels": {"team": "net"},
        "vmSize": "Standard_D4ps_v5",
    }
    assert change(seeded, agentPoolProfiles=[pool]).status_code == 200
    shown = read(seeded)["agentPoolProfiles"][0]
    assert (shown["nodeTaints"], shown["nodeLabels"]) == (pool["nodeTaints"], pool["nodeLabels"])
    (facts,) = seeded.cloud.facts().clusters
    assert facts.pools[0].taints == ("CriticalAddonsOnly=true:NoSchedule",)
    assert facts.pools[0].arch == "arm64"
    assert change(seeded, agentPoolProfiles=[{**pool, "nodeTaints": ["nothing"]}]).status_code == 400


@pytest.mark.model("localDNSProfile of a pool is shown by the version that has it")
@pytest.mark.belief("Older versions leave it out without a word")
def test_local_dns_of_a_pool(seeded: Azure) -> None:
    pool = read(seeded)["agentPoolProfiles"][0]
    change(seeded, api=NEW, agentPoolProfiles=[{**pool, "localDNSProfile": {"mode": "Required"}}])
    assert read(seeded)["agentPoolProfiles"][0]["localDNSProfile"] == {"mode": "Required", "state": "Enabled"}
    assert "localDNSProfile" not in read(seeded, "2024-02-01")["agentPoolProfiles"][0]
    (kept,) = seeded.cloud.store.of_type("Microsoft.ContainerService/managedClusters")
    assert kept.properties["agentPoolProfiles"][0]["localDNSProfile"]["mode"] == "Required"


@pytest.mark.own("Fields without a model are refused, never dropped")
@pytest.mark.documentation("The network plugin of a cluster cannot be exchanged for kubenet")
@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"serviceMeshProfile": {"mode": "Istio"}}, "NotModelledBySandbox"),
        ({"addonProfiles": {"azurepolicy": {"enabled": True}}}, "NotModelledBySandbox"),
        ({"apiServerAccessProfile": {"enableVnetIntegration": True}}, "NotModelledBySandbox"),
        ({"networkProfile": {"networkPlugin": "kubenet"}}, "PropertyChangeNotAllowed"),
    ],
)
def test_what_is_not_modelled(seeded: Azure, properties: dict[str, Any], expected: str) -> None:
    before = read(seeded)
    assert status_and_code(change(seeded, **properties)) == (400, expected)
    assert read(seeded) == before


@pytest.mark.documentation("A cluster behind a proxy shows its settings, and what goes round the proxy by itself")
def test_a_cluster_behind_a_proxy(seeded: Azure) -> None:
    config = {
        "httpProxy": "http://proxy.corp:3128",
        "httpsProxy": "http://proxy.corp:3128",
        "noProxy": [".corp.example"],
    }
    assert change(seeded, httpProxyConfig=config).status_code == 200
    shown = read(seeded)["httpProxyConfig"]
    assert {k: shown[k] for k in config} == config
    assert {".corp.example", "10.0.0.0/16", "168.63.129.16", ".svc"} <= set(shown["effectiveNoProxy"])
    assert change(seeded).status_code == 200, "what was read can be written"
    assert change(seeded, httpProxyConfig={"httpProxy": "proxy.corp:3128"}).status_code == 400
    refused = change(seeded, httpProxyConfig={**config, "kind": "pac"})
    assert status_and_code(refused) == (400, "NotModelled") or refused.status_code == 400
