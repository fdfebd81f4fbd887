"""What changes an existing VPN connection: options of one tunnel, both gateways, replacement of an endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cloudlink_sandbox.aws.customer_gateways import find_customer_gateway
from cloudlink_sandbox.aws.ec2_base import Ec2Base
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.objects import Tunnel, VpnConnection
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.timeline import as_datetime
from cloudlink_sandbox.aws.tunnel_options import TunnelOptions, changed
from cloudlink_sandbox.aws.vpn_connections import (
    amazon_asn_of,
    asn_conflict,
    check_log_groups,
    checked_bandwidth,
    connection_json,
    find_connection,
    inside_in_use,
)
from cloudlink_sandbox.aws.vpn_gateways import find_vpn_gateway


def _changeable(call: Ec2Base) -> VpnConnection:
    """Raises ApiError InvalidVpnConnection.InvalidState while another change is going on: one at a time."""
    connection = find_connection(call, call.given("VpnConnectionId"))
    state = connection.life.at(call.now)
    if state != "available":
        raise ApiError(
            "InvalidVpnConnection.InvalidState", f"The VPN connection {connection.id} is {state}, not available."
        )
    return connection


def _tunnel_of(call: Ec2Base, connection: VpnConnection) -> Tunnel:
    wanted = call.given("VpnTunnelOutsideIpAddress")
    for tunnel in connection.tunnels:
        if str(tunnel.options.outside) == wanted:
            return tunnel
    raise ApiError(
        "InvalidParameterValue", f"The tunnel outside IP address {wanted} is none of {connection.id}'s tunnels."
    )


def _replace(call: Ec2Base, connection: VpnConnection, changes: Iterable[tuple[Tunnel, TunnelOptions]]) -> None:
    """Take endpoints away for a while; what they become takes effect at the end, unless the change fails."""
    outcome = call.outcome()
    seconds = call.sample("aws.vpn.modify", str(connection.tunnels[0].options.inside))
    end = connection.life.transition(call.now, "modifying", seconds, ends=outcome, good="available", bad="available")
    for tunnel, options in changes:
        tunnel.away_until = end
        tunnel.next = options if outcome == "succeeds" else tunnel.options
        tunnel.changed_at = call.now


def modify_vpn_tunnel_options(call: Ec2Base) -> Plain:
    """That tunnel is down for minutes, the other keeps working."""
    connection = _changeable(call)
    tunnel = _tunnel_of(call, connection)
    asked: dict[str, Any] = call.given("TunnelOptions") or {}
    if call.given("SkipTunnelReplacement") or call.given("PreSharedKeyStorage"):
        raise ApiError(
            "InvalidParameterValue",
            "SkipTunnelReplacement and PreSharedKeyStorage are not supported here (the sandbox does not model them).",
        )
    if not any(v not in (None, [], {}) for v in asked.values()):
        raise ApiError("InvalidParameterValue", "At least one tunnel option must be given.")
    options = changed(tunnel.options, asked)
    check_log_groups(call, asked)
    others = inside_in_use(call, connection.vpn_gateway_id, besides=connection.id) | {
        t.options.inside for t in connection.tunnels if t is not tunnel
    }
    if options.inside in others:
        raise ApiError("InvalidCidr.InUse", f"The tunnel inside CIDR {options.inside} is in use already.")
    call.dry_run()
    _replace(call, connection, [(tunnel, options)])
    if connection.secret_arn:
        call.cloud.secrets.keep_keys(call.region, connection)
    return Plain({"VpnConnection": connection_json(call, connection, call.now)})


def modify_vpn_connection(call: Ec2Base) -> Plain:
    """Another customer gateway or another gateway on AWS's side; both tunnels are down meanwhile."""
    connection = _changeable(call)
    customer_id, vgw_id, tgw_id = (
        call.given("CustomerGatewayId"),
        call.given("VpnGatewayId"),
        call.given("TransitGatewayId"),
    )
    if sum(map(bool, (customer_id, vgw_id, tgw_id))) != 1:
        raise ApiError("InvalidParameterCombination", "Give one of customerGatewayId, vpnGatewayId, transitGatewayId.")
    if tgw_id or connection.transit_gateway_id:
        raise ApiError("InvalidParameterValue", "Moving to or from a transit gateway is not modelled by the sandbox.")
    if customer_id:
        theirs, ours = find_customer_gateway(call, customer_id).asn, amazon_asn_of(call, connection)
    else:
        ours = find_vpn_gateway(call, vgw_id).asn
        theirs = call.store.customer_gateways[connection.customer_gateway_id].asn
        clash = inside_in_use(call, vgw_id, besides=connection.id) & {t.options.inside for t in connection.tunnels}
        if clash:
            raise ApiError("InvalidCidr.InUse", f"The tunnel inside CIDR {min(clash)} is in use already.")
    if not connection.static and theirs == ours:
        raise asn_conflict()
    call.dry_run()
    _replace(call, connection, [(t, t.options) for t in connection.tunnels])
    if all(t.next is not None for t in connection.tunnels):
        connection.next_gateways = (
            customer_id or connection.customer_gateway_id,
            vgw_id or connection.vpn_gateway_id,
            None,
        )
    return Plain({"VpnConnection": connection_json(call, connection, call.now)})


def modify_vpn_connection_options(call: Ec2Base) -> Plain:
    """The traffic selectors of the whole connection, or the bandwidth of its tunnels; both are down meanwhile."""
    connection = _changeable(call)
    local, remote = call.given("LocalIpv4NetworkCidr"), call.given("RemoteIpv4NetworkCidr")
    asked = call.given("TunnelBandwidth")
    if not local and not remote and not asked:
        raise ApiError("InvalidParameterValue", "Give localIpv4NetworkCidr, remoteIpv4NetworkCidr or tunnelBandwidth.")
    bandwidth = checked_bandwidth(asked or connection.bandwidth, transit=bool(connection.transit_gateway_id))
    call.dry_run()
    connection.local_cidr = local or connection.local_cidr
    connection.remote_cidr = remote or connection.remote_cidr
    connection.bandwidth = bandwidth
    _replace(call, connection, [(t, t.options) for t in connection.tunnels])
    return Plain({"VpnConnection": connection_json(call, connection, call.now)})


def replace_vpn_tunnel(call: Ec2Base) -> Plain:
    connection = _changeable(call)
    tunnel = _tunnel_of(call, connection)
    call.dry_run()
    _replace(call, connection, [(tunnel, tunnel.options)])
    return Plain({"Return": True})


def get_vpn_tunnel_replacement_status(call: Ec2Base) -> Plain:
    connection = find_connection(call, call.given("VpnConnectionId"))
    tunnel = _tunnel_of(call, connection)
    details: dict[str, Any] = {"PendingMaintenance": "NONE"}
    if tunnel.replaced_at is not None:
        details["LastMaintenanceApplied"] = as_datetime(tunnel.replaced_at)
    return Plain(
        {
            "VpnConnectionId": connection.id,
            "TransitGatewayId": connection.transit_gateway_id,
            "CustomerGatewayId": connection.customer_gateway_id,
            "VpnGatewayId": connection.vpn_gateway_id,
            "VpnTunnelOutsideIpAddress": str(tunnel.options.outside),
            "MaintenanceDetails": details,
        }
    )


def get_active_vpn_tunnel_status(call: Ec2Base) -> Plain:
    """What was negotiated, as far as this side's lists leave one possibility."""
    connection = find_connection(call, call.given("VpnConnectionId"))
    tunnel = _tunnel_of(call, connection)
    call.dry_run()
    if not connection.ready(tunnel, call.now):
        return Plain({"ActiveVpnTunnelStatus": {"ProvisioningStatus": "pending"}})
    status: dict[str, Any] = {"ProvisioningStatus": "available"}
    if call.world.aws_telemetry(connection.id, tunnel.options.outside).up:
        o = tunnel.options
        for name, values in (
            ("Phase1EncryptionAlgorithm", o.phase1_encryption),
            ("Phase2EncryptionAlgorithm", o.phase2_encryption),
            ("Phase1IntegrityAlgorithm", o.phase1_integrity),
            ("Phase2IntegrityAlgorithm", o.phase2_integrity),
            ("Phase1DHGroup", o.phase1_groups),
            ("Phase2DHGroup", o.phase2_groups),
            ("IkeVersion", o.ike_versions),
        ):
            if len(values) == 1:
                status[name] = values[0]
    return Plain({"ActiveVpnTunnelStatus": status})
