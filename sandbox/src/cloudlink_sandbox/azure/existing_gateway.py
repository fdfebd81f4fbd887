"""A VPN gateway of somebody else's in the world file's VNet: the calls of Azure Resource Manager that make it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.locations import zones_of
from cloudlink_sandbox.azure.vnets import GATEWAY_SUBNET
from cloudlink_sandbox.world_file import ArmCall, Azure, Vnet, VnetGateway

_ADDRESSES = {"active-standby": 1, "active-active": 2, "point-to-site": 3}


def calls(azure: Azure, vnet: Vnet, gateway: VnetGateway) -> Iterator[ArmCall]:
    """In their turn: the group, GatewaySubnet, the public IPs and the gateway."""
    home = f"/subscriptions/{vnet.subscription or azure.subscription}/resourceGroups/{vnet.resource_group}"
    subnet = f"{home}/providers/Microsoft.Network/virtualNetworks/{vnet.name}/subnets/{GATEWAY_SUBNET}"
    group = f"/subscriptions/{azure.subscription}/resourceGroups/{gateway.resource_group}"
    network = f"{group}/providers/Microsoft.Network"
    zones = list(zones_of(azure.location))
    yield _put(group, {"location": azure.location}, "2021-04-01")
    yield _put(subnet, {"properties": {"addressPrefix": str(gateway.subnet)}})
    configs: list[Json] = []
    for number in range(1, _ADDRESSES[gateway.kind] + 1):
        ip = f"{network}/publicIPAddresses/{gateway.name}-ip-{number}"
        body: Json = {
            "location": azure.location,
            "sku": {"name": "Standard", "tier": "Regional"},
            "properties": {"publicIPAllocationMethod": "Static"},
        }
        yield _put(ip, {**body, "zones": zones} if zones else body)
        settings = {"privateIPAllocationMethod": "Dynamic", "publicIPAddress": {"id": ip}, "subnet": {"id": subnet}}
        configs.append({"name": f"config{number}", "properties": settings})
    held: Json = {
        "gatewayType": "Vpn",
        "vpnType": "RouteBased",
        "sku": {"name": "VpnGw1AZ", "tier": "VpnGw1AZ"},
        "activeActive": gateway.kind != "active-standby",
        "enableBgp": True,
        "bgpSettings": {"asn": gateway.asn},
        "ipConfigurations": configs,
    }
    if gateway.kind == "point-to-site":
        held["vpnClientConfiguration"] = {
            "vpnClientAddressPool": {"addressPrefixes": ["172.30.99.0/24"]},
            "vpnClientProtocols": ["OpenVPN"],
            "vpnAuthenticationTypes": ["AAD"],
        }
    body = {"location": azure.location, "tags": {"owner": "network-team"}, "properties": held}
    yield _put(f"{network}/virtualNetworkGateways/{gateway.name}", body)


def _put(path: str, body: Json, api_version: str = "2024-05-01") -> ArmCall:
    return ArmCall(path, body=json.dumps(body), api_version=api_version)
