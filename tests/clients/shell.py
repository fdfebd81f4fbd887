"""A shell that is turned to the sandbox, as a user's: bash with ``eval "$(cloudlink sandbox env)"`` in it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudlink_sandbox import transcript
from tests.clients import install

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "clients.md"
_MARK = "<<the block has ended>>"
_LONGEST = 240.0  # wall seconds for one block


@dataclass(frozen=True)
class Said:
    """What a program said. out: stdout; err: stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[str]:
        return self.out.split()


class Clients:
    """The programs, each run by itself. folder: holds config.toml. environment: with the sandbox's exports."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment

    def run(self, *words: str, stdin: str = "", seconds: float = 120, **environment: str) -> Said:
        """One command; its exit code is the caller's business. Skips the test where the program is not here."""
        install.need(words[0])
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment | environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str, **options: Any) -> Said:
        said = self.run(*words, **options)
        assert said.code == 0, f"{' '.join(words)}\n{said.out}\n{said.err}"
        return said

    def az(self, line: str, *more: str) -> Any:
        """JSON of one az command. line is split at blanks; more is taken as it is."""
        return _value(self.ok("az", *line.split(), *more, "--output", "json").out)

    def aws(self, line: str, *more: str) -> Any:
        return _value(self.ok("aws", *line.split(), *more, "--output", "json").out)

    def refused(self, line: str, *more: str) -> str:
        """What a command says that must fail."""
        said = self.run(*line.split(), *more)
        assert said.code != 0, f"{line} was accepted:\n{said.out}"
        return said.err

    def kubectl(self, context: str, line: str, *more: str, **options: Any) -> Said:
        return self.ok("kubectl", "--context", context, *line.split(), *more, **options)

    def together(self, *calls: Any) -> list[Any]:
        """Calls that do not depend on each other; a client spends most of its time starting."""
        with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            return [f.result() for f in [pool.submit(c) for c in calls]]

    def cloudlink(self, *words: str) -> Said:
        return self.ok("cloudlink", *words)

    def advance(self, span: str) -> None:
        self.cloudlink("sandbox", "clock", "--advance", span)

    @contextlib.contextmanager
    def slowly(self) -> Iterator[None]:
        """With the clock at the usual speed: for what a client's own second would be ten minutes too late."""
        self.cloudlink("sandbox", "clock", "--speed", "1")
        try:
            yield
        finally:
            self.cloudlink("sandbox", "clock", "--speed", "600")

    def tunnels(self) -> dict[str, dict[str, Any]]:
        """What the sandbox itself says, by inside network."""
        seen = self.cloudlink("sandbox", "status", "--json").json
        return {t["inside"]: t for t in seen["tunnels"]}


class Bash:
    """One bash for the blocks of the page, one after another: what a block sets is there for the next."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.run("set -euo pipefail")

    def run(self, block: str) -> str:
        """Its output. AssertionError when a command in it fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        script = self.folder / "block.sh"
        script.write_text(block)
        guard = threading.Timer(_LONGEST, self.close)
        guard.start()
        said = ""
        try:
            self._process.stdin.write(f". {script} </dev/null; printf '\\n%s\\n' '{_MARK}'\n")
            self._process.stdin.flush()
            for line in self._process.stdout:
                if line.rstrip("\n") == _MARK:
                    return said
                said += line
        finally:
            guard.cancel()
        raise AssertionError(f"a command failed in:\n{block}\nwhich said:\n{said}")

    def variables(self) -> dict[str, str]:
        """What a program started now would be given."""
        text = self.run("env -0").strip("\n")
        return dict(part.partition("=")[::2] for part in text.split("\0") if part)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # its own session: nothing else is in that group
        self._process.wait()


def blocks(heading: str) -> list[str]:
    """The commands under a heading of docs/clients.md."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    section = next(s for s in sections if s.startswith(heading + "\n"))
    return re.findall(r"^```sh\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)


def first_environment(programs: Path, folder: Path) -> dict[str, str]:
    """For a shell before it is turned to the sandbox: the clients first on the PATH, nothing of the user's, and no way
    out: whatever a client asks of another machine goes to a proxy that is not there."""
    bin_ = folder / "bin"
    bin_.mkdir(exist_ok=True)
    script = bin_ / "cloudlink"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from cloudlink.cli import main; main()" "$@"\n')
    script.chmod(0o755)
    nowhere = "http://127.0.0.1:9"
    return {
        "PATH": f"{bin_}:{programs}:{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT / "src"),
        "HTTPS_PROXY": nowhere,
        "HTTP_PROXY": nowhere,
        "https_proxy": nowhere,
        "http_proxy": nowhere,
        # what the clients ask, and are told, is checked as in every other test
        transcript.VARIABLE: os.environ[transcript.VARIABLE],
    }


def _value(text: str) -> Any:
    return json.loads(text) if text.strip() else None
