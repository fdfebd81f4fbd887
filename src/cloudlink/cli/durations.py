"""Durations as people type them."""

from __future__ import annotations

import re

from cloudlink.errors import UsageError

_FORM = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def seconds(text: str) -> float:
    """``90``, ``90s``, ``10m``, ``1h30m`` or ``90d`` in seconds. Raises UsageError."""
    match = _FORM.fullmatch(text.strip().lower())
    if match is None or not any(match.groups()):
        raise UsageError("This is not a duration", f"{text!r} was given.", "Write it like 90s, 10m, 1h30m or 90d.")
    days, hours, minutes, rest = (int(g or 0) for g in match.groups())
    return float(days * 86_400 + hours * 3600 + minutes * 60 + rest)
