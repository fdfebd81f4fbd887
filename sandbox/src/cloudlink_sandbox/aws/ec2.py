"""EC2: moto's answers, with the sandbox's own in front of them."""

from __future__ import annotations

from typing import Any

from moto.ec2.responses import EC2Response

from cloudlink_sandbox.aws import from_moto
from cloudlink_sandbox.aws.customer_gateways import CustomerGatewayAnswers
from cloudlink_sandbox.aws.network_interfaces import NetworkInterfaceAnswers
from cloudlink_sandbox.aws.paging import PagingAnswers
from cloudlink_sandbox.aws.route_tables import RouteTableAnswers
from cloudlink_sandbox.aws.security_groups import SecurityGroupAnswers
from cloudlink_sandbox.aws.tags import TagAnswers
from cloudlink_sandbox.aws.transit_route_tables import TransitRouteTableAnswers
from cloudlink_sandbox.aws.vpcs import VpcAnswers
from cloudlink_sandbox.aws.vpn_changes import VpnChangeAnswers
from cloudlink_sandbox.aws.vpn_connections import VpnConnectionAnswers
from cloudlink_sandbox.aws.vpn_gateways import VpnGatewayAnswers


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

    def before_motos(self) -> None:
        """moto's own answers know no dry run: they would do it."""
        self.dry_run()

    def _filters_from_querystring(self) -> Any:
        return self.filters()
