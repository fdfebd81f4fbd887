"""``cloudlink sandbox ...``: start, stop, reset, inspect, and break the local clouds."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated, Any

import typer

from cloudlink.cli.options import Config, Json

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
def start(config: Config = None, speed: Speed = None) -> int:
    """Start it, unless it runs."""
    from cloudlink import sandbox_client
    from cloudlink.session import sandbox_place

    place = sandbox_place(config, make=True)
    running, started = sandbox_client.start(place.home, place.link, speed=place.speed if speed is None else speed)
    if not started and speed is not None:
        running.call("POST", "clock", {"speed": speed})
    typer.echo(f"The sandbox {'has started' if started else 'was running already'} (process {running.pid}).")
    typer.echo("Next: cloudlink up --sandbox")
    return 0


@app.command()
def stop(config: Config = None) -> int:
    """Stop it; its clouds are kept for the next start."""
    from cloudlink import sandbox_client
    from cloudlink.session import sandbox_place

    stopped = sandbox_client.stop(sandbox_place(config).home)
    typer.echo("The sandbox has stopped; its clouds are kept." if stopped else "No sandbox was running.")
    return 0


@app.command(short_help="Stop it and forget its clouds.")
def reset(config: Config = None) -> int:
    """Stop it and forget its clouds, and the state file of the link in it."""
    from cloudlink import sandbox_client
    from cloudlink.session import sandbox_place

    sandbox_client.reset(sandbox_place(config).home)
    typer.echo("The sandbox's clouds are gone. The next start makes new ones.")
    return 0


@app.command(short_help="Show its clock, its addresses and its tunnels.")
def status(config: Config = None, json: Json = False) -> int:
    """Show whether it runs, its clock, its addresses, and what keeps tunnels from being up."""
    running = _running(config, must=False)
    if running is None:
        typer.echo(
            jsonlib.dumps({"running": False}) if json else "No sandbox is running. Start one: cloudlink sandbox start"
        )
        return 0
    seen: dict[str, Any] = {"running": True}
    for part in ("status", "world", "dns"):
        seen |= running.call("GET", part)
    if json:
        typer.echo(jsonlib.dumps(seen, indent=1))
        return 0
    import time

    typer.echo(f"Running as process {seen['pid']}, {seen['calls']} API calls so far ({seen['writes']} of them wrote).")
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seen["now"]))
    typer.echo(f"Its clock shows {stamp} and runs at {seen['speed']:g} times the usual speed.")
    for name, url in seen["urls"].items():
        typer.echo(f"  {name:6} {url}")
    typer.echo(f"  CA     {seen['ca_file']}")
    for ip, server in seen["name_servers"].items():
        host, _, port = server["address"].rpartition(":")
        typer.echo(f"  DNS    {ip} ({server['what']}): dig @{host} -p {port} NAME")
    for tunnel in seen["tunnels"]:
        state = "up" if tunnel["bgp"] else "down"
        typer.echo(f"  {tunnel['outside_ip']:15} {tunnel['inside']:18} {state:5} {tunnel['why']}".rstrip())
    return 0


@app.command(short_help="Print exports that turn az, aws and kubectl to it.")
def env(config: Config = None) -> int:
    """Print shell exports that turn az, aws and kubectl to it: eval "$(cloudlink sandbox env)"."""
    typer.echo(_running(config).environment(), nl=False)
    return 0


@app.command()
def clock(
    config: Config = None,
    speed: Speed = None,
    advance: Annotated[str | None, typer.Option(help="Move forward: 90s, 10m, 1h.")] = None,
) -> int:
    """Show or set the clock: how fast it runs, or move it forward."""
    from cloudlink.cli.durations import seconds

    body: dict[str, Any] = {}
    if speed is not None:
        body["speed"] = speed
    if advance is not None:
        body["advance"] = seconds(advance)
    answer = _running(config).call("POST", "clock", body)
    typer.echo(f"The sandbox's clock runs at {answer['speed']:g} times the usual speed.")
    return 0


@fault.command("add")
def fault_add(
    kind: Annotated[str, typer.Argument(help="See: cloudlink sandbox fault list")],
    place: Annotated[str, typer.Argument(help="What it hits; shell patterns work, such as 'aws.CreateVpn*'.")],
    config: Config = None,
    times: Annotated[int, typer.Option(help="How many calls it hits; 0: until removed.")] = 0,
    after: Annotated[int, typer.Option(help="How many calls to let through first.")] = 0,
    seconds: Annotated[float, typer.Option(help="For kind slow: how much longer a call takes.")] = 1.0,
    lasts: Annotated[
        str | None, typer.Option("--for", help="End by itself, by the sandbox's clock: 90s, 10m, 1h.")
    ] = None,
) -> int:
    """Put a fault in force."""
    from cloudlink.cli import durations

    body: dict[str, Any] = {"kind": kind, "place": place, "times": times or None, "after": after, "seconds": seconds}
    if lasts is not None:
        body["lasts"] = durations.seconds(lasts)
    answer = _running(config).call("POST", "faults", body)
    typer.echo(f"Fault {answer['id']} is in force: {kind} at {place}.")
    typer.echo(f"Remove it: cloudlink sandbox fault remove {answer['id']}")
    return 0


@fault.command("list")
def fault_list(config: Config = None, json: Json = False) -> int:
    """List faults in force, and the kinds there are."""
    answer = _running(config).call("GET", "faults")
    if json:
        typer.echo(jsonlib.dumps(answer, indent=1))
        return 0
    for f in answer["faults"]:
        left = "until removed" if f["times"] is None else f"{f['hits']} of {f['times']} hits"
        left += "" if f["lasts"] is None else f", for {f['lasts']:g} s"
        typer.echo(f"{f['id']:3}  {f['kind']:16} {f['place']}  ({left})")
    if not answer["faults"]:
        typer.echo("No fault is in force.")
    typer.echo("\nKinds:")
    for kind, meaning in answer["kinds"].items():
        typer.echo(f"  {kind:17} {meaning}")
    return 0


@fault.command("remove")
def fault_remove(
    number: Annotated[int | None, typer.Argument(help="Its number; without one, all.")] = None, config: Config = None
) -> int:
    """Remove one fault, or all."""
    _running(config).call("DELETE", "faults" if number is None else f"faults/{number}")
    typer.echo("Removed.")
    return 0


def _running(config: Any, *, must: bool = True) -> Any:
    from cloudlink import sandbox_client
    from cloudlink.errors import UsageError
    from cloudlink.session import sandbox_place

    running = sandbox_client.find(sandbox_place(config).home)
    if running is None and must:
        raise UsageError("No sandbox is running", "There is nothing to talk to.", "cloudlink sandbox start")
    return running
