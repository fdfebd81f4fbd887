"""Over what somebody else has joined: ``up`` and ``teardown`` killed at each write, and run again; the link of somebody else
is as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from reliability.call_interceptor import CrashPoint
from reliability.harness import Harness

from tests.steps.test_existing_link import CONFIG

pytestmark = [pytest.mark.slow, pytest.mark.long]
TEXT = CONFIG.partition("[sandbox]")[0]


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    with Harness(text=TEXT, more='wire = "vpn"\n') as made:
        made.keep("empty")
        done = made.run("up", "--no-verify")
        assert done.code == 0, str(done)
        made.settle()
        made.keep("built")
        yield made


def carriers(harness: Harness) -> list[str]:
    """What carries the packets, of both clouds."""
    world = harness.sandbox.context.world()
    return sorted(f"{w.aws_gateway} {w.azure_gateway} {w.connection} {w.to_aws} {w.to_azure}" for w in world.ways)


@pytest.mark.parametrize(("command", "world"), [("up", "empty"), ("teardown", "built")])
def test_killed_at_each_write_and_run_again(harness: Harness, command: str, world: str) -> None:
    arguments = (command, "--no-verify") if command == "up" else (command,)
    harness.back_to(world)
    before = carriers(harness)
    assert len(before) == 4
    assert harness.run(*arguments).code == 0
    writes = harness.writing_calls()
    assert len(writes) >= 6
    for number in writes:
        for moment in ("before", "after") if number in (writes[0], writes[-1]) else ("after",):
            harness.back_to(world)
            harness.run(*arguments, kill=CrashPoint(number, 0, moment))
            harness.settle()
            again = harness.run(*arguments)
            assert again.code == 0, f"call {number}/{moment}: {again}"
            harness.settle()
            done = harness.writes()
            assert harness.run(*arguments).code == 0
            assert harness.writes() == done, f"call {number}/{moment}: something was left to do"
            assert carriers(harness) == before
