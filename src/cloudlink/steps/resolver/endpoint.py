"""The Resolver inbound endpoint: an address in each of the chosen subnets that answers DNS for the VPC."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Any, ClassVar

from cloudlink.addressing import is_private
from cloudlink.clouds import ownership
from cloudlink.clouds.aws import cached
from cloudlink.clouds.aws.client import Aws, AwsObject, value_in
from cloudlink.clouds.aws.tags import name_for
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.plan import Action, FieldChange, spec_hash
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
from cloudlink.steps.outputs import EksCluster, Endpoint, SecurityGroup

MOST_ADDRESSES = 6
"""AWS's quota for one endpoint. https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html"""

PATIENCE = 300.0
"""Seconds that an endpoint may say ACTION_NEEDED: it has been seen to pass through it and recover by itself."""

GENERATION_SECONDS = 300
"""After this long a new id is asked with. Until then a repeated create is refused instead of making a second endpoint;
whether the id of a deleted endpoint could be used again is not documented."""

_GOOD = frozenset({"ATTACHED"})
_ON_THE_WAY = frozenset({"CREATING", "ATTACHING", "REMAP_ATTACHING", "REMAP_DETACHING", "UPDATING"})
_LEAVING = frozenset({"DETACHING", "DELETING"})


@dataclass(frozen=True)
class Subnets:
    ids: frozenset[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class EndpointSubnets(Lookup[Subnets]):
    """Where the endpoint gets its addresses: as configured, or one in each subnet of the cluster, at most six."""

    link: Link
    aws: Aws
    cluster: Node[EksCluster]

    @parsing("AWS's subnets")
    def read(self, outputs: Outputs) -> Subnets:
        """Raises MissingError for a subnet that the VPC does not have, or when there are fewer than two."""
        wanted = self.link.dns.endpoint_subnets
        ids = wanted if wanted is not None else outputs[self.cluster].subnets
        if wanted is None and 2 <= len(set(ids)) <= MOST_ADDRESSES:
            return Subnets(frozenset(ids))  # EKS says that they exist, and there is no choice to make: nothing to ask
        zones = {s["SubnetId"]: s["AvailabilityZone"] for s in self.aws.subnets(self.link.aws.vpc_id)}
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
    """At most so many of these subnets, from as many availability zones as possible; always the same choice.

    zones: subnet id -> availability zone.
    """
    by_zone: defaultdict[str, list[str]] = defaultdict(list)
    for subnet in sorted(zones):
        by_zone[zones[subnet]].append(subnet)
    rounds = sorted((place, zone, subnet) for zone, subnets in by_zone.items() for place, subnet in enumerate(subnets))
    return [subnet for _, _, subnet in rounds[:most]]


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
    timing: ClassVar[Timing] = Timing(create=90, update=60, delete=60, deadline=900)
    immutable: ClassVar[frozenset[str]] = frozenset({"groups"})
    outputs_depend_on: ClassVar[frozenset[str]] = frozenset({"subnets"})
    on_failure: ClassVar[Action] = Action.REPLACE  # where no address works, nothing is lost

    def spec(self, outputs: Outputs) -> EndpointSpec:
        return EndpointSpec(frozenset({outputs[self.group].id}), outputs[self.subnets].ids)

    @parsing("AWS's Resolver endpoints")
    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[EndpointSpec, Endpoint] | None:
        found = self._ours(receipts, fresh=fresh)
        if found is None:
            return None
        number, status = found["Id"], found["Status"]
        said = f"{status}: {found.get('StatusMessage') or ''}".removesuffix(": ")
        if status == "DELETING":
            return Observed(number, Phase.DELETING, None, None, Ownership.OWNED, said)
        if status == "CREATING":
            return Observed(number, Phase.CREATING, None, None, Ownership.OWNED, said)  # its addresses can wait
        try:
            placed = self.aws.endpoint_addresses(number, fresh=fresh)
        except Exception as error:
            if not self.aws.missing(error):
                raise
            # It went between the two calls, or the list lags behind.
            return Observed(number, Phase.DELETING, None, None, Ownership.OWNED, "has no addresses any more")
        addresses = [a for a in placed if a.get("Status") not in _LEAVING]
        good = [a for a in addresses if a.get("Status") in _GOOD]
        keep = {a["SubnetId"]: a for a in sorted(good, key=lambda a: str(a["IpId"]), reverse=True)}
        surplus = frozenset(
            str(a["IpId"])
            for a in addresses
            if a.get("Status") not in _ON_THE_WAY and keep.get(a["SubnetId"], {}).get("IpId") != a["IpId"]
        )
        spec = EndpointSpec(
            frozenset(found.get("SecurityGroupIds") or ()),
            frozenset(keep),
            frozenset(found.get("Protocols") or ("Do53",)),
            surplus,
        )
        phase = self._phase(found, addresses)
        out = Endpoint(number, {subnet: self._inside(a["Ip"]) for subnet, a in sorted(keep.items())})
        ready = phase is Phase.READY
        lacking = self._lacking(found["Arn"], fresh=fresh) if ready else ()
        return Observed(number, phase, spec, out if ready else None, Ownership.OWNED, said, lacking=lacking)

    def _lacking(self, arn: str, *, fresh: bool) -> tuple[FieldChange, ...]:
        """The configured tags that it has not; asked only where some are configured, for it takes a call of its own."""
        return owner_of(self.link).lacking(self.aws.endpoint_tags(arn, fresh=fresh)) if self.link.tags else ()

    def complete_marks(self, found: Observed[EndpointSpec, Endpoint]) -> Started:
        arn = next(e["Arn"] for e in self.aws.resolver_endpoints() if e["Id"] == found.id)
        self.aws.tag_endpoint(arn, dict(self.link.tags))
        return Started(found.id)

    def _inside(self, text: str) -> IPv4Address:
        """The address, if it can be the endpoint's. CoreDNS will send it every question about the zone, so one on the
        open internet is refused, whatever answered with it; a VPC may have public ranges of its own."""
        address = IPv4Address(text)
        vpc = None if is_private(address) else self.aws.vpc(self.link.aws.vpc_id)
        ranges = [b["CidrBlock"] for b in (vpc or {}).get("CidrBlockAssociationSet") or ()]
        if is_private(address) or any(address in IPv4Network(r) for r in ranges):
            return address
        raise CloudError(
            "The endpoint has an address outside the VPC",
            f"AWS names {address} as an address of the Resolver endpoint, which is neither private nor one of "
            f"{self.link.aws.vpc_id}. Nothing was made to send it questions.",
            f"Compare: aws route53resolver list-resolver-endpoint-ip-addresses --region {self.link.aws.region} "
            "--resolver-endpoint-id ...",
            resource=self.address,
        )

    def _phase(self, found: AwsObject, addresses: Iterable[AwsObject]) -> Phase:
        """ACTION_NEEDED ends as ready with a surplus where the rest works, so that the broken address is exchanged,
        and as failed where nothing works."""
        status = found["Status"]
        if status == "OPERATIONAL":
            waiting = any(a.get("Status") in _ON_THE_WAY for a in addresses)
            return Phase.CREATING if waiting else Phase.READY
        if status != "ACTION_NEEDED":
            return Phase.CREATING
        changed = found.get("ModificationTime") or found.get("CreationTime")
        if changed and self.aws.clock.now() - datetime.fromisoformat(changed).timestamp() < PATIENCE:
            return Phase.CREATING
        return Phase.READY if any(a.get("Status") in _GOOD for a in addresses) else Phase.FAILED

    @property
    def _creator(self) -> str:
        return f"cloudlink/{self.link.name}/"

    def _ours(self, receipts: Receipts, *, fresh: bool) -> AwsObject | None:
        """Raises ConflictError when two live endpoints are of our making, or one is of a link of our name elsewhere."""
        receipt = receipts.of(self)
        named = [
            e
            for e in self.aws.resolver_endpoints(fresh=fresh)
            if e.get("CreatorRequestId", "").startswith(self._creator)
            or (receipt is not None and e["Id"] == receipt.id)
        ]
        mine = [e for e in named if e["HostVPCId"] == self.link.aws.vpc_id]
        for other in named:
            if other not in mine and other["Status"] != "DELETING":
                place = f"VPC {other['HostVPCId']}"
                raise ownership.same_name_elsewhere(other["Id"], place, owner_of(self.link), self.address)
        live = [e for e in mine if e["Status"] != "DELETING"]
        if len(live) > 1:
            raise ConflictError(
                "Two Resolver endpoints are of this link",
                f"{' and '.join(sorted(e['Id'] for e in live))} were both made for the link {self.link.name}, "
                "so cloudlink cannot tell which one is in use.",
                "Delete the one that CoreDNS does not forward to, then run the command again.",
                resource=self.address,
            )
        return next(iter(live or mine), None)

    def create(self, spec: EndpointSpec) -> Started:
        name = name_for(self.link.name, "resolver")
        generation = int(self.aws.clock.now() // GENERATION_SECONDS)
        try:
            made = self.aws.client("route53resolver", once=True).create_resolver_endpoint(
                CreatorRequestId=f"{self._creator}{spec_hash(spec)}/{generation}",
                Name=name[:64],
                Direction="INBOUND",
                SecurityGroupIds=sorted(spec.groups),
                IpAddresses=[{"SubnetId": subnet} for subnet in sorted(spec.subnets)],
                ResolverEndpointType="IPV4",
                Protocols=sorted(spec.protocols),
                Tags=owner_of(self.link).aws_tags(self.address, name),
            )
        finally:
            self.aws.cache.invalidate(cached.RESOLVER_ENDPOINTS)
        return Started(value_in(made, "ResolverEndpoint", "Id"))

    def update(self, found: Observed[EndpointSpec, Endpoint], spec: EndpointSpec) -> Started:
        """One address in a round, a new one before an old one goes; the other way round only at the quota."""
        assert found.spec is not None
        resolver = self.aws.route53resolver
        surplus = found.spec.surplus
        missing = sorted(spec.subnets - found.spec.subnets)
        with parsing("AWS's Resolver endpoints"):
            now = {a["IpId"]: a for a in self.aws.endpoint_addresses(found.id, fresh=True)}
            leaving = [a for a in now.values() if a["IpId"] in surplus or a["SubnetId"] not in spec.subnets]
            leaving.sort(key=lambda a: (a["IpId"] not in surplus, a["IpId"]))
        try:
            if missing and (len(now) < MOST_ADDRESSES or not leaving):
                resolver.associate_resolver_endpoint_ip_address(
                    ResolverEndpointId=found.id, IpAddress={"SubnetId": missing[0]}
                )
            elif leaving:
                address = {k: leaving[0][k] for k in ("IpId", "SubnetId", "Ip") if leaving[0].get(k)}
                resolver.disassociate_resolver_endpoint_ip_address(ResolverEndpointId=found.id, IpAddress=address)
            elif found.spec.protocols != spec.protocols:
                resolver.update_resolver_endpoint(ResolverEndpointId=found.id, Protocols=sorted(spec.protocols))
        finally:
            self._wrote(found.id)
        return Started(found.id)

    def delete(self, found: Observed[EndpointSpec, Endpoint], prior_state: Any) -> Started | None:
        try:
            self.aws.route53resolver.delete_resolver_endpoint(ResolverEndpointId=found.id)
        except Exception as error:
            if self.aws.missing(error):
                return None
            raise
        finally:
            self._wrote(found.id)
        return Started(found.id)

    def _wrote(self, number: str) -> None:
        self.aws.cache.invalidate(
            cached.RESOLVER_ENDPOINTS, f"{cached.ENDPOINT_ADDRESSES}/{number}", cached.SECURITY_GROUPS
        )
