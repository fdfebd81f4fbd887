"""JSON Schemas of what ``--json`` prints, made from the types that it is made from.

Keys may be added, so unknown ones are allowed; those that are here are there always.
"""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from cloudlink.checks.doctor import DoctorReport
from cloudlink.checks.report import DnsReport, PauseReport, StatusReport, TeardownReport
from cloudlink.core import events as ev
from cloudlink.core.also_learned import AlsoLearned
from cloudlink.core.plan import Accounts, Action, Adopted, FieldChange
from cloudlink.day_two.reports import LogsReport, RotationReport, TrialReport
from cloudlink.errors import Finding, Mistake
from cloudlink.steps.least_permissions import ALL, Where
from cloudlink.view.json_lines import COUNTED, EVENT_KEYS, NAMED_ROWS, TIMESTAMPS, event_type

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT: dict[str, Any] = {"type": "string"}
_MOMENT = {"type": "string", "format": "date-time"}
_EVENTS: tuple[type[ev.Event], ...] = (
    ev.Reading,
    ev.Queued,
    ev.Begun,
    ev.Progress,
    ev.Done,
    ev.Failed,
    ev.Skipped,
    ev.Halted,
    ev.Kept,
    ev.Note,
)


def schemas() -> dict[str, dict[str, Any]]:
    """Command -> what its ``--json`` prints: one object, or (``up``, ``teardown``, ``pause``, ``resume``) each of its lines."""
    line = {"oneOf": [*map(_event, _EVENTS), _planned(), _error(at=True), _result()]}
    return {
        "plan": _either("cloudlink plan --json", _plan()),
        "status": _either("cloudlink status --json", of(StatusReport)),
        "doctor": _either("cloudlink doctor --json", of(DoctorReport)),
        "test": _either("cloudlink test --json", of(TrialReport)),
        "rotate-keys": _either("cloudlink rotate-keys --json", of(RotationReport)),
        "logs": _either("cloudlink logs --json", of(LogsReport)),
        "verify-dns": _either("cloudlink verify-dns --json", of(DnsReport)),
        "up": {"$schema": DIALECT, "title": "A line of cloudlink up --json", **line},
        "init": _either("cloudlink init --json", _init()),
        "gather": _either("cloudlink gather --json", _gather()),
        "report": _either("cloudlink report --json", _report()),
        "permissions": _either("cloudlink permissions --json", _permissions()),
        "rehearse": _either("cloudlink rehearse --json", _rehearsal()),
        "teardown": {"$schema": DIALECT, "title": "A line of cloudlink teardown --json", **line},
        "pause": {"$schema": DIALECT, "title": "A line of cloudlink pause --json", **line},
        "resume": {"$schema": DIALECT, "title": "A line of cloudlink resume --json", **line},
    }


def _either(title: str, result: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": DIALECT, "title": title, "anyOf": [result, _error(at=False)]}


def of(kind: Any, name: str = "") -> dict[str, Any]:
    """The schema of a type of field. name: the field's, for the few that are written in another form."""
    if name in TIMESTAMPS:
        return {"anyOf": [_MOMENT, {"type": "null"}]}
    if name in NAMED_ROWS:
        return _list(_object(dict.fromkeys(NAMED_ROWS[name], _TEXT)))
    origin = get_origin(kind)
    if origin is Literal:
        return {"enum": list(get_args(kind))}
    if origin in (Union, types.UnionType):
        return {"anyOf": [of(part) for part in get_args(kind)]}
    if origin in (tuple, list):
        return _list(of(get_args(kind)[0]))
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": of(get_args(kind)[1])}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return _object({f.name: of(hints[f.name], f.name) for f in dataclasses.fields(kind)})
    return dict(_PLAIN[kind])


_PLAIN: dict[Any, dict[str, Any]] = {
    str: _TEXT,
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
}


def _object(keys: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {"type": "object", "properties": keys, "required": list(keys)}


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _plan() -> dict[str, Any]:
    change = {
        "address": _TEXT,
        "action": of(Action),
        "title": _TEXT,
        "step": _TEXT,
        "why": _TEXT,
        "fields": _list(of(FieldChange)),
        "id": _TEXT,
        "drift": {"type": "boolean"},
        "who": _TEXT,
    }
    return _object(
        {
            "link": _TEXT,
            "changes": _list(_object(change)),
            "counts": _object({action.value: {"type": "integer"} for action in Action}),
            "warnings": _list(_TEXT),
            "kept": _list(of(Adopted)),
            "findings": _list(of(Finding)),
            "accounts": {"anyOf": [of(Accounts), {"type": "null"}]},
            "also_learned": _list(of(AlsoLearned)),
        }
    )


def _init() -> dict[str, Any]:
    keys = dict.fromkeys(("file", "schema", "link", "zone"), _TEXT)
    lists = dict.fromkeys(("names", "notes", "next"), _list(_TEXT))
    eks = _object({"name": _TEXT, "region": _TEXT})
    return _object({**keys, **lists, "eks": eks, "aks": _object({"name": _TEXT, "subscription": _TEXT})})


def _gather() -> dict[str, Any]:
    keys = dict.fromkeys(("file", "cloudlink", "made"), _TEXT)
    return _object({**keys, "redacted": {"type": "boolean"}, "masked": {"type": "integer"}, "files": _list(_TEXT)})


def _report() -> dict[str, Any]:
    keys = dict.fromkeys(("file", "link", "health"), _TEXT)
    return _object({**keys, "at": _MOMENT, "bytes": {"type": "integer"}})


def _permissions() -> dict[str, Any]:
    row = dict.fromkeys(("action", "place", "resource", "name"), _TEXT)
    row |= {"where": of(Where), "commands": _list({"enum": list(ALL)})}
    return _object({"link": _TEXT, "permissions": _list(_object(row))})


def _rehearsal() -> dict[str, Any]:
    """Nothing that was not rehearsed is missing: its list is empty, or it is null."""
    yes, whole, number = of(bool), of(int), of(float)
    bgp = _object({"up": yes, "routes": whole, "learned": whole, "announced": whole, "why": _TEXT})
    tunnel = {
        **dict.fromkeys(("name", "outside", "ike", "esp", "why"), _TEXT),
        "up": yes,
        "largest_packet": of(int | None),
        "mss": of(int | None),
        "bgp": bgp,
    }
    renewal = {"tunnel": _TEXT, "side": {"enum": ["aws", "azure"]}, "what": {"enum": ["child", "ike"]}}
    name = {"name": _TEXT, "by": of(dict[str, str]), "addresses": _list(_TEXT)}
    request = {"target": _TEXT, "port": whole, "scheme": {"enum": ["http", "https"]}}
    judged = {"good": yes, "why": _TEXT}
    capture = {**dict.fromkeys(("packets", "esp", "marker", "control"), whole), **judged}
    loss = {
        "what": _TEXT,
        **dict.fromkeys(("sent", "lost", "died", "back"), whole),
        "seconds": number,
        "marks": _list(number),
        "good": yes,
    }
    return _object(
        {
            "link": _TEXT,
            "health": {"enum": ["healthy", "degraded", "down"]},
            "seconds": number,
            "tunnels": _list(_object(tunnel)),
            "renewals": _list(_object({**renewal, **judged})),
            "endpoints": _list(_object({"address": _TEXT, "by": of(dict[str, str]), **judged})),
            "names": _list(_object({**name, **judged})),
            "requests": _list(_object({**request, **judged})),
            "capture": {"anyOf": [_object(capture), {"type": "null"}]},
            "losses": _list(_object(loss)),
            "skipped": _list(_object({"what": _TEXT, "why": _TEXT})),
            "notes": _list(_TEXT),
        }
    )


def _planned() -> dict[str, Any]:
    body = _plan()["properties"]
    return _object({"at": _MOMENT, "type": {"const": "planned"}, **body})


def _error(*, at: bool) -> dict[str, Any]:
    keys: dict[str, Any] = {"at": _MOMENT} if at else {}
    keys |= {"type": {"const": "error"}}
    keys |= dict.fromkeys(("summary", "detail", "hint", "resource", "request_id", "code"), _TEXT)
    keys |= {"exit_code": {"type": "integer"}, "mistakes": _list(of(Mistake)), "findings": _list(of(Finding))}
    return _object(keys)


def _event(kind: type[ev.Event]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    keys: dict[str, Any] = {"at": _MOMENT, "type": {"const": event_type(kind)}}
    for field in dataclasses.fields(kind):
        if field.name == "error":
            keys["error"] = _error(at=False)
        elif field.name != "at":
            keys[EVENT_KEYS.get(field.name, field.name)] = of(hints[field.name], field.name)
    return _object(keys)


def _result() -> dict[str, Any]:
    def maybe(schema: dict[str, Any]) -> dict[str, Any]:
        return {"anyOf": [schema, {"type": "null"}]}

    counted = (*COUNTED.values(), "failed", "skipped", "kept")
    return _object(
        {
            "at": _MOMENT,
            "type": {"const": "result"},
            "command": _TEXT,
            "link": _TEXT,
            "outcome": {"enum": ["done", "unhealthy", "error"]},
            "exit_code": {"type": "integer"},
            "seconds": {"type": "number"},
            "counts": _object({word: {"type": "integer"} for word in counted}),
            "health": maybe(_TEXT),
            "status": maybe(of(StatusReport)),
            "dns": maybe(of(DnsReport)),
            "teardown": maybe(of(TeardownReport)),
            "pause": maybe(of(PauseReport)),
        }
    )
