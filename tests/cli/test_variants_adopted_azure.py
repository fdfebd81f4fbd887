"""A link over an Azure VPN gateway that exists and has one instance, as its user has it: plan, up, what comes after the first
day with two tunnels, and a teardown after which the gateway is as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cloudlink.errors import UsageError
from cloudlink.rehearse import answers as rehearsal_answers
from cloudlink.rehearse import programs, stage
from tests.support.cli import Cli, Result, make_cli

NAME = "hub-gateway"
ADDRESSES = ["169.254.21.2", "169.254.22.2"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with make_cli(tmp_path_factory.mktemp("adopted-azure"), speed=200, more='gateway = "active-standby"\n') as made:
        lines = made.config.read_text().splitlines()
        at = lines.index("[azure.vpn_gateway]")
        end = next(i for i in range(at + 1, len(lines)) if lines[i].startswith("["))
        lines[at + 1 : end] = [f'adopt = "{NAME}"', ""]
        made.config.write_text("\n".join(lines) + "\n")
        yield made


def gateway(place: Cli) -> dict[str, Any]:
    found = place.clouds().azure.gateway(fresh=True)
    assert found is not None
    return dict(_without_etags(found))


def _without_etags(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_etags(v) for k, v in value.items() if k != "etag"}
    return [_without_etags(v) for v in value] if isinstance(value, list) else value


def said(done: Result) -> str:
    return " ".join((done.out + done.err).split())


def custom(place: Cli) -> list[str]:
    (entry,) = gateway(place)["properties"]["bgpSettings"]["bgpPeeringAddresses"]
    return list(entry["customBgpIpAddresses"])


@pytest.fixture(scope="module")
def stood(place: Cli) -> dict[str, Any]:
    assert place.sandbox("start").code == 0
    return gateway(place)


@pytest.fixture(scope="module")
def built(place: Cli, stood: dict[str, Any]) -> Result:
    assert stood
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("COLUMNS", "100")
        return place.cloudlink("up")


def test_up_goes_over_the_gateway_and_says_what_that_means(place: Cli, built: Result) -> None:
    assert built.code == 0, built.out + built.err
    assert f"custom BGP addresses of {NAME}" in built.out
    assert "The VPN gateway has one instance" in built.out + built.err
    assert custom(place) == ADDRESSES
    status = place.cloudlink("status", "--json")
    assert (status.code, status.json["health"]) == (0, "no redundancy")
    assert "no redundancy on Azure's side" in status.json["verdict"]
    assert len(status.json["tunnels"]) == 2
    assert place.cloudlink("status").code == 0
    before = place.writes()
    again = place.cloudlink("up", "--json")
    assert again.code == 0, again.out + again.err
    assert (again.lines[-1]["outcome"], again.lines[-1]["health"]) == ("done", "no redundancy")
    assert place.writes() == before


def test_names_work(place: Cli, built: Result) -> None:
    assert built.code == 0
    assert place.cloudlink("verify-dns", "sentry.prod.corp.example", "--json").code == 0


def test_the_keys_of_two_tunnels_are_changed(place: Cli, built: Result) -> None:
    assert built.code == 0
    done = place.cloudlink("rotate-keys", "--yes")
    assert done.code == 0, done.out + done.err
    assert "the other one carries the traffic" in said(done)
    assert "2 keys changed; two of two tunnels are up and carry routes." in said(done)
    assert "four" not in said(done) and "three" not in said(done)
    assert custom(place) == ADDRESSES
    unknown = place.cloudlink("rotate-keys", "--tunnel", "3", "--yes")
    assert unknown.code == 2, unknown.out + unknown.err
    assert "There is no tunnel 3" in unknown.err


def test_one_of_two_tunnels_goes_down_and_comes_back(place: Cli, built: Result) -> None:
    assert built.code == 0
    done = place.cloudlink("test", "--failover", "--json")
    assert done.code == 0, done.out + done.err
    (failed_over,) = [t for t in done.json["trials"] if t["group"] == "failover"]
    assert "two of two tunnels were up with routes" in failed_over["detail"]


def test_logs_of_two_tunnels(place: Cli, built: Result) -> None:
    assert built.code == 0
    on = place.cloudlink("logs", "--on", "--yes")
    assert on.code == 0, on.out + on.err
    assert "2 tunnels switched on; two of two are up and carry routes." in said(on)
    shown = place.cloudlink("logs", "--json")
    assert shown.code == 0, shown.out + shown.err
    assert [bool(t["group"]) for t in shown.json["tunnels"]] == [True, True]
    assert place.cloudlink("logs").code == 0
    assert place.cloudlink("logs", "--off", "--tunnel", "3", "--yes").code == 2
    off = place.cloudlink("logs", "--off", "--yes")
    assert off.code == 0, off.out + off.err


def test_what_shows_the_link_counts_two(place: Cli, built: Result) -> None:
    assert built.code == 0
    made = place.cloudlink("report", "--out", "r.html")
    assert made.code == 0, made.out + made.err
    page = (place.folder / "r.html").read_text()
    assert "tunnel 2" in page.lower() and "tunnel 3" not in page.lower()
    doctor = place.cloudlink("doctor")
    assert doctor.code == 0, doctor.out + doctor.err
    assert "four" not in said(doctor).lower()


def test_status_waits_no_longer_for_a_second_instance_and_a_watch_ends_well(place: Cli, built: Result) -> None:
    assert built.code == 0
    waited = place.cloudlink("status", "--wait", "2m")
    assert waited.code == 0, waited.out + waited.err
    assert "All 2 tunnels are up." in said(waited)
    watching = subprocess.Popen(
        [sys.executable, "-c", "from cloudlink.cli import main; main()", "status", "--watch", "--json", "--sandbox"],
        cwd=place.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CI": "1"},
    )
    assert watching.stdout is not None
    guard = threading.Timer(60, watching.kill)
    guard.start()
    try:
        shown = json.loads(watching.stdout.readline())
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=30)
    finally:
        guard.cancel()
    assert (shown["health"], len(shown["tunnels"]), watching.returncode) == ("no redundancy", 2, 0), err


def test_two_tunnels_are_rehearsed(place: Cli, built: Result) -> None:
    """What a rehearsal reads, everywhere; the daemons, where they are installed."""
    assert built.code == 0
    clouds = place.clouds()
    answers = rehearsal_answers.read(clouds.link, clouds.aws, clouds.azure, clouds.aks)
    assert (len(answers.offers), len(answers.connections), len(answers.far), len(answers.instances)) == (2, 2, 2, 1)
    assert not stage.of(answers).notes
    try:
        programs.found(answers.coredns)
    except UsageError as missing:
        pytest.skip(str(missing))
    done = place.cloudlink("rehearse", "--quick", "--json")
    assert done.code == 0, done.out + done.err
    assert (done.json["health"], len(done.json["tunnels"])) == ("healthy", 2)


def test_a_pause_leaves_the_gateway(place: Cli, built: Result) -> None:
    assert built.code == 0
    paused = place.cloudlink("pause", "--deep", "--yes")
    assert paused.code == 0, paused.out + paused.err
    assert custom(place) == ADDRESSES
    resumed = place.cloudlink("resume", "--yes")
    assert resumed.code == 0, resumed.out + resumed.err


def test_permissions_name_what_is_written_and_no_deletion_of_a_gateway(place: Cli) -> None:
    shown = place.cloudlink("permissions", sandbox=False)
    assert shown.code == 0, shown.out + shown.err
    assert "Microsoft.Network/virtualNetworkGateways/write" in shown.out
    assert "Microsoft.Network/virtualNetworkGateways/delete" not in shown.out
    assert "Microsoft.Network/publicIPAddresses/write" not in shown.out


def test_teardown_leaves_the_gateway_as_it_stood(place: Cli, built: Result, stood: dict[str, Any]) -> None:
    """Last in this module."""
    assert built.code == 0
    down = place.cloudlink("teardown", "--json")
    assert down.code == 0, down.out + down.err
    report = down.lines[-1]["teardown"]
    assert not report["leftovers"]
    assert "azure_vpn.inside_addresses" in {r["address"] for r in report["restored"]}
    assert "azure_vpn.gateway" in {k["address"] for k in report["kept"]}
    place.control("POST", "clock", {"advance": 600})
    assert json.dumps(gateway(place), sort_keys=True) == json.dumps(stood, sort_keys=True)
