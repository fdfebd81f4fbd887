"""The checks of AWS against the sandbox's AWS, through the real SDK: who owns the VPC, and what may be done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.preflight import aws as aws_checks
from cloudlink.clouds.aws import parse_vpc, permissions
from cloudlink.clouds.aws.permissions import Verdict
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.steps.permissions import NEEDS, dry_runs
from cloudlink_sandbox.aws.backend import network_of
from cloudlink_sandbox.aws.shared_vpcs import share
from tests.support.aws_sandbox import REGION, VPC, AwsSandbox, Server, aws_link, listening, make_aws_sandbox

PLAN = Plan(tuple(Change(address, "", Action.CREATE) for address in NEEDS if not address.startswith("azure")))


@pytest.fixture(scope="module")
def front() -> Iterator[tuple[Server, str]]:
    with listening() as pair:
        yield pair


@pytest.fixture
def ground(front: tuple[Server, str], tmp_path: Path) -> AwsSandbox:
    return make_aws_sandbox(aws_link(), tmp_path, *front)


def shared(ground: AwsSandbox) -> None:
    ground.aws.account()  # the cloud of this test is asked, so that its stores are in place
    share(network_of(ground.cloud.account, REGION).vpcs[VPC], "999988887777")


def test_the_owner_of_a_shared_vpc_is_read_and_named(ground: AwsSandbox) -> None:
    shared(ground)
    found = parse_vpc.vpc(ground.aws.vpc(VPC))
    assert found is not None
    assert (found.owner, ground.aws.account()) == ("999988887777", "123456789012")
    facts = aws_checks.AwsFacts(account=ground.aws.account(), vpc=found)
    (finding,) = aws_checks._vpc(facts, ground.link, PLAN)
    assert "account 999988887777" in finding.detail


def test_our_own_vpc_has_the_callers_account(ground: AwsSandbox) -> None:
    found = parse_vpc.vpc(ground.aws.vpc(VPC))
    assert found is not None
    assert found.owner == ground.aws.account()


def test_dry_runs_are_allowed_and_make_nothing(ground: AwsSandbox) -> None:
    before, there = ground.writes(), ground.strangers()
    proofs = [permissions.dry_run(ground.aws, r.action, r.method, r.parameters) for r in dry_runs(ground.link, PLAN)]
    assert {(p.action, p.verdict) for p in proofs} == {
        ("ec2:CreateVpnGateway", Verdict.ALLOWED),
        ("ec2:CreateCustomerGateway", Verdict.ALLOWED),
        ("ec2:CreateSecurityGroup", Verdict.ALLOWED),
    }
    assert ground.writes() == before
    assert ground.strangers() == there
    assert not ground.aws.tagged(owner_of(ground.link))


def test_a_dry_run_does_not_use_up_a_fault_that_waits_for_the_call(ground: AwsSandbox) -> None:
    ground.fault("cut-after", "aws.CreateVpnGateway")
    (run,) = [r for r in dry_runs(ground.link, PLAN) if r.action == "ec2:CreateVpnGateway"]
    assert permissions.dry_run(ground.aws, run.action, run.method, run.parameters).verdict is Verdict.ALLOWED
    assert ground.context.faults.would_match("aws.CreateVpnGateway", "cut-after")


def test_what_is_denied_is_missing_with_its_principal(ground: AwsSandbox) -> None:
    ground.fault("denied", "aws.CreateVpnGateway", times=None)
    (run,) = [r for r in dry_runs(ground.link, PLAN) if r.action == "ec2:CreateVpnGateway"]
    proof = permissions.dry_run(ground.aws, run.action, run.method, run.parameters)
    assert (proof.verdict, proof.principal) == (Verdict.MISSING, ground.cloud.principal)


def test_a_gateway_cannot_be_attached_to_a_vpc_of_another_account(ground: AwsSandbox) -> None:
    shared(ground)
    gateway = ground.hand.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    ground.wait(60)
    asked: dict[str, Any] = {"VpnGatewayId": gateway, "VpcId": VPC}
    proof = permissions.dry_run(ground.aws, "ec2:AttachVpnGateway", "attach_vpn_gateway", asked)
    assert proof.verdict is Verdict.MISSING
    assert "999988887777:vpc/" in proof.resource
    assert proof.why == "no resource-based policy allows it"


def test_an_object_that_does_not_exist_proves_nothing(ground: AwsSandbox) -> None:
    asked: dict[str, Any] = {"VpnGatewayId": "vgw-00000000000000000", "VpcId": VPC}
    proof = permissions.dry_run(ground.aws, "ec2:AttachVpnGateway", "attach_vpn_gateway", asked)
    assert (proof.verdict, "NotFound" in proof.why) == (Verdict.UNKNOWN, True)


def test_the_simulator_is_asked_once_for_all(ground: AwsSandbox) -> None:
    ground.fault("denied", "aws.CreateHostedZone", times=None)
    actions = ["route53:CreateHostedZone", "route53resolver:CreateResolverEndpoint", "ec2:ModifyVpcAttribute"]
    found = {p.action: p.verdict for p in permissions.simulate(ground.aws, actions, {})}
    assert found == dict.fromkeys(actions, Verdict.ALLOWED) | {"route53:CreateHostedZone": Verdict.MISSING}
    assert ground.calls("SimulatePrincipalPolicy") == 1


def test_where_the_simulator_may_not_be_asked_nothing_is_proved(ground: AwsSandbox) -> None:
    ground.fault("denied", "aws.SimulatePrincipalPolicy", times=None)
    (proof,) = permissions.simulate(ground.aws, ["route53:CreateHostedZone"], {})
    assert (proof.verdict, "AccessDenied" in proof.why) == (Verdict.UNKNOWN, True)


def test_the_states_of_regions_are_asked_at_home(ground: AwsSandbox) -> None:
    states = ground.aws.region_states()
    assert ground.aws.home_region == "us-east-1"
    assert states["eu-central-1"] == "opt-in-not-required"
