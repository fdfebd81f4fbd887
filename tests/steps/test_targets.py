"""What a name may point at: load balancers that answer, as AWS describes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudlink.config import load
from cloudlink.core.resource import Outputs
from cloudlink.errors import CloudError
from cloudlink.link import Host, LoadBalancerTarget
from cloudlink.steps.resolver.targets import TargetLookup

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
LINK = load(EXAMPLE, sandbox=True)
NAMED = replace(LINK, dns=replace(LINK.dns, hosts=(Host("app", LoadBalancerTarget("web")),), more_zones=()))
GOOD: dict[str, Any] = {
    "LoadBalancerName": "web",
    "LoadBalancerArn": "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/net/web/0123456789abcdef",
    "DNSName": "web-0123456789abcdef.elb.eu-central-1.amazonaws.com",
    "CanonicalHostedZoneId": "Z3F0SRJ5LGBH90",
    "Scheme": "internal",
    "VpcId": LINK.aws.vpc_id,
    "State": {"Code": "active"},
    "Type": "network",
    "AvailabilityZones": [{"ZoneName": "eu-central-1a", "SubnetId": "subnet-1"}],
}


class Answers:
    """Of AWS, as far as targets ask it."""

    def __init__(self, *balancers: dict[str, Any]) -> None:
        self._balancers = balancers

    def load_balancers(self) -> list[dict[str, Any]]:
        return list(self._balancers)


def looked_up(**changes: Any) -> list[str]:
    """The names that have a target."""
    shown = {k: v for k, v in {**GOOD, **changes}.items() if v is not None}
    aws: Any = Answers(shown)
    nothing: Any = None
    lookup = TargetLookup(
        address="resolver.targets", title="targets", link=NAMED, aws=aws, cluster=nothing, kube_eks=nothing
    )
    return list(lookup.read(Outputs({})).load_balancers)


@pytest.mark.parametrize("state", ["active", "provisioning", "active_impaired"])
def test_one_that_answers_or_will(state: str) -> None:
    assert looked_up(State={"Code": state}) == [f"app.{NAMED.dns.zone}"]


@pytest.mark.parametrize(
    ("changes", "summary", "words"),
    [
        (
            {"State": {"Code": "failed", "Reason": "Insufficient addresses."}},
            "The load balancer has failed",
            "Insufficient addresses.",
        ),
        ({"State": {"Code": "failed"}}, "The load balancer has failed", "(for app)."),
        (
            {"Type": "gateway", "Scheme": None, "DNSName": None, "CanonicalHostedZoneId": None},
            "The load balancer is a gateway load balancer",
            "no DNS name",
        ),
        ({"Scheme": "internet-facing"}, "The load balancer is not internal", "is internet-facing"),
        ({"VpcId": "vpc-9"}, "The load balancer is in another VPC", "vpc-9"),
    ],
)
def test_one_that_never_answers_through_the_link(changes: dict[str, Any], summary: str, words: str) -> None:
    with pytest.raises(CloudError) as caught:
        looked_up(**changes)
    assert caught.value.summary == summary
    assert words in caught.value.detail and caught.value.hint
