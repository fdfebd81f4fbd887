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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudlink.clouds.endpoints import Endpoints
from cloudlink.errors import CloudlinkError, UsageError
from cloudlink.secret import Secret

ADDRESS_FILE = "address.json"
START_SECONDS = 60.0


class SandboxError(CloudlinkError):
    """The sandbox did not start or does not answer."""

    exit_code = 1


@dataclass(frozen=True)
class Running:
    """A sandbox that answers."""

    home: Path
    pid: int
    control: str
    token: Secret
    address: dict[str, Any]

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One request to the control interface. Raises SandboxError, and UsageError for what it refuses."""
        request = urllib.request.Request(  # noqa: S310 - http on loopback, from our own file
            f"{self.control}/{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Authorization": f"Bearer {self.token.reveal()}"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            said = json.loads(error.read() or b"{}").get("error", str(error))
            raise UsageError("The sandbox refused that", f"{said}.") from error
        except (OSError, ValueError) as error:
            raise SandboxError(
                "The sandbox does not answer",
                f"{self.control}: {error}.",
                "Start it anew: cloudlink sandbox stop && cloudlink sandbox start",
            ) from error

    def endpoints(self, speed: float) -> Endpoints:
        a = self.address
        return Endpoints(
            aws_url=a["aws_url"],
            aws_access_key=a["aws_access_key"],
            aws_secret_key=Secret(a["aws_secret_key"]),
            azure_url=a["azure_url"],
            azure_tenant=a["azure_tenant"],
            azure_client_id=a["azure_client_id"],
            azure_client_secret=Secret(a["azure_client_secret"]),
            ca_file=a["ca_file"],
            speed=speed,
        )


def find(home: Path) -> Running | None:
    """The sandbox that lives in this folder, if it answers."""
    try:
        address = json.loads((home / ADDRESS_FILE).read_text(encoding="utf-8"))
        running = Running(home, int(address["pid"]), str(address["control"]), Secret(str(address["token"])), address)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    try:
        os.kill(running.pid, 0)
        running.call("GET", "status")
    except (ProcessLookupError, PermissionError, CloudlinkError):
        return None
    return running


@contextlib.contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(home / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SandboxError(
            "The sandbox has no place to live",
            f"{home} cannot be written: {error.strerror}.",
            "Run cloudlink from a folder that you may write to.",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def start(home: Path, config: Path, *, speed: float, idle: float = 1800.0) -> tuple[Running, bool]:
    """The running sandbox, started if there was none; furnished from the configuration either way.

    Returns (sandbox, whether it was started now).
    """
    if (running := find(home)) is not None:
        running.call("POST", "furnish", {"config": str(config.resolve())})
        return running, False
    _check_installed()
    with _one_at_a_time(home):
        if (running := find(home)) is not None:
            return running, False
        home.chmod(0o700)
        (home / ADDRESS_FILE).unlink(missing_ok=True)
        log_path = home / "sandbox.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "cloudlink.sandbox",
                    "--home",
                    str(home),
                    "--config",
                    str(config.resolve()),
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
            if (home / ADDRESS_FILE).exists() and (running := find(home)) is not None:
                return running, True
            if process.poll() is not None:
                tail = log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
                raise SandboxError(
                    "The sandbox did not start",
                    f"Its process ended with code {process.returncode}: {' / '.join(tail)}",
                    f"The whole log: {log_path}",
                )
            time.sleep(0.02)
        process.kill()
        raise SandboxError("The sandbox did not start", f"No answer within {START_SECONDS:.0f} s.", f"See {log_path}")


def _check_installed() -> None:
    from importlib.util import find_spec

    missing = [p for p in ("moto", "cryptography", "dns") if find_spec(p) is None]
    if missing:
        raise UsageError(
            "The sandbox is not installed",
            f"It needs packages that an ordinary installation leaves out ({', '.join(missing)} not found).",
            "pip install 'cloudlink[sandbox]'",
        )


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
    """End it and forget its clouds."""
    stop(home)
    if home.exists():
        shutil.rmtree(home)
