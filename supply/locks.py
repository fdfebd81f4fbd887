"""The locks: one version and its hashes for everything, in pip's own format.

``locks/runtime.txt`` is what cloudlink needs, ``sandbox.txt`` adds the local clouds, ``dev.txt`` all that works on
cloudlink and builds it. `just lock` makes them; this checks them without a network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from supply.declared import LISTS, ROOT, Declared
from supply.installed import OURS, Package, asked_for

FOLDER = ROOT / "locks"
NAMES = ("runtime", "sandbox", "dev")
HOLDS = {name: LISTS[: number + 1] for number, name in enumerate(NAMES)}

_PIN = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9-]*)(?P<extras>\[[a-z0-9,-]+\])?==(?P<version>[0-9a-z.!+]+)(?: ; (?P<marker>[^\\]+?))? \\"
)
_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")
_COMMENT = re.compile(r"#[A-Za-z ]*(?::|$)|#    just lock")


@dataclass
class Pin:
    version: Version
    marker: Marker | None
    hashes: int = 0


def parse(name: str, text: str, wrong: list[str]) -> dict[str, Pin]:
    """The pins of one lock. Whatever is no pin, hash or comment is told to ``wrong``: an address of an index or of a
    file, an option, a version that is not exact."""
    pins: dict[str, Pin] = {}
    last: Pin | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if pin := _PIN.fullmatch(line):
            last = Pin(Version(pin["version"]), Marker(pin["marker"]) if pin["marker"] else None)
            if pin["name"] in pins:
                wrong.append(f"{name}: {pin['name']} stands there twice")
            pins[pin["name"]] = last
        elif _HASH.fullmatch(line) and last is not None:
            last.hashes += 1
        elif not _COMMENT.fullmatch(line):
            wrong.append(f"{name}, line {number}: neither an exact version, nor a hash, nor a comment: {line.strip()}")
    wrong += [f"{name}: {n} has no hash" for n, pin in pins.items() if not pin.hashes]
    return pins


def read() -> dict[str, str]:
    """Name of the lock -> its text. Raises FileNotFoundError."""
    return {name: (FOLDER / f"{name}.txt").read_text(encoding="utf-8") for name in NAMES}


def check(
    texts: dict[str, str], wanted: list[Declared], builders: list[Requirement], present: dict[str, Package]
) -> list[str]:
    """What is wrong; empty when the locks are whole. present: what is installed here. The needs of a package are known
    where it is installed in the locked version, so that a lock that lacks one of them is seen."""
    wrong: list[str] = []
    locks = {name: parse(name, text, wrong) for name, text in texts.items()}
    for name, pins in locks.items():
        asked = [d.requirement for d in wanted if d.heading in HOLDS[name] and d.name not in OURS]
        if name == "dev":
            asked += builders
        wrong += _unmet(name, pins, asked, present)
        everything = locks["dev"]
        wrong += [
            f"{name} and dev differ in {n}: {pin.version} and {everything[n].version if n in everything else 'nothing'}"
            for n, pin in pins.items()
            if n not in everything or everything[n].version != pin.version
        ]
    return wrong


def _unmet(name: str, pins: dict[str, Pin], asked: list[Requirement], present: dict[str, Package]) -> Iterator[str]:
    waiting = [("pyproject.toml", r) for r in asked]
    taken: set[tuple[str, str]] = set()
    while waiting:
        asker, requirement = waiting.pop(0)
        package = canonicalize_name(requirement.name)
        pin = pins.get(package)
        if pin is None:
            yield f"{name}: {package} is missing, which {asker} needs"
            continue
        if not requirement.specifier.contains(pin.version, prereleases=True):
            yield f"{name}: {package} is held at {pin.version}, and {asker} needs {requirement.specifier}"
        here = present.get(package)
        if here is None or Version(here.version) != pin.version:
            continue
        for extra in ("", *sorted(requirement.extras)):
            if (package, extra) not in taken:
                taken.add((package, extra))
                waiting += [(package, r) for r in here.wants if asked_for(r, extra)]


def not_as_locked(lock: dict[str, Pin], present: dict[str, Package], tools: frozenset[str]) -> list[str]:
    """How this environment differs from a lock: other versions, packages that are not in it, and missing ones."""
    wrong = []
    for name, package in sorted(present.items()):
        if name in OURS or name in tools:
            continue
        if name not in lock:
            wrong.append(f"{name} {package.version} is installed and not locked")
        elif Version(package.version) != lock[name].version:
            wrong.append(f"{name} is installed as {package.version} and locked as {lock[name].version}")
    for name, pin in sorted(lock.items()):
        if name not in present and (pin.marker is None or pin.marker.evaluate()):
            wrong.append(f"{name} {pin.version} is locked and not installed")
    return wrong
