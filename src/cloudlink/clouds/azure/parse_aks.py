"""AKS clusters, as Azure describes them, in frozen facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network

from cloudlink.clouds.azure.parse_pieces import Json, as_list, as_map, properties, ranges, region, texts, vnet_of
from cloudlink.clouds.malformed import parsing


@dataclass(frozen=True)
class AgentPool:
    name: str
    mode: str = "User"  # System, User, Gateway
    os: str = "Linux"  # Linux, Windows
    size: str = ""
    taints: tuple[str, ...] = ()
    running: bool = True
    subnet_id: str = ""  # empty: in the VNet that AKS made
    pod_subnet_id: str = ""
    count: int | None = None
    autoscaled: bool = False
    local_dns: str = ""  # Enabled, Disabled; empty: not said


@dataclass(frozen=True)
class AksCluster:
    """A managed cluster, as far as the checks before the first write need it."""

    id: str
    name: str
    power: str = ""  # Running, Stopped; empty: not said
    state: str = ""  # provisioningState
    sku: str = "Base"  # Base, Automatic
    private: bool = False
    public_name: bool = False  # a private cluster that has a public name besides
    private_name: str = ""
    authorized_ranges: tuple[str, ...] = ()
    public_access: bool = True
    pools: tuple[AgentPool, ...] = ()
    makes_nodes: bool = False  # nodes that belong to no pool that is listed
    hosted: bool = False  # its system nodes are AKS's own
    hosted_subnet_id: str = ""
    plugin: str = ""  # azure, kubenet, none
    policies: str = ""  # what enforces network policies: azure, calico, cilium; none or empty: nothing of AKS's
    pod_ranges: tuple[IPv4Network, ...] = ()
    service_ranges: tuple[IPv4Network, ...] = ()
    outbound: str = ""
    node_group: str = ""
    location: str = ""
    version: str = ""  # what it runs
    wanted_version: str = ""  # what was asked for
    mesh: bool = False  # AKS's Istio add-on
    proxy: str = ""  # that AKS writes into the environment of all pods; empty: none
    not_proxied: tuple[str, ...] = ()  # what that proxy is not asked for

    @property
    def enforces_policies(self) -> bool:
        """Whether network policies have an effect: with a plugin of the user's own, they may."""
        return self.policies not in ("", "none") or self.plugin == "none"

    @property
    def subnets(self) -> tuple[str, ...]:
        """Ids of the subnets that its nodes and pods are in, each once."""
        found = [s for p in self.pools for s in (p.subnet_id, p.pod_subnet_id)] + [self.hosted_subnet_id]
        return tuple({s.lower(): s for s in found if s}.values())

    @property
    def vnets(self) -> tuple[str, ...]:
        """Ids of the VNets of these subnets, each once."""
        return tuple({v.lower(): v for v in map(vnet_of, self.subnets)}.values())


def with_nodes_of(cluster: AksCluster, others: Iterable[AksCluster]) -> AksCluster:
    """The cluster as if the others' nodes and pods were its own: where any of them are."""
    others = tuple(others)
    hosted = (AgentPool("", subnet_id=o.hosted_subnet_id) for o in others if o.hosted_subnet_id)
    return replace(cluster, pools=(*cluster.pools, *(p for o in others for p in o.pools), *hosted))


@parsing("Azure's AKS clusters")
def aks_cluster(raw: Json) -> AksCluster:
    held = properties(raw)
    access, network = as_map(held.get("apiServerAccessProfile")), as_map(held.get("networkProfile"))
    hosted = as_map(held.get("hostedSystemProfile"))
    return AksCluster(
        id=str(raw.get("id") or ""),
        name=str(raw.get("name") or ""),
        power=str(as_map(held.get("powerState")).get("code") or ""),
        state=str(held.get("provisioningState") or ""),
        sku=str(as_map(raw.get("sku")).get("name") or "Base"),
        private=bool(access.get("enablePrivateCluster")),
        public_name=bool(access.get("enablePrivateClusterPublicFQDN")),
        private_name=str(held.get("privateFQDN") or ""),
        authorized_ranges=texts(access.get("authorizedIPRanges")),
        public_access=str(held.get("publicNetworkAccess") or "Enabled").lower() != "disabled",
        pools=tuple(map(_pool, as_list(held.get("agentPoolProfiles")))),
        makes_nodes=str(as_map(held.get("nodeProvisioningProfile")).get("mode") or "").lower() == "auto",
        hosted=bool(hosted.get("enabled")),
        hosted_subnet_id=str(hosted.get("nodeSubnetId") or hosted.get("nodeSubnetID") or ""),
        plugin=str(network.get("networkPlugin") or "").lower(),
        policies=str(network.get("networkPolicy") or "").lower(),
        pod_ranges=ranges(network.get("podCidrs") or [network.get("podCidr")]),
        service_ranges=ranges(network.get("serviceCidrs") or [network.get("serviceCidr")]),
        outbound=str(network.get("outboundType") or ""),
        node_group=str(held.get("nodeResourceGroup") or ""),
        location=region(raw.get("location")),
        version=str(held.get("currentKubernetesVersion") or held.get("kubernetesVersion") or ""),
        wanted_version=str(held.get("kubernetesVersion") or ""),
        mesh=str(as_map(held.get("serviceMeshProfile")).get("mode") or "").lower() == "istio",
        proxy=_proxy(as_map(held.get("httpProxyConfig"))),
        not_proxied=texts(as_map(held.get("httpProxyConfig")).get("noProxy")),
    )


def _proxy(config: Json) -> str:
    """https://learn.microsoft.com/azure/aks/http-proxy"""
    if config.get("enabled") is False:
        return ""
    return str(config.get("httpsProxy") or config.get("httpProxy") or "")


@dataclass(frozen=True)
class PoolDns:
    """LocalDNS of a pool: a cache on each node that pods ask instead of CoreDNS."""

    name: str
    mode: str = ""  # Preferred, Required, Disabled
    state: str = ""  # Enabled, Disabled; empty: not said
    kube: Mapping[str, str] = field(default_factory=dict)  # zone -> forwardDestination, for pods with ClusterFirst
    vnet: Mapping[str, str] = field(default_factory=dict)  # the same for pods with dnsPolicy Default

    @property
    def is_on(self) -> bool:
        """Preferred installs nothing by itself; only the state says that it is there."""
        return self.state.lower() == "enabled" or (not self.state and self.mode.lower() == "required")

    @staticmethod
    def override(overrides: Mapping[str, str], zone: str) -> tuple[str, str]:
        """(zone, destination) of the longest that holds ours; empty: none does."""
        holds = [z for z in overrides if z == "." or zone == z.rstrip(".") or zone.endswith(f".{z.rstrip('.')}")]
        best = max(holds, key=len, default="")
        return best, overrides.get(best, "")


@parsing("Azure's AKS clusters")
def pools_dns(raw: Json) -> tuple[PoolDns, ...]:
    found = []
    for pool in as_list(properties(raw).get("agentPoolProfiles")):
        profile = as_map(as_map(pool).get("localDNSProfile"))
        kube, vnet = (
            {
                str(z).lower(): str(as_map(o).get("forwardDestination") or "")
                for z, o in as_map(profile.get(name)).items()
            }
            for name in ("kubeDNSOverrides", "vnetDNSOverrides")
        )
        mode, state = str(profile.get("mode") or ""), str(profile.get("state") or "")
        found.append(PoolDns(str(as_map(pool).get("name") or ""), mode, state, kube, vnet))
    return tuple(found)


def _pool(raw: Json) -> AgentPool:
    count = raw.get("count")
    return AgentPool(
        name=str(raw.get("name") or ""),
        mode=str(raw.get("mode") or "User"),
        os=str(raw.get("osType") or "Linux"),
        size=str(raw.get("vmSize") or ""),
        taints=texts(raw.get("nodeTaints")),
        running=str(as_map(raw.get("powerState")).get("code") or "Running").lower() != "stopped",
        subnet_id=str(raw.get("vnetSubnetID") or raw.get("vnetSubnetId") or ""),
        pod_subnet_id=str(raw.get("podSubnetID") or raw.get("podSubnetId") or ""),
        count=int(count) if count is not None else None,
        autoscaled=bool(raw.get("enableAutoScaling")),
        local_dns=str(as_map(raw.get("localDNSProfile")).get("state") or ""),
    )
