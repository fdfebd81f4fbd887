"""What AWS's refusals mean: the one place where botocore's exceptions become ours.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cloudlink.clouds.local_settings import passed_through, unusable
from cloudlink.clouds.malformed import is_not_text
from cloudlink.clouds.network import BETWEEN, between, explain
from cloudlink.errors import (
    CloudError,
    CloudlinkError,
    ConflictError,
    CredentialsError,
    MissingError,
    NoContactError,
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
# IAM Identity Center's own: what it refuses so is the session, which an administrator may end before its time.
_OF_THE_PORTAL = frozenset({"GetRoleCredentials", "ListAccountRoles", "ListAccounts", "CreateToken"})
_DENIED = frozenset({"UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "UnauthorizedException"})
_THROTTLED = frozenset(
    {
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestThrottled",
        "RequestThrottledException",
        "BandwidthLimitExceeded",  # no quota, whatever its name
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
# Quotas that nobody has listed here yet: EC2 alone has dozens, and each service names its own.
_SOME_QUOTA = re.compile(r"(Limit|Quota)Exceeded(Exception|Fault)?$|^ServiceQuotaExceeded|^MaxEntitiesExceeded")
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
        "Ask the organization's administrator to allow the tag for these resources; if it is one of [tags], change it there.",
    ),
    "InsufficientCapacity": (
        "AWS has no capacity left for this now",
        "This passes: run the same command again in some minutes.",
    ),
    "ResourceUnavailableException": (  # of Resolver's; it was tried for as long as a run waits
        "AWS is still changing an object of Resolver's",
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
    "OperationNotPermitted": (
        "AWS does not let this account change the object",
        "It belongs to another account (a shared VPC) or to a service of AWS: ask its owner, or name another one.",
    ),
    "TagLimitExceeded": (
        "The object has no room for more tags (50)",
        "Take some from [tags], or from the object.",
    ),
    "InvalidTagException": ("Route 53 Resolver does not take a tag", "Correct it in [tags]."),
    "InvalidTagKey.Malformed": ("EC2 does not take the key of a tag", "Correct it in [tags]: aws: is reserved."),
    "InvalidDomainName": ("Route 53 does not take the name of the zone", "Correct dns.zone."),
    "PublicZoneVPCAssociation": (
        "The zone is public, and a VPC can be associated with a private one only",
        "Name a private zone in dns.hosted_zone, or leave the key out: cloudlink makes one.",
    ),
    "RegionDisabledException": (
        "AWS's sign-in service (STS) is switched off in this region for the account",
        "Switch it on (IAM console, Account settings, Endpoints), or set AWS_STS_REGIONAL_ENDPOINTS=legacy.",
    ),
    "ResourceLimitExceededException": (
        "A quota of EKS is used up",
        "Ask for more: https://console.aws.amazon.com/servicequotas",
    ),
    "UnsupportedOperation": (
        "AWS does not do this with the object, or not in this zone or region",
        (
            "The message says what: a subnet in a Local Zone or Outpost takes no Resolver endpoint (name others in "
            "dns.endpoint_subnets), and not every region has every kind of VPN."
        ),
    ),
    "UnsupportedAvailabilityZoneException": (
        "EKS does not serve one of the subnets' zones",
        "Name subnets in other zones.",
    ),
    "InvalidIdentityToken": (
        "AWS does not accept the web identity (OIDC)",
        "Compare the role's trust policy and the identity provider in IAM with the token's issuer and audience.",
    ),
    "IDPRejectedClaim": (
        "The web identity (OIDC) is over or was rejected by its provider",
        "Sign the job in again; its identity is good for some minutes only.",
    ),
    "InvalidParameterCombination": (
        "AWS does not take these settings together",
        "Compare the keys of [vpn] with the message; if nothing there explains it, report it with this line.",
    ),
}
_CONFLICTS = {
    "AsnConflict": (
        "Both ends of the VPN have the same AS number",
        "Set azure.vpn_gateway.asn to another private number than the one of AWS's gateway, such as 65010.",
    ),
    "InvalidPermission.Duplicate": (
        "The security group has the rule already",
        "Somebody has added it by hand: remove it (aws ec2 describe-security-group-rules), then run the command again.",
    ),
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
        "Set vpn.inside_pool to ranges that no other VPN connection of this gateway uses.",
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
    r"Invalid\w+I[Dd]\.NotFound|InvalidGroup\.NotFound|InvalidVpnGatewayAttachment\.NotFound"
    r"|InvalidPermission\.NotFound|ResourceNotFoundException|NoSuchHostedZone|NoSuchChange|LoadBalancerNotFound|TargetGroupNotFound"
)
# The same code for many things: the message tells. (code, message, what to say of it)
_BY_MESSAGE: tuple[tuple[str, re.Pattern[str], str, str], ...] = (
    (
        "InvalidChangeBatch",
        re.compile(r"conflicting RRSet|conflicts with other records|but it already exists"),
        "A record in the zone is in the way",
        "A name with a CNAME can have no other record. Delete it if nothing uses it, or take the name out of [[dns.hosts]].",
    ),
    (
        "InvalidChangeBatch",
        re.compile(r"but it was not found|do not match the current values"),
        "A record was changed while cloudlink worked",
        "Run the same command again: it reads the zone again.",
    ),
    (
        "InvalidChangeBatch",
        re.compile(r"alias target name does not lie within|but that target was not found"),
        "What a name points at is not there any more",
        "A load balancer was made anew while cloudlink worked: run the same command again, it looks it up.",
    ),
    (
        "InvalidInput",
        re.compile(r"marked disabled for mutation", re.I),
        "Route 53 has locked the hosted zone for a moment",
        "Another change of the zone itself is under way: wait a minute and run the same command again.",
    ),
    (
        "InvalidInput",
        re.compile(r"specified hosted zone is a public hosted zone", re.I),
        "The zone is public, and a VPC can be associated with a private one only",
        "Name a private zone in dns.hosted_zone, or leave the key out: cloudlink makes one.",
    ),
    (
        "InvalidRequestException",
        re.compile(r"RSLVR-00600|unless its related resolver rules are deleted"),
        "Rules of others use the Resolver endpoint",
        (
            "The message names them. Whoever made them takes them away (aws route53resolver delete-resolver-rule); then run "
            "the same command again."
        ),
    ),
    (
        "InvalidRequestException",
        re.compile(r"RSLVR-00400|at least (2|two) IP"),
        "A Resolver endpoint needs two addresses",
        "Name two subnets, in two zones: dns.endpoint_subnets",
    ),
    *(
        (
            code,
            re.compile(r"RSLVR-\d+.*(subnet|address|availability zone)", re.I),
            "Route 53 Resolver does not take a subnet or an address",
            "Name other subnets of the VPC: dns.endpoint_subnets",
        )
        for code in ("InvalidParameterException", "InvalidRequestException")
    ),
    (
        "InvalidRequestException",
        re.compile(r"marked (for deletion|deleted)|scheduled for deletion", re.I),
        "A secret in Secrets Manager is being deleted",
        (
            "Somebody has deleted what AWS keeps the tunnels' keys in; until its days are over it can be had back: aws "
            "secretsmanager restore-secret --secret-id ARN"
        ),
    ),
    (
        "InvalidParameterValue",
        re.compile(r"inside (ipv4 )?cidr", re.I),
        "AWS does not take an inside address range",
        "Set vpn.inside_pool to ranges that no other VPN connection of this gateway uses.",
    ),
    (
        "ForbiddenException",
        re.compile(r"No access", re.I),
        "IAM Identity Center gives the user no access to this role",
        "Compare sso_account_id and sso_role_name of the profile with what you were assigned: aws sso list-account-roles",
    ),
    (
        "InvalidParameterValue",
        re.compile(r"pending VPNs or Virtual Interfaces", re.I),
        "AWS is still taking connections off the gateway",
        "Wait a few minutes and run the command again.",
    ),
)
# Whatever the code: (message, summary, what to do)
_BY_WORDS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(r"tag policy", re.I),
        *_KNOWN["TagPolicyViolation"],
    ),
)
# What a code that nobody has listed here is about, by its form: (codes, summary, what to do).
_BY_FORM: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(r"AlreadyExists(Exception)?$|\.Duplicate$|^Duplicate\w+|^ResourceExistsException$"),
        "Something of this name exists in AWS already",
        "If it is cloudlink's, run the same command again: it reads first. If it is somebody else's, give the link another name.",
    ),
    (
        re.compile(r"^DependencyViolation$|InUse(Exception)?$|NotEmpty$|^IncorrectState$|\.InUse$"),
        "Something else in AWS still uses the object",
        "The message names what. Take it off there, then run the same command again.",
    ),
    (
        re.compile(r"^OperationAborted(Exception)?$|^Concurrent\w+|VersionMismatch$|InvalidState$|^Invalid\w+State$"),
        "Another change is under way in AWS",
        "Wait a minute and run the same command again: it reads first.",
    ),
    (
        re.compile(r"^(KMS\w*|Decryption|Encryption)\w*(Exception|Failure|Denied)$"),
        "AWS may not use the key (KMS) that the object is encrypted with",
        "Ask the key's owner to allow it to this role in the key's policy (kms:Decrypt, kms:GenerateDataKey).",
    ),
    (
        re.compile(r"^(SubscriptionRequired(Exception)?|AccountSuspended|AccountProblem|InvalidAccount|NotSignedUp)$"),
        "The AWS account cannot use this service",
        "Its owner has to finish the registration or pay a bill: https://console.aws.amazon.com/billing/home#/account",
    ),
    (
        re.compile(
            r"^Invalid(Parameter|Input|Request|Change|Subnet|Format)|^Validation(Error|Exception)$|^Missing|^Malformed|\.Malformed$"
        ),
        "AWS does not take a value",
        "Compare the key of the configuration that the message is about; if there is none, report it with this line.",
    ),
)
_UNKNOWN = (
    "Do what the message says and run the same command again: it goes on from here. If it says nothing of use, AWS's support "
    "finds the call by the request id."
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
    "ResourceUnavailableException": 10.0,  # Resolver: it is being made or changed
}
# Another write of the same thing at the same moment, somebody else's too: ConcurrentTagAccess, ConcurrentModification, ...
_AT_ONCE = re.compile(r"^Concurrent\w+|^OperationAborted(Exception)?$")
_AT_ONCE_SECONDS = 5.0
# AWS's own failures by their codes: Route 53 Resolver sends its own with status 400, and asks to call again.
# https://docs.aws.amazon.com/Route53/latest/APIReference/API_route53resolver_CreateResolverEndpoint.html
_INTERNAL = re.compile(
    r"^Internal(Service)?(Error|Failure)(Exception)?$|^(Service)?Unavailable(Exception)?$|^ServiceFailure"
)
# Something that was made a moment ago is not known everywhere yet; elsewhere the same code means that it is gone.
_TOO_YOUNG = frozenset(
    {
        "AttachVpnGateway",
        "CreateVpnConnection",
        "EnableVgwRoutePropagation",
        "CreateTransitGatewayVpcAttachment",
        "AssociateTransitGatewayRouteTable",
        "EnableTransitGatewayRouteTablePropagation",
        "CreateRoute",  # until the VPC's attachment is known everywhere, the transit gateway "does not exist" for its tables
        "AuthorizeSecurityGroupIngress",
        "CreateResolverEndpoint",
        "ChangeResourceRecordSets",
        "CreateTags",
        "TagResource",
        "ChangeTagsForResource",
    }
)
_GLOBAL = frozenset({"route53", "iam"})  # services that a policy about regions hits by mistake
_ACTION = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
_DENYING = re.compile(r"(?:explicit deny in an?|because no) ([a-z -]+?) polic(?:y|ies)|permissions (boundary)", re.I)
_OWNER = re.compile(
    r"User: arn:[\w-]+:\w+::(?P<caller>\d{12}):.* on resource: arn:[\w-]+:\w+:[\w-]*:(?P<owner>\d{12}):"
)
# Of botocore, what reads the user's own files, variables and programs.
_READS_SETTINGS = (
    "botocore.credentials",
    "botocore.config",
    "botocore.session",
    "botocore.httpsession",
    "boto3.session",
)
_PROGRAM = ("botocore.credentials", "_retrieve_credentials_using")
# botocore's errors about these, by name: each release has some that others lack.
_SETTINGS = re.compile(
    r"^(Config(ParseError|NotFound)|InvalidConfigError|UnknownCredentialError|InfiniteLoopConfigError"
    r"|InvalidRetryModeError|InvalidRetryConfigurationError|InvalidMaxRetryAttemptsError|InvalidDefaultsMode"
    r"|InvalidSTSRegionalEndpointsConfigError|InvalidIMDSEndpoint(Mode)?Error|InvalidChecksumConfigError"
    r"|MetadataRetrievalError|EndpointVariantError|InvalidProxiesConfigError|PartialCredentialsError)$"
)
_HEADER = re.compile(r"Invalid (leading whitespace.* in )?header (value|name|part)", re.I)
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


def denied(error: Exception) -> bool:
    """Whether AWS says that a permission is missing, or that what was asked for is another account's."""
    return code_of(error) in _DENIED


def retryable(error: Exception) -> float | None:
    """Seconds after which the same call is safe and sensible again; None: it is not.

    It never speaks of a lost answer: that is ``unknown_outcome``.
    """
    code = code_of(error)
    if code in _PASSING:
        return _PASSING[code]
    if code in _THROTTLED:
        return 5.0
    if _AT_ONCE.search(code):
        return _AT_ONCE_SECONDS
    if code == "InvalidInput" and "disabled for mutation" in str(_body(error).get("Message", "")):
        return 10.0  # the zone itself is being changed
    if code == "InvalidParameterValue" and "pending VPNs or Virtual Interfaces" in str(_body(error).get("Message", "")):
        return 15.0  # connections that were deleted a moment ago
    return 5.0 if not_seen_yet(error) else None


def not_seen_yet(error: Exception) -> bool:
    """Whether something that was made a moment ago is not known everywhere yet, as far as the refusal tells."""
    if _operation(error) not in _TOO_YOUNG:
        return False
    unknown = code_of(error) == "InvalidParameterException" and "does not exist" in str(_body(error).get("Message", ""))
    return missing(error) or unknown


def unknown_outcome(error: Exception) -> bool:
    """Whether the call may have had its effect although it failed: read before calling again.

    A reused CreatorRequestId or CallerReference belongs here: both are refused because our own first call, whose
    answer was lost, was carried out.
    """
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    if isinstance(error, boto.ConnectionError | boto.HTTPClientError | ResponseParserError):
        return True
    if is_not_text(error, "botocore"):
        return True
    if code_of(error) in ("ResourceExistsException", "HostedZoneAlreadyExists"):
        return True
    return (_status(error) >= 500 or _is_internal(error)) and code_of(error) not in _THROTTLED


def _is_internal(error: Exception) -> bool:
    return _INTERNAL.search(code_of(error)) is not None


# https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
_HOMES = (
    ("us-gov-", "us-gov-west-1"),
    ("cn-", "cn-north-1"),
    ("eusc-", "eusc-de-east-1"),  # the European Sovereign Cloud
    ("us-iso-", "us-iso-east-1"),
    ("us-isob-", "us-isob-east-1"),
    ("us-isof-", "us-isof-south-1"),
    ("eu-isoe-", "eu-isoe-west-1"),
)


def home_region(region: str) -> str:
    """One that is enabled in every account of the same partition."""
    return next((home for start, home in _HOMES if region.startswith(start)), "us-east-1")


def translate(error: Exception, profile: str | None = None, region: str = "") -> CloudlinkError | None:
    """Ours for botocore's; None when it is none of botocore's. Keys and bodies do not get into the words."""
    if isinstance(error, CloudlinkError):
        return error
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    sign_in = f"aws sso login --profile {shlex.quote(profile)}" if profile else "aws sso login"
    if isinstance(error, boto.ClientError):
        return _answered(error, sign_in, home_region(region))
    if isinstance(error, boto.ProfileNotFound):
        named = "aws.profile in the configuration" if profile else "AWS_PROFILE"
        return CredentialsError(
            "The AWS profile does not exist",
            f"{error} It is named by {named}.",
            f"Correct {named}. List the profiles with: aws configure list-profiles",
        )
    if type(error).__name__ == "RefreshWithMFAUnsupportedError":
        return CredentialsError(
            "The AWS role's session has ended and asks for a code again",
            "The role in the profile wants a one-time code (MFA) for each session, and its session ended while this command "
            "ran. What was begun goes on in the clouds.",
            "Run the same command again: it asks for a new code and goes on from here. A longer session helps: "
            "duration_seconds in ~/.aws/config.",
        )
    if isinstance(error, RuntimeError) and "credentials are still expired" in str(error):
        return CredentialsError(
            "The sign-in to AWS has expired",
            f"{error} What gives them, such as AWS_CREDENTIAL_EXPIRATION with the keys beside it or the credential_process of "
            "the profile, gave old ones.",
            f"Get new ones and run the same command again, or sign in otherwise: {sign_in}",
        )
    if _SETTINGS.fullmatch(type(error).__name__):
        return CredentialsError(
            "What is set on this machine to sign in to AWS cannot be used",
            f"{str(error).rstrip('.')}.",
            f"Correct it in {_own_files()}, or among the AWS_ variables that are set: {_own_variables()}.",
            code=type(error).__name__,
        )
    of_a_program = isinstance(error, ValueError | OSError | LookupError) and passed_through(error, *_PROGRAM)
    if of_a_program or (isinstance(error, boto.CredentialRetrievalError) and "custom-process" in str(error)):
        said = "It gave no JSON with keys" if isinstance(error, ValueError | LookupError) else str(error).rstrip(": .")
        return CredentialsError(
            "The program that gives AWS's keys failed",
            f"{said}. It is the credential_process of the profile{f' {profile}' if profile else ''} in {_own_files()}.",
            "Run that line of the file by itself to see what it says, and sign in with the program first.",
        )
    if isinstance(error, boto.NoCredentialsError | boto.CredentialRetrievalError):
        first = "" if profile else " (before the first time: aws configure sso), or name a profile: aws.profile"
        return CredentialsError("Not signed in to AWS", f"{error}.", f"Sign in, for example with: {sign_in}{first}")
    if type(error).__name__ in _LOGIN:  # younger than the oldest botocore that we take
        return _of_login(error, f"aws login{f' --profile {shlex.quote(profile)}' if profile else ''}")
    if isinstance(error, boto.MissingDependencyException) and "botocore[crt]" in str(error):
        return CredentialsError(
            "The AWS profile wants a part of the SDK that is not installed",
            f"{str(error).rstrip('.')}. Profiles of `aws login` do (login_session in {_own_files()}).",
            f"Install it beside cloudlink: {shlex.quote(sys.executable)} -m pip install 'botocore[crt]'; or hand keys over: "
            f'eval "$(aws configure export-credentials{f" --profile {shlex.quote(profile)}" if profile else ""} --format env)"',
            code="MissingDependencyException",
        )
    if isinstance(error, boto.TokenRetrievalError | boto.SSOError | boto.NoAuthTokenError):
        return CredentialsError("The sign-in to AWS has expired", f"{error}.", f"Sign in again: {sign_in}")
    if isinstance(error, ResponseParserError) or is_not_text(error, "botocore"):
        # botocore puts the whole body into this message, and with it perhaps a pre-shared key.
        return UnreachableError(
            "AWS's answer cannot be read",
            "It is not known whether the call had its effect.",
            "Run the command again; if it stays so, look for a proxy between here and AWS.",
        )
    if isinstance(error, boto.HTTPClientError) and _HEADER.search(str(error)):
        # the SDK quotes the header, and in it a key or a session token
        return CredentialsError(
            "The AWS keys have a character that no key has",
            "A line break or a blank came into them when they were copied or written into a variable; nothing was sent.",
            "Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN again, without a line break at the end.",
        )
    if isinstance(error, boto.ConnectionError | boto.HTTPClientError):
        if inner := _ours_inside(error):
            return inner
        if variant := _no_such_endpoint(error):
            return variant
        if known := explain(error, "AWS"):
            return known
        kind = NoContactError if isinstance(error, boto.EndpointConnectionError) else UnreachableError
        return kind("AWS cannot be reached", f"{error}", "Check the network and any proxy, then run the command again.")
    if isinstance(error, boto.BotoCoreError):
        return CloudError("The call to AWS could not be made", f"{error}")
    return unusable(error, "AWS", _READS_SETTINGS, ("AWS_",))


_LOGIN = (
    "LoginError",
    "LoginRefreshRequired",
    "LoginInsufficientPermissions",
    "LoginTokenLoadError",
    "LoginAuthorizationCodeError",
)


def _of_login(error: Exception, sign_in: str) -> CredentialsError:
    """Of ``aws login``, which ``aws sso login`` does not renew. https://docs.aws.amazon.com/sdkref/latest/guide/feature-login.html"""
    kind, said = type(error).__name__, f"{str(error).rstrip('. ')}."
    if kind == "LoginInsufficientPermissions":
        hint = f"Ask for signin:CreateOAuth2Token (and signin:AuthorizeOAuth2Access), then: {sign_in}"
        return CredentialsError("The AWS user may not make a session of `aws login`", said, hint, code=kind)
    return CredentialsError("The sign-in to AWS has expired", said, f"Sign in again: {sign_in}", code=kind)


def _no_such_endpoint(error: Exception) -> CloudlinkError | None:
    """Hosts of a kind that was asked for by a variable and that not every service has in every region: they are not known to DNS.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-endpoints.html
    """
    from botocore.exceptions import EndpointConnectionError

    if not isinstance(error, EndpointConnectionError):
        return None
    host = urlsplit(str(error.kwargs.get("endpoint_url") or "")).hostname or ""
    for mark, what, variable in (
        (r"(^|[.-])fips[.-]", "FIPS", "AWS_USE_FIPS_ENDPOINT"),
        (r"\.api\.(aws|amazonwebservices\.)", "dual-stack (IPv6)", "AWS_USE_DUALSTACK_ENDPOINT"),
    ):
        if re.search(mark, host):
            return NoContactError(
                f"AWS's {what} endpoint cannot be reached",
                f"{host} is asked because {variable}, or {variable.lower().removeprefix('aws_')} in {_own_files()}, says so. Not "
                "every service has such an endpoint in every region; where it has none the name does not exist.",
                f"Unset it for this command, if your rules allow that: {variable}=false cloudlink ...",
            )
    return None


def _own_files() -> str:
    return os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config"


def _own_variables() -> str:
    return ", ".join(sorted(n for n in os.environ if n.startswith("AWS_"))) or "none"


def _ours_inside(error: Exception) -> CloudlinkError | None:
    """botocore wraps whatever its HTTP session raises."""
    inner = getattr(error, "kwargs", {}).get("error")
    return inner if isinstance(inner, CloudlinkError) else None


def _answered(error: Exception, sign_in: str, home: str) -> CloudlinkError:
    code, operation = code_of(error), _operation(error)
    whole = str(_body(error).get("Message", ""))
    message = _ENCODED.sub("", whole)
    rest: dict[str, str] = {"code": code, "request_id": str(_metadata(error).get("RequestId", ""))}
    said = f"{operation} answered {code}: {message}"
    if code.isdigit() and _status(error) in BETWEEN:  # the SDK's word for a body that it cannot read
        return between("AWS", _status(error), "")
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
            f"--all-regions --region {home} --query 'Regions[?OptInStatus==`not-opted-in`].RegionName'",
            **rest,
        )
    if "MultiFactorAuthentication failed" in message:
        return CredentialsError(
            "The one-time code (MFA) was not accepted",
            said,
            "Run the same command again with the next code; a code is good once. If none is, this machine's or the device's "
            "clock is wrong.",
            **rest,
        )
    if operation.startswith("AssumeRole") and "DurationSeconds" in message:
        return CredentialsError(
            "The AWS role does not allow a session as long as asked",
            said,
            "Lower duration_seconds of the profile in ~/.aws/config (a role that is assumed by another role: 3600 at most).",
            **rest,
        )
    if code == "UnauthorizedException" and operation in _OF_THE_PORTAL:
        return CredentialsError("The sign-in to AWS has expired", said, f"Sign in again: {sign_in}", **rest)
    if code in _DENIED:
        return _denied(operation, whole, said, rest)
    for known, mark, summary, hint in _BY_MESSAGE:
        if code == known and mark.search(message):
            if code == "ForbiddenException":
                return CredentialsError(summary, said, hint, **rest)
            conflict = code == "InvalidChangeBatch" and "in the way" in summary
            return (ConflictError if conflict else CloudError)(summary, said, hint, **rest)
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
    if _SOME_QUOTA.search(code) and code not in _THROTTLED | _CONFLICTS.keys():
        return CloudError(
            "A quota of AWS is used up",
            said,
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
    if code in ("ResponseParserError", "500") or _status(error) >= 500 or _is_internal(error):
        return UnreachableError(
            "AWS failed to answer", said, "Run the command again; it checks before it creates anything twice.", **rest
        )
    return _by_form(code, message, said, rest)


def _by_form(code: str, message: str, said: str, rest: dict[str, str]) -> CloudlinkError:
    for words, summary, hint in _BY_WORDS:
        if words.search(message):
            return CloudError(summary, said, hint, **rest)
    for codes, summary, hint in _BY_FORM:
        if codes.search(code):
            conflict = "exists in AWS already" in summary
            return (ConflictError if conflict else CloudError)(summary, said, hint, **rest)
    return CloudError("AWS refused a call", said, _UNKNOWN, **rest)


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
    if "can only be managed through" in whole:
        keeper = whole.partition("can only be managed through ")[2].partition(" (")[0] or "a service of AWS"
        return CredentialsError(
            "A service of AWS keeps the hosted zone",
            f"{keeper} made it and alone can write into it. {said}",
            "Leave hosted_zone out and choose another zone, or one below it.",
            **rest,
        )
    if not asked and re.search(r"\bKMS\b", whole):
        return CredentialsError(
            "AWS may not use the key (KMS) that the object is encrypted with",
            said,
            "Ask the key's owner to allow it to this role in the key's policy (kms:Decrypt, kms:GenerateDataKey).",
            **rest,
        )
    if "declarative policy" in whole.lower():
        return CredentialsError(
            "A policy of the AWS organization denies it",
            f"{action} is switched off for the account by a declarative policy. {said}",
            "Ask the organization's administrator: no policy of the account itself can lift it.",
            **rest,
        )
    if "service control" in kind or "resource control" in kind:
        summary = "A policy of the AWS organization denies it"
        hint = (
            f"Ask the organization's administrator to allow {action} for this account: no policy of the account itself can "
            f"lift a {kind} policy."
        )
        if action.partition(":")[0] in _GLOBAL:
            # https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_examples_general.html
            hint += (
                f" {action.partition(':')[0]} is a global service, asked in us-east-1 for every region: a policy that allows "
                "certain regions only has to leave it out."
            )
    elif "boundary" in kind:
        summary = "The permissions boundary of the AWS role denies it"
        hint = f"Ask for {action} in the permissions boundary of the role, or use another profile."
    elif "session" in kind:
        summary = "The policy of the AWS session denies it"
        hint = f"Sign in with a permission set or session policy that allows {action}, or use another profile."
    elif "role trust" in kind or (action == "sts:AssumeRole" and not explicit):
        summary = "The AWS role does not let this identity assume it"
        hint = "Ask the role's owner to name the identity in its trust policy and to allow it sts:AssumeRole."
    elif "endpoint" in kind:
        summary = "The policy of a VPC endpoint in AWS denies it"
        hint = f"Ask for {action} in the policy of the VPC endpoint that this machine goes through."
    elif explicit:
        summary = "A policy in AWS denies it"
        hint = f"Ask the account's administrator to take {action} out of the statement that denies it, or use another profile."
    elif (owner := _OWNER.search(whole)) and owner["owner"] != owner["caller"]:
        # https://docs.aws.amazon.com/vpc/latest/userguide/vpc-sharing.html
        summary = "The AWS object belongs to another account"
        hint = (
            f"Only account {owner['owner']} can do this: build the link with a profile of that account (aws.profile)."
        )
    else:
        summary = "A permission is missing in AWS"
        hint = f"Ask the account's administrator to allow {action}, or use another profile."
    return CredentialsError(summary, f"{action} is not allowed. {said}", hint + decode, action=action, **rest)


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
