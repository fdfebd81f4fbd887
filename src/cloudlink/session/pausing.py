"""Pauses a link, and says whether it is paused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudlink.core.plan import Plan
from cloudlink.errors import CloudlinkError, ConflictError, UsageError
from cloudlink.session.building import Building

if TYPE_CHECKING:
    from cloudlink.checks.pauses import Saving
    from cloudlink.steps.dns_forward.pauses import Pause


@dataclass
class Pausing(Building):
    """The part of a session that takes away what costs by the hour. ``make_plan`` and ``apply`` bring it back."""

    def plan_pause(self, *, deep: bool, answer: str, hours: float, days: int) -> tuple[Plan, Pause, Saving]:
        """What a pause would do, what CoreDNS is to answer then, and what it saves. Raises what keeps it from beginning,
        such as a cluster that cannot be asked."""
        from cloudlink import pausing
        from cloudlink.checks import pauses
        from cloudlink.checks.preflight import run as preflight
        from cloudlink.steps.dns_forward.pauses import Pause

        self.refuse_another_kind()
        if self.link.dns.forward == "vnet":
            raise UsageError(
                "A link whose names the VNet forwards cannot be paused",
                'A pause tells CoreDNS what to answer meanwhile, and with dns.forward = "vnet" it is not CoreDNS that is asked.',
                "cloudlink teardown",
            )
        if self.link.dns.back:
            raise UsageError(
                "A link with names back cannot be paused",
                "While it is paused, the VPC would go on asking Azure for the zones of [[dns.back]], and get no answer.",
                "Take [[dns.back]] out and run cloudlink up before a pause, or: cloudlink teardown",
            )
        topology = self.clouds.topology
        engine = self._make_engine(tuple(pausing.nodes(topology, None)))
        self._reading()
        try:
            engine.plan(destroy=True)
        except CloudlinkError as error:
            at = self.clouds.on(error.resource)
            if at is None or isinstance(error, ConflictError):
                raise
            raise pausing.cluster_not_asked(error, at.link, at.azure.aks_power()) from error
        there = any(seen is not None for seen in engine.snapshot.found.values())
        for cluster, forward in zip(self.clouds.clusters if there else (), topology.forwards, strict=False):
            # CoreDNS could not be told, and a pause would end at once with nothing but its note
            if engine.snapshot.found.get(forward.address) is None and cluster.azure.aks_cluster() is None:
                raise pausing.cluster_gone(cluster.link, forward.address)
        before = self.inspection.found_pause()
        addresses = before.addresses if before is not None else {}
        addresses = addresses or pausing.addresses(engine.snapshot.outputs.get(topology.resolver.endpoint.address))
        since = before.since if before is not None and before.since else float(int(self.clock.now()))
        pause = Pause(since, answer, addresses)
        engine = self._make_engine(tuple(pausing.nodes(topology, pause)))
        removal = engine.plan(destroy=True)  # the read of a moment ago
        others, seen = pauses.others_routes(topology.nodes()), engine.snapshot.found
        attachment = pauses.attachment_goes(seen, others)
        answering = engine.replanned(destroy=False)
        plan = pausing.plan(removal, answering, deep=deep, attachment=attachment, others=others)
        own = [change.address for change in plan.changes]
        saving = pauses.saving(self.link, own, seen, pause, deep=deep, attachment=attachment, hours=hours, days=days)
        found = preflight.check(self._context(plan, {}), engine.read, preflight.BEFORE_REMOVAL) if plan.writes else ()
        return replace(plan, findings=(*found, pauses.finding(saving))), pause, saving

    def pause(self, plan: Plan, pause: Pause, saving: Saving, *, deep: bool) -> int:
        """Carry it out. Whose an object is, is written down first: of GatewaySubnet only the gateway says it."""
        from cloudlink import pausing, removal

        if plan.writes:
            assert self._engine is not None
            found, receipts = self._engine.snapshot.found, self.state.receipts()
            for receipt in removal.learned(plan, found, receipts, self.clock.now()):
                self.state.put(receipt)
            self.state.put_pause(pause.since, deep=deep)
            self.apply(plan)
        self.view.pause(pausing.report(self.link, plan, pause, saving))
        return 0

    def is_paused(self) -> bool:
        """Whether there is something to resume, after a plan: also the last call of a resume that died before it, CoreDNS's
        restart with the key that says nothing of a pause any more, when the state file is lost."""
        if self.inspection.found_pause() is not None or self.state.paused is not None:
            return True
        assert self._engine is not None, "is_paused comes after make_plan"
        found = (self._engine.snapshot.found.get(forward.address) for forward in self.clouds.topology.forwards)
        return any(f is not None and f.spec is not None and f.spec.zone and not f.spec.restarted for f in found)
