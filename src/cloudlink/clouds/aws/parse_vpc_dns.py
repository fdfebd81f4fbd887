"""What AWS says of DNS Firewall and of Route 53 Profiles, as frozen facts.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-dns-firewall.html
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/profiles.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cloudlink.clouds.aws.fields import AwsObject, text, text_or
from cloudlink.clouds.aws.parse_zones import plain_name
from cloudlink.clouds.malformed import parsing

_GONE = ("DELETING", "DELETED", "FAILED")
_KINDS: dict[str, Literal["zone", "rule", "firewall"]] = {
    "hostedzone": "zone",
    "resolver-rule": "rule",
    "firewall-rule-group": "firewall",
}


@dataclass(frozen=True, order=True)
class FirewallGroup:
    """A group of rules that a VPC uses. The lowest priority comes first."""

    priority: int
    id: str
    profile: str = ""  # by which the VPC has it; empty: it is its own


@dataclass(frozen=True, order=True)
class FirewallRule:
    priority: int
    name: str
    action: str  # ALLOW, ALERT, BLOCK
    domains_id: str  # its list; empty: it looks for threats
    response: str = ""  # of BLOCK: NODATA, NXDOMAIN, OVERRIDE
    question: str = ""  # the type of record that it is about; empty: all


@dataclass(frozen=True)
class ProfileResource:
    kind: Literal["zone", "rule", "firewall"]
    id: str
    name: str
    owner: str
    priority: int = 0  # of a group of firewall rules


def fits(entry: str, name: str) -> bool:
    """Whether an entry of a domain list is about a name: itself, or what is below a leading ``*``."""
    if entry == "*":
        return True
    return name.endswith(entry[1:]) if entry.startswith("*.") else name == entry


@parsing("AWS's DNS Firewall")
def firewall_groups(found: Iterable[AwsObject], vpc: str) -> tuple[FirewallGroup, ...]:
    return tuple(
        sorted(
            FirewallGroup(int(a.get("Priority") or 0), text(a, "FirewallRuleGroupId"))
            for a in found
            if text_or(a, "VpcId") == vpc and text_or(a, "Status") not in _GONE
        )
    )


@parsing("AWS's DNS Firewall")
def firewall_rules(found: Iterable[AwsObject]) -> tuple[FirewallRule, ...]:
    """In the order in which they are looked at."""
    return tuple(
        sorted(
            FirewallRule(
                int(r.get("Priority") or 0),
                text_or(r, "Name"),
                text(r, "Action"),
                text_or(r, "FirewallDomainListId"),
                text_or(r, "BlockResponse"),
                text_or(r, "Qtype"),
            )
            for r in found
        )
    )


@parsing("AWS's DNS Firewall")
def firewall_domains(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(plain_name(str(domain)) for domain in found)


@parsing("AWS's Route 53 Profiles")
def profiles_of(found: Iterable[AwsObject], vpc: str) -> tuple[str, ...]:
    """Ids of the profiles that the VPC uses."""
    used = (a for a in found if text_or(a, "ResourceId") == vpc and text_or(a, "Status") not in _GONE)
    return tuple(dict.fromkeys(text(a, "ProfileId") for a in used))


@parsing("AWS's Route 53 Profiles")
def profile_resources(found: Iterable[AwsObject]) -> tuple[ProfileResource, ...]:
    """Those that have to do with answers: private zones, Resolver rules and groups of firewall rules."""
    made = []
    for resource in found:
        kind, _, id_ = text(resource, "ResourceArn").split(":", 5)[5].partition("/")
        if kind in _KINDS and text_or(resource, "Status") not in _GONE:
            made.append(
                ProfileResource(
                    _KINDS[kind], id_, text_or(resource, "Name"), text_or(resource, "OwnerId"), _priority(resource)
                )
            )
    return tuple(made)


def _priority(resource: AwsObject) -> int:
    """Of ``{"priority": 102}``, which comes as text."""
    digits = "".join(c for c in text_or(resource, "ResourceProperties") if c.isdigit())
    return int(digits) if digits else 0
