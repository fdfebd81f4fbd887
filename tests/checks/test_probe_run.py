"""One run of the probe against a cluster that answers from a table: what is asked of it, what is tried again, what is left."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from cloudlink.checks.names.answers import ProbeFacts, Question
from cloudlink.checks.names.probe import Probe
from cloudlink.checks.names.script import MARK
from cloudlink.clouds.kube.errors import KubeApiError
from cloudlink.core.polling import Stopped
from cloudlink.errors import CloudError, UnreachableError
from cloudlink.link import Link, ProbeSettings
from tests.support.aws_sandbox import aws_link
from tests.support.clocks import FakeClock

START = 1_800_000_000.0
RESULT = MARK + json.dumps({"servers": ["10.0.0.10"], "search": [], "names": []})
BUSY = KubeApiError(429, "TooManyRequests", "later", "POST pods", 3.0)
BROKEN = KubeApiError(503, "ServiceUnavailable", "no etcd", "GET pods")
DENIED = KubeApiError(403, "Forbidden", "no", "GET pods")
GONE = UnreachableError("The cluster cannot be reached", "connection refused")
SUCCEEDED = {"phase": "Succeeded"}
Answer = Any  # what a call returns, or the error that it raises


class Cluster:
    """Each call answers with the next of its answers, the last one for ever."""

    kind, name, context = "aks", "test", "test"

    def __init__(self, **answers: list[Answer]) -> None:
        self.answers: dict[str, list[Answer]] = {
            "pods": [[]],
            "create_pod": [{"phase": "Pending"}],
            "pod": [SUCCEEDED],
            "pod_log": [RESULT],
            "delete_pod": [True],
            **answers,
        }
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self.__dict__["answers"]:
            raise AttributeError(name)

        def call(*arguments: Any, container: str = "") -> Any:
            self.calls.append((name, (*arguments, container) if container else arguments))
            told = self.answers[name]
            answer = told.pop(0) if len(told) > 1 else told[0]
            if isinstance(answer, Exception):
                raise answer
            if name == "create_pod":
                return {"metadata": arguments[1]["metadata"], "status": answer}
            return {"metadata": {"name": arguments[1]}, "status": answer} if name == "pod" else answer

        return call

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for called, arguments in self.calls if called == name]


def link(name: str = "demo") -> Link:
    return dataclasses.replace(aws_link(), name=name, probe=ProbeSettings("registry.example/py:3.12", "tools"))


def probe(
    cluster: Cluster, clock: FakeClock | None = None, *, told: list[str] | None = None, name: str = "demo"
) -> Probe:
    tell = told.append if told is not None else lambda _: None
    return Probe(link(name), cluster, clock or FakeClock(START), tell)  # type: ignore[arg-type]


def run(cluster: Cluster, clock: FakeClock | None = None, **more: Any) -> ProbeFacts:
    return probe(cluster, clock, **more).run([Question("a.corp.example")], [])


# --- a run that goes well -----------------------------------------------------------------------------------


def test_one_pod_is_made_read_and_removed() -> None:
    cluster = Cluster()
    assert run(cluster).servers == ("10.0.0.10",)
    ((namespace, body),) = cluster.of("create_pod")
    name = body["metadata"]["name"]
    assert namespace == "tools"
    assert cluster.of("pod") == [("tools", name)]
    assert cluster.of("pod_log") == [("tools", name, "probe")]
    assert cluster.of("delete_pod") == [("tools", name)]


@pytest.mark.parametrize("name", ["demo", "x" * 80, "y" * 39 + "-" + "z" * 20, "a" * 39 + "." + "b" * 20])
def test_a_pods_name_is_one_that_kubernetes_takes(name: str) -> None:
    cluster = Cluster()
    run(cluster, name=name)
    made = cluster.of("create_pod")[0][1]["metadata"]["name"]
    assert made.startswith(f"cloudlink-probe-{name}"[:40])
    assert len(made) <= 63
    head, _, suffix = made.rpartition("-")
    assert len(suffix) == 6
    assert head[-1] not in "-."


def test_no_two_runs_use_one_name() -> None:
    clusters = [Cluster(), Cluster()]
    for cluster in clusters:
        run(cluster)
    first, second = (c.of("create_pod")[0][1]["metadata"]["name"] for c in clusters)
    assert first != second


def test_the_user_is_told_each_state_of_the_pod() -> None:
    told: list[str] = []
    run(Cluster(pod=[{"phase": "Running"}, SUCCEEDED]), told=told)  # the first is the create's own answer
    assert told == ["pod Pending", "pod Running", "pod Succeeded"]


# --- what passes is tried again -----------------------------------------------------------------------------


@pytest.mark.parametrize("passing", [BROKEN, GONE, KubeApiError(429, "TooManyRequests", "later", "GET pods", 1.0)])
@pytest.mark.parametrize("call", ["pods", "pod", "pod_log", "delete_pod"])
def test_a_call_that_fails_in_passing_is_made_again(call: str, passing: Exception) -> None:
    good = Cluster().answers[call]
    cluster = Cluster(**{call: [passing, *good]})
    assert run(cluster).servers == ("10.0.0.10",)
    assert len(cluster.of(call)) == 2


@pytest.mark.parametrize("call", ["pods", "create_pod", "pod", "pod_log", "delete_pod"])
def test_a_refusal_ends_the_run(call: str) -> None:
    cluster = Cluster(**{call: [DENIED]})
    with pytest.raises(KubeApiError) as caught:
        run(cluster)
    assert caught.value is DENIED
    assert len(cluster.of(call)) == 1


def test_a_cluster_that_is_too_busy_to_make_the_pod_is_waited_for_and_that_is_told() -> None:
    told: list[str] = []
    cluster = Cluster(create_pod=[BUSY, BUSY, {}])
    run(cluster, told=told)
    assert len(cluster.of("create_pod")) == 3
    assert told[:2] == ["waiting: the cluster is asked too often"] * 2


def test_a_cluster_that_stays_too_busy_is_given_up_after_a_quarter_of_an_hour() -> None:
    clock = FakeClock(START)
    with pytest.raises(KubeApiError):
        run(Cluster(create_pod=[BUSY]), clock)
    assert 900 <= clock.now() - START < 960


@pytest.mark.parametrize("lost", [KubeApiError(500, "InternalError", "timed out", "POST pods"), GONE])
def test_a_create_of_unknown_outcome_is_not_sent_again_and_its_pod_is_removed(lost: Exception) -> None:
    told: list[str] = []
    cluster = Cluster(create_pod=[lost])
    with pytest.raises(type(lost)):
        run(cluster, told=told)
    assert len(cluster.of("create_pod")) == 1
    assert len(cluster.of("delete_pod")) == 1
    assert told == []


# --- removal ------------------------------------------------------------------------------------------------


def test_a_pod_that_cannot_be_removed_is_left_to_the_next_run() -> None:
    cluster, clock = Cluster(delete_pod=[GONE]), FakeClock(START)
    assert run(cluster, clock).servers
    assert len(cluster.of("delete_pod")) == 3
    assert clock.waits[-3:] == [2, 2, 2]


def test_the_pod_is_removed_when_the_run_is_stopped() -> None:
    clock = FakeClock(START)
    cluster = Cluster(pod=[{"phase": "Pending"}])
    clock.stop()
    with pytest.raises(Stopped):
        run(cluster, clock)
    assert len(cluster.of("delete_pod")) == 1


# --- what earlier runs left ---------------------------------------------------------------------------------


def pod(name: str, phase: str, age: float | None) -> dict[str, Any]:
    made = {} if age is None else {"creationTimestamp": datetime.fromtimestamp(START - age, UTC).isoformat()}
    return {"metadata": {"name": name, **made}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("phase", "age", "swept"),
    [
        ("Succeeded", 1, True),
        ("Failed", 1, True),
        ("Running", 1, False),
        ("Running", 660, False),
        ("Running", 661, True),
        ("Pending", None, False),  # it does not say when it was made
    ],
)
def test_which_pods_of_earlier_runs_are_removed(phase: str, age: float | None, swept: bool) -> None:
    cluster = Cluster(pods=[[pod("old", phase, age), pod("other", "Succeeded", 1)]])
    assert probe(cluster).sweep() == (("old", "other") if swept else ("other",))
    assert cluster.of("pods") == [("tools", "app.kubernetes.io/managed-by=cloudlink,cloudlink-link=demo")]
    assert cluster.of("delete_pod") == [("tools", n) for n in (("old", "other") if swept else ("other",))]


def test_a_pod_that_was_gone_already_was_not_swept_by_us() -> None:
    assert probe(Cluster(pods=[[pod("old", "Failed", 1)]], delete_pod=[False])).sweep() == ()


def test_a_sweep_is_given_up_after_a_minute() -> None:
    clock = FakeClock(START)
    with pytest.raises(UnreachableError):
        probe(Cluster(pods=[GONE]), clock).sweep()
    assert 60 <= clock.now() - START < 80


# --- the log ------------------------------------------------------------------------------------------------


def test_a_log_that_lags_behind_is_read_again() -> None:
    cluster = Cluster(pod_log=["", "", RESULT])
    assert run(cluster).servers
    assert len(cluster.of("pod_log")) == 3


def test_a_log_that_stays_empty_is_no_result() -> None:
    clock = FakeClock(START)
    with pytest.raises(CloudError, match="gave no result"):
        run(Cluster(pod_log=[""]), clock)
    assert 5 <= clock.now() - START < 15


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (KubeApiError(500, "InternalError", "no tunnel to the node", "GET pods/x/log"), True),
        (KubeApiError(502, "BadGateway", "no tunnel to the node", "GET pods/x/log"), True),
        (KubeApiError(400, "BadRequest", "container is waiting", "GET pods/x/log"), True),
        (KubeApiError(404, "NotFound", "no such pod", "GET pods/x/log"), True),
        (KubeApiError(403, "Forbidden", "may not", "GET pods/x/log"), False),
        (KubeApiError(401, "Unauthorized", "who", "GET pods/x/log"), False),
    ],
)
def test_a_log_that_cannot_be_read(error: KubeApiError, ours: bool) -> None:
    with pytest.raises(CloudError if ours else KubeApiError) as caught:
        run(Cluster(pod_log=[error]))
    if isinstance(caught.value, CloudError):
        assert caught.value.summary == "The log of the probe's pod cannot be read"
        assert error.message in caught.value.detail
        assert "GET pods/x/log" in caught.value.detail
        assert "in namespace tools ended (Succeeded)" in caught.value.detail
        assert "konnectivity" in caught.value.hint
        assert caught.value.code == error.reason
    else:
        assert caught.value is error


def test_an_empty_log_after_a_failed_read_is_no_result() -> None:
    """The last read decides, not one that failed before it."""
    with pytest.raises(CloudError, match="gave no result"):
        run(Cluster(pod_log=[BROKEN, ""]))
