"""The few frozen types that cross between step modules: what one gives and another needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from cloudlink.secret import Secret

# --- AWS --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EksCluster:
    name: str
    vpc_id: str
    subnets: tuple[str, ...]  # of the cluster, in the order in which EKS names them
    service_cidr: IPv4Network | None
    # endpoint and ca: of its Kubernetes API
    endpoint: str
    ca: str  # base64 PEM
    version: str


@dataclass(frozen=True)
class VpnGateway:
    """What the tunnels end on: a virtual private gateway, or a transit gateway."""

    id: str
    asn: int


@dataclass(frozen=True)
class TransitGateway(VpnGateway):
    """association_table, propagation_table: where it puts what is attached by itself; empty: nowhere."""

    association_table: str = ""
    propagation_table: str = ""


@dataclass(frozen=True)
class TransitTable:
    """A route table of a transit gateway."""

    id: str


@dataclass(frozen=True)
class CustomerGateway:
    id: str
    added: frozenset[IPv4Address] = frozenset()  # to an Azure gateway of somebody else's, as its tag says


@dataclass(frozen=True)
class AwsTunnelEnd:
    """One tunnel of a VPN connection as Azure needs it; found by its inside range, never by position."""

    outside_ip: IPv4Address
    inside: IPv4Network
    psk: Secret


@dataclass(frozen=True)
class VpnConnection:
    id: str
    tunnels: tuple[AwsTunnelEnd, ...]

    def tunnel(self, inside: IPv4Network) -> AwsTunnelEnd:
        """Raises KeyError when AWS has no tunnel with that inside range."""
        for end in self.tunnels:
            if end.inside == inside:
                return end
        raise KeyError(str(inside))


# --- Azure ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ResourceGroup:
    id: str
    name: str


@dataclass(frozen=True)
class VirtualNetwork:
    id: str
    prefixes: tuple[IPv4Network, ...]  # own
    advertised: tuple[IPv4Network, ...]  # own and those of peered VNets that use the gateway
    subnets: dict[str, tuple[IPv4Network, ...]] = field(default_factory=dict)  # name -> prefixes


@dataclass(frozen=True)
class GatewaySubnet:
    """The subnet of Azure's gateway."""

    id: str
    owned: bool = False  # cloudlink created it and deletes it; otherwise it existed before and stays


@dataclass(frozen=True)
class PublicIp:
    id: str
    address: IPv4Address


@dataclass(frozen=True)
class GatewayInstance:
    """One of the two instances, matched with its public IP by what Azure says, not by position."""

    config_id: str  # id of the ipConfiguration
    public_ip: IPv4Address


@dataclass(frozen=True)
class AzureGateway:
    id: str
    asn: int
    instances: tuple[GatewayInstance, ...]


@dataclass(frozen=True)
class LocalGateway:
    id: str


@dataclass(frozen=True)
class AzureConnection:
    id: str


@dataclass(frozen=True)
class AksCluster:
    id: str
    name: str
    version: str
    pod_cidr: IPv4Network | None
    service_cidr: IPv4Network | None


# --- names ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SecurityGroup:
    id: str


@dataclass(frozen=True)
class Endpoint:
    """The inbound endpoint."""

    id: str
    addresses: dict[str, IPv4Address]  # subnet id -> address, as CoreDNS needs them


@dataclass(frozen=True)
class AzureInbound:
    """Azure's inbound endpoint, which the VPC asks."""

    id: str
    address: IPv4Address


@dataclass(frozen=True)
class ResolverRule:
    """A rule that sends a zone's names to Azure."""

    id: str


@dataclass(frozen=True)
class HostedZone:
    id: str
    name: str


@dataclass(frozen=True)
class LoadBalancer:
    """An internal load balancer. Its private addresses take a call of their own and are asked for by verification."""

    name: str
    arn: str
    dns_name: str
    hosted_zone_id: str


@dataclass(frozen=True)
class Targets:
    """What each configured name points at: full name -> load balancer, or fixed addresses."""

    load_balancers: dict[str, LoadBalancer]
    addresses: dict[str, tuple[IPv4Address, ...]]


@dataclass(frozen=True)
class Nothing:
    """For resources from which nobody needs anything."""


@dataclass(frozen=True)
class DnsPart:
    """A part of what carries names out of the VNet: ours, or somebody else's."""

    id: str
