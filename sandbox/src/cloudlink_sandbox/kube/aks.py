"""What AKS puts into a new cluster: namespaces, nodes, and CoreDNS with its ConfigMaps and its service.

https://learn.microsoft.com/azure/aks/coredns-custom
"""

from __future__ import annotations

from typing import Any

from cloudlink_sandbox.facts import AksCluster, AksPool
from cloudlink_sandbox.kube.addons import ADDON_CONFIGMAPS, ADDON_LABELS, DNS_LABELS, DNS_NAMESPACE
from cloudlink_sandbox.kube.cluster import Cluster
from cloudlink_sandbox.kube.kinds import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, NODES, SERVICES
from cloudlink_sandbox.kube.objects import ADDON_MANAGER
from cloudlink_sandbox.kube.plugins import coredns_version


def seed_namespaces(cluster: Cluster) -> None:
    for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
        labels = {"kubernetes.io/metadata.name": name}
        cluster.store.create(
            NAMESPACES,
            {
                "metadata": {"name": name, "labels": labels},
                "spec": {"finalizers": ["kubernetes"]},
                "status": {"phase": "Active"},
            },
        )


def seed_aks(cluster: Cluster, facts: AksCluster) -> None:
    """A cluster as AKS hands it over, with its CoreDNS already running."""
    store = cluster.store
    seed_namespaces(cluster)
    write_nodes(cluster, facts)
    store.create(
        SERVICES,
        cluster_service("kubernetes", "default", str(facts.service_cidr.network_address + 1), [("https", 443, "TCP")]),
    )
    ports = [("dns", 53, "UDP"), ("dns-tcp", 53, "TCP")]
    dns = cluster_service("kube-dns", DNS_NAMESPACE, str(facts.dns_service), ports)
    dns["metadata"]["labels"] = {**DNS_LABELS, "kubernetes.io/name": "CoreDNS"}
    dns["spec"]["selector"] = DNS_LABELS
    store.create(SERVICES, dns, ADDON_MANAGER)
    for content in ADDON_CONFIGMAPS.values():
        store.create(CONFIGMAPS, content, ADDON_MANAGER)
    store.create(DEPLOYMENTS, _coredns(facts.version), ADDON_MANAGER)
    cluster.deployments.sync(DNS_NAMESPACE, "coredns")
    cluster.pods.start_now(DNS_NAMESPACE)
    cluster.deployments.sync(DNS_NAMESPACE, "coredns")


def write_nodes(cluster: Cluster, facts: AksCluster) -> None:
    """The nodes of the cluster's pools as they are now; pods that waited for one are looked at again."""
    store, wanted = cluster.store, {}
    addresses = iter(facts.node_addresses)
    for pool in facts.pools or (AksPool("nodepool1", len(facts.node_addresses)),):
        for index, address in zip(range(pool.count), addresses, strict=False):
            node = _node(pool, index, str(address), facts.version)
            wanted[node["metadata"]["name"]] = node
    for name in [n["metadata"]["name"] for n in store.all(NODES)]:
        if name not in wanted:
            store.delete(NODES, "", name)
    for name, node in wanted.items():
        present = store.find(NODES, "", name)
        if present is None:
            store.create(NODES, node)
        elif (present["spec"], present["metadata"]["labels"]) != (node["spec"], node["metadata"]["labels"]):
            present["spec"], present["metadata"]["labels"] = node["spec"], node["metadata"]["labels"]
            store.replace(NODES, present)
    cluster.pools = facts.pools
    cluster.pods.schedule_waiting()


def _taint(text: str) -> dict[str, str]:
    key, _, effect = text.rpartition(":")
    key, _, value = key.partition("=")
    return {"key": key, "effect": effect, **({"value": value} if value else {})}


def upgrade_aks(cluster: Cluster, facts: AksCluster) -> None:
    """After a change of the cluster's version: its CoreDNS, whose new pods read coredns-custom again.

    That is when a broken one, kept out by reload until then, takes the new pods down.
    """
    deployment = cluster.store.find(DEPLOYMENTS, DNS_NAMESPACE, "coredns")
    if deployment is None:
        return
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["image"] = _coredns(facts.version)["spec"]["template"]["spec"]["containers"][0]["image"]
    cluster.store.replace(DEPLOYMENTS, deployment)


def _node(pool: AksPool, index: int, address: str, version: str) -> dict[str, Any]:
    name = f"aks-{pool.name}-00000000-vmss{index:06d}"
    spec: dict[str, Any] = {"providerID": f"azure:///virtualMachines/{name}"}
    if pool.taints:
        spec["taints"] = [_taint(t) for t in pool.taints]
    return {
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": pool.os,
                "kubernetes.io/arch": pool.arch,
                "agentpool": pool.name,
                "kubernetes.azure.com/agentpool": pool.name,
                **dict(pool.labels),
            },
        },
        "spec": spec,
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "KubeletReady",
                    "message": "kubelet is posting ready status",
                }
            ],
            "nodeInfo": {
                "architecture": pool.arch,
                "bootID": f"sandbox-{index}",
                "containerRuntimeVersion": "sandbox://1",
                "kernelVersion": "sandbox",
                "kubeProxyVersion": "",
                "kubeletVersion": f"v{version}",
                "machineID": f"sandbox-{index}",
                "operatingSystem": pool.os,
                "osImage": "cloudlink sandbox",
                "systemUUID": f"sandbox-{index}",
            },
        },
    }


def cluster_service(name: str, namespace: str, address: str, ports: list[tuple[str, int, str]]) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "ports": [{"name": n, "port": p, "targetPort": p, "protocol": t} for n, p, t in ports],
        },
        "status": {"loadBalancer": {}},
    }


def _coredns(version: str) -> dict[str, Any]:
    """Assumption: AKS's Deployment surges and lets one pod be missing; the sources do not quote it in full."""
    image = f"mcr.microsoft.com/oss/v2/kubernetes/coredns:v{coredns_version(version)}"
    return {
        "metadata": {
            "name": "coredns",
            "namespace": DNS_NAMESPACE,
            "labels": {**ADDON_LABELS, "kubernetes.io/name": "CoreDNS"},
        },
        "spec": {
            "replicas": 2,
            "progressDeadlineSeconds": 600,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {**DNS_LABELS, "version": "v20"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
            "template": {
                "metadata": {"labels": {**DNS_LABELS, "version": "v20"}},
                "spec": {
                    "dnsPolicy": "Default",
                    "serviceAccountName": "coredns",
                    "tolerations": [
                        {"key": "CriticalAddonsOnly", "operator": "Exists"},
                        {"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"},
                    ],
                    "containers": [
                        {
                            "name": "coredns",
                            "image": image,
                            "args": ["-conf", "/etc/coredns/Corefile"],
                            "volumeMounts": [
                                {"name": "config-volume", "mountPath": "/etc/coredns", "readOnly": True},
                                {"name": "custom-config-volume", "mountPath": "/etc/coredns/custom", "readOnly": True},
                            ],
                        }
                    ],
                    "volumes": [
                        {"name": "config-volume", "configMap": {"name": "coredns"}},
                        {"name": "custom-config-volume", "configMap": {"name": "coredns-custom", "optional": True}},
                    ],
                },
            },
        },
        "status": {},
    }
