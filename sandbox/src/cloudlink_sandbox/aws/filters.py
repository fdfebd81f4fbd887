"""Filters of Describe calls, as EC2 applies them: values are OR, filters are AND, ``*`` and ``?`` are wildcards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

from cloudlink_sandbox.aws.errors import ApiError

T = TypeVar("T")
Words = Callable[[T], Iterable[str]]


@lru_cache(maxsize=512)
def _pattern(value: str) -> re.Pattern[str]:
    parts = re.split(r"(\\.|\*|\?)", value)
    return re.compile(
        "".join(
            ".*" if p == "*" else "." if p == "?" else re.escape(p[1:]) if p.startswith("\\") else re.escape(p)
            for p in parts
        ),
        re.DOTALL,
    )


def matches(value: str, wanted: Iterable[str]) -> bool:
    return any(_pattern(w).fullmatch(value) for w in wanted)


def asks_for_tags(filters: Mapping[str, Sequence[str]]) -> bool:
    return any(name.startswith("tag:") or name == "tag-key" for name in filters)


def chosen(
    objects: Iterable[T],
    filters: Mapping[str, Sequence[str]],
    known: Mapping[str, Words[T]],
    tags: Callable[[T], Mapping[str, str]],
) -> list[T]:
    """The objects that pass every filter.

    Raises ApiError InvalidParameterValue for a filter that this kind of object does not have: AWS never ignores one.
    """
    for name in filters:
        if name not in known and name != "tag-key" and not name.startswith("tag:"):
            raise ApiError("InvalidParameterValue", f"The filter '{name}' is invalid")

    def words(thing: T, name: str) -> Iterable[str]:
        if name == "tag-key":
            return tags(thing)
        if name.startswith("tag:"):
            value = tags(thing).get(name[4:])
            return () if value is None else (value,)
        return known[name](thing)

    return [
        thing
        for thing in objects
        if all(any(matches(word, wanted) for word in words(thing, name)) for name, wanted in filters.items())
    ]
