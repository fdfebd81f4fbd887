"""What AWS keeps beside moto: gateways, VPN connections, transit gateways, EKS clusters, load balancers. Plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cloudlink_sandbox.aws.timeline import Timeline
from cloudlink_sandbox.aws.tunnel_options import TunnelOptions


@dataclass
class VpnGateway:
    """attachments: VPC id -> its life; a detached one stays listed."""

    id: str
    asn: int
    zone: str | None
    life: Timeline
    born: float
    attachments: dict[str, Timeline] = field(default_factory=dict)

    def attached_to(self, now: float) -> tuple[str, ...]:
        return tuple(vpc for vpc, life in self.attachments.items() if life.at(now) == "attached")

    def held_by(self, now: float) -> tuple[str, ...]:
        """The VPCs that it is attached to, or becoming so, or not yet free of."""
        return tuple(vpc for vpc, life in self.attachments.items() if life.at(now) != "detached")


@dataclass
class CustomerGateway:
    id: str
    ip: IPv4Address
    asn: int
    device: str | None
    life: Timeline
    born: float

    def live(self, now: float) -> bool:
        return self.life.at(now) in ("pending", "available")


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
    bandwidth: str = "standard"  # of each tunnel
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


@dataclass
class TransitGateway:
    """options: as they are answered. default_table: the route table that new attachments are put into."""

    id: str
    description: str
    options: dict[str, Any]
    life: Timeline
    born: float
    default_table: str = ""
    owner: str | None = None  # number of another account that shares it

    @property
    def asn(self) -> int:
        return int(self.options["AmazonSideAsn"])

    def uses_default(self, what: str) -> bool:
        """what: Association or Propagation."""
        return bool(self.options[f"DefaultRouteTable{what}"] == "enable")


@dataclass
class TransitAttachment:
    """kind: vpc or vpn. resource_id: the VPC's or the VPN connection's."""

    id: str
    gateway_id: str
    kind: str
    resource_id: str
    born: float
    life: Timeline = field(default_factory=Timeline)
    subnet_ids: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)


@dataclass
class TransitRouteTable:
    """associations, propagations: attachment id -> their life. routes: static ones, to an attachment or, when None, to
    nowhere (a blackhole)."""

    id: str
    gateway_id: str
    is_default: bool
    life: Timeline
    born: float
    associations: dict[str, Timeline] = field(default_factory=dict)
    propagations: dict[str, Timeline] = field(default_factory=dict)
    routes: dict[IPv4Network, str | None] = field(default_factory=dict)


@dataclass
class Cluster:
    name: str
    region: str
    version: str
    vpc_id: str
    subnet_ids: tuple[str, ...]
    security_group_id: str
    service_cidr: IPv4Network
    made: float
    status: str = "ACTIVE"
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Balancer:
    """What is made of a load balancer besides moto's object."""

    arn: str
    dns_name: str
    interfaces: tuple[str, ...]
