"""What Azure's SDK raises, in our words: which error it is, whether to try again, and what to tell the user.

https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from cloudlink.clouds.azure.parse import PolicyRefusal, policies_named, policy_refusals
from cloudlink.errors import CloudError, CloudlinkError, CredentialsError, MissingError, UnreachableError

# Something else is being done to the object, or to one that it hangs on: the same call is right a little later.
_BUSY = {
    "AnotherOperationInProgress": 10.0,
    "RetryableError": 10.0,
    "RetryableErrorDueToAnotherOperation": 10.0,
    "ReferencedResourceNotProvisioned": 10.0,
    "ResourceGroupBeingDeleted": 15.0,
    "OperationNotAllowed": 20.0,  # AKS: another operation on the cluster
}
# Refused deletes: what used the object is going, or gone a moment ago.
_IN_USE = frozenset(
    {"InUseSubnetCannotBeDeleted", "PublicIPAddressCannotBeDeleted", "VirtualNetworkGatewayCannotBeDeleted"}
)
_IN_USE_SECONDS = 15.0
_UNKNOWN_STATUSES = frozenset({500, 502, 503, 504})
_THROTTLED_SECONDS = 10.0
_MISSING_CODES = frozenset({"ResourceNotFound", "NotFound", "ResourceGroupNotFound", "ParentResourceNotFound"})
_PERMISSION_CODES = frozenset({"AuthorizationFailed", "LinkedAuthorizationFailed", "Forbidden"})
_BY_POLICY = "RequestDisallowedByPolicy"
_UNREGISTERED = frozenset({"MissingSubscriptionRegistration", "SubscriptionNotRegistered"})
_QUOTA = re.compile(r"quota|limitreached|limitexceeded", re.IGNORECASE)
_SECONDS = re.compile(r"(?:in|after) '?(\d+)'? seconds", re.IGNORECASE)
_SIGNED = re.compile(r"(https?://[^\s'\"?]+)\?\S*")
_LONGEST_MESSAGE = 900
_REQUEST_IDS = ("x-ms-request-id", "x-ms-arm-service-request-id", "x-ms-correlation-request-id")

# code -> (summary, hint)
_KNOWN: dict[str, tuple[str, str]] = {
    "NonAzSkusNotAllowedForVPNGateway": (
        "Azure no longer makes VPN gateways of this SKU",
        "Set azure.vpn_gateway.sku to VpnGw1AZ or above.",
    ),
    "VmssVpnGatewayPublicIpsMustHaveZonesConfigured": (
        "Azure wants the gateway's public IPs to have zones",
        "Set azure.vpn_gateway.zones to zones that the location has, which az account list-locations tells.",
    ),
    "LocationNotSupportAvailabilityZones": ("The location has no zones", "Set azure.vpn_gateway.zones to []."),
    "ResourceTypeNotSupportAvailabilityZones": ("The location has no zones", "Set azure.vpn_gateway.zones to []."),
    "NetworkSecurityGroupCannotBeAttachedToGatewaySubnet": (
        "GatewaySubnet has a network security group",
        "Take it off GatewaySubnet, where Azure supports none; if it comes back, a policy puts it there.",
    ),
    "RegionalVmssVpnGatewayPublicIpsMustNotHaveZonesConfigured": (
        "Azure wants the gateway's public IPs to have no zones",
        "Set azure.vpn_gateway.sku to VpnGw1AZ or above.",
    ),
    "ScopeLocked": ("A lock in Azure forbids it", "az lock list -o table"),
    "ReadOnlyDisabledSubscription": ("The Azure subscription is disabled", "az account list -o table"),
    "NetcfgSubnetRangesOverlap": (
        "The subnet overlaps another one of the VNet",
        "Choose a free range for azure.vpn_gateway.subnet_prefix.",
    ),
    "NetcfgInvalidSubnet": (
        "The subnet lies outside the VNet",
        "Choose a range inside the VNet's address space for azure.vpn_gateway.subnet_prefix.",
    ),
}


@dataclass(frozen=True)
class ErrorResponse:
    """An error answer of Azure Resource Manager, whichever of its envelopes it came in."""

    status: int
    code: str
    message: str
    codes: tuple[str, ...]  # the error's own and those of its details
    wait: float | None  # seconds that the answer asks for
    request_id: str
    policies: tuple[PolicyRefusal, ...] = ()  # of a refusal by policies: what they say of themselves


def missing(error: Exception) -> bool:
    """Whether this is a 404 that says that the object, its parent or its resource group is not there."""
    answer = _answer(error)
    return answer is not None and answer.status == 404 and answer.code in _MISSING_CODES


def hides(error: Exception) -> bool:
    """Whether this is how Azure answers someone who may not read a connection's key: as a refusal, or, where only the
    action is missing, with an error of its own. https://github.com/hashicorp/terraform-provider-azurerm/issues/29903"""
    answer = _answer(error)
    return answer is not None and (
        answer.status == 403 or (answer.status == 500 and answer.code in ("InternalServerError", ""))
    )


def retryable(error: Exception) -> float | None:
    """Seconds (the clouds' time) after which the very same call is safe and sensible again; None: do not retry."""
    answer = _answer(error)
    if answer is None:
        return None
    busy = [_BUSY[code] for code in answer.codes if code in _BUSY]
    if answer.status == 429:
        return answer.wait or max(busy, default=_THROTTLED_SECONDS)
    if answer.status in (400, 404, 409) and busy:
        return answer.wait or max(busy)
    # Assumption: a local network gateway that a connection refers to is refused with a code of the same ending.
    if answer.code in _IN_USE or (answer.status in (400, 409) and answer.code.endswith("CannotBeDeleted")):
        return _IN_USE_SECONDS
    return None


def unknown_outcome(error: Exception) -> bool:
    """Whether the call may have had its effect: no answer, an answer that cannot be read, or Azure's own failure."""
    if not is_azure(error):
        return False
    from azure.core.exceptions import DecodeError, IncompleteReadError, ServiceRequestError, ServiceResponseError

    if isinstance(error, ServiceRequestError | ServiceResponseError | DecodeError | IncompleteReadError):
        return True
    if _is_undecodable(error):
        return True
    answer = _answer(error)
    return answer is not None and answer.status in _UNKNOWN_STATUSES


def transient(error: Exception) -> float | None:
    """Seconds after which a failed *read* is worth another try; None: it is not."""
    if unknown_outcome(error):
        return 3.0
    answer = _answer(error)
    if answer is not None and answer.status in (408, 429):
        return min(answer.wait or _THROTTLED_SECONDS, 30.0)
    return None


def translate(
    error: Exception, *, tenant: str | None = None, subscription: str = "", location: str = "LOCATION"
) -> CloudlinkError | None:
    """The error for the user; None when it is none of Azure's SDK."""
    if not is_azure(error):
        return None
    from azure.core.exceptions import AzureError, ClientAuthenticationError

    login = f"az login --tenant {tenant}" if tenant else "az login"
    if isinstance(error, ClientAuthenticationError):
        answer = _answer(error)
        if answer and answer.code:
            detail = f"{answer.code}: {answer.message}"
        elif str(error).startswith("DefaultAzureCredential"):
            detail = _sign_ins(str(error))
        else:
            detail = _first_lines(str(error))
        return CredentialsError(
            "Not signed in to Azure", detail, login, request_id=answer.request_id if answer else "", code="NotSignedIn"
        )
    answer = _answer(error)
    if answer is not None:
        return _api_error(answer, login, subscription, location)
    if unknown_outcome(error):
        return UnreachableError(
            "Azure gave no answer that can be read",
            _first_lines(str(error)),
            "Check the network and run the command again; what was begun is found again.",
        )
    if isinstance(error, AzureError):
        return CloudError("A call to Azure failed", _first_lines(str(error)))
    return None


def _sign_ins(text: str) -> str:
    """The SDK names each way to sign in and why it gave nothing: twenty lines for a forgotten ``az login``. What counts
    is a way that was there and failed: a wrong secret, an expired login, a server that could not be reached."""
    ways = (line.strip() for line in text.splitlines() if line.startswith("\t"))
    failed = dict.fromkeys(way for way in ways if "Authentication failed" in way or "AADSTS" in way)
    if failed:
        return _tidy(" ".join(failed))
    return "Neither the environment, a workload or managed identity nor an Azure command line gave a token."


def words_of(code: str | None, message: str | None) -> str:
    """``code: message`` as it may be shown: without signed URLs, not too long."""
    text = _tidy(message or "")
    return f"{code}: {text}" if code and text else code or text


def _api_error(answer: ErrorResponse, login: str, subscription: str, location: str) -> CloudlinkError:
    more: dict[str, Any] = {"request_id": answer.request_id, "code": answer.code}
    detail = words_of(answer.code, answer.message) or f"HTTP status {answer.status}"
    scope = f" --subscription {subscription}" if subscription else ""
    if answer.status == 401:
        return CredentialsError("Not signed in to Azure", detail, login, **more)
    if answer.code in _PERMISSION_CODES:
        action = re.search(r"perform action '([^']+)'", answer.message)
        needed = f"The action {action.group(1)} is missing. " if action else ""
        return CredentialsError(
            "Azure refused permission",
            needed + detail,
            "Ask for the role Network Contributor on the resource groups of the link and of the VNet, "
            "then sign in again: " + login,
            **more,
        )
    if _BY_POLICY in answer.codes:
        summary, said, hint = _policy_words(answer.policies)
        return CloudError(summary, f"{said} {detail}".strip(), hint, **more)
    if any(code in _UNREGISTERED for code in answer.codes):
        return CloudError(
            "The subscription does not use this part of Azure yet",
            detail,
            f"az provider register{scope} --namespace {_namespace(answer.message)} --wait\n"
            "If it is registered already, registering it again has helped.",
            **more,
        )
    if answer.code in _KNOWN:
        summary, hint = _KNOWN[answer.code]
        return CloudError(summary, detail, hint, **more)
    if answer.code == "SubscriptionNotFound":
        return MissingError("The Azure subscription was not found", detail, "az account list -o table", **more)
    if answer.code == "ResourceGroupNotFound":
        return MissingError("The resource group was not found", detail, f"az group list{scope} -o table", **more)
    if answer.status == 404 and answer.code in _MISSING_CODES:
        return MissingError("Azure does not know the object", detail, f"az resource list{scope} -o table", **more)
    if _QUOTA.search(answer.code):
        return CloudError(
            "A quota in Azure is used up", detail, f"az network list-usages --location {location} -o table", **more
        )
    if answer.status == 429:
        return CloudError("Azure asks to slow down", detail, "Wait a few minutes and run the command again.", **more)
    if any(code in _BUSY for code in answer.codes):
        return CloudError(
            "Azure is still busy with an earlier operation",
            detail,
            "Wait a few minutes and run the command again.",
            **more,
        )
    if answer.status in _UNKNOWN_STATUSES:
        return UnreachableError(
            "Azure failed to answer", detail, "Run the command again; what was begun is found again.", **more
        )
    return CloudError("Azure refused the request", detail, **more)


def _policy_words(policies: tuple[PolicyRefusal, ...]) -> tuple[str, str, str]:
    """Summary, detail and hint of a refusal by policies."""
    tags = tuple(dict.fromkeys(tag for p in policies for tag in p.missing_tags))
    said = " ".join(map(_policy_said, policies))
    if tags:
        lines = "\n".join(f'{toml_key(tag)} = "..."' for tag in tags)
        return "An Azure policy wants a tag", said, f"[tags]\n{lines}"
    named = next((p for p in policies if p.assignment_id), None)
    if named is None:
        return "An Azure policy forbids it", said, "az policy assignment list --disable-scope-strict-match -o table"
    scope = named.assignment_id.rpartition("/providers/Microsoft.Authorization/")[0]
    at = f" --scope {scope}" if scope else ""
    show = f"az policy assignment show --name {named.assignment_id.rpartition('/')[2]}{at}"
    return "An Azure policy forbids it", said, f"Ask who keeps the policy for an exemption. To see it: {show}"


def _policy_said(refusal: PolicyRefusal) -> str:
    who = f'The policy "{refusal.policy or "without a name"}"'
    if refusal.assignment:
        who += f' (assignment "{refusal.assignment}"' + (f" in {refusal.scope})" if refusal.scope else ")")
    if refusal.missing_tags:
        several = "the tags" if len(refusal.missing_tags) > 1 else "the tag"
        return f"{who} refuses it: {several} {', '.join(refusal.missing_tags)} must be there."
    return f"{who} refuses it{': ' + '; '.join(refusal.reasons) if refusal.reasons else ''}."


def toml_key(name: str) -> str:
    """A tag's key as a TOML file has it."""
    bare = re.fullmatch(r"[A-Za-z0-9_-]+", name)
    return name if bare else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _namespace(message: str) -> str:
    found = re.search(r"namespace '([\w.]+)'", message) or re.search(r"\b(Microsoft\.\w+)", message)
    return found.group(1) if found else "Microsoft.Network"


def is_azure(error: Exception) -> bool:
    """Without importing the SDK: errors of others pass through here too."""
    return type(error).__module__.partition(".")[0] == "azure" or _is_undecodable(error)


def _is_undecodable(error: Exception) -> bool:
    """A body that is not UTF-8: azure-core lets Python's own error through, so that only its way tells where it is from."""
    if not isinstance(error, UnicodeDecodeError):
        return False
    step = error.__traceback__
    while step is not None:
        if str(step.tb_frame.f_globals.get("__name__", "")).startswith("azure."):
            return True
        step = step.tb_next
    return False


def _answer(error: Exception) -> ErrorResponse | None:
    if not is_azure(error):
        return None
    from azure.core.exceptions import HttpResponseError

    if not isinstance(error, HttpResponseError) or error.status_code is None:
        return None
    response: Any = error.response
    headers = {k.lower(): v for k, v in (response.headers if response is not None else {}).items()}
    body = _error_body(error)
    code, message = str(body.get("code") or ""), str(body.get("message") or "")
    codes, texts = [code], [message]
    details = body.get("details")
    policies = list(policy_refusals(body.get("additionalinfo")))
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict):
            codes.append(str(detail.get("code") or ""))
            texts.append(str(detail.get("message") or ""))
            policies += policy_refusals(detail.get("additionalInfo"))
    if _BY_POLICY in codes and not policies:
        policies += policies_named(" ".join(texts))
    message = " ".join(text for text in texts if text)
    request_id = next((headers[name] for name in _REQUEST_IDS if name in headers), "")
    return ErrorResponse(
        error.status_code,
        code,
        message or _first_lines(str(error)),
        tuple(codes),
        _wait(headers, message),
        request_id,
        tuple(policies),
    )


def _error_body(error: Any) -> dict[str, Any]:
    """The inner error object: under ``error``, under ``Error``, or (AKS) at the top."""
    try:
        body = error.response.json()
    except Exception:  # noqa: BLE001  the body may be HTML, cut short or not there at all: then there is nothing to read
        return {}
    if not isinstance(body, dict):
        return {}
    inner = body.get("error", body.get("Error", body))
    if not isinstance(inner, dict):
        return {}
    return {str(k).lower(): v for k, v in inner.items()}


def _wait(headers: dict[str, str], message: str) -> float | None:
    """What the message says comes first: it is in the clouds' time even where headers are for a fast clock."""
    if said := _SECONDS.search(message):
        return float(said.group(1))
    for name, unit in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if seconds > 0:
            return seconds
    return None


def _tidy(message: str) -> str:
    text = _SIGNED.sub(r"\1", " ".join(message.split()))
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + " ..."


def _first_lines(text: str) -> str:
    return _tidy(" ".join(line for line in text.splitlines()[:6]))
