"""What the user's subscriptions have for a link's Azure side: subscriptions, AKS clusters, their networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Literal

from cloudlink.clouds.azure.parse_aks import AksCluster, aks_cluster
from cloudlink.clouds.azure.parse_network import GATEWAY_SUBNET, Vnet, vnet
from cloudlink.clouds.azure.parse_pieces import part
from cloudlink.clouds.azure.parse_subscription import locations
from cloudlink.clouds.azure.session import AzureSession
from cloudlink.clouds.endpoints import Endpoints
from cloudlink.clouds.malformed import parsing
from cloudlink.link import AzureSide

_NOWHERE = IPv4Network("0.0.0.0/32")


@dataclass(frozen=True)
class Subscription:
    id: str
    name: str


def session(cloud: Literal["public", "usgovernment", "china"], endpoints: Endpoints | None) -> AzureSession:
    """A session of nobody's link: only what is asked for by id is asked for."""
    side = AzureSide(
        cloud=cloud,
        tenant=None,
        subscription="",
        resource_group="",
        location="",
        vnet="",
        vnet_resource_group="",
        gateway_subnet=_NOWHERE,
        sku="",
        zones=(),
        asn=0,
        aks_cluster="",
        aks_resource_group="",
    )
    return AzureSession(side, endpoints)


@parsing("Azure's subscriptions")
def subscriptions(azure: AzureSession) -> list[Subscription]:
    found = [
        (s.get("state"), Subscription(str(s["subscriptionId"]), str(s.get("displayName") or "")))
        for s in _all(azure, "/subscriptions")
    ]
    return [s for state, s in found if state in (None, "Enabled", "Warned")]


def aks_clusters(azure: AzureSession, subscription: str) -> list[AksCluster]:
    path = f"/subscriptions/{subscription}/providers/Microsoft.ContainerService/managedClusters"
    return [aks_cluster(raw) for raw in _all(azure, path)]


def network_of(azure: AzureSession, cluster: AksCluster) -> Vnet | None:
    """The VNet of its nodes; where AKS made it, the one in the group of its nodes."""
    for id_ in cluster.vnets:
        return vnet(azure.ask("GET", id_).json())
    group = f"/subscriptions/{part(cluster.id, 'subscriptions')}/resourceGroups/{cluster.node_group}"
    found = [vnet(raw) for raw in _all(azure, f"{group}/providers/Microsoft.Network/virtualNetworks")]
    return found[0] if found else None


def zones_of(azure: AzureSession, subscription: str, location: str) -> tuple[str, ...] | None:
    """None: Azure does not say."""
    found = locations(_all(azure, f"/subscriptions/{subscription}/locations"))
    return next((place.zones for place in found if place.name.lower() == location.lower()), None)


def gateway_range(network: Vnet) -> IPv4Network | None:
    """Of the GatewaySubnet that is there."""
    there = network.subnet(GATEWAY_SUBNET)
    return there.prefixes[0] if there is not None and there.prefixes else None


def _all(azure: AzureSession, path: str) -> Iterator[dict[str, Any]]:
    answer = azure.ask("GET", path).json()
    while True:
        yield from answer.get("value") or ()
        if not (following := answer.get("nextLink")):
            return
        answer = azure.follow(str(following)).json()
