"""The Resolver inbound endpoint: an address in each of the chosen subnets that answers DNS for the VPC."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, ClassVar, Literal

from cloudlink.addressing import is_private
from cloudlink.clouds import ownership
from cloudlink.clouds.aws import parse_resolver, parse_vpc, resolver
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_resolver import EndpointAddress
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.permissions import Permission, Permissions
from cloudlink.core.plan import Action, FieldChange, spec_hash
from cloudlink.core.polling import AT_USUAL_TIME
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
from cloudlink.errors import CloudError, ConflictError, MissingError
from cloudlink.link import Link
from cloudlink.steps.aws_resource import mark_of, started_unless_gone
from cloudlink.steps.outputs import EksCluster, Endpoint, SecurityGroup
from cloudlink.steps.permissions import iam

MOST_ADDRESSES = 6
"""AWS's quota for one endpoint. https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html"""

PATIENCE = 300.0
"""Seconds that an endpoint may say ACTION_NEEDED: it has been seen to pass through it and recover by itself."""

GENERATION_SECONDS = 300
"""After this long a new id is asked with. Until then a repeated create is refused instead of making a second endpoint;
whether the id of a deleted endpoint could be used again is not documented."""


@dataclass(frozen=True)
class Subnets:
    ids: frozenset[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class EndpointSubnets(Lookup[Subnets]):
    """Where the endpoint gets its addresses: as configured, or one in each subnet of the cluster, at most six."""

    link: Link
    aws: Aws
    cluster: Node[EksCluster]

    def read(self, outputs: Outputs) -> Subnets:
        """Raises MissingError for a subnet that the VPC does not have, or when there are fewer than two."""
        wanted = self.link.dns.endpoint_subnets
        ids = wanted if wanted is not None else outputs[self.cluster].subnets
        if wanted is None and 2 <= len(set(ids)) <= MOST_ADDRESSES:
            return Subnets(frozenset(ids))  # EKS says that they exist, and there is no choice to make: nothing to ask
        zones = {s.id: s.zone for s in parse_vpc.subnets(self.aws.subnets(self.link.aws.vpc_id))}
        unknown = sorted(set(ids) - zones.keys())
        if unknown or len(set(ids)) < 2:
            raise MissingError(
                "The Resolver endpoint needs two subnets of the VPC",
                f"{', '.join(unknown)}: not in {self.link.aws.vpc_id}."
                if unknown
                else f"There is only {', '.join(ids)}.",
                "Set dns.endpoint_subnets to two to six subnets of the VPC.",
                resource=self.address,
            )
        return Subnets(frozenset(spread({subnet: zones[subnet] for subnet in ids}, MOST_ADDRESSES)))


def spread(zones: Mapping[str, str], most: int) -> list[str]:
    """At most ``most`` of these subnets, from as many availability zones as possible; always the same choice.

    zones: subnet id -> availability zone.
    """
    by_zone: defaultdict[str, list[str]] = defaultdict(list)
    for subnet in sorted(zones):
        by_zone[zones[subnet]].append(subnet)
    rounds = sorted((place, zone, subnet) for zone, subnets in by_zone.items() for place, subnet in enumerate(subnets))
    return [subnet for _, _, subnet in rounds[:most]]


def _resolver(operation: str) -> Permission:
    return iam(f"route53resolver:{operation}", "resolver-endpoint")


_TAGS = _resolver("TagResource")
_INTERFACE = iam("ec2:CreateNetworkInterface", "network-interface", "subnet", "security-group")


@dataclass(frozen=True)
class EndpointSpec:
    groups: frozenset[str]
    subnets: frozenset[str]  # each has one working address
    protocols: frozenset[str] = frozenset({"Do53"})
    surplus: frozenset[str] = frozenset()  # addresses beyond that, or broken ones (never wanted)


@dataclass(frozen=True, kw_only=True, eq=False)
class InboundEndpoint(Resource[EndpointSpec, Endpoint]):
    """https://docs.aws.amazon.com/Route53/latest/APIReference/API_route53resolver_CreateResolverEndpoint.html

    It is found by its CreatorRequestId, which is ours and is listed; reading tags would take a call for each endpoint.
    """

    link: Link
    aws: Aws
    group: Node[SecurityGroup] = built_on()
    subnets: Node[Subnets]
    # asked before a create: the addresses that it had before a pause, by subnet; AWS chooses the others
    former: Callable[[], Mapping[str, IPv4Address]] = field(default=dict, repr=False)
    timing: ClassVar[Timing] = Timing(create=90, update=60, delete=60, deadline=900, create_pace=AT_USUAL_TIME)
    immutable: ClassVar[frozenset[str]] = frozenset({"groups"})
    permissions: ClassVar[Permissions] = Permissions(
        create=(_resolver("CreateResolverEndpoint"), _TAGS, _INTERFACE),
        update=(
            _resolver("UpdateResolverEndpoint"),
            _resolver("AssociateResolverEndpointIpAddress"),
            _resolver("DisassociateResolverEndpointIpAddress"),
            _INTERFACE,
        ),
        delete=(_resolver("DeleteResolverEndpoint"),),
        marks=(_TAGS,),
        owner_only="make a Resolver endpoint",
    )
    outputs_depend_on: ClassVar[frozenset[str]] = frozenset({"subnets"})
    on_failure: ClassVar[Action] = Action.REPLACE  # where no address works, nothing is lost
    direction: ClassVar[Literal["INBOUND", "OUTBOUND"]] = "INBOUND"
    part: ClassVar[str] = "resolver"  # in its name
    creators: ClassVar[str] = "cloudlink"  # how its CreatorRequestId begins

    def spec(self, outputs: Outputs) -> EndpointSpec:
        return EndpointSpec(frozenset({outputs[self.group].id}), outputs[self.subnets].ids)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[EndpointSpec, Endpoint] | None:
        found = self._ours(fresh=fresh)
        if found is None:
            return None
        said = f"{found.status}: {found.message}".removesuffix(": ")
        if found.by_ipv6 and not found.leaving:
            said = f"{said.rstrip('.')}, over IPv6 alone: somebody has changed its type"
        if found.leaving:
            return Observed(found.id, Phase.DELETING, None, None, Ownership.OWNED, said)
        if found.status == "CREATING":
            return Observed(found.id, Phase.CREATING, None, None, Ownership.OWNED, said)  # its addresses can wait
        try:
            placed = self._addresses(found.id, fresh=fresh)
        except Exception as error:
            if not self.aws.missing(error):
                raise
            # It went between the two calls, or the list lags behind.
            return Observed(found.id, Phase.DELETING, None, None, Ownership.OWNED, "has no addresses any more")
        addresses = [a for a in placed if not a.leaving]
        keep = {a.subnet: a for a in sorted((a for a in addresses if a.good), key=lambda a: a.id, reverse=True)}
        surplus = frozenset(a.id for a in addresses if not a.on_the_way and keep.get(a.subnet) != a)
        spec = EndpointSpec(found.groups, frozenset(keep), found.protocols, surplus)
        phase = self._phase(found, addresses)
        out = Endpoint(found.id, {subnet: self._inside(a.address) for subnet, a in sorted(keep.items()) if a.address})
        ready = phase is Phase.READY
        lacking = self._lacking(found.arn, fresh=fresh) if ready else ()
        return Observed(found.id, phase, spec, out if ready else None, Ownership.OWNED, said, lacking=lacking)

    def _addresses(self, number: str, *, fresh: bool) -> tuple[EndpointAddress, ...]:
        return parse_resolver.addresses(self.aws.endpoint_addresses(number, fresh=fresh))

    def _lacking(self, arn: str, *, fresh: bool) -> tuple[FieldChange, ...]:
        """The configured tags that it has not; asked only where some are configured, for it takes a call of its own."""
        return owner_of(self.link).lacking(self.aws.endpoint_tags(arn, fresh=fresh)) if self.link.tags else ()

    def complete_marks(self, found: Observed[EndpointSpec, Endpoint]) -> Started:
        arn = next(e.arn for e in parse_resolver.endpoints(self.aws.resolver_endpoints()) if e.id == found.id)
        self.aws.tag_endpoint(arn, dict(self.link.tags))
        return Started(found.id)

    def _inside(self, address: IPv4Address) -> IPv4Address:
        """The address, if it can be the endpoint's. CoreDNS will send it every question about the zone, so one on the
        open internet is refused, whatever answered with it; a VPC may have public ranges of its own."""
        if is_private(address):
            return address
        vpc = parse_vpc.vpc(self.aws.vpc(self.link.aws.vpc_id))
        if vpc is not None and any(address in network for network in vpc.ranges):
            return address
        raise CloudError(
            "The endpoint has an address outside the VPC",
            f"AWS names {address} as an address of the Resolver endpoint, which is neither private nor one of "
            f"{self.link.aws.vpc_id}. Nothing was made to send it questions.",
            f"Compare: aws route53resolver list-resolver-endpoint-ip-addresses --region {self.link.aws.region} "
            "--resolver-endpoint-id ...",
            resource=self.address,
        )

    def _phase(self, found: parse_resolver.Endpoint, addresses: Iterable[EndpointAddress]) -> Phase:
        """ACTION_NEEDED ends as ready with a surplus where the rest works, so that the broken address is exchanged,
        and as failed where nothing works."""
        if found.by_ipv6:
            return Phase.FAILED  # the link is one of IPv4, so that nobody asks it over IPv6
        if found.status == "OPERATIONAL":
            return Phase.CREATING if any(a.on_the_way for a in addresses) else Phase.READY
        if found.status != "ACTION_NEEDED":
            return Phase.CREATING
        if found.changed is not None and self.aws.clock.now() - found.changed < PATIENCE:
            return Phase.CREATING
        return Phase.READY if any(a.good for a in addresses) else Phase.FAILED

    @property
    def _creator(self) -> str:
        return f"{self.creators}/{self.link.name}/"

    def _ours(self, *, fresh: bool) -> parse_resolver.Endpoint | None:
        """Raises ConflictError when two live endpoints have our mark, or one belongs to a link of our name elsewhere."""
        named = [
            e
            for e in parse_resolver.endpoints(self.aws.resolver_endpoints(fresh=fresh))
            if e.creator.startswith(self._creator)
        ]
        mine = [e for e in named if e.vpc == self.link.aws.vpc_id]
        for other in named:
            if other not in mine and not other.leaving:
                raise ownership.same_name_elsewhere(other.id, f"VPC {other.vpc}", owner_of(self.link), self.address)
        live = [e for e in mine if not e.leaving]
        if len(live) > 1:
            raise ConflictError(
                "Two Resolver endpoints are of this link",
                f"{' and '.join(sorted(e.id for e in live))} were both made for the link {self.link.name}, "
                "so cloudlink cannot tell which one is in use.",
                "Delete the one that CoreDNS does not forward to, then run the command again.",
                resource=self.address,
            )
        return next(iter(live or mine), None)

    def create(self, spec: EndpointSpec) -> Started:
        former = self.former()
        generation = int(self.aws.clock.now() // GENERATION_SECONDS)
        try:
            made = resolver.create_endpoint(
                self.aws,
                mark_of(self.link, self.address, self.part),
                creator=f"{self._creator}{spec_hash(spec)}/{generation}",
                groups=spec.groups,
                subnets={subnet: former.get(subnet) for subnet in spec.subnets},
                protocols=spec.protocols,
                direction=self.direction,
            )
        except Exception as error:
            lost = next((a for a in former.values() if re.search(rf"(?<![\d.]){a}(?!\d)", str(error))), None)
            if lost is None:
                raise
            raise ConflictError(
                "An address of the endpoint is not free any more",
                f"Before the pause the inbound endpoint had {lost}, and AWS refuses it now: {error}. Firewalls that allow "
                "only the old addresses have to be given another one.",
                "Free the address and run cloudlink resume again, or let AWS choose: cloudlink resume --new-addresses",
                resource=self.address,
            ) from error
        return Started(made)

    def update(self, found: Observed[EndpointSpec, Endpoint], spec: EndpointSpec) -> Started:
        """One address in a round, a new one before an old one goes; the other way round only at the quota."""
        assert found.spec is not None
        surplus = found.spec.surplus
        missing = sorted(spec.subnets - found.spec.subnets)
        now = self._addresses(found.id, fresh=True)
        leaving = [a for a in now if a.id in surplus or a.subnet not in spec.subnets]
        leaving.sort(key=lambda a: (a.id not in surplus, a.id))
        if missing and (len(now) < MOST_ADDRESSES or not leaving):
            resolver.add_address(self.aws, found.id, missing[0])
        elif leaving:
            resolver.take_address(self.aws, found.id, leaving[0])
        elif found.spec.protocols != spec.protocols:
            resolver.set_protocols(self.aws, found.id, spec.protocols)
        return Started(found.id)

    def delete(self, found: Observed[EndpointSpec, Endpoint], prior_state: Any) -> Started | None:
        return started_unless_gone(self.aws, found.id, lambda: resolver.delete_endpoint(self.aws, found.id))
