"""The ranges that are shown for waits are true: over the sandbox's seeded durations four of five end inside theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.built_link import Memory
from tests.support.cli import EXAMPLE
from tests.support.clocks import SharedTime

from cloudlink.clouds.errors import error_policy
from cloudlink.config import load
from cloudlink.connect import connect
from cloudlink.core.engine import Engine
from cloudlink.core.events import Begun, Done, Event, Queued
from cloudlink.sandbox_client import endpoints_of
from cloudlink.sandbox_world import description
from cloudlink.view import words
from cloudlink.view.board import Board
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.process import Sandbox
from cloudlink_sandbox.world_file import parse

SEEDS = range(1, 7)
Run = list[Event]


def run(seed: int, folder: Path, *, destroy: bool) -> Iterator[Run]:
    """The events of a build of the VPN; then of its removal, where that is asked for."""
    link = load(EXAMPLE, sandbox=True)
    sandbox = Sandbox(folder, speed=0.0, durations=Durations(seed=seed), start=1_800_000_000.0)
    sandbox.seed(parse(description(link)))
    sandbox.start()
    try:
        time = SharedTime(sandbox.context.clock, busy=sandbox.context.journal.last_wall)
        clouds = connect(link, time, endpoints_of(sandbox.address()))
        nodes = (*clouds.topology.aws_vpn.nodes(), *clouds.topology.azure_vpn.nodes())
        engine = Engine(nodes, clock=time, store=Memory(), error_policy=error_policy(link))
        yield list(engine.apply(engine.plan()))
        if destroy:
            yield list(engine.apply(engine.plan(destroy=True)))
    finally:
        sandbox.stop()
        for cluster in sandbox.aks.clusters.values():
            cluster.pods.kill_all()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    return [events for seed in SEEDS for events in run(seed, tmp_path_factory.mktemp(f"seed{seed}"), destroy=seed <= 2)]


@pytest.mark.slow
@pytest.mark.long
def test_four_of_five_waits_end_inside_their_range(runs: list[Run]) -> None:
    inside, outside = 0, []
    for events in runs:
        begun: dict[str, Begun] = {}
        for event in events:
            if isinstance(event, Begun):
                begun[event.address] = event
            elif isinstance(event, Done) and event.changed and event.address in begun:
                low, high = begun[event.address].usual_range
                if begun[event.address].typical_seconds < 10:
                    continue  # no range is shown of these
                if low <= event.seconds <= high:
                    inside += 1
                else:
                    outside.append((event.address, event.verb, round(event.seconds), round(low), round(high)))
    assert inside >= 0.8 * (inside + len(outside)), outside


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("share", [0.0, 0.5], ids=["at the start", "at half time"])
def test_four_of_five_runs_end_inside_the_range_that_was_shown(runs: list[Run], share: float) -> None:
    outside = []
    for events in runs:
        worked = [e for e in events if not isinstance(e, Queued)]
        start, end = worked[0].at, events[-1].at
        board = Board()
        for event in events:
            if event.at > start + share * (end - start) and not isinstance(event, Queued):
                break
            board.take(event)
        low, high = board.left_range()
        if not low <= end - board.now <= high:
            outside.append((round(end - board.now), round(low), round(high)))
    assert len(outside) <= 0.2 * len(runs), outside


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (2, 8, "up to 10s"),
        (30, 57, "up to 60s"),
        (20, 100, "up to 2m"),
        (812, 2030, "13m to 34m"),
        (61, 119, "1m to 2m"),
        (3500, 4300, "58m to 1h12m"),
    ],
)
def test_a_range_is_rounded_outwards(low: float, high: float, said: str) -> None:
    assert words.between(low, high) == said
