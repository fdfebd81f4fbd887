"""Opens a session for a command, and says what went wrong in it."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cloudlink.clouds.contact import CONTACT
from cloudlink.clouds.kube.contexts import of_link
from cloudlink.config import load
from cloudlink.connect import missing_sign_ins, state_store
from cloudlink.core.polling import Stopped, WallClock
from cloudlink.errors import CloudlinkError, CredentialsError, Interrupted, OutputError, OutputGone, is_denial
from cloudlink.link import Link
from cloudlink.log import open_log, quiet_sdks
from cloudlink.own_files import own_folder
from cloudlink.process import stop_on_signals
from cloudlink.session.locations import CONFIG, EXAMPLE, find_config, folder_of, sandbox_place
from cloudlink.session.run_log import LOG, log_file
from cloudlink.session.session import Session
from cloudlink.state import RemoteState, State, StateFile, state_path
from cloudlink.view import View, choose, open_view

if TYPE_CHECKING:
    from cloudlink.clouds.endpoints import Endpoints
    from cloudlink.discovery import Survey


def plain_view(command: str, *, as_json: bool, color: bool | None = None, at: float | None = None) -> View:
    """For what has to be said before, or outside, a session of this command. at: seconds since the epoch; None: now."""
    kind = choose(as_json, False, os.environ)
    return open_view(
        kind,
        out=sys.stdout,
        err=sys.stderr,
        color=color,
        clock=WallClock(1.0, at),
        command=command,
        link="",
        sandbox_speed=None,
    )


@contextlib.contextmanager
def open_session(
    command: str,
    *,
    config: Path | None,
    sandbox: bool,
    json: bool,
    color: bool | None,
    writes: bool,
    state_closed: bool = False,
) -> Iterator[Session]:
    """Everything a command needs; closed whatever happens. Errors raised inside are shown by the session's view.

    writes: takes the lock of the state, so that no two runs write at the same time. state_closed: neither takes the lock
    nor reads the state, which may be damaged.
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
        folder = folder_of(config, path)
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
        given=f" --config {shlex.quote(str(config))}" if config is not None else "",
        contexts=of_link(link, sandbox=sandbox),
    )
    if sandbox and config is None and path.name == EXAMPLE.name and not json:
        view.note(f"No {CONFIG} here: using {path}.")
    state = _state_of(link, folder, endpoints, clock, view, f"cloudlink {command}", readonly=not writes)
    session = Session(link, clock, view, state, endpoints, command)
    session.config_file, session.log_file = path, folder / f"{link.name}.log"
    # Around everything, also around what is said at the end: a second Ctrl-C while that is shown must not lose it.
    with stop_on_signals(clock):
        try:
            quiet_sdks()
            with contextlib.ExitStack() as stack:
                if not writes:
                    stack.enter_context(CONTACT.reading())
                if not state_closed:
                    _open_state(stack, state, link, clock, sandbox=sandbox)
                if writes:
                    open_log(log_file(folder / f"{link.name}.log"))
                    LOG.info("cloudlink %s begins", command)
                yield session
        except Stopped:
            error = Interrupted("Interrupted", "Stopped as asked.", "Run the same command again: it goes on from here.")
            view.error(error)
            error.shown = True
            _name_log(session, json=json)
            raise error from None
        except (OutputError, OutputGone) as gone:
            LOG.error("standard output is gone or full: %s", gone)
            raise  # the view has nowhere to say it
        except CloudlinkError as error:
            _say(error, view)
            _name_log(session, json=json)
            raise
        except Exception as error:
            known = session.translate(error)  # a read outside the engine, which translates its own
            if known is None:
                for line in "".join(traceback.format_exception(error)).splitlines():  # a record is one line
                    LOG.error("%s", line)
                bug = CloudlinkError(
                    "A mistake in cloudlink itself",
                    f"{type(error).__name__}; where it happened follows"
                    + (f", and is in {folder / f'{link.name}.log'}." if writes else "."),
                    "Run the same command again; if it happens again, report it with what follows.",
                )
                view.error(bug)
                raise
            _say(known, view)
            _name_log(session, json=json)
            raise known from error
        finally:
            view.close()


def _open_state(stack: contextlib.ExitStack, state: State, link: Link, clock: WallClock, *, sandbox: bool) -> None:
    """Where the state is in an object store, one cloud's sign-in is wanted before the other's: what is wrong with the other
    is said with it."""
    try:
        stack.enter_context(state)
    except CredentialsError as error:
        if sandbox or link.state is None or is_denial(error):
            raise
        raise (missing_sign_ins(link, clock) or error) from error


def _state_of(
    link: Link,
    folder: Path,
    endpoints: Endpoints | None,
    clock: WallClock,
    view: View,
    command: str,
    *,
    readonly: bool,
) -> State:
    path = state_path(folder, link.name)
    if link.state is None:
        return StateFile(path, link.name, place=link.place, command=command, readonly=readonly)
    if not readonly:
        own_folder(folder, make=True)  # for the log
    store = state_store(link, endpoints, clock)
    return RemoteState(
        store, link.name, place=link.place, command=command, readonly=readonly, local=path, tell=view.note
    )


@contextlib.contextmanager
def open_survey(
    *, sandbox: bool, profile: str | None, cloud: Literal["public", "usgovernment", "china"], json: bool
) -> Iterator[tuple[Survey, str]]:
    """What ``init`` looks through before there is a configuration, and a name for the link; empty: any.

    In the sandbox: the clouds of the configuration that is here, else of the example, under whose name they are kept.
    """
    from cloudlink.discovery import Survey

    clock, endpoints, name = WallClock(), None, ""
    if sandbox:
        from cloudlink import sandbox_client

        sandbox_client.check_installed()
        place = sandbox_place(None, make=True)
        if not json and sys.stderr.isatty() and sandbox_client.find(place.home) is None:
            sys.stderr.write("Starting the sandbox, which takes some seconds.\n")
        running = sandbox_client.start(place.home, place.link, speed=place.speed)
        seen = running.call("GET", "status")
        clock = WallClock(float(seen["speed"]) or 1.0, float(seen["now"]))
        endpoints, name = running.endpoints(), place.link.name
    quiet_sdks()
    with stop_on_signals(clock):
        try:
            yield Survey(endpoints, clock, profile, cloud), name
            if clock.stopped:
                raise Stopped
        except (Stopped, CloudlinkError) as error:
            if not clock.stopped:
                raise
            # also in place of what a read that was cut short says of the cloud
            raise Interrupted(
                "Interrupted", "Stopped as asked. Nothing was written.", "Run the same command again."
            ) from error


def _name_log(session: Session, *, json: bool) -> None:
    """At the end of a run that did not come to its end. In JSON the error is the last line."""
    if session.began and not json:
        session.view.note(f"Each step of this run is in {session.log_file}.")


def _say(error: CloudlinkError, view: View) -> None:
    LOG.error("%s %s (%s, request %s)", error.resource, error, error.code or "no code", error.request_id or "unknown")
    if not error.shown:
        view.error(error)
        error.shown = True
