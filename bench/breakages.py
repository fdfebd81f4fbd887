"""Deliberate breakages of the product that matter most, one after the other: each must be caught by the test it names.

just breakages                 # all of them, about a second each
just breakages receipt         # those with this word in their name

The list is breakages.toml. A breakage whose text is not found, or found more than once, is an error: then the code was
changed, and the list has to follow. A breakage that its test does not notice is one, too. Exit code 1 when anything is
wrong. Works on a copy; the checkout is left alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest import main as run_pytest

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "bench" / "breakages.toml"
LONGEST_TEST = 1.0  # seconds
LOOKS = 3  # at a test's time, the shortest of which counts: a busy machine makes any of them slow once
FAILED = 1  # pytest's exit code when tests failed; others mean that it could not run them
MORE_PATIENCE = 900.0  # of one of the proofs
PATIENCE = 60.0  # of a test that a breakage makes wait for ever: also a way to notice


@dataclass(frozen=True)
class Breakage:
    name: str
    file: str  # below src/cloudlink
    old: str
    new: str
    tests: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()  # tests that take longer than LONGEST_TEST

    def problem(self, source: Path) -> str:
        """Why it cannot be made in this tree; empty: it can."""
        file = source / "cloudlink" / self.file
        if not file.is_file():
            return f"there is no file {self.file}"
        count = file.read_text(encoding="utf-8").count(self.old)
        return "" if count == 1 else f"its text stands {count} times in {self.file}: {self.old}"


def breakages(list_: Path = LIST) -> tuple[Breakage, ...]:
    held = tomllib.loads(list_.read_text(encoding="utf-8"))["breakage"]
    lists = ("tests", "proofs")
    return tuple(Breakage(**{k: tuple(v) if k in lists else v for k, v in b.items()}) for b in held)


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Whether the breakages that matter most are each caught by their test."
    )
    parser.add_argument("word", nargs="?", default="", help="only those with this word in their name")
    options = parser.parse_args()
    chosen = [b for b in breakages() if options.word in b.name and b.tests]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "src"
        shutil.copytree(ROOT / "src", source)  # with what Python has compiled of it
        wrong = [] if chosen else [f"no breakage has the word {options.word} in its name"]
        wrong += unbroken(chosen, source)
        for number, breakage in enumerate(chosen):
            why = caught(breakage, source, number)
            print(f"{'survives' if why else 'dies':<9} {breakage.name}", flush=True)
            if why:
                wrong.append(f"{breakage.name}: {why}")
    for line in wrong:
        print(f"\n{line}", file=sys.stderr)
    print(f"\n{len(chosen)} breakages, {len(wrong)} things wrong; took {time.monotonic() - began:.0f} s.")
    return 1 if wrong else 0


def unbroken(chosen: Sequence[Breakage], source: Path) -> list[str]:
    """What is wrong before anything is broken: tests that fail, or that take too long."""
    tests = list(dict.fromkeys(test for b in chosen for test in b.tests))
    if not tests:
        return []
    times: dict[str, float] = {}
    for _ in range(LOOKS):
        found = source.parent / "junit.xml"
        code, said = pytest(tests, source, f"--junitxml={found}", "-o", "junit_duration_report=call")
        if code:
            return [f"The tests fail although nothing is broken:\n{said}"]
        for case in ET.parse(found).iter("testcase"):
            name, seconds = case.get("name", ""), float(case.get("time", 0.0))
            times[name] = min(seconds, times.get(name, seconds))
        if max(times.values()) < LONGEST_TEST:
            break
    slow = [f"{name} takes {seconds:.1f} s" for name, seconds in times.items() if seconds >= LONGEST_TEST]
    print(f"{len(times)} tests, of which the longest takes {max(times.values()):.2f} s\n", flush=True)
    return slow


def caught(breakage: Breakage, source: Path, number: int, *, proofs: bool = False) -> str:
    """Why it is not; empty: each of its tests fails. proofs: of those that may take longer, too."""
    if problem := breakage.problem(source):
        return problem
    file = source / "cloudlink" / breakage.file
    sound = file.read_text(encoding="utf-8")
    try:
        file.write_text(sound.replace(breakage.old, breakage.new), encoding="utf-8")
        os.utime(file, (number, number))  # what Python has compiled of the file is told from it by its time
        for test in (*breakage.tests, *(breakage.proofs if proofs else ())):
            code, said = pytest([test], source, "-x", patience=PATIENCE if test in breakage.tests else MORE_PATIENCE)
            if code != FAILED:
                return f"{test} {'passes' if code == 0 else 'could not be run'}\n{said if code else ''}"
    finally:
        file.write_text(sound, encoding="utf-8")
    return ""


def pytest(tests: Sequence[str], source: Path, *options: str, patience: float = PATIENCE) -> tuple[int, str]:
    """Runs them over that copy of the sources; pytest's exit code, and what it says. In a fork, which has imported pytest
    already and cloudlink not yet."""
    said = source.parent / "said.txt"
    plugins = ("no:randomly", "no:xdist", "no:hypothesispytest")  # each costs more than most of the tests
    command = [*(word for name in plugins for word in ("-p", name)), *options, *tests]
    child = multiprocessing.get_context("fork").Process(target=_child, args=(command, source, said))
    child.start()
    child.join(patience)
    if child.exitcode is None:
        child.kill()
        child.join()
        return FAILED, ""
    return child.exitcode, said.read_text(encoding="utf-8")


def _child(command: list[str], source: Path, said: Path) -> None:
    with said.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(ROOT)
    os.environ.pop("PYTEST_ADDOPTS", None)
    sys.path[:0] = [str(source), str(ROOT)]
    os._exit(int(run_pytest(command)))


if __name__ == "__main__":
    sys.exit(main())
