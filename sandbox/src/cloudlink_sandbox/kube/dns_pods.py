"""The CoreDNS pods of an AKS cluster: how a ConfigMap reaches them, reload, and what a broken configuration does.

A running pod keeps its old configuration when the new one is broken; a new pod with a broken one crashes again and
again, while the rolling update leaves the old pods serving. https://learn.microsoft.com/azure/aks/coredns-custom
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from typing import Any

from cloudlink_sandbox.kube.addons import ADDON_CONFIGMAPS, DNS_LABELS, DNS_NAMESPACE
from cloudlink_sandbox.kube.cluster_base import ClusterBase
from cloudlink_sandbox.kube.coredns import CoreDns, Network
from cloudlink_sandbox.kube.corefile import BrokenCorefile
from cloudlink_sandbox.kube.kinds import CONFIGMAPS, PODS
from cloudlink_sandbox.kube.objects import ADDON_MANAGER, Object
from cloudlink_sandbox.kube.plugins import Configuration, configure

# Assumption: AKS's addon reconciler puts its own objects back within about a minute.
_RESTORE_SECONDS = 60.0

Files = dict[str, str]


class DnsPods:
    """projected: pod name -> the files in its volumes. running: pod name -> the files it started or reloaded with.

    network: what CoreDNS forwards through; set by the wire. log: takes what a pod (namespace, name) writes.
    """

    def __init__(self, cluster: ClusterBase, log: Callable[[str, str, bytes], None]) -> None:
        self._cluster = cluster
        self._log_of_pod = log
        self.network: Callable[[str], Network] | None = None
        self._projected: dict[str, Files] = {}
        self._running: dict[str, Files] = {}
        self._servers: dict[str, CoreDns] = {}
        self._turn = 0

    @staticmethod
    def is_dns(pod: Object) -> bool:
        labels = pod["metadata"].get("labels", {})
        return bool(pod["metadata"]["namespace"] == DNS_NAMESPACE) and DNS_LABELS.items() <= labels.items()

    def _is_ready(self, name: str) -> bool:
        pod = self._cluster.store.find(PODS, DNS_NAMESPACE, name)
        return pod is not None and any(
            c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ())
        )

    def files(self) -> Files:
        """What the ConfigMaps say now, as files below /etc/coredns."""
        store = self._cluster.store
        base = store.find(CONFIGMAPS, DNS_NAMESPACE, "coredns") or {}
        custom = store.find(CONFIGMAPS, DNS_NAMESPACE, "coredns-custom") or {}
        found = {k: v for k, v in (base.get("data") or {}).items() if k == "Corefile"}
        keys = dict(custom.get("data") or {})
        for key, value in (custom.get("binaryData") or {}).items():
            keys[key] = base64.b64decode(value).decode(
                errors="replace"
            )  # CoreDNS reads bytes; what is no rune stays odd
        return found | {f"custom/{k}": v for k, v in keys.items()}

    def version(self, pod: Object) -> str:
        """The CoreDNS version that the pod's image names."""
        tag = str(pod["spec"]["containers"][0]["image"]).rpartition(":")[2].lstrip("v").partition("-")[0]
        return tag if tag.count(".") == 2 and tag.replace(".", "").isdigit() else "1.12.1"

    def _configure(self, pod: Object, files: Files) -> Configuration:
        if "Corefile" not in files:
            raise BrokenCorefile("open /etc/coredns/Corefile: no such file or directory")
        facts = self._cluster.facts()
        own = [str(facts.dns_service)] if facts else []
        return configure(files, self.version(pod), own=[*own, "127.0.0.1", pod["status"].get("podIP", "")])

    # --- called by the kubelet -----------------------------------------------------------------------------------

    def start(self, pod: Object) -> None:
        """Raises BrokenCorefile when the process would exit."""
        name = pod["metadata"]["name"]
        files = self._projected.setdefault(name, self.files())
        configuration = self._configure(pod, files)
        self._running[name] = dict(files)
        self._serve(name, configuration)
        self._log(name, ".:53", f"CoreDNS-{self.version(pod)}", "linux/amd64")
        self._watch(name)

    def stopped(self, name: str) -> None:
        for table in (self._projected, self._running, self._servers):
            table.pop(name, None)

    def _serve(self, name: str, configuration: Configuration) -> None:
        if self.network is not None:
            self._servers[name] = CoreDns(
                configuration, self.network(name), lambda line: self._log(name, line), zlib.crc32(name.encode())
            )

    def _log(self, name: str, *lines: str) -> None:
        self._log_of_pod(DNS_NAMESPACE, name, "".join(f"{line}\n" for line in lines).encode())

    # --- over time -------------------------------------------------------------------------------------------

    def configmap_changed(self, name: str) -> None:
        now = self._cluster.now()
        if name in ADDON_CONFIGMAPS and not self._cluster.event_queue.has("addon.restore", name):
            self._cluster.event_queue.add(now + _RESTORE_SECONDS, "addon.restore", name)
        for pod in list(self._projected):
            seconds = self._cluster.context.durations.sample("kube.project", pod)
            self._cluster.event_queue.add(now + seconds, "dns.project", pod)

    def project(self, name: str) -> None:
        """The kubelet writes the ConfigMaps into the pod's volume."""
        if name in self._projected:
            self._projected[name] = self.files()
            self._watch(name)

    def _watch(self, name: str) -> None:
        """CoreDNS compares its files every so often, if the configuration that runs has reload."""
        server = self._servers.get(name)
        if self._projected[name] == self._running.get(name) or (server and not server.configuration.reloads):
            return
        if name in self._running and not self._cluster.event_queue.has("dns.reload", name):
            seconds = self._cluster.context.durations.sample("kube.reload", name)
            self._cluster.event_queue.add(self._cluster.now() + seconds, "dns.reload", name)

    def reload(self, name: str) -> None:
        files = self._projected.get(name)
        pod = self._cluster.store.find(PODS, DNS_NAMESPACE, name)
        if files is None or pod is None or files == self._running.get(name):
            return
        self._log(name, "[INFO] Reloading")
        try:
            configuration = self._configure(pod, files)
        except BrokenCorefile as e:
            why = f"Corefile changed but reload failed: starting with listener file descriptors: {e}"
            self._log(name, f"[ERROR] Restart failed: {e}", f"[ERROR] plugin/reload: {why}")
            return
        self._running[name] = dict(files)
        self._serve(name, configuration)
        self._log(name, "[INFO] Reloading complete")

    def restore_addon(self, name: str) -> None:
        """AKS's ConfigMap ``coredns`` is put back to its content, ``coredns-custom`` only when it is missing."""
        store = self._cluster.store
        wanted = ADDON_CONFIGMAPS[name]
        found = store.find(CONFIGMAPS, DNS_NAMESPACE, name)
        if found is None:
            store.create(CONFIGMAPS, wanted, ADDON_MANAGER)
        elif wanted.get("data") and found.get("data") != wanted["data"]:
            store.replace(CONFIGMAPS, {**found, "data": dict(wanted["data"])})

    # --- called by the wire ----------------------------------------------------------------------------------

    def server(self, pod: str | None = None) -> CoreDns | None:
        """A CoreDNS that serves: of this pod, or of the next ready one, as the cluster's DNS service picks it."""
        ready = sorted(n for n in self._servers if n in self._running and self._is_ready(n))
        if pod is not None:
            return self._servers[pod] if pod in ready else None
        if not ready:
            return None
        self._turn += 1
        return self._servers[ready[self._turn % len(ready)]]

    def a_pod(self) -> Object | None:
        """One that serves, as it stands in the cluster; they are all of one template."""
        ready = sorted(n for n in self._servers if n in self._running and self._is_ready(n))
        return self._cluster.store.find(PODS, DNS_NAMESPACE, ready[0]) if ready else None

    def adopt_network(self, network: Callable[[str], Network]) -> None:
        """From now on CoreDNS forwards through this; pods that run get it too."""
        self.network = network
        for name, files in self._running.items():
            pod = self._cluster.store.find(PODS, DNS_NAMESPACE, name)
            if pod is not None:
                self._serve(name, self._configure(pod, files))

    def snapshot(self) -> dict[str, Any]:
        return {"projected": dict(self._projected), "running": dict(self._running)}

    def restore(self, saved: dict[str, Any]) -> None:
        self._projected, self._running = dict(saved["projected"]), dict(saved["running"])
        self._servers = {}
        if self.network is not None:
            self.adopt_network(self.network)
