"""How a cloud's values are read where any form is possible and none is a reason to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def values(entries: Any) -> list[Any]:
    """The values of ``[{"Value": x}, ...]``; bare values and a missing list are accepted too."""
    if entries is None:
        return []
    if not isinstance(entries, Sequence) or isinstance(entries, str | bytes):
        entries = [entries]
    return [entry.get("Value") if isinstance(entry, Mapping) else entry for entry in entries]


def whole_number(value: Any, name: str, deviations: list[str]) -> int:
    """A positive whole number, or 0 with the reason among the deviations."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    text = words(value)
    if value is not None and text.isascii() and text.isdigit() and len(text) < 12 and int(text) > 0:
        return int(text)
    deviations.append(f"{name} {'is not set' if value is None else text}")
    return 0


def words(value: Any) -> str:
    """A cloud's value as it may be shown in a message: an enum member by its value."""
    return str(getattr(value, "value", value))
