"""``cloudlink verify-dns``: asks every name from a pod on AKS, hop by hop."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudlink.cli import completion
from cloudlink.cli.options import Color, Config, Json, Sandbox, examples

EXAMPLES = examples(
    "cloudlink verify-dns",
    "cloudlink verify-dns app.corp.example --all",
    "cloudlink verify-dns --image registry.example/python:3.12",
)


def verify_dns(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", autocompletion=completion.names, help="Names to ask (default: all configured)."
        ),
    ] = None,
    config: Config = None,
    sandbox: Sandbox = False,
    json: Json = False,
    image: Annotated[str | None, typer.Option("--image", help="Image of the probing pod; needs python3.")] = None,
    cluster: Annotated[
        str,
        typer.Option("--cluster", metavar="NAME", help="Ask from this AKS cluster only (default: from each)."),
    ] = "",
    everything: Annotated[bool, typer.Option("--all", "-a", help="Show each hop of each name as well.")] = False,
    color: Color = None,
) -> int:
    """Prove the names from a pod on AKS, on each cluster of the link; exit code 8 when one is wrong."""
    from cloudlink.session import open_session

    with open_session("verify-dns", config=config, sandbox=sandbox, json=json, color=color, writes=False) as session:
        return session.verify_dns(names or (), image=image, everything=everything, cluster=cluster)
