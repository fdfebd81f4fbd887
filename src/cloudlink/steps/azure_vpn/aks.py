"""The AKS cluster: looked up or, on request, made."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import ClassVar

from cloudlink.clouds.azure import body_cluster
from cloudlink.clouds.azure.client import Azure, Json
from cloudlink.clouds.azure.parse_aks import AgentPool, aks_cluster
from cloudlink.clouds.azure.parse_object import azure_object
from cloudlink.clouds.azure.parse_pieces import region
from cloudlink.core.resource import Lookup, Node, Outputs, Started, Timing, built_on
from cloudlink.errors import MissingError
from cloudlink.link import Link, NewCluster
from cloudlink.steps.azure_resource import AzureResource
from cloudlink.steps.outputs import AksCluster, ResourceGroup, VirtualNetwork
from cloudlink.steps.permissions import AKS, JOIN_SUBNET, rbac


@dataclass(frozen=True, kw_only=True, eq=False)
class ClusterLookup(Lookup[AksCluster]):
    proof: ClassVar[bool] = True

    link: Link
    azure: Azure

    def read(self, outputs: Outputs) -> AksCluster:
        del outputs
        side = self.link.azure
        raw = self.azure.aks_cluster()
        if raw is None:
            raise MissingError(
                "The AKS cluster was not found",
                f"The resource group {side.aks_resource_group} has no AKS cluster {side.aks_cluster}, or does not exist.",
                f"az aks list --subscription {side.aks_subscription} -o table",
                resource=self.address,
            )
        return cluster_outputs(raw)


def cluster_lookup(link: Link, azure: Azure, label: str = "") -> ClusterLookup:
    """label: of a cluster beside the first (``AzureSide.label_of``)."""
    address = f"azure_vpn.cluster[{label}]" if label else "azure_vpn.cluster"
    return ClusterLookup(address=address, title=f"AKS cluster {link.azure.aks_cluster}", link=link, azure=azure)


@dataclass(frozen=True)
class ClusterSpec:
    location: str
    version: str | None  # None: whatever AKS takes by default
    node_count: int
    node_size: str
    subnet: str  # id, lower case
    pod_cidr: IPv4Network | None
    service_cidr: IPv4Network | None


@dataclass(frozen=True, kw_only=True, eq=False)
class NewAksCluster(AzureResource[ClusterSpec, AksCluster]):
    """A small test cluster (``[azure.aks] create = true``): Azure CNI in overlay mode, so that pods need no addresses of
    the VNet. https://learn.microsoft.com/azure/aks/azure-cni-overlay
    """

    network: Node[VirtualNetwork] = built_on()
    group: Node[ResourceGroup]
    wanted: NewCluster
    subnet_name: str

    timing = Timing(create=300, update=120, delete=240, deadline=3600)
    permissions = rbac("Microsoft.ContainerService/managedClusters", AKS, JOIN_SUBNET, read=False)
    immutable = frozenset({"location", "node_size", "subnet", "pod_cidr", "service_cidr"})

    def spec(self, outputs: Outputs) -> ClusterSpec:
        vnet = outputs[self.network].id
        return ClusterSpec(
            location=region(self.link.azure.location),
            version=self.wanted.kubernetes_version,
            node_count=self.wanted.node_count,
            node_size=self.wanted.node_size,
            subnet=f"{vnet}/subnets/{self.subnet_name}".lower(),
            pod_cidr=self.wanted.pod_cidr,
            service_cidr=self.wanted.service_cidr,
        )

    def raw(self, *, fresh: bool) -> Json | None:
        return self.azure.aks_cluster(fresh=fresh)

    def parse_spec(self, raw: Json) -> ClusterSpec:
        found = aks_cluster(raw)
        first = found.pools[0] if found.pools else AgentPool("")
        pool = next((p for p in found.pools if p.name == body_cluster.POOL), first)
        wanted = self.wanted.kubernetes_version
        newer = wanted is not None and _number(found.wanted_version) > _number(wanted)
        return ClusterSpec(
            location=found.location,
            # nobody takes a version back: what somebody, or AKS itself, has upgraded stays
            version=wanted if wanted is None or newer else found.wanted_version,
            node_count=self.wanted.node_count if pool.autoscaled else pool.count or 0,
            node_size=pool.size,
            subnet=pool.subnet_id.lower(),
            pod_cidr=next(iter(found.pod_ranges), None),
            service_cidr=next(iter(found.service_ranges), None),
        )

    def parse_outputs(self, raw: Json) -> AksCluster:
        return cluster_outputs(raw)

    def put(self, spec: ClusterSpec, tags: dict[str, str], there: Json | None) -> Started:
        """Pools and settings of others go along as they are."""
        if there is not None:
            kept = aks_cluster(there).wanted_version
            newer = spec.version is not None and _number(kept) > _number(spec.version)
            body = body_cluster.changed_cluster(
                there,
                location=spec.location,
                tags=tags,
                version=None if newer else spec.version,
                node_count=spec.node_count,
            )
            return self.azure.put_aks_cluster(body)
        assert spec.pod_cidr is not None
        assert spec.service_cidr is not None
        body = body_cluster.aks_cluster(
            location=spec.location,
            tags=tags,
            name=self.link.azure.aks_cluster,
            version=spec.version,
            node_count=spec.node_count,
            node_size=spec.node_size,
            subnet=f"{self.azure.vnet_id}/subnets/{self.subnet_name}",
            pods=spec.pod_cidr,
            services=spec.service_cidr,
        )
        return self.azure.put_aks_cluster(body)

    def remove(self) -> Started | None:
        return self.azure.delete_aks_cluster()


def _number(version: str) -> tuple[int, ...]:
    """``1.34.2`` to be compared; what is no number ends it."""
    parts = version.split(".")
    return tuple(int(p) for p in itertools.takewhile(str.isdecimal, parts))


def cluster_outputs(raw: Json) -> AksCluster:
    object_, found = azure_object(raw), aks_cluster(raw)
    return AksCluster(
        object_.id,
        object_.name,
        found.version,
        next(iter(found.pod_ranges), None),
        next(iter(found.service_ranges), None),
    )
