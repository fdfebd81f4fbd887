"""The Activity Log and diagnostic settings, as a client of Azure Resource Manager sees them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from azure_sandbox import CLIENT, GROUP, PIP, START, SUBSCRIPTION, Azure
from azure_sandbox import code as status_and_code

EVENTS = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Insights/eventtypes/management/values"
SINCE = f"eventTimestamp ge '{datetime.fromtimestamp(START - 60, UTC).isoformat()}'"
WORKSPACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/ops/providers/Microsoft.OperationalInsights/workspaces/w"


def asked(azure: Azure, text: str, **more: str) -> list[dict[str, object]]:
    query = {"$filter": text, **{f"${name}": value for name, value in more.items()}}
    answer = azure.call("GET", EVENTS, api="2015-04-01", **query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["value"])


@pytest.mark.documentation("Each write is in the Activity Log, newest first, with who asked; reads are not")
def test_who_wrote_what(seeded: Azure) -> None:
    path = seeded.path("publicIPAddresses", "a")
    assert seeded.call("PUT", path, PIP).status_code == 201
    seeded.call("GET", path)
    seeded.context.clock.advance(60)
    assert seeded.call("DELETE", path).status_code in (200, 202)
    found = asked(seeded, f"{SINCE} and resourceUri eq '{path}'")
    assert [e["operationName"]["value"] for e in found] == [  # type: ignore[index]
        "Microsoft.Network/publicIPAddresses/delete",
        "Microsoft.Network/publicIPAddresses/write",
    ]
    assert {e["caller"] for e in found} == {CLIENT}
    assert len(asked(seeded, f"{SINCE} and resourceGroupName eq '{GROUP}'")) >= 2
    assert asked(seeded, f"{SINCE} and resourceUri eq '{path}'", select="caller") == [{"caller": CLIENT}] * 2


@pytest.mark.documentation("A filter without a beginning is refused")
def test_a_filter_without_a_beginning(seeded: Azure) -> None:
    answer = seeded.call("GET", EVENTS, api="2015-04-01")
    assert status_and_code(answer) == (400, "BadRequest")


@pytest.mark.documentation("A diagnostic setting needs a gateway, a workspace and categories that there are")
def test_a_diagnostic_setting_is_refused(seeded: Azure) -> None:
    path = seeded.path("virtualNetworkGateways", "none") + "/providers/Microsoft.Insights/diagnosticSettings/s"
    body = {"properties": {"workspaceId": WORKSPACE, "logs": [{"category": "IKEDiagnosticLog", "enabled": True}]}}
    answer = seeded.call("PUT", path, body, api="2021-05-01-preview")
    assert status_and_code(answer) == (404, "ResourceNotFound")
    assert seeded.call("DELETE", path, api="2021-05-01-preview").status_code == 204


LOG_ANALYTICS = "https://api.loganalytics.io"


@pytest.mark.documentation(
    "Log Analytics takes tokens of its own audience, and one kind of query; others it refuses in its form"
)
def test_log_analytics_refuses(seeded: Azure) -> None:
    path = "/v1" + seeded.path("virtualNetworkGateways", "g") + "/query"
    body = {"query": 'AzureDiagnostics | where Category in ("IKEDiagnosticLog")', "timespan": "x"}
    assert seeded.call("POST", path, body, api=None).status_code == 401  # a token for Azure Resource Manager
    token = seeded.token(LOG_ANALYTICS)
    fresh = seeded.call("POST", path, body, api=None, token=token)
    assert status_and_code(fresh) == (400, "BadArgumentError")
    assert "Failed to resolve table" in fresh.text  # no line has come yet
    other = seeded.call("POST", path, {"query": "Heartbeat | take 1"}, api=None, token=token)
    assert status_and_code(other) == (400, "BadArgumentError") and "SyntaxError" in other.text
