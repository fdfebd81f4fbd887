"""The AKS clusters of a link: whose receipts are whose, and those that the configuration names no more.

A key on a cluster is known by the cluster's ARM id, which its receipt has: names are one of a resource group's only, and which
cluster is the first one may change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from cloudlink.clouds.azure.parse_pieces import last, part
from cloudlink.core.ports import Store
from cloudlink.core.resource import Receipt, Receipts
from cloudlink.link import ClusterPlace, Link
from cloudlink.steps.dns_forward.corefile import ForwardStatus, OnCluster
from cloudlink.steps.dns_forward.step import FORWARD, address_on, is_forward


def id_of(link: Link, cluster: ClusterPlace | None = None) -> str:
    """The ARM id. None: of the first cluster."""
    cluster = cluster or link.azure.clusters[0]
    group = f"/subscriptions/{cluster.within or link.azure.subscription}/resourceGroups/{cluster.resource_group}"
    return f"{group}/providers/Microsoft.ContainerService/managedClusters/{cluster.name}"


def left_clusters(link: Link, receipts: Receipts) -> tuple[ClusterPlace, ...]:
    """Clusters that the configuration named and names no more, whose CoreDNS may have the link's key still."""
    here = {id_of(link, cluster).lower() for cluster in link.azure.clusters}
    left: dict[str, ClusterPlace] = {}
    for address in sorted(receipts):
        place = receipts[address].place
        if is_forward(address) and place and place.lower() not in here:
            left.setdefault(place.lower(), _cluster_at(link, place))
    return tuple(left.values())


def _cluster_at(link: Link, place: str) -> ClusterPlace:
    subscription = part(place, "subscriptions")
    own = subscription.lower() == link.azure.subscription.lower()
    return ClusterPlace(last(place), part(place, "resourceGroups"), None if own else subscription)


def settle(link: Link, store: Store, gone: Collection[str]) -> None:
    """Before a run writes: receipts of keys whose cluster has another address in this configuration get it, so that no key on another
    cluster is written over them, and those of clusters that are gone are forgotten. gone: ARM ids."""
    for receipt, former in tuple(_at_other_addresses(link, store.receipts())):
        if receipt.address not in store.receipts():
            store.put(receipt)
        store.remove(former)
    for address, receipt in tuple(store.receipts().items()):
        if receipt.place.lower() in {id_.lower() for id_ in gone}:
            store.remove(address)


def _at_other_addresses(link: Link, receipts: Receipts) -> Iterator[tuple[Receipt, str]]:
    """Each as it is to be kept, and the address that it had."""
    ids = {id_of(link, cluster).lower(): index for index, cluster in enumerate(link.azure.clusters)}
    for address, receipt in receipts.items():
        if not (is_forward(address) and receipt.place):
            continue
        first = ids.get(receipt.place.lower()) == 0
        wanted = FORWARD if first else address_on(link.azure.label_of(_cluster_at(link, receipt.place)))
        if wanted.lower() != address.lower():
            yield replace(receipt, address=wanted), address


def together(
    seen: Mapping[str, ForwardStatus], unread: Mapping[str, str], order: Iterable[str] | None = None
) -> ForwardStatus:
    """The state of CoreDNS on several clusters as one: what is alike is said once.

    seen, unread: by the cluster's label; why it could not be read. order: of the labels, as they are shown; None: seen before unread.
    """
    if len(seen) + len(unread) == 1 and seen:
        return next(iter(seen.values()))
    lines = alike((label, (status.line,)) for label, status in seen.items())
    warnings = alike((label, status.warnings) for label, status in seen.items())
    return ForwardStatus(
        "; ".join(f"{line} (on {listed(on)})" for line, on in lines.items()),
        "; ".join(f"{status.problem} (on {label})" for label, status in seen.items() if status.problem),
        tuple(f"On {listed(on)}: {said}" for said, on in warnings.items()),
        tuple(dict.fromkeys(name for status in seen.values() for name in status.shadowed)),
        next((status.pause for status in seen.values() if status.pause is not None), None),
        next((status.task for status in seen.values() if status.problem and status.task), ""),
        unread="; ".join(f"AKS cluster {label}: {why.rstrip('.')}" for label, why in unread.items()),
        on=tuple(
            OnCluster(label, s.line, s.problem, unread.get(label, ""))
            for label in (order or (*seen, *unread))
            for s in (seen.get(label, ForwardStatus("")),)
        ),
    )


def alike(said: Iterable[tuple[str, Iterable[str]]]) -> dict[str, list[str]]:
    """Sentence -> the clusters that it is of, in their order."""
    found: dict[str, list[str]] = {}
    for label, sentences in said:
        for sentence in sentences:
            found.setdefault(sentence, []).append(label)
    return found


def listed(labels: list[str]) -> str:
    """Several clusters in a sentence."""
    return " and ".join(filter(None, (", ".join(labels[:-1]), labels[-1])))
