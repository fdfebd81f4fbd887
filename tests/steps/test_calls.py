"""How many calls a link's life costs: a read that is added, or made twice, is seen here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudlink.config import load
from cloudlink.core.plan import Action
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.process import Sandbox
from tests.support.cli import EXAMPLE
from tests.support.life import Life

MOST = {"plan": 54, "first up": 125, "second up": 26, "status": 39, "teardown": 132}


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"), speed=0, durations=Durations(exact=True))
    sandbox.start()
    yield Life(sandbox, load(EXAMPLE, sandbox=True))
    sandbox.stop()


def test_a_life_of_a_link_in_calls(life: Life) -> None:
    life.plan()
    plan = life.calls()
    assert {f.summary for f in life.found} <= {"What the link costs"}  # a check that could not be made asks less
    # what a plan asks twice it asks of two objects, or in two versions of an API
    assert {what for what, n in plan.items() if n > 1} == {
        "aks GET configmaps",
        "azure GET permissions",
        "azure POST checkPolicyRestrictions",
    }
    life.up()
    first = life.calls()
    life.clock.wait(600)
    assert {c.action for c in life.up().changes} == {Action.NO_OP}
    second = life.calls()
    life.status()
    status = life.calls()
    assert status["azure GET operationResults"] == 2  # of two questions, each looked for once it usually is there
    life.teardown()
    counted = {"plan": plan, "first up": first, "second up": second, "status": status, "teardown": life.calls()}
    more = {name: calls.most_common() for name, calls in counted.items() if calls.total() > MOST[name]}
    assert not more, {name: counted[name].total() for name in counted}
    # the numbers above follow when calls are saved
    assert {
        name: MOST[name] - calls.total() for name, calls in counted.items() if MOST[name] - calls.total() > 12
    } == {}
