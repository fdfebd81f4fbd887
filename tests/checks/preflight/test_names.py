"""Names before the first write: what would not be answered, what is somebody else's, and what would be hidden."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from cloudlink.checks.preflight.names import NamesFacts, check, find
from cloudlink.clouds.aws.parse import (
    AccountZone,
    RecordFact,
    ResolverRule,
    VpcZone,
    record_facts,
    rules_of_vpc,
    zones_of_vpc,
)
from cloudlink.core.plan import Action
from cloudlink.errors import Finding, Severity
from cloudlink.link import AddressTarget, Host, Link

from .context import context, link, plan

TARGET = AddressTarget((IPv4Address("10.10.1.5"),))
ZONE = "prod.corp.example"
LINK = link(zone=ZONE, hosts=tuple(Host(label, TARGET) for label in ("app", "db.eu", "@")))
EXISTING = plan(resolver__zone=Action.NO_OP)


def found(of: Link = LINK, adopted: bool = False, **facts: Any) -> list[Finding]:
    if adopted:
        of = replace(of, dns=replace(of.dns, adopt_zone="Z0OURS"))
    return list(check(NamesFacts(**facts), of, EXISTING if adopted else plan()))


def one(of: Link = LINK, adopted: bool = False, **facts: Any) -> Finding:
    (finding,) = found(of, adopted, **facts)
    assert finding.topic == "names"
    assert finding.hint or finding.severity is Severity.WARNING
    return finding


def test_where_nothing_is_in_the_way_nothing_is_said() -> None:
    assert found() == []
    others = (VpcZone("Z1", "corp.example"), VpcZone("Z2", "other.example"), VpcZone("Z3", "notprod.corp.example"))
    rules = (ResolverRule("rslvr-rr-1", "."), ResolverRule("rslvr-rr-2", "corp.example"))
    assert found(on_vpc=others, rules=rules, account=(AccountZone("Z2", "other.example", False),)) == []


def test_a_zone_of_the_same_name_is_named_for_adoption() -> None:
    same = VpcZone("Z0987", ZONE, "111122223333")
    finding = one(on_vpc=(same,), account=(AccountZone("Z0987", ZONE, True),))
    assert (finding.severity, finding.key) == (Severity.OBSTACLE, "dns.hosted_zone")
    assert 'dns.hosted_zone = "Z0987"' in finding.hint
    elsewhere = one(on_vpc=(same,))
    assert "111122223333" in elsewhere.detail
    assert "dns.hosted_zone" not in elsewhere.hint, "a zone of another account cannot be adopted"
    assert elsewhere.key == "dns.zone"
    # one that is adopted or made already is no obstacle
    assert found(adopted=True, on_vpc=(VpcZone("Z0OURS", ZONE),)) == []


@pytest.mark.parametrize(
    ("name", "severity", "words"),
    [
        (f"eu.{ZONE}", Severity.OBSTACLE, f"db.eu.{ZONE}"),
        (f"db.eu.{ZONE}", Severity.OBSTACLE, f"db.eu.{ZONE}"),
        (f"us.{ZONE}", Severity.WARNING, "no configured name"),
    ],
)
def test_more_specific_zones(name: str, severity: Severity, words: str) -> None:
    finding = one(on_vpc=(VpcZone("Z7", name, "vpce.amazonaws.com"),))
    assert finding.severity is severity
    assert words in finding.detail
    assert "Z7" in finding.detail


@pytest.mark.parametrize(
    ("domains", "severity", "taken"),
    [
        ((ZONE,), Severity.OBSTACLE, f"app.{ZONE}, db.eu.{ZONE}, {ZONE}"),
        ((f"eu.{ZONE}",), Severity.OBSTACLE, f"db.eu.{ZONE}"),
        ((f"us.{ZONE}",), Severity.WARNING, "no configured name"),
    ],
)
def test_resolver_rules(domains: tuple[str, ...], severity: Severity, taken: str) -> None:
    finding = one(rules=tuple(ResolverRule(f"rslvr-rr-{d}", d) for d in domains))
    assert finding.severity is severity
    assert finding.detail.endswith(f"takes {'' if taken.startswith('no') else 'the names '}{taken}.")
    assert f"--resolver-rule-id rslvr-rr-{domains[0]}" in finding.hint


def test_a_system_rule_gives_names_back() -> None:
    rules = (ResolverRule("r1", ZONE), ResolverRule("r2", f"eu.{ZONE}", "SYSTEM"))
    finding = one(rules=rules)
    assert f"db.eu.{ZONE}" not in finding.detail
    assert f"app.{ZONE}" in finding.detail


def test_records_of_others_are_all_told_at_once() -> None:
    records = (
        RecordFact(f"app.{ZONE}", "CNAME"),
        RecordFact(f"db.eu.{ZONE}", "A", "blue"),
        RecordFact(f"db.eu.{ZONE}", "A", "green"),
        RecordFact(ZONE, "A"),
        RecordFact(ZONE, "MX"),
        RecordFact(f"other.{ZONE}", "A"),
    )
    finding = one(adopted=True, others=records)
    assert finding.severity is Severity.OBSTACLE
    assert finding.detail.startswith("4 in the zone Z0OURS")
    for words in (f"app.{ZONE} CNAME", '"blue"', '"green"', f"{ZONE} A"):
        assert words in finding.detail
    assert "MX" not in finding.detail
    assert "other." not in finding.detail


def test_of_our_own_zone_a_plain_a_record_may_be_ours() -> None:
    assert found(others=(RecordFact(f"app.{ZONE}", "A"),)) == []
    assert one(others=(RecordFact(f"app.{ZONE}", "A", "blue"),)).severity is Severity.OBSTACLE


def test_ipv6_and_wildcards_of_others_are_warned_of() -> None:
    finding = one(adopted=True, others=(RecordFact(f"app.{ZONE}", "AAAA"),))
    assert (finding.severity, f"app.{ZONE}" in finding.detail) == (Severity.WARNING, True)
    finding = one(adopted=True, others=(RecordFact(f"*.{ZONE}", "A"),))
    assert finding.severity is Severity.WARNING
    assert f"*.{ZONE} answers app.{ZONE}, db.eu.{ZONE} today" in finding.detail
    finding = one(adopted=True, others=(RecordFact(f"*.eu.{ZONE}", "CNAME"),))
    assert f"app.{ZONE}" not in finding.detail


@pytest.mark.parametrize(
    ("zone", "severity", "words"),
    [
        ("cluster.local", Severity.OBSTACLE, "Kubernetes"),
        ("svc.cluster.local", Severity.OBSTACLE, "Kubernetes"),
        ("example", Severity.WARNING, "example"),
        ("amazonaws.com", Severity.WARNING, "eks.amazonaws.com"),
        ("windows.net", Severity.WARNING, "core.windows.net"),
    ],
)
def test_zones_that_hide_what_is_needed(zone: str, severity: Severity, words: str) -> None:
    finding = one(link(zone=zone, hosts=(Host("app", TARGET),)))
    assert finding.severity is severity
    assert words in finding.detail


def test_public_names_and_names_of_parent_zones_that_are_hidden() -> None:
    assert "never falls through" in one(account=(AccountZone("Z1", ZONE, False),)).detail
    parent = AccountZone("Z9", "corp.example", True)
    finding = one(hidden=((parent, (RecordFact(f"old.{ZONE}", "A"), RecordFact(f"app.{ZONE}", "A"))),))
    assert f"old.{ZONE} A" in finding.detail
    assert "Z9" in finding.detail
    assert found(hidden=((parent, (RecordFact(f"app.{ZONE}", "A"),)),)) == [], "it goes on being answered"


def test_more_subnets_than_addresses() -> None:
    assert "7 subnets" in one(subnets=7).detail
    assert found(subnets=6) == []


def test_nothing_is_read_where_nothing_is_written() -> None:
    no_op = dict.fromkeys(("resolver__zone", "resolver__records", "resolver__endpoint"), Action.NO_OP)
    assert list(find(context(plan=plan(**no_op)))) == []


def test_the_clouds_own_words() -> None:
    raw = [{"HostedZoneId": "Z1", "Name": "A.example.", "Owner": {"OwningService": "efs.amazonaws.com"}}]
    assert zones_of_vpc(raw) == (VpcZone("Z1", "a.example", "efs.amazonaws.com"),)
    rules = [
        {"Id": "r1", "DomainName": "a.example.", "RuleType": "FORWARD", "OwnerId": "1"},
        {"Id": "r2", "DomainName": ".", "RuleType": "RECURSIVE", "OwnerId": "Route 53 Resolver"},
        {"Id": "r3", "DomainName": "b.example.", "RuleType": "FORWARD", "OwnerId": "1"},
    ]
    used = [
        {"ResolverRuleId": "r1", "VPCId": "vpc-1", "Status": "COMPLETE"},
        {"ResolverRuleId": "r3", "VPCId": "vpc-1", "Status": "DELETING"},
        {"ResolverRuleId": "r2", "VPCId": "vpc-2", "Status": "COMPLETE"},
    ]
    assert rules_of_vpc(rules, used, "vpc-1") == (ResolverRule("r1", "a.example", "FORWARD", "1"),)
    (record,) = record_facts([{"Name": "\\052.A.example.", "Type": "A", "SetIdentifier": "x"}])
    assert record == RecordFact("*.a.example", "A", "x")
