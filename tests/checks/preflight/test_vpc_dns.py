"""DNS Firewall and Route 53 Profiles on the VPC: what takes the link's names away, and what may not be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloudlink.checks.names.advice import advised
from cloudlink.checks.preflight.vpc_dns import causes, check, read, standing
from cloudlink.checks.records import rule_check
from cloudlink.checks.report import DnsReport, Health, Hop, NameReport, Outcome
from cloudlink.clouds.aws.parse_vpc_dns import fits
from cloudlink.errors import CredentialsError, Finding, Severity
from cloudlink.link import BackZone, Host, LoadBalancerTarget
from tests.support.pinned import pin, pinned

from .samples import link

Json = dict[str, Any]
BASE = link()
LINK = replace(
    BASE,
    dns=replace(
        BASE.dns, hosts=(Host("app", LoadBalancerTarget("x")), Host("*.dev", LoadBalancerTarget("x"))), more_zones=()
    ),
)
ZONE, VPC = LINK.dns.zone, LINK.aws.vpc_id
APP = f"app.{ZONE}"


class Aws:
    """What the VPC has, as AWS answers it. Anything may be an error instead."""

    def __init__(self, **answers: Any) -> None:
        self._answers: Json = {
            "firewall_associations": [],
            "profile_associations": [],
            "resolver_rules": [],
            "zones_of_vpc": [],
            **answers,
        }

    def __getattr__(self, name: str) -> Any:
        def call(*of: str) -> Any:
            found = self._answers[name]
            found = found[of[0]] if isinstance(found, dict) and of else found
            if isinstance(found, Exception):
                raise found
            return found

        return call


def group(*rules: Json, priority: int = 101, id_: str = "frg-1", **lists: list[str]) -> Json:
    return {
        "firewall_associations": [
            {"FirewallRuleGroupId": id_, "VpcId": VPC, "Priority": priority, "Status": "COMPLETE"}
        ],
        "firewall_rules": {id_: list(rules)},
        "firewall_domains": lists,
    }


def rule(list_: str, action: str = "BLOCK", priority: int = 10, **more: Any) -> Json:
    blocked = {"BlockResponse": "NXDOMAIN"} if action == "BLOCK" else {}
    held = {"FirewallDomainListId": list_, "Name": f"{action}-{list_}", "Priority": priority, "Action": action}
    return {**held, **blocked, **more}


def profile(*arns: str, properties: str = "") -> Json:
    return {
        "profile_associations": [{"ProfileId": "rp-1", "ResourceId": VPC, "Status": "COMPLETE"}],
        "profile_resources": {
            "rp-1": [
                {"ResourceArn": a, "Status": "COMPLETE", **({"ResourceProperties": properties} if properties else {})}
                for a in arns
            ]
        },
    }


def nothing(_: Exception) -> None:
    return None


def told(**answers: Any) -> list[Finding]:
    aws: Any = Aws(**answers)
    return pinned(check(read(LINK, aws, nothing), LINK))


@pytest.mark.parametrize(
    ("entry", "name", "about"),
    [
        ("*", "a.b", True),
        ("a.b", "a.b", True),
        ("a.b", "x.a.b", False),
        ("*.a.b", "x.y.a.b", True),
        ("*.a.b", "a.b", False),
        ("*.a.b", "xa.b", False),
    ],
)
def test_what_an_entry_of_a_domain_list_is_about(entry: str, name: str, about: bool) -> None:
    assert fits(entry, name) is about


@pytest.mark.parametrize(
    ("domains", "blocked"),
    [
        ([f"{APP}."], [APP]),
        ([f"*.{ZONE}."], [APP, f"*.dev.{ZONE}"]),
        (["*"], [APP, f"*.dev.{ZONE}"]),
        ([f"*.dev.{ZONE}."], [f"*.dev.{ZONE}"]),
        ([f"{ZONE}."], []),
        (["other.example."], []),
    ],
)
def test_a_rule_that_blocks_names_is_an_obstacle(domains: list[str], blocked: list[str]) -> None:
    found = told(**group(rule("l"), l=domains))
    assert bool(found) is bool(blocked)
    if blocked:
        (finding,) = found
        assert finding.severity is Severity.OBSTACLE
        assert f"blocks {', '.join(blocked)} (NXDOMAIN)" in finding.detail
        assert "group frg-1" in finding.detail and "--firewall-domain-list-id l" in finding.hint


def test_the_first_rule_that_is_about_a_name_decides() -> None:
    """As an allow list is written: what is known may be asked, and the rest is blocked."""
    allowed = rule("mine", "ALLOW", 1)
    assert told(**group(rule("all", priority=2), allowed, all=["*"], mine=[f"*.{ZONE}"])) == []
    (finding,) = told(**group(rule("all", priority=2), allowed, all=["*"], mine=[APP]))
    assert f"blocks *.dev.{ZONE}" in finding.detail
    assert told(**group(rule("all", "ALERT"), all=["*"])) == []
    assert told(**group(rule("all", Qtype="MX"), all=["*"])) == [], "other types of questions"


def test_what_a_rule_looks_for_beside_names_is_no_finding() -> None:
    assert told(**group(rule("", DnsThreatProtection="DGA"))) == []


def test_a_more_specific_zone_of_a_profile_takes_its_names() -> None:
    zone: Json = {
        "Z1": {
            "HostedZone": {
                "Id": "/hostedzone/Z1",
                "Name": f"{APP}.",
                "CallerReference": "r",
                "Config": {"PrivateZone": True},
            },
            "VPCs": [],
        }
    }
    (finding,) = told(**profile("arn:aws:route53:::hostedzone/Z1"), zone=zone)
    assert finding.severity is Severity.OBSTACLE
    assert f"brings the private zone Z1 for {APP}: it takes {APP}" in finding.detail
    zone["Z1"]["HostedZone"]["Name"] = f"{ZONE}."
    (same,) = told(**profile("arn:aws:route53:::hostedzone/Z1"), zone=zone)
    assert same.severity is Severity.WARNING and "comes before it" in same.detail
    zone["Z1"]["HostedZone"]["Name"] = "elsewhere.example."
    assert told(**profile("arn:aws:route53:::hostedzone/Z1"), zone=zone) == []


def test_a_rule_that_only_a_profile_shares_is_asked_for_by_its_id() -> None:
    shared = {"Id": "rslvr-rr-9", "DomainName": f"{APP}.", "RuleType": "FORWARD", "OwnerId": "9"}
    arn = "arn:aws:route53resolver:eu-central-1:999999999999:resolver-rule/rslvr-rr-9"
    (finding,) = told(**profile(arn), resolver_rule={"rslvr-rr-9": shared})
    assert finding.severity is Severity.OBSTACLE and "Resolver rule rslvr-rr-9" in finding.detail
    assert told(**profile(arn), resolver_rule={"rslvr-rr-9": {**shared, "RuleType": "SYSTEM"}}) == []


def test_a_group_of_a_profile_comes_after_the_vpcs_own() -> None:
    held = profile("arn:aws:route53resolver:x:1:firewall-rule-group/frg-2", properties='{"priority": 102}')
    rules = {"frg-2": [rule("all")], "frg-1": [rule("mine", "ALLOW")]}
    lists = {"all": ["*"], "mine": [f"*.{ZONE}"]}
    (finding,) = told(**held, firewall_rules=rules, firewall_domains=lists)
    assert "by the Route 53 Profile rp-1" in finding.detail
    own = {**held, **group(priority=8000), "firewall_rules": rules, "firewall_domains": lists}
    assert told(**own) == []


DENIED = CredentialsError("A permission is missing in AWS", "You may not do that.")


@pytest.mark.parametrize("call", ["firewall_associations", "profile_associations"])
def test_what_may_not_be_read_is_not_known_and_hides_nothing(call: str) -> None:
    other = group(rule("l"), l=["*"]) if call == "profile_associations" else {}
    found = told(**{**other, call: DENIED})
    assert found[-1].severity is Severity.NOT_PROVED
    assert "You may not do that" in found[-1].detail
    assert len(found) == (2 if other else 1)
    aws: Any = Aws(**{**other, call: DENIED})
    assert len(standing(LINK, aws, nothing)) == len(found) - 1, "status says nothing of what it could not read"


def test_a_list_of_awss_own_is_not_known() -> None:
    blocked = {**group(rule("managed")), "firewall_domains": {"managed": DENIED}}
    (finding,) = told(**blocked)
    assert finding.severity is Severity.NOT_PROVED and "domain list managed" in finding.detail


def test_a_bug_is_no_denial() -> None:
    with pytest.raises(KeyError):
        told(**profile("arn:aws:route53:::hostedzone/Z1"))


def test_verify_dns_names_it_as_the_cause() -> None:
    aws: Any = Aws(**group(rule("l"), l=[f"{APP}."]))
    other = f"b.dev.{ZONE}"
    found = causes(LINK, aws, [APP, other], nothing)
    assert set(found) == {APP}
    name = NameReport(APP, (), "nxdomain", (Hop("endpoint 10.10.1.4 udp", "nxdomain"),), "because", "cloudlink up")
    report = DnsReport("demo", Health.DOWN, (name,))
    told_ = advised(report, Health.HEALTHY, (), elsewhere=found)
    assert "DNS Firewall group frg-1" in told_.names[0].cause
    assert "ALLOW rule" in told_.advice.task


def test_status_names_it_in_the_check_of_rules() -> None:
    aws: Any = Aws(**group(rule("l"), l=["*"]))
    seen = pin(rule_check(LINK, (), standing(LINK, aws, nothing)))
    assert seen.outcome is Outcome.FAILED and "DNS Firewall" in seen.detail
    assert rule_check(LINK, ()).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("name", "taken"),
    [(APP, [APP]), (f"dev.{ZONE}", [f"*.dev.{ZONE}"]), (f"new.{ZONE}", []), (ZONE, []), ("other.example", [])],
)
def test_a_more_specific_zone_that_others_put_on_the_vpc_later_takes_its_names(name: str, taken: list[str]) -> None:
    aws: Any = Aws(zones_of_vpc=[{"HostedZoneId": "Z1", "Name": f"{name}.", "Owner": {"OwningAccount": "9"}}])
    found = standing(LINK, aws, nothing)
    assert bool(found) is bool(taken)
    if taken:
        check_of = rule_check(LINK, [], found)
        assert check_of.outcome is Outcome.FAILED
        assert f"{', '.join(taken)} is never answered from {ZONE}" in check_of.detail
        assert "--hosted-zone-id Z1" in check_of.fix
    assert not told(zones_of_vpc=[{"HostedZoneId": "Z1", "Name": f"{name}."}]), "a plan looks at them by itself"


def test_a_narrower_zone_than_one_of_azures_is_a_warning_in_status() -> None:
    back = replace(LINK, dns=replace(LINK.dns, back=(BackZone("azure.corp.test", None),)))
    aws: Any = Aws(
        zones_of_vpc=[{"HostedZoneId": f"Z{n}", "Name": n} for n in ("a.azure.corp.test.", "azure.corp.test.")]
    )
    (one,) = standing(back, aws, nothing)
    assert one.severity is Severity.WARNING and "answers a.azure.corp.test" in one.detail
    assert rule_check(back, [], [one]).outcome is Outcome.WARNING
