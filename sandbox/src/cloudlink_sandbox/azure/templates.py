"""The few expressions of ARM templates that command-line clients send: parameters, variables, resourceId, concat,
reference and resourceGroup().location. Whatever else a template asks for is refused.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Json

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>\w+)|(?P<mark>[(),.]))")


@dataclass
class Scope:
    """What expressions can refer to. reference: the properties of a resource by its name or id."""

    subscription: str
    group: str
    location: str
    parameters: Json
    variables: Json
    reference: Callable[[str], Json]


def invalid(message: str) -> ApiError:
    return errors.gateway(400, "InvalidTemplate", f"Deployment template validation failed: '{message}'.")


def parameters_of(template: Json, given: Json) -> Json:
    """Values of all parameters. Raises ApiError for one that is missing or not declared."""
    declared = template.get("parameters") or {}
    values: Json = {}
    for name in given:
        if name not in declared:
            raise invalid(f"The template parameter '{name}' is not valid; it is not present in the original template")
    for name, about in declared.items():
        if name in given:
            values[name] = given[name].get("value")
        elif "defaultValue" in about:
            values[name] = about["defaultValue"]
        else:
            raise invalid(f"The value for the template parameter '{name}' is not provided")
    return values


def evaluate(value: Any, scope: Scope) -> Any:
    """The value with every expression in it replaced."""
    if isinstance(value, dict):
        return {k: evaluate(v, scope) for k, v in value.items()}
    if isinstance(value, list):
        return [evaluate(v, scope) for v in value]
    if isinstance(value, str) and value.startswith("[[") and value.endswith("]"):
        return value[1:]
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        return _Expression(value[1:-1], scope).value()
    return value


class _Expression:
    """A recursive reader: calls, texts, numbers, and ``.name`` behind a call."""

    def __init__(self, text: str, scope: Scope) -> None:
        self.text = text
        self.scope = scope
        self.tokens = [m.group().strip() for m in _TOKEN.finditer(text)]
        if "".join(self.tokens).replace(" ", "") != re.sub(r"\s", "", text):
            raise invalid(f"the expression '{text}' cannot be read")
        self.at = 0

    def value(self) -> Any:
        result = self._term()
        if self.at != len(self.tokens):
            raise invalid(f"the expression '{self.text}' cannot be read")
        return result

    def _next(self) -> str:
        if self.at >= len(self.tokens):
            raise invalid(f"the expression '{self.text}' ends too soon")
        self.at += 1
        return self.tokens[self.at - 1]

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _term(self) -> Any:
        token = self._next()
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token.isdigit():
            return int(token)
        if self._next() != "(":
            raise invalid(f"the expression '{self.text}' cannot be read")
        arguments = []
        while self._peek() != ")":
            arguments.append(self._term())
            if self._peek() == ",":
                self._next()
        self._next()
        result = self._call(token.lower(), arguments)
        while self._peek() == ".":
            self._next()
            name = self._next()
            if not isinstance(result, dict) or name not in result:
                raise invalid(f"the property '{name}' in '{self.text}' does not exist")
            result = result[name]
        return result

    def _call(self, name: str, arguments: list[Any]) -> Any:
        scope = self.scope
        if name in ("parameters", "variables") and len(arguments) == 1:
            known = scope.parameters if name == "parameters" else scope.variables
            if arguments[0] not in known:
                raise invalid(f"'{arguments[0]}' is not one of the template's {name}")
            return evaluate(known[arguments[0]], scope) if name == "variables" else known[arguments[0]]
        if name == "concat":
            return "".join(str(a) for a in arguments)
        if name == "resourceid" and len(arguments) >= 2:
            return self._resource_id([str(a) for a in arguments])
        if name == "resourcegroup" and not arguments:
            return {"location": scope.location, "name": scope.group}
        if name == "reference" and arguments:
            return scope.reference(str(arguments[0]))
        raise invalid(f"the template function '{name}' is not known to this sandbox")

    def _resource_id(self, arguments: list[str]) -> str:
        at = next((i for i, a in enumerate(arguments) if "/" in a), None)
        if at is None or at > 2:
            raise invalid(f"unable to evaluate resourceId in '{self.text}'")
        group = arguments[at - 1] if at >= 1 else self.scope.group
        subscription = arguments[0] if at == 2 else self.scope.subscription
        namespace, *kinds = arguments[at].split("/")
        names = arguments[at + 1 :]
        if len(kinds) != len(names):
            raise invalid(f"unable to evaluate resourceId in '{self.text}': the names do not fit the type")
        pairs = "".join(f"/{k}/{n}" for k, n in zip(kinds, names, strict=True))
        return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{namespace}{pairs}"
