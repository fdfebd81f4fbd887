"""Which configuration a command uses, and the folder that holds its state, its log and its sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cloudlink.config import document, load
from cloudlink.link import Link
from cloudlink.own_files import own_folder

CONFIG = Path("config.toml")
EXAMPLE = Path(document.EXAMPLE)
FOLDER = ".cloudlink"
DEFAULT_SPEED = 60.0


@dataclass(frozen=True)
class SandboxPlace:
    """Where the sandbox of a configuration lives."""

    home: Path
    config: Path
    speed: float
    link: Link


def find_config(config: Path | None, *, sandbox: bool) -> Path:
    """The named file, else config.toml, else (in the sandbox, where nothing can go wrong) the example: the folder's, or
    the one that comes with cloudlink."""
    if config is not None:
        return config
    if sandbox and not CONFIG.exists():
        return next((e for e in (EXAMPLE, *document.SHIPPED_EXAMPLES) if e.exists()), CONFIG)
    return CONFIG


def folder_of(named: Path | None, found: Path) -> Path:
    """Where cloudlink keeps what belongs to a configuration: beside it; for the example that comes with cloudlink, here."""
    shipped = named is None and found in document.SHIPPED_EXAMPLES
    return (Path.cwd() if shipped else found.resolve().parent) / FOLDER


def sandbox_place(config: Path | None, *, make: bool = False) -> SandboxPlace:
    """make: its folder is made where it is not. Raises StateError for a folder that is not the user's alone."""
    path = find_config(config, sandbox=True)
    link = load(path, sandbox=True)
    top = folder_of(config, path)
    home = top / "sandbox" / link.name
    own_folder(home, top=top, make=make)
    return SandboxPlace(home, path, link.sandbox.speed if link.sandbox else DEFAULT_SPEED, link)
