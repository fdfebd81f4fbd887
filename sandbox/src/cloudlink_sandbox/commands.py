"""What each command does and prints, for ``cloudlink sandbox`` and ``cloudlink-sandbox``. A program with these commands under a name of its own says so.

Everything but ``start`` and ``reset`` is about the sandbox that runs in a folder (``home``). All of it raises SandboxError.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from cloudlink_sandbox import client, shell
from cloudlink_sandbox.errors import COMMAND, InvalidRequest
from cloudlink_sandbox.own_files import own_folder, write_own
from cloudlink_sandbox.replay import ANSWERS_FILE

DEFAULT_SPEED = 60.0
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def start(home: Path, world: dict[str, Any], *, speed: float | None, default_speed: float = DEFAULT_SPEED) -> str:
    """speed: of its clock, also where it runs already; None: leave that as it is, and begin with the default."""
    running, started = client.start(home, world, speed=default_speed if speed is None else speed)
    if not started and speed is not None:
        running.call("POST", "clock", {"speed": speed})
    return f"The sandbox {'has started' if started else 'was running already'} (process {running.pid})."


def start_recorded(home: Path, world: dict[str, Any], exchanges: list[Any], read_at: float) -> str:
    """One whose clouds only say what was recorded. read_at: when that was, seconds since the epoch. Raises InvalidRequest where a
    sandbox has this folder already."""
    if client.find(home) is not None or any((home / name).exists() for name in (ANSWERS_FILE, client.WORLD_FILE)):
        raise InvalidRequest(
            "There is a sandbox here already",
            f"{home} has clouds, which are not overwritten.",
            "Use an empty folder, or forget them: {command} reset",
        )
    own_folder(home)
    content = json.dumps({"read_at": read_at, "exchanges": exchanges})
    write_own(home / ANSWERS_FILE, content.encode())
    return start(home, world, speed=None, default_speed=1.0)


def stop(home: Path) -> str:
    return "The sandbox has stopped; its clouds are kept." if client.stop(home) else "No sandbox was running."


def reset(home: Path) -> str:
    client.reset(home)
    return "The sandbox's clouds are gone. The next start makes new ones."


def status(home: Path, *, as_json: bool, command: str = COMMAND) -> str:
    running = client.find(home)
    if running is None:
        return json.dumps({"running": False}) if as_json else f"No sandbox is running. Start one: {command} start"
    seen: dict[str, Any] = {"running": True}
    for part in ("status", "world", "dns"):
        seen |= running.call("GET", part)
    if as_json:
        return json.dumps(seen, indent=1)
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seen["now"]))
    lines = [
        f"Running as process {seen['pid']}, {seen['calls']} API calls so far ({seen['writes']} of them wrote).",
        f"Its clock shows {stamp} and runs at {seen['speed']:g} times the usual speed.",
        *(f"  {name:6} {url}" for name, url in seen["urls"].items()),
        f"  CA     {seen['ca_file']}",
        f"Isolation: {seen['pods']}.",
        *(f"  MFA    {serial} shows {code} now" for serial, code in seen["mfa"].items()),
    ]
    for ip, server in seen["name_servers"].items():
        host, _, port = server["address"].rpartition(":")
        lines.append(f"  DNS    {ip} ({server['what']}): dig @{host} -p {port} NAME")
    for tunnel in seen["tunnels"]:
        state = "up" if tunnel["bgp"] else "down"
        lines.append(f"  {tunnel['outside_ip']:15} {tunnel['inside']:18} {state:5} {tunnel['why']}".rstrip())
    return "\n".join(lines)


def env(home: Path) -> str:
    """Lines for ``eval`` in a shell that turn its clients to the sandbox. Writes the kubeconfig that they name."""
    running = _running(home)
    world = running.call("GET", "fixtures")
    shell.write_kubeconfig(home, running.address, running.call("GET", "clusters"))
    region, subscription = world["aws"]["region"], world["azure"]["subscription"]
    return shell.exports(home, running.address, region=region, subscription=subscription)


def clock(home: Path, *, speed: float | None, advance: str | None) -> str:
    """advance: as people type a duration."""
    body: dict[str, Any] = {}
    if speed is not None:
        body["speed"] = speed
    if advance is not None:
        body["advance"] = seconds(advance)
    answer = _running(home).call("POST", "clock", body)
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(float(answer["now"])))
    return f"The sandbox's clock shows {shown} and runs at {answer['speed']:g} times the usual speed."


def fault_add(
    home: Path,
    kind: str,
    target: str,
    *,
    times: int,
    skip: int,
    seconds_: float,
    duration: str | None,
    command: str = COMMAND,
) -> tuple[str, str]:
    """(what to say, what to warn of). times 0: until it is removed. duration: as people type it."""
    body: dict[str, Any] = {"kind": kind, "target": target, "times": times or None, "skip": skip, "seconds": seconds_}
    if duration is not None:
        body["duration"] = seconds(duration)
    answer = _running(home).call("POST", "faults", body)
    said = f"Fault {answer['id']} is in force: {kind} at {target}.\nRemove it: {command} fault remove {answer['id']}"
    return said, f"Warning: {answer['warning']}." if answer["warning"] else ""


def fault_list(home: Path, *, as_json: bool) -> str:
    answer = _running(home).call("GET", "faults")
    if as_json:
        return json.dumps(answer, indent=1)
    lines = []
    for fault in answer["faults"]:
        left = "until removed" if fault["times"] is None else f"{fault['hits']} of {fault['times']} hits"
        left += "" if fault["duration"] is None else f", for {fault['duration']:g} s"
        lines.append(f"{fault['id']:3}  {fault['kind']:16} {fault['target']}  ({left})")
    lines += [] if lines else ["No fault is in force."]
    lines += ["", "Kinds:", *(f"  {kind:17} {meaning}" for kind, meaning in answer["kinds"].items())]
    return "\n".join(lines)


def fault_kinds() -> dict[str, str]:
    """Each with what it means. Asks no sandbox."""
    from cloudlink_sandbox.faults import FaultKind

    return {kind.value: kind.meaning for kind in FaultKind}


def fault_targets(home: Path, kind: str) -> list[str]:
    """Addresses or names that exist now and that a fault of this kind can hit."""
    answer = _running(home).call("GET", f"faults/targets/{kind}")
    return [str(target) for target in answer["targets"]]


def fault_remove(home: Path, number: int | None) -> str:
    """None: all of them."""
    _running(home).call("DELETE", "faults" if number is None else f"faults/{number}")
    return "Removed."


def seconds(text: str) -> float:
    """``90``, ``90s``, ``10m`` or ``1h30m`` in seconds."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None or not any(match.groups()):
        raise InvalidRequest("That is not a duration", f"{text!r} was given.", "Write it like 90s, 10m or 1h30m.")
    hours, minutes, rest = (int(group or 0) for group in match.groups())
    return float(hours * 3600 + minutes * 60 + rest)


def _running(home: Path) -> client.Running:
    running = client.find(home)
    if running is None:
        raise InvalidRequest("No sandbox is running", "There is nothing to talk to.", "{command} start")
    return running
