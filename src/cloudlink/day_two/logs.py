"""Switches the logs of the tunnels on and off, and reads what they wrote last.

AWS's end of a tunnel writes its IKE and its BGP log to a log group that cloudlink makes, with a time after which entries go.
Switching either on replaces the tunnel's endpoint, so both are switched in one call, one tunnel at a time, by the engine
that rotates keys. Azure's gateway sends its logs to a workspace that the user names, which touches no tunnel; what any
workspace holds of it is shown.

What is on is told by the clouds; a run that dies leaves a tag on the connection it was at, and the next one goes on.
https://docs.aws.amazon.com/vpn/latest/s2svpn/monitoring-logs.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeVar

from cloudlink.checks.marks import COMES_UP_WITHIN, LOGS_RUN_TAG, Mark, Stage, logs_tag_of, mark_in, numbers
from cloudlink.clouds.aws import logs
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_connections import connections
from cloudlink.clouds.aws.parse_logs import LogGroup, TunnelLogEntry
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_monitor import (
    TUNNELS_QUERY,
    GatewayLogEntry,
    diagnostic_setting,
    gateway_entries,
    workspace_of,
    workspaces_of_tunnels,
)
from cloudlink.clouds.ownership import Claim, Owner, owner_of
from cloudlink.core import events as ev
from cloudlink.day_two.endpoints import TunnelEndpoints, TunnelNow, event_address
from cloudlink.day_two.reports import LogLine, LogsReport, TunnelLogs
from cloudlink.errors import CloudlinkError, ConflictError
from cloudlink.link import Link

ADDRESS = "logs.group"  # of the receipt, and in the group's tags
AZURE_ADDRESS = "logs.azure"
RETENTION = 30  # days
TYPICAL = 300.0  # seconds for one tunnel
LINES = 3  # that are shown of a tunnel
MOST_RECENT = 3600.0  # seconds of a log that are looked through

T = TypeVar("T")


def group_name(link: Link) -> str:
    return logs.PREFIX + link.name


def name_of(arn: str) -> str:
    """The name of a log group, which is the end of its ARN."""
    return arn.partition(":log-group:")[2]


@dataclass
class Logs:
    """remember: is told address and id of what is about to be made, so that a teardown knows of it."""

    endpoints: TunnelEndpoints
    remember: Callable[[str, str], None] = lambda _address, _id: None

    # --- reading ------------------------------------------------------------------------------------------

    def show(self, since: float = MOST_RECENT) -> LogsReport:
        """What is on, and what was written last. since: seconds back. What may not be read is said in ``notes``."""
        here, notes = self.endpoints, list[str]()
        found = here.read()
        group = self._tried(self._group, f"The log group {group_name(here.link)}", notes)
        begin = here.clock.now() - since
        written: list[TunnelLogEntry] = []
        for name in sorted({name_of(arn) for n in found for arn in (n.ike_log, n.bgp_log) if arn}):
            read = self._tried(partial(logs.entries, here.aws, name, begin), f"The log {name}", notes)
            written += read or ()
        workspace = self._tried(self._workspace_of_tunnels, "Azure's diagnostic settings", notes) or ""
        azure: tuple[GatewayLogEntry, ...] = ()
        if workspace:
            azure = self._tried(partial(self._azures, begin), "Azure's log", notes) or ()
        rows = [replace(_row(n), lines=both_ends(n.vpn.id, n.outside, written, azure)) for n in found]
        return self._report(group, workspace, rows, notes=tuple(notes))

    def _tried(self, read: Callable[[], T], what: str, notes: list[str]) -> T | None:
        try:
            return read()
        except Exception as error:
            known = error if isinstance(error, CloudlinkError) else self.endpoints.policy.translate(error)
            if known is None:
                raise
            notes.append(f"{what} could not be read: {known}")
            return None

    def _workspace_of_tunnels(self) -> str:
        """Also one that somebody else's setting sends to; ours first."""
        settings = self.endpoints.azure.diagnostic_settings()
        ours = self.endpoints.azure.name("logs")
        return next(iter(workspaces_of_tunnels(sorted(settings, key=lambda s: s.get("name") != ours))), "")

    def _azures(self, since: float) -> tuple[GatewayLogEntry, ...]:
        here = self.endpoints
        return gateway_entries(here.azure.gateway_log(TUNNELS_QUERY, since, here.clock.now()))

    def _workspace(self) -> str:
        return workspace_of(self.endpoints.azure.diagnostic_setting())

    def _group(self) -> LogGroup | None:
        """Raises ConflictError for one of our name that is somebody else's."""
        return own_group(self.endpoints.aws, self.endpoints.link)

    def _report(
        self,
        group: LogGroup | None,
        workspace: str,
        rows: Iterable[TunnelLogs],
        *,
        change: Literal["on", "off", ""] = "",
        azure_change: bool = False,
        notes: tuple[str, ...] = (),
    ) -> LogsReport:
        return LogsReport(
            link=self.endpoints.link.name,
            group=group_name(self.endpoints.link),
            exists=group is not None,
            retention=group.retention if group else None,
            workspace=workspace,
            tunnels=tuple(rows),
            change=change,
            azure_change=azure_change,
            notes=notes,
        )

    # --- what is to be done -------------------------------------------------------------------------------

    def plan(self, change: Literal["on", "off"], only: Collection[int] = (), workspace: str = "") -> LogsReport:
        """only: numbers of tunnels, from 1; none: all. workspace: resource id of the one that Azure's logs are to go to.

        Raises UsageError for a tunnel that the link does not have, and UnhealthyError where one is down that was not left half done: the change would take down what is left.
        """
        self.endpoints.refuse_unknown(only)
        found, group, now_at = self.endpoints.read(), self._group(), self._workspace()
        arn = group.arn if group else ""
        rows = [self._planned(n, change, arn, only) for n in found]
        azure_change = bool(now_at) if change == "off" else bool(workspace) and workspace.lower() != now_at.lower()
        wanted = workspace or now_at
        report = self._report(
            group, wanted, rows, change=change, azure_change=azure_change and not (only and change == "off")
        )
        if report.due:
            self._refuse(found)
        return report

    def _planned(self, now: TunnelNow, change: Literal["on", "off"], arn: str, only: Collection[int]) -> TunnelLogs:
        row, logs_to = _row(now), {now.ike_log, now.bgp_log}
        if self._half_done(now):
            return replace(row, action="finish", why="an earlier run was interrupted here")
        if only and now.tunnel.index + 1 not in only:
            return replace(row, why="not chosen")
        if change == "on":
            if arn and logs_to == {arn}:
                return replace(row, why="on already")
            if foreign := logs_to - {arn, ""}:
                return replace(row, why=f"writes to {name_of(min(foreign))} already, which is not cloudlink's")
            return replace(row, action="on")
        if not arn or arn not in logs_to:
            return replace(row, why="off already" if logs_to == {""} else "its log group is not cloudlink's")
        return replace(row, action="off")

    # --- doing it -----------------------------------------------------------------------------------------

    def carry_out(self, report: LogsReport, *, days: int = RETENTION) -> LogsReport:
        """What was planned. days: how long entries are kept. Raises WaitError where a tunnel does not come up, and leaves
        the others alone then."""
        here = self.endpoints
        done: dict[str, TunnelLogs] = {}
        arn, kept = "", report.retention
        if report.azure_change:  # touches no tunnel, and may be refused
            self._change_azure(report)
        first = here.read()[0].vpn.id if report.due else ""  # the run's tag lies on one connection
        if report.due:
            chosen = numbers([int(row.address[7:-1]) + 1 for row in report.due])
            words = f"on {days}d {chosen}" if report.change == "on" else f"off {chosen}"
            here.tag(first, LOGS_RUN_TAG, str(Mark(Stage.BEGAN, here.clock.now(), words)))
        if report.change == "on":
            arn, kept = self._make_group(days), days
        for row, before in zip(report.due, ("", *(r.address for r in report.due)), strict=False):
            needs = (before,) if before else ()
            here.tell(ev.Queued(here.clock.now(), row.address, f"the logs of {row.name}", "update", needs, TYPICAL))
        for row in report.due:
            tunnel = next(t for t in here.link.tunnels if event_address(t) == row.address)
            began, title = here.clock.now(), f"the logs of {row.name}"
            here.tell(ev.Begun(began, row.address, title, "update", TYPICAL))
            self._refuse(here.read())
            self._one(here.again(tunnel), arn)
            took = here.clock.now() - began
            done[row.address] = replace(row, group=name_of(arn), changed=True, seconds=took)
            here.tell(ev.Done(here.clock.now(), row.address, title, "update", took, ""))
        if report.due:
            here.tag(first, LOGS_RUN_TAG, str(Mark(Stage.ENDED, here.clock.now())))
        return replace(
            report,
            exists=report.exists or report.change == "on",
            retention=kept,
            workspace="" if report.change == "off" and report.azure_change else report.workspace,
            tunnels=tuple(done.get(t.address, t) for t in report.tunnels),
            ended=True,
        )

    def _make_group(self, days: int) -> str:
        """Its ARN. One that is there already only gets the time that entries are kept."""
        here, name = self.endpoints, group_name(self.endpoints.link)
        self.remember(ADDRESS, name)
        there = self._group()
        if there is None:
            try:
                logs.create_group(here.aws, name, owner_of(here.link).tags(ADDRESS))
            except Exception as error:
                if not here.policy.unknown_outcome(error):
                    raise
            there = self._group()
        if there is None:
            raise ConflictError(
                "The log group was not made", f"AWS does not list {name} after it was made.", "cloudlink logs"
            )
        if there.retention != days:
            here.write(lambda: logs.keep_for(here.aws, name, days), repeat=True)
        return there.arn

    def _one(self, now: TunnelNow, arn: str) -> None:
        """arn: of the group that both logs are to go to; empty: they are to be off."""
        here = self.endpoints
        if self._half_done(now):
            here.wait_for_aws(now.tunnel)
            now = here.again(now.tunnel)
        if (now.ike_log, now.bgp_log) != (arn, arn):
            self._tag(now, Stage.CHANGING)
            called = here.clock.now()
            here.change_logs(now, arn)
            here.wait_until_up(now.tunnel, called=called, before=now.since)
        else:
            here.wait_until_up(now.tunnel)
        self._tag(now, Stage.CHANGED)

    def _change_azure(self, report: LogsReport) -> None:
        here = self.endpoints
        began, title = here.clock.now(), "Azure's diagnostic setting"
        here.tell(ev.Begun(began, AZURE_ADDRESS, title, "update", 5.0))
        if report.change == "on":
            self.remember(AZURE_ADDRESS, here.azure.name("logs"))
            here.azure.put_diagnostic_setting(diagnostic_setting(report.workspace))
        else:
            here.azure.delete_diagnostic_setting()
        here.tell(ev.Done(here.clock.now(), AZURE_ADDRESS, title, "update", here.clock.now() - began, ""))

    def _tag(self, now: TunnelNow, stage: Stage) -> None:
        here = self.endpoints
        here.tag(now.vpn.id, logs_tag_of(now.tunnel), str(Mark(stage, here.clock.now())))

    def _half_done(self, now: TunnelNow) -> bool:
        """Whether a run of ours died with this tunnel in work, or while it came up."""
        mark = mark_in(now.tags, logs_tag_of(now.tunnel))
        if mark is None or now.settled or self.endpoints.clock.now() - mark.at > COMES_UP_WITHIN:
            return False
        return mark.stage is Stage.CHANGING

    def _refuse(self, found: Sequence[TunnelNow]) -> None:
        self.endpoints.refuse(found, self._half_done, "A change of logs")


# --- teardown ---------------------------------------------------------------------------------------------


def remove(
    link: Link, aws: Aws, azure: Azure, *, remembered: Collection[str]
) -> tuple[tuple[str, ...], ConflictError | None]:
    """Before a teardown: what this module made. Ids of what was deleted, and why a log group of our name is kept. Nothing is asked of either cloud where neither
    the state nor a connection says that there is something. Repeating it is harmless. Raises the SDKs' errors.

    remembered: addresses that the state knows.
    """
    gone: list[str] = []
    foreign: ConflictError | None = None
    tags = [c.tags for c in connections(aws.vpn_connections()) if owner_of(link).holds(c.tags)]
    marks = {LOGS_RUN_TAG, *map(logs_tag_of, link.tunnels)}
    tagged = any(marks & found.keys() for found in tags)
    if ADDRESS in remembered or tagged:
        try:
            group = own_group(aws, link)
        except ConflictError as error:
            group, foreign = None, error
        if group is not None:
            logs.delete_group(aws, group.name)
            gone.append(group.name)
    if AZURE_ADDRESS in remembered and azure.diagnostic_setting() is not None:
        azure.delete_diagnostic_setting()
        gone.append(azure.name("logs"))
    return tuple(gone), foreign


# --- the group, and lines of it ---------------------------------------------------------------------------


def own_group(aws: Aws, link: Link) -> LogGroup | None:
    """The log group of this link; None: there is none. Raises ConflictError for one that is somebody else's."""
    group = logs.find_group(aws, group_name(link))
    if group is None:
        return None
    owner: Owner = owner_of(link)
    if owner.claim(logs.tags_of_group(aws, group), ADDRESS) is not Claim.OURS:
        raise ConflictError(
            "The log group is somebody else's",
            f"{group.name} is there, and its tags do not say that it belongs to this link: cloudlink did not make it, or its tags "
            "were removed. It is left alone.",
            f"See whose it is: aws logs list-tags-for-resource --resource-arn {group.arn}",
            resource=ADDRESS,
        )
    return group


def lines_of(
    connection: str, outside: str, written: Iterable[TunnelLogEntry], most: int = LINES
) -> tuple[LogLine, ...]:
    """The last that one tunnel wrote, newest first, each text once."""
    last: dict[tuple[str, str], LogLine] = {}
    for entry in written:
        if (entry.connection, entry.outside) == (connection, outside):
            last[entry.kind, entry.text] = LogLine(entry.at, entry.kind, entry.good, entry.text)
    return tuple(sorted(last.values(), key=lambda line: -line.since)[:most])


def both_ends(
    connection: str, outside: str, aws: Iterable[TunnelLogEntry], azure: Iterable[GatewayLogEntry]
) -> tuple[LogLine, ...]:
    """The last that each end of one tunnel wrote, newest first. outside: AWS's address, which both ends' lines name."""
    last = {
        (entry.kind, entry.text): LogLine(entry.at, entry.kind, entry.good, entry.text, "azure")
        for entry in azure
        if entry.remote == outside
    }
    theirs = sorted(last.values(), key=lambda line: -line.since)[:LINES]
    return tuple(sorted((*lines_of(connection, outside, aws), *theirs), key=lambda line: -line.since))


def _row(now: TunnelNow) -> TunnelLogs:
    group = name_of(now.ike_log or now.bgp_log)
    return TunnelLogs(event_address(now.tunnel), now.vpn.id, now.outside, group)
