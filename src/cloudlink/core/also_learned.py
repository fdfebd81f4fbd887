"""A range that one side learns over a link beyond those that the link is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Side = Literal["aws", "azure"]


@dataclass(frozen=True)
class AlsoLearned:
    """No error and no drift: something that whoever answers for the networks should know of."""

    side: Side  # that learns it, from the other
    range: str
    owner: str  # whose it is, for people
    where: str  # what holds it, or will
    limit: str  # whether anything keeps it out, for people
