"""Resource groups, resources by tag, AKS clusters and their credentials, with the real SDKs where cloudlink has them."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import pytest
import yaml
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.containerservice.models import AgentPool
from azure.mgmt.resource.resources import ResourceManagementClient
from azure_sandbox import CLIENT, GROUP, PIP, SECRET, SUBNETS, SUBSCRIPTION, TENANT, Azure, code, make_world

from cloudlink_sandbox.world_file import Aks

NODES = f"{SUBNETS}/aks"


def client_of(azure: Azure, kind: Any) -> Any:
    credential = ClientSecretCredential(
        TENANT, CLIENT, SECRET, authority=azure.url, disable_instance_discovery=True, connection_verify=azure.ca
    )
    return kind(
        credential,
        SUBSCRIPTION,
        base_url=azure.url,
        credential_scopes=[azure.url + "/.default"],
        connection_verify=azure.ca,
        retry_total=1,
        polling_interval=0.02,
    )


def finish(azure: Azure, poller: Any) -> Any:
    while not poller.done():
        azure.advance(60)
        threading.Event().wait(0.01)
    return poller.result()


@pytest.mark.documentation("Groups are made at once; their resources are listed by group and by tag")
@pytest.mark.belief("The index of tags knows a new resource after about half a minute")
@pytest.mark.documentation("Tags are merged by an operation of their own")
def test_groups_and_resources_by_tag(seeded: Azure) -> None:
    client = client_of(seeded, ResourceManagementClient)
    made = client.resource_groups.create_or_update("new-rg", {"location": "West Europe", "tags": {"cloudlink": "demo"}})
    assert (made.location, made.properties.provisioning_state) == ("westeurope", "Succeeded")
    assert client.resource_groups.check_existence("new-rg")
    assert not client.resource_groups.check_existence("no-rg")
    assert {g.name for g in client.resource_groups.list()} == {"new-rg", GROUP, "net-rg", "aks-rg", "contoso-hub"}
    body = {**PIP, "tags": {"cloudlink": "demo"}}
    by_tag = "tagName eq 'cloudlink' and tagValue eq 'demo'"
    made = seeded.call("PUT", seeded.path("publicIPAddresses", "pip-0"), body)
    assert [r.name for r in client.resources.list_by_resource_group(GROUP)] == ["pip-0"]
    assert list(client.resources.list(filter=by_tag)) == []  # the index of tags lags behind
    seeded.settle(made, 60)
    found = list(client.resources.list(filter=by_tag))
    assert [(r.type, r.name) for r in found] == [("Microsoft.Network/publicIPAddresses", "pip-0")]
    foreign_objects = client.resources.list_by_resource_group("contoso-hub")
    assert {r.type.split("/")[1] for r in foreign_objects} == {
        "virtualNetworks",
        "publicIPAddresses",
        "virtualNetworkGateways",
        "localNetworkGateways",
    }
    assert code(seeded.call("GET", f"/subscriptions/{SUBSCRIPTION}/resources", **{"$filter": "colour gt 3"})) == (
        400,
        "InvalidFilterInQueryString",
    )
    merged = client.tags.begin_update_at_scope(found[0].id, {"operation": "Merge", "properties": {"tags": {"b": "2"}}})
    assert finish(seeded, merged).properties.tags == {"cloudlink": "demo", "b": "2"}


@pytest.mark.recorded(
    "A group's deletion is 202 until it is done, or 409 ResourceGroupDeletionBlocked with the reason as text; then the group is as before"
)
@pytest.mark.recorded("What is written into a group that is being deleted is ResourceGroupBeingDeleted")
def test_a_group_is_deleted_with_all_it_holds_or_not_at_all(built: Azure) -> None:
    client = client_of(built, ResourceManagementClient)
    net = built.call("DELETE", f"/subscriptions/{SUBSCRIPTION}/resourcegroups/net-rg")
    assert net.status_code == 202
    busy = built.call("PUT", f"{SUBNETS}/x", {"properties": {"addressPrefix": "10.60.9.0/24"}})
    assert code(busy) == (409, "ResourceGroupBeingDeleted")
    assert built.call("GET", net.headers["Location"]).status_code == 202
    built.advance(600)
    blocked = built.call("GET", net.headers["Location"])
    assert blocked.status_code == 409
    assert blocked.json()["Error"]["Code"] == "ResourceGroupDeletionBlocked"
    inner = json.loads(blocked.json()["Error"]["Details"][0]["Message"])
    assert inner["error"]["code"] == "InUseSubnetCannotBeDeleted"
    assert client.resource_groups.get("net-rg").properties.provisioning_state == "Succeeded"
    finish(built, client.resource_groups.begin_delete(GROUP))
    with pytest.raises(ResourceNotFoundError):
        client.resource_groups.get(GROUP)
    assert built.call("DELETE", f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}").status_code == 404


@pytest.mark.own("The furnished cluster's nodes stand in the configured subnet")
@pytest.mark.recorded("A user kubeconfig holds the server, its authority and a token")
@pytest.mark.documentation("With overlay networking pods leave with their node's address")
def test_the_furnished_cluster_stands_in_the_users_vnet(seeded: Azure) -> None:
    client = client_of(seeded, ContainerServiceClient)
    cluster = client.managed_clusters.get("aks-rg", "test-aks")
    assert cluster.agent_pool_profiles[0].vnet_subnet_id == NODES
    assert (cluster.network_profile.network_plugin_mode, cluster.network_profile.pod_cidr) == (
        "overlay",
        "10.244.0.0/16",
    )
    assert [p.name for p in client.agent_pools.list("aks-rg", "test-aks")] == ["nodepool1"]
    given = client.managed_clusters.list_cluster_user_credentials("aks-rg", "test-aks").kubeconfigs[0]
    config = yaml.safe_load(bytes(given.value))
    assert config["clusters"][0]["cluster"]["server"] == f"{seeded.url}/aks/test-aks"
    authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])
    assert authority.startswith(b"-----BEGIN CERTIFICATE-----")
    assert config["users"][0]["user"] == {"token": "static-token"}
    fact = seeded.cloud.facts().clusters[0]
    assert (fact.source, fact.subnet_id, str(fact.node_addresses[0])) == ("node", NODES, "10.60.0.4")


@pytest.mark.documentation(
    "With Entra sign-in the kubeconfig runs kubelogin for AKS's server application; admin credentials are refused"
)
def test_a_cluster_with_entra_sign_in_refuses_static_credentials(azure: Azure) -> None:
    azure.cloud.seed(make_world(aks=Aks("test-aks", "aks-rg", sign_in="entra")))
    client = client_of(azure, ContainerServiceClient)
    given = client.managed_clusters.list_cluster_user_credentials("aks-rg", "test-aks", format="exec").kubeconfigs[0]
    run = yaml.safe_load(bytes(given.value))["users"][0]["user"]["exec"]
    assert run["command"] == "kubelogin"
    assert run["args"][run["args"].index("--server-id") + 1] == "6dae42f8-4368-4678-94ff-3960e28e3630"
    with pytest.raises(HttpResponseError) as refused:
        client.managed_clusters.list_cluster_admin_credentials("aks-rg", "test-aks")
    assert refused.value.error.code == "BadRequest"


def cluster_body(**network: str) -> dict[str, Any]:
    profile = {"networkPlugin": "azure", "networkPluginMode": "overlay"} | network
    pool = {"name": "sys", "count": 1, "vmSize": "Standard_B2s", "mode": "System", "vnetSubnetID": NODES}
    return {
        "location": "westeurope",
        "identity": {"type": "SystemAssigned"},
        "properties": {"dnsPrefix": "n", "agentPoolProfiles": [pool], "networkProfile": profile},
    }


@pytest.mark.recorded("A cluster is Creating, Succeeded with its name below azmk8s.io, then deleted")
def test_a_cluster_can_be_made_and_removed(seeded: Azure) -> None:
    client = client_of(seeded, ContainerServiceClient)
    poller = client.managed_clusters.begin_create_or_update("aks-rg", "fresh", cluster_body())
    assert client.managed_clusters.get("aks-rg", "fresh").provisioning_state == "Creating"
    assert len(seeded.cloud.facts().clusters) == 1
    made = finish(seeded, poller)
    assert made.provisioning_state == "Succeeded"
    assert made.fqdn.endswith(".hcp.westeurope.azmk8s.io")
    assert {c.name for c in seeded.cloud.facts().clusters} == {"test-aks", "fresh"}
    finish(seeded, client.managed_clusters.begin_delete("aks-rg", "fresh"))
    with pytest.raises(ResourceNotFoundError):
        client.managed_clusters.get("aks-rg", "fresh")


@pytest.mark.recorded("AKS's errors have no envelope")
@pytest.mark.documentation(
    "A service range that overlaps the subnet, a version too old and an unknown plugin are refused"
)
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"properties.networkProfile.serviceCidr": "10.60.0.0/20"}, "ServiceCidrOverlapExistingSubnetsCidr"),
        ({"properties.kubernetesVersion": "1.19"}, "K8sVersionNotSupported"),
        ({"properties.networkProfile.networkPlugin": "carrier-pigeon"}, "InvalidRequestFormat"),
    ],
)
def test_clusters_are_refused_without_an_envelope(seeded: Azure, change: dict[str, str], expected: str) -> None:
    body = cluster_body()
    for path, value in change.items():
        *steps, last = path.split(".")
        place = body
        for step in steps:
            place = place[step]
        place[last] = value
    address = (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/aks-rg/providers/Microsoft.ContainerService/managedClusters/x"
    )
    answer = seeded.call("PUT", address, body)
    assert answer.status_code == 400
    assert answer.json()["code"] == expected


@pytest.mark.own("What the world file leaves out is not there, and what is there is kept")
def test_only_what_the_world_file_says_is_there_and_what_is_there_is_kept(azure: Azure) -> None:
    azure.cloud.seed(make_world(resource_groups=(), vnet=None, aks=None))
    assert {g.name for g in azure.cloud.store.groups.values()} == {"contoso-hub"}
    assert [v.rsplit("/", 1)[-1] for v in azure.cloud.facts().vnets] == ["hub"]
    azure.cloud.seed(make_world())
    before = azure.cloud.snapshot()["resources"].keys()
    azure.cloud.seed(make_world())
    assert azure.cloud.snapshot()["resources"].keys() == before
    hub = next(iter(azure.cloud.facts().gateways.values()))
    assert hub.ready
    assert hub.id.startswith(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/contoso-hub/")


@pytest.mark.documentation("An agent pool can be added, scaled and deleted by itself; one system pool has to stay")
def test_agent_pools_one_by_one(seeded: Azure) -> None:
    client = client_of(seeded, ContainerServiceClient)
    pools, name = client.agent_pools, ("aks-rg", "test-aks")
    before = [p.name for p in pools.list(*name)]
    made = finish(seeded, pools.begin_create_or_update(*name, "more", AgentPool(count=2, mode="User")))
    assert (made.count, made.provisioning_state) == (2, "Succeeded")
    assert finish(seeded, pools.begin_create_or_update(*name, "more", AgentPool(count=4))).count == 4
    assert [p.name for p in pools.list(*name)] == [*before, "more"]
    cluster = client.managed_clusters.get(*name)
    assert [p.name for p in cluster.agent_pool_profiles] == [*before, "more"]
    assert cluster.identity_profile["kubeletidentity"].client_id
    finish(seeded, pools.begin_delete(*name, "more"))
    assert [p.name for p in pools.list(*name)] == before
    with pytest.raises(HttpResponseError) as refused:
        pools.begin_delete(*name, before[0])
    assert "at least one system agent pool" in str(refused.value)


@pytest.mark.documentation("AKS says which versions of Kubernetes it offers, and leads to the next minor one only")
def test_versions_of_kubernetes(seeded: Azure) -> None:
    client = client_of(seeded, ContainerServiceClient)
    offered = client.managed_clusters.list_kubernetes_versions("westeurope").values_property
    assert [v.version for v in offered if v.is_default] == ["1.35"]
    cluster = client.managed_clusters.get("aks-rg", "test-aks")
    profile = client.managed_clusters.get_upgrade_profile("aks-rg", "test-aks")
    assert profile.control_plane_profile.kubernetes_version == cluster.current_kubernetes_version == "1.35.2"
    assert [u.kubernetes_version for u in profile.control_plane_profile.upgrades] == ["1.36.1"]
    with pytest.raises(HttpResponseError):
        client.managed_clusters.list_kubernetes_versions("atlantis")
