"""What the controllers of a cluster share: its objects, what is due to happen to them, its time and its addresses."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.facts import AksCluster, AksPool
from cloudlink_sandbox.kube.container import PodNetwork
from cloudlink_sandbox.kube.event_queue import EventQueue
from cloudlink_sandbox.kube.kinds import NODES, SERVICES, Kind
from cloudlink_sandbox.kube.objects import Object, Store


class ClusterBase:
    """All methods are called with context.lock held."""

    def __init__(self, key: str, name: str, context: SandboxContext, facts: Callable[[], AksCluster | None]) -> None:
        self.key = key
        self.name = name
        self.context = context
        self.facts = facts  # the AKS cluster's at this moment; None for EKS
        self.event_queue = EventQueue()
        # How the packets of a pod (namespace, name) travel; set by the wire. None until then: pods have no network.
        self.pod_network: Callable[[str], PodNetwork] | None = None
        self.version = ""  # AKS's, as it was when its addons were last written
        self.pools: tuple[AksPool, ...] | None = None  # AKS's, as they were when the nodes were last written
        self._time: float | None = None
        self._addresses = 10
        self.store = Store(self.now, self._changed)

    def now(self) -> float:
        """Sandbox seconds; while the past is being made up for, the moment of the event."""
        return self.context.clock.now() if self._time is None else self._time

    def _changed(self, kind: Kind, obj: Object, gone: bool) -> None:
        """Told of every write."""
        raise NotImplementedError

    # --- addresses -------------------------------------------------------------------------------------------

    def nodes(self) -> list[Object]:
        return list(self.store.all(NODES))

    def next_pod_address(self) -> str:
        """From the pod range; a cluster whose pods have addresses of their VNet subnet is given those."""
        facts = self.facts()
        if facts is None:
            return f"100.64.0.{self._addresses}"
        self._addresses += 1
        network = facts.pod_cidr
        return str(network.network_address + self._addresses % (network.num_addresses - 4))

    def next_service_address(self) -> str:
        facts = self.facts()
        taken = {s["spec"].get("clusterIP") for s in self.store.all(SERVICES)}
        first = facts.service_cidr.network_address if facts else IPv4Address("172.20.0.0")
        return next(a for a in (str(first + i) for i in range(100, 4000)) if a not in taken)
