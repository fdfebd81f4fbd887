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
from cloudlink.core.plan import Action, Change, diff, differences, spec_hash, worse
from cloudlink.core.polling import Clock, Stopped, TimedOut, poll
from cloudlink.core.ports import Sense, Store
from cloudlink.core.resource import (
    Found,
    Given,
    Lookup,
    NotYetKnown,
    Ownership,
    Phase,
    Receipt,
    Resource,
    Started,
)
from cloudlink.core.schedule import End, Schedule, Task, usual_of, verb_of
from cloudlink.errors import CloudError, CloudlinkError, DeclinedError, WaitError

# How long a just created object may stay invisible to reads. https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
# (no bound is given there; Terraform's AWS provider waits five minutes)
VISIBLE_WITHIN = 300.0
# How long to look for an object whose create was not answered before it is created again. Assumption: reads lag by
# seconds, not minutes; where they lag longer a second object is possible, and the next run reports both.
LOST_ANSWER_LOOKS = (1.0, 4.0, 10.0, 15.0)
# Before anything is done, a network that is not there is told soon. Once a run is at work, giving up costs more than
# waiting: a laptop that changes its network, or a cloud's bad quarter of an hour, must not end it.
LOOK_PATIENCE = 60.0
WORK_PATIENCE = 900.0
MAX_LOST = 3  # writes of one resource that may go unanswered in one run
SURELY_BACK = 3  # looks in turn at which something stands that was to be deleted: its deletion has failed
MAX_ROUNDS = 24  # updates of one resource in one run, one write each


@dataclass(frozen=True)
class Save:
    receipt: Receipt | None
    address: str
    saved: threading.Event
    failed: list[Exception]


class Bug(CloudlinkError):
    """Carries an unexpected exception from a worker to the main thread, where it is raised as it was."""


class Lost(Exception):
    """A write whose outcome is unknown."""

    def __init__(self, error: Exception, attempts_left: int) -> None:
        super().__init__(str(error))
        self.error = error
        self.attempts_left = attempts_left


class Worker:
    """messages: to the main thread: events, what is to be saved, and how tasks ended."""

    def __init__(
        self,
        graph: Graph,
        *,
        clock: Clock,
        store: Store,
        sense: Sense,
        messages: queue.Queue[ev.Event | Save | End],
    ) -> None:
        self.graph = graph
        self._clock = clock
        self._store = store
        self._sense = sense
        self._queue = messages
        self._strikes: dict[str, int] = {}
        self._slack: dict[str, float] = {}
        self.in_flight: dict[str, str] = {}
        """What goes on in the clouds right now, by address: shown when the run is interrupted."""

    def read(self, address: str, call: Callable[[], Any], *, patience: float = LOOK_PATIENCE) -> Any:
        """A read, tried again for ``patience`` seconds while it fails in passing."""
        start = self._clock.now()
        pause = 1.0
        while True:
            try:
                return call()
            except (CloudlinkError, NotYetKnown):
                raise
            except Exception as error:
                wait = self._sense.retry_after(error)
                if wait is None and self._sense.unknown_outcome(error):
                    wait = pause
                if wait is None or self._clock.now() - start > patience:
                    raise self._ours(error, address) from error
                if self._clock.wait(wait):
                    raise Stopped from None
                pause = min(pause * 2, 15)

    def _read_at_work(self, address: str, call: Callable[[], Any]) -> Any:
        return self.read(address, call, patience=WORK_PATIENCE)

    def _ours(self, error: Exception, address: str) -> CloudlinkError:
        """An SDK's error as ours. What is neither is a bug, and is raised as it is."""
        translated = error if isinstance(error, CloudlinkError) else self._sense.translate(error)
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
                return End(task, self._read_at_work(task.address, lambda: node.look(run.given())))
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
                self._remember(node, run.seen.found[task.address], run.given())
                return End(task, run.outputs.get(task.address))
            found, changed, spec_gone = self._apply(node, change, run.given())
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

    def _remember(self, node: Resource[Any, Any], found: Found[Any, Any] | None, given: Given) -> None:
        receipt = self.remembered(node, found, given)
        if receipt is not None:
            self._persist(receipt, node.address)

    def remembered(self, node: Resource[Any, Any], found: Found[Any, Any] | None, given: Given) -> Receipt | None:
        """The receipt of something that is as wanted; None when it is kept already."""
        if found is None or found.spec is None or found.phase is not Phase.READY:
            return None
        if differences(found, node.spec(given)):
            return None
        old = self._store.receipts().of(node)
        fresh = Receipt(
            node.address, found.id, found.phase.value, spec_hash(node.spec(given)), found.owned, self._clock.now()
        )
        if old is not None:
            fresh = replace(fresh, since=old.since, before=old.before)
        return fresh if old != fresh else None

    def _apply(
        self, node: Resource[Any, Any], change: Change, given: Given
    ) -> tuple[Found[Any, Any] | None, bool, bool]:
        """Bring one resource to its spec, one write per round. Returns (found, changed, unwanted)."""
        spec = node.spec(given)
        found = self._find(node)
        changed = False
        self._tell(
            ev.Begun(self._clock.now(), node.address, node.title, verb_of(change.action), usual_of(node, change.action))
        )
        if found is not None and found.phase is Phase.DELETING:
            self._wait_gone(node, found)
            found = None
        for round_number in range(MAX_ROUNDS):
            if spec is None:
                if found is not None and found.owned is Ownership.OWNED:
                    self._agreed(node, Action.DELETE, change)
                    self._remove(node, found)
                return None, True, True
            if found is None:
                self._agreed(node, Action.CREATE, change)
                found = self._create(node, spec)
                changed = True
            elif found.phase is Phase.CREATING:
                found = self._wait_ready(node, "create", first_look=True)
                changed = True
            elif found.phase is Phase.FAILED and round_number > 0:
                raise self._failed(node, found, None)
            elif found.phase is Phase.FAILED and node.after_failure is Action.REPLACE:
                self._agreed(node, Action.REPLACE, change)
                self._remove(node, found)
                found = None
            else:
                fields = differences(found, spec)
                if (not fields and found.phase is Phase.READY) or (
                    found.owned is Ownership.ADOPTED and not node.changes_adopted
                ):
                    break
                if node.immutable & {f.field for f in fields}:
                    self._agreed(node, Action.REPLACE, change)
                    self._remove(node, found)
                    found = None
                    continue
                if not changed:  # what this run has written itself may need several writes
                    self._agreed(node, Action.UPDATE, change)
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

    def _agreed(self, node: Resource[Any, Any], actual: Action, change: Change) -> None:
        if worse(actual, change.action):
            raise DeclinedError(
                "The plan has changed",
                f"{node.title} needed {change.action.value} when the plan was made, and needs {actual.value} now. "
                "It was left as it is.",
                "Run cloudlink plan to see what has changed, then cloudlink up again.",
                resource=node.address,
            )

    def _find(self, node: Resource[Any, Any]) -> Found[Any, Any] | None:
        found: Found[Any, Any] | None = self._read_at_work(
            node.address, lambda: node.find(self._store.receipts(), fresh=True)
        )
        return found

    # --- writes ------------------------------------------------------------------------------------------

    def _before(self, node: Resource[Any, Any], found: Found[Any, Any] | None) -> Any:
        old = self._store.receipts().of(node)
        return old.before if old is not None and old.before is not None else node.before(found)

    def _intend(self, node: Resource[Any, Any], found: Found[Any, Any] | None, spec: Any, intent: str) -> None:
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
                self._before(node, found),
            ),
            node.address,
        )

    def _receipt(self, node: Resource[Any, Any], found: Found[Any, Any], spec: Any) -> None:
        old = self._store.receipts().of(node)
        receipt = Receipt(
            node.address,
            found.id,
            found.phase.value,
            spec_hash(spec),
            found.owned,
            old.since if old else self._clock.now(),
            "",
            old.before if old else None,
        )
        if receipt != old:
            self._persist(receipt, node.address)

    def _create(self, node: Resource[Any, Any], spec: Any) -> Found[Any, Any]:
        self._intend(node, None, spec, "create")
        started: Started | None = None
        while started is None:
            try:
                started = self._attempt(node, lambda: node.create(spec))
            except Lost as lost:
                found = self._look_for_lost(node)
                if found is not None:
                    return self._wait_ready(node, "create", first_look=True)
                if lost.attempts_left <= 0:
                    raise self._ours(lost.error, node.address) from lost.error
                self._warn_of_second(node)
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
                old.before if old else None,
            ),
            node.address,
        )
        return self._wait_ready(node, "create", started)

    def _look_for_lost(self, node: Resource[Any, Any]) -> Found[Any, Any] | None:
        for pause in LOST_ANSWER_LOOKS:
            self._pause(pause)
            found = self._find(node)
            if found is not None:
                return found
        return None

    def _warn_of_second(self, node: Resource[Any, Any]) -> None:
        """A promise that cannot be kept by design is said at once, with what to check."""
        if command := node.look_for_second():
            text = (
                f"The create of {node.title} was not answered, and nothing was to be seen of it for "
                f"{sum(LOST_ANSWER_LOOKS):.0f} s, so it is sent again. Should the first one appear later, there are "
                f"two: the next run names both and touches neither. To look now: {command}"
            )
            self._tell(ev.Note(self._clock.now(), "warning", text))

    def _update(self, node: Resource[Any, Any], found: Found[Any, Any], spec: Any) -> Found[Any, Any]:
        self._intend(node, found, spec, "update")
        try:
            started = self._attempt(
                node, lambda: node.complete_marks(found) if found.unmarked else node.update(found, spec)
            )
        except Lost:
            started = Started(found.id)  # the next look tells whether it had its effect
        return self._wait_ready(node, "update", started)

    def _delete(self, node: Resource[Any, Any]) -> bool:
        self._tell(ev.Begun(self._clock.now(), node.address, node.title, "delete", node.usual.delete))
        found = self._find(node)
        if found is None:
            self._persist(None, node.address)
            return False
        self._remove(node, found)
        return True

    def _remove(self, node: Resource[Any, Any], found: Found[Any, Any]) -> None:
        if found.owned is Ownership.ADOPTED:
            raise DeclinedError(
                "Not cloudlink's to delete",
                f"{node.title} ({found.id}) was not made by cloudlink; it was left as it is.",
                "Change it by hand, or take it out of the configuration.",
                resource=node.address,
            )
        old = self._store.receipts().of(node)
        before = old.before if old else None
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
                    before,
                ),
                node.address,
            )
            while True:
                current = found
                try:
                    started = self._attempt(node, lambda current=current: node.delete(current, before))  # type: ignore[misc]
                    break
                except Lost as lost:
                    again = self._find(node)
                    if again is None or again.phase is Phase.DELETING:
                        break
                    if lost.attempts_left <= 0:
                        raise self._ours(lost.error, node.address) from lost.error
                    self._pause(LOST_ANSWER_LOOKS[1])
                    found = again
        self._wait_gone(node, found, started)
        self._persist(None, node.address)

    def _attempt(self, node: Resource[Any, Any], call: Callable[[], Any]) -> Any:
        """One write, repeated while the cloud says that it is only not possible yet. Raises Lost when nobody
        knows whether it had its effect, and errors of ours."""
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
                wait = self._sense.retry_after(error)
                if wait is not None and self._clock.now() - start < max(node.usual.deadline, WORK_PATIENCE):
                    translated = self._sense.translate(error)
                    self._tell(
                        ev.Progress(
                            self._clock.now(),
                            node.address,
                            f"waiting: {translated.code or translated.summary if translated else 'busy'}",
                        )
                    )
                    self._pause(wait)
                    continue
                if self._sense.unknown_outcome(error):
                    raise Lost(error, self._strike(node)) from error
                self.in_flight.pop(node.address, None)
                raise self._ours(error, node.address) from error

    def _strike(self, node: Resource[Any, Any]) -> int:
        self._strikes[node.address] = self._strikes.get(node.address, MAX_LOST + 1) - 1
        return self._strikes[node.address]

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
        first_look: bool = False,
    ) -> Found[Any, Any]:
        usual = node.usual.update if verb == "update" else node.usual.create
        begin = self._clock.now()
        self.in_flight[node.address] = "being created" if verb == "create" else "being changed"

        def look() -> Found[Any, Any] | None:
            return node.find(self._store.receipts(), fresh=True)

        def done(seen: Found[Any, Any] | None) -> bool:
            if seen is None:
                if self._clock.now() - begin > VISIBLE_WITHIN:
                    raise CloudError(
                        "A created object is not to be seen",
                        f"{node.title} was created ({started.id if started else 'no id'}) and five minutes later the cloud still does not show it.",
                        "Look for it in the cloud's console, then run cloudlink up again.",
                        resource=node.address,
                    )
                return False
            return seen.phase in (Phase.READY, Phase.FAILED)

        def tell(seen: Found[Any, Any] | None) -> None:
            self._tell(ev.Progress(self._clock.now(), node.address, seen.detail if seen else "not visible yet"))

        try:
            seen = poll(
                look,
                done,
                clock=self._clock,
                usual=usual,
                deadline=node.usual.deadline,
                seen=tell,
                passing=self._passing,
                slack=self._slack[node.address],
                look_first=first_look,
            )
        except TimedOut as timed_out:
            last = timed_out.last
            state = last.detail or last.phase.value if isinstance(last, Found) else "nothing"
            undone = node.undo(last if isinstance(last, Found) else None, self._before(node, None))
            raise WaitError(
                "Gave up waiting",
                f"{node.title} was not ready after {timed_out.waited / 60:.0f} minutes; the cloud last said: {state}. "
                f"{undone or 'It may still end well by itself.'}",
                "Run cloudlink up again: it looks at the object before it does anything.",
                resource=node.address,
            ) from None
        except CloudlinkError:
            raise
        except Stopped:
            raise
        except Exception as error:
            raise self._ours(error, node.address) from error
        assert seen is not None
        if seen.phase is Phase.FAILED:
            raise self._failed(node, seen, started)
        return seen

    def _failed(self, node: Resource[Any, Any], found: Found[Any, Any], started: Started | None) -> CloudError:
        undone = node.undo(found, self._before(node, found))
        return CloudError(
            "The cloud could not do it",
            f"{node.title} ended as failed: {self._why(found, started)}. {undone}".strip(),
            "Correct what the cloud names, then run cloudlink up again.",
            resource=node.address,
        )

    def _why(self, found: Found[Any, Any], started: Started | None) -> str:
        """The cloud's own reason, as far as it gives one."""
        reason = ""
        if started is not None:
            try:
                reason = started.reason()
            except Exception as error:  # noqa: BLE001 - the reason is a courtesy; what failed is known already
                reason = "" if self._sense.translate(error) else str(error)
        return ". ".join(s.rstrip(".") for s in (reason, found.detail) if s) or "no reason was given"

    def _wait_gone(self, node: Resource[Any, Any], found: Found[Any, Any], started: Started | None = None) -> None:
        self.in_flight[node.address] = "being deleted"
        going, back, begin = False, 0, self._clock.now()

        def gone(seen: Found[Any, Any] | None) -> bool:
            nonlocal going, back
            if seen is None or (found.owned is Ownership.SHARED and seen.phase is Phase.READY):
                return True
            going = going or seen.phase is Phase.DELETING
            back = back + 1 if seen.phase in (Phase.READY, Phase.FAILED) else 0
            # A read may lag behind the deletion, and one that is quick may never be seen going on.
            return back >= SURELY_BACK and (going or self._clock.now() - begin > VISIBLE_WITHIN)

        try:
            left = poll(
                lambda: node.find(self._store.receipts(), fresh=True),
                gone,
                clock=self._clock,
                usual=node.usual.delete,
                deadline=node.usual.deadline,
                seen=lambda seen: self._tell(
                    ev.Progress(self._clock.now(), node.address, seen.detail if seen else "gone")
                ),
                passing=self._passing,
                slack=self._slack[node.address],
                look_first=node.usual.delete <= 2,
            )
            if left is not None and back:
                raise CloudError(
                    "The cloud could not delete it",
                    f"{node.title} is still there, its deletion ended as failed: {self._why(left, started)}.",
                    "Run the same command again: it asks for the deletion anew.",
                    resource=node.address,
                )
        except TimedOut as timed_out:
            last = timed_out.last
            state = last.detail or last.phase.value if isinstance(last, Found) else "nothing"
            raise WaitError(
                "Gave up waiting",
                f"{node.title} was not gone after {timed_out.waited / 60:.0f} minutes; the cloud last said: {state}.",
                "Run the command again: deletion goes on in the cloud, and it looks before it does anything.",
                resource=node.address,
            ) from None
        except (CloudlinkError, Stopped):
            raise
        except Exception as error:
            raise self._ours(error, node.address) from error

    def _passing(self, error: Exception) -> bool:
        return self._sense.unknown_outcome(error) or self._sense.retry_after(error) is not None
