"""What the checks before the first write find where an answer of a recorded plan is another, word for word.

After a deliberate change delete ``golden/recorded.txt``, run the test once, and read the new one.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cloudlink.config import parse
from cloudlink.link import Link
from tests.support import golden
from tests.support.recorded_clients import Replayed
from tests.support.recorded_links import LINKS, preflight_told

GOLDEN = Path(__file__).with_name("golden") / "recorded.txt"
ANOTHER_VGW = {"VpnGatewayId": "vgw-2", "State": "available", "AmazonSideAsn": 65_000, "VpcAttachments": []}
IN_VPC = [{"VpcId": "vpc-0a1b2c3d4e5f60718", "State": "attached"}]
ZONE = {"HostedZoneId": "Z1", "Name": "corp.example.", "Owner": {"OwningAccount": "123456789012"}}
RULE = {"Id": "rslvr-rr-1", "DomainName": "corp.example.", "RuleType": "FORWARD", "Status": "COMPLETE", "TargetIps": []}
LOCK = {"id": "/subscriptions/s/locks/l", "name": "l", "properties": {"level": "ReadOnly", "notes": "do not touch"}}
FULL = [{"currentValue": 1000, "limit": 1000, "name": {"value": "PublicIPAddresses", "localizedValue": "Public IPs"}}]
DENY = {"properties": {"denyAssignmentName": "no", "permissions": [{"actions": ["*"], "notActions": []}]}}
REFUSED = {
    "fieldRestrictions": [{"field": "location", "restrictions": [{"result": "Deny", "values": ["westeurope"]}]}],
    "contentEvaluationResult": {"policyEvaluations": []},
}
DROP = {"CidrBlock": "0.0.0.0/0", "Egress": False, "Protocol": "-1", "RuleAction": "deny", "RuleNumber": 1}
ROUTE = {"DestinationCidrBlock": "10.20.0.0/16", "GatewayId": "pcx-1", "Origin": "CreateRoute", "State": "active"}
NSG = {"name": "no", "properties": {"direction": "Outbound", "access": "Deny", "priority": 100, "protocol": "*"}}
NSG["properties"] |= {"destinationAddressPrefix": "*", "destinationPortRange": "*", "sourceAddressPrefix": "*"}  # type: ignore[operator]

# Which answer (how its key begins), where in it, and what stands there then.
EDITS: dict[str, tuple[str, str, Any]] = {
    "overlapping ranges": ("Aws: vpc ", "CidrBlockAssociationSet.0.CidrBlock", "10.20.0.0/16"),
    "overlapping parts of ranges": ("Aws: vpc ", "CidrBlockAssociationSet.0.CidrBlock", "10.20.128.0/20"),
    "no VPC": ("Aws: vpc ", "", None),
    "no EKS cluster": ("Aws: eks_cluster", "", None),
    "an EKS cluster that is made": ("Aws: eks_cluster", "status", "CREATING"),
    "an EKS cluster elsewhere": ("Aws: eks_cluster", "resourcesVpcConfig.vpcId", "vpc-2"),
    "hostnames are off": ("Aws: vpc_attribute", "", False),
    "a gateway that waits": ("Aws: vpn_gateways", "+", ANOTHER_VGW),
    "a gateway of the VPC": ("Aws: vpn_gateways", "+", {**ANOTHER_VGW, "VpcAttachments": IN_VPC}),
    "a zone of that name": ("Aws: zones_of_vpc", "+", {**ZONE, "Name": "prod.corp.example."}),
    "a zone above": ("Aws: zones_of_vpc", "+", ZONE),
    "a zone below": ("Aws: zones_of_vpc", "+", {**ZONE, "Name": "eu.prod.corp.example."}),
    "a zone of another account": ("Aws: zones_of_vpc", "+", {**ZONE, "Owner": {"OwningAccount": "1"}}),
    "no subnets": ("Aws: subnets", "", []),
    "a small subnet": ("Aws: subnets", "0.AvailableIpAddressCount", 0),
    "no load balancers": ("Aws: load_balancers", "", []),
    "an open load balancer": ("Aws: load_balancers", "0.Scheme", "internet-facing"),
    "a load balancer elsewhere": ("Aws: load_balancers", "0.VpcId", "vpc-2"),
    "a load balancer that is made": ("Aws: load_balancers", "0.State.Code", "provisioning"),
    "an ACL that drops": ("Aws: network_acls", "0.Entries.+", DROP),
    "a route to the VNet": ("Aws: route_tables", "0.Routes.+", ROUTE),
    "no route tables": ("Aws: route_tables", "", []),
    "no AKS cluster": ("Azure: aks_cluster", "", None),
    "a stopped AKS cluster": ("Azure: aks_cluster", "properties.powerState.code", "Stopped"),
    "an AKS cluster that failed": ("Azure: aks_cluster", "properties.provisioningState", "Failed"),
    "an old AKS cluster": ("Azure: aks_cluster", "properties.currentKubernetesVersion", "1.20.1"),
    "an AKS cluster of another place": ("Azure: aks_cluster", "location", "northeurope"),
    "no VNet": ("Azure: vnet ", "", None),
    "a VNet elsewhere": ("Azure: vnet ", "location", "northeurope"),
    "another range of the VNet": ("Azure: vnet ", "properties.addressSpace.addressPrefixes", ["10.99.0.0/16"]),
    "a subnet in the way": ("Azure: vnet ", "properties.subnets.0.properties.addressPrefix", "10.20.255.0/24"),
    "servers of the VNet's own": ("Azure: vnet ", "properties.dhcpOptions", {"dnsServers": ["10.20.0.9"]}),
    "no resource group": ("Azure: group", "", None),
    "a gateway of another kind": ("Azure: other_gateways", "+", "/gateways/er"),
    "another VPN gateway": ("Azure: other_vpn_gateways", "+", "/gateways/vpn"),
    "a lock": ("Azure: locks", "+", LOCK),
    "a full quota": ("Azure: network_usages", "", FULL),
    "no permissions": ("Azure: permissions", "", []),
    "permissions to read": ("Azure: permissions", "0.actions", ["*/read"]),
    "permissions without deletion": ("Azure: permissions", "0.notActions", ["*/delete"]),
    "a deny assignment": ("Azure: deny_assignments", "+", DENY),
    "a policy on gateways": ("Azure: policy_restrictions", "", REFUSED),
    "a provider that is not registered": ("Azure: provider", "registrationState", "NotRegistered"),
    "a rule of a security group": ("Azure: thing", "properties.securityRules.+", NSG),
    "another key in CoreDNS": (
        'Kube:aks config_map [["kube-system", "coredns-custom"',
        "data",
        {"x.server": "a.b {\n"},
    ),
    "our zone in CoreDNS": (
        'Kube:aks config_map [["kube-system", "coredns-custom"',
        "data",
        {"x.server": "prod.corp.example:53 {\n    forward . 10.1.1.1\n}\n"},
    ),
    "two replicas of CoreDNS fewer": ("Kube:aks deployment", "spec.replicas", 1),
    "a load balancer without name": ("Kube:eks load_balancer_of", "", ""),
}

# The same over a network that somebody else has joined, with names back (``back-before``).
WAN = 'Azure: thing [["/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/contoso-wan'
EXISTING: dict[str, tuple[str, str, Any]] = {
    "no way back": ("Aws: route_tables", "0.Routes", []),
    "a way back that leads to nothing": ("Aws: route_tables", "1.Routes.1.State", "blackhole"),
    "a way back through another gateway": ("Aws: route_tables", "1.Routes.1.GatewayId", "vgw-9"),
    "a way back by a peering": ("Aws: route_tables", "1.Routes.1.GatewayId", "pcx-9"),
    "a tunnel of theirs is down": ("Aws: vpn_connections", "0.VgwTelemetry.0.Status", "DOWN"),
    "their gateway learned nothing": ("Azure: learned_routes_of", "", []),
    "their gateway is at work": (WAN, "properties.provisioningState", "Updating"),
    "their gateway failed": (WAN, "properties.provisioningState", "Failed"),
    "their gateway is ExpressRoute's": (WAN, "properties.gatewayType", "ExpressRoute"),
    "no gateway of theirs": ("Azure: vnet ", "properties.subnets.1.properties.ipConfigurations", []),
    "no private zone": ("Azure: private_zones", "", []),
    "a private zone of another name": ("Azure: private_zones", "0.name", "privatelink.file.core.windows.net"),
    "a private zone without link": ("Azure: vnet_links", "", []),
    "a private zone that is linked elsewhere": ("Azure: vnet_links", "0.properties.virtualNetwork.id", "/other"),
    "a hosted zone of Azure's name": ("Aws: zones_of_vpc", "+", {**ZONE, "Name": "privatelink.blob.core.windows.net."}),
    "a hosted zone below": ("Aws: zones_of_vpc", "+", {**ZONE, "Name": "a.privatelink.blob.core.windows.net."}),
    "no load balancer that a name points at": ("Aws: load_balancers", "", []),
    "ACLs of AWS that drop": ("Aws: network_acls", "0.Entries.+", DROP),
    "NSG that drops": (WAN.replace("contoso-wan", "test"), "properties.securityRules.+", NSG),
    "subnets without room": ("Aws: subnets", "0.AvailableIpAddressCount", 0),
    "a locked group": ("Azure: locks", "+", LOCK),
    "may only read": ("Azure: permissions", "0.actions", ["*/read"]),
    "a policy on resolvers": ("Azure: policy_restrictions", "", REFUSED),
}
TABLES = {"example-before": EDITS, "back-before": EXISTING}
NAMES = [(link, name) for link, table in TABLES.items() for name in table]


def edited(calls: dict[str, Any], start: str, path: str, value: Any) -> dict[str, Any]:
    chosen = [key for key in calls if key.startswith(start)]
    assert chosen, start
    for key in chosen:
        holder: Any = calls
        *before, last = [key, *filter(None, path.split("."))]
        for part in before:
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        if last == "+":
            holder.append(value)
        else:
            holder[int(last) if isinstance(holder, list) else last] = value
    return calls


@cache
def parsed(link: str) -> Link:
    text = (LINKS / f"{link.partition('-')[0]}.toml").read_text(encoding="utf-8")
    return parse(text, "config.toml", sandbox=True)


def lines_of(link: str, name: str) -> list[str]:
    """name: of an edit; empty: as it was recorded."""
    calls = json.loads((LINKS / f"{link}.json").read_text(encoding="utf-8"))
    calls = edited(calls, *TABLES[link][name]) if name else calls
    return preflight_told(parsed(link), Replayed(parsed(link), calls)).splitlines()


@cache
def whole(link: str) -> list[str]:
    return lines_of(link, "")


def told(link: str, name: str) -> str:
    now = lines_of(link, name)
    found = [name, *(f"    {line}" for line in now if line not in whole(link))]
    gone = (line for line in whole(link) if line not in now and line.startswith("finding.summary"))
    return "\n".join([*found, *(f"    no more: {line}" for line in gone)]) + "\n"


@cache
def sections() -> dict[str, str]:
    if not GOLDEN.exists():
        golden.compare("\n".join(told(*each) for each in NAMES), GOLDEN)
    parts = GOLDEN.read_text(encoding="utf-8").split("\n\n")
    return {part.partition("\n")[0]: part.rstrip("\n") + "\n" for part in parts}


@pytest.mark.parametrize(("link", "name"), NAMES)
def test_what_is_found_where_an_answer_is_another(link: str, name: str) -> None:
    assert told(link, name) == sections()[name]
