"""Which actions of Azure's access control a request needs.

https://learn.microsoft.com/azure/role-based-access-control/resource-provider-operations
https://learn.microsoft.com/azure/vpn-gateway/roles-permissions (joins)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
_JOINS = {
    "microsoft.network/virtualnetworkgateways/write": (
        "Microsoft.Network/publicIPAddresses/join/action",
        "Microsoft.Network/virtualNetworks/subnets/join/action",
    ),
    # Assumption: what refers to a VNet, a subnet or an endpoint needs that one's join, as elsewhere in Microsoft.Network.
    "microsoft.network/dnsresolvers/write": ("Microsoft.Network/virtualNetworks/join/action",),
    "microsoft.network/dnsresolvers/inboundendpoints/write": ("Microsoft.Network/virtualNetworks/subnets/join/action",),
    "microsoft.network/dnsresolvers/outboundendpoints/write": (
        "Microsoft.Network/virtualNetworks/subnets/join/action",
    ),
    "microsoft.network/dnsforwardingrulesets/write": ("Microsoft.Network/dnsResolvers/outboundEndpoints/join/action",),
    "microsoft.network/dnsforwardingrulesets/virtualnetworklinks/write": (
        "Microsoft.Network/virtualNetworks/join/action",
    ),
    "microsoft.containerservice/managedclusters/write": ("Microsoft.Network/virtualNetworks/subnets/join/action",),
}


# What a subnet or a VNet refers to is joined as well, where that is.
# https://learn.microsoft.com/azure/virtual-network/virtual-network-manage-subnet#permissions
_JOINED_BY_SUBNETS = tuple(
    f"Microsoft.Network/{kind}"
    for kind in (
        "networkSecurityGroups",
        "routeTables",
        "natGateways",
        "ddosProtectionPlans",
        "serviceEndpointPolicies",
    )
)
_WRITES_SUBNETS = ("microsoft.network/virtualnetworks/subnets/write", "microsoft.network/virtualnetworks/write")


def linked(method: str, path: str, body: Any) -> Iterator[tuple[str, str]]:
    """Actions on what a write refers to, each with its linked scope: the id that the body names."""
    action = next(needed(method, path)).lower()
    joins = _JOINS.get(action, ())
    kinds = (*(join.removesuffix("/join/action") for join in joins), *_JOINED_BY_SUBNETS * (action in _WRITES_SUBNETS))
    named = [(_kind(id_.split("/")[1:]).lower(), id_) for id_ in _ids(body)]
    for kind, id_ in dict.fromkeys((kind, id_) for kind in kinds for of, id_ in named if of == kind.lower()):
        yield f"{kind}/join/action", id_


def _ids(body: Any) -> Iterator[str]:
    for value in body.values() if isinstance(body, dict) else body if isinstance(body, list) else ():
        yield from _ids(value)
    if isinstance(body, dict) and isinstance(body.get("id"), str) and body["id"].startswith("/"):
        yield body["id"]


def needed(method: str, path: str) -> Iterator[str]:
    if path.startswith("/v1/"):  # Log Analytics, which asks for the right to read a table
        yield "Microsoft.Insights/logs/AzureDiagnostics/read"
        return
    kind = _kind([part for part in path.split("/") if part])
    action = f"{kind}/{_VERBS.get(method, 'action')}"
    yield action
    yield from _JOINS.get(action.lower(), ())


def _kind(parts: list[str]) -> str:
    """Of the last provider that a path names: what it is asked may be about an object of another one."""
    places = [i for i, part in enumerate(parts[:-1]) if part.lower() == "providers"]
    if places and len(parts) > places[-1] + 2:
        return "/".join((parts[places[-1] + 1], *parts[places[-1] + 2 :: 2]))
    # subscriptions/ID/resourceGroups/NAME: every other part; the provider of a subscription's own parts is Resources
    kinds = parts[::2] if not places else [*parts[: places[-1]][::2], "providers"]
    return "/".join(("Microsoft.Resources", *kinds))
