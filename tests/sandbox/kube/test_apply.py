"""What kubectl's later commands, helm and other clients ask for: server-side apply, dry runs, scale, reviews."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3
import yaml

from cloudlink_sandbox.faults import Fault
from tests.sandbox.kube.conftest import TOKEN, Aks

MINE = "/api/v1/namespaces/default/configmaps/mine"


def call(aks: Aks, method: str, path: str, body: Any = None, kind: str = "application/json", **query: str) -> Any:
    """(status, JSON) of one plain request. path: below the cluster's own, or a whole URL."""
    url = path if path.startswith("https://") else aks.api.configuration.host + path
    text = yaml.safe_dump(body) if "yaml" in kind else json.dumps(body)
    headers = {"Content-Type": kind, "Authorization": f"Bearer {TOKEN}"}
    with urllib3.PoolManager(ca_certs=aks.api.configuration.ssl_ca_cert) as pool:
        answer = pool.request(method, f"{url}?{urlencode(query)}", headers=headers, body=None if body is None else text)
    return answer.status, json.loads(answer.data) if answer.data.startswith(b"{") else answer.data


def applied(aks: Aks, data: dict[str, str] | None, manager: str, **query: str) -> Any:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, **({"data": data} if data else {})}
    return call(aks, "PATCH", MINE, body, "application/apply-patch+yaml", fieldManager=manager, **query)


def managers(answer: dict[str, Any]) -> set[tuple[str, str]]:
    return {(m["manager"], m["operation"]) for m in answer["metadata"]["managedFields"]}


@pytest.mark.documentation(
    "Server-side apply creates, merges, removes what its manager gives up, and tells of conflicts"
)
def test_server_side_apply(aks: Aks) -> None:
    code, made = applied(aks, {"a": "1", "b": "2"}, "one")
    assert (code, made["data"], managers(made)) == (201, {"a": "1", "b": "2"}, {("one", "Apply")})
    assert made["metadata"]["managedFields"][0]["fieldsV1"] == {"f:data": {"f:a": {}, "f:b": {}}}
    code, again = applied(aks, {"a": "1", "b": "2"}, "one")
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]  # no write
    assert applied(aks, {"b": "2", "c": "3"}, "two")[1]["data"] == {"a": "1", "b": "2", "c": "3"}
    # one gives up both: b is two's as well and stays
    assert applied(aks, {"d": "4"}, "one")[1]["data"] == {"b": "2", "c": "3", "d": "4"}
    code, refused = applied(aks, {"c": "5", "d": "4"}, "one")
    assert (code, refused["reason"]) == (409, "Conflict")
    assert [c["field"] for c in refused["details"]["causes"]] == [".data.c"]
    assert 'conflict with "two"' in refused["message"]
    assert applied(aks, {"c": "5"}, "one", force="true")[1]["data"] == {"b": "2", "c": "5"}
    assert applied(aks, {"b": "2"}, "two")[1]["data"] == {"b": "2", "c": "5"}  # c is not two's any more


@pytest.mark.documentation("Who makes an object owns its fields; other writes own what they change")
@pytest.mark.documentation("Fields that nobody owns are before-first-apply's, and not to be taken without force")
def test_apply_and_other_writers(aks: Aks) -> None:
    before = {"metadata": {"name": "mine"}, "data": {"a": "1", "z": "0"}}
    made = call(aks, "POST", "/api/v1/namespaces/default/configmaps", before, fieldManager="maker")[1]
    assert managers(made) == {("maker", "Update")}
    assert made["metadata"]["managedFields"][0]["fieldsV1"] == {"f:data": {"f:a": {}, "f:z": {}}}
    code, refused = applied(aks, {"a": "2"}, "one")
    assert (code, refused["details"]["causes"][0]["message"]) == (409, 'conflict with "maker" using v1')
    clear = {"metadata": {"managedFields": [{}]}}
    call(aks, "PATCH", MINE, clear, "application/merge-patch+json", fieldManager="maker")
    code, refused = applied(aks, {"a": "2"}, "one")
    assert code == 409
    assert "before-first-apply" in refused["message"]
    assert applied(aks, {"a": "1"}, "one")[1]["data"] == {"a": "1", "z": "0"}
    call(aks, "PATCH", MINE, {"data": {"a": "3"}}, "application/merge-patch+json", fieldManager="by-hand")
    code, refused = applied(aks, {"a": "1"}, "one")
    assert (code, refused["details"]["causes"][0]["message"]) == (409, 'conflict with "by-hand" using v1')
    assert ("by-hand", "Update") in managers(call(aks, "GET", MINE)[1])


@pytest.mark.documentation("Controllers own what they make, AKS's add-ons are its add-on manager's")
def test_owners_of_what_was_there(aks: Aks) -> None:
    space = "/api/v1/namespaces/kube-system"
    for path, owner in (
        (f"{space}/configmaps/coredns-custom", "kubectl-client-side-apply"),
        (f"{space}/pods", "kube-controller-manager"),
    ):
        found = call(aks, "GET", path)[1]
        assert managers(found.get("items", [found])[0]) == {(owner, "Update")}


@pytest.mark.documentation("Lists with a key are applied item by item")
def test_apply_to_a_deployment(aks: Aks) -> None:
    path = "/apis/apps/v1/namespaces/default/deployments/web"

    def apply(manager: str, *env: dict[str, str]) -> Any:
        container = {"name": "c", "image": "python:3.12", **({"env": list(env)} if env else {})}
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template},
        }
        return call(aks, "PATCH", path, body, "application/apply-patch+yaml", fieldManager=manager)

    def names(answer: Any) -> list[str]:
        return [e["name"] for e in answer[1]["spec"]["template"]["spec"]["containers"][0].get("env", ())]

    assert apply("one", {"name": "A", "value": "1"})[0] == 201
    assert names(apply("two", {"name": "B", "value": "2"})) == ["A", "B"]
    assert names(apply("one")) == ["B"]


@pytest.mark.documentation("Server-side apply needs a manager and the object's own name")
def test_bad_applies(aks: Aks) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}
    kind = "application/apply-patch+yaml"
    assert call(aks, "PATCH", MINE, body, kind)[0] == 422
    assert call(aks, "PATCH", MINE, body, kind, fieldManager="x")[0] == 400
    assert call(aks, "PATCH", MINE, {"metadata": {}}, kind, fieldManager="x")[0] == 400


@pytest.mark.documentation("A dry run answers as the write would, and writes nothing")
def test_dry_runs(aks: Aks) -> None:
    space = "/api/v1/namespaces/default"
    made = call(aks, "POST", f"{space}/configmaps", {"metadata": {"name": "mine"}}, dryRun="All")
    assert made[0] == 201
    assert made[1]["metadata"]["uid"]
    assert "resourceVersion" not in made[1]["metadata"]
    custom = "/api/v1/namespaces/kube-system/configmaps/coredns-custom"
    version = call(aks, "GET", custom)[1]["metadata"]["resourceVersion"]
    change = {"data": {"a": "1"}}
    changed = call(aks, "PATCH", custom, change, "application/merge-patch+json", dryRun="All")[1]
    assert (changed["data"], changed["metadata"]["resourceVersion"]) == ({"a": "1"}, version)
    assert call(aks, "DELETE", custom, dryRun="All")[0] == 200
    assert call(aks, "DELETE", custom, {"kind": "DeleteOptions", "dryRun": ["All"]})[0] == 200
    assert call(aks, "GET", custom)[0] == 200
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    assert call(aks, "POST", f"{space}/pods", pod, dryRun="All")[0] == 201
    assert call(aks, "GET", f"{space}/configmaps")[1]["items"] == []
    assert call(aks, "GET", f"{space}/pods")[1]["items"] == []
    assert call(aks, "GET", custom)[0] == 200
    again = {"metadata": {"name": "coredns"}}
    assert call(aks, "POST", "/api/v1/namespaces/kube-system/configmaps", again, dryRun="All")[0] == 409
    assert call(aks, "POST", f"{space}/configmaps", {"metadata": {"name": "mine"}}, dryRun="Some")[0] == 400


@pytest.mark.documentation("A Deployment's number of pods has an address of its own")
def test_scale(aks: Aks) -> None:
    path = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
    assert call(aks, "GET", f"{path}/scale")[1]["spec"] == {"replicas": 2}
    merge = "application/merge-patch+json"
    patched = call(aks, "PATCH", f"{path}/scale", {"spec": {"replicas": 3}}, merge)[1]
    assert (patched["kind"], patched["apiVersion"], patched["spec"]) == ("Scale", "autoscaling/v1", {"replicas": 3})
    assert "k8s-app=kube-dns" in patched["status"]["selector"]
    assert call(aks, "GET", path)[1]["spec"]["replicas"] == 3
    assert call(aks, "PUT", f"{path}/scale", {**patched, "spec": {"replicas": 1}})[1]["spec"] == {"replicas": 1}
    assert call(aks, "PUT", f"{path}/scale", {**patched, "spec": {"replicas": 2}})[0] == 409  # an old version
    assert call(aks, "PATCH", f"{path}/scale", {"spec": {"replicas": -1}}, merge)[0] == 422


@pytest.mark.documentation("Who am I, and what may I")
def test_reviews(aks: Aks) -> None:
    who = call(aks, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert who[0] == 201
    assert who[1]["status"]["userInfo"]["username"]
    asked = {"spec": {"namespace": "default"}}
    rules = call(aks, "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", asked)[1]
    assert rules["status"]["resourceRules"][0]["verbs"] == ["*"]
    assert rules["status"]["incomplete"] is False
    aks.world.context.faults.add(Fault("denied", "kube.PATCH:configmaps/*", times=None))
    denied = call(aks, "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", asked)[1]
    assert denied["status"]["incomplete"] is True


@pytest.mark.own("Where one cluster is served, the path need not name it: `kubectl get --raw` drops that part")
def test_a_path_without_the_cluster(aks: Aks) -> None:
    assert call(aks, "GET", aks.cloud.base_url + "/version")[1]["gitVersion"] == "v1.33.0"
    assert call(aks, "GET", aks.cloud.base_url + "/readyz") == (200, b"ok")
    assert call(aks, "POST", "/version", {})[0] == 405
    assert call(aks, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", {})[0] == 404
    assert call(aks, "GET", aks.cloud.base_url + "/api/v1/namespaces")[1]["kind"] == "NamespaceList"
