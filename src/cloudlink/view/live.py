"""Progress on a terminal: a display that is redrawn in place and leaves a few lines at the end."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cloudlink.core.events import Event, Failed, Halted, Note, Queued
from cloudlink.view import words
from cloudlink.view.board import Board, Item
from cloudlink.view.options import ViewOptions
from cloudlink.view.plain import timing, total_lines, totals
from cloudlink.view.printer import console, reflows, rich_text, speaks_unicode
from cloudlink.view.screens import TextView, halted_lines, note_lines
from cloudlink.view.text import EMPTY, Cell, Line, Look, Span, fold, line, table, text_of
from cloudlink.view.words import cells

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

REDRAW = 0.125  # seconds of wall time between two drawings at least


class LiveView(TextView):
    """Redraws on stderr from any event, at most eight times a second."""

    def __init__(
        self, options: ViewOptions, *, wall: Callable[[], float] = time.monotonic, screen: Console | None = None
    ) -> None:
        super().__init__(options)
        self._unicode = speaks_unicode(options.err)
        self._screen = screen or console(options.err, colour=self._err_colour)
        self._reflows = reflows(options.env)
        self._wall = wall
        self._live: Live | None = None
        self._drawn = float("-inf")
        self._picture: list[Line] = []

    def event(self, event: Event) -> None:
        item = self._board.take(event)
        if isinstance(event, Note):
            self._above(note_lines(event.text, self._look(), warning=event.level == "warning"))
        elif isinstance(event, Failed):
            self._above(self._at_once(event.error, self._look()))
        elif isinstance(event, Halted):
            self._above(halted_lines(event, self._board, self._command, self._look()))
        if isinstance(event, Queued):  # what is queued comes all at once, and is drawn when work begins
            return
        if self._live is None:
            if item is None and self._board.reading is None:
                return
            self._start()
        if self._wall() - self._drawn >= REDRAW:
            self._draw()

    def note(self, text: str) -> None:
        self._above(note_lines(text, self._look()))

    def _above(self, lines: list[Line]) -> None:
        """Above the display, where it stays."""
        if not lines:
            return
        if self._live is None:
            self._err.print(lines)
        else:
            if self._broken_anew():  # a picture that fits comes first, so that what is printed takes its place
                self._draw()
            self._live.console.print(rich_text(lines, unicode=self._unicode), soft_wrap=True)

    def _look(self) -> Look:
        return Look(max(40, min(self._screen.width, 120)), self._unicode)

    def _start(self) -> None:
        from rich.live import Live

        self._live = Live(
            console=self._screen,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._live.start()

    def _draw(self) -> None:
        assert self._live is not None
        self._drawn = self._wall()
        picture = frame(
            self._board,
            self._look(),
            title=f"{self._command} {self._link}",
            sandbox_speed=self._sandbox_speed,
            height=self._screen.height - 1,
        )
        if picture == self._picture:  # nothing moves where nothing has changed
            return
        self._rise(self._broken_anew())
        self._picture = picture
        self._live.update(rich_text(picture, unicode=self._unicode), refresh=True)

    def _broken_anew(self) -> int:
        """How many rows more the picture takes since the window was made narrower: rich knows of none of them."""
        if not self._reflows:
            return 0
        width = max(self._screen.width, 1)
        return sum(max(0, cells(text_of(parts)) - 1) // width for parts in self._picture)

    def _rise(self, rows: int) -> None:
        """Clear so many rows from the picture's last one upwards, and stay above them."""
        from rich.control import Control
        from rich.segment import ControlType

        if rows:
            up = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)) * rows
            self._screen.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), *up))

    def _settle(self) -> None:
        if self._live is None:
            return
        if self._broken_anew():
            self._draw()
        live, self._live, self._picture = self._live, None, []
        live.stop()
        self._board.reading = None
        if self._does_work and any(item.verb != "read" for item in self._board.items.values()):
            self._err.print(summary_lines(self._board, self._err.look))
            self._said = True


def frame(board: Board, look: Look, *, title: str, sandbox_speed: float | None, height: int = 50) -> list[Line]:
    """The display as lines, at most ``height``: finished items are left out first, then waiting ones."""
    for detail in (2, 1, 0):
        lines = list(_frame(board, look, title, sandbox_speed, detail))
        if len(lines) <= height:
            return lines
    return [*lines[: height - 1], line(Span(f"  and {len(lines) - height + 1} more lines", "dim"))]


def _frame(board: Board, look: Look, title: str, sandbox_speed: float | None, detail: int) -> Iterator[Line]:
    if sandbox_speed is not None:
        yield from fold(line(Span(words.sandbox_sentence(sandbox_speed), "dim")), look.width, 0)
    if not board.items:
        yield line(Span(look.glyph("running"), "strong"), f" {title}: reading what exists", _objects(board))
        return
    yield from _overall(board, look, title)
    for step, items in board.steps().items():
        yield EMPTY
        yield from _step(board, look, step, items, detail)


def _objects(board: Board) -> str:
    return f" ({words.count(board.reading, 'object')})" if board.reading else ""


def _overall(board: Board, look: Look, title: str) -> Iterator[Line]:
    finished = len(board.items) - len(board.of("waiting", "running"))
    said = f"{finished} of {len(board.items)} done"
    said += f", {words.duration(board.worked)} so far" if board.worked >= 1 else ""
    said += f", {words.between(*board.left_range())} left" if board.of("waiting", "running") else ""
    yield from fold(line(Span(title, "strong"), "  ", said), look.width, 2)
    width = min(look.width, 80)
    filled = int(width * board.fraction())
    yield line(Span(look.glyph("bar_done") * filled, "good"), Span(look.glyph("bar_left") * (width - filled), "dim"))


def _step(board: Board, look: Look, step: str, items: list[Item], detail: int) -> Iterator[Line]:
    done = [item for item in items if item.state in ("done", "kept")]
    mark, word = _step_mark(items, look)
    yield line(mark, " ", Span(f"{words.step_title(step):<11}", "strong"), f"  {len(done)} of {len(items)} done", word)
    rows: list[list[Cell]] = []
    if detail == 2 and len(done) <= 2 and len(done) < len(items):
        rows += [[Span(look.glyph("good"), "good"), _name(i), Span(_ended(i), "dim")] for i in done]
    for item in items:
        if item.state == "failed" and item.error:
            rows.append([Span(look.glyph("bad"), "bad"), _name(item), Span(f"failed: {item.error.summary}", "bad")])
    rows += [[Span(look.glyph("running"), "strong"), _name(i), _now(board, i)] for i in items if i.state == "running"]
    waiting = [i for i in items if i.state == "waiting"]
    if detail >= 1:
        rows += [[Span(look.glyph("waiting"), "dim"), *pair] for pair in _waiting(board, waiting)]
    elif waiting:
        rows.append([Span(look.glyph("waiting"), "dim"), f"{len(waiting)} waiting", ""])
    skipped = sum(1 for i in items if i.state == "skipped")
    if skipped:
        rows.append([Span(look.glyph("skipped"), "dim"), f"{skipped} skipped", ""])
    for row in table(rows, look, indent=2):
        yield _cropped(row, look.width)


def _step_mark(items: list[Item], look: Look) -> tuple[Span, str]:
    states = {item.state for item in items}
    if "failed" in states:
        return Span(look.glyph("bad"), "bad"), ", failed"
    if "running" in states:
        return Span(look.glyph("running"), "strong"), ""
    if "waiting" in states:
        return Span(look.glyph("waiting"), "dim"), ""
    if "skipped" in states:
        return Span(look.glyph("skipped"), "dim"), ""
    return Span(look.glyph("good"), "good"), ""


def _ended(item: Item) -> str:
    if item.state == "kept":
        return f"kept: {item.detail}"
    return f"{words.did(item.verb, item.changed)} in {words.duration(item.seconds)}"


def _now(board: Board, item: Item) -> Span:
    said = [words.doing(item.verb), timing(board, item)]
    detail = f" ({item.detail})" if item.detail else ""
    return Span("  ".join(part for part in said if part) + detail)


def _waiting(board: Board, waiting: list[Item]) -> Iterator[tuple[str, Span]]:
    """Items that wait for the same kinds of things share a line: ``connections 1 to 4``."""
    grouped: dict[tuple[str, tuple[str, ...]], list[Item]] = {}
    for item in waiting:
        kinds = tuple(dict.fromkeys(_kind(need) for need in board.blockers(item)))
        grouped.setdefault((_kind(item.address), kinds), []).append(item)
    for (_, kinds), items in grouped.items():
        needs = dict.fromkeys(need for item in items for need in board.blockers(item))
        named = [_together([board.items[need] for need in needs if _kind(need) == kind]) for kind in kinds]
        what = ", ".join(named[:2]) + (f" and {len(named) - 2} more" if len(named) > 2 else "")
        wait = "waits" if len(items) == 1 else "wait"
        yield _together(items), Span(f"{wait} for {what}" if what else "next", "dim")


def _kind(address: str) -> str:
    return address.partition("[")[0]


def _name(item: Item) -> str:
    """What people call it; what has no title is named by its address."""
    return item.title or item.address


def _together(items: list[Item]) -> str:
    """Several of one kind: ``connections 1 to 4``, ``public IPs 1 and 2``."""
    names = [_name(item) for item in items]
    split = [re.fullmatch(r"(.*?)(\d+)", name) for name in names]
    stems = {match[1] for match in split if match}
    if len(names) == 1 or len(stems) != 1 or not all(split):
        return names[0] if len(set(names)) == 1 else ", ".join(names[:2]) + (" ..." if len(names) > 2 else "")
    numbers = sorted(int(match[2]) for match in split if match)
    in_row = len(numbers) > 2 and len(numbers) == numbers[-1] - numbers[0] + 1
    said = f"{numbers[0]} to {numbers[-1]}" if in_row else " and ".join(map(str, numbers))
    return f"{stems.pop().rstrip()}s {said}"


def _cropped(parts: Line, width: int) -> Line:
    """A line that is too long would wrap and break the redrawing."""
    if cells(text_of(parts)) <= width:
        return parts
    kept: list[Span] = []
    room = width - 3
    for span in parts:
        piece = span.text
        while cells(piece) > room:
            piece = piece[:-1]
        kept.append(Span(piece, span.tone))
        room -= cells(piece)
        if piece != span.text:
            break
    return (*kept, Span("...", "dim"))


def summary_lines(board: Board, look: Look) -> list[Line]:
    """What stays on the screen at the end: a line per step, and the total."""
    rows: list[list[Cell]] = []
    for step, items in board.steps().items():
        mark, _ = _step_mark(items, look)
        rows.append([mark, words.step_title(step), _step_total(items)])
    lines = list(table(rows, look))
    for item in board.of("failed"):
        said = f"{item.address} failed: {item.error.summary}" if item.error else f"{item.address} failed"
        lines += table([[Span(look.glyph("bad"), "bad"), said]], look)
    return [*lines, *total_lines(board, look)]


def _step_total(items: list[Item]) -> str:
    return totals(Board(items={item.address: item for item in items})) or "read"
