"""What AWS says of a VPC and of what is in it, as frozen facts: nobody else needs AWS's keys for them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

from cloudlink.clouds.aws.fields import AwsObject, networks, number, part, parts, text, text_or
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import from_aws

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


@dataclass(frozen=True)
class Vpc:
    id: str
    owner: str  # account number; empty: AWS does not say
    ranges: tuple[IPv4Network, ...]
    dedicated: bool = False  # its tenancy
    # id of the control that lets encrypted traffic alone pass, and no virtual private gateway; empty: there is none
    encryption_control: str = ""


@dataclass(frozen=True)
class Subnet:
    id: str
    zone: str = ""
    network: IPv4Network | None = None
    free_addresses: int | None = None  # None: AWS does not say
    outpost: str = ""  # ARN of the Outpost that it is on
    without_ipv4: bool = False
    # as tags tell the AWS Load Balancer Controller: it puts internal load balancers here, of these clusters; none: of any
    for_balancers: bool = False
    clusters: frozenset[str] = frozenset()

    def takes_balancers_of(self, cluster: str) -> bool:
        """Whether the cluster's controller finds it. https://docs.aws.amazon.com/eks/latest/userguide/network-load-balancing.html"""
        return self.for_balancers and (not self.clusters or cluster in self.clusters)

    @property
    def at_the_edge(self) -> str:
        """What it is in, where that is no zone of the region itself; empty: it is one."""
        if self.outpost:
            return "an Outpost"
        return f"the Local or Wavelength Zone {self.zone}" if _EDGE_ZONE.fullmatch(self.zone) else ""


_BALANCERS, _CLUSTER = "kubernetes.io/role/internal-elb", "kubernetes.io/cluster/"
# With a city after the region: us-west-2-lax-1a, eu-west-2-wl1-lon-wlz-1. One of the region itself: eu-west-2a.
_EDGE_ZONE = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+-\S+")


@dataclass(frozen=True)
class Route:
    """A static route of a table: not the VPC's own, and not learned from a gateway."""

    destination: IPv4Network
    target: str
    active: bool = True


@dataclass(frozen=True)
class ListRoute:
    """A static route to all ranges of a managed prefix list, which has to be read itself."""

    list_id: str
    target: str
    active: bool = True


@dataclass(frozen=True)
class RouteTable:
    id: str
    main: bool = False
    subnets: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    gateways: tuple[str, ...] = ()  # virtual private gateways whose routes it learns
    learned: tuple[Route, ...] = ()  # from these
    edges: tuple[str, ...] = ()  # gateways, what comes through which is routed by this table
    lists: tuple[ListRoute, ...] = ()


@parsing("AWS's VPC")
def vpc(found: AwsObject | None) -> Vpc | None:
    if found is None:
        return None
    associated = [
        text(a, "CidrBlock")
        for a in parts(found, "CidrBlockAssociationSet")
        if text_or(part(a, "CidrBlockState"), "State", "associated") in ("associated", "associating")
    ]
    return Vpc(
        id=text_or(found, "VpcId"),
        owner=text_or(found, "OwnerId"),
        ranges=networks(associated or [text_or(found, "CidrBlock")]),
        dedicated=found.get("InstanceTenancy") == "dedicated",
        encryption_control=_enforced(part(found, "EncryptionControl")),
    )


def _enforced(control: AwsObject) -> str:
    """https://docs.aws.amazon.com/vpc/latest/userguide/vpc-encryption-controls.html"""
    excluded = text_or(part(part(control, "ResourceExclusions"), "VirtualPrivateGateway"), "State")
    enforces = text_or(control, "Mode") == "enforce" and text_or(control, "State") not in ("deleting", "deleted")
    return text_or(control, "VpcEncryptionControlId") if enforces and excluded not in ("enabled", "enabling") else ""


@parsing("AWS's subnets")
def subnets(found: Iterable[AwsObject]) -> tuple[Subnet, ...]:
    return tuple(
        Subnet(
            id=text(s, "SubnetId"),
            zone=text_or(s, "AvailabilityZone"),
            network=next(iter(networks([text_or(s, "CidrBlock")])), None),
            outpost=text_or(s, "OutpostArn"),
            without_ipv4=bool(s.get("Ipv6Native")),
            for_balancers=from_aws(s.get("Tags")).get(_BALANCERS) in ("", "1"),
            clusters=frozenset(k.removeprefix(_CLUSTER) for k in from_aws(s.get("Tags")) if k.startswith(_CLUSTER)),
            free_addresses=None if s.get("AvailableIpAddressCount") is None else number(s, "AvailableIpAddressCount"),
        )
        for s in found
    )


@parsing("AWS's route tables")
def route_tables(found: Iterable[AwsObject]) -> tuple[RouteTable, ...]:
    return tuple(
        RouteTable(
            id=text(t, "RouteTableId"),
            main=any(a.get("Main") for a in parts(t, "Associations")),
            subnets=tuple(text(a, "SubnetId") for a in parts(t, "Associations") if a.get("SubnetId")),
            routes=tuple(_routes(t, learned=False)),
            learned=tuple(_routes(t, learned=True)),
            edges=tuple(text(a, "GatewayId") for a in parts(t, "Associations") if a.get("GatewayId")),
            gateways=tuple(text(g, "GatewayId") for g in parts(t, "PropagatingVgws")),
            lists=tuple(_list_routes(t)),
        )
        for t in found
    )


@parsing("AWS's VPC")
def dhcp_options_of(vpc: AwsObject | None) -> str:
    """Id of the options that its machines are given; empty: AWS's own."""
    id_ = text_or(vpc, "DhcpOptionsId") if vpc is not None else ""
    return "" if id_ == "default" else id_


@parsing("AWS's DHCP options")
def name_servers(found: Iterable[AwsObject]) -> tuple[str, ...]:
    """What machines ask for names, as ``AmazonProvidedDNS`` or an address."""
    named = (c for o in found for c in parts(o, "DhcpConfigurations") if text_or(c, "Key") == "domain-name-servers")
    return tuple(text(v, "Value") for c in named for v in parts(c, "Values"))


@parsing("AWS's prefix lists")
def prefix_list(entries: Iterable[AwsObject]) -> tuple[IPv4Network, ...]:
    return networks(text_or(e, "Cidr") for e in entries)


def _list_routes(table: AwsObject) -> Iterable[ListRoute]:
    """Those of AWS's own lists lead to the endpoints of its services, whose addresses are public."""
    for route in parts(table, "Routes"):
        target = next((text(route, key) for key in _TARGETS if route.get(key)), "")
        if (list_id := text_or(route, "DestinationPrefixListId")) and not target.startswith("vpce-"):
            yield ListRoute(list_id, target or "nothing", route.get("State") != "blackhole")


def _routes(table: AwsObject, *, learned: bool) -> Iterable[Route]:
    """Those of somebody who has written them, or those that the table has learned."""
    for route in parts(table, "Routes"):
        target = next((text(route, key) for key in _TARGETS if route.get(key)), "")
        if (route.get("Origin") == "EnableVgwRoutePropagation") is not learned or target == "local":
            continue
        for destination in networks([text_or(route, "DestinationCidrBlock")]):
            yield Route(destination, target or "nothing", route.get("State") != "blackhole")
