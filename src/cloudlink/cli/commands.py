"""The table of commands, and the one place where an error becomes an exit code."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import sys
from typing import Annotated, Any

import typer
from typer.main import get_command

from cloudlink.cli import (
    doctor,
    gather,
    init,
    logs,
    output,
    pause,
    permissions,
    plan,
    rehearse,
    report,
    resume,
    rotate_keys,
    sandbox,
    schema,
    status,
    teardown,
    test,
    unlock,
    up,
    verify_dns,
)
from cloudlink.errors import CloudlinkError, Interrupted, OutputError

app = typer.Typer(
    name="cloudlink",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,  # rich help costs 90 ms at every --help
    pretty_exceptions_enable=False,  # and its tracebacks show local variables, which may hold keys
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Joins an EKS VPC and an AKS VNet with redundant IPsec tunnels, and makes AWS names work in AKS pods.\n\n"
        "Try it without an account: cloudlink up --sandbox"
    ),
)
app.command("init", epilog=init.EXAMPLES)(init.init)
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
app.command("plan", epilog=plan.EXAMPLES)(plan.plan)
app.command("up", epilog=up.EXAMPLES)(up.up)
app.command(
    "status", short_help="Show what passes, one cause and what to do; --all for the rest.", epilog=status.EXAMPLES
)(status.status)
app.command("verify-dns", short_help="Prove the names from a pod on AKS, hop by hop.", epilog=verify_dns.EXAMPLES)(
    verify_dns.verify_dns
)
app.command("rehearse", short_help="Send real packets through real daemons.", epilog=rehearse.EXAMPLES)(
    rehearse.rehearse
)
app.command("teardown", short_help="Remove exactly what cloudlink made.", epilog=teardown.EXAMPLES)(teardown.teardown)
app.command("pause", short_help="Remove what costs by the hour, until resume.", epilog=pause.EXAMPLES)(pause.pause)
app.command("resume", short_help="End a pause: the same link, in minutes.", epilog=resume.EXAMPLES)(resume.resume)
app.command("test", epilog=test.EXAMPLES)(test.test)
app.command("rotate-keys", short_help="Give the tunnels new keys, one by one.", epilog=rotate_keys.EXAMPLES)(
    rotate_keys.rotate_keys
)
app.command("logs", short_help="Switch the tunnels' logs on or off; show what they say.", epilog=logs.EXAMPLES)(
    logs.logs
)
app.command("gather", epilog=gather.EXAMPLES)(gather.gather)
app.command("report", short_help="Write the link's state as one HTML page.", epilog=report.EXAMPLES)(report.report)
app.command("permissions", epilog=permissions.EXAMPLES)(permissions.permissions)
app.command("schema", epilog=schema.EXAMPLES)(schema.schema)
app.command("unlock", epilog=unlock.EXAMPLES)(unlock.unlock)
app.add_typer(sandbox.app, name="sandbox")


def _version(wanted: bool) -> None:
    if wanted:
        from cloudlink import __version__

        typer.echo(f"cloudlink {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit code."""
    try:
        return _run(arguments)
    except OutputError as error:
        output.say(error)
        return error.exit_code
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
        # the reader of our output (head, less) or the terminal has gone: no message can reach anybody
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


@functools.cache
def _command() -> Any:  # what typer makes has no type that can be named
    return get_command(app)


def _run(arguments: list[str]) -> int:
    from cloudlink.cli.other_words import ours

    command = _command()
    try:
        arguments, taken = ours(arguments)
        for text in taken:
            sys.stderr.write(f"{text}\n")
        result = command.main(args=arguments, prog_name="cloudlink", standalone_mode=False)
        if (
            result == Interrupted.exit_code
        ):  # typer's own answer to Ctrl-C, before a command watches for it: ours are raised
            return _interrupted()
        return int(result or 0)
    except typer.Exit as end:
        return int(end.exit_code)
    except typer.Abort:
        sys.stderr.write("Nothing was changed.\n")
        return 9
    except OutputError:
        raise
    except CloudlinkError as error:
        _show(error, arguments[0], as_json="--json" in arguments)
        return error.exit_code
    except SystemExit as end:
        # the only one that the command line's library raises here: for a closed pipe, which has a code of its own
        return 141 if end.code == 1 else int(end.code or 0)
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:
        usage = _usage(error)
        if usage is None:
            raise
        sys.stderr.write(usage)
        return 2


def _interrupted() -> int:
    sys.stderr.write("\nInterrupted; nothing further was begun.\n")
    return 130


def _usage(error: Exception) -> str | None:
    """The command line itself could not be understood."""
    if not isinstance(error, typer.BadParameter.__mro__[1]):  # typer's UsageError has no public name
        return None
    context = getattr(error, "ctx", None)
    message = getattr(error, "format_message", error.__str__)()
    if message.startswith("Usage: "):  # nothing was asked for: this is the help
        return f"{message}\n"
    where = context.command_path if context is not None else "cloudlink"
    return f"Error: {message}\nSee: {where} --help\n"


def _show(error: CloudlinkError, command: str, *, as_json: bool) -> None:
    """For errors outside a command's own view (a wrong configuration, no sandbox, ...)."""
    from cloudlink.session import plain_view

    if getattr(error, "shown", False):
        return
    view = plain_view(command, as_json=as_json)
    view.error(error)
    view.close()
