"""Killed with SIGKILL at every call and in every save; run again; the world is as if nothing had happened."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from prove.figures import Figures, Point
from prove.ground import Ground
from prove.moments import MOMENTS
from prove.picture import Pictures, difference
from prove.scenes import SCENES, Scene, prepare

# Subnets have no tags: without its receipt, and without a gateway that says so, cloudlink takes its own for another's
# and keeps it. docs/reliability.md says so.
BY_DESIGN = re.compile(
    r'^\+ azure resource .*/subnets/GatewaySubnet|^~ .*cloudlink-demo-gateway.*"cloudlink-made-subnet": "true"'
)
STATES = ("kept", "deleted", "cut in half", "previous put back")


@dataclass(frozen=True)
class Kill:
    """call: number of the call, from 1, or save: number of the save. moment: before, after, or one of MOMENTS."""

    scene: str
    call: int
    save: int
    moment: str
    state: str = "kept"

    @property
    def where(self) -> str:
        place = f"call {self.call}" if self.call else f"save {self.save}"
        return f"{self.scene}/{place}/{self.moment}/{self.state}"


class Bench:
    """Knows what each scene comes to when nobody disturbs it."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.pictures = Pictures(ground)
        prepare(ground, self.pictures)
        self.wanted: dict[str, list[str]] = {}
        self.calls: dict[str, int] = {}
        self.saves: dict[str, int] = {}
        self.spared = 0  # points at which only what BY_DESIGN names was different
        self._struck = ""

    def measure(self, scene: Scene) -> None:
        """The run that nobody kills. Raises AssertionError when that does not work already."""
        ground, counted = self.ground, self.ground.folder / "saves"
        ground.back_to(scene.world)
        counted.write_text("0")
        ended = ground.run(*scene.command, saves_to=str(counted))
        assert ended.code == 0, f"{scene.name}: {ended}"
        self.calls[scene.name] = len(ground.gate.calls)
        self.saves[scene.name] = int(counted.read_text())
        ground.settle()
        self.wanted[scene.name] = self.pictures.take()
        assert not self.nothing_left(scene), scene.name

    def nothing_left(self, scene: Scene) -> str:
        """Empty when another run has nothing to do."""
        before = self.ground.writes()
        ended = self.ground.run(*scene.after)
        if ended.code != 0:
            return f"a further {' '.join(scene.after)} ended with {ended}"
        wrote = self.ground.writes() - before
        calls = [f"{c['cloud']} {c['operation']} {c['target']}" for c in self.ground.journal() if c["writes"]][-wrote:]
        return f"a further {' '.join(scene.after)} wrote {calls}" if wrote else ""

    def points(self, scenes: list[str]) -> list[Kill]:
        """All of them."""
        found = []
        for name in scenes:
            self.measure(SCENES[name])
            for state in STATES:
                if state != "kept" and not self.saves[name]:
                    continue
                found += [
                    Kill(name, n, 0, m, state) for n in range(1, self.calls[name] + 1) for m in ("before", "after")
                ]
                found += [Kill(name, 0, n, m, state) for n in range(1, self.saves[name] + 1) for m in MOMENTS]
        return found

    def attempt(self, kill: Kill) -> Point | None:
        """None when the run ended before it came to that point (runs differ by some looks)."""
        scene, ground = SCENES[kill.scene], self.ground
        ground.back_to(scene.world)
        killed = ground.run(
            *scene.command,
            kill_at=kill.call,
            before=kill.moment == "before",
            save=(kill.save, kill.moment) if kill.save else None,
        )
        self._struck = ground.gate.struck
        if not killed.killed:
            return None if killed.code == 0 else self._point(kill, f"ended by itself before it was killed: {killed}")
        wrong = self._state(kill) or self._recovered(scene, lost=kill.state != "kept")
        return self._point(kill, wrong)

    def _point(self, kill: Kill, wrong: str) -> Point:
        where = "at a call" if kill.call else "in a save"
        state = "" if kill.state == "kept" else f", state file {kill.state}"
        said = f"{wrong}\n  killed at: {self._struck}" if wrong else ""
        return Point("kill", f"{SCENES[kill.scene].title}, {where}{state}", kill.where, said)

    def _state(self, kill: Kill) -> str:
        """Do to the state file what the point says; a damaged one must be refused."""
        file, ground = self.ground.state, self.ground
        if kill.state == "deleted":
            file.unlink(missing_ok=True)
        elif kill.state == "previous put back" and ground.previous.exists():
            file.write_bytes(ground.previous.read_bytes())
            file.chmod(0o600)
        elif kill.state == "cut in half" and file.exists():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
            writes = ground.writes()
            refused = ground.run(*SCENES[kill.scene].again)
            if refused.code != 7 or "move the state file away" not in " ".join((refused.err + refused.out).split()):
                return f"a state file cut in half: {refused}"
            if ground.writes() != writes:
                return "something was written with a damaged state file"
            file.rename(file.with_name("moved-away"))
        return ""

    def _recovered(self, scene: Scene, *, lost: bool) -> str:
        again = self.ground.run(*scene.again)
        if again.code != 0:
            return f"run again: {again}"
        if left := [p.name for p in self.ground.home.glob(".*.state.json.*")]:
            return f"temporary files left: {left}"
        self.ground.settle()
        different = difference(self.wanted[scene.name], self.pictures.take())
        if lost and all(BY_DESIGN.match(line) for line in different):
            self.spared += bool(different)
            different = []
        if different:
            return "the world differs:\n" + "\n".join(line[:700] for line in different)
        if scene.name == "verify-dns" and (wrong := self._swept()):
            return wrong
        return self.nothing_left(scene)

    def _swept(self) -> str:
        """A pod that the killed run left ends by itself; the next run removes it."""
        if not self.pictures.probe_pods():
            return ""
        self.ground.sandbox.sky.clock.advance(400)
        ended = self.ground.run("verify-dns")
        if ended.code != 0:
            return f"verify-dns after a pod was left: {ended}"
        return f"pods left: {left}" if (left := self.pictures.probe_pods()) else ""


def order(points: list[Kill], seed: int) -> list[Kill]:
    """Shuffled with a seed, those with an untouched state file before the others: a proof that is cut short has been
    everywhere a little."""
    rng = random.Random(seed)
    shuffled = rng.sample(points, len(points))
    kept, other = ([p for p in shuffled if (p.state == "kept") is yes] for yes in (True, False))
    ordered = []
    while kept or other:
        ordered += kept[:3] + other[:1]
        kept, other = kept[3:], other[1:]
    return ordered


def prove(
    figures: Figures, *, seed: int, part: int = 0, of: int = 1, most: int = 0, scenes: tuple[str, ...] = ()
) -> int:
    """Returns the number of points that there are. most: of this part; 0: all."""
    with Ground() as ground:
        bench = Bench(ground)
        points = order(bench.points(list(scenes or SCENES)), seed)
        mine = points[part::of]
        for kill in mine[: most or len(mine)]:
            if figures.time_is_up:
                break
            if (point := bench.attempt(kill)) is not None:
                figures.add(point)
        print(f"kill, part {part}: at {bench.spared} points without a state file the gateway subnet stayed", flush=True)
    return len(points)
