"""``cloudlink doctor``: everything that must hold before a link is built, and of one that exists. Writes nothing."""

from __future__ import annotations

from cloudlink.cli.options import Color, Config, Json, Sandbox, examples

EXAMPLES = examples("cloudlink doctor", "cloudlink doctor --sandbox", "cloudlink doctor --json")


def doctor(config: Config = None, sandbox: Sandbox = False, json: Json = False, color: Color = None) -> int:
    """Check all that must hold, with fixes; writes nothing."""
    from cloudlink.session import open_session

    with open_session("doctor", config=config, sandbox=sandbox, json=json, color=color, writes=False) as session:
        return session.doctor()
