"""AWS's half of the tunnels: a virtual private gateway on the VPC or a transit gateway with the VPC attached, two customer
gateways, two VPN connections, and the routes to Azure.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

from cloudlink.clouds.aws.client import Aws
from cloudlink.core.resource import Node
from cloudlink.link import Link
from cloudlink.steps.aws_vpn.blackholes import BLACKHOLES, blackholes_for
from cloudlink.steps.aws_vpn.cluster import EksClusterLookup
from cloudlink.steps.aws_vpn.connections import Connection
from cloudlink.steps.aws_vpn.customer_gateways import CustomerGatewayResource
from cloudlink.steps.aws_vpn.gateway import attachment_for, gateway_for, members_for, own_table_for
from cloudlink.steps.aws_vpn.routes import RouteTables, routes_for
from cloudlink.steps.aws_vpn.transit import VPN_TABLE
from cloudlink.steps.outputs import PublicIp, VirtualNetwork


class AwsNetwork:
    """AWS's side of a link over what joins the networks already: it is looked up, and nothing is made."""

    def __init__(self, link: Link, aws: Aws) -> None:
        self.cluster = EksClusterLookup(address="aws_vpn.cluster", title="EKS cluster", link=link, aws=aws)

    def nodes(self) -> tuple[Node[Any], ...]:
        return (self.cluster,)


class AwsVpn:
    """What cloudlink makes in AWS for the tunnels. public_ips: of the instances of Azure's gateway, in order. network: the VNet,
    for routes to a transit gateway. left: addresses of what is there and may be wanted no more, see ``own_table_for`` and
    ``blackholes_for``. to_add: see ``CustomerGatewayResource``."""

    def __init__(
        self,
        link: Link,
        aws: Aws,
        public_ips: tuple[Node[PublicIp], ...],
        network: Node[VirtualNetwork] | None = None,
        *,
        left: frozenset[str] = frozenset(),
        to_add: Callable[[], frozenset[IPv4Address]] = frozenset,
    ) -> None:
        self.cluster = EksClusterLookup(address="aws_vpn.cluster", title="EKS cluster", link=link, aws=aws)
        self.gateway = gateway_for(link, aws)
        self.own_table = own_table_for(link, aws, self.gateway, left=VPN_TABLE in left)
        *self.before_attachment, self.attachment = attachment_for(link, aws, self.gateway, self.cluster)
        self.customer_gateways = tuple(
            CustomerGatewayResource(
                address=f"aws_vpn.customer_gateway[{i}]",
                title=f"customer gateway {i + 1}",
                link=link,
                aws=aws,
                public_ip=public_ip,
                number=i,
                to_add=to_add,
            )
            for i, public_ip in enumerate(public_ips)
        )
        self.connections: tuple[Node[Any], ...] = tuple(
            Connection(
                address=f"aws_vpn.connection[{i}]",
                title=f"VPN connection {i + 1}",
                link=link,
                aws=aws,
                gateway=self.gateway,
                customer_gateway=customer_gateway,
                vpn=i,
                table=self.own_table,
            )
            for i, customer_gateway in enumerate(self.customer_gateways)
        )
        self.route_tables = RouteTables(
            address="aws_vpn.route_tables", title="route tables", link=link, aws=aws, cluster=self.cluster
        )
        self.members = members_for(link, aws, self.gateway, self.attachment, self.connections, self.own_table)
        self.blackholes = blackholes_for(link, aws, self.own_table, self.members, left=BLACKHOLES in left)
        self.routes = routes_for(link, aws, self.gateway, self.attachment, self.route_tables, network)

    def nodes(self) -> tuple[Node[Any], ...]:
        return (
            self.cluster,
            self.gateway,
            *((self.own_table,) if self.own_table is not None else ()),
            *self.before_attachment,
            self.attachment,
            *self.customer_gateways,
            *self.connections,
            *self.members,
            *self.blackholes,
            self.route_tables,
            self.routes,
        )
