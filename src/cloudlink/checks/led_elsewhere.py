"""What was changed so that names do not lead where they should, although every object of the link is there. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cloudlink.checks.report import Check, Outcome, check
from cloudlink.clouds.aws.parse_zones import FoundRecord, ZoneRecord, record_of
from cloudlink.steps.resolver.vpc_dns import VpcDnsSpec

_UP = "cloudlink up"


def records(wanted: Collection[ZoneRecord], found: Iterable[FoundRecord]) -> Check | None:
    """A check that failed; None: each configured name leads where it should, or has no record at all, which is told
    otherwise. Lifetimes are no matter. found: of the zone, other people's included."""
    there = {(r.name, r.type): r for r in found if r.type in ("A", "CNAME")}
    foreign, wrong = list[str](), list[str]()
    for record in sorted((r for r in wanted if r.type == "A"), key=lambda r: r.name):
        other = there.get((record.name, "CNAME"))
        seen = there.get((record.name, "A"))
        if other is not None:
            foreign.append(f"{record.name} has a CNAME record of somebody else's to {', '.join(other.values)}")
        elif seen is not None and set(record_of(seen).values) != set(record.values):
            wrong.append(f"{record.name} leads to {', '.join(seen.values)} instead of {', '.join(record.values)}")
    if foreign:
        said = "; ".join((*foreign, *wrong))
        return check(
            "records", Outcome.FAILED, said, "Delete that record, or take the name out of dns.hosts; then: cloudlink up"
        )
    return check("records", Outcome.FAILED, "; ".join(wrong), _UP) if wrong else None


def zone(vpc: str, settings: VpcDnsSpec) -> Check | None:
    """https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html"""
    off = [word for word, on in (("DNS support", settings.support), ("DNS hostnames", settings.hostnames)) if not on]
    if not off:
        return None
    verb = "is" if settings.hostnames else "are"
    said = f"{' and '.join(off)} {verb} off in {vpc}, where AWS answers nothing from private zones then"
    return check("zone", Outcome.FAILED, said, _UP)
