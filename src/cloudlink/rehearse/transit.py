"""What a transit gateway adds to the rehearsal: which ranges it tells Azure, and whether its tables lead from the VPC to the tunnels.

A VPN connection is told the table that it is associated with; what comes from the VPC looks into the table of the VPC's attachment.
https://docs.aws.amazon.com/vpc/latest/tgw/how-transit-gateways-work.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_transit import Attachment, TransitTable, attachments, gateways, propagations, table
from cloudlink.clouds.aws.parse_transit import vpc_attachments as parse_vpc_attachments

MOST_ROUTES = 1000  # that a transit gateway takes from the other end of a tunnel


@dataclass(frozen=True)
class Through:
    """announced: what it tells Azure. back: whether what comes from the VPC gets to the tunnels. subnets: of the VPC, in which it is
    attached; hosts in their zones reach it."""

    announced: tuple[IPv4Network, ...]
    back: bool
    subnets: frozenset[str]


def asns(aws: Aws) -> dict[str, int | None]:
    """Of the transit gateways that exist, by id."""
    return {g.id: g.asn or None for g in gateways(aws.transit_gateways()) if g.exists}


def through(aws: Aws, vpc: str, gateway: str, connections: Collection[str], vnet: Iterable[IPv4Network]) -> Through:
    """connections: ids of the link's on this gateway."""
    there = [a for a in attachments(aws.transit_attachments(gateway)) if a.works]
    tunnels = [a for a in there if a.resource in connections]
    own = next((a for a in there if a.resource == vpc), None)
    ids = {a.id for a in tunnels}
    told = {
        r.destination for t in _tables(aws, tunnels) for r in t.routes if r.active and not ids.issuperset(r.attachments)
    }
    placed = [a for a in parse_vpc_attachments(aws.transit_vpc_attachments()) if own is not None and a.id == own.id]
    subnets = frozenset(s for a in placed for s in a.subnets)
    return Through(tuple(sorted(told)), own is not None and _leads_back(aws, own, tunnels, vnet), subnets)


def _tables(aws: Aws, of: Iterable[Attachment]) -> list[TransitTable]:
    return [table(id_, aws.transit_routes(id_)) for id_ in sorted({a.table for a in of if a.table})]


def _leads_back(aws: Aws, own: Attachment, tunnels: list[Attachment], vnet: Iterable[IPv4Network]) -> bool:
    """Whether what the tunnels learn goes into the VPC's table, and no route that somebody wrote there leads it elsewhere."""
    if not own.table or not any(own.table in propagations(aws.transit_propagations(a.id)) for a in tunnels):
        return False
    ids = {a.id for a in tunnels}
    found = [t.route_to(n) for t in _tables(aws, [own]) for n in vnet]
    return not any(r is not None and r.static and not ids & set(r.attachments) for r in found)
