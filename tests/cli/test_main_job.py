"""The main job on the sandbox, as a user runs it: up, up again, status, verify-dns, drift, a wrong key."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.cli import Cli, Result, make_cli


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with make_cli(tmp_path_factory.mktemp("job")) as made:
        yield made


@pytest.fixture(scope="module")
def built(place: Cli) -> Result:
    """The first ``up``."""
    planned = place.cloudlink("plan", "--json")
    assert {c["action"] for c in planned.json["changes"]} <= {"create", "no-op"}
    assert place.writes() == 0, "a plan writes nothing"
    return place.cloudlink("up")


@pytest.fixture
def linked(place: Cli, built: Result) -> Iterator[Cli]:
    """A healthy link; what a test broke is repaired after it."""
    assert built.code == 0, built.out + built.err
    yield place
    place.cloudlink("up")


def test_up_ends_with_four_tunnels_and_a_name(built: Result) -> None:
    assert built.code == 0, built.out + built.err
    assert "4 of 4 tunnels" in built.out
    assert "sentry.prod.corp.example" in built.out
    assert "Traceback" not in built.err


def test_a_second_up_writes_nothing_and_says_so(linked: Cli) -> None:
    before = linked.writes()
    again = linked.cloudlink("up")
    assert again.code == 0
    assert "Nothing to do" in again.out
    assert linked.writes() == before


def test_who_changes_nothing_imports_no_models_of_azures(linked: Cli) -> None:
    code = (
        "import sys; from cloudlink.cli.commands import run; code = run(['up', '--sandbox']);"
        "sys.exit(', '.join(m for m in sys.modules if m.startswith('azure.mgmt')) or code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=linked.folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing to do" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--no-verify", "--json"], {"checks.report", "day_two.reports", "inspection", "removal", "pausing"}),
        ([], {"inspection.status", "inspection.names", "checks.names.probe", "removal", "pausing"}),
    ],
)
def test_who_changes_nothing_loads_nothing_of_what_a_change_asks_for(
    linked: Cli, arguments: list[str], left: set[str]
) -> None:
    """Cloudlink's own modules are a third of the processor time of such a run."""
    code = (
        "import sys; from cloudlink.cli.commands import run; code = run(['up', '--sandbox', *sys.argv[1:]]);"
        "sys.stderr.write('\\n'.join(m for m in sys.modules if m.startswith('cloudlink.'))); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=linked.folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = {name.removeprefix("cloudlink.") for name in done.stderr.split()}
    assert "checks.preflight.run" in loaded
    assert loaded & (left | {"checks.preflight.topics", "checks.preflight.permissions"}) == set()


def test_status_as_json(linked: Cli) -> None:
    result = linked.cloudlink("status", "--json")
    assert result.code == 0
    assert result.json["health"] == "healthy"
    tunnels = result.json["tunnels"]
    assert len(tunnels) == 4
    assert all(t["up"] and t["aws"]["state"] == "UP" and t["azure"]["status"] == "Connected" for t in tunnels)
    assert all(t["bgp"]["state"] == "Connected" and t["bgp"]["routes"] >= 1 for t in tunnels)
    assert not result.json["drift"]


def test_verify_dns_as_json(linked: Cli) -> None:
    before = linked.inventory()["pods"]
    result = linked.cloudlink("verify-dns", "--json")
    assert result.code == 0, result.out
    names = {n["name"]: n for n in result.json["names"]}
    assert names["sentry.prod.corp.example"]["verdict"] == "ok"
    hops = [h["hop"] for h in names["vault.prod.corp.example"]["hops"]]
    assert hops[0] == "cluster-dns"
    assert sum(h.startswith("endpoint") and h.endswith("udp") for h in hops) == 3
    assert sum(h.startswith("endpoint") and h.endswith("tcp") for h in hops) == 3
    assert any(h.startswith("tls") and h.endswith(":8200") for h in hops)
    assert linked.inventory()["pods"] == before, "the pod is removed"


def test_verify_dns_of_one_name_and_of_an_unknown_one(linked: Cli) -> None:
    result = linked.cloudlink("verify-dns", "anything.prod.corp.example", "--json")
    assert [n["name"] for n in result.json["names"]] == ["anything.prod.corp.example"]
    assert result.code == 0
    assert linked.cloudlink("verify-dns", "www.elsewhere.example").code == 2


def test_a_wrong_key_on_one_side_names_the_tunnel_and_up_repairs_it(linked: Cli) -> None:
    azure = linked.clouds().azure
    azure.network.virtual_network_gateway_connections.begin_set_shared_key(
        "cloudlink-demo", "cloudlink-demo-connection-2", {"value": "NotTheKey1234567"}, polling=False
    )
    linked.control("POST", "clock", {"advance": 180})
    result = linked.cloudlink("status", "--json")
    assert result.code == 8
    assert result.json["health"] == "degraded"
    down = [t for t in result.json["tunnels"] if not t["up"]]
    assert [t["address"] for t in down] == ["tunnel[1]"]
    assert "keys differ" in down[0]["why"]
    assert "NotTheKey" not in result.out
    planned = linked.cloudlink("plan", "--json").json["changes"]
    drifted = [c for c in planned if c["action"] != "no-op"]
    assert [(c["address"], c["action"], c["drift"]) for c in drifted] == [("azure_vpn.connection[1]", "update", True)]
    assert linked.cloudlink("up").code == 0
    assert linked.cloudlink("status", "--json").json["health"] == "healthy"


def test_drift_by_hand_is_shown_and_repaired(linked: Cli) -> None:
    clouds = linked.clouds()
    tables = clouds.aws.ec2.describe_route_tables()["RouteTables"]
    table, gateway = next(
        (t["RouteTableId"], t["PropagatingVgws"][0]["GatewayId"]) for t in tables if t.get("PropagatingVgws")
    )
    clouds.aws.ec2.disable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
    status = linked.cloudlink("status", "--json")
    assert status.code == 8
    assert any(d["address"] == "aws_vpn.route_propagation" for d in status.json["drift"])
    assert any(t["id"] == table and t["missing"] for t in status.json["route_tables"])
    before = linked.writes()
    assert linked.cloudlink("up").code == 0
    assert linked.cloudlink("status").code == 0
    # one call, and the probe's pod
    assert linked.writes() - before <= 3


def test_a_changed_record_changes_only_the_records(linked: Cli) -> None:
    linked.replace('addresses = ["10.10.8.15", "10.10.24.15"]', 'addresses = ["10.10.8.15"]')
    try:
        changes = linked.cloudlink("plan", "--json").json["changes"]
        assert [c["address"] for c in changes if c["action"] != "no-op"] == ["resolver.records"]
        assert linked.cloudlink("up").code == 0
    finally:
        linked.replace('addresses = ["10.10.8.15"]', 'addresses = ["10.10.8.15", "10.10.24.15"]')


def test_up_as_json_lines_ends_with_a_result(linked: Cli) -> None:
    result = linked.cloudlink("up", "--json")
    assert result.lines[-1]["type"] == "result"
    assert result.lines[-1]["exit_code"] == 0


def test_without_a_terminal_and_without_a_sandbox_nobody_is_asked(linked: Cli) -> None:
    """Against real clouds up refuses to guess; here the credentials are missing before that can be asked."""
    result = linked.cloudlink("plan", sandbox=False)
    assert result.code in (4, 5)
    assert "Traceback" not in result.err


def test_the_state_file_is_private_and_holds_no_key(linked: Cli) -> None:
    assert stat.S_IMODE(linked.state.stat().st_mode) == 0o600
    text = linked.state.read_text()
    keys = [
        o["PreSharedKey"].reveal()
        for c in linked.clouds().aws.vpn_connections()
        for o in (c.get("Options") or {}).get("TunnelOptions") or ()
        if o.get("PreSharedKey")
    ]
    assert len(keys) == 4
    assert not any(k in text for k in keys)
    assert not any(k in p.read_text(errors="replace") for p in linked.home.glob("*.log") for k in keys)


def test_a_lost_state_file_is_rebuilt_without_a_write(linked: Cli) -> None:
    linked.state.unlink()
    before = linked.writes()
    result = linked.cloudlink("up")
    assert result.code == 0
    assert linked.writes() == before
    assert len(json.loads(linked.state.read_text())["resources"]) > 20


def test_a_tunnel_that_dies_is_named(linked: Cli) -> None:
    inside = str(linked.link.tunnels[3].inside)
    victim = next(t["outside_ip"] for t in linked.control("GET", "world")["tunnels"] if t["inside"] == inside)
    fault = linked.control("POST", "faults", {"kind": "tunnel-down", "target": victim, "times": None})
    try:
        result = linked.cloudlink("status", "--json")
        assert result.code == 8
        assert [t["address"] for t in result.json["tunnels"] if not t["up"]] == ["tunnel[3]"]
    finally:
        linked.control("DELETE", f"faults/{fault['id']}")


def test_an_endpoint_address_that_dies_is_named_by_verify_dns(linked: Cli) -> None:
    address = linked.cloudlink("status", "--json").json["endpoint"]["addresses"][0]["address"]
    fault = linked.control("POST", "faults", {"kind": "endpoint-ip-down", "target": address, "times": None})
    try:
        result = linked.cloudlink("verify-dns", "sentry.prod.corp.example", "--json")
        hops = {h["hop"]: h["result"] for h in result.json["names"][0]["hops"]}
        assert hops[f"endpoint {address} udp"] == "timeout"
        assert hops[f"endpoint {address} tcp"] == "timeout"
        assert sum(v == "ok" for k, v in hops.items() if k.startswith("endpoint")) == 4
        assert result.code == 8
    finally:
        linked.control("DELETE", f"faults/{fault['id']}")
