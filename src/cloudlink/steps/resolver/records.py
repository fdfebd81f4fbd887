"""The records of the zone: one for each configured name, and one that says which of them are ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from cloudlink.clouds.aws import cached
from cloudlink.clouds.aws.client import Aws, AwsObject
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
from cloudlink.steps.outputs import HostedZone, Nothing, Targets
from cloudlink.steps.resolver.hosted_zone import locate_zone, plain_name

OWNER_TTL = 300
_OWNS = re.compile(r'"owns (\S+) (\S+)"')


@dataclass(frozen=True, order=True)
class ZoneRecord:
    """A record set.

    Prefer an alias to addresses: a load balancer that is replaced has others. It has no lifetime of its own.
    """

    name: str  # as people write it
    type: str
    values: tuple[str, ...]
    ttl: int | None = None
    alias: str = ""  # the hosted zone of the load balancer that values[0] names

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.type


@dataclass(frozen=True)
class RecordsSpec:
    zone: str
    records: frozenset[ZoneRecord]


@dataclass(frozen=True, kw_only=True, eq=False)
class Records(Resource[RecordsSpec, Nothing]):
    """All of the link's records in one batch, which Route 53 carries out whole or not at all.

    https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html

    A TXT record next to them says which are ours, so that an adopted zone can be cleaned without the state file.
    """

    link: Link
    aws: Aws
    zone: Node[HostedZone] = built_on()
    targets: Node[Targets]
    timing: ClassVar[Timing] = Timing(create=30, update=30, delete=5, deadline=900)
    immutable: ClassVar[frozenset[str]] = frozenset({"zone"})

    def spec(self, outputs: Outputs) -> RecordsSpec:
        zone, targets = outputs[self.zone], outputs[self.targets]
        records: set[ZoneRecord] = set()
        for host in self.link.dns.hosts:
            name = host.fqdn(zone.name)
            balancer = targets.load_balancers.get(host.label)
            if balancer is not None:
                target = plain_name(balancer.dns_name)
                records.add(ZoneRecord(name, "A", (target,), alias=balancer.hosted_zone_id))
            else:
                addresses = tuple(str(a) for a in sorted(targets.addresses[host.label]))
                records.add(ZoneRecord(name, "A", addresses, ttl=self.link.dns.record_ttl))
        return RecordsSpec(zone.id, frozenset(records | {owner_record(self.link, zone.name, records)}))

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[RecordsSpec, Nothing] | None:
        zone = locate_zone(self.link, self.aws, receipts)
        if zone is None:
            return None
        id_ = f"{zone}/{self.link.name}"
        if not self.aws.in_sync(zone):  # this run has just written them: what they are can wait
            return Observed(id_, Phase.CREATING, None, Nothing(), Ownership.OWNED, "PENDING")
        mine = owned_records(self.link, self.aws.records(zone, fresh=fresh))
        if not mine:
            return None
        spec = RecordsSpec(zone, frozenset(record_of(r) for r in mine.values()))
        return Observed(id_, Phase.READY, spec, Nothing(), Ownership.OWNED, "INSYNC")

    def create(self, spec: RecordsSpec) -> Started:
        self._change(spec.zone, spec.records)
        return Started(f"{spec.zone}/{self.link.name}")

    def update(self, found: Observed[RecordsSpec, Nothing], spec: RecordsSpec) -> Started:
        self._change(spec.zone, spec.records)
        return Started(found.id)

    def delete(self, found: Observed[RecordsSpec, Nothing], prior_state: Any) -> Started | None:
        assert found.spec is not None
        return Started(found.id) if self._change(found.spec.zone, frozenset()) else None

    def _change(self, zone: str, wanted: frozenset[ZoneRecord]) -> bool:
        """One batch from what is there now. A delete must repeat the current values, so they are read just before.

        Raises ConflictError when a wanted name belongs to somebody else.
        """
        there = self.aws.records(zone, fresh=True)
        mine = owned_records(self.link, there)
        self._refuse_foreign(there, mine, wanted)
        by_key = {record.key: record for record in wanted}
        # An upsert of another kind of the same name and type replaces it; only what is wanted no more is deleted.
        changes = [
            {"Action": "DELETE", "ResourceRecordSet": dict(found)} for key, found in mine.items() if key not in by_key
        ]
        changes += [
            {"Action": "UPSERT", "ResourceRecordSet": record_set(record)}
            for record in sorted(wanted)
            if record.key not in mine or record_of(mine[record.key]) != record
        ]
        if not changes:
            return False
        try:
            done = self.aws.route53.change_resource_record_sets(
                HostedZoneId=zone, ChangeBatch={"Comment": f"cloudlink {self.link.name}", "Changes": changes}
            )
        finally:
            self.aws.cache.invalidate(f"{cached.RECORDS}/{zone}", cached.HOSTED_ZONES)
        self.aws.submitted(zone, done["ChangeInfo"])
        return True

    def _refuse_foreign(
        self, there: Iterable[AwsObject], mine: Mapping[tuple[str, str], AwsObject], wanted: frozenset[ZoneRecord]
    ) -> None:
        """Our own zone may lose its owner record and keep the rest: records just like the wanted ones are ours there."""
        own_zone = self.link.dns.adopt_zone is None
        by_key = {record.key: record for record in wanted}
        names = {record.name for record in wanted}
        for found in there:
            name, kind = plain_name(found["Name"]), found["Type"]
            if (name, kind) in mine or (kind != "CNAME" and (name, kind) not in by_key) or name not in names:
                continue
            if own_zone and by_key.get((name, kind)) == record_of(found):
                continue
            raise ConflictError(
                "A record of the same name exists that cloudlink did not make",
                f"{name} {kind} is in the zone already, and cloudlink would overwrite it.",
                "Delete that record, or take the name out of dns.hosts.",
                resource=self.address,
            )


# --- which records are ours ---------------------------------------------------------------------------------


def owner_name(link: Link, zone: str) -> str:
    return f"_cloudlink-{link.name}.{zone}"


def owner_record(link: Link, zone: str, records: Iterable[ZoneRecord]) -> ZoneRecord:
    """The TXT record that lists our records. It has a name of its own, which a wildcard then leaves out."""
    lines = sorted(f'"owns {record.type} {record.name}"' for record in records)
    return ZoneRecord(owner_name(link, zone), "TXT", (f'"cloudlink {link.name}"', *lines), ttl=OWNER_TTL)


def owned_records(link: Link, there: Iterable[AwsObject]) -> dict[tuple[str, str], AwsObject]:
    """The owner record and those of the records it names that exist, by name and type."""
    simple = {(plain_name(r["Name"]), str(r["Type"])): r for r in there if not r.get("SetIdentifier")}
    own = f"_cloudlink-{link.name}."
    found: dict[tuple[str, str], AwsObject] = {}
    for (name, kind), record in simple.items():
        if kind != "TXT" or not name.startswith(own):
            continue
        found[name, kind] = record
        for value in record.get("ResourceRecords") or ():
            said = _OWNS.fullmatch(plain_value(value["Value"]))
            if said is not None and (key := (plain_name(said[2]), said[1])) in simple:
                found[key] = simple[key]
    return found


def plain_value(value: str) -> str:
    """A TXT value with ``\\052`` as ``*``, as Route 53 may give it back."""
    return value.replace("\\052", "*")


# --- Route 53's form and back -------------------------------------------------------------------------------


def record_set(record: ZoneRecord) -> dict[str, Any]:
    """For a change batch."""
    name = {"Name": record.name + ".", "Type": record.type}
    if record.alias:
        target = {"HostedZoneId": record.alias, "DNSName": record.values[0] + ".", "EvaluateTargetHealth": False}
        return {**name, "AliasTarget": target}
    return {**name, "TTL": record.ttl, "ResourceRecords": [{"Value": v} for v in record.values]}


def record_of(found: AwsObject) -> ZoneRecord:
    """The way back: ``record_of(record_set(r)) == r``. Route 53 keeps no order among the values of a record."""
    name, kind = plain_name(found["Name"]), str(found["Type"])
    if (alias := found.get("AliasTarget")) is not None:
        target = plain_name(alias["DNSName"]).removeprefix("dualstack.")
        return ZoneRecord(name, kind, (target,), alias=alias["HostedZoneId"])
    values = [plain_value(v["Value"]) for v in found.get("ResourceRecords") or ()]
    return ZoneRecord(name, kind, _ordered(kind, values), ttl=found.get("TTL"))


def _ordered(kind: str, values: Iterable[str]) -> tuple[str, ...]:
    if kind == "A":
        return tuple(sorted(values, key=lambda v: tuple(int(part) for part in v.split("."))))
    return tuple(sorted(values))
