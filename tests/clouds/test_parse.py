"""Answers of Azure and of a cluster become facts, or are refused as malformed: never an error of Python's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cloudlink.clouds.aws import parse_connections, parse_resolver, parse_routes
from cloudlink.clouds.azure import (
    body_gateway,
    body_network,
    parse_aks,
    parse_connection,
    parse_gateway,
    parse_network,
    parse_object,
)
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.kube import parse, parse_pods
from cloudlink.errors import MalformedError

NOT_AN_OBJECT: list[Any] = ["text", 7, ["list"], True]

IN_PROPERTIES: dict[str, Callable[[Any], object]] = {
    "object": parse_object.azure_object,
    "vnet": parse_network.vnet,
    "route table": parse_network.route_table,
    "public IP": parse_network.public_ip,
    "gateway": parse_gateway.gateway,
    "connection": parse_connection.connection,
    "local network gateway": parse_connection.local_gateway,
    "AKS cluster": parse_aks.aks_cluster,
    "LocalDNS": parse_aks.pools_dns,
}


@pytest.mark.parametrize("properties", NOT_AN_OBJECT)
@pytest.mark.parametrize("kind", IN_PROPERTIES)
def test_an_object_of_azure_without_its_documented_form_is_refused(kind: str, properties: Any) -> None:
    with pytest.raises(MalformedError) as caught:
        IN_PROPERTIES[kind]({"id": "/x/y", "name": "y", "properties": properties})
    assert caught.value.exit_code == 5


REFUSED: dict[str, Callable[[], object]] = {
    "no id": lambda: parse_object.azure_object({"name": "x"}),
    "a range that is none": lambda: parse_network.vnet(
        {"id": "/x", "properties": {"addressSpace": {"addressPrefixes": ["10.1.0.0/99"]}}}
    ),
    "a list that is none": lambda: parse_network.vnet({"id": "/x", "properties": {"subnets": {"a": 1}}}),
    "a subnet without range": lambda: parse_network.gateway_subnet(
        {"properties": {"subnets": [{"id": "/x", "name": "GatewaySubnet"}]}}
    ),
    "an address that is none": lambda: parse_gateway.gateway(
        {"id": "/x", "properties": {"bgpSettings": {"bgpPeeringAddresses": [{"tunnelIpAddresses": ["x"]}]}}}
    ),
    "an ASN that is none": lambda: parse_connection.local_gateway(
        {"id": "/x", "properties": {"bgpSettings": {"asn": "many"}}}
    ),
    "tags that are none": lambda: parse_object.azure_object({"id": "/x", "tags": ["a"]}),
    "a row that is none": lambda: parse_gateway.bgp_peers([None]),  # type: ignore[list-item]
    "what is written back": lambda: body_network.same_subnet({"properties": "x"}),
    "keys that are none": lambda: parse.key_map({"data": ["x"]}),
    "replicas that are none": lambda: parse.deployment({"spec": {"replicas": "x"}}),
    "a pod without a name": lambda: parse_pods.pod({"metadata": {"name": ""}}),
    "a state that is none": lambda: parse_pods.pod(
        {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"state": "x"}]}}
    ),
    "a VPN connection without id": lambda: parse_connections.existing_connections([{"State": "available"}]),
    "a destination that is none": lambda: parse_routes.tables(
        [{"RouteTableId": "rtb-1", "Routes": [{"DestinationCidrBlock": "x"}]}]
    ),
    "an endpoint's address that is none": lambda: parse_resolver.addresses(
        [{"IpId": "rni-1", "SubnetId": "subnet-1", "Ip": "x"}]
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_malformed_piece_is_refused(what: str) -> None:
    with pytest.raises(MalformedError):
        REFUSED[what]()


@pytest.mark.parametrize("subnets", ["text", [7], {"a": 1}])
def test_what_the_client_itself_reads_is_refused_too(subnets: Any) -> None:
    azure: Any = object.__new__(Azure)
    azure.vnet = lambda: {"properties": {"subnets": subnets}}
    azure.id = azure.name = lambda *words: "/".join(words)
    with pytest.raises(MalformedError):
        azure.other_gateways()


def test_a_bug_in_reading_is_not_called_the_clouds_fault() -> None:
    with pytest.raises(TypeError, match="missing"):
        parse_network.vnet()  # type: ignore[call-arg]


def test_what_azure_leaves_out_or_writes_as_null_is_no_malformed_answer() -> None:
    assert parse_gateway.gateway({"id": "/x", "properties": None}).addresses == ()
    assert parse_connection.connection({"id": "/x"}).key is None
    assert parse_network.vnet({"id": "/x/v", "properties": {"subnets": None}}).name == "v"


def test_a_third_ipconfiguration_of_others_is_written_back() -> None:
    """With the addresses that they gave it, and without those that are Azure's."""
    id_ = "/gw"
    there = {
        "id": id_,
        "properties": {
            "ipConfigurations": [
                {"id": f"{id_}/ipConfigurations/one", "name": "one", "properties": {}},
                {"id": f"{id_}/ipConfigurations/p2s", "name": "p2s", "properties": {"privateIPAddress": "10.0.0.4"}},
            ],
            "bgpSettings": {
                "bgpPeeringAddresses": [
                    {
                        "ipconfigurationId": f"{id_}/ipConfigurations/p2s",
                        "customBgpIpAddresses": ["169.254.21.9"],
                        "defaultBgpIpAddresses": ["10.0.0.4"],
                    }
                ]
            },
        },
    }
    ours = body_gateway.InstanceSettings(f"{id_}/ipconfigurations/one", "instance0", "/ip", ())
    body = body_gateway.gateway(
        there,
        id_=id_,
        location="here",
        tags={},
        type_="Vpn",
        routing="RouteBased",
        sku="VpnGw1AZ",
        active_active=True,
        bgp=True,
        asn=65010,
        subnet="/subnet",
        instances=[ours],
    )["properties"]
    assert [c["name"] for c in body["ipConfigurations"]] == ["one", "p2s"]
    assert body["ipConfigurations"][1]["properties"] == {}
    assert body["bgpSettings"]["bgpPeeringAddresses"][1] == {
        "ipconfigurationId": f"{id_}/ipConfigurations/p2s",
        "customBgpIpAddresses": ["169.254.21.9"],
    }


def test_what_a_vnet_and_its_subnets_refer_to_is_joined_by_a_write_of_them() -> None:
    subnets = [
        {"name": "plain", "properties": {"routeTable": None}},
        {
            "name": "fenced",
            "properties": {
                "routeTable": {"id": "/rt"},
                "networkSecurityGroup": {"id": "/nsg"},
                "natGateway": {"id": "/nat"},
                "serviceEndpointPolicies": [{"id": "/policy"}],
            },
        },
        {"name": "too", "properties": {"routeTable": {"id": "/rt"}}},
    ]
    raw = {"id": "/v", "properties": {"ddosProtectionPlan": {"id": "/plan"}, "subnets": subnets}}
    fenced = {
        ("routeTables", "/rt"),
        ("networkSecurityGroups", "/nsg"),
        ("natGateways", "/nat"),
        ("serviceEndpointPolicies", "/policy"),
    }
    assert set(parse_network.joined(raw, "Fenced")) == fenced
    assert parse_network.joined(raw, "plain") == parse_network.joined(raw, "gone") == parse_network.joined(None) == ()
    assert set(parse_network.joined(raw)) == fenced | {("ddosProtectionPlans", "/plan")}
    assert len(parse_network.joined(raw)) == 5
