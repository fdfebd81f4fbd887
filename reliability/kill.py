"""Killed with SIGKILL at every call and in every save; run again; the world is as if nothing had happened.

An undisturbed run is recorded, with what a kill would leave at each point (``crash_state.py``). Points with the same crash state
are one trial: this state is restored, and the command is run again. A sample of points is killed for real, which
shows that a kill leaves what was recorded; so is every point of ``verify-dns``, whose pod no recording can hold.
"""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reliability.call_interceptor import Counting, CrashPoint, Killer
from reliability.crash_state import CrashState
from reliability.harness import Harness
from reliability.link_kinds import EXAMPLE, LinkKind
from reliability.recording import Recording
from reliability.results import Point, Results
from reliability.save_hooks import SAVE_MOMENTS
from reliability.scenarios import SCENARIOS, Scenario, prepare
from reliability.snapshot import Snapshots, difference
from reliability.stored_state import StoredState

# Subnets have no tags: without its receipt, and without a gateway or an endpoint that says so, cloudlink takes its own for
# another's and keeps it. docs/reliability.md says so.
_UNMARKED = re.compile(r".*/subnets/(?:GatewaySubnet|cloudlink-demo-dns(?:-in)?)")
_UNMARKED_NOTE = re.compile(r'~ .*cloudlink-demo-gateway.*"cloudlink-made-subnet": "true"')
STATES = ("kept", "deleted", "cut in half", "previous restored")
FOR_REAL = "verify-dns"  # the scenario that is killed for real at every point
REAL_KILLS = 12  # of each other scenario


def by_design(line: str) -> bool:
    """Whether that difference is one that a lost state file may make."""
    what, _, content = line.partition(" azure resource ")
    if what == "+" and content:
        return _UNMARKED.fullmatch(json.loads(content)["id"]) is not None
    return _UNMARKED_NOTE.match(line) is not None


@dataclass
class Trial:
    """Remains, with what was done to the state file since, and the points at which a kill leaves just these."""

    scenario: str
    state: str
    crash_state: CrashState
    points: list[Point] = field(default_factory=list)

    @property
    def place_in_the_row(self) -> str:
        """One process makes all trials with the same clouds: what two of them have in common is done once."""
        return self.crash_state.clouds_mark


class RealKill:
    """Of one point."""

    def __init__(self, scenario: Scenario, place: CrashPoint) -> None:
        self.scenario, self.place = scenario.name, place
        self.place_in_the_row = f"{scenario.name}/{place}/for real"
        self.points = [Point("kill", f"{scenario.title}, killed for real", self.place_in_the_row)]


class TrialRunner:
    """Knows what each scenario comes to when nobody disturbs it. kind: of the link, in whose harness it has begun."""

    def __init__(self, harness: Harness, kind: LinkKind = EXAMPLE) -> None:
        self.harness = harness
        self.stored = StoredState(harness, kind.store) if kind.store else None
        self.snapshots = Snapshots(harness)
        prepare(harness, self.snapshots, kind)
        self.wanted: dict[str, list[str]] = {}
        self.calls: dict[str, int] = {}
        self.saves: dict[str, int] = {}
        self.journals: dict[str, list[dict[str, Any]]] = {}
        self.spared = 0  # trials in which only what ``by_design`` names was different
        self._own: tuple[set[str], dict[str, list[str]]] | None = None
        self._quiet: set[str] = set()
        self._recovered: dict[tuple[str, bool, str], str] = {}
        self._refused: dict[str, str] = {}
        self._beside = harness.folder / "read-beside-the-state-file"

    def measure(self, scenario: Scenario) -> None:
        """The run that nobody kills. Raises AssertionError when that does not work already."""
        harness = self.harness
        harness.back_to(scenario.world)
        counting = Counting(harness)
        ended = harness.run(*scenario.command, watch=counting)
        counting.close()
        assert ended.code == 0, f"{scenario.name}: {ended}"
        self.saves[scenario.name] = counting.saves
        assert counting.saves or self.stored or scenario.name == FOR_REAL, f"{scenario.name}: no save was seen"
        self.calls[scenario.name], self.journals[scenario.name] = len(harness.gate.calls), harness.journal()
        harness.settle()
        self.wanted[scenario.name] = self.snapshots.take()
        assert not self.nothing_left(scenario), scenario.name

    def take_over(self, recording: Recording) -> None:
        """What another process has measured, until ``give_back``."""
        self._own = self._own or (self.snapshots.known, self.wanted)
        self.harness.config.write_text(recording.config)
        self.snapshots.known = recording.known
        self.wanted = {recording.scenario: recording.wanted}

    def give_back(self) -> None:
        if self._own is not None:
            self.snapshots.known, self.wanted = self._own
            self._own = None

    def nothing_left(self, scenario: Scenario) -> str:
        """Empty when another run has nothing to do; it is made once for each end that is the same, ids aside."""
        end = f"{scenario.after} {CrashState.take(self.harness).mark_without_ids}"
        if end in self._quiet:
            return ""
        before = self.harness.writes()
        ended = self.harness.run(*scenario.after)
        if ended.code != 0:
            return f"a further {' '.join(scenario.after)} ended with {ended}"
        if wrote := self.harness.written()[before:]:
            return f"a further {' '.join(scenario.after)} wrote {wrote}"
        self._quiet.add(end)
        return ""

    # --- from a recording ---------------------------------------------------------------------------------

    def attempt(self, trial: Trial) -> str:
        """What was wrong, or nothing."""
        crash_state, scenario = trial.crash_state, SCENARIOS[trial.scenario]
        if trial.state == "cut in half":
            if crash_state.folder_mark not in self._refused:
                crash_state.put_back(self.harness)
                self._refused[crash_state.folder_mark] = self._refuses(scenario)
            if wrong := self._refused[crash_state.folder_mark]:
                return wrong
            crash_state = crash_state.with_state("deleted")  # what the refusal says to do
        lost = trial.state != "kept"
        key = (scenario.name, lost, crash_state.mark)
        if key not in self._recovered:
            crash_state.put_back(self.harness)
            if lost and self.stored:
                self.stored.remove()
            self._recovered[key] = self.recovered(scenario, lost=lost)
        return self._recovered[key]

    def _refuses(self, scenario: Scenario) -> str:
        """A damaged state file is refused before any cloud is asked."""
        harness = self.harness
        if not harness.state.exists():
            return ""
        refused = harness.run(*scenario.again)
        if refused.code != 7 or "move the state file away" not in " ".join((refused.err + refused.out).split()):
            return f"a state file cut in half: {refused}"
        return f"clouds were asked with a damaged state file: {harness.gate.calls}" if harness.gate.calls else ""

    def recovered(self, scenario: Scenario, *, lost: bool) -> str:
        self._beside.unlink(missing_ok=True)
        again = self.harness.run(*scenario.again, unread=str(self._beside))
        if again.code != 0:
            return f"run again: {again}"
        if self._beside.exists():
            return f"files beside the state file were read: {self._beside.read_text().split()}"
        if left := [p.name for p in self.harness.home.glob(".*.state.json.*")]:
            return f"temporary files left: {left}"
        self.harness.settle()
        different = difference(self.wanted[scenario.name], self.snapshots.take())
        if lost and all(by_design(line) for line in different):
            self.spared += bool(different)
            different = []
        if different:
            return "the world differs:\n" + "\n".join(line[:700] for line in different)
        if scenario.name == FOR_REAL and (wrong := self._swept()):
            return wrong
        return self.nothing_left(scenario)

    def _swept(self) -> str:
        """A pod that the killed run left ends by itself; the next run removes it."""
        if not self.snapshots.probe_pods():
            return ""
        self.harness.sandbox.context.clock.advance(400)
        ended = self.harness.run("verify-dns")
        if ended.code != 0:
            return f"verify-dns after a pod was left: {ended}"
        return f"pods left: {left}" if (left := self.snapshots.probe_pods()) else ""

    # --- for real -----------------------------------------------------------------------------------------

    def kill(self, scenario: Scenario, place: CrashPoint) -> tuple[str, CrashState | None]:
        """What was wrong, or nothing, and what the kill left. Runs differ by some looks: one that ends before it comes
        to that place is killed a little earlier."""
        harness = self.harness
        while True:
            harness.back_to(scenario.world)
            killer = Killer(harness, place)
            ended = harness.run(*scenario.command, watch=killer)
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
        wrong = wrong or self.recovered(scenario, lost=False)
        return (f"{wrong}\n  killed at: {killer.struck}" if wrong else ""), killer.left


# --- what there is to try -----------------------------------------------------------------------------------


def trials(recording: Recording, states: Sequence[str] = STATES) -> list[Trial]:
    """Every point of a recording, with each state of the state file, by its crash state."""
    found: dict[tuple[bool, str], Trial] = {}
    title = SCENARIOS[recording.scenario].title
    for state in states:
        marks = {mark: crash_state.with_state(state) for mark, crash_state in recording.crash_state.items()}
        named = {mark: crash_state.mark for mark, crash_state in marks.items()}
        for places, flight in ((recording.points, ""), (recording.in_flight, ", writes in flight carried out")):
            for number, (place, mark) in enumerate(places):
                trial = found.setdefault(
                    (state == "kept", f"{named[mark]} {state == 'cut in half'}"),
                    Trial(recording.scenario, state, marks[mark]),
                )
                kind = "at a call" if place.call else "in a save"
                what = f"{title}, {kind}{flight}{'' if state == 'kept' else f', state file {state}'}"
                where = f"{recording.scenario}/{place}/{state}{f'/{number} in flight' if flight else ''}"
                trial.points.append(Point("kill", what, where, same=f"{recording.scenario} {state} {named[mark]}"))
    return list(found.values())


def places(calls: int, saves: int = 0) -> list[CrashPoint]:
    return [
        *(CrashPoint(n, 0, m) for n in range(1, calls + 1) for m in ("before", "after")),
        *(CrashPoint(0, n, m) for n in range(1, saves + 1) for m in SAVE_MOMENTS),
    ]


def record(folder: Path, *, part: int = 0, of: int = 1, scenarios: tuple[str, ...] = ()) -> None:
    """Record every scenario once, for all who take part."""
    names = [name for name in scenarios or SCENARIOS if name != FOR_REAL]
    missing = [name for name in names if not (folder / f"{name}.recorded").exists()]
    if missing[part::of]:
        with Harness() as harness:
            runner = TrialRunner(harness)
            for name in missing[part::of]:
                Recording.of(runner, SCENARIOS[name]).keep(folder)


def run(
    results: Results,
    *,
    seed: int,
    part: int = 0,
    of: int = 1,
    most: int = 0,
    scenarios: tuple[str, ...] = (),
    folder: Path | None = None,
    kills: int = 0,
    recorded: bool = True,
) -> int:
    """Returns the number of points that there are. most: trials from recordings, of this part; 0: all. folder: where
    ``record`` has kept them; without it they are made here. kills: for real, of each scenario; 0: REAL_KILLS, and every
    point of verify-dns. recorded: False leaves all but the real kills out."""
    names = scenarios or tuple(SCENARIOS)
    with Harness() as harness:
        runner = TrialRunner(harness)
        recordings = [
            Recording.kept(folder, name) if folder else Recording.of(runner, SCENARIOS[name])
            for name in names
            if recorded and name != FOR_REAL
        ]
        every: list[Trial | RealKill] = [t for r in recordings for t in trials(r)]
        for name in names:
            every += _for_real(runner, SCENARIOS[name], kills, random.Random(seed))
        random.Random(seed).shuffle(every)
        mine = [t for t in every if zlib.crc32(t.place_in_the_row.encode()) % of == part]
        known = {r.mark_without_ids for recording in recordings for r in recording.crash_state.values()}
        by_name = {r.scenario: r for r in recordings}
        done, seen, killed, tried = results.done, 0, 0, 0
        for trial in mine:
            if results.time_is_up or (most and tried >= most):
                break
            if all(p.where in done for p in trial.points):
                continue
            if isinstance(trial, Trial):
                tried += 1
                runner.take_over(by_name[trial.scenario])
                wrong = runner.attempt(trial)
            else:
                runner.give_back()
                wrong, left = runner.kill(SCENARIOS[trial.scenario], trial.place)
                if left is not None and trial.scenario != FOR_REAL:
                    killed += 1
                    seen += left.mark_without_ids in known
            for point in told(trial.points, wrong):
                results.add(point)
        print(
            f"kill, part {part}: in {runner.spared} trials without a state file the gateway subnet stayed", flush=True
        )
        print(f"kill, part {part}: {seen} of {killed} real kills left what a recording has as well", flush=True)
    return sum(len(t.points) for t in every)


def told(points: list[Point], wrong: str) -> Iterator[Point]:
    """All of them held or failed with their one trial."""
    for point in points:
        yield Point(point.proof, point.what, point.where, wrong, point.same)


def _for_real(runner: TrialRunner, scenario: Scenario, kills: int, chance: random.Random) -> list[RealKill]:
    """A sample of the scenario's points, or all of them where a recording would not do."""
    if scenario.name not in runner.wanted:
        runner.measure(scenario)
    every = places(runner.calls[scenario.name], runner.saves[scenario.name])
    many = kills or (len(every) if scenario.name == FOR_REAL else REAL_KILLS)
    return [RealKill(scenario, place) for place in chance.sample(every, min(many, len(every)))]
