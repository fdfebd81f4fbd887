"""VNets with their subnets and peerings, route tables and public IPs, in frozen facts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network

from cloudlink.clouds.azure.parse_pieces import (
    Json,
    as_list,
    as_map,
    id_of,
    last,
    named,
    properties,
    ranges,
    region,
    texts,
)
from cloudlink.clouds.malformed import parsing

GATEWAY_SUBNET = "GatewaySubnet"  # the only name that Azure accepts for a gateway's subnet


@dataclass(frozen=True)
class Subnet:
    id: str
    name: str
    prefixes: tuple[IPv4Network, ...] = ()
    route_table_id: str = ""
    security_group_id: str = ""
    nat_gateway_id: str = ""
    delegations: tuple[str, ...] = ()
    users: tuple[str, ...] = ()  # ids of the ipConfigurations in it
    state: str = ""  # provisioningState


@dataclass(frozen=True)
class Peering:
    id: str
    name: str
    vnet_id: str  # whose half it is
    remote_id: str
    state: str = "Connected"  # Initiated, Connected, Disconnected
    sync: str = "FullyInSync"
    lends_gateway: bool = False  # allowGatewayTransit
    uses_gateway: bool = False  # useRemoteGateways
    access: bool = True  # allowVirtualNetworkAccess
    seen_ranges: tuple[IPv4Network, ...] = ()  # the other side's as they were when it was peered
    remote_ranges: tuple[IPv4Network, ...] = ()  # as they are now
    # Names of the subnets that alone are peered; None: all are.
    # https://learn.microsoft.com/azure/virtual-network/how-to-configure-subnet-peering
    own_subnets: frozenset[str] | None = None
    remote_subnets: frozenset[str] | None = None

    @property
    def connected(self) -> bool:
        return self.state.lower() == "connected"

    @property
    def of_virtual_wan(self) -> bool:
        """Whether it joins a hub of Virtual WAN, whose VNet is Microsoft's own: nobody can change it by itself.

        https://learn.microsoft.com/azure/virtual-wan/virtual-wan-faq
        """
        return self.name.startswith("RemoteVnetToHubPeering_") or last(self.remote_id).startswith("HV_")

    @property
    def of_network_manager(self) -> bool:
        """Whether Azure Virtual Network Manager keeps it: it puts back what is changed by hand.

        https://learn.microsoft.com/azure/virtual-network-manager/concept-connectivity-configuration
        """
        return self.name.startswith("ANM_")


@dataclass(frozen=True)
class Vnet:
    id: str
    name: str
    location: str = ""
    prefixes: tuple[IPv4Network, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    peerings: tuple[Peering, ...] = ()
    dns_servers: tuple[str, ...] = ()
    state: str = ""  # provisioningState

    def is_at(self, id_: str) -> bool:
        return id_.lower() == self.id.lower() if self.id else last(id_).lower() == self.name.lower()

    def subnet(self, name_or_id: str) -> Subnet | None:
        """An id that names another VNet is not searched for here."""
        wanted = name_or_id.lower()
        return next((s for s in self.subnets if wanted in (s.name.lower(), s.id.lower())), None)

    def peering_with(self, vnet_id: str) -> Peering | None:
        return next((p for p in self.peerings if p.remote_id.lower() == vnet_id.lower()), None)


@dataclass(frozen=True)
class Route:
    name: str
    prefix: str  # a range, or the name of a service
    next_hop: str  # VirtualAppliance, Internet, VirtualNetworkGateway, VnetLocal, None
    address: str = ""  # of the appliance
    beats_bgp: bool = False  # against routes that BGP teaches, also more specific ones

    @property
    def range(self) -> IPv4Network | None:
        try:
            return IPv4Network(self.prefix)
        except ValueError:
            return None


@dataclass(frozen=True)
class RouteTable:
    id: str
    name: str
    propagates: bool = True  # the gateway's routes, too
    routes: tuple[Route, ...] = ()


@parsing("Azure's networks")
def vnet(raw: Json) -> Vnet:
    held, id_ = properties(raw), str(raw.get("id") or "")
    return Vnet(
        id=id_,
        name=str(raw.get("name") or last(id_)),
        location=str(raw.get("location") or ""),
        prefixes=ranges(as_map(held.get("addressSpace")).get("addressPrefixes")),
        subnets=tuple(map(subnet, as_list(held.get("subnets")))),
        peerings=tuple(peering(p, id_) for p in as_list(held.get("virtualNetworkPeerings"))),
        dns_servers=texts(as_map(held.get("dhcpOptions")).get("dnsServers")),
        state=str(held.get("provisioningState") or ""),
    )


def subnet(raw: Json) -> Subnet:
    held = properties(raw)
    return Subnet(
        id=str(raw.get("id") or ""),
        name=str(raw.get("name") or ""),
        prefixes=ranges(held.get("addressPrefixes") or [held.get("addressPrefix")]),
        route_table_id=id_of(held.get("routeTable")),
        security_group_id=id_of(held.get("networkSecurityGroup")),
        nat_gateway_id=id_of(held.get("natGateway")),
        delegations=tuple(
            str(as_map(d.get("properties")).get("serviceName") or d.get("name"))
            for d in as_list(held.get("delegations"))
        ),
        users=tuple(id_of(c) for c in as_list(held.get("ipConfigurations"))),
        state=str(held.get("provisioningState") or ""),
    )


def peering(raw: Json, vnet_id: str) -> Peering:
    """vnet_id: of the VNet that shows it, for answers that leave out the peering's own id."""
    held = properties(raw)
    id_ = str(raw.get("id") or "")
    seen = ranges(as_map(held.get("remoteAddressSpace")).get("addressPrefixes"))
    now = ranges(as_map(held.get("remoteVirtualNetworkAddressSpace")).get("addressPrefixes"))
    own, theirs = (
        None if held.get("peerCompleteVnets") is not False else frozenset(t.lower() for t in texts(held.get(key)))
        for key in ("localSubnetNames", "remoteSubnetNames")
    )
    return Peering(
        id=id_,
        name=str(raw.get("name") or last(id_)),
        vnet_id=id_.partition("/virtualNetworkPeerings/")[0] or vnet_id,
        remote_id=id_of(held.get("remoteVirtualNetwork")),
        state=str(held.get("peeringState") or ""),
        sync=str(held.get("peeringSyncLevel") or ""),
        lends_gateway=bool(held.get("allowGatewayTransit")),
        uses_gateway=bool(held.get("useRemoteGateways")),
        access=held.get("allowVirtualNetworkAccess") is not False,
        seen_ranges=seen or now,
        remote_ranges=now or seen,
        own_subnets=own,
        remote_subnets=theirs,
    )


# What a subnet or a VNet may refer to: a write that names it needs this one's ``join`` as well, where it is, which is often the
# group that AKS made. https://learn.microsoft.com/azure/virtual-network/virtual-network-manage-subnet#permissions
_JOINED_BY_SUBNET = {
    "networkSecurityGroup": "networkSecurityGroups",
    "routeTable": "routeTables",
    "natGateway": "natGateways",
}


@parsing("Azure's networks")
def joined(raw: Json | None, subnet: str = "") -> tuple[tuple[str, str], ...]:
    """Kind and id of each object that a VNet and its subnets refer to, when it is written back as it is. subnet: of this one
    alone, by its name."""
    held = properties(raw)
    subnets = as_list(held.get("subnets"))
    found = [] if subnet else [("ddosProtectionPlans", id_of(held.get("ddosProtectionPlan")))]
    for one in [s for s in (named(subnets, subnet),) if s] if subnet else subnets:
        of = properties(one)
        found += [(kind, id_of(of.get(key))) for key, kind in _JOINED_BY_SUBNET.items()]
        found += [
            ("serviceEndpointPolicies", str(p.get("id") or "")) for p in as_list(of.get("serviceEndpointPolicies"))
        ]
    return tuple(dict.fromkeys((kind, id_) for kind, id_ in found if id_))


@parsing("Azure's subnets")
def gateway_subnet(raw: Json | None) -> Subnet | None:
    """The gateway's, of a VNet; None: there is none."""
    found = named(as_list(properties(raw).get("subnets")), GATEWAY_SUBNET)
    if found is None:
        return None
    prefixes = subnet(found).prefixes
    if not prefixes:
        raise LookupError(f"{GATEWAY_SUBNET} has no IPv4 range")
    return replace(subnet(found), id=str(found["id"]))


@parsing("Azure's networks")
def route_table(raw: Json) -> RouteTable:
    held = properties(raw)
    id_ = str(raw.get("id") or "")
    return RouteTable(
        id=id_,
        name=str(raw.get("name") or last(id_)),
        propagates=not held.get("disableBgpRoutePropagation"),
        routes=tuple(map(_route, as_list(held.get("routes")))),
    )


def _route(raw: Json) -> Route:
    held = properties(raw)
    return Route(
        name=str(raw.get("name") or ""),
        prefix=str(held.get("addressPrefix") or ""),
        next_hop=str(held.get("nextHopType") or ""),
        address=str(held.get("nextHopIpAddress") or ""),
        beats_bgp=held.get("hasBgpOverride") is True,
    )


@dataclass(frozen=True)
class PublicIp:
    id: str
    location: str
    sku: str
    allocation: str  # Static, Dynamic
    zones: tuple[str, ...]
    address: IPv4Address | None  # None: Azure has not given one yet


@parsing("Azure's public IPs")
def public_ip(raw: Json) -> PublicIp:
    held = properties(raw)
    address = held.get("ipAddress")
    return PublicIp(
        id=str(raw["id"]),
        location=region(raw.get("location")),
        sku=str(as_map(raw.get("sku")).get("name") or ""),
        allocation=str(held.get("publicIPAllocationMethod") or ""),
        zones=tuple(sorted(texts(raw.get("zones")))),
        address=IPv4Address(address) if address else None,
    )
