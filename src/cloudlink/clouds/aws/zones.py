"""Writes to Route 53: hosted zones and changes of their records. Each makes the reads stale that it may have changed,
whatever becomes of it, remembers its change for ``Aws.in_sync``, and raises the SDK's errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cloudlink.clouds.aws import cached, parse_zones
from cloudlink.clouds.aws.client import Aws, value_in
from cloudlink.clouds.aws.parse_zones import FoundRecord, Zone, ZoneRecord, record_set

MOST_IN_BATCH = 1_000
MOST_CHARACTERS = 32_000


def create_zone(aws: Aws, name: str, vpc: str, *, reference: str, comment: str) -> Zone:
    """A private one. reference: a second create with the same one is refused.

    Nothing waits until Route 53 serves it: what it is for is in its records, whose change comes after it and is waited for.
    """
    with aws.writing(cached.HOSTED_ZONES):
        made = aws.client("route53", once=True).create_hosted_zone(
            Name=name,
            CallerReference=reference,
            HostedZoneConfig={"Comment": comment, "PrivateZone": True},
            VPC={"VPCRegion": aws.region, "VPCId": vpc},
        )
    shown = {"HostedZone": value_in(made, "HostedZone"), "VPCs": [v for v in (made.get("VPC"),) if v]}
    there = parse_zones.zone(shown)
    assert there is not None
    aws.cache.put(f"{cached.ZONE_VPCS}/{there.id}", shown)
    return there


def associate(aws: Aws, zone: str, vpc: str) -> None:
    """Let the zone serve the VPC."""
    with aws.writing(cached.HOSTED_ZONES, f"{cached.ZONE_VPCS}/{zone}"):
        done = aws.route53.associate_vpc_with_hosted_zone(
            HostedZoneId=zone, VPC={"VPCRegion": aws.region, "VPCId": vpc}
        )
    aws.submitted(zone, value_in(done, "ChangeInfo", "Id"))


def delete_zone(aws: Aws, zone: str) -> None:
    with aws.writing(cached.HOSTED_ZONES, f"{cached.ZONE_VPCS}/{zone}", f"{cached.RECORDS}/{zone}"):
        aws.route53.delete_hosted_zone(Id=zone)


# --- records ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RecordChange:
    action: str  # CREATE, UPSERT, DELETE
    record_set: dict[str, Any] = field(repr=False)
    values: tuple[str, ...] = ()

    @property
    def times(self) -> int:
        """How often it counts in a batch."""
        return 2 if self.action == "UPSERT" else 1


def put(record: ZoneRecord, *, over: bool) -> RecordChange:
    """over: something of that name and type is there. A create counts once, and is refused where somebody was faster."""
    return RecordChange("UPSERT" if over else "CREATE", record_set(record), () if record.alias else record.values)


def take_away(found: FoundRecord) -> RecordChange:
    values = tuple(str(v.get("Value")) for v in found.answer.get("ResourceRecords") or ())
    return RecordChange("DELETE", dict(found.answer), values)


def batches(changes: Iterable[RecordChange]) -> Iterator[list[RecordChange]]:
    """In order, as many in a call as Route 53 takes: 1,000 values of 32,000 characters, an upsert counting twice.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
    """
    batch: list[RecordChange] = []
    values = characters = 0
    for item in changes:
        more_values, more_characters = item.times * max(1, len(item.values)), item.times * sum(map(len, item.values))
        if batch and (values + more_values > MOST_IN_BATCH or characters + more_characters > MOST_CHARACTERS):
            yield batch
            batch, values, characters = [], 0, 0
        batch.append(item)
        values, characters = values + more_values, characters + more_characters
    if batch:
        yield batch


def change_records(aws: Aws, zone: str, changes: Iterable[RecordChange], *, comment: str) -> None:
    """In as few batches as Route 53 takes, each carried out whole or not at all."""
    for batch in batches(changes):
        with aws.writing(f"{cached.RECORDS}/{zone}", cached.HOSTED_ZONES):
            done = aws.route53.change_resource_record_sets(
                HostedZoneId=zone,
                ChangeBatch={
                    "Comment": comment,
                    "Changes": [{"Action": c.action, "ResourceRecordSet": c.record_set} for c in batch],
                },
            )
        # Assumption: Route 53 carries out the changes of a zone in order, so that the last one tells for all.
        aws.submitted(zone, value_in(done, "ChangeInfo", "Id"))
