"""``cloudlink gather``: status, plan, checks, versions and log in one file for somebody else's eyes. Writes nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cloudlink.cli.options import Config, Json, Sandbox, examples

EXAMPLES = examples(
    "cloudlink gather",
    "cloudlink gather --redact-ids --out for-support.tar.gz",
    "cloudlink gather --check for-support.tar.gz",
)


def gather(
    config: Config = None,
    sandbox: Sandbox = False,
    json: Json = False,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Write the bundle there.")] = Path(
        "cloudlink-bundle.tar.gz"
    ),
    redact: Annotated[
        bool, typer.Option("--redact-ids", help="Replace accounts, ids, people and public addresses by numbers.")
    ] = False,
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="Say what is in this bundle and whether it is whole.")
    ] = None,
) -> int:
    """Write a bundle without secrets for support.

    It holds status, plan, checks, versions, the log, and what both clouds answered: `cloudlink sandbox start --from FILE`
    shows the same status.
    """
    from datetime import UTC, datetime

    from cloudlink import __version__, bundle, digests, named_files
    from cloudlink.session import open_session

    if check is not None:
        manifest, files = bundle.unpack(check)
        _say({**manifest, "file": str(check)}, sorted(files), as_json=json)
        return 0
    named_files.check(out, "--out")
    with open_session("gather", config=config, sandbox=sandbox, json=json, color=False, writes=False) as session:
        with digests.noted() as hashed:
            found = session.gather()
        files, secrets = bundle.clean(found, redact=redact, hashed=hashed)
        made = datetime.now(UTC).isoformat(timespec="seconds")
        packed = bundle.pack(files, version=__version__, made=made, redacted=redact, masked_secrets=secrets)
        named_files.write(out, packed, private=True)
        head = {"file": str(out), "cloudlink": __version__, "made": made, "redacted": redact, "masked": secrets}
    _say(head, sorted(files), as_json=json)
    if not json and not redact:
        typer.echo("It names accounts, ids and addresses. Without these:")
        typer.echo("  cloudlink gather --redact-ids" + " --sandbox" * sandbox)
    return 0


def _say(head: dict[str, object], files: list[str], *, as_json: bool) -> None:
    if as_json:
        from json import dumps

        shown = {key: head[key] for key in ("file", "cloudlink", "made", "redacted", "masked")}
        typer.echo(dumps({**shown, "files": files}))
        return
    for text in (
        f"{head['file']}: {', '.join(files)}",
        f"Made by cloudlink {head['cloudlink']} at {head['made']}; secrets found and masked: {head['masked']}.",
    ):
        typer.echo("\n".join(_folded(text)))


def _folded(text: str) -> list[str]:
    from shutil import get_terminal_size
    from textwrap import wrap

    if not sys.stdout.isatty():  # a program may read it, and a file has no width
        return [text]
    return wrap(
        text, get_terminal_size().columns, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
