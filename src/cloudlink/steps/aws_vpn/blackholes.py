"""Blackhole routes of a transit gateway, for what must not arrive (``aws.blackholes``).

In the table of the VPN connections they end what comes from Azure to a range of the VPC's, which AWS then announces no more. On a
gateway of cloudlink's own they are in the table of the VPC's attachment as well, where they end what would go to a range that Azure
announces: Azure has no filter for that.
https://docs.aws.amazon.com/vpc/latest/tgw/how-transit-gateways-work.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, ClassVar

from cloudlink.clouds.aws import gateways, parse_transit
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.errors import code_of
from cloudlink.core.permissions import Permissions
from cloudlink.core.resource import (
    Node,
    Observed,
    Outputs,
    Ownership,
    Phase,
    Receipts,
    Resource,
    Started,
    Timing,
    built_on,
)
from cloudlink.errors import ConflictError
from cloudlink.link import Link
from cloudlink.steps.aws_vpn.routes import StaticRoute
from cloudlink.steps.aws_vpn.transit import TransitTableLookup, TransitTables, VpnTable, locate, own_table, tables_of
from cloudlink.steps.outputs import Nothing, TransitTable
from cloudlink.steps.permissions import iam

BLACKHOLES = "aws_vpn.blackholes"
_CREATE = iam("ec2:CreateTransitGatewayRoute", "transit-gateway-route-table")
_DELETE = iam("ec2:DeleteTransitGatewayRoute", "transit-gateway-route-table")


@dataclass(frozen=True)
class BlackholesSpec:
    routes: frozenset[StaticRoute]


@dataclass(frozen=True, kw_only=True, eq=False)
class Blackholes(Resource[BlackholesSpec, Nothing]):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTransitGatewayRoute.html

    A route has no tags. In the link's own table all blackholes to the configured ranges are its own; others' routes are not read.
    The id holds the ranges, so that those that are configured no more are taken away.
    """

    link: Link
    aws: Aws
    tables: Node[TransitTables]
    own: Node[TransitTable] = built_on()  # of the VPN connections
    timing: ClassVar[Timing] = Timing(create=3, update=3, delete=3, deadline=300)
    permissions: ClassVar[Permissions] = Permissions(
        read=(
            iam("ec2:DescribeTransitGateways"),
            iam("ec2:DescribeTransitGatewayRouteTables"),
            iam("ec2:SearchTransitGatewayRoutes"),
        ),
        create=(_CREATE,),
        update=(_CREATE, _DELETE),
        delete=(_DELETE,),
    )

    def spec(self, outputs: Outputs) -> BlackholesSpec:
        tables = {outputs[self.own].id}
        if self.link.aws.adopt_gateway is None:  # the table of an adopted gateway is its owner's
            tables.add(outputs[self.tables].vpc)
        return BlackholesSpec(frozenset(StaticRoute(t, d) for t in tables for d in self.link.aws.blackholes))

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[BlackholesSpec, Nothing] | None:
        receipt = receipts.of(self)
        ranges = {*self.link.aws.blackholes, *_ranges(receipt.id if receipt is not None else "")}
        there = frozenset(
            r for t in self._tables(receipts) for r in self._there(t, fresh=fresh) if r.destination in ranges
        )
        if not there:
            return None
        said = f"{len(there)} blackhole route{'' if len(there) == 1 else 's'}"
        return Observed(_id(ranges), Phase.READY, BlackholesSpec(there), Nothing(), Ownership.OWNED, said)

    def _tables(self, receipts: Receipts) -> list[str]:
        """Those of the link that exist."""
        gateway = locate(self.link, self.aws, receipts)
        if gateway is None:
            return []
        tables = {own_table(self.link, self.aws)}
        if self.link.aws.adopt_gateway is None:
            found = tables_of(self.link, self.aws, gateway.id, gateway.association_table)
            tables.add(found.vpc if found is not None else "")
        return sorted(tables - {""})

    def _there(self, table: str, *, fresh: bool) -> Iterable[StaticRoute]:
        found = parse_transit.table(table, self.aws.transit_routes(table, fresh=fresh))
        return [StaticRoute(table, r.destination) for r in found.routes if r.static and not r.attachments]

    def create(self, spec: BlackholesSpec) -> Started:
        return self._write(spec.routes, frozenset())

    def update(self, found: Observed[BlackholesSpec, Nothing], spec: BlackholesSpec) -> Started:
        assert found.spec is not None
        return self._write(spec.routes - found.spec.routes, found.spec.routes - spec.routes)

    def _write(self, on: Iterable[StaticRoute], off: Iterable[StaticRoute]) -> Started:
        """One call for each; a run that dies among them just goes on. Raises ConflictError where somebody has written another route
        for the range, which is left as it is."""
        for route in sorted(on):
            try:
                gateways.add_blackhole(self.aws, route.table, route.destination)
            except Exception as error:
                if code_of(error) != "RouteAlreadyExists":
                    raise
                if route in self._there(route.table, fresh=True):
                    continue
                raise ConflictError(
                    "The transit gateway's table has another route to a range that is to be a blackhole",
                    f"{route.table} has a static route to {route.destination} that leads somewhere. It is left as it is.",
                    f"If nothing needs it: aws ec2 delete-transit-gateway-route --region {self.link.aws.region} "
                    f"--transit-gateway-route-table-id {route.table} --destination-cidr-block {route.destination}\n"
                    "Or take the range out of aws.blackholes.",
                    resource=self.address,
                ) from error
        for route in sorted(off):
            gateways.take_blackhole(self.aws, route.table, route.destination)
        return Started(_id(self.link.aws.blackholes))

    def delete(self, found: Observed[BlackholesSpec, Nothing], prior_state: Any) -> Started | None:
        assert found.spec is not None
        for route in sorted(found.spec.routes):
            gateways.take_blackhole(self.aws, route.table, route.destination)
        return Started(found.id)


def _id(ranges: Iterable[IPv4Network]) -> str:
    return "+".join(map(str, sorted(ranges)))


def _ranges(id_: str) -> frozenset[IPv4Network]:
    return frozenset(IPv4Network(r) for r in id_.split("+") if r)


def blackholes_for(
    link: Link, aws: Aws, own: VpnTable | None, members: Iterable[Node[Any]], *, left: bool
) -> tuple[Node[Any], ...]:
    """left: the link has some, whether or not the configuration still asks for them. members: among them the lookup of the tables."""
    tables = next((m for m in members if isinstance(m, TransitTableLookup)), None)
    if own is None or tables is None or not (link.aws.blackholes or left):
        return ()
    title, unwanted = "blackhole routes", not link.aws.blackholes
    return (Blackholes(address=BLACKHOLES, title=title, link=link, aws=aws, tables=tables, own=own, unwanted=unwanted),)
