"""What a plan consists of: for each resource one action, and why."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cloudlink.secret import Secret


class Action(enum.StrEnum):
    """One closed set with one glyph each: the single source for screen and JSON."""

    NO_OP = "no-op"
    DEFER = "defer"  # known after apply: depends on something that does not exist yet
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"

    @property
    def glyph(self) -> str:
        return {"no-op": "=", "defer": "?", "create": "+", "update": "~", "replace": "±", "delete": "-"}[self.value]


# Worse to the right: what really happens may be milder than what was shown, never worse.
_SEVERITY = (Action.NO_OP, Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE)


def exceeds_approval(actual: Action, shown: Action) -> bool:
    """Whether a user who approved ``shown`` has not approved ``actual``.

    "Known after apply" approves creating an object or changing it in place, not replacing it.
    """
    approved = Action.UPDATE if shown is Action.DEFER else shown
    return _SEVERITY.index(actual) > _SEVERITY.index(approved)


@dataclass(frozen=True)
class FieldChange:
    """One differing field. Secrets are shown as ``(secret)``."""

    field: str
    old: str
    new: str


@dataclass(frozen=True)
class Change:
    """What the plan does to one resource."""

    address: str
    title: str
    action: Action
    why: str = ""  # one line for people
    fields: tuple[FieldChange, ...] = ()
    id: str = ""
    drift: bool = False  # the receipt's spec equals the wanted one, so the object was changed outside cloudlink

    @property
    def step(self) -> str:
        return self.address.partition(".")[0]


@dataclass(frozen=True)
class Adopted:
    """What a removal leaves, because cloudlink did not make it."""

    address: str
    title: str
    id: str


@dataclass(frozen=True)
class Plan:
    """What a run will do."""

    changes: tuple[Change, ...]  # in the order in which the topology names the resources
    warnings: tuple[str, ...] = ()
    kept: tuple[Adopted, ...] = ()  # of a removal: what is left

    @property
    def writes(self) -> tuple[Change, ...]:
        """Those that will, or may, write."""
        return tuple(c for c in self.changes if c.action is not Action.NO_OP)

    def count(self, action: Action) -> int:
        return sum(1 for c in self.changes if c.action is action)

    def of(self, address: str) -> Change | None:
        return next((c for c in self.changes if c.address == address), None)


def diff(found: Any, wanted: Any) -> tuple[FieldChange, ...]:
    """Differences between two specs of the same dataclass type, field by field."""
    assert type(found) is type(wanted), (type(found), type(wanted))
    changes = []
    for f in dataclasses.fields(wanted):
        old, new = getattr(found, f.name), getattr(wanted, f.name)
        if old == new:
            continue
        changes.append(FieldChange(f.name, *_apart(old, new)))
    return tuple(changes)


def _apart(old: Any, new: Any) -> tuple[str, str]:
    """Both for people, without what they have in common: among forty numbers the one that differs would not be seen."""
    if isinstance(old, frozenset) and isinstance(new, frozenset):
        return show(old - new), show(new - old)
    if dataclasses.is_dataclass(old) and type(old) is type(new):
        names = [f.name for f in dataclasses.fields(old) if getattr(old, f.name) != getattr(new, f.name)]
        pairs = [(name, _apart(getattr(old, name), getattr(new, name))) for name in names]
        return _listed((n, a) for n, (a, _) in pairs), _listed((n, b) for n, (_, b) in pairs)
    several = isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new) > 1
    if several and all(dataclasses.is_dataclass(item) for item in (*old, *new)):
        pairs = [(f"{number}.", _apart(a, b)) for number, (a, b) in enumerate(zip(old, new, strict=True), 1) if a != b]
        if len({pair for _, pair in pairs}) == 1 and len(pairs) == len(old):
            return pairs[0][1]  # the same in all of them
        return _listed((n, a) for n, (a, _) in pairs), _listed((n, b) for n, (_, b) in pairs)
    return show(old), show(new)


def _listed(pairs: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in pairs)


def differences(found: Any, wanted: Any) -> tuple[FieldChange, ...]:
    """Of a Found and the wanted spec: what an update would change, missing marks included."""
    marks = (FieldChange("marks", "the link's name", "its name and its place"),) if found.unmarked else ()
    return (*diff(found.spec, wanted), *marks)


def show(value: Any) -> str:
    """A spec value for people: no secret, no Python syntax."""
    if isinstance(value, Secret):
        return "(secret)"
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return "on" if value else "off"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return ", ".join(f"{f.name} {show(getattr(value, f.name))}" for f in dataclasses.fields(value))
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={show(v)}" for k, v in value.items()) or "(none)"
    if isinstance(value, frozenset):
        return ", ".join(sorted(show(v) for v in value)) or "(none)"
    if isinstance(value, list | tuple):
        return ", ".join(show(v) for v in value) or "(none)"
    return str(value) or "(none)"


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return "secret"  # a key is no part of a hash that is written to disk
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, frozenset):
        return sorted((_plain(v) for v in value), key=repr)
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, IPv4Address | IPv4Network):
        return str(value)
    return value


def spec_hash(spec: Any) -> str:
    """A short stable hash of a spec for the receipt; secrets do not enter it."""
    text = json.dumps(_plain(spec), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
