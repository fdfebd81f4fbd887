"""A pause and its end, over the graph that up builds: what is read for it, what is taken away, and what is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from ipaddress import IPv4Address
from typing import Any

from cloudlink.checks import pauses
from cloudlink.checks.preflight.aks import start_command
from cloudlink.checks.report import PauseReport
from cloudlink.core.plan import Action, Adopted, Plan
from cloudlink.core.resource import Lookup, Node, Outputs, UnknownOutput
from cloudlink.errors import CloudlinkError, MissingError
from cloudlink.link import Link
from cloudlink.steps.aws_vpn.transit import ATTACHMENT
from cloudlink.steps.dns_forward.pauses import Pause
from cloudlink.steps.dns_forward.step import Forward, is_forward
from cloudlink.steps.outputs import Endpoint
from cloudlink.steps.paused import taken
from cloudlink.topology import Topology


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Unread(Lookup[Any]):
    """Replaces a lookup that a pause does not need."""

    def read(self, outputs: Outputs) -> Any:
        raise UnknownOutput(self)


def nodes(topology: Topology, pause: Pause | None) -> Iterator[Node[Any]]:
    """The link's nodes as a pause reads them: every object, no cluster but for CoreDNS's key, no load balancer. pause: what
    CoreDNS is to answer; None: that is not known yet."""
    assert topology.forwards, "a pause is refused where the VNet forwards"
    for node in topology.nodes():
        if isinstance(node, Lookup):
            yield Unread(address=node.address, title=node.title)
        elif isinstance(node, Forward) and not node.unwanted:
            yield dataclasses.replace(node, pause=pause)
        else:
            yield node


def with_new_addresses(topology: Topology) -> Iterator[Node[Any]]:
    """The link's nodes for its resumption, where AWS chooses the endpoint's addresses, whatever they were before."""
    endpoint = topology.resolver.endpoint
    for node in topology.nodes():
        yield dataclasses.replace(endpoint, former=dict) if node is endpoint else node


def plan(removal: Plan, answering: Plan, *, deep: bool, attachment: bool = False, others: Collection[str] = ()) -> Plan:
    """CoreDNS first, then what a pause takes away; all the rest stays as it is.

    removal: of the whole link. answering: what CoreDNS's key on each cluster needs so that it answers as a paused link's does.
    attachment, others: see ``pauses.attachment_goes`` and ``pauses.others_routes``.
    """
    going = frozenset(taken([c.address for c in removal.changes], deep=deep, attachment=attachment))
    anything = any(c.action is Action.DELETE for c in removal.changes if c.address in going)
    changes = []
    for change in removal.changes:
        if change.address in going:
            why = "until the link is resumed" if change.action is Action.DELETE else change.why
            changes.append(dataclasses.replace(change, why=why))
        elif not is_forward(change.address) or (forward := answering.of(change.address)) is None:
            changes.append(dataclasses.replace(change, action=Action.NO_OP, why="stays"))
        elif forward.action is Action.DELETE:  # of a cluster that is no more in the configuration
            changes.append(forward)
        elif forward.action is Action.NO_OP or (forward.action is Action.CREATE and not anything):
            changes.append(dataclasses.replace(forward, action=Action.NO_OP, why="answers so already", fields=()))
        else:
            changes.append(dataclasses.replace(forward, why="lets go of the link first", fields=(), drift=False))
    kept = tuple(Adopted(k.address, k.title, k.id, f"{k.why}, and its price stays as well") for k in removal.kept)
    if others and (stays := removal.of(ATTACHMENT)) is not None and stays.action is Action.DELETE:
        why = f"routes of others lead through it ({', '.join(sorted(others))}), and its price stays as well"
        kept = (*kept, Adopted(stays.address, stays.title, stays.id, why))
    return Plan(tuple(changes), kept=kept, isolated=True)


def addresses(outputs: object) -> dict[str, IPv4Address]:
    """Of the endpoint, by subnet; empty: it is not there."""
    return dict(outputs.addresses) if isinstance(outputs, Endpoint) else {}


def cluster_not_asked(error: CloudlinkError, link: Link, power: str) -> CloudlinkError:
    """The same error with what it means for a pause. link: as if the cluster was its only one. power: Azure's word for the cluster;
    empty: not known."""
    side, stopped = link.azure, power.lower() == "stopped"
    reason = f"The AKS cluster {side.aks_cluster} is stopped" if stopped else str(error).rstrip(".")
    return type(error)(
        "CoreDNS cannot be told of the pause",
        f"{reason}. Nothing was changed: while CoreDNS of {side.aks_cluster} sends {link.dns.zones_said} to AWS, "
        "what answers there stays.",
        f"{start_command(link) if stopped else error.hint}\nthen run cloudlink pause again.".strip(),
        resource=error.resource,
        request_id=error.request_id,
        code=error.code,
    )


def cluster_gone(link: Link, resource: str) -> MissingError:
    """link: as if the cluster was its only one."""
    side = link.azure
    return MissingError(
        "The AKS cluster was not found",
        f"The resource group {side.aks_resource_group} has no AKS cluster {side.aks_cluster}, so that nobody's CoreDNS can be told of the "
        "pause. Nothing was changed.",
        f"az aks list --subscription {side.aks_subscription} -o table\nName what there is in the configuration and run cloudlink up "
        "before a pause. Where the link is not needed any more: cloudlink teardown, which works all the same.",
        resource=resource,
    )


def report(link: Link, done: Plan, pause: Pause, made: pauses.Saving) -> PauseReport:
    """After it."""
    return PauseReport(
        link=link.name,
        since=pause.since,
        answer=pause.answer,
        names=pause.said,
        deleted=tuple((c.address, c.title, c.id) for c in done.changes if c.action is Action.DELETE),
        kept=tuple((k.address, k.title, k.id) for k in done.kept),
        endpoint=tuple((subnet, str(address)) for subnet, address in sorted(pause.addresses.items())),
        monthly=_cents(made.whole),
        monthly_paused=_cents(made.paused),
        hours=made.hours,
        days=made.days,
        saved=_cents(made.saved),
    )


def _cents(price: float | None) -> float | None:
    return None if price is None else round(price, 2)
