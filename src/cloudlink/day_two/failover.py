"""Disturbs one tunnel on purpose and watches until all are up again. There is nothing to take back: a run that
dies leaves a tag, and the next one goes on watching.

The means are orderly ones: Azure resets the connection, or AWS replaces the tunnel's endpoint. An end that dies without a
word costs more, up to Azure's BGP hold time of 180 seconds.
https://learn.microsoft.com/azure/vpn-gateway/reset-gateway
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from cloudlink.checks.marks import WATCHED_FOR, Mark, Stage, failover_tag_of, mark_in
from cloudlink.checks.names.gap import Gap, GapMeter, said
from cloudlink.checks.report import Outcome
from cloudlink.clouds.aws import vpn
from cloudlink.core import events as ev
from cloudlink.core.polling import Stopped
from cloudlink.day_two.endpoints import TunnelEndpoints, TunnelNow, event_address
from cloudlink.day_two.reports import Trial
from cloudlink.errors import UnhealthyError

LOOKS_APART = 30.0  # seconds in which the traffic of each tunnel is counted


@dataclass(frozen=True)
class Disturbance:
    """What is to be done, or is being watched already."""

    tunnel: TunnelNow
    carries: int  # bytes that Azure received through it while it was looked at
    began: float | None = None  # when an earlier run disturbed it; None: nobody has


@dataclass
class Failover:
    endpoints: TunnelEndpoints
    aws_end: bool = False  # AWS replaces the endpoint; else Azure resets the connection
    meter: GapMeter | None = None  # says for how long nothing passed

    @property
    def means(self) -> str:
        return "AWS replaces its endpoint" if self.aws_end else "Azure resets its connection"

    def plan(self) -> Disturbance:
        """The tunnel that carries the traffic. Raises UnhealthyError unless all are up; one that an earlier run
        disturbed is gone on with."""
        here = self.endpoints
        found, now = here.read(), here.clock.now()
        for each in found:
            mark = mark_in(each.tags, failover_tag_of(each.tunnel))
            felt = each.since is not None and mark is not None and each.since >= mark.at
            if mark and mark.stage is Stage.BEGAN and now - mark.at < WATCHED_FOR and (felt or not each.settled):
                return Disturbance(each, 0, mark.at)
        down = [n for n in found if not n.settled]
        if down:
            words = "; ".join(f"{n.name}: {n.status.why or 'a change is under way'}" for n in down)
            raise UnhealthyError(
                f"A failover test needs {here.link.all_tunnels} tunnels",
                f"It takes one down on purpose, and no other may be down meanwhile. {words}",
                "cloudlink status",
            )
        if here.clock.wait(LOOKS_APART):
            raise Stopped
        before = {n.tunnel.index: n.azure.ingress for n in found}
        grown = {n.tunnel.index: (n.azure.ingress - before[n.tunnel.index], n) for n in here.read()}
        carries, tunnel = max(grown.values(), key=lambda pair: pair[0])
        return Disturbance(tunnel, carries)

    def carry_out(self, planned: Disturbance) -> Trial:
        """Raises WaitError where it does not come up again."""
        here, now = self.endpoints, planned.tunnel
        address, title = event_address(now.tunnel), f"failover of {now.name}"
        began = planned.began if planned.began is not None else here.clock.now()
        here.tell(ev.Begun(here.clock.now(), address, title, "check", 180.0))
        gap = Gap(why="an earlier run disturbed it" if planned.began is not None else "no name to ask for")
        if planned.began is None:
            with self.meter.watching() if self.meter else contextlib.nullcontext(gap) as gap:
                began = here.clock.now()  # the pod took a while to be there
                here.tag(now.vpn.id, failover_tag_of(now.tunnel), str(Mark(Stage.BEGAN, began)))
                if self.aws_end:
                    here.write(lambda: vpn.replace_tunnel(here.aws, now.vpn.id, now.outside))
                else:
                    here.write(lambda: here.azure.reset_connection(now.azure.name))
                here.wait_until_up(now.tunnel, called=began, before=now.since, settle=0.0)
                up_at = here.clock.now()
        else:
            here.wait_until_up(now.tunnel, settle=0.0)
            up_at = here.clock.now()
        up_since = here.again(now.tunnel).since  # a run that goes on with the watch comes late
        took = (up_since if planned.began is not None and up_since else up_at) - began
        here.tag(now.vpn.id, failover_tag_of(now.tunnel), str(Mark(Stage.ENDED, here.clock.now())))
        here.tell(ev.Done(here.clock.now(), address, title, "check", took, "", changed=False))
        how = "watched further after an interruption" if planned.began is not None else self.means
        return Trial(
            "failover",
            now.name,
            Outcome.PASSED,
            f"{how}: {self.endpoints.link.all_tunnels} tunnels were up with routes after {took:.0f} s; {said(gap)}",
            seconds=took,
        )
