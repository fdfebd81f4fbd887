"""Network policies that shut CoreDNS in, as people write them, and those that do not matter."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from cloudlink.checks.preflight.network_policies import PolicyFacts, check, find
from cloudlink.clouds.kube.errors import KubeApiError
from cloudlink.clouds.kube.parse_policies import egress_policies, pod_labels
from cloudlink.core.plan import Action
from cloudlink.errors import CredentialsError, Finding, MalformedError, Severity, UnreachableError
from tests.support.pinned import pinned

from .account import context
from .samples import link, plan

Json = dict[str, Any]
LABELS = {"k8s-app": "kube-dns", "version": "v20"}
ENDPOINT = (IPv4Network("10.10.1.0/24"), IPv4Network("10.10.2.0/24"))
DNS: list[Json] = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
EVERYWHERE: Json = {"ipBlock": {"cidr": "0.0.0.0/0"}}


def policy(name: str = "deny", selector: Json | None = None, **spec: Any) -> Json:
    held = {"podSelector": selector or {}, "policyTypes": ["Ingress", "Egress"], **spec}
    return {"metadata": {"name": name, "namespace": "kube-system"}, "spec": held}


def told(*policies: Json) -> list[Finding]:
    return pinned(check(PolicyFacts(egress_policies(policies), LABELS, ENDPOINT), link()))


OPEN: dict[str, tuple[Json, ...]] = {
    "no policy": (),
    "only what comes in": (policy(policyTypes=["Ingress"]),),
    "no types, and no rules for what leaves": (policy(policyTypes=None),),
    "for other pods": (policy(selector={"matchLabels": {"app": "konnectivity-agent"}}),),
    "for other pods, by expression": (
        policy(selector={"matchExpressions": [{"key": "k8s-app", "operator": "NotIn", "values": ["kube-dns"]}]}),
    ),
    "for pods without the label": (
        policy(selector={"matchExpressions": [{"key": "k8s-app", "operator": "DoesNotExist"}]}),
    ),
    "everything may leave": (policy(egress=[{}]),),
    "everything may leave to anywhere": (policy(egress=[{"to": [EVERYWHERE]}]),),
    "port 53 may leave": (policy(egress=[{"ports": DNS}]),),
    "a range of ports may leave": (
        policy(egress=[{"ports": [{"protocol": p, "port": 1, "endPort": 1024} for p in ("UDP", "TCP")]}]),
    ),
    "the VPC may be asked": (policy(egress=[{"to": [{"ipBlock": {"cidr": "10.10.0.0/16"}}], "ports": DNS}]),),
    "a hole elsewhere": (
        policy(egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.11.0.0/16"]}}], "ports": DNS}]),
    ),
    "another policy lets it out": (
        policy(),
        policy("dns", selector={"matchLabels": {"k8s-app": "kube-dns"}}, egress=[{"ports": DNS}]),
    ),
}

SHUT: dict[str, tuple[Json, ...]] = {
    "nothing may leave": (policy(),),
    "nothing may leave, said by an empty list": (policy(egress=[]),),
    "to pods of the cluster only": (policy(egress=[{"to": [{"namespaceSelector": {}}]}]),),
    "to Azure's DNS only": (policy(egress=[{"to": [{"ipBlock": {"cidr": "168.63.129.16/32"}}], "ports": DNS}]),),
    "to anywhere but private ranges": (
        policy(egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}]),
    ),
    "other ports only": (policy(egress=[{"to": [EVERYWHERE], "ports": [{"port": 443}]}]),),
    "a port by its name, which an address outside has not": (policy(egress=[{"ports": [{"port": "dns"}]}]),),
    "IPv6 only": (policy(egress=[{"to": [{"ipBlock": {"cidr": "::/0"}}]}]),),
    "by expression": (
        policy(selector={"matchExpressions": [{"key": "k8s-app", "operator": "Exists"}]}),
    ),
    "rules without types": (policy(policyTypes=None, egress=[{"ports": [{"protocol": "TCP", "port": 443}]}]),),
}  # fmt: skip


@pytest.mark.parametrize("case", OPEN)
def test_what_lets_coredns_ask(case: str) -> None:
    assert told(*OPEN[case]) == []


@pytest.mark.parametrize("case", SHUT)
def test_what_keeps_coredns_from_asking(case: str) -> None:
    (finding,) = told(*SHUT[case])
    assert finding.severity is Severity.OBSTACLE
    assert "deny in kube-system" in finding.detail and "10.10.1.0/24, 10.10.2.0/24" in finding.detail
    assert "UDP and TCP:" in finding.detail
    assert "kubectl edit networkpolicy deny" in finding.hint


def test_only_tcp_is_forgotten() -> None:
    (finding,) = told(policy(egress=[{"ports": [{"protocol": "UDP", "port": 53}]}]))
    assert finding.severity is Severity.WARNING and "of TCP: answers that are too large" in finding.detail


def test_one_subnet_of_the_endpoint_is_left_out() -> None:
    (finding,) = told(policy(egress=[{"to": [{"ipBlock": {"cidr": "10.10.1.0/24"}}]}]))
    assert "out to 10.10.2.0/24 on" in finding.detail


def test_an_answer_without_its_form_is_malformed() -> None:
    with pytest.raises(MalformedError):
        egress_policies([policy(egress=[{"to": [{"ipBlock": {"cidr": "ten"}}]}])])


class Cluster:
    """AKS, as far as this topic asks it."""

    def __init__(self, answer: list[Json] | Exception, others: dict[str, list[Json] | Exception]) -> None:
        self.answer = answer
        self.others = others  # path -> Cilium's and Calico's objects
        self.asked: list[str] = []
        self.cache = self

    def objects(self, path: str) -> list[Json]:
        self.asked.append(path)
        answer = self.answer
        if path != "/apis/networking.k8s.io/v1/namespaces/kube-system/networkpolicies":
            answer = self.others.get(path, KubeApiError(404, "NotFound", "", "GET"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def get(self, _: str, read: Any) -> Any:
        return read()

    def deployment(self, namespace: str, name: str) -> Json:
        self.asked.append(f"{namespace}/{name}")
        return {"spec": {"template": {"metadata": {"labels": LABELS}}}}


def looked(answer: list[Json] | Exception, engine: str = "calico", plugin: str = "azure", **more: Any) -> list[Finding]:
    network = {"networkPlugin": plugin, **({"networkPolicy": engine} if engine else {})}
    cluster = {"id": "/x/aks", "name": "aks", "properties": {"networkProfile": network}}
    its = context(more.pop("its_plan", None), azure={"aks_cluster": cluster})
    aks: Any = Cluster(answer, more.get("others", {}))
    return pinned(find(replace(its, aks=aks, failed=more.get("failed", {}))))


@pytest.mark.parametrize(("engine", "plugin"), [("calico", "azure"), ("cilium", "azure"), ("", "none")])
def test_an_account_with_a_policy(engine: str, plugin: str) -> None:
    (finding,) = looked([policy()], engine, plugin)
    assert finding.summary == "A network policy keeps CoreDNS from asking AWS"


@pytest.mark.parametrize("engine", ["", "none"])
def test_policies_that_nothing_enforces_are_not_read(engine: str) -> None:
    assert looked([policy()], engine) == []


def test_where_nothing_is_written_or_the_cluster_is_away_nothing_is_read() -> None:
    assert looked([policy()], its_plan=plan(Action.NO_OP)) == []
    for away in (UnreachableError("away"), CredentialsError("no")):
        assert looked([policy()], failed={"dns_forward.forward": away}) == []


def test_a_cluster_without_this_kind_and_one_that_refuses() -> None:
    assert looked(KubeApiError(404, "NotFound", "", "GET")) == []
    (unknown,) = looked(KubeApiError(403, "Forbidden", "networkpolicies is forbidden", "GET"))
    assert unknown.severity is Severity.NOT_PROVED
    assert "NetworkPolicy may not be listed (networkpolicies is forbidden)" in unknown.detail
    with pytest.raises(KubeApiError):
        looked(KubeApiError(500, "InternalError", "", "GET"))


def test_a_kind_that_may_not_be_read_hides_no_other() -> None:
    refused = KubeApiError(403, "Forbidden", "no", "GET")
    everywhere = "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies"
    shut, unknown = looked([policy()], "cilium", others={everywhere: refused})
    assert shut.severity is Severity.OBSTACLE
    assert "CiliumClusterwideNetworkPolicy may not be listed" in unknown.detail


CASES: dict[str, tuple[str, str, Json]] = {
    "Cilium, of all namespaces": (
        "cilium",
        "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies",
        {"metadata": {"name": "shut"}, "spec": {"endpointSelector": {}, "egress": [{}]}},
    ),
    "Cilium, of kube-system": (
        "cilium",
        "/apis/cilium.io/v2/namespaces/kube-system/ciliumnetworkpolicies",
        {"metadata": {"name": "shut", "namespace": "kube-system"}, "spec": {"endpointSelector": {}, "egress": [{}]}},
    ),
    "Calico, of all namespaces": (
        "calico",
        "/apis/crd.projectcalico.org/v1/globalnetworkpolicies",
        {"metadata": {"name": "shut"}, "spec": {"selector": "all()", "types": ["Egress"]}},
    ),
    "Calico's API server": (
        "calico",
        "/apis/projectcalico.org/v3/globalnetworkpolicies",
        {"metadata": {"name": "shut"}, "spec": {"selector": "all()", "types": ["Egress"]}},
    ),
    "Calico, of kube-system": (
        "calico",
        "/apis/crd.projectcalico.org/v1/namespaces/kube-system/networkpolicies",
        {"metadata": {"name": "shut", "namespace": "kube-system"}, "spec": {"types": ["Egress"]}},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_policy_of_the_engines_own_kind_is_found(case: str) -> None:
    engine, path, found = CASES[case]
    first = looked([], engine, others={path: [found]})[0]
    assert first.severity is Severity.OBSTACLE
    assert "shut" in first.detail and "kubectl edit" in first.hint
    assert looked([], "azure", others={path: [found]}) == [], "Azure's engine knows none of these kinds"
    with_own_plugin = looked([], "", "none", others={path: [found]})
    assert with_own_plugin[0].summary == first.summary


def test_labels_of_the_pods() -> None:
    assert pod_labels({"spec": {"template": {"metadata": {"labels": {"a": 1}}}}}) == {"a": "1"}
    assert pod_labels({}) == {}


# --- pods and the cluster's own DNS --------------------------------------------------------------------------

TO_DNS: Json = {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
KUBE_SYSTEM: Json = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}


def of_pods(*policies: Json, **more: Any) -> list[str]:
    facts = PolicyFacts(labels=LABELS, endpoint=ENDPOINT, of_pods=egress_policies(policies), engines=("calico",))
    return [f.summary for f in pinned(check(replace(facts, **more), link()))]


@pytest.mark.parametrize(
    "rules",
    [
        [{}],
        [{"ports": DNS}],
        [{"to": [{**KUBE_SYSTEM, **TO_DNS}], "ports": DNS}],
        [{"to": [{"namespaceSelector": {}}]}],
        [{"to": [{"namespaceSelector": {"matchLabels": {"name": "kube-system"}}}]}],  # its other labels are not read
        [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": DNS}],
        [{"to": [KUBE_SYSTEM], "ports": [{"protocol": "UDP", "port": "dns"}]}],
    ],
)
def test_pods_that_may_ask_the_clusters_dns(rules: list[Json]) -> None:
    assert of_pods(policy(egress=rules)) == []


DNS_SHUT = "A network policy keeps pods from the cluster's DNS"


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [{"to": [TO_DNS], "ports": DNS}],  # a podSelector alone is about the policy's own namespace
        [{"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}]}],
        [{"to": [{**KUBE_SYSTEM, "podSelector": {"matchLabels": {"k8s-app": "coredns"}}}]}],
        [{"to": [KUBE_SYSTEM], "ports": [{"protocol": "TCP", "port": 53}]}],
        [{"ports": [{"port": 443}]}],
    ],
)
def test_pods_that_may_not(rules: list[Json]) -> None:
    assert of_pods(policy(egress=rules)) == [DNS_SHUT]


def test_addresses_are_no_way_to_pods_for_cilium() -> None:
    everywhere = policy(egress=[{"to": [EVERYWHERE]}])
    assert of_pods(everywhere) == []
    assert of_pods(everywhere, engines=("cilium",)) == [DNS_SHUT]
    assert of_pods(everywhere, policy("dns", egress=[{"to": [KUBE_SYSTEM]}]), engines=("cilium",)) == []


def test_where_pods_ask_their_node_or_another_kind_of_policy_may_let_them_it_is_not_said() -> None:
    assert of_pods(policy(), asks_on_node=True) == []
    assert of_pods(policy(), labels=None) == []
