"""Reads a link: whether it is healthy, and whether its names work from a pod."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cloudlink.core import events as ev
from cloudlink.core.polling import MIN_READS, Stopped
from cloudlink.errors import CloudlinkError, CredentialsError
from cloudlink.session.run import Run

if TYPE_CHECKING:
    from cloudlink.checks.report import DnsReport, StatusReport

WATCH_EVERY = 5.0  # seconds of the user's time between two reads of a watch
# Seconds that eight of ten questions from a pod take, until its answers are read: a node is found, the image is there or is
# pulled (https://kubernetes.io/docs/concepts/containers/images/), Python starts, and each name is asked and connected to.
NAMES_TAKE, NAMES_USUALLY = 30.0, (8.0, 90.0)
_STATUS_READS = "changes nothing; says whether all of it is still so, and when names were asked last"
TUNNELS_UP_WITHIN = 300.0  # seconds after the last write in which tunnels and BGP usually come up


@dataclass
class Reading(Run):
    """The reading half of a session."""

    def verify(self, *, thorough: bool, skip: bool = False) -> int:
        """The end of ``up``. thorough: waits for the tunnels and asks the names from a pod; else only what the run
        has read anyway is checked."""
        if skip:
            return 0
        from cloudlink.checks.report import Advice, Health

        if not thorough:
            quick = self.read_link.quick(whole_way=True)
            self.view.status(quick)
            return 0 if quick.well else 8
        self._denials.clear()  # those of the plan were told with it
        report = self._wait_until_healthy(TUNNELS_UP_WITHIN)
        self.keep_status(report)
        dns = self._names(())
        if report.well:
            report = replace(report, next=())  # it would be to ask the names, which has just been done
            if dns.health is Health.HEALTHY and dns.advice == Advice(""):
                dns = replace(dns, advice=Advice("", command="cloudlink status", effect=_STATUS_READS))
        self.view.status(report)
        self.view.dns(dns)
        self._raise_denials(report)
        return 0 if report.well and dns.health is Health.HEALTHY else 8

    def _names(
        self, names: Sequence[str], image: str | None = None, *, measure: bool = False, cluster: str = ""
    ) -> DnsReport:
        """Ask the names; tells the pod's state, which may have an image to pull first."""
        start = self.clock.now()
        address, title = "verify.names", "the names, asked from a pod"
        self.view.event(ev.Begun(start, address, title, "check", NAMES_TAKE, NAMES_USUALLY))
        inspection = self.inspection
        report = inspection.dns(
            names,
            image=image,
            measure=measure,
            cluster=cluster,
            tell=lambda word: self.view.event(ev.Progress(self.clock.now(), address, word)),
        )
        self._unread_targets = inspection.unread_targets
        now = self.clock.now()
        self.view.event(ev.Done(now, address, title, "check", now - start, "", changed=False))
        if not (names or cluster):
            self.keep_dns(report)
        return report

    def read_status(self, *, thorough: bool = False) -> StatusReport:
        """Raises Stopped where the user has stopped it meanwhile: what was then not read would be told as something that could
        not be read."""
        report = self.inspection.status(thorough=thorough)
        if self.clock.stopped:
            raise Stopped
        return report

    def _wait_until_healthy(self, deadline: float) -> Any:

        if not self.link.makes_vpn:
            self.clouds.cache.clear()
            return self.inspection.status()
        start = self.clock.now()
        title = f"the {'four' if len(self.link.tunnels) == 4 else 'two'} tunnels and their BGP sessions"
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
        if not status.well and up == len(report):
            # routes follow the sessions by some seconds
            if self.clock.wait(15.0):
                raise Stopped
            self.clouds.cache.clear()
            status = self.inspection.status()
        return status

    def status(
        self, *, watch: bool, wait: float | None, everything: bool = False, each: Callable[[StatusReport], None]
    ) -> int:
        """each: is given every report, before it is shown."""

        start = self.clock.now()
        healthy = False
        names_asked = self.names_asked()
        # a name that failed may do so for what stands behind it, which is not asked for a link that works
        thorough = everything or bool(names_asked and names_asked.wrong)
        self._reading()
        while True:
            try:
                report = replace(self.read_status(thorough=thorough), names_asked=names_asked)
            except (CloudlinkError, Stopped):
                if watch and self.clock.stopped:  # Ctrl-C is how a watch ends; a read that it cut short is no error
                    return 0 if healthy else 8
                raise
            healthy = report.well
            each(report)
            if watch:
                self.view.watch(report, everything=everything)
                if self.clock.wait(WATCH_EVERY * self.clock.speed):
                    return 0 if healthy else 8
            elif wait is not None and not healthy and self.clock.now() - start < wait:
                self.view.note(f"{report.health.value}: {report.verdict}")
                if self.clock.wait(10.0):
                    raise Stopped
            else:
                self.keep_status(report)
                self.view.status(report, everything=everything)
                self._raise_denials(report)
                return 0 if healthy else 8
            self.clouds.cache.clear()

    def look(self, *, names: bool) -> None:
        """Read the link's state, and on demand its names from a pod, to be kept."""
        self._reading()
        report = self.read_status()
        self.keep_status(report)
        if names:
            self._names(())

    def _raise_denials(self, report: StatusReport) -> None:
        """Raises CredentialsError where nothing is wrong with what was seen, and something may not be read: the verdict
        is not to be trusted then, and the permission is what to see to."""
        if not report.well_as_seen:
            return
        if (closed := self.inspection.not_signed_in) is not None:
            raise closed
        if not self._denials:
            return
        first, *others = self._denials.values()
        if not others:
            raise first
        raise CredentialsError(
            "Permissions are missing",
            "The link was not wholly seen. " + " ".join(e.detail for e in (first, *others)),
            "cloudlink permissions --for status",
        )

    def checked_cluster(self, asked: str, options: str = "") -> str:
        """The label of the AKS cluster that an option names; empty: of each, or there is one alone. options: that the command to type
        instead needs as well. Raises UsageError."""
        from cloudlink.checks.names.verify import checked_cluster

        return checked_cluster(self.link.azure, asked, f"{self.command}{options}") if asked else ""

    def verify_dns(
        self, names: Sequence[str], *, image: str | None, everything: bool = False, cluster: str = ""
    ) -> int:
        from cloudlink.checks.names.verify import checked_name
        from cloudlink.checks.report import Health

        for name in names:  # before anything is begun
            checked_name(self.link.dns, name)
        cluster = self.checked_cluster(cluster)
        report = self._names(tuple(names), image, cluster=cluster)
        self.view.dns(report, everything=everything)
        if report.health is Health.HEALTHY:
            return 0
        unread = self._unread_targets
        if isinstance(unread, CredentialsError):  # what was wrong cannot be told from what was not seen
            unread.detail = f"{unread.detail} What the names should lead to was not wholly seen."
            raise unread
        return 8
