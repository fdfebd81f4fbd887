"""``cloudlink init``: looks for both clusters, proposes what is free, and writes a commented configuration."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cloudlink.cli.options import Json, Sandbox, examples

if TYPE_CHECKING:
    from cloudlink.discovery import Proposal

T = TypeVar("T")

EXAMPLES = examples(
    "cloudlink init",
    "cloudlink init --sandbox",
    "cloudlink init --eks production --aks payments --zone prod.corp.example",
    "cloudlink init --region eu-central-1 --host postgres=10.0.8.15 --out test.toml",
)


class Cloud(enum.StrEnum):
    PUBLIC = "public"
    GOVERNMENT = "usgovernment"
    CHINA = "china"


def init(
    sandbox: Sandbox = False,
    json: Json = False,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Write the configuration there.")] = Path(
        "config.toml"
    ),
    eks: Annotated[str, typer.Option("--eks", metavar="NAME", help="The EKS cluster (default: ask).")] = "",
    aks: Annotated[str, typer.Option("--aks", metavar="NAME", help="The AKS cluster (default: ask).")] = "",
    regions: Annotated[
        list[str] | None,
        typer.Option("--region", help="Look for EKS here only; may be repeated (default: everywhere)."),
    ] = None,
    profile: Annotated[str | None, typer.Option("--profile", help="Profile to sign in to AWS with.")] = None,
    cloud: Annotated[Cloud, typer.Option("--cloud", help="Which of Microsoft's clouds.")] = Cloud.PUBLIC,
    name: Annotated[str, typer.Option("--name", help="Name of the link (default: from the AKS cluster's).")] = "",
    zone: Annotated[str, typer.Option("--zone", help="The private zone (default: from the Ingresses' hosts).")] = "",
    hosts: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="NAME=ADDRESS", help="A name besides those found; may be repeated."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
) -> int:
    """Write a configuration from what both sign-ins see."""
    from cloudlink import config, named_files
    from cloudlink.cli.schema import found as schema_of
    from cloudlink.config.written import written
    from cloudlink.errors import UsageError
    from cloudlink.session import open_survey

    if out.exists() and not force:
        raise UsageError(
            "The file exists already",
            f"{out} would be overwritten. Nothing was changed.",
            "Name another one with --out, or say so: --force",
        )
    named_files.check(out, "--out")
    ask = sys.stdin.isatty() and not json
    with open_survey(sandbox=sandbox, profile=profile, cloud=cloud.value, json=json) as (survey, default_name):
        survey.sign_in()
        found = survey.eks(regions or ())
        first = _choose(
            "EKS cluster", "--eks", eks, found, lambda c: c.name, lambda c: f"{c.name} in {c.region}", ask=ask
        )
        second = _choose(
            "AKS cluster",
            "--aks",
            aks,
            survey.aks(),
            lambda c: c.cluster.name,
            lambda c: f"{c.cluster.name} in {c.subscription.name or c.subscription.id}",
            ask=ask,
        )
        proposal = survey.propose(first, second, name=name or default_name, zone=zone, hosts=hosts or ())
    schema_file = out.parent / f"{out.stem}.schema.json"
    text = written(proposal.config, schema=f"./{schema_file.name}")
    link = config.parse(text, str(out), sandbox=sandbox)
    from json import dumps

    named_files.write(schema_file, dumps(schema_of("config"), indent=2) + "\n")
    named_files.write(out, text)
    more = f" --config {out}" if out.name != "config.toml" else ""
    following = f"cloudlink doctor{more}{' --sandbox' if sandbox else ''}"
    if json:
        result = {
            "file": str(out),
            "schema": str(schema_file),
            "link": link.name,
            "eks": {"name": first.name, "region": first.region},
            "aks": {"name": second.cluster.name, "subscription": second.subscription.id},
            "zone": link.dns.zone,
            "names": [host.fqdn(link.dns.zone) for host in link.dns.hosts],
            "notes": list(proposal.notes),
            "next": [following],
        }
        typer.echo(dumps(result))
        return 0
    _show(proposal, out, text.count("\n"), len(link.dns.hosts), following)
    return 0


def _choose(
    what: str,
    option: str,
    asked: str,
    there: Sequence[T],
    name: Callable[[T], str],
    said: Callable[[T], str],
    *,
    ask: bool,
) -> T:
    """Raises UsageError where there is nothing to choose, or nobody to ask."""
    from cloudlink.errors import UsageError
    from cloudlink.view.words import visible

    fitting = [item for item in there if not asked or name(item) == asked]
    listed = ", ".join(visible(said(item)) for item in there) or "none"
    if len(fitting) == 1:
        return fitting[0]
    if not there:
        raise UsageError(
            f"There is no {what}",
            f"The sign-in sees no {what}.",
            "Sign in as somebody who does: aws sts get-caller-identity, az account show",
        )
    if not fitting:
        raise UsageError(
            f"There is no such {what}",
            f"{option} {asked}: the sign-in sees {listed}.",
            f"Name one of these with {option}.",
        )
    if not ask:
        raise UsageError(
            f"There are several of the kind {what}",
            f"There is nobody to ask, and the sign-in sees {listed}.",
            f"Name one with {option}" + (" (and --region, where two have the same name)." if asked else "."),
        )
    typer.echo(f"{what}:", err=True)
    for number, item in enumerate(fitting, start=1):
        typer.echo(f"  {number}  {visible(said(item))}", err=True)
    while True:
        typer.echo(f"Which one? [1-{len(fitting)}] ", err=True, nl=False)
        answer = sys.stdin.readline()
        if not answer:
            raise typer.Abort
        if answer.strip().isdigit() and 1 <= int(answer) <= len(fitting):
            return fitting[int(answer) - 1]


def _show(proposal: Proposal, out: Path, lines: int, names: int, following: str) -> None:
    from cloudlink.view.words import count, visible

    typer.echo(f"EKS cluster {proposal.config.eks} in {proposal.config.region}, {proposal.config.vpc}")
    typer.echo(f"AKS cluster {proposal.config.aks}, VNet {proposal.config.vnet} in {proposal.config.location}")
    for text in proposal.good:
        typer.echo(f"✓ {visible(text)}")
    for text in proposal.notes:
        typer.echo(f"! {visible(text)}")
    typer.echo(f"Wrote {out} ({lines} lines, {count(names, 'name')} in {proposal.config.zone}).")
    typer.echo(f"Next:  {following}")
