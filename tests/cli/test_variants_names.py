"""verify-dns with one hop broken: the first wrong hop, what it answered, the likely cause, exit code 8, and no pod left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.support.cli import Cli
from tests.support.manual_edits import ManualEdits

SENTRY = "sentry.prod.corp.example"
POSTGRES = "postgres.prod.corp.example"
# CoreDNS that gets no answer says SERVFAIL, unless the asking pod has given up before.
SILENCE = "timeout or servfail"
SHADOW = f"{SENTRY}:53 {{\n    errors\n    forward . 10.20.0.99\n}}\n"


def _shadow(hand: ManualEdits) -> None:
    hand.coredns_key("somebody.server", SHADOW)
    hand.restart_coredns("shadowed")


@dataclass(frozen=True)
class Case:
    """wrong: starts of the hops that must be wrong, and what each answers; every other hop must be well."""

    breaks: Callable[[ManualEdits], object]
    verdict: str
    cause: str
    wrong: dict[str, str] = field(default_factory=dict)
    name: str = SENTRY


CASES = {
    "no UDP": Case(
        lambda h: h.shut_out("udp"),
        SILENCE,
        "does not let UDP port 53 through",
        {"cluster-dns": SILENCE, "endpoint udp": "timeout"},
    ),
    "no TCP": Case(
        lambda h: h.shut_out("tcp"), "timeout", "does not let TCP port 53 through", {"endpoint tcp": "timeout"}
    ),
    "record missing": Case(
        lambda h: h.remove_records("postgres.prod.corp.example.", "\\052.prod.corp.example."),
        "nxdomain",
        "the record for postgres.prod.corp.example is missing",
        {"cluster-dns": "nxdomain", "endpoint udp": "nxdomain", "endpoint tcp": "nxdomain"},
        POSTGRES,
    ),
    "zone disassociated": Case(
        lambda h: h.disassociate_zone(),
        "nxdomain",
        "not associated with the endpoint's VPC",
        {"cluster-dns": "nxdomain", "endpoint udp": "nxdomain", "endpoint tcp": "nxdomain"},
    ),
    "shadowed": Case(_shadow, SILENCE, "another CoreDNS key serves sentry.prod.corp.example", {"cluster-dns": SILENCE}),
    "port closed": Case(lambda h: None, "timeout", "in front of the load balancer of sentry", {"connect": "timeout"}),
}


def kind(hop: str) -> str:
    words = hop.split()
    return f"endpoint {words[-1]}" if words[0] == "endpoint" else words[0]


@pytest.fixture(scope="module", autouse=True)
def _zone_of_the_link_alone(shared: Cli) -> Iterator[None]:
    """A zone that other VPCs use is kept by a teardown, and other files share this link."""
    yield
    ManualEdits(shared).only_our_vpc()


@pytest.mark.parametrize("case", CASES)
def test_the_first_wrong_hop_is_named_with_its_cause(linked: Cli, case: str) -> None:
    wanted = CASES[case]
    hand = ManualEdits(linked)
    group, rule = ("", None)
    if case == "port closed":
        group, rule = hand.close_port("sentry-internal-lb", 443)
    else:
        wanted.breaks(hand)
    hand.later(90)
    try:
        result = linked.cloudlink("verify-dns", wanted.name, "--json")
        assert result.code == 8, result.out
        (report,) = result.json["names"]
        assert report["verdict"] in wanted.verdict.split(" or ")
        assert wanted.cause in report["cause"]
        assert report["fix"]
        for hop in report["hops"]:
            if (expected := wanted.wrong.get(kind(hop["hop"]))) is not None:
                assert hop["result"] in expected.split(" or "), hop
            elif kind(hop["hop"]) in ("cluster-dns", "endpoint udp", "endpoint tcp"):
                assert hop["result"] == "ok", hop
        first = next(h for h in report["hops"] if h["result"] not in ("ok", "skipped"))
        assert first["result"] == report["verdict"]
        assert linked.inventory()["pods"] == []
    finally:
        if case == "port closed":
            hand.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
        if case == "shadowed":
            hand.coredns_key("somebody.server", None)
            hand.restart_coredns("free")


def test_propagation_off_on_one_subnet_silences_the_address_in_it(linked: Cli) -> None:
    hand = ManualEdits(linked)
    table = hand.table_of_one_subnet()
    subnet = next(a["SubnetId"] for a in table["Associations"] if a.get("SubnetId"))
    addresses = linked.cloudlink("status", "--json").json["endpoint"]["addresses"]
    silent = next(a["address"] for a in addresses if a["subnet"] == subnet)
    hand.stop_propagation()
    hand.later(90)
    result = linked.cloudlink("verify-dns", SENTRY, "--json")
    (report,) = result.json["names"]
    hops = {h["hop"]: h["result"] for h in report["hops"]}
    assert result.code == 8
    assert result.json["health"] == "degraded"
    assert {k for k, v in hops.items() if k.startswith("endpoint") and v != "ok"} == {
        f"endpoint {silent} udp",
        f"endpoint {silent} tcp",
    }
    assert report["cause"].startswith(f"{silent} does not answer")


def test_up_ends_with_8_when_the_tunnels_are_up_and_a_name_is_not_right(linked: Cli) -> None:
    address = linked.cloudlink("status", "--json").json["endpoint"]["addresses"][0]["address"]
    linked.control("POST", "faults", {"kind": "endpoint-ip-down", "target": address, "times": None})
    up = linked.cloudlink("up", "--verify", "--json")
    result = up.lines[-1]
    assert (up.code, result["exit_code"], result["outcome"]) == (8, 8, "unhealthy"), up.out
    assert result["status"]["health"] == "healthy"
    assert result["dns"]["health"] == "degraded"
    asked = [line for line in up.lines if line.get("address") == "verify.names"]
    assert [asked[0]["type"], asked[-1]["type"]] == ["begun", "done"]
    assert any(line.get("detail", "").startswith("pod ") for line in asked)


def test_an_image_that_is_asked_for_is_used_and_a_pod_that_dies_is_removed(linked: Cli) -> None:
    linked.control("POST", "faults", {"kind": "pod-fails", "target": "default/cloudlink-*", "times": None})
    result = linked.cloudlink("verify-dns", SENTRY, "--image", "registry.example/python:3.12", "--json")
    assert result.code in (5, 6), result.out
    assert result.json["type"] == "error"
    assert linked.inventory()["pods"] == []
