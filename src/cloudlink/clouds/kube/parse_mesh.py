"""What Istio lets pods with a sidecar ask outside of the mesh, in frozen facts.

https://istio.io/latest/docs/tasks/traffic-management/egress/egress-control/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def _mode(held: Json) -> str:
    policy = held.get("outboundTrafficPolicy")
    return str(policy.get("mode") or "ALLOW_ANY") if isinstance(policy, Mapping) else ""
