"""Every kind of answer that a link has from Azure is asked for once, so that it is checked against Azure's specification.

The check is in tests/conformance, which reads the answers in all tests; here it is made sure that none is missing.
"""

from __future__ import annotations

from typing import Any

import pytest
from azure_sandbox import SUBNETS, SUBSCRIPTION, Azure, connection

POLICY = {
    "saLifeTimeSeconds": 3600,
    "saDataSizeKilobytes": 102_400_000,
    "ipsecEncryption": "GCMAES256",
    "ipsecIntegrity": "GCMAES256",
    "ikeEncryption": "AES256",
    "ikeIntegrity": "SHA256",
    "dhGroup": "ECP384",
    "pfsGroup": "ECP384",
}


@pytest.mark.specification(
    "Gateways, connections, keys, addresses, networks, peerings, tables, filters, clusters and routes, one by one and "
    "in lists, are as specified"
)
def test_every_kind_of_answer(built: Azure) -> None:
    vnet = SUBNETS.removesuffix("/subnets")
    gateway, tunnel = built.path("virtualNetworkGateways", "gw"), built.path("connections", "t")
    custom = {"ipConfigurationId": f"{gateway}/ipConfigurations/c0", "customBgpIpAddress": "169.254.22.2"}
    put(built, tunnel, connection(built, ipsecPolicies=[POLICY], gatewayCustomBgpIpAddresses=[custom]))
    table, hub = built.path("routeTables", "t"), built.path("virtualNetworks", "hub", "contoso-hub")
    route = {"name": "r", "properties": {"addressPrefix": "10.0.0.0/8", "nextHopType": "VirtualNetworkGateway"}}
    put(built, table, {"location": "westeurope", "properties": {"routes": [route]}})
    put(built, f"{vnet}/virtualNetworkPeerings/p", {"properties": {"remoteVirtualNetwork": {"id": hub}}})
    clusters = (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/aks-rg/providers/Microsoft.ContainerService/managedClusters"
    )
    for path in (
        tunnel, f"{tunnel}/sharedkey", built.path("connections"), f"{gateway}/connections",
        gateway, built.path("virtualNetworkGateways"),
        built.path("localNetworkGateways", "lng-0"), built.path("localNetworkGateways"),
        built.path("publicIPAddresses", "pip-0"), built.path("publicIPAddresses"),
        vnet, SUBNETS, f"{SUBNETS}/GatewaySubnet", built.path("virtualNetworks", "", "net-rg"),
        f"{vnet}/virtualNetworkPeerings", f"{vnet}/virtualNetworkPeerings/p",
        table, built.path("routeTables"),
        built.path("networkSecurityGroups", "aks-vnet-aks", "net-rg"), built.path("networkSecurityGroups", "", "net-rg"),
        clusters, f"{clusters}/test-aks", f"{clusters}/test-aks/agentPools", f"{clusters}/test-aks/agentPools/nodepool1",
    ):  # fmt: skip
        answer = built.call("GET", path)
        assert answer.status_code == 200, answer.text
    for question in ("getBgpPeerStatus", "getLearnedRoutes", "getAdvertisedRoutes", "reset"):
        peer = {"peer": "169.254.21.1"} if question == "getAdvertisedRoutes" else {}
        asked = built.call("POST", f"{gateway}/{question}", **peer)
        assert asked.status_code == 202, asked.text
        built.advance(2000)
        assert built.call("GET", asked.headers["Location"]).status_code == 200
    for path in (tunnel, f"{vnet}/virtualNetworkPeerings/p", table):
        built.settle(built.call("DELETE", path), 600)


def put(azure: Azure, path: str, body: dict[str, Any]) -> None:
    azure.settle(azure.call("PUT", path, body), 60)
