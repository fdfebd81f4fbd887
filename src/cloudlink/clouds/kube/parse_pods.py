"""What a cluster says of pods, in frozen facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cloudlink.clouds.malformed import parsing

Json = Mapping[str, Any]


@dataclass(frozen=True)
class ContainerState:
    kind: str  # waiting, running, terminated
    reason: str = ""
    message: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class Container:
    name: str  # empty: not said
    image: str = ""
    ready: bool = False
    restarts: int = 0
    states: tuple[ContainerState, ...] = ()  # one, or none yet

    def state(self, kind: str) -> ContainerState | None:
        return next((s for s in self.states if s.kind == kind), None)


@dataclass(frozen=True)
class Pod:
    name: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    phase: str = ""  # Pending, Running, Succeeded, Failed
    reason: str = ""
    message: str = ""
    ready: bool = False
    going: bool = False  # it is being deleted
    created: float | None = None  # seconds since the epoch; None: it does not say
    unplaced: str = ""  # why no node takes it, in the scheduler's words; empty: one did
    # The node has not finished its network. https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions
    without_network: bool = False
    containers: tuple[Container, ...] = ()
    node: str = ""  # empty: none has taken it

    @property
    def ended(self) -> bool:
        return self.phase in ("Succeeded", "Failed")


@parsing("the cluster's pods")
def pod(raw: Json) -> Pod:
    metadata, status = raw["metadata"], raw.get("status") or {}
    conditions = status.get("conditions") or ()
    name = str(metadata["name"])
    if not name:
        raise ValueError("a pod without a name")
    return Pod(
        name=name,
        annotations={str(k): str(v) for k, v in (metadata.get("annotations") or {}).items()},
        phase=str(status.get("phase") or ""),
        reason=str(status.get("reason") or ""),
        message=str(status.get("message") or ""),
        ready=any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions),
        going=bool(metadata.get("deletionTimestamp")),
        created=_seconds(metadata.get("creationTimestamp")),
        unplaced=next(
            (
                str(c.get("message") or "no node takes it")
                for c in conditions
                if c.get("status") == "False" and c.get("reason") == "Unschedulable"
            ),
            "",
        ),
        without_network=any(
            c.get("type") == "PodReadyToStartContainers" and c.get("status") == "False" for c in conditions
        ),
        containers=tuple(_container(c) for c in status.get("containerStatuses") or ()),
        node=str((raw.get("spec") or {}).get("nodeName") or ""),
    )


@parsing("the cluster's pods")
def pods(raw: Iterable[Json]) -> tuple[Pod, ...]:
    return tuple(map(pod, raw))


def ready_pods(found: Iterable[Pod]) -> tuple[int, int]:
    """(ready, all) of those that are not going."""
    here = [p for p in found if not p.going]
    return sum(p.ready for p in here), len(here)


def _container(raw: Json) -> Container:
    return Container(
        name=str(raw.get("name") or ""),
        image=str(raw.get("image") or ""),
        ready=bool(raw.get("ready")),
        restarts=int(raw.get("restartCount") or 0),
        states=tuple(
            ContainerState(
                str(kind), str(s.get("reason") or ""), str(s.get("message") or ""), int(s.get("exitCode") or 0)
            )
            for kind, s in (raw.get("state") or {}).items()
            if s is not None
        ),
    )


def _seconds(text: object) -> float | None:
    """None for what is not a time: a pod that does not say when it was made is as old as it may be, and is waited for."""
    try:
        return datetime.fromisoformat(str(text or "")).timestamp()
    except ValueError:
        return None
