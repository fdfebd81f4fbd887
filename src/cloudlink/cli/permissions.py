"""``cloudlink permissions``: the least that this configuration needs, for an administrator to grant. Asks no cloud."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from cloudlink.cli.options import Config, Json, Sandbox, examples

EXAMPLES = examples(
    "cloudlink permissions",
    "cloudlink permissions --format iam-policy > policy.json",
    "cloudlink permissions --format azure-role --for status --for verify-dns",
    "cloudlink permissions --format k8s-role > roles.yaml",
    "cloudlink permissions --for rotate-keys --for logs",
    "cloudlink permissions --for pause --for resume",
)


class Format(enum.StrEnum):
    TEXT = "text"
    IAM = "iam-policy"
    AZURE = "azure-role"
    K8S = "k8s-role"
    TERRAFORM = "terraform"


class Command(enum.StrEnum):
    UP = "up"
    STATUS = "status"
    VERIFY = "verify-dns"
    TEARDOWN = "teardown"
    ROTATE = "rotate-keys"
    TEST = "test"
    LOGS = "logs"
    PAUSE = "pause"
    RESUME = "resume"
    REHEARSE = "rehearse"


def permissions(
    config: Config = None,
    sandbox: Sandbox = False,
    json: Json = False,
    format_: Annotated[Format, typer.Option("--format", help="The form to print it in.")] = Format.TEXT,
    commands: Annotated[
        list[Command] | None,
        typer.Option(
            "--for",
            help="Only what this command needs; may be repeated (default: up, status, verify-dns and teardown; plan needs what up needs).",
        ),
    ] = None,
    checks: Annotated[
        bool,
        typer.Option("--checks", help="Also what only the checks before a build read; without it they are not made."),
    ] = False,
) -> int:
    """Print the least permissions needed; asks no cloud."""
    from json import dumps

    from cloudlink import session
    from cloudlink.config import load
    from cloudlink.connect import topology_unasked
    from cloudlink.errors import UsageError
    from cloudlink.steps.least_permissions import COMMANDS, least
    from cloudlink.view import permissions as forms

    if json and format_ is not Format.TEXT:
        raise UsageError(
            "Two forms of output are asked for",
            f"--json and --format {format_} were given together.",
            "Leave one of them out.",
        )
    link = load(session.find_config(config, sandbox=sandbox), sandbox=sandbox)
    found = least(link, topology_unasked(link).nodes(), [str(c) for c in commands or COMMANDS], checks=checks)
    match format_:
        case Format.IAM:
            shown = dumps(forms.iam(found, link), indent=2) + "\n"
        case Format.AZURE:
            shown = dumps(forms.azure_role(found, link), indent=2) + "\n"
        case Format.K8S:
            shown = forms.k8s_role(found, link)
        case Format.TERRAFORM:
            shown = forms.terraform(found, link)
        case _:
            shown = (
                dumps({"link": link.name, "permissions": forms.json_rows(found)}) + "\n" if json else forms.text(found)
            )
    typer.echo(shown, nl=False)
    return 0
