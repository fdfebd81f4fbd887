"""What stands in the sandbox's Azure before cloudlink comes: the user's network and cluster, and strangers' objects."""

from __future__ import annotations

import copy
import zlib
from ipaddress import IPv4Network

from cloudlink.link import Link
from cloudlink.sandbox.azure.exchange import Json
from cloudlink.sandbox.azure.ids import ResourceId
from cloudlink.sandbox.azure.managed_clusters import DEFAULT_VERSION, VERSIONS, ManagedClusters
from cloudlink.sandbox.azure.operations import AKS, NETWORK
from cloudlink.sandbox.azure.public_ips import PUBLIC_IP, assign_address
from cloudlink.sandbox.azure.store import Group, Record, Store
from cloudlink.sandbox.azure.vnets import GATEWAY_SUBNET

STRANGER_GROUP = "contoso-hub"
NODE_SUBNET = "aks"
NODES = 3


class Furniture:
    """Adds what is missing; what is there already stays as it is."""

    def __init__(self, store: Store, clusters: ManagedClusters, *, tenant: str) -> None:
        self.store = store
        self.clusters = clusters
        self.tenant = tenant

    def furnish(self, link: Link) -> None:
        side = link.azure
        self.store.subscriptions.setdefault(side.subscription.lower(), side.subscription)
        if not side.create_resource_group:
            self.group(link, side.resource_group)
        if side.new_network is None:
            self.group(link, side.vnet_resource_group)
            self.network(link)
        if side.new_cluster is None:
            self.group(link, side.aks_resource_group)
            self.cluster(link)
        self.stranger(link)

    def group(self, link: Link, name: str, tags: dict[str, str] | None = None) -> None:
        side = link.azure
        key = (side.subscription.lower(), name.lower())
        self.store.groups.setdefault(key, Group(side.subscription, name, side.location, tags))

    def network(self, link: Link) -> None:
        """The user's VNet with the subnet of its AKS nodes and a network security group on that."""
        side, furniture = link.azure, link.sandbox
        prefixes = furniture.vnet_prefixes if furniture and furniture.vnet_prefixes else (_around(side.gateway_subnet),)
        nodes = (furniture.aks_subnet if furniture else None) or _room(prefixes, side.gateway_subnet)
        vnet = self._id(link, side.vnet_resource_group, "virtualNetworks", side.vnet)
        if self.store.find(vnet) is not None:
            return
        group = self._id(link, side.vnet_resource_group, "networkSecurityGroups", f"{side.vnet}-{NODE_SUBNET}")
        self.store.place(Record(group, side.location, {"securityRules": []}))
        self._vnet(vnet, side.location, [str(p) for p in prefixes])
        self._subnet(vnet, NODE_SUBNET, nodes, networkSecurityGroup={"id": str(group)})

    def cluster(self, link: Link) -> None:
        """The user's AKS cluster: azure CNI overlay in a subnet of the VNet.

        Without a VNet of the user's (cloudlink is to make it) the cluster has the one that AKS makes.
        """
        side, furniture = link.azure, link.sandbox
        id_ = ResourceId(side.subscription, side.aks_resource_group, AKS, ("managedClusters",), (side.aks_cluster,))
        if self.store.find(id_) is not None:
            return
        vnet = self._id(link, side.vnet_resource_group, "virtualNetworks", side.vnet)
        subnet = self.store.find(vnet.child("subnets", NODE_SUBNET))
        service = furniture.aks_service_cidr if furniture else IPv4Network("10.0.0.0/16")
        pods = furniture.aks_pod_cidr if furniture else IPv4Network("10.244.0.0/16")
        pool: Json = {"name": "nodepool1", "count": NODES, "vmSize": "Standard_D4ds_v5", "mode": "System"}
        if subnet is not None:
            pool["vnetSubnetID"] = str(subnet.id)
        given: Json = {
            "kubernetesVersion": self._version(link),
            "dnsPrefix": side.aks_cluster,
            "agentPoolProfiles": [pool],
            "networkProfile": {
                "networkPlugin": "azure",
                "networkPluginMode": "overlay",
                "podCidr": str(pods),
                "serviceCidr": str(service),
                "dnsServiceIP": str(service.network_address + 10),
            },
        }
        if furniture is not None and furniture.aks_sign_in == "entra":
            given["disableLocalAccounts"] = True
            given["aadProfile"] = {"managed": True, "enableAzureRBAC": True, "tenantID": self.tenant}
        body = {"location": side.location, "properties": given, "identity": {"type": "SystemAssigned"}}
        self._accept_cluster(id_, body, side.location)

    def _accept_cluster(self, id_: ResourceId, body: Json, location: str) -> None:
        properties = self.clusters.accept(id_, body, None)
        self.store.place(Record(id_, location, properties, top=self.clusters.top(body, None)))

    def _version(self, link: Link) -> str:
        wanted = link.sandbox.aks_version if link.sandbox else DEFAULT_VERSION
        minor = ".".join(wanted.split(".")[:2])
        return wanted if minor in VERSIONS else DEFAULT_VERSION

    def stranger(self, link: Link) -> None:
        """A hub of somebody else's in the same subscription, with a gateway that is no business of cloudlink's."""
        side = link.azure
        self.group(link, STRANGER_GROUP, {"owner": "network-team"})
        vnet = self._id(link, STRANGER_GROUP, "virtualNetworks", "hub")
        if self.store.find(vnet) is not None:
            return
        space = _apart(link)
        self._vnet(vnet, side.location, [str(space)])
        subnet = self._subnet(vnet, GATEWAY_SUBNET, next(space.subnets(new_prefix=27)))
        ips = [self._public_ip(link, f"hub-gateway-{i}") for i in (1, 2)]
        gateway = self._id(link, STRANGER_GROUP, "virtualNetworkGateways", "hub-gateway")
        self.store.place(Record(gateway, side.location, _gateway(gateway, subnet, ips), tags={"owner": "network-team"}))
        local = self._id(link, STRANGER_GROUP, "localNetworkGateways", "branch-office")
        self.store.place(
            Record(
                local,
                side.location,
                {
                    "localNetworkAddressSpace": {"addressPrefixes": ["192.168.77.0/24"]},
                    "gatewayIpAddress": "198.51.100.77",
                },
            )
        )

    # Pieces

    def _id(self, link: Link, group: str, kind: str, name: str) -> ResourceId:
        return ResourceId(link.azure.subscription, group, NETWORK, (kind,), (name,))

    def _vnet(self, id_: ResourceId, location: str, prefixes: list[str]) -> None:
        self.store.place(
            Record(id_, location, {"addressSpace": {"addressPrefixes": prefixes}, "enableDdosProtection": False})
        )

    def _subnet(self, vnet: ResourceId, name: str, prefix: IPv4Network, **more: Json) -> ResourceId:
        properties: Json = {
            "addressPrefix": str(prefix),
            **more,
            "delegations": [],
            "privateEndpointNetworkPolicies": "Disabled",
            "privateLinkServiceNetworkPolicies": "Enabled",
        }
        return self.store.place(Record(vnet.child("subnets", name), None, properties)).id

    def _public_ip(self, link: Link, name: str) -> ResourceId:
        id_ = self._id(link, STRANGER_GROUP, "publicIPAddresses", name)
        properties: Json = {
            "publicIPAddressVersion": "IPv4",
            "publicIPAllocationMethod": "Static",
            "idleTimeoutInMinutes": 4,
            "ipTags": [],
            "ddosSettings": {"protectionMode": "VirtualNetworkInherited"},
        }
        top = {"zones": ["1", "2", "3"], "sku": {"name": "Standard", "tier": "Regional"}}
        record = self.store.add(Record(id_, link.azure.location, properties, top=top))
        assign_address(record, {r.properties.get("ipAddress") for r in self.store.of_type(PUBLIC_IP)})
        record.effective = copy.deepcopy(record.properties)
        return id_


def _gateway(id_: ResourceId, subnet: ResourceId, ips: list[ResourceId]) -> Json:
    configs = [
        {
            "name": f"config{i}",
            "id": str(id_.child("ipConfigurations", f"config{i}")),
            "properties": {
                "privateIPAllocationMethod": "Dynamic",
                "publicIPAddress": {"id": str(ip)},
                "subnet": {"id": str(subnet)},
            },
        }
        for i, ip in enumerate(ips)
    ]
    return {
        "packetCaptureDiagnosticState": "None",
        "enablePrivateIpAddress": False,
        "isMigrateToCSES": False,
        "ipConfigurations": configs,
        "natRules": [],
        "virtualNetworkGatewayPolicyGroups": [],
        "enableBgpRouteTranslationForNat": False,
        "disableIPSecReplayProtection": False,
        "sku": {"name": "VpnGw1AZ", "tier": "VpnGw1AZ", "capacity": 2},
        "gatewayType": "Vpn",
        "vpnType": "RouteBased",
        "enableBgp": True,
        "activeActive": True,
        "bgpSettings": {
            "asn": 65515,
            "peerWeight": 0,
            "bgpPeeringAddresses": [{"ipconfigurationId": c["id"], "customBgpIpAddresses": []} for c in configs],
        },
        "vpnGatewayGeneration": "Generation1",
        "allowRemoteVnetTraffic": False,
        "allowVirtualWanTraffic": False,
    }


def _around(gateway_subnet: IPv4Network) -> IPv4Network:
    """A /16 with room for nodes, when the configuration does not say what the VNet's prefixes are."""
    return gateway_subnet.supernet(new_prefix=16) if gateway_subnet.prefixlen > 16 else gateway_subnet


def _room(prefixes: tuple[IPv4Network, ...], gateway_subnet: IPv4Network) -> IPv4Network:
    """The first block of up to a /22 beside the gateway's subnet."""
    for prefix in prefixes:
        for size in range(max(22, prefix.prefixlen), 29):
            for candidate in prefix.subnets(new_prefix=size):
                if not candidate.overlaps(gateway_subnet):
                    return candidate
    raise ValueError(f"there is no room for AKS nodes in {', '.join(map(str, prefixes))} beside {gateway_subnet}")


def _apart(link: Link) -> IPv4Network:
    """A /24 for the stranger that overlaps nothing of the link's."""
    furniture = link.sandbox
    taken = [link.azure.gateway_subnet]
    if furniture is not None:
        taken += [*furniture.vnet_prefixes, *furniture.vpc_cidrs, furniture.aks_pod_cidr, furniture.aks_service_cidr]
    start = zlib.crc32(link.azure.subscription.encode()) % 200
    for i in range(256):
        candidate = IPv4Network(f"172.31.{(start + i) % 256}.0/24")
        if not any(candidate.overlaps(t) for t in taken):
            return candidate
    return IPv4Network("192.168.200.0/24")
