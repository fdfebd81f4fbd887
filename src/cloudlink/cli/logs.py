"""``cloudlink logs``: the tunnels' logs, on and off, and what they say."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cloudlink.cli.confirm import confirm
from cloudlink.cli.options import Color, Config, Json, Sandbox, Yes, examples

EXAMPLES = examples(
    "cloudlink logs",
    "cloudlink logs --on --days 14 --yes",
    "cloudlink logs --on --workspace /subscriptions/.../workspaces/ops",
    "cloudlink logs --off",
)
_NUMBERS = ["1", "2", "3", "4"]
_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400)  # those of CloudWatch that a log of tunnels is kept for


def logs(
    config: Config = None,
    sandbox: Sandbox = False,
    yes: Yes = False,
    json: Json = False,
    on: Annotated[bool, typer.Option("--on", help="Switch the IKE and BGP logs of AWS's tunnels on.")] = False,
    off: Annotated[bool, typer.Option("--off", help="Switch them off; what was written stays until teardown.")] = False,
    tunnel: Annotated[
        list[int] | None,
        typer.Option(
            "--tunnel",
            min=1,
            max=4,
            autocompletion=lambda: _NUMBERS,
            help="With --on or --off: only this tunnel; may be repeated.",
        ),
    ] = None,
    days: Annotated[
        int,
        typer.Option(
            "--days", autocompletion=lambda: [str(d) for d in _DAYS], help="With --on: how long lines are kept."
        ),
    ] = 30,
    workspace: Annotated[
        str,
        typer.Option(
            "--workspace", metavar="ID", help="With --on: Log Analytics workspace for the logs of Azure's gateway."
        ),
    ] = "",
    color: Color = None,
) -> int:
    """Show what the tunnels last said of themselves, or switch their logs on or off, one tunnel at a time."""
    from cloudlink.session import open_session

    _check(on, off, days, workspace, tunnel)
    if not (on or off):
        with open_session("logs", config=config, sandbox=sandbox, json=json, color=color, writes=False) as session:
            session.view.logs(session.logs().show())
        return 0
    change: Literal["on", "off"] = "on" if on else "off"
    with open_session("logs", config=config, sandbox=sandbox, json=json, color=color, writes=True) as session:
        changing = session.logs()
        planned = changing.plan(change, tunnel or (), workspace)
        if planned.due:
            if not json:
                session.view.logs(planned)
            if not (yes or sandbox):
                confirm(
                    lambda: session.view.confirm(f"Switch these logs {change}?"),
                    f"logs --{change}",
                    effect="Switching logs takes each tunnel down for minutes",
                    json=json,
                )
        session.view.logs(changing.carry_out(planned, days=days))
    return 0


def _check(on: bool, off: bool, days: int, workspace: str, tunnel: list[int] | None) -> None:
    """Raises UsageError for options that do not go together."""
    import re

    from cloudlink.errors import UsageError

    if on and off:
        raise UsageError("On or off", "--on and --off were both given.", "Give one of them.")
    if not on and (workspace or days != 30):
        raise UsageError(
            "Only with --on", "--days and --workspace say how logs are switched on.", "cloudlink logs --on"
        )
    if tunnel and not (on or off):
        raise UsageError("Only with --on or --off", "--tunnel says which logs are switched.", "cloudlink logs --help")
    if days not in _DAYS:
        raise UsageError(
            "CloudWatch does not know this time", f"--days {days}", f"Take one of {', '.join(map(str, _DAYS))}."
        )
    known = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.OperationalInsights/workspaces/[^/]+"
    if workspace and not re.fullmatch(known, workspace, re.IGNORECASE):
        raise UsageError(
            "This is not the id of a workspace",
            workspace,
            "Its id: az monitor log-analytics workspace list --query '[].id' --output tsv",
        )
