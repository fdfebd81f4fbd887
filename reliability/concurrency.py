"""Two at once: on one machine the lock holds; on two machines with copies of the state file nothing is made twice
unseen; stale locks of every kind do not stop anybody who may go on."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import socket
import time
from pathlib import Path

from reliability.call_interceptor import CrashPoint
from reliability.fork_server import Ended, ForkServer, Order
from reliability.harness import Harness
from reliability.kill import TrialRunner
from reliability.results import Point, Results
from reliability.scenarios import SCENARIOS
from reliability.snapshot import difference

TIMES = 10
SHARED_TIMES = 5
LOCATIONS = {"S3": "s3://team-state/demo.json", "a blob": "azblob://teamstate/links/demo.json"}
HOW = ("both at once", "the first is killed", "the first's lock is taken away")
SHARED = tuple((location, how, s) for location in LOCATIONS for how in HOW for s in ("fresh", "teardown"))
PAIRS = (("up", "up"), ("up", "teardown"), ("teardown", "up"), ("teardown", "teardown"))


def run(results: Results, *, seed: int, part: int = 0, of: int = 1, most: int = 0, sample: int = 0) -> int:
    """most: times that each trial is made at most. sample: trials of each kind, drawn by the seed; 0: all. The locks are tried
    by the first worker."""
    shared = [(n, *kind) for n in range(most or SHARED_TIMES) for kind in SHARED]
    pairs = [(n, c) for n in range(most or TIMES) for c in PAIRS]
    both = [(n, scenario) for n in range(most or TIMES) for scenario in ("fresh", "teardown")]
    if sample:
        drawn = random.Random(seed)
        pairs, both, shared = drawn.sample(pairs, sample), drawn.sample(both, sample), drawn.sample(shared, sample)
    second = ForkServer()
    with Harness() as harness:
        runner = TrialRunner(harness)
        runner.measure(SCENARIOS["fresh"])
        runner.measure(SCENARIOS["teardown"])
        if part == 0:
            _locks(runner, results)
        random.Random(seed).shuffle(shared)  # so that no store is the last one when the time is up
        with results.share(4):
            for number, commands in results.in_time(pairs[part::of], least=1):
                rng = random.Random(f"{seed}/{commands}/{number}")
                results.add(_one_machine(runner, second, commands, rng, number))
        with results.share(3):
            for number, scenario in results.in_time(both[part::of], least=1):
                rng = random.Random(f"{seed}/{scenario}/{number}")
                results.add(_two_machines(runner, second, scenario, rng, number))
        for number, location, how, scenario in results.in_time(shared[part::of], least=4):
            rng = random.Random(f"{seed}/{location}/{how}/{scenario}/{number}")
            results.add(SharedState(runner, second, location, scenario).trial(how, rng, number))
    second.stop()
    return TIMES * (len(PAIRS) + 2) + 5 + SHARED_TIMES * len(SHARED)


def _one_machine(
    runner: TrialRunner, second: ForkServer, commands: tuple[str, str], rng: random.Random, number: int
) -> Point:
    """The second comes while the first works: it is refused, with the name of the holder."""
    harness = runner.harness
    scenario = SCENARIOS["fresh" if commands[0] == "up" else "teardown"]
    harness.back_to(scenario.world)
    arguments = ("up", "--no-verify") if commands[0] == "up" else ("teardown",)
    pid = harness.fork_server.begin(harness.order(*arguments))
    harness.fork_server.go()
    until = time.monotonic() + 60
    wanted = rng.randint(1, 12)
    while harness.writes() < wanted and time.monotonic() < until:
        time.sleep(0.002)
    writes = harness.state.read_text() if harness.state.exists() else ""
    second.begin(harness.order(commands[1], fork_server=second))
    second.go()
    refused = second.end()
    first = harness.fork_server.end()
    harness.settle()
    del writes
    where = f"{commands[0]} and {commands[1]}, {number}"
    told = " ".join((refused.err + refused.out).split())  # screens fold their lines
    wrong = ""
    if first.code != 0:
        wrong = f"the first: {first}"
    elif refused.code != 7:
        wrong = f"the second was not refused: {refused}"
    elif (
        str(pid) not in told
        or not re.search(r"since 20\d\d-\d\d-\d\d \d\d:\d\d", told)
        or socket.gethostname() not in told
    ):
        wrong = f"the holder is not named: {refused}"
    elif different := difference(runner.wanted[scenario.name], runner.snapshots.take()):
        wrong = "\n".join(line[:500] for line in different)
    return Point("concurrency", "one machine: the second is refused and the holder named", where, wrong)


def _two_machines(runner: TrialRunner, second: ForkServer, name: str, rng: random.Random, number: int) -> Point:
    """Copies of the same folder, no lock between them, both begin within a second of each other."""
    harness, scenario = runner.harness, SCENARIOS[name]
    harness.back_to(scenario.world)
    other = harness.folder / "other"
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(harness.home, other / harness.home.relative_to(harness.folder))
    shutil.copy(harness.config, other / "config.toml")
    for lock in other.rglob("*.lock"):
        lock.unlink()
    harness.fork_server.begin(harness.order(*scenario.again))
    order = Order(str(other), (*scenario.again, "--sandbox"), str(other / "out"), str(other / "err"))
    second.begin(order)
    harness.fork_server.go()
    time.sleep(rng.random() * 1.5)
    second.go()
    b = second.end()
    a = harness.fork_server.end()
    harness.settle()
    wrong = _crashed(a) or _crashed(b)
    again = harness.run(*scenario.again)
    harness.settle()
    if not wrong and again.code == 0:
        different = difference(runner.wanted[name], runner.snapshots.take())
        wrong = "\n".join(line[:500] for line in different) or runner.nothing_left(scenario)
    elif not wrong and not (again.code in (3, 5) and "Two objects carry the same" in again.err + again.out):
        wrong = f"afterwards: {again}"
    seen = "nothing twice" if again.code == 0 else "made twice, and the next run says so"
    what = f"two machines, {scenario.title}: {seen}"
    return Point("concurrency", what, f"{name}, {number}", f"{wrong}\nfirst: {a}\nsecond: {b}" if wrong else "")


class SharedState:
    """Two machines with one state in an object store: they exclude each other, whatever becomes of the first."""

    def __init__(self, runner: TrialRunner, second: ForkServer, location: str, name: str) -> None:
        self.runner, self.harness, self.second = runner, runner.harness, second
        self.location, self.scenario = location, SCENARIOS[name]

    def trial(self, how: str, rng: random.Random, number: int) -> Point:
        self._begin()
        act = {HOW[0]: self._at_once, HOW[1]: self._killed, HOW[2]: self._taken_away}[how]
        wrong = act(rng) or self._end()
        what = f"two machines, state in {self.location}: {how}"
        return Point("concurrency", what, f"{self.scenario.title}, {self.location}, {how}, {number}", wrong)

    def _begin(self) -> None:
        """The state of what is built moves into the store; the second machine has the configuration and nothing else."""
        harness = self.harness
        harness.back_to(self.scenario.world)
        text = harness.config.read_text().partition("\n[state]")[0]
        harness.config.write_text(f'{text}\n[state]\nlocation = "{LOCATIONS[self.location]}"\n')
        harness.seed()
        if self.scenario.world == "built":
            moved = harness.run("up", "--no-verify")
            assert moved.code == 0, str(moved)
        self.other = harness.folder / "other"
        shutil.rmtree(self.other, ignore_errors=True)
        home = self.other / harness.home.relative_to(harness.folder)
        home.mkdir(parents=True)
        for folder in (home, *home.parents):
            if folder != self.other and self.other in folder.parents:
                folder.chmod(0o700)
        shutil.copy(harness.home / "address.json", home)
        shutil.copy(harness.config, self.other / "config.toml")

    def _second(self, *arguments: str) -> None:
        order = Order(str(self.other), (*arguments, "--sandbox"), str(self.other / "out"), str(self.other / "err"))
        self.second.begin(order)
        self.second.go()

    def _first(self) -> None:
        self.harness.fork_server.begin(self.harness.order(*self.scenario.again))
        self.harness.fork_server.go()

    def _at_once(self, rng: random.Random) -> str:
        """One of them works, and the other is told who does, or comes when it is over."""
        self._first()
        time.sleep(rng.random() * 2.5)
        self._second(*self.scenario.again)
        b, a = self.second.end(), self.harness.fork_server.end()
        for one, other in ((a, b), (b, a)):
            if one.code == 0 and (other.code == 0 or not _not_named(other)):
                return ""
        return f"first: {a}\nsecond: {b}"

    def _killed(self, rng: random.Random) -> str:
        """On the second machine the dead run's lock is taken away by a person; here both are one machine, so that the lock
        of a dead process holds nobody up."""
        place = CrashPoint(rng.randint(30, 90), 0, rng.choice(("before", "after")))
        first = self.harness.run(*self.scenario.again, kill=place)
        if not first.killed and first.code != 0:
            return f"first: {first}"
        self._second(*self.scenario.again)
        after = self.second.end()
        return "" if after.code == 0 else f"first: {first}\nsecond: {after}"

    def _taken_away(self, rng: random.Random) -> str:
        """The first run ends before its next write; the second goes on from what is there."""
        before = self.harness.writes()
        self._first()
        until = time.monotonic() + 60
        while self.harness.writes() < before + rng.randint(1, 6) and time.monotonic() < until:
            time.sleep(0.002)
        self._second("unlock", "--yes")
        unlocked = self.second.end()
        self._second(*self.scenario.again)
        b, a = self.second.end(), self.harness.fork_server.end()
        if unlocked.code:
            return f"unlock: {unlocked}"
        lost = a.code == 7 and "lock of this link is lost" in _told(a)
        if not lost and a.code != 0:  # it had ended already
            return f"first: {a}\nsecond: {b}"
        return "" if b.code == 0 or (a.code == 0 and not _not_named(b)) else f"first: {a}\nsecond: {b}"

    def _end(self) -> str:
        """One more run has the lock for itself, and the world is that of one undisturbed run."""
        again = self.harness.run(*self.scenario.again)
        self.harness.settle()
        different = difference(self.runner.wanted[self.scenario.name], self.runner.snapshots.take())
        if again.code or different:
            return f"afterwards: {again}\n" + "\n".join(line[:500] for line in different)
        files = [p.name for p in self.harness.home.glob("*.state.json")]
        return f"a state file was written beside the store: {files}" if files else ""


def _told(ended: Ended) -> str:
    return " ".join((ended.err + ended.out).split())  # screens fold their lines


def _not_named(ended: Ended) -> str:
    """Whether a run was refused otherwise than by the lock, with its holder and since when."""
    named = ended.code == 7 and re.search(r"since 20\d\d-\d\d-\d\d \d\d:\d\d", _told(ended))
    return "" if named and socket.gethostname() in _told(ended) else f"{ended}"


def _crashed(ended: Ended) -> str:
    return f"{ended}" if ended.code not in (0, 3, 5, 8, 9) or "Traceback" in ended.err else ""


def _locks(runner: TrialRunner, results: Results) -> None:
    harness = runner.harness
    here, lock = socket.gethostname(), harness.state.with_name(harness.state.name + ".lock")

    def holder(**more: object) -> str:
        said = {
            "pid": 2**22 - 3,
            "host": here,
            "user": "somebody",
            "since": time.time() - 7200,
            "command": "cloudlink up",
        }
        return json.dumps({**said, **more})

    for what, content, codes in (
        ("a dead process", holder(), 0),
        ("a process id used again by another program", holder(pid=os.getpid()), 0),
        ("nobody: the file is empty", "", 0),
        ("nobody: the file is damaged", '{"pid": 12', 0),
        ("another host", holder(host="elsewhere"), 7),
    ):
        harness.back_to("built")
        lock.write_text(content)
        ended = harness.run("up", "--no-verify")
        told = ended.err + ended.out
        good = ended.code == codes and (
            not codes or ("elsewhere" in told and "somebody" in told and "cloudlink unlock" in " ".join(told.split()))
        )
        if codes:
            lock.unlink()
            good = good and harness.run("up", "--no-verify").code == 0
        results.add(Point("concurrency", "a stale lock", what, "" if good else str(ended)))
    Path(lock).unlink(missing_ok=True)
