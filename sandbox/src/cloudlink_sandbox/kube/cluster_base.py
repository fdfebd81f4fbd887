"""What the controllers of a cluster share: its objects, what is due to happen to them, its time and its addresses."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network

from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.facts import AksCluster, AksPool, EksCluster
from cloudlink_sandbox.kube.container import PodNetwork
from cloudlink_sandbox.kube.coredns import CoreDns
from cloudlink_sandbox.kube.event_queue import EventQueue
from cloudlink_sandbox.kube.kinds import NODES, SERVICES, Kind
from cloudlink_sandbox.kube.objects import Object, Store
from cloudlink_sandbox.world_file import Aks


class ClusterBase:
    """All methods are called with context.lock held."""

    def __init__(self, key: str, name: str, context: SandboxContext, facts: Callable[[], AksCluster | None]) -> None:
        self.key = key
        self.name = name
        self.context = context
        self.facts = facts  # the AKS cluster's at this moment; None for EKS
        self.vpc: Callable[[], EksCluster | None] = lambda: None  # the EKS cluster's at this moment; None for AKS
        # EKS's CoreDNS, which is no object here and which nobody changes; set by the wire
        self.untouched_dns: CoreDns | None = None
        self.event_queue = EventQueue()
        # How the packets of a pod (namespace, name) travel; set by the wire. None until then: pods have no network.
        self.pod_network: Callable[[str], PodNetwork] | None = None
        self.version = ""  # AKS's, as it was when its addons were last written
        self.pools: tuple[AksPool, ...] | None = None  # AKS's, as they were when the nodes were last written
        self.world: Callable[[], Aks | None] = lambda: None  # what the world file says of this cluster
        self.warnings: list[str] = []  # of the request that is answered now
        self._time: float | None = None
        self._addresses = 10
        self.store = Store(self.now, self._changed)

    def now(self) -> float:
        """Sandbox seconds; while the past is being made up for, the moment of the event."""
        return self.context.clock.now() if self._time is None else self._time

    def _changed(self, kind: Kind, obj: Object, gone: bool) -> None:
        """Told of every write."""
        raise NotImplementedError

    def registries(self) -> dict[str, bool]:
        """Registries beside the public ones, and whether each asks for credentials."""
        world = self.world()
        return {r.host.lower(): r.private for r in world.registries} if world else {}

    # --- addresses -------------------------------------------------------------------------------------------

    def nodes(self) -> list[Object]:
        return list(self.store.all(NODES))

    def next_pod_address(self) -> str:
        """From the pod range; a cluster whose pods have addresses of their VNet subnet is given those."""
        facts = self.facts()
        if facts is None:
            self._addresses += 1
            return self._address_in_vpc(self._addresses)
        self._addresses += 1
        network = facts.pod_cidr
        return str(network.network_address + self._addresses % (network.num_addresses - 4))

    def _address_in_vpc(self, number: int) -> str:
        """Of the subnets of EKS's nodes in turn, from the end. https://docs.aws.amazon.com/eks/latest/userguide/pod-networking.html"""
        vpc = self.vpc()
        if vpc is None or not vpc.nodes:
            return f"100.64.0.{number % 250}"
        node = vpc.nodes[number % len(vpc.nodes)]
        network = self.context.aws_facts().subnets[node.subnet_id].cidr
        return str(network.broadcast_address - 3 - number // len(vpc.nodes) % (network.num_addresses // 2))

    def next_service_address(self) -> str:
        facts = self.facts()
        taken = {s["spec"].get("clusterIP") for s in self.store.all(SERVICES)}
        vpc = self.vpc()
        network = facts.service_cidr if facts else vpc.service_cidr if vpc else IPv4Network("172.20.0.0/16")
        first = network.network_address
        return next(a for a in (str(first + i) for i in range(100, 4000)) if a not in taken)
