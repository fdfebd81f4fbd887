"""labelSelector and fieldSelector, as far as clients use them; anything else is refused."""

from __future__ import annotations

import re
from typing import Any

from cloudlink_sandbox.kube.status import bad_request

_SET = re.compile(r"^\s*(\S+)\s+(in|notin)\s+\(([^)]*)\)\s*$")
_PARTS = re.compile(r",(?![^(]*\))")


def labels_match(selector: str, obj: dict[str, Any]) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return all(_label(part, labels) for part in _PARTS.split(selector) if part.strip())


def _label(part: str, labels: dict[str, str]) -> bool:
    part = part.strip()
    if found := _SET.match(part):
        key, how, values = found.groups()
        inside = labels.get(key) in {v.strip() for v in values.split(",")}
        return inside if how == "in" else not inside
    for sign in ("!=", "==", "="):
        if sign in part:
            key, _, value = part.partition(sign)
            return (labels.get(key.strip()) == value.strip()) != (sign == "!=")
    if part.startswith("!"):
        return part[1:].strip() not in labels
    if not re.fullmatch(r"[\w./-]+", part):
        raise bad_request(f"unable to parse requirement: {part}")
    return part in labels


def fields_match(selector: str, obj: dict[str, Any]) -> bool:
    """Any path of plain fields may be named, where a real server knows a few for each kind."""
    for part in (p.strip() for p in selector.split(",")):
        if not part:
            continue
        sign = "!=" if "!=" in part else "=="
        key, found, value = part.replace("==", "=").replace("!=", "=").partition("=")
        if not found:
            raise bad_request(f"invalid field selector: {part}")
        here: Any = obj
        for step in key.strip().split("."):
            here = here.get(step, "") if isinstance(here, dict) else ""
        if (str(here) == value.strip()) == (sign == "!="):
            return False
    return True
