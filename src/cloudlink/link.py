"""A link, complete and immutable: what the configuration means. Nothing else reads TOML.

Whatever cloudlink may choose itself (names, inside addresses) is derived here and in ``addressing``,
before the first call to a cloud, so that neither side has to wait for the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from cloudlink.ipsec import IpsecPolicy


@dataclass(frozen=True, slots=True)
class Tunnel:
    """One of the four tunnels, known in full before anything exists.

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
    adopt_gateway: str | None = None  # vgw-... to adopt; None: create one
    route_tables: tuple[str, ...] | None = None  # None: those of the cluster's and endpoint's subnets
    psk_storage: Literal["standard", "secrets-manager"] = "standard"


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
class AzureSide:
    cloud: Literal["public", "usgovernment", "china"]
    tenant: str | None
    subscription: str
    resource_group: str
    location: str
    vnet: str
    vnet_resource_group: str
    gateway_subnet: IPv4Network
    sku: str
    zones: tuple[str, ...]
    asn: int
    aks_cluster: str
    aks_resource_group: str
    create_resource_group: bool = False
    new_network: NewNetwork | None = None
    new_cluster: NewCluster | None = None
    # subscriptions of the VNet and of the cluster; None: the link's
    vnet_in: str | None = None
    aks_in: str | None = None

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
class DnsSide:
    zone: str  # lower case, no trailing dot
    hosts: tuple[Host, ...]
    endpoint_subnets: tuple[str, ...] | None = None  # None: the EKS cluster's, at most six
    adopt_zone: str | None = None  # hosted zone id to adopt; None: create one
    record_ttl: int = 60


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
class Link:
    name: str
    aws: AwsSide
    azure: AzureSide
    policy: IpsecPolicy
    tunnels: tuple[Tunnel, Tunnel, Tunnel, Tunnel]
    dns: DnsSide
    probe: ProbeSettings
    sandbox: SandboxFixtures | None = None
    tags: tuple[tuple[str, str], ...] = ()  # for every object of both clouds, besides cloudlink's own

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
    aks_version: str = "1.33"
    aks_sign_in: Literal["certificate", "entra"] = "certificate"
    speed: float = 60.0
