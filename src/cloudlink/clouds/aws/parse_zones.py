"""What Route 53 says of hosted zones and their records, as frozen facts, and records as Route 53 wants them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cloudlink.clouds.aws.fields import AwsObject, part, parts, text, text_or
from cloudlink.clouds.malformed import parsing

_ID = re.compile(r"[A-Z0-9]{1,32}")
_OCTAL = re.compile(r"\\([0-7]{3})")


def plain_name(name: str) -> str:
    """A name as people write it: lower case, no trailing dot, ``\\052`` as ``*``; the root is ``.``.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html
    """
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), name).lower().rstrip(".") or "."


def plain_id(zone_id: str) -> str:
    """``Z123`` for ``/hostedzone/Z123``."""
    return zone_id.rpartition("/")[2]


def zone_id(said: str) -> str | None:
    """The id in what a file says, if it has the form of one; Route 53 takes 32 characters. Anything else is not sent: an empty
    one asks for the list of zones.

    https://docs.aws.amazon.com/Route53/latest/APIReference/API_GetHostedZone.html
    """
    number = plain_id(said)
    return number if _ID.fullmatch(number) else None


# --- zones --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VpcZone:
    """A private zone that a VPC uses, in any account."""

    id: str
    name: str
    owner: str = ""  # the account, or the AWS service, that it is of


@dataclass(frozen=True)
class AccountZone:
    """A zone of the account."""

    id: str
    name: str
    private: bool
    reference: str = ""  # what its creator called the create
    records: int = 0  # record sets in it


@dataclass(frozen=True)
class Zone:
    """A zone, with the VPCs that it serves."""

    id: str
    name: str
    private: bool
    reference: str
    vpcs: tuple[str, ...]
    # the service of AWS that made it, and alone may write it; empty: none
    # https://docs.aws.amazon.com/Route53/latest/APIReference/API_HostedZone.html
    kept_by: str = ""


@parsing("Route 53's zones")
def zones_of_vpc(found: Iterable[AwsObject]) -> tuple[VpcZone, ...]:
    zones = []
    for zone in found:
        owner = part(zone, "Owner")
        by = text_or(owner, "OwningService") or text_or(owner, "OwningAccount")
        zones.append(VpcZone(plain_id(text(zone, "HostedZoneId")), plain_name(text(zone, "Name")), by))
    return tuple(zones)


@parsing("Route 53's zones")
def zones_of_account(found: Iterable[AwsObject]) -> tuple[AccountZone, ...]:
    return tuple(
        AccountZone(
            plain_id(text(z, "Id")),
            plain_name(text(z, "Name")),
            bool(part(z, "Config").get("PrivateZone")),
            text_or(z, "CallerReference"),
            int(z.get("ResourceRecordSetCount") or 0),
        )
        for z in found
    )


@parsing("Route 53's zones")
def zone(found: AwsObject | None) -> Zone | None:
    """From GetHostedZone."""
    if found is None:
        return None
    hosted = part(found, "HostedZone")
    return Zone(
        plain_id(text(hosted, "Id")),
        plain_name(text(hosted, "Name")),
        bool(part(hosted, "Config")["PrivateZone"]),
        text(hosted, "CallerReference"),
        tuple(text(v, "VPCId") for v in parts(found, "VPCs")),
        text_or(part(hosted, "LinkedService"), "ServicePrincipal"),
    )


# --- records ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class RecordFact:
    """What identifies a record set."""

    name: str
    type: str
    set_id: str = ""  # of one of several of a name: weighted, by latency, ...

    def __str__(self) -> str:
        return f"{self.name} {self.type}" + (f' (one of several, "{self.set_id}")' if self.set_id else "")


@dataclass(frozen=True)
class FoundRecord(RecordFact):
    """One that exists. answer: as Route 53 spells it, which a delete must repeat, and for ``record_of``."""

    values: tuple[str, ...] = ()  # of an alias: the name that it points at
    alias: bool = False
    answer: AwsObject = field(default_factory=dict, repr=False, compare=False)

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.type


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


@parsing("Route 53's records")
def record_facts(found: Iterable[AwsObject]) -> tuple[RecordFact, ...]:
    return tuple(_fact(r) for r in found)


@parsing("Route 53's records")
def records(found: Iterable[AwsObject]) -> tuple[FoundRecord, ...]:
    return tuple(
        FoundRecord(f.name, f.type, f.set_id, _alias_or_values(r), bool(r.get("AliasTarget")), r)
        for r in found
        for f in (_fact(r),)
    )


def _fact(found: AwsObject) -> RecordFact:
    return RecordFact(plain_name(text(found, "Name")), text(found, "Type"), text_or(found, "SetIdentifier"))


def _alias_or_values(found: AwsObject) -> tuple[str, ...]:
    alias = part(found, "AliasTarget")
    return (plain_name(text(alias, "DNSName")),) if alias else _values(found)


def _values(found: AwsObject) -> tuple[str, ...]:
    return tuple(plain_value(text(v, "Value")) for v in parts(found, "ResourceRecords"))


def plain_value(value: str) -> str:
    """A TXT value with ``\\052`` as ``*``, as Route 53 may give it back."""
    return value.replace("\\052", "*")


def record_set(record: ZoneRecord) -> dict[str, Any]:
    """For a change batch."""
    name = {"Name": record.name + ".", "Type": record.type}
    if record.alias:
        target = {"HostedZoneId": record.alias, "DNSName": record.values[0] + ".", "EvaluateTargetHealth": False}
        return {**name, "AliasTarget": target}
    return {**name, "TTL": record.ttl, "ResourceRecords": [{"Value": v} for v in record.values]}


@parsing("Route 53's records")
def record_of(found: FoundRecord) -> ZoneRecord:
    """The inverse of ``record_set``: ``record_of(record_set(r)) == r``. Route 53 keeps no order among the values of a record."""
    if found.answer.get("AliasTarget") is not None:
        alias = part(found.answer, "AliasTarget")
        target = plain_name(text(alias, "DNSName")).removeprefix("dualstack.")
        return ZoneRecord(found.name, found.type, (target,), alias=text(alias, "HostedZoneId"))
    return ZoneRecord(found.name, found.type, _ordered(found.type, _values(found.answer)), ttl=found.answer.get("TTL"))


def _ordered(kind: str, values: Iterable[str]) -> tuple[str, ...]:
    if kind == "A":
        return tuple(sorted(values, key=lambda v: tuple(int(part) for part in v.split("."))))
    return tuple(sorted(values))
