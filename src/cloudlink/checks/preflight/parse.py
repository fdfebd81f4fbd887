"""Address ranges and names out of the clouds' answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network
from typing import Any

from cloudlink.errors import CloudError

Json = Mapping[str, Any]


def properties_of(item: Json | None) -> Json:
    return (item or {}).get("properties") or {}


def children_of(item: Json | None, what: str) -> list[Json]:
    """Children with their properties beside their names."""
    return [{**c, **properties_of(c)} for c in properties_of(item).get(what) or ()]


def prefixes_of(subnet: Json) -> list[str]:
    p = properties_of(subnet) or subnet
    return list(p.get("addressPrefixes") or ([p["addressPrefix"]] if p.get("addressPrefix") else []))


def vpc_ranges(vpc: Json | None) -> list[str]:
    if vpc is None:
        return []
    associated = [
        a["CidrBlock"]
        for a in vpc.get("CidrBlockAssociationSet") or ()
        if (a.get("CidrBlockState") or {}).get("State", "associated") in ("associated", "associating")
    ]
    return associated or [vpc["CidrBlock"]]


def vnet_ranges(vnet: Json | None) -> list[str]:
    return list((properties_of(vnet).get("addressSpace") or {}).get("addressPrefixes") or ())


def networks_in(prefixes: Iterable[Any] | None) -> list[IPv4Network]:
    """IPv4 only: cloudlink links IPv4. A malformed answer raises CloudError."""
    found = []
    for prefix in prefixes or ():
        if not prefix or ":" in str(prefix):
            continue
        try:
            found.append(IPv4Network(str(prefix)))
        except ValueError as error:
            raise CloudError(
                "A cloud returned an invalid address range",
                f"{str(prefix)[:80]!r} is not an IPv4 range.",
                "Look at it in the cloud's console.",
            ) from error
    return found


def name_of(reference: Any) -> str:
    return name_in(str((reference or {}).get("id", "")))


def name_in(id_: str) -> str:
    return id_.rpartition("/")[2]
