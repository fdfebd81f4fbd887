"""What is told of each obstacle, word for word: one file for a topic in ``golden``. After a deliberate change delete the file,
run the test once, and read the new one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.preflight import aws, filters, gateways, permissions, quotas, ranges
from cloudlink.checks.preflight.permissions import PermissionFacts, Scope
from cloudlink.clouds.aws.permissions import Proof, Verdict
from cloudlink.clouds.azure.parse_permissions import DenyAssignment, Grant
from cloudlink.core.permissions import Permission
from cloudlink.core.plan import Action
from cloudlink.errors import Finding
from tests.support import golden

from .account import AWS, NSG, acl, context, peering, vnet
from .samples import VPC, first_plan, link, plan

GOLDEN = Path(__file__).with_name("golden")
Told = Iterable[Finding]


def several(many: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"State": "available", "AmazonSideAsn": 64512, **{k: f"{v}-{i}" for k, v in more.items()}} for i in range(many)
    ]


def connections(many: int, gateway: str) -> list[dict[str, Any]]:
    fixed = {
        "VpnGatewayId": gateway,
        "Options": {"TunnelOptions": []},
        "Tags": [],
        "Type": "ipsec.1",
        "VgwTelemetry": [],
    }
    return [{**c, **fixed} for c in several(many, VpnConnectionId="vpn", CustomerGatewayId="cgw")]


def gateway(id_: str, state: str, vpc: str = VPC, asn: int = 64900) -> dict[str, Any]:
    attachments = [{"VpcId": vpc, "State": state}]
    return {"VpnGatewayId": id_, "AmazonSideAsn": asn, "State": "available", "VpcAttachments": attachments}


# --- the topics ---------------------------------------------------------------------------------------------


def of_quotas() -> dict[str, Told]:
    adopted = link(aws={"gateway": "vgw-1"})
    many = tuple(f"10.{n}.0.0/16" for n in range(30, 60))
    ips = {
        "name": {"value": "PublicIPAddresses", "localizedValue": "Public IP Addresses"},
        "currentValue": 10,
        "limit": 11,
    }
    spent = {
        "vpn_connections": connections(49, "vgw-2"),
        "vpn_gateways": several(5, VpnGatewayId="vgw"),
        "customer_gateways": several(49, CustomerGatewayId="cgw"),
        "resolver_endpoints": several(4, Id="rslvr-in"),
        "hosted_zones": several(500, Id="Z"),
    }
    return {
        "each of AWS's is used up": quotas.find(context(**spent)),
        "a replacement needs no more than there is": quotas.find(context(plan(Action.REPLACE), **spent)),
        "nine connections on the adopted gateway": quotas.find(
            context(of=adopted, vpn_gateways=[gateway("vgw-1", "attached")], vpn_connections=connections(9, "vgw-1"))
        ),
        "eight are no matter": quotas.find(
            context(of=adopted, vpn_gateways=[gateway("vgw-1", "attached")], vpn_connections=connections(8, "vgw-1"))
        ),
        "more ranges than rules": quotas.find(context(azure={"vnet": vnet(peering(*many, transit=True))})),
        "Azure's public addresses": quotas.find(context(azure={"network_usages": [ips]})),
        "no limit is told": quotas.find(context(azure={"network_usages": [{**ips, "limit": 0}]})),
        "one is made only": quotas.find(
            context(plan(Action.CREATE, "azure_vpn.public_ip[0]"), azure={"network_usages": [ips]})
        ),
    }


def of_filters() -> dict[str, Told]:
    def denies(number: int, protocol: str, *, leaving: bool, ports: tuple[int, int] | None = None) -> dict[str, Any]:
        entry = {"RuleNumber": number, "RuleAction": "deny", "Protocol": protocol, "CidrBlock": "10.20.0.0/16"}
        return {**entry, "Egress": leaving, **({"PortRange": {"From": ports[0], "To": ports[1]}} if ports else {})}

    def group(**changes: Any) -> dict[str, Any]:
        rule = {
            "direction": "Outbound",
            "access": "Deny",
            "priority": 100,
            "protocol": "Tcp",
            "destinationPortRange": "*",
            "sourceAddressPrefix": "*",
            "destinationAddressPrefix": "10.10.0.0/16",
            **changes,
        }
        return {"id": NSG, "name": "nsg", "properties": {"securityRules": [{"name": "no-aws", "properties": rule}]}}

    def azure(held: dict[str, Any]) -> Told:
        return filters.find_azure(context(azure={"vnet": vnet(security_group=NSG)}, things={NSG: held}))

    def amazon(*entries: dict[str, Any]) -> Told:
        return filters.find_aws(context(network_acls=[acl(*entries)]))

    return {
        "nothing comes in": amazon(denies(50, "-1", leaving=False)),
        "no DNS over UDP comes in": amazon(denies(50, "17", leaving=False, ports=(53, 53))),
        "no answer over TCP gets out": amazon(denies(50, "6", leaving=True, ports=(1024, 65535))),
        "nothing in and nothing out": amazon(denies(50, "-1", leaving=False), denies(51, "-1", leaving=True)),
        "only well-known ports are shut": amazon(denies(50, "6", leaving=True, ports=(0, 1023))),
        "a rule after the one that allows": amazon(denies(200, "-1", leaving=False)),
        "only records are made": filters.find_aws(
            context(plan(Action.CREATE, "resolver.records"), network_acls=[acl(denies(50, "-1", leaving=False))])
        ),
        "TCP does not get out of the cluster": azure(group()),
        "only one port does not": azure(group(destinationPortRange="443", priority=4000)),
        "another network is shut": azure(group(destinationAddressPrefix="10.99.0.0/16")),
        "it comes in that is shut": azure(group(direction="Inbound")),
    }


def of_gateways() -> dict[str, Told]:
    adopted = link(aws={"gateway": "vgw-1"})
    return {
        "another is attached": gateways.find(context(vpn_gateways=[gateway("vgw-9", "attached")])),
        "another is attaching": gateways.find(context(vpn_gateways=[gateway("vgw-9", "attaching")])),
        "ours is attached": gateways.find(
            context(plan(Action.NO_OP), vpn_gateways=[gateway("id-of-aws_vpn.gateway", "attached")])
        ),
        "the adopted one is gone": gateways.find(context(of=adopted)),
        "it is another VPC's": gateways.find(context(of=adopted, vpn_gateways=[gateway("vgw-1", "attached", "vpc-2")])),
        "the VPC has another": gateways.find(
            context(of=adopted, vpn_gateways=[gateway("vgw-1", "detached"), gateway("vgw-2", "attached")])
        ),
        "its ASN is Azure's": gateways.find(
            context(of=adopted, vpn_gateways=[gateway("vgw-1", "attached", asn=65515)])
        ),
        "its ASN is that of the other side": gateways.find(
            context(of=adopted, vpn_gateways=[gateway("vgw-1", "attached", asn=65000)])
        ),
    }


def of_aws() -> dict[str, Told]:
    def routes(**route: Any) -> Told:
        table = {**AWS["route_tables"][0], "Routes": [route]}
        return aws.find(context(route_tables=[table]))

    named = link(dns={"endpoint_subnets": ("subnet-1", "subnet-9")})
    full = [{**s, "AvailableIpAddressCount": 0} for s in AWS["subnets"]]
    elsewhere = {**AWS["eks_cluster"], "resourcesVpcConfig": {"vpcId": "vpc-2", "subnetIds": ["subnet-1", "subnet-2"]}}
    return {
        "no VPC": aws.find(context(vpc=None)),
        "dedicated tenancy": aws.find(context(vpc={**AWS["vpc"], "InstanceTenancy": "dedicated"})),
        "of another account": aws.find(context(vpc={**AWS["vpc"], "OwnerId": "999988887777"})),
        "of another account, one thing to do": aws.find(
            context(plan(Action.CREATE, "resolver.zone"), vpc={**AWS["vpc"], "OwnerId": "999988887777"})
        ),
        "of another account, nothing to do": aws.find(
            context(plan(Action.NO_OP), vpc={**AWS["vpc"], "OwnerId": "999988887777"})
        ),
        "the cluster is in another VPC": aws.find(context(eks_cluster=elsewhere)),
        "a subnet that is not there": aws.find(context(of=named)),
        "subnets without room": aws.find(context(subnets=full)),
        "subnets of one zone": aws.find(context(subnets=[{**s, "AvailabilityZone": "a"} for s in AWS["subnets"]])),
        "a route for all of it": routes(DestinationCidrBlock="10.20.0.0/16", TransitGatewayId="tgw-1"),
        "a route for a part": routes(DestinationCidrBlock="10.20.5.0/24", NetworkInterfaceId="eni-1"),
        "a route into nothing": routes(
            DestinationCidrBlock="10.20.0.0/16", TransitGatewayId="tgw-1", State="blackhole"
        ),
        "a wider route": routes(DestinationCidrBlock="10.0.0.0/8", TransitGatewayId="tgw-1"),
        "a route to a gateway of VPNs": routes(DestinationCidrBlock="10.20.0.0/16", GatewayId="vgw-1"),
    }


def of_ranges() -> dict[str, Told]:
    def cluster(**network: str) -> dict[str, Any]:
        said = context().azure.aks_cluster()  # type: ignore[call-overload]
        return {**said, "properties": {**said["properties"], "networkProfile": {"networkPlugin": "azure", **network}}}

    second = {
        **AWS["vpc"],
        "CidrBlockAssociationSet": [
            {"CidrBlock": c, "CidrBlockState": {"State": "associated"}} for c in ("10.10.0.0/16", "10.20.64.0/20")
        ],
    }
    return {
        "VPC and VNet meet": ranges.find(context(vpc=second)),
        "a spoke through our gateway meets the VPC": ranges.find(
            context(azure={"vnet": vnet(peering("10.10.128.0/20", transit=True))})
        ),
        "a VNet beside meets the VPC": ranges.find(
            context(azure={"vnet": vnet(peering("10.10.0.0/24", transit=False))})
        ),
        "it hides a target": ranges.find(context(azure={"vnet": vnet(peering("10.10.8.0/24", transit=False))})),
        "pods have the VPC's addresses": ranges.find(
            context(
                azure={
                    "aks_cluster": cluster(
                        podCidr="10.10.128.0/20", networkPluginMode="overlay", serviceCidr="10.200.0.0/16"
                    )
                }
            )
        ),
        "services have a target's address": ranges.find(
            context(azure={"aks_cluster": cluster(serviceCidr="10.10.8.0/24")})
        ),
        "EKS's services meet the VNet": ranges.find(
            context(eks_cluster={**AWS["eks_cluster"], "kubernetesNetworkConfig": {"serviceIpv4Cidr": "10.20.0.0/20"}})
        ),
    }


def of_permissions() -> dict[str, Told]:
    in_aws, other = Permission("route53:CreateHostedZone"), Permission("ec2:AttachVpnGateway")
    in_azure = [
        Permission("Microsoft.Network/connections/write", "resource group"),
        Permission("Microsoft.ContainerService/managedClusters/listClusterUserCredential/action", "AKS cluster"),
        Permission("Microsoft.Resources/subscriptions/resourceGroups/write", "subscription"),
    ]
    wants = {in_aws: ("resolver.zone",), other: ("aws_vpn.attachment", "aws_vpn.gateway", "resolver.zone")}
    allowed = PermissionFacts(wants, tuple(Proof(p.action, Verdict.ALLOWED) for p in wants))
    owner = (Grant(("*",)),)
    scopes = {p.place: Scope(f"/scope/{p.place.replace(' ', '-')}", owner) for p in in_azure}
    needs = {p: (f"azure_vpn.{i}",) for i, p in enumerate(in_azure)}

    def told(facts: PermissionFacts) -> Told:
        return permissions.check(facts, link(), first_plan())

    def aws_says(*proofs: Proof) -> Told:
        return told(replace(allowed, aws=proofs))

    def azure_says(**changes: Any) -> Told:
        return told(PermissionFacts(needs, (), {place: replace(s, **changes) for place, s in scopes.items()}))

    denies = (Grant((in_azure[0].action,)),)
    who = "arn:aws:iam::1:user/me"
    return {
        "all is allowed": [*told(allowed), *azure_says()],
        "one is missing": aws_says(Proof(in_aws.action, Verdict.MISSING, "no policy allows it", who), allowed.aws[1]),
        "one is missing, and why is for administrators": aws_says(
            allowed.aws[0], Proof(other.action, Verdict.MISSING, "one denies it", who, "arn:aws:ec2:::vpc/v", "AbC")
        ),
        "one that nothing of the plan names": aws_says(*allowed.aws, Proof("ec2:CreateTags", Verdict.MISSING, "no")),
        "nobody was asked": aws_says(),
        "two that could not be asked": aws_says(
            Proof(in_aws.action, Verdict.UNKNOWN, "throttled"), Proof(other.action, Verdict.UNKNOWN, "throttled")
        ),
        "no role in Azure": azure_says(grants=()),
        "Azure says nothing of permissions": azure_says(unread="may not be read"),
        "a place that was not asked": told(PermissionFacts(needs, (), {})),
        "denied to everybody": azure_says(denied=(DenyAssignment("app", denies, everyone=True),)),
        "denied to some": azure_says(denied=(DenyAssignment("app", denies, everyone=False),)),
    }


TOPICS: dict[str, Callable[[], dict[str, Told]]] = {
    "aws": of_aws,
    "filters": of_filters,
    "gateways": of_gateways,
    "permissions": of_permissions,
    "quotas": of_quotas,
    "ranges": of_ranges,
}


def lines(finding: Finding) -> list[str]:
    told = [f"  {finding.severity.name.lower()}: {finding.summary}", f"    {finding.detail}"]
    told += [f"    -> {line}" for line in finding.hint.splitlines()]
    if finding.mistake is not None:
        told.append(f"    {finding.mistake.path}: {finding.mistake.found}; allowed: {finding.mistake.allowed}")
    return [*told, f"    [{finding.topic}; resource {finding.resource or '-'}; key {finding.key or '-'}]"]


@pytest.mark.parametrize("topic", TOPICS)
def test_what_is_told(topic: str) -> None:
    told = []
    for scenario, findings in TOPICS[topic]().items():
        found = [line for finding in findings for line in lines(finding)]
        told += [f"{scenario}:", *(found or ["  nothing"]), ""]
    golden.compare("\n".join(told), GOLDEN / f"{topic}.txt")
