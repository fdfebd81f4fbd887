"""What pyproject.toml asks for, each with the reason that stands behind it as a comment."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LISTS = ("dependencies", "sandbox", "dev")
"""``[project] dependencies`` and the extras, in the order in which a reader meets them."""


@dataclass(frozen=True)
class Declared:
    """One line of a list. text: the requirement as it stands there. reason: empty where none is given."""

    requirement: Requirement
    text: str
    heading: str
    reason: str

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)


def declared(text: str) -> list[Declared]:
    """Everything in LISTS. Raises ValueError for a line that cannot be understood."""
    found = []
    for heading in LISTS:
        section = re.search(rf"^{heading} = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)
        if section is None:
            raise ValueError(f"pyproject.toml has no list {heading}")
        for line in section[1].splitlines():
            said = re.match(r'\s*"([^"]+)",\s*(?:# *(.+))?', line)
            if said is None:
                raise ValueError(f"not understood in pyproject.toml: {line.strip()}")
            found.append(Declared(Requirement(said[1]), said[1], heading, (said[2] or "").strip()))
    return found


def read() -> list[Declared]:
    return declared((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def builders(text: str) -> list[Requirement]:
    """What pip fetches to build cloudlink itself."""
    return [Requirement(line) for line in tomllib.loads(text)["build-system"]["requires"]]
