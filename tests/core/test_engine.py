"""The engine over a toy cloud: order, drift, replacement, failure, retries, lost answers, interruption, kills."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudlink.core import events as ev
from cloudlink.core.engine import Engine
from cloudlink.core.plan import Action, exceeds_approval
from cloudlink.core.resource import Node, Observed, Ownership, Phase, Receipt, Started
from cloudlink.errors import CloudError, DeclinedError, Interrupted

from .toy import POLICY, Killed, MemoryStore, QuickToy, RemadeToy, SerialToy, Spec, SteppingClock, Toy, ToyCloud, engine


@pytest.fixture
def cloud() -> ToyCloud:
    return ToyCloud(SteppingClock())


def up(nodes: list[Node[Any]], cloud: ToyCloud, store: MemoryStore) -> list[ev.Event]:
    e = engine(nodes, cloud, store)
    return list(e.apply(e.plan()))


def down(nodes: list[Node[Any]], cloud: ToyCloud, store: MemoryStore) -> list[ev.Event]:
    e = engine(nodes, cloud, store)
    return list(e.apply(e.plan(destroy=True)))


def actions(nodes: list[Node[Any]], cloud: ToyCloud, store: MemoryStore, **kw: Any) -> dict[str, Action]:
    return {c.address: c.action for c in engine(nodes, cloud, store).plan(**kw).changes}


def chain(cloud: ToyCloud, value: str = "v") -> list[Node[Any]]:
    a = Toy(address="s.a", title="A", cloud=cloud, value=value)
    b = Toy(address="s.b", title="B", cloud=cloud, parents=(a,))
    c = Toy(address="s.c", title="C", cloud=cloud, base=(b,))
    return [a, b, c]


def test_builds_in_order_and_a_second_run_writes_nothing(cloud: ToyCloud) -> None:
    store = MemoryStore()
    assert set(actions(chain(cloud), cloud, store).values()) == {Action.CREATE}
    up(chain(cloud), cloud, store)
    assert cloud.writes == ["create s.a", "create s.b", "create s.c"]
    assert set(actions(chain(cloud), cloud, store).values()) == {Action.NO_OP}
    up(chain(cloud), cloud, store)
    assert len(cloud.writes) == 3
    assert {r.phase for r in store.items.values()} == {"ready"}
    assert {r.intent for r in store.items.values()} == {""}


class AnsweredToy(Toy):
    """The answer of its create shows it whole."""

    def create(self, spec: Spec) -> Started:
        self.cloud.takes = 0.0
        started: Started = super().create(spec)
        return Started(started.id, made=Observed(started.id, Phase.READY, spec, started.id, Ownership.OWNED))


def test_what_a_create_has_shown_whole_is_not_read_again(cloud: ToyCloud) -> None:
    reads: list[str] = []
    plain = cloud.by_name

    def by_name(name: str) -> Any:
        reads.append(name)
        return plain(name)

    cloud.by_name = by_name  # type: ignore[method-assign]
    store = MemoryStore()
    a = AnsweredToy(address="s.a", title="A", cloud=cloud)
    b = Toy(address="s.b", title="B", cloud=cloud, base=(a,))
    up([a, b], cloud, store)
    assert reads.count("s.a") == 2 < reads.count("s.b")  # for the plan, and just before the write
    assert store.items["s.a"].phase == "ready" and store.items["s.a"].id == "s.a#1"
    assert set(actions([a, b], cloud, store).values()) == {Action.NO_OP}


def test_a_changed_value_changes_only_that(cloud: ToyCloud) -> None:
    store = MemoryStore()
    up(chain(cloud), cloud, store)
    plan = engine(chain(cloud, "w"), cloud, store).plan()
    assert {c.address: c.action for c in plan.changes} == {
        "s.a": Action.UPDATE, "s.b": Action.NO_OP, "s.c": Action.NO_OP,
    }  # fmt: skip
    assert not plan.changes[0].drift
    up(chain(cloud, "w"), cloud, store)
    assert cloud.writes[3:] == ["update s.a"]


def test_what_somebody_removed_is_told_from_what_was_never_there(cloud: ToyCloud) -> None:
    store = MemoryStore()
    first = engine(chain(cloud), cloud, store).plan()
    assert not any(c.drift for c in first.changes)
    up(chain(cloud), cloud, store)
    cloud.things = {id_: thing for id_, thing in cloud.things.items() if thing.name != "s.c"}
    change = engine(chain(cloud), cloud, store).plan().of("s.c")
    assert change and (change.action, change.why, change.drift) == (
        Action.CREATE,
        "drift: deleted outside cloudlink",
        True,
    )
    up(chain(cloud), cloud, store)
    assert set(actions(chain(cloud), cloud, store).values()) <= {Action.NO_OP}


def test_what_a_killed_removal_had_removed_was_not_removed_by_hand(cloud: ToyCloud) -> None:
    store = MemoryStore()
    up(chain(cloud), cloud, store)
    cloud.die_at = cloud.points + 2  # the delete of s.c has its effect, and nobody notes it
    with contextlib.suppress(Killed):
        down(chain(cloud), cloud, store)
    cloud.die_at = None
    cloud.clock.restart()
    cloud.clock.wait(cloud.takes * 2)
    change = engine(chain(cloud), cloud, store).plan().of("s.c")
    assert change and change.action is Action.CREATE and not change.drift


def test_drift_by_hand_is_named_and_repaired(cloud: ToyCloud) -> None:
    store = MemoryStore()
    up(chain(cloud), cloud, store)
    thing = cloud.by_name("s.b")
    assert thing
    thing.value = "by hand"
    change = engine(chain(cloud), cloud, store).plan().of("s.b")
    assert change and change.action is Action.UPDATE and change.drift and "drift" in change.why
    up(chain(cloud), cloud, store)
    assert thing.value == "v"


def test_immutable_change_replaces_it_and_what_is_built_on_it(cloud: ToyCloud) -> None:
    store = MemoryStore()
    up(chain(cloud), cloud, store)

    def changed() -> list[Node[Any]]:
        a = Toy(address="s.a", title="A", cloud=cloud)
        b = Toy(address="s.b", title="B", cloud=cloud, parents=(a,), kind="other")
        return [a, b, Toy(address="s.c", title="C", cloud=cloud, base=(b,))]

    assert actions(changed(), cloud, store) == {"s.a": Action.NO_OP, "s.b": Action.REPLACE, "s.c": Action.REPLACE}
    up(changed(), cloud, store)
    assert cloud.writes[3:] == ["delete s.c", "delete s.b", "create s.b", "create s.c"]
    assert set(actions(changed(), cloud, store).values()) == {Action.NO_OP}


def test_teardown_goes_backwards_and_again_does_nothing(cloud: ToyCloud) -> None:
    store = MemoryStore()
    up(chain(cloud), cloud, store)
    down(chain(cloud), cloud, store)
    assert cloud.writes[3:] == ["delete s.c", "delete s.b", "delete s.a"]
    assert not store.items
    down(chain(cloud), cloud, store)
    assert len(cloud.writes) == 6


def test_teardown_keeps_what_is_adopted(cloud: ToyCloud) -> None:
    store = MemoryStore()
    up(chain(cloud), cloud, store)
    thing = cloud.by_name("s.a")
    assert thing
    thing.owner = Ownership.ADOPTED
    assert actions(chain(cloud), cloud, store, destroy=True)["s.a"] is Action.NO_OP
    down(chain(cloud), cloud, store)
    assert cloud.by_name("s.a") is not None


def test_a_failure_that_may_pass_skips_only_what_depends_on_it(cloud: ToyCloud) -> None:
    store = MemoryStore()
    other = Toy(address="s.x", title="X", cloud=cloud)
    cloud.trouble["create s.b"] = ["cut-before"] * 20
    e = engine([*chain(cloud), other], cloud, store)
    seen: list[ev.Event] = []
    with pytest.raises(CloudError, match="Unreachable") as raised:
        for event in e.apply(e.plan()):
            seen.append(event)
    assert raised.value.resource == "s.b"
    assert [x.address for x in seen if isinstance(x, ev.Failed)] == ["s.b"]
    assert [(x.address, x.because) for x in seen if isinstance(x, ev.Skipped)] == [("s.c", "s.b did not succeed")]
    assert cloud.by_name("s.x") is not None
    cloud.trouble.clear()
    up([*chain(cloud), other], cloud, store)
    assert cloud.by_name("s.c") is not None


def test_busy_is_waited_out(cloud: ToyCloud) -> None:
    cloud.trouble["create s.a"] = ["busy", "busy"]
    events = up(chain(cloud), cloud, MemoryStore())
    assert cloud.by_name("s.a") is not None
    assert any(isinstance(e, ev.Progress) and "waiting" in e.detail for e in events)


@pytest.mark.parametrize("kind", ["cut-before", "cut-after"])
@pytest.mark.parametrize("verb", ["create", "update", "delete"])
def test_a_lost_answer_makes_nothing_twice(cloud: ToyCloud, kind: str, verb: str) -> None:
    store = MemoryStore()
    if verb != "create":
        up(chain(cloud), cloud, store)
    cloud.trouble[f"{verb} s.a"] = [kind]
    if verb == "delete":
        down(chain(cloud), cloud, store)
        assert cloud.by_name("s.a") is None
    else:
        up(chain(cloud, "w"), cloud, store)
        assert [t.name for t in cloud.things.values()].count("s.a") == 1
        thing = cloud.by_name("s.a")
        assert thing and thing.value == "w"


def test_a_create_that_may_have_been_made_twice_is_said(cloud: ToyCloud) -> None:
    cloud.trouble["create s.a"] = ["cut-after, and reads lag"]
    events = up(chain(cloud), cloud, MemoryStore())
    assert cloud.writes.count("create s.a") == 2
    (note,) = [e for e in events if isinstance(e, ev.Note)]
    assert note.level == "warning"
    assert "A was not answered" in note.text
    assert note.text.endswith("To check now: toys list s.a")


@pytest.mark.parametrize("kind", ["cut-before", "cut-after", "busy"])
def test_no_second_one_is_feared_where_reads_do_not_lag(cloud: ToyCloud, kind: str) -> None:
    cloud.trouble["create s.a"] = [kind]
    notes = [e for e in up(chain(cloud), cloud, MemoryStore()) if isinstance(e, ev.Note)]
    assert len(notes) == (kind == "cut-before")


@pytest.mark.parametrize("begins", [5, 25])
def test_minutes_without_a_network_are_waited_through(cloud: ToyCloud, begins: float) -> None:
    """In a wait as well as between two objects."""
    e = engine(chain(cloud), cloud, MemoryStore())
    plan = e.plan()
    cloud.away = (cloud.clock.now() + begins, cloud.clock.now() + begins + 600)
    list(e.apply(plan))
    assert [w for w in cloud.writes if w.startswith("create")] == ["create s.a", "create s.b", "create s.c"]


def test_without_a_network_a_plan_says_so_soon(cloud: ToyCloud) -> None:
    began = cloud.clock.now()
    cloud.away = (began, began + 600)
    with pytest.raises(CloudError, match="Unreachable"):
        engine(chain(cloud), cloud, MemoryStore()).plan()
    assert cloud.clock.now() - began < 300


class SharedToy(Toy):
    """Part of something that is others'."""

    def prior_state(self, found: Observed[Spec, str] | None) -> Any:
        return found.spec.value if found and found.spec else None


@pytest.mark.parametrize(("was", "action"), [("theirs", Action.RESTORE), ("v", Action.NO_OP), (None, Action.NO_OP)])
def test_what_is_as_it_was_is_not_put_back(cloud: ToyCloud, was: str | None, action: Action) -> None:
    """Such as where a run was killed between its note of how it was and the change itself."""
    store = MemoryStore()
    nodes: list[Node[Any]] = [SharedToy(address="s.a", title="A", cloud=cloud)]
    up(nodes, cloud, store)
    next(iter(cloud.things.values())).owner = Ownership.SHARED
    store.items = {"s.a": replace(store.items["s.a"], prior_state=was)}
    assert actions(nodes, cloud, store, destroy=True) == {"s.a": action}


def test_a_failed_operation_says_why(cloud: ToyCloud) -> None:
    store = MemoryStore()
    cloud.trouble["end s.a"] = ["fails"]
    with pytest.raises(CloudError, match="quota of toys"):
        up(chain(cloud), cloud, store)
    assert actions(chain(cloud), cloud, store)["s.a"] is Action.UPDATE
    cloud.trouble.clear()
    up(chain(cloud), cloud, store)
    assert set(actions(chain(cloud), cloud, store).values()) == {Action.NO_OP}


PASSING = replace(POLICY, failed_in_passing=lambda reason: reason == "quota of toys")


def test_an_operation_that_failed_for_something_that_passes_is_repeated(cloud: ToyCloud) -> None:
    """The cloud took the write, and found only while it carried it out that another one was going on."""
    store = MemoryStore()
    cloud.trouble["end s.a"] = ["fails"]
    e = Engine(chain(cloud), clock=cloud.clock, store=store, error_policy=PASSING, workers=8)
    said = [s for s in e.apply(e.plan()) if isinstance(s, ev.Progress) and "something that passes" in str(s)]
    assert len(said) == 1
    assert cloud.writes[:2] == ["create s.a", "update s.a"]
    assert set(actions(chain(cloud), cloud, store).values()) == {Action.NO_OP}


class StubbornToy(Toy):
    """Whose every write ends as failed."""

    def update(self, found: Observed[Spec, str], spec: Spec) -> Started:
        started = super().update(found, spec)
        self.cloud.things[found.id].failed = True
        return Started(started.id, lambda: "quota of toys")


def test_it_is_repeated_a_few_times_and_not_for_ever(cloud: ToyCloud) -> None:
    cloud.trouble["end s.a"] = ["fails"]
    nodes: list[Node[Any]] = [StubbornToy(address="s.a", title="A", cloud=cloud)]
    e = Engine(nodes, clock=cloud.clock, store=MemoryStore(), error_policy=PASSING, workers=8)
    with pytest.raises(CloudError, match="ended as failed: quota of toys"):
        list(e.apply(e.plan()))
    assert cloud.writes == ["create s.a", "update s.a", "update s.a", "update s.a"]


def test_a_cloud_that_is_busy_for_minutes_is_waited_for_also_where_the_object_is_quick(cloud: ToyCloud) -> None:
    cloud.trouble["create s.a"] = ["busy"] * 60  # five seconds each, against a deadline of one minute
    up([QuickToy(address="s.a", title="A", cloud=cloud)], cloud, MemoryStore())
    assert cloud.by_name("s.a") is not None
    assert cloud.writes == ["create s.a"]


def test_a_failed_deletion_says_so_at_once_and_is_asked_for_anew(cloud: ToyCloud) -> None:
    store = MemoryStore()
    up(chain(cloud), cloud, store)
    cloud.trouble["deletion s.c"] = ["fails"]
    began = cloud.clock.now()
    with pytest.raises(CloudError, match="ended as failed: a toy is stuck"):
        down(chain(cloud), cloud, store)
    assert cloud.clock.now() - began < 2000, "it waited as if the deletion still went on"
    cloud.trouble.clear()
    down(chain(cloud), cloud, store)
    assert not any(cloud.by_name(name) for name in ("s.a", "s.b", "s.c"))


def test_a_failed_one_that_cannot_be_mended_is_made_anew(cloud: ToyCloud) -> None:
    store = MemoryStore()
    nodes: list[Node[Any]] = [RemadeToy(address="s.a", title="A", cloud=cloud)]
    cloud.trouble["end s.a"] = ["fails"]
    with pytest.raises(CloudError):
        up(nodes, cloud, store)
    cloud.trouble.clear()
    assert actions(nodes, cloud, store)["s.a"] is Action.REPLACE
    up(nodes, cloud, store)
    assert cloud.writes == ["create s.a", "delete s.a", "create s.a"]


def test_one_at_a_time_is_kept(cloud: ToyCloud) -> None:
    nodes: list[Node[Any]] = [SerialToy(address=f"s.t[{i}]", title="T", cloud=cloud) for i in range(4)]
    up(nodes, cloud, MemoryStore())
    starts = sorted(t.ready_at for t in cloud.things.values())
    assert all(later - earlier >= cloud.takes for earlier, later in itertools.pairwise(starts))


def test_independent_ones_run_side_by_side(cloud: ToyCloud) -> None:
    cloud.takes = 400
    nodes: list[Node[Any]] = [Toy(address=f"s.t[{i}]", title="T", cloud=cloud) for i in range(6)]
    up(nodes, cloud, MemoryStore())
    starts = [t.ready_at for t in cloud.things.values()]
    assert max(starts) - min(starts) < cloud.takes


def test_worse_than_shown_stops(cloud: ToyCloud) -> None:
    store = MemoryStore()
    up(chain(cloud), cloud, store)
    e = engine(chain(cloud, "w"), cloud, store)
    plan = e.plan()
    thing = cloud.by_name("s.a")
    assert thing
    thing.kind = "by hand"
    with pytest.raises(DeclinedError, match="plan has changed"):
        list(e.apply(plan))
    assert cloud.writes == ["create s.a", "create s.b", "create s.c"]


def test_interruption_names_what_an_earlier_run_had_begun(cloud: ToyCloud) -> None:
    store = MemoryStore()
    cloud.takes = 2000
    e = engine(chain(cloud), cloud, store)
    with contextlib.suppress(Interrupted):
        for _ in e.apply(e.plan()):
            if cloud.writes:
                cloud.clock.stop()
    cloud.clock.restart()
    again = engine(chain(cloud), cloud, store)
    plan = again.plan()
    cloud.clock.stop()
    with pytest.raises(Interrupted, match=r"goes on by itself: s\.a \(being created or changed\)\."):
        list(again.apply(plan))


def test_interruption_names_what_goes_on_and_the_next_run_goes_on(cloud: ToyCloud) -> None:
    store = MemoryStore()
    cloud.takes = 2000
    e = engine(chain(cloud), cloud, store)
    with pytest.raises(Interrupted, match=r"s\.a \(being created\)"):
        for event in e.apply(e.plan()):
            if cloud.writes and not isinstance(event, ev.Begun):
                cloud.clock.stop()
    cloud.clock = SteppingClock()
    cloud.takes = 10
    for thing in cloud.things.values():
        thing.ready_at = 0
    up(chain(cloud), cloud, store)
    assert cloud.writes == ["create s.a", "create s.b", "create s.c"]


def test_a_bug_is_raised_as_it_is(cloud: ToyCloud) -> None:
    cloud.trouble["create s.a"] = ["bug"]
    with pytest.raises(ZeroDivisionError):
        up(chain(cloud), cloud, MemoryStore())


def test_a_lost_state_file_is_rebuilt(cloud: ToyCloud) -> None:
    up(chain(cloud), cloud, MemoryStore())
    store = MemoryStore()
    up(chain(cloud), cloud, store)
    assert len(cloud.writes) == 3
    # nothing had to be done, and nothing was written; a run that changes something remembers the rest as well
    up(chain(cloud, "w"), cloud, store)
    assert "s.a" in store.items


def test_no_write_without_a_receipt(cloud: ToyCloud) -> None:
    class Full(MemoryStore):
        def put(self, receipt: Receipt) -> None:
            raise CloudError("No space left", "on the disk")

    with pytest.raises(CloudError, match="No space left"):
        up(chain(cloud), cloud, Full())
    assert not cloud.writes


@st.composite
def dags(draw: st.DrawFn) -> list[tuple[int, ...]]:
    size = draw(st.integers(2, 7))
    return [tuple(sorted(draw(st.sets(st.integers(0, i - 1), max_size=3)))) if i else () for i in range(size)]


def build(shape: list[tuple[int, ...]], cloud: ToyCloud, value: str = "v") -> list[Node[Any]]:
    nodes: list[Node[Any]] = []
    for i, parents in enumerate(shape):
        nodes.append(
            Toy(address=f"s.n[{i}]", title=f"N{i}", cloud=cloud, value=value, parents=tuple(nodes[p] for p in parents))
        )
    return nodes


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shape=dags(), die=st.integers(1, 20), destroy=st.booleans(), lose=st.booleans())
def test_killed_anywhere_the_next_run_ends_the_same(
    shape: list[tuple[int, ...]], die: int, destroy: bool, lose: bool
) -> None:
    cloud = ToyCloud(SteppingClock(8000), takes=5)
    store = MemoryStore()
    if destroy:
        up(build(shape, cloud), cloud, store)
    cloud.die_at, cloud.points = die, 0
    with contextlib.suppress(Killed):
        (down if destroy else up)(build(shape, cloud), cloud, store)
    cloud.die_at = None
    cloud.clock.restart()
    if lose:
        store = MemoryStore()
    (down if destroy else up)(build(shape, cloud), cloud, store)
    names = [t.name for t in cloud.things.values() if t.gone_at is None]
    assert sorted(names) == ([] if destroy else sorted(f"s.n[{i}]" for i in range(len(shape))))
    before = len(cloud.writes)
    (down if destroy else up)(build(shape, cloud), cloud, store)
    assert len(cloud.writes) == before


def test_leaving_early_ends_the_workers(cloud: ToyCloud) -> None:
    store = MemoryStore()
    e = engine(chain(cloud), cloud, store)
    events = e.apply(e.plan())
    for event in events:
        if isinstance(event, ev.Begun):
            break
    events.close()
    assert cloud.clock.stopped


def test_a_delete_that_is_never_answered_ends_with_an_error(cloud: ToyCloud) -> None:
    store = MemoryStore()
    up(chain(cloud), cloud, store)
    cloud.trouble["delete s.c"] = ["cut-before"] * 50
    with pytest.raises(CloudError, match="Unreachable"):
        down(chain(cloud), cloud, store)
    assert len(cloud.trouble["delete s.c"]) > 40


def test_a_plan_names_what_is_adopted(cloud: ToyCloud) -> None:
    store = MemoryStore()
    up(chain(cloud), cloud, store)
    thing = cloud.by_name("s.b")
    assert thing
    thing.owner = Ownership.ADOPTED
    plan = engine(chain(cloud), cloud, store).plan()
    assert [a.address for a in plan.adopted] == ["s.b"] and plan.kept == ()


def test_an_adopted_one_is_never_replaced(cloud: ToyCloud) -> None:
    store = MemoryStore()
    up(chain(cloud), cloud, store)
    thing = cloud.by_name("s.c")
    assert thing
    thing.owner = Ownership.ADOPTED
    a = Toy(address="s.a", title="A", cloud=cloud)
    b = Toy(address="s.b", title="B", cloud=cloud, parents=(a,), kind="other")
    nodes: list[Node[Any]] = [a, b, Toy(address="s.c", title="C", cloud=cloud, base=(b,))]
    assert actions(nodes, cloud, store)["s.c"] is not Action.REPLACE


@pytest.mark.parametrize(
    ("shown", "actual", "refused"),
    [
        (Action.NO_OP, Action.CREATE, True),
        (Action.CREATE, Action.UPDATE, True),
        (Action.DEFER, Action.UPDATE, False),
        (Action.DEFER, Action.REPLACE, True),
        (Action.REPLACE, Action.CREATE, False),
        (Action.UPDATE, Action.DELETE, True),
    ],
)
def test_what_was_agreed(shown: Action, actual: Action, refused: bool) -> None:
    assert exceeds_approval(actual, shown) is refused
