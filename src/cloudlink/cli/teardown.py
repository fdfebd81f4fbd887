"""``cloudlink teardown``: removes exactly what cloudlink made."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cloudlink.cli.options import Color, Config, Json, Sandbox, Yes


def teardown(
    config: Config = None,
    sandbox: Sandbox = False,
    yes: Yes = False,
    json: Json = False,
    leave_coredns: Annotated[
        bool,
        typer.Option(
            "--leave-coredns", help="Leave the zone in CoreDNS: for an AKS cluster that is stopped or out of reach."
        ),
    ] = False,
    color: Color = None,
) -> int:
    """Remove what cloudlink made, restore what it altered, leave everything else."""
    from cloudlink.errors import DeclinedError
    from cloudlink.session import open_session

    with open_session("teardown", config=config, sandbox=sandbox, json=json, color=color, writes=True) as session:
        made = session.plan_removal(leave_coredns=leave_coredns)
        if made.writes:
            session.show_plan(made)
            if not (yes or sandbox):
                if json or not sys.stdin.isatty():
                    raise DeclinedError(
                        "Nobody to ask",
                        "teardown deletes objects in two clouds and there is no terminal to confirm it on; nothing was changed.",
                        "Say so on the command line: cloudlink teardown --yes",
                    )
                if not session.view.confirm("Remove these?"):
                    raise DeclinedError(
                        "Declined", "Nothing was changed.", "Run cloudlink teardown again when you are ready."
                    )
        return session.teardown(made)
