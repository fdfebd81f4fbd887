"""A folder, a configuration, a sandbox in this process, and commands run in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cloudlink.config import load
from cloudlink.link import Link
from cloudlink.sandbox_world import description
from cloudlink_sandbox.durations import MEDIANS, Durations
from cloudlink_sandbox.journal import Call
from cloudlink_sandbox.process import WORLD_FILE, Sandbox
from cloudlink_sandbox.world_file import parse
from reliability.call_interceptor import CallInterceptor, CrashPoint, Killer
from reliability.fork_server import Ended, ForkServer, Order
from reliability.gate import Gate

EXAMPLE = Path(__file__).parents[1] / "config.example.toml"
SPEED = 200.0
SHORT = 2.0  # sandbox seconds that anything takes
TAKES_LONGER = {
    "aws.retention": 3600.0,
    "aws.lag.lists": 0.0,
    "world.ike": 1.0,
    "world.bgp": 1.0,
    "kube.pod.start": 1.0,
}


class Harness:
    """One at a time in a process. worlds: saved by ``keep``, taken up by ``back_to``. takes: sandbox seconds of what is
    to take longer than anything else."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        text: str = "",
        more: str = "",
        speed: float = SPEED,
        takes: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.speed = speed
        self.folder = folder or Path(tempfile.mkdtemp(prefix="reliability-"))
        self._ours = folder is None
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = self.folder / "config.toml"
        self.text = (text or EXAMPLE.read_text()) + f"\n[sandbox]\nspeed = {speed:g}\n{more}"
        self.config.write_text(self.text)
        self.home = self.folder / ".cloudlink" / "sandbox" / self.link.name
        self.fork_server = ForkServer()  # before there are threads
        durations = Durations(overrides={kind: {**TAKES_LONGER, **takes}.get(kind, SHORT) for kind in MEDIANS})
        self.sandbox = Sandbox(self.home, speed=speed, durations=durations)
        self.seed()
        self.gate = Gate()
        self.gate.stand_before(self.sandbox)
        self.sandbox.start()
        self._write_address()
        self._runs = 0
        self._worlds = self.folder / "worlds"
        self._worlds.mkdir(exist_ok=True)

    # --- life -------------------------------------------------------------------------------------------

    def __enter__(self) -> Harness:
        return self

    def __exit__(self, *_: Any) -> None:
        self.fork_server.stop()
        self.sandbox.stop()
        for cluster in self.sandbox.aks.clusters.values():
            cluster.pods.kill_all()
        if self._ours:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _write_address(self) -> None:
        path = self.home / "address.json"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            json.dump(self.sandbox.address(), out)

    def seed(self) -> None:
        """What the configuration says exists is there from now on."""
        link = self.link
        self.sandbox.seed(parse(description(link)))
        with self.sandbox.context.lock:
            for cluster in link.azure.clusters:
                self.sandbox.aks.by_name(cluster.name)  # has its content from now on

    @property
    def link(self) -> Link:
        return load(self.config, sandbox=True)

    @property
    def state(self) -> Path:
        return self.home / f"{self.link.name}.state.json"

    @property
    def previous(self) -> Path:
        return self.state.with_name(self.state.name + ".previous")

    # --- worlds -----------------------------------------------------------------------------------------

    def keep(self, name: str) -> None:
        """The clouds, the state file and the configuration, under a name."""
        place = self._worlds / name
        place.mkdir(exist_ok=True)
        shutil.copy(self.sandbox.save(), place / WORLD_FILE)
        shutil.copy(self.config, place / "config.toml")
        for path in (self.state, self.previous):
            if path.exists():
                shutil.copy(path, place / path.name)

    def back_to(self, name: str) -> None:
        place = self._worlds / name
        shutil.copy(place / "config.toml", self.config)
        kept = {path.name: path.read_bytes() for path in place.glob("*.state.json*")}
        self.take_up((place / WORLD_FILE).read_bytes(), kept)

    def take_up(self, clouds: bytes, folder: dict[str, bytes]) -> None:
        """Make the clouds what they were when ``Sandbox.save`` wrote this, and the state folder what is given."""
        for path in self.home.iterdir():
            if ".state.json" in path.name:
                path.unlink()
        for name, content in folder.items():
            (self.home / name).write_bytes(content)
            (self.home / name).chmod(0o600)
        self.take_up_clouds(clouds)
        self.sandbox.context.faults.clear()
        self.sandbox.context.journal.clear()

    def take_up_clouds(self, clouds: bytes) -> None:
        (self.home / WORLD_FILE).write_bytes(clouds)
        assert self.sandbox.load(), "the world cannot be taken up"

    # --- commands ---------------------------------------------------------------------------------------

    def order(self, *arguments: str, fork_server: ForkServer | None = None, **options: Any) -> Order:
        self._runs += 1
        out, err = (
            str(self.folder / f"{name}-{(fork_server or self.fork_server)._process.pid}") for name in ("out", "err")
        )
        return Order(str(self.folder), (*arguments, "--sandbox"), out, err, **options)

    def run(
        self, *arguments: str, kill: CrashPoint | None = None, watch: CallInterceptor | None = None, **options: Any
    ) -> Ended:
        """One command to its end, its calls counted by the gate. kill: where to. watch: sees every point on the way."""
        if kill is not None:
            killer = Killer(self, kill)
            try:
                return self.run(*arguments, watch=killer, **options)
            finally:
                killer.close()
        reports = watch.reports_to if watch is not None else ""
        pid = self.fork_server.begin(self.order(*arguments, reports_to=reports, **options))
        self.gate.arm(pid, watch)
        if watch is not None:
            watch.begin(pid)
        self.fork_server.go()
        ended = self.fork_server.end()
        self.gate.drain()
        self.gate.disarm()
        return ended

    def settle(self) -> None:
        """Let everything that was begun end: what a killed run left in flight goes on by itself."""
        self.sandbox.context.clock.advance(60.0)
        self.sandbox.azure.advance()

    def written(self) -> list[str]:
        """The writes to the clouds so far; a state that lies in an object store is none of them, as a file is none."""
        calls = self.sandbox.context.journal.calls()
        return [f"{c.operation} {c.target}" for c in calls if c.writes and not _is_of_a_store(c)]

    def writes(self) -> int:
        return len(self.written())

    def journal(self) -> list[dict[str, Any]]:
        return list(self.sandbox.context.journal.json()["calls"])

    def writing_calls(self, *operations: str) -> list[int]:
        """Numbers of the last run's calls that wrote, where a kill can be put. operations: parts of names; none: of all."""
        return [
            number
            for number, call in enumerate(self.journal(), 1)
            if call["writes"] and (not operations or any(name in call["operation"] for name in operations))
        ]


def _is_of_a_store(call: Call) -> bool:
    return call.cloud == "blob" or call.operation in ("PutObject", "DeleteObject")


def timed(what: str, began: float) -> str:
    return f"{what} {time.monotonic() - began:.2f} s"
