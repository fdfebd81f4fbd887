"""Faults that can be asked for by name and place, from the command line and from tests."""

from __future__ import annotations

import fnmatch
import itertools
import threading
from dataclasses import asdict, dataclass, field
from typing import Any

KINDS = {
    "throttled": "the call answers as the cloud does when it is called too often",
    "error": "the call answers 5xx",
    "slow": "the call takes `seconds` of wall time longer",
    "cut-before": "the connection is cut before the call has an effect",
    "cut-after": "the call has its effect, then the connection is cut",
    "garbage": "the call has its effect, the answer cannot be parsed",
    "expired": "the credentials have expired",
    "denied": "the caller lacks the permission",
    "operation-fails": "the long-running operation that the call starts ends as failed",
    "operation-hangs": "the long-running operation that the call starts never ends",
    "tunnel-down": "the tunnel with this outside IP is down (place: an AWS outside IP)",
    "instance-down": "the Azure gateway instance with this public IP is down (place: a public IP)",
    "endpoint-ip-down": "this Resolver endpoint address does not answer (place: an IP)",
    "pod-fails": "pods of the given name pattern crash (place: namespace/name pattern)",
}


@dataclass
class Fault:
    """kind: one of KINDS. place: what it hits, a shell pattern; for calls it is ``cloud.Operation`` such as
    ``aws.CreateVpnConnection``, ``azure.PUT:connections/*`` or ``kube.PATCH:configmaps/coredns-custom``.
    times: how many calls it hits (None: until removed). after: calls to let through first.
    """

    kind: str
    place: str
    times: int | None = 1
    after: int = 0
    seconds: float = 1.0
    id: int = 0
    hits: int = 0

    def json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class FaultBook:
    """All faults now in force. Thread-safe."""

    faults: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._ids = itertools.count(1)

    def add(self, fault: Fault) -> Fault:
        if fault.kind not in KINDS:
            raise ValueError(f"no such fault: {fault.kind}; known are {', '.join(KINDS)}")
        with self._lock:
            fault.id = next(self._ids)
            self.faults.append(fault)
            return fault

    def remove(self, number: int) -> bool:
        with self._lock:
            before = len(self.faults)
            self.faults = [f for f in self.faults if f.id != number]
            return len(self.faults) < before

    def clear(self) -> None:
        with self._lock:
            self.faults = []

    def strike(self, place: str, *kinds: str) -> Fault | None:
        """The fault of one of these kinds that hits this call now, if any; counts the hit."""
        with self._lock:
            for fault in self.faults:
                if fault.kind in kinds and fnmatch.fnmatch(place.lower(), fault.place.lower()):
                    if fault.after > 0:
                        fault.after -= 1
                        continue
                    if fault.times is not None and fault.hits >= fault.times:
                        continue
                    fault.hits += 1
                    return fault
        return None

    def standing(self, kind: str, place: str) -> bool:
        """Whether a lasting fault (a tunnel, an instance, an endpoint address) is in force."""
        with self._lock:
            return any(f.kind == kind and fnmatch.fnmatch(place.lower(), f.place.lower()) for f in self.faults)

    def __getstate__(self) -> dict[str, Any]:
        return {"faults": self.faults}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.faults = state["faults"]
        self._lock = threading.RLock()
        self._ids = itertools.count(1 + max((f.id for f in self.faults), default=0))
