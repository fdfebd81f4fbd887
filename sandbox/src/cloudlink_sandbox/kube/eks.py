"""What the EKS cluster has: the Services and Ingresses of the world file, with their load balancers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cloudlink_sandbox.kube.cluster import Cluster
from cloudlink_sandbox.kube.kinds import INGRESSES, NAMESPACES, SERVICES
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
