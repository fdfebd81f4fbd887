"""What is to happen in a cluster and when, in sandbox time. Nothing runs by itself: a read brings it up to date."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from typing import Any


class EventQueue:
    """Entries are (time, order, what, whom); plain data, so that they can be saved."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, str, tuple[str, ...]]] = []
        self._order = itertools.count()

    def add(self, when: float, what: str, *whom: str) -> None:
        heapq.heappush(self._entries, (when, next(self._order), what, whom))

    def due(self, now: float) -> Iterator[tuple[float, str, tuple[str, ...]]]:
        """Entries up to now, in order of time, including those added while iterating."""
        while self._entries and self._entries[0][0] <= now:
            when, _, what, whom = heapq.heappop(self._entries)
            yield when, what, whom

    def has(self, what: str, *whom: str) -> bool:
        return any(e[2:] == (what, whom) for e in self._entries)

    def snapshot(self) -> list[Any]:
        return sorted(self._entries)

    def restore(self, saved: list[Any]) -> None:
        self._entries = [tuple(e) for e in saved]
        heapq.heapify(self._entries)
        self._order = itertools.count(1 + max((e[1] for e in self._entries), default=0))
