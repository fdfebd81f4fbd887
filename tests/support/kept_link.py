"""A whole link in this process, built once, that goes back to what it was between two tests in a moment."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudlink.sandbox_world import description
from cloudlink_sandbox.process import WORLD_FILE, Sandbox
from cloudlink_sandbox.world_file import parse
from tests.support.cli import EXAMPLE, Cli, Result

SPEED = 200.0


class KeptLink(Cli):
    """Its sandbox is in this process, so that a world is put back without a start."""

    def __init__(self, folder: Path, *, text: str = "") -> None:
        super().__init__(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._text = (text or EXAMPLE.read_text()) + f"\n[sandbox]\nspeed = {SPEED:g}\n"
        self.config.write_text(self._text)
        self.running = Sandbox(self.home, speed=SPEED)
        self.running.seed(parse(description(self.link)))
        self.running.start()
        self._write_address()
        built = self.cloudlink("up", "--yes", "--no-verify")
        assert built.code == 0, built.out + built.err
        self.later(3600)
        self.running.save()
        self._world = (self.home / WORLD_FILE).read_bytes()
        self._files = {p: p.read_bytes() for p in self.home.glob("*.state.json*")}

    def _write_address(self) -> None:
        descriptor = os.open(self.home / "address.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            json.dump(self.running.address(), out)

    def back(self) -> None:
        """To the link as it was built."""
        self.config.write_text(self._text)
        for path in self.home.glob("*.state.json*"):
            path.unlink()
        for path, content in self._files.items():
            path.write_bytes(content)
            path.chmod(0o600)
        (self.home / WORLD_FILE).write_bytes(self._world)
        assert self.running.load()
        self.running.context.faults.clear()
        self.running.context.journal.clear()

    def later(self, seconds: float) -> None:
        self.running.context.clock.advance(seconds)

    def screen(self, *arguments: str, columns: int = 80) -> Result:
        """What the command writes on a terminal of that width."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", str(columns))
            return self.cloudlink(*arguments)

    def stop(self) -> None:
        self.running.stop()
        for cluster in self.running.aks.clusters.values():
            cluster.pods.kill_all()


@contextlib.contextmanager
def kept_link(folder: Path, *, text: str = "") -> Iterator[KeptLink]:
    made = KeptLink(folder, text=text)
    try:
        yield made
    finally:
        made.stop()
