"""What Azure's policies would refuse, and what they have refused, in frozen facts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloudlink.clouds.azure.parse_pieces import Json
from cloudlink.clouds.malformed import parsing

PUT_ON_SUBNETS = (
    "Microsoft.Network/virtualNetworks/subnets/networkSecurityGroup.id",
    "Microsoft.Network/virtualNetworks/subnets/routeTable.id",
)
"""What a policy may put on a subnet (effects modify and append), as policies name it."""


@dataclass(frozen=True)
class Restriction:
    """What a policy would do with an object of the link."""

    kind: str  # of the object, such as Microsoft.Network/publicIPAddresses
    policy: str  # id of the definition
    assignment: str  # id of the assignment
    needs_tag: str = ""  # the tag that the object must have; empty: it is refused for another reason
    values: tuple[str, ...] = ()  # what the tag may be; empty: anything
    fills_in: str = ""  # the value that the policy itself would put there
    field: str = ""  # what it is about


@dataclass(frozen=True)
class PolicyRefusal:
    """What a policy's refusal says of itself, where it says it."""

    policy: str = ""
    assignment: str = ""
    assignment_id: str = ""
    scope: str = ""
    missing_tags: tuple[str, ...] = ()
    reasons: tuple[str, ...] = field(default=())  # as "location westus is NotIn westeurope"


@parsing("Azure's policies")
def restrictions(raw: Json, kind: str) -> tuple[Restriction, ...]:
    """Of an answer to checkPolicyRestrictions for an object of this kind: what is required, and what refuses it."""
    found = []
    for entry in _list(raw.get("fieldRestrictions")):
        name = str(entry.get("field") or "")
        tag = tag_in(name)
        for rule in _list(entry.get("restrictions")):
            result, policy = str(rule.get("result") or "").lower(), _map(rule.get("policy"))
            puts = bool(rule.get("defaultValue")) and name.lower() in map(str.lower, PUT_ON_SUBNETS)
            if result == "removed" or (result == "required" and not tag and not puts):
                continue
            found.append(
                Restriction(
                    kind,
                    str(policy.get("policyDefinitionId") or ""),
                    str(policy.get("policyAssignmentId") or ""),
                    tag if result == "required" else "",
                    tuple(map(str, rule.get("values") or ())),
                    str(rule.get("defaultValue") or ""),
                    name,
                )
            )
    for evaluation in _list(_map(raw.get("contentEvaluationResult")).get("policyEvaluations")):
        if str(evaluation.get("evaluationResult") or "").lower() != "noncompliant":
            continue
        effect = str(_map(evaluation.get("effectDetails")).get("policyEffect") or "deny").lower()
        if effect != "deny":
            continue
        info = _map(evaluation.get("policyInfo"))
        expressions = _list(_map(evaluation.get("evaluationDetails")).get("evaluatedExpressions"))
        tags = [t for t in map(_missing_tag, expressions) if t]
        fields = [str(e.get("path") or e.get("expression") or "") for e in expressions]
        who = str(info.get("policyDefinitionId") or ""), str(info.get("policyAssignmentId") or "")
        about = ", ".join(f for f in fields if f)
        found += [Restriction(kind, *who, tag, field=about) for tag in tags or [""]]
    return tuple(dict.fromkeys(found))


def policy_refusals(info: Iterable[Json] | None) -> tuple[PolicyRefusal, ...]:
    """Of an error's ``additionalInfo``: each policy that refused."""
    found = []
    for entry in _list(info):
        if str(entry.get("type") or "") != "PolicyViolation":
            continue
        said = _map(entry.get("info"))
        expressions = _list(_map(said.get("evaluationDetails")).get("evaluatedExpressions"))
        tags = tuple(dict.fromkeys(t for t in map(_missing_tag, expressions) if t))
        found.append(
            PolicyRefusal(
                policy=str(said.get("policyDefinitionDisplayName") or said.get("policyDefinitionName") or ""),
                assignment=str(said.get("policyAssignmentDisplayName") or said.get("policyAssignmentName") or ""),
                assignment_id=str(said.get("policyAssignmentId") or ""),
                scope=str(said.get("policyAssignmentScope") or ""),
                missing_tags=tags,
                reasons=tuple(filter(None, map(_reason, expressions))),
            )
        )
    return tuple(found)


_NAMED = re.compile(r"Policy identifiers: '(\[.*?\])'\.?(?:\s|$)", re.DOTALL)


def policies_named(message: str) -> tuple[PolicyRefusal, ...]:
    """Of a refusal's message alone, which names the policies in JSON."""
    match = _NAMED.search(message)
    try:
        said = json.loads(match.group(1)) if match else []
    except ValueError:
        return ()
    return tuple(
        PolicyRefusal(
            policy=str(_map(entry.get("policyDefinition")).get("name") or ""),
            assignment=str(_map(entry.get("policyAssignment")).get("name") or ""),
            assignment_id=str(_map(entry.get("policyAssignment")).get("id") or ""),
        )
        for entry in _list(said)
    )


def _missing_tag(expression: Json) -> str:
    """The tag that a policy did not find: it asked whether it exists, and was answered no."""
    wanted = str(expression.get("targetValue")).lower()
    name = tag_in(str(expression.get("path") or expression.get("expression") or ""))
    return name if name and str(expression.get("operator") or "").lower() == "exists" and wanted == "false" else ""


def _reason(expression: Json) -> str:
    if _missing_tag(expression) or str(expression.get("result") or "").lower() == "false":
        return ""
    name = str(expression.get("path") or expression.get("expression") or "")
    value, operator, target = (expression.get(k) for k in ("expressionValue", "operator", "targetValue"))
    wanted = ", ".join(map(str, target)) if isinstance(target, list) else target
    return " ".join(str(w) for w in (name, value, operator, wanted) if w not in (None, "")) if name else ""


def tag_in(name: str) -> str:
    """``CostCenter`` of ``tags[CostCenter]``, ``tags['CostCenter']`` and ``tags.CostCenter``; else empty."""
    if name.lower().startswith("tags[") and name.endswith("]"):
        return name[5:-1].strip("'\"")
    return name[5:] if name.lower().startswith("tags.") else ""


def _map(value: Any) -> Json:
    """An error's details may have any form: what cannot be read says nothing."""
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Json]:
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list | tuple) else []
