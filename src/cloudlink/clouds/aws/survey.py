"""What the user's account has for a link's AWS side: clusters in every region, internal load balancers, zones.

https://docs.aws.amazon.com/eks/latest/APIReference/API_ListClusters.html (one region at a time)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.malformed import parsing
from cloudlink.errors import CloudlinkError

_THREADS = 8


@dataclass(frozen=True)
class EksName:
    name: str
    region: str


@dataclass(frozen=True)
class Balancer:
    """An internal load balancer that a name can point at."""

    name: str
    dns_name: str


@dataclass(frozen=True)
class Zone:
    """A private hosted zone that a VPC is associated with."""

    id: str
    name: str  # without the trailing dot
    of_service: bool  # an AWS service has made it, and keeps it


@parsing("AWS's regions")
def enabled_regions(aws: Aws) -> list[str]:
    """Unless all are asked for, AWS names those that the account has."""
    found = aws.client_in("ec2", aws.home_region).describe_regions()["Regions"]
    return sorted(str(region["RegionName"]) for region in found)


def eks_clusters(aws: Aws, regions: Iterable[str]) -> tuple[list[EksName], dict[str, CloudlinkError]]:
    """The clusters, and by region why it could not be asked. Raises what is no error of AWS's."""
    wanted = sorted(regions)
    clients = {region: aws.client_in("eks", region) for region in wanted}

    def ask(region: str) -> list[EksName] | CloudlinkError:
        try:
            pages = clients[region].get_paginator("list_clusters").paginate()
            return [EksName(str(name), region) for page in pages for name in page["clusters"]]
        except Exception as error:
            known = aws.translate(error)
            if known is None:
                raise
            return known

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="regions") as pool:
        answers = dict(zip(wanted, pool.map(ask, wanted), strict=True))
    found = [cluster for answer in answers.values() if isinstance(answer, list) for cluster in answer]
    return found, {region: answer for region, answer in answers.items() if isinstance(answer, CloudlinkError)}


@parsing("AWS's load balancers")
def internal_balancers(raw: Iterable[Mapping[str, Any]], vpc_id: str) -> list[Balancer]:
    return [
        Balancer(str(b["LoadBalancerName"]), str(b.get("DNSName") or "").lower())
        for b in raw
        if b.get("VpcId") == vpc_id and b.get("Scheme") == "internal" and b.get("Type") in ("network", "application")
    ]


@parsing("Route 53's zones")
def zones(raw: Iterable[Mapping[str, Any]]) -> list[Zone]:
    return [
        Zone(
            str(z["HostedZoneId"]).rpartition("/")[2],
            str(z["Name"]).rstrip("."),
            bool((z.get("Owner") or {}).get("OwningService")),
        )
        for z in raw
    ]
