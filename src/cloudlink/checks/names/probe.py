"""The probe: a short-lived pod on AKS that asks for names and connects to them as any pod would.

Python's slim image does; the pod runs as nobody, holds no token of the cluster, writes nothing, and is removed again
whatever happens. What an interrupted run left behind is swept by the next one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TypeVar

from cloudlink.checks.names.answers import ProbeFacts, Question, parse, request
from cloudlink.checks.names.pod import (
    CONTAINER,
    DEADLINE,
    LINK,
    MANAGED,
    account_of,
    gone,
    manifest,
    no_result,
    not_placed,
    on_cluster,
    patience,
    pull_failure,
    ran,
    taken_away,
    trouble,
)
from cloudlink.clouds.errors import retry_after, unknown_outcome
from cloudlink.clouds.kube.body import Body
from cloudlink.clouds.kube.body_pod import outside_node
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.contexts import in_context
from cloudlink.clouds.kube.errors import KubeApiError, refused_by_policy
from cloudlink.clouds.kube.parse_pods import Pod, pod, pods
from cloudlink.core.polling import Clock, TimedOut, poll
from cloudlink.errors import CloudError, CloudlinkError
from cloudlink.link import Link

T = TypeVar("T")

_OLD_SECONDS = DEADLINE + 60
# In a sandbox, time runs fast but a pod's program does not: giving up takes this much time on the wall as well.
_BUSY_SECONDS = 900.0  # as long as every write of a run waits for a cluster that is too busy
_FAIR_WALL_SECONDS = 30.0
_USUAL_SECONDS = 6.0  # from a pod's create to its end, with its image on the node: nothing to see before


@dataclass(frozen=True)
class Probe:
    """Runs the script once. One pod a run."""

    link: Link
    kube: Kube = field(repr=False)
    clock: Clock = field(repr=False)
    tell: Callable[[str], None] = field(repr=False, default=lambda _: None)  # is told the pod's state at each read
    on_node: bool = False  # with its node's resolver, and in its network where policies let it

    def run(
        self, questions: Iterable[Question], endpoints: Iterable[IPv4Address], *, measure: bool = False
    ) -> ProbeFacts:
        """Raises CloudError when the pod cannot run or crashes, WaitError when it does not get to run in time.

        Raises core.wait.Stopped on Ctrl-C; the pod is removed even then.
        """
        try:
            return self._run(questions, endpoints, measure=measure)
        except CloudlinkError as error:
            error.hint = in_context(error.hint, self.kube.context)
            if (said := on_cluster(error, self.cluster)) is error:
                raise
            raise said from error

    @property
    def cluster(self) -> str:
        """As ``EKS cluster production``."""
        return f"{self.kube.kind.upper()} cluster {self.kube.name}"

    def _run(self, questions: Iterable[Question], endpoints: Iterable[IPv4Address], *, measure: bool) -> ProbeFacts:
        self.sweep()
        name = f"cloudlink-probe-{self.link.name}"[:56].rstrip("-.") + f"-{secrets.token_hex(3)}"
        namespace = self.link.probe.namespace
        try:
            body = manifest(self.link, name, request(questions, endpoints, measure=measure), on_node=self.on_node)
            try:
                made = self._create(body)
            except KubeApiError as error:
                if not (self.on_node and refused_by_policy(error)):
                    raise
                made = self._create(outside_node(body))
            self.tell(f"pod {account_of(made)}")
            ended, before = self._ended(name)
            if not ran(ended):
                raise taken_away(ended, name, namespace, before)
            log = self._log(name, ended)
        finally:
            self._remove(name)
        facts = parse(log)
        if facts is None:
            raise no_result(ended, name, namespace, log)
        return facts

    def _create(self, body: Body) -> Pod:
        return poll(
            lambda: pod(self.kube.create_pod(self.link.probe.namespace, body)),
            lambda _: True,
            clock=self.clock,
            typical_seconds=1,
            deadline=_BUSY_SECONDS,
            passing=self._told_busy,
        )

    def _remove(self, name: str) -> None:
        """If the cluster does not answer either, the next run sweeps it; it ends by itself after ten minutes."""
        for _ in range(3):
            try:
                self.kube.delete_pod(self.link.probe.namespace, name)
                return
            except Exception as error:
                if not _passing(error):
                    raise
            self.clock.wait(2)

    def sweep(self) -> tuple[str, ...]:
        """Remove pods of earlier runs that have ended or are older than one can be. Their names."""
        namespace = self.link.probe.namespace
        swept = []
        ours = f"{MANAGED}=cloudlink,{LINK}={self.link.name}"
        for old in self._patiently(lambda: pods(self.kube.pods(namespace, ours))):
            age = 0.0 if old.created is None else self.clock.now() - old.created
            if not old.ended and age <= _OLD_SECONDS:
                continue
            if self._patiently(lambda name=old.name: self.kube.delete_pod(namespace, name)):  # type: ignore[misc]
                swept.append(old.name)
        return tuple(swept)

    def _patiently(self, call: Callable[[], T]) -> T:
        """Retry passing errors for a minute, as every read of a run does."""
        return poll(call, lambda _: True, clock=self.clock, typical_seconds=1, deadline=60, passing=_passing)

    def _told_busy(self, error: Exception) -> bool:
        """Whether the cluster has only put it off; a create of unknown outcome is not sent again."""
        if _busy(error):
            self.tell("waiting: the cluster is asked too often")
            return True
        return False

    def _ended(self, name: str) -> tuple[Pod, Pod | None]:
        """The pod when it has ended, and as it was seen before that: its end takes its network away in any case."""
        begun, wall = self.clock.now(), time.monotonic()
        waiting: list[Pod] = []
        pulls: list[str] = []

        def done(seen: Pod) -> bool:
            if failed := pull_failure(seen):
                pulls.append(failed)
            if wrong := trouble(seen, pulls[0] if pulls else ""):
                raise wrong
            if seen.ended or ran(seen):
                return True  # our container has ended, whatever other containers do
            waiting[:] = [seen]
            # The kubelet ends the pod at its deadline; what is still there later never got to run.
            waited = self.clock.now() - begun
            if waited > patience(seen) and time.monotonic() - wall > _FAIR_WALL_SECONDS:
                raise not_placed(seen, name, self.link.probe.namespace, waited)
            return False

        def read() -> Pod:
            try:
                seen = pod(self.kube.pod(self.link.probe.namespace, name))
            except KubeApiError as error:
                raise (gone(name, self.link.probe.namespace) if error.status == 404 else error) from error
            self.tell(f"pod {account_of(seen)}")
            return seen

        ended = poll(
            read,
            done,
            clock=self.clock,
            typical_seconds=_USUAL_SECONDS,
            deadline=float("inf"),
            passing=_passing,
            read_first=False,
        )
        return ended, waiting[0] if waiting else None

    def _log(self, name: str, ended: Pod) -> str:
        # An ended pod's log can lag behind its phase by a moment.
        namespace = self.link.probe.namespace
        failed: list[KubeApiError] = []

        def read() -> str:
            failed.clear()
            try:
                return self.kube.pod_log(namespace, name, container=CONTAINER)
            except KubeApiError as error:
                failed.append(error)
                raise

        try:
            return poll(read, bool, clock=self.clock, typical_seconds=1, deadline=5, passing=_passing)
        except (TimedOut, KubeApiError):
            if not failed:
                return ""
        error = failed[0]
        if error.status not in (400, 404) and error.status < 500:
            raise error
        raise CloudError(
            "The log of the probe's pod cannot be read",
            f"Pod {name} in namespace {namespace} ended ({account_of(ended)}), but {error.what} was answered: {error.message}",
            "If kubectl logs fails as well, the API server does not reach the nodes (konnectivity, port 10250); else run "
            "the command again.",
            code=error.reason,
        )


def _busy(error: Exception) -> bool:
    return retry_after(error) is not None


def _passing(error: Exception) -> bool:
    return unknown_outcome(error) or _busy(error)
