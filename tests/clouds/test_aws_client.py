"""The door to AWS: credentials, what errors mean, the token for EKS, and that nothing of the user's own reaches the sandbox."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudlink.clouds.aws import errors as aws_errors
from cloudlink.clouds.aws.client import Aws, without_open_keys
from cloudlink.core.polling import WallClock
from cloudlink.errors import CloudError, ConflictError, CredentialsError, MissingError, UnreachableError
from cloudlink.secret import Secret
from tests.support.aws_sandbox import (
    REGION,
    VPC,
    AwsSandbox,
    SandboxTime,
    Server,
    aws_link,
    listening,
    make_aws_sandbox,
)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Server, str]]:
    with listening() as pair:
        yield pair


@pytest.fixture
def sandbox(server: tuple[Server, str], tmp_path: Path) -> AwsSandbox:
    return make_aws_sandbox(aws_link(), tmp_path, *server)


def raised(call: Callable[..., Any], **arguments: Any) -> Exception:
    with pytest.raises(Exception) as caught:
        call(**arguments)
    return caught.value


def test_importing_the_steps_imports_no_sdk() -> None:
    code = (
        "import sys, cloudlink.steps.aws_vpn, cloudlink.steps.resolver;"
        "sys.exit(', '.join(m for m in ('boto3', 'botocore', 'kubernetes', 'azure') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# --- credentials --------------------------------------------------------------------------------------------


def test_token_for_eks_is_good(sandbox: AwsSandbox) -> None:
    token = sandbox.aws.eks_token("prod")
    assert token.reveal().startswith("k8s-aws-v1.")
    assert "k8s" not in repr(token)
    assert sandbox.cloud.identity_of_token(token.reveal()) == sandbox.cloud.principal
    assert sandbox.cloud.identity_of_token(sandbox.aws.eks_token("another").reveal()) is None
    assert sandbox.context.journal.calls() == [], "making a token calls nobody"


def test_account(sandbox: AwsSandbox) -> None:
    assert sandbox.aws.account() == "123456789012"


def test_the_users_own_configuration_does_not_reach_the_sandbox(
    sandbox: AwsSandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[profile broken]\nregion = mars-1\nendpoint_url = http://127.0.0.1:1\n")
    for name, value in {
        "AWS_PROFILE": "nobody",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_ACCESS_KEY_ID": "AKIAREALREALREALREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_SESSION_TOKEN": "real",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    fresh = sandbox.again()
    assert fresh.account() == "123456789012"
    assert sandbox.cloud.identity_of_token(fresh.eks_token("prod").reveal()) == sandbox.cloud.principal


def test_no_profile_and_no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        monkeypatch.delenv(name, raising=False)
    missing = Aws(region=REGION, profile="nobody", clock=WallClock())
    ours = missing.translate(raised(missing.open))
    assert isinstance(ours, CredentialsError)
    assert "nobody" in ours.detail
    nobody = Aws(region=REGION, clock=WallClock())
    ours = nobody.translate(raised(nobody.account))
    assert isinstance(ours, CredentialsError)
    assert "aws sso login" in ours.hint
    assert isinstance(nobody.translate(raised(nobody.eks_token, cluster="x")), CredentialsError)


# --- what errors mean ---------------------------------------------------------------------------------------


def test_expired_and_denied(sandbox: AwsSandbox) -> None:
    sandbox.fault("expired", "aws.DescribeVpnGateways")
    error = raised(sandbox.aws.vpn_gateways)
    ours = aws_errors.translate(error, "work")
    assert isinstance(ours, CredentialsError)
    assert ours.hint == "Sign in again: aws sso login --profile work"
    assert ours.request_id
    sandbox.fault("denied", "aws.DescribeVpnGateways")
    ours = sandbox.aws.translate(raised(sandbox.aws.vpn_gateways))
    assert isinstance(ours, CredentialsError)
    assert "ec2:DescribeVpnGateways" in ours.detail
    assert "ec2:DescribeVpnGateways" in ours.hint


def test_wrong_secret(sandbox: AwsSandbox) -> None:
    import dataclasses

    assert sandbox.aws.endpoints is not None
    endpoints = dataclasses.replace(sandbox.aws.endpoints, aws_secret_key=Secret("wrong"))
    wrong = Aws(region=REGION, endpoints=endpoints, clock=SandboxTime(sandbox.context.clock))
    assert isinstance(wrong.translate(raised(wrong.account)), CredentialsError)


def test_unreachable(sandbox: AwsSandbox) -> None:
    import dataclasses

    assert sandbox.aws.endpoints is not None
    endpoints = dataclasses.replace(sandbox.aws.endpoints, aws_url="http://127.0.0.1:1")
    nowhere = Aws(region=REGION, endpoints=endpoints, clock=SandboxTime(sandbox.context.clock))
    error = raised(nowhere.ec2_once.create_vpn_gateway, Type="ipsec.1")
    assert isinstance(nowhere.translate(error), UnreachableError)
    assert nowhere.unknown_outcome(error)


def test_throttled_reads_are_repeated_and_creates_are_not(sandbox: AwsSandbox) -> None:
    sandbox.fault("throttled", "aws.DescribeVpnGateways")
    assert sandbox.aws.vpn_gateways()
    sandbox.fault("throttled", "aws.CreateVpnGateway")
    error = raised(sandbox.aws.ec2_once.create_vpn_gateway, Type="ipsec.1")
    assert sandbox.calls("CreateVpnGateway") == 1
    assert sandbox.aws.retryable(error)
    assert not sandbox.aws.unknown_outcome(error)


def test_a_quota_is_named(sandbox: AwsSandbox) -> None:
    for _ in range(4):  # somebody else has the fifth
        sandbox.aws.ec2.create_vpn_gateway(Type="ipsec.1")
    error = raised(sandbox.aws.ec2.create_vpn_gateway, Type="ipsec.1")
    ours = sandbox.aws.translate(error)
    assert isinstance(ours, CloudError)
    assert ours.code == "VpnGatewayLimitExceeded"
    assert "5 in a region" in ours.detail
    assert sandbox.aws.retryable(error) is None


def test_server_errors_of_writes_leave_the_outcome_open(sandbox: AwsSandbox) -> None:
    sandbox.fault("error", "aws.CreateVpnGateway")
    error = raised(sandbox.aws.ec2_once.create_vpn_gateway, Type="ipsec.1")
    assert sandbox.aws.unknown_outcome(error)
    assert isinstance(sandbox.aws.translate(error), UnreachableError)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("InvalidVpcState", ConflictError),
        ("InvalidCidr.InUse", ConflictError),
        ("ConflictingDomainExists", ConflictError),
        ("InvalidVpnConnectionID.NotFound", MissingError),
        ("NoSuchHostedZone", MissingError),
        ("LoadBalancerNotFound", MissingError),
        ("ExpiredTokenException", CredentialsError),
        ("UnrecognizedClientException", CredentialsError),
        ("LimitExceededException", CloudError),
        ("SomethingNew", CloudError),
    ],
)
def test_codes(code: str, kind: type[CloudError]) -> None:
    from botocore.exceptions import ClientError

    error = ClientError({"Error": {"Code": code, "Message": "words of AWS"}}, "DoIt")
    ours = aws_errors.translate(error)
    assert type(ours) is kind
    assert ours.code == code
    assert "words of AWS" in ours.detail
    assert "words of AWS" not in ours.summary
    assert not aws_errors.unknown_outcome(error)


def test_an_answer_that_cannot_be_parsed_is_not_shown() -> None:
    from botocore.parsers import ResponseParserError

    error = ResponseParserError("invalid XML received:\nb'<preSharedKey>hush</preSharedKey'")
    ours = aws_errors.translate(error)
    assert isinstance(ours, UnreachableError)
    assert "hush" not in f"{ours}{ours.hint}"
    assert aws_errors.unknown_outcome(error)


@pytest.mark.parametrize(
    ("service", "operation"), [("eks", "ListClusters"), ("route53resolver", "ListTagsForResource")]
)
def test_an_answer_that_is_not_text_is_not_shown_and_is_no_bug(service: str, operation: str) -> None:
    """botocore lets Python's own error through for the services that speak JSON."""
    import botocore.session
    from botocore.parsers import create_parser

    model = botocore.session.get_session().get_service_model(service)
    answer = {"status_code": 200, "headers": {}, "body": b"hush \xff\xfe"}
    shape = model.operation_model(operation).output_shape
    error = raised(lambda: create_parser(model.metadata["protocol"]).parse(answer, shape))
    ours = aws_errors.translate(error)
    assert isinstance(ours, UnreachableError)
    assert "hush" not in f"{ours}{ours.hint}"
    assert aws_errors.unknown_outcome(error)
    assert aws_errors.translate(raised(b"\xff".decode)) is None  # a file of ours


def test_what_is_not_amazons_stays_as_it_is() -> None:
    assert aws_errors.translate(KeyError("x")) is None
    assert aws_errors.retryable(KeyError("x")) is None
    assert not aws_errors.unknown_outcome(KeyError("x"))
    ours = MissingError("x")
    assert aws_errors.translate(ours) is ours


def test_a_gateway_that_is_not_known_yet_is_worth_another_try(sandbox: AwsSandbox) -> None:
    young = raised(sandbox.aws.ec2.attach_vpn_gateway, VpnGatewayId="vgw-0123456789abcdef0", VpcId=VPC)
    assert sandbox.aws.retryable(young)
    gone = raised(sandbox.aws.ec2.delete_vpn_gateway, VpnGatewayId="vgw-0123456789abcdef0")
    assert sandbox.aws.missing(gone)
    assert sandbox.aws.retryable(gone) is None


# --- answers ------------------------------------------------------------------------------------------------


def test_open_keys_are_taken_out() -> None:
    raw = {
        "CustomerGatewayConfiguration": "<pre_shared_key>hush</pre_shared_key>",
        "Options": {"TunnelOptions": [{"PreSharedKey": "hush", "TunnelInsideCidr": "169.254.21.0/30"}]},
    }
    clean = without_open_keys(raw)
    assert "hush" not in repr(clean)
    assert clean["Options"]["TunnelOptions"][0]["PreSharedKey"] == Secret("hush")
    assert without_open_keys({"State": "deleted"}) == {"State": "deleted"}


def test_a_stored_key_in_an_unknown_form_says_so(sandbox: AwsSandbox) -> None:
    class Odd:
        def get_secret_value(self, **_: Any) -> Any:
            return {"SecretString": '["hush"]'}

    sandbox.aws._clients["secretsmanager", False] = Odd()
    with pytest.raises(CloudError, match="Secrets Manager") as caught:
        sandbox.aws.stored_keys("arn:x")
    assert "hush" not in f"{caught.value}{caught.value.__context__}"


def test_reads_are_shared_until_something_is_written(sandbox: AwsSandbox) -> None:
    sandbox.aws.vpn_gateways()
    sandbox.aws.vpn_gateways()
    assert sandbox.calls("DescribeVpnGateways") == 1
    sandbox.aws.cache.invalidate("aws.vpn_gateways")
    sandbox.aws.vpn_gateways()
    assert sandbox.calls("DescribeVpnGateways") == 2


def test_things_that_are_not_there_are_none(sandbox: AwsSandbox) -> None:
    assert sandbox.aws.eks_cluster("nope") is None
    assert sandbox.aws.vpc("vpc-00000000000000000") is None
    assert sandbox.aws.vpc_attribute("vpc-00000000000000000", "enableDnsSupport") is None
    assert sandbox.aws.zone("Z0NOTHERE") is None
    assert sandbox.aws.records("Z0NOTHERE") == []
    assert sandbox.aws.load_balancer_addresses(()) == {}
