"""Gives the tunnels new keys, one tunnel at a time, so that the others are up all the while.

For one tunnel AWS gets the key first, and Azure by its narrow call while AWS is at work: AWS takes the tunnel down in any
case, and Azure's forty seconds fit into that time. AWS keeps the key, so that nothing of it is needed here: a run that dies
between the two leaves a tag, and the next one copies AWS's key to Azure, as ``up`` would.

| It dies ... | Then |
|---|---|
| before AWS is asked, or before Azure has answered with AWS done | the tag says ``changing`` and the keys are equal: the tunnel is rotated again |
| between AWS and Azure | the keys differ, or AWS is at work: AWS's key is copied to Azure |
| while the tunnel comes up | it is waited for |
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from cloudlink.checks.marks import (
    COMES_UP_WITHIN,
    RUN_TAG,
    Mark,
    Stage,
    key_changed,
    mark_in,
    numbers,
    rotation_in,
    tag_of,
)
from cloudlink.core import events as ev
from cloudlink.day_two import azure_refuses
from cloudlink.day_two.endpoints import AWS_READY, TunnelEndpoints, TunnelNow, event_address
from cloudlink.day_two.reports import RotationReport, TunnelKey
from cloudlink.errors import CloudlinkError
from cloudlink.link import others_carry
from cloudlink.secret import Secret, new_pre_shared_key

TYPICAL = 300.0  # seconds for one tunnel


@dataclass
class Rotation:
    endpoints: TunnelEndpoints

    def plan(self, only: Collection[int] = (), older_than: float | None = None) -> RotationReport:
        """What is to be done. only: numbers of tunnels, from 1; none: all. older_than: seconds; a key of unknown age is old.

        Raises UsageError for a tunnel that the link does not have, what keeps Azure from taking a key, and UnhealthyError where another tunnel than one that was left half done is down, or where a key differs without
        a rotation of ours: the rotation would take down what is left.
        """
        self.endpoints.refuse_unknown(only)
        found = self.endpoints.read()
        now, run = self.endpoints.clock.now(), self._run(found)
        resumed = run is not None and not only and older_than is None
        rows = []
        for each in found:
            changed = key_changed(each.tags, each.tunnel)
            number = each.tunnel.index + 1
            row = TunnelKey(event_address(each.tunnel), each.vpn.id, each.outside, changed, "keep", "")
            if changed is None and each.status.aws is not None and each.status.aws.state == "UP":
                row = replace(row, unchanged_since=each.since)
            if self._half_done(each):
                rows.append(replace(row, action="finish", why="a rotation was interrupted here"))
            elif only and number not in only:
                rows.append(replace(row, why="not chosen"))
            elif older_than is not None and changed is not None and now - changed <= older_than:
                rows.append(replace(row, why="not that old"))
            elif resumed and run is not None and run.tunnels and number not in run.tunnels:
                rows.append(replace(row, why="not chosen"))
            elif resumed and run is not None and changed is not None and changed >= run.at:
                rows.append(replace(row, why="done before the interruption"))
            else:
                rows.append(replace(row, action="rotate", why="" if changed else "not known how old it is"))
        report = RotationReport(self.endpoints.link.name, tuple(rows), resumed=resumed)
        if report.due:
            self._refuse(found)
            azure_refuses.refuse(
                self.endpoints.azure, (each.azure.id for each in found), self.endpoints.policy.translate
            )
        return report

    def carry_out(self, report: RotationReport) -> RotationReport:
        """What was planned. Raises WaitError where a tunnel does not come up, and leaves the others alone then."""
        due = report.due
        if not due:
            return replace(report, ended=True)
        here = self.endpoints
        first = here.read()[0].vpn.id  # the tag lies on one connection, whichever tunnels are chosen
        several = len(due) > 1 or report.resumed
        if several and not report.resumed:
            chosen = numbers([int(row.address[7:-1]) + 1 for row in due])
            here.tag(first, RUN_TAG, str(Mark(Stage.BEGAN, here.clock.now(), chosen)))
        done: dict[str, TunnelKey] = {}
        for row, before in zip(due, ("", *(r.address for r in due)), strict=False):  # so that all of them are counted
            needs = (before,) if before else ()
            here.tell(ev.Queued(here.clock.now(), row.address, f"the key of {row.name}", "update", needs, TYPICAL))
        for row in due:
            tunnel = next(t for t in here.link.tunnels if event_address(t) == row.address)
            began = here.clock.now()
            here.tell(ev.Begun(began, row.address, f"the key of {row.name}", "update", TYPICAL))
            self._refuse(here.read())
            self._one(here.again(tunnel))
            took = here.clock.now() - began
            done[row.address] = replace(row, key_changed=began, rotated=True, seconds=took)
            here.tell(ev.Done(here.clock.now(), row.address, f"the key of {row.name}", "update", took, ""))
        if several:
            here.tag(first, RUN_TAG, str(Mark(Stage.ENDED, here.clock.now())))
        return replace(report, tunnels=tuple(done.get(t.address, t) for t in report.tunnels), ended=True)

    # --- one tunnel ---------------------------------------------------------------------------------------

    def _one(self, now: TunnelNow) -> None:
        here = self.endpoints
        if self._on_its_way(now):
            here.wait_until_up(now.tunnel)
            return
        if self._half_done(now):
            # With AWS still at work the key that it tells may be the old one.
            asked = now.vpn.state != AWS_READY
            here.wait_for_aws(now.tunnel)
            now = here.again(now.tunnel)
            if (asked or now.keys_differ) and now.key is not None:
                self._share(now, now.key)
                self._tag(now, Stage.CHANGED)
                here.wait_until_up(now.tunnel)
                return
        self._tag(now, Stage.CHANGING)
        key, called = new_pre_shared_key(), here.clock.now()
        here.change_key(now, key)
        self._share(now, key)
        self._tag(now, Stage.CHANGED)
        here.wait_until_up(now.tunnel, called=called, before=now.since, key=key)

    def _share(self, now: TunnelNow, key: Secret) -> None:
        """Raises an error that says what an Azure that refuses leaves behind, and that the next run finishes it."""
        try:
            self.endpoints.share(now.tunnel, key)
        except Exception as error:
            known = error if isinstance(error, CloudlinkError) else self.endpoints.policy.translate(error)
            if known is None:
                raise
            known.detail = (
                f"{known.detail} AWS has the new key of {now.name} and Azure has not, so that it is down, and "
                f"{others_carry(len(self.endpoints.link.tunnels))}. When the cause is removed, run cloudlink rotate-keys again: it finishes this tunnel first."
            ).strip()
            raise known from error

    def _tag(self, now: TunnelNow, stage: Stage) -> None:
        here = self.endpoints
        here.tag(now.vpn.id, tag_of(now.tunnel), str(Mark(stage, here.clock.now())))

    # --- what was left ------------------------------------------------------------------------------------

    def _mark(self, now: TunnelNow) -> Mark | None:
        return mark_in(now.tags, tag_of(now.tunnel))

    def _half_done(self, now: TunnelNow) -> bool:
        """Whether a run of ours died with this tunnel in work, or while it came up."""
        mark = self._mark(now)
        return mark is not None and (mark.stage is Stage.CHANGING or self._on_its_way(now))

    def _on_its_way(self, now: TunnelNow) -> bool:
        mark = self._mark(now)
        age = self.endpoints.clock.now() - mark.at if mark and mark.stage is Stage.CHANGED else None
        return age is not None and age < COMES_UP_WITHIN and not now.up

    def _run(self, found: Sequence[TunnelNow]) -> Mark | None:
        """A rotation that has not ended; None: there is none."""
        each = {n.tunnel.index + 1: self._mark(n) for n in found}
        return rotation_in(found[0].tags, each, self.endpoints.clock.now())

    def _refuse(self, found: Sequence[TunnelNow]) -> None:
        self.endpoints.refuse(found, self._half_done, "A rotation")
