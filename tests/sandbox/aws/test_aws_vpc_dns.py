"""DNS Firewall and Route 53 Profiles: as botocore's models have them, and what they do to the names of a VPC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.facts import AzureFacts
from cloudlink_sandbox.faults import FaultRegistry
from cloudlink_sandbox.world import World


@pytest.fixture
def resolver(seeded: Any) -> Any:
    return seeded.client("route53resolver")


def blocked(resolver: Any, vpc: str, *domains: str, action: str = "BLOCK", **more: Any) -> tuple[str, str]:
    """Rule group and domain list."""
    held = resolver.create_firewall_domain_list(CreatorRequestId="l", Name="list")["FirewallDomainList"]["Id"]
    resolver.update_firewall_domains(FirewallDomainListId=held, Operation="ADD", Domains=list(domains))
    group = resolver.create_firewall_rule_group(CreatorRequestId="g", Name="group")["FirewallRuleGroup"]["Id"]
    rule = {"FirewallRuleGroupId": group, "FirewallDomainListId": held, "Priority": 10, "Action": action, "Name": "r"}
    if action == "BLOCK":
        rule["BlockResponse"] = "NXDOMAIN"
    resolver.create_firewall_rule(CreatorRequestId="r", **{**rule, **more})
    resolver.associate_firewall_rule_group(
        CreatorRequestId="a", FirewallRuleGroupId=group, VpcId=vpc, Priority=101, Name="assoc"
    )
    return group, held


@pytest.mark.model("Names of operations, parameters and answers of DNS Firewall")
def test_what_was_made_is_listed(seeded: Any, resolver: Any) -> None:
    vpc = seeded.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    group, held = blocked(resolver, vpc, "*.corp.example", "a.example")
    (association,) = resolver.list_firewall_rule_group_associations(VpcId=vpc)["FirewallRuleGroupAssociations"]
    assert (association["FirewallRuleGroupId"], association["Priority"]) == (group, 101)
    assert resolver.list_firewall_rule_group_associations(VpcId="vpc-other")["FirewallRuleGroupAssociations"] == []
    (rule,) = resolver.list_firewall_rules(FirewallRuleGroupId=group)["FirewallRules"]
    assert (rule["Action"], rule["BlockResponse"], rule["FirewallDomainListId"]) == ("BLOCK", "NXDOMAIN", held)
    assert resolver.list_firewall_domains(FirewallDomainListId=held)["Domains"] == ["*.corp.example.", "a.example."]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        resolver.list_firewall_rules(FirewallRuleGroupId="rslvr-frg-none")
    with pytest.raises(ClientError, match="ConflictException"):
        resolver.delete_firewall_rule_group(FirewallRuleGroupId=group)
    resolver.disassociate_firewall_rule_group(FirewallRuleGroupAssociationId=association["Id"])
    assert resolver.list_firewall_rule_group_associations(VpcId=vpc)["FirewallRuleGroupAssociations"] == []


@pytest.fixture
def world_of(seeded: Any) -> Callable[[], World]:
    nothing = AzureFacts({}, {}, (), ())
    return lambda: World(seeded.cloud.facts(), nothing, seeded.cloud.now, FaultRegistry(), Durations(exact=True))


@pytest.mark.documentation(
    "The first rule that is about a name decides, by priority; * at the start of a name is all below it"
)
@pytest.mark.belief("A group on the VPC filters what its inbound endpoint is asked as it does what its machines ask")
def test_a_blocked_name_is_answered_by_the_firewall(seeded: Any, resolver: Any, world_of: Callable[[], World]) -> None:
    vpc = seeded.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    group, held = blocked(resolver, vpc, "*.blocked.example", "one.example")
    resolve = world_of().resolve
    assert resolve(vpc, "a.blocked.example.", "A").zone == "a.blocked.example"
    assert resolve(vpc, "one.example", "A").rcode == "NXDOMAIN" and resolve(vpc, "one.example", "A").zone
    assert resolve(vpc, "blocked.example", "A").zone is None, "a leading * is about what is below alone"
    assert resolve("vpc-other", "one.example", "A").zone is None
    resolver.create_firewall_rule(
        CreatorRequestId="x", FirewallRuleGroupId=group, FirewallDomainListId=held, Priority=5, Action="ALLOW", Name="x"
    )
    assert world_of().resolve(vpc, "one.example", "A").zone is None, "the lowest priority decides"


@pytest.mark.model("Names of operations, parameters and answers of Route 53 Profiles")
@pytest.mark.documentation("A VPC has one profile, whose private zones it answers from as from its own")
def test_a_profile_gives_its_vpc_zones_and_firewall_rules(
    seeded: Any, resolver: Any, world_of: Callable[[], World]
) -> None:
    profiles = seeded.client("route53profiles")
    vpc, elsewhere = (v["VpcId"] for v in seeded.client("ec2").describe_vpcs()["Vpcs"][:2])
    zone = (
        seeded.client("route53")
        .create_hosted_zone(
            Name="brought.example", CallerReference="p", VPC={"VPCRegion": "eu-central-1", "VPCId": elsewhere}
        )["HostedZone"]["Id"]
        .rpartition("/")[2]
    )
    profile = profiles.create_profile(Name="corp", ClientToken="t")["Profile"]["Id"]
    profiles.associate_resource_to_profile(
        ProfileId=profile, Name="z", ResourceArn=f"arn:aws:route53:::hostedzone/{zone}"
    )
    profiles.associate_profile(ProfileId=profile, ResourceId=vpc, Name="v")
    (association,) = profiles.list_profile_associations(ResourceId=vpc)["ProfileAssociations"]
    assert (association["ProfileId"], association["ResourceId"]) == (profile, vpc)
    assert profiles.list_profile_associations(ResourceId="vpc-none")["ProfileAssociations"] == []
    (held,) = profiles.list_profile_resource_associations(ProfileId=profile)["ProfileResourceAssociations"]
    assert (held["ResourceType"], held["ResourceArn"]) == ("HOSTED_ZONE", f"arn:aws:route53:::hostedzone/{zone}")
    assert world_of().resolve(vpc, "x.brought.example", "A").zone == "brought.example"
    with pytest.raises(ClientError, match="ConflictException"):
        profiles.associate_profile(ProfileId=profile, ResourceId=vpc, Name="again")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        profiles.list_profile_resource_associations(ProfileId="rp-none")
    profiles.disassociate_profile(ProfileId=profile, ResourceId=vpc)
    assert profiles.list_profile_associations()["ProfileAssociations"] == []


@pytest.mark.model("RuleType knows DELEGATE, which the sandbox does not carry out")
def test_a_rule_that_delegates_is_refused_in_awss_form(resolver: Any) -> None:
    with pytest.raises(ClientError) as caught:
        resolver.create_resolver_rule(
            CreatorRequestId="d", RuleType="DELEGATE", DelegationRecord="ns1.corp.example", Name="d"
        )
    assert caught.value.response["Error"]["Code"] in ("InvalidParameterException", "InvalidRequestException")
