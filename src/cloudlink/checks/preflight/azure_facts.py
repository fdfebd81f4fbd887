"""What the judgements on Azure need, and how it is read: few calls, side by side, each on its own.

What cannot be read does not blind the rest: it is listed with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network
from typing import Any, TypeVar

from cloudlink.clouds.azure import parse
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse import (
    AksCluster,
    Location,
    Lock,
    Neighbour,
    Provider,
    Restriction,
    RouteTable,
    Vnet,
)
from cloudlink.core.plan import Action, Plan
from cloudlink.link import Link

T = TypeVar("T")
_MAKES = (Action.CREATE, Action.REPLACE)
# kind of object -> address of the resource that makes one
_KINDS = {
    "publicIPAddresses": "azure_vpn.public_ip",
    "virtualNetworkGateways": "azure_vpn.gateway",
    "localNetworkGateways": "azure_vpn.local_gateway",
    "connections": "azure_vpn.connection",
}
_KINDS_VERSION = "2024-01-01"
_ROUTE_SERVER_SUBNET = "routeserversubnet"


@dataclass(frozen=True)
class Unread:
    """What could not be read, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class AzureFacts:
    """Everything that the judgements below need. None or empty: not there, not needed, or among ``unread``."""

    vnet: Vnet | None = None  # the link's; None: cloudlink makes it
    cluster: AksCluster | None = None
    spokes: tuple[Vnet, ...] = ()  # VNets of the cluster's other than the link's
    tables: tuple[RouteTable, ...] = ()  # of GatewaySubnet and of the cluster's subnets
    vpc: tuple[IPv4Network, ...] = ()  # what AWS announces
    gateway: bool = False  # whether ours is there
    other_gateways: tuple[str, ...] = ()  # ids of others' VPN gateways in the VNet
    neighbours: tuple[Neighbour, ...] = ()
    locations: tuple[Location, ...] = ()
    providers: tuple[Provider, ...] = ()
    locks: tuple[Lock, ...] = ()
    restrictions: tuple[Restriction, ...] = ()
    group_location: str = ""
    unread: tuple[Unread, ...] = field(default=())


class _Reader:
    """Reads each thing by itself; notes what cannot be read instead of raising."""

    def __init__(self, azure: Azure, pool: ThreadPoolExecutor) -> None:
        self.azure = azure
        self.pool = pool
        self.unread: list[Unread] = []

    def begin(self, what: str, call: Callable[[], T], otherwise: T) -> Callable[[], T]:
        """Starts reading; the answer is had by calling what is returned. what: as ``the locks of the subscription``."""
        future = self.pool.submit(call)

        def end() -> T:
            try:
                return future.result()
            except Exception as error:
                known = self.azure.translate(error)
                if known is None:
                    raise
                self.unread.append(Unread(what, str(known)))
                return otherwise

        return end


def read(link: Link, azure: Azure, plan: Plan, vpc: Iterable[IPv4Network]) -> AzureFacts:
    """Everything that ``check`` needs for this plan; vpc: the ranges that AWS announces."""
    with ThreadPoolExecutor(12, thread_name_prefix="azure-facts") as pool:
        reader = _Reader(azure, pool)
        raw = azure.vnet() if link.azure.new_network is None else None
        aks = azure.aks_cluster() if link.azure.new_cluster is None else None
        vnet, cluster = parse.vnet(raw) if raw else None, parse.aks_cluster(aks) if aks else None
        ask = _asked(reader, link, azure, plan, vnet)
        spokes, tables = _around(reader, link, azure, vnet, cluster)
        answers = {name: end() for name, end in ask.items()}
        return AzureFacts(
            vnet=vnet,
            cluster=cluster,
            spokes=spokes,
            tables=tables,
            vpc=tuple(vpc),
            gateway=azure.gateway() is not None,
            unread=tuple(reader.unread),
            **answers,
        )


def read_standing(link: Link, azure: Azure, vpc: Callable[[], Iterable[IPv4Network]]) -> AzureFacts:
    """What ``standing`` needs. No call but for the VNet while no subnet has a route table and no VNet a peering."""
    if link.azure.new_network is not None or link.azure.new_cluster is not None:
        return AzureFacts()
    raw = azure.vnet()
    vnet = parse.vnet(raw) if raw else None
    if vnet is None or not (vnet.peerings or any(s.route_table_id for s in vnet.subnets)):
        return AzureFacts(vnet=vnet)
    with ThreadPoolExecutor(4, thread_name_prefix="azure-facts") as pool:
        reader = _Reader(azure, pool)
        aks = reader.begin("the AKS cluster", azure.aks_cluster, None)()
        cluster = parse.aks_cluster(aks) if aks else None
        spokes, tables = _around(reader, link, azure, vnet, cluster)
        gateway = azure.gateway() is not None
        return AzureFacts(vnet, cluster, spokes, tables, tuple(vpc()), gateway, unread=tuple(reader.unread))


def _around(
    reader: _Reader, link: Link, azure: Azure, vnet: Vnet | None, cluster: AksCluster | None
) -> tuple[tuple[Vnet, ...], tuple[RouteTable, ...]]:
    """The cluster's VNets other than the link's, and the route tables of its subnets and of GatewaySubnet."""
    others = [v for v in (cluster.vnets if cluster else ()) if v.lower() != azure.vnet_id.lower()]
    if link.azure.new_network is not None:
        others = []
    begun = [reader.begin(f"the VNet {v}", partial(azure.thing, v), None) for v in others]
    spokes = tuple(parse.vnet(raw) for raw in (end() for end in begun) if raw)
    known = {s.id.lower(): s for v in (*((vnet,) if vnet else ()), *spokes) for s in v.subnets}
    wanted = [known[s.lower()] for s in (cluster.subnets if cluster else ()) if s.lower() in known]
    if vnet is not None and (own := vnet.subnet(parse.GATEWAY_SUBNET)):
        wanted.append(own)
    ids = {s.route_table_id.lower(): s.route_table_id for s in wanted if s.route_table_id}
    tables = [reader.begin(f"the route table {t}", partial(azure.thing, t), None) for t in ids.values()]
    return spokes, tuple(parse.route_table(raw) for raw in (end() for end in tables) if raw)


def _asked(reader: _Reader, link: Link, azure: Azure, plan: Plan, vnet: Vnet | None) -> dict[str, Callable[[], Any]]:
    """What is only of interest while something is made, by the field of the facts that it becomes."""
    makes = [c for c in plan.changes if c.step == "azure_vpn" and c.action in _MAKES]
    ask: dict[str, Callable[[], Any]] = {}
    if any(c.step == "azure_vpn" and c.action not in (Action.NO_OP, Action.DEFER) for c in plan.changes):
        ask["locks"] = reader.begin("that no lock is in the way", partial(read_locks, link, azure), ())
    if not makes:
        return ask
    side = link.azure
    ask["locations"] = reader.begin(f"the zones of {side.location}", lambda: parse.locations(azure.locations()), ())
    names = ["Microsoft.Network", *(["Microsoft.ContainerService"] if side.new_cluster else [])]
    ask["providers"] = reader.begin(
        "that the resource providers are registered",
        lambda: tuple(parse.provider(raw) for name in names if (raw := azure.provider(name))),
        (),
    )
    if vnet is not None:
        ask["neighbours"] = reader.begin("which other gateways are in the VNet", partial(_neighbours, azure, vnet), ())
        ask["other_gateways"] = reader.begin(
            "whether the VNet has a VPN gateway", lambda: tuple(azure.other_vpn_gateways()), ()
        )
    wanted = [kind for kind, start in _KINDS.items() if any(c.address.startswith(start) for c in makes)]
    new_group = any(c.address == "azure_vpn.resource_group" for c in makes)
    nothing: tuple[Restriction, ...] = ()
    asked = [
        reader.begin(
            f"that no policy refuses {kind}",
            partial(_restrictions, link, azure, kind, whole_subscription=new_group),
            nothing,
        )
        for kind in wanted
    ]
    ask["restrictions"] = lambda: tuple(r for end in asked for r in end())
    return ask


def read_locks(link: Link, azure: Azure) -> tuple[Lock, ...]:
    side = link.azure
    subscriptions = dict.fromkeys((side.subscription, side.vnet_subscription, side.aks_subscription))
    return tuple(lock for s in subscriptions for lock in parse.locks(azure.locks(s)))


def _neighbours(azure: Azure, vnet: Vnet) -> tuple[Neighbour, ...]:
    """ExpressRoute's gateway in GatewaySubnet, and a Route Server in the subnet of its own."""
    found = [parse.neighbour_gateway(raw) for g in azure.other_gateways() if (raw := azure.thing(g))]
    servers = next((s.users for s in vnet.subnets if s.name.lower() == _ROUTE_SERVER_SUBNET), ())
    for id_ in dict.fromkeys(u.partition("/ipConfigurations/")[0] for u in servers):
        raw = azure.thing(id_)
        found.append(parse.route_server(raw) if raw else Neighbour(id_, "RouteServer"))
    return tuple(f for f in found if f is not None)


def _restrictions(link: Link, azure: Azure, kind: str, *, whole_subscription: bool) -> tuple[Restriction, ...]:
    side, type_ = link.azure, f"Microsoft.Network/{kind}"
    tags = {**azure.owner.tags(_KINDS[kind]), **dict(link.tags)}
    content = {"name": azure.name(kind), "type": type_, "location": side.location, "tags": tags}
    if kind == "publicIPAddresses":
        content |= {
            "sku": {"name": "Standard", "tier": "Regional"},
            "zones": list(side.zones),
            "properties": {"publicIPAllocationMethod": "Static", "publicIPAddressVersion": "IPv4"},
        }
    elif kind == "virtualNetworkGateways":
        sku = {"name": side.sku, "tier": side.sku}
        content |= {"properties": {"gatewayType": "Vpn", "vpnType": "RouteBased", "activeActive": True, "sku": sku}}
    raw = azure.policy_restrictions(content, _KINDS_VERSION, whole_subscription=whole_subscription)
    return parse.restrictions(raw, type_)
