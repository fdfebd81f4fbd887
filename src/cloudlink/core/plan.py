"""What a plan consists of: for each resource one action, and why."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cloudlink.core.also_learned import AlsoLearned
from cloudlink.digests import digest
from cloudlink.errors import Finding, Severity
from cloudlink.secret import Secret


class Action(enum.StrEnum):
    """What is done to one resource, with the sign that screens show for it."""

    NO_OP = "no-op"
    DEFER = "defer"  # known after apply: depends on something that does not exist yet
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    RESTORE = "restore"  # a shared object becomes what it was before cloudlink altered it

    @property
    def glyph(self) -> str:
        return _GLYPHS[self]

    @property
    def removes(self) -> bool:
        """Whether it deletes or restores what cloudlink made or altered; a replacement does as well."""
        return self in (Action.DELETE, Action.REPLACE, Action.RESTORE)


_GLYPHS = {
    Action.NO_OP: "=",
    Action.DEFER: "?",
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "±",
    Action.DELETE: "-",
    Action.RESTORE: "~",
}
# Worse to the right: what really happens may be milder than what was shown, never worse.
_SEVERITY = (Action.NO_OP, Action.CREATE, Action.UPDATE, Action.RESTORE, Action.REPLACE, Action.DELETE)


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
    reason: str = ""  # why the difference matters

    @property
    def is_tag(self) -> bool:
        """Whether it is a tag that the user configured: what the link does is the same without it."""
        return self.field.startswith("tag ")


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
    who: str = ""  # who changed it, where a cloud tells; for people

    @property
    def step(self) -> str:
        return self.address.partition(".")[0]


@dataclass(frozen=True)
class Adopted:
    """What a removal leaves, and why; of any other plan what is used as it is."""

    address: str
    title: str
    id: str
    why: str = "cloudlink did not make it"

    @property
    def step(self) -> str:
        return self.address.partition(".")[0]


@dataclass(frozen=True)
class Accounts:
    """Whose clouds a plan is for, as they say themselves; empty: not known."""

    aws_account: str
    aws_principal: str  # ARN of who is signed in
    aws_session_end: float | None  # when the user has to sign in again, where that is known
    azure_subscription: str
    azure_subscription_name: str
    azure_tenant: str
    azure_user: str
    azure_session_end: float | None = None  # as aws_session_end


@dataclass(frozen=True)
class Plan:
    """What a run will do."""

    changes: tuple[Change, ...]  # in the order in which the topology names the resources
    warnings: tuple[str, ...] = ()
    kept: tuple[Adopted, ...] = ()  # of a removal: what is left
    adopted: tuple[Adopted, ...] = ()  # of any other plan: what cloudlink did not make and uses
    findings: tuple[Finding, ...] = ()  # of the checks before the first write
    accounts: Accounts | None = None
    also_learned: tuple[AlsoLearned, ...] = ()  # what each side will learn beyond what the link is for
    isolated: bool = False
    """Nothing but what it changes is read or written for it, and what it changes lets go of what it removes before that goes:
    a pause."""

    @property
    def writes(self) -> tuple[Change, ...]:
        """Those that will, or may, write."""
        return tuple(c for c in self.changes if c.action is not Action.NO_OP)

    def found(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity is severity)

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
        if isinstance(old, frozenset) and isinstance(new, frozenset):
            old, new = old - new, new - old  # what both have would hide the difference
        changes.append(FieldChange(f.name, *_difference(old, new, f.metadata.get("each", ""))))
    return tuple(changes)


def _difference(old: Any, new: Any, each: str = "") -> tuple[str, str]:
    """Of records (and of lists of records of the same length) only the fields that differ: the others would hide them.

    each: what one member of a list is called.
    """
    if isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new) and any(map(_is_record, new)):
        pairs = [_difference(a, b) for a, b in zip(old, new, strict=True)]
        same = ("", "")
        return _in_turn([same if p[0] == p[1] and a == b else p for p, a, b in zip(pairs, old, new, strict=True)], each)
    if _is_record(old) and type(old) is type(new) and not _has_words(old):
        fields = [f for f in dataclasses.fields(old) if getattr(old, f.name) != getattr(new, f.name)]
        one, other = (", ".join(_show_field(v, f) for f in fields) for v in (old, new))
        return one, other
    return show(old), show(new)


def _in_turn(pairs: list[tuple[str, str]], each: str) -> tuple[str, str]:
    """The members that differ, with their numbers where there are several."""
    name = f"{each} " if each else ""
    marked = [(f"{name}{i}: " if len(pairs) > 1 else "", *pair) for i, pair in enumerate(pairs, 1) if pair != ("", "")]
    one, other = ("; ".join(f"{mark}{pair[side]}" for mark, *pair in marked) for side in (0, 1))
    return one, other


def _is_record(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _has_words(record: Any) -> bool:
    """Whether a record says itself how it is shown."""
    return "__str__" in vars(type(record))


def _show_field(record: Any, field: dataclasses.Field[Any]) -> str:
    """Name and value. A field's metadata may name other words for both: ``shown``, and ``empty`` for an empty value."""
    value, name = getattr(record, field.name), field.metadata.get("shown", field.name.replace("_", " "))
    return f"{name} {show(value) if value or 'empty' not in field.metadata else field.metadata['empty']}"


def differences(found: Any, wanted: Any) -> tuple[FieldChange, ...]:
    """Of an Observed and the wanted spec: what an update would change, missing marks and tags included."""
    marks = (FieldChange("marks", "the link's name", "its name and its place"),) if found.unmarked else ()
    return (*diff(found.spec, wanted), *marks, *found.lacking)


def show(value: Any) -> str:
    """A spec value for people: no secret, no Python syntax."""
    if isinstance(value, Secret):
        return "(secret)"
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return "on" if value else "off"
    if _is_record(value):
        return str(value) if _has_words(value) else ", ".join(_show_field(value, f) for f in dataclasses.fields(value))
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
    return digest(text, 16)
