"""The few request bodies that kubectl sends as Protocol Buffers, read as objects.

kubectl 1.33 and later encode what they create by themselves (``create configmap``, ``auth can-i``) that way, client-go
0.37 all that its typed clients send, and neither falls back to JSON. Field numbers are those of the generated.proto files in https://github.com/kubernetes/api .
Other kinds are refused.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_MAGIC = b"k8s\0"


@dataclass(frozen=True)
class _Field:
    """shape: text, texts (several), flag, number, map (of text), secrets (map of bytes), or a message's fields."""

    name: str
    shape: Any


_META = {
    1: _Field("name", "text"),
    2: _Field("generateName", "text"),
    3: _Field("namespace", "text"),
    5: _Field("uid", "text"),
    6: _Field("resourceVersion", "text"),
    11: _Field("labels", "map"),
    12: _Field("annotations", "map"),
}
_METADATA = {1: _Field("metadata", _META)}
_RESOURCE = {
    1: _Field("namespace", "text"),
    2: _Field("verb", "text"),
    3: _Field("group", "text"),
    4: _Field("version", "text"),
    5: _Field("resource", "text"),
    6: _Field("subresource", "text"),
    7: _Field("name", "text"),
}
_PATH = {1: _Field("path", "text"), 2: _Field("verb", "text")}
_REVIEW = {1: _Field("resourceAttributes", _RESOURCE), 2: _Field("nonResourceAttributes", _PATH)}

_KINDS: dict[str, dict[int, _Field]] = {
    "Namespace": _METADATA,
    "ServiceAccount": _METADATA,
    "ConfigMap": _METADATA
    | {2: _Field("data", "map"), 3: _Field("binaryData", "secrets"), 4: _Field("immutable", "flag")},
    "Secret": _METADATA
    | {
        2: _Field("data", "secrets"),
        3: _Field("type", "text"),
        4: _Field("stringData", "map"),
        5: _Field("immutable", "flag"),
    },
    "SelfSubjectAccessReview": {2: _Field("spec", _REVIEW)},
    "SelfSubjectRulesReview": {2: _Field("spec", {1: _Field("namespace", "text")})},
    "SelfSubjectReview": _METADATA,
    "DeleteOptions": {
        1: _Field("gracePeriodSeconds", "number"),
        2: _Field("preconditions", {1: _Field("uid", "text"), 2: _Field("resourceVersion", "text")}),
        3: _Field("orphanDependents", "flag"),
        4: _Field("propagationPolicy", "text"),
        5: _Field("dryRun", "texts"),
    },
}


class Unreadable(ValueError):
    """Not such a message, or one of a kind that is not known here."""


def read(body: bytes) -> dict[str, Any]:
    """Raises Unreadable."""
    try:
        if not body.startswith(_MAGIC):
            raise Unreadable("no Kubernetes message")
        parts = dict(_fields(body[len(_MAGIC) :]))
        types = dict(_fields(_octets(parts.get(1, b""))))
        api_version, kind = _octets(types.get(1, b"")).decode(), _octets(types.get(2, b"")).decode()
        if kind not in _KINDS:
            raise Unreadable(f"the sandbox does not read {kind or 'this'} as Protocol Buffers")
        return {"apiVersion": api_version, "kind": kind, **_message(_octets(parts.get(2, b"")), _KINDS[kind])}
    except (IndexError, UnicodeDecodeError) as e:
        raise Unreadable(f"damaged message: {e}") from None


def _octets(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise Unreadable("damaged message")
    return value


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << shift
        shift += 7
        if octet < 0x80:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _number(data, at)
        match tag & 7:
            case 0:
                number, at = _number(data, at)
                yield tag >> 3, number
            case 2:
                size, at = _number(data, at)
                if at + size > len(data):
                    raise Unreadable("damaged message")
                yield tag >> 3, data[at : at + size]
                at += size
            case _:
                raise Unreadable("damaged message")


def _message(data: bytes, fields: dict[int, _Field]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, value in _fields(data):
        field = fields.get(number)
        if field is None:
            continue
        if field.shape == "flag":
            found[field.name] = bool(value)
        elif field.shape == "number":
            found[field.name] = value
        elif field.shape == "texts":
            found.setdefault(field.name, []).append(_octets(value).decode())
        elif field.shape == "text":
            if text := _octets(value).decode():
                found[field.name] = text
        elif field.shape in ("map", "secrets"):
            pair = dict(_fields(_octets(value)))
            key, raw = _octets(pair.get(1, b"")).decode(), _octets(pair.get(2, b""))
            text = raw.decode() if field.shape == "map" else base64.b64encode(raw).decode()
            found.setdefault(field.name, {})[key] = text
        else:
            found[field.name] = _message(_octets(value), field.shape)
    return found
