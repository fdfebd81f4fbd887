"""``python -m reliability [NAME ...]``: carries the proofs out, prints "N of N" for each, and keeps the figures.

Exit code 0 when everything held, 1 when not. Points are written one by one to --points, so that an interrupted proof
keeps what it has, and goes on with --resume; ``python -m reliability table`` prints the table of what is kept there.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from reliability.results import Results

PROOFS = {
    "kill": "killed at every call and in every save, run again",
    "kinds_killed": "each kind of link killed at every call, run again, also without its state",
    "secrets": "no key anywhere but in the clouds",
    "faults": "every fault at every call",
    "ownership": "only our own objects are changed or deleted",
    "same_names": "objects of others that bear exactly our names",
    "guards": "a life for each guard of others' things and of what is on the disk",
    "random_sequences": "random sequences of commands on each kind of link end as the configuration says, and in what was there before",
    "outages": "network gone, machine asleep, terminal closed, Ctrl-C, SIGTERM",
    "state": "a full disk, a read-only folder, other formats, a clock set back",
    "concurrency": "two runs at once",
    "least_permissions": "exactly the permissions that are printed, and each of them taken away",
    "denials": "one action, policy or lock at a time denies: told beforehand or met in the middle, and granted then",
    "fuzz": "configurations and answers that are made up or malformed",
    "files": "files that are not the user's own, in each place, met by each command",
    "mutants": "deliberate breakages of a fixed list, each seen by the tests that it names",
}
PARALLEL = (
    "kill",
    "kinds_killed",
    "faults",
    "ownership",
    "same_names",
    "guards",
    "random_sequences",
    "outages",
    "state",
    "concurrency",
    "least_permissions",
    "denials",
    "fuzz",
    "files",
    "mutants",
)
RECORDED = ("kill",)
WEIGHTS = {
    "kill": 14,
    "kinds_killed": 12,
    "faults": 12,
    "random_sequences": 6,
    "ownership": 4,
    "same_names": 4,
    "outages": 3,
}
"""How long each may take beside the others, which have 1 each, where all of them must fit into a given time."""
ROOT = Path(__file__).parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m reliability",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {n:16} {t}" for n, t in PROOFS.items()),
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(PROOFS)}, table; default: all")
    parser.add_argument(
        "--points", type=Path, default=ROOT / ".reliability", help="folder of the points (default: .reliability)"
    )
    parser.add_argument("--minutes", type=float, default=0.0, help="for each proof; points are shuffled by the seed")
    parser.add_argument(
        "--within", type=float, default=0.0, help="minutes for all of them; each gets its share, and what it leaves"
    )
    parser.add_argument("--most", type=int, default=0, help="points of each proof and worker at most; 0: all there are")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1 + min(4, os.cpu_count() or 1))
    parser.add_argument("--resume", action="store_true", help="keep the points that there are, and try the others")
    parser.add_argument("--record", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--part", type=int, default=-1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.names or list(PROOFS)
    if unknown := [n for n in names if n not in (*PROOFS, "table")]:
        parser.error(f"no such proof: {', '.join(unknown)}")
    options.points.mkdir(exist_ok=True)
    if options.part >= 0:
        return _part(names[0], options)
    if names == ["table"]:
        results = Results.load(sorted(options.points.glob("*.points")))
        print(results.markdown() + "\n" + str(results))
        return 1 if results.failed else 0
    held, until = True, time.monotonic() + options.within * 60
    for number, name in enumerate(names):
        if options.within:
            options.minutes = share(names[number:], (until - time.monotonic()) / 60)
        began, worked = time.monotonic(), _worked()
        results = _all_parts(name, options)
        held = held and bool(results.points) and not results.failed
        took, work = time.monotonic() - began, _worked() - worked
        print(f"{results}\n{name}: {took:.0f} s, {work:.0f} s of processor time\n", flush=True)
    return 0 if held else 1


def share(names: Sequence[str], minutes: float) -> float:
    """Minutes for the first of these, of those that are left for all."""
    weights = [WEIGHTS.get(name, 1) for name in names]
    return max(minutes, 0.1) * weights[0] / sum(weights)


def _worked() -> float:
    """Processor seconds of all workers so far, and of what they have started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _all_parts(name: str, options: argparse.Namespace) -> Results:
    """One process for each part: a sandbox is a process's own. What is recorded is recorded before, for all of them."""
    recorded = options.points / f"{name}-recorded"
    if not options.resume:
        for old in (*options.points.glob(f"{name}-*.points"), *recorded.glob("*")):
            old.unlink()
    parts = options.workers if name in PARALLEL else 1
    if name in RECORDED:
        recorded.mkdir(exist_ok=True)
        _workers(name, options, parts, "--record")
    _workers(name, options, parts)
    return Results.load(sorted(options.points.glob(f"{name}-*.points")))


def _workers(name: str, options: argparse.Namespace, parts: int, *more: str) -> None:
    processes = [
        subprocess.Popen(
            [
                sys.executable, "-m", "reliability", name, "--part", str(part), "--workers", str(parts), "--seed",
                str(options.seed), "--most", str(options.most), "--minutes", str(options.minutes), "--points",
                str(options.points), *more,
            ],
            cwd=ROOT,
        )
        for part in range(parts)
    ]  # fmt: skip
    ended = [p.wait() for p in processes]
    if any(code not in (0, 1) for code in ended):
        print(f"{name}: a worker ended with {ended}")
        raise SystemExit(1)


def _part(name: str, options: argparse.Namespace) -> int:
    module = importlib.import_module(f"reliability.{name}")
    recorded = {"folder": options.points / f"{name}-recorded"} if name in RECORDED else {}
    if options.record:
        module.record(part=options.part, of=options.workers, **recorded)
        return 0
    until = time.monotonic() + options.minutes * 60 if options.minutes else float("inf")
    file = options.points / f"{name}-{options.part}.points"
    results = Results.load([file] if file.exists() else [])
    results.file, results.until = file, until
    all_there_are = module.run(
        results, seed=options.seed, part=options.part, of=options.workers, most=options.most, **recorded
    )
    if options.part == 0:
        print(f"{name}: there are {all_there_are} points", flush=True)
    return 1 if results.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except AssertionError as error:  # the harness itself does not hold
        print(f"the proof could not begin: {error}", file=sys.stderr)
        sys.exit(2)
