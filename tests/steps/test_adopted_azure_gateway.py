"""A VPN gateway of Azure's that exists: the link goes over it, alters one thing of it, and takes exactly that away again.

Both clouds in this process, on a clock that only waiting moves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.report import Health
from cloudlink.clouds.azure import body_gateway, parse_gateway
from cloudlink.clouds.azure.client import Azure
from cloudlink.config import parse
from cloudlink.core.plan import Action, Plan
from cloudlink.core.resource import Outputs, Started
from cloudlink.errors import ConflictError, Interrupted, Severity
from cloudlink.link import Link
from cloudlink.steps.azure_vpn.adopted import InsideAddress, InsideAddresses, changed
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.process import Sandbox
from tests.support.built_link import Killed
from tests.support.config_texts import config_text
from tests.support.life import Life, Memory

Json = dict[str, Any]

CONFIG = config_text(
    "{name}",
    resource_group="test",
    gateway='adopt = "shared"',
    vpn="{vpn}",
    zone="aws.corp.example",
    host='load_balancer = "app-alb"',
    sandbox='gateway = "{kind}"',
)
GROUP = "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/test/providers/Microsoft.Network"
ID = f"{GROUP}/virtualNetworkGateways/shared"
THEIRS = "169.254.22.250"
API = "2024-05-01"


def config(kind: str, *, name: str = "hub", vpn: str = "") -> Link:
    return parse(CONFIG.format(kind=kind, name=name, vpn=vpn), "config.toml", sandbox=True)


def started(folder: Path, kind: str) -> tuple[Sandbox, Life]:
    sandbox = Sandbox(folder, speed=0, durations=Durations(exact=True))
    sandbox.start()
    return sandbox, Life(sandbox, config(kind), pause=0.15)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Active-active, with a connection of somebody else's on it."""
    sandbox, life = started(tmp_path_factory.mktemp("both"), "active-active")
    add_foreign_connection(life)
    yield life
    sandbox.stop()


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    sandbox, life = started(tmp_path_factory.mktemp("single"), "active-standby")
    yield life
    sandbox.stop()


def arm(life: Life, method: str, path: str, body: Json | None = None) -> Json:
    with life.sandbox.context.lock:
        answer = life.sandbox.azure.app.carry_out(method, path, json.dumps(body or {}), API)
    assert answer.status < 400, answer.body
    return dict(answer.body or {})


def gateway(life: Life) -> Json:
    found = life.clouds().azure.gateway(fresh=True)
    assert found is not None
    return found


def put_gateway(life: Life, **changes: Any) -> None:
    """As its owner changes it."""
    held = body_gateway.with_inside_addresses(gateway(life), {})
    held["tags"] = changes.pop("tags", held["tags"])
    held["properties"] |= changes
    arm(life, "PUT", ID, held)
    life.clock.wait(3600)


def custom(life: Life) -> dict[str, list[str]]:
    """By public address of the instance."""
    entries = gateway(life)["properties"]["bgpSettings"]["bgpPeeringAddresses"]
    return {e["tunnelIpAddresses"][0]: e["customBgpIpAddresses"] for e in entries}


def add_foreign_connection(life: Life) -> None:
    held = gateway(life)["properties"]["bgpSettings"]
    held["bgpPeeringAddresses"][1]["customBgpIpAddresses"] = [THEIRS]
    put_gateway(life, bgpSettings=held)
    peer = {"gatewayIpAddress": "198.51.100.9", "bgpSettings": {"asn": 65_400, "bgpPeeringAddress": "10.99.0.1"}}
    local = f"{GROUP}/localNetworkGateways/branch"
    arm(life, "PUT", local, {"location": "westeurope", "properties": peer})
    life.clock.wait(600)
    used = {
        "ipConfigurationId": held["bgpPeeringAddresses"][1]["ipconfigurationId"],
        "customBgpIpAddress": THEIRS,
    }
    properties = {
        "connectionType": "IPsec",
        "sharedKey": "theirs0123456789",
        "enableBgp": True,
        "routingWeight": 7,
        "virtualNetworkGateway1": {"id": ID, "properties": {}},
        "localNetworkGateway2": {"id": local, "properties": {}},
        "gatewayCustomBgpIpAddresses": [used],
    }
    arm(life, "PUT", f"{GROUP}/connections/branch", {"location": "westeurope", "properties": properties})
    life.clock.wait(600)


def theirs(life: Life) -> str:
    """Everything of somebody else's on the gateway and the gateway itself, to the letter, but for what a write of it renews."""
    seen = [gateway(life)]
    if life.link.sandbox and life.link.sandbox.gateway == "active-active":
        seen += [
            arm(life, "GET", f"{GROUP}/connections/branch"),
            arm(life, "GET", f"{GROUP}/localNetworkGateways/branch"),
        ]
    return json.dumps([_lasting(s) for s in seen], indent=1)


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        passing = ("etag", "connectionStatus", "ingressBytesTransferred", "egressBytesTransferred")
        return {k: _lasting(v) for k, v in value.items() if k not in passing}
    return [_lasting(v) for v in value] if isinstance(value, list) else value


def actions(plan: Plan, action: Action) -> set[str]:
    return {c.address for c in plan.changes if c.action is action}


def gone(life: Life) -> None:
    life.teardown()
    life.clock.wait(600)
    life.store = Memory()


# --- pure ---------------------------------------------------------------------------------------------------------


def raw(*, third: bool = False) -> Json:
    configs = [
        {"id": f"{ID}/ipConfigurations/c{n}", "name": f"c{n}", "properties": {}}
        for n in ((3,) if third else ()) + (2, 1)
    ]
    entries = [
        {
            "ipconfigurationId": f"{ID}/ipConfigurations/c{n}".upper(),
            "defaultBgpIpAddresses": [f"10.20.0.{3 + n}"],
            "customBgpIpAddresses": ["169.254.22.9"] if n == 2 else [],
            "tunnelIpAddresses": [f"20.0.0.{n}"],
        }
        for n in (2, 1)
    ]
    held = {
        "provisioningState": "Succeeded",
        "activeActive": True,
        "ipConfigurations": configs,
        "bgpSettings": {"asn": 65_515, "bgpPeeringAddresses": entries},
        "somethingNew": {"that": ["this", "program", {"does": "not know"}]},
    }
    return {"id": ID, "name": "shared", "etag": 'W/"1"', "tags": {"owner": "x"}, "surprise": 1, "properties": held}


def test_one_leaf_is_changed_and_all_the_rest_goes_back_as_it_came() -> None:
    before = raw(third=True)
    found = parse_gateway.gateway(before)
    wanted = {0: [IPv4Address("169.254.21.2")], 1: [IPv4Address("169.254.21.6")]}
    body = body_gateway.with_inside_addresses(before, changed(found, frozenset(), wanted))
    entries = body["properties"]["bgpSettings"]["bgpPeeringAddresses"]
    assert [e["customBgpIpAddresses"] for e in entries] == [["169.254.22.9", "169.254.21.6"], ["169.254.21.2"]]
    assert before == raw(third=True)
    expected = raw(third=True)
    for name in ("name", "etag"):
        expected.pop(name)
    expected["properties"].pop("provisioningState")
    for entry, old in zip(entries, expected["properties"]["bgpSettings"]["bgpPeeringAddresses"], strict=True):
        for name in ("defaultBgpIpAddresses", "tunnelIpAddresses"):
            old.pop(name)
        entry["customBgpIpAddresses"] = old["customBgpIpAddresses"]
    assert body == expected


def test_ours_go_and_others_stay_in_their_order() -> None:
    found = parse_gateway.gateway(raw())
    key = f"{ID}/ipConfigurations/c2".lower()
    assert changed(found, frozenset({IPv4Address("169.254.22.9")}), {}) == {key: []}
    assert changed(found, frozenset({IPv4Address("169.254.21.2")}), {}) == {}
    # on the wrong instance: it is moved
    moved = changed(found, frozenset({IPv4Address("169.254.22.9")}), {0: [IPv4Address("169.254.22.9")]})
    assert moved == {key: [], f"{ID}/ipConfigurations/c1".lower(): [IPv4Address("169.254.22.9")]}


def test_what_is_wanted_is_said_by_instance() -> None:
    link = config("active-active")
    node = InsideAddresses(address="a", title="t", link=link, azure=None, gateway=None)  # type: ignore[arg-type]
    spec = node.spec(Outputs())
    assert InsideAddress(1, IPv4Address("169.254.21.6")) in spec.addresses
    assert str(InsideAddress(1, IPv4Address("169.254.21.6"))) == "169.254.21.6 on instance 2"
    one = link.over_gateway(65_515, 1)
    spec = InsideAddresses(address="a", title="t", link=one, azure=None, gateway=None).spec(Outputs())  # type: ignore[arg-type]
    assert {a.instance for a in spec.addresses} == {0}
    assert len(spec.reserved) == 4


class Kept:
    """Azure with this gateway; what is put is kept."""

    gateway_id = ID

    def __init__(self, held: Json) -> None:
        self.held, self.put = held, list[Json]()

    def gateway(self, *, fresh: bool = False) -> Json:
        return self.held

    def whole(self, id_: str) -> Json:
        return self.held

    def put_adopted_gateway(self, body: Json, etag: str) -> Started:
        self.put.append(body)
        return Started(ID)


def inside(azure: Kept) -> InsideAddresses:
    given: Any = {"link": config("active-active"), "azure": azure, "gateway": None}
    return InsideAddresses(address="a", title="t", **given)


def written(body: Json) -> list[list[str]]:
    return [e["customBgpIpAddresses"] for e in body["properties"]["bgpSettings"]["bgpPeeringAddresses"]]


def test_an_address_that_was_there_before_stays_when_the_link_goes() -> None:
    held = raw()
    held["properties"]["bgpSettings"]["bgpPeeringAddresses"][1]["customBgpIpAddresses"] = ["169.254.21.2"]
    azure = Kept(held)
    node = inside(azure)
    prior = node.prior_state(node.find(Memory().receipts()))
    for entry, ours in zip(held["properties"]["bgpSettings"]["bgpPeeringAddresses"], ("6", "2"), strict=True):
        entry["customBgpIpAddresses"].append(f"169.254.22.{ours}")
    found = node.find(Memory().receipts())
    assert found is not None
    node.delete(found, prior)
    assert [written(body) for body in azure.put] == [[["169.254.22.9"], ["169.254.21.2"]]]


def test_a_secret_that_azure_does_not_show_is_not_lost() -> None:
    held = raw()
    held["properties"]["vpnClientConfiguration"] = {"radiusServerAddress": "10.0.0.9"}
    azure = Kept(held)
    node = inside(azure)
    found = node.find(Memory().receipts())
    assert found is not None
    with pytest.raises(ConflictError, match="RADIUS"):
        node.update(found, node.spec(Outputs()))
    assert not azure.put


# --- active-active ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def before(both: Life) -> str:
    return theirs(both)


@pytest.fixture
def absent(both: Life, before: str) -> None:
    """Whichever test ran before."""
    assert before
    gone(both)


@pytest.fixture
def planned(both: Life, before: str) -> Plan:
    """The plan by which it is there; whichever test ran before."""
    assert before
    plan = both.up()
    if plan.writes:
        both.clock.wait(900)
    return plan


@pytest.mark.usefixtures("absent")
def test_a_link_over_a_gateway_with_two_instances(both: Life, before: str, request: pytest.FixtureRequest) -> None:
    assert before
    planned: Plan = request.getfixturevalue("planned")
    assert actions(planned, Action.UPDATE) == {"azure_vpn.inside_addresses"}
    own = {"azure_vpn.gateway", "azure_vpn.gateway_subnet", "azure_vpn.public_ip[0]"}
    assert not own & {c.address for c in planned.changes}
    assert [a.id for a in planned.adopted] == [ID]
    status = both.status()
    assert (status.health, status.drift) == (Health.HEALTHY, ())
    assert len(status.tunnels) == 4
    first, second = sorted(custom(both), key=IPv4Address)
    assert custom(both)[first][-2:] == ["169.254.21.2", "169.254.22.2"]
    assert custom(both)[second][-2:] == ["169.254.21.6", "169.254.22.6"]
    assert sum(THEIRS in a for a in custom(both).values()) == 1
    assert both.up().writes == ()


def test_a_second_link_over_the_same_gateway_needs_ranges_of_its_own(both: Life, planned: Plan) -> None:
    assert planned
    same = Life(both.sandbox, config("active-active", name="other"), pause=0.15)
    same.plan()
    found = [f for f in same.found if f.severity is Severity.OBSTACLE and "on the VPN gateway" in f.summary]
    assert "used by the connection cloudlink-hub-connection-" in found[0].detail
    other = Life(
        both.sandbox, config("active-active", name="other", vpn='inside_pool = "169.254.21.128/25"'), pause=0.15
    )
    other.plan()
    assert not [f for f in other.found if "on the VPN gateway" in f.summary]


def test_its_addresses_taken_away_by_hand_are_drift(both: Life, planned: Plan) -> None:
    assert planned
    held = body_gateway.with_inside_addresses(gateway(both), {})["properties"]["bgpSettings"]
    for entry in held["bgpPeeringAddresses"]:
        entry["customBgpIpAddresses"] = [a for a in entry["customBgpIpAddresses"] if a != "169.254.21.6"]
    put_gateway(both, bgpSettings=held, tags={"owner": "somebody new"})  # what else is changed is nobody's drift
    plan, _ = both.plan()
    change = plan.of("azure_vpn.inside_addresses")
    assert change is not None and change.drift
    assert [(f.old, f.new) for f in change.fields] == [("(none)", "169.254.21.6 on instance 2")]
    assert {c.address for c in plan.writes} == {"azure_vpn.inside_addresses"}
    both.up()
    put_gateway(both, tags={"owner": "network-team"})
    assert both.up().writes == ()


def test_inside_ranges_are_not_changed_under_a_link(both: Life, planned: Plan) -> None:
    assert planned
    other = Life(both.sandbox, config("active-active", vpn='inside_pool = "169.254.21.128/25"'), both.store, pause=0.15)
    _, engine = other.plan()
    assert "The tunnels' inside ranges were changed" in {f.summary for f in other.found}
    site = other.clouds().topology.azure_vpn
    node = next(n for n in site.nodes() if isinstance(n, InsideAddresses))
    found = engine.snapshot.found[node.address]
    assert found is not None
    with pytest.raises(ConflictError, match="inside ranges were changed"):
        node.update(found, node.spec(Outputs()))


def test_it_is_taken_down_to_what_was_there(both: Life, planned: Plan, before: str) -> None:
    assert planned
    gone(both)
    assert theirs(both) == before


@pytest.mark.usefixtures("absent")
def test_runs_that_die_at_the_gateway(both: Life, before: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Azure is asked, and after it has taken the change and before that is recorded; then a run that ends."""
    for after in (False, True):
        dies_at_the_gateway(both, monkeypatch, after=after)
        noted = both.store.held["azure_vpn.inside_addresses"]
        assert noted.intent == "update"
        assert noted.prior_state == {
            "ours": ["169.254.21.2", "169.254.21.6", "169.254.22.2", "169.254.22.6"],
            "there": [],
        }
    both.up()
    both.clock.wait(60)
    assert both.up().writes == ()
    gone(both)
    assert theirs(both) == before


@pytest.mark.usefixtures("absent")
def test_a_run_that_died_is_taken_down_at_once(both: Life, before: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dies_at_the_gateway(both, monkeypatch, after=True)
    gone(both)
    assert theirs(both) == before


def dies_at_the_gateway(life: Life, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    real = Azure.put_adopted_gateway

    def dies(self: Azure, body: Json, etag: str) -> Started:
        if after:
            real(self, body, etag)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises((Killed, Interrupted)):
        patch.setattr(Azure, "put_adopted_gateway", dies)
        life.up()
    life.clock = life.new_clock()  # the run's own was stopped


@pytest.mark.usefixtures("absent")
def test_a_change_of_somebody_elses_is_waited_for_and_never_overwritten(
    both: Life, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our read and our write: the write is refused, and made anew from what is there then. And one that is under
    way when we come."""
    real, reads = Azure.whole, list[str]()

    def whole(self: Azure, id_: str) -> Json:
        found = real(self, id_)
        if id_ == self.gateway_id:
            reads.append(id_)
            if len(reads) == 1:
                put_gateway(both, tags={"owner": "changed meanwhile"})
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Azure, "whole", whole)
        both.up()
    assert len(reads) == 2
    assert gateway(both)["tags"] == {"owner": "changed meanwhile"}
    held = body_gateway.with_inside_addresses(gateway(both), {})
    held["tags"] = {"owner": "network-team"}
    arm(both, "PUT", ID, held)
    gone(both)
    assert theirs(both) == before


# --- one instance ---------------------------------------------------------------------------------------------------


def test_a_life_over_a_gateway_with_one_instance(single: Life) -> None:
    before = theirs(single)
    plan = single.up()
    assert {"The VPN gateway has one instance"} <= {f.summary for f in single.found}
    made = actions(plan, Action.CREATE)
    assert "aws_vpn.connection[0]" in made and "aws_vpn.connection[1]" not in made
    assert {a for a in made if a.startswith("azure_vpn.connection")} == {f"azure_vpn.connection[{n}]" for n in (0, 1)}
    single.clock.wait(900)
    status = single.status()
    assert [t.up for t in status.tunnels] == [True, True]
    assert status.health is Health.NO_REDUNDANCY and status.well
    assert "There is no redundancy on Azure's side" in status.verdict
    assert {c.title for c in status.checks} >= {"Two tunnels are up", "Two BGP sessions carry routes"}
    assert single.up().writes == ()
    # its owner has made it active-active
    held = gateway(single)["properties"]
    ip = f"{GROUP}/publicIPAddresses/second"
    body = {"sku": {"name": "Standard"}, "zones": ["1", "2", "3"], "properties": {"publicIPAllocationMethod": "Static"}}
    arm(single, "PUT", ip, {"location": "westeurope", **body})
    single.clock.wait(60)
    settings = {**held["ipConfigurations"][0]["properties"], "publicIPAddress": {"id": ip}}
    bgp = {k: v for k, v in held["bgpSettings"].items() if k != "bgpPeeringAddress"}
    entry = {"ipconfigurationId": f"{ID}/ipConfigurations/two", "customBgpIpAddresses": []}
    bgp["bgpPeeringAddresses"] = [*bgp["bgpPeeringAddresses"], entry]
    both = [*held["ipConfigurations"], {"name": "two", "properties": settings}]
    put_gateway(single, activeActive=True, ipConfigurations=both, bgpSettings=bgp)
    assert {"aws_vpn.connection[1]"} <= actions(single.up(), Action.CREATE)
    single.clock.wait(900)
    assert single.status().health is Health.HEALTHY
    gone(single)
    assert all(not a for a in custom(single).values())
    assert before
