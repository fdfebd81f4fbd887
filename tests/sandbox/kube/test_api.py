"""The API as the real client uses it: objects, versions, watches, refusals, faults, the journal."""

from __future__ import annotations

import json
import ssl
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import urllib3
from kubernetes import client, dynamic, watch
from kubernetes.client.exceptions import ApiException

from cloudlink_sandbox.faults import Fault
from tests.sandbox.kube.conftest import TOKEN, Aks, api_client
from tests.sandbox.kube.small_world import CLUSTER_ID

CUSTOM = ("coredns-custom", "kube-system")


def refused(call: Any, *args: Any, **kwargs: Any) -> tuple[int, str]:
    with pytest.raises(ApiException) as e:
        call(*args, **kwargs)
    return e.value.status, json.loads(e.value.body)["reason"]


@pytest.mark.documentation(
    "AKS has CoreDNS twice, its Corefile with both imports, an empty coredns-custom, and the version that belongs to Kubernetes'"
)
def test_a_new_cluster_has_what_aks_puts_there(aks: Aks) -> None:
    assert {n.metadata.name for n in aks.core.list_namespace().items} >= {"default", "kube-system"}
    corefile = aks.core.read_namespaced_config_map("coredns", "kube-system").data["Corefile"]
    assert "import custom/*.override" in corefile and "import custom/*.server" in corefile
    assert aks.core.read_namespaced_config_map(*CUSTOM).data is None
    deployment = aks.apps.read_namespaced_deployment("coredns", "kube-system")
    assert deployment.status.available_replicas == 2
    assert deployment.spec.template.spec.containers[0].image.endswith("/coredns:v1.12.1")
    assert aks.core.read_namespaced_service("kube-dns", "kube-system").spec.cluster_ip == "10.0.0.10"
    assert [n.status.addresses[0].address for n in aks.core.list_node().items] == ["10.20.1.4", "10.20.1.5"]
    assert client.VersionApi(aks.api).get_code().git_version == "v1.33.0"


@pytest.mark.documentation(
    "Creating what exists is AlreadyExists, replacing an old version Conflict, reading what is gone NotFound"
)
def test_write_read_and_versions(aks: Aks) -> None:
    made = aks.core.create_namespaced_config_map("default", {"metadata": {"name": "a"}, "data": {"x": "1"}})
    assert refused(aks.core.create_namespaced_config_map, "default", {"metadata": {"name": "a"}}) == (
        409,
        "AlreadyExists",
    )
    aks.core.patch_namespaced_config_map("a", "default", {"data": {"y": "2"}})
    made.data = {"z": "3"}
    assert refused(aks.core.replace_namespaced_config_map, "a", "default", made) == (409, "Conflict")
    fresh = aks.core.read_namespaced_config_map("a", "default")
    assert fresh.data == {"x": "1", "y": "2"}
    fresh.data = {"z": "3"}
    assert aks.core.replace_namespaced_config_map("a", "default", fresh).data == {"z": "3"}
    aks.core.delete_namespaced_config_map("a", "default")
    assert refused(aks.core.read_namespaced_config_map, "a", "default") == (404, "NotFound")


@pytest.mark.documentation("A write that changes nothing makes no new version")
def test_the_same_content_again_is_no_new_version(aks: Aks) -> None:
    patch = {"data": {"a.server": "x"}}
    first = aks.core.patch_namespaced_config_map(*CUSTOM, patch)
    assert (
        aks.core.patch_namespaced_config_map(*CUSTOM, patch).metadata.resource_version
        == first.metadata.resource_version
    )


@pytest.mark.documentation("Lists are selected by labels and fields")
def test_selectors(aks: Aks) -> None:
    def names(**selector: str) -> list[str]:
        return [p.metadata.labels["k8s-app"] for p in aks.core.list_namespaced_pod("kube-system", **selector).items]

    assert names(label_selector="k8s-app=kube-dns") == ["kube-dns"] * 2
    assert names(label_selector="k8s-app notin (kube-dns)") == []
    assert names(field_selector="status.phase=Running,metadata.name!=x") == ["kube-dns"] * 2
    assert names(field_selector="status.phase!=Running") == []


@pytest.mark.program("Kubernetes' dynamic client finds the kinds")
def test_the_dynamic_client_and_discovery(aks: Aks, tmp_path: Path) -> None:
    found = dynamic.DynamicClient(aks.api, cache_file=str(tmp_path / "discovery"))
    maps = found.resources.get(api_version="v1", kind="ConfigMap")
    assert maps.get(name=CUSTOM[0], namespace=CUSTOM[1]).metadata.name == "coredns-custom"
    assert found.resources.get(api_version="apps/v1", kind="Deployment").namespaced


@pytest.mark.documentation("A watch from a version on sees every later change")
def test_a_watch_sees_changes(aks: Aks) -> None:
    listed = aks.core.list_namespaced_config_map("default")
    aks.core.create_namespaced_config_map("default", {"metadata": {"name": "w"}})
    aks.core.patch_namespaced_config_map("w", "default", {"data": {"k": "v"}})
    aks.core.delete_namespaced_config_map("w", "default")
    seen = watch.Watch().stream(
        aks.core.list_namespaced_config_map,
        "default",
        resource_version=listed.metadata.resource_version,
        timeout_seconds=1,
    )
    assert [e["type"] for e in seen] == ["ADDED", "MODIFIED", "DELETED"]


@pytest.mark.documentation("Bad names, values, keys, namespaces and kinds are refused with 400 or 422")
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"metadata": {"name": "Bad_Name"}}, (422, "Invalid")),
        ({"metadata": {"name": "x"}, "data": {"k": 1}}, (400, "BadRequest")),
        ({"metadata": {"name": "x"}, "data": {"a/b": "1"}}, (422, "Invalid")),
        ({"metadata": {"name": "x", "namespace": "other"}}, (400, "BadRequest")),
        ({"metadata": {"name": "x"}, "kind": "Secret"}, (400, "BadRequest")),
    ],
)
def test_bad_objects(aks: Aks, body: dict[str, Any], code: tuple[int, str]) -> None:
    # the client checks bodies itself, so this goes past it
    answer = aks.api.call_api(
        "POST",
        f"{aks.api.configuration.host}/api/v1/namespaces/default/configmaps",
        {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"},
        body,
    )
    assert (answer.status, json.loads(answer.read())["reason"]) == code


@pytest.mark.documentation("Unknown namespaces, kinds and clusters are NotFound")
def test_unknown_places(aks: Aks, certificate: Path) -> None:
    assert refused(aks.core.create_namespaced_config_map, "nowhere", {"metadata": {"name": "x"}}) == (404, "NotFound")
    assert refused(client.BatchV1Api(aks.api).list_namespaced_job, "default") == (404, "NotFound")
    other = client.CoreV1Api(api_client(f"{aks.cloud.base_url}/{aks.cloud.key_of('/other')}", certificate))
    assert refused(other.list_namespace) == (404, "NotFound")


@pytest.mark.documentation("An unknown token is 401 Unauthorized")
def test_only_who_is_known_gets_in(aks: Aks, certificate: Path) -> None:
    foreign = client.CoreV1Api(api_client(aks.cloud.url_of("aks-one"), certificate, token="a-bad-token"))
    assert refused(foreign.list_namespace) == (401, "Unauthorized")


@pytest.mark.own("A fault can throttle, fail, expire or deny any call")
@pytest.mark.documentation("Those refusals are Status objects with Kubernetes' reasons")
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("throttled", (429, "TooManyRequests")),
        ("error", (500, "InternalError")),
        ("expired", (401, "Unauthorized")),
        ("denied", (403, "Forbidden")),
    ],
)
def test_faults_that_refuse(aks: Aks, kind: str, expected: tuple[int, str]) -> None:
    aks.world.context.faults.add(Fault(kind, "kube.PATCH:configmaps/coredns-custom"))
    assert refused(aks.core.patch_namespaced_config_map, *CUSTOM, {"data": {"a": "1"}}) == expected
    assert aks.core.read_namespaced_config_map(*CUSTOM).data is None
    assert aks.core.patch_namespaced_config_map(*CUSTOM, {"data": {"a": "1"}}).data == {"a": "1"}


@pytest.mark.own("A fault cuts the connection before the call has its effect, or after")
@pytest.mark.parametrize(("kind", "effect"), [("cut-before", None), ("cut-after", {"a": "1"})])
def test_faults_that_cut(aks: Aks, kind: str, effect: dict[str, str] | None) -> None:
    aks.world.context.faults.add(Fault(kind, "kube.PATCH:configmaps/*"))
    with pytest.raises(urllib3.exceptions.HTTPError):
        aks.core.patch_namespaced_config_map(*CUSTOM, {"data": {"a": "1"}})
    assert aks.core.read_namespaced_config_map(*CUSTOM).data == effect


@pytest.mark.own("A fault makes an answer unreadable")
def test_garbage(aks: Aks, certificate: Path) -> None:
    aks.world.context.faults.add(Fault("garbage", "kube.GET:configmaps/*"))
    url = f"{aks.cloud.url_of(CLUSTER_ID)}/api/v1/namespaces/kube-system/configmaps/coredns"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    context = ssl.create_default_context(cafile=str(certificate))
    with urllib.request.urlopen(request, context=context) as answer, pytest.raises(ValueError):
        json.loads(answer.read())


@pytest.mark.documentation("A self-subject access review says what would be refused")
def test_access_reviews_know_of_denials(aks: Aks) -> None:
    def allowed(verb: str, resource: str, name: str) -> bool:
        asked = {"verb": verb, "resource": resource, "name": name, "namespace": "kube-system"}
        review = {"spec": {"resourceAttributes": asked}}
        answer = client.AuthorizationV1Api(aks.api).create_self_subject_access_review(review)
        return bool(answer.status.allowed)

    assert allowed("patch", "configmaps", "coredns-custom")
    aks.world.context.faults.add(Fault("denied", "kube.PATCH:configmaps/coredns-custom", times=None))
    assert not allowed("patch", "configmaps", "coredns-custom")
    assert allowed("patch", "deployments", "coredns")


@pytest.mark.own("The journal tells each call's name, target, status and whether it writes")
def test_the_journal_tells_reads_from_writes(aks: Aks) -> None:
    aks.core.read_namespaced_config_map(*CUSTOM)
    aks.core.patch_namespaced_config_map(*CUSTOM, {"data": {"secret": "text"}})
    calls = [(c.cloud, c.operation, c.target, c.status, c.writes) for c in aks.world.context.journal.calls()]
    assert calls[-2:] == [
        ("aks", "GET configmaps", "coredns-custom", 200, False),
        ("aks", "PATCH configmaps", "coredns-custom", 200, True),
    ]


@pytest.mark.own("A cluster can be saved and restored")
def test_saved_and_loaded(aks: Aks) -> None:
    aks.core.patch_namespaced_config_map(*CUSTOM, {"data": {"a.server": "x"}})
    saved = aks.cloud.snapshot()
    aks.core.patch_namespaced_config_map(*CUSTOM, {"data": {"a.server": "y"}})
    aks.cloud.restore(saved)
    assert aks.core.read_namespaced_config_map(*CUSTOM).data == {"a.server": "x"}
    assert aks.apps.read_namespaced_deployment("coredns", "kube-system").status.available_replicas == 2


@pytest.mark.own("A cluster lives as long as ARM says, and begins fresh")
def test_a_deleted_cluster_is_gone_and_a_new_one_is_fresh(aks: Aks) -> None:
    aks.core.patch_namespaced_config_map(*CUSTOM, {"data": {"a": "1"}})
    before = aks.world.azure
    aks.world.azure = replace(before, clusters=())
    assert refused(aks.core.list_namespace) == (404, "NotFound")
    aks.world.azure = before
    assert aks.core.read_namespaced_config_map(*CUSTOM).data is None


@pytest.mark.own("A fault makes one call slow")
def test_a_slow_call_does_not_hold_others_up(aks: Aks) -> None:
    aks.world.context.faults.add(Fault("slow", "kube.GET:nodes", seconds=0.2))
    began = time.monotonic()
    aks.core.list_node()
    assert time.monotonic() - began >= 0.2


@pytest.mark.documentation("A list with a limit comes in parts, each with the way to the next and how many are left")
def test_lists_in_parts(aks: Aks) -> None:
    for i in range(5):
        aks.core.create_namespaced_config_map("default", {"metadata": {"name": f"m{i}"}})
    first = aks.core.list_namespaced_config_map("default", limit=2)
    assert ([m.metadata.name for m in first.items], first.metadata.remaining_item_count) == (["m0", "m1"], 3)
    found = [m.metadata.name for m in first.items]
    part = first
    while part.metadata._continue:
        part = aks.core.list_namespaced_config_map("default", limit=2, _continue=part.metadata._continue)
        found += [m.metadata.name for m in part.items]
    assert found == [f"m{i}" for i in range(5)]
    with pytest.raises(ApiException, match="continue key is not valid"):
        aks.core.list_namespaced_config_map("default", limit=2, _continue="bm9uZQ==")
