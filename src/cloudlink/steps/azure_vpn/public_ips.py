"""The two public IPs of the gateway, one for each instance."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from cloudlink.clouds.azure.client import Azure, Json
from cloudlink.core.polling import STEADY_DELETION
from cloudlink.core.resource import Node, Outputs, Started, Timing
from cloudlink.steps.azure_vpn.resource import AzureResource, body_of, location, named, properties
from cloudlink.steps.outputs import (
    PublicIp,
    ResourceGroup,
)

INSTANCES = (0, 1)


@dataclass(frozen=True)
class PublicIpSpec:
    location: str
    sku: str
    allocation: str
    zones: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class PublicIpResource(AzureResource[PublicIpSpec, PublicIp]):
    """The public address of one instance. Standard and static: it is known long before the gateway is there, so that
    AWS's side can be made meanwhile."""

    index: int
    group: Node[ResourceGroup]

    timing = Timing(create=4, update=4, delete=10, deadline=900, delete_pace=STEADY_DELETION)
    immutable = frozenset({"location", "sku", "allocation", "zones"})

    @property
    def name(self) -> str:
        return public_ip_name(self.azure, self.index)

    def spec(self, outputs: Outputs) -> PublicIpSpec:
        side = self.link.azure
        return PublicIpSpec(location(side.location), "Standard", "Static", tuple(sorted(side.zones)))

    def raw(self, *, fresh: bool) -> Json | None:
        return named(self.azure.public_ips(fresh=fresh), self.name)

    def parse_spec(self, raw: Json) -> PublicIpSpec:
        return PublicIpSpec(
            location(raw.get("location")),
            str((raw.get("sku") or {}).get("name") or ""),
            str(properties(raw).get("publicIPAllocationMethod") or ""),
            tuple(sorted(raw.get("zones") or ())),
        )

    def parse_outputs(self, raw: Json) -> PublicIp | None:
        address = properties(raw).get("ipAddress")
        return PublicIp(str(raw["id"]), IPv4Address(address)) if address else None

    def put(self, spec: PublicIpSpec, tags: dict[str, str], there: Json | None) -> Started:
        changed = {"publicIPAllocationMethod": spec.allocation, "publicIPAddressVersion": "IPv4"}
        sku = {"name": spec.sku, "tier": "Regional"}
        zones = {"zones": list(spec.zones)} if spec.zones else {}
        own = ("ipConfiguration", "upgradedToV2")
        body = body_of(there, changed, *own, location=spec.location, tags=tags, sku=sku, **zones)
        return self.azure.put_public_ip(self.name, body)

    def remove(self) -> Started | None:
        return self.azure.delete_public_ip(self.name)


def public_ip_name(azure: Azure, instance: int) -> str:
    return azure.name(f"public-ip-{instance + 1}")
