"""EC2: one table says what answers each operation; what is not in it is moto's, where that is good enough."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from cloudlink_sandbox.aws import (
    customer_gateways,
    from_moto,
    network_interfaces,
    prefix_lists,
    regions,
    route_tables,
    security_groups,
    tags,
    transit_gateways,
    transit_route_tables,
    vpcs,
    vpn_changes,
    vpn_connections,
    vpn_gateways,
)
from cloudlink_sandbox.aws.ec2_base import Ec2Base
from cloudlink_sandbox.aws.paging import paged

Handler = Callable[[Ec2Base], Any]


def by_moto(call: Ec2Base) -> Any:
    return call.by_moto()


HANDLERS: dict[str, Handler] = {
    # vpcs
    "DescribeVpcs": paged("Vpcs", by_moto),
    "DescribeSubnets": paged("Subnets", by_moto),
    "CreateVpc": vpcs.create_vpc,
    "DescribeAccountAttributes": vpcs.describe_account_attributes,
    "AssociateVpcCidrBlock": vpcs.associate_vpc_cidr_block,
    "CreateSubnet": vpcs.create_subnet,
    "DeleteSubnet": vpcs.delete_subnet,
    "ReplaceNetworkAclAssociation": vpcs.replace_network_acl_association,
    "DeleteNetworkAclEntry": vpcs.delete_network_acl_entry,
    "ReplaceNetworkAclEntry": vpcs.replace_network_acl_entry,
    "DescribeRegions": regions.describe_regions,
    # tags
    "CreateTags": tags.create_tags,
    "DeleteTags": tags.delete_tags,
    "DescribeTags": paged("Tags", tags.describe_tags),
    # route tables
    "DescribeRouteTables": paged("RouteTables", route_tables.describe_route_tables),
    "EnableVgwRoutePropagation": route_tables.enable_vgw_route_propagation,
    "DisableVgwRoutePropagation": route_tables.disable_vgw_route_propagation,
    "CreateRoute": route_tables.create_route,
    "ReplaceRoute": route_tables.replace_route,
    "DeleteRouteTable": route_tables.delete_route_table,
    # prefix lists
    "CreateManagedPrefixList": prefix_lists.create_managed_prefix_list,
    "DescribeManagedPrefixLists": paged("PrefixLists", prefix_lists.describe_managed_prefix_lists),
    "GetManagedPrefixListEntries": paged("Entries", prefix_lists.get_managed_prefix_list_entries),
    "ModifyManagedPrefixList": prefix_lists.modify_managed_prefix_list,
    "DeleteManagedPrefixList": prefix_lists.delete_managed_prefix_list,
    # network interfaces
    "DescribeNetworkInterfaces": paged("NetworkInterfaces", network_interfaces.describe_network_interfaces),
    "DeleteNetworkInterface": network_interfaces.delete_network_interface,
    "ModifyNetworkInterfaceAttribute": network_interfaces.modify_network_interface_attribute,
    # security groups
    "CreateSecurityGroup": security_groups.create_security_group,
    "DescribeSecurityGroups": paged("SecurityGroups", security_groups.describe_security_groups),
    "AuthorizeSecurityGroupIngress": security_groups.authorize_security_group_ingress,
    "AuthorizeSecurityGroupEgress": security_groups.authorize_security_group_egress,
    "DeleteSecurityGroup": security_groups.delete_security_group,
    # vpn gateways
    "CreateVpnGateway": vpn_gateways.create_vpn_gateway,
    "DescribeVpnGateways": vpn_gateways.describe_vpn_gateways,
    "AttachVpnGateway": vpn_gateways.attach_vpn_gateway,
    "DetachVpnGateway": vpn_gateways.detach_vpn_gateway,
    "DeleteVpnGateway": vpn_gateways.delete_vpn_gateway,
    # customer gateways
    "CreateCustomerGateway": customer_gateways.create_customer_gateway,
    "DescribeCustomerGateways": customer_gateways.describe_customer_gateways,
    "DeleteCustomerGateway": customer_gateways.delete_customer_gateway,
    # vpn connections
    "CreateVpnConnection": vpn_connections.create_vpn_connection,
    "DescribeVpnConnections": vpn_connections.describe_vpn_connections,
    "DeleteVpnConnection": vpn_connections.delete_vpn_connection,
    "CreateVpnConnectionRoute": vpn_connections.create_vpn_connection_route,
    "DeleteVpnConnectionRoute": vpn_connections.delete_vpn_connection_route,
    # vpn changes
    "ModifyVpnTunnelOptions": vpn_changes.modify_vpn_tunnel_options,
    "ModifyVpnConnection": vpn_changes.modify_vpn_connection,
    "ModifyVpnConnectionOptions": vpn_changes.modify_vpn_connection_options,
    "ReplaceVpnTunnel": vpn_changes.replace_vpn_tunnel,
    "GetVpnTunnelReplacementStatus": vpn_changes.get_vpn_tunnel_replacement_status,
    "GetActiveVpnTunnelStatus": vpn_changes.get_active_vpn_tunnel_status,
    # transit gateways
    "CreateTransitGateway": transit_gateways.create_transit_gateway,
    "DescribeTransitGateways": transit_gateways.describe_transit_gateways,
    "ModifyTransitGateway": transit_gateways.modify_transit_gateway,
    "DeleteTransitGateway": transit_gateways.delete_transit_gateway,
    "CreateTransitGatewayVpcAttachment": transit_gateways.create_transit_gateway_vpc_attachment,
    "DescribeTransitGatewayAttachments": transit_gateways.describe_transit_gateway_attachments,
    "DescribeTransitGatewayVpcAttachments": transit_gateways.describe_transit_gateway_vpc_attachments,
    "ModifyTransitGatewayVpcAttachment": transit_gateways.modify_transit_gateway_vpc_attachment,
    "DeleteTransitGatewayVpcAttachment": transit_gateways.delete_transit_gateway_vpc_attachment,
    # transit route tables
    "CreateTransitGatewayRouteTable": transit_route_tables.create_transit_gateway_route_table,
    "DescribeTransitGatewayRouteTables": transit_route_tables.describe_transit_gateway_route_tables,
    "DeleteTransitGatewayRouteTable": transit_route_tables.delete_transit_gateway_route_table,
    "AssociateTransitGatewayRouteTable": transit_route_tables.associate_transit_gateway_route_table,
    "DisassociateTransitGatewayRouteTable": transit_route_tables.disassociate_transit_gateway_route_table,
    "EnableTransitGatewayRouteTablePropagation": transit_route_tables.enable_transit_gateway_route_table_propagation,
    "DisableTransitGatewayRouteTablePropagation": transit_route_tables.disable_transit_gateway_route_table_propagation,
    "GetTransitGatewayRouteTableAssociations": transit_route_tables.get_transit_gateway_route_table_associations,
    "GetTransitGatewayRouteTablePropagations": transit_route_tables.get_transit_gateway_route_table_propagations,
    "GetTransitGatewayAttachmentPropagations": transit_route_tables.get_transit_gateway_attachment_propagations,
    "CreateTransitGatewayRoute": transit_route_tables.create_transit_gateway_route,
    "ReplaceTransitGatewayRoute": transit_route_tables.replace_transit_gateway_route,
    "DeleteTransitGatewayRoute": transit_route_tables.delete_transit_gateway_route,
    "SearchTransitGatewayRoutes": transit_route_tables.search_transit_gateway_routes,
}


class Ec2Handlers(Ec2Base):
    """One call of EC2."""

    from_moto: ClassVar[frozenset[str]] = from_moto.EC2

    @classmethod
    def answers(cls, operation: str) -> bool:
        return operation in HANDLERS or operation in cls.from_moto

    def handler(self, operation: str) -> Callable[[], Any]:
        if operation in HANDLERS:
            return partial(HANDLERS[operation], self)
        return super().handler(operation)

    def before_motos(self) -> None:
        """moto's own answers know no dry run: they would do it."""
        self.check_ids()
        self.dry_run()
