"""Azure Monitor, both ways: where the logs of a gateway go, what they say of tunnels, and what the Activity Log says of who
wrote what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from cloudlink.clouds.malformed import parsing

Json = Mapping[str, Any]

# https://learn.microsoft.com/azure/vpn-gateway/monitor-vpn-gateway-reference
CATEGORIES = ("GatewayDiagnosticLog", "TunnelDiagnosticLog", "RouteDiagnosticLog", "IKEDiagnosticLog")


def diagnostic_setting(workspace: str) -> dict[str, Any]:
    """The body that sends everything of a gateway to a Log Analytics workspace, given by its resource id."""
    logs = [{"category": category, "enabled": True} for category in CATEGORIES]
    return {"properties": {"workspaceId": workspace, "logs": logs}}


@parsing("Azure's diagnostic settings")
def workspace_of(setting: Json | None) -> str:
    """The resource id of the workspace; empty: there is no setting, or it sends the logs elsewhere."""
    return str(((setting or {}).get("properties") or {}).get("workspaceId") or "")


TUNNELS = ("TunnelDiagnosticLog", "IKEDiagnosticLog")  # what they say of tunnels


@parsing("Azure's diagnostic settings")
def workspaces_of_tunnels(settings: Iterable[Json]) -> tuple[str, ...]:
    """Ids of the workspaces that what a gateway says of its tunnels is sent to, by whosever setting."""
    return tuple(workspace for s in settings if (workspace := workspace_of(s)) and _tells_tunnels(s))


def _tells_tunnels(setting: Json) -> bool:
    on = [log for log in setting["properties"].get("logs") or () if log.get("enabled")]
    return any(log.get("category") in TUNNELS or log.get("categoryGroup") == "allLogs" for log in on)


_MOST = 500  # lines; an hour of one tunnel's IKE has about sixty
_COLUMNS = {"remote": "remoteIP_s", "status": "status_s", "reason": "stateChangeReason_s", "said": "Message"}
# A column that no line has had yet is none of the table's: it would be an error.
TUNNELS_QUERY = " | ".join(
    (
        "AzureDiagnostics",
        'where Category in ("' + '", "'.join(TUNNELS) + '")',
        "project TimeGenerated, Category, "
        + ", ".join(f'{ours} = column_ifexists("{theirs}", "")' for ours, theirs in _COLUMNS.items()),
        f"top {_MOST} by TimeGenerated desc",
    )
)
_REMOTE = re.compile(r"\bRemote (\d{1,3}(?:\.\d{1,3}){3}):")
# Windows' words for it: authentication, policy, payload. https://learn.microsoft.com/azure/vpn-gateway/troubleshoot-vpn-with-azure-diagnostics
_FAILED = re.compile(r"\b138(?:01|68|43)\b|AUTHENTICATION_FAILED|NO_PROPOSAL_CHOSEN|TS_UNACCEPTABLE")


@dataclass(frozen=True)
class GatewayLogEntry:
    """A line that Azure's gateway wrote of one tunnel."""

    remote: str  # the other end's address, which is that of one of AWS's tunnels
    kind: Literal["tunnel", "ike"]
    at: float  # seconds since the epoch
    good: bool | None  # None: it does not say
    text: str  # Azure's own words


@parsing("Log Analytics' answers")
def gateway_entries(answer: Json) -> tuple[GatewayLogEntry, ...]:
    """Of an answer to ``TUNNELS_QUERY``, oldest first; lines that name no tunnel are left out."""
    found = list[GatewayLogEntry]()
    for table in answer["tables"]:
        names = [str(column["name"]) for column in table["columns"]]
        found += [e for row in table["rows"] if (e := _entry(dict(zip(names, row, strict=True)))) is not None]
    return tuple(sorted(found, key=lambda e: e.at))


def _entry(row: Json) -> GatewayLogEntry | None:
    at, said = _seconds(str(row["TimeGenerated"])), str(row["said"] or "")
    if row["Category"] == "TunnelDiagnosticLog":
        status, reason = str(row["status"] or ""), str(row["reason"] or "")
        text = f"{status}: {reason}" if reason else status
        good = {"Connected": True, "Disconnected": False}.get(status)
        return GatewayLogEntry(str(row["remote"] or ""), "tunnel", at, good, text) if text else None
    if (remote := _REMOTE.search(said)) is None:
        return None
    return GatewayLogEntry(remote[1], "ike", at, False if _FAILED.search(said) else None, said[remote.start() :])


@dataclass(frozen=True)
class ActivityEvent:
    """One write that Azure was asked for."""

    at: float  # seconds since the epoch
    caller: str  # a person's sign-in name, or an application's id
    operation: str  # ``Microsoft.Network/connections/delete``
    resource: str  # id in lower case
    failed: bool


@parsing("Azure's Activity Log")
def activity(found: Iterable[Json]) -> tuple[ActivityEvent, ...]:
    """Newest first."""
    events = [
        ActivityEvent(
            _seconds(str(event["eventTimestamp"])),
            str(event.get("caller") or ""),
            str(event["operationName"]["value"]),
            str(event.get("resourceId") or "").lower(),
            str((event.get("status") or {}).get("value")) == "Failed",
        )
        for event in found
    ]
    return tuple(sorted(events, key=lambda e: e.at, reverse=True))


def _seconds(text: str) -> float:
    whole, _, fraction = text.rstrip("Z").partition(".")  # Azure writes seven digits, Python reads six
    return datetime.fromisoformat(f"{whole}.{fraction[:6] or '0'}+00:00").timestamp()
