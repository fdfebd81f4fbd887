"""``cloudlink up``: shows the plan, asks, makes it so, and verifies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudlink.cli.confirm import confirm
from cloudlink.cli.options import Color, Config, Json, Only, Sandbox, Yes, examples

if TYPE_CHECKING:
    from cloudlink.core.saved_plan import SavedPlan


EXAMPLES = examples(
    "cloudlink up --sandbox",
    "cloudlink up",
    "cloudlink up --yes --json",
    "cloudlink up link.plan",
)


def up(
    plan: Annotated[
        Path | None,
        typer.Argument(metavar="[PLAN]", help="Carry out this plan of plan --out, without asking, or nothing."),
    ] = None,
    config: Config = None,
    sandbox: Sandbox = False,
    yes: Yes = False,
    json: Json = False,
    only: Only = None,
    verify: Annotated[
        bool | None,
        typer.Option("--verify/--no-verify", help="Verify at the end (default: when something was changed)."),
    ] = None,
    color: Color = None,
) -> int:
    """Build the link, or bring it in line with the configuration."""
    from cloudlink import __version__
    from cloudlink.core import saved_plan
    from cloudlink.errors import UsageError
    from cloudlink.session import open_session

    if verify is False and "verify" in (only or ()):
        raise UsageError(
            "The step verify is asked for and left out",
            "--only verify and --no-verify were given together.",
            "Leave one of them out.",
        )
    saved = _saved(plan, only) if plan is not None else None
    with open_session("up", config=config, sandbox=sandbox, json=json, color=color, writes=True) as session:
        if saved is not None:
            saved_plan.check_link(saved, session.configured, __version__, str(plan))
            only = list(saved.only) or None
        made = session.make_plan(only=only)
        session.show_plan(made)
        if saved is not None:
            saved_plan.check_world(saved, made, str(plan))
        if made.writes:
            if not (yes or sandbox or saved):
                confirm(
                    lambda: session.confirmed(made, "Make these changes to"),
                    "up",
                    effect="up changes two clouds",
                    json=json,
                )
            session.apply(made)
        else:
            session.record_receipts()
        # a run that changed nothing is verified only when that was asked for
        asked = bool(made.writes) or "verify" in (only or ()) if verify is None else verify
        return session.verify(thorough=asked, skip=verify is False)


def _saved(file: Path, only: list[str] | None) -> SavedPlan:
    """Raises UsageError for a file that is no plan."""
    from cloudlink.core.saved_plan import LARGEST, read
    from cloudlink.errors import UsageError

    if only:
        raise UsageError(
            "The steps are in the saved plan", f"--only was given together with {file}.", "Leave one of them out."
        )
    try:
        with file.open("rb") as stream:
            return read(stream.read(LARGEST).decode(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(
            "The saved plan cannot be read",
            f"{file}: {why}.",
            "cloudlink up takes a file that cloudlink plan --out has written, or nothing.",
        ) from error
