"""Keys of tunnels: one at a time, three of four always up, and any run can be killed anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cloudlink.clouds.aws.tags import KEYS_TAG
from cloudlink.config import load
from cloudlink.core.events import Event
from cloudlink.day_two.endpoints import TunnelEndpoints
from cloudlink.day_two.reports import RotationReport
from cloudlink.day_two.rotation import Rotation
from cloudlink.errors import CloudError, CredentialsError, UnhealthyError
from tests.support.built_link import HOUR, BuiltLink, Calls, Killed
from tests.support.cli import EXAMPLE

DAY = 24 * HOUR


def rotation(place: BuiltLink, events: list[Event] | None = None) -> Rotation:
    clouds = place.connect()
    tell = events.append if events is not None else lambda _: None
    return Rotation(TunnelEndpoints(place.link, clouds.aws, clouds.azure, place.time, place.policy, tell))


def rotate(place: BuiltLink, only: tuple[int, ...] = (), older_than: float | None = None) -> RotationReport:
    run = rotation(place)
    return run.carry_out(run.plan(only, older_than))


def keys(place: BuiltLink) -> list[tuple[str, str]]:
    """AWS's and Azure's, of each tunnel."""
    found = rotation(place).endpoints.read()
    assert all(n.key and n.azure.key for n in found)
    return [(n.key.reveal(), n.azure.key.reveal()) for n in found if n.key and n.azure.key]


def healthy(place: BuiltLink) -> bool:
    return all(n.settled and not n.keys_differ for n in rotation(place).endpoints.read())


def watch_tunnels(place: BuiltLink, calls: Calls) -> list[int]:
    """How many were up after each call, as the world knows it."""
    seen: list[int] = []
    context = place.sandbox.context

    def look() -> None:
        with context.lock:
            seen.append(sum(t.bgp for t in context.world().tunnels))

    calls.each = look
    return seen


def test_all_four_get_new_keys_and_three_stay_up(place: BuiltLink, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(place)
    calls = Calls(monkeypatch)
    seen = watch_tunnels(place, calls)
    report = rotate(place)
    monkeypatch.undo()
    after = keys(place)
    assert report.ended
    assert [t.rotated for t in report.tunnels] == [True] * 4
    assert all(aws == azure for aws, azure in after)
    assert not {k for pair in before for k in pair} & {k for pair in after for k in pair}
    assert min(seen) == 3
    assert healthy(place)


def test_aws_first_and_azure_while_aws_is_at_work(place: BuiltLink, monkeypatch: pytest.MonkeyPatch) -> None:
    rotate(place, only=(2,))
    assert place.writes() == [
        "CreateTags",
        "ModifyVpnTunnelOptions",
        "PUT sharedkey",
        "CreateTags",
    ]


def test_by_age(place: BuiltLink) -> None:
    made = rotation(place).plan().tunnels
    assert all(t.key_changed is not None and not t.why for t in made), "those of a build have an age"
    assert not rotation(place).plan(older_than=DAY).due
    rotate(place, only=(1, 3))
    place.time.wait(100 * DAY)
    rotate(place, only=(3,))
    planned = rotation(place).plan(older_than=90 * DAY)
    assert [t.name for t in planned.due] == ["tunnel 2", "tunnel 4", "tunnel 1"], "the oldest first"
    assert [t.action for t in planned.tunnels] == ["rotate", "rotate", "keep", "rotate"]


def test_of_a_connection_without_a_moment_the_age_is_unknown_and_old(place: BuiltLink) -> None:
    """As an older cloudlink made it."""
    first = rotation(place).endpoints.read()[0].vpn.id
    place.connect().aws.ec2.delete_tags(Resources=[first], Tags=[{"Key": KEYS_TAG}])
    planned = rotation(place).plan(older_than=90 * DAY)
    assert [(t.name, t.key_changed, t.why) for t in planned.due] == [
        ("tunnel 1", None, "not known how old it is"),
        ("tunnel 2", None, "not known how old it is"),
    ]
    up_since = [t.status.aws.since for t in rotation(place).endpoints.read()[:2] if t.status.aws]
    assert [t.unchanged_since for t in planned.tunnels] == [*up_since, None, None], "a new key would have taken it down"


def test_nothing_due_changes_nothing(place: BuiltLink) -> None:
    rotate(place)
    writes = len(place.writes())
    assert rotate(place, older_than=DAY).due == ()
    assert len(place.writes()) == writes


@pytest.mark.parametrize("number", [1, 4])
def test_begins_only_with_four_of_four(place: BuiltLink, number: int) -> None:
    outside = rotation(place).endpoints.read()[number - 1].outside
    place.fault("tunnel-down", outside)
    with pytest.raises(UnhealthyError, match=f"tunnel {number}"):
        rotation(place).plan(only=(2,))
    assert place.writes() == []


def test_a_tunnel_that_goes_down_meanwhile_stops_the_next(place: BuiltLink) -> None:
    run = rotation(place)
    planned = run.plan()
    place.fault("tunnel-down", run.endpoints.read()[3].outside)
    with pytest.raises(UnhealthyError):
        run.carry_out(planned)
    assert "ModifyVpnTunnelOptions" not in place.writes()


def test_a_key_changed_by_hand_is_not_taken_for_a_rotation(place: BuiltLink) -> None:
    clouds = place.connect()
    clouds.azure.put_shared_key(clouds.azure.name("connection-2"), {"value": "byHand" * 6})
    place.time.wait(HOUR)
    with pytest.raises(UnhealthyError, match="tunnel 2"):
        rotation(place).plan()


def test_aws_that_fails_leaves_the_old_key_on_both_sides(place: BuiltLink) -> None:
    before = keys(place)
    place.fault("operation-fails", "aws.ModifyVpnTunnelOptions")
    with pytest.raises(CloudError, match="did not take"):
        rotate(place, only=(1,))
    place.time.wait(HOUR)
    assert keys(place) == before
    assert healthy(place)


def calls_of_one(place: BuiltLink) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        calls = Calls(patch)
        rotate(place, (2,))
        return list(calls.made)


def killed_and_run_again(place: BuiltLink, number: int, moment: str) -> None:
    """The second run ends with new keys on both sides and never has two tunnels down; nothing else was kept."""
    place.back()
    old = keys(place)
    with pytest.MonkeyPatch.context() as patch:
        calls = Calls(patch)
        seen = watch_tunnels(place, calls)
        calls.begin((number, moment))
        with pytest.raises(Killed):
            rotate(place, (2,))
        where = f"{moment} call {number}, {calls.made[-1]}"
        calls.begin(None)
        rotate(place, (2,))
    new = keys(place)
    assert healthy(place), where
    assert new[1][0] == new[1][1] != old[1][0], where
    assert new[0] == old[0], where
    assert min(seen) >= 3, where
    assert place.writes().count("ModifyVpnTunnelOptions") <= 2, where


def test_killed_at_every_write_and_run_again(place: BuiltLink) -> None:
    made = calls_of_one(place)
    writes = [
        n
        for n, call in enumerate(made, 1)
        if call in ("CreateTags", "ModifyVpnTunnelOptions") or call == "PUT sharedkey"
    ]
    assert len(writes) == 4
    for number in writes:
        killed_and_run_again(place, number, "before")
        killed_and_run_again(place, number, "after")


@pytest.mark.slow
@pytest.mark.long
def test_killed_at_every_call_and_run_again(place: BuiltLink) -> None:
    made = calls_of_one(place)
    assert len(made) > 20
    for number in range(1, len(made) + 1):
        for moment in ("before", "after"):
            killed_and_run_again(place, number, moment)


def test_a_rotation_that_was_interrupted_goes_on_with_what_is_left(
    place: BuiltLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        calls = Calls(patch)
        modified = 0

        def stop_at_the_second() -> None:
            nonlocal modified
            if calls.made[-1] == "ModifyVpnTunnelOptions":
                modified += 1
                if modified == 2:
                    raise Killed

        calls.each = stop_at_the_second
        with pytest.raises(Killed):
            rotate(place)
    planned = rotation(place).plan()
    assert planned.resumed
    assert [t.action for t in planned.tunnels] == ["keep", "finish", "rotate", "rotate"]
    place.sandbox.context.journal.clear()
    rotate(place)
    assert place.writes().count("ModifyVpnTunnelOptions") == 2, "the second tunnel has its key at AWS already"
    assert healthy(place)
    assert not rotation(place).plan().resumed, "the rotation has ended"


def test_a_lost_answer_of_aws_is_not_a_second_key(place: BuiltLink) -> None:
    place.fault("cut-after", "aws.ModifyVpnTunnelOptions")
    rotate(place, only=(1,))
    assert place.writes().count("ModifyVpnTunnelOptions") == 1
    assert healthy(place)


def test_no_key_is_told_or_kept(place: BuiltLink, capfd: pytest.CaptureFixture[str]) -> None:
    from cloudlink.view.json_lines import as_json, dumped

    events: list[Event] = []
    run = rotation(place, events)
    report = run.carry_out(run.plan((1,)))
    said = dumped(as_json(report)) + "".join(map(repr, events)) + "".join(capfd.readouterr())
    tags = str([n.tags for n in run.endpoints.read()])
    for pair in keys(place):
        for key in pair:
            assert key not in said
            assert key not in tags


def test_an_azure_that_refuses_says_so_and_the_next_run_finishes(place: BuiltLink) -> None:
    run = rotation(place)
    planned = run.plan((1,))
    place.fault("denied", "azure.PUT:sharedkey/*")  # after the plan, which would say so
    with pytest.raises(CredentialsError, match="finishes this tunnel first") as caught:
        run.carry_out(planned)
    assert "tunnel 1" in caught.value.detail
    assert next(t.action for t in rotation(place).plan((1,)).tunnels) == "finish"
    rotate(place, only=(1,))
    assert healthy(place)


def test_keys_that_aws_keeps_in_secrets_manager(tmp_path: Path) -> None:
    link = load(EXAMPLE, sandbox=True)
    place = BuiltLink(replace(link, aws=replace(link.aws, psk_storage="secrets-manager")), tmp_path)
    try:
        before = keys(place)
        rotate(place, only=(1,))
        after = keys(place)
        assert after[0][0] == after[0][1] != before[0][0]
        assert after[1:] == before[1:]
        assert healthy(place)
    finally:
        place.stop()


def test_a_lock_in_azure_is_told_before_aws_gets_a_new_key(place: BuiltLink) -> None:
    before, azure = keys(place), place.connect().azure
    group = azure.group_id(place.link.azure.resource_group)
    lock = f"{group}/providers/Microsoft.Authorization/locks/keep"
    azure._session.ask("PUT", lock, body={"properties": {"level": "ReadOnly", "notes": "ask Ann"}})
    try:
        with pytest.raises(CloudError) as raised:
            rotate(place)
    finally:
        azure._session.ask("DELETE", lock)
    assert raised.value.summary == "A lock in Azure forbids it"
    assert "ask Ann" in raised.value.detail
    assert keys(place) == before
    assert healthy(place)


def test_a_permission_that_is_missing_in_azure_is_told_before_aws_gets_a_new_key(place: BuiltLink) -> None:
    before = keys(place)
    place.fault("denied", "azure.PUT:sharedkey/*", times=None)
    with pytest.raises(CredentialsError) as raised:
        rotate(place)
    assert "sharedKey/write" in raised.value.detail
    assert keys(place) == before
    assert healthy(place)
