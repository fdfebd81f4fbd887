"""Everything the user sees. Results go to stdout; progress, questions, notes and errors to stderr.

Three kinds of view: ``live`` for terminals, ``plain`` for logs and simple terminals, ``json`` for programs.
rich is imported by the live view and by nothing else in cloudlink.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TextIO, TypeAlias

from cloudlink.clouds.kube.contexts import KubectlContext
from cloudlink.core.events import Event
from cloudlink.core.plan import Plan
from cloudlink.core.polling import Clock
from cloudlink.errors import CloudlinkError
from cloudlink.link import Link
from cloudlink.view.options import ViewOptions

if TYPE_CHECKING:
    from cloudlink.checks.doctor import DoctorReport
    from cloudlink.checks.report import DnsReport, PauseReport, StatusReport, TeardownReport
    from cloudlink.day_two.reports import LogsReport, RotationReport, TrialReport

Kind: TypeAlias = Literal["live", "plain", "json"]


class View(Protocol):
    """To be used from the main thread only, and closed at the end whatever happened."""

    def event(self, event: Event) -> None:
        """Something happened, or (Tick) time passed."""
        ...

    def plan(self, plan: Plan, *, link: Link) -> None: ...

    def status(self, report: StatusReport, *, everything: bool = False) -> None:
        """The verdict, one cause and one thing to do. everything: each tunnel, route, name and check as well."""
        ...

    def watch(self, report: StatusReport, *, everything: bool = False) -> None:
        """One look of many: on a terminal it takes the place of the one before and fits the screen."""
        ...

    def doctor(self, report: DoctorReport) -> None: ...

    def dns(self, report: DnsReport, *, everything: bool = False) -> None:
        """A line a name. everything: each hop as well."""
        ...

    def trials(self, report: TrialReport) -> None: ...

    def rotation(self, report: RotationReport) -> None:
        """Before it: what is to be done; after it: what was."""
        ...

    def logs(self, report: LogsReport) -> None:
        """Before a change: what is to be done; after it: what was. Without one: what is on, and the last reasons."""
        ...

    def teardown(self, report: TeardownReport) -> None: ...

    def pause(self, report: PauseReport) -> None: ...

    def error(self, error: CloudlinkError) -> None: ...

    def note(self, text: str) -> None:
        """A sentence that is neither result nor error."""
        ...

    def confirm(self, question: str) -> bool:
        """Ask on stderr, read one line from stdin; only ``y`` and ``yes`` mean yes."""
        ...

    def close(self) -> None:
        """Bring the terminal to rest and say what has not been said. Safe to call twice."""
        ...


def choose(json: bool, stderr_is_terminal: bool, env: Mapping[str, str]) -> Kind:
    """The kind of view that suits where the output goes. CI systems get lines even where they fake a terminal."""
    from cloudlink.view.printer import is_dumb

    if json:
        return "json"
    if not stderr_is_terminal or is_dumb(env) or env.get("CI", "").lower() in ("1", "true"):
        return "plain"
    return "live"


def open_view(
    kind: Kind,
    *,
    out: TextIO,
    err: TextIO,
    color: bool | None,
    clock: Clock,
    command: str,
    link: str,
    sandbox_speed: float | None,
    given: str = "",
    contexts: Sequence[KubectlContext] = (),
) -> View:
    """See `ViewOptions`."""
    options = ViewOptions(
        out=out,
        err=err,
        color=color if kind == "live" else False,
        clock=clock,
        command=command,
        link=link,
        sandbox_speed=sandbox_speed,
        env=os.environ,
        given=given,
        contexts=contexts,
    )
    if kind == "json":
        from cloudlink.view.json_lines import JsonView

        return JsonView(options)
    if kind == "plain":
        from cloudlink.view.plain import PlainView

        return PlainView(options)
    from cloudlink.view.live import LiveView

    return LiveView(options)
