"""The configuration's JSON Schema, made from the table of keys, for editors that complete and check TOML.

It accepts whatever cloudlink accepts. Rules over several keys, and what the clouds add, only cloudlink itself knows.
"""

from __future__ import annotations

from typing import Any

from cloudlink.config.schema import HOST_TARGETS, MOST_HOSTS, MOST_ZONES, TABLES, ZONES, Key, Table

_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "table of strings": {"type": "object", "additionalProperties": {"type": "string"}},
}


def json_schema() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cloudlink",
        **_table(TABLES[0]),
    }


def _table(table: Table) -> dict[str, Any]:
    children = [child for child in TABLES if child.parent == table.path and child.path]
    properties = {key.name: _key(key) for key in table.keys}
    properties |= {child.name: _child(child) for child in children}
    required = [key.name for key in table.keys if key.required and not key.not_with]
    required += [c.name for c in children if not c.optional and (c.repeated or _table(c).get("required"))]
    found: dict[str, Any] = {
        "type": "object",
        "description": table.meaning,
        "properties": properties,
        "additionalProperties": False,
    }
    return found | ({"required": required} if required else {})


def _child(table: Table) -> dict[str, Any]:
    one = _table(table)
    if not table.repeated:
        return one
    if table is ZONES:
        return {"type": "array", "minItems": 1, "maxItems": MOST_ZONES, "items": one}
    targets = [{"required": [key.name]} for key in HOST_TARGETS]
    return {"type": "array", "minItems": 1, "maxItems": MOST_HOSTS, "items": {**one, "oneOf": targets}}


def _key(key: Key[Any]) -> dict[str, Any]:
    form = dict(key.kind.schema) or _TYPES[key.kind.type]
    about = {"description": f"{key.meaning} Allowed: {key.kind.allowed}."}
    if not key.required and key.written_default:
        about["description"] += f" Default: {key.written_default}."
    return {**form, **about}
