"""Bodies of PUTs. A PUT writes the whole object and takes away what it does not name: so a body is what was read, with
what others have set on it, and above it what is ours. ``there`` is the object as Azure answered it; None: it is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudlink.clouds.azure.parse_pieces import Json, properties
from cloudlink.clouds.malformed import parsing

# Read-only wherever it appears: Azure answers it and takes it from nobody.
_AZURES = frozenset({"provisioningState", "resourceGuid", "etag"})
_AZURES_ON_TOP = frozenset({"id", "name", "type", "etag", "systemData", "properties"})

Body = dict[str, Any]


def rest_of(there: Any, *azures: str) -> Any:
    """What an object, or a part of one, says, to be written back. azures: more of its keys that are Azure's own."""
    if isinstance(there, Mapping):
        return {k: rest_of(v) for k, v in there.items() if k not in _AZURES and k not in azures}
    return [rest_of(item) for item in there] if isinstance(there, list | tuple) else there


def body_of(there: Json | None, changed: Json, *azures: str, **on_top: Any) -> Body:
    """The body of a PUT: what others have set, and above it what is ours. changed: properties; on_top: beside them."""
    kept = {k: v for k, v in (there or {}).items() if k not in _AZURES_ON_TOP}
    return {**kept, **on_top, "properties": {**rest_of(properties(there), *azures), **changed}}


@parsing("Azure's resource groups")
def group(there: Json | None, *, location: str, tags: dict[str, str]) -> Body:
    kept = {"managedBy": there["managedBy"]} if there and there.get("managedBy") else {}
    return {**kept, "location": location, "tags": tags}
