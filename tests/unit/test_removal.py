"""What a teardown reads, keeps, and says where CoreDNS cannot be asked."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any

import pytest

from cloudlink import removal
from cloudlink.checks.preflight.azure_gateway import GatewayFacts
from cloudlink.clouds.aws.tags import ADDED_TAG, addresses_in
from cloudlink.clouds.azure import parse_gateway
from cloudlink.config import parse
from cloudlink.core.graph import Graph
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.core.resource import (
    Lookup,
    Observed,
    Outputs,
    Ownership,
    Phase,
    Receipt,
    Receipts,
    Resource,
    UnknownOutput,
)
from cloudlink.errors import CloudError, ConflictError, CredentialsError, UnreachableError
from cloudlink.steps.azure_vpn.adopted import InsideAddress, InsideSpec
from cloudlink.steps.outputs import CustomerGateway

from .test_topology_order import EXAMPLE, FORWARD, topology

LINK = parse(EXAMPLE, "config.toml")


def seen(owned: Ownership, spec: Any = "x") -> Observed[Any, Any]:
    return Observed("id", Phase.READY, spec, None, owned, "az tag update")


def test_clusters_and_load_balancers_are_not_asked() -> None:
    nodes = {n.address: n for n in removal.nodes(topology())}
    for address in (
        "aws_vpn.cluster",
        "aws_vpn.route_tables",
        "resolver.targets",
        "resolver.subnets",
        "azure_vpn.cluster",
    ):
        node = nodes[address]
        assert isinstance(node, Lookup)
        with pytest.raises(UnknownOutput):
            node.read(Outputs())
    assert FORWARD in nodes
    Graph(nodes.values())


def test_what_is_kept_is_still_looked_up_so_that_it_can_be_named() -> None:
    text = EXAMPLE.replace("[dns]\n", '[dns]\nhosted_zone = "Z0123456789ABC"\n')
    nodes = {n.address: n for n in removal.nodes(topology(text))}
    assert type(nodes["resolver.zone"]).__name__ == "AdoptedZone"


def test_records_leave_an_adopted_zone_that_no_longer_serves_the_vpc() -> None:
    class Route53:
        def zone(self, number: str) -> Any:
            name = {"Id": f"/hostedzone/{number}", "Name": "aws.corp.example.", "CallerReference": "x"}
            return {"HostedZone": {**name, "Config": {"PrivateZone": True}}, "VPCs": []}

    text = EXAMPLE.replace("[dns]\n", '[dns]\nhosted_zone = "Z0123456789ABC"\n')
    nodes = {n.address: n for n in removal.nodes(topology(text))}
    zone: Any = nodes["resolver.zone"]
    configured = replace(zone.configured, name="aws.corp.example")
    assert replace(zone, aws=Route53(), configured=configured).read(Outputs()).id == "Z0123456789ABC"
    with pytest.raises(CloudError, match="does not serve the VPC"):
        replace(zone, aws=Route53(), configured=configured, serves=True).read(Outputs())


def test_without_coredns_the_cluster_is_not_asked_at_all() -> None:
    assert FORWARD not in {
        n.address for n in removal.nodes(topology(), leave=removal.keys_to_leave(topology(), lambda _: None))
    }


@pytest.mark.parametrize(
    ("lost", "stays"),
    [
        ("azure_vpn.local_gateway[2]", {"azure_vpn.local_gateway[2]"}),
        (
            "azure_vpn.connection[0]",
            {"connection[0]", "local_gateway[0]", "gateway", "gateway_subnet", "public_ip[0]", "public_ip[1]"},
        ),
        ("aws_vpn.connection[0]", {"aws_vpn.connection[0]", "aws_vpn.customer_gateway[0]", "aws_vpn.gateway"}),
        ("resolver.security_group", {"resolver.security_group"}),
    ],
)
def test_what_a_kept_object_is_built_on_stays_as_well(lost: str, stays: set[str]) -> None:
    made = topology()
    resources = [n for n in made.nodes() if isinstance(n, Resource)]
    changes = tuple(
        Change(n.address, n.title, Action.NO_OP if n.address == lost else Action.DELETE, id=n.address)
        for n in resources
    )
    graph = Graph(made.nodes())
    kept = {lost: seen(Ownership.ADOPTED, None), "azure_vpn.gateway_subnet": seen(Ownership.ADOPTED)}
    left = removal.foreign(kept, graph)
    assert [item.address for item in left] == [lost], "a subnet that was there before is another matter"
    assert "tags" in left[0].why
    plan = removal.without_foundations(Plan(changes), graph, left)
    named = {a if "." in a else f"azure_vpn.{a}" for a in stays}
    assert {c.address for c in plan.changes if c.action is Action.NO_OP} == named
    assert {k.address for k in plan.kept} == named - {lost}


GATEWAY, SUBNET = "azure_vpn.gateway", "azure_vpn.gateway_subnet"


def test_before_something_is_deleted_all_that_is_ours_is_written_down() -> None:
    found = {
        GATEWAY: seen(Ownership.OWNED),
        SUBNET: seen(Ownership.OWNED),
        "resolver.vpc_dns": seen(Ownership.SHARED),
        "aws_vpn.attachment": seen(Ownership.ADOPTED),
        "resolver.zone": None,
    }
    known = Receipt(GATEWAY, "id", "ready", "hash", Ownership.OWNED, 1.0)
    for action in (Action.DELETE, Action.REPLACE):
        plan = Plan((Change(GATEWAY, "", action),))
        (made,) = removal.learned(plan, found, Receipts({GATEWAY: known}), 7.0)
        assert made == Receipt(SUBNET, "id", "ready", "", Ownership.OWNED, 7.0)
        begun = replace(known, address=SUBNET, id="", intent="create")
        (made,) = removal.learned(plan, found, Receipts({GATEWAY: known, SUBNET: begun}), 7.0)
        assert (made.address, made.id, made.intent, made.owned) == (SUBNET, "id", "", Ownership.OWNED)
    assert not list(removal.learned(Plan((Change(GATEWAY, "", Action.UPDATE),)), found, Receipts(), 7.0))


def test_a_stopped_cluster_is_told_with_both_ways_on() -> None:
    error = UnreachableError("The cluster does not answer", "Name does not resolve.", "Check.", resource=FORWARD)
    assert removal.held_up_by_coredns(error)
    told = removal.cluster_not_asked(error, LINK, "Stopped")
    assert isinstance(told, UnreachableError)
    assert "is stopped" in told.detail
    assert "az aks start --name test --resource-group" in told.hint
    assert removal.LEAVE_COREDNS in told.hint
    refused = CredentialsError("A permission is missing", "no", "Ask.", resource=FORWARD, code="Forbidden")
    told = removal.cluster_not_asked(refused, LINK, "Running")
    assert (told.exit_code, told.code) == (4, "Forbidden")
    assert "A permission is missing: no." in told.detail
    assert not removal.held_up_by_coredns(ConflictError("Somebody else's", resource=FORWARD))
    assert not removal.held_up_by_coredns(UnreachableError("AWS", resource="resolver.zone"))


@pytest.mark.parametrize(
    ("receipt", "action", "told"),
    [
        (None, Action.DELETE, True),  # the state file was lost
        (Receipt("x", "id", "ready", "", Ownership.SHARED, 0.0), Action.DELETE, True),  # lost, and then there was an up
        (
            Receipt("x", "id", "ready", "", Ownership.SHARED, 0.0, "", {"ours": [], "there": []}),
            Action.DELETE,
            False,
        ),  # it takes away what it added
        (
            Receipt("x", "id", "ready", "", Ownership.SHARED, 0.0, "", {"ours": [], "there": ["169.254.21.2"]}),
            Action.DELETE,
            True,
        ),  # it was there when the note was written, and nobody knows whose it was
        (None, Action.NO_OP, False),  # there is no link: they are not this run's business
    ],
)
def test_addresses_without_a_note_stay_on_an_adopted_gateway_and_are_named(
    receipt: Receipt | None, action: Action, told: bool
) -> None:
    address = IPv4Address("169.254.21.2")
    spec = InsideSpec(frozenset({InsideAddress(0, address)}), frozenset({address}))
    found = {removal.INSIDE_ADDRESSES: replace(seen(Ownership.SHARED, spec), id="/gateways/hub/bgpSettings")}
    receipts = Receipts({removal.INSIDE_ADDRESSES: receipt} if receipt else {})
    plan = Plan((Change("aws_vpn.gateway", "gateway", action),))
    after, left = removal.leaving_unknown_addresses(plan, LINK, found, receipts)
    assert [k.id for k in after.kept] == (["/gateways/hub"] if told else [])
    assert [item.why.partition(" ")[0] for item in left] == (["169.254.21.2"] if told else [])


def found_with(owned: Ownership) -> dict[str, Observed[Any, Any] | None]:
    """The first tunnel's address on the gateway, and the VPN connection that has its range."""
    first = LINK.tunnels[0]
    spec = InsideSpec(
        frozenset({InsideAddress(0, first.azure_inside)}), frozenset(t.azure_inside for t in LINK.tunnels)
    )
    vpn = SimpleNamespace(insides=(first.inside,))
    return {
        removal.INSIDE_ADDRESSES: replace(seen(Ownership.SHARED, spec), id="/gateways/hub/bgpSettings"),
        "aws_vpn.connection[0]": seen(owned, vpn),
    }


@pytest.mark.parametrize(
    "why", ["another's VPN connection", "others use it", "RADIUS", "a note is there", "no gateway"]
)
def test_an_address_is_ours_only_where_that_is_certain(why: str) -> None:
    first = LINK.tunnels[0].azure_inside
    gateway = parse_gateway.gateway({"id": "/gateways/hub", "properties": {}})
    good = GatewayFacts(gateway)
    note = removal.note_of_addresses(LINK, found_with(Ownership.OWNED), Receipts(), good, 7.0)
    assert note is not None and note.prior_state["there"] == [] and str(first) in note.prior_state["ours"]
    assert len(note.prior_state["ours"]) == len(LINK.tunnels)
    owned, facts, receipts = Ownership.OWNED, good, Receipts()
    match why:
        case "another's VPN connection":
            owned = Ownership.ADOPTED
        case "others use it":
            facts = replace(good, others=(parse_gateway.GatewayConnection("/x", "x", (first,)),))
        case "RADIUS":
            facts = replace(good, gateway=replace(gateway, has_radius=True))
        case "a note is there":
            receipts = Receipts({removal.INSIDE_ADDRESSES: Receipt("x", "id", "ready", "", Ownership.SHARED, 0.0)})
        case _:
            facts = GatewayFacts()
    assert removal.note_of_addresses(LINK, found_with(owned), receipts, facts, 7.0) is None


@pytest.mark.parametrize("said", ["", "169.254.21.2 169.254.21.6", "not addresses", "10.99.0.1"])
def test_a_customer_gateway_says_which_addresses_are_added(said: str) -> None:
    """Without a VPN connection. What is not in its tag, or not in the configuration, is not ours by it."""
    first = LINK.tunnels[0].azure_inside
    found = found_with(Ownership.ADOPTED)
    gateway = CustomerGateway("cgw-1", addresses_in({ADDED_TAG: said}))
    found["aws_vpn.customer_gateway[0]"] = replace(seen(Ownership.OWNED, "spec"), outputs=gateway)
    facts = GatewayFacts(parse_gateway.gateway({"id": "/gateways/hub", "properties": {}}))
    note = removal.note_of_addresses(LINK, found, Receipts(), facts, 7.0)
    assert (note is not None) is (str(first) in said)
    found["aws_vpn.customer_gateway[0]"] = replace(seen(Ownership.ADOPTED, "spec"), outputs=gateway)
    assert removal.note_of_addresses(LINK, found, Receipts(), facts, 7.0) is None
