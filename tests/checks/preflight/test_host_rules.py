"""Which names an application load balancer answers itself, by the rules of its listeners. Pure but for who is asked what."""

from __future__ import annotations

from typing import Any

import pytest

from cloudlink.checks.preflight import host_rules
from cloudlink.checks.preflight.host_rules import Heard, check, unanswered
from cloudlink.clouds.aws.parse_balancers import HostRule, Listener, listeners
from cloudlink.clouds.aws.parse_balancers import host_rules as parse_rules
from cloudlink.core.plan import Action
from cloudlink.errors import Severity
from cloudlink.steps.outputs import LoadBalancer, Targets
from tests.support.pinned import pinned

from .context import context, link, plan
from .samples import told

ARN = "arn:alb"
SECURE = Listener(443, True, "arn:listener", 404)


def of_hosts(*hosts: str, **more: Any) -> HostRule:
    return HostRule(hosts, **{"always": True, **more})


def statuses(name: str, *rules: HostRule, listener: Listener = SECURE, ports: tuple[int, ...] = (443,)) -> list[int]:
    found = list(unanswered({ARN: (Heard("web", listener, rules),)}, {name: (ARN, ports)}))
    assert told(pinned(check(found, link()))) == [
        (Severity.WARNING, "A load balancer answers nothing for a host of that name") for _ in found
    ]
    return [s for one in found for s in one.statuses]


@pytest.mark.parametrize(
    ("name", "rules", "wanted"),
    [
        ("app.corp.example", (), [404]),
        ("app.corp.example", (of_hosts("shop.corp.example"),), [404]),
        ("app.corp.example", (of_hosts("APP.corp.example".lower()),), []),
        ("app.corp.example", (of_hosts("*.corp.example"),), []),
        ("app.corp.example", (of_hosts("ap?.corp.example"),), []),
        ("app.corp.example", (of_hosts("a.p.corp.example"),), [404]),  # a dot is a dot
        ("app.corp.example", (of_hosts("app.corp.example", always=False),), []),  # for some path
        ("app.corp.example", (HostRule(),), []),  # by path alone
        ("app.corp.example", (of_hosts("app.corp.example", fixed=503),), [503]),  # closed for maintenance
        ("app.corp.example", (of_hosts("app.corp.example", fixed=503, always=False),), [404, 503]),
        ("app.corp.example", (HostRule(fixed=403), of_hosts("app.corp.example")), []),
        ("app.corp.example", (of_hosts("app.corp.example", fixed=200),), []),
        ("app.corp.example", (HostRule(unclear=True),), []),  # a regular expression
        ("*.corp.example", (of_hosts("shop.corp.example"),), []),  # some name below it is answered
        ("*.corp.example", (of_hosts("*.example"),), []),
        ("*.corp.example", (of_hosts("*.shop.example", "corp.example"),), [404]),
    ],
)
def test_what_a_listener_says_to_a_host(name: str, rules: tuple[HostRule, ...], wanted: list[int]) -> None:
    assert statuses(name, *rules) == wanted


def test_a_listener_that_hands_on_and_a_port_that_nobody_asks() -> None:
    assert statuses("app.corp.example", listener=Listener(443, True, "arn:listener")) == []
    assert statuses("app.corp.example", ports=(8443,)) == []
    assert statuses("app.corp.example", listener=Listener(80, False, "arn:listener", 200), ports=(80,)) == []


def test_many_names_are_one_finding() -> None:
    led = {f"app{n}.corp.example": (ARN, (443,)) for n in range(9)}
    (one,) = unanswered({ARN: (Heard("web", SECURE, (of_hosts("shop.corp.example"),)),)}, led)
    assert "app3.corp.example and 5 more lead to web" in one.said
    assert "Its rules are for shop.corp.example." in one.said


def test_rules_and_listeners_as_aws_writes_them() -> None:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeRules.html"""
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}, "Order": 2}
    sign_in = {"Type": "authenticate-oidc", "Order": 1}
    (listener,) = listeners(
        [{"ListenerArn": "arn:l", "Port": 443, "Protocol": "HTTPS", "DefaultActions": [fixed, sign_in]}]
    )
    assert listener == Listener(443, True, "arn:l", 404)
    host = {"Field": "host-header", "Values": ["A.example"], "HostHeaderConfig": {"Values": ["A.example"]}}
    path = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}}
    forward = [{"Type": "forward", "TargetGroupArn": "arn:tg"}]
    assert parse_rules(
        [
            {"Priority": "default", "IsDefault": True, "Actions": [fixed]},
            {"Priority": "20", "Conditions": [{"Field": "host-header", "HostHeaderConfig": {"RegexValues": ["a"]}}]},
            {"Priority": "10", "Conditions": [host, path], "Actions": forward},
            {"Priority": "9", "Conditions": [{"Field": "host-header", "Values": ["old.example"]}], "Actions": [fixed]},
        ]
    ) == (
        HostRule(("old.example",), 404, always=True),
        HostRule(("a.example",)),
        HostRule((), always=True, unclear=True),
    )


class Elb:
    """One load balancer of each kind. Rules are asked of listeners that answer themselves."""

    def __init__(self, status: str) -> None:
        self.status, self.asked = status, list[str]()

    def load_balancers(self) -> list[dict[str, Any]]:
        common = {"Scheme": "internal", "DNSName": "w", "CanonicalHostedZoneId": "Z"}
        return [
            {**common, "LoadBalancerName": name, "LoadBalancerArn": f"arn:{name}", "Type": kind}
            for name, kind in (("alb", "application"), ("nlb", "network"), ("other", "application"))
        ]

    def listeners(self, arn: str) -> list[dict[str, Any]]:
        self.asked.append(arn)
        answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": self.status}}
        return [{"ListenerArn": f"{arn}/443", "Port": 443, "Protocol": "HTTPS", "DefaultActions": [answer]}]

    def listener_rules(self, arn: str) -> list[dict[str, Any]]:
        self.asked.append(arn)
        return []


def targets(*names: str) -> Targets:
    return Targets({f"sentry.{link().dns.zone}": LoadBalancer(n, f"arn:{n}", "w", "Z") for n in names}, {})


def test_what_is_read_in_a_plan() -> None:
    for status, asked in (("404", ["arn:alb", "arn:alb/443"]), ("200", ["arn:alb"])):
        elb = Elb(status)
        found = list(host_rules.find(context(aws=elb, targets=targets("alb"))))
        assert elb.asked == asked
        assert len(found) == (status == "404")
    for unasked in (
        context(aws=Elb("404"), targets=targets("nlb")),
        context(aws=Elb("404")),
        context(aws=Elb("404"), targets=targets("alb"), plan=plan(resolver__records=Action.NO_OP)),
    ):
        assert list(host_rules.find(unasked)) == []
