"""What is refused or changed before it is kept: Pod Security, LimitRanges, quotas, webhooks of the world file."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from cloudlink_sandbox import world_file
from tests.sandbox.kube.conftest import Aks

IMAGE = "python:3-slim"
SAFE = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def create(aks: Aks, name: str = "p", namespace: str = "default", *, meta: Any = None, **container: Any) -> Any:
    spec = {"restartPolicy": "Never", **container.pop("spec", {})}
    spec["containers"] = [{"name": "c", "image": IMAGE, "command": ["sleep", "600"], **container}]
    return aks.core.create_namespaced_pod(namespace, {"metadata": {"name": name, **(meta or {})}, "spec": spec})


def refused(aks: Aks, **how: Any) -> str:
    with pytest.raises(ApiException) as error:
        create(aks, **how)
    assert error.value.status == 403, error.value
    return str(error.value.body)


def label(aks: Aks, **labels: str) -> None:
    made = {f"pod-security.kubernetes.io/{k}": v for k, v in labels.items()}
    aks.core.patch_namespace("default", {"metadata": {"labels": made}})


@pytest.mark.documentation(
    "A namespace that enforces restricted refuses a pod that says nothing, and names all that it lacks"
)
@pytest.mark.documentation("A pod with all of it is let in")
def test_restricted(aks: Aks) -> None:
    label(aks, enforce="restricted")
    said = refused(aks)
    assert (
        r"violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"c\" must" in said
    )
    for field in ("unrestricted capabilities", "runAsNonRoot != true", "seccompProfile"):
        assert field in said
    create(aks, securityContext=SAFE)
    assert "runAsUser=0" in refused(aks, name="q", securityContext={**SAFE, "runAsUser": 0})


@pytest.mark.documentation("baseline refuses what reaches into the node, and nothing else")
@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"securityContext": {"privileged": True}}, "privileged (container"),
        ({"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}, "non-default capabilities (container"),
        ({"ports": [{"containerPort": 80, "hostPort": 80}]}, "hostPort (container"),
        ({"spec": {"hostNetwork": True}}, "host namespaces (hostNetwork=true)"),
        ({"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}}, "hostPath volumes (volume"),
        ({"spec": {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}}, "forbidden sysctls"),
    ],
)
def test_baseline(aks: Aks, how: dict[str, Any], why: str) -> None:
    label(aks, enforce="baseline")
    assert why in refused(aks, **how)
    create(aks)


@pytest.mark.documentation(
    "A level that only warns lets the pod in, with a Warning header; an unknown level is refused"
)
def test_warnings(aks: Aks) -> None:
    label(aks, warn="restricted")
    made = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": IMAGE}]}}
    _, code, headers = aks.core.create_namespaced_pod_with_http_info("default", made)
    assert code == 201
    assert 'would violate PodSecurity \\"restricted:latest\\"' in headers["Warning"]
    with pytest.raises(ApiException, match="must be one of privileged, baseline, restricted"):
        label(aks, enforce="strict")


@pytest.mark.documentation("A Deployment whose pods are refused has none, and says ReplicaFailure with the reason")
def test_a_deployment_whose_pods_are_refused(aks: Aks) -> None:
    label(aks, enforce="restricted")
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": IMAGE}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    aks.apps.create_namespaced_deployment("default", {"metadata": {"name": "d"}, "spec": spec})
    aks.advance(5)
    conditions = {c.type: c for c in aks.apps.read_namespaced_deployment("d", "default").status.conditions}
    assert conditions["ReplicaFailure"].reason == "FailedCreate"
    assert "violates PodSecurity" in conditions["ReplicaFailure"].message
    assert aks.core.list_namespaced_pod("default").items == []
    label(aks, enforce="privileged")
    aks.advance(20)
    assert len(aks.core.list_namespaced_pod("default").items) == 1


@pytest.mark.documentation("A LimitRange fills in what a container does not say, and refuses more than its maximum")
def test_limit_ranges(aks: Aks) -> None:
    limits = {
        "type": "Container",
        "default": {"cpu": "250m", "memory": "64Mi"},
        "defaultRequest": {"cpu": "100m"},
        "max": {"memory": "128Mi"},
        "min": {"cpu": "50m"},
    }
    aks.core.create_namespaced_limit_range("default", {"metadata": {"name": "l"}, "spec": {"limits": [limits]}})
    resources = create(aks).spec.containers[0].resources
    assert (resources.limits, resources.requests["cpu"]) == ({"cpu": "250m", "memory": "64Mi"}, "100m")
    said = refused(aks, name="q", resources={"limits": {"memory": "256Mi"}})
    assert "maximum memory usage per Container is 128Mi, but limit is 256Mi" in said
    said = refused(aks, name="q", resources={"requests": {"cpu": "10m"}})
    assert "minimum cpu usage per Container is 50m, but request is 10m" in said


@pytest.mark.documentation(
    "A quota refuses one pod too many, and one that does not say what is counted; it shows what is used"
)
def test_quotas(aks: Aks) -> None:
    hard = {"pods": "1", "requests.cpu": "1"}
    aks.core.create_namespaced_resource_quota("default", {"metadata": {"name": "q"}, "spec": {"hard": hard}})
    assert "failed quota: q: must specify requests.cpu for: c" in refused(aks)
    create(aks, resources={"requests": {"cpu": "400m"}})
    said = refused(aks, name="other", resources={"requests": {"cpu": "100m"}})
    assert "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1" in said
    assert aks.core.read_namespaced_resource_quota("q", "default").status.used == {"pods": "1", "requests.cpu": "400m"}


@pytest.mark.own("Scopes of quotas, and other resources than those that are counted, are refused")
def test_what_is_not_counted(aks: Aks) -> None:
    for spec in ({"hard": {"requests.storage": "1Gi"}}, {"hard": {"pods": "1"}, "scopes": ["BestEffort"]}):
        with pytest.raises(ApiException) as error:
            aks.core.create_namespaced_resource_quota("default", {"metadata": {"name": "q"}, "spec": spec})
        assert error.value.status == 422


@pytest.mark.documentation("A pod that names a service account that does not exist is refused")
def test_service_accounts(aks: Aks) -> None:
    assert r"serviceaccount \"nobody\" not found" in refused(aks, spec={"serviceAccountName": "nobody"})
    aks.core.create_namespaced_service_account("default", {"metadata": {"name": "nobody"}})
    create(aks, spec={"serviceAccountName": "nobody"})


def world(aks: Aks, **what: Any) -> None:
    """As if the world file said this of the cluster."""
    name = aks.world.azure.clusters[0].name
    made = world_file.parse({"azure": {"aks": {"name": name, **what}}})
    aks.cloud.world = lambda: made


@pytest.mark.own("Webhooks of the world file refuse what they are asked about, in a webhook's form")
def test_webhooks(aks: Aks) -> None:
    rules = [
        {"message": "[no-root] only images of the company", "unless_images": ["acme.azurecr.io/*"]},
        {"message": "locked", "webhook": "v.example", "resources": ["configmaps"], "namespaces": ["kube-system"]},
    ]
    world(aks, admission=rules, registries=[{"host": "acme.azurecr.io"}])
    said = refused(aks)
    assert r"admission webhook \"validation.gatekeeper.sh\" denied the request: [no-root] only images" in said
    create(aks, image="acme.azurecr.io/python:3")
    with pytest.raises(ApiException, match="denied the request: locked"):
        aks.core.patch_namespaced_config_map("coredns-custom", "kube-system", {"data": {"a": "b"}})
    with pytest.raises(ApiException, match="denied the request: locked"):
        aks.core.patch_namespaced_config_map("coredns-custom", "kube-system", {"data": {"a": "b"}}, dry_run="All")


@pytest.mark.own("Sidecars of the world file are in each new pod that does not opt out")
def test_injected_sidecars(aks: Aks) -> None:
    world(aks, sidecars=[{}])
    assert [c.name for c in create(aks).spec.containers] == ["c", "istio-proxy"]
    out = create(aks, "q", meta={"labels": {"sidecar.istio.io/inject": "false"}})
    assert [c.name for c in out.spec.containers] == ["c"]


@pytest.mark.documentation(
    "A private registry's image is pulled with a secret that names the registry, and not without"
)
def test_private_registries(aks: Aks) -> None:
    world(aks, registries=[{"host": "acme.azurecr.io", "private": True}])
    config = '{"auths": {"acme.azurecr.io": {"auth": "eDp5"}}}'
    secret = {"metadata": {"name": "s"}, "type": "kubernetes.io/dockerconfigjson"}
    aks.core.create_namespaced_secret("default", {**secret, "stringData": {".dockerconfigjson": config}})
    create(aks, image="acme.azurecr.io/python:3")
    create(aks, "q", image="acme.azurecr.io/python:3", spec={"imagePullSecrets": [{"name": "s"}]})
    aks.advance(10)
    without = aks.core.read_namespaced_pod("p", "default").status.container_statuses[0].state.waiting
    assert without.reason == "ErrImagePull" and "401 Unauthorized" in without.message
    assert aks.core.read_namespaced_pod("q", "default").status.phase == "Running"
