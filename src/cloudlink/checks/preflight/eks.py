"""The EKS cluster's own API, which is asked where names lead to its Services and Ingresses: why it does not answer from here."""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.aws.parse_cluster import Cluster, cluster
from cloudlink.errors import CloudlinkError, Finding, Severity, UnreachableError
from cloudlink.link import KubernetesTarget, Link

TOPIC = "names"
TARGETS = "resolver.targets"
_ANYWHERE = ("0.0.0.0/0", "::/0")


def find(context: Context) -> Iterator[Finding]:
    """No call: what EKS says of the cluster has been read to ask it."""
    error = context.failed.get(TARGETS)
    if isinstance(error, UnreachableError) and "cluster" in f"{error.summary} {error.detail}".lower():
        found = cluster(context.aws.eks_cluster(context.link.aws.eks_cluster))
        if found is not None:
            yield from check(found, error, context.link)


def check(found: Cluster, error: CloudlinkError, link: Link) -> Iterator[Finding]:
    """https://docs.aws.amazon.com/eks/latest/userguide/cluster-endpoint.html"""
    side = link.aws
    asked = ", ".join(
        link.dns.short_name(zone, host)
        for zone, host in link.dns.all_hosts
        if isinstance(host.target, KubernetesTarget)
    )
    why = f" It is asked for what {asked} lead to: {error.detail.rstrip('.')}."
    instead = "or name their load balancers themselves, which asks AWS alone: load_balancer = NAME in dns.hosts"
    change = f"aws eks update-cluster-config --region {side.region} --name {side.eks_cluster} --resources-vpc-config"
    if not found.public_access:
        yield Finding(
            TOPIC,
            Severity.OBSTACLE,
            "The EKS cluster's API is private",
            f"The API of {side.eks_cluster} has an address in its VPC only: it is reached from there, or from a network that is "
            f"joined to it.{why}",
            f"Run cloudlink on a machine that reaches the VPC, {instead}.",
            resource=TARGETS,
            explains=TARGETS,
        )
    elif found.public_ranges and not set(found.public_ranges).intersection(_ANYWHERE):
        ranges = ",".join(found.public_ranges)
        yield Finding(
            TOPIC,
            Severity.OBSTACLE,
            "The EKS cluster's API takes calls from certain addresses only",
            f"The API of {side.eks_cluster} answers {', '.join(found.public_ranges)}. The address that this machine has outside must be "
            f"in them; if it is not, calls time out.{why}",
            f"Have it added: {change} endpointPublicAccess=true,publicAccessCidrs={ranges},ADDRESS/32; {instead}.",
            resource=TARGETS,
            explains=TARGETS,
        )
