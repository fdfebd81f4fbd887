"""The objects of one cluster, their versions, and the changes that watches read. Plain dicts, nothing lazy."""

from __future__ import annotations

import re
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cloudlink_sandbox.kube import status
from cloudlink_sandbox.kube.copying import copied
from cloudlink_sandbox.kube.kinds import Kind
from cloudlink_sandbox.kube.server_side import created

Object = dict[str, Any]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_KEPT_CHANGES = 2_000
CONTROLLERS = "kube-controller-manager"
ADDON_MANAGER = "kubectl-client-side-apply"  # AKS's, which applies as kubectl does


def timestamp(seconds: float) -> str:
    """As Kubernetes writes times: UTC, whole seconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _drop_empty(meta: Object) -> None:
    """An API server leaves out what is empty here."""
    for name in ("labels", "annotations", "finalizers", "ownerReferences"):
        if name in meta and not meta[name]:
            del meta[name]


@dataclass(frozen=True)
class Change:
    """What a watch sees. revision: the cluster-wide number of the write."""

    revision: int
    type: str  # ADDED, MODIFIED, DELETED
    key: str
    object: Object


@dataclass
class Store:
    """now gives sandbox seconds. Everything that leaves the store is a copy.

    changed is called with (kind, object, whether it is gone) after each write, so that controllers take notice.
    """

    now: Callable[[], float]
    changed: Callable[[Kind, Object, bool], None]
    objects: dict[str, dict[tuple[str, str], Object]] = field(default_factory=dict)
    revision: int = 1
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=_KEPT_CHANGES))

    def find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        found = self.objects.get(kind.key, {}).get((namespace if kind.namespaced else "", name))
        return copied(found) if found is not None else None

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        found = self.find(kind, namespace, name)
        if found is None:
            raise status.not_found(kind, name)
        return found

    def all(self, kind: Kind, namespace: str | None = None) -> list[Object]:
        """In the order of namespace and name. namespace None: all of them."""
        rows = self.objects.get(kind.key, {})
        return [copied(rows[k]) for k in sorted(rows) if namespace is None or k[0] == namespace]

    def owned(self, kind: Kind, owner: Object) -> list[Object]:
        """Objects whose controller is this one."""
        uid, namespace, rows = (
            owner["metadata"]["uid"],
            owner["metadata"].get("namespace"),
            self.objects.get(kind.key, {}),
        )
        return [
            copied(rows[place])
            for place in sorted(rows)
            if namespace is None or place[0] == namespace
            if any(r.get("uid") == uid for r in rows[place]["metadata"].get("ownerReferences", ()))
        ]

    def create(self, kind: Kind, obj: Object, manager: str = CONTROLLERS) -> Object:
        """manager: who owns the fields, where the object does not say it."""
        obj = copied(obj)
        meta = obj.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = f"{meta['generateName']}{uuid.uuid4().hex[:5]}"
        name = meta.get("name", "")
        if not name:
            raise status.invalid(kind, "", "metadata.name", "Required value: name or generateName is required")
        if len(name) > 253 or not _NAME.fullmatch(name):
            why = f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters'
            raise status.invalid(kind, name, "metadata.name", why)
        namespace = meta.get("namespace", "") if kind.namespaced else ""
        rows = self.objects.setdefault(kind.key, {})
        if (namespace, name) in rows:
            raise status.already_exists(kind, name)
        _drop_empty(meta)
        meta.update(uid=str(uuid.uuid4()), creationTimestamp=timestamp(self.now()))
        if "spec" in obj:
            meta["generation"] = 1
        obj["apiVersion"], obj["kind"] = kind.api_version, kind.kind
        if not meta.get("managedFields"):
            obj = created(obj, manager, timestamp(self.now()), "Update")
        rows[namespace, name] = obj
        return self._written("ADDED", kind, obj)

    def replace(self, kind: Kind, obj: Object, *, bump: bool = True) -> Object:
        """bump: a changed spec raises metadata.generation. The same content again is no write."""
        obj = copied(obj)
        meta = obj["metadata"]
        place = (meta.get("namespace", "") if kind.namespaced else "", meta["name"])
        old = self.objects.get(kind.key, {}).get(place)
        if old is None:
            raise status.not_found(kind, meta["name"])
        _drop_empty(meta)
        for fixed in ("uid", "creationTimestamp", "resourceVersion", "generation"):
            if fixed in old["metadata"]:
                meta[fixed] = old["metadata"][fixed]
        obj["apiVersion"], obj["kind"] = kind.api_version, kind.kind
        if obj == old:
            return obj
        if bump and obj.get("spec") != old.get("spec") and "generation" in meta:
            meta["generation"] += 1
        self.objects[kind.key][place] = obj
        return self._written("MODIFIED", kind, obj)

    def delete(self, kind: Kind, namespace: str, name: str) -> Object:
        rows = self.objects.get(kind.key, {})
        obj = rows.pop((namespace if kind.namespaced else "", name), None)
        if obj is None:
            raise status.not_found(kind, name)
        return self._written("DELETED", kind, obj)

    def _written(self, event: str, kind: Kind, obj: Object) -> Object:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        self.changes.append(Change(self.revision, event, kind.key, copied(obj)))
        self.changed(kind, copied(obj), event == "DELETED")
        return copied(obj)

    def since(self, kind: Kind, revision: int) -> Iterator[Change]:
        """Changes after a revision. Raises 410 Gone when they are no longer kept."""
        if self.changes and revision and revision < self.changes[0].revision - 1 and len(self.changes) == _KEPT_CHANGES:
            raise status.ApiError(410, "Expired", f"too old resource version: {revision}")
        return iter([c for c in self.changes if c.revision > revision and c.key == kind.key])

    def snapshot(self) -> dict[str, Any]:
        return {"objects": copied(self.objects), "revision": self.revision}

    def restore(self, saved: dict[str, Any]) -> None:
        """Earlier watches start again: their changes are not saved."""
        self.objects = copied(saved["objects"])
        self.revision = saved["revision"]
        self.changes.clear()
