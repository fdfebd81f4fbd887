"""Every step and resource of a link, constructed and wired: this file reads as the diagram of what cloudlink builds.

    public IPs ──> customer gateways ──> VPN connections ──> local network gateways ──> connections
    gateway subnet ──> Azure gateway (25 to 45 minutes) ─────────────────────────────────┘    │
    virtual private gateway ──> attachment ──> route propagation                              │
    security group ──> inbound endpoint                                                       │
    hosted zone ──> records                                                                   │
    all of it ──> CoreDNS forward zone (last of all; teardown takes it away first) <──────────┘

The two VPN steps need each other (AWS needs Azure's public IPs, Azure needs AWS's outside IPs), so the graph is over
resources; that the inside addresses and ASNs are ours to choose is what keeps it free of cycles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.kube.client import Kube
from cloudlink.core.resource import Node, Resource
from cloudlink.link import Link
from cloudlink.steps.aws_vpn.step import AwsVpn
from cloudlink.steps.azure_vpn.step import AzureSite, AzureVpn
from cloudlink.steps.dns_forward.step import DnsForward
from cloudlink.steps.resolver.step import Resolver
from cloudlink.steps.verify.step import Verify


@dataclass(frozen=True)
class Topology:
    aws_vpn: AwsVpn
    azure_vpn: AzureVpn
    resolver: Resolver
    dns_forward: DnsForward
    verify: Verify

    def nodes(self) -> tuple[Node[Any], ...]:
        """All of them, in the order in which users see them."""
        steps = (self.aws_vpn, self.azure_vpn, self.resolver, self.dns_forward, self.verify)
        return tuple(node for step in steps for node in step.nodes())


def build(link: Link, aws: Aws, azure: Azure, aks: Kube, eks: Kube) -> Topology:
    site = AzureSite(link, azure)
    aws_vpn = AwsVpn(link, aws, public_ips=site.public_ips)
    azure_vpn = AzureVpn(site, aws_vpn.connections, aws_vpn.gateway)
    resolver = Resolver(link, aws, cluster=aws_vpn.cluster, network=azure_vpn.network, kube_eks=lambda _: eks)
    # Names are switched last and taken away first: pods send questions to AWS only while everything that answers them
    # is there, and while CoreDNS cannot be told to stop, nothing else is taken away.
    made = tuple(n for step in (aws_vpn, azure_vpn, resolver) for n in step.nodes() if isinstance(n, Resource))
    dns_forward = DnsForward(link, aks, endpoint=resolver.endpoint, after=made)
    return Topology(aws_vpn, azure_vpn, resolver, dns_forward, Verify())
