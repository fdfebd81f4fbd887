"""Plans what a link needs, carries it out, and removes it again."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudlink.clouds.errors import error_policy
from cloudlink.connect import accounts_of
from cloudlink.core.plan import Action, Plan
from cloudlink.core.polling import Stopped
from cloudlink.errors import CloudlinkError, CredentialsError, Interrupted, StateError, UsageError, refusal
from cloudlink.session.run import Run
from cloudlink.session.run_log import record

if TYPE_CHECKING:
    from cloudlink.checks.also_learned_reads import Planned as AlsoPlanned
    from cloudlink.checks.preflight.context import Context
    from cloudlink.core.resource import Receipt
    from cloudlink.sweep import Row


@dataclass
class Building(Run):
    """The writing half of a session."""

    def make_plan(
        self, *, only: Sequence[str] | None = None, resuming: bool = False, new_addresses: bool = False
    ) -> Plan:
        """Read both clouds and compare. Where something would be written, what must hold before is checked: the plan's
        findings. A plan with obstacles is for showing; ``apply`` refuses it.

        resuming: that the link is paused is no obstacle. new_addresses: AWS chooses those of the endpoint that a pause took.
        """
        self.refuse_another_kind()
        nodes = tuple(self.clouds.topology.nodes())
        if new_addresses:
            from cloudlink import pausing

            nodes = tuple(pausing.with_new_addresses(self.clouds.topology))
        engine = self._make_engine(nodes)
        self._reading()
        with ThreadPoolExecutor(1, thread_name_prefix="accounts") as pool:
            accounts = pool.submit(accounts_of, self.clouds)
            plan = engine.plan(collect=True)
        if self.clock.stopped:  # some of it was not read then
            raise Stopped
        self._find_note()
        plan = replace(plan, accounts=accounts.result())
        if any(change.drift for change in plan.changes):
            plan = self.read_link.with_authors(plan)
        if only:
            plan = self._only(plan, only)
        from cloudlink.checks.preflight import run as preflight

        failed = {
            address: (self._about_the_region(e) or e) if isinstance(e, CredentialsError) else e
            for address, e in engine.snapshot.errors.items()
        }
        topics = preflight.topics_of(self.link, writes=bool(plan.writes or failed))
        with ThreadPoolExecutor(1, thread_name_prefix="also-learned") as pool:
            also = pool.submit(self._also_learned, tried=not failed)
            findings = preflight.check(self._context(plan, failed), engine.read, topics)
        if not resuming and plan.writes and (pause := self.read_link.found_pause()) is not None:
            from cloudlink.checks import pauses

            findings = (pauses.obstacle(plan, self.link, pause), *findings)
        planned = also.result()
        for cluster in self.clouds.stopped:
            said = (
                f"{cluster.label} is no more in the configuration and is stopped, so its CoreDNS keeps the key of this link. The next "
                "cloudlink up that finds it running takes the key away."
            )
            plan = replace(plan, warnings=(*plan.warnings, said))
        unread = (f for f in planned.unread if not any(o.detail and o.detail in f.detail for o in findings))
        return replace(plan, findings=(*findings, *unread), also_learned=planned.rows)

    def _also_learned(self, *, tried: bool) -> AlsoPlanned:
        """tried: the clouds could be read so far; else what fails is told by what has failed."""
        from cloudlink.checks import also_learned_reads

        if not tried:
            return also_learned_reads.Planned()
        return also_learned_reads.plan(self.link, self.clouds.aws, self.clouds.azure, error_policy(self.link).translate)

    def refuse_another_kind(self) -> None:
        """Raises StateError where the link in the state is of another kind than the configured one."""
        self._refuse_left_vpn()
        self._refuse_another_kind_of_gateway()
        self._refuse_another_forward()

    def _refuse_left_vpn(self) -> None:
        """Raises StateError where cloudlink has made a VPN for this link, which a link without one would leave behind."""
        left = sorted(a for a in self.state.receipts() if a.startswith(("aws_vpn.", "azure_vpn.")))
        if self.link.makes_vpn or not left:
            return
        raise StateError(
            "The link has a VPN that cloudlink made",
            f'link.transport is "existing", and {len(left)} objects of the VPN are in the state ({", ".join(left[:3])} ...). '
            "They would be left behind and go on costing money.",
            'Set link.transport = "vpn" again, and either leave it so or take the link down first: cloudlink teardown',
        )

    def _refuse_another_kind_of_gateway(self) -> None:
        """Raises StateError where the link was built with the other kind of gateway in AWS: what belongs to that one only would
        be left behind."""
        made = self.state.receipts()
        other = "aws_vpn.route_propagation" if self.link.aws.transit else "aws_vpn.static_routes"
        if other not in made:
            return
        was, now = "a virtual private gateway", "a transit gateway"
        if not self.link.aws.transit:
            was, now = now, was
        raise StateError(
            "The link was built with another kind of gateway",
            f"aws.gateway names {now}, and the link in the state ends on {was}. What belongs to that one would be left behind.",
            "Set aws.gateway as it was, or take the link down first with that configuration: cloudlink teardown",
        )

    def _refuse_another_forward(self) -> None:
        """Raises StateError where the names of the link in the state are forwarded the other way: what belongs to that one only
        would be left behind."""
        made = self.state.receipts()
        by_vnet = self.link.dns.forward == "vnet"
        other = "dns_forward.forward" if by_vnet else "dns_forward.rule["  # a ruleset may be somebody else's
        if not any(address.startswith(other) for address in made):
            return
        was, now = ("coredns", "vnet") if by_vnet else ("vnet", "coredns")
        raise StateError(
            "The link was built with another way to forward its names",
            f'dns.forward is "{now}", and the link in the state has "{was}". What belongs to that one would be left behind, and '
            "would go on answering.",
            f'Set dns.forward = "{was}" again; to change it, first run, with "{was}": cloudlink teardown',
        )

    def show_plan(self, plan: Plan) -> None:
        """Raises what carries every obstacle, where there are any: nothing may be begun then."""
        self.view.plan(plan, link=self.link)
        self.refuse_obstacles(plan)

    def refuse_obstacles(self, plan: Plan) -> None:
        """Raises what carries every obstacle, where there are any."""
        if (error := refusal(plan.findings)) is not None:
            raise error

    def confirmed(self, plan: Plan, doing: str) -> bool:
        """Ask whether this may be done. doing: how the question begins."""
        from cloudlink.view.plan import question

        left = [c.address for c in plan.changes if c.action is not Action.DELETE]
        cost = self._monthly_cost(left) if any(c.action is Action.CREATE for c in plan.changes) else 0.0
        return self.view.confirm(question(plan, self.link, doing, cost))

    def plan_removal(self, *, leave_coredns: bool = False) -> Plan:
        """What a teardown would do. Raises what keeps it from beginning, such as a cluster that cannot be asked."""
        from cloudlink import removal
        from cloudlink.steps.dns_forward.step import address_on

        self.refuse_another_kind()
        clouds = self.clouds
        leave = removal.keys_to_leave(clouds.topology, self.translate) if leave_coredns else frozenset()
        engine = self._make_engine(tuple(removal.nodes(clouds.topology, leave=leave)))
        self._reading()
        try:
            plan = engine.plan(destroy=True)
        except CloudlinkError as error:
            at = clouds.on(error.resource)
            if at is None or not removal.held_up_by_coredns(error):
                raise
            raise removal.cluster_not_asked(error, at.link, at.azure.aks_power()) from error
        plan = removal.with_note(plan, self._find_note())
        self._left = removal.foreign(engine.snapshot.found, engine.graph)
        plan = removal.without_foundations(plan, engine.graph, self._left)
        receipts = self.state.receipts()
        plan, unknown = removal.leaving_unknown_addresses(plan, self.link, engine.snapshot.found, receipts, self._note)
        self._left += unknown
        for cluster, forward in zip(clouds.clusters, clouds.topology.forwards, strict=False):
            if forward.address in leave:
                if cluster.azure.aks_cluster() is not None:
                    plan, left = removal.leaving_coredns(plan, cluster.link, forward.address, forward.title)
                    self._left += (left,)
            elif engine.snapshot.found.get(forward.address) is None and forward.address in receipts:
                there = cluster.azure.aks_cluster() is not None
                plan = removal.with_lost_cluster(plan, cluster.link, there=there)
        for cluster in clouds.stopped:  # and no more in the configuration
            title = f"CoreDNS of {cluster.label}"
            plan, left = removal.leaving_coredns(plan, cluster.link, address_on(cluster.label), title)
            self._left += (left,)
        from cloudlink.checks.preflight import run as preflight

        return replace(plan, findings=preflight.check(self._context(plan, {}), engine.read, preflight.BEFORE_REMOVAL))

    def _find_note(self) -> Receipt | None:
        """What a lost state file has said of the addresses on an adopted gateway, as far as that can be told without it."""
        self._note = None
        if self.link.azure.adopt_gateway is None:
            return None
        from cloudlink import removal
        from cloudlink.checks.preflight import azure_gateway

        assert self._engine is not None
        engine, found, receipts = self._engine, self._engine.snapshot.found, self.state.receipts()
        if found.get(removal.INSIDE_ADDRESSES) is not None and removal.INSIDE_ADDRESSES not in receipts:
            with contextlib.suppress(CloudlinkError):  # then nobody can tell
                facts = engine.read(removal.INSIDE_ADDRESSES, lambda: azure_gateway.read(self.clouds.azure))
                self._note = removal.note_of_addresses(self.link, found, receipts, facts, self.clock.now())
        return self._note

    def _context(self, plan: Plan, failed: Mapping[str, CloudlinkError]) -> Context:
        from cloudlink.checks.preflight.context import Context
        from cloudlink.steps.permissions import by_address

        clouds = self.clouds
        nodes = by_address(clouds.topology.nodes())
        targets = self._engine.snapshot.outputs.get(clouds.topology.resolver.targets.address) if self._engine else None
        context = Context(self.link, plan, clouds.aws, clouds.azure, clouds.aks, clouds.eks, nodes, failed, targets)
        return clouds.on_each_cluster(context)

    def _about_the_region(self, error: CredentialsError) -> CloudlinkError | None:
        from cloudlink.checks.preflight import region

        aws = self.clouds.aws
        return region.explain(error, aws.region, aws.home_region, aws.region_states)

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
        forward = [c for c in plan.changes if c.step == "dns_forward" and c.action is not Action.NO_OP]
        if "dns_forward" not in only and forward:
            # a zone that CoreDNS, or the VNet, still sends to AWS stays there
            who = "CoreDNS" if self.link.dns.forward == "coredns" else "the VNet's rule"
            why = f"left out by --only: {who} lets go of it first"
            changes = tuple(
                replace(c, action=Action.NO_OP, why=why) if c.action is Action.DELETE else c for c in changes
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
        return replace(plan, changes=changes)

    def apply(self, plan: Plan) -> None:
        assert self._engine is not None
        assert refusal(plan.findings) is None
        self._record_note()
        broken: Exception | None = None
        try:
            for event in self._engine.apply(plan, monthly_cost=self._monthly_cost):
                record(event)
                self.began = True
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
        if self.command in ("up", "resume"):
            self.state.put_pause(None)

    def _monthly_cost(self, existing: Collection[str]) -> float | None:
        """Roughly, in USD, of the resources with these addresses; None: no price is known for one of the clouds."""
        from cloudlink.checks.preflight import cost

        cluster = self._engine.snapshot.outputs.get("aws_vpn.cluster") if self._engine is not None else None
        return cost.of_existing(existing, self.link, cost.addresses(self.link, cluster.subnets) if cluster else 0)

    def record_receipts(self) -> None:
        """After a plan without changes: the state file knows what is there, also when it was lost."""
        assert self._engine is not None
        self._record_note()
        self._engine.record_receipts()

    def _record_note(self) -> None:
        from cloudlink.steps.dns_forward.clusters import settle

        if self._note is not None:
            self.state.put(self._note)
            self._note = None
        settle(self.link, self.state, self.clouds.gone)

    def teardown(self, plan: Plan) -> int:
        """Carry out a removal; says what was deleted, restored and kept, and what our tags still find."""
        from cloudlink import removal, sweep

        logs, logs_left = self._remove_logs()
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
        report = replace(report, deleted=logs + report.deleted, leftovers=report.leftovers + logs_left)
        if report.complete:
            for address in list(self.state.receipts()):
                self.state.remove(address)
            self.state.remove_if_empty()
        self.view.teardown(report)
        return 0 if report.complete else 8

    def _remove_logs(self) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
        """What ``logs`` made goes first: the tags that tell of it are on what a teardown deletes. What was deleted, and
        what could not be, which is no reason to keep the rest."""
        from cloudlink.checks.report import Left
        from cloudlink.day_two import logs

        link, clouds = self.link, self.clouds
        try:
            gone, foreign = logs.remove(link, clouds.aws, clouds.azure, remembered=self.state.receipts())
        except Exception as error:
            known = error if isinstance(error, CloudlinkError) else self.translate(error)
            if known is None:
                raise
            self.view.note(f"The logs of the tunnels could not be removed: {known}")
            command = f"aws logs delete-log-group --log-group-name {logs.group_name(link)}"
            return (), ((logs.group_name(link), "log group", command),)
        if foreign is not None:
            self._left += (Left(logs.ADDRESS, logs.group_name(link), foreign.detail, foreign.hint, asked=True),)
        for address in (logs.ADDRESS, logs.AZURE_ADDRESS):
            if address in self.state.receipts():
                self.state.remove(address)
        return tuple((logs.ADDRESS, "logs of the tunnels", id_) for id_ in gone), ()
