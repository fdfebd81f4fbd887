"""What both clouds say of the way between two networks that somebody else has joined: each thing read by itself.

What may not be read, such as a hub of another team's, is listed with the reason and hides nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network, collapse_addresses
from typing import Any, TypeVar

from cloudlink.checks.preflight import azure_facts
from cloudlink.checks.preflight.aws import AwsFacts, endpoint_subnets, used_subnets
from cloudlink.checks.preflight.aws import read as read_aws
from cloudlink.checks.preflight.azure_facts import AzureFacts, Unread
from cloudlink.checks.preflight.paths import cluster_subnets, vnets_of
from cloudlink.clouds.aws import parse_transit, parse_vpc
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_connections import Connection, existing_connections
from cloudlink.clouds.aws.parse_gateways import VpnGateway, vpn_gateways
from cloudlink.clouds.aws.parse_routes import Table, TableRoute, tables
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_connection import local_gateway
from cloudlink.clouds.azure.parse_gateway import Gateway, far_gateways, gateway, learned_routes
from cloudlink.clouds.azure.parse_network import GATEWAY_SUBNET, Vnet, vnet
from cloudlink.clouds.azure.parse_pieces import last
from cloudlink.errors import CloudlinkError
from cloudlink.link import AddressTarget, Link

T = TypeVar("T")

_GATEWAYS = "/virtualnetworkgateways/"
_OURS = "network"  # the origin of a route that a gateway has of its own VNet
_WAN = "hv_"  # how Azure calls the peering with a hub of Virtual WAN


@dataclass(frozen=True)
class Transit:
    """A transit gateway that a route of the VPC leads to."""

    id: str
    attachments: tuple[parse_transit.Attachment, ...] = ()
    tables: tuple[parse_transit.TransitTable, ...] = ()  # those that could be read

    def of_vpc(self, vpc_id: str) -> parse_transit.Attachment | None:
        return next((a for a in self.attachments if a.kind == "vpc" and a.resource == vpc_id), None)

    def attachment(self, id_: str) -> parse_transit.Attachment | None:
        return next((a for a in self.attachments if a.id == id_), None)

    def table(self, id_: str) -> parse_transit.TransitTable | None:
        return next((t for t in self.tables if t.id == id_), None)


@dataclass(frozen=True)
class AzureGateway:
    """A gateway that packets of the cluster can take."""

    gateway: Gateway
    routes: tuple[IPv4Network, ...] = ()  # to the other side: learned, and static
    known: bool = True  # whether its routes could be read

    @property
    def name(self) -> str:
        kind = "ExpressRoute gateway" if self.gateway.type.lower() == "expressroute" else "VPN gateway"
        return f"{kind} {last(self.gateway.id)}"


@dataclass(frozen=True)
class PathFacts:
    """Everything that the checks of the path need. What is not among ``unread`` was read."""

    vpc: tuple[IPv4Network, ...] = ()
    wanted: tuple[IPv4Network, ...] = ()  # where packets of pods go in the VPC
    sources: tuple[IPv4Network, ...] = ()  # where they come from in Azure
    tables: tuple[Table, ...] = ()  # of the subnets where they go
    gateways: frozenset[str] = frozenset()  # virtual private gateways of the VPC
    connections: tuple[Connection, ...] = ()  # VPN connections, everybody's
    transits: tuple[Transit, ...] = ()
    direct: tuple[parse_transit.Association, ...] = ()  # Direct Connect gateways behind the gateways that matter
    azure: AzureFacts = field(default_factory=AzureFacts)
    azure_gateways: tuple[AzureGateway, ...] = ()
    wan: str = ""  # name of a peering with a hub of Virtual WAN; empty: there is none
    unread: tuple[Unread, ...] = ()  # of Azure's side
    unread_in_aws: tuple[Unread, ...] = ()

    def could_read(self, what: str) -> bool:
        return not any(u.what == what for u in (*self.unread, *self.unread_in_aws))


class Reader:
    """Notes what cannot be read instead of raising. translate: an SDK's error as ours; None: a bug."""

    def __init__(self, translate: Callable[[Exception], CloudlinkError | None]) -> None:
        self._translate = translate
        self.unread: list[Unread] = []

    def one(self, what: str, call: Callable[[], T | None]) -> T | None:
        try:
            return call()
        except Exception as error:
            known = error if isinstance(error, CloudlinkError) else self._translate(error)
            if known is None:
                raise
            self.unread.append(Unread(what, str(known)))
            return None

    def several(self, what: str, call: Callable[[], tuple[T, ...]]) -> tuple[T, ...]:
        """Empty where they cannot be read."""
        return self.one(what, call) or ()


def read(link: Link, aws: Aws, azure: Azure, translate: Callable[[Exception], CloudlinkError | None]) -> PathFacts:
    """Shared with what the plan has read; besides, each transit gateway takes a call and one for each table of it, each
    of Azure's gateways two, and ten seconds of Azure's time."""
    reader, in_azure = Reader(translate), Reader(translate)
    there = reader.one(f"the network of {link.aws.vpc_id}", lambda: read_aws(link, aws, azure)) or AwsFacts()
    subnets = used_subnets(there, link)
    ranges = {s.id: s.network for s in there.subnets if s.network is not None}
    endpoint = [ranges[s] for s in endpoint_subnets(there, link) if s in ranges]
    fixed = [
        IPv4Network(a) for _, h in link.dns.all_hosts if isinstance(h.target, AddressTarget) for a in h.target.addresses
    ]
    subnets += [s for s, r in ranges.items() if s not in subnets and any(a.subnet_of(r) for a in fixed)]
    balancers = [
        ranges[s] for s in subnets if s in ranges and s not in (there.cluster.subnets if there.cluster else ())
    ]
    wanted = tuple(collapse_addresses([*endpoint, *balancers, *fixed])) or (there.vpc.ranges if there.vpc else ())
    raw = reader.one("the VPC's route tables", lambda: tuple(aws.route_tables(link.aws.vpc_id))) or ()
    used = _tables(aws, reader, raw, subnets)
    around = azure_facts.read_path(link, azure, wanted)
    sources = tuple(p for s in cluster_subnets(around) for p in s.prefixes)
    found, wan = azure_gateways(azure, around, in_azure)
    targets = {r.target for t in used for r in t.routes}
    transits = tuple(_transit(aws, t, link.aws.vpc_id, reader) for t in sorted(targets) if t.startswith("tgw-"))
    behind_vgw = any(t.startswith("vgw-") for t in targets)
    every: tuple[VpnGateway, ...] = ()
    if behind_vgw or not transits:  # where there is no way back, one that is attached already is the shortest
        every = reader.several("virtual private gateways", lambda: vpn_gateways(aws.vpn_gateways()))
    gateways = frozenset(g.id for g in every if g.exists and g.serves(link.aws.vpc_id))
    connections: tuple[Connection, ...] = ()
    if behind_vgw or any(a.kind == "vpn" for t in transits for a in t.attachments):
        connections = reader.several("VPN connections", lambda: existing_connections(aws.vpn_connections()))
    carried = {c.gateway for c in connections if any(t.state == "UP" for t in c.tunnels)}  # nothing else need be asked
    behind = [*sorted((targets & gateways) - carried), *(t.id for t in transits if _has_direct_connect(t))]
    direct = tuple(
        a for g in behind for a in reader.several(f"Direct Connect gateways behind {g}", partial(_associations, aws, g))
    )
    return PathFacts(
        vpc=there.vpc.ranges if there.vpc else (),
        wanted=wanted,
        sources=sources or (around.vnet.prefixes if around.vnet else ()),
        tables=used,
        gateways=gateways,
        connections=connections,
        transits=transits,
        direct=direct,
        azure=around,
        azure_gateways=found,
        wan=wan,
        unread=(*in_azure.unread, *around.unread),
        unread_in_aws=tuple(reader.unread),
    )


# --- AWS --------------------------------------------------------------------------------------------------


def _tables(aws: Aws, reader: Reader, raw: Sequence[Mapping[str, Any]], subnets: Iterable[str]) -> tuple[Table, ...]:
    """Those in force for these subnets, with what their prefix lists stand for."""
    every = tables(raw)
    own = {s: t.id for t in every for s in t.subnets}
    main = next((t.id for t in every if t.main), "")
    wanted = {own.get(s, main) for s in subnets}
    by_list = {t.id: t.lists for t in parse_vpc.route_tables(raw)}
    found = []
    for one in every:
        if one.id not in wanted:
            continue
        more = [
            TableRoute(range_, listed.target, listed.active, propagated=False)
            for listed in by_list.get(one.id, ())
            for range_ in reader.several(f"the prefix list {listed.list_id}", partial(_list, aws, listed.list_id))
        ]
        found.append(Table(one.id, one.main, one.subnets, one.propagates, (*one.routes, *more)))
    return tuple(found)


def _list(aws: Aws, list_id: str) -> tuple[IPv4Network, ...]:
    return parse_vpc.prefix_list(aws.prefix_list(list_id))


def _associations(aws: Aws, gateway_id: str) -> tuple[parse_transit.Association, ...]:
    return parse_transit.associations(aws.direct_connect_associations(gateway_id))


def _transit(aws: Aws, id_: str, vpc_id: str, reader: Reader) -> Transit:
    """The tables that packets there and back are looked up in: the VPC attachment's, and those of what is joined by VPN,
    Direct Connect or another way."""
    found = reader.several(f"the attachments of {id_}", lambda: parse_transit.attachments(aws.transit_attachments(id_)))
    live = [a for a in found if a.works]
    first = next((a.table for a in live if a.kind == "vpc" and a.resource == vpc_id), "")
    read: dict[str, parse_transit.TransitTable] = {}

    def routes(table_id: str) -> None:
        def call() -> parse_transit.TransitTable | None:
            return parse_transit.table(table_id, aws.transit_routes(table_id))

        answer = reader.one(f"the route table {table_id} of {id_}", call)
        if answer is not None:
            read[table_id] = answer

    if first:
        routes(first)
    beyond = {a for t in read.values() for r in t.routes for a in r.attachments}
    others = sorted({a.table for a in live if a.id in beyond and a.kind != "vpc" and a.table} - {first})
    for other in others:
        routes(other)
    return Transit(id_, tuple(live), tuple(read.values()))


def _has_direct_connect(transit: Transit) -> bool:
    return any(a.kind == parse_transit.DIRECT_CONNECT for a in transit.attachments)


# --- Azure ------------------------------------------------------------------------------------------------


def azure_gateways(azure: Azure, around: AzureFacts, reader: Reader) -> tuple[tuple[AzureGateway, ...], str]:
    """Of the cluster's VNets, and of the hubs whose gateways they use. The name of a peering with Virtual WAN besides."""
    homes: dict[str, Vnet] = {}
    wan = ""
    mine = [v for v in vnets_of(around) if around.cluster is None or any(v.is_at(c) for c in around.cluster.vnets)]
    for home in mine or list(vnets_of(around)):
        homes[home.id.lower()] = home
        for peering in home.peerings:
            if last(peering.remote_id).lower().startswith(_WAN):
                wan = peering.name
            elif peering.uses_gateway and peering.connected:
                raw = reader.one(f"the VNet {peering.remote_id}", partial(azure.thing, peering.remote_id))
                if raw:
                    homes[peering.remote_id.lower()] = vnet(raw)
    found = []
    for home in homes.values():
        subnet = home.subnet(GATEWAY_SUBNET)
        ids = dict.fromkeys(u.partition("/ipConfigurations/")[0] for u in (subnet.users if subnet else ()))
        for id_ in (i for i in ids if _GATEWAYS in i.lower()):
            raw = reader.one(f"the gateway {id_}", partial(azure.thing, id_))
            if raw:
                found.append(_azure_gateway(azure, gateway(raw), reader))
    return tuple(found), wan


def _azure_gateway(azure: Azure, seen: Gateway, reader: Reader) -> AzureGateway:
    """With BGP its learned routes; a VPN gateway without it has the ranges of its local network gateways."""
    what = f"the routes of {seen.id}"
    begun = len(reader.unread)
    if seen.bgp or seen.type.lower() == "expressroute":
        learned = reader.several(what, lambda: learned_routes(azure.learned_routes_of(seen.id)))
        routes = [IPv4Network(r.network) for r in learned if r.network and r.origin.lower() != _OURS]
    else:
        far = reader.several(what, lambda: far_gateways(azure.connections_of(seen.id)))
        others = [reader.one(what, partial(azure.thing, f)) for f in far]
        routes = [p for raw in others if raw for p in local_gateway(raw).prefixes]
    return AzureGateway(seen, tuple(dict.fromkeys(routes)), known=len(reader.unread) == begun)
