"""What is installed here, and who asked for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import Distribution, distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = frozenset({"cloudlink-cli", "cloudlink-sandbox"})
PROJECT = "cloudlink"  # who asks for what pyproject.toml lists
TOOLS = frozenset({"pip", "setuptools", "wheel"})
"""Come with the virtual environment, whatever is installed into it."""


@dataclass
class Package:
    """by: the packages that ask for it, the first one being nearest to cloudlink. wants: what it asks for here."""

    name: str
    version: str
    licence: str
    wants: list[Requirement]
    by: list[str] = field(default_factory=list)


def packages() -> dict[str, Package]:
    """Every distribution of this environment, by canonical name. Whoever asks may write into what it is given."""
    return {p.name: replace(p, wants=[*p.wants], by=[]) for p in _packages()}


@cache
def _packages() -> tuple[Package, ...]:
    """Read once: there are a hundred, and each is a file of hundreds of lines."""
    return tuple(_package(d) for d in distributions())


def _package(distribution: Distribution) -> Package:
    return Package(
        canonicalize_name(distribution.metadata["Name"]),
        distribution.version,
        _licence(distribution),
        [Requirement(line) for line in distribution.requires or ()],
    )


def _licence(distribution: Distribution) -> str:
    """The expression, else what the classifiers name, else the first line of the free text."""
    metadata = distribution.metadata
    if expressions := metadata.get_all("License-Expression"):
        return str(expressions[0])
    named = [c.rpartition(" :: ")[2] for c in metadata.get_all("Classifier") or () if c.startswith("License :: ")]
    named = [n for n in named if n != "OSI Approved"]
    if named:
        return ", ".join(named)
    text = "".join(metadata.get_all("License") or ()).strip()
    return re.split(r"[\n;]", text)[0] or "not said"


def reached(roots: Iterable[Requirement], present: dict[str, Package]) -> dict[str, Package]:
    """What the roots need in this environment, nearest first, each with who asks for it. What is needed and not
    present is left out."""
    found: dict[str, Package] = {}
    taken: set[tuple[str, str]] = set()
    waiting = [(PROJECT, r) for r in roots]
    while waiting:
        asker, wanted = waiting.pop(0)
        package = present.get(canonicalize_name(wanted.name))
        if package is None or package.name in OURS:
            continue
        found.setdefault(package.name, package)
        if asker not in package.by:
            package.by.append(asker)
        for extra in ("", *sorted(wanted.extras)):
            if (package.name, extra) not in taken:
                taken.add((package.name, extra))
                waiting += [(package.name, r) for r in package.wants if asked_for(r, extra)]
    return found


def asked_for(requirement: Requirement, extra: str) -> bool:
    """Whether a package that was asked for with this extra needs the requirement here."""
    if requirement.marker is None:
        return not extra
    return requirement.marker.evaluate({"extra": extra})
