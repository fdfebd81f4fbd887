"""What the EKS cluster has: nodes, and the Services and Ingresses of the world file, with their load balancers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cloudlink_sandbox.facts import EksCluster
from cloudlink_sandbox.kube.aks import cluster_service
from cloudlink_sandbox.kube.cluster import Cluster
from cloudlink_sandbox.kube.kinds import INGRESSES, NAMESPACES, NODES, SERVICES
from cloudlink_sandbox.world_file import KubernetesService


def seed_services(
    cluster: Cluster, services: Iterable[KubernetesService], load_balancer_of: Callable[[str, str, str], str]
) -> None:
    """Ones that exist already are left as they are."""
    store = cluster.store
    for target in services:
        if store.find(NAMESPACES, "", target.namespace) is None:
            store.create(
                NAMESPACES, {"metadata": {"name": target.namespace}, "spec": {}, "status": {"phase": "Active"}}
            )
        kind = SERVICES if target.kind == "service" else INGRESSES
        if store.find(kind, target.namespace, target.name) is not None:
            continue
        host = load_balancer_of(target.kind, target.namespace, target.name)
        load_balancer = {"loadBalancer": {"ingress": [{"hostname": host}]}}
        meta = {"name": target.name, "namespace": target.namespace}
        if kind is SERVICES:
            address = cluster.next_service_address()
            spec: dict[str, Any] = {
                "type": "LoadBalancer",
                "clusterIP": address,
                "clusterIPs": [address],
                "loadBalancerClass": "service.k8s.aws/nlb",
                "ports": [{"name": f"port-{p}", "port": p, "targetPort": p, "protocol": "TCP"} for p in target.ports],
            }
        else:
            spec = {
                "ingressClassName": "alb",
                "defaultBackend": {"service": {"name": target.name, "port": {"number": 80}}},
            }
        store.create(kind, {"metadata": meta, "spec": spec, "status": load_balancer})


def write_eks_nodes(cluster: Cluster, facts: EksCluster) -> None:
    """A node in each of the first subnets, and the two Services that every cluster has. Ones that exist already stay."""
    store = cluster.store
    for node in facts.nodes:
        name = f"ip-{str(node.address).replace('.', '-')}.ec2.internal"
        if store.find(NODES, "", name) is None:
            store.create(NODES, _node(name, str(node.address), facts.version))
    wanted = (
        ("kubernetes", "default", str(facts.service_cidr.network_address + 1), [("https", 443, "TCP")]),
        ("kube-dns", "kube-system", str(facts.dns_service), [("dns", 53, "UDP"), ("dns-tcp", 53, "TCP")]),
    )
    for name, namespace, address, ports in wanted:
        if store.find(SERVICES, namespace, name) is None:
            store.create(SERVICES, cluster_service(name, namespace, address, ports))
    cluster.pods.schedule_waiting()


def _node(name: str, address: str, version: str) -> dict[str, Any]:
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
    }
    return {
        "metadata": {"name": name, "labels": {**labels, "eks.amazonaws.com/nodegroup": "nodes"}},
        "spec": {"providerID": f"aws:///{name}"},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "conditions": [ready],
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": name,
                "containerRuntimeVersion": "sandbox://1",
                "kernelVersion": "sandbox",
                "kubeProxyVersion": "",
                "kubeletVersion": f"v{version}",
                "machineID": name,
                "operatingSystem": "linux",
                "osImage": "cloudlink sandbox",
                "systemUUID": name,
            },
        },
    }
