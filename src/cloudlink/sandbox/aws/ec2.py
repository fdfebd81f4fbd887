"""EC2: moto's answers, with the sandbox's own in front of them."""

from __future__ import annotations

from typing import Any

from moto.ec2.responses import EC2Response

from cloudlink.sandbox.aws import from_moto
from cloudlink.sandbox.aws.customer_gateways import CustomerGatewayAnswers
from cloudlink.sandbox.aws.network_interfaces import NetworkInterfaceAnswers
from cloudlink.sandbox.aws.paging import PagingAnswers
from cloudlink.sandbox.aws.route_tables import RouteTableAnswers
from cloudlink.sandbox.aws.security_groups import SecurityGroupAnswers
from cloudlink.sandbox.aws.tags import TagAnswers
from cloudlink.sandbox.aws.transit_route_tables import TransitRouteTableAnswers
from cloudlink.sandbox.aws.vpcs import VpcAnswers
from cloudlink.sandbox.aws.vpn_changes import VpnChangeAnswers
from cloudlink.sandbox.aws.vpn_connections import VpnConnectionAnswers
from cloudlink.sandbox.aws.vpn_gateways import VpnGatewayAnswers


class Ec2Answers(
    PagingAnswers,
    TagAnswers,
    VpcAnswers,
    TransitRouteTableAnswers,
    VpnGatewayAnswers,
    CustomerGatewayAnswers,
    VpnChangeAnswers,
    VpnConnectionAnswers,
    RouteTableAnswers,
    NetworkInterfaceAnswers,
    SecurityGroupAnswers,
    EC2Response,
):
    """Everything the sandbox answers for EC2."""

    from_moto = from_moto.EC2

    def __init__(self) -> None:
        EC2Response.__init__(self)

    def _filters_from_querystring(self) -> Any:
        return self.filters()
