"""Runs a command and measures it: wall time, processor time, the most memory it held."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

# pip compiles what it installs. A folder that is worked in compiles at the first run, unless the environment forbids it:
# then every command would be measured with half a second of compiling that no user has.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Ran:
    """wall and cpu (user and system, of the command and what it waited for) in seconds; peak: resident, in MB."""

    wall: float
    cpu: float
    peak: float
    code: int
    out: str
    err: str


def run(command: list[str], *, folder: Path) -> Ran:
    """Runs to the end, in a folder. Linux says ``ru_maxrss`` in kilobytes.

    A child's peak is at least its parent's size when it was started, so whoever calls this should be small.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=_ENVIRONMENT
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Ran(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, process.returncode, *texts)


def cpu_seconds(pid: int) -> float:
    """Processor time of a running process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_megabytes(pid: int) -> float:
    """The most memory that a running process has held."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} says nothing about its memory")
