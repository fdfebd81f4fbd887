"""Carries out a plan: in order, in parallel, waiting, retrying, saving and reporting, in one place for all resources.

Workers call clouds. The thread that iterates over :meth:`Engine.apply` alone owns the state file and the screen:
workers hand it what is to be saved and wait until it is on disk before they write to a cloud.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from cloudlink.core import events as ev
from cloudlink.core.apply import Save, Worker
from cloudlink.core.graph import Graph
from cloudlink.core.plan import Action, Plan
from cloudlink.core.planner import Snapshot, first_error, make_plan, take_snapshot
from cloudlink.core.polling import Clock
from cloudlink.core.ports import ErrorPolicy, Store
from cloudlink.core.resource import Node, Outputs, Ownership, Phase, Receipt, Resource
from cloudlink.core.schedule import End, Schedule, Task, typical_seconds_of, usual_range_of, verb_of
from cloudlink.errors import CloudlinkError, Interrupted


def _no_price(_existing: Collection[str]) -> float:
    return 0.0


class Engine:
    """One run over one graph. workers: calls in flight at most."""

    def __init__(
        self, nodes: Iterable[Node[Any]], *, clock: Clock, store: Store, error_policy: ErrorPolicy, workers: int = 8
    ) -> None:
        self.graph = Graph(nodes)
        self._clock = clock
        self._store = store
        self._workers = workers
        self._queue: queue.Queue[ev.Event | Save | End] = queue.Queue()
        self._error_policy = error_policy
        self._worker = Worker(self.graph, clock=clock, store=store, error_policy=error_policy, messages=self._queue)
        self.snapshot = Snapshot()

    # --- plan --------------------------------------------------------------------------------------------

    def plan(
        self, *, destroy: bool = False, tolerant: bool = False, collect: bool = False, partial: bool = False
    ) -> Plan:
        """Read everything and compare; writes nothing. Raises what the first failed read raised.

        tolerant: a cluster, VPC or load balancer that is not there is no error (always so when destroying).
        partial: nothing that cannot be read is one; ``snapshot.missing`` has the reasons.
        collect: raises nothing of failed reads; they are in ``snapshot.errors``, and the plan must not be carried out.
        """
        with ThreadPoolExecutor(self._workers, thread_name_prefix="read") as pool:
            self.snapshot = take_snapshot(
                self.graph,
                self._store.receipts(),
                guard=self._worker.waiting.read,
                tolerant=destroy or tolerant,
                partial=partial,
                pool=pool,
            )
        error = first_error(self.snapshot)
        if error is not None and not collect:
            raise error
        return make_plan(self.graph, self._store.receipts(), self.snapshot, destroy=destroy)

    def receipt(self, address: str) -> Receipt | None:
        """What the state knows of a resource, also of one that is gone."""
        return self._store.receipts().get(address)

    def replanned(self, *, destroy: bool) -> Plan:
        """The other plan from the same read: of the whole link's removal, or of what is wanted."""
        return make_plan(self.graph, self._store.receipts(), self.snapshot, destroy=destroy)

    def read(self, address: str, call: Callable[[], Any]) -> Any:
        """A read outside the graph, retried in the same way. Raises CloudlinkError; a bug is raised as it is."""
        return self._worker.waiting.read(address, call)

    def record_receipts(self) -> None:
        """Record receipts of everything that the last read found to be as wanted: a lost state file is rebuilt.

        Called on the main thread, after a plan without changes.
        """
        self._forget_absent()
        outputs = Outputs(self.snapshot.outputs)
        for address, found in self.snapshot.found.items():
            node = self.graph.nodes[address]
            assert isinstance(node, Resource)
            receipt = self._worker.receipt_for(node, found, outputs)
            if receipt is not None:
                self._store.put(receipt)

    # --- apply -------------------------------------------------------------------------------------------

    def apply(
        self, plan: Plan, *, monthly_cost: Callable[[Collection[str]], float | None] = _no_price
    ) -> Iterator[ev.Event]:
        """Carry the plan out; yields events, at least one Tick a quarter second.

        What does not depend on a failed object goes on. But when a cloud refuses something for good, the link cannot be
        completed: nothing more is begun then, except that a removal removes all it can. Raises the first failure at the
        end, or Interrupted. monthly_cost: of the objects with these addresses, roughly, in USD; None: not known.
        """
        run = Schedule(self.graph, plan, self.snapshot)
        failures: list[CloudlinkError] = []
        made: list[str] = []
        bug: BaseException | None = None
        stopping = False
        yield from self._announce(plan, run)
        self._record_ownership(run)
        self._forget_absent()
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="work")
        try:
            while True:
                stopping = stopping or self._clock.stopped
                ending = stopping or bug is not None or bool(run.halted_by)
                if not ending:
                    for task in run.ready():
                        run.start(task)
                        future = pool.submit(self._worker.work, task, run)
                        future.add_done_callback(self._reap(task))
                if not run.running and (ending or not run.ready()):
                    break
                try:
                    message = self._queue.get(timeout=0.25)
                except queue.Empty:
                    yield ev.Tick(self._clock.now())
                    continue
                if isinstance(message, Save):
                    self._save(message)
                    continue
                if not isinstance(message, End):
                    if isinstance(message, ev.Done) and message.changed and message.verb in ("create", "replace"):
                        made.append(message.address)
                    yield message
                    continue
                stopping = stopping or message.stopped
                if message.bug is not None:
                    bug = bug or message.bug
                    self._clock.stop()  # the others end at their next wait, and the bug is seen at once
                if message.error is not None:
                    node = self.graph.nodes[message.task.address]
                    final = self._error_policy.is_final(message.error)
                    # what ends the run is what it ends with
                    failures.insert(0 if final and not run.halted_by else len(failures), message.error)
                    if final and not run.destroying and not run.halted_by:
                        run.halted_by = node.address
                    yield ev.Failed(self._clock.now(), node.address, node.title, message.error)
                run.end(message)
        finally:
            if run.running:  # the caller stopped iterating: workers that wait for us to save must not wait for ever
                self._clock.stop()
                self._drain(run)
            pool.shutdown(wait=True, cancel_futures=True)
        if bug is not None:
            raise bug
        left = run.left_over(stopping)
        for address, because in left:
            yield ev.Skipped(self._clock.now(), address, self.graph.nodes[address].title, because)
        if stopping:
            raise self._interrupted(address for address, _ in left)
        if run.halted_by:
            existing = {*made, *self._worker.in_flight, *self._existing()}
            yield ev.Halted(self._clock.now(), run.halted_by, tuple(made), monthly_cost(existing))
        if failures:
            raise failures[0]

    def _announce(self, plan: Plan, run: Schedule) -> Iterator[ev.Event]:
        for kept in plan.kept:
            yield ev.Kept(self._clock.now(), kept.address, kept.title, kept.why)
        for address, change in run.changes.items():
            if change.action is not Action.NO_OP:
                node = self.graph.nodes[address]
                assert isinstance(node, Resource)
                yield ev.Queued(
                    self._clock.now(),
                    address,
                    node.title,
                    verb_of(change.action),
                    self._waits(run, address),
                    typical_seconds_of(node, change.action),
                    usual_range_of(node, change.action),
                )

    def _record_ownership(self, run: Schedule) -> None:
        """Before anything is removed: what is known to be ours by something that may go first, such as the gateway whose
        tag says that its subnet is ours, is still known to be ours afterwards, also to the next run."""
        for address in run.changes:
            node, found = self.graph.nodes[address], self.snapshot.found.get(address)
            assert isinstance(node, Resource)
            if not (run.destroying or node.unwanted):
                continue
            if Task("delete", address) not in run.tasks or found is None or address in self._store.receipts():
                continue
            self._store.put(self._worker.removal_receipt(node, found))

    def _forget_absent(self) -> None:
        """Of what is wanted no more and is gone, nothing is remembered."""
        for address, found in self.snapshot.found.items():
            node = self.graph.nodes[address]
            unwanted = isinstance(node, Resource) and node.unwanted
            if unwanted and found is None and address in self._store.receipts():
                self._store.remove(address)

    def _existing(self) -> Iterable[str]:
        """Our objects that existed when the plan was made."""
        return (a for a, f in self.snapshot.found.items() if f is not None and f.owned is Ownership.OWNED)

    def _interrupted(self, left: Iterable[str]) -> Interrupted:
        under_way = self._under_way(left)
        return Interrupted(
            "Interrupted",
            "Nothing new was started. "
            + (
                f"What the clouds had begun goes on by itself: {'; '.join(under_way)}."
                if under_way
                else "Nothing is under way in the clouds."
            ),
            "Run the same command again: it goes on where this run stopped.",
        )

    def _under_way(self, left: Iterable[str]) -> list[str]:
        """Operations that go on in the clouds: those of this run, and ``left``, those of an earlier one."""
        words = {Phase.CREATING: "being created or changed", Phase.DELETING: "being deleted"}
        earlier = {
            a: words[f.phase] for a in left if (f := self.snapshot.found.get(a)) is not None and f.phase in words
        }
        return [f"{address} ({what})" for address, what in sorted({**earlier, **self._worker.in_flight}.items())]

    def _drain(self, run: Schedule) -> None:
        """Serve the workers until the last one has ended, without events."""
        while run.running:
            message = self._queue.get()
            if isinstance(message, Save):
                self._save(message)
            elif isinstance(message, End):
                run.end(message)

    def _waits(self, run: Schedule, address: str) -> tuple[str, ...]:
        """Its predecessors: what it needs; in a removal, what needs it."""
        removed = run.changes[address].action in (Action.DELETE, Action.RESTORE)
        first = self.graph.dependents[address] if removed else self.graph.needs[address]
        return tuple(n for n in first if run.busy(n))

    def _reap(self, task: Task) -> Callable[[Future[End]], None]:
        def reap(future: Future[End]) -> None:
            if future.cancelled():
                self._queue.put(End(task, stopped=True))
                return
            bug = future.exception()
            self._queue.put(future.result() if bug is None else End(task, bug=bug))

        return reap

    def _save(self, message: Save) -> None:
        try:
            if message.receipt is None:
                self._store.remove(message.address)
            else:
                self._store.put(message.receipt)
        except Exception as error:  # noqa: BLE001 - the worker that asked must not go on, whatever it was
            message.failed.append(error)
        finally:
            message.saved.set()
