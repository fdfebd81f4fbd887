"""Every fault at every kind of call: cloudlink gets over it, or stops with one message and the right code, and goes on
later.

A fault is tried at each operation on each kind of object, in each phase of a run (looking, working, verifying), not at
each single call: the second look at a route table is the same code as the first. What is left by a run that a fault
stopped is compared (``crash_state.py``): where nothing was changed, running again is the undisturbed run.
"""

from __future__ import annotations

import math
import random
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cloudlink_sandbox.aws.resolver import endpoints_of
from cloudlink_sandbox.aws.timeline import Timeline
from cloudlink_sandbox.faults import Fault
from cloudlink_sandbox.process import Sandbox
from reliability.crash_state import CrashState
from reliability.fork_server import Ended
from reliability.harness import SPEED, Harness
from reliability.kill import TrialRunner
from reliability.results import Point, Results
from reliability.scenarios import SCENARIOS, Scenario
from reliability.snapshot import difference

MINUTES = 180.0  # sandbox seconds that a lasting fault lasts


@dataclass(frozen=True)
class Kind:
    """fault: of the sandbox. codes: with which a run may end that met it. times: calls that it hits; None: all of that
    kind from the first on, until the run has ended or MINUTES have passed. where: which calls it is tried at."""

    title: str
    fault: str
    codes: tuple[int, ...]
    times: int | None = 1
    minutes: bool = False
    where: str = "all"  # all, writes, azure writes, long operations, or each cloud once a phase

    def fits(self, call: dict[str, Any]) -> bool:
        if self.where in ("all", "clouds"):
            return True
        method = call["operation"].split(" ")[0]
        if self.where == "long operations":
            return call["operation"] in LONG or (call["cloud"] == "azure" and method in ("PUT", "DELETE"))
        return bool(call["writes"]) and (self.where == "writes" or call["cloud"] == "azure")


KINDS = {
    "throttled": Kind("throttled once", "throttled", (0,)),
    "error": Kind("answered 5xx", "error", (0, 5)),
    "cut-before": Kind("connection cut before the effect", "cut-before", (0, 5)),
    "cut-after": Kind("connection cut after the effect", "cut-after", (0, 5)),
    "garbage": Kind("answer cannot be parsed", "garbage", (0, 5)),
    "expired": Kind("credentials expired and renewed", "expired", (0, 4)),
    "denied": Kind("permission missing", "denied", (0, 4, 5), times=None),
    "not-renewed": Kind("credentials expired and not renewed", "expired", (4,), times=None, where="clouds"),
    "throttled-long": Kind("throttled for minutes (429)", "throttled", (0,), None, minutes=True, where="writes"),
    "busy-long": Kind("another operation for minutes (409)", "busy", (0,), None, minutes=True, where="azure writes"),
    "error-long": Kind("answered 5xx for minutes", "error", (0, 5, 6), None, minutes=True, where="clouds"),
    "cut-long": Kind("no cloud answers for minutes", "cut-before", (0, 5, 6), None, minutes=True, where="clouds"),
    "fails": Kind("asynchronous operation fails", "operation-fails", (0, 5, 8), where="long operations"),
    "hangs": Kind("asynchronous operation never ends", "operation-hangs", (0, 6, 8), where="long operations"),
}
ANY_CALL = tuple(dict.fromkeys(kind.fault for kind in KINDS.values() if kind.where == "all"))
"""Faults that any call can meet."""
LONG = frozenset(
    ("CreateVpnConnection", "DeleteVpnConnection", "ModifyVpnTunnelOptions", "CreateCustomerGateway",
     "DeleteCustomerGateway", "AttachVpnGateway", "DetachVpnGateway", "CreateResolverEndpoint",
     "UpdateResolverEndpoint", "DeleteResolverEndpoint")
)  # fmt: skip
"""AWS's operations that answer before they have ended."""
SCENARIO_NAMES = ("fresh", "changed", "drifted", "teardown", "verify-dns")
LAG = "reads lag"
LAGS = (5.0, 12.0, 25.0)  # sandbox seconds


@dataclass(frozen=True)
class Trial:
    """place: the calls that are hit; after: so many of them are let through first. where: what is tried, the same in
    every run, whichever of the calls is drawn and in whichever scenario."""

    where: str
    scenario: str
    phase: str
    kind: str
    place: str
    after: int

    def is_of(self, part: int, parts: int) -> bool:
        """Workers look for themselves, and what they see differs a little: only the name decides whose it is."""
        return zlib.crc32(self.where.encode()) % parts == part


class FaultRunner(TrialRunner):
    def __init__(self, harness: Harness) -> None:
        super().__init__(harness)
        self._marks: dict[str, str] = {}

    def _begin(self, world: str) -> str:
        """Take the world up; what its crash state is called."""
        self.harness.back_to(world)
        return self._marks.get(world) or self._marks.setdefault(world, CrashState.take(self.harness).mark)

    def trials(self, seed: int, scenarios: tuple[str, ...] = SCENARIO_NAMES) -> list[Trial]:
        """All there are, shuffled. What several scenarios of one command have in common is tried in one of them."""
        chance, found = random.Random(seed), dict[str, Trial]()
        for name in scenarios:
            self.measure(SCENARIOS[name])
            for trial in self._of_scene(name, chance):
                found.setdefault(trial.where, trial)
        return chance.sample(list(found.values()), len(found))

    def _of_scene(self, name: str, chance: random.Random) -> Iterator[Trial]:
        scenario, calls = SCENARIOS[name], self.journals[name]
        for phase, part in phases(calls).items():
            places: dict[str, list[int]] = {}
            for at in part:
                places.setdefault(place_of(calls[at]), []).append(at)
            for kind_name, kind in KINDS.items():
                for place, ats in places.items():
                    if not kind.fits(calls[ats[0]]):
                        continue
                    if kind.where == "clouds":  # the whole cloud from there on
                        place = f"{place.partition('.')[0]}.*"
                    at = chance.choice(ats)
                    after = sum(Fault("slow", place).matches(exact(c)) for c in calls[:at])
                    where = f"{scenario.command[0]}/{phase}/{kind_name}/{place}"
                    yield Trial(where, name, phase, kind_name, place, after)
        for lag in LAGS:
            yield Trial(f"{name}/{LAG}/{lag:.0f} s", name, "all", LAG, f"{lag:.0f} s", 0)

    def attempt_fault(self, trial: Trial) -> Point:
        scenario = SCENARIOS[trial.scenario]
        if trial.kind == LAG:
            return self._with_lag(trial, scenario)
        kind, after, fault = KINDS[trial.kind], trial.after, Fault("slow", "")
        ended: Ended | None = None
        while not (fault.hits or _reviewed(fault, ended)):  # runs differ by some looks: one not made cannot be hit
            assert after >= 0, f"no call was hit: {trial}\n  the run: {ended}"
            began = self._begin(scenario.world)
            fault = self.harness.sandbox.context.faults.add(Fault(kind.fault, trial.place, kind.times, skip=after))
            ended = self._meet(scenario.command, fault, MINUTES if kind.minutes else None)
            after -= max(1, after // 4)
        assert ended is not None
        self.harness.sandbox.context.faults.clear()
        self._the_clouds_give_up()
        wrong = self._first(
            kind, ended, signs_in=trial.place.startswith("entra."), verifies=trial.phase == "verifying"
        ) or self._then(scenario, began)
        said = f"{wrong}\n  {trial}\n  hit {fault.hits} times\n  first run: {ended}" if wrong else ""
        return Point("faults", kind.title, trial.where, said)

    def _meet(self, command: tuple[str, ...], fault: Fault, seconds: float | None) -> Ended:
        """seconds: the fault stays for that long from its first hit on."""
        over = threading.Event()

        def end() -> None:
            while not fault.hits and not over.wait(0.005):
                pass
            over.wait((seconds or 0.0) / SPEED)
            fault.times = fault.hits

        thread = threading.Thread(target=end, daemon=True)
        if seconds is not None:
            thread.start()
        ended = self.harness.run(*command)
        over.set()
        if seconds is not None:
            thread.join()
        return ended

    def _with_lag(self, trial: Trial, scenario: Scenario) -> Point:
        """Reads that do not ask for ids show an object so many seconds late."""
        takes = self.harness.sandbox.context.durations.overrides
        typical_seconds = {kind: takes[kind] for kind in ("aws.lag.lists", "aws.lag.tags")}
        began = self._begin(scenario.world)
        takes |= dict.fromkeys(typical_seconds, float(trial.place.split()[0]))
        try:
            ended = self.harness.run(*scenario.command)
            wrong = self._first(Kind(LAG, "", (0,)), ended) or self._then(scenario, began)
        finally:
            takes |= typical_seconds
        return Point("faults", LAG, trial.where, f"{wrong}\n  first run: {ended}" if wrong else "")

    def _the_clouds_give_up(self) -> None:
        """An operation that would never end is ended by the cloud itself some day."""
        sandbox = self.harness.sandbox
        with sandbox.context.lock:
            now = sandbox.context.clock.now()
            for operation in sandbox.azure.store.operations.values():
                operation.ends_at = now if operation.ends_at == math.inf else operation.ends_at
            for sequence in _lives(sandbox):
                sequence.steps = [(state, now if start == math.inf else start) for state, start in sequence.steps]

    def _first(self, kind: Kind, ended: Ended, *, signs_in: bool = False, verifies: bool = False) -> str:
        """signs_in: the fault was met by a sign-in, which then has failed (4), whatever it was. verifies: all is done;
        a check for which the permission is missing has failed, and is named (8)."""
        if "Traceback" in ended.err + ended.out:
            return "a traceback"
        unchecked = verifies and kind.fault == "denied" and "A permission is missing" in ended.out
        if ended.code not in (*kind.codes, *((4,) if signs_in else ()), *((8,) if unchecked else ())):
            return f"ended with {ended.code}, not one of {kind.codes}"
        if ended.code and not ended.err.strip() and "Error" not in ended.out:
            return "stopped without a word"
        return ""

    def _then(self, scenario: Scenario, began: str) -> str:
        """Run again, unless the first run has changed nothing, or has come to the wanted end by itself."""
        self.harness.settle()
        left = CrashState.take(self.harness)
        if left.mark == began:
            return ""
        if f"{scenario.after} {left.mark_without_ids}" not in self._quiet:
            again = self.harness.run(*scenario.again)
            if again.code:
                return f"run again: {again}"
            self.harness.settle()
        different = difference(self.wanted[scenario.name], self.snapshots.take())
        if different:
            return "the world differs:\n" + "\n".join(line[:700] for line in different)
        return self.nothing_left(scenario)


def _lives(sandbox: Sandbox) -> Iterator[Timeline]:
    """Of everything in AWS that takes its time."""
    for store in sandbox.aws.networks():
        for book in (store.vpn_connections, store.vpn_gateways, store.customer_gateways):
            yield from (thing.life for thing in book.values())
        for gateway in store.vpn_gateways.values():
            yield from gateway.attachments.values()
        for endpoint in endpoints_of(store.account_id, store.region_name).values():
            yield endpoint.life
            yield from (address.life for address in endpoint.addresses)


def _reviewed(fault: Fault, ended: Ended | None) -> bool:
    """Whether the plan told of the missing permission, so that the call was not made: clouds and clusters are asked
    beforehand what they would allow."""
    return fault.kind == "denied" and ended is not None and ended.code in (3, 4, 5)


# --- which calls there are ----------------------------------------------------------------------------------


def phases(calls: list[dict[str, Any]]) -> dict[str, range]:
    """looking: before the first write; working: until the last; verifying: after it. A probe's pod verifies."""
    writes = [i for i, c in enumerate(calls) if c["writes"] and "pods" not in c["operation"]]
    if not writes:
        return {"verifying": range(len(calls))}
    return {
        "looking": range(writes[0]),
        "working": range(writes[0], writes[-1] + 1),
        "verifying": range(writes[-1] + 1, len(calls)),
    }


def exact(call: dict[str, Any]) -> str:
    """Where faults strike this call, as the sandbox names it."""
    if call["cloud"] == "aws":
        return f"aws.{call['operation']}"
    cloud = "kube" if call["cloud"] in ("aks", "eks") else call["cloud"]
    method, _, kind = call["operation"].partition(" ")
    kind, _, part = kind.partition("/")
    return f"{cloud}.{method}:" + "/".join(word for word in (kind, call["target"], part) if word)


def place_of(call: dict[str, Any]) -> str:
    """The same for all objects of the kind."""
    return exact({**call, "target": "*"} if call["target"] else call)


def run(
    results: Results,
    *,
    seed: int,
    part: int = 0,
    of: int = 1,
    most: int = 0,
    scenarios: tuple[str, ...] = SCENARIO_NAMES,
) -> int:
    with Harness() as harness:
        runner = FaultRunner(harness)
        trials = runner.trials(seed, scenarios)
        mine, done = [t for t in trials if t.is_of(part, of)], results.done
        for trial in results.in_time(mine, most):
            if trial.where not in done:
                results.add(runner.attempt_fault(trial))
        return len(trials)
