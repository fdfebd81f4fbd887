"""Changed by hand: status and plan show it, up repairs it, and nothing else is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.manual_edits import KEY, ManualEdits

ALIEN = "prod.corp.example:53 {\n    forward . 10.9.9.9\n}\n"


def _wrong_address(hand: ManualEdits) -> None:
    record = {
        "Name": "postgres.prod.corp.example.",
        "Type": "A",
        "TTL": 60,
        "ResourceRecords": [{"Value": "10.10.8.99"}],
    }
    hand.change_record("UPSERT", record)


def _rules(hand: ManualEdits) -> None:
    hand.shut_out("udp")
    hand.let_in_somebody()


@dataclass(frozen=True)
class Case:
    """action: of the plan. words: in the drift line of status; silent: not in it, because it did not change."""

    change: Callable[[ManualEdits], object]
    action: str
    words: tuple[str, ...]
    silent: str = "nothing of the kind"


# By the address of what differs. The changes of one round are made together, so that the clouds are waited for once.
ROUNDS: tuple[dict[str, Case], ...] = (
    {
        "aws_vpn.connection[0]": Case(
            lambda h: h.tunnel_options(0, DPDTimeoutSeconds=60),
            "update",
            ("tunnel 1: dpd timeout 60", "wanted tunnel 1: dpd timeout 45"),
            "esp_encryption",
        ),
        "aws_vpn.route_propagation": Case(lambda h: h.stop_propagation(), "update", ("rtb-",)),
        "azure_vpn.local_gateway[1]": Case(
            lambda h: h.local_gateway(1, ip="203.0.113.9"), "update", ("203.0.113.9", "wanted 198.51.100.")
        ),
        "resolver.ingress": Case(_rules, "update", ("10.99.0.0/16", "protocol udp"), "protocol tcp, first_port 53"),
        "resolver.records": Case(_wrong_address, "update", ("10.10.8.99", "10.10.24.15"), "sentry"),
        "dns_forward.forward": Case(lambda h: h.coredns_key(KEY, ALIEN), "update", ("10.9.9.9",)),
    },
    {
        "azure_vpn.gateway": Case(
            lambda h: h.gateway_without("169.254.22.2"), "update", ("wanted 169.254.21.2, 169.254.22.2",)
        ),
        "resolver.records": Case(
            lambda h: h.remove_records("sentry.prod.corp.example."), "update", ("sentry.prod.corp.example",), "postgres"
        ),
        "resolver.zone": Case(lambda h: h.disassociate_zone(), "update", ("(none), wanted vpc-0a1b2c3d4e5f60718",)),
        "dns_forward.forward": Case(lambda h: h.coredns_key(KEY, None), "update", ("wanted prod.corp.example",)),
        "aws_vpn.attachment": Case(lambda h: h.detach_gateway(), "create", ("deleted outside cloudlink",)),
        "aws_vpn.route_propagation": Case(lambda h: None, "create", ("deleted outside cloudlink",)),
    },
    {  # every setting of a tunnel that people turn by hand, each told with its reason
        "aws_vpn.connection[0]": Case(
            lambda h: h.narrow(0, azure="10.20.0.0/16", aws="10.10.0.0/16"),
            "update",
            ("azure range: 10.20.0.0/16, wanted 0.0.0.0/0 (AWS lets no other", "aws range: 10.10.0.0/16"),
            "ike encryption",
        ),
        "aws_vpn.connection[1]": Case(
            lambda h: h.tunnel_options(2, StartupAction="add", DPDTimeoutAction="clear"),
            "update",
            ("StartupAction add (AWS waits for Azure", "DpdTimeoutAction clear (AWS does not open"),
            "ike encryption",
        ),
        "azure_vpn.connection[0]": Case(
            lambda h: h.connection(0, connection_mode="ResponderOnly"),
            "update",
            ("mode: ResponderOnly, wanted Default (Azure only",),
        ),
        "azure_vpn.connection[1]": Case(
            lambda h: h.connection(1, gateway_custom_bgp_ip_addresses=[]),
            "update",
            (
                "bgp addresses: (none), wanted 169.254.22.2 on instance0, 169.254.21.6 on instance1",
                "Azure speaks BGP from another address",
            ),
        ),
        "azure_vpn.connection[3]": Case(
            lambda h: (h.policy(3, pfs_group="PFS2"), h.selectors(3, "10.20.0.0/16", "10.10.0.0/16")),
            "update",
            (
                "policy: pfs group 2, wanted pfs group 20",
                "policy selectors: on, wanted off (AWS's tunnels are route-based",
                "selectors: 10.20.0.0/16 to 10.10.0.0/16, wanted (none)",
            ),
            "dpd",
        ),
        "azure_vpn.local_gateway[2]": Case(
            lambda h: h.local_prefixes(2, "10.10.0.0/16"),
            "update",
            ("prefixes: 10.10.0.0/16, wanted (none) (Azure makes static routes",),
        ),
    },
)


@dataclass(frozen=True)
class PreflightFacts:
    number: int
    status: dict[str, Any]
    plan: dict[str, Any]
    healed: dict[str, Any]
    written_by_plan: int


@pytest.fixture(scope="module", autouse=True)
def _zone_of_the_link_alone(shared: Cli) -> Iterator[None]:
    """A zone that other VPCs use is kept by a teardown, and other files share this link."""
    yield
    ManualEdits(shared).only_our_vpc()


@pytest.fixture(scope="module", params=range(len(ROUNDS)))
def seen(shared: Cli, request: pytest.FixtureRequest) -> Iterator[PreflightFacts]:
    hand = ManualEdits(shared)
    for case in ROUNDS[request.param].values():
        case.change(hand)
    hand.later()
    before = shared.writes()
    status, plan = shared.cloudlink("status", "--json"), shared.cloudlink("plan", "--json")
    written = shared.writes() - before
    assert status.code == 8
    up = shared.cloudlink("up", "--no-verify")
    assert up.code == 0, up.out + up.err
    hand.later()
    healed = shared.cloudlink("status", "--json")
    yield PreflightFacts(request.param, status.json, plan.json, healed.json, written)


@pytest.mark.parametrize("place_in_round", range(6))
def test_status_and_plan_show_what_was_changed(seen: PreflightFacts, place_in_round: int) -> None:
    address, case = list(ROUNDS[seen.number].items())[place_in_round]
    drift = {d["address"]: d["what"] for d in seen.status["drift"]}
    assert all(d["by_hand"] for d in seen.status["drift"])
    assert all(word in drift[address] for word in case.words), drift[address]
    assert case.silent not in drift[address], drift[address]
    planned = {c["address"]: c["action"] for c in seen.plan["changes"] if c["action"] != "no-op"}
    assert planned[address] == case.action


def test_nothing_else_is_touched_and_plan_writes_nothing(seen: PreflightFacts) -> None:
    planned = {c["address"] for c in seen.plan["changes"] if c["action"] != "no-op"}
    assert planned == {d["address"] for d in seen.status["drift"]} == set(ROUNDS[seen.number])
    assert seen.written_by_plan == 0


def test_up_repairs_it(seen: PreflightFacts) -> None:
    assert seen.healed["health"] == "healthy", seen.healed["verdict"]
    assert not seen.healed["drift"]


def test_a_tunnel_that_lost_its_gateway_or_address_is_explained(seen: PreflightFacts) -> None:
    if seen.number == 2:
        assert "neither side opens" not in (seen.status["tunnels"][0]["why"] or "")
        return
    if seen.number == 0:
        assert "leads to 203.0.113.9" in seen.status["tunnels"][1]["why"]
        return
    assert seen.status["health"] == "down"
    assert all("is not attached to vpc-0a1b2c3d4e5f60718" in t["why"] for t in seen.status["tunnels"])


def test_an_address_that_the_gateway_lost_keeps_its_tunnel_down(linked: Cli) -> None:
    hand = ManualEdits(linked)
    hand.gateway_without("169.254.22.2")
    status = linked.cloudlink("status", "--json")
    assert status.code == 8
    assert {t["address"]: t["why"] for t in status.json["tunnels"] if not t["up"]} == {
        "tunnel[1]": "Azure's gateway does not have the custom BGP address 169.254.22.2"
    }
