"""``cloudlink schema``: the JSON Schema of the configuration, or of what a command prints with ``--json``."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudlink.cli.options import examples

CONFIG = "config"
NAMES = (
    CONFIG,
    "plan",
    "status",
    "verify-dns",
    "up",
    "teardown",
    "pause",
    "resume",
    "permissions",
    "doctor",
    "init",
    "gather",
    "report",
    "rotate-keys",
    "logs",
    "test",
    "rehearse",
)

EXAMPLES = examples(
    "cloudlink schema > config.schema.json",
    "cloudlink status --json > status.json; cloudlink schema status > status.schema.json",
)


def _complete(incomplete: str) -> list[str]:
    return [name for name in NAMES if name.startswith(incomplete)]


def schema(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            help=f"{CONFIG} for the configuration, or a command with --json: {', '.join(NAMES[1:])}.",
            autocompletion=_complete,
        ),
    ] = CONFIG,
) -> int:
    """Print the JSON Schema of the configuration or of a --json."""
    import json

    typer.echo(json.dumps(found(name), indent=2))
    return 0


def found(name: str) -> dict[str, object]:
    """Raises UsageError."""
    from cloudlink.errors import UsageError

    if name == CONFIG:
        from cloudlink.config.json_schema import json_schema

        return json_schema()
    from cloudlink.view.json_schema import schemas

    known = schemas()
    if name not in known:
        raise UsageError("There is no such schema", f"{name!r} was given.", f"There are {', '.join((CONFIG, *known))}.")
    return known[name]
