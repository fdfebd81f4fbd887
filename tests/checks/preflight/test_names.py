"""Names before the first write: what would not be answered, what is somebody else's, and what would be hidden."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from cloudlink.checks.preflight.names import NamesFacts, _wildcards_over, check, find, places
from cloudlink.clouds.aws.parse_resolver import ResolverRule, rules_of_vpc
from cloudlink.clouds.aws.parse_zones import AccountZone, FoundRecord, RecordFact, VpcZone, record_facts, zones_of_vpc
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.errors import Finding, MalformedError, Severity
from cloudlink.link import AddressTarget, Host, Link, PrivateZone
from tests.support.pinned import pinned

from .context import context, link, plan

TARGET = AddressTarget((IPv4Address("10.10.1.5"),))
ZONE = "prod.corp.example"
LINK = link(zone=ZONE, hosts=tuple(Host(label, TARGET) for label in ("app", "db.eu", "@")))
EXISTING = plan(resolver__zone=Action.NO_OP)


def found(of: Link = LINK, adopted: bool = False, **facts: Any) -> list[Finding]:
    if adopted:
        of = replace(of, dns=replace(of.dns, adopt_zone="Z0OURS"))
    return pinned(check(NamesFacts(**facts), of, EXISTING if adopted else plan(), places(of)[0]))


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


def test_a_record_of_others_at_the_name_of_our_owner_record() -> None:
    finding = one(adopted=True, others=(RecordFact(f"_cloudlink-{LINK.name}.{ZONE}", "TXT"),))
    assert finding.severity is Severity.OBSTACLE
    assert f"_cloudlink-{LINK.name}.{ZONE} TXT" in finding.detail
    assert not found(adopted=True, others=(RecordFact(f"_cloudlink-{LINK.name}-2.{ZONE}", "TXT"),)), "another link's"


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
        ("eu-central-1.compute.internal", Severity.WARNING, "eu-central-1.compute.internal"),
        ("compute.internal", Severity.WARNING, "compute.internal"),
        ("com.cn", Severity.WARNING, "amazonaws.com.cn"),
        ("eu-central-1.rds.amazonaws.com", Severity.WARNING, "amazonaws.com has names of its own"),
        ("privatelink.blob.core.windows.net", Severity.WARNING, "windows.net has names of its own"),
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


def test_a_wildcard_of_a_parent_zone_answers_names_that_are_hidden() -> None:
    parent = AccountZone("Z9", "example", True)
    finding = one(hidden=((parent, (RecordFact("*.example", "A"),)),))
    assert f"records for names below {ZONE}" in finding.detail and "*.example A" in finding.detail
    wild = link(hosts=(Host("*", TARGET),))
    assert found(wild, hidden=((parent, (RecordFact("*.example", "A"),)),)) == [], "ours answers them"


def test_which_wildcards_are_over_a_zone() -> None:
    assert list(_wildcards_over("a.b.c.d", "c.d")) == ["*.b.c.d", "*.c.d"]


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


def test_another_zone_is_checked_as_the_first_and_told_by_its_own_key() -> None:
    more = PrivateZone("data.example", (Host("db", TARGET),))
    of = replace(LINK, dns=replace(LINK.dns, more_zones=(more,)))
    first, other = places(of)
    assert (other.resource, other.records) == ("resolver.zone[data.example]", "resolver.records[data.example]")

    def told(facts: NamesFacts, making: bool = False) -> list[tuple[str, str]]:
        action = Action.CREATE if making else Action.NO_OP
        planned = Plan((Change("resolver.zone", "", Action.NO_OP), Change(other.resource, "", action)))
        return [(f.key, f.resource) for at in (first, other) for f in check(facts, of, planned, at)]

    at = other.resource
    assert told(NamesFacts(on_vpc=(VpcZone("Z1", "data.example"),))) == []
    assert told(NamesFacts(on_vpc=(VpcZone("Z1", "data.example"),)), making=True) == [("dns.zones[0].zone", at)]
    assert told(NamesFacts(on_vpc=(VpcZone("Z1", "db.data.example"),))) == [("dns.zones[0].hosts", at)]
    assert told(NamesFacts(rules=(ResolverRule("r1", "data.example"),))) == [("dns.zones[0].zone", at)]
    taken = NamesFacts(others=(RecordFact("db.data.example", "CNAME"),))
    assert told(taken) == [("dns.zones[0].hosts", other.records)]


def test_a_zone_of_the_link_within_another_takes_nothing_away() -> None:
    inner = PrivateZone(f"eu.{ZONE}", (Host("x", TARGET),))
    hosts = (Host("app", TARGET),)
    of = replace(LINK, dns=replace(LINK.dns, hosts=hosts, more_zones=(inner,)))
    first, other = places(of)
    inside = NamesFacts(on_vpc=(VpcZone("Z1", inner.name),))
    assert list(check(inside, of, plan(), first)) == []
    going = Plan((Change("resolver.zone[old]", "", Action.DELETE, id="Z7"),))
    assert list(check(NamesFacts(on_vpc=(VpcZone("Z7", f"us.{ZONE}"),)), of, going, first)) == []
    rules = NamesFacts(rules=(ResolverRule("r1", inner.name),))
    assert [f.resource for at in (first, other) for f in check(rules, of, EXISTING, at)] == [other.resource]


def test_a_delegation_rule_has_no_domain_and_takes_no_name_by_itself() -> None:
    rule = {"Id": "r4", "RuleType": "DELEGATE", "DelegationRecord": "NS1.corp.example.", "OwnerId": "1"}
    used = [{"ResolverRuleId": "r4", "VPCId": "vpc-1", "Status": "COMPLETE"}]
    (known,) = rules_of_vpc([rule], used, "vpc-1")
    assert (known.kind, known.delegation) == ("DELEGATE", "ns1.corp.example")
    assert found(rules=(known,)) == []
    forward = ResolverRule("rslvr-rr-1", ZONE)
    assert "takes the names" in one(rules=(known, forward)).detail
    with pytest.raises(MalformedError):
        rules_of_vpc([{**rule, "RuleType": "FORWARD"}], used, "vpc-1")


def test_names_that_are_delegated_to_other_name_servers() -> None:
    records = (RecordFact(f"eu.{ZONE}", "NS"), RecordFact(f"us.{ZONE}", "NS"), RecordFact(ZONE, "NS"))
    finding = one(adopted=True, others=records)
    assert finding.severity is Severity.WARNING, "only a rule makes the Resolver follow it"
    assert f"hands db.eu.{ZONE} to other name servers" in finding.detail
    rule = ResolverRule("rslvr-rr-9", "", "DELEGATE", delegation="ns1.corp.example")
    finding = one(adopted=True, others=records, rules=(rule,))
    assert finding.severity is Severity.OBSTACLE and "rslvr-rr-9" in finding.detail
    assert "dns.hosts" in finding.hint


def test_names_that_external_dns_keeps() -> None:
    """Its TXT record stays when the address is gone; at its name it takes any address for its own, and deletes it one day."""

    def txt(name: str, said: str) -> FoundRecord:
        return FoundRecord(f"{name}.{ZONE}", "TXT", values=(said,))

    said = '"heritage=external-dns,external-dns/owner=cluster-b,external-dns/resource=ingress/web/app"'
    for name in ("app", "a-app", "cname-app"):
        finding = one(adopted=True, others=(txt(name, said),))
        assert finding.severity is Severity.WARNING
        assert f"keeps app.{ZONE} (owner cluster-b)" in finding.detail
    assert found(adopted=True, others=(txt("app", '"v=spf1 -all"'), txt("x-app", said), txt("other", said))) == []
