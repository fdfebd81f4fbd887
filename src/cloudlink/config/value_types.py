"""The types of value that a configuration may hold: how each is read, and how it is described.

A ValueType reads one TOML value into what the domain wants, or raises ValidationError with all that is wrong with it.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Generic, TypeVar

from cloudlink.addressing import is_private
from cloudlink.config.shown import shown
from cloudlink.errors import Mistake

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)


class ValidationError(Exception):
    """A value that its key does not accept. Paths are relative to the key: empty, or ``[2]`` within a list."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__(mistakes)
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class ValueType(Generic[T]):
    type: str  # TOML's word for it
    allowed: str  # what is accepted, as messages and the reference show it
    read: Callable[[object], T]
    # what JSON Schema can say of it, for editors; they may accept more than ``read`` does, never less
    schema: Mapping[str, Any] = field(default_factory=dict)


def invalid(value: object, allowed: str, near_miss: str = "") -> ValidationError:
    return ValidationError(Mistake("", shown(value), allowed, near_miss))


def closest(word: str, words: Sequence[str], likeness: float = 0.6) -> str:
    """The word that was probably meant, or an empty string. likeness: 1 for the same word, 0 for any."""
    import difflib

    folded = {known.casefold(): known for known in reversed(words)}
    found = difflib.get_close_matches(word[:80].casefold(), folded, n=1, cutoff=likeness)
    return folded[found[0]] if found else ""


def text(
    allowed: str,
    pattern: str = r".+",
    *,
    longest: int = 255,
    near: Callable[[str], str] | None = None,
    lower: bool = False,
) -> ValueType[str]:
    """A string that matches a pattern as a whole. near: proposes what was meant; used only if it matches itself.

    lower: the value's case has no meaning and is dropped.
    """

    def fits(value: str) -> bool:
        return len(value) <= longest and re.fullmatch(pattern, value) is not None

    def read(value: object) -> str:
        if not isinstance(value, str):
            unquoted = shown(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
            raise invalid(value, f"a string: {allowed}", f'"{unquoted}"' if fits(unquoted) else "")
        if not value.isprintable():
            raise invalid(value, f"text without control characters: {allowed}")
        wanted = value.lower() if lower else value
        if fits(wanted):
            return wanted
        stripped = value.strip()
        guesses = [near(value)] if near else []
        guesses += [stripped, stripped.lower(), stripped.rstrip("."), stripped.lower().rstrip(".")]
        raise invalid(value, allowed, next((guess for guess in guesses if fits(guess)), ""))

    everywhere = not lower and not re.search(r"\\w|\(\?i", pattern)  # Python's and JavaScript's meaning is the same
    form = {} if not everywhere else {"pattern": f"^(?:{pattern})$", "maxLength": longest}
    return ValueType("string", allowed, read, {"type": "string", **form})


def integer(least: int, most: int, allowed: str = "", *, why: str = "") -> ValueType[int]:
    words = (allowed or f"{least} to {most}") + (f" ({why})" if why else "")

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            digits = value.strip() if isinstance(value, str) else ""
            near = digits if re.fullmatch(r"[0-9]{1,10}", digits) and least <= int(digits) <= most else ""
            raise invalid(value, f"a whole number: {words}", near)
        if not least <= value <= most:
            raise invalid(value, words)
        return value

    return ValueType("integer", words, read, {"type": "integer", "minimum": least, "maximum": most})


def number(least: float, most: float) -> ValueType[float]:
    words = f"{least:g} to {most:g}"

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid(value, f"a number: {words}")
        if not least <= value <= most or not math.isfinite(value):
            raise invalid(value, words)
        return float(value)

    return ValueType("number", words, read, {"type": "number", "minimum": least, "maximum": most})


_TRUTH = {
    **dict.fromkeys(("true", "yes", "on", "1", "enabled"), "true"),
    **dict.fromkeys(("false", "no", "off", "0", "disabled"), "false"),
}


def _read_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        near = _TRUTH.get(str(value).strip().lower(), "") if isinstance(value, str) else ""
        raise invalid(value, "true or false (without quotes)", near)
    return value


BOOLEAN = ValueType("boolean", "true or false", _read_boolean, {"type": "boolean"})


def choice(
    values: Mapping[Any, T],
    *,
    type_: str = "string",
    refusals: Mapping[Any, str] | None = None,
    meant: Mapping[str, str] | None = None,
) -> ValueType[T]:
    """One of a few values. refusals: why a value that people try is not among them. meant: other words for one."""
    words = " or ".join(filter(None, [", ".join(map(str, list(values)[:-1])), str(list(values)[-1])]))
    names = [str(value) for value in values]

    def read(value: object) -> T:
        right_type = isinstance(value, str) if type_ == "string" else type(value) is int
        if right_type and value in values:
            return values[value]
        reason = (refusals or {}).get(value) if isinstance(value, str | int) else None
        near = ""
        if isinstance(value, str):
            near = (meant or {}).get(value.casefold(), "") or ("" if reason else closest(value, names))
        raise invalid(value, f"{words} ({reason})" if reason else words, near)

    return ValueType(type_, words, read, {"enum": list(values)})


def listing(item: ValueType[H], least: int, most: int, *, of: str, too_many: str = "") -> ValueType[tuple[H, ...]]:
    """A list of distinct values; every wrong element is reported. of: what the elements are, in the plural."""
    count = f"{least} to {most}" if least else f"at most {most}"
    words = f"{count} {of}"

    def read(value: object) -> tuple[H, ...]:
        if not isinstance(value, list):
            near = ""
            with contextlib.suppress(ValidationError):
                item.read(value)
                near = f"[{shown(value)}]"
            raise invalid(value, f"a list: {words}", near)
        if not least <= len(value) <= most:
            raise invalid(value, f"{words}; {too_many}" if too_many and len(value) > most else words)
        read_items: list[H] = []
        mistakes: list[Mistake] = []
        for index, element in enumerate(value):
            try:
                read_item = item.read(element)
            except ValidationError as error:
                mistakes += [Mistake(f"[{index}]{m.path}", m.found, m.allowed, m.near_miss) for m in error.mistakes]
                continue
            if read_item in read_items:
                mistakes.append(Mistake(f"[{index}]", shown(element), "each value once"))
            read_items.append(read_item)
        if mistakes:
            raise ValidationError(*mistakes)
        return tuple(read_items)

    form = {"type": "array", "items": item.schema, "minItems": least, "maxItems": most, "uniqueItems": True}
    return ValueType(f"list of {item.type}s", f"{words}, each: {item.allowed}", read, form)


def word_or(word: str, other: ValueType[T]) -> ValueType[T | None]:
    """A fixed word, which reads as None, or another kind."""
    words = f'"{word}" or {other.allowed}'

    def read(value: object) -> T | None:
        if value == word:
            return None
        if isinstance(value, str) and other.type != "string":
            raise invalid(value, words, word if closest(value, [word]) else "")
        try:
            return other.read(value)
        except ValidationError as error:
            if not isinstance(value, str):
                raise
            near = error.mistakes[0].near_miss or (word if closest(value, [word]) else "")
            raise invalid(value, words, near) from None

    kind = "string" if other.type == "string" else f"string or {other.type}"
    return ValueType(kind, words, read, {"anyOf": [{"const": word}, other.schema]})


def one_or_more(item: ValueType[H], most: int, *, of: str) -> ValueType[tuple[H, ...]]:
    """A single value or a list of them."""
    several = listing(item, 1, most, of=of)

    def read(value: object) -> tuple[H, ...]:
        return several.read(value) if isinstance(value, list) else (item.read(value),)

    form = {"anyOf": [item.schema, several.schema]}
    return ValueType(f"{item.type} or list", f"{item.allowed}; or a list of them", read, form)


_CIDR = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){3})/([0-9]{1,2})")


def network(
    shortest: int = 8,
    longest: int = 29,
    *,
    problem: Callable[[IPv4Network], str] | None = None,
    why: str = "",
) -> ValueType[IPv4Network]:
    """An IPv4 range whose prefix length lies between two bounds. problem: says why a range is not accepted, or returns an empty string."""
    size = f"/{shortest} to /{longest}" if shortest != longest else f"/{shortest}"
    words = f"an IPv4 range of {size}" + (f" ({why})" if why else "")

    def read(value: object) -> IPv4Network:
        if not isinstance(value, str):
            raise invalid(value, f"a string: {words}")
        if (":" in value) and "/" in value:
            raise invalid(value, f"{words}; IPv6 is not linked")
        match = _CIDR.fullmatch(value.strip())
        if match is None:
            raise invalid(value, words)
        try:
            found = IPv4Network(value.strip(), strict=False)
        except ValueError:
            raise invalid(value, words) from None
        if str(found) != value:
            raise invalid(value, f"{words}, written with its first address", str(found))
        if not shortest <= found.prefixlen <= longest:
            raise invalid(value, words)
        if reason := (problem(found) if problem else ""):
            raise invalid(value, f"another range: {reason}")
        return found

    return ValueType("string", words, read, {"type": "string", "pattern": f"^{_CIDR.pattern}$"})


def _read_private_address(value: object) -> IPv4Address:
    words = PRIVATE_ADDRESS.allowed
    if not isinstance(value, str):
        raise invalid(value, f"a string: {words}")
    try:
        address = IPv4Address(value)
    except ValueError:
        stripped = value.strip().partition("/")[0]
        raise invalid(value, words, stripped if _is_private(stripped) else "") from None
    if not _is_private(value):
        raise invalid(value, words)
    return address


def _is_private(value: str) -> bool:
    try:
        return is_private(IPv4Address(value))
    except ValueError:
        return False


PRIVATE_ADDRESS = ValueType(
    "string",
    "a private IPv4 address (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10)",
    _read_private_address,
    {"type": "string", "format": "ipv4"},
)
