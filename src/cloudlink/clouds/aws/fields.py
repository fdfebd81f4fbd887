"""One field of an answer. Where it is missing KeyError is raised and where it is of another type TypeError, which
``parsing`` tells as a malformed answer; what AWS may leave out has a value of its own then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network
from typing import Any

AwsObject = Mapping[str, Any]


def text(item: AwsObject, key: str) -> str:
    return _text(item[key], key)


def text_or(item: AwsObject, key: str, other: str = "") -> str:
    """other: where AWS does not say."""
    value = item.get(key)
    return other if value is None else _text(value, key)


def number(item: AwsObject, key: str) -> int:
    value = item[key]
    if isinstance(value, bool):
        raise TypeError(f"{key} is {value!r}")
    return int(value)


def part(item: AwsObject, key: str) -> AwsObject:
    """An object in another; empty where AWS does not say."""
    value = item.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"{key} is {value!r}")
    return value or {}


def parts(item: AwsObject, key: str) -> list[AwsObject]:
    """A list of objects in another; empty where AWS does not say."""
    return [part({key: one}, key) for one in item.get(key) or ()]


def texts(item: AwsObject, key: str) -> tuple[str, ...]:
    return tuple(_text(one, key) for one in item.get(key) or ())


def networks(prefixes: Iterable[str]) -> tuple[IPv4Network, ...]:
    """IPv4 only: cloudlink links IPv4."""
    return tuple(IPv4Network(prefix) for prefix in prefixes if prefix and ":" not in prefix)


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{key} is {value!r}")
    return value
