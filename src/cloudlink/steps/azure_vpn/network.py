"""Where the Azure side is placed: resource group, VNet and AKS cluster, looked up or, on request, made; the gateway subnet."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, ClassVar

from cloudlink.clouds.azure.client import GATEWAY_SUBNET, Azure, Json
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.polling import STEADY_DELETION
from cloudlink.core.resource import (
    Lookup,
    Node,
    Observed,
    Outputs,
    Ownership,
    Receipts,
    Resource,
    Started,
    Timing,
    built_on,
)
from cloudlink.errors import CloudError, ConflictError, MissingError
from cloudlink.link import AzureSubnet, Link, NewCluster, NewNetwork
from cloudlink.steps.azure_vpn.resource import (
    AzureResource,
    body_of,
    location,
    named,
    networks,
    phase,
    properties,
    rest_of,
    state,
    subnet_prefixes,
)
from cloudlink.steps.outputs import AksCluster, GatewaySubnet, ResourceGroup, VirtualNetwork

# On the gateway: that its subnet is ours. A subnet has no tags, and the state file may be lost.
MADE_SUBNET_TAG = "cloudlink-made-subnet"
SMALLEST_ADVISED = 27
# What stands in a subnet, as Azure tells it.
_USERS_OF_SUBNET = (
    "ipConfigurations",
    "ipConfigurationProfiles",
    "privateEndpoints",
    "purpose",
    "resourceNavigationLinks",
    "serviceAssociationLinks",
)


# --- what exists already ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupLookup(Lookup[ResourceGroup]):
    proof: ClassVar[bool] = True

    link: Link
    azure: Azure

    @parsing("Azure's networks and clusters")
    def read(self, outputs: Outputs) -> ResourceGroup:
        del outputs
        side = self.link.azure
        raw = self.azure.group()
        if raw is None:
            raise MissingError(
                "The resource group was not found",
                f"The subscription {side.subscription} has no resource group {side.resource_group}.",
                f"az group list --subscription {side.subscription} -o table",
                resource=self.address,
            )
        return ResourceGroup(str(raw["id"]), str(raw["name"]))


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkLookup(Lookup[VirtualNetwork]):
    link: Link
    azure: Azure

    @parsing("Azure's networks and clusters")
    def read(self, outputs: Outputs) -> VirtualNetwork:
        """Raises CloudError for a VNet that AKS made for itself: it may not be altered, and goes with the cluster.

        https://learn.microsoft.com/azure/aks/faq
        """
        del outputs
        side = self.link.azure
        raw = self.azure.vnet()
        if raw is None:
            raise MissingError(
                "The VNet was not found",
                f"The resource group {side.vnet_resource_group} has no VNet {side.vnet}, or does not exist.",
                f"az network vnet list --subscription {side.vnet_subscription} -o table",
                resource=self.address,
            )
        if self._belongs_to_aks():
            raise CloudError(
                "The VNet belongs to AKS",
                f"{side.vnet} lies in {side.vnet_resource_group}, which AKS made for the cluster's own resources. Azure "
                "does not support a gateway there, may refuse it, and deletes the VNet together with the cluster.",
                "Use a cluster in a VNet of your own, or a VNet that is peered with this one with gateway transit, "
                "and name it in azure.vnet.",
                resource=self.address,
            )
        return virtual_network(raw)

    def _belongs_to_aks(self) -> bool:
        """By the name that AKS gives such groups; a group that was given another name is found by preflight."""
        return self.link.azure.vnet_resource_group.lower().startswith("mc_")


@dataclass(frozen=True, kw_only=True, eq=False)
class ClusterLookup(Lookup[AksCluster]):
    proof: ClassVar[bool] = True

    link: Link
    azure: Azure

    @parsing("Azure's networks and clusters")
    def read(self, outputs: Outputs) -> AksCluster:
        del outputs
        side = self.link.azure
        raw = self.azure.aks_cluster()
        if raw is None:
            raise MissingError(
                "The AKS cluster was not found",
                f"The resource group {side.aks_resource_group} has no AKS cluster {side.aks_cluster}, or does not exist.",
                f"az aks list --subscription {side.aks_subscription} -o table",
                resource=self.address,
            )
        return aks_cluster(raw)


# --- made on request --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GroupSpec:
    location: str


@dataclass(frozen=True, kw_only=True, eq=False)
class NewGroup(AzureResource[GroupSpec, ResourceGroup]):
    """The link's resource group (``[azure] create_resource_group = true``)."""

    timing = Timing(create=5, update=5, delete=60, deadline=1800)
    immutable = frozenset({"location"})

    def spec(self, outputs: Outputs) -> GroupSpec:
        del outputs
        return GroupSpec(location(self.link.azure.location))

    def raw(self, *, fresh: bool) -> Json | None:
        return self.azure.group(fresh=fresh)

    def parse_spec(self, raw: Json) -> GroupSpec:
        return GroupSpec(location(raw.get("location")))

    def parse_outputs(self, raw: Json) -> ResourceGroup:
        return ResourceGroup(str(raw["id"]), str(raw["name"]))

    def whole(self, id_: str) -> Json:
        del id_
        return self.azure.group() or {}

    def put(self, spec: GroupSpec, tags: dict[str, str], there: Json | None) -> Started:
        kept = {"managedBy": there["managedBy"]} if there and there.get("managedBy") else {}
        return self.azure.put_group({**kept, "location": spec.location, "tags": tags})

    def remove(self) -> Started | None:
        """Deleting a group deletes whatever is in it, so it is refused while somebody else's things are.

        Raises ConflictError that names them.
        """
        with parsing("Azure's objects"):
            items = self.azure.in_group()
            others = [str(item["id"]) for item in items if not owner_of(self.link).holds(item.get("tags"))]
        if others:
            raise ConflictError(
                "The resource group holds things that are not cloudlink's",
                "It is kept, because deleting it would delete them too: " + ", ".join(sorted(others)),
                "Move or delete them, then run the command again.",
                resource=self.address,
            )
        return self.azure.delete_group()


@dataclass(frozen=True)
class NetworkSpec:
    location: str
    prefixes: frozenset[IPv4Network]
    cluster_subnet: AzureSubnet | None  # None: found without it


@dataclass(frozen=True, kw_only=True, eq=False)
class NewVirtualNetwork(AzureResource[NetworkSpec, VirtualNetwork]):
    """The VNet with a subnet for the cluster's nodes (``[azure.vnet] create = true``)."""

    group: Node[ResourceGroup]
    wanted: NewNetwork

    timing = Timing(create=5, update=5, delete=10, deadline=900)
    immutable = frozenset({"location"})
    outputs_depend_on = frozenset({"prefixes"})
    serial = "azure-vnet"

    def spec(self, outputs: Outputs) -> NetworkSpec:
        return NetworkSpec(
            location(self.link.azure.location), frozenset(self.wanted.prefixes), self.wanted.cluster_subnet
        )

    def raw(self, *, fresh: bool) -> Json | None:
        return self.azure.vnet(fresh=fresh)

    def parse_spec(self, raw: Json) -> NetworkSpec:
        subnet = named(properties(raw).get("subnets"), self.wanted.cluster_subnet.name)
        prefixes = subnet_prefixes(subnet) if subnet else ()
        return NetworkSpec(
            location(raw.get("location")),
            frozenset(networks((properties(raw).get("addressSpace") or {}).get("addressPrefixes"))),
            AzureSubnet(self.wanted.cluster_subnet.name, prefixes[0]) if prefixes else None,
        )

    def parse_outputs(self, raw: Json) -> VirtualNetwork:
        return virtual_network(raw)

    def put(self, spec: NetworkSpec, tags: dict[str, str], there: Json | None) -> Started:
        """Subnets and peerings of others go along as they are."""
        assert spec.cluster_subnet is not None
        with parsing("Azure's networks"):
            held = properties(there)
            name, prefix = spec.cluster_subnet.name, str(spec.cluster_subnet.prefix)
            others = [rest_of(s) for s in held.get("subnets") or [] if str(s.get("name", "")).lower() != name.lower()]
            own = rest_of(named(held.get("subnets"), name) or {"name": name})
            subnet = {k: v for k, v in properties(own).items() if k != "addressPrefixes"} | {"addressPrefix": prefix}
            space = {**(held.get("addressSpace") or {}), "addressPrefixes": [str(p) for p in sorted(spec.prefixes)]}
            changed = {"addressSpace": space, "subnets": [*others, {**own, "properties": subnet}]}
            own_keys = ("flowLogs", "defaultPublicNatGateway")
            body = body_of(there, changed, *own_keys, location=spec.location, tags=tags)
        return self.azure.put_vnet(body)

    def remove(self) -> Started | None:
        return self.azure.delete_vnet()


@dataclass(frozen=True)
class ClusterSpec:
    location: str
    version: str | None  # None: whatever AKS takes by default
    node_count: int
    node_size: str
    subnet: str  # id, lower case
    pod_cidr: IPv4Network | None
    service_cidr: IPv4Network | None


@dataclass(frozen=True, kw_only=True, eq=False)
class NewAksCluster(AzureResource[ClusterSpec, AksCluster]):
    """A small test cluster (``[azure.aks] create = true``): Azure CNI in overlay mode, so that pods need no addresses of
    the VNet. https://learn.microsoft.com/azure/aks/azure-cni-overlay
    """

    network: Node[VirtualNetwork] = built_on()
    group: Node[ResourceGroup]
    wanted: NewCluster
    subnet_name: str

    timing = Timing(create=300, update=120, delete=240, deadline=3600)
    immutable = frozenset({"location", "node_size", "subnet", "pod_cidr", "service_cidr"})

    def spec(self, outputs: Outputs) -> ClusterSpec:
        vnet = outputs[self.network].id
        return ClusterSpec(
            location=location(self.link.azure.location),
            version=self.wanted.kubernetes_version,
            node_count=self.wanted.node_count,
            node_size=self.wanted.node_size,
            subnet=f"{vnet}/subnets/{self.subnet_name}".lower(),
            pod_cidr=self.wanted.pod_cidr,
            service_cidr=self.wanted.service_cidr,
        )

    def raw(self, *, fresh: bool) -> Json | None:
        return self.azure.aks_cluster(fresh=fresh)

    def parse_spec(self, raw: Json) -> ClusterSpec:
        held = properties(raw)
        pool = (held.get("agentPoolProfiles") or [{}])[0]
        cluster = aks_cluster(raw)
        version = None if self.wanted.kubernetes_version is None else str(held.get("kubernetesVersion") or "")
        return ClusterSpec(
            location=location(raw.get("location")),
            version=version,
            node_count=int(pool.get("count") or 0),
            node_size=str(pool.get("vmSize") or ""),
            subnet=str(pool.get("vnetSubnetID") or "").lower(),
            pod_cidr=cluster.pod_cidr,
            service_cidr=cluster.service_cidr,
        )

    def parse_outputs(self, raw: Json) -> AksCluster:
        return aks_cluster(raw)

    def whole(self, id_: str) -> Json:
        del id_
        return self.azure.aks_cluster() or {}

    def put(self, spec: ClusterSpec, tags: dict[str, str], there: Json | None) -> Started:
        del there
        assert spec.pod_cidr is not None
        assert spec.service_cidr is not None
        held: Json = {
            "dnsPrefix": self.link.azure.aks_cluster,
            "enableRBAC": True,
            "agentPoolProfiles": [
                {
                    "name": "nodes",
                    "mode": "System",
                    "type": "VirtualMachineScaleSets",
                    "osType": "Linux",
                    "count": spec.node_count,
                    "vmSize": spec.node_size,
                    "vnetSubnetID": f"{self.azure.vnet_id}/subnets/{self.subnet_name}",
                }
            ],
            "networkProfile": {
                "networkPlugin": "azure",
                "networkPluginMode": "overlay",
                "podCidr": str(spec.pod_cidr),
                "serviceCidr": str(spec.service_cidr),
                "dnsServiceIP": str(spec.service_cidr.network_address + 10),
                "loadBalancerSku": "standard",
                "outboundType": "loadBalancer",
            },
        }
        if spec.version is not None:
            held["kubernetesVersion"] = spec.version
        body = {"location": spec.location, "tags": tags, "identity": {"type": "SystemAssigned"}, "properties": held}
        return self.azure.put_aks_cluster(body)

    def remove(self) -> Started | None:
        return self.azure.delete_aks_cluster()


# --- the gateway's subnet ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class GatewaySubnetSpec:
    prefix: IPv4Network


@dataclass(frozen=True, kw_only=True, eq=False)
class GatewaySubnetResource(Resource[GatewaySubnetSpec, GatewaySubnet]):
    """The subnet ``GatewaySubnet``. One that is there already is used as it is and never deleted.

    Subnets have no tags: that one is ours is said by the receipt, or by a tag on our gateway. So a subnet whose receipt
    was lost before there was a gateway counts as somebody else's, and stays.
    """

    link: Link
    azure: Azure
    network: Node[VirtualNetwork] = built_on()

    timing = Timing(create=4, update=4, delete=10, deadline=900, delete_pace=STEADY_DELETION)
    immutable = frozenset({"prefix"})
    serial = "azure-vnet"

    def spec(self, outputs: Outputs) -> GatewaySubnetSpec:
        _ = outputs[self.network]
        return GatewaySubnetSpec(self.link.azure.gateway_subnet)

    @parsing("Azure's subnets")
    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[GatewaySubnetSpec, GatewaySubnet] | None:
        raw = named(properties(self.azure.vnet(fresh=fresh)).get("subnets"), GATEWAY_SUBNET)
        if raw is None:
            return None
        id_, prefixes = str(raw["id"]), subnet_prefixes(raw)
        if self._ours(receipts, id_, prefixes):
            outputs = GatewaySubnet(id_, owned=True)
            wanted = self.link.azure.gateway_subnet
            prefix = wanted if wanted in prefixes else prefixes[0]
            return Observed(id_, phase(raw), GatewaySubnetSpec(prefix), outputs, Ownership.OWNED, state(raw))
        # Not ours, so its range is no drift: Azure makes no subnet smaller than /29, which is enough for two instances.
        shown = ", ".join(map(str, prefixes))
        small = any(p.prefixlen > SMALLEST_ADVISED for p in prefixes)
        detail = f"used as it is: {shown}" + (f", smaller than the advised /{SMALLEST_ADVISED}" if small else "")
        spec = GatewaySubnetSpec(self.link.azure.gateway_subnet)
        return Observed(id_, phase(raw), spec, GatewaySubnet(id_), Ownership.ADOPTED, detail)

    def create(self, spec: GatewaySubnetSpec) -> Started:
        return self.azure.put_gateway_subnet({"properties": {"addressPrefix": str(spec.prefix)}})

    def update(self, found: Observed[GatewaySubnetSpec, GatewaySubnet], spec: GatewaySubnetSpec) -> Started:
        """Only a failed one is written again, with whatever others have put on it: its range is immutable."""
        del spec
        there = self.azure.whole(found.id)
        return self.azure.put_gateway_subnet({"properties": rest_of(properties(there), *_USERS_OF_SUBNET)})

    def delete(self, found: Observed[GatewaySubnetSpec, GatewaySubnet], prior_state: Any) -> Started | None:
        """Raises ConflictError while a gateway of others is in it: Azure would refuse, and waiting does not help."""
        del prior_state
        if found.owned is not Ownership.OWNED:
            return None
        if others := self.azure.other_gateways():
            raise ConflictError(
                "The gateway subnet is used by others",
                f"cloudlink made it, and {', '.join(others)} is now in it, too. It is kept.",
                "Delete it together with that gateway.",
                resource=self.address,
            )
        return self.azure.delete_gateway_subnet()

    def _ours(self, receipts: Receipts, id_: str, prefixes: tuple[IPv4Network, ...]) -> bool:
        receipt = receipts.of(self)
        if receipt is not None and receipt.intent != "create":
            return receipt.owned is Ownership.OWNED
        if receipt is not None and prefixes == (self.link.azure.gateway_subnet,):
            return True  # we had begun to make it when we were killed, and it is what we would have made
        tags = (self.azure.gateway() or {}).get("tags") or {}
        here = id_.lower().startswith(f"{self.azure.vnet_of_gateway()}/subnets/")
        return here and owner_of(self.link).holds(tags) and tags.get(MADE_SUBNET_TAG) == "true"


# --- reading ----------------------------------------------------------------------------------------------


def virtual_network(raw: Json) -> VirtualNetwork:
    """What Azure's gateway advertises over BGP: the VNet's own ranges, and those of peered VNets that use the gateway.

    Assumption: a connected peering that allows gateway transit here is used by the other side (``useRemoteGateways``
    is written only there, possibly in a subscription that we may not read).
    """
    held = properties(raw)
    own = networks((held.get("addressSpace") or {}).get("addressPrefixes"))
    peered: list[IPv4Network] = []
    for peering in held.get("virtualNetworkPeerings") or []:
        said = properties(peering)
        if said.get("allowGatewayTransit") and str(said.get("peeringState", "")).lower() == "connected":
            space = said.get("remoteVirtualNetworkAddressSpace") or said.get("remoteAddressSpace") or {}
            peered.extend(networks(space.get("addressPrefixes")))
    subnets = {str(s["name"]): subnet_prefixes(s) for s in held.get("subnets") or []}
    return VirtualNetwork(str(raw["id"]), own, (*own, *sorted(set(peered) - set(own))), subnets)


def aks_cluster(raw: Json) -> AksCluster:
    held = properties(raw)
    network = held.get("networkProfile") or {}
    version = held.get("currentKubernetesVersion") or held.get("kubernetesVersion") or ""
    return AksCluster(
        str(raw["id"]),
        str(raw["name"]),
        str(version),
        _network(network.get("podCidr")),
        _network(network.get("serviceCidr")),
    )


def _network(text: Any) -> IPv4Network | None:
    return IPv4Network(text) if text and ":" not in str(text) else None
