"""What a run tells from beginning to end, word for word: its plan, its events, its receipts, its writes and its error.

One worker and a clock that moves only by waiting make each story the same every time. A story that is meant to change:
delete its file in ``golden``, run the test once, and read the new one.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudlink.core import events as ev
from cloudlink.core.engine import Engine
from cloudlink.core.plan import FieldChange, Plan
from cloudlink.core.resource import Lookup, Node, Observed, Outputs, Ownership, Phase, Receipt, Receipts, Started
from cloudlink.errors import CloudError, CloudlinkError, ConflictError, MissingError, UnreachableError
from tests.support import golden

from .toy import POLICY, Cut, InstantClock, MemoryStore, QuickToy, RemadeToy, Spec, Toy, ToyCloud

GOLDEN = Path(__file__).with_name("golden")
START = 1_000_000.0
Story = Callable[["Stage"], None]
STORIES: dict[str, Story] = {}


def story(tell: Story) -> Story:
    STORIES[tell.__name__] = tell
    return tell


def text_of(value: object) -> str:
    if isinstance(value, CloudlinkError):
        parts = [value.summary, value.detail, value.hint, f"[{value.resource}]", value.code]
        return f"{type(value).__name__}: " + " | ".join(p for p in parts if p)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        return f"({', '.join(text_of(v) for v in value)})"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (getattr(value, f.name) for f in dataclasses.fields(value) if f.name != "place")
        return f"{type(value).__name__}({', '.join(text_of(v) for v in fields)})"
    return str(value)


def line_of(event: ev.Event) -> str:
    fields = [getattr(event, f.name) for f in dataclasses.fields(event) if f.name != "at"]
    return f"+{event.at - START:g} {type(event).__name__}: {', '.join(text_of(f) for f in fields)}"


class Stage:
    """A toy cloud, a state file, and what was told."""

    def __init__(self) -> None:
        self.cloud = ToyCloud(InstantClock())
        self.store = MemoryStore()
        self.lines: list[str] = []

    def engine(self, nodes: list[Node[Any]]) -> Engine:
        return Engine(nodes, clock=self.cloud.clock, store=self.store, error_policy=POLICY, workers=1)

    def say(self, text: str) -> None:
        self.lines.append(text)

    def plan(self, nodes: list[Node[Any]], **how: Any) -> tuple[Engine, Plan | None]:
        made = self.engine(nodes)
        try:
            plan = made.plan(**how)
        except CloudlinkError as error:
            self.say(f"no plan: {text_of(error)}")
            return made, None
        for change in plan.changes:
            drift = " drift" if change.drift else ""
            self.say(f"plan: {change.address} [{change.title}] {change.action.value}{drift} {change.id} {change.why!r}")
            self.lines.extend(f"      {text_of(field)}" for field in change.fields)
        self.lines.extend(f"kept: {text_of(kept)}" for kept in plan.kept)
        return made, plan

    def run(
        self,
        nodes: list[Node[Any]],
        *,
        before: Callable[[], None] = lambda: None,
        at: Callable[[ev.Event], None] = lambda _: None,
        **how: Any,
    ) -> None:
        """before: what happens between the plan and the work. at: is told each event."""
        made, plan = self.plan(nodes, **how)
        if plan is None:
            return
        before()
        error: BaseException | None = None
        try:
            for event in made.apply(plan, monthly_cost=lambda existing: float(len(existing))):
                if not isinstance(event, ev.Tick):
                    self.say(line_of(event))
                at(event)
        except CloudlinkError as raised:
            error = raised
        for receipt in self.store.items.values():
            self.say(f"receipt: {text_of(receipt)}")
        self.say(f"writes: {', '.join(self.cloud.writes)}")
        self.cloud.writes.clear()
        if error is not None:
            self.say(f"error: {text_of(error)}")

    def toy(self, name: str = "a", kind: type[Toy] = Toy, **more: Any) -> Any:
        return kind(address=f"s.{name}", title=f"the {name}", cloud=self.cloud, **more)

    def chain(self, **more: Any) -> list[Node[Any]]:
        a = self.toy("a", **more)
        b = self.toy("b", parents=(a,))
        return [a, b, self.toy("c", base=(b,))]

    def thing(self, name: str = "a") -> Any:
        found = self.cloud.by_name(f"s.{name}")
        assert found
        return found


# --- building -----------------------------------------------------------------------------------------------


@story
def build_then_nothing_then_change(stage: Stage) -> None:
    stage.run(stage.chain())
    stage.run(stage.chain())
    stage.run(stage.chain(value="w"))


@story
def replace_what_cannot_be_changed(stage: Stage) -> None:
    stage.run(stage.chain())
    a = stage.toy("a")
    b = Toy(address="s.b", title="the b", cloud=stage.cloud, parents=(a,), kind="other")
    stage.run([a, b, stage.toy("c", base=(b,))])


@story
def drift_by_hand(stage: Stage) -> None:
    stage.run(stage.chain())
    stage.thing("b").value = "by hand"
    del stage.cloud.things[stage.thing("c").id]
    stage.run(stage.chain())


@story
def pick_up_what_an_earlier_run_had_begun(stage: Stage) -> None:
    stage.run([stage.toy()])
    thing = stage.thing()
    thing.ready_at = stage.cloud.clock.now() + 100
    stage.store.items = {"s.a": replace(stage.store.items["s.a"], phase="creating", intent="create")}
    stage.run([stage.toy()])
    thing.gone_at = stage.cloud.clock.now() + 40
    stage.run([stage.toy()])


@story
def an_object_that_the_cloud_does_not_describe_yet(stage: Stage) -> None:
    class Vague(Toy):
        def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[Spec, str] | None:
            found = super().find(receipts, fresh=fresh)
            return replace(found, spec=None, outputs=None) if found and found.phase is Phase.CREATING else found

    stage.run([stage.toy()])
    stage.thing().ready_at = stage.cloud.clock.now() + 100
    stage.run([stage.toy(kind=Vague)])


@story
def several_writes_for_one_change_and_one_that_does_not_stay(stage: Stage) -> None:
    class Stubborn(Toy):
        def update(self, found: Observed[Spec, str], spec: Spec) -> Started:
            return super().update(found, replace(spec, value="never"))

    stage.run([stage.toy()])
    stage.run([stage.toy(kind=Stubborn, value="w")])


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Marked(Toy):
    why_it_matters = {"value": "it is heard everywhere"}  # noqa: RUF012 - as resources write it
    marks: dict[str, bool] = dataclasses.field(default_factory=lambda: {"place": False, "tag": False})

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[Spec, str] | None:
        found = super().find(receipts, fresh=fresh)
        if found is None or found.phase is not Phase.READY:
            return found
        lacking = () if self.marks["tag"] else (FieldChange("tag cost", "(none)", "42"),)
        return replace(found, unmarked=not self.marks["place"], lacking=lacking)

    def complete_marks(self, found: Observed[Spec, str]) -> Started:
        self.cloud.writes.append(f"mark {found.id}")
        self.marks.update(place=True, tag=True)
        return Started(found.id)


@story
def marks_are_completed_before_anything_is_changed(stage: Stage) -> None:
    stage.run([stage.toy()])
    stage.run([stage.toy(kind=Marked)])
    stage.run([stage.toy(kind=Marked, marks={"place": True, "tag": False})])
    stage.run([stage.toy(kind=Marked, value="w")])


@story
def adopted_objects_are_used_as_they_are(stage: Stage) -> None:
    stage.run(stage.chain())
    stage.thing("a").owner = Ownership.ADOPTED
    stage.run(stage.chain(value="w"))
    stage.thing("a").failed = True
    stage.plan(stage.chain(value="w"))
    stage.run(stage.chain(value="w"), destroy=True)


# --- trouble ------------------------------------------------------------------------------------------------


@story
def a_refusal_ends_the_run(stage: Stage) -> None:
    stage.cloud.trouble["create s.b"] = ["refused"]
    stage.run(stage.chain())


@story
def a_cloud_that_is_busy(stage: Stage) -> None:
    stage.cloud.trouble["create s.a"] = ["busy", "busy"]
    stage.run(stage.chain())


@story
def busy_for_ever(stage: Stage) -> None:
    stage.cloud.trouble["create s.a"] = ["busy"] * 2000
    stage.run([stage.toy(), stage.toy("x")])


@story
def answers_that_never_come(stage: Stage) -> None:
    stage.cloud.trouble["create s.a"] = ["cut-before"]
    stage.run([stage.toy()])
    stage.cloud.trouble["update s.a"] = ["cut-before"]
    stage.run([stage.toy(value="w")])
    stage.cloud.trouble["delete s.a"] = ["cut-before", "cut-after"]
    stage.run([stage.toy(value="w")], destroy=True)
    stage.cloud.trouble["create s.a"] = ["cut-after"]
    stage.run([stage.toy()])
    stage.cloud.trouble["delete s.a"] = ["cut-before"] * 9
    stage.run([stage.toy()], destroy=True)
    stage.cloud.trouble = {"create s.z": ["cut-before"] * 9}
    stage.run([stage.toy("z"), stage.toy("y")])


@story
def a_failure_in_the_cloud(stage: Stage) -> None:
    stage.cloud.trouble["end s.a"] = ["fails"]
    stage.run([stage.toy()])
    stage.cloud.trouble.clear()
    stage.run([stage.toy()])


@story
def a_failure_that_only_a_new_one_mends(stage: Stage) -> None:
    stage.cloud.trouble["end s.a"] = ["fails"]
    stage.run([stage.toy(kind=RemadeToy)])
    stage.cloud.trouble.clear()
    stage.run([stage.toy(kind=RemadeToy)])


class Undoing(Toy):
    def rollback_state(self) -> Any:
        thing = self.cloud.by_name(self.address)
        return thing.value if thing else None

    def rollback(self, found: Observed[Spec, str] | None, before: Any) -> str:
        return f"Taken back to {before}, seen as {found.phase.value if found else 'nothing'}."


@story
def what_would_harm_is_taken_back(stage: Stage) -> None:
    stage.cloud.trouble["end s.a"] = ["fails"]
    stage.run([stage.toy(kind=Undoing)])


@story
def a_creation_that_takes_too_long(stage: Stage) -> None:
    stage.cloud.takes = 9e9
    stage.run([stage.toy(kind=QuickToy), stage.toy("b", kind=Undoing)])


@story
def a_created_object_that_never_appears(stage: Stage) -> None:
    class Hidden(Toy):
        def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[Spec, str] | None:
            return None

    stage.run([stage.toy(kind=Hidden)])


@story
def one_that_vanishes_while_it_is_waited_for(stage: Stage) -> None:
    class Vanishing(Toy):
        def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[Spec, str] | None:
            found = super().find(receipts, fresh=fresh)
            return found if self.cloud.clock.now() < START + 30 else None

    stage.cloud.takes = 9e9
    stage.toy().create(Spec("v"))
    stage.run([stage.toy(kind=Vanishing)])


@story
def removed_by_hand_with_what_it_needs(stage: Stage) -> None:
    stage.run(stage.chain())
    for name in ("c", "b"):
        del stage.cloud.things[stage.thing(name).id]
    stage.run(stage.chain())


@story
def a_change_that_takes_too_long_is_taken_back(stage: Stage) -> None:
    class QuickUndoing(Undoing, QuickToy):
        pass

    stage.run([stage.toy(kind=QuickUndoing)])
    stage.cloud.takes = 9e9
    stage.run([stage.toy(kind=QuickUndoing, value="w")])


@story
def a_change_that_takes_too_long(stage: Stage) -> None:
    stage.run([stage.toy(kind=QuickToy)])
    stage.cloud.takes = 9e9
    stage.run([stage.toy(kind=QuickToy, value="w")])


@story
def a_reason_that_cannot_be_had(stage: Stage) -> None:
    class Silent(Toy):
        def create(self, spec: Spec) -> Started:
            started = super().create(spec)

            def reason() -> str:
                raise Cut

            return Started(started.id, reason)

        def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[Spec, str] | None:
            found = super().find(receipts, fresh=fresh)
            return replace(found, detail="") if found else None

    stage.cloud.trouble["end s.a"] = ["fails"]
    stage.run([stage.toy(kind=Silent)])


@story
def no_network_in_the_middle(stage: Stage) -> None:
    def later() -> None:
        stage.cloud.away = (stage.cloud.clock.now() + 5, stage.cloud.clock.now() + 400)

    stage.run(stage.chain(), before=later)


@story
def no_network_at_the_start(stage: Stage) -> None:
    stage.cloud.away = (START, START + 9e9)
    stage.plan(stage.chain())


# --- the plan is a promise ----------------------------------------------------------------------------------


def _hand(stage: Stage, **changes: Any) -> Callable[[], None]:
    def change() -> None:
        for name, value in changes.items():
            setattr(stage.thing(), name, value)

    return change


@story
def what_exceeds_the_plan_is_left_alone(stage: Stage) -> None:
    stage.run([stage.toy()])
    stage.run([stage.toy(value="w")], before=_hand(stage, kind="by hand"))
    stage.run([stage.toy(kind=RemadeToy, value="w")], before=_hand(stage, kind="k", failed=True))

    def gone() -> None:
        stage.cloud.things.clear()

    stage.run([stage.toy(value="x")], before=gone)
    stage.run([stage.toy(value="x")], destroy=True, before=gone)


@story
def what_was_adopted_meanwhile_is_not_deleted(stage: Stage) -> None:
    stage.run([stage.toy()])
    stage.run([stage.toy()], destroy=True, before=_hand(stage, owner=Ownership.ADOPTED))


@story
def what_was_created_meanwhile_is_not_changed(stage: Stage) -> None:
    def theirs() -> None:
        other = Toy(address="s.a", title="", cloud=stage.cloud, value="theirs")
        other.create(Spec("theirs"))

    stage.run([stage.toy()], before=theirs)


# --- removal ------------------------------------------------------------------------------------------------


@story
def remove_all(stage: Stage) -> None:
    stage.run(stage.chain())
    stage.run(stage.chain(), destroy=True)
    stage.run(stage.chain(), destroy=True)


@story
def a_deletion_that_fails_and_one_without_end(stage: Stage) -> None:
    stage.run(stage.chain())
    stage.cloud.trouble["deletion s.c"] = ["fails"]
    stage.run(stage.chain(), destroy=True)
    stage.cloud.trouble.clear()

    class Endless(Toy):
        def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[Spec, str] | None:
            return Observed("s.e#1", Phase.DELETING, Spec("v"), None, Ownership.OWNED, "")

    stage.run([stage.toy("e", kind=Endless)], destroy=True)


class Altered(Toy):
    """Part of something that is others'."""

    def prior_state(self, found: Observed[Spec, str] | None) -> Any:
        return found.spec.value if found and found.spec else None

    def delete(self, found: Observed[Spec, str], prior_state: Any) -> Started | None:
        return self.update(found, Spec(prior_state))


@story
def what_is_shared_is_restored(stage: Stage) -> None:
    stage.run([stage.toy(value="theirs")])
    stage.thing().owner = Ownership.SHARED
    stage.store.items = {}
    stage.run([stage.toy(kind=Altered, value="ours")])
    stage.run([stage.toy(kind=Altered, value="ours")], destroy=True)
    stage.run([stage.toy(kind=Altered, value="ours")], destroy=True)
    stage.store.items = {
        "s.a": Receipt("s.a", "x", "ready", "", Ownership.SHARED, 0.0, "", "theirs"),
    }
    stage.plan([stage.toy(kind=Altered, value="ours")], destroy=True)


@story
def interrupted_and_gone_on(stage: Stage) -> None:
    def stop(event: ev.Event) -> None:
        if isinstance(event, ev.Begun):
            stage.cloud.clock.stop()

    stage.cloud.takes = 500
    stage.run(stage.chain(), at=stop)
    stage.cloud.clock.stopped = False  # type: ignore[misc]
    stage.run(stage.chain())


# --- lookups ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Cluster(Lookup[str]):
    error: CloudlinkError | None = None
    asked: list[str] = dataclasses.field(default_factory=list)
    id: str = "cluster-1"
    above: tuple[Node[str], ...] = ()

    def read(self, outputs: Outputs) -> str:
        self.asked.append(self.address)
        for node in self.above:
            assert outputs[node]
        if self.error is not None:
            raise self.error
        return self.id

    def adopted(self, outputs: str) -> str:
        return outputs if self.address.endswith("adopted") else ""


class Proof(Cluster):
    proof = True


def looked_up(stage: Stage, **how: Any) -> list[Node[Any]]:
    cluster = Cluster(address="s.cluster", title="the cluster", **how)
    adopted = Cluster(address="s.adopted", title="the adopted", id="theirs-1")
    return [cluster, adopted, stage.toy("a", parents=(cluster,)), stage.toy("b", parents=(adopted,))]


@story
def lookups_feed_resources(stage: Stage) -> None:
    stage.run(looked_up(stage))
    assert stage.thing("a").above == ("cluster-1",)
    stage.run(looked_up(stage), destroy=True)


@story
def a_lookup_that_finds_nothing(stage: Stage) -> None:
    gone = MissingError("No cluster", "It is gone.", "List them.")
    stage.run(looked_up(stage, error=gone))
    stage.run(looked_up(stage))
    stage.plan(looked_up(stage, error=gone), tolerant=True)
    stage.run(looked_up(stage, error=gone), destroy=True)


@story
def a_lookup_of_what_a_resource_makes(stage: Stage) -> None:
    def nodes() -> list[Node[Any]]:
        a = stage.toy("a")
        cluster = Cluster(address="s.cluster", title="the cluster", above=(a,))
        return [a, cluster, stage.toy("b", parents=(cluster,))]

    stage.run(nodes())
    stage.run(nodes())


@story
def a_proof_is_asked_for_only_where_something_is_made(stage: Stage) -> None:
    def nodes() -> tuple[Proof, list[Node[Any]]]:
        proof = Proof(address="s.proof", title="the proof")
        return proof, [proof, stage.toy("a", parents=(proof,))]

    proof, all_of = nodes()
    stage.run([proof, stage.toy("x")])
    stage.say(f"asked: {proof.asked}")
    proof, all_of = nodes()
    stage.run([proof, stage.toy("x")])
    stage.say(f"asked: {proof.asked}")
    del all_of


class Unreadable(Toy):
    error: CloudlinkError = UnreachableError("Nobody answers", "At all.")

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[Spec, str] | None:
        raise self.error


class Taken(Unreadable):
    error = ConflictError("Two of them", "a and b.")


class Denied(Unreadable):
    error = CloudError("Denied", "You may not.")


@story
def reads_that_fail(stage: Stage) -> None:
    nodes = [stage.toy("a", kind=Denied), stage.toy("b", kind=Taken), stage.toy("c")]
    stage.plan(nodes)
    stage.plan(nodes, collect=True)
    stage.plan(nodes, partial=True)
    stage.plan([stage.toy("a", kind=Denied), stage.toy("c")])
    cluster = Cluster(address="s.cluster", title="the cluster", above=(nodes[2],))
    late = [stage.toy("a", kind=Unreadable), nodes[2], cluster]
    stage.plan(late, collect=True)
    stage.say(f"asked: {cluster.asked}")


# --- telling ------------------------------------------------------------------------------------------------


def told(name: str) -> str:
    """Reads of one object that show the same are one line."""
    stage = Stage()
    STORIES[name](stage)
    lines: list[str] = []
    for line, group in itertools.groupby(
        stage.lines, key=lambda text: text.partition(" ")[2] if "Progress" in text else text
    ):
        same = list(group)
        lines.append(same[0] if len(same) == 1 else f"{same[0]}, {len(same)} times until {same[-1].partition(' ')[0]}")
        del line
    return "\n".join(lines) + "\n"


@pytest.fixture(params=sorted(STORIES))
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


def test_a_story_is_told_as_it_was(name: str) -> None:
    golden.compare(told(name), GOLDEN / f"{name}.txt")


def test_every_golden_file_has_its_story() -> None:
    assert {p.stem for p in GOLDEN.iterdir()} == set(STORIES)
