"""What the checks of Azure need, and how it is read: few calls, in parallel, each on its own.

What cannot be read does not blind the rest: it is listed with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import IPv4Network
from typing import Any, TypeVar

from cloudlink.clouds.azure import (
    body_cluster,
    body_network,
    body_planned,
    kinds,
    parse_aks,
    parse_gateway,
    parse_network,
    parse_pieces,
    parse_policy,
    parse_subscription,
)
from cloudlink.clouds.azure.body import Body
from cloudlink.clouds.azure.body import group as body_group
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_aks import AksCluster
from cloudlink.clouds.azure.parse_gateway import Neighbour
from cloudlink.clouds.azure.parse_network import RouteTable, Vnet
from cloudlink.clouds.azure.parse_policy import Restriction
from cloudlink.clouds.azure.parse_subscription import Location, Lock, Provider, Subscription
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.link import Link
from cloudlink.steps.azure_vpn.virtual_network import MOST_SPOKES_READ

T = TypeVar("T")
_MAKES = (Action.CREATE, Action.REPLACE)
# kind of object -> address of the resource that makes one
_KINDS = {
    kinds.PUBLIC_IP: "azure_vpn.public_ip",
    kinds.GATEWAY: "azure_vpn.gateway",
    kinds.LOCAL_GATEWAY: "azure_vpn.local_gateway",
    kinds.CONNECTION: "azure_vpn.connection",
    kinds.DNS_RESOLVER: "dns_forward.resolver",
    kinds.DNS_RULESET: "dns_forward.ruleset",
}
_KINDS_VERSION = "2024-01-01"
_VERSIONS = {
    kinds.DNS_RESOLVER: "2022-07-01",
    kinds.DNS_RULESET: "2022-07-01",
    body_planned.GROUP_TYPE: "2022-09-01",
    body_planned.CLUSTER_TYPE: "2024-02-01",
}
# What the names' step makes in Azure, beside CoreDNS's key.
IN_AZURE = tuple(
    f"dns_forward.{part}"
    for part in ("subnet", "resolver", "endpoint", "ruleset", "link", "rule", "inbound_subnet", "inbound")
)
_ROUTE_SERVER_SUBNET = "routeserversubnet"


@dataclass(frozen=True)
class Unread:
    """What could not be read, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class AzureFacts:
    """Everything that the checks need. None or empty: not there, not needed, or among ``unread``."""

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
    subscription: Subscription | None = None  # the link's
    vnet_subscription: Subscription | None = None  # the VNet's, where that is another one
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
        vnet, cluster = parse_network.vnet(raw) if raw else None, parse_aks.aks_cluster(aks) if aks else None
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


def read_names(link: Link, azure: Azure, plan: Plan) -> AzureFacts:
    """What is in the way of the objects that carry names in Azure, where somebody else has joined the networks."""
    with ThreadPoolExecutor(8, thread_name_prefix="azure-facts") as pool:
        reader = _Reader(azure, pool)
        answers = {name: end() for name, end in _asked(reader, link, azure, plan, None).items()}
        return AzureFacts(unread=tuple(reader.unread), **answers)


def read_standing(link: Link, azure: Azure, vpc: Callable[[], Iterable[IPv4Network]]) -> AzureFacts:
    """What ``standing`` needs. No call but for the VNet while no subnet has a route table and no VNet a peering."""
    if link.azure.new_network is not None or link.azure.new_cluster is not None:
        return AzureFacts()
    raw = azure.vnet()
    vnet = parse_network.vnet(raw) if raw else None
    if vnet is None or not (vnet.peerings or any(s.route_table_id for s in vnet.subnets)):
        return AzureFacts(vnet=vnet)
    with ThreadPoolExecutor(4, thread_name_prefix="azure-facts") as pool:
        reader = _Reader(azure, pool)
        aks = reader.begin("the AKS cluster", azure.aks_cluster, None)()
        cluster = parse_aks.aks_cluster(aks) if aks else None
        spokes, tables = _around(reader, link, azure, vnet, cluster)
        gateway = azure.gateway() is not None
        return AzureFacts(vnet, cluster, spokes, tables, tuple(vpc()), gateway, unread=tuple(reader.unread))


def read_borrowers(link: Link, azure: Azure) -> AzureFacts:
    """Before the gateway goes: the VNets that may use it, the cluster's and others', as far as they may be read."""
    facts = read_standing(link, azure, tuple)
    known = {v.id.lower() for v in facts.spokes}
    lent = [p.remote_id for p in (facts.vnet.peerings if facts.vnet else ()) if p.lends_gateway and p.connected]
    others = [id_ for id_ in lent if id_.lower() not in known][:MOST_SPOKES_READ]
    with ThreadPoolExecutor(4, thread_name_prefix="azure-facts") as pool:
        reader = _Reader(azure, pool)
        begun = [reader.begin(f"the VNet {id_}", partial(azure.thing, id_), None) for id_ in others]
        more = tuple(parse_network.vnet(raw) for raw in (end() for end in begun) if raw)
    return replace(facts, spokes=(*facts.spokes, *more))


def read_path(link: Link, azure: Azure, wanted: Iterable[IPv4Network]) -> AzureFacts:
    """What the checks of the cluster's side need where cloudlink makes no gateway: always the cluster, too."""
    with ThreadPoolExecutor(4, thread_name_prefix="azure-facts") as pool:
        reader = _Reader(azure, pool)
        raw = reader.begin(f"the VNet {azure.vnet_id}", azure.vnet, None)
        aks = reader.begin("the AKS cluster", azure.aks_cluster, None)()
        held = raw()
        vnet = parse_network.vnet(held) if held else None
        cluster = parse_aks.aks_cluster(aks) if aks else None
        spokes, tables = _around(reader, link, azure, vnet, cluster)
        return AzureFacts(vnet, cluster, spokes, tables, tuple(wanted), gateway=True, unread=tuple(reader.unread))


def read_beside(link: Link, azure: Azure, vpc: Iterable[IPv4Network]) -> AzureFacts:
    """What the checks of an AKS cluster beside the first need. link, azure: as if it was the link's only one. The VNet and the
    gateway are read anyway."""
    return replace(read_path(link, azure, vpc), gateway=azure.gateway() is not None)


def _around(
    reader: _Reader, link: Link, azure: Azure, vnet: Vnet | None, cluster: AksCluster | None
) -> tuple[tuple[Vnet, ...], tuple[RouteTable, ...]]:
    """The cluster's VNets other than the link's, and the route tables of its subnets and of GatewaySubnet."""
    others = [v for v in (cluster.vnets if cluster else ()) if v.lower() != azure.vnet_id.lower()]
    if link.azure.new_network is not None:
        others = []
    begun = [reader.begin(f"the VNet {v}", partial(azure.thing, v), None) for v in others]
    spokes = tuple(parse_network.vnet(raw) for raw in (end() for end in begun) if raw)
    known = {s.id.lower(): s for v in (*((vnet,) if vnet else ()), *spokes) for s in v.subnets}
    wanted = [known[s.lower()] for s in (cluster.subnets if cluster else ()) if s.lower() in known]
    if vnet is not None and (own := vnet.subnet(parse_network.GATEWAY_SUBNET)):
        wanted.append(own)
    ids = {s.route_table_id.lower(): s.route_table_id for s in wanted if s.route_table_id}
    tables = [reader.begin(f"the route table {t}", partial(azure.thing, t), None) for t in ids.values()]
    return spokes, tuple(parse_network.route_table(raw) for raw in (end() for end in tables) if raw)


def _asked(reader: _Reader, link: Link, azure: Azure, plan: Plan, vnet: Vnet | None) -> dict[str, Callable[[], Any]]:
    """What is only of interest while something is made, by the field of the facts that it becomes."""
    side = link.azure
    ours = [c for c in plan.changes if in_azure(c)]
    makes = [c for c in ours if c.action in _MAKES]
    ask: dict[str, Callable[[], Any]] = {}
    if any(c.action not in (Action.NO_OP, Action.DEFER) for c in ours):
        ask["locks"] = reader.begin("that no lock is in the way", partial(read_locks, link, azure), ())
        ask["subscription"] = reader.begin("the state of the subscription", azure.subscription, None)
        if side.vnet_subscription.lower() != side.subscription.lower():
            what = f"the state of the subscription {side.vnet_subscription}"
            ask["vnet_subscription"] = reader.begin(what, azure.subscription_of_vnet, None)
    if not makes:
        return ask
    ask["locations"] = reader.begin(f"the zones of {side.location}", partial(_locations, azure), ())
    elsewhere = side.aks_subscription if side.aks_subscription.lower() != side.subscription.lower() else ""
    names = [("Microsoft.Network", ""), *([("Microsoft.ContainerService", elsewhere)] if side.new_cluster else [])]
    ask["providers"] = reader.begin(
        "that the resource providers are registered",
        lambda: tuple(
            parse_subscription.provider(raw) for name in names if (raw := azure.provider(*filter(None, name)))
        ),
        (),
    )
    if vnet is not None:
        ask["neighbours"] = reader.begin("which other gateways are in the VNet", partial(_neighbours, azure, vnet), ())
        ask["other_gateways"] = reader.begin(
            "whether the VNet has a VPN gateway", lambda: tuple(azure.other_vpn_gateways()), ()
        )
    new_group = any(c.address == "azure_vpn.resource_group" for c in makes)
    nothing: tuple[Restriction, ...] = ()
    asked = [
        reader.begin(
            f"that no policy refuses {parse_pieces.last(one.type)}",
            partial(_restrictions, azure, one, whole_subscription=new_group),
            nothing,
        )
        for one in _planned(link, azure, makes)
    ]
    ask["restrictions"] = lambda: tuple(r for end in asked for r in end())
    return ask


def in_azure(change: Change) -> bool:
    """Whether a change of the plan is one of an object of Azure's: of the network's, or of what carries names there."""
    return change.step == "azure_vpn" or change.address.partition("[")[0] in IN_AZURE


def read_locks(link: Link, azure: Azure) -> tuple[Lock, ...]:
    side = link.azure
    subscriptions = dict.fromkeys((side.subscription, side.vnet_subscription, side.aks_subscription))
    return tuple(lock for s in subscriptions for lock in parse_subscription.locks(azure.locks(s)))


def _locations(azure: Azure) -> tuple[Location, ...]:
    """The zones that public IPs have come with the provider, which is read anyway."""
    try:
        told = parse_subscription.locations_of(azure.provider("Microsoft.Network"), kinds.PUBLIC_IP)
    except Exception as error:
        if azure.translate(error) is None:
            raise
        told = ()  # noted where the provider itself is asked for
    return told or parse_subscription.locations(azure.locations())


def _neighbours(azure: Azure, vnet: Vnet) -> tuple[Neighbour, ...]:
    """ExpressRoute's gateway in GatewaySubnet, and a Route Server in the subnet of its own."""
    found = [parse_gateway.neighbour_gateway(raw) for g in azure.other_gateways() if (raw := azure.thing(g))]
    servers = next((s.users for s in vnet.subnets if s.name.lower() == _ROUTE_SERVER_SUBNET), ())
    for id_ in dict.fromkeys(u.partition("/ipConfigurations/")[0] for u in servers):
        raw = azure.thing(id_)
        found.append(parse_gateway.route_server(raw) if raw else Neighbour(id_, "RouteServer"))
    return tuple(f for f in found if f is not None)


@dataclass(frozen=True)
class _Planned:
    """An object that policies are asked about. parent: id of what it is made in."""

    type: str
    content: Body
    version: str = _KINDS_VERSION
    parent: str = ""


def _planned(link: Link, azure: Azure, makes: Iterable[Change]) -> Iterator[_Planned]:
    """One of each kind that the plan makes, as it will be made."""
    side, made = link.azure, {c.address.partition("[")[0] for c in makes}

    def tags(address: str) -> dict[str, str]:
        return {**azure.owner.tags(address), **dict(link.tags)}

    for kind, address in _KINDS.items():
        if address in made:
            content = body_planned.planned_object(
                kind,
                name=azure.name(kind),
                location=side.location,
                tags=tags(address),
                sku=side.sku,
                zones=side.zones,
            )
            yield _Planned(kinds.type_of(kind), content, _VERSIONS.get(kind, _KINDS_VERSION))
    if "azure_vpn.resource_group" in made:
        body = body_group(None, location=side.location, tags=tags("azure_vpn.resource_group"))
        type_ = body_planned.GROUP_TYPE
        yield _Planned(type_, body_planned.planned(type_, side.resource_group, body), _VERSIONS[type_])
    if "azure_vpn.gateway_subnet" in made and side.gateway_subnet is not None:
        content = body_planned.planned_subnet(
            parse_network.GATEWAY_SUBNET, body_network.new_subnet(side.gateway_subnet)
        )
        yield _Planned(kinds.type_of(kinds.SUBNET), content, parent=azure.vnet_id)
    if "azure_vpn.network" in made and side.new_network is not None:
        first = side.new_network.cluster_subnet
        body = body_network.vnet(
            None,
            location=side.location,
            tags=tags("azure_vpn.network"),
            prefixes=side.new_network.prefixes,
            subnet=first.name,
            subnet_prefix=first.prefix,
        )
        yield _Planned(kinds.type_of(kinds.VNET), body_planned.planned(kinds.type_of(kinds.VNET), side.vnet, body))
    if "azure_vpn.cluster" in made and side.new_cluster is not None and side.new_network is not None:
        cluster, type_ = side.new_cluster, body_planned.CLUSTER_TYPE
        body = body_cluster.aks_cluster(
            location=side.location,
            tags=tags("azure_vpn.cluster"),
            name=side.aks_cluster,
            version=cluster.kubernetes_version,
            node_count=cluster.node_count,
            node_size=cluster.node_size,
            subnet=f"{azure.vnet_id}/subnets/{side.new_network.cluster_subnet.name}",
            pods=cluster.pod_cidr,
            services=cluster.service_cidr,
        )
        yield _Planned(type_, body_planned.planned(type_, side.aks_cluster, body), _VERSIONS[type_])


def _restrictions(azure: Azure, one: _Planned, *, whole_subscription: bool) -> tuple[Restriction, ...]:
    raw = azure.policy_restrictions(one.content, one.version, whole_subscription=whole_subscription, parent=one.parent)
    return parse_policy.restrictions(raw, one.type)
