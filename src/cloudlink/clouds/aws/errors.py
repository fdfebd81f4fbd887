"""What AWS's refusals mean: the one place where botocore's exceptions become ours.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from cloudlink.clouds.network import explain
from cloudlink.errors import (
    CloudError,
    CloudlinkError,
    ConflictError,
    CredentialsError,
    MissingError,
    UnreachableError,
)

_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_CLOCK_CODES = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture"})
_CLOCK_WORDS = re.compile(r"Signature (expired|not yet current)|is (now )?(earlier|later) than", re.I)
_INVALID = frozenset(
    {
        "AuthFailure",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "IncompleteSignature",
        "MissingAuthenticationToken",
    }
)
_SIGNATURE = frozenset({"AuthFailure", "RequestExpired", "SignatureDoesNotMatch", "InvalidSignatureException"})
_DENIED = frozenset({"UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "UnauthorizedException"})
_THROTTLED = frozenset(
    {
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestThrottled",
        "SlowDown",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
    }
)
_QUOTAS = {
    "VpnGatewayLimitExceeded": "virtual private gateways (5 in a region by default)",
    "CustomerGatewayLimitExceeded": "customer gateways (50 in a region by default)",
    "VpnConnectionLimitExceeded": "VPN connections (50 in a region and 10 on a gateway by default)",
    "SecurityGroupLimitExceeded": "security groups",
    "RulesPerSecurityGroupLimitExceeded": "rules in a security group (60 by default, two for each VNet prefix)",
    "LimitExceededException": "Resolver endpoints (4 in a region by default) or addresses of one (6 by default)",
    "TooManyHostedZones": "hosted zones (500 by default)",
    "HostedZoneLimitExceeded": "hosted zones of a VPC",
    "LimitsExceeded": "Route 53's objects",
}
# code -> (summary, what to do)
_KNOWN = {
    "OptInRequired": (
        "The AWS account is not signed up for this service",
        "Finish the account's registration or enable the region: https://console.aws.amazon.com/billing/home#/account",
    ),
    "PendingVerification": (
        "AWS is still checking this account for the region",
        "This takes minutes, at most four hours; then run the same command again.",
    ),
    "Blocked": (
        "AWS has blocked the account",
        "Write to AWS: https://support.console.aws.amazon.com/support/home",
    ),
    "TagPolicyViolation": (
        "A tag policy of the AWS organization refuses a tag",
        "Ask the organization's administrator to allow the tag for these resources; its own tags can be set in [tags].",
    ),
    "InsufficientCapacity": (
        "AWS has no capacity left for this now",
        "This passes: run the same command again in some minutes.",
    ),
    "InsufficientFreeAddressesInSubnet": (
        "A subnet has no free address left",
        "Name other subnets: dns.endpoint_subnets",
    ),
    "InvalidVPCId": (
        "Route 53 does not let this account use the VPC",
        "Where the VPC is shared, its owner has to associate the zone: aws route53 create-vpc-association-authorization",
    ),
    "NotAuthorizedException": (
        "The VPC belongs to another account, which has not authorized the zone",
        "The zone's account runs first: aws route53 create-vpc-association-authorization --hosted-zone-id ZONE --vpc VPC",
    ),
    "InvalidParameterCombination": (
        "AWS does not take these settings together",
        "Compare the [ipsec] and [tunnels] keys with the message; if nothing there explains it, report it with this line.",
    ),
}
_CONFLICTS = {
    "InvalidVpcState": (
        "The VPC has another virtual private gateway",
        'A VPC has at most one. Adopt the one that is attached: set aws.gateway to its id ("vgw-...").',
    ),
    "VpnGatewayAttachmentLimitExceeded": (
        "The virtual private gateway is attached to another VPC",
        "Detach it there, or let cloudlink make one of its own.",
    ),
    "InvalidCidr.InUse": (
        "An inside address range is used by another tunnel of the same gateway",
        "Set tunnels.inside to ranges that no other VPN connection of this gateway uses.",
    ),
    "InvalidCustomerGateway.DuplicateIpAddress": (
        "Another customer gateway has the same address",
        "Delete it if nothing uses it, then run the command again.",
    ),
    "InvalidGroup.Duplicate": (
        "A security group of this name exists without cloudlink's tags",
        "Delete it if nothing uses it, or give the link another name.",
    ),
    "ConflictingDomainExists": (
        "The VPC has another private hosted zone of this name",
        'Adopt that zone: set dns.hosted_zone to its id ("Z..."), or choose another dns.zone.',
    ),
}
_MISSING = re.compile(
    r"Invalid(VpnGateway|CustomerGateway|VpnConnection|RouteTable|Subnet|Vpc|Gateway|NetworkInterface)ID\.NotFound"
    r"|InvalidVpcID\.NotFound|InvalidGroup\.NotFound|InvalidVpnGatewayAttachment\.NotFound|InvalidGroupId\.NotFound"
    r"|InvalidPermission\.NotFound|ResourceNotFoundException|NoSuchHostedZone|NoSuchChange|LoadBalancerNotFound"
)
_PASSING = {  # seconds after which the same call makes sense again
    "IncorrectState": 10.0,  # still in use by something that is being deleted
    "DependencyViolation": 10.0,  # the same, in other words: network interfaces of an endpoint that goes
    "Gateway.NotAttached": 5.0,  # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
    "InvalidVpnConnection.InvalidState": 15.0,  # one change of a connection at a time
    "InvalidVpnGatewayState": 10.0,
    "PriorRequestNotComplete": 3.0,  # one change of a hosted zone at a time
    "HostedZoneNotEmpty": 5.0,  # its records were deleted a moment ago; foreign ones are refused before the call
    "ResourceInUseException": 10.0,
}
# Something that was made a moment ago is not known everywhere yet; elsewhere the same code means that it is gone.
_TOO_YOUNG = frozenset(
    {
        "AttachVpnGateway",
        "CreateVpnConnection",
        "EnableVgwRoutePropagation",
        "AuthorizeSecurityGroupIngress",
        "CreateResolverEndpoint",
        "ChangeResourceRecordSets",
    }
)
_ACTION = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
_DENYING = re.compile(r"(?:explicit deny in an?|because no) ([a-z -]+?) polic(?:y|ies)|permissions (boundary)", re.I)
_ENCODED = re.compile(r"\s*Encoded authorization failure message: (\S+)")


def code_of(error: Exception) -> str:
    """AWS's error code, such as ``IncorrectState``; empty for anything that is not an answer of AWS."""
    return str(_body(error).get("Code", ""))


def _body(error: Exception) -> Mapping[str, Any]:
    response = getattr(error, "response", None)
    body = response.get("Error") if isinstance(response, Mapping) else None
    return body if isinstance(body, Mapping) else {}


def _metadata(error: Exception) -> Mapping[str, Any]:
    response = getattr(error, "response", None)
    return response.get("ResponseMetadata", {}) if isinstance(response, Mapping) else {}


def _status(error: Exception) -> int:
    return int(_metadata(error).get("HTTPStatusCode") or 0)


def _operation(error: Exception) -> str:
    return str(getattr(error, "operation_name", ""))


def missing(error: Exception) -> bool:
    """Whether AWS says that what was asked for does not exist (any more)."""
    return _MISSING.fullmatch(code_of(error)) is not None


def retryable(error: Exception) -> float | None:
    """Seconds after which the same call is safe and sensible again; None: it is not.

    It never speaks of a lost answer: that is ``unknown_outcome``.
    """
    code = code_of(error)
    if code in _PASSING:
        return _PASSING[code]
    if code in _THROTTLED:
        return 5.0
    if missing(error) and _operation(error) in _TOO_YOUNG:
        return 5.0
    if code == "InvalidParameterException" and "does not exist" in str(_body(error).get("Message", "")):
        return 5.0 if _operation(error) in _TOO_YOUNG else None
    return None


def unknown_outcome(error: Exception) -> bool:
    """Whether the call may have had its effect although it failed: read before calling again.

    A reused CreatorRequestId or CallerReference belongs here: both are refused because our own first call, whose
    answer was lost, was carried out.
    """
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    if isinstance(error, boto.ConnectionError | boto.HTTPClientError | ResponseParserError):
        return True
    if code_of(error) in ("ResourceExistsException", "HostedZoneAlreadyExists"):
        return True
    return _status(error) >= 500 and code_of(error) not in _THROTTLED


def translate(error: Exception, profile: str | None = None) -> CloudlinkError | None:
    """Ours for botocore's; None when it is none of botocore's. Keys and bodies do not get into the words."""
    if isinstance(error, CloudlinkError):
        return error
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    sign_in = f"aws sso login --profile {shlex.quote(profile)}" if profile else "aws sso login"
    if isinstance(error, boto.ClientError):
        return _answered(error, sign_in)
    if isinstance(error, boto.ProfileNotFound):
        return CredentialsError(
            "The AWS profile does not exist", f"{error}.", "List the profiles with: aws configure list-profiles"
        )
    if type(error).__name__ == "RefreshWithMFAUnsupportedError":
        return CredentialsError(
            "The AWS role's session has ended and asks for a code again",
            "The role in the profile wants a one-time code (MFA) for each session, and its session ended while this command "
            "ran. What was begun goes on in the clouds.",
            "Run the same command again: it asks for a new code and goes on from here. A longer session helps: "
            "duration_seconds in ~/.aws/config.",
        )
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError):
        return CredentialsError("Not signed in to AWS", f"{error}.", f"Sign in, for example with: {sign_in}")
    login = getattr(boto, "LoginError", boto.SSOError)  # ``aws login`` is younger than the oldest botocore we take
    if isinstance(error, boto.TokenRetrievalError | boto.SSOError | boto.NoAuthTokenError | login):
        return CredentialsError("The sign-in to AWS has expired", f"{error}.", f"Sign in again: {sign_in}")
    if isinstance(error, ResponseParserError):
        # botocore puts the whole body into this message, and with it perhaps a pre-shared key.
        return UnreachableError("AWS's answer cannot be read", "It is not known whether the call had its effect.")
    if isinstance(error, boto.ConnectionError | boto.HTTPClientError):
        if inner := _ours_inside(error):
            return inner
        if known := explain(error, "AWS"):
            return known
        return UnreachableError(
            "AWS cannot be reached", f"{error}", "Check the network and any proxy, then run the command again."
        )
    if isinstance(error, boto.BotoCoreError):
        return CloudError("The call to AWS could not be made", f"{error}")
    return None


def _ours_inside(error: Exception) -> CloudlinkError | None:
    """botocore wraps whatever its HTTP session raises."""
    inner = getattr(error, "kwargs", {}).get("error")
    return inner if isinstance(inner, CloudlinkError) else None


def _answered(error: Exception, sign_in: str) -> CloudlinkError:
    code, operation = code_of(error), _operation(error)
    whole = str(_body(error).get("Message", ""))
    message = _ENCODED.sub("", whole)
    rest: dict[str, str] = {"code": code, "request_id": str(_metadata(error).get("RequestId", ""))}
    said = f"{operation} answered {code}: {message}"
    if (
        code in _CLOCK_CODES
        or (code in _INVALID | _EXPIRED and _CLOCK_WORDS.search(message))
        or (code in _SIGNATURE and _skew(error))
    ):
        return CredentialsError(
            "This machine's clock is wrong",
            f"AWS takes a request for five minutes, as the clock that signed it says. {_skew(error)}{said}",
            "Set the clock (timedatectl set-ntp true; WSL: wsl --shutdown), then run the command again.",
            **rest,
        )
    if code in _EXPIRED:
        return CredentialsError("The sign-in to AWS has expired", said, f"Sign in again: {sign_in}", **rest)
    if code in _INVALID:
        return CredentialsError(
            "AWS does not accept the credentials",
            f"{said} A region that is not enabled for the account answers so as well.",
            f"Sign in again: {sign_in}. If that does not help, see whether the region is enabled: aws ec2 describe-regions "
            "--all-regions --region us-east-1 --query 'Regions[?OptInStatus==`not-opted-in`].RegionName'",
            **rest,
        )
    if code in _DENIED:
        return _denied(operation, whole, said, rest)
    if code in _KNOWN:
        summary, hint = _KNOWN[code]
        return CloudError(summary, said, hint, **rest)
    if code in _QUOTAS:
        return CloudError(
            "A quota of AWS is used up",
            f"No more {_QUOTAS[code]}. {said}",
            "Delete what is not needed any more, or ask for more: https://console.aws.amazon.com/servicequotas",
            **rest,
        )
    if code in _CONFLICTS:
        summary, hint = _CONFLICTS[code]
        return ConflictError(summary, said, hint, **rest)
    if missing(error):
        return MissingError("Something in AWS does not exist (any more)", said, "Look with: cloudlink status", **rest)
    if code in _THROTTLED:
        return CloudError("AWS is called too often", said, "Wait a minute and run the command again.", **rest)
    if code in ("ResponseParserError", "500") or _status(error) >= 500:
        return UnreachableError(
            "AWS failed to answer", said, "Run the command again; it checks before it creates anything twice.", **rest
        )
    return CloudError("AWS refused a call", said, **rest)


def _denied(operation: str, whole: str, said: str, rest: dict[str, str]) -> CloudlinkError:
    """Which policy denies decides who can help: an administrator of the account cannot lift one of the organization's.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    asked = _ACTION.search(whole)
    action = asked[1] if asked else operation
    found = _DENYING.search(whole)
    kind = " ".join(g for g in found.groups() if g).strip().lower() if found else ""
    explicit = "explicit deny" in whole
    decode = ""
    if encoded := _ENCODED.search(whole):
        decode = f" Why exactly, an administrator sees with: aws sts decode-authorization-message --encoded-message {encoded[1]}"
    if "service control" in kind or "resource control" in kind:
        summary = "A policy of the AWS organization denies it"
        hint = (
            f"Ask the organization's administrator to allow {action} for this account: no policy of the account itself can "
            f"lift a {kind} policy."
        )
    elif "boundary" in kind:
        summary = "The permissions boundary of the AWS role denies it"
        hint = f"Ask for {action} in the permissions boundary of the role, or use another profile."
    elif "session" in kind:
        summary = "The policy of the AWS session denies it"
        hint = f"Sign in with a permission set or session policy that allows {action}, or use another profile."
    elif "endpoint" in kind:
        summary = "The policy of a VPC endpoint in AWS denies it"
        hint = f"Ask for {action} in the policy of the VPC endpoint that this machine goes through."
    elif explicit:
        summary = "A policy in AWS denies it"
        hint = f"Ask the account's administrator to take {action} out of the statement that denies it, or use another profile."
    else:
        summary = "A permission is missing in AWS"
        hint = f"Ask the account's administrator to allow {action}, or use another profile."
    return CredentialsError(summary, f"{action} is not allowed. {said}", hint + decode, **rest)


def _skew(error: Exception) -> str:
    """How far this machine's clock is from the one in AWS's answer; empty when that is not much or not known."""
    seconds = clock_skew(_metadata(error).get("HTTPHeaders") or {})
    if seconds is None or abs(seconds) < _SKEW_SECONDS:
        return ""
    side = "behind" if seconds > 0 else "ahead of"
    return f"This machine's clock is {abs(seconds) / 60:.0f} minutes {side} AWS's. "


_SKEW_SECONDS = 240.0  # AWS takes five minutes


def clock_skew(headers: Mapping[str, Any], now: float | None = None) -> float | None:
    """Seconds by which the Date of an answer is ahead of this machine's clock; None: it has none."""
    import time
    from email.utils import parsedate_to_datetime

    date = next((str(value) for name, value in headers.items() if str(name).lower() == "date"), "")
    try:
        return parsedate_to_datetime(date).timestamp() - (time.time() if now is None else now)
    except (ValueError, TypeError):
        return None
