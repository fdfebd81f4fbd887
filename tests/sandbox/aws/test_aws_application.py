"""The application around the services: callers, faults, the journal, tokens, snapshots, start-up."""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.session
import pytest
from aws_account import REGION, VPC, Account, Gateways, refused
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.parsers import ResponseParserError
from botocore.signers import RequestSigner

from cloudlink_sandbox.faults import Fault

FIRST_CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "ec2": ("describe_vpn_gateways", {}),
    "sts": ("get_caller_identity", {}),
    "elbv2": ("describe_load_balancers", {}),
    "route53": ("list_hosted_zones", {}),
    "route53resolver": ("list_resolver_endpoints", {}),
    "eks": ("list_clusters", {}),
    "secretsmanager": ("list_secrets", {}),
}

WORDS: dict[str, dict[str, tuple[str, int]]] = {
    "unknown": {
        "ec2": ("AuthFailure", 401), "sts": ("InvalidClientTokenId", 403), "elbv2": ("InvalidClientTokenId", 403),
        "route53": ("InvalidClientTokenId", 403), "route53resolver": ("UnrecognizedClientException", 400),
        "eks": ("UnrecognizedClientException", 403), "secretsmanager": ("UnrecognizedClientException", 400),
    },
    "signature": {
        "ec2": ("AuthFailure", 401), "sts": ("SignatureDoesNotMatch", 403), "elbv2": ("SignatureDoesNotMatch", 403),
        "route53": ("SignatureDoesNotMatch", 403), "route53resolver": ("InvalidSignatureException", 400),
        "eks": ("InvalidSignatureException", 403), "secretsmanager": ("InvalidSignatureException", 400),
    },
    "throttled": {
        "ec2": ("RequestLimitExceeded", 503), "sts": ("Throttling", 400), "elbv2": ("Throttling", 400),
        "route53": ("Throttling", 400), "route53resolver": ("ThrottlingException", 400),
        "eks": ("ThrottlingException", 429), "secretsmanager": ("ThrottlingException", 400),
    },
    "expired": {
        "ec2": ("RequestExpired", 400), "sts": ("ExpiredToken", 403), "elbv2": ("ExpiredToken", 403),
        "route53": ("ExpiredToken", 403), "route53resolver": ("ExpiredTokenException", 400),
        "eks": ("ExpiredTokenException", 403), "secretsmanager": ("ExpiredTokenException", 400),
    },
    "denied": {
        "ec2": ("UnauthorizedOperation", 403), "sts": ("AccessDenied", 403), "elbv2": ("AccessDenied", 403),
        "route53": ("AccessDenied", 403), "route53resolver": ("AccessDeniedException", 400),
        "eks": ("AccessDeniedException", 403), "secretsmanager": ("AccessDeniedException", 400),
    },
    "error": {
        "ec2": ("InternalError", 500), "sts": ("InternalFailure", 500), "elbv2": ("InternalFailure", 500),
        "route53": ("ServiceUnavailable", 503), "route53resolver": ("InternalServiceErrorException", 500),
        "eks": ("ServerException", 500), "secretsmanager": ("InternalServiceErrorException", 500),
    },
}  # fmt: skip


@pytest.mark.documentation(
    "Unknown keys, wrong signatures, expired credentials, missing permissions and throttling are refused with each service's own code"
)
@pytest.mark.belief("The statuses of those refusals, where a service documents the code alone")
@pytest.mark.parametrize("service", FIRST_CALLS)
@pytest.mark.parametrize("kind", WORDS)
def test_each_protocol_has_its_own_words(account: Account, service: str, kind: str) -> None:
    name, arguments = FIRST_CALLS[service]
    keys: dict[str, str] = {}
    if kind == "unknown":
        keys["aws_access_key_id"] = "AKIANOBODY"
    elif kind == "signature":
        keys["aws_secret_access_key"] = "wrong"
    else:
        account.context.faults.add(Fault(kind, "aws.*"))
    code, status = WORDS[kind][service]
    refused(code, status, getattr(account.client(service, **keys), name), **arguments)
    getattr(account.client(service), name)(**arguments)


@pytest.mark.program("boto3's own retries get through a throttled call")
def test_boto_gets_through_a_throttle(account: Account) -> None:
    account.context.faults.add(Fault("throttled", "aws.DescribeVpnGateways"))
    assert account.client("ec2", attempts=3).describe_vpn_gateways()["VpnGateways"] == []
    assert [c.status for c in account.context.journal.calls()] == [503, 200]


@pytest.mark.own("A fault cuts the connection before the call has its effect, or after")
def test_cut_before_and_after_the_effect(account: Account) -> None:
    ec2 = account.client("ec2")
    for kind, gateways in (("cut-before", 0), ("cut-after", 1)):
        account.context.faults.add(Fault(kind, "aws.CreateVpnGateway"))
        with pytest.raises(ConnectionClosedError):
            ec2.create_vpn_gateway(Type="ipsec.1")
        assert len(ec2.describe_vpn_gateways()["VpnGateways"]) == gateways


@pytest.mark.own("A fault makes an answer unreadable though the call had its effect")
def test_garbage_has_its_effect(account: Account) -> None:
    ec2 = account.client("ec2")
    account.context.faults.add(Fault("garbage", "aws.CreateVpnGateway"))
    with pytest.raises(ResponseParserError):
        ec2.create_vpn_gateway(Type="ipsec.1")
    assert len(ec2.describe_vpn_gateways()["VpnGateways"]) == 1


@pytest.mark.own("A fault lets the operation that a call starts fail, or never end")
@pytest.mark.documentation(
    "A Resolver endpoint that lost an address on the way shows ACTION_NEEDED, and the address FAILED_CREATION"
)
def test_operations_that_fail_or_hang(seeded: Account) -> None:
    gateways, faults, ec2 = Gateways.of(seeded), seeded.context.faults, seeded.client("ec2")
    faults.add(Fault("operation-fails", "aws.CreateVpnConnection"))
    gateways.connection({"TunnelInsideCidr": "169.254.21.0/30"})
    faults.add(Fault("operation-hangs", f"aws.{REGION}.CreateVpnConnection"))
    gateways.connection({"TunnelInsideCidr": "169.254.30.0/30"})
    seeded.later(1000)
    states = {c["State"] for c in ec2.describe_vpn_connections()["VpnConnections"]}
    assert states == {"deleted", "pending"}
    faults.add(Fault("operation-fails", "aws.CreateResolverEndpoint"))
    group = ec2.create_security_group(GroupName="cl", Description="d", VpcId=VPC)["GroupId"]
    subnets = seeded.client("eks").describe_cluster(name="prod")["cluster"]["resourcesVpcConfig"]["subnetIds"]
    resolver = seeded.client("route53resolver")
    made = resolver.create_resolver_endpoint(
        CreatorRequestId="x",
        Direction="INBOUND",
        SecurityGroupIds=[group],
        IpAddresses=[{"SubnetId": s} for s in subnets],
    )["ResolverEndpoint"]
    seeded.later(100)
    seen = resolver.get_resolver_endpoint(ResolverEndpointId=made["Id"])["ResolverEndpoint"]
    assert seen["Status"] == "ACTION_NEEDED"
    ips = resolver.list_resolver_endpoint_ip_addresses(ResolverEndpointId=made["Id"])["IpAddresses"]
    assert sorted(i["Status"] for i in ips) == ["ATTACHED", "ATTACHED", "FAILED_CREATION"]


@pytest.mark.own("The journal tells each call's name, target, status and whether it writes, and no secret")
def test_journal(seeded: Account) -> None:
    gateways = Gateways.of(seeded)
    seeded.client("ec2").describe_vpn_gateways(VpnGatewayIds=[gateways.vgw])
    seeded.client("eks").describe_cluster(name="prod")
    seeded.client("route53").list_hosted_zones()
    gateways.connection({"PreSharedKey": "a.very.secret.key"})
    calls = seeded.context.journal.calls()
    assert [(c.operation, c.target, c.status, c.writes) for c in calls][:6] == [
        ("CreateVpnGateway", gateways.vgw, 200, True),
        ("AttachVpnGateway", gateways.vgw, 200, True),
        ("CreateCustomerGateway", gateways.cgw, 200, True),
        ("DescribeVpnGateways", gateways.vgw, 200, False),
        ("DescribeCluster", "prod", 200, False),
        ("ListHostedZones", "", 200, False),
    ]
    assert "secret" not in repr(calls)


@pytest.mark.own("Forty creates by eight callers at once make forty objects")
def test_many_callers_at_once(account: Account) -> None:
    ec2 = account.client("ec2")

    def make(number: int) -> str:
        made = ec2.create_customer_gateway(Type="ipsec.1", IpAddress=f"20.0.3.{number}", BgpAsn=65_515)
        ec2.describe_customer_gateways()
        return str(made["CustomerGateway"]["CustomerGatewayId"])

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(make, range(40)))
    seen = {g["CustomerGatewayId"] for g in ec2.describe_customer_gateways()["CustomerGateways"]}
    assert seen == ids
    assert len(ids) == 40
    assert account.context.journal.json()["writes"] == 40


def presigned(account: Account, cluster: str, **changes: Any) -> str:
    session = botocore.session.get_session()
    session.set_credentials(
        changes.get("key", account.cloud.access_key), changes.get("secret", account.cloud.secret_key)
    )
    signer = RequestSigner(
        session.get_service_model("sts").service_id,
        REGION,
        "sts",
        "v4",
        session.get_credentials(),
        session.get_component("event_emitter"),
    )
    request = {
        "method": "GET",
        "url": f"{changes.get('url', account.url)}/?Action={changes.get('action', 'GetCallerIdentity')}&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster},
        "context": {},
    }
    return str(signer.generate_presigned_url(request, region_name=REGION, expires_in=60, operation_name=""))


def token(url: str) -> str:
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


@pytest.mark.documentation(
    "EKS's token is a presigned GetCallerIdentity for one cluster and sixty seconds; changed anywhere it opens nothing"
)
def test_tokens_for_eks(seeded: Account) -> None:
    identify = seeded.cloud.identity_of_token
    assert identify(token(presigned(seeded, "prod"))) == seeded.cloud.principal
    real = f"https://sts.{REGION}.amazonaws.com"
    assert identify(token(presigned(seeded, "prod", url=real))) == seeded.cloud.principal
    for bad in (
        presigned(seeded, "another-cluster"),
        presigned(seeded, "prod", secret="wrong"),
        presigned(seeded, "prod", key="AKIANOBODY"),
        presigned(seeded, "prod", action="GetSessionToken"),
        presigned(seeded, "prod", url="https://evil.example"),
        presigned(seeded, "prod").replace("X-Amz-Expires=60", "X-Amz-Expires=61"),
        presigned(seeded, "prod").replace("X-Amz-Date=20", "X-Amz-Date=19"),
    ):
        assert identify(token(bad)) is None, bad
    assert identify("k8s-aws-v1.!!") is None
    assert identify("Bearer x") is None


@pytest.mark.documentation("A presigned GetCallerIdentity is answered, with the signed cluster's name and no other")
def test_a_presigned_identity_call_reaches_sts(seeded: Account) -> None:
    request = urllib.request.Request(presigned(seeded, "prod"), headers={"x-k8s-aws-id": "prod"})
    with urllib.request.urlopen(request) as answer:
        assert seeded.cloud.principal in answer.read().decode()
    other = urllib.request.Request(presigned(seeded, "prod"), headers={"x-k8s-aws-id": "another"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(other)
    assert caught.value.code == 403


@pytest.mark.documentation("A request without a signature gets 403")
@pytest.mark.own("A service that is not modelled is refused by name")
def test_unsigned_and_unmodelled_services(account: Account) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(account.url + "/")
    assert caught.value.code == 403
    with pytest.raises(ClientError, match="does not model the service sqs"):
        account.client("sqs").list_queues()


@pytest.mark.own("A service that is not modelled is refused in the protocol that its client speaks")
@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("iam", "get_user", "InvalidAction"),
        ("sqs", "list_queues", "UnknownOperationException"),
        ("networkmanager", "list_core_networks", "UnknownOperationException"),
        ("s3", "list_buckets", "NotImplemented"),
    ],
)
def test_services_that_are_not_modelled(account: Account, service: str, operation: str, code: str) -> None:
    with pytest.raises(ClientError, match="does not model") as refused:
        getattr(account.client(service), operation)()
    assert refused.value.response["Error"]["Code"] == code


@pytest.mark.own("The account is 123456789012, the caller its user cloudlink")
def test_identity(account: Account) -> None:
    who = account.client("sts").get_caller_identity()
    assert (who["Account"], who["Arn"]) == ("123456789012", "arn:aws:iam::123456789012:user/cloudlink")


@pytest.mark.own(
    "All of AWS can be saved and restored elsewhere, without a tie to the first; what another moto saved is refused"
)
def test_snapshot_and_restore(seeded: Account, make_account: Callable[[], Account]) -> None:
    gateways = Gateways.of(seeded)
    vpn = gateways.connection({"PreSharedKey": "abcdefgh.1"})["VpnConnectionId"]
    seeded.client("route53").create_hosted_zone(
        Name="corp.example", CallerReference="x", VPC={"VPCId": VPC, "VPCRegion": REGION}
    )
    before = seeded.cloud.facts()
    saved = pickle.loads(pickle.dumps(seeded.cloud.snapshot()))
    other = make_account()
    assert other.client("ec2").describe_vpn_connections()["VpnConnections"] == []
    other.later(seeded.cloud.now - other.cloud.now)
    other.cloud.restore(saved)
    assert other.cloud.facts() == before
    other.client("ec2").delete_vpn_connection(VpnConnectionId=vpn)
    other.later(100)
    assert other.cloud.facts().tunnels == ()
    assert len(seeded.cloud.facts().tunnels) == 2  # the first cloud is untouched
    with pytest.raises(ValueError, match="cannot be restored"):
        other.cloud.restore(saved | {"moto": "4.0"})


@pytest.mark.own("Two sandboxes in one process share nothing")
def test_two_clouds_do_not_mix(make_account: Callable[[], Account]) -> None:
    first = make_account()
    first.client("ec2").create_vpn_gateway(Type="ipsec.1")
    second = make_account()
    assert second.client("ec2").describe_vpn_gateways()["VpnGateways"] == []
    assert len([g for n in first.cloud.networks() for g in n.vpn_gateways]) == 1


@pytest.mark.documentation("An object is seen in its own region alone")
def test_regions_are_apart(account: Account) -> None:
    account.client("ec2").create_vpn_gateway(Type="ipsec.1")
    assert account.client("ec2", region="us-east-1").describe_vpn_gateways()["VpnGateways"] == []


@pytest.mark.own("Import and first store take at most 8 s of processor time and 180 MB")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_start_up_is_light() -> None:
    """Import and first store in a fresh interpreter: generous bounds for a busy machine, tight enough for a slip."""
    code = """
import re, time
begun = time.process_time()
from cloudlink_sandbox.aws.cloud import AwsCloud
from moto.ec2.models import ec2_backends
ec2_backends["123456789012"]["eu-central-1"]
print(time.process_time() - begun, int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024)
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    seconds, megabytes = map(float, out.split())
    assert seconds < 8
    assert megabytes < 180


@pytest.mark.model(
    "What the service's model does not have is no operation, whatever the sandbox's own methods are called"
)
@pytest.mark.parametrize("action", ["Given", "CallAction", "ByMoto", "Outcome", "Dispatch"])
def test_a_method_of_the_sandbox_is_no_operation(account: Account, action: str) -> None:
    ec2 = account.client("ec2")
    event = "before-call.ec2.DescribeVpcs"

    def another(params: dict[str, Any], **_: Any) -> None:
        params["body"]["Action"] = action

    ec2.meta.events.register(event, another)
    try:
        refused("InvalidAction", 400, ec2.describe_vpcs)
    finally:
        ec2.meta.events.unregister(event, another)
