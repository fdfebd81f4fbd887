"""Calls to EC2 that make a virtual private or transit gateway, attach it to a VPC, see to the routes through it, and take all
of it away again. ``to_...`` is the request, which a dry run tries too; each write makes the reads stale that it may have changed,
whatever becomes of it, and raises the SDK's errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Network

from cloudlink.clouds.aws import cached
from cloudlink.clouds.aws.client import Aws, value_in
from cloudlink.clouds.aws.errors import code_of
from cloudlink.clouds.aws.requests import Request
from cloudlink.clouds.aws.tags import Mark


def to_create(asn: int, mark: Mark) -> Request:
    tags = mark.specification("vpn-gateway")
    return Request("CreateVpnGateway", {"Type": "ipsec.1", "AmazonSideAsn": asn, "TagSpecifications": tags})


def to_attach(gateway: str, vpc: str) -> Request:
    return Request("AttachVpnGateway", {"VpnGatewayId": gateway, "VpcId": vpc})


def to_delete(id_: str) -> Request:
    return Request("DeleteVpnGateway", {"VpnGatewayId": id_})


def create(aws: Aws, asn: int, mark: Mark) -> str:
    """Its id."""
    with aws.writing(cached.VPN_GATEWAYS):
        made = to_create(asn, mark).send(aws.ec2_once)
    return str(value_in(made, "VpnGateway", "VpnGatewayId"))


def delete(aws: Aws, id_: str) -> None:
    with aws.writing(cached.VPN_GATEWAYS):
        to_delete(id_).send(aws.ec2)


def attach(aws: Aws, gateway: str, vpc: str) -> None:
    """Repeating it for the same VPC is harmless."""
    with aws.writing(cached.VPN_GATEWAYS):
        to_attach(gateway, vpc).send(aws.ec2)


def detach(aws: Aws, gateway: str, vpc: str) -> None:
    with aws.writing(cached.VPN_GATEWAYS, cached.ROUTE_TABLES):
        aws.ec2.detach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)


def propagate(aws: Aws, gateway: str, *, on: Iterable[str], off: Iterable[str]) -> None:
    """Let these route tables learn the gateway's routes, and those not any more. One call for each table; each may be
    repeated, so that a run that dies among them just goes on."""
    with aws.writing(cached.ROUTE_TABLES):
        for table in on:
            aws.ec2.enable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
        for table in off:
            try:
                aws.ec2.disable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
            except Exception as error:
                if not aws.missing(error):
                    raise


# --- transit gateways ---------------------------------------------------------------------------------------


def to_create_transit(asn: int, mark: Mark) -> Request:
    """With one route table that everything is put into, as AWS has it where nothing is said."""
    options = {"AmazonSideAsn": asn, "VpnEcmpSupport": "enable"}
    options |= {"DefaultRouteTableAssociation": "enable", "DefaultRouteTablePropagation": "enable"}
    tags = mark.specification("transit-gateway")
    return Request("CreateTransitGateway", {"Description": mark.name, "Options": options, "TagSpecifications": tags})


def to_delete_transit(id_: str) -> Request:
    return Request("DeleteTransitGateway", {"TransitGatewayId": id_})


def to_attach_vpc(gateway: str, vpc: str, subnets: Iterable[str], mark: Mark) -> Request:
    return Request(
        "CreateTransitGatewayVpcAttachment",
        {
            "TransitGatewayId": gateway,
            "VpcId": vpc,
            "SubnetIds": sorted(subnets),
            "TagSpecifications": mark.specification("transit-gateway-attachment"),
        },
    )


def to_detach_vpc(id_: str) -> Request:
    return Request("DeleteTransitGatewayVpcAttachment", {"TransitGatewayAttachmentId": id_})


def to_create_table(gateway: str, mark: Mark) -> Request:
    tags = mark.specification("transit-gateway-route-table")
    return Request("CreateTransitGatewayRouteTable", {"TransitGatewayId": gateway, "TagSpecifications": tags})


def to_delete_table(id_: str) -> Request:
    return Request("DeleteTransitGatewayRouteTable", {"TransitGatewayRouteTableId": id_})


def create_table(aws: Aws, gateway: str, mark: Mark) -> str:
    """Its id. There is no token that would keep a repeated call from making a second one."""
    with aws.writing(cached.TRANSIT_TABLES, f"{cached.TRANSIT_TABLES}/{gateway}"):
        made = to_create_table(gateway, mark).send(aws.ec2_once)
    return str(value_in(made, "TransitGatewayRouteTable", "TransitGatewayRouteTableId"))


def delete_table(aws: Aws, id_: str) -> None:
    """AWS refuses it while an attachment is associated with it."""
    with aws.writing(cached.TRANSIT_TABLES):
        to_delete_table(id_).send(aws.ec2)


def create_transit(aws: Aws, asn: int, mark: Mark) -> str:
    """Its id. There is no token that would keep a repeated call from making a second one."""
    with aws.writing(cached.TRANSIT_GATEWAYS):
        made = to_create_transit(asn, mark).send(aws.ec2_once)
    return str(value_in(made, "TransitGateway", "TransitGatewayId"))


def delete_transit(aws: Aws, id_: str) -> None:
    with aws.writing(cached.TRANSIT_GATEWAYS):
        to_delete_transit(id_).send(aws.ec2)


def use_equal_paths(aws: Aws, gateway: str) -> None:
    """Let a transit gateway use several VPN tunnels at once."""
    with aws.writing(cached.TRANSIT_GATEWAYS):
        aws.ec2.modify_transit_gateway(TransitGatewayId=gateway, Options={"VpnEcmpSupport": "enable"})


def attach_vpc(aws: Aws, gateway: str, vpc: str, subnets: Iterable[str], mark: Mark) -> str:
    """Its id. AWS refuses a second one of the same VPC, so that a repeated call makes none."""
    with aws.writing(*_attachments(gateway)):
        made = to_attach_vpc(gateway, vpc, subnets, mark).send(aws.ec2_once)
    return str(value_in(made, "TransitGatewayVpcAttachment", "TransitGatewayAttachmentId"))


def change_subnets(aws: Aws, gateway: str, id_: str, *, add: Iterable[str], remove: Iterable[str]) -> None:
    """Of the attachment of a VPC, in one call: AWS takes one subnet of a zone, and an exchange in one step."""
    changes = {"AddSubnetIds": sorted(add), "RemoveSubnetIds": sorted(remove)}
    with aws.writing(*_attachments(gateway)):
        aws.ec2.modify_transit_gateway_vpc_attachment(
            TransitGatewayAttachmentId=id_, **{name: ids for name, ids in changes.items() if ids}
        )


def detach_vpc(aws: Aws, gateway: str, id_: str) -> None:
    with aws.writing(*_attachments(gateway), cached.ROUTE_TABLES):
        to_detach_vpc(id_).send(aws.ec2)


def associate(aws: Aws, gateway: str, attachment: str, table: str) -> None:
    """Have a table looked up for what comes from an attachment, which has one such table only. Where the transit gateway has
    done it meanwhile by itself, it is left as it is."""
    with aws.writing(f"{cached.TRANSIT_ATTACHMENTS}/{gateway}"):
        try:
            aws.ec2.associate_transit_gateway_route_table(
                TransitGatewayRouteTableId=table, TransitGatewayAttachmentId=attachment
            )
        except Exception as error:
            if code_of(error) != "Resource.AlreadyAssociated":
                raise


def disassociate(aws: Aws, gateway: str, attachment: str, table: str) -> None:
    with aws.writing(f"{cached.TRANSIT_ATTACHMENTS}/{gateway}"):
        try:
            aws.ec2.disassociate_transit_gateway_route_table(
                TransitGatewayRouteTableId=table, TransitGatewayAttachmentId=attachment
            )
        except Exception as error:
            if code_of(error) != "InvalidAssociation.NotFound" and not aws.missing(error):
                raise


def propagate_into(aws: Aws, attachment: str, *, on: Iterable[str], off: Iterable[str]) -> None:
    """Let these tables of the transit gateway learn the ranges of an attachment, and those not any more. As ``propagate``."""
    routes = [f"{cached.TRANSIT_ROUTES}/{table}" for table in (*on, *off)]
    with aws.writing(f"{cached.TRANSIT_PROPAGATIONS}/{attachment}", *routes):
        for table in on:
            _switch(aws.ec2.enable_transit_gateway_route_table_propagation, attachment, table, "Duplicate")
        for table in off:
            _switch(aws.ec2.disable_transit_gateway_route_table_propagation, attachment, table, "NotFound")


def _switch(call: Callable[..., object], attachment: str, table: str, already: str) -> None:
    try:
        call(TransitGatewayRouteTableId=table, TransitGatewayAttachmentId=attachment)
    except Exception as error:
        if code_of(error) != f"TransitGatewayRouteTablePropagation.{already}":
            raise


def add_route(aws: Aws, gateway: str, table: str, destination: IPv4Network) -> None:
    """A route of the VPC's table to a transit gateway. Raises the SDK's error RouteAlreadyExists where the table has another
    one for the same range."""
    with aws.writing(cached.ROUTE_TABLES):
        aws.ec2.create_route(RouteTableId=table, DestinationCidrBlock=str(destination), TransitGatewayId=gateway)


def take_route(aws: Aws, table: str, destination: IPv4Network) -> None:
    with aws.writing(cached.ROUTE_TABLES):
        try:
            aws.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=str(destination))
        except Exception as error:
            if code_of(error) != "InvalidRoute.NotFound" and not aws.missing(error):
                raise


def add_blackhole(aws: Aws, table: str, destination: IPv4Network) -> None:
    """A route of a transit gateway's table that leads nowhere. Raises the SDK's error RouteAlreadyExists where the table has a static
    one for the same range."""
    with aws.writing(f"{cached.TRANSIT_ROUTES}/{table}"):
        aws.ec2.create_transit_gateway_route(
            TransitGatewayRouteTableId=table, DestinationCidrBlock=str(destination), Blackhole=True
        )


def take_blackhole(aws: Aws, table: str, destination: IPv4Network) -> None:
    with aws.writing(f"{cached.TRANSIT_ROUTES}/{table}"):
        try:
            aws.ec2.delete_transit_gateway_route(
                TransitGatewayRouteTableId=table, DestinationCidrBlock=str(destination)
            )
        except Exception as error:
            if code_of(error) != "InvalidRoute.NotFound" and not aws.missing(error):
                raise


def _attachments(gateway: str) -> tuple[str, str]:
    return cached.TRANSIT_VPC_ATTACHMENTS, f"{cached.TRANSIT_ATTACHMENTS}/{gateway}"
