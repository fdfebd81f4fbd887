"""The VNet of Azure's side: looked up or, on request, made; and what the gateway advertises of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Network

from cloudlink.clouds.azure import body_network
from cloudlink.clouds.azure.client import Azure, Json
from cloudlink.clouds.azure.parse_aks import aks_cluster
from cloudlink.clouds.azure.parse_network import GATEWAY_SUBNET, joined, vnet
from cloudlink.clouds.azure.parse_object import azure_object
from cloudlink.clouds.azure.parse_pieces import region
from cloudlink.core.resource import Lookup, Node, Outputs, Started, Timing
from cloudlink.errors import CloudError, ConflictError, CredentialsError, MissingError
from cloudlink.link import AzureSubnet, Link, NewNetwork
from cloudlink.steps.azure_resource import AzureResource
from cloudlink.steps.outputs import ResourceGroup, VirtualNetwork
from cloudlink.steps.permissions import NETWORK, VNET, Joins, rbac

MOST_SPOKES_READ = 10  # of a hub: each takes a call


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkLookup(Lookup[VirtualNetwork]):
    link: Link
    azure: Azure

    def read(self, outputs: Outputs) -> VirtualNetwork:
        """Raises CloudError for a VNet that AKS made for itself: it may not be altered, and goes with the cluster.

        https://learn.microsoft.com/azure/aks/faq
        """
        del outputs
        side = self.link.azure
        raw = self.azure.vnet()
        if raw is None:
            raise MissingError(
                "The VNet was not found",
                f"The resource group {side.vnet_resource_group} has no VNet {side.vnet}, or does not exist.",
                f"az network vnet list --subscription {side.vnet_subscription} -o table",
                resource=self.address,
            )
        if self.link.makes_vpn and self._belongs_to_aks():
            raise CloudError(
                "The VNet belongs to AKS",
                f"{side.vnet} lies in {side.vnet_resource_group}, which AKS made for the cluster's own resources. Azure "
                "does not support a gateway there, may refuse it, and deletes the VNet together with the cluster.",
                "Use a cluster in a VNet of your own, or a VNet that is peered with this one with gateway transit, "
                "and name it in azure.vnet.",
                resource=self.address,
            )
        found = virtual_network(raw, self._without_gateway(raw))
        return replace(found, advertised=tuple(dict.fromkeys((*found.advertised, *self._of_clusters(found)))))

    def _of_clusters(self, home: VirtualNetwork) -> Iterator[IPv4Network]:
        """Ranges of the VNets of AKS clusters beside the first that somebody else has joined to AWS, which knows them by a gateway that
        need not be in the link's VNet."""
        for place in self.link.azure.more_clusters if not self.link.makes_vpn else ():
            raw = self._seen(self.azure.beside(self.link.on(place)).aks_cluster)
            for id_ in aks_cluster(raw).vnets if raw else ():
                there = self._seen(partial(self.azure.thing, id_)) if id_.lower() != home.id.lower() else None
                yield from vnet(there).prefixes if there else ()

    def _without_gateway(self, raw: Json) -> frozenset[str]:
        """Ids of peered VNets that are lent the gateway and do not use it, which only their own half of the peering says.
        Those of the clusters count as ones that do: they are to, and AWS lets their ranges in before they can."""
        lent = [p for p in vnet(raw).peerings if p.lends_gateway and p.connected]
        if not lent:
            return frozenset()
        more = (self.azure.beside(self.link.on(c)) for c in self.link.azure.more_clusters)
        clusters = [found for azure in (self.azure, *more) if (found := self._seen(azure.aks_cluster))]
        ours = {v.lower() for found in clusters for v in aks_cluster(found).vnets}
        asked = [p.remote_id for p in lent if p.remote_id.lower() not in ours][:MOST_SPOKES_READ]
        own = azure_object(raw).id
        backs = [
            (id_, vnet(there).peering_with(own))
            for id_ in asked
            if (there := self._seen(partial(self.azure.thing, id_)))
        ]
        return frozenset(id_.lower() for id_, back in backs if back is not None and not back.uses_gateway)

    def _seen(self, read: Callable[[], Json | None]) -> Json | None:
        """None for what may not be read."""
        try:
            return read()
        except Exception as error:
            if not isinstance(self.azure.translate(error), CredentialsError):
                raise
            return None

    def _belongs_to_aks(self) -> bool:
        """By the name that AKS gives such groups; a group that was given another name is found by preflight."""
        return self.link.azure.vnet_resource_group.lower().startswith("mc_")


@dataclass(frozen=True)
class NetworkSpec:
    location: str
    prefixes: frozenset[IPv4Network]
    cluster_subnet: AzureSubnet | None  # None: found without it


@dataclass(frozen=True, kw_only=True, eq=False)
class NewVirtualNetwork(AzureResource[NetworkSpec, VirtualNetwork], Joins):
    """The VNet with a subnet for the cluster's nodes (``[azure.vnet] create = true``)."""

    group: Node[ResourceGroup]
    wanted: NewNetwork

    timing = Timing(create=5, update=5, delete=10, deadline=900)
    permissions = rbac(f"{NETWORK}/virtualNetworks", VNET)
    immutable = frozenset({"location"})
    outputs_depend_on = frozenset({"prefixes"})
    serial = "azure-vnet"

    def spec(self, outputs: Outputs) -> NetworkSpec:
        return NetworkSpec(
            region(self.link.azure.location), frozenset(self.wanted.prefixes), self.wanted.cluster_subnet
        )

    def raw(self, *, fresh: bool) -> Json | None:
        return self.azure.vnet(fresh=fresh)

    def parse_spec(self, raw: Json) -> NetworkSpec:
        found = vnet(raw)
        subnet = found.subnet(self.wanted.cluster_subnet.name)
        prefixes = sorted(subnet.prefixes) if subnet else ()
        return NetworkSpec(
            region(found.location),
            frozenset(found.prefixes)
            - body_network.ranges_of_others(raw, self.wanted.prefixes, self.wanted.cluster_subnet.name),
            AzureSubnet(self.wanted.cluster_subnet.name, prefixes[0]) if prefixes else None,
        )

    def parse_outputs(self, raw: Json) -> VirtualNetwork:
        return virtual_network(raw)

    def put(self, spec: NetworkSpec, tags: dict[str, str], there: Json | None) -> Started:
        """Subnets and peerings of others go along as they are."""
        assert spec.cluster_subnet is not None
        body = body_network.vnet(
            there,
            location=spec.location,
            tags=tags,
            prefixes=spec.prefixes,
            subnet=spec.cluster_subnet.name,
            subnet_prefix=spec.cluster_subnet.prefix,
        )
        return self.azure.put_vnet(body)

    def joined(self) -> tuple[tuple[str, str], ...]:
        return joined(self.azure.vnet())

    def remove(self) -> Started | None:
        """Raises ConflictError while somebody else has subnets or peerings in it: Azure would take them along, as long as
        nothing runs in them."""
        raw = self.azure.vnet(fresh=True)
        found = vnet(raw) if raw else None
        ours = (self.wanted.cluster_subnet.name.lower(), GATEWAY_SUBNET.lower())
        others = [f"subnet {s.name}" for s in found.subnets if s.name.lower() not in ours] if found else []
        others += [f"peering {p.name}" for p in found.peerings] if found else []
        if others:
            raise ConflictError(
                "The VNet holds things that are not cloudlink's",
                f"It is kept, because deleting it would delete them too: {', '.join(sorted(others))}.",
                "Move or delete them, then run the command again.",
                resource=self.address,
            )
        return self.azure.delete_vnet()


def virtual_network(raw: Json, without_gateway: frozenset[str] = frozenset()) -> VirtualNetwork:
    """What Azure's gateway advertises over BGP: the VNet's own ranges, and those of peered VNets that use the gateway.

    without_gateway: ids of peered VNets that are known not to, in lower case. Assumption: any other side of a connected
    peering that allows gateway transit here uses it (Azure writes that only there, possibly in a subscription that we
    may not read).
    """
    found = vnet(raw)
    own = tuple(sorted(found.prefixes))
    peered = {
        prefix
        for p in found.peerings
        if p.lends_gateway and p.connected and p.remote_id.lower() not in without_gateway
        for prefix in p.remote_ranges
    }
    subnets = {s.name: tuple(sorted(s.prefixes)) for s in found.subnets}
    return VirtualNetwork(azure_object(raw).id, own, (*own, *sorted(peered - set(own))), subnets)
