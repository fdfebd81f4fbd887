"""The resource group of Azure's side: looked up or, on request, made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cloudlink.clouds.azure import body
from cloudlink.clouds.azure.client import Azure, Json
from cloudlink.clouds.azure.parse_object import azure_object, azure_objects
from cloudlink.clouds.azure.parse_pieces import region
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.resource import Lookup, Outputs, Started, Timing
from cloudlink.errors import ConflictError, MissingError
from cloudlink.link import Link
from cloudlink.steps.azure_resource import AzureResource
from cloudlink.steps.outputs import ResourceGroup
from cloudlink.steps.permissions import SUBSCRIPTION, rbac


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupLookup(Lookup[ResourceGroup]):
    proof: ClassVar[bool] = True

    link: Link
    azure: Azure

    def read(self, outputs: Outputs) -> ResourceGroup:
        del outputs
        side = self.link.azure
        raw = self.azure.group()
        if raw is None:
            raise MissingError(
                "The resource group was not found",
                f"The subscription {side.subscription} has no resource group {side.resource_group}, which "
                "azure.resource_group names.",
                f"az group create --name {side.resource_group} --location {region(side.location)} "
                f"--subscription {side.subscription}",
                resource=self.address,
            )
        found = azure_object(raw)
        return ResourceGroup(found.id, found.name)


@dataclass(frozen=True)
class GroupSpec:
    location: str


@dataclass(frozen=True, kw_only=True, eq=False)
class NewGroup(AzureResource[GroupSpec, ResourceGroup]):
    """The link's resource group (``[azure] create_resource_group = true``)."""

    timing = Timing(create=5, update=5, delete=60, deadline=1800)
    permissions = rbac("Microsoft.Resources/subscriptions/resourceGroups", SUBSCRIPTION, read=False)
    immutable = frozenset({"location"})

    def spec(self, outputs: Outputs) -> GroupSpec:
        del outputs
        return GroupSpec(region(self.link.azure.location))

    def raw(self, *, fresh: bool) -> Json | None:
        return self.azure.group(fresh=fresh)

    def parse_spec(self, raw: Json) -> GroupSpec:
        return GroupSpec(azure_object(raw).location)

    def parse_outputs(self, raw: Json) -> ResourceGroup:
        found = azure_object(raw)
        return ResourceGroup(found.id, found.name)

    def whole(self, id_: str) -> Json:
        del id_
        return self.azure.group(fresh=True) or {}  # others' tags are written back as they are now

    def put(self, spec: GroupSpec, tags: dict[str, str], there: Json | None) -> Started:
        return self.azure.put_group(body.group(there, location=spec.location, tags=tags))

    def remove(self) -> Started | None:
        """Deleting a group deletes whatever is in it, so it is refused while somebody else's things are.

        Raises ConflictError that names them.
        """
        items = azure_objects(self.azure.in_group())
        others = [item.id for item in items if not owner_of(self.link).holds(item.tags)]
        if others:
            raise ConflictError(
                "The resource group holds things that are not cloudlink's",
                "It is kept, because deleting it would delete them too: " + ", ".join(sorted(others)),
                "Move or delete them, then run the command again.",
                resource=self.address,
            )
        return self.azure.delete_group()
