"""What joins the two networks at the start, made by somebody else: numbers that both clouds are seeded with.

Each cloud holds its own half in its own form; whether packets pass is for the world to say, from both.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from cloudlink_sandbox.world_file import Wire, WorldFile

GROUP = "contoso-wan"
"""The resource group of its gateway."""
LONG_AGO = 30 * 86_400.0
ROUTER_ASN = 65_200
"""Of the provider's router, at which a circuit of ExpressRoute and a virtual interface of Direct Connect meet."""

_PUBLIC = (IPv4Address("20.31.0.10"), IPv4Address("20.31.0.20"))
_OUTSIDE = tuple(IPv4Address(f"203.0.113.{n}") for n in (1, 2, 3, 4))
# the end of the range that Azure takes, where cloudlink's own links come last
_INSIDE = tuple(IPv4Network(f"169.254.22.{n}/30") for n in (224, 228, 232, 236))


@dataclass(frozen=True)
class WireTunnel:
    """instance: of Azure's gateway, and the number of the VPN connection."""

    instance: int
    outside: IPv4Address
    inside: IPv4Network
    psk: str = field(repr=False)

    @property
    def aws_inside(self) -> IPv4Address:
        return self.inside.network_address + 1

    @property
    def azure_inside(self) -> IPv4Address:
        return self.inside.network_address + 2


@dataclass(frozen=True)
class WirePlan:
    kind: str
    gateway_subnet: IPv4Network
    aws_asn: int = 64_600
    azure_asn: int = 65_100
    public: tuple[IPv4Address, IPv4Address] = _PUBLIC  # of the instances of Azure's VPN gateway
    tunnels: tuple[WireTunnel, ...] = ()

    def tunnels_of(self, instance: int) -> tuple[WireTunnel, ...]:
        return tuple(t for t in self.tunnels if t.instance == instance)


def plan_of(world: WorldFile) -> WirePlan | None:
    """None: nothing joins them."""
    wire, vnet = world.wire, world.azure.vnet
    if wire is None or vnet is None:
        return None
    subnet = wire.gateway_subnet or gateway_subnet(wire, vnet.prefixes)
    tunnels = tuple(
        WireTunnel(n // 2, _OUTSIDE[n], _INSIDE[n], _key(f"{world.azure.subscription}/{world.aws.vpc}/{n}"))
        for n in range(4)
    )
    return WirePlan(wire.kind, subnet, tunnels=tunnels)


def gateway_subnet(wire: Wire, prefixes: tuple[IPv4Network, ...]) -> IPv4Network:
    """The last /27 of the VNet's first range, where none is given."""
    first = prefixes[0]
    size = max(27, first.prefixlen)
    last = int(first.broadcast_address) - 2 ** (32 - size) + 1
    return wire.gateway_subnet or IPv4Network((last, size))


def _key(of: str) -> str:
    """The same for the same world, so that both halves have it; it opens nothing outside the sandbox."""
    return f"W{hashlib.sha256(of.encode()).hexdigest()[:31]}"
