"""What ``cloudlink status`` shows of a link."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from cloudlink.checks import (
    advice,
    back,
    existing_status,
    interrupted,
    led_elsewhere,
    pauses,
    status,
    status_reads,
    tunnels,
)
from cloudlink.checks.preflight import admin_rules, filters
from cloudlink.checks.preflight.aks import start_command
from cloudlink.checks.report import (
    Check,
    Health,
    Outcome,
    StatusReport,
    TunnelStatus,
    check,
)
from cloudlink.checks.tunnel_ends import AwsFacts
from cloudlink.clouds.aws import logs
from cloudlink.clouds.aws.parse_logs import TunnelLogEntry
from cloudlink.clouds.aws.parse_zones import ZoneRecord
from cloudlink.clouds.azure.parse_monitor import TUNNELS_QUERY, gateway_entries, workspaces_of_tunnels
from cloudlink.clouds.errors import error_policy
from cloudlink.clouds.kube.errors import NoCluster
from cloudlink.core.resource import Outputs, Resource
from cloudlink.errors import (
    AccessError,
    CloudError,
    CloudlinkError,
    CredentialsError,
    Finding,
    MissingError,
    UnreachableError,
    finding_of,
)
from cloudlink.inspection.read_link import ReadLink, address_on_cluster
from cloudlink.steps.aws_vpn.routes import Tables
from cloudlink.steps.aws_vpn.step import AwsVpn
from cloudlink.steps.dns_forward.step import is_forward
from cloudlink.steps.outputs import EksCluster, Endpoint, HostedZone, Targets, VirtualNetwork
from cloudlink.steps.resolver.records import RecordsSpec

EVIDENCE_OF = 1800.0  # seconds of a tunnel's log that are looked through for why it is down

# What a node's read tells -> the check that looks at it.
_CHECKED = {
    "aws_vpn.cluster": "routes-aws",
    "resolver.endpoint": "endpoint",
    "resolver.zone": "zone",
    "resolver.records": "records",
    "resolver.targets": "targets",
    "dns_forward.forward": "forward",
}


class StatusOfLink(ReadLink):
    """All that there is of the link, and what it means."""

    def status(self, *, thorough: bool = False) -> StatusReport:
        """Everything that ``cloudlink status`` shows. A missing cluster or load balancer is shown and not raised.

        thorough: also whether the load balancers have healthy targets, which takes four calls for each, and what network managers
        have put on the clusters' VNets.
        """
        made, half_done = self._status(thorough)
        if half_done and (held := self.holder()) is not None:
            return interrupted.running(made, *held)
        if made.health is Health.ABSENT:
            return made
        told = advice.before_up(made.advice, self._gone(), tunnels_down=any(not t.up for t in made.tunnels))
        return made if told == made.advice else replace(made, advice=told, next=tuple(filter(None, [told.command])))

    def _status(self, thorough: bool) -> tuple[StatusReport, bool]:
        """The report, and whether a command that changes the link has not ended."""
        plan = self.engine.plan(tolerant=True, partial=True)
        self._raise_what_hides_all()
        path_report = None if self.link.makes_vpn else self._path()
        endpoint: Endpoint | None = self._output(self.topology.resolver.endpoint)
        zone: HostedZone | None = self._output(self.topology.resolver.zone)
        others = zip(self.link.dns.more_zones, self.topology.resolver.zones[1:], strict=True)
        more = {wanted.name: found.id for wanted, node in others if (found := self._output(node)) is not None}
        network: VirtualNetwork | None = self._output(self.topology.azure_vpn.network)
        cluster: EksCluster | None = self._output(self.topology.aws_vpn.cluster)
        targets: Targets | None = self._output(self.topology.resolver.targets)
        joined = self.topology.aws_vpn
        tables: Tables | None = self._output(joined.route_tables) if isinstance(joined, AwsVpn) else None
        missing = {check: a for a in self._missing if (check := _CHECKED.get(a.partition("[")[0]))}
        away = self._unread_forwards()
        if self.clusters:
            missing.pop("forward", None)  # what is seen of each is told together
        unseen = {check: self._said(address) for check, address in missing.items()}
        hints = {check: self._missing[address].hint for check, address in missing.items()}
        if self.clusters:
            unread = [c for c in self.clusters if c.label in away]
            start = [start_command(c.link) for c in unread if self._is_stopped(c.azure, c)]
            whys = [self._missing[address_on_cluster(c, self.clusters)].hint for c in unread]
            hints["forward"] = "\n".join(start) or next(filter(None, whys), "")
        elif self._is_stopped(self.azure):
            unseen["forward"] = (
                f"the AKS cluster {self.link.azure.aks_cluster} is stopped, so that it has no pods that ask"
            )
            hints["forward"] = start_command(self.link)
        target = self._missing.get(self.topology.resolver.targets.address)
        by_cloud = (
            target is not None and type(target) is CloudError and target.code
        )  # such as throttling: nothing was seen
        if isinstance(target, CloudError) and not isinstance(target, UnreachableError | NoCluster) and not by_cloud:
            unseen.pop("targets", None)  # it was seen that something is wrong
        else:
            target = None
        facts = status_reads.gather(
            self.link,
            self.aws,
            self.azure,
            self._forward_state,
            endpoint_id=endpoint.id if endpoint else None,
            zone_id=zone.id if zone else None,
            more_zones=more,
            network=network,
            cluster_subnets=cluster.subnets if cluster else (),
            needed_tables=tables.needed if tables else (),
            target=target,
            balancers={name: b.arn for name, b in targets.load_balancers.items()} if targets is not None else {},
            ours=self._own_records(),
            unseen=unseen,
            hints=hints,
            policies=partial(self._policies, thorough=thorough),
            translate=self.translate,
            fresh=False,
        )
        if self.link.dns.back:
            facts = self._with_back(facts)
        if thorough and targets is not None and facts.target is None:
            silent = self._behind(targets.load_balancers, targets)
            facts = replace(facts, behind=tuple(dict.fromkeys(f for said in silent.values() for f in said)))
        facts = replace(facts, led=self._led_elsewhere(facts))
        drift = self._drift(plan)
        if path_report is not None:
            made = existing_status.report(self.link, facts, path_report, drift, now=self.clock.now())
            if not self._anything():
                return existing_status.absent(made, self.link), False
        else:
            made = status.report(self.link, facts, drift, now=self.clock.now())
            made = replace(made, tunnels=self._with_evidence(made.tunnels, facts.aws))
        if not self._anything():
            return made, False
        there, whole = self._how_far()
        if (
            self.written_by == status.TEARDOWN and there < whole and not self._missing
        ):  # of a paused link, too: a resume would build it again
            return status.half_removed(made, there, whole), True
        if (pause := self.found_pause()) is not None:
            own = [n.address for n in self.topology.nodes() if isinstance(n, Resource)]
            last = pauses.LastRun(self.written_by, self.paused_deep)
            goes = pauses.attachment_goes(self._found(), pauses.others_routes(self.topology.nodes()))
            return pauses.status(made, pause, own, self._found(), self.link, last, attachment=goes)
        by_hand = any(d.by_hand for d in made.drift)
        if path_report is not None and there < whole and not self._missing and not by_hand:
            return status.incomplete(made, there, whole, self.written_by), True
        if made.health is Health.ABSENT or status.never_complete(made):  # no tunnel yet, but some of our objects exist
            return status.incomplete(made, there, whole, self.written_by), True
        if self.paused is not None and self.written_by == pauses.PAUSE:
            return interrupted.pause_before_anything(made), True
        if path_report is None:
            left = interrupted.of_tunnels(self.link, made.tunnels, facts.aws, facts.azure, self.clock.now())
            if left is not None:
                return interrupted.told(made, left), True
        return made, False

    def _with_evidence(self, found: tuple[TunnelStatus, ...], aws: AwsFacts) -> tuple[TunnelStatus, ...]:
        """With what both ends' own logs say of tunnels that are not up. Where all are up, or no log is on, no log is read; one
        that may not be read is said and no more: the permission is one that can be done without."""
        return self._with_azures_evidence(self._with_awss_evidence(found, aws))

    def _with_awss_evidence(self, found: tuple[TunnelStatus, ...], aws: AwsFacts) -> tuple[TunnelStatus, ...]:
        begin, written, unread = self.clock.now() - EVIDENCE_OF, list[TunnelLogEntry](), ""
        for arn in tunnels.log_groups(found, aws):
            try:
                written += logs.entries(self.aws, arn.partition(":log-group:")[2], begin)
            except Exception as error:  # noqa: BLE001 - what is none of an SDK's is raised again
                unread = f"its log could not be read: {self._known(error)}"
        if unread:
            return tuple(t if t.up else replace(t, evidence=unread) for t in found)
        return tunnels.with_evidence(found, sorted(written, key=lambda entry: entry.at))

    def _with_azures_evidence(self, found: tuple[TunnelStatus, ...]) -> tuple[TunnelStatus, ...]:
        """Two calls at most: where the gateway's logs go, and what lies there. Who may not read the first sees no log, for
        there may be none."""
        if not any(t.aws and t.azure and not t.up for t in found):
            return found
        try:
            if not workspaces_of_tunnels(self.azure.diagnostic_settings()):
                return found
        except Exception as error:  # noqa: BLE001 - what is none of an SDK's is raised again
            self._known(error)
            return found
        now = self.clock.now()
        try:
            written = gateway_entries(self.azure.gateway_log(TUNNELS_QUERY, now - EVIDENCE_OF, now))
        except Exception as error:  # noqa: BLE001 - what is none of an SDK's is raised again
            unread = f"its log could not be read: {self._known(error)}"
            return tuple(t if t.up else replace(t, azure_evidence=unread) for t in found)
        return tunnels.with_azures_evidence(found, written)

    def _how_far(self) -> tuple[int, int]:
        """How many of the link's own objects are there, and how many it has when it is complete."""
        own = [n.address for n in self.topology.nodes() if isinstance(n, Resource) and not n.unwanted]
        return sum(self._found().get(address) is not None for address in own), len(own)

    def _with_back(self, facts: status_reads.Facts) -> status_reads.Facts:
        """With the check of names back; what cannot be read is said."""
        try:
            made = back.status_check(self.link, self._found(), back.read(self.link, self.azure))
        except Exception as error:
            known = error if isinstance(error, CloudlinkError) else self.translate(error)
            if known is None:
                raise
            made = check(back.NAME, Outcome.UNSEEN, str(known))
            facts = replace(facts, hints={**facts.hints, back.NAME: known.hint})
        return replace(facts, back=made)

    def _gone(self) -> dict[str, MissingError]:
        """What the configuration names and is not there: whatever an ``up`` would write, it ends with that."""
        return {
            address: error
            for address, error in self._missing.items()
            if isinstance(error, MissingError) and not is_forward(address)
        }

    def _led_elsewhere(self, facts: status_reads.Facts) -> dict[str, Check]:
        """What was changed so that names do not lead where they should, by check."""
        step, outputs = self.topology.resolver, Outputs(self.engine.snapshot.outputs)
        wanted: list[ZoneRecord] = []
        for node in step.record_sets:
            if self._output(node.zone) is not None and self._output(node.targets) is not None:
                wanted += node.spec(outputs).records
        found = [led_elsewhere.records(wanted, facts.records)]
        settings = self._found().get(step.vpc_dns.address)
        if settings is not None and settings.spec is not None:
            found.append(led_elsewhere.zone(self.link.aws.vpc_id, settings.spec))
        return {made.name: made for made in found if made is not None}

    def _own_records(self) -> frozenset[tuple[str, str]] | None:
        """Name and type of each record that the link's owner record names; None: that could not be read."""
        keys: set[tuple[str, str]] = set()
        for node in self.topology.resolver.record_sets:
            if node.address in self._missing:
                return None
            found = self._found().get(node.address)
            if found is None:
                continue
            spec: RecordsSpec | None = found.spec
            if spec is None:
                return None
            keys.update(record.key for record in spec.records)
        return frozenset(keys)

    def _policies(self, wanted: Sequence[filters.Destination], *, thorough: bool) -> tuple[Finding, ...]:
        """Network policies of the clusters that are in the way to these; what may not be read is no finding, and no denial of
        the command's. thorough: also the rules of network managers, one call for each VNet."""
        with ThreadPoolExecutor(1, thread_name_prefix="managed") as pool:
            translate = error_policy(self.link).translate
            managed = pool.submit(admin_rules.standing, self.link, self.azure, wanted, translate) if thorough else None
            if not self.clusters:
                stopping = self._stopping(self.link, self.azure, self.aks, wanted)
            else:
                each = ((c.label, self._stopping(c.link, c.azure, c.aks, wanted)) for c in self.clusters)
                stopping = tuple(replace(f, detail=f"On {label}: {f.detail}") for label, found in each for f in found)
            return (*(managed.result() if managed is not None else ()), *stopping)

    def _raise_what_hides_all(self) -> None:
        """Raise the errors after which there is nothing to show: objects that may be another link's, and both
        clouds out of reach or closed to us, which are told together."""
        self._raise_another_link()
        hidden: list[CloudlinkError] = []
        for steps in (("aws_vpn", "resolver"), ("azure_vpn",)):
            own = [n.address for n in self.topology.nodes() if isinstance(n, Resource) and n.step in steps]
            if own and all(address in self._missing for address in own):
                hidden.append(self._missing[own[0]])
        if len(hidden) < 2:
            return  # the other cloud tells what it knows
        first, second = hidden
        if isinstance(first, CredentialsError) and isinstance(second, CredentialsError):
            raise AccessError(tuple(map(finding_of, hidden)))
        raise next((e for e in hidden if isinstance(e, CredentialsError)), first)
