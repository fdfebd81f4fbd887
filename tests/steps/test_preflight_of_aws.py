"""The checks of AWS against the sandbox's AWS, through the real SDK: who owns the VPC, and what may be done."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.preflight import aws as aws_checks
from cloudlink.clouds.aws import parse_vpc, permissions
from cloudlink.clouds.aws.parse_acls import acls, passes
from cloudlink.clouds.aws.permissions import Verdict
from cloudlink.clouds.ownership import owner_of
from cloudlink.connect import topology_unasked
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.core.resource import Resource
from cloudlink.link import Link
from cloudlink.steps import permissions as needs
from cloudlink.steps.permissions import DryRun, Nodes
from cloudlink_sandbox.aws.backend import network_of
from cloudlink_sandbox.aws.shared_vpcs import share
from tests.support.aws_sandbox import REGION, VPC, AwsSandbox, Server, aws_link, listening, make_aws_sandbox


def nodes(link: Link) -> Nodes:
    return needs.by_address(topology_unasked(link).nodes())


PLAN = Plan(
    tuple(
        Change(address, "", Action.CREATE)
        for address, node in nodes(aws_link()).items()
        if isinstance(node, Resource) and not address.startswith("azure")
    )
)


def dry_runs(link: Link) -> list[DryRun]:
    return list(needs.dry_runs(PLAN, nodes(link)))


@pytest.fixture(scope="module")
def front() -> Iterator[tuple[Server, str]]:
    with listening() as pair:
        yield pair


@pytest.fixture
def sandbox(front: tuple[Server, str], tmp_path: Path) -> AwsSandbox:
    return make_aws_sandbox(aws_link(), tmp_path, *front)


def shared(sandbox: AwsSandbox) -> None:
    sandbox.aws.account()  # the cloud of this test is asked, so that its stores are in place
    share(network_of(sandbox.cloud.account, REGION).vpcs[VPC], "999988887777")


def test_the_owner_of_a_shared_vpc_is_read_and_named(sandbox: AwsSandbox) -> None:
    shared(sandbox)
    found = parse_vpc.vpc(sandbox.aws.vpc(VPC))
    assert found is not None
    assert (found.owner, sandbox.aws.account()) == ("999988887777", "123456789012")
    facts = aws_checks.AwsFacts(account=sandbox.aws.account(), vpc=found, owner_only={"resolver.zone": "associate it"})
    (finding,) = aws_checks._vpc(facts, sandbox.link, PLAN)
    assert "account 999988887777" in finding.detail


def test_our_own_vpc_has_the_callers_account(sandbox: AwsSandbox) -> None:
    found = parse_vpc.vpc(sandbox.aws.vpc(VPC))
    assert found is not None
    assert found.owner == sandbox.aws.account()


def test_dry_runs_are_allowed_and_make_nothing(sandbox: AwsSandbox) -> None:
    before, there = sandbox.writes(), sandbox.foreign_objects()
    proofs = [permissions.dry_run(sandbox.aws, r.action, r.method, r.parameters) for r in dry_runs(sandbox.link)]
    assert {(p.action, p.verdict) for p in proofs} == {
        ("ec2:CreateVpnGateway", Verdict.ALLOWED),
        ("ec2:CreateCustomerGateway", Verdict.ALLOWED),
        ("ec2:CreateSecurityGroup", Verdict.ALLOWED),
    }
    assert sandbox.writes() == before
    assert sandbox.foreign_objects() == there
    assert not sandbox.aws.tagged(owner_of(sandbox.link))


def test_a_dry_run_does_not_use_up_a_fault_that_waits_for_the_call(sandbox: AwsSandbox) -> None:
    sandbox.fault("cut-after", "aws.CreateVpnGateway")
    (run,) = [r for r in dry_runs(sandbox.link) if r.action == "ec2:CreateVpnGateway"]
    assert permissions.dry_run(sandbox.aws, run.action, run.method, run.parameters).verdict is Verdict.ALLOWED
    assert sandbox.context.faults.would_match("aws.CreateVpnGateway", "cut-after")


def test_what_is_denied_is_missing_with_its_principal(sandbox: AwsSandbox) -> None:
    sandbox.fault("denied", "aws.CreateVpnGateway", times=None)
    (run,) = [r for r in dry_runs(sandbox.link) if r.action == "ec2:CreateVpnGateway"]
    proof = permissions.dry_run(sandbox.aws, run.action, run.method, run.parameters)
    assert (proof.verdict, proof.principal) == (Verdict.MISSING, sandbox.cloud.principal)


def test_a_gateway_cannot_be_attached_to_a_vpc_of_another_account(sandbox: AwsSandbox) -> None:
    shared(sandbox)
    gateway = sandbox.hand.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    sandbox.wait(60)
    asked: dict[str, Any] = {"VpnGatewayId": gateway, "VpcId": VPC}
    proof = permissions.dry_run(sandbox.aws, "ec2:AttachVpnGateway", "attach_vpn_gateway", asked)
    assert proof.verdict is Verdict.MISSING
    assert "999988887777:vpc/" in proof.resource
    assert proof.why == "no resource-based policy allows it"


def test_an_object_that_does_not_exist_proves_nothing(sandbox: AwsSandbox) -> None:
    asked: dict[str, Any] = {"VpnGatewayId": "vgw-00000000000000000", "VpcId": VPC}
    proof = permissions.dry_run(sandbox.aws, "ec2:AttachVpnGateway", "attach_vpn_gateway", asked)
    assert (proof.verdict, "NotFound" in proof.why) == (Verdict.UNKNOWN, True)


def test_the_simulator_is_asked_once_for_all(sandbox: AwsSandbox) -> None:
    sandbox.fault("denied", "aws.CreateHostedZone", times=None)
    actions = ["route53:CreateHostedZone", "route53resolver:CreateResolverEndpoint", "ec2:ModifyVpcAttribute"]
    found = {p.action: p.verdict for p in permissions.simulate(sandbox.aws, actions, {})}
    assert found == dict.fromkeys(actions, Verdict.ALLOWED) | {"route53:CreateHostedZone": Verdict.MISSING}
    assert sandbox.calls("SimulatePrincipalPolicy") == 1


def test_where_the_simulator_may_not_be_asked_nothing_is_proved(sandbox: AwsSandbox) -> None:
    sandbox.fault("denied", "aws.SimulatePrincipalPolicy", times=None)
    (proof,) = permissions.simulate(sandbox.aws, ["route53:CreateHostedZone"], {})
    assert (proof.verdict, "AccessDenied" in proof.why) == (Verdict.UNKNOWN, True)


def test_the_states_of_regions_are_asked_at_home(sandbox: AwsSandbox) -> None:
    states = sandbox.aws.region_states()
    assert sandbox.aws.home_region == "us-east-1"
    assert states["eu-central-1"] == "opt-in-not-required"


def test_network_acls_are_read_as_aws_tells_them(sandbox: AwsSandbox) -> None:
    """The default one lets everything pass; one whose entries were taken out does not."""
    before = acls(sandbox.aws.network_acls(VPC))
    assert before and all(passes(a.inbound, "udp", 53, IPv4Network("10.20.0.0/16")) for a in before)
    for found in before:
        sandbox.aws.ec2.delete_network_acl_entry(NetworkAclId=found.id, RuleNumber=100, Egress=False)
    sandbox.aws.cache.clear()
    after = acls(sandbox.aws.network_acls(VPC))
    assert [a.id for a in after] == [a.id for a in before] and any(a.subnets for a in after)
    assert not any(passes(a.inbound, "udp", 53, IPv4Network("10.20.0.0/16")) for a in after)
