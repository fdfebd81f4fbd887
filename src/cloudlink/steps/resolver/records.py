"""The records of the zone: one for each configured name, and one that says which of them are ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from cloudlink.clouds.aws import cached
from cloudlink.clouds.aws.client import Aws, AwsObject, value_in
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import Owner, owner_of, place_unknown, same_name_elsewhere
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
PLACE = "at "  # begins the value that says where the link is
MOST_VALUES = 400  # in one record set
MOST_IN_BATCH = 1_000
MOST_CHARACTERS = 32_000
_OWNS = re.compile(r"owns (\S+) (\S+)")
_STRING = re.compile(r'"([^"]*)"')


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
    """All of the link's records, in batches that Route 53 carries out whole or not at all.

    https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html

    A TXT record next to them says which are ours, so that an adopted zone can be cleaned without the state file.
    """

    link: Link
    aws: Aws
    zone: Node[HostedZone] = built_on()
    targets: Node[Targets]
    timing: ClassVar[Timing] = Timing(create=30, update=30, delete=30, deadline=900)
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
        return RecordsSpec(zone.id, frozenset({*records, *owner_records(owner_of(self.link), zone.name, records)}))

    @parsing("Route 53's records")
    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[RecordsSpec, Nothing] | None:
        """Raises ConflictError when the owner record is of a link of our name elsewhere."""
        zone = locate_zone(self.link, self.aws, receipts)
        if zone is None:
            return None
        id_ = f"{zone}/{self.link.name}"
        if not self.aws.in_sync(zone):  # this run has just written them: what they are can wait
            return Observed(id_, Phase.CREATING, None, Nothing(), Ownership.OWNED, "PENDING")
        there = self.aws.records(zone, fresh=fresh)
        mine = owned_records(owner_of(self.link), there)
        if not mine:
            return None
        if receipts.of(self) is None and not any(PLACE in v for v in owner_values(mine.values())):
            self._check_shared_zone(zone)
        spec = RecordsSpec(zone, frozenset(record_of(r) for r in mine.values()))
        return Observed(id_, Phase.READY, spec, Nothing(), Ownership.OWNED, "INSYNC")

    def _check_shared_zone(self, zone: str) -> None:
        """Raises ConflictError for an owner record that does not say where its link is (cloudlink 0.1), in a zone that
        serves other VPCs as well: it may be of a link of our name there."""
        vpcs = sorted({str(v["VPCId"]) for v in (self.aws.zone(zone) or {}).get("VPCs") or ()} - {self.link.aws.vpc_id})
        if self.link.dns.adopt_zone is not None and vpcs:
            raise place_unknown(
                f"The TXT record {owner_name(self.link.name, self.link.dns.zone)} in zone {zone}, which also serves "
                f"{' and '.join(vpcs)},",
                owner_of(self.link),
                self.address,
                f"add the value {place_value(owner_of(self.link))} to it",
            )

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
        """From what is there now to what is wanted, in as few batches as Route 53 takes. A delete must repeat the current
        values, so they are read just before. A run that dies between two batches leaves an owner record that names every
        existing record of ours: it is written before them and deleted after them.

        Raises ConflictError when a wanted name belongs to somebody else.
        """
        changes = self._changes(self.aws.records(zone, fresh=True), wanted)
        for batch in batches(changes):
            self._send(zone, batch)
        return bool(changes)

    @parsing("Route 53's records")
    def _changes(self, there: list[AwsObject], wanted: frozenset[ZoneRecord]) -> list[dict[str, Any]]:
        """In an order in which they may be cut off anywhere."""
        mine = owned_records(owner_of(self.link), there)
        self._refuse_foreign(there, mine, wanted)
        present = {(plain_name(r["Name"]), str(r["Type"])) for r in there}
        by_key = {record.key: record for record in wanted}
        # An upsert of another kind of the same name and type replaces it; only what is wanted no more is deleted.
        unwanted = [change("DELETE", dict(found)) for key, found in mine.items() if key not in by_key]
        writes = [
            # CREATE counts once, and is refused where somebody was faster
            change("UPSERT" if record.key in present else "CREATE", record_set(record))
            for record in sorted(wanted, key=lambda r: (r.type != "TXT", r))
            if record.key not in mine or record_of(mine[record.key]) != record
        ]
        owners = [c for c in unwanted if c["ResourceRecordSet"]["Type"] == "TXT"]
        return [*(c for c in unwanted if c not in owners), *writes, *owners]

    def _send(self, zone: str, changes: list[dict[str, Any]]) -> None:
        try:
            done = self.aws.route53.change_resource_record_sets(
                HostedZoneId=zone, ChangeBatch={"Comment": f"cloudlink {self.link.name}", "Changes": changes}
            )
        finally:
            self.aws.cache.invalidate(f"{cached.RECORDS}/{zone}", cached.HOSTED_ZONES)
        # Assumption: Route 53 carries out the changes of a zone in order, so that the last one tells for all.
        self.aws.submitted(zone, value_in(done, "ChangeInfo", "Id"))

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


def owner_name(link: str, zone: str, number: int = 1) -> str:
    """number: of the owner record. There are several where one cannot hold all names."""
    return f"{'' if number == 1 else f'_{number}.'}_cloudlink-{link}.{zone}"


def place_value(owner: Owner) -> str:
    return f'"{PLACE}VPC {owner.vpc}, VNet {owner.vnet}"'


def owner_records(owner: Owner, zone: str, records: Iterable[ZoneRecord]) -> list[ZoneRecord]:
    """The TXT records that name what is ours. They stand at names of their own, which a wildcard then leaves out."""
    lines = sorted(quoted(f"owns {record.type} {record.name}") for record in records)
    head = (f'"cloudlink {owner.link}"', place_value(owner))
    room = MOST_VALUES - len(head)
    parts = [lines[i : i + room] for i in range(0, len(lines), room)] or [[]]
    return [
        ZoneRecord(owner_name(owner.link, zone, n), "TXT", tuple(sorted((*head, *part))), ttl=OWNER_TTL)
        for n, part in enumerate(parts, 1)
    ]


def owned_records(owner: Owner, there: Iterable[AwsObject]) -> dict[tuple[str, str], AwsObject]:
    """Our owner records and those of the records they name that exist, by name and type. A TXT record of our name that
    does not hold what we write is somebody else's.

    Raises ConflictError when one is of a link of our name elsewhere.
    """
    there = list(there)
    zone = next((plain_name(r["Name"]) for r in there if r["Type"] == "SOA"), "")
    simple = {(plain_name(r["Name"]), str(r["Type"])): r for r in there if not r.get("SetIdentifier")}
    ours = re.compile(rf"(_[0-9]+\.)?{re.escape(owner_name(owner.link, zone))}")
    found: dict[tuple[str, str], AwsObject] = {}
    for (name, kind), record in simple.items():
        if kind != "TXT" or ours.fullmatch(name) is None:
            continue
        values = owner_values([record])
        if f"cloudlink {owner.link}" not in values:
            continue
        _check_place(owner, name, values)
        found[name, kind] = record
        for value in values:
            said = _OWNS.fullmatch(value)
            if said is not None and (key := (plain_name(said[2]), said[1])) in simple:
                found[key] = simple[key]
    return found


def owner_values(records: Iterable[AwsObject]) -> list[str]:
    """What the TXT records among these say, without quotes."""
    return [
        unquoted(plain_value(v["Value"])) for r in records if r["Type"] == "TXT" for v in r.get("ResourceRecords") or ()
    ]


def _check_place(owner: Owner, name: str, values: Iterable[str]) -> None:
    for value in values:
        if value.startswith(PLACE) and f'"{value}"' != place_value(owner):
            raise same_name_elsewhere(f"The TXT record {name}", value.removeprefix(PLACE), owner, "resolver.records")


def quoted(text: str) -> str:
    """As a TXT value: strings of at most 255 characters."""
    return " ".join(f'"{text[i : i + 255]}"' for i in range(0, len(text), 255))


def unquoted(value: str) -> str:
    return "".join(_STRING.findall(value))


def plain_value(value: str) -> str:
    """A TXT value with ``\\052`` as ``*``, as Route 53 may give it back."""
    return value.replace("\\052", "*")


# --- batches ------------------------------------------------------------------------------------------------


def change(action: str, record: Mapping[str, Any]) -> dict[str, Any]:
    return {"Action": action, "ResourceRecordSet": record}


def batches(changes: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """In order, as many in a call as Route 53 takes: 1,000 values of 32,000 characters, an upsert counting twice.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
    """
    batch: list[dict[str, Any]] = []
    values = characters = 0
    for item in changes:
        times = 2 if item["Action"] == "UPSERT" else 1
        texts = [str(v["Value"]) for v in item["ResourceRecordSet"].get("ResourceRecords") or ()]
        more_values, more_characters = times * max(1, len(texts)), times * sum(map(len, texts))
        if batch and (values + more_values > MOST_IN_BATCH or characters + more_characters > MOST_CHARACTERS):
            yield batch
            batch, values, characters = [], 0, 0
        batch.append(item)
        values, characters = values + more_values, characters + more_characters
    if batch:
        yield batch


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
