"""Changed by hand: status and plan show it, up repairs it, and nothing else is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .by_hand import KEY, ByHand
from .place import Place

ALIEN = "prod.corp.example:53 {\n    forward . 10.9.9.9\n}\n"


def _wrong_address(hand: ByHand) -> None:
    record = {"Name": "postgres.prod.corp.example.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.10.8.99"}]}
    hand.change_record("UPSERT", record)


# What is done, what plan says about it, what the drift line of status mentions, and whether the link still works.
CASES: dict[str, tuple[Callable[[ByHand], object], tuple[str, str], str, bool]] = {
    "tunnel options": (
        lambda h: h.tunnel_options(0, DPDTimeoutSeconds=60),
        ("aws_vpn.connection[0]", "update"),
        "dpd_timeout 60",
        True,
    ),
    "local network gateway": (
        lambda h: h.local_gateway(1, ip="203.0.113.9"),
        ("azure_vpn.local_gateway[1]", "update"),
        "203.0.113.9",
        False,
    ),
    "gateway's BGP addresses": (
        lambda h: h.gateway_without("169.254.22.2"),
        ("azure_vpn.gateway", "update"),
        "169.254.21.2",
        False,
    ),
    "rule removed": (lambda h: h.shut_out("udp"), ("resolver.ingress", "update"), "udp", True),
    "foreign rule": (lambda h: h.let_in_somebody(), ("resolver.ingress", "update"), "10.99.0.0/16", True),
    "record changed": (_wrong_address, ("resolver.records", "update"), "10.10.8.99", True),
    "record removed": (
        lambda h: h.remove_records("sentry.prod.corp.example."),
        ("resolver.records", "update"),
        "sentry.prod.corp.example",
        False,
    ),
    "zone disassociated": (lambda h: h.disassociate_zone(), ("resolver.zone", "update"), "vpc-0a1b2c3d4e5f60718", False),
    "CoreDNS key changed": (lambda h: h.coredns_key(KEY, ALIEN), ("dns_forward.forward", "update"), "10.9.9.9", False),
    "CoreDNS key removed": (lambda h: h.coredns_key(KEY, None), ("dns_forward.forward", "update"), "prod.corp.example", False),
    "gateway detached": (lambda h: h.detach_gateway(), ("aws_vpn.attachment", "create"), "not there", False),
    "propagation off": (lambda h: h.stop_propagation(), ("aws_vpn.route_propagation", "update"), "rtb-", False),
}


@pytest.mark.parametrize("case", CASES)
def test_drift_is_shown_by_status_and_plan_and_repaired_by_up(linked: Place, case: str) -> None:
    change, (address, action), words, still_works = CASES[case]
    hand = ByHand(linked)
    change(hand)
    hand.later()

    status = linked.cloudlink("status", "--json")
    assert (status.code, status.json["health"] == "healthy") == ((0, True) if still_works else (8, False)), status.out
    drift = {d["address"]: d["what"] for d in status.json["drift"]}
    assert words in drift[address]
    before = linked.writes()
    plan = {c["address"]: c for c in linked.cloudlink("plan", "--json").json["changes"] if c["action"] != "no-op"}
    assert linked.writes() == before
    assert plan[address]["action"] == action
    assert set(plan) == set(drift), "status and plan see the same"

    assert linked.cloudlink("up", "--no-verify").code == 0
    hand.later()
    healed = linked.cloudlink("status", "--json")
    assert (healed.code, healed.json["health"], healed.json["drift"]) == (0, "healthy", []), healed.out


def test_a_detached_gateway_is_named_as_the_reason(linked: Place) -> None:
    hand = ByHand(linked)
    gateway = hand.vpn_gateway()
    hand.detach_gateway()
    hand.later()
    status = linked.cloudlink("status", "--json").json
    assert status["health"] == "down"
    assert all(t["why"].startswith(f"AWS's virtual private gateway {gateway} is") for t in status["tunnels"])


def test_only_what_differs_of_a_long_list_is_shown(linked: Place) -> None:
    """One changed record of five, and one rule too many: the others would hide it."""
    hand = ByHand(linked)
    _wrong_address(hand)
    hand.let_in_somebody()
    drift = {d["address"]: d["what"] for d in linked.cloudlink("status", "--json").json["drift"]}
    assert "sentry" not in drift["resolver.records"]
    assert "10.10.8.99" in drift["resolver.records"]
    assert "10.10.24.15" in drift["resolver.records"]
    assert "10.20.0.0" not in drift["resolver.ingress"]
