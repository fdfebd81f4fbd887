"""Results and events for programs: JSON on stdout, as one object or as lines.

``plan``, ``status``, ``rotate-keys`` and ``verify-dns`` print one object, the result or an error. ``up``, ``teardown``, ``pause``
and ``resume`` print one object per line as things happen, each with ``at`` (RFC 3339, UTC, in the clouds' time) and ``type``:

    type       further keys
    reading    total                                         a read of what exists has begun
    planned    link changes counts warnings kept findings[] accounts{} also_learned[]
                                                             the same object as ``plan --json`` prints
    queued     address title verb needs[] usual usual_range[2]  will be worked on; usual: seconds it usually takes;
                                                             usual_range: eight of ten take between these
    begun      address title verb usual usual_range[2]
    progress   address detail                                the cloud's own word
    done       address title verb seconds id changed
    failed     address title error{}                         error: as below
    skipped    address title because                         not started
    halted     because made[] monthly_cost                   nothing more is begun; because: the address that was refused
    kept       address title why                             teardown leaves it
    note       level text                                    level: info or warning
    error      summary detail hint exit_code resource request_id code mistakes[]{path found allowed near_miss excerpt line} findings[]
    result     command link outcome exit_code seconds counts{} health status{} dns{} teardown{} pause{}

accounts: whose clouds these are: aws_account, aws_principal, aws_session_end (when the user has to sign in again, null where
that is not known), azure_subscription, azure_subscription_name, azure_tenant, azure_user, azure_session_end; null where
nobody asked.
also_learned: what each side will learn beyond the ranges that the link is for, each with side (aws or azure: that learns it),
range, owner, where and limit; of ``status`` what it has learned.
findings: what the checks before the first write found, each with topic, severity (obstacle, warning or not proved),
summary, detail, hint, resource, key, mistake (null, or as above) and explains (the resource that could not be read
because of it). Where one is an obstacle, ``plan`` and ``up`` end
with 3, or with 4 where access is missing, and nothing is begun; the error then lists the obstacles.

``result`` is always the last line; outcome: ``done``, ``unhealthy`` or ``error``, exit_code that of the command;
health, status, dns, teardown and pause are null where the command has none. Keys may be added, never renamed. verb: read, create, update, replace, delete,
restore, wait or check. Notes of the one-object commands go to stderr.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudlink.checks.health import Health
from cloudlink.core.events import Done, Event, Failed, Kept, Skipped, Tick
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.errors import CloudlinkError, ConfigError, Severity
from cloudlink.link import Link
from cloudlink.secret import Secret
from cloudlink.view.options import ViewOptions
from cloudlink.view.printer import Printer
from cloudlink.view.prompt import answered_yes
from cloudlink.view.text import line, to_paste

if TYPE_CHECKING:
    from cloudlink.checks.doctor import DoctorReport
    from cloudlink.checks.report import DnsReport, PauseReport, StatusReport, TeardownReport
    from cloudlink.day_two.reports import LogsReport, RotationReport, TrialReport

_STREAMING = frozenset({"up", "teardown", "pause", "resume"})
COUNTED = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "restore": "restored",
}  # verb -> the key of what has been done
EVENT_KEYS = {"typical_seconds": "usual"}  # fields of events that programs know by an older name
NAMED_ROWS: dict[str, tuple[str, str, str]] = {
    "records": ("name", "kind", "target"),
    "addresses": ("address", "subnet", "state"),
    "deleted": ("address", "title", "detail"),
    "restored": ("address", "title", "detail"),
    "kept": ("address", "title", "detail"),
    "leftovers": ("address", "title", "detail"),
}


TIMESTAMPS = frozenset(
    {
        "since",
        "asked_at",
        "evidence_at",
        "azure_evidence_at",
        "key_changed",
        "unchanged_since",
        "aws_session_end",
        "azure_session_end",
    }
)  # seconds since the epoch
_TO_TYPE = frozenset({"fix", "hint", "next", "command", "task"})  # may hold commands


def as_json(thing: object) -> Any:
    """A plan, report, change, event, error or any of their parts as what ``json.dumps`` takes."""
    if isinstance(thing, Secret):
        return "(secret)"
    if isinstance(thing, Plan):
        return _plan(thing)
    if isinstance(thing, Change):
        return _change(thing)
    if isinstance(thing, CloudlinkError):
        return _error(thing)
    if isinstance(thing, Event):
        return _event(thing)
    if isinstance(thing, enum.Enum):
        return thing.value
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return {f.name: _field(f.name, getattr(thing, f.name)) for f in dataclasses.fields(thing)}
    if isinstance(thing, dict):
        return {str(key): as_json(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [as_json(item) for item in thing]
    if thing is None or isinstance(thing, str | int | float | bool):
        return thing
    return str(thing)


def _field(name: str, value: object) -> Any:
    if name in TIMESTAMPS and isinstance(value, float):
        return timestamp(value)
    if name in NAMED_ROWS and isinstance(value, tuple):
        return [dict(zip(NAMED_ROWS[name], row, strict=True)) for row in value]
    return as_json(value)


def _change(change: Change) -> dict[str, Any]:
    return {
        "address": change.address,
        "action": change.action.value,
        "title": change.title,
        "step": change.step,
        "why": change.why,
        "fields": [as_json(f) for f in change.fields],
        "id": change.id,
        "drift": change.drift,
        "who": change.who,
    }


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "changes": [_change(c) for c in plan.changes],
        "counts": {action.value: plan.count(action) for action in Action},
        "warnings": [*plan.warnings, *(f.text for f in plan.found(Severity.WARNING))],
        "kept": [as_json(k) for k in plan.kept],
        "findings": [as_json(f) for f in plan.findings],
        "accounts": as_json(plan.accounts),
        "also_learned": [as_json(a) for a in plan.also_learned],
    }


def _error(error: CloudlinkError) -> dict[str, Any]:
    mistakes = error.mistakes if isinstance(error, ConfigError) else ()
    mistakes += tuple(f.mistake for f in error.findings if f.mistake is not None)
    return {
        "type": "error",
        "summary": error.summary,
        "detail": error.detail,
        "hint": error.hint,
        "exit_code": error.exit_code,
        "resource": error.resource,
        "request_id": error.request_id,
        "code": error.code,
        "mistakes": [as_json(m) for m in mistakes],
        "findings": [as_json(f) for f in error.findings],
    }


def _event(event: Event) -> dict[str, Any]:
    fields = {
        EVENT_KEYS.get(f.name, f.name): getattr(event, f.name) for f in dataclasses.fields(event) if f.name != "at"
    }
    head = {"at": timestamp(event.at), "type": event_type(type(event))}
    return {**head, **{name: as_json(value) for name, value in fields.items()}}


def event_type(kind: type[Event]) -> str:
    return _snake(kind.__name__)


def timestamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _to_paste(thing: Any, given: str, context: str, name: str = "") -> Any:
    """The same with commands as they have to be typed here."""
    if isinstance(thing, dict):
        return {key: _to_paste(value, given, context, key) for key, value in thing.items()}
    if isinstance(thing, list):
        return [_to_paste(item, given, context, name) for item in thing]
    return to_paste(thing, given, context) if isinstance(thing, str) and name in _TO_TYPE else thing


def dumped(thing: Any) -> str:
    """One line of printable ASCII: whatever could steer a terminal is escaped."""
    return json.dumps(thing, ensure_ascii=True)


class JsonView:
    """Objects on stdout; only questions, and notes that have no line of their own, on stderr."""

    def __init__(self, options: ViewOptions) -> None:
        self._out = options.out
        self._err = Printer(options.err, colour=False)
        self._clock = options.clock
        self._command = options.command
        self._link = options.link
        self._given = options.typed_after
        self._context = options.context
        self._streaming = self._command in _STREAMING
        self._began = self._clock.now()
        self._counts: Counter[str] = Counter()
        self._results: dict[str, Any] = {"health": None, "status": None, "dns": None, "teardown": None, "pause": None}
        self._unhealthy = False
        self._error: CloudlinkError | None = None
        self._said = False  # the one object of a command that prints one
        self._closed = False

    def event(self, event: Event) -> None:
        if isinstance(event, Done):
            word = COUNTED.get(event.verb)
            if word and event.changed:
                self._counts[word] += 1
        elif isinstance(event, Failed | Skipped | Kept):
            self._counts[type(event).__name__.lower()] += 1
        if not self._streaming or isinstance(event, Tick):
            return
        self._write(as_json(event))

    def plan(self, plan: Plan, *, link: Link) -> None:
        if self._streaming:
            head = {"at": timestamp(self._clock.now()), "type": "planned", "link": self._link}
            self._write({**head, **as_json(plan)})
        else:
            self._one({"link": link.name, **as_json(plan)})

    def status(self, report: StatusReport, *, everything: bool = False) -> None:
        self._result("status", report, report.health, well=report.well)

    def watch(self, report: StatusReport, *, everything: bool = False) -> None:
        self._write(as_json(report))

    def doctor(self, report: DoctorReport) -> None:
        self._one(as_json(report))

    def trials(self, report: TrialReport) -> None:
        self._one(as_json(report))

    def rotation(self, report: RotationReport) -> None:
        self._one(as_json(report))

    def logs(self, report: LogsReport) -> None:
        self._one(as_json(report))

    def dns(self, report: DnsReport, *, everything: bool = False) -> None:
        self._result("dns", report, report.health, well=report.health is Health.HEALTHY)

    def teardown(self, report: TeardownReport) -> None:
        self._unhealthy |= not report.complete
        self._result("teardown", report, None)

    def pause(self, report: PauseReport) -> None:
        self._result("pause", report, None)

    def error(self, error: CloudlinkError) -> None:
        self._error = error
        if self._streaming:
            self._write({"at": timestamp(self._clock.now()), **as_json(error)})
        elif self._said:
            self._err.print([line(f"{error.summary}: {error.detail}" if error.detail else error.summary)])
        else:
            self._one(as_json(error))

    def note(self, text: str) -> None:
        if self._streaming:
            self._write({"at": timestamp(self._clock.now()), "type": "note", "level": "info", "text": text})
        else:
            self._err.print([line(text)])

    def confirm(self, question: str) -> bool:
        self._err.ask("".join(span.text for span in line(question)) + " [y/N] ")
        return answered_yes()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if not self._streaming:
            return
        if self._error:
            outcome, code = "error", self._error.exit_code
        elif self._unhealthy:
            outcome, code = "unhealthy", 8
        else:
            outcome, code = "done", 0
        counted = (*COUNTED.values(), "failed", "skipped", "kept")
        self._write(
            {
                "at": timestamp(self._clock.now()),
                "type": "result",
                "command": self._command,
                "link": self._link,
                "outcome": outcome,
                "exit_code": code,
                "seconds": round(self._clock.now() - self._began, 3),
                "counts": {word: self._counts[word] for word in counted},
                **self._results,
            }
        )

    def _result(
        self,
        key: str,
        report: StatusReport | DnsReport | TeardownReport | PauseReport,
        health: Health | None,
        *,
        well: bool = True,
    ) -> None:
        if not self._streaming:
            self._one(as_json(report))
            return
        self._results[key] = as_json(report)
        self._unhealthy |= not well
        if health is not None and (key == "status" or self._results["health"] is None):
            self._results["health"] = health.value

    def _one(self, thing: Any) -> None:
        self._said = True
        self._write(thing)

    def _write(self, thing: Any) -> None:
        self._out.write(dumped(_to_paste(thing, self._given, self._context)) + "\n")
        self._out.flush()
