"""Speed and memory of cloudlink, and of its sandbox, in one table. Nothing is asserted: it prints what it finds.

just bench                     # medians of 5 runs, about 10 minutes
.venv/bin/python bench/up.py --runs 3
.venv/bin/python bench/up.py --quick   # one run with the clock six times as fast, under a minute
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bound import Bound, bound
from commands import Ran, cpu_seconds, peak_megabytes, run
from place import CLOUDLINK, Place, must, place
from table import Row, print_table

CHAIN_SECONDS = 60.0  # wall time that the longest chain of provisioning takes
QUICK_SECONDS = 10.0
FAST = 600.0  # sandbox seconds in a second, where it is not the clouds that are timed
SECOND_RUNS = 3  # looks at a finished link, for each first run
IDLE_SECONDS = 5.0
EXISTING_SPEED = 15.0
OVER_EXISTING = {  # what somebody else has joined -> its configuration, beside this file
    "existing link": "existing.toml",
    "existing link, names by the VNet": "existing-vnet.toml",
    "existing link, names back": "existing-back.toml",
    "existing link, three AKS clusters": "existing-clusters.toml",
}
GOALS = {"existing link": ("<= 240 s", "<= 45")}
ANSWERS = 100  # that answers.py asks for last, of each cloud


@dataclass
class Figures:
    """What was measured, each figure once for each run."""

    of: dict[str, list[float]] = field(default_factory=dict)
    calls: list[dict[str, int]] = field(default_factory=list)
    bound: Bound | None = None

    def add(self, name: str, value: float) -> None:
        self.of.setdefault(name, []).append(value)

    def median(self, name: str) -> float:
        return statistics.median(self.of[name])

    def spread(self, name: str) -> str:
        return f"{min(self.of[name]):.2f} to {max(self.of[name]):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed and memory of cloudlink and its sandbox.")
    parser.add_argument("--runs", type=int, default=5, help="runs of each figure (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one run, with a faster clock: the ratio is too high then")
    options = parser.parse_args()
    runs = 1 if options.quick else max(1, options.runs)
    chain = QUICK_SECONDS if options.quick else CHAIN_SECONDS
    began = time.monotonic()
    figures = Figures()
    with place() as at:
        say("start-up")
        start_up(figures, at, times=5 * runs)
        say("a rehearsal, to learn how long the clouds will take")
        speed = rehearse(at) / chain
        for number in range(runs):
            say(f"run {number + 1} of {runs}, the clock at {speed:.1f} times its usual speed")
            whole_job(figures, at, speed)
    for kind, config in OVER_EXISTING.items():
        with place(Path(__file__).with_name(config)) as at:
            for number in range(runs):
                say(f"{kind}, run {number + 1} of {runs}")
                over_existing(figures, at, kind)
    print_table([*rows(figures), *rows_over_existing(figures)])
    print(f"\nMedians of {runs} runs; {machine()}; took {time.monotonic() - began:.0f} s.")
    if figures.bound is not None:
        print(f"Longest chain, in the clouds' seconds: {figures.bound}")


def start_up(figures: Figures, at: Place, *, times: int) -> None:
    """Each command in turn, again and again, so that a busy minute of the machine hits all of them."""
    nothing = [sys.executable, "-c", "pass"]
    for _ in range(times):
        for name, command in (
            ("pass", nothing),
            ("version", [*CLOUDLINK, "--version"]),
            ("help", [*CLOUDLINK, "--help"]),
        ):
            ran = must(run(command, folder=at.folder))
            figures.add(name, ran.wall)
            figures.add(f"{name} cpu", ran.cpu)


def rehearse(at: Place) -> float:
    """Seconds of the longest chain. What the sandbox draws is the same for the same objects in every run."""
    at.start(FAST)
    ran = must(at.cloudlink("up", "--sandbox", "--yes", "--no-verify", "--json"))
    found = bound(ran.out, at.control("durations")["samples"])
    at.reset()
    return found.seconds


def whole_job(figures: Figures, at: Place, speed: float) -> None:
    figures.add("sandbox start", at.start(speed).wall)
    pid = int(at.control("status")["pid"])
    resting = cpu_seconds(pid)
    time.sleep(IDLE_SECONDS)
    figures.add("sandbox idle", (cpu_seconds(pid) - resting) / IDLE_SECONDS * 100)

    first, calls = counted(at, lambda: at.cloudlink("up", "--sandbox", "--yes", "--no-verify", "--json"))
    must(first)
    found = bound(first.out, at.control("durations")["samples"])
    figures.bound = found
    figures.calls.append(calls)
    figures.add("first", first.wall)
    figures.add("first cpu", first.cpu)
    figures.add("first peak", first.peak)
    figures.add("first calls", sum(calls.values()))
    figures.add("bound", found.seconds / speed)
    figures.add("ratio", first.wall / (found.seconds / speed))

    for _ in range(SECOND_RUNS):
        second, calls = counted(at, lambda: at.cloudlink("up", "--sandbox", "--yes", "--no-verify", "--json"))
        must(second)
        figures.add("second", second.wall)
        figures.add("second cpu", second.cpu)
        figures.add("second peak", second.peak)
        figures.add("second calls", sum(calls.values()))

    answers = must(
        run([sys.executable, str(Path(__file__).with_name("answers.py")), address_file(at)], folder=at.folder)
    )
    for cloud, milliseconds in json.loads(answers.out).items():
        figures.add(f"answer {cloud}", milliseconds)
    calls_made = at.control("journal")["calls"]
    for cloud in ("azure", "aws"):
        inside = [call["ms"] for call in calls_made if call["cloud"] == cloud][-ANSWERS:]
        figures.add(f"inside {cloud}", statistics.median(inside))

    must(at.cloudlink("sandbox", "clock", "--speed", f"{FAST:g}"))  # an hour of removals is nothing to wait for
    down, calls = counted(at, lambda: at.cloudlink("teardown", "--sandbox", "--yes", "--json"))
    must(down)
    figures.add("teardown", down.wall)
    figures.add("teardown peak", down.peak)
    figures.add("teardown calls", sum(calls.values()))
    figures.add("sandbox peak", peak_megabytes(pid))
    at.reset()


def over_existing(figures: Figures, at: Place, kind: str) -> None:
    """Its pod is a real program, so that the clock is slow: else the pod's seconds would be minutes of the clouds'."""
    at.start(EXISTING_SPEED)
    began = float(at.control("status")["now"])
    first, calls = counted(at, lambda: at.cloudlink("up", "--sandbox", "--yes", "--no-verify", "--json"))
    must(first)
    figures.add(kind, float(at.control("status")["now"]) - began)
    figures.add(f"{kind} calls", sum(calls.values()))
    at.reset()


def rows_over_existing(f: Figures) -> Iterator[Row]:
    for kind in OVER_EXISTING:
        time_goal, calls_goal = GOALS.get(kind, ("", ""))
        said = f"of the clouds' time; {f.spread(kind)}; with a pod that reaches the endpoint"
        yield Row(f"{kind}, first up: time", f"{f.median(kind):.0f} s", time_goal, said)
        calls = f"{f.median(f'{kind} calls'):.0f}"
        yield Row(f"{kind}, first up: API calls", calls, calls_goal, "polls of the pod too")


def counted(at: Place, what: Callable[[], Ran]) -> tuple[Ran, dict[str, int]]:
    """The API calls that a command made, by cloud, as the sandbox counted them."""
    before: dict[str, int] = at.control("status")["by_cloud"]
    ran = what()
    after: dict[str, int] = at.control("status")["by_cloud"]
    made = {cloud: n - before.get(cloud, 0) for cloud, n in after.items()}
    return ran, {cloud: n for cloud, n in made.items() if n}


def address_file(at: Place) -> str:
    return str(next((at.folder / ".cloudlink" / "sandbox").glob("*/address.json")))


def rows(f: Figures) -> Iterator[Row]:
    nothing = f.median("pass")
    for name in ("version", "help"):
        goal = {"version": 9, "help": 15}[name]
        x, x_cpu = f.median(name) / nothing, f.median(f"{name} cpu") / f.median("pass cpu")
        yield Row(
            f"cloudlink --{name}",
            f"{x:.1f} x",
            f"<= {goal} x",
            f"of python -c pass ({nothing * 1000:.0f} ms); {f.median(name) * 1000:.0f} ms; processor time {x_cpu:.1f} x",
        )
    calls = f.calls[len(f.calls) // 2]
    yield Row(
        "first up: wall",
        f"{f.median('first'):.1f} s",
        "",
        f"{f.spread('first')}; processor {f.median('first cpu'):.1f} s",
    )
    yield Row("first up: longest chain", f"{f.median('bound'):.1f} s", "", "no client can be faster")
    yield Row("first up: wall / chain", f"{f.median('ratio'):.3f} x", "<= 1.05 x", f.spread("ratio"))
    by_cloud = ", ".join(f"{cloud} {n}" for cloud, n in sorted(calls.items()))
    yield Row("first up: API calls", f"{f.median('first calls'):.0f}", "<= 150", by_cloud)
    yield Row("first up: peak memory", f"{f.median('first peak'):.0f} MB", "<= 110 MB", "")
    yield Row(
        "second up: wall",
        f"{f.median('second'):.2f} s",
        "<= 1.5 s",
        f"{f.spread('second')}; processor {f.median('second cpu'):.2f} s, {f.median('second cpu') / f.median('pass cpu'):.0f} x python -c pass",
    )
    yield Row("second up: API calls", f"{f.median('second calls'):.0f}", "<= 30", "")
    yield Row("second up: peak memory", f"{f.median('second peak'):.0f} MB", "<= 110 MB", "")
    yield Row(
        "teardown: wall",
        f"{f.median('teardown'):.1f} s",
        "",
        f"{f.median('teardown calls'):.0f} API calls with the clock at {FAST:g}, {f.median('teardown peak'):.0f} MB",
    )
    yield Row("sandbox: start", f"{f.median('sandbox start'):.2f} s", "<= 2.5 s", "until it answers, with its command")
    for cloud in ("azure", "aws"):
        yield Row(
            f"sandbox: median answer, {cloud}",
            f"{f.median(f'answer {cloud}'):.1f} ms",
            "<= 10 ms",
            f"one client, its own work included; {f.median(f'inside {cloud}'):.1f} ms of it in the sandbox",
        )
    yield Row("sandbox: idle", f"{f.median('sandbox idle'):.1f} %", "", "of one processor")
    yield Row("sandbox: peak memory", f"{f.median('sandbox peak'):.0f} MB", "<= 300 MB", "")


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} processors, "
        f"{memory:.0f} GB, load {load:.1f}"
    )


def say(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
