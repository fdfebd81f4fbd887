"""A worker's side of the engine: brings one resource to what is wanted, or removes it.

Runs on threads of its own. What is to be saved is handed to the main thread, and nothing is written to a cloud before
it is on disk.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from cloudlink.core import events as ev
from cloudlink.core.graph import Graph
from cloudlink.core.plan import Action, Change, FieldChange, differences, exceeds_approval, spec_hash
from cloudlink.core.polling import Clock, Stopped, retry
from cloudlink.core.ports import ErrorPolicy, Store
from cloudlink.core.resource import Lookup, Observed, Outputs, Ownership, Phase, Receipt, Resource, Started
from cloudlink.core.schedule import End, Schedule, Task, typical_seconds_of, usual_range_of, verb_of
from cloudlink.core.waiting import VISIBLE_WITHIN, WORK_PATIENCE, Waiting
from cloudlink.errors import CloudError, CloudlinkError, DeclinedError, UnreachableError

T = TypeVar("T")

# How long to search for an object whose create was not answered before it is created again. Assumption: reads lag by
# seconds, not minutes; where they lag longer a second object is possible, and the next run reports both.
READ_PAUSES_AFTER_UNKNOWN = (1.0, 4.0, 10.0, 15.0)
PAUSE_BEFORE_DELETING_AGAIN = 4.0
MAX_UNKNOWN_OUTCOMES = 3  # writes of one resource that may go unanswered in one run
LONG_WAIT = 60.0  # seconds until the next try that are said, so that nobody takes the wait for a run that hangs
MAX_REPEATS = 3  # of a write whose operation ended as failed for something that passes
MAX_ROUNDS = 24  # updates of one resource in one run, one write each


@dataclass(frozen=True)
class Save:
    receipt: Receipt | None
    address: str
    saved: threading.Event
    failed: list[Exception]


class UnknownOutcome(Exception):
    """A write whose outcome is unknown."""

    def __init__(self, error: Exception, attempts_left: int) -> None:
        super().__init__(str(error))
        self.error = error
        self.attempts_left = attempts_left


def _refused_throughout(error: CloudlinkError, seconds: float) -> CloudlinkError:
    """With how long the cloud said that it will pass, which is no reason to wait any more."""
    said = f"{error.detail.strip().rstrip('.')}. " if error.detail.strip() else ""
    error.detail = f"{said}It was asked again and again for {seconds / 60:.0f} min, and answered the same."
    if isinstance(error, UnreachableError):  # which has a hint of its own
        return error
    error.hint = (
        "Find what else is at work there, in the cloud's console (in Azure: the Activity log), and end it or let it end; if it is "
        "nothing of yours, open a support case. Nothing is lost: the same command goes on from here."
    )
    return error


class NotBegun(Exception):
    """The run was halted before the first write to this resource."""


@dataclass
class Job:
    """One resource in one run: what has to be known of it between two writes."""

    node: Resource[Any, Any]
    run: Schedule
    slack: float
    unknown_left: int = MAX_UNKNOWN_OUTCOMES + 1
    repeats_left: int = MAX_REPEATS
    repeating: bool = False  # the last write's operation failed so, and is to be repeated
    written: bool = False  # a write of this run had, or may have had, its effect
    before: list[Any] = field(default_factory=list)  # its rollback_state before the first write; empty: none yet


class Worker:
    """Carries out tasks on threads of its own. messages, to the main thread: events, receipts to save, ends of tasks."""

    def __init__(
        self,
        graph: Graph,
        *,
        clock: Clock,
        store: Store,
        error_policy: ErrorPolicy,
        messages: queue.Queue[ev.Event | Save | End],
    ) -> None:
        self.graph = graph
        self._clock = clock
        self._store = store
        self._error_policy = error_policy
        self._queue = messages
        self.waiting = Waiting(clock=clock, store=store, error_policy=error_policy, tell=messages.put)
        self.in_flight: dict[str, str] = {}
        """What goes on in the clouds right now, by address: shown when the run is interrupted."""

    def work(self, task: Task, run: Schedule) -> End:
        """Carry out one task. Raises bugs only: a cloud's error is part of the result."""
        try:
            return self._work(task, run)
        except Stopped:
            return End(task, stopped=True)  # what is being made stays in flight: it goes on in the cloud
        except NotBegun:
            return End(task, not_begun=True)
        except CloudlinkError as error:
            if not error.resource:
                error.resource = task.address
            self.in_flight.pop(task.address, None)
            return End(task, error=error)

    def _work(self, task: Task, run: Schedule) -> End:
        node = self.graph.nodes[task.address]
        if isinstance(node, Lookup):
            if task.address in run.outputs:
                return End(task, run.outputs[task.address])
            read = self.waiting.read(task.address, lambda: node.read(run.known_outputs()), patience=WORK_PATIENCE)
            return End(task, read)
        assert isinstance(node, Resource)
        change = run.changes[task.address]
        job = Job(node, run, run.slack(task))
        start = self._clock.now()
        if task.kind == "delete":
            deleted = self._delete(job, change)
            self.in_flight.pop(task.address, None)
            if change.action is not Action.REPLACE:
                self._done(node, change, start, change.id, deleted)
            return End(task, changed=True)
        if not run.must_act(task.address):
            self._record(node, run.snapshot.found[task.address], run.known_outputs())
            return End(task, run.outputs.get(task.address))
        found, changed = self._apply(job, change, run.known_outputs())
        self.in_flight.pop(task.address, None)
        self._done(node, change, start, found.id, changed)
        return End(task, found.outputs, changed=changed)

    def _done(self, node: Resource[Any, Any], change: Change, start: float, id_: str, changed: bool) -> None:
        now = self._clock.now()
        self._tell(ev.Done(now, node.address, node.title, verb_of(change.action), now - start, id_, changed))

    def _tell(self, event: ev.Event) -> None:
        self._queue.put(event)

    # --- bringing it to what is wanted -------------------------------------------------------------------

    def _apply(self, job: Job, change: Change, outputs: Outputs) -> tuple[Observed[Any, Any], bool]:
        """Bring one resource to its spec, one write per round. Returns it, and whether anything was written or waited for."""
        node = job.node
        spec = node.spec(outputs)
        self._check_halted(job)
        found = self.waiting.find(node)
        changed = False
        self._tell(
            ev.Begun(
                self._clock.now(),
                node.address,
                node.title,
                verb_of(change.action),
                typical_seconds_of(node, change.action),
                usual_range_of(node, change.action, job.slack),
            )
        )
        if found is not None and found.phase is Phase.DELETING:
            self._until_gone(job, found)
            found = None
        written: tuple[FieldChange, ...] = ()  # what the last update was to change
        for round_number in range(MAX_ROUNDS):
            if found is None:
                self._check_approved(node, Action.CREATE, change)
                found = self._create(job, spec)
                changed = True
            elif found.phase is Phase.CREATING:
                found = self._until_ready(job, "create", read_first=True)
                changed = True
            elif found.phase is Phase.FAILED and round_number > 0 and not job.repeating:
                raise self.waiting.failed(node, found, before=self._before(job))
            elif found.phase is Phase.FAILED and node.on_failure is Action.REPLACE:
                self._check_approved(node, Action.REPLACE, change)
                self._remove(job, found)
                found = None
            else:
                fields = differences(found, spec)
                if (not fields and found.phase is Phase.READY) or found.owned is Ownership.ADOPTED:
                    break
                if found.phase is Phase.READY and fields == written and all(f.is_tag for f in fields):
                    break  # a policy of the cloud's owner puts its own value back at each write: no reason to stop a build
                if node.immutable & {f.field for f in fields}:
                    self._check_approved(node, Action.REPLACE, change)
                    self._remove(job, found)
                    found = None
                    continue
                approved = node.arises_by_itself and change.action is Action.CREATE
                if not changed and not approved:  # what this run has written itself may need several writes
                    self._check_approved(node, Action.UPDATE, change)
                found = self._update(job, found, spec)
                changed, written = True, fields
        else:
            assert found is not None
            names = ", ".join(f.field for f in differences(found, spec)) if found.spec else "its state"
            raise CloudError(
                "A change does not stay",
                f"{node.title} was written {MAX_ROUNDS} times and its {names} still differ from what is wanted. "
                "Something else may be changing it back.",
                "Find out who else manages it, then run cloudlink up again.",
                resource=node.address,
            )
        self._receipt(node, found, spec)
        return found, changed

    def _check_approved(self, node: Resource[Any, Any], actual: Action, change: Change) -> None:
        if exceeds_approval(actual, change.action):
            raise DeclinedError(
                "The plan has changed",
                f"{node.title} needed {change.action.value} when the plan was made, and needs {actual.value} now. "
                "It was left unchanged.",
                "Run cloudlink plan to see what has changed, then cloudlink up again.",
                resource=node.address,
            )

    def _check_halted(self, job: Job) -> None:
        """Raises NotBegun where the run is halted and this resource was not written to yet."""
        if job.run.halted_by and not job.written:
            raise NotBegun

    # --- receipts ----------------------------------------------------------------------------------------

    def _persist(self, receipt: Receipt | None, address: str) -> None:
        """Have the main thread save it; return when it is on disk. Raises the error of saving."""
        message = Save(receipt, address, threading.Event(), [])
        self._queue.put(message)
        message.saved.wait()
        if message.failed:
            raise message.failed[0]

    def _record(self, node: Resource[Any, Any], found: Observed[Any, Any] | None, outputs: Outputs) -> None:
        receipt = self.receipt_for(node, found, outputs)
        if receipt is not None:
            self._persist(receipt, node.address)

    def receipt_for(
        self, node: Resource[Any, Any], found: Observed[Any, Any] | None, outputs: Outputs
    ) -> Receipt | None:
        """The receipt of something that is as wanted; None when it is kept already."""
        if found is None or found.spec is None or found.phase is not Phase.READY:
            return None
        if node.unwanted:
            return None
        spec = node.spec(outputs)
        return None if differences(found, spec) else self._new_receipt(node, found, spec)

    def _receipt(self, node: Resource[Any, Any], found: Observed[Any, Any], spec: Any) -> None:
        receipt = self._new_receipt(node, found, spec)
        if receipt is not None:
            self._persist(receipt, node.address)

    def _new_receipt(self, node: Resource[Any, Any], found: Observed[Any, Any], spec: Any) -> Receipt | None:
        """The receipt of an object that is at rest; None when the state file has the same already."""
        old = self._store.receipts().of(node)
        new = Receipt(
            node.address,
            found.id,
            found.phase.value,
            spec_hash(spec),
            found.owned,
            self._clock.now(),
            place=node.place,
        )
        if old is not None:
            new = replace(new, since=old.since, prior_state=old.prior_state)
        return new if new != old else None

    def _intend(self, job: Job, found: Observed[Any, Any] | None, spec: Any, intent: str) -> None:
        """Save the intent before the write."""
        self._check_halted(job)
        node = job.node
        old = self._store.receipts().of(node)
        prior_state = old.prior_state if old is not None else None
        self._persist(
            Receipt(
                node.address,
                found.id if found else (old.id if old else ""),
                found.phase.value if found else Phase.CREATING.value,
                spec_hash(spec),
                found.owned if found else Ownership.OWNED,
                old.since if old else self._clock.now(),
                intent,
                prior_state if prior_state is not None else node.prior_state(found),
                node.place,
            ),
            node.address,
        )
        if not job.before:
            job.before.append(self.waiting.read(node.address, node.rollback_state, patience=WORK_PATIENCE))

    def _before(self, job: Job) -> Any:
        return job.before[0] if job.before else None

    # --- writes ------------------------------------------------------------------------------------------

    def _create(self, job: Job, spec: Any) -> Observed[Any, Any]:
        node = job.node
        self._intend(job, None, spec, "create")

        def once() -> Started | None:
            """None: it was not answered, and had its effect."""
            try:
                return self._attempt(job, lambda: node.create(spec))
            except UnknownOutcome as unknown:
                if self._appears(node):
                    return None
                if unknown.attempts_left > 0:
                    self._warn_of_duplicate(node)
                raise

        started = self._until_answered(job, once, 0.0)
        job.written = True
        if started is None:
            return self._until_ready(job, "create", read_first=True)
        old = self._store.receipts().of(node)
        assert old is not None, "the intent was written"
        if started.made is not None:
            return started.made
        self._persist(replace(old, id=started.id, phase=Phase.CREATING.value), node.address)
        return self._until_ready(job, "create", started)

    def _appears(self, node: Resource[Any, Any]) -> bool:
        for pause in READ_PAUSES_AFTER_UNKNOWN:
            self.waiting.pause(pause)
            if self.waiting.find(node) is not None:
                return True
        return False

    def _warn_of_duplicate(self, node: Resource[Any, Any]) -> None:
        """Warn, with the command to check, where a repeated create may have made a second object."""
        if command := node.duplicate_check_command():
            text = (
                f"The create of {node.title} was not answered, and no read showed it for "
                f"{sum(READ_PAUSES_AFTER_UNKNOWN):.0f} s, so it is sent again. Should the first one appear later, there are "
                f"two: the next run names both and touches neither. To check now: {command}"
            )
            self._tell(ev.Note(self._clock.now(), "warning", text))

    def _update(self, job: Job, found: Observed[Any, Any], spec: Any) -> Observed[Any, Any]:
        node = job.node
        self._intend(job, found, spec, "update")
        try:
            started = self._attempt(
                job, lambda: node.complete_marks(found) if found.incomplete else node.update(found, spec)
            )
        except UnknownOutcome:
            started = Started(found.id)  # the next read shows whether it had its effect
        job.written = True
        return self._until_ready(job, "update", started)

    def _delete(self, job: Job, change: Change) -> bool:
        """Delete it and wait until it is gone. Returns whether there was anything to delete."""
        node = job.node
        self._check_halted(job)
        verb: ev.Verb = "restore" if change.action is Action.RESTORE else "delete"
        usual = usual_range_of(node, Action.DELETE, job.slack)
        self._tell(ev.Begun(self._clock.now(), node.address, node.title, verb, node.timing.delete, usual))
        found = self.waiting.find(node)
        if found is None:
            self._persist(None, node.address)
            return False
        self._remove(job, found)
        return True

    def _remove(self, job: Job, found: Observed[Any, Any]) -> None:
        node = job.node
        if found.owned is Ownership.ADOPTED:
            raise DeclinedError(
                "Not cloudlink's to delete",
                f"{node.title} ({found.id}) was not made by cloudlink; it was left unchanged.",
                "Change it by hand, or take it out of the configuration.",
                resource=node.address,
            )
        started: Started | None = None
        if found.phase is not Phase.DELETING:
            self._check_halted(job)
            old = self._store.receipts().of(node)
            prior_state = old.prior_state if old else None
            self._persist(self.removal_receipt(node, found, old), node.address)
            current = found

            def once() -> Started | None:
                nonlocal current
                try:
                    return self._attempt(job, lambda: node.delete(current, prior_state))
                except UnknownOutcome:
                    again = self.waiting.find(node)
                    if again is None or again.phase is Phase.DELETING:
                        return None
                    current = again
                    raise

            started = self._until_answered(job, once, PAUSE_BEFORE_DELETING_AGAIN)
        self._until_gone(job, found, started)
        self._persist(None, node.address)

    def removal_receipt(
        self, node: Resource[Any, Any], found: Observed[Any, Any], old: Receipt | None = None
    ) -> Receipt:
        return Receipt(
            node.address,
            found.id,
            Phase.DELETING.value,
            old.spec_hash if old else "",
            found.owned,
            old.since if old else self._clock.now(),
            "delete",
            old.prior_state if old else None,
            node.place,
        )

    def _until_answered(self, job: Job, once: Callable[[], T], pause: float) -> T:
        """Repeat a write while its outcome is unknown, at most as often as the cap allows."""

        def again(error: Exception, _elapsed: float) -> float | None:
            return pause if isinstance(error, UnknownOutcome) and error.attempts_left > 0 else None

        try:
            return retry(once, again, self._clock)
        except UnknownOutcome as unknown:
            raise self.waiting.translated(unknown.error, job.node.address) from unknown.error

    def _attempt(self, job: Job, call: Callable[[], T]) -> T:
        """One write, repeated while the cloud says that it is not possible yet. Raises UnknownOutcome
        when nobody knows whether it had its effect, and our own errors."""
        node = job.node
        refused_for = 0.0  # seconds

        def once() -> T:
            if self._clock.stopped:
                raise Stopped
            self._check_halted(job)
            self.in_flight[node.address] = "being written"
            return call()

        def pause(error: Exception, elapsed: float) -> float | None:
            if isinstance(error, CloudlinkError | Stopped | NotBegun):
                return None
            nonlocal refused_for
            wait = self._error_policy.retry_after(error)
            longest = max(node.timing.deadline, WORK_PATIENCE)
            if self._error_policy.not_seen_yet(error):
                longest = VISIBLE_WITHIN
            if wait is None:
                return None
            if elapsed >= longest:
                refused_for = elapsed
                return None
            translated = self._error_policy.translate(error)
            said = translated.summary if translated else "busy"
            said += f" ({translated.code})" if translated and translated.code else ""
            again = f", again in {wait / 60:.0f} min" if wait >= LONG_WAIT else ""
            self._tell(ev.Progress(self._clock.now(), node.address, f"waiting: {said}{again}"))
            return wait

        try:
            result = retry(once, pause, self._clock)
        except (CloudlinkError, Stopped):
            raise
        except NotBegun:
            self.in_flight.pop(node.address, None)
            raise
        except Exception as error:
            if self._error_policy.unknown_outcome(error):
                job.unknown_left -= 1
                raise UnknownOutcome(error, job.unknown_left) from error
            self.in_flight.pop(node.address, None)
            known = self.waiting.translated(error, node.address)
            raise (_refused_throughout(known, refused_for) if refused_for >= WORK_PATIENCE else known) from error
        job.written = True
        return result

    # --- waits -------------------------------------------------------------------------------------------

    def _until_ready(
        self, job: Job, verb: str, started: Started | None = None, *, read_first: bool = False
    ) -> Observed[Any, Any]:
        self.in_flight[job.node.address] = "being created" if verb == "create" else "being changed"
        found = self.waiting.until_ready(
            job.node,
            verb,
            started,
            before=self._before(job),
            slack=job.slack,
            read_first=read_first,
            repeatable=job.repeats_left > 0 and job.node.on_failure is Action.UPDATE,
        )
        job.repeating = found.phase is Phase.FAILED
        job.repeats_left -= job.repeating
        return found

    def _until_gone(self, job: Job, found: Observed[Any, Any], started: Started | None = None) -> None:
        self.in_flight[job.node.address] = "being deleted"
        self.waiting.until_gone(job.node, found, started, slack=job.slack)
