"""What the checks before a creation read, as the clouds spell it."""

from __future__ import annotations

from dataclasses import dataclass

from cloudlink.checks.preflight.parse import Json
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.link import Link


@dataclass(frozen=True)
class PreflightFacts:
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


def gather_aws(link: Link, aws: Aws) -> PreflightFacts:
    """One call per kind, shared with what the plan has read already."""
    return PreflightFacts(
        vpc=aws.vpc(link.aws.vpc_id),
        eks=aws.eks_cluster(link.aws.eks_cluster),
        subnets=tuple(aws.subnets(link.aws.vpc_id)),
        vpn_gateways=tuple(aws.vpn_gateways()),
        vpn_connections=tuple(aws.vpn_connections()),
        zones=tuple(aws.hosted_zones()),
    )


def gather_ranges(link: Link, aws: Aws, azure: Azure) -> PreflightFacts:
    return PreflightFacts(
        vpc=aws.vpc(link.aws.vpc_id),
        eks=aws.eks_cluster(link.aws.eks_cluster),
        vnet=azure.vnet() if link.azure.new_network is None else None,
        aks=azure.aks_cluster() if link.azure.new_cluster is None else None,
    )
