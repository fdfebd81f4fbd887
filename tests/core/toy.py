"""A toy cloud with objects that take time, lag, fail and lose answers; and resources over it. No network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cloudlink.core.engine import Engine
from cloudlink.core.plan import Action
from cloudlink.core.ports import ErrorPolicy
from cloudlink.core.resource import (
    Node,
    Observed,
    Outputs,
    Ownership,
    Phase,
    Receipt,
    Receipts,
    Resource,
    Started,
    Timing,
    built_on,
)
from cloudlink.errors import CloudError, CloudlinkError, UnreachableError


class Busy(Exception):
    """Not possible yet."""


class Cut(Exception):
    """Connection cut; nobody knows."""


class Refused(Exception):
    """A clear no."""


class Killed(BaseException):
    """The process dies here."""


class SteppingClock:
    """Runs a thousand times as fast as the wall, so that threads interleave as in life and nothing takes long."""

    def __init__(self, speed: float = 2000.0) -> None:
        import time

        self._time = time
        self._start = time.monotonic()
        self._stop = threading.Event()
        self.speed = speed

    def now(self) -> float:
        return 1_000_000 + (self._time.monotonic() - self._start) * self.speed

    def wait(self, seconds: float) -> bool:
        return self._stop.wait(seconds / self.speed)

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        self._stop.set()

    def restart(self) -> None:
        """A new process has a clock that nobody stopped."""
        self._stop.clear()


@dataclass
class Thing:
    id: str
    name: str
    value: str
    kind: str
    above: tuple[str, ...]
    ready_at: float
    failed: bool = False
    gone_at: float | None = None
    seen_from: float = 0.0  # when reads begin to show it
    owner: Ownership = Ownership.OWNED


@dataclass
class ToyCloud:
    clock: SteppingClock | InstantClock
    takes: float = 20.0
    things: dict[str, Thing] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    trouble: dict[str, list[str]] = field(default_factory=dict)  # "create a" -> kinds of trouble, first first
    lock: threading.RLock = field(default_factory=threading.RLock)
    running: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)
    away: tuple[float, float] = (0.0, 0.0)  # from when to when nobody can be reached
    die_at: int | None = None
    points: int = 0

    def point(self) -> None:
        """A place at which the process may be killed."""
        self.points += 1
        if self.die_at is not None and self.points >= self.die_at:
            raise Killed

    def reached(self) -> None:
        if self.away[0] <= self.clock.now() < self.away[1]:
            raise Cut

    def by_name(self, name: str) -> Thing | None:
        self.reached()
        with self.lock:
            now = self.clock.now()
            live = [
                t
                for t in self.things.values()
                if t.name == name and now >= t.seen_from and (t.gone_at is None or t.gone_at > now)
            ]
            if len(live) > 1:
                raise CloudError("Two of them", name)
            return live[0] if live else None

    def write(self, verb: str, name: str, effect: Callable[[], Any]) -> Any:
        self.point()
        trouble = self.trouble.get(f"{verb} {name}", [])
        kind = trouble.pop(0) if trouble else ""
        lags = kind == "cut-after, and reads lag"
        if kind == "busy":
            raise Busy
        if kind == "refused":
            raise Refused(f"{name} is not allowed")
        if kind == "cut-before":
            raise Cut
        self.reached()
        with self.lock:
            self.writes.append(f"{verb} {name}")
            result = effect()
            if lags:
                self.things[result.id].seen_from = float("inf")
        if kind == "cut-after" or lags:
            raise Cut
        if kind == "bug":
            raise ZeroDivisionError
        self.point()
        return result


@dataclass(frozen=True)
class Spec:
    value: str
    kind: str = "k"
    above: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Toy(Resource[Spec, str]):
    immutable = frozenset({"kind"})
    timing = Timing(create=20, update=10, delete=10, deadline=4000)
    cloud: ToyCloud
    value: str = "v"
    kind: str = "k"
    parents: tuple[Node[str], ...] = ()
    base: tuple[Node[str], ...] = built_on(default=())

    def spec(self, outputs: Outputs) -> Spec:
        return Spec(self.value, self.kind, tuple(outputs[p] for p in (*self.parents, *self.base)))

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[Spec, str] | None:
        thing = self.cloud.by_name(self.address)
        if thing is None:
            return None
        now = self.cloud.clock.now()
        phase = Phase.READY
        if thing.gone_at is not None:
            phase = Phase.DELETING
        elif now < thing.ready_at:
            phase = Phase.CREATING
        elif thing.failed:
            phase = Phase.FAILED
        spec = Spec(thing.value, thing.kind, thing.above)
        return Observed(thing.id, phase, spec, thing.id, thing.owner, phase.value)

    def create(self, spec: Spec) -> Started:
        def effect() -> Started:
            number = len(self.cloud.writes)
            id_ = f"{self.address}#{number}"
            failing = "fails" in self.cloud.trouble.get(f"end {self.address}", [])
            self.cloud.things[id_] = Thing(
                id_, self.address, spec.value, spec.kind, spec.above, self.cloud.clock.now() + self.cloud.takes, failing
            )
            return Started(id_, lambda: "quota of toys")

        with self.cloud.lock:
            self.cloud.running[self.serial] = self.cloud.running.get(self.serial, 0) + 1
        return self.cloud.write("create", self.address, effect)

    def duplicate_check_command(self) -> str:
        return f"toys list {self.address}"

    def update(self, found: Observed[Spec, str], spec: Spec) -> Started:
        def effect() -> Started:
            thing = self.cloud.things[found.id]
            thing.value, thing.above, thing.failed = spec.value, spec.above, False
            thing.ready_at = self.cloud.clock.now() + self.cloud.takes / 2
            return Started(found.id)

        return self.cloud.write("update", self.address, effect)

    def delete(self, found: Observed[Spec, str], prior_state: Any) -> Started | None:
        def effect() -> Started:
            users = [
                t.name
                for t in self.cloud.things.values()
                if found.id in t.above and (t.gone_at is None or t.gone_at > self.cloud.clock.now())
            ]
            assert not users, f"{self.address} deleted while used by {users}"
            thing = self.cloud.things[found.id]
            if "fails" in self.cloud.trouble.get(f"deletion {self.address}", []):
                thing.failed = True
            else:
                thing.gone_at = self.cloud.clock.now() + self.cloud.takes / 2
            return Started(found.id, lambda: "a toy is stuck")

        return self.cloud.write("delete", self.address, effect)


@dataclass(frozen=True, kw_only=True, eq=False)
class SerialToy(Toy):
    serial = "one at a time"


@dataclass(frozen=True, kw_only=True, eq=False)
class QuickToy(Toy):
    timing = Timing(create=20, update=10, delete=10, deadline=60)


@dataclass(frozen=True, kw_only=True, eq=False)
class RemadeToy(Toy):
    on_failure = Action.REPLACE


class MemoryStore:
    """What a state file does, in memory; survives a Killed engine as a file would."""

    def __init__(self, cloud: ToyCloud | None = None) -> None:
        self.items: dict[str, Receipt] = {}
        self.cloud = cloud
        self.thread = threading.get_ident()

    def receipts(self) -> Receipts:
        return Receipts(self.items)

    def put(self, receipt: Receipt) -> None:
        assert threading.get_ident() == self.thread, "only the main thread saves"
        self.items = {**self.items, receipt.address: receipt}

    def remove(self, address: str) -> None:
        assert threading.get_ident() == self.thread, "only the main thread saves"
        self.items = {a: r for a, r in self.items.items() if a != address}


def translate(error: Exception) -> CloudlinkError | None:
    if isinstance(error, Refused):
        return CloudError("Refused", str(error), "Ask.")
    if isinstance(error, (Busy, Cut)):
        return UnreachableError("Unreachable", type(error).__name__)
    return None


POLICY = ErrorPolicy(
    translate=translate,
    retry_after=lambda e: 5.0 if isinstance(e, Busy) else None,
    unknown_outcome=lambda e: isinstance(e, Cut),
)


def engine(nodes: list[Node[Any]], cloud: ToyCloud, store: MemoryStore) -> Engine:
    return Engine(nodes, clock=cloud.clock, store=store, error_policy=POLICY, workers=8)


class InstantClock:
    """Moves only by waiting, and then at once: what takes hours takes no time, and each wait can be looked at."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self.waits: list[float] = []
        self.stopped = False
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> bool:
        with self._lock:
            self.waits.append(seconds)
            self.time += seconds
        return self.stopped

    def stop(self) -> None:
        self.stopped = True
