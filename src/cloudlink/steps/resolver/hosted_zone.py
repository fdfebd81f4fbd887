"""The private hosted zone, made or adopted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from cloudlink.clouds.aws import parse_zones, zones
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_zones import plain_id, zone_id
from cloudlink.clouds.ownership import owner_of, same_name_elsewhere
from cloudlink.core.permissions import Permissions
from cloudlink.core.plan import FieldChange
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
)
from cloudlink.errors import CloudError, ConflictError, MissingError
from cloudlink.link import Link, PrivateZone
from cloudlink.steps.aws_resource import started_unless_gone
from cloudlink.steps.outputs import HostedZone, Nothing
from cloudlink.steps.permissions import iam

FIRST = "resolver.zone"
GENERATION_SECONDS = 300
"""After this long a new CallerReference is used. Until then a repeated create is refused instead of making a second
zone; whether the reference of a deleted zone could be used again is not documented."""

_TAGS = iam("route53:ChangeTagsForResource", "hosted-zone")


@dataclass(frozen=True)
class ZoneSpec:
    name: str
    vpc: str  # the link's, when the zone is associated with it; other VPCs of the zone are not our business
    private: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Zone(Resource[ZoneSpec, HostedZone]):
    """https://docs.aws.amazon.com/Route53/latest/APIReference/API_CreateHostedZone.html

    A create takes no tags. The CallerReference is listed and never changes: by it a zone is found to be ours.
    """

    link: Link
    aws: Aws
    configured: PrivateZone
    vpc_dns: Node[Nothing]
    timing: ClassVar[Timing] = Timing(create=30, update=30, delete=5, deadline=900)
    immutable: ClassVar[frozenset[str]] = frozenset({"name", "private"})
    permissions: ClassVar[Permissions] = Permissions(
        create=(iam("route53:CreateHostedZone"),),
        update=(iam("route53:AssociateVPCWithHostedZone", "hosted-zone"),),
        delete=(iam("route53:DeleteHostedZone", "hosted-zone"),),
        marks=(_TAGS,),
        tagged=(_TAGS,),
        owner_only="associate a private hosted zone",
    )

    def spec(self, outputs: Outputs) -> ZoneSpec:
        return ZoneSpec(self.configured.name, self.link.aws.vpc_id)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[ZoneSpec, HostedZone] | None:
        number = own_zone(self.link, self.aws, receipts, self.configured.name, self.address, fresh=fresh)
        found = parse_zones.zone(self.aws.zone(number, fresh=fresh)) if number is not None else None
        if number is None or found is None:
            return None
        vpc = self.link.aws.vpc_id
        spec = ZoneSpec(found.name, vpc if vpc in found.vpcs else "", found.private)
        synced = self.aws.in_sync(number)
        more: tuple[FieldChange, ...] = ()
        if self.link.tags and synced:
            more = owner_of(self.link).lacking(self.aws.zone_tags(number, fresh=fresh))
        return self._observed(number, spec, synced=synced, lacking=more)

    def _observed(
        self, number: str, spec: ZoneSpec, *, synced: bool, lacking: tuple[FieldChange, ...]
    ) -> Observed[ZoneSpec, HostedZone]:
        phase, said = (Phase.READY, "INSYNC") if synced else (Phase.CREATING, "PENDING")
        return Observed(number, phase, spec, HostedZone(number, spec.name), Ownership.OWNED, said, lacking=lacking)

    def complete_marks(self, found: Observed[ZoneSpec, HostedZone]) -> Started:
        """The configured tags. A create takes none, so they are a write of their own, right after it: a zone that was
        made by a run that died in between gets them from the next one."""
        self.aws.tag_zone(found.id, dict(self.link.tags))
        return Started(found.id)

    def create(self, spec: ZoneSpec) -> Started:
        generation = int(self.aws.clock.now() // GENERATION_SECONDS)
        made = zones.create_zone(
            self.aws,
            spec.name,
            self.link.aws.vpc_id,
            reference=f"{_reference(self.link)}{self.link.aws.vpc_id}/{generation}{self._which}",
            comment=f"cloudlink {self.link.name}: names for Azure",
        )
        shown = ZoneSpec(made.name, spec.vpc if spec.vpc in made.vpcs else "", made.private)
        lacking = owner_of(self.link).lacking({})
        return Started(made.id, made=self._observed(made.id, shown, synced=True, lacking=lacking))

    @property
    def _which(self) -> str:
        """Keeps the references of two zones of one run apart; that of the first zone is as it always was. A digest, for a
        reference has 128 characters and a name up to 253."""
        if self.address == FIRST:
            return ""
        return f"/{hashlib.sha256(self.configured.name.encode()).hexdigest()[:12]}"

    def update(self, found: Observed[ZoneSpec, HostedZone], spec: ZoneSpec) -> Started:
        """Associate it with the VPC again: everything else about a zone is fixed."""
        zones.associate(self.aws, found.id, self.link.aws.vpc_id)
        return Started(found.id)

    def delete(self, found: Observed[ZoneSpec, HostedZone], prior_state: Any) -> Started | None:
        """Raises ConflictError when somebody else's records are in it, which would be lost, or other VPCs use it."""
        there = parse_zones.record_facts(self.aws.records(found.id, fresh=True))
        foreign = sorted(f"{r.name} {r.type}" for r in there if not _belongs_to_zone(r, found))
        if foreign:
            names = ", ".join(foreign[:5])
            raise ConflictError(
                "The hosted zone holds records that cloudlink did not make",
                f"{found.id} is kept, because it has {len(foreign)} of them: {names}"
                + (" and more." if len(foreign) > 5 else "."),
                f"Delete them, or move them to another zone, then run {'cloudlink up' if self.unwanted else 'teardown'} again."
                + (" Or put the zone back into the configuration." if self.unwanted else ""),
                resource=self.address,
            )
        zone = parse_zones.zone(self.aws.zone(found.id, fresh=True))
        if zone is not None and (others := sorted({*zone.vpcs} - {self.link.aws.vpc_id})):
            raise ConflictError(
                "The hosted zone serves other VPCs as well",
                f"{found.id} ({zone.name}) is kept: somebody has associated it with {', '.join(others)}, and these would lose "
                "its names. What cloudlink had in it is gone.",
                f"Ask who uses it, and take each VPC off the zone: aws route53 disassociate-vpc-from-hosted-zone --hosted-zone-id "
                f"{found.id} --vpc VPCRegion=REGION,VPCId={others[0]}; then run "
                f"{'cloudlink up' if self.unwanted else 'teardown'} again.",
                resource=self.address,
            )
        return started_unless_gone(self.aws, found.id, lambda: zones.delete_zone(self.aws, found.id))


def _belongs_to_zone(record: parse_zones.RecordFact, zone: Observed[ZoneSpec, HostedZone]) -> bool:
    """Route 53's own records at the apex, which go with the zone."""
    return record.type in ("NS", "SOA") and zone.spec is not None and record.name == zone.spec.name


def _reference(link: Link) -> str:
    return f"cloudlink/{link.name}/"


def own_zone(link: Link, aws: Aws, receipts: Receipts, name: str, address: str, *, fresh: bool) -> str | None:
    """The id of the zone of this name that this link's cloudlink made. address: of its resource.

    Where there is none of the name, the first zone under the name that it had is the one: it is to be replaced.

    Raises ConflictError when there are two, or one of a link of the same name elsewhere.
    """
    receipt = receipts.get(address)
    if receipt is not None and not receipt.intent:
        # one call for the zone and its VPCs, instead of the account's whole list and then the same
        zone = _noted_zone(aws, receipt.id, fresh=fresh)
        if zone is not None and zone.reference.startswith(_reference(link)) and zone.name == name:
            _check_place(link, aws, zone, address)
            return zone.id
    ours = [
        z
        for z in parse_zones.zones_of_account(aws.hosted_zones(fresh=fresh))
        if z.reference.startswith(_reference(link))
    ]
    mine = [z for z in ours if z.name == name]
    if address == FIRST and (not mine or any(_of_the_first(link, z.reference) for z in mine)):
        mine += [z for z in ours if z.name not in link.dns.zone_names and _of_the_first(link, z.reference)]
    for found in mine:
        _check_place(link, aws, found, address)
    if len(mine) > 1:
        raise ConflictError(
            "Two hosted zones are of this link",
            f"{' and '.join(sorted(z.id for z in mine))} were both made for the link {link.name}, "
            "so cloudlink cannot tell which one is in use.",
            "Delete the one that is not needed, then run the command again.",
            resource=address,
        )
    return mine[0].id if mine else None


def _noted_zone(aws: Aws, said: str, *, fresh: bool = False) -> parse_zones.Zone | None:
    """The zone that the state names. None: it names none, or one that is not there any more, or one of another account, which
    Route 53 answers as if a permission were missing; whether one is missing, the next read says."""
    number = zone_id(said)
    if number is None:
        return None
    try:
        return parse_zones.zone(aws.zone(number, fresh=fresh))
    except Exception as error:
        if aws.denied(error):
            return None
        raise


def _of_the_first(link: Link, reference: str) -> bool:
    """References of other zones have one part more."""
    return len(reference.removeprefix(_reference(link)).split("/")) < 3


def _check_place(link: Link, aws: Aws, zone: parse_zones.Zone | parse_zones.AccountZone, address: str) -> None:
    """Raises ConflictError for a zone that a link of our name made for another VPC. Its reference names the VPC; one
    that cloudlink 0.1 made does not, and is of the VPCs that it serves."""
    said = zone.reference.removeprefix(_reference(link)).split("/")
    vpcs = tuple(said[:1]) if len(said) > 1 else vpcs_of_zone(aws, zone.id)
    if vpcs and link.aws.vpc_id not in vpcs:
        place = f"VPC {' and '.join(vpcs)} (hosted zone {zone.name})"
        raise same_name_elsewhere(zone.id, place, owner_of(link), address)


def vpcs_of_zone(aws: Aws, number: str) -> tuple[str, ...]:
    """The VPCs that a zone serves; none: it is gone."""
    zone = parse_zones.zone(aws.zone(number))
    return zone.vpcs if zone is not None else ()


def locate_zone(link: Link, aws: Aws, receipts: Receipts, configured: PrivateZone, address: str) -> str | None:
    """The id of the zone that the link uses, own or adopted; None while there is none. address: of its resource."""
    if configured.adopt is not None:
        return plain_id(configured.adopt)
    return own_zone(link, aws, receipts, configured.name, address, fresh=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class AdoptedZone(Lookup[HostedZone]):
    """A zone that the configuration names: only our own records in it are touched."""

    link: Link
    aws: Aws
    configured: PrivateZone
    serves: bool = True  # False: a teardown takes our records out of it, whether the VPC still uses it or not

    def read(self, outputs: Outputs) -> HostedZone:
        """Raises MissingError when it is gone, CloudError when it cannot serve the link."""
        number = plain_id(self.configured.adopt or "")
        which = "dns" if self.address == FIRST else "dns.zones"
        zone = parse_zones.zone(self.aws.zone(number))
        if zone is None:
            raise MissingError(
                "The hosted zone does not exist",
                f"There is no hosted zone {number} in the account.",
                f"Correct {which}.hosted_zone, or leave it out to have one made.",
                resource=self.address,
            )
        name, vpc = zone.name, self.link.aws.vpc_id
        if name != self.configured.name:
            raise CloudError(
                "The hosted zone has another name",
                f"{number} is {name}, but {which}.zone is {self.configured.name}.",
                f"Correct {which}.zone or {which}.hosted_zone.",
                resource=self.address,
            )
        if not zone.private:
            raise CloudError(
                "The hosted zone is public",
                f"{number} would publish private addresses to the internet.",
                f"Name a private hosted zone in {which}.hosted_zone, or leave it out to have one made.",
                resource=self.address,
            )
        if zone.kept_by:
            raise CloudError(
                "The hosted zone is kept by a service of AWS",
                f"{number} was made by {zone.kept_by}, which alone can write into it (a namespace of Cloud Map, for instance): "
                "Route 53 refuses records from everybody else.",
                f"Leave {which}.hosted_zone out and choose another {which}.zone, or one below it: aws.{name}.",
                resource=self.address,
            )
        if self.serves and vpc not in zone.vpcs:
            raise CloudError(
                "The hosted zone does not serve the VPC",
                f"{number} is not associated with {vpc}, so the Resolver endpoint would not find its names.",
                f"aws route53 associate-vpc-with-hosted-zone --hosted-zone-id {number} "
                f"--vpc VPCRegion={self.link.aws.region},VPCId={vpc}",
                resource=self.address,
            )
        return HostedZone(number, name)

    def adopted(self, outputs: HostedZone) -> str:
        return outputs.id


@dataclass(frozen=True, kw_only=True, eq=False)
class LeftZone(Lookup[HostedZone]):
    """A zone of somebody else's that the configuration named once: the link's records are taken out of it."""

    configured: PrivateZone

    def read(self, outputs: Outputs) -> HostedZone:
        return HostedZone(plain_id(self.configured.adopt or ""), self.configured.name)


# --- zones that were taken out of the configuration --------------------------------------------------------------


def address_of(kind: str, zone: str) -> str:
    """Of a resource of a zone other than the first."""
    return f"resolver.{kind}[{zone}]"


def left_zones(link: Link, aws: Aws, receipts: Receipts) -> tuple[PrivateZone, ...]:
    """Zones that the configuration named and names no more, with what the link has in them still.

    The state remembers them by name. The first zone has no name there: whether it was another one is asked of AWS where
    a zone that was one of the others is the first now. Without a state, the zones that cloudlink made are found by their
    references; of one that was adopted only its TXT record knows then.
    """
    found: dict[str, PrivateZone] = {}
    names = dict.fromkeys(n for a in receipts for kind in ("zone", "records") if (n := _zone_in(a, kind)))
    for name in names:
        if name in link.dns.zone_names:
            continue
        made = receipts.get(address_of("zone", name))
        records = receipts.get(address_of("records", name))
        adopted = zone_id(records.id.partition("/")[0]) if made is None and records is not None else None
        found[name] = PrivateZone(name, (), adopt=adopted)
    if link.dns.zone in names:
        found.update(_former_first(link, aws, receipts))
    if not any(a.startswith("resolver.") for a in receipts) and any(z.adopt is None for z in link.dns.zones):
        found.update((n, PrivateZone(n, ())) for n in _made_for(link, aws))
    return tuple(found[name] for name in sorted(found))


def _zone_in(address: str, kind: str) -> str:
    start = f"resolver.{kind}["
    return address.removeprefix(start).removesuffix("]") if address.startswith(start) else ""


def _former_first(link: Link, aws: Aws, receipts: Receipts) -> Iterable[tuple[str, PrivateZone]]:
    records = receipts.get("resolver.records")
    zone = _noted_zone(aws, records.id.partition("/")[0]) if records is not None else None
    if zone is not None and zone.name not in link.dns.zone_names:
        ours = zone.reference.startswith(_reference(link))
        yield zone.name, PrivateZone(zone.name, (), adopt=None if ours else zone.id)


def _made_for(link: Link, aws: Aws) -> Iterable[str]:
    here = f"{_reference(link)}{link.aws.vpc_id}/"
    for zone in parse_zones.zones_of_account(aws.hosted_zones()):
        mine = zone.reference.startswith(here) and not _of_the_first(link, zone.reference)
        if mine and zone.name not in link.dns.zone_names:
            yield zone.name
