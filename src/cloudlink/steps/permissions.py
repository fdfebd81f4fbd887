"""Which permissions each change needs: the calls that the resources make, as the clouds name them.

Kept beside the steps, and held true by a test that compares it with what a link's life really calls. Azure's need a
place as well: the link's resource group, the VNet, the cluster, or the subscription.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cloudlink.clouds.aws.tags import name_for, tag_specification
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.link import Link

GROUP, VNET, AKS, SUBSCRIPTION = "resource group", "VNet", "AKS cluster", "subscription"


@dataclass(frozen=True, order=True)
class Permission:
    """action: as the cloud names it, such as ``ec2:CreateVpnGateway`` or ``Microsoft.Network/connections/write``."""

    action: str
    place: str = ""  # Azure's: where it is needed; empty: AWS


@dataclass(frozen=True)
class Needs:
    """What the calls of one kind of resource need."""

    create: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    place: str = ""
    linked: tuple[Permission, ...] = ()  # of objects that a create or an update refers to
    by_field: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of an update, where it depends on what differs


_TAG = "ec2:CreateTags"
_NET = "Microsoft.Network"
_TAGS_OF_AZURE = "Microsoft.Resources/tags/write"


def _always(action: str, place: str = "") -> Needs:
    return Needs((action,), (action,), (action,), place)


def _azure(kind: str, place: str, *linked: Permission) -> Needs:
    return Needs((f"{kind}/write",), (f"{kind}/write",), (f"{kind}/delete",), place, linked)


NEEDS: dict[str, Needs] = {
    "aws_vpn.gateway": Needs(("ec2:CreateVpnGateway", _TAG), (), ("ec2:DeleteVpnGateway",)),
    "aws_vpn.attachment": Needs(("ec2:AttachVpnGateway",), (), ("ec2:DetachVpnGateway",)),
    "aws_vpn.customer_gateway": Needs(("ec2:CreateCustomerGateway", _TAG), (), ("ec2:DeleteCustomerGateway",)),
    "aws_vpn.connection": Needs(
        ("ec2:CreateVpnConnection", _TAG),
        (),
        ("ec2:DeleteVpnConnection",),
        by_field={
            "policies": ("ec2:ModifyVpnTunnelOptions",),
            "azure_range": ("ec2:ModifyVpnConnectionOptions",),
            "aws_range": ("ec2:ModifyVpnConnectionOptions",),
        },
    ),
    "aws_vpn.route_propagation": Needs(
        ("ec2:EnableVgwRoutePropagation",),
        ("ec2:EnableVgwRoutePropagation", "ec2:DisableVgwRoutePropagation"),
        ("ec2:DisableVgwRoutePropagation",),
    ),
    "resolver.vpc_dns": _always("ec2:ModifyVpcAttribute"),
    "resolver.security_group": Needs(("ec2:CreateSecurityGroup", _TAG), (), ("ec2:DeleteSecurityGroup",)),
    "resolver.ingress": Needs(
        ("ec2:AuthorizeSecurityGroupIngress",),
        (
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:RevokeSecurityGroupIngress",
            "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
        ),
        ("ec2:RevokeSecurityGroupIngress",),
    ),
    "resolver.endpoint": Needs(
        ("route53resolver:CreateResolverEndpoint", "route53resolver:TagResource", "ec2:CreateNetworkInterface"),
        (
            "route53resolver:UpdateResolverEndpoint",
            "route53resolver:AssociateResolverEndpointIpAddress",
            "route53resolver:DisassociateResolverEndpointIpAddress",
            "ec2:CreateNetworkInterface",
        ),
        ("route53resolver:DeleteResolverEndpoint",),
    ),
    "resolver.zone": Needs(
        ("route53:CreateHostedZone",), ("route53:AssociateVPCWithHostedZone",), ("route53:DeleteHostedZone",)
    ),
    "resolver.records": _always("route53:ChangeResourceRecordSets"),
    "azure_vpn.resource_group": _azure("Microsoft.Resources/subscriptions/resourceGroups", SUBSCRIPTION),
    "azure_vpn.network": _azure(f"{_NET}/virtualNetworks", VNET),
    "azure_vpn.gateway_subnet": _azure(f"{_NET}/virtualNetworks/subnets", VNET),
    "azure_vpn.public_ip": _azure(f"{_NET}/publicIPAddresses", GROUP),
    "azure_vpn.gateway": _azure(
        f"{_NET}/virtualNetworkGateways",
        GROUP,
        Permission(f"{_NET}/publicIPAddresses/join/action", GROUP),
        Permission(f"{_NET}/virtualNetworks/subnets/join/action", VNET),
    ),
    "azure_vpn.local_gateway": _azure(f"{_NET}/localNetworkGateways", GROUP),
    "azure_vpn.connection": _azure(f"{_NET}/connections", GROUP),
    "azure_vpn.cluster": _azure(
        "Microsoft.ContainerService/managedClusters",
        AKS,
        Permission(f"{_NET}/virtualNetworks/subnets/join/action", VNET),
    ),
    # Its writes go to the cluster's own API; Azure gives the way in.
    "dns_forward.forward": _always("Microsoft.ContainerService/managedClusters/listClusterUserCredential/action", AKS),
}
"""By address, without its number."""


def needed(link: Link, plan: Plan) -> dict[Permission, tuple[str, ...]]:
    """What the plan's writes need, each with the addresses that need it."""
    found: dict[Permission, list[str]] = {}
    for change in plan.writes:
        for permission in _of(change, link):
            found.setdefault(permission, []).append(change.address)
    return {permission: tuple(addresses) for permission, addresses in found.items()}


def _of(change: Change, link: Link) -> Iterator[Permission]:
    needs = NEEDS.get(change.address.partition("[")[0])
    if needs is None:
        return
    fields = {f.field for f in change.fields}
    actions: list[str] = []
    if change.action in (Action.CREATE, Action.REPLACE):
        actions += needs.create
    if change.action in (Action.DELETE, Action.REPLACE):
        actions += needs.delete
    if change.action is Action.UPDATE and fields != {"marks"}:
        chosen = [action for name in sorted(fields) for action in needs.by_field.get(name, ())]
        actions += (needs.by_field and chosen) or needs.update
    if "marks" in fields and change.action is Action.UPDATE:
        actions.append(_TAGS_OF_AZURE if needs.place else _TAG)
    for action in dict.fromkeys(actions):
        yield Permission(action, _place(needs.place, link))
    if change.action in (Action.CREATE, Action.UPDATE, Action.REPLACE):
        for linked in needs.linked:
            yield Permission(linked.action, _place(linked.place, link))


def _place(place: str, link: Link) -> str:
    """What does not exist yet has no permissions of its own; those of the subscription reach it."""
    side = link.azure
    new = {GROUP: side.create_resource_group, VNET: side.new_network is not None, AKS: side.new_cluster is not None}
    return SUBSCRIPTION if new.get(place) else place


# --- writes that can be tried -----------------------------------------------------------------------------


@dataclass(frozen=True)
class DryRun:
    """A call of EC2's that can be tried with DryRun: nothing in it waits for an object that does not exist yet."""

    action: str
    method: str
    parameters: dict[str, object]


_NOWHERE = "192.0.2.1"  # stands for Azure's public address, which is known once it exists; permissions do not see it


def dry_runs(link: Link, plan: Plan) -> Iterator[DryRun]:
    """Of the plan's writes to EC2 those whose objects exist, with the parameters and tags of the real call."""
    gateway = link.aws.adopt_gateway or _existing(plan, "aws_vpn.gateway")
    for change in plan.writes:
        makes = change.action in (Action.CREATE, Action.REPLACE)
        number = int(change.address.partition("[")[2].rstrip("]") or 0)
        match change.address.partition("[")[0]:
            case "aws_vpn.gateway" if makes:
                tags = _tags(link, "vpn-gateway", change, "gateway")
                yield _run("CreateVpnGateway", Type="ipsec.1", AmazonSideAsn=link.aws.asn, **tags)
            case "aws_vpn.customer_gateway" if makes:
                tags = _tags(link, "customer-gateway", change, f"azure-{number + 1}")
                asn = {"BgpAsnExtended" if link.azure.asn > 2**31 - 1 else "BgpAsn": link.azure.asn}
                yield _run("CreateCustomerGateway", Type="ipsec.1", IpAddress=_NOWHERE, **asn, **tags)
            case "aws_vpn.attachment" if makes and gateway:
                yield _run("AttachVpnGateway", VpnGatewayId=gateway, VpcId=link.aws.vpc_id)
            case "aws_vpn.connection" if makes:
                customer = _existing(plan, f"aws_vpn.customer_gateway[{number}]")
                tags = _tags(link, "vpn-connection", change, f"vpn-{number + 1}")
                if gateway and customer:
                    ends = {"CustomerGatewayId": customer, "VpnGatewayId": gateway}
                    yield _run("CreateVpnConnection", Type="ipsec.1", **ends, **tags)
            case "resolver.security_group" if makes:
                name = name_for(link.name, "resolver")
                says = f"DNS from Azure to the Resolver endpoint of cloudlink {link.name}"
                tags = _tags(link, "security-group", change, "resolver")
                yield _run("CreateSecurityGroup", GroupName=name, Description=says, VpcId=link.aws.vpc_id, **tags)
        if change.action in (Action.DELETE, Action.REPLACE) and change.id:
            yield from _removal(change)


def _removal(change: Change) -> Iterator[DryRun]:
    match change.address.partition("[")[0]:
        case "aws_vpn.gateway":
            yield _run("DeleteVpnGateway", VpnGatewayId=change.id)
        case "aws_vpn.customer_gateway":
            yield _run("DeleteCustomerGateway", CustomerGatewayId=change.id)
        case "aws_vpn.connection":
            yield _run("DeleteVpnConnection", VpnConnectionId=change.id)
        case "resolver.security_group":
            yield _run("DeleteSecurityGroup", GroupId=change.id)


def _run(operation: str, **parameters: object) -> DryRun:
    method = "".join(f"_{c.lower()}" if c.isupper() else c for c in operation).lstrip("_")
    return DryRun(f"ec2:{operation}", method, parameters)


def _existing(plan: Plan, address: str) -> str:
    change = plan.of(address)
    return change.id if change is not None and change.action in (Action.NO_OP, Action.UPDATE) else ""


def _tags(link: Link, kind: str, change: Change, name: str) -> dict[str, object]:
    specification = tag_specification(kind, owner_of(link), change.address, name_for(link.name, name))
    return {"TagSpecifications": specification}
