"""The routes that the tunnels teach: in which of the VPC's route tables they appear.

The main table is not enough: a subnet with a table of its own, which is what EKS's usually have, does not look there,
and then everything is up and nothing answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from cloudlink.clouds.aws import cached
from cloudlink.clouds.aws.client import Aws, AwsObject
from cloudlink.clouds.malformed import parsing
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
from cloudlink.errors import MissingError
from cloudlink.link import Link, LoadBalancerTarget
from cloudlink.steps.aws_vpn.gateway import locate_gateway
from cloudlink.steps.outputs import EksCluster, Nothing, VpnGateway


@dataclass(frozen=True)
class Tables:
    """Route tables of the VPC, by id."""

    ids: frozenset[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class RouteTables(Lookup[Tables]):
    """The tables that must learn Azure's prefixes: those that the configuration lists, or those of the subnets of the
    cluster, of the Resolver endpoint, and of the load balancers that the configuration names.

    An adopted gateway's other tables belong to somebody else and are counted in, so that they are left alone.
    """

    link: Link
    aws: Aws
    cluster: Node[EksCluster]

    @parsing("AWS's route tables")
    def read(self, outputs: Outputs) -> Tables:
        """Raises MissingError for a listed table that the VPC does not have."""
        side = self.link.aws
        tables = self.aws.route_tables(side.vpc_id)
        if side.route_tables is not None:
            wanted = set(side.route_tables)
            unknown = sorted(wanted - {t["RouteTableId"] for t in tables})
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
            }
            wanted = {table_of(subnet, tables) for subnet in subnets} - {""}
        if side.adopt_gateway is not None:
            wanted |= propagating(tables, side.adopt_gateway)
        return Tables(frozenset(wanted))

    def _balancer_subnets(self) -> Iterable[str]:
        """Of load balancers that the configuration names directly; what a Service or Ingress makes, EKS puts into the
        cluster's own subnets."""
        names = {h.target.name_or_arn for h in self.link.dns.hosts if isinstance(h.target, LoadBalancerTarget)}
        if not names:
            return ()
        return [
            zone["SubnetId"]
            for balancer in self.aws.load_balancers()
            if names & {balancer["LoadBalancerName"], balancer["LoadBalancerArn"]}
            if balancer.get("VpcId") == self.link.aws.vpc_id
            for zone in balancer.get("AvailabilityZones") or ()
            if zone.get("SubnetId")
        ]


def table_of(subnet: str, tables: Iterable[AwsObject]) -> str:
    """The route table that a subnet uses: its own, else the VPC's main one; empty when neither is listed.

    https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html
    """
    main = ""
    for table in tables:
        for association in table.get("Associations") or ():
            if association.get("SubnetId") == subnet:
                return str(table["RouteTableId"])
            if association.get("Main"):
                main = str(table["RouteTableId"])
    return main


def propagating(tables: Iterable[AwsObject], gateway: str) -> frozenset[str]:
    """The tables into which this gateway's routes go."""
    return frozenset(
        str(table["RouteTableId"])
        for table in tables
        if any(g["GatewayId"] == gateway for g in table.get("PropagatingVgws") or ())
    )


@dataclass(frozen=True)
class PropagationSpec:
    gateway: str
    tables: frozenset[str]


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

    @property
    def _shared(self) -> bool:
        return self.link.aws.adopt_gateway is not None

    def spec(self, outputs: Outputs) -> PropagationSpec:
        return PropagationSpec(outputs[self.gateway].id, outputs[self.tables].ids)

    @parsing("AWS's route tables")
    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[PropagationSpec, Nothing] | None:
        gateway = locate_gateway(self.link, self.aws, self.gateway, receipts, fresh=False)
        if gateway is None:
            return None
        number = gateway["VpnGatewayId"]
        tables = propagating(self.aws.route_tables(self.link.aws.vpc_id, fresh=fresh), number)
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
        if found.spec is None or (self._shared and prior_state is None):
            return None
        off = found.spec.tables - frozenset(prior_state or ())
        if not off:
            return None
        self._set(found.id, on=frozenset(), off=off)
        return Started(found.id)

    def _set(self, gateway: str, *, on: frozenset[str], off: frozenset[str]) -> None:
        """One call for each table; each may be repeated, so that a run that dies among them just goes on."""
        try:
            for table in sorted(on):
                self.aws.ec2.enable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
            for table in sorted(off):
                self._switch_off(gateway, table)
        finally:
            self.aws.cache.invalidate(cached.ROUTE_TABLES)

    def _switch_off(self, gateway: str, table: str) -> None:
        try:
            self.aws.ec2.disable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
        except Exception as error:
            if not self.aws.missing(error):
                raise
