"""Long outages, in the middle of the gateway's long wait and anywhere else: the network gone for minutes, the machine
asleep for hours, the terminal closed, Ctrl-C once and twice, SIGTERM, a reader of our output that has gone.

The clouds go on meanwhile. The next run comes while they are still at it: it must take up what is under way and begin
nothing twice. That is seen by counting what the clouds were asked to make and to delete, in both runs together, against
a run that nobody disturbed.
"""

from __future__ import annotations

import contextlib
import os
import pty
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cloudlink_sandbox.faults import Fault
from cloudlink_sandbox.listener import Listener
from reliability.fork_server import Ended, Order
from reliability.gate import CLOUDS
from reliability.harness import Harness
from reliability.kill import TrialRunner
from reliability.results import Point, Results
from reliability.scenarios import SCENARIOS, Scenario
from reliability.snapshot import difference

SLOW = {"azure.vng.create": 5000.0, "azure.vng.delete": 5000.0}  # sandbox seconds; see Hurry
LOOKS_EVERY = 25.0
MINUTES_AWAY = (2, 5)
HOURS_ASLEEP = 3.0
QUIET = 0.3  # wall seconds without a write: everything but the gateway is done
LOOKS = 12  # calls of the next run after which it has seen what is under way
RANDOM_MOMENTS = 4  # for each disturbance and scenario, besides the long wait itself
SCENARIO_NAMES = ("fresh", "teardown")


@dataclass(frozen=True)
class Disturbance:
    """codes: what the run may end with when it is disturbed in the long wait. says: words that must then be shown;
    at other moments nothing may be under way, and then that is said.
    anywhere: further codes for other moments, where not only a wait is hit."""

    title: str
    does: Callable[[OutageRunner, int, random.Random], None]
    codes: tuple[int, ...]
    says: str = ""
    anywhere: tuple[int, ...] = ()
    out: str = ""  # what standard output and standard error are: files, a terminal or a pipe
    goes_on: bool = False  # whether the run is to come to its end all the same


class Hurry:
    """Makes the gateway's long wait short: whenever nothing but the gateway is waited for, the clouds' clock is moved to
    its end. While ``hold`` is set the wait lasts, however slow the machine is."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.hold = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Hurry:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def remaining(self) -> float:
        """Sandbox seconds that the gateway will still take; 0 where it will be done soon, or nothing is done to it."""
        context = self.harness.sandbox.context
        with context.lock:
            now = context.clock.now()
            ends = [o.ends_at - now for o in self.harness.sandbox.azure.store.operations.values()]
        return max((e for e in ends if 60 < e < float("inf")), default=0.0)

    def _run(self) -> None:
        seen, since = -1, time.monotonic()
        while not self._over.wait(0.02):
            writes = self.harness.writes()
            if writes != seen or self.hold.is_set() or not (remaining := self.remaining()):
                seen, since = writes, time.monotonic()
            elif time.monotonic() - since > QUIET:
                self.harness.sandbox.context.clock.advance(remaining)


class OutageRunner(TrialRunner):
    def __init__(self, harness: Harness, hurry: Hurry, scenarios: tuple[str, ...]) -> None:
        self.hurry = hurry
        super().__init__(harness)
        self.made: dict[str, Counter[str]] = {}
        self.written: dict[str, int] = {}
        self.leave: Callable[[], None] = lambda: None  # closes the terminal or the pipe of the run that goes on
        for name in scenarios:
            self.measure(SCENARIOS[name])
            harness.back_to(SCENARIOS[name].world)
            ended = harness.run(*SCENARIOS[name].again, looks_every=LOOKS_EVERY)
            assert ended.code == 0, str(ended)
            self.made[name] = self._begun()
            self.written[name] = harness.writes()

    def _begun(self) -> Counter[str]:
        """What the clouds agreed to make and to delete since the world was taken up."""
        return Counter(
            f"{c['cloud']} {c['operation']}"
            for c in self.harness.journal()
            if c["writes"]
            and 200 <= c["status"] < 300
            and c["operation"].startswith(("Create", "PUT", "Delete", "DELETE"))
        )

    # --- one trial --------------------------------------------------------------------------------------

    def attempt_outage(self, name: str, what: Disturbance, after: int, rng: random.Random) -> Iterator[Point]:
        """after: number of writes after which it comes; 0: in the long wait, when nothing else is left to do."""
        harness, scenario = self.harness, SCENARIOS[name]
        harness.back_to(scenario.world)
        json = ("--json",) if what.out == "pipe" else ()  # whose lines go to standard output all the time
        with self._output(what.out) as redirected:
            order = harness.order(*scenario.again, *json, looks_every=LOOKS_EVERY)
            self.hurry.hold.set()
            pid = harness.fork_server.begin(redirected(order))
            harness.fork_server.go()
            waited = self._wait(after)
            what.does(self, pid, rng)
            if what.goes_on:
                self.hurry.hold.clear()
            ended = harness.fork_server.end()
        where = f"{scenario.title}, {f'after {after} writes' if after else 'in the long wait'}"
        codes = what.codes + (what.anywhere if after else ())
        says = (what.says, *((NOTHING_GOES_ON,) if after else ()))
        wrong = "" if waited else "it did not come to that"
        if "Traceback" in ended.err:
            wrong = f"a traceback: {ended}"
        elif ended.code not in (codes if not after else (*codes, 0)):
            wrong = f"it ended with {ended}"
        elif ended.code and not any(s in " ".join((ended.err + ended.out).split()) for s in says):
            wrong = f"it says none of {says}: {ended}"
        yield Point("outages", f"{what.title}: ends as it should", where, wrong)
        again = self._again(scenario)
        harness.settle()
        yield Point("outages", f"{what.title}: the next run goes on", where, self._went_on(name, again))
        yield Point("outages", f"{what.title}: nothing is begun twice", where, self._twice(name, ended, again))

    def _wait(self, after: int) -> bool:
        """Until that many writes have come, or until there is nothing to do but to wait for the gateway; whether it
        came to that."""
        until, seen, since = time.monotonic() + 60, -1, time.monotonic()
        while time.monotonic() < until:
            now = self.harness.writes()
            if after and now >= after:
                return True
            if now != seen or not self.hurry.remaining():
                seen, since = now, time.monotonic()
            elif not after and time.monotonic() - since > QUIET:
                return True
            time.sleep(0.004)
        return False

    def _again(self, scenario: Scenario) -> Ended:
        """The next run. What is under way is under way until it has seen that."""
        harness = self.harness
        harness.gate.arm(harness.fork_server.begin(harness.order(*scenario.again, looks_every=LOOKS_EVERY)))
        harness.fork_server.go()
        until = time.monotonic() + 20
        while len(harness.gate.calls) < LOOKS and time.monotonic() < until:
            time.sleep(0.01)
        self.hurry.hold.clear()
        ended = harness.fork_server.end()
        harness.gate.disarm()
        return ended

    def _went_on(self, name: str, again: Ended) -> str:
        if again.code != 0:
            return f"it ended with {again}"
        different = difference(self.wanted[name], self.snapshots.take())
        if different:
            return "the world differs:\n" + "\n".join(line[:700] for line in different)
        return self.nothing_left(SCENARIOS[name])

    def _twice(self, name: str, first: Ended, again: Ended) -> str:
        more = self._begun() - self.made[name]
        return f"{dict(more)} more than undisturbed\n{first}\n{again}" if more else ""

    @contextlib.contextmanager
    def _output(self, kind: str) -> Iterator[Callable[[Order], Order]]:
        """Where the run's output goes. ``leave`` closes our end of it."""
        if not kind:
            yield lambda order: order
            return
        if kind == "terminal":
            ours, theirs = pty.openpty()
            path = os.ttyname(theirs)
        else:
            path = str(self.harness.folder / "pipe")
            os.mkfifo(path)
            ours, theirs = os.open(path, os.O_RDONLY | os.O_NONBLOCK), -1
        gone = threading.Event()

        def read() -> None:
            while not gone.is_set():
                with contextlib.suppress(OSError):
                    if os.read(ours, 65536):
                        continue
                time.sleep(0.005)

        os.set_blocking(ours, False)
        reader = threading.Thread(target=read, daemon=True)
        reader.start()

        def leave() -> None:
            if not gone.is_set():
                gone.set()
                reader.join()
                os.close(ours)
                if theirs >= 0:
                    os.close(theirs)

        self.leave = leave
        try:
            if kind == "terminal":
                yield lambda order: replace(order, out=path, err=path, env={"CI": "", "TERM": "xterm"})
            else:
                yield lambda order: replace(order, out=path)
        finally:
            leave()
            if kind != "terminal":
                Path(path).unlink()

    # --- what happens -----------------------------------------------------------------------------------

    def network_gone(self, pid: int, rng: random.Random) -> None:
        """Open connections are cut, new ones are refused."""
        sandbox = self.harness.sandbox
        fault = sandbox.context.faults.add(Fault("cut-before", "*", times=None))
        old = {name: sandbox._listeners[name] for name in CLOUDS}
        closing = [threading.Thread(target=listener.stop) for listener in old.values()]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()
        time.sleep(rng.choice(MINUTES_AWAY) * 60 / sandbox.context.clock.speed)
        for name, listener in old.items():
            sandbox._listeners[name] = Listener(listener.app, listener.tls, listener.server_port)
            sandbox._listeners[name].start()
        sandbox.context.faults.remove(fault.id)

    def asleep(self, pid: int, rng: random.Random) -> None:
        """The process is stopped; its own clock may stop with it, the clouds' does not."""
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.05)
        self.harness.sandbox.context.clock.advance(HOURS_ASLEEP * 3600)
        time.sleep(0.05)
        os.kill(pid, signal.SIGCONT)

    def terminal_closed(self, pid: int, rng: random.Random) -> None:
        self.leave()
        _send(pid, signal.SIGHUP)

    def reader_gone(self, pid: int, rng: random.Random) -> None:
        self.leave()

    def hang_up(self, pid: int, rng: random.Random) -> None:
        _send(pid, signal.SIGHUP)

    def terminated(self, pid: int, rng: random.Random) -> None:
        _send(pid, signal.SIGTERM)

    def interrupted(self, pid: int, rng: random.Random) -> None:
        _send(pid, signal.SIGINT)

    def interrupted_twice(self, pid: int, rng: random.Random) -> None:
        """The second comes while the first is being obeyed. To be there in time, the process is held meanwhile."""
        _send(pid, signal.SIGSTOP)
        _send(pid, signal.SIGINT)
        _send(pid, signal.SIGCONT)
        time.sleep(0.01)
        _send(pid, signal.SIGINT)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended by itself
        os.kill(pid, number)


GOES_ON = "What the clouds had begun goes on"
NOTHING_GOES_ON = "Nothing is under way in the clouds"
DISTURBANCES = (
    Disturbance("network gone for minutes", OutageRunner.network_gone, (0,), anywhere=(5, 6, 8), goes_on=True),
    Disturbance("machine asleep for hours", OutageRunner.asleep, (0,), anywhere=(5, 6, 8), goes_on=True),
    Disturbance("terminal closed", OutageRunner.terminal_closed, (130, 141), out="terminal"),
    Disturbance("SIGHUP", OutageRunner.hang_up, (130,), GOES_ON),
    Disturbance("SIGTERM", OutageRunner.terminated, (130,), GOES_ON),
    Disturbance("Ctrl-C", OutageRunner.interrupted, (130,), GOES_ON),
    Disturbance("Ctrl-C twice", OutageRunner.interrupted_twice, (130,), "oes on"),
    Disturbance("reader of the output gone", OutageRunner.reader_gone, (0, 141), out="pipe"),
)


def run(
    results: Results,
    *,
    seed: int,
    part: int = 0,
    of: int = 1,
    most: int = 0,
    only: tuple[str, ...] = (),
    scenarios: tuple[str, ...] = SCENARIO_NAMES,
) -> int:
    """Returns the number of trials that there are. only: titles of disturbances; most: trials at most."""
    with Harness(takes=SLOW) as harness, Hurry(harness) as hurry:
        runner = OutageRunner(harness, hurry, scenarios)
        rng = random.Random(seed)
        trials = [(name, d, 0) for d in DISTURBANCES for name in scenarios if not only or d.title in only]
        moments = [(n, d, rng.randint(1, runner.written[n])) for n, d, _ in trials for _ in range(RANDOM_MOMENTS)]
        trials += rng.sample(moments, len(moments))
        mine = trials[part::of]
        for name, disturbance, after in results.in_time(mine, most):
            for point in runner.attempt_outage(name, disturbance, after, rng):
                results.add(point)
    return len(trials)
