"""An adopted VPN gateway of Azure's with one instance behind a transit gateway, one of another resource group with
point-to-site, and a teardown after the state file is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from cloudlink import removal
from cloudlink.checks.preflight import azure_gateway
from cloudlink.checks.preflight.azure_gateway import GatewayFacts
from cloudlink.checks.report import Health, Left
from cloudlink.clouds.azure.parse_gateway import GatewayConnection
from cloudlink.config import parse
from cloudlink.core.engine import Engine
from cloudlink.core.plan import Action, Plan
from cloudlink.core.resource import Receipts
from cloudlink.errors import Severity
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.process import Sandbox
from tests.steps.test_adopted_azure_gateway import (
    CONFIG,
    actions,
    custom,
    dies_at_the_gateway,
    gateway,
    put_gateway,
    theirs,
)
from tests.support.life import Life, Memory

TGW = "tgw-0aaaabbbbccccdddd"
ELSEWHERE = (
    "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/network/providers/Microsoft.Network"
    "/virtualNetworkGateways/hub"
)


def started(folder: Path, kind: str, *changes: tuple[str, str]) -> tuple[Sandbox, Life]:
    text = CONFIG.format(kind=kind, name="hub", vpn="")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    sandbox = Sandbox(folder, speed=0, durations=Durations(exact=True))
    sandbox.start()
    return sandbox, Life(sandbox, parse(text, "config.toml", sandbox=True), pause=0.15)


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Any]:
    running: list[Sandbox] = []

    def made(kind: str, *changes: tuple[str, str]) -> Life:
        sandbox, life = started(tmp_path, kind, *changes)
        running.append(sandbox)
        return life

    yield made
    for each in running:
        each.stop()


@pytest.mark.parametrize("gateway", [TGW, "create-transit"])
def test_one_instance_behind_a_transit_gateway(begin: Any, gateway: str) -> None:
    """Two tunnels of one VPN connection, which is attached to the transit gateway."""
    life = begin("active-standby", ('eks_cluster = "production"', f'eks_cluster = "production"\ngateway = "{gateway}"'))
    before = theirs(life)
    plan = life.up()
    assert not [f for f in life.found if f.severity is Severity.OBSTACLE]
    made = actions(plan, Action.CREATE)
    assert ("aws_vpn.gateway" in made) is (gateway != TGW)
    assert {"aws_vpn.attachment", "aws_vpn.connection[0]"} <= made
    assert not {a for a in made if a in ("aws_vpn.connection[1]", "aws_vpn.customer_gateway[1]")}
    life.clock.wait(900)
    status = life.status()
    assert (status.health, status.well, status.drift) == (Health.NO_REDUNDANCY, True, ())
    assert [t.up for t in status.tunnels] == [True, True]
    (through,) = [c for c in status.checks if c.name == "transit"]
    assert "over 1 VPN connection" in through.detail and "over 1 VPN connections" not in through.detail
    assert life.up().writes == ()
    life.teardown()
    life.clock.wait(600)
    assert theirs(life) == before
    ec2 = life.clouds().aws.ec2
    left = [c for c in ec2.describe_vpn_connections()["VpnConnections"] if c["State"] != "deleted"]
    gateways = [
        g["TransitGatewayId"] for g in ec2.describe_transit_gateways()["TransitGateways"] if g["State"] != "deleted"
    ]
    assert not left and gateways == ([TGW] if gateway == TGW else [])


def test_point_to_site_in_another_resource_group(begin: Any) -> None:
    life = begin("point-to-site", ('adopt = "shared"', f'adopt = "{ELSEWHERE}"'))
    before = theirs(life)
    assert '"vpnClientConfiguration"' in before
    plan = life.up()
    assert [a.id for a in plan.adopted if a.address == "azure_vpn.gateway"] == [ELSEWHERE]
    life.clock.wait(900)
    status = life.status()
    assert (status.health, status.drift, len(status.tunnels)) == (Health.HEALTHY, (), 4)
    assert sorted(map(sorted, custom(life).values())) == [
        ["169.254.21.2", "169.254.22.2"],
        ["169.254.21.6", "169.254.22.6"],
    ]
    assert life.up().writes == ()
    life.teardown()
    life.clock.wait(600)
    assert theirs(life) == before


def test_after_a_lost_state_file_the_addresses_of_our_tunnels_go(begin: Any) -> None:
    """Those that a tunnel of ours has and nobody else uses; what cannot be told stays and is named."""
    life = begin("active-standby")
    before = custom(life)
    life.up()
    life.clock.wait(900)
    life.store = Memory()
    assert life.up().writes == ()
    assert list(custom(life).values()) == [["169.254.21.2", "169.254.22.2"]]

    facts = azure_gateway.read(life.clouds().azure)
    theirs_too = GatewayConnection("/other", "other", (IPv4Address("169.254.22.2"),))
    _, _, (said,) = removal_of(life, replace(facts, others=(theirs_too,)))
    assert said.why.startswith("169.254.22.2 stay")
    engine, plan, left = removal_of(life, facts)
    assert not left
    assert "azure_vpn.inside_addresses" in actions(plan, Action.RESTORE)
    list(engine.apply(plan))
    life.clock.wait(600)
    assert custom(life) == before


def removal_of(life: Life, facts: GatewayFacts) -> tuple[Engine, Plan, tuple[Left, ...]]:
    """What a teardown without a state file does."""
    life.store = Memory()
    engine = life.engine(life.clouds())
    plan, found = engine.plan(destroy=True), engine.snapshot.found
    note = removal.note_of_addresses(life.link, found, life.store.receipts(), facts, 0.0)
    if note is not None:
        life.store.put(note)
    plan = removal.with_note(plan, note)
    return engine, *removal.leaving_unknown_addresses(plan, life.link, found, Receipts(), note)


@pytest.mark.parametrize("there", [[], ["169.254.22.2"]])
def test_a_state_file_that_is_lost_before_a_vpn_connection_exists(
    begin: Any, monkeypatch: pytest.MonkeyPatch, there: list[str]
) -> None:
    """Which addresses are added is in the tags of the customer gateway before they are. there: what its owner had among them."""
    life = begin("active-standby")
    held = gateway(life)["properties"]["bgpSettings"]
    held["bgpPeeringAddresses"][0]["customBgpIpAddresses"] = there
    put_gateway(life, bgpSettings=held)
    before = custom(life)
    dies_at_the_gateway(life, monkeypatch, after=True)
    life.clock.wait(900)
    ec2 = life.clouds().aws.ec2
    for connection in ec2.describe_vpn_connections()["VpnConnections"]:
        ec2.delete_vpn_connection(VpnConnectionId=connection["VpnConnectionId"])
    life.clock.wait(900)
    assert custom(life) != before
    engine, plan, left = removal_of(life, azure_gateway.read(life.clouds().azure))
    assert [item.why.partition(" ")[0] for item in left] == there
    list(engine.apply(plan))
    life.clock.wait(600)
    assert custom(life) == before
    found = ec2.describe_customer_gateways()["CustomerGateways"]
    assert {g["State"] for g in found if g.get("DeviceName", "").startswith("cloudlink")} == {"deleted"}
