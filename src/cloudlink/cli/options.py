"""Options that several commands share, each with one meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="CLOUDLINK_CONFIG", help="Configuration file (default: config.toml)."),
]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Run against local clouds; needs no account, costs nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", help="Only this step: aws_vpn, azure_vpn, resolver or dns_forward. May be repeated."),
]
Color = Annotated[
    bool | None, typer.Option("--color/--no-color", help="Colour (default: on a terminal, unless NO_COLOR is set).")
]
