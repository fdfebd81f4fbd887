"""Every write of the plan, proved possible before the first is made; what cannot be asked beforehand is listed.

What this cannot see: policies of Azure and tag policies of AWS, locks, session policies, and roles that were given a
moment ago. Kubernetes is asked by access reviews and a dry run, elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby

from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.aws import permissions as aws_permissions
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.permissions import Proof, Verdict
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_permissions import DenyAssignment, Grant, allowed, deny_assignments, grants
from cloudlink.clouds.azure.roles import built_in_role
from cloudlink.core.permissions import Permission
from cloudlink.core.plan import Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from cloudlink.steps.permissions import AKS, GATEWAY_GROUP, GROUP, SUBSCRIPTION, VNET, WAY_IN, Nodes, dry_runs, needed

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


def read(link: Link, aws: Aws, azure: Azure, plan: Plan, nodes: Nodes) -> PermissionFacts:
    """All questions at once. AWS: a dry run for each write that has one, one simulation for the rest. Azure: one question
    for each place, and one for what is denied in each subscription. The way into a cluster that is there is not asked for: the plan
    has used it, to read what the cluster has."""
    wants = {p: addresses for p, addresses in needed(link, plan, nodes).items() if p != WAY_IN}
    actions = {p.action for p in wants if not p.place}
    places = {p.place for p in wants if p.place}
    with ThreadPoolExecutor(8) as pool:
        runs = [
            pool.submit(aws_permissions.dry_run, aws, run.action, run.method, run.parameters)
            for run in dry_runs(plan, nodes)
        ]
        ids = {place: _id(link, azure, place) for place in places}
        scopes = {place: pool.submit(_scope, azure, id_) for place, id_ in ids.items()}
        denying = [pool.submit(_denied, azure, together) for together in _by_subscription(_outermost(ids.values()))]
        proofs = _settled([run.result() for run in runs])
        rest = sorted(actions - proofs.keys())
        touched = _touched(wants, link, aws) if rest else {}
        proofs |= {p.action: p for p in aws_permissions.simulate(aws, rest, touched)}
        denied = [d for asked in denying for d in asked.result()]
        said = {place: _with(s.result(), denied) for place, s in scopes.items()}
        return PermissionFacts(wants, tuple(proofs.values()), said)


def read_scopes(link: Link, azure: Azure, places: Iterable[str]) -> dict[str, Scope]:
    """By place, what the caller may do there; without what a deny assignment takes away."""
    with ThreadPoolExecutor(8) as pool:
        asked = {place: pool.submit(_scope, azure, _id(link, azure, place)) for place in places}
        return {place: scope.result() for place, scope in asked.items()}


def _with(scope: Scope, denied: Iterable[DenyAssignment]) -> Scope:
    """What is denied on it; nothing where even what is allowed could not be asked."""
    return scope if scope.unread else replace(scope, denied=tuple(d for d in denied if d.reaches(scope.id)))


def _settled(proofs: list[Proof]) -> dict[str, Proof]:
    """By action, those that the dry runs settled. A run that carries tags proves that they may be set."""
    found = {p.action: p for p in proofs if p.verdict is Verdict.ALLOWED}
    found |= {p.action: p for p in proofs if p.verdict is Verdict.MISSING}
    if proofs and all(p.verdict is Verdict.ALLOWED for p in proofs):
        found.setdefault("ec2:CreateTags", Proof("ec2:CreateTags", Verdict.ALLOWED))
    return found


def _touched(wants: Iterable[Permission], link: Link, aws: Aws) -> dict[str, tuple[str, ...]]:
    """By action the ARNs of what it touches, for policies that allow an action only there. New objects have an id that AWS
    chooses."""
    partition = aws.principal().split(":")[1] or "aws"
    account, region = aws.account(), aws.region
    known = {
        "vpc": link.aws.vpc_id,
        _KIND.get((link.aws.adopt_gateway or "").partition("-")[0], "vpn-gateway"): link.aws.adopt_gateway
        or "vgw-00000000000000000",
    }

    zones = list(dict.fromkeys(zone.adopt or "Z00000000000000000000" for zone in link.dns.zones))

    def arns(kind: str) -> Iterator[str]:
        if kind == "hosted-zone":
            yield from (f"arn:{partition}:route53:::hostedzone/{id_}" for id_ in zones)
            return
        service = "route53resolver" if kind.startswith("resolver-") else "ec2"
        id_ = known.get(kind, f"{_PREFIX.get(kind, kind)}-00000000000000000")
        yield f"arn:{partition}:{service}:{region}:{account}:{kind}/{id_}"

    def touched(permission: Permission) -> Iterator[str]:
        """A VPN connection is on one kind of gateway only."""
        through = "transit-gateway" if link.aws.transit else "vpn-gateway"
        yield from (through if kind == "vpn-gateway" else kind for kind in permission.on)

    return {p.action: tuple(arn for kind in touched(p) for arn in arns(kind)) for p in wants if p.on}


_KIND = {"tgw": "transit-gateway", "vgw": "vpn-gateway"}  # by the beginning of an id
_PREFIX = {
    "vpn-gateway": "vgw",
    "transit-gateway": "tgw",
    "transit-gateway-attachment": "tgw-attach",
    "transit-gateway-route-table": "tgw-rtb",
    "customer-gateway": "cgw",
    "vpn-connection": "vpn",
    "route-table": "rtb",
    "security-group": "sg",
    "network-interface": "eni",
    "resolver-endpoint": "rslvr-in",
    "resolver-rule": "rslvr-rr",
}


def _id(link: Link, azure: Azure, place: str) -> str:
    side = link.azure
    places = {
        GROUP: azure.group_id(side.resource_group),
        GATEWAY_GROUP: azure.group_id(link.azure_gateway[1]),
        VNET: azure.vnet_id,
        AKS: azure.aks_id,
        SUBSCRIPTION: f"/subscriptions/{side.subscription}",
    }
    return places.get(place, place)  # an object that a write refers to is named by its id


def _outermost(ids: Iterable[str]) -> set[str]:
    """Those that lie in none of the others: what is asked of these answers for all."""
    ids = {id_.rstrip("/") for id_ in ids}
    return {i for i in ids if not any(i.lower().startswith(f"{o.lower()}/") for o in ids)}


def _by_subscription(ids: Iterable[str]) -> list[list[str]]:
    return [list(together) for _, together in groupby(sorted(ids, key=str.lower), lambda i: i.lower().split("/")[:3])]


def _scope(azure: Azure, id_: str) -> Scope:
    try:
        return Scope(id_, grants(azure.permissions(id_)))
    except Exception as error:
        known = azure.translate(error)
        if known is None:
            raise
        return Scope(id_, unread=f"{known.summary}: {known.detail}" if known.detail else known.summary)


def _denied(azure: Azure, ids: Sequence[str]) -> tuple[DenyAssignment, ...]:
    """In a subscription: one question for the whole of it, which also lists what lies below; where that may not be asked,
    one for each place."""
    whole = "/".join(ids[0].split("/")[:3])
    if len(ids) > 1 and (found := _read_denied(azure, whole)) is not None:
        return found
    each = (d for id_ in ids for d in _read_denied(azure, id_) or ())
    return tuple(dict.fromkeys(each))  # what is inherited stands in each of the lists


def _read_denied(azure: Azure, id_: str) -> tuple[DenyAssignment, ...] | None:
    try:
        return deny_assignments(azure.deny_assignments(id_))
    except Exception as error:
        if azure.translate(error) is None:
            raise
        return None  # they are rare, and not everybody may read them


# --- what it means ----------------------------------------------------------------------------------------


def find(context: Context) -> Iterator[Finding]:
    yield from check(
        read(context.link, context.aws, context.azure, context.plan, context.nodes), context.link, context.plan
    )


def check(facts: PermissionFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    del link, plan
    yield from _aws(facts)
    yield from _azure(facts)


def _aws(facts: PermissionFacts) -> Iterator[Finding]:
    proofs = {p.action: p for p in facts.aws}
    asked = {p.action: addresses for p, addresses in facts.needed.items() if not p.place}
    for action, proof in proofs.items():
        if proof.verdict is Verdict.MISSING:
            yield missing_in_aws(proof, asked.get(action, ()))
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


def missing_in_aws(proof: Proof, addresses: tuple[str, ...]) -> Finding:
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
            yield missing_in_azure(permission, scope, addresses)
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


_KINDS = {
    "networksecuritygroups": "network security group",
    "routetables": "route table",
    "natgateways": "NAT gateway",
    "ddosprotectionplans": "DDoS protection plan",
    "serviceendpointpolicies": "service endpoint policy",
}


def _named(place: str, scope: Scope) -> str:
    """``the VNet /subscriptions/...``; an object that a write refers to by its kind."""
    return f"the {_KINDS.get(scope.id.rpartition('/')[0].rpartition('/')[2].lower(), place)} {scope.id}"


def missing_in_azure(permission: Permission, scope: Scope, addresses: tuple[str, ...]) -> Finding:
    role = built_in_role(permission.action)
    return Finding(
        TOPIC,
        Severity.OBSTACLE,
        "A permission is missing in Azure",
        f"No role gives {permission.action} on {_named(permission.place, scope)}.{_needed_for(addresses)}",
        f'az role assignment create --assignee YOU --role "{role}" --scope {scope.id}\n'
        "A role that you are only eligible for counts once it is activated (PIM).",
        resource=addresses[0] if addresses else "",
    )


def _denied_in_azure(
    permission: Permission, scope: Scope, assignment: DenyAssignment, addresses: tuple[str, ...]
) -> Finding:
    return Finding(
        TOPIC,
        Severity.OBSTACLE if assignment.everyone else Severity.WARNING,
        "A deny assignment forbids a write in Azure" if assignment.everyone else "A deny assignment may forbid a write",
        f"The deny assignment {assignment.name!r} denies {permission.action} on {_named(permission.place, scope)}"
        f"{'' if assignment.everyone else ' to some principals'}. No role overrules it.{_needed_for(addresses)}",
        f"Look at it: az rest --url {scope.id}/providers/Microsoft.Authorization/denyAssignments?api-version=2022-04-01",
        resource=addresses[0] if addresses else "",
    )
