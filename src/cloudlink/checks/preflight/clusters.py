"""What is looked at on each of several AKS clusters, and how a finding says on which it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cloudlink.checks.preflight import aks, azure, coredns, existing, mesh, network_policies, permissions, probe, ranges
from cloudlink.checks.preflight.context import CLUSTER, Context, OnCluster, Topic
from cloudlink.clouds.azure import parse_aks
from cloudlink.clouds.azure.parse_pieces import last, part
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link

_OF_EACH: tuple[Topic, ...] = (
    aks.find,
    coredns.find,
    coredns.find_local_dns,
    probe.find,
    network_policies.find,
    mesh.find,
)


def find_shared(context: Context) -> Iterator[Finding]:
    """What is wrong with several clusters together."""
    read = {label: each.azure.aks_cluster() for label, each in context.clusters.items()}
    yield from shared_subnets({label: parse_aks.aks_cluster(raw) for label, raw in read.items() if raw})


def shared_subnets(clusters: Mapping[str, parse_aks.AksCluster]) -> Iterator[Finding]:
    """Each cluster of kubenet keeps its pods' routes in a route table of its own, and a subnet has one table.

    https://learn.microsoft.com/azure/aks/configure-kubenet
    """
    first: dict[str, str] = {}
    for label, cluster in clusters.items():
        if cluster.plugin != "kubenet":
            continue
        for subnet in dict.fromkeys(pool.subnet_id for pool in cluster.pools if pool.subnet_id):
            other = first.setdefault(subnet.lower(), label)
            if other != label:
                yield Finding(
                    aks.TOPIC,
                    Severity.WARNING,
                    "Two clusters of kubenet have their nodes in one subnet",
                    f"{other} and {label} are in {last(subnet)}. A subnet has one route table, and each of them needs one of its own "
                    "for its pods: on the cluster whose table it is not, pods do not reach those of other nodes, such as CoreDNS.",
                    f"Give the nodes of {label} a subnet of their own, or change it to Azure CNI Overlay: "
                    f"az aks update --name {cluster.name} --resource-group {part(cluster.id, 'resourceGroups')} "
                    f"--subscription {part(cluster.id, 'subscriptions')} --network-plugin azure --network-plugin-mode overlay",
                    resource=f"{CLUSTER}[{label}]",
                    key="azure.clusters",
                )


def on_each(topics: Iterable[tuple[str, Topic]], link: Link) -> Iterator[tuple[str, Topic]]:
    """The topics for a link with several clusters: those of a cluster for each of them."""
    first, *others = (link.azure.label_of(cluster) for cluster in link.azure.clusters)
    chosen = tuple(topics)
    for name, topic in chosen:
        if topic in _OF_EACH:
            yield from ((name, OnCluster(topic, label, first=label == first)) for label in (first, *others))
        else:
            yield name, topic
    if aks.find in (topic for _, topic in chosen):
        yield aks.TOPIC, find_shared
    known = {topic for _, topic in chosen}
    over = tuple((name, topic) for name, topic in chosen if topic in (existing.find, existing.find_standing))
    for label in others:
        yield from ((name, OnCluster(topic, label, first=False, alike=True)) for name, topic in over)
        yield "azure", OnCluster(azure.find_beside, label, first=False, alike=True)
        if ranges.find in known:
            yield "ranges", OnCluster(ranges.find_inside, label, first=False)
            yield "permissions", OnCluster(permissions.find, label, first=False, alike=True)
