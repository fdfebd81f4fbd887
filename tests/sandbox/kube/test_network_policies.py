"""NetworkPolicies: what the API server takes, and which packets of pods are dropped by them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kubernetes import client as kubernetes_client
from kubernetes.client import ApiException

from cloudlink_sandbox.wire.routes import AZURE_DNS, Sender, route
from tests.sandbox.kube.conftest import Aks
from tests.sandbox.kube.small_world import BALANCER, CLUSTER_ID, RESOLVERS
from tests.sandbox.kube.test_pods import run

DNS = "10.0.0.10"
A = str(RESOLVERS[0])
LB = str(BALANCER)
DNS_PORTS = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
TO_KUBE_DNS = {
    "to": [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ],
    "ports": DNS_PORTS,
}


def engine(aks: Aks, name: str) -> None:
    facts = aks.world.azure
    aks.world.azure = replace(facts, clusters=tuple(replace(c, policy_engine=name) for c in facts.clusters))


@pytest.fixture
def enforcing(aks: Aks) -> Aks:
    engine(aks, "calico")
    run(aks, ["sleep", "1000"], "asker")
    aks.advance(30)
    return aks


def policy(aks: Aks, spec: dict[str, Any], namespace: str = "default", name: str = "guard") -> None:
    api = kubernetes_client.NetworkingV1Api(aks.api)
    body = {"metadata": {"name": name}, "spec": {"podSelector": {}, **spec}}
    api.create_namespaced_network_policy(namespace, body)


def way(aks: Aks, to: str, port: int = 53, protocol: Any = "udp", pod: str = "default/asker") -> str:
    cluster = aks.cloud.cluster(aks.cloud.key_of(CLUSTER_ID))
    assert cluster is not None
    with aks.world.context.lock:
        return route(Sender(cluster, pod), to, protocol, port).outcome


def dns_pod(aks: Aks) -> Any:
    return next(p for p in aks.core.list_namespaced_pod("kube-system").items if p.metadata.name.startswith("coredns"))


@pytest.mark.documentation("What no policy selects is open; a policy without a rule for egress shuts its pods in")
def test_denied_by_default(enforcing: Aks) -> None:
    assert way(enforcing, DNS) == way(enforcing, A) == "delivered"
    policy(enforcing, {"policyTypes": ["Egress"]})
    assert way(enforcing, DNS) == way(enforcing, A) == way(enforcing, LB, 443, "tcp") == "dropped"


@pytest.mark.documentation("Without an engine that enforces them policies have no effect")
def test_no_engine(aks: Aks) -> None:
    run(aks, ["sleep", "1000"], "asker")
    policy(aks, {"policyTypes": ["Egress"]})
    assert way(aks, A) == "delivered"


@pytest.mark.documentation("A rule lets out to pods by the labels of pod and namespace, behind a service's address too")
def test_out_to_the_clusters_dns_alone(enforcing: Aks) -> None:
    policy(enforcing, {"policyTypes": ["Egress"], "egress": [TO_KUBE_DNS]})
    assert way(enforcing, DNS) == way(enforcing, DNS, protocol="tcp") == "delivered"
    assert way(enforcing, dns_pod(enforcing).status.pod_ip) == "delivered"
    assert way(enforcing, LB, 443, "tcp") == way(enforcing, str(AZURE_DNS)) == "dropped"


@pytest.mark.documentation(
    "Policies add up: what one of them lets out is let out, by address, exception, port and end of ports"
)
@pytest.mark.parametrize(
    ("rule", "to", "port", "protocol", "outcome"),
    [
        ({"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]}, A, 53, "udp", "delivered"),
        ({"to": [{"ipBlock": {"cidr": "10.1.0.0/16", "except": ["10.1.1.0/24"]}}]}, A, 53, "udp", "dropped"),
        ({"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 53}]}, A, 53, "udp", "dropped"),
        ({"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 53}]}, A, 53, "tcp", "delivered"),
        ({"ports": [{"port": 400, "endPort": 500}]}, LB, 443, "tcp", "delivered"),
        ({"ports": [{"port": 400, "endPort": 442}]}, LB, 443, "tcp", "dropped"),
        ({"to": [{"podSelector": {}}]}, A, 53, "udp", "dropped"),
        ({"to": [{"podSelector": {}}]}, DNS, 53, "udp", "dropped"),
        ({"to": [{"namespaceSelector": {}}]}, DNS, 53, "udp", "delivered"),
        ({}, A, 53, "udp", "delivered"),
    ],
)
def test_rules(enforcing: Aks, rule: dict[str, Any], to: str, port: int, protocol: str, outcome: str) -> None:
    policy(enforcing, {"policyTypes": ["Egress"]}, name="deny")
    policy(enforcing, {"egress": [rule]})
    assert way(enforcing, to, port, protocol) == outcome


@pytest.mark.documentation(
    "A block of addresses holds pods, too, but for Cilium's engine, which knows these by their labels alone"
)
def test_a_block_that_holds_the_pods_range(enforcing: Aks) -> None:
    policy(enforcing, {"policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]})
    assert way(enforcing, DNS) == way(enforcing, A) == "delivered"
    engine(enforcing, "cilium")
    assert way(enforcing, DNS) == "dropped"
    assert way(enforcing, A) == "delivered"


@pytest.mark.documentation("Only pods that its selector takes are shut in; what pods in a node's network send is not")
def test_whom_it_selects(enforcing: Aks) -> None:
    policy(
        enforcing,
        {"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}, "policyTypes": ["Egress"]},
    )
    assert way(enforcing, A) == "delivered"
    enforcing.core.patch_namespaced_pod("asker", "default", {"metadata": {"labels": {"app": "x"}}})
    assert way(enforcing, A) == "dropped"
    assert way(enforcing, A, pod="") == "delivered"


@pytest.mark.documentation("CoreDNS's own pods are held by policies of kube-system, towards the Resolver endpoint too")
def test_coredns_is_held(enforcing: Aks) -> None:
    pod = f"kube-system/{dns_pod(enforcing).metadata.name}"
    assert way(enforcing, A, pod=pod) == "delivered"
    only_azure = {"to": [{"ipBlock": {"cidr": f"{AZURE_DNS}/32"}}], "ports": DNS_PORTS}
    policy(enforcing, {"egress": [only_azure]}, "kube-system")
    assert way(enforcing, A, pod=pod) == "dropped"
    assert way(enforcing, str(AZURE_DNS), pod=pod) == "delivered"


@pytest.mark.documentation("A policy for what comes in shuts pods of other namespaces off from CoreDNS")
def test_what_comes_in(enforcing: Aks) -> None:
    policy(enforcing, {"ingress": [{"from": [{"podSelector": {}}]}]}, "kube-system")
    assert way(enforcing, DNS) == "dropped"
    assert way(enforcing, A) == "delivered"


@pytest.mark.specification("What a policy may not say is refused with its place")
@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.1/8"}}]}]}, "spec.egress[0].to[0].ipBlock.cidr"),
        ({"egress": [{"to": [{"ipBlock": {"cidr": "x"}}]}]}, "spec.egress[0].to[0].ipBlock.cidr"),
        (
            {"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]}]},
            "spec.ingress[0].from[0].ipBlock.except[0]",
        ),
        ({"egress": [{"to": [{}]}]}, "spec.egress[0].to[0]"),
        ({"egress": [{"to": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}]}, "spec.egress[0].to[0]"),
        ({"egress": [{"ports": [{"protocol": "ICMP"}]}]}, "spec.egress[0].ports[0].protocol"),
        ({"egress": [{"ports": [{"port": 53, "endPort": 52}]}]}, "spec.egress[0].ports[0].endPort"),
        ({"policyTypes": ["egress"]}, "spec.policyTypes[0]"),
    ],
)
def test_refused(aks: Aks, spec: dict[str, Any], place: str) -> None:
    with pytest.raises(ApiException) as caught:
        policy(aks, spec)
    assert caught.value.status == 422
    assert place in str(caught.value.body)


@pytest.mark.specification("The server adds which directions a policy is about, and the protocol of a port")
def test_what_the_server_adds(aks: Aks) -> None:
    policy(aks, {"egress": [{"ports": [{"port": 53}]}]})
    shown = kubernetes_client.NetworkingV1Api(aks.api).read_namespaced_network_policy("guard", "default")
    assert shown.spec.policy_types == ["Ingress", "Egress"]
    assert shown.spec.egress[0].ports[0].protocol == "TCP"
