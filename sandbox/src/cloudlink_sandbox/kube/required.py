"""What an object must say wherever it says the rest: the members that an API server asks for within others.

https://kubernetes.io/docs/reference/kubernetes-api/ (the members that are marked as required)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cloudlink_sandbox.kube import status
from cloudlink_sandbox.kube.kinds import PODS, SERVICES, Kind

_EVERYWHERE: Mapping[str, tuple[str, ...]] = {"ownerReferences": ("apiVersion", "kind", "name", "uid")}
_OF_PODS: Mapping[str, tuple[str, ...]] = {
    **_EVERYWHERE,
    "matchExpressions": ("key", "operator"),
    "matchFields": ("key", "operator"),
    "volumes": ("name",),
    "volumeMounts": ("name", "mountPath"),
    "volumeDevices": ("name", "devicePath"),
    "env": ("name",),
    "ports": ("containerPort",),
    "sysctls": ("name", "value"),
    "seccompProfile": ("type",),
    "appArmorProfile": ("type",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("maxSkew", "topologyKey", "whenUnsatisfiable"),
    "readinessGates": ("conditionType",),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "secretKeyRef": ("key",),
    "configMapKeyRef": ("key",),
    "fieldRef": ("fieldPath",),
    "resourceFieldRef": ("resource",),
    "hostPath": ("path",),
    "resizePolicy": ("resourceName", "restartPolicy"),
}
_OF_SERVICES: Mapping[str, tuple[str, ...]] = {**_EVERYWHERE, "ports": ("port",)}
_OF_NODES = "requiredDuringSchedulingIgnoredDuringExecution"
_WITH_VALUES = ("In", "NotIn", "Gt", "Lt")
_OPERATORS = (*_WITH_VALUES, "Exists", "DoesNotExist")


def check(kind: Kind, obj: dict[str, Any]) -> None:
    """Raises ApiError for the first that is missing."""
    if kind is SERVICES:
        table = _OF_SERVICES
    elif kind is PODS or "template" in (obj.get("spec") or {}):
        table = _OF_PODS
    else:
        table = _EVERYWHERE
    for path, why in _missing(obj, table, ""):
        raise status.invalid(kind, obj["metadata"].get("name", ""), path, why)


def _missing(value: Any, table: Mapping[str, tuple[str, ...]], path: str) -> Iterator[tuple[str, str]]:
    """Where something is missing, and why it is refused."""
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        here = f"{path}.{name}".lstrip(".")
        if name == _OF_NODES and isinstance(inner, dict) and not inner.get("nodeSelectorTerms"):
            yield f"{here}.nodeSelectorTerms", "Required value: must have at least one node selector term"
        for place, item in _items(inner, here):
            if isinstance(item, dict):
                yield from ((f"{place}.{n}", "Required value") for n in table.get(name, ()) if item.get(n) is None)
                if name in ("matchExpressions", "matchFields"):
                    yield from _expression(item, place)
            yield from _missing(item, table, place)


def _items(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((f"{path}[{i}]", item) for i, item in enumerate(value))
    else:
        yield path, value


def _expression(item: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    operator = item.get("operator")
    if operator is not None and operator not in _OPERATORS:
        yield f"{path}.operator", f'Invalid value: "{operator}": not a valid selector operator'
    if operator in _WITH_VALUES and not item.get("values"):
        yield f"{path}.values", f"Required value: must be specified when `operator` is '{operator}'"
