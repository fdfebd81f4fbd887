"""What the caller may do and how much the subscription may have: permissions on a scope, deny assignments, counters.

https://learn.microsoft.com/rest/api/authorization/permissions
https://learn.microsoft.com/rest/api/virtualnetwork/usages/list
"""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink_sandbox.azure.exchange import Answer, Request
from cloudlink_sandbox.azure.locations import location_of
from cloudlink_sandbox.azure.store import Store
from cloudlink_sandbox.faults import Fault, FaultBook

_VERBS = {"GET": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete", "POST": "action"}
MOST_PUBLIC_IPS = 1_000  # of a subscription with an enterprise agreement; others have 10


class Authorization:
    def __init__(self, store: Store, faults: FaultBook) -> None:
        self.store = store
        self.faults = faults

    def permissions(self, request: Request) -> Answer:
        """The owner's, without what a fault denies."""
        self.store.check_subscription(request.where["subscription"])
        denied = sorted({action for fault in self.faults.in_force() for action in _actions(fault)})
        owner = {"actions": ["*"], "notActions": denied, "dataActions": [], "notDataActions": []}
        return Answer(200, {"value": [owner]})

    def deny_assignments(self, request: Request) -> Answer:
        self.store.check_subscription(request.where["subscription"])
        return Answer(200, {"value": []})

    def usages(self, request: Request) -> Answer:
        subscription = request.where["subscription"]
        self.store.check_subscription(subscription)
        location = location_of(request.where["location"], "locations")
        held = [r for r in self.store.of_type("Microsoft.Network/publicIPAddresses") if r.location == location]
        path = f"/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}/usages"
        shown = [
            {
                "id": f"{path}/{name}",
                "unit": "Count",
                "currentValue": len(held),
                "limit": MOST_PUBLIC_IPS,
                "name": {"value": name, "localizedValue": words},
            }
            for name, words in (
                ("PublicIPAddresses", "Public IP Addresses"),
                ("StandardSkuPublicIpAddresses", "Public IPv4 Addresses - Standard"),
            )
        ]
        return Answer(200, {"value": shown})


def _actions(fault: Fault) -> Iterator[str]:
    """The patterns of actions that a fault denies from now on."""
    if fault.kind != "denied" or fault.after or (fault.times is not None and fault.hits >= fault.times):
        return
    cloud, _, call = fault.place.partition(".")
    if cloud.lower() not in ("azure", "*"):
        return
    method, _, what = call.partition(":")
    word = what.partition("/")[0] or "*"
    for known in dict.fromkeys(v for m, v in _VERBS.items() if method.upper() in ("", "*", m)):
        yield f"*/{known}" if word == "*" else f"*/{word}/{known}"
