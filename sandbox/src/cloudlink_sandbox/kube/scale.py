"""The ``scale`` of a Deployment: its number of pods, at an address of its own.

https://kubernetes.io/docs/reference/kubernetes-api/autoscaling-resources/scale-v1/
"""

from __future__ import annotations

from typing import Any

from cloudlink_sandbox.kube import status
from cloudlink_sandbox.kube.cluster import Cluster
from cloudlink_sandbox.kube.kinds import DEPLOYMENTS
from cloudlink_sandbox.kube.objects import Object, timestamp
from cloudlink_sandbox.kube.patches import apply_patch
from cloudlink_sandbox.kube.requests import Request
from cloudlink_sandbox.kube.server_side import updated


def scale(cluster: Cluster, request: Request) -> tuple[int, dict[str, Any]]:
    """(HTTP status, body). Raises ApiError."""
    deployment = cluster.store.get(DEPLOYMENTS, request.namespace or "", request.name)
    if request.method == "GET":
        return 200, _shown(deployment)
    if request.method == "PATCH":
        wanted = apply_patch(request.content_type, request.body, _shown(deployment))
    elif request.method == "PUT":
        wanted = request.json()
    else:
        raise status.method_not_allowed()
    version = (wanted.get("metadata") or {}).get("resourceVersion")
    if version and version != deployment["metadata"]["resourceVersion"]:
        raise status.conflict(DEPLOYMENTS, request.name)
    replicas = (wanted.get("spec") or {}).get("replicas", 0)
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 0:
        raise status.invalid(DEPLOYMENTS, request.name, "spec.replicas", f"Invalid value: {replicas!r}")
    scaled = {**deployment, "spec": {**deployment["spec"], "replicas": replicas}}
    updated(deployment, scaled, request.manager, timestamp(cluster.now()))
    return 200, _shown(cluster.store.replace(DEPLOYMENTS, scaled))


def _shown(deployment: Object) -> Object:
    meta, labels = deployment["metadata"], deployment["spec"]["selector"]["matchLabels"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {k: meta[k] for k in kept},
        "spec": {"replicas": deployment["spec"]["replicas"]},
        "status": {
            "replicas": deployment.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{k}={v}" for k, v in sorted(labels.items())),
        },
    }
