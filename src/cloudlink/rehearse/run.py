"""Runs a rehearsal: its own namespaces around it, the stage through a pipe (no key reaches a file or an argument), and
what it tells, line by line."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from cloudlink.errors import CloudlinkError
from cloudlink.rehearse.programs import Programs, isolated
from cloudlink.rehearse.stage import Stage
from cloudlink.secret import Secret

LONGEST = 180.0  # seconds, after which a rehearsal hangs
# The daemons look for their plugins in /usr/lib/ipsec; what is unpacked elsewhere is laid over it, for them alone.
_PREPARE = """set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/netns
if [ -n "$REHEARSAL_LIBRARIES" ]; then
  mount -t overlay overlay -o lowerdir="$REHEARSAL_LIBRARIES":/usr/lib /usr/lib
  export LD_LIBRARY_PATH=/usr/lib/ipsec
fi
exec "$@"
"""


@dataclass(frozen=True)
class Options:
    quick: bool = False
    failover: bool = False
    pcap: bool = False


def run(stage: Stage, programs: Programs, options: Options) -> Generator[dict[str, Any], None, None]:
    """What is told, in order. Raises CloudlinkError for a rehearsal that could not be carried out; nothing is left of it
    in either case."""
    environment = os.environ | {"REHEARSAL_LIBRARIES": programs.libraries, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment["PATH"] = os.pathsep.join((environment.get("PATH", ""), "/usr/sbin", "/sbin"))
    process = subprocess.Popen(
        [*isolated(), "sh", "-c", _PREPARE, "sh", sys.executable, "-m", "cloudlink.rehearse.lab"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,  # Ctrl-C is ours: it ends the rehearsal by ending this process
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    ended = False
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(told(stage, programs, options))
            process.stdin.close()
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "failed":
                raise _failed(str(event["why"]))
            yield event
            ended = event["event"] == "end"
            if ended:
                break
        if not ended:
            process.kill()
            raise _failed(process.stderr.read().strip()[-400:] or "its first process ended")
    finally:
        process.kill()  # and with it everything inside
        process.wait()
        for stream in (process.stdout, process.stderr):
            stream.close()


def told(stage: Stage, programs: Programs, options: Options) -> str:
    """What the rehearsal's first process is given, with the keys in clear: for the pipe alone."""

    return json.dumps({"stage": _plain(stage), "programs": programs.paths, "options": _plain(options)})


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple | list) else value


def _failed(why: str) -> CloudlinkError:
    return CloudlinkError(
        "The rehearsal could not be carried out",
        f"{why.rstrip('.')}. Nothing is left of it, and nothing in the clouds was touched.",
        "Run it again; if it happens again, report it with this message.",
    )
