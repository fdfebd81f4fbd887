"""What every resource must do, whatever cloud it is in, as one function for the step tests.

    check_contract(resource, given, wait=..., make_drift=..., make_twin=..., foreign_objects=..., writes=...)

resource: a Resource, absent before. given: outputs of everything it needs (the real ones, from the sandbox).
wait(seconds): moves the sandbox's clock on. It does not move otherwise.
make_drift(found): changes the object by hand, through a client of the test's own; None: nothing can be changed.
make_twin(found): makes a second object with our tags by hand and gives back how to remove it; None: cannot exist.
foreign_objects(): everything that is not ours, comparable; must be equal before and after.
writes(): how many writing calls the cloud has answered so far.
Returns the Found after the last update, which is deleted again at the end unless keep=True.

The steps: absent -> create -> found READY with an equal spec and outputs -> found again without the receipt ->
looking makes no write -> drift by hand shows -> update, one round after the other, until nothing differs ->
two with our tags are a conflict -> delete -> gone -> delete again is harmless -> foreign objects untouched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cloudlink.core.plan import diff, spec_hash
from cloudlink.core.resource import Observed, Outputs, Ownership, Phase, Receipt, Receipts, Resource
from cloudlink.errors import ConflictError

NO_RECEIPTS = Receipts()
ROUNDS = 12


def _nothing() -> int:
    return 0


def receipt_of(resource: Resource[Any, Any], found: Observed[Any, Any], prior_state: Any = None) -> Receipts:
    """What the state file would remember."""
    receipt = Receipt(
        resource.address, found.id, found.phase.value, spec_hash(found.spec), found.owned, 0.0, "", prior_state
    )
    return Receipts({resource.address: receipt})


def settle(
    resource: Resource[Any, Any], wait: Callable[[float], None], receipts: Receipts = NO_RECEIPTS
) -> Observed[Any, Any]:
    """Wait as the engine does until it is READY; fail on FAILED or after twice the deadline."""
    waited = 0.0
    while True:
        found = resource.find(receipts, fresh=True)
        if found is not None and found.phase is Phase.READY:
            return found
        assert found is None or found.phase is not Phase.FAILED, found
        assert waited <= resource.timing.deadline, f"{resource.address} is never ready: {found}"
        wait(5)
        waited += 5


def settle_gone(resource: Resource[Any, Any], wait: Callable[[float], None]) -> None:
    waited = 0.0
    while resource.find(NO_RECEIPTS, fresh=True) is not None:
        assert waited <= resource.timing.deadline, f"{resource.address} is never gone"
        wait(5)
        waited += 5


def bring_up(resource: Resource[Any, Any], outputs: Outputs, wait: Callable[[float], None]) -> Observed[Any, Any]:
    """Create it if it is absent, then update it until nothing differs."""
    wanted = resource.spec(outputs)
    assert wanted is not None
    found = resource.find(NO_RECEIPTS, fresh=True)
    if found is None:
        resource.create(wanted)
        found = settle(resource, wait)
    for _ in range(ROUNDS):
        assert found.spec is not None
        if not diff(found.spec, wanted):
            return found
        resource.update(found, wanted)
        wait(3)
        found = settle(resource, wait)
    raise AssertionError(f"{resource.address} still differs: {diff(found.spec, wanted)}")


def check_contract(
    resource: Resource[Any, Any],
    outputs: Outputs,
    *,
    wait: Callable[[float], None],
    make_drift: Callable[[Observed[Any, Any]], None] | None = None,
    make_twin: Callable[[Observed[Any, Any]], Callable[[], object]] | None = None,
    foreign_objects: Callable[[], Any] = _nothing,
    writes: Callable[[], int] = _nothing,
    keep: bool = False,
) -> Observed[Any, Any]:
    before = foreign_objects()
    wanted = resource.spec(outputs)
    assert wanted is not None
    assert resource.spec(outputs) == wanted, "spec is pure"
    assert spec_hash(wanted) == spec_hash(resource.spec(outputs))
    assert resource.find(NO_RECEIPTS, fresh=True) is None, "the contract starts from nothing"

    started = resource.create(wanted)
    found = settle(resource, wait)
    assert diff(found.spec, wanted) == ()
    assert found.outputs is not None
    assert found.owned is Ownership.OWNED
    assert started.id == found.id

    calls = writes()
    again = resource.find(receipt_of(resource, found), fresh=False)
    assert again is not None
    assert (again.id, again.spec, again.phase) == (found.id, found.spec, Phase.READY)
    assert resource.find(NO_RECEIPTS, fresh=True) == again
    assert writes() == calls, "looking must not write"

    if make_drift is not None:
        make_drift(found)
        wait(3)
        found = settle(resource, wait)
        assert diff(found.spec, wanted), "drift by hand does not show"
        found = bring_up(resource, outputs, wait)
        assert found.id == again.id, "an update must not make another object"

    if make_twin is not None:
        undo = make_twin(found)
        wait(3)
        with pytest.raises(ConflictError) as caught:
            resource.find(NO_RECEIPTS, fresh=True)
        assert found.id in caught.value.detail
        assert caught.value.hint
        undo()
        wait(120)
        found = settle(resource, wait)

    assert foreign_objects() == before, "something of somebody else's was touched"
    if keep:
        return found
    take_down(resource, found, wait)
    assert foreign_objects() == before, "something of somebody else's was deleted"
    return found


def take_down(resource: Resource[Any, Any], found: Observed[Any, Any], wait: Callable[[float], None]) -> None:
    """Delete it, wait until it is gone, delete it again."""
    resource.delete(found, None)
    settle_gone(resource, wait)
    resource.delete(found, None)  # a second run of teardown, or somebody else was faster
    settle_gone(resource, wait)
