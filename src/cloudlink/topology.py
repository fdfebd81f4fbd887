"""Every step and resource of a link, constructed and wired: this file reads as the diagram of what cloudlink builds.

    public IPs ──> customer gateways ──> VPN connections ──> local network gateways ──> connections
    gateway subnet ──> Azure gateway (25 to 45 minutes) ─────────────────────────────────┘    │
    virtual private gateway ──> attachment ──> route propagation                              │
    security group ──> inbound endpoint                                                       │
    hosted zone ──> records (of each zone)                                                    │
    all of it ──> CoreDNS forward zone (last of all; teardown takes it away first) <──────────┘

Through a transit gateway the VPC's tables get static routes in place of route propagation, and the gateway's own tables the
associations and propagations of the attachment and of both VPN connections.

With ``dns.forward = "vnet"`` the last line is the VNet's own resolver in place of CoreDNS: subnet, resolver, outbound endpoint,
ruleset and its link to the VNet, and of all of it last a rule for each zone.

With ``[[dns.back]]`` the VNet's resolver gets an inbound endpoint and Route 53 an outbound one; of all of it last, each rule is
associated with the VPC.

Over what joins the networks already (``transport = "existing"``) only the last three lines are made, and a pod has to
reach the endpoint before CoreDNS gets the zone.

The two VPN steps need each other (AWS needs Azure's public IPs, Azure needs AWS's outside IPs), so the graph is over
resources; that the inside addresses and ASNs are ours to choose is what keeps it free of cycles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.kube.client import Kube
from cloudlink.core.resource import Node, Resource
from cloudlink.link import Link, PrivateZone
from cloudlink.steps.aws_vpn.step import AwsNetwork, AwsVpn
from cloudlink.steps.azure_vpn.adopted import to_be_added
from cloudlink.steps.azure_vpn.aks import ClusterLookup, cluster_lookup
from cloudlink.steps.azure_vpn.step import AzureNetwork, AzureSite, AzureVpn
from cloudlink.steps.dns_forward.back import BackInbound
from cloudlink.steps.dns_forward.clusters import id_of
from cloudlink.steps.dns_forward.pauses import Pause
from cloudlink.steps.dns_forward.rules import VnetForward
from cloudlink.steps.dns_forward.step import Beside, DnsForward, Forward, Reach
from cloudlink.steps.resolver.back import BackRules
from cloudlink.steps.resolver.step import Resolver
from cloudlink.steps.verify.step import Verify


@dataclass(frozen=True)
class ClusterBeside:
    """An AKS cluster beside the first. label: see ``AzureSide.label_of``. link, azure: as if the cluster was the link's only one.
    reach: see ``build``. left: the configuration names it no more."""

    label: str
    link: Link
    azure: Azure
    aks: Kube
    reach: Reach
    left: bool = False


@dataclass(frozen=True)
class Topology:
    aws_vpn: AwsVpn | AwsNetwork
    azure_vpn: AzureVpn | AzureNetwork
    resolver: Resolver
    dns_forward: DnsForward | VnetForward
    verify: Verify
    # names back, where there are any
    back: BackInbound | None = None
    back_rules: BackRules | None = None

    @property
    def forwards(self) -> tuple[Forward, ...]:
        """The key of each AKS cluster; none where the VNet forwards."""
        return self.dns_forward.forwards if isinstance(self.dns_forward, DnsForward) else ()

    def found_pause(self) -> Pause | None:
        """What CoreDNS of one of the clusters is told to answer meanwhile. None: the link is not paused. Raises what keeps it from
        being read, where none of them says that it is."""
        if isinstance(self.dns_forward, VnetForward):
            return self.dns_forward.forward.found_pause()
        unread: Exception | None = None
        for forward in self.forwards:
            try:
                if (pause := forward.found_pause()) is not None:
                    return pause
            except Exception as error:  # noqa: BLE001 - raised below, where it decides
                unread = unread or error
        if unread is not None:
            raise unread
        return None

    def nodes(self) -> tuple[Node[Any], ...]:
        """All of them, in the order in which users see them."""
        back = (self.back_rules, self.back) if self.back_rules and self.back else ()
        steps = (self.aws_vpn, self.azure_vpn, self.resolver, *back[:1], self.dns_forward, *back[1:], self.verify)
        return tuple(node for step in steps for node in step.nodes())


def build(
    link: Link,
    aws: Aws,
    azure: Azure,
    aks: Kube,
    eks: Kube,
    reach: Reach = lambda _: None,
    left: tuple[PrivateZone, ...] = (),
    left_back: tuple[str, ...] | None = None,
    *,
    left_transit: frozenset[str] = frozenset(),
    beside: tuple[ClusterBeside, ...] = (),
) -> Topology:
    """reach: proves from a pod that the endpoint's addresses answer; raises what keeps them from it. left: zones that are no
    more in the configuration (``left_zones``): CoreDNS lets go of them, then they are taken away. left_back: the same of zones of
    Azure's (``left_back``). left_transit: addresses of what the link has on the transit gateway, which the configuration may
    ask for no more. beside: AKS clusters beside the first, and those that are no more in the configuration."""
    aws_vpn, azure_vpn = (
        _joined(link, aws, azure, left_transit, beside) if link.makes_vpn else _there(link, aws, azure, beside)
    )

    def former_addresses() -> Mapping[str, IPv4Address]:
        pause = topology.found_pause()
        return pause.addresses if pause is not None else {}

    resolver = Resolver(
        link,
        aws,
        cluster=aws_vpn.cluster,
        network=azure_vpn.network,
        kube_eks=lambda _: eks,
        former_addresses=former_addresses,
        left=left,
    )
    # Names are switched last and taken away first: pods send questions to AWS only while everything that answers them
    # is there, and while CoreDNS cannot be told to stop, nothing else is taken away.
    made = tuple(n for step in (aws_vpn, azure_vpn, resolver) for n in step.nodes() if isinstance(n, Resource))
    proof = None if link.makes_vpn else reach
    dns_forward: DnsForward | VnetForward
    group = (azure_vpn.site.resource_group,) if isinstance(azure_vpn, AzureVpn) else ()
    network = azure_vpn.network
    if link.dns.forward == "vnet":
        dns_forward = VnetForward(link, azure, resolver.endpoint, network, group, after=made, reach=proof, left=left)
    else:
        others = tuple(
            Beside(b.label, b.link, b.aks, id_of(b.link), b.reach if proof else None, b.left) for b in beside
        )
        dns_forward = DnsForward(
            link, aks, endpoint=resolver.endpoint, after=made, reach=proof, place=id_of(link), beside=others
        )
    back = back_rules = None
    if link.dns.back or left_back is not None:
        shared = dns_forward if isinstance(dns_forward, VnetForward) else None
        parts = (shared.resolver, shared.subnet) if shared else (None, None)
        back = BackInbound(link, azure, network, group, *parts)
        back_rules = BackRules(link, aws, resolver.subnets, back.inbound, after=made, left=left_back or ())
    topology = Topology(aws_vpn, azure_vpn, resolver, dns_forward, Verify(), back, back_rules)
    return topology


def _joined(
    link: Link, aws: Aws, azure: Azure, left: frozenset[str], beside: tuple[ClusterBeside, ...]
) -> tuple[AwsVpn, AzureVpn]:
    site = AzureSite(link, azure, _lookups(beside))
    aws_vpn = AwsVpn(
        link,
        aws,
        public_ips=site.public_ips,
        network=site.network,
        left=left,
        to_add=lambda: to_be_added(link, azure),
    )
    return aws_vpn, AzureVpn(site, aws_vpn.connections, aws_vpn.gateway, aws_vpn.customer_gateways)


def _there(link: Link, aws: Aws, azure: Azure, beside: tuple[ClusterBeside, ...]) -> tuple[AwsNetwork, AzureNetwork]:
    return AwsNetwork(link, aws), AzureNetwork(link, azure, _lookups(beside))


def _lookups(beside: tuple[ClusterBeside, ...]) -> tuple[ClusterLookup, ...]:
    return tuple(cluster_lookup(b.link, b.azure, b.label) for b in beside if not b.left)
