"""Every fact that is read from answers of the clouds, word for word: of whole answers, and of the same without each of its keys.

``golden/answers.json`` has for each function of the ``parse`` modules what it was given against the sandbox, whose answers are checked
against the vendors' documents. ``golden/facts.txt`` says what was read from it.
"""

from __future__ import annotations

import copy
import importlib
import json
import re
from collections.abc import Iterator
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


def keys(value: Any, before: Place = ()) -> Iterator[Place]:
    """The path of each key in it; of lists, in the first three elements."""
    if isinstance(value, dict):
        if is_plain(value):
            return
        for key, held in value.items():
            yield (*before, key)
            yield from keys(held, (*before, key))
    elif isinstance(value, list):
        for number, held in enumerate(value[:3]):
            yield from keys(held, (*before, number))


def without(value: Any, path: Place) -> Any:
    changed = copy.deepcopy(value)
    at = changed
    for part in path[:-1]:
        at = at[part]
    del at[path[-1]]
    return changed


def told(function: str) -> str:
    found, seen = [function], set()
    for number, sample in enumerate(ANSWERS[function]):
        whole = read(function, decoded(sample))
        found += [f"  answer {number}", *(f"    {line}" for line in whole)]
        for path in keys(sample[0]):
            if (general := tuple("*" if isinstance(p, int) else p for p in path)) in seen:
                continue
            seen.add(general)
            lacking = read(function, decoded([without(sample[0], path), sample[1]]))
            if lacking != whole:
                new = [line for line in lacking if line not in whole]
                gone = len([line for line in whole if line not in lacking])
                found.append(f"    without {'.'.join(map(str, path))}: {'; '.join(new) or f'{gone} fewer'}")
    return "\n".join(found) + "\n"


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
