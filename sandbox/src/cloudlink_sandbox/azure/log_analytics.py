"""Log Analytics as far as a gateway's lines of its tunnels are asked of it: one table, one kind of query, the cloud's form.

Lines are made when somebody asks: what a tunnel is then, since when, and while it is down its last attempt. What was before
the diagnostic setting is not there, and a line comes minutes late.
https://learn.microsoft.com/azure/azure-monitor/logs/api/response-format
https://learn.microsoft.com/azure/vpn-gateway/monitor-vpn-gateway-reference
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Answer, Json
from cloudlink_sandbox.facts import AzureConnection, AzureInstance
from cloudlink_sandbox.world import Tunnel, World

LOG_ANALYTICS = "https://api.loganalytics.io"
LATE = 180.0  # seconds. Assumption: Azure says that a line usually takes two to five minutes
ATTEMPTS_APART = 60.0  # Assumption
_TABLE = "AzureDiagnostics"
_WHERE = re.compile(r'where Category in \(("\w+"(?:, "\w+")*)\)')
_PROJECT = re.compile(r"project (.+)")
_IF_THERE = re.compile(r'(\w+) = column_ifexists\("(\w+)", ""\)')
_TOP = re.compile(r"top (\d+) by TimeGenerated desc")
# What keeps a tunnel down in the world's words, and Windows' code and words for it.
_ERRORS = (
    ("the pre-shared keys differ", 13801, "IKE authentication credentials are unacceptable"),
    ("the IKE versions differ", 13868, "Policy match error"),
    ("no ", 13868, "Policy match error"),
    ("the traffic selectors differ", 13843, "Invalid payload received"),
)
_NO_ANSWER = (13805, "Negotiation timed out")


def written(world: World, gateway: str, since: Mapping[str, float]) -> list[Json]:
    """What is in the table of one gateway. since: when each category was switched on."""
    theirs = {c.peer_ip: c for c in world.azure.connections if c.gateway_id.lower() == gateway.lower()}
    instances = {i.public_ip: i for g in world.azure.gateways.values() for i in g.instances}
    rows = list[Json]()
    for tunnel in world.tunnels:
        connection, instance = theirs.get(tunnel.aws.outside_ip), instances.get(tunnel.aws.customer_ip)
        if connection is not None and instance is not None and instance.working:  # a dead instance writes nothing
            rows += (*_tunnel(tunnel), *_ike(tunnel, connection, instance, world.now))
    begun = (row for row in rows if since.get(row["Category"], world.now) <= row["at"] <= world.now - LATE)
    return sorted(begun, key=lambda row: -float(row["at"]))


def _tunnel(tunnel: Tunnel) -> Iterator[Json]:
    of = {"Category": "TunnelDiagnosticLog", "remoteIP_s": str(tunnel.aws.outside_ip)}
    if tunnel.ipsec:
        yield {**of, "at": tunnel.ipsec_since, "OperationName": "TunnelConnected", "status_s": "Connected"}
    elif tunnel.down_since:
        # Assumption: the words of the reason, which Azure does not list.
        down = {"at": tunnel.down_since, "OperationName": "TunnelDisconnected", "status_s": "Disconnected"}
        yield {**of, **down, "stateChangeReason_s": _error(tunnel)[1]}


def _ike(tunnel: Tunnel, connection: AzureConnection, instance: AzureInstance, now: float) -> Iterator[Json]:
    """Only of one that is down: the last attempt that is in the table by now."""
    told, since = now - LATE, tunnel.down_since or max(tunnel.aws.changed_at, connection.changed_at)
    if tunnel.ipsec or told < since:
        return
    at = since + (told - since) // ATTEMPTS_APART * ATTEMPTS_APART
    code, words = _error(tunnel)
    said = f"[LOCAL_MSG] IKE Tunnel closed, error {code} ({words})"
    ends = f"Remote {tunnel.aws.outside_ip}:500: Local {instance.public_ip}:500: "
    yield {"Category": "IKEDiagnosticLog", "at": at, "OperationName": "IKELogEvent", "Message": ends + said}


def _error(tunnel: Tunnel) -> tuple[int, str]:
    return next(((code, words) for why, code, words in _ERRORS if tunnel.why.startswith(why)), _NO_ANSWER)


def answer(body: Json, rows: Iterable[Json]) -> Answer:
    """rows: newest first."""
    parts = [part.strip() for part in str(body.get("query", "")).split("|")]
    found = list(rows)
    if parts[0] == _TABLE and not found:  # no line has come yet: the table is made with the first
        said = f"'where' operator: Failed to resolve table or column expression named '{_TABLE}'"
        return _refused("SemanticError", "A semantic error occurred.", {"code": "SEM0100", "message": said})
    shape = [pattern.fullmatch(part) for pattern, part in zip((_WHERE, _PROJECT, _TOP), parts[1:], strict=False)]
    span = _span(str(body.get("timespan") or ""))
    where, project, top = (*shape, None, None, None)[:3]
    if len(parts) != 4 or where is None or project is None or top is None or span is None:
        return _refused("SyntaxError", "The sandbox models one kind of query, which this is not.", None)
    columns = dict[str, str]()
    for column in re.split(r", (?![^(]*\))", project[1]):
        if there := _IF_THERE.fullmatch(column):
            columns[there[1]] = there[2]
        elif column in ("TimeGenerated", "Category", "OperationName"):
            columns[column] = column
        else:
            said = f"'project' operator: Failed to resolve scalar expression named '{column}'"
            return _refused("SemanticError", "A semantic error occurred.", {"code": "SEM0100", "message": said})
    wanted = re.findall(r'"(\w+)"', where[1])
    shown = [r for r in found if r["Category"] in wanted and span[0] <= r["at"] <= span[1]][: int(top[1])]
    typed = [{"name": n, "type": "datetime" if n == "TimeGenerated" else "string"} for n in columns]
    table = {
        "name": "PrimaryResult",
        "columns": typed,
        "rows": [[_cell(r, c) for c in columns.values()] for r in shown],
    }
    return Answer(200, {"tables": [table]})


def _cell(row: Json, column: str) -> Any:
    if column == "TimeGenerated":
        return datetime.fromtimestamp(row["at"], UTC).isoformat(timespec="microseconds").replace("+00:00", "0Z")
    return row.get(column, "")


def _span(text: str) -> tuple[float, float] | None:
    try:
        begin, end = (datetime.fromisoformat(each.replace("Z", "+00:00")).timestamp() for each in text.split("/"))
    except ValueError:
        return None
    return begin, end


def _refused(code: str, said: str, inner: Json | None) -> Answer:
    why = {"code": code, "message": said, **({"innererror": inner} if inner else {})}
    message = "The request had some invalid properties"
    return Answer(400, {"error": {"code": "BadArgumentError", "message": message, "innererror": why}})


def insufficient_access() -> ApiError:
    said = "The provided credentials have insufficient access to perform the requested operation"
    return ApiError(403, "InsufficientAccessError", said, bare=True)
