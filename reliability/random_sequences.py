"""Random sequences on a link: up, another configuration, changes by hand, faults, kills, a lost state file and teardown, in
any order. Whatever the sequence was, ``up`` comes to what the configuration says, and ``teardown`` to nothing.

A sequence is a list of steps with a seed each, so that one that fails can be made shorter: steps are left out as long as
it still fails, and the shortest one is shown.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from botocore.exceptions import ClientError

from cloudlink_sandbox.faults import Fault
from reliability.call_interceptor import CrashPoint
from reliability.faults import ANY_CALL
from reliability.fork_server import Ended
from reliability.harness import Harness
from reliability.kill import BY_DESIGN
from reliability.manual_edits import MANUAL_EDITS, ManualEdits
from reliability.results import Point, Results
from reliability.save_hooks import SAVE_MOMENTS
from reliability.snapshot import Snapshots, difference

SEQUENCES = 60
UP, TEARDOWN = ("up", "--no-verify"), ("teardown",)
KINDS_OF_STEPS = {
    "up": 4, "edit": 4, "drift": 4, "fault": 4, "kill": 5, "teardown": 2, "lose state": 2, "status": 1,
}  # fmt: skip
"""With how often each is chosen."""
# What a run may end with while a fault, or what an earlier kill left, is in its way. Never 1: that is a traceback.
STOPS = (0, 4, 5, 6, 8, 9)

# The configurations of a sequence: each makes some objects go, come, change or be replaced.
EDITS: dict[str, tuple[tuple[str, str], ...]] = {
    "as the example": (),
    "other records": (
        ("# ttl = 60", "ttl = 30"),
        ('addresses = ["10.10.8.15", "10.10.24.15"]', 'addresses = ["10.10.8.15", "10.10.24.16"]'),
        ("ports = [8200]\ntls_ports = [8200]\n", 'ports = [8200]\n\n[[dns.hosts]]\nname = "mysql"\naddresses = ["10.10.8.17"]\n'),
    ),
    "a larger gateway and another policy": (
        ('# sku = "VpnGw1AZ"', 'sku = "VpnGw2AZ"'),
        ("[dns]\n", "[vpn.policy]\ndh_group = 14\nike_encryption = \"AES128\"\n\n[dns]\n"),
    ),
    "another number for Azure": (("# asn = 65000", "asn = 65010"),),
    "other inside ranges": (("# inside_pool =", 'inside_pool = "169.254.21.64/26" #'),),
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    kind: str
    seed: int

    def __str__(self) -> str:
        return f"{self.kind} {self.seed}"


def sequence(rng: random.Random) -> list[Step]:
    kinds = rng.choices(list(KINDS_OF_STEPS), list(KINDS_OF_STEPS.values()), k=rng.randint(4, 9))
    return [Step(kind, rng.randrange(10**6)) for kind in kinds]


class World:
    """One harness, and what each configuration comes to when nobody disturbs it."""

    def __init__(self, harness: Harness, edits: Iterable[str]) -> None:
        self.harness = harness
        self.edits = list(edits)
        for name in self.edits:  # what any of them says exists is there from the beginning
            self.edit(name)
            harness.seed()
        self.snapshots = Snapshots(harness)
        self.hands = ManualEdits(harness, self.snapshots)
        harness.keep("empty")
        self.nothing = self.snapshots.take()
        self.wanted: dict[str, list[str]] = {}
        for name in self.edits:
            harness.back_to("empty")
            self.edit(name)
            made = harness.run(*UP)
            assert made.code == 0, f"{name}: {made}"
            harness.settle()
            self.wanted[name] = self.snapshots.take()

    def edit(self, name: str) -> None:
        text = self.harness.text
        for old, new in EDITS[name]:
            assert old in text, f"{name}: {old}"
            text = text.replace(old, new)
        self.harness.config.write_text(text)
        self.edited = name

    def __call__(self, steps: list[Step], results: Results, where: str) -> str:
        """Live it; the first thing that is wrong, else empty."""
        self.harness.back_to("empty")
        self.edit(self.edits[0])
        self.lost = False  # whether a state file went while something stood
        self.names_off = False  # whether the VPC's owner wants it without host names, as it then is after a teardown
        acts: dict[str, Callable[[random.Random], str]] = {
            "edit": self._edit, "drift": self._drift, "fault": self._fault, "kill": self._kill,
            "lose state": self._lose_state, "status": self._status,
        }  # fmt: skip
        for number, step in enumerate([*steps, Step("up", 0), Step("teardown", 0)]):
            rng = random.Random(step.seed)
            if step.kind in acts:
                if wrong := acts[step.kind](rng):
                    return f"at step {number}, {step}: {wrong}"
                continue
            check = self._up if step.kind == "up" else self._teardown
            for what, wrong in check():
                results.add(Point("random_sequences", what, f"{where}, step {number}", wrong), say=False)
                if wrong:
                    return f"at step {number}, {step}: {what}: {wrong}"
        return ""

    # --- what must hold ---------------------------------------------------------------------------------

    def _up(self) -> Iterable[tuple[str, str]]:
        ended = self.harness.run(*UP)
        self.harness.settle()
        different = difference(self.wanted[self.edited], self.snapshots.take())
        yield "up comes to what the configuration says", _ended(ended) or self._told(different)
        yield "a further up writes nothing", self._writes_nothing(UP)

    def _teardown(self) -> Iterable[tuple[str, str]]:
        ended = self.harness.run(*TEARDOWN)
        self.harness.settle()
        left = self.snapshots.take()
        different = difference(self._without_names(self.nothing) if self.names_off else self.nothing, left)
        if self.lost:  # the notes of what shared objects were like before went with the state file
            different = [d for d in different if not d.startswith(("~ aws vpc", "- aws vpc", "+ aws vpc"))]
            self.names_off = not set(self.nothing) >= {line for line in left if self._is_of_the_vpc(line)}
        yield "teardown comes to nothing", _ended(ended) or self._told(different)
        yield "a further teardown writes nothing", self._writes_nothing(TEARDOWN)
        self.lost = False

    def _is_of_the_vpc(self, line: str) -> bool:
        return line.startswith("aws vpc ") and self.harness.link.aws.vpc_id in line

    def _without_names(self, lines: list[str]) -> list[str]:
        on = '"enableDnsHostnames": {"Value": true}'
        off = on.replace("true", "false")
        return [line.replace(on, off) if self._is_of_the_vpc(line) else line for line in lines]

    def _told(self, different: list[str]) -> str:
        if self.lost:
            different = [d for d in different if not BY_DESIGN.match(d)]
        return "\n".join(["the world differs:", *(d[:700] for d in different)]) if different else ""

    def _writes_nothing(self, command: tuple[str, ...]) -> str:
        before = self.harness.writes()
        ended = self.harness.run(*command)
        if self.harness.writes() == before:
            return _ended(ended)
        calls = [f"{c['operation']} {c['target']}" for c in self.harness.journal() if c["writes"]]
        return f"it wrote {calls[before - self.harness.writes() :]}"

    # --- what happens in a life -------------------------------------------------------------------------

    def _edit(self, rng: random.Random) -> str:
        self.edit(rng.choice(self.edits))
        return ""

    def _drift(self, rng: random.Random) -> str:
        name = rng.choice(MANUAL_EDITS)
        with contextlib.suppress(ClientError):  # a cloud would not let it be done just now
            getattr(self.hands, name)(rng)
            self.names_off = self.names_off or name == "the_vpc_forgets_names"
        return ""

    def _fault(self, rng: random.Random) -> str:
        """A fault at some call of a run; the run may stop, with a code that says so."""
        kind = rng.choice(ANY_CALL)
        self.harness.sandbox.context.faults.add(Fault(kind, "*", times=rng.choice((1, 1, 3)), skip=rng.randrange(90)))
        ended = self.harness.run(*rng.choice((UP, UP, TEARDOWN)))
        self.harness.sandbox.context.faults.clear()
        self.harness.settle()
        return "" if ended.code in STOPS and "Traceback" not in ended.err else f"{kind}: {ended}"

    def _kill(self, rng: random.Random) -> str:
        command = rng.choice((UP, UP, TEARDOWN))
        if rng.random() < 0.6:
            place = CrashPoint(rng.randint(1, 110), 0, rng.choice(("before", "after")))
        else:
            place = CrashPoint(0, rng.randint(1, 40), rng.choice(SAVE_MOMENTS))
        ended = self.harness.run(*command, kill=place)
        if rng.random() < 0.7:  # else the next run finds everything in the middle of it
            self.harness.settle()
        return "" if ended.killed or ended.code in STOPS else str(ended)

    def _lose_state(self, rng: random.Random) -> str:
        state, previous = self.harness.state, self.harness.previous
        how = rng.choice(("deleted", "deleted with the previous one", "cut in half", "previous restored"))
        self.lost = self.lost or state.exists()
        if how == "previous restored" and previous.exists():
            state.write_bytes(previous.read_bytes())
            state.chmod(0o600)
            return ""
        if how == "cut in half" and state.exists():
            state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])
            before = self.harness.writes()
            refused = self.harness.run(*rng.choice((UP, TEARDOWN)))
            if refused.code != 7 or self.harness.writes() != before:
                return f"a state file that was cut in half: {refused}"
        if how == "deleted with the previous one":
            previous.unlink(missing_ok=True)
        state.unlink(missing_ok=True)
        return ""

    def _status(self, rng: random.Random) -> str:
        before = self.harness.writes()
        ended = self.harness.run(*rng.choice((("status",), ("plan",))))
        if self.harness.writes() != before:
            return f"a command that only looks wrote: {ended}"
        return "" if ended.code in STOPS else str(ended)


def _ended(ended: Ended) -> str:
    return "" if ended.code == 0 else f"it ended with {ended}"


def shortest(steps: list[Step], fails: Callable[[list[Step]], bool]) -> list[Step]:
    """Steps are left out, the last ones first, as long as it fails without them."""
    number = len(steps)
    while number:
        number -= 1
        fewer = steps[:number] + steps[number + 1 :]
        if fails(fewer):
            steps = fewer
            number = min(number, len(steps))
    return steps


def run(results: Results, *, seed: int, part: int = 0, of: int = 1, most: int = 0, edits: Iterable[str] = EDITS) -> int:
    """Returns the number of sequences that there are. most: sequences at most."""
    with Harness() as harness:
        world = World(harness, edits)
        mine = range(SEQUENCES)[part::of]
        for number in mine[: most or len(mine)]:
            if results.time_is_up:
                break
            steps = sequence(random.Random(f"{seed}/{number}"))
            where = f"seed {seed}, life {number}"
            wrong = world(steps, results, where)
            if wrong and not most:
                steps = shortest(steps, lambda fewer: bool(world(fewer, Results(), "")))
            said = f"{wrong}\n  the life: {', '.join(map(str, steps))}" if wrong else ""
            results.add(Point("random_sequences", "whole sequences", where, said))
    return SEQUENCES
