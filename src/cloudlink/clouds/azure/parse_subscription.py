"""What a subscription has, may use and has locked, in frozen facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloudlink.clouds.azure.parse_pieces import Json, as_list, as_map, last, properties, region, texts
from cloudlink.clouds.malformed import parsing

# Everything can be read there and nothing be written.
# https://learn.microsoft.com/azure/cost-management-billing/manage/subscription-states
_READ_ONLY = frozenset({"disabled", "expired", "deleted"})


@dataclass(frozen=True)
class Subscription:
    name: str
    state: str  # Enabled, Warned, PastDue, Disabled, Expired, Deleted; empty: Azure did not say
    spending_limit: bool = False  # it is disabled when its credit is used up

    @property
    def ending(self) -> bool:
        """Whether Azure has said that it will disable it: a bill is open. Until then everything works."""
        return self.state.lower() in ("warned", "pastdue")

    @property
    def read_only(self) -> bool:
        """Whether Azure refuses every write in it."""
        return self.state.lower() in _READ_ONLY


@dataclass(frozen=True)
class Lock:
    id: str
    name: str
    level: str  # CanNotDelete, ReadOnly
    scope: str
    notes: str = ""

    @property
    def stops_writes(self) -> bool:
        return self.level.lower() == "readonly"


@dataclass(frozen=True)
class Location:
    name: str
    zones: tuple[str, ...] | None = None  # the logical ones, as objects name them; None: Azure does not say


@dataclass(frozen=True)
class Provider:
    namespace: str
    state: str
    # the kinds of objects that it says locations of, each with these, as ``westeurope``; kinds without any are everywhere
    locations: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def lacks(self, kind: str, location: str) -> bool:
        """Whether objects of this kind, such as ``virtualNetworkGateways``, cannot be made in a location."""
        known = self.locations.get(kind.lower())
        return bool(known) and region(location) not in (known or ())

    @property
    def registered(self) -> bool:
        return self.state.lower() in ("registered", "registering")


@parsing("Azure's subscriptions")
def subscription(raw: Json) -> Subscription:
    limit = as_map(raw.get("subscriptionPolicies")).get("spendingLimit")
    return Subscription(str(raw["displayName"]), str(raw.get("state") or ""), str(limit or "").lower() == "on")


@parsing("Azure's locations, providers and locks")
def locations(raw: Iterable[Json]) -> tuple[Location, ...]:
    """A location without mappings has no zones; one whose answer leaves the list out altogether says nothing."""
    found = []
    for item in raw:
        mappings = item.get("availabilityZoneMappings")
        zones = tuple(sorted(str(m.get("logicalZone")) for m in mappings)) if mappings is not None else ()
        found.append(Location(str(item.get("name") or ""), zones))
    if not any(f.zones for f in found):  # an older answer, which knows of no zones at all
        return tuple(Location(f.name) for f in found)
    return tuple(found)


@parsing("Azure's locations, providers and locks")
def locations_of(raw: Json | None, kind: str) -> tuple[Location, ...]:
    """As a provider tells them for one of its kinds, with the zones that this kind may have there. Empty: it tells no zones.

    https://learn.microsoft.com/rest/api/resources/providers/get
    """
    named = (k for k in as_list((raw or {}).get("resourceTypes")) if str(k.get("resourceType")).lower() == kind.lower())
    held = next(named, {})
    zones = {region(m.get("location")): tuple(sorted(texts(m.get("zones")))) for m in as_list(held.get("zoneMappings"))}
    return (
        tuple(Location(name, zones.get(name, ())) for name in map(region, texts(held.get("locations"))))
        if zones
        else ()
    )


@parsing("Azure's locations, providers and locks")
def provider(raw: Json) -> Provider:
    kinds = {
        str(kind.get("resourceType") or "").lower(): frozenset(map(region, texts(kind.get("locations"))))
        for kind in as_list(raw.get("resourceTypes"))
    }
    return Provider(str(raw.get("namespace") or ""), str(raw.get("registrationState") or ""), kinds)


@parsing("Azure's locations, providers and locks")
def locks(raw: Iterable[Json]) -> tuple[Lock, ...]:
    found = []
    for item in raw:
        held, id_ = properties(item), str(item.get("id") or "")
        level = str(held.get("level") or "")
        if level.lower() in ("cannotdelete", "readonly"):
            scope = id_.lower().rpartition("/providers/microsoft.authorization/locks/")[0]
            found.append(
                Lock(id_, str(item.get("name") or last(id_)), level, id_[: len(scope)], str(held.get("notes") or ""))
            )
    return tuple(found)
