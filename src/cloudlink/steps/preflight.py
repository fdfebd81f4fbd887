"""What must hold before anything is created: every obstacle is found at once, by reads alone.

Each would otherwise end an ``up`` half an hour in, or leave a link that is up and carries nothing. What the clouds
would refuse, or what would swallow the traffic, is an error; what only may become a problem is a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from cloudlink.addressing import NamedRange, azure_peer_asn_refusal, overlaps
from cloudlink.clouds.aws import Aws
from cloudlink.clouds.azure import Azure
from cloudlink.core.change import Action, Plan
from cloudlink.errors import CloudError, ConfigError, Mistake
from cloudlink.link import Link

Json = Mapping[str, Any]

SMALLEST_GATEWAY_SUBNET = 27
PROPAGATED_ROUTES = 100  # of a VGW; above, AWS closes the BGP session
# https://docs.aws.amazon.com/vpn/latest/s2svpn/vpn-limits.html
PRICES = {"vpn connection": 36.5, "resolver address": 91.25, "zone": 0.5, "gateway VpnGw1AZ": 153.3, "public ip": 3.65}
"""Rough list prices a month in USD, for the estimate on the plan; they differ by region."""


@dataclass(frozen=True)
class Seen:
    """What was read, as the clouds spell it. None or empty: not there, or not needed."""

    vpc: Json | None = None
    eks: Json | None = None
    subnets: tuple[Json, ...] = ()
    vpn_gateways: tuple[Json, ...] = ()
    vpn_connections: tuple[Json, ...] = ()
    zones: tuple[Json, ...] = ()
    vnet: Json | None = None
    aks: Json | None = None
    azure_gateways: tuple[str, ...] = ()  # ids of other VPN gateways in the VNet


def look(link: Link, aws: Aws, azure: Azure) -> Seen:
    """One call per kind, shared with what the plan has read already."""
    eks = aws.eks_cluster(link.aws.eks_cluster)
    vnet = azure.vnet() if link.azure.new_network is None else None
    return Seen(
        vpc=aws.vpc(link.aws.vpc_id),
        eks=eks,
        subnets=tuple(aws.subnets(link.aws.vpc_id)),
        vpn_gateways=tuple(aws.vpn_gateways()),
        vpn_connections=tuple(aws.vpn_connections()),
        zones=tuple(aws.hosted_zones()),
        vnet=vnet,
        aks=azure.aks_cluster() if link.azure.new_cluster is None else None,
        azure_gateways=tuple(azure.other_vpn_gateways()) if vnet is not None else (),
    )


def check(link: Link, aws: Aws, azure: Azure, plan: Plan) -> tuple[str, ...]:
    """Warnings for the plan. Raises ConfigError when the configuration contradicts what is there."""
    seen = look(link, aws, azure)
    mistakes, warnings = judge(link, seen, plan)
    if mistakes:
        raise ConfigError(tuple(mistakes), hint="Correct the configuration, or the clouds, and run the command again.")
    return (*warnings, *_cost(link, seen, plan))


def judge(link: Link, seen: Seen, plan: Plan) -> tuple[list[Mistake], list[str]]:
    """Pure: what was read against what is wanted."""
    mistakes: list[Mistake] = []
    warnings: list[str] = []
    mistakes += _ranges(link, seen)
    mistakes += _aws(link, seen, plan)
    azure_mistakes, azure_warnings = _azure(link, seen)
    mistakes += azure_mistakes
    warnings += azure_warnings
    warnings += _names(link, seen)
    return mistakes, warnings


# --- address ranges ---------------------------------------------------------------------------------------


def ranges_of_aws(link: Link, seen: Seen) -> list[NamedRange]:
    """What AWS routes: all ranges of the VPC, and the service range of the EKS cluster."""
    found = [NamedRange(f"VPC {link.aws.vpc_id}", n) for n in _networks(_vpc_ranges(seen.vpc))]
    service = (seen.eks or {}).get("kubernetesNetworkConfig", {}).get("serviceIpv4Cidr")
    return found + [NamedRange("EKS service CIDR", n) for n in _networks([service])]


def ranges_of_azure(link: Link, seen: Seen) -> list[NamedRange]:
    """What Azure routes: the VNet, the VNets peered with it, and the pods' and services' ranges of AKS."""
    side = link.azure
    if side.new_network is not None:
        found = [NamedRange(f"VNet {side.vnet}", n) for n in side.new_network.prefixes]
    else:
        found = [NamedRange(f"VNet {side.vnet}", n) for n in _networks(_vnet_ranges(seen.vnet))]
    for peering in _children(seen.vnet, "virtualNetworkPeerings"):
        space = peering.get("remoteVirtualNetworkAddressSpace") or peering.get("remoteAddressSpace") or {}
        found += [
            NamedRange(f"peered VNet ({peering.get('name', '?')})", n) for n in _networks(space.get("addressPrefixes"))
        ]
    if side.new_cluster is not None:
        found += [
            NamedRange("AKS pod CIDR", side.new_cluster.pod_cidr),
            NamedRange("AKS service CIDR", side.new_cluster.service_cidr),
        ]
    profile = _properties(seen.aks).get("networkProfile") or {}
    pods = profile.get("podCidrs") or [profile.get("podCidr")]
    services = profile.get("serviceCidrs") or [profile.get("serviceCidr")]
    found += [NamedRange("AKS pod CIDR", n) for n in _networks(pods)]
    found += [NamedRange("AKS service CIDR", n) for n in _networks(services)]
    return found


def _ranges(link: Link, seen: Seen) -> Iterable[Mistake]:
    for overlap in overlaps([ranges_of_aws(link, seen), ranges_of_azure(link, seen)]):
        pods = "AKS pod" in overlap.second.name or "AKS service" in overlap.second.name
        why = (
            "pods would look for these addresses inside the cluster"
            if pods
            else "Azure keeps such prefixes out, and NAT cannot be combined with this kind of BGP"
        )
        yield Mistake(
            "azure.aks" if pods else "azure.vnet",
            str(overlap),
            f"ranges that do not overlap; {why}",
        )


# --- AWS --------------------------------------------------------------------------------------------------


def _aws(link: Link, seen: Seen, plan: Plan) -> Iterable[Mistake]:
    if seen.vpc is None:
        yield Mistake("aws.vpc", link.aws.vpc_id, f"a VPC that exists in {link.aws.region}")
    cluster_vpc = ((seen.eks or {}).get("resourcesVpcConfig") or {}).get("vpcId")
    if cluster_vpc and cluster_vpc != link.aws.vpc_id:
        yield Mistake("aws.vpc", link.aws.vpc_id, f"the VPC of the EKS cluster, {cluster_vpc}")
    if seen.vpc is not None and seen.vpc.get("InstanceTenancy") == "dedicated":
        yield Mistake(
            "aws.vpc",
            f"{link.aws.vpc_id} with dedicated tenancy",
            "a VPC with default tenancy; Resolver endpoints need it",
        )
    yield from _gateways(link, seen, plan)
    yield from _endpoint_subnets(link, seen, plan)


def _gateways(link: Link, seen: Seen, plan: Plan) -> Iterable[Mistake]:
    attached = [
        g
        for g in seen.vpn_gateways
        if g.get("State") not in ("deleted", "deleting")
        and any(
            a.get("VpcId") == link.aws.vpc_id and a.get("State") in ("attached", "attaching")
            for a in g.get("VpcAttachments") or ()
        )
    ]
    adopted = link.aws.adopt_gateway
    if adopted is None:
        change = plan.of("aws_vpn.gateway")
        ours = change.id if change is not None else ""
        for other in attached:
            if other["VpnGatewayId"] != ours:
                yield Mistake(
                    "aws.gateway",
                    f'"create", but {other["VpnGatewayId"]} is attached to {link.aws.vpc_id}',
                    f'"{other["VpnGatewayId"]}", to adopt it; a VPC has one virtual private gateway only',
                )
        return
    gateway: Json | None = next((g for g in seen.vpn_gateways if g["VpnGatewayId"] == adopted), None)
    if gateway is None or gateway.get("State") in ("deleted", "deleting"):
        yield Mistake("aws.gateway", adopted, f"a virtual private gateway that exists in {link.aws.region}")
        return
    asn = int(gateway.get("AmazonSideAsn") or 64512)
    if refusal := azure_peer_asn_refusal(asn):
        yield Mistake(
            "aws.gateway", f"{adopted} with ASN {asn}", f"a gateway whose ASN Azure takes as a peer's: {refusal}"
        )
    if asn == link.azure.asn:
        yield Mistake("azure.vpn_gateway.asn", str(asn), f"an ASN other than that of {adopted}")
    used = {
        str(o.get("TunnelInsideCidr"))
        for c in seen.vpn_connections
        if c.get("VpnGatewayId") == adopted
        and c.get("State") not in ("deleted", "deleting")
        and not any(t.get("Key") == "cloudlink-link" and t.get("Value") == link.name for t in c.get("Tags") or ())
        for o in (c.get("Options") or {}).get("TunnelOptions") or ()
    }
    for tunnel in link.tunnels:
        if str(tunnel.inside) in used:
            yield Mistake(
                "vpn.inside_pool", str(tunnel.inside), f"ranges that no other VPN connection of {adopted} uses"
            )


def _endpoint_subnets(link: Link, seen: Seen, plan: Plan) -> Iterable[Mistake]:
    change = plan.of("resolver.endpoint")
    if change is None or change.action is not Action.CREATE:
        return
    known = {s["SubnetId"]: s for s in seen.subnets}
    for subnet in link.dns.endpoint_subnets or ():
        if subnet not in known:
            yield Mistake("dns.endpoint_subnets", subnet, f"subnets of {link.aws.vpc_id}")
    cluster = ((seen.eks or {}).get("resourcesVpcConfig") or {}).get("subnetIds") or ()
    for subnet in (link.dns.endpoint_subnets or tuple(cluster))[:6]:
        free = known.get(subnet, {}).get("AvailableIpAddressCount")
        if free is not None and int(free) < 1:
            yield Mistake(
                "dns.endpoint_subnets", f"{subnet} without a free address", "subnets with at least one free address"
            )


# --- Azure ------------------------------------------------------------------------------------------------


def _azure(link: Link, seen: Seen) -> tuple[list[Mistake], list[str]]:
    side = link.azure
    mistakes: list[Mistake] = []
    warnings: list[str] = []
    if side.new_network is None and seen.vnet is not None:
        prefixes = _networks(_vnet_ranges(seen.vnet))
        if not prefixes:  # said of the cloud, not of the configuration, which cannot be made to fit it
            raise CloudError(
                "A cloud's answer makes no sense",
                f"Azure describes the VNet {side.vnet} without an IPv4 range, which every VNet has.",
                "Run the command again. If it stays, something between here and Azure answers in its place.",
            )
        subnets = {str(s.get("name")): s for s in _children(seen.vnet, "subnets")}
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
                for taken in _networks(_prefixes(subnet)):
                    if taken.overlaps(side.gateway_subnet):
                        mistakes.append(
                            Mistake(
                                "azure.vpn_gateway.subnet_prefix",
                                str(side.gateway_subnet),
                                f"a range that the subnet {name} ({taken}) does not use",
                            )
                        )
        if seen.azure_gateways:
            mistakes.append(
                Mistake(
                    "azure.vnet.name",
                    f"{side.vnet}, which has the VPN gateway {', '.join(map(_name_in, seen.azure_gateways))}",
                    "a VNet without a VPN gateway; Azure allows one in a VNet",
                )
            )
        if (profile := _properties(seen.vnet).get("dhcpOptions")) and profile.get("dnsServers"):
            warnings.append(
                f"VNet {side.vnet} uses its own DNS servers ({', '.join(profile['dnsServers'])}); the gateway needs them to "
                "resolve public Azure names."
            )
        advertised = len(prefixes) + sum(
            len(_networks((p.get("remoteVirtualNetworkAddressSpace") or {}).get("addressPrefixes")))
            for p in _children(seen.vnet, "virtualNetworkPeerings")
        )
        if advertised > PROPAGATED_ROUTES:
            mistakes.append(
                Mistake(
                    "azure.vnet",
                    f"{advertised} prefixes",
                    f"at most {PROPAGATED_ROUTES}; above, AWS closes the BGP sessions",
                )
            )
    aks = _properties(seen.aks)
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
    properties = _properties(subnet)
    for prefix in _networks(_prefixes(subnet)):
        if prefix.prefixlen > SMALLEST_GATEWAY_SUBNET:
            yield Mistake(
                "azure.vpn_gateway.subnet_prefix",
                f"GatewaySubnet {prefix}",
                "a /27 or larger for an active-active gateway",
            )
    if properties.get("networkSecurityGroup"):
        yield Mistake(
            "azure.vnet",
            f"GatewaySubnet with the network security group {_last(properties['networkSecurityGroup'])}",
            "no network security group on GatewaySubnet: Azure does not support one there",
        )


# --- names ------------------------------------------------------------------------------------------------


def _names(link: Link, seen: Seen) -> Iterable[str]:
    zone = link.dns.zone
    labels = zone.split(".")
    if len(labels) < 2:
        yield f"The zone {zone} is a top-level name: every public name below it is hidden from the VPC."
    public = [
        z
        for z in seen.zones
        if str(z.get("Name", "")).rstrip(".").lower() == zone and not (z.get("Config") or {}).get("PrivateZone")
    ]
    if public:
        yield (
            f"There is a public zone {zone}, too: inside the VPC and in AKS pods its names are hidden by the private one, "
            "for a private zone never falls through."
        )
    cluster = ((seen.eks or {}).get("resourcesVpcConfig") or {}).get("subnetIds") or ()
    if link.dns.endpoint_subnets is None and len(cluster) > 6:
        yield (
            f"The EKS cluster has {len(cluster)} subnets; the inbound endpoint gets an address in six of them, which is "
            "the usual quota. Choose them with dns.endpoint_subnets."
        )


def _cost(link: Link, seen: Seen, plan: Plan) -> Iterable[str]:
    def made(prefix: str) -> int:
        return sum(1 for c in plan.changes if c.address.startswith(prefix) and c.action is Action.CREATE)

    cluster = ((seen.eks or {}).get("resourcesVpcConfig") or {}).get("subnetIds") or ()
    addresses = min(6, len(link.dns.endpoint_subnets or cluster)) if made("resolver.endpoint") else 0
    total = (
        made("aws_vpn.connection") * PRICES["vpn connection"]
        + addresses * PRICES["resolver address"]
        + made("resolver.zone") * PRICES["zone"]
        + made("azure_vpn.public_ip") * PRICES["public ip"]
        + (PRICES["gateway VpnGw1AZ"] if made("azure_vpn.gateway") and link.azure.sku == "VpnGw1AZ" else 0)
    )
    if total:
        more = [f"the {link.azure.sku} gateway"] * (link.azure.sku != "VpnGw1AZ" and made("azure_vpn.gateway"))
        more += ["the AKS cluster's nodes"] * made("azure_vpn.cluster")
        beside = "".join(f", {what}" for what in (*more, "traffic"))
        yield f"Estimate: about {total:.0f} USD a month, and beside it{beside[1:]} (list prices, which differ by region)."


# --- how the clouds spell it ------------------------------------------------------------------------------


def _properties(item: Json | None) -> Json:
    return (item or {}).get("properties") or {}


def _children(item: Json | None, what: str) -> list[Json]:
    """Children with their properties beside their names."""
    return [{**c, **_properties(c)} for c in _properties(item).get(what) or ()]


def _prefixes(subnet: Json) -> list[str]:
    p = _properties(subnet) or subnet
    return list(p.get("addressPrefixes") or ([p["addressPrefix"]] if p.get("addressPrefix") else []))


def _vpc_ranges(vpc: Json | None) -> list[str]:
    if vpc is None:
        return []
    associated = [
        a["CidrBlock"]
        for a in vpc.get("CidrBlockAssociationSet") or ()
        if (a.get("CidrBlockState") or {}).get("State", "associated") in ("associated", "associating")
    ]
    return associated or [vpc["CidrBlock"]]


def _vnet_ranges(vnet: Json | None) -> list[str]:
    return list((_properties(vnet).get("addressSpace") or {}).get("addressPrefixes") or ())


def _networks(prefixes: Iterable[Any] | None) -> list[IPv4Network]:
    """IPv4 only: cloudlink links IPv4. A cloud that answers nonsense is refused, not obeyed."""
    found = []
    for prefix in prefixes or ():
        if not prefix or ":" in str(prefix):
            continue
        try:
            found.append(IPv4Network(str(prefix)))
        except ValueError as error:
            raise CloudError(
                "A cloud gave an address range that is none",
                f"{str(prefix)[:80]!r} is not an IPv4 range.",
                "Look at it in the cloud's console.",
            ) from error
    return found


def _last(reference: Any) -> str:
    return _name_in(str((reference or {}).get("id", "")))


def _name_in(id_: str) -> str:
    return id_.rpartition("/")[2]
