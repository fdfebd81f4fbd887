"""What a private zone hides, and how many subnets the endpoint can use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloudlink.checks.preflight.context import Context, of_warnings
from cloudlink.checks.preflight.facts import PreflightFacts, gather_aws
from cloudlink.errors import Finding
from cloudlink.link import Link


def find(context: Context) -> Iterator[Finding]:
    if context.creates:
        yield from of_warnings("names", check_names(context.link, gather_aws(context.link, context.aws)))


def check_names(link: Link, facts: PreflightFacts) -> Iterable[str]:
    zone = link.dns.zone
    labels = zone.split(".")
    if len(labels) < 2:
        yield f"The zone {zone} is a top-level name: every public name below it is hidden from the VPC."
    public = [
        z
        for z in facts.zones
        if str(z.get("Name", "")).rstrip(".").lower() == zone and not (z.get("Config") or {}).get("PrivateZone")
    ]
    if public:
        yield (
            f"There is a public zone {zone}, too: inside the VPC and in AKS pods its names are hidden by the private one, "
            "for a private zone never falls through."
        )
    cluster = ((facts.eks or {}).get("resourcesVpcConfig") or {}).get("subnetIds") or ()
    if link.dns.endpoint_subnets is None and len(cluster) > 6:
        yield (
            f"The EKS cluster has {len(cluster)} subnets; the inbound endpoint gets an address in six of them, which is "
            "the usual quota. Choose them with dns.endpoint_subnets."
        )
