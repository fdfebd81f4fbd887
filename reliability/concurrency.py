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

from reliability.fork_server import Ended, ForkServer, Order
from reliability.harness import Harness
from reliability.kill import TrialRunner
from reliability.results import Point, Results
from reliability.scenarios import SCENARIOS
from reliability.snapshot import difference

TIMES = 10
PAIRS = (("up", "up"), ("up", "teardown"), ("teardown", "up"), ("teardown", "teardown"))


def run(results: Results, *, seed: int, part: int = 0, of: int = 1, most: int = 0) -> int:
    """most: trials of each kind at most. The locks are tried by the first worker."""
    pairs = [(n, c) for n in range(most or TIMES) for c in PAIRS]
    both = [(n, scenario) for n in range(most or TIMES) for scenario in ("fresh", "teardown")]
    second = ForkServer()
    with Harness() as harness:
        runner = TrialRunner(harness)
        runner.measure(SCENARIOS["fresh"])
        runner.measure(SCENARIOS["teardown"])
        if part == 0:
            _locks(runner, results)
        for number, commands in pairs[part::of]:
            if not results.time_is_up:
                rng = random.Random(f"{seed}/{commands}/{number}")
                results.add(_one_machine(runner, second, commands, rng, number))
        for number, scenario in both[part::of]:
            if not results.time_is_up:
                rng = random.Random(f"{seed}/{scenario}/{number}")
                results.add(_two_machines(runner, second, scenario, rng, number))
    second.stop()
    return TIMES * (len(PAIRS) + 2) + 5


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
    elif not wrong and not (again.code == 5 and "Two objects carry the same" in again.err + again.out):
        wrong = f"afterwards: {again}"
    seen = "nothing twice" if again.code == 0 else "made twice, and the next run says so"
    what = f"two machines, {scenario.title}: {seen}"
    return Point("concurrency", what, f"{name}, {number}", f"{wrong}\nfirst: {a}\nsecond: {b}" if wrong else "")


def _crashed(ended: Ended) -> str:
    return f"{ended}" if ended.code not in (0, 5, 8, 9) or "Traceback" in ended.err else ""


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
            not codes or ("elsewhere" in told and "somebody" in told and f"rm{lock}" in "".join(told.split()))
        )
        if codes:
            lock.unlink()
            good = good and harness.run("up", "--no-verify").code == 0
        results.add(Point("concurrency", "a stale lock", what, "" if good else str(ended)))
    Path(lock).unlink(missing_ok=True)
