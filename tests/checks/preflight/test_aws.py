"""The VPC, who owns it, its gateway, its route tables and the endpoint's subnets."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from cloudlink.checks.preflight.aws import AwsFacts, check, owner_only
from cloudlink.checks.preflight.region import explain
from cloudlink.clouds.aws import parse_vpc
from cloudlink.clouds.aws.parse_balancers import LoadBalancer
from cloudlink.clouds.aws.parse_cluster import Cluster
from cloudlink.clouds.aws.parse_vpc import Route, RouteTable, Subnet, Vpc
from cloudlink.clouds.azure.parse_ranges import AzureRanges, Peering
from cloudlink.core.plan import Action, Change, FieldChange, Plan
from cloudlink.errors import CloudlinkError, CredentialsError, Finding, ObstaclesError, Severity
from cloudlink.link import AddressTarget, Host, KubernetesTarget, Link, LoadBalancerTarget
from tests.support.pinned import pinned

from .samples import VPC, first_plan, link, networks, nodes, plan, told

OBSTACLE, WARNING = Severity.OBSTACLE, Severity.WARNING
FACTS = AwsFacts(
    account="111122223333",
    vpc=Vpc(VPC, "111122223333", networks("10.10.0.0/16")),
    cluster=Cluster(VPC, ("subnet-1", "subnet-2"), networks("172.20.0.0/16")[0]),
    subnets=(Subnet("subnet-1", "a", None, 100), Subnet("subnet-2", "b", None, 100), Subnet("subnet-3", "c", None, 5)),
    tables=(RouteTable("rtb-main", main=True), RouteTable("rtb-1", subnets=("subnet-1",))),
    azure=AzureRanges(networks("10.20.0.0/16"), (Peering("spoke", networks("10.30.0.0/16"), True),)),
    owner_only=owner_only(nodes()),
)


def findings(facts: AwsFacts, of: Link | None = None) -> list[Finding]:
    found = pinned(check(facts, of or link(), first_plan()))
    told(found)
    return found


def test_where_nothing_is_in_the_way_nothing_is_said() -> None:
    assert findings(FACTS) == []


# --- the VPC ----------------------------------------------------------------------------------------------


def shared_vpc() -> AwsFacts:
    return replace(FACTS, vpc=Vpc(VPC, "999988887777", networks("10.10.0.0/16")))


def test_a_vpc_of_another_account_is_refused_with_what_only_its_owner_can_do() -> None:
    (finding,) = findings(shared_vpc())
    assert (finding.severity, finding.summary) == (OBSTACLE, "The VPC belongs to another AWS account")
    for words in (
        "account 999988887777 and shared with 111122223333",
        "attach a virtual private gateway",
        "change route tables",
        "make a Resolver endpoint",
        "associate a private hosted zone",
    ):
        assert words in finding.detail
    assert "account 999988887777" in finding.hint


def test_a_shared_vpc_does_not_matter_for_what_participants_may_do() -> None:
    assert list(check(shared_vpc(), link(), plan(Action.UPDATE, "resolver.records", "azure_vpn"))) == []


def test_a_vpc_whose_owner_is_not_said_is_no_finding() -> None:
    assert findings(replace(FACTS, vpc=Vpc(VPC, "", networks("10.10.0.0/16")))) == []


@pytest.mark.parametrize(
    ("facts", "key"),
    [
        (replace(FACTS, vpc=None), "aws.vpc"),
        (replace(FACTS, vpc=Vpc(VPC, "111122223333", (), dedicated=True)), "aws.vpc"),
        (replace(FACTS, cluster=Cluster("vpc-2", ("subnet-1", "subnet-2"), None)), "aws.vpc"),
    ],
)
def test_a_vpc_that_does_not_fit(facts: AwsFacts, key: str) -> None:
    (finding,) = findings(facts)
    assert (finding.severity, finding.key) == (OBSTACLE, key)


# --- subnets of the endpoint ------------------------------------------------------------------------------


def with_subnets(*subnets: Subnet) -> AwsFacts:
    ids = tuple(s.id for s in subnets)
    return replace(FACTS, subnets=subnets, cluster=Cluster(VPC, ids, None), tables=())


def test_a_subnet_without_a_free_address() -> None:
    facts = replace(FACTS, subnets=(replace(FACTS.subnets[0], free_addresses=0), *FACTS.subnets[1:]))
    (finding,) = findings(facts)
    assert finding.key == "dns.endpoint_subnets"
    assert "subnet-1 has no free address" in finding.detail
    assert "subnet-2, subnet-3" in finding.hint
    assert list(check(facts, link(), plan(Action.UPDATE, "resolver.records"))) == [], "the endpoint is there already"


def test_a_subnet_that_went_after_the_endpoint_was_made() -> None:
    """EKS goes on naming it; AWS refuses an address in it only when it is asked for one."""
    facts = replace(FACTS, cluster=Cluster(VPC, ("subnet-1", "subnet-2", "subnet-9"), None))
    lost = (FieldChange("subnets", "", "subnet-9"),)
    change = Change("resolver.endpoint", "endpoint", Action.UPDATE, id="rslvr-in-1", fields=lost)
    (finding,) = check(facts, link(), Plan((change,)))
    assert (finding.severity, finding.key) == (OBSTACLE, "dns.endpoint_subnets")
    assert "still names subnet-9" in finding.detail and "for example of: subnet-1, subnet-2" in finding.hint
    moved = replace(change, fields=(FieldChange("protocols", "", "Do53"),))
    assert list(check(facts, link(), Plan((moved,)))) == [], "its addresses stay as they are"
    full = replace(FACTS, subnets=tuple(replace(s, free_addresses=0) for s in FACTS.subnets))
    assert list(check(full, link(), Plan((change,)))) == [], "those that have an address need no other"


def test_only_the_six_subnets_that_are_taken_count() -> None:
    """Of eight subnets in two zones three of each are taken, in the order of their ids."""
    subnets = [Subnet(f"subnet-{i}", "ab"[i % 2], None, 0 if i > 6 else 9) for i in range(1, 9)]
    assert findings(with_subnets(*subnets)) == []


def test_a_listed_subnet_that_the_vpc_does_not_have() -> None:
    (finding,) = findings(FACTS, link(dns={"endpoint_subnets": ("subnet-1", "subnet-77")}))
    assert "no subnet-77" in finding.detail


def test_all_addresses_in_one_zone_is_a_warning() -> None:
    facts = with_subnets(Subnet("subnet-1", "a", None, 9), Subnet("subnet-2", "a", None, 9))
    assert told(findings(facts)) == [(WARNING, "All addresses of the endpoint are in one availability zone")]


# --- routes -----------------------------------------------------------------------------------------------


def with_route(destination: str, target: str = "tgw-1", table: int = 1, *, active: bool = True) -> AwsFacts:
    tables = list(FACTS.tables)
    tables[table] = replace(tables[table], routes=(Route(networks(destination)[0], target, active),))
    return replace(FACTS, tables=tuple(tables))


def test_a_static_route_over_azures_range_takes_the_way_back() -> None:
    (finding,) = findings(with_route("10.20.0.0/16"))
    assert finding.severity is OBSTACLE
    assert "rtb-1 has a static route to 10.20.0.0/16 that leads to tgw-1" in finding.detail
    assert "--route-table-id rtb-1 --destination-cidr-block 10.20.0.0/16" in finding.hint


def test_a_static_route_over_a_part_of_it_is_a_warning() -> None:
    assert told(findings(with_route("10.20.64.0/18", "pcx-1"))) == [
        (WARNING, "A static route takes a part of the way back to Azure")
    ]
    assert told(findings(with_route("10.30.0.0/24"))) != [], "a peered VNet that uses the gateway counts"


@pytest.mark.parametrize("destination", ["0.0.0.0/0", "10.0.0.0/8", "10.21.0.0/16"])
def test_a_route_that_is_less_specific_or_elsewhere_is_no_matter(destination: str) -> None:
    assert findings(with_route(destination)) == []


def test_a_route_that_leads_nowhere_takes_the_way_back_too() -> None:
    (finding,) = findings(with_route("10.20.0.0/16", "pcx-1", active=False))
    assert "blackhole" in finding.detail


def test_only_tables_that_are_used_count() -> None:
    assert findings(with_route("10.20.0.0/16", table=0)) != [], "subnet-2 has no table of its own and uses the main one"
    every = replace(with_route("10.20.0.0/16", table=0), cluster=Cluster(VPC, ("subnet-1",), None))
    assert findings(every) == []
    assert findings(every, link(aws={"route_tables": ("rtb-main",)})) != []
    balancer = LoadBalancer("sentry-internal", "arn:1", VPC, ("subnet-3",))
    assert findings(replace(every, balancers=(balancer,))) != []


def test_what_aws_says_of_routes_is_read() -> None:
    (table,) = parse_vpc.route_tables(
        [
            {
                "RouteTableId": "rtb-1",
                "Associations": [{"SubnetId": "subnet-1"}, {"Main": True}, {"GatewayId": "vgw-9", "Main": False}],
                "Routes": [
                    {"DestinationCidrBlock": "10.10.0.0/16", "GatewayId": "local", "Origin": "CreateRouteTable"},
                    {
                        "DestinationCidrBlock": "10.20.0.0/16",
                        "GatewayId": "vgw-1",
                        "Origin": "EnableVgwRoutePropagation",
                    },
                    {"DestinationCidrBlock": "10.20.0.0/17", "GatewayId": "vgw-1", "Origin": "CreateRoute"},
                    {"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1", "Origin": "CreateRoute"},
                    {"DestinationIpv6CidrBlock": "::/0", "GatewayId": "igw-1", "Origin": "CreateRoute"},
                    {"DestinationCidrBlock": "10.0.0.0/8", "TransitGatewayId": "tgw-1", "State": "blackhole"},
                    {"DestinationPrefixListId": "pl-2", "GatewayId": "vgw-1", "Origin": "CreateRoute"},
                ],
            }
        ]
    )
    assert (table.id, table.main, table.subnets) == ("rtb-1", True, ("subnet-1",))
    assert table.routes == (
        Route(networks("10.20.0.0/17")[0], "vgw-1"),
        Route(networks("10.0.0.0/8")[0], "tgw-1", active=False),
    )
    assert table.learned == (Route(networks("10.20.0.0/16")[0], "vgw-1"),)
    assert [r.list_id for r in table.lists] == ["pl-2"]
    assert table.edges == ("vgw-9",)


def test_a_static_route_to_a_gateway_that_was_taken_away() -> None:
    """Somebody's Terraform made the gateway anew, and the route to the one before stayed: static, so that it wins."""
    stale = with_route("10.20.0.0/16", "vgw-old", active=False)
    (finding,) = findings(stale)
    assert (
        finding.severity is OBSTACLE and "leads to vgw-old, which does not exist any more (blackhole)" in finding.detail
    )
    there = replace(with_route("10.20.0.0/16", "vgw-1"), gateways=frozenset({"vgw-1"}))
    assert findings(there) == [], "it leads where the tunnels' routes lead"
    assert findings(replace(stale, gateways=frozenset({"vgw-old"}))) != [], "what AWS calls a blackhole is one"


def adopted(destination: str, gateway: str = "vgw-1") -> AwsFacts:
    tables = (FACTS.tables[0], replace(FACTS.tables[1], learned=(Route(networks(destination)[0], gateway),)))
    return replace(FACTS, tables=tables, gateways=frozenset({gateway}))


@pytest.mark.parametrize(("destination", "told_of"), [("10.20.0.0/16", 1), ("10.20.8.0/24", 1), ("10.0.0.0/8", 0)])
def test_an_adopted_gateway_that_leads_to_azures_range_already(destination: str, told_of: int) -> None:
    """A data centre behind Direct Connect has the range too, and Direct Connect wins over any VPN."""
    mine = link(aws={"gateway": "vgw-1"})
    found = list(check(adopted(destination), mine, first_plan()))
    assert told(found) == [(OBSTACLE, "The gateway has a way to Azure's range already")] * told_of
    assert list(check(adopted(destination), mine, plan(Action.UPDATE, "aws_vpn.connection"))) == [], "it may be our own"
    assert list(check(adopted(destination, "vgw-2"), mine, first_plan())) == []


@pytest.mark.parametrize("active", [True, False])
def test_a_gateway_whose_own_table_leads_to_a_firewall(active: bool) -> None:
    own = RouteTable("rtb-edge", routes=(Route(networks("10.10.1.0/24")[0], "vpce-1", active),), edges=("vgw-1",))
    facts = replace(FACTS, tables=(*FACTS.tables, own), gateways=frozenset({"vgw-1"}))
    (finding,) = findings(facts, link(aws={"gateway": "vgw-1"}))
    assert finding.severity is (WARNING if active else OBSTACLE)
    assert "rtb-edge is the route table of vgw-1 itself" in finding.detail and "10.10.1.0/24" in finding.detail
    assert findings(replace(facts, gateways=frozenset()), link(aws={"gateway": "vgw-2"})) == [], (
        "another gateway's, or the internet's"
    )


def test_a_gateways_own_table_among_those_that_are_to_get_routes() -> None:
    """AWS refuses propagation into it, with words that name neither the reason nor the key."""
    edge = RouteTable("rtb-edge", edges=("igw-1",))
    facts = replace(FACTS, tables=(*FACTS.tables, edge))
    listed = link(aws={"route_tables": ("rtb-main", "rtb-1", "rtb-edge")})
    (finding,) = findings(facts, listed)
    assert (finding.severity, finding.key) == (OBSTACLE, "aws.route_tables")
    assert "rtb-edge is associated with igw-1" in finding.detail
    assert findings(facts) == [], "nothing uses it"


def test_listed_tables_that_leave_out_where_the_answers_come_from() -> None:
    """aws.route_tables names the nodes' table; the endpoint's other subnet has the main one."""
    (finding,) = findings(FACTS, link(aws={"route_tables": ("rtb-1",)}))
    assert (finding.severity, finding.key) == (WARNING, "aws.route_tables")
    assert "does not list rtb-main, which subnet-2 uses" in finding.detail
    assert findings(FACTS, link(aws={"route_tables": ("rtb-1", "rtb-main")})) == []
    routed = RouteTable("rtb-main", main=True, routes=(Route(networks("10.0.0.0/8")[0], "tgw-9"),))
    by_hand = replace(FACTS, tables=(routed, FACTS.tables[1]))
    assert findings(by_hand, link(aws={"route_tables": ("rtb-1",)})) == [], "somebody routes there by hand"
    to_the_internet = replace(routed, routes=(Route(networks("0.0.0.0/0")[0], "nat-1"),))
    assert findings(replace(by_hand, tables=(to_the_internet, FACTS.tables[1])), link(aws={"route_tables": ("rtb-1",)}))


def test_the_tables_of_databases_and_of_subnets_for_load_balancers_count() -> None:
    """Databases have subnets and a route table of their own, and so may internal load balancers of EKS."""
    data = Subnet("subnet-db", "a", networks("10.10.9.0/24")[0], 9)
    balancing = Subnet("subnet-lb", "b", networks("10.10.10.0/24")[0], 9, for_balancers=True)
    others = replace(balancing, id="subnet-other", clusters=frozenset({"staging"}))
    own = [
        RouteTable(f"rtb-{s.id}", subnets=(s.id,), routes=with_route("10.20.0.0/16").tables[1].routes)
        for s in (data, balancing, others)
    ]
    facts = replace(FACTS, subnets=(*FACTS.subnets, data, balancing, others), tables=(*FACTS.tables, *own))
    hosts = (
        Host("db", AddressTarget((IPv4Address("10.10.9.7"),))),
        Host("web", KubernetesTarget("service", "web", "main")),
    )
    found = findings(facts, link(dns={"hosts": hosts}))
    assert sorted(f.detail.split()[0] for f in found) == ["rtb-subnet-db", "rtb-subnet-lb"]
    assert findings(facts, link(dns={"hosts": (Host("sentry", LoadBalancerTarget("sentry-internal")),)})) == []


# --- the region -------------------------------------------------------------------------------------------

REFUSED = CredentialsError("AWS does not accept the credentials", "AuthFailure", code="AuthFailure")


def region(error: CloudlinkError, **states: str) -> CloudlinkError | None:
    return explain(error, "eu-south-1", "us-east-1", lambda: {k.replace("_", "-"): v for k, v in states.items()})


def test_a_region_that_is_not_enabled_is_not_taken_for_wrong_keys() -> None:
    found = region(REFUSED, eu_south_1="not-opted-in")
    assert isinstance(found, ObstaclesError)
    assert found.exit_code == 3
    assert "aws account enable-region --region-name eu-south-1" in found.findings[0].hint


def test_a_token_of_the_global_sts_in_a_region_that_was_enabled() -> None:
    found = region(REFUSED, eu_south_1="opted-in")
    assert isinstance(found, CredentialsError)
    assert "AWS_STS_REGIONAL_ENDPOINTS=regional" in found.hint


def test_a_region_that_does_not_exist() -> None:
    assert isinstance(region(REFUSED, eu_west_1="opt-in-not-required"), ObstaclesError)


def test_keys_that_are_wrong_everywhere_stay_wrong_keys() -> None:
    assert region(REFUSED, eu_south_1="opt-in-not-required") is None
    assert region(CredentialsError("denied", code="UnauthorizedOperation"), eu_south_1="not-opted-in") is None

    def refused() -> dict[str, str]:
        raise REFUSED

    assert explain(REFUSED, "eu-south-1", "us-east-1", refused) is None
