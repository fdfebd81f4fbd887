"""What a teardown reads, keeps, and says where CoreDNS cannot be asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloudlink import removal
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
from cloudlink.errors import ConflictError, CredentialsError, UnreachableError

from .test_topology_order import EXAMPLE, FORWARD, topology

LINK = parse(EXAMPLE, "config.toml")


def seen(owned: Ownership, spec: Any = "x") -> Observed[Any, Any]:
    return Observed("id", Phase.READY, spec, None, owned, "az tag update")


def test_clusters_and_load_balancers_are_not_asked() -> None:
    nodes = {n.address: n for n in removal.nodes(topology(), leave_coredns=False)}
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
    nodes = {n.address: n for n in removal.nodes(topology(text), leave_coredns=False)}
    assert type(nodes["resolver.zone"]).__name__ == "AdoptedZone"


def test_without_coredns_the_cluster_is_not_asked_at_all() -> None:
    assert FORWARD not in {n.address for n in removal.nodes(topology(), leave_coredns=True)}


@pytest.mark.parametrize(
    ("lost", "stays"),
    [
        ("azure_vpn.local_gateway[2]", {"azure_vpn.local_gateway[2]"}),
        (
            "azure_vpn.connection[0]",
            {"connection[0]", "local_gateway[0]", "gateway", "gateway_subnet", "public_ip[0]", "public_ip[1]"},
        ),
    ],
)
def test_what_a_kept_object_is_built_on_stays_as_well(lost: str, stays: set[str]) -> None:
    made = topology()
    resources = [n for n in made.nodes() if isinstance(n, Resource)]
    changes = tuple(
        Change(n.address, n.title, Action.NO_OP if n.address == lost else Action.DELETE, id=n.address)
        for n in resources
    )
    left = removal.foreign({lost: seen(Ownership.ADOPTED, None), "azure_vpn.gateway_subnet": seen(Ownership.ADOPTED)})
    assert [item.address for item in left] == [lost], "a subnet that was there before is another matter"
    plan = removal.without_foundations(Plan(changes), Graph(made.nodes()), left)
    named = {a if a.startswith("azure_vpn.") else f"azure_vpn.{a}" for a in stays}
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
