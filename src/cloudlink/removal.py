"""Before a teardown: what is read for it, what stays and why, and what is written down before anything is deleted."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from cloudlink.checks.report import Left
from cloudlink.core.graph import Graph
from cloudlink.core.plan import Action, Adopted, Plan
from cloudlink.core.resource import (
    Lookup,
    Node,
    Observed,
    Outputs,
    Ownership,
    Receipt,
    Receipts,
    UnknownOutput,
)
from cloudlink.errors import CloudlinkError, ConflictError
from cloudlink.link import Link
from cloudlink.steps.azure_vpn.resource import AzureResource
from cloudlink.steps.dns_forward.step import CONFIG_MAP, NAMESPACE, Forward
from cloudlink.topology import Topology

FORWARD = "dns_forward.forward"
LEAVE_COREDNS = "cloudlink teardown --leave-coredns"

Found = Mapping[str, Observed[Any, Any] | None]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Unread(Lookup[Any]):
    """In place of a lookup whose answer a teardown has no use for: EKS may be out of reach, or gone."""

    def read(self, outputs: Outputs) -> Any:
        raise UnknownOutput(self)


def nodes(topology: Topology, *, leave_coredns: bool) -> Iterator[Node[Any]]:
    """The link's nodes as a teardown reads them: every object, and of what is looked up only what the report names as
    kept. leave_coredns: without CoreDNS's key, so that the AKS cluster is not asked."""
    for node in topology.nodes():
        if isinstance(node, Lookup) and type(node).adopted is Lookup.adopted:
            yield Unread(address=node.address, title=node.title)
        elif isinstance(node, AzureResource):
            yield dataclasses.replace(node, foreign_stays=True)
        elif not (leave_coredns and node.address == FORWARD):
            yield node


# --- what stays -------------------------------------------------------------------------------------------------


def foreign(found: Found) -> tuple[Left, ...]:
    """Objects in Azure that have our name but not our tags: ours with tags that were lost, or somebody else's."""
    return tuple(
        Left(
            address,
            seen.id,
            "It has our name but not our tags, so that it may be somebody else's. If its tags were lost, give them back "
            "and run cloudlink teardown again.",
            seen.detail,
        )
        for address, seen in found.items()
        if address.startswith("azure_vpn.")
        and seen is not None
        and seen.owned is Ownership.ADOPTED
        and seen.spec is None
    )


def without_foundations(plan: Plan, graph: Graph, left: tuple[Left, ...]) -> Plan:
    """A plan that leaves what these objects are built on: Azure would refuse to delete it for as long as they exist."""
    stays: set[str] = set()
    todo = [item.address for item in left]
    while todo:
        address = todo.pop()
        if (
            address.startswith("azure_vpn.") and address not in stays
        ):  # what AWS needs of Azure does not hang on it there
            stays.add(address)
            todo.extend(graph.needs[address])
    changes, kept = [], list(plan.kept)
    for change in plan.changes:
        if change.address in stays and change.action is Action.DELETE:
            why = "kept: something that is kept is built on it"
            kept.append(Adopted(change.address, change.title, change.id))
            change = dataclasses.replace(change, action=Action.NO_OP, why=why)
        changes.append(change)
    return dataclasses.replace(plan, changes=tuple(changes), kept=tuple(kept))


def leaving_coredns(plan: Plan, link: Link, forward: Forward) -> tuple[Plan, Left]:
    """The plan with CoreDNS's key among what is kept, and what is said of it."""
    patch = f'[{{"op":"remove","path":"/data/{forward.key}"}}]'
    id_ = f"{NAMESPACE}/{CONFIG_MAP}/{forward.key}"
    left = Left(
        forward.address,
        id_,
        f"Left as asked: pods of {link.azure.aks_cluster} get no answer for names of {link.dns.zone} while the key is there. "
        "Once the cluster can be reached, cloudlink teardown takes it away. Without cloudlink:",
        f"kubectl patch configmap {CONFIG_MAP} --namespace {NAMESPACE} --type json --patch {shlex.quote(patch)}",
        asked=True,
    )
    kept = (*plan.kept, Adopted(forward.address, forward.title, id_))
    return dataclasses.replace(plan, kept=kept), left


def with_lost_cluster(plan: Plan, link: Link, *, there: bool) -> Plan:
    """Says that CoreDNS's key went with its cluster. there: the cluster exists, and only the key is gone."""
    if there:
        return plan
    gone = (
        f"The AKS cluster {link.azure.aks_cluster} does not exist any more; what cloudlink wrote into it went with it."
    )
    return dataclasses.replace(plan, warnings=(*plan.warnings, gone))


# --- what is written down first ---------------------------------------------------------------------------------


def learned(plan: Plan, found: Found, receipts: Receipts, now: float) -> Iterator[Receipt]:
    """Receipts of what was found to be ours, for a plan that deletes something.

    Whose an object is may be said by another one alone: GatewaySubnet's by a tag on the gateway, a customer gateway's by
    its VPN connections. A run that was killed after that one is gone could not tell any more.
    """
    if not any(change.action in (Action.DELETE, Action.REPLACE) for change in plan.changes):
        return
    for address, seen in found.items():
        if seen is None or seen.owned is not Ownership.OWNED:
            continue
        old = receipts.get(address)
        if old is None:
            yield Receipt(address, seen.id, seen.phase.value, "", Ownership.OWNED, now)
        elif old.intent == "create":
            yield dataclasses.replace(old, id=seen.id, owned=Ownership.OWNED, intent="")


# --- a cluster that cannot be asked -----------------------------------------------------------------------------


def held_up_by_coredns(error: CloudlinkError) -> bool:
    """Whether this is what stops a teardown that could go on without CoreDNS."""
    return error.resource == FORWARD and not isinstance(error, ConflictError)


def cluster_not_asked(error: CloudlinkError, link: Link, power: str) -> CloudlinkError:
    """The same error in words that say what can be done. power: Azure's word for the cluster; empty: not known."""
    side = link.azure
    stopped = power.lower() == "stopped"
    reason = f"The AKS cluster {side.aks_cluster} is stopped." if stopped else str(error).rstrip(".") + "."
    start = f"az aks start --name {side.aks_cluster} --resource-group {side.aks_resource_group}"
    return type(error)(
        "CoreDNS cannot be told to let go of the zone",
        f"{reason} Nothing was changed: while CoreDNS sends {link.dns.zone} to AWS, what answers there stays.",
        (f"{start}\nthen run cloudlink teardown again." if stopped else error.hint.rstrip(".") + ".")
        + f"\nIf the cluster stays so, or is gone for good: {LEAVE_COREDNS}",
        resource=error.resource,
        request_id=error.request_id,
        code=error.code,
    )
