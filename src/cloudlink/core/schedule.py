"""Which tasks a plan consists of, which may begin now, and what is known so far. Decides; does nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloudlink.core import events as ev
from cloudlink.core.graph import Graph
from cloudlink.core.plan import Action, Plan, differences
from cloudlink.core.planner import Snapshot
from cloudlink.core.polling import lateness
from cloudlink.core.resource import Outputs, Ownership, Resource
from cloudlink.errors import CloudlinkError


@dataclass(frozen=True)
class Task:
    kind: str  # ``apply`` brings a node to what is wanted; ``delete`` removes it (also the first half of a replace)
    address: str


@dataclass(frozen=True)
class End:
    task: Task
    outputs: Any = None
    error: CloudlinkError | None = None
    bug: BaseException | None = None  # what no part of cloudlink expected
    changed: bool = False
    stopped: bool = False
    not_begun: bool = False  # the run was halted before its first write


class Schedule:
    """Which tasks there are, which have ended, and what is known so far. Used on the main thread; workers only read."""

    def __init__(self, graph: Graph, plan: Plan, snapshot: Snapshot) -> None:
        self.graph = graph
        self.snapshot = snapshot
        self.changes = {c.address: c for c in plan.changes}
        self.running: set[Task] = set()
        self.outputs: dict[str, Any] = {}
        self.halted_by = ""  # the address whose refusal ends the run: nothing more that alters a cloud is begun
        self._ended: set[Task] = set()
        self._broken: set[str] = set()  # what depends on these cannot go on
        self._changed: set[str] = set()
        self._serial: set[str] = set()
        deleting = {a for a, c in self.changes.items() if c.action.removes}
        gone = (Action.DELETE, Action.RESTORE, Action.NO_OP)
        self.destroying = bool(deleting) and all(c.action in gone for c in self.changes.values())
        self.tasks: set[Task] = {Task("delete", a) for a in deleting}
        self._isolated = plan.isolated
        if plan.isolated:
            self.tasks |= {Task("apply", a) for a, c in self.changes.items() if c.action not in gone}
        elif not self.destroying:
            # only what can matter: everything that acts, and whatever those need
            acting = [a for a, c in self.changes.items() if c.action is not Action.NO_OP]
            wanted = graph.below(acting) if acting else frozenset()
            self.tasks |= {
                Task("apply", a)
                for a in graph.nodes
                if (a in self.changes or a in wanted)
                and (a not in self.changes or self.changes[a].action not in (Action.DELETE, Action.RESTORE))
            }
        for address, change in self.changes.items():
            if change.action in (Action.NO_OP, Action.DEFER, Action.UPDATE) and address in snapshot.outputs:
                self.outputs[address] = snapshot.outputs[address]
        for address in graph.nodes:
            if address not in self.changes and address in snapshot.outputs:
                self.outputs[address] = snapshot.outputs[address]

        self._slack = self._slacks()

    def known_outputs(self) -> Outputs:
        return Outputs(dict(self.outputs))

    def busy(self, address: str) -> bool:
        change = self.changes.get(address)
        return change is not None and change.action is not Action.NO_OP

    def must_act(self, address: str) -> bool:
        """A no-op whose needs did not change is not even read again."""
        change = self.changes[address]
        if change.action is not Action.NO_OP:
            return True
        found = self.snapshot.found.get(address)
        if found is None or found.spec is None or found.owned is Ownership.ADOPTED:
            return False
        if not any(n in self._changed for n in self.graph.needs[address]):
            return False
        node = self.graph.nodes[address]
        assert isinstance(node, Resource)
        return bool(differences(found, node.spec(self.known_outputs())))

    def _blockers(self, task: Task) -> list[Task]:
        if task.kind == "delete":
            # what is only deleted waits until what used it has been changed not to; the first half of a replacement cannot
            for_good = self._isolated or self.changes[task.address].action is Action.DELETE
            kinds = ("delete", "apply") if for_good else ("delete",)
            dependents = self.graph.dependents[task.address]
            return [t for d in dependents for kind in kinds if (t := Task(kind, d)) in self.tasks]
        before = [t for n in self.graph.needs[task.address] if (t := Task("apply", n)) in self.tasks]
        own = Task("delete", task.address)
        if own in self.tasks:
            before.append(own)
        return before

    def ready(self) -> list[Task]:
        found = []
        serial = set(self._serial)
        for task in sorted(self.tasks - self._ended - self.running, key=lambda t: self.graph.order.index(t.address)):
            blockers = self._blockers(task)
            if any(b not in self._ended for b in blockers):
                continue
            if any(b.address in self._broken for b in blockers):
                continue
            key = self._key(task)
            if key and key in serial:
                continue
            if key:
                serial.add(key)
            found.append(task)
        return found

    def _key(self, task: Task) -> str:
        node = self.graph.nodes[task.address]
        change = self.changes.get(task.address)
        acts = change is not None and change.action is not Action.NO_OP
        return node.serial if isinstance(node, Resource) and acts else ""

    def slack(self, task: Task) -> float:
        """Seconds by which the task may end later than is typical without the whole run taking longer. Zero on the
        longest chain: its ends are worth many reads, those of the others are not."""
        return self._slack[task]

    def _slacks(self) -> dict[Task, float]:
        ends: dict[Task, float] = {}  # each after what it waits for

        def end(task: Task) -> float:
            if task not in ends:
                begin = max((end(b) for b in self._blockers(task)), default=0.0)
                ends[task] = begin + self._takes(task)
            return ends[task]

        last = max((end(task) for task in self.tasks), default=0.0)
        latest = dict.fromkeys(ends, last)
        for task in reversed(ends):
            for blocker in self._blockers(task):
                latest[blocker] = min(latest[blocker], latest[task] - self._takes(task))
        return {task: latest[task] - ends[task] for task in ends}

    def _takes(self, task: Task) -> float:
        node = self.graph.nodes[task.address]
        if not isinstance(node, Resource) or not self.busy(task.address):
            return 0.0
        if task.kind == "delete":
            return node.timing.delete
        action = self.changes[task.address].action
        return typical_seconds_of(node, Action.CREATE if action is Action.REPLACE else action)

    def start(self, task: Task) -> None:
        self.running.add(task)
        if key := self._key(task):
            self._serial.add(key)

    def end(self, message: End) -> None:
        self.running.discard(message.task)
        self._serial.discard(self._key(message.task))
        if message.not_begun:
            return
        self._ended.add(message.task)
        address = message.task.address
        if message.error is not None or message.bug is not None or message.stopped:
            self._broken.add(address)
            return
        if message.changed:
            self._changed.add(address)
        if message.task.kind == "apply" and message.outputs is not None:
            self.outputs[address] = message.outputs
        elif message.task.kind == "delete":
            self.outputs.pop(address, None)

    def left_over(self, stopping: bool) -> list[tuple[str, str]]:
        """Resources that were to be acted on and were not started, and why."""
        left = []
        for address, change in self.changes.items():
            mine = [t for t in self.tasks if t.address == address]
            if change.action is Action.NO_OP or not mine or all(t in self._ended for t in mine):
                continue
            if address in self._broken:
                continue
            cause = next((b.address for t in mine for b in self._all_blockers(t) if b.address in self._broken), None)
            if stopping:
                why = "stopped"
            elif cause:
                why = f"{cause} did not succeed"
            else:
                why = f"{self.halted_by} was refused" if self.halted_by else "stopped"
            left.append((address, why))
        return left

    def _all_blockers(self, task: Task) -> list[Task]:
        seen: list[Task] = []
        todo = self._blockers(task)
        while todo:
            blocker = todo.pop()
            if blocker not in seen:
                seen.append(blocker)
                todo.extend(self._blockers(blocker))
        return seen


def verb_of(action: Action) -> ev.Verb:
    verbs: dict[Action, ev.Verb] = {
        Action.CREATE: "create",
        Action.UPDATE: "update",
        Action.REPLACE: "replace",
        Action.DELETE: "delete",
        Action.RESTORE: "restore",
        Action.DEFER: "wait",
        Action.NO_OP: "read",
    }
    return verbs[action]


_SEEN_LATE = 10.0  # seconds: the last read, and what the cloud needs to show it


def usual_range_of(node: Resource[Any, Any], action: Action, slack: float = 0.0) -> tuple[float, float]:
    """Seconds that eight of ten take. slack: how late it may end and delay nothing: so much later it is read."""
    creates = action in (Action.CREATE, Action.DEFER)
    seconds = typical_seconds_of(node, action)
    low, high = (node.timing.create_spread if creates else None) or node.timing.spread
    return seconds * low, seconds * high + _SEEN_LATE + lateness(seconds, slack)


def typical_seconds_of(node: Resource[Any, Any], action: Action) -> float:
    if action in (Action.DELETE, Action.RESTORE):
        return node.timing.delete
    if action is Action.REPLACE:
        return node.timing.delete + node.timing.create
    return node.timing.update if action is Action.UPDATE else node.timing.create
