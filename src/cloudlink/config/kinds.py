"""The kinds of value that a configuration may hold: how each is read, and how it is described.

A kind reads one TOML value into what the domain wants, or raises Refused with everything that is wrong with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Generic, TypeVar

from cloudlink.addressing import is_private
from cloudlink.config.shown import shown
from cloudlink.errors import Mistake

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)


class Refused(Exception):
    """A value is not what its key takes. Paths are relative to the key: empty, or ``[2]`` within a list."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__(mistakes)
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """type: TOML's word for it. allowed: what is accepted, as it stands in messages and in the reference."""

    type: str
    allowed: str
    read: Callable[[object], T]


def refused(value: object, allowed: str, near_miss: str = "") -> Refused:
    return Refused(Mistake("", shown(value), allowed, near_miss))


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
) -> Kind[str]:
    """A string that matches a pattern as a whole. near: proposes what was meant; used only if it matches itself.

    lower: the value's case has no meaning and is dropped.
    """

    def fits(value: str) -> bool:
        return len(value) <= longest and re.fullmatch(pattern, value) is not None

    def read(value: object) -> str:
        if not isinstance(value, str):
            unquoted = shown(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
            raise refused(value, f"a string: {allowed}", f'"{unquoted}"' if fits(unquoted) else "")
        if not value.isprintable():
            raise refused(value, f"text without control characters: {allowed}")
        wanted = value.lower() if lower else value
        if fits(wanted):
            return wanted
        stripped = value.strip()
        guesses = [near(value)] if near else []
        guesses += [stripped, stripped.lower(), stripped.rstrip("."), stripped.lower().rstrip(".")]
        raise refused(value, allowed, next((guess for guess in guesses if fits(guess)), ""))

    return Kind("string", allowed, read)


def integer(least: int, most: int, allowed: str = "", *, why: str = "") -> Kind[int]:
    words = (allowed or f"{least} to {most}") + (f" ({why})" if why else "")

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            digits = value.strip() if isinstance(value, str) else ""
            near = digits if re.fullmatch(r"[0-9]{1,10}", digits) and least <= int(digits) <= most else ""
            raise refused(value, f"a whole number: {words}", near)
        if not least <= value <= most:
            raise refused(value, words)
        return value

    return Kind("integer", words, read)


def number(least: float, most: float) -> Kind[float]:
    words = f"{least:g} to {most:g}"

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refused(value, f"a number: {words}")
        if not least <= value <= most or not math.isfinite(value):
            raise refused(value, words)
        return float(value)

    return Kind("number", words, read)


def _read_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        near = str(value).lower() if isinstance(value, str) and value.lower() in ("true", "false") else ""
        raise refused(value, "true or false (without quotes)", near)
    return value


BOOLEAN = Kind("boolean", "true or false", _read_boolean)


def choice(
    values: Mapping[Any, T],
    *,
    type_: str = "string",
    refusals: Mapping[Any, str] | None = None,
    meant: Mapping[str, str] | None = None,
) -> Kind[T]:
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
        raise refused(value, f"{words} ({reason})" if reason else words, near)

    return Kind(type_, words, read)


def listing(item: Kind[H], least: int, most: int, *, of: str, too_many: str = "") -> Kind[tuple[H, ...]]:
    """A list of distinct values; every wrong element is reported. of: what the elements are, in the plural."""
    count = f"{least} to {most}" if least else f"at most {most}"
    words = f"{count} {of}"

    def read(value: object) -> tuple[H, ...]:
        if not isinstance(value, list):
            near = ""
            if isinstance(value, str):
                try:
                    item.read(value)
                    near = f"[{shown(value)}]"
                except Refused:
                    near = ""
            raise refused(value, f"a list: {words}", near)
        if not least <= len(value) <= most:
            raise refused(value, f"{words}; {too_many}" if too_many and len(value) > most else words)
        read_items: list[H] = []
        mistakes: list[Mistake] = []
        for index, element in enumerate(value):
            try:
                read_item = item.read(element)
            except Refused as refusal:
                mistakes += [Mistake(f"[{index}]{m.path}", m.found, m.allowed, m.near_miss) for m in refusal.mistakes]
                continue
            if read_item in read_items:
                mistakes.append(Mistake(f"[{index}]", shown(element), "each value once"))
            read_items.append(read_item)
        if mistakes:
            raise Refused(*mistakes)
        return tuple(read_items)

    return Kind(f"list of {item.type}s", f"{words}, each: {item.allowed}", read)


def word_or(word: str, other: Kind[T]) -> Kind[T | None]:
    """A fixed word, which reads as None, or another kind."""
    words = f'"{word}" or {other.allowed}'

    def read(value: object) -> T | None:
        if value == word:
            return None
        if isinstance(value, str) and other.type != "string":
            raise refused(value, words, word if closest(value, [word]) else "")
        try:
            return other.read(value)
        except Refused as refusal:
            if not isinstance(value, str):
                raise
            near = refusal.mistakes[0].near_miss or (word if closest(value, [word]) else "")
            raise refused(value, words, near) from None

    return Kind("string" if other.type == "string" else f"string or {other.type}", words, read)


def one_or_more(item: Kind[H], most: int, *, of: str) -> Kind[tuple[H, ...]]:
    """A single value or a list of them."""
    several = listing(item, 1, most, of=of)

    def read(value: object) -> tuple[H, ...]:
        return several.read(value) if isinstance(value, list) else (item.read(value),)

    return Kind(f"{item.type} or list", f"{item.allowed}; or a list of them", read)


_CIDR = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){3})/([0-9]{1,2})")


def network(
    shortest: int = 8,
    longest: int = 29,
    *,
    refusal: Callable[[IPv4Network], str] | None = None,
    why: str = "",
) -> Kind[IPv4Network]:
    """An IPv4 range whose prefix length lies between two bounds. refusal: why a range is not accepted, or empty."""
    size = f"/{shortest} to /{longest}" if shortest != longest else f"/{shortest}"
    words = f"an IPv4 range of {size}" + (f" ({why})" if why else "")

    def read(value: object) -> IPv4Network:
        if not isinstance(value, str):
            raise refused(value, f"a string: {words}")
        if (":" in value) and "/" in value:
            raise refused(value, f"{words}; IPv6 is not linked")
        match = _CIDR.fullmatch(value.strip())
        if match is None:
            raise refused(value, words)
        try:
            found = IPv4Network(value.strip(), strict=False)
        except ValueError:
            raise refused(value, words) from None
        if str(found) != value:
            raise refused(value, f"{words}, written with its first address", str(found))
        if not shortest <= found.prefixlen <= longest:
            raise refused(value, words)
        if reason := (refusal(found) if refusal else ""):
            raise refused(value, f"another range: {reason}")
        return found

    return Kind("string", words, read)


def _read_private_address(value: object) -> IPv4Address:
    words = PRIVATE_ADDRESS.allowed
    if not isinstance(value, str):
        raise refused(value, f"a string: {words}")
    try:
        address = IPv4Address(value)
    except ValueError:
        stripped = value.strip().partition("/")[0]
        raise refused(value, words, stripped if _is_private(stripped) else "") from None
    if not _is_private(value):
        raise refused(value, words)
    return address


def _is_private(value: str) -> bool:
    try:
        return is_private(IPv4Address(value))
    except ValueError:
        return False


PRIVATE_ADDRESS = Kind(
    "string",
    "a private IPv4 address (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10)",
    _read_private_address,
)
