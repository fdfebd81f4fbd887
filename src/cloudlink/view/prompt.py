"""One question with yes or no."""

from __future__ import annotations

import sys


def answered_yes() -> bool:
    """Reads one line from standard input. Everything but ``y`` and ``yes``, also the end of input, means no."""
    try:
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    except (OSError, ValueError):  # closed standard input
        return False
