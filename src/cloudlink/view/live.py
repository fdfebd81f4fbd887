"""Progress on a terminal: one calm picture that is redrawn in place and leaves a few lines behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TextIO

from cloudlink.core.event import Event, Note, Planned
from cloudlink.core.wait import Clock
from cloudlink.view import words
from cloudlink.view.board import Board, Item
from cloudlink.view.plain import timing, total_lines
from cloudlink.view.printer import console, rich_text, speaks_unicode
from cloudlink.view.screens import TextView, note_lines
from cloudlink.view.text import EMPTY, Cell, Line, Look, Span, fold, line, table, text_of
from cloudlink.view.words import cells

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

REDRAW = 0.125  # seconds of wall time between two drawings at least


class LiveView(TextView):
    """Redraws on stderr from any event, at most eight times a second."""

    def __init__(
        self,
        *,
        out: TextIO,
        err: TextIO,
        color: bool | None,
        clock: Clock,
        command: str,
        link: str,
        sandbox_speed: float | None,
        env: Mapping[str, str],
        wall: Callable[[], float] = time.monotonic,
        screen: Console | None = None,
    ) -> None:
        super().__init__(
            out=out, err=err, color=color, clock=clock, command=command, link=link, sandbox_speed=sandbox_speed, env=env
        )
        self._unicode = speaks_unicode(err)
        self._screen = screen or console(err, colour=self._err_colour)
        self._wall = wall
        self._live: Live | None = None
        self._drawn = float("-inf")

    def event(self, event: Event) -> None:
        item = self._board.take(event)
        if isinstance(event, Note):
            self._above(note_lines(event.text, self._look(), warning=event.level == "warning"))
        if isinstance(event, Planned):
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
        """Above the picture, where it stays."""
        if self._live is None:
            self._err.print(lines)
        else:
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
        self._live.update(rich_text(picture, unicode=self._unicode), refresh=True)

    def _settle(self) -> None:
        if self._live is None:
            return
        live, self._live = self._live, None
        live.stop()
        self._board.reading = None
        if self._board.items:
            self._err.print(summary_lines(self._board, self._err.look))


def frame(board: Board, look: Look, *, title: str, sandbox_speed: float | None, height: int = 50) -> list[Line]:
    """The picture at one moment, no higher than ``height``: what gives way first is what is done, then what waits."""
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
    left = board.left()
    said = f"{finished} of {len(board.items)} done, {words.duration(board.worked)} so far"
    said += f", {words.about(left)} left" if board.of("waiting", "running") else ""
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
        rows += [[Span(look.glyph("good"), "good"), i.address, Span(_ended(i), "dim")] for i in done]
    rows += [
        [Span(look.glyph("bad"), "bad"), i.address, Span(f"failed: {i.error.summary if i.error else ''}", "bad")]
        for i in items
        if i.state == "failed"
    ]
    rows += [[Span(look.glyph("running"), "strong"), i.address, _now(board, i)] for i in items if i.state == "running"]
    waiting = [i for i in items if i.state == "waiting"]
    if detail >= 1:
        rows += [[Span(look.glyph("waiting"), "dim"), *pair] for pair in _waiting(board, waiting)]
    elif waiting:
        rows.append([Span(look.glyph("waiting"), "dim"), f"{len(waiting)} waiting", ""])
    skipped = sum(1 for i in items if i.state == "skipped")
    if skipped:
        rows.append([Span(look.glyph("skipped"), "dim"), f"{skipped} not begun", ""])
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
    """Items that wait for the same things share a line: ``azure_vpn.connection[0..3]``."""
    grouped: dict[tuple[str, tuple[str, ...]], list[Item]] = {}
    for item in waiting:
        base = item.address.partition("[")[0]
        needs = tuple(dict.fromkeys(need.partition("[")[0] for need in board.blockers(item)))
        grouped.setdefault((base, needs), []).append(item)
    for (base, needs), items in grouped.items():
        name = items[0].address if len(items) == 1 else f"{base}[{_range(items)}]"
        what = ", ".join(needs[:2]) + (f" and {len(needs) - 2} more" if len(needs) > 2 else "")
        yield name, Span(f"waits for {what}" if what else "next", "dim")


def _range(items: list[Item]) -> str:
    numbers = [item.address.partition("[")[2].rstrip("]") for item in items]
    together = all(n.isdigit() for n in numbers) and [int(n) for n in numbers] == list(
        range(int(numbers[0]), int(numbers[0]) + len(numbers))
    )
    return f"{numbers[0]}..{numbers[-1]}" if together else ",".join(numbers)


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
    """What stays on the screen when the picture is gone: a line per step, and the total."""
    rows: list[list[Cell]] = []
    for step, items in board.steps().items():
        mark, _ = _step_mark(items, look)
        total = text_of(total_lines_of(items))
        rows.append([mark, words.step_title(step), total])
    lines = list(table(rows, look))
    for item in board.of("failed"):
        lines += table(
            [[Span(look.glyph("bad"), "bad"), f"{item.address} failed: {item.error.summary if item.error else ''}"]],
            look,
        )
    return [*lines, *total_lines(board)]


def total_lines_of(items: list[Item]) -> Line:
    """One step's part of the total."""
    part = Board(items={item.address: item for item in items})
    lines = total_lines(part)
    text = text_of(lines[0]).partition(": ")[2].rstrip(".") if lines else "read"
    return line(text)
