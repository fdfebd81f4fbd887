"""Deliberate breakages of a fixed list, one after the other, each in a copy of the product: the tests and proofs that the
list names must fail. A proof that no breakage can make fail proves nothing.

The list is ``bench/breakages.toml``; ``just breakages`` runs the quick tests of it alone.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from pathlib import Path

from reliability.results import Point, Results

ROOT = Path(__file__).parents[1]


def run(results: Results, *, seed: int, part: int = 0, of: int = 1, most: int = 0) -> int:
    """Returns the number of breakages."""
    sys.path.insert(0, str(ROOT / "bench"))
    from breakages import breakages, caught

    every = breakages()
    mine = list(enumerate(every))[part::of]
    random.Random(seed).shuffle(mine)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "src"
        shutil.copytree(ROOT / "src", source)
        for number, breakage in results.in_time(mine, most):
            if breakage.name not in results.done:
                why = caught(breakage, source, number, proofs=True)
                results.add(Point("mutants", "a breakage of the fixed list dies", breakage.name, why))
    return len(every)
