"""A worker's side of the engine: brings one resource to what is wanted, or removes it, and waits for the cloud.

Runs on threads of its own. What is to be saved is handed to the main thread, and nothing is written to a cloud before
it is on disk.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cloudlink.core import events as ev
from cloudlink.core.graph import Graph
from cloudlink.core.plan import Action, Change, diff, differences, exceeds_approval, spec_hash
from cloudlink.core.polling import Clock, Stopped, TimedOut, poll
from cloudlink.core.ports import ErrorPolicy, Store
from cloudlink.core.resource import (
    Lookup,
    Observed,
    Outputs,
    Ownership,
    Phase,
    Receipt,
    Resource,
    Started,
    UnknownOutput,
)
from cloudlink.core.schedule import End, Schedule, Task, typical_seconds_of, verb_of
from cloudlink.errors import CloudError, CloudlinkError, DeclinedError, WaitError

# How long a just created object may stay invisible to reads. https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
# (no bound is given there; Terraform's AWS provider waits five minutes)
VISIBLE_WITHIN = 300.0
# How long to search for an object whose create was not answered before it is created again. Assumption: reads lag by
# seconds, not minutes; where they lag longer a second object is possible, and the next run reports both.
READ_PAUSES_AFTER_UNKNOWN = (1.0, 4.0, 10.0, 15.0)
# Before anything is done, a network that is not there is told soon. Once a run is at work, giving up costs more than
# waiting: a laptop that changes its network, or a cloud's bad quarter of an hour, must not end it.
READ_PATIENCE = 60.0
WORK_PATIENCE = 900.0
MAX_UNKNOWN_OUTCOMES = 3  # writes of one resource that may go unanswered in one run
# Reads in a row that show an object READY that was to be deleted: then its deletion has failed.
READY_READS_BEFORE_DELETE_FAILED = 3
MAX_ROUNDS = 24  # updates of one resource in one run, one write each


@dataclass(frozen=True)
class Save:
    receipt: Receipt | None
    address: str
    saved: threading.Event
    failed: list[Exception]


class Bug(CloudlinkError):
    """Carries an unexpected exception from a worker to the main thread, where it is raised as it was."""


class UnknownOutcome(Exception):
    """A write whose outcome is unknown."""

    def __init__(self, error: Exception, attempts_left: int) -> None:
        super().__init__(str(error))
        self.error = error
        self.attempts_left = attempts_left


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
        self._unknown_left: dict[str, int] = {}
        self._slack: dict[str, float] = {}
        self.in_flight: dict[str, str] = {}
        """What goes on in the clouds right now, by address: shown when the run is interrupted."""

    def read(self, address: str, call: Callable[[], Any], *, patience: float = READ_PATIENCE) -> Any:
        """A read, tried again for ``patience`` seconds while it fails in passing."""
        start = self._clock.now()
        pause = 1.0
        while True:
            try:
                return call()
            except (CloudlinkError, UnknownOutput):
                raise
            except Exception as error:
                wait = self._error_policy.retry_after(error)
                if wait is None and self._error_policy.unknown_outcome(error):
                    wait = pause
                if wait is None or self._clock.now() - start > patience:
                    raise self._translated(error, address) from error
                if self._clock.wait(wait):
                    raise Stopped from None
                pause = min(pause * 2, 15)

    def _read_at_work(self, address: str, call: Callable[[], Any]) -> Any:
        return self.read(address, call, patience=WORK_PATIENCE)

    def _translated(self, error: Exception, address: str) -> CloudlinkError:
        """An SDK's error as ours. What is neither is a bug, and is raised as it is."""
        translated = error if isinstance(error, CloudlinkError) else self._error_policy.translate(error)
        if translated is None:
            raise error
        if not translated.resource:
            translated.resource = address
        return translated

    # --- a worker's side ---------------------------------------------------------------------------------

    def work(self, task: Task, run: Schedule) -> End:
        node = self.graph.nodes[task.address]
        start = self._clock.now()
        change = run.changes.get(task.address)
        self._slack[task.address] = run.slack(task)
        try:
            if isinstance(node, Lookup):
                if task.address in run.outputs:
                    return End(task, run.outputs[task.address])
                return End(task, self._read_at_work(task.address, lambda: node.read(run.known_outputs())))
            assert isinstance(node, Resource)
            assert change is not None
            if task.kind == "delete":
                deleted = self._delete(node)
                self.in_flight.pop(task.address, None)
                if change.action is Action.DELETE:
                    self._tell(
                        ev.Done(
                            self._clock.now(),
                            node.address,
                            node.title,
                            "delete",
                            self._since(start),
                            change.id,
                            deleted,
                        )
                    )
                return End(task, changed=True)
            if not run.must_act(task.address):
                self._record(node, run.snapshot.found[task.address], run.known_outputs())
                return End(task, run.outputs.get(task.address))
            found, changed, spec_gone = self._apply(node, change, run.known_outputs())
            self.in_flight.pop(task.address, None)
            verb = verb_of(change.action)
            self._tell(
                ev.Done(
                    self._clock.now(),
                    node.address,
                    node.title,
                    verb,
                    self._since(start),
                    found.id if found else "",
                    changed,
                )
            )
            return End(task, found.outputs if found and not spec_gone else None, changed=changed)
        except Stopped:
            return End(task, stopped=True)  # what is being made stays in flight: it goes on in the cloud
        except CloudlinkError as error:
            if not error.resource:
                error.resource = task.address
            self.in_flight.pop(task.address, None)
            return End(task, error=error)

    def _since(self, start: float) -> float:
        return self._clock.now() - start

    def _tell(self, event: ev.Event) -> None:
        self._queue.put(event)

    def _persist(self, receipt: Receipt | None, address: str) -> None:
        """Have the main thread save it; come back when it is on disk. Raises what saving raised."""
        message = Save(receipt, address, threading.Event(), [])
        self._queue.put(message)
        message.saved.wait()
        if message.failed:
            error = message.failed[0]
            raise error if isinstance(error, CloudlinkError) else Bug("saving failed") from error

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
        if differences(found, node.spec(outputs)):
            return None
        old = self._store.receipts().of(node)
        fresh = Receipt(
            node.address, found.id, found.phase.value, spec_hash(node.spec(outputs)), found.owned, self._clock.now()
        )
        if old is not None:
            fresh = replace(fresh, since=old.since, prior_state=old.prior_state)
        return fresh if old != fresh else None

    def _apply(
        self, node: Resource[Any, Any], change: Change, outputs: Outputs
    ) -> tuple[Observed[Any, Any] | None, bool, bool]:
        """Bring one resource to its spec, one write per round. Returns (found, changed, unwanted)."""
        spec = node.spec(outputs)
        found = self._find(node)
        changed = False
        self._tell(
            ev.Begun(
                self._clock.now(),
                node.address,
                node.title,
                verb_of(change.action),
                typical_seconds_of(node, change.action),
            )
        )
        if found is not None and found.phase is Phase.DELETING:
            self._wait_gone(node, found)
            found = None
        for round_number in range(MAX_ROUNDS):
            if spec is None:
                if found is not None and found.owned is Ownership.OWNED:
                    self._check_approved(node, Action.DELETE, change)
                    self._remove(node, found)
                return None, True, True
            if found is None:
                self._check_approved(node, Action.CREATE, change)
                found = self._create(node, spec)
                changed = True
            elif found.phase is Phase.CREATING:
                found = self._wait_ready(node, "create", read_first=True)
                changed = True
            elif found.phase is Phase.FAILED and round_number > 0:
                raise self._failed(node, found, None)
            elif found.phase is Phase.FAILED and node.on_failure is Action.REPLACE:
                self._check_approved(node, Action.REPLACE, change)
                self._remove(node, found)
                found = None
            else:
                fields = differences(found, spec)
                if (not fields and found.phase is Phase.READY) or (
                    found.owned is Ownership.ADOPTED and not node.changes_adopted
                ):
                    break
                if node.immutable & {f.field for f in fields}:
                    self._check_approved(node, Action.REPLACE, change)
                    self._remove(node, found)
                    found = None
                    continue
                if not changed:  # what this run has written itself may need several writes
                    self._check_approved(node, Action.UPDATE, change)
                found = self._update(node, found, spec)
                changed = True
        else:
            names = ", ".join(f.field for f in diff(found.spec, spec)) if found and found.spec else "its state"
            raise CloudError(
                "A change does not stay",
                f"{node.title} was written {MAX_ROUNDS} times and its {names} still differ from what is wanted. "
                "Something else may be changing it back.",
                "Find out who else manages it, then run cloudlink up again.",
                resource=node.address,
            )
        assert found is not None
        self._receipt(node, found, spec)
        return found, changed, False

    def _check_approved(self, node: Resource[Any, Any], actual: Action, change: Change) -> None:
        if exceeds_approval(actual, change.action):
            raise DeclinedError(
                "The plan has changed",
                f"{node.title} needed {change.action.value} when the plan was made, and needs {actual.value} now. "
                "It was left unchanged.",
                "Run cloudlink plan to see what has changed, then cloudlink up again.",
                resource=node.address,
            )

    def _find(self, node: Resource[Any, Any]) -> Observed[Any, Any] | None:
        found: Observed[Any, Any] | None = self._read_at_work(
            node.address, lambda: node.find(self._store.receipts(), fresh=True)
        )
        return found

    # --- writes ------------------------------------------------------------------------------------------

    def _prior_state(self, node: Resource[Any, Any], found: Observed[Any, Any] | None) -> Any:
        old = self._store.receipts().of(node)
        return old.prior_state if old is not None and old.prior_state is not None else node.prior_state(found)

    def _intend(self, node: Resource[Any, Any], found: Observed[Any, Any] | None, spec: Any, intent: str) -> None:
        old = self._store.receipts().of(node)
        self._persist(
            Receipt(
                node.address,
                found.id if found else (old.id if old else ""),
                found.phase.value if found else Phase.CREATING.value,
                spec_hash(spec),
                found.owned if found else Ownership.OWNED,
                old.since if old else self._clock.now(),
                intent,
                self._prior_state(node, found),
            ),
            node.address,
        )

    def _receipt(self, node: Resource[Any, Any], found: Observed[Any, Any], spec: Any) -> None:
        old = self._store.receipts().of(node)
        receipt = Receipt(
            node.address,
            found.id,
            found.phase.value,
            spec_hash(spec),
            found.owned,
            old.since if old else self._clock.now(),
            "",
            old.prior_state if old else None,
        )
        if receipt != old:
            self._persist(receipt, node.address)

    def _create(self, node: Resource[Any, Any], spec: Any) -> Observed[Any, Any]:
        self._intend(node, None, spec, "create")
        started: Started | None = None
        while started is None:
            try:
                started = self._attempt(node, lambda: node.create(spec))
            except UnknownOutcome as unknown:
                found = self._find_after_unknown(node)
                if found is not None:
                    return self._wait_ready(node, "create", read_first=True)
                if unknown.attempts_left <= 0:
                    raise self._translated(unknown.error, node.address) from unknown.error
                self._warn_of_duplicate(node)
        old = self._store.receipts().of(node)
        self._persist(
            Receipt(
                node.address,
                started.id,
                Phase.CREATING.value,
                spec_hash(spec),
                old.owned if old else Ownership.OWNED,
                old.since if old else self._clock.now(),
                "create",
                old.prior_state if old else None,
            ),
            node.address,
        )
        return self._wait_ready(node, "create", started)

    def _find_after_unknown(self, node: Resource[Any, Any]) -> Observed[Any, Any] | None:
        for pause in READ_PAUSES_AFTER_UNKNOWN:
            self._pause(pause)
            found = self._find(node)
            if found is not None:
                return found
        return None

    def _warn_of_duplicate(self, node: Resource[Any, Any]) -> None:
        """A promise that cannot be kept by design is said at once, with what to check."""
        if command := node.duplicate_check_command():
            text = (
                f"The create of {node.title} was not answered, and no read showed it for "
                f"{sum(READ_PAUSES_AFTER_UNKNOWN):.0f} s, so it is sent again. Should the first one appear later, there are "
                f"two: the next run names both and touches neither. To check now: {command}"
            )
            self._tell(ev.Note(self._clock.now(), "warning", text))

    def _update(self, node: Resource[Any, Any], found: Observed[Any, Any], spec: Any) -> Observed[Any, Any]:
        self._intend(node, found, spec, "update")
        try:
            started = self._attempt(
                node, lambda: node.complete_marks(found) if found.incomplete else node.update(found, spec)
            )
        except UnknownOutcome:
            started = Started(found.id)  # the next read shows whether it had its effect
        return self._wait_ready(node, "update", started)

    def _delete(self, node: Resource[Any, Any]) -> bool:
        self._tell(ev.Begun(self._clock.now(), node.address, node.title, "delete", node.timing.delete))
        found = self._find(node)
        if found is None:
            self._persist(None, node.address)
            return False
        self._remove(node, found)
        return True

    def _remove(self, node: Resource[Any, Any], found: Observed[Any, Any]) -> None:
        if found.owned is Ownership.ADOPTED:
            raise DeclinedError(
                "Not cloudlink's to delete",
                f"{node.title} ({found.id}) was not made by cloudlink; it was left unchanged.",
                "Change it by hand, or take it out of the configuration.",
                resource=node.address,
            )
        old = self._store.receipts().of(node)
        prior_state = old.prior_state if old else None
        started: Started | None = None
        if found.phase is not Phase.DELETING:
            self._persist(
                Receipt(
                    node.address,
                    found.id,
                    Phase.DELETING.value,
                    old.spec_hash if old else "",
                    found.owned,
                    old.since if old else self._clock.now(),
                    "delete",
                    prior_state,
                ),
                node.address,
            )
            while True:
                current = found
                try:
                    started = self._attempt(node, lambda current=current: node.delete(current, prior_state))  # type: ignore[misc]
                    break
                except UnknownOutcome as unknown:
                    again = self._find(node)
                    if again is None or again.phase is Phase.DELETING:
                        break
                    if unknown.attempts_left <= 0:
                        raise self._translated(unknown.error, node.address) from unknown.error
                    self._pause(READ_PAUSES_AFTER_UNKNOWN[1])
                    found = again
        self._wait_gone(node, found, started)
        self._persist(None, node.address)

    def _attempt(self, node: Resource[Any, Any], call: Callable[[], Any]) -> Any:
        """One write, repeated while the cloud says that it is only not possible yet. Raises UnknownOutcome
        when nobody knows whether it had its effect, and our own errors."""
        start = self._clock.now()
        while True:
            if self._clock.stopped:
                raise Stopped
            try:
                self.in_flight[node.address] = "being written"
                return call()
            except CloudlinkError:
                raise
            except Exception as error:
                wait = self._error_policy.retry_after(error)
                if wait is not None and self._clock.now() - start < max(node.timing.deadline, WORK_PATIENCE):
                    translated = self._error_policy.translate(error)
                    self._tell(
                        ev.Progress(
                            self._clock.now(),
                            node.address,
                            f"waiting: {translated.code or translated.summary if translated else 'busy'}",
                        )
                    )
                    self._pause(wait)
                    continue
                if self._error_policy.unknown_outcome(error):
                    raise UnknownOutcome(error, self._count_unknown(node)) from error
                self.in_flight.pop(node.address, None)
                raise self._translated(error, node.address) from error

    def _count_unknown(self, node: Resource[Any, Any]) -> int:
        self._unknown_left[node.address] = self._unknown_left.get(node.address, MAX_UNKNOWN_OUTCOMES + 1) - 1
        return self._unknown_left[node.address]

    def _pause(self, seconds: float) -> None:
        if self._clock.wait(seconds):
            raise Stopped

    # --- waits -------------------------------------------------------------------------------------------

    def _wait_ready(
        self,
        node: Resource[Any, Any],
        verb: str,
        started: Started | None = None,
        *,
        read_first: bool = False,
    ) -> Observed[Any, Any]:
        typical_seconds = node.timing.update if verb == "update" else node.timing.create
        begin = self._clock.now()
        self.in_flight[node.address] = "being created" if verb == "create" else "being changed"

        def read() -> Observed[Any, Any] | None:
            return node.find(self._store.receipts(), fresh=True)

        def done(seen: Observed[Any, Any] | None) -> bool:
            if seen is None:
                if self._clock.now() - begin > VISIBLE_WITHIN:
                    raise CloudError(
                        "A created object does not appear",
                        f"{node.title} was created ({started.id if started else 'no id'}) and five minutes later the cloud still does not show it.",
                        "Look for it in the cloud's console, then run cloudlink up again.",
                        resource=node.address,
                    )
                return False
            return seen.phase in (Phase.READY, Phase.FAILED)

        def tell(seen: Observed[Any, Any] | None) -> None:
            self._tell(ev.Progress(self._clock.now(), node.address, seen.detail if seen else "not visible yet"))

        try:
            seen = poll(
                read,
                done,
                clock=self._clock,
                typical_seconds=typical_seconds,
                deadline=node.timing.deadline,
                on_read=tell,
                passing=self._passing,
                slack=self._slack[node.address],
                read_first=read_first,
            )
        except TimedOut as timed_out:
            last = timed_out.last
            state = last.detail or last.phase.value if isinstance(last, Observed) else "nothing"
            rolled_back = node.rollback(last if isinstance(last, Observed) else None, self._prior_state(node, None))
            raise WaitError(
                "Gave up waiting",
                f"{node.title} was not ready after {timed_out.waited / 60:.0f} minutes; the cloud last said: {state}. "
                f"{rolled_back or 'It may still end well by itself.'}",
                "Run cloudlink up again: it reads the object before it does anything.",
                resource=node.address,
            ) from None
        except CloudlinkError:
            raise
        except Stopped:
            raise
        except Exception as error:
            raise self._translated(error, node.address) from error
        assert seen is not None
        if seen.phase is Phase.FAILED:
            raise self._failed(node, seen, started)
        return seen

    def _failed(self, node: Resource[Any, Any], found: Observed[Any, Any], started: Started | None) -> CloudError:
        rolled_back = node.rollback(found, self._prior_state(node, found))
        return CloudError(
            "The operation failed in the cloud",
            f"{node.title} ended as failed: {self._why(found, started)}. {rolled_back}".strip(),
            "Correct what the cloud names, then run cloudlink up again.",
            resource=node.address,
        )

    def _why(self, found: Observed[Any, Any], started: Started | None) -> str:
        """The cloud's own reason, as far as it gives one."""
        reason = ""
        if started is not None:
            try:
                reason = started.reason()
            except Exception as error:  # noqa: BLE001 - the reason is a courtesy; what failed is known already
                reason = "" if self._error_policy.translate(error) else str(error)
        return ". ".join(s.rstrip(".") for s in (reason, found.detail) if s) or "no reason was given"

    def _wait_gone(self, node: Resource[Any, Any], found: Observed[Any, Any], started: Started | None = None) -> None:
        self.in_flight[node.address] = "being deleted"
        going, back, begin = False, 0, self._clock.now()

        def gone(seen: Observed[Any, Any] | None) -> bool:
            nonlocal going, back
            if seen is None or (found.owned is Ownership.SHARED and seen.phase is Phase.READY):
                return True
            going = going or seen.phase is Phase.DELETING
            back = back + 1 if seen.phase in (Phase.READY, Phase.FAILED) else 0
            # A read may lag behind the deletion, and one that is quick may never be seen going on.
            return back >= READY_READS_BEFORE_DELETE_FAILED and (going or self._clock.now() - begin > VISIBLE_WITHIN)

        try:
            left = poll(
                lambda: node.find(self._store.receipts(), fresh=True),
                gone,
                clock=self._clock,
                typical_seconds=node.timing.delete,
                deadline=node.timing.deadline,
                on_read=lambda seen: self._tell(
                    ev.Progress(self._clock.now(), node.address, seen.detail if seen else "gone")
                ),
                passing=self._passing,
                slack=self._slack[node.address],
                read_first=node.timing.delete <= 2,
            )
            if left is not None and back:
                raise CloudError(
                    "The deletion failed in the cloud",
                    f"{node.title} is still there, its deletion ended as failed: {self._why(left, started)}.",
                    "Run the same command again: it repeats the deletion.",
                    resource=node.address,
                )
        except TimedOut as timed_out:
            last = timed_out.last
            state = last.detail or last.phase.value if isinstance(last, Observed) else "nothing"
            raise WaitError(
                "Gave up waiting",
                f"{node.title} was not gone after {timed_out.waited / 60:.0f} minutes; the cloud last said: {state}.",
                "Run the command again: deletion goes on in the cloud, and it reads before it does anything.",
                resource=node.address,
            ) from None
        except (CloudlinkError, Stopped):
            raise
        except Exception as error:
            raise self._translated(error, node.address) from error

    def _passing(self, error: Exception) -> bool:
        return self._error_policy.unknown_outcome(error) or self._error_policy.retry_after(error) is not None
