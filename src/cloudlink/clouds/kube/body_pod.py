"""The body of a pod that runs one Python program once and is admitted under the strictest Pod Security level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudlink.clouds.kube.body import Body
from cloudlink.link import ProbeSettings, Toleration

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


def python_pod(
    settings: ProbeSettings,
    *,
    name: str,
    container: str,
    program: str,
    environment: Mapping[str, str],
    labels: Mapping[str, str],
    deadline: int,
    on_node: bool = False,
) -> Body:
    """A pod that meets the "restricted" Pod Security Standard and AKS's deployment safeguards. deadline: in seconds.
    on_node: in its node's network, with its node's resolver, which the "baseline" standard refuses.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/
    https://learn.microsoft.com/azure/aks/deployment-safeguards
    """
    # Asked for by policies; they never fail, for the script ends before the first one is due.
    alive = {"exec": {"command": ["python3", "-c", ""]}, "initialDelaySeconds": deadline, "periodSeconds": 60}
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": deadline,
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
                "name": container,
                "image": settings.image,
                "command": ["python3", "-c", program],
                "env": [{"name": key, "value": value} for key, value in environment.items()],
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
    if on_node:
        spec |= {"hostNetwork": True, "dnsPolicy": "Default"}
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
            "labels": {**_NO_SIDECAR_LABELS, **dict(settings.labels), **labels},
            "annotations": {**_NO_SIDECAR_ANNOTATIONS, **dict(settings.annotations)},
        },
        "spec": spec,
    }


def _toleration(t: Toleration) -> dict[str, str]:
    made = {"operator": "Exists" if t.value is None else "Equal"}
    made |= {"key": t.key} if t.key else {}
    made |= {"value": t.value} if t.value is not None else {}
    return made | ({"effect": t.effect} if t.effect else {})


def outside_node(body: Body) -> Body:
    """The same pod in a network of its own; its node's resolver stays."""
    return {**body, "spec": {k: v for k, v in body["spec"].items() if k != "hostNetwork"}}
