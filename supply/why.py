"""What is installed and why: one line for each package, with its version, its licence and who asks for it."""

from __future__ import annotations

from supply.declared import Declared
from supply.installed import OURS, PROJECT, TOOLS, Package, reached

HEADER = ("package", "version", "licence", "asked for by", "why")
WIDEST = 36
BY_HAND = "installed by hand: nothing that cloudlink asks for needs it"


def rows(wanted: list[Declared], present: dict[str, Package]) -> list[tuple[str, ...]]:
    """First what cloudlink asks for itself, then what that brings along, then what nobody asked for."""
    reasons = {d.name: d.reason for d in reversed(wanted)}
    found = reached([d.requirement for d in wanted], present)
    told: list[tuple[str, ...]] = []
    for name, package in found.items():
        said = "; ".join(b for b in package.by if b != PROJECT)
        if PROJECT in package.by:
            told.append((name, package.version, package.licence, f"cloudlink{'; ' * bool(said)}{said}", reasons[name]))
        else:
            told.append((name, package.version, package.licence, said, f"for {_root(name, found)}"))
    for name, package in sorted(present.items()):
        if name not in found and name not in OURS:
            why = "comes with the virtual environment" if name in TOOLS else BY_HAND
            told.append((name, package.version, package.licence, "", why))
    return told


def _root(name: str, found: dict[str, Package]) -> str:
    """The package of pyproject.toml that brought it, by the shortest way."""
    while PROJECT not in found[name].by:
        name = found[name].by[0]
    return name


def table(lines: list[tuple[str, ...]]) -> str:
    """Aligned; what is wider than a column may be is cut."""
    lines = [HEADER, *lines]
    widths = [min(max(len(line[i]) for line in lines), WIDEST) for i in range(len(HEADER) - 1)]
    return "\n".join(
        "  ".join((*(_cut(c, w).ljust(w) for c, w in zip(line, widths, strict=False)), line[-1])).rstrip()
        for line in lines
    )


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 3]}..."
