"""Objects as the tables that kubectl prints."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cloudlink_sandbox.kube.kinds import Kind
from cloudlink_sandbox.kube.objects import Object

Cells = list[Any]


def as_table(kind: Kind, answer: Object, now: float) -> Object:
    """A list, or one object, as a Table; a Status stays what it is."""
    if answer.get("kind") == "Status":
        return answer
    columns, cells = _COLUMNS.get(kind.kind, ([], lambda _: []))
    items = answer["items"] if answer.get("kind") == f"{kind.kind}List" else [answer]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": answer["metadata"].get("resourceVersion", "")},
        "columnDefinitions": [_column("Name", "name"), *(_column(c) for c in columns), _column("Age")],
        "rows": [
            {
                "cells": [o["metadata"]["name"], *cells(o), _age(o, now)],
                "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": o["metadata"]},
            }
            for o in items
        ],
    }


def _column(name: str, form: str = "") -> Object:
    return {"name": name, "type": "string", "format": form, "description": name, "priority": 0}


def _age(obj: Object, now: float) -> str:
    made = datetime.strptime(obj["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    seconds = max(0, int(now - made.timestamp()))
    for size, letter in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"


def _pod(pod: Object) -> Cells:
    rows = pod["status"].get("containerStatuses", [])
    state = rows[0]["state"] if rows else {}
    word = pod["status"]["phase"]
    for part in ("waiting", "terminated"):
        word = state.get(part, {}).get("reason") or word
    if "deletionTimestamp" in pod["metadata"]:
        word = "Terminating"
    ready = sum(r["ready"] for r in rows)
    return [f"{ready}/{len(pod['spec']['containers'])}", word, str(sum(r["restartCount"] for r in rows))]


def _service(service: Object) -> Cells:
    spec = service["spec"]
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress", [])
    outside = ",".join(i.get("hostname") or i.get("ip", "") for i in ingress) or "<none>"
    ports = ",".join(f"{p['port']}/{p.get('protocol', 'TCP')}" for p in spec.get("ports", []))
    return [spec.get("type", "ClusterIP"), spec.get("clusterIP", ""), outside, ports]


def _deployment(deployment: Object) -> Cells:
    s = deployment.get("status", {})
    wanted = deployment["spec"].get("replicas", 1)
    return [
        f"{s.get('readyReplicas', 0)}/{wanted}",
        str(s.get("updatedReplicas", 0)),
        str(s.get("availableReplicas", 0)),
    ]


def _replica_set(replica_set: Object) -> Cells:
    s = replica_set.get("status", {})
    return [str(replica_set["spec"].get("replicas", 0)), str(s.get("replicas", 0)), str(s.get("readyReplicas", 0))]


def _node(node: Object) -> Cells:
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", ()))
    return ["Ready" if ready else "NotReady", "<none>", node["status"]["nodeInfo"]["kubeletVersion"]]


def _ingress(ingress: Object) -> Cells:
    found = ingress.get("status", {}).get("loadBalancer", {}).get("ingress", [])
    spec = ingress["spec"]
    hosts = ",".join(r.get("host", "*") for r in spec.get("rules", [])) or "*"
    return [spec.get("ingressClassName", "<none>"), hosts, ",".join(i.get("hostname", "") for i in found), "80"]


def _selector(selector: Object | None) -> str:
    found = [f"{k}={v}" for k, v in ((selector or {}).get("matchLabels") or {}).items()]
    found += [
        f"{e['key']} {e['operator'].lower()} {e.get('values', '')}".strip()
        for e in (selector or {}).get("matchExpressions") or ()
    ]
    return ",".join(found) or "<none>"


_COLUMNS: dict[str, tuple[list[str], Callable[[Object], Cells]]] = {
    "Pod": (["Ready", "Status", "Restarts"], _pod),
    "Service": (["Type", "Cluster-IP", "External-IP", "Port(s)"], _service),
    "Deployment": (["Ready", "Up-to-date", "Available"], _deployment),
    "ReplicaSet": (["Desired", "Current", "Ready"], _replica_set),
    "ConfigMap": (["Data"], lambda o: [str(len(o.get("data") or {}))]),
    "Secret": (["Type", "Data"], lambda o: [o.get("type", ""), str(len(o.get("data") or {}))]),
    "Namespace": (["Status"], lambda o: [o["status"]["phase"]]),
    "Node": (["Status", "Roles", "Version"], _node),
    "NetworkPolicy": (["Pod-Selector"], lambda o: [_selector(o["spec"].get("podSelector"))]),
    "Ingress": (["Class", "Hosts", "Address", "Ports"], _ingress),
}
