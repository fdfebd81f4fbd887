"""Refusals that pass by themselves: how long they are waited for, and which are no such thing."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from cloudlink.clouds import errors
from cloudlink.clouds.answers import seconds_to_wait
from cloudlink.clouds.aws import errors as aws_errors
from cloudlink.clouds.azure import errors as azure_errors
from cloudlink.errors import UnreachableError
from tests.clouds.test_refusals import Response
from tests.clouds.test_refusals_by_code import aws_error

NOW = 1_790_000_000.0


class Request:
    def __init__(self, method: str) -> None:
        self.method = method


def azure_error(status: int, code: str, method: str = "PUT", **headers: str) -> HttpResponseError:
    response: Any = Response(status, {"error": {"code": code, "message": "x"}})
    response.request = Request(method)
    response.headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponseError(message="x", response=response)


@pytest.mark.parametrize(
    ("operation", "code", "status"),
    [
        ("CreateResolverEndpoint", "InternalServiceErrorException", 400),
        ("AssociateResolverEndpointIpAddress", "InternalServiceErrorException", 400),
        ("CreateVpnGateway", "InternalError", 500),
        ("CreateVpnGateway", "Unavailable", 503),
        ("CreateVpnConnection", "InternalFailure", 400),
    ],
)
def test_awss_own_failure_is_known_by_its_code(operation: str, code: str, status: int) -> None:
    """Route 53 Resolver answers its own failures with 400, which elsewhere means a mistake of the caller."""
    error = aws_error(operation, code, "[RSLVR-00201] Internal Service Error, please retry your request.", status)
    assert errors.unknown_outcome(error), "the next read shows whether it had its effect"
    found = aws_errors.translate(error)
    assert isinstance(found, UnreachableError) and "failed to answer" in found.summary


@pytest.mark.parametrize("code", ["ConcurrentTagAccess", "ConcurrentModification", "OperationAborted"])
def test_another_write_at_the_same_moment_is_waited_for(code: str) -> None:
    assert errors.retry_after(aws_error("CreateTags", code, "x")) == 5.0


@pytest.mark.parametrize("code", ["RequestThrottledException", "BandwidthLimitExceeded", "SlowDown", "Throttling"])
def test_throttling_is_no_quota(code: str) -> None:
    error = aws_error("CreateHostedZone", code, "Rate exceeded")
    assert errors.retry_after(error) == 5.0
    found = aws_errors.translate(error)
    assert found is not None and found.summary == "AWS is called too often"


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("CreateTags", "InvalidVpnGatewayID.NotFound"),
        ("TagResource", "ResourceNotFoundException"),
        ("ChangeTagsForResource", "NoSuchHostedZone"),
        ("AttachVpnGateway", "InvalidVpnGatewayID.NotFound"),
    ],
)
def test_what_was_just_made_in_aws_is_not_known_everywhere(operation: str, code: str) -> None:
    error = aws_error(operation, code, "x")
    assert errors.retry_after(error) == 5.0
    assert errors.not_seen_yet(error)
    assert not errors.not_seen_yet(aws_error("DeleteVpnGateway", code, "x"))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "ResourceGroupNotFound"),
        (404, "ParentResourceNotFound"),
        (404, "ResourceNotFound"),
        (400, "InvalidResourceReference"),
    ],
)
def test_what_was_just_made_in_azure_is_not_known_in_every_region(status: int, code: str) -> None:
    error = azure_error(status, code)
    assert errors.retry_after(error) == 10.0
    assert errors.not_seen_yet(error)
    for method in ("GET", "DELETE", "POST"):
        assert errors.retry_after(azure_error(status, code, method)) is None


def test_what_stays_wrong_is_not_waited_for() -> None:
    assert errors.retry_after(azure_error(404, "SubscriptionNotFound")) is None
    assert errors.retry_after(azure_error(400, "InvalidSubscriptionId")) is None


@pytest.mark.parametrize(
    ("asked", "date", "seconds"),
    [
        ("17", "", 17.0),
        (" 2.5 ", "", 2.5),
        (formatdate(NOW + 90, usegmt=True), formatdate(NOW, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), formatdate(NOW, usegmt=True), None),
        ("0", "", None),
        ("-5", "", None),
        ("soon", "", None),
        ("", "", None),
        (None, None, None),
        ("nan", "", None),
        ("1e99", "", None),
        (formatdate(NOW + 90, usegmt=True), "no date", None),
    ],
)
def test_how_long_an_answer_asks_to_wait(asked: str | None, date: str | None, seconds: float | None) -> None:
    """By the answer's own clock: that of this machine may be an hour off."""
    assert seconds_to_wait(asked, date) == seconds


def test_azures_throttling_with_a_date() -> None:
    until, said = formatdate(NOW + 240, usegmt=True), formatdate(NOW, usegmt=True)
    error = azure_error(429, "SubscriptionRequestsThrottled", retry_after=until, date=said)
    assert errors.retry_after(error) == 240.0
    assert azure_errors.transient(error) == 30.0, "a read looks earlier, since others may have become quiet"


@pytest.mark.parametrize(
    ("reason", "passes"),
    [
        ("RetryableError: A retryable error occurred.", True),
        ("CanceledAndSupersededDueToAnotherOperation: superseded by PutSubnetOperation", True),
        ("ReferencedResourceNotProvisioned: resource x is in Updating state", True),
        ("ReferencedResourceNotProvisioned: resource x is in Failed state", False),
        ("OperationNotAllowed: x", False),
        ("InternalServerError: An error occurred.", False),  # told, and mended by the next run
        ("AllocationFailed: x", False),
        ("", False),
    ],
)
def test_operations_that_failed_because_another_one_went_on(reason: str, passes: bool) -> None:
    assert azure_errors.failed_in_passing(reason) is passes
