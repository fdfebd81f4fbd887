"""What is read to tell whose the ranges are that a side learns over the link: mostly what the plan has read anyway."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from cloudlink.checks import also_learned, path_reads
from cloudlink.checks.also_learned import Owned
from cloudlink.checks.preflight import transit
from cloudlink.checks.preflight.aws import AwsFacts, used_subnets
from cloudlink.clouds.aws import parse_vpc
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_balancers import load_balancers
from cloudlink.clouds.aws.parse_cluster import cluster
from cloudlink.clouds.aws.parse_connections import existing_connections
from cloudlink.clouds.aws.parse_routes import tables
from cloudlink.clouds.azure import parse_aks, parse_network
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_connection import local_gateway
from cloudlink.clouds.azure.parse_gateway import LearnedRoute, far_gateways, gateway, learned_routes
from cloudlink.clouds.azure.parse_pieces import last
from cloudlink.core.also_learned import AlsoLearned
from cloudlink.errors import CloudlinkError, Finding, Severity
from cloudlink.link import AddressTarget, KubernetesTarget, Link

Translate = Callable[[Exception], CloudlinkError | None]


@dataclass(frozen=True)
class Planned:
    """unread: that not all could be read, and why; empty: all was."""

    rows: tuple[AlsoLearned, ...] = ()
    unread: tuple[Finding, ...] = ()


def plan(link: Link, aws: Aws, azure: Azure, translate: Translate) -> Planned:
    """What each side will learn, for a plan. Over what exists: what it has. Beyond what the plan has read, an adopted gateway of
    Azure's takes a question for what it has learned, ten seconds, and one for each other connection without BGP; a transit
    gateway one for each table."""
    try:
        return Planned(_plan(link, aws, azure, translate))
    except Exception as error:
        known = error if isinstance(error, CloudlinkError) else translate(error)
        if known is None:
            raise
        why = f"Which ranges each side will learn besides those that the link is for could not be read: {known}"
        return Planned(unread=(Finding("ranges", Severity.NOT_PROVED, "A check could not be made", why, known.hint),))


def _plan(link: Link, aws: Aws, azure: Azure, translate: Translate) -> tuple[AlsoLearned, ...]:
    if not link.makes_vpn:
        return also_learned.over_existing(path_reads.read(link, aws, azure, translate), link)
    found = parse_vpc.vpc(aws.vpc(link.aws.vpc_id))
    ranges = found.ranges if found is not None else ()
    in_azure = announced_by_azure(link, azure)
    if link.azure.adopt_gateway is not None:
        in_azure = (*in_azure, *of_adopted(link, azure, None))
    in_aws = [*announced_by_vpc(link, aws, lambda: ranges)]
    if link.aws.transit:
        in_aws += also_learned.of_transit(transit.standing(link, aws, lambda: ranges, ()), link)
    elif link.aws.adopt_gateway is not None:
        there = tables(aws.route_tables(link.aws.vpc_id))
        others = existing_connections(aws.vpn_connections())
        azures = [o.range for o in in_azure]
        in_aws += also_learned.of_other_connections([link.aws.adopt_gateway], there, others, link, azures)
    at_aws = link.aws.adopt_gateway or ("the transit gateway" if link.aws.transit else "the virtual private gateway")
    return (
        *also_learned.expected("aws", at_aws, in_azure),
        *also_learned.expected("azure", "Azure's gateway", in_aws),
    )


def announced_by_vpc(link: Link, aws: Aws, ranges: Callable[[], Sequence[IPv4Network]]) -> tuple[Owned, ...]:
    """ranges: reads those of the VPC. Where there is one alone, the link is in it, and nothing is asked."""
    found = ranges()
    return tuple(also_learned.of_vpc(link, found, needed_in_vpc(link, aws) if len(found) > 1 else ()))


def needed_in_vpc(link: Link, aws: Aws) -> tuple[IPv4Network, ...]:
    """The subnets of the cluster, of the endpoint and of load balancers, and fixed addresses. Which load balancer a Service of
    the cluster has is not asked here: all in the VPC count then."""
    hosts = [h.target for _, h in link.dns.all_hosts]
    balancers = load_balancers(aws.load_balancers()) if any(not isinstance(t, AddressTarget) for t in hosts) else ()
    subnets = parse_vpc.subnets(aws.subnets(link.aws.vpc_id))
    facts = AwsFacts(cluster=cluster(aws.eks_cluster(link.aws.eks_cluster)), subnets=subnets, balancers=balancers)
    wanted = set(used_subnets(facts, link))
    if any(isinstance(t, KubernetesTarget) for t in hosts):
        wanted |= {s for b in balancers if b.vpc == link.aws.vpc_id for s in b.subnets}
    fixed = [IPv4Network(a) for t in hosts if isinstance(t, AddressTarget) for a in t.addresses]
    return (*(s.network for s in subnets if s.id in wanted and s.network is not None), *fixed)


def announced_by_azure(link: Link, azure: Azure) -> tuple[Owned, ...]:
    """Of the VNet and those that are peered with it. Of a VNet that cloudlink makes all is used, and so is a range that is the only
    one: then the cluster is not asked where it is."""
    if link.azure.new_network is not None:
        return tuple(Owned(p, f"VNet {link.azure.vnet}", used=True) for p in link.azure.new_network.prefixes)
    raw = azure.vnet()
    if raw is None:
        return ()
    home = parse_network.vnet(raw)
    if len(home.prefixes) == 1 and not any(p.lends_gateway for p in home.peerings):
        return tuple(also_learned.of_vnets(home, None, ()))
    asked = azure.aks_cluster() if link.azure.new_cluster is None else None
    aks = parse_aks.aks_cluster(asked) if asked else None
    more = [azure.beside(link.on(c)).aks_cluster() for c in link.azure.more_clusters]
    if aks is not None:
        aks = parse_aks.with_nodes_of(aks, [parse_aks.aks_cluster(found) for found in more if found])
    others = [v for v in (aks.vnets if aks is not None else ()) if v.lower() != azure.vnet_id.lower()]
    spokes = [parse_network.vnet(found) for v in others if (found := azure.thing(v))]
    return tuple(also_learned.of_vnets(home, aks, spokes))


def of_adopted(link: Link, azure: Azure, rows: Sequence[LearnedRoute] | None) -> tuple[Owned, ...]:
    """What an adopted gateway of Azure's has of others. rows: what it has learned, where that was asked; None: it is asked here
    if it speaks BGP."""
    raw = azure.gateway()
    if raw is None:
        return ()
    name = last(azure.gateway_id)
    if rows is None:
        rows = learned_routes(azure.learned_routes_of(azure.gateway_id)) if gateway(raw).bgp else ()
    ours = {azure.name(f"local-gateway-{t.index + 1}").lower() for t in link.tunnels}
    others = [i for i in far_gateways(azure.connections_of(azure.gateway_id)) if last(i).lower() not in ours]
    far = [local_gateway(found) for i in others if (found := azure.thing(i))]
    named = {f.peer: last(f.id) for f in far if f.peer}
    static = {last(f.id): f.prefixes for f in far if not f.peer}
    return (
        *also_learned.of_other_peers(link, rows, name, named),
        *also_learned.of_static_connections(name, static),
    )
