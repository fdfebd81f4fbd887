"""One undisturbed run of a scenario, and what a SIGKILL would leave at each of its points."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reliability.call_interceptor import CrashPoint, Recorder
from reliability.crash_state import CrashState

if TYPE_CHECKING:
    from collections.abc import Callable

    from reliability.harness import Harness
    from reliability.kill import TrialRunner
    from reliability.scenarios import Scenario


@dataclass
class Recording:
    """points: every point of the run, with the mark of what a kill leaves there. in_flight: the same for points at which
    other writes were in flight, with some of these carried out. crash_state: by mark.

    wanted, known, config: the snapshot of the world that the run makes, the ids that were there before it, and the
    configuration: with these another process can recover from the crash state.
    """

    scenario: str
    config: str
    known: set[str]
    wanted: list[str]
    points: list[tuple[CrashPoint, str]] = field(default_factory=list)
    in_flight: list[tuple[CrashPoint, str]] = field(default_factory=list)
    crash_state: dict[str, CrashState] = field(default_factory=dict)

    @classmethod
    def of(cls, runner: TrialRunner, scenario: Scenario, recorder: type[Recorder] = Recorder) -> Recording:
        """Raises AssertionError when the run does not end well."""
        harness = runner.harness
        runner.measure(scenario)
        recording = cls(scenario.name, "", runner.snapshots.known, runner.wanted[scenario.name])
        harness.back_to(scenario.world)
        recording.config = harness.config.read_text()
        watch = recorder(harness, recording._see(harness))
        ended = harness.run(*scenario.command, watch=watch)
        watch.close()
        assert ended.code == 0, f"{scenario.name}: {ended}"
        return recording

    def _see(self, harness: Harness) -> Callable[[CrashPoint, bool], None]:
        def see(place: CrashPoint, more: bool) -> None:
            crash_state = CrashState.take(harness)
            mark = crash_state.mark
            self.crash_state.setdefault(mark, crash_state)
            (self.in_flight if more else self.points).append((place, mark))

        return see

    def keep(self, folder: Path) -> None:
        path = folder / f"{self.scenario}.recorded"
        path.with_suffix(".new").write_bytes(pickle.dumps(self))
        path.with_suffix(".new").replace(path)

    @classmethod
    def kept(cls, folder: Path, scenario: str) -> Recording:
        recording = pickle.loads((folder / f"{scenario}.recorded").read_bytes())
        assert isinstance(recording, Recording)
        return recording
