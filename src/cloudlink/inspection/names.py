"""What ``cloudlink verify-dns`` finds: names, asked from a pod."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from cloudlink.checks import (
    back,
    pauses,
    status_reads,
)
from cloudlink.checks.names import advice as names_advice
from cloudlink.checks.names import back as names_back
from cloudlink.checks.names import clusters as names_clusters
from cloudlink.checks.names import unread, verify
from cloudlink.checks.names.diagnose import answered_wrong, kept_from_dns, silent, unconnected
from cloudlink.checks.names.probe import Probe
from cloudlink.checks.preflight import admin_rules, filters, host_rules, vpc_dns
from cloudlink.checks.preflight.aks import start_command
from cloudlink.checks.report import (
    DnsReport,
    Health,
    NameReport,
)
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.errors import error_policy
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.contexts import in_context
from cloudlink.core.plan import Plan
from cloudlink.core.polling import Stopped
from cloudlink.errors import (
    CloudlinkError,
    CredentialsError,
    Finding,
    UnhealthyError,
    UnreachableError,
    UsageError,
)
from cloudlink.inspection.read_link import ReadLink, address_on_cluster
from cloudlink.link import Link
from cloudlink.steps.dns_forward.corefile import ForwardStatus
from cloudlink.steps.dns_forward.step import is_forward
from cloudlink.steps.outputs import AzureInbound, Endpoint, Targets, VirtualNetwork
from cloudlink.steps.resolver.records import RecordsSpec
from cloudlink.steps.resolver.targets import configured_addresses
from cloudlink.topology import ClusterBeside


class NamesOfLink(ReadLink):
    """Names of AWS from pods on AKS, and of Azure from a pod on EKS."""

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
            return self._names_back(DnsReport(link.name, Health.HEALTHY, ()), link, to_azure, tell, plan)
        asked = _Asked(
            plan, endpoint, [n for n in names if n not in to_azure], self._output(self.topology.resolver.targets)
        )
        if not chosen:
            report = self._from_pod(link, self.azure, self.aks, asked, self._forward(), measure, tell)
        elif len(chosen) == 1:
            report = self._from_cluster(chosen[0], image, asked, measure, tell)
        else:
            report = names_clusters.together(
                link.name, {c.label: self._or_why(c, image, asked, measure, tell) for c in chosen}
            )
        if link.dns.back and (to_azure or not names):
            report = self._names_back(report, link, to_azure, tell, plan)
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
        report = self._from_pod(link, at.azure, at.aks, asked, forward, measure, told)
        return names_clusters.of(at.label, report, at.aks.context)

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
            known.hint = in_context(known.hint, at.aks.context)
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
        try:
            report = verify.dns(
                link,
                Probe(link, aks, self.clock, tell),
                endpoint=list(endpoint.addresses.values()),
                addresses=addresses,
                asked=asked.names,
                forward=forward,
                measure=measure,
            )
        except Exception as error:
            # where the VNet forwards, nothing has asked the cluster before
            known = error if isinstance(error, CloudlinkError) else self.translate(error)
            if isinstance(known, UnreachableError) and azure.aks_power().lower() == "stopped":
                raise self._cannot_ask(known, link, azure) from error
            raise
        compared = {name for name, known in addresses.items() if known}
        report = unread.told(report, link, compared, self._record_targets(), why)
        report = replace(report, unproved=(*report.unproved, *self._unanswered(report.names, targets)))
        if report.health is not Health.HEALTHY:
            tunnels, drift = self._tunnels_health(), self._drift(asked.plan)
            stopped: tuple[Finding, ...] = ()
            dropped: tuple[Finding, ...] = ()
            way: tuple[Finding, ...] = ()
            if tunnels is Health.HEALTHY and link.makes_vpn and any(map(silent, report.names)):
                way = self._way(link, azure)
            if tunnels is Health.HEALTHY and not way:
                if any(silent(n) or kept_from_dns(n) for n in report.names):
                    arns = {name: b.arn for name, b in targets.load_balancers.items()} if targets is not None else {}
                    stopped = self._stopping(link, azure, aks, self._destinations(endpoint, arns, addresses))
                if any(map(silent, report.names)):
                    dropped = self._dropped(link, azure, endpoint, targets)
            wrong = [n.name for n in report.names if answered_wrong(n)]
            elsewhere = vpc_dns.causes(self.link, self.aws, wrong, error_policy(self.link).translate) if wrong else {}
            if tunnels is Health.HEALTHY and not dropped and not way:
                elsewhere = {**elsewhere, **self._behind([r.name for r in filter(unconnected, report.names)], targets)}
            ours = self.link.makes_vpn
            report = names_advice.advised(
                report, tunnels, drift, dropped, stopped, elsewhere, way=way, tunnels_are_ours=ours
            )
        return report

    def _names_back(
        self, report: DnsReport, link: Link, asked: Sequence[str], tell: Callable[[str], None], plan: Plan
    ) -> DnsReport:
        """The report with the names of Azure's zones, asked from a pod on EKS. Where that cannot be asked, they are unproved, and
        what was proved before stays."""
        if self.eks is None:
            return report
        zones = self._zones_back()
        names = names_back.wanted(link, self._known_back(zones), [n.strip().rstrip(".").lower() for n in asked])
        inbound: AzureInbound | None = self._output(self.topology.back.inbound) if self.topology.back else None
        if inbound is None:
            report = names_back.without_endpoint(report, link, names)
            return names_back.explained(report, link, zones, self._drift(plan))
        try:
            facts = Probe(link, self.eks, self.clock, tell).run(names_back.questions(names), (inbound.address,))
        except Exception as error:
            known = error if isinstance(error, CloudlinkError) else self.translate(error)
            if known is None:
                raise
            return names_back.unproved(report, f"EKS cluster {link.aws.eks_cluster}: {known}")
        report = names_back.added(report, link, names, facts)
        return names_back.explained(report, link, zones, self._drift(plan))

    def _zones_back(self) -> tuple[back.ZoneSeen, ...]:
        """As far as they can be read."""
        try:
            return back.read(self.link, self.azure)
        except Exception as error:
            if not isinstance(error, CloudlinkError) and self.translate(error) is None:
                raise
            return ()

    def _known_back(self, zones: Sequence[back.ZoneSeen]) -> dict[str, dict[str, tuple[IPv4Address, ...]]]:
        """What the zones have, by zone; of one that cannot be read nothing."""
        try:
            return {z.name: back.addresses(z, self.azure) for z in zones}
        except Exception as error:
            if not isinstance(error, CloudlinkError) and self.translate(error) is None:
                raise
            return {}

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
            found = status_reads.dropped(link, self.aws, azure, endpoint.addresses, balancers, advertised)
            return (*found, *self._managed(link, azure, endpoint, balancers))
        except Exception as error:
            if not isinstance(error, CloudlinkError) and self.translate(error) is None:
                raise
            return ()

    def _managed(
        self, link: Link, azure: Azure, endpoint: Endpoint, balancers: Mapping[str, str]
    ) -> tuple[Finding, ...]:
        """Security admin rules in the way; none where they may not be read, as by a Reader."""
        places = status_reads.destinations(link, self.aws, endpoint.addresses, balancers)
        return admin_rules.standing(link, azure, places, error_policy(link).translate)

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

    def _tunnels_health(self) -> Health:
        """From what has been read anyway; unknown where that could not be read."""
        try:
            found = self.quick()
            return Health.HEALTHY if found.well else found.health
        except Exception as error:
            if not isinstance(error, CloudlinkError) and self.translate(error) is None:
                raise
            return Health.UNKNOWN

    def _cannot_ask(self, error: CloudlinkError, link: Link, azure: Azure) -> CloudlinkError:
        """The report where the cluster cannot be reached: no pod, so no names. link, azure: as if it was the only one."""
        side, stopped = link.azure, azure.aks_power().lower() == "stopped"
        return type(error)(
            "The names cannot be asked",
            f"They are asked from a pod on the AKS cluster {side.aks_cluster}, "
            + ("which is stopped." if stopped else f"which cannot be used. {error}"),
            start_command(link) if stopped else error.hint,
            resource=error.resource,
            request_id=error.request_id,
            code=error.code,
        )

    def _private(self, targets: Targets) -> dict[str, tuple[str, ...]]:
        """Private addresses of the load balancers, by ARN."""
        arns = sorted({b.arn for b in targets.load_balancers.values()})
        return self.aws.load_balancer_addresses(arns)

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


@dataclass(frozen=True)
class _Asked:
    """What is asked from each cluster. plan: what an ``up`` would change."""

    plan: Plan
    endpoint: Endpoint
    names: Sequence[str]
    targets: Targets | None
