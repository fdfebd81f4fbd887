"""``cloudlink rotate-keys``: new pre-shared keys, one tunnel at a time."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudlink.cli.confirm import confirm
from cloudlink.cli.options import Color, Config, Json, Sandbox, Yes, examples

EXAMPLES = examples(
    "cloudlink rotate-keys",
    "cloudlink rotate-keys --older-than 90d --yes",
    "cloudlink rotate-keys --tunnel 2",
    "cloudlink rotate-keys --sandbox",
)
_NUMBERS = ["1", "2", "3", "4"]


def rotate_keys(
    config: Config = None,
    sandbox: Sandbox = False,
    yes: Yes = False,
    json: Json = False,
    tunnel: Annotated[
        list[int] | None,
        typer.Option(
            "--tunnel",
            min=1,
            max=4,
            autocompletion=lambda: _NUMBERS,
            help="Only this tunnel; may be repeated (default: all).",
        ),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than", metavar="DURATION", help="Only keys that were changed longer ago (90d, 12h), or never."
        ),
    ] = None,
    color: Color = None,
) -> int:
    """Give the tunnels new keys, one by one; the others stay up. Run again, it goes on where it was interrupted."""
    from cloudlink.cli.durations import seconds
    from cloudlink.session import open_session

    age = seconds(older_than) if older_than is not None else None
    with open_session("rotate-keys", config=config, sandbox=sandbox, json=json, color=color, writes=True) as session:
        rotation = session.rotation()
        planned = rotation.plan(tunnel or (), age)
        if planned.due:
            if not json:
                session.view.rotation(planned)
            if not (yes or sandbox):
                confirm(
                    lambda: session.view.confirm("Change these keys?"),
                    "rotate-keys",
                    effect="rotate-keys takes each tunnel down for minutes",
                    json=json,
                )
        session.view.rotation(rotation.carry_out(planned))
    return 0
