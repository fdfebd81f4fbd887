"""Gateways in a VNet, and what they say of BGP, in frozen facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from cloudlink.clouds.azure.parse_pieces import Json, addresses, as_list, as_map, id_of, last, properties, region
from cloudlink.clouds.malformed import parsing

AZURE_OWN_ASN = 65_515  # of Route Servers and of ExpressRoute gateways


@dataclass(frozen=True)
class Neighbour:
    """Another gateway in our VNet: ExpressRoute's, or a Route Server."""

    id: str
    kind: str  # ExpressRoute, RouteServer
    asn: int = AZURE_OWN_ASN

    @property
    def name(self) -> str:
        return last(self.id)


@parsing("Azure's gateways")
def neighbour_gateway(raw: Json) -> Neighbour | None:
    """None for anything but a gateway of ExpressRoute."""
    held = properties(raw)
    if str(held.get("gatewayType") or "").lower() != "expressroute":
        return None
    asn = as_map(held.get("bgpSettings")).get("asn")
    return Neighbour(str(raw.get("id") or ""), "ExpressRoute", int(asn) if asn else AZURE_OWN_ASN)


@parsing("Azure's gateways")
def route_server(raw: Json) -> Neighbour:
    """A virtual hub of the kind RouteServer."""
    asn = properties(raw).get("virtualRouterAsn")
    return Neighbour(str(raw.get("id") or ""), "RouteServer", int(asn) if asn else AZURE_OWN_ASN)


# --- the link's own VPN gateway ---------------------------------------------------------------------------


@dataclass(frozen=True)
class GatewayConfig:
    """An ipConfiguration of a gateway. The ids of what it refers to are in lower case."""

    id: str
    name: str
    public_ip: str
    subnet: str

    @property
    def key(self) -> str:
        return self.id.lower()


@dataclass(frozen=True)
class GatewayAddresses:
    """What one instance of a gateway is called by."""

    config: str  # id of the ipConfiguration, in lower case
    custom: tuple[IPv4Address, ...] = ()  # inside addresses that we chose
    default: tuple[IPv4Address, ...] = ()  # Azure's own, in GatewaySubnet
    public: tuple[IPv4Address, ...] = ()  # those that it tunnels with


@dataclass(frozen=True)
class Gateway:
    id: str
    location: str = ""
    state: str = ""
    type: str = ""  # Vpn, ExpressRoute
    routing: str = ""  # RouteBased, PolicyBased
    sku: str = ""
    generation: str = ""  # Generation1, Generation2; empty or None: Azure does not say
    active_active: bool = False
    bgp: bool = False
    asn: int | None = None
    configs: tuple[GatewayConfig, ...] = ()
    addresses: tuple[GatewayAddresses, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    has_radius: bool = False  # point-to-site users sign in by a RADIUS server, whose secret is never shown
    etag: str = ""

    def config(self, key: str) -> GatewayConfig | None:
        """By its id in lower case."""
        return next((c for c in self.configs if c.key == key), None)

    @property
    def instances(self) -> tuple[GatewayAddresses, ...]:
        """What speaks BGP, in the order of the public addresses: two where it is active-active, else one. A third
        ipConfiguration serves point-to-site alone. Empty: Azure does not say yet, or not clearly.

        Assumption: an ipConfiguration of point-to-site has no BGP address of its own.
        """
        found = [a for a in self.addresses if a.default and a.public and self.config(a.config)]
        found.sort(key=lambda a: a.public[0])
        return tuple(found) if len(found) == (2 if self.active_active else 1) else ()

    def addresses_of(self, key: str) -> GatewayAddresses:
        """Of the instance with this ipConfiguration; empty ones where Azure says none."""
        return next((a for a in self.addresses if a.config == key), GatewayAddresses(key))


@parsing("Azure's gateways")
def gateway(raw: Json) -> Gateway:
    held = properties(raw)
    bgp, clients = as_map(held.get("bgpSettings")), as_map(held.get("vpnClientConfiguration"))
    asn = bgp.get("asn")
    return Gateway(
        id=str(raw["id"]),
        location=region(raw.get("location")),
        state=str(held.get("provisioningState") or ""),
        type=str(held.get("gatewayType") or ""),
        routing=str(held.get("vpnType") or ""),
        sku=str(as_map(held.get("sku")).get("name") or ""),
        generation=str(held.get("vpnGatewayGeneration") or ""),
        active_active=bool(held.get("activeActive")),
        bgp=bool(held.get("enableBgp")),
        asn=None if asn is None else int(asn),
        configs=tuple(map(_config, as_list(held.get("ipConfigurations")))),
        addresses=tuple(map(_addresses, as_list(bgp.get("bgpPeeringAddresses")))),
        tags={str(k): str(v) for k, v in as_map(raw.get("tags")).items()},
        has_radius=bool(clients.get("radiusServerAddress") or clients.get("radiusServers")),
        etag=str(raw.get("etag") or ""),
    )


def _config(raw: Json) -> GatewayConfig:
    held, id_ = properties(raw), id_of(raw)
    return GatewayConfig(
        id=id_,
        name=str(raw.get("name") or last(id_)),
        public_ip=id_of(held.get("publicIPAddress")).lower(),
        subnet=id_of(held.get("subnet")).lower(),
    )


def _addresses(raw: Json) -> GatewayAddresses:
    """Gateways write ipconfigurationId, connections ipConfigurationId."""
    return GatewayAddresses(
        config=str(raw.get("ipconfigurationId") or "").lower(),
        custom=addresses(raw.get("customBgpIpAddresses")),
        default=addresses(raw.get("defaultBgpIpAddresses")),
        public=addresses(raw.get("tunnelIpAddresses")),
    )


@dataclass(frozen=True)
class GatewayConnection:
    """A connection on the gateway, ours or another's, as lists show it."""

    id: str
    name: str
    custom: tuple[IPv4Address, ...] = ()  # inside addresses of the gateway that it uses


@parsing("Azure's connections")
def gateway_connections(raw: Iterable[Json]) -> tuple[GatewayConnection, ...]:
    return tuple(map(_gateway_connection, raw))


def _gateway_connection(raw: Json) -> GatewayConnection:
    entries = as_list(properties(raw).get("gatewayCustomBgpIpAddresses"))
    custom = addresses([e.get("customBgpIpAddress") for e in entries if e.get("customBgpIpAddress")])
    return GatewayConnection(str(raw["id"]), str(raw["name"]), custom)


# --- BGP ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BgpPeer:
    """A neighbour of one instance."""

    local: str
    neighbor: str
    state: str
    routes: int  # that it has sent
    seconds: float | None  # since it is connected; None: it is not


@parsing("Azure's connections")
def far_gateways(raw: Iterable[Json]) -> tuple[str, ...]:
    """Ids of the local network gateways that a gateway is connected with."""
    return tuple(far for c in raw if (far := id_of(properties(c).get("localNetworkGateway2"))))


@dataclass(frozen=True)
class LearnedRoute:
    network: str
    next_hop: str
    source: str  # the neighbour that it comes from
    origin: str  # Network, EBgp, IBgp


@parsing("Azure's BGP peers")
def bgp_peers(raw: Iterable[Json]) -> tuple[BgpPeer, ...]:
    return tuple(
        BgpPeer(
            local=str(r.get("localAddress") or ""),
            neighbor=str(r.get("neighbor") or ""),
            state=str(r.get("state") or "Unknown"),
            routes=int(r.get("routesReceived") or 0),
            seconds=timespan(r.get("connectedDuration")),
        )
        for r in raw
    )


@parsing("Azure's learned routes")
def learned_routes(raw: Iterable[Json]) -> tuple[LearnedRoute, ...]:
    """IPv4 only: a gateway of a dual-stack VNet learns IPv6 beside it."""
    return tuple(
        LearnedRoute(
            network=str(r.get("network") or ""),
            next_hop=str(r.get("nextHop") or ""),
            source=str(r.get("sourcePeer") or ""),
            origin=str(r.get("origin") or ""),
        )
        for r in raw
        if ":" not in str(r.get("network") or "")
    )


def timespan(text: object) -> float | None:
    """Seconds of a .NET TimeSpan such as ``3.03:14:13.1796961``; None for anything else."""
    if not isinstance(text, str) or not text:
        return None
    days, clock = "0", text
    if "." in text.partition(":")[0]:
        days, _, clock = text.partition(".")
    try:
        hours, minutes, seconds = clock.split(":")
        return int(days) * 86_400 + int(hours) * 3_600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None
