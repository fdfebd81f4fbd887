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

from prove.figures import Figures, Point
from prove.ground import Ground
from prove.kill import Bench
from prove.picture import difference
from prove.scenes import SCENES
from prove.zygote import Ended, Order, Zygote

TIMES = 10
PAIRS = (("up", "up"), ("up", "teardown"), ("teardown", "up"), ("teardown", "teardown"))


def prove(figures: Figures, *, seed: int, part: int = 0, of: int = 1, most: int = 0) -> int:
    """most: trials of each kind at most. The locks are tried by the first worker."""
    pairs = [(n, c) for n in range(most or TIMES) for c in PAIRS]
    both = [(n, scene) for n in range(most or TIMES) for scene in ("fresh", "teardown")]
    second = Zygote()
    with Ground() as ground:
        bench = Bench(ground)
        bench.measure(SCENES["fresh"])
        bench.measure(SCENES["teardown"])
        if part == 0:
            _locks(bench, figures)
        for number, commands in pairs[part::of]:
            if not figures.time_is_up:
                rng = random.Random(f"{seed}/{commands}/{number}")
                figures.add(_one_machine(bench, second, commands, rng, number))
        for number, scene in both[part::of]:
            if not figures.time_is_up:
                rng = random.Random(f"{seed}/{scene}/{number}")
                figures.add(_two_machines(bench, second, scene, rng, number))
    second.stop()
    return TIMES * (len(PAIRS) + 2) + 5


def _one_machine(bench: Bench, second: Zygote, commands: tuple[str, str], rng: random.Random, number: int) -> Point:
    """The second comes while the first works: it is refused, with the name of the holder."""
    ground = bench.ground
    scene = SCENES["fresh" if commands[0] == "up" else "teardown"]
    ground.back_to(scene.world)
    arguments = ("up", "--no-verify") if commands[0] == "up" else ("teardown",)
    pid = ground.zygote.begin(ground.order(*arguments))
    ground.zygote.go()
    until = time.monotonic() + 60
    wanted = rng.randint(1, 12)
    while ground.writes() < wanted and time.monotonic() < until:
        time.sleep(0.002)
    writes = ground.state.read_text() if ground.state.exists() else ""
    second.begin(ground.order(commands[1], zygote=second))
    second.go()
    refused = second.end()
    first = ground.zygote.end()
    ground.settle()
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
    elif different := difference(bench.wanted[scene.name], bench.pictures.take()):
        wrong = "\n".join(line[:500] for line in different)
    return Point("two", "one machine: the second is refused and the holder named", where, wrong)


def _two_machines(bench: Bench, second: Zygote, name: str, rng: random.Random, number: int) -> Point:
    """Copies of the same folder, no lock between them, both begin within a second of each other."""
    ground, scene = bench.ground, SCENES[name]
    ground.back_to(scene.world)
    other = ground.folder / "other"
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(ground.home, other / ground.home.relative_to(ground.folder))
    shutil.copy(ground.config, other / "config.toml")
    for lock in other.rglob("*.lock"):
        lock.unlink()
    ground.zygote.begin(ground.order(*scene.again))
    order = Order(str(other), (*scene.again, "--sandbox"), str(other / "out"), str(other / "err"))
    second.begin(order)
    ground.zygote.go()
    time.sleep(rng.random() * 1.5)
    second.go()
    b = second.end()
    a = ground.zygote.end()
    ground.settle()
    wrong = _crashed(a) or _crashed(b)
    again = ground.run(*scene.again)
    ground.settle()
    if not wrong and again.code == 0:
        different = difference(bench.wanted[name], bench.pictures.take())
        wrong = "\n".join(line[:500] for line in different) or bench.nothing_left(scene)
    elif not wrong and not (again.code == 5 and "Two objects carry the same" in again.err + again.out):
        wrong = f"afterwards: {again}"
    seen = "nothing twice" if again.code == 0 else "made twice, and the next run says so"
    what = f"two machines, {scene.title}: {seen}"
    return Point("two", what, f"{name}, {number}", f"{wrong}\nfirst: {a}\nsecond: {b}" if wrong else "")


def _crashed(ended: Ended) -> str:
    return f"{ended}" if ended.code not in (0, 5, 8, 9) or "Traceback" in ended.err else ""


def _locks(bench: Bench, figures: Figures) -> None:
    ground = bench.ground
    here, lock = socket.gethostname(), ground.state.with_name(ground.state.name + ".lock")

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
        ground.back_to("built")
        lock.write_text(content)
        ended = ground.run("up", "--no-verify")
        told = ended.err + ended.out
        good = ended.code == codes and (
            not codes or ("elsewhere" in told and "somebody" in told and f"rm{lock}" in "".join(told.split()))
        )
        if codes:
            lock.unlink()
            good = good and ground.run("up", "--no-verify").code == 0
        figures.add(Point("two", "a stale lock", what, "" if good else str(ended)))
    Path(lock).unlink(missing_ok=True)
