"""Stands in front of the sandbox's clouds: counts the calls of a run, and kills its process at one of them."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloudlink.sandbox.process import Sandbox

CLOUDS = ("aws", "azure", "aks", "eks")
App = Callable[..., Iterable[bytes]]
Reply = tuple[int, dict[str, str], bytes]
Instead = Callable[[str, dict[str, Any], bytes], Reply | None]
"""(cloud, environ, body) -> status, headers and body of the answer; None: the cloud answers."""


@dataclass
class Gate:
    """pid: who is counted for; 0: nobody. at: number of the call at which to kill, from 1; 0: never.

    before: the process dies when the call has arrived and has had no effect; otherwise it dies when the call has had
    its effect and the answer has not left.
    """

    pid: int = 0
    at: int = 0
    before: bool = True
    calls: list[str] = field(default_factory=list)
    struck: str = ""
    instead: Instead | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stand_before(self, sandbox: Sandbox) -> None:
        for name in CLOUDS:
            listener = sandbox._listeners[name]
            listener.app = self._guarded(name, listener.app)

    def arm(self, pid: int, at: int = 0, *, before: bool = True) -> None:
        with self._lock:
            self.pid, self.at, self.before = pid, at, before
            self.calls, self.struck = [], ""

    def disarm(self) -> None:
        with self._lock:
            self.pid = 0

    def _guarded(self, name: str, app: App) -> App:
        def guarded(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            with self._lock:
                if not self.pid:
                    return app(environ, start_response)
                self.calls.append(f"{name} {environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
                now = len(self.calls) == self.at
                if now:
                    self.struck = self.calls[-1]
                    if self.before:
                        kill(self.pid)
            if now and self.before:
                return []  # no answer: the connection is cut
            if (reply := self._reply(name, environ)) is not None:
                status, headers, body = reply
                # In chunks, without a length: whoever judges what the sandbox answers looks away from streams.
                start_response(f"{status} Instead", list(headers.items()))
                return [body]
            answer = app(environ, start_response)
            if now:
                return self._after(answer)
            return answer

        return guarded

    def _reply(self, name: str, environ: dict[str, Any]) -> Reply | None:
        if self.instead is None:
            return None
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        return self.instead(name, environ, body)

    def _after(self, answer: Iterable[bytes]) -> Iterator[bytes]:
        chunks = iter(answer)
        first = next(chunks, b"")
        kill(self.pid)
        yield first


def kill(pid: int) -> None:
    """SIGKILL; comes back when the process runs no more (its parent may not have collected it yet)."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X"):
                return
        except (OSError, IndexError):
            return
        time.sleep(0.001)
    raise RuntimeError(f"process {pid} does not die")
