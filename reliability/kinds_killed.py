"""Each kind of link killed at every call, run again, also without its state; the world is as if nothing had happened.

As ``kill`` does it for the example, from a recording of an undisturbed run. What does not depend on the kind of link is
tried there alone: the moments of a save, writes in flight, other damage to the state file, kills for real.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from reliability.call_interceptor import CallRecorder
from reliability.kill import TrialRunner, told, trials
from reliability.link_kinds import KINDS, LinkKind
from reliability.recording import Recording
from reliability.results import Point, Results
from reliability.scenarios import OF_EACH_KIND, SCENARIOS

STATES = ("kept", "deleted")
LEAST = 2  # trials of each kind and scenario


def run(
    results: Results,
    *,
    seed: int,
    part: int = 0,
    of: int = 1,
    most: int = 0,
    kinds: Sequence[str] = tuple(KINDS),
    scenarios: Sequence[str] = OF_EACH_KIND,
) -> int:
    """Returns the number of points that there are in this part. most: trials of each kind and scenario; 0: all."""
    there_are = 0
    mine = [KINDS[name] for name in kinds][part::of]
    random.Random(seed).shuffle(mine)  # so that none is always the last one when the time is up
    for number, kind in enumerate(mine):
        if results.time_is_up:
            break
        with results.share(len(mine) - number), kind.opened() as harness:
            kind.begin(harness)
            runner = TrialRunner(harness, kind)
            for n, name in enumerate(scenarios):
                with results.share(len(scenarios) - n):
                    there_are += _killed(results, runner, kind, name, f"{seed}", most)
    return there_are


def _killed(results: Results, runner: TrialRunner, kind: LinkKind, name: str, seed: str, most: int) -> int:
    """One scenario of one kind. A recording takes long, so that some trials are made of each, whatever the time is."""
    every = trials(Recording.of(runner, SCENARIOS[name], CallRecorder), STATES)
    random.Random(f"{seed}/{kind.name}/{name}").shuffle(every)
    for trial in results.in_time(every, most, least=LEAST):
        for point in told(trial.points, runner.attempt(trial)):
            what = f"{kind.name}, {name}, state {trial.state}"
            where = f"{kind.name}/{point.where}"
            results.add(Point("kinds_killed", what, where, point.wrong, f"{kind.name} {point.same}"))
    return sum(len(t.points) for t in every)
