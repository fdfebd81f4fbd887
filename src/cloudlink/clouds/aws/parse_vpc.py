"""What AWS says of a VPC and of what is in it, as frozen facts: nobody else needs AWS's keys for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from cloudlink.clouds import ownership
from cloudlink.errors import CloudError

AwsObject = Mapping[str, Any]

_TARGETS = (
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "NatGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "CoreNetworkArn",
    "GatewayId",
)
_GONE = ("deleted", "deleting")


@dataclass(frozen=True)
class Vpc:
    id: str
    owner: str  # account number; empty: AWS does not say
    ranges: tuple[IPv4Network, ...]
    dedicated: bool = False  # its tenancy


@dataclass(frozen=True)
class Subnet:
    id: str
    zone: str = ""
    network: IPv4Network | None = None
    free_addresses: int | None = None  # None: AWS does not say


@dataclass(frozen=True)
class Route:
    """A static route of a table: not the VPC's own, and not learned from a gateway."""

    destination: IPv4Network
    target: str
    active: bool = True


@dataclass(frozen=True)
class RouteTable:
    id: str
    main: bool = False
    subnets: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True)
class Attachment:
    vpc: str
    state: str


@dataclass(frozen=True)
class VpnGateway:
    id: str
    asn: int
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class VpnConnection:
    id: str
    gateway: str  # virtual private or transit gateway
    insides: tuple[str, ...]
    link: str  # name of the link whose tag it bears


@dataclass(frozen=True)
class LoadBalancer:
    name: str
    arn: str
    vpc: str
    subnets: tuple[str, ...]


@dataclass(frozen=True)
class Cluster:
    vpc: str
    subnets: tuple[str, ...]
    services: IPv4Network | None


@dataclass(frozen=True)
class SecurityGroup:
    id: str
    link: str
    inbound_rules: int  # as AWS counts them: each source of each permission is one


def vpc(found: AwsObject | None) -> Vpc | None:
    if found is None:
        return None
    associated = [
        str(a["CidrBlock"])
        for a in found.get("CidrBlockAssociationSet") or ()
        if (a.get("CidrBlockState") or {}).get("State", "associated") in ("associated", "associating")
    ]
    return Vpc(
        id=str(found.get("VpcId") or ""),
        owner=str(found.get("OwnerId") or ""),
        ranges=_networks(associated or [found.get("CidrBlock")]),
        dedicated=found.get("InstanceTenancy") == "dedicated",
    )


def subnets(found: Iterable[AwsObject]) -> tuple[Subnet, ...]:
    return tuple(
        Subnet(
            id=str(s["SubnetId"]),
            zone=str(s.get("AvailabilityZone") or ""),
            network=next(iter(_networks([s.get("CidrBlock")])), None),
            free_addresses=None if s.get("AvailableIpAddressCount") is None else int(s["AvailableIpAddressCount"]),
        )
        for s in found
    )


def route_tables(found: Iterable[AwsObject]) -> tuple[RouteTable, ...]:
    return tuple(
        RouteTable(
            id=str(t["RouteTableId"]),
            main=any(a.get("Main") for a in t.get("Associations") or ()),
            subnets=tuple(str(a["SubnetId"]) for a in t.get("Associations") or () if a.get("SubnetId")),
            routes=tuple(_static_routes(t)),
        )
        for t in found
    )


def _static_routes(table: AwsObject) -> Iterable[Route]:
    """Routes to a virtual private gateway are left out: a static one leads where the learned one does."""
    for route in table.get("Routes") or ():
        target = next((str(route[key]) for key in _TARGETS if route.get(key)), "")
        if route.get("Origin") == "EnableVgwRoutePropagation" or target == "local" or target.startswith("vgw-"):
            continue
        for destination in _networks([route.get("DestinationCidrBlock")]):
            yield Route(destination, target or "nothing", route.get("State") != "blackhole")


def vpn_gateways(found: Iterable[AwsObject]) -> tuple[VpnGateway, ...]:
    """Those that exist: AWS lists deleted ones for an hour."""
    return tuple(
        VpnGateway(
            id=str(g["VpnGatewayId"]),
            asn=int(g.get("AmazonSideAsn") or 64_512),
            attachments=tuple(
                Attachment(str(a.get("VpcId") or ""), str(a.get("State") or "")) for a in g.get("VpcAttachments") or ()
            ),
        )
        for g in found
        if g.get("State") not in _GONE
    )


def vpn_connections(found: Iterable[AwsObject]) -> tuple[VpnConnection, ...]:
    """Those that exist."""
    return tuple(
        VpnConnection(
            id=str(c.get("VpnConnectionId") or ""),
            gateway=str(c.get("VpnGatewayId") or c.get("TransitGatewayId") or ""),
            insides=tuple(str(o.get("TunnelInsideCidr")) for o in (c.get("Options") or {}).get("TunnelOptions") or ()),
            link=_link(c),
        )
        for c in found
        if c.get("State") not in _GONE
    )


def count_existing(found: Iterable[AwsObject]) -> int:
    """How many of a list of EC2 objects are neither deleted nor being deleted."""
    return sum(1 for item in found if item.get("State") not in _GONE)


def load_balancers(found: Iterable[AwsObject]) -> tuple[LoadBalancer, ...]:
    return tuple(
        LoadBalancer(
            name=str(b.get("LoadBalancerName") or ""),
            arn=str(b.get("LoadBalancerArn") or ""),
            vpc=str(b.get("VpcId") or ""),
            subnets=tuple(str(z["SubnetId"]) for z in b.get("AvailabilityZones") or () if z.get("SubnetId")),
        )
        for b in found
    )


def cluster(found: AwsObject | None) -> Cluster | None:
    if found is None:
        return None
    network = found.get("resourcesVpcConfig") or {}
    services = (found.get("kubernetesNetworkConfig") or {}).get("serviceIpv4Cidr")
    return Cluster(
        vpc=str(network.get("vpcId") or ""),
        subnets=tuple(str(s) for s in network.get("subnetIds") or ()),
        services=next(iter(_networks([services])), None),
    )


def security_groups(found: Iterable[AwsObject]) -> tuple[SecurityGroup, ...]:
    return tuple(
        SecurityGroup(
            id=str(g.get("GroupId") or ""),
            link=_link(g),
            inbound_rules=sum(
                len(p.get(kind) or ())
                for p in g.get("IpPermissions") or ()
                for kind in ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")
            ),
        )
        for g in found
    )


def _link(item: AwsObject) -> str:
    return ownership.from_aws(item.get("Tags")).get(ownership.LINK_TAG, "")


def _networks(prefixes: Iterable[Any]) -> tuple[IPv4Network, ...]:
    """IPv4 only: cloudlink links IPv4. A malformed answer raises CloudError."""
    found = []
    for prefix in prefixes:
        if not prefix or ":" in str(prefix):
            continue
        try:
            found.append(IPv4Network(str(prefix)))
        except ValueError as error:
            raise CloudError(
                "A cloud returned an invalid address range",
                f"{str(prefix)[:80]!r} is not an IPv4 range.",
                "Look at it in the cloud's console.",
            ) from error
    return tuple(found)
