"""The first screen after a command was killed: how far it got and the way on; and while it is at work: that it is."""

from __future__ import annotations

import signal
import time

import pytest

from tests.cli.test_taking_down import begin, wait_for_writes
from tests.support.cli import Cli


@pytest.mark.parametrize(
    ("arguments", "writes", "said", "command"),
    [
        (("rotate-keys",), 3, "of 4 keys are changed", "cloudlink rotate-keys"),
        (("logs", "--on", "--days", "14"), 5, "of 4 tunnels are on", "--on --days 14"),
        (("pause",), 3, "cloudlink pause was interrupted", "cloudlink pause"),
        (("resume", "--no-verify"), 2, "cloudlink resume was interrupted", "cloudlink resume"),
    ],
)
def test_a_killed_command(linked: Cli, arguments: tuple[str, ...], writes: int, said: str, command: str) -> None:
    if arguments[0] == "resume":
        assert linked.cloudlink("pause").code == 0
    with begin(linked, *arguments) as killed:
        wait_for_writes(linked, writes)
        killed.send_signal(signal.SIGSTOP)
        # marks count for some hours of the clouds' time, which a busy machine would let pass between two screens
        linked.control("POST", "clock", {"speed": 10})
        meanwhile = linked.cloudlink("status")
        killed.kill()
        killed.wait()
    at_work = " ".join(meanwhile.out.split())
    assert f"A command is at work on the link. `cloudlink {arguments[0]}" in at_work, meanwhile.out + meanwhile.err
    assert "look again" in at_work or "cloudlink status --sandbox --wait 30m" in at_work
    screen = linked.cloudlink("status")
    text = " ".join(screen.out.split()).replace(" --sandbox", "")
    assert said in text and command in text, screen.out
    assert len(screen.out.splitlines()) <= 24, "the first screen of a small terminal"
    linked.control("POST", "clock", {"speed": 200})
    walk: list[str] = []
    while (told := linked.cloudlink("status", "--json").json)["health"] != "healthy" or walk == []:
        advised = told["advice"]["command"]
        assert advised and advised not in walk, (walk, told["advice"])
        walk.append(advised)
        linked.cloudlink(*advised.split()[1:], sandbox=False)
        if advised == "cloudlink pause --sandbox":
            assert linked.cloudlink("status", "--json").json["health"] == "paused"
        linked.control("POST", "clock", {"advance": 120})
    if arguments[0] == "logs":
        assert linked.cloudlink("logs", "--off").code == 0


def test_a_killed_failover_test(linked: Cli) -> None:
    """Killed when the tunnel has just been disturbed: status tells it and the way on, and nothing of the trial stays."""
    before = linked.inventory()
    with begin(linked, "test", "--failover", "--yes") as killed:
        start = time.monotonic()
        while not [c for c in linked.control("GET", "journal")["calls"] if c["operation"].endswith(" resetconnection")]:
            assert time.monotonic() - start < 90 and killed.poll() is None, killed.communicate()
            time.sleep(0.02)
        killed.kill()
        killed.wait()
    text = " ".join(linked.cloudlink("status").out.split()).replace(" --sandbox", "")
    assert "cloudlink test --failover was interrupted after it had taken tunnel" in text and "on purpose" in text, text
    walk: list[str] = []
    while (told := linked.cloudlink("status", "--json").json)["advice"]["cause"] and len(walk) < 4:
        walk.append(told["advice"]["command"])
        done = linked.cloudlink(*walk[-1].split()[1:], sandbox=False)
        assert done.code == 0, done.out + done.err
    assert any(command.endswith("--failover") for command in walk), walk
    assert linked.cloudlink("status", "--json").json["health"] == "healthy"
    # the pod that measured may outlive its command: it ends by itself, and the next probe takes it away
    linked.control("POST", "clock", {"advance": 14_400})
    assert linked.cloudlink("verify-dns").code == 0
    linked.control("POST", "clock", {"advance": 120})
    assert not linked.clouds().aks.pods("default", ""), "the pod that measured is gone as well"
    assert linked.inventory() == before


@pytest.mark.parametrize(
    ("command", "read"),
    [
        *((command, "DescribeVpnConnections") for command in ("status", "doctor", "plan", "gather", "report")),
        ("init --out mine.toml", "ListClusters"),
    ],
)
def test_a_command_that_reads_ends_at_ctrl_c_and_tells_nothing_half_read(linked: Cli, command: str, read: str) -> None:
    """What an end in the middle leaves unread is not told as something that could not be read."""
    linked.control("DELETE", "journal")
    slow = {"kind": "slow", "target": f"aws.{read}", "seconds": 6.0, "times": None}
    linked.control("POST", "faults", slow)
    with begin(linked, *command.split()) as reading:
        start = time.monotonic()
        while not linked.control("GET", "journal")["calls"]:
            assert time.monotonic() - start < 90 and reading.poll() is None, reading.communicate()
            time.sleep(0.02)
        reading.send_signal(signal.SIGINT)
        out, err = reading.communicate(timeout=120)
    assert reading.returncode == 130, out + err
    assert "Stopped as asked" in err and not out, out
    assert not [f for f in ("cloudlink-bundle.tar.gz", "mine.toml", "mine.schema.json") if (linked.folder / f).exists()]
