"""What the API server does with an object request: get, list, create, update, patch, delete."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from cloudlink_sandbox.faults import FaultRegistry
from cloudlink_sandbox.kube import network_policies, required, status
from cloudlink_sandbox.kube.admission import admit, used_of
from cloudlink_sandbox.kube.cluster import Cluster
from cloudlink_sandbox.kube.kinds import (
    CONFIGMAPS,
    DEPLOYMENTS,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    RESOURCE_QUOTAS,
    SECRETS,
    SERVICES,
    Kind,
)
from cloudlink_sandbox.kube.objects import Object, timestamp
from cloudlink_sandbox.kube.patches import apply_patch
from cloudlink_sandbox.kube.quantities import shown
from cloudlink_sandbox.kube.requests import Request
from cloudlink_sandbox.kube.reviews import review
from cloudlink_sandbox.kube.scale import scale
from cloudlink_sandbox.kube.selectors import fields_match, labels_match
from cloudlink_sandbox.kube.server_side import apply, created, updated

Answer = tuple[int, dict[str, Any]]


def perform(
    cluster: Cluster, request: Request, faults: FaultRegistry, may: Callable[[str, dict[str, Any]], bool]
) -> Answer:
    """(HTTP status, body). may: whether the caller's grants allow a verb on what an access review names. Raises ApiError. Watches and logs are streamed elsewhere."""
    kind = request.kind
    assert kind is not None
    if kind.is_review:
        return review(request, faults, may)
    if request.dry_run:
        if request.dry_run != "All":
            raise status.bad_request(f"Invalid value: {request.dry_run!r}: dryRun takes All only")
        old = cluster.store.find(kind, request.namespace or "", request.name)
        with cluster.rehearsal():
            code, answer = _perform(cluster, request)
        meta = answer.get("metadata", {})
        if "uid" in meta:  # nothing is stored, so there is no new version
            meta.pop("resourceVersion", None)
            meta.update({"resourceVersion": old["metadata"]["resourceVersion"]} if old else {})
        return code, answer
    return _perform(cluster, request)


def _perform(cluster: Cluster, request: Request) -> Answer:
    kind = request.kind
    assert kind is not None
    if request.subresource == "scale" and kind is DEPLOYMENTS and request.name:
        return scale(cluster, request)
    if request.subresource in ("exec", "attach", "portforward", "eviction", "ephemeralcontainers", "scale"):
        raise status.bad_request(f"the sandbox does not know {kind.plural}/{request.subresource}")
    if request.subresource not in ("", "status"):
        raise status.no_such_path()
    if kind.namespaced and request.namespace is None and (request.name or request.method == "POST"):
        raise status.no_such_path()
    namespace = request.namespace or ""
    match request.method, bool(request.name):
        case "GET", True:
            return 200, _shown(cluster, kind, cluster.store.get(kind, namespace, request.name))
        case "GET", False:
            found = [_shown(cluster, kind, o) for o in matching(cluster, request)]
            return 200, _part_of(list_of(kind, found, cluster.store.revision), request)
        case "POST", False:
            return 201, _create(cluster, kind, namespace, request.json(), request.manager)
        case "PUT", True:
            return 200, _update(cluster, kind, namespace, request, request.json())
        case "PATCH", True:
            return _patch(cluster, kind, namespace, request)
        case "DELETE", True:
            return 200, _delete(cluster, kind, namespace, request.name, request)
        case "DELETE", False:
            for obj in matching(cluster, request):
                _delete(cluster, kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"], request)
            return 200, list_of(kind, [], cluster.store.revision)
    raise status.method_not_allowed()


def matching(cluster: Cluster, request: Request) -> list[Object]:
    assert request.kind is not None
    labels, fields = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
    rows = cluster.store.all(request.kind, request.namespace)
    return [o for o in rows if labels_match(labels, o) and fields_match(fields, o)]


def _part_of(answer: Object, request: Request) -> Object:
    """With ``limit`` the first of a list, and how to go on. Raises ApiError for a token that was never given.

    Assumption: what changed between two parts is seen; a real server shows all of them as of the first.
    https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
    """
    limit, token = request.query.get("limit", ""), request.query.get("continue", "")
    if limit and not limit.isdigit():
        raise status.bad_request(f'strconv.ParseInt: parsing "{limit}": invalid syntax')
    start = 0
    if token:
        try:
            start = int(base64.urlsafe_b64decode(token).decode().removeprefix("from:"))
        except ValueError:
            raise status.bad_request("continue key is not valid: the token was not given by this server") from None
    items = answer["items"]
    end = start + int(limit) if limit and int(limit) else len(items)
    if end < len(items):
        answer["metadata"]["continue"] = base64.urlsafe_b64encode(f"from:{end}".encode()).decode()
        if not request.query.get("labelSelector") and not request.query.get("fieldSelector"):
            answer["metadata"]["remainingItemCount"] = len(items) - end
    answer["items"] = items[start:end]
    return answer


def _shown(cluster: Cluster, kind: Kind, obj: Object) -> Object:
    """A quota counts what there is when it is looked at."""
    if kind is RESOURCE_QUOTAS:
        hard = (obj.get("spec") or {}).get("hard") or {}
        used = used_of(cluster, obj["metadata"]["namespace"], hard)
        obj["status"] = {"hard": hard, "used": {r: shown(n, str(hard[r])) for r, n in used.items()}}
    return obj


def list_of(kind: Kind, items: list[Object], revision: int) -> Object:
    # items of a list do not carry kind and apiVersion on a real server either
    bare = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in items]
    return {
        "kind": f"{kind.kind}List",
        "apiVersion": kind.api_version,
        "metadata": {"resourceVersion": str(revision)},
        "items": bare,
    }


def _create(
    cluster: Cluster, kind: Kind, namespace: str, obj: Object, manager: str, *, applied: bool = False
) -> Object:
    """manager: who makes it, by a write of its own or (applied) by server-side apply."""
    _same_kind(kind, obj)
    meta = obj.setdefault("metadata", {})
    meta.pop("managedFields", None)
    if applied:
        obj.update(created(obj, manager, timestamp(cluster.now())))
        meta = obj["metadata"]
    if kind.namespaced:
        if meta.setdefault("namespace", namespace) != namespace:
            raise status.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        cluster.store.get(NAMESPACES, "", namespace)
    if meta.get("resourceVersion"):
        raise status.bad_request("resourceVersion should not be set on objects to be created")
    _check(kind, obj)
    if kind is PODS:
        return cluster.pods.create(obj, manager)
    obj.pop("status", None)
    _fill_in(cluster, kind, obj)
    cluster.warnings += admit(cluster, kind, "CREATE", obj)
    return cluster.store.create(kind, obj, manager)


def _fill_in(cluster: Cluster, kind: Kind, obj: Object) -> None:
    """What the server adds to a new object."""
    if kind is DEPLOYMENTS:
        spec = obj["spec"]
        spec.setdefault("replicas", 1)
        spec.setdefault("progressDeadlineSeconds", 600)
        spec.setdefault("revisionHistoryLimit", 10)
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
        spec.setdefault("strategy", rolling)
        obj["status"] = {}
    elif kind is SERVICES:
        spec = obj.setdefault("spec", {})
        spec.setdefault("type", "ClusterIP")
        if spec["type"] != "ExternalName":
            spec.setdefault("clusterIP", cluster.next_service_address())
        obj["status"] = {"loadBalancer": {}}
    elif kind is NAMESPACES:
        obj.setdefault("spec", {"finalizers": ["kubernetes"]})
        obj["status"] = {"phase": "Active"}
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")
    elif kind is SECRETS:
        obj.setdefault("type", "Opaque")
        for key, value in (obj.pop("stringData", None) or {}).items():
            obj.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
    elif kind is NETWORK_POLICIES:
        network_policies.fill_in(obj)


def _same_kind(kind: Kind, obj: Object) -> None:
    if obj.get("kind", kind.kind) != kind.kind or obj.get("apiVersion", kind.api_version) != kind.api_version:
        raise status.bad_request(
            f"the API version in the data ({obj.get('apiVersion')}, {obj.get('kind')}) does not match the expected one"
        )


def _check(kind: Kind, obj: Object) -> None:
    name = obj["metadata"].get("name", "")
    required.check(kind, obj)
    if kind is NETWORK_POLICIES:
        network_policies.check(obj)
    if kind in (CONFIGMAPS, SECRETS):
        data = obj.get("data")
        if data is not None and not (isinstance(data, dict) and all(isinstance(v, str) for v in data.values())):
            raise status.bad_request(f'{kind.kind} in version "v1" cannot be handled: data takes strings only')
        for key in data or ():
            if not key or len(key) > 253 or any(not (c.isalnum() or c in "-_.") for c in key):
                raise status.invalid(
                    kind,
                    name,
                    f"data[{key}]",
                    f'Invalid value: "{key}": a valid config key must consist of alphanumeric characters',
                )
    if kind is DEPLOYMENTS:
        spec = obj.get("spec") or {}
        if not (spec.get("template") or {}).get("spec", {}).get("containers"):
            raise status.invalid(kind, name, "spec.template.spec.containers", "Required value")
        if spec.get("paused") or spec.get("minReadySeconds"):
            raise status.invalid(kind, name, "spec", "the sandbox knows neither paused nor minReadySeconds")
        wanted = (spec.get("selector") or {}).get("matchLabels") or {}
        labels = spec["template"].get("metadata", {}).get("labels") or {}
        if not wanted or not wanted.items() <= labels.items():
            raise status.invalid(
                kind, name, "spec.template.metadata.labels", "`selector` does not match template `labels`"
            )


def _update(
    cluster: Cluster, kind: Kind, namespace: str, request: Request, new: Object, *, applied: bool = False
) -> Object:
    """applied: its managers are settled already."""
    old = cluster.store.get(kind, namespace, request.name)
    _same_kind(kind, new)
    meta = new.setdefault("metadata", {})
    _leave_out_empty(new)
    if meta.setdefault("name", request.name) != request.name:
        raise status.bad_request("the name of the object does not match the name on the URL")
    if kind.namespaced:
        meta.setdefault("namespace", namespace)
    if meta.get("resourceVersion") and meta["resourceVersion"] != old["metadata"]["resourceVersion"]:
        raise status.conflict(kind, request.name)
    if meta.get("uid") and meta["uid"] != old["metadata"]["uid"]:
        raise status.conflict(kind, request.name, "Precondition failed: UID in precondition does not match")
    _check(kind, new)
    if old.get("immutable") and old.get("data") != new.get("data"):
        raise status.invalid(kind, request.name, "data", "Forbidden: field is immutable when `immutable` is set")
    if request.subresource == "status":
        new = {**old, "status": new.get("status", {})}
    elif "status" in old:
        new["status"] = old["status"]
    if kind is NETWORK_POLICIES:
        network_policies.fill_in(new)
    if kind is DEPLOYMENTS and new["spec"].get("selector") != old["spec"].get("selector"):
        raise status.invalid(kind, request.name, "spec.selector", "Invalid value: field is immutable")
    if request.subresource != "status" and not applied:
        updated(old, new, request.manager, timestamp(cluster.now()))
    if kind is PODS and _core(new) != _core(old):
        raise status.invalid(
            kind, request.name, "spec", "Forbidden: pod updates may not change fields other than the image"
        )
    if request.subresource != "status":
        cluster.warnings += admit(cluster, kind, "UPDATE", new)
    return cluster.store.replace(kind, new, bump=request.subresource != "status")


def _leave_out_empty(obj: Object) -> None:
    """The server keeps no map that is empty: a pod template whose last annotation goes is as it was before the first."""
    template = (obj.get("spec") or {}).get("template") or {}
    for meta in (obj["metadata"], template.get("metadata") or {}):
        for name in ("annotations", "labels"):
            if meta.get(name) == {}:
                del meta[name]
    if template.get("metadata") == {}:
        del template["metadata"]


def _core(pod: Object) -> Object:
    return {k: v for k, v in pod.get("spec", {}).items() if k not in ("activeDeadlineSeconds", "tolerations")}


def _patch(cluster: Cluster, kind: Kind, namespace: str, request: Request) -> Answer:
    if request.content_type.partition(";")[0].strip() == "application/apply-patch+yaml":
        return _apply(cluster, kind, namespace, request)
    old = cluster.store.get(kind, namespace, request.name)
    return 200, _update(cluster, kind, namespace, request, apply_patch(request.content_type, request.body, old))


def _apply(cluster: Cluster, kind: Kind, namespace: str, request: Request) -> Answer:
    manager = request.query.get("fieldManager", "")
    if not manager:
        raise status.invalid(kind, request.name, "fieldManager", "Required value: is required for apply patch")
    wanted = request.json()
    if not wanted.get("apiVersion") or not wanted.get("kind"):
        raise status.bad_request("invalid object type: /, Kind=")
    meta = wanted.setdefault("metadata", {})
    if meta.setdefault("name", request.name) != request.name:
        raise status.bad_request("the name of the object does not match the name on the URL")
    if meta.get("managedFields"):
        raise status.bad_request("metadata.managedFields must be nil")
    live = cluster.store.find(kind, namespace, request.name)
    if live is None:
        return 201, _create(cluster, kind, namespace, wanted, manager, applied=True)
    force = request.query.get("force") in ("1", "true", "True")
    merged = apply(live, wanted, manager, timestamp(cluster.now()), force=force)
    return 200, _update(cluster, kind, namespace, request, merged, applied=True)


def _delete(cluster: Cluster, kind: Kind, namespace: str, name: str, request: Request) -> Object:
    store = cluster.store
    options = request.json() if request.body else {}
    old = store.get(kind, namespace, name)
    wanted = (options.get("preconditions") or {}).get("uid")
    if wanted and wanted != old["metadata"]["uid"]:
        raise status.conflict(kind, name, "Precondition failed: UID in precondition does not match")
    admit(cluster, kind, "DELETE", old)
    if kind is PODS:
        grace = options.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
        return cluster.pods.delete(namespace, name, None if grace is None else float(grace))
    if kind is NAMESPACES and name in ("default", "kube-system", "kube-public"):
        raise status.ApiError(403, "Forbidden", f'namespaces "{name}" is forbidden: this namespace may not be deleted')
    store.delete(kind, namespace, name)
    return status.success(kind, name, old["metadata"]["uid"])
