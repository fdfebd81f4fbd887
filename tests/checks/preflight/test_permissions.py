"""Every write is proved possible, all missing permissions are told at once, and nothing unproved is called proved."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any, get_type_hints

import pytest

from cloudlink.checks.preflight.permissions import PermissionFacts, Scope, check
from cloudlink.clouds.aws.permissions import Proof, Verdict, read_denial, read_result
from cloudlink.clouds.azure.parse_permissions import DenyAssignment, Grant, allowed, deny_assignments, grants
from cloudlink.core.permissions import Permission
from cloudlink.core.plan import Action, Change, FieldChange, Plan
from cloudlink.core.resource import Resource
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from cloudlink.steps import permissions
from cloudlink.steps.permissions import AKS, GROUP, SUBSCRIPTION, VNET, DryRun
from tests.support.pinned import pinned

from .samples import ADDRESSES, first_plan, link, nodes, plan, told

OBSTACLE, NOT_PROVED = Severity.OBSTACLE, Severity.NOT_PROVED
OWNER = (Grant(("*",)),)
READER = (Grant(("*/read",)),)


def needed(of: Link, its_plan: Plan) -> dict[Permission, tuple[str, ...]]:
    return permissions.needed(of, its_plan, nodes(of))


def dry_runs(of: Link, its_plan: Plan) -> list[DryRun]:
    return list(permissions.dry_runs(its_plan, nodes(of)))


def facts(**changes: Any) -> PermissionFacts:
    """Of somebody who may do everything."""
    wants = needed(link(), first_plan())
    proofs = tuple(Proof(p.action, Verdict.ALLOWED) for p in wants if not p.place)
    scopes = {place: Scope(f"/scope/of/{place}", OWNER) for place in (GROUP, VNET, AKS)}
    return replace(PermissionFacts(wants, proofs, scopes), **changes)


def findings(of: PermissionFacts) -> list[Finding]:
    found = pinned(check(of, link(), first_plan()))
    told(found)
    return found


def test_who_may_do_everything_is_told_nothing() -> None:
    assert findings(facts()) == []


# --- what a plan needs ------------------------------------------------------------------------------------


def test_every_resource_says_what_its_calls_need() -> None:
    for address, node in nodes().items():
        if isinstance(node, Resource):
            said = node.permissions
            assert said.create, address
            assert said.delete, address
            assert said.update or said.by_field or not _changes_in_place(node), address
    assert set(ADDRESSES) <= nodes().keys()


def _changes_in_place(node: Resource[Any, Any]) -> bool:
    """Whether some field of its spec is not immutable."""
    hints = get_type_hints(type(node).spec)["return"]
    return any(f.name not in node.immutable for f in dataclasses.fields(hints))


def test_a_plan_needs_what_it_writes_and_no_more() -> None:
    update = needed(link(), plan(Action.UPDATE, "resolver.records"))
    assert update == {Permission("route53:ChangeResourceRecordSets"): ("resolver.records",)}
    assert needed(link(), plan(Action.NO_OP)) == {}


def test_a_gateway_needs_to_join_the_subnet_and_the_addresses_too() -> None:
    wants = needed(link(), plan(Action.CREATE, "azure_vpn.gateway"))
    assert Permission("Microsoft.Network/virtualNetworks/subnets/join/action", VNET) in wants
    assert Permission("Microsoft.Network/publicIPAddresses/join/action", GROUP) in wants
    assert Permission("Microsoft.Network/virtualNetworkGateways/write", GROUP) in wants


def test_of_a_group_that_does_not_exist_yet_the_subscription_is_asked() -> None:
    wants = needed(link(azure={"create_resource_group": True}), plan(Action.CREATE, "azure_vpn.public_ip"))
    assert Permission("Microsoft.Network/publicIPAddresses/write", SUBSCRIPTION) in wants


def change(field: str) -> Plan:
    fields = (FieldChange(field, "a", "b"),)
    return Plan((Change("aws_vpn.connection[0]", "", Action.UPDATE, fields=fields, id="vpn-1"),))


@pytest.mark.parametrize(
    ("field", "action"),
    [
        ("policies", "ec2:ModifyVpnTunnelOptions"),
        ("azure_range", "ec2:ModifyVpnConnectionOptions"),
        ("marks", "ec2:CreateTags"),
    ],
)
def test_an_update_needs_the_call_for_what_differs(field: str, action: str) -> None:
    assert {p.action for p in needed(link(), change(field))} == {action}


def test_a_replacement_needs_both_calls() -> None:
    wants = {p.action for p in needed(link(), plan(Action.REPLACE, "aws_vpn.connection[0]"))}
    assert wants == {"ec2:CreateVpnConnection", "ec2:CreateTags", "ec2:DeleteVpnConnection"}


def test_what_can_be_tried_before_anything_exists() -> None:
    runs = {r.method: r.parameters for r in dry_runs(link(), first_plan())}
    assert set(runs) == {"create_vpn_gateway", "create_customer_gateway", "create_security_group"}
    tags: Any = runs["create_vpn_gateway"]["TagSpecifications"]
    assert tags[0]["ResourceType"] == "vpn-gateway"
    assert {t["Key"] for t in tags[0]["Tags"]} >= {"Name", "cloudlink-link", "cloudlink-resource"}


def test_more_can_be_tried_when_more_exists() -> None:
    changes = tuple(
        replace(c, action=Action.NO_OP, id=f"id-{c.address}")
        if c.address.startswith(("aws_vpn.gateway", "aws_vpn.customer_gateway"))
        else c
        for c in first_plan().changes
    )
    runs = [(r.method, r.parameters) for r in dry_runs(link(), Plan(changes))]
    assert [m for m, _ in runs].count("create_vpn_connection") == 2
    attach = dict(runs)["attach_vpn_gateway"]
    assert attach["VpnGatewayId"] == "id-aws_vpn.gateway"
    assert "attach_vpn_gateway" in {r.method for r in dry_runs(link(aws={"gateway": "vgw-1"}), first_plan())}


# --- AWS --------------------------------------------------------------------------------------------------

USER = "User: arn:aws:sts::123456789012:assumed-role/dev/me is not authorized to perform: "
DENIED = f"{USER}ec2:CreateTags on resource: arn:aws:ec2:eu-central-1:1:vpn-gateway/*"


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (
            f"{DENIED} because no identity-based policy allows the ec2:CreateTags action",
            "no identity-based policy allows it",
        ),
        (
            f"{DENIED} with an explicit deny in a service control policy",
            "an explicit deny in a service control policy (of the organisation",
        ),
        (
            f"{DENIED} with an explicit deny in an identity-based policy: arn:aws:iam::1:policy/x",
            "an explicit deny in an identity-based policy",
        ),
        (
            f"{DENIED} because no permissions boundary policy allows the ec2:CreateTags action",
            "no permissions boundary policy allows it",
        ),
    ],
)
def test_the_words_of_a_denial_are_understood(message: str, why: str) -> None:
    proof = read_denial("ec2:CreateVpnGateway", message + " Encoded authorization failure message: abc-_DEF")
    assert proof.verdict is Verdict.MISSING
    assert proof.action == "ec2:CreateTags", "tags are a permission of their own"
    assert proof.principal == "arn:aws:sts::123456789012:assumed-role/dev/me"
    assert proof.resource == "arn:aws:ec2:eu-central-1:1:vpn-gateway/*"
    assert proof.why.startswith(why)
    assert proof.encoded == "abc-_DEF"


def test_a_denial_that_says_nothing_keeps_the_message_for_the_administrator() -> None:
    message = "You are not authorized to perform this operation. Encoded authorization failure message: XyZ123"
    proof = read_denial("ec2:CreateVpnGateway", message)
    (finding,) = findings(facts(aws=(*facts().aws, proof)[1:]))[-1:]
    assert proof.action == "ec2:CreateVpnGateway"
    assert "aws sts decode-authorization-message --encoded-message XyZ123" in finding.hint


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        ({"EvalDecision": "allowed"}, Verdict.ALLOWED),
        ({"EvalDecision": "implicitDeny"}, Verdict.MISSING),
        ({"EvalDecision": "explicitDeny"}, Verdict.MISSING),
        ({"EvalDecision": "implicitDeny", "MissingContextValues": ["aws:RequestTag/x"]}, Verdict.UNKNOWN),
        (
            {"EvalDecision": "explicitDeny", "OrganizationsDecisionDetail": {"AllowedByOrganizations": False}},
            Verdict.UNKNOWN,
        ),
    ],
)
def test_the_simulator_is_believed_only_where_it_knows_everything(result: dict[str, Any], verdict: Verdict) -> None:
    assert read_result({"EvalActionName": "route53:CreateHostedZone", **result}).verdict is verdict


def test_all_that_is_missing_is_told_at_once_with_what_needs_it() -> None:
    bad = ("route53:CreateHostedZone", "ec2:AttachVpnGateway")
    proofs = tuple(
        Proof(p.action, Verdict.MISSING, "no policy allows it", "arn:aws:iam::1:user/me") if p.action in bad else p
        for p in facts().aws
    )
    found = findings(facts(aws=proofs))
    assert [f.severity for f in found] == [OBSTACLE, OBSTACLE]
    details = " ".join(f.detail for f in found)
    assert "arn:aws:iam::1:user/me may not route53:CreateHostedZone: no policy allows it." in details
    assert "It is needed for aws_vpn.attachment." in details


def test_what_could_not_be_asked_is_listed_as_not_proved() -> None:
    proofs = tuple(
        Proof(p.action, Verdict.UNKNOWN, "iam:SimulatePrincipalPolicy answered AccessDenied") for p in facts().aws
    )
    (finding,) = findings(facts(aws=proofs))
    assert finding.severity is NOT_PROVED
    assert "route53:CreateHostedZone" in finding.detail
    assert "AccessDenied" in finding.detail
    (finding,) = findings(facts(aws=()))
    assert finding.severity is NOT_PROVED


# --- Azure ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "action", "may"),
    [
        ([{"actions": ["*"]}], "Microsoft.Network/connections/write", True),
        ([{"actions": ["*/read"]}], "Microsoft.Network/connections/write", False),
        ([{"actions": ["microsoft.network/*"]}], "Microsoft.Network/virtualNetworks/subnets/join/action", True),
        (
            [{"actions": ["*"], "notActions": ["Microsoft.Network/*/write"]}],
            "Microsoft.Network/connections/write",
            False,
        ),
        (
            [
                {"actions": ["*"], "notActions": ["Microsoft.Network/*"]},
                {"actions": ["Microsoft.Network/connections/*"]},
            ],
            "Microsoft.Network/connections/write",
            True,
        ),
        ([{"actions": ["Microsoft.Network/connections/writ"]}], "Microsoft.Network/connections/write", False),
        ([], "Microsoft.Network/connections/write", False),
    ],
)
def test_what_a_role_leaves_out_another_may_still_give(given: list[dict[str, Any]], action: str, may: bool) -> None:
    assert allowed(action, grants(given)) is may


def test_a_reader_lacks_every_write() -> None:
    scopes = {place: Scope(f"/scope/of/{place}", READER) for place in (GROUP, VNET, AKS)}
    found = findings(facts(azure=scopes))
    actions = {p.action for p in facts().needed if p.place}
    assert len(found) == len(actions)
    assert all(f.severity is OBSTACLE for f in found)
    listed = " ".join(f.detail for f in found)
    assert all(action in listed for action in actions)
    assert all("eligible" in f.hint for f in found if "az role assignment create" in f.hint)
    assert any("az role assignment create" in f.hint and '"Network Contributor"' in f.hint for f in found)


def test_a_subnet_that_may_not_be_joined() -> None:
    """A team that owns its group and may not touch the network team's VNet."""
    scopes = {**facts().azure, VNET: Scope("/scope/of/vnet", (Grant(("*",), ("*/subnets/join/action",)),))}
    (finding,) = findings(facts(azure=scopes))
    assert (
        "No role gives Microsoft.Network/virtualNetworks/subnets/join/action on the VNet /scope/of/vnet"
        in finding.detail
    )


def test_a_scope_that_could_not_be_asked_is_not_proved() -> None:
    (finding,) = findings(facts(azure={**facts().azure, AKS: Scope("/aks", unread="A permission is missing in Azure")}))
    assert finding.severity is NOT_PROVED
    assert "listClusterUserCredential" in finding.detail


@pytest.mark.parametrize(("everyone", "severity"), [(True, OBSTACLE), (False, Severity.WARNING)])
def test_a_deny_assignment_is_named(everyone: bool, severity: Severity) -> None:
    denied = DenyAssignment("managed app", (Grant(("Microsoft.Network/connections/write",)),), everyone)
    (finding,) = findings(facts(azure={**facts().azure, GROUP: Scope("/group", OWNER, (denied,))}))
    assert finding.severity is severity
    assert "'managed app' denies Microsoft.Network/connections/write" in finding.detail


@pytest.mark.parametrize(
    ("scope", "below", "reached"),
    [
        ("/subscriptions/s", True, True),  # inherited
        ("/subscriptions/s", False, False),  # not for what lies below
        ("/subscriptions/S/resourceGroups/App", False, True),
        ("/subscriptions/s/resourceGroups/app/providers/x/y/z", True, False),  # a managed application in the group
        ("/subscriptions/s/resourceGroups/ap", True, False),
        ("", True, True),  # of everything
    ],
)
def test_what_a_deny_assignment_reaches(scope: str, below: bool, reached: bool) -> None:
    (found,) = deny_assignments([{"properties": {"scope": scope, "doNotApplyToChildScopes": not below}}])
    assert found.reaches("/subscriptions/s/resourceGroups/app") is reached


def test_whom_a_deny_assignment_concerns() -> None:
    everyone = {"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}
    said = {"denyAssignmentName": "x", "permissions": [{"actions": ["*/delete"]}], "principals": [everyone]}
    (one,) = deny_assignments([{"properties": said}])
    assert (one.everyone, one.denied) == (True, (Grant(("*/delete",)),))
    (other,) = deny_assignments([{"properties": {**said, "excludePrincipals": [{"id": "me"}]}}])
    assert not other.everyone
