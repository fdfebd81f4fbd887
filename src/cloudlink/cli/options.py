"""Options that several commands share, each with one meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloudlink.cli import completion
from cloudlink.steps import STEPS

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="CLOUDLINK_CONFIG",
        autocompletion=completion.configurations,
        help="Configuration file (default: config.toml).",
    ),
]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Run against local clouds; needs no account, costs nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        autocompletion=completion.steps,
        help=f"Only this step; may be repeated. Steps: {'; '.join(f'{s.name}: {s.help}' for s in STEPS)}.",
    ),
]
Color = Annotated[
    bool | None, typer.Option("--color/--no-color", help="Colour (default: on a terminal, unless NO_COLOR is set).")
]


def examples(*commands: str) -> str:
    """The end of a command's help; each on a line of its own, to be copied."""
    return "\n".join(["\b", "Examples:", *(f"  {command}" for command in commands)])
