"""Peerings, gateway subnets, route tables and network security groups."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from azure_sandbox import SUBNETS, Azure, code, gateway, put_gateway_subnet, put_ips

from cloudlink_sandbox.filtering import Packet, out_of_vnet

NODES = f"{SUBNETS}/aks"


@pytest.mark.documentation(
    "A gateway advertises its VNet and those peered with its transit; a table can keep learned routes out"
)
@pytest.mark.specification("A peering whose other half exists is Connected")
def test_peered_vnets_and_route_tables_reach_the_facts(built: Azure) -> None:
    vnets = built.path("virtualNetworks", "", "net-rg").rstrip("/")
    spoke = {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.70.0.0/16"]}}}
    built.settle(built.call("PUT", f"{vnets}/spoke", spoke), 60)
    for one, other, flag in (("aks-vnet", "spoke", "allowGatewayTransit"), ("spoke", "aks-vnet", "useRemoteGateways")):
        body = {"properties": {"remoteVirtualNetwork": {"id": f"{vnets}/{other}"}, flag: True}}
        built.settle(built.call("PUT", f"{vnets}/{one}/virtualNetworkPeerings/p", body), 60)
    table = built.path("routeTables", "rt", "net-rg")
    body = {"location": "westeurope", "properties": {"disableBgpRoutePropagation": True}}
    built.settle(built.call("PUT", table, body), 60)
    subnet = {"properties": {"addressPrefix": "10.60.0.0/22", "routeTable": {"id": table}}}
    built.settle(built.call("PUT", NODES, subnet), 60)
    fact = built.cloud.facts().vnets[f"{vnets}/aks-vnet"]
    assert [str(p) for p in fact.advertised] == ["10.60.0.0/16", "10.70.0.0/16"]
    assert {s.id.rsplit("/", 1)[-1]: s.propagates for s in fact.subnets} == {"aks": False, "GatewaySubnet": True}
    shown = built.call("GET", f"{vnets}/aks-vnet").json()["properties"]["virtualNetworkPeerings"][0]["properties"]
    assert shown["peeringState"] == "Connected"


@pytest.mark.documentation("Deleting one half leaves the other Disconnected, and it has to be written again first")
def test_one_half_of_a_peering_is_deleted(seeded: Azure) -> None:
    vnets = seeded.path("virtualNetworks", "", "net-rg").rstrip("/")
    spoke = {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.70.0.0/16"]}}}
    seeded.settle(seeded.call("PUT", f"{vnets}/spoke", spoke), 60)

    def half(one: str) -> str:
        return f"{vnets}/{one}/virtualNetworkPeerings/p"

    def put(one: str, other: str) -> Any:
        body = {"properties": {"remoteVirtualNetwork": {"id": f"{vnets}/{other}"}}}
        answer = seeded.call("PUT", half(one), body)
        seeded.advance(60)
        return answer

    def state(one: str) -> str:
        return str(seeded.call("GET", half(one)).json()["properties"]["peeringState"])

    put("aks-vnet", "spoke")
    assert state("aks-vnet") == "Initiated"
    put("spoke", "aks-vnet")
    assert (state("aks-vnet"), state("spoke")) == ("Connected", "Connected")
    seeded.settle(seeded.call("DELETE", half("spoke")), 60)
    assert state("aks-vnet") == "Disconnected"
    assert code(put("spoke", "aks-vnet")) == (400, "RemotePeeringIsDisconnected")
    put("aks-vnet", "spoke")
    assert state("aks-vnet") == "Initiated"
    assert put("spoke", "aks-vnet").status_code == 201
    assert state("aks-vnet") == "Connected"


@pytest.mark.documentation(
    "A VNet uses a peer's gateway only if the peer has one (RemoteVnetHasNoGateways) and it has none"
)
@pytest.mark.documentation("VNets that overlap cannot be peered")
@pytest.mark.belief("The codes of peerings that overlap, and of those between two VNets with gateways")
def test_peerings_that_are_refused(built: Azure) -> None:
    vnets = built.path("virtualNetworks", "", "net-rg").rstrip("/")

    def peer(one: str, other: str, **flags: bool) -> tuple[int, str | None]:
        body = {"properties": {"remoteVirtualNetwork": {"id": f"{vnets}/{other}"}, **flags}}
        return code(built.call("PUT", f"{vnets}/{one}/virtualNetworkPeerings/p", body))

    for name, prefix in (("spoke", "10.70.0.0/16"), ("twin", "10.60.128.0/17")):
        body = {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": [prefix]}}}
        built.settle(built.call("PUT", f"{vnets}/{name}", body), 60)
    assert peer("aks-vnet", "twin") == (400, "VnetAddressSpacesOverlap")
    assert peer("aks-vnet", "nobody") == (400, "InvalidResourceReference")
    assert peer("aks-vnet", "spoke", useRemoteGateways=True) == (400, "RemoteVnetHasNoGateways")
    hub = built.path("virtualNetworks", "", "contoso-hub").rstrip("/")
    (hub_name,) = [v["name"] for v in built.call("GET", hub).json()["value"]]
    body = {"properties": {"remoteVirtualNetwork": {"id": f"{hub}/{hub_name}"}, "useRemoteGateways": True}}
    both = built.call("PUT", f"{vnets}/aks-vnet/virtualNetworkPeerings/p", body)
    assert code(both) == (400, "VnetHasGatewayAndUsesRemoteGateways")


@pytest.mark.specification("A route can win against overlapping ones of BGP, whatever their length")
def test_a_route_that_overrides_bgp(seeded: Azure) -> None:
    table = seeded.path("routeTables", "rt", "net-rg")
    inside = {"addressPrefix": "10.0.0.0/8", "nextHopType": "None"}
    routes = [{"name": n, "properties": {**inside, "hasBgpOverride": on}} for n, on in (("a", True), ("b", False))]
    body = {"location": "westeurope", "properties": {"routes": [routes[0]]}}
    seeded.settle(seeded.call("PUT", table, body), 60)
    shown = seeded.call("GET", table).json()["properties"]["routes"][0]["properties"]
    assert shown["hasBgpOverride"] is True
    subnet = {"properties": {"addressPrefix": "10.60.0.0/22", "routeTable": {"id": table}}}
    seeded.settle(seeded.call("PUT", NODES, subnet), 60)

    def why() -> str:
        vnets = seeded.cloud.facts().vnets.values()
        nodes = next(s for v in vnets for s in v.subnets if s.id.endswith("/aks"))
        packet = Packet(IPv4Address("10.60.0.4"), IPv4Address("10.10.0.1"), "tcp", 443)
        return out_of_vnet(nodes, packet, [IPv4Network("10.10.0.0/16")])

    assert "sends 10.0.0.0/8 to None" in why()
    body["properties"] = {"routes": [routes[1]]}
    seeded.settle(seeded.call("PUT", table, body), 60)
    assert why() == ""


@pytest.mark.documentation(
    "A gateway's subnet is a /27 or larger for all sizes but Basic: MicrosoftDocs/azure-docs#111078"
)
@pytest.mark.belief("The code of that refusal")
def test_a_gateway_s_subnet_that_is_too_small(seeded: Azure) -> None:
    put_ips(seeded)
    subnet = f"{NODES.rsplit('/', 1)[0]}/GatewaySubnet"
    seeded.settle(seeded.call("PUT", subnet, {"properties": {"addressPrefix": "10.60.255.0/28"}}), 60)
    refused = seeded.call("PUT", seeded.path("virtualNetworkGateways", "gw"), gateway(seeded))
    assert code(refused) == (400, "GatewaySubnetTooSmall")


@pytest.mark.documentation("No network security group goes with a gateway's subnet")
@pytest.mark.belief(
    "A route table with a default route, or without propagation, is refused on a gateway's subnet by this code"
)
def test_a_gateway_s_subnet_is_left_alone(seeded: Azure) -> None:
    put_ips(seeded)
    put_gateway_subnet(seeded)
    subnet = f"{NODES.rsplit('/', 1)[0]}/GatewaySubnet"
    group, table = (seeded.path(k, "mine", "net-rg") for k in ("networkSecurityGroups", "routeTables"))
    route = {"name": "all", "properties": {"addressPrefix": "0.0.0.0/0", "nextHopType": "Internet"}}
    for path, properties in ((group, {}), (table, {"routes": [route]})):
        seeded.settle(seeded.call("PUT", path, {"location": "westeurope", "properties": properties}), 60)

    def fence(name: str = "", path: str = "") -> Any:
        more = {name: {"id": path}} if name else {}
        return seeded.call("PUT", subnet, {"properties": {"addressPrefix": "10.60.255.0/27", **more}})

    address = seeded.path("virtualNetworkGateways", "gw")
    refusals = {
        ("networkSecurityGroup", group): "NetworkSecurityGroupCannotBeAttachedToGatewaySubnet",
        ("routeTable", table): "RouteTableNotSupportedOnGatewaySubnet",
    }
    for (name, path), expected in refusals.items():
        seeded.settle(fence(name, path), 60)
        assert code(seeded.call("PUT", address, gateway(seeded))) == (400, expected)
    seeded.settle(fence(), 60)
    seeded.settle(seeded.call("PUT", address, gateway(seeded)))
    assert code(fence("networkSecurityGroup", group))[1] == "NetworkSecurityGroupCannotBeAttachedToGatewaySubnet"
