"""A command that was killed is told by status: how far it got, and the way on, which ends in health."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from cloudlink.checks import interrupted, status, tunnels
from cloudlink.checks.interrupted import Left
from cloudlink.checks.report import Health, StatusReport
from cloudlink.checks.status_reads import tunnel_facts
from cloudlink.day_two.endpoints import TunnelEndpoints
from cloudlink.day_two.failover import Failover
from cloudlink.day_two.logs import Logs
from cloudlink.day_two.rotation import Rotation
from tests.support.built_link import HOUR, BuiltLink, Calls, Killed

WRITES = {
    "CreateTags",
    "CreateLogGroup",
    "PutRetentionPolicy",
    "ModifyVpnTunnelOptions",
    "PUT sharedkey",
    "POST resetconnection",
}


def endpoints(place: BuiltLink) -> TunnelEndpoints:
    clouds = place.connect()
    return TunnelEndpoints(place.link, clouds.aws, clouds.azure, place.time, place.policy)


def rotate(place: BuiltLink, only: tuple[int, ...]) -> None:
    run = Rotation(endpoints(place))
    run.carry_out(run.plan(only))


def switch(place: BuiltLink, change: Any, only: tuple[int, ...], days: int) -> None:
    run = Logs(endpoints(place))
    run.carry_out(run.plan(change, only), days=days)


def disturb(place: BuiltLink) -> None:
    run = Failover(endpoints(place))
    run.carry_out(run.plan())


def left(place: BuiltLink) -> Left | None:
    clouds = place.connect()
    facts = tunnel_facts(place.link, clouds.aws, clouds.azure, fresh=True)
    return interrupted.of_tunnels(place.link, tunnels.statuses(place.link, *facts), *facts, place.time.now())


def report(place: BuiltLink) -> StatusReport:
    clouds = place.connect()
    made = status.quick(place.link, clouds.aws, clouds.azure, now=place.time.now(), fresh=True)
    found = left(place)
    return interrupted.told(made, found) if found else made


def follow(place: BuiltLink, command: str) -> None:
    """What a user would do."""
    words = shlex.split(command)[1:]
    only = tuple(int(n) for word, n in pairwise(words) if word == "--tunnel")
    if words[0] == "status":
        place.time.wait(600)
    elif words[0] == "rotate-keys":
        rotate(place, only)
    elif words[0] == "test":
        disturb(place)
    else:
        assert words[0] == "logs"
        days = int(words[words.index("--days") + 1]) if "--days" in words else 30
        switch(place, "on" if "--on" in words else "off", only, days)


def killed_at_each_write(place: BuiltLink, run: Callable[[], None], check: Callable[[int, str], None]) -> int:
    """Before the first, and after each. check: is given the number of the write, and its name."""
    with pytest.MonkeyPatch.context() as patch:
        calls = Calls(patch)
        run()
        points = [(i, name) for i, name in enumerate(calls.made, 1) if name in WRITES]
        for order, (number, name) in enumerate(points):
            for moment in ("before", "after") if order == 0 else ("after",):
                calls.begin(None)
                place.back()
                calls.begin((number, moment))
                with pytest.raises(Killed):
                    run()
                calls.begin(None)
                check(order, f"{moment} {name}")
    return len(points)


def nothing() -> None:
    pass


def ends_in_health(place: BuiltLink, where: str, most: int = 2) -> list[str]:
    """The commands that status advises, followed until it advises none."""
    commands: list[str] = []
    while (found := left(place)) is not None:
        assert found.command not in commands, (where, commands)
        commands.append(found.command)
        follow(place, found.command)
    place.time.wait(60)
    assert report(place).health is Health.HEALTHY, (where, commands)
    assert not any(n.keys_differ or not n.settled for n in endpoints(place).read()), (where, commands)
    assert len(commands) <= most, (where, commands)
    return commands


def test_of_one_key(place: BuiltLink) -> None:
    told: dict[str, str] = {}

    def check(order: int, where: str) -> None:
        found = left(place)
        told[f"{order} {where}"] = found.said if found else ""
        if found is not None and found.command.startswith("cloudlink rotate-keys"):
            assert found.command == "cloudlink rotate-keys --tunnel 2"
        made = report(place)
        if found is not None:
            assert (made.advice.command, made.next) == (found.command, (found.command,)), where
            assert made.advice.cause == found.said and made.advice.task == ""
        ends_in_health(place, where)

    assert killed_at_each_write(place, lambda: rotate(place, (2,)), check) == 4
    assert told["0 before CreateTags"] == "", "nothing has happened"
    assert "is not known" in told["0 after CreateTags"]
    assert "AWS is at work on tunnel 2" in told["1 after ModifyVpnTunnelOptions"]
    assert "both clouds have the new key of tunnel 2" in told["3 after CreateTags"]


def test_between_the_two_clouds_azure_is_to_get_the_key_of_aws(
    place: BuiltLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    calls.each = lambda: _die_at(calls, "ModifyVpnTunnelOptions")
    with pytest.raises(Killed):
        rotate(place, (2,))
    calls.each = nothing
    place.time.wait(HOUR)
    found = left(place)
    assert found is not None and found.tunnels == (2,)
    assert "AWS has the new key of tunnel 2, and Azure has not." in found.said
    assert found.effect == "finishes tunnel 2; the others stay up; about 5 min"
    writes = len(place.writes())
    follow(place, found.command)
    assert "ModifyVpnTunnelOptions" not in place.writes()[writes:], "the effect that was told is the one it had"
    assert left(place) is None


def _die_at(calls: Calls, name: str, count: int = 1) -> None:
    if calls.made[-1] == name and calls.made.count(name) == count:
        raise Killed


@pytest.mark.parametrize("only", [(), (1, 3)])
def test_of_several_keys_only_those_that_were_chosen_are_gone_on_with(
    place: BuiltLink, monkeypatch: pytest.MonkeyPatch, only: tuple[int, ...]
) -> None:
    calls = Calls(monkeypatch)
    calls.each = lambda: _die_at(calls, "ModifyVpnTunnelOptions", 2)
    with pytest.raises(Killed):
        rotate(place, only)
    calls.each = nothing
    whole = len(only) or 4
    found = left(place)
    assert found is not None and found.command == "cloudlink rotate-keys"
    assert f"1 of {whole} keys are changed" in found.said
    # the oldest go first, and which connection was made first is the clouds' affair
    rest = re.search(r"finishes tunnel (\d), then changes the keys of tunnels (\d) and (\d); one is", found.effect)
    assert (rest is None) is bool(only), found.effect
    assert rest is None or (len(set(rest.groups())) == 3 and int(rest[1]) % 2 == 0), (
        "the first of its connection is done"
    )
    place.sandbox.context.journal.clear()
    assert ends_in_health(place, "second") == ["cloudlink rotate-keys"]
    assert place.writes().count("ModifyVpnTunnelOptions") == whole - 2


def test_of_logs(place: BuiltLink) -> None:
    def check(order: int, where: str) -> None:
        found = left(place)
        assert (found is None) is (where.startswith("before") or order >= 5), where
        ends_in_health(place, where)
        on = [all((n.ike_log, n.bgp_log)) for n in endpoints(place).read()]
        assert on == ([False] * 4 if found is None and order == 0 else [False, False, True, False]), where

    assert killed_at_each_write(place, lambda: switch(place, "on", (3,), 14), check) == 7


@pytest.mark.parametrize(("command", "last"), [("logs", "ModifyVpnTunnelOptions"), ("test", "POST resetconnection")])
def test_keys_of_an_hour_ago_are_not_blamed_for_what_another_command_has_taken_down(
    place: BuiltLink, monkeypatch: pytest.MonkeyPatch, command: str, last: str
) -> None:
    rotate(place, ())
    place.time.wait(60)
    calls = Calls(monkeypatch)
    calls.each = lambda: _die_at(calls, last)
    with pytest.raises(Killed):
        if command == "logs":
            switch(place, "on", (), 14)
        else:
            disturb(place)
    calls.each = nothing
    found = left(place)
    assert found is not None and found.said.startswith(f"cloudlink {command}"), found
    ends_in_health(place, command)


def test_of_logs_that_were_to_go_off(place: BuiltLink, monkeypatch: pytest.MonkeyPatch) -> None:
    switch(place, "on", (1, 2), 14)
    calls = Calls(monkeypatch)
    calls.each = lambda: _die_at(calls, "ModifyVpnTunnelOptions")
    with pytest.raises(Killed):
        switch(place, "off", (), 30)
    calls.each = nothing
    found = left(place)
    assert found is not None and found.command == "cloudlink logs --off --tunnel 1 --tunnel 2"
    assert ends_in_health(place, "off") == [found.command]


def test_of_a_failover_test(place: BuiltLink) -> None:
    seen: set[str] = set()

    def check(order: int, where: str) -> None:
        found = left(place)
        assert found is None or order > 0 or where.startswith("after")
        seen.update(ends_in_health(place, where))

    assert killed_at_each_write(place, lambda: disturb(place), check) == 3
    assert seen == {"cloudlink status --wait 10m", "cloudlink test --failover"}


def test_another_tunnel_that_is_down_comes_first(place: BuiltLink, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation would refuse, and send people back."""
    calls = Calls(monkeypatch)
    calls.each = lambda: _die_at(calls, "ModifyVpnTunnelOptions")
    with pytest.raises(Killed):
        rotate(place, (2,))
    calls.each = nothing
    place.time.wait(HOUR)
    place.fault("tunnel-down", endpoints(place).read()[3].outside)
    place.time.wait(10)
    made = report(place)
    assert "rotate-keys" not in made.advice.command
    assert any("cloudlink rotate-keys --tunnel 2" in other for other in made.advice.others)
