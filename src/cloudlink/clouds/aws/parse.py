"""What Route 53 and its Resolver say about names, in frozen facts: nothing else in the checks knows their keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]
_OCTAL = re.compile(r"\\([0-7]{3})")


def plain_name(name: str) -> str:
    """Lower case, no trailing dot, ``\\052`` as ``*``; the root is ``.``."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), name).lower().rstrip(".") or "."


@dataclass(frozen=True)
class VpcZone:
    """A private zone that a VPC uses, whoever made it."""

    id: str
    name: str
    owner: str = ""  # the account, or the AWS service, that it is of


@dataclass(frozen=True)
class AccountZone:
    """A zone of the account."""

    id: str
    name: str
    private: bool


@dataclass(frozen=True)
class ResolverRule:
    id: str
    domain: str
    kind: str = "FORWARD"  # FORWARD, SYSTEM, RECURSIVE
    owner: str = ""


@dataclass(frozen=True, order=True)
class RecordFact:
    name: str
    type: str
    set_id: str = ""  # of one of several of a name: weighted, by latency, ...

    def __str__(self) -> str:
        return f"{self.name} {self.type}" + (f' (one of several, "{self.set_id}")' if self.set_id else "")


def zones_of_vpc(raw: Iterable[Json]) -> tuple[VpcZone, ...]:
    found = []
    for zone in raw:
        owner = zone.get("Owner") or {}
        by = str(owner.get("OwningService") or owner.get("OwningAccount") or "")
        found.append(VpcZone(str(zone["HostedZoneId"]).rpartition("/")[2], plain_name(str(zone["Name"])), by))
    return tuple(found)


def zones_of_account(raw: Iterable[Json]) -> tuple[AccountZone, ...]:
    return tuple(
        AccountZone(
            str(z["Id"]).rpartition("/")[2],
            plain_name(str(z["Name"])),
            bool((z.get("Config") or {}).get("PrivateZone")),
        )
        for z in raw
    )


def rules_of_vpc(rules: Iterable[Json], associations: Iterable[Json], vpc: str) -> tuple[ResolverRule, ...]:
    """Those that the VPC uses."""
    used = {str(a["ResolverRuleId"]) for a in associations if a.get("VPCId") == vpc and a.get("Status") != "DELETING"}
    return tuple(
        ResolverRule(
            str(r["Id"]),
            plain_name(str(r["DomainName"])),
            str(r.get("RuleType") or ""),
            str(r.get("OwnerId") or ""),
        )
        for r in rules
        if str(r["Id"]) in used
    )


def record_facts(raw: Iterable[Json]) -> tuple[RecordFact, ...]:
    return tuple(RecordFact(plain_name(str(r["Name"])), str(r["Type"]), str(r.get("SetIdentifier") or "")) for r in raw)
