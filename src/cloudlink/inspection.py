"""Reading a link: its health, its drift from the configuration, and whether names work from a pod."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

from cloudlink.checks import (
    advice,
    back,
    existing_status,
    interrupted,
    led_elsewhere,
    path,
    path_reads,
    pauses,
    status,
    status_reads,
    tunnels,
)
from cloudlink.checks.authors import Authors, Changed
from cloudlink.checks.names import advice as names_advice
from cloudlink.checks.names import back as names_back
from cloudlink.checks.names import clusters as names_clusters
from cloudlink.checks.names import unread, verify
from cloudlink.checks.names.diagnose import answered_wrong, kept_from_dns, silent, unconnected
from cloudlink.checks.names.probe import Probe
from cloudlink.checks.path import PathReport
from cloudlink.checks.preflight import filters, host_rules, network_policies, vpc_dns
from cloudlink.checks.preflight import targets as behind
from cloudlink.checks.report import (
    Check,
    DnsReport,
    Drift,
    Health,
    NameReport,
    Outcome,
    StatusReport,
    TunnelStatus,
    check,
)
from cloudlink.checks.tunnel_ends import AwsFacts
from cloudlink.clouds.aws import logs
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_groups import rules_by_group
from cloudlink.clouds.aws.parse_logs import TunnelLogEntry
from cloudlink.clouds.aws.parse_zones import ZoneRecord
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_monitor import TUNNELS_QUERY, gateway_entries, workspaces_of_tunnels
from cloudlink.clouds.errors import error_policy
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import NoCluster
from cloudlink.clouds.ownership import AnotherLink
from cloudlink.core.engine import Engine
from cloudlink.core.plan import Action, Change, FieldChange, Plan
from cloudlink.core.polling import Clock, Stopped
from cloudlink.core.resource import Observed, Outputs, Phase, Resource, Timing
from cloudlink.errors import (
    AccessError,
    CloudError,
    CloudlinkError,
    CredentialsError,
    Finding,
    MissingError,
    UnhealthyError,
    UnreachableError,
    UsageError,
    finding_of,
    is_denial,
)
from cloudlink.link import Link
from cloudlink.steps.aws_vpn.routes import Tables
from cloudlink.steps.aws_vpn.step import AwsVpn
from cloudlink.steps.dns_forward.clusters import together
from cloudlink.steps.dns_forward.corefile import ForwardStatus
from cloudlink.steps.dns_forward.pauses import Pause
from cloudlink.steps.dns_forward.step import FORWARD, address_on, is_forward
from cloudlink.steps.outputs import AzureInbound, EksCluster, Endpoint, HostedZone, Targets, VirtualNetwork
from cloudlink.steps.resolver.records import RecordsSpec
from cloudlink.steps.resolver.targets import configured_addresses
from cloudlink.topology import ClusterBeside, Topology

EVIDENCE_OF = 1800.0  # seconds of a tunnel's log that are looked through for why it is down


@dataclass
class Inspection:
    """Reads only."""

    link: Link
    aws: Aws
    azure: Azure
    aks: Kube
    topology: Topology
    engine: Engine  # over the topology's nodes; it finds the objects and says what differs
    clock: Clock
    translate: Callable[[Exception], CloudlinkError | None]  # an SDK's error as ours; None: a bug
    written_by: str = ""  # the last command that changed something; empty: not known
    paused: float | None = None  # since when, as the state remembers it
    paused_deep: bool = False
    eks: Kube | None = None  # asked where names go back
    holder: Callable[[], tuple[str, str] | None] = lambda: None
    """Another run that holds the link now: its command, and a sentence on it; asked where something is half done."""
    clusters: tuple[ClusterBeside, ...] = ()
    """The AKS clusters, where there are several."""
    unread_targets: CloudlinkError | None = None
    """Why it is not known of all names what they should lead to, after ``dns``; None: it is."""

    def status(self) -> StatusReport:
        """Everything that ``cloudlink status`` shows. A missing cluster or load balancer is shown and not raised."""
        made, half_done = self._status()
        if half_done and (held := self.holder()) is not None:
            return interrupted.running(made, *held)
        if made.health is Health.ABSENT:
            return made
        told = advice.before_up(made.advice, self._gone(), tunnels_down=any(not t.up for t in made.tunnels))
        return made if told == made.advice else replace(made, advice=told, next=tuple(filter(None, [told.command])))

    def _status(self) -> tuple[StatusReport, bool]:
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
            start = [_start(c.link) for c in unread if self._is_stopped(c.azure, c)]
            whys = [self._missing[address_on_cluster(c, self.clusters)].hint for c in unread]
            hints["forward"] = "\n".join(start) or next(filter(None, whys), "")
        elif self._is_stopped(self.azure):
            unseen["forward"] = (
                f"the AKS cluster {self.link.azure.aks_cluster} is stopped, so that it has no pods that ask"
            )
            hints["forward"] = _start(self.link)
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
            policies=self._policies,
            translate=self.translate,
            fresh=False,
        )
        if self.link.dns.back:
            facts = self._with_back(facts)
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
            return status.incomplete(made, there, whole), True
        if made.health is Health.ABSENT or status.never_complete(made):  # no tunnel yet, but some of our objects exist
            return status.incomplete(made, there, whole), True
        if self.paused is not None and self.written_by == pauses.PAUSE:
            return interrupted.pause_before_anything(made), True
        if path_report is None:
            left = interrupted.of_tunnels(self.link, made.tunnels, facts.aws, facts.azure, self.clock.now())
            if left is not None:
                return interrupted.told(made, left), True
        return made, False

    def _path(self) -> PathReport:
        def of(link: Link, azure: Azure) -> PathReport:
            return path.diagnose(path_reads.read(link, self.aws, azure, self.translate), link)

        first = of(self.link, self.azure)
        return path.with_others(first, {c.label: of(c.link, c.azure) for c in self.clusters[1:]})

    def found_pause(self) -> Pause | None:
        """What CoreDNS's key says, after a plan; where it could not be read, or is gone, what the state remembers."""
        there = [f for f in self.topology.forwards if self._found().get(f.address) is not None]
        if there or not self.topology.forwards:
            return next((pause for f in there if (pause := f.found_pause()) is not None), None)
        return Pause(self.paused) if self.paused is not None else None

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

    def _known(self, error: Exception) -> CloudlinkError:
        """Raises what is none of an SDK's."""
        known = error if isinstance(error, CloudlinkError) else error_policy(self.link).translate(error)
        if known is None:
            raise error
        return known

    def _how_far(self) -> tuple[int, int]:
        """How many of the link's own objects are there, and how many it has when it is complete."""
        own = [n.address for n in self.topology.nodes() if isinstance(n, Resource) and not n.unwanted]
        return sum(self._found().get(address) is not None for address in own), len(own)

    def quick(self) -> StatusReport:
        """The verdict on the tunnels, or on the path that somebody else has made, from what has been read anyway."""
        if not self.link.makes_vpn:
            return existing_status.quick(self.link, self._path())
        return status.quick(self.link, self.aws, self.azure, now=self.clock.now())

    def dns(
        self,
        names: Sequence[str],
        *,
        image: str | None = None,
        measure: bool = False,
        tell: Callable[[str], None] = lambda _: None,
        cluster: str = "",
    ) -> DnsReport:
        """Ask from a pod on each AKS cluster, and on demand measure the way to the endpoint. Raises UnhealthyError when there is no inbound endpoint to ask yet, UsageError for
        names outside the zone. tell: is told the pod's state, again and again. cluster: the label of the only one to ask from."""
        link = self._probing(self.link, image)
        plan = self.engine.plan(tolerant=True, partial=True)
        self._raise_another_link()
        if self._any_forward() and (pause := self.found_pause()) is not None:
            raise UnhealthyError("The link is paused", f"No pod is answered by AWS now: {pause.said}.", pauses.RESUME)
        chosen = tuple(c for c in self.clusters if cluster in ("", c.label))
        forwards = tuple(address_on_cluster(c, self.clusters) for c in chosen) or (self._first_forward,)
        if len(forwards) == 1:
            self._raise_not_asked(forwards[0], chosen[0].link if chosen else self.link, chosen)
        if error := self._missing.get(self.topology.resolver.endpoint.address):
            raise error
        endpoint: Endpoint | None = self._output(self.topology.resolver.endpoint)
        if endpoint is None:
            raise UnhealthyError(
                "The link does not exist",
                f"There is no inbound endpoint for {self.link.dns.zones_said}, so no pod could be answered.",
                "cloudlink up",
            )
        to_azure = [n for n in names if self.link.dns.back_zone_of(n.strip().rstrip(".").lower()) is not None]
        if to_azure and len(to_azure) == len(names):
            return self._names_back(DnsReport(link.name, Health.HEALTHY, ()), link, to_azure, tell)
        asked = _Asked(
            plan, endpoint, [n for n in names if n not in to_azure], self._output(self.topology.resolver.targets)
        )
        if not chosen:
            report = self._from_pod(link, self.azure, self.aks, asked, self._forward(), measure, tell)
        elif len(chosen) == 1:
            report = names_clusters.of(chosen[0].label, self._from_cluster(chosen[0], image, asked, measure, tell))
        else:
            report = names_clusters.together(
                link.name, {c.label: self._or_why(c, image, asked, measure, tell) for c in chosen}
            )
        if link.dns.back and (to_azure or not names):
            report = self._names_back(report, link, to_azure, tell)
        return report

    def _probing(self, link: Link, image: str | None) -> Link:
        return link if image is None else replace(link, probe=replace(link.probe, image=image))

    def _any_forward(self) -> bool:
        addresses = [f.address for f in self.topology.forwards] or [self._first_forward]
        return any(self._found().get(address) is not None for address in addresses)

    @property
    def _first_forward(self) -> str:
        return self.topology.dns_forward.forward.address

    def _raise_not_asked(self, address: str, link: Link, chosen: Sequence[ClusterBeside]) -> None:
        """Raises what keeps a cluster's CoreDNS from being read. chosen: the cluster, where there are several."""
        if error := self._missing.get(address):
            azure = chosen[0].azure if chosen else self.azure
            raise self._cannot_ask(error, link, azure) if is_forward(address) else error

    def _from_cluster(
        self, at: ClusterBeside, image: str | None, asked: _Asked, measure: bool, tell: Callable[[str], None]
    ) -> DnsReport:
        """From a pod of one of several clusters."""

        def told(word: str) -> None:
            tell(f"{at.label}: {word}")

        link, forward = self._probing(at.link, image), self._forward_of(at)
        return self._from_pod(link, at.azure, at.aks, asked, forward, measure, told)

    def _or_why(
        self, at: ClusterBeside, image: str | None, asked: _Asked, measure: bool, tell: Callable[[str], None]
    ) -> DnsReport | CloudlinkError:
        """What is found from a cluster, or what keeps it from being asked: the others are asked all the same."""
        address = address_on_cluster(at, self.clusters)
        try:
            self._raise_not_asked(address, at.link, (at,))
            return self._from_cluster(at, image, asked, measure, tell)
        except (Stopped, UsageError):
            raise
        except Exception as error:
            known = error if isinstance(error, CloudlinkError) else self.translate(error)
            if known is None:
                raise
            return known

    def _from_pod(
        self,
        link: Link,
        azure: Azure,
        aks: Kube,
        asked: _Asked,
        forward: ForwardStatus,
        measure: bool,
        tell: Callable[[str], None],
    ) -> DnsReport:
        """From a pod of one cluster. link, azure: as if it was the only one."""
        endpoint, targets = asked.endpoint, asked.targets
        addresses, why = self._leading_to(targets)
        report = verify.dns(
            link,
            Probe(link, aks, self.clock, tell),
            endpoint=list(endpoint.addresses.values()),
            addresses=addresses,
            asked=asked.names,
            forward=forward,
            measure=measure,
        )
        compared = {name for name, known in addresses.items() if known}
        report = unread.told(report, link, compared, self._record_targets(), why)
        report = replace(report, unproved=(*report.unproved, *self._unanswered(report.names, targets)))
        if report.health is not Health.HEALTHY:
            tunnels, drift = self._tunnels_health(), self._drift(asked.plan)
            stopped: tuple[Finding, ...] = ()
            dropped: tuple[Finding, ...] = ()
            if tunnels is Health.HEALTHY:
                if any(silent(n) or kept_from_dns(n) for n in report.names):
                    arns = {name: b.arn for name, b in targets.load_balancers.items()} if targets is not None else {}
                    stopped = self._stopping(link, azure, aks, self._destinations(endpoint, arns, addresses))
                if any(map(silent, report.names)):
                    dropped = self._dropped(link, azure, endpoint, targets)
            wrong = [n.name for n in report.names if answered_wrong(n)]
            elsewhere = vpc_dns.causes(self.link, self.aws, wrong, error_policy(self.link).translate) if wrong else {}
            if tunnels is Health.HEALTHY and not dropped:
                elsewhere = {**elsewhere, **self._behind(filter(unconnected, report.names), targets)}
            ours = self.link.makes_vpn
            report = names_advice.advised(report, tunnels, drift, dropped, stopped, elsewhere, tunnels_are_ours=ours)
        return report

    def _names_back(
        self, report: DnsReport, link: Link, asked: Sequence[str], tell: Callable[[str], None]
    ) -> DnsReport:
        """The report with the names of Azure's zones, asked from a pod on EKS. Where that cannot be asked, they are unproved, and
        what was proved before stays."""
        if self.eks is None:
            return report
        names = names_back.wanted(link, self._known_back(), [n.strip().rstrip(".").lower() for n in asked])
        inbound: AzureInbound | None = self._output(self.topology.back.inbound) if self.topology.back else None
        if inbound is None:
            return names_back.without_endpoint(report, link, names)
        try:
            facts = Probe(link, self.eks, self.clock, tell).run(names_back.questions(names), (inbound.address,))
        except Exception as error:
            known = error if isinstance(error, CloudlinkError) else self.translate(error)
            if known is None:
                raise
            return names_back.unproved(report, f"EKS cluster {link.aws.eks_cluster}: {known}")
        return names_back.added(report, link, names, facts)

    def _known_back(self) -> dict[str, dict[str, tuple[IPv4Address, ...]]]:
        """What the zones have, by zone; of one that cannot be read nothing."""
        try:
            return {z.name: back.addresses(z, self.azure) for z in back.read(self.link, self.azure)}
        except Exception as error:
            if not isinstance(error, CloudlinkError) and self.translate(error) is None:
                raise
            return {}

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

    def _leading_to(self, targets: Targets | None) -> tuple[verify.Expected, str]:
        """Where each name should lead, as far as that can be read, and why it is not known of all."""
        lookup, why = self.topology.resolver.targets, ""
        if targets is None and (error := self._missing.get(lookup.address)):
            self.unread_targets, why = error, self._said(lookup.address)
        try:
            known = targets if targets is not None else lookup.without_clusters()
            return verify.expected(known, self._private(known)), why
        except Exception as failed:
            error = failed if isinstance(failed, CloudlinkError) else self.translate(failed)
            if error is None:
                raise
            if not isinstance(error, CredentialsError) and not why:
                raise
            self.unread_targets = self.unread_targets or error
            return configured_addresses(self.link), why or str(error)

    def _record_targets(self) -> dict[str, str]:
        """Configured name -> the name that its record leads to, of those that could be read."""
        found = [self._found().get(node.address) for node in self.topology.resolver.record_sets]
        specs: list[RecordsSpec] = [seen.spec for seen in found if seen is not None and seen.spec is not None]
        return {r.name: r.values[0] for spec in specs for r in spec.records if r.alias and r.values}

    def endpoint_addresses(self) -> tuple[str, ...]:
        """Of the inbound endpoint; none: it is not there, or could not be read."""
        self.engine.plan(tolerant=True, partial=True)
        endpoint: Endpoint | None = self._output(self.topology.resolver.endpoint)
        return tuple(sorted(map(str, endpoint.addresses.values()))) if endpoint else ()

    def _policies(self, wanted: Sequence[filters.Destination]) -> tuple[Finding, ...]:
        """Network policies of the clusters that are in the way to these; what may not be read is no finding, and no denial of
        the command's."""
        if not self.clusters:
            return self._stopping(self.link, self.azure, self.aks, wanted)
        each = ((c.label, self._stopping(c.link, c.azure, c.aks, wanted)) for c in self.clusters)
        return tuple(replace(f, detail=f"On {label}: {f.detail}") for label, found in each for f in found)

    def _stopping(
        self, link: Link, azure: Azure, aks: Kube, wanted: Sequence[filters.Destination]
    ) -> tuple[Finding, ...]:
        """Of one cluster. link, azure: as if it was the only one."""
        return network_policies.standing(link, azure, aks, wanted, error_policy(self.link).translate)

    def _destinations(
        self, endpoint: Endpoint, balancers: Mapping[str, str], addresses: verify.Expected
    ) -> tuple[filters.Destination, ...]:
        """The endpoint, and what names lead to by what is known of their addresses."""
        found = [filters.endpoint(endpoint.addresses, endpoint.addresses.values())]
        for zone, host in self.link.dns.all_hosts:
            if known := addresses.get(host.fqdn(zone.name)):
                name = self.link.dns.short_name(zone, host)
                kind = filters.fixed(name, host.ports, known)
                is_balancer = host.fqdn(zone.name) in balancers
                found.append(replace(kind, what=f"the load balancer of {name}") if is_balancer else kind)
        return tuple(found)

    def _dropped(self, link: Link, azure: Azure, endpoint: Endpoint, targets: Targets | None) -> tuple[Finding, ...]:
        """Packet filters in the way of names that stay silent although the tunnels are up; what cannot be read is no finding."""
        network: VirtualNetwork | None = self._output(self.topology.azure_vpn.network)
        balancers = {name: b.arn for name, b in targets.load_balancers.items()} if targets is not None else {}
        advertised = network.advertised if network else ()
        try:
            return status_reads.dropped(link, self.aws, azure, endpoint.addresses, balancers, advertised)
        except Exception as error:
            if not isinstance(error, CloudlinkError) and self.translate(error) is None:
                raise
            return ()

    def _unanswered(self, names: Iterable[NameReport], targets: Targets | None) -> tuple[str, ...]:
        """Of names that connect, those whose load balancer answers HTTP for them itself; what cannot be read is not said."""
        known = host_rules.leading(self.link, targets) if targets is not None else {}
        configured = {n.name: verify.configured_name(self.link.dns, n.name) for n in names if n.verdict == "ok"}
        led = {
            of if name.startswith(verify.CHECK_LABEL) else name: known[of]
            for name, of in configured.items()
            if of in known
        }
        try:
            heard = host_rules.read(self.aws, (arn for arn, _ in led.values())) if led else {}
            return tuple(one.said for one in host_rules.unanswered(heard, led))
        except Exception as error:
            if not isinstance(error, CloudlinkError) and error_policy(self.link).translate(error) is None:
                raise
            return ()

    def _behind(self, wrong: Iterable[NameReport], targets: Targets | None) -> dict[str, tuple[Finding, ...]]:
        """Name -> what keeps connections to its load balancer from coming about, of names that resolve and stay silent; what cannot
        be read is no finding. Of few load balancers: one that is wrong is enough to say so."""
        led = {
            r.name: targets.load_balancers[r.name].arn for r in wrong if targets and r.name in targets.load_balancers
        }
        network: VirtualNetwork | None = self._output(self.topology.azure_vpn.network)
        hosts = {host.fqdn(zone.name): host for zone, host in self.link.dns.all_hosts}
        found: dict[str, tuple[Finding, ...]] = {}
        try:
            groups = rules_by_group(self.aws.security_groups(self.link.aws.vpc_id)) if led else {}
            sources = (filters.clusters_ranges(self.link, self.azure) if led else ()) or (
                network.advertised if network else ()
            )
            read = {arn: behind.behind(self.link, self.aws, arn) for arn in sorted(set(led.values()))[:_FEW]}
            for name, arn in led.items():
                seen, host = read.get(arn), hosts.get(name)
                if seen is not None and host is not None:
                    found[name] = tuple(behind.causes(seen, host, groups, sources, self.link))
        except Exception as error:
            if not isinstance(error, CloudlinkError) and error_policy(self.link).translate(error) is None:
                raise
        return {name: said for name, said in found.items() if said}

    def _tunnels_health(self) -> Health:
        """From what has been read anyway; unknown where that could not be read."""
        try:
            found = self.quick()
            return Health.HEALTHY if found.well else found.health
        except Exception as error:
            if not isinstance(error, CloudlinkError) and self.translate(error) is None:
                raise
            return Health.UNKNOWN

    def _said(self, address: str) -> str:
        """Why this could not be read, with the cluster's name."""
        side = "AKS" if is_forward(address) else _CLUSTER_OF.get(address)
        error = self._missing[address]
        by_cloud = ("AWS" if side == "EKS" else "Azure") in error.summary  # which was asked before the cluster
        if side is None or isinstance(error, MissingError) or by_cloud:
            return str(error)
        on = next((c.label for c in self.clusters if address_on_cluster(c, self.clusters) == address), "")
        name = on or (self.link.azure.aks_cluster if side == "AKS" else self.link.aws.eks_cluster)
        return f"{side} cluster {name}: {error}"

    def _cannot_ask(self, error: CloudlinkError, link: Link, azure: Azure) -> CloudlinkError:
        """The report where the cluster cannot be reached: no pod, so no names. link, azure: as if it was the only one."""
        side, stopped = link.azure, azure.aks_power().lower() == "stopped"
        return type(error)(
            "The names cannot be asked",
            f"They are asked from a pod on the AKS cluster {side.aks_cluster}, "
            + ("which is stopped." if stopped else f"which cannot be used. {error}"),
            _start(link) if stopped else error.hint,
            resource=error.resource,
            request_id=error.request_id,
            code=error.code,
        )

    def _is_stopped(self, azure: Azure, at: ClusterBeside | None = None) -> bool:
        """Whether an AKS cluster that could not be asked is stopped; one that Azure says nothing of is not known to be. at: None where
        there is one alone."""
        error = self._missing.get(pauses.FORWARD if at is None else address_on_cluster(at, self.clusters))
        return isinstance(error, UnreachableError | NoCluster) and azure.aks_power().lower() == "stopped"

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

    def _private(self, targets: Targets) -> dict[str, tuple[str, ...]]:
        """Private addresses of the load balancers, by ARN."""
        arns = sorted({b.arn for b in targets.load_balancers.values()})
        return self.aws.load_balancer_addresses(arns)

    @property
    def _missing(self) -> dict[str, CloudlinkError]:
        return self.engine.snapshot.missing

    def _gone(self) -> dict[str, MissingError]:
        """What the configuration names and is not there: whatever an ``up`` would write, it ends with that."""
        return {
            address: error
            for address, error in self._missing.items()
            if isinstance(error, MissingError) and not is_forward(address)
        }

    @property
    def not_signed_in(self) -> CredentialsError | None:
        """Why a cloud told nothing after the last read: its sign-in, and not a permission."""
        found = (e for e in self._missing.values() if isinstance(e, CredentialsError) and not is_denial(e))
        return next(found, None)

    def _raise_another_link(self) -> None:
        for error in self._missing.values():
            if isinstance(error, AnotherLink):
                raise error

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

    def _unread_forwards(self) -> dict[str, str]:
        """Label of each of several clusters whose CoreDNS could not be read -> why."""
        found = [
            (c, error) for c in self.clusters if (error := self._missing.get(address_on_cluster(c, self.clusters)))
        ]
        return {c.label: _NO_PODS if self._is_stopped(c.azure, c) else str(error) for c, error in found}

    def _forward_state(self) -> ForwardStatus:
        endpoint: Endpoint | None = self._output(self.topology.resolver.endpoint)
        wanted = tuple(endpoint.addresses.values()) if endpoint else None
        if not self.clusters:
            return self.topology.dns_forward.forward.status(wanted)
        away, seen = self._unread_forwards(), dict[str, ForwardStatus]()
        for cluster, forward in zip(self.clusters, self.topology.forwards, strict=True):
            if cluster.label in away:
                continue
            try:
                seen[cluster.label] = forward.status(wanted)
            except Exception as error:  # noqa: BLE001 - what is none of an SDK's is raised again
                away[cluster.label] = str(self._known(error))
        return together(seen, away, [c.label for c in self.clusters])

    def _forward_of(self, at: ClusterBeside) -> ForwardStatus:
        """Of one of several clusters."""
        endpoint: Endpoint | None = self._output(self.topology.resolver.endpoint)
        forward = next(f for c, f in zip(self.clusters, self.topology.forwards, strict=True) if c is at)
        return self._told(lambda: forward.status(tuple(endpoint.addresses.values()) if endpoint else None))

    def _forward(self) -> ForwardStatus:
        return self._told(self._forward_state)

    def _told(self, read: Callable[[], ForwardStatus]) -> ForwardStatus:
        """The state of CoreDNS; a cluster that cannot be asked is a finding, not the end of the report."""
        try:
            return read()
        except Exception as error:
            known = error if isinstance(error, CloudlinkError) else error_policy(self.link).translate(error)
            if known is None:
                raise
            return ForwardStatus("cannot be read", problem=str(known))

    def _output(self, node: Any) -> Any:
        return self.engine.snapshot.outputs.get(node.address)

    def _anything(self) -> bool:
        return any(found is not None and found.owned.value == "owned" for found in self._found().values())

    def _found(self) -> dict[str, Observed[Any, Any] | None]:
        return self.engine.snapshot.found

    def _drift(self, plan: Plan) -> tuple[Drift, ...]:
        """What an ``up`` would change, where something of the link exists already."""
        if not self._anything():
            return ()
        usual = {n.address: n.timing for n in self.topology.nodes() if isinstance(n, Resource)}
        plan = self.with_authors(plan)
        first = still_made(self._found(), usual)
        return tuple(
            Drift(
                c.address,
                c.title,
                _numbered(self.link, c.address, _what(c)),
                c.drift,
                c.who,
                first + _seconds(c.action, usual.get(c.address)),
            )
            for c in plan.changes
            if c.action in (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE)
        )

    def with_authors(self, plan: Plan) -> Plan:
        """The plan with who changed by hand what it puts right. Asks nothing where nothing was."""
        changed = [self._changed(c) for c in plan.changes if c.drift]
        if not changed:
            return plan
        translate = error_policy(self.link).translate
        found = Authors(self.aws, self.azure, self.clock.now(), translate).of(changed)
        return replace(plan, changes=tuple(replace(c, who=found.get(c.address, "")) for c in plan.changes))

    def _changed(self, change: Change) -> Changed:
        """Of a key that differs it may be either end that was changed."""
        receipt = self.engine.receipt(change.address)
        ids = [change.id or (receipt.id if receipt else "")]
        kind, _, number = change.address.partition("[")
        if kind == "azure_vpn.connection" and any(f.field == "key" for f in change.fields):
            vpn = self.link.tunnels[int(number.rstrip("]"))].vpn
            other = self.engine.receipt(f"aws_vpn.connection[{vpn}]")
            ids += [other.id] if other else []
        return Changed(change.address, tuple(filter(None, ids)), receipt.since if receipt else 0.0)


@dataclass(frozen=True)
class _Asked:
    """What is asked from each cluster. plan: what an ``up`` would change."""

    plan: Plan
    endpoint: Endpoint
    names: Sequence[str]
    targets: Targets | None


def address_on_cluster(cluster: ClusterBeside, clusters: Sequence[ClusterBeside]) -> str:
    """Of the cluster's key of CoreDNS. clusters: all of them, the first one first."""
    return FORWARD if cluster is clusters[0] else address_on(cluster.label)


_NO_PODS = "it is stopped, so that it has no pods that ask"


def _start(link: Link) -> str:
    """link: as if the cluster was its only one."""
    side = link.azure
    return f"az aks start --name {side.aks_cluster} --resource-group {side.aks_resource_group} --subscription {side.aks_subscription}"


# Which cluster's API a node asks, besides CoreDNS's keys.
_CLUSTER_OF = {"resolver.targets": "EKS"}

_FEW = 5  # load balancers whose targets are looked at

# What a node's read tells -> the check that looks at it.
_CHECKED = {
    "aws_vpn.cluster": "routes-aws",
    "resolver.endpoint": "endpoint",
    "resolver.zone": "zone",
    "resolver.records": "records",
    "resolver.targets": "targets",
    "dns_forward.forward": "forward",
}


def still_made(found: Mapping[str, Observed[Any, Any] | None], usual: Mapping[str, Timing]) -> float:
    """Seconds that an ``up`` usually waits for what a cloud is making already, before it makes the rest."""
    at_work = (a for a, seen in found.items() if seen is not None and seen.phase is Phase.CREATING)
    return max((usual[a].create for a in at_work if a in usual), default=0.0)


def _seconds(action: Action, usual: Timing | None) -> float:
    if usual is None:
        return 0.0
    took = {Action.CREATE: usual.create, Action.UPDATE: usual.update, Action.DELETE: usual.delete}
    return took.get(action, usual.delete + usual.create)


def _numbered(link: Link, address: str, what: str) -> str:
    """A VPN connection counts its own two tunnels, by their inside ranges; people count those of the link."""
    found = re.fullmatch(r"aws_vpn\.connection\[(\d+)\]", address)
    if found is None:
        return what
    own = sorted((t for t in link.tunnels if t.vpn == int(found[1])), key=lambda t: t.inside)
    numbers = {str(n): str(t.index + 1) for n, t in enumerate(own, 1)}
    return re.sub(r"\btunnel (\d)(?=:)", lambda m: f"tunnel {numbers.get(m[1], m[1])}", what)


def _what(change: Change) -> str:
    if change.action is Action.CREATE and not change.drift:
        return status.NEVER_MADE
    return "; ".join(_difference(f) for f in change.fields) or change.why.removeprefix("drift: ")


def _difference(change: FieldChange) -> str:
    """One line for people; of secrets only that they differ."""
    name = change.field.replace("_", " ")
    said = f"{name} differs" if change.old == change.new else f"{name}: {change.old}, wanted {change.new}"
    return f"{said} ({change.reason})" if change.reason else said
