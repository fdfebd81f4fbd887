"""Names on AWS's side: an inbound endpoint that AKS can ask, and a private zone with a record for each name."""

from __future__ import annotations

from typing import Any

from cloudlink.clouds.aws.client import Aws
from cloudlink.core.resource import Node
from cloudlink.link import Link
from cloudlink.steps.outputs import EksCluster, HostedZone, VirtualNetwork
from cloudlink.steps.resolver.endpoint import EndpointSubnets, InboundEndpoint
from cloudlink.steps.resolver.hosted_zone import AdoptedZone, Zone
from cloudlink.steps.resolver.records import Records
from cloudlink.steps.resolver.security_group import Ingress, ResolverGroup
from cloudlink.steps.resolver.targets import BalancerNames, TargetLookup
from cloudlink.steps.resolver.vpc_dns import VpcDns


class Resolver:
    """What cloudlink makes in AWS for names. kube_eks: gives access to the cluster's Kubernetes API."""

    def __init__(
        self,
        link: Link,
        aws: Aws,
        cluster: Node[EksCluster],
        network: Node[VirtualNetwork],
        kube_eks: BalancerNames,
    ) -> None:
        self.vpc_dns = VpcDns(address="resolver.vpc_dns", title="DNS settings of the VPC", link=link, aws=aws)
        self.security_group = ResolverGroup(
            address="resolver.security_group", title="security group of the endpoint", link=link, aws=aws
        )
        self.ingress = Ingress(
            address="resolver.ingress",
            title="rules that let Azure ask",
            link=link,
            aws=aws,
            group=self.security_group,
            network=network,
        )
        self.subnets = EndpointSubnets(
            address="resolver.subnets", title="subnets of the endpoint", link=link, aws=aws, cluster=cluster
        )
        self.endpoint = InboundEndpoint(
            address="resolver.endpoint",
            title="Resolver inbound endpoint",
            link=link,
            aws=aws,
            group=self.security_group,
            subnets=self.subnets,
        )
        self.zone: Node[HostedZone] = (
            Zone(address="resolver.zone", title="private hosted zone", link=link, aws=aws, vpc_dns=self.vpc_dns)
            if link.dns.adopt_zone is None
            else AdoptedZone(address="resolver.zone", title="private hosted zone", link=link, aws=aws)
        )
        self.targets = TargetLookup(
            address="resolver.targets",
            title="what the names point at",
            link=link,
            aws=aws,
            cluster=cluster,
            kube_eks=kube_eks,
        )
        self.records = Records(
            address="resolver.records",
            title="records",
            link=link,
            aws=aws,
            zone=self.zone,
            targets=self.targets,
        )

    def nodes(self) -> tuple[Node[Any], ...]:
        return (
            self.vpc_dns,
            self.security_group,
            self.ingress,
            self.subnets,
            self.endpoint,
            self.zone,
            self.targets,
            self.records,
        )
