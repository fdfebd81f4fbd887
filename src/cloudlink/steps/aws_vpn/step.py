"""AWS's half of the tunnels: a virtual private gateway on the VPC, two customer gateways, two VPN connections, and
the routes that the tunnels teach.
"""

from __future__ import annotations

from typing import Any

from cloudlink.clouds.aws.client import Aws
from cloudlink.core.resource import Node
from cloudlink.link import Link
from cloudlink.steps.aws_vpn.cluster import EksClusterLookup
from cloudlink.steps.aws_vpn.connections import Connection
from cloudlink.steps.aws_vpn.customer_gateways import CustomerGatewayResource
from cloudlink.steps.aws_vpn.gateway import AdoptedGateway, Attachment, Gateway
from cloudlink.steps.aws_vpn.routes import RoutePropagation, RouteTables
from cloudlink.steps.outputs import PublicIp, VpnGateway


class AwsVpn:
    """What cloudlink makes in AWS for the tunnels. public_ips: of the two instances of Azure's gateway, in order."""

    def __init__(self, link: Link, aws: Aws, public_ips: tuple[Node[PublicIp], Node[PublicIp]]) -> None:
        self.cluster = EksClusterLookup(address="aws_vpn.cluster", title="EKS cluster", link=link, aws=aws)
        self.gateway: Node[VpnGateway] = (
            Gateway(address="aws_vpn.gateway", title="virtual private gateway", link=link, aws=aws)
            if link.aws.adopt_gateway is None
            else AdoptedGateway(address="aws_vpn.gateway", title="virtual private gateway", link=link, aws=aws)
        )
        self.attachment = Attachment(
            address="aws_vpn.attachment", title="attachment to the VPC", link=link, aws=aws, gateway=self.gateway
        )
        self.customer_gateways = tuple(
            CustomerGatewayResource(
                address=f"aws_vpn.customer_gateway[{i}]",
                title=f"customer gateway {i + 1}",
                link=link,
                aws=aws,
                public_ip=public_ip,
                number=i,
            )
            for i, public_ip in enumerate(public_ips)
        )
        first, second = (
            Connection(
                address=f"aws_vpn.connection[{i}]",
                title=f"VPN connection {i + 1}",
                link=link,
                aws=aws,
                gateway=self.gateway,
                customer_gateway=customer_gateway,
                vpn=i,
            )
            for i, customer_gateway in enumerate(self.customer_gateways)
        )
        self.connections: tuple[Node[Any], Node[Any]] = (first, second)
        self.route_tables = RouteTables(
            address="aws_vpn.route_tables", title="route tables", link=link, aws=aws, cluster=self.cluster
        )
        self.propagation = RoutePropagation(
            address="aws_vpn.route_propagation",
            title="route propagation",
            link=link,
            aws=aws,
            gateway=self.gateway,
            attachment=self.attachment,
            tables=self.route_tables,
        )

    def nodes(self) -> tuple[Node[Any], ...]:
        return (
            self.cluster,
            self.gateway,
            self.attachment,
            *self.customer_gateways,
            *self.connections,
            self.route_tables,
            self.propagation,
        )
