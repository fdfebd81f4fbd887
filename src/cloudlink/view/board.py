"""The state of everything during a run: a model made from events, without text or terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from cloudlink.core.events import Begun, Done, Event, Failed, Kept, Progress, Queued, Reading, Skipped, Verb
from cloudlink.errors import CloudlinkError
from cloudlink.view.words import step_of, step_order

_SPREAD = (0.4, 1.9)  # of what tells no range of its own

State = Literal["waiting", "running", "done", "failed", "skipped", "kept"]


@dataclass
class Item:
    """One resource or check of a run."""

    address: str
    title: str
    verb: Verb = "read"
    state: State = "waiting"
    needs: tuple[str, ...] = ()
    typical_seconds: float = 0.0
    usual_range: tuple[float, float] = (0.0, 0.0)
    begun: float = 0.0  # seconds since the epoch
    seconds: float = 0.0
    detail: str = ""
    changed: bool = True
    error: CloudlinkError | None = None

    @property
    def step(self) -> str:
        return step_of(self.address)

    @property
    def usually(self) -> tuple[float, float]:
        """Seconds that eight of ten take."""
        if any(self.usual_range):
            return self.usual_range
        return self.typical_seconds * _SPREAD[0], self.typical_seconds * _SPREAD[1]


@dataclass
class Board:
    """Items in the order in which they were first named."""

    items: dict[str, Item] = field(default_factory=dict)
    began: float | None = None
    now: float = 0.0
    simulated: bool = False  # the clock is a sandbox's, whose speed makes our own milliseconds minutes
    reading: int | None = None  # number of objects, while what exists is being read

    def take(self, event: Event) -> Item | None:
        """Fold one event in; returns the item that it is about."""
        self.now = max(self.now, event.at)
        if isinstance(event, Reading):
            self.reading = event.total
            return None
        if not isinstance(event, Queued | Begun | Progress | Done | Failed | Skipped | Kept):
            return None
        if not isinstance(event, Progress):
            self.reading = None
            if self.began is None:
                self.began = event.at
        title = "" if isinstance(event, Progress) else event.title
        item = self.items.setdefault(event.address, Item(event.address, title))
        if isinstance(event, Queued):
            item.state, item.verb, item.needs = "waiting", event.verb, event.needs
            item.typical_seconds, item.usual_range = event.typical_seconds, event.usual_range
        elif isinstance(event, Begun):
            if item.state != "running" or item.verb != event.verb:
                item.begun = event.at
            item.state, item.verb = "running", event.verb
            item.typical_seconds, item.usual_range = event.typical_seconds, event.usual_range
        elif isinstance(event, Progress):
            item.detail = event.detail
        elif isinstance(event, Done):
            item.state, item.verb, item.seconds, item.changed = "done", event.verb, event.seconds, event.changed
        elif isinstance(event, Failed):
            item.state, item.error = "failed", event.error
        elif isinstance(event, Skipped):
            item.state, item.detail = "skipped", event.because
        else:
            item.state, item.detail = "kept", event.why
        return item

    def steps(self) -> dict[str, list[Item]]:
        """Items by step, steps in the order in which users know them."""
        grouped: dict[str, list[Item]] = {}
        for item in self.items.values():
            grouped.setdefault(item.step, []).append(item)
        return dict(sorted(grouped.items(), key=lambda pair: step_order(pair[0])))

    def of(self, *states: State) -> list[Item]:
        return [item for item in self.items.values() if item.state in states]

    def elapsed(self, item: Item) -> float:
        return max(0.0, self.now - item.begun)

    def blockers(self, item: Item) -> tuple[str, ...]:
        """What an item still waits for."""
        open_ = ("waiting", "running", "failed", "skipped")
        return tuple(a for a in item.needs if a in self.items and self.items[a].state in open_)

    @property
    def worked(self) -> float:
        """Seconds since the first piece of work was named."""
        return 0.0 if self.began is None else max(0.0, self.now - self.began)

    def left(self) -> float:
        """Seconds that the longest chain of unfinished work usually still takes."""
        return self._longest(lambda item: item.typical_seconds)

    def left_range(self) -> tuple[float, float]:
        """The same as the shortest and the longest that is usual."""
        return self._longest(lambda item: item.usually[0], overdue=0.0), self._longest(lambda item: item.usually[1])

    def _longest(self, usual: Callable[[Item], float], *, overdue: float = 0.1) -> float:
        """Of all chains of unfinished work. usual: seconds of one item. overdue: the share of it that is taken to be left
        of what has run for longer: its end is near, but nobody knows how near."""
        known: dict[str, float] = {}

        def until(address: str) -> float:
            if address in known:
                return known[address]
            known[address] = 0.0  # also ends a circle, should an engine ever tell of one
            item = self.items.get(address)
            if item is None or item.state not in ("waiting", "running"):
                return 0.0
            own = usual(item)
            if item.state == "running":
                own = max(own - self.elapsed(item), own * overdue)
            known[address] = own + max((until(need) for need in item.needs), default=0.0)
            return known[address]

        return max((until(address) for address in self.items), default=0.0)

    def fraction(self) -> float:
        """Of the whole time, 0 to 1; 1 only when nothing is left."""
        if not self.of("waiting", "running"):
            return 1.0
        total = self.worked + self.left()
        return min(self.worked / total, 0.99) if total else 0.0
