"""Every refusal says its real cause and the next command, for the bodies that the clouds document or people quote."""

from __future__ import annotations

import json
import socket
from email.utils import formatdate
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    ProfileNotFound,
    ProxyConnectionError,
    SSLError,
)
from urllib3.exceptions import MaxRetryError, NameResolutionError, ProtocolError
from urllib3.exceptions import SSLError as UrllibSslError

from cloudlink.clouds.answers import ForeignAddress
from cloudlink.clouds.aws import errors as aws_errors
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure import errors as azure_errors
from cloudlink.clouds.azure.transport import transport as azure_transport
from cloudlink.clouds.cache import ReadCache
from cloudlink.clouds.kube import errors as kube_errors
from cloudlink.clouds.kube.access import Access, eks_access
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.network import bypassed, explain, proxy_for
from cloudlink.core.polling import WallClock
from cloudlink.errors import CloudlinkError, NoContactError
from cloudlink_sandbox.tls import Authority
from tests.clouds.hostile_peer import peer, plain


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
            "az provider register --subscription SUB --namespace Microsoft.ContainerService",
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


@pytest.mark.parametrize(
    ("action", "role"),
    [
        ("Microsoft.ContainerService/managedClusters/listClusterUserCredential/action", "Cluster User Role"),
        ("Microsoft.ContainerService/managedClusters/write", "Contributor"),
        ("Microsoft.Resources/subscriptions/resourceGroups/write", "Contributor"),
        ("Microsoft.Insights/diagnosticSettings/write", "Monitoring Contributor"),
        ("Microsoft.Insights/eventtypes/values/read", "Reader"),
        ("Microsoft.Authorization/roleAssignments/write", "User Access Administrator"),
        ("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write", "Storage Blob Data Contributor"),
        ("Microsoft.Network/publicIPAddresses/write", "Network Contributor"),
    ],
)
def test_the_role_to_ask_for_has_the_action(action: str, role: str) -> None:
    of = f"The client 'u' with object id 'o' does not have authorization to perform action '{action}' over scope '/s'."
    assert f"{role}, or activate" in azure(403, "AuthorizationFailed", of).hint
    linked = LINKED.replace("Microsoft.Network/virtualNetworks/subnets/join/action", action)
    assert f"{role}' --scope" in azure(403, "LinkedAuthorizationFailed", linked).hint


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
    assert 'The policy "Require a tag" (assignment "Tags for all"' in error.detail
    assert "the tag CostCenter must be there" in error.detail
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
            "AzureCliCredential: ERROR: [Errno 13] Permission denied: '~/.azure/msal_token_cache.json'",
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


RETRIES = "AzureCliCredential: ERROR: HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Max retries exceeded with url: /t/v2.0/token (Caused by {})"


@pytest.mark.parametrize(
    ("cause", "summary", "said"),
    [
        (
            "ProxyError('Unable to connect to proxy', NewConnectionError('<x>: [Errno 111] Connection refused'))",
            "The proxy does not answer",
            "Connection refused",
        ),
        (
            "ProxyError('Unable to connect to proxy', OSError('Tunnel connection failed: 407 Proxy Authentication Required'))",
            "The proxy wants a sign-in of its own",
            "407",
        ),
        (
            "ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 503 Service Unavailable'))",
            "The proxy refuses the connection",
            "503 Service Unavailable",
        ),
        (
            "ProxyError('Unable to connect to proxy', OSError('Tunnel connection failed: 403 Forbidden'))",
            "The proxy refuses the connection",
            "403 Forbidden",
        ),
        (
            "NameResolutionError(\"Failed to resolve 'x.com' ([Errno -3] Temporary failure in name resolution)\")",
            "A name does not resolve",
            "Temporary failure in name resolution",
        ),
        (
            "NewConnectionError('<x>: Failed to establish a new connection: [Errno 101] Network is unreachable')",
            "Microsoft Entra cannot be reached",
            "Network is unreachable",
        ),
    ],
)
def test_az_that_cannot_reach_entra_wants_no_other_sign_in(
    cause: str, summary: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    text = CHAIN + NOT_SET_UP + "\t" + RETRIES.format(cause) + TAIL
    error = azure_errors.translate(ClientAuthenticationError(message=text))
    assert error is not None and error.summary == summary and said in error.detail
    assert isinstance(error, NoContactError) and error.exit_code == 5 and "az login" not in error.hint


def test_az_that_is_not_installed() -> None:
    """``az login`` alone would end with "command not found"."""
    text = CHAIN + NOT_SET_UP + "\tAzureCliCredential: Azure CLI not found on path" + TAIL
    error = azure_errors.translate(ClientAuthenticationError(message=text))
    assert error is not None and "not installed" in error.detail
    assert "https://aka.ms/install-azcli" in error.hint and "AZURE_CLIENT_ID" in error.hint
    signed_out = azure_errors.translate(
        ClientAuthenticationError(message=CHAIN + NOT_SET_UP + "\tAzureCliCredential: Please run 'az login'" + TAIL)
    )
    assert signed_out is not None and signed_out.hint == "az login"


def test_az_that_does_not_start() -> None:
    text = "\tAzureCliCredential: Traceback (most recent call last): ModuleNotFoundError: No module named 'azure.cli'"
    error = azure_errors.translate(ClientAuthenticationError(message=CHAIN + NOT_SET_UP + text + TAIL))
    assert error is not None and "broken" in error.summary and "az version" in error.hint


def test_a_proxy_that_lets_nobody_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy.example:3128")
    inner = ProxyConnectionError(
        proxy_url="http://proxy.example:3128", error=OSError("Tunnel connection failed: 403 Forbidden")
    )
    error = aws_errors.translate(inner)
    assert error is not None and error.summary == "The proxy refuses the connection"
    assert "403 Forbidden" in error.detail and "secret" not in f"{error.detail}{error.hint}"


PAGE = "<html><body>Blocked by the company's policy</body></html>"


@pytest.mark.parametrize("status", [403, 407, 503, 511])
def test_a_page_in_a_clouds_place_is_no_refusal_of_the_clouds(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cloud says a code of its own: neither a permission is missing then, nor is the cloud ill."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    ours = aws("DescribeVpcs", str(status), "Forbidden", status)

    response = Response(status, None)
    error = HttpResponseError(message=PAGE, response=response)  # type: ignore[arg-type]
    error.status_code = status
    theirs = azure_errors.translate(error)
    for found in (ours, theirs):
        assert isinstance(found, NoContactError) and found.exit_code == 5
        assert "answered in its place" in found.summary and "proxy.example" in found.detail
    assert aws("DescribeVpcs", "UnauthorizedOperation", "no", 403).exit_code == 4
    assert azure(403, "AuthorizationFailed", "no").exit_code == 4


FORMS_OF_AWS = [
    (
        "CreateTags",
        "InvalidParameterValue",
        "For 'Name', use the capitalization specified by the tag policy.",
        "tag policy",
    ),
    ("CreateRoute", "RouteAlreadyExists", "x", "exists in AWS already"),
    ("CreateLogGroup", "ResourceAlreadyExistsException", "x", "exists in AWS already"),
    ("DeleteVpnGateway", "DependencyViolation", "x", "still uses the object"),
    ("DeleteHostedZone", "HostedZoneNotEmpty", "x", "still uses the object"),
    ("DeleteCustomerGateway", "IncorrectState", "The customer gateway is in use.", "still uses the object"),
    ("CreateLogGroup", "OperationAbortedException", "x", "Another change is under way"),
    ("ModifyManagedPrefixList", "PrefixListVersionMismatch", "x", "Another change is under way"),
    ("CreateVpnConnection", "InvalidTransitGatewayState", "x", "Another change is under way"),
    ("GetSecretValue", "DecryptionFailure", "x", "KMS"),
    ("DescribeVpcs", "SubscriptionRequiredException", "x", "cannot use this service"),
    (
        "CreateVpnConnection",
        "InvalidParameterValue",
        "Value (1) for parameter TunnelInsideCidr",
        "does not take a value",
    ),
    ("DescribeLoadBalancers", "ValidationError", "x", "does not take a value"),
    (
        "AssumeRole",
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        "as long as asked",
    ),
    (
        "AssumeRole",
        "AccessDenied",
        "MultiFactorAuthentication failed with invalid MFA one time pass code.",
        "one-time code (MFA) was not accepted",
    ),
    (
        "GetSessionToken",
        "AccessDenied",
        "MultiFactorAuthentication failed, unable to validate MFA code.",
        "one-time code (MFA) was not accepted",
    ),
    (
        "DeleteResolverEndpoint",
        "InvalidRequestException",
        "[RSLVR-00600] Cannot delete resolver endpoint unless its related resolver rules are deleted.",
        "Rules of others use",
    ),
    ("DescribeVpcs", "SomethingNobodyKnows", "x", "AWS refused a call"),
]
FORMS_OF_AZURE = [
    (409, "DisabledSubscription", "subscription is disabled"),
    (409, "VirtualNetworkInUse", "still uses the object"),
    (409, "InUseRouteTableCannotBeDeleted", "still uses the object"),
    (409, "ResourceGroupDeletionBlocked", "still uses the object"),
    (412, "PreconditionFailed", "was changed in Azure while"),
    (409, "OperationPreempted", "was changed in Azure while"),
    (400, "InvalidAvailabilityZone", "availability zone"),
    (400, "InvalidTagNameLength", "take a tag"),
    (400, "SkuNotSupportedInRegion", "does not offer this SKU"),
    (400, "InvalidRequestFormat", "does not take a value"),
    (403, "SomethingNobodyKnows", "does not let this sign-in"),
    (400, "SomethingNobodyKnows", "Azure refused the request"),
]


@pytest.mark.parametrize(("operation", "code", "message", "said"), FORMS_OF_AWS)
def test_a_code_of_awss_that_nobody_has_listed_is_told_by_its_form(
    operation: str, code: str, message: str, said: str
) -> None:
    found = aws(operation, code, message)
    assert said in found.summary and found.hint and code in found.detail


@pytest.mark.parametrize(("status", "code", "said"), FORMS_OF_AZURE)
def test_a_code_of_azures_that_nobody_has_listed_is_told_by_its_form(status: int, code: str, said: str) -> None:
    found = azure(status, code, "m")
    assert said in found.summary and found.hint and code in found.detail
    assert found.exit_code == (4 if status == 403 else 5)


@pytest.mark.parametrize(("profile", "named"), [(None, "AWS_PROFILE"), ("prod", "aws.profile")])
def test_a_profile_that_is_not_there_is_told_with_who_names_it(profile: str | None, named: str) -> None:
    error = aws_errors.translate(ProfileNotFound(profile="prod"), profile)
    assert error is not None and named in error.detail and named in error.hint and error.exit_code == 4


ASSERTION = (
    "AADSTS700024: Client assertion is not within its valid time range. Current time: {}, assertion valid from {}, expiry "
    "time of assertion {}. Review the documentation."
)


@pytest.mark.parametrize(
    ("current", "begins", "ends", "summary"),
    [
        ("2024-06-21T10:41:11.0510669Z", "2024-06-21T10:22:13.0000000Z", "2024-06-21T10:32:13.0000000Z", "pipeline"),
        ("2024-06-21T10:41:11.0510669Z", "2024-06-21T11:22:13.0000000Z", "2024-06-21T11:32:13.0000000Z", "clock"),
        ("{ahead}", "{now}", "{soon}", "clock"),
    ],
)
def test_an_assertion_that_is_over_is_told_from_a_wrong_clock(
    current: str, begins: str, ends: str, summary: str
) -> None:
    import time

    def at(text: str) -> str:
        now = time.time()
        moments = {"{ahead}": now + 3600, "{now}": now, "{soon}": now + 600}
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moments[text])) if text in moments else text

    reason = "AzureCliCredential: ERROR: " + ASSERTION.format(at(current), at(begins), at(ends))
    error = azure_errors.translate(ClientAuthenticationError(message=CHAIN + NOT_SET_UP + f"\t{reason}" + TAIL))
    assert error is not None and error.exit_code == 4
    assert summary in error.summary


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
        (
            "AttachVpnGateway",
            "UnauthorizedOperation",
            (
                "User: arn:aws:sts::123456789012:assumed-role/dev/me is not authorized to perform: ec2:AttachVpnGateway on "
                "resource: arn:aws:ec2:eu-central-1:999988887777:vpc/vpc-1 because no resource-based policy allows the "
                "ec2:AttachVpnGateway action"
            ),
            4,
            "belongs to another account",
            "Only account 999988887777",
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
        (
            "GetRoleCredentials",
            "UnauthorizedException",
            "Session token not found or invalid",
            4,
            "sign-in to AWS has expired",
            "aws sso login",
        ),
        (
            "GetSecretValue",
            "AccessDeniedException",
            "Access to KMS is not allowed",
            4,
            "may not use the key (KMS)",
            "kms:Decrypt",
        ),
        (
            "GetSecretValue",
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
            5,
            "is being deleted",
            "restore-secret",
        ),
        (
            "ChangeResourceRecordSets",
            "AccessDenied",
            (
                "The resource hostedzone/Z1 can only be managed through AWS Cloud Map "
                "(arn:aws:servicediscovery:eu-west-2:1:namespace/ns-1)"
            ),
            4,
            "A service of AWS keeps the hosted zone",
            "one below it",
        ),
        (
            "ChangeResourceRecordSets",
            "InvalidChangeBatch",
            "[Tried to create an alias that targets lb.elb.amazonaws.com., type A in zone Z1, but that target was not found]",
            5,
            "not there any more",
            "run the same command again",
        ),
        (
            "ChangeResourceRecordSets",
            "InvalidInput",
            "HostedZone Z1 is marked disabled for mutation",
            5,
            "locked the hosted zone",
            "wait a minute",
        ),
        (
            "CreateResolverEndpoint",
            "InvalidRequestException",
            "[RSLVR-00407] Cannot use subnet subnet-1: its availability zone is not supported",
            5,
            "does not take a subnet",
            "dns.endpoint_subnets",
        ),
        (
            "CreateVpnConnection",
            "InvalidParameterValue",
            "Invalid value for TunnelInsideCidr: the inside CIDR 169.254.21.0/30 is in use",
            5,
            "inside address range",
            "vpn.inside_pool",
        ),
        (
            "AttachVpnGateway",
            "UnauthorizedOperation",
            "This functionality has been disabled by a Declarative Policy in your Organization. Custom Message: ask the net team",
            4,
            "policy of the AWS organization",
            "administrator",
        ),
        (
            "CreateVpnConnection",
            "AsnConflict",
            "The ASN of the specified customer gateway and virtual private gateway are the same.",
            5,
            "same AS number",
            "azure.vpn_gateway.asn",
        ),
        (
            "ChangeResourceRecordSets",
            "InvalidChangeBatch",
            (
                "[RRSet of type A with DNS name a.corp. is not permitted because a conflicting RRSet of type CNAME with the same "
                "DNS name already exists in zone corp.]"
            ),
            5,
            "in the way",
            "[[dns.hosts]]",
        ),
        (
            "ChangeResourceRecordSets",
            "InvalidChangeBatch",
            "[Tried to create resource record set [name='a.corp.', type='TXT'] but it already exists]",
            5,
            "in the way",
            "[[dns.hosts]]",
        ),
        (
            "ChangeResourceRecordSets",
            "InvalidChangeBatch",
            "[Tried to delete resource record set [name='a.corp.', type='A'] but it was not found]",
            5,
            "while cloudlink worked",
            "again",
        ),
        ("AssociateVPCWithHostedZone", "PublicZoneVPCAssociation", "x", 5, "public", "dns.hosted_zone"),
        ("CreateHostedZone", "InvalidDomainName", "corp is not a valid domain name", 5, "name of the zone", "dns.zone"),
        (
            "CreateResolverEndpoint",
            "InvalidRequestException",
            "[RSLVR-00400] Resolver endpoint need to have at least 2 IP addresses.",
            5,
            "two addresses",
            "dns.endpoint_subnets",
        ),
        (
            "CreateResolverEndpoint",
            "InvalidParameterException",
            "[RSLVR-00403] The subnet subnet-1 has no free address.",
            5,
            "subnet or an address",
            "dns.endpoint_subnets",
        ),
        ("CreateResolverEndpoint", "InvalidTagException", "x", 5, "tag", "[tags]"),
        ("CreateTags", "TagLimitExceeded", "You have exceeded the limit", 5, "more tags", "[tags]"),
        ("CreateTags", "InvalidTagKey.Malformed", "x", 5, "key of a tag", "aws:"),
        ("AttachVpnGateway", "OperationNotPermitted", "x", 5, "does not let this account", "owner"),
        ("AuthorizeSecurityGroupIngress", "InvalidPermission.Duplicate", "x", 5, "rule already", "by hand"),
        (
            "DetachVpnGateway",
            "InvalidParameterValue",
            "there are pending VPNs or Virtual Interfaces",
            5,
            "off",
            "again",
        ),
        ("AssumeRole", "RegionDisabledException", "STS is not activated in this region", 5, "switched off", "STS"),
        (
            "AssumeRole",
            "AccessDenied",
            "User: arn:aws:iam::1:user/me is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::1:role/r",
            4,
            "assume it",
            "trust policy",
        ),
        (
            "AssumeRole",
            "AccessDenied",
            (
                "User: u is not authorized to perform: sts:AssumeRole because no role trust policy allows the sts:AssumeRole "
                "action"
            ),
            4,
            "assume it",
            "trust policy",
        ),
        (
            "CreateHostedZone",
            "AccessDenied",
            (
                "User: u is not authorized to perform: route53:CreateHostedZone on resource: * with an explicit deny in a "
                "service control policy"
            ),
            4,
            "AWS organization denies",
            "asked in us-east-1",
        ),
        ("AssumeRoleWithWebIdentity", "InvalidIdentityToken", "x", 5, "web identity", "trust policy"),
        ("GetRoleCredentials", "ForbiddenException", "No access", 4, "no access", "sso_role_name"),
        ("CreateCluster", "ResourceLimitExceededException", "x", 5, "quota of EKS", "servicequotas"),
        ("CreateResolverEndpoint", "ServiceQuotaExceededException", "x", 5, "A quota of AWS", "servicequotas"),
        ("EnableVgwRoutePropagation", "RouteLimitExceeded", "x", 5, "A quota of AWS", "servicequotas"),
        ("CreateResolverEndpoint", "NetworkInterfaceLimitExceeded", "x", 5, "A quota of AWS", "servicequotas"),
        ("AttachVpnGateway", "VpnGatewayAttachmentLimitExceeded", "x", 5, "attached to another VPC", "Detach"),
        ("CreateResolverEndpoint", "UnsupportedOperation", "not in a Local Zone", 5, "zone", "dns.endpoint_subnets"),
        ("CreateResolverEndpoint", "InvalidSecurityGroupID.NotFound", "x", 5, "does not exist", "status"),
        ("DescribeVpcs", "RequestLimitExceeded", "Request limit exceeded.", 5, "too often", "Wait a minute"),
    ],
)
def test_awss_refusals(operation: str, code: str, message: str, exit_code: int, summary: str, hint: str) -> None:
    error = aws(operation, code, message)
    assert (error.exit_code, error.code) == (exit_code, code)
    assert summary in error.summary
    assert hint in error.hint
    assert code in error.detail


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
            SSLError(
                endpoint_url="https://ec2.eu-central-1.amazonaws.com",
                error="[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate is not yet valid (_ssl.c:1006)",
            ),
            {},
            "clock is wrong",
            "ec2.eu-central-1.amazonaws.com",
            "timedatectl",
        ),
        (
            SSLError(
                endpoint_url="https://ec2.eu-central-1.amazonaws.com",
                error="[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)",
            ),
            {},
            "A certificate has expired",
            "ec2.eu-central-1.amazonaws.com",
            "date -u",
        ),
        (
            SSLError(
                endpoint_url="https://ec2.eu-central-1.amazonaws.com",
                error="[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid for 'ec2.eu-central-1.amazonaws.com'. (_ssl.c:1006)",
            ),
            {},
            "for another host",
            "ec2.eu-central-1.amazonaws.com",
            "getent hosts ec2.eu-central-1.amazonaws.com",
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


# --- clusters -----------------------------------------------------------------------------------------------

POD = "POST /api/v1/namespaces/tools/pods of cluster test"
WHO_K = 'User "u" cannot patch resource "configmaps" in API group "" in the namespace "kube-system"'


@pytest.mark.parametrize(
    ("status", "message", "exit_code", "summary", "hint"),
    [
        (
            403,
            f'configmaps "c" is forbidden: {WHO_K}',
            4,
            "permission is missing",
            "patch on configmaps in the namespace kube",
        ),
        (
            403,
            f"x is forbidden: {WHO_K}: Azure does not have opinion for this user.",
            4,
            "permission",
            "RBAC Writer on the",
        ),
        (
            403,
            "is forbidden: maximum cpu usage per Container is 200m, but limit is 500m",
            5,
            "limit range",
            "namespace tools",
        ),
        (
            403,
            "is forbidden: minimum memory usage per Container is 64Mi, but request is 32Mi",
            5,
            "limit range",
            "[probe]",
        ),
        (
            403,
            "is forbidden: exceeded quota: q, requested: pods=1",
            5,
            "resource quota",
            "resourcequota --namespace tools",
        ),
        (403, "is forbidden: failed quota: q: must specify limits.ephemeral-storage for: probe", 5, "quota", "limits"),
        (403, "unable to create new content in namespace x because it is being terminated", 5, "being deleted", "gone"),
        (
            403,
            'error looking up service account x/y: serviceaccount "y" not found',
            5,
            "service account",
            "service_account",
        ),
        (
            403,
            "is forbidden: ValidatingAdmissionPolicy 'images' with binding 'b' denied request: no",
            5,
            "admission policy",
            "exemption",
        ),
        (
            422,
            "is invalid: : ValidatingAdmissionPolicy 'images' with binding 'b' denied request: no",
            5,
            "admission policy",
            "exemption",
        ),
        (
            403,
            'admission webhook "validation.gatekeeper.sh" denied the request: [azurepolicy-x] no',
            5,
            "webhook",
            "exemption",
        ),
        (403, 'pods "p" is forbidden: violates PodSecurity "restricted:latest": x', 5, "Pod Security", "namespace"),
        (
            500,
            'Internal error occurred: failed calling webhook "v.kyverno.svc-fail": deadline',
            5,
            "does not answer",
            "v.kyverno.svc",
        ),
        (422, "field is immutable when `immutable` is set", 5, "immutable", "coredns-custom"),
        (
            403,
            'pods "cloudlink-verify" is forbidden: unable to create new content in namespace tools because it is being terminated',
            5,
            "namespace is being deleted",
            "[probe] namespace",
        ),
        (403, "no reason at all", 5, "forbids it", "admission policy or a quota"),
        (404, 'namespaces "tools" not found', 5, "no such object", "kubectl get namespaces"),
        (404, 'configmaps "coredns-custom" not found', 5, "no such object", ""),
        (401, "Unauthorized", 4, "does not accept our sign-in", "az login"),
        (403, 'pods "p" is forbidden: node label selector conflict', 5, "node selector", "[probe] node_selector"),
        (409, "Operation cannot be fulfilled: the object has been modified", 5, "in the meantime", "it reads first"),
        (429, "The server has received too many requests", 5, "slow down", "Wait a few minutes"),
        (407, "Proxy Authentication Required", 5, "sign-in of its own", "NO_PROXY"),
        (403, "<!DOCTYPE html><title>Access denied by policy</title>", 5, "in the cluster's place", "NO_PROXY"),
        (302, "<HTML><body>Please sign in</body></HTML>", 5, "in the cluster's place", "NO_PROXY"),
        (422, 'Pod "p" is invalid: spec.imagePullSecrets[0].name: Required value', 5, "refused", "[probe] keys"),
    ],
)
def test_a_clusters_refusals(status: int, message: str, exit_code: int, summary: str, hint: str) -> None:
    error = kube_errors.translate(kube_errors.KubeApiError(status, "", message, POD))
    assert error is not None
    assert error.exit_code == exit_code
    assert summary in error.summary and hint in error.hint
    assert message in error.detail


@pytest.mark.parametrize(
    "message",
    [
        "is forbidden: ValidatingAdmissionPolicy 'aks-managed-protect-system-namespaces' with binding 'b' denied request: no",
        'admission webhook "aks-managed-protect.azmk8s.io" denied the request: no',
    ],
)
def test_a_guarded_config_map_is_no_matter_of_the_probes_pod(message: str) -> None:
    patch = "PATCH /api/v1/namespaces/kube-system/configmaps/coredns-custom of cluster test"
    error = kube_errors.translate(kube_errors.KubeApiError(403, "Forbidden", message, patch))
    assert error is not None
    assert "coredns-custom" in error.hint and 'dns.forward = "vnet"' in error.hint and "[probe]" not in error.hint


def test_a_cluster_that_hangs_up_is_told_without_the_names_of_exceptions() -> None:
    hung_up = ProtocolError("Connection aborted.", RemoteDisconnected("Remote end closed connection without response"))
    error = kube_errors.translate(MaxRetryError(None, "/api", hung_up))  # type: ignore[arg-type]
    assert error is not None and error.detail.startswith("The connection was closed before the answer was whole. ")
    assert "RemoteDisconnected" not in str(error)


def test_a_401_of_eks_names_the_access_entry_of_the_role() -> None:
    role = "arn:aws:iam::123456789012:role/ops"
    access = eks_access("prod", "https://A.gr7.x.eks.amazonaws.com", "", lambda: "t", principal=lambda: role)
    refused = kube_errors.KubeApiError(401, "Unauthorized", "Unauthorized", "GET /x of cluster prod")
    refused.hint = access.unauthorized()
    error = kube_errors.translate(refused)
    assert error is not None
    assert f"aws eks create-access-entry --cluster-name prod --principal-arn {role}" in error.hint


def test_a_401_of_eks_without_access_entries_names_the_config_map_and_the_role_without_its_path() -> None:
    role = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_ops_1"
    access = eks_access(
        "prod", "https://A.gr7.x.eks.amazonaws.com", "", lambda: "t", principal=lambda: role, by_config_map=True
    )
    said = access.unauthorized()
    assert "rolearn arn:aws:iam::123456789012:role/AWSReservedSSO_ops_1 (" in said
    assert "aws-auth" in said and "create-access-entry" not in said and "API_AND_CONFIG_MAP" in said


def test_a_proxy_that_opens_a_clusters_tls(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    cluster_ca = Authority(tmp_path / "cluster").ca_pem
    with peer(tmp_path / "proxy", lambda *_: plain(200, b"{}")) as company:
        access = Access("test", company.url, cluster_ca)
        with pytest.raises(Exception) as caught:
            Kube("test", lambda: access, ReadCache(WallClock())).config_map("a", "b")
        assert company.arrived == []
    error = kube_errors.translate(caught.value)
    assert error is not None
    assert "opens TLS" in error.detail and "127.0.0.1" in error.detail and "NO_PROXY" in error.hint


def test_a_clusters_certificate_that_has_expired() -> None:
    cause = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)"
    error = kube_errors.translate(UrllibSslError(cause))
    assert error is not None and error.exit_code == 5
    assert error.summary == "A certificate has expired" and "az aks rotate-certs" in error.hint


@pytest.mark.parametrize(
    ("status", "code"), [(403, "RequestDisallowedByAzure"), (403, "RequestDisallowedByPolicy"), (401, "Unauthorized")]
)
def test_a_write_that_wants_a_second_factor_is_no_matter_of_the_region(status: int, code: str) -> None:
    words = (
        "Resource 'x' was disallowed by Azure: Users must use MFA for Create operation. Users must authenticate with "
        "multi-factor authentication to create or update resources."
    )
    error = azure(status, code, words)
    assert error.exit_code == 4
    assert "second factor" in error.summary and "az login" in error.hint and "azure.location" not in error.hint


def test_a_private_clusters_name_does_not_resolve() -> None:
    reason = NameResolutionError(
        "c.privatelink.westeurope.azmk8s.io", None, socket.gaierror(-2, "Name or service not known")
    )  # type: ignore[arg-type]
    error = kube_errors.translate(MaxRetryError(None, "/x", reason))  # type: ignore[arg-type]
    assert error is not None
    assert error.summary == "The cluster cannot be reached from here"
    assert "c.privatelink.westeurope.azmk8s.io" in error.detail and "private" in error.detail.lower()
    assert "authorized-ip-ranges" in error.hint


def test_a_bundle_of_authorities_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    from azure.core import PipelineClient
    from azure.core.rest import HttpRequest

    client = PipelineClient("https://127.0.0.1:1", transport=azure_transport(None), policies=[])
    with pytest.raises(CloudlinkError) as caught:
        client.send_request(HttpRequest("GET", "https://127.0.0.1:1/x"))
    assert "certificate authorities" in caught.value.summary and "REQUESTS_CA_BUNDLE" in caught.value.hint

    with peer(tmp_path / "aws", lambda *_: plain(200, b"{}")) as listening:
        for name, value in {
            "AWS_CA_BUNDLE": str(tmp_path / "nowhere.pem"),
            "AWS_ENDPOINT_URL": listening.url,
            "AWS_ACCESS_KEY_ID": "AKIAX",
            "AWS_SECRET_ACCESS_KEY": "s",
        }.items():
            monkeypatch.setenv(name, value)
        aws_client = Aws(region="eu-central-1", clock=WallClock())
        with pytest.raises(Exception) as refused:
            aws_client.ec2_once.describe_vpn_gateways()
    error = aws_client.translate(refused.value)
    assert error is not None
    assert "certificate authorities" in error.summary and "AWS_CA_BUNDLE" in error.hint


def test_a_dead_proxy_is_named_by_all_three_sdks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HTTPS_PROXY": "http://me:secret@127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "AKIAX",
        "AWS_SECRET_ACCESS_KEY": "s",
    }.items():
        monkeypatch.setenv(name, value)
    from azure.core import PipelineClient
    from azure.core.rest import HttpRequest

    azure_client = PipelineClient("https://management.azure.com", transport=azure_transport(None), policies=[])
    access = Access("test", "https://c.hcp.westeurope.azmk8s.io", "")
    cluster = Kube("test", lambda: access, ReadCache(WallClock()))
    aws_client = Aws(region="eu-central-1", clock=WallClock())
    calls = {
        "aws": (aws_client.ec2_once.describe_vpn_gateways, aws_client.translate),
        "azure": (
            lambda: azure_client.send_request(HttpRequest("GET", "https://management.azure.com/x")),
            azure_errors.translate,
        ),
        "kube": (lambda: cluster.config_map("a", "b"), kube_errors.translate),
    }
    for side, (call, translate) in calls.items():
        with pytest.raises(Exception) as caught:
            call()
        error = translate(caught.value)
        assert error is not None and error.summary == "The proxy does not answer", side
        assert "HTTPS_PROXY (http://127.0.0.1:9)" in error.detail and "secret" not in str(error)
        # whom the SDK asked, where it says so: never the proxy's own address in its place
        assert "(127.0.0.1)" not in error.detail, side


@pytest.mark.parametrize(
    ("status", "code"), [(409, "ScopeLocked"), (400, "BadRequest"), (409, "Conflict"), (500, "InternalServerError")]
)
def test_a_lock_is_told_under_whatever_code_another_provider_passes_it_on(status: int, code: str) -> None:
    """AKS and others call the network's provider, and quote its refusal."""
    message = (
        "Call to Microsoft.Network failed. Error message: The scope '/subscriptions/s/x' cannot perform write operation because "
        "following scope(s) are locked: '/subscriptions/s/resourceGroups/g'. Please remove the lock and try again."
    )
    error = azure(status, code, message)
    assert (error.exit_code, error.summary) == (5, "A lock in Azure forbids it")
    assert "az lock list" in error.hint
    body = {"error": {"code": code, "message": message}}
    raised = HttpResponseError(message="refused", response=Response(status, body))  # type: ignore[arg-type]
    raised.status_code = status
    assert not azure_errors.unknown_outcome(raised)
    assert azure_errors.retryable(raised) is None


@pytest.mark.parametrize(
    "error",
    [
        botocore.exceptions.UnauthorizedSSOTokenError(),
        botocore.exceptions.SSOTokenLoadError(profile_name="p", error_msg="Token for p does not exist"),
        botocore.exceptions.TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"),
    ],
)
def test_each_way_in_which_a_sign_in_by_sso_ends(error: Exception) -> None:
    found = aws_errors.translate(error)
    assert found is not None
    assert found.exit_code == 4
    assert "aws sso login" in found.hint


@pytest.mark.parametrize(
    ("operation", "code", "words"),
    [
        ("CreateHostedZone", "TooManyHostedZones", "hosted zones (500 by default)"),
        ("AuthorizeSecurityGroupIngress", "RulesPerSecurityGroupLimitExceeded", "rules in a security group"),
    ],
)
def test_quotas_are_told_by_what_they_count(operation: str, code: str, words: str) -> None:
    error = aws(operation, code, "The limit is reached.")
    assert error.exit_code == 5
    assert words in f"{error.summary} {error.detail} {error.hint}"


def test_a_zonal_address_and_a_size_without_zones() -> None:
    error = azure(400, "RegionalVmssVpnGatewayPublicIpsMustNotHaveZonesConfigured", "no zones for this SKU")
    assert error.summary == "Azure wants the gateway's public IPs to have no zones"
