"""No range of one side may overlap one of the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloudlink.addressing import NamedRange, overlaps
from cloudlink.checks.preflight.context import Context, of_mistakes
from cloudlink.checks.preflight.facts import PreflightFacts, gather_ranges
from cloudlink.checks.preflight.parse import children_of, networks_in, properties_of, vnet_ranges, vpc_ranges
from cloudlink.errors import Finding, Mistake
from cloudlink.link import Link


def ranges_of_aws(link: Link, facts: PreflightFacts) -> list[NamedRange]:
    """What AWS routes: all ranges of the VPC, and the service range of the EKS cluster."""
    found = [NamedRange(f"VPC {link.aws.vpc_id}", n) for n in networks_in(vpc_ranges(facts.vpc))]
    service = (facts.eks or {}).get("kubernetesNetworkConfig", {}).get("serviceIpv4Cidr")
    return found + [NamedRange("EKS service CIDR", n) for n in networks_in([service])]


def ranges_of_azure(link: Link, facts: PreflightFacts) -> list[NamedRange]:
    """What Azure routes: the VNet, the VNets peered with it, and the pods' and services' ranges of AKS."""
    side = link.azure
    if side.new_network is not None:
        found = [NamedRange(f"VNet {side.vnet}", n) for n in side.new_network.prefixes]
    else:
        found = [NamedRange(f"VNet {side.vnet}", n) for n in networks_in(vnet_ranges(facts.vnet))]
    for peering in children_of(facts.vnet, "virtualNetworkPeerings"):
        space = peering.get("remoteVirtualNetworkAddressSpace") or peering.get("remoteAddressSpace") or {}
        found += [
            NamedRange(f"peered VNet ({peering.get('name', '?')})", n)
            for n in networks_in(space.get("addressPrefixes"))
        ]
    if side.new_cluster is not None:
        found += [
            NamedRange("AKS pod CIDR", side.new_cluster.pod_cidr),
            NamedRange("AKS service CIDR", side.new_cluster.service_cidr),
        ]
    profile = properties_of(facts.aks).get("networkProfile") or {}
    pods = profile.get("podCidrs") or [profile.get("podCidr")]
    services = profile.get("serviceCidrs") or [profile.get("serviceCidr")]
    found += [NamedRange("AKS pod CIDR", n) for n in networks_in(pods)]
    found += [NamedRange("AKS service CIDR", n) for n in networks_in(services)]
    return found


def find(context: Context) -> Iterator[Finding]:
    if context.creates:
        facts = gather_ranges(context.link, context.aws, context.azure)
        yield from of_mistakes("ranges", check_ranges(context.link, facts))


def check_ranges(link: Link, facts: PreflightFacts) -> Iterable[Mistake]:
    for overlap in overlaps([ranges_of_aws(link, facts), ranges_of_azure(link, facts)]):
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
