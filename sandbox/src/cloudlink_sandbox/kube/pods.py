"""The kubelet: pods from Pending to their end, their containers, logs, restarts and deadlines."""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from cloudlink_sandbox.kube import status
from cloudlink_sandbox.kube.cluster_base import ClusterBase
from cloudlink_sandbox.kube.container import (
    CannotRun,
    Container,
    PodNetwork,
    prepare_folder,
    start_process,
    timer_seconds,
)
from cloudlink_sandbox.kube.corefile import BrokenCorefile
from cloudlink_sandbox.kube.dns_pods import DnsPods
from cloudlink_sandbox.kube.kinds import CONFIGMAPS, PODS, SECRETS
from cloudlink_sandbox.kube.objects import Object, timestamp
from cloudlink_sandbox.kube.scheduling import choose, internal_address

Place = tuple[str, str]

_FIRST_BACKOFF = 10.0
_LONGEST_BACKOFF = 300.0
# A process runs at the machine's own speed while the sandbox's clock may run a thousand times faster. So a deadline
# ends it only after this much wall time as well: packets' waits are shortened, computing is not.
_FAIR_WALL_SECONDS = 20.0


class Pods:
    """containers: processes of pods that run one. Pods of CoreDNS, of ``sleep N`` and without a command have none."""

    def __init__(self, cluster: ClusterBase, dns: DnsPods) -> None:
        self._cluster = cluster
        self._dns = dns
        self._containers: dict[Place, Container] = {}
        self._logs: dict[Place, bytes] = {}
        self._folders: dict[Place, Path] = {}  # of containers without a process in which commands were run

    # --- what the API asks -----------------------------------------------------------------------------------

    def create(self, pod: Object) -> Object:
        spec = pod.get("spec") or {}
        name = pod["metadata"].get("name") or pod["metadata"].get("generateName", "")
        containers = spec.get("containers") or []
        if not containers:
            raise status.invalid(PODS, name, "spec.containers", "Required value")
        if len(containers) > 1 or spec.get("initContainers"):
            raise status.invalid(PODS, name, "spec.containers", "the sandbox runs one container per pod")
        for i, c in enumerate(containers):
            for field in ("name", "image"):
                if not c.get(field):
                    raise status.invalid(PODS, name, f"spec.containers[{i}].{field}", "Required value")
        if spec.get("dnsPolicy") == "None" or spec.get("dnsConfig"):
            raise status.invalid(PODS, name, "spec.dnsConfig", "the sandbox gives pods no name servers of their own")
        spec.setdefault("restartPolicy", "Always")
        spec.setdefault("dnsPolicy", "ClusterFirst")
        spec.setdefault("terminationGracePeriodSeconds", 30)
        spec.setdefault("serviceAccountName", "default")
        containers[0].setdefault("imagePullPolicy", "IfNotPresent")
        made = self._cluster.store.create(
            PODS, {**pod, "spec": spec, "status": {"phase": "Pending", "qosClass": "BestEffort"}}
        )
        made = self._schedule(made)
        if "activeDeadlineSeconds" in spec:
            self._later(spec["activeDeadlineSeconds"], "pod.deadline", _place(made))
        return made

    def _schedule(self, pod: Object) -> Object:
        """Onto a node that takes it; without one it stays Pending, with the scheduler's words."""
        nodes = self._cluster.nodes()
        fitting, why = choose(pod, nodes)
        condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": timestamp(self._cluster.now())}
        if why:
            condition |= {"status": "False", "reason": "Unschedulable", "message": why}
        pod["status"]["conditions"] = [condition]
        if fitting:
            node = fitting[sum(pod["metadata"]["name"].encode()) % len(fitting)]
            pod["spec"]["nodeName"] = node["metadata"]["name"]
            pod["status"]["hostIP"] = internal_address(node)
            waiting = {"waiting": {"reason": "ContainerCreating"}}
            pod["status"]["containerStatuses"] = [_container(pod, waiting, ready=False, restarts=0)]
            seconds = self._cluster.context.durations.sample("kube.pod.start", pod["metadata"]["name"])
            self._later(seconds, "pod.start", _place(pod))
        return self._cluster.store.replace(PODS, pod, bump=False)

    def schedule_waiting(self) -> None:
        """Pods that no node took, after the nodes have changed."""
        for pod in self._cluster.store.all(PODS):
            if pod["status"]["phase"] == "Pending" and not pod["spec"].get("nodeName"):
                self._schedule(pod)

    def delete(self, namespace: str, name: str, grace: float | None) -> Object:
        """A running process gets its grace period; it is the first process of its container, so SIGTERM without a
        handler of its own does nothing. A pod that does not run any more is gone at once."""
        store = self._cluster.store
        pod = store.get(PODS, namespace, name)
        seconds = pod["spec"].get("terminationGracePeriodSeconds", 30) if grace is None else grace
        busy = pod["status"]["phase"] == "Running" and not self._dns.is_dns(pod)
        if not busy or seconds <= 0:
            return store.delete(PODS, namespace, name)
        if "deletionTimestamp" not in pod["metadata"]:
            pod["metadata"]["deletionTimestamp"] = timestamp(self._cluster.now() + seconds)
            pod["metadata"]["deletionGracePeriodSeconds"] = int(seconds)
            pod = store.replace(PODS, pod, bump=False)
        self._later(seconds, "pod.remove", (namespace, name))
        return pod

    def log(self, namespace: str, name: str) -> bytes:
        place = (namespace, name)
        running = self._containers.get(place)
        return self._logs.get(place, b"") + (running.log if running else b"")

    def append_log(self, namespace: str, name: str, text: bytes) -> None:
        self._logs[namespace, name] = (self._logs.get((namespace, name), b"") + text)[-(1 << 20) :]

    def start_beside(self, namespace: str, name: str, argv: list[str], **streams: int) -> subprocess.Popen[bytes]:
        """A command in a container that runs, for ``kubectl exec``. Raises CannotRun, ApiError.

        The container of ``sleep N`` has no process, and so no folder until a command needs one.
        """
        place = (namespace, name)
        pod = self._cluster.store.get(PODS, namespace, name)
        container = pod["spec"]["containers"][0]["name"]
        state = (pod["status"].get("containerStatuses") or [{"state": {}}])[0]["state"]
        if "running" not in state:
            raise status.internal(f'unable to upgrade connection: container not found ("{container}")')
        if self._dns.is_dns(pod):  # its image has CoreDNS alone
            raise CannotRun(f'exec: "{argv[0]}": executable file not found in $PATH')
        network = self._network(place)
        if running := self._containers.get(place):
            return start_process(running.folder, argv, self._environment(pod), name, network, **streams)
        if place not in self._folders:
            self._folders[place] = Path(tempfile.mkdtemp(prefix="cloudlink-pod-"))
            prepare_folder(self._folders[place], network, name)
        return start_process(self._folders[place], argv, self._environment(pod), name, network, **streams)

    def _network(self, place: Place) -> PodNetwork | None:
        make = self._cluster.pod_network
        return make("/".join(place)) if make else None

    # --- over time -------------------------------------------------------------------------------------------

    def _later(self, seconds: float, what: str, place: Place) -> None:
        self._cluster.event_queue.add(self._cluster.now() + seconds, what, *place)

    def start_now(self, namespace: str) -> None:
        """Start what is pending, without its time to start: for a cluster that is handed over running."""
        for pod in self._cluster.store.all(PODS, namespace):
            self.start(*_place(pod))

    def start(self, namespace: str, name: str) -> None:
        place = (namespace, name)
        pod = self._cluster.store.find(PODS, namespace, name)
        if pod is None or "deletionTimestamp" in pod["metadata"] or pod["status"]["phase"] in ("Failed", "Succeeded"):
            return
        if any("running" in c["state"] for c in pod["status"].get("containerStatuses", ())):
            return
        of_node = pod["status"].get("hostIP") if pod["spec"].get("hostNetwork") else None
        pod["status"].setdefault("podIP", of_node or self._cluster.next_pod_address())
        pod["status"].setdefault("podIPs", [{"ip": pod["status"]["podIP"]}])
        pod["status"].setdefault("startTime", timestamp(self._cluster.now()))
        argv = _argv(pod)
        try:
            if self._cluster.context.faults.match(f"{namespace}/{name}", "pod-fails"):
                self.append_log(namespace, name, b"the sandbox was asked to let this pod fail\n")
                self._ended(pod, 1, "Error", "")
                return
            if self._dns.is_dns(pod):
                self._dns.start(pod)
            elif argv:
                if pod["spec"].get("volumes"):
                    self._waiting(pod, "CreateContainerConfigError", "the sandbox mounts no volumes")
                    return
                seconds = timer_seconds(argv)
                if seconds is None:
                    self._run(pod, argv)
                elif seconds != float("inf"):
                    self._later(seconds, "pod.end", place)
        except BrokenCorefile as e:
            self.append_log(namespace, name, f"{e}\n".encode())
            self._ended(pod, 1, "Error", "")
            return
        except CannotRun as e:
            self._ended(pod, 127, "ContainerCannotRun", str(e))
            return
        except _BadConfiguration as e:
            self._waiting(pod, "CreateContainerConfigError", str(e))
            return
        started = {"running": {"startedAt": timestamp(self._cluster.now())}}
        self._put(pod, "Running", started, ready=True)

    def _run(self, pod: Object, argv: list[str]) -> None:
        namespace, name = _place(pod)
        network = self._network((namespace, name))
        self._containers[namespace, name] = Container(argv, self._environment(pod), name, network)

    def _environment(self, pod: Object) -> dict[str, str]:
        found: dict[str, str] = {}
        container = pod["spec"]["containers"][0]
        if container.get("envFrom"):
            raise _BadConfiguration("the sandbox does not know envFrom")
        for item in container.get("env") or ():
            source = item.get("valueFrom")
            if not source:
                found[item["name"]] = str(item.get("value", ""))
            elif value := self._env_source(pod, source):
                found[item["name"]] = value
        return found

    def _env_source(self, pod: Object, source: Object) -> str:
        if ref := source.get("configMapKeyRef"):
            return str(self._referenced(CONFIGMAPS, pod, ref))
        if ref := source.get("secretKeyRef"):
            return base64.b64decode(self._referenced(SECRETS, pod, ref)).decode()
        path = (source.get("fieldRef") or {}).get("fieldPath", "")
        here: Any = pod
        for step in path.split("."):
            here = here.get(step) if isinstance(here, dict) else None
        if not path or here is None:
            raise _BadConfiguration(f"the sandbox does not know this source of an environment variable: {source}")
        return str(here)

    def _referenced(self, kind: Any, pod: Object, ref: Object) -> str:
        found = self._cluster.store.find(kind, pod["metadata"]["namespace"], ref["name"]) or {}
        value = (found.get("data") or {}).get(ref["key"])
        if value is None and not ref.get("optional"):
            raise _BadConfiguration(
                f"couldn't find key {ref['key']} in {kind.kind} {pod['metadata']['namespace']}/{ref['name']}"
            )
        return str(value or "")

    def collect(self) -> None:
        """Take note of processes that have ended."""
        for place, container in list(self._containers.items()):
            if container.exit_code is None:
                continue
            del self._containers[place]
            self.append_log(*place, container.log)
            pod = self._cluster.store.find(PODS, *place)
            if pod is not None:
                self._ended(pod, container.exit_code, "Completed" if container.exit_code == 0 else "Error", "")

    def timer_ended(self, namespace: str, name: str) -> None:
        pod = self._cluster.store.find(PODS, namespace, name)
        if pod is not None and pod["status"]["phase"] == "Running":
            self._ended(pod, 0, "Completed", "")

    def deadline(self, namespace: str, name: str) -> None:
        pod = self._cluster.store.find(PODS, namespace, name)
        if pod is None or pod["status"]["phase"] in ("Failed", "Succeeded"):
            return
        container = self._containers.get((namespace, name))
        fair = min(_FAIR_WALL_SECONDS, float(pod["spec"].get("activeDeadlineSeconds", 0)))
        if container and time.monotonic() - container.started < fair:
            self._later(max(1.0, self._cluster.context.clock.speed), "pod.deadline", (namespace, name))
            return
        self._kill((namespace, name))
        pod["status"]["reason"] = "DeadlineExceeded"
        pod["status"]["message"] = "Pod was active on the node longer than the specified deadline"
        self._put(pod, "Failed", self._terminated(pod, 137, "Error", ""), ready=False)

    def remove(self, namespace: str, name: str) -> None:
        if (pod := self._cluster.store.find(PODS, namespace, name)) and "deletionTimestamp" in pod["metadata"]:
            self._cluster.store.delete(PODS, namespace, name)

    def seen(self, pod: Object, gone: bool) -> None:
        if gone:
            place = _place(pod)
            self._kill(place)
            self._logs.pop(place, None)
            if self._dns.is_dns(pod):
                self._dns.stopped(place[1])

    def _kill(self, place: Place) -> None:
        if folder := self._folders.pop(place, None):
            shutil.rmtree(folder, ignore_errors=True)
        if container := self._containers.pop(place, None):
            container.kill()
            self.append_log(*place, container.log)

    def kill_all(self) -> None:
        for place in {*self._containers, *self._folders}:
            self._kill(place)

    # --- status ----------------------------------------------------------------------------------------------

    def _terminated(self, pod: Object, code: int, reason: str, message: str) -> Object:
        now = timestamp(self._cluster.now())
        running = pod["status"].get("containerStatuses", [{}])[0].get("state", {}).get("running", {})
        ended = {"exitCode": code, "reason": reason, "startedAt": running.get("startedAt", now), "finishedAt": now}
        return {"terminated": ended | ({"message": message} if message else {})}

    def _ended(self, pod: Object, code: int, reason: str, message: str) -> None:
        ended = self._terminated(pod, code, reason, message)
        policy = pod["spec"]["restartPolicy"]
        if policy == "Never" or (policy == "OnFailure" and code == 0) or "deletionTimestamp" in pod["metadata"]:
            self._put(pod, "Succeeded" if code == 0 else "Failed", ended, ready=False)
            return
        restarts = pod["status"].get("containerStatuses", [{}])[0].get("restartCount", 0)
        backoff = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2**restarts)
        name = pod["metadata"]["name"]
        text = f"back-off {int(backoff)}s restarting failed container={pod['spec']['containers'][0]['name']} pod={name}"
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": text}}
        self._put(pod, "Running", waiting, ready=False, last=ended, restarts=restarts + 1)
        self._later(backoff, "pod.start", _place(pod))

    def _waiting(self, pod: Object, reason: str, message: str) -> None:
        self._put(pod, "Pending", {"waiting": {"reason": reason, "message": message}}, ready=False)

    def _put(
        self,
        pod: Object,
        phase: str,
        state: Object,
        *,
        ready: bool,
        last: Object | None = None,
        restarts: int | None = None,
    ) -> None:
        before = (pod["status"].get("containerStatuses") or [{}])[0]
        count = before.get("restartCount", 0) if restarts is None else restarts
        row = _container(pod, state, ready=ready, restarts=count)
        row["lastState"] = last if last is not None else before.get("lastState", {})
        now = timestamp(self._cluster.now())
        pod["status"]["phase"] = phase
        pod["status"]["containerStatuses"] = [row]
        reason = {} if ready else {"reason": "PodCompleted" if phase == "Succeeded" else "ContainersNotReady"}
        pod["status"]["conditions"] = [
            {"type": t, "status": "True" if ok else "False", "lastTransitionTime": now, **({} if ok else reason)}
            for t, ok in (("Initialized", True), ("Ready", ready), ("ContainersReady", ready), ("PodScheduled", True))
        ]
        self._cluster.store.replace(PODS, pod, bump=False)

    def snapshot(self) -> dict[str, Any]:
        """Processes cannot be saved; their logs can."""
        return {"logs": {p: self.log(*p) for p in {*self._logs, *self._containers}}, "lost": list(self._containers)}

    def restore(self, saved: dict[str, Any]) -> None:
        self._logs = dict(saved["logs"])
        for place in saved["lost"]:
            pod = self._cluster.store.find(PODS, *place)
            if pod is not None:
                self._ended(pod, 137, "Error", "the sandbox was stopped while this container ran")


class _BadConfiguration(Exception):
    """The container cannot be made as the pod says."""


def _place(pod: Object) -> Place:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]


def _argv(pod: Object) -> list[str]:
    """Empty: the image's own program, which is not known here and is taken to run for ever. Arguments alone are
    taken as the program unless the first is an option, as images with an entry point script do it."""
    container = pod["spec"]["containers"][0]
    command, args = list(container.get("command") or ()), list(container.get("args") or ())
    if command:
        return command + args
    return args if args and not args[0].startswith("-") else []


def _container(pod: Object, state: Object, *, ready: bool, restarts: int) -> Object:
    container = pod["spec"]["containers"][0]
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": ready,
        "started": "running" in state,
        "restartCount": restarts,
        "state": state,
        "lastState": {},
    }
