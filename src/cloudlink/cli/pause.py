"""``cloudlink pause``: removes what costs by the hour and comes back fast."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudlink.cli.confirm import confirm
from cloudlink.cli.options import Color, Config, Json, Sandbox, Yes, examples

EXAMPLES = examples(
    "cloudlink pause",
    "cloudlink pause --hours 10 --days 5 --yes",
    "cloudlink pause --deep --names nxdomain",
    "cloudlink pause --names 10.20.0.9",
)
_ANSWERS = [
    ("servfail", "names fail at once"),
    ("nxdomain", "names do not exist"),
    ("public", "names are asked of the cluster's own upstream"),
]


def pause(
    config: Config = None,
    sandbox: Sandbox = False,
    yes: Yes = False,
    json: Json = False,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Remove Azure's gateway as well, which takes up to 45 minutes to come back."),
    ] = False,
    names: Annotated[
        str,
        typer.Option(
            "--names",
            metavar="ANSWER",
            autocompletion=lambda: _ANSWERS,
            help="What pods get meanwhile: servfail, nxdomain, public (asked as without the link), or an IPv4 address.",
        ),
    ] = "servfail",
    hours: Annotated[
        float, typer.Option("--hours", min=0, max=24, help="Hours of a day on which the link is used, for the price.")
    ] = 10,
    days: Annotated[
        int, typer.Option("--days", min=0, max=7, help="Days of a week on which the link is used, for the price.")
    ] = 5,
    color: Color = None,
) -> int:
    """Remove what costs by the hour, until resume: CoreDNS lets go first; addresses, zone and records are kept."""
    from cloudlink.errors import UsageError
    from cloudlink.session import open_session
    from cloudlink.steps.dns_forward.pauses import is_answer

    if not is_answer(names):
        raise UsageError(
            "No such answer",
            f"--names {names}: it takes servfail, nxdomain, public or an IPv4 address.",
            "cloudlink pause --names servfail",
        )
    with open_session("pause", config=config, sandbox=sandbox, json=json, color=color, writes=True) as session:
        made, wanted, saving = session.plan_pause(deep=deep, answer=names, hours=hours, days=days)
        if made.writes:
            session.show_plan(made)
            if not (yes or sandbox):
                confirm(
                    lambda: session.confirmed(made, "Pause"), "pause", effect="pause takes the link down", json=json
                )
        elif not session.is_paused():
            session.view.note(f"There is nothing to pause of the link {session.link.name}; nothing was changed.")
            return 0
        return session.pause(made, wanted, saving, deep=deep)
