"""A link with two AKS clusters, killed between the writes to one of them and to the other, and run again."""

from __future__ import annotations

import pytest
from reliability.call_interceptor import CrashPoint
from reliability.harness import Harness
from reliability.link_kinds import KINDS
from reliability.snapshot import Snapshots, difference

pytestmark = [pytest.mark.slow, pytest.mark.long]
UP = ("up", "--no-verify")
KEY = "cloudlink-demo.server"
TRIES = 5  # a run polls as often as it is slow, so that another one may be over before the call that is to kill it


def patches(harness: Harness) -> list[int]:
    """Numbers of the last run's writes to the two clusters."""
    return harness.writing_calls("PATCH configmaps", "PATCH deployments")[-4:]


def killed(harness: Harness, numbers: list[int], which: int) -> bool:
    """Whether an ``up`` on nothing was killed at one of its writes to the clusters. numbers: of a run before it."""
    for _ in range(TRIES):
        harness.back_to("empty")
        if harness.run(*UP, kill=CrashPoint(numbers[which], 0, "after")).killed:
            return True
        numbers = patches(harness)
    return False


def test_killed_between_two_clusters_and_run_again() -> None:
    kind = KINDS["several AKS clusters"]
    with kind.opened() as harness:
        kind.begin(harness)
        snapshots = Snapshots(harness)
        harness.keep("empty")
        nothing = snapshots.take()
        done = harness.run(*UP)
        assert done.code == 0, str(done)
        numbers = patches(harness)
        harness.settle()
        whole = snapshots.take()
        keys = [m["name"] for m in snapshots.raw()["kube config map"] if KEY in m["data"]]
        assert sorted(keys) == ["coredns-custom", "green/coredns-custom"]
        harness.keep("built")
        for which in (0, 2):
            assert killed(harness, numbers, which)
            again = harness.run(*UP)
            assert again.code == 0, str(again)
            harness.settle()
            assert difference(whole, snapshots.take()) == []
            written = harness.writes()
            assert harness.run(*UP).code == 0 and harness.writes() == written
        harness.back_to("built")
        assert harness.run("teardown").code == 0
        released = harness.writing_calls("PATCH configmaps")[0]
        harness.back_to("built")
        assert harness.run("teardown", kill=CrashPoint(released, 0, "after")).killed
        assert harness.run("teardown").code == 0
        harness.settle()
        assert difference(nothing, snapshots.take()) == []
