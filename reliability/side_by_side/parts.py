"""Changes shared out among processes, since a sandbox is a process's own; each row is kept as soon as it is there."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from reliability.side_by_side.changes import CHANGES, Change
from reliability.side_by_side.sides import Side
from reliability.side_by_side.trial import Row, rows


def carry_out(chosen: list[int], workers: int, kept: Path) -> None:
    """chosen: numbers of changes. A process that ends halfway ends all of it with what it said; its rows are kept."""
    parts = [chosen[n::workers] for n in range(workers) if chosen[n::workers]]
    with ProcessPoolExecutor(len(parts) or 1, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_part, parts, [str(kept)] * len(parts)))


def _part(numbers: list[int], kept: str) -> None:
    for row in rows(CHANGES[n] for n in numbers):
        print(f"... {row.change} ({row.seconds:.0f} s)", file=sys.stderr, flush=True)
        descriptor = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        with os.fdopen(descriptor, "a") as out:
            out.write(json.dumps(written(row)) + "\n")


def read(kept: Path) -> dict[str, Row]:
    """The newest row of each change that there still is."""
    known = {str(c): c for c in CHANGES}
    lines = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    return {line["change"]: _row(known[line["change"]], line) for line in lines if line["change"] in known}


def written(row: Row) -> dict[str, Any]:
    sides = {"world": row.world, "status": row.status, "daemons": row.daemons}
    plain = {
        who: {"down": dict(s.down), "lost": sorted(s.lost), "beyond": s.beyond, "said": s.said}
        for who, s in sides.items()
    }
    return {"change": str(row.change), "refused": row.refused, "seconds": row.seconds, **plain}


def _row(change: Change, line: Mapping[str, Any]) -> Row:
    def side(said: Mapping[str, Any]) -> Side:
        down = {int(n): layer for n, layer in said["down"].items()}
        return Side(down, frozenset(said["lost"]), said["beyond"], said["said"])

    sides = (side(line[who]) for who in ("world", "status", "daemons"))
    return Row(change, *sides, refused=line["refused"], seconds=line["seconds"])
