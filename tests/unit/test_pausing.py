"""What a pause takes away, in which order, and what it leaves."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from cloudlink import pausing
from cloudlink.checks import pauses
from cloudlink.checks.report import Advice, Check, Drift, Health, Outcome, StatusReport
from cloudlink.config import parse
from cloudlink.core.graph import Graph
from cloudlink.core.plan import Action, Adopted, Change, Plan
from cloudlink.core.planner import Snapshot
from cloudlink.core.resource import Lookup, Observed, Outputs, Ownership, Phase, Resource
from cloudlink.core.schedule import End, Schedule, Task
from cloudlink.errors import CloudError, UnreachableError
from cloudlink.steps.dns_forward.pauses import Pause
from cloudlink.steps.paused import taken

from .test_topology_order import EXAMPLE, FORWARD, topology

LINK = parse(EXAMPLE, "config.toml")
PAUSE = Pause(1_800_000_000.0, "servfail", {"subnet-a": IPv4Address("10.10.1.4"), "subnet-b": IPv4Address("10.10.2.4")})
OWN = [n.address for n in topology().nodes() if isinstance(n, Resource)]
SHALLOW = {
    *(f"aws_vpn.connection[{i}]" for i in range(2)),
    *(f"azure_vpn.connection[{i}]" for i in range(4)),
    "resolver.endpoint",
}


def removal(*, gone: tuple[str, ...] = (), kept: tuple[str, ...] = ()) -> Plan:
    changes = [
        Change(a, a, Action.NO_OP if a in (*gone, *kept) else Action.DELETE, "cloudlink made it", id=f"id of {a}")
        for a in OWN
    ]
    return Plan(tuple(changes), kept=tuple(Adopted(a, a, "theirs") for a in kept))


def forward(action: Action) -> Plan:
    return Plan((Change(FORWARD, "CoreDNS", action, "not as configured: options", drift=True),))


def acting(plan: Plan) -> dict[str, Action]:
    return {c.address: c.action for c in plan.writes}


@pytest.mark.parametrize("deep", [False, True])
def test_what_costs_by_the_hour_goes_and_nothing_else(deep: bool) -> None:
    plan = pausing.plan(removal(), forward(Action.UPDATE), deep=deep)
    gone = SHALLOW | ({"azure_vpn.gateway"} if deep else set())
    assert acting(plan) == {**dict.fromkeys(gone, Action.DELETE), FORWARD: Action.UPDATE}
    assert plan.isolated and not any(c.drift for c in plan.changes)


def test_what_cloudlink_did_not_make_stays_and_the_plan_says_so() -> None:
    plan = pausing.plan(removal(kept=("resolver.endpoint", "aws_vpn.gateway")), forward(Action.UPDATE), deep=True)
    assert "resolver.endpoint" not in acting(plan)
    assert {k.address: k.why for k in plan.kept} == dict.fromkeys(
        ("resolver.endpoint", "aws_vpn.gateway"), "cloudlink did not make it, and its price stays as well"
    )


def test_where_nothing_is_there_no_key_is_written() -> None:
    assert acting(pausing.plan(removal(gone=tuple(OWN)), forward(Action.CREATE), deep=True)) == {}
    # but a key that was deleted by hand is, where there is a link to pause
    assert acting(pausing.plan(removal(), forward(Action.CREATE), deep=False))[FORWARD] is Action.CREATE


def test_neither_cluster_nor_load_balancer_is_asked_but_for_coredns() -> None:
    nodes = {n.address: n for n in pausing.nodes(topology(), PAUSE)}
    Graph(nodes.values())
    for node in nodes.values():
        assert not isinstance(node, Lookup) or isinstance(node, pausing.Unread)
    wanted: Any = nodes[FORWARD]
    assert wanted.spec(Outputs()).upstreams == () and wanted.pause is PAUSE


def test_a_resumed_endpoint_asks_for_its_former_addresses_unless_told_otherwise() -> None:
    made = topology()
    fresh: Any = next(n for n in pausing.with_new_addresses(made) if n.address == "resolver.endpoint")
    assert [n for n in made.nodes() if n is not made.resolver.endpoint] == [
        n for n in pausing.with_new_addresses(made) if n is not fresh and n.address != "resolver.endpoint"
    ]
    assert fresh.former() == {}


def test_coredns_lets_go_before_anything_goes_and_where_it_does_not_nothing_goes() -> None:
    run = Schedule(Graph(topology().nodes()), pausing.plan(removal(), forward(Action.UPDATE), deep=True), Snapshot())
    first = Task("apply", FORWARD)
    assert run.ready() == [first]
    run.start(first)
    assert run.ready() == []
    run.end(End(first, error=CloudError("CoreDNS does not start")))
    assert run.ready() == []
    assert {address for address, _ in run.left_over(stopping=False)} == SHALLOW | {"azure_vpn.gateway"}


# --- prices ---------------------------------------------------------------------------------------------------------


def found(*gone: str, adopted: tuple[str, ...] = ()) -> dict[str, Observed[Any, Any] | None]:
    def seen(address: str) -> Observed[Any, Any] | None:
        owned = Ownership.ADOPTED if address in adopted else Ownership.OWNED
        return None if address in gone else Observed("id", Phase.READY, "x", None, owned)

    return {a: seen(a) for a in OWN}


def test_the_price_is_the_same_before_and_while_it_is_paused() -> None:
    before = pauses.saving(LINK, OWN, found(), PAUSE, deep=False, hours=10, days=5)
    during = pauses.saving(LINK, OWN, found(*SHALLOW), PAUSE, deep=False, hours=10, days=5)
    assert before == during and before.whole is not None and before.paused is not None
    assert before.saved == pytest.approx((before.whole - before.paused) * (1 - 50 / 168))
    always = replace(before, hours=24, days=7)
    assert always.saved == pytest.approx(0)


# --- status ---------------------------------------------------------------------------------------------------------

SEEN = StatusReport(
    "demo",
    Health.DOWN,
    "No tunnel is up.",
    (),
    checks=(
        Check("tunnels", "Four tunnels are up", Outcome.FAILED, "0 of 4", "cloudlink up"),
        Check("records", "Every configured name has a record", Outcome.FAILED, "no record for app", "cloudlink up"),
    ),
    drift=(Drift("resolver.endpoint", "endpoint", "not there"), Drift("resolver.records", "records", "by hand")),
    advice=Advice("everything", command="cloudlink up"),
)


def test_status_tells_a_pause_from_an_outage() -> None:
    said, half_done = pauses.status(SEEN, PAUSE, OWN, found(*SHALLOW), LINK, pauses.LastRun("cloudlink pause"))
    assert not half_done
    assert (said.health, said.since, said.next) == (Health.PAUSED, PAUSE.since, ("cloudlink resume",))
    assert [c.outcome for c in said.checks] == [Outcome.SKIPPED, Outcome.FAILED]
    assert [d.address for d in said.drift] == ["resolver.records"]
    assert said.advice.command == "cloudlink resume" and "7 objects" in said.advice.effect


def test_status_tells_a_pause_that_was_interrupted() -> None:
    """The way on is that of the command that was at work; the other way is named."""
    last = pauses.LastRun("cloudlink pause")
    said, half_done = pauses.status(SEEN, PAUSE, OWN, found("resolver.endpoint"), LINK, last)
    assert half_done and said.health is Health.PAUSED and "has not ended" in said.verdict
    assert "cloudlink pause was interrupted: 6 of the 7 objects" in said.advice.cause
    assert (said.advice.command, said.next) == ("cloudlink pause", ("cloudlink pause",))
    assert said.advice.effect == "removes 6 objects; cloudlink resume brings the link back instead"
    said, _ = pauses.status(SEEN, PAUSE, OWN, found("resolver.endpoint"), LINK, pauses.LastRun("cloudlink resume"))
    assert said.advice.cause.startswith("cloudlink resume was interrupted")
    assert said.advice.command == "cloudlink resume" and "cloudlink pause removes" in said.advice.effect


def test_a_deep_pause_that_has_not_removed_the_gateway_has_not_ended() -> None:
    for deep, command in ((True, "cloudlink pause --deep"), (False, "cloudlink resume")):
        last = pauses.LastRun("cloudlink pause", deep)
        said, half_done = pauses.status(SEEN, PAUSE, OWN, found(*SHALLOW), LINK, last)
        assert (half_done, said.advice.command) == (deep, command)


def test_through_a_transit_gateway_the_vpcs_attachment_goes_where_nobody_else_needs_it() -> None:
    """It is billed as the connections are; beside a virtual private gateway an attachment costs nothing, and stays."""
    of_transit = ["aws_vpn.attachment", "aws_vpn.static_routes", "aws_vpn.connection[0]", "aws_vpn.vpn_table"]
    assert set(taken(of_transit, deep=False, attachment=True)) == set(of_transit[:3])
    assert taken(of_transit, deep=False) == ("aws_vpn.connection[0]",)
    assert "aws_vpn.attachment" not in taken(OWN, deep=True, attachment=True)


@pytest.mark.parametrize(
    ("owned", "others", "goes"),
    [
        (Ownership.OWNED, (), True),
        (Ownership.ADOPTED, (), False),
        (Ownership.OWNED, ("172.28.0.0/16 in rtb-1",), False),
        (None, (), True),
    ],
)
def test_whose_attachment_goes(owned: Ownership | None, others: tuple[str, ...], goes: bool) -> None:
    seen = Observed("tgw-attach-1", Phase.READY, None, None, owned, "available") if owned is not None else None
    assert pauses.attachment_goes({"aws_vpn.attachment": seen}, others) is goes
    removed = Change("aws_vpn.attachment", "attachment", Action.DELETE, "cloudlink made it", id="tgw-attach-1")
    made = pausing.plan(Plan((removed,)), forward(Action.UPDATE), deep=False, attachment=goes, others=others)
    assert any("172.28.0.0/16 in rtb-1" in k.why for k in made.kept) is bool(others)


def test_a_stopped_cluster_is_named_with_the_command_that_starts_it() -> None:
    error = UnreachableError("The cluster does not answer", "Closed.", "See that kubectl reaches it.", resource=FORWARD)
    told = pausing.cluster_not_asked(error, LINK, "Stopped")
    assert "is stopped. Nothing was changed" in told.detail and "Closed" not in told.detail
    assert told.hint.startswith("az aks start --name") and f"--subscription {LINK.azure.subscription}" in told.hint
    away = pausing.cluster_not_asked(error, LINK, "Running")
    assert "Closed" in away.detail and "az aks start" not in away.hint and "kubectl" in away.hint


def test_a_cluster_that_is_gone_is_named_with_both_ways_on() -> None:
    told = pausing.cluster_gone(LINK, FORWARD)
    assert "Nothing was changed" in told.detail and "az aks list" in told.hint and "cloudlink teardown" in told.hint
