"""How a command finds, starts and speaks to the sandbox. Standard library only: no cloud is imported here."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloudlink_sandbox.errors import InvalidRequest, SandboxError, SavedWorldRefused, SilentSandbox
from cloudlink_sandbox.own_files import open_own, own_folder, read_own, write_own

ADDRESS_FILE = "address.json"
WORLD_FILE = "world.json"
START_SECONDS = 60.0
ANSWER_SECONDS = 30.0


@dataclass(frozen=True)
class Running:
    """A sandbox that answers."""

    home: Path
    pid: int
    control: str
    token: str = field(repr=False)
    address: dict[str, Any] = field(repr=False)  # the content of the address file, with the made-up keys

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One request to the control interface. Raises SandboxError, InvalidRequest for what it refuses, and SilentSandbox where
        it is there and does not answer."""
        request = urllib.request.Request(  # noqa: S310 - http on loopback, from our own file
            f"{self.control}/{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Authorization": f"Bearer {self.token}"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=ANSWER_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            said = json.loads(error.read() or b"{}").get("error", str(error))
            raise InvalidRequest("The sandbox refused that", f"{said}.") from error
        except (OSError, ValueError) as error:
            if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError):
                raise SilentSandbox(
                    "The sandbox does not answer",
                    f"Its process {self.pid} is there, and said nothing for {ANSWER_SECONDS:.0f} s.",
                    f"Run the same command again if the machine is busy; if the process is stopped: kill -CONT {self.pid}; to "
                    f"end it without keeping its clouds: kill -9 {self.pid}",
                ) from error
            raise SandboxError(
                "The sandbox does not answer",
                f"{self.control}: {error}.",
                "Start it again: {command} stop && {command} start",
            ) from error


def find(home: Path) -> Running | None:
    """The sandbox that lives in this folder, if there is one. Raises SilentSandbox for one that does not answer: in the place of a
    process that lives no second one may be started, which would have none of its clouds."""
    try:
        address = json.loads(read_own(home / ADDRESS_FILE))
        running = Running(home, int(address["pid"]), str(address["control"]), str(address["token"]), address)
    except (OSError, ValueError, KeyError, TypeError, SandboxError):
        return None
    try:
        os.kill(running.pid, 0)
        running.call("GET", "status")
    except SilentSandbox:
        raise
    except (ProcessLookupError, PermissionError, SandboxError):
        return None
    return running


@contextlib.contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    try:
        own_folder(home)
        descriptor = open_own(home / "start.lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
    except OSError as error:  # a folder of others, a disk that is full or read-only
        raise SandboxError(
            "The sandbox has no place to live",
            f"{home} cannot be written: {error.strerror or error}.",
            "Run it in a folder that you may write to, on a disk that has room.",
        ) from error


def start(home: Path, world: dict[str, Any], *, speed: float, idle: float = 1800.0) -> tuple[Running, bool]:
    """The running sandbox, started if there was none; it holds what the world says either way.

    world: as in a world file. Returns (sandbox, whether it was started now).
    """
    if (running := find(home)) is not None:
        running.call("POST", "fixtures", world)
        return running, False
    with _one_at_a_time(home):
        if (running := find(home)) is not None:  # started by another command in the meantime
            running.call("POST", "fixtures", world)
            return running, False
        (home / ADDRESS_FILE).unlink(missing_ok=True)
        world_file = home / WORLD_FILE
        write_own(world_file, json.dumps(world, indent=1).encode())
        log_path = home / "sandbox.log"
        with os.fdopen(open_own(log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "cloudlink_sandbox",
                    "--home",
                    str(home),
                    "--world",
                    str(world_file),
                    "--speed",
                    str(speed),
                    "--idle",
                    str(idle),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in this terminal, or its end, is not the sandbox's
                cwd=home,
            )
        began = time.monotonic()
        while time.monotonic() - began < START_SECONDS:
            with contextlib.suppress(SilentSandbox):  # until all of it has started
                if (home / ADDRESS_FILE).exists() and (running := find(home)) is not None:
                    return running, True
            if process.poll() == SavedWorldRefused.exit_code:
                said = read_own(log_path).decode(errors="replace").strip().splitlines()[-1:]
                raise SavedWorldRefused(" ".join(said))
            if process.poll() is not None:
                tail = read_own(log_path).decode(errors="replace").strip().splitlines()[-3:]
                raise SandboxError(
                    "The sandbox did not start",
                    f"Its process ended with code {process.returncode}: {' / '.join(tail)}",
                    f"The whole log: {log_path}",
                )
            time.sleep(0.02)
        process.kill()
        raise SandboxError("The sandbox did not start", f"No answer within {START_SECONDS:.0f} s.", f"See {log_path}")


def stop(home: Path) -> bool:
    """End it; its clouds are kept on disk for the next start. False when none runs."""
    running = find(home)
    if running is None:
        return False
    running.call("POST", "stop", {})
    began = time.monotonic()
    while time.monotonic() - began < 15:
        try:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(running.pid, os.WNOHANG)  # where this very process started it
            os.kill(running.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    return True


def reset(home: Path) -> None:
    """End it and forget its clouds. Raises SandboxError for a folder that is not the user's."""
    stop(home)
    if home.is_symlink() or home.exists():
        own_folder(home)
        shutil.rmtree(home)
