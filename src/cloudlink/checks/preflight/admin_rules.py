"""Security admin rules of Azure Virtual Network Manager on the cluster's VNet: a rule that denies is the end of a packet, whatever
the network security groups say, and nobody is told. A company's network team has them, often over every VNet.

Subnets of gateways are left out by Azure, so that IKE and BGP pass; what pods send is not.
https://learn.microsoft.com/azure/virtual-network-manager/concept-security-admins
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network

from cloudlink.checks.preflight import aws as aws_topic
from cloudlink.checks.preflight.context import Context
from cloudlink.checks.preflight.filters import Destination, clusters_subnets, destinations, first_denial
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_filters import SecurityGroup, admin_rules
from cloudlink.clouds.azure.parse_network import Subnet
from cloudlink.clouds.azure.parse_pieces import last, part, vnet_of
from cloudlink.errors import CloudlinkError, Finding, Severity
from cloudlink.link import Link


def find(context: Context) -> Iterator[Finding]:
    """One call for each VNet that the clusters are in."""
    link, azure = context.link, context.azure
    if not context.creates:
        return
    subnets, held = read(link, azure)
    if any(group.outbound for group in held.values()):
        facts = aws_topic.read(link, context.aws, azure)
        yield from check(subnets, held, destinations(facts, link), facts.vpc.ranges if facts.vpc else ())


def read(link: Link, azure: Azure) -> tuple[tuple[Subnet, ...], dict[str, SecurityGroup]]:
    """The clusters' subnets, and by VNet, in lower case, what network managers have put on it."""
    subnets = clusters_subnets(link, azure)
    vnets = {vnet_of(s.id).lower(): vnet_of(s.id) for s in subnets}
    return subnets, {key: admin_rules(azure.admin_rules(id_)) for key, id_ in vnets.items()}


def standing(
    link: Link, azure: Azure, wanted: Sequence[Destination], translate: Callable[[Exception], CloudlinkError | None]
) -> tuple[Finding, ...]:
    """What is in the way of a link that exists. Who may not ask (a Reader may not) sees no rule, for there may be none. wanted: what
    has no place of its own is left out, for it is not known without another call."""
    if link.azure.new_cluster is not None:
        return ()
    try:
        subnets, held = read(link, azure)
        return tuple(check(subnets, held, [one for one in wanted if one.networks], ()))
    except Exception as error:
        if not isinstance(error, CloudlinkError) and translate(error) is None:
            raise
        return ()


def check(
    subnets: Iterable[Subnet],
    held: Mapping[str, SecurityGroup],
    wanted: Sequence[Destination],
    vpc: Sequence[IPv4Network],
) -> Iterator[Finding]:
    """vpc: the ranges of what has no place of its own."""
    for subnet in subnets:
        group = held.get(vnet_of(subnet.id).lower(), SecurityGroup("", ""))
        dropped = next((d for s in subnet.prefixes[:1] if (d := first_denial(group, s, wanted, vpc))), None)
        if dropped is None:
            continue
        rule = dropped.rule
        manager = part(rule.name, "networkManagers")
        yield Finding(
            "azure",
            Severity.OBSTACLE,
            "A security admin rule of a network manager drops what goes to AWS",
            f"The rule {last(rule.name)} of the network manager {manager} (Azure Virtual Network Manager), which is in effect on "
            f"{last(vnet_of(subnet.id))}, drops {dropped.told(f' from {subnet.name}')}. "
            "It comes before every network security group, so that none can let it through.",
            f"See it: az rest --url {rule.name}?api-version=2024-05-01\n"
            f"Ask who runs {manager} for a rule that allows it before priority {rule.priority}, or to leave the VNet out of its group.",
            key="azure.aks.name",
        )
        return  # the same for every subnet
