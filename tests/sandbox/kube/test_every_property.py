"""Never ignored: every property of Kubernetes' types is sent, one at a time, and kept or refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import urllib3
from kubernetes.client import models

from tests.sandbox.kube.conftest import TOKEN, Aks

MODELS = {
    "namespaces": "V1Namespace",
    "pods": "V1Pod",
    "services": "V1Service",
    "configmaps": "V1ConfigMap",
    "secrets": "V1Secret",
    "serviceaccounts": "V1ServiceAccount",
    "limitranges": "V1LimitRange",
    "resourcequotas": "V1ResourceQuota",
    "events": "CoreV1Event",
    "deployments": "V1Deployment",
    "ingresses": "V1Ingress",
    "networkpolicies": "V1NetworkPolicy",
}
ROOTS = {
    "deployments": "/apis/apps/v1",
    "ingresses": "/apis/networking.k8s.io/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
}
CONTAINER = {"name": "c", "image": "mcr.microsoft.com/python:3.12"}
TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [CONTAINER]}}
NEEDED: dict[str, dict[str, Any]] = {
    "pods": {"spec": {"containers": [CONTAINER]}},
    "services": {"spec": {"ports": [{"port": 80}]}},
    "limitranges": {"spec": {"limits": [{"type": "Container"}]}},
    "events": {"involvedObject": {"namespace": "default"}},
    "deployments": {"spec": {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE}},
}
# Said by the server alone, or about the object itself; the name is the test's.
OWN = {"status", "apiVersion", "kind", "metadata.creationTimestamp", "metadata.deletionGracePeriodSeconds"}
OWN |= {f"metadata.{n}" for n in ("deletionTimestamp", "generation", "managedFields", "name", "namespace")}
OWN |= {f"metadata.{n}" for n in ("resourceVersion", "selfLink", "uid", "generateName")}
# Written, and read back in another place.
WRITE_ONLY = {"stringData"}


def values(type_: str, path: str = "", depth: int = 0) -> Iterator[Any]:
    """A value for each property within, one at a time."""
    if depth > 9 or path in OWN:
        return
    if found := re.fullmatch(r"[Ll]ist\[(.+)\]", type_):
        for value in values(found.group(1), path, depth + 1):
            yield [value]
    elif re.fullmatch(r"[Dd]ict[\[(]\s*str,\s*(.+)[\])]", type_):
        yield {"x": "1"}
    elif type_ in ("str", "object"):
        yield "x"
    elif type_ == "datetime":
        yield "2026-01-01T00:00:00Z"
    elif type_ in ("int", "float"):
        yield 7
    elif type_ == "bool":
        yield True
    elif model := getattr(models, type_, None):
        for name, inner in model.openapi_types.items():
            key = model.attribute_map[name]
            for value in values(inner, f"{path}.{key}".lstrip("."), depth + 1):
                yield {key: value}
    else:
        raise AssertionError(type_)


def merged(body: Any, change: Any) -> Any:
    if isinstance(body, dict) and isinstance(change, dict):
        return {**body, **{k: merged(body.get(k), v) for k, v in change.items()}}
    if isinstance(body, list) and body and isinstance(change, list):
        return [merged(body[0], change[0])]
    return change


def holds(shown: Any, change: Any) -> bool:
    if isinstance(change, dict):
        return isinstance(shown, dict) and all(k in shown and holds(shown[k], v) for k, v in change.items())
    if isinstance(change, list):
        return isinstance(shown, list) and any(holds(s, change[0]) for s in shown)
    return bool(shown == change)


@dataclass
class Server:
    aks: Aks
    pool: urllib3.PoolManager = field(init=False)

    def __post_init__(self) -> None:
        self.pool = urllib3.PoolManager(ca_certs=self.aks.api.configuration.ssl_ca_cert)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
        data = None if body is None else json.dumps(body)
        answer = self.pool.request(method, self.aks.api.configuration.host + path, headers=headers, body=data)
        return answer.status, json.loads(answer.data)


@pytest.mark.specification(
    "Every property of each kind, sent alone, is read back as it was sent, or the object is refused: none is dropped"
)
@pytest.mark.parametrize("plural", MODELS)
def test_no_property_is_dropped_in_silence(aks: Aks, plural: str) -> None:
    server = Server(aks)
    space = "" if plural == "namespaces" else "/namespaces/default"
    place = f"{ROOTS.get(plural, '/api/v1')}{space}/{plural}"
    kept, silent = 0, []
    for number, change in enumerate(values(MODELS[plural])):
        name = f"every-{number}"
        body = merged({**NEEDED.get(plural, {}), "metadata": {"name": name}}, change)
        code, made = server.call("POST", place, body)
        assert code < 500, (change, made)
        if code >= 400:
            assert made["kind"] == "Status" and made["message"], (change, made)
            continue
        kept += 1
        shown = server.call("GET", f"{place}/{name}")[1]
        if not holds(shown, change) and next(iter(change)) not in WRITE_ONLY:
            silent.append(change)
        server.call("DELETE", f"{place}/{name}")
    assert silent == []
    assert kept


@pytest.mark.documentation("What is missing within a pod is a required value, told with its place")
@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({"volumes": [{"emptyDir": {}}]}, "spec.volumes[0].name"),
        (
            {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}},
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms",
        ),
        ({"hostAliases": [{"hostnames": ["x"]}]}, "spec.hostAliases[0].ip"),
    ],
)
def test_required_values(aks: Aks, spec: dict[str, Any], place: str) -> None:
    body = {"metadata": {"name": "incomplete"}, "spec": {"containers": [CONTAINER], **spec}}
    code, said = Server(aks).call("POST", "/api/v1/namespaces/default/pods", body)
    assert (code, said["reason"]) == (422, "Invalid")
    assert f"{place}: Required value" in said["message"]
