"""What both clouds say about the tunnels, and which of it belongs to one tunnel.

A tunnel is known by its inside range and its outside address, never by its place in a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from cloudlink.clouds.aws import parse_connections
from cloudlink.clouds.aws.parse_gateways import CustomerGateway, VpnGateway
from cloudlink.clouds.azure.parse_connection import Connection, LocalGateway
from cloudlink.clouds.azure.parse_gateway import BgpPeer, Gateway, GatewayAddresses
from cloudlink.ipsec import ANY_RANGE
from cloudlink.link import Link, Tunnel


@dataclass(frozen=True)
class AwsFacts:
    connections: tuple[parse_connections.Connection, ...] = ()  # all of the region
    customer_gateways: tuple[CustomerGateway, ...] = ()
    gateways: tuple[VpnGateway, ...] = ()
    ids: frozenset[str] = frozenset()  # VPN connections that are ours although their tags are gone (from the receipts)
    unseen: str = ""  # why they could not be read


@dataclass(frozen=True)
class AzureFacts:
    gateway: Gateway | None = None
    connections: Mapping[int, Connection] = field(default_factory=dict)  # by tunnel index
    local_gateways: tuple[LocalGateway, ...] = ()
    bgp: tuple[BgpPeer, ...] | None = None  # None: not asked (it takes ten seconds)
    unseen: str = ""  # why the others could not be read


@dataclass(frozen=True)
class Ends:
    """What belongs to one tunnel on both sides, as far as it exists."""

    tunnel: Tunnel
    vpn: parse_connections.Connection | None
    option: parse_connections.Tunnel | None  # its tunnel
    customer_gateway: CustomerGateway | None
    vpn_gateway: VpnGateway | None
    connection: Connection | None
    local_gateway: LocalGateway | None
    gateway: Gateway | None

    @property
    def instance(self) -> GatewayAddresses | None:
        """The instance of Azure's gateway that the tunnel should end on: the one that has its inside address."""
        instances = self.gateway.addresses if self.gateway else ()
        return next((i for i in instances if self.tunnel.azure_inside in i.custom), None)


def ends_of(link: Link, tunnel: Tunnel, aws: AwsFacts, azure: AzureFacts) -> Ends:
    vpn, option = _aws_tunnel(link, tunnel, aws)
    connection = azure.connections.get(tunnel.index)
    return Ends(
        tunnel=tunnel,
        vpn=vpn,
        option=option,
        customer_gateway=_by_id(aws.customer_gateways, vpn.customer_gateway) if vpn else None,
        vpn_gateway=_by_id(aws.gateways, vpn.gateway) if vpn else None,
        connection=connection,
        local_gateway=_local_gateway(azure, connection),
        gateway=azure.gateway,
    )


def narrowed(vpn: parse_connections.Connection) -> str:
    """A route-based gateway asks for all addresses, so that both sides agree on nothing less; BGP's own are inside."""
    ranges = {"Azure's": vpn.azure_range, "AWS's": vpn.aws_range}
    said = " and ".join(f"{text} on {side} side" for side, text in ranges.items() if text != ANY_RANGE)
    return f"AWS's VPN connection is narrowed to {said}" if said else ""


def _aws_tunnel(
    link: Link, tunnel: Tunnel, aws: AwsFacts
) -> tuple[parse_connections.Connection | None, parse_connections.Tunnel | None]:
    """Our VPN connection and its tunnel; the tunnel is None when the connection has none with that inside range."""
    wanted = f"aws_vpn.connection[{tunnel.vpn}]"
    ours = None
    for vpn in aws.connections:
        if vpn.link != link.name and vpn.id not in aws.ids:
            continue
        for option in vpn.tunnels:
            if option.inside == tunnel.inside:
                return vpn, option
        if vpn.resource == wanted:
            ours = vpn
    return ours, None


def _local_gateway(azure: AzureFacts, connection: Connection | None) -> LocalGateway | None:
    wanted = connection.local_gateway if connection else ""
    return next((g for g in azure.local_gateways if g.id.lower() == wanted), None)


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


_IdentifiedT = TypeVar("_IdentifiedT", bound=_Identified)


def _by_id(items: Iterable[_IdentifiedT], id_: str) -> _IdentifiedT | None:
    return next((i for i in items if id_ and i.id == id_), None)
