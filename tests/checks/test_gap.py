"""For how long nothing passed: the pod's program run for real against a name server that is silent for a while."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

from cloudlink.checks.names.gap import MARK, SCRIPT, Gap, said
from cloudlink.clouds.kube.parse_probe import GapFacts, gap_facts

SILENT = (1.5, 2.5)  # seconds after the first question


def answer(sock: socket.socket, flows: int) -> None:
    """Silent for a second, and to half of the flows only."""
    first, ports = 0.0, list[int]()
    with suppress(OSError):
        while True:
            data, sender = sock.recvfrom(4096)
            first = first or time.monotonic()
            if sender[1] not in ports:
                ports.append(sender[1])
            if SILENT[0] < time.monotonic() - first < SILENT[1] and ports.index(sender[1]) < flows // 2:
                continue
            sock.sendto(data[:2] + b"\x81" + data[3:], sender)


def test_a_second_of_silence_is_measured_as_one_and_the_flows_that_felt_it_are_counted() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        threading.Thread(target=answer, args=(sock, 4), daemon=True).start()
        asked = {
            "name": "app.corp.example",
            "endpoints": ["127.0.0.1"],
            "flows": 4,
            "every": 0.1,
            "deadline": 4.5,
            "late": 0.3,
        }
        done = subprocess.run(
            [sys.executable, "-I", "-c", SCRIPT],
            env={"PATH": os.environ["PATH"], "CLOUDLINK_GAP": json.dumps({**asked, "port": sock.getsockname()[1]})},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    found = gap_facts("what an image prints\n" + done.stdout, MARK)
    assert found[0].felt == 0, "nothing was lost at first"
    assert 0.8 < found[-1].longest < 1.6 and (found[-1].felt, found[-1].flows) == (2, 4)
    assert gap_facts(done.stdout.rstrip("\n")[:-3], MARK) == found[:-1], "a line that is still being written is none"


def test_what_is_said_of_it() -> None:
    assert (
        said(Gap(GapFacts(2.4, 3, 16, 60.0))) == "the longest that nothing passed was 2.4 s, which 3 of 16 flows felt"
    )
    assert said(Gap(GapFacts(0.0, 0, 16, 60.0))).startswith("16 flows asked all the while, and no question")
    assert said(Gap(why="the cluster refused")) == "for how long nothing passed was not measured (the cluster refused)"
    assert said(Gap(GapFacts(2.4, 3, 16, 60.0), cluster="green")).endswith("flows felt (asked from a pod on green)")
    assert GapFacts(0.2, 1, 8, 3.0).times(100) == GapFacts(20.0, 1, 8, 300.0)
