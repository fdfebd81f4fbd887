"""A link, complete and immutable: what the configuration means. Nothing else reads TOML.

Whatever cloudlink may choose itself (names, inside addresses) is derived here and in ``addressing``,
before the first call to a cloud, so that neither side has to wait for the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from cloudlink.ipsec import IpsecPolicy


@dataclass(frozen=True, slots=True)
class Tunnel:
    """One of the tunnels, known in full before anything exists.

    https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-howto-aws-bgp
    """

    index: int  # 0 to 3
    vpn: int  # 0 or 1: the AWS VPN connection, and the Azure instance it ends on
    inside: IPv4Network  # a /30: its first host is AWS's, its second Azure's

    @property
    def name(self) -> str:
        """As users see it: ``tunnel 1`` to ``tunnel 4``."""
        return f"tunnel {self.index + 1}"

    @property
    def aws_inside(self) -> IPv4Address:
        return self.inside.network_address + 1

    @property
    def azure_inside(self) -> IPv4Address:
        return self.inside.network_address + 2


@dataclass(frozen=True, slots=True)
class AwsSide:
    region: str
    profile: str | None
    vpc_id: str
    eks_cluster: str
    asn: int
    gateway: str = "create"  # as configured: "create", "create-transit", or the id of one to adopt
    route_tables: tuple[str, ...] | None = None  # None: those of the subnets that are asked
    psk_storage: Literal["standard", "secrets-manager"] = "standard"
    bandwidth: Literal["standard", "large"] = "standard"  # of the tunnels
    limit_routes: bool = False  # a table of the transit gateway for the VPN connections alone
    blackholes: tuple[IPv4Network, ...] = ()  # ranges that must not be reached over the link

    @property
    def adopt_gateway(self) -> str | None:
        """The id of the gateway to adopt; None: one is made."""
        return None if self.gateway.startswith("create") else self.gateway

    def reachable(self, ranges: Iterable[IPv4Network]) -> tuple[IPv4Network, ...]:
        """Without those that get a blackhole route: it wins over what is propagated for the same range."""
        return tuple(r for r in ranges if r not in self.blackholes)

    @property
    def transit(self) -> bool:
        """Whether the tunnels end on a transit gateway, and not on a virtual private one."""
        return self.gateway.startswith(("tgw-", "create-transit"))


@dataclass(frozen=True, slots=True)
class AzureSubnet:
    name: str
    prefix: IPv4Network


@dataclass(frozen=True, slots=True)
class NewNetwork:
    """A VNet that cloudlink makes (``[azure.vnet] create = true``)."""

    prefixes: tuple[IPv4Network, ...]
    cluster_subnet: AzureSubnet


@dataclass(frozen=True, slots=True)
class NewCluster:
    """A small AKS test cluster that cloudlink makes (``[azure.aks] create = true``)."""

    node_count: int
    node_size: str
    kubernetes_version: str | None
    pod_cidr: IPv4Network
    service_cidr: IPv4Network


@dataclass(frozen=True, slots=True)
class ClusterPlace:
    """An AKS cluster and where it is."""

    name: str
    resource_group: str
    within: str | None = None  # its subscription; None: the link's


@dataclass(frozen=True, slots=True)
class AzureSide:
    cloud: Literal["public", "usgovernment", "china"]
    tenant: str | None
    subscription: str
    resource_group: str
    location: str
    vnet: str
    vnet_resource_group: str
    gateway_subnet: IPv4Network | None  # None: no gateway is made
    sku: str
    zones: tuple[str, ...]
    asn: int  # of an adopted gateway: its own, as soon as it has been read
    aks_cluster: str
    aks_resource_group: str
    create_resource_group: bool = False
    new_network: NewNetwork | None = None
    new_cluster: NewCluster | None = None
    # subscriptions of the VNet and of the cluster; None: the link's
    vnet_in: str | None = None
    aks_in: str | None = None
    adopt_gateway: str | None = None  # name or id of the VPN gateway to adopt; None: one is made
    more_clusters: tuple[ClusterPlace, ...] = ()  # beside the first: [[azure.clusters]]

    @property
    def clusters(self) -> tuple[ClusterPlace, ...]:
        """All of them, the first one first."""
        return (ClusterPlace(self.aks_cluster, self.aks_resource_group, self.aks_in), *self.more_clusters)

    @property
    def clusters_said(self) -> str:
        """For people, in a sentence."""
        names = [self.label_of(cluster) for cluster in self.clusters]
        return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} more"

    def label_of(self, cluster: ClusterPlace) -> str:
        """How a cluster is called in this link: its name, after its resource group and its subscription where these are not the first
        cluster's, since a name is one of a resource group's only."""
        if (cluster.within or self.subscription).lower() != self.aks_subscription.lower():
            return f"{cluster.within or self.subscription}/{cluster.resource_group}/{cluster.name}"
        if cluster.resource_group.lower() != self.aks_resource_group.lower():
            return f"{cluster.resource_group}/{cluster.name}"
        return cluster.name

    @property
    def vnet_subscription(self) -> str:
        return self.vnet_in or self.subscription

    @property
    def aks_subscription(self) -> str:
        return self.aks_in or self.subscription


@dataclass(frozen=True, slots=True)
class LoadBalancerTarget:
    """An internal NLB or ALB, by name or ARN."""

    name_or_arn: str


@dataclass(frozen=True, slots=True)
class KubernetesTarget:
    """The load balancer in the status of a Service or Ingress on EKS."""

    kind: Literal["service", "ingress"]
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class AddressTarget:
    """Fixed private addresses."""

    addresses: tuple[IPv4Address, ...]


Target = LoadBalancerTarget | KubernetesTarget | AddressTarget


@dataclass(frozen=True, slots=True)
class Host:
    """One name in the zone."""

    label: str  # ``app``, ``*`` or ``@`` (the apex), as in the configuration
    target: Target
    ports: tuple[int, ...] = (443,)
    tls_ports: tuple[int, ...] = (443,)

    def fqdn(self, zone: str) -> str:
        """Without the trailing dot: ``app.corp.example``, ``*.corp.example`` or ``corp.example``."""
        return zone if self.label == "@" else f"{self.label}.{zone}"


@dataclass(frozen=True, slots=True)
class PrivateZone:
    """A zone whose names the link answers."""

    name: str  # lower case, no trailing dot
    hosts: tuple[Host, ...]
    adopt: str | None = None  # hosted zone id to adopt; None: create one
    record_ttl: int = 60

    def holds(self, name: str) -> bool:
        """Whether a full name is the zone's own, or below it."""
        return name == self.name or name.endswith(f".{self.name}")


@dataclass(frozen=True, slots=True)
class BackZone:
    """A private zone of Azure's whose names EKS and the VPC get."""

    name: str  # lower case, no trailing dot
    private_zone: str | None = None  # its id; None: it is looked for in the VNet's subscription

    def holds(self, name: str) -> bool:
        """Whether a full name is the zone's own, or below it."""
        return name == self.name or name.endswith(f".{self.name}")


@dataclass(frozen=True, slots=True)
class DnsSide:
    """The first zone, and the others."""

    zone: str  # lower case, no trailing dot
    hosts: tuple[Host, ...]
    endpoint_subnets: tuple[str, ...] | None = None  # None: the EKS cluster's, at most six
    adopt_zone: str | None = None  # hosted zone id to adopt; None: create one
    record_ttl: int = 60
    more_zones: tuple[PrivateZone, ...] = ()
    forward: Literal["coredns", "vnet"] = "coredns"  # who sends the zones' names to AWS
    outbound_subnet: IPv4Network | None = None  # of Azure's outbound endpoint; None: a free one is taken
    back: tuple[BackZone, ...] = ()
    inbound_subnet: IPv4Network | None = None  # of Azure's inbound endpoint; None: a free one is taken

    @property
    def zones(self) -> tuple[PrivateZone, ...]:
        """All of them, the first one first."""
        return (PrivateZone(self.zone, self.hosts, self.adopt_zone, self.record_ttl), *self.more_zones)

    @property
    def zone_names(self) -> tuple[str, ...]:
        return tuple(zone.name for zone in self.zones)

    @property
    def zones_said(self) -> str:
        """For people, in a sentence."""
        names = self.zone_names
        return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} more zones"

    @property
    def all_hosts(self) -> tuple[tuple[PrivateZone, Host], ...]:
        return tuple((zone, host) for zone in self.zones for host in zone.hosts)

    @property
    def named_hosts(self) -> dict[str, Host]:
        """By full name, in the order of the configuration."""
        return {host.fqdn(zone.name): host for zone, host in self.all_hosts}

    def short_name(self, zone: PrivateZone, host: Host) -> str:
        """For people: the name as the configuration has it; in full where there are several zones."""
        return host.fqdn(zone.name) if self.more_zones else host.label

    def back_zone_of(self, name: str) -> BackZone | None:
        """The zone of Azure's that answers for a full name."""
        return max((z for z in self.back if z.holds(name)), key=lambda z: len(z.name), default=None)

    def zone_of(self, name: str) -> PrivateZone | None:
        """The zone that answers for a full name: of several the longest, as in Route 53 and CoreDNS."""
        return max((z for z in self.zones if z.holds(name)), key=lambda z: len(z.name), default=None)


@dataclass(frozen=True, slots=True)
class Toleration:
    """A taint that does not keep a pod from a node."""

    key: str  # empty: every taint
    value: str | None  # None: whatever value it has
    effect: str  # empty: every effect


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """The short-lived pod that verify-dns asks from."""

    image: str
    namespace: str
    tolerations: tuple[Toleration, ...] = ()
    node_selector: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    requests: tuple[tuple[str, str], ...] = ()
    limits: tuple[tuple[str, str], ...] = ()
    image_pull_secret: str | None = None
    service_account: str | None = None


@dataclass(frozen=True, slots=True)
class StateLocation:
    """An object store that keeps the state, for several machines: a bucket of S3, or a container of Azure's blobs."""

    store: Literal["s3", "azblob"]
    account: str  # of azblob; empty: s3
    bucket: str  # or container
    key: str

    def __str__(self) -> str:
        return "/".join(filter(None, (f"{self.store}:/", self.account, self.bucket, self.key)))


def all_of(tunnels: int) -> str:
    """That every tunnel of a link with so many is meant: ``four of four``."""
    return "two of two" if tunnels == 2 else "four of four"


def others_carry(tunnels: int) -> str:
    """What happens while one tunnel of a link with so many is down, to go on with ``and``."""
    return f"the other {'one carries' if tunnels == 2 else 'three carry'} the traffic"


@dataclass(frozen=True, slots=True)
class Link:
    name: str
    aws: AwsSide
    azure: AzureSide
    policy: IpsecPolicy
    tunnels: tuple[Tunnel, ...]  # four; two where an adopted gateway of Azure's has one instance
    dns: DnsSide
    probe: ProbeSettings
    sandbox: SandboxFixtures | None = None
    state: StateLocation | None = None  # None: a file beside the configuration
    state_region: str | None = None  # of the bucket; None: aws.region
    tags: tuple[tuple[str, str], ...] = ()  # for every object of both clouds, besides cloudlink's own
    transport: Literal["vpn", "existing"] = "vpn"
    spare: tuple[Tunnel, ...] = ()  # those of the instance that an adopted gateway does not have

    @property
    def instances(self) -> tuple[int, ...]:
        """Numbers of the instances of Azure's gateway on which tunnels end: 0 and 1, or 0 alone."""
        return tuple(sorted({t.vpn for t in self.tunnels}))

    @property
    def all_tunnels(self) -> str:
        """In words: ``four of four``."""
        return all_of(len(self.tunnels))

    @property
    def makes_vpn(self) -> bool:
        """Else the networks are joined already, by somebody else."""
        return self.transport == "vpn"

    @property
    def place(self) -> dict[str, str]:
        """Where it is: the configuration keys that may not change while it exists, and their values."""
        elsewhere = {"azure.vnet.subscription": self.azure.vnet_in} if self.azure.vnet_in else {}
        return {
            **elsewhere,
            "aws.region": self.aws.region,
            "aws.vpc": self.aws.vpc_id,
            "azure.subscription": self.azure.subscription,
            "azure.resource_group": self.azure.resource_group,
            "azure.vnet.resource_group": self.azure.vnet_resource_group,
            "azure.vnet.name": self.azure.vnet,
        }

    @property
    def azure_gateway(self) -> tuple[str, str]:
        """Name and resource group of Azure's VPN gateway, ours or adopted."""
        named = self.azure.adopt_gateway or f"cloudlink-{self.name}-gateway"
        parts = named.split("/")
        return (parts[8], parts[4]) if len(parts) > 8 else (named, self.azure.resource_group)

    def on(self, cluster: ClusterPlace) -> Link:
        """The link as if this AKS cluster was its only one."""
        name, group, within = cluster.name, cluster.resource_group, cluster.within
        side = replace(self.azure, aks_cluster=name, aks_resource_group=group, aks_in=within, more_clusters=())
        return replace(self, azure=side)

    def over_gateway(self, asn: int, instances: int) -> Link:
        """The link over a gateway of Azure's that exists. asn, instances: its own."""
        every = (*self.tunnels, *self.spare)
        return replace(
            self,
            azure=replace(self.azure, asn=asn),
            tunnels=tuple(t for t in every if t.vpn < instances),
            spare=tuple(t for t in every if t.vpn >= instances),
        )

    def tunnels_of(self, vpn: int) -> tuple[Tunnel, Tunnel]:
        """The two tunnels of one AWS VPN connection, in the order in which AWS is asked for them."""
        first, second = (t for t in self.tunnels if t.vpn == vpn)
        return first, second


@dataclass(frozen=True, slots=True)
class SandboxFixtures:
    """What exists in the sandbox's clouds before cloudlink runs ([sandbox] in the configuration).

    It only matters there: against real clouds these facts are read from the clouds.
    """

    vpc_cidrs: tuple[IPv4Network, ...]
    eks_service_cidr: IPv4Network
    eks_subnets: tuple[IPv4Network, ...]
    load_balancer_subnets: tuple[IPv4Network, ...] = ()
    vnet_prefixes: tuple[IPv4Network, ...] = ()
    aks_subnet: IPv4Network | None = None
    aks_pod_cidr: IPv4Network = field(default=IPv4Network("10.244.0.0/16"))
    aks_service_cidr: IPv4Network = field(default=IPv4Network("10.0.0.0/16"))
    aks_version: str = "1.35"
    aks_sign_in: Literal["certificate", "entra"] = "certificate"
    speed: float = 60.0
    wire: Literal["vpn", "transit-gateway", "expressroute", "none"] | None = (
        None  # of somebody else's; None: no such link
    )
    wire_gateway_subnet: IPv4Network | None = None  # of its gateway in the VNet
    # the gateway that azure.vpn_gateway.adopt names, and its subnet; None: none is adopted
    gateway: Literal["active-active", "active-standby", "point-to-site"] | None = None
    gateway_subnet: IPv4Network | None = None
    peered: tuple[IPv4Network, ...] = ()  # of the VNet of each further AKS cluster; none: they are in the link's VNet
