"""Reading a link: its health, its drift from the configuration, and whether names work from a pod."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cloudlink.checks import status
from cloudlink.checks.names import verify
from cloudlink.checks.names.probe import Probe
from cloudlink.checks.report import DnsReport, Drift, Health, StatusReport
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.errors import error_policy
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import NoCluster
from cloudlink.clouds.ownership import AnotherLink
from cloudlink.core.engine import Engine
from cloudlink.core.plan import Action, Change, FieldChange, Plan
from cloudlink.core.polling import Clock
from cloudlink.core.resource import Observed, Resource
from cloudlink.errors import (
    CloudError,
    CloudlinkError,
    CredentialsError,
    MissingError,
    UnhealthyError,
    UnreachableError,
)
from cloudlink.link import Link
from cloudlink.steps.dns_forward.corefile import ForwardStatus
from cloudlink.steps.outputs import EksCluster, Endpoint, HostedZone, Targets, VirtualNetwork
from cloudlink.topology import Topology


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

    def status(self) -> StatusReport:
        """Everything that ``cloudlink status`` shows. A missing cluster or load balancer is shown, not raised."""
        plan = self.engine.plan(tolerant=True, partial=True)
        self._raise_what_hides_all()
        endpoint: Endpoint | None = self._output(self.topology.resolver.endpoint)
        zone: HostedZone | None = self._output(self.topology.resolver.zone)
        network: VirtualNetwork | None = self._output(self.topology.azure_vpn.network)
        cluster: EksCluster | None = self._output(self.topology.aws_vpn.cluster)
        unseen = {check: self._said(address) for address, check in _CHECKED.items() if address in self._missing}
        target = self._missing.get(self.topology.resolver.targets.address)
        if isinstance(target, CloudError) and not isinstance(target, UnreachableError | NoCluster):
            unseen.pop("targets", None)  # it was seen that something is wrong
        else:
            target = None
        facts = status.gather(
            self.link,
            self.aws,
            self.azure,
            self._forward_state,
            endpoint_id=endpoint.id if endpoint else None,
            zone_id=zone.id if zone else None,
            network=network,
            cluster_subnets=cluster.subnets if cluster else (),
            target=target,
            unseen=unseen,
            translate=self.translate,
            fresh=False,
        )
        drift = self._drift(plan)
        made = status.report(self.link, facts, drift)
        if made.health is Health.ABSENT and self._anything():
            # no tunnel yet, but some of our objects exist: an up or a teardown was not finished
            return replace(
                made,
                health=Health.DOWN,
                verdict="The link is not complete: an up or a teardown has not ended.",
                next=("cloudlink up", "cloudlink teardown"),
            )
        return made

    def quick(self) -> StatusReport:
        """The verdict on the four tunnels from what has been read anyway."""
        return status.quick(self.link, self.aws, self.azure)

    def dns(
        self, names: Sequence[str], *, image: str | None = None, tell: Callable[[str], None] = lambda _: None
    ) -> DnsReport:
        """Ask from a pod. Raises UnhealthyError when there is no inbound endpoint to ask yet, UsageError for
        names outside the zone. tell: is told the pod's state, again and again."""
        link = self.link if image is None else replace(self.link, probe=replace(self.link.probe, image=image))
        self.engine.plan(tolerant=True, partial=True)
        self._raise_what_hides_all()
        for address in (self.topology.dns_forward.forward.address, self.topology.resolver.endpoint.address):
            if error := self._missing.get(address):
                raise self._cannot_ask(error) if address in _CLUSTER_OF else error
        endpoint: Endpoint | None = self._output(self.topology.resolver.endpoint)
        targets: Targets | None = self._output(self.topology.resolver.targets)
        if endpoint is None:
            raise UnhealthyError(
                "The link does not exist",
                f"There is no inbound endpoint for {self.link.dns.zone}, so no pod could be answered.",
                "cloudlink up",
            )
        report = verify.dns(
            link,
            Probe(link, self.aks, self.clock, tell),
            endpoint=list(endpoint.addresses.values()),
            addresses=verify.expected(targets, self._private(targets)) if targets is not None else {},
            asked=names,
            forward=self._forward(),
        )
        if targets is None and (address := self.topology.resolver.targets.address) in self._missing:
            note = f"What the names should lead to could not be read, so it is not compared: {self._said(address)}"
            report = replace(report, notes=(*report.notes, note))
        return report

    def _said(self, address: str) -> str:
        """Why this could not be read, and of which cluster that is said."""
        side = _CLUSTER_OF.get(address)
        error = self._missing[address]
        if side is None or isinstance(error, MissingError):
            return str(error)
        name = self.link.azure.aks_cluster if side == "AKS" else self.link.aws.eks_cluster
        return f"{side} cluster {name}: {error}"

    def _cannot_ask(self, error: CloudlinkError) -> CloudlinkError:
        """Names are asked from a pod, so a cluster that cannot be asked is all there is to say."""
        side = self.link.azure
        stopped = self.azure.aks_power().lower() == "stopped"
        start = f"az aks start --name {side.aks_cluster} --resource-group {side.aks_resource_group}"
        return type(error)(
            "The names cannot be asked",
            f"They are asked from a pod on the AKS cluster {side.aks_cluster}, "
            + ("which is stopped." if stopped else f"which cannot be used. {error}"),
            start if stopped else error.hint,
            resource=error.resource,
            request_id=error.request_id,
            code=error.code,
        )

    def _private(self, targets: Targets) -> dict[str, tuple[str, ...]]:
        """Private addresses of the load balancers, by ARN."""
        arns = sorted({b.arn for b in targets.load_balancers.values()})
        return self.aws.load_balancer_addresses([{"LoadBalancerArn": arn} for arn in arns])

    @property
    def _missing(self) -> dict[str, CloudlinkError]:
        return self.engine.snapshot.missing

    def _raise_what_hides_all(self) -> None:
        """Raise what leaves nothing worth showing: objects that may be another link's, a cloud that we are not signed in to,
        and both clouds out of reach."""
        for error in self._missing.values():
            if isinstance(error, AnotherLink):
                raise error
        hidden: list[CloudlinkError] = []
        for steps in (("aws_vpn", "resolver"), ("azure_vpn",)):
            own = [n.address for n in self.topology.nodes() if isinstance(n, Resource) and n.step in steps]
            if all(address in self._missing for address in own):
                hidden.append(self._missing[own[0]])
        for error in hidden:
            if isinstance(error, CredentialsError) or len(hidden) > 1:
                raise error

    def _forward_state(self) -> ForwardStatus:
        endpoint: Endpoint | None = self._output(self.topology.resolver.endpoint)
        return self.topology.dns_forward.forward.status(tuple(endpoint.addresses.values()) if endpoint else None)

    def _forward(self) -> ForwardStatus:
        """The state of CoreDNS; a cluster that cannot be asked is a finding, not the end of the report."""
        try:
            return self._forward_state()
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
        return tuple(
            Drift(c.address, c.title, _what(c), by_hand=c.drift)
            for c in plan.changes
            if c.action in (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE)
        )


# Which cluster's API a node asks.
_CLUSTER_OF = {"resolver.targets": "EKS", "dns_forward.forward": "AKS"}

# What a node's read tells -> the check that looks at it.
_CHECKED = {
    "aws_vpn.cluster": "routes-aws",
    "resolver.endpoint": "endpoint",
    "resolver.zone": "zone",
    "resolver.records": "records",
    "resolver.targets": "targets",
    "dns_forward.forward": "forward",
}


def _what(change: Change) -> str:
    if change.action is Action.CREATE and not change.drift:
        return "not there"
    return "; ".join(_difference(f) for f in change.fields) or change.why


def _difference(change: FieldChange) -> str:
    """One line for people; of secrets only that they differ."""
    name = change.field.replace("_", " ")
    said = f"{name} differs" if change.old == change.new else f"{name}: {change.old}, wanted {change.new}"
    return f"{said} ({change.reason})" if change.reason else said
