"""The probe: a short-lived pod on AKS that asks for names and connects to them as any pod would.

Python's slim image does; the pod runs as nobody, holds no token of the cluster, writes nothing, and is removed again
whatever happens. What an interrupted run left behind is swept by the next one.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address
from typing import Any, TypeVar

from cloudlink.checks.names.script import ENVIRONMENT, MARK, SCRIPT
from cloudlink.clouds.errors import retry_after, unknown_outcome
from cloudlink.clouds.kube.client import Kube, KubeObject
from cloudlink.clouds.kube.errors import KubeApiError
from cloudlink.clouds.malformed import parsing
from cloudlink.core.polling import Clock, TimedOut, poll
from cloudlink.errors import CloudError, CloudlinkError, WaitError
from cloudlink.link import Link, Toleration

T = TypeVar("T")

_MANAGED = "app.kubernetes.io/managed-by"
_LINK = "cloudlink-link"
_DEADLINE = 600  # of the pod, for its image may take minutes to be pulled; the script ends itself long before
_ASKING_SECONDS = 90  # of the script: what is not asked by then is said to be not asked
_OLD_SECONDS = _DEADLINE + 60
_UNPLACED_SECONDS = 135  # in which a node takes the pod, or none will
_CONTAINER = "probe"
# Others' containers beside ours would keep the pod running, or take its connections: each mesh's own way to say no.
# https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/
# https://linkerd.io/2/features/proxy-injection/
_NO_SIDECAR_LABELS = {
    "sidecar.istio.io/inject": "false",
    "istio.io/dataplane-mode": "none",
    "kuma.io/sidecar-injection": "disabled",
}
_NO_SIDECAR_ANNOTATIONS = {
    "sidecar.istio.io/inject": "false",
    "linkerd.io/inject": "disabled",
    "dapr.io/enabled": "false",
    "consul.hashicorp.com/connect-inject": "false",
}
_DEFAULT_REQUESTS = {"cpu": "10m", "memory": "32Mi"}
_DEFAULT_LIMITS = {"cpu": "500m", "memory": "128Mi"}
# In a sandbox, time runs fast but a pod's program does not: giving up takes this much time on the wall as well.
_BUSY_SECONDS = 900.0  # as long as every write of a run waits for a cluster that is too busy
_FAIR_WALL_SECONDS = 30.0


@dataclass(frozen=True)
class Question:
    """One name to ask for."""

    name: str  # no trailing dot
    connect: tuple[IPv4Address, ...] = ()  # addresses to connect to in addition to those in the answers
    ports: tuple[int, ...] = ()
    tls_ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class Query:
    """One DNS question as it went."""

    via: str  # cluster or endpoint
    server: str
    protocol: str
    outcome: str  # answer, timeout, refused, reset or error (no answer then)
    rcode: int | None
    addresses: tuple[str, ...]
    aliases: tuple[str, ...]
    truncated: bool
    error: str
    ms: float | None


@dataclass(frozen=True)
class Handshake:
    outcome: str
    certificate: str  # base64 DER of the server's, not verified
    error: str
    ms: float | None


@dataclass(frozen=True)
class Connect:
    address: str
    port: int
    outcome: str
    error: str
    ms: float | None
    tls: Handshake | None


@dataclass(frozen=True)
class NameFacts:
    name: str
    queries: tuple[Query, ...]
    connects: tuple[Connect, ...]


@dataclass(frozen=True)
class ProbeFacts:
    # servers and search: of the pod's resolver
    servers: tuple[str, ...]
    search: tuple[str, ...]
    names: tuple[NameFacts, ...]
    # the cluster's own name, which needs no link: it tells a pod that is shut off from a link that is down
    control: Query | None = None


def request(questions: Iterable[Question], endpoints: Iterable[IPv4Address]) -> dict[str, Any]:
    """What the script is asked, as JSON-able data."""
    return {
        "names": [
            {
                "name": q.name,
                "connect": [str(a) for a in q.connect],
                "ports": sorted({*q.ports, *q.tls_ports}),
                "tls": list(q.tls_ports),
            }
            for q in questions
        ],
        "endpoints": [str(e) for e in endpoints],
        "timeout": 2,
        "tries": 2,
        "deadline": _ASKING_SECONDS,
    }


@parsing("the probe's answers")
def parse(log: str) -> ProbeFacts | None:
    """The script's answer from a pod's log; None when there is none."""
    for line in log.splitlines():
        if line.startswith(MARK):
            return _facts(json.loads(line[len(MARK) :]))
    return None


def _facts(raw: Mapping[str, Any]) -> ProbeFacts:
    return ProbeFacts(
        tuple(raw["servers"]),
        tuple(raw["search"]),
        tuple(
            NameFacts(n["name"], tuple(_query(q) for q in n["queries"]), tuple(_connect(c) for c in n["connects"]))
            for n in raw["names"]
        ),
        _query(raw["control"]) if raw.get("control") else None,
    )


def _query(q: Mapping[str, Any]) -> Query:
    return Query(
        via=q["via"],
        server=q["server"],
        protocol=q["protocol"],
        outcome=q["outcome"],
        rcode=q.get("rcode"),
        addresses=tuple(q.get("addresses", ())),
        aliases=tuple(q.get("aliases", ())),
        truncated=bool(q.get("truncated")),
        error=q["error"],
        ms=q.get("ms"),
    )


def _connect(c: Mapping[str, Any]) -> Connect:
    tls = c.get("tls")
    shake = Handshake(tls["outcome"], tls["certificate"], tls["error"], tls.get("ms")) if tls else None
    return Connect(c["address"], int(c["port"]), c["outcome"], c["error"], c.get("ms"), shake)


def manifest(link: Link, name: str, asked: Mapping[str, Any]) -> KubeObject:
    """A pod that meets the "restricted" Pod Security Standard and AKS's deployment safeguards.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/
    https://learn.microsoft.com/azure/aks/deployment-safeguards
    """
    settings = link.probe
    # Asked for by policies; they never fail, for the script ends before the first one is due.
    alive = {"exec": {"command": ["python3", "-c", ""]}, "initialDelaySeconds": _DEADLINE, "periodSeconds": 60}
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": _DEADLINE,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "nodeSelector": {"kubernetes.io/os": "linux", **dict(settings.node_selector)},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": _CONTAINER,
                "image": settings.image,
                "command": ["python3", "-c", SCRIPT],
                "env": [
                    {"name": ENVIRONMENT, "value": json.dumps(asked)},
                    {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"},
                ],
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "resources": {
                    "requests": {**_DEFAULT_REQUESTS, **dict(settings.requests)},
                    "limits": {**_DEFAULT_LIMITS, **dict(settings.limits)},
                },
                "livenessProbe": alive,
                "readinessProbe": alive,
            }
        ],
    }
    if settings.tolerations:
        spec["tolerations"] = [_toleration(t) for t in settings.tolerations]
    if settings.image_pull_secret:
        spec["imagePullSecrets"] = [{"name": settings.image_pull_secret}]
    if settings.service_account:
        spec["serviceAccountName"] = settings.service_account
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": settings.namespace,
            "labels": {**_NO_SIDECAR_LABELS, **dict(settings.labels), _MANAGED: "cloudlink", _LINK: link.name},
            "annotations": {**_NO_SIDECAR_ANNOTATIONS, **dict(settings.annotations)},
        },
        "spec": spec,
    }


def _toleration(t: Toleration) -> dict[str, str]:
    made = {"operator": "Exists" if t.value is None else "Equal"}
    made |= {"key": t.key} if t.key else {}
    made |= {"value": t.value} if t.value is not None else {}
    return made | ({"effect": t.effect} if t.effect else {})


@dataclass(frozen=True)
class Probe:
    """Runs the script once. One pod a run."""

    link: Link
    kube: Kube = field(repr=False)
    clock: Clock = field(repr=False)
    tell: Callable[[str], None] = field(repr=False, default=lambda _: None)  # is told the pod's state at each read

    def run(self, questions: Iterable[Question], endpoints: Iterable[IPv4Address]) -> ProbeFacts:
        """Raises CloudError when the pod cannot run or crashes, WaitError when it does not get to run in time.

        Raises core.wait.Stopped on Ctrl-C; the pod is removed even then.
        """
        self.sweep()
        name = f"cloudlink-probe-{self.link.name}"[:56].rstrip("-.") + f"-{secrets.token_hex(3)}"
        namespace = self.link.probe.namespace
        try:
            body = manifest(self.link, name, request(questions, endpoints))
            poll(
                lambda: self.kube.create_pod(namespace, body),
                lambda _: True,
                clock=self.clock,
                typical_seconds=1,
                deadline=_BUSY_SECONDS,
                passing=self._told_busy,
            )
            pod = self._ended(name)
            if not _ran(pod):
                raise _taken_away(pod, name, namespace)
            log = self._log(name, pod)
        finally:
            self._remove(name)
        facts = parse(log)
        if facts is None:
            raise _no_result(pod, name, namespace, log)
        return facts

    def _remove(self, name: str) -> None:
        """If the cluster does not answer either, the next run sweeps it; it ends by itself after ten minutes."""
        for _ in range(3):
            try:
                self.kube.delete_pod(self.link.probe.namespace, name)
                return
            except Exception as error:
                if not _passing(error):
                    raise
            self.clock.wait(2)

    @parsing("the cluster's pods")
    def sweep(self) -> tuple[str, ...]:
        """Remove pods of earlier runs that have ended or are older than one can be. Their names."""
        namespace = self.link.probe.namespace
        swept = []
        ours = f"{_MANAGED}=cloudlink,{_LINK}={self.link.name}"
        for pod in self._patiently(lambda: self.kube.pods(namespace, ours)):
            phase = (pod.get("status") or {}).get("phase")
            if phase in ("Succeeded", "Failed") or self._age(pod) > _OLD_SECONDS:
                name = str(pod["metadata"]["name"])
                if self._patiently(lambda name=name: self.kube.delete_pod(namespace, name)):  # type: ignore[misc]
                    swept.append(name)
        return tuple(swept)

    def _patiently(self, call: Callable[[], T]) -> T:
        """A minute for what fails in passing, as every read of a run has."""
        return poll(call, lambda _: True, clock=self.clock, typical_seconds=1, deadline=60, passing=_passing)

    def _told_busy(self, error: Exception) -> bool:
        """Whether the cluster has only put it off; a create of unknown outcome is not sent again."""
        if _busy(error):
            self.tell("waiting: the cluster is asked too often")
            return True
        return False

    @parsing("the cluster's pods")
    def _age(self, pod: KubeObject) -> float:
        created = str((pod.get("metadata") or {}).get("creationTimestamp") or "")
        try:
            return self.clock.now() - datetime.fromisoformat(created).timestamp()
        except ValueError:
            return 0.0

    def _ended(self, name: str) -> KubeObject:
        begun, wall = self.clock.now(), time.monotonic()

        def done(pod: KubeObject) -> bool:
            if trouble := _trouble(pod):
                raise trouble
            if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed") or _ran(pod):
                return True  # our container has ended, whatever stands beside it
            # The kubelet ends the pod at its deadline; what is still there later never got to run.
            waited = self.clock.now() - begun
            longest = _UNPLACED_SECONDS if _unplaced(pod) else _DEADLINE + 15
            if waited > longest and time.monotonic() - wall > _FAIR_WALL_SECONDS:
                raise _not_placed(pod, name, self.link.probe.namespace, waited)
            return False

        def read() -> KubeObject:
            pod = self.kube.pod(self.link.probe.namespace, name)
            self.tell(f"pod {_end(pod)}")
            return pod

        return poll(
            read,
            done,
            clock=self.clock,
            typical_seconds=6,
            deadline=float("inf"),
            passing=_passing,
        )

    def _log(self, name: str, pod: KubeObject) -> str:
        # An ended pod's log can lag behind its phase by a moment.
        namespace = self.link.probe.namespace
        failed: list[KubeApiError] = []

        def read() -> str:
            failed.clear()
            try:
                return self.kube.pod_log(namespace, name, container=_CONTAINER)
            except KubeApiError as error:
                failed.append(error)
                raise

        try:
            return poll(read, bool, clock=self.clock, typical_seconds=1, deadline=5, passing=_passing)
        except (TimedOut, KubeApiError):
            if not failed:
                return ""
        error = failed[0]
        if error.status not in (400, 404) and error.status < 500:
            raise error
        raise CloudError(
            "The log of the probe's pod cannot be read",
            f"Pod {name} in namespace {namespace} ended ({_end(pod)}), but {error.what} was answered: {error.message}",
            "If kubectl logs fails as well, the API server does not reach the nodes (konnectivity, port 10250); else run "
            "the command again.",
            code=error.reason,
        )


def _busy(error: Exception) -> bool:
    return retry_after(error) is not None


def _passing(error: Exception) -> bool:
    return unknown_outcome(error) or _busy(error)


@parsing("the cluster's pods")
def _trouble(pod: KubeObject) -> CloudError | None:
    """What will not get better by waiting."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if status.get("name", _CONTAINER) != _CONTAINER:
            continue
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason = str(waiting.get("reason") or "")
        # ErrImagePull is the first failure and may pass; the back-off comes after it did not.
        if reason in ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"):
            return CloudError(
                "The probe's image cannot be pulled",
                f"The nodes of the AKS cluster cannot pull {status.get('image') or 'the image'}: "
                f"{waiting.get('message') or reason}",
                "Name an image with python3 that the nodes can pull: [probe] image in the configuration.",
                code=reason,
            )
        if reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
            return CloudError(
                "The probe's container cannot start",
                str(waiting.get("message") or reason),
                "See [probe] image and namespace in the configuration.",
                code=reason,
            )
    return None


@parsing("the cluster's pods")
def _own(pod: KubeObject) -> Mapping[str, Any]:
    """The state of our own container; others may stand beside it."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    found = next((c for c in statuses if c.get("name") == _CONTAINER), None)
    return ((found or {}).get("state")) or {}


@parsing("the cluster's pods")
def _ran(pod: KubeObject) -> bool:
    """Whether our container has run to its end."""
    ended = _own(pod).get("terminated")
    status = pod.get("status") or {}
    if ended is not None:
        return True
    return status.get("phase") == "Succeeded" or (status.get("phase") == "Failed" and not status.get("reason"))


@parsing("the cluster's pods")
def _unplaced(pod: KubeObject) -> str:
    """Why no node takes the pod, in the scheduler's words; empty: one did."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("status") == "False" and condition.get("reason") == "Unschedulable":
            return str(condition.get("message") or "no node takes it")
    return ""


def _not_placed(pod: KubeObject, name: str, namespace: str, waited: float) -> WaitError:
    detail = f"After {waited:.0f} s pod {name} in namespace {namespace} is still {_end(pod)}."
    why = _unplaced(pod)
    if taints := sorted(set(re.findall(r"untolerated taint\(?s?\)? \{([^}]*)\}", why))):
        words = ", ".join(json.dumps(t.partition(":")[0].strip()) for t in taints)
        return WaitError(
            "The nodes are tainted against the probe's pod",
            detail,
            f"Tolerate the taints: [probe] tolerations = [{words}]",
        )
    if why:
        return WaitError(
            "No node takes the probe's pod",
            detail,
            "See [probe] node_selector, requests and tolerations in the configuration; kubectl get nodes",
        )
    return WaitError(
        "The probe's pod does not get to run",
        detail,
        f"kubectl get events --namespace {namespace}; see [probe] in the configuration.",
    )


def _taken_away(pod: KubeObject, name: str, namespace: str) -> CloudlinkError:
    """A pod that ended without that its container ran to an end."""
    status = pod.get("status") or {}
    detail = f"Pod {name} in namespace {namespace}: {_end(pod)}."
    if status.get("reason") == "DeadlineExceeded":
        waiting = _own(pod).get("waiting") or {}
        why = f" ({waiting['reason']})" if waiting.get("reason") else ""
        if _own(pod).get("running"):
            return WaitError("The probe's pod did not end in time", detail, "Run the command again with fewer names.")
        return WaitError(
            "The probe's container did not begin in time",
            f"{detail} Its container never ran{why}: most likely the nodes wait for a registry that does not answer.",
            f"kubectl get events --namespace {namespace}; name an image that the nodes can pull: [probe] image.",
        )
    return CloudError(
        "The cluster took the probe's pod away",
        f"{detail} That is no fault of the link.",
        "Run the command again; [probe] requests and node_selector decide on which node the pod runs.",
        code=str(status.get("reason") or ""),
    )


def _no_result(pod: KubeObject, name: str, namespace: str, log: str) -> CloudError:
    last = (log.strip().splitlines() or ["(none)"])[-1][:300]
    hint = "The image must have python3 of 3.8 or later: see [probe] image in the configuration."
    if "exec format error" in log or "exec format error" in _end(pod):
        hint = 'The image is for another processor: set [probe] node_selector = { "kubernetes.io/arch" = "amd64" } or image.'
    elif "OOMKilled" in _end(pod):
        hint = 'The container had too little memory: set [probe] limits = { memory = "256Mi" }.'
    return CloudError(
        "The probe's pod gave no result",
        f"Pod {name} in namespace {namespace} ended ({_end(pod)}) without a result. Its last line: {last}",
        hint,
    )


@parsing("the cluster's pods")
def _end(pod: KubeObject) -> str:
    """A pod's own account of its state."""
    status = pod.get("status") or {}
    words = [str(status.get("phase") or "Unknown")]
    words += [str(status[k]) for k in ("reason", "message") if status.get(k)]
    for condition in status.get("conditions") or ():
        if condition.get("status") == "False" and condition.get("reason") == "Unschedulable":
            words.append(f"no node takes it: {condition.get('message')}")
    for container in status.get("containerStatuses") or ():
        for state in (container.get("state") or {}).values():
            words += [str(state[k]) for k in ("reason", "message") if state.get(k)]
            if state.get("exitCode"):
                words.append(f"exit code {state['exitCode']}")
    return ", ".join(dict.fromkeys(words))
