"""Pods: their phases, programs, logs, restarts, deadlines, and their end."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from cloudlink_sandbox.clock import busy
from cloudlink_sandbox.faults import Fault
from tests.sandbox.kube.conftest import Aks


def run(aks: Aks, command: list[str], name: str = "p", **spec: Any) -> None:
    env = spec.pop("env", [])
    container = {"name": "c", "image": "python:3-slim", "command": command, "env": env}
    body = {"metadata": {"name": name}, "spec": {"restartPolicy": "Never", "containers": [container], **spec}}
    aks.core.create_namespaced_pod("default", body)


def ended(aks: Aks, name: str = "p") -> client.V1Pod:
    aks.advance(10)
    for _ in range(400):
        pod = aks.core.read_namespaced_pod(name, "default")
        if pod.status.phase in ("Succeeded", "Failed"):
            return pod
        time.sleep(0.02)
    raise AssertionError(f"{name} is still {pod.status}")


def log(aks: Aks, name: str = "p", **query: Any) -> str:
    return str(aks.core.read_namespaced_pod_log(name, "default", **query))


@pytest.mark.documentation("A pod is Pending, Running, Succeeded; its log and its exit code are kept")
def test_pending_running_succeeded(aks: Aks) -> None:
    run(aks, ["python3", "-c", "import sys; print('out'); print('err', file=sys.stderr)"])
    pod = aks.core.read_namespaced_pod("p", "default")
    assert pod.status.phase == "Pending"
    with pytest.raises(ApiException, match="waiting to start"):
        log(aks)
    pod = ended(aks)
    assert pod.status.phase == "Succeeded"
    state = pod.status.container_statuses[0].state.terminated
    assert (state.exit_code, state.reason) == (0, "Completed")
    assert sorted(log(aks).split()) == ["err", "out"]
    aks.core.delete_namespaced_pod("p", "default")
    with pytest.raises(ApiException, match="NotFound"):
        aks.core.read_namespaced_pod("p", "default")


@pytest.mark.documentation("A pod shows its program's exit code")
@pytest.mark.belief("A program that the image does not have is ContainerCannotRun, 127")
@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        (["python3", "-c", "raise SystemExit(3)"], 3, "Error"),
        (["python3", "-c", "1/0"], 1, "Error"),
        (["sh", "-c", "exit 7"], 7, "Error"),
        (["sh", "-c", "curl example.org"], 127, "Error"),
        (["/bin/true"], 0, "Completed"),
        (["nginx", "-g", "daemon off;"], 127, "ContainerCannotRun"),
        (["sleep", "3"], 0, "Completed"),
    ],
)
def test_exit_codes(aks: Aks, command: list[str], code: int, reason: str) -> None:
    run(aks, command)
    aks.advance(10)
    aks.core.list_namespace()
    state = ended(aks).status.container_statuses[0].state.terminated
    assert (state.exit_code, state.reason) == (code, reason)


@pytest.mark.own("A traceback shows the pod's script alone")
def test_a_traceback_shows_the_script_alone(aks: Aks) -> None:
    run(aks, ["python3", "-u", "-c", "import sys\nprint(sys.argv)\nraise ValueError('x')", "a"])
    ended(aks)
    assert log(aks).startswith("['-c', 'a']\n")
    assert "ValueError: x" in log(aks)


@pytest.mark.own("Nothing of this machine's environment, files and packages gets into a pod")
def test_nothing_of_this_machine_gets_in(aks: Aks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-tell")
    script = (
        "import os, sys, socket; print(sorted(os.environ), os.listdir('.'), socket.gethostname(), os.environ['X'])\n"
        "try:\n import dns\nexcept ImportError: print('bare')"
    )
    run(aks, ["python3", "-c", script], env=[{"name": "X", "value": "1"}])
    ended(aks)
    assert log(aks) == "['HOME', 'HOSTNAME', 'LANG', 'PATH', 'X'] [] p 1\nbare\n"
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "do-not-tell"


def several(aks: Aks, name: str, *containers: dict[str, Any], **spec: Any) -> None:
    made = [{"image": "python:3-slim", **c} for c in containers]
    body = {"metadata": {"name": name}, "spec": {"restartPolicy": "Never", "containers": made, **spec}}
    aks.core.create_namespaced_pod("default", body)


@pytest.mark.documentation("A pod of several containers ends with the last of them, and Failed if one failed")
@pytest.mark.documentation("The log of one of several containers must be asked for by its name")
def test_several_containers(aks: Aks) -> None:
    say = ["python3", "-c", "import os; print(os.environ['WHO'])"]
    env = {w: [{"name": "WHO", "value": w}] for w in ("a", "b")}
    several(aks, "p", {"name": "a", "command": say, "env": env["a"]}, {"name": "b", "command": ["sh", "-c", "exit 4"]})
    pod = ended(aks)
    assert pod.status.phase == "Failed"
    assert [c.state.terminated.exit_code for c in pod.status.container_statuses] == [0, 4]
    assert log(aks, container="a") == "a\n"
    with pytest.raises(ApiException, match=r"a container name must be specified for pod p, choose one of: \[a b\]"):
        log(aks)
    with pytest.raises(ApiException, match="container c is not valid for pod p"):
        log(aks, container="c")


@pytest.mark.documentation("A container that goes on keeps the pod Running when another has ended")
def test_one_of_two_goes_on(aks: Aks) -> None:
    several(aks, "p", {"name": "a", "command": ["true"]}, {"name": "istio-proxy"})
    aks.advance(30)
    for _ in range(100):
        pod = aks.core.read_namespaced_pod("p", "default")
        if pod.status.container_statuses[0].state.terminated:
            break
        time.sleep(0.02)
    assert pod.status.phase == "Running"
    assert next(c for c in pod.status.conditions if c.type == "Ready").status != "True"


@pytest.mark.documentation(
    "Containers for initialization run one after the other, before the others, which their failure keeps out"
)
def test_initialization(aks: Aks) -> None:
    say = {"image": "python:3-slim", "command": ["python3", "-c", "print('first')"]}
    several(aks, "p", {"name": "a", "command": ["true"]}, initContainers=[{**say, "name": "i"}, {**say, "name": "j"}])
    pod = ended(aks)
    assert pod.status.phase == "Succeeded"
    assert [c.state.terminated.exit_code for c in pod.status.init_container_statuses] == [0, 0]
    assert log(aks, container="j") == "first\n"
    broken = {"name": "i", "image": "python:3-slim", "command": ["sh", "-c", "exit 3"]}
    several(aks, "q", {"name": "a", "command": ["true"]}, initContainers=[broken])
    pod = ended(aks, "q")
    assert (pod.status.phase, pod.status.container_statuses[0].state.waiting.reason) == ("Failed", "PodInitializing")


@pytest.mark.documentation("A sidecar runs along and ends with the pod's own containers")
def test_sidecars(aks: Aks) -> None:
    proxy = {"name": "proxy", "image": "python:3-slim", "restartPolicy": "Always"}
    several(aks, "p", {"name": "a", "command": ["true"]}, initContainers=[proxy])
    pod = ended(aks)
    assert pod.status.phase == "Succeeded"
    assert pod.status.init_container_statuses[0].state.terminated.exit_code == 0


@pytest.mark.documentation(
    "An image that no registry has for the nodes is ErrImagePull, then ImagePullBackOff, and the pod stays Pending"
)
def test_images_that_cannot_be_pulled(aks: Aks) -> None:
    several(aks, "p", {"name": "a", "image": "no.such.registry.example/x:1", "command": ["true"]})
    aks.advance(10)
    waiting = aks.core.read_namespaced_pod("p", "default").status.container_statuses[0].state.waiting
    assert waiting.reason == "ErrImagePull"
    assert "lookup no.such.registry.example on 168.63.129.16:53: no such host" in waiting.message
    aks.advance(12)
    pod = aks.core.read_namespaced_pod("p", "default")
    waiting = pod.status.container_statuses[0].state.waiting
    assert (pod.status.phase, waiting.reason) == ("Pending", "ImagePullBackOff")
    assert waiting.message.startswith('Back-off pulling image "no.such.registry.example/x:1"')
    with pytest.raises(ApiException, match="waiting to start: ImagePullBackOff"):
        log(aks)
    several(aks, "q", {"name": "a", "command": ["true"], "imagePullPolicy": "Never"})
    aks.advance(10)
    waiting = aks.core.read_namespaced_pod("q", "default").status.container_statuses[0].state.waiting
    assert waiting.reason == "ErrImageNeverPull"


@pytest.mark.documentation(
    "A variable comes from a config map; without it the pod waits with CreateContainerConfigError"
)
def test_env_from_config_maps(aks: Aks) -> None:
    aks.core.create_namespaced_config_map("default", {"metadata": {"name": "m"}, "data": {"k": "v"}})
    source = {"configMapKeyRef": {"name": "m", "key": "k"}}
    run(aks, ["sh", "-c", "echo $X"], env=[{"name": "X", "valueFrom": source}])
    ended(aks)
    assert log(aks) == "v\n"
    run(aks, ["true"], "q", env=[{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "none"}}}])
    aks.advance(10)
    waiting = aks.core.read_namespaced_pod("q", "default").status.container_statuses[0].state.waiting
    assert waiting.reason == "CreateContainerConfigError"


@pytest.mark.documentation("A failing container is restarted after 10 s, 20 s and so on, in CrashLoopBackOff")
def test_restarts_back_off(aks: Aks) -> None:
    run(aks, ["nginx"], restartPolicy="Always")
    aks.advance(10)
    status = aks.core.read_namespaced_pod("p", "default").status.container_statuses[0]
    assert (status.state.waiting.reason, status.restart_count) == ("CrashLoopBackOff", 1)
    assert status.last_state.terminated.exit_code == 127
    aks.advance(12)
    assert aks.core.read_namespaced_pod("p", "default").status.container_statuses[0].restart_count == 2
    aks.advance(12)
    assert aks.core.read_namespaced_pod("p", "default").status.container_statuses[0].restart_count == 2


@pytest.mark.documentation("activeDeadlineSeconds ends a pod with DeadlineExceeded")
def test_a_deadline_ends_a_pod(aks: Aks) -> None:
    run(aks, ["sleep", "3600"], activeDeadlineSeconds=60)
    aks.advance(50)
    assert aks.core.read_namespaced_pod("p", "default").status.phase == "Running"
    aks.advance(15)
    pod = aks.core.read_namespaced_pod("p", "default")
    assert (pod.status.phase, pod.status.reason) == ("Failed", "DeadlineExceeded")


@pytest.mark.own("A deadline is fair to processes when the clock runs fast")
def test_a_deadline_is_fair_to_processes_when_the_clock_runs_fast(aks: Aks) -> None:
    aks.world.context.clock.set_speed(3600)
    run(aks, ["python3", "-c", "import time; time.sleep(0.3); print('done')"], activeDeadlineSeconds=30)
    assert ended(aks).status.phase == "Succeeded"
    assert log(aks) == "done\n"


@pytest.mark.own("On a busy machine a deadline is as much longer as a process there has less of it")
def test_a_deadline_waits_for_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (27.0, 0.0, 0.0))
    assert busy() == 13.5
    monkeypatch.setattr(os, "getloadavg", lambda: (0.3, 0.0, 0.0))
    assert busy() == 1.0
    monkeypatch.delattr(os, "getloadavg")
    assert busy() == 1.0


@pytest.mark.documentation("A deleted pod has 30 s of grace, or none when told")
def test_a_running_pod_gets_its_grace(aks: Aks) -> None:
    run(aks, ["python3", "-c", "import time; print('here', flush=True); time.sleep(60)"])
    aks.advance(10)
    for _ in range(200):
        if "Running" in aks.core.read_namespaced_pod("p", "default").status.phase and "here" in log(aks):
            break
        time.sleep(0.02)
    aks.core.delete_namespaced_pod("p", "default")
    assert aks.core.read_namespaced_pod("p", "default").metadata.deletion_timestamp is not None
    aks.advance(31)
    with pytest.raises(ApiException, match="NotFound"):
        aks.core.read_namespaced_pod("p", "default")
    run(aks, ["sleep", "60"], "q")
    aks.advance(10)
    assert aks.core.read_namespaced_pod("q", "default").status.phase == "Running"
    aks.core.delete_namespaced_pod("q", "default", grace_period_seconds=0)
    with pytest.raises(ApiException, match="NotFound"):
        aks.core.read_namespaced_pod("q", "default")


@pytest.mark.own("A fault lets pods of a name fail")
def test_pods_that_are_to_fail(aks: Aks) -> None:
    aks.world.context.faults.add(Fault("pod-fails", "default/cloudlink-*"))
    run(aks, ["true"], "cloudlink-probe")
    assert ended(aks, "cloudlink-probe").status.phase == "Failed"
    run(aks, ["true"], "other")
    assert ended(aks, "other").status.phase == "Succeeded"


@pytest.mark.documentation("A log can be followed to its end, and cut to its last lines")
def test_tail_and_follow(aks: Aks) -> None:
    run(aks, ["sh", "-c", "echo 1; echo 2; sleep 0.2; echo 3"])
    aks.advance(10)
    aks.core.list_namespace()
    assert log(aks, follow=True) == "1\n2\n3\n"
    ended(aks)
    assert log(aks, tail_lines=1) == "3\n"


@pytest.mark.documentation("A pod without a container, and one with two of one name, are refused")
@pytest.mark.own("Name servers of a pod's own, probes and hooks of containers are not modelled, and refused")
@pytest.mark.parametrize(
    "spec",
    [
        {"containers": []},
        {"containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "x"}]},
        {"containers": [{"name": "a", "image": "x"}], "initContainers": [{"name": "a", "image": "x"}]},
        {"containers": [{"name": "a", "image": "x", "restartPolicy": "Always"}]},
        {"containers": [{"name": "a", "image": "x", "readinessProbe": {"tcpSocket": {"port": 80}}}]},
        {"containers": [{"name": "a", "image": "x"}], "dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.0.0.9"]}},
    ],
)
def test_pods_that_are_not_modelled_are_refused(aks: Aks, spec: dict[str, Any]) -> None:
    with pytest.raises(ApiException) as e:
        aks.core.create_namespaced_pod("default", {"metadata": {"name": "x"}, "spec": spec})
    assert e.value.status == 422


@pytest.mark.documentation(
    "Pods with dnsPolicy Default, and those in the host's network, ask Azure's resolver, not CoreDNS"
)
@pytest.mark.parametrize(
    ("more", "asks"),
    [({}, "10.0.0.10"), ({"dnsPolicy": "Default"}, "168.63.129.16"), ({"hostNetwork": True}, "168.63.129.16"),
     ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, "10.0.0.10")],
)  # fmt: skip
def test_whom_a_pod_asks(aks: Aks, more: dict[str, Any], asks: str) -> None:
    run(aks, ["python3", "-c", "print(open('/etc/resolv.conf').read())"], **more)
    pod = ended(aks).status
    assert f"nameserver {asks}" in log(aks)
    assert (pod.pod_ip == pod.host_ip) is bool(more.get("hostNetwork"))


@pytest.mark.own("A pod that ran when the sandbox was saved comes back as crashed")
def test_running_pods_come_back_as_crashed_after_loading(aks: Aks) -> None:
    run(aks, ["python3", "-c", "import time; time.sleep(60)"])
    aks.advance(10)
    assert aks.core.read_namespaced_pod("p", "default").status.phase == "Running"
    aks.cloud.restore(aks.cloud.snapshot())
    pod = aks.core.read_namespaced_pod("p", "default")
    assert (pod.status.phase, pod.status.container_statuses[0].state.terminated.exit_code) == ("Failed", 137)


@pytest.mark.documentation(
    "A cluster behind a proxy writes its variables into every container that does not decline or set them"
)
def test_the_variables_of_a_proxy(aks: Aks) -> None:
    facts, added = aks.world.azure, (("HTTPS_PROXY", "http://proxy.corp:3128"), ("NO_PROXY", ".svc"))
    aks.world.azure = replace(facts, clusters=tuple(replace(c, pod_environment=added) for c in facts.clusters))
    run(aks, ["sleep", "1"], "plain", env=[{"name": "NO_PROXY", "value": "own"}])
    (container,) = aks.core.read_namespaced_pod("plain", "default").spec.containers
    assert {e.name: e.value for e in container.env} == {"NO_PROXY": "own", "HTTPS_PROXY": "http://proxy.corp:3128"}
    annotations = {"kubernetes.azure.com/no-http-proxy-vars": "true"}
    body = {
        "metadata": {"name": "declines", "annotations": annotations},
        "spec": {"containers": [{"name": "c", "image": "python:3-slim"}]},
    }
    aks.core.create_namespaced_pod("default", body)
    assert not aks.core.read_namespaced_pod("declines", "default").spec.containers[0].env
