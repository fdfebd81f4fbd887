"""An API of EKS that does not answer: what EKS says of who may ask it, and the way without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloudlink.checks.preflight import eks
from cloudlink.checks.preflight.run import check
from cloudlink.clouds.aws.parse_cluster import Cluster
from cloudlink.clouds.aws.parse_cluster import cluster as parsed
from cloudlink.errors import Finding, MissingError, Severity, UnreachableError

from .context import context, link

AWAY = UnreachableError(
    "The cluster cannot be reached from here", "The cluster's API (x.eks.amazonaws.com) does not take a connection."
)
CLUSTER = Cluster("vpc-1", (), None)
LINK = link()


class Aws:
    def __init__(self, **network: Any) -> None:
        self.network = network

    def eks_cluster(self, name: str) -> dict[str, Any]:
        where = {"vpcId": "vpc-1", "subnetIds": [], **self.network}
        more = {"endpoint": "https://x", "certificateAuthority": {"data": "x"}, "version": "1.36"}
        return {"name": name, "status": "ACTIVE", "resourcesVpcConfig": where, **more}


def said(cluster: Cluster) -> list[Finding]:
    return list(eks.check(cluster, AWAY, LINK))


def test_a_private_api() -> None:
    (one,) = said(replace(CLUSTER, public_access=False))
    assert one.severity is Severity.OBSTACLE
    assert "in its VPC only" in one.detail
    assert "load_balancer = NAME" in one.hint


def test_an_api_that_takes_calls_from_some_addresses() -> None:
    (one,) = said(replace(CLUSTER, public_ranges=("198.51.100.0/24", "203.0.113.7/32")))
    assert "answers 198.51.100.0/24, 203.0.113.7/32" in one.detail
    assert "publicAccessCidrs=198.51.100.0/24,203.0.113.7/32,ADDRESS/32" in one.hint
    assert f"--name {LINK.aws.eks_cluster}" in one.hint


@pytest.mark.parametrize("ranges", [(), ("0.0.0.0/0",), ("10.0.0.0/8", "0.0.0.0/0")])
def test_an_api_that_takes_calls_from_anywhere_has_nothing_to_do_with_it(ranges: tuple[str, ...]) -> None:
    assert said(replace(CLUSTER, public_ranges=ranges)) == []


def test_it_is_told_in_the_place_of_the_read_that_failed() -> None:
    aws = Aws(endpointPublicAccess=False, publicAccessCidrs=[])
    found = check(context(failed={eks.TARGETS: AWAY}, aws=aws), lambda _, read: read(), (("names", eks.find),))
    assert [f.summary for f in found] == ["The EKS cluster's API is private"]


@pytest.mark.parametrize(
    "error", [MissingError("The load balancer does not exist"), UnreachableError("AWS does not answer", "x")]
)
def test_what_else_failed_is_none_of_its_api(error: Exception) -> None:
    assert list(eks.find(context(failed={eks.TARGETS: error}, aws=Aws(endpointPublicAccess=False)))) == []


def test_what_eks_says_of_who_may_ask() -> None:
    found = parsed(Aws(endpointPublicAccess=True, publicAccessCidrs=["198.51.100.0/24"]).eks_cluster("x"))
    assert found is not None
    assert (found.public_access, found.public_ranges) == (True, ("198.51.100.0/24",))
    silent = parsed(Aws().eks_cluster("x"))
    assert silent is not None
    assert (silent.public_access, silent.public_ranges) == (True, ())
