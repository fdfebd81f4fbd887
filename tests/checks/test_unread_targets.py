"""What is proved of names whose target could not be read, and what stays open."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.names import unread
from cloudlink.checks.report import DnsReport, Health, Hop, NameReport
from cloudlink.config import load
from cloudlink.link import AddressTarget, Host, KubernetesTarget, LoadBalancerTarget
from cloudlink.steps.resolver.targets import TargetLookup
from tests.support.pinned import pin

LINK = load(Path(__file__).parents[2] / "config.example.toml", sandbox=True)
ARN = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/Portal/0123456789abcdef"
HOSTS = (
    Host("web", LoadBalancerTarget("web-int")),
    Host("portal", LoadBalancerTarget(ARN)),
    Host("vault", KubernetesTarget("service", "vault", "vault")),
    Host("*.apps", LoadBalancerTarget("web-int")),
)
NAMED = replace(LINK, dns=replace(LINK.dns, hosts=HOSTS, more_zones=()))
DENIED = "You may not call elasticloadbalancing:DescribeLoadBalancers."
ZONE = LINK.dns.zone


def told(label: str, leads: str = "", *, verdict: str = "ok", known: bool = False, asked: str = "") -> DnsReport:
    name = f"{label}.{ZONE}"
    report = NameReport(asked or name, ("10.10.2.9",), verdict, (Hop("cluster-dns", "ok"),))
    found = DnsReport("demo", Health.HEALTHY, (report,))
    return pin(unread.told(found, NAMED, {name} if known else set(), {name: leads} if leads else {}, DENIED))


@pytest.mark.parametrize(
    ("label", "leads"),
    [
        ("web", "web-int-0123456789abcdef.elb.eu-central-1.amazonaws.com"),
        ("portal", "dualstack.internal-Portal-123456.eu-central-1.elb.amazonaws.com"),
    ],
)
def test_the_record_of_a_name_tells_whose_load_balancer_it_leads_to(label: str, leads: str) -> None:
    report = told(label, leads)
    assert report.health is Health.HEALTHY
    (said,) = report.unproved
    assert "the record leads to a load balancer of the configured name" in said
    assert "Not proved that the answers are that load balancer's addresses" in said
    assert DENIED.rstrip(".") in said


@pytest.mark.parametrize("leads", ["web-int2-01234567.elb.eu-central-1.amazonaws.com", "old-9.elb.amazonaws.com"])
def test_a_record_that_leads_to_another_load_balancer_is_wrong_although_its_port_is_reached(leads: str) -> None:
    report = told("web", leads)
    assert report.health is not Health.HEALTHY
    (name,) = report.names
    assert name.verdict == "stale-address"
    assert name.hops[-1].hop == unread.RECORD
    assert leads in name.cause
    assert "web-int" in name.cause


def test_without_a_record_nothing_tells_whose_answer_it_is() -> None:
    for report in (told("web"), told("vault", "k8s-vault-1.elb.eu-central-1.amazonaws.com")):
        assert report.health is Health.HEALTHY
        (said,) = report.unproved
        assert "Not proved that this is the configured target" in said


def test_below_a_wildcard_the_wildcards_record_counts() -> None:
    (said,) = told("*.apps", "web-int-1.elb.amazonaws.com", asked=f"cloudlink-check.apps.{ZONE}").unproved
    assert f"cloudlink-check.apps.{ZONE} (web-int-1.elb.amazonaws.com)" in said


def test_of_names_that_were_compared_or_are_wrong_nothing_more_is_said() -> None:
    assert told("web", "old-9.elb.amazonaws.com", known=True).unproved == ()
    wrong = told("web", "old-9.elb.amazonaws.com", verdict="timeout")
    assert wrong.unproved == ()
    assert wrong.names[0].verdict == "timeout"


def test_of_a_name_that_is_not_configured_nothing_is_to_be_proved() -> None:
    assert told("elsewhere").unproved == ()


def test_configured_addresses_and_listed_load_balancers_are_known_where_a_cluster_may_not_be_asked() -> None:
    fixed = Host("db", AddressTarget((IPv4Address("10.10.3.9"),)))
    link = replace(NAMED, dns=replace(NAMED.dns, hosts=(*HOSTS, fixed)))
    nothing: Any = None

    class Aws:
        def load_balancers(self) -> list[dict[str, Any]]:
            return [
                {
                    "LoadBalancerName": "web-int",
                    "LoadBalancerArn": "arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/net/web-int/1",
                    "DNSName": "web-int-1.elb.eu-central-1.amazonaws.com",
                    "CanonicalHostedZoneId": "Z3F0SRJ5LGBH90",
                    "Scheme": "internal",
                    "VpcId": LINK.aws.vpc_id,
                    "State": {"Code": "active"},
                    "Type": "network",
                    "AvailabilityZones": [],
                }
            ]

    aws: Any = Aws()
    lookup = TargetLookup(address="resolver.targets", title="t", link=link, aws=aws, cluster=nothing, kube_eks=nothing)
    known = lookup.without_clusters()
    assert set(known.load_balancers) == {f"web.{ZONE}", f"*.apps.{ZONE}"}
    assert known.addresses == {f"db.{ZONE}": (IPv4Address("10.10.3.9"),)}
