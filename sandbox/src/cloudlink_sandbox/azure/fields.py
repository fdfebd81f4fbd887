"""Reading a request's fields as Azure reads them: known names kept, unknown ones dropped, wrong values refused."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from typing import Any

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.ids import ResourceId


def choice(
    source: Json, name: str, allowed: Iterable[str], default: str | None = None, *, path: str = "properties"
) -> str:
    """One of the values of an enum, in Azure's spelling whatever the case it came in. Without a default: required."""
    value = source.get(name)
    if value is None:
        if default is None:
            raise errors.missing_property(f"{path}.{name}")
        return default
    known = list(allowed)
    for spelling in known:
        if isinstance(value, str) and value.lower() == spelling.lower():
            return spelling
    raise errors.invalid_value(f"{path}.{name}", value, ", ".join(known))


def flag(source: Json, name: str, default: bool, *, path: str = "properties") -> bool:
    value = source.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise errors.invalid_value(f"{path}.{name}", value)
    return value


def number(source: Json, name: str, default: int | None, low: int, high: int, *, path: str = "properties") -> int:
    value = source.get(name)
    if value is None:
        if default is None:
            raise errors.missing_property(f"{path}.{name}")
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise errors.invalid_value(f"{path}.{name}", value, f"{low} to {high}")
    return value


def array(source: Json, name: str, *, path: str = "properties") -> list[Any]:
    value = source.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise errors.invalid_value(f"{path}.{name}", value)
    return value


def objects(source: Json, name: str, *, path: str = "properties") -> list[Json]:
    """A list of objects, empty when it is missing or null."""
    values = array(source, name, path=path)
    for i, value in enumerate(values):
        if not isinstance(value, dict):
            raise errors.invalid_value(f"{path}.{name}[{i}]", value)
    return values


def inner(source: Json, name: str, *, path: str = "properties") -> Json:
    value = source.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.invalid_value(f"{path}.{name}", value)
    return value


def prefix(value: object, id_: ResourceId) -> str:
    """A network in CIDR notation without host bits. Raises ApiError(InvalidAddressPrefixFormat)."""
    text = str(value)
    try:
        network = IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise errors.invalid_prefix(text, str(id_)) from None
    if "/" not in text:
        raise errors.invalid_prefix(text, str(id_))
    if str(network) != text:
        raise ApiError(
            400,
            "InvalidCIDRNotation",
            f"The address prefix {text} in resource {id_} has an invalid CIDR notation. For the given prefix length, "
            f"the address prefix should be {network}.",
        )
    return text


def address(value: object) -> IPv4Address | None:
    try:
        return IPv4Address(str(value))
    except ValueError:
        return None


def check_overlap(prefixes: list[str], code: str, message: str) -> None:
    """Raises ApiError(code) when two of the prefixes overlap; ``{0}`` and ``{1}`` in the message name them."""
    networks = [IPv4Network(p) for p in prefixes]
    for i, one in enumerate(networks):
        for other in networks[i + 1 :]:
            if one.overlaps(other):
                raise ApiError(400, code, message.format(one, other))
