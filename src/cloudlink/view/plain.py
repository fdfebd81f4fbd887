"""Progress as lines, for logs and for terminals that cannot do more: ``HH:MM:SS  address  word  (more)``."""

from __future__ import annotations

from cloudlink.core.events import Begun, Done, Event, Failed, Halted, Kept, Note, Progress, Queued, Skipped, Verb
from cloudlink.view import words
from cloudlink.view.board import Board, Item
from cloudlink.view.options import ViewOptions
from cloudlink.view.screens import TextView, halted_lines, note_lines
from cloudlink.view.text import Line, Look, line, paragraph

HEARTBEAT = 60.0  # seconds of the clouds' time without any line before one says what is waited for
_HEARTBEAT_WALL = 2.0  # seconds of wall time that a heartbeat is at least apart in a fast sandbox
_ADDRESS_WIDTH = 29  # the longest address; the columns stay where they are from line to line


class PlainView(TextView):
    """One line when something begins, ends, fails or changes its state in a cloud; a heartbeat in long waits."""

    def __init__(self, options: ViewOptions) -> None:
        super().__init__(options)
        self._heartbeat = max(HEARTBEAT, _HEARTBEAT_WALL * (options.sandbox_speed or 0.0))
        self._last: float | None = None
        self._introduced = False
        self._details: dict[str, str] = {}
        self._working = False  # something was begun since the last total

    def event(self, event: Event) -> None:
        before = (
            self._board.items[event.address].state
            if isinstance(event, Done) and event.address in self._board.items
            else ""
        )
        self._board.take(event)
        text = self._text(event, before)
        if text:
            self._introduce()
            self._say(event.at, text)
        elif self._last is None:
            self._last = event.at
        elif event.at - self._last >= self._heartbeat:
            running = self._board.of("running")
            if running:
                self._say(event.at, f"{'still waiting':<{_ADDRESS_WIDTH}}  {waits(self._board, running)}")
        if isinstance(event, Note):
            self._err.print(note_lines(event.text, self._err.look, warning=event.level == "warning"))
        elif isinstance(event, Failed):
            self._err.print(self._at_once(event.error, self._err.look))
        elif isinstance(event, Halted):
            self._err.print(halted_lines(event, self._board, self._command, self._err.look))

    def _text(self, event: Event, before: str) -> str:
        if isinstance(event, Progress):
            item = self._board.items[event.address]
            if not event.detail or self._details.get(event.address) == event.detail:
                return ""
            self._details[event.address] = event.detail
            return _row(event.address, event.detail, timing(self._board, item))
        if isinstance(event, Begun):
            self._working = True
            # What takes no time worth telling is told once, when it is done.
            return (
                ""
                if event.verb == "read"
                else _row(event.address, words.doing(event.verb), timing(self._board, self._board.items[event.address]))
            )
        if isinstance(event, Done):
            if event.verb == "read" or (not event.changed and before != "running"):
                return ""
            return _row(
                event.address,
                words.did(event.verb, event.changed),
                f"in {words.duration(event.seconds)}",
                words.object_name(event.id),
            )
        if isinstance(event, Failed):
            return _row(event.address, "failed") + f"  {event.error.summary}"
        if isinstance(event, Skipped):
            return _row(event.address, "skipped", event.because)
        if isinstance(event, Kept):
            return _row(event.address, "kept", event.why)
        if isinstance(event, Queued):
            self._working = True
        return ""

    def _introduce(self) -> None:
        if not self._introduced:
            self._introduced = True
            if self._sandbox_speed is not None:
                self._err.print([line(words.sandbox_sentence(self._sandbox_speed))])

    def _say(self, at: float, text: str) -> None:
        self._last = at
        self._err.print([line(f"{words.time_of_day(at)}  {text}")])

    def _settle(self) -> None:
        if self._working and self._does_work:
            self._err.print(total_lines(self._board, self._err.look))
            self._said = True
        self._working = False


def _row(address: str, word: str, more: str = "", after: str = "") -> str:
    text = f"{address:<{_ADDRESS_WIDTH}}  {word}"
    text += f"  ({more})" if more else ""
    return text + (f"  {after}" if after else "")


def timing(board: Board, item: Item) -> str:
    """``18m20s, usually 13m to 34m``, and said plainly when it takes longer than usual."""
    elapsed = board.elapsed(item)
    usual = words.between(*item.usually)
    if elapsed < 1:
        return f"usually {usual}" if item.typical_seconds >= 10 else ""
    if item.typical_seconds < 10 and elapsed < 10:
        return words.duration(elapsed)
    late = elapsed > max(item.usually[1], 20) and not board.simulated
    return f"{words.duration(elapsed)}, {f'longer than usual ({usual})' if late else f'usually {usual}'}"


def waits(board: Board, running: list[Item]) -> str:
    """The longest waits, on one line."""
    longest = sorted(running, key=board.elapsed, reverse=True)
    named = [f"{item.address} {timing(board, item)}{_refused(item)}".rstrip() for item in longest[:2]]
    if len(longest) > 2:
        named.append(f"and {len(longest) - 2} more")
    return "; ".join(named)


def _refused(item: Item) -> str:
    """Where the cloud does not take the write yet: why, for that is what the run waits for."""
    return f", {item.detail}" if item.detail.startswith("waiting: ") else ""


def totals(board: Board) -> str:
    """``3 created, 1 failed``; empty when nothing was written, checked or left undone."""
    done = [item for item in board.of("done") if item.verb not in ("read", "wait", "check")]
    verbs: tuple[Verb, ...] = ("create", "update", "replace", "delete", "restore")
    counts = [(words.did(verb), sum(1 for item in done if item.changed and item.verb == verb)) for verb in verbs]
    counts += [("checked", sum(1 for item in board.of("done") if item.verb == "check"))]
    counts += [("already gone", sum(1 for item in done if not item.changed and item.verb == "delete"))]
    counts += [("unchanged", sum(1 for item in done if not item.changed and item.verb != "delete"))]
    counts += [("kept", len(board.of("kept"))), ("failed", len(board.of("failed")))]
    counts += [("skipped", len(board.of("skipped", "waiting"))), ("not finished", len(board.of("running")))]
    return ", ".join(f"{number} {word}" for word, number in counts if number)


def total_lines(board: Board, look: Look) -> list[Line]:
    """How a run ended, on one line."""
    said = totals(board)
    return list(paragraph(f"After {words.duration(board.worked)}: {said}.", look)) if said else []
