"""Security admin rules of Azure Virtual Network Manager, as they are in effect on a VNet: they come before network security groups.

The network manager itself, its groups, configurations and deployments are not modelled: a world file says what it has come to.
https://learn.microsoft.com/azure/virtual-network-manager/concept-security-admins
"""

from __future__ import annotations

from ipaddress import IPv4Network

from cloudlink_sandbox.azure.dns_resolvers import asked_vnet
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.ids import ResourceId
from cloudlink_sandbox.azure.store import Store
from cloudlink_sandbox.facts import ManagedRule, PacketRule
from cloudlink_sandbox.world_file import AdminRule

_MANAGER = "networkManagers/company"
_CONFIGURATION = "securityAdminConfigurations/baseline/ruleCollections/all"
_GROUP = "networkGroups/production"
# Assumption: subnets of these services are left out, as the documentation lists them; the whole subnet is the service's.
_LEFT_OUT = frozenset({"gatewaysubnet", "azurefirewallsubnet", "azurebastionsubnet", "routeserversubnet"})
_EVERYWHERE = ("*", "0.0.0.0/0", "virtualnetwork")


def shown(subscription: str, rule: AdminRule) -> Json:
    """As the list of effective rules shows it: the form of Azure's own example."""
    base = f"/subscriptions/{subscription}/resourceGroups/network-manager/providers/Microsoft.Network/{_MANAGER}"
    return {
        "id": f"{base}/{_CONFIGURATION}/rules/{rule.name}",
        "configurationDescription": "baseline",
        "ruleCollectionDescription": "",
        "ruleCollectionAppliesToGroups": [{"networkGroupId": f"{base}/{_GROUP}"}],
        "ruleGroups": [{"id": f"{base}/{_GROUP}", "properties": {"provisioningState": "Succeeded"}}],
        "kind": "Custom",
        "properties": {
            "description": "",
            "protocol": rule.protocol,
            "sources": [_item(text) for text in rule.sources],
            "destinations": [_item(text) for text in rule.destinations],
            "sourcePortRanges": ["0-65535"],
            "destinationPortRanges": list(rule.ports),
            "access": rule.access,
            "priority": rule.priority,
            "direction": rule.direction,
            "provisioningState": "Succeeded",
        },
    }


def _item(text: str) -> Json:
    kind = "IPPrefix" if text == "*" or text[:1].isdigit() else "ServiceTag"
    return {"addressPrefix": text, "addressPrefixType": kind}


class EffectiveRules:
    """Answers POST virtualNetworks/{name}/listNetworkManagerEffectiveSecurityAdminRules."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def list_of_vnet(self, request: Request) -> Answer:
        request.json()
        vnet = asked_vnet(self.store, request)
        return Answer(200, {"value": self.store.admin_rules.get(vnet.id.key, [])})


def rules_of(store: Store, subnet: ResourceId, direction: str) -> tuple[ManagedRule, ...]:
    """Of a subnet, in the order in which they are tried."""
    if subnet.name.lower() in _LEFT_OUT:
        return ()
    held = [rule["properties"] for rule in store.admin_rules.get(subnet.parent().key, ())]
    found = []
    for rule in sorted((r for r in held if r["direction"] == direction), key=lambda r: int(r["priority"])):
        protocol = {"any": "-1", "tcp": "tcp", "udp": "udp"}[rule["protocol"].lower()]
        found += [
            ManagedRule(
                PacketRule(rule["access"] != "Deny", protocol, *_ports(ports), source, target),
                rule["access"] != "Allow",
            )
            for source in _ranges(rule["sources"])
            for target in _ranges(rule["destinations"])
            for ports in rule["destinationPortRanges"]
        ]
    return tuple(found)


def _ports(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def _ranges(items: list[Json]) -> list[IPv4Network]:
    texts = [str(item["addressPrefix"]) for item in items]
    wide = [IPv4Network("0.0.0.0/0") for t in texts if t.lower() in _EVERYWHERE]
    return wide or [IPv4Network(t, strict=False) for t in texts if t[:1].isdigit()]
