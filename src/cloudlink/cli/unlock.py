"""``cloudlink unlock``: takes the lock of a link from a run that is dead."""

from __future__ import annotations

from cloudlink.cli.confirm import confirm
from cloudlink.cli.options import Color, Config, Json, Sandbox, Yes, examples

EXAMPLES = examples("cloudlink unlock", "cloudlink unlock --yes")


def unlock(
    config: Config = None, sandbox: Sandbox = False, yes: Yes = False, json: Json = False, color: Color = None
) -> int:
    """Release the lock that a dead run has left, after asking."""
    from cloudlink.session import open_session

    with open_session(
        "unlock", config=config, sandbox=sandbox, json=json, color=color, writes=False, state_closed=True
    ) as session:
        held = session.lock_holder()
        if held is None:
            return 0
        if not yes:
            confirm(
                lambda: session.view.confirm("Release the lock? A run that still lives ends before its next write."),
                "unlock",
                effect="A run that still lives would end before its next write",
                json=json,
                otherwise="Run cloudlink unlock again when you are sure.",
            )
        session.unlock(held)
    return 0
