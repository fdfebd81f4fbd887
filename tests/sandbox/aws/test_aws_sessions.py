"""Temporary keys: roles that are assumed, with a one-time code where the role asks for one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from aws_account import REGION, Account, a_world, refused
from botocore.exceptions import ClientError

from cloudlink_sandbox.aws.cloud import AwsCloud
from cloudlink_sandbox.aws.sessions import one_time_code
from cloudlink_sandbox.errors import InvalidRequest
from cloudlink_sandbox.world_file import MfaDevice, Role

SERIAL = "arn:aws:iam::123456789012:mfa/me"
SEED = MfaDevice().seed
START = 1_700_000_000.0


@dataclass
class Wall:
    at: float = START

    def __call__(self) -> float:
        return self.at


@dataclass
class Roles:
    account: Account
    wall: Wall
    sts: Any

    def code(self, later: float = 0.0) -> str:
        return one_time_code(SEED, self.wall.at + later)

    def assumed(self, role: str = "plain", **more: Any) -> dict[str, Any]:
        return dict(self.sts.assume_role(**self.asked(role, **more)))

    def asked(self, role: str = "plain", **more: Any) -> dict[str, Any]:
        return {"RoleArn": f"arn:aws:iam::123456789012:role/{role}", "RoleSessionName": "mine", **more}

    def client(self, service: str, keys: dict[str, Any]) -> Any:
        return self.account.client(
            service,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )


@pytest.fixture
def roles(account: Account) -> Roles:
    known = (Role("plain"), Role("ops", mfa=True), Role("partner", external_id="42"), Role("long", longest=43_200))
    account.cloud.seed(a_world(roles=known))
    wall = Wall()
    account.cloud.sessions.wall = wall
    return Roles(account, wall, account.client("sts"))


@pytest.mark.specification("One-time codes are those of RFC 6238")
def test_codes() -> None:
    seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # the RFC's own, of 20 ASCII digits
    shown = {59: "287082", 1_111_111_109: "081804", 2_000_000_000: "279037"}
    assert {at: one_time_code(seed, at) for at in shown} == shown


@pytest.mark.documentation("A role's keys speak for the role in its session, in every service")
def test_a_role(roles: Roles) -> None:
    made = roles.assumed()
    arn = "arn:aws:sts::123456789012:assumed-role/plain/mine"
    assert made["AssumedRoleUser"]["Arn"] == arn
    assert made["Credentials"]["AccessKeyId"].startswith("ASIA")
    assert made["Credentials"]["Expiration"].timestamp() == START + 3_600
    found = roles.client("sts", made["Credentials"]).get_caller_identity()
    assert (found["Arn"], found["UserId"]) == (arn, made["AssumedRoleUser"]["AssumedRoleId"])
    assert roles.client("ec2", made["Credentials"]).describe_vpcs()["Vpcs"]
    assert roles.sts.get_caller_identity()["Arn"].endswith(":user/cloudlink")  # the user's own keys go on


@pytest.mark.documentation(
    "A role that asks for a one-time code is not assumed without one, with a wrong one, or with one twice"
)
def test_a_role_with_a_code(roles: Roles) -> None:
    call = roles.sts.assume_role
    said = refused("AccessDenied", 403, call, **roles.asked("ops"))
    assert "not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/ops" in said
    wrong = f"{(int(roles.code()) + 1) % 10**6:06}"
    said = refused("AccessDenied", 403, call, **roles.asked("ops", SerialNumber=SERIAL, TokenCode=wrong))
    assert said.startswith("MultiFactorAuthentication failed with invalid MFA one time pass code")
    right = {"SerialNumber": SERIAL, "TokenCode": roles.code()}
    assert roles.assumed("ops", **right)["Credentials"]
    refused("AccessDenied", 403, call, **roles.asked("ops", **right))
    old = {"SerialNumber": SERIAL, "TokenCode": roles.code(-120)}
    refused("AccessDenied", 403, call, **roles.asked("ops", **old))
    roles.wall.at += 30
    assert roles.assumed("ops", SerialNumber=SERIAL, TokenCode=roles.code())["Credentials"]


@pytest.mark.documentation("A device that is not the user's is told as that")
@pytest.mark.belief("The code where one of serial number and one-time code is missing")
def test_devices(roles: Roles) -> None:
    call = roles.sts.assume_role
    other = {"SerialNumber": SERIAL + "2", "TokenCode": roles.code()}
    assert "unable to validate MFA code" in refused("AccessDenied", 403, call, **roles.asked("ops", **other))
    assert "must provide both" in refused("AccessDenied", 403, call, **roles.asked("ops", SerialNumber=SERIAL))


@pytest.mark.documentation(
    "A role of another account, an unknown one, and one with another external id are refused alike"
)
@pytest.mark.parametrize(
    ("role", "more"),
    [
        ("none", {}),
        ("plain", {"RoleArn": "arn:aws:iam::999999999999:role/plain"}),
        ("partner", {}),
        ("partner", {"ExternalId": "43"}),
    ],
)
def test_roles_that_are_refused(roles: Roles, role: str, more: dict[str, Any]) -> None:
    refused("AccessDenied", 403, roles.sts.assume_role, **roles.asked(role, **more))
    assert roles.assumed("partner", ExternalId="42")["Credentials"]
    assert roles.assumed("plain", ExternalId="42")["Credentials"]  # one that nobody asks for says nothing


@pytest.mark.documentation(
    "A session ends, and lasts no longer than its role allows; a role from a role an hour at most"
)
def test_how_long_sessions_last(roles: Roles) -> None:
    call = roles.sts.assume_role
    refused("ValidationError", 400, call, **roles.asked(DurationSeconds=3_601))
    keys = roles.assumed("long", DurationSeconds=43_200)["Credentials"]
    chained = roles.client("sts", keys).assume_role
    refused("ValidationError", 400, chained, **roles.asked("long", DurationSeconds=3_601))
    assert chained(**roles.asked("long"))["Credentials"]
    roles.wall.at += 43_200
    refused("ExpiredToken", 403, roles.client("sts", keys).get_caller_identity)
    refused("RequestExpired", 400, roles.client("ec2", keys).describe_vpcs)


@pytest.mark.documentation("Keys without their token, or with another's, are nobody's")
def test_tokens(roles: Roles) -> None:
    one, two = (roles.assumed()["Credentials"] for _ in range(2))
    refused(
        "InvalidClientTokenId",
        403,
        roles.client("sts", {**one, "SessionToken": two["SessionToken"]}).get_caller_identity,
    )


@pytest.mark.documentation("A user's temporary keys are the user's, and make no others")
def test_session_tokens(roles: Roles) -> None:
    keys = roles.sts.get_session_token(SerialNumber=SERIAL, TokenCode=roles.code())["Credentials"]
    mine = roles.client("sts", keys)
    assert mine.get_caller_identity()["Arn"].endswith(":user/cloudlink")
    refused("AccessDenied", 403, mine.get_session_token)
    refused("AccessDenied", 403, roles.sts.get_session_token, SerialNumber=SERIAL, TokenCode="000000")


@pytest.mark.program(
    "botocore's profile with a role and a device asks for the code once, and works with the right one only"
)
def test_a_profile(roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = f"role_arn = {roles.asked('ops')['RoleArn']}\nsource_profile = base\nmfa_serial = {SERIAL}\n"
    (tmp_path / "config").write_text(f"[profile base]\n[profile prod]\nregion = {REGION}\n{device}")
    account = roles.account.cloud
    keys = f"aws_access_key_id = {account.access_key}\naws_secret_access_key = {account.secret_key}\n"
    (tmp_path / "credentials").write_text(f"[base]\n{keys}")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", roles.account.url)

    def caller(code: str) -> tuple[str, list[str]]:
        """Who the profile is, and what it was asked."""
        session, asked = botocore.session.Session(profile="prod"), []

        def answer(prompt: str) -> str:
            asked.append(prompt)
            return code

        provider = session.get_component("credential_provider").get_provider("assume-role")
        provider._prompter = answer
        who = session.create_client("sts").get_caller_identity()["Arn"]
        session.create_client("ec2").describe_vpcs()
        return str(who), asked

    roles.wall.at = time.time()
    arn, asked = caller(roles.code())
    assert (arn.split(":")[5].split("/")[:2], len(asked)) == (["assumed-role", "ops"], 1)
    assert SERIAL in asked[0]
    with pytest.raises(ClientError, match="invalid MFA one time pass code"):
        caller("000000")


@pytest.mark.own("What a session policy or tags of a session would do is refused, not dropped")
def test_what_is_not_modelled(roles: Roles) -> None:
    for more in ({"Policy": "{}"}, {"Tags": [{"Key": "a", "Value": "b"}]}, {"SourceIdentity": "me"}):
        said = refused("ValidationError", 400, roles.sts.assume_role, **roles.asked(**more))
        assert "does not model" in said


@pytest.mark.own("The simulator and the trail know a role; a token for EKS may be a role's")
def test_other_services_know_roles(roles: Roles) -> None:
    keys = roles.assumed()["Credentials"]
    iam = roles.client("iam", keys)
    arn = iam.get_role(RoleName="plain")["Role"]["Arn"]
    (result,) = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["ec2:CreateVpc"])["EvaluationResults"]
    assert result["EvalDecision"] == "allowed"
    condition = iam.get_role(RoleName="ops")["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
    assert condition == {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


@pytest.mark.own("A seed that is none is told when the clouds are made")
def test_a_wrong_seed(make_account: Callable[[], Account]) -> None:
    cloud: AwsCloud = make_account().cloud
    with pytest.raises(InvalidRequest):
        cloud.seed(a_world(mfa_device=MfaDevice(seed="1-1")))
