"""Random sequences on a link of any kind: up, another configuration, changes by hand, faults, kills, a lost state file, another
machine, pause, resume, other keys and teardown, in any order. Whatever the sequence was, ``up`` comes to what the configuration
says, and ``teardown`` to what was there before: what others have is as it was, and nothing of ours stays.

A sequence is a list of steps with a seed each, so that one that fails can be made shorter: steps are left out as long as
it still fails, and the shortest one is shown.
"""

from __future__ import annotations

import contextlib
import copy
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from cloudlink_sandbox.faults import Fault
from reliability.call_interceptor import CrashPoint
from reliability.faults import ANY_CALL
from reliability.foreign_objects import ForeignObjects
from reliability.fork_server import Ended, ForkServer
from reliability.harness import Harness
from reliability.kill import by_design
from reliability.link_kinds import BESIDE, EXAMPLE, EXAMPLE_KIND, KINDS, Edits, LinkKind
from reliability.manual_edits import MANUAL_EDITS, ManualEdits
from reliability.results import Point, Results
from reliability.save_hooks import SAVE_MOMENTS
from reliability.snapshot import Snapshots, difference
from reliability.stored_state import ELSEWHERE, READS, WRITES, StoredState, newer

SEQUENCES = 60  # of the example
OF_EACH_KIND = 12
LONGEST = 9
UP, TEARDOWN, RESUME, ROTATE = ("up", "--no-verify"), ("teardown",), ("resume", "--no-verify"), ("rotate-keys", "--yes")
PAUSES = (("pause",), ("pause", "--deep"))
KINDS_OF_STEPS = {
    "up": 4, "edit": 4, "drift": 4, "fault": 4, "kill": 5, "teardown": 2, "lose state": 2, "status": 1,
    "pause": 1, "resume": 1, "rotate keys": 1, "other machine": 1, "foreign object": 1,
}  # fmt: skip
"""With how often each is chosen."""
NO_MORE: dict[str, int] = {}
OF_A_STORE = {"lock left": 2, "two at once": 2, "store denies": 3, "newer state": 2}
"""Steps where the state lies in an object store."""
# What a run may end with while a fault, or what an earlier kill left, is in its way. Never 1: that is a traceback.
STOPS = (0, 4, 5, 6, 8, 9)
KEPT_ADDRESSES = re.compile(r"~ azure resource .*/virtualNetworkGateways/shared.*customBgpIpAddresses", re.DOTALL)
OF_A_CLUSTER_BESIDE = re.compile(rf"[-+~] kube .*\b({'|'.join(BESIDE)})/", re.DOTALL)
REFUSED = (2, 3)  # a command that such a link does not have, and one that a paused link does not take


@dataclass(frozen=True)
class Step:
    kind: str
    seed: int

    def __str__(self) -> str:
        return f"{self.kind} {self.seed}"


def sequence(rng: random.Random, longest: int, more: dict[str, int] = NO_MORE) -> list[Step]:
    """more: kinds of steps beside those of every link."""
    weights = {**KINDS_OF_STEPS, **more}
    kinds = rng.choices(list(weights), list(weights.values()), k=rng.randint(4, max(4, longest)))
    return [Step(kind, rng.randrange(10**6)) for kind in kinds]


class World:
    """One harness and one kind of link, and what each configuration comes to when nobody disturbs it. second: another process
    that runs commands, for kinds whose state lies in a store."""

    def __init__(
        self, harness: Harness, edits: Edits, kind: LinkKind | None = None, second: ForkServer | None = None
    ) -> None:
        self.harness = harness
        self.edits = edits
        self.kind = replace(kind or EXAMPLE, edits=edits)
        self.second = second
        self.stored = StoredState(harness, self.kind.store) if self.kind.store else None
        self.kind.begin(harness)
        self.snapshots = Snapshots(harness)
        self.known = frozenset(self.snapshots.known)
        self.hands = ManualEdits(harness, self.snapshots)
        harness.keep("empty")
        self.nothing = self.snapshots.take()
        self.wanted: dict[str, list[str]] = {}
        self.like: dict[str, Any] = {}
        for name in self.edits:
            harness.back_to("empty")
            self.edit(name)
            made = harness.run(*UP)
            assert made.code == 0, f"{name}: {made}"
            harness.settle()
            self.wanted[name] = self.snapshots.take()
            with harness.sandbox.context.lock:
                self.like = self.like or copy.deepcopy(dict(harness.sandbox.azure.store.resources))

    def edit(self, name: str) -> None:
        self.kind.edit(self.harness, name)
        self.edited = name

    def __call__(self, steps: list[Step], results: Results, where: str) -> str:
        """Live it; the first thing that is wrong, else empty."""
        self.harness.back_to("empty")
        self.edit(next(iter(self.edits)))
        self.snapshots.known = self.hands.known = set(self.known)
        self.lost = False  # whether a state file went while something stood
        self.ever_lost = False  # whether one did at any time
        self.unnamed = False  # whether a customer gateway went, whose tags say which addresses were added
        self.names_off = False  # whether the VPC's owner wants it without host names, as it then is after a teardown
        self.theirs = Counter[str]()  # what others have made in this life
        self.away: dict[str, bytes] = {}  # the state folder of the other machine
        self.tagged = False  # whether somebody else's object has a tag that a teardown names
        acts: dict[str, Callable[[random.Random], str]] = {
            "edit": self._edit, "drift": self._drift, "fault": self._fault, "kill": self._kill,
            "lose state": self._lose_state, "status": self._status, "pause": self._pause, "resume": self._resume,
            "rotate keys": self._rotate_keys, "other machine": self._other_machine,
            "foreign object": self._foreign_object, "lock left": self._lock_left, "two at once": self._two_at_once,
            "store denies": self._store_denies, "newer state": self._newer_state,
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
        if ended.code == 3 and "paused" in ended.out + ended.err:
            ended = self.harness.run(*RESUME)
            if ended.code == 0:  # what else the configuration says now
                ended = self.harness.run(*UP)
        self.harness.settle()
        different = difference(self._with_theirs(self.wanted[self.edited]), self.snapshots.take())
        yield "up comes to what the configuration says", _ended(ended) or self._told(different)
        yield "a further up writes nothing", self._writes_nothing(UP)

    def _teardown(self) -> Iterable[tuple[str, str]]:
        ended = self.harness.run(*TEARDOWN)
        self.harness.settle()
        left = self.snapshots.take()
        nothing = self._with_theirs(self.nothing)
        different = difference(self._without_names(nothing) if self.names_off else nothing, left)
        if self.ever_lost and self.unnamed:  # whose the addresses on a gateway were went with both
            different = [d for d in different if not (KEPT_ADDRESSES.match(d) and _named(ended))]
        if self.lost:  # the notes of what shared objects were like before went with the state file
            different = [d for d in different if not d.startswith(("~ aws vpc", "- aws vpc", "+ aws vpc"))]
            self.names_off = not set(self.nothing) >= {line for line in left if self._is_of_the_vpc(line)}
        ends = 8 if self.tagged else 0
        yield "teardown comes to what was there before", _ended(ended, ends) or self._told(different) or self._stays()
        yield "a further teardown writes nothing", self._writes_nothing(TEARDOWN, ends)
        self.lost = False

    def _stays(self) -> str:
        left = self.stored.left() if self.stored else []
        return f"left in the store: {left}" if left else ""

    def _with_theirs(self, lines: list[str]) -> list[str]:
        """A world with what others have made in this life."""
        return sorted((Counter(lines) + self.theirs).elements())

    def _is_of_the_vpc(self, line: str) -> bool:
        return line.startswith("aws vpc ") and self.harness.link.aws.vpc_id in line

    def _without_names(self, lines: list[str]) -> list[str]:
        on = '"enableDnsHostnames": {"Value": true}'
        off = on.replace("true", "false")
        return [line.replace(on, off) if self._is_of_the_vpc(line) else line for line in lines]

    def _told(self, different: list[str]) -> str:
        if self.lost:
            different = [d for d in different if not by_design(d)]
        if self.ever_lost:  # which clusters the configuration named before went with the state file
            different = [d for d in different if not OF_A_CLUSTER_BESIDE.match(d)]
        return "\n".join(["the world differs:", *(d[:700] for d in different)]) if different else ""

    def _writes_nothing(self, command: tuple[str, ...], ends: int = 0) -> str:
        before = self.harness.writes()
        ended = self.harness.run(*command)
        if self.harness.writes() == before:
            return _ended(ended, ends)
        return f"it wrote {self.harness.written()[before:]}"

    # --- what happens in a life -------------------------------------------------------------------------

    def _edit(self, rng: random.Random) -> str:
        self.edit(rng.choice(list(self.edits)))
        return ""

    def _drift(self, rng: random.Random) -> str:
        name = rng.choice(MANUAL_EDITS)
        with contextlib.suppress(ClientError):  # a cloud would not let it be done just now
            getattr(self.hands, name)(rng)
            self.names_off = self.names_off or name == "the_vpc_forgets_names"
            self.unnamed = self.unnamed or name == "a_customer_gateway_goes"
        return ""

    def _fault(self, rng: random.Random) -> str:
        """A fault at some call of a run; the run may stop, with a code that says so."""
        kind = rng.choice(ANY_CALL)
        self.harness.sandbox.context.faults.add(Fault(kind, "*", times=rng.choice((1, 1, 3)), skip=rng.randrange(90)))
        command = rng.choice((UP, UP, TEARDOWN))
        ended = self.harness.run(*command)
        self.harness.sandbox.context.faults.clear()
        self.harness.settle()
        return self._stopped(command, ended) and f"{kind}: {ended}"

    def _stopped(self, command: tuple[str, ...], ended: Ended) -> str:
        """Wrong is a code that says nothing of what stopped it, and a traceback."""
        refused = REFUSED if command != TEARDOWN else ()
        held = ended.code in (*self._stops, *refused) and "Traceback" not in ended.err
        return "" if held else f"{' '.join(command)}: {ended}"

    @property
    def _stops(self) -> tuple[int, ...]:
        return (*STOPS, 7) if self.stored else STOPS  # a store is asked as any cloud is, and stops a run as a disk does

    def _order(self, *command: str) -> str:
        """It may be refused, and must not have failed."""
        ended = self.harness.run(*command)
        self.harness.settle()
        return self._stopped(command, ended)

    def _pause(self, rng: random.Random) -> str:
        return self._order(*rng.choice(PAUSES))

    def _resume(self, rng: random.Random) -> str:
        return self._order(*RESUME)

    def _rotate_keys(self, rng: random.Random) -> str:
        return self._order(*ROTATE)

    def _other_machine(self, rng: random.Random) -> str:
        """Somebody goes on from a folder of his own, in which the state file is missing or of an earlier day."""
        here = {path.name: path.read_bytes() for path in self.harness.home.glob("*.state.json*")}
        for name in here:
            (self.harness.home / name).unlink()
        for name, content in self.away.items():
            (self.harness.home / name).write_bytes(content)
            (self.harness.home / name).chmod(0o600)
        self.away = here
        self.lost = self.ever_lost = True
        return ""

    def _foreign_object(self, rng: random.Random) -> str:
        """Something that stands beside everything else; its ids are compared as they are from now on."""
        before = Counter(self.snapshots.take())
        foreign = ForeignObjects(self.harness, self.snapshots, rng, self.like)
        with contextlib.suppress(ClientError):
            rng.choice(foreign.late)()
        self.harness.settle()
        self.tagged = self.tagged or foreign.link_tagged
        now = Counter(self.snapshots.take())
        self.theirs.update(now)
        self.theirs.subtract(before)  # what was changed is another line from now on
        return ""

    def _kill(self, rng: random.Random) -> str:
        command = rng.choice((UP, UP, UP, TEARDOWN, TEARDOWN, RESUME, ROTATE, *PAUSES))
        if rng.random() < 0.6:
            place = CrashPoint(rng.randint(1, 110), 0, rng.choice(("before", "after")))
        else:
            place = CrashPoint(0, rng.randint(1, 40), rng.choice(SAVE_MOMENTS))
        ended = self.harness.run(*command, kill=place)
        if rng.random() < 0.7:  # else the next run finds everything in the middle of it
            self.harness.settle()
        return "" if ended.killed else self._stopped(command, ended)

    def _lose_state(self, rng: random.Random) -> str:
        if self.stored:
            return self._lose_stored(rng, self.stored)
        state, previous = self.harness.state, self.harness.previous
        how = rng.choice(("deleted", "deleted with the previous one", "cut in half", "previous restored"))
        self.lost = self.lost or state.exists()
        self.ever_lost = self.ever_lost or self.lost
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

    # --- a state in a store -----------------------------------------------------------------------------

    def _lose_stored(self, rng: random.Random, stored: StoredState) -> str:
        """Deleted by hand, damaged, or an earlier version put back."""
        versions, how = stored.versions(), rng.choice(("deleted", "cut in half", "an earlier version"))
        if not versions:
            return ""
        self.lost = self.ever_lost = True
        if how == "an earlier version":
            stored.put(rng.choice(versions))
            return ""
        if how == "cut in half":
            half = versions[-1][: len(versions[-1]) // 2]
            stored.put(half)
            if wrong := self._refused(rng, "a state that was cut in half"):
                return wrong
            if stored.versions()[-1] != half:
                return "a state that was cut in half was written over"
        stored.remove()
        return ""

    def _refused(self, rng: random.Random, what: str, *words: str) -> str:
        """Code 7, before anything is written to a cloud."""
        before = self.harness.writes()
        ended = self.harness.run(*rng.choice((UP, TEARDOWN)))
        told = " ".join((ended.err + ended.out).split())
        held = ended.code == 7 and self.harness.writes() == before and all(word in told for word in words)
        return "" if held else f"{what}: {ended}"

    def _newer_state(self, rng: random.Random) -> str:
        """A colleague has a later cloudlink."""
        if self.stored is None or not (versions := self.stored.versions()):
            return ""
        later = newer(versions[-1])
        self.stored.put(later)
        wrong = self._refused(rng, "a state of a newer version", "format 99")
        if not wrong and self.stored.versions()[-1] != later:
            wrong = "a state of a newer version was written over"
        self.stored.put(versions[-1])
        return wrong

    def _lock_left(self, rng: random.Random) -> str:
        """Another machine has died with the lock: nobody works until a person takes it away."""
        if self.stored is None or not self.stored.lock_from_elsewhere():
            return ""
        if wrong := self._refused(rng, "a lock of another machine", ELSEWHERE, "colleague", "cloudlink unlock"):
            return wrong
        unlocked = self.harness.run("unlock", "--yes")
        return f"unlock: {unlocked}" if unlocked.code else ""

    def _two_at_once(self, rng: random.Random) -> str:
        """A second command on this machine while the first works: one of them is refused, or they follow each other."""
        if self.stored is None or self.second is None:
            return ""
        commands = [rng.choice((UP, TEARDOWN)) for _ in range(2)]
        self.harness.fork_server.begin(self.harness.order(*commands[0]))
        self.second.begin(self.harness.order(*commands[1], fork_server=self.second))
        self.harness.fork_server.go()
        time.sleep(rng.random())
        self.second.go()
        ended = self.harness.fork_server.end(), self.second.end()
        self.harness.settle()
        wrong = [w for command, e in zip(commands, ended, strict=True) if (w := self._stopped(command, e))]
        return "\n".join(wrong)

    def _store_denies(self, rng: random.Random) -> str:
        """A role or a policy is changed while a run works: what cannot be written down is not done."""
        if self.stored is None:
            return ""
        call = rng.choice((WRITES, WRITES, READS))[self.stored.scheme]
        self.harness.sandbox.context.faults.add(Fault("denied", call, times=200, skip=rng.randrange(40)))
        command = rng.choice((UP, TEARDOWN))
        ended = self.harness.run(*command)
        self.harness.sandbox.context.faults.clear()
        self.harness.settle()
        return self._stopped(command, ended) and f"{call} denied: {ended}"

    def _status(self, rng: random.Random) -> str:
        before = self.harness.writes()
        ended = self.harness.run(*rng.choice((("status",), ("plan",))))
        if self.harness.writes() != before:
            return f"a command that only looks wrote: {ended}"
        return "" if ended.code in (*self._stops, *REFUSED) else str(ended)


def _named(ended: Ended) -> bool:
    """Whether a teardown says which custom addresses it leaves."""
    return "stay among the custom BGP addresses" in re.sub(r"\s+", " ", ended.out)


def _ended(ended: Ended, code: int = 0) -> str:
    return "" if ended.code == code else f"it ended with {ended}"


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


def run(
    results: Results,
    *,
    seed: int,
    part: int = 0,
    of: int = 1,
    most: int = 0,
    kinds: Sequence[str] = (EXAMPLE_KIND, *KINDS),
    configurations: int = 0,
    longest: int = LONGEST,
) -> int:
    """Returns the number of sequences that there are. most: sequences of each kind at most. configurations: of each kind at
    most; 0: all. longest: steps of a sequence at most."""
    there_are, mine = lives(kinds, SEQUENCES, OF_EACH_KIND, part, of)
    for left, (name, numbers) in enumerate(mine):
        if results.time_is_up:
            break
        with results.share(len(mine) - left):
            for world, number in _worlds(name, configurations or None, results.in_time(numbers, most, least=1)):
                own = f"{seed}/{number}" if name == EXAMPLE_KIND else f"{seed}/{name}/{number}"
                steps = sequence(random.Random(own), longest, OF_A_STORE if world.stored else NO_MORE)
                where = f"seed {seed}, {name}, life {number}"
                wrong = world(steps, results, where)
                if wrong and not most:
                    steps = shortest(steps, lambda fewer, world=world: bool(world(fewer, Results(), "")))
                said = f"{wrong}\n  the life: {', '.join(map(str, steps))}" if wrong else ""
                results.add(Point("random_sequences", f"whole sequences: {name}", where, said))
    return there_are


def lives(
    kinds: Sequence[str], of_the_example: int, of_each_kind: int, part: int, of: int
) -> tuple[int, list[tuple[str, list[int]]]]:
    """How many lives there are, and those of this part by kind. The example's are shared out among the parts; each other kind
    is led by one of them, since its world takes as long to make as some lives."""
    others = [kind for kind in kinds if kind != EXAMPLE_KIND]
    mine = [(EXAMPLE_KIND, list(range(part, of_the_example, of)))] if EXAMPLE_KIND in kinds else []
    mine += [(kind, list(range(of_each_kind))) for kind in others[part::of]]
    return of_the_example * (EXAMPLE_KIND in kinds) + of_each_kind * len(others), mine


def _worlds(name: str, configurations: int | None, numbers: Iterable[int]) -> Iterator[tuple[World, int]]:
    kind = KINDS.get(name, EXAMPLE)
    edits = dict(islice(kind.edits.items(), configurations))
    second = ForkServer() if kind.store else None  # before there are threads
    with kind.opened() as harness:
        world = World(harness, edits, kind, second)
        for number in numbers:
            yield world, number
    if second:
        second.stop()
