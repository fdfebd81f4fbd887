"""A service mesh that knows registered hosts only, as Istio is told it in several places."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloudlink.checks.preflight.mesh import find
from cloudlink.clouds.kube.errors import KubeApiError
from cloudlink.core.plan import Action
from cloudlink.errors import Finding, MalformedError, Severity, UnreachableError

from .account import context
from .samples import link, plan

Json = dict[str, Any]
API = "/apis/networking.istio.io/v1"
OWN = f"{API}/namespaces/{link().probe.namespace}/sidecars"
ROOT = f"{API}/namespaces/istio-system/sidecars"
ADD_ON = f"{API}/namespaces/aks-istio-system/sidecars"
ENTRIES = f"{API}/serviceentries"
MAPS = "/api/v1/namespaces/{}/configmaps"
ZONE = link().dns.zone
LIMITED = "The service mesh lets pods reach registered hosts only"


def sidecar(name: str, mode: str | None) -> Json:
    spec: Json = {"egress": [{"hosts": ["./*"]}]}
    return {"metadata": {"name": name}, "spec": spec | ({"outboundTrafficPolicy": {"mode": mode}} if mode else {})}


def settings(text: str, name: str = "istio") -> Json:
    return {"metadata": {"name": name}, "data": {"mesh": text}}


ADD_ON_CLUSTER: Json = {"id": "/x/aks", "name": "aks", "properties": {"serviceMeshProfile": {"mode": "Istio"}}}
REGISTRY_ONLY = settings("outboundTrafficPolicy:\n  mode: REGISTRY_ONLY\n")


class Mesh:
    def __init__(self, answers: dict[str, list[Json] | Exception]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def objects(self, path: str) -> list[Json]:
        self.asked.append(path)
        answer = self.answers.get(path, [])
        if isinstance(answer, Exception):
            raise answer
        return answer


def found(answers: dict[str, list[Json] | Exception], **more: Any) -> list[Finding]:
    aks: Any = Mesh(answers)
    return list(
        find(
            replace(
                context(more.get("its_plan"), azure={"aks_cluster": more.get("cluster", ADD_ON_CLUSTER)}),
                aks=aks,
                failed=more.get("failed", {}),
            )
        )
    )


def test_without_istio_it_is_one_question() -> None:
    aks: Any = Mesh({OWN: KubeApiError(404, "NotFound", "", "GET")})
    assert list(find(replace(context(azure={"aks_cluster": ADD_ON_CLUSTER}), aks=aks))) == []
    assert aks.asked == [OWN]


@pytest.mark.parametrize(
    ("answers", "by"),
    [
        ({OWN: [sidecar("default", "REGISTRY_ONLY")]}, "the Sidecar default in default"),
        ({ROOT: [sidecar("all", "REGISTRY_ONLY")]}, "the Sidecar all in istio-system"),
        ({ADD_ON: [sidecar("all", "REGISTRY_ONLY")]}, "the Sidecar all in aks-istio-system"),
        ({MAPS.format("istio-system"): [REGISTRY_ONLY]}, "ConfigMap istio in istio-system"),
        (
            {MAPS.format("aks-istio-system"): [settings(REGISTRY_ONLY["data"]["mesh"], "istio-shared-configmap-asm-1-28")]},
            "ConfigMap istio-shared-configmap-asm-1-28 in aks-istio-system",
        ),
        ({OWN: [sidecar("default", None)], MAPS.format("istio-system"): [REGISTRY_ONLY]}, "ConfigMap istio"),
    ],
)  # fmt: skip
def test_who_limits_it_is_named(answers: dict[str, list[Json] | Exception], by: str) -> None:
    (finding,) = found(answers)
    assert (finding.summary, finding.severity) == (LIMITED, Severity.WARNING)
    assert by in finding.detail and f"*.{ZONE}" in finding.hint


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {
            OWN: [sidecar("default", "ALLOW_ANY")],
            MAPS.format("istio-system"): [REGISTRY_ONLY],
        },  # the nearer one decides
        {ROOT: [sidecar("all", "ALLOW_ANY")], MAPS.format("istio-system"): [REGISTRY_ONLY]},
        {MAPS.format("istio-system"): [settings("outboundTrafficPolicy: {mode: ALLOW_ANY}")]},
        {MAPS.format("istio-system"): [settings("outboundTrafficPolicy: {}"), settings(": : no yaml"), settings("[]")]},
        {MAPS.format("istio-system"): [settings("outboundTrafficPolicy: {mode: REGISTRY_ONLY}", "other")]},
        {MAPS.format("istio-system"): [REGISTRY_ONLY], ENTRIES: [{"spec": {"hosts": [f"*.{ZONE.upper()}", ZONE]}}]},
    ],
)
def test_where_nothing_is_limited_or_all_names_are_registered(answers: dict[str, list[Json] | Exception]) -> None:
    assert found(answers) == []


def test_only_names_that_are_not_registered_are_told() -> None:
    name = link().dns.hosts[0].fqdn(ZONE)
    (finding,) = found({OWN: [sidecar("x", "REGISTRY_ONLY")], ENTRIES: [{"spec": {"hosts": [name]}}]})
    assert f" {name}," not in finding.detail and ZONE in finding.detail


@pytest.mark.parametrize("path", [OWN, MAPS.format("istio-system")])
def test_what_may_not_be_read_is_not_known(path: str) -> None:
    (finding,) = found({path: KubeApiError(403, "Forbidden", "sidecars is forbidden", "GET")})
    assert finding.severity is Severity.NOT_PROVED and "sidecars is forbidden" in finding.detail
    with pytest.raises(KubeApiError):
        found({path: KubeApiError(500, "InternalError", "", "GET")})


def test_nothing_is_read_where_nothing_is_written_or_the_cluster_is_away() -> None:
    limited: dict[str, list[Json] | Exception] = {OWN: [sidecar("x", "REGISTRY_ONLY")]}
    assert found(limited, its_plan=plan(Action.NO_OP)) == []
    assert found(limited, failed={"dns_forward.forward": UnreachableError("away")}) == []


def test_an_answer_without_its_form_is_malformed() -> None:
    with pytest.raises(MalformedError):
        found({OWN: [{"spec": {}}]})


def test_which_clusters_are_asked() -> None:
    """One question to each would be one too many: those with AKS's add-on, and those that enforce policies."""
    limited: dict[str, list[Json] | Exception] = {OWN: [sidecar("x", "REGISTRY_ONLY")]}
    enforcing = {
        "id": "/x/aks",
        "properties": {"networkProfile": {"networkPlugin": "azure", "networkPolicy": "cilium"}},
    }
    assert len(found(limited, cluster=enforcing)) == 1
    assert found(limited, cluster={"id": "/x/aks", "properties": {}}) == []
