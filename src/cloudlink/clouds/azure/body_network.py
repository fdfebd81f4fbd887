"""Bodies of VNets, their subnets and public IPs, see ``body``."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Any

from cloudlink.clouds.azure import parse_network
from cloudlink.clouds.azure.body import Body, body_of, rest_of
from cloudlink.clouds.azure.parse_network import GATEWAY_SUBNET
from cloudlink.clouds.azure.parse_pieces import Json, as_list, as_map, named, properties, texts
from cloudlink.clouds.malformed import parsing

# What uses a subnet, as Azure lists it.
_USERS_OF_SUBNET = (
    "ipConfigurations",
    "ipConfigurationProfiles",
    "privateEndpoints",
    "purpose",
    "resourceNavigationLinks",
    "serviceAssociationLinks",
)

# Of a subnet that is made: no way to the internet that nobody asked for. A gateway has its public addresses, AKS's nodes their
# load balancer. Versions of the API differ in what they do without it, and companies have policies that insist on it.
# https://learn.microsoft.com/azure/virtual-network/ip-services/default-outbound-access
PRIVATE: Json = {"defaultOutboundAccess": False}


def ranges_of_others(there: Json, wanted: Iterable[IPv4Network], subnet: str) -> frozenset[IPv4Network]:
    """Ranges of a VNet that are not wanted but hold others' subnets: they must stay.
    subnet: the name of our subnet."""
    found = parse_network.vnet(there)
    ours = (subnet.lower(), GATEWAY_SUBNET.lower())
    theirs = [p for s in found.subnets if s.name.lower() not in ours for p in s.prefixes]
    others = {r for r in found.prefixes if not any(r.overlaps(w) for w in wanted)}
    return frozenset(r for r in others if any(p.subnet_of(r) for p in theirs))


@parsing("Azure's networks")
def vnet(
    there: Json | None,
    *,
    location: str,
    tags: dict[str, str],
    prefixes: Iterable[IPv4Network],
    subnet: str,
    subnet_prefix: IPv4Network,
) -> Body:
    """subnet: the name of our subnet. Others' subnets and peerings are written back unchanged."""
    held = properties(there)
    subnets = as_list(held.get("subnets"))
    others = [rest_of(s) for s in subnets if str(s.get("name", "")).lower() != subnet.lower()]
    own = rest_of(named(subnets, subnet) or {"name": subnet, "properties": PRIVATE})
    own_held = {k: v for k, v in properties(own).items() if k not in ("addressPrefixes", "addressPrefix")}
    if longer := _ipv6(properties(own).get("addressPrefixes")):
        own_held["addressPrefixes"] = [str(subnet_prefix), *longer]
    else:
        own_held["addressPrefix"] = str(subnet_prefix)
    ranges = sorted({*prefixes, *(ranges_of_others(there, prefixes, subnet) if there else ())})
    old = as_map(held.get("addressSpace"))
    space = {**old, "addressPrefixes": [*map(str, ranges), *_ipv6(old.get("addressPrefixes"))]}
    changed = {"addressSpace": space, "subnets": [*others, {**own, "properties": own_held}]}
    return body_of(there, changed, "flowLogs", "defaultPublicNatGateway", location=location, tags=tags)


def _ipv6(prefixes: Any) -> list[str]:
    """Others' ranges of the kind that the link does not carry."""
    return [p for p in texts(prefixes) if ":" in p]


def new_subnet(prefix: IPv4Network) -> Body:
    return {"properties": {"addressPrefix": str(prefix), **PRIVATE}}


@parsing("Azure's networks")
def same_subnet(there: Json) -> Body:
    """A subnet as it is, with whatever others have put on it."""
    return {"properties": rest_of(properties(there), *_USERS_OF_SUBNET)}


@parsing("Azure's public IPs")
def public_ip(
    there: Json | None, *, location: str, tags: dict[str, str], sku: str, allocation: str, zones: tuple[str, ...]
) -> Body:
    changed = {"publicIPAllocationMethod": allocation, "publicIPAddressVersion": "IPv4"}
    on_top: dict[str, Any] = {"sku": {"name": sku, "tier": "Regional"}, **({"zones": list(zones)} if zones else {})}
    return body_of(
        there, changed, "ipAddress", "ipConfiguration", "upgradedToV2", location=location, tags=tags, **on_top
    )
