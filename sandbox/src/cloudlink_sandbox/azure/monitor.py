"""Microsoft.Insights: the Activity Log of what the sandbox's Azure was asked to write, and diagnostic settings of gateways.

A workspace is no object here: what one would hold is told to whoever queries the gateway (log_analytics.py).
https://learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema
https://learn.microsoft.com/rest/api/monitor/diagnostic-settings/create-or-update
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime

from cloudlink_sandbox.azure import errors, log_analytics
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.store import Store

KEPT_SECONDS = 90 * 86_400.0
MOST_KEPT = 2_000
INSIGHTS = "Microsoft.Insights"
# https://learn.microsoft.com/azure/vpn-gateway/monitor-vpn-gateway-reference
CATEGORIES = (
    "GatewayDiagnosticLog",
    "TunnelDiagnosticLog",
    "RouteDiagnosticLog",
    "IKEDiagnosticLog",
    "P2SDiagnosticLog",
)
_CLAUSE = re.compile(r"(\w+) (eq|ge|le) '([^']*)'")
_WORKSPACE = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.operationalinsights/workspaces/[^/]+",
    re.IGNORECASE,
)
_ELSEWHERE = (
    "storageAccountId",
    "serviceBusRuleId",
    "eventHubAuthorizationRuleId",
    "eventHubName",
    "metrics",
    "marketplacePartnerId",
    "logAnalyticsDestinationType",
)


class Monitor:
    def __init__(self, store: Store) -> None:
        self.store = store

    # The Activity Log

    def note(self, request: Request, action: str, caller: str, status: int) -> None:
        """A write that was asked for. caller: who asked."""
        scope = request.path.rpartition("/")[0] if request.method == "POST" else request.path
        subscription = request.where.get("subscription", "")
        if not subscription:
            return
        self.store.activity.append(
            {
                "at": self.store.now(),
                "caller": caller,
                "operation": action,
                "id": scope,
                "group": request.where.get("group", ""),
                "subscription": subscription,
                "status": "Failed" if status >= 400 else "Succeeded" if status == 200 else "Accepted",
                "event": str(uuid.uuid4()),
                "correlation": request.headers.get("x-ms-correlation-request-id", str(uuid.uuid4())),
            }
        )
        del self.store.activity[:-MOST_KEPT]

    def events(self, request: Request) -> Answer:
        """Newest first. Raises ApiError for a filter without a beginning, or with what is not known here."""
        asked = _CLAUSE.findall(request.query.get("$filter", ""))
        bounds = {(name, how): value for name, how, value in asked}
        begin = bounds.pop(("eventTimestamp", "ge"), None)
        if begin is None:
            raise errors.gateway(400, "BadRequest", "The $filter must specify eventTimestamp with a start time.")
        since = max(_seconds(begin), self.store.now() - KEPT_SECONDS)
        end = bounds.pop(("eventTimestamp", "le"), None)
        until = _seconds(end) if end else self.store.now()
        keys = {"resourceUri": "id", "resourceGroupName": "group", "correlationId": "correlation"}
        if unknown := [name for name, how in bounds if how != "eq" or name not in keys]:
            raise errors.gateway(400, "BadRequest", f"The sandbox does not model a filter by {', '.join(unknown)}.")
        shown = [
            event
            for event in reversed(self.store.activity)
            if event["subscription"].lower() == request.where["subscription"].lower()
            and since <= event["at"] <= until
            and all(event[keys[name]].lower() == value.lower() for (name, _), value in bounds.items())
        ]
        only = [name.strip() for name in request.query.get("$select", "").split(",") if name.strip()]
        return Answer(200, {"value": [_chosen(_event(e), only) for e in shown]})

    # Diagnostic settings

    def settings(self, request: Request) -> Answer:
        under = self._gateway(request).lower() + "/"
        return Answer(200, {"value": [s for key, s in self.store.diagnostics.items() if key.startswith(under)]})

    def setting(self, request: Request) -> Answer:
        found = self.store.diagnostics.get(self._setting_id(request).lower())
        if found is None:
            said = f"The diagnostic setting '{request.where['setting']}' doesn't exist."
            raise errors.gateway(404, "ResourceNotFound", said)
        return Answer(200, found)

    def put_setting(self, request: Request) -> Answer:
        self._gateway(request)
        given = request.json().get("properties")
        given = given if isinstance(given, dict) else {}
        if beyond := [name for name in given if name in _ELSEWHERE and given[name]]:
            raise errors.invalid_value(f"properties.{beyond[0]}", given[beyond[0]])
        workspace, logs = str(given.get("workspaceId") or ""), given.get("logs") or []
        if not _WORKSPACE.fullmatch(workspace):
            said = "At least one data sink needs to be specified."
            raise errors.gateway(400, "BadRequest", said if not workspace else f"Resource '{workspace}' not found.")
        if unknown := [log.get("category") for log in logs if log.get("category") not in CATEGORIES]:
            raise errors.gateway(400, "BadRequest", f"Category '{unknown[0]}' is not supported.")
        id_ = self._setting_id(request)
        kept: list[Json] = [{"category": log["category"], "enabled": bool(log.get("enabled"))} for log in logs]
        self.store.diagnosed.setdefault(id_.lower(), self.store.now())
        self.store.diagnostics[id_.lower()] = {
            "id": id_,
            "type": f"{INSIGHTS}/diagnosticSettings",
            "name": request.where["setting"],
            "location": None,
            "kind": None,
            "tags": None,
            "identity": None,
            "properties": {"workspaceId": workspace, "logs": kept, "metrics": []},
        }
        return Answer(200, self.store.diagnostics[id_.lower()])

    def query(self, request: Request) -> Answer:
        """Log Analytics, asked of a gateway."""
        id_ = request.path.removeprefix("/v1").rpartition("/")[0]
        under = f"{id_}/providers/{INSIGHTS}/".lower()
        since: dict[str, float] = {}  # by category
        for key, setting in self.store.diagnostics.items():
            for log in setting["properties"]["logs"] if key.startswith(under) else ():
                if log["enabled"]:
                    begin = self.store.diagnosed.get(key, 0.0)
                    since[log["category"]] = min(begin, since.get(log["category"], begin))
        world = self.store.context.world()
        return log_analytics.answer(request.json(), log_analytics.written(world, id_, since))

    def delete_setting(self, request: Request) -> Answer:
        """It outlives its gateway: so that it can be deleted when that is gone."""
        self.store.diagnosed.pop(self._setting_id(request).lower(), None)
        return Answer(200 if self.store.diagnostics.pop(self._setting_id(request).lower(), None) is not None else 204)

    def _setting_id(self, request: Request) -> str:
        return request.path

    def _gateway(self, request: Request) -> str:
        """Raises ApiError for one that is not there."""
        id_ = re.split(f"/providers/{INSIGHTS}", request.path, flags=re.IGNORECASE)[0]
        if self.store.find(id_) is None:
            said = f"The Resource 'Microsoft.Network/virtualNetworkGateways/{request.where['name']}' was not found."
            raise errors.gateway(404, "ResourceNotFound", said)
        return id_


def _event(kept: Json) -> Json:
    moment = datetime.fromtimestamp(kept["at"], UTC).isoformat(timespec="microseconds").replace("+00:00", "0Z")
    provider = kept["operation"].partition("/")[0]
    return {
        "authorization": {"action": kept["operation"], "scope": kept["id"]},
        "caller": kept["caller"],
        "category": {"value": "Administrative", "localizedValue": "Administrative"},
        "correlationId": kept["correlation"],
        "eventDataId": kept["event"],
        "eventName": {"value": "EndRequest", "localizedValue": "End request"},
        "eventTimestamp": moment,
        "id": f"{kept['id']}/events/{kept['event']}",
        "level": "Error" if kept["status"] == "Failed" else "Informational",
        "operationName": {"value": kept["operation"], "localizedValue": kept["operation"]},
        "resourceGroupName": kept["group"],
        "resourceId": kept["id"],
        "resourceProviderName": {"value": provider, "localizedValue": provider},
        "status": {"value": kept["status"], "localizedValue": kept["status"]},
        "submissionTimestamp": moment,
        "subscriptionId": kept["subscription"],
    }


def _chosen(event: Json, only: list[str]) -> Json:
    return {name: event[name] for name in only if name in event} if only else event


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise errors.gateway(400, "BadRequest", f"'{text}' is not a time.") from None
