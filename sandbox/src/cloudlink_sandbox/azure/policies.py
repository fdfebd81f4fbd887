"""Azure Policy in small: built-in definitions that companies assign, what they refuse, and what they would refuse.

https://learn.microsoft.com/azure/governance/policy/concepts/effect-deny
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.store import Store

GROUPS = "Microsoft.Resources/resourceGroups"
_GROUP_TYPES = frozenset({GROUPS.lower(), "microsoft.resources/subscriptions/resourcegroups"})  # as policies name it
_VNETS, _SUBNETS = "microsoft.network/virtualnetworks", "microsoft.network/virtualnetworks/subnets"
_PREFIX = "/providers/Microsoft.Authorization/policyDefinitions/"


@dataclass(frozen=True)
class Definition:
    """A built-in policy. kind: which rule it is. mode: ``Indexed`` looks at what has tags and a location."""

    name: str
    display: str
    kind: str
    mode: str
    parameters: tuple[str, ...]

    def show(self) -> Json:
        return {
            "properties": {
                "displayName": self.display,
                "policyType": "BuiltIn",
                "mode": self.mode,
                "parameters": {p: {"type": "Array" if p.startswith("list") else "String"} for p in self.parameters},
            },
            "id": _PREFIX + self.name,
            "type": "Microsoft.Authorization/policyDefinitions",
            "name": self.name,
        }


# https://learn.microsoft.com/azure/governance/policy/samples/built-in-policies
DEFINITIONS = {
    d.name: d
    for d in (
        Definition(
            "871b6d14-10aa-478d-b590-94f262ecfa99", "Require a tag on resources", "tag", "Indexed", ("tagName",)
        ),
        Definition(
            "1e30110a-5ceb-460c-a204-c1c3969c6d62",
            "Require a tag and its value on resources",
            "tag-value",
            "Indexed",
            ("tagName", "tagValue"),
        ),
        Definition(
            "96670d01-0a4d-4649-9c89-2d3abc0a5025", "Require a tag on resource groups", "group-tag", "All", ("tagName",)
        ),
        Definition(
            "e56962a6-4747-49cd-b67b-bf8b01975c4c",
            "Allowed locations",
            "locations",
            "Indexed",
            ("listOfAllowedLocations",),
        ),
        Definition(
            "6c112d4e-5bc7-47ae-a041-ea2d9dccd749",
            "Not allowed resource types",
            "types",
            "All",
            ("listOfResourceTypesNotAllowed",),
        ),
        Definition(
            "7bca8353-aa3b-429b-904a-9229c4385837", "Subnets should be private", "private-subnets", "All", ("effect",)
        ),
    )
}


@dataclass(frozen=True)
class Violation:
    """One assignment that a resource does not comply with, and the expression that says so."""

    assignment: Json
    definition: Definition
    expression: Json

    @property
    def parameters(self) -> Json:
        given: Json = self.assignment["properties"]["parameters"]
        return given


class Policies:
    def __init__(self, store: Store) -> None:
        self.store = store

    def assignment(self, id_: str, scope: str, name: str, body: Json) -> Json:
        """An assignment as it is stored. Raises ApiError for a definition or parameters that there are not."""
        given = body.get("properties") or {}
        wanted = str(given.get("policyDefinitionId", ""))
        definition = DEFINITIONS.get(wanted.lower().removeprefix(_PREFIX.lower()))
        if definition is None:
            raise errors.gateway(
                404,
                "PolicyDefinitionNotFound",
                f"The policy definition '{wanted}' could not be found. (This sandbox knows: "
                f"{', '.join(f'{d.name} {d.display}' for d in DEFINITIONS.values())}.)",
            )
        parameters = given.get("parameters") or {}
        needed = (p for p in definition.parameters if p != "effect")  # which has a default
        missing = [p for p in needed if "value" not in (parameters.get(p) or {})]
        if missing:
            raise errors.gateway(
                400,
                "MissingPolicyParameter",
                f"The policy assignment '{name}' is missing the parameter(s) '{','.join(missing)}' as defined in the "
                f"policy definition '{definition.name}'.",
            )
        return {
            "properties": {
                "displayName": given.get("displayName") or definition.display,
                "policyDefinitionId": _PREFIX + definition.name,
                "scope": scope,
                "notScopes": [],
                "parameters": parameters,
                "enforcementMode": given.get("enforcementMode") or "Default",
            },
            "id": id_,
            "type": "Microsoft.Authorization/policyAssignments",
            "name": name,
        }

    # Enforcing

    def check(
        self,
        id_: str,
        type_: str,
        name: str,
        location: str | None,
        tags: dict[str, str] | None,
        properties: Json | None = None,
    ) -> None:
        """Raises ApiError when an assignment at or above this id denies the resource as it would become."""
        denied = [
            v
            for v in self._violations(id_, type_, location, tags, properties or {})
            if v.assignment["properties"]["enforcementMode"] == "Default"
        ]
        if denied:
            raise _refusal(name, denied)

    def _violations(
        self, id_: str, type_: str, location: str | None, tags: dict[str, str] | None, properties: Json
    ) -> Iterator[Violation]:
        for assignment in self.store.policies.values():
            scope = str(assignment["properties"]["scope"]).lower()
            if id_.lower() != scope and not id_.lower().startswith(scope + "/"):
                continue
            definition = DEFINITIONS[assignment["properties"]["policyDefinitionId"].rpartition("/")[2]]
            parameters = assignment["properties"]["parameters"]
            if definition.kind == "private-subnets":
                expression = _public_subnet(parameters, type_, properties)
            else:
                expression = _expression(definition, parameters, type_, location, tags or {})
            if expression is not None:
                yield Violation(assignment, definition, expression)

    # Asking beforehand

    def restrictions(self, scope: str, body: Json) -> Json:
        """The answer to checkPolicyRestrictions."""
        details = body.get("resourceDetails") or {}
        content = details.get("resourceContent")
        if not isinstance(content, dict) or not content.get("type"):
            raise errors.invalid_value("resourceDetails.resourceContent.type", (content or {}).get("type"))
        type_, tags = str(content["type"]), content.get("tags") or {}
        location = str(content.get("location", "")).replace(" ", "").lower() or None
        parent = str(details.get("scope") or scope)
        id_ = f"{parent}/providers/{type_}/{content.get('name', 'new')}"
        evaluations, fields = [], []
        for violation in self._violations(id_, type_, location, tags, content.get("properties") or {}):
            assignment = violation.assignment
            policy = {
                "policyDefinitionId": assignment["properties"]["policyDefinitionId"],
                "policyAssignmentId": assignment["id"],
            }
            evaluations.append(
                {
                    "policyInfo": policy,
                    "evaluationResult": "NonCompliant",
                    "evaluationDetails": {"evaluatedExpressions": [violation.expression]},
                }
            )
        pending = [str(f.get("field", "")).lower() for f in body.get("pendingFields") or []]
        for assignment in self.store.policies.values():
            definition = DEFINITIONS[assignment["properties"]["policyDefinitionId"].rpartition("/")[2]]
            at = str(assignment["properties"]["scope"]).lower()
            if definition.kind not in ("tag", "tag-value") or "tags" not in pending:
                continue
            if not (scope.lower() == at or scope.lower().startswith(at + "/")):
                continue
            parameters = assignment["properties"]["parameters"]
            restriction: Json = {
                "result": "Required",
                "policy": {
                    "policyDefinitionId": assignment["properties"]["policyDefinitionId"],
                    "policyAssignmentId": assignment["id"],
                },
            }
            if definition.kind == "tag-value":
                restriction["values"] = [str(parameters["tagValue"]["value"])]
            fields.append({"field": f"tags.{parameters['tagName']['value']}", "restrictions": [restriction]})
        return {"fieldRestrictions": fields, "contentEvaluationResult": {"policyEvaluations": evaluations}}


def _expression(
    definition: Definition, parameters: Json, type_: str, location: str | None, tags: dict[str, str]
) -> Json | None:
    """The expression by which the rule denies; None when it does not."""
    group = type_.lower() in _GROUP_TYPES
    if definition.kind == "types":
        refused = [str(t) for t in parameters["listOfResourceTypesNotAllowed"]["value"]]
        return _said("type", type_, "In", refused) if type_.lower() in map(str.lower, refused) else None
    if group != (definition.kind == "group-tag") or location is None:
        return None
    if definition.kind == "locations":
        allowed = [str(v).replace(" ", "").lower() for v in parameters["listOfAllowedLocations"]["value"]]
        return None if location in (*allowed, "global") else _said("location", location, "NotIn", allowed)
    name = str(parameters["tagName"]["value"])
    value = next((v for k, v in tags.items() if k.lower() == name.lower()), None)
    if definition.kind == "tag-value":
        wanted = str(parameters["tagValue"]["value"])
        if value is not None and value.lower() == wanted.lower():
            return None
        return _said(f"tags[{name}]", value, "NotEquals", wanted)
    return None if value is not None else _said(f"tags[{name}]", None, "Exists", "false")


def _public_subnet(parameters: Json, type_: str, properties: Json) -> Json | None:
    """A subnet that does not say that it is private; the VNet's own list counts, too. Audits unless it was told to deny.

    https://learn.microsoft.com/azure/virtual-network/ip-services/default-outbound-access
    """
    if str((parameters.get("effect") or {}).get("value", "Audit")).lower() != "deny":
        return None
    found = {_SUBNETS: [properties], _VNETS: [s.get("properties") or {} for s in properties.get("subnets") or []]}
    if all(s.get("defaultOutboundAccess") is False for s in found.get(type_.lower(), [])):
        return None
    alias = "Microsoft.Network/virtualNetworks/subnets" + ("[*]" if type_.lower() == _VNETS else "")
    return _said(f"{alias}/defaultOutboundAccess", None, "NotEquals", "false")


def _said(field: str, value: str | None, operator: str, target: str | list[str]) -> Json:
    said: Json = {"result": "True", "expressionKind": "Field", "expression": field, "path": field}
    if value is not None:
        said["expressionValue"] = value
    return {**said, "targetValue": target, "operator": operator}


def _refusal(name: str, denied: list[Violation]) -> ApiError:
    identifiers = [
        {
            "policyAssignment": {"name": v.assignment["properties"]["displayName"], "id": v.assignment["id"]},
            "policyDefinition": {"name": v.definition.display, "id": _PREFIX + v.definition.name},
        }
        for v in denied
    ]
    info = [
        {
            "type": "PolicyViolation",
            "info": {
                "policyDefinitionDisplayName": v.definition.display,
                "evaluationDetails": {"evaluatedExpressions": [v.expression]},
                "policyDefinitionId": _PREFIX + v.definition.name,
                "policyDefinitionName": v.definition.name,
                "policyDefinitionEffect": "Deny",
                "policyAssignmentId": v.assignment["id"],
                "policyAssignmentName": v.assignment["name"],
                "policyAssignmentDisplayName": v.assignment["properties"]["displayName"],
                "policyAssignmentScope": v.assignment["properties"]["scope"],
                "policyAssignmentParameters": v.parameters,
            },
        }
        for v in denied
    ]
    return errors.gateway(
        403,
        "RequestDisallowedByPolicy",
        f"Resource '{name}' was disallowed by policy. Policy identifiers: "
        f"'{json.dumps(identifiers, separators=(',', ':'))}'.",
        target=name,
        additional_info=info,
    )
