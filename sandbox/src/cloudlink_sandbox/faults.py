"""Faults that can be asked for by name and place, from the command line and from tests."""

from __future__ import annotations

import fnmatch
import itertools
import math
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

KINDS = {
    "throttled": "the call answers as the cloud does when it is called too often",
    "error": "the call answers 5xx",
    "busy": "Azure answers that another operation works on the object (409)",
    "slow": "the call takes `seconds` of wall time longer",
    "cut-before": "the connection is cut before the call has an effect",
    "cut-after": "the call has its effect, then the connection is cut",
    "garbage": "the call has its effect, the answer cannot be parsed",
    "expired": "the credentials have expired",
    "denied": "the caller lacks the permission",
    "operation-fails": "the long-running operation that the call starts ends as failed",
    "operation-hangs": "the long-running operation that the call starts never ends",
    "unseen": "what the call makes in EC2 is not found for `seconds` of the sandbox's clock",
    "tunnel-down": "the tunnel with this outside IP is down (place: an AWS outside IP)",
    "instance-down": "the Azure gateway instance with this public IP is down (place: a public IP)",
    "endpoint-ip-down": "this Resolver endpoint address does not answer (place: an IP)",
    "pod-fails": "pods of the given name pattern crash (place: namespace/name pattern)",
}

STATES = frozenset({"tunnel-down", "instance-down", "endpoint-ip-down"})
"""Kinds that are about something in the world and not about calls: it matters when they ended."""
# What stands in place of an answer after the fault "garbage": neither JSON nor XML nor UTF-8.
GARBAGE = b'{"name":"trunca\xff<html>'


@dataclass
class Fault:
    """kind: one of KINDS. place: what it hits, a shell pattern; for calls it is ``cloud.Operation`` such as
    ``aws.CreateVpnConnection``, ``azure.PUT:connections/*`` or ``kube.PATCH:configmaps/coredns-custom``;
    a region of AWS may stand between, as in ``aws.eu-central-1.*``.
    times: how many calls it hits (None: until removed). after: calls to let through first. lasts: sandbox seconds after
    which it ends by itself (None: never). since: when it was added, sandbox seconds.
    """

    kind: str
    place: str
    times: int | None = 1
    after: int = 0
    seconds: float = 1.0
    lasts: float | None = None
    id: int = 0
    hits: int = 0
    since: float = 0.0

    @property
    def ends(self) -> float:
        return math.inf if self.lasts is None else self.since + self.lasts

    def is_at(self, place: str) -> bool:
        return fnmatch.fnmatch(place.lower(), self.place.lower())

    def json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class FaultBook:
    """All faults now in force. Thread-safe. clock: gives sandbox seconds. over: what of STATES has ended, and when."""

    faults: list[Fault] = field(default_factory=list)
    clock: Callable[[], float] = field(default=lambda: 0.0, repr=False)
    over: list[tuple[Fault, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._ids = itertools.count(1)

    def add(self, fault: Fault) -> Fault:
        if fault.kind not in KINDS:
            raise ValueError(f"no such fault: {fault.kind}; known are {', '.join(KINDS)}")
        if fault.lasts is not None and not fault.lasts > 0:
            raise ValueError("a fault lasts longer than no time at all")
        with self._lock:
            fault.id = next(self._ids)
            fault.since = self.clock()
            self.faults.append(fault)
            return fault

    def remove(self, number: int) -> bool:
        with self._lock:
            found = [f for f in self.in_force() if f.id == number]
            self._end(found, self.clock())
            return bool(found)

    def clear(self) -> None:
        with self._lock:
            self._end(self.in_force(), self.clock())

    def in_force(self) -> list[Fault]:
        """Those that have not ended by themselves by now."""
        with self._lock:
            now = self.clock()
            for fault in [f for f in self.faults if f.ends <= now]:
                self._end([fault], fault.ends)
            return list(self.faults)

    def _end(self, faults: list[Fault], at: float) -> None:
        self.over += [(f, at) for f in faults if f.kind in STATES]
        self.faults = [f for f in self.faults if f not in faults]

    def strike(self, place: str, *kinds: str, also: str = "") -> Fault | None:
        """The fault of one of these kinds that hits this call now, if any; counts the hit.

        also: another name of the same place.
        """
        if not self.faults:
            return None
        with self._lock:
            for fault in self.in_force():
                if fault.kind in kinds and (fault.is_at(place) or (also and fault.is_at(also))):
                    if fault.after > 0:
                        fault.after -= 1
                        continue
                    if fault.times is not None and fault.hits >= fault.times:
                        continue
                    fault.hits += 1
                    return fault
        return None

    def would_strike(self, place: str, kind: str) -> bool:
        """Whether the next call there is hit, for who asks without calling; counts nothing."""
        return any(
            f.kind == kind and f.is_at(place) and not f.after and (f.times is None or f.hits < f.times)
            for f in self.in_force()
        )

    def standing(self, kind: str, place: str) -> Fault | None:
        """The lasting fault (a tunnel, an instance, an endpoint address) that is in force there, if any."""
        if not self.faults:
            return None
        with self._lock:
            return next((f for f in self.in_force() if f.kind == kind and f.is_at(place)), None)

    def ended(self, kind: str, place: str) -> float:
        """When the last fault of this kind ended there; minus infinity when there was none."""
        with self._lock:
            self.in_force()
            return max((at for f, at in self.over if f.kind == kind and f.is_at(place)), default=-math.inf)

    def __getstate__(self) -> dict[str, Any]:
        return {"faults": self.faults, "over": self.over}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """What this book's clock says stays true: it is not saved."""
        self.faults, self.over = state["faults"], state["over"]
        self.clock = self.__dict__.get("clock", lambda: 0.0)
        self._lock = threading.RLock()
        self._ids = itertools.count(1 + max((f.id for f in (*self.faults, *(f for f, _ in self.over))), default=0))
