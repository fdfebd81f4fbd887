"""Screens of the commands for the days after the first: what they say is true of the link that they are about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import view_samples as samples

from cloudlink.checks import doctor
from cloudlink.checks.doctor import DoctorReport
from cloudlink.checks.pauses import Saving
from cloudlink.checks.preflight import topics as preflight
from cloudlink.checks.report import Check, Outcome, PauseReport, StatusReport
from cloudlink.config import load
from cloudlink.core.plan import Action, Change, FieldChange
from cloudlink.day_two.reports import LogLine, LogsReport, RotationReport, TunnelKey, TunnelLogs
from cloudlink.errors import ConfigError
from cloudlink.view import words
from cloudlink.view.doctor import doctor_lines
from cloudlink.view.logs import logs_lines
from cloudlink.view.pause import pause_lines
from cloudlink.view.plan import plan_lines
from cloudlink.view.rotation import rotation_lines
from cloudlink.view.status import status_lines
from cloudlink.view.text import Look, text_of

LOOK = Look(80, unicode=True)
ENDPOINT = ("resolver.endpoint", "Resolver inbound endpoint", "rslvr-in-1")
CONNECTION = ("aws_vpn.connection[0]", "VPN connection 1", "vpn-1")


def said(lines: Iterable[Any]) -> str:
    return " ".join(" ".join(text_of(each) for each in lines).split())


def paused(*deleted: tuple[str, str, str]) -> str:
    where = (("subnet-1", "10.10.1.50"),)
    report = PauseReport("names", 0.0, "servfail", "names fail", deleted, (), where, 274.4, 0.5, 10, 5, 192.0)
    return said(pause_lines(report, LOOK))


def test_a_pause_keeps_what_the_link_has() -> None:
    assert "Public addresses, zone, records and inside ranges are kept." in paused(CONNECTION, ENDPOINT)
    alone = paused(ENDPOINT)
    assert "Zone and records are kept." in alone and "inside ranges" not in alone
    assert "about 0.50 USD a month while it is paused, instead of about 274 USD a month" in alone


def test_a_saving_tells_small_amounts_with_cents() -> None:
    assert "costs about 274 USD a month, and about 0.50 while it is paused" in Saving(274.4, 0.5, 10, 5).sentence


@pytest.mark.parametrize(("change", "word"), [("on", "will be switched on"), ("off", "will be switched off")])
def test_logs_that_are_still_to_be_switched_are_not_told_as_if_they_were(change: Any, word: str) -> None:
    tunnel = TunnelLogs("tunnel[0]", "vpn-1", "198.51.100.10", "", change)
    report = LogsReport("demo", "/aws/vendedlogs/cloudlink/demo", False, None, "", (tunnel,), change)
    assert f"tunnel 1 {word}" in said(logs_lines(report, LOOK, 0.0))


def test_logs_say_whose_words_they_are_and_what_is_off() -> None:
    down = LogLine(0.0, "ike", False, "IKE Tunnel closed, error 13801", "azure")
    one = TunnelLogs("tunnel[0]", "vpn-1", "198.51.100.10", "/group", lines=(down,))
    two = TunnelLogs("tunnel[1]", "vpn-1", "198.51.100.11", "")
    group = "/aws/vendedlogs/cloudlink/demo"
    workspace = "/subscriptions/s/resourceGroups/ops/providers/Microsoft.OperationalInsights/workspaces/ops"
    both = said(logs_lines(LogsReport("demo", group, True, 7, workspace, (one, two)), LOOK, 0.0))
    assert "Azure IKE IKE Tunnel closed, error 13801" in both and "its log is off" not in both
    assert "may take hours" not in both, "they have come"
    none = said(logs_lines(LogsReport("demo", group, True, 7, workspace, (two,)), LOOK, 0.0))
    assert "its first lines may take hours" in none
    alone = said(logs_lines(LogsReport("demo", group, True, 7, "", (one, two)), LOOK, 0.0))
    assert "198.51.100.11 its log is off" in alone
    assert "no log of tunnels to a workspace" in alone and "cloudlink logs --on --workspace ID" in alone


def test_a_tunnel_is_named_as_everywhere_else() -> None:
    assert words.step_title("tunnel[0]") == "tunnel 1" and words.step_title("azure_vpn.gateway") == "Azure VPN"


def test_every_topic_of_doctor_is_a_sentence() -> None:
    topics = [name for name, _ in (*preflight.TOPICS, *preflight.OVER_EXISTING)]
    report = doctor.report(samples.LINK, topics, (), None, None)
    assert not [c.title for c in report.checks if c.title == c.name or not c.title[0].isupper()]
    number = len(samples.LINK.dns.hosts)
    assert f"{number} name{'s' * (number != 1)} in" in said(doctor_lines(report, LOOK))


def test_what_doctor_says_to_do_is_in_the_order_in_which_it_helps() -> None:
    """An up ends with what the first one says. The top has scrolled away on a small terminal, so the end says it again."""
    group = Check("azure", "The resource group was not found", Outcome.FAILED, "", "az group create --name rg")
    tunnels = Check("tunnels", "Four tunnels are up", Outcome.FAILED, "none is", "cloudlink up")
    differs = Check("differences", "Something is not as configured", Outcome.FAILED, "gone", "cloudlink up")
    both = [text_of(each).strip() for each in doctor_lines(DoctorReport("demo", True, (tunnels, group, differs)), LOOK)]
    assert both.count("then  cloudlink up") == 2 and "fix  cloudlink up" not in both
    assert both[-2:] == ["First:  az group create --name rg", "Then:  cloudlink up"]
    alone = [text_of(each).strip() for each in doctor_lines(DoctorReport("demo", True, (tunnels, differs)), LOOK)]
    assert alone.count("fix  cloudlink up") == 2 and alone[-1] == "Next:  cloudlink up"
    prose = replace(group, fix="Ask who keeps it.")
    ends = [text_of(each) for each in doctor_lines(DoctorReport("demo", True, (prose, differs)), LOOK)]
    assert ends[-2:] == ["First:  Ask who keeps it.", "Then:  cloudlink up"]


def test_who_has_no_configuration_is_told_of_init(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "mine.toml")
    assert f"cloudlink init --out {tmp_path / 'mine.toml'}" in str(caught.value.hint)


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("report", [samples.HEALTHY, samples.DEGRADED, samples.DOWN, samples.ABSENT])
def test_status_is_about_a_dozen_lines_and_all_of_it_is_with_all(report: StatusReport, width: int) -> None:
    look = Look(width, unicode=True)
    brief, whole = (
        [text_of(each) for each in status_lines(report, look, samples.START, everything=e)] for e in (False, True)
    )
    assert len(brief) <= 20 and max(map(len, brief)) <= width
    assert report is samples.ABSENT or len(whole) > len(brief) + 10
    if report is samples.HEALTHY:
        assert len(brief) <= 12


def test_of_a_key_that_differs_it_is_said_which_side_takes_it_over() -> None:
    key = FieldChange("key", "(secret)", "(secret)")
    change = Change("azure_vpn.connection[1]", "connection 2", Action.UPDATE, fields=(key,), drift=True)
    shown = said(plan_lines(replace(samples.LATER_PLAN, changes=(change,)), LOOK, link=samples.LINK))
    assert "Azure takes over the key that AWS has now; this tunnel only" in shown
    assert "(secret)" not in shown


def test_a_key_of_which_no_rotation_is_known_has_no_age() -> None:
    rows = tuple(
        TunnelKey(f"tunnel[{number}]", "vpn-1", "3.64.0.1", changed, "rotate", "")
        for number, changed in enumerate((None, 1_000.0))
    )
    rows += (replace(rows[0], address="tunnel[2]", unchanged_since=400.0),)
    text = said(rotation_lines(RotationReport("demo", rows), LOOK, 1_000.0 + 90))
    assert "tunnel 3 at least 11m30s old gets a new key" in text
    assert "tunnel 1 age unknown gets a new key" in text
    assert "tunnel 2 changed 1m30s ago gets a new key" in text
