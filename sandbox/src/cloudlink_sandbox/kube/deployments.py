"""The Deployment controller: rolling updates over sandbox time, with conditions as kubectl reads them."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from cloudlink_sandbox.kube.cluster_base import ClusterBase
from cloudlink_sandbox.kube.kinds import DEPLOYMENTS, PODS, REPLICASETS
from cloudlink_sandbox.kube.objects import Object, timestamp
from cloudlink_sandbox.kube.pods import Pods
from cloudlink_sandbox.kube.status import ApiError

_REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"
_SYNC_SECONDS = 0.2
_AGAIN_SECONDS = 10.0  # Assumption: the controller's back-off after a pod that was refused, which really grows


class Deployments:
    """progress: (namespace, name) -> when the rollout last moved. counts: new pods, ready ones of them, old pods."""

    def __init__(self, cluster: ClusterBase, pods: Pods) -> None:
        self._cluster = cluster
        self._pods = pods
        self._progress: dict[tuple[str, str], float] = {}
        self._counts: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._refused: dict[tuple[str, str], str] = {}  # what the API server said to the last pod that it did not take

    def changed(self, obj: Object, gone: bool) -> None:
        meta = obj["metadata"]
        if gone:
            store = self._cluster.store
            for replica_set in store.owned(REPLICASETS, obj):
                for pod in store.owned(PODS, replica_set):
                    store.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
                store.delete(REPLICASETS, meta["namespace"], replica_set["metadata"]["name"])
        elif obj.get("status", {}).get("observedGeneration") != meta["generation"]:
            self._soon(meta["namespace"], meta["name"])

    def pod_changed(self, pod: Object) -> None:
        for owner in pod["metadata"].get("ownerReferences", ()):
            if owner["kind"] == "ReplicaSet":
                self._soon(pod["metadata"]["namespace"], owner["name"].rpartition("-")[0])

    def _soon(self, namespace: str, name: str) -> None:
        if not self._cluster.event_queue.has("deployment.sync", namespace, name):
            self._cluster.event_queue.add(self._cluster.now() + _SYNC_SECONDS, "deployment.sync", namespace, name)

    def sync(self, namespace: str, name: str) -> None:
        """One turn of the controller."""
        store = self._cluster.store
        deployment = store.find(DEPLOYMENTS, namespace, name)
        if deployment is None:
            return
        spec = deployment["spec"]
        wanted = spec.get("replicas", 1)
        surge, unavailable = _limits(spec, wanted)
        sets = store.owned(REPLICASETS, deployment)
        mark = _template_hash(spec["template"])
        new = next((s for s in sets if s["metadata"]["labels"].get(_HASH) == mark), None)
        if new is None:
            new = self._new_set(deployment, mark, sets)
            self._moved(deployment)
        old = [s for s in sets if s["metadata"]["name"] != new["metadata"]["name"]]
        new_pods = _living(store.owned(PODS, new))
        old_pods = [p for s in old for p in _living(store.owned(PODS, s))]
        recreate = spec.get("strategy", {}).get("type") == "Recreate"
        room = 0 if recreate and old_pods else wanted + (0 if recreate else surge) - len(new_pods) - len(old_pods)
        self._refused.pop((namespace, name), None)
        for _ in range(min(wanted - len(new_pods), room)):
            try:
                new_pods.append(self._new_pod(deployment, new))
            except ApiError as error:
                self._refused[namespace, name] = error.message
                self._cluster.event_queue.add(self._cluster.now() + _AGAIN_SECONDS, "deployment.sync", namespace, name)
                break
        for pod in new_pods[wanted:]:
            store.delete(PODS, namespace, pod["metadata"]["name"])
        new_pods = new_pods[:wanted]
        available = sum(_ready(p) for p in new_pods + old_pods)
        # broken old pods go first: they do not count as available
        for pod in sorted(old_pods, key=_ready):
            if recreate or not _ready(pod) or available - 1 >= wanted - unavailable:
                available -= _ready(pod)
                old_pods.remove(pod)
                store.delete(PODS, namespace, pod["metadata"]["name"])
                self._moved(deployment)
        for s in [new, *old]:
            pods = _living(store.owned(PODS, s))
            counts = {"replicas": len(pods), "readyReplicas": sum(map(_ready, pods))}
            s["spec"]["replicas"] = wanted if s is new else len(pods)
            s["status"] = {**counts, "availableReplicas": counts["readyReplicas"], "observedGeneration": 1}
            store.replace(REPLICASETS, s)
        self._report((namespace, name), new, new_pods, old_pods, unavailable)

    def _report(
        self, place: tuple[str, str], new: Object, new_pods: list[Object], old_pods: list[Object], unavailable: int
    ) -> None:
        namespace, name = place
        store = self._cluster.store
        now = self._cluster.now()
        deployment = store.get(DEPLOYMENTS, namespace, name)
        spec, before = deployment["spec"], deployment.get("status", {})
        wanted = spec.get("replicas", 1)
        ready_new, ready_old = sum(map(_ready, new_pods)), sum(map(_ready, old_pods))
        available = ready_new + ready_old
        counts = (len(new_pods), ready_new, len(old_pods))
        if self._counts.get((namespace, name)) != counts:
            self._counts[namespace, name] = counts
            self._moved(deployment)
        complete = ready_new == wanted == len(new_pods) and not old_pods
        started = self._progress.setdefault((namespace, name), now)
        late = not complete and now - started >= spec.get("progressDeadlineSeconds", 600)
        set_name = new["metadata"]["name"]
        if complete:
            progressing = ("True", "NewReplicaSetAvailable", f'ReplicaSet "{set_name}" has successfully progressed.')
        elif late:
            text = f'ReplicaSet "{set_name}" has timed out progressing.'
            progressing = ("False", "ProgressDeadlineExceeded", text)
        else:
            progressing = ("True", "ReplicaSetUpdated", f'ReplicaSet "{set_name}" is progressing.')
            deadline = started + spec.get("progressDeadlineSeconds", 600)
            if not self._cluster.event_queue.has("deployment.deadline", namespace, name):
                self._cluster.event_queue.add(deadline, "deployment.deadline", namespace, name)
        enough = available >= wanted - unavailable
        text = "Deployment has minimum availability." if enough else "Deployment does not have minimum availability."
        reason = "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable"
        old = before.get("conditions", [])
        status: dict[str, Any] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(new_pods) + len(old_pods),
            "updatedReplicas": len(new_pods),
            "readyReplicas": available,
            "availableReplicas": available,
            "unavailableReplicas": max(0, wanted - available),
            "conditions": [
                _condition(old, "Available", ("True" if enough else "False", reason, text), now),
                _condition(old, "Progressing", progressing, now),
            ],
        }
        if why := self._refused.get((namespace, name)):
            status["conditions"].append(_condition(old, "ReplicaFailure", ("True", "FailedCreate", why), now))
        # the real server leaves out counts of zero
        deployment["status"] = {k: v for k, v in status.items() if v != 0}
        revision = new["metadata"]["annotations"][_REVISION]
        deployment["metadata"].setdefault("annotations", {})[_REVISION] = revision
        store.replace(DEPLOYMENTS, deployment, bump=False)

    def _moved(self, deployment: Object) -> None:
        meta = deployment["metadata"]
        self._progress[meta["namespace"], meta["name"]] = self._cluster.now()

    def deadline(self, namespace: str, name: str) -> None:
        """The progress deadline may have been moved on since it was set: then it is set again."""
        deployment = self._cluster.store.find(DEPLOYMENTS, namespace, name)
        if deployment is None:
            return
        due = self._progress.get((namespace, name), 0.0) + deployment["spec"].get("progressDeadlineSeconds", 600)
        if due > self._cluster.now():
            self._cluster.event_queue.add(due, "deployment.deadline", namespace, name)
        else:
            self.sync(namespace, name)

    def _new_set(self, deployment: Object, mark: str, sets: list[Object]) -> Object:
        meta, spec = deployment["metadata"], deployment["spec"]
        revision = 1 + max((int(s["metadata"]["annotations"].get(_REVISION, 0)) for s in sets), default=0)
        template = json.loads(json.dumps(spec["template"]))
        template.setdefault("metadata", {}).setdefault("labels", {})[_HASH] = mark
        selector = {"matchLabels": {**spec["selector"].get("matchLabels", {}), _HASH: mark}}
        return self._cluster.store.create(
            REPLICASETS,
            {
                "metadata": {
                    "name": f"{meta['name']}-{mark}",
                    "namespace": meta["namespace"],
                    "labels": dict(template["metadata"]["labels"]),
                    "annotations": {_REVISION: str(revision)},
                    "ownerReferences": [_owner(DEPLOYMENTS.kind, deployment)],
                },
                "spec": {"replicas": spec.get("replicas", 1), "selector": selector, "template": template},
                "status": {"replicas": 0},
            },
        )

    def _new_pod(self, deployment: Object, replica_set: Object) -> Object:
        template = replica_set["spec"]["template"]
        pod = {
            "metadata": {
                "name": f"{replica_set['metadata']['name']}-{uuid.uuid4().hex[:5]}",
                "namespace": deployment["metadata"]["namespace"],
                "labels": dict(template["metadata"].get("labels", {})),
                "annotations": dict(template["metadata"].get("annotations", {})),
                "ownerReferences": [_owner(REPLICASETS.kind, replica_set)],
            },
            "spec": json.loads(json.dumps(template["spec"])),
        }
        return self._pods.create(pod)

    def snapshot(self) -> dict[str, Any]:
        return {"progress": dict(self._progress), "counts": dict(self._counts)}

    def restore(self, saved: dict[str, Any]) -> None:
        self._progress, self._counts = dict(saved["progress"]), dict(saved["counts"])


def _limits(spec: Object, wanted: int) -> tuple[int, int]:
    """maxSurge (rounded up) and maxUnavailable (rounded down) as numbers of pods; 25 % each unless said."""
    rolling = spec.get("strategy", {}).get("rollingUpdate") or {}

    def pods(value: Any, up: bool) -> int:
        if isinstance(value, str) and value.endswith("%"):
            hundredths = wanted * int(value[:-1])
            return -(-hundredths // 100) if up else hundredths // 100
        return int(value)

    surge, unavailable = pods(rolling.get("maxSurge", "25%"), True), pods(rolling.get("maxUnavailable", "25%"), False)
    return (surge, unavailable) if surge or unavailable else (surge, 1)


def _template_hash(template: Object) -> str:
    text = json.dumps(template, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _owner(kind: str, obj: Object) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _living(pods: list[Object]) -> list[Object]:
    return [
        p
        for p in pods
        if p["status"]["phase"] not in ("Failed", "Succeeded") and "deletionTimestamp" not in p["metadata"]
    ]


def _ready(pod: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


def _condition(before: list[Object], name: str, said: tuple[str, str, str], now: float) -> Object:
    status, reason, message = said
    old = next((c for c in before if c["type"] == name), None)
    if old and (old["status"], old["reason"], old["message"]) == said:
        return old
    since = old["lastTransitionTime"] if old and old["status"] == status else timestamp(now)
    return {
        "type": name,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": timestamp(now),
        "lastTransitionTime": since,
    }
