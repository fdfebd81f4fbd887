"""The Azure half of one link, made, read, listed and removed by the real SDKs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.network import NetworkManagementClient
from azure_sandbox import CLIENT, GROUP, SECRET, SUBSCRIPTION, TENANT, Azure, gateway, put_gateway_subnet, put_ips

from cloudlink_sandbox.facts import AwsFacts, AwsTunnel, Proposals

CONFIGS = ("first", "second")
CUSTOM = (("169.254.21.2", "169.254.22.2"), ("169.254.21.6", "169.254.22.6"))
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


def credential(azure: Azure, secret: str = SECRET, tenant: str = TENANT) -> ClientSecretCredential:
    return ClientSecretCredential(
        tenant, CLIENT, secret, authority=azure.url, disable_instance_discovery=True, connection_verify=azure.ca
    )


@pytest.fixture
def network(seeded: Azure) -> Iterator[NetworkManagementClient]:
    with NetworkManagementClient(
        credential(seeded),
        SUBSCRIPTION,
        base_url=seeded.url,
        credential_scopes=[seeded.url + "/.default"],
        connection_verify=seeded.ca,
        retry_total=2,
        polling_interval=0.02,
    ) as client:
        yield client


def finish(azure: Azure, poller: Any) -> Any:
    """Moves the clock until the SDK's poller is content."""
    while not poller.done():
        azure.advance(60)
        threading.Event().wait(0.01)
    return poller.result()


def ids(kind: str, name: str) -> str:
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network/{kind}/{name}"


def gateway_body(subnet: str) -> dict[str, Any]:
    gateway = ids("virtualNetworkGateways", "gw")
    return {
        "location": "westeurope",
        "tags": {"cloudlink": "demo"},
        "properties": {
            "activeActive": True,
            "enableBgp": True,
            "gatewayType": "Vpn",
            "vpnType": "RouteBased",
            "sku": {"name": "VpnGw1AZ", "tier": "VpnGw1AZ"},
            "ipConfigurations": [
                {
                    "name": name,
                    "properties": {
                        "publicIPAddress": {"id": ids("publicIPAddresses", f"pip-{i}")},
                        "subnet": {"id": subnet},
                    },
                }
                for i, name in enumerate(CONFIGS)
            ],
            "bgpSettings": {
                "asn": 65000,
                "bgpPeeringAddresses": [
                    {"ipconfigurationId": f"{gateway}/ipConfigurations/{n}", "customBgpIpAddresses": list(c)}
                    for n, c in zip(CONFIGS, CUSTOM, strict=True)
                ],
            },
        },
    }


def connection_body(number: int) -> dict[str, Any]:
    gateway = ids("virtualNetworkGateways", "gw")
    chosen = [CUSTOM[0][0], CUSTOM[1][0]]
    chosen[number // 2] = CUSTOM[number // 2][number % 2]
    return {
        "location": "westeurope",
        "properties": {
            "connectionType": "IPsec",
            "connectionProtocol": "IKEv2",
            "enableBgp": True,
            "sharedKey": f"key{number}",
            "virtualNetworkGateway1": {"id": gateway, "properties": {}},
            "localNetworkGateway2": {"id": ids("localNetworkGateways", f"lng-{number}"), "properties": {}},
            "ipsecPolicies": [POLICY],
            "dpdTimeoutSeconds": 45,
            "gatewayCustomBgpIpAddresses": [
                {"ipConfigurationId": f"{gateway}/ipConfigurations/{n}", "customBgpIpAddress": a}
                for n, a in zip(CONFIGS, chosen, strict=True)
            ],
        },
    }


def build(azure: Azure, network: NetworkManagementClient) -> None:
    subnet = finish(
        azure,
        network.subnets.begin_create_or_update(
            "net-rg", "aks-vnet", "GatewaySubnet", {"properties": {"addressPrefix": "10.60.255.0/27"}}
        ),
    )
    for i in range(2):
        body = {
            "location": "westeurope",
            "sku": {"name": "Standard"},
            "zones": ["1", "2", "3"],
            "properties": {"publicIPAllocationMethod": "Static"},
        }
        ip = finish(azure, network.public_ip_addresses.begin_create_or_update(GROUP, f"pip-{i}", body))
        assert ip.ip_address.startswith("20.")
    gateway = network.virtual_network_gateways.begin_create_or_update(GROUP, "gw", gateway_body(subnet.id))
    for i in range(4):
        body = {
            "location": "westeurope",
            "properties": {
                "gatewayIpAddress": f"3.120.0.{i + 1}",
                "bgpSettings": {"asn": 64512, "bgpPeeringAddress": f"169.254.2{1 + i % 2}.{1 + 4 * (i // 2)}"},
            },
        }
        finish(azure, network.local_network_gateways.begin_create_or_update(GROUP, f"lng-{i}", body))
    finish(azure, gateway)
    for i in range(4):
        poller = network.virtual_network_gateway_connections.begin_create_or_update(
            GROUP, f"tunnel-{i}", connection_body(i)
        )
        assert finish(azure, poller).provisioning_state == "Succeeded"


@pytest.mark.program("The SDK makes, reads and removes all that a link has on Azure")
@pytest.mark.recorded("Two instances have the fourth and fifth address of GatewaySubnet, joined by a comma")
@pytest.mark.recorded("Lists of connections have neither status nor key, single reads have both")
def test_a_link_can_be_made_read_and_removed(seeded: Azure, network: NetworkManagementClient) -> None:
    build(seeded, network)
    gateway = network.virtual_network_gateways.get(GROUP, "gw")
    assert gateway.bgp_settings.bgp_peering_address == "10.60.255.4,10.60.255.5"
    first, second = gateway.bgp_settings.bgp_peering_addresses
    assert first.default_bgp_ip_addresses == ["10.60.255.4"]
    assert second.custom_bgp_ip_addresses == list(CUSTOM[1])
    assert first.tunnel_ip_addresses == [network.public_ip_addresses.get(GROUP, "pip-0").ip_address]

    seeded.advance(3600)
    listed = list(network.virtual_network_gateway_connections.list(GROUP))
    assert [c.name for c in listed] == [f"tunnel-{i}" for i in range(4)]
    assert all(c.connection_status is None and c.shared_key is None for c in listed)
    one = network.virtual_network_gateway_connections.get(GROUP, "tunnel-3")
    assert (one.shared_key, one.connection_status) == ("key3", "NotConnected")  # nobody is at the other end
    assert len(list(network.virtual_network_gateways.list_connections(GROUP, "gw"))) == 4

    facts = seeded.cloud.facts()
    assert {c.name for c in facts.connections} == {c.name for c in listed}
    made = facts.gateways[gateway.id]
    assert (made.asn, made.ready, [i.config for i in made.instances]) == (65000, True, list(CONFIGS))
    assert {str(a) for c in facts.connections for a in c.custom_bgp.values()} == {a for c in CUSTOM for a in c}

    with pytest.raises(HttpResponseError) as refused:
        network.virtual_network_gateways.begin_delete(GROUP, "gw")
    assert refused.value.error.code == "VirtualNetworkGatewayCannotBeDeleted"
    for i in range(4):
        finish(seeded, network.virtual_network_gateway_connections.begin_delete(GROUP, f"tunnel-{i}"))
        finish(seeded, network.local_network_gateways.begin_delete(GROUP, f"lng-{i}"))
    with pytest.raises(HttpResponseError) as refused:
        network.public_ip_addresses.begin_delete(GROUP, "pip-0")
    assert refused.value.error.code == "PublicIPAddressCannotBeDeleted"
    with pytest.raises(HttpResponseError) as refused:
        network.subnets.begin_delete("net-rg", "aks-vnet", "GatewaySubnet")
    assert refused.value.error.code == "InUseSubnetCannotBeDeleted"
    finish(seeded, network.virtual_network_gateways.begin_delete(GROUP, "gw"))
    for i in range(2):
        finish(seeded, network.public_ip_addresses.begin_delete(GROUP, f"pip-{i}"))
    finish(seeded, network.subnets.begin_delete("net-rg", "aks-vnet", "GatewaySubnet"))
    with pytest.raises(ResourceNotFoundError) as missing:
        network.virtual_network_gateways.get(GROUP, "gw")
    assert missing.value.error.code == "ResourceNotFound"


@pytest.mark.recorded("Each instance lists every peer, its sibling as Connected and itself as Unknown")
@pytest.mark.belief("A peer that only the other instance reaches is Connecting")
@pytest.mark.recorded("A route of the network itself has no next hop")
def test_bgp_questions_are_answered_per_instance(seeded: Azure, network: NetworkManagementClient) -> None:
    build(seeded, network)
    rows = finish(seeded, network.virtual_network_gateways.begin_get_bgp_peer_status(GROUP, "gw")).value
    assert len(rows) == 2 * (4 + 2)
    own = [r for r in rows if r.asn == 65000]
    assert sorted(r.state for r in own) == ["Connected", "Connected", "Unknown", "Unknown"]
    assert {r.state for r in rows if r.asn == 64512} == {"Connecting"}
    routes = finish(seeded, network.virtual_network_gateways.begin_get_learned_routes(GROUP, "gw")).value
    assert {(r.network, r.origin, r.next_hop) for r in routes} == {("10.60.0.0/16", "Network", None)}
    poller = network.virtual_network_gateways.begin_get_advertised_routes(GROUP, "gw", peer="169.254.21.1")
    assert finish(seeded, poller).value == []


def aws_facts(azure: Azure, psk: str = "key{}") -> AwsFacts:
    """The other side of the link that ``build`` makes, as AWS would describe it."""
    policy = Proposals(
        ike_versions=frozenset({2}),
        ike_encryption=frozenset({"AES256"}),
        ike_integrity=frozenset({"SHA256"}),
        ike_groups=frozenset({20}),
        esp_encryption=frozenset({"AES256-GCM"}),
        esp_integrity=frozenset({"SHA256"}),
        pfs_groups=frozenset({20}),
    )
    instances = next(g for g in azure.cloud.facts().gateways.values() if g.id.endswith("/gw")).instances
    tunnels = tuple(
        AwsTunnel(
            connection_id=f"vpn-{i // 2}",
            vpc_ids=("vpc-1",),
            gateway_id="vgw-1",
            outside_ip=IPv4Address(f"3.120.0.{i + 1}"),
            inside=IPv4Network(f"169.254.2{1 + i % 2}.{4 * (i // 2)}/30"),
            psk=psk.format(i),
            customer_ip=instances[i // 2].public_ip,
            customer_asn=65000,
            amazon_asn=64512,
            proposals=policy,
            initiates=True,
            static=False,
            ready=True,
            changed_at=azure.context.clock.now(),
        )
        for i in range(4)
    )
    return AwsFacts({"vpc-1": (IPv4Network("10.20.0.0/16"),)}, {}, {}, (), (), tunnels)


@pytest.mark.own("A tunnel is Connected when both sides fit, and NotConnected when their keys differ")
@pytest.mark.documentation("The VPC's ranges are learned by EBgp, the VNet's are advertised")
def test_what_azure_tells_the_world_makes_tunnels_and_routes(seeded: Azure, network: NetworkManagementClient) -> None:
    build(seeded, network)
    connections = network.virtual_network_gateway_connections
    seeded.context.aws = aws_facts(seeded)
    seeded.advance(600)
    for i in range(4):
        one = connections.get(GROUP, f"tunnel-{i}")
        assert one.connection_status == "Connected", i
        assert one.ingress_bytes_transferred > 0
    rows = finish(seeded, network.virtual_network_gateways.begin_get_bgp_peer_status(GROUP, "gw")).value
    up = [r for r in rows if r.asn == 64512 and r.state == "Connected"]
    assert {(r.local_address, r.neighbor) for r in up} == {
        ("169.254.21.2", "169.254.21.1"),
        ("169.254.22.2", "169.254.22.1"),
        ("169.254.21.6", "169.254.21.5"),
        ("169.254.22.6", "169.254.22.5"),
    }
    routes = finish(seeded, network.virtual_network_gateways.begin_get_learned_routes(GROUP, "gw")).value
    assert "10.20.0.0/16" in {r.network for r in routes if r.origin == "EBgp"}
    poller = network.virtual_network_gateways.begin_get_advertised_routes(GROUP, "gw", peer="169.254.21.1")
    assert {r.network for r in finish(seeded, poller).value} == {"10.60.0.0/16", "169.254.21.1/32"}
    seeded.context.aws = aws_facts(seeded, psk="other{}")
    seeded.advance(600)
    assert connections.get(GROUP, "tunnel-0").connection_status == "NotConnected"


@pytest.mark.recorded(
    "An instance tells its sibling of its peers' routes and of its peers: IBgp rows, by way of the sibling"
)
@pytest.mark.recorded("The row of the sibling counts what comes from it, and how long the two have spoken")
def test_what_two_instances_tell_each_other(seeded: Azure, network: NetworkManagementClient) -> None:
    build(seeded, network)
    seeded.context.aws = aws_facts(seeded)
    seeded.advance(86_400)
    gateways = network.virtual_network_gateways
    routes = finish(seeded, gateways.begin_get_learned_routes(GROUP, "gw")).value
    first, second = sorted({r.local_address for r in routes})
    told = [r for r in routes if r.local_address == first and r.origin == "IBgp"]
    assert {(r.next_hop, r.source_peer) for r in told} == {(second, second)}
    assert {r.network: r.as_path for r in told} == {
        "10.20.0.0/16": "64512",
        "169.254.21.5/32": "",
        "169.254.22.5/32": "",
    }
    assert len(told) == 3  # one row for each prefix, however many tunnels bring it
    peers = finish(seeded, gateways.begin_get_bgp_peer_status(GROUP, "gw")).value
    sibling = next(p for p in peers if (p.local_address, p.neighbor) == (first, second))
    assert (sibling.state, sibling.routes_received) == ("Connected", 3)
    assert sibling.connected_duration.startswith("1.")
    assert sibling.messages_sent > 1700 > sibling.messages_received > 1600
    itself = next(p for p in peers if (p.local_address, p.neighbor) == (first, first))
    assert (itself.state, itself.routes_received, itself.messages_sent) == ("Unknown", 0, 0)


@pytest.mark.recorded("A gateway without BGP has learned nothing, and advertises its network from nowhere")
def test_routes_of_a_gateway_without_bgp(seeded: Azure, network: NetworkManagementClient) -> None:
    put_ips(seeded)
    put_gateway_subnet(seeded)
    body = gateway(seeded, enableBgp=False)
    seeded.settle(seeded.call("PUT", seeded.path("virtualNetworkGateways", "gw"), body))
    gateways = network.virtual_network_gateways
    assert finish(seeded, gateways.begin_get_learned_routes(GROUP, "gw")).value == []
    (row,) = finish(seeded, gateways.begin_get_advertised_routes(GROUP, "gw", peer="169.254.21.1")).value
    assert (row.local_address, row.network, row.next_hop) == ("", "10.60.0.0/16", "Virtual Network")


@pytest.mark.recorded("Point-to-site, custom routes and what else is set on a gateway are kept and shown")
@pytest.mark.recorded("Private addresses of instances are shown where they are asked for")
@pytest.mark.recorded("What point-to-site would have by default stands in the answer to the PUT alone")
def test_what_a_gateway_keeps(built: Azure) -> None:
    path = built.path("virtualNetworkGateways", "gw")
    assert "vpnClientConfiguration" not in built.call("GET", path).json()["properties"]
    clients = {"vpnClientAddressPool": {"addressPrefixes": ["172.31.0.0/24"]}, "vpnClientProtocols": ["OpenVPN"]}
    two = gateway(built)["properties"]["ipConfigurations"]
    put_ips(built, 3)
    third = {**two[0]["properties"], "publicIPAddress": {"id": built.path("publicIPAddresses", "pip-2")}}
    body = gateway(
        built,
        ipConfigurations=[*two, {"name": "c2", "properties": third}],
        vpnClientConfiguration={**clients, "radiusServerSecret": "hidden"},
        customRoutes={"addressPrefixes": ["10.77.0.0/16"]},
        enablePrivateIpAddress=True,
    )
    answer = built.call("PUT", path, body)
    assert answer.json()["properties"]["vpnClientConfiguration"]["vpnAuthenticationTypes"] == []
    built.settle(answer)
    shown = built.call("GET", path).json()["properties"]
    assert shown["vpnClientConfiguration"] == clients
    assert shown["customRoutes"] == {"addressPrefixes": ["10.77.0.0/16"]}
    assert shown["vpnClientConnectionHealth"]["vpnClientConnectionsCount"] == 0
    addresses = [c["properties"]["privateIPAddress"] for c in shown["ipConfigurations"]]
    assert addresses[:2] == ["10.60.255.4", "10.60.255.5"]
    assert len(addresses) == 3
    built.settle(built.call("PUT", path, gateway(built)))  # as the other tests have it
    built.settle(built.call("DELETE", built.path("publicIPAddresses", "pip-2")))


@pytest.mark.own("What is merely not modelled is refused as that, not in Azure's name")
def test_what_is_not_modelled_says_so(built: Azure) -> None:
    for kind, name, properties in (
        ("virtualNetworkGateways", "express", {"gatewayType": "ExpressRoute", "sku": {"name": "ErGwScale"}}),
        ("virtualNetworkGateways", "edge", {"gatewayType": "LocalGateway", "sku": None}),
        ("publicIPAddresses", "six", {"publicIPAddressVersion": "IPv6", "publicIPAllocationMethod": "Static"}),
    ):
        body = {"location": "westeurope", "sku": {"name": "Standard"}, "properties": properties}
        answer = built.call("PUT", built.path(kind, name), body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "NotModelledBySandbox"), answer.text
