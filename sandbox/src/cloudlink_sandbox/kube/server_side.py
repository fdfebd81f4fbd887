"""Server-side apply: which manager has set which field, and what follows when one of them applies its configuration.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
The client that creates an object owns its fields from then on. What belongs to nobody (a client has cleared ``managedFields``) is
``before-first-apply``'s, as for objects that were made before their server kept track. Pure functions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from cloudlink_sandbox.kube.copying import copied
from cloudlink_sandbox.kube.patches import merge_key, strategic
from cloudlink_sandbox.kube.status import ApiError

Path = tuple[str, ...]
"""Steps as ``fieldsV1`` writes them: ``f:data``, or ``k:{"name":"web"}`` for an item of a list with a key."""

_UNOWNED = ("uid", "creationTimestamp", "resourceVersion", "generation", "managedFields", "name", "namespace")


@dataclass(frozen=True)
class Manager:
    name: str
    operation: str  # Apply, Update


Owned = dict[Manager, frozenset[Path]]


def apply(live: dict[str, Any], applied: dict[str, Any], name: str, now: str, *, force: bool) -> dict[str, Any]:
    """The live object with what ``name`` applies, its managers included. now: as Kubernetes writes times.

    Fields that this manager applied before and no longer does go, unless they are somebody else's as well. Raises
    ApiError Conflict for other managers' fields that would change, unless force takes them over.
    """
    me = Manager(name, "Apply")
    owned = _read(live) or {Manager("before-first-apply", "Update"): fields(live)}
    wanted = fields(applied)
    disputed = {
        manager: sorted(p for p in paths & wanted if _at(live, p) != _at(applied, p))
        for manager, paths in owned.items()
        if manager != me
    }
    if any(disputed.values()) and not force:
        raise _conflict({m: paths for m, paths in disputed.items() if paths})
    for manager, paths in disputed.items():
        owned[manager] = owned[manager] - frozenset(paths)
    result = strategic(copied(live), applied)
    theirs = frozenset[Path]().union(*(paths for manager, paths in owned.items() if manager != me))
    for gone in sorted(owned.get(me, frozenset()) - wanted - theirs, key=len):  # an item before what is in it
        _take(result, gone)
    owned[me] = wanted
    _write(result, live, owned, now)
    return dict(result)


def created(new: dict[str, Any], name: str, now: str, operation: str = "Apply") -> dict[str, Any]:
    """A new object that its first manager has applied, or made by another write (``Update``)."""
    made = copied(new)
    _write(made, {}, {Manager(name, operation): fields(made)}, now)
    return made


def updated(live: dict[str, Any], new: dict[str, Any], name: str, now: str) -> None:
    """Any other write: what it changes is its writer's from now on. Sets the managers in ``new``."""
    owned = _read(live)
    if not owned or new["metadata"].get("managedFields") == [{}]:  # the word for: strip all of them
        new["metadata"].pop("managedFields", None)
        return
    before, after = fields(live), fields(new)
    changed = frozenset(p for p in after if p not in before or _at(live, p) != _at(new, p))
    me = Manager(name, "Update")
    kept = {m: (paths & after) - (changed if m != me else frozenset()) for m, paths in owned.items()}
    if changed:
        kept[me] = kept.get(me, frozenset()) | changed
    _write(new, live, kept, now)


def fields(obj: dict[str, Any]) -> frozenset[Path]:
    """Every field that somebody can own; ``status`` is the controllers'."""
    found = {k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata", "status")}
    meta = {k: v for k, v in (obj.get("metadata") or {}).items() if k not in _UNOWNED}
    return frozenset(_fields({**found, **({"metadata": meta} if meta else {})}, (), ""))


def _fields(value: Any, path: Path, name: str) -> set[Path]:
    if isinstance(value, dict) and value:
        return {p for k, v in value.items() for p in _fields(v, (*path, f"f:{k}"), k)}
    if isinstance(value, list) and (key := merge_key(name, value)):
        found: set[Path] = set()
        for item in value:
            place = (*path, "k:" + json.dumps({key: item[key]}, separators=(",", ":")))
            found |= {place} | _fields(item, place, "")
        return found
    return {path}


def _step(value: Any, step: str) -> Any:
    """The key or index of a step in this value; None when it is not there."""
    if step.startswith("f:"):
        return step[2:] if isinstance(value, dict) and step[2:] in value else None
    wanted = json.loads(step[2:]).items()
    if not isinstance(value, list):
        return None
    return next((i for i, v in enumerate(value) if isinstance(v, dict) and wanted <= v.items()), None)


def _at(value: Any, path: Path) -> Any:
    for step in path:
        place = _step(value, step)
        if place is None:
            return None
        value = value[place]
    return True if path[-1].startswith("k:") else value  # an item is there or not: its fields have owners of their own


def _take(value: Any, path: Path) -> None:
    for step in path[:-1]:
        place = _step(value, step)
        if place is None:
            return
        value = value[place]
    place = _step(value, path[-1])
    if place is not None:
        del value[place]


def _read(obj: dict[str, Any]) -> Owned:
    entries = (obj.get("metadata") or {}).get("managedFields") or []
    return {Manager(e["manager"], e["operation"]): frozenset(_paths(e["fieldsV1"], ())) for e in entries}


def _paths(tree: dict[str, Any], path: Path) -> set[Path]:
    if not tree:
        return {path}
    found = {path} if "." in tree else set()
    return found.union(*(_paths(below, (*path, step)) for step, below in tree.items() if step != "."))


def _write(obj: dict[str, Any], old: dict[str, Any], owned: Owned, now: str) -> None:
    """Managers of the same fields as before keep the time of their last write."""
    times = {Manager(e["manager"], e["operation"]): e for e in (old.get("metadata") or {}).get("managedFields") or []}
    before = _read(old)
    obj.setdefault("metadata", {})["managedFields"] = [
        {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": obj.get("apiVersion", "v1"),
            "time": times[manager]["time"] if before.get(manager) == paths else now,
            "fieldsType": "FieldsV1",
            "fieldsV1": _tree(paths),
        }
        for manager, paths in owned.items()
        if paths
    ]


def _tree(paths: frozenset[Path]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        here = tree
        for step in path:
            here = here.setdefault(step, {})
        if any(other[: len(path)] == path for other in paths if other != path):
            here["."] = {}
    return tree


def _conflict(disputed: dict[Manager, list[Path]]) -> ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f'conflict with "{m.name}" using v1', "field": _shown(p)}
        for m, paths in disputed.items()
        for p in paths
    ]
    listed = "\n".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    many = "conflict" if len(causes) == 1 else "conflicts"
    return ApiError(409, "Conflict", f"Apply failed with {len(causes)} {many}: {listed}", {"causes": causes})


def _shown(path: Path) -> str:
    return "".join(f".{s[2:]}" if s.startswith("f:") else f"[{s[2:].strip('{}')}]" for s in path)
