"""Whatever a test was told, word for word: ``golden/TEST_FILE.txt`` beside it has each of it once, below the test's name.

So a test may ask for what matters to it, and yet no word, key or severity changes unseen. After a deliberate change delete the file,
run its tests with ``GOLDEN=write`` and ``-p no:randomly``, and read the difference.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from cloudlink.errors import CloudlinkError

from .told import lines

T = TypeVar("T")
TESTS = Path(__file__).parents[1]
_BY_CHANCE = re.compile(r"(?<=cloudlink-probe-demo-)[0-9a-f]{6}")  # the end of a pod's name
_EMPTY = ("= ''", "= []", "= {}", "= None", "= False")
Sections = dict[str, dict[str, None]]  # the blocks below each test's name


def pinned(found: Iterable[T]) -> list[T]:
    """These, each of which is to be told as it is in the file."""
    return [pin(one) for one in found]


def pin(value: T, beside: object = None) -> T:
    """beside: what is told of this is not told again."""
    test = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
    file, _, name = test.partition("[")[0].rpartition("::")
    path = TESTS / file.partition("tests/")[2]
    golden, section, block = path.parent / "golden" / f"{path.stem}.txt", name.rpartition(":")[2], _block(value, beside)
    known = _sections(golden)
    if block and block not in known.get(section, {}):
        assert os.environ.get("GOLDEN") == "write", (
            f"{golden.name} has not below {section} (GOLDEN=write adds it):\n{block}"
        )
        known.setdefault(section, {})[block] = None
        text = "\n\n".join(f"{name}\n" + "\n\n".join(blocks) for name, blocks in sorted(known.items()))
        golden.write_text(text + "\n", encoding="utf-8")
    return value


def _block(value: Any, beside: object) -> str:
    if isinstance(value, CloudlinkError):
        kept = {k: v for k, v in vars(value).items() if k not in ("findings", "shown")}
        value = {type(value).__name__: kept}
    usual = set(lines(beside)) if beside is not None else set()
    told = [line.lstrip(".") for line in lines(value) if line not in usual and (usual or not line.endswith(_EMPTY))]
    return _BY_CHANCE.sub("123abc", "\n".join(f"    {line}" for line in told))


@cache
def _sections(golden: Path) -> Sections:
    found: Sections = {}
    name = ""
    for part in golden.read_text(encoding="utf-8").rstrip("\n").split("\n\n") if golden.exists() else ():
        head, _, rest = part.partition("\n")
        if head.startswith(" "):
            rest = part
        else:
            name = head
        found.setdefault(name, {})[rest] = None
    return found
