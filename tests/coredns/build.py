"""CoreDNS of a given version, built once from the Go module proxy into a cache outside the repository."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

MODULE = "github.com/coredns/coredns"
_LONGEST_BUILD = 1500.0
# CoreDNS 1.9.4 has a golang.org/x/net that reaches into the standard library, which Go's linker refuses since 1.23.
_LINKING = "-s -w -checklinkname=0"
# What `go` says when it cannot reach the proxy, in contrast to a source that does not compile.
_UNREACHABLE = ("dial tcp", "no such host", "i/o timeout", "proxyconnect", "connection refused", "Forbidden", "tls:")


class CannotBuild(Exception):
    """There is no such CoreDNS here; the text says why in one line. outside: not for a fault of the source."""

    def __init__(self, reason: str, *, outside: bool) -> None:
        super().__init__(reason)
        self.outside = outside


def cached(version: str) -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "cloudlink" / "coredns" / version / "coredns"


def built(version: str) -> Path:
    """The program; raises CannotBuild. A cold build takes minutes: processes that want one wait for each other."""
    program = cached(version)
    if program.exists():
        return program
    if shutil.which("go") is None:
        raise CannotBuild("Go is missing, which builds the real CoreDNS (CI has it)", outside=True)
    program.parent.mkdir(parents=True, exist_ok=True)
    with (program.parent.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():  # another process may have built it meanwhile
            _build(version, program)
    return program


def _build(version: str, program: Path) -> None:
    room = program.parent / "building"
    room.mkdir(exist_ok=True)
    _say(f"building CoreDNS {version} (minutes, once)")
    begun = time.monotonic()
    environment = os.environ | {
        "GOBIN": str(room),
        "GOFLAGS": "-mod=mod",
        "GOTOOLCHAIN": "local",  # no other Go is fetched for it
        "CGO_ENABLED": "0",
    }
    environment.pop("GOOS", None)
    environment.pop("GOARCH", None)
    try:
        done = subprocess.run(
            ["go", "install", f"-ldflags={_LINKING}", f"{MODULE}@v{version}"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_LONGEST_BUILD,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CannotBuild(f"building CoreDNS {version} took more than {_LONGEST_BUILD:.0f} s", outside=True) from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if not line.startswith("go: downloading")]
        why = " ".join(lines[-3:])[-400:]
        raise CannotBuild(
            f"CoreDNS {version} was not built: {why}", outside=any(word in done.stderr for word in _UNREACHABLE)
        )
    (room / "coredns").replace(program)
    shutil.rmtree(room, ignore_errors=True)
    _say(f"CoreDNS {version} was built in {time.monotonic() - begun:.0f} s")


def _say(line: str) -> None:
    """Past pytest's capture, which would keep it until the end."""
    print(f"\n{line}", file=sys.__stderr__, flush=True)
