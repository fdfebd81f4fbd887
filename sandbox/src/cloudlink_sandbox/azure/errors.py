"""How Azure says no. Each function gives one refusal with the code and the wording that ARM uses.

Where neither a recording nor documentation gives a code, the function says ``Assumption``: a client must not
depend on that code.
"""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer that is an error. retry_after: sandbox seconds. flat: AKS's envelope, which has no ``error`` key."""

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        *,
        details: list[Any] | None = None,
        headers: dict[str, str] | None = None,
        retry_after: float | None = None,
        flat: bool = False,
        subcode: str = "",
        bare: bool = False,
        target: str = "",
        additional_info: list[Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details if details is not None else []
        self.headers = headers or {}
        self.retry_after = retry_after
        self.flat = flat
        self.subcode = subcode
        self.bare = bare
        self.target = target
        self.additional_info = additional_info

    def inner(self) -> dict[str, Any]:
        """The inner object, as a failed operation has it, too."""
        error: dict[str, Any] = {} if self.code is None else {"code": self.code}
        if self.target:
            error["target"] = self.target
        error["message"] = self.message
        if self.additional_info is not None:
            error["additionalInfo"] = self.additional_info
        if not self.bare:
            error["details"] = self.details
        return error

    def body(self) -> dict[str, Any]:
        if self.flat:
            return {
                "code": self.code,
                "details": self.details or None,
                "message": self.message,
                "subcode": self.subcode,
            }
        return {"error": self.inner()}


def gateway(status: int, code: str, message: str, **more: Any) -> ApiError:
    """From ARM's own front, before a resource provider is asked: no details, and a header that says so."""
    return ApiError(status, code, message, headers={"x-ms-failure-cause": "gateway"}, bare=True, **more)


# What ARM's front refuses


def resource_not_found(type_: str, name: str, group: str) -> ApiError:
    return gateway(
        404,
        "ResourceNotFound",
        f"The Resource '{type_}/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def group_not_found(group: str) -> ApiError:
    return gateway(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


def group_being_deleted(group: str) -> ApiError:
    return gateway(
        409,
        "ResourceGroupBeingDeleted",
        f"The resource group '{group}' is in deprovisioning state and cannot perform this operation.",
    )


def subscription_not_found(subscription: str) -> ApiError:
    return gateway(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")


def invalid_namespace(namespace: str) -> ApiError:
    return gateway(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")


def invalid_type(namespace: str, type_: str, api_version: str) -> ApiError:
    return gateway(
        404,
        "InvalidResourceType",
        f"The resource type '{type_}' could not be found in the namespace '{namespace}' for api version "
        f"'{api_version}'.",
    )


def no_provider_for(location: str, api_version: str, type_: str, supported: str) -> ApiError:
    return gateway(
        400,
        "NoRegisteredProviderFound",
        f"No registered resource provider found for location '{location}' and API version '{api_version}' for type "
        f"'{type_}'. The supported api-versions are '{supported}'.",
    )


def not_registered(namespace: str) -> ApiError:
    message = (
        f"The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how "
        "to register subscriptions."
    )
    detail = {"code": "MissingSubscriptionRegistration", "message": message, "target": namespace}
    error = gateway(409, "MissingSubscriptionRegistration", message, details=[detail])
    error.bare = False
    return error


def scope_locked(scope: str, verb: str, locked: list[str]) -> ApiError:
    """verb: ``delete`` or ``write``. Assumption: POSTs below a ReadOnly lock are told of a write."""
    return gateway(
        409,
        "ScopeLocked",
        f"The scope '{scope}' cannot perform {verb} operation because following scope(s) are locked: "
        f"'{','.join(locked)}'. Please remove the lock and try again.",
    )


def zones_not_supported(type_: str, name: str, location: str) -> ApiError:
    return ApiError(
        400,
        "LocationNotSupportAvailabilityZones",
        f"The resource '{type_}/{name}' does not support availability zones at location '{location}'.",
    )


def missing_api_version() -> ApiError:
    return gateway(
        400,
        "MissingApiVersionParameter",
        "The api-version query parameter (?api-version=) is required for all requests.",
    )


def invalid_api_version(api_version: str) -> ApiError:
    return gateway(400, "InvalidApiVersionParameter", f"The api-version '{api_version}' is invalid.")


def method_not_allowed(method: str) -> ApiError:
    return gateway(405, "HttpMethodNotAllowed", f"The requested resource does not support http method '{method}'.")


def location_required() -> ApiError:
    return gateway(400, "LocationRequired", "The location property is required for this definition.")


def location_not_available(location: str, type_: str) -> ApiError:
    return gateway(
        400,
        "LocationNotAvailableForResourceType",
        f"The provided location '{location}' is not available for resource type '{type_}'.",
    )


def location_differs(name: str, has: str, group: str, wanted: str) -> ApiError:
    return gateway(
        409,
        "InvalidResourceLocation",
        f"The resource '{name}' already exists in location '{has}' in resource group '{group}'. A resource with the "
        f"same name cannot be created in location '{wanted}'. Please select a new resource name.",
    )


def unauthenticated(code: str, message: str, authority: str) -> ApiError:
    error = gateway(401, code, message)
    error.headers["WWW-Authenticate"] = (
        f'Bearer authorization_uri="{authority}", error="invalid_token", error_description="{message}"'
    )
    return error


def authorization_failed(client: str, action: str, scope: str) -> ApiError:
    return gateway(
        403,
        "AuthorizationFailed",
        f"The client '{client}' with object id '{client}' does not have authorization to perform action '{action}' "
        f"over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your "
        "credentials.",
    )


def linked_authorization_failed(client: str, action: str, scope: str, missing: str, linked: str) -> ApiError:
    """action: the one that the caller has; missing: the one that it has not, on an object that the write refers to.

    Recorded: https://github.com/microsoft/planetary-computer-hub/pull/25
    """
    return gateway(
        403,
        "LinkedAuthorizationFailed",
        f"The client '{client}' with object id '{client}' has permission to perform action '{action}' on scope "
        f"'{scope}'; however, it does not have permission to perform action '{missing}' on the linked scope(s) "
        f"'{linked}' or the linked scope(s) are invalid.",
    )


def throttled(subscription: str, operation: str, seconds: int) -> ApiError:
    return gateway(
        429,
        "SubscriptionRequestsThrottled",
        f"Number of requests for subscription '{subscription}' and operation '{operation}' exceeded the backend "
        f"storage limit. Please try again after '{seconds}' seconds.",
        retry_after=seconds,
    )


# What the network resource provider refuses


def child_not_found(id_: str) -> ApiError:
    return ApiError(404, "NotFound", f"Resource {id_} not found.")


def another_operation(operation_url: str) -> ApiError:
    return ApiError(
        409,
        "AnotherOperationInProgress",
        "Another operation on this or dependent resource is in progress. To retrieve status of the operation use "
        f"uri: {operation_url}.",
    )


def retryable(operation: str, guid: str, id_: str, seconds: int = 12) -> ApiError:
    return ApiError(
        429,
        "RetryableError",
        "A retryable error occurred.",
        details=[
            {
                "code": "RetryableErrorDueToAnotherOperation",
                "message": f"Operation {operation} ({guid}) is updating resource {id_}. "
                f"The call can be retried in {seconds} seconds.",
            }
        ],
        retry_after=seconds,
    )


def not_provisioned(used: str, by: str, state: str, operation: str) -> ApiError:
    message = (
        f"Cannot proceed with operation because resource {used} used by resource {by} is not in Succeeded state. "
        f"Resource is in {state} state and the last operation that updated/is updating the resource is {operation}."
    )
    if state == "Failed":
        # Assumption: a failed reference is refused for good; recordings show the retryable form for Updating only.
        return ApiError(400, "ReferencedResourceNotProvisioned", message)
    return ApiError(
        429,
        "RetryableError",
        "A retryable error occurred.",
        details=[{"code": "ReferencedResourceNotProvisioned", "message": message}],
    )


def reference_not_found(used: str, by: str) -> ApiError:
    return ApiError(
        400,
        "InvalidResourceReference",
        f"Resource {used} referenced by resource {by} was not found. Please make sure that the referenced resource "
        "exists, and that both resources are in the same region.",
    )


def malformed_reference(value: str) -> ApiError:
    return ApiError(
        400,
        "LinkedInvalidPropertyId",
        f"Property id '{value}' is invalid. Expect fully qualified resource Id that start with "
        "'/subscriptions/{subscriptionId}' or '/providers/{resourceProviderNamespace}/'.",
    )


def invalid_prefix(prefix: str, id_: str) -> ApiError:
    return ApiError(
        400,
        "InvalidAddressPrefixFormat",
        f"Address prefix {prefix} of resource {id_} is not formatted correctly. It should follow CIDR notation, for "
        "example 10.0.0.0/24.",
    )


def invalid_value(path: str, value: object, allowed: str = "") -> ApiError:
    """An enum or number that does not exist in the specification."""
    return ApiError(
        400,
        "InvalidRequestFormat",
        "Cannot parse the request.",
        details=[
            {
                "code": "InvalidJson",
                "message": f"Error converting value \"{value}\" at path '{path}'."
                + (f" Allowed: {allowed}." if allowed else ""),
            }
        ],
    )


def missing_property(path: str) -> ApiError:
    return ApiError(
        400,
        "InvalidRequestFormat",
        "Cannot parse the request.",
        details=[{"code": "MissingJsonReferenceId", "message": f"Value for '{path}' is missing."}],
    )


def parent_failed(id_: str, guid: str) -> ApiError:
    return ApiError(
        400,
        "ParentResourceIsInFailedState",
        f"PUT operation on child resource {id_} is blocked because last operation ({guid}) on parent resource failed "
        "leaving it in failed state. Run PUT operation on the parent, then retry operation on the child.",
    )


def not_modelled(what: str, id_: str) -> ApiError:
    """The real Azure would take it; this sandbox says so instead of leaving it out."""
    return ApiError(400, "NotModelledBySandbox", f"This sandbox does not model {what} ({id_}).")


def subnet_in_use(subnet: str, by: str) -> ApiError:
    return ApiError(
        400,
        "InUseSubnetCannotBeDeleted",
        f"Subnet {subnet} is in use by {by} and cannot be deleted. In order to delete the subnet, delete all the "
        "resources within the subnet. See aka.ms/deletesubnet.",
    )


def public_ip_in_use(id_: str, by: str) -> ApiError:
    return ApiError(
        400,
        "PublicIPAddressCannotBeDeleted",
        f"Public IP address {id_} can not be deleted since it is still allocated to resource {by}. In order to delete "
        "the public IP, disassociate/detach the Public IP address from the resource.  To learn how to do this, see "
        "aka.ms/deletepublicip.",
    )


def gateway_has_connections(id_: str, by: str) -> ApiError:
    # The code is known, the wording is ours.
    return ApiError(
        400,
        "VirtualNetworkGatewayCannotBeDeleted",
        f"Virtual network gateway {id_} cannot be deleted because it is in use by connection {by}.",
    )


def fence_around_gateway(group: str) -> ApiError:
    return ApiError(
        400,
        "NetworkSecurityGroupCannotBeAttachedToGatewaySubnet",
        f"The operation failed because the network security group {group.rsplit('/', 1)[-1]} can not be associated to "
        "the GatewaySubnet. Please remove the network security group associated to the GatewaySubnet. No changes have "
        "occurred on the gateway at this time. See here for additional details: https://aka.ms/GatewaySubnet.",
    )


def in_use(code: str, what: str, id_: str, by: str) -> ApiError:
    return ApiError(400, code, f"{what} {id_} cannot be deleted because it is in use by the following resources: {by}.")


def server_error() -> ApiError:
    return ApiError(500, "InternalServerError", "An error occurred.")


def poll_timeout(namespace: str) -> ApiError:
    return gateway(
        504,
        "GatewayTimeout",
        f"The gateway did not receive a response from '{namespace}' within the specified time period.",
    )


def flat(status: int, code: str, message: str, subcode: str = "") -> ApiError:
    """An error as this provider answers it: no ``error`` around it."""
    return ApiError(status, code, message, flat=True, subcode=subcode)


def unenveloped(error: ApiError) -> ApiError:
    """This provider's own errors have no envelope; those of ARM's front keep it."""
    if error.code == "AnotherOperationInProgress":
        return flat(
            409,
            "OperationNotAllowed",
            "Operation is not allowed because there's an in progress operation on the managed cluster.",
        )
    error.flat = "x-ms-failure-cause" not in error.headers
    return error
