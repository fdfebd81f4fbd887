"""Sits in front of the sandbox's clouds: counts the calls of a run, and shows each to those who watch."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloudlink_sandbox.process import Sandbox

if TYPE_CHECKING:
    from reliability.call_interceptor import CallInterceptor

CLOUDS = ("aws", "azure", "aks", "eks", "blob")
App = Callable[..., Iterable[bytes]]
Reply = tuple[int, dict[str, str], bytes]
Instead = Callable[[str, dict[str, Any], bytes], Reply | None]
"""(cloud, environ, body) -> status, headers and body of the answer; None: the cloud answers."""


@dataclass
class Gate:
    """pid: who is counted for; 0: nobody. watch: is shown every call, and lets it through or not."""

    pid: int = 0
    calls: list[str] = field(default_factory=list)
    instead: Instead | None = None
    watch: CallInterceptor | None = None
    _inside: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stand_before(self, sandbox: Sandbox) -> None:
        for name in CLOUDS:
            listener = sandbox._listeners[name]
            listener.app = self._guarded(name, listener.app)

    def arm(self, pid: int, watch: CallInterceptor | None = None) -> None:
        with self._lock:
            self.pid, self.watch, self.calls = pid, watch, []

    def disarm(self) -> None:
        with self._lock:
            self.pid, self.watch = 0, None

    def drain(self) -> None:
        """Come back when every call that has arrived has had its effect: the clouds go on when the caller is dead."""
        until = time.monotonic() + 10
        while self._inside and time.monotonic() < until:
            time.sleep(0.001)

    def _guarded(self, name: str, app: App) -> App:
        def guarded(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            with self._lock:
                if not self.pid:
                    return app(environ, start_response)
                self.calls.append(f"{name} {environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
                number, watch = len(self.calls), self.watch
                self._inside += 1
            try:
                if (reply := self._reply(name, environ)) is not None:
                    status, headers, body = reply
                    # In chunks, without a length: the conformance tests skip streams.
                    start_response(f"{status} Instead", list(headers.items()))
                    return [body]
                if watch is not None:
                    return watch.call(number, app, environ, start_response)
                return app(environ, start_response)
            finally:
                with self._lock:
                    self._inside -= 1

        return guarded

    def _reply(self, name: str, environ: dict[str, Any]) -> Reply | None:
        if self.instead is None:
            return None
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        return self.instead(name, environ, body)
