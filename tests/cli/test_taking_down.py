"""Teardown: exactly what cloudlink made goes, whatever happened before; and interruption and kills on the way."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.support.cli import Cli, make_cli


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with make_cli(tmp_path_factory.mktemp("down")) as made:
        yield made


def begin(place: Cli, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from cloudlink.cli import main; main()", *arguments, "--sandbox"],
        cwd=place.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CI": "1"},
    )


def wait_for_writes(place: Cli, more: int, seconds: float = 60) -> None:
    start, before = time.monotonic(), place.writes()
    while place.writes() - before < more:
        assert time.monotonic() - start < seconds
        time.sleep(0.02)


def test_the_whole_way_with_kill_interruption_and_lost_state(place: Cli) -> None:
    assert place.sandbox("start").code == 0
    stood = place.inventory()

    # killed in the middle of building
    with begin(place, "up") as killed:
        wait_for_writes(place, 9)
        killed.send_signal(signal.SIGKILL)
    # run again, and interrupted
    with begin(place, "up") as interrupted:
        wait_for_writes(place, 6)
        holder = place.cloudlink("up")
        assert holder.code == 7
        assert str(interrupted.pid) in holder.err
        interrupted.send_signal(signal.SIGINT)
        _, err = interrupted.communicate(timeout=60)
    assert interrupted.returncode == 130
    assert "goes on" in err
    assert "Traceback" not in err
    # and again, to the end
    done = place.cloudlink("up")
    assert done.code == 0, done.out + done.err
    clouds = place.clouds()
    assert len([c for c in clouds.aws.vpn_connections() if c["State"] == "available"]) == 2
    calls = place.control("GET", "journal")["calls"]
    made = [c["operation"] for c in calls if c["operation"].startswith("Create") and c["status"] < 300]
    assert made.count("CreateVpnGateway") == 1
    assert made.count("CreateCustomerGateway") == 2
    assert made.count("CreateVpnConnection") == 2
    assert made.count("CreateResolverEndpoint") == 1
    assert made.count("CreateHostedZone") == 1

    # taken down without its state file, killed on the way, and again
    place.state.unlink()
    with begin(place, "teardown") as killed:
        wait_for_writes(place, 5)
        killed.send_signal(signal.SIGKILL)
    halfway = place.cloudlink("status")
    assert halfway.code == 8
    assert "A teardown was interrupted" in halfway.out
    assert re.search(r"next +cloudlink teardown --sandbox\n", halfway.out)
    down = place.cloudlink("teardown", "--json")
    assert down.code == 0, down.out + down.err
    result = down.lines[-1]
    assert not result["teardown"]["leftovers"]
    left = place.inventory()
    assert json.dumps(left, sort_keys=True, indent=1) == json.dumps(stood, sort_keys=True, indent=1)

    before = place.writes()
    again = place.cloudlink("teardown")
    assert again.code == 0
    assert "nothing to take down" in again.out
    assert place.writes() == before
    status = place.cloudlink("status", "--json")
    assert status.code == 8
    assert status.json["health"] == "absent"


def test_a_second_ctrl_c_does_not_wait_for_an_answer(place: Cli) -> None:
    place.sandbox("start")
    place.control("POST", "faults", {"kind": "slow", "target": "aws.CreateVpnGateway", "times": None, "seconds": 25})
    with begin(place, "up") as stopped:
        wait_for_writes(place, 2)
        start = time.monotonic()
        stopped.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            stopped.wait(timeout=1)
            raise AssertionError("the first Ctrl-C waits for what is being asked")
        stopped.send_signal(signal.SIGINT)
        _, err = stopped.communicate(timeout=20)
        assert time.monotonic() - start < 20
    assert stopped.returncode == 130
    assert "Stopped at once" in err
    assert "Traceback" not in err
    place.control("DELETE", "faults")
    down = place.cloudlink("teardown", "--json")
    assert (down.code, down.lines[-1]["teardown"]["leftovers"]) == (0, []), down.out
