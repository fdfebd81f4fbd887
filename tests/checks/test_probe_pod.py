"""The probe's pod in clusters as people have them: sidecars, limits, quotas, policies, slow pulls, taints, evictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

import cloudlink.checks.names.probe as module
from cloudlink.checks.names.answers import ProbeFacts, Question
from cloudlink.checks.names.pod import manifest
from cloudlink.checks.names.probe import Probe
from cloudlink.checks.names.script import MARK
from cloudlink.clouds.kube.errors import KubeApiError
from cloudlink.errors import CloudError, CloudlinkError, WaitError
from cloudlink.link import Link, ProbeSettings, Toleration
from tests.support.aws_sandbox import aws_link
from tests.support.pinned import pin

RESULT = MARK + json.dumps({"servers": [], "search": [], "names": []})
LATE = "Pod was active on the node longer than the specified deadline"


class Time:
    stopped = False

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def now(self) -> float:
        return self.at

    def wait(self, seconds: float) -> bool:
        self.at += seconds
        return False

    def stop(self) -> None: ...


class Cluster:
    """Answers as an API server does. life: from which second on a pod shows which status."""

    kind, name, context = "aks", "test", "test"

    def __init__(
        self, time: Time, life: Sequence[tuple[float, dict[str, Any]]], log: str | KubeApiError = RESULT
    ) -> None:
        self._time, self._life, self._log = time, life, log
        self.made: dict[str, Any] = {}
        self.deleted: list[str] = []
        self.log_of: list[str] = []

    def pods(self, _namespace: str, _selector: str) -> list[Any]:
        return []

    def create_pod(self, _namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        self._born, self.made = self._time.now(), body
        return body

    def pod(self, _namespace: str, name: str) -> dict[str, Any]:
        age = self._time.now() - self._born
        status = [status for at, status in self._life if age >= at][-1]
        return {"metadata": {"name": name}, "status": status}

    def pod_log(self, _namespace: str, _name: str, *, container: str = "") -> str:
        self.log_of.append(container)
        if isinstance(self._log, KubeApiError):
            raise self._log
        return self._log

    def delete_pod(self, _namespace: str, name: str) -> bool:
        self.deleted.append(name)
        return True


def link(**probe: Any) -> Link:
    import dataclasses

    return dataclasses.replace(aws_link(), probe=ProbeSettings("registry.example/py:3.12", "tools", **probe))


@pytest.fixture(autouse=True)
def _no_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FAIR_WALL_SECONDS", -1.0)


def run(
    life: Sequence[tuple[float, dict[str, Any]]], log: str | KubeApiError = RESULT
) -> tuple[ProbeFacts, Cluster, Time]:
    time = Time()
    cluster = Cluster(time, life, log)
    facts = Probe(link(), cluster, time).run([Question("a.corp.example")], [])  # type: ignore[arg-type]
    return facts, cluster, time


def refused(life: Sequence[tuple[float, dict[str, Any]]], log: str | KubeApiError = RESULT) -> CloudlinkError:
    with pytest.raises(CloudlinkError) as caught:
        run(life, log)
    return pin(caught.value)


def ours(**state: Any) -> dict[str, Any]:
    return {"name": "probe", "image": "i", "state": state}


SIDECAR = {"name": "istio-proxy", "image": "istio", "state": {"running": {}}}
ENDED = ours(terminated={"exitCode": 0, "reason": "Completed"})


def test_a_sidecar_that_goes_on_is_not_waited_for() -> None:
    life: list[tuple[float, dict[str, Any]]] = [
        (0, {"phase": "Pending"}),
        (6, {"phase": "Running", "containerStatuses": [SIDECAR, ours(running={})]}),
        (9, {"phase": "Running", "containerStatuses": [SIDECAR, ENDED]}),
    ]
    _, cluster, time = run(life)
    assert time.now() - 1_000_000 < 20
    assert cluster.log_of == ["probe"]
    assert len(cluster.deleted) == 1


def test_a_sidecars_own_trouble_is_not_ours() -> None:
    bad = {**SIDECAR, "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    run([(0, {"phase": "Running", "containerStatuses": [bad, ENDED]})])


def test_an_image_that_takes_minutes_is_waited_for() -> None:
    pulling = {"phase": "Pending", "containerStatuses": [ours(waiting={"reason": "ContainerCreating"})]}
    _, _, time = run([(0, pulling), (400, {"phase": "Succeeded", "containerStatuses": [ENDED]})])
    assert time.now() - 1_000_000 >= 400


def test_a_deadline_before_the_container_ran() -> None:
    pulling = {"phase": "Pending", "containerStatuses": [ours(waiting={"reason": "ContainerCreating"})]}
    dead = {"phase": "Failed", "reason": "DeadlineExceeded", "message": LATE, "containerStatuses": []}
    error = refused([(0, pulling), (601, dead)])
    assert isinstance(error, WaitError)
    assert "did not begin in time" in error.summary and "registry" in error.detail and "[probe] image" in error.hint


def test_the_pods_end_after_its_container_ran_is_no_failure() -> None:
    dead = {"phase": "Failed", "reason": "DeadlineExceeded", "message": LATE, "containerStatuses": [ENDED, SIDECAR]}
    run([(0, dead)])


@pytest.mark.parametrize("reason", ["Evicted", "NodeShutdown", "Preempting"])
def test_a_pod_that_the_node_took_away(reason: str) -> None:
    error = refused([(0, {"phase": "Failed", "reason": reason, "message": "The node was low on resource: memory."})])
    assert "took the probe's pod away" in error.summary and "low on resource" in error.detail
    assert ".." not in error.detail


def test_tainted_nodes_are_named_with_the_key_to_set() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 node(s) had untolerated taint {CriticalAddonsOnly: true}. preemption: 0/3.",
    }
    error = refused([(0, {"phase": "Pending", "conditions": [condition]})])
    assert isinstance(error, WaitError)
    assert (
        "tainted" in error.summary and error.hint == 'Tolerate the taints: [probe] tolerations = ["CriticalAddonsOnly"]'
    )


@pytest.mark.parametrize(
    ("log", "hint"), [("exec /usr/bin/python3: exec format error", "kubernetes.io/arch"), ("", "python3 of 3.8")]
)
def test_a_container_without_result(log: str, hint: str) -> None:
    failed = ours(terminated={"exitCode": 1, "reason": "Error"})
    error = refused([(0, {"phase": "Failed", "containerStatuses": [failed]})], log or "x")
    assert "no result" in error.summary and hint in error.hint


def test_too_little_memory() -> None:
    failed = ours(terminated={"exitCode": 137, "reason": "OOMKilled"})
    assert "limits" in refused([(0, {"phase": "Failed", "containerStatuses": [failed]})], "x").hint


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_log_that_cannot_be_read(status: int) -> None:
    answer = KubeApiError(status, "X", 'Get "https://10.20.0.4:10250/...": i/o timeout', "GET log")
    error = refused([(0, {"phase": "Succeeded", "containerStatuses": [ENDED]})], answer)
    assert isinstance(error, CloudError)
    assert "log" in error.summary and "10250" in error.detail


# --- the manifest -------------------------------------------------------------------------------------------


def test_it_opts_out_of_sidecars_and_has_what_safeguards_ask_for() -> None:
    pod = manifest(link(), "p", {})
    assert pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
    annotations = pod["metadata"]["annotations"]
    assert annotations["sidecar.istio.io/inject"] == "false"
    assert annotations["linkerd.io/inject"] == "disabled" and annotations["dapr.io/enabled"] == "false"
    (container,) = pod["spec"]["containers"]
    assert container["livenessProbe"]["exec"] and container["readinessProbe"]["exec"]
    for kind in ("requests", "limits"):
        assert set(container["resources"][kind]) == {"cpu", "memory"}
    assert not any(key.startswith("kubernetes.azure.com") for key in pod["metadata"]["labels"])


def test_the_configuration_shapes_the_pod() -> None:
    made = link(
        tolerations=(Toleration("sku", "gpu", "NoSchedule"), Toleration("spot", None, ""), Toleration("", None, "")),
        node_selector=(("kubernetes.io/arch", "amd64"),),
        labels=(("team", "net"), ("sidecar.istio.io/inject", "true"), ("cloudlink-link", "x")),
        annotations=(("a", "b"),),
        requests=(("cpu", "100m"),),
        limits=(("ephemeral-storage", "1Gi"),),
        image_pull_secret="pull",
        service_account="checker",
    )
    pod = manifest(made, "p", {})
    spec = pod["spec"]
    assert spec["tolerations"] == [
        {"operator": "Equal", "key": "sku", "value": "gpu", "effect": "NoSchedule"},
        {"operator": "Exists", "key": "spot"},
        {"operator": "Exists"},
    ]
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    assert pod["metadata"]["labels"]["team"] == "net"
    assert pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "true", "the user's word comes first"
    assert pod["metadata"]["labels"]["cloudlink-link"] == made.name, "but not over our own mark"
    assert spec["containers"][0]["resources"] == {
        "requests": {"cpu": "100m", "memory": "32Mi"},
        "limits": {"cpu": "500m", "memory": "128Mi", "ephemeral-storage": "1Gi"},
    }
    assert spec["imagePullSecrets"] == [{"name": "pull"}] and spec["serviceAccountName"] == "checker"


# --- images ---------------------------------------------------------------------------------------------------

BACKS_OFF = 'Back-off pulling image "i": ErrImagePull: '


def pulling(reason: str, message: str) -> dict[str, Any]:
    return {"phase": "Pending", "containerStatuses": [ours(waiting={"reason": reason, "message": message})]}


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized", "--attach-acr"),
        ("pull access denied, repository does not exist or may require authorization", "image_pull_secret"),
        ("429 Too Many Requests - toomanyrequests: You have reached your pull rate limit", "limits pulls"),
        ("no match for platform in manifest: not found", "kubernetes.io/arch"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "do not trust"),
        ('failed to do request: Head "https://r": dial tcp 150.171.70.10:443: i/o timeout', "do not reach"),
        ("rpc error: code = NotFound desc = failed to pull and unpack image: not found", "no such image"),
        ("something new", "python3"),
    ],
)
def test_why_an_image_is_not_pulled_decides_what_to_do(said: str, hint: str) -> None:
    error = refused([(0, pulling("ImagePullBackOff", BACKS_OFF + said))])
    assert said in error.detail
    assert hint in error.hint


def test_the_first_pulls_words_are_kept_for_the_back_off() -> None:
    """Before Kubernetes 1.31 the back-off itself says no more than that it waits."""
    error = refused(
        [
            (0, pulling("ErrImagePull", "failed to authorize: 401 Unauthorized")),
            (20, pulling("ImagePullBackOff", 'Back-off pulling image "i"')),
        ]
    )
    assert "401 Unauthorized" in error.detail
    assert "image_pull_secret" in error.hint


def test_an_image_that_would_run_as_root() -> None:
    message = "container has runAsNonRoot and image will run as root"
    error = refused([(0, pulling("CreateContainerConfigError", message))])
    assert message in error.detail
    assert "does not run as root" in error.hint


# --- nodes ----------------------------------------------------------------------------------------------------


def unplaced(message: str) -> dict[str, Any]:
    why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [why]}


def test_a_node_that_an_autoscaler_makes_is_waited_for() -> None:
    """Four minutes are usual for AKS; without any room but with a new node on its way, the pod is not given up."""
    room = "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available."
    running = {"phase": "Running", "containerStatuses": [ours(running={})]}
    _, _, time = run([(0, unplaced(room)), (240, running), (250, {"phase": "Succeeded", "containerStatuses": [ENDED]})])
    assert time.at - 1_000_000 > 240


@pytest.mark.parametrize("why", ["3 Insufficient memory.", "3 Too many pods."])
def test_nodes_without_room(why: str) -> None:
    error = refused([(0, unplaced(f"0/3 nodes are available: {why}"))])
    assert isinstance(error, WaitError)
    assert "no room" in error.summary
    assert "az aks nodepool scale" in error.hint and "requests" in error.hint


def test_a_pod_without_a_network_is_not_told_as_a_slow_registry() -> None:
    """The pods' range is used up: no container ever runs, and nothing but a condition of the pod says why."""
    waiting = {
        "phase": "Pending",
        "conditions": [{"type": "PodReadyToStartContainers", "status": "False"}],
        "containerStatuses": [ours(waiting={"reason": "ContainerCreating"})],
    }
    dead = {"phase": "Failed", "reason": "DeadlineExceeded", "message": LATE, "containerStatuses": []}
    error = refused([(0, waiting), (601, dead)])
    assert "no network" in error.summary
    assert "no address is left" in error.detail
    assert "registry" not in error.detail + error.hint


def test_a_pod_that_somebody_deleted() -> None:
    class CleanedUp(Cluster):
        def pod(self, namespace: str, name: str) -> dict[str, Any]:
            if self._time.now() - self._born > 5:
                raise KubeApiError(404, "NotFound", f'pods "{name}" not found', "GET pod of cluster test")
            return super().pod(namespace, name)

    time = Time()
    cluster = CleanedUp(time, [(0, {"phase": "Running", "containerStatuses": [ours(running={})]})])
    with pytest.raises(CloudError) as caught:
        Probe(link(), cluster, time).run([Question("a.corp.example")], [])  # type: ignore[arg-type]
    assert "took the probe's pod away" in caught.value.summary
    assert "not by cloudlink" in caught.value.detail
    assert "probe] namespace" in caught.value.hint


def test_a_log_that_the_node_has_lost() -> None:
    error = refused(
        [(0, {"phase": "Succeeded", "containerStatuses": [ENDED]})],
        "unable to retrieve container logs for containerd://abc",
    )
    assert "run the command again" in error.hint and "python3" not in error.hint


def test_a_pod_that_was_ended_at_its_deadline_took_too_long() -> None:
    """Not the image is to blame. The kubelet ends its containers, which shows a moment later."""
    killed = ours(terminated={"exitCode": 137, "reason": "Error"})
    over = {
        "phase": "Failed",
        "reason": "DeadlineExceeded",
        "message": "Pod was active too long",
        "containerStatuses": [killed],
    }
    error = refused([(0, {"phase": "Pending"}), (6, over)], log="")
    assert "too long" in error.hint
    assert "python3" not in error.hint
