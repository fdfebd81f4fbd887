"""What takes names away from a link that works: verify-dns and status name it, and nothing else is blamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cli import Cli

SENTRY = "sentry.prod.corp.example"


@pytest.fixture
def firewall(linked: Cli) -> Iterator[str]:
    """Its group blocks one name."""
    resolver: Any = linked.clouds().aws.route53resolver
    held = resolver.create_firewall_domain_list(CreatorRequestId="l", Name="bad")["FirewallDomainList"]["Id"]
    resolver.update_firewall_domains(FirewallDomainListId=held, Operation="ADD", Domains=[SENTRY])
    group = resolver.create_firewall_rule_group(CreatorRequestId="g", Name="bad")["FirewallRuleGroup"]["Id"]
    resolver.create_firewall_rule(
        CreatorRequestId="r",
        FirewallRuleGroupId=group,
        FirewallDomainListId=held,
        Priority=1,
        Action="BLOCK",
        BlockResponse="NXDOMAIN",
        Name="bad names",
    )
    made = resolver.associate_firewall_rule_group(
        CreatorRequestId="a", FirewallRuleGroupId=group, VpcId=linked.link.aws.vpc_id, Priority=200, Name="bad"
    )
    yield group
    resolver.disassociate_firewall_rule_group(FirewallRuleGroupAssociationId=made["FirewallRuleGroupAssociation"]["Id"])


def test_a_blocked_name_is_told_with_the_rule_that_blocks_it(linked: Cli, firewall: str) -> None:
    linked.control("POST", "clock", {"advance": 120})
    asked = linked.cloudlink("verify-dns", "sentry", "--json")
    assert asked.code == 8, asked.out + asked.err
    (name,) = asked.json["names"]
    assert name["verdict"] == "nxdomain"
    assert firewall in name["cause"] and "bad names" in name["cause"]
    seen = linked.cloudlink("status", "--json")
    (rules,) = [c for c in seen.json["checks"] if c["name"] == "rules"]
    assert seen.code == 8 and rules["outcome"] == "failed"
    assert firewall in rules["detail"]


def test_without_the_permission_the_cause_is_not_known_and_nothing_ends_for_it(linked: Cli, firewall: str) -> None:
    linked.control("POST", "clock", {"advance": 120})
    for call in ("aws.ListFirewallRuleGroupAssociations", "aws.ListProfileAssociations"):
        linked.control("POST", "faults", {"kind": "denied", "target": call, "times": None})
    assert linked.cloudlink("status").code == 0
    asked = linked.cloudlink("verify-dns", "sentry", "--json")
    assert asked.code == 8, "the denial of a look beside is none of the command's"
    assert firewall not in asked.json["names"][0]["cause"]


def test_a_more_specific_zone_of_another_team_is_told_by_status_and_verify_dns(linked: Cli) -> None:
    route53: Any = linked.clouds().aws.route53
    vpc = {"VPCRegion": linked.link.aws.region, "VPCId": linked.link.aws.vpc_id}
    made = route53.create_hosted_zone(
        Name=SENTRY, CallerReference="team", HostedZoneConfig={"PrivateZone": True, "Comment": ""}, VPC=vpc
    )
    zone = made["HostedZone"]["Id"].rpartition("/")[2]
    try:
        asked = linked.cloudlink("verify-dns", "sentry", "--json")
        seen = linked.cloudlink("status", "--json")
    finally:
        route53.delete_hosted_zone(Id=zone)
    assert asked.code == 8, asked.out + asked.err
    assert zone in asked.json["names"][0]["cause"] and "more specific" not in asked.json["names"][0]["fix"]
    assert "disassociate-vpc-from-hosted-zone" in asked.json["names"][0]["fix"]
    (rules,) = [c for c in seen.json["checks"] if c["name"] == "rules"]
    assert seen.code == 8 and rules["outcome"] == "failed"
    assert f"{SENTRY} is never answered" in rules["detail"]
