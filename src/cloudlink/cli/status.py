"""``cloudlink status``: the four tunnels and everything behind them, with one verdict."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudlink.cli.options import Color, Config, Json, Sandbox


def status(
    config: Config = None,
    sandbox: Sandbox = False,
    json: Json = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again until Ctrl-C.")] = False,
    wait: Annotated[
        str | None,
        typer.Option(
            "--wait", metavar="DURATION", help="Wait until the link is healthy, at most this long (10m, 90s)."
        ),
    ] = None,
    color: Color = None,
) -> int:
    """Show the state of the link; exit code 8 when it is not healthy."""
    from cloudlink.cli.durations import seconds
    from cloudlink.session import open_session

    deadline = seconds(wait) if wait is not None else None
    with open_session("status", config=config, sandbox=sandbox, json=json, color=color, writes=False) as session:
        return session.status(watch=watch, wait=deadline)
