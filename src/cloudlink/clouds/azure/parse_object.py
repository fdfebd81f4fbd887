"""What every object in Azure says, whatever its kind, in frozen facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudlink.clouds.azure import parse_pieces
from cloudlink.clouds.azure.parse_pieces import Json, as_map, last, properties, region
from cloudlink.clouds.malformed import parsing


@dataclass(frozen=True)
class AzureObject:
    id: str
    name: str
    location: str
    state: str  # provisioningState; empty: it has none
    tags: Mapping[str, str]
    type: str = ""  # Microsoft.Network/virtualNetworks, ...; some answers leave it out


@parsing("Azure's objects")
def azure_object(raw: Json) -> AzureObject:
    id_ = str(raw["id"])
    return AzureObject(
        id=id_,
        name=str(raw.get("name") or last(id_)),
        location=region(raw.get("location")),
        state=str(properties(raw).get("provisioningState") or ""),
        tags=tags_of(raw),
        type=str(raw.get("type") or ""),
    )


@parsing("Azure's objects")
def azure_objects(raw: Iterable[Json]) -> tuple[AzureObject, ...]:
    return tuple(map(azure_object, raw))


@parsing("Azure's objects")
def tags_of(raw: Json | None) -> dict[str, str]:
    return {str(k): str(v) for k, v in as_map((raw or {}).get("tags")).items()}


@parsing("Azure's objects")
def find_named(items: Iterable[dict[str, Any]], name: str) -> dict[str, Any] | None:
    """The one of that name, as Azure answers it."""
    found = parse_pieces.named(items, name)
    return None if found is None else dict(found)
