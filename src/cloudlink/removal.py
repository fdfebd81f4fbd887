"""Before a teardown: what is read for it, what stays and why, and what is written down before anything is deleted."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

from cloudlink.checks.preflight.aks import start_command
from cloudlink.checks.preflight.azure_gateway import GatewayFacts
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
from cloudlink.steps.aws_resource import AwsResource
from cloudlink.steps.azure_resource import AzureResource
from cloudlink.steps.azure_vpn.adopted import prior_addresses
from cloudlink.steps.dns_forward import corefile
from cloudlink.steps.dns_forward.coredns import CONFIG_MAP, NAMESPACE
from cloudlink.steps.dns_forward.step import Forward, is_forward
from cloudlink.steps.resolver.hosted_zone import AdoptedZone
from cloudlink.topology import Topology

INSIDE_ADDRESSES = "azure_vpn.inside_addresses"
VPN_CONNECTION = "aws_vpn.connection["
CUSTOMER_GATEWAY = "aws_vpn.customer_gateway["
LEAVE_COREDNS = "cloudlink teardown --leave-coredns"

Found = Mapping[str, Observed[Any, Any] | None]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Unread(Lookup[Any]):
    """Replaces a lookup that a teardown does not need: EKS may be unreachable, or deleted."""

    def read(self, outputs: Outputs) -> Any:
        raise UnknownOutput(self)


def nodes(topology: Topology, *, leave: Container[str] = ()) -> Iterator[Node[Any]]:
    """The link's nodes as a teardown reads them: every object, and of what is looked up only what the report names as
    kept. leave: keys of CoreDNS that stay, so that their AKS clusters are not asked."""
    for node in topology.nodes():
        if isinstance(node, Lookup) and type(node).adopted is Lookup.adopted:
            yield Unread(address=node.address, title=node.title)
        elif isinstance(node, AdoptedZone):
            yield dataclasses.replace(node, serves=False)
        elif isinstance(node, (AwsResource, AzureResource)):
            yield dataclasses.replace(node, foreign_stays=True)
        elif node.address not in leave:
            yield node


# --- what stays -------------------------------------------------------------------------------------------------


def foreign(found: Found, graph: Graph) -> tuple[Left, ...]:
    """Objects that have our name (in Azure) or are in our state (in AWS), but do not have our tags: their tags were removed,
    or they belong to others."""

    def says(address: str) -> str:
        if isinstance(graph.nodes.get(address), AwsResource):
            return "It is in our state but does not have our tags"
        return "It has our name but not our tags" if address.startswith(("azure_vpn.", "dns_forward.")) else ""

    return tuple(
        Left(
            address,
            seen.id,
            f"{what}, so that it may be somebody else's. If its tags were lost, give them back and run cloudlink teardown again.",
            seen.detail,
        )
        for address, seen in found.items()
        if seen is not None and seen.owned is Ownership.ADOPTED and seen.spec is None and (what := says(address))
    )


def without_foundations(plan: Plan, graph: Graph, left: tuple[Left, ...]) -> Plan:
    """A plan that leaves what these objects are built on: its cloud would refuse to delete it for as long as they exist."""
    stays: set[str] = set()
    todo = [item.address for item in left if item.address.startswith(("azure_vpn.", "aws_vpn.", "resolver."))]
    while todo:
        address = todo.pop()
        if address not in stays:
            stays.add(address)
            step = address.partition(".")[0]  # what AWS needs of Azure does not hang on it there
            todo.extend(need for need in graph.needs[address] if need.startswith(f"{step}."))
    changes, kept = [], list(plan.kept)
    for change in plan.changes:
        if change.address in stays and change.action is Action.DELETE:
            why = "something that is kept is built on it"
            kept.append(Adopted(change.address, change.title, change.id, why))
            change = dataclasses.replace(change, action=Action.NO_OP, why=f"kept: {why}")
        changes.append(change)
    return dataclasses.replace(plan, changes=tuple(changes), kept=tuple(kept))


def keys_to_leave(topology: Topology, translate: Callable[[Exception], CloudlinkError | None]) -> frozenset[str]:
    """Addresses of the keys that a teardown leaves when it is told to: the one there is; of several clusters' those that cannot be
    asked, since CoreDNS of the others can let go of the zone."""
    if len(topology.forwards) < 2:
        return frozenset(forward.address for forward in topology.forwards)
    return frozenset(forward.address for forward in topology.forwards if not _answers(forward, translate))


def _answers(forward: Forward, translate: Callable[[Exception], CloudlinkError | None]) -> bool:
    try:
        forward.found_pause()
    except Exception as error:
        if not isinstance(error, CloudlinkError) and translate(error) is None:
            raise
        return False
    return True


def leaving_coredns(plan: Plan, link: Link, address: str, title: str) -> tuple[Plan, Left]:
    """The plan with CoreDNS's key among what is kept, and the report's entry for it. link: as if the cluster was its only one."""
    key = corefile.key_of(link.name)
    patch = f'[{{"op":"remove","path":"/data/{key}"}}]'
    id_ = f"{NAMESPACE}/{CONFIG_MAP}/{key}"
    left = Left(
        address,
        id_,
        f"Left as asked: pods of {link.azure.aks_cluster} get no answer for names of {link.dns.zones_said} while the key is there. "
        "Once the cluster can be reached, cloudlink teardown takes it away. Without cloudlink:",
        f"kubectl patch configmap {CONFIG_MAP} --namespace {NAMESPACE} --type json --patch {shlex.quote(patch)}",
        asked=True,
    )
    return dataclasses.replace(plan, kept=(*plan.kept, Adopted(address, title, id_, "left as asked"))), left


def with_lost_cluster(plan: Plan, link: Link, *, there: bool) -> Plan:
    """Says that CoreDNS's key went with its cluster. there: the cluster exists, and only the key is gone."""
    if there:
        return plan
    gone = (
        f"The AKS cluster {link.azure.aks_cluster} does not exist any more; what cloudlink wrote into it went with it."
    )
    return dataclasses.replace(plan, warnings=(*plan.warnings, gone))


def note_of_addresses(link: Link, found: Found, receipts: Receipts, facts: GatewayFacts, now: float) -> Receipt | None:
    """The note that a lost state file has taken with it: which of the tunnels' inside addresses on an adopted gateway cloudlink
    added. None: there is a note, or nobody can tell.

    An address is cloudlink's for certain where no other connection on the gateway uses it, and a customer gateway with this
    link's tags says that it is added, or a VPN connection with them has a tunnel in its range: it serves nobody but that
    tunnel. A gateway with RADIUS is never written, so that its owner has added them.
    """
    seen = found.get(INSIDE_ADDRESSES)
    if seen is None or seen.spec is None or INSIDE_ADDRESSES in receipts:
        return None
    if facts.gateway is None or facts.gateway.has_radius:
        return None
    ranges = {
        inside
        for address, vpn in found.items()
        if address.startswith(VPN_CONNECTION)
        and vpn is not None
        and vpn.owned is Ownership.OWNED
        and vpn.spec is not None
        for inside in vpn.spec.insides
    }
    used = {address for connection in facts.others for address in connection.custom}
    said = {
        a
        for address, customer in found.items()
        if address.startswith(CUSTOMER_GATEWAY)
        and customer is not None
        and customer.owned is Ownership.OWNED
        and customer.outputs is not None
        for a in customer.outputs.added
    }
    serving = {t.azure_inside for t in (*link.tunnels, *link.spare) if t.inside in ranges}
    ours = (serving | (said & seen.spec.reserved)) - used
    there = {a.address for a in seen.spec.addresses}
    if not there & ours:
        return None
    note = prior_addresses(seen.spec.reserved, there - ours)
    return Receipt(INSIDE_ADDRESSES, seen.id, seen.phase.value, "", Ownership.SHARED, now, prior_state=note)


def with_note(plan: Plan, note: Receipt | None) -> Plan:
    """The plan that takes away what the note says cloudlink added."""
    if note is None:
        return plan
    why = "its tunnels alone use them"
    changes = (
        dataclasses.replace(c, action=Action.RESTORE, why=why, id=note.id) if c.address == note.address else c
        for c in plan.changes
    )
    return dataclasses.replace(plan, changes=tuple(changes))


def leaving_unknown_addresses(
    plan: Plan, link: Link, found: Found, receipts: Receipts, note: Receipt | None = None
) -> tuple[Plan, tuple[Left, ...]]:
    """The plan with the tunnels' inside addresses on an adopted gateway among what is kept, and the report's entry for them,
    where the state does not say who added them: somebody else did, or the state file was lost since. note: what can be told
    of them without it."""
    receipt, seen = receipts.get(INSIDE_ADDRESSES), found.get(INSIDE_ADDRESSES)
    if seen is None or seen.spec is None:
        return plan, ()
    noted = note or receipt
    prior = noted.prior_state if noted is not None else None
    there = sorted(str(a.address) for a in seen.spec.addresses)
    if isinstance(prior, dict):  # those that were there when it was written: before cloudlink came, or before the loss
        there = [a for a in there if a in (prior.get("there") or ())]
    if not there or not any(change.action is Action.DELETE for change in plan.changes):
        return plan, ()
    name, group = link.azure_gateway
    gateway = seen.id.removesuffix("/bgpSettings")
    left = Left(
        INSIDE_ADDRESSES,
        gateway,
        f"{', '.join(there)} stay among the custom BGP addresses of {name}: there is no note that cloudlink added them. "
        "Somebody else has, or the state file was lost since. If nothing uses them, take them away in the portal "
        "(Configuration, Custom Azure APIPA BGP IP address). To see them:",
        f"az network vnet-gateway show --name {name} --resource-group {group} --query bgpSettings.bgpPeeringAddresses",
        asked=True,
    )
    title = f"custom BGP addresses of {name}"
    kept = (*plan.kept, Adopted(INSIDE_ADDRESSES, title, gateway, "no note that cloudlink added them"))
    return dataclasses.replace(plan, kept=kept), (left,)


# --- what is written down first ---------------------------------------------------------------------------------


def learned(plan: Plan, found: Found, receipts: Receipts, now: float) -> Iterator[Receipt]:
    """Receipts of our objects that were found, for a plan that deletes something.

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
    """Whether this error stops a teardown that could go on without CoreDNS."""
    return is_forward(error.resource) and not isinstance(error, ConflictError)


def cluster_not_asked(error: CloudlinkError, link: Link, power: str) -> CloudlinkError:
    """The same error with what the user can do. link: as if the cluster was its only one. power: Azure's word for the cluster; empty: not known."""
    side = link.azure
    stopped = power.lower() == "stopped"
    reason = f"The AKS cluster {side.aks_cluster} is stopped." if stopped else str(error).rstrip(".") + "."
    return type(error)(
        "CoreDNS cannot be told to let go of the zone",
        f"{reason} Nothing was changed: while CoreDNS sends {link.dns.zones_said} to AWS, what answers there stays.",
        (f"{start_command(link)}\nthen run cloudlink teardown again." if stopped else error.hint.rstrip(".") + ".")
        + f"\nIf the cluster stays so, or is gone for good: {LEAVE_COREDNS}",
        resource=error.resource,
        request_id=error.request_id,
        code=error.code,
    )
