"""Every fault at every call: cloudlink gets over it, or stops with one message and the right code, and goes on later."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

from cloudlink.sandbox.faults import Fault
from prove.figures import Figures, Point
from prove.ground import SPEED, Ground
from prove.kill import Bench
from prove.picture import difference
from prove.scenes import SCENES
from prove.zygote import Ended

# kind -> exit codes with which a run may end that met it once
KINDS: dict[str, tuple[int, ...]] = {
    "throttled": (0,),
    "error": (0, 5),
    "cut-before": (0, 5),
    "cut-after": (0, 5),
    "garbage": (0, 5),
    "expired": (0, 4),
    "denied": (0, 4, 5),
}
OPERATIONS: dict[str, tuple[int, ...]] = {"operation-fails": (0, 5, 8), "operation-hangs": (0, 6, 8)}
TITLES = {
    "throttled": "throttled",
    "error": "answered 5xx",
    "cut-before": "connection cut before the effect",
    "cut-after": "connection cut after the effect",
    "garbage": "answer cannot be parsed",
    "expired": "credentials expired",
    "denied": "permission missing",
    "operation-fails": "asynchronous operation fails",
    "operation-hangs": "asynchronous operation never ends",
    "outage": "no cloud answers for minutes",
    "throttled-long": "throttled for minutes",
}
SCENE_NAMES = ("fresh", "changed", "drifted", "teardown")
LONG = {"outage": ("cut-before", 180.0), "throttled-long": ("throttled", 180.0)}  # fault, sandbox seconds


@dataclass(frozen=True)
class Trial:
    scene: str
    kind: str
    call: int

    @property
    def where(self) -> str:
        return f"{self.scene}/{self.kind}/call {self.call}"


class FaultBench(Bench):
    def trials(self, seed: int, scenes: tuple[str, ...] = SCENE_NAMES) -> list[Trial]:
        found = []
        for name in scenes:
            self.measure(SCENES[name])
            found += [Trial(name, kind, n) for kind in KINDS for n in range(1, self.calls[name] + 1)]
            puts = sum(c["operation"].startswith(("PUT", "DELETE")) and c["cloud"] == "azure" for c in self.made)
            found += [Trial(name, kind, n) for kind in OPERATIONS for n in range(1, puts + 1)]
            found += [Trial(name, kind, n) for kind in LONG for n in range(1, self.calls[name], 6)]
        return random.Random(seed).sample(found, len(found))

    def measure(self, scene: object) -> None:
        super().measure(scene)  # type: ignore[arg-type]
        self.made = self.ground.journal()

    def attempt_fault(self, trial: Trial) -> Point | None:
        """None when nothing was hit."""
        scene, ground = SCENES[trial.scene], self.ground
        ground.back_to(scene.world)
        book = ground.sandbox.sky.faults
        if trial.kind in LONG:
            kind, seconds = LONG[trial.kind]
            fault = book.add(Fault(kind, "*", times=None, after=trial.call - 1))
            ended = self._with_outage(scene.again, fault, seconds / SPEED)
        else:
            place = "azure.*" if trial.kind in OPERATIONS else "*"
            fault = book.add(Fault(trial.kind, place, times=1, after=trial.call - 1))
            ended = ground.run(*scene.again)
        if not fault.hits:
            return None
        hit = self._hit(trial)
        book.clear()
        self._azure_gives_up()
        wrong = self._first(trial, ended) or self._then(trial)
        said = f"{wrong}\n  hit: {hit}\n  first run: {ended}" if wrong else ""
        return Point("faults", TITLES[trial.kind], trial.where, said)

    def _with_outage(self, command: tuple[str, ...], fault: Fault, seconds: float) -> Ended:
        """The fault stays for that long from its first hit on."""
        over = threading.Event()

        def end() -> None:
            while not fault.hits and not over.wait(0.005):
                pass
            over.wait(seconds)
            fault.times = fault.hits

        thread = threading.Thread(target=end, daemon=True)
        thread.start()
        ended = self.ground.run(*command)
        over.set()
        thread.join()
        return ended

    def _hit(self, trial: Trial) -> str:
        calls = self.ground.journal()
        at = min(trial.call, len(calls)) - 1
        return " | ".join(
            f"{c['cloud']} {c['operation']} {c['target']} {c['status']}" for c in calls[max(0, at - 1) : at + 2]
        )

    def _azure_gives_up(self) -> None:
        """An operation that would never end is ended by Azure itself some day."""
        with self.ground.sandbox.sky.lock:
            for operation in self.ground.sandbox.azure.store.operations.values():
                if operation.ends_at == float("inf"):
                    operation.ends_at = self.ground.sandbox.sky.clock.now()

    def _first(self, trial: Trial, ended: Ended) -> str:
        allowed = KINDS.get(trial.kind) or OPERATIONS.get(trial.kind) or (0, 5, 6)
        if "Traceback" in ended.err + ended.out:
            return "a traceback"
        if ended.code not in allowed:
            return f"ended with {ended.code}, not one of {allowed}"
        if ended.code and not ended.err.strip() and "Error" not in ended.out:
            return "stopped without a word"
        return ""

    def _then(self, trial: Trial) -> str:
        scene = SCENES[trial.scene]
        self.ground.settle()
        again = self.ground.run(*scene.again)
        if again.code:
            return f"run again: {again}"
        self.ground.settle()
        different = difference(self.wanted[scene.name], self.pictures.take())
        if different:
            return "the world differs:\n" + "\n".join(line[:700] for line in different)
        return self.nothing_left(scene)


def prove(
    figures: Figures, *, seed: int, part: int = 0, of: int = 1, most: int = 0, scenes: tuple[str, ...] = SCENE_NAMES
) -> int:
    with Ground() as ground:
        bench = FaultBench(ground)
        trials = bench.trials(seed, scenes)
        mine = trials[part::of]
        for trial in mine[: most or len(mine)]:
            if figures.time_is_up:
                break
            if (point := bench.attempt_fault(trial)) is not None:
                figures.add(point)
    return len(trials)
