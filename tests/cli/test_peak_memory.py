"""What a first ``up`` holds in memory at the most: small machines of pipelines run it beside other things."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import make_cli

CLOUDLINK = Path(sys.executable).with_name("cloudlink")
BENCH = Path(__file__).parents[2] / "bench"
MOST_MEGABYTES = 110.0  # measured: 102
# A child's peak is at least what its parent holds when it starts it: so pytest has a small process start it.
MEASURED = """
import json, sys
from pathlib import Path
from commands import run

ran = run(sys.argv[2:], folder=Path(sys.argv[1]))
print(json.dumps([ran.peak, ran.code, ran.err]))
"""


def peak(folder: Path, *arguments: str) -> float:
    """Of a command, in MB."""
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, str(folder), str(CLOUDLINK), *arguments],
        env=os.environ | {"PYTHONPATH": str(BENCH)},
        capture_output=True,
        text=True,
        check=True,
    )
    found, code, said = json.loads(ran.stdout)
    assert code == 0, said
    return float(found)


@pytest.mark.long
def test_a_first_up_stays_small(tmp_path: Path) -> None:
    with make_cli(tmp_path / "here", speed=200) as place:
        assert place.sandbox("start").code == 0
        looked = peak(place.folder, "plan", "--sandbox")  # and Python has compiled what up will need
        made = peak(place.folder, "up", "--sandbox", "--yes", "--no-verify")
    assert 30.0 < looked < made < MOST_MEGABYTES, f"plan held {looked:.1f} MB, up {made:.1f} MB"
