"""What the two views for people share: results on stdout, questions, notes and errors on stderr."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from cloudlink.checks.doctor import DoctorReport
from cloudlink.checks.report import DnsReport, PauseReport, StatusReport, TeardownReport
from cloudlink.clouds.kube.contexts import made_together
from cloudlink.core.events import Event, Halted
from cloudlink.core.plan import Plan
from cloudlink.day_two.reports import LogsReport, RotationReport, TrialReport
from cloudlink.errors import CloudlinkError, is_denial
from cloudlink.link import Link
from cloudlink.view import words
from cloudlink.view.board import Board
from cloudlink.view.dns import dns_lines
from cloudlink.view.doctor import doctor_lines
from cloudlink.view.error import error_lines
from cloudlink.view.logs import logs_lines
from cloudlink.view.options import ViewOptions
from cloudlink.view.pause import pause_lines
from cloudlink.view.plan import plan_lines
from cloudlink.view.printer import Printer
from cloudlink.view.prompt import answered_yes
from cloudlink.view.rotation import rotation_lines
from cloudlink.view.status import status_lines, up_lines, watch_lines
from cloudlink.view.teardown import teardown_lines
from cloudlink.view.text import EMPTY, Line, Look, Span, labelled, line, paragraph, text_of
from cloudlink.view.trials import trial_lines


def note_lines(text: str, look: Look, *, warning: bool = False) -> list[Line]:
    if warning:
        return list(labelled(f"{look.glyph('warn')} warning:", text, look, 0, tone="warn"))
    return [(Span(part),) for part in text.splitlines()] or [EMPTY]


def halted_lines(event: Halted, board: Board, command: str, look: Look) -> list[Line]:
    """Why nothing more was begun, what there is now and what it costs, and how to go on."""
    made = [board.items[a].title if a in board.items else a for a in event.made]
    said = [f"Nothing more was begun, because {event.because} was refused."]
    said.append(f"Made by this run: {', '.join(made)}." if made else "This run has made nothing.")
    if event.monthly_cost != 0:
        said.append(f"What exists of the link costs {words.monthly(event.monthly_cost)} while it is kept.")
    said.append(
        f"When the cause is removed, run cloudlink {command} again: it goes on from here."
        + (" cloudlink teardown removes what was made." if event.monthly_cost != 0 or made else "")
    )
    return [EMPTY, *paragraph(" ".join(said), look)]


class TextView(ABC):
    """Results as screens. Subclasses show what happens meanwhile."""

    def __init__(self, options: ViewOptions) -> None:
        env, given, context = options.env, options.typed_after, options.context
        self._out = Printer(options.out, colour=options.coloured(options.out), env=env, given=given, context=context)
        self._err_colour = options.coloured(options.err)
        self._err = Printer(options.err, colour=self._err_colour, env=env, given=given, context=context)
        self._contexts = options.contexts
        self._clock = options.clock
        self._command = options.command
        self._link = options.link
        self._sandbox_speed = options.sandbox_speed
        self._board = Board(simulated=self._sandbox_speed is not None)
        # the others only look, and their result says all
        self._does_work = self._command in ("up", "teardown", "pause", "resume")
        self._shown: list[CloudlinkError] = []
        self._told = ""  # the cause that the last status named
        self._said = False  # something from which a result or an error should stand apart

    @abstractmethod
    def event(self, event: Event) -> None: ...

    @abstractmethod
    def _settle(self) -> None:
        """End the progress display before something else is printed."""

    def plan(self, plan: Plan, *, link: Link) -> None:
        self._show(plan_lines(plan, self._out.look, link=link))
        # what was read for the plan is no part of the work
        self._board = Board(simulated=self._sandbox_speed is not None)

    def status(self, report: StatusReport, *, everything: bool = False) -> None:
        look = self._out.look
        self._told = report.advice.cause
        if self._command in ("up", "resume"):
            self._show(up_lines(report, look))
        else:
            self._show(status_lines(report, look, self._clock.now(), everything=everything))

    def watch(self, report: StatusReport, *, everything: bool = False) -> None:
        if not self._out.redraws:
            self._show([line(Span(f"--- {words.time_of_day(self._clock.now())} ---", "dim"))])
            self._said = False  # what follows belongs to it
            self.status(report, everything=everything)
            return
        self._settle()
        self._out.redraw(watch_lines(report, self._out.look, self._clock.now()))

    def doctor(self, report: DoctorReport) -> None:
        self._show(doctor_lines(report, self._out.look))

    def trials(self, report: TrialReport) -> None:
        self._show(trial_lines(report, self._out.look))

    def rotation(self, report: RotationReport) -> None:
        self._show(rotation_lines(report, self._out.look, self._clock.now()))

    def logs(self, report: LogsReport) -> None:
        self._show(logs_lines(report, self._out.look, self._clock.now()))

    def dns(self, report: DnsReport, *, everything: bool = False) -> None:
        self._show(dns_lines(report, self._out.look, everything=everything))

    def teardown(self, report: TeardownReport) -> None:
        self._show(teardown_lines(report, self._out.look))

    def pause(self, report: PauseReport) -> None:
        self._show(pause_lines(report, self._out.look))

    def _show(self, screen: Iterable[Line]) -> None:
        """Print a result, with an empty line before it."""
        self._settle()
        self._out.print([EMPTY, *screen] if self._said else screen)
        self._said = True

    def error(self, error: CloudlinkError) -> None:
        """In full, after every other failure of the run that has not been shown in full yet; equal ones as one. One that
        was shown when it happened is only named: it is the last thing that a reader of a long log sees."""
        self._settle()
        told_with_its_fix = bool(error.detail) and (
            error.detail.rstrip(".") in self._told or (error.summary in self._told and not is_denial(error))
        )
        if told_with_its_fix or any(_same(error, shown) for shown in self._shown):
            place = f" ({error.resource})" if error.resource else ""
            self._err.print(
                [line(Span(f"{self._err.look.glyph('bad')} Error:", "bad"), f" {error.summary}{place}: see above.")]
            )
        if told_with_its_fix:
            self._shown.append(error)
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
        shown = self._out.contexts | self._err.contexts
        for made_by, names in made_together(c for c in self._contexts if c.name in shown).items():
            self.note(f"kubectl has {' and '.join(names)} after: {made_by}")

    def _failures(self) -> list[CloudlinkError]:
        errors = [item.error for item in self._board.of("failed") if item.error]
        return [e for e in errors if not any(_same(e, shown) for shown in self._shown)]


def _same(one: CloudlinkError, other: CloudlinkError) -> bool:
    return (one.summary, one.detail, one.resource) == (other.summary, other.detail, other.resource)
