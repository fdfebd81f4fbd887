"""Rules of a network manager in the sandbox: as the SDK reads them, and what becomes of packets."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.mgmt.network import NetworkManagementClient
from azure_sandbox import SUBNETS, SUBSCRIPTION, Azure, code

from cloudlink_sandbox.azure import admin_rules
from cloudlink_sandbox.filtering import Packet, into_vnet, out_of_vnet
from cloudlink_sandbox.world_file import AdminRule

VPC = [IPv4Network("10.20.0.0/16")]
NODE, THERE = IPv4Address("10.60.0.5"), IPv4Address("10.20.1.9")


class Token:
    """A credential of somebody who is signed in already."""

    def __init__(self, azure: Azure) -> None:
        self.azure = azure

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(self.azure.token(), 2**33)


def put(azure: Azure, *rules: AdminRule) -> None:
    vnet = SUBNETS.rpartition("/")[0].lower()
    azure.cloud.store.admin_rules[vnet] = [admin_rules.shown("s", rule) for rule in rules]


@pytest.mark.documentation("The effective security admin rules of a VNet, in the form of Azure's example")
def test_the_sdk_reads_them(seeded: Azure) -> None:
    put(seeded, AdminRule("no-dns", ports=("53",), destinations=("10.0.0.0/8", "Internet")))
    place = {"base_url": seeded.url, "credential_scopes": [f"{seeded.url}/.default"], "connection_verify": seeded.ca}
    with NetworkManagementClient(Token(seeded), SUBSCRIPTION, **place) as network:
        found = network.list_network_manager_effective_security_admin_rules("net-rg", "aks-vnet", {})
    (rule,) = found.value or []
    assert rule.kind == "Custom"
    held = rule.as_dict()["properties"]
    assert (held["access"], held["priority"], held["direction"]) == ("Deny", 10, "Outbound")
    assert [d["addressPrefixType"] for d in held["destinations"]] == ["IPPrefix", "ServiceTag"]
    gone = seeded.call("POST", f"{SUBNETS.rpartition('/')[0]}x/listNetworkManagerEffectiveSecurityAdminRules", {})
    assert code(gone) == (404, "ResourceNotFound")


def why(azure: Azure, port: int = 53) -> str:
    vnet = next(v for v in azure.cloud.facts().vnets.values() if v.id.lower() == SUBNETS.rpartition("/")[0].lower())
    nodes = next(s for s in vnet.subnets if s.id.endswith("/aks"))
    return out_of_vnet(nodes, Packet(NODE, THERE, "udp", port), VPC)


@pytest.mark.documentation(
    "They come before network security groups: Deny is the end, AlwaysAllow too, Allow leaves it to the groups"
)
def test_what_becomes_of_packets(seeded: Azure) -> None:
    put(seeded, AdminRule("no-dns", ports=("53",)))
    assert "security admin rule" in why(seeded) and why(seeded, 443) == ""
    put(seeded, AdminRule("no-dns", ports=("53",)), AdminRule("yes", "AlwaysAllow", priority=5))
    assert why(seeded) == ""
    group = f"{SUBNETS.partition('/virtualNetworks/')[0]}/networkSecurityGroups/aks-vnet-aks"
    deny = {
        "protocol": "*",
        "sourcePortRange": "*",
        "destinationPortRange": "*",
        "sourceAddressPrefix": "*",
        "destinationAddressPrefix": "*",
        "access": "Deny",
        "priority": 100,
        "direction": "Outbound",
    }
    body = {"location": "westeurope", "properties": {"securityRules": [{"name": "none", "properties": deny}]}}
    seeded.settle(seeded.call("PUT", group, body))
    assert why(seeded) == "", "it was let through for good"
    put(seeded, AdminRule("yes", "Allow", priority=5))
    assert "network security group" in why(seeded)


@pytest.mark.documentation("What comes in is judged by their inbound rules")
def test_what_comes_in(seeded: Azure) -> None:
    put(seeded, AdminRule("none", direction="Inbound"))
    vnet = next(v for v in seeded.cloud.facts().vnets.values() if v.subnets)
    nodes = next(s for s in vnet.subnets if s.id.endswith("/aks"))
    packet = Packet(THERE, NODE, "tcp", 53)
    assert "security admin rule" in into_vnet(nodes, packet, VPC)
    assert into_vnet(replace(nodes, managed_entering=()), packet, VPC) == ""
