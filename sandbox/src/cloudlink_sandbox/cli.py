"""``cloudlink-sandbox``: start, stop, reset, look at, and break the local clouds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from cloudlink_sandbox.errors import COMMAND, SandboxError

app = typer.Typer(
    name=COMMAND,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="AWS, Azure, EKS and AKS on loopback, as far as a VPN and DNS between them need.",
)
fault = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Faults in force: add, list, remove.")
app.add_typer(fault, name="fault")

Home = Annotated[
    Path,
    typer.Option(
        "--home", envvar="CLOUDLINK_SANDBOX_HOME", help="Folder of this sandbox: certificates, log, saved clouds."
    ),
]
HERE = Path(".cloudlink-sandbox")
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
Speed = Annotated[
    float | None,
    typer.Option("--speed", min=0, help="Sandbox seconds per second (default: 60, a minute takes a second)."),
]


@app.command()
def start(
    world: Annotated[
        Path | None,
        typer.Option(
            "--world", help="What the clouds hold, TOML or JSON (default: as at the last start, else a small world)."
        ),
    ] = None,
    home: Home = HERE,
    speed: Speed = None,
) -> int:
    """Start it, unless it runs."""
    from cloudlink_sandbox import client, commands, world_file

    kept = home / client.WORLD_FILE
    file = world or (kept if kept.exists() else None)
    described = world_file.read(file) if file else world_file.WorldFile()
    typer.echo(commands.start(home.resolve(), described.json(), speed=speed))
    typer.echo(f'Next: eval "$({COMMAND} env)"')
    return 0


@app.command()
def stop(home: Home = HERE) -> int:
    """Stop it; its clouds are kept for the next start."""
    from cloudlink_sandbox import commands

    typer.echo(commands.stop(home.resolve()))
    return 0


@app.command()
def reset(home: Home = HERE) -> int:
    """Stop it and forget its clouds."""
    from cloudlink_sandbox import commands

    typer.echo(commands.reset(home.resolve()))
    return 0


@app.command(short_help="Show its clock, its addresses and its tunnels.")
def status(home: Home = HERE, json: Json = False) -> int:
    """Show whether it runs, its clock, its addresses, and what keeps tunnels from being up."""
    from cloudlink_sandbox import commands

    typer.echo(commands.status(home.resolve(), as_json=json))
    return 0


@app.command(short_help="Print exports that turn az, aws, kubectl and Terraform to it.")
def env(home: Home = HERE) -> int:
    """Print shell exports that turn az, aws, kubectl and Terraform to it: eval "$(cloudlink-sandbox env)"."""
    from cloudlink_sandbox import commands

    typer.echo(commands.env(home.resolve()), nl=False)
    return 0


@app.command()
def clock(
    home: Home = HERE,
    speed: Speed = None,
    advance: Annotated[str | None, typer.Option(help="Move forward: 90s, 10m, 1h.")] = None,
) -> int:
    """Show or set the clock: how fast it runs, or move it forward."""
    from cloudlink_sandbox import commands

    typer.echo(commands.clock(home.resolve(), speed=speed, advance=advance))
    return 0


@fault.command("add")
def fault_add(
    kind: Annotated[str, typer.Argument(help="See: cloudlink-sandbox fault list")],
    target: Annotated[str, typer.Argument(help="What it hits; shell patterns work, such as 'aws.CreateVpn*'.")],
    home: Home = HERE,
    times: Annotated[int, typer.Option(min=0, help="How many calls it hits; 0: until removed.")] = 0,
    skip: Annotated[int, typer.Option(min=0, help="How many calls to let through first.")] = 0,
    seconds: Annotated[float, typer.Option(help="For kinds slow and unseen: how long.")] = 1.0,
    duration: Annotated[
        str | None, typer.Option("--for", help="End by itself, by the sandbox's clock: 90s, 10m, 1h.")
    ] = None,
) -> int:
    """Put a fault in force."""
    from cloudlink_sandbox import commands

    said, warning = commands.fault_add(
        home.resolve(), kind, target, times=times, skip=skip, seconds_=seconds, duration=duration
    )
    typer.echo(said)
    if warning:
        typer.echo(warning, err=True)
    return 0


@fault.command("list")
def fault_list(home: Home = HERE, json: Json = False) -> int:
    """List faults in force, and the kinds there are."""
    from cloudlink_sandbox import commands

    typer.echo(commands.fault_list(home.resolve(), as_json=json))
    return 0


@fault.command("remove")
def fault_remove(
    number: Annotated[int | None, typer.Argument(help="Its number; without one, all.")] = None, home: Home = HERE
) -> int:
    """Remove one fault, or all."""
    from cloudlink_sandbox import commands

    typer.echo(commands.fault_remove(home.resolve(), number))
    return 0


def main() -> None:
    """Entry point. Expected errors become a message and an exit code; only a bug shows a traceback."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit code."""
    try:
        return int(get_command(app).main(args=arguments, prog_name=COMMAND, standalone_mode=False) or 0)
    except typer.Exit as end:
        return int(end.exit_code)
    except SandboxError as error:
        said = [f"Error: {error.summary}", error.detail, error.hint_as(COMMAND)]
        sys.stderr.write("\n  ".join(part.replace("\n", "\n  ") for part in said if part) + "\n")
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        if not isinstance(error, typer.BadParameter.__mro__[1]):  # typer's UsageError has no public name
            raise
        message = getattr(error, "format_message", error.__str__)()
        sys.stderr.write(
            f"{message}\n" if message.startswith("Usage: ") else f"Error: {message}\nSee: {COMMAND} --help\n"
        )
        return 2
