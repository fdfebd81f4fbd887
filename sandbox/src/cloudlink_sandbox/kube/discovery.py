"""What an API server tells about itself: versions, groups, resources, and a schema just large enough for kubectl."""

from __future__ import annotations

from typing import Any

from cloudlink_sandbox.kube.kinds import KINDS, groups, served

Json = dict[str, Any]


def version(kubernetes: str) -> Json:
    """kubernetes: ``1.33`` or ``1.33.2``."""
    parts = [*kubernetes.split("."), "0", "0"][:3]
    return {
        "major": parts[0],
        "minor": parts[1],
        "gitVersion": f"v{'.'.join(parts)}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


def document(path: str) -> Json | None:
    """The discovery document at a path, or None when nothing is there."""
    match [p for p in path.split("/") if p]:
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(g, v) for g, v in groups()]}
        case ["api", "v1"]:
            return _resources("", "v1")
        case ["apis", group]:
            found = next(((g, v) for g, v in groups() if g == group), None)
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(*found)} if found else None
        case ["apis", group, v] if group and served(group, v):
            return _resources(group, v)
        case ["openapi", "v3"]:
            roots = dict.fromkeys(k.root.lstrip("/") for k in KINDS)
            return {"paths": {r: {"serverRelativeURL": f"/openapi/v3/{r}"} for r in roots}}
        case ["openapi", "v3", "api", "v1"]:
            return _openapi("", "v1")
        case ["openapi", "v3", "apis", group, v] if served(group, v):
            return _openapi(group, v)
    return None


def _group(group: str, version: str) -> Json:
    one = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [one], "preferredVersion": one}


def _resources(group: str, version: str) -> Json:
    rows: list[Json] = []
    for kind in (k for k in KINDS if (k.group, k.version) == (group, version)):
        row: Json = {
            "name": kind.plural,
            "singularName": kind.kind.lower(),
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": list(kind.verbs),
        }
        if kind.short:
            row["shortNames"] = list(kind.short)
        if kind.categories:
            row["categories"] = list(kind.categories)
        rows.append(row)
        rows.extend(
            {
                "name": f"{kind.plural}/{sub}",
                "singularName": "",
                "namespaced": kind.namespaced,
                **(
                    {"group": "autoscaling", "version": "v1", "kind": "Scale"}
                    if sub == "scale"
                    else {"kind": kind.kind}
                ),
                "verbs": ["get"] if sub == "log" else ["get", "patch", "update"],
            }
            for sub in kind.subresources
        )
    named = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": named, "resources": rows}


def _openapi(group: str, version: str) -> Json:
    """Paths alone: kubectl looks here whether the server checks fields itself, and then leaves it to the server."""
    paths: Json = {}
    check = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
    for kind in (k for k in KINDS if (k.group, k.version) == (group, version)):
        where = f"{kind.root}/namespaces/{{namespace}}" if kind.namespaced else kind.root
        gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        ok = {"responses": {"200": {"description": "OK"}}}
        paths[f"{where}/{kind.plural}"] = {
            "post": {"parameters": [check], "x-kubernetes-action": "post", "x-kubernetes-group-version-kind": gvk, **ok}
        }
        paths[f"{where}/{kind.plural}/{{name}}"] = {
            "patch": {
                "parameters": [check],
                "x-kubernetes-action": "patch",
                "x-kubernetes-group-version-kind": gvk,
                **ok,
            }
        }
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths,
        "components": {"schemas": {}},
    }
