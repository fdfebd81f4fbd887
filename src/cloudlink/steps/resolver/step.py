"""Names on AWS's side: an inbound endpoint that AKS can ask, and private zones with a record for each name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from typing import Any

from cloudlink.clouds.aws.client import Aws
from cloudlink.core.resource import Node
from cloudlink.link import Link, PrivateZone
from cloudlink.steps.outputs import EksCluster, HostedZone, VirtualNetwork
from cloudlink.steps.resolver.endpoint import EndpointSubnets, InboundEndpoint
from cloudlink.steps.resolver.hosted_zone import FIRST, AdoptedZone, LeftZone, Zone, address_of
from cloudlink.steps.resolver.records import Records
from cloudlink.steps.resolver.security_group import Ingress, ResolverGroup
from cloudlink.steps.resolver.targets import BalancerNames, TargetLookup
from cloudlink.steps.resolver.vpc_dns import VpcDns


class Resolver:
    """What cloudlink makes in AWS for names. kube_eks: gives access to the cluster's Kubernetes API.
    former_addresses: of the endpoint before a pause, by subnet. left: see ``left_zones``."""

    def __init__(
        self,
        link: Link,
        aws: Aws,
        cluster: Node[EksCluster],
        network: Node[VirtualNetwork],
        kube_eks: BalancerNames,
        former_addresses: Callable[[], Mapping[str, IPv4Address]] = dict,
        left: tuple[PrivateZone, ...] = (),
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
            former=former_addresses,
        )
        self.targets = TargetLookup(
            address="resolver.targets",
            title="what the names point at",
            link=link,
            aws=aws,
            cluster=cluster,
            kube_eks=kube_eks,
        )
        parts = [self._parts_of(link, aws, zone) for zone in link.dns.zones]
        self.zones: tuple[Node[HostedZone], ...] = tuple(zone for zone, _ in parts)
        self.record_sets = tuple(records for _, records in parts)
        self.zone, self.records = self.zones[0], self.record_sets[0]
        self.left = tuple(node for zone in left for node in self._parts_left(link, aws, zone))
        """Of zones that are no more in the configuration."""

    def _parts_of(self, link: Link, aws: Aws, zone: PrivateZone) -> tuple[Node[HostedZone], Records]:
        first = zone.name == link.dns.zone
        address = FIRST if first else address_of("zone", zone.name)
        of = "" if first else f" {zone.name}"
        node: Node[HostedZone] = (
            Zone(
                address=address,
                title=f"private hosted zone{of}",
                link=link,
                aws=aws,
                configured=zone,
                vpc_dns=self.vpc_dns,
            )
            if zone.adopt is None
            else AdoptedZone(address=address, title=f"private hosted zone{of}", link=link, aws=aws, configured=zone)
        )
        records = Records(
            address="resolver.records" if first else address_of("records", zone.name),
            title="records" if first else f"records of {zone.name}",
            link=link,
            aws=aws,
            configured=zone,
            zone_address=address,
            zone=node,
            targets=self.targets,
        )
        return node, records

    def _parts_left(self, link: Link, aws: Aws, zone: PrivateZone) -> tuple[Node[Any], ...]:
        node, records = self._parts_of(link, aws, zone)
        if isinstance(node, Zone):
            node = dataclasses.replace(node, unwanted=True)
        else:
            node = LeftZone(address=node.address, title=node.title, configured=zone)
        return node, dataclasses.replace(records, zone=node, unwanted=True)

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
            *(node for pair in zip(self.zones[1:], self.record_sets[1:], strict=True) for node in pair),
            *self.left,
        )
