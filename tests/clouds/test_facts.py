"""Every fact that is read from answers of the clouds, word for word: of whole answers, and of the same without each of its keys, or with
another value there.

``golden/answers.json`` has for each function of the ``parse`` modules what it was given against the sandbox, whose answers are checked
against the vendors' documents. ``golden/facts.txt`` says what was read from it.
"""

from __future__ import annotations

import copy
import importlib
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cloudlink.errors import MalformedError
from tests.support.golden import compare
from tests.support.told import decoded, is_plain, lines

GOLDEN = Path(__file__).parent / "golden"
ANSWERS: dict[str, list[Any]] = json.loads((GOLDEN / "answers.json").read_text(encoding="utf-8"))
_PYTHONS_WORDS = re.compile(r"\((\w+): .*\)")  # which differ between its versions
Place = tuple[str | int, ...]


def read(function: str, arguments: Any) -> list[str]:
    """What it says of these arguments: lines."""
    module, _, name = function.rpartition(".")
    call = getattr(importlib.import_module(f"cloudlink.clouds.{module}"), name)
    positional, named = arguments
    try:
        return list(lines(call(*positional, **named)))
    except MalformedError as error:
        return [_PYTHONS_WORDS.sub(r"(\1)", error.detail).removesuffix(" Nothing was done on the strength of it.")]
    except (KeyError, TypeError, AttributeError, ValueError, LookupError) as error:
        return [type(error).__name__]


def places(value: Any, before: Place = ()) -> Iterator[Place]:
    """The path of each key and of each plain value in it; of lists, in the first three elements."""
    if isinstance(value, dict) and not is_plain(value):
        for key, held in value.items():
            yield (*before, key)
            yield from places(held, (*before, key))
    elif isinstance(value, list):
        for number, held in enumerate(value[:3]):
            if not isinstance(held, (dict, list)):
                yield (*before, number)
            yield from places(held, (*before, number))


def without(value: Any, path: Place) -> Any:
    return _edited(value, path, lambda holder, key: holder.pop(key))


def with_another(value: Any, path: Place) -> Any:
    """With another plain value of the same kind there; None: there is an object."""
    held = value
    for part in path:
        held = held[part]
    if held is None or isinstance(held, (dict, list)):
        return None
    other = not held if isinstance(held, bool) else held + 1 if isinstance(held, (int, float)) else "other"
    return _edited(value, path, lambda holder, key: holder.__setitem__(key, other))


def _edited(value: Any, path: Place, edit: Callable[[Any, Any], Any]) -> Any:
    changed = copy.deepcopy(value)
    holder = changed
    for part in path[:-1]:
        holder = holder[part]
    edit(holder, path[-1])
    return changed


def told(function: str) -> str:
    found, seen = [function], set()
    for number, (positional, named) in enumerate(ANSWERS[function]):
        whole = read(function, decoded([positional, named]))
        found += [f"  answer {number}", *(f"    {line}" for line in whole)]
        for path in places(positional):
            if (general := tuple("*" if isinstance(p, int) else p for p in path)) in seen:
                continue
            seen.add(general)
            where = ".".join(map(str, path))
            if isinstance(path[-1], str):
                found += _difference(f"without {where}", function, whole, [without(positional, path), named])
            if (other := with_another(positional, path)) is not None:
                found += _difference(f"with another {where}", function, whole, [other, named])
    return "\n".join(found) + "\n"


def _difference(edit: str, function: str, whole: list[str], arguments: Any) -> list[str]:
    now = read(function, decoded(arguments))
    if now == whole:
        return []
    new, gone = [line for line in now if line not in whole], [line for line in whole if line not in now]
    passed_on = re.compile("other|Other|OTHER")
    if len(now) == len(whole) and all(passed_on.search(line) for line in new):
        return []  # it is told as it stands in the answer, which the whole shows
    return [f"    {edit}: {'; '.join(new) or f'{len(gone)} fewer'}"]


@cache
def golden() -> dict[str, str]:
    path = GOLDEN / "facts.txt"
    if not path.exists():
        compare("\n".join(told(function) for function in sorted(ANSWERS)), path)
    parts = (part.strip("\n") + "\n" for part in path.read_text(encoding="utf-8").split("\n\n"))
    return {part.partition("\n")[0]: part for part in parts}


@pytest.mark.parametrize("function", sorted(ANSWERS))
def test_facts_of_answers(function: str) -> None:
    assert told(function) == golden()[function]
