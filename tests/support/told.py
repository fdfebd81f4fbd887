"""Facts as lines of text for golden files, and answers of the clouds as JSON."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cloudlink.ipsec import IpsecPolicy
from cloudlink.secret import Secret

KINDS: dict[str, Any] = {
    "$secret": Secret,
    "$time": datetime.fromisoformat,
    "$network": IPv4Network,
    "$address": IPv4Address,
    "$policy": lambda fields: IpsecPolicy(**fields),
    "$set": lambda items: frozenset(decoded(i) for i in items),
    "$bytes": bytes.fromhex,
    "$data": lambda kept: _kind(*kept[0])(**{k: decoded(v) for k, v in kept[1].items()}),
    "$enum": lambda kept: _kind(*kept[0])(kept[1]),
    "$tuple": lambda items: tuple(decoded(i) for i in items),
}


def _kind(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def _named(value: Any) -> list[str]:
    return [type(value).__module__, type(value).__name__]


def encoded(value: Any) -> Any:
    """For JSON. Raises TypeError for what is no answer of a cloud's, nor a fact read from one."""
    if isinstance(value, Enum):
        return {"$enum": [_named(value), value.value]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [f for f in dataclasses.fields(value) if f.init]
        return {"$data": [_named(value), {f.name: encoded(getattr(value, f.name)) for f in fields}]}
    if isinstance(value, (set, frozenset)):
        return {"$set": sorted((encoded(v) for v in value), key=repr)}
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, dict):
        return {str(k): encoded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [encoded(v) for v in value]
    if isinstance(value, tuple):
        return {"$tuple": [encoded(v) for v in value]}
    if isinstance(value, Secret):
        return {"$secret": value.reveal()}
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    if isinstance(value, IPv4Network):
        return {"$network": str(value)}
    if isinstance(value, IPv4Address):
        return {"$address": str(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(type(value))


def decoded(value: Any) -> Any:
    """Of JSON, in which ``{"$network": "10.0.0.0/8"}`` is a network, and so on."""
    if isinstance(value, dict):
        if is_plain(value):
            (kind, held), *_ = value.items()
            return KINDS[kind](held)
        return {k: decoded(v) for k, v in value.items()}
    return [decoded(v) for v in value] if isinstance(value, list) else value


def is_plain(value: dict[str, Any]) -> bool:
    """One of the above, and no object."""
    return len(value) == 1 and next(iter(value)) in KINDS


def lines(value: Any, where: str = "") -> Iterator[str]:
    """One for each plain value in it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        yield from (f"{where} = {type(value).__name__}",) if not fields else ()
        for f in fields:
            yield from lines(getattr(value, f.name), f"{where}.{f.name}")
    elif isinstance(value, Mapping):
        yield from (f"{where} = {{}}",) if not value else ()
        for key, held in value.items():
            yield from lines(held, f"{where}[{key}]")
    elif isinstance(value, Secret):
        yield f"{where} = secret {value.reveal()!r}"
    elif isinstance(value, Iterable) and not isinstance(value, (str, bytes, IPv4Network)):
        items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else list(value)
        yield from (f"{where} = []",) if not items else ()
        for number, item in enumerate(items):
            yield from lines(item, f"{where}[{number}]")
    else:
        yield f"{where} = {value if isinstance(value, (IPv4Address, IPv4Network)) else repr(value)}".strip()
