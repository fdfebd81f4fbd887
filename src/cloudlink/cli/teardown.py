"""``cloudlink teardown``: removes exactly what cloudlink made."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudlink.cli.confirm import confirm
from cloudlink.cli.options import Color, Config, Json, Sandbox, Yes, examples

EXAMPLES = examples(
    "cloudlink teardown",
    "cloudlink teardown --yes --json",
    "cloudlink teardown --leave-coredns",
)


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
    from cloudlink.session import open_session

    with open_session("teardown", config=config, sandbox=sandbox, json=json, color=color, writes=True) as session:
        made = session.plan_removal(leave_coredns=leave_coredns)
        if made.writes:
            session.show_plan(made)
            if not (yes or sandbox):
                confirm(
                    lambda: session.confirmed(made, "Remove"),
                    "teardown",
                    effect="teardown deletes objects in two clouds",
                    json=json,
                )
        return session.teardown(made)
