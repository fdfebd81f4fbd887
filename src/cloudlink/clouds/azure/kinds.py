"""Kinds of objects of Microsoft.Network, as ids name them."""

from __future__ import annotations

PUBLIC_IP = "publicIPAddresses"
GATEWAY = "virtualNetworkGateways"
LOCAL_GATEWAY = "localNetworkGateways"
CONNECTION = "connections"
VNET = "virtualNetworks"
SUBNET = "virtualNetworks/subnets"
DNS_RESOLVER = "dnsResolvers"
DNS_RULESET = "dnsForwardingRulesets"


def type_of(kind: str) -> str:
    return f"Microsoft.Network/{kind}"
