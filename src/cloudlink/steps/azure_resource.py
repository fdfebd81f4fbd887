"""What all objects in Azure that have our name and tags have in common."""

from __future__ import annotations

import shlex
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from cloudlink.clouds import ownership
from cloudlink.clouds.azure.client import Azure, Json
from cloudlink.clouds.azure.parse_object import AzureObject, azure_object, tags_of
from cloudlink.clouds.ownership import LINK_TAG, RESOURCE_TAG, Claim, Owner, owner_of
from cloudlink.core.resource import Observed, OutT, Ownership, Phase, Receipts, Resource, SpecT, Started
from cloudlink.errors import ConflictError
from cloudlink.link import Link

_PHASES = {
    "succeeded": Phase.READY,
    "failed": Phase.FAILED,
    "canceled": Phase.FAILED,
    "deleting": Phase.DELETING,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class AzureResource(Resource[SpecT, OutT]):
    """An object whose name we choose, so that it is found by name and known as ours by its tags.

    The receipt's id decides nothing here: an id in Azure is a path of names, and a foreign object of the same name
    has the same one. Writing is always a PUT of the whole object, which takes away what it does not name: so an update
    reads the object, changes what is ours, and writes the rest back as others have set it.
    """

    link: Link
    azure: Azure
    foreign_stays: bool = False  # one of our name without our tags is left, not refused: so that a teardown goes on

    @abstractmethod
    def raw(self, *, fresh: bool) -> Json | None:
        """The object as Azure answers it; None: absent."""

    @abstractmethod
    def parse_spec(self, raw: Json) -> SpecT | None:
        """The spec that the object has; None while Azure does not say yet."""

    @abstractmethod
    def parse_outputs(self, raw: Json) -> OutT | None:
        """The outputs; None until they are known."""

    @abstractmethod
    def put(self, spec: SpecT, tags: dict[str, str], there: Json | None) -> Started:
        """The one write that makes the object or changes it. there: the object as it is, see ``clouds.azure.body``; None: it is
        made."""

    @abstractmethod
    def remove(self) -> Started | None:
        """The DELETE. None: gone already."""

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[SpecT, OutT] | None:
        del receipts
        return self._observed(fresh=fresh)

    def _observed(self, *, fresh: bool) -> Observed[SpecT, OutT] | None:
        raw = self.raw(fresh=fresh)
        if raw is None:
            return None
        found, owner = azure_object(raw), owner_of(self.link)
        now, claim = phase(found.state), owner.claim(found.tags, self.address)
        if claim is Claim.NONE:
            refusal = foreign_object(found, owner, self.address)
            if self.foreign_stays:
                return Observed(found.id, now, None, None, Ownership.ADOPTED, refusal.hint)
            raise refusal
        if elsewhere := self._elsewhere(found, claim):
            raise ownership.same_name_elsewhere(found.id, elsewhere, owner, self.address)
        unmarked = claim is Claim.INCOMPLETE and now is Phase.READY
        lacking = owner.lacking(found.tags, fold=True) if now is Phase.READY else ()
        spec, outputs = self.parse_spec(raw), self.parse_outputs(raw)
        return Observed(found.id, now, spec, outputs, Ownership.OWNED, found.state, unmarked, lacking)

    def _elsewhere(self, found: AzureObject, claim: Claim) -> str:
        """Where the link is that an object of our name belongs to, if not here; empty: it is ours. What was made before
        tags named the place is where the link's gateway is."""
        if claim is Claim.ELSEWHERE:
            return ownership.place_in(found.tags)
        if claim is Claim.INCOMPLETE and (vnet := self.azure.vnet_of_gateway()) not in ("", self.azure.vnet_id.lower()):
            return f"VNet {vnet}"
        return ""

    def complete_marks(self, found: Observed[SpecT, OutT]) -> Started:
        return self.azure.mark(found.id)

    def create(self, spec: SpecT) -> Started:
        return self.put(spec, self.tags(), None)

    def update(self, found: Observed[SpecT, OutT], spec: SpecT) -> Started:
        there = self.whole(found.id)
        return self.put(spec, ownership.merged(tags_of(there), self.tags()), there)

    def whole(self, id_: str) -> Json:
        """The object with all that others may have set on it."""
        return self.azure.whole(id_)

    def delete(self, found: Observed[SpecT, OutT], prior_state: Any) -> Started | None:
        del found, prior_state
        return self.remove()

    def tags(self) -> dict[str, str]:
        return owner_of(self.link).tags(self.address)


def foreign_object(found: AzureObject, owner: Owner, address: str) -> ConflictError:
    """The error for an object with our name but without our tags."""
    wanted = shlex.join(f"{k}={v}" for k, v in owner.tags(address).items())
    held = found.tags
    said = ", ".join(f"{k}={held[k]}" for k in (LINK_TAG, RESOURCE_TAG) if k in held) or "no tag of cloudlink's"
    return ConflictError(
        "An object in Azure has our name but not our tags",
        f"{found.id} exists where cloudlink would create its own, and has {said}. It is left alone, because it may be somebody else's.",
        f"If it is not needed: az resource delete --ids {shlex.quote(found.id)}\n"
        f"If cloudlink made it and its tags were lost: az tag update --operation merge --resource-id {shlex.quote(found.id)} --tags {wanted}",
        resource=address,
    )


def phase(word: str) -> Phase:
    """Of Azure's word for an object's state. Assumption: an object that has none is not being worked on."""
    return _PHASES.get(word.lower(), Phase.CREATING) if word else Phase.READY
