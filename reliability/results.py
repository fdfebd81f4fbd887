"""What a proof counts, and how it is told."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Point:
    """One trial. what: the row of the table it counts for. where: enough to repeat it. wrong: empty when it held.
    same: points with the same word here were the same trial, made once; empty: one of its own."""

    proof: str
    what: str
    where: str
    wrong: str = ""
    same: str = ""


class Row(NamedTuple):
    """trials: how many of the points were tried for themselves; the others were the same as one of these."""

    proof: str
    what: str
    held: int
    points: int
    trials: int


@dataclass
class Results:
    """file: every point is appended to it at once, so that an interrupted proof keeps what it has. until: on the
    monotonic clock; no further points are made then."""

    points: list[Point] = field(default_factory=list)
    file: Path | None = None
    until: float = float("inf")

    @property
    def time_is_up(self) -> bool:
        return time.monotonic() > self.until

    def in_time(self, trials: Sequence[T], most: int = 0, least: int = 0) -> Iterator[T]:
        """These in turn, until the time is up. most: so many at most; 0: all. least: so many whatever the time is."""
        for number, trial in enumerate(trials[: most or len(trials)]):
            if self.time_is_up and number >= least:
                return
            yield trial

    @contextmanager
    def share(self, left: int) -> Iterator[None]:
        """Inside, the time is up when the first of so many that are left has had as much of it as each of the others."""
        until, now = self.until, time.monotonic()
        if math.isfinite(until) and until > now:
            self.until = now + (until - now) / left
        try:
            yield
        finally:
            self.until = until

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

    def rows(self) -> list[Row]:
        """In the order of first trial."""
        tried, held = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        trials: dict[tuple[str, str], set[str]] = {}
        for p in self.points:
            tried[p.proof, p.what] += 1
            held[p.proof, p.what] += not p.wrong
            trials.setdefault((p.proof, p.what), set()).add(p.same or p.where)
        return [Row(*key, held[key], n, len(trials[key])) for key, n in tried.items()]

    @property
    def done(self) -> set[str]:
        """Where there are points already."""
        return {p.where for p in self.points}

    @classmethod
    def load(cls, paths: Iterable[Path]) -> Results:
        return cls([Point(**json.loads(line)) for path in paths for line in path.read_text().splitlines()])

    def __str__(self) -> str:
        lines = []
        for row in [*self.rows(), self._all()]:
            of = f"{row.held:6} of {row.points}"
            trials = f"  in {row.trials} trials" if row.trials != row.points else ""
            lines.append(f"{row.proof:10} {row.what:66} {of}{trials}{'' if row.held == row.points else '  <-- FAILED'}")
        return "\n".join(lines)

    def _all(self) -> Row:
        rows = self.rows()
        return Row("all", "", *(sum(r[n] for r in rows) for n in (2, 3, 4)))

    def markdown(self) -> str:
        """A table of the proofs, and one of their rows."""
        rows = self.rows()
        lines = ["| Proof | Held | Trials |", "| --- | ---: | ---: |"]
        for proof in dict.fromkeys(r.proof for r in rows):
            held, points, trials = (sum(r[n] for r in rows if r.proof == proof) for n in (2, 3, 4))
            lines.append(f"| `{proof}` | {held:,} of {points:,} | {trials:,} |")
        lines += ["", "| Proof | What | Held | Trials |", "| --- | --- | ---: | ---: |"]
        lines += [f"| {r.proof} | {r.what} | {r.held:,} of {r.points:,} | {r.trials:,} |" for r in rows]
        return "\n".join(lines) + "\n"
