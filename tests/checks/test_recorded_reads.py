"""Facts that the checks read from both clouds, over recorded links: which call each comes from, word for word.

``golden/test_recorded_reads.txt`` has them. A link after its run has the answers from before as well, as a plan of an account where it
stands would get them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloudlink.checks import also_learned_reads, path_reads
from cloudlink.checks.preflight import aws as aws_topic
from cloudlink.checks.preflight import (
    azure,
    azure_facts,
    azure_gateway,
    filters,
    names,
    quotas,
    ranges,
    targets,
    transit,
)
from cloudlink.checks.preflight import back as back_topic
from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.errors import error_policy
from cloudlink.config import parse
from cloudlink.connect import _over_what_exists
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.link import Link
from cloudlink.steps.permissions import by_address
from tests.support.pinned import pin, pinned
from tests.support.recorded_clients import Replayed
from tests.support.recorded_links import LINKS, nodes_of

SOURCES = {
    "example-before": ("example-before",),
    "example": ("example-before", "example"),
    "transit-before": ("transit-before",),
    "transit": ("transit-before", "transit"),
    "adopted": ("example-before", "adopted"),
    "creates-half": ("creates-half",),
    "back-before": ("back-before",),
    "vnet-before": ("vnet-before",),
}
GATEWAY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network"


def answers(name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in SOURCES[name]:
        found |= json.loads((LINKS / f"{each}.json").read_text(encoding="utf-8"))
    if name == "adopted":
        asked = json.dumps([[of(found, "Azure: gateway ")["id"]], {}])
        found[f"Azure: learned_routes_of {asked}"] = of(found, "Azure: learned_routes ")
    return found


def clients(name: str, calls: dict[str, Any] | None = None) -> tuple[Link, Replayed]:
    text = (LINKS / f"{name.partition('-')[0]}.toml").read_text(encoding="utf-8")
    link = parse(text, "config.toml", sandbox=True)
    found = Replayed(link, calls or answers(name))
    return _over_what_exists(link, found.azure), found


def of(calls: dict[str, Any], start: str) -> Any:
    """The answer to the first call that begins so."""
    return calls[next(key for key in calls if key.startswith(start))]


def a_plan(link: Link, known: Replayed, action: Action) -> Plan:
    return Plan(tuple(Change(n.address, n.address, action, id=f"id of {n.address}") for n in nodes_of(link, known)))


def context(name: str, action: Action = Action.CREATE, calls: dict[str, Any] | None = None) -> Context:
    link, known = clients(name, calls)
    nodes = by_address(nodes_of(link, known))
    return Context(link, a_plan(link, known, action), known.aws, known.azure, known.aks, known.eks, nodes)


@pytest.mark.parametrize("name", SOURCES)
def test_what_each_side_will_learn_besides(name: str) -> None:
    link, known = clients(name)
    pin(also_learned_reads.plan(link, known.aws, known.azure, error_policy(link).translate))


@pytest.mark.parametrize("name", SOURCES)
def test_the_same_with_a_second_range_on_both_sides_and_a_peered_vnet(name: str) -> None:
    calls = answers(name)
    vpc, vnet = of(calls, "Aws: vpc "), of(calls, "Azure: vnet ")
    second = {"AssociationId": "a-2", "CidrBlock": "100.64.0.0/16", "CidrBlockState": {"State": "associated"}}
    vpc["CidrBlockAssociationSet"].append(second)
    if vnet is not None:
        peering = {
            "id": f"{vnet['id']}/virtualNetworkPeerings/to-spoke",
            "name": "to-spoke",
            "properties": {
                "remoteVirtualNetwork": {"id": f"{vnet['id']}-spoke"},
                "peeringState": "Connected",
                "allowGatewayTransit": True,
                "remoteAddressSpace": {"addressPrefixes": ["10.40.0.0/16"]},
            },
        }
        vnet["properties"]["addressSpace"]["addressPrefixes"].append("10.30.0.0/16")
        vnet["properties"].setdefault("virtualNetworkPeerings", []).append(peering)
    link, known = clients(name, calls)
    pin(also_learned_reads.plan(link, known.aws, known.azure, error_policy(link).translate))


def others_connection(calls: dict[str, Any]) -> None:
    """Of somebody else, on the gateway that is adopted, without BGP."""
    there = of(calls, "Azure: connections_of")
    theirs = json.loads(json.dumps(there[0]))
    site = f"{GATEWAY}/localNetworkGateways/site"
    theirs |= {"id": f"{GATEWAY}/connections/theirs", "name": "theirs"}
    theirs["properties"]["localNetworkGateway2"] = {"id": site}
    there.append(theirs)
    spaces = {"addressPrefixes": ["172.20.0.0/16", "10.10.32.0/20"]}
    said = {
        "id": site,
        "name": "site",
        "properties": {"localNetworkAddressSpace": spaces, "gatewayIpAddress": "203.0.113.9"},
    }
    calls[f'Azure: thing [["{site}"], {{}}]'] = said


def test_an_adopted_gateway_with_a_connection_of_others() -> None:
    calls = answers("adopted")
    others_connection(calls)
    link, known = clients("adopted", calls)
    facts = pin(azure_gateway.read(known.azure))
    assert [c.id.rpartition("/")[2] for c in facts.others] == ["theirs"]
    assert len(facts.own) == 4
    (far,) = azure_gateway.read_far(link, known.azure)
    assert [str(p) for p in far.prefixes] == ["172.20.0.0/16", "10.10.32.0/20"]
    found = pinned(azure_gateway.find(context("adopted", calls=calls)))
    assert "The VPN gateway sends ranges of the VPC elsewhere" in [f.summary for f in found]
    idle = pinned(azure_gateway.find(context("adopted", Action.NO_OP, calls)))
    assert "The VPN gateway sends ranges of the VPC elsewhere" not in [f.summary for f in idle]
    pin(also_learned_reads.plan(link, known.aws, known.azure, error_policy(link).translate))


def test_a_gateway_of_the_links_own_is_not_judged_as_an_adopted_one() -> None:
    assert list(azure_gateway.find(context("example"))) == []


@pytest.mark.parametrize("name", ["back-before", "vnet-before", "transit-before"])
def test_the_path_of_what_exists(name: str) -> None:
    link, known = clients(name)
    pin(path_reads.read(link, known.aws, known.azure, error_policy(link).translate))


@pytest.mark.parametrize("name", ["example-before", "transit-before", "creates-half", "back-before"])
def test_facts_of_aws_and_of_the_names(name: str) -> None:
    link, known = clients(name)
    pin(aws_topic.read(link, known.aws, known.azure))
    here = a_plan(link, known, Action.CREATE)
    for place in names.places(link):
        pin(names.read(link, known.aws, here, place))


def test_facts_of_a_transit_gateway() -> None:
    link, known = clients("transit")
    pin(transit.standing(link, known.aws, lambda: (), ()))
    pin(transit.read(link, known.aws, aws_topic.read(link, known.aws, known.azure)))


@pytest.mark.parametrize("name", ["example-before", "creates-half", "back-before"])
@pytest.mark.parametrize("action", [Action.UPDATE, Action.NO_OP])
def test_facts_of_azure(name: str, action: Action) -> None:
    link, known = clients(name)
    vpc = aws_topic.read(link, known.aws, known.azure).vpc
    pin(azure_facts.read_standing(link, known.azure, lambda: vpc.ranges if vpc else ()))
    if link.makes_vpn:
        pin(azure_facts.read(link, known.azure, a_plan(link, known, action), vpc.ranges if vpc else ()))


@pytest.mark.parametrize("topic", [azure.find_standing, azure.find_beside, azure.find_locked])
def test_what_stands_in_azure_where_nothing_or_everything_is_written(topic: Any) -> None:
    calls = answers("example")
    of(calls, "Azure: locks").append(
        {"id": "/subscriptions/s/locks/l", "name": "l", "properties": {"level": "CanNotDelete", "notes": "no"}}
    )
    for action in (Action.NO_OP, Action.DELETE, Action.CREATE):
        pinned(topic(context("example", action, calls)))


def test_names_back() -> None:
    link, known = clients("back-before")
    facts = pin(back_topic.read(link, known.aws, known.azure))
    assert [z.linked for z in facts.zones] == [True]
    assert list(back_topic.find(context("back-before", Action.NO_OP))) == []


@pytest.mark.parametrize("topic", [quotas.find, ranges.find, targets.find, filters.find_aws, filters.find_azure])
@pytest.mark.parametrize("name", ["example", "adopted", "transit"])
def test_topics_of_a_link_that_is_made_again(name: str, topic: Any) -> None:
    pinned(topic(context(name)))
