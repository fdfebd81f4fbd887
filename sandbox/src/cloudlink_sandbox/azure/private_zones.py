"""Azure's private DNS zones and their links to VNets; what is in a zone is ``private_records``.

https://learn.microsoft.com/azure/dns/private-dns-privatednszone
"""

from __future__ import annotations

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.fields import choice, flag, inner
from cloudlink_sandbox.azure.ids import ResourceId, reference
from cloudlink_sandbox.azure.operations import SHORT
from cloudlink_sandbox.azure.private_records import KINDS, records_of
from cloudlink_sandbox.azure.resource_provider import ResourceProvider
from cloudlink_sandbox.azure.store import Record, Store
from cloudlink_sandbox.azure.vnets import VNET, parent_missing
from cloudlink_sandbox.facts import VnetZone

PRIVATE_ZONE = "Microsoft.Network/privateDnsZones"
# The versions in which these types are known.
VERSIONS = ("2018-09-01", "2020-01-01", "2020-06-01", "2024-06-01")


class PrivateZones(ResourceProvider):
    kinds = ("privateDnsZones",)
    word = "PrivateDnsZone"
    lasts = ("azure.vnet", "azure.vnet", "azure.delete")
    steps = SHORT
    record_sets: tuple[ResourceProvider, ...] = ()

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        del body, old
        if "." not in id_.name.rstrip("."):
            raise ApiError(400, "BadRequest", f"The zone name '{id_.name}' needs at least two labels.")
        return {}

    def _location(self, id_: ResourceId, body: Json, old: Record | None) -> str:
        return _global(body)

    def shape(self, record: Record, state: str, *, listed: bool) -> Json:
        del listed
        links = len(self.store.children(record.id, "virtualNetworkLinks"))
        sets = 1 + sum(len(self.store.children(record.id, kind)) for kind in KINDS)  # its SOA besides
        return {"numberOfRecordSets": sets, "numberOfVirtualNetworkLinks": links, "provisioningState": state}

    def refuse_delete(self, record: Record) -> None:
        if links := self.store.children(record.id, "virtualNetworkLinks"):
            raise errors.gateway(
                409,
                "CannotDeleteResource",
                "Cannot delete resource while nested resources exist. Some existing nested resource IDs include: "
                f"'{links[0].id}'. Please delete all nested resources before deleting this resource.",
            )

    def all_records(self, request: Request) -> Answer:
        """GET privateDnsZones/{name}/ALL: of both modelled types; the SOA is not among them."""
        zone = self.record(request)
        found = [
            by_kind.show(r) for by_kind in self.record_sets for r in self.store.children(zone.id, by_kind.kinds[1])
        ]
        return Answer(200, {"value": found})

    def other_records(self, request: Request) -> Answer:
        raise errors.not_modelled("record sets of other types than A and CNAME", str(self.record(request).id))


class ZoneLinks(ResourceProvider):
    kinds = ("privateDnsZones", "virtualNetworkLinks")
    word = "VirtualNetworkLink"
    lasts = ("azure.vnet", "azure.vnet", "azure.delete")
    steps = SHORT

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        del old
        if self.store.find(id_.parent()) is None:
            raise parent_missing(id_)
        given = inner(body, "properties", path="")
        wanted = reference(given.get("virtualNetwork"), "properties.virtualNetwork.id")
        vnet = self.store.find(wanted)
        if vnet is None or not vnet.is_type(VNET):
            raise errors.reference_not_found(str(wanted), str(id_))
        if flag(given, "registrationEnabled", False):
            raise errors.not_modelled("registration of virtual machines in private DNS zones", str(id_))
        return {
            "virtualNetwork": {"id": str(vnet.id)},
            "registrationEnabled": False,
            "resolutionPolicy": choice(given, "resolutionPolicy", ("Default", "NxDomainRedirect"), "Default"),
        }

    def _location(self, id_: ResourceId, body: Json, old: Record | None) -> str:
        return _global(body)

    def shape(self, record: Record, state: str, *, listed: bool) -> Json:
        del listed
        word = "Completed" if state == "Succeeded" else "InProgress"
        return {**record.properties, "virtualNetworkLinkState": word, "provisioningState": state}


def _global(body: Json) -> str:
    if str(body.get("location") or "").lower() != "global":
        raise errors.location_not_available(str(body.get("location") or ""), PRIVATE_ZONE)
    return "global"


def linked_zones(store: Store) -> tuple[VnetZone, ...]:
    """In the words of the world."""
    found = []
    for zone in store.of_type(PRIVATE_ZONE):
        links = [k for k in store.children(zone.id, "virtualNetworkLinks") if k.effective is not None]
        vnets = frozenset(str(k.properties["virtualNetwork"]["id"]).lower() for k in links)
        redirects = frozenset(
            str(k.properties["virtualNetwork"]["id"]).lower()
            for k in links
            if k.properties["resolutionPolicy"] == "NxDomainRedirect"
        )
        name = zone.name.lower().rstrip(".")
        found.append(VnetZone(name, vnets, tuple(records_of(store, zone.id)), redirects))
    return tuple(found)
