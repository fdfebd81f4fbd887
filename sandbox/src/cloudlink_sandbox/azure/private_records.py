"""Record sets of Azure's private DNS zones: A and CNAME. Made, changed and deleted in the call itself.

https://learn.microsoft.com/rest/api/dns/privatedns/record-sets
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address
from typing import ClassVar

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.fields import inner, number, objects
from cloudlink_sandbox.azure.ids import ResourceId
from cloudlink_sandbox.azure.resource_provider import MadeAtOnce
from cloudlink_sandbox.azure.store import Record, Store
from cloudlink_sandbox.azure.vnets import parent_missing
from cloudlink_sandbox.facts import Record as DnsRecord

MOST_RECORDS = 20  # of a record set
_NAME = re.compile(r"@|(\*|[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*", re.I)
KINDS = ("A", "CNAME")


class _RecordSets(MadeAtOnce):
    lasts = ("azure.vnet", "azure.vnet", "azure.delete")
    kind: ClassVar[str]

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        zone = self.store.find(id_.parent())
        if zone is None:
            raise parent_missing(id_)
        if not _NAME.fullmatch(id_.name):
            raise ApiError(400, "BadRequest", f"The domain name '{id_.name}.{zone.name}' is invalid.")
        # Assumption: the code and the wording of both refusals; that a CNAME stands alone is DNS's own rule.
        if self.kind == "CNAME" and id_.name == "@":
            raise ApiError(400, "BadRequest", "A record set of type CNAME cannot be made at the zone's apex.")
        beside = [
            r
            for kind in KINDS
            for r in self.store.children(zone.id, kind)
            if r.name.lower() == id_.name.lower() and kind != self.kind
        ]
        if beside:
            raise ApiError(409, "Conflict", f"The record set {beside[0].id} of another type has that name already.")
        given = inner(body, "properties", path="")
        metadata = inner(given, "metadata")
        kept: Json = {
            "ttl": number(given, "ttl", 3600, 1, 2_147_483_647, path="properties"),
            "fqdn": f"{zone.name if id_.name == '@' else f'{id_.name}.{zone.name}'}.",
            "isAutoRegistered": False,
            **self.values(given, id_),
        }
        return kept | ({"metadata": dict(metadata)} if metadata else {})

    def values(self, given: Json, id_: ResourceId) -> Json:
        raise NotImplementedError

    def shape(self, record: Record, state: str, *, listed: bool) -> Json:
        del state, listed
        return dict(record.properties)


class ARecords(_RecordSets):
    kinds = ("privateDnsZones", "A")
    word = "ARecordSet"
    kind = "A"

    def values(self, given: Json, id_: ResourceId) -> Json:
        found = objects(given, "aRecords")
        if not 1 <= len(found) <= MOST_RECORDS:
            raise ApiError(400, "BadRequest", f"The record set {id_} needs one to {MOST_RECORDS} records.")
        for i, one in enumerate(found):
            try:
                IPv4Address(one.get("ipv4Address", ""))
            except AddressValueError:
                raise errors.invalid_value(f"properties.aRecords[{i}].ipv4Address", one.get("ipv4Address")) from None
        return {"aRecords": [{"ipv4Address": one["ipv4Address"]} for one in found]}


class CnameRecords(_RecordSets):
    kinds = ("privateDnsZones", "CNAME")
    word = "CnameRecordSet"
    kind = "CNAME"

    def values(self, given: Json, id_: ResourceId) -> Json:
        target = str(inner(given, "cnameRecord").get("cname") or "")
        if not target:
            raise errors.invalid_value("properties.cnameRecord.cname", target)
        return {"cnameRecord": {"cname": target}}


def records_of(store: Store, zone: ResourceId) -> Iterator[DnsRecord]:
    """In the words of the world."""
    for kind in KINDS:
        for record in store.children(zone, kind):
            held = record.properties
            values = (
                tuple(a["ipv4Address"] for a in held["aRecords"]) if kind == "A" else (held["cnameRecord"]["cname"],)
            )
            yield DnsRecord(str(held["fqdn"]).lower().rstrip("."), kind, held["ttl"], values)
