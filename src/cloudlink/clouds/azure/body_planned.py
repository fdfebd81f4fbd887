"""The bodies with which Azure Policy is asked about objects before they are made."""

from __future__ import annotations

from typing import Any

from cloudlink.clouds.azure.body import Body
from cloudlink.clouds.azure.kinds import GATEWAY, PUBLIC_IP, SUBNET, type_of

GROUP_TYPE = "Microsoft.Resources/subscriptions/resourceGroups"
CLUSTER_TYPE = "Microsoft.ContainerService/managedClusters"


def planned(type_: str, name: str, body: Body) -> Body:
    """body: of its PUT."""
    return {"name": name, "type": type_, **body}


def planned_subnet(name: str, body: Body) -> Body:
    return planned(type_of(SUBNET), name, body)


def planned_object(
    kind: str, *, name: str, location: str, tags: dict[str, str], sku: str, zones: tuple[str, ...]
) -> Body:
    """sku: of the gateway. zones: of a public IP."""
    content: dict[str, Any] = {"name": name, "type": type_of(kind), "location": location, "tags": tags}
    if kind == PUBLIC_IP:
        content |= {
            "sku": {"name": "Standard", "tier": "Regional"},
            "zones": list(zones),
            "properties": {"publicIPAllocationMethod": "Static", "publicIPAddressVersion": "IPv4"},
        }
    elif kind == GATEWAY:
        size = {"name": sku, "tier": sku}
        content |= {"properties": {"gatewayType": "Vpn", "vpnType": "RouteBased", "activeActive": True, "sku": size}}
    return content
