"""The verdict, apart from all that a report has beside it: every view needs the one, few runs the other."""

from __future__ import annotations

import enum


class Health(enum.StrEnum):
    """One verdict on the whole link.

    degraded: each Azure instance has a tunnel up, but not all are, or something beside the tunnels is wrong.
    no redundancy: tunnels are up on one Azure instance only. absent: cloudlink made nothing, or took it down.
    paused: what costs by the hour was taken away on purpose, until a resume.
    unknown: what was seen is well, but not all that matters could be read.
    """

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    NO_REDUNDANCY = "no redundancy"
    DOWN = "down"
    ABSENT = "absent"
    PAUSED = "paused"
    UNKNOWN = "unknown"
