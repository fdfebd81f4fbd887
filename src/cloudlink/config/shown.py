"""How a value or key from a configuration may be shown in a message: on one line, short, nothing unprintable."""

from __future__ import annotations

import re

LONGEST = 60
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def shown(value: object) -> str:
    """A value as it would be written in TOML, shortened."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{_clean(value)}"'
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return f"a list of {len(value)} values" if value else "an empty list"
    if isinstance(value, int) and value.bit_length() > 128:
        return "a number of more than 38 digits"  # Python refuses to print very long ones
    return _clean(str(value))


def shown_key(key: str) -> str:
    """A key as part of a TOML path; quoted if TOML would want that."""
    return key if len(key) <= LONGEST and _BARE_KEY.fullmatch(key) else f'"{_clean(key)}"'


def _clean(text: str) -> str:
    cut = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    return "".join(char if char.isprintable() else f"\\u{ord(char):04X}" for char in cut)
