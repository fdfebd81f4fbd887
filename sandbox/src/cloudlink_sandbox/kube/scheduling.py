"""Which nodes take a pod: its node selector, the nodes' taints and what the pod tolerates.

https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
"""

from __future__ import annotations

from cloudlink_sandbox.kube.objects import Object


def choose(pod: Object, nodes: list[Object]) -> tuple[list[Object], str]:
    """The nodes that take the pod; without one, the scheduler's message. A cluster without nodes says nothing."""
    fitting: list[Object] = []
    tainted: dict[str, int] = {}
    unselected = 0
    for node in nodes:
        labels = node["metadata"].get("labels") or {}
        selected = all(labels.get(k) == v for k, v in (pod["spec"].get("nodeSelector") or {}).items())
        if not selected or not _by_affinity(pod, node):
            unselected += 1
        elif taint := _untolerated(pod, node):
            tainted[taint] = tainted.get(taint, 0) + 1
        else:
            fitting.append(node)
    if fitting or not nodes:
        return fitting, ""
    reasons = [f"{n} node(s) had untolerated taint {{{t}}}" for t, n in tainted.items()]
    if unselected:
        reasons.append(f"{unselected} node(s) didn't match Pod's node affinity/selector")
    helped = f"preemption: 0/{len(nodes)} nodes are available: {len(nodes)} Preemption is not helpful for scheduling."
    return [], f"0/{len(nodes)} nodes are available: {', '.join(reasons)}. {helped}"


def internal_address(node: Object) -> str:
    return next((str(a["address"]) for a in node["status"].get("addresses", ()) if a["type"] == "InternalIP"), "")


def _by_affinity(pod: Object, node: Object) -> bool:
    """What a pod requires of nodes; what it merely prefers decides nothing here.

    https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#node-affinity
    """
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity")) or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    labels = node["metadata"].get("labels") or {}
    return any(
        all(_fits(labels, e) for e in term.get("matchExpressions") or ())
        and all(_fits({"metadata.name": node["metadata"]["name"]}, e) for e in term.get("matchFields") or ())
        for term in required["nodeSelectorTerms"]
        if term
    )


def _fits(labels: Object, wanted: Object) -> bool:
    value, values = labels.get(wanted["key"]), wanted.get("values") or []
    match wanted["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    if value is None or not value.isdigit():
        return False
    return int(value) > int(values[0]) if wanted["operator"] == "Gt" else int(value) < int(values[0])


def _untolerated(pod: Object, node: Object) -> str:
    """The first taint that keeps the pod off, as the scheduler names it; empty for none."""
    for taint in node["spec"].get("taints") or ():
        if taint["effect"] != "PreferNoSchedule" and not any(
            _tolerates(t, taint) for t in pod["spec"].get("tolerations") or ()
        ):
            return f"{taint['key']}: {taint.get('value', '')}"
    return ""


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    same: bool = toleration.get("key") == taint["key"]
    return same and (toleration.get("value") or "") == taint.get("value", "")
