"""What a request passes before it is stored: webhooks of the world file, Pod Security, LimitRanges and quotas.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/ . In the API server's order: what changes an
object first, what only validates it afterwards.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from cloudlink_sandbox.kube import pod_security, status
from cloudlink_sandbox.kube.cluster_base import ClusterBase
from cloudlink_sandbox.kube.kinds import (
    BY_KEY,
    DEPLOYMENTS,
    LIMIT_RANGES,
    NAMESPACES,
    PODS,
    REPLICASETS,
    RESOURCE_QUOTAS,
    SERVICE_ACCOUNTS,
    Kind,
)
from cloudlink_sandbox.kube.objects import Object
from cloudlink_sandbox.kube.quantities import amount, shown
from cloudlink_sandbox.world_file import Admission

_COMPUTED = ("cpu", "memory")
_COUNTED = {"pods": "pods", "count/pods": "pods", "configmaps": "configmaps", "count/configmaps": "configmaps"} | {
    "secrets": "secrets",
    "count/secrets": "secrets",
    "services": "services",
    "count/services": "services",
    "count/deployments.apps": "deployments",
}


def admit(cluster: ClusterBase, kind: Kind, operation: str, obj: Object) -> list[str]:
    """Changes a new object as the cluster's admission does, and gives back the warnings. Raises ApiError.

    operation: CREATE, UPDATE or DELETE.
    """
    namespace = obj["metadata"].get("namespace", "")
    warnings: list[str] = []
    if kind is PODS and operation == "CREATE":
        _inject(cluster, namespace, obj)
        _add_proxy(cluster, namespace, obj)
        _fill_in_limits(cluster, namespace, obj)
    if kind is NAMESPACES and operation != "DELETE":
        _check_labels(obj)
    if kind in (LIMIT_RANGES, RESOURCE_QUOTAS) and operation != "DELETE":
        _check_form(kind, obj)
    for rule in _rules(cluster, kind, operation, namespace):
        if not _let_in(rule, obj):
            raise status.ApiError(
                403, "Forbidden", f'admission webhook "{rule.webhook}" denied the request: {rule.message}'
            )
    if kind is PODS and operation == "CREATE":
        labels = _labels_of(cluster, namespace)
        account = (obj.get("spec") or {}).get("serviceAccountName") or "default"
        # default is made with each namespace, and AKS's own in kube-system are not shown here
        usual = namespace == "kube-system" or account == "default"
        if not usual and cluster.store.find(SERVICE_ACCOUNTS, namespace, account) is None:
            why = f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
            raise _forbidden(kind, obj["metadata"].get("name", ""), why)
        name = obj["metadata"].get("name") or obj["metadata"].get("generateName", "")
        if found := pod_security.forbidden_by(labels, "enforce", obj):
            raise _forbidden(kind, name, found.replace("violate ", "violates ", 1))
        if found := pod_security.forbidden_by(labels, "warn", obj):
            warnings.append(f"would {found}")
        _check_limits(cluster, namespace, obj)
    if kind in (DEPLOYMENTS, REPLICASETS) and operation != "DELETE":
        template = obj["spec"].get("template") or {"spec": {}}
        if found := pod_security.forbidden_by(_labels_of(cluster, namespace), "warn", template):
            warnings.append(f"would {found}")
    if operation == "CREATE":
        _check_quotas(cluster, kind, namespace, obj)
    return warnings


def _forbidden(kind: Kind, name: str, why: str) -> status.ApiError:
    what = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
    return status.ApiError(
        403, "Forbidden", f'{what} "{name}" is forbidden: {why}', {"name": name, "kind": kind.plural}
    )


def _labels_of(cluster: ClusterBase, namespace: str) -> Object:
    found = cluster.store.find(NAMESPACES, "", namespace) or {"metadata": {}}
    labels: Object = found["metadata"].get("labels") or {}
    return labels


# --- webhooks of the world file ----------------------------------------------------------------------------------------


def _rules(cluster: ClusterBase, kind: Kind, operation: str, namespace: str) -> Iterator[Admission]:
    world = cluster.world()
    for rule in world.admission if world else ():
        fits = any(fnmatch.fnmatchcase(namespace, n) for n in rule.namespaces)
        away = any(fnmatch.fnmatchcase(namespace, n) for n in rule.excluded_namespaces)
        if operation in rule.operations and {"*", kind.plural} & set(rule.resources) and fits and not away:
            yield rule


def _let_in(rule: Admission, obj: Object) -> bool:
    """Whether an object has all that the rule wants; a rule that wants nothing lets nothing in."""
    wanted: list[bool] = []
    if rule.unless_labels:
        wanted.append(set(rule.unless_labels) <= set(obj["metadata"].get("labels") or {}))
    containers = _containers(obj)
    if rule.unless_images:
        wanted.append(all(any(fnmatch.fnmatchcase(c["image"], p) for p in rule.unless_images) for c in containers))
    if rule.unless_limits:
        wanted.append(all({*_COMPUTED} <= set(_part(c, "limits")) for c in containers))
    if rule.unless_read_only:
        wanted.append(all((c.get("securityContext") or {}).get("readOnlyRootFilesystem") for c in containers))
    return bool(wanted) and all(wanted)


def _containers(obj: Object) -> list[Object]:
    spec = obj.get("spec") or {}
    spec = (spec.get("template") or {}).get("spec") or spec
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def _add_proxy(cluster: ClusterBase, namespace: str, pod: Object) -> None:
    """The variables of the cluster's HTTP proxy, which a pod may decline. https://learn.microsoft.com/azure/aks/http-proxy"""
    facts = cluster.facts()
    declined = (pod["metadata"].get("annotations") or {}).get("kubernetes.azure.com/no-http-proxy-vars") == "true"
    if facts is None or declined or namespace == "kube-system":
        return
    for container in (*pod["spec"].get("initContainers", ()), *pod["spec"].get("containers", ())):
        own = {e.get("name") for e in container.get("env") or ()}
        added = [{"name": n, "value": v} for n, v in facts.pod_environment if n not in own]
        if added:
            container["env"] = [*(container.get("env") or ()), *added]


def _inject(cluster: ClusterBase, namespace: str, pod: Object) -> None:
    world = cluster.world()
    spec, meta = pod.get("spec") or {}, pod["metadata"]
    for sidecar in world.sidecars if world else ():
        said = (meta.get("labels") or {}).get(sidecar.opt_out, (meta.get("annotations") or {}).get(sidecar.opt_out))
        fits = any(fnmatch.fnmatchcase(namespace, n) for n in sidecar.namespaces) and namespace != "kube-system"
        if fits and said != "false" and not spec.get("hostNetwork") and spec.get("containers"):
            spec["containers"].append({"name": sidecar.name, "image": sidecar.image})
            meta.setdefault("annotations", {})["kubectl.kubernetes.io/default-container"] = spec["containers"][0][
                "name"
            ]


# --- LimitRange: https://kubernetes.io/docs/concepts/policy/limit-range/ ---------------------------------------------------


def _part(container: Object, name: str) -> Object:
    found: Object = (container.get("resources") or {}).get(name) or {}
    return found


def _ranges(cluster: ClusterBase, namespace: str, what: str) -> Iterator[Object]:
    for one in cluster.store.all(LIMIT_RANGES, namespace):
        yield from (item for item in one["spec"].get("limits") or () if item.get("type") == what)


def _fill_in_limits(cluster: ClusterBase, namespace: str, pod: Object) -> None:
    for item in _ranges(cluster, namespace, "Container"):
        limits, requests = item.get("default") or {}, item.get("defaultRequest") or {}
        for container in _containers(pod):
            resources = container.setdefault("resources", {})
            own = dict(resources.get("limits") or {})
            if limits:
                resources["limits"] = {**limits, **own}
            if requests or own:
                resources["requests"] = {**requests, **own, **(resources.get("requests") or {})}


def _check_limits(cluster: ClusterBase, namespace: str, pod: Object) -> None:
    containers = _containers(pod)
    problems: list[str] = []
    for item in _ranges(cluster, namespace, "Container"):
        for container in containers:
            problems += _outside(item, "Container", _part(container, "requests"), _part(container, "limits"))
    for item in _ranges(cluster, namespace, "Pod"):
        problems += _outside(item, "Pod", _sum(containers, "requests"), _sum(containers, "limits"))
    if problems:
        name = pod["metadata"].get("name") or pod["metadata"].get("generateName", "")
        raise _forbidden(PODS, name, problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")


def _outside(item: Object, what: str, requests: Object, limits: Object) -> Iterator[str]:
    for resource, least in (item.get("min") or {}).items():
        head = f"minimum {resource} usage per {what} is {least}"
        given = requests.get(resource, limits.get(resource))
        if given is None:
            yield f"{head}.  No request is specified"
        elif amount(given) < amount(least):
            yield f"{head}, but request is {given}"
    for resource, most in (item.get("max") or {}).items():
        head = f"maximum {resource} usage per {what} is {most}"
        if resource not in limits:
            yield f"{head}.  No limit is specified"
        elif amount(limits[resource]) > amount(most):
            yield f"{head}, but limit is {limits[resource]}"
    for resource, most in (item.get("maxLimitRequestRatio") or {}).items():
        head = f"{resource} max limit to request ratio per {what} is {most}"
        if resource not in limits or resource not in requests:
            yield f"{head}, but no request is specified or request is 0"
        elif (ratio := amount(limits[resource]) / amount(requests[resource])) > amount(most):
            yield f"{head}, but provided ratio is {float(ratio):.6f}"


def _sum(containers: list[Object], part: str) -> Object:
    found: Object = {}
    for resource in _COMPUTED:
        given = [_part(c, part).get(resource) for c in containers]
        known = [g for g in given if g is not None]
        if known and (part == "requests" or len(known) == len(given)):
            found[resource] = shown(sum(map(amount, known), Fraction()), str(known[0]))
    return found


# --- ResourceQuota: https://kubernetes.io/docs/concepts/policy/resource-quotas/ ---------------------------------------------


def _check_quotas(cluster: ClusterBase, kind: Kind, namespace: str, obj: Object) -> None:
    name = obj["metadata"].get("name") or obj["metadata"].get("generateName", "")
    for quota in cluster.store.all(RESOURCE_QUOTAS, namespace) if namespace else ():
        hard = quota["spec"].get("hard") or {}
        asked = {r: n for r in hard if (n := usage(kind, obj, r)) is not None}
        called = quota["metadata"]["name"]
        if kind is PODS and (missing := sorted(r for r in asked if "/" not in r and asked[r] < 0)):
            owners = ", ".join(c["name"] for c in _containers(obj))
            for_whom = "; ".join(f"{r} for: {owners}" for r in missing)
            raise _forbidden(kind, name, f"failed quota: {called}: must specify {for_whom}")
        used = used_of(cluster, namespace, hard)
        over = [r for r, n in asked.items() if n and used[r] + n > amount(hard[r])]
        if over:
            said = [
                ",".join(f"{r}={shown(v[r], str(hard[r]))}" for r in over)
                for v in (asked, used, {r: amount(hard[r]) for r in over})
            ]
            why = f"exceeded quota: {called}, requested: {said[0]}, used: {said[1]}, limited: {said[2]}"
            raise _forbidden(kind, name, why)


def used_of(cluster: ClusterBase, namespace: str, hard: Object) -> dict[str, Fraction]:
    """What counts against a quota now."""
    found: dict[str, Fraction] = {}
    for resource in hard:
        kind = BY_KEY[_COUNTED.get(resource, "pods")]
        rows = [o for o in cluster.store.all(kind, namespace) if _counts(kind, o)]
        found[resource] = sum((max(usage(kind, o, resource) or Fraction(), Fraction()) for o in rows), Fraction())
    return found


def _counts(kind: Kind, obj: Object) -> bool:
    return kind is not PODS or obj["status"].get("phase") not in ("Succeeded", "Failed")


def usage(kind: Kind, obj: Object, resource: str) -> Fraction | None:
    """Of a new object against one name of a quota; -1 where a container does not say what it must; None: does not count."""
    if resource in _COUNTED:
        return Fraction(1) if _COUNTED[resource] == kind.plural else None
    if kind is not PODS:
        return None
    part, _, what = resource.rpartition(".")
    given = [_part(c, part or "requests").get(what) for c in _containers(obj)]
    if any(g is None for g in given):
        return Fraction(-1)
    return sum(map(amount, given), Fraction())


# --- objects of their own ------------------------------------------------------------------------------------------------


def _check_labels(namespace: Object) -> None:
    if found := pod_security.invalid_label(namespace["metadata"].get("labels") or {}):
        label, why = found
        raise status.invalid(NAMESPACES, namespace["metadata"].get("name", ""), f"metadata.labels[{label}]", why)


def _check_form(kind: Kind, obj: Object) -> None:
    """What is not modelled is refused, and so are amounts that are none."""
    name, spec = obj["metadata"].get("name", ""), obj.get("spec") or {}

    def refuse(field: str, why: str) -> status.ApiError:
        return status.invalid(kind, name, field, why)

    if kind is LIMIT_RANGES:
        for i, item in enumerate(spec.get("limits") or ()):
            at = f"spec.limits[{i}]"
            if item.get("type") not in ("Container", "Pod"):
                raise refuse(f"{at}.type", "the sandbox knows Container and Pod")
            parts = ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio")
            if unknown := set(item) - {"type", *parts}:
                raise refuse(f"{at}.{min(unknown)}", "unknown field")
            for part in parts:
                _check_amounts(item.get(part) or {}, _COMPUTED, f"{at}.{part}", refuse)
    else:
        if unknown := set(spec) - {"hard"}:
            raise refuse(f"spec.{min(unknown)}", "the sandbox knows no scopes of quotas")
        known = {*_COUNTED, *_COMPUTED, *(f"{p}.{r}" for p in ("requests", "limits") for r in _COMPUTED)}
        _check_amounts(spec.get("hard") or {}, known, "spec.hard", refuse)


def _check_amounts(given: Object, known: Any, field: str, refuse: Callable[[str, str], status.ApiError]) -> None:
    for resource, value in given.items():
        if resource not in known:
            raise refuse(f"{field}[{resource}]", f"the sandbox counts {', '.join(sorted(known))}")
        try:
            amount(value)
        except ValueError as error:
            raise refuse(f"{field}[{resource}]", str(error)) from None
