"""What a command that only reads knows of a link: what was found of it, what could not be read and why, and what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from cloudlink.checks import (
    existing_status,
    path,
    path_reads,
    pauses,
    status,
    status_reads,
)
from cloudlink.checks.authors import Authors, Changed
from cloudlink.checks.path import PathReport
from cloudlink.checks.preflight import filters, network_policies
from cloudlink.checks.preflight import targets as behind
from cloudlink.checks.preflight.azure import standing_on_each
from cloudlink.checks.preflight.paths import keeps_away
from cloudlink.checks.report import (
    Drift,
    StatusReport,
)
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_groups import rules_by_group
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.errors import error_policy
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import NoCluster
from cloudlink.clouds.ownership import AnotherLink
from cloudlink.core.engine import Engine
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.core.polling import Clock
from cloudlink.core.resource import Observed, Resource
from cloudlink.errors import (
    CloudlinkError,
    CredentialsError,
    Finding,
    LostContactError,
    MissingError,
    UnreachableError,
    is_denial,
)
from cloudlink.inspection.drift import numbered, seconds, still_made, what_differs
from cloudlink.link import Link
from cloudlink.steps.dns_forward.clusters import together
from cloudlink.steps.dns_forward.corefile import ForwardStatus
from cloudlink.steps.dns_forward.pauses import Pause
from cloudlink.steps.dns_forward.step import FORWARD, address_on, is_forward
from cloudlink.steps.outputs import Endpoint, Targets, VirtualNetwork
from cloudlink.topology import ClusterBeside, Topology

_FEW = 5  # load balancers whose targets are looked at


@dataclass
class ReadLink:
    """Reads only. ``engine.plan`` comes first: all else is of what it has found."""

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

    def _known(self, error: Exception) -> CloudlinkError:
        """Raises what is none of an SDK's."""
        known = error if isinstance(error, CloudlinkError) else error_policy(self.link).translate(error)
        if known is None:
            raise error
        return known

    def quick(self, *, whole_way: bool = False) -> StatusReport:
        """The verdict on the tunnels, or on the path that somebody else has made, from what has been read anyway. whole_way: what
        lies between the cluster and the gateway as well, which a plan without writes has read."""
        if not self.link.makes_vpn:
            return existing_status.quick(self.link, self._path())
        way = self._way(self.link, self.azure) if whole_way else ()
        return status.quick(self.link, self.aws, self.azure, now=self.clock.now(), way=way)

    def _way(self, link: Link, azure: Azure) -> tuple[Finding, ...]:
        """What keeps packets of the cluster from the gateway; what cannot be read is no finding."""
        try:
            found = standing_on_each(link, azure, lambda: status_reads.ranges_of(self.aws, link.aws.vpc_id))
        except Exception as error:
            known = error if isinstance(error, CloudlinkError) else self.translate(error)
            if known is None or isinstance(known, LostContactError):
                raise
            return ()
        return tuple(f for f in found if keeps_away(f))

    def _stopping(
        self, link: Link, azure: Azure, aks: Kube, wanted: Sequence[filters.Destination]
    ) -> tuple[Finding, ...]:
        """Of one cluster. link, azure: as if it was the only one."""
        return network_policies.standing(link, azure, aks, wanted, error_policy(self.link).translate)

    def _behind(self, names: Iterable[str], targets: Targets | None) -> dict[str, tuple[Finding, ...]]:
        """Name -> what keeps connections to its load balancer from coming about, of names that resolve and stay silent; what cannot
        be read is no finding. Of few load balancers: one that is wrong is enough to say so."""
        led = {n: targets.load_balancers[n].arn for n in names if targets and n in targets.load_balancers}
        if not led:
            return {}
        network: VirtualNetwork | None = self._output(self.topology.azure_vpn.network)
        hosts = {host.fqdn(zone.name): host for zone, host in self.link.dns.all_hosts}
        found: dict[str, tuple[Finding, ...]] = {}
        try:
            groups = rules_by_group(self.aws.security_groups(self.link.aws.vpc_id))
            sources = filters.clusters_ranges(self.link, self.azure) or (network.advertised if network else ())
            self.aws.load_balancers()  # which each of them looks for
            arns = sorted(set(led.values()))[:_FEW]
            with ThreadPoolExecutor(_FEW, thread_name_prefix="targets") as pool:
                read = dict(zip(arns, pool.map(partial(behind.behind, self.link, self.aws), arns), strict=True))
            for name, arn in led.items():
                seen, host = read.get(arn), hosts.get(name)
                if seen is not None and host is not None:
                    found[name] = tuple(behind.causes(seen, host, groups, sources, self.link))
        except Exception as error:
            if not isinstance(error, CloudlinkError) and error_policy(self.link).translate(error) is None:
                raise
            return {}
        return {name: said for name, said in found.items() if said}

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

    def _is_stopped(self, azure: Azure, at: ClusterBeside | None = None) -> bool:
        """Whether an AKS cluster that could not be asked is stopped; one that Azure says nothing of is not known to be. at: None where
        there is one alone."""
        error = self._missing.get(pauses.FORWARD if at is None else address_on_cluster(at, self.clusters))
        return isinstance(error, UnreachableError | NoCluster) and azure.aks_power().lower() == "stopped"

    @property
    def _missing(self) -> dict[str, CloudlinkError]:
        return self.engine.snapshot.missing

    @property
    def not_signed_in(self) -> CredentialsError | None:
        """Why a cloud told nothing after the last read: its sign-in, and not a permission."""
        found = (e for e in self._missing.values() if isinstance(e, CredentialsError) and not is_denial(e))
        return next(found, None)

    def _raise_another_link(self) -> None:
        for error in self._missing.values():
            if isinstance(error, AnotherLink):
                raise error

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
                numbered(self.link, c.address, what_differs(c)),
                c.drift,
                c.who,
                first + seconds(c.action, usual.get(c.address)),
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


def address_on_cluster(cluster: ClusterBeside, clusters: Sequence[ClusterBeside]) -> str:
    """Of the cluster's key of CoreDNS. clusters: all of them, the first one first."""
    return FORWARD if cluster is clusters[0] else address_on(cluster.label)


_NO_PODS = "it is stopped, so that it has no pods that ask"

# Which cluster's API a node asks, besides CoreDNS's keys.
_CLUSTER_OF = {"resolver.targets": "EKS"}
