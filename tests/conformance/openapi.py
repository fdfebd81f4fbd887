"""A reader of OpenAPI 2.0 documents that says where a value departs from its schema. Each schema is read once."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Problem:
    """where: the field, ``$.properties.sku``. field: its schema's name and its own, ``PublicIPAddressSku.colour``."""

    where: str
    what: str
    field: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}" + (f" ({self.field})" if self.field else "")


@cache
def document(path: Path) -> dict[str, Any]:
    """Empty for a file that is not there: parts of a specification refer to parts that were not published with it."""
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return loaded


@cache
def schema_at(path: Path, pointer: str) -> Schema:
    """``#/definitions/Name`` of a document."""
    place: Any = document(path)
    for step in pointer.strip("#/").split("/"):
        place = place.get(step, {})
    return of(place, path, pointer.rsplit("/", 1)[-1])


def of(text: dict[str, Any], path: Path, name: str = "") -> Schema:
    """The schema that stands in a document, or that it refers to."""
    if "$ref" in text:
        target, _, pointer = text["$ref"].partition("#")
        return schema_at((path.parent / target).resolve() if target else path, f"#{pointer}")
    return Schema(text, path, name)


@dataclass(eq=False)
class Schema:
    """What stands at one place of a document. name: of the definition, empty for one that has none."""

    text: dict[str, Any]
    path: Path
    name: str
    _pattern: re.Pattern[str] | None = field(init=False, default=None)

    @cached_property
    def bases(self) -> list[Schema]:
        return [of(part, self.path, self.name) for part in self.text.get("allOf", ())]

    @cached_property
    def known(self) -> bool:
        """Whether all of it could be read."""
        return bool(self.text) and all(base.known for base in self.bases)

    @cached_property
    def fields(self) -> dict[str, Schema]:
        inherited = {name: schema for base in self.bases for name, schema in base.fields.items()}
        return inherited | {n: of(t, self.path) for n, t in self.text.get("properties", {}).items()}

    @cached_property
    def read_only(self) -> frozenset[str]:
        own = {n for n, t in self.text.get("properties", {}).items() if t.get("readOnly")}
        return frozenset(own).union(*(base.read_only for base in self.bases))

    @cached_property
    def required(self) -> frozenset[str]:
        return frozenset(self.text.get("required", ())).union(*(base.required for base in self.bases))

    @cached_property
    def items(self) -> Schema:
        return of(self.text.get("items", {}), self.path)

    @cached_property
    def others(self) -> Schema | None:
        """The schema of fields that have no name; None where there may be none."""
        said = self.text.get("additionalProperties")
        if said is None or said is False:
            return next((b.others for b in self.bases if b.others is not None), None)
        return of({} if said is True else said, self.path)

    @cached_property
    def kind(self) -> str:
        structured = "properties" in self.text or "allOf" in self.text or "additionalProperties" in self.text
        return str(self.text.get("type", "object" if structured else ""))

    def problems(self, value: Any, *, asked: bool = False, where: str = "$", field: str = "") -> Iterator[Problem]:
        """asked: it is a request's body, where read-only fields have no business."""
        if not self.text:
            return
        if value is None:
            yield Problem(where, "is null", field)
        elif self.kind in _TYPES and (
            not isinstance(value, _TYPES[self.kind]) or (isinstance(value, bool) and self.kind != "boolean")
        ):
            yield Problem(where, f"{value!r} is no {self.kind}", field)
        elif isinstance(value, list):
            for item in value:
                yield from self.items.problems(item, asked=asked, where=f"{where}[]", field=field)
        elif isinstance(value, dict):
            yield from self._of_object(value, asked, where)
        else:
            yield from (Problem(where, what, field) for what in self._of_plain(value))

    def _of_object(self, value: dict[str, Any], asked: bool, where: str) -> Iterator[Problem]:
        if not self.known:
            return
        if where == "$" or value.keys() != {"id"}:  # elsewhere an id alone refers to the object
            for name in sorted(self.required - value.keys()):
                if not (asked and name in self.read_only):
                    yield Problem(f"{where}.{name}", "is missing", f"{self.name}.{name}")
        for name, inner in value.items():
            place, field = f"{where}.{name}", f"{self.name}.{name}"
            schema = self.fields.get(name, self.others)
            if schema is not None:
                yield from schema.problems(inner, asked=asked, where=place, field=field)
            elif self.fields:
                yield Problem(place, "is not in the specification", field)
            if asked and name in self.read_only:
                yield Problem(place, "is read-only and was sent", field)

    def _of_plain(self, value: Any) -> Iterator[str]:
        text = self.text
        if "enum" in text and value not in text["enum"]:
            yield f"{value!r} is none of {text['enum']}"
        if isinstance(value, str):
            if "pattern" in text and not re.search(text["pattern"], value):
                yield f"{value!r} does not fit {text['pattern']}"
            if not text.get("minLength", 0) <= len(value) <= text.get("maxLength", len(value)):
                yield f"{len(value)} characters are too few or too many"
            if text.get("format") == "date-time" and not _TIME.fullmatch(value):
                yield f"{value!r} is no time"
            if text.get("format") == "byte" and not _is_base64(value):
                yield "is not base64"
        elif not isinstance(value, bool) and not text.get("minimum", value) <= value <= text.get("maximum", value):
            yield f"{value!r} is out of its range"


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


@dataclass(eq=False)
class Operation:
    """One method of one path."""

    id: str
    segments: tuple[str, ...]
    text: dict[str, Any]
    path: Path

    def fits(self, segments: tuple[str, ...]) -> bool:
        return all(t.startswith("{") or t.lower() == s.lower() for t, s in zip(self.segments, segments, strict=True))

    @cached_property
    def polled_at(self) -> str:
        """The header with the address at which a client finds out how it went; empty for what is done at once."""
        if not self.text.get("x-ms-long-running-operation"):
            return ""
        via = self.text.get("x-ms-long-running-operation-options", {}).get("final-state-via", "azure-async-operation")
        return {"location": "location", "azure-async-operation": "azure-asyncoperation"}[via]

    @cached_property
    def list_of(self) -> str:
        """The field with a page's items; empty for what is no list."""
        pages = self.text.get("x-ms-pageable")
        return "" if pages is None else str(pages.get("itemName", "value"))

    @cached_property
    def body(self) -> Schema | None:
        """What a request carries."""
        for parameter in self.text.get("parameters", ()):
            if parameter.get("in") == "body":
                return of(parameter["schema"], self.path)
        return None

    @cached_property
    def answers(self) -> dict[str, Schema | None]:
        """By status, or ``default``. None: no body."""
        return {
            status: of(said["schema"], self.path) if "schema" in said else None
            for status, said in self.text["responses"].items()
        }


class Operations:
    """All of the documents in some folders, found by method and path."""

    def __init__(self, *folders: Path) -> None:
        self._by_shape: dict[tuple[str, int], list[Operation]] = {}
        for folder in folders:
            for file in sorted(folder.glob("*.json")):
                for template, methods in document(file.resolve()).get("paths", {}).items():
                    segments = tuple(s for s in template.split("/") if s)
                    for method, text in methods.items():
                        operation = Operation(text.get("operationId", template), segments, text, file.resolve())
                        self._by_shape.setdefault((method.upper(), len(segments)), []).append(operation)

    def find(self, method: str, path: str) -> Operation | None:
        segments = tuple(s for s in path.split("/") if s)
        found = [o for o in self._by_shape.get((method, len(segments)), ()) if o.fits(segments)]
        # a literal path before one with a placeholder in its place
        return max(found, key=lambda o: sum(not s.startswith("{") for s in o.segments), default=None)
