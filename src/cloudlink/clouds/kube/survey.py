"""What a cluster lets others reach: Services of type LoadBalancer and Ingresses, with their load balancers' names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.malformed import parsing


@dataclass(frozen=True)
class Exposed:
    kind: str  # service, ingress
    namespace: str
    name: str
    balancers: tuple[str, ...]  # DNS names
    hosts: tuple[str, ...] = ()  # of an Ingress's rules
    ports: tuple[int, ...] = ()  # of a Service


@parsing("the cluster's answers")
def exposed(cluster: Kube) -> list[Exposed]:
    services = cluster.objects("/api/v1/services")
    ingresses = cluster.objects("/apis/networking.k8s.io/v1/ingresses")
    found = [_exposed("service", raw) for raw in services if (raw.get("spec") or {}).get("type") == "LoadBalancer"]
    found += [_exposed("ingress", raw) for raw in ingresses]
    return [e for e in found if e.balancers]


def _exposed(kind: str, raw: Mapping[str, Any]) -> Exposed:
    meta, spec = raw["metadata"], raw.get("spec") or {}
    behind = ((raw.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return Exposed(
        kind,
        str(meta["namespace"]),
        str(meta["name"]),
        tuple(str(i["hostname"]).lower() for i in behind if i.get("hostname")),
        tuple(str(r["host"]).lower() for r in spec.get("rules") or () if r.get("host")),
        tuple(
            int(p["port"])
            for p in (spec.get("ports") or () if kind == "service" else ())
            if p.get("protocol", "TCP") == "TCP"
        ),
    )
