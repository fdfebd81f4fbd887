"""Every write of the plan, proved possible before the first is made; what cannot be asked beforehand is listed.

What this cannot see: policies of Azure and tag policies of AWS, locks, session policies, and roles that were given a
moment ago. Kubernetes is asked by access reviews and a dry run, elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.aws import permissions as aws_permissions
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.permissions import Proof, Verdict
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_permissions import DenyAssignment, Grant, allowed, deny_assignments, grants
from cloudlink.core.plan import Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from cloudlink.steps.permissions import AKS, GROUP, SUBSCRIPTION, VNET, Permission, dry_runs, needed

TOPIC = "permissions"


@dataclass(frozen=True)
class Scope:
    """An object of Azure's and what the caller may do on it."""

    id: str
    grants: tuple[Grant, ...] = ()
    denied: tuple[DenyAssignment, ...] = ()
    unread: str = ""  # why it could not be asked


@dataclass(frozen=True)
class PermissionFacts:
    needed: Mapping[Permission, tuple[str, ...]] = field(default_factory=dict)  # and the addresses that need it
    aws: tuple[Proof, ...] = ()
    azure: Mapping[str, Scope] = field(default_factory=dict)  # by place


def read(link: Link, aws: Aws, azure: Azure, plan: Plan) -> PermissionFacts:
    """All questions at once. AWS: a dry run for each write that has one, one simulation for the rest. Azure: one question
    for each place."""
    wants = needed(link, plan)
    actions = {p.action for p in wants if not p.place}
    places = {p.place for p in wants if p.place}
    with ThreadPoolExecutor(8) as pool:
        runs = [
            pool.submit(aws_permissions.dry_run, aws, run.action, run.method, run.parameters)
            for run in dry_runs(link, plan)
        ]
        scopes = {place: pool.submit(_scope, link, azure, place) for place in places}
        proofs = _settled([run.result() for run in runs])
        rest = sorted(actions - proofs.keys())
        proofs |= {p.action: p for p in aws_permissions.simulate(aws, rest, _resources(link, aws) if rest else {})}
        return PermissionFacts(wants, tuple(proofs.values()), {place: s.result() for place, s in scopes.items()})


def _settled(proofs: list[Proof]) -> dict[str, Proof]:
    """By action, those that the dry runs settled. A run that carries tags proves that they may be set."""
    found = {p.action: p for p in proofs if p.verdict is Verdict.ALLOWED}
    found |= {p.action: p for p in proofs if p.verdict is Verdict.MISSING}
    if proofs and all(p.verdict is Verdict.ALLOWED for p in proofs):
        found.setdefault("ec2:CreateTags", Proof("ec2:CreateTags", Verdict.ALLOWED))
    return found


def _resources(link: Link, aws: Aws) -> dict[str, tuple[str, ...]]:
    """What the link touches, for policies that allow an action only there. New objects have an id that AWS chooses."""
    partition = aws.principal().split(":")[1] or "aws"
    account, region = aws.account(), aws.region

    def ec2(*kinds: str) -> tuple[str, ...]:
        ids = {kind: f"{prefix}-00000000000000000" for kind, prefix in _PREFIX.items()}
        ids |= {"vpc": link.aws.vpc_id, "vpn-gateway": link.aws.adopt_gateway or "vgw-00000000000000000"}
        return tuple(f"arn:{partition}:ec2:{region}:{account}:{kind}/{ids[kind]}" for kind in kinds)

    zone = f"arn:{partition}:route53:::hostedzone/{link.dns.adopt_zone or 'Z00000000000000000000'}"
    endpoint = f"arn:{partition}:route53resolver:{region}:{account}:resolver-endpoint/rslvr-in-00000000000000000"
    return {
        "ec2:CreateVpnGateway": ec2("vpn-gateway"),
        "ec2:DeleteVpnGateway": ec2("vpn-gateway"),
        "ec2:AttachVpnGateway": ec2("vpc", "vpn-gateway"),
        "ec2:DetachVpnGateway": ec2("vpc", "vpn-gateway"),
        "ec2:CreateCustomerGateway": ec2("customer-gateway"),
        "ec2:DeleteCustomerGateway": ec2("customer-gateway"),
        "ec2:CreateVpnConnection": ec2("vpn-connection", "vpn-gateway", "customer-gateway"),
        "ec2:DeleteVpnConnection": ec2("vpn-connection"),
        "ec2:ModifyVpnTunnelOptions": ec2("vpn-connection"),
        "ec2:ModifyVpnConnectionOptions": ec2("vpn-connection"),
        "ec2:EnableVgwRoutePropagation": ec2("route-table", "vpn-gateway"),
        "ec2:DisableVgwRoutePropagation": ec2("route-table", "vpn-gateway"),
        "ec2:ModifyVpcAttribute": ec2("vpc"),
        "ec2:CreateSecurityGroup": ec2("vpc", "security-group"),
        "ec2:DeleteSecurityGroup": ec2("security-group"),
        "ec2:AuthorizeSecurityGroupIngress": ec2("security-group"),
        "ec2:RevokeSecurityGroupIngress": ec2("security-group"),
        "ec2:UpdateSecurityGroupRuleDescriptionsIngress": ec2("security-group"),
        "ec2:CreateNetworkInterface": ec2("network-interface", "subnet", "security-group"),
        "ec2:CreateTags": ec2("vpn-gateway"),
        "route53:ChangeResourceRecordSets": (zone,),
        "route53:AssociateVPCWithHostedZone": (zone,),
        "route53:DeleteHostedZone": (zone,),
        **{
            f"route53resolver:{name}": (endpoint,)
            for name in (
                "CreateResolverEndpoint",
                "UpdateResolverEndpoint",
                "DeleteResolverEndpoint",
                "AssociateResolverEndpointIpAddress",
                "DisassociateResolverEndpointIpAddress",
                "TagResource",
            )
        },
    }


_PREFIX = {
    "customer-gateway": "cgw",
    "vpn-connection": "vpn",
    "route-table": "rtb",
    "security-group": "sg",
    "network-interface": "eni",
    "subnet": "subnet",
}


def _scope(link: Link, azure: Azure, place: str) -> Scope:
    side = link.azure
    id_ = {
        GROUP: azure.group_id(side.resource_group),
        VNET: azure.vnet_id,
        AKS: azure.aks_id,
        SUBSCRIPTION: f"/subscriptions/{side.subscription}",
    }[place]
    try:
        given = grants(azure.permissions(id_))
    except Exception as error:
        known = azure.translate(error)
        if known is None:
            raise
        return Scope(id_, unread=f"{known.summary}: {known.detail}" if known.detail else known.summary)
    try:
        return Scope(id_, given, deny_assignments(azure.deny_assignments(id_)))
    except Exception as error:
        if azure.translate(error) is None:
            raise
        return Scope(id_, given)  # they are rare, and not everybody may read them


# --- what it means ----------------------------------------------------------------------------------------


def find(context: Context) -> Iterator[Finding]:
    yield from check(read(context.link, context.aws, context.azure, context.plan), context.link, context.plan)


def check(facts: PermissionFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    del link, plan
    yield from _aws(facts)
    yield from _azure(facts)


def _aws(facts: PermissionFacts) -> Iterator[Finding]:
    proofs = {p.action: p for p in facts.aws}
    asked = {p.action: addresses for p, addresses in facts.needed.items() if not p.place}
    for action, proof in proofs.items():
        if proof.verdict is Verdict.MISSING:
            yield _missing_in_aws(proof, asked.get(action, ()))
    unknown: dict[str, list[str]] = {}
    for action in asked:
        proof = proofs.get(action, Proof(action, Verdict.UNKNOWN, "nobody was asked"))
        if proof.verdict is Verdict.UNKNOWN:
            unknown.setdefault(proof.why, []).append(action)
    for why, actions in unknown.items():
        yield Finding(
            TOPIC,
            Severity.NOT_PROVED,
            "Permissions in AWS could not be checked",
            f"Whether these are allowed is only known when they are called: {', '.join(sorted(actions))} ({why}).",
            "Let the principal call iam:SimulatePrincipalPolicy on itself, to have them checked beforehand.",
        )


def _missing_in_aws(proof: Proof, addresses: tuple[str, ...]) -> Finding:
    who = proof.principal or "The caller"
    where = f" on {proof.resource}" if proof.resource else ""
    hint = f"Ask the account's administrator to allow {proof.action}, or use another aws.profile."
    if proof.encoded:
        hint += f" The reason in full: aws sts decode-authorization-message --encoded-message {proof.encoded}"
    return Finding(
        TOPIC,
        Severity.OBSTACLE,
        "A permission is missing in AWS",
        f"{who} may not {proof.action}{where}: {proof.why}.{_needed_for(addresses)}",
        hint,
        resource=addresses[0] if addresses else "",
        key="aws.profile",
    )


def _needed_for(addresses: tuple[str, ...]) -> str:
    if not addresses:
        return ""
    more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    return f" It is needed for {addresses[0]}{more}."


def _azure(facts: PermissionFacts) -> Iterator[Finding]:
    unread: dict[str, list[str]] = {}
    for permission, addresses in facts.needed.items():
        if not permission.place:
            continue
        scope = facts.azure.get(permission.place)
        if scope is None or scope.unread:
            unread.setdefault(scope.unread if scope else "nobody was asked", []).append(permission.action)
            continue
        if not allowed(permission.action, scope.grants):
            yield _missing_in_azure(permission, scope, addresses)
            continue
        for assignment in scope.denied:
            if allowed(permission.action, assignment.denied):
                yield _denied_in_azure(permission, scope, assignment, addresses)
    for why, actions in unread.items():
        yield Finding(
            TOPIC,
            Severity.NOT_PROVED,
            "Permissions in Azure could not be checked",
            f"Whether these are allowed is only known when they are called: {', '.join(sorted(set(actions)))} ({why}).",
        )


def _missing_in_azure(permission: Permission, scope: Scope, addresses: tuple[str, ...]) -> Finding:
    role = (
        "Azure Kubernetes Service Cluster User Role"
        if permission.action.endswith("/listClusterUserCredential/action")
        else "Network Contributor"
        if permission.action.startswith("Microsoft.Network/")
        else "Contributor"
    )
    return Finding(
        TOPIC,
        Severity.OBSTACLE,
        "A permission is missing in Azure",
        f"No role gives {permission.action} on the {permission.place} {scope.id}.{_needed_for(addresses)}",
        f'az role assignment create --assignee YOU --role "{role}" --scope {scope.id}',
        resource=addresses[0] if addresses else "",
    )


def _denied_in_azure(
    permission: Permission, scope: Scope, assignment: DenyAssignment, addresses: tuple[str, ...]
) -> Finding:
    return Finding(
        TOPIC,
        Severity.OBSTACLE if assignment.everyone else Severity.WARNING,
        "A deny assignment forbids a write in Azure" if assignment.everyone else "A deny assignment may forbid a write",
        f"The deny assignment {assignment.name!r} denies {permission.action} on the {permission.place} {scope.id}"
        f"{'' if assignment.everyone else ' to some principals'}. No role overrules it.{_needed_for(addresses)}",
        f"Look at it: az rest --url {scope.id}/providers/Microsoft.Authorization/denyAssignments?api-version=2022-04-01",
        resource=addresses[0] if addresses else "",
    )
