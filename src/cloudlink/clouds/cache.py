"""Shared reads: one list call per kind of object serves all resources of that kind until something is written."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from cloudlink.core.polling import Clock

T = TypeVar("T")

# A fresh read asked for within this many seconds (the clouds' time) of another's start is served by that one: four
# gateways that are about to be written, or two connections that are waited for, need one read and not one each.
SHARE_SECONDS = 2.0


@dataclass
class _Entry:
    value: Any
    version: int
    started: float


class ReadCache:
    """A cache of answers by kind. Thread-safe; askers of the same kind wait for the one call under way."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._versions: defaultdict[str, int] = defaultdict(int)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def get(self, kind: str, call: Callable[[], T], *, fresh: bool = False) -> T:
        """The answer of ``call``, or an earlier one of the same kind that nothing has been written since.

        fresh: it decides about a write or ends a wait, so it may not be older than SHARE_SECONDS.
        """
        with self._guard:
            lock = self._locks[kind]
        with lock:
            entry = self._entries.get(kind)
            now = self._clock.now()
            if (
                entry is not None
                and entry.version == self._versions[kind]
                and (not fresh or now - entry.started <= SHARE_SECONDS)
            ):
                return cast(T, entry.value)
            version = self._versions[kind]
            value = call()
            self._entries[kind] = _Entry(value, version, now)
            return value

    def put(self, kind: str, value: Any) -> None:
        """Keep what a write was answered with, where a read would show the same."""
        with self._guard:
            lock = self._locks[kind]
        with lock:
            self._entries[kind] = _Entry(value, self._versions[kind], self._clock.now())

    def invalidate(self, *kinds: str) -> None:
        """Forget what was read of these kinds: something was written (also call it when the outcome is unknown)."""
        with self._guard:
            for kind in kinds:
                self._versions[kind] += 1

    def clear(self) -> None:
        """Forget everything."""
        with self._guard:
            for kind in list(self._entries):
                self._versions[kind] += 1

    def part(self, name: str) -> ReadCache:
        """For reads of one cluster of several, whose kinds are the others' as well: what is forgotten here stays there. ``clear``
        of either forgets everything."""
        return _Part(self, name)


class _Part(ReadCache):
    def __init__(self, whole: ReadCache, name: str) -> None:
        super().__init__(whole._clock)
        self._whole, self._name = whole, name

    def get(self, kind: str, call: Callable[[], T], *, fresh: bool = False) -> T:
        return self._whole.get(f"{kind} {self._name}", call, fresh=fresh)

    def put(self, kind: str, value: Any) -> None:
        self._whole.put(f"{kind} {self._name}", value)

    def invalidate(self, *kinds: str) -> None:
        self._whole.invalidate(*(f"{kind} {self._name}" for kind in kinds))

    def clear(self) -> None:
        self._whole.clear()
