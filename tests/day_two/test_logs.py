"""Logs of tunnels: on and off one at a time, three of four always up, any run can be killed anywhere, and what they say."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from cloudlink.checks.report import TeardownReport
from cloudlink.clouds.aws import logs as cloudwatch
from cloudlink.clouds.azure.parse_monitor import diagnostic_setting
from cloudlink.core.events import Event
from cloudlink.day_two import logs
from cloudlink.day_two.endpoints import TunnelEndpoints
from cloudlink.day_two.logs import Logs
from cloudlink.day_two.reports import LogsReport
from cloudlink.errors import ConflictError, CredentialsError, UnhealthyError
from cloudlink.session.building import Building
from tests.support.built_link import BuiltLink, Calls, Killed

WORKSPACE = "/subscriptions/s/resourceGroups/ops/providers/Microsoft.OperationalInsights/workspaces/ops"


def of(place: BuiltLink, events: list[Event] | None = None, told: dict[str, str] | None = None) -> Logs:
    clouds = place.connect()
    tell = events.append if events is not None else lambda _: None
    endpoints = TunnelEndpoints(place.link, clouds.aws, clouds.azure, place.time, place.policy, tell)
    return Logs(endpoints, (told if told is not None else {}).__setitem__)


def switch(
    place: BuiltLink, change: str, only: tuple[int, ...] = (), workspace: str = "", days: int = 30
) -> LogsReport:
    run = of(place)
    return run.carry_out(run.plan("on" if change == "on" else "off", only, workspace), days=days)


def state(place: BuiltLink) -> list[bool]:
    return [bool(n.ike_log and n.bgp_log) for n in of(place).endpoints.read()]


def test_on_one_at_a_time_in_one_call_each_and_three_stay_up(place: BuiltLink, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, seen = Calls(monkeypatch), list[int]()
    context = place.sandbox.context

    def look() -> None:
        with context.lock:
            seen.append(sum(t.bgp for t in context.world().tunnels))

    calls.each = look
    report = switch(place, "on", days=14)
    monkeypatch.undo()
    assert report.ended and report.retention == 14
    assert [t.changed for t in report.tunnels] == [True] * 4
    assert place.writes().count("ModifyVpnTunnelOptions") == 4
    assert place.writes()[:3] == ["CreateTags", "CreateLogGroup", "PutRetentionPolicy"]
    assert min(seen) == 3
    assert state(place) == [True] * 4
    group = cloudwatch.find_group(place.connect().aws, "/aws/vendedlogs/cloudlink/" + place.link.name)
    assert group is not None and group.retention == 14
    assert cloudwatch.tags_of_group(place.connect().aws, group)["cloudlink-link"] == place.link.name


def test_a_second_run_writes_nothing(place: BuiltLink) -> None:
    switch(place, "on", only=(2,))
    place.sandbox.context.journal.clear()
    again = switch(place, "on", only=(2,))
    assert again.due == () and place.writes() == []
    assert state(place) == [False, True, False, False]


def test_off_again_and_nothing_else_of_the_tunnel_changes(place: BuiltLink) -> None:
    before = [(n.key.reveal() if n.key else "", n.status.up) for n in of(place).endpoints.read()]
    switch(place, "on", only=(1,))
    switch(place, "off")
    assert state(place) == [False] * 4
    assert [(n.key.reveal() if n.key else "", n.status.up) for n in of(place).endpoints.read()] == before


def test_killed_at_every_call_and_run_again(place: BuiltLink, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch)
    calls.begin(None)
    switch(place, "on", only=(3,))
    writes = [i + 1 for i, name in enumerate(calls.made) if name in _WRITES]
    assert len(writes) == 7  # the run's tag, the group, its retention, a tag, the options, a tag, the run's tag
    for number in writes:
        for when in ("before", "after"):
            place.back()
            calls.begin((number, when))
            with pytest.raises(Killed):
                switch(place, "on", only=(3,))
            calls.begin(None)
            switch(place, "on", only=(3,))
            assert state(place) == [False, False, True, False], (number, when)
            assert all(place.up()), (number, when)


_WRITES = {"CreateLogGroup", "PutRetentionPolicy", "CreateTags", "ModifyVpnTunnelOptions"}


def test_what_a_killed_run_left_down_is_finished_first(place: BuiltLink, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch)
    calls.begin(None)
    switch(place, "on", only=(3,))
    number = calls.made.index("ModifyVpnTunnelOptions") + 1
    place.back()
    calls.begin((number, "after"))
    with pytest.raises(Killed):
        switch(place, "on", only=(3,))
    calls.begin(None)
    planned = of(place).plan("on")
    assert [t.action for t in planned.due] == ["finish", "on", "on", "on"]
    assert planned.due[0].name == "tunnel 3"


def test_not_with_a_tunnel_down(place: BuiltLink) -> None:
    place.fault("tunnel-down", of(place).endpoints.read()[0].outside)
    with pytest.raises(UnhealthyError, match="A change of logs needs four of four"):
        of(place).plan("on")
    assert place.writes() == []


def test_a_log_group_that_is_somebody_elses_is_left_alone(place: BuiltLink) -> None:
    name = logs.group_name(place.link)
    place.connect().aws.client("logs").create_log_group(logGroupName=name, tags={"team": "other"})
    with pytest.raises(ConflictError, match="somebody else's"):
        of(place).plan("on")
    assert logs.remove(place.link, place.connect().aws, place.connect().azure, remembered=()) == ((), None)
    gone, foreign = logs.remove(place.link, place.connect().aws, place.connect().azure, remembered=(logs.ADDRESS,))
    assert gone == () and foreign is not None and name in foreign.detail
    assert "list-tags" in foreign.hint and "delete" not in foreign.hint
    assert place.connect().aws.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]


def test_a_log_that_goes_elsewhere_is_left_alone(place: BuiltLink) -> None:
    aws = place.connect().aws
    aws.client("logs").create_log_group(logGroupName="theirs")
    arn = aws.client("logs").describe_log_groups(logGroupNamePrefix="theirs")["logGroups"][0]["logGroupArn"]
    first = of(place).endpoints.read()[0]
    of(place).endpoints.change_logs(first, arn)
    place.time.wait(1200)
    planned = of(place).plan("on")
    assert [t.action for t in planned.tunnels] == ["keep", "on", "on", "on"]
    assert "theirs already" in planned.tunnels[0].why
    assert [t.action for t in of(place).plan("off").tunnels] == ["keep"] * 4


def test_without_the_permission_it_stops_before_a_tunnel_is_touched(place: BuiltLink) -> None:
    place.fault("denied", "aws.CreateLogGroup")
    run = of(place)
    planned = run.plan("on")
    with pytest.raises(Exception) as caught:
        run.carry_out(planned)
    known = place.policy.translate(caught.value)
    assert isinstance(known, CredentialsError) and "logs:CreateLogGroup" in str(known)
    assert "ModifyVpnTunnelOptions" not in place.writes()


def test_azures_setting_goes_to_the_named_workspace_and_off_again(place: BuiltLink) -> None:
    told: dict[str, str] = {}
    run = of(place, told=told)
    run.carry_out(run.plan("on", only=(1,), workspace=WORKSPACE))
    setting = place.connect().azure.diagnostic_setting()
    assert setting is not None and setting["properties"]["workspaceId"] == WORKSPACE
    assert {log["category"] for log in setting["properties"]["logs"] if log["enabled"]} >= {"IKEDiagnosticLog"}
    assert set(told) == {"logs.group", "logs.azure"}
    again = of(place).plan("on", only=(1,), workspace=WORKSPACE)
    assert not again.azure_change
    switch(place, "off")
    assert place.connect().azure.diagnostic_setting() is None


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("key", "pre-shared key mismatch"),
        ("instance", "DPD timed out"),
    ],
)
def test_the_reason_of_a_tunnel_that_is_down(place: BuiltLink, what: str, said: str) -> None:
    switch(place, "on", only=(1,))
    first = of(place).endpoints.read()[0]
    if what == "key":
        body = {"value": "anotherKeyAnotherKeyAnotherKey12"}
        place.connect().azure.put_shared_key(first.azure.name, body)
    else:
        place.fault("instance-down", "*")
    place.time.wait(600)
    shown = of(place).show()
    assert said in shown.tunnels[0].lines[0].text
    assert shown.tunnels[0].lines[0].good is False
    assert shown.tunnels[1].lines == ()


def test_azures_side_of_a_tunnel_that_is_down_is_shown_beside_awss(place: BuiltLink) -> None:
    switch(place, "on", only=(1,), workspace=WORKSPACE)
    shown = of(place).show()
    assert shown.workspace == WORKSPACE and shown.notes == ()  # the workspace does not know the table yet
    first, second = of(place).endpoints.read()[:2]
    place.connect().azure.put_shared_key(second.azure.name, {"value": "anotherKeyAnotherKeyAnotherKey12"})
    place.time.wait(900)
    shown = of(place).show()
    lines = {line.kind: line for line in shown.tunnels[1].lines if line.end == "azure"}
    assert "13801" in lines["ike"].text and lines["ike"].good is False
    assert not [line for line in shown.tunnels[1].lines if line.end == "aws"]  # its log is off
    assert [line.end for line in shown.tunnels[0].lines if line.kind in ("ike", "bgp")] == ["aws", "aws"]
    assert first.outside not in "".join(line.text for line in shown.tunnels[1].lines)


def test_azures_side_by_somebody_elses_setting(place: BuiltLink) -> None:
    azure = place.connect().azure
    path = azure._setting_id.rpartition("/")[0] + "/theirs"
    azure._session.ask("PUT", path, body=diagnostic_setting(WORKSPACE))
    place.time.wait(60)
    second = of(place).endpoints.read()[1]
    place.fault("tunnel-down", second.outside)
    place.time.wait(900)
    shown = of(place).show()
    assert shown.workspace == WORKSPACE
    assert [{line.end for line in t.lines} for t in shown.tunnels] == [set(), {"azure"}, set(), set()]
    said = next(line for line in shown.tunnels[1].lines if line.kind == "tunnel")
    assert said.text.startswith("Disconnected: ") and said.good is False
    assert of(place).plan("off").azure_change is False  # it is theirs


def test_without_a_workspace_log_analytics_is_not_asked(place: BuiltLink) -> None:
    place.sandbox.context.journal.clear()
    assert of(place).show().workspace == ""
    assert not [c for c in place.sandbox.context.journal.calls() if c.operation == "POST query"]


def test_azures_log_that_may_not_be_read_is_said(place: BuiltLink) -> None:
    place.connect().azure.put_diagnostic_setting(diagnostic_setting(WORKSPACE))
    place.fault("denied", "azure.POST:query/*")
    (note,) = of(place).show().notes
    assert "Microsoft.Insights/logs/AzureDiagnostics/read" in note


def test_what_may_not_be_read_is_said(place: BuiltLink) -> None:
    switch(place, "on", only=(1,))
    place.fault("denied", "aws.FilterLogEvents")
    shown = of(place).show()
    assert "logs:FilterLogEvents" in shown.notes[0]


def test_a_teardown_removes_what_was_made_and_asks_nothing_where_nothing_was(place: BuiltLink) -> None:
    clouds = place.connect()
    place.sandbox.context.journal.clear()
    assert logs.remove(place.link, clouds.aws, clouds.azure, remembered=()) == ((), None)
    assert not [c for c in place.sandbox.context.journal.calls() if "Log" in c.operation]
    switch(place, "on", only=(1,), workspace=WORKSPACE)
    clouds = place.connect()
    gone, _ = logs.remove(place.link, clouds.aws, clouds.azure, remembered=("logs.azure",))
    assert gone == (logs.group_name(place.link), clouds.azure.name("logs"))
    assert logs.remove(place.link, clouds.aws, clouds.azure, remembered=("logs.azure",)) == ((), None)


def test_entries_of_others_in_the_group_are_passed_over() -> None:
    from cloudlink.clouds.aws.parse_logs import tunnel_entries

    good = {"logStreamName": "vpn-0a1b2c3d4e5f60718-203.0.113.9-IKE.log", "timestamp": 5000}
    events = [
        {**good, "message": "not JSON"},
        {**good, "message": json.dumps(["a", "list"])},
        {**good, "message": json.dumps({"other": 1})},
        {"logStreamName": "app", "timestamp": 1, "message": json.dumps({"details": "x"})},
        {**good, "message": json.dumps({"details": "AWS tunnel DPD timed out", "ike_phase1_state": "down"})},
    ]
    (entry,) = tunnel_entries(events)
    assert (entry.outside, entry.at, entry.good) == ("203.0.113.9", 5.0, False)


def test_a_teardown_names_a_log_group_that_is_somebody_elses_and_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = ConflictError(
        "The log group is somebody else's", "cloudlink-demo is there.", "aws logs list-tags-for-resource"
    )
    monkeypatch.setattr(logs, "remove", lambda *_, **__: (("cloudlink-demo-logs",), foreign))
    clouds, state = SimpleNamespace(aws=None, azure=None), SimpleNamespace(receipts=dict)
    run: Any = SimpleNamespace(link=SimpleNamespace(name="demo"), clouds=clouds, state=state, _left=())
    gone, left_over = Building._remove_logs(run)
    assert [row[2] for row in gone] == ["cloudlink-demo-logs"] and left_over == ()
    (kept,) = run._left
    assert kept.asked and kept.why == foreign.detail and "delete" not in kept.hint
    assert TeardownReport("demo", left=run._left).complete
