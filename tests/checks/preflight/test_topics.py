"""Each topic from what both clouds answer to what is told: one plain account, and what differs from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloudlink.checks.preflight import aws, cost, filters, gateways, permissions, quotas, ranges
from cloudlink.checks.preflight.context import Topic
from cloudlink.clouds.aws import parse_vpc
from cloudlink.clouds.aws.permissions import Verdict
from cloudlink.core.plan import Action
from cloudlink.errors import CloudError, Finding, Severity

from .account import (
    ACCOUNT,
    AWS,
    GROUP,
    NSG,
    VNET,
    Ec2,
    Simulator,
    acl,
    asked,
    context,
    peering,
    summaries,
    vnet,
)
from .samples import VPC, first_plan, link, plan

# --- nothing in the way -------------------------------------------------------------------------------------

QUIET: dict[str, Topic] = {
    "aws": aws.find,
    "gateways": gateways.find,
    "network ACLs": filters.find_aws,
    "prefix lists": filters.find_prefix_lists,
    "security groups": filters.find_azure,
    "quotas": quotas.find,
    "ranges": ranges.find,
}


@pytest.mark.parametrize("name", QUIET)
def test_a_plain_account_is_told_nothing(name: str) -> None:
    assert summaries(QUIET[name]) == []


@pytest.mark.parametrize(
    "topic", [filters.find_aws, filters.find_prefix_lists, filters.find_azure, quotas.find, cost.find]
)
def test_what_is_only_of_interest_to_a_build_asks_nothing_else(topic: Topic) -> None:
    idle = context(plan(Action.NO_OP))
    assert list(topic(idle)) == []
    assert idle.aws.asked == idle.azure.asked == []  # type: ignore[attr-defined]


# --- AWS ----------------------------------------------------------------------------------------------------

ENFORCES = {"VpcEncryptionControlId": "vpcec-1", "Mode": "enforce", "State": "available"}


@pytest.mark.parametrize(
    "control",
    [
        {**ENFORCES, "Mode": "monitor"},
        {**ENFORCES, "State": "deleted"},
        {**ENFORCES, "ResourceExclusions": {"VirtualPrivateGateway": {"State": "enabled"}}},
    ],
)
def test_an_encryption_control_that_keeps_no_gateway_out(control: dict[str, Any]) -> None:
    assert summaries(aws.find, vpc={**AWS["vpc"], "EncryptionControl": control}) == []


def test_zones_of_a_region_and_zones_of_a_city() -> None:
    def edge(zone: str) -> str:
        (found,) = parse_vpc.subnets([{"SubnetId": "subnet-1", "AvailabilityZone": zone}])
        return found.at_the_edge

    for zone in ("eu-central-1a", "us-gov-west-1b", "cn-north-1a", "us-isob-east-1a", "ap-southeast-7c", ""):
        assert edge(zone) == ""
    for zone in ("us-west-2-lax-1a", "eu-west-2-wl1-lon-wlz-1", "ap-south-1-ccu-1a"):
        assert zone in edge(zone)


@pytest.mark.parametrize(
    ("amazon", "summary"),
    [
        ({"vpc": None}, "The VPC does not exist"),
        ({"vpc": {**AWS["vpc"], "InstanceTenancy": "dedicated"}}, "The VPC has dedicated tenancy"),
        ({"vpc": {**AWS["vpc"], "OwnerId": "999988887777"}}, "The VPC belongs to another AWS account"),
        (
            {"subnets": [{**s, "AvailabilityZone": "a"} for s in AWS["subnets"]]},
            "All addresses of the endpoint are in one availability zone",
        ),
        (
            {"subnets": [AWS["subnets"][0], {**AWS["subnets"][1], "AvailableIpAddressCount": 0}]},
            "A subnet of the endpoint has no free address",
        ),
        (
            {"subnets": [AWS["subnets"][0], {**AWS["subnets"][1], "AvailabilityZone": "us-west-2-lax-1a"}]},
            "A subnet of the endpoint is of a kind that takes none",
        ),
        (
            {"subnets": [AWS["subnets"][0], {**AWS["subnets"][1], "OutpostArn": "arn:aws:outposts:x:1:outpost/op-1"}]},
            "A subnet of the endpoint is of a kind that takes none",
        ),
        (
            {
                "subnets": [
                    AWS["subnets"][0],
                    {"SubnetId": "subnet-2", "Ipv6Native": True, "AvailableIpAddressCount": 0},
                ]
            },
            "A subnet of the endpoint is of a kind that takes none",
        ),
        (
            {"subnets": AWS["subnets"][:1]},  # EKS goes on naming the other
            "A subnet of the EKS cluster does not exist any more",
        ),
        (
            {"vpc": {**AWS["vpc"], "EncryptionControl": ENFORCES}},
            "The VPC lets no virtual private gateway in",
        ),
        (
            {
                "route_tables": [
                    {
                        **AWS["route_tables"][0],
                        "Routes": [{"DestinationCidrBlock": "10.20.0.0/16", "TransitGatewayId": "tgw-1"}],
                    }
                ]
            },
            "A static route takes the way back to Azure",
        ),
    ],
)
def test_what_is_in_the_way_in_aws(amazon: dict[str, Any], summary: str) -> None:
    assert summaries(aws.find, **amazon) == [summary]


def test_a_gateway_that_is_attached_already() -> None:
    there = {"VpnGatewayId": "vgw-9", "AmazonSideAsn": 64900, "State": "available"}
    other = [{**there, "VpcAttachments": [{"VpcId": VPC, "State": "attached"}]}]
    assert summaries(gateways.find, vpn_gateways=other) == ["The VPC has another virtual private gateway"]
    assert summaries(gateways.find, vpn_gateways=[{**other[0], "State": "deleted"}]) == []


@pytest.mark.parametrize(
    ("entry", "summary"),
    [
        ({"Egress": False, "Protocol": "17"}, "A network ACL of AWS drops what comes from Azure"),
        ({"Egress": True, "Protocol": "6"}, "A network ACL of AWS drops the answers"),
    ],
)
def test_a_network_acl_that_drops(entry: dict[str, Any], summary: str) -> None:
    denies = {"RuleNumber": 50, "RuleAction": "deny", "CidrBlock": "10.0.0.0/8", **entry}
    found = summaries(filters.find_aws, network_acls=[acl(denies)])
    assert set(found) == {summary}


def test_a_route_to_a_prefix_list_that_holds_azures_range() -> None:
    routes = [{"DestinationPrefixListId": "pl-1", "TransitGatewayId": "tgw-1"}]
    tables = [{**AWS["route_tables"][0], "Routes": routes}]
    found = list(filters.find_prefix_lists(context(route_tables=tables, prefix_list=[{"Cidr": "10.20.0.0/17"}])))
    assert [f.severity for f in found] == [Severity.WARNING]
    assert "(prefix list pl-1)" in found[0].detail
    assert "--destination-prefix-list-id pl-1" in found[0].hint
    other = context(route_tables=tables, prefix_list=[{"Cidr": "10.99.0.0/16"}])
    assert list(filters.find_prefix_lists(other)) == []


# --- ranges -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("azure", "severities"),
    [
        ({"vnet": vnet(peering("10.10.128.0/20", transit=True))}, {Severity.OBSTACLE}),
        ({"vnet": vnet(peering("10.10.128.0/20", transit=False))}, {Severity.WARNING}),
        ({"vnet": vnet(peering("10.30.0.0/16", transit=True))}, set()),
    ],
)
def test_ranges_that_meet(azure: dict[str, Any], severities: set[Severity]) -> None:
    assert {f.severity for f in ranges.find(context(azure=azure))} == severities


# --- Azure --------------------------------------------------------------------------------------------------


def test_a_security_group_that_drops_what_goes_to_aws() -> None:
    rule = {
        "name": "deny-out",
        "properties": {
            "direction": "Outbound",
            "access": "Deny",
            "priority": 4000,
            "protocol": "*",
            "destinationPortRange": "*",
            "sourceAddressPrefix": "*",
            "destinationAddressPrefix": "*",
        },
    }
    group = {"id": NSG, "name": "nsg", "properties": {"securityRules": [rule]}}
    guarded = {"azure": {"vnet": vnet(security_group=NSG)}, "things": {NSG: group}}
    (finding,) = filters.find_azure(context(**guarded))
    assert finding.summary == "A network security group drops what goes to AWS"
    assert "The rule deny-out of nsg" in finding.detail
    assert "to 10.10.1.0/24" in finding.detail
    assert "--priority 3999" in finding.hint
    assert summaries(filters.find_azure, azure=guarded["azure"]) == [], "a group that cannot be read is no finding"
    assert summaries(filters.find_azure, azure={"aks_cluster": None}) == []


# --- quotas -------------------------------------------------------------------------------------------------


def several(many: int, key: str) -> list[dict[str, Any]]:
    return [{key: f"{key}-{i}", "State": "available", "AmazonSideAsn": 1} for i in range(many)]


@pytest.mark.parametrize(
    ("name", "key", "allowed"),
    [
        ("vpn_gateways", "VpnGatewayId", 4),
        ("customer_gateways", "CustomerGatewayId", 48),
        ("resolver_endpoints", "Id", 3),
        ("hosted_zones", "Id", 499),
    ],
)
def test_a_quota_is_told_when_the_plan_goes_beyond_it(name: str, key: str, allowed: int) -> None:
    assert summaries(quotas.find, **{name: several(allowed, key)}) == []
    (finding,) = quotas.find(context(**{name: several(allowed + 1, key)}))
    assert finding.severity is Severity.WARNING
    assert str(allowed + 1) in finding.detail


def test_more_ranges_than_a_security_group_has_rules_for() -> None:
    many = tuple(f"10.{n}.0.0/16" for n in range(30, 59))
    assert summaries(quotas.find, azure={"vnet": vnet(peering(*many, transit=True))}) == []
    many = (*many, "10.59.0.0/16")
    (finding,) = quotas.find(context(azure={"vnet": vnet(peering(*many, transit=True))}))
    assert "two for each of 31 ranges" in finding.detail
    assert summaries(quotas.find, azure={"vnet": vnet(peering(*many, transit=False))}) == []


def test_azures_own_limit_is_an_obstacle() -> None:
    def usage(current: int) -> dict[str, Any]:
        return {"name": {"value": "StandardSkuPublicIpAddresses"}, "currentValue": current, "limit": 10}

    assert summaries(quotas.find, azure={"network_usages": [usage(8)]}) == []
    (finding,) = quotas.find(context(azure={"network_usages": [usage(9)]}))
    assert finding.severity is Severity.OBSTACLE


# --- permissions --------------------------------------------------------------------------------------------


def findings(facts: permissions.PermissionFacts) -> list[Finding]:
    return list(permissions.check(facts, link(), first_plan()))


def test_who_may_everything_is_asked_once_and_told_nothing() -> None:
    ec2, simulator = Ec2("DryRunOperation"), Simulator(set())
    facts = asked(ec2, simulator)
    assert findings(facts) == []
    assert sorted(ec2.called) == ["create_customer_gateway", "create_security_group", "create_vpn_gateway"]
    ((actions, arns),) = simulator.asked
    assert arns == ()
    assert "ec2:CreateVpnGateway" not in actions, "the dry run has settled it"
    assert "ec2:CreateTags" not in actions, "and that its tags may be set"
    assert "route53:CreateHostedZone" in actions
    assert {p.verdict for p in facts.aws} == {Verdict.ALLOWED}


def test_a_dry_run_that_proves_nothing_leaves_the_question_to_the_simulator() -> None:
    simulator = Simulator(set())
    asked(Ec2("InvalidParameterValue"), simulator)
    assert {"ec2:CreateVpnGateway", "ec2:CreateTags"} <= set(simulator.asked[0][0])


def test_a_denied_dry_run_is_missing_though_another_was_allowed() -> None:
    message = "You are not authorized to perform this operation."
    facts = asked(Ec2("UnauthorizedOperation", message), Simulator(set()))
    missing = {p.action for p in facts.aws if p.verdict is Verdict.MISSING}
    assert missing == {"ec2:CreateVpnGateway", "ec2:CreateCustomerGateway", "ec2:CreateSecurityGroup"}
    assert {f.severity for f in findings(facts)} == {Severity.OBSTACLE}


@pytest.mark.parametrize(
    ("action", "arns", "changes"),
    [
        ("route53:ChangeResourceRecordSets", ["arn:aws:route53:::hostedzone/Z00000000000000000000"], {}),
        ("route53:ChangeResourceRecordSets", ["arn:aws:route53:::hostedzone/ZMINE"], {"dns": {"adopt_zone": "ZMINE"}}),
        (
            "route53resolver:CreateResolverEndpoint",
            [f"arn:aws:route53resolver:eu-central-1:{ACCOUNT}:resolver-endpoint/rslvr-in-00000000000000000"],
            {},
        ),
        (
            "ec2:AttachVpnGateway",
            [
                f"arn:aws:ec2:eu-central-1:{ACCOUNT}:{what}"
                for what in (f"vpc/{VPC}", "vpn-gateway/vgw-00000000000000000")
            ],
            {},
        ),
        (
            "ec2:CreateNetworkInterface",
            [
                f"arn:aws:ec2:eu-central-1:{ACCOUNT}:{what}-00000000000000000"
                for what in ("network-interface/eni", "subnet/subnet", "security-group/sg")
            ],
            {},
        ),
    ],
)
def test_an_action_that_is_allowed_on_the_links_objects_only(
    action: str, arns: list[str], changes: dict[str, Any]
) -> None:
    simulator = Simulator({action}, set(arns))
    facts = asked(Ec2("DryRunOperation"), simulator, link(**changes))
    assert {p.verdict for p in facts.aws if p.action == action} == {Verdict.ALLOWED}
    assert simulator.asked[1:] == [((action,), tuple(arns))]


def test_each_place_of_azure_is_asked_for_what_is_allowed_and_denied() -> None:
    facts = asked(Ec2("DryRunOperation"), Simulator(set()))
    assert {place: scope.id for place, scope in facts.azure.items()} == {
        "resource group": "/subscriptions/s/resourceGroups/cloudlink-demo",
        "VNet": VNET,
    }  # nothing is asked of the cluster: the plan has used the only way in that the link needs
    assert all(scope.grants and not scope.denied and not scope.unread for scope in facts.azure.values())


def test_permissions_of_azure_that_may_not_be_read_are_not_proved() -> None:
    refused = CloudError("A permission is missing in Azure", "me may not read this.")
    facts = asked(Ec2("DryRunOperation"), Simulator(set()), azure={"permissions": refused})
    assert {scope.unread for scope in facts.azure.values()} == {
        "A permission is missing in Azure: me may not read this."
    }
    facts = asked(Ec2("DryRunOperation"), Simulator(set()), azure={"deny_assignments": refused})
    assert findings(facts) == [], "deny assignments are rare, and not everybody may read them"
    with pytest.raises(ZeroDivisionError):
        asked(Ec2("DryRunOperation"), Simulator(set()), azure={"permissions": ZeroDivisionError()})
    with pytest.raises(ZeroDivisionError):
        asked(Ec2("DryRunOperation"), Simulator(set()), azure={"deny_assignments": ZeroDivisionError()})


def test_what_is_denied_counts_where_it_reaches_and_once() -> None:
    """The group's list has an application's beside ours, and that of the subscription stands in every list."""

    def denied(name: str, scope: str) -> dict[str, Any]:
        return {"properties": {"denyAssignmentName": name, "scope": scope, "permissions": [{"actions": ["*/write"]}]}}

    listed = [denied("all", "/subscriptions/s"), denied("an app", f"{GROUP}/app"), denied("the net", VNET)]
    facts = asked(Ec2("DryRunOperation"), Simulator(set()), azure={"deny_assignments": listed})
    assert {place: [d.name for d in scope.denied] for place, scope in facts.azure.items()} == {
        "resource group": ["all"],
        "VNet": ["all", "the net"],
    }


class Denials:
    """Azure, of which only some scopes may be asked."""

    def __init__(self, *readable: str) -> None:
        self.readable, self.asked = readable, list[str]()

    def deny_assignments(self, scope: str) -> list[dict[str, Any]]:
        self.asked.append(scope)
        if scope not in self.readable:
            raise CloudError("A permission is missing in Azure", "me may not read this.")
        own = {"properties": {"denyAssignmentName": f"of {scope}", "scope": scope}}
        return [own, {"properties": {"denyAssignmentName": "inherited", "scope": "/"}}]

    def translate(self, error: Exception) -> Exception | None:
        return error if isinstance(error, CloudError) else None


@pytest.mark.parametrize(
    ("readable", "asked", "names"),
    [
        (("/subscriptions/s",), ["/subscriptions/s"], ["of /subscriptions/s", "inherited"]),
        (
            ("/subscriptions/s/b",),
            ["/subscriptions/s", "/subscriptions/s/a", "/subscriptions/s/b"],
            ["of /subscriptions/s/b", "inherited"],
        ),
        (
            ("/subscriptions/s/a", "/subscriptions/s/b"),
            ["/subscriptions/s", "/subscriptions/s/a", "/subscriptions/s/b"],
            ["of /subscriptions/s/a", "inherited", "of /subscriptions/s/b"],
        ),
        ((), ["/subscriptions/s", "/subscriptions/s/a", "/subscriptions/s/b"], []),
    ],
)
def test_what_is_denied_is_asked_of_the_whole_subscription_where_that_may_be(
    readable: tuple[str, ...], asked: list[str], names: list[str]
) -> None:
    azure: Any = Denials(*readable)
    found = permissions._denied(azure, ["/subscriptions/s/a", "/subscriptions/s/b"])
    assert (azure.asked, [d.name for d in found]) == (asked, names)


def test_one_place_is_asked_by_itself() -> None:
    azure: Any = Denials("/subscriptions/s/a")
    assert len(permissions._denied(azure, ["/subscriptions/s/a"])) == 2
    assert len(azure.asked) == 1
    assert permissions._by_subscription({"/subscriptions/s/b", "/Subscriptions/S/a", "/subscriptions/t/a"}) == [
        ["/Subscriptions/S/a", "/subscriptions/s/b"],
        ["/subscriptions/t/a"],
    ]


def test_what_lies_in_another_place_is_not_asked_by_itself() -> None:
    group = "/subscriptions/s/resourceGroups/app"
    assert permissions._outermost([f"{group}/providers/x/vnet", group, f"{group.upper()}/aks", f"{group}2/net"]) == {
        group,
        f"{group}2/net",
    }


# --- cost ---------------------------------------------------------------------------------------------------


def test_the_cost_is_told_with_the_addresses_that_the_endpoint_will_have() -> None:
    (two,) = cost.find(context())
    three = {**AWS["eks_cluster"], "resourcesVpcConfig": {"vpcId": VPC, "subnetIds": ["a", "b", "c"]}}
    (more,) = cost.find(context(eks_cluster=three))

    def month(finding: Finding) -> int:
        return int(finding.detail.partition("about ")[2].partition(" USD")[0].replace(",", ""))

    assert month(more) - month(two) in (91, 92), "an address costs 0.125 USD an hour"
    chosen = context(of=replace(link(), dns=replace(link().dns, endpoint_subnets=("a", "b"))), eks_cluster=three)
    assert [f.detail for f in cost.find(chosen)] == [two.detail]


def test_an_adopted_zone_that_has_no_room_for_the_records() -> None:
    """Records of others are counted by Route 53 in its list of zones, which is read anyway."""
    adopted = link(dns={"adopt_zone": "Z0THEIRS"})

    def told(records: int) -> list[Finding]:
        zone = {
            "Id": "/hostedzone/Z0THEIRS",
            "Name": f"{adopted.dns.zone}.",
            "Config": {"PrivateZone": True},
            "ResourceRecordSetCount": records,
        }
        return list(quotas.find(context(of=adopted, hosted_zones=[zone])))

    hosts = len(adopted.dns.zones[0].hosts)
    assert told(9_999 - hosts) == []
    (finding,) = told(10_000 - hosts)
    assert "records of the zone Z0THEIRS" in finding.detail and finding.severity is Severity.WARNING
