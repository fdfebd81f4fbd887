"""A process that has imported everything once and forks a child for each command: a command then costs its own work
only. It has no threads of its own, so that a fork of it is sound. Speaks JSON lines on its standard input and output.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cloudlink

ROOT = Path(__file__).parents[1]
SOURCE = Path(cloudlink.__file__).parents[1]  # what is tried: this checkout's, or a copy in which something is broken
KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class Order:
    """One command line. reports_to: a socket that is told of every moment of every save; see ``save_hooks.py``.
    looks_every: the longest pause between two looks at something that is waited for, in sandbox seconds.
    debug: SDK loggers at DEBUG into this file, as a user's own configuration of logging would do.
    """

    folder: str
    arguments: tuple[str, ...]
    out: str
    err: str
    reports_to: str = ""
    fails: tuple[int, str] | None = None  # (number of the save, one of FAILURES): from that save on
    unread: str = ""  # every file beside the state file that is read nevertheless is noted here
    looks_every: float = 4.0
    debug: str = ""
    cloudlink_fails: str = ""  # an exception raised in this place, with everything still in memory
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """code: the exit code; negative for the signal that ended it."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def killed(self) -> bool:
        return self.code == KILLED

    def __str__(self) -> str:
        return f"exit {self.code}\n{self.out[-3000:]}\n{self.err[-3000:]}"


class ForkServer:
    """The parent's side. Not for several threads at once: take one for each."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reliability.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, (str(SOURCE), str(ROOT), os.environ.get("PYTHONPATH")))),
                "CI": "1",
                "NO_COLOR": "1",
            },
        )
        self._began = 0.0
        self._order: Order | None = None
        self.pid = 0

    def begin(self, order: Order) -> int:
        """Start a command; the process id of the child."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._order = order
        self._began = time.monotonic()
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        self.pid = int(json.loads(self._process.stdout.readline())["pid"])
        return self.pid

    def go(self) -> None:
        """Let the child that ``begin`` started run: its pid is known to the one that is to kill it."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self, within: float = 600.0) -> Ended:
        assert self._process.stdout is not None
        assert self._order is not None
        timer = threading.Timer(within, _kill, (self.pid,))
        timer.start()
        status = int(json.loads(self._process.stdout.readline())["status"])
        timer.cancel()
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return Ended(
            code,
            _text(self._order.out),
            _text(self._order.err),
            time.monotonic() - self._began,
        )

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


def _text(path: str) -> str:
    """Nothing for a terminal or a pipe: somebody else has read that."""
    return Path(path).read_text(errors="replace") if Path(path).is_file() else ""


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _import_everything() -> None:
    import gc

    import azure.core.pipeline.policies
    import azure.identity
    import azure.mgmt.containerservice
    import azure.mgmt.network
    import azure.mgmt.resource
    import boto3
    import kubernetes
    import yaml

    import cloudlink.checks.preflight.run
    import cloudlink.checks.preflight.topics
    import cloudlink.cli.commands
    import cloudlink.clouds.aws.client
    import cloudlink.clouds.azure.client
    import cloudlink.clouds.kube.access
    import cloudlink.clouds.kube.client
    import cloudlink.core.engine
    import cloudlink.inspection.inspection
    import cloudlink.sandbox_client
    import cloudlink.sweep
    import cloudlink.topology
    import cloudlink.view.plain
    import cloudlink_sandbox.client
    from cloudlink.clouds.aws.models import PlainModels
    from reliability.sdk_once import made_once

    _read_once()
    made_once().__enter__()  # until this process ends
    session = boto3.Session(region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    loader = session._session.get_component("data_loader")
    loader.file_loader = PlainModels()
    for service in ("ec2", "eks", "elbv2", "route53", "route53resolver", "sts", "resourcegroupstaggingapi"):
        session.client(service)
    for kind in ("paginators-1", "waiters-2"):
        loader.list_available_services(kind)
    del azure, kubernetes, yaml, cloudlink, cloudlink_sandbox
    gc.collect()
    gc.freeze()


def _read_once() -> None:
    """Every client of every child has the services' descriptions of this process; they are never changed."""
    from functools import cache

    from botocore.loaders import Loader

    from cloudlink.clouds.aws.models import PlainModels

    file, loader = PlainModels(), Loader(include_default_search_paths=True)
    read, services = cache(PlainModels.load_file), cache(Loader.list_available_services)
    PlainModels.load_file = lambda _, path: read(file, path)
    Loader.list_available_services = lambda _, type_name: services(loader, type_name)


def _child(order: dict[str, Any]) -> int:
    from reliability import save_hooks

    os.chdir(order["folder"])
    os.environ.update(order["env"])
    for path, number in ((order["out"], 1), (order["err"], 2)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    sys.argv = ["cloudlink", *order["arguments"]]
    save_hooks.prepare(order)
    from cloudlink.cli import main

    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    _import_everything()
    orders = os.fdopen(os.dup(0), "r")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    for line in orders:
        if not line.strip():
            continue
        ready, start = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(start)
            os.read(ready, 1)
            os.close(ready)
            orders.close()
            answers.close()
            code = 1
            try:
                code = _child(json.loads(line))
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        os.close(ready)
        answers.write(json.dumps({"pid": pid}) + "\n")
        answers.flush()
        orders.readline()  # go
        os.close(start)
        _, status = os.waitpid(pid, 0)
        answers.write(json.dumps({"status": status}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
