"""A service mesh that keeps pods from AWS, as Istio and Linkerd are told it: AKS's add-on, or one that somebody has installed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloudlink.checks.preflight.mesh import find
from cloudlink.clouds.kube.errors import KubeApiError
from cloudlink.core.plan import Action
from cloudlink.errors import Finding, MalformedError, Severity, UnreachableError
from tests.support.pinned import pinned

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


REGISTRY_ONLY = settings("outboundTrafficPolicy:\n  mode: REGISTRY_ONLY\n")


class Mesh:
    def __init__(self, answers: dict[str, list[Json] | Exception], groups: Any = None) -> None:
        self.answers = answers
        self.groups = {"networking.istio.io": "v1"} if groups is None else groups
        self.asked: list[str] = []

    def api_groups(self) -> dict[str, str]:
        self.asked.append("/apis")
        if isinstance(self.groups, Exception):
            raise self.groups
        return dict(self.groups)

    def objects(self, path: str) -> list[Json]:
        self.asked.append(path)
        answer = self.answers.get(path, [])
        if isinstance(answer, Exception):
            raise answer
        return answer


def found(answers: dict[str, list[Json] | Exception], **more: Any) -> list[Finding]:
    aks: Any = Mesh(answers, more.get("groups"))
    return pinned(find(replace(context(more.get("its_plan")), aks=aks, failed=more.get("failed", {}))))


@pytest.mark.parametrize("groups", [{}, {"apps": "v1", "cilium.io": "v2"}])
def test_without_a_mesh_it_is_one_question(groups: Json) -> None:
    aks: Any = Mesh({OWN: [sidecar("default", "REGISTRY_ONLY")]}, groups)
    assert list(find(replace(context(), aks=aks))) == []
    assert aks.asked == ["/apis"]


def test_where_groups_may_not_be_asked_istio_is() -> None:
    limited: dict[str, list[Json] | Exception] = {OWN: [sidecar("default", "REGISTRY_ONLY")]}
    assert len(found(limited, groups=KubeApiError(403, "Forbidden", "", "GET"))) == 1
    assert (
        found({OWN: KubeApiError(404, "NotFound", "", "GET")}, groups=KubeApiError(403, "Forbidden", "", "GET")) == []
    )
    with pytest.raises(KubeApiError):
        found(limited, groups=KubeApiError(500, "InternalError", "", "GET"))


def test_the_version_that_the_cluster_prefers_is_asked() -> None:
    """Istio before 1.22 has no v1."""
    old: dict[str, list[Json] | Exception] = {OWN.replace("/v1/", "/v1beta1/"): [sidecar("default", "REGISTRY_ONLY")]}
    assert len(found(old, groups={"networking.istio.io": "v1beta1"})) == 1


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


# --- Linkerd -----------------------------------------------------------------------------------------------------------

LINKERD = {"policy.linkerd.io": "v1beta3"}
EGRESS = "/apis/policy.linkerd.io/v1alpha1/namespaces/{}/egressnetworks"
CONFIG = MAPS.format("linkerd")


def egress(name: str, policy: str = "Deny", *networks: Json) -> Json:
    spec: Json = {"trafficPolicy": policy, **({"networks": list(networks)} if networks else {})}
    return {"metadata": {"name": name, "namespace": "linkerd-egress"}, "spec": spec}


def narrowed(networks: str) -> Json:
    return {"metadata": {"name": "linkerd-config"}, "data": {"values": f"clusterNetworks: {networks}\n"}}


VPC = "10.10.0.0/16"


@pytest.mark.parametrize(
    ("answers", "shut"),
    [
        ({}, False),
        ({EGRESS.format("linkerd-egress"): [egress("all")]}, False),  # private ranges count as the cluster
        ({EGRESS.format("linkerd-egress"): [egress("all")], CONFIG: [narrowed("10.20.0.0/16,10.244.0.0/16")]}, True),
        ({EGRESS.format("default"): [egress("all")], CONFIG: [narrowed("10.20.0.0/16,fd00::/8")]}, True),
        (
            {EGRESS.format("default"): [egress("all")], CONFIG: [{"metadata": {"name": "linkerd-config"}, "data": {}}]},
            False,
        ),
        ({EGRESS.format("default"): [egress("some", "Deny", {"cidr": "10.0.0.0/8"})]}, True),
        ({EGRESS.format("default"): [egress("some", "Allow", {"cidr": "10.0.0.0/8"})]}, False),
        ({EGRESS.format("default"): [egress("some", "Deny", {"cidr": "10.0.0.0/8", "except": [VPC]})]}, False),
        ({EGRESS.format("default"): [egress("some", "Deny", {"cidr": "192.168.0.0/16"}, {"cidr": "::/0"})]}, False),
        ({EGRESS.format("default"): KubeApiError(404, "NotFound", "", "GET")}, False),  # before 2.17
    ],
)
def test_an_egress_network_of_linkerd_over_the_vpc(answers: dict[str, list[Json] | Exception], shut: bool) -> None:
    told = found(answers, groups=LINKERD)
    assert [f.summary for f in told] == ["The service mesh keeps pods from the VPC"] * shut
    assert all(VPC in f.detail and "linkerd-egress edit egressnetwork" in f.hint for f in told)


def test_what_of_linkerd_may_not_be_read_is_not_known() -> None:
    (finding,) = found({EGRESS.format("default"): KubeApiError(403, "Forbidden", "no", "GET")}, groups=LINKERD)
    assert finding.severity is Severity.NOT_PROVED
    with pytest.raises(KubeApiError):
        found({EGRESS.format("default"): KubeApiError(500, "InternalError", "no", "GET")}, groups=LINKERD)
