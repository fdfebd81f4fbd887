"""EC2: moto's answers, with the sandbox's own in front of them."""

from __future__ import annotations

from typing import Any

from moto.ec2.responses import EC2Response

from cloudlink.sandbox.aws.customer_gateways import CustomerGatewayAnswers
from cloudlink.sandbox.aws.network_interfaces import NetworkInterfaceAnswers
from cloudlink.sandbox.aws.paging import PagingAnswers
from cloudlink.sandbox.aws.refusal import not_modelled
from cloudlink.sandbox.aws.route_tables import RouteTableAnswers
from cloudlink.sandbox.aws.security_groups import SecurityGroupAnswers
from cloudlink.sandbox.aws.transit_gateways import TransitGatewayAnswers
from cloudlink.sandbox.aws.vpn_changes import VpnChangeAnswers
from cloudlink.sandbox.aws.vpn_connections import VpnConnectionAnswers
from cloudlink.sandbox.aws.vpn_gateways import VpnGatewayAnswers


class Ec2Answers(
    PagingAnswers,
    TransitGatewayAnswers,
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

    def __init__(self) -> None:
        EC2Response.__init__(self)

    def _filters_from_querystring(self) -> Any:
        return self.filters()

    def describe_instance_types(self) -> Any:
        """The sandbox has no catalogue of instances. Raises Refusal."""
        raise not_modelled(self.protocol, self._get_action())

    describe_instance_type_offerings = run_instances = describe_instance_types
