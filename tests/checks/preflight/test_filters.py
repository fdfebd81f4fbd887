"""Packet filters that drop what the link carries: network ACLs in AWS, security groups of the cluster's subnets in Azure."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from cloudlink.checks.preflight.aws import AwsFacts, learned, routes_by_lists
from cloudlink.checks.preflight.filters import (
    balancer,
    check_acls,
    check_azure,
    check_groups,
    destinations,
    endpoint,
    fixed,
    led_away,
)
from cloudlink.clouds.aws import parse_vpc
from cloudlink.clouds.aws.parse_acls import acls, passes
from cloudlink.clouds.aws.parse_balancers import LoadBalancer
from cloudlink.clouds.aws.parse_groups import rules_by_group
from cloudlink.clouds.azure.parse_filters import FilterRule, SecurityGroup, security_group
from cloudlink.clouds.azure.parse_network import Subnet
from cloudlink.errors import Finding, Severity
from cloudlink.link import Host, Link, LoadBalancerTarget
from tests.support.pinned import pinned

from .samples import VPC, link, told
from .test_aws import FACTS

Said = dict[str, Any]
AZURE = "10.20.0.0/16"
VPC_RANGE = IPv4Network("10.10.0.0/16")


def check_aws(facts: AwsFacts, found: Any, wanted: Link) -> list[Finding]:
    return pinned(check_acls(destinations(facts, wanted), found, learned(facts, wanted), wanted))


def entry(number: int, action: str, cidr: str, *, egress: bool, protocol: str = "-1", ports: Any = None) -> Said:
    more = {"PortRange": {"From": ports[0], "To": ports[1]}} if ports else {}
    return {
        "RuleNumber": number,
        "RuleAction": action,
        "CidrBlock": cidr,
        "Egress": egress,
        "Protocol": protocol,
        **more,
    }


LAST = [entry(32767, "deny", "0.0.0.0/0", egress=side) for side in (False, True)]
OPEN = [entry(100, "allow", "0.0.0.0/0", egress=side) for side in (False, True)]


def acl(*entries: Said, subnets: tuple[str, ...] = ("subnet-1", "subnet-2")) -> Said:
    return {
        "NetworkAclId": "acl-1",
        "Associations": [{"SubnetId": s, "NetworkAclId": "acl-1"} for s in subnets],
        "Entries": [*entries, *LAST, {"RuleNumber": 101, "Ipv6CidrBlock": "::/0", "Egress": False}],
    }


# Rules that people write by hand, and what of the link they drop: in, the answers, or nothing.
ACLS: dict[str, tuple[list[Said], str]] = {
    "the default": (OPEN, ""),
    "everything of the VPC only": (
        [entry(100, "allow", "10.10.0.0/16", egress=side) for side in (False, True)],
        "what comes from Azure",
    ),
    "DNS by UDP only": (
        [
            entry(100, "allow", AZURE, egress=False, protocol="17", ports=(53, 53)),
            entry(110, "allow", "10.30.0.0/16", egress=False),
            OPEN[1],
        ],
        "what comes from Azure",
    ),
    "a deny before the allow": ([entry(50, "deny", "10.20.0.0/20", egress=False), *OPEN], "what comes from Azure"),
    "a deny after the allow": ([entry(150, "deny", "10.20.0.0/20", egress=False), *OPEN], ""),
    "answers to low ports only": (
        [
            OPEN[0],
            entry(100, "allow", "0.0.0.0/0", egress=True, protocol="17", ports=(1024, 32000)),
            entry(110, "allow", "0.0.0.0/0", egress=True, protocol="6", ports=(1024, 65535)),
        ],
        "the answers",
    ),
    "the peered range is left out": (
        [entry(100, "allow", AZURE, egress=False), entry(100, "allow", "10.0.0.0/8", egress=True)],
        "what comes from Azure",
    ),
    "ping only": ([entry(100, "allow", "0.0.0.0/0", egress=False, protocol="1"), OPEN[1]], "what comes from Azure"),
}


@pytest.mark.parametrize("case", ACLS)
def test_a_network_acl_of_the_endpoints_subnets(case: str) -> None:
    entries, drops = ACLS[case]
    found = list(check_aws(FACTS, acls([acl(*entries)]), link()))
    told(found)
    assert [f.summary for f in found] == ([f"A network ACL of AWS drops {drops}"] if drops else [])
    for one in found:
        assert one.severity is Severity.OBSTACLE
        assert "acl-1, the network ACL of the subnets of the Resolver endpoint" in one.detail
        assert "create-network-acl-entry" in one.hint and "--rule-action allow" in one.hint


def test_only_subnets_that_are_used_count() -> None:
    closed = acl(subnets=("subnet-9",))
    assert list(check_aws(FACTS, acls([closed, {**acl(*OPEN), "NetworkAclId": "acl-2"}]), link())) == []


def test_the_ports_of_a_load_balancer() -> None:
    """Names resolve, and what they point at is dropped."""
    balancer = LoadBalancer(arn="arn:lb", name="web", dns_name="web.elb", vpc=VPC, subnets=("subnet-3",))
    wanted = link()
    host = Host("app", LoadBalancerTarget("web"), (443, 8443))
    wanted = replace(wanted, dns=replace(wanted.dns, hosts=(host,)))
    only_https = acl(
        entry(100, "allow", "0.0.0.0/0", egress=False, protocol="6", ports=(443, 443)), OPEN[1], subnets=("subnet-3",)
    )
    (found,) = check_aws(replace(FACTS, balancers=(balancer,)), acls([only_https]), wanted)
    assert "the load balancer of app" in found.detail and "tcp/8443" in found.detail and "tcp/443" not in found.detail


def test_entries_are_tried_in_the_order_of_their_numbers() -> None:
    (one,) = acls([acl(entry(200, "allow", AZURE, egress=False), entry(100, "deny", AZURE, egress=False))])
    assert [e.number for e in one.inbound] == [100, 200, 32767]
    assert not passes(one.inbound, "udp", 53, IPv4Network(AZURE))


def test_who_filters_lets_in_what_must_be_and_not_the_whole_vnet() -> None:
    """Only the cluster's subnet comes through: that is all there is to come."""
    narrow = acls([acl(entry(100, "allow", "10.20.0.0/22", egress=False), OPEN[1])])
    cluster = [IPv4Network("10.20.0.0/22")]
    assert check_aws(FACTS, narrow, link())  # of all that AWS learns, a part is dropped
    assert list(check_acls(destinations(FACTS, link()), narrow, cluster, link())) == []


# --- security groups of load balancers --------------------------------------------------------------------------


def permission(source: str, *, protocol: str = "tcp", first: int = 443, last: int = 443) -> Said:
    kinds = {"sg": ("UserIdGroupPairs", "GroupId"), "pl": ("PrefixListIds", "PrefixListId")}
    kind, name = kinds.get(source.partition("-")[0], ("IpRanges", "CidrIp"))
    ports = {} if protocol == "-1" else {"FromPort": first, "ToPort": last}
    return {"IpProtocol": protocol, **ports, kind: [{name: source}]}


# What people let in at a load balancer, and whether pods on AKS get through it.
LETS_IN: dict[str, tuple[list[Said], bool]] = {
    "everybody": ([permission("0.0.0.0/0")], True),
    "the VPC only, as an ingress controller's inbound-cidrs say": ([permission("10.10.0.0/16")], False),
    "private ranges": ([permission("10.0.0.0/8", protocol="-1")], True),
    "the nodes' group of EKS": ([permission("sg-nodes")], False),
    "two halves of the range": ([permission("10.20.0.0/17"), permission("10.20.128.0/17")], True),
    "half of the range": ([permission("10.20.0.0/17")], False),
    "another port": ([permission("0.0.0.0/0", first=80, last=80)], False),
    "a range of ports": ([permission(AZURE, first=1, last=1024)], True),
    "a prefix list, which is not read": ([permission("pl-corp")], True),
    "nobody": ([], False),
}


@pytest.mark.parametrize("case", LETS_IN)
def test_the_security_group_of_a_load_balancer(case: str) -> None:
    permissions, passes_ = LETS_IN[case]
    groups = rules_by_group([{"GroupId": "sg-web", "IpPermissions": permissions}])
    web = balancer("app", (443,), LoadBalancer("web", "arn:lb", VPC, (), groups=("sg-web",)))
    found = pinned(check_groups([web], groups, [IPv4Network(AZURE)], link()))
    assert bool(found) is not passes_
    for severity, _ in told(found):
        assert severity is Severity.OBSTACLE
    for one in found:
        assert "sg-web, in front of the load balancer of app, lets no tcp/443 in from 10.20.0.0/16" in one.detail
        assert "authorize-security-group-ingress" in one.hint and "--group-id sg-web" in one.hint


def test_several_groups_let_in_together_and_unknown_ones_nothing_is_said_of() -> None:
    groups = rules_by_group(
        [
            {"GroupId": "sg-a", "IpPermissions": [permission(AZURE, first=80, last=80)]},
            {"GroupId": "sg-b", "IpPermissions": [permission(AZURE)]},
        ]
    )
    both = balancer("app", (80, 443), LoadBalancer("web", "arn:lb", VPC, (), groups=("sg-a", "sg-b")))
    shared = balancer(
        "app", (80, 443), LoadBalancer("web", "arn:lb", VPC, (), groups=("sg-a", "sg-of-another-account"))
    )
    none = balancer("app", (443,), LoadBalancer("web", "arn:lb", VPC, ()))
    assert list(check_groups([both, shared, none], groups, [IPv4Network(AZURE)], link())) == []


# --- Azure ------------------------------------------------------------------------------------------------

DEFAULTS = [
    ("AllowVnetOutBound", 65000, "Allow", "*", "VirtualNetwork", "*"),
    ("AllowInternetOutBound", 65001, "Allow", "*", "Internet", "*"),
    ("DenyAllOutBound", 65500, "Deny", "*", "*", "*"),
]
ANYWHERE = (endpoint(()), balancer("app", (443,), LoadBalancer("web", "arn:lb", VPC, ())))
SUBNET = Subnet("/s/aks", "aks", (IPv4Network("10.20.0.0/22"),), security_group_id="/g/NSG")


def group(*rules: tuple[str, int, str, str, str, str]) -> SecurityGroup:
    """name, priority, access, protocol, destination, port."""

    def shown(rule: tuple[str, int, str, str, str, str]) -> Said:
        name, priority, access, protocol, to, port = rule
        several = {"destinationAddressPrefixes": to.split(",")} if "," in to else {"destinationAddressPrefix": to}
        ports = {"destinationPortRanges": port.split(",")} if "," in port else {"destinationPortRange": port}
        properties = {"direction": "Outbound", "priority": priority, "access": access, "protocol": protocol}
        return {"name": name, "properties": {**properties, "sourceAddressPrefix": "*", **several, **ports}}

    inbound = {"name": "in", "properties": {"direction": "Inbound", "priority": 100, "access": "Deny", "protocol": "*"}}
    return security_group(
        {
            "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/nsg",
            "name": "nsg",
            "properties": {
                "securityRules": [inbound, *map(shown, rules)],
                "defaultSecurityRules": [*map(shown, DEFAULTS)],
            },
        }
    )


GROUPS: dict[str, tuple[SecurityGroup, str]] = {
    "the defaults": (group(), ""),
    "a landing zone drops all the rest": (group(("DenyAll", 4096, "Deny", "*", "*", "*")), "DenyAll"),
    "a way to AWS before that": (
        group(("ToAws", 200, "Allow", "*", "10.10.0.0/16", "*"), ("DenyAll", 4096, "Deny", "*", "*", "*")),
        "",
    ),
    "a way for DNS only": (
        group(("Dns", 200, "Allow", "*", "*", "53"), ("DenyAll", 4096, "Deny", "*", "*", "*")),
        "DenyAll",
    ),
    "a way for all that is asked": (
        group(
            ("Dns", 200, "Allow", "*", "10.10.0.0/16,10.11.0.0/16", "53"),
            ("Web", 210, "Allow", "Tcp", "10.0.0.0/8", "80,443,8000-9000"),
            ("DenyAll", 4096, "Deny", "*", "*", "*"),
        ),
        "",
    ),
    "DNS to anywhere but Azure is dropped": (group(("NoDns", 300, "Deny", "Udp", "*", "53")), "NoDns"),
    "a service's name": (group(("Storage", 300, "Deny", "*", "Storage.WestEurope", "*")), ""),
    "another range": (group(("Other", 300, "Deny", "*", "192.168.0.0/16", "*")), ""),
}


@pytest.mark.parametrize("case", GROUPS)
def test_the_security_group_of_the_clusters_subnet(case: str) -> None:
    seen, rule = GROUPS[case]
    wanted = link()
    host = Host("app", LoadBalancerTarget("web"), (443,))
    wanted = replace(wanted, dns=replace(wanted.dns, hosts=(host,)))
    found = pinned(check_azure([SUBNET], {"/g/nsg": seen}, ANYWHERE, [VPC_RANGE], wanted))
    told(found)
    assert bool(found) is bool(rule)
    for one in found:
        assert one.severity is Severity.OBSTACLE
        assert f"The rule {rule} of nsg, the security group of the cluster's subnet aks" in one.detail
        assert "az network nsg rule create --subscription s --resource-group g --nsg-name nsg" in one.hint


def test_a_group_that_opens_exactly_what_is_asked_is_no_obstacle() -> None:
    """Zero trust: the endpoint's addresses and the load balancer's subnet, and DenyAll behind them."""
    seen = group(
        ("Dns", 200, "Allow", "*", "10.10.1.4,10.10.2.4", "53"),
        ("Web", 210, "Allow", "Tcp", "10.10.8.0/24", "443"),
        ("DenyAll", 4096, "Deny", "*", "*", "*"),
    )
    exact = (
        endpoint((), map(IPv4Address, ("10.10.1.4", "10.10.2.4"))),
        balancer("app", (443,), LoadBalancer("web", "arn:lb", VPC, ()), (IPv4Network("10.10.8.0/24"),)),
        fixed("db", (5432,), [IPv4Address("10.10.8.9")]),
    )
    (found,) = pinned(check_azure([SUBNET], {"/g/nsg": seen}, exact, [VPC_RANGE], link()))
    assert "drops tcp/5432 to 10.10.8.9/32 (the addresses of db)" in found.detail


def test_a_group_that_may_not_be_read_is_no_finding() -> None:
    assert list(check_azure([SUBNET], {}, ANYWHERE, [VPC_RANGE], link())) == []


# --- routes to prefix lists -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ranges", "severities"),
    [
        (["10.20.0.0/16"], [Severity.OBSTACLE]),
        (["192.168.0.0/16", "10.20.4.0/24"], [Severity.WARNING]),
        (["10.0.0.0/8"], []),  # wider: what the tunnels teach wins
        ([], []),
    ],
)
def test_a_route_to_a_prefix_list_takes_the_way_back(ranges: list[str], severities: list[Severity]) -> None:
    """Landing zones send their whole company's ranges to a transit gateway so."""
    (table,) = parse_vpc.route_tables(
        [
            {
                "RouteTableId": "rtb-1",
                "Associations": [{"SubnetId": "subnet-1"}],
                "Routes": [
                    {"DestinationPrefixListId": "pl-1", "TransitGatewayId": "tgw-1", "Origin": "CreateRoute"},
                    {"DestinationPrefixListId": "pl-s3", "GatewayId": "vpce-1", "Origin": "CreateRoute"},
                ],
            }
        ]
    )
    assert [r.list_id for r in table.lists] == ["pl-1"] and table.routes == ()
    lists = {"pl-1": parse_vpc.prefix_list([{"Cidr": r} for r in ranges] + [{"Cidr": "2001:db8::/32"}])}
    found = list(routes_by_lists(replace(FACTS, tables=(table,)), lists, link()))
    told(found)
    assert [f.severity for f in found] == severities
    for one in found:
        assert "(prefix list pl-1) that leads to tgw-1" in one.detail
        assert one.hint.endswith("--destination-prefix-list-id pl-1")


class Reads:
    """What has been read of a link that exists, and one list."""

    def __init__(self, tables: list[Said]) -> None:
        self.tables, self.asked = tables, []

    def eks_cluster(self, _name: str) -> Said:
        network = {"subnetIds": ["subnet-1"], "vpcId": VPC}
        known = {"status": "ACTIVE", "endpoint": "https://x", "version": "1.35", "certificateAuthority": {"data": ""}}
        return {**known, "resourcesVpcConfig": network}

    def route_tables(self, _vpc: str) -> list[Said]:
        return self.tables

    def load_balancers(self) -> list[Said]:
        return []

    def subnets(self, _vpc: str) -> list[Said]:
        return []

    def vpn_gateways(self) -> list[Said]:
        return []

    def prefix_list(self, id_: str) -> list[Said]:
        self.asked.append(id_)
        return [{"Cidr": AZURE}]

    def vnet(self) -> Said:
        return {"id": "/v", "name": "v", "properties": {"addressSpace": {"addressPrefixes": [AZURE]}}}


def test_a_prefix_list_of_a_link_that_stands() -> None:
    """No call while no table has one."""
    route = {"DestinationPrefixListId": "pl-1", "TransitGatewayId": "tgw-1", "Origin": "CreateRoute"}
    table: Said = {"RouteTableId": "rtb-1", "Associations": [{"SubnetId": "subnet-1"}], "Routes": [route]}
    reads: Any = Reads([table])
    (found,) = led_away(link(), reads, reads)
    assert "(prefix list pl-1) that leads to tgw-1" in found.detail and reads.asked == ["pl-1"]
    without: Any = Reads([{**table, "Routes": []}])
    assert list(led_away(link(), without, without)) == [] and without.asked == []


def test_a_rule_is_put_where_a_number_is_free() -> None:
    def rule(name: str, priority: int) -> FilterRule:
        return FilterRule(name, priority, False, "*", ((0, 65_535),), ("*",), ("*",))

    deny = rule("DenyAll", 300)
    group = SecurityGroup("/x", "nsg", (rule("a", 298), rule("b", 299), deny))
    assert group.free_before(deny) == 297
    assert SecurityGroup("/x", "nsg", (rule("a", 100),)).free_before(rule("a", 100)) is None
    assert SecurityGroup("/x", "nsg", ()).free_before(rule("DenyAllOutBound", 65_500)) == 4096
