"""``cloudlink report``: the state of a link as one page for people, without a script and without the network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudlink.cli.options import Config, Json, Sandbox, examples

if TYPE_CHECKING:
    from cloudlink.link import Link
    from cloudlink.state import History

EXAMPLES = examples(
    "cloudlink report",
    "cloudlink report --names --out link.html",
    "cloudlink report --cached --json",
)


def report(
    config: Config = None,
    sandbox: Sandbox = False,
    json: Json = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the page there (default: NAME-report.html).")
    ] = None,
    cached: Annotated[
        bool, typer.Option("--cached", help="Ask no cloud: show what status and verify-dns saw last from here.")
    ] = False,
    names: Annotated[bool, typer.Option("--names", help="Ask the names from a pod first, as verify-dns does.")] = False,
) -> int:
    """Write the state of the link as one HTML page, to be shown to others.

    Map, tunnels, names and timings, ciphers, exposure, price, drift, checks and their history.
    """
    from cloudlink import named_files
    from cloudlink.errors import UsageError

    if cached and names:
        raise UsageError(
            "Asking and not asking at once",
            "--names asks a pod, --cached asks nobody.",
            "Leave one of them out.",
        )
    if out is not None:
        named_files.check(out, "--out")
    if cached:
        link, history = _kept(config, sandbox=sandbox)
        return _write(link, history, out, as_json=json)
    from cloudlink.session import open_session

    with open_session("report", config=config, sandbox=sandbox, json=json, color=False, writes=False) as session:
        if out is None:
            named_files.check(_default(session.link), "--out")
        session.look(names=names)
        link, history = session.link, session.history
    return _write(link, history, out, as_json=json)  # when the display is gone, which would take this line with it


def _kept(config: Path | None, *, sandbox: bool) -> tuple[Link, History]:
    """Without a session: no cloud, no lock, no sandbox is asked."""
    from cloudlink.config import load
    from cloudlink.session.locations import find_config, folder_of, sandbox_place
    from cloudlink.state.history import History, history_path

    if sandbox:
        place = sandbox_place(config)
        link, folder = place.link, place.home
    else:
        path = find_config(config, sandbox=False)
        link, folder = load(path), folder_of(config, path)
    return link, History(history_path(folder, link.name), link.name)


def _default(link: Link) -> Path:
    return Path(f"{link.name}-report.html")


def _write(link: Link, history: History, out: Path | None, *, as_json: bool) -> int:
    """Raises UsageError where nothing was ever seen from here."""
    from cloudlink import __version__, named_files
    from cloudlink.errors import UsageError
    from cloudlink.view.report import page

    kept = history.read()
    if kept["status"] is None:
        raise UsageError(
            "Nothing has been seen yet",
            f"No status of the link {link.name} was kept on this machine.",
            "cloudlink report",
        )
    target = out or _default(link)
    text = page(link, kept, version=__version__)
    named_files.write(target, text)
    health, at = kept["status"]["report"]["health"], kept["status"]["at"]
    if as_json:
        from json import dumps

        said = {"file": str(target), "link": link.name, "health": health, "at": at, "bytes": len(text.encode())}
        typer.echo(dumps(said))
    else:
        typer.echo(f"{target}: the link {link.name} is {health}, as of {at}.")
        typer.echo("It names ids and addresses.")
    return 0
