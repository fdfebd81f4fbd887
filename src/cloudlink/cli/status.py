"""``cloudlink status``: the verdict, one cause and one thing to do; with ``--all`` everything behind it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudlink.cli.options import Color, Config, Json, Sandbox, examples
from cloudlink.errors import CloudlinkError

if TYPE_CHECKING:
    from cloudlink.checks.report import StatusReport


EXAMPLES = examples(
    "cloudlink status",
    "cloudlink status --all",
    "cloudlink status --watch",
    "cloudlink status --wait 10m",
    "cloudlink status --prometheus /var/lib/node_exporter/cloudlink.prom",
    "cloudlink status --bundle for-support.tar.gz --all",
)


def status(
    config: Config = None,
    sandbox: Sandbox = False,
    json: Json = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again until Ctrl-C.")] = False,
    wait: Annotated[
        str | None,
        typer.Option(
            "--wait", metavar="DURATION", help="Wait until the link is healthy, at most this long (10m, 90s)."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Show each tunnel, route, name and check as well.")
    ] = False,
    prometheus: Annotated[
        Path | None,
        typer.Option(
            "--prometheus",
            metavar="FILE",
            help="Also write metrics there, for node_exporter's textfile collector (NAME.prom).",
        ),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FILE", help="Show it as cloudlink gather found it; asks no cloud."),
    ] = None,
    color: Color = None,
) -> int:
    """Show the state of the link; exit code 8 when it is not healthy."""
    from cloudlink.cli.durations import seconds
    from cloudlink.errors import UsageError
    from cloudlink.session import open_session

    if bundle is not None:
        _check_alone(watch=watch, wait=wait, prometheus=prometheus, config=config, sandbox=sandbox)
        return _of_bundle(bundle, everything=everything, json=json, color=color)
    if watch and wait is not None:
        raise UsageError(
            "A watch has no end to wait for",
            "--watch looks until Ctrl-C, and --wait ends as soon as the link is healthy.",
            "Leave one of them out.",
        )
    if prometheus is not None:
        _check_metrics(prometheus)
    deadline = seconds(wait) if wait is not None else None
    absent = False
    try:
        with open_session("status", config=config, sandbox=sandbox, json=json, color=color, writes=False) as session:

            def seen(report: StatusReport) -> None:
                nonlocal absent
                absent = report.health.value == "absent"
                if prometheus is not None:
                    from cloudlink import named_files
                    from cloudlink.view.prometheus import metrics

                    named_files.write(prometheus, metrics(report, session.clock.now()))

            code = session.status(watch=watch, wait=deadline, everything=everything, each=seen)
    except CloudlinkError as error:
        if not json and not sandbox:
            _name_sandbox(config, error)
        raise
    if absent and not json and not sandbox:
        _name_sandbox(config)
    return code


def _name_sandbox(config: Path | None, error: CloudlinkError | None = None) -> None:
    """Where a sandbox of the folder runs, its link may be what was meant. error: what ended the command, shown or not."""
    from cloudlink.session import running_sandbox

    if not (said := running_sandbox.hint("status", config)):
        return
    if error is not None and not error.shown:
        error.hint = f"{error.hint}\n{said}".strip()
    else:
        sys.stderr.write(f"{said}\n")


def _check_metrics(file: Path) -> None:
    """Raises UsageError for a file that the collector would never see."""
    from cloudlink import named_files
    from cloudlink.errors import UsageError

    if file.suffix != ".prom":
        raise UsageError(
            "The collector reads no such file",
            f"--prometheus {file}: node_exporter's textfile collector reads files whose name ends in .prom.",
            f"Name it {file.stem}.prom",
        )
    named_files.check(file, "--prometheus")


def _check_alone(**others: object) -> None:
    from cloudlink.errors import UsageError

    if wrong := [f"--{name}" for name, given in others.items() if given]:
        raise UsageError(
            "A bundle is what was found once",
            f"{', '.join(wrong)} and --bundle were both given.",
            "Leave one of them out.",
        )


def _of_bundle(file: Path, *, everything: bool, json: bool, color: bool | None) -> int:
    """Raises UsageError for what is no bundle, was changed, or holds no status: its error is said then."""
    from datetime import datetime
    from json import loads

    from cloudlink import bundle
    from cloudlink.checks.report import StatusReport
    from cloudlink.errors import UsageError
    from cloudlink.session.opening import plain_view
    from cloudlink.view.json_read import read

    manifest, files = bundle.unpack(file)
    try:
        content = loads(files["status.json"])
        if "health" not in content:
            why = f"It could not be read when the bundle was made: {content['summary']}. {content['detail']}"
            raise UsageError("The bundle holds no status", why, str(content["hint"]))
        report = read(StatusReport, content)
        versions = loads(files.get("versions.json", "{}"))
        at = datetime.fromisoformat(str(versions.get("read_at") or manifest["made"])).timestamp()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            "The bundle cannot be used",
            f"{file}: its status is not one that this version understands ({type(error).__name__}).",
            f"Use the version that made it: cloudlink {manifest.get('cloudlink')}",
        ) from error
    view = plain_view("status", as_json=json, color=color, at=at)
    try:
        view.status(report, everything=everything)
    finally:
        view.close()
    return 0 if report.well else 8
