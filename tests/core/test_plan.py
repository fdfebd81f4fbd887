"""Plans, differences and the graph: pure functions, value by value."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from graphlib import CycleError
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from cloudlink.core.graph import Graph
from cloudlink.core.plan import (
    Action,
    Change,
    FieldChange,
    Plan,
    diff,
    differences,
    exceeds_approval,
    show,
    spec_hash,
)
from cloudlink.core.resource import (
    Lookup,
    Node,
    Observed,
    Outputs,
    Ownership,
    Phase,
    Receipt,
    Receipts,
    Started,
    UnknownOutput,
)
from cloudlink.core.schedule import typical_seconds_of, verb_of
from cloudlink.errors import Finding, Severity
from cloudlink.secret import Secret

from .toy import InstantClock, MemoryStore, Spec, Toy, ToyCloud

KEY = Secret("x" * 30)


@dataclass(frozen=True)
class Inner:
    port: int
    name: str = "n"


@dataclass(frozen=True)
class Outer:
    key: Secret = KEY
    on: bool = True
    address: IPv4Address | None = None
    ranges: tuple[IPv4Network, ...] = ()
    members: frozenset[str] = frozenset()
    inner: Inner = Inner(1)
    inners: tuple[Inner, ...] = ()
    words: Any = field(default="")


# --- showing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Secret("hidden"), "(secret)"),
        (None, "(none)"),
        (True, "on"),
        (False, "off"),
        (1, "1"),
        (0, "0"),
        ("", "(none)"),
        ("text", "text"),
        (IPv4Network("10.0.0.0/8"), "10.0.0.0/8"),
        (Inner(53, "dns"), "port 53, name dns"),
        ({"a": 1, "b": None}, "a=1, b=(none)"),
        ({}, "(none)"),
        (frozenset({"b", "a"}), "a, b"),
        (frozenset(), "(none)"),
        ((), "(none)"),
        (["b", "a"], "b, a"),
        (("x", Inner(1)), "x, port 1, name n"),
    ],
)
def test_a_value_is_shown_as_people_write_it(value: Any, shown: str) -> None:
    assert show(value) == shown


@pytest.mark.parametrize(
    ("changes", "field_name", "old", "new"),
    [
        ({"key": Secret("y" * 30)}, "key", "(secret)", "(secret)"),
        ({"on": False}, "on", "on", "off"),
        ({"address": IPv4Address("10.0.0.1")}, "address", "(none)", "10.0.0.1"),
        ({"ranges": (IPv4Network("10.0.0.0/8"),)}, "ranges", "(none)", "10.0.0.0/8"),
        ({"inner": Inner(2)}, "inner", "port 1", "port 2"),
        ({"inner": Inner(2, "m")}, "inner", "port 1, name n", "port 2, name m"),
        ({"inners": (Inner(2),)}, "inners", "(none)", "port 2, name n"),
        ({"words": ["a"]}, "words", "(none)", "a"),
    ],
)
def test_one_difference(changes: dict[str, Any], field_name: str, old: str, new: str) -> None:
    assert diff(Outer(), replace(Outer(), **changes)) == (FieldChange(field_name, old, new),)


@dataclass(frozen=True)
class Tunnel:
    speed: int = 1
    rest: str = field(default="", metadata={"shown": "other settings", "empty": "as usual"})


@dataclass(frozen=True)
class End:
    at: str

    def __str__(self) -> str:
        return f"the end at {self.at}"


@dataclass(frozen=True)
class Worded:
    tunnels: tuple[Tunnel, ...] = field(metadata={"each": "tunnel"})
    ends: tuple[End, ...]


def test_a_field_names_its_members_and_its_own_words() -> None:
    found = Worded((Tunnel(), Tunnel(rest="odd")), (End("a"),))
    assert diff(found, Worded((Tunnel(), Tunnel()), (End("b"),))) == (
        FieldChange("tunnels", "tunnel 2: other settings odd", "tunnel 2: other settings as usual"),
        FieldChange("ends", "the end at a", "the end at b"),
    )
    assert show(Tunnel(2)) == "speed 2, other settings as usual"


def test_of_sets_only_what_one_of_them_has_is_shown() -> None:
    found, wanted = Outer(members=frozenset("abc")), Outer(members=frozenset("bcd"))
    assert diff(found, wanted) == (FieldChange("members", "a", "d"),)
    assert diff(found, Outer(members=frozenset("ab"))) == (FieldChange("members", "c", "(none)"),)


def test_of_lists_of_records_only_the_members_that_differ_are_shown() -> None:
    found = Outer(inners=(Inner(1), Inner(2), Inner(3)))
    assert diff(found, Outer(inners=(Inner(1), Inner(9), Inner(3)))) == (
        FieldChange("inners", "2: port 2", "2: port 9"),
    )
    assert diff(found, Outer(inners=(Inner(8), Inner(2), Inner(3, "m")))) == (
        FieldChange("inners", "1: port 1; 3: name n", "1: port 8; 3: name m"),
    )
    assert diff(Outer(inners=(Inner(1),)), Outer(inners=(Inner(2),))) == (FieldChange("inners", "port 1", "port 2"),)
    secret = Outer(inners=(Inner(1),), words=(Secret("a" * 9), 1))
    assert diff(secret, replace(secret, words=(Secret("b" * 9), 1)))[0].field == "words"


def test_nothing_differs_from_itself() -> None:
    assert diff(Outer(), Outer()) == ()
    with pytest.raises(AssertionError):
        diff(Outer(), Inner(1))


def test_differences_in_order_and_marks_and_tags_last() -> None:
    lacking = (FieldChange("tag cost", "(none)", "42"),)
    found = Observed("id", Phase.READY, Outer(), None, Ownership.OWNED, "", unmarked=True, lacking=lacking)
    marks = FieldChange("marks", "the link's name", "its name and its place")
    assert differences(found, Outer()) == (marks, *lacking)
    assert [c.field for c in differences(found, Outer(on=False, words="w"))] == ["on", "words", "marks", "tag cost"]
    assert differences(replace(found, unmarked=False, lacking=()), Outer()) == ()


# --- hashes -------------------------------------------------------------------------------------------------


def test_a_hash_is_the_same_in_every_version() -> None:
    """It is on disk: another one would be told as drift."""
    assert spec_hash(Inner(1)) == "37c1d3c527be3359"
    whole = Outer(
        Secret("k" * 30),
        False,
        IPv4Address("10.0.0.1"),
        (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12")),
        frozenset({"b", "a"}),
        Inner(2),
        (Inner(3),),
        {"x": [1, None]},
    )
    assert spec_hash(whole) == "d99a412314cb9990"


def test_every_field_but_a_secret_is_in_the_hash() -> None:
    base = Outer()
    others = [
        {"on": False},
        {"address": IPv4Address("10.0.0.1")},
        {"ranges": (IPv4Network("10.0.0.0/8"),)},
        {"members": frozenset("a")},
        {"members": frozenset("b")},
        {"inner": Inner(2)},
        {"inners": (Inner(1),)},
        {"inners": (Inner(2),)},
        {"words": {"a": 1}},
        {"words": {"b": 1}},
        {"words": {"a": 2}},
        {"words": ["a"]},
    ]
    hashes = [spec_hash(base), *(spec_hash(replace(base, **change)) for change in others)]
    assert len(set(hashes)) == len(hashes)
    assert spec_hash(replace(base, key=Secret("another" * 5))) == spec_hash(base)
    assert all(len(h) == 16 for h in hashes)


# --- what was approved --------------------------------------------------------------------------------------


ORDER = (Action.NO_OP, Action.CREATE, Action.UPDATE, Action.RESTORE, Action.REPLACE, Action.DELETE)


@pytest.mark.parametrize(("shown", "actual"), list(itertools.product(ORDER, ORDER)))
def test_what_is_worse_than_shown_was_not_approved(shown: Action, actual: Action) -> None:
    assert exceeds_approval(actual, shown) is (ORDER.index(actual) > ORDER.index(shown))


@pytest.mark.parametrize("actual", ORDER)
def test_known_after_apply_approves_a_creation_or_a_change(actual: Action) -> None:
    approved = actual in (Action.NO_OP, Action.CREATE, Action.UPDATE)
    assert exceeds_approval(actual, Action.DEFER) is not approved


def test_every_action_has_its_word_and_its_glyph() -> None:
    assert {a.value: a.glyph for a in Action} == {
        "no-op": "=",
        "defer": "?",
        "create": "+",
        "update": "~",
        "replace": "±",
        "delete": "-",
        "restore": "~",
    }
    assert {a for a in Action if a.removes} == {Action.DELETE, Action.REPLACE, Action.RESTORE}
    assert {a: verb_of(a) for a in Action} == {
        Action.NO_OP: "read",
        Action.DEFER: "wait",
        Action.CREATE: "create",
        Action.UPDATE: "update",
        Action.REPLACE: "replace",
        Action.DELETE: "delete",
        Action.RESTORE: "restore",
    }


def test_how_long_an_action_usually_takes() -> None:
    toy = Toy(address="s.a", title="A", cloud=ToyCloud(InstantClock()))  # 20, 10, 10
    assert {a.value: typical_seconds_of(toy, a) for a in Action} == {
        "no-op": 20,
        "defer": 20,
        "create": 20,
        "update": 10,
        "replace": 30,
        "delete": 10,
        "restore": 10,
    }


def test_a_plan_knows_its_changes() -> None:
    stays = Change("aws_vpn.a", "A", Action.NO_OP)
    later = Change("aws_vpn.b", "B", Action.DEFER)
    made = Change("resolver.c", "C", Action.CREATE)
    obstacle = Finding("names", Severity.OBSTACLE, "No")
    warning = Finding("names", Severity.WARNING, "Hm")
    plan = Plan((stays, later, made), findings=(obstacle, warning))
    assert plan.writes == (later, made)
    assert [plan.count(a) for a in (Action.NO_OP, Action.DEFER, Action.CREATE, Action.UPDATE)] == [1, 1, 1, 0]
    assert plan.of("aws_vpn.b") is later
    assert plan.of("aws_vpn") is None
    assert [c.step for c in plan.changes] == ["aws_vpn", "aws_vpn", "resolver"]
    assert plan.found(Severity.OBSTACLE) == (obstacle,)
    assert plan.found(Severity.WARNING) == (warning,)


# --- graph and nodes ----------------------------------------------------------------------------------------


def toys(**parents: str) -> list[Node[Any]]:
    cloud = ToyCloud(InstantClock())
    made: dict[str, Toy] = {}
    for name, needs in parents.items():
        made[name] = Toy(address=f"s.{name}", title=name, cloud=cloud, parents=tuple(made[n] for n in needs))
    return list(made.values())


def test_order_needs_and_dependents() -> None:
    graph = Graph(toys(a="", b="a", c="ab"))
    assert graph.order == ("s.a", "s.b", "s.c")
    assert graph.needs == {"s.a": (), "s.b": ("s.a",), "s.c": ("s.a", "s.b")}
    assert graph.dependents == {"s.a": ["s.b", "s.c"], "s.b": ["s.c"], "s.c": []}
    assert graph.below(["s.b"]) == {"s.a", "s.b"}
    assert graph.below([]) == frozenset()
    assert graph.below(["s.c", "s.a"]) == {"s.a", "s.b", "s.c"}


def test_what_is_no_graph_is_refused() -> None:
    a, b = toys(a="", b="a")
    with pytest.raises(ValueError, match=r"^two nodes have the address s\.a$"):
        Graph([a, b, *toys(a="")])
    with pytest.raises(ValueError, match=r"^s\.b needs s\.a, which is not in the graph$"):
        Graph([b])


def test_a_circle_is_refused() -> None:
    a, b = toys(a="", b="a")
    object.__setattr__(a, "parents", (b,))
    with pytest.raises(CycleError):
        Graph([a, b])


@dataclass(frozen=True, kw_only=True, eq=False)
class Alone(Lookup[str]):
    def read(self, outputs: Outputs) -> str:
        return "x"


def test_what_a_node_says_of_itself() -> None:
    cloud = ToyCloud(InstantClock())
    one = Alone(address="aws_vpn.cluster", title="C")
    assert (one.step, one.needs(), one.adopted("x")) == ("aws_vpn", (), "")
    base = Toy(address="s.base", title="B", cloud=cloud)
    toy = Toy(address="s.t[1]", title="T", cloud=cloud, parents=(one,), base=(base,))
    assert toy.step == "s"
    assert toy.needs() == (one, base)
    assert toy.built_on() == (base,)
    assert (toy.rollback_state(), toy.rollback(None, "x"), toy.prior_state(None)) == (None, "", None)
    with pytest.raises(AssertionError, match=r"s\.t\[1\]"):
        toy.complete_marks(Observed("i", Phase.READY, Spec("v"), "i", Ownership.OWNED))
    assert Started("id").reason() == ""


def test_outputs_and_receipts() -> None:
    a, b = toys(a="", b="")
    known = Outputs().with_(a, "out")
    assert known[a] == "out"
    with pytest.raises(UnknownOutput) as raised:
        known[b]
    assert (raised.value.node, str(raised.value)) == (b, "s.b")
    assert known.with_(b, "other")[a] == "out"
    receipt = Receipt("s.a", "id", "ready", "h", Ownership.OWNED, 1.0)
    receipts = Receipts({"s.a": receipt})
    assert (receipts.of(a), receipts.of(b), len(receipts), list(receipts)) == (receipt, None, 1, ["s.a"])
    store = MemoryStore()
    assert dict(store.receipts()) == {}


def test_what_is_incomplete() -> None:
    found = Observed("i", Phase.READY, Spec("v"), "i", Ownership.OWNED)
    assert not found.incomplete
    assert replace(found, unmarked=True).incomplete
    assert replace(found, lacking=(FieldChange("t", "", "x"),)).incomplete
