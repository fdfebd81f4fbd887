"""Only what meets on the link is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudlink.checks.preflight.ranges import RangeFacts, check
from cloudlink.clouds.aws.parse_balancers import LoadBalancer
from cloudlink.clouds.aws.parse_cluster import Cluster
from cloudlink.clouds.aws.parse_vpc import Subnet
from cloudlink.clouds.azure.parse_ranges import AzureRanges, Peering
from cloudlink.errors import Severity
from tests.support.pinned import pinned

from .samples import VPC, first_plan, link, networks, told

OBSTACLE, WARNING = Severity.OBSTACLE, Severity.WARNING
FACTS = RangeFacts(
    vpc=networks("10.10.0.0/16"),
    cluster=Cluster(VPC, ("subnet-1", "subnet-2"), networks("172.20.0.0/16")[0]),
    subnets=(
        Subnet("subnet-1", "a", networks("10.10.0.0/20")[0]),
        Subnet("subnet-2", "b", networks("10.10.16.0/20")[0]),
        Subnet("subnet-3", "a", networks("10.10.32.0/20")[0]),
    ),
    balancers=(LoadBalancer("sentry-internal", "arn:1", VPC, ("subnet-3",)),),
    azure=AzureRanges(networks("10.20.0.0/16"), (), networks("10.244.0.0/16"), networks("10.0.0.0/16")),
)


def findings(facts: RangeFacts) -> list[tuple[Severity, str]]:
    return told(pinned(check(facts, link(), first_plan())))


def peered(*ranges: str, transit: bool) -> RangeFacts:
    return replace(FACTS, azure=replace(FACTS.azure, peerings=(Peering("hub", networks(*ranges), transit),)))


def pods(*ranges: str) -> RangeFacts:
    return replace(FACTS, azure=replace(FACTS.azure, pods=networks(*ranges)))


def test_ranges_that_do_not_meet_are_no_finding() -> None:
    assert findings(FACTS) == []


@pytest.mark.parametrize("services", ["10.244.0.0/20", "10.0.0.0/16"])
def test_eks_services_never_meet_aks_pods_or_services(services: str) -> None:
    cluster = replace(FACTS.cluster, services=networks(services)[0])  # type: ignore[type-var]
    assert findings(replace(FACTS, cluster=cluster)) == []


@pytest.mark.parametrize(
    "facts",
    [
        replace(FACTS, vpc=networks("10.10.0.0/16", "10.20.4.0/22")),
        replace(FACTS, cluster=Cluster(VPC, ("subnet-1", "subnet-2"), networks("10.20.0.0/20")[0])),
        peered("10.10.128.0/20", transit=True),
        peered("172.20.16.0/20", transit=True),
    ],
)
def test_what_meets_on_the_link_is_refused(facts: RangeFacts) -> None:
    assert findings(facts) == [(OBSTACLE, "Ranges of the two clouds overlap")]


def test_a_peered_vnet_without_the_gateway_matters_only_for_targets() -> None:
    """Azure sends what belongs to a peered VNet there, not to AWS."""
    assert findings(peered("10.10.128.0/20", transit=False)) == [
        (WARNING, "A range of the VPC is out of reach for pods")
    ]
    (finding,) = check(peered("10.10.32.0/20", transit=False), link(), first_plan())
    assert finding.severity is OBSTACLE
    assert "sentry.prod.corp.example (sentry-internal in subnet-3)" in finding.detail


def test_pods_in_a_range_of_the_vpc_that_nothing_is_served_from() -> None:
    """The usual case: EKS's pods and AKS's pods both in 100.64.0.0/16, load balancers in 10.10.0.0/16."""
    facts = replace(pods("100.64.0.0/16"), vpc=networks("10.10.0.0/16", "100.64.0.0/16"))
    (finding,) = check(facts, link(), first_plan())
    assert finding.severity is WARNING
    assert "No name of the configuration is known to lie in 100.64.0.0/16" in finding.detail
    assert "vault.prod.corp.example" in finding.detail, "where a Service's load balancer is was not asked"


@pytest.mark.parametrize(
    ("range_", "what"),
    [
        ("10.10.32.0/19", "sentry.prod.corp.example (sentry-internal in subnet-3)"),
        ("10.10.8.0/24", "postgres.prod.corp.example (10.10.8.15)"),
        ("10.10.16.0/20", "the Resolver endpoint in subnet-2"),
    ],
)
def test_pods_in_the_range_of_a_target_are_refused_and_the_target_is_named(range_: str, what: str) -> None:
    (finding,) = check(pods(range_), link(), first_plan())
    assert (finding.severity, finding.key) == (OBSTACLE, "azure.aks")
    assert what in finding.detail
    services = replace(FACTS, azure=replace(FACTS.azure, services=networks(range_)))
    (finding,) = check(services, link(), first_plan())
    assert (finding.severity, what in finding.detail) == (OBSTACLE, True)


def test_a_subnet_that_lies_there_in_part_is_a_warning() -> None:
    (finding,) = check(pods("10.10.40.0/21"), link(), first_plan())
    assert finding.severity is WARNING
    assert "sentry-internal in subnet-3) may get an address there" in finding.detail


def test_networks_of_hybrid_nodes_are_not_azures() -> None:
    """EKS has nodes in a data centre with the VNet's range: the VPC has a way there already."""
    hybrid = Cluster(VPC, ("subnet-1",), None, remote=networks("10.20.128.0/17", "10.85.0.0/16"))
    found = list(check(replace(FACTS, cluster=hybrid), link(), first_plan()))
    assert told(found) == [(OBSTACLE, "Azure has a range of the EKS cluster's hybrid nodes")]
    assert "10.20.128.0/17" in found[0].detail
    elsewhere = replace(hybrid, remote=networks("10.85.0.0/16", "10.10.0.0/20"))
    assert findings(replace(FACTS, cluster=elsewhere)) == [], "the VPC's own ranges are EKS's matter"
