"""The Azure side of the link: two public IPs and one active-active VPN gateway, or a gateway that exists, and the step that
wires everything of Azure.

https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-howto-aws-bgp
"""

from __future__ import annotations

from typing import Any

from cloudlink.clouds.azure.client import Azure
from cloudlink.core.resource import Node
from cloudlink.link import Link
from cloudlink.steps.azure_vpn.adopted import AdoptedGateway, AdoptedPublicIp, InsideAddresses
from cloudlink.steps.azure_vpn.aks import ClusterLookup, NewAksCluster, cluster_lookup
from cloudlink.steps.azure_vpn.connections import ConnectionResource, LocalGatewayResource
from cloudlink.steps.azure_vpn.gateway import GatewayResource
from cloudlink.steps.azure_vpn.gateway_subnet import GatewaySubnetResource
from cloudlink.steps.azure_vpn.public_ips import INSTANCES, PublicIpResource
from cloudlink.steps.azure_vpn.resource_group import GroupLookup, NewGroup
from cloudlink.steps.azure_vpn.virtual_network import NetworkLookup, NewVirtualNetwork
from cloudlink.steps.outputs import (
    AksCluster,
    AzureConnection,
    AzureGateway,
    CustomerGateway,
    GatewaySubnet,
    LocalGateway,
    PublicIp,
    ResourceGroup,
    VirtualNetwork,
    VpnConnection,
    VpnGateway,
)


class AzureSite:
    """What Azure's side can be without knowing AWS's: everything up to the gateway. AWS's side needs its public IPs."""

    def __init__(self, link: Link, azure: Azure, more_clusters: tuple[ClusterLookup, ...] = ()) -> None:
        """more_clusters: AKS clusters beside the first."""
        self.link = link
        self.azure = azure
        self.more_clusters = more_clusters
        side = link.azure
        here: dict[str, Any] = {"link": link, "azure": azure}
        self.resource_group: Node[ResourceGroup] = (
            NewGroup(address="azure_vpn.resource_group", title=f"resource group {side.resource_group}", **here)
            if side.create_resource_group
            else GroupLookup(address="azure_vpn.resource_group", title=f"resource group {side.resource_group}", **here)
        )
        self.network: Node[VirtualNetwork] = self._network()
        self.cluster: Node[AksCluster] = self._cluster()
        self._own: tuple[Node[Any], ...]
        if side.adopt_gateway is not None:
            self._use_existing(here)
        else:
            self._make(here)

    def _use_existing(self, here: dict[str, Any]) -> None:
        """The gateway, its addresses and its subnet are somebody else's."""
        name, _ = self.link.azure_gateway
        self.public_ips: tuple[Node[PublicIp], ...] = tuple(
            AdoptedPublicIp(
                address=f"azure_vpn.public_ip[{i}]", title=f"public address of instance {i + 1}", index=i, **here
            )
            for i in self.link.instances
        )
        self.gateway: Node[AzureGateway] = AdoptedGateway(
            address="azure_vpn.gateway", title=f"VPN gateway {name}", **here
        )
        self._own = (*self.public_ips, self.gateway)

    def _make(self, here: dict[str, Any]) -> None:
        subnet: Node[GatewaySubnet] = GatewaySubnetResource(
            address="azure_vpn.gateway_subnet", title="gateway subnet", network=self.network, **here
        )
        first, second = (
            PublicIpResource(
                address=f"azure_vpn.public_ip[{i}]",
                title=f"public IP {i + 1}",
                index=i,
                group=self.resource_group,
                **here,
            )
            for i in INSTANCES
        )
        self.public_ips = (first, second)
        self.gateway = GatewayResource(
            address="azure_vpn.gateway",
            title="VPN gateway",
            subnet=subnet,
            public_ips=(first, second),
            **here,
        )
        self._own = (subnet, first, second, self.gateway)

    def nodes(self) -> tuple[Node[Any], ...]:
        return (
            self.resource_group,
            self.network,
            self.cluster,
            *self.more_clusters,
            *self._own,
        )

    def _network(self) -> Node[VirtualNetwork]:
        link, address, title = self.link, "azure_vpn.network", f"VNet {self.link.azure.vnet}"
        if link.azure.new_network is None:
            return NetworkLookup(address=address, title=title, link=link, azure=self.azure)
        group, wanted = self.resource_group, link.azure.new_network
        return NewVirtualNetwork(address=address, title=title, link=link, azure=self.azure, group=group, wanted=wanted)

    def _cluster(self) -> Node[AksCluster]:
        link, address, title = self.link, "azure_vpn.cluster", f"AKS cluster {self.link.azure.aks_cluster}"
        if link.azure.new_cluster is None:
            return cluster_lookup(link, self.azure)
        assert link.azure.new_network is not None, "a cluster is made only in a VNet that is made too"
        return NewAksCluster(
            address=address,
            title=title,
            link=link,
            azure=self.azure,
            network=self.network,
            group=self.resource_group,
            wanted=link.azure.new_cluster,
            subnet_name=link.azure.new_network.cluster_subnet.name,
        )


class AzureNetwork:
    """Azure's side of a link over what joins the networks already: it is looked up, and nothing is made."""

    def __init__(self, link: Link, azure: Azure, more_clusters: tuple[ClusterLookup, ...] = ()) -> None:
        """more_clusters: AKS clusters beside the first."""
        here: dict[str, Any] = {"link": link, "azure": azure}
        self.network: Node[VirtualNetwork] = NetworkLookup(
            address="azure_vpn.network", title=f"VNet {link.azure.vnet}", **here
        )
        self.cluster: Node[AksCluster] = cluster_lookup(link, azure)
        self.more_clusters = more_clusters

    def nodes(self) -> tuple[Node[Any], ...]:
        return self.network, self.cluster, *self.more_clusters


class AzureVpn:
    """Everything of the link in Azure: the site, the tunnels' inside addresses on a gateway of somebody else's, and a local
    network gateway and a connection for each tunnel of AWS's two VPN connections. customer_gateways: they say whose the
    addresses are, so that they come before them and go after them."""

    def __init__(
        self,
        site: AzureSite,
        connections: tuple[Node[VpnConnection], ...],
        gateway: Node[VpnGateway],
        customer_gateways: tuple[Node[CustomerGateway], ...],
    ) -> None:
        self.site = site
        self.network = site.network
        link = site.link
        here: dict[str, Any] = {"link": link, "azure": site.azure}
        self.inside: InsideAddresses | None = None
        if link.azure.adopt_gateway is not None:
            name, _ = link.azure_gateway
            self.inside = InsideAddresses(
                address="azure_vpn.inside_addresses",
                title=f"custom BGP addresses of {name}",
                gateway=site.gateway,
                named_by=customer_gateways,
                **here,
            )
        self.local_gateways: tuple[Node[LocalGateway], ...] = tuple(
            LocalGatewayResource(
                address=f"azure_vpn.local_gateway[{t.index}]",
                title=f"local network gateway {t.index + 1}",
                tunnel=t,
                group=site.resource_group,
                vpn=connections[t.vpn],
                aws_gateway=gateway,
                **here,
            )
            for t in link.tunnels
        )
        self.connections: tuple[Node[AzureConnection], ...] = tuple(
            ConnectionResource(
                address=f"azure_vpn.connection[{t.index}]",
                title=f"connection {t.index + 1}",
                tunnel=t,
                gateway=site.gateway,
                local_gateway=local,
                vpn=connections[t.vpn],
                inside=self.inside,
                **here,
            )
            for t, local in zip(link.tunnels, self.local_gateways, strict=True)
        )

    def nodes(self) -> tuple[Node[Any], ...]:
        inside = (self.inside,) if self.inside is not None else ()
        return (*self.site.nodes(), *inside, *self.local_gateways, *self.connections)
