"""Values that a shell completes: names of the configuration, steps, numbers of tunnels, kinds of faults. Asks no cloud.

A configuration that cannot be read completes to nothing: somebody who presses TAB is not told about mistakes.
"""

from __future__ import annotations

from pathlib import Path

import typer

from cloudlink.steps import STEPS


def steps(incomplete: str) -> list[str]:
    return [s.name for s in STEPS if s.name.startswith(incomplete)]


def configurations(incomplete: str) -> list[str]:
    """TOML files of the folder that is being typed, and folders."""
    folder = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    try:
        there = sorted(folder.iterdir())
    except OSError:
        return []
    found = [f"{path}/" if path.is_dir() else str(path) for path in there if path.is_dir() or path.suffix == ".toml"]
    return [text for text in found if text.startswith(incomplete) and not Path(text).name.startswith(".")]


def names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the configuration that ``--config`` names, and the short ones."""
    from cloudlink.config import load
    from cloudlink.errors import CloudlinkError
    from cloudlink.session import find_config

    sandbox = bool(ctx.params.get("sandbox"))
    try:
        config = ctx.params.get("config")  # as it was typed: nothing is converted while a shell completes
        link = load(find_config(Path(config) if config else None, sandbox=sandbox), sandbox=sandbox)
    except CloudlinkError:
        return []
    given = set(ctx.params.get("names") or ())
    known = list(link.dns.named_hosts)
    return [name for name in known if name.startswith(incomplete) and name not in given]


def faults(incomplete: str) -> list[tuple[str, str]]:
    """Kinds of the sandbox's faults, each with what it means."""
    from cloudlink.errors import CloudlinkError
    from cloudlink.sandbox_client import commands

    try:
        with commands() as found:
            return [(kind, says) for kind, says in found.fault_kinds().items() if kind.startswith(incomplete)]
    except (CloudlinkError, AttributeError):  # no sandbox, or an older one
        return []


def fault_targets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Addresses and pods that the folder's sandbox has now, for a kind of fault that is about these."""
    from cloudlink.errors import CloudlinkError
    from cloudlink.sandbox_client import commands
    from cloudlink.session import sandbox_place

    kind, config = ctx.params.get("kind"), ctx.params.get("config")
    try:
        home = sandbox_place(Path(config) if config else None).home
        with commands() as found:
            return [t for t in found.fault_targets(home, str(kind)) if t.startswith(incomplete)]
    except (CloudlinkError, AttributeError):  # no sandbox runs, or it is an older one
        return []
