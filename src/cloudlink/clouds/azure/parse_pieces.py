"""Pieces of Azure's answers. What has not the documented form raises TypeError, LookupError or ValueError here, which
the functions that read whole answers refuse as malformed.

Ids keep Azure's case, since they are shown and typed again; they are compared in lower case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cloudlink.errors import MalformedError

Json = Mapping[str, Any]


def properties(raw: Json | None) -> Json:
    """Empty where Azure writes null or nothing."""
    return as_map((raw or {}).get("properties"))


def as_map(value: Any) -> Json:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{type(value).__name__} where an object belongs")
    return value


def as_list(value: Any) -> list[Json]:
    """Of objects; an answer may hold null."""
    return [as_map(v) for v in texts_or_objects(value) if v is not None]


def texts(value: Any) -> tuple[str, ...]:
    return tuple(str(v) for v in texts_or_objects(value) if v is not None)


def texts_or_objects(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise TypeError(f"{type(value).__name__} where a list belongs")
    return tuple(value)


def id_of(reference: Any) -> str:
    """Of ``{"id": ...}``; empty: none."""
    return str(as_map(reference).get("id") or "")


def region(word: object) -> str:
    """``West Europe`` and ``westeurope`` are one region."""
    return str(word or "").replace(" ", "").lower()


def addresses(values: Any) -> tuple[IPv4Address, ...]:
    """Without IPv6, which the link does not carry."""
    return tuple(IPv4Address(v) for v in texts(values) if ":" not in v)


def named(items: Iterable[Json] | None, name: str) -> Json | None:
    """The one of that name, whatever its case: Azure's names differ by more than case."""
    return next((item for item in items or () if str(item.get("name", "")).lower() == name.lower()), None)


def ranges(prefixes: Iterable[Any] | None) -> tuple[IPv4Network, ...]:
    """IPv4 only, in the order given. Raises MalformedError for what is no range."""
    found = []
    for prefix in prefixes or ():
        if not prefix or ":" in str(prefix):
            continue
        try:
            found.append(IPv4Network(str(prefix), strict=False))
        except ValueError as error:
            raise MalformedError(
                "A cloud returned an invalid address range",
                f"{str(prefix)[:80]!r} is not an IPv4 range.",
                "Look at it in the cloud's console.",
            ) from error
    return tuple(found)


def last(id_: str) -> str:
    """The name at an id's end."""
    return id_.rpartition("/")[2]


def vnet_of(subnet_id: str) -> str:
    """The id of the VNet that a subnet's id names, whatever its case."""
    return subnet_id[: subnet_id.lower().find("/subnets/")] if "/subnets/" in subnet_id.lower() else subnet_id


def part(id_: str, what: str) -> str:
    """What an id says of ``subscriptions`` or ``resourceGroups``; empty: nothing."""
    parts = id_.strip("/").split("/")
    lowered = [p.lower() for p in parts]
    at = lowered.index(what.lower()) if what.lower() in lowered else -1
    return parts[at + 1] if 0 <= at < len(parts) - 1 else ""
