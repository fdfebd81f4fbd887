"""The Azure side of the link: two public IPs, one active-active VPN gateway, and the step that wires everything of Azure.

https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-howto-aws-bgp
"""

from __future__ import annotations

from typing import Any

from cloudlink.clouds.azure.client import Azure
from cloudlink.core.resource import Node
from cloudlink.link import Link
from cloudlink.steps.azure_vpn.connections import ConnectionResource, LocalGatewayResource
from cloudlink.steps.azure_vpn.gateway import GatewayResource
from cloudlink.steps.azure_vpn.network import (
    ClusterLookup,
    GatewaySubnetResource,
    GroupLookup,
    NetworkLookup,
    NewAksCluster,
    NewGroup,
    NewVirtualNetwork,
)
from cloudlink.steps.azure_vpn.public_ips import INSTANCES, PublicIpResource
from cloudlink.steps.outputs import (
    AksCluster,
    AzureConnection,
    AzureGateway,
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

    def __init__(self, link: Link, azure: Azure) -> None:
        self.link = link
        self.azure = azure
        side = link.azure
        here: dict[str, Any] = {"link": link, "azure": azure}
        self.resource_group: Node[ResourceGroup] = (
            NewGroup(address="azure_vpn.resource_group", title=f"resource group {side.resource_group}", **here)
            if side.create_resource_group
            else GroupLookup(address="azure_vpn.resource_group", title=f"resource group {side.resource_group}", **here)
        )
        self.network: Node[VirtualNetwork] = self._network()
        self.cluster: Node[AksCluster] = self._cluster()
        self.gateway_subnet: Node[GatewaySubnet] = GatewaySubnetResource(
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
        self.public_ips: tuple[Node[PublicIp], Node[PublicIp]] = (first, second)
        self.gateway: Node[AzureGateway] = GatewayResource(
            address="azure_vpn.gateway",
            title="VPN gateway",
            subnet=self.gateway_subnet,
            public_ips=self.public_ips,
            **here,
        )

    def nodes(self) -> tuple[Node[Any], ...]:
        return (
            self.resource_group,
            self.network,
            self.cluster,
            self.gateway_subnet,
            *self.public_ips,
            self.gateway,
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
            return ClusterLookup(address=address, title=title, link=link, azure=self.azure)
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


class AzureVpn:
    """Everything of the link in Azure: the site, and a local network gateway and a connection for each tunnel of AWS's two
    VPN connections."""

    def __init__(
        self, site: AzureSite, connections: tuple[Node[VpnConnection], Node[VpnConnection]], gateway: Node[VpnGateway]
    ) -> None:
        self.site = site
        self.network = site.network
        link = site.link
        here: dict[str, Any] = {"link": link, "azure": site.azure}
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
                **here,
            )
            for t, local in zip(link.tunnels, self.local_gateways, strict=True)
        )

    def nodes(self) -> tuple[Node[Any], ...]:
        return (*self.site.nodes(), *self.local_gateways, *self.connections)
