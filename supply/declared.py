"""What both pyproject.toml ask for, each with the reason that is given behind it as a comment."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PRODUCT, SANDBOX = "pyproject.toml", "sandbox/pyproject.toml"
LISTS = ("dependencies", "sandbox", "dev")
"""What cloudlink needs, what the sandbox's own distribution needs, and the extra to work on both."""
_PLACES = {"dependencies": (PRODUCT, "dependencies"), "sandbox": (SANDBOX, "dependencies"), "dev": (PRODUCT, "dev")}


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


def declared(texts: dict[str, str]) -> list[Declared]:
    """Everything in LISTS. texts: by path, of PRODUCT and SANDBOX. Raises ValueError for a line that cannot be understood."""
    found = []
    for heading in LISTS:
        path, name = _PLACES[heading]
        section = re.search(rf"^{name} = \[\n(.*?)^\]", texts[path], re.DOTALL | re.MULTILINE)
        if section is None:
            raise ValueError(f"{path} has no list {name}")
        for line in section[1].splitlines():
            said = re.match(r'\s*"([^"]+)",\s*(?:# *(.+))?', line)
            if said is None:
                raise ValueError(f"not understood in {path}: {line.strip()}")
            found.append(Declared(Requirement(said[1]), said[1], heading, (said[2] or "").strip()))
    return found


def texts() -> dict[str, str]:
    """By path."""
    return {path: (ROOT / path).read_text(encoding="utf-8") for path in (PRODUCT, SANDBOX)}


def read() -> list[Declared]:
    return declared(texts())


def builders(texts: dict[str, str]) -> list[Requirement]:
    """What pip fetches to build both distributions."""
    lines = [line for text in texts.values() for line in tomllib.loads(text)["build-system"]["requires"]]
    return [Requirement(line) for line in dict.fromkeys(lines)]
