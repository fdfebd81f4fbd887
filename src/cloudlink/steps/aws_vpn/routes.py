"""The routes to Azure in the VPC's route tables: those that the tunnels teach, or, through a transit gateway, static ones.

The main table is not enough: a subnet with a table of its own, which is what EKS's usually have, does not look there,
and then everything is up and nothing answers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, ClassVar

from cloudlink.clouds.aws import gateways, parse_routes, parse_vpc
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.errors import code_of
from cloudlink.clouds.aws.parse_balancers import load_balancers
from cloudlink.core.permissions import Permissions
from cloudlink.core.resource import (
    Lookup,
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
from cloudlink.errors import ConflictError, MissingError
from cloudlink.link import AddressTarget, KubernetesTarget, Link, LoadBalancerTarget
from cloudlink.steps.aws_vpn.gateway import locate_gateway
from cloudlink.steps.aws_vpn.transit import locate
from cloudlink.steps.outputs import EksCluster, Nothing, VirtualNetwork, VpnGateway
from cloudlink.steps.permissions import iam


@dataclass(frozen=True, order=True)
class StaticRoute:
    """One of a route table, the VPC's or the transit gateway's, which its range tells from the others."""

    table: str
    destination: IPv4Network

    def __str__(self) -> str:
        return f"{self.table} {self.destination}"


@dataclass(frozen=True)
class Tables:
    """Route tables of the VPC, by id. routes: to the link's transit gateway, which are there already, in any table."""

    ids: frozenset[str]
    routes: frozenset[StaticRoute] = frozenset()
    needed: frozenset[str] = frozenset()  # by the link; of an adopted gateway the others are somebody else's


def subnets_of_targets(link: Link, subnets: Iterable[parse_vpc.Subnet]) -> frozenset[str]:
    """Where what names point at has addresses, or gets them, beside the load balancers that are named: subnets of fixed addresses,
    such as those of databases, and those in which EKS makes internal load balancers of a Service or Ingress. subnets: all."""
    targets = [h.target for _, h in link.dns.all_hosts]
    fixed = [IPv4Network(a) for t in targets if isinstance(t, AddressTarget) for a in t.addresses]
    by_cluster = any(isinstance(t, KubernetesTarget) for t in targets)
    return frozenset(
        s.id
        for s in subnets
        if (s.network is not None and any(a.subnet_of(s.network) for a in fixed))
        or (by_cluster and s.takes_balancers_of(link.aws.eks_cluster))
    )


def by_subnets(link: Link) -> bool:
    """Whether ``subnets_of_targets`` depends on the subnets at all."""
    return any(isinstance(h.target, AddressTarget | KubernetesTarget) for _, h in link.dns.all_hosts)


@dataclass(frozen=True, kw_only=True, eq=False)
class RouteTables(Lookup[Tables]):
    """The tables that must learn Azure's prefixes: those that the configuration lists, or those of the subnets of the
    cluster, of the Resolver endpoint, and of what names point at.

    An adopted gateway's other tables belong to somebody else and are counted in, so that they are left alone.
    """

    link: Link
    aws: Aws
    cluster: Node[EksCluster]

    def read(self, outputs: Outputs) -> Tables:
        """Raises MissingError for a listed table that the VPC does not have."""
        side = self.link.aws
        tables = parse_vpc.route_tables(self.aws.route_tables(side.vpc_id))
        if side.route_tables is not None:
            wanted = set(side.route_tables)
            unknown = sorted(wanted - {t.id for t in tables})
            if unknown:
                raise MissingError(
                    "A route table does not exist",
                    f"{', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not in {side.vpc_id}.",
                    "Correct aws.route_tables, or leave it out.",
                    resource=self.address,
                )
        else:
            subnets = {
                *outputs[self.cluster].subnets,
                *(self.link.dns.endpoint_subnets or ()),
                *self._balancer_subnets(),
                *(subnets_of_targets(self.link, self._subnets()) if by_subnets(self.link) else ()),
            }
            wanted = {table_of(subnet, tables) for subnet in subnets} - {""}
        if side.transit:
            gateway = locate(self.link, self.aws, Receipts({}))
            there = _routes_to(gateway.id if gateway else "", self.link, self.aws)
            return Tables(frozenset(wanted), there, frozenset(wanted))
        others = propagating(tables, side.adopt_gateway) if side.adopt_gateway is not None else frozenset()
        return Tables(frozenset(wanted | others), needed=frozenset(wanted))

    def _subnets(self) -> tuple[parse_vpc.Subnet, ...]:
        return parse_vpc.subnets(self.aws.subnets(self.link.aws.vpc_id))

    def _balancer_subnets(self) -> Iterable[str]:
        """Of load balancers that the configuration names directly."""
        names = {h.target.name_or_arn for _, h in self.link.dns.all_hosts if isinstance(h.target, LoadBalancerTarget)}
        if not names:
            return ()
        return [
            subnet
            for balancer in load_balancers(self.aws.load_balancers())
            if names & {balancer.name, balancer.arn} and balancer.vpc == self.link.aws.vpc_id
            for subnet in balancer.subnets
        ]


def table_of(subnet: str, tables: Iterable[parse_vpc.RouteTable]) -> str:
    """The route table that a subnet uses: its own, else the VPC's main one; empty when neither is listed.

    https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html
    """
    main = ""
    for table in tables:
        if subnet in table.subnets:
            return table.id
        if table.main:
            main = table.id
    return main


def propagating(tables: Iterable[parse_vpc.RouteTable], gateway: str) -> frozenset[str]:
    """The tables into which this gateway's routes go."""
    return frozenset(table.id for table in tables if gateway in table.gateways)


@dataclass(frozen=True)
class PropagationSpec:
    gateway: str
    tables: frozenset[str]


_ON = iam("ec2:EnableVgwRoutePropagation", "route-table", "vpn-gateway")
_OFF = iam("ec2:DisableVgwRoutePropagation", "route-table", "vpn-gateway")


@dataclass(frozen=True, kw_only=True, eq=False)
class RoutePropagation(Resource[PropagationSpec, Nothing]):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableVgwRoutePropagation.html

    Of our own gateway the propagation is ours. Of an adopted one it is shared: the tables that had it before are
    recorded, and teardown takes it from the others only.
    """

    link: Link
    aws: Aws
    gateway: Node[VpnGateway] = built_on()
    attachment: Node[Nothing]
    tables: Node[Tables]
    timing: ClassVar[Timing] = Timing(create=3, update=3, delete=3, deadline=300)
    immutable: ClassVar[frozenset[str]] = frozenset({"gateway"})
    permissions: ClassVar[Permissions] = Permissions(
        read=(iam("ec2:DescribeRouteTables"), iam("ec2:DescribeVpnGateways")),
        create=(_ON,),
        update=(_ON, _OFF),
        delete=(_OFF,),
        owner_only="change route tables",
    )

    @property
    def _shared(self) -> bool:
        return self.link.aws.adopt_gateway is not None

    def spec(self, outputs: Outputs) -> PropagationSpec:
        return PropagationSpec(outputs[self.gateway].id, outputs[self.tables].ids)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[PropagationSpec, Nothing] | None:
        gateway = locate_gateway(self.link, self.aws, self.gateway, receipts, fresh=False)
        if gateway is None:
            return None
        number = gateway.id
        tables = propagating(parse_vpc.route_tables(self.aws.route_tables(self.link.aws.vpc_id, fresh=fresh)), number)
        if not tables and not self._shared:
            return None
        owned = Ownership.SHARED if self._shared else Ownership.OWNED
        detail = f"{len(tables)} route table{'' if len(tables) == 1 else 's'}"
        return Observed(number, Phase.READY, PropagationSpec(number, tables), Nothing(), owned, detail)

    def prior_state(self, found: Observed[PropagationSpec, Nothing] | None) -> Any:
        if not self._shared or found is None or found.spec is None:
            return None
        return sorted(found.spec.tables)

    def create(self, spec: PropagationSpec) -> Started:
        self._set(spec.gateway, on=spec.tables, off=frozenset())
        return Started(spec.gateway)

    def update(self, found: Observed[PropagationSpec, Nothing], spec: PropagationSpec) -> Started:
        assert found.spec is not None
        now = found.spec.tables
        self._set(spec.gateway, on=spec.tables - now, off=now - spec.tables)
        return Started(spec.gateway)

    def delete(self, found: Observed[PropagationSpec, Nothing], prior_state: Any) -> Started | None:
        """Without a note of what was there before, an adopted gateway is left as it is."""
        if found.spec is None or (self._shared and not isinstance(prior_state, list)):
            return None
        off = found.spec.tables - frozenset(prior_state or ())
        if not off:
            return None
        self._set(found.id, on=frozenset(), off=off)
        return Started(found.id)

    def _set(self, gateway: str, *, on: frozenset[str], off: frozenset[str]) -> None:
        gateways.propagate(self.aws, gateway, on=sorted(on), off=sorted(off))


# --- through a transit gateway, which propagates nothing into a VPC's tables ---------------------------------------


def _routes_to(gateway: str, link: Link, aws: Aws, *, fresh: bool = False) -> frozenset[StaticRoute]:
    """All that lead to it, ours or not, in any table of the VPC."""
    tables = parse_routes.tables(aws.route_tables(link.aws.vpc_id, fresh=fresh))
    return frozenset(StaticRoute(t.id, r.destination) for t in tables for r in t.routes if r.target == gateway)


@dataclass(frozen=True)
class StaticRoutesSpec:
    gateway: str
    routes: frozenset[StaticRoute]


@dataclass(frozen=True, kw_only=True, eq=False)
class StaticRoutes(Resource[StaticRoutesSpec, Nothing]):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRoute.html

    A route has no tags, and others have routes through the gateway as well: only those to exactly Azure's ranges are read.
    Where the attachment is ours they are ours, for none can be made without one. Over an attachment of somebody else's those
    that were there before are recorded, and stay. The id is the gateway's with these ranges, so that they are known when the
    VNet is gone.
    """

    link: Link
    aws: Aws
    gateway: Node[VpnGateway] = built_on()
    attachment: Resource[Any, Nothing]  # until it is there, AWS says that the gateway does not exist
    tables: Node[Tables]
    network: Node[VirtualNetwork]
    timing: ClassVar[Timing] = Timing(create=3, update=3, delete=3, deadline=300)
    immutable: ClassVar[frozenset[str]] = frozenset({"gateway"})
    permissions: ClassVar[Permissions] = Permissions(
        read=(iam("ec2:DescribeRouteTables"), iam("ec2:DescribeTransitGateways")),
        create=(iam("ec2:CreateRoute", "route-table"),),
        update=(iam("ec2:CreateRoute", "route-table"), iam("ec2:DeleteRoute", "route-table")),
        delete=(iam("ec2:DeleteRoute", "route-table"),),
        owner_only="change route tables",
    )

    def _owned(self, receipts: Receipts) -> Ownership:
        there = self.attachment.find(Receipts({}))
        if there is not None:
            return Ownership.OWNED if there.owned is Ownership.OWNED else Ownership.SHARED
        receipt = receipts.of(self)
        return receipt.owned if receipt is not None else Ownership.SHARED

    def spec(self, outputs: Outputs) -> StaticRoutesSpec:
        """What others have in more tables than the link needs counts as wanted, so that it is left alone."""
        tables, ranges = outputs[self.tables], outputs[self.network].advertised
        needed = {StaticRoute(table, destination) for table in tables.ids for destination in ranges}
        others = {r for r in tables.routes if r.destination in ranges}
        return StaticRoutesSpec(outputs[self.gateway].id, frozenset(needed | others))

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[StaticRoutesSpec, Nothing] | None:
        receipt = receipts.of(self)
        before, former = _parts(receipt.id if receipt is not None else "")
        located = locate(self.link, self.aws, receipts)
        gateway = located.id if located is not None else before
        now = self._ranges()
        if before and before != gateway and _among(_routes_to(before, self.link, self.aws, fresh=fresh), former):
            gateway, now = before, former  # another gateway is wanted than the one they lead to
        there = _routes_to(gateway, self.link, self.aws, fresh=fresh)
        if not gateway or not _among(there, {*now, *former}):
            return None
        owned = self._owned(receipts)
        spec = StaticRoutesSpec(gateway, _among(there, now or former))
        said = f"{len(spec.routes)} route{'' if len(spec.routes) == 1 else 's'}"
        return Observed(_id(gateway, {*now, *former}), Phase.READY, spec, Nothing(), owned, said)

    def others(self) -> tuple[str, ...]:
        """Routes of the VPC's tables to the gateway that do not lead to Azure, as ``172.28.0.0/16 in rtb-...``: somebody else's."""
        gateway = locate(self.link, self.aws, Receipts({}))
        there = _routes_to(gateway.id, self.link, self.aws) if gateway is not None else frozenset()
        ours = self._ranges()
        return tuple(f"{r.destination} in {r.table}" for r in sorted(there) if r.destination not in ours)

    def _ranges(self) -> frozenset[IPv4Network]:
        """What Azure advertises; empty: the VNet is gone, or not made yet."""
        network: Any = self.network
        if not isinstance(network, Lookup):
            found = network.find(Receipts({}))
            return (
                frozenset(found.outputs.advertised) if found is not None and found.outputs is not None else frozenset()
            )
        try:
            return frozenset(network.read(Outputs()).advertised)
        except MissingError:
            return frozenset()

    def prior_state(self, found: Observed[StaticRoutesSpec, Nothing] | None) -> Any:
        if self._owned(Receipts({})) is Ownership.OWNED:
            return None
        return sorted(map(str, found.spec.routes)) if found is not None and found.spec is not None else []

    def create(self, spec: StaticRoutesSpec) -> Started:
        self._add(spec, frozenset())
        return Started(_id(spec.gateway, {r.destination for r in spec.routes}))

    def update(self, found: Observed[StaticRoutesSpec, Nothing], spec: StaticRoutesSpec) -> Started:
        """Adds what is missing; nothing is taken away but by a teardown."""
        assert found.spec is not None
        self._add(spec, found.spec.routes)
        return Started(found.id)

    def _add(self, spec: StaticRoutesSpec, there: frozenset[StaticRoute]) -> None:
        """One call for each; a run that dies among them just goes on. Raises ConflictError where a table has another route for
        the same range, which is left as it is."""
        for route in sorted(spec.routes - there):
            try:
                gateways.add_route(self.aws, spec.gateway, route.table, route.destination)
            except Exception as error:
                if code_of(error) != "RouteAlreadyExists":
                    raise
                if route in _routes_to(spec.gateway, self.link, self.aws, fresh=True):
                    continue
                raise ConflictError(
                    "A route table has another route to Azure's range",
                    f"{route.table} has a route to {route.destination} that leads elsewhere than to {spec.gateway}. It is left "
                    "as it is.",
                    f"If nothing needs it: aws ec2 delete-route --region {self.link.aws.region} --route-table-id {route.table} "
                    f"--destination-cidr-block {route.destination}",
                    resource=self.address,
                ) from error

    def delete(self, found: Observed[StaticRoutesSpec, Nothing], prior_state: Any) -> Started | None:
        """Without a note of what was there before, routes over somebody else's attachment are left as they are."""
        if found.owned is Ownership.SHARED and not isinstance(prior_state, list):
            return None
        gateway, ranges = _parts(found.id)
        stay = set(prior_state or ())
        off = [r for r in _among(_routes_to(gateway, self.link, self.aws, fresh=True), ranges) if str(r) not in stay]
        for route in sorted(off):
            gateways.take_route(self.aws, route.table, route.destination)
        return Started(found.id) if off else None


def _among(routes: Iterable[StaticRoute], ranges: Collection[IPv4Network]) -> frozenset[StaticRoute]:
    """Those to exactly one of these ranges."""
    return frozenset(r for r in routes if r.destination in ranges)


def _id(gateway: str, ranges: Iterable[IPv4Network]) -> str:
    return f"{gateway}/{'+'.join(map(str, sorted(ranges)))}"


def _parts(id_: str) -> tuple[str, frozenset[IPv4Network]]:
    """Gateway and ranges."""
    gateway, _, ranges = id_.partition("/")
    return gateway, frozenset(IPv4Network(r) for r in ranges.split("+") if r)


def routes_for(
    link: Link,
    aws: Aws,
    gateway: Node[VpnGateway],
    attachment: Node[Nothing],
    tables: Node[Tables],
    network: Node[VirtualNetwork] | None,
) -> Node[Nothing]:
    """How the VPC's route tables get the routes to Azure: a virtual private gateway propagates them, to a transit gateway they
    are written. network: needed for that."""
    here: dict[str, Any] = {"link": link, "aws": aws, "gateway": gateway, "attachment": attachment, "tables": tables}
    if link.aws.transit:
        assert network is not None, "static routes lead to the VNet's ranges"
        return StaticRoutes(address="aws_vpn.static_routes", title="routes to Azure", network=network, **here)
    return RoutePropagation(address="aws_vpn.route_propagation", title="route propagation", **here)
