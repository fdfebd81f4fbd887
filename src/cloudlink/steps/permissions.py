"""Which permissions the writes of a plan need, and which of the writes can be tried beforehand.

What each call needs is said by the class of its resource (``permissions``), and held true by a test that compares it with
what a link's life really calls. Azure's need a place as well: the link's resource group, the VNet, the cluster, the
subscription, or the id of an object that a write refers to.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloudlink.clouds.aws.requests import Request
from cloudlink.core.permissions import Permission, Permissions
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.core.resource import Node
from cloudlink.link import Link

GROUP, VNET, AKS, SUBSCRIPTION = "resource group", "VNet", "AKS cluster", "subscription"
CONTAINER = "state's container"  # of blobs; what is done there are data actions
GATEWAY_GROUP = "resource group of the VPN gateway"  # of an adopted one that is in another

NETWORK = "Microsoft.Network"
_OF_GATEWAY = (f"{NETWORK}/virtualNetworkGateways/", "Microsoft.Insights/diagnosticSettings/")
# How Azure lets one into a cluster's own API.
WAY_IN = Permission("Microsoft.ContainerService/managedClusters/listClusterUserCredential/action", AKS)
JOIN_SUBNET = Permission(f"{NETWORK}/virtualNetworks/subnets/join/action", VNET)

Nodes = Mapping[str, Node[Any]]
"""By address."""


def iam(action: str, *on: str) -> Permission:
    """on: the kinds of objects that the call touches, as ARNs name them, such as ``vpn-gateway``."""
    return Permission(action, on=on)


TAG = iam("ec2:CreateTags", "vpn-gateway")


def rbac(kind: str, place: str, *linked: Permission, read: bool = True) -> Permissions:
    """Of an object that one PUT makes and changes. kind: as Azure names it, such as ``Microsoft.Network/connections``.
    linked: of objects that it refers to."""
    write = (Permission(f"{kind}/write", place), *linked)
    return Permissions(
        read=(Permission(f"{kind}/read", place),) if read else (),
        create=write,
        update=write,
        delete=(Permission(f"{kind}/delete", place),),
        marks=(Permission("Microsoft.Resources/tags/write", place),),
    )


class Joins(ABC):
    """A resource of Azure's that is written back with references that others have put on it."""

    @abstractmethod
    def joined(self) -> Iterable[tuple[str, str]]:
        """Kind, such as ``routeTables``, and id of each object that it refers to now."""


def by_address(nodes: Iterable[Node[Any]]) -> Nodes:
    return {node.address: node for node in nodes}


def needed(link: Link, plan: Plan, nodes: Nodes) -> dict[Permission, tuple[str, ...]]:
    """What the plan's writes need, each with the addresses that need it."""
    found: dict[Permission, list[str]] = {}
    for change in plan.writes:
        node = nodes.get(change.address)
        if node is not None:
            for permission in dict.fromkeys(
                (*_of(change, node.permissions, tags=bool(link.tags)), *_joins(change, node))
            ):
                found.setdefault(placed(permission, link), []).append(change.address)
    return {permission: tuple(addresses) for permission, addresses in found.items()}


def _of(change: Change, of: Permissions, *, tags: bool) -> Iterator[Permission]:
    """tags: the configuration has some."""
    marked = {f.field for f in change.fields if f.is_tag or f.field == "marks"}
    fields = {f.field for f in change.fields} - marked
    if change.action in (Action.CREATE, Action.REPLACE):
        yield from (*of.create, *(of.tagged if tags else ()))
    if change.action in (Action.DELETE, Action.REPLACE):
        yield from of.delete
    if change.action is not Action.UPDATE:
        return
    if fields or not marked:
        chosen = [permission for name in sorted(fields) for permission in of.by_field.get(name, ())]
        yield from (of.by_field and chosen) or of.update
    if marked:
        yield from of.marks


def _joins(change: Change, node: Node[Any]) -> Iterator[Permission]:
    """What is made anew has no references of others yet, and tags are written by themselves."""
    if change.action is Action.UPDATE and {f.field for f in change.fields} != {"marks"} and isinstance(node, Joins):
        yield from (Permission(f"{NETWORK}/{kind}/join/action", id_) for kind, id_ in node.joined())


def placed(permission: Permission, link: Link) -> Permission:
    return Permission(permission.action, place_of(permission.place, link, permission.action), permission.on)


def place_of(place: str, link: Link, action: str = "") -> str:
    """What does not exist yet has no permissions of its own; those of the subscription reach it. What belongs to an adopted
    gateway is where that is.

    Assumption: its public IPs are in its resource group.
    """
    side = link.azure
    of_gateway = action.startswith(_OF_GATEWAY) or (
        action.startswith(f"{NETWORK}/publicIPAddresses/") and side.adopt_gateway
    )
    if place == GROUP and of_gateway and link.azure_gateway[1].lower() != side.resource_group.lower():
        return GATEWAY_GROUP
    new = {GROUP: side.create_resource_group, VNET: side.new_network is not None, AKS: side.new_cluster is not None}
    return SUBSCRIPTION if new.get(place) else place


# --- writes that can be tried -----------------------------------------------------------------------------

Existing = Callable[[Node[Any]], str]
"""The id that an object has before the plan is carried out; empty: it does not exist yet."""


class DryRunnable(ABC):
    """A resource of EC2's whose calls can be tried with DryRun, where nothing in them waits for an object that does not
    exist yet."""

    @abstractmethod
    def creation(self, existing: Existing) -> Request | None:
        """The call that makes it, with its tags; None: it cannot be tried yet."""

    def removal(self, id_: str) -> Request | None:
        """The call that deletes it; None: it cannot be tried."""
        del id_
        return None


@dataclass(frozen=True)
class DryRun:
    action: str
    method: str
    parameters: dict[str, object]


def dry_runs(plan: Plan, nodes: Nodes) -> Iterator[DryRun]:
    """Of the plan's writes to EC2 those whose objects exist, with the parameters and tags of the real call; of several
    that differ in the object's name and tags alone one."""
    once: dict[str, Request] = {}
    for request in _possible_now(plan, nodes):
        once.setdefault(request.but_for_names, request)
    for request in once.values():
        yield DryRun(f"ec2:{request.operation}", request.method, request.parameters)


def _possible_now(plan: Plan, nodes: Nodes) -> Iterator[Request]:
    def existing(node: Node[Any]) -> str:
        change = plan.of(node.address)
        return change.id if change is not None and change.action in (Action.NO_OP, Action.UPDATE) else ""

    for change in plan.writes:
        node = nodes.get(change.address)
        if not isinstance(node, DryRunnable):
            continue
        calls: list[Request | None] = []
        if change.action in (Action.CREATE, Action.REPLACE):
            calls.append(node.creation(existing))
        if change.action in (Action.DELETE, Action.REPLACE) and change.id:
            calls.append(node.removal(change.id))
        yield from (call for call in calls if call is not None)
