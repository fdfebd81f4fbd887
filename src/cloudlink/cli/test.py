"""``cloudlink test``: names and path from a pod, and on demand a failover."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudlink.cli.confirm import confirm
from cloudlink.cli.options import Color, Config, Json, Sandbox, Yes, examples

if TYPE_CHECKING:
    pass

EXAMPLES = examples(
    "cloudlink test",
    "cloudlink test --junit test.xml --report test.md",
    "cloudlink test --failover",
    "cloudlink test --failover --aws-end --yes",
    "cloudlink test --cluster green",
)


def test(
    config: Config = None,
    sandbox: Sandbox = False,
    yes: Yes = False,
    json: Json = False,
    failover: Annotated[
        bool, typer.Option("--failover", help="Also take down the tunnel that carries the traffic, after asking.")
    ] = False,
    aws_end: Annotated[
        bool,
        typer.Option(
            "--aws-end", help="With --failover: AWS replaces the endpoint, instead of Azure's reset (a mail)."
        ),
    ] = False,
    cluster: Annotated[
        str, typer.Option("--cluster", metavar="NAME", help="From this AKS cluster only (default: from each).")
    ] = "",
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Also write JUnit's XML there.")] = None,
    report: Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Also write Markdown there.")] = None,
    color: Color = None,
) -> int:
    """Test names and path from a pod, and failover on demand.

    Ends with exit code 8 when a test fails.
    """
    from cloudlink import named_files
    from cloudlink.day_two.reports import TrialReport
    from cloudlink.errors import UsageError
    from cloudlink.link import others_carry
    from cloudlink.session import open_session

    if aws_end and not failover:
        raise UsageError(
            "There is nothing for AWS to replace", "--aws-end was given without --failover.", "Add --failover."
        )
    for file, option in ((junit, "--junit"), (report, "--report")):
        if file is not None:
            named_files.check(file, option)
    with open_session("test", config=config, sandbox=sandbox, json=json, color=color, writes=failover) as session:
        run = (
            session.failover(aws_end=aws_end, cluster=cluster) if failover else None
        )  # refused before minutes are spent on names
        found = list(session.test_from_pod(cluster))
        if run is not None:
            planned = run.plan()
            if planned.began is None and not (yes or sandbox):
                effect = f"{planned.tunnel.name} goes down on purpose: {run.means}; {others_carry(len(session.link.tunnels))}"
                confirm(
                    lambda: session.view.confirm(f"{effect}. Go on?"),
                    "test --failover",
                    effect=effect,
                    json=json,
                    otherwise="cloudlink test tests names and path alone.",
                )
            found.append(run.carry_out(planned))
        made = TrialReport(session.link.name, tuple(found))
        if junit is not None or report is not None:
            from cloudlink.view import trials

            if junit is not None:
                named_files.write(junit, trials.junit(made))
            if report is not None:
                named_files.write(report, trials.trial_markdown(made))
        session.view.trials(made)
    return 0 if made.passed else 8
