"""Situations of other people's accounts, said in the world file alone and met by real clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from kubernetes import client as kubernetes_client

from cloudlink_sandbox.errors import InvalidRequest
from cloudlink_sandbox.kube.kinds import SERVICES
from cloudlink_sandbox.kube.server import eks_identity
from cloudlink_sandbox.process import Sandbox
from cloudlink_sandbox.world_file import InvalidWorldFile, parse, read

NEED_TAG = "/providers/Microsoft.Authorization/policyDefinitions/871b6d14-10aa-478d-b590-94f262ecfa99"
GROUP = "/subscriptions/{subscription}/resourceGroups/test"
CLUSTER = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/test"

WORLD = f"""
foreign_objects = false

[azure]
api_versions = [{{ provider = "Microsoft.Network", versions = ["2023-02-01", "2023-09-01"] }}]

[[azure.calls]] # a policy that asks for a tag
path = "{GROUP}/providers/Microsoft.Authorization/policyAssignments/tags"
api_version = "2023-04-01"
body = '''{{"properties": {{"policyDefinitionId": "{NEED_TAG}", "parameters": {{"tagName": {{"value": "owner"}}}}}}}}'''

[[azure.calls]] # a lock
path = "{GROUP}/providers/Microsoft.Authorization/locks/keep"
api_version = "2020-05-01"
body = '''{{"properties": {{"level": "CanNotDelete"}}}}'''

[[azure.calls]] # pools that are all tainted
path = "{CLUSTER}/agentPools/nodepool1"
api_version = "2024-02-01"
body = '''{{"properties": {{"count": 2, "vmSize": "Standard_D4ds_v5", "mode": "System", "nodeTaints": ["CriticalAddonsOnly=true:NoSchedule"]}}}}'''

[[azure.calls]] # a provider that is not registered
method = "POST"
path = "/subscriptions/{{subscription}}/providers/Microsoft.ContainerService/unregister"
api_version = "2021-04-01"

[azure.aks]
version = "1.37"
manifests = ['''
apiVersion: v1
kind: Namespace
metadata: {{name: safe, labels: {{pod-security.kubernetes.io/enforce: restricted}}}}
---
apiVersion: v1
kind: LimitRange
metadata: {{name: small, namespace: safe}}
spec: {{limits: [{{type: Container, max: {{memory: 64Mi}}}}]}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: coredns-custom, namespace: kube-system}}
data: {{rw.override: "rewrite name orders.example kubernetes.default.svc.cluster.local"}}
binaryData: {{x.server: b3RoZXIuZXhhbXBsZSB7Cn0K}}
''']
"""


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path / "home", speed=600)
    made.start()
    yield made
    made.stop()


def seeded(sandbox: Sandbox, tmp_path: Path, text: str) -> None:
    (tmp_path / "world.toml").write_text(text)
    sandbox.seed(read(tmp_path / "world.toml"))


def arm(sandbox: Sandbox, method: str, path: str, body: Any = None, version: str = "2023-09-01") -> Any:
    token = sandbox.azure.parts.entra.issue(sandbox.azure.base_url, sandbox.azure.base_url)
    subscription = sandbox.world_file().azure.subscription
    return requests.request(
        method,
        sandbox.azure.base_url + path.replace("{subscription}", subscription),
        params={"api-version": version},
        json=body,
        headers={"Authorization": f"Bearer {token}"},
        verify=str(sandbox.ca_file),
        timeout=20,
    )


def kube(sandbox: Sandbox) -> kubernetes_client.CoreV1Api:
    (cluster,) = sandbox.azure.facts().clusters
    url, _, token = sandbox.azure.aks_endpoint(cluster)
    configuration = kubernetes_client.Configuration()
    configuration.host, configuration.ssl_ca_cert = url, str(sandbox.ca_file)
    configuration.api_key = {"authorization": f"Bearer {token}"}
    return kubernetes_client.CoreV1Api(kubernetes_client.ApiClient(configuration))


@pytest.mark.own(
    "The world file alone gives policies, locks, unregistered providers, taints, limits, labels, keys of CoreDNS and "
    "the versions of the API that there are"
)
def test_a_world_of_other_people(sandbox: Sandbox, tmp_path: Path) -> None:
    seeded(sandbox, tmp_path, WORLD)
    vnet = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/mine"
    body = {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.99.0.0/16"]}}}
    refused = arm(sandbox, "PUT", vnet, body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "RequestDisallowedByPolicy")
    newer = arm(sandbox, "PUT", vnet, body, version="2024-05-01").json()["error"]
    assert newer["code"] == "NoRegisteredProviderFound"
    assert "The supported api-versions are '2023-02-01, 2023-09-01'" in newer["message"]
    kept = arm(sandbox, "DELETE", CLUSTER, version="2024-02-01")
    assert (kept.status_code, kept.json()["error"]["code"]) == (409, "ScopeLocked")
    away = arm(sandbox, "PUT", f"{CLUSTER}2", {"location": "westeurope"}, version="2024-02-01").json()
    assert (away.get("error") or away)["code"] == "MissingSubscriptionRegistration"
    api = kube(sandbox)
    taints = [t.key for n in api.list_node().items for t in n.spec.taints or ()]
    assert taints == ["CriticalAddonsOnly"] * 2
    assert api.list_node().items[0].status.node_info.kubelet_version == "v1.37.0"
    assert api.read_namespace("safe").metadata.labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert api.read_namespaced_limit_range("small", "safe").spec.limits[0].max == {"memory": "64Mi"}
    custom = api.read_namespaced_config_map("coredns-custom", "kube-system")
    assert list(custom.data) == ["rw.override"] and list(custom.binary_data) == ["x.server"]


@pytest.mark.own(
    "Clusters of one name in two regions are two: each has its own API, and Services with load balancers of its region"
)
def test_a_cluster_of_the_same_name_in_another_region(sandbox: Sandbox, tmp_path: Path) -> None:
    servers: dict[str, str] = {}
    for region in ("eu-central-1", "ca-central-1", "eu-central-1"):
        service = '[[aws.services]]\nnamespace = "vault"\nname = "vault"\nports = [8200]\n'
        seeded(sandbox, tmp_path, f'[aws]\nregion = "{region}"\n{service}')
        (known,) = [c for c in sandbox.clusters() if c["cloud"] == "eks"]
        assert servers.setdefault(region, known["server"]) == known["server"]
        with sandbox.context.lock:
            cluster = sandbox.eks.by_name(eks_identity(region, known["name"]))
            assert cluster is not None
            (ingress,) = cluster.store.find(SERVICES, "vault", "vault")["status"]["loadBalancer"]["ingress"]
        assert ingress["hostname"].endswith(f".elb.{region}.amazonaws.com")
        assert sandbox.aws.load_balancer_of(region, "service", "vault", "vault") == ingress["hostname"]
    assert len(set(servers.values())) == 2


@pytest.mark.own("A cluster of the world file can be stopped, private, or open to some ranges alone")
@pytest.mark.parametrize(
    "call",
    [
        f'''method = "POST"\npath = "{CLUSTER}/stop"\napi_version = "2024-02-01"''',
        f'''method = "PUT"\npath = "{CLUSTER}"\napi_version = "2024-02-01"\nbody = """
        {{"location": "westeurope", "properties": {{
          "apiServerAccessProfile": {{"authorizedIPRanges": ["203.0.113.0/24"]}},
          "agentPoolProfiles": [{{"name": "nodepool1", "count": 3, "vmSize": "Standard_D4ds_v5", "mode": "System"}}],
          "networkProfile": {{"networkPlugin": "azure", "networkPluginMode": "overlay", "podCidr": "10.244.0.0/16",
                              "serviceCidr": "10.0.0.0/16", "dnsServiceIP": "10.0.0.10"}}}}}}"""''',
    ],
    ids=["stopped", "ranges"],
)
def test_a_cluster_out_of_reach(sandbox: Sandbox, tmp_path: Path, call: str) -> None:
    seeded(sandbox, tmp_path, f"[[azure.calls]]\n{call}\n")
    (cluster,) = [c for c in sandbox.azure.facts().clusters if c.name == "test"]
    assert cluster.unreachable


@pytest.mark.own("A call or an object of the world file that is refused is told with the cloud's own words")
def test_what_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    path = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/v"
    with pytest.raises(InvalidRequest, match=r"azure.calls\[0\]") as error:
        seeded(sandbox, tmp_path, f'[[azure.calls]]\npath = "{path}"\n')
    assert "LocationRequired" in error.value.detail
    with pytest.raises(InvalidRequest, match=r"Object 0 of azure\.aks\.manifests"):
        seeded(sandbox, tmp_path, "[azure.aks]\nmanifests = ['{apiVersion: v1, kind: Nothing}']\n")
    with pytest.raises(InvalidWorldFile, match="an object of JSON"):
        parse({"azure": {"calls": [{"path": "/subscriptions/x", "body": "[]"}]}})
    with pytest.raises(InvalidWorldFile, match="an unknown key"):
        parse({"azure": {"calls": [{"path": "/subscriptions/x", "colour": "blue"}]}})
