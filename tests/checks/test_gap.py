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
from ipaddress import IPv4Address
from typing import Any

from cloudlink.checks.names.gap import FLOWS, MARK, SCRIPT, Gap, GapMeter, said
from cloudlink.clouds.kube.errors import KubeApiError
from cloudlink.clouds.kube.parse_probe import GapFacts, gap_facts
from tests.checks.test_tunnels import LINK
from tests.support.clocks import FakeClock

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
    assert 0.6 < found[-1].longest < 2.5 and (found[-1].felt, found[-1].flows) == (2, 4)
    assert gap_facts(done.stdout.rstrip("\n")[:-3], MARK) == found[:-1], "a line that is still being written is none"


def test_what_is_said_of_it() -> None:
    assert (
        said(Gap(GapFacts(2.4, 3, 16, 60.0))) == "the longest that nothing passed was 2.4 s, which 3 of 16 flows felt"
    )
    assert said(Gap(GapFacts(0.0, 0, 16, 60.0))).startswith("16 flows asked all the while, and no question")
    assert said(Gap(why="the cluster refused")) == "for how long nothing passed was not measured (the cluster refused)"
    assert said(Gap(GapFacts(2.4, 3, 16, 60.0), cluster="green")).endswith("flows felt (asked from a pod on green)")
    assert GapFacts(0.2, 1, 8, 3.0).times(100) == GapFacts(20.0, 1, 8, 300.0)


# --- the meter ------------------------------------------------------------------------------------------------


class Cluster:
    """A cluster whose pod has written these lines when its log is read, one more list each time."""

    def __init__(self, *logs: str | KubeApiError, create: Exception | None = None) -> None:
        self.logs, self.create = list(logs), create
        self.made: list[tuple[str, dict[str, Any]]] = []
        self.deleted: list[tuple[str, str]] = []
        self.read: list[tuple[str, str]] = []

    def create_pod(self, namespace: str, body: dict[str, Any]) -> None:
        if self.create is not None:
            raise self.create
        self.made.append((namespace, body))

    def pod_log(self, namespace: str, name: str, *, container: str) -> str:
        self.read.append((namespace, container))
        log = self.logs.pop(0) if len(self.logs) > 1 else self.logs[0]
        if isinstance(log, KubeApiError):
            raise log
        return log

    def delete_pod(self, namespace: str, name: str) -> None:
        self.deleted.append((namespace, name))


def line(longest: float, felt: int, seconds: float) -> str:
    return f'{MARK}{{"longest": {longest}, "felt": {felt}, "flows": {FLOWS}, "seconds": {seconds}}}\n'


ENDPOINTS = (IPv4Address("10.10.1.4"), IPv4Address("10.10.2.4"))
NOT_BEGUN = KubeApiError(400, "BadRequest", "container is waiting to start", "GET log")
REFUSED = KubeApiError(403, "Forbidden", "no", "POST pods")


def watched(kube: Any, lasts: float = 60.0, **more: Any) -> tuple[Gap, FakeClock]:
    clock = FakeClock(1_800_000_000.0)
    meter = GapMeter(LINK, kube, clock, ENDPOINTS, "app.corp.example", **more)
    with meter.watching() as gap:
        clock.wait(lasts)
    return gap, clock


def test_the_last_line_that_covers_the_whole_watch_counts() -> None:
    cluster = Cluster(NOT_BEGUN, "an image's words\n" + line(0, 0, 1), line(0, 0, 1) + line(12.5, 3, 61))
    gap, _ = watched(cluster)
    assert gap == Gap(GapFacts(12.5, 3, FLOWS, 61.0))
    ((namespace, body),) = cluster.made
    assert namespace == LINK.probe.namespace
    assert body["metadata"]["name"].startswith(f"cloudlink-gap-{LINK.name}-")
    assert cluster.deleted == [(namespace, body["metadata"]["name"])]
    assert set(cluster.read) == {(namespace, body["spec"]["containers"][0]["name"])}
    labels = body["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "cloudlink" and labels["cloudlink-link"] == LINK.name
    (container,) = body["spec"]["containers"]
    environment = {e["name"]: e["value"] for e in container["env"]}
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert json.loads(environment["CLOUDLINK_GAP"]) == {
        "name": "app.corp.example",
        "endpoints": ["10.10.1.4", "10.10.2.4"],
        "flows": 8,
        "every": 0.1,
        "deadline": body["spec"]["activeDeadlineSeconds"] - 30,
    }
    assert SCRIPT in json.dumps(container).encode().decode("unicode_escape") or SCRIPT in str(container)


def test_a_sandboxs_clock_is_faster_than_the_pods() -> None:
    cluster = Cluster(line(0, 0, 1), line(1.5, 2, 7))
    gap, _ = watched(cluster, speed=10.0, cluster="blue")
    assert gap.facts == GapFacts(15.0, 2, FLOWS, 70.0) and gap.cluster == "blue"
    ((_, body),) = cluster.made
    environment = {e["name"]: e["value"] for e in body["spec"]["containers"][0]["env"]}
    asked = json.loads(environment["CLOUDLINK_GAP"])
    assert asked["every"] == 0.5
    assert body["spec"]["activeDeadlineSeconds"] == 10 * (asked["deadline"] + 30)


def test_a_pod_that_ended_too_early_has_measured_nothing() -> None:
    gap, _ = watched(Cluster(line(0, 0, 1), line(2, 1, 62.4)), lasts=62.5)
    assert gap == Gap(None, "its pod ended before the tunnel was up again")
    gap, _ = watched(Cluster(line(0, 0, 1), ""))
    assert gap.why == "its pod ended before the tunnel was up again"


def test_a_pod_that_does_not_run_is_no_error() -> None:
    cluster = Cluster("", create=REFUSED)
    gap, _ = watched(cluster)
    assert gap.facts is None and gap.why == f"the pod for it did not run: {REFUSED}"
    assert cluster.made == [] and len(cluster.deleted) == 1
    never, clock = watched(Cluster(NOT_BEGUN), lasts=0.0)
    assert never.why.startswith("the pod for it did not run: ")
    assert 180 <= clock.now() - 1_800_000_000.0 < 260


def test_a_pod_that_cannot_be_asked_in_the_end() -> None:
    gap, clock = watched(Cluster(line(0, 0, 1), NOT_BEGUN), lasts=10.0)
    assert gap.why == f"its pod could not be asked: {NOT_BEGUN}"
    assert clock.now() - 1_800_000_000.0 >= 12.5, "an answer may still be on its way"
