"""The least permissions with which the commands do their work on one configuration.

What a resource reads and writes is said by its class; what lookups and checks read, and what a service asks for on the
caller's behalf, is here. A proof holds all of it true both ways (reliability/least_permissions.py): with
exactly these a link's life passes, and without any one of them it does not.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cloudlink.core.permissions import Permission
from cloudlink.core.resource import Node, Resource
from cloudlink.link import AddressTarget, KubernetesTarget, Link
from cloudlink.steps.aws_vpn.routes import by_subnets
from cloudlink.steps.paused import arising, following, taken
from cloudlink.steps.permissions import AKS, CONTAINER, GROUP, SUBSCRIPTION, VNET, place_of, placed

CALICO_GROUPS = ("crd.projectcalico.org", "projectcalico.org")
"""API groups of Calico's policies: its own, and that of its API server, which offers the same objects."""

COMMANDS = ("up", "status", "verify-dns", "teardown")
"""``plan`` needs what ``up`` needs: it proves beforehand what ``up`` would write."""

DAY_TWO = ("rotate-keys", "test", "logs", "pause", "resume", "rehearse")
"""Those of a link that exists: asked for by name, for not everybody uses them."""

ALL = COMMANDS + DAY_TWO
UP, STATUS, VERIFY, DOWN = COMMANDS
ROTATE, TEST, LOGS, PAUSE, RESUME, REHEARSE = DAY_TWO
_CHANGING = (UP, DOWN, ROTATE, TEST, LOGS, PAUSE, RESUME)  # these write to the state, and hold its lock
_ONE_TUNNEL = (ROTATE, TEST, LOGS)  # these work on the tunnels of a link that exists
_READING = (UP, STATUS, DOWN, PAUSE)


class Where(enum.StrEnum):
    AWS = "aws"
    AZURE = "azure"
    AKS = "aks"
    EKS = "eks"


@dataclass(frozen=True, order=True)
class Allowance:
    """One action that has to be allowed."""

    where: Where
    action: str  # as the cloud names it; in a cluster a verb
    place: str = ""  # Azure's: as in ``permissions``; in a cluster the namespace, empty for all
    resource: str = ""  # in a cluster: configmaps, deployments, pods/log, networkpolicies.crd.projectcalico.org ...
    name: str = ""  # in a cluster: of the object, where the rule can be narrowed to it

    @property
    def group(self) -> str:
        """API group of a cluster's resource."""
        known = {"deployments": "apps", "ingresses": "networking.k8s.io", "networkpolicies": "networking.k8s.io"}
        return self.resource.partition(".")[2] or known.get(self.resource, "")

    @property
    def kind(self) -> str:
        """A cluster's resource without its API group."""
        return self.resource.partition(".")[0]

    def __str__(self) -> str:
        if self.where in (Where.AKS, Where.EKS):
            of = f"{self.resource}/{self.name}" if self.name else self.resource
            return f"{self.action} {of} in {self.place or 'the whole cluster'}"
        return self.action


def _always(_: Link) -> bool:
    return True


@dataclass(frozen=True)
class Read:
    """check: nothing fails without it; a check before the first write is then not made, and that is said."""

    allowance: Allowance
    commands: tuple[str, ...]
    check: bool = False
    when: Callable[[Link], bool] = _always


def _makes_vpn(link: Link) -> bool:
    return link.makes_vpn


def _through_transit(link: Link) -> bool:
    return link.makes_vpn and link.aws.transit


def _tagged(link: Link) -> bool:
    return bool(link.tags)


def _tagged_zones(link: Link) -> bool:
    return _tagged(link) and any(zone.adopt is None for zone in link.dns.zones)


def _over_existing(link: Link) -> bool:
    return not link.makes_vpn


def _by_coredns(link: Link) -> bool:
    return link.dns.forward == "coredns"


def _by_vnet(link: Link) -> bool:
    return link.dns.forward == "vnet"


def _names_back(link: Link) -> bool:
    return bool(link.dns.back)


def _adopts_in_azure(link: Link) -> bool:
    return link.azure.adopt_gateway is not None


def _keeps_state_in(link: Link, store: str) -> bool:
    return link.state is not None and link.state.store == store


def _has_balancers(link: Link) -> bool:
    return any(not isinstance(host.target, AddressTarget) for _, host in link.dns.all_hosts)


def _aws(action: str, *commands: str, check: bool = False, when: Callable[[Link], bool] = _always) -> Read:
    return Read(Allowance(Where.AWS, action), commands, check, when)


def _azure(
    action: str, place: str, *commands: str, check: bool = False, when: Callable[[Link], bool] = _always
) -> Read:
    return Read(Allowance(Where.AZURE, action, place), commands, check, when)


def _coredns(verb: str, resource: str, name: str, *commands: str, check: bool = False) -> Read:
    return Read(Allowance(Where.AKS, verb, "kube-system", resource, name), commands, check, _by_coredns)


_NET = "Microsoft.Network"
_RESOURCES = "Microsoft.Resources"
_AUTHORIZATION = "Microsoft.Authorization"
_SECRETS = "secretsmanager"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"

_OF_TUNNELS = ("connections", "localNetworkGateways", "virtualNetworkGateways")
_LOGS = (
    "CreateLogGroup",
    "DeleteLogGroup",  # of a teardown
    "DescribeLogGroups",
    "FilterLogEvents",
    "ListTagsForResource",
    "PutRetentionPolicy",
    "TagResource",
    # AWS asks for these when the logs of a tunnel are switched on:
    # https://docs.aws.amazon.com/vpn/latest/s2svpn/monitoring-logs.html
    "CreateLogDelivery",
    "DeleteLogDelivery",
    "DescribeResourcePolicies",
    "GetLogDelivery",
    "ListLogDeliveries",
    "PutResourcePolicy",
    "UpdateLogDelivery",
)

_ONLY_WHERE_THERE = (
    "ec2:DescribeTransitGatewayAttachments",
    "ec2:SearchTransitGatewayRoutes",
    "ec2:GetManagedPrefixListEntries",
    "directconnect:DescribeDirectConnectGatewayAssociations",
)
"""Of what somebody else has joined: asked only where a route leads there."""

READS: tuple[Read, ...] = (
    # of a state in an object store: the object, and the lock beside it
    *(
        _aws(f"s3:{action}", *ALL, when=lambda link: _keeps_state_in(link, "s3"))
        for action in ("GetObject", "ListBucket")
    ),
    *(
        _aws(f"s3:{action}", *_CHANGING, when=lambda link: _keeps_state_in(link, "s3"))
        for action in ("DeleteObject", "PutObject")
    ),
    _azure(f"{_BLOBS}/read", CONTAINER, *ALL, when=lambda link: _keeps_state_in(link, "azblob")),
    *(
        _azure(f"{_BLOBS}/{action}", CONTAINER, *_CHANGING, when=lambda link: _keeps_state_in(link, "azblob"))
        for action in ("delete", "write")
    ),
    # of what somebody else has joined: an up says what is not read, and a pod proves the way; a status judges by it
    *(
        read
        for action in (
            "ec2:DescribeRouteTables",
            "ec2:DescribeVpnConnections",
            "ec2:DescribeVpnGateways",
            "ec2:DescribeTransitGatewayAttachments",
            "ec2:SearchTransitGatewayRoutes",
            "ec2:GetManagedPrefixListEntries",
            "directconnect:DescribeDirectConnectGatewayAssociations",
        )
        for read in (
            _aws(action, STATUS, check=action in _ONLY_WHERE_THERE, when=_over_existing),
            _aws(action, UP, check=True, when=_over_existing),
        )
    ),
    _aws("ec2:DescribeVpcs", STATUS, when=_over_existing),
    _aws("ec2:DescribeSubnets", STATUS, when=_over_existing),
    _aws("ec2:DescribeTransitGatewayRouteTables", DOWN, when=_through_transit),
    # of a teardown, which looks for what is left of each kind
    *(
        _aws(f"ec2:{kind}", DOWN)
        for kind in ("DescribeCustomerGateways", "DescribeVpnConnections", "DescribeVpnGateways")
    ),
    _aws("ec2:DescribeVpnGateways", STATUS, when=_through_transit),
    # of a transit gateway: what is not read of its routes is said
    _aws("ec2:DescribeTransitGateways", *_READING, REHEARSE, when=_through_transit),
    _aws("ec2:DescribeTransitGatewayAttachments", *_READING, REHEARSE, when=_through_transit),
    _aws("ec2:DescribeTransitGatewayVpcAttachments", *_READING, REHEARSE, when=_through_transit),
    _aws("ec2:GetTransitGatewayAttachmentPropagations", REHEARSE, check=True, when=_through_transit),
    _aws("ec2:DescribeSubnets", STATUS, when=lambda link: link.makes_vpn and (link.aws.transit or by_subnets(link))),
    _aws("ec2:SearchTransitGatewayRoutes", STATUS, when=_through_transit),
    _aws("ec2:SearchTransitGatewayRoutes", UP, REHEARSE, check=True, when=_through_transit),
    # only where the gateway puts nothing into a table by itself
    _aws("ec2:DescribeTransitGatewayRouteTables", UP, STATUS, check=True, when=_through_transit),
    _aws("ec2:DescribeSubnets", UP, REHEARSE),
    _aws("ec2:DescribeVpcs", UP, REHEARSE),
    _aws("ec2:DescribeNetworkAcls", UP, STATUS),  # of an up: of the status at its end
    _aws("ec2:DescribeNetworkAcls", REHEARSE, check=True),
    # only where a route table has routes to prefix lists, or a subnet of the cluster's a security group
    _aws("ec2:GetManagedPrefixListEntries", UP, STATUS, REHEARSE, check=True),
    _aws("ec2:DescribeTags", DOWN),
    _aws("ec2:DescribeNetworkInterfaces", UP),
    # of a rehearsal: what stands in the way of packets, and which addresses the records lead to
    _aws("ec2:DescribeRouteTables", REHEARSE),
    _aws("ec2:DescribeSecurityGroups", REHEARSE),
    _aws("ec2:DescribeNetworkInterfaces", REHEARSE, when=_has_balancers),
    _aws("elasticloadbalancing:DescribeLoadBalancers", REHEARSE),
    _aws("elasticloadbalancing:DescribeListeners", REHEARSE, check=True),
    _aws("route53:ListHostedZonesByVPC", REHEARSE),
    _aws("route53:ListResourceRecordSets", REHEARSE),
    _aws("route53resolver:ListResolverRules", REHEARSE),
    _aws("route53resolver:ListResolverRuleAssociations", REHEARSE),
    _aws("eks:DescribeCluster", UP, STATUS),
    _aws("elasticloadbalancing:DescribeLoadBalancers", UP, STATUS, when=_has_balancers),
    # of verify-dns: what the names should lead to, to be compared with what they do
    _aws("eks:DescribeCluster", VERIFY, check=True, when=_has_balancers),
    _aws("elasticloadbalancing:DescribeLoadBalancers", VERIFY, check=True, when=_has_balancers),
    _aws("ec2:DescribeNetworkInterfaces", STATUS, VERIFY, check=True, when=_has_balancers),
    _aws("ec2:DescribeSubnets", VERIFY, check=True),
    _aws("ec2:DescribeDhcpOptions", UP, check=True, when=_names_back),
    # only of names that resolve and stay silent, and of status --all: what their load balancers and targets are
    *(
        _aws(f"elasticloadbalancing:{name}", STATUS, VERIFY, check=True, when=_has_balancers)
        for name in (
            "DescribeListeners",
            "DescribeTargetGroups",
            "DescribeTargetGroupAttributes",
            "DescribeTargetHealth",
        )
    ),
    _aws("ec2:DescribeVpcs", STATUS, VERIFY, check=True, when=_has_balancers),
    # of application load balancers: whether they answer for the names that lead to them
    _aws("elasticloadbalancing:DescribeListeners", UP, check=True, when=_has_balancers),
    _aws("elasticloadbalancing:DescribeRules", UP, VERIFY, check=True, when=_has_balancers),
    _aws("route53:GetChange", UP, DOWN),
    _aws("route53:GetHostedZone", *_READING),
    # tags of the configuration, which these two do not show with the object
    _aws("route53:ListTagsForResource", *_READING, when=_tagged_zones),
    _aws("route53resolver:ListTagsForResource", *_READING, VERIFY, when=_tagged),
    _aws("route53:ListTagsForResource", VERIFY, check=True, when=_tagged_zones),
    _aws("route53:ListHostedZones", UP, STATUS, DOWN),  # where the state does not know the zone, or it is gone
    _aws("route53:ListHostedZonesByVPC", UP, STATUS, VERIFY, check=True),
    _aws("route53resolver:ListResolverEndpoints", *COMMANDS, PAUSE, REHEARSE),
    _aws("route53resolver:ListResolverEndpointIpAddresses", *COMMANDS, PAUSE, REHEARSE),
    _aws("route53resolver:ListResolverRules", UP, check=True),
    _aws("route53resolver:ListResolverRuleAssociations", UP, STATUS),
    # what else has a say in the VPC's names: without it that is not known
    *(
        _aws(action, UP, STATUS, VERIFY, check=True)
        for action in (
            "route53resolver:ListFirewallRuleGroupAssociations",
            "route53resolver:ListFirewallRules",
            "route53resolver:ListFirewallDomains",
            "route53resolver:GetResolverRule",
            "route53profiles:ListProfileAssociations",
            "route53profiles:ListProfileResourceAssociations",
            "route53:GetHostedZone",  # of a zone that a profile brings
        )
    ),
    _aws("iam:SimulatePrincipalPolicy", UP, check=True),
    _aws("iam:GetRole", UP, check=True),
    # who changed something by hand, and why a tunnel with a log is down
    _aws("cloudtrail:LookupEvents", UP, STATUS, check=True),
    _aws("logs:FilterLogEvents", STATUS, check=True),
    _azure("Microsoft.Insights/eventtypes/values/read", SUBSCRIPTION, UP, STATUS, check=True),
    # a link that exists: its tunnels, and what is done to one of them
    _aws("ec2:DescribeCustomerGateways", REHEARSE, *_ONE_TUNNEL),
    _aws("ec2:DescribeVpnConnections", REHEARSE, *_ONE_TUNNEL),
    _aws("ec2:DescribeVpnGateways", REHEARSE, *_ONE_TUNNEL),
    _aws("ec2:CreateTags", *_ONE_TUNNEL),
    _aws("ec2:ModifyVpnTunnelOptions", ROTATE, LOGS),
    _aws("ec2:ReplaceVpnTunnel", TEST),
    *(_azure(f"{_NET}/{kind}/read", GROUP, REHEARSE, *_ONE_TUNNEL) for kind in _OF_TUNNELS),
    _azure(f"{_NET}/virtualNetworkGateways/getBgpPeerStatus/action", GROUP, *_ONE_TUNNEL),
    _azure(f"{_NET}/locations/operationResults/read", SUBSCRIPTION, *_ONE_TUNNEL),
    _azure(f"{_NET}/connections/sharedKey/write", GROUP, ROTATE),
    _azure(f"{_NET}/connections/resetconnection/action", GROUP, TEST),
    *(_aws(f"logs:{name}", LOGS) for name in _LOGS),
    _azure("Microsoft.Insights/logs/AzureDiagnostics/read", GROUP, LOGS),
    _azure("Microsoft.Insights/logs/AzureDiagnostics/read", GROUP, STATUS, check=True),
    _azure("Microsoft.Insights/diagnosticSettings/read", GROUP, STATUS, check=True),
    # with --workspace, and of a teardown after it
    *(_azure(f"Microsoft.Insights/diagnosticSettings/{verb}", GROUP, LOGS) for verb in ("read", "write", "delete")),
    _aws(f"{_SECRETS}:GetSecretValue", *_ONE_TUNNEL, when=lambda link: link.aws.psk_storage == "secrets-manager"),
    # Assumption: what AWS asks the caller for, to keep the keys in a secret of its own making.
    *(
        _aws(f"{_SECRETS}:{name}", UP, when=lambda link: link.aws.psk_storage == "secrets-manager")
        for name in ("CreateSecret", "DescribeSecret", "GetSecretValue", "PutSecretValue", "TagResource")
    ),
    # what a network manager has put on the clusters' VNets; of verify-dns only where names stay silent
    _azure(
        f"{_NET}/virtualNetworks/listNetworkManagerEffectiveSecurityAdminRules/action",
        SUBSCRIPTION,
        UP,
        STATUS,
        VERIFY,
        check=True,
    ),
    # of the cluster's subnets: they may lie in any group
    _azure(f"{_NET}/networkSecurityGroups/read", SUBSCRIPTION, UP, STATUS),
    _azure(f"{_NET}/networkSecurityGroups/read", SUBSCRIPTION, REHEARSE, check=True),
    _azure(f"{_NET}/virtualNetworks/read", VNET, UP, STATUS, when=_over_existing),
    _azure(f"{_NET}/virtualNetworks/read", VNET, *_READING, when=_adopts_in_azure),
    _azure(f"{_NET}/virtualNetworks/read", VNET, REHEARSE),
    # only where the nodes' subnet has one
    _azure(f"{_NET}/routeTables/read", SUBSCRIPTION, REHEARSE),
    *(
        read
        for what in (
            "virtualNetworkGateways/read",
            "virtualNetworkGateways/connections/read",
            "virtualNetworkGateways/getLearnedRoutes/action",
            "locations/operationResults/read",
            "localNetworkGateways/read",
            "routeTables/read",
        )
        for read in (
            _azure(f"{_NET}/{what}", SUBSCRIPTION, STATUS, check=what == "routeTables/read", when=_over_existing),
            _azure(f"{_NET}/{what}", SUBSCRIPTION, UP, check=True, when=_over_existing),
        )
    ),
    _azure(f"{_NET}/virtualNetworkGateways/getBgpPeerStatus/action", GROUP, UP, STATUS, when=_makes_vpn),
    _azure(f"{_NET}/virtualNetworkGateways/getLearnedRoutes/action", GROUP, UP, STATUS, when=_makes_vpn),
    _azure(f"{_NET}/virtualNetworkGateways/connections/read", GROUP, DOWN, PAUSE, REHEARSE, when=_makes_vpn),
    # whose the ranges are that an adopted gateway has of others; without it that is not said
    _azure(f"{_NET}/virtualNetworkGateways/connections/read", GROUP, UP, STATUS, check=True, when=_adopts_in_azure),
    # Assumption: answers of the two above are asked for at the subscription's location, which is an action of its own.
    _azure(f"{_NET}/locations/operationResults/read", SUBSCRIPTION, UP, STATUS, when=_makes_vpn),
    _azure(f"{_NET}/privateDnsZones/read", SUBSCRIPTION, UP, check=True, when=_by_vnet),
    _azure(f"{_NET}/privateDnsZones/virtualNetworkLinks/read", SUBSCRIPTION, UP, check=True, when=_by_vnet),
    *(
        read
        for kind in ("privateDnsZones/read", "privateDnsZones/virtualNetworkLinks/read")
        for read in (
            _azure(f"{_NET}/{kind}", SUBSCRIPTION, STATUS, VERIFY, when=_names_back),
            _azure(f"{_NET}/{kind}", SUBSCRIPTION, UP, check=True, when=_names_back),
        )
    ),
    _azure(f"{_NET}/privateDnsZones/A/read", SUBSCRIPTION, VERIFY, when=_names_back),  # which names there are
    _aws("eks:DescribeCluster", VERIFY, when=_names_back),
    # with the cluster read, the targets of names are as well
    *(
        _aws(action, VERIFY, when=lambda link: _names_back(link) and _has_balancers(link))
        for action in ("elasticloadbalancing:DescribeLoadBalancers", "ec2:DescribeNetworkInterfaces")
    ),
    _azure(f"{_NET}/locations/usages/read", SUBSCRIPTION, UP, check=True),
    _azure("Microsoft.ContainerService/managedClusters/read", AKS, UP, STATUS, REHEARSE),
    _azure(
        "Microsoft.ContainerService/managedClusters/read", AKS, VERIFY, check=True
    ),  # whether policies have an effect
    _azure(
        "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action", AKS, *COMMANDS, PAUSE, REHEARSE
    ),
    _azure(f"{_RESOURCES}/subscriptions/resourceGroups/read", GROUP, UP, DOWN),
    _azure(f"{_RESOURCES}/subscriptions/resources/read", SUBSCRIPTION, DOWN),
    _azure(f"{_RESOURCES}/subscriptions/resourceGroups/resources/read", GROUP, DOWN),
    _azure(f"{_RESOURCES}/subscriptions/read", SUBSCRIPTION, UP, check=True),
    _azure(f"{_RESOURCES}/subscriptions/locations/read", SUBSCRIPTION, UP, check=True),
    _azure(f"{_RESOURCES}/subscriptions/providers/read", SUBSCRIPTION, UP, check=True),
    _azure(f"{_AUTHORIZATION}/permissions/read", GROUP, UP, ROTATE, check=True),
    _azure(f"{_AUTHORIZATION}/denyAssignments/read", GROUP, UP, check=True),
    _azure(f"{_AUTHORIZATION}/locks/read", GROUP, UP, DOWN, PAUSE, ROTATE, check=True),
    _azure("Microsoft.PolicyInsights/checkPolicyRestrictions/action", GROUP, UP, check=True),
    _coredns("get", "configmaps", "coredns-custom", *COMMANDS, PAUSE, REHEARSE),
    Read(Allowance(Where.AKS, "get", "kube-system", "configmaps", "coredns-custom"), (UP,), True, _by_vnet),
    _coredns("patch", "configmaps", "coredns-custom", UP, DOWN, PAUSE),
    _coredns("get", "configmaps", "coredns", UP, STATUS, VERIFY, DOWN, PAUSE, check=True),
    _coredns("get", "deployments", "coredns", *_READING, REHEARSE),
    _coredns("patch", "deployments", "coredns", UP, DOWN, PAUSE),
    _coredns("get", "deployments", "coredns", VERIFY, check=True),  # its pods' labels, where policies select by them
    _coredns("list", "pods", "", UP, check=True),  # only to say why CoreDNS does not start
    _coredns("get", "pods/log", "", UP, check=True),
)
# Of the network policies on AKS: NetworkPolicies of CoreDNS's namespace and the probe's, and what the engine has beside them.
_POLICIES = ("networkpolicies", "ciliumnetworkpolicies.cilium.io", *(f"networkpolicies.{g}" for g in CALICO_GROUPS))
_WIDE_POLICIES = (
    "ciliumclusterwidenetworkpolicies.cilium.io",
    *(f"globalnetworkpolicies.{g}" for g in CALICO_GROUPS),
)
# Of a service mesh, where there is one: what it lets pods with a sidecar reach.
MESH_ROOTS = ("istio-system", "aks-istio-system")
"""Where Istio's settings are: its own namespace, and that of AKS's add-on. https://learn.microsoft.com/azure/aks/istio-meshconfig"""
_SIDECARS, _ENTRIES = "sidecars.networking.istio.io", "serviceentries.networking.istio.io"
_NOT_AGAIN = ("route53:GetChange",)  # of up: records stay while a link is paused
_PROBE = (("create", "pods"), ("get", "pods"), ("list", "pods"), ("delete", "pods"), ("get", "pods/log"))

ON_BEHALF = {
    "route53resolver:CreateResolverEndpoint": (
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
    ),
    "route53resolver:DeleteResolverEndpoint": ("ec2:DeleteNetworkInterface",),
    "route53resolver:DisassociateResolverEndpointIpAddress": ("ec2:DeleteNetworkInterface",),
    "route53:CreateHostedZone": ("ec2:DescribeVpcs",),
    "route53:AssociateVPCWithHostedZone": ("ec2:DescribeVpcs",),
}
"""Dependent actions, as AWS's service authorization reference names them: no call of ours shows them.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonroute53resolver.html
"""


def least(
    link: Link, nodes: Iterable[Node[Any]], commands: Collection[str] = COMMANDS, *, checks: bool = False
) -> dict[Allowance, tuple[str, ...]]:
    """Each with the commands that need it, in the order in which the clouds are shown. nodes: of the link's topology.
    checks: what only the checks before a build read as well."""
    found: dict[Allowance, dict[str, None]] = {}

    def add(allowance: Allowance, needed_by: Collection[str]) -> None:
        # a test asks names as verify-dns does
        needed_by = (*needed_by, TEST) if VERIFY in needed_by else needed_by
        for command in ALL:
            if command in needed_by and command in commands:
                found.setdefault(allowance, {})[command] = None

    for read in READS:
        if read.when(link) and (checks or not read.check):
            place = (
                place_of(read.allowance.place, link, read.allowance.action)
                if read.allowance.where is Where.AZURE
                else ""
            )
            # a resume compares the whole link, as up does, and at its end judges it, as status does
            again = {UP, STATUS}.intersection(read.commands) and read.allowance.action not in _NOT_AGAIN
            add(Allowance(*_fields(read.allowance, place)), (*read.commands, RESUME) if again else read.commands)
    if checks:
        for space, kinds in (("kube-system", _POLICIES), (link.probe.namespace, _POLICIES), ("", _WIDE_POLICIES)):
            for kind in kinds:
                add(Allowance(Where.AKS, "list", space, kind), (UP, STATUS, VERIFY, RESUME))
        for space, kind in (*((s, _SIDECARS) for s in (link.probe.namespace, *MESH_ROOTS)), ("", _ENTRIES)):
            add(Allowance(Where.AKS, "list", space, kind), (UP, RESUME))
        for space in MESH_ROOTS:
            add(Allowance(Where.AKS, "list", space, "configmaps"), (UP, RESUME))
        for space in (link.probe.namespace, "linkerd-egress"):
            add(Allowance(Where.AKS, "list", space, "egressnetworks.policy.linkerd.io"), (UP, RESUME))
        add(Allowance(Where.AKS, "list", "linkerd", "configmaps"), (UP, RESUME))
    for verb, resource in _PROBE:
        add(Allowance(Where.AKS, verb, link.probe.namespace, resource), (UP, VERIFY, RESUME))
        if link.dns.back:
            add(Allowance(Where.EKS, verb, link.probe.namespace, resource), (UP, VERIFY, RESUME))
    for _, host in link.dns.all_hosts:
        if isinstance(host.target, KubernetesTarget):
            kind = "ingresses" if host.target.kind == "ingress" else "services"
            allowance = Allowance(Where.EKS, "get", host.target.namespace, kind, host.target.name)
            add(allowance, (UP, STATUS, RESUME, VERIFY) if checks else (UP, STATUS, RESUME))
    nodes = list(nodes)
    asked = [n for n in nodes if n.step == "dns_forward" or n.address.startswith("resolver.back_")]
    if link.dns.forward == "vnet" or link.dns.back:  # which resolvers verify-dns asks, and from where
        for permission in (p for node in asked for p in node.permissions.read):
            add(
                Allowance(
                    Where.AZURE if permission.place else Where.AWS, permission.action, placed(permission, link).place
                ),
                (VERIFY,),
            )
    if checks:  # verify-dns reads the whole link to say why a name fails, and does without what it may not read
        for permission in (p for node in nodes for p in node.permissions.read):
            where = Where.AZURE if permission.place else Where.AWS
            add(Allowance(where, permission.action, placed(permission, link).place), (VERIFY,))
    for permission, needed_by in _of_resources(nodes, tags=bool(link.tags)):
        where = Where.AZURE if permission.place else Where.AWS
        add(Allowance(where, permission.action, placed(permission, link).place), needed_by)
        for other in ON_BEHALF.get(permission.action, ()):
            add(Allowance(Where.AWS, other), needed_by)
    return {allowance: tuple(by) for allowance, by in sorted(found.items())}


def _fields(allowance: Allowance, place: str) -> tuple[Where, str, str, str, str]:
    return allowance.where, allowance.action, place or allowance.place, allowance.resource, allowance.name


def _of_resources(nodes: Iterable[Node[Any]], *, tags: bool) -> Iterator[tuple[Permission, tuple[str, ...]]]:
    """Of everything that the configuration lets cloudlink make, change and remove. What is adopted is not made; what is
    gone by hand is made again, and what was changed is changed back. A pause, with --deep or without, and a resume are
    about what a pause takes away: where something else was changed meanwhile, a resume needs what up needs. tags: the
    configuration has some, which may be others than they were."""
    nodes = list(nodes)
    found = {node.address: node.permissions for node in nodes}
    with_tags = {
        n.address for n in nodes if isinstance(n, Resource) and type(n).complete_marks is not Resource.complete_marks
    }
    for address, said in found.items():
        by_field = (permission for several in said.by_field.values() for permission in several)
        for permission in said.read:
            yield permission, (*_READING, RESUME)
        for permission in (*said.create, *said.update, *by_field):
            yield permission, (UP,)
        if tags and address in with_tags:
            yield from ((permission, (UP,)) for permission in (*said.tagged, *said.marks))
        for permission in said.delete:
            yield permission, (UP, DOWN)
    for address in taken(found, deep=True, attachment=True):
        yield from ((permission, (PAUSE,)) for permission in found[address].delete)
        yield from ((permission, (RESUME,)) for permission in found[address].create)
    for address in arising(found):
        yield from ((permission, (RESUME,)) for permission in found[address].create)
    for address in following(found):
        yield from ((permission, (RESUME,)) for permission in found[address].update)
