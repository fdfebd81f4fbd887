"""What a proof counts, and how it is told."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Point:
    """One trial. what: the row of the table it counts for. where: enough to repeat it. wrong: empty when it held."""

    proof: str
    what: str
    where: str
    wrong: str = ""


@dataclass
class Figures:
    """file: every point is appended to it at once, so that an interrupted proof keeps what it has. until: on the
    monotonic clock; whoever makes points stops then."""

    points: list[Point] = field(default_factory=list)
    file: Path | None = None
    until: float = float("inf")

    @property
    def time_is_up(self) -> bool:
        return time.monotonic() > self.until

    def add(self, point: Point, *, say: bool = True) -> None:
        self.points.append(point)
        if self.file is not None:
            with self.file.open("a") as out:
                out.write(json.dumps(asdict(point)) + "\n")
        if say and point.wrong:
            print(f"FAILED {point.proof}, {point.what}, {point.where}:\n{point.wrong}\n", flush=True)

    @property
    def failed(self) -> list[Point]:
        return [p for p in self.points if p.wrong]

    def rows(self) -> list[tuple[str, str, int, int]]:
        """(proof, what, held, tried), in the order of first trial."""
        tried, held = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for p in self.points:
            tried[p.proof, p.what] += 1
            held[p.proof, p.what] += not p.wrong
        return [(proof, what, held[proof, what], n) for (proof, what), n in tried.items()]

    @classmethod
    def load(cls, paths: Iterable[Path]) -> Figures:
        return cls([Point(**json.loads(line)) for path in paths for line in path.read_text().splitlines()])

    def __str__(self) -> str:
        lines = []
        for proof, what, held, tried in self.rows():
            lines.append(f"{proof:10} {what:58} {held:6} of {tried}{'' if held == tried else '  <-- FAILED'}")
        lines.append(f"{'all':10} {'':58} {len(self.points) - len(self.failed):6} of {len(self.points)}")
        return "\n".join(lines)

    def markdown(self) -> str:
        lines = ["| Proof | What | Held |", "| --- | --- | ---: |"]
        lines += [f"| {proof} | {what} | {held} of {tried} |" for proof, what, held, tried in self.rows()]
        return "\n".join(lines) + "\n"
