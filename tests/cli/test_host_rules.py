"""An application load balancer that does not know the host of a name: the name resolves and connects, and HTTP gets 404."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cli import Cli, make_cli

ALB = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/sentry-internal/0123456789abcdef"
NAME = "sentry.prod.corp.example"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with make_cli(tmp_path_factory.mktemp("hosts"), speed=600) as made:
        made.replace('load_balancer = "sentry-internal"', f'load_balancer = "{ALB}"')
        assert made.sandbox("start").code == 0
        yield made


def refuse_others(place: Cli, *hosts: str) -> Any:
    """As the controller of EKS makes a listener: one rule for each host, and 404 for everything else."""
    elb = place.clouds().aws.client("elbv2")
    (listener,) = elb.describe_listeners(LoadBalancerArn=ALB)["Listeners"]
    arn = listener["ListenerArn"]
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain"}}
    elb.modify_listener(ListenerArn=arn, DefaultActions=[fixed])
    answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "ContentType": "text/plain"}}
    for priority, host in enumerate(hosts, 1):
        condition = {"Field": "host-header", "HostHeaderConfig": {"Values": [host]}}
        elb.create_rule(ListenerArn=arn, Priority=priority, Conditions=[condition], Actions=[answer])
    return elb


def words(said: Any) -> str:
    return " ".join((said.out + said.err).split())


def test_a_name_that_its_load_balancer_does_not_know_is_told_by_plan_and_by_verify_dns(place: Cli) -> None:
    assert "answers HTTP" not in words(place.cloudlink("plan"))
    elb = refuse_others(place, "shop.prod.corp.example")
    planned = place.cloudlink("plan")
    assert planned.code == 0, planned.out + planned.err
    told = f"{NAME} leads to sentry-internal, whose listener on port 443 has nothing for this host"
    assert told in words(planned)
    assert "Its rules are for shop.prod.corp.example." in words(planned)
    assert place.cloudlink("up", "--no-verify").code == 0
    asked = place.cloudlink("verify-dns", "sentry")
    assert asked.code == 0, "the name resolves and connects"
    assert told in words(asked)
    (listener,) = elb.describe_listeners(LoadBalancerArn=ALB)["Listeners"]
    rule = {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.prod.corp.example"]}}
    answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}
    elb.create_rule(ListenerArn=listener["ListenerArn"], Priority=9, Conditions=[rule], Actions=[answer])
    assert "answers HTTP" not in words(place.cloudlink("verify-dns", "sentry"))
