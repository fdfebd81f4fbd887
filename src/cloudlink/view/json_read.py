"""A report from what ``--json`` prints of it, for a reader that has no link to ask."""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from cloudlink.view.json_lines import NAMED_ROWS, TIMESTAMPS

T = TypeVar("T")


def read(kind: type[T], content: object) -> T:
    """A dataclass. Keys that it does not know are passed over, those that lack have their default: another version may have
    written it. Raises ValueError or TypeError for what is no such report."""
    found = _value(kind, content, "")
    assert isinstance(found, kind)
    return found


def _value(kind: Any, content: Any, name: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        parts = get_args(kind)
        if content is None and type(None) in parts:
            return None
        return _value(next(p for p in parts if p is not type(None)), content, name)
    if name in TIMESTAMPS and isinstance(content, str):
        return datetime.fromisoformat(content).timestamp()
    if name in NAMED_ROWS and isinstance(content, list):
        return tuple(tuple(_text(row, key) for key in NAMED_ROWS[name]) for row in content)
    if origin is tuple:
        if not isinstance(content, list):
            raise ValueError(f"{name} is no list")
        return tuple(_value(get_args(kind)[0], item, "") for item in content)
    if origin is Literal:
        if content not in get_args(kind):
            raise ValueError(f"{name} is {content!r:.40}")
        return content
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(content)
    if dataclasses.is_dataclass(kind):
        return _object(kind, content)
    return _plain(kind, content, name)


def _object(kind: Any, content: Any) -> Any:
    if not isinstance(content, Mapping):
        raise TypeError(f"{kind.__name__} is no object")
    hints = get_type_hints(kind)
    given = {
        f.name: _value(hints[f.name], content[f.name], f.name) for f in dataclasses.fields(kind) if f.name in content
    }
    try:
        return kind(**given)
    except TypeError as error:  # a field without a default lacks
        raise ValueError(str(error)) from error


def _plain(kind: Any, content: Any, name: str) -> Any:
    wanted = (int, float) if kind is float else kind
    if not isinstance(content, wanted) or (isinstance(content, bool) and kind is not bool):
        raise ValueError(f"{name or kind.__name__} is {content!r:.40}")
    return content


def _text(row: Any, key: str) -> str:
    if not isinstance(row, Mapping) or not isinstance(row.get(key), str):
        raise TypeError(f"{key} is no text")
    return str(row[key])
