"""Copies of Kubernetes' objects, of which each call makes some."""

from __future__ import annotations

import copy
from types import NoneType
from typing import Any, TypeVar, cast

T = TypeVar("T")
_PLAIN = (str, int, float, bool, NoneType)


def copied(value: T) -> T:
    """A copy that shares nothing. Objects are JSON, for which ``copy.deepcopy`` takes three times as long."""
    return cast(T, _copied(value))


def _copied(value: Any) -> Any:
    if type(value) is dict:
        return {key: _copied(inner) for key, inner in value.items()}
    if type(value) is list:
        return [_copied(inner) for inner in value]
    return value if isinstance(value, _PLAIN) else copy.deepcopy(value)
