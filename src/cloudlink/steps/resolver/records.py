"""The records of the zone: one for each configured name, and one that says which of them are ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from cloudlink.clouds.aws import parse_zones, zones
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_zones import FoundRecord, ZoneRecord, plain_name, record_of
from cloudlink.clouds.aws.zones import RecordChange
from cloudlink.clouds.ownership import Owner, owner_of, place_unknown, same_name_elsewhere
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
from cloudlink.link import Link, PrivateZone
from cloudlink.steps.outputs import HostedZone, Nothing, Targets
from cloudlink.steps.permissions import iam
from cloudlink.steps.resolver.hosted_zone import locate_zone, vpcs_of_zone

OWNER_TTL = 300
PLACE = "at "  # begins the value that says where the link is
MOST_VALUES = 400  # in one record set
_OWNS = re.compile(r"owns (\S+) (\S+)")
_STRING = re.compile(r'"([^"]*)"')


@dataclass(frozen=True)
class RecordsSpec:
    zone: str
    records: frozenset[ZoneRecord]


_CHANGE = iam("route53:ChangeResourceRecordSets", "hosted-zone")


@dataclass(frozen=True, kw_only=True, eq=False)
class Records(Resource[RecordsSpec, Nothing]):
    """All of the link's records, in batches that Route 53 carries out whole or not at all.

    https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html

    A TXT record next to them says which are ours, so that an adopted zone can be cleaned without the state file.
    """

    link: Link
    aws: Aws
    configured: PrivateZone
    zone_address: str  # of the resource that makes the zone
    zone: Node[HostedZone] = built_on()
    targets: Node[Targets]
    timing: ClassVar[Timing] = Timing(create=30, update=30, delete=30, deadline=900)
    immutable: ClassVar[frozenset[str]] = frozenset({"zone"})
    permissions: ClassVar[Permissions] = Permissions(
        read=(iam("route53:ListResourceRecordSets"),), create=(_CHANGE,), update=(_CHANGE,), delete=(_CHANGE,)
    )

    def spec(self, outputs: Outputs) -> RecordsSpec:
        zone, targets = outputs[self.zone], outputs[self.targets]
        records: set[ZoneRecord] = set()
        for host in self.configured.hosts:
            name = host.fqdn(zone.name)
            balancer = targets.load_balancers.get(name)
            if balancer is not None:
                target = plain_name(balancer.dns_name)
                records.add(ZoneRecord(name, "A", (target,), alias=balancer.hosted_zone_id))
            else:
                addresses = tuple(str(a) for a in sorted(targets.addresses[name]))
                records.add(ZoneRecord(name, "A", addresses, ttl=self.configured.record_ttl))
        return RecordsSpec(zone.id, frozenset({*records, *owner_records(owner_of(self.link), zone.name, records)}))

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[RecordsSpec, Nothing] | None:
        """Raises ConflictError when the owner record is of a link of our name elsewhere."""
        zone = locate_zone(self.link, self.aws, receipts, self.configured, self.zone_address)
        if zone is None:
            return None
        id_ = f"{zone}/{self.link.name}"
        if not self.aws.in_sync(zone):  # this run has just written them: what they are can wait
            return Observed(id_, Phase.CREATING, None, Nothing(), Ownership.OWNED, "PENDING")
        mine = self._mine(parse_zones.records(self.aws.records(zone, fresh=fresh)))
        if not mine:
            return None
        if receipts.of(self) is None and not any(PLACE in v for v in owner_values(mine.values())):
            self._check_shared_zone(zone)
        spec = RecordsSpec(zone, frozenset(record_of(r) for r in mine.values()))
        return Observed(id_, Phase.READY, spec, Nothing(), Ownership.OWNED, "INSYNC")

    def _mine(self, there: Iterable[FoundRecord]) -> dict[tuple[str, str], FoundRecord]:
        return owned_records(owner_of(self.link), there, self.address)

    def _check_shared_zone(self, zone: str) -> None:
        """Raises ConflictError for an owner record that does not say where its link is (cloudlink 0.1), in a zone that
        serves other VPCs as well: it may be of a link of our name there."""
        vpcs = sorted({*vpcs_of_zone(self.aws, zone)} - {self.link.aws.vpc_id})
        if self.configured.adopt is not None and vpcs:
            raise place_unknown(
                f"The TXT record {owner_name(self.link.name, self.configured.name)} in zone {zone}, which also serves "
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
        changes = self._changes(parse_zones.records(self.aws.records(zone, fresh=True)), wanted)
        zones.change_records(self.aws, zone, changes, comment=f"cloudlink {self.link.name}")
        return bool(changes)

    def _changes(self, there: Iterable[FoundRecord], wanted: frozenset[ZoneRecord]) -> list[RecordChange]:
        """In an order that is safe to interrupt at any point."""
        there = tuple(there)
        mine = self._mine(there)
        self._refuse_foreign(there, mine, wanted)
        present = {record.key for record in there}
        by_key = {record.key: record for record in wanted}
        # A put of another kind of the same name and type replaces it; only what is wanted no more is taken away.
        unwanted = [found for key, found in mine.items() if key not in by_key]
        puts = [
            zones.put(record, over=record.key in present)
            for record in sorted(wanted, key=lambda r: (r.type != "TXT", r))
            if record.key not in mine or record_of(mine[record.key]) != record
        ]
        owners = [zones.take_away(found) for found in unwanted if found.type == "TXT"]
        return [*(zones.take_away(found) for found in unwanted if found.type != "TXT"), *puts, *owners]

    def _refuse_foreign(
        self, there: Iterable[FoundRecord], mine: Mapping[tuple[str, str], FoundRecord], wanted: frozenset[ZoneRecord]
    ) -> None:
        """Our own zone may lose its owner record and keep the rest: records just like the wanted ones are ours there."""
        own_zone = self.configured.adopt is None
        by_key = {record.key: record for record in wanted}
        names = {record.name for record in wanted}
        for found in there:
            name, kind = found.key
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
    """The TXT records that name what is ours. They have names of their own, which a wildcard does not match."""
    lines = sorted(quoted(f"owns {record.type} {record.name}") for record in records)
    head = (f'"cloudlink {owner.link}"', place_value(owner))
    room = MOST_VALUES - len(head)
    parts = [lines[i : i + room] for i in range(0, len(lines), room)] or [[]]
    return [
        ZoneRecord(owner_name(owner.link, zone, n), "TXT", tuple(sorted((*head, *part))), ttl=OWNER_TTL)
        for n, part in enumerate(parts, 1)
    ]


def owned_records(
    owner: Owner, there: Iterable[FoundRecord], address: str = "resolver.records"
) -> dict[tuple[str, str], FoundRecord]:
    """Our owner records and those of the records they name that exist, by name and type. A TXT record of our name that
    does not hold what we write is somebody else's.

    Raises ConflictError when one is of a link of our name elsewhere.
    """
    there = tuple(there)
    zone = next((r.name for r in there if r.type == "SOA"), "")
    simple = {r.key: r for r in there if not r.set_id}
    ours = re.compile(rf"(_[0-9]+\.)?{re.escape(owner_name(owner.link, zone))}")
    found: dict[tuple[str, str], FoundRecord] = {}
    for (name, kind), record in simple.items():
        if kind != "TXT" or ours.fullmatch(name) is None:
            continue
        values = owner_values([record])
        if f"cloudlink {owner.link}" not in values:
            continue
        _check_place(owner, name, values, address)
        found[name, kind] = record
        for value in values:
            said = _OWNS.fullmatch(value)
            if said is not None and (key := (plain_name(said[2]), said[1])) in simple:
                found[key] = simple[key]
    return found


def owner_values(records: Iterable[FoundRecord]) -> list[str]:
    """What the TXT records among these say, without quotes."""
    return [unquoted(text) for record in records if record.type == "TXT" for text in record.values]


def _check_place(owner: Owner, name: str, values: Iterable[str], address: str) -> None:
    for value in values:
        if value.startswith(PLACE) and f'"{value}"' != place_value(owner):
            raise same_name_elsewhere(f"The TXT record {name}", value.removeprefix(PLACE), owner, address)


def quoted(text: str) -> str:
    """As a TXT value: strings of at most 255 characters."""
    return " ".join(f'"{text[i : i + 255]}"' for i in range(0, len(text), 255))


def unquoted(value: str) -> str:
    return "".join(_STRING.findall(value))
