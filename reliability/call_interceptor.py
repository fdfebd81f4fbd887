"""Intercepts every point at which a process can be killed: before and after each call, at each moment of each save."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import signal
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reliability.crash_state import CrashState
from reliability.save_hooks import SAVE_MOMENTS

if TYPE_CHECKING:
    from reliability.gate import App
    from reliability.harness import Harness

# A real cloud is slow beside the process: a recorded write has its effect only when the process has saved and sent
# whatever else it could meanwhile: nothing for so many seconds, or the second number of them at most.
QUIET, AT_MOST = 0.12, 1.5


@dataclass(frozen=True)
class CrashPoint:
    """call: number of the call, from 1, or save: number of the save. moment: before, after, or one of MOMENTS."""

    call: int
    save: int
    moment: str

    def __str__(self) -> str:
        return f"{f'call {self.call}' if self.call else f'save {self.save}'}/{self.moment}"


class CallInterceptor(ABC):
    """Of one run. reports_to: where the process reports the moments of its saves."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.pid = 0
        self.reports_to = str(harness.folder / "moments")
        Path(self.reports_to).unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(self.reports_to)
        self._server.listen(1)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._wrong: BaseException | None = None

    def begin(self, pid: int) -> None:
        """Called before the process runs."""
        self.pid = pid
        self._listener.start()

    def close(self) -> None:
        """Called when the process has ended; what it reported last has been dealt with then."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._listener.join()
        if self._wrong is not None:
            raise self._wrong

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            process, _ = self._server.accept()
            with process, process.makefile("r") as reports:
                for line in reports:
                    number, _, moment = line.rstrip("\n").partition(" ")
                    try:
                        self.moment(CrashPoint(0, int(number), moment))
                    except Exception as error:
                        self._wrong = error
                    process.sendall(b"\n")

    @abstractmethod
    def moment(self, place: CrashPoint) -> None:
        """A moment of a save; the process waits until this comes back."""

    @abstractmethod
    def call(self, number: int, app: App, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """A call; the answer."""

    # --- the process and the time -------------------------------------------------------------------------

    def stop(self) -> None:
        """No thread of the process runs, and in the clouds no time passes, until ``go_on``."""
        clock = self.harness.sandbox.context.clock
        clock.set_speed(0)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGSTOP)
        wait_until(lambda: _states(self.pid) <= set("TtZX"), f"process {self.pid} does not stop")

    def go_on(self) -> None:
        self.harness.sandbox.context.clock.set_speed(self.harness.speed)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)


class Counting(CallInterceptor):
    """Counts the saves of a run, and does nothing else."""

    saves = 0

    def moment(self, place: CrashPoint) -> None:
        self.saves = place.save

    def call(self, number: int, app: App, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        del number
        return app(environ, start_response)


class Killer(CallInterceptor):
    """SIGKILL at one point. before, left: what stood at the moment of the kill, and when the process was dead.

    Nothing but the kill lies between the two: no other call has its effect and no time passes.
    """

    def __init__(self, harness: Harness, at: CrashPoint) -> None:
        super().__init__(harness)
        self.at = at
        self.struck = ""
        self.before: CrashState | None = None
        self.left: CrashState | None = None
        self._one = threading.Lock()

    def moment(self, place: CrashPoint) -> None:
        if place == self.at:
            with self._one, self.harness.sandbox.context.lock:
                self._kill(str(place))

    def call(self, number: int, app: App, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if number != self.at.call:
            return app(environ, start_response)
        name = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        with self._one, self.harness.sandbox.context.lock:
            if self.at.moment == "before":
                self._kill(name)
                return []  # no answer: the connection is cut
            answer = carried_out(app, environ, start_response)
            self._kill(name)
            return answer

    def _kill(self, name: str) -> None:
        self.struck = name
        try:
            self.stop()
            self.before = CrashState.take(self.harness)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            wait_until(lambda: _states(self.pid) <= set("ZX"), f"process {self.pid} does not die")
            self.left = CrashState.take(self.harness)
        finally:
            self.go_on()


@dataclass
class _Waiting:
    app: App
    environ: dict[str, Any]
    body: bytes
    arrived: bool = False

    @property
    def reads(self) -> bool:
        target = self.environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        action = target or self.body.decode("latin-1").partition("Action=")[2]
        return self.environ["REQUEST_METHOD"] == "GET" or action.startswith(("Describe", "List", "Get"))

    def in_vain(self) -> None:
        """Have its effect; nobody gets the answer."""
        list(carried_out(self.app, {**self.environ, "wsgi.input": io.BytesIO(self.body)}, lambda *_: None))


class Recorder(CallInterceptor):
    """Takes the crash state at every point; kills nobody. see: called at each with the place, and with whether writes in
    flight were carried out that were not so in the run itself.

    One call at a time has its effect, while the process is stopped. What a kill leaves of the other writes in flight
    is not certain: when a write has its effect, all combinations of the others are carried out, seen and taken back; and
    so are all of them together after each save.
    """

    def __init__(self, harness: Harness, see: Callable[[CrashPoint, bool], None]) -> None:
        super().__init__(harness)
        self.see = see
        self._one = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._list = threading.Lock()
        self._last = 0.0

    def moment(self, place: CrashPoint) -> None:
        with self._one:
            self.stop()
            self.see(place, False)
            if place.moment == SAVE_MOMENTS[-1] and (others := self._other_writes()):
                self._carried_out_first(place, [others])
            self._perhaps_go_on()
        self._last = time.monotonic()

    def call(self, number: int, app: App, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        mine = _Waiting(app, environ, body)
        with self._list:
            self._waiting.append(mine)
        if not mine.reads:
            self._let_others_come()
        mine.arrived = True
        with self._one:
            self.stop()
            with self._list:
                self._waiting.remove(mine)
            self.see(CrashPoint(number, 0, "before"), False)
            if not mine.reads and (others := self._other_writes()):
                some = (c for many in range(1, len(others) + 1) for c in itertools.combinations(others, many))
                self._carried_out_first(CrashPoint(number, 0, "before"), some)
            answer = carried_out(app, environ, start_response)
            self.see(CrashPoint(number, 0, "after"), False)
            self._perhaps_go_on()
        return answer

    def _let_others_come(self) -> None:
        self._last = arrived = time.monotonic()
        while time.monotonic() < min(self._last + QUIET, arrived + AT_MOST):
            time.sleep(QUIET / 10)

    def _other_writes(self) -> list[_Waiting]:
        with self._list:
            return [w for w in self._waiting if not w.reads]

    def _carried_out_first(self, place: CrashPoint, combinations: Iterable[Sequence[_Waiting]]) -> None:
        now = CrashState.take(self.harness)
        for some in combinations:
            for one in some:
                one.in_vain()
            self.see(place, True)
            now.put_back_clouds(self.harness)

    def _perhaps_go_on(self) -> None:
        with self._list:
            if not any(w.arrived for w in self._waiting):
                self.go_on()


class CallRecorder(Recorder):
    """At calls alone, and as they come: the moments of a save and writes in flight are left to another recording."""

    def moment(self, place: CrashPoint) -> None:
        del place

    def _let_others_come(self) -> None:
        pass

    def _other_writes(self) -> list[_Waiting]:
        return []


def carried_out(app: App, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """The call has had its effect when this comes back; the answer may still be under way."""
    chunks = iter(app(environ, start_response))
    return itertools.chain([next(chunks, b"")], chunks)


def _states(pid: int) -> set[str]:
    """Of all threads; Z when the process is dead."""
    found = set()
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError, IndexError):
                found.add((task / "stat").read_text().rpartition(")")[2].split()[0])
    except OSError:
        return {"Z"}
    return found


def wait_until(done: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + 10
    while not done():
        if time.monotonic() > until:
            raise RuntimeError(otherwise)
        time.sleep(0.0005)
