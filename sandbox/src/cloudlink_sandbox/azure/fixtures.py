"""What Azure holds at the start: the network and the cluster of the world file, and somebody else's objects."""

from __future__ import annotations

import copy
import zlib
from ipaddress import IPv4Network

from cloudlink_sandbox.azure import admin_rules
from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.ids import ResourceId
from cloudlink_sandbox.azure.locations import zones_of
from cloudlink_sandbox.azure.managed_clusters import DEFAULT_VERSION, VERSIONS, ManagedClusters
from cloudlink_sandbox.azure.operations import AKS, NETWORK
from cloudlink_sandbox.azure.public_ips import PUBLIC_IP, assign_address
from cloudlink_sandbox.azure.store import Group, Record, Store
from cloudlink_sandbox.azure.vnets import GATEWAY_SUBNET
from cloudlink_sandbox.world_file import Aks, Vnet, WorldFile, room_for_nodes, rooms_in_vnet

FOREIGN_GROUP = "contoso-hub"
NODE_SUBNET = "aks"
NODES = 3


class Fixtures:
    """Adds what is missing; what is there already stays as it is."""

    def __init__(self, store: Store, clusters: ManagedClusters, world: WorldFile, *, tenant: str) -> None:
        self.store = store
        self.clusters = clusters
        self.world = world
        self.azure = world.azure
        self.tenant = tenant

    def seed(self) -> None:
        azure = self.azure
        for one in (
            azure.subscription,
            *(x.subscription for x in (azure.vnet, azure.aks, *azure.more_aks) if x and x.subscription),
        ):
            self.store.subscriptions.setdefault(one.lower(), one)
        for name in azure.resource_groups:
            self._group(name)
        if azure.vnet is not None:
            self._group(azure.vnet.resource_group, subscription=azure.vnet.subscription)
            self._network(azure.vnet)
            self._manage(azure.vnet)
        if azure.aks is not None:
            self._group(azure.aks.resource_group, subscription=azure.aks.subscription)
            self._cluster(azure.aks, azure.vnet)
        self._more_clusters()
        if self.world.foreign_objects:
            self._foreign_objects()

    def _group(self, name: str, tags: dict[str, str] | None = None, subscription: str | None = None) -> None:
        where = subscription or self.azure.subscription
        self.store.groups.setdefault((where.lower(), name.lower()), Group(where, name, self.azure.location, tags))

    def _network(self, wanted: Vnet) -> None:
        """A VNet with the subnet of its AKS nodes and a network security group on that."""
        nodes = room_for_nodes(wanted, self.azure.keep_free)
        assert nodes is not None, "a world file without room for them is not valid"
        vnet = self._id(wanted.resource_group, "virtualNetworks", wanted.name, wanted.subscription)
        if self.store.find(vnet) is not None:
            return
        group = self._id(
            wanted.resource_group, "networkSecurityGroups", f"{wanted.name}-{NODE_SUBNET}", wanted.subscription
        )
        self.store.place(Record(group, self.azure.location, {"securityRules": []}))
        self._vnet(vnet, [str(p) for p in wanted.prefixes])
        self._subnet(vnet, NODE_SUBNET, nodes, networkSecurityGroup={"id": str(group)})

    def _manage(self, wanted: Vnet) -> None:
        """What a network manager of somebody else's has put on the VNet; it may be changed later."""
        vnet = self._id(wanted.resource_group, "virtualNetworks", wanted.name, wanted.subscription)
        if wanted.admin_rules:
            self.store.admin_rules[vnet.key] = [
                admin_rules.shown(self.azure.subscription, one) for one in wanted.admin_rules
            ]

    def _more_clusters(self) -> None:
        """Each in a subnet of the VNet of its own, or in a VNet of its own."""
        azure, rooms = self.azure, iter(rooms_in_vnet(self.azure) or ())
        for aks in azure.more_aks:
            home = aks.vnet or azure.vnet
            assert home is not None, "a world file with more clusters and no VNet is not valid"
            self._group(aks.resource_group, subscription=aks.subscription)
            if aks.vnet is not None:
                self._group(home.resource_group, subscription=home.subscription)
                self._network(home)
                self._cluster(aks, home)
                continue
            vnet = self._id(home.resource_group, "virtualNetworks", home.name, home.subscription)
            name, room = f"{NODE_SUBNET}-{aks.name}", next(rooms)
            if self.store.find(vnet.child("subnets", name)) is None:
                self._subnet(vnet, name, room)
            self._cluster(aks, home, name)

    def _cluster(self, aks: Aks, vnet: Vnet | None, node_subnet: str = NODE_SUBNET) -> None:
        """An AKS cluster: azure CNI overlay in a subnet of the VNet; without a VNet it has the one that AKS makes."""
        where = aks.subscription or self.azure.subscription
        id_ = ResourceId(where, aks.resource_group, AKS, ("managedClusters",), (aks.name,))
        if self.store.find(id_) is not None:
            return
        pool: Json = {"name": "nodepool1", "count": NODES, "vmSize": "Standard_D4ds_v5", "mode": "System"}
        if vnet is not None:
            subnets = self._id(vnet.resource_group, "virtualNetworks", vnet.name, vnet.subscription)
            subnet = self.store.find(subnets.child("subnets", node_subnet))
            if subnet is not None:
                pool["vnetSubnetID"] = str(subnet.id)
        given: Json = {
            "kubernetesVersion": _version(aks.version),
            "dnsPrefix": aks.name,
            "agentPoolProfiles": [pool],
            "networkProfile": {
                "networkPlugin": "azure",
                "networkPluginMode": "overlay",
                "podCidr": str(aks.pod_cidr),
                "serviceCidr": str(aks.service_cidr),
                "dnsServiceIP": str(aks.service_cidr.network_address + 10),
                "networkPolicy": aks.network_policy,
                "networkDataplane": "cilium" if aks.network_policy == "cilium" else "azure",
            },
        }
        if aks.sign_in == "entra":
            given["disableLocalAccounts"] = True
            given["aadProfile"] = {"managed": True, "enableAzureRBAC": True, "tenantID": self.tenant}
        body = {"location": self.azure.location, "properties": given, "identity": {"type": "SystemAssigned"}}
        self._accept_cluster(id_, body)

    def _accept_cluster(self, id_: ResourceId, body: Json) -> None:
        properties = self.clusters.accept(id_, body, None)
        self.store.place(Record(id_, self.azure.location, properties, top=self.clusters.top(body, None)))

    def _foreign_objects(self) -> None:
        """A hub of somebody else's in the same subscription, with a gateway of its own."""
        self._group(FOREIGN_GROUP, {"owner": "network-team"})
        location = self.azure.location
        vnet = self._id(FOREIGN_GROUP, "virtualNetworks", "hub")
        if self.store.find(vnet) is not None:
            return
        space = _apart(self.world)
        self._vnet(vnet, [str(space)])
        subnet = self._subnet(vnet, GATEWAY_SUBNET, next(space.subnets(new_prefix=27)))
        ips = [self._public_ip(f"hub-gateway-{i}") for i in (1, 2)]
        gateway = self._id(FOREIGN_GROUP, "virtualNetworkGateways", "hub-gateway")
        self.store.place(Record(gateway, location, _gateway(gateway, subnet, ips), tags={"owner": "network-team"}))
        local = self._id(FOREIGN_GROUP, "localNetworkGateways", "branch-office")
        self.store.place(
            Record(
                local,
                location,
                {
                    "localNetworkAddressSpace": {"addressPrefixes": ["192.168.77.0/24"]},
                    "gatewayIpAddress": "198.51.100.77",
                },
            )
        )

    # Pieces

    def _id(self, group: str, kind: str, name: str, subscription: str | None = None) -> ResourceId:
        return ResourceId(subscription or self.azure.subscription, group, NETWORK, (kind,), (name,))

    def _vnet(self, id_: ResourceId, prefixes: list[str]) -> None:
        properties: Json = {"addressSpace": {"addressPrefixes": prefixes}, "enableDdosProtection": False}
        self.store.place(Record(id_, self.azure.location, properties))

    def _subnet(self, vnet: ResourceId, name: str, prefix: IPv4Network, **more: Json) -> ResourceId:
        properties: Json = {
            "addressPrefix": str(prefix),
            **more,
            "delegations": [],
            "privateEndpointNetworkPolicies": "Disabled",
            "privateLinkServiceNetworkPolicies": "Enabled",
        }
        return self.store.place(Record(vnet.child("subnets", name), None, properties)).id

    def _public_ip(self, name: str) -> ResourceId:
        id_ = self._id(FOREIGN_GROUP, "publicIPAddresses", name)
        properties: Json = {
            "publicIPAddressVersion": "IPv4",
            "publicIPAllocationMethod": "Static",
            "idleTimeoutInMinutes": 4,
            "ipTags": [],
            "ddosSettings": {"protectionMode": "VirtualNetworkInherited"},
        }
        zones = list(zones_of(self.azure.location))
        top: Json = {**({"zones": zones} if zones else {}), "sku": {"name": "Standard", "tier": "Regional"}}
        record = self.store.add(Record(id_, self.azure.location, properties, top=top))
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


def _version(wanted: str) -> str:
    minor = ".".join(wanted.split(".")[:2])
    return wanted if minor in VERSIONS else DEFAULT_VERSION


def _apart(world: WorldFile) -> IPv4Network:
    """A /24 for somebody else's that overlaps nothing of the world file's."""
    azure = world.azure
    taken = [*azure.keep_free, *world.aws.cidrs]
    if azure.vnet is not None:
        taken += azure.vnet.prefixes
    if azure.aks is not None:
        taken += [azure.aks.pod_cidr, azure.aks.service_cidr]
    for aks in azure.more_aks:
        taken += [aks.pod_cidr, aks.service_cidr, *(aks.vnet.prefixes if aks.vnet else ())]
    start = zlib.crc32(azure.subscription.encode()) % 200
    for i in range(256):
        candidate = IPv4Network(f"172.31.{(start + i) % 256}.0/24")
        if not any(candidate.overlaps(t) for t in taken):
            return candidate
    return IPv4Network("192.168.200.0/24")
