"""The private hosted zone, made or adopted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from cloudlink.clouds.aws import cached
from cloudlink.clouds.aws.client import Aws, AwsObject, value_in
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import owner_of, same_name_elsewhere
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
from cloudlink.link import Link
from cloudlink.steps.outputs import HostedZone, Nothing

GENERATION_SECONDS = 300
"""After this long a new CallerReference is used. Until then a repeated create is refused instead of making a second
zone; whether the reference of a deleted zone could be used again is not documented."""

_OCTAL = re.compile(r"\\([0-7]{3})")


def plain_name(name: str) -> str:
    """A name as people write it: lower case, no trailing dot, ``\\052`` as ``*``.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html
    """
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), name).lower().removesuffix(".")


def plain_id(zone_id: str) -> str:
    """``Z123`` for ``/hostedzone/Z123``."""
    return zone_id.rpartition("/")[2]


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
    vpc_dns: Node[Nothing]
    timing: ClassVar[Timing] = Timing(create=30, update=30, delete=5, deadline=900)
    immutable: ClassVar[frozenset[str]] = frozenset({"name", "private"})

    def spec(self, outputs: Outputs) -> ZoneSpec:
        return ZoneSpec(self.link.dns.zone, self.link.aws.vpc_id)

    @parsing("Route 53's zones")
    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[ZoneSpec, HostedZone] | None:
        found = own_zone(self.link, self.aws, receipts, fresh=fresh)
        if found is None:
            return None
        number = plain_id(found["Id"])
        whole = self.aws.zone(number, fresh=fresh)
        if whole is None:
            return None
        vpcs = {v["VPCId"] for v in whole.get("VPCs") or ()}
        vpc = self.link.aws.vpc_id
        spec = ZoneSpec(plain_name(found["Name"]), vpc if vpc in vpcs else "", bool(found["Config"]["PrivateZone"]))
        synced = self.aws.in_sync(number)
        phase, said = (Phase.READY, "INSYNC") if synced else (Phase.CREATING, "PENDING")
        more: tuple[FieldChange, ...] = ()
        if self.link.tags and synced:
            more = owner_of(self.link).lacking(self.aws.zone_tags(number, fresh=fresh))
        return Observed(number, phase, spec, HostedZone(number, spec.name), Ownership.OWNED, said, lacking=more)

    def complete_marks(self, found: Observed[ZoneSpec, HostedZone]) -> Started:
        """The configured tags. A create takes none, so they are a write of their own, right after it: a zone that was
        made by a run that died in between gets them from the next one."""
        self.aws.tag_zone(found.id, dict(self.link.tags))
        return Started(found.id)

    @property
    def _vpc(self) -> dict[str, str]:
        return {"VPCRegion": self.link.aws.region, "VPCId": self.link.aws.vpc_id}

    def create(self, spec: ZoneSpec) -> Started:
        generation = int(self.aws.clock.now() // GENERATION_SECONDS)
        try:
            made = self.aws.client("route53", once=True).create_hosted_zone(
                Name=spec.name,
                CallerReference=f"{_reference(self.link)}{self.link.aws.vpc_id}/{generation}",
                HostedZoneConfig={"Comment": f"cloudlink {self.link.name}: names for Azure", "PrivateZone": True},
                VPC=self._vpc,
            )
        finally:
            self.aws.cache.invalidate(cached.HOSTED_ZONES)
        number = plain_id(value_in(made, "HostedZone", "Id"))
        self.aws.submitted(number, value_in(made, "ChangeInfo", "Id"))
        return Started(number)

    def update(self, found: Observed[ZoneSpec, HostedZone], spec: ZoneSpec) -> Started:
        """Associate it with the VPC again: everything else about a zone is fixed."""
        try:
            done = self.aws.route53.associate_vpc_with_hosted_zone(HostedZoneId=found.id, VPC=self._vpc)
        finally:
            self.aws.cache.invalidate(cached.HOSTED_ZONES, f"{cached.ZONE_VPCS}/{found.id}")
        self.aws.submitted(found.id, value_in(done, "ChangeInfo", "Id"))
        return Started(found.id)

    def delete(self, found: Observed[ZoneSpec, HostedZone], prior_state: Any) -> Started | None:
        """Raises ConflictError when somebody else's records are in it: they would be lost."""
        there = self.aws.records(found.id, fresh=True)
        with parsing("Route 53's records"):
            foreign = sorted(f"{plain_name(r['Name'])} {r['Type']}" for r in there if not _belongs_to_zone(r, found))
        if foreign:
            names = ", ".join(foreign[:5])
            raise ConflictError(
                "The hosted zone holds records that cloudlink did not make",
                f"{found.id} is kept, because it has {len(foreign)} of them: {names}"
                + (" and more." if len(foreign) > 5 else "."),
                "Delete them, or move them to another zone, then run teardown again.",
                resource=self.address,
            )
        try:
            self.aws.route53.delete_hosted_zone(Id=found.id)
        except Exception as error:
            if self.aws.missing(error):
                return None
            raise
        finally:
            self.aws.cache.invalidate(
                cached.HOSTED_ZONES, f"{cached.ZONE_VPCS}/{found.id}", f"{cached.RECORDS}/{found.id}"
            )
        return Started(found.id)


def _belongs_to_zone(record: AwsObject, zone: Observed[ZoneSpec, HostedZone]) -> bool:
    """Route 53's own records at the apex, which go with the zone."""
    return record["Type"] in ("NS", "SOA") and zone.spec is not None and plain_name(record["Name"]) == zone.spec.name


def _reference(link: Link) -> str:
    return f"cloudlink/{link.name}/"


def own_zone(link: Link, aws: Aws, receipts: Receipts, *, fresh: bool) -> AwsObject | None:
    """The zone that this link's cloudlink made, as Route 53 lists it.

    Raises ConflictError when there are two, or one of a link of the same name elsewhere.
    """
    receipt = receipts.get("resolver.zone")
    if receipt is not None and receipt.id and not receipt.intent:
        # one call for the zone and its VPCs, instead of the account's whole list and then the same
        whole = aws.zone(plain_id(receipt.id), fresh=fresh)
        if whole is not None and whole["HostedZone"]["CallerReference"].startswith(_reference(link)):
            found: AwsObject = whole["HostedZone"]
            _check_place(link, aws, found)
            return found
    mine = [
        z
        for z in aws.hosted_zones(fresh=fresh)
        if z["CallerReference"].startswith(_reference(link))
        or (receipt is not None and plain_id(z["Id"]) == receipt.id)
    ]
    for zone in mine:
        _check_place(link, aws, zone)
    if len(mine) > 1:
        raise ConflictError(
            "Two hosted zones are of this link",
            f"{' and '.join(sorted(plain_id(z['Id']) for z in mine))} were both made for the link {link.name}, "
            "so cloudlink cannot tell which one is in use.",
            "Delete the one that is not needed, then run the command again.",
            resource="resolver.zone",
        )
    return mine[0] if mine else None


def _check_place(link: Link, aws: Aws, zone: AwsObject) -> None:
    """Raises ConflictError for a zone that a link of our name made for another VPC. Its reference names the VPC; one
    that cloudlink 0.1 made does not, and is of the VPCs that it serves."""
    said = zone["CallerReference"].removeprefix(_reference(link)).split("/")
    number, vpc = plain_id(zone["Id"]), link.aws.vpc_id
    vpcs = said[:1] if len(said) > 1 else [str(v["VPCId"]) for v in (aws.zone(number) or {}).get("VPCs") or ()]
    if vpcs and vpc not in vpcs:
        place = f"VPC {' and '.join(vpcs)} (hosted zone {plain_name(zone['Name'])})"
        raise same_name_elsewhere(number, place, owner_of(link), "resolver.zone")


def locate_zone(link: Link, aws: Aws, receipts: Receipts) -> str | None:
    """The id of the zone that the link uses, own or adopted; None while there is none."""
    if link.dns.adopt_zone is not None:
        return plain_id(link.dns.adopt_zone)
    found = own_zone(link, aws, receipts, fresh=False)
    return plain_id(found["Id"]) if found is not None else None


@dataclass(frozen=True, kw_only=True, eq=False)
class AdoptedZone(Lookup[HostedZone]):
    """A zone that the configuration names: only our own records in it are touched."""

    link: Link
    aws: Aws

    @parsing("Route 53's zones")
    def read(self, outputs: Outputs) -> HostedZone:
        """Raises MissingError when it is gone, CloudError when it cannot serve the link."""
        number = plain_id(self.link.dns.adopt_zone or "")
        whole = self.aws.zone(number)
        if whole is None:
            raise MissingError(
                "The hosted zone does not exist",
                f"There is no hosted zone {number} in the account.",
                "Correct dns.hosted_zone, or leave it out to have one made.",
                resource=self.address,
            )
        zone = whole["HostedZone"]
        name, vpc = plain_name(zone["Name"]), self.link.aws.vpc_id
        if name != self.link.dns.zone:
            raise CloudError(
                "The hosted zone has another name",
                f"{number} is {name}, but dns.zone is {self.link.dns.zone}.",
                "Correct dns.zone or dns.hosted_zone.",
                resource=self.address,
            )
        if not zone["Config"]["PrivateZone"]:
            raise CloudError(
                "The hosted zone is public",
                f"{number} would publish private addresses to the internet.",
                "Name a private hosted zone in dns.hosted_zone, or leave it out to have one made.",
                resource=self.address,
            )
        if all(v["VPCId"] != vpc for v in whole.get("VPCs") or ()):
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
