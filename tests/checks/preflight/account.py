"""One plain account in both clouds, as their APIs tell it, and clients that answer from it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from cloudlink.checks.preflight import permissions
from cloudlink.checks.preflight.context import Context, Topic
from cloudlink.core.plan import Plan
from cloudlink.errors import CloudlinkError
from cloudlink.link import Link
from tests.support.pinned import pinned

from .samples import VPC, first_plan, link, nodes

ACCOUNT = "111122223333"
GROUP = "/subscriptions/s/resourceGroups/test"
VNET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/test-vnet"
NSG = f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/nsg"

EVERYTHING = [
    {"RuleNumber": 100, "RuleAction": "allow", "Protocol": "-1", "CidrBlock": "0.0.0.0/0", "Egress": leaving}
    for leaving in (False, True)
]


def acl(*entries: dict[str, Any]) -> dict[str, Any]:
    associations = [{"SubnetId": s} for s in ("subnet-1", "subnet-2")]
    return {"NetworkAclId": "acl-1", "Associations": associations, "Entries": [*entries, *EVERYTHING]}


def balancer(name: str, vpc: str = VPC) -> dict[str, Any]:
    return {
        "LoadBalancerName": name,
        "LoadBalancerArn": f"arn:aws:elasticloadbalancing:::{name}",
        "VpcId": vpc,
        "Scheme": "internal",
        "DNSName": f"{name}.elb",
        "CanonicalHostedZoneId": "Z1",
        "AvailabilityZones": [{"SubnetId": "subnet-2"}],
    }


AWS: dict[str, Any] = {
    "account": ACCOUNT,
    "principal": f"arn:aws:iam::{ACCOUNT}:user/me",
    "vpc": {
        "VpcId": VPC,
        "OwnerId": ACCOUNT,
        "CidrBlock": "10.10.0.0/16",
        "CidrBlockAssociationSet": [{"CidrBlock": "10.10.0.0/16", "CidrBlockState": {"State": "associated"}}],
    },
    "eks_cluster": {
        "name": "production",
        "status": "ACTIVE",
        "version": "1.33",
        "endpoint": "https://eks",
        "certificateAuthority": {"data": "QQ=="},
        "resourcesVpcConfig": {"vpcId": VPC, "subnetIds": ["subnet-1", "subnet-2"]},
        "kubernetesNetworkConfig": {"serviceIpv4Cidr": "172.20.0.0/16"},
    },
    "subnets": [
        {"SubnetId": "subnet-1", "AvailabilityZone": "a", "CidrBlock": "10.10.1.0/24", "AvailableIpAddressCount": 90},
        {"SubnetId": "subnet-2", "AvailabilityZone": "b", "CidrBlock": "10.10.2.0/24", "AvailableIpAddressCount": 90},
    ],
    "route_tables": [{"RouteTableId": "rtb-1", "Associations": [{"Main": True}], "Routes": []}],
    "load_balancers": [balancer("sentry-internal"), balancer("ingress-internal")],
    "vpn_gateways": [],
    "customer_gateways": [],
    "vpn_connections": [],
    "resolver_endpoints": [],
    "hosted_zones": [],
    "network_acls": [acl()],
    "security_groups": [],
    "prefix_list": [],
}


def vnet(*peerings: dict[str, Any], security_group: str = "") -> dict[str, Any]:
    subnet: dict[str, Any] = {"addressPrefix": "10.20.1.0/24"}
    if security_group:
        subnet["networkSecurityGroup"] = {"id": security_group}
    return {
        "id": VNET,
        "name": "test-vnet",
        "location": "westeurope",
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.20.0.0/16"]},
            "subnets": [{"id": f"{VNET}/subnets/nodes", "name": "nodes", "properties": subnet}],
            "virtualNetworkPeerings": list(peerings),
        },
    }


def peering(*prefixes: str, transit: bool) -> dict[str, Any]:
    return {
        "name": "spoke",
        "properties": {
            "peeringState": "Connected",
            "allowGatewayTransit": transit,
            "remoteAddressSpace": {"addressPrefixes": list(prefixes)},
            "remoteVirtualNetwork": {"id": f"{VNET}-spoke"},
        },
    }


AZURE: dict[str, Any] = {
    "vnet": vnet(),
    "aks_cluster": {
        "id": f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/test",
        "name": "test",
        "properties": {
            "provisioningState": "Succeeded",
            "powerState": {"code": "Running"},
            "agentPoolProfiles": [
                {"name": "p", "vnetSubnetID": f"{VNET}/subnets/nodes", "count": 1, "osType": "Linux"}
            ],
            "networkProfile": {"networkPlugin": "azure", "serviceCidr": "10.200.0.0/16"},
        },
    },
    "network_usages": [],
    "permissions": [{"actions": ["*"]}],
    "deny_assignments": [],
}


class CloudOf:
    """A client whose calls answer from a table, whatever they are asked; an error in it is raised."""

    region = "eu-central-1"
    vnet_id = VNET
    aks_id = f"{GROUP}/aks"
    ec2: Any = None

    def __init__(self, answers: dict[str, Any], things: dict[str, Any] | None = None) -> None:
        self.answers, self.things = answers, things or {}
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self.__dict__["answers"]:
            raise AttributeError(name)

        def call(*_: Any, **__: Any) -> Any:
            self.asked.append(name)
            if isinstance(self.answers[name], Exception):
                raise self.answers[name]
            return self.answers[name]

        return call

    def thing(self, id_: str) -> Any:
        return self.things.get(id_)

    def group_id(self, group: str) -> str:
        return f"/subscriptions/s/resourceGroups/{group}"

    def translate(self, error: Exception) -> CloudlinkError | None:
        return error if isinstance(error, CloudlinkError) else None


def context(
    its_plan: Plan | None = None,
    of: Link | None = None,
    azure: dict[str, Any] | None = None,
    things: dict[str, Any] | None = None,
    **amazon: Any,
) -> Context:
    clouds: dict[str, Any] = {
        "aws": CloudOf({**AWS, **amazon}),
        "azure": CloudOf({**AZURE, **(azure or {})}, things),
        "aks": None,
        "eks": None,
    }
    its_link = of or link()
    return Context(link=its_link, plan=its_plan or first_plan(), nodes=nodes(its_link), **clouds)


def summaries(topic: Topic, **changes: Any) -> list[str]:
    return [f.summary for f in pinned(topic(context(**changes)))]


# --- permissions --------------------------------------------------------------------------------------------


class Ec2:
    """Answers every dry run with this code."""

    def __init__(self, code: str, message: str = "") -> None:
        self._error = Exception("dry run")
        self._error.response = {"Error": {"Code": code, "Message": message}}  # type: ignore[attr-defined]
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> None:
            assert parameters["DryRun"] is True
            self.called.append(name)
            raise self._error

        return call


class Simulator:
    """Of IAM: these actions are denied unless an ARN is named."""

    def __init__(self, denied: set[str], arns: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        self.denied, self.arns = denied, arns
        self.asked: list[tuple[tuple[str, ...], tuple[str, ...]]] = []

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=self._pages)

    def _pages(self, *, ActionNames: list[str], ResourceArns: list[str] = [], **_: Any) -> list[Any]:  # noqa: B006
        self.asked.append((tuple(ActionNames), tuple(ResourceArns)))
        allowed = bool(ResourceArns) and set(ResourceArns) <= self.arns
        decided = {a: "implicitDeny" if a in self.denied and not allowed else "allowed" for a in ActionNames}
        return [{"EvaluationResults": [{"EvalActionName": a, "EvalDecision": d} for a, d in decided.items()]}]


def asked(
    ec2: Ec2, simulator: Simulator, of: Link | None = None, azure: dict[str, Any] | None = None
) -> permissions.PermissionFacts:
    amazon = CloudOf({**AWS, "client": simulator})
    amazon.ec2 = ec2
    there: Any = CloudOf({**AZURE, **(azure or {})})
    its_link = of or link()
    return permissions.read(its_link, amazon, there, first_plan(), nodes(its_link))  # type: ignore[arg-type]
