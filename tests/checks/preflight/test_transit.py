"""A transit gateway that is to be adopted or made: what is in its way."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from cloudlink.checks.preflight.cost import CostFacts, estimate
from cloudlink.checks.preflight.run import topics_of
from cloudlink.checks.preflight.transit import TransitFacts, check
from cloudlink.checks.report import Outcome
from cloudlink.checks.routes import transit_check
from cloudlink.clouds.aws.parse_transit import Attachment, Gateway, TransitRoute, TransitTable, VpcAttachment
from cloudlink.clouds.aws.parse_vpc import Subnet
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from cloudlink.steps.aws_vpn.transit import VPN_TABLE, TransitTables, one_in_each_zone
from tests.support.pinned import pin, pinned

from .samples import VPC, first_plan, link, networks, told

GATEWAY = Gateway("tgw-1", "available", "111111111111", 64_512, True, "tgw-rtb-1", "tgw-rtb-1")
OURS = (
    Attachment("tgw-attach-1", "tgw-1", "vpc", VPC, table="tgw-rtb-1"),
    Attachment("tgw-attach-2", "tgw-1", "vpn", "vpn-1"),
)
OTHER = Attachment("tgw-attach-9", "tgw-1", "vpc", "vpc-9")
GOOD = (
    TransitRoute(IPv4Network("10.10.0.0/16"), ("tgw-attach-1",)),
    TransitRoute(IPv4Network("10.20.0.0/16"), ("tgw-attach-2",)),
)
FACTS = TransitFacts(
    account="111111111111",
    gateway=GATEWAY,
    gateways=1,
    attachments=(*OURS, OTHER),
    own=frozenset({VPC, "vpn-1"}),
    tables=TransitTables("tgw-rtb-1", ("tgw-rtb-1", "tgw-rtb-1")),
    routes={"tgw-rtb-1": TransitTable("tgw-rtb-1", GOOD)},
    vpc=networks("10.10.0.0/16"),
    azure=networks("10.20.0.0/16"),
    subnets=(Subnet("subnet-a", "a", None, 9), Subnet("subnet-b", "b", None, 9)),
)


def through(gateway: str = "tgw-1", **azure: Any) -> Link:
    return link(aws={"gateway": gateway}, azure=azure or None)


def findings(facts: TransitFacts = FACTS, of: Link | None = None, plan: Plan | None = None) -> list[Finding]:
    found = pinned(check(facts, of or through(), plan or first_plan()))
    told(found)
    return found


def with_route(destination: str, *attachments: str, static: bool = False) -> TransitFacts:
    route = TransitRoute(IPv4Network(destination), attachments, bool(attachments), static)
    return replace(FACTS, routes={"tgw-rtb-1": TransitTable("tgw-rtb-1", (*GOOD, route))})


def test_one_that_fits() -> None:
    assert findings() == []


@pytest.mark.parametrize(
    ("gateway", "words"),
    [
        (None, "There is no tgw-1"),
        (replace(GATEWAY, state="modifying"), "tgw-1 is modifying"),
        (replace(GATEWAY, asn=65_515), "ASN 65515"),
        (replace(GATEWAY, asn=65_000), "ASN 65000 too"),
        (replace(GATEWAY, asn=64_900), "aws.asn is 64512"),
        (replace(GATEWAY, owner="222222222222"), "owned by account 222222222222"),
    ],
)
def test_one_that_does_not_fit(gateway: Gateway | None, words: str) -> None:
    (finding,) = findings(replace(FACTS, gateway=gateway), through(asn=65_000))
    assert finding.severity is Severity.OBSTACLE
    assert words in finding.detail


def test_of_another_account_the_other_way_is_named() -> None:
    (finding,) = findings(replace(FACTS, gateway=replace(GATEWAY, owner="222222222222"), tables=None))
    assert 'link.transport = "existing"' in finding.hint
    assert "as 111111111111: aws ec2 create-transit-gateway-vpc-attachment" in finding.hint, "what this account may do"
    assert "as 222222222222: aws ec2 accept-transit-gateway-vpc-attachment" in finding.hint, "and what its owner"


def test_one_tunnel_at_a_time_is_said_in_plan_and_status() -> None:
    facts = replace(FACTS, gateway=replace(GATEWAY, ecmp=False))
    (finding,) = findings(facts)
    assert finding.severity is Severity.WARNING and "VpnEcmpSupport" in finding.detail
    assert pin(transit_check(facts, through(), learned=True)).outcome is Outcome.WARNING


@pytest.mark.parametrize(
    ("facts", "severity"),
    [
        (with_route("10.10.128.0/17", "tgw-attach-9"), Severity.OBSTACLE),  # another VPC in ours
        (with_route("10.0.0.0/8", "tgw-attach-9"), Severity.OBSTACLE),  # another VPC around ours
        (with_route("10.0.0.0/8", "tgw-attach-9", static=True), None),  # a wider route takes nothing
        (with_route("10.20.0.0/16", static=True), Severity.OBSTACLE),  # a blackhole for Azure's range
        (with_route("10.20.7.0/24", "tgw-attach-9"), Severity.WARNING),  # a part of it
        (with_route("172.16.0.0/12", "tgw-attach-9"), None),
    ],
)
def test_routes_of_others(facts: TransitFacts, severity: Severity | None) -> None:
    assert [f.severity for f in findings(facts)] == ([severity] if severity else [])
    failed = pin(transit_check(facts, through(), learned=True)).outcome is Outcome.FAILED
    assert failed == (severity is Severity.OBSTACLE)


def test_a_table_that_cannot_be_told_or_read() -> None:
    (finding,) = findings(replace(FACTS, tables=None))
    assert "associate-transit-gateway-route-table" in finding.hint
    (unread,) = findings(replace(FACTS, unread="AWS refused permission"))
    assert unread.severity is Severity.NOT_PROVED
    assert pin(transit_check(replace(FACTS, unread="refused"), through(), learned=True)).outcome is Outcome.UNSEEN


def test_an_attachment_that_is_there() -> None:
    there = VpcAttachment("tgw-attach-1", "tgw-1", VPC, "pendingAcceptance", ("subnet-a", "subnet-b"))
    (finding,) = findings(replace(FACTS, vpc_attachments=(there,)))
    assert "accept-transit-gateway-vpc-attachment" in finding.hint
    (finding,) = findings(replace(FACTS, vpc_attachments=(replace(there, state="available", subnets=("subnet-a",)),)))
    assert finding.severity is Severity.WARNING and "no subnet in b" in finding.detail
    elsewhere = replace(there, state="available", subnets=("subnet-of-their-own",))
    assert findings(replace(FACTS, vpc_attachments=(elsewhere,))) == []


def test_a_zone_without_a_free_address() -> None:
    full = (Subnet("subnet-a", "a", None, 0), Subnet("subnet-b", "b", None, 9))
    (finding,) = findings(replace(FACTS, subnets=full))
    assert "in a" in finding.detail and finding.severity is Severity.OBSTACLE
    more = (*full, Subnet("subnet-c", "a", None, 3))
    assert findings(replace(FACTS, subnets=more)) == []
    made = Plan((Change("aws_vpn.attachment", "", Action.NO_OP),))
    assert findings(replace(FACTS, subnets=full), plan=made) == []


def test_one_subnet_in_each_zone_and_the_one_that_is_used_stays() -> None:
    subnets = [
        Subnet(f"subnet-{n}", zone, None, free)
        for n, zone, free in ((1, "a", 0), (2, "a", 5), (3, "a", 5), (4, "b", 0))
    ]
    assert one_in_each_zone(subnets) == ["subnet-2", "subnet-4"]
    assert one_in_each_zone(subnets, ["subnet-3"]) == ["subnet-3", "subnet-4"]
    assert one_in_each_zone(subnets, ["subnet-1"]) == ["subnet-1", "subnet-4"]


def test_as_many_gateways_as_a_region_has() -> None:
    facts = replace(FACTS, gateway=None, gateways=5)
    (finding,) = findings(facts, through("create-transit"))
    assert finding.severity is Severity.WARNING and "5 of 5 transit gateways" in finding.detail
    assert findings(replace(facts, gateways=4), through("create-transit")) == []


@pytest.mark.parametrize(
    ("missing", "learned", "words"),
    [
        ("10.10.0.0/16", True, "tgw-rtb-1 has no route to 10.10.0.0/16"),
        ("10.20.0.0/16", True, "tgw-rtb-1 has no route to 10.20.0.0/16"),
        ("10.20.0.0/16", False, ""),  # while no tunnel is up there is nothing to learn
    ],
)
def test_status_names_the_way_that_is_missing(missing: str, learned: bool, words: str) -> None:
    routes = tuple(r for r in GOOD if str(r.destination) != missing)
    facts = replace(FACTS, routes={"tgw-rtb-1": TransitTable("tgw-rtb-1", routes)})
    found = pin(transit_check(facts, through(), learned))
    assert (found.outcome is Outcome.FAILED, words in found.detail) == (bool(words), True)


def test_what_it_costs() -> None:
    """Three attachments by the hour: the VPC's and one of each VPN connection."""
    facts = CostFacts(3)
    more = estimate(facts, through(), first_plan()).whole - estimate(facts, link(), first_plan()).whole
    assert round(more, 2) == round(3 * 0.05 * 730, 2)


@pytest.mark.parametrize(
    ("gateway", "checked"),
    [
        ("create", False),
        ("vgw-0a1b2c3d4e5f60718", False),
        ("create-transit", True),
        ("tgw-0a1b2c3d4e5f60718", True),
    ],
)
def test_only_a_link_over_one_is_checked_for_it(gateway: str, checked: bool) -> None:
    named = {name for name, _ in topics_of(link(aws={"gateway": gateway}), writes=True)}
    assert ("transit gateway" in named) is checked


# --- blackhole routes, and room for routes ----------------------------------------------------------------------


def limited(gateway: str, *ranges: str) -> Link:
    return link(aws={"gateway": gateway, "limit_routes": True, "blackholes": networks(*ranges)})


IN_USE = replace(
    FACTS,
    used=(Subnet("subnet-a", "a", IPv4Network("10.10.1.0/24"), 9),),
    nodes=networks("10.20.0.0/20"),
)


@pytest.mark.parametrize("gateway", ["tgw-1", "create-transit"])
@pytest.mark.parametrize(
    ("range_", "only_own"),
    [("10.10.0.0/16", False), ("10.10.1.128/25", False), ("10.20.0.0/16", True), ("10.20.8.0/24", True)],
)
def test_a_blackhole_that_would_cut_off_a_part_of_the_link(gateway: str, range_: str, only_own: bool) -> None:
    """The table of an adopted gateway, which leads to Azure, gets none."""
    of = limited(gateway, range_)
    facts = replace(IN_USE, vpc=of.aws.reachable(FACTS.vpc))
    facts = replace(facts, azure=of.aws.reachable(FACTS.azure)) if gateway == "create-transit" else facts
    found = [f for f in check(facts, of, first_plan()) if f.summary.startswith("A blackhole route")]
    assert bool(found) is (not only_own or gateway == "create-transit")
    assert all(f.severity is Severity.OBSTACLE and range_ in f.detail for f in found)


@pytest.mark.parametrize("range_", ["10.0.0.0/8", "100.64.0.0/10", "10.10.2.0/24", "10.30.0.0/16"])
def test_a_blackhole_beside_what_the_link_is_for(range_: str) -> None:
    """What is propagated wins over a blackhole that is wider, and where nothing of the link lies nothing is cut off."""
    assert [f.summary for f in check(IN_USE, limited("create-transit", range_), first_plan())] == []


def test_the_links_own_blackhole_is_in_nobodys_way_and_anothers_is() -> None:
    facts = with_route("10.10.2.0/24")
    assert [f.summary for f in check(facts, limited("tgw-1", "10.10.2.0/24"), first_plan())] == []
    (finding,) = findings(facts)
    assert "blackhole" in finding.detail


def test_routes_that_are_written_into_the_vpcs_tables_need_room() -> None:
    many = tuple(IPv4Network((int(IPv4Network("172.16.0.0/12").network_address) + 256 * n, 24)) for n in range(500))
    plan = Plan((Change("aws_vpn.static_routes", "routes to Azure", Action.CREATE, "new"),))
    full = replace(FACTS, vpc_tables={"rtb-1": many, "rtb-2": many[:499], "rtb-3": (*many[:499], *FACTS.azure)})
    (finding,) = findings(full, plan=plan)
    assert finding.severity is Severity.WARNING, "a quota may have been raised"
    assert "500 of 500 routes of rtb-1 are there, and the plan makes 1 more" in finding.detail
    assert findings(full, plan=Plan(())) == [], "what exists already needs no room"


def test_more_routes_than_a_transit_gateway_holds() -> None:
    of = limited("tgw-1", "100.64.0.0/10")
    plan = Plan((Change("aws_vpn.blackholes", "blackhole routes", Action.CREATE, "new"),))
    whole = replace(FACTS, routes={"tgw-rtb-1": TransitTable("tgw-rtb-1", GOOD)})
    assert findings(whole, of, plan) == []
    (finding,) = findings(replace(FACTS, routes={"tgw-rtb-1": TransitTable("tgw-rtb-1", GOOD, whole=False)}), of, plan)
    assert "tgw-rtb-1 has more than AWS lists at once" in finding.detail and "10000" in finding.detail


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (None, Outcome.SKIPPED),
        (replace(FACTS, gateway=None), Outcome.FAILED),
        (replace(FACTS, tables=None), Outcome.FAILED),
        (replace(FACTS, unread="refused"), Outcome.UNSEEN),
        (replace(FACTS, routes={}), Outcome.FAILED),
        (replace(FACTS, routes={"tgw-rtb-1": TransitTable("tgw-rtb-1", GOOD[:1])}), Outcome.FAILED),
        (replace(FACTS, routes={"tgw-rtb-1": TransitTable("tgw-rtb-1", GOOD[1:])}), Outcome.FAILED),
        (replace(FACTS, gateway=replace(GATEWAY, ecmp=False)), Outcome.WARNING),
        (FACTS, Outcome.PASSED),
    ],
)
def test_what_status_says_of_a_transit_gateway(facts: TransitFacts | None, outcome: Outcome) -> None:
    """Without a tunnel that is up nothing can have been learned from Azure."""
    assert pin(transit_check(facts, through(), learned=True)).outcome is outcome
    if facts is not None and facts.gateway is None:
        gone = pin(transit_check(facts, through("create-transit"), learned=True))
        assert (gone.detail, gone.fix) == ("it does not exist any more", "cloudlink up")
    pin(transit_check(facts, through(), learned=False))


@pytest.mark.parametrize("action", [Action.CREATE, Action.REPLACE, Action.DELETE, Action.UPDATE, Action.NO_OP])
def test_connections_that_move_to_another_table_are_told(action: Action) -> None:
    ours = tuple(replace(a, table="tgw-rtb-1") for a in FACTS.attachments)
    plan = Plan((Change(VPN_TABLE, "a", action),))
    found = [f for f in findings(replace(FACTS, attachments=ours), plan=plan) if "move to another" in f.summary]
    assert bool(found) is (action in (Action.CREATE, Action.REPLACE, Action.DELETE))
    assert not [f for f in findings(FACTS, plan=plan) if "move to another" in f.summary], "in no table yet"
