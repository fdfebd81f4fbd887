"""Azure's half of what somebody else has joined the networks with: made long ago, and working."""

from __future__ import annotations

import copy

from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.express_route import MICROSOFT_ASN
from cloudlink_sandbox.azure.ids import ResourceId
from cloudlink_sandbox.azure.locations import zones_of
from cloudlink_sandbox.azure.operations import NETWORK
from cloudlink_sandbox.azure.parts import Parts
from cloudlink_sandbox.azure.store import Group, Record, Store
from cloudlink_sandbox.azure.vnets import GATEWAY_SUBNET
from cloudlink_sandbox.wires import GROUP, LONG_AGO, ROUTER_ASN, WirePlan
from cloudlink_sandbox.world_file import Azure, Vnet

GATEWAY_NAME = "wan-gateway"
_POLICY: Json = {
    "saLifeTimeSeconds": 3600,
    "saDataSizeKilobytes": 102_400_000,
    "ipsecEncryption": "GCMAES256",
    "ipsecIntegrity": "GCMAES256",
    "ikeEncryption": "AES256",
    "ikeIntegrity": "SHA256",
    "dhGroup": "ECP384",
    "pfsGroup": "ECP384",
}


class WireFixtures:
    """Adds it where it is missing. The bodies are those of requests, so that what is kept is what a PUT would keep."""

    def __init__(self, store: Store, parts: Parts, azure: Azure, plan: WirePlan) -> None:
        self.store = store
        self.parts = parts
        self.azure = azure
        self.plan = plan

    def seed(self, vnet: Vnet) -> None:
        where = vnet.subscription or self.azure.subscription
        gateway = self._id("virtualNetworkGateways", GATEWAY_NAME, where)
        if self.store.find(gateway) is not None:
            return
        self.store.groups.setdefault(
            (where.lower(), GROUP), Group(where, GROUP, self.azure.location, {"owner": "network-team"})
        )
        network = ResourceId(where, vnet.resource_group, NETWORK, ("virtualNetworks",), (vnet.name,))
        subnet = self.store.place(
            Record(
                network.child("subnets", GATEWAY_SUBNET),
                None,
                {
                    "addressPrefix": str(self.plan.gateway_subnet),
                    "delegations": [],
                    "privateEndpointNetworkPolicies": "Disabled",
                    "privateLinkServiceNetworkPolicies": "Enabled",
                },
            )
        ).id
        if self.plan.kind == "expressroute":
            self._express_route(gateway, subnet, where)
        else:
            self._vpn(gateway, subnet, where)

    # --- VPN ----------------------------------------------------------------------------------------------

    def _vpn(self, gateway: ResourceId, subnet: ResourceId, where: str) -> None:
        ips = [self._public_ip(f"{GATEWAY_NAME}-{n + 1}", where, str(a)) for n, a in enumerate(self.plan.public)]
        configs = [gateway.child("ipConfigurations", f"config{n + 1}") for n in range(2)]
        inside = [[str(t.azure_inside) for t in self.plan.tunnels_of(n)] for n in range(2)]
        body: Json = {
            "location": self.azure.location,
            "properties": {
                "gatewayType": "Vpn",
                "vpnType": "RouteBased",
                "sku": {"name": "VpnGw2AZ", "tier": "VpnGw2AZ"},
                "vpnGatewayGeneration": "Generation2",
                "activeActive": True,
                "enableBgp": True,
                "ipConfigurations": [_config(c, ip, subnet) for c, ip in zip(configs, ips, strict=True)],
                "bgpSettings": {
                    "asn": self.plan.azure_asn,
                    "bgpPeeringAddresses": [
                        {"ipconfigurationId": str(c), "customBgpIpAddresses": i}
                        for c, i in zip(configs, inside, strict=True)
                    ],
                },
            },
        }
        self._place(gateway, self.parts.gateways.accept(gateway, body, None))
        for number, tunnel in enumerate(self.plan.tunnels):
            local = self._id("localNetworkGateways", f"aws-{number + 1}", where)
            peer: Json = {
                "location": self.azure.location,
                "properties": {
                    "gatewayIpAddress": str(tunnel.outside),
                    "localNetworkAddressSpace": {"addressPrefixes": []},
                    "bgpSettings": {"asn": self.plan.aws_asn, "bgpPeeringAddress": str(tunnel.aws_inside)},
                },
            }
            self._place(local, self.parts.local_gateways.accept(local, peer, None))
            own, other = tunnel.instance, 1 - tunnel.instance
            connection = self._id("connections", f"aws-{number + 1}", where)
            joined: Json = {
                "location": self.azure.location,
                "properties": {
                    "connectionType": "IPsec",
                    "connectionProtocol": "IKEv2",
                    "virtualNetworkGateway1": {"id": str(gateway)},
                    "localNetworkGateway2": {"id": str(local)},
                    "enableBgp": True,
                    "sharedKey": tunnel.psk,
                    "ipsecPolicies": [dict(_POLICY)],
                    "gatewayCustomBgpIpAddresses": [
                        {"ipConfigurationId": str(configs[own]), "customBgpIpAddress": str(tunnel.azure_inside)},
                        {"ipConfigurationId": str(configs[other]), "customBgpIpAddress": inside[other][number % 2]},
                    ],
                },
            }
            self._place(connection, self.parts.connections.accept(connection, joined, None))

    # --- ExpressRoute -------------------------------------------------------------------------------------

    def _express_route(self, gateway: ResourceId, subnet: ResourceId, where: str) -> None:
        ip = self._public_ip(f"{GATEWAY_NAME}-1", where, str(self.plan.public[0]))
        config = gateway.child("ipConfigurations", "config1")
        circuit = self._id("expressRouteCircuits", "wan-circuit", where)
        self._place(
            gateway,
            {
                "enablePrivateIpAddress": False,
                "isMigrateToCSES": False,
                "ipConfigurations": [{**_config(config, ip, subnet), "id": str(config)}],
                "natRules": [],
                "virtualNetworkGatewayPolicyGroups": [],
                "enableBgpRouteTranslationForNat": False,
                "disableIPSecReplayProtection": False,
                "sku": {"name": "ErGw1AZ", "tier": "ErGw1AZ", "capacity": 2},
                "gatewayType": "ExpressRoute",
                "vpnType": "RouteBased",
                "enableBgp": True,
                "activeActive": False,
                "bgpSettings": {
                    "asn": 65_515,
                    "peerWeight": 0,
                    "bgpPeeringAddresses": [{"ipconfigurationId": str(config), "customBgpIpAddresses": []}],
                },
                "vpnGatewayGeneration": "None",
                "allowRemoteVnetTraffic": False,
                "allowVirtualWanTraffic": False,
            },
        )
        peering = circuit.child("peerings", "AzurePrivatePeering")
        self._place(
            circuit,
            {
                "peerings": [
                    {
                        "name": peering.name,
                        "id": str(peering),
                        "properties": {
                            "provisioningState": "Succeeded",
                            "peeringType": "AzurePrivatePeering",
                            "azureASN": MICROSOFT_ASN,
                            "peerASN": ROUTER_ASN,
                            "primaryPeerAddressPrefix": "192.168.250.0/30",
                            "secondaryPeerAddressPrefix": "192.168.250.4/30",
                            "vlanId": 101,
                            "state": "Enabled",
                        },
                    }
                ],
                "authorizations": [],
                "serviceProviderProperties": {
                    "serviceProviderName": "Equinix",
                    "peeringLocation": "Frankfurt",
                    "bandwidthInMbps": 1000,
                },
                "circuitProvisioningState": "Enabled",
                "allowClassicOperations": False,
                "serviceProviderProvisioningState": "Provisioned",
                "globalReachEnabled": False,
            },
            {"sku": {"name": "Standard_MeteredData", "tier": "Standard", "family": "MeteredData"}},
        )
        connection = self._id("connections", "wan-circuit", where)
        self._place(
            connection,
            {
                "virtualNetworkGateway1": {"id": str(gateway)},
                "peer": {"id": str(circuit)},
                "connectionType": "ExpressRoute",
                "routingWeight": 0,
                "enableBgp": False,
                "useLocalAzureIpAddress": False,
                "usePolicyBasedTrafficSelectors": False,
                "ipsecPolicies": [],
                "trafficSelectorPolicies": [],
                "expressRouteGatewayBypass": False,
                "dpdTimeoutSeconds": 0,
                "connectionMode": "Default",
                "gatewayCustomBgpIpAddresses": [],
            },
        )

    # --- pieces -------------------------------------------------------------------------------------------

    def _id(self, kind: str, name: str, subscription: str) -> ResourceId:
        return ResourceId(subscription, GROUP, NETWORK, (kind,), (name,))

    def _place(self, id_: ResourceId, properties: Json, top: Json | None = None) -> None:
        record = self.store.place(
            Record(id_, self.azure.location, properties, tags={"owner": "network-team"}, top=top or {})
        )
        record.changed_at = self.store.now() - LONG_AGO

    def _public_ip(self, name: str, where: str, address: str) -> ResourceId:
        zones = list(zones_of(self.azure.location))
        record = self.store.add(
            Record(
                self._id("publicIPAddresses", name, where),
                self.azure.location,
                {
                    "publicIPAddressVersion": "IPv4",
                    "publicIPAllocationMethod": "Static",
                    "idleTimeoutInMinutes": 4,
                    "ipTags": [],
                    "ddosSettings": {"protectionMode": "VirtualNetworkInherited"},
                    "ipAddress": address,
                },
                top={**({"zones": zones} if zones else {}), "sku": {"name": "Standard", "tier": "Regional"}},
            )
        )
        record.effective = copy.deepcopy(record.properties)
        return record.id


def _config(config: ResourceId, ip: ResourceId, subnet: ResourceId) -> Json:
    return {
        "name": config.name,
        "properties": {
            "privateIPAllocationMethod": "Dynamic",
            "publicIPAddress": {"id": str(ip)},
            "subnet": {"id": str(subnet)},
        },
    }
