"""How many deliberate breakages of the product the fast tests catch, by file and in all. mutmut makes them.

just mutants                         # all of them: about an hour on two cores; interrupted, it goes on where it was
just mutants --sample 60             # a seeded sample, under three minutes
just mutants --files cloudlink/core/  # of core/ only
just mutants --at-least 85           # exit code 1 when fewer than 85 of 100 die
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Mutmut's own program, for some of the files that pyproject.toml lists: to mutate all of them takes minutes. What an earlier
# run mutated stays mutated, with its verdicts. A file that is mutated for the first time was copied by earlier runs, which
# mutmut takes for mutated already; and which tests reach it, it has not asked.
PROGRAM = """
import sys
from pathlib import Path
from mutmut import configuration
from mutmut.__main__ import cli

chosen = configuration.config()
listed = [p for p in Path("src").rglob("*.py") if chosen.should_mutate(p)]
chosen.only_mutate = [p for p in chosen.only_mutate if sys.argv[1] in p] or chosen.only_mutate
for file in listed:
    copy = "mutants" / file
    if Path(f"{copy}.meta").exists():
        chosen.only_mutate.append(str(file))
    elif chosen.should_mutate(file):
        copy.unlink(missing_ok=True)
        Path("mutants/mutmut-stats.json").unlink(missing_ok=True)
sys.argv[1:] = ["run", "--max-children", "2", *sys.stdin.read().splitlines()]
cli()
"""
MUTANTS = ROOT / "mutants" / "src"
LOG = ROOT / "mutants" / "run.log"
NOBODY = "no mutant has this name"  # makes the mutants, and runs none
SURVIVED, NO_TESTS = 0, 33  # mutmut's exit codes; any other means that the tests noticed
# Of steps/ the rest talks to the clouds, which no fast test does.
PURE_FILES = ("cloudlink/steps/dns_forward/corefile",)
PURE_FUNCTIONS = {"spec", "parse", "parse_spec", "parse_outputs"}


def main() -> int:
    parser = argparse.ArgumentParser(description="How many deliberate breakages the fast tests catch.")
    parser.add_argument("--sample", type=int, default=0, help="so many of them, chosen by --seed (default: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", default="", help="only files whose path has this word")
    parser.add_argument("--at-least", type=float, default=0.0, help="of 100 that must die")
    parser.add_argument("--show", action="store_true", help="name those that survive")
    options = parser.parse_args()
    began = time.monotonic()
    _mutmut(options.files, [NOBODY], quietly=True)
    names = sorted(name for name in verdicts() if options.files in _file_of(name) and _counts(name))
    if not names:
        sys.stderr.write("There are no mutants.\n")
        return 2
    chosen = random.Random(options.seed).sample(names, min(options.sample, len(names))) if options.sample else names
    known = verdicts()
    todo = [
        name for name in chosen if known[name] in (None, SURVIVED, NO_TESTS)
    ]  # there may be tests that there were not
    if todo:
        _mutmut(options.files, todo, quietly=bool(options.sample))
    judged = {name: verdict for name, verdict in verdicts().items() if name in set(chosen)}
    if unjudged := sum(verdict is None for verdict in judged.values()):
        sys.stderr.write(f"{unjudged} mutants were not judged: {LOG} has what mutmut said.\n")
        return 2
    share = report(judged, show=options.show)
    print(f"{len(chosen)} of {len(names)} mutants; took {time.monotonic() - began:.0f} s.")
    return 0 if share >= options.at_least else 1


def _mutmut(files: str, names: list[str], *, quietly: bool) -> None:
    command = [sys.executable, "-c", PROGRAM, files]
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("w", encoding="utf-8") as log:
        out = log if quietly else None
        subprocess.run(command, cwd=ROOT, check=False, stdout=out, stderr=out, input="\n".join(names), text=True)


def verdicts() -> dict[str, int | None]:
    """Each mutant's exit code; None: not judged yet."""
    found: dict[str, int | None] = {}
    for meta in MUTANTS.rglob("*.meta"):
        found |= json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def _file_of(name: str) -> str:
    """``cloudlink/core/apply`` for ``cloudlink.core.apply.xǁWorkerǁwork__mutmut_1``."""
    return name.rpartition(".")[0].replace(".", "/")


def _counts(name: str) -> bool:
    file = _file_of(name)
    function = name.rpartition(".")[2].rpartition("__mutmut_")[0].rpartition("ǁ")[2].removeprefix("x_")
    return not file.startswith("cloudlink/steps/") or file.startswith(PURE_FILES) or function in PURE_FUNCTIONS


def report(judged: dict[str, int | None], *, show: bool) -> float:
    """Prints a line for each file; returns how many of 100 died."""
    total: Counter[str] = Counter()
    dead: Counter[str] = Counter()
    for name, verdict in judged.items():
        if verdict is None:
            continue
        total[_file_of(name)] += 1
        dead[_file_of(name)] += verdict not in (SURVIVED, NO_TESTS)
        if show and verdict in (SURVIVED, NO_TESTS):
            print(f"survives  {name}")
    for file in sorted(total):
        print(f"{file:<44} {dead[file]:>4} of {total[file]:>4}  {100 * dead[file] / total[file]:3.0f}")
    everything = sum(total.values())
    share = 100 * sum(dead.values()) / everything if everything else 0.0
    print(f"{'in all':<44} {sum(dead.values()):>4} of {everything:>4}  {share:3.0f} of 100 die")
    return share


if __name__ == "__main__":
    sys.exit(main())
