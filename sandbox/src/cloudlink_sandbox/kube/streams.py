"""Answers that go on: watches and followed logs. Each read takes the lock; between reads it is free."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from cloudlink_sandbox.kube import status
from cloudlink_sandbox.kube.cluster import Cluster
from cloudlink_sandbox.kube.kinds import PODS
from cloudlink_sandbox.kube.objects import Object
from cloudlink_sandbox.kube.pods import chosen_container, container_rows
from cloudlink_sandbox.kube.requests import Request
from cloudlink_sandbox.kube.selectors import fields_match, labels_match
from cloudlink_sandbox.kube.verbs import matching

# Wall seconds: between reads, and the longest that a watch or a followed log lasts. A real server ends watches after
# five to ten minutes when the client names no timeoutSeconds, and clients start a new one; here a watch whose client
# is gone is only noticed by its end, so it comes sooner.
_EVERY = 0.05
_LONGEST = 60.0


def watch(cluster: Cluster, request: Request, table: Callable[..., Object] | None) -> Iterator[bytes]:
    """Called with the lock held, so that nothing is missed between this and the first look.

    sendInitialEvents: a list as a watch, whose end a bookmark tells; newer clients wait for it.
    https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists
    """
    kind = request.kind
    assert kind is not None
    wanted = request.query.get("resourceVersion", "")
    revision = int(wanted) if wanted.isdigit() and wanted != "0" else 0
    first: list[tuple[str, Object]] = []
    streams_list = request.query.get("sendInitialEvents") in ("1", "true", "True")
    if streams_list and request.query.get("resourceVersionMatch") != "NotOlderThan":
        why = "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise status.ApiError(422, "Invalid", f"ListOptions.meta.k8s.io is invalid: {why}")
    if revision == 0 or streams_list:
        first = [("ADDED", o) for o in matching(cluster, request)]
        revision = cluster.store.revision
    labels, fields = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
    seconds = float(request.query.get("timeoutSeconds") or _LONGEST)
    # timeoutSeconds is the client's, who waits by the clock of the sandbox or of the wall: the shorter one ends it
    ends = time.monotonic() + min(seconds, _LONGEST)

    def event(what: str, obj: Object) -> bytes:
        shown = table(kind, obj, cluster.now()) if table else obj
        return json.dumps({"type": what, "object": shown}).encode() + b"\n"

    def events(revision: int) -> Iterator[bytes]:
        yield b""  # sends the headers: clients wait for them before they look at events
        for what, obj in first:
            yield event(what, obj)
        if streams_list:
            end = {"resourceVersion": str(revision), "annotations": {"k8s.io/initial-events-end": "true"}}
            bookmark = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": end}
            yield json.dumps({"type": "BOOKMARK", "object": bookmark}).encode() + b"\n"
        over = False
        while True:
            found: list[bytes] = []
            with cluster.context.lock:
                cluster.catch_up()
                try:
                    for change in cluster.store.since(kind, revision):
                        revision = change.revision
                        space = change.object["metadata"].get("namespace")
                        if request.namespace is not None and space != request.namespace:
                            continue
                        if labels_match(labels, change.object) and fields_match(fields, change.object):
                            found.append(event(change.type, change.object))
                except status.ApiError as e:
                    found.append(json.dumps({"type": "ERROR", "object": e.json()}).encode() + b"\n")
                    over = True
            yield from found
            if over or time.monotonic() >= ends:
                return
            time.sleep(_EVERY)

    return events(revision)


def log_tail(cluster: Cluster, request: Request) -> bytes:
    """The log so far, cut as the query asks."""
    namespace = request.namespace or ""
    pod = cluster.store.get(PODS, namespace, request.name)
    name = chosen_container(pod, request.query.get("container", ""))
    state: dict[str, Any] = next((r["state"] for r in container_rows(pod) if r["name"] == name), {})
    reason = state.get("waiting", {}).get("reason", "")
    if not state or (reason and reason != "CrashLoopBackOff"):
        waits = "trying and failing to pull image" if reason == "ErrImagePull" else reason or "ContainerCreating"
        raise status.bad_request(f'container "{name}" in pod "{request.name}" is waiting to start: {waits}')
    text_ = cluster.pods.log(namespace, request.name, name)
    if (lines := request.query.get("tailLines", "")).isdigit():
        kept = text_.splitlines(keepends=True)
        text_ = b"".join(kept[len(kept) - min(len(kept), int(lines)) :])
    if (limit := request.query.get("limitBytes", "")).isdigit():
        text_ = text_[: int(limit)]
    return text_


def follow_log(cluster: Cluster, request: Request, text: bytes) -> Iterator[bytes]:
    namespace = request.namespace or ""
    name = chosen_container(cluster.store.get(PODS, namespace, request.name), request.query.get("container", ""))
    sent = len(cluster.pods.log(namespace, request.name, name))
    ends = time.monotonic() + _LONGEST

    def chunks(sent: int) -> Iterator[bytes]:
        yield text  # even if it is empty: it sends the headers
        while time.monotonic() < ends:
            with cluster.context.lock:
                cluster.catch_up()
                pod = cluster.store.find(PODS, namespace, request.name)
                whole = cluster.pods.log(namespace, request.name, name)
            if len(whole) > sent:
                yield whole[sent:]
                sent = len(whole)
            if pod is None or pod["status"]["phase"] in ("Succeeded", "Failed"):
                return
            time.sleep(_EVERY)

    return chunks(sent)
