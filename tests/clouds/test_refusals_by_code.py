"""More of the table of refusals: codes of the calls that we make, in the words that people quote or vendors document."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from botocore.exceptions import ClientError, SSLError

from cloudlink.clouds.aws import errors as aws_errors
from cloudlink.clouds.azure import errors as azure_errors
from cloudlink.clouds.kube import errors as kube_errors
from cloudlink.clouds.network import explain
from tests.clouds.test_refusals import Response, azure

NOT_PROVISIONED = (
    "Cannot proceed with operation because resource /s/virtualNetworks/v/subnets/GatewaySubnet used by resource /s/g is not in "
    "Succeeded state. Resource is in {} state and the last operation that updated/is updating the resource is PutSubnetOperation."
)


def aws_error(operation: str, code: str, message: str, status: int = 400) -> ClientError:
    metadata: Any = {"HTTPStatusCode": status, "RequestId": "r", "HTTPHeaders": {}}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, operation)


def test_a_zone_that_is_locked_is_waited_for() -> None:
    locked = aws_error("ChangeResourceRecordSets", "InvalidInput", "HostedZone Z1 is marked disabled for mutation")
    assert aws_errors.retryable(locked) == 10.0
    assert aws_errors.retryable(aws_error("ChangeResourceRecordSets", "InvalidInput", "Invalid XML")) is None


def test_connections_that_go_are_waited_for_before_a_gateway_is_detached() -> None:
    message = "This call cannot be completed because there are pending VPNs or Virtual Interfaces"
    assert aws_errors.retryable(aws_error("DetachVpnGateway", "InvalidParameterValue", message)) == 15.0
    assert aws_errors.retryable(aws_error("DetachVpnGateway", "InvalidParameterValue", "something else")) is None


@pytest.mark.parametrize(
    ("region", "home"),
    [("cn-northwest-1", "cn-north-1"), ("us-gov-east-1", "us-gov-west-1"), ("eu-west-1", "us-east-1")],
)
def test_regions_are_looked_up_in_the_same_partition(region: str, home: str) -> None:
    error = aws_errors.translate(aws_error("X", "AuthFailure", "x", 401), None, region)
    assert error is not None and f"--region {home}" in error.hint


@pytest.mark.parametrize(
    ("status", "code", "message", "exit_code", "summary", "hint"),
    [
        (403, "DenyAssignmentAuthorizationFailed", "x", 4, "deny assignment", "denyAssignments"),
        (
            403,
            "AuthorizationFailed",
            (
                "The client 'c' has permission to perform action 'a' on scope 's', and is blocked by deny assignments on the '1' "
                "linked scope(s) '/b'."
            ),
            4,
            "deny assignment",
            "No role lifts it",
        ),
        (
            400,
            "BadRequest",
            "Getting static credential is not allowed because this cluster is set to disable local accounts.",
            4,
            "no local accounts",
            "--enable-aad",
        ),
        (
            409,
            "OperationNotAllowed",
            "Operation could not be completed as it results in exceeding approved Total Regional Cores quota.",
            5,
            "quota",
            "az vm list-usage --location ukwest",
        ),
        (
            400,
            "BadRequest",
            (
                "Provisioning of resource(s) failed. Message: Operation could not be completed as it results in exceeding approved "
                "standardDASv5Family Cores quota."
            ),
            5,
            "quota",
            "az vm list-usage --location ukwest",
        ),
        (409, "OperationNotAllowed", "The cluster is stopped. PowerState: Stopped", 5, "stopped", "az aks start"),
        (
            400,
            "BadRequest",
            "managed cluster is in Provisioning State(Succeeded) and Power State(Stopped), updating cannot be performed",
            5,
            "stopped",
            "az aks start",
        ),
        (409, "OperationNotAllowed", "Another operation is in progress", 5, "busy", "again"),
        (
            400,
            "OperationNotAllowed",
            "Node pool update via managed cluster not allowed. Use per nodepool operations.",
            5,
            "does not allow the operation",
            "the message says",
        ),
        (
            400,
            "ReferencedResourceNotProvisioned",
            NOT_PROVISIONED.format("Failed"),
            5,
            "referred to is in a failed state",
            "az resource update --ids /s/virtualNetworks/v/subnets/GatewaySubnet ",
        ),
        (400, "ReferencedResourceNotProvisioned", NOT_PROVISIONED.format("Updating"), 5, "busy", "again"),
        (400, "ResourceTypeNotSupportAvailabilityZones", "x", 5, "no availability zones", "zones = []"),
        (409, "ResourceMoveInProgress", "x", 5, "moving", "four hours"),
        (409, "ResourceMoveTimedOut", "x", 5, "moving", "four hours"),
        (400, "ReservedResourceName", "x", 5, "a name", "another name"),
        (400, "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet", "x", 5, "overlaps another one", "vnet list"),
        (403, "InvalidSubscriptionState", "x", 5, "disabled", "billing"),
        (400, "DisallowedLocation", "x", 5, "region", "azure.location"),
        (400, "SkuNotAvailable", "x", 5, "machines of this size", "list-skus --location ukwest"),
        (400, "K8sVersionNotSupported", "x", 5, "version", "azure.aks.version"),
        (400, "LocationNotAvailableForResourceType", "x", 5, "region", "azure.location"),
        (409, "InvalidResourceLocation", "x", 5, "another region", "azure.location"),
        (409, "InvalidResourceGroupLocation", "x", 5, "another region", "azure.location"),
        (400, "InvalidResourceReference", "x", 5, "not there", "again"),
        (400, "InvalidSubscriptionId", "x", 5, "no id", "az account list"),
        (409, "ZonalAllocationFailed", "x", 5, "capacity", "zones"),
        (400, "NetcfgSubnetRangeOutsideVnet", "x", 5, "outside the VNet", "azure.vpn_gateway.subnet_prefix"),
        (
            400,
            "InvalidGatewaySkuSpecifiedForGatewayDeploymentType",
            "x",
            5,
            "newer SKU",
            "vnet-gateway update --sku VpnGw1AZ",
        ),
        (500, "InternalServerError", "An error occurred.", 5, "failed to answer", "again"),
        (409, "OverconstrainedZonalAllocationRequest", "x", 5, "capacity", "fewer zones"),
        (400, "PublicIPAddressInUse", "x", 5, "uses the public IP", "ipConfiguration.id"),
        (
            400,
            "SubnetIsFull",
            "Subnet GatewaySubnet does not have enough capacity",
            5,
            "no address left",
            "larger range",
        ),
        (400, "InvalidTagNameCharacters", "x", 5, "tag", "[tags]"),
        (400, "VnetAddressSpacesOverlap", "x", 5, "overlap", "change the range"),
    ],
)
def test_azures_refusals(status: int, code: str, message: str, exit_code: int, summary: str, hint: str) -> None:
    error = azure(status, code, message)
    assert error.exit_code == exit_code
    assert summary in error.summary
    assert hint in error.hint
    assert code in error.detail


@pytest.mark.parametrize(
    ("code", "message", "wait"),
    [
        ("OperationNotAllowed", "exceeding approved Total Regional Cores quota", None),
        ("OperationNotAllowed", "The managed cluster's powerState is Stopped", None),
        ("OperationNotAllowed", "managed cluster is in (Succeeded,Stopped) state", None),
        ("OperationNotAllowed", "Another operation (Upgrading) is in progress", 20.0),
        ("OperationNotAllowed", "Another agentpool operation (nodepool1 - Creating) is in progress", 20.0),
        ("OperationNotAllowed", "there's an in-progress update managed cluster operation", 20.0),
        ("OperationNotAllowed", "Node pool update via managed cluster not allowed.", None),
        ("ReferencedResourceNotProvisioned", NOT_PROVISIONED.format("Failed"), None),
        ("ReferencedResourceNotProvisioned", NOT_PROVISIONED.format("Updating"), 10.0),
        ("CanceledAndSupersededDueToAnotherOperation", "superseded by operation PutSubnetOperation", 15.0),
    ],
)
def test_what_passes_and_what_does_not(code: str, message: str, wait: float | None) -> None:
    """A quota that is used up would be asked for again until the time is over."""
    response: Any = Response(409, {"error": {"code": code, "message": message}})
    error = HttpResponseError(message=message, response=response)
    assert azure_errors.retryable(error) == wait


@pytest.mark.parametrize(
    ("status", "message", "exit_code", "summary", "hint"),
    [
        (
            403,
            (
                'configmaps "aws-auth" is forbidden: User "system:anonymous" cannot get resource "configmaps" in API group "" in '
                'the namespace "kube-system"'
            ),
            4,
            "does not know who asks",
            "az login",
        ),
        (
            500,
            'Get "https://10.1.0.4:10250/containerLogs/a/b": No agent available',
            5,
            "reach its node",
            "konnectivity",
        ),
        (500, "error dialing backend: dial timeout, backstop", 5, "reach its node", "konnectivity"),
        (422, "[]: Too long: must have at most 1048576 bytes", 5, "too large", "1 MiB"),
        (413, "Request entity too large: limit is 3145728", 5, "too large", "1 MiB"),
        (500, "etcdserver: request timed out", 5, "error of its own", "again"),
    ],
)
def test_a_clusters_refusals(status: int, message: str, exit_code: int, summary: str, hint: str) -> None:
    error = kube_errors.translate(kube_errors.KubeApiError(status, "X", message, "PATCH /x"))
    assert error is not None and error.exit_code == exit_code
    assert summary in error.summary
    assert hint in error.hint


@pytest.mark.parametrize(
    "reason", ["Missing Authority Key Identifier", "Basic Constraints of CA cert not marked critical"]
)
def test_a_companys_authority_that_newer_pythons_refuse(reason: str) -> None:
    cause = f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {reason} (_ssl.c:1010)"
    error = explain(SSLError(endpoint_url="https://sts.amazonaws.com", error=Exception(cause)), "AWS", {})
    assert error is not None
    assert "newer Pythons" in error.summary and reason in error.detail and "3.12" in error.hint


@pytest.mark.parametrize(
    "error",
    [
        aws_error("CreateResolverEndpoint", "ServiceQuotaExceededException", "x"),
        aws_error("EnableVgwRoutePropagation", "RouteLimitExceeded", "x"),
        aws_error("CreateResolverEndpoint", "UnsupportedOperation", "x"),
    ],
)
def test_what_no_retry_can_mend_ends_the_run_at_once(error: ClientError) -> None:
    assert aws_errors.retryable(error) is None
    assert not aws_errors.unknown_outcome(error)
