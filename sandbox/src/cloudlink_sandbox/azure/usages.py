"""How much of a region's quotas is in use: Microsoft.Network's usages, and the same through Microsoft.Quota.

https://learn.microsoft.com/rest/api/virtualnetwork/usages/list
"""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.locations import location_of
from cloudlink_sandbox.azure.public_ips import LIMIT
from cloudlink_sandbox.azure.store import Store

# Name, as it is shown, the type that is counted, and the limit of a new subscription. VPN gateways are not among them.
# https://learn.microsoft.com/azure/azure-resource-manager/management/azure-subscription-service-limits#networking-limits
_COUNTED = (
    ("VirtualNetworks", "Virtual Networks", "virtualNetworks", 1000),
    ("StaticPublicIPAddresses", "Static Public IP Addresses", "publicIPAddresses", LIMIT),
    ("PublicIPAddresses", "Public IP Addresses", "publicIPAddresses", 1000),
    ("StandardSkuPublicIpAddresses", "Public IPv4 Addresses - Standard", "publicIPAddresses", LIMIT),
    ("NetworkSecurityGroups", "Network Security Groups", "networkSecurityGroups", 5000),
    ("RouteTables", "Route Tables", "routeTables", 200),
)


class Usages:
    def __init__(self, store: Store) -> None:
        self.store = store

    def network(self, request: Request) -> Answer:
        subscription, location = self._where(request)
        base = f"/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}/usages"
        shown = [
            {
                "currentValue": used,
                "id": f"{base}/{name}",
                "limit": limit,
                "name": {"localizedValue": words, "value": name},
                "unit": "Count",
            }
            for name, words, used, limit in self._counted(subscription, location)
        ]
        return Answer(200, {"value": shown})

    def quotas(self, request: Request) -> Answer:
        return Answer(200, {"value": self._quotas(request)})

    def quota(self, request: Request) -> Answer:
        wanted = request.where["name"].lower()
        for quota in self._quotas(request):
            if quota["name"].lower() == wanted:
                return Answer(200, quota)
        raise errors.gateway(404, "ResourceNotFound", f"The quota '{request.where['name']}' was not found.")

    def quota_usages(self, request: Request) -> Answer:
        subscription, location = self._where(request)
        base = f"/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}"
        shown = [
            {
                "properties": {
                    "usages": {"value": used},
                    "properties": {},
                    "name": {"value": name, "localizedValue": words},
                    "unit": "Count",
                },
                "id": f"{base}/providers/Microsoft.Quota/usages/{name}",
                "type": "Microsoft.Quota/Usages",
                "name": name,
            }
            for name, words, used, _ in self._counted(subscription, location)
        ]
        return Answer(200, {"value": shown})

    def _quotas(self, request: Request) -> list[Json]:
        subscription, location = self._where(request)
        base = f"/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}"
        return [
            {
                "properties": {
                    "limit": {"limitObjectType": "LimitValue", "limitType": "Independent", "value": limit},
                    "properties": {},
                    "name": {"value": name, "localizedValue": words},
                    "unit": "Count",
                    "isQuotaApplicable": name == "StandardSkuPublicIpAddresses",
                },
                "id": f"{base}/providers/Microsoft.Quota/quotas/{name}",
                "type": "Microsoft.Quota/Quotas",
                "name": name,
            }
            for name, words, _, limit in self._counted(subscription, location)
        ]

    def _where(self, request: Request) -> tuple[str, str]:
        subscription = request.where["subscription"]
        self.store.check_subscription(subscription)
        return subscription, location_of(request.where["location"], "Microsoft.Network/locations/usages")

    def _counted(self, subscription: str, location: str) -> Iterator[tuple[str, str, int, int]]:
        for name, words, kind, limit in _COUNTED:
            there = self.store.of_type(f"Microsoft.Network/{kind}")
            used = sum(r.location == location and r.id.subscription.lower() == subscription.lower() for r in there)
            yield name, words, used, limit
