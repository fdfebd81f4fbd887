"""``cloudlink up``: shows the plan, asks, makes it so, and verifies."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cloudlink.cli.options import Color, Config, Json, Only, Sandbox, Yes


def up(
    config: Config = None,
    sandbox: Sandbox = False,
    yes: Yes = False,
    json: Json = False,
    only: Only = None,
    verify: Annotated[
        bool | None,
        typer.Option("--verify/--no-verify", help="Verify at the end (default: when something was changed)."),
    ] = None,
    color: Color = None,
) -> int:
    """Build the link, or bring it in line with the configuration."""
    from cloudlink.errors import DeclinedError, UsageError
    from cloudlink.session import open_session

    if verify is False and "verify" in (only or ()):
        raise UsageError(
            "The step verify is asked for and left out",
            "--only verify and --no-verify were given together.",
            "Leave one of them out.",
        )
    with open_session("up", config=config, sandbox=sandbox, json=json, color=color, writes=True) as session:
        made = session.make_plan(only=only)
        session.show_plan(made)
        if made.writes:
            if not (yes or sandbox):
                if json or not sys.stdin.isatty():
                    raise DeclinedError(
                        "Nobody to ask",
                        "up changes two clouds and there is no terminal to confirm it on; nothing was changed.",
                        "Say so on the command line: cloudlink up --yes",
                    )
                if not session.view.confirm("Make these changes?"):
                    raise DeclinedError(
                        "Declined", "Nothing was changed.", "Run cloudlink up again when you are ready."
                    )
            session.apply(made)
        else:
            session.record_receipts()
        # a run that changed nothing is verified only when that was asked for
        asked = bool(made.writes) or "verify" in (only or ()) if verify is None else verify
        return session.verify(thorough=asked, skip=verify is False)
