"""Network policies on a cluster that enforces them, through plan, status and verify-dns: packets are dropped, and the policy is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.cli import Cli, Result

PATH = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
ONLY_AZURES_DNS = [{"to": [{"ipBlock": {"cidr": "168.63.129.16/32"}}], "ports": [{"protocol": "UDP", "port": 53}]}]
TO_COREDNS = [{"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}]}]

Policy = Callable[..., None]


@pytest.fixture
def policy(linked: Cli) -> Iterator[Policy]:
    """Puts one into a namespace; all are gone afterwards, as is the engine."""
    kube: Any = linked.clouds().aks
    clusters = linked.clouds().azure.containers.managed_clusters

    def engine(kind: str) -> None:
        cluster = clusters.get("test", "test")
        cluster.network_profile.network_policy = kind
        clusters.begin_create_or_update("test", "test", cluster, polling=False)
        linked.control("POST", "clock", {"advance": 900})

    made = []

    def put(namespace: str, egress: list[Any], name: str = "shut") -> None:
        body = {"metadata": {"name": name}, "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": egress}}
        kube._json("POST", PATH.format(namespace), body)
        made.append(f"{PATH.format(namespace)}/{name}")

    engine("calico")
    yield put
    for path in made:
        kube._json("DELETE", path)
    engine("none")


def said(result: Result) -> str:
    return result.out + result.err


def test_coredns_is_let_out_to_azures_dns_alone(linked: Cli, policy: Policy) -> None:
    assert linked.cloudlink("verify-dns", "sentry").code == 0, "an engine alone drops nothing"
    policy("kube-system", ONLY_AZURES_DNS)
    asked = linked.cloudlink("verify-dns", "sentry")
    assert asked.code == 8, said(asked)
    assert "NetworkPolicy shut in kube-system" in said(asked)
    seen = linked.cloudlink("status", "--all")
    assert seen.code == 8, said(seen)
    assert "NetworkPolicy shut in kube-system" in said(seen)
    printed = " ".join(said(seen).split())
    assert "kubectl --context aks edit networkpolicy shut --namespace kube-system" in printed, printed


def test_the_probes_namespace_is_let_out_to_coredns_alone(linked: Cli, policy: Policy) -> None:
    """Names resolve, and what they lead to is not reached."""
    policy("default", TO_COREDNS)
    asked = linked.cloudlink("verify-dns", "sentry")
    assert asked.code == 8, said(asked)
    assert "NetworkPolicy shut in default" in said(asked)


def test_a_namespace_that_lets_nothing_out_is_no_matter_of_the_link(linked: Cli, policy: Policy) -> None:
    policy("default", [])
    asked = linked.cloudlink("verify-dns", "sentry", "--json")
    assert asked.code == 8, said(asked)
    (name,) = asked.json["names"]
    assert "lets pods such as those of namespace default not ask CoreDNS" in name["cause"]
    assert "their names resolve" not in name["cause"]
    assert "NetworkPolicy shut in default" in name["cause"]


def test_plan_tells_it_before_coredns_is_changed(linked: Cli, policy: Policy) -> None:
    policy("kube-system", ONLY_AZURES_DNS)
    kube: Any = linked.clouds().aks
    key = "cloudlink-demo.server"
    kube.patch_config_map("kube-system", "coredns-custom", {"data": {key: None}})
    planned = linked.cloudlink("plan")
    assert planned.code == 3, said(planned)
    assert "A network policy keeps CoreDNS from asking AWS" in said(planned)
    assert "NetworkPolicy shut in kube-system" in said(planned)
