"""A whole sandbox in this process with a link in it, its clock moved by whoever waits; and runs that die at a call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.core.pipeline import Pipeline
from botocore.client import BaseClient

from cloudlink.clouds.errors import error_policy
from cloudlink.connect import Clouds, connect
from cloudlink.core.engine import Engine
from cloudlink.core.resource import Receipt, Receipts
from cloudlink.link import Link
from cloudlink.sandbox_client import endpoints_of
from cloudlink.sandbox_world import description
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.faults import Fault
from cloudlink_sandbox.process import Sandbox
from cloudlink_sandbox.world_file import parse
from tests.support.clocks import SandboxTime

HOUR = 3600.0


class Killed(BaseException):
    """Takes the place of SIGKILL: nothing of a run catches it."""


class Memory:
    """Receipts that are nowhere else."""

    def __init__(self) -> None:
        self.kept: dict[str, Receipt] = {}

    def receipts(self) -> Receipts:
        return Receipts(self.kept)

    def put(self, receipt: Receipt) -> None:
        self.kept[receipt.address] = receipt

    def remove(self, address: str) -> None:
        self.kept.pop(address, None)


class BuiltLink:
    """Both clouds of a link whose VPN is up. One in a process at a time."""

    def __init__(self, link: Link, home: Path) -> None:
        self.link = link
        self.sandbox = Sandbox(home, speed=0.0, durations=Durations(exact=True), start=1_800_000_000.0)
        self.sandbox.seed(parse(description(link)))
        self.sandbox.start()
        self.time = SandboxTime(self.sandbox.context.clock)
        self.policy = error_policy(link)
        clouds = self.connect()
        nodes = (*clouds.topology.aws_vpn.nodes(), *clouds.topology.azure_vpn.nodes())
        engine = Engine(nodes, clock=self.time, store=Memory(), error_policy=self.policy)
        for _ in engine.apply(engine.plan()):
            pass
        self.time.wait(HOUR)
        self.world = self.sandbox.save()
        self.saved = self.world.read_bytes()

    def connect(self) -> Clouds:
        """What another run would build."""
        return connect(self.link, self.time, endpoints_of(self.sandbox.address()))

    def back(self, saved: bytes | None = None) -> None:
        """To what ``sandbox.save`` wrote; None: to the link as it was built."""
        self.world.write_bytes(saved or self.saved)
        assert self.sandbox.load()
        self.sandbox.context.faults.clear()
        self.sandbox.context.journal.clear()

    def fault(self, kind: str, place: str, **more: Any) -> None:
        self.sandbox.context.faults.add(Fault(kind, place, **more))

    def writes(self) -> list[str]:
        """The operations of all writes that were answered."""
        return [call.operation for call in self.sandbox.context.journal.calls() if call.writes]

    def up(self) -> tuple[bool, ...]:
        """Of each tunnel, now, as AWS tells it."""
        found = self.connect().aws.ec2.describe_vpn_connections()["VpnConnections"]
        return tuple(t["Status"] == "UP" for c in found if c["State"] != "deleted" for t in c.get("VgwTelemetry") or ())

    def stop(self) -> None:
        self.sandbox.stop()
        for cluster in self.sandbox.aks.clusters.values():
            cluster.pods.kill_all()


class Calls:
    """Counts the calls of a run to both clouds, and kills it at one of them, before it is sent or after it is answered."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.at: tuple[int, str] | None = None
        self.made: list[str] = []
        self.each: Callable[[], None] = lambda: None  # after each call
        self._wrap(patch, BaseClient, "_make_api_call", lambda args: str(args[1]))
        self._wrap(
            patch, Pipeline, "run", lambda args: f"{args[1].method} {args[1].url.partition('?')[0].rpartition('/')[2]}"
        )

    def begin(self, at: tuple[int, str] | None) -> None:
        self.count, self.at, self.made = 0, at, []

    def _wrap(self, patch: pytest.MonkeyPatch, kind: Any, name: str, told: Callable[[tuple[Any, ...]], str]) -> None:
        real = getattr(kind, name)

        def called(*args: Any, **named: Any) -> Any:
            self.count += 1
            self.made.append(told(args))
            number = self.count
            if self.at == (number, "before"):
                raise Killed
            answer = real(*args, **named)
            self.each()
            if self.at == (number, "after"):
                raise Killed
            return answer

        patch.setattr(kind, name, called)
