"""The VPC, who owns it, its gateway, its route tables and the endpoint's subnets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudlink.checks.preflight.aws import AwsFacts, check
from cloudlink.checks.preflight.region import explain
from cloudlink.clouds.aws import parse_vpc
from cloudlink.clouds.aws.parse_vpc import (
    Attachment,
    Cluster,
    LoadBalancer,
    Route,
    RouteTable,
    Subnet,
    Vpc,
    VpnConnection,
    VpnGateway,
)
from cloudlink.clouds.azure.parse_ranges import AzureRanges, Peering
from cloudlink.core.plan import Action
from cloudlink.errors import CloudlinkError, CredentialsError, Finding, ObstaclesError, Severity
from cloudlink.link import Link

from .samples import VPC, first_plan, link, networks, plan, told

OBSTACLE, WARNING = Severity.OBSTACLE, Severity.WARNING
FACTS = AwsFacts(
    account="111122223333",
    vpc=Vpc(VPC, "111122223333", networks("10.10.0.0/16")),
    cluster=Cluster(VPC, ("subnet-1", "subnet-2"), networks("172.20.0.0/16")[0]),
    subnets=(Subnet("subnet-1", "a", None, 100), Subnet("subnet-2", "b", None, 100), Subnet("subnet-3", "c", None, 5)),
    tables=(RouteTable("rtb-main", main=True), RouteTable("rtb-1", subnets=("subnet-1",))),
    azure=AzureRanges(networks("10.20.0.0/16"), (Peering("spoke", networks("10.30.0.0/16"), True),)),
)


def findings(facts: AwsFacts, of: Link | None = None) -> list[Finding]:
    found = list(check(facts, of or link(), first_plan()))
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


# --- gateways ---------------------------------------------------------------------------------------------


def gateway(id_: str, state: str, vpc: str = VPC, asn: int = 64_900) -> VpnGateway:
    return VpnGateway(id_, asn, (Attachment(vpc, state),))


@pytest.mark.parametrize("state", ["attached", "attaching"])
def test_a_second_gateway_that_is_attached_or_attaching(state: str) -> None:
    (finding,) = findings(replace(FACTS, gateways=(gateway("vgw-1", state),)))
    assert finding.key == "aws.gateway"
    assert f"vgw-1 (ASN 64900) is {state} to {VPC}" in finding.detail
    assert 'aws.gateway = "vgw-1"' in finding.hint


@pytest.mark.parametrize(("state", "vpc"), [("detached", VPC), ("detaching", VPC), ("attached", "vpc-2")])
def test_a_gateway_that_leaves_or_is_elsewhere_is_no_matter(state: str, vpc: str) -> None:
    assert findings(replace(FACTS, gateways=(gateway("vgw-1", state, vpc),))) == []


@pytest.mark.parametrize(
    ("gateways", "words"),
    [
        ((), "There is no vgw-1"),
        ((gateway("vgw-1", "attached", "vpc-2"),), "is attached to vpc-2"),
        ((gateway("vgw-1", "detached"), gateway("vgw-2", "attaching")), "vgw-2 (ASN 64900) is attaching"),
        ((gateway("vgw-1", "attached", asn=65_515),), "ASN 65515"),
        ((gateway("vgw-1", "attached", asn=65_000),), "ASN 65000 too"),
    ],
)
def test_an_adopted_gateway_that_does_not_fit(gateways: tuple[VpnGateway, ...], words: str) -> None:
    (finding,) = findings(replace(FACTS, gateways=gateways), link(aws={"adopt_gateway": "vgw-1"}))
    assert finding.severity is OBSTACLE
    assert words in finding.detail


def test_inside_ranges_of_others_on_an_adopted_gateway() -> None:
    connections = (
        VpnConnection("vpn-1", "vgw-1", ("169.254.22.0/30",), ""),
        VpnConnection("vpn-2", "vgw-1", ("169.254.21.0/30",), "demo"),
        VpnConnection("vpn-3", "vgw-2", ("169.254.21.4/30",), ""),
    )
    facts = replace(FACTS, gateways=(gateway("vgw-1", "attached"),), connections=connections)
    (finding,) = findings(facts, link(aws={"adopt_gateway": "vgw-1"}))
    assert (finding.key, finding.detail) == ("vpn.inside_pool", "Another VPN connection of vgw-1 uses 169.254.22.0/30.")


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
                "Associations": [{"SubnetId": "subnet-1"}, {"Main": True}],
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
                ],
            }
        ]
    )
    assert (table.id, table.main, table.subnets) == ("rtb-1", True, ("subnet-1",))
    assert table.routes == (Route(networks("10.0.0.0/8")[0], "tgw-1", active=False),)


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
