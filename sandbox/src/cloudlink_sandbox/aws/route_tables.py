"""Route propagation, and route tables that show what was learned over BGP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from cloudlink_sandbox.aws.ec2_base import Ec2Base
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.filters import matches
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.prefix_lists import find_prefix_list

_TARGETS = {
    "GatewayId": "gateway_id",
    "InstanceId": "instance_id",
    "NatGatewayId": "nat_gateway_id",
    "TransitGatewayId": "transit_gateway_id",
    "NetworkInterfaceId": "network_interface_id",
    "VpcPeeringConnectionId": "vpc_peering_connection_id",
    "EgressOnlyInternetGatewayId": "egress_only_internet_gateway_id",
    "CarrierGatewayId": "carrier_gateway_id",
    "DestinationCidrBlock": "destination_cidr_block",
    "DestinationIpv6CidrBlock": "destination_ipv6_cidr_block",
    "DestinationPrefixListId": "destination_prefix_list_id",
}


def _route_json(route: Any) -> dict[str, str]:
    """A route of moto's, without what it does not have: the serializer is slow at looking for absent things."""
    found = {name: getattr(route, attribute) for name, attribute in _TARGETS.items()}
    return {name: value for name, value in found.items() if value} | {"Origin": route.origin, "State": route.state}


def _table_json(
    table: Any, tags: list[dict[str, str]], gateways: tuple[str, ...], learned: tuple[tuple[IPv4Network, str], ...]
) -> dict[str, Any]:
    """A route table of moto's with the gateways that propagate into it and the routes that they bring."""
    taken = {r.destination_cidr_block for r in table.routes}  # static and local routes of the same prefix win
    routes = [_route_json(r) for r in table.routes]
    routes += [
        {
            "DestinationCidrBlock": str(prefix),
            "GatewayId": gateway,
            "Origin": "EnableVgwRoutePropagation",
            "State": "active",
        }
        for prefix, gateway in learned
        if str(prefix) not in taken
    ]
    return {
        "RouteTableId": table.id,
        "VpcId": table.vpc_id,
        "OwnerId": table.owner_id,
        "Associations": table.associations,
        "PropagatingVgws": [{"GatewayId": g} for g in gateways],
        "Routes": routes,
        "Tags": tags,
    }


_ROUTE_FILTERS = {
    "route.destination-cidr-block": "DestinationCidrBlock",
    "route.gateway-id": "GatewayId",
    "route.nat-gateway-id": "NatGatewayId",
    "route.origin": "Origin",
    "route.state": "State",
    "route.transit-gateway-id": "TransitGatewayId",
}


def _has_routes(table: dict[str, Any], filters: Mapping[str, Sequence[str]]) -> bool:
    """Whether for each filter there is a route that it fits."""
    return all(
        any(matches(str(route.get(_ROUTE_FILTERS[name], "")), wanted) for route in table["Routes"])
        for name, wanted in filters.items()
    )


def describe_route_tables(call: Ec2Base) -> ActionResult:
    call.dry_run()
    call.check_ids()
    filters = call.filters()
    of_routes = {name: filters.pop(name) for name in _ROUTE_FILTERS if name in filters}
    tables = call.store.describe_route_tables(call.given("RouteTableIds", []), filters)
    shown = []
    for table in tables:
        gateways = tuple(call.store.propagations.get(table.id, ()))
        learned = tuple(call.world.propagated(table.id)) if gateways else ()
        shown.append(_table_json(table, call.store.tag_list_of(table.id), gateways, learned))
    # moto knows no propagated routes, so it cannot choose by them
    return Plain({"RouteTables": [t for t in shown if _has_routes(t, of_routes)]})


def enable_vgw_route_propagation(call: Ec2Base) -> EmptyResult:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableVgwRoutePropagation.html"""
    gateway_id = call.given("GatewayId")
    table = call.store.get_route_table(call.given("RouteTableId"))
    gateway = call.store.vpn_gateways.get(gateway_id)
    if gateway is None or gateway.life.at(call.now) == "deleted":
        raise ApiError("InvalidGatewayID.NotFound", f"The gateway ID '{gateway_id}' does not exist")
    if table.vpc_id not in gateway.attached_to(call.now):
        raise ApiError("Gateway.NotAttached", f"The gateway {gateway_id} is not attached to {table.vpc_id}.")
    call.dry_run()
    call.store.propagations.setdefault(table.id, {}).setdefault(gateway_id, call.now)
    return EmptyResult()


def disable_vgw_route_propagation(call: Ec2Base) -> EmptyResult:
    table = call.store.get_route_table(call.given("RouteTableId"))
    gateway_id = call.given("GatewayId")
    if gateway_id not in call.store.vpn_gateways:
        raise ApiError("InvalidGatewayID.NotFound", f"The gateway ID '{gateway_id}' does not exist")
    call.dry_run()
    left = call.store.propagations.get(table.id, {})
    left.pop(gateway_id, None)
    if not left:
        call.store.propagations.pop(table.id, None)
    return EmptyResult()


def create_route(call: Ec2Base) -> Any:
    """A route to a transit gateway needs the VPC's attachment to it."""
    _check_target(call)
    return call.by_moto()


def replace_route(call: Ec2Base) -> Any:
    _check_target(call)
    return call.by_moto()


def _check_target(call: Ec2Base) -> None:
    """Raises ApiError for a gateway that does not exist, or does not serve the table's VPC."""
    call.dry_run()
    table = call.store.get_route_table(call.given("RouteTableId"))
    if list_id := call.given("DestinationPrefixListId"):
        find_prefix_list(call, list_id)
    transit, gateway_id = call.given("TransitGatewayId"), call.given("GatewayId") or ""
    if transit and not any(
        (a.gateway_id, a.resource_id) == (transit, table.vpc_id) and a.life.at(call.now) in ("available", "modifying")
        for a in call.store.transit_gateway_attachments.values()
    ):
        raise ApiError("InvalidTransitGatewayID.NotFound", f"The transitGateway ID '{transit}' does not exist.")
    if gateway_id.startswith("vgw-"):
        gateway = call.store.vpn_gateways.get(gateway_id)
        if gateway is None or gateway.life.at(call.now) == "deleted":
            raise ApiError("InvalidGatewayID.NotFound", f"The gateway ID '{gateway_id}' does not exist")
        if table.vpc_id not in gateway.attached_to(call.now):
            raise ApiError("Gateway.NotAttached", f"The gateway {gateway_id} is not attached to {table.vpc_id}.")


def delete_route_table(call: Ec2Base) -> EmptyResult:
    table_id = call.given("RouteTableId")
    call.store.get_route_table(table_id)
    call.dry_run()
    call.store.delete_route_table(table_id)
    call.store.propagations.pop(table_id, None)
    return EmptyResult()
