"""The address ranges that Azure routes, as frozen facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from cloudlink.clouds.azure import parse_aks, parse_network

AzureObject = Mapping[str, Any]


@dataclass(frozen=True)
class Peering:
    """Of the link's VNet with another one."""

    name: str
    ranges: tuple[IPv4Network, ...]
    gateway_transit: bool  # the other VNet may use the link's gateway, so that AWS learns its ranges


@dataclass(frozen=True)
class AzureRanges:
    vnet: tuple[IPv4Network, ...] = ()
    peerings: tuple[Peering, ...] = ()
    pods: tuple[IPv4Network, ...] = ()  # of a range of their own; none where pods have addresses of the VNet
    services: tuple[IPv4Network, ...] = ()


def azure_ranges(vnet: AzureObject | None, aks: AzureObject | None) -> AzureRanges:
    network = parse_network.vnet(vnet) if vnet else parse_network.Vnet("", "")
    cluster = parse_aks.aks_cluster(aks) if aks else parse_aks.AksCluster("", "")
    return AzureRanges(
        vnet=network.prefixes,
        # What the other VNet has now, where it differs from what it had when the two were peered.
        peerings=tuple(Peering(p.name or "?", p.remote_ranges, p.lends_gateway) for p in network.peerings),
        pods=cluster.pod_ranges,
        services=cluster.service_ranges,
    )
