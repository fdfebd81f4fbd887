"""Three of the patch formats that clients send: merge, strategic merge, JSON patch. Pure functions.

https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply
The fourth, server-side apply, needs to know who has set what: ``server_side``.
"""

from __future__ import annotations

import json
from typing import Any

from cloudlink_sandbox.kube.copying import copied
from cloudlink_sandbox.kube.status import ApiError, bad_request, unsupported_media

# Lists that strategic merge joins by a key; all other lists are replaced. From the API's patchMergeKey marks.
_MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "port"),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "addresses": ("type",),
    "topologySpreadConstraints": ("topologyKey",),
}
_MERGED_PLAIN = {"finalizers"}


def apply_patch(content_type: str, body: bytes, obj: dict[str, Any]) -> dict[str, Any]:
    """The patched object; the given one is left as it is. Raises ApiError."""
    kind = content_type.partition(";")[0].strip()
    if kind not in (
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/json-patch+json",
    ):
        known = ", ".join(f"application/{k}" for k in ("json-patch+json", "merge-patch+json", "apply-patch+yaml"))
        known += ", application/strategic-merge-patch+json"
        raise unsupported_media(
            f"the body of the request was in an unknown format - accepted media types include: {known}"
        )
    try:
        patch = json.loads(body)
    except ValueError as e:
        raise bad_request(f"error decoding patch: {e}") from None
    if kind == "application/json-patch+json":
        if not isinstance(patch, list):
            raise bad_request("error decoding patch: a JSON patch is a list of operations")
        patched: Any = json_patch(copied(obj), patch)
        if not isinstance(patched, dict):
            raise _cannot("the patched document is not an object")
        return patched
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: a merge patch is an object")
    merged = (merge if kind == "application/merge-patch+json" else strategic)(copied(obj), patch)
    assert isinstance(merged, dict)
    return merged


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = target if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {k: v for k, v in patch.items() if k != "$patch"}
    result = target if isinstance(target, dict) else {}
    retained = patch.get("$retainKeys")
    if retained is not None:
        result = {k: v for k, v in result.items() if k in retained}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            result[name] = [v for v in result.get(name, ()) if v not in value]
        elif key.startswith("$"):
            continue  # $setElementOrder, $retainKeys: order does not matter here
        elif value is None or (isinstance(value, dict) and value.get("$patch") == "delete"):
            result.pop(key, None)
        elif isinstance(value, list):
            result[key] = _strategic_list(key, result.get(key) or [], value)
        else:
            result[key] = strategic(result.get(key), value)
    return result


def merge_key(name: str, items: list[Any]) -> str | None:
    """By which the items of a list of this name are told apart; None when the list is taken as a whole."""
    keys = _MERGE_KEYS.get(name, ())
    return next((k for k in keys if items and all(isinstance(v, dict) and k in v for v in items)), None)


def _strategic_list(name: str, old: list[Any], new: list[Any]) -> list[Any]:
    if name in _MERGED_PLAIN:
        return old + [v for v in new if v not in old]
    if any(isinstance(v, dict) and v.get("$patch") == "replace" for v in new):
        return [v for v in new if not (isinstance(v, dict) and v.get("$patch") == "replace")]
    key = merge_key(name, [*old, *new])
    if key is None:
        return new
    result = list(old)
    for item in new:
        at = next((i for i, v in enumerate(result) if v[key] == item[key]), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del result[at]
        elif at is None:
            result.append(strategic({}, item))
        else:
            result[at] = strategic(result[at], item)
    return result


def json_patch(document: Any, operations: list[Any]) -> Any:
    """RFC 6902. A path that is not there, or a failed test, is answered 422 as by a real server."""
    for operation in operations:
        if not isinstance(operation, dict) or "op" not in operation or "path" not in operation:
            raise bad_request("error decoding patch: every operation needs op and path")
        op = operation["op"]
        path = _pointer(operation["path"])
        if op in ("add", "replace", "test") and "value" not in operation:
            raise bad_request(f"error decoding patch: {op} needs a value")
        if op == "test":
            if _at(document, path) != operation["value"]:
                raise _cannot(f"testing value {operation['path']} failed")
        elif op == "add":
            document = _put(document, path, copied(operation["value"]))
        elif op == "replace":
            _at(document, path)
            document = _put(document, path, copied(operation["value"]), replace=True)
        elif op == "remove":
            _take(document, path)
        elif op in ("copy", "move"):
            source = _pointer(operation.get("from", ""))
            value = copied(_at(document, source))
            if op == "move":
                _take(document, source)
            document = _put(document, path, value)
        else:
            raise bad_request(f"error decoding patch: unknown operation {op}")
    return document


def _cannot(why: str) -> ApiError:
    return ApiError(422, "Invalid", f"the server rejected our request due to an error in our request: {why}")


def _pointer(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise bad_request(f"error decoding patch: bad path {path}")
    return [p.replace("~1", "/").replace("~0", "~") for p in path.split("/")[1:]]


def _at(document: Any, path: list[str]) -> Any:
    here = document
    for step in path:
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and step.isdigit() and int(step) < len(here):
            here = here[int(step)]
        else:
            raise _cannot(f"nonexistent path: /{'/'.join(path)}")
    return here


def _put(document: Any, path: list[str], value: Any, *, replace: bool = False) -> Any:
    if not path:
        return value
    parent, last = _at(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        if last == "-" and not replace:
            parent.append(value)
        elif not last.isdigit() or int(last) > len(parent) - replace:
            raise _cannot(f"no such index: /{'/'.join(path)}")
        elif replace:
            parent[int(last)] = value
        else:
            parent.insert(int(last), value)
    else:
        raise _cannot(f"nonexistent path: /{'/'.join(path)}")
    return document


def _take(document: Any, path: list[str]) -> None:
    _at(document, path)
    if not path:
        raise _cannot("the whole document cannot be removed")
    parent, last = _at(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        del parent[int(last)]
    else:
        del parent[last]
