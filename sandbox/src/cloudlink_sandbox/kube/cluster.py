"""One cluster: its objects, what is due to happen to them, and the controllers that make it happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.facts import AksCluster
from cloudlink_sandbox.kube.cluster_base import ClusterBase
from cloudlink_sandbox.kube.copying import copied
from cloudlink_sandbox.kube.deployments import Deployments
from cloudlink_sandbox.kube.dns_pods import DnsPods
from cloudlink_sandbox.kube.event_queue import EventQueue
from cloudlink_sandbox.kube.kinds import BY_KEY, CONFIGMAPS, DEPLOYMENTS, NAMESPACES, PODS, Kind
from cloudlink_sandbox.kube.objects import Object, Store
from cloudlink_sandbox.kube.pods import Pods


class Cluster(ClusterBase):
    """All methods are called with context.lock held."""

    def __init__(self, key: str, name: str, context: SandboxContext, facts: Callable[[], AksCluster | None]) -> None:
        super().__init__(key, name, context, facts)
        self._advancing = False
        self.dns = DnsPods(self, log=self._log)
        self.pods = Pods(self, self.dns)
        self.deployments = Deployments(self, self.pods)
        self._steps: dict[str, Callable[..., None]] = {
            "pod.start": self.pods.start,
            "pod.restart": self.pods.restart,
            "pod.end": self.pods.timer_ended,
            "pod.deadline": self.pods.deadline,
            "pod.remove": self.pods.remove,
            "deployment.sync": self.deployments.sync,
            "deployment.deadline": self.deployments.deadline,
            "dns.project": self.dns.project,
            "dns.reload": self.dns.reload,
            "addon.restore": self.dns.restore_addon,
        }

    def _log(self, namespace: str, pod: str, text: bytes) -> None:
        self.pods.append_log(namespace, pod, text)

    def catch_up(self) -> None:
        """Let everything happen that is due by now."""
        if self._advancing:
            return
        self._advancing = True
        try:
            now = self.context.clock.now()
            self.pods.collect()
            for when, what, whom in self.event_queue.due(now):
                self._time = when
                self._steps[what](*whom)
            self._time = None
        finally:
            self._time = None
            self._advancing = False

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """What is written within is forgotten at its end, and no controller hears of it: for ``dryRun``."""
        kept = self.store, self.event_queue, self._addresses
        self.store = Store(self.now, lambda *_: None, copied(self.store.objects), self.store.revision)
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
