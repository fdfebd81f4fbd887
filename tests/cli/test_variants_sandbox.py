"""cloudlink sandbox: start, stop, reset, status, clock, fault; what outlives what; and that an unused one goes away."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from cloudlink import sandbox_client as client
from cloudlink.sandbox_world import description
from cloudlink_sandbox import client as sandbox_program
from tests.support.cli import Cli, make_cli


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with make_cli(tmp_path_factory.mktemp("box"), speed=200) as made:
        yield made


def wait_until_gone(place: Cli, seconds: float) -> bool:
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if client.find(place.home) is None:
            return True
        time.sleep(0.1)
    return False


def test_before_it_was_started(place: Cli) -> None:
    assert place.sandbox("status", "--json").json == {"running": False}
    assert "cloudlink sandbox start" in place.sandbox("status").out
    for command in (("clock",), ("fault", "list"), ("fault", "add", "throttled", "aws.*")):
        refused = place.sandbox(*command)
        assert refused.code == 2
        assert "cloudlink sandbox start" in refused.err
    assert "No sandbox was running" in place.sandbox("stop").out


def test_start_twice_is_one_sandbox(place: Cli) -> None:
    assert "has started" in place.sandbox("start").out
    first = place.sandbox("status", "--json").json
    assert first["running"]
    assert first["speed"] == 200
    assert all("127.0.0.1" in url for url in first["urls"].values())
    assert "was running already" in place.sandbox("start").out
    assert place.sandbox("status", "--json").json["pid"] == first["pid"]
    assert f"process {first['pid']}" in place.sandbox("status").out


def test_the_clock_is_set_and_moved_forward(place: Cli) -> None:
    place.sandbox("start")
    before = place.sandbox("status", "--json").json["now"]
    assert "50 times" in place.sandbox("clock", "--speed", "50").out
    assert place.sandbox("clock", "--advance", "2h").code == 0
    after = place.sandbox("status", "--json").json
    assert after["speed"] == 50
    assert 7200 <= after["now"] - before < 9000
    assert place.sandbox("clock", "--advance", "soon").code == 2
    assert place.sandbox("clock", "--speed", "-1").code == 2
    place.sandbox("clock", "--speed", "200")


def test_faults_are_added_listed_and_removed(place: Cli) -> None:
    place.sandbox("start")
    assert place.sandbox("fault", "add", "denied", "aws.DescribeVpnGateways").code == 0
    refused = place.cloudlink("plan")
    assert refused.code == 4
    (fault,) = place.sandbox("fault", "list", "--json").json["faults"]
    assert (fault["kind"], fault["target"]) == ("denied", "aws.DescribeVpnGateways")
    assert "aws.DescribeVpnGateways" in place.sandbox("fault", "list").out
    useless = place.sandbox("fault", "add", "denied", "aws.DescribeVpnGateway")
    assert useless.code == 0
    assert "Warning: aws.DescribeVpnGateway matches no call" in useless.err
    place.sandbox("fault", "remove", str(fault["id"] + 1))
    unknown = place.sandbox("fault", "add", "sunspots", "aws.*")
    assert unknown.code == 2
    assert "throttled" in unknown.err
    assert place.sandbox("fault", "remove", "999").code == 2
    assert place.sandbox("fault", "remove", str(fault["id"])).code == 0
    assert place.cloudlink("plan").code == 0
    assert not place.sandbox("fault", "list", "--json").json["faults"]


def test_stop_keeps_the_clouds_and_reset_forgets_them(place: Cli) -> None:
    place.sandbox("start")
    made = place.cloudlink("up", "--only", "resolver", "--no-verify")
    assert made.code == 0, made.out + made.err
    stood = place.inventory()
    assert stood["endpoints"]
    assert "kept" in place.sandbox("stop").out
    assert client.find(place.home) is None
    assert place.sandbox("start").code == 0
    assert place.inventory() == stood
    assert place.state.exists()
    planned = place.cloudlink("plan", "--only", "resolver", "--json").json["changes"]
    assert not [c for c in planned if c["action"] != "no-op"]

    assert place.sandbox("reset").code == 0
    assert client.find(place.home) is None
    assert not place.state.exists()
    assert place.sandbox("start", "--speed", "-1").code == 2
    assert place.sandbox("start", "--speed", "0").code == 0
    assert place.control("GET", "status")["speed"] == 0, "a clock that stands still until it is moved"
    place.sandbox("clock", "--speed", "200")
    assert place.inventory()["endpoints"] == []


def test_a_killed_sandbox_is_started_anew(place: Cli) -> None:
    import os
    import signal

    place.sandbox("start")
    running = client.find(place.home)
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    assert wait_until_gone(place, 10)
    assert place.cloudlink("plan").code == 0
    again = client.find(place.home)
    assert again is not None
    assert again.pid != running.pid


def test_an_unused_sandbox_stops_by_itself_and_keeps_its_clouds(place: Cli) -> None:
    place.sandbox("start")
    made = place.cloudlink("up", "--only", "resolver", "--no-verify")
    assert made.code == 0, made.out + made.err
    place.sandbox("stop")
    sandbox_program.start(place.home, description(place.link), speed=200, idle=2.0)
    address = place.home / sandbox_program.ADDRESS_FILE
    begin = time.monotonic()
    while address.exists():  # asking it anything would be a use
        assert time.monotonic() - begin < 20
        time.sleep(0.2)
    assert wait_until_gone(place, 5)
    place.sandbox("start")
    assert place.inventory()["endpoints"]
