"""Every refusal says its real cause and the next command, for the bodies that the clouds document or people quote."""

from __future__ import annotations

import json
import socket
from email.utils import formatdate
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError, ProxyConnectionError, SSLError

from cloudlink.clouds.answers import ForeignAddress
from cloudlink.clouds.aws import errors as aws_errors
from cloudlink.clouds.azure import errors as azure_errors
from cloudlink.clouds.network import bypassed, explain, proxy_for
from cloudlink.errors import CloudlinkError


class Response:
    """What azure-core's errors read of a response."""

    reason = "x"

    def __init__(self, status: int, body: Any) -> None:
        self.status_code = status
        self.headers: dict[str, str] = {}
        self._body = body

    def json(self) -> Any:
        return self._body

    def text(self, *_: Any) -> str:
        return json.dumps(self._body)


def azure(status: int, code: str, message: str, **more: Any) -> CloudlinkError:
    response = Response(status, {"error": {"code": code, "message": message, **more}})
    kind = ClientAuthenticationError if status == 401 else HttpResponseError
    error = kind(message=f"({code}) {message}", response=response)  # type: ignore[arg-type]
    error.status_code = status
    found = azure_errors.translate(error, subscription="SUB", location="ukwest")
    assert found is not None
    return found


def aws(
    operation: str, code: str, message: str, status: int = 400, seconds_ahead: float | None = None
) -> CloudlinkError:
    import time

    headers = {} if seconds_ahead is None else {"date": formatdate(time.time() + seconds_ahead, usegmt=True)}
    metadata = {"HTTPStatusCode": status, "RequestId": "r", "HTTPHeaders": headers}
    error = ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, operation)  # type: ignore[typeddict-item]
    found = aws_errors.translate(error)
    assert found is not None
    return found


ISSUER = (
    "The access token is from the wrong issuer 'https://sts.windows.net/aaaaaaaa-0000-0000-0000-000000000001/'. It must "
    "match the tenant 'https://sts.windows.net/bbbbbbbb-0000-0000-0000-000000000002/' associated with this subscription."
)
LINKED = (
    "The client 'c' with object id 'o' has permission to perform action 'Microsoft.Network/virtualNetworkGateways/write' on "
    "scope 'a'; however, it does not have permission to perform action(s) "
    "'Microsoft.Network/virtualNetworks/subnets/join/action' on the linked scope(s) '/subscriptions/b/x' or the linked "
    "scope(s) are invalid."
)


@pytest.mark.parametrize(
    ("status", "code", "message", "exit_code", "summary", "hint"),
    [
        (401, "InvalidAuthenticationTokenTenant", ISSUER, 4, "another tenant", "az login --tenant bbbbbbbb-0000"),
        (
            401,
            "ExpiredAuthenticationToken",
            "The access token expiry UTC time 'x' is earlier",
            4,
            "clock",
            "set the clock",
        ),
        (403, "LinkedAuthorizationFailed", LINKED, 4, "linked object", "--scope /subscriptions/b/x"),
        (
            400,
            "LinkedAuthorizationFailed",
            "however the linked subscription b was not found.",
            4,
            "linked",
            "az account list",
        ),
        (
            409,
            "MissingSubscriptionRegistration",
            "The subscription is not registered to use namespace 'Microsoft.ContainerService'. See ...",
            5,
            "provider is not registered",
            "az provider register --namespace Microsoft.ContainerService --subscription SUB",
        ),
        (400, "SubscriptionNotRegistered", "x is not registered with NRP.", 5, "not registered", "Microsoft.Network"),
        (409, "ScopeLocked", "following scope(s) are locked: 'y'", 5, "lock", "az lock list"),
        (403, "RequestDisallowedByAzure", "not accepting new customers", 5, "region", "azure.location"),
        (400, "PublicIPCountLimitReached", "Cannot create more than 10", 5, "quota", "list-usages --location ukwest"),
        (400, "LocationNotSupportAvailabilityZones", "x", 5, "zones", "azure.vpn_gateway.zones"),
        (400, "VirtualNetworkGatewayAsnCannotBe65515", "x", 5, "65515", "azure.vpn_gateway.asn"),
        (400, "NoRegisteredProviderFound", "The supported api-versions are '2024-05-01'", 5, "version", "azure.cloud"),
        (404, "InvalidResourceType", "for api version '2026-03-01'", 5, "version", "azure.cloud"),
        (400, "RemoteVnetHasNoGateways", "x", 5, "hub", "gateway"),
        (400, "RemotePeeringIsDisconnected", "x", 5, "peering", "peering list"),
        (400, "NetworkSecurityGroupCannotBeAttachedToGatewaySubnet", "x", 5, "GatewaySubnet", "exclude"),
        (409, "ParentResourceIsInFailedState", "x", 5, "failed state", "update"),
        (403, "ReadOnlyDisabledSubscription", "x", 5, "disabled", "az account list"),
        (404, "SubscriptionNotFound", "x", 5, "subscription", "az account list"),
        (400, "StaticPublicIPCountLimitReached", "x", 5, "quota", "list-usages"),
    ],
)
def test_azures_refusals(status: int, code: str, message: str, exit_code: int, summary: str, hint: str) -> None:
    error = azure(status, code, message)
    assert error.exit_code == exit_code
    assert summary in error.summary
    assert hint in error.hint
    assert code in error.detail or message in error.detail


def test_the_action_that_is_missing_and_not_the_one_that_is_there() -> None:
    error = azure(403, "LinkedAuthorizationFailed", LINKED)
    assert error.detail.startswith("The action Microsoft.Network/virtualNetworks/subnets/join/action is missing on")


def test_a_permission_on_the_scope_that_azure_names() -> None:
    message = (
        "The client 'u' does not have authorization to perform action 'Microsoft.Network/virtualNetworks/read' over scope "
        "'/subscriptions/x/resourceGroups/y' or the scope is invalid."
    )
    error = azure(403, "AuthorizationFailed", message)
    assert "allows Microsoft.Network/virtualNetworks/read on /subscriptions/x/resourceGroups/y" in error.hint


def test_a_policy_is_named_with_what_it_wants() -> None:
    info = {
        "policyDefinitionDisplayName": "Require a tag",
        "policyAssignmentDisplayName": "Tags for all",
        "policyAssignmentScope": "/providers/Microsoft.Management/managementGroups/corp",
        "evaluationDetails": {
            "evaluatedExpressions": [
                {"result": "True", "expression": "tags[CostCenter]", "operator": "Exists", "targetValue": "false"}
            ]
        },
    }
    more = [{"type": "PolicyViolation", "info": info}]
    error = azure(403, "RequestDisallowedByPolicy", "Resource 'p' was disallowed by policy.", additionalInfo=more)
    assert "The policy 'Require a tag', assigned as 'Tags for all'" in error.detail
    assert "tags[CostCenter] is missing" in error.detail
    assert "[tags]" in error.hint
    nested = azure(
        400,
        "InvalidTemplateDeployment",
        "The template deployment failed.",
        details=[{"code": "RequestDisallowedByPolicy", "message": "m", "additionalInfo": more}],
    )
    assert nested.summary == error.summary and "Require a tag" in nested.detail


@pytest.mark.parametrize("more", [[{}], "x", [{"info": 5}], [{"info": {"evaluationDetails": "x"}}]])
def test_a_policys_answer_of_another_shape(more: Any) -> None:
    assert "policy" in azure(403, "RequestDisallowedByPolicy", "m", additionalInfo=more).summary


# --- signing in to Azure ------------------------------------------------------------------------------------

CHAIN = "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n"
NOT_SET_UP = (
    "\tEnvironmentCredential: EnvironmentCredential authentication unavailable. Environment variables are not fully "
    "configured.\nVisit https://aka.ms/azsdk/python/identity/environmentcredential/troubleshoot to troubleshoot this issue.\n"
    "\tManagedIdentityCredential: ManagedIdentityCredential authentication unavailable, no response from the IMDS endpoint.\n"
)
TAIL = "\nTo mitigate this issue, please refer to the troubleshooting guidelines here at https://aka.ms/x."


@pytest.mark.parametrize(
    ("reason", "said", "hint"),
    [
        ("AzureCliCredential: Failed to invoke the Azure CLI", "within 90 seconds", "az account get-access-token"),
        (
            "AzureCliCredential: ERROR: [Errno 13] Permission denied: '/home/me/.azure/msal_token_cache.json'",
            "Permission denied",
            "ls -l ~/.azure",
        ),
        ("AzureCliCredential: ERROR: SSLError(... CERTIFICATE_VERIFY_FAILED ...)", "CERTIFICATE", "REQUESTS_CA_BUNDLE"),
        ("AzureCliCredential: AADSTS50076: Due to a configuration change", "AADSTS50076", "az login"),
        ("AzureCliCredential: AADSTS53003: Access has been blocked", "AADSTS53003", "which condition"),
        ("AzureCliCredential: AADSTS700082: The refresh token has expired", "AADSTS700082", "az login"),
        ("AzureCliCredential: AADSTS70043: The refresh token has expired", "AADSTS70043", "az login"),
        ("EnvironmentCredential: Authentication failed: AADSTS7000222: expired", "7000222", "unset it to use az login"),
        (
            "EnvironmentCredential: Authentication failed: AADSTS7000215: Invalid",
            "7000215",
            "unset AZURE_CLIENT_SECRET",
        ),
        ("AzureCliCredential: Azure CLI not found on path", "Neither the environment", "az login"),
        ("AzureCliCredential: Please run 'az login' to set up an account", "Neither the environment", "az login"),
        ("AzureCliCredential: AADSTS50020: User account", "AADSTS50020", "guest"),
        ("AzureCliCredential: AADSTS90002: Tenant 'x' not found", "AADSTS90002", "azure.tenant"),
    ],
)
def test_the_reason_that_the_sdk_gave_is_shown_with_what_mends_it(reason: str, said: str, hint: str) -> None:
    error = azure_errors.translate(ClientAuthenticationError(message=CHAIN + NOT_SET_UP + f"\t{reason}" + TAIL))
    assert error is not None and error.exit_code == 4
    assert said in error.detail and hint in error.hint
    assert "ManagedIdentity" not in error.detail and "aka.ms" not in error.detail


# --- AWS ----------------------------------------------------------------------------------------------------

WHO = "User: arn:aws:sts::123456789012:assumed-role/dev/me is not authorized to perform: ec2:CreateVpnGateway on resource: r"


@pytest.mark.parametrize(
    ("operation", "code", "message", "exit_code", "summary", "hint"),
    [
        (
            "X",
            "UnauthorizedOperation",
            f"{WHO} with an explicit deny in a service control policy",
            4,
            "organization",
            "organization's",
        ),
        (
            "X",
            "AccessDenied",
            f"{WHO} because no service control policy allows the x action",
            4,
            "organization",
            "organization's",
        ),
        ("X", "AccessDenied", f"{WHO} with an explicit deny in a permissions boundary", 4, "boundary", "boundary"),
        ("X", "AccessDenied", f"{WHO} because no permissions boundary allows the x action", 4, "boundary", "boundary"),
        ("X", "AccessDenied", f"{WHO} because no session policy allows the x action", 4, "session", "session policy"),
        ("X", "AccessDenied", f"{WHO} with an explicit deny in a VPC endpoint policy", 4, "VPC endpoint", "endpoint"),
        (
            "X",
            "AccessDenied",
            f"{WHO} with an explicit deny in an identity-based policy",
            4,
            "A policy",
            "statement that denies",
        ),
        (
            "X",
            "AccessDenied",
            f"{WHO} because no identity-based policy allows it",
            4,
            "permission is missing",
            "allow ec2:Create",
        ),
        (
            "X",
            "UnauthorizedOperation",
            "You are not authorized. Encoded authorization failure message: AbCdEf0123456789",
            4,
            "permission",
            "decode-authorization-message --encoded-message AbCdEf0123456789",
        ),
        (
            "X",
            "SignatureDoesNotMatch",
            "Signature expired: 20261127T050000Z is now earlier than y",
            4,
            "clock",
            "Set the clock",
        ),
        (
            "X",
            "InvalidSignatureException",
            "Signature not yet current: x is still later than y",
            4,
            "clock",
            "Set the clock",
        ),
        ("X", "RequestExpired", "Request has expired.", 4, "expired", "aws sso login"),
        (
            "X",
            "AuthFailure",
            "not able to validate the provided access credentials",
            4,
            "credentials",
            "describe-regions",
        ),
        ("X", "UnrecognizedClientException", "The security token is invalid.", 4, "credentials", "describe-regions"),
        ("X", "OptInRequired", "You are not subscribed to this service.", 5, "not signed up", "enable the region"),
        ("X", "PendingVerification", "x", 5, "checking this account", "four hours"),
        ("X", "Blocked", "x", 5, "blocked", "support"),
        ("X", "TagPolicyViolation", "x", 5, "tag policy", "[tags]"),
        ("X", "InsufficientCapacity", "x", 5, "capacity", "again"),
        ("X", "VpnConnectionLimitExceeded", "x", 5, "quota", "servicequotas"),
        ("X", "LimitExceededException", "[RSLVR-00309] has exceeded 'max-endpoints'", 5, "quota", "servicequotas"),
        ("X", "NotAuthorizedException", "x", 5, "another account", "create-vpc-association-authorization"),
        ("X", "InvalidVPCId", "not authorized to make the association", 5, "this account", "owner"),
    ],
)
def test_awss_refusals(operation: str, code: str, message: str, exit_code: int, summary: str, hint: str) -> None:
    error = aws(operation, code, message)
    assert (error.exit_code, error.code) == (exit_code, code)
    assert summary in error.summary
    assert hint in error.hint


def test_a_wrong_clock_is_told_by_the_date_of_the_answer() -> None:
    error = aws("X", "SignatureDoesNotMatch", "The request signature does not match", 403, seconds_ahead=20 * 60)
    assert error.summary == "This machine's clock is wrong"
    assert "20 minutes behind AWS's" in error.detail
    assert "clock" not in aws("X", "SignatureDoesNotMatch", "does not match", 403, seconds_ahead=20).summary


def test_a_quota_is_not_called_again() -> None:
    error = ClientError({"Error": {"Code": "LimitExceededException", "Message": "m"}}, "CreateResolverEndpoint")
    assert aws_errors.retryable(error) is None


def test_what_the_session_refuses_is_not_hidden_by_botocores_wrapping() -> None:
    inner = ForeignAddress("A cloud's answer is a redirect")
    assert aws_errors.translate(HTTPClientError(error=inner)) is inner


# --- the network between ------------------------------------------------------------------------------------

DEAD = {"HTTPS_PROXY": "http://me:secret@127.0.0.1:9"}


def os_error(text: str) -> OSError:
    return OSError(111, text)


@pytest.mark.parametrize(
    ("error", "environ", "summary", "said", "hint"),
    [
        (
            ProxyConnectionError(proxy_url="http://127.0.0.1:9", error=os_error("Connection refused")),
            DEAD,
            "The proxy does not answer",
            "HTTPS_PROXY (http://127.0.0.1:9)",
            "NO_PROXY",
        ),
        (
            ServiceRequestError(
                "HTTPSConnectionPool(host='management.azure.com', port=443): Unable to connect to proxy"
            ),
            {"ALL_PROXY": "http://127.0.0.1:9"},
            "The proxy does not answer",
            "ALL_PROXY (http://127.0.0.1:9)",
            "NO_PROXY",
        ),
        (
            ProxyConnectionError(proxy_url="http://socks5h://p:1080", error=os_error("x")),
            {"HTTPS_PROXY": "socks5h://p:1080"},
            "A SOCKS proxy cannot be used",
            "socks5h://p:1080",
            "http://HOST:PORT",
        ),
        (
            HTTPClientError(error="Tunnel connection failed: 407 Proxy Authentication Required"),
            DEAD,
            "The proxy wants a sign-in",
            "407",
            "USER:PASSWORD",
        ),
        (
            SSLError(
                endpoint_url="https://ec2.eu-central-1.amazonaws.com",
                error="[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in chain (_ssl.c)",
            ),
            DEAD,
            "A certificate was not issued",
            "ec2.eu-central-1.amazonaws.com",
            "AWS_CA_BUNDLE",
        ),
        (
            EndpointConnectionError(
                endpoint_url="https://ec2.x.amazonaws.com", error=socket.gaierror(-2, "Name or service not known")
            ),
            {},
            "A name does not resolve",
            "ec2.x.amazonaws.com",
            "DNS",
        ),
    ],
)
def test_what_is_between_us_and_the_cloud_is_named(
    error: Exception, environ: dict[str, str], summary: str, said: str, hint: str
) -> None:
    found = explain(error, "AWS", environ)
    assert found is not None
    assert summary in found.summary and said in found.detail and hint in found.hint
    assert "secret" not in found.detail


@pytest.mark.parametrize(
    ("host", "no_proxy", "is_bypassed"),
    [
        ("ec2.amazonaws.com", ".amazonaws.com", True),
        ("ec2.amazonaws.com", "amazonaws.com", True),
        ("notamazonaws.com", "amazonaws.com", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("x", "*", True),
        ("x", "", False),
    ],
)
def test_no_proxy(host: str, no_proxy: str, is_bypassed: bool) -> None:
    assert bypassed(host, {"NO_PROXY": no_proxy}) is is_bypassed
    url = f"https://{host}/"
    assert (proxy_for(url, {**DEAD, "NO_PROXY": no_proxy}) == "") is is_bypassed


def test_loopback_is_never_behind_a_proxy() -> None:
    assert proxy_for("https://127.0.0.1:1", DEAD) == ""
