"""One undisturbed run of a scene, and what a SIGKILL would leave at each of its points."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prove.remains import Remains
from prove.watch import Place, Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from prove.ground import Ground
    from prove.kill import Bench
    from prove.scenes import Scene


@dataclass
class Recording:
    """points: every point of the run, with the mark of what a kill leaves there. in_flight: the same for points at which
    other writes were in flight, with some of these carried out. remains: by mark.

    wanted, known, config: the picture of the world that the run makes, the ids that were there before it, and the
    configuration: with these another process can recover from the remains.
    """

    scene: str
    config: str
    known: set[str]
    wanted: list[str]
    points: list[tuple[Place, str]] = field(default_factory=list)
    in_flight: list[tuple[Place, str]] = field(default_factory=list)
    remains: dict[str, Remains] = field(default_factory=dict)

    @classmethod
    def of(cls, bench: Bench, scene: Scene) -> Recording:
        """Raises AssertionError when the run does not end well."""
        ground = bench.ground
        bench.measure(scene)
        recording = cls(scene.name, "", bench.pictures.known, bench.wanted[scene.name])
        ground.back_to(scene.world)
        recording.config = ground.config.read_text()
        recorder = Recorder(ground, recording._see(ground))
        ended = ground.run(*scene.command, watch=recorder)
        recorder.close()
        assert ended.code == 0, f"{scene.name}: {ended}"
        return recording

    def _see(self, ground: Ground) -> Callable[[Place, bool], None]:
        def see(place: Place, more: bool) -> None:
            remains = Remains.take(ground)
            mark = remains.mark
            self.remains.setdefault(mark, remains)
            (self.in_flight if more else self.points).append((place, mark))

        return see

    def keep(self, folder: Path) -> None:
        path = folder / f"{self.scene}.recorded"
        path.with_suffix(".new").write_bytes(pickle.dumps(self))
        path.with_suffix(".new").replace(path)

    @classmethod
    def kept(cls, folder: Path, scene: str) -> Recording:
        recording = pickle.loads((folder / f"{scene}.recorded").read_bytes())
        assert isinstance(recording, Recording)
        return recording
