"""``cloudlink resume``: ends a pause."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudlink.cli.confirm import confirm
from cloudlink.cli.options import Color, Config, Json, Sandbox, Yes, examples

EXAMPLES = examples(
    "cloudlink resume",
    "cloudlink resume --yes --json",
    "cloudlink resume --new-addresses",
)


def resume(
    config: Config = None,
    sandbox: Sandbox = False,
    yes: Yes = False,
    json: Json = False,
    new_addresses: Annotated[
        bool,
        typer.Option(
            "--new-addresses",
            help="Let AWS choose the endpoint's addresses: where somebody has taken one of them meanwhile.",
        ),
    ] = False,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Verify at the end.")] = True,
    color: Color = None,
) -> int:
    """End a pause: the same link again, CoreDNS last."""
    from cloudlink.session import open_session

    with open_session("resume", config=config, sandbox=sandbox, json=json, color=color, writes=True) as session:
        made = session.make_plan(resuming=True, new_addresses=new_addresses)
        if not session.is_paused():
            session.view.note(f"The link {session.link.name} is not paused; nothing was changed.")
            return 0
        session.show_plan(made)
        if made.writes and not (yes or sandbox):
            confirm(lambda: session.confirmed(made, "Resume"), "resume", effect="resume changes two clouds", json=json)
        session.apply(made)
        return session.verify(thorough=True, skip=not verify)
