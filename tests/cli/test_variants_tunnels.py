"""With one thing wrong on one side, that one tunnel stays down in the sandbox, and status says which and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.manual_edits import ManualEdits

from .conftest import repair

# What is broken on tunnels 0 to 3 at the same time, and what status says of each. Two rounds, to wait only twice.
ROUNDS: tuple[tuple[tuple[Callable[[ManualEdits], None], str, str], ...], ...] = (
    (
        (
            lambda h: h.local_gateway(0, ip="203.0.113.9"),
            "leads to 203.0.113.9, AWS's end",
            "azure_vpn.local_gateway[0]",
        ),
        (
            lambda h: h.local_gateway(1, peer="169.254.22.9"),
            "expects the BGP peer 169.254.22.9",
            "azure_vpn.local_gateway[1]",
        ),
        (
            lambda h: h.bgp_address(2, "169.254.22.6"),
            "speaks BGP from 169.254.22.6, AWS expects 169.254.21.6",
            "azure_vpn.connection[2]",
        ),
        (lambda h: h.policy(3, ike_encryption="AES128"), "the IKE encryption differs", "azure_vpn.connection[3]"),
    ),
    (
        (
            lambda h: h.local_gateway(0, asn=64_999),
            "Azure expects ASN 64999, AWS has 64512",
            "azure_vpn.local_gateway[0]",
        ),
        (lambda h: h.key(1, "AnotherKey123456"), "the pre-shared keys differ", "azure_vpn.connection[1]"),
        (
            lambda h: h.tunnel_options(2, Phase1DHGroupNumbers=[{"Value": 14}]),
            "the IKE Diffie-Hellman group differs",
            "aws_vpn.connection[1]",
        ),
        (
            lambda h: h.policy(3, ipsec_encryption="GCMAES128", ipsec_integrity="GCMAES128"),
            "the ESP encryption differs",
            "azure_vpn.connection[3]",
        ),
    ),
)


def test_one_broken_tunnel_degrades_and_two_of_one_instance_leave_no_redundancy(linked: Cli) -> None:
    hand = ManualEdits(linked)
    hand.local_gateway(2, ip="203.0.113.9")
    hand.later()
    one = linked.cloudlink("status", "--json")
    assert (one.code, one.json["health"]) == (8, "degraded")
    assert [t["address"] for t in one.json["tunnels"] if not t["up"]] == ["tunnel[2]"]
    hand.local_gateway(3, ip="203.0.113.10")
    hand.later()
    two = linked.cloudlink("status", "--json")
    assert (two.code, two.json["health"]) == (8, "no redundancy")


def test_status_waits_until_the_link_is_healthy(linked: Cli) -> None:
    outside = linked.cloudlink("status", "--json").json["tunnels"][1]["aws"]["outside_ip"]
    linked.control("POST", "faults", {"kind": "tunnel-down", "target": outside, "times": None, "duration": 3600})
    ManualEdits(linked).later(120)
    waited = linked.cloudlink("status", "--wait", "10h")
    assert waited.code == 0, waited.out + waited.err
    assert "degraded: 3 of 4 tunnels are up" in waited.err, "it was not healthy when the wait began"
    assert "HEALTHY" in waited.out


def test_an_instance_that_dies_takes_its_two_tunnels(linked: Cli) -> None:
    addresses = ManualEdits(linked).network.public_ip_addresses
    victim = addresses.get("cloudlink-demo", "cloudlink-demo-public-ip-1").properties.ip_address
    linked.control("POST", "faults", {"kind": "instance-down", "target": victim, "times": None})
    status = linked.cloudlink("status", "--json")
    assert (status.code, status.json["health"]) == (8, "no redundancy")
    assert [t["address"] for t in status.json["tunnels"] if not t["up"]] == ["tunnel[0]", "tunnel[1]"]


@pytest.fixture(scope="module", params=range(len(ROUNDS)))
def broken(shared: Cli, request: pytest.FixtureRequest) -> Iterator[tuple[int, dict[str, Any], dict[str, Any]]]:
    """(which round, status, plan) with every tunnel broken in its own way; afterwards up repairs them all."""
    hand = ManualEdits(shared)
    for spoil, _, _ in ROUNDS[request.param]:
        spoil(hand)
    hand.later()
    status, plan = shared.cloudlink("status", "--json"), shared.cloudlink("plan", "--json")
    assert status.code == 8
    yield request.param, status.json, plan.json
    repair(shared)
    healed = shared.cloudlink("status", "--json")
    assert healed.json["health"] == "healthy", healed.out


@pytest.mark.parametrize("tunnel", range(4))
def test_status_says_why_this_tunnel_is_down(broken: tuple[int, dict[str, Any], dict[str, Any]], tunnel: int) -> None:
    number, status, plan = broken
    _, why, address = ROUNDS[number][tunnel]
    said = status["tunnels"][tunnel]
    assert said["address"] == f"tunnel[{tunnel}]"
    assert not said["up"]
    assert why in said["why"]
    assert said["fix"] == "cloudlink up --sandbox"
    drifted = {c["address"]: c for c in plan["changes"] if c["action"] != "no-op"}
    assert drifted[address]["action"] == "update"
    assert drifted[address]["drift"]
    assert any(d["address"] == address for d in status["drift"])


def test_with_all_four_broken_the_link_is_down_and_no_key_is_shown(
    broken: tuple[int, dict[str, Any], dict[str, Any]],
) -> None:
    _, status, plan = broken
    assert status["health"] == "down"
    assert "AnotherKey" not in str(status) + str(plan)
