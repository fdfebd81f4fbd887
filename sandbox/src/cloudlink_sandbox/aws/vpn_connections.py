"""VPN connections: create, describe, delete, static routes; two tunnels each."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from moto.core.responses import EmptyResult

from cloudlink_sandbox.aws.backend import new_id
from cloudlink_sandbox.aws.customer_gateways import find_customer_gateway
from cloudlink_sandbox.aws.ec2_base import Ec2Base
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.filters import chosen
from cloudlink_sandbox.aws.objects import CustomerGateway, Tunnel, VpnConnection
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.timeline import as_datetime
from cloudlink_sandbox.aws.transit_gateways import attach_vpn, detach_vpn, own_transit_gateway
from cloudlink_sandbox.aws.tunnel_options import TunnelOptions, changed, checked_inside, log_groups_of, new_key
from cloudlink_sandbox.aws.vpn_configuration import Ends, document
from cloudlink_sandbox.aws.vpn_gateways import find_vpn_gateway

LIMIT = 50
LIMIT_PER_GATEWAY = 10


def asn_conflict() -> ApiError:
    return ApiError(
        "AsnConflict", "The ASN of the specified customer gateway and virtual private gateway are the same."
    )


def find_connection(call: Ec2Base, connection_id: str) -> VpnConnection:
    """Raises ApiError for an id that is malformed, unknown or deleted."""
    call.well_formed(connection_id, "vpn", "InvalidVpnConnectionID")
    connection = call.store.vpn_connections.get(connection_id)
    if connection is None or connection.life.at(call.now) == "deleted":
        raise ApiError("InvalidVpnConnectionID.NotFound", f"The vpnConnection ID '{connection_id}' does not exist")
    return connection


def amazon_asn_of(call: Ec2Base, connection: VpnConnection) -> int:
    if connection.vpn_gateway_id:
        return call.store.vpn_gateways[connection.vpn_gateway_id].asn
    return call.store.transit_gateways[connection.transit_gateway_id or ""].asn


def connection_json(
    call: Ec2Base, connection: VpnConnection, moment: float, *, created: bool = False
) -> dict[str, Any]:
    state = connection.life.at(moment)
    with_key = connection.secret_arn is None
    gateway: CustomerGateway = call.store.customer_gateways[connection.customer_gateway_id]
    options = tuple(t.options for t in connection.tunnels)
    answer: dict[str, Any] = {
        "VpnConnectionId": connection.id,
        "State": state,
        "Type": "ipsec.1",
        "Category": "VPN",
        "CustomerGatewayId": connection.customer_gateway_id,
        "VpnGatewayId": connection.vpn_gateway_id,
        "TransitGatewayId": connection.transit_gateway_id,
        "GatewayAssociationState": "associated" if state != "deleted" else "not-associated",
        "PreSharedKeyArn": connection.secret_arn,
        "Options": {
            "EnableAcceleration": False,
            "StaticRoutesOnly": connection.static,
            "LocalIpv4NetworkCidr": connection.local_cidr,
            "RemoteIpv4NetworkCidr": connection.remote_cidr,
            "OutsideIpAddressType": "PublicIpv4",
            "TunnelInsideIpVersion": "ipv4",
            **({"TunnelBandwidth": connection.bandwidth} if connection.transit_gateway_id else {}),
            "TunnelOptions": [o.json(with_key=with_key) for o in options],
        },
        "Routes": [
            {"DestinationCidrBlock": str(r), "State": "deleted"}
            if state == "deleted"
            else {"DestinationCidrBlock": str(r), "Source": "Static", "State": "available"}
            for r in connection.routes
        ],
        "Tags": call.store.tag_list_of(connection.id),
    }
    if state in ("pending", "available", "modifying"):
        ends = Ends(
            connection.id,
            connection.customer_gateway_id,
            connection.vpn_gateway_id or connection.transit_gateway_id or "",
            gateway.ip,
            gateway.asn,
            amazon_asn_of(call, connection),
            connection.static,
        )
        answer["CustomerGatewayConfiguration"] = document(ends, options, with_key=with_key)
    if not created and state != "deleted":
        answer["VgwTelemetry"] = [_telemetry(call, connection, t, state) for t in connection.tunnels]
    return answer


def _telemetry(call: Ec2Base, connection: VpnConnection, tunnel: Tunnel, state: str) -> dict[str, Any]:
    outside = tunnel.options.outside
    if state == "pending":
        return {
            "AcceptedRouteCount": 0,
            "LastStatusChange": as_datetime(connection.born),
            "OutsideIpAddress": str(outside),
            "Status": "DOWN",
            "StatusMessage": "",
        }
    seen = call.world.aws_telemetry(connection.id, outside)
    return {
        "AcceptedRouteCount": seen.routes,
        "LastStatusChange": as_datetime(seen.since),
        "OutsideIpAddress": str(outside),
        "Status": "UP" if seen.up else "DOWN",
        "StatusMessage": seen.message,
    }


def inside_in_use(call: Ec2Base, gateway_id: str | None, besides: str = "") -> set[IPv4Network]:
    """Of all connections of this gateway that are not deleted; a transit gateway's tunnels are not compared."""
    return {
        options.inside
        for c in call.store.vpn_connections.values()
        if gateway_id and c.vpn_gateway_id == gateway_id and c.id != besides
        if c.life.at(call.now) != "deleted"
        for t in c.tunnels
        for options in (t.options, t.next)
        if options is not None
    }


def _free_inside(used: set[IPv4Network]) -> IPv4Network:
    for number in range(6 * 64, 2**14):
        candidate = IPv4Network((int(IPv4Address("169.254.0.0")) + number * 4, 30))
        if candidate not in used and str(candidate) != "169.254.169.252/30":
            return candidate
    raise ApiError("InsufficientCidrBlocks", "There are no free tunnel inside CIDRs.")


def create_vpn_connection(call: Ec2Base) -> Plain:
    """An identical request gives back the existing connection; one that differs in its options makes another.

    Assumption: AWS compares the options as well; its documentation only says that the operation is idempotent.
    """
    if call.given("Type") != "ipsec.1":
        raise ApiError("InvalidParameterValue", f"Value ({call.given('Type')}) for parameter type is invalid.")
    vgw_id, tgw_id = call.given("VpnGatewayId"), call.given("TransitGatewayId")
    if call.given("VpnConcentratorId"):
        raise ApiError("InvalidParameterValue", "VpnConcentratorId is not supported (the sandbox does not model it).")
    if vgw_id and tgw_id:
        raise ApiError(
            "InvalidParameterCombination",
            "The request must not contain both parameter vpnGatewayId and transitGatewayId",
        )
    if not vgw_id and not tgw_id:
        raise ApiError("MissingParameter", "The request must contain the parameter vpnGatewayId or transitGatewayId")
    customer = find_customer_gateway(call, call.given("CustomerGatewayId"))
    if vgw_id:
        amazon_asn = find_vpn_gateway(call, vgw_id).asn
    else:
        transit = own_transit_gateway(call, tgw_id)
        amazon_asn = transit.asn
    options = call.given("Options") or {}
    _only_modelled(options)
    bandwidth = checked_bandwidth(options.get("TunnelBandwidth"), transit=bool(tgw_id))
    static = bool(options.get("StaticRoutesOnly"))
    if not static and amazon_asn == customer.asn:
        raise asn_conflict()
    storage = call.given("PreSharedKeyStorage", "Standard")
    if storage not in ("Standard", "SecretsManager"):
        raise ApiError("InvalidParameterValue", f"Value ({storage}) for parameter preSharedKeyStorage is invalid.")
    asked = list(options.get("TunnelOptions") or [])
    if len(asked) > 2:
        raise ApiError("InvalidParameterValue", "At most two tunnel options may be given.")
    asked += [{}] * (2 - len(asked))
    tags = call.tags_for("vpn-connection")
    request = json.dumps([customer.id, vgw_id, tgw_id, storage, options], sort_keys=True, default=str)
    live = [c for c in call.store.vpn_connections.values() if c.life.at(call.now) in ("pending", "available")]
    for existing in live:
        if existing.request == request:
            call.dry_run()
            return Plain({"VpnConnection": connection_json(call, existing, call.now, created=True)})
    plans = _plan_tunnels(call, asked, vgw_id)
    call.dry_run()
    if len(live) >= LIMIT or (vgw_id and sum(c.vpn_gateway_id == vgw_id for c in live) >= LIMIT_PER_GATEWAY):
        raise ApiError("VpnConnectionLimitExceeded", "The maximum number of VPN connections has been reached.")
    first, second = (
        Tunnel(changed(TunnelOptions(inside, new_key(), call.store.next_outside()), plan), call.now)
        for inside, plan in plans
    )
    connection = VpnConnection(
        new_id("vpn"), customer.id, vgw_id, tgw_id, static, (first, second), request, born=call.now
    )
    connection.local_cidr = options.get("LocalIpv4NetworkCidr") or connection.local_cidr
    connection.remote_cidr = options.get("RemoteIpv4NetworkCidr") or connection.remote_cidr
    connection.bandwidth = bandwidth
    seconds = call.sample("aws.vpn.create", str(first.options.inside))
    opens = connection.life.transition(
        call.now, "pending", seconds, ends=call.outcome(), good="available", bad="deleted"
    )
    if storage == "SecretsManager":
        connection.secret_arn = call.cloud.secrets.keep_keys(call.region, connection)
    call.store.vpn_connections[connection.id] = connection
    call.keep(connection.id, tags)
    if tgw_id:
        attach_vpn(call, connection.id, transit, opens)
    return Plain({"VpnConnection": connection_json(call, connection, call.now, created=True)})


def checked_bandwidth(asked: str | None, *, transit: bool) -> str:
    """Of each tunnel. Raises ApiError for an unknown word, and for large tunnels on another gateway than a transit gateway.
    Assumption: the codes; AWS only says where there are large tunnels.

    https://docs.aws.amazon.com/vpn/latest/s2svpn/VPNTunnels.html
    """
    bandwidth = asked or "standard"
    if bandwidth not in ("standard", "large"):
        raise ApiError("InvalidParameterValue", f"Value ({bandwidth}) for parameter tunnelBandwidth is invalid.")
    if bandwidth == "large" and not transit:
        raise ApiError(
            "InvalidParameterCombination",
            "Large bandwidth tunnels are supported on a transit gateway or Cloud WAN only.",
        )
    return bandwidth


def _only_modelled(options: dict[str, Any]) -> None:
    refused = {
        "EnableAcceleration": True,
        "TunnelInsideIpVersion": "ipv6",
        "OutsideIpAddressType": "PrivateIpv4",
    }
    for name, value in refused.items():
        if options.get(name) == value:
            raise ApiError("InvalidParameterValue", f"{name} {value} is not supported (the sandbox does not model it).")
    for name in ("LocalIpv6NetworkCidr", "RemoteIpv6NetworkCidr", "TransportTransitGatewayAttachmentId"):
        if options.get(name):
            raise ApiError("InvalidParameterValue", f"{name} is not supported (the sandbox does not model it).")


def check_log_groups(call: Ec2Base, asked: dict[str, Any]) -> None:
    """Raises ApiError for a log group that is not there. Assumption: the code of it; AWS only says that it must exist."""
    for arn in log_groups_of(asked):
        if call.cloud.logs.by_arn(arn) is None:
            raise ApiError("InvalidParameterValue", f"The CloudWatch Logs log group {arn} does not exist.")


def _plan_tunnels(
    call: Ec2Base, asked: list[dict[str, Any]], vgw_id: str | None
) -> list[tuple[IPv4Network, dict[str, Any]]]:
    """Check both tunnels before either is made. Raises ApiError InvalidCidr.InUse for an inside CIDR used twice."""
    used = inside_in_use(call, vgw_id)
    plans: list[tuple[IPv4Network, dict[str, Any]]] = []
    for plan in asked:
        if plan.get("TunnelInsideCidr"):
            inside = checked_inside(plan["TunnelInsideCidr"])
            if inside in used:
                raise ApiError("InvalidCidr.InUse", f"The tunnel inside CIDR {inside} is in use already.")
        else:
            inside = _free_inside(used)
        used = used | {inside}
        changed(TunnelOptions(inside, new_key(), IPv4Address(0)), plan)
        check_log_groups(call, plan)
        plans.append((inside, plan))
    return plans


def describe_vpn_connections(call: Ec2Base) -> Plain:
    call.dry_run()
    ids, filters = call.given("VpnConnectionIds", []), call.filters()
    for connection_id in ids:
        call.well_formed(connection_id, "vpn", "InvalidVpnConnectionID")
        if connection_id not in call.store.vpn_connections:
            raise ApiError("InvalidVpnConnectionID.NotFound", f"The vpnConnection ID '{connection_id}' does not exist")
    moment = call.as_of(filters, ids)
    found = chosen(
        [
            c
            for c in call.store.vpn_connections.values()
            if (not ids or c.id in ids) and c.born <= moment and call.seen(c.id)
        ],
        filters,
        {
            "bgp-asn": lambda c: (str(call.store.customer_gateways[c.customer_gateway_id].asn),),
            "customer-gateway-id": lambda c: (c.customer_gateway_id,),
            "option.static-routes-only": lambda c: (str(c.static).lower(),),
            "route.destination-cidr-block": lambda c: tuple(map(str, c.routes)),
            "state": lambda c: (c.life.at(moment),),
            "transit-gateway-id": lambda c: (c.transit_gateway_id,) if c.transit_gateway_id else (),
            "type": lambda _: ("ipsec.1",),
            "vpn-connection-id": lambda c: (c.id,),
            "vpn-gateway-id": lambda c: (c.vpn_gateway_id,) if c.vpn_gateway_id else (),
        },
        lambda c: call.store.tags_of(c.id),
    )
    return Plain({"VpnConnections": [connection_json(call, c, moment) for c in found]})


def delete_vpn_connection(call: Ec2Base) -> EmptyResult:
    connection = find_connection(call, call.given("VpnConnectionId"))
    call.dry_run()
    if connection.life.at(call.now) != "deleting":
        seconds = call.sample("aws.vpn.delete", str(connection.tunnels[0].options.inside))
        gone = connection.life.transition(
            call.now, "deleting", seconds, ends=call.outcome(), good="deleted", bad="available"
        )
        detach_vpn(call, connection.id, gone)
    return EmptyResult()


def create_vpn_connection_route(call: Ec2Base) -> EmptyResult:
    connection = find_connection(call, call.given("VpnConnectionId"))
    try:
        route = IPv4Network(call.given("DestinationCidrBlock"))
    except ValueError:
        raise ApiError("InvalidParameterValue", "The destination CIDR block is invalid.") from None
    if not connection.static:
        raise ApiError("InvalidParameterValue", f"The VPN connection {connection.id} does not use static routes.")
    if route not in connection.routes:
        connection.routes.append(route)
    return EmptyResult()


def delete_vpn_connection_route(call: Ec2Base) -> EmptyResult:
    connection = find_connection(call, call.given("VpnConnectionId"))
    route = IPv4Network(call.given("DestinationCidrBlock"))
    if route not in connection.routes:
        raise ApiError("InvalidRoute.NotFound", f"The specified route {route} does not exist.")
    connection.routes.remove(route)
    return EmptyResult()
