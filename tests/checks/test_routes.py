"""What Azure has learned, what AWS's tables say, and what lies between cluster and gateway."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from cloudlink.checks.report import Outcome
from cloudlink.checks.routes import learned_check, learned_networks, table_check, table_status, way_check
from cloudlink.clouds.aws.parse_routes import Table, TableRoute
from cloudlink.clouds.azure.parse_connection import connection
from cloudlink.clouds.azure.parse_gateway import learned_routes
from cloudlink.errors import Finding, Severity
from tests.support.links import make_link
from tests.support.pinned import pin

VNET = (IPv4Network("10.20.0.0/16"),)
VPC = (IPv4Network("10.10.0.0/16"), IPv4Network("10.11.0.0/16"))
OURS = frozenset({"vgw-1"})


def row(network: str, origin: str, peer: str, hop: str) -> dict[str, Any]:
    return {"network": network, "origin": origin, "sourcePeer": peer, "nextHop": hop}


@pytest.mark.parametrize(
    ("origin", "peer", "hop", "counts"),
    [
        ("EBgp", "ours", "ours", True),
        ("EBgp", "10.20.255.4", "ours", True),
        ("IBgp", "10.20.255.5", "ours", False),  # the other instance tells what it has: no path of this one
        ("IBgp", "ours", "ours", False),
        ("Network", "ours", "", False),
        ("EBgp", "169.254.99.1", "169.254.99.1", False),  # a tunnel of somebody else's
    ],
)
def test_only_what_a_tunnel_of_ours_taught_counts(origin: str, peer: str, hop: str, counts: bool) -> None:
    link = make_link()
    inside = str(link.tunnels[0].aws_inside)
    said = row("10.10.0.0/16", origin, peer.replace("ours", inside), hop.replace("ours", inside))
    assert learned_networks(link, learned_routes([said])) == (("10.10.0.0/16",) if counts else ())
    assert learned_networks(link, None) == ()


# --- Azure ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("learned", "advertised", "outcome", "words"),
    [
        (("10.10.0.0/16", "10.11.0.0/16"), VNET, Outcome.PASSED, "10.10.0.0/16, 10.11.0.0/16"),
        (("10.10.0.0/16",), VNET, Outcome.FAILED, "no route to 10.11.0.0/16"),
        (("10.10.0.0/16",), (IPv4Network("10.11.0.0/16"),), Outcome.FAILED, "10.11.0.0/16 is a range of the VNet"),
        (("10.10.0.0/16",), (IPv4Network("10.8.0.0/13"),), Outcome.FAILED, "or lies in one, so Azure drops it"),
        (("10.10.0.0/16",), (IPv4Network("10.11.4.0/24"),), Outcome.FAILED, "no route to 10.11.0.0/16"),
        (
            ("10.10.0.0/16", "10.11.0.0/16"),
            (IPv4Network("10.11.4.0/24"),),
            Outcome.FAILED,
            "10.11.4.0/24 of the VPC is a range of the VNet too, so packets to it stay in Azure",
        ),
    ],
)
def test_every_range_of_the_vpc_has_to_be_learned(
    learned: tuple[str, ...], advertised: tuple[IPv4Network, ...], outcome: Outcome, words: str
) -> None:
    said = pin(learned_check(True, learned, VPC, advertised))
    assert said.outcome is outcome
    assert words in said.detail


def test_without_a_gateway_no_route_of_azure_is_missed() -> None:
    assert pin(learned_check(False, (), VPC, VNET)).outcome is Outcome.SKIPPED


@pytest.mark.parametrize(("learned", "outcome"), [((), Outcome.FAILED), (tuple(map(str, VPC)), Outcome.WARNING)])
@pytest.mark.parametrize("kind", ["ingressNatRules", "egressNatRules"])
def test_nat_rules_on_a_connection_are_named(kind: str, learned: tuple[str, ...], outcome: Outcome) -> None:
    """Tunnels and sessions are up, and the addresses that names lead to are others on the other side."""
    raw = {"id": "/c/1", "name": "connection-1", "properties": {kind: [{"id": "/g/natRules/partner"}]}}
    said = pin(learned_check(True, learned, VPC, VNET, [connection(raw)]))
    assert said.outcome is outcome
    assert "NAT rules (partner) change addresses on connection-1" in said.detail
    assert "--ids /c/1 --set ingressNatRules=[]" in said.fix
    plain = connection({**raw, "properties": {}})
    assert pin(learned_check(True, tuple(map(str, VPC)), VPC, VNET, [plain])).outcome is Outcome.PASSED
    assert pin(way_check(None)).outcome is Outcome.SKIPPED


def test_an_obstacle_on_the_way_to_the_gateway_fails_with_its_hint() -> None:
    wall = Finding("azure", Severity.OBSTACLE, "x", "rt-aks keeps the routes out.", "az network route-table update")
    hint = Finding("azure", Severity.WARNING, "y", "The peering is not in sync.", "az network vnet peering sync")
    assert pin(way_check(())).outcome is Outcome.PASSED
    assert (pin(way_check((hint,))).outcome, pin(way_check((hint,))).fix) == (Outcome.WARNING, hint.hint)
    failed = pin(way_check((hint, wall)))
    assert (failed.outcome, failed.detail, failed.fix) == (Outcome.FAILED, wall.detail, wall.hint)


# --- AWS --------------------------------------------------------------------------------------------------


def table(*routes: TableRoute, propagates: tuple[str, ...] = ("vgw-1",)) -> Table:
    return Table(id="rtb-1", propagates=propagates, routes=routes, subnets=(), main=True)


def to(target: str, destination: str = "10.20.0.0/16", *, active: bool = True, propagated: bool = True) -> TableRoute:
    return TableRoute(IPv4Network(destination), target, active, propagated)


def outcome(found: Table) -> tuple[Outcome, str]:
    said = pin(table_check((table_status(found, OURS, VNET),), (found,), OURS, VNET, ()))
    return said.outcome, said.detail


def test_a_table_that_learns_the_vnet_passes() -> None:
    assert outcome(table(to("vgw-1"))) == (Outcome.PASSED, "rtb-1")


def test_only_a_gateway_of_the_link_counts() -> None:
    assert outcome(table(to("vgw-1"), propagates=("vgw-2",))) == (Outcome.FAILED, "route propagation is off on rtb-1")
    assert table_status(table(to("vgw-2")), OURS, VNET).missing == ("10.20.0.0/16",)


def test_static_routes_to_the_gateway_need_no_propagation() -> None:
    static = to("vgw-1", propagated=False)
    assert outcome(table(static, propagates=())) == (Outcome.PASSED, "rtb-1")
    partly = table(to("vgw-1", "10.20.0.0/17", propagated=False), propagates=())
    assert outcome(partly) == (Outcome.FAILED, "route propagation is off on rtb-1")


def test_a_route_that_is_no_longer_active_is_missing() -> None:
    status = table_status(table(to("vgw-1", active=False)), OURS, VNET)
    assert (status.routes, status.missing) == ((), ("10.20.0.0/16",))


def test_a_static_route_is_there_but_not_propagated() -> None:
    status = table_status(table(to("vgw-1", propagated=False), propagates=()), OURS, VNET)
    assert (status.propagating, status.routes, status.missing, status.static) == (False, (), (), ("10.20.0.0/16",))
    assert status.well


def test_a_table_with_something_missing_or_left_from_propagation_is_not_well() -> None:
    assert not table_status(table(propagates=()), OURS, VNET).well
    assert not table_status(table(to("vgw-1"), propagates=()), OURS, VNET).well
    assert table_status(table(to("vgw-1")), OURS, VNET).well


@pytest.mark.parametrize(("target", "shown"), [("nat-1", "nat-1"), ("", "nowhere")])
def test_a_narrower_route_elsewhere_takes_the_answers(target: str, shown: str) -> None:
    said, words = outcome(table(to("vgw-1"), to(target, "10.20.4.0/24")))
    assert said is Outcome.FAILED
    assert f"rtb-1 sends 10.20.4.0/24 to {shown}" in words


def test_a_static_route_to_elsewhere_of_the_same_range_wins() -> None:
    """The table shows the static one alone: waiting for the learned one, as status advised, was in vain."""
    said, words = outcome(table(to("tgw-9", propagated=False)))
    assert said is Outcome.FAILED
    assert "rtb-1 sends 10.20.0.0/16 to tgw-9: answers to Azure do not come back that way" in words


def test_what_is_not_known_is_skipped() -> None:
    assert pin(table_check((), (), OURS, VNET, ())).outcome is Outcome.SKIPPED
    found = table(to("vgw-1"))
    assert pin(table_check((table_status(found, OURS, ()),), (found,), OURS, (), ())).outcome is Outcome.SKIPPED


def test_a_table_that_leads_to_a_transit_gateway_is_not_blamed_for_taking_no_routes_from_it() -> None:
    """A transit gateway propagates nothing into a VPC's tables: neither ``status --all`` nor the report shows a fault there."""
    status = table_status(table(to("tgw-1", propagated=False), propagates=()), frozenset({"tgw-1"}), VNET)
    assert (status.propagating, status.routes, status.missing) == (None, ("10.20.0.0/16",), ())
