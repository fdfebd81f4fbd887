"""The pod that asks for names, tried before the first write: what would refuse it is heard, and nothing is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.preflight import probe
from cloudlink.clouds.kube.errors import KubeApiError, NoCluster
from cloudlink.core.plan import Action
from cloudlink.errors import CredentialsError, Finding, Severity
from cloudlink.link import ProbeSettings
from tests.support.kube_sandbox import KubeSandbox
from tests.support.pinned import pinned

from .context import context, link, plan

POD = "POST /api/v1/namespaces/default/pods of cluster test"


class Cluster:
    def __init__(self, error: Exception | None) -> None:
        self.error, self.asked = error, 0

    def create_pod(self, namespace: str, manifest: Any, *, dry_run: bool = False) -> dict[str, Any]:
        assert dry_run
        self.asked += 1
        if self.error:
            raise self.error
        return {}


def found(error: Exception | None) -> list[Finding]:
    return pinned(probe.check(link(), Cluster(error)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "message", "words", "hint"),
    [
        (403, 'pods is forbidden: User "u" cannot create resource "pods" in API group ""', "permission", "Role"),
        (403, 'pods "p" is forbidden: violates PodSecurity "restricted:latest": x', "Pod Security", "namespace"),
        (403, "is forbidden: maximum cpu usage per Container is 200m, but limit is 500m", "limit range", "[probe]"),
        (422, "ValidatingAdmissionPolicy 'images' with binding 'b' denied request: no", "admission policy", "[probe]"),
        (400, 'admission webhook "validate.kyverno.svc-fail" denied the request: no', "webhook", "[probe]"),
        (404, 'namespaces "tools" not found', "no such object", "[probe] namespace"),
    ],
)
def test_what_would_refuse_the_pod_is_a_warning(status: int, message: str, words: str, hint: str) -> None:
    (finding,) = found(KubeApiError(status, "", message, POD))
    assert finding.severity is Severity.WARNING
    assert words in finding.detail and message in finding.detail
    assert hint in finding.hint and "--no-verify" in finding.hint


@pytest.mark.parametrize(
    "error",
    [
        None,
        NoCluster("There is no cluster yet", ""),
        KubeApiError(400, "BadRequest", 'admission webhook "x" does not support dry run', POD),
        KubeApiError(500, "InternalError", "etcdserver: leader changed", POD),
        KubeApiError(429, "TooManyRequests", "later", POD),
    ],
)
def test_nothing_is_said_where_it_would_be_taken_or_cannot_be_tried(error: Exception | None) -> None:
    assert found(error) == []


def test_it_is_tried_only_where_the_cluster_is_written_to_and_answers() -> None:
    cluster: Any = Cluster(None)
    assert list(probe.find(context(aks=cluster, plan=plan(dns_forward__forward=Action.NO_OP)))) == []
    denied = CredentialsError("A permission is missing", "x")
    assert list(probe.find(context(aks=cluster, failed={"dns_forward.forward": denied}))) == []
    assert cluster.asked == 0
    assert list(probe.find(context(aks=cluster))) == [] and cluster.asked == 1


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[KubeSandbox]:
    made = KubeSandbox(tmp_path)
    yield made
    made.stop()


def test_a_real_api_server_takes_the_very_pod_without_making_it(sandbox: KubeSandbox) -> None:
    kube = sandbox.forward.kube
    assert list(probe.check(sandbox.link, kube)) == []
    assert kube.pods("default", "app.kubernetes.io/managed-by=cloudlink") == []
    elsewhere = replace(sandbox.link, probe=ProbeSettings("registry.example/py:3.12", "nowhere"))
    (finding,) = probe.check(elsewhere, kube)
    assert 'namespaces "nowhere" not found' in finding.detail
