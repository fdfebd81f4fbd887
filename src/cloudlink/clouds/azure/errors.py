"""What Azure's SDK raises, in our words: which error it is, whether to try again, and what to tell the user.

https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from cloudlink.clouds.answers import seconds_to_wait
from cloudlink.clouds.azure import signin_words
from cloudlink.clouds.azure.parse_policy import PolicyRefusal, policies_named, policy_refusals
from cloudlink.clouds.azure.roles import built_in_role
from cloudlink.clouds.azure.versions import REFUSED, offered
from cloudlink.clouds.local_settings import unusable
from cloudlink.clouds.malformed import is_not_text
from cloudlink.clouds.network import BETWEEN, between, explain
from cloudlink.errors import (
    CloudError,
    CloudlinkError,
    CredentialsError,
    MissingError,
    NoContactError,
    UnreachableError,
)

# Something else is being done to the object, or to one that it hangs on: the same call is right a little later.
_BUSY = {
    "AnotherOperationInProgress": 10.0,
    "RetryableError": 10.0,
    "RetryableErrorDueToAnotherOperation": 10.0,
    "ReferencedResourceNotProvisioned": 10.0,
    "ResourceGroupBeingDeleted": 15.0,
    "OperationNotAllowed": 20.0,  # AKS: another operation on the cluster
    "CanceledAndSupersededDueToAnotherOperation": 15.0,
}
# Refused deletes: what used the object is going, or gone a moment ago.
_IN_USE = frozenset(
    {"InUseSubnetCannotBeDeleted", "PublicIPAddressCannotBeDeleted", "VirtualNetworkGatewayCannotBeDeleted"}
)
_IN_USE_SECONDS = 15.0
# Refused creates: what they hang on was made a moment ago, and the region that answers has not heard of it yet.
# https://github.com/hashicorp/terraform-provider-azurerm/issues/18268
_NOT_SEEN_YET = frozenset(
    {"ResourceGroupNotFound", "ParentResourceNotFound", "ResourceNotFound", "InvalidResourceReference"}
)
_NOT_SEEN_YET_SECONDS = 10.0
_UNKNOWN_STATUSES = frozenset({500, 502, 503, 504})
_THROTTLED_SECONDS = 10.0
_MISSING_CODES = frozenset({"ResourceNotFound", "NotFound", "ResourceGroupNotFound", "ParentResourceNotFound"})
_PERMISSION_CODES = frozenset({"AuthorizationFailed", "Forbidden", "InsufficientPrivileges"})
_QUOTA = re.compile(r"quota|limitreached|limitexceeded", re.IGNORECASE)
_CORES = re.compile(r"exceeding approved .{0,80}quota", re.IGNORECASE)  # with one of three codes
# What AKS says of a write while another one goes on; of one that it never takes it says nothing of the kind.
# https://github.com/MicrosoftDocs/azure-docs/issues/30973
_GOING_ON = re.compile(r"in.progress|another .{0,30}operation|pending|being (created|updated|deleted)", re.IGNORECASE)
_FAILED = re.compile(r"is in failed state", re.IGNORECASE)  # of an object that is referred to: it stays so
# Said with more than one code, of which one means "busy" elsewhere: these do not pass.
_STOPPED = re.compile(
    r"power ?state\W{0,4}(is )?stopped|\(\w+, ?stopped\)|cluster is (currently )?stopped", re.IGNORECASE
)
_SECONDS = re.compile(r"(?:in|after) '?(\d+)'? seconds", re.IGNORECASE)
_SIGNED = re.compile(r"(https?://[^\s'\"?]+)\?\S*")
_LONGEST_MESSAGE = 900
_CLOUD_NAMES = {"usgovernment": "AzureUSGovernment", "china": "AzureChinaCloud"}  # as ``az cloud`` names them
_ASKED_IN = re.compile(r"api[- ]version '([^']+)'", re.IGNORECASE)
_LOCATIONS = re.compile(r"supported locations are '([^']*)'", re.IGNORECASE)
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
        "Set azure.vpn_gateway.zones = []. If it is so already, choose another azure.location.",
    ),
    "ResourceTypeNotSupportAvailabilityZones": (
        "The Azure region has no availability zones for this kind of object",
        "Set azure.vpn_gateway.zones = []. If it is so already, choose another azure.location.",
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
    "LocationNotAvailableForResourceType": (
        "The Azure region does not have this kind of object",
        "Set azure.location to one of the regions that the message lists.",
    ),
    "LocationNotAvailableForResourceGroup": (
        "There is no such Azure region",
        "Correct azure.location: az account list-locations -o table",
    ),
    "InvalidLocation": ("There is no such Azure region", "Correct azure.location: az account list-locations -o table"),
    "InvalidResourceLocation": (
        "An object of this name exists in another region",
        "Delete that one, give the link another name, or set azure.location to its region.",
    ),
    "InvalidResourceGroupLocation": (
        "The resource group exists in another region",
        "Set azure.location to its region, or name another azure.resource_group.",
    ),
    "InvalidResourceReference": (
        "An object that is referred to is not there",
        "It was deleted in the meantime, or is in another subscription: run the command again; it reads first.",
    ),
    "InvalidSubscriptionId": ("That is no id of an Azure subscription", "az account list -o table"),
    "SubscriptionDisabled": (
        "The Azure subscription is disabled",
        "Its owner has to enable it again (billing); az account list --all -o table shows its state.",
    ),
    "SkuNotAvailable": (
        "The region has no virtual machines of this size for the subscription",
        "Set azure.aks.node_size to another one: az vm list-skus --location LOCATION --size Standard_D -o table",
    ),
    "VMSizeNotSupported": (
        "The region has no virtual machines of this size for the subscription",
        "Set azure.aks.node_size to another one: az vm list-skus --location LOCATION --size Standard_D -o table",
    ),
    "AllocationFailed": ("Azure has no capacity left for this now", "Run the same command again later."),
    "ZonalAllocationFailed": (
        "Azure has no capacity left in this zone now",
        "Run the same command again later, or name other zones.",
    ),
    "OverconstrainedAllocationRequest": (
        "Azure has no capacity for just this size and these zones",
        "Name fewer zones or another size, or run the same command again later.",
    ),
    "OverconstrainedZonalAllocationRequest": (
        "Azure has no capacity for just this size and these zones",
        "Name fewer zones or another size, or run the same command again later.",
    ),
    "PublicIPAddressInUse": (
        "Something else uses the public IP that cloudlink made",
        (
            "See what: az network public-ip show --name NAME --resource-group GROUP --query ipConfiguration.id; take it off there, "
            "then run the command again."
        ),
    ),
    "SubnetIsFull": (
        "The subnet has no address left",
        "Free some, or choose a larger range for it: az network vnet subnet list-available-ips shows what is left.",
    ),
    "InvalidTagNameCharacters": (
        "Azure does not take the name of a tag",
        "Correct it in [tags]: < > % & \\ ? / may not be in a name.",
    ),
    "VnetAddressSpacesOverlap": (
        "The VNets' address spaces overlap",
        "They cannot be peered, nor joined by a gateway: change the range of one of them.",
    ),
    "K8sVersionNotSupported": (
        "AKS does not make clusters of this version any more",
        "Set azure.aks.version to one of: az aks get-versions --location LOCATION -o table",
    ),
    "InsufficientSubnetSize": (
        "The cluster's subnet has too few addresses",
        "Choose a larger range for the cluster's subnet, or fewer nodes.",
    ),
    "InvalidGatewaySkuSpecifiedForGatewayDeploymentType": (
        "The VPN gateway must be moved to a newer SKU before it can be changed",
        "Azure has retired its SKU: az network vnet-gateway update --sku VpnGw1AZ, then run the command again.",
    ),
    "NetcfgSubnetRangeOutsideVnet": (
        "The subnet lies outside the VNet",
        "Choose a range inside the VNet's address space for azure.vpn_gateway.subnet_prefix.",
    ),
    "SubscriptionRequestsThrottled": (
        "Azure asks to slow down",
        "Wait a few minutes and run the command again.",
    ),
    "NetcfgSubnetRangesOverlap": (
        "The subnet overlaps another one of the VNet",
        "Choose a free range for azure.vpn_gateway.subnet_prefix.",
    ),
    "NetcfgInvalidSubnet": (
        "The subnet lies outside the VNet",
        "Choose a range inside the VNet's address space for azure.vpn_gateway.subnet_prefix.",
    ),
}

_KNOWN |= {
    "ReservedResourceName": (
        "Azure does not take a name",
        "A word in it is reserved (microsoft, windows; login or xbox at its beginning): give the link another name.",
    ),
    "InvalidSubscriptionState": _KNOWN["SubscriptionDisabled"],
    "SubscriptionIsNotActive": _KNOWN["SubscriptionDisabled"],
}

# What a code that nobody has listed here is about, by its form: (codes, summary, what to do).
_BY_FORM: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        # https://learn.microsoft.com/azure/azure-resource-manager/management/move-resource-group-and-subscription
        re.compile(r"Move(InProgress|TimedOut)|BeingMoved|^MoveCannotProceed"),
        "Azure is moving objects of this resource group",
        (
            "Until the move is over (four hours at most) nothing in the group can be written. Then run the same command again; "
            "what has left the group needs its new place in the configuration."
        ),
    ),
    (
        re.compile(r"Overlap"),
        "An address range overlaps another one in Azure",
        "The message names both: choose another range, or take the other away: az network vnet list -o table",
    ),
    (
        re.compile(r"^(Disallowed|Unsupported)(Location|Region)|RegionNotSupported|LocationNotSupported"),
        "Azure does not offer this in the region",
        "Choose another azure.location: az account list-locations -o table",
    ),
    (
        re.compile(r"^Disabled\w*|SubscriptionDisabled$|^Subscription\w*ReadOnly"),
        *_KNOWN["SubscriptionDisabled"],
    ),
    (
        re.compile(r"InUse$|^InUse|CannotBeDeleted\w*$|NotEmpty$|DeletionBlocked$|CannotBeDeletedDueTo"),
        "Something else in Azure still uses the object",
        "The message names what. Take it off there, then run the same command again.",
    ),
    (
        re.compile(
            r"^(Conflict\w*|\w*Etag\w*|PreconditionFailed|Operation(Preempted|Canceled|Interrupted)|Canceled\w*|Concurrent\w*)$"
        ),
        "The object was changed in Azure while cloudlink worked",
        "Run the same command again: it reads first.",
    ),
    (
        re.compile(r"Zones?(NotSupported|NotAvailable|NotFound)|^InvalidAvailabilityZone|AvailabilityZone\w*Not\w+"),
        "The Azure location does not have the availability zone",
        "Set azure.vpn_gateway.zones to zones that it has: az account list-locations shows them.",
    ),
    (
        re.compile(
            r"Tag(s|Name|Value|Count)?\w*(Exceeded|Length|Characters|Count)|^TooManyTags|^ReservedTag|^InvalidTag"
        ),
        "Azure does not take a tag",
        "Correct it in [tags]: 50 tags on an object, names of 512 and values of 256 characters at most.",
    ),
    (
        re.compile(
            r"^Sku\w*Not\w+|NotAvailableForSubscription$|NotAuthorizedForSku$|SkuChangeNotAllowed$|NotSupportedPricing"
        ),
        "Azure does not offer this SKU here",
        "Set azure.vpn_gateway.sku (or azure.aks.node_size) to another one, or choose another azure.location.",
    ),
    (
        re.compile(r"^(Invalid|BadRequest$|Missing\w*Propert|Malformed|Validation)"),
        "Azure does not take a value",
        "Compare the key of the configuration that the message is about; if there is none, report it with this line.",
    ),
)
_UNKNOWN = (
    "Do what the message says and run the same command again: it goes on from here. If it says nothing of use, Azure's support "
    "finds the call by the request id."
)


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
    method: str = ""  # of the request


def missing(error: Exception) -> bool:
    """Whether this is a 404 that says that the object, its parent or its resource group is not there."""
    answer = _answer(error)
    return answer is not None and answer.status == 404 and answer.code in _MISSING_CODES


def retryable(error: Exception) -> float | None:
    """Seconds (the clouds' time) after which the very same call is safe and sensible again; None: do not retry."""
    answer = _answer(error)
    if answer is None:
        return None
    busy = [_BUSY[code] for code in answer.codes if code in _BUSY and not _for_good(answer, code)]
    if not busy and any(_for_good(answer, code) for code in answer.codes):
        return None
    if _CORES.search(answer.message) or _STOPPED.search(answer.message):
        return None
    if answer.status == 429:
        return answer.wait or max(busy, default=_THROTTLED_SECONDS)
    if answer.status in (400, 404, 409) and busy:
        return answer.wait or max(busy)
    # Assumption: a local network gateway that a connection refers to is refused with a code of the same ending.
    if answer.code in _IN_USE or (answer.status in (400, 409) and answer.code.endswith("CannotBeDeleted")):
        return _IN_USE_SECONDS
    return _NOT_SEEN_YET_SECONDS if not_seen_yet(error) else None


def failed_in_passing(reason: str) -> bool:
    """Whether a long-running operation ended as failed because something else was being done just then. Azure took the write,
    and found out only while it carried it out.

    reason: as ``FirstAnswer.reason`` gives it. https://github.com/hashicorp/terraform-provider-azurerm/issues/30197
    """
    code = reason.partition(":")[0]
    return code in _BUSY and code != "OperationNotAllowed" and _FAILED.search(reason) is None


def _for_good(answer: ErrorResponse, code: str) -> bool:
    """Whether a code that else means "busy" is said of something that does not pass by waiting."""
    if code == "OperationNotAllowed":
        return _GOING_ON.search(answer.message) is None
    return code == "ReferencedResourceNotProvisioned" and _FAILED.search(answer.message) is not None


def not_seen_yet(error: Exception) -> bool:
    """Whether a create was refused because what it is put into, or refers to, is not known everywhere yet."""
    answer = _answer(error)
    if answer is None or answer.status not in (400, 404):
        return False
    return answer.method == "PUT" and any(code in _NOT_SEEN_YET for code in answer.codes)


def unknown_outcome(error: Exception) -> bool:
    """Whether the call may have had its effect: no answer, an answer that cannot be read, or Azure's own failure."""
    if not is_azure(error):
        return False
    from azure.core.exceptions import DecodeError, IncompleteReadError, ServiceRequestError, ServiceResponseError

    if isinstance(error, ServiceRequestError | ServiceResponseError | DecodeError | IncompleteReadError):
        return True
    if is_not_text(error, "azure"):
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
    error: Exception,
    *,
    tenant: str | None = None,
    subscription: str = "",
    location: str = "LOCATION",
    cloud: str = "public",
) -> CloudlinkError | None:
    """The error for the user; None when it is none of Azure's SDK. cloud: as azure.cloud names it."""
    if not is_azure(error):
        return unusable(error, "Azure", ("azure.identity", "msal"), ("AZURE_",))
    from azure.core.exceptions import AzureError, ClientAuthenticationError, ServiceRequestError

    login = f"az login --tenant {tenant}" if tenant else "az login"
    if cloud in _CLOUD_NAMES:  # az signs in to one cloud at a time, the public one by default
        login = f"az cloud set --name {_CLOUD_NAMES[cloud]} && {login}"
    if isinstance(error, ClientAuthenticationError):
        answer = _answer(error)
        if answer and answer.code:
            return signin_words.refused(
                f"{answer.code}: {answer.message}", login, code=answer.code, request_id=answer.request_id
            )
        text = str(error)
        known = None if text.startswith("DefaultAzureCredential") else explain(error, "Microsoft Entra")
        return known or signin_words.unreached(text) or signin_words.failed(text, login)
    answer = _answer(error)
    if answer is not None:
        return _api_error(answer, login, subscription, location)
    if unknown_outcome(error):
        if known := explain(error, "Azure"):
            return known
        if isinstance(error, ServiceRequestError):
            return NoContactError(
                "Azure cannot be reached",
                _first_lines(str(error)),
                "Check the network and any proxy, then run the command again.",
            )
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
    if answer.status == 401 or signin_words.SECOND_FACTOR.search(answer.message):
        return signin_words.refused(detail, login, code=answer.code, request_id=answer.request_id)
    if not answer.code and answer.status in BETWEEN:
        return between("Azure", answer.status, detail)
    if answer.code == "LinkedAuthorizationFailed":
        return _linked(answer, detail, login, more)
    if answer.code == "DenyAssignmentAuthorizationFailed" or "blocked by deny assignments" in answer.message:
        return CredentialsError(
            "A deny assignment in Azure forbids it",
            detail,
            "No role lifts it: ask who manages the scope (a managed application, a blueprint, a deployment stack). To see it: "
            "az rest --url SCOPE/providers/Microsoft.Authorization/denyAssignments?api-version=2022-04-01",
            **more,
        )
    if answer.code in _PERMISSION_CODES:
        action = re.search(r"perform action '([^']+)'(?: over scope '([^']+)')?", answer.message)
        # Azure's own sentence says the same at four times the length.
        client = re.search(r"The client '([^']+)'", answer.message)
        who = f" Azure was asked as {client.group(1)}." if client else ""
        needed = f"The action {action.group(1)} is missing.{who}" if action else detail
        where = f" that allows {action.group(1)}" if action else ""
        where += (
            f" on {action.group(2)}"
            if action and action.group(2)
            else " on the resource groups of the link and the VNet"
        )
        return CredentialsError(
            "Azure refused permission",
            needed,
            f"Ask for a role{where}, such as {built_in_role(action.group(1) if action else '')}, or activate the one that you are "
            f"eligible for (PIM). A role that was given or activated a moment ago needs a new sign-in: {login}",
            action=action.group(1) if action else "",
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
    if answer.code in REFUSED:
        asked, places = _ASKED_IN.search(answer.message), _LOCATIONS.search(answer.message)
        if asked and asked[1] in offered(answer.message):
            return CloudError(
                "The Azure region does not have this kind of object",
                detail,
                "Set azure.location to a region that has it" + (f": {places[1]}" if places and places[1] else "."),
                **more,
            )
        return CloudError(
            "This Azure cloud or region does not know the version of its API that is asked for",
            detail,
            "Compare azure.cloud and azure.location with where the resources are; if both are right, use a newer cloudlink.",
            **more,
        )
    if "static credential is not allowed" in answer.message:
        return CredentialsError(
            "The AKS cluster has no local accounts and no Entra sign-in",
            detail,
            "Switch the Entra sign-in on: az aks update --enable-aad --name NAME --resource-group GROUP",
            **more,
        )
    if _CORES.search(answer.message):
        return CloudError(
            "A quota in Azure is used up",
            detail,
            f"Ask for more: az vm list-usage --location {location} -o table",
            **more,
        )
    if _STOPPED.search(answer.message):
        return CloudError(
            "The AKS cluster is stopped", detail, "Start it: az aks start --name NAME --resource-group GROUP", **more
        )
    if answer.code in _KNOWN:
        summary, hint = _KNOWN[answer.code]
        return CloudError(summary, detail, hint.replace("LOCATION", location), **more)
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
    if any(code == "ReferencedResourceNotProvisioned" and _for_good(answer, code) for code in answer.codes):
        named = re.search(r"because resource (\S+) used by", answer.message)
        return CloudError(
            "An object that is referred to is in a failed state in Azure",
            detail,
            f"Write that one once more as it is: az resource update --ids {named.group(1) if named else 'ID'} --set tags.repaired=yes; "
            "if it stays so, Azure's support has to repair it. Then run the same command again.",
            **more,
        )
    if "OperationNotAllowed" in answer.codes and _for_good(answer, "OperationNotAllowed"):
        return CloudError("Azure does not allow the operation", detail, _UNKNOWN, **more)
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
    for codes, summary, hint in _BY_FORM:
        if any(codes.search(code) for code in answer.codes):
            return CloudError(summary, detail, hint, **more)
    if answer.status == 403:
        return CredentialsError(
            "Azure does not let this sign-in do it",
            detail,
            f"Ask who keeps the subscription for what the message names. A role that was given a moment ago needs a new "
            f"sign-in: {login}",
            **more,
        )
    return CloudError("Azure refused the request", detail, _UNKNOWN, **more)


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
    role = built_in_role(wanted.group(1))
    return CredentialsError(
        "Azure refused permission on a linked object",
        f"The action {wanted.group(1)} is missing on {place} (or that does not exist). {detail}",
        f"Ask for {role} there: az role assignment create --assignee YOU --role '{role}' --scope {place}. "
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
    return type(error).__module__.partition(".")[0] == "azure" or is_not_text(error, "azure")


# Recorded as "Call to Microsoft.X failed. Error message: ...": https://github.com/hashicorp/terraform-provider-azurerm/issues/17478
_LOCKED = re.compile(r"following scope\(s\) are locked")


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
    status = error.status_code
    if _LOCKED.search(message):  # under whatever code another provider passes it on
        status, code, codes = 409, "ScopeLocked", ["ScopeLocked"]
    return ErrorResponse(
        status,
        code,
        message or _first_lines(str(error)),
        tuple(codes),
        _wait(headers, message),
        request_id,
        target,
        policies,
        str(getattr(getattr(response, "request", None), "method", "") or ""),
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
        seconds = seconds_to_wait(headers.get(name), headers.get("date"))
        if seconds is not None:
            return seconds * unit
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
