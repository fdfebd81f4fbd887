"""``logs`` as a user runs it, and what ``status`` quotes of them."""

from __future__ import annotations

import pytest

from cloudlink.clouds.azure.parse_monitor import diagnostic_setting
from tests.support.cli import Cli

WORKSPACE = "/subscriptions/s/resourceGroups/ops/providers/Microsoft.OperationalInsights/workspaces/ops"


def test_options_that_do_not_go_together(linked: Cli) -> None:
    for wrong in (
        ["--on", "--off"],
        ["--days", "14"],
        ["--tunnel", "2"],
        ["--on", "--days", "2"],
        ["--on", "--workspace", "ops"],
        ["--on", "--tunnel", "5"],
    ):
        assert linked.cloudlink("logs", *wrong).code == 2, wrong


def test_off_is_how_it_begins(linked: Cli) -> None:
    done = linked.cloudlink("logs")
    assert done.code == 0, done.out + done.err
    assert "No tunnel writes a log" in done.out
    assert "cloudlink logs --sandbox --on" in done.out


def test_on_then_the_reason_of_an_outage_then_off(linked: Cli) -> None:
    done = linked.cloudlink("logs", "--on", "--tunnel", "2", "--json")
    assert done.code == 0, done.out + done.err
    assert [t["changed"] for t in done.json["tunnels"]] == [False, True, False, False]
    assert done.json["exists"] and done.json["retention"] == 30
    azure = linked.clouds().azure
    azure.put_shared_key(azure.name("connection-2"), {"value": "byHand" * 6})
    linked.control("POST", "clock", {"advance": 600})
    status = linked.cloudlink("status")
    assert status.code == 8
    assert "AWS log" in status.out and "pre-shared key mismatch" in " ".join(status.out.split())
    told = linked.cloudlink("status", "--json").json["tunnels"]
    assert [bool(t["evidence"]) for t in told] == [False, True, False, False]
    assert told[1]["evidence_at"].endswith("Z")
    shown = linked.cloudlink("logs")
    assert "pre-shared key mismatch" in " ".join(shown.out.split())


def test_a_log_that_may_not_be_read_is_said_and_is_no_error(linked: Cli) -> None:
    on = linked.cloudlink("logs", "--on", "--tunnel", "2")
    assert on.code == 0, on.out + on.err
    linked.control("POST", "faults", {"kind": "denied", "target": "aws.FilterLogEvents", "times": None})
    outside = linked.cloudlink("status", "--json").json["tunnels"][1]["aws"]["outside_ip"]
    linked.control("POST", "faults", {"kind": "tunnel-down", "target": outside, "times": None})
    status = linked.cloudlink("status", "--json")
    assert status.code == 8
    assert "logs:FilterLogEvents" in status.json["tunnels"][1]["evidence"]


def test_azures_log_is_quoted_where_its_gateway_sends_it_to_a_workspace(linked: Cli) -> None:
    linked.clouds().azure.put_diagnostic_setting(diagnostic_setting(WORKSPACE))
    healthy = linked.control("GET", "journal")["total"]
    assert linked.cloudlink("status").code == 0
    asked = [c["operation"] for c in linked.control("GET", "journal")["calls"][healthy:]]
    assert not [o for o in asked if "diagnosticSettings" in o or o == "POST query"], "no call more while all is well"
    azure = linked.clouds().azure
    azure.put_shared_key(azure.name("connection-3"), {"value": "byHand" * 6})
    linked.control("POST", "clock", {"advance": 900})
    status = linked.cloudlink("status", "--json")
    assert status.code == 8
    third = status.json["tunnels"][2]
    assert "13801" in third["azure_evidence"] and third["azure_evidence_at"].endswith("Z")
    assert "Azure log" in linked.cloudlink("status").out
    linked.control("POST", "faults", {"kind": "denied", "target": "azure.POST:query/*", "times": None})
    denied = linked.cloudlink("status", "--json")
    assert denied.code == 8, "a log that may not be read is no error"
    assert "AzureDiagnostics/read" in denied.json["tunnels"][2]["azure_evidence"]


@pytest.mark.slow
def test_teardown_removes_the_log_group(linked: Cli) -> None:
    """The last of this module: the link is built again by the fixture."""
    client = linked.clouds().aws.client("logs")
    assert client.describe_log_groups()["logGroups"]
    done = linked.cloudlink("teardown", "--yes")
    assert done.code == 0, done.out + done.err
    assert client.describe_log_groups()["logGroups"] == []
    assert "logs of the tunnels" in done.out
