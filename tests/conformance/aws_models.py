"""botocore's models of the AWS services as a check: every answer of the sandbox's AWS side has the members that the
operation's output has, each of its type and with a value that the model lists, all that are required, and no other.

Answers are read as they went over the wire: botocore's own parsers pass over what they do not know.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

from cloudlink_sandbox.aws.signature import signed
from cloudlink_sandbox.faults import GARBAGE
from tests.conformance.exchanges import Exchange

# The name in a signature's scope -> botocore's name of the service.
SERVICES = {
    "ec2": "ec2",
    "sts": "sts",
    "elasticloadbalancing": "elbv2",
    "route53": "route53",
    "route53resolver": "route53resolver",
    "eks": "eks",
    "secretsmanager": "secretsmanager",
}
# "Shape.member" or "Shape=value" that the model does not have: why the sandbox answers it all the same.
OTHERWISE = {
    "VpnState=modifying": "AWS shows it while a connection is changed; Terraform's provider waits for its end",
}
# Errors that any service may answer beside those that its operations name.
# https://docs.aws.amazon.com/awssupport/latest/APIReference/CommonErrors.html
COMMON = {
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "InternalFailure",
    "InternalServiceErrorException", "InvalidAction", "InvalidClientTokenId", "InvalidSignatureException",
    "MissingAuthenticationToken", "MissingParameter", "ServerException", "ServiceUnavailable",
    "SignatureDoesNotMatch", "Throttling", "ThrottlingException", "UnknownOperationException",
    "UnrecognizedClientException", "ValidationError", "ValidationException",
}  # fmt: skip
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@cache
def model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


class AwsModelCheck:
    """Each exchange by itself."""

    def check(self, seen: Exchange) -> list[str]:
        """What is wrong with an exchange, one line each; empty for one that is right or that is not AWS's."""
        said = signed(seen.uri.partition("?")[2], seen.asked)
        if said is None or said.scope.service not in SERVICES or seen.answer == GARBAGE:
            return []
        service = model(SERVICES[said.scope.service])
        name = operation_name(service, seen)
        known = name in service.operation_names
        if seen.status >= 300:
            found = _error(seen, service, service.operation_model(name) if known else None)
        elif not known:
            found = iter([("", f"the model has no operation {name or seen.uri}")])
        else:
            found = _answer(seen, service.operation_model(name))
        found = itertools.chain(found, _headers(seen, service))
        return [
            f"{service.service_name} {name}, {seen.status}: {where} {what}".replace("  ", " ")
            for where, what in found
            if where.rpartition("/")[2] not in OTHERWISE
        ]


def operation_name(service: ServiceModel, seen: Exchange) -> str:
    protocol = service.metadata["protocol"]
    if protocol in ("ec2", "query"):
        form = parse_qs(seen.body.decode() or seen.uri.partition("?")[2])
        return form.get("Action", [""])[0]
    if protocol == "json":
        return seen.asked.get("x-amz-target", "").rpartition(".")[2]
    fitting = [n for m, path, n in _routes(service.service_name) if m == seen.method and path.fullmatch(seen.uri)]
    return fitting[0] if fitting else ""


@cache
def _routes(service: str) -> list[tuple[str, re.Pattern[str], str]]:
    """(method, URI with any query behind it, operation), those with more fixed text first."""
    found = []
    for name in model(service).operation_names:
        http = model(service).operation_model(name).http
        path, _, query = http["requestUri"].partition("?")
        pattern = "".join(
            ".+" if part.endswith("+}") else "[^/?]+" if part.startswith("{") else re.escape(part)
            for part in re.split(r"(\{[^}]+\})", path)
        )
        fixed = len(re.sub(r"\{[^}]+\}", "", path)) + len(query)
        tail = rf"/?\?(?:.*&)?{re.escape(query)}(?:&.*)?" if query else r"/?(?:\?.*)?"
        found.append((fixed, http["method"], re.compile(pattern + tail), name))
    return [entry[1:] for entry in sorted(found, key=lambda e: -e[0])]


def _headers(seen: Exchange, service: ServiceModel) -> Iterator[tuple[str, str]]:
    json_type = f"application/x-amz-json-{service.metadata.get('jsonVersion')}"
    wanted = {"json": json_type, "rest-json": "application/json"}.get(service.metadata["protocol"], "text/xml")
    if seen.answer and seen.answered.get("content-type", "").partition(";")[0] != wanted:
        yield "", f"is {seen.answered.get('content-type')} and not {wanted}"
    if "x-amzn-requestid" not in seen.answered:
        yield "", "has no request id among its headers"


# --- answers ---------------------------------------------------------------------------------------------------------

Problems = Iterator[tuple[str, str]]


def _answer(seen: Exchange, operation: OperationModel) -> Problems:
    shape: StructureShape | None = operation.output_shape
    protocol = operation.service_model.metadata["protocol"]
    wanted = operation.http.get("responseCode", 200)
    if seen.status != wanted:
        yield "", f"the model answers {wanted}"
    if protocol in ("json", "rest-json"):
        yield from _json_answer(seen, shape)
        return
    try:
        root = _without_namespaces(ET.fromstring(seen.answer)) if seen.answer else None
    except ET.ParseError as error:
        yield "", f"is no XML: {error}"
        return
    if shape is None:
        members: dict[str, Shape] = {}
    else:
        members = dict(shape.members)
        for name in [n for n, m in members.items() if m.serialization.get("location") == "header"]:
            header = members.pop(name).serialization["name"]
            if name in shape.required_members and header.lower() not in seen.answered:
                yield f"{shape.name}.{name}", "is missing among the headers"
    if root is None:
        if members:
            yield "", "has no body"
        return
    body: ET.Element | None = root
    extra = set()
    if protocol == "ec2":
        extra = {"requestId"}
    elif protocol == "query":
        body = root.find(f"{operation.name}Result")
        if body is None and members:
            yield "", f"has no {operation.name}Result"
        if root.find("ResponseMetadata/RequestId") is None:
            yield "", "has no request id"
    if protocol != "rest-xml" and root.tag != f"{operation.name}Response":
        yield "", f"the root is {root.tag}"
    if body is not None and shape is not None:
        yield from _xml_structure(body, shape, members, extra)


def _without_namespaces(root: ET.Element) -> ET.Element:
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _xml_structure(element: ET.Element, shape: StructureShape, members: dict[str, Shape], extra: set[str]) -> Problems:
    names = {_xml_name(name, member): name for name, member in members.items()}
    given: dict[str, list[ET.Element]] = {}
    for child in element:
        given.setdefault(child.tag, []).append(child)
    for tag, children in given.items():
        if tag in extra:
            continue
        if tag not in names:
            yield f"{shape.name}.{tag}", "is not in the model"
            continue
        member = members[names[tag]]
        if member.type_name == "list" and member.serialization.get("flattened"):
            for child in children:
                yield from _xml(child, member.member, f"{shape.name}.{names[tag]}")
        elif len(children) > 1:
            yield f"{shape.name}.{names[tag]}", f"stands there {len(children)} times"
        else:
            yield from _xml(children[0], member, f"{shape.name}.{names[tag]}")
    for tag, name in names.items():
        if name in shape.required_members and tag not in given and element.get(tag.rpartition(":")[2]) is None:
            yield f"{shape.name}.{name}", "is missing"


def _xml_name(name: str, member: Shape) -> str:
    if member.type_name == "list" and member.serialization.get("flattened"):
        return str(member.member.serialization.get("name", member.serialization.get("name", name)))
    return str(member.serialization.get("name", name))


def _xml(element: ET.Element, shape: Shape, where: str) -> Problems:
    if shape.type_name == "structure":
        yield from _xml_structure(element, shape, dict(shape.members), set())
    elif shape.type_name == "list":
        tag = shape.member.serialization.get("name", "member")
        for child in element:
            if child.tag != tag:
                yield where, f"a list of {tag} holds {child.tag}"
            else:
                yield from _xml(child, shape.member, where)
    elif shape.type_name == "map":
        for entry in element:
            yield from _xml(entry[1], shape.value, where)
    elif len(element):
        yield where, f"is a {shape.type_name} and holds {element[0].tag}"
    else:
        yield from _text(element.text or "", shape, where)


def _text(text: str, shape: Shape, where: str) -> Problems:
    kind = shape.type_name
    wrong = {
        "boolean": lambda: text not in ("true", "false"),
        "integer": lambda: not re.fullmatch(r"-?\d+", text),
        "long": lambda: not re.fullmatch(r"-?\d+", text),
        "double": lambda: not re.fullmatch(r"-?\d+(\.\d+)?", text),
        "float": lambda: not re.fullmatch(r"-?\d+(\.\d+)?", text),
        "timestamp": lambda: not _TIME.fullmatch(text),
        "blob": lambda: not _is_base64(text),
    }
    if kind in wrong and wrong[kind]():
        yield where, f"{text!r} is no {kind}"
    elif kind == "string":
        yield from _listed(text, shape, where)


def _for_python(pattern: str) -> str:
    """Java's classes of letters, digits and blanks in Python's words, which are a little wider."""
    return re.sub(r"\\p\{[LN]\w?\}", r"\\w", re.sub(r"\\p\{Z\w?\}", r"\\s", pattern)).replace(r"\p{", r"\{")


def _listed(text: str, shape: Shape, where: str) -> Problems:
    values = getattr(shape, "enum", None)
    if values and text not in values and f"{shape.name}={text}" not in OTHERWISE:
        yield where, f"{text!r} is none of {', '.join(values)}"
    if (pattern := shape.metadata.get("pattern")) and not re.search(_for_python(pattern), text):
        yield where, f"{text!r} does not fit {pattern}"


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


def _json_answer(seen: Exchange, shape: StructureShape | None) -> Problems:
    try:
        value = json.loads(seen.answer or b"{}")
    except ValueError:
        yield "", f"is no JSON: {seen.answer[:80]!r}"
        return
    if shape is None:
        if value:
            yield "", "has a body"
        return
    yield from _json(value, shape, shape.name)


def _json(value: Any, shape: Shape, where: str) -> Problems:
    kinds: dict[str, tuple[type, ...]] = {
        "structure": (dict,), "map": (dict,), "list": (list,), "string": (str,), "boolean": (bool,), "integer": (int,),
        "long": (int,), "double": (int, float), "float": (int, float), "timestamp": (int, float), "blob": (str,),
    }  # fmt: skip
    if not isinstance(value, kinds[shape.type_name]) or (isinstance(value, bool) and shape.type_name != "boolean"):
        yield where, f"{value!r} is no {shape.type_name}"
    elif shape.type_name == "structure":
        names = {m.serialization.get("name", n): n for n, m in shape.members.items()}
        for key, inner in value.items():
            if key in names:
                yield from _json(inner, shape.members[names[key]], f"{shape.name}.{names[key]}")
            else:
                yield f"{shape.name}.{key}", "is not in the model"
        for key, name in names.items():
            if name in shape.required_members and key not in value:
                yield f"{shape.name}.{name}", "is missing"
    elif shape.type_name == "list":
        for inner in value:
            yield from _json(inner, shape.member, where)
    elif shape.type_name == "map":
        for inner in value.values():
            yield from _json(inner, shape.value, where)
    elif shape.type_name == "string":
        yield from _listed(value, shape, where)


# --- errors ----------------------------------------------------------------------------------------------------------


def _error(seen: Exchange, service: ServiceModel, operation: OperationModel | None) -> Problems:
    """An error has a code and a message. Where the service names its errors, the code is one that the operation names
    or a common one; EC2 names none."""
    if service.metadata["protocol"] in ("json", "rest-json"):
        try:
            said = json.loads(seen.answer)
        except ValueError:
            yield "", f"is no JSON: {seen.answer[:80]!r}"
            return
        code = said.get("__type", "") or seen.answered.get("x-amzn-errortype", "")
        messages = [v for k, v in said.items() if k.lower() == "message"]
    else:
        try:
            root = _without_namespaces(ET.fromstring(seen.answer))
        except ET.ParseError as error:
            yield "", f"is no XML: {error}"
            return
        if root.tag == "InvalidChangeBatch":  # Route 53 alone: an error in the form of its own shape
            code, messages = root.tag, [m.text for m in root.iterfind("Messages/Message")]
        else:
            error = root.find("Errors/Error") if service.service_name == "ec2" else root.find("Error")
            code = error.findtext("Code", "") if error is not None else ""
            messages = [error.findtext("Message")] if error is not None else []
    if not code:
        yield "", "an error has a code"
    if not any(messages):
        yield "", f"{code} has no message"
    if operation is None or not service.shape_names or service.service_name == "ec2":
        return
    named = {shape.metadata.get("error", {}).get("code", shape.name) for shape in operation.error_shapes}
    if code and code not in named | COMMON:
        yield f"{operation.name}={code}", f"is none of the operation's errors: {', '.join(sorted(named))}"
