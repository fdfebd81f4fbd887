"""What all objects in Azure that have our name and tags have in common."""

from __future__ import annotations

import shlex
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from cloudlink.clouds import ownership
from cloudlink.clouds.azure.client import Azure, Json
from cloudlink.clouds.malformed import parsing
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
        """The one write that makes the object or changes it. there: the object as it is, see ``rest_of``; None: it is
        made."""

    @abstractmethod
    def remove(self) -> Started | None:
        """The DELETE. None: gone already."""

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[SpecT, OutT] | None:
        del receipts
        return self._observed(fresh=fresh)

    @parsing("Azure's objects")
    def _observed(self, *, fresh: bool) -> Observed[SpecT, OutT] | None:
        raw = self.raw(fresh=fresh)
        if raw is None:
            return None
        owner = owner_of(self.link)
        claim = owner.claim(raw.get("tags"), self.address)
        if claim is Claim.NONE:
            refusal = foreign_object(raw, owner, self.address)
            if self.foreign_stays:
                return Observed(str(raw["id"]), phase(raw), None, None, Ownership.ADOPTED, refusal.hint)
            raise refusal
        if elsewhere := self._elsewhere(raw, claim):
            raise ownership.same_name_elsewhere(str(raw["id"]), elsewhere, owner, self.address)
        now = phase(raw)
        unmarked = claim is Claim.INCOMPLETE and now is Phase.READY
        lacking = owner.lacking(raw.get("tags"), fold=True) if now is Phase.READY else ()
        spec, outputs = self.parse_spec(raw), self.parse_outputs(raw)
        return Observed(str(raw["id"]), now, spec, outputs, Ownership.OWNED, state(raw), unmarked, lacking)

    def _elsewhere(self, raw: Json, claim: Claim) -> str:
        """Where the link is that an object of our name belongs to, if not here; empty: it is ours. What was made before
        tags named the place is where the link's gateway is."""
        if claim is Claim.ELSEWHERE:
            return ownership.place_in(raw.get("tags") or {})
        if claim is Claim.INCOMPLETE and (vnet := self.azure.vnet_of_gateway()) not in ("", self.azure.vnet_id.lower()):
            return f"VNet {vnet}"
        return ""

    def complete_marks(self, found: Observed[SpecT, OutT]) -> Started:
        return self.azure.mark(found.id)

    def create(self, spec: SpecT) -> Started:
        return self.put(spec, self.tags(), None)

    def update(self, found: Observed[SpecT, OutT], spec: SpecT) -> Started:
        there = self.whole(found.id)
        return self.put(spec, ownership.merged(there.get("tags") or {}, self.tags()), there)

    def whole(self, id_: str) -> Json:
        """The object with all that others may have set on it."""
        return self.azure.whole(id_)

    def delete(self, found: Observed[SpecT, OutT], prior_state: Any) -> Started | None:
        del found, prior_state
        return self.remove()

    def tags(self) -> dict[str, str]:
        return owner_of(self.link).tags(self.address)


def foreign_object(raw: Json, owner: Owner, address: str) -> ConflictError:
    """The error for an object that bears our name but not our tags."""
    id_ = str(raw["id"])
    wanted = shlex.join(f"{k}={v}" for k, v in owner.tags(address).items())
    held = raw.get("tags") or {}
    said = ", ".join(f"{k}={held[k]}" for k in (LINK_TAG, RESOURCE_TAG) if k in held) or "no tag of cloudlink's"
    return ConflictError(
        "An object in Azure has our name but not our tags",
        f"{id_} exists where cloudlink would create its own, and has {said}. It is left alone, because it may be somebody else's.",
        f"If it is not needed: az resource delete --ids {shlex.quote(id_)}\n"
        f"If cloudlink made it and its tags were lost: az tag update --operation merge --resource-id {shlex.quote(id_)} --tags {wanted}",
        resource=address,
    )


def properties(raw: Mapping[str, Any] | None) -> Json:
    """Never None, even where Azure writes null."""
    return dict((raw or {}).get("properties") or {})


# Azure's own, wherever it stands: it is answered, and nobody's to write.
_AZURES = frozenset({"provisioningState", "resourceGuid", "etag"})
_AZURES_ON_TOP = frozenset({"id", "name", "type", "etag", "systemData", "properties"})


def rest_of(there: Any, *azures: str) -> Any:
    """What an object, or a part of one, says, to be written back. azures: more of its keys that are Azure's own."""
    if isinstance(there, Mapping):
        return {k: rest_of(v) for k, v in there.items() if k not in _AZURES and k not in azures}
    return [rest_of(item) for item in there] if isinstance(there, list | tuple) else there


def body_of(there: Json | None, changed: Json, *azures: str, **on_top: Any) -> Json:
    """The body of a PUT: what others have set, and above it what is ours. changed: properties; on_top: beside them."""
    kept = {k: v for k, v in (there or {}).items() if k not in _AZURES_ON_TOP}
    return {**kept, **on_top, "properties": {**rest_of(properties(there), *azures), **changed}}


def state(raw: Json) -> str:
    """Azure's own word for the object's state."""
    return str(properties(raw).get("provisioningState") or "")


def phase(raw: Json) -> Phase:
    """Assumption: an object that has no provisioningState is not being worked on."""
    word = state(raw)
    return _PHASES.get(word.lower(), Phase.CREATING) if word else Phase.READY


def location(word: object) -> str:
    """``West Europe`` and ``westeurope`` are one region."""
    return str(word or "").replace(" ", "").lower()


def reference(item: Any) -> str:
    """The id in ``{"id": ...}`` in lower case: Azure does not keep the case of ids. Empty: none."""
    return str((item or {}).get("id") or "").lower()


def networks(prefixes: Iterable[str] | None) -> tuple[IPv4Network, ...]:
    """Without IPv6, which the link does not carry; in order."""
    return tuple(sorted(IPv4Network(p, strict=False) for p in prefixes or () if ":" not in p))


def named(items: Iterable[Json] | None, name: str) -> Json | None:
    """The one of that name, whatever its case: Azure's names differ by more than case."""
    return next((item for item in items or () if str(item.get("name", "")).lower() == name.lower()), None)


def subnet_prefixes(subnet: Json) -> tuple[IPv4Network, ...]:
    """Of either form: one ``addressPrefix`` or several ``addressPrefixes``."""
    held = properties(subnet)
    return networks(held.get("addressPrefixes") or [p for p in (held.get("addressPrefix"),) if p])
