"""What must never happen to an object, whatever a cloud does: each test is red when the line that prevents it is gone."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from cloudlink.core import apply, waiting
from cloudlink.core import events as ev
from cloudlink.core.engine import Engine
from cloudlink.core.plan import Action, FieldChange, spec_hash
from cloudlink.core.ports import ErrorPolicy
from cloudlink.core.resource import Node, Observed, Outputs, Ownership, Phase, Receipt, Receipts, Started, Timing
from cloudlink.errors import CloudError, CloudlinkError, LostContactError, UnreachableError

from .toy import POLICY, InstantClock, MemoryStore, RemadeToy, Spec, SteppingClock, Toy, ToyCloud, engine


@pytest.fixture
def cloud() -> ToyCloud:
    return ToyCloud(InstantClock())


def up(nodes: list[Node[Any]], cloud: ToyCloud, store: MemoryStore) -> list[ev.Event]:
    made = engine(nodes, cloud, store)
    return list(made.apply(made.plan()))


def one(cloud: ToyCloud, value: str = "v") -> Toy:
    return Toy(address="s.a", title="A", cloud=cloud, value=value)


def test_a_create_that_is_never_answered_is_sent_four_times_at_most(cloud: ToyCloud) -> None:
    cloud.trouble["create s.a"] = ["cut-before"] * 50
    with pytest.raises(CloudError, match="Unreachable"):
        up([one(cloud)], cloud, MemoryStore())
    assert 50 - len(cloud.trouble["create s.a"]) == apply.MAX_UNKNOWN_OUTCOMES + 1


def test_after_an_unanswered_create_there_is_time_between_the_reads(cloud: ToyCloud) -> None:
    at: list[float] = []

    class Watched(Toy):
        def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[Spec, str] | None:
            at.append(self.cloud.clock.now())
            return super().find(receipts, fresh=fresh)

    cloud.trouble["create s.a"] = ["cut-before"]
    up([Watched(address="s.a", title="A", cloud=cloud)], cloud, MemoryStore())
    # one for the plan, one before the create, then those that search for it
    gaps = [later - earlier for earlier, later in itertools.pairwise(at[1:6])]
    assert gaps == list(apply.READ_PAUSES_AFTER_UNKNOWN)


@pytest.mark.parametrize(("field", "stops"), [("tag CostCenter", False), ("value", True)])
def test_a_tag_that_somebody_puts_back_stops_no_build(cloud: ToyCloud, field: str, stops: bool) -> None:
    """A policy of the cloud's owner may replace a tag at each write. Anything else that does not stay is an error."""

    class PutBack(Toy):
        def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[Spec, str] | None:
            found = super().find(receipts, fresh=fresh)
            return found and replace(found, lacking=(FieldChange(field, "9", "4711"),))

        def complete_marks(self, found: Observed[Spec, str]) -> Started:
            cloud.writes.append(f"tags {self.address}")
            return Started(found.id)

    nodes: list[Node[Any]] = [
        PutBack(address="s.a", title="A", cloud=cloud),
        Toy(address="s.b", title="B", cloud=cloud),
    ]
    if stops:
        with pytest.raises(CloudError, match="does not stay"):
            up(nodes, cloud, MemoryStore())
        assert cloud.writes.count("tags s.a") > 5
    else:
        up(nodes, cloud, MemoryStore())
        assert cloud.writes.count("tags s.a") == 1
        assert "create s.b" in cloud.writes


@pytest.mark.parametrize("kind", [Toy, RemadeToy])
def test_a_failed_object_that_is_adopted_is_left_as_it_is(cloud: ToyCloud, kind: type[Toy]) -> None:
    store = MemoryStore()
    up([one(cloud)], cloud, store)
    thing = cloud.by_name("s.a")
    assert thing
    thing.owner, thing.failed = Ownership.ADOPTED, True
    changed = engine([kind(address="s.a", title="A", cloud=cloud, value="w")], cloud, store)
    plan = changed.plan()
    assert [c.action for c in plan.changes] == [Action.NO_OP]
    list(changed.apply(plan))
    assert cloud.writes == ["create s.a"]


def test_one_that_is_found_to_be_adopted_only_when_it_is_its_turn_is_not_written_to(cloud: ToyCloud) -> None:
    store = MemoryStore()
    up([one(cloud)], cloud, store)
    made = engine([one(cloud, "w")], cloud, store)
    plan = made.plan()
    thing = cloud.by_name("s.a")
    assert thing
    thing.owner, thing.failed = Ownership.ADOPTED, True
    list(made.apply(plan))
    assert cloud.writes == ["create s.a"]


def test_outputs_of_an_object_that_is_being_deleted_are_not_used(cloud: ToyCloud) -> None:
    store = MemoryStore()

    def nodes() -> list[Node[Any]]:
        a = one(cloud)
        return [a, Toy(address="s.b", title="B", cloud=cloud, parents=(a,))]

    up(nodes(), cloud, store)
    thing = cloud.by_name("s.a")
    assert thing
    thing.gone_at = cloud.clock.now() + 50
    again = engine(nodes(), cloud, store)
    plan = again.plan()
    assert "s.a" not in again.snapshot.outputs
    changes = {c.address: (c.action, c.why) for c in plan.changes}
    assert changes["s.a"][0] is Action.CREATE
    assert changes["s.b"] == (Action.DEFER, "known after s.a")
    list(again.apply(plan))
    b, a = cloud.by_name("s.b"), cloud.by_name("s.a")
    assert a and b and b.above == (a.id,)


@pytest.mark.parametrize("phase", ["creating", "failed"])
def test_no_receipt_is_written_for_what_is_not_ready(cloud: ToyCloud, phase: str) -> None:
    store = MemoryStore()
    up([one(cloud)], cloud, store)
    store.items = {}
    thing = cloud.by_name("s.a")
    assert thing
    if phase == "creating":
        thing.ready_at = cloud.clock.now() + 100
    else:
        thing.failed = True
    again = engine([one(cloud)], cloud, store)
    again.plan()
    again.record_receipts()
    assert not store.items
    thing.ready_at, thing.failed = 0.0, False
    again.plan()
    again.record_receipts()
    assert store.items["s.a"].phase == "ready"


def test_no_receipt_is_written_for_what_differs(cloud: ToyCloud) -> None:
    store = MemoryStore()
    up([one(cloud)], cloud, store)
    store.items = {}
    again = engine([one(cloud, "w")], cloud, store)
    again.plan()
    again.record_receipts()
    assert not store.items


@pytest.mark.parametrize("intent", ["create", "update", "delete"])
def test_a_receipt_of_something_unfinished_does_not_say_that_it_was_there(cloud: ToyCloud, intent: str) -> None:
    """Or a create that was interrupted would be told as drift by hand."""
    store = MemoryStore()
    store.items = {"s.a": Receipt("s.a", "s.a#1", "creating", spec_hash(Spec("v")), Ownership.OWNED, 0.0, intent)}
    (change,) = engine([one(cloud)], cloud, store).plan().changes
    assert (change.action, change.drift) == (Action.CREATE, False)


def test_a_difference_after_an_unfinished_update_is_not_told_as_drift(cloud: ToyCloud) -> None:
    store = MemoryStore()
    up([one(cloud)], cloud, store)
    wanted = spec_hash(Spec("w"))
    for intent, drift in (("update", False), ("", True)):
        store.items = {"s.a": replace(store.items["s.a"], spec_hash=wanted, intent=intent)}
        (change,) = engine([one(cloud, "w")], cloud, store).plan().changes
        assert (change.action, change.drift) == (Action.UPDATE, drift)


# --- deletions ----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Shown(Toy):
    """Shows one phase after the other; the last one for ever. None: it is gone."""

    phases: list[Phase | None] = dataclasses.field(default_factory=list)
    owner: Ownership = Ownership.OWNED

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[Spec, str] | None:
        phase = self.phases.pop(0) if len(self.phases) > 1 else self.phases[0]
        return Observed("s.a#1", phase, Spec("v"), "s.a#1", self.owner, phase.value) if phase else None


READY, DELETING, FAILED = Phase.READY, Phase.DELETING, Phase.FAILED


def wait_gone(phases: list[Phase | None], owner: Ownership = Ownership.OWNED) -> tuple[InstantClock, list[ev.Event]]:
    clock, told = InstantClock(), []
    shown = Shown(address="s.a", title="A", cloud=ToyCloud(clock), phases=phases, owner=owner)
    reads = waiting.Waiting(clock=clock, store=MemoryStore(), error_policy=POLICY, tell=told.append)
    found = Observed("s.a#1", Phase.READY, Spec("v"), "s.a#1", owner)
    reads.until_gone(shown, found, Started("s.a#1", lambda: "a toy is stuck"))
    return clock, told


@pytest.mark.parametrize(
    "phases",
    [
        [READY, DELETING, None],  # the first read lags behind
        [READY, READY, None],  # it was quick, and never seen going on
        [DELETING, READY, READY, DELETING, None],  # a list that is not everywhere yet
        [DELETING, FAILED, DELETING, FAILED, FAILED, None],
        [READY] * 9 + [None],  # nothing was seen to begin: reads may lag
    ],
)
def test_a_deletion_is_not_called_failed_at_the_first_read(phases: list[Phase | None]) -> None:
    _, told = wait_gone(phases)
    assert told[-1].detail == "gone"  # type: ignore[attr-defined]


@pytest.mark.parametrize("end", [READY, FAILED])
def test_a_deletion_that_was_seen_going_on_and_ended_has_failed(end: Phase) -> None:
    with pytest.raises(CloudError, match="deletion failed") as raised:
        wait_gone([DELETING, end])
    assert "a toy is stuck" in raised.value.detail
    assert raised.value.resource == "s.a"


def test_one_that_never_begins_has_failed_when_reads_can_lag_no_longer() -> None:
    with pytest.raises(CloudError, match="deletion failed"):
        wait_gone([READY])


def test_a_shared_object_is_restored_as_soon_as_it_is_ready() -> None:
    clock, _ = wait_gone([Phase.CREATING, READY], Ownership.SHARED)
    assert clock.now() < 1_000_060


def test_a_deletion_without_end_is_given_up() -> None:
    with pytest.raises(CloudlinkError, match="Gave up waiting") as raised:
        wait_gone([DELETING])
    assert "was not gone after 6" in raised.value.detail and "deleting" in raised.value.detail  # 4000 s


# --- receipts around writes ---------------------------------------------------------------------------------


class Noted(Toy):
    """Knows what the state file says at the moment of each write."""

    seen: ClassVar[list[tuple[str, str, str]]] = []
    store: ClassVar[MemoryStore]

    def _note(self, verb: str) -> None:
        receipt = self.store.items.get(self.address)
        self.seen.append((verb, receipt.intent if receipt else "no receipt", receipt.phase if receipt else ""))

    def create(self, spec: Spec) -> Started:
        self._note("create")
        return super().create(spec)

    def update(self, found: Observed[Spec, str], spec: Spec) -> Started:
        self._note("update")
        return super().update(found, spec)

    def delete(self, found: Observed[Spec, str], prior_state: Any) -> Started | None:
        self._note("delete")
        return super().delete(found, prior_state)


def test_each_write_is_noted_on_disk_before_it_is_sent(cloud: ToyCloud) -> None:
    store = MemoryStore()
    Noted.store, Noted.seen = store, []

    def nodes(value: str) -> list[Node[Any]]:
        return [Noted(address="s.a", title="A", cloud=cloud, value=value)]

    up(nodes("v"), cloud, store)
    store.items = {}  # a lost state file: nothing earlier can stand in for the note
    up(nodes("w"), cloud, store)
    assert store.items["s.a"].intent == ""
    made = engine(nodes("w"), cloud, store)
    list(made.apply(made.plan(destroy=True)))
    assert Noted.seen == [
        ("create", "create", "creating"),
        ("update", "update", "ready"),
        ("delete", "delete", "deleting"),
    ]


class TwoWrites(Toy):
    """Shared; takes two writes for one change, as the VPC's DNS settings do."""

    def prior_state(self, found: Observed[Spec, str] | None) -> Any:
        return found.spec.value if found and found.spec else None

    def update(self, found: Observed[Spec, str], spec: Spec) -> Started:
        assert found.spec
        return super().update(found, replace(spec, value="half" if found.spec.value == "theirs" else spec.value))


def test_what_it_was_like_before_is_what_it_was_before_the_first_write(cloud: ToyCloud) -> None:
    store = MemoryStore()
    up([Toy(address="s.a", title="A", cloud=cloud, value="theirs")], cloud, store)
    next(iter(cloud.things.values())).owner = Ownership.SHARED
    store.items = {}
    nodes: list[Node[Any]] = [TwoWrites(address="s.a", title="A", cloud=cloud, value="ours")]
    up(nodes, cloud, store)
    assert cloud.writes == ["create s.a", "update s.a", "update s.a"]
    assert store.items["s.a"].prior_state == "theirs"
    nodes = [TwoWrites(address="s.a", title="A", cloud=cloud, value="ours, later")]
    up(nodes, cloud, store)
    assert store.items["s.a"].prior_state == "theirs"


# --- what another's change means ----------------------------------------------------------------------------


class Telling(Toy):
    outputs_depend_on = frozenset({"value"})


def test_what_depends_on_outputs_that_will_change_is_known_later(cloud: ToyCloud) -> None:
    store = MemoryStore()

    def nodes(kind: type[Toy], value: str) -> list[Node[Any]]:
        a = kind(address="s.a", title="A", cloud=cloud, value=value)
        return [a, Toy(address="s.b", title="B", cloud=cloud, parents=(a,))]

    up(nodes(Telling, "v"), cloud, store)

    def action(kind: type[Toy], value: str) -> tuple[Action, str]:
        change = engine(nodes(kind, value), cloud, store).plan().of("s.b")
        assert change
        return change.action, change.why

    assert action(Telling, "v")[0] is Action.NO_OP
    assert action(Toy, "w")[0] is Action.NO_OP
    assert action(Telling, "w") == (Action.DEFER, "known after s.a")


def test_a_change_that_tells_nothing_new_does_not_defer_others(cloud: ToyCloud) -> None:
    store = MemoryStore()

    class TellsOfParents(Toy):
        outputs_depend_on = frozenset({"above"})

    def nodes(value: str) -> list[Node[Any]]:
        a = TellsOfParents(address="s.a", title="A", cloud=cloud, value=value)
        return [a, Toy(address="s.b", title="B", cloud=cloud, parents=(a,))]

    up(nodes("v"), cloud, store)
    change = engine(nodes("w"), cloud, store).plan().of("s.b")
    assert change and change.action is Action.NO_OP


# --- the end ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Endless(Toy):
    timing = Timing(create=20, deadline=100_000)


def test_no_wait_goes_on_after_a_bug() -> None:
    """The bug is seen at once, not when the longest wait is over."""
    cloud = ToyCloud(SteppingClock(2000), takes=1e9)
    long = Endless(address="s.long", title="L", cloud=cloud)
    cloud.trouble["create s.bug"] = ["bug"]

    class Later(Toy):
        def create(self, spec: Spec) -> Started:
            while not any(t.name == "s.long" for t in cloud.things.values()):
                cloud.clock.wait(1)
            return super().create(spec)

    began = cloud.clock.now()
    with pytest.raises(ZeroDivisionError):
        up([long, Later(address="s.bug", title="B", cloud=cloud)], cloud, MemoryStore())
    assert cloud.clock.now() - began < 20_000
    assert cloud.clock.stopped


class Unsure(Toy):
    """Says whose it is only as long as its tag is there; afterwards by its receipt."""

    tag: ClassVar[list[bool]] = [True]

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[Spec, str] | None:
        found = super().find(receipts, fresh=fresh)
        receipt = receipts.of(self)
        ours = self.tag[0] or (receipt is not None and receipt.owned is Ownership.OWNED)
        return replace(found, owned=Ownership.OWNED if ours else Ownership.ADOPTED) if found else None


class Tag(Toy):
    def delete(self, found: Observed[Spec, str], prior_state: Any) -> Started | None:
        Unsure.tag[0] = False
        return super().delete(found, prior_state)


def test_what_only_another_objects_tag_says_to_be_ours_is_still_ours_when_that_is_gone(cloud: ToyCloud) -> None:
    """A gateway's tag says that its subnet is ours. The state file is lost, and the gateway goes first."""
    Unsure.tag[0] = True
    subnet = Unsure(address="s.subnet", title="S", cloud=cloud)
    nodes: list[Node[Any]] = [subnet, Tag(address="s.gateway", title="G", cloud=cloud, parents=(subnet,))]
    up(nodes, cloud, MemoryStore())
    store = MemoryStore()
    removal = engine(nodes, cloud, store)
    list(removal.apply(removal.plan(destroy=True)))
    assert cloud.writes[2:] == ["delete s.gateway", "delete s.subnet"]
    assert not store.items


def test_what_a_resource_needs_of_itself_before_the_first_write_is_asked_once(cloud: ToyCloud) -> None:
    """And given back to it when what was written is taken back."""
    rolled: list[Any] = []

    class Careful(TwoWrites):
        def rollback_state(self) -> Any:
            thing = self.cloud.by_name(self.address)
            return thing.value if thing else None

        def rollback(self, found: Observed[Spec, str] | None, before: Any) -> str:
            rolled.append(before)
            return "Taken back."

        def update(self, found: Observed[Spec, str], spec: Spec) -> Started:
            started = super().update(found, spec)
            self.cloud.things[found.id].failed = self.cloud.things[found.id].value == "ours"
            return started

    store = MemoryStore()
    up([Toy(address="s.a", title="A", cloud=cloud, value="theirs")], cloud, store)
    with pytest.raises(CloudError, match=r"Taken back\."):
        up([Careful(address="s.a", title="A", cloud=cloud, value="ours")], cloud, store)
    assert rolled == ["theirs"], "not what the first of the two writes had made of it"


def test_outputs_of_nothing_are_not_known() -> None:
    assert dict(Receipts()) == {}
    with pytest.raises(Exception, match=r"s\.a"):
        Outputs()[Toy(address="s.a", title="A", cloud=ToyCloud(InstantClock()))]


def test_what_decides_about_a_write_or_ends_a_wait_is_read_fresh(cloud: ToyCloud) -> None:
    """Only the plan may look at what was read before."""
    reads: list[bool] = []

    class Watched(Toy):
        def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[Spec, str] | None:
            reads.append(fresh)
            return super().find(receipts, fresh=fresh)

    nodes: list[Node[Any]] = [Watched(address="s.a", title="A", cloud=cloud)]
    store = MemoryStore()
    up(nodes, cloud, store)
    assert reads[0] is False and reads.count(False) == 1 and len(reads) >= 3
    reads.clear()
    made = engine(nodes, cloud, store)
    list(made.apply(made.plan(destroy=True)))
    assert reads[0] is False and reads.count(False) == 1 and len(reads) >= 3


def test_keys_of_one_at_a_time_do_not_hold_up_each_other() -> None:
    """Two of one key wait for each other; those of another key, and those without one, do not."""
    cloud = ToyCloud(SteppingClock(), takes=400)

    class One(Toy):
        serial = "one"

    class Other(Toy):
        serial = "other"

    nodes: list[Node[Any]] = [
        One(address="s.one[0]", title="", cloud=cloud),
        One(address="s.one[1]", title="", cloud=cloud),
        Other(address="s.other", title="", cloud=cloud),
        Toy(address="s.free", title="", cloud=cloud),
    ]
    up(nodes, cloud, MemoryStore())
    ready = {t.name: t.ready_at for t in cloud.things.values()}
    first, second = sorted((ready["s.one[0]"], ready["s.one[1]"]))
    assert second - first >= cloud.takes
    assert ready["s.other"] < second and ready["s.free"] < second


def test_an_error_names_its_object_and_keeps_the_name_it_has(cloud: ToyCloud) -> None:
    class Says(Toy):
        named: ClassVar[str] = ""

        def create(self, spec: Spec) -> Started:
            raise CloudError("No", resource=self.named)

    for named, told in (("", "s.a"), ("s.other", "s.other")):
        Says.named = named
        with pytest.raises(CloudError) as raised:
            up([Says(address="s.a", title="A", cloud=cloud)], cloud, MemoryStore())
        assert raised.value.resource == told


def test_a_receipt_that_was_lost_is_written_for_the_object_it_is_of(cloud: ToyCloud) -> None:
    """Of what is as wanted, in a run that changes something else."""
    store = MemoryStore()
    a = one(cloud)
    up([a, Toy(address="s.b", title="B", cloud=cloud, parents=(a,))], cloud, store)
    store.items = {}
    up([a, Toy(address="s.b", title="B", cloud=cloud, parents=(a,), value="w")], cloud, store)
    assert {k: (r.address, r.id) for k, r in store.items.items()} == {
        "s.a": ("s.a", "s.a#1"),
        "s.b": ("s.b", "s.b#2"),
    }


class Gone(Exception):
    """What a cloud says of something that was just made, and of what somebody has deleted."""


def patient(seconds: float) -> ErrorPolicy:
    return ErrorPolicy(
        translate=lambda e: CloudError("It does not exist") if isinstance(e, Gone) else POLICY.translate(e),
        retry_after=lambda e: seconds if isinstance(e, Gone) else POLICY.retry_after(e),
        unknown_outcome=POLICY.unknown_outcome,
        not_seen_yet=lambda e: isinstance(e, Gone),
    )


class Unseen(Toy):
    """Its creates are refused as if what it hangs on were not there."""

    timing = Timing(create=5, delete=5, deadline=7200)

    def create(self, spec: Spec) -> Started:
        if self.cloud.trouble["create s.a"]:
            self.cloud.trouble["create s.a"].pop()
            raise Gone
        return super().create(spec)


def made_with(policy: ErrorPolicy, cloud: ToyCloud) -> list[ev.Event]:
    node = Unseen(address="s.a", title="A", cloud=cloud)
    run = Engine([node], clock=cloud.clock, store=MemoryStore(), error_policy=policy, workers=2)
    return list(run.apply(run.plan()))


def test_what_was_just_made_is_waited_for_and_what_is_gone_is_not_waited_for_as_long(cloud: ToyCloud) -> None:
    cloud.trouble["create s.a"] = ["gone"] * 12
    made_with(patient(10.0), cloud)

    cloud.things.clear()
    cloud.trouble["create s.a"] = ["gone"] * 1000
    before = cloud.clock.now()
    with pytest.raises(CloudError, match="does not exist"):
        made_with(patient(10.0), cloud)
    assert waiting.VISIBLE_WITHIN <= cloud.clock.now() - before < 2 * waiting.VISIBLE_WITHIN


@pytest.mark.parametrize(
    ("seconds", "said"), [(240.0, "waiting: It does not exist, again in 4 min"), (10.0, "waiting: It does not exist")]
)
def test_a_long_wait_says_how_long(cloud: ToyCloud, seconds: float, said: str) -> None:
    cloud.trouble["create s.a"] = ["gone"]
    told = [e.detail for e in made_with(patient(seconds), cloud) if isinstance(e, ev.Progress)]
    assert said in told


def test_an_hour_of_refusals_ends_with_what_was_done_about_it(cloud: ToyCloud) -> None:
    """To wait some minutes is no advice any more."""
    cloud.trouble["create s.a"] = ["busy"] * 1000
    with pytest.raises(UnreachableError) as unreachable:
        up([one(cloud)], cloud, MemoryStore())
    assert "again and again for 67 min" in unreachable.value.detail and "at work" not in unreachable.value.hint
    cloud.trouble["create s.a"] = ["busy"] * 1000
    refused = replace(POLICY, translate=lambda _: CloudError("Busy", hint="Wait a few minutes and run it again."))
    run = Engine([one(cloud)], clock=cloud.clock, store=MemoryStore(), error_policy=refused, workers=2)
    with pytest.raises(CloudError) as caught:
        list(run.apply(run.plan()))
    assert "again and again for 67 min" in caught.value.detail, caught.value.detail
    assert "at work there" in caught.value.hint and "few minutes" not in caught.value.hint


def test_a_network_that_is_lost_is_told_without_the_resource_that_was_read_just_then() -> None:
    reads = waiting.Waiting(clock=InstantClock(), store=MemoryStore(), error_policy=POLICY, tell=lambda _: None)
    for error, resource in ((LostContactError("lost"), ""), (CloudError("refused"), "s.a")):

        def fail(error: CloudlinkError = error) -> None:
            raise error

        with pytest.raises(CloudlinkError) as caught:
            reads.read("s.a", fail)
        assert caught.value.resource == resource
