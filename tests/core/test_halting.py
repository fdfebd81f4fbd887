"""A run that cannot end well: what was refused for good ends it, what may pass does not."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from cloudlink.core import events as ev
from cloudlink.core.plan import Action
from cloudlink.core.resource import Node, Observed, Started
from cloudlink.errors import CloudError, ConflictError, CredentialsError, UnreachableError, WaitError

from .toy import POLICY, Busy, Cut, InstantClock, MemoryStore, Refused, Spec, SteppingClock, Toy, ToyCloud, engine


class Lingering(Toy):
    """Is refused only when the others are under way."""

    def create(self, spec: Spec) -> Started:
        while not any(t.name == "s.slow" for t in self.cloud.things.values()):
            self.cloud.clock.wait(1)
        return super().create(spec)


def events(made: Any, plan: Any, **more: Any) -> tuple[list[ev.Event], CloudError | None]:
    seen: list[ev.Event] = []
    try:
        for event in made.apply(plan, **more):
            seen.append(event)
    except CloudError as error:
        return seen, error
    return seen, None


def of(kind: type[ev.Event], seen: list[ev.Event]) -> list[Any]:
    return [e for e in seen if isinstance(e, kind)]


@pytest.fixture
def cloud() -> ToyCloud:
    return ToyCloud(SteppingClock(), takes=200)


def world(cloud: ToyCloud) -> list[Node[Any]]:
    """One that is refused while a slow one is under way, and one that comes after the slow one."""
    slow = Toy(address="s.slow", title="Slow", cloud=cloud)
    return [
        slow,
        Lingering(address="s.no", title="No", cloud=cloud),
        Toy(address="s.after", title="After", cloud=cloud, parents=(slow,)),
    ]


def test_nothing_more_is_begun_and_what_is_under_way_is_awaited(cloud: ToyCloud) -> None:
    cloud.trouble["create s.no"] = ["refused"]
    priced: list[set[str]] = []

    def monthly_cost(existing: Collection[str]) -> float:
        priced.append(set(existing))
        return 42.0

    made = engine(world(cloud), cloud, MemoryStore())
    seen, error = events(made, made.plan(), monthly_cost=monthly_cost)
    assert isinstance(error, CloudError) and error.summary == "Refused"
    assert cloud.writes == ["create s.slow"]
    done = of(ev.Done, seen)
    assert [(d.address, d.changed) for d in done] == [("s.slow", True)], "it was waited for"
    failed = next(e for e in seen if isinstance(e, ev.Failed))
    assert seen.index(failed) < seen.index(done[0]), "and the failure was told meanwhile"
    assert failed.error.hint == "Ask."
    assert [(s.address, s.because) for s in of(ev.Skipped, seen)] == [("s.after", "s.no was refused")]
    (halted,) = of(ev.Halted, seen)
    assert (halted.because, halted.made, halted.monthly_cost) == ("s.no", ("s.slow",), 42.0)
    assert priced == [{"s.slow"}]


def test_what_existed_before_is_in_the_price(cloud: ToyCloud) -> None:
    store = MemoryStore()
    first = engine([Toy(address="s.slow", title="Slow", cloud=cloud)], cloud, store)
    list(first.apply(first.plan()))
    cloud.trouble["create s.no"] = ["refused"]
    priced: list[set[str]] = []
    made = engine(world(cloud)[:2], cloud, store)
    seen, _ = events(made, made.plan(), monthly_cost=lambda existing: priced.append(set(existing)) or 1.0)
    assert priced == [{"s.slow"}]
    assert of(ev.Halted, seen)[0].made == ()


def test_the_same_command_goes_on(cloud: ToyCloud) -> None:
    store = MemoryStore()
    cloud.trouble["create s.no"] = ["refused"]
    made = engine(world(cloud), cloud, store)
    assert events(made, made.plan())[1] is not None
    again = engine(world(cloud), cloud, store)
    plan = again.plan()
    assert [c.action for c in plan.changes] == [Action.NO_OP, Action.CREATE, Action.CREATE]
    assert events(again, plan)[1] is None
    assert sorted(cloud.writes) == ["create s.after", "create s.no", "create s.slow"]


@pytest.mark.parametrize("trouble", [["busy"] * 3, ["cut-before"] * 2, ["cut-before"] * 9])
def test_what_may_pass_does_not_end_a_run(cloud: ToyCloud, trouble: list[str]) -> None:
    cloud.trouble["create s.no"] = list(trouble)
    made = engine(world(cloud), cloud, MemoryStore())
    seen, error = events(made, made.plan())
    assert not of(ev.Halted, seen)
    assert sorted(w for w in cloud.writes if w != "create s.no") == ["create s.after", "create s.slow"]
    assert (error is not None) is (len(trouble) == 9)


def test_a_removal_removes_all_that_it_can(cloud: ToyCloud) -> None:
    store = MemoryStore()
    nodes = world(cloud)
    made = engine(nodes, cloud, store)
    list(made.apply(made.plan()))
    cloud.trouble["delete s.no"] = ["refused"]
    removal = engine(nodes, cloud, store)
    seen, error = events(removal, removal.plan(destroy=True))
    assert isinstance(error, CloudError)
    assert not of(ev.Halted, seen)
    assert [t.name for t in cloud.things.values() if t.gone_at is None] == ["s.no"]


def test_a_removal_keeps_what_a_refused_object_needs(cloud: ToyCloud) -> None:
    store = MemoryStore()
    nodes = world(cloud)
    made = engine(nodes, cloud, store)
    list(made.apply(made.plan()))
    cloud.trouble["delete s.after"] = ["refused"]
    removal = engine(nodes, cloud, store)
    seen, _ = events(removal, removal.plan(destroy=True))
    assert sorted(t.name for t in cloud.things.values() if t.gone_at is None) == ["s.after", "s.slow"]
    assert [(s.address, s.because) for s in of(ev.Skipped, seen)] == [("s.slow", "s.after did not succeed")]


def test_the_run_ends_with_what_ended_it(cloud: ToyCloud) -> None:
    """Not with an earlier failure that may pass by itself."""

    class Overdue(Toy):
        def create(self, spec: Spec) -> Started:
            while cloud.trouble.get("create s.cut", [1]) != []:
                cloud.clock.wait(1)
            return super().create(spec)

    cloud.trouble = {"create s.cut": ["cut-before"] * 4, "create s.no": ["refused"]}
    made = engine(
        [
            Toy(address="s.cut", title="Cut", cloud=cloud),
            Overdue(address="s.no", title="No", cloud=cloud),
        ],
        cloud,
        MemoryStore(),
    )
    seen, error = events(made, made.plan())
    assert {e.address for e in of(ev.Failed, seen)} <= {"s.cut", "s.no"}
    assert error is not None and error.summary == "Refused"


def test_an_object_that_waits_for_its_turn_in_the_pool_is_not_begun() -> None:
    cloud = ToyCloud(SteppingClock(), takes=50)
    cloud.trouble["create s.t[0]"] = ["refused"]
    nodes: list[Node[Any]] = [Toy(address=f"s.t[{i}]", title="T", cloud=cloud) for i in range(40)]
    made = engine(nodes, cloud, MemoryStore())
    seen, _ = events(made, made.plan())
    begun = len(cloud.writes)
    assert begun < 39
    assert len(of(ev.Skipped, seen)) == 39 - begun


class TwoSteps(Toy):
    """Takes two writes, and meets the refusal of another between them."""

    def update(self, found: Observed[Spec, str], spec: Spec) -> Started:
        from dataclasses import replace

        assert found.spec
        half = found.spec.value == "v"
        started = super().update(found, replace(spec, value="half" if half else spec.value))
        if half:
            while self.cloud.trouble.get("create s.no"):
                self.cloud.clock.wait(1)
            self.cloud.clock.wait(200)
        return started


def test_what_is_half_written_is_written_to_the_end(cloud: ToyCloud) -> None:
    store = MemoryStore()
    cloud.takes = 20
    first = engine([Toy(address="s.two", title="Two", cloud=cloud)], cloud, store)
    list(first.apply(first.plan()))

    class Second(Toy):
        def create(self, spec: Spec) -> Started:
            while "update s.two" not in cloud.writes:
                cloud.clock.wait(1)
            return super().create(spec)

    cloud.trouble["create s.no"] = ["refused"]
    nodes: list[Node[Any]] = [
        TwoSteps(address="s.two", title="Two", cloud=cloud, value="w"),
        Second(address="s.no", title="No", cloud=cloud),
    ]
    made = engine(nodes, cloud, store)
    seen, _ = events(made, made.plan())
    thing = cloud.by_name("s.two")
    assert thing and thing.value == "w"
    assert of(ev.Halted, seen)


@pytest.mark.parametrize(
    ("error", "cause", "final"),
    [
        (CloudError("no"), Refused(), True),
        (ConflictError("two"), None, True),
        (CredentialsError("denied"), Refused(), True),
        (CloudError("busy"), Busy(), False),
        (CloudError("cut"), Cut(), False),
        (UnreachableError("away"), None, False),
        (WaitError("late"), None, False),
    ],
)
def test_which_errors_are_final(error: CloudError, cause: Exception | None, final: bool) -> None:
    error.__cause__ = cause
    assert POLICY.is_final(error) is final


def test_which_errors_may_pass() -> None:
    assert POLICY.may_pass(Busy()) and POLICY.may_pass(Cut())
    assert not POLICY.may_pass(Refused()) and not POLICY.may_pass(ZeroDivisionError())


def test_a_clock_that_moves_at_once() -> None:
    clock = InstantClock()
    assert not clock.wait(100)
    clock.stop()
    assert clock.wait(1)
