"""What the engine reports while it works. Views turn these into a screen, plain lines or JSON lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cloudlink.errors import CloudlinkError

Verb = Literal["read", "create", "update", "replace", "delete", "restore", "wait", "check"]


@dataclass(frozen=True)
class Event:
    at: float  # seconds since the epoch in the clouds' time


@dataclass(frozen=True)
class Reading(Event):
    """A read of what exists has begun."""

    total: int  # resources that are read


@dataclass(frozen=True)
class Queued(Event):
    """A resource that will be worked on."""

    address: str
    title: str
    verb: Verb
    needs: tuple[str, ...]  # addresses of what it still waits for
    typical_seconds: float
    usual_range: tuple[float, float] = (0.0, 0.0)  # seconds that eight of ten take; zeros: not known


@dataclass(frozen=True)
class Begun(Event):
    address: str
    title: str
    verb: Verb
    typical_seconds: float
    usual_range: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Progress(Event):
    """The cloud was asked for its state."""

    address: str
    detail: str  # the cloud's own word


@dataclass(frozen=True)
class Done(Event):
    address: str
    title: str
    verb: Verb
    seconds: float
    id: str
    changed: bool = True  # false: it turned out that nothing had to be done


@dataclass(frozen=True)
class Failed(Event):
    address: str
    title: str
    error: CloudlinkError


@dataclass(frozen=True)
class Skipped(Event):
    """Not started, because something it needs failed or because the run was stopped."""

    address: str
    title: str
    because: str


@dataclass(frozen=True)
class Halted(Event):
    """Nothing more is begun, because something was refused for good; what was under way has ended."""

    because: str  # the address of what was refused
    made: tuple[str, ...]  # addresses of what this run has made
    monthly_cost: float | None  # roughly, in USD, of what exists of the link now; None: no price is known


@dataclass(frozen=True)
class Kept(Event):
    """Teardown leaves it, and why."""

    address: str
    title: str
    why: str


@dataclass(frozen=True)
class Note(Event):
    level: Literal["info", "warning"]
    text: str


@dataclass(frozen=True)
class Tick(Event):
    """A tick while nothing happens, so that a view can move its clocks."""
