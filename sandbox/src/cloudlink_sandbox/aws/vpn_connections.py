"""VPN connections: create, describe, delete, static routes; two tunnels each."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from moto.core.responses import EmptyResult

from cloudlink_sandbox.aws.backend import new_id
from cloudlink_sandbox.aws.customer_gateways import CustomerGateway
from cloudlink_sandbox.aws.ec2_room import Ec2Room
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.filters import chosen
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.timeline import Timeline, as_datetime
from cloudlink_sandbox.aws.tunnel_options import TunnelOptions, changed, checked_inside, new_key
from cloudlink_sandbox.aws.vpn_configuration import Ends, document

LIMIT = 50
LIMIT_PER_GATEWAY = 10


@dataclass
class Tunnel:
    """away_until: the endpoint is being replaced until then. next: what it will be from that moment on."""

    options: TunnelOptions
    changed_at: float
    away_until: float = -math.inf
    next: TunnelOptions | None = None
    replaced_at: float | None = None


@dataclass
class VpnConnection:
    id: str
    customer_gateway_id: str
    vpn_gateway_id: str | None
    transit_gateway_id: str | None
    static: bool
    tunnels: tuple[Tunnel, Tunnel]
    request: str = field(repr=False)  # the create request in canonical form; identical ones are one connection
    life: Timeline = field(default_factory=Timeline)
    born: float = 0.0
    routes: list[IPv4Network] = field(default_factory=list)
    local_cidr: str = "0.0.0.0/0"
    remote_cidr: str = "0.0.0.0/0"
    secret_arn: str | None = None
    next_gateways: tuple[str, str | None, str | None] | None = None

    def advance(self, now: float) -> None:
        """Let what was decided earlier and is due by now take effect."""
        for tunnel in self.tunnels:
            if tunnel.next is not None and now >= tunnel.away_until:
                tunnel.options, tunnel.next = tunnel.next, None
                tunnel.changed_at = tunnel.replaced_at = tunnel.away_until
        if self.next_gateways is not None and self.life.at(now) == "available":
            self.customer_gateway_id, self.vpn_gateway_id, self.transit_gateway_id = self.next_gateways
            self.next_gateways = None

    def ready(self, tunnel: Tunnel, now: float) -> bool:
        return self.life.at(now) in ("available", "modifying") and now >= tunnel.away_until


def asn_conflict() -> ApiError:
    return ApiError(
        "AsnConflict", "The ASN of the specified customer gateway and virtual private gateway are the same."
    )


class VpnConnectionAnswers(Ec2Room):
    def _connection(self, connection_id: str) -> VpnConnection:
        """Raises ApiError for an id that is malformed, unknown or deleted."""
        self.well_formed(connection_id, "vpn", "InvalidVpnConnectionID")
        connection = self.store.vpn_connections.get(connection_id)
        if connection is None or connection.life.at(self.now) == "deleted":
            raise ApiError("InvalidVpnConnectionID.NotFound", f"The vpnConnection ID '{connection_id}' does not exist")
        return connection

    def _amazon_asn(self, connection: VpnConnection) -> int:
        if connection.vpn_gateway_id:
            return self.store.vpn_gateways[connection.vpn_gateway_id].asn
        return self.store.transit_gateways[connection.transit_gateway_id or ""].asn

    def _connection_json(self, connection: VpnConnection, moment: float, *, created: bool = False) -> dict[str, Any]:
        state = connection.life.at(moment)
        with_key = connection.secret_arn is None
        gateway: CustomerGateway = self.store.customer_gateways[connection.customer_gateway_id]
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
                "TunnelOptions": [o.json(with_key=with_key) for o in options],
            },
            "Routes": [
                {"DestinationCidrBlock": str(r), "Source": "Static", "State": "available"} for r in connection.routes
            ],
            "Tags": self.store.tag_list_of(connection.id),
        }
        if state in ("pending", "available", "modifying"):
            ends = Ends(
                connection.id,
                connection.customer_gateway_id,
                connection.vpn_gateway_id or connection.transit_gateway_id or "",
                gateway.ip,
                gateway.asn,
                self._amazon_asn(connection),
                connection.static,
            )
            answer["CustomerGatewayConfiguration"] = document(ends, options, with_key=with_key)
        elif state == "deleted":
            answer["CustomerGatewayConfiguration"] = ""
        if not created and state != "deleted":
            answer["VgwTelemetry"] = [self._telemetry(connection, t, state) for t in connection.tunnels]
        return answer

    def _telemetry(self, connection: VpnConnection, tunnel: Tunnel, state: str) -> dict[str, Any]:
        outside = tunnel.options.outside
        if state == "pending":
            return {
                "AcceptedRouteCount": 0,
                "LastStatusChange": as_datetime(connection.born),
                "OutsideIpAddress": str(outside),
                "Status": "DOWN",
                "StatusMessage": "",
            }
        seen = self.world.aws_telemetry(connection.id, outside)
        return {
            "AcceptedRouteCount": seen.routes,
            "LastStatusChange": as_datetime(seen.since),
            "OutsideIpAddress": str(outside),
            "Status": "UP" if seen.up else "DOWN",
            "StatusMessage": seen.message,
        }

    def _inside_in_use(self, gateway_id: str | None, besides: str = "") -> set[IPv4Network]:
        """Of all connections of this gateway that are not deleted; a transit gateway's tunnels are not compared."""
        return {
            options.inside
            for c in self.store.vpn_connections.values()
            if gateway_id and c.vpn_gateway_id == gateway_id and c.id != besides
            if c.life.at(self.now) != "deleted"
            for t in c.tunnels
            for options in (t.options, t.next)
            if options is not None
        }

    def _free_inside(self, used: set[IPv4Network]) -> IPv4Network:
        for number in range(6 * 64, 2**14):
            candidate = IPv4Network((int(IPv4Address("169.254.0.0")) + number * 4, 30))
            if candidate not in used and str(candidate) != "169.254.169.252/30":
                return candidate
        raise ApiError("InsufficientCidrBlocks", "There are no free tunnel inside CIDRs.")

    def create_vpn_connection(self) -> Plain:
        """An identical request gives back the existing connection; one that differs in its options makes another.

        Assumption: AWS compares the options as well; its documentation only says that the operation is idempotent.
        """
        if self.given("Type") != "ipsec.1":
            raise ApiError("InvalidParameterValue", f"Value ({self.given('Type')}) for parameter type is invalid.")
        vgw_id, tgw_id = self.given("VpnGatewayId"), self.given("TransitGatewayId")
        if self.given("VpnConcentratorId"):
            raise ApiError(
                "InvalidParameterValue", "VpnConcentratorId is not supported (the sandbox does not model it)."
            )
        if vgw_id and tgw_id:
            raise ApiError(
                "InvalidParameterCombination",
                "The request must not contain both parameter vpnGatewayId and transitGatewayId",
            )
        if not vgw_id and not tgw_id:
            raise ApiError(
                "MissingParameter", "The request must contain the parameter vpnGatewayId or transitGatewayId"
            )
        customer = self._customer_gateway(self.given("CustomerGatewayId"))  # type: ignore[attr-defined]
        if vgw_id:
            amazon_asn = self._gateway(vgw_id).asn  # type: ignore[attr-defined]
        else:
            transit = self._ready_transit_gateway(tgw_id)  # type: ignore[attr-defined]
            amazon_asn = transit.asn
        options = self.given("Options") or {}
        self._only_modelled(options)
        static = bool(options.get("StaticRoutesOnly"))
        if not static and amazon_asn == customer.asn:
            raise asn_conflict()
        storage = self.given("PreSharedKeyStorage", "Standard")
        if storage not in ("Standard", "SecretsManager"):
            raise ApiError("InvalidParameterValue", f"Value ({storage}) for parameter preSharedKeyStorage is invalid.")
        asked = list(options.get("TunnelOptions") or [])
        if len(asked) > 2:
            raise ApiError("InvalidParameterValue", "At most two tunnel options may be given.")
        asked += [{}] * (2 - len(asked))
        tags = self.tags_for("vpn-connection")
        request = json.dumps([customer.id, vgw_id, tgw_id, storage, options], sort_keys=True, default=str)
        live = [c for c in self.store.vpn_connections.values() if c.life.at(self.now) in ("pending", "available")]
        for existing in live:
            if existing.request == request:
                self.dry_run()
                return Plain({"VpnConnection": self._connection_json(existing, self.now, created=True)})
        plans = self._plan_tunnels(asked, vgw_id)
        self.dry_run()
        if len(live) >= LIMIT or (vgw_id and sum(c.vpn_gateway_id == vgw_id for c in live) >= LIMIT_PER_GATEWAY):
            raise ApiError("VpnConnectionLimitExceeded", "The maximum number of VPN connections has been reached.")
        first, second = (
            Tunnel(changed(TunnelOptions(inside, new_key(), self.store.next_outside()), plan), self.now)
            for inside, plan in plans
        )
        connection = VpnConnection(
            new_id("vpn"), customer.id, vgw_id, tgw_id, static, (first, second), request, born=self.now
        )
        connection.local_cidr = options.get("LocalIpv4NetworkCidr") or connection.local_cidr
        connection.remote_cidr = options.get("RemoteIpv4NetworkCidr") or connection.remote_cidr
        seconds = self.sample("aws.vpn.create", str(first.options.inside))
        opens = connection.life.transition(
            self.now, "pending", seconds, ends=self.outcome(), good="available", bad="deleted"
        )
        if storage == "SecretsManager":
            connection.secret_arn = self.cloud.secrets.keep_keys(self.region, connection)
        self.store.vpn_connections[connection.id] = connection
        self.keep(connection.id, tags)
        if tgw_id:
            self.attach_vpn(connection.id, transit, opens)  # type: ignore[attr-defined]
        return Plain({"VpnConnection": self._connection_json(connection, self.now, created=True)})

    def _only_modelled(self, options: dict[str, Any]) -> None:
        refused = {
            "EnableAcceleration": True,
            "TunnelInsideIpVersion": "ipv6",
            "OutsideIpAddressType": "PrivateIpv4",
        }
        for name, value in refused.items():
            if options.get(name) == value:
                raise ApiError(
                    "InvalidParameterValue", f"{name} {value} is not supported (the sandbox does not model it)."
                )
        for name in ("LocalIpv6NetworkCidr", "RemoteIpv6NetworkCidr", "TransportTransitGatewayAttachmentId"):
            if options.get(name):
                raise ApiError("InvalidParameterValue", f"{name} is not supported (the sandbox does not model it).")

    def _plan_tunnels(
        self, asked: list[dict[str, Any]], vgw_id: str | None
    ) -> list[tuple[IPv4Network, dict[str, Any]]]:
        """Check both tunnels before either is made. Raises ApiError InvalidCidr.InUse for an inside CIDR used twice."""
        used = self._inside_in_use(vgw_id)
        plans: list[tuple[IPv4Network, dict[str, Any]]] = []
        for plan in asked:
            if plan.get("TunnelInsideCidr"):
                inside = checked_inside(plan["TunnelInsideCidr"])
                if inside in used:
                    raise ApiError("InvalidCidr.InUse", f"The tunnel inside CIDR {inside} is in use already.")
            else:
                inside = self._free_inside(used)
            used = used | {inside}
            changed(TunnelOptions(inside, new_key(), IPv4Address(0)), plan)
            plans.append((inside, plan))
        return plans

    def describe_vpn_connections(self) -> Plain:
        self.dry_run()
        ids, filters = self.given("VpnConnectionIds", []), self.filters()
        for connection_id in ids:
            self.well_formed(connection_id, "vpn", "InvalidVpnConnectionID")
            if connection_id not in self.store.vpn_connections:
                raise ApiError(
                    "InvalidVpnConnectionID.NotFound", f"The vpnConnection ID '{connection_id}' does not exist"
                )
        moment = self.as_of(filters, ids)
        found = chosen(
            [
                c
                for c in self.store.vpn_connections.values()
                if (not ids or c.id in ids) and c.born <= moment and self.seen(c.id)
            ],
            filters,
            {
                "bgp-asn": lambda c: (str(self.store.customer_gateways[c.customer_gateway_id].asn),),
                "customer-gateway-id": lambda c: (c.customer_gateway_id,),
                "option.static-routes-only": lambda c: (str(c.static).lower(),),
                "route.destination-cidr-block": lambda c: tuple(map(str, c.routes)),
                "state": lambda c: (c.life.at(moment),),
                "transit-gateway-id": lambda c: (c.transit_gateway_id,) if c.transit_gateway_id else (),
                "type": lambda _: ("ipsec.1",),
                "vpn-connection-id": lambda c: (c.id,),
                "vpn-gateway-id": lambda c: (c.vpn_gateway_id,) if c.vpn_gateway_id else (),
            },
            lambda c: self.store.tags_of(c.id),
        )
        return Plain({"VpnConnections": [self._connection_json(c, moment) for c in found]})

    def delete_vpn_connection(self) -> EmptyResult:
        connection = self._connection(self.given("VpnConnectionId"))
        self.dry_run()
        if connection.life.at(self.now) != "deleting":
            seconds = self.sample("aws.vpn.delete", str(connection.tunnels[0].options.inside))
            gone = connection.life.transition(
                self.now, "deleting", seconds, ends=self.outcome(), good="deleted", bad="available"
            )
            self.detach_vpn(connection.id, gone)  # type: ignore[attr-defined]
        return EmptyResult()

    def create_vpn_connection_route(self) -> EmptyResult:
        connection = self._connection(self.given("VpnConnectionId"))
        try:
            route = IPv4Network(self.given("DestinationCidrBlock"))
        except ValueError:
            raise ApiError("InvalidParameterValue", "The destination CIDR block is invalid.") from None
        if not connection.static:
            raise ApiError("InvalidParameterValue", f"The VPN connection {connection.id} does not use static routes.")
        if route not in connection.routes:
            connection.routes.append(route)
        return EmptyResult()

    def delete_vpn_connection_route(self) -> EmptyResult:
        connection = self._connection(self.given("VpnConnectionId"))
        route = IPv4Network(self.given("DestinationCidrBlock"))
        if route not in connection.routes:
            raise ApiError("InvalidRoute.NotFound", f"The specified route {route} does not exist.")
        connection.routes.remove(route)
        return EmptyResult()
