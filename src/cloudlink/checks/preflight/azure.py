"""The VNet, its gateway subnet, and the AKS cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloudlink.checks.preflight.context import Context, of_mistakes, of_warnings
from cloudlink.checks.preflight.facts import PreflightFacts, gather_azure
from cloudlink.checks.preflight.parse import (
    Json,
    children_of,
    name_in,
    name_of,
    networks_in,
    prefixes_of,
    properties_of,
    vnet_ranges,
)
from cloudlink.errors import CloudError, Finding, Mistake
from cloudlink.link import Link

SMALLEST_GATEWAY_SUBNET = 27

PROPAGATED_ROUTES = 100  # of a VGW; above, AWS closes the BGP session
# https://docs.aws.amazon.com/vpn/latest/s2svpn/vpn-limits.html


def find(context: Context) -> Iterator[Finding]:
    if context.creates:
        mistakes, warnings = check_azure(context.link, gather_azure(context.link, context.azure))
        yield from of_mistakes("azure", mistakes)
        yield from of_warnings("azure", warnings)


def check_azure(link: Link, facts: PreflightFacts) -> tuple[list[Mistake], list[str]]:
    side = link.azure
    mistakes: list[Mistake] = []
    warnings: list[str] = []
    if side.new_network is None and facts.vnet is not None:
        prefixes = networks_in(vnet_ranges(facts.vnet))
        if not prefixes:  # said of the cloud, not of the configuration, which cannot be made to fit it
            raise CloudError(
                "A cloud's answer is malformed",
                f"Azure describes the VNet {side.vnet} without an IPv4 range, which every VNet has.",
                "Run the command again. If it stays, something between here and Azure answers in its place.",
            )
        subnets = {str(s.get("name")): s for s in children_of(facts.vnet, "subnets")}
        existing = subnets.get("GatewaySubnet")
        if existing is not None:
            mistakes += _existing_gateway_subnet(existing)
        elif not any(side.gateway_subnet.subnet_of(p) for p in prefixes):
            listed = ", ".join(map(str, prefixes)) or "none"
            mistakes.append(
                Mistake(
                    "azure.vpn_gateway.subnet_prefix", str(side.gateway_subnet), f"a range inside the VNet's ({listed})"
                )
            )
        else:
            for name, subnet in subnets.items():
                for taken in networks_in(prefixes_of(subnet)):
                    if taken.overlaps(side.gateway_subnet):
                        mistakes.append(
                            Mistake(
                                "azure.vpn_gateway.subnet_prefix",
                                str(side.gateway_subnet),
                                f"a range that the subnet {name} ({taken}) does not use",
                            )
                        )
        if facts.azure_gateways:
            mistakes.append(
                Mistake(
                    "azure.vnet.name",
                    f"{side.vnet}, which has the VPN gateway {', '.join(map(name_in, facts.azure_gateways))}",
                    "a VNet without a VPN gateway; Azure allows one in a VNet",
                )
            )
        if (profile := properties_of(facts.vnet).get("dhcpOptions")) and profile.get("dnsServers"):
            warnings.append(
                f"VNet {side.vnet} uses its own DNS servers ({', '.join(profile['dnsServers'])}); the gateway needs them to "
                "resolve public Azure names."
            )
        advertised = len(prefixes) + sum(
            len(networks_in((p.get("remoteVirtualNetworkAddressSpace") or {}).get("addressPrefixes")))
            for p in children_of(facts.vnet, "virtualNetworkPeerings")
        )
        if advertised > PROPAGATED_ROUTES:
            mistakes.append(
                Mistake(
                    "azure.vnet",
                    f"{advertised} prefixes",
                    f"at most {PROPAGATED_ROUTES}; above, AWS closes the BGP sessions",
                )
            )
    aks = properties_of(facts.aks)
    if str(aks.get("nodeResourceGroup") or "").lower() == side.vnet_resource_group.lower():
        mistakes.append(
            Mistake(
                "azure.vnet.resource_group",
                side.vnet_resource_group,
                "a group other than the one that AKS made for the cluster's own resources",
            )
        )
    for pool in aks.get("agentPoolProfiles") or ():
        subnet = pool.get("vnetSubnetID") or pool.get("vnetSubnetId")
        if not subnet:
            mistakes.append(
                Mistake(
                    "azure.aks.name",
                    f"{side.aks_cluster}, whose pool {pool.get('name')} is in a VNet that AKS manages",
                    "a cluster in a VNet of your own",
                )
            )
        elif side.new_network is None and f"/virtualnetworks/{side.vnet.lower()}/" not in str(subnet).lower():
            warnings.append(
                f"Pool {pool.get('name')} of {side.aks_cluster} is not in {side.vnet}; its VNet must be peered with "
                f"{side.vnet} and use its gateway."
            )
        local = pool.get("localDNSProfile") or {}
        if str(local.get("state") or "").lower() == "enabled":
            warnings.append(
                f"Pool {pool.get('name')} has LocalDNS: pods may get an old address for up to an hour after a record changes."
            )
    plan_type = (aks.get("networkProfile") or {}).get("outboundType")
    if plan_type == "userDefinedRouting":
        warnings.append(
            f"{side.aks_cluster} routes by its own table (userDefinedRouting); the table must not disable BGP route propagation."
        )
    return mistakes, warnings


def _existing_gateway_subnet(subnet: Json) -> Iterable[Mistake]:
    properties = properties_of(subnet)
    for prefix in networks_in(prefixes_of(subnet)):
        if prefix.prefixlen > SMALLEST_GATEWAY_SUBNET:
            yield Mistake(
                "azure.vpn_gateway.subnet_prefix",
                f"GatewaySubnet {prefix}",
                "a /27 or larger for an active-active gateway",
            )
    if properties.get("networkSecurityGroup"):
        yield Mistake(
            "azure.vnet",
            f"GatewaySubnet with the network security group {name_of(properties['networkSecurityGroup'])}",
            "no network security group on GatewaySubnet: Azure does not support one there",
        )
