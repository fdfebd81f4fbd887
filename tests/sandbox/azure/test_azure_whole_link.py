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
from azure_sandbox import CLIENT, GROUP, SECRET, SUBSCRIPTION, TENANT, Azure

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
    assert {r.network for r in finish(seeded, poller).value} == {"10.60.0.0/16"}
    seeded.context.aws = aws_facts(seeded, psk="other{}")
    seeded.advance(600)
    assert connections.get(GROUP, "tunnel-0").connection_status == "NotConnected"
