"""For how long nothing passed: a pod that asks the endpoint ten times a second while something else is done.

It asks from several ports, the addresses in turn, because the flows of a gateway are spread over its tunnels and one dead tunnel takes
some of them only. Of each flow the longest run of questions without an answer counts, by the time at which they were sent.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from cloudlink.checks.names.pod import CONTAINER, DEADLINE, LINK, MANAGED
from cloudlink.clouds.errors import unknown_outcome
from cloudlink.clouds.kube.body_pod import python_pod
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import KubeApiError
from cloudlink.clouds.kube.parse_probe import GapFacts, gap_facts
from cloudlink.core.polling import Clock, TimedOut, poll
from cloudlink.errors import CloudlinkError
from cloudlink.link import Link

MARK = "CLOUDLINK-GAP "
ENVIRONMENT = "CLOUDLINK_GAP"
FLOWS = 8  # in all
EVERY = 0.1  # seconds
EVERY_IN_A_SANDBOX = 0.5  # of the time on the wall: there each question costs the machine that all else runs on
_BEGINS_WITHIN = 180.0  # seconds, an image may have to be pulled
_SETTLES = 2.5  # seconds of the pod's time after which an answer would have come, and a line more has been printed

_NOT_MEASURED = (CloudlinkError, KubeApiError, TimedOut)

SCRIPT = r"""
import json, os, socket, struct, time

asked = json.loads(os.environ["CLOUDLINK_GAP"])
EVERY, LATE, PORT = asked["every"], asked.get("late", 2.0), asked.get("port", 53)
labels = b"".join(bytes([len(part)]) + part for part in asked["name"].encode("ascii").split(b".")) + b"\0"
flows = []
for number in range(asked["flows"]):
    flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flow.setblocking(False)
    flow.connect((asked["endpoints"][number % len(asked["endpoints"])], PORT))
    flows.append((flow, set()))
times, END, said = [], time.monotonic() + asked["deadline"], 0.0


def longest(answered):
    # Of what was sent so long ago that its answer would be there.
    worst, begun, now = 0.0, None, time.monotonic()
    for tick, sent in enumerate(times):
        if tick in answered:
            worst, begun = max(worst, sent - begun if begun is not None else 0.0), None
        elif now - sent > LATE:
            begun = sent if begun is None else begun
        else:
            break
    return max(worst, now - begun if begun is not None else 0.0)


while time.monotonic() < END:
    tick = len(times)
    message = struct.pack(">HHHHHH", tick % 65536, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">HH", 1, 1)
    times.append(time.monotonic())
    for flow, _ in flows:
        try:
            flow.send(message)
        except OSError:
            pass
    time.sleep(EVERY)
    for flow, answered in flows:
        try:
            while True:
                answered.add(struct.unpack(">H", flow.recv(4096)[:2])[0])
        except OSError:
            pass
    if time.monotonic() - said >= 1:
        said = time.monotonic()
        gaps = [longest(answered) for _, answered in flows]
        felt = sum(gap > 0 for gap in gaps)
        found = {"longest": max(gaps), "felt": felt, "flows": len(flows), "seconds": said - times[0]}
        print("CLOUDLINK-GAP " + json.dumps(found), flush=True)
"""


@dataclass
class Gap:
    """Filled in when the watch has ended."""

    facts: GapFacts | None = None  # None: it could not be measured
    why: str = ""
    cluster: str = ""  # on whose pod it was measured, where there are several AKS clusters


@dataclass(frozen=True)
class GapMeter:
    link: Link
    kube: Kube = field(repr=False)
    clock: Clock = field(repr=False)
    endpoints: tuple[IPv4Address, ...]
    name: str  # that is asked for
    speed: float = 1.0  # of a sandbox's clock: a pod's program knows the time on the wall only
    cluster: str = ""  # the label of the AKS cluster whose pod asks, where there are several

    @contextlib.contextmanager
    def watching(self) -> Iterator[Gap]:
        """Asks from before the block begins until it has ended. A pod that does not run is no error: it is said why."""
        gap = Gap(cluster=self.cluster)
        name = f"cloudlink-gap-{self.link.name}"[:56].rstrip("-.") + f"-{secrets.token_hex(3)}"
        try:
            try:
                self._begin(name)
            except _NOT_MEASURED as error:
                gap.why = f"the pod for it did not run: {error or 'it took too long'}"
            began = self.clock.now()
            yield gap
            if not gap.why:
                self._end(name, gap, self.clock.now() - began)
        finally:
            with contextlib.suppress(*_NOT_MEASURED):  # it ends by itself, and the next probe sweeps it
                self.kube.delete_pod(self.link.probe.namespace, name)

    def _begin(self, name: str) -> None:
        asked = {
            "name": self.name,
            "endpoints": list(map(str, self.endpoints)),
            "flows": FLOWS,
            "every": EVERY if self.speed <= 1 else EVERY_IN_A_SANDBOX,
            "deadline": DEADLINE - 30,
        }
        body = python_pod(
            self.link.probe,
            name=name,
            container=CONTAINER,
            program=SCRIPT,
            environment={ENVIRONMENT: json.dumps(asked), "PYTHONDONTWRITEBYTECODE": "1"},
            labels={MANAGED: "cloudlink", LINK: self.link.name},
            deadline=int(DEADLINE * max(1.0, self.speed)),
        )
        self.kube.create_pod(self.link.probe.namespace, body)
        deadline = max(_BEGINS_WITHIN, 20 * self.speed)
        poll(
            lambda: self._said(name),
            bool,
            clock=self.clock,
            typical_seconds=5,
            deadline=deadline,
            passing=lambda error: unknown_outcome(error) or isinstance(error, KubeApiError),  # 400: it has not begun
        )

    def _end(self, name: str, gap: Gap, watched: float) -> None:
        self.clock.wait(_SETTLES * self.speed)
        try:
            found = self._said(name)
        except _NOT_MEASURED as error:
            gap.why = f"its pod could not be asked: {error}"
            return
        last = found[-1].times(self.speed) if found else None
        if last is not None and last.seconds >= watched:
            gap.facts = last
        else:
            gap.why = "its pod ended before the tunnel was up again"

    def _said(self, name: str) -> tuple[GapFacts, ...]:
        return gap_facts(self.kube.pod_log(self.link.probe.namespace, name, container=CONTAINER), MARK)


def said(gap: Gap) -> str:
    """For people."""
    on = f" (asked from a pod on {gap.cluster})" if gap.cluster else ""
    if gap.facts is None:
        return f"for how long nothing passed was not measured ({gap.why}){on}"
    facts = gap.facts
    if not facts.felt:
        return f"{facts.flows} flows asked all the while, and no question of theirs was lost{on}"
    return (
        f"the longest that nothing passed was {facts.longest:.1f} s, which {facts.felt} of {facts.flows} flows felt{on}"
    )
