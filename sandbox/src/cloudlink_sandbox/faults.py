"""Faults that can be asked for by kind and target, from the command line and from tests."""

from __future__ import annotations

import fnmatch
import itertools
import math
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any


class Scope(StrEnum):
    """Where a kind of fault has an effect. CALLS: calls to AWS, Azure and Kubernetes alike."""

    CALLS = "calls"
    AWS = "aws"
    AZURE = "azure"
    BOTH = "aws and azure"
    KUBE = "kube"


class FaultKind(StrEnum):
    THROTTLED = "throttled"
    ERROR = "error"
    BUSY = "busy"
    CONFLICT = "conflict"
    SLOW = "slow"
    CUT_BEFORE = "cut-before"
    CUT_AFTER = "cut-after"
    GARBAGE = "garbage"
    EXPIRED = "expired"
    DENIED = "denied"
    OPERATION_FAILS = "operation-fails"
    OPERATION_HANGS = "operation-hangs"
    UNSEEN = "unseen"
    TUNNEL_DOWN = "tunnel-down"
    INSTANCE_DOWN = "instance-down"
    ENDPOINT_IP_DOWN = "endpoint-ip-down"
    POD_FAILS = "pod-fails"

    @property
    def scope(self) -> Scope:
        return _ABOUT[self][0]

    @property
    def meaning(self) -> str:
        """For people."""
        return _ABOUT[self][1]

    @property
    def lasting(self) -> bool:
        """It is a state of something and not of a call: it matters when it ended."""
        return self in (FaultKind.TUNNEL_DOWN, FaultKind.INSTANCE_DOWN, FaultKind.ENDPOINT_IP_DOWN)

    @property
    def of_calls(self) -> bool:
        """Its target is a call, and not an address or a name."""
        return not self.lasting and self is not FaultKind.POD_FAILS


_ABOUT = {
    FaultKind.THROTTLED: (Scope.CALLS, "the call answers as the cloud does when it is called too often"),
    FaultKind.ERROR: (Scope.CALLS, "the call answers 5xx"),
    FaultKind.BUSY: (Scope.AZURE, "Azure answers that another operation works on the object (409)"),
    FaultKind.CONFLICT: (Scope.AWS, "S3 answers that the write meets another one at the same moment (409)"),
    FaultKind.SLOW: (Scope.CALLS, "the call takes `seconds` of wall time longer"),
    FaultKind.CUT_BEFORE: (Scope.CALLS, "the connection is cut before the call has an effect"),
    FaultKind.CUT_AFTER: (Scope.CALLS, "the call has its effect, then the connection is cut"),
    FaultKind.GARBAGE: (Scope.CALLS, "the call has its effect, the answer cannot be parsed"),
    FaultKind.EXPIRED: (Scope.CALLS, "the credentials have expired"),
    FaultKind.DENIED: (Scope.CALLS, "the caller lacks the permission"),
    FaultKind.OPERATION_FAILS: (Scope.BOTH, "the long-running operation that the call starts ends as failed"),
    FaultKind.OPERATION_HANGS: (Scope.BOTH, "the long-running operation that the call starts never ends"),
    FaultKind.UNSEEN: (Scope.AWS, "what the call makes in EC2 is not found for `seconds` of the sandbox's clock"),
    FaultKind.TUNNEL_DOWN: (Scope.AWS, "the tunnel with this outside IP is down (target: an AWS outside IP)"),
    FaultKind.INSTANCE_DOWN: (
        Scope.AZURE,
        "the Azure gateway instance with this public IP is down (target: a public IP)",
    ),
    FaultKind.ENDPOINT_IP_DOWN: (Scope.AWS, "this address in the VPC does not answer (target: an IP)"),
    FaultKind.POD_FAILS: (Scope.KUBE, "pods of this name crash when they start (target: namespace/name)"),
}

PREFIXES = {
    Scope.CALLS: ("aws", "azure", "entra", "kube", "blob"),
    Scope.AWS: ("aws",),
    Scope.AZURE: ("azure", "entra"),
    Scope.BOTH: ("aws", "azure"),
    Scope.KUBE: ("kube",),
}
"""How the target of a fault about calls begins."""
# What is sent in place of an answer by the fault "garbage": neither JSON nor XML nor UTF-8.
GARBAGE = b'{"name":"trunca\xff<html>'


@dataclass
class Fault:
    kind: str  # one of FaultKind
    # A shell pattern. For calls ``cloud.Operation`` such as ``aws.CreateVpnConnection``, ``azure.PUT:connections/*`` or
    # ``kube.PATCH:configmaps/coredns-custom``; a region of AWS may be between, as in ``aws.eu-central-1.*``.
    target: str
    times: int | None = 1  # how many calls it hits; None: until removed
    skip: int = 0  # calls to let through first
    seconds: float = 1.0
    duration: float | None = None  # sandbox seconds after which it ends by itself; None: never
    id: int = 0
    hits: int = 0
    since: float = 0.0  # when it was added, sandbox seconds

    @property
    def ends(self) -> float:
        return math.inf if self.duration is None else self.since + self.duration

    def matches(self, target: str) -> bool:
        return fnmatch.fnmatch(target.lower(), self.target.lower())

    def json(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass
class FaultRegistry:
    """All faults in force. Thread-safe."""

    faults: list[Fault] = field(default_factory=list)
    clock: Callable[[], float] = field(default=lambda: 0.0, repr=False)  # gives sandbox seconds
    over: list[tuple[Fault, float]] = field(default_factory=list)  # lasting faults that have ended, and when

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._ids = itertools.count(1)

    def add(self, fault: Fault) -> Fault:
        """Raises ValueError."""
        if fault.kind not in list(FaultKind):
            raise ValueError(f"there is no fault {fault.kind}; there are {', '.join(FaultKind)}")
        if fault.duration is not None and not fault.duration > 0:
            raise ValueError("the duration of a fault is more than 0 seconds")
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
        self.over += [(f, at) for f in faults if FaultKind(f.kind).lasting]
        self.faults = [f for f in self.faults if f not in faults]

    def match(self, target: str, *kinds: str, also: str = "") -> Fault | None:
        """The fault of one of these kinds that hits this call now, if any; counts the hit.

        also: another name of the same target.
        """
        if not self.faults:
            return None
        with self._lock:
            for fault in self.in_force():
                if fault.kind in kinds and (fault.matches(target) or (also and fault.matches(also))):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    if fault.times is not None and fault.hits >= fault.times:
                        continue
                    fault.hits += 1
                    return fault
        return None

    def would_match(self, target: str, kind: str) -> bool:
        """Whether the next call there is hit, for who asks without calling; counts nothing."""
        return any(
            f.kind == kind and f.matches(target) and not f.skip and (f.times is None or f.hits < f.times)
            for f in self.in_force()
        )

    def active(self, kind: str, target: str) -> Fault | None:
        """The fault of this kind that is in force there, if any; counts nothing."""
        if not self.faults:
            return None
        with self._lock:
            return next((f for f in self.in_force() if f.kind == kind and f.matches(target)), None)

    def ended(self, kind: str, target: str) -> float:
        """When the last fault of this kind ended there; minus infinity when there was none."""
        with self._lock:
            self.in_force()
            return max((at for f, at in self.over if f.kind == kind and f.matches(target)), default=-math.inf)

    def __getstate__(self) -> dict[str, Any]:
        return {"faults": self.faults, "over": self.over}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """The clock is not saved: the one that is there stays."""
        self.faults, self.over = state["faults"], state["over"]
        self.clock = self.__dict__.get("clock", lambda: 0.0)
        self._lock = threading.RLock()
        self._ids = itertools.count(1 + max((f.id for f in (*self.faults, *(f for f, _ in self.over))), default=0))


# --- a target that cannot be hit -------------------------------------------------------------------------------------


def warning(fault: Fault, *, calls: Iterable[str], names: Iterable[str]) -> str:
    """Why this fault cannot hit anything as things are; empty when it can.

    calls: patterns of every call that the clouds answer. names: what there is now of the addresses or names that this
    kind is about.
    """
    kind = FaultKind(fault.kind)
    if not kind.of_calls:
        names = sorted(names)
        if any(fault.matches(name) for name in names):
            return ""
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        there = f"there is {', '.join(names[:_SHOWN])}{more}" if names else "there is none yet"
        return f"{fault.target} matches nothing that exists now; {there}"
    prefixes = PREFIXES[kind.scope]
    within = [call for call in calls if call.partition(".")[0] in prefixes]
    if any(_meet(fault.target.lower(), call.lower()) for call in within):
        return ""
    return f"{fault.target} matches no call that this kind of fault can hit ({', '.join(f'{p}.*' for p in prefixes)})"


_SHOWN = 5  # names in a warning
_SETS = re.compile(r"\[[^\]]+\]")


def _meet(one: str, other: str) -> bool:
    """Whether there is a text that both shell patterns match. A set in brackets counts as any character."""
    first, second = ([*_SETS.sub("?", pattern)] for pattern in (one, other))
    reached = {(0, 0)}
    while reached:
        step = set()
        for i, j in reached:
            a, b = first[i] if i < len(first) else "", second[j] if j < len(second) else ""
            if not a and not b:
                return True
            if a == "*":
                step |= {(i + 1, j)} | ({(i, j + 1)} if b else set())
            if b == "*":
                step |= {(i, j + 1)} | ({(i + 1, j)} if a else set())
            if a and b and "*" not in (a, b) and (a == b or "?" in (a, b)):
                step.add((i + 1, j + 1))
        reached = step
    return False
