"""``cloudlink sandbox ...``: start, stop, reset, look at, and break the local clouds. What they do is the sandbox's own."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudlink.cli import completion
from cloudlink.cli.options import Config, Json

if TYPE_CHECKING:
    from cloudlink.sandbox_client import Commands

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Local clouds on loopback, for trying, developing and testing."
)
fault = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Faults in force: add, list, remove.")
app.add_typer(fault, name="fault")

Speed = Annotated[
    float | None,
    typer.Option("--speed", min=0, help="Sandbox seconds per second (default: 60, a minute takes a second)."),
]


@app.command()
def start(
    config: Config = None,
    speed: Speed = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="BUNDLE",
            help="Answer as the clouds did when cloudlink gather made this file; put its configuration here.",
        ),
    ] = None,
) -> int:
    """Start it, unless it runs."""
    if bundle is not None:
        return _start_from(bundle, config, speed)
    from cloudlink.sandbox_client import commands
    from cloudlink.sandbox_world import description
    from cloudlink.session import sandbox_place

    with commands() as found:
        place = sandbox_place(config, make=True)
        typer.echo(found.start(place.home, description(place.link), speed=speed, default_speed=place.speed))
    typer.echo("Next: cloudlink up --sandbox")
    return 0


def _start_from(file: Path, config: Path | None, speed: float | None) -> int:
    from cloudlink.errors import UsageError
    from cloudlink.sandbox_client import commands
    from cloudlink.session.from_bundle import unpack_here

    if config is not None or speed is not None:
        raise UsageError(
            "--from stands alone",
            "The configuration and the time are those of the bundle.",
            f"cloudlink sandbox start --from {shlex.quote(str(file))}",
        )
    recorded = unpack_here(file)
    with commands() as found:
        typer.echo(found.start_recorded(recorded.home, recorded.world, recorded.exchanges, recorded.read_at))
    typer.echo(f"It answers as the clouds of {recorded.link} did at {recorded.said}. Nothing can be changed in it.")
    typer.echo("Next: cloudlink status --sandbox")
    return 0


@app.command()
def stop(config: Config = None) -> int:
    """Stop it; its clouds are kept for the next start."""
    with _commands(config) as (commands, home):
        typer.echo(commands.stop(home))
    return 0


@app.command(short_help="Stop it and forget its clouds.")
def reset(config: Config = None) -> int:
    """Stop it and forget its clouds, and the state file of the link in it."""
    with _commands(config) as (commands, home):
        typer.echo(commands.reset(home))
    return 0


@app.command(short_help="Show its clock, its addresses and its tunnels.")
def status(config: Config = None, json: Json = False) -> int:
    """Show whether it runs, its clock, its addresses, and what keeps tunnels from being up."""
    from cloudlink.sandbox_client import COMMAND

    with _commands(config) as (commands, home):
        typer.echo(commands.status(home, as_json=json, command=COMMAND))
    return 0


@app.command(short_help="Print exports that turn az, aws and kubectl to it.")
def env(config: Config = None) -> int:
    """Print shell exports that turn az, aws and kubectl to it: eval "$(cloudlink sandbox env)"."""
    with _commands(config) as (commands, home):
        typer.echo(commands.env(home), nl=False)
    return 0


@app.command()
def clock(
    config: Config = None,
    speed: Speed = None,
    advance: Annotated[str | None, typer.Option(help="Move forward: 90s, 10m, 1h.")] = None,
) -> int:
    """Show or set the clock: how fast it runs, or move it forward."""
    with _commands(config) as (commands, home):
        typer.echo(commands.clock(home, speed=speed, advance=advance))
    return 0


@fault.command("add")
def fault_add(
    kind: Annotated[str, typer.Argument(autocompletion=completion.faults, help="See: cloudlink sandbox fault list")],
    target: Annotated[
        str,
        typer.Argument(
            autocompletion=completion.fault_targets, help="What it hits; shell patterns work, such as 'aws.CreateVpn*'."
        ),
    ],
    config: Config = None,
    times: Annotated[int, typer.Option(help="How many calls it hits; 0: until removed.")] = 0,
    after: Annotated[int, typer.Option(help="How many calls to let through first.")] = 0,
    seconds: Annotated[float, typer.Option(help="For kind slow: how much longer a call takes.")] = 1.0,
    duration: Annotated[
        str | None, typer.Option("--for", help="End by itself, by the sandbox's clock: 90s, 10m, 1h.")
    ] = None,
) -> int:
    """Put a fault in force."""
    from cloudlink.sandbox_client import COMMAND

    with _commands(config) as (commands, home):
        said, warning = commands.fault_add(
            home, kind, target, times=times, skip=after, seconds_=seconds, duration=duration, command=COMMAND
        )
    typer.echo(said)
    if warning:
        typer.echo(warning, err=True)
    return 0


@fault.command("list")
def fault_list(config: Config = None, json: Json = False) -> int:
    """List faults in force, and the kinds there are."""
    with _commands(config) as (commands, home):
        typer.echo(commands.fault_list(home, as_json=json))
    return 0


@fault.command("remove")
def fault_remove(
    number: Annotated[int | None, typer.Argument(help="Its number; without one, all.")] = None, config: Config = None
) -> int:
    """Remove one fault, or all."""
    with _commands(config) as (commands, home):
        typer.echo(commands.fault_remove(home, number))
    return 0


@contextmanager
def _commands(config: Path | None) -> Iterator[tuple[Commands, Path]]:
    """The sandbox's commands, and the folder of this configuration's sandbox."""
    from cloudlink import sandbox_client
    from cloudlink.session import sandbox_place

    home = sandbox_place(config).home
    with sandbox_client.commands() as found:
        yield found, home
