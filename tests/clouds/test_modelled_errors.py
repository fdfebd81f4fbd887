"""Each error that AWS's own models give the calls of names has words of its own, and not only AWS's."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from cloudlink.clouds.aws.errors import translate

CALLS = {
    "route53": "CreateHostedZone DeleteHostedZone GetHostedZone AssociateVPCWithHostedZone ChangeResourceRecordSets GetChange "
    "ListHostedZonesByVPC ListResourceRecordSets ChangeTagsForResource",
    "route53resolver": "CreateResolverEndpoint UpdateResolverEndpoint DeleteResolverEndpoint AssociateResolverEndpointIpAddress "
    "DisassociateResolverEndpointIpAddress CreateResolverRule UpdateResolverRule AssociateResolverRule TagResource",
    "elbv2": "DescribeLoadBalancers DescribeTargetGroups",
    "eks": "DescribeCluster",
    "secretsmanager": "GetSecretValue",
    "logs": "CreateLogGroup PutRetentionPolicy FilterLogEvents",
}
# Of what these calls are never given: pages of others, reusable delegation sets, health checks.
NOT_OURS = {
    "InvalidPaginationToken", "InvalidNextTokenException", "DelegationSetNotAvailable", "DelegationSetNotReusable",
    "NoSuchDelegationSet", "NoSuchHealthCheck", "NoSuchHealthCheckSource", "ClientException", "TooManyTagsException",
}  # fmt: skip
QUOTAS = ("TooManyHostedZones", "LimitsExceeded", "LimitExceededException")


def modelled() -> list[tuple[str, str, int]]:
    """Operation, code and status."""
    session, found = botocore.session.get_session(), []
    for service, operations in CALLS.items():
        model = session.get_service_model(service)
        for operation in operations.split():
            for shape in model.operation_model(operation).error_shapes:
                said: Any = shape.metadata.get("error") or {}
                found.append((operation, str(shape.error_code), int(said.get("httpStatusCode") or 400)))
    return found


def error(operation: str, code: str, status: int) -> ClientError:
    metadata: Any = {"HTTPStatusCode": status, "RequestId": "r", "HTTPHeaders": {}}
    return ClientError({"Error": {"Code": code, "Message": "Words."}, "ResponseMetadata": metadata}, operation)


def test_each_has_words_of_its_own() -> None:
    without = set()
    for operation, code, status in modelled():
        known = translate(error(operation, code, status))
        assert known is not None
        assert known.hint, (operation, code)
        if known.summary == "AWS refused a call":
            without.add(code)
    assert without <= NOT_OURS


@pytest.mark.parametrize("code", QUOTAS)
def test_what_is_used_up_is_told_as_a_quota(code: str) -> None:
    known = translate(error("CreateHostedZone", code, 400))
    assert known is not None
    assert "quota" in known.summary.lower()
