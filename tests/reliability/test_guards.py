"""A life for each guard, and objects of others with exactly our names: what draws meet seldom, in every run of CI. Which
breakage each of them catches: ``proofs`` in bench/breakages.toml."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from reliability.guards import LIVES, Guards
from reliability.harness import Harness
from reliability.results import Results
from reliability.same_names import CASES, ELSEWHERE, NONE

from reliability import same_names

pytestmark = pytest.mark.slow

# One of each kind of place and of marks; the whole is `just reliability same_names`.
DRAWN = (
    ("zone elsewhere", ELSEWHERE),
    ("customer gateway", ELSEWHERE),
    ("local gateway", NONE),
    ("name in adopted zone", NONE),
    ("owner record in adopted zone", NONE),
    ("longer owner record", ELSEWHERE),
    ("our key", NONE),
    ("broken key", NONE),
)


@pytest.fixture(scope="module")
def guards() -> Iterator[Guards]:
    with Harness() as harness:
        yield Guards(harness)


@pytest.mark.parametrize("life", LIVES)
def test_a_guard_holds(guards: Guards, life: str) -> None:
    assert not LIVES[life](guards)


def test_an_object_of_our_name_is_left_alone() -> None:
    only = tuple(case for case in CASES if (case.kind.replace("_", " "), case.marks) in DRAWN)
    assert len(only) == len(DRAWN)
    results = Results()
    same_names.run(results, seed=1, only=only)
    assert not results.failed, "\n\n".join(f"{p.what}, {p.where}:\n{p.wrong}" for p in results.failed)
    assert len(results.points) >= 6 * len(only)
