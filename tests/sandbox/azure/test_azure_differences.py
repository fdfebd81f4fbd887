"""Where real answers were put beside the sandbox's and differed: each stays mended."""

from __future__ import annotations

from typing import Any

import pytest
from azure_sandbox import (
    GROUP,
    PIP,
    SUBNETS,
    SUBSCRIPTION,
    TENANT,
    Azure,
    code,
    connection,
    gateway,
    put_gateway_subnet,
    put_ips,
)

CLUSTERS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.ContainerService/managedClusters"
EDGE = {"type": "EdgeZone", "name": "losangeles"}


def one_instance(azure: Azure, **bgp: Any) -> dict[str, Any]:
    body = gateway(azure)
    body["properties"].update(activeActive=False, bgpSettings=bgp)
    del body["properties"]["ipConfigurations"][1:]
    return body


def properties(azure: Azure, path: str) -> dict[str, Any]:
    found: dict[str, Any] = azure.call("GET", path).json()["properties"]
    return found


@pytest.fixture
def ready(seeded: Azure) -> Azure:
    """Addresses and a gateway's subnet."""
    put_ips(seeded)
    put_gateway_subnet(seeded)
    return seeded


@pytest.mark.recorded("The BGP address that a client chooses for a new gateway is shown at once and stays")
def test_a_bgp_address_that_was_chosen(ready: Azure) -> None:
    path = ready.path("virtualNetworkGateways", "gw")
    body = one_instance(ready, asn=12345, bgpPeeringAddress="10.60.250.250", peerWeight=50)
    made = ready.call("PUT", path, body)
    assert made.json()["properties"]["bgpSettings"]["bgpPeeringAddress"] == "10.60.250.250"
    ready.settle(made)
    found = properties(ready, path)["bgpSettings"]
    assert found["bgpPeeringAddress"] == "10.60.250.250"
    assert [a["defaultBgpIpAddresses"] for a in found["bgpPeeringAddresses"]] == [["10.60.250.250"]]
    assert (found["asn"], found["peerWeight"]) == (12345, 50)
    other = one_instance(ready, asn=12345, bgpPeeringAddress="10.60.250.251")
    assert code(ready.call("PUT", path, other)) == (400, "VirtualNetworkGatewayBgpPeeringAddressCannotBeModified")


@pytest.mark.specification("A BGP address that is none, or one too few, is refused")
def test_bgp_addresses_that_are_none(ready: Azure) -> None:
    path = ready.path("virtualNetworkGateways", "gw")
    assert code(ready.call("PUT", path, one_instance(ready, bgpPeeringAddress="10.60.250"))) == (
        400,
        "InvalidIpAddress",
    )
    two = gateway(ready, bgpSettings={"bgpPeeringAddress": "10.60.250.250"})
    assert code(ready.call("PUT", path, two)) == (400, "InvalidRequestFormat")


@pytest.mark.recorded("A gateway shows its addresses half a minute before it is Succeeded, and not earlier")
def test_addresses_before_the_end(ready: Azure) -> None:
    path = ready.path("virtualNetworkGateways", "gw")
    ready.call("PUT", path, one_instance(ready, asn=65000))
    lasts = ready.context.durations.sample("azure.vng.create")
    ready.advance(lasts - 60)
    early = properties(ready, path)
    ready.advance(31)
    late = properties(ready, path)
    assert early["provisioningState"] == late["provisioningState"] == "Updating"
    assert "bgpPeeringAddress" not in early["bgpSettings"]
    assert late["bgpSettings"]["bgpPeeringAddress"] == "10.60.255.30"
    assert late["bgpSettings"]["bgpPeeringAddresses"][0]["tunnelIpAddresses"]


@pytest.mark.recorded("A gateway that gives up an instance shows both of its addresses until that is done")
def test_addresses_while_an_instance_goes(built: Azure) -> None:
    path = built.path("virtualNetworkGateways", "gw")
    body = built.call("GET", path).json()  # as it was read: both instances are in its BGP settings
    body["properties"]["activeActive"] = False
    del body["properties"]["ipConfigurations"][1:]
    for entry in body["properties"]["bgpSettings"]["bgpPeeringAddresses"]:
        entry["customBgpIpAddresses"] = []  # one instance can have one
    changed = built.call("PUT", path, body)
    assert changed.status_code == 200, changed.text
    assert changed.json()["properties"]["bgpSettings"]["bgpPeeringAddress"] == "10.60.255.4,10.60.255.5"
    built.settle(changed)
    assert properties(built, path)["bgpSettings"]["bgpPeeringAddress"] == "10.60.255.30"


@pytest.mark.recorded("An edge zone is kept and shown by networks, addresses and gateways")
def test_edge_zones(ready: Azure) -> None:
    space = {"addressSpace": {"addressPrefixes": ["10.99.0.0/16"]}}
    for path, body in (
        (ready.path("virtualNetworks", "v9"), {"location": "westeurope", "properties": space}),
        (ready.path("publicIPAddresses", "p9"), PIP),
        (ready.path("virtualNetworkGateways", "gw"), one_instance(ready)),
    ):
        ready.settle(ready.call("PUT", path, {**body, "extendedLocation": EDGE}))
        assert ready.call("GET", path).json()["extendedLocation"] == EDGE
    table = {"location": "westeurope", "extendedLocation": EDGE, "properties": {}}
    assert code(ready.call("PUT", ready.path("routeTables", "t"), table)) == (400, "NotModelledBySandbox")


@pytest.mark.recorded("A peering of a part of a network, or for IPv6 alone, says so")
def test_peerings_of_parts(seeded: Azure) -> None:
    vnet = seeded.path("virtualNetworks", "v9")
    space = {"addressSpace": {"addressPrefixes": ["10.99.0.0/16"]}}
    seeded.settle(seeded.call("PUT", vnet, {"location": "westeurope", "properties": space}))
    given = {
        "peerCompleteVnets": False,
        "localSubnetNames": ["a"],
        "remoteSubnetNames": ["b"],
        "enableOnlyIPv6Peering": True,
    }
    remote = {"remoteVirtualNetwork": {"id": SUBNETS.removesuffix("/subnets")}}
    path = f"{vnet}/virtualNetworkPeerings/p"
    seeded.settle(seeded.call("PUT", path, {"properties": {**remote, **given}}))
    assert given.items() <= properties(seeded, path).items()


@pytest.mark.recorded("A rule that names application security groups keeps them")
@pytest.mark.recorded("Rules and routes have an ETag of their own, and lists where there may be several values")
def test_rules(seeded: Azure) -> None:
    group, table = seeded.path("networkSecurityGroups", "g"), seeded.path("routeTables", "t")
    for path in (group, table):
        seeded.settle(seeded.call("PUT", path, {"location": "westeurope", "properties": {}}))
    named = [{"id": seeded.path("applicationSecurityGroups", "web")}]
    rule = {
        "protocol": "Tcp", "access": "Allow", "priority": 100, "direction": "Inbound", "sourceAddressPrefix": "*",
        "sourcePortRange": "*", "destinationPortRange": "443", "destinationApplicationSecurityGroups": named,
    }  # fmt: skip
    seeded.settle(seeded.call("PUT", f"{group}/securityRules/web", {"properties": rule}))
    hop = {"addressPrefix": "10.98.0.0/16", "nextHopType": "None"}
    seeded.settle(seeded.call("PUT", f"{table}/routes/r", {"properties": hop}))
    for path in (f"{group}/securityRules/web", f"{table}/routes/r"):
        assert seeded.call("GET", path).headers["ETag"].startswith('W/"')
    kept = properties(seeded, f"{group}/securityRules/web")
    assert kept["destinationApplicationSecurityGroups"] == named
    assert [kept[n] for n in ("sourceAddressPrefixes", "destinationPortRanges")] == [[], []]
    default = properties(seeded, group)["defaultSecurityRules"][0]["properties"]
    assert default["description"] and default["destinationAddressPrefixes"] == []


@pytest.mark.recorded(
    "A disk of size 0 is one of 128 GB; empty upgrade settings are AKS's own; an identity has its tenant"
)
@pytest.mark.documentation(
    "A node has 250 pods with overlay networking, 110 with kubenet, 30 with addresses of the subnet"
)
def test_what_aks_fills_in(seeded: Azure) -> None:
    def made(name: str, network: dict[str, str], **pool: Any) -> dict[str, Any]:
        profile = {"name": "np", "count": 1, "vmSize": "Standard_DS2_v2", "mode": "System", **pool}
        body = {
            "location": "westeurope",
            "identity": {"type": "SystemAssigned"},
            "properties": {"agentPoolProfiles": [profile], "networkProfile": network},
        }
        answer = seeded.call("PUT", f"{CLUSTERS}/{name}", body, api="2024-07-01")
        assert answer.status_code == 201, answer.text
        whole: dict[str, Any] = answer.json()
        return whole

    plain = made("a", {}, osDiskSizeGB=0, upgradeSettings={})
    pool = plain["properties"]["agentPoolProfiles"][0]
    assert (pool["osDiskSizeGB"], pool["maxPods"], pool["upgradeSettings"]) == (128, 110, {"maxSurge": "10%"})
    assert plain["identity"]["tenantId"] == TENANT
    ranges = made("b", {"podCidr": "10.244.0.0/16"})["properties"]["networkProfile"]
    assert (ranges["networkPlugin"], ranges["podCidr"]) == ("kubenet", "10.244.0.0/16")
    overlay = made("c", {"networkPlugin": "azure", "networkPluginMode": "overlay"})
    assert overlay["properties"]["agentPoolProfiles"][0]["maxPods"] == 250
    assert made("d", {"networkPlugin": "azure"})["properties"]["agentPoolProfiles"][0]["maxPods"] == 30


@pytest.mark.recorded("A deployment tells its template's hash, its duration and the types that it deploys")
@pytest.mark.recorded("What was deployed is told at the end, not in the answer to the PUT")
def test_the_shape_of_a_deployment(seeded: Azure) -> None:
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
    path = f"{group}/providers/Microsoft.Resources/deployments/d"
    kind, version = "Microsoft.Network/virtualNetworks", {"apiVersion": "2022-01-01"}
    space = {"addressSpace": {"addressPrefixes": ["10.99.0.0/16"]}}
    vnet = {"type": kind, "name": "v", **version, "location": "westeurope", "properties": space}
    subnet = {
        "type": f"{kind}/subnets", "name": "v/s", **version, "dependsOn": [f"[resourceId('{kind}', 'v')]"],
        "properties": {"addressPrefix": "10.99.1.0/24"},
    }  # fmt: skip
    template = {"resources": [vnet, subnet]}
    body = {"properties": {"mode": "Incremental", "template": template}}
    first = seeded.call("PUT", path, body, api="2022-09-01").json()["properties"]
    assert (first["provisioningState"], "outputResources" in first) == ("Accepted", False)
    assert first["templateHash"].isdigit()
    (waits,) = first["dependencies"]
    assert (waits["resourceName"], waits["dependsOn"][0]["resourceName"]) == ("v/s", "v")
    for _ in range(5):
        seeded.advance(30)
        last = seeded.call("GET", path, api="2022-09-01").json()["properties"]
    assert last["provisioningState"] == "Succeeded"
    assert {o["id"].rpartition("/")[2] for o in last["outputResources"]} == {"v", "s"}
    (provider,) = last["providers"]
    places = {t["resourceType"]: t["locations"] for t in provider["resourceTypes"]}
    assert (provider["namespace"], places) == (
        "Microsoft.Network",
        {"virtualNetworks": ["westeurope"], "virtualNetworks/subnets": [None]},
    )
    assert last["duration"].startswith("PT") and last["templateHash"] == first["templateHash"]


@pytest.mark.recorded("Versions of the API from before 2020 leave out what is newer than themselves")
def test_older_versions(built: Azure) -> None:
    path = built.path("connections", "c")
    built.settle(built.call("PUT", path, connection(built)))
    newest, older, oldest = (
        built.call("GET", path, api=version).json()["properties"]
        for version in ("2024-05-01", "2019-09-01", "2018-02-01")
    )
    later = {"dpdTimeoutSeconds", "connectionMode", "gatewayCustomBgpIpAddresses", "authenticationType"}
    assert set(newest) - set(older) == later | {"useLocalAzureIpAddress"}
    packets = {"packetCaptureDiagnosticState", "trafficSelectorPolicies"}
    assert set(older) - set(oldest) == packets | {"connectionProtocol", "expressRouteGatewayBypass"}
    listed = built.call("GET", f"{built.path('virtualNetworkGateways', 'gw')}/connections", api="2019-09-01").json()
    assert not later & set(listed["value"][0]["properties"])


@pytest.mark.recorded(
    "The secret of a cluster's service principal is never shown; its outbound address is, once there is one"
)
def test_secrets_and_addresses_of_aks(seeded: Azure) -> None:
    pool = {"name": "np", "count": 1, "vmSize": "Standard_DS2_v2", "mode": "System"}
    principal = {"clientId": "00000000-0000-0000-0000-000000000001", "secret": "never-shown"}
    body = {"location": "westeurope", "properties": {"agentPoolProfiles": [pool], "servicePrincipalProfile": principal}}
    made = seeded.call("PUT", f"{CLUSTERS}/sp", body, api="2024-07-01")
    assert made.status_code == 201 and "never-shown" not in made.text
    assert made.json()["properties"]["servicePrincipalProfile"] == {"clientId": principal["clientId"]}
    assert "effectiveOutboundIPs" not in made.json()["properties"]["networkProfile"]["loadBalancerProfile"]
    seeded.advance(1000)
    ready = seeded.call("GET", f"{CLUSTERS}/sp", api="2024-07-01")
    assert "never-shown" not in ready.text
    (address,) = ready.json()["properties"]["networkProfile"]["loadBalancerProfile"]["effectiveOutboundIPs"]
    assert "/resourceGroups/MC_" in address["id"]


@pytest.mark.recorded(
    "Point-to-site beside active-active is refused without a third ipConfiguration (reports of 2021 and 2024)"
)
def test_point_to_site_beside_active_active_needs_a_third_address(ready: Azure) -> None:
    """And it is no instance: it has no BGP address and no tunnel."""
    put_ips(ready, 3)
    path = ready.path("virtualNetworkGateways", "gw")
    clients = {"vpnClientAddressPool": {"addressPrefixes": ["172.16.200.0/24"]}, "vpnClientProtocols": ["OpenVPN"]}
    two = gateway(ready, vpnClientConfiguration=clients)
    assert code(ready.call("PUT", path, two)) == (400, "ActiveActiveP2SGatewayMustHaveExactlyThreeIpConfigurations")
    third = {
        "name": "c2",
        "properties": {
            "publicIPAddress": {"id": ready.path("publicIPAddresses", "pip-2")},
            "subnet": {"id": f"{SUBNETS}/GatewaySubnet"},
        },
    }
    configs = [*two["properties"]["ipConfigurations"], third]
    ready.settle(ready.call("PUT", path, gateway(ready, vpnClientConfiguration=clients, ipConfigurations=configs)))
    found = properties(ready, path)
    assert len(found["ipConfigurations"]) == 3
    assert [len(e["tunnelIpAddresses"]) for e in found["bgpSettings"]["bgpPeeringAddresses"]] == [1, 1]


@pytest.mark.belief(
    "An active-standby gateway takes several custom BGP addresses: the API has a list, one tutorial of 2021 says one"
)
def test_one_instance_with_two_custom_addresses(ready: Azure) -> None:
    path = ready.path("virtualNetworkGateways", "gw")
    body = one_instance(ready, asn=65000)
    peer = {
        "ipconfigurationId": f"{path}/ipConfigurations/c0",
        "customBgpIpAddresses": ["169.254.21.2", "169.254.22.2"],
    }
    body["properties"]["bgpSettings"]["bgpPeeringAddresses"] = [peer]
    ready.settle(ready.call("PUT", path, body))
    (entry,) = properties(ready, path)["bgpSettings"]["bgpPeeringAddresses"]
    assert entry["customBgpIpAddresses"] == ["169.254.21.2", "169.254.22.2"]
