"""A link's life in this process: each command as a process of its own would make it, on a clock that only waiting moves.

One worker: the same calls in every run. (With eight workers more of them share what was read, so a user's run has fewer.)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from cloudlink.checks.preflight import run as preflight
from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.errors import error_policy
from cloudlink.connect import Clouds, connect
from cloudlink.core.engine import Engine
from cloudlink.core.plan import Plan
from cloudlink.core.resource import Receipt, Receipts
from cloudlink.errors import Finding
from cloudlink.inspection.inspection import Inspection
from cloudlink.link import Link
from cloudlink.sandbox_client import endpoints_of
from cloudlink.sandbox_world import description
from cloudlink.steps.dns_forward.clusters import settle
from cloudlink.steps.permissions import by_address
from cloudlink_sandbox.process import Sandbox
from cloudlink_sandbox.world_file import parse
from tests.support.clocks import SandboxTime


@dataclass
class Memory:
    held: dict[str, Receipt] = field(default_factory=dict)

    def receipts(self) -> Receipts:
        return Receipts(self.held)

    def put(self, receipt: Receipt) -> None:
        self.held[receipt.address] = receipt

    def remove(self, address: str) -> None:
        self.held.pop(address, None)


@dataclass
class Life:
    """Nothing that was read before is known to a command. pause: real seconds of each wait while a program runs in a pod."""

    sandbox: Sandbox
    link: Link
    store: Memory = field(default_factory=Memory)
    pause: float = 0.0
    found: tuple[Finding, ...] = ()  # by the last plan
    left_behind: tuple[str, ...] = ()  # ids of clusters that are gone and that the state knows, by the last plan

    def __post_init__(self) -> None:
        self.sandbox.seed(parse(description(self.link)))
        self.clock = self.new_clock()

    def new_clock(self) -> SandboxTime:
        """That of another run: a run's own may have been stopped."""
        return SandboxTime(self.sandbox.context.clock, pause=self.pause, computing=self._computing)

    def _computing(self) -> bool:
        return any(cluster.pods.computing() for cluster in [*self.sandbox.aks.clusters.values()])

    def clouds(self) -> Clouds:
        """Signed in, with a journal that is empty."""
        return self._clouds()

    def _clouds(self) -> Clouds:
        self.sandbox.context.journal.clear()
        clouds = connect(self.link, self.clock, endpoints_of(self.sandbox.address()))
        clouds.receipts = self.store.receipts
        return clouds

    def engine(self, clouds: Clouds) -> Engine:
        nodes = clouds.topology.nodes()
        return Engine(nodes, clock=self.clock, store=self.store, error_policy=error_policy(self.link), workers=1)

    def plan(self) -> tuple[Plan, Engine]:
        clouds = self._clouds()
        engine = self.engine(clouds)
        plan = engine.plan(collect=True)
        context = Context(
            clouds.link, plan, clouds.aws, clouds.azure, clouds.aks, clouds.eks, by_address(clouds.topology.nodes())
        )
        topics = preflight.topics_of(clouds.link, writes=bool(plan.writes))
        self.found = preflight.check(clouds.on_each_cluster(context), engine.read, topics)
        self.left_behind = clouds.gone
        return plan, engine

    def up(self) -> Plan:
        plan, engine = self.plan()
        settle(self.link, self.store, self.left_behind)
        list(engine.apply(plan))
        return plan

    def status(self) -> Any:
        return self.inspection().status()

    def inspection(self) -> Inspection:
        clouds = self._clouds()
        translate = error_policy(self.link).translate
        engine = self.engine(clouds)
        return Inspection(
            clouds.link,
            clouds.aws,
            clouds.azure,
            clouds.aks,
            clouds.topology,
            engine,
            self.clock,
            translate,
            clusters=clouds.clusters if clouds.beside else (),
        )

    def teardown(self) -> None:
        engine = self.engine(self._clouds())
        list(engine.apply(engine.plan(destroy=True)))

    def calls(self) -> Counter[str]:
        return Counter(f"{c.cloud} {c.operation}" for c in self.sandbox.context.journal.calls())
