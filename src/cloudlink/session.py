"""The composition root: finds the configuration, the sandbox, the clouds and the view, and joins them for a command.

A command opens a :class:`Session`, asks it for one thing, and returns its exit code.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudlink.config import load
from cloudlink.connect import Clouds, accounts_of, connect
from cloudlink.core import events as ev
from cloudlink.core.plan import Action, Plan
from cloudlink.core.polling import MIN_READS, Stopped, WallClock
from cloudlink.errors import CloudlinkError, CredentialsError, Interrupted, OutputError, UsageError, refusal
from cloudlink.link import Link
from cloudlink.log import open_log, quiet_sdks
from cloudlink.own_files import open_own, own_folder
from cloudlink.process import stop_on_signals
from cloudlink.state import StateFile, state_path
from cloudlink.view import View, choose, open_view

if TYPE_CHECKING:
    from cloudlink.checks.preflight.context import Context
    from cloudlink.checks.report import DnsReport, Left
    from cloudlink.clouds.endpoints import Endpoints
    from cloudlink.core.engine import Engine
    from cloudlink.core.ports import ErrorPolicy
    from cloudlink.inspection import Inspection

_LOG = logging.getLogger("cloudlink")
_LOG.addHandler(logging.NullHandler())  # a command that only reads keeps no log; the view says what there is to say

CONFIG = Path("config.toml")
EXAMPLE = Path("config.example.toml")
# In an installation, and where cloudlink runs from a checkout.
SHIPPED_EXAMPLES = (Path(__file__).with_name(EXAMPLE.name), Path(__file__).parents[2] / EXAMPLE.name)
FOLDER = ".cloudlink"
DEFAULT_SPEED = 60.0
WATCH_EVERY = 5.0  # seconds of the user's time between two reads of a watch
TUNNELS_UP_WITHIN = 300.0  # seconds after the last write in which tunnels and BGP usually come up


@dataclass(frozen=True)
class SandboxPlace:
    """Where the sandbox of a configuration lives."""

    home: Path
    config: Path
    speed: float
    link: Link


def find_config(config: Path | None, *, sandbox: bool) -> Path:
    """The named file, else config.toml, else (in the sandbox, where nothing can go wrong) the example: the folder's, or
    the one that comes with cloudlink."""
    if config is not None:
        return config
    if sandbox and not CONFIG.exists():
        return next((e for e in (EXAMPLE, *SHIPPED_EXAMPLES) if e.exists()), CONFIG)
    return CONFIG


def _folder(named: Path | None, found: Path) -> Path:
    """Where cloudlink keeps what belongs to a configuration: beside it; for the example that comes with cloudlink, here."""
    shipped = named is None and found in SHIPPED_EXAMPLES
    return (Path.cwd() if shipped else found.resolve().parent) / FOLDER


def sandbox_place(config: Path | None, *, make: bool = False) -> SandboxPlace:
    """make: its folder is made where it is not. Raises StateError for a folder that is not the user's alone."""
    path = find_config(config, sandbox=True)
    link = load(path, sandbox=True)
    top = _folder(config, path)
    home = top / "sandbox" / link.name
    own_folder(home, top=top, make=make)
    return SandboxPlace(home, path, link.sandbox.speed if link.sandbox else DEFAULT_SPEED, link)


def _log_file(path: Path) -> int | None:
    """None: a log that cannot be written does not stop the run. Raises StateError for a file that is not ours."""
    try:
        return open_own(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    except OSError:
        return None


def plain_view(command: str, *, as_json: bool) -> View:
    """For what has to be said before, or outside, a session of this command."""
    kind = choose(as_json, False, os.environ)
    return open_view(
        kind,
        out=sys.stdout,
        err=sys.stderr,
        color=None,
        clock=WallClock(),
        command=command,
        link="",
        sandbox_speed=None,
    )


@contextlib.contextmanager
def open_session(
    command: str, *, config: Path | None, sandbox: bool, json: bool, color: bool | None, writes: bool
) -> Iterator[Session]:
    """Everything a command needs; closed whatever happens. Errors raised inside are shown by the session's view.

    writes: takes the lock of the state file, so that no two runs write at the same time.
    """
    path = find_config(config, sandbox=sandbox)
    endpoints: Endpoints | None = None
    clock: WallClock
    if sandbox:
        from cloudlink import sandbox_client

        sandbox_client.check_installed()  # before a folder is made for it
        place = sandbox_place(config, make=True)
        link, folder = place.link, place.home
        if not json and sys.stderr.isatty() and sandbox_client.find(place.home) is None:
            sys.stderr.write("Starting the sandbox, which takes some seconds.\n")
        running = sandbox_client.start(place.home, link, speed=place.speed)
        seen = running.call("GET", "status")
        # a sandbox whose clock is stopped is moved by hand; waiting for it must not take for ever
        speed = float(seen["speed"]) or 1.0
        clock = WallClock(speed, float(seen["now"]))
        endpoints = running.endpoints()
    else:
        link = load(path)
        folder = _folder(config, path)
        clock = WallClock()
    kind = choose(json, sys.stderr.isatty(), os.environ)
    view = open_view(
        kind,
        out=sys.stdout,
        err=sys.stderr,
        color=color,
        clock=clock,
        command=command,
        link=link.name,
        sandbox_speed=clock.speed if sandbox else None,
    )
    if sandbox and config is None and path.name == EXAMPLE.name and not json:
        view.note(f"No {CONFIG} here: using {path}.")
    state = StateFile(
        state_path(folder, link.name),
        link.name,
        place=link.place,
        command=f"cloudlink {command}",
        readonly=not writes,
    )
    session = Session(link, clock, view, state, endpoints, command)
    # Around everything, also around what is said at the end: a second Ctrl-C while that is shown must not lose it.
    with stop_on_signals(clock):
        try:
            quiet_sdks()
            with state:
                if writes:
                    open_log(_log_file(folder / f"{link.name}.log"))
                    _LOG.info("cloudlink %s begins", command)
                yield session
        except Stopped:
            error = Interrupted("Interrupted", "Stopped as asked.", "Run the same command again: it goes on from here.")
            view.error(error)
            error.shown = True
            raise error from None
        except OutputError:
            raise  # the view has nowhere to say it
        except CloudlinkError as error:
            _say(error, view)
            raise
        except Exception as error:
            known = session.translate(error)  # a read outside the engine, which translates its own
            if known is None:
                for line in "".join(traceback.format_exception(error)).splitlines():  # a record is one line
                    _LOG.error("%s", line)
                bug = CloudlinkError(
                    "A mistake in cloudlink itself",
                    f"{type(error).__name__}; where it happened follows"
                    + (f", and is in {folder / f'{link.name}.log'}." if writes else "."),
                    "Run the same command again; if it happens again, report it with what follows.",
                )
                view.error(bug)
                raise
            _say(known, view)
            raise known from error
        finally:
            view.close()


def _say(error: CloudlinkError, view: View) -> None:
    _LOG.error("%s %s (%s, request %s)", error.resource, error, error.code or "no code", error.request_id or "unknown")
    if not error.shown:
        view.error(error)
        error.shown = True


def _record(event: Any) -> None:
    """One line in the log file for what was begun and how it ended."""
    match event:
        case ev.Begun(address=address, verb=verb):
            _LOG.info("%s %s begun", address, verb)
        case ev.Done(address=address, verb=verb, seconds=seconds, id=id_):
            _LOG.info("%s %s done in %.0f s: %s", address, verb, seconds, id_)
        case ev.Failed(address=address, error=error):
            _LOG.error(
                "%s failed: %s (%s, request %s)", address, error, error.code or "no code", error.request_id or "unknown"
            )
        case ev.Skipped(address=address, because=because):
            _LOG.info("%s skipped: %s", address, because)
        case ev.Halted(because=because, made=made):
            _LOG.error("nothing more was begun: %s was refused; made: %s", because, ", ".join(made) or "nothing")


@dataclass
class Session:
    """One command's run over one link."""

    link: Link
    clock: WallClock
    view: View
    state: StateFile
    endpoints: Endpoints | None
    command: str
    _clouds: Clouds | None = field(default=None, init=False)
    _engine: Engine | None = field(default=None, init=False)
    _left: tuple[Left, ...] = field(default=(), init=False)  # what a teardown leaves although it may be ours

    @property
    def clouds(self) -> Clouds:
        if self._clouds is None:
            self._clouds = connect(self.link, self.clock, self.endpoints)
        return self._clouds

    def translate(self, error: Exception) -> CloudlinkError | None:
        """An SDK's error as ours; None when it is none, which makes it a bug."""
        return self._error_policy().translate(error) if self._clouds is not None else None

    def _error_policy(self) -> ErrorPolicy:
        from cloudlink.clouds.errors import error_policy

        return error_policy(self.link)

    @property
    def inspection(self) -> Inspection:
        from cloudlink.inspection import Inspection

        clouds = self.clouds
        engine = self._engine or self._make_engine(clouds.topology.nodes())
        translate = self._error_policy().translate
        return Inspection(
            self.link, clouds.aws, clouds.azure, clouds.aks, clouds.topology, engine, self.clock, translate
        )

    # --- plan, up, teardown ------------------------------------------------------------------------------

    def _make_engine(self, nodes: Sequence[Any]) -> Engine:
        from cloudlink.core.engine import Engine

        self._engine = Engine(nodes, clock=self.clock, store=self.state, error_policy=self._error_policy())
        return self._engine

    def make_plan(self, *, only: Sequence[str] | None = None) -> Plan:
        """Read both clouds and compare. Where something would be written, what must hold before is checked: the plan's
        findings. A plan with obstacles is for showing; ``apply`` refuses it."""
        engine = self._make_engine(self.clouds.topology.nodes())
        self._reading()
        with ThreadPoolExecutor(1, thread_name_prefix="accounts") as pool:
            accounts = pool.submit(accounts_of, self.clouds)
            plan = engine.plan(collect=True)
        plan = replace(plan, accounts=accounts.result())
        if only:
            plan = self._only(plan, only)
        from cloudlink.checks.preflight import run as preflight

        failed = {
            address: (self._about_the_region(e) or e) if isinstance(e, CredentialsError) else e
            for address, e in engine.snapshot.errors.items()
        }
        topics = preflight.TOPICS if plan.writes or failed else preflight.WITHOUT_WRITES
        return replace(plan, findings=preflight.check(self._context(plan, failed), engine.read, topics))

    def show_plan(self, plan: Plan) -> None:
        """Raises what carries every obstacle, where there are any: nothing may be begun then."""
        self.view.plan(plan, link=self.link)
        if (error := refusal(plan.findings)) is not None:
            raise error

    def plan_removal(self, *, leave_coredns: bool = False) -> Plan:
        """What a teardown would do. Raises what keeps it from beginning, such as a cluster that cannot be asked."""
        from cloudlink import removal

        clouds = self.clouds
        engine = self._make_engine(tuple(removal.nodes(clouds.topology, leave_coredns=leave_coredns)))
        self._reading()
        try:
            plan = engine.plan(destroy=True)
        except CloudlinkError as error:
            if not removal.held_up_by_coredns(error):
                raise
            raise removal.cluster_not_asked(error, self.link, clouds.azure.aks_power()) from error
        self._left = removal.foreign(engine.snapshot.found)
        plan = removal.without_foundations(plan, engine.graph, self._left)
        forward = removal.FORWARD
        if engine.snapshot.found.get(forward, ...) is None and forward in self.state.receipts():
            plan = removal.with_lost_cluster(plan, self.link, there=clouds.azure.aks_cluster() is not None)
        elif leave_coredns and clouds.azure.aks_cluster() is not None:
            plan, left = removal.leaving_coredns(plan, self.link, clouds.topology.dns_forward.forward)
            self._left += (left,)
        from cloudlink.checks.preflight import run as preflight

        return replace(plan, findings=preflight.check(self._context(plan, {}), engine.read, preflight.BEFORE_REMOVAL))

    def _context(self, plan: Plan, failed: Mapping[str, CloudlinkError]) -> Context:
        from cloudlink.checks.preflight.context import Context

        clouds = self.clouds
        return Context(self.link, plan, clouds.aws, clouds.azure, clouds.aks, clouds.eks, failed)

    def _about_the_region(self, error: CredentialsError) -> CloudlinkError | None:
        from cloudlink.checks.preflight import region

        aws = self.clouds.aws
        return region.explain(error, aws.region, aws.home_region, aws.region_states)

    def _reading(self) -> None:
        """Azure takes ten seconds for some answers; meanwhile the user is told what is waited for."""
        from cloudlink.core.resource import Resource

        objects = sum(isinstance(node, Resource) for node in self.clouds.topology.nodes())
        self.view.event(ev.Reading(self.clock.now(), objects))

    def _only(self, plan: Plan, only: Sequence[str]) -> Plan:
        """The named steps; the others' changes are left out. What those steps need must be there already."""
        from cloudlink.steps import step_names

        unknown = [name for name in only if name not in step_names()]
        if unknown:
            raise UsageError(
                "No such step", f"{', '.join(unknown)} was given.", f"Steps are {', '.join(step_names())}."
            )
        changes = tuple(
            c
            if c.step in only or c.action is Action.NO_OP
            else replace(c, action=Action.NO_OP, why="left out by --only", fields=())
            for c in plan.changes
        )
        assert self._engine is not None
        chosen = {c.address for c in changes if c.action is not Action.NO_OP}
        left_out = {c.address for c in plan.changes if c.action is Action.CREATE and c.step not in only}
        needed = sorted(self._engine.graph.below(chosen) & left_out)
        if needed:
            raise UsageError(
                "What these steps need is not there",
                f"{', '.join(needed)} would have to be created first.",
                "Name those steps too, or run cloudlink up without --only.",
            )
        return Plan(changes, plan.warnings)

    def apply(self, plan: Plan) -> None:

        assert self._engine is not None
        assert refusal(plan.findings) is None
        broken: Exception | None = None
        try:
            for event in self._engine.apply(plan, monthly_cost=self._monthly_cost):
                _record(event)
                if broken is None:
                    try:
                        self.view.event(event)
                    except Exception as error:  # noqa: BLE001 - such as a closed pipe
                        # Workers wait for this thread to save their receipts: it may not leave before them.
                        broken = error
                        self.clock.stop()
        except Interrupted:
            if broken is None:
                raise
        if broken is not None:
            raise broken
        self.clouds.cache.clear()

    def _monthly_cost(self, existing: Collection[str]) -> float:
        """Roughly, in USD, of the resources with these addresses."""
        from cloudlink.checks.preflight import cost

        return cost.of_existing(existing, self.link)

    def record_receipts(self) -> None:
        """After a plan without changes: the state file knows what is there, also when it was lost."""
        assert self._engine is not None
        self._engine.record_receipts()

    def teardown(self, plan: Plan) -> int:
        """Carry out a removal; says what was deleted, restored and kept, and what our tags still find."""
        from cloudlink import removal, sweep

        if plan.writes:
            try:
                self.apply(plan)
            except CloudlinkError as error:
                if removal.held_up_by_coredns(error):
                    error.hint = f"{error.hint}\nTo leave the zone in CoreDNS: {removal.LEAVE_COREDNS}".strip()
                    # the screen has shown the failure when it happened, without this way on
                    self.view.note(f"To leave the zone in CoreDNS and remove the rest: {removal.LEAVE_COREDNS}")
                raise
        report = sweep.report(self.link, self.clouds.aws, self.clouds.azure, plan, self._left)
        if report.complete:
            for address in list(self.state.receipts()):
                self.state.remove(address)
            self.state.remove_if_empty()
        self.view.teardown(report)
        return 0 if report.complete else 8

    # --- reading -----------------------------------------------------------------------------------------

    def verify(self, *, thorough: bool, skip: bool = False) -> int:
        """The end of ``up``. thorough: waits for the tunnels and asks the names from a pod; else only what the run
        has read anyway is judged."""
        from cloudlink.checks.report import Health

        if skip:
            return 0
        if not thorough:
            quick = self.inspection.quick()
            self.view.status(quick)
            return 0 if quick.health is Health.HEALTHY else 8
        report = self._wait_until_healthy(TUNNELS_UP_WITHIN)
        dns = self._names(())
        if report.health is Health.HEALTHY:
            report = replace(report, next=())  # it would be to ask the names, which has just been done
        self.view.status(report)
        self.view.dns(dns)
        return 0 if report.health is Health.HEALTHY and dns.health is Health.HEALTHY else 8

    def _names(self, names: Sequence[str], image: str | None = None) -> DnsReport:
        """Ask the names; tells the pod's state, which may have an image to pull first."""
        start = self.clock.now()
        address, title = "verify.names", "the names, asked from a pod"
        self.view.event(ev.Begun(start, address, title, "check", 10.0))
        report = self.inspection.dns(
            names,
            image=image,
            tell=lambda word: self.view.event(ev.Progress(self.clock.now(), address, word)),
        )
        now = self.clock.now()
        self.view.event(ev.Done(now, address, title, "check", now - start, "", changed=False))
        return report

    def _wait_until_healthy(self, deadline: float) -> Any:
        from cloudlink.checks.report import Health

        start = self.clock.now()
        title = "the four tunnels and their BGP sessions"
        self.view.event(ev.Begun(start, "verify.tunnels", title, "check", 60.0))
        reads = 0
        while True:
            reads += 1
            self.clouds.cache.clear()
            report = self.inspection.quick().tunnels
            now = self.clock.now()
            up = sum(t.up for t in report)
            self.view.event(ev.Progress(now, "verify.tunnels", f"{up} of {len(report)} up"))
            if up == len(report) or (now - start > deadline and reads >= MIN_READS):
                break
            if self.clock.wait(10.0):
                raise Stopped
        self.view.event(ev.Done(now, "verify.tunnels", title, "check", now - start, "", changed=False))
        self.clouds.cache.clear()
        status = self.inspection.status()
        if status.health is not Health.HEALTHY and up == len(report):
            # routes follow the sessions by some seconds
            if self.clock.wait(15.0):
                raise Stopped
            self.clouds.cache.clear()
            status = self.inspection.status()
        return status

    def status(self, *, watch: bool, wait: float | None) -> int:
        from cloudlink.checks.report import Health

        start = self.clock.now()
        healthy = False
        self._reading()
        while True:
            try:
                report = self.inspection.status()
            except CloudlinkError:
                if watch and self.clock.stopped:  # Ctrl-C is how a watch ends; a read that it cut short is no error
                    return 0 if healthy else 8
                raise
            healthy = report.health is Health.HEALTHY
            if watch:
                self.view.watch(report)
                if self.clock.wait(WATCH_EVERY * self.clock.speed):
                    return 0 if healthy else 8
            elif wait is not None and not healthy and self.clock.now() - start < wait:
                self.view.note(f"{report.health.value}: {report.verdict}")
                if self.clock.wait(10.0):
                    raise Stopped
            else:
                self.view.status(report)
                return 0 if healthy else 8
            self.clouds.cache.clear()

    def verify_dns(self, names: Sequence[str], *, image: str | None) -> int:
        from cloudlink.checks.report import Health

        report = self._names(tuple(names), image)
        self.view.dns(report)
        return 0 if report.health is Health.HEALTHY else 8
