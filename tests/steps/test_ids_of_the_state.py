"""A state whose ids are of nothing: of objects that never were, of another kind, another subscription, or no ids at all.

Whose an object is its marks say; an id in the state saves a search at most. So each of these is a state that names nothing:
everything is found as without a state, nothing is written, and a teardown takes away what is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloudlink.clouds.aws.parse_zones import zone_id
from cloudlink.config import parse
from cloudlink.core.plan import Action, Plan
from cloudlink.core.resource import Receipt
from cloudlink.errors import Severity
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.faults import Fault
from cloudlink_sandbox.process import Sandbox
from tests.support.config_texts import EXAMPLE, config_text
from tests.support.life import Life

NAMES = """
[[dns.zones]]
zone = "other.example"
[[dns.zones.hosts]]
name = "old"
addresses = ["10.10.8.18"]
[[dns.back]]
zone = "privatelink.blob.core.windows.net"
"""
TEXTS = {
    "the example": EXAMPLE.read_text(),
    "names over an existing link": config_text(
        "junk",
        link='transport = "existing"',
        resource_group="test",
        gateway="",
        zone="aws.corp.example",
        sandbox='wire = "vpn"',
    ).replace("[dns]\n", '[dns]\nforward = "vnet"\n')
    + NAMES,
}
ELSEWHERE = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/other/providers/Microsoft.Network"
NOTHING = (
    "",
    "Z00000000000000000000",  # a zone that never was
    "vgw-00000000000000000",
    "\N{LATIN SMALL LETTER E WITH ACUTE}\n\0 'x' $(id)",
    "/hostedzone/",
    "vgw-not/../hex",
    f"{ELSEWHERE}/virtualNetworks/x/subnets/y",
    "Z" * 4000,
    "rslvr-in-00000000000000000",
    "/subscriptions//resourceGroups/x",
)


@pytest.fixture(scope="module", params=TEXTS)
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """A link that is there."""
    sandbox = Sandbox(tmp_path_factory.mktemp("junk"), speed=0, durations=Durations(exact=True))
    sandbox.start()
    made = Life(sandbox, parse(TEXTS[request.param], "config.toml", sandbox=True), pause=0.15)
    made.up()
    made.clock.wait(900)
    yield made
    sandbox.stop()


@pytest.fixture
def held(life: Life) -> Iterator[dict[str, Receipt]]:
    before = dict(life.store.held)
    yield before
    life.store.held = before


def removal(life: Life) -> Plan:
    return life.engine(life.clouds()).plan(destroy=True)


def test_ids_of_nothing_are_no_ids(life: Life, held: dict[str, Receipt]) -> None:
    """Each receipt has one after the other, and the zone's has them all."""
    wanted = removal(life)
    for first, of_the_zone in enumerate(NOTHING):
        life.store.held = {
            address: replace(
                receipt, id=of_the_zone if address == "resolver.zone" else NOTHING[(first + n) % len(NOTHING)]
            )
            for n, (address, receipt) in enumerate(held.items())
        }
        if first % 3 == 0:
            plan, _ = life.plan()
            assert plan.writes == (), of_the_zone
            assert not [c for c in plan.changes if c.action is Action.DEFER], of_the_zone
            assert not [f for f in life.found if f.severity is Severity.OBSTACLE], of_the_zone
        assert removal(life) == wanted, of_the_zone


def test_addresses_of_nothing_are_no_parts_of_the_link(life: Life, held: dict[str, Receipt]) -> None:
    wanted = removal(life)
    one = held["resolver.zone"]
    for address in (
        "nonsense",
        "aws_vpn.connection[7]",
        "resolver.zone[no zone\n]",
        "resolver.records[../../x]",
        "resolver.back_rule[]",
        "",
    ):
        life.store.held = held | {address: replace(one, address=address, id="Z00000000000000000000/x")}
        assert life.plan()[0].writes == (), address
        assert {c.action for c in removal(life).changes if c not in wanted.changes} <= {Action.NO_OP}, address


def test_a_zone_of_another_account_is_no_zone_of_ours(life: Life, held: dict[str, Receipt]) -> None:
    """Route 53 answers as if a permission were missing."""
    life.store.held = held | {"resolver.zone": replace(held["resolver.zone"], id="Z00000000000000000000")}
    faults = life.sandbox.context.faults
    fault = faults.add(Fault("denied", "aws.GetHostedZone", times=1))
    plan, _ = life.plan()
    faults.clear()
    assert fault.hits == 1
    assert plan.writes == ()


@pytest.mark.parametrize("said", ["", "/hostedzone/", "z1", "Z1/..", "Z" * 33, "Z1\n"])
def test_what_is_no_id_of_a_zone(said: str) -> None:
    assert zone_id(said) is None


def test_ids_of_zones() -> None:
    assert zone_id("/hostedzone/Z1D633PJN98FT9") == "Z1D633PJN98FT9"
    assert zone_id("Z" * 32) == "Z" * 32
