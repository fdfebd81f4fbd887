"""The store of Route 53: hosted zones, record sets, changes; and what makes a change batch wrong."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

from cloudlink_sandbox.aws.errors import ApiError

_TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV", "TXT")
_PLAIN = frozenset(string.ascii_lowercase + string.digits + "-_.")
MOST_RECORDS = 1_000
MOST_CHARACTERS = 32_000
MOST_VALUES = 400  # in one record set
"""Per change batch; an UPSERT counts twice.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html"""


def new_zone_id() -> str:
    return "Z" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(20))


def canonical(name: str) -> str:
    """As Route 53 keeps and lists names: lower case, trailing dot, ``*`` as ``\\052``."""
    text = name.lower().replace("\\052", "*")
    text = text if text.endswith(".") else text + "."
    return "".join(c if c in _PLAIN else f"\\{ord(c):03o}" for c in text)


def plain(name: str) -> str:
    """As people write it: no trailing dot, ``*`` as itself."""
    return name.removesuffix(".").replace("\\052", "*")


def order(name: str) -> tuple[str, ...]:
    """Route 53 lists names by their labels from the right."""
    return tuple(reversed(name.removesuffix(".").split(".")))


@dataclass(frozen=True)
class RecordSet:
    """alias: (hosted zone id of the target, its DNS name, evaluate health), instead of ttl and values."""

    name: str
    type: str
    ttl: int | None
    values: tuple[str, ...] = ()
    alias: tuple[str, str, bool] | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.type

    def json(self) -> dict[str, Any]:
        if self.alias is not None:
            zone, target, healthy = self.alias
            return {
                "Name": self.name,
                "Type": self.type,
                "AliasTarget": {"HostedZoneId": zone, "DNSName": target, "EvaluateTargetHealth": healthy},
            }
        return {
            "Name": self.name,
            "Type": self.type,
            "TTL": self.ttl,
            "ResourceRecords": [{"Value": v} for v in self.values],
        }


@dataclass
class HostedZone:
    id: str
    name: str  # canonical
    caller_reference: str
    comment: str
    private: bool
    vpcs: dict[str, str]  # VPC id -> region
    made: float
    records: dict[tuple[str, str], RecordSet] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def in_order(self) -> list[RecordSet]:
        return sorted(self.records.values(), key=lambda r: (order(r.name), r.type))

    def holds_own_records_only(self) -> bool:
        return all(r.type in ("NS", "SOA") and r.name == self.name for r in self.records.values())


@dataclass
class Change:
    id: str
    submitted: float
    in_sync_at: float
    comment: str = ""


@dataclass
class Zones:
    """Everything Route 53 keeps. references: caller references of zones that were ever made and still exist."""

    zones: dict[str, HostedZone] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)


def first_records(zone: HostedZone) -> None:
    """NS and SOA, which every zone has from the start."""
    names = tuple(f"ns-{n}.awsdns-00.{d}." for n, d in ((0, "com"), (512, "net"), (1024, "org"), (1536, "co.uk")))
    soa = f"{names[0]} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
    for record in (RecordSet(zone.name, "NS", 172_800, names), RecordSet(zone.name, "SOA", 900, (soa,))):
        zone.records[record.key] = record


def parsed(asked: Mapping[str, Any]) -> RecordSet:
    """A ResourceRecordSet of a request. Raises ValueError with Route 53's words."""
    name, kind = canonical(asked["Name"]), asked["Type"]
    shown = f"[name='{name}', type='{kind}']"
    for unsupported in (
        "SetIdentifier",
        "Weight",
        "Region",
        "GeoLocation",
        "Failover",
        "MultiValueAnswer",
        "HealthCheckId",
    ):
        if asked.get(unsupported):
            raise ValueError(f"{unsupported} in {shown} is not modelled by the sandbox")
    if kind not in _TYPES:
        raise ValueError(f"Invalid record type in {shown}")
    alias, ttl, records = asked.get("AliasTarget"), asked.get("TTL"), asked.get("ResourceRecords") or []
    if (alias is None) == (ttl is None and not records) or (alias is None and (ttl is None or not records)):
        raise ValueError(
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or "
            f"TrafficPolicyInstanceId], but found {'more than one' if alias else 'none'} in Change with {shown}"
        )
    if alias is not None:
        target = alias["DNSName"].lower().removesuffix(".") + "."
        return RecordSet(name, kind, None, (), (alias["HostedZoneId"], target, bool(alias.get("EvaluateTargetHealth"))))
    values = tuple(r["Value"] for r in records)
    if len(set(values)) != len(values):
        raise ValueError(f"Duplicate Resource Record in {shown}")
    if len(values) > MOST_VALUES:  # belief: the sentence; the limit is documented
        raise ValueError(f"Too many Resource Records in {shown}: {len(values)}, at most {MOST_VALUES}")
    if not 0 <= int(ttl or 0) <= 2_147_483_647:
        raise ValueError(f"Invalid TTL in {shown}")
    for value in values:
        _check_value(kind, value, shown)
    return RecordSet(name, kind, int(ttl or 0), values)


def _check_value(kind: str, value: str, shown: str) -> None:
    try:
        if kind == "A":
            IPv4Address(value)
        elif kind == "AAAA":
            IPv6Address(value)
    except AddressValueError:
        family = "IPv4" if kind == "A" else "IPv6"
        raise ValueError(
            f"Invalid Resource Record: 'FATAL problem: ARRDATAIllegal{family}Address (Value is not a valid {family} "
            f"address) encountered with '{value}'' in {shown}"
        ) from None
    if kind == "TXT" and not (value.startswith('"') and value.endswith('"') and len(value) > 1):
        raise ValueError(
            "Invalid Resource Record: 'FATAL problem: InvalidCharacterString (Value should be enclosed in quotation "
            f"marks) encountered with '{value}'' in {shown}"
        )


def applied(zone: HostedZone, changes: list[dict[str, Any]]) -> dict[tuple[str, str], RecordSet]:
    """The zone's records after the batch: all of it or, with ApiError InvalidChangeBatch, nothing."""
    size = characters = 0
    for change in changes:
        weight = 2 if change["Action"] == "UPSERT" else 1
        records = change["ResourceRecordSet"].get("ResourceRecords") or []
        size += weight * len(records)
        characters += weight * sum(len(r["Value"]) for r in records)
    if size > MOST_RECORDS:
        raise ApiError("InvalidChangeBatch", f"[Number of records limit of {MOST_RECORDS} exceeded.]")
    if characters > MOST_CHARACTERS:
        raise ApiError("InvalidChangeBatch", f"[RDATA character limit of {MOST_CHARACTERS} exceeded.]")
    after = dict(zone.records)
    wrong: list[str] = []
    for change in changes:
        try:
            _apply(zone, after, change["Action"], parsed(change["ResourceRecordSet"]))
        except ValueError as problem:
            wrong.append(str(problem))
    if wrong:
        raise ApiError("InvalidChangeBatch", f"[{', '.join(wrong)}]")
    return after


def _apply(zone: HostedZone, after: dict[tuple[str, str], RecordSet], action: str, record: RecordSet) -> None:
    shown = f"[name='{record.name}', type='{record.type}']"
    if record.name != zone.name and not record.name.endswith("." + zone.name):
        raise ValueError(f"RRSet with DNS name {record.name} is not permitted in zone {zone.name}")
    there = after.get(record.key)
    apex = record.name == zone.name and record.type in ("NS", "SOA")
    if action == "DELETE":
        if there is None:
            raise ValueError(f"Tried to delete resource record set {shown} but it was not found")
        if there != record:
            raise ValueError(
                f"Tried to delete resource record set {shown} but the values provided do not match the current values"
            )
        if apex:
            raise ValueError(f"A HostedZone must contain at least one {record.type} record for the zone itself.")
        del after[record.key]
        return
    if action not in ("CREATE", "UPSERT"):
        raise ValueError(f"Invalid action {action}")
    if action == "CREATE" and there is not None:
        raise ValueError(f"Tried to create resource record set {shown} but it already exists")
    if record.type == "CNAME" and record.name == zone.name:
        raise ValueError(
            f"RRSet of type CNAME with DNS name {record.name} is not permitted at apex in zone {zone.name}"
        )
    others = {kind for name, kind in after if name == record.name and kind != record.type}
    if "CNAME" in others or (record.type == "CNAME" and others):
        raise ValueError(
            f"RRSet of type {record.type} with DNS name {record.name} is not permitted because a conflicting RRSet of "
            f"type {'CNAME' if 'CNAME' in others else min(others)} with the same DNS name already exists in zone {zone.name}"
        )
    after[record.key] = record
