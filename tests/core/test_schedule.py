"""Which tasks have time to spare, and so are looked at rarely."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from cloudlink.core.plan import Action, Plan
from cloudlink.core.resource import Node, Observed, Outputs, Phase, Receipts, Timing
from cloudlink.core.schedule import Schedule

from .toy import MemoryStore, Spec, SteppingClock, Toy, ToyCloud, engine


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LongToy(Toy):
    timing: ClassVar[Timing] = Timing(create=1000, delete=400)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SeenToy(Toy):
    """Notes the phase that each look shows."""

    seen: list[Phase] = dataclasses.field(default_factory=list)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[Any, str] | None:
        found = super().find(receipts, fresh=fresh)
        self.seen.extend([found.phase] if found else [])
        return found


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Freed(Toy):
    """Wanted without what it needed."""

    def spec(self, outputs: Outputs) -> Spec:
        return Spec(self.value, self.kind, ())


def diamond(cloud: ToyCloud) -> list[Node[Any]]:
    """A short one and a long one side by side, and a last one that needs both."""
    first = Toy(address="s.first", title="", cloud=cloud)
    short = Toy(address="s.short", title="", cloud=cloud, parents=(first,))
    long = LongToy(address="s.long", title="", cloud=cloud, parents=(first,))
    return [first, short, long, Toy(address="s.last", title="", cloud=cloud, parents=(short, long))]


def slacks(nodes: list[Node[Any]], cloud: ToyCloud, store: MemoryStore, **how: Any) -> dict[str, float]:
    made = engine(nodes, cloud, store)
    plan = made.plan(**how)
    run = Schedule(made.graph, plan, made.snapshot)
    return {t.address: run.slack(t) for t in run.tasks}


def test_only_what_stands_beside_the_longest_chain_has_slack() -> None:
    cloud = ToyCloud(SteppingClock())
    nodes = diamond(cloud)
    assert slacks(nodes, cloud, MemoryStore()) == {"s.first": 0, "s.long": 0, "s.last": 0, "s.short": 1000 - 20}


def test_what_is_there_already_takes_no_time() -> None:
    cloud, store = ToyCloud(SteppingClock()), MemoryStore()
    nodes = diamond(cloud)
    made = engine(nodes[:3], cloud, store)
    list(made.apply(made.plan()))
    assert slacks(nodes, cloud, store)["s.last"] == 0
    assert slacks(nodes, cloud, store)["s.short"] == 0, "nothing is left that would take longer"


def test_a_removal_has_its_own_chain() -> None:
    cloud, store = ToyCloud(SteppingClock()), MemoryStore()
    nodes = diamond(cloud)
    made = engine(nodes, cloud, store)
    list(made.apply(made.plan()))
    found = slacks(nodes, cloud, store, destroy=True)
    assert found == {"s.first": 0, "s.long": 0, "s.last": 0, "s.short": 400 - 10}


def test_what_has_slack_is_looked_at_rarely() -> None:
    cloud = ToyCloud(SteppingClock(speed=500), takes=80)
    short = SeenToy(address="s.short", title="", cloud=cloud)
    long = LongToy(address="s.long", title="", cloud=cloud)
    made = engine([short, long], cloud, MemoryStore())
    list(made.apply(made.plan()))
    assert short.seen[-1] is Phase.READY
    assert len(short.seen) <= 9, "later, and less often"


def test_what_an_isolated_plan_changes_lets_go_before_what_it_removes_goes() -> None:
    """And nothing else is read, written or waited for."""
    cloud, store = ToyCloud(SteppingClock()), MemoryStore()
    nodes = diamond(cloud)
    made = engine(nodes, cloud, store)
    list(made.apply(made.plan()))
    changed = [*nodes[:3], Freed(address="s.last", title="", cloud=cloud, parents=tuple(nodes[1:3]), value="paused")]
    again = engine(changed, cloud, store)
    removal = again.plan(destroy=True)
    wanted = again.replanned(destroy=False)
    changes = []
    for change in removal.changes:
        if change.address == "s.last":
            update = wanted.of("s.last")
            assert update is not None and update.action is Action.UPDATE
            changes.append(update)
        elif change.address == "s.first":
            changes.append(dataclasses.replace(change, action=Action.NO_OP))
        else:
            changes.append(change)
    plan = Plan(tuple(changes), isolated=True)
    run = Schedule(again.graph, plan, again.snapshot)
    assert {(t.kind, t.address) for t in run.tasks} == {
        ("apply", "s.last"),
        ("delete", "s.short"),
        ("delete", "s.long"),
    }
    assert [t.address for t in run.ready()] == ["s.last"]
    cloud.writes.clear()
    list(again.apply(plan))
    assert cloud.writes[0] == "update s.last"
    assert sorted(cloud.writes[1:]) == ["delete s.long", "delete s.short"]
