"""What Istio and Linkerd let pods with a sidecar ask outside of the mesh, in frozen facts.

https://istio.io/latest/docs/tasks/traffic-management/egress/egress-control/
https://linkerd.io/2/reference/egress-network
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from cloudlink.clouds.malformed import parsing

Json = Mapping[str, Any]
REGISTRY_ONLY = "REGISTRY_ONLY"


@parsing("the mesh's settings")
def limiting_settings(config_maps: Iterable[Json]) -> str:
    """The ConfigMap whose key ``mesh`` limits the whole mesh; empty: none does."""
    for found in config_maps:
        name = str((found.get("metadata") or {}).get("name") or "")
        if name.startswith("istio") and _mode(_mesh(found)) == REGISTRY_ONLY:
            return name
    return ""


def _mesh(config_map: Json) -> Json:
    import yaml

    try:
        held = yaml.safe_load(str((config_map.get("data") or {}).get("mesh") or ""))
    except (yaml.YAMLError, RecursionError):
        return {}  # Istio does not read it either
    return held if isinstance(held, Mapping) else {}


@parsing("the mesh's Sidecars")
def outbound_of_sidecars(found: Iterable[Json]) -> dict[str, str]:
    """Name -> mode, of those that say one."""
    modes = {str(s["metadata"]["name"]): _mode(s.get("spec") or {}) for s in found}
    return {name: mode for name, mode in modes.items() if mode}


@parsing("the mesh's ServiceEntries")
def registered_hosts(found: Iterable[Json]) -> frozenset[str]:
    """Names that pods may ask, in lower case; ``*.`` before those of which all below is meant."""
    return frozenset(str(h).lower().rstrip(".") for s in found for h in (s.get("spec") or {}).get("hosts") or ())


@dataclass(frozen=True)
class EgressNetwork:
    """Linkerd's: what pods of its namespace may not reach without a route that names it. ranges: each with what is left out of it;
    none: everything outside of the cluster's own networks."""

    name: str
    namespace: str
    ranges: tuple[tuple[IPv4Network, tuple[IPv4Network, ...]], ...] = ()

    def denies(self, network: IPv4Network, own: Iterable[IPv4Network]) -> bool:
        """own: the cluster's networks."""
        ranges = self.ranges or ((IPv4Network("0.0.0.0/0"), tuple(own)),)
        return any(network.overlaps(r) and not any(network.subnet_of(x) for x in left_out) for r, left_out in ranges)


@parsing("the mesh's EgressNetworks")
def denying_networks(found: Iterable[Json]) -> tuple[EgressNetwork, ...]:
    return tuple(
        EgressNetwork(
            str(e["metadata"]["name"]),
            str(e["metadata"].get("namespace") or ""),
            tuple(
                (IPv4Network(str(n["cidr"])), _ipv4(n.get("except")))
                for n in (e.get("spec") or {}).get("networks") or ()
                if ":" not in str(n["cidr"])
            ),
        )
        for e in found
        if (e.get("spec") or {}).get("trafficPolicy") == "Deny"
    )


# Of an installation that says nothing else. https://linkerd.io/2/features/non-kubernetes-workloads
CLUSTER_NETWORKS = "10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16"


@parsing("the mesh's settings")
def cluster_networks(config_maps: Iterable[Json]) -> tuple[IPv4Network, ...]:
    """What Linkerd counts as the cluster, as its ConfigMap ``linkerd-config`` says."""
    import yaml

    for found in config_maps:
        if (found.get("metadata") or {}).get("name") == "linkerd-config":
            try:
                held = yaml.safe_load(str((found.get("data") or {}).get("values") or ""))
            except (yaml.YAMLError, RecursionError):
                held = None
            said = held.get("clusterNetworks") if isinstance(held, Mapping) else None
            return _ipv4(str(said or CLUSTER_NETWORKS).split(","))
    return _ipv4(CLUSTER_NETWORKS.split(","))


def _ipv4(ranges: Iterable[Any] | None) -> tuple[IPv4Network, ...]:
    return tuple(IPv4Network(str(r).strip()) for r in ranges or () if ":" not in str(r))


def _mode(held: Json) -> str:
    policy = held.get("outboundTrafficPolicy")
    return str(policy.get("mode") or "ALLOW_ANY") if isinstance(policy, Mapping) else ""
