"""The state file: a disk that is full or read-only at any save, files of other formats and of other links, a clock that
was set back. Each ends with one message and exit code 7, or goes on where it may; nothing is lost."""

from __future__ import annotations

import json
import random
import time
import zlib
from collections.abc import Callable

from reliability.crash_state import CrashState
from reliability.fork_server import Ended
from reliability.harness import Harness
from reliability.kill import TrialRunner
from reliability.results import Point, Results
from reliability.save_hooks import FAILURES
from reliability.scenarios import SCENARIOS, Scenario
from reliability.snapshot import difference

SCENARIO_NAMES = ("fresh", "changed", "teardown")
YEARS = 10 * 365 * 86_400.0


class StateRunner(TrialRunner):
    def __init__(self, harness: Harness) -> None:
        super().__init__(harness)
        self._gone_on: set[str] = set()

    def disk(self, name: str, number: int, failure: str) -> Point:
        """The disk refuses from that save on; then there is room again."""
        harness, scenario = self.harness, SCENARIOS[name]
        harness.back_to(scenario.world)
        ended = harness.run(*scenario.again, fails=(number, failure))
        wrong = _refused(ended, "The state file cannot be written") or self._whole()
        wrong = wrong or self._goes_on(scenario)
        said = f"{wrong}\n  first run: {ended}" if wrong else ""
        return Point("state", failure, f"{scenario.title}, save {number}", said)

    def _goes_on(self, scenario: Scenario) -> str:
        """The next run, made once for all refusals that leave the same, ids aside."""
        harness = self.harness
        harness.settle()
        left = f"{scenario.name} {CrashState.take(harness).mark_without_ids}"
        if left in self._gone_on:
            return ""
        again = harness.run(*scenario.again)
        if again.code:
            return f"run again: {again}"
        harness.settle()
        different = difference(self.wanted[scenario.name], self.snapshots.take())
        wrong = "\n".join(d[:700] for d in different) or self.nothing_left(scenario)
        if not wrong:
            self._gone_on.add(left)
        return wrong

    def _whole(self) -> str:
        """What is on the disk is a whole state file, or none, and nothing beside it."""
        file = self.harness.state
        if file.exists():
            json.loads(file.read_text())
        return "".join(str(p) for p in self.harness.home.glob(".*.state.json.*"))

    def refused(self, what: str, says: str, change: Callable[[dict[str, object]], dict[str, object]]) -> Point:
        """A file that is not for this cloudlink or this link: nothing is written, neither to it nor to a cloud."""
        harness = self.harness
        harness.back_to("built")
        content = json.dumps(change(json.loads(harness.state.read_text())))
        harness.state.write_text(content)
        wrong, before = "", harness.writes()
        for command in (("up", "--no-verify"), ("teardown",), ("status",), ("plan",)):
            wrong = wrong or _refused(harness.run(*command), says)
        if not wrong and (harness.writes() != before or harness.state.read_text() != content):
            wrong = "it was written all the same"
        return Point("state", what, "up, teardown, status and plan", wrong)

    def goes_on(self, what: str, change: Callable[[dict[str, object]], dict[str, object]]) -> Point:
        """A file that is unusual and good: nothing to do is nothing to do, and a teardown takes all of it."""
        harness = self.harness
        harness.back_to("built")
        harness.state.write_text(json.dumps(change(json.loads(harness.state.read_text()))))
        before = harness.writes()
        wrong = "".join(str(e) for e in (harness.run("up", "--no-verify"), harness.run("status")) if e.code != 0)
        if harness.writes() != before:
            wrong += "a further up wrote"
        down = harness.run("teardown")
        harness.settle()
        different = difference(self.wanted["teardown"], self.snapshots.take())
        wrong = wrong or (str(down) if down.code else "\n".join(d[:700] for d in different))
        return Point("state", what, "up, status and teardown", wrong)


def _refused(ended: Ended, says: str) -> str:
    told = " ".join((ended.err + ended.out).split())
    if ended.code != 7 or says not in told or "What to do" not in told or "Traceback" in told:
        return f"not refused with {says!r}: {ended}"
    return ""


def _with(**changes: object) -> Callable[[dict[str, object]], dict[str, object]]:
    return lambda content: {**content, **changes}


def _later(content: dict[str, object]) -> dict[str, object]:
    """As if the clock had been ten years ahead when it was written, and was set right since."""
    resources = content["resources"]
    assert isinstance(resources, dict)
    return {
        **content,
        "resources": {a: {**r, "since": time.time() + YEARS} for a, r in resources.items()},
    }


def run(
    results: Results,
    *,
    seed: int,
    part: int = 0,
    of: int = 1,
    most: int = 0,
    scenarios: tuple[str, ...] = SCENARIO_NAMES,
) -> int:
    """Returns the number of points that there are: every save, each with one way to refuse it, drawn by the seed.

    most: saves at most.
    """
    with Harness() as harness:
        runner = StateRunner(harness)
        for name in {*scenarios, "teardown"}:
            runner.measure(SCENARIOS[name])
        if part == 0:
            results.add(runner.refused("a newer format", "is of a newer version", _with(format=99)))
            results.add(runner.refused("another link's file", "belongs to another link", _with(link="other")))
            results.add(runner.refused("no state file at all", "is damaged", lambda _: {"hello": "world"}))
            results.add(runner.goes_on("a clock that was set back", _later))
        points = [(s, n) for s in scenarios for n in range(1, runner.saves[s] + 1)]
        mine = [p for p in points if zlib.crc32(f"{p}".encode()) % of == part]
        chance = random.Random(f"{seed}/{part}")
        for name, number in chance.sample(mine, min(most or len(mine), len(mine))):
            if results.time_is_up:
                break
            results.add(runner.disk(name, number, chance.choice(tuple(FAILURES))))
    return len(points) + 4
