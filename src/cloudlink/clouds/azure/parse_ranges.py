"""The address ranges that Azure routes, as frozen facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from cloudlink.errors import CloudError

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
    held = (vnet or {}).get("properties") or {}
    profile = ((aks or {}).get("properties") or {}).get("networkProfile") or {}
    return AzureRanges(
        vnet=_networks((held.get("addressSpace") or {}).get("addressPrefixes")),
        peerings=tuple(_peering(p) for p in held.get("virtualNetworkPeerings") or ()),
        pods=_networks(profile.get("podCidrs") or [profile.get("podCidr")]),
        services=_networks(profile.get("serviceCidrs") or [profile.get("serviceCidr")]),
    )


def _peering(peering: AzureObject) -> Peering:
    held = {**peering, **(peering.get("properties") or {})}
    # What the other VNet has now, where it differs from what it had when the two were peered.
    space = held.get("remoteVirtualNetworkAddressSpace") or held.get("remoteAddressSpace") or {}
    return Peering(
        name=str(held.get("name") or "?"),
        ranges=_networks(space.get("addressPrefixes")),
        gateway_transit=bool(held.get("allowGatewayTransit")),
    )


def _networks(prefixes: Iterable[Any] | None) -> tuple[IPv4Network, ...]:
    """IPv4 only. A malformed answer raises CloudError."""
    found = []
    for prefix in prefixes or ():
        if not prefix or ":" in str(prefix):
            continue
        try:
            found.append(IPv4Network(str(prefix)))
        except ValueError as error:
            raise CloudError(
                "A cloud returned an invalid address range",
                f"{str(prefix)[:80]!r} is not an IPv4 range.",
                "Look at it in the cloud's console.",
            ) from error
    return tuple(found)
