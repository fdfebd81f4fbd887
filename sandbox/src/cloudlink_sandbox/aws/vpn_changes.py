"""What changes an existing VPN connection: options of one tunnel, both gateways, replacement of an endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.timeline import as_datetime
from cloudlink_sandbox.aws.tunnel_options import TunnelOptions, changed
from cloudlink_sandbox.aws.vpn_connections import Tunnel, VpnConnection, VpnConnectionAnswers, asn_conflict


class VpnChangeAnswers(VpnConnectionAnswers):
    def _changeable(self) -> VpnConnection:
        """Raises ApiError InvalidVpnConnection.InvalidState while another change is going on: one at a time."""
        connection = self._connection(self.given("VpnConnectionId"))
        state = connection.life.at(self.now)
        if state != "available":
            raise ApiError(
                "InvalidVpnConnection.InvalidState", f"The VPN connection {connection.id} is {state}, not available."
            )
        return connection

    def _tunnel_of(self, connection: VpnConnection) -> Tunnel:
        wanted = self.given("VpnTunnelOutsideIpAddress")
        for tunnel in connection.tunnels:
            if str(tunnel.options.outside) == wanted:
                return tunnel
        raise ApiError(
            "InvalidParameterValue", f"The tunnel outside IP address {wanted} is none of {connection.id}'s tunnels."
        )

    def _replace(self, connection: VpnConnection, changes: Iterable[tuple[Tunnel, TunnelOptions]]) -> None:
        """Take endpoints away for a while; what they become takes effect at the end, unless the change fails."""
        outcome = self.outcome()
        seconds = self.sample("aws.vpn.modify", str(connection.tunnels[0].options.inside))
        end = connection.life.transition(
            self.now, "modifying", seconds, ends=outcome, good="available", bad="available"
        )
        for tunnel, options in changes:
            tunnel.away_until = end
            tunnel.next = options if outcome == "succeeds" else tunnel.options
            tunnel.changed_at = self.now

    def modify_vpn_tunnel_options(self) -> Plain:
        """That tunnel is down for minutes, the other keeps working."""
        connection = self._changeable()
        tunnel = self._tunnel_of(connection)
        asked: dict[str, Any] = self.given("TunnelOptions") or {}
        if self.given("SkipTunnelReplacement") or self.given("PreSharedKeyStorage"):
            raise ApiError(
                "InvalidParameterValue",
                "SkipTunnelReplacement and PreSharedKeyStorage are not supported here (the sandbox does not model them).",
            )
        if not any(v not in (None, [], {}) for v in asked.values()):
            raise ApiError("InvalidParameterValue", "At least one tunnel option must be given.")
        options = changed(tunnel.options, asked)
        others = self._inside_in_use(connection.vpn_gateway_id, besides=connection.id) | {
            t.options.inside for t in connection.tunnels if t is not tunnel
        }
        if options.inside in others:
            raise ApiError("InvalidCidr.InUse", f"The tunnel inside CIDR {options.inside} is in use already.")
        self.dry_run()
        self._replace(connection, [(tunnel, options)])
        if connection.secret_arn:
            self.cloud.secrets.keep_keys(self.region, connection)
        return Plain({"VpnConnection": self._connection_json(connection, self.now)})

    def modify_vpn_connection(self) -> Plain:
        """Another customer gateway or another gateway on AWS's side; both tunnels are down meanwhile."""
        connection = self._changeable()
        customer_id, vgw_id, tgw_id = (
            self.given("CustomerGatewayId"),
            self.given("VpnGatewayId"),
            self.given("TransitGatewayId"),
        )
        if sum(map(bool, (customer_id, vgw_id, tgw_id))) != 1:
            raise ApiError(
                "InvalidParameterCombination", "Give one of customerGatewayId, vpnGatewayId, transitGatewayId."
            )
        if tgw_id or connection.transit_gateway_id:
            raise ApiError(
                "InvalidParameterValue", "Moving to or from a transit gateway is not modelled by the sandbox."
            )
        if customer_id:
            theirs, ours = self._customer_gateway(customer_id).asn, self._amazon_asn(connection)  # type: ignore[attr-defined]
        else:
            ours = self._gateway(vgw_id).asn  # type: ignore[attr-defined]
            theirs = self.store.customer_gateways[connection.customer_gateway_id].asn
            clash = self._inside_in_use(vgw_id, besides=connection.id) & {t.options.inside for t in connection.tunnels}
            if clash:
                raise ApiError("InvalidCidr.InUse", f"The tunnel inside CIDR {min(clash)} is in use already.")
        if not connection.static and theirs == ours:
            raise asn_conflict()
        self.dry_run()
        self._replace(connection, [(t, t.options) for t in connection.tunnels])
        if all(t.next is not None for t in connection.tunnels):
            connection.next_gateways = (
                customer_id or connection.customer_gateway_id,
                vgw_id or connection.vpn_gateway_id,
                None,
            )
        return Plain({"VpnConnection": self._connection_json(connection, self.now)})

    def modify_vpn_connection_options(self) -> Plain:
        """The traffic selectors of the whole connection; both tunnels are down meanwhile."""
        connection = self._changeable()
        local, remote = self.given("LocalIpv4NetworkCidr"), self.given("RemoteIpv4NetworkCidr")
        if not local and not remote:
            raise ApiError("InvalidParameterValue", "Give localIpv4NetworkCidr or remoteIpv4NetworkCidr.")
        self.dry_run()
        connection.local_cidr = local or connection.local_cidr
        connection.remote_cidr = remote or connection.remote_cidr
        self._replace(connection, [(t, t.options) for t in connection.tunnels])
        return Plain({"VpnConnection": self._connection_json(connection, self.now)})

    def replace_vpn_tunnel(self) -> Plain:
        connection = self._changeable()
        tunnel = self._tunnel_of(connection)
        self.dry_run()
        self._replace(connection, [(tunnel, tunnel.options)])
        return Plain({"Return": True})

    def get_vpn_tunnel_replacement_status(self) -> Plain:
        connection = self._connection(self.given("VpnConnectionId"))
        tunnel = self._tunnel_of(connection)
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

    def get_active_vpn_tunnel_status(self) -> Plain:
        """What was negotiated, as far as this side's lists leave one possibility."""
        connection = self._connection(self.given("VpnConnectionId"))
        tunnel = self._tunnel_of(connection)
        self.dry_run()
        if not connection.ready(tunnel, self.now):
            return Plain({"ActiveVpnTunnelStatus": {"ProvisioningStatus": "pending"}})
        status: dict[str, Any] = {"ProvisioningStatus": "available"}
        if self.world.aws_telemetry(connection.id, tunnel.options.outside).up:
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
