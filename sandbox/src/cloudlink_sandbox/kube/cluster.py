"""One cluster: its objects, what is due to happen to them, and the controllers that make it happen."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import Any

from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.facts import AksCluster
from cloudlink_sandbox.kube.container import PodNetwork
from cloudlink_sandbox.kube.deployments import Deployments
from cloudlink_sandbox.kube.dns_pods import DnsPods
from cloudlink_sandbox.kube.event_queue import EventQueue
from cloudlink_sandbox.kube.kinds import BY_KEY, CONFIGMAPS, DEPLOYMENTS, NAMESPACES, NODES, PODS, SERVICES, Kind
from cloudlink_sandbox.kube.objects import Object, Store
from cloudlink_sandbox.kube.pods import Pods


class Cluster:
    """All methods are called with context.lock held.

    facts: the AKS cluster's facts at this moment, None for EKS. pod_network: how pods' packets travel; set by the
    wire, None until then (pods then have no network).
    """

    def __init__(self, key: str, name: str, context: SandboxContext, facts: Callable[[], AksCluster | None]) -> None:
        self.key = key
        self.name = name
        self.context = context
        self.facts = facts
        self.event_queue = EventQueue()
        self.pod_network: Callable[[Cluster, str], PodNetwork] | None = None
        self.version = ""  # AKS's, as it was when its addons were last written
        self._time: float | None = None
        self._settling = False
        self._addresses = 10
        self.store = Store(self.now, self._changed)
        self.pods = Pods(self)
        self.dns = DnsPods(self)
        self.deployments = Deployments(self)
        self._steps: dict[str, Callable[..., None]] = {
            "pod.start": self.pods.start,
            "pod.end": self.pods.timer_ended,
            "pod.deadline": self.pods.deadline,
            "pod.remove": self.pods.remove,
            "deployment.sync": self.deployments.sync,
            "deployment.deadline": self.deployments.deadline,
            "dns.project": self.dns.project,
            "dns.reload": self.dns.reload,
            "addon.restore": self.dns.restore_addon,
        }

    def now(self) -> float:
        """Sandbox seconds; while the past is being made up for, the moment of the event."""
        return self.context.clock.now() if self._time is None else self._time

    def catch_up(self) -> None:
        """Let everything happen that is due by now."""
        if self._settling:
            return
        self._settling = True
        try:
            now = self.context.clock.now()
            self.pods.collect()
            for when, what, whom in self.event_queue.due(now):
                self._time = when
                self._steps[what](*whom)
            self._time = None
        finally:
            self._time = None
            self._settling = False

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """What is written within is forgotten at its end, and no controller hears of it: for ``dryRun``."""
        kept = self.store, self.event_queue, self._addresses
        self.store = Store(self.now, lambda *_: None, copy.deepcopy(self.store.objects), self.store.revision)
        self.event_queue = EventQueue()
        try:
            yield
        finally:
            self.store, self.event_queue, self._addresses = kept

    def _changed(self, kind: Kind, obj: Object, gone: bool) -> None:
        self.context.touch()
        meta = obj["metadata"]
        if kind is PODS:
            self.pods.seen(obj, gone)
            self.deployments.pod_changed(obj)
        elif kind is DEPLOYMENTS:
            self.deployments.changed(obj, gone)
        elif kind is CONFIGMAPS and meta["namespace"] == "kube-system":
            self.dns.configmap_changed(meta["name"])
        elif kind is NAMESPACES and gone:
            self._empty(meta["name"])

    def _empty(self, namespace: str) -> None:
        for key, rows in list(self.store.objects.items()):
            for space, name in list(rows):
                if space == namespace and (space, name) in rows:
                    self.store.delete(BY_KEY[key], space, name)

    # --- addresses -------------------------------------------------------------------------------------------

    def nodes(self) -> list[tuple[str, str]]:
        """(name, internal address) of each node."""
        return [
            (
                n["metadata"]["name"],
                next((a["address"] for a in n["status"].get("addresses", ()) if a["type"] == "InternalIP"), ""),
            )
            for n in self.store.all(NODES)
        ]

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

    # --- saved and loaded ------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "store": self.store.snapshot(),
            "event_queue": self.event_queue.snapshot(),
            "addresses": self._addresses,
            "dns": self.dns.snapshot(),
            "pods": self.pods.snapshot(),
            "deployments": self.deployments.snapshot(),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self.pods.kill_all()
        self.version = saved["version"]
        self.store.restore(saved["store"])
        self.event_queue.restore(saved["event_queue"])
        self._addresses = saved["addresses"]
        self.dns.restore(saved["dns"])
        self.deployments.restore(saved["deployments"])
        self.pods.restore(saved["pods"])
