"""States that follow from the clock: what was decided when, read lazily. No threads, no timers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

Outcome = Literal["succeeds", "fails", "hangs"]
"""How the long-running operation that a call starts will end; anything but ``succeeds`` is a fault that was asked for."""


@dataclass
class Timeline:
    """``[(state, starts at), ...]`` in rising order; the state at a moment is the last one that has begun."""

    steps: list[tuple[str, float]] = field(default_factory=list)

    @classmethod
    def of(cls, state: str, at: float) -> Timeline:
        return cls([(state, at)])

    def at(self, moment: float) -> str:
        """The state at this moment; "" before the first."""
        state = ""
        for name, start in self.steps:
            if start > moment:
                break
            state = name
        return state

    def since(self, moment: float) -> float:
        """When the state of this moment began."""
        return max((start for _, start in self.steps if start <= moment), default=-math.inf)

    def transition(self, now: float, passing: str, seconds: float, *, ends: Outcome, good: str, bad: str) -> float:
        """Forget what was planned after now; pass through ``passing`` and end in ``good`` (or ``bad``, or never).

        Returns the moment at which it ends.
        """
        self.steps = [(name, start) for name, start in self.steps if start <= now]
        self.steps.append((passing, now))
        end = math.inf if ends == "hangs" else now + seconds
        self.steps.append((good if ends == "succeeds" else bad, end))
        return end


def as_datetime(moment: float) -> datetime:
    """Sandbox seconds as what the serializer wants."""
    return datetime.fromtimestamp(int(moment), UTC)


def as_text(moment: float) -> str:
    """Sandbox seconds as the Resolver spells them."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
