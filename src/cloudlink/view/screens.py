"""What the two views for people share: results on stdout, questions, notes and errors on stderr."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TextIO

from cloudlink.checks.report import DnsReport, StatusReport, TeardownReport
from cloudlink.core.events import Event, Halted
from cloudlink.core.plan import Plan
from cloudlink.core.polling import Clock
from cloudlink.errors import CloudlinkError
from cloudlink.link import Link
from cloudlink.view.board import Board
from cloudlink.view.dns import dns_lines
from cloudlink.view.error import error_lines
from cloudlink.view.plan import plan_lines
from cloudlink.view.printer import Printer, takes_colour
from cloudlink.view.prompt import answered_yes
from cloudlink.view.status import status_lines, up_lines, watch_lines
from cloudlink.view.teardown import teardown_lines
from cloudlink.view.text import EMPTY, Line, Look, Span, labelled, line, paragraph, text_of


def note_lines(text: str, look: Look, *, warning: bool = False) -> list[Line]:
    if warning:
        return list(labelled(f"{look.glyph('warn')} warning:", text, look, 0, tone="warn"))
    return [(Span(part),) for part in text.splitlines()] or [EMPTY]


def halted_lines(event: Halted, board: Board, command: str, look: Look) -> list[Line]:
    """Why nothing more was begun, what there is now and what it costs, and how to go on."""
    made = [board.items[a].title if a in board.items else a for a in event.made]
    said = [f"Nothing more was begun, because {event.because} was refused."]
    said.append(f"Made by this run: {', '.join(made)}." if made else "This run has made nothing.")
    if event.monthly_cost:
        said.append(f"What exists of the link costs about {event.monthly_cost:.0f} USD a month while it is kept.")
    said.append(
        f"When the cause is removed, run cloudlink {command} again: it goes on from here."
        + (" cloudlink teardown removes what was made." if event.monthly_cost or made else "")
    )
    return [EMPTY, *paragraph(" ".join(said), look)]


class TextView(ABC):
    """Results as screens. Subclasses show what happens meanwhile."""

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
    ) -> None:
        sandbox = sandbox_speed is not None
        self._out = Printer(out, colour=takes_colour(out, env) if color is None else color, env=env, sandbox=sandbox)
        self._err_colour = takes_colour(err, env) if color is None else color
        self._err = Printer(err, colour=self._err_colour, env=env, sandbox=sandbox)
        self._clock = clock
        self._command = command
        self._link = link
        self._sandbox_speed = sandbox_speed
        self._board = Board()
        self._does_work = command in ("up", "teardown")  # the others only look, and their result says all
        self._shown: list[CloudlinkError] = []
        self._said = False  # something from which a result or an error should stand apart

    @abstractmethod
    def event(self, event: Event) -> None: ...

    @abstractmethod
    def _settle(self) -> None:
        """Bring the progress to rest: something else is about to be printed."""

    def plan(self, plan: Plan, *, link: Link) -> None:
        self._show(plan_lines(plan, self._out.look, link=link))
        self._board = Board()  # what was read for the plan is no part of the work

    def status(self, report: StatusReport) -> None:
        look = self._out.look
        if self._command == "up":
            self._show(up_lines(report, look))
        else:
            self._show(status_lines(report, look, self._clock.now()))

    def watch(self, report: StatusReport) -> None:
        if not self._out.redraws:
            self.status(report)
            return
        self._settle()
        self._out.redraw(watch_lines(report, self._out.look, self._clock.now()))

    def dns(self, report: DnsReport) -> None:
        self._show(dns_lines(report, self._out.look, brief=self._command == "up"))

    def teardown(self, report: TeardownReport) -> None:
        self._show(teardown_lines(report, self._out.look))

    def _show(self, screen: Iterable[Line]) -> None:
        """A result, apart from the one before."""
        self._settle()
        self._out.print([EMPTY, *screen] if self._said else screen)
        self._said = True

    def error(self, error: CloudlinkError) -> None:
        """In full, after every other failure of the run that has not been shown in full yet; equal ones as one. One that
        was shown when it happened is only named: it is the last thing that a reader of a long log sees."""
        self._settle()
        if any(_same(error, shown) for shown in self._shown):
            place = f" ({error.resource})" if error.resource else ""
            self._err.print(
                [line(Span(f"{self._err.look.glyph('bad')} Error:", "bad"), f" {error.summary}{place}: see above.")]
            )
        told: dict[tuple[str, str, str], list[CloudlinkError]] = {}
        for each in [*(f for f in self._failures() if not _same(f, error)), error]:
            if not any(_same(each, shown) for shown in self._shown):
                self._shown.append(each)
                told.setdefault((each.summary, each.detail, each.hint), []).append(each)
        for alike in told.values():
            apart = [EMPTY] if self._said else []
            also = [each.resource for each in alike[1:] if each.resource]
            self._err.print([*apart, *error_lines(alike[0], self._err.look, also=also)])
            self._said = True

    def _at_once(self, error: CloudlinkError, look: Look) -> list[Line]:
        """A failure in full when it happens, with its fix; one that says the same as an earlier one is not repeated."""
        said = any((e.summary, e.detail, e.hint) == (error.summary, error.detail, error.hint) for e in self._shown)
        self._shown.append(error)
        if said:
            return []
        return [EMPTY, *error_lines(error, look), EMPTY]

    def note(self, text: str) -> None:
        self._err.print(note_lines(text, self._err.look))

    def confirm(self, question: str) -> bool:
        self._settle()
        self._err.ask(text_of((Span(question),)) + " [y/N] ")
        return answered_yes()

    def close(self) -> None:
        self._settle()
        self._out.rest()
        unseen = self._failures()
        if unseen:
            self.error(unseen[-1])

    def _failures(self) -> list[CloudlinkError]:
        errors = [item.error for item in self._board.of("failed") if item.error]
        return [e for e in errors if not any(_same(e, shown) for shown in self._shown)]


def _same(one: CloudlinkError, other: CloudlinkError) -> bool:
    return (one.summary, one.detail, one.resource) == (other.summary, other.detail, other.resource)
