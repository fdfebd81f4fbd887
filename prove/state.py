"""The state file: a disk that is full or read-only at any save, files of other formats and of other links, a clock that
was set back. Each ends with one message and exit code 7, or goes on where it may; nothing is lost."""

from __future__ import annotations

import json
import random
import time
import zlib
from collections.abc import Callable

from prove.figures import Figures, Point
from prove.ground import Ground
from prove.kill import Bench
from prove.moments import FAILURES
from prove.picture import difference
from prove.remains import Remains
from prove.scenes import SCENES, Scene
from prove.zygote import Ended

SCENE_NAMES = ("fresh", "changed", "teardown")
YEARS = 10 * 365 * 86_400.0


class StateBench(Bench):
    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._gone_on: set[str] = set()

    def disk(self, name: str, number: int, failure: str) -> Point:
        """The disk refuses from that save on; then there is room again."""
        ground, scene = self.ground, SCENES[name]
        ground.back_to(scene.world)
        ended = ground.run(*scene.again, fails=(number, failure))
        wrong = _refused(ended, "The state file cannot be written") or self._whole()
        wrong = wrong or self._goes_on(scene)
        said = f"{wrong}\n  first run: {ended}" if wrong else ""
        return Point("state", failure, f"{scene.title}, save {number}", said)

    def _goes_on(self, scene: Scene) -> str:
        """The next run, made once for all refusals that leave the same, ids aside."""
        ground = self.ground
        ground.settle()
        left = f"{scene.name} {Remains.take(ground).mark_without_ids}"
        if left in self._gone_on:
            return ""
        again = ground.run(*scene.again)
        if again.code:
            return f"run again: {again}"
        ground.settle()
        different = difference(self.wanted[scene.name], self.pictures.take())
        wrong = "\n".join(d[:700] for d in different) or self.nothing_left(scene)
        if not wrong:
            self._gone_on.add(left)
        return wrong

    def _whole(self) -> str:
        """What is on the disk is a whole state file, or none, and nothing beside it."""
        file = self.ground.state
        if file.exists():
            json.loads(file.read_text())
        return "".join(str(p) for p in self.ground.home.glob(".*.state.json.*"))

    def refused(self, what: str, says: str, change: Callable[[dict[str, object]], dict[str, object]]) -> Point:
        """A file that is not for this cloudlink or this link: nothing is written, neither to it nor to a cloud."""
        ground = self.ground
        ground.back_to("built")
        content = json.dumps(change(json.loads(ground.state.read_text())))
        ground.state.write_text(content)
        wrong, before = "", ground.writes()
        for command in (("up", "--no-verify"), ("teardown",), ("status",), ("plan",)):
            wrong = wrong or _refused(ground.run(*command), says)
        if not wrong and (ground.writes() != before or ground.state.read_text() != content):
            wrong = "it was written all the same"
        return Point("state", what, "up, teardown, status and plan", wrong)

    def goes_on(self, what: str, change: Callable[[dict[str, object]], dict[str, object]]) -> Point:
        """A file that is unusual and good: nothing to do is nothing to do, and a teardown takes all of it."""
        ground = self.ground
        ground.back_to("built")
        ground.state.write_text(json.dumps(change(json.loads(ground.state.read_text()))))
        before = ground.writes()
        wrong = "".join(str(e) for e in (ground.run("up", "--no-verify"), ground.run("status")) if e.code != 0)
        if ground.writes() != before:
            wrong += "a further up wrote"
        down = ground.run("teardown")
        ground.settle()
        different = difference(self.wanted["teardown"], self.pictures.take())
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


def prove(
    figures: Figures, *, seed: int, part: int = 0, of: int = 1, most: int = 0, scenes: tuple[str, ...] = SCENE_NAMES
) -> int:
    """Returns the number of points that there are: every save, each with one way to refuse it, drawn by the seed.

    most: saves at most.
    """
    with Ground() as ground:
        bench = StateBench(ground)
        for name in {*scenes, "teardown"}:
            bench.measure(SCENES[name])
        if part == 0:
            figures.add(bench.refused("a newer format", "is of a newer version", _with(format=99)))
            figures.add(bench.refused("another link's file", "belongs to another link", _with(link="other")))
            figures.add(bench.refused("no state file at all", "is damaged", lambda _: {"hello": "world"}))
            figures.add(bench.goes_on("a clock that was set back", _later))
        points = [(s, n) for s in scenes for n in range(1, bench.saves[s] + 1)]
        mine = [p for p in points if zlib.crc32(f"{p}".encode()) % of == part]
        chance = random.Random(f"{seed}/{part}")
        for name, number in chance.sample(mine, min(most or len(mine), len(mine))):
            if figures.time_is_up:
                break
            figures.add(bench.disk(name, number, chance.choice(tuple(FAILURES))))
    return len(points) + 4
