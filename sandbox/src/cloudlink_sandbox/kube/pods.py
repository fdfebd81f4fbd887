"""The kubelet: pods from Pending to their end, their containers, logs, restarts and deadlines."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from cloudlink_sandbox.clock import busy
from cloudlink_sandbox.kube import status
from cloudlink_sandbox.kube.admission import admit
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
from cloudlink_sandbox.kube.images import image_problem
from cloudlink_sandbox.kube.kinds import CONFIGMAPS, PODS, SECRETS
from cloudlink_sandbox.kube.objects import CONTROLLERS, Object, timestamp
from cloudlink_sandbox.kube.scheduling import choose, internal_address

Place = tuple[str, str]  # namespace, name of a pod
Spot = tuple[str, str, str]  # and of a container in it

_FIRST_BACKOFF = 10.0
_LONGEST_BACKOFF = 300.0
# A process runs at the machine's own speed while the sandbox's clock may run a thousand times faster. So a deadline
# ends it only after this much wall time as well, and on a busy machine so many times of it as processes wait for each
# processor: packets' waits are shortened, computing is not.
_FAIR_WALL_SECONDS = 20.0


class Pods:
    """containers: processes of pods that run one. Pods of CoreDNS, of ``sleep N`` and without a command have none."""

    def __init__(self, cluster: ClusterBase, dns: DnsPods) -> None:
        self._cluster = cluster
        self._dns = dns
        self._containers: dict[Spot, Container] = {}
        self._logs: dict[Spot, bytes] = {}
        self._folders: dict[Spot, Path] = {}  # of containers without a process in which commands were run

    # --- what the API asks -----------------------------------------------------------------------------------

    def create(self, pod: Object, manager: str = CONTROLLERS) -> Object:
        """manager: who makes it."""
        spec = pod.get("spec") or {}
        name = pod["metadata"].get("name") or pod["metadata"].get("generateName", "")
        self._cluster.warnings += admit(self._cluster, PODS, "CREATE", pod)
        _check_containers(name, spec)
        if spec.get("dnsPolicy") == "None" or spec.get("dnsConfig"):
            raise status.invalid(PODS, name, "spec.dnsConfig", "the sandbox gives pods no name servers of their own")
        spec.setdefault("restartPolicy", "Always")
        spec.setdefault("dnsPolicy", "ClusterFirst")
        spec.setdefault("terminationGracePeriodSeconds", 30)
        spec.setdefault("serviceAccountName", "default")
        for container in _all_containers(spec):
            tag = container["image"].rpartition("/")[2].partition(":")[2]
            newest = tag in ("", "latest") and "@" not in container["image"]
            container.setdefault("imagePullPolicy", "Always" if newest else "IfNotPresent")
        made = self._cluster.store.create(
            PODS, {**pod, "spec": spec, "status": {"phase": "Pending", "qosClass": _quality(spec)}}, manager
        )
        made = self._schedule(made)
        if "activeDeadlineSeconds" in spec:
            self._later(spec["activeDeadlineSeconds"], "pod.deadline", *_place(made))
        return made

    def _schedule(self, pod: Object) -> Object:
        """Onto a node that takes it; without one it stays Pending, with the scheduler's words.

        A pod that names its node is that node's, whatever its taints say; one that names a node which is not there waits.
        """
        nodes = self._cluster.nodes()
        if named := pod["spec"].get("nodeName"):
            fitting = [n for n in nodes if n["metadata"]["name"] == named]
            if not fitting:
                return pod
            why = ""
        else:
            fitting, why = choose(pod, nodes)
        condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": timestamp(self._cluster.now())}
        if why:
            condition |= {"status": "False", "reason": "Unschedulable", "message": why}
        pod["status"]["conditions"] = [condition]
        if fitting:
            node = fitting[sum(pod["metadata"]["name"].encode()) % len(fitting)]
            pod["spec"]["nodeName"] = node["metadata"]["name"]
            pod["status"]["hostIP"] = internal_address(node)
            first = "PodInitializing" if pod["spec"].get("initContainers") else "ContainerCreating"
            for rows, containers in (("initContainerStatuses", "initContainers"), ("containerStatuses", "containers")):
                made = [_row(c, {"waiting": {"reason": first}}) for c in pod["spec"].get(containers) or ()]
                pod["status"].update({rows: made} if made else {})
            seconds = self._cluster.context.durations.sample("kube.pod.start", pod["metadata"]["name"])
            self._later(seconds, "pod.start", *_place(pod))
        return self._cluster.store.replace(PODS, pod, bump=False)

    def schedule_waiting(self) -> None:
        """Pods that no node took, after the nodes have changed."""
        for pod in self._cluster.store.all(PODS):
            placed = pod["spec"].get("nodeName") and pod["status"].get("conditions")
            if pod["status"]["phase"] == "Pending" and not placed:
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
        self._later(seconds, "pod.remove", namespace, name)
        return pod

    def log(self, namespace: str, name: str, container: str = "") -> bytes:
        """container: the first one of the pod when it is not named."""
        spot = self._spot(namespace, name, container)
        running = self._containers.get(spot)
        return self._logs.get(spot, b"") + (running.log if running else b"")

    def append_log(self, namespace: str, name: str, text: bytes, container: str = "") -> None:
        spot = self._spot(namespace, name, container)
        self._logs[spot] = (self._logs.get(spot, b"") + text)[-(1 << 20) :]

    def _spot(self, namespace: str, name: str, container: str) -> Spot:
        if not container:
            pod = self._cluster.store.find(PODS, namespace, name)
            container = pod["spec"]["containers"][0]["name"] if pod else ""
        return namespace, name, container

    def start_beside(
        self, namespace: str, name: str, container: str, argv: list[str], **streams: int
    ) -> subprocess.Popen[bytes]:
        """A command in a container that runs, for ``kubectl exec``. Raises CannotRun, ApiError.

        The container of ``sleep N`` has no process, and so no folder until a command needs one.
        """
        pod = self._cluster.store.get(PODS, namespace, name)
        spot = namespace, name, container
        row = _find_row(pod, container)
        if row is None or "running" not in row["state"]:
            raise status.internal(f'unable to upgrade connection: container not found ("{container}")')
        if self._dns.is_dns(pod):  # its image has CoreDNS alone
            raise CannotRun(f'exec: "{argv[0]}": executable file not found in $PATH')
        network = self._network((namespace, name))
        environment = self._environment(pod, container_of(pod, container))
        if running := self._containers.get(spot):
            return start_process(running.folder, argv, environment, name, network, **streams)
        if spot not in self._folders:
            self._folders[spot] = Path(tempfile.mkdtemp(prefix="cloudlink-pod-"))
            prepare_folder(self._folders[spot], network, name)
        return start_process(self._folders[spot], argv, environment, name, network, **streams)

    def _network(self, place: Place) -> PodNetwork | None:
        make = self._cluster.pod_network
        return make("/".join(place)) if make else None

    # --- over time -------------------------------------------------------------------------------------------

    def _later(self, seconds: float, what: str, *whom: str) -> None:
        self._cluster.event_queue.add(self._cluster.now() + seconds, what, *whom)

    def start_now(self, namespace: str) -> None:
        """Start what is pending, without its time to start: for a cluster that is handed over running."""
        for pod in self._cluster.store.all(PODS, namespace):
            self.start(*_place(pod))

    def start(self, namespace: str, name: str) -> None:
        """All containers that have not been started, the ones for initialization before the others, each after the last."""
        pod = self._cluster.store.find(PODS, namespace, name)
        if pod is None or "deletionTimestamp" in pod["metadata"] or pod["status"]["phase"] in ("Failed", "Succeeded"):
            return
        of_node = pod["status"].get("hostIP") if pod["spec"].get("hostNetwork") else None
        pod["status"].setdefault("podIP", of_node or self._cluster.next_pod_address())
        pod["status"].setdefault("podIPs", [{"ip": pod["status"]["podIP"]}])
        pod["status"].setdefault("startTime", timestamp(self._cluster.now()))
        for container in pod["spec"].get("initContainers") or ():
            row = _find_row(pod, container["name"])
            if _is_new(row):
                self._start_container(pod, container)
                row = _find_row(pod, container["name"])
            if not _is_over(row) and not (_runs_along(container) and row and "running" in row["state"]):
                self._settle(pod)
                return  # its end, or its next start, goes on here
        for container in pod["spec"]["containers"]:
            if _is_new(_find_row(pod, container["name"])):
                self._start_container(pod, container)
        self._settle(pod)

    def restart(self, namespace: str, name: str, container: str) -> None:
        """After its back-off, or to try its image again."""
        pod = self._cluster.store.find(PODS, namespace, name)
        if pod is None or "deletionTimestamp" in pod["metadata"] or pod["status"]["phase"] in ("Failed", "Succeeded"):
            return
        row = _find_row(pod, container)
        if row and "waiting" in row["state"]:
            self._start_container(pod, container_of(pod, container))
            self._settle(pod)
            self.start(namespace, name)

    def _start_container(self, pod: Object, container: Object) -> None:
        namespace, name = _place(pod)
        argv = _argv(container)
        own = container["name"]
        if why := image_problem(container, self._cluster.registries(), self._secret_hosts(pod)):
            self._no_image(pod, container, why)
            return
        try:
            if self._cluster.context.faults.match(f"{namespace}/{name}", "pod-fails"):
                self.append_log(namespace, name, b"the sandbox was asked to let this pod fail\n", own)
                self._ended(pod, own, 1, "Error")
                return
            if self._dns.is_dns(pod) and container is pod["spec"]["containers"][0]:
                self._dns.start(pod)
            elif argv:
                if pod["spec"].get("volumes") and container.get("volumeMounts"):
                    raise _BadConfiguration("the sandbox mounts no volumes")
                seconds = timer_seconds(argv)
                environment = self._environment(pod, container)
                if seconds is None:
                    network = self._network((namespace, name))
                    self._containers[namespace, name, own] = Container(argv, environment, name, network)
                elif seconds != float("inf"):
                    self._later(seconds, "pod.end", namespace, name, own)
        except BrokenCorefile as e:
            self.append_log(namespace, name, f"{e}\n".encode(), own)
            self._ended(pod, own, 1, "Error")
        except CannotRun as e:
            self._ended(pod, own, 127, "ContainerCannotRun", str(e))
        except _BadConfiguration as e:
            _write_row(pod, own, {"waiting": {"reason": "CreateContainerConfigError", "message": str(e)}})
        else:
            _write_row(pod, own, {"running": {"startedAt": timestamp(self._cluster.now())}})

    def _no_image(self, pod: Object, container: Object, why: str) -> None:
        """Says why, and by the next try that it waits; tried again after 10 s, 20 s and so on, up to five minutes.

        https://kubernetes.io/docs/concepts/containers/images/#imagepullbackoff
        """
        own, image = container["name"], container["image"]
        row = _find_row(pod, own)
        before = row["state"].get("waiting", {}).get("reason") if row else ""
        if why.startswith("Container image"):
            waiting = {"reason": "ErrImageNeverPull", "message": why}
        elif before == "ErrImagePull":
            waiting = {
                "reason": "ImagePullBackOff",
                "message": f'Back-off pulling image "{image}": ErrImagePull: {why}',
            }
        else:
            waiting = {"reason": "ErrImagePull", "message": why}
        _write_row(pod, own, {"waiting": waiting})
        seconds = _FIRST_BACKOFF if waiting["reason"] == "ErrImagePull" else _LONGEST_BACKOFF / 10
        self._later(seconds, "pod.restart", *_place(pod), own)

    def _secret_hosts(self, pod: Object) -> set[str]:
        """The registries for which the pod's pull secrets hold credentials."""
        found: set[str] = set()
        for ref in pod["spec"].get("imagePullSecrets") or ():
            secret = self._cluster.store.find(SECRETS, pod["metadata"]["namespace"], ref.get("name", "")) or {}
            text = (secret.get("data") or {}).get(".dockerconfigjson", "")
            with contextlib.suppress(ValueError):
                found |= set(json.loads(base64.b64decode(text) or b"{}").get("auths", {}))
        return found

    def _environment(self, pod: Object, container: Object) -> dict[str, str]:
        found: dict[str, str] = {}
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

    def computing(self) -> bool:
        """Whether a process runs, which takes its time whatever the sandbox's clock does."""
        return any(container.exit_code is None for container in list(self._containers.values()))

    def collect(self) -> None:
        """Take note of processes that have ended."""
        for spot, container in list(self._containers.items()):
            if container.exit_code is None:
                continue
            del self._containers[spot]
            namespace, name, own = spot
            self.append_log(namespace, name, container.log, own)
            pod = self._cluster.store.find(PODS, namespace, name)
            if pod is not None:
                self._go_on(pod, own, container.exit_code)

    def timer_ended(self, namespace: str, name: str, container: str) -> None:
        pod = self._cluster.store.find(PODS, namespace, name)
        row = _find_row(pod, container) if pod else None
        if pod is not None and row and "running" in row["state"] and pod["status"]["phase"] in ("Pending", "Running"):
            self._go_on(pod, container, 0)

    def _go_on(self, pod: Object, container: str, code: int) -> None:
        """After the end of a container: the next one for initialization may follow."""
        self._ended(pod, container, code, "Completed" if code == 0 else "Error")
        self._settle(pod)
        if any(c["name"] == container for c in pod["spec"].get("initContainers") or ()):
            self.start(*_place(pod))

    def deadline(self, namespace: str, name: str) -> None:
        pod = self._cluster.store.find(PODS, namespace, name)
        if pod is None or pod["status"]["phase"] in ("Failed", "Succeeded"):
            return
        processes = [c for spot, c in self._containers.items() if spot[:2] == (namespace, name)]
        fair = min(_FAIR_WALL_SECONDS * busy(), float(pod["spec"].get("activeDeadlineSeconds", 0)))
        if any(time.monotonic() - p.started < fair for p in processes):
            self._later(max(1.0, self._cluster.context.clock.speed), "pod.deadline", namespace, name)
            return
        self._kill((namespace, name))
        pod["status"]["reason"] = "DeadlineExceeded"
        pod["status"]["message"] = "Pod was active on the node longer than the specified deadline"
        for row in container_rows(pod):
            if "terminated" not in row["state"]:
                _write_row(pod, row["name"], self._terminated(row, 137, "Error", ""))
        self._put(pod, "Failed")

    def remove(self, namespace: str, name: str) -> None:
        if (pod := self._cluster.store.find(PODS, namespace, name)) and "deletionTimestamp" in pod["metadata"]:
            self._cluster.store.delete(PODS, namespace, name)

    def seen(self, pod: Object, gone: bool) -> None:
        if gone:
            place = _place(pod)
            self._kill(place)
            for spot in [s for s in self._logs if s[:2] == place]:
                del self._logs[spot]
            if self._dns.is_dns(pod):
                self._dns.stopped(place[1])

    def _kill(self, place: Place, *only: str) -> None:
        """The processes of a pod's containers, or of some."""
        for spot in {s for s in (*self._containers, *self._folders) if s[:2] == place and (not only or s[2] in only)}:
            if folder := self._folders.pop(spot, None):
                shutil.rmtree(folder, ignore_errors=True)
            if container := self._containers.pop(spot, None):
                container.kill()
                self.append_log(*place, container.log, spot[2])

    def kill_all(self) -> None:
        for place in {s[:2] for s in (*self._containers, *self._folders)}:
            self._kill(place)

    # --- status ----------------------------------------------------------------------------------------------

    def _terminated(self, row: Object, code: int, reason: str, message: str) -> Object:
        now = timestamp(self._cluster.now())
        began = row.get("state", {}).get("running", {}).get("startedAt", now)
        ended = {"exitCode": code, "reason": reason, "startedAt": began, "finishedAt": now}
        return {"terminated": ended | ({"message": message} if message else {})}

    def _ended(self, pod: Object, container: str, code: int, reason: str, message: str = "") -> None:
        """Writes down how a container ended, and when it is started again."""
        row = _find_row(pod, container)
        assert row is not None
        ended = self._terminated(row, code, reason, message)
        policy = pod["spec"]["restartPolicy"]
        if any(c["name"] == container for c in pod["spec"].get("initContainers") or ()):
            along = _runs_along(container_of(pod, container))
            policy = "Always" if along else "Never" if policy == "Never" else "OnFailure"
        if policy == "Never" or (policy == "OnFailure" and code == 0) or "deletionTimestamp" in pod["metadata"]:
            _write_row(pod, container, ended)
            return
        restarts = row.get("restartCount", 0)
        backoff = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2**restarts)
        name = pod["metadata"]["name"]
        text = f"back-off {int(backoff)}s restarting failed container={container} pod={name}"
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": text}}
        _write_row(pod, container, waiting, last=ended, restarts=restarts + 1)
        self._later(backoff, "pod.restart", *_place(pod), container)

    def _settle(self, pod: Object) -> None:
        """The phase that follows from all containers.

        https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase
        """
        first = [_find_row(pod, c["name"]) for c in pod["spec"].get("initContainers") or () if not _runs_along(c)]
        if any(_failed(row) for row in first):
            self._put(pod, "Failed")
            return
        if not all(_is_over(row) for row in first):
            self._put(pod, "Pending")
            return
        rows: list[Object] = pod["status"].get("containerStatuses") or []
        if any("waiting" in r["state"] and not r.get("lastState") for r in rows):
            self._put(pod, "Pending")
        elif all("terminated" in r["state"] for r in rows):
            for along in (c["name"] for c in pod["spec"].get("initContainers") or () if _runs_along(c)):
                self._kill(_place(pod), along)
                row = _find_row(pod, along)
                if row and "terminated" not in row["state"]:
                    _write_row(pod, along, self._terminated(row, 0, "Completed", ""))
            self._put(pod, "Failed" if any(_failed(r) for r in rows) else "Succeeded")
        else:
            self._put(pod, "Running")

    def _put(self, pod: Object, phase: str) -> None:
        now = timestamp(self._cluster.now())
        rows = pod["status"].get("containerStatuses") or []
        ready = phase == "Running" and all(r["ready"] for r in rows)
        pod["status"]["phase"] = phase
        reason = {} if ready else {"reason": "PodCompleted" if phase == "Succeeded" else "ContainersNotReady"}
        first = (r for c in pod["spec"].get("initContainers") or () if (r := _find_row(pod, c["name"])))
        initialized = phase == "Succeeded" or all(_is_over(r) or "running" in r["state"] for r in first)
        pod["status"]["conditions"] = [
            {"type": t, "status": "True" if ok else "False", "lastTransitionTime": now, **({} if ok else reason)}
            for t, ok in (
                ("Initialized", initialized),
                ("Ready", ready),
                ("ContainersReady", ready),
                ("PodScheduled", True),
            )
        ]
        self._cluster.store.replace(PODS, pod, bump=False)

    def snapshot(self) -> dict[str, Any]:
        """Processes cannot be saved; their logs can."""
        return {"logs": {s: self.log(*s) for s in {*self._logs, *self._containers}}, "lost": list(self._containers)}

    def restore(self, saved: dict[str, Any]) -> None:
        self._logs = dict(saved["logs"])
        for namespace, name, container in saved["lost"]:
            pod = self._cluster.store.find(PODS, namespace, name)
            if pod is not None:
                self._ended(pod, container, 137, "Error", "the sandbox was stopped while this container ran")
                self._settle(pod)


class _BadConfiguration(Exception):
    """The container cannot be made as the pod says."""


def _place(pod: Object) -> Place:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]


def _argv(container: Object) -> list[str]:
    """Empty: the image's own program, which is not known here and is taken to run for ever. Arguments alone are
    taken as the program unless the first is an option, as images with an entry point script do it."""
    command, args = list(container.get("command") or ()), list(container.get("args") or ())
    if command:
        return command + args
    return args if args and not args[0].startswith("-") else []


def _check_containers(name: str, spec: Object) -> None:
    """Raises ApiError."""
    if not spec.get("containers"):
        raise status.invalid(PODS, name, "spec.containers", "Required value")
    seen: set[str] = set()
    for field in ("initContainers", "containers"):
        for i, c in enumerate(spec.get(field) or ()):
            for needed in ("name", "image"):
                if not c.get(needed):
                    raise status.invalid(PODS, name, f"spec.{field}[{i}].{needed}", "Required value")
            if c["name"] in seen:
                raise status.invalid(PODS, name, f"spec.{field}[{i}].name", f'Duplicate value: "{c["name"]}"')
            if field == "initContainers" and c.get("restartPolicy") not in (None, "Always"):
                raise status.invalid(PODS, name, f"spec.{field}[{i}].restartPolicy", "the sandbox knows Always alone")
            if field == "containers" and "restartPolicy" in c:
                raise status.invalid(
                    PODS, name, f"spec.{field}[{i}].restartPolicy", "may not be set for non-init containers"
                )
            for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
                # Assumption: a command that is run as a probe succeeds as long as the container runs.
                if c.get(probe) and "exec" not in c[probe]:
                    raise status.invalid(PODS, name, f"spec.{field}[{i}].{probe}", "the sandbox knows exec alone")
            if c.get("lifecycle"):
                raise status.invalid(PODS, name, f"spec.{field}[{i}].lifecycle", "the sandbox knows no hooks")
            seen.add(c["name"])


def _all_containers(spec: Object) -> list[Object]:
    return [*(spec.get("initContainers") or ()), *spec["containers"]]


def container_of(pod: Object, name: str) -> Object:
    return next(c for c in _all_containers(pod["spec"]) if c["name"] == name)


def chosen_container(pod: Object, wanted: str) -> str:
    """The container that a call names, or the only one. Raises ApiError.

    The annotation that makes one of several the usual one is read by kubectl, which then names it.
    """
    names = [c["name"] for c in pod["spec"]["containers"]]
    known = [c["name"] for c in _all_containers(pod["spec"])]
    name = pod["metadata"]["name"]
    if wanted:
        if wanted not in known:
            raise status.bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(names) > 1:
        of_first = [c["name"] for c in pod["spec"].get("initContainers") or ()]
        more = f" or one of the init containers: [{' '.join(of_first)}]" if of_first else ""
        raise status.bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]{more}"
        )
    return str(names[0])


def _runs_along(container: Object) -> bool:
    """A sidecar: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/"""
    return container.get("restartPolicy") == "Always"


def _quality(spec: Object) -> str:
    """https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/"""
    resources = [c.get("resources") or {} for c in _all_containers(spec)]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    whole = {"cpu", "memory"}
    if all(
        whole <= set(r.get("limits") or {}) and (r.get("requests") or r["limits"]) == r["limits"] for r in resources
    ):
        return "Guaranteed"
    return "Burstable"


def container_rows(pod: Object) -> list[Object]:
    return [*pod["status"].get("initContainerStatuses", ()), *pod["status"].get("containerStatuses", ())]


def _find_row(pod: Object, container: str) -> Object | None:
    return next((r for r in container_rows(pod) if r["name"] == container), None)


def _is_new(row: Object | None) -> bool:
    """Of a container that was never started."""
    if row is None:
        return True
    return row["state"].get("waiting", {}).get("reason") in ("ContainerCreating", "PodInitializing")


def _is_over(row: Object | None) -> bool:
    return row is not None and "terminated" in row["state"] and not _failed(row)


def _failed(row: Object | None) -> bool:
    return row is not None and row["state"].get("terminated", {}).get("exitCode", 0) != 0


def _write_row(
    pod: Object, container: str, state: Object, *, last: Object | None = None, restarts: int | None = None
) -> None:
    row = _find_row(pod, container)
    assert row is not None
    row["state"] = state
    row["ready"] = row["started"] = "running" in state
    row["lastState"] = last if last is not None else row.get("lastState", {})
    row["restartCount"] = row["restartCount"] if restarts is None else restarts


def _row(container: Object, state: Object) -> Object:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": 0,
        "state": state,
        "lastState": {},
    }
