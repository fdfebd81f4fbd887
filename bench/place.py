"""A temporary folder with its own configuration and its own sandbox, both gone at the end."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import Ran, run

ROOT = Path(__file__).resolve().parent.parent
CLOUDLINK = [str(Path(sys.executable).parent / "cloudlink")]
LINK = "demo"  # the name in config.example.toml


@dataclass(frozen=True)
class Place:
    folder: Path

    def cloudlink(self, *arguments: str) -> Ran:
        return run([*CLOUDLINK, *arguments], folder=self.folder)

    @property
    def address(self) -> dict[str, Any]:
        file = self.folder / ".cloudlink" / "sandbox" / LINK / "address.json"
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found

    def control(self, path: str) -> Any:
        """Asks the sandbox's own interface, which the sandbox does not count as a call to a cloud."""
        address = self.address
        request = urllib.request.Request(
            f"{address['control']}/{path}", headers={"Authorization": f"Bearer {address['token']}"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)

    def clock(self) -> float:
        """What time it is in the clouds, in seconds."""
        return float(self.control("status")["now"])

    def calls(self) -> int:
        """How many the clouds have been asked so far."""
        return sum(self.control("status")["by_cloud"].values())

    def start(self, speed: float) -> Ran:
        return must(self.cloudlink("sandbox", "start", "--speed", f"{speed:g}"))

    def reset(self) -> None:
        """The sandbox, its clouds and the state file are gone."""
        self.cloudlink("sandbox", "reset")


@contextlib.contextmanager
def place(config: Path = ROOT / "config.example.toml") -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="cloudlink-bench-"))
    made = Place(folder)
    try:
        shutil.copy(config, folder / "config.toml")
        yield made
    finally:
        made.reset()
        shutil.rmtree(folder, ignore_errors=True)


def must(ran: Ran) -> Ran:
    """Raises SystemExit when the command did not do what it was run for: its time would mean nothing."""
    if ran.code != 0:
        raise SystemExit(f"A measured command ended with code {ran.code}:\n{ran.out[-2000:]}\n{ran.err[-2000:]}")
    return ran
