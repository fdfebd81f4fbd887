"""``cloudlink plan``: what ``up`` would do, and why. Writes nothing."""

from __future__ import annotations

from cloudlink.cli.options import Color, Config, Json, Only, Sandbox


def plan(
    config: Config = None, sandbox: Sandbox = False, json: Json = False, only: Only = None, color: Color = None
) -> int:
    """Show what up would do, and why; writes nothing."""
    from cloudlink.session import open_session

    with open_session("plan", config=config, sandbox=sandbox, json=json, color=color, writes=False) as session:
        made = session.make_plan(only=only)
        session.show_plan(made)
    return 0
