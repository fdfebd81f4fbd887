"""What both sides' stores say, in the few words that the world needs. Plain frozen data, no behaviour.

``sandbox.aws`` gives AwsFacts, ``sandbox.azure`` gives AzureFacts; ``world`` and ``wire`` read nothing else.
All times are sandbox seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network


@dataclass(frozen=True)
class Proposals:
    """What one end of a tunnel accepts, in neutral words: AES128, AES256, AES128-GCM, AES256-GCM, DES3;
    SHA1, SHA256, SHA384, SHA512 (integrity is not compared for GCM); groups by number, 0 = none (no PFS)."""

    ike_versions: frozenset[int]
    ike_encryption: frozenset[str]
    ike_integrity: frozenset[str]
    ike_groups: frozenset[int]
    esp_encryption: frozenset[str]
    esp_integrity: frozenset[str]
    pfs_groups: frozenset[int]


@dataclass(frozen=True)
class AwsTunnel:
    """One of the two tunnels of a VPN connection, as AWS is configured.

    ready: the connection is available and this tunnel's endpoint is not being replaced.
    changed_at: when anything that matters to this tunnel last changed on AWS's side (its customer gateway included).
    reopens: AWS opens it again after it was lost (DPDTimeoutAction restart). any_traffic: the connection's local and
    remote ranges are both 0.0.0.0/0. sa_seconds: lifetime of phase 2. most_prefixes: more end the BGP session.
    """

    connection_id: str
    vpc_ids: tuple[str, ...]  # VPCs that the gateway serves (attached)
    gateway_id: str
    outside_ip: IPv4Address
    inside: IPv4Network
    psk: str = field(repr=False)
    customer_ip: IPv4Address
    customer_asn: int
    amazon_asn: int
    proposals: Proposals
    initiates: bool  # StartupAction start
    static: bool
    ready: bool
    changed_at: float
    reopens: bool = True
    any_traffic: bool = True
    sa_seconds: float = 3_600.0
    most_prefixes: int = 100
    unannounced: frozenset[IPv4Network] = frozenset()  # ranges of the VPCs that the gateway does not announce


@dataclass(frozen=True)
class PacketRule:
    """A line of a list that is read from the top: the first one that fits decides. protocol: tcp, udp or -1 (all)."""

    allows: bool
    protocol: str
    from_port: int
    to_port: int
    source: IPv4Network
    target: IPv4Network

    def fits(self, protocol: str, port: int, source: IPv4Address, target: IPv4Address) -> bool:
        return (
            self.protocol in ("-1", protocol)
            and self.from_port <= port <= self.to_port
            and source in self.source
            and target in self.target
        )


@dataclass(frozen=True)
class Subnet:
    """entering, leaving: the network ACL's rules in their order; None: there is no ACL, everything passes."""

    id: str
    cidr: IPv4Network
    vpc_id: str
    route_table_id: str  # the explicit one, else the VPC's main
    entering: tuple[PacketRule, ...] | None = None
    leaving: tuple[PacketRule, ...] | None = None


@dataclass(frozen=True)
class Rule:
    """A rule of a security group. protocol: tcp, udp, icmp or -1 (all). source: of an outbound rule, the destination."""

    protocol: str
    from_port: int
    to_port: int
    source: IPv4Network


@dataclass(frozen=True)
class RouteTable:
    """propagating: gateways whose learned routes appear in it. routes: static ones to a gateway."""

    id: str
    vpc_id: str
    propagating: frozenset[str]
    static: tuple[tuple[IPv4Network, str], ...] = ()


@dataclass(frozen=True)
class Interface:
    """An address in the VPC that answers something. kind: ``resolver`` or ``load-balancer``.

    rules None: no security group, everything is let in. working: false while being made, or broken by a fault.
    ports: TCP ports with a listener; tls: those that speak TLS. owner: endpoint id or load balancer ARN.
    """

    address: IPv4Address
    subnet_id: str
    kind: str
    owner: str
    rules: tuple[Rule, ...] | None
    working: bool
    ports: frozenset[int] = frozenset()
    tls: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Record:
    """name: lower case without trailing dot, ``*`` spelled ``*``. values: addresses for A, texts otherwise."""

    name: str
    type: str
    ttl: int
    values: tuple[str, ...]


@dataclass(frozen=True)
class Zone:
    """A private hosted zone. Aliases are already resolved to A records with the load balancer's addresses."""

    id: str
    name: str
    vpc_ids: frozenset[str]
    records: tuple[Record, ...]


@dataclass(frozen=True)
class NameFilter:
    """A rule of DNS Firewall on a VPC. domains: with a final dot, but for ``*``. The first that fits decides."""

    vpc_id: str
    domains: tuple[str, ...]
    action: str  # ALLOW, ALERT, BLOCK
    response: str  # of BLOCK: NODATA, NXDOMAIN, OVERRIDE
    instead: str = ""  # of OVERRIDE: the name that is given in place of the answer
    ttl: int = 0
    kind: str = ""  # of the question; empty: all


@dataclass(frozen=True)
class VpcSender:
    """An address in the VPC that sends. leaving: outbound rules of its security groups; None: everything goes out."""

    address: IPv4Address
    subnet_id: str
    leaving: tuple[Rule, ...] | None = None


@dataclass(frozen=True)
class EksCluster:
    """nodes: one for each of the first subnets. dns_service: of its CoreDNS."""

    region: str
    name: str
    vpc_id: str
    service_cidr: IPv4Network
    dns_service: IPv4Address
    version: str
    nodes: tuple[VpcSender, ...]


@dataclass(frozen=True)
class ForwardingRule:
    """A Resolver rule that sends a domain's questions elsewhere, in the VPCs that it is associated with.

    targets, with their ports, are empty for a SYSTEM rule, which takes a domain out of a wider FORWARD rule. asks_from: the
    outbound endpoint's addresses that work.
    """

    domain: str  # lower case, no trailing dot; "" is everything
    vpc_ids: frozenset[str]
    targets: tuple[tuple[IPv4Address, int], ...]
    asks_from: tuple[VpcSender, ...] = ()


@dataclass(frozen=True)
class TransitRoutes:
    """Where a transit gateway sends what a VPC gives it: the table of the VPC's attachment.

    static: to a VPN connection or a VPC, or to nowhere. learns: VPN connections whose routes propagate into it.
    """

    gateway_id: str
    vpc_id: str
    static: tuple[tuple[IPv4Network, str | None], ...]
    learns: frozenset[str]


@dataclass(frozen=True)
class DirectConnect:
    """A gateway of VPCs that a Direct Connect gateway is associated with, and a virtual interface on that.

    router: AS number of the router at the interface's other end. allowed: what is announced there, within the VPC's ranges.
    """

    id: str  # of the association
    gateway_id: str
    vpc_ids: tuple[str, ...]
    asn: int
    router: int
    allowed: tuple[IPv4Network, ...]
    working: bool


@dataclass(frozen=True)
class AwsFacts:
    vpcs: dict[str, tuple[IPv4Network, ...]]
    subnets: dict[str, Subnet]
    route_tables: dict[str, RouteTable]
    interfaces: tuple[Interface, ...]
    zones: tuple[Zone, ...]
    tunnels: tuple[AwsTunnel, ...]
    forwarding: tuple[ForwardingRule, ...] = ()
    transit: tuple[TransitRoutes, ...] = ()
    direct_connects: tuple[DirectConnect, ...] = ()
    clusters: tuple[EksCluster, ...] = ()
    filters: tuple[NameFilter, ...] = ()  # of DNS Firewall, in their order


@dataclass(frozen=True)
class AzureInstance:
    """One instance of a VPN gateway. config: the name of its ipConfiguration, in lower case."""

    config: str
    public_ip: IPv4Address
    default_bgp: IPv4Address
    custom_bgp: tuple[IPv4Address, ...]
    working: bool = True


@dataclass(frozen=True)
class AzureGateway:
    """ready: provisioning has succeeded (an update in progress does not take the gateway down)."""

    id: str
    asn: int
    active_active: bool
    instances: tuple[AzureInstance, ...]
    vnet_id: str
    ready: bool
    bgp: bool = True
    ready_at: float = 0.0  # since when, sandbox seconds: its instances speak BGP with each other from then on


@dataclass(frozen=True)
class ExpressRoute:
    """A gateway of ExpressRoute that is connected with a circuit. router: AS number of the router behind the circuit's
    private peering; microsoft: of Microsoft's routers in between, from whose address the gateway learns."""

    id: str  # of the connection
    gateway_id: str
    router: int
    microsoft: int
    address: IPv4Address
    working: bool


@dataclass(frozen=True)
class AzureConnection:
    """An IPsec connection with its local network gateway.

    custom_bgp: ipConfiguration name (lower case) -> the address that it was told to use; an instance without an
    entry uses its first custom address, or its default one when it has none.
    changed_at covers the connection, its local network gateway and its gateway.
    own_pfs: what it proposes for PFS when it opens the tunnel itself; None: the same as it accepts.
    sa_seconds: lifetime of phase 2. any_traffic: it is route-based, without policy-based traffic selectors.
    """

    id: str
    name: str
    gateway_id: str
    peer_ip: IPv4Address
    peer_bgp: IPv4Address | None
    peer_asn: int
    psk: str = field(repr=False)
    proposals: Proposals
    initiates: bool
    responds: bool
    bgp: bool
    custom_bgp: dict[str, IPv4Address]
    ready: bool
    changed_at: float
    own_pfs: frozenset[int] | None = None
    sa_seconds: float = 27_000.0
    any_traffic: bool = True


@dataclass(frozen=True)
class ManagedRule:
    """Of a network manager. final: whether nothing else is tried after it; a rule that allows may leave it to security groups."""

    rule: PacketRule
    final: bool


@dataclass(frozen=True)
class VnetSubnet:
    """propagates: false when a route table with disableBgpRoutePropagation is on it.

    routes: the user's own, to a next hop type as Azure spells it. beating: those of them that win against BGP's. leaving: the outbound rules of its network security
    group in the order of their priority, the default ones left out; entering: its inbound ones.
    """

    id: str
    prefixes: tuple[IPv4Network, ...]
    propagates: bool
    routes: tuple[tuple[IPv4Network, str], ...] = ()
    beating: frozenset[IPv4Network] = frozenset()
    leaving: tuple[PacketRule, ...] = ()
    entering: tuple[PacketRule, ...] = ()
    managed_leaving: tuple[ManagedRule, ...] = ()  # tried before these
    managed_entering: tuple[ManagedRule, ...] = ()


@dataclass(frozen=True)
class Vnet:
    """advertised: own prefixes plus those of peered VNets with gateway transit.

    hubs: ids of the VNets whose gateway this one uses: both sides of the peering say so.
    """

    id: str
    prefixes: tuple[IPv4Network, ...]
    advertised: tuple[IPv4Network, ...]
    subnets: tuple[VnetSubnet, ...]
    hubs: tuple[str, ...] = ()
    dns_servers: tuple[IPv4Address, ...] = ()  # its own, in place of Azure's


@dataclass(frozen=True)
class AksPool:
    """taints: as ``key=value:effect``."""

    name: str
    count: int
    taints: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    os: str = "linux"
    arch: str = "amd64"


@dataclass(frozen=True)
class AksCluster:
    """unreachable: why its API server does not answer a caller on the internet; empty when it does.

    source: where a pod's packets come from outside the VNet (``node`` or ``pod``). policy_engine: what carries out
    NetworkPolicies, which have no effect otherwise: azure, calico, cilium, own or nothing. pod_environment: variables
    that AKS adds to containers."""

    id: str
    name: str
    vnet_id: str
    subnet_id: str
    node_addresses: tuple[IPv4Address, ...]
    pod_cidr: IPv4Network
    service_cidr: IPv4Network
    dns_service: IPv4Address
    source: str
    version: str
    pools: tuple[AksPool, ...] = ()
    unreachable: str = ""
    policy_engine: str = ""
    pod_environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class VnetRule:
    """A rule of a DNS forwarding ruleset, for a VNet that the ruleset is linked to.

    domain: lower case, no trailing dot; "" is everything. leaves: the VNet and the subnet of the outbound endpoint, and the
    address that it asks from.
    """

    vnet_id: str
    domain: str
    targets: tuple[tuple[IPv4Address, int], ...]
    leaves_vnet: str
    leaves_subnet: str
    source: IPv4Address


@dataclass(frozen=True)
class VnetZone:
    """A private zone of Azure's. vnets: ids of those that it is linked to, in lower case; redirects: those of them in which a
    name that it does not have is asked of the public DNS."""

    name: str  # lower case, no trailing dot
    vnets: frozenset[str]
    records: tuple[Record, ...] = ()
    redirects: frozenset[str] = frozenset()


@dataclass(frozen=True)
class VnetInbound:
    """An inbound endpoint of a DNS resolver: it answers as Azure's own resolver does in its VNet."""

    id: str
    address: IPv4Address
    vnet_id: str
    subnet_id: str


@dataclass(frozen=True)
class AzureFacts:
    vnets: dict[str, Vnet]
    gateways: dict[str, AzureGateway]
    connections: tuple[AzureConnection, ...]
    clusters: tuple[AksCluster, ...]
    express_routes: tuple[ExpressRoute, ...] = ()
    rules: tuple[VnetRule, ...] = ()
    zones: tuple[VnetZone, ...] = ()
    inbound: tuple[VnetInbound, ...] = ()
