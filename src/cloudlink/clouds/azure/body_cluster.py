"""Bodies of AKS clusters, see ``body``."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from cloudlink.clouds.azure.body import Body, body_of
from cloudlink.clouds.azure.parse_pieces import Json, as_list, named, properties
from cloudlink.clouds.malformed import parsing

POOL = "nodes"  # ours; others may add more
# What AKS says of a cluster or a pool, and nobody sets.
_AZURES = frozenset(
    {
        "azurePortalFQDN",
        "currentKubernetesVersion",
        "currentOrchestratorVersion",
        "effectiveOutboundIPs",
        "eTag",
        "fqdn",
        "maxAgentPools",
        "nodeImageVersion",
        "powerState",
        "privateFQDN",
        "provisioningState",
        "resourceUID",
        "status",
    }
)


def aks_cluster(
    *,
    location: str,
    tags: dict[str, str],
    name: str,
    version: str | None,
    node_count: int,
    node_size: str,
    subnet: str,
    pods: IPv4Network,
    services: IPv4Network,
) -> Body:
    """Azure CNI in overlay mode, so that pods need no addresses of the VNet. version None: AKS's default.

    https://learn.microsoft.com/azure/aks/azure-cni-overlay
    """
    held: dict[str, Any] = {
        "dnsPrefix": name,
        "enableRBAC": True,
        "agentPoolProfiles": [
            {
                "name": "nodes",
                "mode": "System",
                "type": "VirtualMachineScaleSets",
                "osType": "Linux",
                "count": node_count,
                "vmSize": node_size,
                "vnetSubnetID": subnet,
            }
        ],
        "networkProfile": {
            "networkPlugin": "azure",
            "networkPluginMode": "overlay",
            "podCidr": str(pods),
            "serviceCidr": str(services),
            "dnsServiceIP": str(services.network_address + 10),
            "loadBalancerSku": "standard",
            "outboundType": "loadBalancer",
        },
    }
    if version is not None:
        held["kubernetesVersion"] = version
    return {"location": location, "tags": tags, "identity": {"type": "SystemAssigned"}, "properties": held}


@parsing("Azure's AKS clusters")
def changed_cluster(there: Json, *, location: str, tags: dict[str, str], version: str | None, node_count: int) -> Body:
    """A cluster as it is, with its pools, its identity and all that others have switched on, and above it what cloudlink
    changes: the version, the number of nodes of its own pool unless somebody lets AKS decide that.

    https://learn.microsoft.com/rest/api/aks/managed-clusters/create-or-update
    """
    clean: Json = _without(there)
    pools = as_list(properties(clean).get("agentPoolProfiles"))
    own = named(pools, POOL) or (pools[0] if pools else {})
    ours = dict(own)
    if not own.get("enableAutoScaling"):
        ours["count"] = node_count
    changed: dict[str, Any] = {"agentPoolProfiles": [ours if pool is own else pool for pool in pools]}
    if version is not None and properties(there).get("kubernetesVersion") != version:
        changed["kubernetesVersion"] = version
        ours["orchestratorVersion"] = version
    return body_of(clean, changed, location=location, tags=tags)


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without(v) for k, v in value.items() if k not in _AZURES}
    return [_without(item) for item in value] if isinstance(value, list) else value
