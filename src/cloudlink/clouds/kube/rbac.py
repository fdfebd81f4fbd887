"""Roles of Kubernetes, as ``kubectl apply`` takes them.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Rule:
    group: str
    resource: str
    verbs: tuple[str, ...]
    name: str = ""  # of the one object that it is about; empty: all of them, as a create needs


def manifests(name: str, namespace: str, rules: Iterable[Rule], user: str) -> Iterator[str]:
    """A role and its binding as YAML documents. namespace: empty for the whole cluster. user: as the cluster knows the identity
    that signs in."""
    head = {"apiVersion": f"{_GROUP}/v1"}
    place = {"name": name, "namespace": namespace} if namespace else {"name": name}
    role = "Role" if namespace else "ClusterRole"
    yield _yaml({**head, "kind": role, "metadata": place, "rules": [_rule(r) for r in rules]})
    yield _yaml(
        {
            **head,
            "kind": f"{role}Binding",
            "metadata": place,
            "subjects": [{"kind": "User", "apiGroup": _GROUP, "name": user}],
            "roleRef": {"kind": role, "apiGroup": _GROUP, "name": name},
        }
    )


def _rule(rule: Rule) -> dict[str, Any]:
    made = {"apiGroups": [rule.group], "resources": [rule.resource], "verbs": list(rule.verbs)}
    return made | ({"resourceNames": [rule.name]} if rule.name else {})


def _yaml(document: dict[str, Any]) -> str:
    """JSON's scalars and flow lists within block mappings: every YAML reader takes them."""
    lines: list[str] = []
    for key, value in document.items():
        if isinstance(value, list):
            lines += [f"{key}:", *(f"- {json.dumps(item)}" for item in value)]
        else:
            lines.append(f"{key}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"
