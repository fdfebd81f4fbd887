"""What the configuration names no more: it goes once what used it has let go of it, and is then forgotten."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from cloudlink.core.plan import Action
from cloudlink.core.resource import Node, Ownership, Receipt
from cloudlink.errors import CloudlinkError

from .test_schedule import Freed
from .toy import MemoryStore, SteppingClock, Toy, ToyCloud, engine


def chain(cloud: ToyCloud) -> list[Node[Any]]:
    used = Toy(address="s.used", title="", cloud=cloud)
    within = Toy(address="s.within", title="", cloud=cloud, parents=(used,))
    return [used, within, Toy(address="s.last", title="", cloud=cloud, parents=(used, within))]


def built() -> tuple[ToyCloud, MemoryStore]:
    cloud, store = ToyCloud(SteppingClock()), MemoryStore()
    made = engine(chain(cloud), cloud, store)
    list(made.apply(made.plan()))
    cloud.writes.clear()
    return cloud, store


def without(cloud: ToyCloud) -> list[Node[Any]]:
    """The same, where the last is wanted alone; it still comes after what it used."""
    used = Toy(address="s.used", title="", cloud=cloud, unwanted=True)
    within = Toy(address="s.within", title="", cloud=cloud, parents=(used,), unwanted=True)
    return [used, within, Freed(address="s.last", title="", cloud=cloud, parents=(used, within))]


def test_it_goes_after_what_used_it_was_changed() -> None:
    cloud, store = built()
    run = engine(without(cloud), cloud, store)
    plan = run.plan()
    assert {c.address: c.action for c in plan.changes} == {
        "s.used": Action.DELETE,
        "s.within": Action.DELETE,
        "s.last": Action.UPDATE,
    }
    cloud.trouble["update s.last"] = ["busy", "busy"]  # what did not wait for it would be gone before it
    list(run.apply(plan))
    assert cloud.writes == ["update s.last", "delete s.within", "delete s.used"]
    assert set(store.receipts()) == {"s.last"}
    again = engine(without(cloud), cloud, store).plan()
    assert not again.writes


def test_it_stays_while_what_uses_it_cannot_be_changed() -> None:
    cloud, store = built()
    cloud.trouble["update s.last"] = ["refused"]
    run = engine(without(cloud), cloud, store)
    with pytest.raises(CloudlinkError):
        list(run.apply(run.plan()))
    assert cloud.writes == []
    assert {t.name for t in cloud.things.values()} == {"s.used", "s.within", "s.last"}


def test_it_is_remembered_before_anything_is_written_and_forgotten_when_it_is_gone() -> None:
    cloud, store = built()
    for address in ("s.used", "s.within"):
        store.remove(address)
    cloud.trouble["update s.last"] = ["refused"]
    run = engine(without(cloud), cloud, store)
    with pytest.raises(CloudlinkError):
        list(run.apply(run.plan()))
    assert {a: r.intent for a, r in store.receipts().items() if a != "s.last"} == {
        "s.used": "delete",
        "s.within": "delete",
    }
    cloud.things.clear()
    gone = engine(without(cloud)[:2], cloud, store)
    assert not gone.plan().writes
    gone.record_receipts()
    assert set(store.receipts()) == {"s.last"}


def test_what_is_not_ours_stays_and_no_receipt_says_that_it_is_wanted() -> None:
    cloud, store = built()
    for thing in cloud.things.values():
        thing.owner = Ownership.ADOPTED
    for address in ("s.used", "s.within"):
        store.remove(address)
    run = engine(without(cloud)[:2], cloud, store)
    assert {c.action for c in run.plan().changes} == {Action.NO_OP}
    run.record_receipts()
    assert set(store.receipts()) == {"s.last"}


def test_a_receipt_of_what_is_there_still_is_kept() -> None:
    cloud, store = built()
    kept = store.receipts()["s.used"]
    assert isinstance(kept, Receipt)
    run = engine(without(cloud), cloud, store)
    plan = run.plan()
    left_out = dataclasses.replace(
        plan, changes=tuple(dataclasses.replace(c, action=Action.NO_OP) for c in plan.changes)
    )
    list(run.apply(left_out))
    assert store.receipts()["s.used"] == kept
    assert cloud.writes == []
