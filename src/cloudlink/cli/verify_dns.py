"""``cloudlink verify-dns``: asks every name from a pod on AKS, hop by hop."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudlink.cli.options import Color, Config, Json, Sandbox


def verify_dns(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Names to ask (default: all configured).")
    ] = None,
    config: Config = None,
    sandbox: Sandbox = False,
    json: Json = False,
    image: Annotated[str | None, typer.Option("--image", help="Image of the probing pod; needs python3.")] = None,
    color: Color = None,
) -> int:
    """Prove the names from a pod on AKS; exit code 8 when one is wrong."""
    from cloudlink.session import open_session

    with open_session("verify-dns", config=config, sandbox=sandbox, json=json, color=color, writes=False) as session:
        return session.verify_dns(names or (), image=image)
