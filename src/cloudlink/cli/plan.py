"""``cloudlink plan``: what ``up`` would do, and why. Writes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloudlink.cli.options import Color, Config, Json, Only, Sandbox, examples

CHANGES = 10  # not 2, as some tools have it: a mistyped option ends with 2, and would read as "there are changes"

EXAMPLES = examples(
    "cloudlink plan",
    "cloudlink plan --only resolver",
    "cloudlink plan --out link.plan && cloudlink up link.plan",
    "cloudlink plan --markdown --detailed-exitcode",
)


def plan(
    config: Config = None,
    sandbox: Sandbox = False,
    json: Json = False,
    only: Only = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="End with 0 when there is nothing to do, with 10 for changes.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Save the plan, for cloudlink up FILE.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")] = False,
    color: Color = None,
) -> int:
    """Show what up would do, and why; writes nothing."""
    from cloudlink import __version__, named_files
    from cloudlink.errors import UsageError
    from cloudlink.session import open_session

    if markdown and json:
        raise UsageError(
            "Two forms of output are asked for", "--json and --markdown were given together.", "Leave one of them out."
        )
    if out is not None:
        named_files.check(out, "--out")
    with open_session("plan", config=config, sandbox=sandbox, json=json, color=color, writes=False) as session:
        made = session.make_plan(only=only)
        if markdown:
            from cloudlink.view.markdown import plan_markdown

            typer.echo(plan_markdown(made, link=session.link), nl=False)
            session.refuse_obstacles(made)
        else:
            session.show_plan(made)
        if out is not None:
            from cloudlink.core.saved_plan import save

            named_files.write(out, save(made, session.configured, __version__, tuple(only or ())), private=True)
            if not json and made.writes:
                from shlex import quote

                given = f"{' --sandbox' if sandbox else ''}{f' --config {quote(str(config))}' if config else ''}"
                session.view.note(f"Saved in {out}. To carry out just this: cloudlink up {quote(str(out))}{given}")
    return CHANGES if detailed_exitcode and made.writes else 0
