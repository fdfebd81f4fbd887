"""What Azure's SDK raises, in our words: which error it is, whether to try again, and what to tell the user.

https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from cloudlink.clouds.azure import signin_words
from cloudlink.clouds.azure.parse import PolicyRefusal, policies_named, policy_refusals
from cloudlink.clouds.network import explain
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
_PERMISSION_CODES = frozenset({"AuthorizationFailed", "Forbidden", "InsufficientPrivileges"})
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
    "RegionalVmssVpnGatewayPublicIpsMustNotHaveZonesConfigured": (
        "Azure wants the gateway's public IPs to have no zones",
        "Set azure.vpn_gateway.sku to VpnGw1AZ or above.",
    ),
    "ScopeLocked": (
        "A lock in Azure forbids it",
        "See the lock and who set it with: az lock list -o table. Ask them to remove it, then run the command again.",
    ),
    "CannotDeleteLockedResource": ("A lock in Azure forbids it", "See the lock with: az lock list -o table"),
    "ReadOnlyDisabledSubscription": (
        "The Azure subscription is disabled",
        "Its owner has to enable it again (billing); az account list --all -o table shows its state.",
    ),
    "RequestDisallowedByAzure": (
        "Azure does not let this subscription use the region",
        "Choose another azure.location, or ask Azure for the region: https://aka.ms/locationineligible",
    ),
    "LocationNotSupportAvailabilityZones": (
        "The Azure region has no availability zones",
        "Set azure.vpn_gateway.zones to [].",
    ),
    "VirtualNetworkGatewayAsnCannotBe65515": (
        "The gateway may not have the AS number 65515 here",
        "Set azure.vpn_gateway.asn to another private number, such as 65010.",
    ),
    "RemoteVnetHasNoGateways": (
        "The hub has no gateway yet that the spoke could use",
        "The gateway in the hub comes first: run the command again once it is there.",
    ),
    "RemotePeeringIsDisconnected": (
        "The other half of the VNet peering is gone",
        "Delete this half and make both again: az network vnet peering list --vnet-name VNET -g GROUP -o table",
    ),
    "NetworkSecurityGroupCannotBeAttachedToGatewaySubnet": (
        "GatewaySubnet may have no network security group",
        "A policy or a module adds it: exclude the subnet GatewaySubnet there.",
    ),
    "PublicIpWithBasicSkuNotAllowedOnVPNGateways": (
        "A public IP of the Basic SKU cannot serve a VPN gateway",
        "Let cloudlink make new ones: take the addresses that you named away from the configuration.",
    ),
    "ParentResourceIsInFailedState": (
        "The object that this one belongs to is in a failed state in Azure",
        "Write that one again without changes first (az network vnet update), then run the command again.",
    ),
    "SubscriptionNotRegisteredForFeature": (
        "The Azure subscription lacks a feature",
        "Register it with: az feature register --namespace NAMESPACE --name FEATURE (the message names both).",
    ),
    "SubscriptionRequestsThrottled": (
        "Azure asks to slow down",
        "Wait a few minutes and run the command again.",
    ),
    "NetcfgSubnetRangesOverlap": (
        "The subnet overlaps another one of the VNet",
        "Choose a free range for azure.vnet.gateway_subnet.",
    ),
    "NetcfgInvalidSubnet": (
        "The subnet lies outside the VNet",
        "Choose a range inside the VNet's address space for azure.vnet.gateway_subnet.",
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
    target: str = ""
    policies: tuple[PolicyRefusal, ...] = ()  # of a refusal by policies: what they say of themselves


def missing(error: Exception) -> bool:
    """Whether this is a 404 that says that the object, its parent or its resource group is not there."""
    answer = _answer(error)
    return answer is not None and answer.status == 404 and answer.code in _MISSING_CODES


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
            return signin_words.refused(
                f"{answer.code}: {answer.message}", login, code=answer.code, request_id=answer.request_id
            )
        text = str(error)
        known = None if text.startswith("DefaultAzureCredential") else explain(error, "Microsoft Entra")
        return known or signin_words.failed(text, login)
    answer = _answer(error)
    if answer is not None:
        return _api_error(answer, login, subscription, location)
    if unknown_outcome(error):
        if known := explain(error, "Azure"):
            return known
        return UnreachableError(
            "Azure gave no answer that can be read",
            _first_lines(str(error)),
            "Check the network and run the command again; what was begun is found again.",
        )
    if isinstance(error, AzureError):
        return CloudError("A call to Azure failed", _first_lines(str(error)))
    return None


def words_of(code: str | None, message: str | None) -> str:
    """``code: message`` as it may be shown: without signed URLs, not too long."""
    text = _tidy(message or "")
    return f"{code}: {text}" if code and text else code or text


def _api_error(answer: ErrorResponse, login: str, subscription: str, location: str) -> CloudlinkError:
    more: dict[str, Any] = {"request_id": answer.request_id, "code": answer.code}
    detail = words_of(answer.code, answer.message) or f"HTTP status {answer.status}"
    scope = f" --subscription {subscription}" if subscription else ""
    if answer.status == 401:
        return signin_words.refused(detail, login, code=answer.code, request_id=answer.request_id)
    if answer.code == "LinkedAuthorizationFailed":
        return _linked(answer, detail, login, more)
    if answer.code in _PERMISSION_CODES:
        action = re.search(r"perform action '([^']+)'(?: over scope '([^']+)')?", answer.message)
        needed = f"The action {action.group(1)} is missing. " if action else ""
        where = f" that allows {action.group(1)}" if action else ""
        where += (
            f" on {action.group(2)}"
            if action and action.group(2)
            else " on the resource groups of the link and the VNet"
        )
        return CredentialsError(
            "Azure refused permission",
            needed + detail,
            f"Ask for a role{where}, such as Network Contributor. A role that was given a moment ago needs a new sign-in: {login}",
            **more,
        )
    if answer.code == "RequestDisallowedByPolicy" or answer.policies:
        summary, said, hint = _policy_words(answer.policies)
        return CloudError(summary, f"{said} {detail}".strip(), hint, **more)
    if answer.code in ("MissingSubscriptionRegistration", "SubscriptionNotRegistered", "MissingRegistrationForType"):
        namespace = _namespace(answer)
        return CloudError(
            "A resource provider is not registered in the Azure subscription",
            f"The subscription has not registered {namespace}, so Azure makes nothing of its kind. {detail}",
            f"az provider register{scope} --namespace {namespace} --wait",
            **more,
        )
    if answer.code in ("NoRegisteredProviderFound", "InvalidResourceType", "InvalidApiVersionParameter"):
        return CloudError(
            "This Azure cloud or region does not know the version of its API that is asked for",
            detail,
            "Compare azure.cloud and azure.location with where the resources are; if both are right, use a newer cloudlink.",
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
    if any(_QUOTA.search(code) for code in answer.codes):
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


def _linked(answer: ErrorResponse, detail: str, login: str, more: dict[str, Any]) -> CloudlinkError:
    """The message names two actions: first the one that is there, then the one that is missing.

    https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
    """
    wanted = re.search(r"not have permission to perform action(?:\(s\)|s)? '([^']+)'", answer.message)
    scopes = re.search(r"linked scope\(s\) '([^']+)'", answer.message)
    if wanted is None:
        return CredentialsError(
            "Azure does not know the subscription of a linked object",
            f"An object in another subscription or tenant is referred to, which this sign-in does not see. {detail}",
            f"Compare the subscriptions in the [azure] keys; the sign-in must see both: az account list -o table; {login}",
            **more,
        )
    place = scopes.group(1) if scopes else "the linked object"
    role = (
        "Network Contributor" if wanted.group(1).lower().startswith("microsoft.network/") else "a role with that action"
    )
    return CredentialsError(
        "Azure refused permission on a linked object",
        f"The action {wanted.group(1)} is missing on {place} (or that does not exist). {detail}",
        f"Ask for {role} there: az role assignment create --assignee YOU --role 'Network Contributor' --scope {place}. "
        f"Then sign in again: {login}",
        **more,
    )


def _namespace(answer: ErrorResponse) -> str:
    found = re.search(r"namespace '([\w.]+)'", answer.message) or re.search(r"\b(Microsoft\.\w+)", answer.message)
    if found:
        return found.group(1)
    return answer.target if re.fullmatch(r"Microsoft\.\w+", answer.target) else "Microsoft.Network"


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
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict):
            codes.append(str(detail.get("code") or ""))
            texts.append(str(detail.get("message") or ""))
    inner = [body, *(d for d in details if isinstance(d, dict))] if isinstance(details, list) else [body]
    target = next((str(d["target"]) for d in reversed(inner) if d.get("target")), "")
    policies = tuple(p for d in inner for p in policy_refusals(d.get("additionalInfo") or d.get("additionalinfo")))
    if "RequestDisallowedByPolicy" in codes and not policies:
        policies = policies_named(" ".join(texts))
    message = " ".join(text for text in texts if text)
    request_id = next((headers[name] for name in _REQUEST_IDS if name in headers), "")
    return ErrorResponse(
        error.status_code,
        code,
        message or _first_lines(str(error)),
        tuple(codes),
        _wait(headers, message),
        request_id,
        target,
        policies,
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


def hides(error: Exception) -> bool:
    """Whether this is how Azure answers someone who may not read a connection's key: as a refusal, or, where only the
    action is missing, with an error of its own. https://github.com/hashicorp/terraform-provider-azurerm/issues/29903"""
    answer = _answer(error)
    return answer is not None and (
        answer.status == 403 or (answer.status == 500 and answer.code in ("InternalServerError", ""))
    )


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
