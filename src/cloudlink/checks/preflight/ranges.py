"""Ranges that meet on the link may not overlap. Those that never meet are no mistake.

EKS's services are addresses inside the EKS cluster, AKS's pods and services inside AKS: the two never meet. Where AKS's
pods or services overlap the VPC, a pod looks inside its own cluster for the addresses that both have; that matters only
where something that the link serves has such an address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from cloudlink.addressing import NamedRange, Overlap, overlaps
from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.aws import parse_vpc
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_balancers import LoadBalancer, load_balancers
from cloudlink.clouds.aws.parse_cluster import Cluster, cluster
from cloudlink.clouds.azure import parse_ranges
from cloudlink.clouds.azure.client import Azure
from cloudlink.core.plan import Plan
from cloudlink.errors import Finding, Mistake, Severity
from cloudlink.link import AddressTarget, KubernetesTarget, Link, LoadBalancerTarget

TOPIC = "ranges"


@dataclass(frozen=True)
class RangeFacts:
    vpc: tuple[IPv4Network, ...] = ()
    cluster: Cluster | None = None
    subnets: tuple[parse_vpc.Subnet, ...] = ()
    balancers: tuple[LoadBalancer, ...] = ()
    azure: parse_ranges.AzureRanges = field(default_factory=parse_ranges.AzureRanges)


def read(link: Link, aws: Aws, azure: Azure) -> RangeFacts:
    """Load balancers are read only where names point at them, which is read for their records anyway."""
    found = parse_vpc.vpc(aws.vpc(link.aws.vpc_id))
    named = any(isinstance(h.target, LoadBalancerTarget) for _, h in link.dns.all_hosts)
    return RangeFacts(
        vpc=found.ranges if found is not None else (),
        cluster=cluster(aws.eks_cluster(link.aws.eks_cluster)),
        subnets=parse_vpc.subnets(aws.subnets(link.aws.vpc_id)),
        balancers=load_balancers(aws.load_balancers()) if named else (),
        azure=parse_ranges.azure_ranges(
            azure.vnet() if link.azure.new_network is None else None,
            azure.aks_cluster() if link.azure.new_cluster is None else None,
        ),
    )


def find(context: Context) -> Iterator[Finding]:
    yield from check(read(context.link, context.aws, context.azure), context.link, context.plan)


def check(facts: RangeFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    del plan
    vpc = [NamedRange(f"VPC {link.aws.vpc_id}", n) for n in facts.vpc]
    services = [NamedRange("EKS service CIDR", n) for n in _one(facts.cluster.services if facts.cluster else None)]
    vnet, through_gateway, beside = _vnets(facts, link)
    for overlap in overlaps([[*vpc, *services], [*vnet, *through_gateway]]):
        yield _meets(overlap, link)
    remote = [NamedRange("EKS hybrid nodes", n) for n in (facts.cluster.remote if facts.cluster else ())]
    for overlap in overlaps([remote, [*vnet, *through_gateway]]):
        yield _in_use_elsewhere(overlap, link)
    served = tuple(_served(facts, link))
    yield from check_inside(facts, link)
    for overlap in overlaps([vpc, beside]):
        yield _swallowed(overlap, served, "azure.vnet", "Azure sends these addresses into the peering, not to AWS")


def find_inside(context: Context) -> Iterator[Finding]:
    """Of an AKS cluster beside the first, whose context it is: the ranges of its own pods and services."""
    yield from check_inside(read(context.link, context.aws, context.azure), context.link)


def check_inside(facts: RangeFacts, link: Link) -> Iterator[Finding]:
    vpc = [NamedRange(f"VPC {link.aws.vpc_id}", n) for n in facts.vpc]
    inside = [NamedRange("AKS pod CIDR", n) for n in _pods(facts, link)]
    inside += [NamedRange("AKS service CIDR", n) for n in _services(facts, link)]
    for overlap in overlaps([vpc, inside]):
        why = "pods would look for these addresses inside the cluster"
        yield _swallowed(overlap, tuple(_served(facts, link)), "azure.aks", why)


def _vnets(facts: RangeFacts, link: Link) -> tuple[list[NamedRange], list[NamedRange], list[NamedRange]]:
    """The ranges of the link's VNet, those of peered VNets that use its gateway, and those of the other peered VNets."""
    new = link.azure.new_network
    vnet = [NamedRange(f"VNet {link.azure.vnet}", n) for n in (new.prefixes if new else facts.azure.vnet)]
    peered = [(p, NamedRange(f"peered VNet ({p.name})", n)) for p in facts.azure.peerings for n in p.ranges]
    return vnet, [r for p, r in peered if p.gateway_transit], [r for p, r in peered if not p.gateway_transit]


def _pods(facts: RangeFacts, link: Link) -> Iterable[IPv4Network]:
    return (link.azure.new_cluster.pod_cidr,) if link.azure.new_cluster else facts.azure.pods


def _services(facts: RangeFacts, link: Link) -> Iterable[IPv4Network]:
    return (link.azure.new_cluster.service_cidr,) if link.azure.new_cluster else facts.azure.services


def _meets(overlap: Overlap, link: Link) -> Finding:
    nat = " Azure drops such routes, and NAT cannot be combined with this kind of BGP." if link.makes_vpn else ""
    return Finding(
        TOPIC,
        Severity.OBSTACLE,
        "Ranges of the two clouds overlap",
        f"{overlap}: both sides would keep packets to {overlap.shared} for themselves.{nat}",
        "Take a VPC and a VNet whose ranges do not overlap, or remove the range that overlaps where nothing uses it.",
        key="azure.vnet",
        mistake=Mistake(
            "azure.vnet",
            str(overlap),
            "ranges that do not overlap; Azure keeps such prefixes out, and NAT cannot be combined with this kind of BGP",
        ),
    )


def _in_use_elsewhere(overlap: Overlap, link: Link) -> Finding:
    """Hybrid nodes are outside AWS, and the VPC has a route to them: Azure's would be another one for the same addresses.

    https://docs.aws.amazon.com/eks/latest/userguide/hybrid-nodes-networking.html
    """
    return Finding(
        TOPIC,
        Severity.OBSTACLE,
        "Azure has a range of the EKS cluster's hybrid nodes",
        f"{overlap}: the VPC sends packets for {overlap.shared} to the nodes or pods that {link.aws.eks_cluster} has outside AWS, "
        "and would send them to Azure as well, so that one of the two loses its packets.",
        "Take a VNet whose ranges do not overlap, or have the cluster's remote networks narrowed to what is in use: aws eks "
        f"update-cluster-config --region {link.aws.region} --name {link.aws.eks_cluster} --remote-network-config ...",
        key="azure.vnet",
        mistake=Mistake(
            "azure.vnet", str(overlap), f"ranges that {link.aws.eks_cluster} has no hybrid nodes or pods in"
        ),
    )


@dataclass(frozen=True)
class Served:
    """Something in the VPC that pods ask or connect to."""

    what: str
    networks: tuple[IPv4Network, ...]  # where its address is or will be; empty: not known


def _served(facts: RangeFacts, link: Link) -> Iterator[Served]:
    networks = {s.id: s.network for s in facts.subnets if s.network is not None}
    cluster = facts.cluster.subnets if facts.cluster else ()
    for subnet in link.dns.endpoint_subnets or cluster:
        yield Served(f"the Resolver endpoint in {subnet}", _one(networks.get(subnet)))
    for name, host in link.dns.named_hosts.items():
        match host.target:
            case AddressTarget(addresses):
                for address in addresses:
                    yield Served(f"{name} ({address})", (IPv4Network(address),))
            case LoadBalancerTarget(wanted):
                for balancer in facts.balancers:
                    if wanted in (balancer.name, balancer.arn):
                        for subnet in balancer.subnets:
                            yield Served(f"{name} ({balancer.name} in {subnet})", _one(networks.get(subnet)))
            case KubernetesTarget():
                yield Served(name, ())


def _swallowed(overlap: Overlap, served: Iterable[Served], key: str, why: str) -> Finding:
    """An obstacle where something that is served lies in the overlap, and all of it; else a warning."""
    shared = overlap.shared
    lost = [s.what for s in served if s.networks and all(n.subnet_of(shared) for n in s.networks)]
    if lost:
        return Finding(
            TOPIC,
            Severity.OBSTACLE,
            "A target has an address that pods look for elsewhere",
            f"{overlap}: {_listed(lost)} {'has' if len(lost) == 1 else 'have'} addresses in {shared}, and {why}.",
            "Move what is listed to subnets outside that range (the endpoint: dns.endpoint_subnets), or use a cluster whose "
            "ranges do not overlap the VPC.",
            key=key,
            mistake=Mistake(key, str(overlap), f"no target in {shared} ({_listed(lost)}); {why}"),
        )
    partly = [s.what for s in served if s.networks and any(n.overlaps(shared) for n in s.networks)]
    unknown = [s.what for s in served if not s.networks]
    more = f" {_listed(partly)} may get an address there." if partly else ""
    more += f" Where {_listed(unknown)} {'is' if len(unknown) == 1 else 'are'} was not looked up." if unknown else ""
    return Finding(
        TOPIC,
        Severity.WARNING,
        "A range of the VPC is out of reach for pods",
        f"{overlap}: {why}. No name of the configuration is known to lie in {shared}.{more}",
        f"Keep load balancers that pods need out of {shared}.",
        key=key,
    )


def _listed(names: Iterable[str]) -> str:
    names = list(dict.fromkeys(names))
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _one(network: IPv4Network | None) -> tuple[IPv4Network, ...]:
    return (network,) if network is not None else ()
