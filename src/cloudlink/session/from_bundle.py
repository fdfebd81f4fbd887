"""A folder in which a bundle's link can be looked at: its configuration, its state, and what its clouds answered."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cloudlink import bundle
from cloudlink.errors import UsageError
from cloudlink.own_files import open_own
from cloudlink.sandbox_world import description
from cloudlink.session.locations import CONFIG, sandbox_place
from cloudlink.state import History, history_path, state_path

_STATE_TABLE = re.compile(r"(?ms)^\[state\].*?(?=^\[|\Z)")


@dataclass(frozen=True)
class Recorded:
    """home: the sandbox's folder. read_at: seconds since the epoch; said: the same in words."""

    link: str
    home: Path
    world: dict[str, Any]
    exchanges: list[Any]
    read_at: float
    said: str


def _kept_aside(table: re.Match[str]) -> str:
    """The table of the store as comments, so that whoever looks knows where the state was."""
    lines = [f"# {line}".rstrip() for line in table[0].rstrip("\n").split("\n")]
    said = "# The state came with the bundle; the store that it was in is not asked:"
    return "\n".join((said, *lines)) + "\n\n"


def unpack_here(file: Path) -> Recorded:
    """Writes config.toml and the state into this folder. Raises UsageError, and writes nothing, for what is no whole bundle of
    this version, one without answers, and where another configuration lies here."""
    _, files = bundle.unpack(file)
    try:
        exchanges = [json.loads(line) for line in files[bundle.ANSWERS].splitlines()]
        said = str(json.loads(files["versions.json"])["read_at"])
        read_at = datetime.fromisoformat(said).timestamp()
        text = files[bundle.CONFIGURATION]
        asked = json.loads(files[bundle.NAMES]) if bundle.NAMES in files else None
        names = (str(asked["at"]), dict(asked["report"])) if asked is not None else None
    except (KeyError, ValueError, TypeError) as error:
        raise UsageError(
            "The bundle holds no answers of the clouds",
            f"{file} was made by a cloudlink that did not keep them, or without a configuration.",
            "Have it made again: cloudlink gather --out FILE",
        ) from error
    text = _STATE_TABLE.sub(_kept_aside, text)
    if CONFIG.exists() and CONFIG.read_text() != text:
        raise UsageError(
            f"There is another {CONFIG} here",
            "The bundle brings its own, and this one is not overwritten.",
            f"mkdir bundle && cd bundle && cloudlink sandbox start --from {shlex.quote(str(file.resolve()))}",
        )
    CONFIG.write_text(text)
    place = sandbox_place(None, make=True)
    if bundle.STATE in files:
        path = state_path(place.home, place.link.name)
        with os.fdopen(open_own(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w") as out:
            out.write(files[bundle.STATE])
    if names is not None:
        History(history_path(place.home, place.link.name), place.link.name).add_dns(*names)
    return Recorded(place.link.name, place.home, description(place.link), exchanges, read_at, said)
