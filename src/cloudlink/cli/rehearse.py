"""``cloudlink rehearse``: real daemons on this machine, set up from what both clouds answer, carry real packets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloudlink.cli.options import Color, Config, Json, Sandbox, examples

EXAMPLES = examples(
    "cloudlink rehearse --install",
    "cloudlink rehearse --sandbox",
    "cloudlink rehearse --from-clouds --pcap link.pcap",
)


def rehearse(
    config: Config = None,
    sandbox: Sandbox = False,
    from_clouds: Annotated[
        bool, typer.Option("--from-clouds", help="The real link: both clouds are read, nothing is written.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Without the renewal of keys.")] = False,
    failover: Annotated[
        bool, typer.Option("--failover", help="Also let ends die and come back; timers are a tenth of the clouds'.")
    ] = False,
    pcap: Annotated[
        Path | None, typer.Option("--pcap", metavar="FILE", help="Also capture what travels between the clouds.")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Also draw the loss of --failover over time.")
    ] = None,
    cluster: Annotated[
        str,
        typer.Option("--cluster", metavar="NAME", help="With the CoreDNS of this AKS cluster (default: the first)."),
    ] = "",
    install: Annotated[
        bool,
        typer.Option("--install", help="Fetch the daemons that are missing, first or alone; no service is started."),
    ] = False,
    json: Json = False,
    color: Color = None,
) -> int:
    """Carry real packets through real daemons set up from the clouds' answers; exit code 8 when any is lost."""
    from json import dumps

    from cloudlink import named_files
    from cloudlink.errors import UsageError
    from cloudlink.session import open_session
    from cloudlink.view import rehearsal

    if install and not sandbox and not from_clouds:
        from cloudlink.rehearse import programs

        programs.install(programs.USUAL_COREDNS, lambda line: typer.echo(line, err=True))
        return 0
    if sandbox == from_clouds:
        raise UsageError(
            "Which link is to be rehearsed is not clear",
            "--sandbox rehearses the link in the sandbox, --from-clouds the real one: one of them is needed.",
            "cloudlink rehearse --sandbox",
        )
    for file, option in ((pcap, "--pcap"), (svg, "--svg")):
        if file is not None:
            named_files.check(file, option)
    with open_session("rehearse", config=config, sandbox=sandbox, json=json, color=color, writes=False) as session:
        from cloudlink.rehearse import performance

        chosen = session.checked_cluster(cluster, " --sandbox" if sandbox else " --from-clouds")
        session.require_vpn("There are no daemons to set up")
        done = performance.perform(
            session.clouds,
            quick=quick,
            failover=failover,
            capture=pcap is not None,
            install=install,
            tell=session.view.note,
            cluster=chosen,
        )
    if pcap is not None:
        named_files.write(pcap, done.pcap)
    if svg is not None:
        named_files.write(svg, rehearsal.svg(done.report["losses"]))
    typer.echo(dumps(done.report, indent=2) if json else rehearsal.text(done.report), nl=json)
    return 0 if done.report["health"] == "healthy" else 8
