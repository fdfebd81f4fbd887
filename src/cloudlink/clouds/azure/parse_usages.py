"""Azure's counters of what a subscription has in a region and may have there.

https://learn.microsoft.com/rest/api/virtualnetwork/usages/list
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudlink.clouds.malformed import parsing


@dataclass(frozen=True)
class Usage:
    name: str
    title: str
    current: int
    limit: int

    @property
    def counts_public_ips(self) -> bool:
        """Those that a gateway's addresses count for: all of them, static ones, those of the Standard SKU."""
        return self.name.lower() in ("publicipaddresses", "staticpublicipaddresses", "standardskupublicipaddresses")


@parsing("Azure's usages")
def usages(found: Iterable[Mapping[str, Any]]) -> tuple[Usage, ...]:
    return tuple(
        Usage(
            name=str((u.get("name") or {}).get("value") or ""),
            title=str((u.get("name") or {}).get("localizedValue") or (u.get("name") or {}).get("value") or ""),
            current=int(u.get("currentValue") or 0),
            limit=int(u.get("limit") or 0),
        )
        for u in found
    )
