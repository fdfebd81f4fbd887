"""A pod's container as a process of this machine: its own empty folder, a clean environment, packets by the wire.

It sees nothing else of this machine where the kernel can see to that (``isolation.py``).
Only Python and a few shell basics can be run, whatever the image says; the image is never fetched. Python runs with
isolation and without installed packages, as in a plain Python image, and its sockets are replaced by
``sandbox/wire/pod_python.py``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from cloudlink_sandbox.kube import isolation

_PYTHON = re.compile(r"python(3(\.\d+)?)?")
_SHELLS = {"sh", "ash", "bash", "dash"}
_TOOLS = ("sleep", "true", "false", "echo", "printf", "env", "date", "seq", "test")
_LOG_LIMIT = 1 << 20
_WALL_SECONDS = 300.0
# Not the one of a virtual environment, beside which its owner's packages are.
_INTERPRETER = str(Path(sys.executable).resolve())
_SYSTEM = (
    *("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/ssl", "/etc/pki", "/etc/localtime"),
    *("/dev/zero", "/dev/random", "/dev/urandom"),
)
_LAUNCHER = Path(__file__).parents[1] / "wire" / "pod_python.py"


class CannotRun(Exception):
    """The container's program does not exist here."""


@dataclass(frozen=True)
class PodNetwork:
    """port: the wire's, on loopback, for UDP and TCP. token: says which pod asks. speed: of the sandbox's clock. busy: by
    how much longer than its time-outs a pod waits for the wire itself."""

    port: int
    token: str
    resolv_conf: str
    speed: float
    busy: float = 1.0


def timer_seconds(argv: list[str]) -> float | None:
    """For ``sleep N``: how long, in sandbox seconds; no process is needed for it."""
    if len(argv) == 2 and Path(argv[0]).name == "sleep":
        if argv[1] in ("infinity", "inf"):
            return float("inf")
        if found := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", argv[1]):
            return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]
    return None


def can_run(program: str) -> bool:
    name = Path(program).name
    return bool(_PYTHON.fullmatch(name)) or name in _SHELLS or name in _TOOLS


def prepare_folder(folder: Path, network: PodNetwork | None, hostname: str) -> None:
    """A container's folder: ``work``, where it runs, and ``bin``, all that is on its PATH: some tools, and python3."""
    (folder / "work").mkdir()
    tools = folder / "bin"
    tools.mkdir()
    for tool in _TOOLS:
        if found := shutil.which(tool):
            (tools / tool).symlink_to(found)
    (tools / "sh").symlink_to("/bin/sh")
    quoted = " ".join("'" + a.replace("'", "'\\''") + "'" for a in _python(network, hostname, False))
    for name in ("python3", "python"):
        script = tools / name
        script.write_text(f'#!/bin/sh\nexec {quoted} "$@"\n')
        script.chmod(0o755)


def start_process(
    folder: Path, argv: list[str], env: dict[str, str], hostname: str, network: PodNetwork | None, **streams: int
) -> subprocess.Popen[bytes]:
    """A program in a prepared folder, with a clean environment and at the head of a process group of its own.

    Raises CannotRun.
    """
    if not argv or not can_run(argv[0]):
        raise CannotRun(f'exec: "{argv[0] if argv else ""}": executable file not found in $PATH')
    environment = {
        "PATH": str(folder / "bin"),
        "HOME": str(folder / "work"),
        "HOSTNAME": hostname,
        "LANG": "C.UTF-8",
        **{k: v for k, v in env.items() if k != "PATH"},
    }
    name = Path(argv[0]).name
    if _PYTHON.fullmatch(name):
        command = [*_python(network, hostname, "PYTHONUNBUFFERED" in env), *argv[1:]]
    elif name in _SHELLS:
        command = ["/bin/sh", *argv[1:]]
    else:
        command = [shutil.which(name) or f"/bin/{name}", *argv[1:]]
    command = [*_bounds(folder, network), *command]
    return subprocess.Popen(command, cwd=folder / "work", env=environment, start_new_session=True, **streams)  # type: ignore[call-overload,no-any-return]


class Container:
    """A started process. exit_code is None while it runs; 137 after a kill, as the kubelet says."""

    def __init__(self, argv: list[str], env: dict[str, str], hostname: str, network: PodNetwork | None) -> None:
        """Raises CannotRun."""
        if not argv or not can_run(argv[0]):
            raise CannotRun(f'exec: "{argv[0] if argv else ""}": executable file not found in $PATH')
        self.exit_code: int | None = None
        self.started = time.monotonic()
        self._log = bytearray()
        self._lock = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="cloudlink-pod-"))
        prepare_folder(self._folder, network, hostname)
        self._process = start_process(
            self._folder,
            argv,
            env,
            hostname,
            network,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._limit = threading.Timer(_WALL_SECONDS, self.kill)
        self._limit.daemon = True
        self._limit.start()
        threading.Thread(target=self._read, name=f"pod {hostname}", daemon=True).start()

    @property
    def folder(self) -> Path:
        return self._folder

    def _read(self) -> None:
        assert self._process.stdout is not None
        while chunk := self._process.stdout.read1(65536):  # type: ignore[attr-defined]
            with self._lock:
                self._log += chunk[: max(0, _LOG_LIMIT - len(self._log))]
        code = self._process.wait()
        self._limit.cancel()
        shutil.rmtree(self._folder, ignore_errors=True)
        self.exit_code = code if code >= 0 else 128 - code

    @property
    def log(self) -> bytes:
        with self._lock:
            return bytes(self._log)

    def kill(self) -> None:
        """The process and whatever it started."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                # the process leads its own group, so nothing else is hit
                os.killpg(self._process.pid, signal.SIGKILL)


def _bounds(folder: Path, network: PodNetwork | None) -> list[str]:
    """What the program is started by, so that it sees nothing of the user's; nothing where the kernel cannot do that."""
    if isolation.abi() == 0:
        return []
    settings = {
        "writable": [str(folder), "/dev/null"],
        "readable": [sys.base_prefix, str(_LAUNCHER), *_SYSTEM],
        "ports": [] if network is None else [network.port],
    }
    return [_INTERPRETER, "-I", "-S", isolation.__file__, json.dumps(settings)]


def _python(network: PodNetwork | None, hostname: str, unbuffered: bool) -> list[str]:
    settings = {"hostname": hostname}
    if network is not None:
        settings |= {
            "port": network.port,  # type: ignore[dict-item]
            "token": network.token,
            "resolv_conf": network.resolv_conf,
            "speed": network.speed,  # type: ignore[dict-item]
            "busy": network.busy,  # type: ignore[dict-item]
        }
    return [_INTERPRETER, "-I", "-S", *(["-u"] if unbuffered else []), str(_LAUNCHER), json.dumps(settings)]
