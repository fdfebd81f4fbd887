"""Which pods find a node, and what an API server does that nobody reaches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import urllib3

from cloudlink_sandbox.facts import AksPool
from tests.sandbox.kube.conftest import Aks

TAINT = "CriticalAddonsOnly=true:NoSchedule"


def set_cluster(aks: Aks, **changes: Any) -> None:
    facts = aks.world.azure
    aks.world.azure = replace(facts, clusters=(replace(facts.clusters[0], **changes),))


def create(aks: Aks, name: str, **spec: Any) -> None:
    container = {"name": "c", "image": "python:3-slim", "command": ["sleep", "600"]}
    aks.core.create_namespaced_pod("default", {"metadata": {"name": name}, "spec": {"containers": [container], **spec}})


def phase(aks: Aks, name: str) -> tuple[str, str]:
    status = aks.core.read_namespaced_pod(name, "default").status
    scheduled = next(c for c in status.conditions if c.type == "PodScheduled")
    return status.phase, scheduled.message or ""


@pytest.mark.documentation("A pod stays Pending while every node has a taint that it does not tolerate")
@pytest.mark.documentation("It is scheduled as soon as a node takes it")
def test_tainted_pools(aks: Aks) -> None:
    set_cluster(aks, pools=(AksPool("system", 2, (TAINT,)),))
    create(aks, "plain")
    create(aks, "tolerant", tolerations=[{"key": "CriticalAddonsOnly", "operator": "Exists"}])
    aks.advance(30)
    assert phase(aks, "tolerant") == ("Running", "")
    waiting, why = phase(aks, "plain")
    assert waiting == "Pending"
    assert why.startswith("0/2 nodes are available: 2 node(s) had untolerated taint {CriticalAddonsOnly: true}.")
    node = aks.core.list_node().items[0]
    assert [(t.key, t.value, t.effect) for t in node.spec.taints] == [("CriticalAddonsOnly", "true", "NoSchedule")]
    set_cluster(aks, pools=(AksPool("system", 1, (TAINT,)), AksPool("user", 1)))
    aks.core.list_node()
    aks.advance(30)
    assert phase(aks, "plain") == ("Running", "")


@pytest.mark.documentation("A node selector that no node has keeps the pod Pending")
def test_node_selectors(aks: Aks) -> None:
    set_cluster(aks, pools=(AksPool("pool", 2, labels=(("team", "net"),), arch="arm64"),))
    create(aks, "amd", nodeSelector={"kubernetes.io/arch": "amd64"})
    create(aks, "arm", nodeSelector={"kubernetes.io/arch": "arm64", "team": "net"})
    aks.advance(30)
    assert phase(aks, "arm")[0] == "Running"
    assert phase(aks, "amd")[0] == "Pending"
    assert "2 node(s) didn't match Pod's node affinity/selector" in phase(aks, "amd")[1]


@pytest.mark.own(
    "The connection to an API server that nobody reaches is cut: the real one keeps silent, or has no name"
)
def test_an_api_server_that_is_not_reached(aks: Aks) -> None:
    set_cluster(aks, unreachable="the cluster is stopped")
    with pytest.raises(urllib3.exceptions.HTTPError):
        aks.core.list_node(_request_timeout=5)
    set_cluster(aks, unreachable="")
    assert aks.core.list_node().items


@pytest.mark.documentation("What a pod requires of its nodes by affinity is held like a node selector")
def test_node_affinity(aks: Aks) -> None:
    set_cluster(aks, pools=(AksPool("pool", 2, arch="arm64"),))
    for name, architectures in (("amd", ["amd64"]), ("any", ["amd64", "arm64"])):
        wanted = {"key": "kubernetes.io/arch", "operator": "In", "values": architectures}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}
        create(aks, name, affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}})
    aks.advance(30)
    assert (phase(aks, "any")[0], phase(aks, "amd")[0]) == ("Running", "Pending")


@pytest.mark.documentation(
    "A pod that names its node is that node's, taints or not; one whose node is not there waits for it"
)
def test_pods_that_name_their_node(aks: Aks) -> None:
    set_cluster(aks, pools=(AksPool("system", 1, (TAINT,)),))
    node = aks.core.list_node().items[0].metadata.name
    create(aks, "placed", nodeName=node)
    create(aks, "waiting", nodeName="not-there")
    aks.advance(30)
    assert phase(aks, "placed") == ("Running", "")
    found = aks.core.read_namespaced_pod("waiting", "default")
    assert (found.status.phase, found.spec.node_name, found.status.conditions) == ("Pending", "not-there", None)
