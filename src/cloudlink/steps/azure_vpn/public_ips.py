"""The two public IPs of the gateway, one for each instance."""

from __future__ import annotations

from dataclasses import dataclass

from cloudlink.clouds.azure import body_network, parse_network
from cloudlink.clouds.azure.client import Azure, Json
from cloudlink.clouds.azure.parse_object import find_named
from cloudlink.clouds.azure.parse_pieces import region
from cloudlink.core.polling import STEADY_DELETION
from cloudlink.core.resource import Node, Outputs, Started, Timing
from cloudlink.steps.azure_resource import AzureResource
from cloudlink.steps.outputs import (
    PublicIp,
    ResourceGroup,
)
from cloudlink.steps.permissions import GROUP, NETWORK, rbac

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
    permissions = rbac(f"{NETWORK}/publicIPAddresses", GROUP)
    immutable = frozenset({"location", "sku", "allocation", "zones"})

    @property
    def name(self) -> str:
        return public_ip_name(self.azure, self.index)

    def spec(self, outputs: Outputs) -> PublicIpSpec:
        side = self.link.azure
        return PublicIpSpec(region(side.location), "Standard", "Static", tuple(sorted(side.zones)))

    def raw(self, *, fresh: bool) -> Json | None:
        return find_named(self.azure.public_ips(fresh=fresh), self.name)

    def parse_spec(self, raw: Json) -> PublicIpSpec:
        found = parse_network.public_ip(raw)
        return PublicIpSpec(found.location, found.sku, found.allocation, found.zones)

    def parse_outputs(self, raw: Json) -> PublicIp | None:
        found = parse_network.public_ip(raw)
        return PublicIp(found.id, found.address) if found.address else None

    def put(self, spec: PublicIpSpec, tags: dict[str, str], there: Json | None) -> Started:
        body = body_network.public_ip(
            there, location=spec.location, tags=tags, sku=spec.sku, allocation=spec.allocation, zones=spec.zones
        )
        return self.azure.put_public_ip(self.name, body)

    def remove(self) -> Started | None:
        return self.azure.delete_public_ip(self.name)


def public_ip_name(azure: Azure, instance: int) -> str:
    return azure.name(f"public-ip-{instance + 1}")
