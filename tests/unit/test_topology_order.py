"""Order in the whole link: CoreDNS gets the zone last of all, and lets go of it before anything else is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cloudlink.clouds.aws.parse_balancers import LoadBalancer
from cloudlink.config import parse
from cloudlink.core.graph import Graph
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.core.planner import Snapshot
from cloudlink.core.resource import Resource
from cloudlink.core.schedule import End, Schedule, Task
from cloudlink.errors import CloudError
from cloudlink.topology import Topology, build

EXAMPLE = (Path(__file__).parents[2] / "config.example.toml").read_text()
FORWARD = "dns_forward.forward"
CLIENTS: Any = None  # nothing here asks a cloud


def topology(text: str = EXAMPLE) -> Topology:
    return build(parse(text, "config.toml"), CLIENTS, CLIENTS, CLIENTS, CLIENTS)


def everything(action: Action, made: Topology, leave_out: frozenset[str] = frozenset()) -> Schedule:
    changes = tuple(
        Change(node.address, node.title, Action.NO_OP if node.address in leave_out else action)
        for node in made.nodes()
        if isinstance(node, Resource)
    )
    return Schedule(Graph(made.nodes()), Plan(changes), Snapshot())


def test_coredns_gets_the_zone_after_everything_else() -> None:
    made = topology()
    needs = {node.address for node in made.dns_forward.forward.needs()}
    assert needs == {n.address for n in made.nodes() if isinstance(n, Resource)} - {FORWARD}
    assert {"resolver.records", "resolver.zone", "resolver.ingress", "resolver.endpoint"} < needs
    assert {"aws_vpn.attachment", "aws_vpn.route_propagation", "azure_vpn.connection[3]"} < needs


def test_it_takes_no_longer_than_the_chain_to_the_last_connection() -> None:
    made = topology()
    run = everything(Action.CREATE, made)
    forward, last = Task("apply", FORWARD), Task("apply", "azure_vpn.connection[0]")
    assert run.slack(forward) == 0
    assert run.slack(last) == 0, "nothing that CoreDNS waits for ends later than the connections"


@pytest.mark.parametrize(
    "gone", [frozenset[str](), frozenset({"resolver.records", "aws_vpn.connection[0]", "aws_vpn.connection[1]"})]
)
def test_a_teardown_begins_with_coredns_and_with_nothing_else(gone: frozenset[str]) -> None:
    """gone: removed by hand, so that what they hung on has nobody between it and CoreDNS."""
    run = everything(Action.DELETE, topology(), gone)
    assert run.ready() == [Task("delete", FORWARD)]
    run.start(Task("delete", FORWARD))
    assert run.ready() == []
    run.end(End(Task("delete", FORWARD), error=CloudError("A permission is missing")))
    assert run.ready() == [], "what answers pods stays while CoreDNS sends them there"
    assert all(because == f"{FORWARD} did not succeed" for _, because in run.left_over(stopping=False))


def test_once_coredns_has_let_go_the_rest_goes_as_before() -> None:
    run = everything(Action.DELETE, topology())
    run.start(Task("delete", FORWARD))
    run.end(End(Task("delete", FORWARD), changed=True))
    ready = {task.address for task in run.ready()}
    assert {"resolver.records", "aws_vpn.route_propagation"} <= ready
    assert "aws_vpn.attachment" not in ready


@pytest.mark.parametrize(
    ("gateway", "why"), [("create", "a virtual private gateway does not pass"), ("create-transit", "that VPC alone")]
)
def test_why_a_load_balancer_of_another_vpc_is_refused_names_the_gateway_that_there_is(gateway: str, why: str) -> None:
    targets = topology(EXAMPLE.replace("[aws]\n", f'[aws]\ngateway = "{gateway}"\n')).resolver.targets
    with pytest.raises(CloudError, match=why):
        targets._refuse_elsewhere("app.corp.example", LoadBalancer("app", "arn", "vpc-0b", ()))
