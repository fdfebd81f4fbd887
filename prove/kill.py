"""Killed with SIGKILL at every call and in every save; run again; the world is as if nothing had happened.

An undisturbed run is recorded, with what a kill would leave at each point (``remains.py``). Points with the same remains
are one trial: these remains are put back, and the command is run again. A sample of points is killed for real, which
shows that a kill leaves what was recorded; so is every point of ``verify-dns``, whose pod no recording can hold.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prove.figures import Figures, Point
from prove.ground import Ground
from prove.moments import MOMENTS
from prove.picture import Pictures, difference
from prove.recording import Recording
from prove.remains import Remains
from prove.scenes import SCENES, Scene, prepare
from prove.watch import Counting, Killer, Place

# Subnets have no tags: without its receipt, and without a gateway that says so, cloudlink takes its own for another's
# and keeps it. docs/reliability.md says so.
BY_DESIGN = re.compile(
    r'^\+ azure resource .*/subnets/GatewaySubnet|^~ .*cloudlink-demo-gateway.*"cloudlink-made-subnet": "true"'
)
STATES = ("kept", "deleted", "cut in half", "previous put back")
FOR_REAL = "verify-dns"  # the scene that is killed for real at every point
REAL_KILLS = 12  # of each other scene


@dataclass
class Trial:
    """Remains, with what was done to the state file since, and the points at which a kill leaves just these."""

    scene: str
    state: str
    remains: Remains
    points: list[Point] = field(default_factory=list)

    @property
    def place_in_the_row(self) -> str:
        """One process makes all trials with the same clouds: what two of them have in common is done once."""
        return self.remains.clouds_mark


class RealKill:
    """Of one point."""

    def __init__(self, scene: Scene, place: Place) -> None:
        self.scene, self.place = scene.name, place
        self.place_in_the_row = f"{scene.name}/{place}/for real"
        self.points = [Point("kill", f"{scene.title}, killed for real", self.place_in_the_row)]


class Bench:
    """Knows what each scene comes to when nobody disturbs it."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.pictures = Pictures(ground)
        prepare(ground, self.pictures)
        self.wanted: dict[str, list[str]] = {}
        self.calls: dict[str, int] = {}
        self.saves: dict[str, int] = {}
        self.journals: dict[str, list[dict[str, Any]]] = {}
        self.spared = 0  # trials in which only what BY_DESIGN names was different
        self._own: tuple[set[str], dict[str, list[str]]] | None = None
        self._quiet: set[str] = set()
        self._recovered: dict[tuple[str, bool, str], str] = {}
        self._refused: dict[str, str] = {}
        self._beside = ground.folder / "read-beside-the-state-file"

    def measure(self, scene: Scene) -> None:
        """The run that nobody kills. Raises AssertionError when that does not work already."""
        ground = self.ground
        ground.back_to(scene.world)
        counting = Counting(ground)
        ended = ground.run(*scene.command, watch=counting)
        counting.close()
        assert ended.code == 0, f"{scene.name}: {ended}"
        self.saves[scene.name] = counting.saves
        self.calls[scene.name], self.journals[scene.name] = len(ground.gate.calls), ground.journal()
        ground.settle()
        self.wanted[scene.name] = self.pictures.take()
        assert not self.nothing_left(scene), scene.name

    def take_over(self, recording: Recording) -> None:
        """What another process has measured, until ``give_back``."""
        self._own = self._own or (self.pictures.known, self.wanted)
        self.ground.config.write_text(recording.config)
        self.pictures.known = recording.known
        self.wanted = {recording.scene: recording.wanted}

    def give_back(self) -> None:
        if self._own is not None:
            self.pictures.known, self.wanted = self._own
            self._own = None

    def nothing_left(self, scene: Scene) -> str:
        """Empty when another run has nothing to do; it is made once for each end that is the same, ids aside."""
        end = f"{scene.after} {Remains.take(self.ground).mark_without_ids}"
        if end in self._quiet:
            return ""
        before = self.ground.writes()
        ended = self.ground.run(*scene.after)
        if ended.code != 0:
            return f"a further {' '.join(scene.after)} ended with {ended}"
        wrote = self.ground.writes() - before
        if wrote:
            calls = [f"{c['cloud']} {c['operation']} {c['target']}" for c in self.ground.journal() if c["writes"]]
            return f"a further {' '.join(scene.after)} wrote {calls[-wrote:]}"
        self._quiet.add(end)
        return ""

    # --- from a recording ---------------------------------------------------------------------------------

    def attempt(self, trial: Trial) -> str:
        """What was wrong, or nothing."""
        remains, scene = trial.remains, SCENES[trial.scene]
        if trial.state == "cut in half":
            if remains.folder_mark not in self._refused:
                remains.put_back(self.ground)
                self._refused[remains.folder_mark] = self._refuses(scene)
            if wrong := self._refused[remains.folder_mark]:
                return wrong
            remains = remains.with_state("deleted")  # what the refusal says to do
        lost = trial.state != "kept"
        key = (scene.name, lost, remains.mark)
        if key not in self._recovered:
            remains.put_back(self.ground)
            self._recovered[key] = self.recovered(scene, lost=lost)
        return self._recovered[key]

    def _refuses(self, scene: Scene) -> str:
        """A damaged state file is refused before any cloud is asked."""
        ground = self.ground
        if not ground.state.exists():
            return ""
        refused = ground.run(*scene.again)
        if refused.code != 7 or "move the state file away" not in " ".join((refused.err + refused.out).split()):
            return f"a state file cut in half: {refused}"
        return f"clouds were asked with a damaged state file: {ground.gate.calls}" if ground.gate.calls else ""

    def recovered(self, scene: Scene, *, lost: bool) -> str:
        self._beside.unlink(missing_ok=True)
        again = self.ground.run(*scene.again, unread=str(self._beside))
        if again.code != 0:
            return f"run again: {again}"
        if self._beside.exists():
            return f"files beside the state file were read: {self._beside.read_text().split()}"
        if left := [p.name for p in self.ground.home.glob(".*.state.json.*")]:
            return f"temporary files left: {left}"
        self.ground.settle()
        different = difference(self.wanted[scene.name], self.pictures.take())
        if lost and all(BY_DESIGN.match(line) for line in different):
            self.spared += bool(different)
            different = []
        if different:
            return "the world differs:\n" + "\n".join(line[:700] for line in different)
        if scene.name == FOR_REAL and (wrong := self._swept()):
            return wrong
        return self.nothing_left(scene)

    def _swept(self) -> str:
        """A pod that the killed run left ends by itself; the next run removes it."""
        if not self.pictures.probe_pods():
            return ""
        self.ground.sandbox.context.clock.advance(400)
        ended = self.ground.run("verify-dns")
        if ended.code != 0:
            return f"verify-dns after a pod was left: {ended}"
        return f"pods left: {left}" if (left := self.pictures.probe_pods()) else ""

    # --- for real -----------------------------------------------------------------------------------------

    def kill(self, scene: Scene, place: Place) -> tuple[str, Remains | None]:
        """What was wrong, or nothing, and what the kill left. Runs differ by some looks: one that ends before it comes
        to that place is killed a little earlier."""
        ground = self.ground
        while True:
            ground.back_to(scene.world)
            killer = Killer(ground, place)
            ended = ground.run(*scene.command, watch=killer)
            killer.close()
            if ended.killed:
                break
            if ended.code != 0 or max(place.call, place.save) <= 1:
                return f"ended by itself before it was killed: {ended}", None
            place = replace(place, call=max(0, place.call - 1), save=max(0, place.save - 1))
        assert killer.before is not None
        assert killer.left is not None
        wrong = ""
        if not killer.before.same(killer.left):
            wrong = "the kill left something else than what stood before it"
        wrong = wrong or self.recovered(scene, lost=False)
        return (f"{wrong}\n  killed at: {killer.struck}" if wrong else ""), killer.left


# --- what there is to try -----------------------------------------------------------------------------------


def trials(recording: Recording) -> list[Trial]:
    """Every point of a recording, with each state of the state file, by its remains."""
    found: dict[tuple[bool, str], Trial] = {}
    title = SCENES[recording.scene].title
    for state in STATES:
        marks = {mark: remains.with_state(state) for mark, remains in recording.remains.items()}
        named = {mark: remains.mark for mark, remains in marks.items()}
        for places, flight in ((recording.points, ""), (recording.in_flight, ", writes in flight carried out")):
            for number, (place, mark) in enumerate(places):
                trial = found.setdefault(
                    (state == "kept", f"{named[mark]} {state == 'cut in half'}"),
                    Trial(recording.scene, state, marks[mark]),
                )
                kind = "at a call" if place.call else "in a save"
                what = f"{title}, {kind}{flight}{'' if state == 'kept' else f', state file {state}'}"
                where = f"{recording.scene}/{place}/{state}{f'/{number} in flight' if flight else ''}"
                trial.points.append(Point("kill", what, where, same=f"{recording.scene} {state} {named[mark]}"))
    return list(found.values())


def places(calls: int, saves: int = 0) -> list[Place]:
    return [
        *(Place(n, 0, m) for n in range(1, calls + 1) for m in ("before", "after")),
        *(Place(0, n, m) for n in range(1, saves + 1) for m in MOMENTS),
    ]


def record(folder: Path, *, part: int = 0, of: int = 1, scenes: tuple[str, ...] = ()) -> None:
    """Record every scene once, for all who take part."""
    names = [name for name in scenes or SCENES if name != FOR_REAL]
    missing = [name for name in names if not (folder / f"{name}.recorded").exists()]
    if missing[part::of]:
        with Ground() as ground:
            bench = Bench(ground)
            for name in missing[part::of]:
                Recording.of(bench, SCENES[name]).keep(folder)


def prove(
    figures: Figures,
    *,
    seed: int,
    part: int = 0,
    of: int = 1,
    most: int = 0,
    scenes: tuple[str, ...] = (),
    folder: Path | None = None,
    kills: int = 0,
    recorded: bool = True,
) -> int:
    """Returns the number of points that there are. most: trials from recordings, of this part; 0: all. folder: where
    ``record`` has kept them; without it they are made here. kills: for real, of each scene; 0: REAL_KILLS, and every
    point of verify-dns. recorded: False leaves all but the real kills out."""
    names = scenes or tuple(SCENES)
    with Ground() as ground:
        bench = Bench(ground)
        recordings = [
            Recording.kept(folder, name) if folder else Recording.of(bench, SCENES[name])
            for name in names
            if recorded and name != FOR_REAL
        ]
        every: list[Trial | RealKill] = [t for r in recordings for t in trials(r)]
        for name in names:
            every += _for_real(bench, SCENES[name], kills, random.Random(seed))
        random.Random(seed).shuffle(every)
        mine = [t for t in every if zlib.crc32(t.place_in_the_row.encode()) % of == part]
        known = {r.mark_without_ids for recording in recordings for r in recording.remains.values()}
        by_name = {r.scene: r for r in recordings}
        done, seen, killed, tried = figures.done, 0, 0, 0
        for trial in mine:
            if figures.time_is_up or (most and tried >= most):
                break
            if all(p.where in done for p in trial.points):
                continue
            if isinstance(trial, Trial):
                tried += 1
                bench.take_over(by_name[trial.scene])
                wrong = bench.attempt(trial)
            else:
                bench.give_back()
                wrong, left = bench.kill(SCENES[trial.scene], trial.place)
                if left is not None and trial.scene != FOR_REAL:
                    killed += 1
                    seen += left.mark_without_ids in known
            for point in told(trial.points, wrong):
                figures.add(point)
        print(f"kill, part {part}: in {bench.spared} trials without a state file the gateway subnet stayed", flush=True)
        print(f"kill, part {part}: {seen} of {killed} real kills left what a recording has as well", flush=True)
    return sum(len(t.points) for t in every)


def told(points: list[Point], wrong: str) -> Iterator[Point]:
    """All of them held or failed with their one trial."""
    for point in points:
        yield Point(point.proof, point.what, point.where, wrong, point.same)


def _for_real(bench: Bench, scene: Scene, kills: int, chance: random.Random) -> list[RealKill]:
    """A sample of the scene's points, or all of them where a recording would not do."""
    if scene.name not in bench.wanted:
        bench.measure(scene)
    every = places(bench.calls[scene.name], bench.saves[scene.name])
    many = kills or (len(every) if scene.name == FOR_REAL else REAL_KILLS)
    return [RealKill(scene, place) for place in chance.sample(every, min(many, len(every)))]
