"""Several links over the same gateways: each has its own objects, and a teardown of one leaves the other whole.

Both clouds in this process, on a clock that only waiting moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.report import Health
from cloudlink.config import parse
from cloudlink.errors import Severity
from cloudlink.link import Link
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.process import Sandbox
from tests.support.config_texts import config_text
from tests.support.life import Life

FIRST, SECOND = "vpc-0a1b2c3d4e5f60718", "vpc-0b1b2c3d4e5f60719"
RANGES = {FIRST: "10.10.0.0/16", SECOND: "10.50.0.0/16"}
TRANSIT = 'gateway = "tgw-0aaaabbbbccccdddd"'
POOLS = {"one": "169.254.21.0/25", "two": "169.254.21.128/25"}


def link(name: str, vpc: str, aws: str = "", **more: str) -> Link:
    """Of this VPC with the VNet, over the Azure gateway that is there. more: of the text."""
    text = config_text(
        name,
        aws=aws,
        resource_group="test",
        gateway='adopt = "shared"',
        vpn=f'inside_pool = "{POOLS[name]}"',
        zone=f"{name}.example",
        host='addresses = ["{}"]'.format(RANGES[vpc].replace(".0.0/16", ".8.15")),
        sandbox=f'gateway = "active-active"\nvpc_cidrs = ["{RANGES[vpc]}"]',
    )
    return parse(text.replace(FIRST, vpc).replace('"production"', f'"eks-{vpc[4:7]}"'), "config.toml", sandbox=True)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path, speed=0, durations=Durations(exact=True))
    made.start()
    yield made
    made.stop()


def up(life: Life) -> None:
    plan = life.up()
    assert plan.writes
    assert not [f for f in life.found if f.severity is Severity.OBSTACLE], life.found
    life.clock.wait(900)


def whole(life: Life) -> bool:
    """It works as it should, and an ``up`` has nothing to do."""
    status: Any = life.status()
    assert status.health is Health.HEALTHY, status.verdict
    assert not status.drift
    assert all(n.verdict == "ok" for n in life.inspection().dns(()).names)
    return life.up().writes == ()


@pytest.mark.parametrize("aws", ["", TRANSIT], ids=["a gateway of each VPC", "one transit gateway"])
def test_links_of_two_vpcs_over_one_gateway_of_azure(sandbox: Sandbox, aws: str) -> None:
    one, two = (Life(sandbox, link(n, vpc, aws), pause=0.1) for n, vpc in (("one", FIRST), ("two", SECOND)))
    up(one)
    up(two)
    told = {f.summary for f in two.found}
    assert ("Another link goes through the transit gateway to the same VNet" in told) is bool(aws)
    assert whole(one) and whole(two)
    one.teardown()
    assert whole(two)
    up(one)
    two.teardown()
    assert whole(one)
    one.teardown()
    gateway = one.clouds().azure.gateway(fresh=True)
    assert gateway is not None
    entries = gateway["properties"]["bgpSettings"]["bgpPeeringAddresses"]
    assert [e["customBgpIpAddresses"] for e in entries] == [[], []]


def test_a_second_link_of_the_same_vpc_and_vnet_is_refused(sandbox: Sandbox) -> None:
    one, two = (Life(sandbox, link(n, FIRST, TRANSIT), pause=0.1) for n in ("one", "two"))
    up(one)
    two.plan()
    (found,) = [f for f in two.found if f.severity is Severity.OBSTACLE]
    assert found.summary == "Another link joins this VPC with this VNet"
    assert "The link one goes" in found.detail and 'transport = "existing"' in found.hint


class Unseeded(Life):
    """Over what is there: nothing that the configuration says of the sandbox is made."""

    def __post_init__(self) -> None:
        self.clock = self.new_clock()


def test_names_of_a_links_own_over_another_link(sandbox: Sandbox) -> None:
    """What the refusal above proposes."""
    one = Life(sandbox, link("one", FIRST, TRANSIT), pause=0.1)
    up(one)
    text = config_text(
        "two", link='transport = "existing"', resource_group="test", gateway="", zone="two.example",
        host='addresses = ["10.10.8.15"]',
    )  # fmt: skip
    names = Unseeded(sandbox, parse(text.replace("production", "eks-0a1"), "config.toml", sandbox=True), pause=0.1)
    up(names)
    assert whole(one) and whole(names)
    names.teardown()
    assert whole(one)
